"""DeepSeek's published kernel rates: DeepGEMM's README through its history, and DeepEP's tables.

A row was one shape's TFLOP/s or GB/s (GEMM), or one expert-parallel exchange's bandwidth per GPU or latency. DeepSeek
measured on H800 SXM. DeepEP's second version names SM90 (H800, H100 or H20: quarantined) and SM100 only.

"m_per_group" is a group's own number of rows, as the table of this project counts a grouped GEMM.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from fingerprint.lab.ingest.kernel_facts import assemble, common, read_facts, shape
from fingerprint.lab.ingest.labelled import Source

SOURCE = Source(
    name="deepseek-kernels",
    folders=("micro/deepseek_kernels",),
    profile_rule="one README version and one architecture",
    origin="deepseek-ai",
    licence="MIT",
)


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    return assemble(_rows(read_facts(raw / SOURCE.folders[0] / "facts.csv")), SOURCE)


def _rows(facts: pd.DataFrame) -> Iterator[dict[str, Any]]:
    seen: set[tuple[str, ...]] = set()
    for fact in facts.itertuples():
        row = common(fact, "" if str(fact.gpu).startswith("SM") else str(fact.gpu))
        row |= {"phase": "kernel", "scope": "accelerator", "profile": f"{fact.source_url}|{fact.gpu}"}
        if fact.gpu_label_verbatim == "SM100":
            row["architecture"] = "blackwell"
        elif fact.gpu_label_verbatim == "SM90":
            row["quarantine"] = "SM90 may be an H100, H800 or H20"
        sizes = shape(str(fact.problem_size))
        if fact.tool == "DeepGEMM":
            grouped = "groups" in sizes
            row |= {
                "tool": "kernel", "precision": "fp8", "workload": "grouped-gemm" if grouped else "gemm",
                "m": sizes.get("m_per_group", sizes.get("m")), "n": sizes["n"], "k": sizes["k"],
                "groups": sizes.get("groups"), "run": f"{fact.kernel_or_test} {fact.problem_size} {fact.source_url}",
                "quantity": "compute_rate" if fact.metric == "throughput" else "bandwidth",
            }  # fmt: skip
        else:
            count = str(fact.problem_size).split(" ", 1)[0]
            tokens = 1024 * int(count[:-1]) if count.endswith("K") else int(count)
            row |= {
                "tool": "collective", "workload": fact.kernel_or_test, "m": tokens, "k": sizes["h"],
                "experts_per_token": sizes["topk"],
                "quantity": "latency" if fact.metric == "latency" else "bandwidth",
            }  # fmt: skip
        # A README keeps its figures over many commits; each shape's figure counts once.
        key = (str(fact.tool), str(fact.kernel_or_test), str(fact.problem_size), str(fact.metric), str(fact.n_gpus),
               str(fact.value), str(fact.gpu), str(fact.notes))  # fmt: skip
        if key in seen:
            row["quarantine"] = "copy of the same figure in another version of the page"
        seen.add(key)
        yield row
