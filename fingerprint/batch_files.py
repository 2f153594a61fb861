"""``fingerprint batch``: a Parquet file of measurements to one of verdicts, in bounded memory, on as many workers as there are.

The rows are read in order and cut into parts of whole profiles; workers answer parts; each answer is written to a file of its
own beside the output, under a name that appears only when it is complete. When all are there, they are joined in the order of
the input. So a run that was killed goes on where it stopped, and the bytes of the output depend on neither the number of
workers nor on what runs them.

A file whose profiles do not stand together is put in order on disk first: rows go to one of 64 files by a hash of their
profile's name, and each of these is sorted, or split again where it is large. Then the output is in the order of that hash.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fingerprint import __version__, engines
from fingerprint.batch import NEEDED, PART_ROWS, verdict_frame, whole_profiles
from fingerprint.batch_parts import Parts, made_with
from fingerprint.errors import FingerprintError, InputError
from fingerprint.measurements import COLUMNS as KNOWN
from fingerprint.measurements import number_word
from fingerprint.scorer import Model, shipped
from fingerprint.verdict import check_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Rows read at a time, at most, and the bytes that they are meant to take.
READ_ROWS, READ_BYTES = 20_000, 32_000_000

#: Bytes of a word at most.
LONGEST_WORD = 1_000

#: Where profiles do not stand together: bits of the hash by which rows are put into files, and bytes that are sorted in memory.
BUCKET_BITS, BUCKET_BYTES = 6, 64_000_000

#: Runs of rows whose profiles are remembered while looking whether a profile comes twice.
MOST_RUNS = 8_000_000

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
    made_with : str
        What a worker must answer with (:func:`fingerprint.batch_parts.made_with`); anything where empty.
    """

    among: str = "all"
    coverage: float = 0.9
    model: Model | None = None
    made_with: str = ""

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        """Return the verdicts of a part."""
        if self.made_with not in ("", made_with(self.model)):
            raise FingerprintError("a worker has another version of this program or of its model; install the same everywhere")
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
        say(f"ignored columns {', '.join(map(repr, table.ignored[:12]))}{' …' if len(table.ignored) > 12 else ''}")
    described = _identity(options)
    answer = replace(options, made_with=described["made_with"])
    progress = _Progress(table.rows, say)
    resumed, rows = 0, 0

    def missing() -> Iterator[tuple[int, pd.DataFrame]]:
        nonlocal resumed, rows
        batches = table.batches() if table.contiguous() else _ordered(table, parts.folder, say)
        for number, part in enumerate(whole_profiles((b.to_pandas() for b in batches), PART_ROWS)):
            rows += len(part)
            parts.count = number + 1
            if parts.holds(number):
                resumed += 1
                progress.add(len(part), resumed=True)
            else:
                yield number, part

    with Parts.opened(out, table.identity() | described) as parts:
        with contextlib.closing(engines.answered(missing(), answer, jobs, engine, scheduler)) as answers:
            for number, verdicts in answers:
                parts.write(number, verdicts)
                progress.add(int(verdicts["rows"].sum()))
        profiles = parts.join(described)
    say(f"{profiles:,} profiles of {rows:,} rows in {parts.count:,} parts{f', {resumed:,} of them there already' if resumed else ''}")
    return Outcome(profiles, rows, parts.count, resumed)


