"""``fingerprint batch``: a Parquet file of measurements to one of verdicts, in bounded memory, on as many workers as there are.

The rows are read in order and cut into parts of whole profiles; workers answer parts; each answer is written to a file of its
own beside the output, under a name that appears only when it is complete. When all are there, they are joined in the order of
the input. So a run that was killed goes on where it stopped, and the bytes of the output depend on neither the number of
workers nor on what runs them.

A file whose profiles do not stand together is put in order on disk first: rows go to one of up to :data:`BUCKETS` files by a
hash of their profile's name, and each of these is sorted. Then the output is in the order of that hash.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fingerprint import __version__, engines
from fingerprint.batch import PART_ROWS, verdict_frame, whole_profiles
from fingerprint.batch_parts import Parts, fingerprint_of
from fingerprint.errors import InputError
from fingerprint.measurements import COLUMNS as KNOWN
from fingerprint.scorer import Model, shipped
from fingerprint.verdict import check_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Rows read at a time.
READ_ROWS = 50_000

#: Files that rows are put into where profiles do not stand together, at most, and rows that one is meant to hold.
BUCKETS, BUCKET_ROWS = 256, 200_000

#: Seconds between two words of how far the run is.
SAY_EVERY = 5.0


@dataclass(frozen=True)
class Options:
    """What a part is answered with.

    Attributes
    ----------
    among, coverage
        As for :func:`fingerprint.verdict.classify`.
    model : Model or None
        None for the shipped one, which each worker loads for itself.
    """

    among: str = "all"
    coverage: float = 0.9
    model: Model | None = None

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        """Return the verdicts of a part."""
        return verdict_frame(part, self.among, self.coverage, self.model)


@dataclass(frozen=True)
class Outcome:
    """What a run did: profiles and rows answered, parts, and how many of them were there already."""

    profiles: int
    rows: int
    parts: int
    resumed: int


def run(source: Path, out: Path, options: Options | None = None, *, jobs: int = 1, engine: str = "joblib", scheduler: str | None = None,
        profile_by: str = "profile", say: Callable[[str], None] | None = None) -> Outcome:  # fmt: skip
    """Write one line a profile (:data:`fingerprint.batch.COLUMNS`) and return what was done.

    Parameters
    ----------
    source : Path
        A Parquet file with the columns of a table of measurements, one figure a row.
    out : Path
        Where the verdicts go. Until all are there, parts lie in a folder of that name and ``.parts`` beside it.
    options : Options
    jobs : int
        Workers on this machine; -1 for one a core.
    engine : str
        ``joblib`` or ``dask``.
    scheduler : str, optional
        Address of a Dask scheduler, such as ``tcp://10.0.0.1:8786``; without one, a cluster of ``jobs`` is started here.
    profile_by : str
        The column that tells profiles apart.
    say : callable, optional
        Told how far the run is.

    Raises
    ------
    InputError
        For a file that can't be read or written, a missing column, an option out of range, or parts of another run.
    """
    options = options or Options()
    check_options(options.among, options.coverage)
    try:
        return _run(source, out, options, jobs, engine, scheduler, profile_by, say or (lambda _: None))
    except OSError as error:
        if error.errno is None:
            # Arrow's own: a page of the file that can't be decoded.
            raise _unreadable(source, error) from error
        raise InputError(f"{error.strerror}", str(error.filename or out)) from error
    except pa.ArrowException as error:
        raise _unreadable(source, error) from error


def _unreadable(source: Path, error: Exception) -> InputError:
    return InputError(f"can't be read as Parquet: {str(error).splitlines()[0][:120]}", str(source))


def _run(source: Path, out: Path, options: Options, jobs: int, engine: str, scheduler: str | None, profile_by: str,
         say: Callable[[str], None]) -> Outcome:  # fmt: skip
    if out.exists() and source.exists() and out.samefile(source):
        raise InputError("the output would overwrite the input; give it another name", str(out))
    table = _Source(source, profile_by)
    if table.ignored:
        say(f"ignored columns {', '.join(table.ignored[:12])}{' …' if len(table.ignored) > 12 else ''}")
    parts = Parts(out)
    parts.open(table.identity() | _identity(options))
    batches = table.batches() if table.contiguous() else _ordered(table, parts.folder, say)
    progress = _Progress(table.rows, say)
    resumed, rows = 0, 0

    def missing() -> Iterator[tuple[int, pd.DataFrame]]:
        nonlocal resumed, rows
        for number, part in enumerate(whole_profiles(_frames(batches), PART_ROWS)):
            rows += len(part)
            parts.count = number + 1
            if parts.holds(number):
                resumed += 1
                progress.add(len(part), resumed=True)
            else:
                yield number, part

    for number, verdicts in engines.answered(missing(), options, jobs, engine, scheduler):
        parts.write(number, verdicts)
        progress.add(int(verdicts["rows"].sum()))
    profiles = parts.join(_identity(options))
    say(f"{profiles:,} profiles of {rows:,} rows in {parts.count:,} parts{f', {resumed:,} of them there already' if resumed else ''}")
    return Outcome(profiles, rows, parts.count, resumed)


def _identity(options: Options) -> dict[str, Any]:
    """Return what makes two answers comparable: what was asked, the model, and the program's version."""
    model = options.model or shipped()
    return {"among": options.among, "coverage": options.coverage, "part_rows": PART_ROWS, "program": __version__,
            "model": model.version, "data": model.data, "arrays": fingerprint_of(model.direct.value, model.matching.value, model.forward.value)}  # fmt: skip


