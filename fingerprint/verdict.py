"""One verdict a profile: the answer in words, its probabilities and set, and the figures that decided it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fingerprint import chips
from fingerprint.errors import InputError
from fingerprint.evidence import Evidence, posterior, weigh
from fingerprint.features import usable, vectors
from fingerprint.measurements import SUMS, Ignored, Measurements
from fingerprint.scorer import Model, known, shipped

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
        Calibrated, over the classes thought possible beforehand.
    prediction_set : tuple of str
        Holds the true class with the stated coverage, class by class, on sources never seen.
    """

    profile: str
    answer: str
    architecture: str | None
    probabilities: dict[str, float]
    prediction_set: tuple[str, ...]
    coverage: float
    evidence: tuple[Evidence, ...]
    identity_seen: tuple[str, ...]
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
            "evidence": [{"row": e.row, "says": e.says, "weight": round(e.weight, 3)} for e in self.evidence],
            "identity_seen": list(self.identity_seen),
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


def check_options(among: str, coverage: float, classes: tuple[str, ...] | None = None) -> None:
    """Raise InputError for a coverage out of range or an unknown name in ``among``."""
    if not 0.5 <= coverage <= 0.99:
        raise InputError(f"must lie between 0.5 and 0.99, got {coverage:g}", "coverage")
    candidates(among, classes or chips.ARCHITECTURES)


def unusable(measurements: Measurements, index: int) -> str:
    """Return why a row says nothing here."""
    row = measurements.record(index)
    if row["quantity"] in SUMS and row.get("scope") != "accelerator" and "accelerators" not in row:
        return "a sum over accelerators whose number is not stated; give 'accelerators'"
    if not row.get("workload"):
        return f"{row['quantity']} of a workload that is not stated; give 'workload'"
    return f"{row['quantity']} of {row['workload']}: a kind of figure that the model does not read, or whose cost is not known"


def classify(
    measurements: Measurements, *, among: str = "all", coverage: float = 0.9, model: Model | None = None
) -> list[Verdict]:
    """Return one verdict a profile, in order of first appearance.

    Parameters
    ----------
    measurements : Measurements
        Figures of one or more profiles.
    among : str
        See :func:`candidates`.
    coverage : float
        What share of profiles of each class the prediction set shall hold, between 0.5 and 0.99.
    model : Model, optional
        The shipped one by default.

    Raises
    ------
    InputError
        For a coverage out of range or an unknown name in ``among``.
    """
    model = model or shipped()
    check_options(among, coverage, model.classes)
    allowed = np.array([c in candidates(among, model.classes) for c in model.classes])
    used_rows = usable(measurements)
    x = vectors(measurements)
    p, inside = posterior(model, x, allowed, coverage)
    bits = (np.where(p > 0, p, 1.0) * np.log2(np.where(p > 0, p, 1.0) * allowed.sum())).sum(axis=1)
    numbers, used = measurements.profile_numbers(), known(x)
    out = []
    for i, profile in enumerate(measurements.profiles):
        top = int(p[i].argmax())
        chosen = tuple(model.classes[k] for k in np.argsort(-p[i], kind="stable") if inside[i, k])
        enough = used[i] > 0 and (bits[i] >= LEAST_BITS or allowed.sum() == 1)
        rows = np.flatnonzero(numbers == i)
        out.append(
            Verdict(
                profile=profile,
                answer="insufficient" if not enough else "likely" if len(chosen) == 1 else "undecided",
                architecture=model.classes[top] if enough else None,
                probabilities={c: float(p[i, k]) for k, c in enumerate(model.classes) if allowed[k]},
                prediction_set=chosen,
                coverage=coverage,
                evidence=weigh(model, measurements.take(rows[used_rows[rows]]), allowed, top) if enough else (),
                identity_seen=measurements.identity.get(profile, ()),
                rows_used=int(used_rows[rows].sum()),
                rows_ignored=(
                    *(g for g in measurements.ignored if g.profile == profile),
                    *(Ignored(profile, int(measurements.row[r]), unusable(measurements, int(r))) for r in rows[~used_rows[rows]]),
                ),
                model={"version": model.version, "data": model.data},
            )
        )
    return out
