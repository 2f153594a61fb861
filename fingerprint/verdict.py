"""One verdict a profile: the answer in words, its probabilities and set, and the figures that decided it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fingerprint import chips
from fingerprint.answers import Answers, answers
from fingerprint.candidates import candidates as known_candidates
from fingerprint.claims import Claim, claim, claimed_chips, class_of_chip
from fingerprint.errors import InputError
from fingerprint.evidence import Evidence, weigh
from fingerprint.export_control import as_of, demonstrated_tpp, lines, standing
from fingerprint.measurements import SUMS, Floats, Ignored, Mask, Measurements
from fingerprint.next_measurement import Proposal, propose
from fingerprint.roofline import Demonstrated, Exclusion, caveats, demonstrated, exclusions, tolerances
from fingerprint.scorer import CLASSES, UNKNOWN, Model, shipped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: A chip less probable than this is not named.
LEAST_CHIP = 0.005

#: Words for what is thought possible beforehand.
AMONG: dict[str, frozenset[str]] = {
    "nvidia": frozenset({"hopper", "blackwell", "h20", "ampere", "ada", "volta", "turing"}),
    "datacenter": frozenset({"hopper", "blackwell", "h20", "ampere", "ada", "volta", "turing", "cdna2", "cdna3", "cdna4", "gaudi", "tpu"}),
}  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """What the figures of one profile say.

    Attributes
    ----------
    answer : str
        ``likely`` (one class in the set), ``undecided`` (several), ``unknown`` (the set holds none of the architectures that the
        model knows), ``insufficient`` (the figures hardly say anything).
    architecture : str or None
        The likeliest class; None where insufficient, or where ``unknown`` is likelier than any architecture.
    probabilities : dict
        Calibrated, over the classes thought possible beforehand; 0 for a class all of whose chips are excluded.
    prediction_set : tuple of str
        Holds the true class with the stated coverage, class by class, on sources never seen.
    possible : tuple of str
        Chips that could have produced the figures, if slowed down.
    excluded : tuple of Exclusion
        Chips that could not, each with the row that proves it.
    demonstrated : tuple of Demonstrated
        What the hardware has been shown to reach.
    export_control : dict
        What that proves under the rules, and under ``status`` how the chips of the likeliest class and all possible ones
        stand, see :mod:`fingerprint.export_control`.
    claim : Claim or None
        What became of a claim, if there was one.
    caveats : tuple of str
        What was assumed in the figures' disfavour.
    chips : dict
        The likeliest chips with their probabilities, at least :data:`LEAST_CHIP` each; empty when insufficient. Twins share
        evenly.
    twins : tuple of tuples of str
        Groups among these chips that no figure can tell apart.
    next_measurement : tuple of Proposal
        Figures that would tell most, best first.
    figures : Measurements or None
        The rows that were used, for pictures; None where :func:`classify` was told not to keep them. Not part of the answer:
        neither compared nor in :meth:`to_dict`.
    """

    profile: str
    answer: str
    architecture: str | None
    probabilities: dict[str, float]
    prediction_set: tuple[str, ...]
    coverage: float
    possible: tuple[str, ...]
    excluded: tuple[Exclusion, ...]
    demonstrated: tuple[Demonstrated, ...]
    export_control: dict[str, Any]
    claim: Claim | None
    evidence: tuple[Evidence, ...]
    identity_seen: tuple[str, ...]
    caveats: tuple[str, ...]
    rows_used: int
    rows_ignored: tuple[Ignored, ...]
    model: dict[str, str] = field(default_factory=dict)
    chips: dict[str, float] = field(default_factory=dict)
    twins: tuple[tuple[str, ...], ...] = ()
    next_measurement: tuple[Proposal, ...] = ()
    figures: Measurements | None = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as plain JSON types."""
        return {
            "profile": self.profile,
            "answer": self.answer,
            "architecture": self.architecture,
            "probabilities": {k: round(v, 6) for k, v in self.probabilities.items()},
            "prediction_set": list(self.prediction_set),
            "coverage": self.coverage,
            "chips": {k: round(v, 6) for k, v in self.chips.items()},
            "twins": [list(t) for t in self.twins],
            "possible": list(self.possible),
            "excluded": [e.to_dict() for e in self.excluded],
            "demonstrated": [d.to_dict() for d in self.demonstrated],
            "export_control": self.export_control,
            "claim": self.claim.to_dict() if self.claim else None,
            "evidence": [{"row": e.row, "says": e.says, "weight": round(e.weight, 3)} for e in self.evidence],
            "next_measurement": [n.to_dict() for n in self.next_measurement],
            "identity_seen": list(self.identity_seen),
            "caveats": list(self.caveats),
            "rows_used": self.rows_used,
            "rows_ignored": [{"row": i.row, "why": i.why} for i in self.rows_ignored],
            "model": dict(self.model),
        }

    def to_html(self) -> str:
        """Return the verdict as one self-contained page; needs jinja2, and matplotlib for its pictures."""
        from fingerprint.report import page

        return page.render([self])

    def plot_roofline(self, ax: Axes | None = None, precision: str | None = None) -> Axes:
        """Return matplotlib axes with the figures under the candidates' rooflines, see :mod:`fingerprint.report.pictures`."""
        from fingerprint.report import pictures

        return pictures.plot_roofline(self, ax, precision)

    def _repr_html_(self) -> str | None:
        from fingerprint.report import notebook

        return notebook.of_verdict(self)


