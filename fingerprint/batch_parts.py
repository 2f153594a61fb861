"""The answers of a run that is not finished: one file a part, complete or absent, and a manifest that says whose they are.

A part is written under another name, brought to the disk and then renamed, so a file of a part's name is whole whatever killed
the run. The manifest holds what the answers depend on; parts of another input, other options or another model are never mixed.
It is the first file that comes and the last that goes, and one run at a time has the folder.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fingerprint import __version__
from fingerprint.batch import COLUMNS
from fingerprint.errors import InputError
from fingerprint.resources import path as resource
from fingerprint.scorer import Calibration, Model, shipped
from fingerprint.trees import Forest

if sys.platform != "win32":
    import fcntl

#: Rows of a group of the output.
GROUP_ROWS = 100_000

#: Tables that answers rest on.
TABLES = ("datasets/chips.csv", "datasets/tolerances.csv", "datasets/workloads.csv")

_TYPES = {name: pa.string() for name in ("profile", "answer", "architecture", "prediction_set", "why")}
_TYPES |= {name: pa.int64() for name in ("rows", "rows_used", "chips_excluded", "chips_possible")}
SCHEMA = pa.schema([(name, _TYPES.get(name, pa.float64())) for name in COLUMNS])


class Parts:
    """The parts of one output; :meth:`opened` makes one."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.folder = out.with_name(out.name + ".parts")
        self.manifest = self.folder / "manifest.json"
        self.count = 0

    @classmethod
    @contextlib.contextmanager
    def opened(cls, out: Path, identity: dict[str, Any]) -> Iterator[Parts]:
        """Make the folder, or find that it holds parts of the same run, and keep it from other runs meanwhile.

        Raises
        ------
        InputError
            If it holds parts of another run, or something else, or another run is at work in it, or ``out`` is a folder or a device.
        """
        parts, said = cls(out), (json.dumps(identity, sort_keys=True, indent=1) + "\n").encode()
        if out.exists() and not out.is_file():
            raise InputError("is no plain file; give the output another name", str(out))
        parts.folder.mkdir(exist_ok=True)
        with _alone(parts.folder):
            if not parts.manifest.exists():
                # A run that was killed at once left no more than half a manifest.
                if any(file.name != "manifest.json.tmp" for file in parts.folder.iterdir()):
                    raise InputError("is in the way: it is no folder of ours; move it, or give the output another name", str(parts.folder))
                _place(parts.manifest, said)
            elif parts.manifest.read_bytes() != said:
                raise InputError("holds parts of another run (another input, other options or another model); remove it to begin anew",
                                 str(parts.folder))  # fmt: skip
            for left in (*parts.folder.glob("*.tmp"), *parts.folder.glob("bucket-*")):
                left.unlink()
            yield parts

    def holds(self, number: int) -> bool:
        """Return whether a part is there."""
        return self._path(number).exists()

    def write(self, number: int, verdicts: pd.DataFrame) -> None:
        """Keep the answers of a part."""
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pandas(verdicts, schema=SCHEMA, preserve_index=False), sink)
        _place(self._path(number), sink.getvalue())

    def join(self, described: dict[str, Any]) -> int:
        """Write the output from all parts in their order, remove the folder, and return the number of profiles."""
        temporary = self.folder / "output.tmp"
        schema = SCHEMA.with_metadata({"fingerprint": json.dumps(described, sort_keys=True)})
        profiles = 0
        with temporary.open("wb") as stream, pq.ParquetWriter(stream, schema, compression="zstd") as writer:
            waiting: list[pa.Table] = []
            for number in range(self.count):
                waiting.append(self._read(number))
                profiles += len(waiting[-1])
                if sum(map(len, waiting)) >= GROUP_ROWS or number == self.count - 1:
                    writer.write_table(pa.concat_tables(waiting).replace_schema_metadata(schema.metadata), row_group_size=2 * GROUP_ROWS)
                    waiting = []
        _rename(temporary, self.out)
        for number in range(self.count):
            self._path(number).unlink()
        self.manifest.unlink()
        # Somebody may have put something there meanwhile, which is not ours to remove.
        with contextlib.suppress(OSError):
            self.folder.rmdir()
        return profiles

    def _read(self, number: int) -> pa.Table:
        path = self._path(number)
        try:
            return pq.read_table(pa.BufferReader(path.read_bytes()), schema=SCHEMA)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"is damaged; remove it, and the same command answers it anew ({str(error).splitlines()[0][:80]})", str(path)) from error

    def _path(self, number: int) -> Path:
        return self.folder / f"part-{number:08d}.parquet"


@functools.lru_cache(maxsize=2)
def made_with(model: Model | None) -> str:
    """Return a short hash of all that answers are made with: the program's version, its tables, a model (the shipped one by default)."""
    digest = hashlib.sha256(__version__.encode())
    for name in TABLES:
        digest.update(resource(name).read_bytes())
    model, arrays = model or shipped(), dict[str, Any]()
    for field in fields(model):
        piece = getattr(model, field.name)
        if isinstance(piece, Forest):
            arrays |= piece.arrays(field.name)
        elif isinstance(piece, Calibration):
            arrays |= vars(piece)
        else:
            digest.update(repr(piece).encode())
    for array in arrays.values():
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder; what holds it ends with the process, however that ends."""
    if sys.platform == "win32":
        yield
        return
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise InputError("another run is writing this output; wait for it, or give the output another name", str(folder)) from None
    except OSError:
        # A file system that knows no locks.
        pass
    try:
        yield
    finally:
        os.close(held)


def _place(path: Path, content: bytes | pa.Buffer) -> None:
    """Write a file so that it is either whole or not there."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(content)
    _rename(temporary, path)


def _rename(temporary: Path, path: Path) -> None:
    """Give a written file its name, once its content and then also its name are on the disk."""
    _to_disk(temporary)
    temporary.replace(path)
    if sys.platform != "win32":
        _to_disk(path.parent)


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