def _identity(options: Options) -> dict[str, Any]:
    """Return what makes two answers comparable: what was asked, the model, and the program's version."""
    model = options.model or shipped()
    return {"among": options.among, "coverage": options.coverage, "part_rows": PART_ROWS, "program": __version__,
            "model": model.version, "data": model.data, "made_with": made_with(options.model)}  # fmt: skip


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
        left = max(self.rows - self.done, 0) / speed
        self.say(f"{self.done:,} of {self.rows:,} rows ({self.done / max(self.rows, 1):.0%}), {speed:,.0f} rows/s, {_minutes(left)} left")


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class _Source:
    """The input: its columns checked, its rows in batches whose profiles are clean words."""

    def __init__(self, path: Path, profile_by: str) -> None:
        self.path, self.profile_by = path, profile_by
        if path.exists() and not path.is_file():
            raise InputError("is no plain file", str(path))
        # Read page by page: a row group may be as large as the file.
        schema = pq.ParquetFile(path).schema_arrow
        self.file = pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20, read_dictionary=[f.name for f in schema if _is_word(f.type)])
        names = schema.names
        needed = [name for name in (profile_by, *NEEDED[1:]) if name not in names]
        if needed:
            raise InputError(f"lacks the column{'s' if len(needed) > 1 else ''} {', '.join(map(repr, needed))}; --profile-by names "
                             "the column that tells profiles apart", str(path))  # fmt: skip
        if profile_by in NEEDED[1:]:
            raise InputError(f"column {profile_by!r} is a figure's, and can't tell profiles apart", "--profile-by")
        self.figures = [name for name in names if name in KNOWN and name not in ("profile", profile_by)]
        self.ignored = [name for name in names if name not in self.figures and name != profile_by]
        for name in (profile_by, *self.figures):
            if names.count(name) > 1:
                raise InputError(f"has {names.count(name)} columns {name!r}; keep one", str(path))
            if pa.types.is_nested(schema.field(name).type):
                raise InputError(f"column {name!r} holds lists or records; expected a word or a number a row", str(path))
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
        """Return whether each profile's rows stand together.

        Of very many profiles a share is looked at, by their hash, and the column is read once a share: memory is bounded.
        """
        shares, share = 1, 0
        while share < shares:
            found, checked = _Runs(), 1
            for batch in self._read([self.profile_by]):
                found.add(_names(batch.column(0)), shares, share)
                # Looked at whenever there are twice as many: sorting costs little in all, and disorder shows early.
                if found.count >= 2 * checked:
                    if found.twice():
                        return False
                    checked = found.count
                if found.count > MOST_RUNS and share == 0:
                    shares *= 2
                    found.keep(shares)
                    checked = found.count
            if found.twice():
                return False
            share += 1
        return True

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order, ``profile`` first."""
        for batch in self._read([self.profile_by, *self.figures]):
            columns = [batch.column(batch.schema.names.index(name)) for name in self.figures]
            plain = [c.dictionary_decode() if pa.types.is_dictionary(c.type) else c for c in columns]
            names = _names(batch.column(batch.schema.names.index(self.profile_by)))
            yield pa.RecordBatch.from_arrays([names, *plain], names=["profile", *self.figures])

    def _read(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        groups = (self.file.metadata.row_group(k) for k in range(self.file.metadata.num_row_groups))
        widest = max((g.total_byte_size / max(g.num_rows, 1) for g in groups), default=0.0)
        for batch in self.file.iter_batches(int(min(max(READ_BYTES / max(widest, 1.0), 1), READ_ROWS)), columns=columns):
            # Words are read as dictionaries: a long one that stands in each row is there once, until it is written out.
            width = 8
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                if pa.types.is_dictionary(column.type) and _is_word(column.type.value_type):
                    longest = pc.max(pc.binary_length(column.dictionary)).as_py() or 0
                    if longest > LONGEST_WORD:
                        raise InputError(f"column {name!r} holds a word of {longest:,} bytes; at most {LONGEST_WORD:,} are read", str(self.path))
                    width += longest
            rows = max(READ_BYTES // width, 1)
            for start in range(0, len(batch), rows):
                yield batch.slice(start, rows)


def _is_word(kind: pa.DataType) -> bool:
    return str(kind).removeprefix("large_").removesuffix("_view") in ("string", "binary")


def _names(column: pa.Array) -> pa.StringArray:
    """Return the profiles' names as a table of measurements would have them."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type):
        encoded = column.dictionary_encode()
        words = pa.array([number_word(value) for value in encoded.dictionary.to_pylist()], pa.string())
        column = pa.DictionaryArray.from_arrays(encoded.indices, words).dictionary_decode()
    return pc.utf8_trim_whitespace(pc.fill_null(column.cast(pa.string()), ""))


