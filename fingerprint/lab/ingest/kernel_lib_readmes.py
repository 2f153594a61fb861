"""Figures of three libraries' READMEs: tilelang (GEMM), flux (GEMM beside its collective), gpu-fryer (GEMM burn).

flux rows are for 8-way tensor parallelism: a GPU multiplies M x K by K x N/8 before the all-gather is hidden, or M x K/8
by K x N. The README's plain-torch GEMM and all-gather are single operators and kept; fused times are not. gpu-fryer's "FP32"
is TF32 on Ampere and later, and its figures are rounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from fingerprint.lab.ingest.kernel_facts import assemble, common, read_facts, shape
from fingerprint.lab.ingest.labelled import Source

SOURCE = Source(
    name="kernel-lib-readmes",
    folders=("micro/kernel_lib_readmes",),
    profile_rule="one README and one chip",
    licence="MIT / Apache-2.0",
    left_out="flux: fused GEMM with collective, mixture-of-experts layers and its reduce-scatter (the gathered size is "
    "ambiguous); tilelang: state-space scan (no FLOP count of ours)",
)


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    return assemble(_rows(read_facts(raw / SOURCE.folders[0] / "facts.csv")), SOURCE)


def _rows(facts: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for fact in facts.itertuples():
        # The gpu column tells the memory of a GH200 whose label has the host's 480 GB; V100 labels are fuller.
        label = str(fact.gpu_label_verbatim) if str(fact.gpu) == "V100" else str(fact.gpu)
        row = common(fact, label) | {"tool": "kernel", "phase": "kernel", "precision": fact.dtype, "workload": "gemm"}
        size = shape(str(fact.problem_size))
        test = str(fact.kernel_or_test)
        if fact.tool in ("tilelang", "gpu-fryer"):
            if test in ("gemm", "cublas gemm burn"):
                yield row | {"quantity": "compute_rate", "m": size["m"], "n": size["n"], "k": size["k"]}
            continue
        row |= {"quantity": "latency", "m": size.get("m")}
        if test == "AG+GEMM:torch_gemm":
            yield row | {"accelerators": 1, "n": size["n"] / size["tp"], "k": size["k"]}
        elif test == "GEMM+RS:torch_gemm":
            yield row | {"accelerators": 1, "n": size["n"], "k": size["k"] / size["tp"]}
        elif test == "AG+GEMM:torch_comm":
            gathered = size["m"] * size["k"] * 2.0
            yield row | {
                "tool": "collective", "workload": "all-gather", "precision": "", "m": "", "message_bytes": gathered,
            }  # fmt: skip
