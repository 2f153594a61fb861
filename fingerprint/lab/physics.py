"""The physics study: tolerances from labelled figures, false exclusions, what exclusion can do, and the claim's error rates."""

from __future__ import annotations

import csv
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fingerprint import chips, claims, costs
from fingerprint.bounds import KINDS, Bounds, bounds
from fingerprint.lab import metrics
from fingerprint.lab.holdout import Heldout
from fingerprint.lab.profiles import Corpus
from fingerprint.lab.training_runs import training_runs
from fingerprint.measurements import Floats, Mask
from fingerprint.roofline import Exclusion, ceilings, exclusions
from fingerprint.scorer import CLASSES, UNKNOWN

#: What the largest ratio seen is multiplied by: the next machine may be a little faster than the fastest seen.
MARGIN = 1.02

#: Kinds that may not be stricter than another times a factor: the same meters read both, and few sources state energy. Where rows were
#: left out, an energy may be paired with the speed of another run that differs in what nobody states: by 1.08 at most in labelled
#: profiles cut at random.
AT_LEAST: dict[str, tuple[str, float]] = {"energy and speed": ("power", 1.1)}

#: Share of true claims of a class that may fall under twice its limit: half of the 1 % that is promised, and the limit is half of
#: that quantile, for sources are not exchangeable: the next one may be stranger than those that it is measured on.
FALSE_ALARMS = 0.005
CAUTION = 0.5

#: FLOP from which a matrix product fills a large chip: 2 x 4096^3.
LARGE_GEMM = 2.0 * 4096.0**3

#: A seller's lies: what is sold, as what.
SOLD: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("an H20 sold as H100", ("H20-96GB", "H20-141GB", "H20"), "H100-SXM"),
    ("an H100 sold as B200", ("H100-SXM", "H100"), "B200"),
    ("an H100 PCIe sold as SXM", ("H100-PCIe",), "H100-SXM"),
    ("an H100 SXM sold as PCIe", ("H100-SXM",), "H100-PCIe"),
    ("an A100 sold as H100", ("A100", *(c for c in chips.table() if c.startswith("A100"))), "H100-SXM"),
    ("an H100 sold as A100", ("H100-SXM", "H100"), "A100"),
    ("an H100 sold as H20", ("H100-SXM", "H100", "H200-SXM", "H200"), "H20"),
)

#: Classes, and families within them, whose profiles are told apart in the figures of exclusion.
TOLD = ("hopper", "blackwell", "h20", "ampere", "ada", "cdna3", "cdna4")
TOLD_FAMILIES = ("H100", "H200", "H800", "H20", "B200", "GB200", "A100")

Figures = list[dict[str, Any]]
Labels = npt.NDArray[np.object_]


