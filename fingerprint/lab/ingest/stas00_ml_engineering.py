"""Figures of the ML Engineering book: maximum achievable matmul FLOP/s and all-reduce tables.

The matmul rows are the best mean over a search of shapes, with the shape that reached it. All-reduce rows are bus bandwidths
as nccl-tests counts them; two tools give them, one of which is the book's own script.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from fingerprint.lab.ingest.kernel_facts import assemble, common, note, read_facts, shape, size_bytes
from fingerprint.lab.ingest.labelled import Source

SOURCE = Source(
    name="stas00-ml-engineering",
    folders=("micro/stas00_ml_engineering",),
    profile_rule="one chip and software version; one all-reduce table",
    licence="CC-BY-SA-4.0",
    left_out="data-sheet rates and shares of them",
)


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    return assemble(_rows(read_facts(raw / SOURCE.folders[0] / "facts.csv")), SOURCE)


def _rows(facts: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for fact in facts.itertuples():
        row = common(fact, str(fact.gpu)) | {"phase": "kernel", "profile": f"{fact.tool}|{fact.gpu}"}
        if fact.unit == "TFLOPS":
            size = shape(str(fact.problem_size))
            yield row | {
                "tool": "kernel", "workload": "gemm", "quantity": "compute_rate", "precision": fact.dtype,
                "statistic": "max", "m": size["m"], "n": size["n"], "k": size["k"],
            }  # fmt: skip
            continue
        row |= {
            "tool": "collective", "workload": str(fact.kernel_or_test).split(",")[0], "scope": "accelerator",
            "message_bytes": size_bytes(str(fact.problem_size)), "run": f"{fact.row}",
        }  # fmt: skip
        yield row | {"quantity": "bus_bandwidth"}
        if "time_us=" in str(fact.notes):
            yield row | {"quantity": "latency", "value": note(str(fact.notes), "time_us"), "unit": "us"}
