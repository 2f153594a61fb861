"""Profiles to measure with: real figures of the dataset, repeated under new names and scaled at random, as many as asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fingerprint import load_dataset
from fingerprint.measurements import COLUMNS, Measurements, Words, from_columns

#: Profiles that all others are copies of, and rows of each at most: about four on average, as in the dataset's middle.
PATTERNS, MOST_ROWS = 1000, 6


def pattern(seed: int = 0) -> pd.DataFrame:
    """Return the rows of :data:`PATTERNS` profiles of the dataset, drawn at random, without any label."""
    frame = load_dataset()
    frame = frame[[c for c in frame.columns if c in COLUMNS]]
    names = frame["profile"].drop_duplicates().sample(PATTERNS, random_state=seed)
    rows = frame[frame["profile"].isin(set(names))].groupby("profile").head(MOST_ROWS)
    return rows.sort_values("profile", kind="stable", ignore_index=True)


def blocks(profiles: int, seed: int = 0) -> Iterator[pd.DataFrame]:
    """Yield frames of :data:`PATTERNS` profiles until there are so many."""
    base, rng = pattern(seed), np.random.default_rng(seed)
    for start in range(0, profiles, PATTERNS):
        names = base["profile"].drop_duplicates().iloc[: profiles - start]
        rows = base[base["profile"].isin(set(names))]
        yield rows.assign(profile=rows["profile"] + f"#{start}", value=rows["value"] * rng.uniform(0.7, 1.0, len(rows)))


def write(path: Path, profiles: int) -> int:
    """Write a Parquet file of so many profiles and return its number of rows."""
    writer, rows = None, 0
    for block in blocks(profiles):
        table = pa.Table.from_pandas(block, preserve_index=False)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table.cast(writer.schema))
        rows += len(table)
    if writer:
        writer.close()
    return rows


def table(profiles: int) -> Measurements:
    """Return so many profiles as measurements."""
    return Measurements.from_frame(pd.concat(blocks(profiles), ignore_index=True))


def gemms(rows: int, seed: int = 0) -> Measurements:
    """Return one profile of so many matrix products."""
    rng = np.random.default_rng(seed)
    m, n, k = (2.0 ** rng.integers(low, 14, rows) for low in (4, 9, 9))
    words = {"profile": "gemms", "tool": "kernel", "workload": "gemm", "phase": "kernel", "precision": "bf16", "quantity": "compute_rate",
             "unit": "FLOP/s"}  # fmt: skip
    rate = np.minimum(4e14 * rng.uniform(0.4, 1.0, rows), m * n * k / (m * k + k * n + m * n) * 2.5e12)
    return from_columns({name: Words.constant(word, rows) for name, word in words.items()} | {"m": m, "n": n, "k": k, "value": rate})
