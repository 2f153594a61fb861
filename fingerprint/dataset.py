"""The labelled measurements that ship with the project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fingerprint.resources import path

if TYPE_CHECKING:
    import pandas as pd


def load_dataset(quarantined: bool = False) -> pd.DataFrame:
    """Return the labelled measurements, one row a figure, as a pandas DataFrame.

    Parameters
    ----------
    quarantined : bool
        Also return the rows that can't be trusted, with the reason in ``quarantine``.

    Returns
    -------
    DataFrame
        The columns of :mod:`fingerprint.measurements` in canonical units, then ``chip`` (id or family), ``architecture``,
        ``source``, ``origin``, ``run``, ``url``, ``date``, ``submitter``, ``licence``, ``estimate`` and ``quarantine``.
        Missing numbers are NaN, missing words empty. Sorted by source, in each source's own order.
    """
    import pandas as pd

    parts = [pd.read_parquet(file) for file in sorted(path("datasets/measurements").glob("*.parquet"))]
    words = sorted({c for part in parts for c in part.columns if not pd.api.types.is_numeric_dtype(part[c])})
    frame = pd.concat([part.astype({c: object for c in words if c in part}) for part in parts], ignore_index=True)
    frame[words] = frame[words].fillna("")
    if not quarantined:
        frame = frame[frame["quarantine"] == ""].reset_index(drop=True)
    return frame
