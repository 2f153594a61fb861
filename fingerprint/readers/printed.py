"""What benchmarks print, taken apart: clean lines, plain numbers, JSON between noise; and the rows that a reader gathers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TextIO

import numpy as np

from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import NUMBER_COLUMNS, Ignored, Measurements, from_columns
from fingerprint.units import convert

#: Most reasons kept one by one: a damaged log of a day has a million of them.
MOST_IGNORED = 200

#: Values in SI units beyond which a figure of one run is a misprint, an order of magnitude and more above any machine.
LARGEST: dict[str, float] = {"bandwidth": 1e15, "compute_rate": 1e19, "power": 1e7, "latency": 1e7, "cycles": 1e7, "itl": 1e6,
                             "tpot": 1e6, "utilization": 1.0 + 1e-9, "memory_used": 1e13, "output_throughput": 1e10,
                             "energy_per_token": 1e9, "energy_per_sample": 1e12, "throughput": 1e10}  # fmt: skip

#: A count or size above this is no shape of any kernel.
_LARGEST_SIZE = 1e18

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_DOCUMENT = re.compile(r"[{\[]")
_OBJECT = re.compile(r'\{\s*"[^"\n]{0,200}"\s*:|\[\s*\{\s*"')
_MOST_ATTEMPTS = 400


def plain(text: str) -> str:
    """Return text without colours and other terminal codes, and without a byte order mark."""
    return (_ESCAPES.sub("", text) if "\x1b" in text else text).lstrip("\ufeff")


def lines(text: TextIO) -> Iterator[tuple[int, str]]:
    """Yield each line with its number from 1, clean; a line that carriage returns overwrote yields each of its states."""
    for number, line in enumerate(text, 1):
        for part in plain(line).rstrip("\r\n").split("\r"):
            yield number, part


def number(word: object) -> float:
    """Return a plain decimal number or a JSON number; NaN for anything else, the infinities too."""
    if isinstance(word, bool):
        return math.nan
    if isinstance(word, int | float):
        try:
            value = float(word)
        except OverflowError:
            return math.nan
        return value if math.isfinite(value) else math.nan
    if isinstance(word, str) and len(word) < 64 and _PLAIN.fullmatch(word.strip()):
        value = float(word)
        return value if math.isfinite(value) else math.nan
    return math.nan


def documents(
    content: str, name: str, wanted: Callable[[Any], bool], drop: frozenset[str] = frozenset()
) -> Iterator[tuple[int, Any]]:
    """Yield the JSON documents of a text that are wanted, with the number of their first line; noise between them is passed over.

    Parameters
    ----------
    content : str
        Text that may hold log lines, braces included, before, between and after the documents.
    wanted : callable
        Whether a document is one of the tool's own.
    drop : frozenset of str
        Keys dropped while parsing: prompts, answers, server states.

    Raises
    ------
    FormatError
        For JSON nested beyond what can be parsed, for a text that begins with a broken document, and where none is wanted
        and one is broken.
    """
    decoder = json.JSONDecoder(object_pairs_hook=lambda pairs: {k: v for k, v in pairs if k not in drop})
    at, line, counted, attempts, found, broken = 0, 1, 0, 0, 0, ""
    while (start := _DOCUMENT.search(content, at)) and attempts < _MOST_ATTEMPTS:
        line += content.count("\n", counted, start.start())
        counted = start.start()
        try:
            value, at = decoder.raw_decode(content, start.start())
        except RecursionError:
            raise FormatError("is JSON nested too deeply for a benchmark's result", f"{name}, line {line}") from None
        except ValueError as error:
            # Noise holds braces, too; what looks like an object of keys is the tool's own, cut short.
            if _OBJECT.match(content, start.start()):
                broken = broken or f"is broken JSON ({str(error)[:80]}); save or copy the whole file again"
                if not content[: start.start()].strip():
                    raise FormatError(broken, name) from None
            at = start.end()
            attempts += 1
            continue
        if wanted(value):
            found += 1
            yield line, value
    if not found and broken:
        raise FormatError(broken, name)


class Gathered:
    """The rows, identity, notes and left-out rows of one file, gathered by a reader.

    Parameters
    ----------
    name : str
        The file's name: profiles are named after it, ``name #2`` and so on where hardware differs.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.notes: dict[str, None] = {}
        self.left_out: list[tuple[str, int, str]] = []
        self.uncounted = 0
        self._rows: list[dict[str, Any]] = []
        self._numbers: list[int] = []
        self._hardware: list[tuple[str, ...]] = []
        self._hardware_numbers: dict[tuple[str, ...], int] = {}
        self._of_row: list[int] = []

    def __len__(self) -> int:
        return len(self._rows)

    def note(self, words: str) -> None:
        """Keep a word for the user, once."""
        self.notes.setdefault(f"{self.name}: {words}")

    def hardware(self, *names: str) -> int:
        """Return the number of the profile whose hardware the file calls so; no name is a hardware of its own."""
        key = tuple(dict.fromkeys(n.strip()[:120] for n in names if n.strip()))
        if key not in self._hardware_numbers:
            self._hardware_numbers[key] = len(self._hardware)
            self._hardware.append(key)
        return self._hardware_numbers[key]

    def ignore(self, row: int, why: str) -> None:
        """Keep why a row is left out."""
        if len(self.left_out) < MOST_IGNORED:
            self.left_out.append((self.name, row, why))
        else:
            self.uncounted += 1

    def add(self, row: int, quantity: str, value: object, unit: str, hardware: int = -1, **columns: Any) -> bool:
        """Take a figure; return False where it is none, after noting why. Columns that are no plain number stay empty."""
        converted, figure = convert(quantity, unit), number(value)
        if converted is None or math.isnan(figure):
            self.ignore(row, f"{quantity} is no number: {str(value)[:40]!r}")
        elif figure < 0:
            self.ignore(row, f"{quantity} is negative ({figure:g}); a measured figure can't be")
        elif figure == 0:
            self.ignore(row, f"{quantity} is 0: nothing was measured")
        elif figure * converted.factor > LARGEST.get(quantity, 1e30):
            self.ignore(row, f"{quantity} of {figure:g} {unit} is beyond any machine")
        else:
            kept = {k: v for k, v in columns.items() if _present(k, v)}
            self._rows.append({**kept, "quantity": quantity, "value": figure, "unit": unit})
            self._numbers.append(row)
            self._of_row.append(hardware if hardware >= 0 else self.hardware())
            return True
        return False

    def measurements(self, nothing: str) -> Measurements:
        """Return all that was gathered.

        Parameters
        ----------
        nothing : str
            What the file is, said where it holds no figure.

        Raises
        ------
        InputError
            Where no row was taken, with the first reason why.
        """
        if not self._rows:
            because = f" (row {self.left_out[0][1]}: {self.left_out[0][2]})" if self.left_out else ""
            raise InputError(f"{nothing}{because}", self.name)
        used = list(dict.fromkeys(self._of_row))
        stated = [h for h in used if self._hardware[h]]
        # Rows before the first name belong to it: one hardware, named somewhere in the file.
        single = len(stated) <= 1
        profile = {h: self.name if single else f"{self.name} #{i}" for i, h in enumerate(used, 1)}
        keys = dict.fromkeys(key for row in self._rows for key in row)
        columns: dict[str, Any] = {key: [row.get(key, "") for row in self._rows] for key in keys}
        for key in columns.keys() & NUMBER_COLUMNS.keys():
            columns[key] = np.array([math.nan if v == "" else float(v) for v in columns[key]])
        columns["profile"] = [profile[h] for h in self._of_row]
        identity: dict[str, tuple[str, ...]] = {}
        for h in stated or [h for h in range(len(self._hardware)) if self._hardware[h]]:
            home = profile.get(h, self.name)
            identity[home] = tuple(dict.fromkeys((*identity.get(home, ()), *self._hardware[h])))
        if self.uncounted:
            self.note(f"{self.uncounted} more rows hold no usable figure")
        table = from_columns(columns, where=self.name, identity=identity, notes=tuple(self.notes))
        ignored = tuple(Ignored(*reason) for reason in self.left_out)
        return replace(table, row=np.array(self._numbers, dtype=np.int64), ignored=ignored)


def _present(column: str, value: Any) -> bool:
    """Return whether a circumstance is worth a cell: a word, or a number that some kernel or run can have."""
    if column not in NUMBER_COLUMNS:
        return bool(value)
    size = number(value)
    return 0.0 < size < _LARGEST_SIZE