class _Progress:
    """Says every few seconds how far a run is; what was there already does not count as speed."""

    def __init__(self, rows: int, say: Callable[[str], None]) -> None:
        self.rows, self.say = rows, say
        self.began = self.said = time.monotonic()
        self.done = self.fresh = 0

    def add(self, rows: int, *, resumed: bool = False) -> None:
        """Count rows as answered."""
        self.done += rows
        self.fresh += 0 if resumed else rows
        now = time.monotonic()
        if now - self.said < SAY_EVERY or not self.fresh:
            return
        self.said = now
        speed = self.fresh / (now - self.began)
        left = (self.rows - self.done) / speed
        self.say(f"{self.done:,} of {self.rows:,} rows ({self.done / self.rows:.0%}), {speed:,.0f} rows/s, {_minutes(left)} left")


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class _Source:
    """The input: its columns checked, its rows in batches whose profiles are clean words."""

    def __init__(self, path: Path, profile_by: str) -> None:
        self.path, self.profile_by = path, profile_by
        self.file = pq.ParquetFile(path)
        names = self.file.schema_arrow.names
        needed = [name for name in (profile_by, "quantity", "unit", "value") if name not in names]
        if needed:
            raise InputError(f"lacks the column{'s' if len(needed) > 1 else ''} {', '.join(map(repr, needed))}; --profile-by names "
                             "the column that tells profiles apart", str(path))  # fmt: skip
        self.figures = [name for name in names if name in KNOWN and name not in ("profile", profile_by)]
        self.ignored = [name for name in names if name not in self.figures and name != profile_by]
        self.rows = self.file.metadata.num_rows

    def identity(self) -> dict[str, Any]:
        """Return what tells this input from another: length, time of writing, and a hash of the footer."""
        status = self.path.stat()
        with self.path.open("rb") as stream:
            stream.seek(status.st_size - 8)
            footer = int.from_bytes(stream.read(4), "little")
            stream.seek(max(0, status.st_size - 8 - footer))
            return {"bytes": status.st_size, "modified": status.st_mtime_ns, "profile_by": self.profile_by,
                    "footer": hashlib.sha256(stream.read()).hexdigest()}  # fmt: skip

    def contiguous(self) -> bool:
        """Return whether each profile's rows stand together; takes 16 bytes of memory a profile."""
        found, checked = _Runs(), 1
        for batch in self.file.iter_batches(READ_ROWS, columns=[self.profile_by]):
            found.add(_names(batch.column(0)))
            # Looked at whenever there are twice as many: sorting costs little in all, and disorder shows early.
            if found.count >= 2 * checked:
                if found.twice():
                    return False
                checked = found.count
        return not found.twice()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order, ``profile`` first."""
        for batch in self.file.iter_batches(READ_ROWS, columns=[self.profile_by, *self.figures]):
            columns = [batch.column(batch.schema.names.index(name)) for name in self.figures]
            plain = [c.dictionary_decode() if pa.types.is_dictionary(c.type) else c for c in columns]
            names = _names(batch.column(batch.schema.names.index(self.profile_by)))
            yield pa.RecordBatch.from_arrays([names, *plain], names=["profile", *self.figures])


def _names(column: pa.Array) -> pa.StringArray:
    """Return the profiles' names as a table of measurements would have them."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type) and pc.all(pc.equal(pc.floor(column), column)).as_py() is not False:
        column = column.cast(pa.int64())
    return pc.utf8_trim_whitespace(pc.fill_null(column.cast(pa.string()), ""))


