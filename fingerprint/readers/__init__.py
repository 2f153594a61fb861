"""A file in some tool's format -> measurements. One module a format, found by content, never by suffix.

A format is a module with ``NAME``, ``TITLE``, ``YIELDS``, ``sniff(head) -> float`` (how sure, 0 to 1, from the first
characters) and ``read(text, name) -> Measurements``; a format that is a folder also has ``read_folder(folder)``, one kept in
Parquet ``sniff_columns(names)`` and ``read_parquet(stream, name)``. Its one line stands in :data:`FORMATS`.
"""

from __future__ import annotations

import gc
import importlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Protocol, TextIO, cast

from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import COLUMNS, Measurements, Words, number_word
from fingerprint.readers import uncounted
from fingerprint.readers.descriptions import described
from fingerprint.readers.opening import HEAD, PeekedText, opened, parquet_columns

#: Modules of this package, one a format. Adding a format is its file and its line here.
FORMATS: tuple[str, ...] = (
    "table",
    "ml_energy", "mlperf_inference", "vllm_serving", "inferencex", "nccl_tests", "nvbandwidth", "babelstream", "mixbench", "gpu_benches", "gpu_fryer", "mamf_finder", "deepseek_kernels", "nvidia_smi", "dcgm", "mlperf_training", "training_logs", "training_records", "aiconfigurator", "mlperf_results", "plain_tables", "kineto_trace",
    "serving_console", "vllm_offline", "trtllm_bench", "genai_perf", "guidellm", "llama_bench", "optimum_benchmark", "bandwidth_test",
)

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
    return tuple(map(_module, FORMATS))


def _module(name: str) -> Format:
    return cast("Format", importlib.import_module(f"{__name__}.{name}"))


def named(name: str) -> Format:
    """Return the format of a name as ``fingerprint formats`` lists it."""
    for module in formats():
        if module.NAME == name:
            return module
    raise InputError(f"knows no format {name!r}; one of {', '.join(m.NAME for m in formats())}", "--format")


def read(
    source: str | Path | IO[bytes], *, format: str | None = None, profile_by: str | None = None, name: str | None = None,
    claimed_column: str | None = None, accelerators: int | None = None,
) -> Measurements:  # fmt: skip
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
    claimed_column : str, optional
        The column of the project's own table that alone says what hardware a profile is said to be, see
        :func:`fingerprint.readers.table.read`; other formats say it in their own way.
    accelerators : int, optional
        How many shared the work, for figures that state no number, see :func:`fingerprint.readers.uncounted.fill`.

    Raises
    ------
    InputError
        For a file that can't be opened, is empty, cut short, of no known format, or holds figures that can't be.
    """
    if accelerators is not None:
        found = read(source, format=format, profile_by=profile_by, name=name, claimed_column=claimed_column)
        return uncounted.fill(found, accelerators)[0]
    if isinstance(source, (str, Path)):
        place = Path(source)
        name = name or place.name or str(place)
        if place.is_dir():
            return _regrouped(_read_folder(place, name), profile_by, name)
        try:
            with place.open("rb") as stream:
                return _read_stream(stream, name, format, profile_by, claimed_column)
        except OSError as error:
            raise InputError(f"can't be opened: {error.strerror or error}", name) from error
    return _read_stream(source, name or "standard input", format, profile_by, claimed_column)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Let Python's garbage collector rest: a document of millions of objects holds no cycle, and is looked through again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@_uncollected()
def _read_stream(stream: IO[bytes], name: str, format: str | None, profile_by: str | None, claimed_column: str | None) -> Measurements:
    from fingerprint.readers import table

    text, parquet = opened(stream, name)
    if parquet is not None:
        return _read_parquet(parquet, name, format, profile_by, claimed_column)
    assert text is not None
    head = text.peek_text(HEAD)
    if not head.strip():
        raise InputError("is empty; there is nothing to classify", name)
    reader = named(format) if format else _found(text, name)
    if reader.NAME == table.NAME:
        return table.read(cast("TextIO", text), name, profile_by, claimed_column)
    return _regrouped(reader.read(cast("TextIO", text), name), profile_by, name)


def _read_parquet(stream: IO[Any], name: str, format: str | None, profile_by: str | None, claimed_column: str | None) -> Measurements:
    """Return a Parquet file's measurements: by its columns another tool's table, else the project's own."""
    from fingerprint.readers import table

    names = parquet_columns(stream, name)
    kept: list[Any] = [named(format)] if format else [m for m in formats() if hasattr(m, "sniff_columns")]
    sure, best = max(((1.0 if format else m.sniff_columns(names), m) for m in kept), key=lambda pair: pair[0])
    if best.NAME == table.NAME or sure < SURE_ENOUGH:
        return table.read_parquet(stream, name, profile_by, claimed_column)
    if not hasattr(best, "read_parquet"):
        raise FormatError(f"is Parquet; {best.NAME} files are text", name)
    return _regrouped(best.read_parquet(stream, name), profile_by, name)


def _found(text: PeekedText, name: str) -> Format:
    """Return the format of a text; of one that nobody knows, what stands below its log lines may be JSON that somebody does."""
    try:
        return _detect(text.peek_text(HEAD), name)
    except FormatError:
        if not text.skip_noise():
            raise
        return _detect(text.peek_text(HEAD), name)


def _detect(head: str, name: str) -> Format:
    sure, best = -1.0, None
    for each in FORMATS:
        module = _module(each)
        found = module.sniff(head)
        if found > sure:
            sure, best = found, module
        # Nothing later can be surer: the rest of the readers, half the start, is not even imported.
        if sure >= 1.0:
            break
    if best is None or sure < SURE_ENOUGH:
        raise FormatError(
            described(head) or "is in no format that this program knows; see 'fingerprint formats', or give a CSV with the columns "
            "quantity, unit and value, one figure a row",
            name,
        )
    return best


def detected(place: Path) -> Format:
    """Return the format that a file's content shows it to be in; raises InputError like :func:`read`."""
    from fingerprint.readers import table

    with place.open("rb") as stream:
        text, parquet = opened(stream, place.name)
        if text is not None:
            return _found(text, place.name)
        names = parquet_columns(cast("IO[Any]", parquet), place.name)
        kept: list[Any] = [m for m in formats() if hasattr(m, "sniff_columns")]
        best = max(kept, key=lambda m: m.sniff_columns(names))
        return cast("Format", best if best.sniff_columns(names) >= SURE_ENOUGH else table)


def _read_folder(folder: Path, name: str) -> Measurements:
    for module in formats():
        reader: Any = getattr(module, "read_folder", None)
        found = reader(folder) if reader else None
        if found is not None:
            return cast("Measurements", found)
    raise FormatError("is a folder without MLPerf results (mlperf_log_summary.txt, or result_N.txt of a training run); give files instead", name)


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
