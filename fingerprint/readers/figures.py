"""Figures as a reader finds them, one by one, and the table that they become."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from fingerprint.errors import InputError
from fingerprint.measurements import COLUMNS, LARGEST_VALUE, Ignored, Measurements, from_columns

#: No count of tokens, requests or accelerators is larger.
_LARGEST_COUNT = 1e15

#: A name of hardware is a few words; longer text is something else.
_LONGEST_NAME = 120

#: How often the same reason for leaving a row out is told.
_MOST_IGNORED = 1000


def positive(value: object) -> float:
    """Return a finite number above zero, which may stand as text; NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return math.nan
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return math.nan
    return number if 0.0 < number < math.inf else math.nan


def plain(value: object) -> float | None:
    """Return a cell's number above zero, None for anything else: for circumstances, which may be missing."""
    number = positive(value)
    return number if number < _LARGEST_COUNT else None


def device_names(names: Iterable[object]) -> tuple[str, ...]:
    """Return names of hardware for identity: texts, printable, each once."""
    texts = [re.sub(r"\s+", " ", n).strip() for n in names if isinstance(n, str)]
    return tuple(dict.fromkeys(t for t in texts if 0 < len(t) <= _LONGEST_NAME and t.isprintable()))


class Figures:
    """Collects rows, what was left out, and notes; rows of different hardware become different profiles.

    Parameters
    ----------
    name : str
        Name of the file, for messages and profiles.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._rows: list[dict[str, Any]] = []
        self._hardware: list[tuple[str, ...]] = []
        self._numbers: list[int] = []
        self._ignored: list[tuple[tuple[str, ...], int, str]] = []
        self._notes: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(
        self, row: int, quantity: str, unit: str, value: object, *, key: str, hardware: tuple[str, ...] = (), **setting: Any
    ) -> None:
        """Take one figure; zero, null and NaN mean that nothing was measured and are left out.

        Raises
        ------
        InputError
            For a value that is no number, negative, infinite or absurd; ``key`` and ``row`` say which.
        """
        where = f"{self.name}, line {row}"
        if value is None or isinstance(value, bool) or value == "":
            return
        try:
            number = float(value)  # type: ignore[arg-type]  # whatever else stands there raises
        except (TypeError, ValueError, OverflowError):
            raise InputError(f"'{key}' must be a number, found {str(value)[:40]!r}", where) from None
        if math.isnan(number) or number == 0.0:
            return
        if number < 0.0 or number > LARGEST_VALUE:
            why = "negative" if number < 0.0 else "infinite or absurd"
            raise InputError(f"'{key}' is {why} ({number:g}); a measured figure can't be", where)
        self._rows.append({**setting, "quantity": quantity, "unit": unit, "value": number})
        self._hardware.append(hardware)
        self._numbers.append(row)

    def ignore(self, row: int, why: str, hardware: tuple[str, ...] = ()) -> None:
        """Name a row that holds no usable figure."""
        if len(self._ignored) < _MOST_IGNORED:
            self._ignored.append((hardware, row, why))

    def note(self, text: str) -> None:
        """Say something to the user, once."""
        if len(self._notes) < _MOST_IGNORED:
            self._notes.setdefault(f"{self.name}: {text}")

    def table(self, empty: str) -> Measurements:
        """Return the table of all figures.

        Raises
        ------
        InputError
            With the sentence ``empty`` when there is no figure at all, or for a circumstance that can't be.
        """
        if not self._rows:
            why = f" ({self._ignored[0][2]})" if self._ignored else ""
            raise InputError(f"{empty}{why}", self.name)
        distinct = list(dict.fromkeys(self._hardware))
        profiles = {h: self.name if len(distinct) == 1 else f"{self.name}:{i}" for i, h in enumerate(distinct, 1)}
        present = [c for c in COLUMNS if any(c in row for row in self._rows)]
        columns: dict[str, list[Any]] = {c: [row.get(c) for row in self._rows] for c in present}
        columns["profile"] = [profiles[h] for h in self._hardware]
        identity = {profile: hardware for hardware, profile in profiles.items() if hardware}
        table = from_columns(columns, where=self.name, identity=identity, notes=self._notes)
        ignored = tuple(Ignored(profiles.get(h, self.name), row, why) for h, row, why in self._ignored)
        return replace(table, row=np.asarray(self._numbers, dtype=np.int64), ignored=ignored)