class _Runs:
    """Hashes of the profiles that were met, one a run of rows."""

    def __init__(self) -> None:
        self.parts: list[NDArray[np.uint64]] = []
        self.count = 0
        self.last: str | None = None

    def add(self, names: pa.StringArray, shares: int = 1, share: int = 0) -> None:
        """Add the runs of the next rows whose hash is of this share; the first may go on with the last one so far."""
        if not len(names):
            return
        encoded = names.dictionary_encode()
        codes = encoded.indices.to_numpy()
        hashes = _hashes(encoded.dictionary)[codes[np.append(True, codes[1:] != codes[:-1])]]
        hashes = hashes[1:] if names[0].as_py() == self.last else hashes
        self.parts.append(hashes[hashes % np.uint64(shares) == share])
        self.count += len(self.parts[-1])
        self.last = names[-1].as_py()

    def keep(self, shares: int) -> None:
        """Forget all but the first of so many shares."""
        self.parts = [hashes[hashes % np.uint64(shares) == 0] for hashes in self.parts]
        self.count = sum(map(len, self.parts))

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
    hashed = (b.append_column("hash", pa.array(_hashes(b.column(0)))) for b in table.batches())
    for batch in _sorted(hashed, folder / "bucket", 64 - BUCKET_BITS):
        yield batch.drop_columns(["hash"])


def _sorted(batches: Iterator[pa.RecordBatch], stem: Path, shift: int) -> Iterator[pa.RecordBatch]:
    """Yield rows by ascending hash, those of a profile in the order in which they came.

    They go to files by the bits of the hash from ``shift`` on. A small file is sorted in memory; a large one is split by the
    next bits, unless all of it is one profile.
    """
    size: dict[int, int] = {}
    least: dict[int, int] = {}
    most: dict[int, int] = {}
    with contextlib.ExitStack() as stack:
        writers: dict[int, pa.RecordBatchFileWriter] = {}
        for batch in batches:
            hashes = batch.column("hash").to_numpy()
            bucket = (hashes >> np.uint64(shift)).astype(np.int64) & ((1 << BUCKET_BITS) - 1)
            order = np.argsort(bucket, kind="stable")
            for mine in np.split(order, np.flatnonzero(np.diff(bucket[order])) + 1):
                k = int(bucket[mine[0]])
                if k not in writers:
                    writers[k] = stack.enter_context(pa.ipc.new_file(stack.enter_context(_bucket(stem, k).open("wb")), batch.schema))
                piece = batch.take(pa.array(mine))
                writers[k].write_batch(piece)
                size[k] = size.get(k, 0) + piece.nbytes
                least[k] = min(least.get(k, 1 << 64), int(hashes[mine].min()))
                most[k] = max(most.get(k, 0), int(hashes[mine].max()))
    for k in sorted(size):
        file = _bucket(stem, k)
        if size[k] <= BUCKET_BYTES:
            whole = pa.Table.from_batches(_stretches(file))
            # Sorting is not stable there: the place in the file decides between rows of one profile.
            whole = whole.append_column("place", pa.array(np.arange(len(whole))))
            order = pc.sort_indices(whole, sort_keys=[("hash", "ascending"), ("profile", "ascending"), ("place", "ascending")])
            yield from whole.take(order).drop_columns(["place"]).combine_chunks().to_batches(READ_ROWS)
        elif least[k] == most[k]:
            yield from _stretches(file)
        else:
            yield from _sorted(_stretches(file), file.with_suffix(""), max(shift - BUCKET_BITS, 0))
        file.unlink()


def _bucket(stem: Path, k: int) -> Path:
    return stem.with_name(f"{stem.name}-{k:02d}.arrow")


def _stretches(file: Path) -> Iterator[pa.RecordBatch]:
    """Yield a file's rows, :data:`READ_ROWS` or :data:`READ_BYTES` or a few more at a time."""
    with pa.OSFile(str(file)) as stream, pa.ipc.open_file(stream) as reader:
        waiting: list[pa.RecordBatch] = []
        for number in range(reader.num_record_batches):
            waiting.append(reader.get_batch(number))
            full = sum(map(len, waiting)) >= READ_ROWS or sum(b.nbytes for b in waiting) >= READ_BYTES
            if full or number == reader.num_record_batches - 1:
                yield from pa.Table.from_batches(waiting).combine_chunks().to_batches()
                waiting = []
