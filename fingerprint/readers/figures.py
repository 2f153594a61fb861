"""Figures as a reader finds them, one by one, and the table that they become."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np

from fingerprint.errors import InputError
from fingerprint.measurements import LARGEST_VALUE, NUMBER_COLUMNS, Ignored, Measurements, from_columns
from fingerprint.readers.printed import number
from fingerprint.units import convert

#: Most reasons and words kept one by one: a damaged log of a day has a million of them.
MOST_IGNORED = 200

#: Most figures taken from one file: far above any run's, far below memory.
MOST_FIGURES = 200_000

#: Values in SI units beyond which a figure of one run is a misprint, an order of magnitude and more above any machine.
LARGEST: dict[str, float] = {"bandwidth": 1e15, "compute_rate": 1e19, "power": 1e7, "latency": 1e7, "cycles": 1e7, "itl": 1e6,
                             "tpot": 1e6, "utilization": 1.0 + 1e-9, "memory_used": 1e13, "output_throughput": 1e10,
                             "energy_per_token": 1e9, "energy_per_sample": 1e12, "throughput": 1e10}  # fmt: skip

#: No count of tokens, requests or accelerators is larger; no size of any kernel either.
_LARGEST_COUNT, _LARGEST_SIZE = 1e15, 1e18

#: A name of hardware is a few words; longer text is something else.
_LONGEST_NAME = 120


def positive(value: object) -> float:
    """Return a finite number above zero, which may stand as text; NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return math.nan
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return math.nan
    return found if 0.0 < found < math.inf else math.nan


def plain(value: object) -> float | None:
    """Return a cell's number above zero, None for anything else: for circumstances, which may be missing."""
    found = positive(value)
    return found if found < _LARGEST_COUNT else None


def device_names(*names: object) -> tuple[str, ...]:
    """Return names of hardware for identity: texts, printable, each once."""
    texts = [re.sub(r"\s+", " ", n).strip() for n in names if isinstance(n, str)]
    return tuple(dict.fromkeys(t for t in texts if 0 < len(t) <= _LONGEST_NAME and t.isprintable()))


