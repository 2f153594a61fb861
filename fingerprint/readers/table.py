"""The project's own table: CSV, JSON Lines, a JSON array of rows, or Parquet, one figure a row."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TextIO

import numpy as np

from fingerprint import workloads
from fingerprint.errors import InputError
from fingerprint.measurements import COLUMNS, Measurements, Words, concatenate, from_columns, number_word
from fingerprint.readers.json_text import weighed

NAME = "table"
TITLE = "The project's own table: CSV, JSON Lines, JSON array or Parquet, one figure a row"
YIELDS = "whatever the columns say; at least quantity, unit and value"

#: Rows converted at a time.
CHUNK = 200_000

#: The column that labels a row with its chip in labelled data: what the file says, never used.
IDENTITY_COLUMNS = ("chip", "claimed", "gpu", "accelerator", "device", "device_name", "hardware", "label")

#: Names of one profile's hardware that are worth reporting.
MOST_NAMES = 4

_TELLING = {"quantity", "unit", "value"}


def sniff(head: str) -> float:
    """Return how sure this is a table of ours: it names quantity, unit and value."""
    text = head.lstrip()
    if text.startswith(("{", "[")):
        return 0.9 if '"quantity"' in text and '"value"' in text else 0.0
    first = text.split("\n", 1)[0]
    names = {n.strip().strip('"').lower() for n in first.split(_delimiter(first))}
    return {3: 1.0, 2: 0.8, 1: 0.35 if len(names) > 1 else 0.0}.get(len(names & _TELLING), 0.0)


def _delimiter(line: str) -> str:
    return max(",;\t|", key=line.count)


def read(text: TextIO, name: str, profile_by: str | None = None, claimed_column: str | None = None) -> Measurements:
    """Return the measurements of a CSV, JSON Lines or JSON array; see :func:`fingerprint.measurements.from_columns`.

    A ``claimed_column`` alone says what hardware each profile is said to be, in ``identity``; then a table without a column
    ``profile`` is a board of one profile a row.
    """
    head = text.peek_text(4096).lstrip() if hasattr(text, "peek_text") else ""
    if head.startswith("["):
        rows: Iterable[Mapping[str, Any]] = _array(text, name)
        return _from_records(rows, name, profile_by, claimed_column)
    if head.startswith("{"):
        return _from_records(_lines(text, name), name, profile_by, claimed_column)
    return _from_csv(text, name, profile_by, claimed_column)


def _from_csv(text: TextIO, name: str, profile_by: str | None, claimed_column: str | None) -> Measurements:
    # A blank line above the header is no header.
    first = next((line for line in text if line.strip()), "")
    delimiter = _delimiter(first)
    try:
        header = [h.strip() for h in next(csv.reader([first], delimiter=delimiter), ())]
    except csv.Error as error:
        raise InputError(f"is no CSV: {error}", f"{name}, row 1") from error
    lower = [h.lower() for h in header]
    header = [low if low in COLUMNS else h for h, low in zip(header, lower, strict=True)]
    twice = sorted({h for h in header if h and header.count(h) > 1})
    if twice:
        raise InputError(f"has the column {twice[0][:60]!r} twice", f"{name}, row 1")
    rows = csv.reader(text, delimiter=delimiter)
    parts: list[Measurements] = []
    done = 0
    while True:
        try:
            block = list(itertools.islice(rows, CHUNK))
        except csv.Error as error:
            raise InputError(f"is no CSV after row {done}: {error}", name) from error
        if not block and parts:
            break
        # Rows are counted without the blank lines between them, as a spreadsheet's import does.
        filled = [row for row in block if row]
        wrong = next((i for i, row in enumerate(filled) if len(row) != len(header)), None)
        if wrong is not None:
            raise InputError(
                f"has {len(filled[wrong])} cells where the header names {len(header)} columns", f"{name}, row {done + wrong + 1}"
            )
        columns: dict[str, Any] = dict(zip(header, zip(*filled, strict=True), strict=True)) if filled else dict.fromkeys(header, ())
        parts.append(_measured(columns, name, done + 1, profile_by, claimed_column))
        done += len(filled)
        if len(block) < CHUNK:
            break
    out = parts[0] if len(parts) == 1 else concatenate(parts)
    if not len(out):
        raise InputError("has a header but no row; there is nothing to classify", name)
    return _once(out)


def _lines(text: TextIO, name: str) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate((line for line in text if line.strip()), 1):
        yield _record(line, f"{name}, row {number}")


def _record(line: str, where: str) -> Mapping[str, Any]:
    weighed(line, where)
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError("is no JSON object on one line", where) from error
    if not isinstance(row, dict):
        raise InputError(f"must be a JSON object, found {type(row).__name__}", where)
    return row


def _array(text: TextIO, name: str) -> Sequence[Mapping[str, Any]]:
    content = text.read()
    weighed(content, name)
    try:
        rows = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"is no JSON: {str(error)[:80]}", name) from error
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise InputError(f"must be a JSON object, found {type(row).__name__}", f"{name}, row {number}")
    return rows  # type: ignore[no-any-return]


def _from_records(rows: Iterable[Mapping[str, Any]], name: str, profile_by: str | None,
                  claimed_column: str | None) -> Measurements:  # fmt: skip
    parts, done = [], 0
    iterator = iter(rows)
    while block := list(itertools.islice(iterator, CHUNK)):
        names = list(dict.fromkeys(key for row in block for key in row))
        columns = {key: [_cell(row.get(key), key, name, done + i) for i, row in enumerate(block, 1)] for key in names}
        parts.append(_measured(columns, name, done + 1, profile_by, claimed_column))
        done += len(block)
    if not parts:
        raise InputError("holds no row; there is nothing to classify", name)
    return _once(concatenate(parts) if len(parts) > 1 else parts[0])


def _cell(value: Any, column: str, name: str, row: int) -> str:
    if value is None:
        return ""
    if isinstance(value, (dict, list)):
        if column in COLUMNS:
            raise InputError(f"column '{column}' must hold a number or a word, found a JSON {type(value).__name__}", f"{name}, row {row}")  # fmt: skip
        return ""
    return repr(value) if isinstance(value, float) else str(value)


def _measured(columns: Mapping[str, Any], name: str, first_row: int, profile_by: str | None,
              claimed_column: str | None) -> Measurements:  # fmt: skip
    columns = dict(columns)
    for asked, purpose in ((profile_by, "to make profiles by"), (claimed_column, "with claims")):
        if asked is not None and asked not in columns:
            raise InputError(f"has no column {asked!r} {purpose}; it has {', '.join(c[:60] for c in list(columns)[:40])}", name)
    said = {key: columns[key] for key in ((claimed_column,) if claimed_column else IDENTITY_COLUMNS)
            if key in columns and (claimed_column or key not in COLUMNS)}  # fmt: skip
    if profile_by is not None:
        columns["profile"] = columns[profile_by]
    elif claimed_column is not None and "profile" not in columns:
        columns["profile"] = [f"row {n}" for n in range(first_row, first_row + len(columns[claimed_column]))]
    identity: dict[str, tuple[str, ...]] = {}
    for key in (*IDENTITY_COLUMNS, *said):
        if key not in COLUMNS and key != profile_by:
            columns.pop(key, None)
    for cells in said.values():
        profiles = _as_words(columns["profile"]) if "profile" in columns else itertools.repeat(name)
        for profile, word in dict.fromkeys(zip(profiles, _as_words(cells), strict=False)):
            if word and len(identity.setdefault(profile.strip(), ())) < MOST_NAMES:
                identity[profile.strip()] += (word[:80],)
    columns.pop("row", None)
    out = from_columns(columns, where=name, first_row=first_row, identity=identity)
    if "workload" in out.words:
        # People write models as their publishers do; the costs know them by one name.
        out.words["workload"] = out.words["workload"].rename(lambda word: workloads.resolve(word) or word)
    return out


def _as_words(column: Any) -> Iterable[str]:
    """Return a column's words; numbers as :func:`~fingerprint.measurements.number_word` writes them."""
    return map(number_word, column.tolist()) if isinstance(column, np.ndarray) else column