class _Runs:
    """Hashes of the profiles that were met, one a run of rows."""

    def __init__(self) -> None:
        self.parts: list[NDArray[np.uint64]] = []
        self.count = 0
        self.last: str | None = None

    def add(self, names: pa.StringArray) -> None:
        """Add the runs of the next rows; the first may go on with the last one so far."""
        if not len(names):
            return
        encoded = names.dictionary_encode()
        codes = encoded.indices.to_numpy()
        hashes = _hashes(encoded.dictionary)[codes[np.append(True, codes[1:] != codes[:-1])]]
        hashes = hashes[1:] if names[0].as_py() == self.last else hashes
        self.parts.append(hashes)
        self.count += len(hashes)
        self.last = names[-1].as_py()

    def twice(self) -> bool:
        """Return whether a profile has two runs."""
        together = np.sort(np.concatenate(self.parts)) if self.parts else np.zeros(0, dtype=np.uint64)
        self.parts = [together]
        return bool((together[1:] == together[:-1]).any())


def _hashes(names: pa.StringArray) -> NDArray[np.uint64]:
    return np.asarray(pd.util.hash_array(names.to_numpy(zero_copy_only=False).astype(object), categorize=False), dtype=np.uint64)


def _ordered(table: _Source, folder: Path, say: Callable[[str], None]) -> Iterator[pa.RecordBatch]:
    """Yield the rows in the order of a hash of their profile's name, by way of files in a folder."""
    say("profiles do not stand together: rows are put in order on disk first")
    bits = int(np.ceil(np.log2(min(max(table.rows / BUCKET_ROWS, 1.0), BUCKETS))))
    files = [folder / f"bucket-{k:03d}.arrow" for k in range(1 << bits)]
    with contextlib.ExitStack() as stack:
        writers: dict[int, pa.RecordBatchFileWriter] = {}
        for batch in table.batches():
            hashes = _hashes(batch.column(0))
            bucket = (hashes >> np.uint64(64 - bits)).astype(np.int64) if bits else np.zeros(len(hashes), dtype=np.int64)
            whole = pa.RecordBatch.from_arrays([pa.array(hashes), *batch.columns], names=["hash", *batch.schema.names])
            order = np.argsort(bucket, kind="stable")
            for rows in np.split(order, np.flatnonzero(np.diff(bucket[order])) + 1) if len(order) else ():
                k = int(bucket[rows[0]])
                if k not in writers:
                    writers[k] = stack.enter_context(pa.ipc.new_file(str(files[k]), whole.schema))
                writers[k].write_batch(whole.take(pa.array(rows)))
    for file in files:
        if file.exists():
            with pa.OSFile(str(file)) as stream:
                rows = pa.ipc.open_file(stream).read_all()
            file.unlink()
            # Sorting is not stable there: the place in the file decides between rows of one profile.
            rows = rows.append_column("place", pa.array(np.arange(len(rows))))
            order = pc.sort_indices(rows, sort_keys=[("hash", "ascending"), ("profile", "ascending"), ("place", "ascending")])
            yield from rows.take(order).drop_columns(["hash", "place"]).to_batches(READ_ROWS)


def _frames(batches: Iterable[pa.RecordBatch]) -> Iterator[pd.DataFrame]:
    for batch in batches:
        yield batch.to_pandas(date_as_object=True)
