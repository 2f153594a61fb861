"""The answers of a run that is not finished: one file a part, complete or absent, and a manifest that says whose they are.

A part is written under another name, brought to the disk and then renamed, so a file of a part's name is whole whatever killed
the run. The manifest holds what the answers depend on; parts of another input, other options or another model are never mixed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fingerprint.batch import COLUMNS
from fingerprint.errors import InputError

#: Rows of a group of the output.
GROUP_ROWS = 100_000

_TYPES = {name: pa.string() for name in ("profile", "answer", "architecture", "prediction_set", "why")}
_TYPES |= {name: pa.int64() for name in ("rows", "rows_used", "chips_excluded", "chips_possible")}
SCHEMA = pa.schema([(name, _TYPES.get(name, pa.float64())) for name in COLUMNS])


class Parts:
    """The parts of one output."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.folder = out.with_name(out.name + ".parts")
        self.count = 0

    def open(self, identity: dict[str, Any]) -> None:
        """Make the folder, or find that it holds parts of the same run.

        Raises
        ------
        InputError
            If it holds parts of another run, or something else.
        """
        manifest = self.folder / "manifest.json"
        said = json.dumps(identity, sort_keys=True, indent=1) + "\n"
        if self.folder.exists():
            if not manifest.exists() and any(self.folder.iterdir()):
                raise InputError("is in the way: it is no folder of ours; move it, or give the output another name", str(self.folder))
            if manifest.exists() and manifest.read_text(encoding="utf-8") != said:
                raise InputError("holds parts of another run (another input, other options or another model); remove it to begin anew",
                                 str(self.folder))  # fmt: skip
        self.folder.mkdir(exist_ok=True)
        for left in (*self.folder.glob("*.tmp"), *self.folder.glob("bucket-*")):
            left.unlink()
        _place(manifest, said.encode())

    def holds(self, number: int) -> bool:
        """Return whether a part is there."""
        return self._path(number).exists()

    def write(self, number: int, verdicts: pd.DataFrame) -> None:
        """Keep the answers of a part."""
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pandas(verdicts, schema=SCHEMA, preserve_index=False), sink)
        _place(self._path(number), sink.getvalue().to_pybytes())

    def join(self, described: dict[str, Any]) -> int:
        """Write the output from all parts in their order, remove the folder, and return the number of profiles."""
        temporary = self.folder / "output.tmp"
        schema = SCHEMA.with_metadata({"fingerprint": json.dumps(described, sort_keys=True)})
        profiles = 0
        with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
            waiting: list[pa.Table] = []
            for number in range(self.count):
                waiting.append(pq.read_table(self._path(number), schema=SCHEMA))
                profiles += len(waiting[-1])
                if sum(map(len, waiting)) >= GROUP_ROWS or number == self.count - 1:
                    writer.write_table(pa.concat_tables(waiting).replace_schema_metadata(schema.metadata), row_group_size=2 * GROUP_ROWS)
                    waiting = []
        _to_disk(temporary)
        temporary.replace(self.out)
        shutil.rmtree(self.folder)
        return profiles

    def _path(self, number: int) -> Path:
        return self.folder / f"part-{number:08d}.parquet"


def fingerprint_of(*arrays: Any) -> str:
    """Return a short hash of arrays, to tell two models apart."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def _place(path: Path, content: bytes) -> None:
    """Write a file so that it is either whole or not there."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(content)
    _to_disk(temporary)
    temporary.replace(path)


def _to_disk(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
