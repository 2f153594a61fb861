"""Cuts the examples out of the dataset, as datasets/examples/index.csv names them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from fingerprint.errors import InputError
from fingerprint.measurements import NUMBER_COLUMNS, WORD_COLUMNS

#: Rows of a larger profile that its example keeps, evenly spaced: what a person would paste.
MOST_ROWS = 48


def example_rows(frame: pd.DataFrame, profile: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the row numbers of the labelled frame that an example holds."""
    good = (frame["profile"] == profile) & (frame["quarantine"] == "") & (frame["estimate"] == 0)
    rows = np.flatnonzero(good.to_numpy())
    if not len(rows):
        raise InputError(f"the dataset has no profile {profile!r}", "datasets/examples/index.csv")
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(MOST_ROWS, len(rows))).round().astype(np.int64))]


def cut(frame: pd.DataFrame, folder: Path) -> int:
    """Write every example of ``folder/index.csv`` and return how many.

    An example holds measurement columns only: no profile name, no label. The index keeps truth and source apart.
    """
    index = pd.read_csv(folder / "index.csv", keep_default_na=False)
    for old in folder.glob("*.csv"):
        if old.name != "index.csv" and old.name not in set(index["file"]):
            old.unlink()
    columns = [c for c in (*WORD_COLUMNS, *NUMBER_COLUMNS) if c != "profile"]
    for file, profile in zip(index["file"], index["profile"], strict=True):
        part = frame.loc[example_rows(frame, profile), columns]
        told = [c for c in columns if (part[c].ne("").any() if c in WORD_COLUMNS else part[c].notna().any())]
        part[told].to_csv(folder / file, index=False, lineterminator="\n", float_format="%.10g")
    return len(index)