class Study:
    """The labelled figures against the chip table, each part computed once."""

    def __init__(self, corpus: Corpus) -> None:
        self.frame, self.table = corpus.frame, corpus.table

    @cached_property
    def found(self) -> Bounds:
        """Lower bounds of every figure."""
        return bounds(self.table)

    @cached_property
    def ratios(self) -> Floats:
        """For each bound, achieved over the ceiling of the true chip (of a family: of its most able member); NaN without one."""
        label = pd.Categorical(self.frame["chip"].to_numpy()[self.found.index])
        ids = list(chips.table())
        members = np.array(
            [[chip in chips.members(str(name)) for chip in ids] for name in label.categories], dtype=bool
        )
        out = np.full(len(self.found), np.nan)
        # In parts: figures times chips would not fit a small machine.
        for rows in np.array_split(np.arange(len(self.found)), max(1, len(self.found) // 30_000)):
            part = self.found.take(rows)
            limit = np.where(members[label.codes[rows]], ceilings(part), 0.0).max(axis=1)
            known = (limit > 0) & np.isfinite(limit)
            out[rows[known]] = part.achieved[known] / limit[known]
        return out

    @cached_property
    def excluded(self) -> list[Exclusion]:
        """Exclusions of every profile."""
        return exclusions(self.table)

    @cached_property
    def profiles(self) -> pd.DataFrame:
        """One line a profile: chip, family, class and origin, indexed by name."""
        first = self.frame.drop_duplicates("profile").set_index("profile")[["chip", "architecture", "origin"]]
        family = {c: chips.table()[c].family if c in chips.table() else c for c in first["chip"].unique()}
        return first.assign(family=first["chip"].map(family))

    def tolerances(self) -> pd.DataFrame:
        """Return kind by kind the figures with a known ceiling, the largest ratio and the tolerance that follows."""
        kind = np.asarray(self.found.kind.words, dtype=object)[self.found.kind.codes]
        seen = pd.DataFrame(
            {"kind": kind, "ratio": self.ratios, "profile": self.frame["profile"].to_numpy()[self.found.index]}
        )
        seen = seen.dropna(subset=["ratio"])
        out = seen.groupby("kind").agg(
            figures=("ratio", "size"), profiles=("profile", "nunique"), largest_ratio=("ratio", "max")
        )
        out = out.reindex(list(KINDS)).fillna({"figures": 0, "profiles": 0}).astype({"figures": int, "profiles": int})
        largest = np.ceil(out["largest_ratio"] * 1000.0) / 1000.0
        tolerance = np.round(np.fmax(largest, 1.0) * MARGIN, 3)
        for kind_, (other, factor) in AT_LEAST.items():
            tolerance[kind_] = max(tolerance[kind_], round(tolerance[other] * factor, 3))
        out = out.assign(
            quantity=[KINDS[k] for k in out.index], largest_ratio=largest, tolerance=tolerance
        ).reset_index()
        return out[["kind", "quantity", "figures", "profiles", "largest_ratio", "tolerance"]]

    def false_exclusions(self) -> list[Exclusion]:
        """Return exclusions of a profile's true chip; of a family only where all its members are excluded."""
        truth = self.profiles["chip"].to_dict()
        gone: dict[str, dict[str, Exclusion]] = {}
        for e in self.excluded:
            gone.setdefault(e.profile, {})[e.chip] = e
        wrong = []
        for profile, chip in truth.items():
            members = chips.members(str(chip))
            if members and all(m in gone.get(str(profile), {}) for m in members):
                wrong += [gone[str(profile)][m] for m in members]
        return wrong

    def false_out_of_source(self) -> pd.DataFrame:
        """Return the figures that would exclude their true chip had the tolerance been measured without their origin.

        What a source never seen may do: the honest error rate behind the zero of :meth:`false_exclusions`.
        """
        kind = np.asarray(self.found.kind.words, dtype=object)[self.found.kind.codes]
        rows = self.frame.iloc[self.found.index][["origin", "profile", "chip"]].reset_index(drop=True)
        seen = rows.assign(kind=kind, ratio=self.ratios, row=self.found.index).dropna(subset=["ratio"])
        by_origin = seen.groupby(["kind", "origin"])["ratio"].max().sort_values(ascending=False)
        top = by_origin.groupby("kind").head(2).reset_index()
        wrong = []
        for name, best in top.groupby("kind"):
            # Only the origin that holds the largest ratio loses its own support.
            others = float(best["ratio"].iloc[1]) if len(best) > 1 else 0.0
            limit = max(np.ceil(others * 1000.0) / 1000.0, 1.0) * MARGIN
            mine = seen[(seen["kind"] == name) & (seen["origin"] == best["origin"].iloc[0])]
            wrong.append(mine[mine["ratio"] > limit])
        out: pd.DataFrame = pd.concat(wrong, ignore_index=True)
        return out

    def emptied(self) -> list[str]:
        """Return the profiles that exclude every chip of the table of their own class: their chip is none of the table."""
        gone: dict[str, set[str]] = {}
        for e in self.excluded:
            gone.setdefault(e.profile, set()).add(e.chip)
        of_class: dict[str, set[str]] = {}
        for chip in chips.table().values():
            of_class.setdefault(chip.architecture, set()).add(chip.id)
        truth = self.profiles["architecture"].to_dict()
        return [
            str(p) for p, a in truth.items() if of_class.get(str(a)) and of_class[str(a)] <= gone.get(str(p), set())
        ]

    def training_runs(self) -> pd.DataFrame:
        """Return the labelled whole training runs that nobody estimated, see :func:`fingerprint.lab.training_runs.training_runs`."""
        return training_runs(self.frame)

    def large_gemm(self) -> set[str]:
        """Return profiles with a matrix product of at least :data:`LARGE_GEMM` FLOP in 16 bits or fewer."""
        f = self.frame
        size = 2.0 * f["m"] * f["n"] * f["k"]
        square = (f["quantity"] == "compute_rate") & f["n"].isna() & (2.0 * f["m"] ** 3 >= LARGE_GEMM)
        narrow = f["precision"].isin(["bf16", "fp16", "fp8", "int8", "fp4"]) & f["workload"].isin(["gemm"])
        return set(
            f.loc[narrow & ((size >= LARGE_GEMM) | square) & f["quantity"].isin(["latency", "compute_rate"]), "profile"]
        )


def write_tolerances(study: Study, file: Path) -> None:
    """Write ``datasets/tolerances.csv``."""
    with file.open("w", newline="", encoding="utf-8") as stream:
        out = csv.writer(stream, lineterminator="\n")
        table = study.tolerances()
        out.writerow(table.columns)
        for row in table.itertuples(index=False):
            out.writerow("" if isinstance(v, float) and np.isnan(v) else v for v in row)


def _excluding(study: Study) -> pd.DataFrame:
    """Return one line an exclusion: profile, chip, kind, and the profile's labels."""
    lines = pd.DataFrame([(e.profile, e.chip, e.kind, e.quantity.split()[0]) for e in study.excluded],
                         columns=["profile", "out", "kind", "quantity"])  # fmt: skip
    return lines.join(study.profiles, on="profile")


def report(corpus: Corpus) -> Figures:
    """Return the figures of the protocol ``physics`` that need no held-out posterior."""
    study = Study(corpus)
    out: Figures = []
    n = len(study.frame)

    def put(slice_: str, metric: str, value: Any, count: int, class_: str | None = None) -> None:
        out.append(metrics.figure("physics", slice_, metric, value, count, class_=class_))

    bounded = np.zeros(n, dtype=bool)
    bounded[study.found.index] = True
    put("all figures", "rows_bounded", float(bounded.mean()), n)
    for tool, rows in study.frame.groupby("tool").indices.items():
        put(str(tool), "rows_bounded", float(bounded[rows].mean()), len(rows))
    points = costs.points(study.table)
    usual = ~np.isnan(points.flop_rate) | ~np.isnan(points.byte_rate) | ~np.isnan(points.link_rate)
    put("all figures", "rows_with_cost", float((usual | bounded).mean()), n)
    for quantity, rows in study.frame.groupby("quantity").indices.items():
        put(str(quantity), "rows_with_cost", float((usual | bounded)[rows].mean()), len(rows))
    for name in KINDS:
        put(name, "rows_of_kind", float(len(np.unique(study.found.index[study.found.kind.equals(name)])) / n), n)
    for row in study.tolerances().to_dict("records"):
        put(row["kind"], "tolerance", float(row["tolerance"]), int(row["figures"]))
        put(row["kind"], "largest_ratio", float(row["largest_ratio"]), int(row["figures"]))
    labelled = int((study.profiles["chip"] != "").sum())
    put("all profiles", "false_exclusions", float(len({e.profile for e in study.false_exclusions()})), labelled)
    strange = study.false_out_of_source()
    put("tolerance of other sources", "false_exclusions", float(strange["profile"].nunique()), labelled)
    put("all profiles", "class_excluded", float(len(study.emptied())), len(study.profiles))
    out += _power(study)
    out += _h20(study)
    out += _claims_by_physics(study)
    return out


def _power(study: Study) -> Figures:
    """Median number of excluded chips, by class, and by class and kind of evidence among profiles that have the kind."""
    out: Figures = []
    kind = np.asarray(study.found.kind.words, dtype=object)[study.found.kind.codes]
    has = pd.DataFrame(
        {"profile": study.frame["profile"].to_numpy()[study.found.index], "kind": kind}
    ).drop_duplicates()
    total = (
        pd.DataFrame([(e.profile, e.chip) for e in study.excluded], columns=["profile", "out"])
        .groupby("profile")
        .size()
    )
    everyone = study.profiles.assign(excluded=total).fillna({"excluded": 0})
    everyone = everyone[everyone.index.isin(has["profile"])]

    def put(slice_: str, profiles: pd.DataFrame, column: str, told: tuple[str, ...]) -> None:
        for class_, part in profiles.groupby(column):
            if class_ in told:
                out.append(metrics.figure("physics", slice_, "excluded_chips_median", float(part["excluded"].median()),
                                          len(part), class_=str(class_)))  # fmt: skip

    put("any evidence", everyone, "architecture", tuple(everyone["architecture"].unique()))
    put("any evidence", everyone, "family", TOLD_FAMILIES)
    # The same profiles seen through one kind of evidence alone.
    for name in KINDS:
        those = has.loc[has["kind"] == name, "profile"]
        rows = study.found.take(study.found.kind.equals(name)).index
        alone = pd.DataFrame([(e.profile, e.chip) for e in exclusions(study.table.take(np.unique(rows))) if e.kind == name],
                             columns=["profile", "out"]).groupby("profile").size()  # fmt: skip
        part = study.profiles.loc[those].assign(excluded=alone).fillna({"excluded": 0})
        put(name, part, "architecture", TOLD)
        put(name, part, "family", TOLD_FAMILIES)
    return out


def _h20(study: Study) -> Figures:
    """The share of profiles of its relatives that exclude both H20s."""
    out: Figures = []
    lines = _excluding(study)
    gone = lines[lines["out"].isin(chips.members("H20"))].groupby("profile")["out"].nunique()
    without = set(gone[gone == len(chips.members("H20"))].index)
    tools = study.frame.groupby("profile")["tool"].agg(set)
    slices = {"all": None, "large GEMM": study.large_gemm()}
    slices |= {name: set(tools[tools.map(lambda t, w=words: bool(t & w))].index) for name, words in
               {"kernels": {"kernel"}, "serving": {"serving", "engine", "mlperf-inference"},
                "training": {"training", "mlperf-training", "training-run"}, "collectives": {"collective"}}.items()}  # fmt: skip
    for family in ("H100", "H200", "H800", "B200", "GB200", "A100", "H20"):
        mine = study.profiles[study.profiles["family"] == family]
        for name, chosen in slices.items():
            part = mine if chosen is None else mine[mine.index.isin(chosen)]
            if len(part):
                share = part.index.isin(without).astype(float)
                value = metrics.mean_interval(share, part["origin"].to_numpy(dtype=object))
                out.append(metrics.figure("physics", name, "excluded_h20", value, len(part), class_=family))
    return out


def _claims_by_physics(study: Study) -> Figures:
    """False alarms on true claims and lies found by exclusion alone, over whole profiles."""
    gone: dict[str, set[str]] = {}
    for e in study.excluded:
        gone.setdefault(e.profile, set()).add(e.chip)
    out: Figures = []

    def put(slice_: str, metric: str, profiles: pd.DataFrame, claimed: pd.Series) -> None:
        if len(profiles):
            hit = [set(chips.members(str(c))) <= gone.get(str(p), set()) for p, c in zip(profiles.index, claimed, strict=True)]
            value = metrics.mean_interval(np.array(hit, dtype=float), profiles["origin"].to_numpy(dtype=object))
            out.append(metrics.figure("physics", f"{slice_}, whole profiles", metric, value, len(profiles), "physics alone"))

    known = study.profiles[[bool(chips.members(str(c))) for c in study.profiles["chip"]]]
    put("true claims", "claim_false_alarm", known, known["chip"])
    for name, sold, claimed in SOLD:
        lies = known[known["chip"].isin(sold)]
        put(name, "claim_detected", lies, pd.Series(claimed, index=lies.index))
    return out


def describe(figures: Figures) -> str:
    """Return the figures of the protocol as text, one a line, grouped by metric."""
    lines: list[str] = []
    for metric in dict.fromkeys(f["metric"] for f in figures):
        lines += ["", metric]
        for f in (f for f in figures if f["metric"] == metric):
            label = ", ".join(str(part) for part in (f["slice"], f["class"]) if part) + ("" if f["model"] == "shipped" else f" [{f['model']}]")
            lines.append(f"  {label:<64} {metrics.in_words(f)}")
    return "\n".join(lines[1:])


# Claims -----------------------------------------------------------------------------------------------------------------


def claim_threshold(held: Heldout, rows: Mask | None = None) -> dict[str, float]:
    """Return, for each class, the probability below which a claim of it is called inconsistent.

    :data:`CAUTION` times the class-conditional conformal limit: of profiles of the class from sources (or submitters) never seen, at
    most :data:`FALSE_ALARMS` lie below that (the k-th smallest of n, k = floor(0.005 (n + 1))). Classes with fewer than 199 profiles
    get 0, no alarm; so does ``unknown``, a name for what is not told apart.

    Parameters
    ----------
    held : Heldout
        Of the protocol by source.
    rows : ndarray of bool, optional
        The profiles to calibrate on; all that were held out by default.
    """
    use = np.ones(len(held.fold), dtype=bool) if rows is None else rows
    p = held.probabilities
    out = {}
    for k, name in enumerate(CLASSES):
        mine = np.sort(p[use & (held.truth == name), k])
        rank = int(np.floor(FALSE_ALARMS * (len(mine) + 1)))
        out[name] = CAUTION * float(mine[rank - 1]) if rank and name != UNKNOWN else 0.0
    return out


def _alarms(held: Heldout, claimed: Labels, gone: list[set[str]]) -> tuple[Mask, Mask]:
    """Return, a profile, whether its claim is excluded by physics, and whether posterior or physics call it inconsistent.

    The thresholds of a fold come from the other folds only.
    """
    p = held.probabilities
    physics = np.array(
        [bool(chips.members(c)) and set(chips.members(c)) <= g for c, g in zip(claimed, gone, strict=True)], dtype=bool
    )
    class_of = {c: claims.class_of(c, CLASSES) for c in set(claimed.tolist())}
    column = np.array([CLASSES.index(class_of[c]) for c in claimed])
    low = np.zeros(len(p), dtype=bool)
    for fold in np.unique(held.fold):
        limits = claim_threshold(held, held.fold != fold)
        here = held.fold == fold
        limit = np.array([limits[c] for c in CLASSES])[column[here]]
        low[here] = p[here, column[here]] < limit
    return physics, physics | low


def report_claims(held: Heldout) -> Figures:
    """Return false alarms on true claims, and how often usual lies are found, by richness."""
    out: Figures = []
    n = len(held.truth)
    gone: list[set[str]] = [set() for _ in range(n)]
    for e in exclusions(held.test.table()):
        gone[int(e.profile)].add(e.chip)
    chip, origin = held.test.chip, held.test.origin
    stated = np.where(chip == "", held.test.architecture, chip)

    def put(slice_: str, metric: str, hit: Mask, rows: Mask, class_: str | None = None, model: str = "shipped") -> None:
        if rows.sum():
            value = metrics.mean_interval(hit[rows].astype(float), origin[rows])
            out.append(metrics.figure("physics", slice_, metric, value, int(rows.sum()), model, class_))

    # Of an architecture that no chip of the table has, nobody can claim a chip.
    claimable = np.array([claims.claimable(str(s)) for s in stated], dtype=bool)
    true_claim = np.where(claimable, stated, "H100-SXM").astype(object)
    physics, alarm = _alarms(held, true_claim, gone)
    put("true claims", "claim_false_alarm", alarm, claimable)
    put("true claims", "claim_false_alarm", physics, claimable, model="physics alone")
    for name in CLASSES:
        put("true claims", "claim_false_alarm", alarm, claimable & (held.truth == name), name)
    for kind in ("figure", "run", "tool", "tools"):
        put(f"true claims, {kind}", "claim_false_alarm", alarm, claimable & (held.test.kind == kind))
    for name, sold, claimed in SOLD:
        physics, alarm = _alarms(held, np.full(n, claimed, dtype=object), gone)
        rows = np.isin(chip.astype(str), sold)
        put(name, "claim_detected", alarm, rows)
        put(name, "claim_detected", physics, rows, model="physics alone")
        for kind in ("figure", "run", "tool", "tools"):
            put(f"{name}, {kind}", "claim_detected", alarm, rows & (held.test.kind == kind))
    return out
