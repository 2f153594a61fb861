"""Crowd-sourced PyTorch square matmul rates: the best over sizes for many cards, every size for some.

A row was one precision (and size) on one contributor's card, mean of 30 iterations. FP32 is true FP32, apart from TF32.
The label is the contributor's own, because the normalised one drops "Laptop", "Ti" and "D".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from fingerprint import chips
from fingerprint.lab.ingest.kernel_facts import assemble, common, read_facts, shape
from fingerprint.lab.ingest.labelled import Source

SOURCE = Source(
    name="torch-matmul-crowd",
    folders=("micro/torch_matmul_crowd",),
    profile_rule="one contribution: a card with a software version",
    origin="zzc0721/torch-performance-test-data",
    licence="figures only",
)

#: Architectures whose matrix units multiply in TF32.
_WITH_TF32 = ("ampere", "ada", "hopper", "h20", "blackwell", "cdna3")


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    return assemble(_rows(read_facts(raw / SOURCE.folders[0] / "facts.csv")), SOURCE)


def _rows(facts: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for fact in facts.itertuples():
        size = shape(str(fact.problem_size))
        label = str(fact.gpu_label_verbatim)
        without = fact.dtype == "tf32" and chips.architecture_of_label(label) not in _WITH_TF32
        yield common(fact, label) | {
            "quarantine": "the architecture has no TF32: the switch does nothing" if without else "",
            "profile": f"{fact.source_url}|{label}|{fact.notes}",
            "tool": "kernel", "phase": "kernel", "workload": "gemm", "quantity": "compute_rate", "precision": fact.dtype,
            "statistic": "" if size else "max", "m": size.get("m"), "n": size.get("n"), "k": size.get("k"),
        }  # fmt: skip
