"""One verdict a profile: the answer in words, its probabilities and set, and the figures that decided it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fingerprint import chips
from fingerprint.claims import Claim, claim, claimed_chips
from fingerprint.errors import InputError
from fingerprint.evidence import Evidence, posterior, weigh
from fingerprint.export_control import as_of, demonstrated_tpp, lines
from fingerprint.features import usable
from fingerprint.measurements import SUMS, Ignored, Measurements
from fingerprint.roofline import Demonstrated, Exclusion, caveats, demonstrated, exclusions, tolerances
from fingerprint.scorer import CLASSES, Model, shipped

#: A posterior nearer to the prior than this many bits says nothing yet: "insufficient".
LEAST_BITS = 0.25

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
        ``likely`` (one class in the set), ``undecided`` (several), ``insufficient`` (the figures hardly say anything).
    architecture : str or None
        The likeliest class, unless insufficient.
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
        What that proves under the rules, see :mod:`fingerprint.export_control`.
    claim : Claim or None
        What became of a claim, if there was one.
    caveats : tuple of str
        What was assumed in the figures' disfavour.
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

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as plain JSON types."""
        return {
            "profile": self.profile,
            "answer": self.answer,
            "architecture": self.architecture,
            "probabilities": {k: round(v, 6) for k, v in self.probabilities.items()},
            "prediction_set": list(self.prediction_set),
            "coverage": self.coverage,
            "possible": list(self.possible),
            "excluded": [e.to_dict() for e in self.excluded],
            "demonstrated": [d.to_dict() for d in self.demonstrated],
            "export_control": self.export_control,
            "claim": self.claim.to_dict() if self.claim else None,
            "evidence": [{"row": e.row, "says": e.says, "weight": round(e.weight, 3)} for e in self.evidence],
            "identity_seen": list(self.identity_seen),
            "caveats": list(self.caveats),
            "rows_used": self.rows_used,
            "rows_ignored": [{"row": i.row, "why": i.why} for i in self.rows_ignored],
            "model": dict(self.model),
        }


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
        wanted.add(found if found in classes else "other")
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
        return "a sum over accelerators whose number is not stated; give 'accelerators'"
    if not row.get("workload"):
        return f"{row['quantity']} of a workload that is not stated; give 'workload'"
    return f"{row['quantity']} of {row['workload']}: a kind of figure that the model does not read, or whose cost is not known"


def classify(
    measurements: Measurements,
    claimed: str | None = None,
    among: str = "all",
    coverage: float = 0.9,
    model: Model | None = None,
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

    Raises
    ------
    InputError
        For a coverage out of range or an unknown name in ``claimed`` or ``among``.
    """
    model = model or shipped()
    check_options(among, coverage, claimed)
    allowed = np.array([c in candidates(among, model.classes) for c in model.classes])
    used = usable(measurements)
    scores = model.scores(measurements)
    p, inside = posterior(model, scores, allowed, coverage)
    before = model.calibration.prior * allowed / (model.calibration.prior * allowed).sum()
    # Circumstances alone (lengths, precisions) say nothing of a chip: without a usable figure all stays as it was.
    numbers = measurements.profile_numbers()
    silent = np.bincount(numbers[used], minlength=len(p)) == 0
    p[silent], inside[silent] = before, allowed
    # Bits by which the figures have moved the answer from what was thought before.
    bits = (p * np.log2(np.where(p > 0, p, 1.0) / np.where(p > 0, before, 1.0))).sum(axis=1)
    by_profile: dict[str, list[Exclusion]] = {}
    for e in exclusions(measurements):
        by_profile.setdefault(e.profile, []).append(e)
    reached: dict[str, list[Demonstrated]] = {}
    for d in demonstrated(measurements):
        reached.setdefault(d.profile, []).append(d)
    doubts = caveats(measurements)
    out = []
    for i, profile in enumerate(measurements.profiles):
        top = int(p[i].argmax())
        chosen = tuple(model.classes[k] for k in np.argsort(-p[i], kind="stable") if inside[i, k])
        enough = bool(not silent[i] and (bits[i] >= LEAST_BITS or allowed.sum() == 1))
        rows = np.flatnonzero(numbers == i)
        told = rows[used[rows]]
        probabilities = {c: float(p[i, k]) for k, c in enumerate(model.classes) if allowed[k]}
        excluded = tuple(by_profile.get(profile, ()))
        gone = {e.chip for e in excluded}
        shown = tuple(reached.get(profile, ()))
        out.append(
            Verdict(
                profile=profile,
                answer="insufficient" if not enough else "likely" if len(chosen) == 1 else "undecided",
                architecture=model.classes[top] if enough else None,
                probabilities=probabilities,
                prediction_set=chosen,
                coverage=coverage,
                possible=tuple(c for c in chips.table() if c not in gone),
                excluded=excluded,
                demonstrated=shown,
                export_control=export_lines(shown),
                claim=claim(claimed, excluded, probabilities if enough else None, model.claim_limits) if claimed else None,
                evidence=weigh(model, measurements.take(told), allowed, top) if enough else (),
                identity_seen=measurements.identity.get(profile, ()),
                caveats=doubts.get(profile, ()),
                rows_used=len(told),
                rows_ignored=(
                    *(g for g in measurements.ignored if g.profile == profile),
                    *(Ignored(profile, int(measurements.row[r]), unusable(measurements, int(r))) for r in rows[~used[rows]]),
                ),
                model={"version": model.version, "data": model.data},
            )
        )
    return out


def export_lines(shown: Sequence[Demonstrated]) -> dict[str, Any]:
    """Return what demonstrated rates prove under the export rules: they can prove "above", never "below"."""
    rates = {d.precision: d.value for d in shown if d.quantity == "compute" and d.precision}
    other = {q: max((d.value for d in shown if d.quantity == q), default=None) for q in ("bandwidth", "link")}
    tpp, precision = demonstrated_tpp(rates)
    found = lines(tpp, other["bandwidth"], other["link"], tolerance=tolerances()["gemm"] - 1.0)
    return {"tpp_at_least": round(tpp, 1), "precision": precision, "rules_as_of": as_of().isoformat(), "lines": found}
