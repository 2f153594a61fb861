"""Tables of published figures that the repository itself holds: ``datasets/gathered``, one file a kind.

A row was one figure of a public page, transcribed with its address under the column names of the measurement table. The
column ``label`` is the accelerator as its page names it; who measured stands in ``origin``, one name a measurer. A
profile is one measurer, one device and one setting, and no two files share one. A row that is known to be wrong carries
the reason in ``quarantine``.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint import resources
from fingerprint.errors import FingerprintError
from fingerprint.lab.ingest.labelled import LABEL_COLUMNS, Source, finish
from fingerprint.measurements import NUMBER_COLUMNS, WORD_COLUMNS

SOURCE = Source(
    name="gathered",
    folders=(),
    own=("datasets/gathered",),
    profile_rule="one measurer, one device, one setting",
    licence="as the row states; the figures only",
    left_out="figures without a named accelerator, without a count of them, or read off a chart",
)

#: Columns that every file must hold. ``label`` becomes the chip.
NEEDED = ("profile", "label", "origin", "url", "tool", "workload", "quantity", "unit", "value")

#: Columns that a file may hold besides; ``source``, ``chip`` and ``architecture`` follow from the label.
ALLOWED = (*WORD_COLUMNS, *NUMBER_COLUMNS, *(c for c in LABEL_COLUMNS if c not in ("source", "chip", "architecture")), "label")


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows. ``raw`` is not read: the tables are part of the repository.

    Raises
    ------
    FingerprintError
        If a file lacks a needed column, holds one that nobody knows, leaves a needed cell empty, or uses another file's
        profile.
    """
    del raw  # every module is called with it
    return finish(read(resources.path(SOURCE.own[0])), SOURCE)


def read(folder: Path) -> pd.DataFrame:
    """Return the rows of all CSV files of a folder in the order of their names, as text; see :func:`ingest`."""
    tables = []
    owner: dict[str, str] = {}
    for path in sorted(folder.glob("*.csv")):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        _check(table, path.name)
        for profile in table["profile"].unique():
            if owner.setdefault(profile, path.name) != path.name:
                raise FingerprintError(f"{path.name}: the profile {profile!r} is also in {owner[profile]}")
        tables.append(table)
    if not tables:
        raise FingerprintError(f"{folder.name} holds no CSV file")
    return pd.concat(tables, ignore_index=True).fillna("")


def _check(table: pd.DataFrame, file: str) -> None:
    lacking = [c for c in NEEDED if c not in table]
    if lacking:
        raise FingerprintError(f"{file}: lacks the columns {', '.join(lacking)}")
    unknown = [str(c) for c in table if c not in ALLOWED]
    if unknown:
        raise FingerprintError(f"{file}: holds the unknown columns {', '.join(unknown)}")
    for column in NEEDED:
        empty = table.index[table[column].str.strip() == ""]
        if len(empty):
            raise FingerprintError(f"{file}: row {empty[0] + 1}: no {column}")
    # One profile is one device: two labels would put two chips under one answer.
    several = table.groupby("profile")["label"].nunique()
    if (several > 1).any():
        raise FingerprintError(f"{file}: the profile {several.index[several > 1][0]!r} has several labels")
