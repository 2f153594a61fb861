"""The tables of published LLM figures that share one layout: a row a figure, its setting in named columns."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint.lab.ingest.labelled import numbers


def read_facts(path: Path) -> pd.DataFrame:
    """Return a facts table with numbers parsed and its columns under the names of the measurement table.

    Columns: ``label``, ``accelerators``, ``framework``, ``model``, ``precision``, ``phase``, ``input_tokens``,
    ``output_tokens``, ``load`` (batch or concurrency, as the source has it), ``metric``, ``value``, ``unit``, ``notes``,
    ``url``, ``version`` (commit, date or release as written). Missing words are "", missing numbers NaN. Addresses are cut
    at the first blank or bracket, where remarks begin.
    """
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    out = pd.DataFrame(
        {
            "label": table["gpu_label_verbatim"],
            "gpu": table["gpu"],
            "framework": table["framework"],
            "model": table["model"],
            "precision": table["precision"],
            "phase": table["phase"],
            "metric": table["metric"],
            "unit": table["unit"],
            "notes": table["notes"],
            "url": table["source_url"].str.replace(r"[\s(].*$", "", regex=True),
            "version": table["commit_or_date"],
        }
    )
    for name, source in (
        ("accelerators", "n_gpus"),
        ("input_tokens", "input_len"),
        ("output_tokens", "output_len"),
        ("load", "batch_or_concurrency"),
        ("value", "value"),
    ):
        out[name] = numbers(table[source])
    return out