class Figures:
    """Collects rows, what was left out, and notes; rows of different hardware become different profiles.

    Parameters
    ----------
    name : str
        Name of the file, for messages and profiles.
    strict : bool
        What becomes of a value that is no number, negative or absurd. In a document that a tool wrote in one piece it is an
        error, and nothing, zero or NaN means that nothing was measured. In a print-out such a row alone is left out, with its reason.
    """

    def __init__(self, name: str, *, strict: bool = False) -> None:
        self.name = name
        self.strict = strict
        self._rows: list[dict[str, Any]] = []
        self._hardware: list[tuple[str, ...]] = []
        self._numbers: list[int] = []
        self._ignored: list[tuple[tuple[str, ...], int, str]] = []
        self._uncounted = self._beyond = 0
        self._notes: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def note(self, words: str) -> None:
        """Say something to the user, once."""
        if len(self._notes) < MOST_IGNORED:
            self._notes.setdefault(f"{self.name}: {words}")

    def ignore(self, row: int, why: str, hardware: tuple[str, ...] = ()) -> None:
        """Name a row that holds no usable figure."""
        if len(self._ignored) < MOST_IGNORED:
            self._ignored.append((hardware, row, why))
        else:
            self._uncounted += 1

    def add(self, row: int, quantity: str, value: object, unit: str, hardware: tuple[str, ...] = (), *, key: str = "",
            **setting: Any) -> bool:  # fmt: skip
        """Take one figure and return whether it is one; circumstances that are no number stay empty.

        Raises
        ------
        InputError
            If strict, for a value that is no number, negative, infinite or absurd; ``key`` and ``row`` say which.
        """
        if len(self._rows) >= MOST_FIGURES:
            self._beyond += 1
            return False
        found = self._strictly(row, value, key or quantity) if self.strict else self._leniently(row, quantity, value, unit, hardware)
        if found is None:
            return False
        kept = {column: cell for column, cell in setting.items() if _present(column, cell)}
        self._rows.append({**kept, "quantity": quantity, "value": found, "unit": unit})
        self._hardware.append(hardware)
        self._numbers.append(row)
        return True

    def _strictly(self, row: int, value: object, key: str) -> float | None:
        where = f"{self.name}, line {row}"
        if value is None or isinstance(value, bool) or value == "":
            return None
        try:
            found = float(value)  # type: ignore[arg-type]  # whatever else stands there raises
        except (TypeError, ValueError, OverflowError):
            raise InputError(f"'{key}' must be a number, found {str(value)[:40]!r}", where) from None
        if math.isnan(found) or found == 0.0:
            return None
        if found < 0.0 or found > LARGEST_VALUE:
            why = "negative" if found < 0.0 else "infinite or absurd"
            raise InputError(f"'{key}' is {why} ({found:g}); a measured figure can't be", where)
        return found

    def _leniently(self, row: int, quantity: str, value: object, unit: str, hardware: tuple[str, ...]) -> float | None:
        converted, found = convert(quantity, unit), number(value)
        if converted is None or math.isnan(found):
            why = f"{quantity} is no number: {str(value)[:40]!r}"
        elif found < 0:
            why = f"{quantity} is negative ({found:g}); a measured figure can't be"
        elif found == 0:
            why = f"{quantity} is 0: nothing was measured"
        elif found * converted.factor > LARGEST.get(quantity, 1e30):
            why = f"{quantity} of {found:g} {unit} is beyond any machine"
        else:
            return found
        self.ignore(row, why, hardware)
        return None

    def table(self, empty: str, hardware: tuple[str, ...] = ()) -> Measurements:
        """Return the table of all figures.

        Parameters
        ----------
        empty : str
            What the file is, said where it holds no figure.
        hardware : tuple of str
            What the file says its hardware is, where no row says it.

        Raises
        ------
        InputError
            Where no figure was taken, with the first reason why, or for a circumstance that can't be.
        """
        if not self._rows:
            because = f" (row {self._ignored[0][1]}: {self._ignored[0][2]})" if self._ignored else ""
            raise InputError(f"{empty}{because}", self.name)
        distinct = list(dict.fromkeys(self._hardware))
        # Rows before the first name belong to it: one hardware, named somewhere in the file.
        single = sum(bool(h) for h in distinct) <= 1
        profiles = {h: self.name if single else f"{self.name}:{i}" for i, h in enumerate(distinct, 1)}
        keys = dict.fromkeys(key for row in self._rows for key in row)
        columns: dict[str, Any] = {key: [row.get(key, "") for row in self._rows] for key in keys}
        for key in columns.keys() & NUMBER_COLUMNS.keys():
            columns[key] = np.array([number(v) for v in columns[key]])
        columns["profile"] = [profiles[h] for h in self._hardware]
        identity = {profiles[h]: h for h in distinct if h} or ({self.name: hardware} if hardware else {})
        if self._uncounted:
            self._notes.setdefault(f"{self.name}: {self._uncounted} more rows hold no usable figure")
        if self._beyond:
            self._notes.setdefault(f"{self.name}: {self._beyond} figures beyond the first {MOST_FIGURES:,} are not taken")
        made = from_columns(columns, where=self.name, identity=identity, notes=tuple(self._notes))
        ignored = tuple(Ignored(profiles.get(h, self.name), row, why) for h, row, why in self._ignored)
        return replace(made, row=np.array(self._numbers, dtype=np.int64), ignored=ignored)


def _present(column: str, value: Any) -> bool:
    """Return whether a circumstance is worth a cell: a word, or a number that some kernel or run can have."""
    if column not in NUMBER_COLUMNS:
        return bool(value)
    return 0.0 < number(value) < _LARGEST_SIZE
