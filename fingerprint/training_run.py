"""What a sentence about a whole training run proves: parameters, tokens, accelerator-hours.

"37 B active parameters, 14.8 T tokens, 2.788 M GPU hours, FP8" needs ``6 x parameters x tokens`` FLOP (Kaplan et al. 2020,
arXiv:2001.08361: two a parameter and token forward, four backward; attention not counted), so a rate per accelerator, however
many there were: a lower bound, which excludes every chip that can't reach it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fingerprint.errors import InputError
from fingerprint.measurements import from_columns
from fingerprint.roofline import Exclusion, exclusions, possible


@dataclass(frozen=True)
class TrainingRun:
    """A run's implied rate and what it excludes.

    Attributes
    ----------
    compute : float
        FLOP of the whole run.
    rate : float
        FLOP/s per accelerator, sustained from the first hour to the last.
    precision : str
        As understood; ``""`` means that each chip's fastest was assumed.
    excluded : tuple of Exclusion
        Chips that can't sustain the rate at any precision as wide.
    possible : tuple of str
        The others.
    """

    compute: float
    rate: float
    precision: str
    excluded: tuple[Exclusion, ...]
    possible: tuple[str, ...]

    def describe(self) -> str:
        """Return the run in a few lines of text."""
        at = f" at {self.precision}" if self.precision else ", precision not stated: each chip's fastest counts"
        lines = [f"At least {self.compute:.3g} FLOP, {self.rate / 1e12:.0f} TFLOP/s per accelerator all the time{at}."]
        lines.append(f"Excluded, {len(self.excluded)} chips that can't sustain it: {', '.join(e.chip for e in self.excluded) or 'none'}.")
        lines.append(f"Possible, {len(self.possible)} chips: {', '.join(self.possible) or 'none of the table'}.")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the run as plain JSON types."""
        return {
            "compute": self.compute,
            "rate": self.rate,
            "precision": self.precision,
            "excluded": [{"chip": e.chip, "achieved": e.achieved, "ceiling": e.ceiling, "margin": round(e.margin, 4)} for e in self.excluded],
            "possible": list(self.possible),
        }  # fmt: skip


def assess(active_params: float, tokens: float, hours: float, precision: str = "") -> TrainingRun:
    """Return what a training run proves of its accelerators.

    Parameters
    ----------
    active_params : float
        Parameters that one token passes through.
    tokens : float
        Tokens trained on.
    hours : float
        Accelerator-hours, summed over all accelerators.
    precision : str
        In any spelling; empty when not stated.

    Raises
    ------
    InputError
        For a number that is not positive and finite.

    Examples
    --------
    >>> run = assess(37e9, 14.8e12, 2.788e6, "fp8")
    >>> round(run.rate / 1e12), "H20-141GB" in run.possible, "H800-SXM" in run.possible
    (327, False, True)
    """
    for name, number in (("active parameters", active_params), ("tokens", tokens), ("hours", hours)):
        if not 0.0 < number < float("inf"):
            raise InputError(f"must be a positive number, got {number:g}", name)
    table = from_columns(
        {"tool": ["training-run"], "phase": ["train"], "precision": [precision], "active_parameters": [active_params],
         "tokens": [tokens], "quantity": ["accelerator_hours"], "unit": ["h"], "value": [hours]},
        where="training run",
    )  # fmt: skip
    excluded = exclusions(table)
    compute = 6.0 * active_params * tokens
    return TrainingRun(
        compute=compute,
        rate=compute / (hours * 3600.0),
        precision=table.word("precision")[0],
        excluded=tuple(excluded),
        possible=possible(table, excluded)[table.profiles[0]],
    )
