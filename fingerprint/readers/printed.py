"""What benchmarks print, taken apart: text without a terminal's codes, line by line, and plain numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TextIO

#: Colours, cursor movements and window titles of a terminal. Inside JSON the escape character would itself be escaped.
_ESCAPES = re.compile(r"\x1b\[[0-9;?]{0,60}[ -/]{0,8}[@-~]|\x1b\][^\x07\x1b\n]{0,400}(?:\x07|\x1b\\)")
#: No code is longer.
LONGEST_CODE = 500
_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def uncoded(text: str) -> str:
    """Return text without colours and other terminal codes."""
    return _ESCAPES.sub("", text) if "\x1b" in text else text


def clean(text: str) -> str:
    """Return text without colours and other terminal codes, and without a byte order mark."""
    return uncoded(text).lstrip("\ufeff")


def states(line: str, longest: int) -> list[str]:
    """Return what a terminal showed one after the other in a line of a log: codes gone, cut at carriage returns."""
    return clean(line[:longest]).replace("\r", "\n").split("\n")


def lines(text: TextIO) -> Iterator[tuple[int, str]]:
    """Yield each line with its number from 1, clean; a line that carriage returns overwrote yields each of its states."""
    for number, line in enumerate(text, 1):
        for part in clean(line).rstrip("\r\n").split("\r"):
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