def _once(measurements: Measurements) -> Measurements:
    """Say each note once, however many chunks raised it."""
    notes = tuple(dict.fromkeys(measurements.notes))
    return Measurements(measurements.words, measurements.numbers, measurements.row, measurements.identity,
                        measurements.ignored, notes)  # fmt: skip


def read_parquet(stream: Any, name: str, profile_by: str | None = None, claimed_column: str | None = None) -> Measurements:
    """Return the measurements of a Parquet file with the table's columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {}
    try:
        table = pq.read_table(stream if isinstance(stream, io.BytesIO) else pa.PythonFile(stream))
        for key in table.column_names:
            column = table[key].combine_chunks()
            if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
                # Identifiers of 64 bits may lose digits: no figure has so many.
                columns[key] = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or pa.types.is_dictionary(column.type):
                encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
                codes = encoded.indices.fill_null(len(encoded.dictionary)).to_numpy(zero_copy_only=False)
                columns[key] = Words(codes.astype(np.int32), (*map(str, encoded.dictionary.to_pylist()), ""))
    except (pa.ArrowException, OSError, ValueError) as error:  # text that is not UTF-8 is a ValueError
        raise InputError(f"is a damaged Parquet file: {(str(error).splitlines() or [''])[0][:100]}", name) from error
    if not len(table):
        raise InputError("holds no row; there is nothing to classify", name)
    return _measured(columns, name, 1, profile_by, claimed_column)
