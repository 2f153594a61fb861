"""A file in some tool's format -> measurements. One module a format, found by content, never by suffix.

A format is a module with ``NAME``, ``TITLE``, ``YIELDS``, ``sniff(head) -> float`` (how sure, 0 to 1, from the first
characters) and ``read(text, name) -> Measurements``; a format that is a folder also has ``read_folder(folder)``. Its one
line stands in :data:`FORMATS`.
"""

from __future__ import annotations

import importlib
import io
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Protocol, TextIO, cast

from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import COLUMNS, Measurements, Words, number_word
from fingerprint.readers.opening import HEAD, opened

#: Modules of this package, one a format. Adding a format is its file and its line here.
FORMATS: tuple[str, ...] = ("table", "mlperf_inference", "vllm_serving", "inferencex", "nccl_tests")

#: A reader must be at least this sure of a file to be given it.
SURE_ENOUGH = 0.3


class Format(Protocol):
    """What a reader's module provides."""

    NAME: str
    TITLE: str
    YIELDS: str

    def sniff(self, head: str) -> float:
        """Return how sure this is the format, from 0 to 1."""

    def read(self, text: TextIO, name: str) -> Measurements:
        """Return the file's measurements."""


@lru_cache(maxsize=1)
def formats() -> tuple[Format, ...]:
    """Return the formats' modules."""
    return tuple(cast("Format", importlib.import_module(f"{__name__}.{f}")) for f in FORMATS)


def named(name: str) -> Format:
    """Return the format of a name as ``fingerprint formats`` lists it."""
    for module in formats():
        if module.NAME == name:
            return module
    raise InputError(f"knows no format {name!r}; one of {', '.join(m.NAME for m in formats())}", "--format")


def read(
    source: str | Path | IO[bytes], *, format: str | None = None, profile_by: str | None = None, name: str | None = None
) -> Measurements:
    """Return the measurements of a file, a folder or a binary stream.

    Parameters
    ----------
    source : path or binary stream
        Plain or gzip; UTF-8 or UTF-16 text in any format of :data:`FORMATS`, or Parquet with the table's columns. A
        folder is read as an MLPerf submission.
    format : str, optional
        A format's name, when the content doesn't say.
    profile_by : str, optional
        Group rows into profiles by this column instead.
    name : str, optional
        How to call the source in messages; the file's name by default.

    Raises
    ------
    InputError
        For a file that can't be opened, is empty, cut short, of no known format, or holds figures that can't be.
    """
    if isinstance(source, (str, Path)):
        place = Path(source)
        name = name or place.name or str(place)
        if place.is_dir():
            return _regrouped(_read_folder(place, name), profile_by, name)
        try:
            with place.open("rb") as stream:
                return _read_stream(stream, name, format, profile_by)
        except OSError as error:
            raise InputError(f"can't be opened: {error.strerror or error}", name) from error
    return _read_stream(source, name or "standard input", format, profile_by)


def _read_stream(stream: IO[bytes], name: str, format: str | None, profile_by: str | None) -> Measurements:
    from fingerprint.readers import table

    text, parquet = opened(stream, name)
    if parquet is not None:
        return table.read_parquet(parquet, name, profile_by)
    assert text is not None
    head = text.peek_text(HEAD)
    if not head.strip():
        raise InputError("is empty; there is nothing to classify", name)
    reader = named(format) if format else _detect(head, name)
    if reader.NAME == table.NAME:
        return table.read(cast("TextIO", text), name, profile_by)
    return _regrouped(reader.read(cast("TextIO", text), name), profile_by, name)


def _detect(head: str, name: str) -> Format:
    sure, best = max(((m.sniff(head), m) for m in formats()), key=lambda pair: pair[0])
    if sure < SURE_ENOUGH:
        raise FormatError(
            "is in no format that this program knows; see 'fingerprint formats', or give a CSV with the columns "
            "quantity, unit and value, one figure a row",
            name,
        )
    return best


def _read_folder(folder: Path, name: str) -> Measurements:
    for module in formats():
        reader: Any = getattr(module, "read_folder", None)
        found = reader(folder) if reader else None
        if found is not None:
            return cast("Measurements", found)
    raise FormatError("is a folder without MLPerf results (mlperf_log_summary.txt); give files instead", name)


def _regrouped(measurements: Measurements, column: str | None, name: str) -> Measurements:
    """Return the measurements with profiles named by another column of the table."""
    if column is None:
        return measurements
    if column in measurements.words:
        words = measurements.words[column]
    elif column in measurements.numbers:
        words = Words.of(map(number_word, measurements.numbers[column].tolist()))
    else:
        raise InputError(f"has no column {column!r} to make profiles by; it has {', '.join(c for c in COLUMNS if c in {**measurements.words, **measurements.numbers})}", name)  # fmt: skip
    old = measurements.word("profile")
    identity: dict[str, tuple[str, ...]] = {}
    for before, after in dict.fromkeys(zip(old, words, strict=True)):
        identity[after] = tuple(dict.fromkeys((*identity.get(after, ()), *measurements.identity.get(before, ()))))
    return Measurements({**measurements.words, "profile": words}, measurements.numbers, measurements.row, identity,
                        measurements.ignored, measurements.notes)  # fmt: skip


def read_text(text: str, name: str = "text", **options: Any) -> Measurements:
    """Return the measurements of a string; see :func:`read`."""
    return read(io.BytesIO(text.encode()), name=name, **options)
