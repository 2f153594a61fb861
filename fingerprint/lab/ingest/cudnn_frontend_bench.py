"""cuDNN's own benchmark tables: attention forward and backward, and normalisation layers, on H200, GB200 and GB300.

A row was one shape with its time and TFLOP/s (attention; causal masks are counted at half) or GB/s (normalisation, reads and
writes of the tensors). Older tables hold forward and backward in one row, newer ones in two. Where queries and values
have heads of different size (192 and 128) ``head_dim`` is their mean, which gives the same FLOP count.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from fingerprint.lab.ingest.kernel_facts import checked
from fingerprint.lab.ingest.labelled import Source, finish

SOURCE = Source(
    name="cudnn-frontend-bench",
    folders=("micro/cudnn_frontend_bench",),
    profile_rule="one GPU, one model's table",
    origin="nvidia/cudnn-frontend",
    licence="MIT",
    left_out="failed runs; sliding windows (the printed FLOP count depends on the window); norm backends' zeroes",
)

_URL = "https://github.com/NVIDIA/cudnn-frontend/blob/3929da2ef4/benchmark/"


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    root = raw / SOURCE.folders[0] / "upstream" / "benchmark"
    parts: list[pd.DataFrame] = []
    for path in sorted(root.glob("**/*.csv")):
        table = pd.read_csv(path)
        table = table[table["success"].astype(str) == "True"].reset_index(drop=True)
        where = path.relative_to(root).as_posix()
        table = table.assign(url=_URL + where, table=where.split("/results/")[1].split("/")[0])
        parts += _norms(table) if where.startswith("norms/") else _attention(table)
    frame = pd.concat(parts, ignore_index=True)
    return checked(finish(frame[frame["value"] > 0], SOURCE))


def _frame(table: pd.DataFrame, value: str, unit: str, quantity: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            # The folder h200_919_only_cudnn holds three models' tables of one build.
            "profile": table["config_name"] + "|" + table["gpu_name"] + "|" + table["cudnn_version"].astype(str),
            # CUDA names the SXM part "NVIDIA H200"; the PCIe part is "NVIDIA H200 NVL".
            "label": table["gpu_name"].replace("NVIDIA H200", "H200 SXM"),
            "tool": "kernel",
            "phase": "kernel",
            "precision": table["data_type"],
            "accelerators": 1,
            "quantity": quantity,
            "value": table[value],
            "unit": unit,
            "url": table["url"],
        }
    )


def _norms(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for value in ("fwd_gbps", "bwd_gbps"):
        yield _frame(table, value, "GB/s", "bandwidth").assign(workload="layernorm", m=table["N"], n=table["C"])


def _attention(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    table = table[table["sliding_window_size"].isna()].reset_index(drop=True)
    for value in ("fwd_tflops", "bwd_tflops", "tflops"):
        if value in table:
            yield _frame(table, value, "TFLOPS", "compute_rate").assign(
                workload="attention",
                batch=table["batch_size"],
                input_tokens=table["q_seqlen"],
                context_tokens=table["kv_seqlen"],
                heads=table["num_q_heads"],
                kv_heads=table["num_kv_heads"],
                head_dim=(table["head_dim_qk"] + table["head_dim_vo"]) / 2,
            )