def candidates(among: str, classes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the classes thought possible beforehand.

    ``all``, ``nvidia``, ``datacenter``, or names of chips, families or architectures joined by commas.

    Raises
    ------
    InputError
        For a name that is none of these.
    """
    if among == "all":
        return classes
    if among in AMONG:
        return tuple(c for c in classes if c in AMONG[among])
    wanted = set()
    for word in filter(None, (w.strip() for w in among.split(","))):
        chip = chips.resolve(word)
        found = word.lower() if word.lower() in classes else chips.architecture(chip) if chip else None
        if found is None:
            raise InputError(f"'{word}' is no chip, family or architecture; see 'fingerprint chips'", "--among")
        wanted.add(found if found in classes else UNKNOWN)
    if not wanted:
        raise InputError("names no chip; give all, nvidia, datacenter or chips joined by commas", "--among")
    return tuple(c for c in classes if c in wanted)


def check_options(among: str, coverage: float, claimed: str | None = None) -> None:
    """Raise InputError for a coverage out of range or an unknown name in ``among`` or ``claimed``."""
    if not 0.5 <= coverage <= 0.99:
        raise InputError(f"must lie between 0.5 and 0.99, got {coverage:g}", "coverage")
    candidates(among, CLASSES)
    if claimed is not None:
        claimed_chips(claimed)


def unusable(measurements: Measurements, index: int) -> str:
    """Return why a row says nothing here."""
    row = measurements.record(index)
    if row["quantity"] in SUMS and row.get("scope") != "accelerator" and "accelerators" not in row:
        return "a sum over accelerators whose number is not stated; give --accelerators N, or a column 'accelerators'"
    if not row.get("workload"):
        return f"{row['quantity']} of a workload that is not stated; give 'workload'"
    return f"{row['quantity']} of {row['workload']}: a kind of figure that the model does not read, or whose cost is not known"


def classify(
    measurements: Measurements,
    claimed: str | None = None,
    among: str = "all",
    coverage: float = 0.9,
    model: Model | None = None,
    *,
    figures: bool = True,
) -> list[Verdict]:
    """Return one verdict a profile, in order of first appearance.

    Parameters
    ----------
    measurements : Measurements
        Figures of one or more profiles.
    claimed : str, optional
        A chip, family or architecture that somebody says it is; any spelling.
    among : str
        See :func:`candidates`.
    coverage : float
        What share of profiles of each class the prediction set shall hold, between 0.5 and 0.99.
    model : Model, optional
        The shipped one by default.
    figures : bool
        Whether each verdict keeps the rows it rests on, which pictures need.

    Raises
    ------
    InputError
        For a coverage out of range or an unknown name in ``claimed`` or ``among``.
    """
    model = model or shipped()
    check_options(among, coverage, claimed)
    allowed = np.array([c in candidates(among, model.classes) for c in model.classes])
    found = answers(measurements, model, allowed, coverage)
    p, inside, used = found.probabilities, found.inside, found.used
    numbers, words = measurements.profile_numbers(), found.words()
    rows_of_profile = np.split(np.argsort(numbers, kind="stable"), np.cumsum(np.bincount(numbers, minlength=len(p)))[:-1])
    told_why = _evidence(found, measurements, model, allowed)
    by_profile: dict[str, list[Exclusion]] = {}
    for e in exclusions(measurements):
        by_profile.setdefault(e.profile, []).append(e)
    reached: dict[str, list[Demonstrated]] = {}
    for d in demonstrated(measurements):
        reached.setdefault(d.profile, []).append(d)
    doubts = caveats(measurements)
    ignored: dict[str, list[Ignored]] = {}
    for g in (*measurements.ignored, *_unused(measurements, used)):
        ignored.setdefault(g.profile, []).append(g)
    out = []
    for i, profile in enumerate(measurements.profiles):
        likely = found.architecture(i)
        chosen = tuple(model.classes[k] for k in np.argsort(-p[i], kind="stable") if inside[i, k])
        enough = bool(found.enough[i])
        rows = rows_of_profile[i]
        told = rows[used[rows]]
        probabilities = {c: float(p[i, k]) for k, c in enumerate(model.classes) if allowed[k]}
        excluded = tuple(by_profile.get(profile, ()))
        gone = {e.chip for e in excluded}
        left = tuple(c for c in chips.table() if c not in gone)
        shown = tuple(reached.get(profile, ()))
        candidate = found.candidates(i, allowed)
        named = _chips(candidate, left) if enough else {}
        out.append(
            Verdict(
                profile=profile,
                answer=words[i],
                architecture=likely,
                probabilities=probabilities,
                prediction_set=chosen,
                coverage=coverage,
                possible=left,
                excluded=excluded,
                demonstrated=shown,
                export_control=export_lines(shown) | {"status": export_status(left, likely, model.classes)},
                claim=claim(claimed, excluded, probabilities if enough else None, model.claim_limits) if claimed else None,
                evidence=told_why[i],
                identity_seen=measurements.identity.get(profile, ()),
                caveats=(*doubts.get(profile, ()), *_scored_in_part(found.scored[rows], told)),
                rows_used=len(told),
                rows_ignored=tuple(ignored.get(profile, ())),
                model={"version": model.version, "data": model.data},
                chips=named,
                twins=_twins(named),
                next_measurement=propose(model, measurements.take(told), candidate),
                figures=replace(measurements.take(told), identity={}, ignored=(), notes=()) if figures else None,
            )
        )
    return out


def _chips(probability: Floats, left: Sequence[str]) -> dict[str, float]:
    """Return the likeliest chips that are left, the likeliest first; a candidate's probability is shared by those it stands for."""
    each: dict[str, float] = {}
    for members, p in zip(known_candidates().members, probability.tolist(), strict=True):
        alike = [c for c in members if c in left]
        each |= {t: p / len(alike) for t in alike if p / len(alike) >= LEAST_CHIP}
    return dict(sorted(each.items(), key=lambda item: (-item[1], item[0])))


def _twins(named: Mapping[str, float]) -> tuple[tuple[str, ...], ...]:
    groups = (tuple(c for c in members if c in named) for members in known_candidates().members)
    return tuple(g for g in groups if len(g) > 1)


def _evidence(found: Answers, measurements: Measurements, model: Model, allowed: Mask) -> list[tuple[Evidence, ...]]:
    """Return the evidence of each profile of a table, in its order."""
    place = {name: i for i, name in enumerate(measurements.profiles)}
    at = np.array([place[name] for name in found.table.profiles], dtype=np.intp)
    top = found.probabilities.argmax(axis=1)
    told = weigh(model, found.table, found.seen, found.used[found.scored], found.enough[at], allowed, top[at])
    out: list[tuple[Evidence, ...]] = [()] * len(at)
    for i, evidence in zip(at.tolist(), told, strict=True):
        out[i] = evidence
    return out


def _unused(measurements: Measurements, used: Mask) -> list[Ignored]:
    """Return the rows that say nothing, each with the reason; rows of one kind have one reason."""
    rows = np.flatnonzero(~used)
    codes = [measurements.word(c).codes[rows] for c in ("quantity", "workload", "scope")]
    key = np.stack([*codes, np.isnan(measurements.number("accelerators")[rows])], axis=1)
    _, first, kind = np.unique(key, axis=0, return_index=True, return_inverse=True)
    why = [unusable(measurements, int(rows[i])) for i in first]
    profile = measurements.word("profile")
    return [Ignored(profile[r], int(measurements.row[r]), why[k]) for r, k in zip(rows.tolist(), kind.reshape(-1).tolist(), strict=True)]


def _scored_in_part(scored: Mask, told: npt.NDArray[np.int64]) -> tuple[str, ...]:
    """Return what to say where a very large profile was scored on a part of its rows, see :mod:`fingerprint.sampling`."""
    if scored.all():
        return ()
    return (f"probabilities rest on {scored.sum():,} of {len(told):,} figures, evenly many of each kind of work; exclusions on all",)


def export_status(left: Sequence[str], likely: str | None, classes: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Return how chips stand under the export rules, by status: those of the likeliest class that are left, and all that are left."""
    table = chips.table()
    of_class = [c for c in left if class_of_chip(table[c], classes) == likely]
    return {"likely": standing(of_class), "possible": standing(left)}


def export_lines(shown: Sequence[Demonstrated]) -> dict[str, Any]:
    """Return what demonstrated rates prove under the export rules: they can prove "above", never "below"."""
    rates = {d.precision: d.value for d in shown if d.quantity == "compute" and d.precision}
    other = {q: max((d.value for d in shown if d.quantity == q), default=None) for q in ("bandwidth", "link")}
    tpp, precision = demonstrated_tpp(rates)
    found = lines(tpp, other["bandwidth"], other["link"], tolerance=tolerances()["gemm"] - 1.0)
    return {"tpp_at_least": round(tpp, 1), "precision": precision, "rules_as_of": as_of().isoformat(), "lines": found}
