"""HipKittens' published TFLOP/s of GEMM and attention kernels, its own and the libraries' beside it.

A row was one kernel at one size N: for GEMM the square m = n = k = N, for attention the sequence length (the batch, heads
and head size are not in the tables, so attention rows carry the rate and the length only).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from fingerprint.lab.ingest.kernel_facts import assemble, common, read_facts, shape
from fingerprint.lab.ingest.labelled import Source

SOURCE = Source(
    name="hipkittens",
    folders=("micro/hipkittens",),
    profile_rule="one chip and one kernel family (a published table)",
    licence="see the repository's LICENSE",
    left_out="layer norm and rotary embedding (the tables name no unit that fits)",
)


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    return assemble(_rows(read_facts(raw / SOURCE.folders[0] / "facts.csv")), SOURCE)


def _rows(facts: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for fact in facts.itertuples():
        name = str(fact.kernel_or_test)
        size = shape(str(fact.problem_size)).get("n", float("nan"))
        row = common(fact, str(fact.gpu)) | {
            "tool": "kernel", "phase": "kernel", "precision": fact.dtype, "quantity": "compute_rate",
        }  # fmt: skip
        if "gemm" in name:
            yield row | {"workload": "gemm", "m": size, "n": size, "k": size}
        elif "causal" in name:
            yield row | {"workload": "attention", "input_tokens": size}
