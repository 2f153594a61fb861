"""What a sentence about a whole training run proves: parameters, tokens, accelerator-hours.

"37 B active parameters, 14.8 T tokens, 2.788 M GPU hours, FP8" needs ``6 x parameters x tokens`` FLOP (Kaplan et al. 2020,
arXiv:2001.08361: two a parameter and token forward, four backward; attention not counted), so a rate per accelerator, however
many there were: a lower bound, which excludes every chip that can't reach it.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fingerprint import chips
from fingerprint.errors import InputError
from fingerprint.measurements import from_columns
from fingerprint.roofline import Exclusion, exclusions, possible
from fingerprint.units import canonical_precision

#: Columns of a table of runs: those that it needs, and those that it may have.
NEEDED, OPTIONAL = ("active_parameters", "tokens", "hours"), ("name", "precision", "claimed")

#: Runs that a table may hold: more are no list that somebody wrote.
MOST_RUNS = 100_000


@dataclass(frozen=True)
class TrainingRun:
    """A run's implied rate and what it excludes.

    Attributes
    ----------
    name : str
        What the run is called; may be empty.
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
    claimed : str
        Canonical name of what the run is said to have used; ``""`` if nothing is said.
    claim_possible : bool or None
        Whether a chip that the claim may mean is possible; None without a claim.
    """

    name: str
    compute: float
    rate: float
    precision: str
    excluded: tuple[Exclusion, ...]
    possible: tuple[str, ...]
    claimed: str = ""
    claim_possible: bool | None = None

    def describe(self) -> str:
        """Return the run in a few lines of text."""
        at = f" at {self.precision}" if self.precision else ", precision not stated: each chip's fastest counts"
        lines = [self.name] if self.name else []
        lines.append(f"At least {self.compute:.3g} FLOP, {self.rate / 1e12:.0f} TFLOP/s per accelerator all the time{at}.")
        lines.append(f"Excluded, {len(self.excluded)} chips that can't sustain it: {', '.join(e.chip for e in self.excluded) or 'none'}.")
        lines.append(f"Possible, {len(self.possible)} chips: {', '.join(self.possible) or 'none of the table'}.")
        if self.claim_possible is not None:
            lines.append(f"Said to have used {self.claimed}: {'possible' if self.claim_possible else 'excluded'}.")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the run as plain JSON types."""
        return {
            "name": self.name,
            "compute": self.compute,
            "rate": self.rate,
            "precision": self.precision,
            "excluded": [{"chip": e.chip, "achieved": e.achieved, "ceiling": e.ceiling, "margin": round(e.margin, 4)} for e in self.excluded],
            "possible": list(self.possible),
            "claimed": {"chip": self.claimed, "possible": self.claim_possible} if self.claimed else None,
        }  # fmt: skip


def assess(
    active_params: float, tokens: float, hours: float, precision: str = "", *, name: str = "", claimed: str | None = None,
) -> TrainingRun:  # fmt: skip
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
    name : str
        What the run is called.
    claimed : str, optional
        A chip or family that the run is said to have used; any spelling.

    Raises
    ------
    InputError
        For a number that is not positive and finite, or for a precision or a claimed chip nobody knows.

    Examples
    --------
    >>> run = assess(37e9, 14.8e12, 2.788e6, "fp8")
    >>> round(run.rate / 1e12), "H20-141GB" in run.possible, "H800-SXM" in run.possible
    (327, False, True)
    """
    for what, number in (("active parameters", active_params), ("tokens", tokens), ("hours", hours)):
        if not 0.0 < number < float("inf"):
            raise InputError(f"must be a positive number, got {number:g}", what)
    if precision.strip() and not canonical_precision(precision):
        raise InputError(f"is {precision.strip()[:40]!r}, which nobody knows; leave it empty where it is not stated", "precision")
    label = chips.resolve(claimed) if claimed else ""
    if label is None:
        raise InputError(f"'{claimed}' is no chip or family; see 'fingerprint chips'", "claimed")
    table = from_columns(
        {"tool": ["training-run"], "phase": ["train"], "precision": [precision], "active_parameters": [active_params],
         "tokens": [tokens], "quantity": ["accelerator_hours"], "unit": ["h"], "value": [hours]},
        where="training run",
    )  # fmt: skip
    excluded = exclusions(table)
    left = possible(table, excluded)[table.profiles[0]]
    compute = 6.0 * active_params * tokens
    return TrainingRun(
        name=name,
        compute=compute,
        rate=compute / (hours * 3600.0),
        precision=table.word("precision")[0],
        excluded=tuple(excluded),
        possible=left,
        claimed=label,
        claim_possible=any(chip in left for chip in chips.members(label)) if label else None,
    )


def from_csv(lines: Iterable[str], where: str) -> list[TrainingRun]:
    """Return the runs of a CSV with a header, one a row: the columns of :data:`NEEDED` and :data:`OPTIONAL`, others ignored.

    Raises
    ------
    InputError
        For a missing column, a table without rows, or a row that :func:`assess` refuses; the message names row and column.
    """
    reader = csv.reader(lines)
    try:
        rows = [row for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise InputError(f"is no CSV: {error}", where) from error
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    missing = [repr(name) for name in NEEDED if name not in header]
    if missing:
        raise InputError(f"lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; it needs {', '.join(NEEDED)}", where)
    if not 1 < len(rows) <= MOST_RUNS + 1:
        raise InputError(f"holds {len(rows) - 1:,} runs; from 1 to {MOST_RUNS:,} can be told", where)
    return [_run(dict(zip(header, row, strict=False)), f"{where}, row {number}") for number, row in enumerate(rows[1:], 1)]


def _run(row: dict[str, str], where: str) -> TrainingRun:
    numbers: dict[str, float] = {}
    for column in NEEDED:
        cell = row.get(column, "").strip()
        try:
            numbers[column] = float(cell)
        except ValueError:
            raise InputError(f"column '{column}' must hold a number, found {cell[:40]!r}", where) from None
        if not 0.0 < numbers[column] < math.inf:
            raise InputError(f"column '{column}' must hold a positive number, found {cell[:40]!r}", where)
    name, precision, claimed = (row.get(column, "").strip() for column in OPTIONAL)
    try:
        return assess(numbers["active_parameters"], numbers["tokens"], numbers["hours"], precision,
                      name=name[:160], claimed=claimed or None)  # fmt: skip
    except InputError as error:
        raise InputError(str(error), where) from error
