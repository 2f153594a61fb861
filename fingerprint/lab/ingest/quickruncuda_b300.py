"""QuickRunCUDA's audited microbenchmarks of one B300: memory, caches, units, links, power, launches.

A row was one figure with the author's own grade (the kept ones are graded high or medium) and no shape but in its name.
Tensor rates with all-zero operands draw less power and run faster than real data; they are measured all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from fingerprint.lab.ingest.kernel_facts import assemble, common, read_facts
from fingerprint.lab.ingest.labelled import Source

SOURCE = Source(
    name="quickruncuda-b300",
    folders=("micro/quickruncuda_b300",),
    profile_rule="the whole source: one machine",
    origin="ademeure/quickruncuda",
    licence="figures only",
    left_out="capacities, clocks and power limits (identity); rates a watt; atomics a second; tensor memory; multicast and "
    "distributed shared memory; two-way sums over links; a working set at the edge of the cache",
)

_SKIPPED = ("hbm:working_set_126mb_edge", "nvlink:p2p_bidirectional", "pcie:full_duplex", "pcie:d2d_same_device_2gb",
            "tensor:tmem_read", "tensor:tmem_write", "power:limit_enforced", "power:limit_min")  # fmt: skip
_POWER = {
    "power:idle_floor_510mhz": ("", "idle"), "power:idle_floor_1920mhz": ("", "idle"),
    "power:ffma_active_2032mhz": ("vector", "kernel"), "power:cublas_sustained_random": ("gemm", "kernel"),
    "power:dram_read_random_1500mhz": ("read", "kernel"), "power:tcgen05_zero_operands": ("tensor-instruction", "kernel"),
    "power:tcgen05_random_operands": ("tensor-instruction", "kernel"),
}  # fmt: skip
_LATENCIES = {"cache": "pointer-chase", "shmem": "shared-memory", "atomic": "atomic", "sync": "synchronisation",
              "launch": "launch"}  # fmt: skip


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    return assemble(_rows(read_facts(raw / SOURCE.folders[0] / "facts.csv")), SOURCE)


def _rows(facts: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for fact in facts.itertuples():
        name = str(fact.kernel_or_test)
        if name in _SKIPPED:
            continue
        group, _, test = name.partition(":")
        row = common(fact, str(fact.gpu_label_verbatim)) | {
            "profile": "b300", "tool": "microbenchmark", "phase": "kernel", "precision": fact.dtype,
            "origin": SOURCE.origin, "date": str(fact.commit_or_date)[:10],
        }  # fmt: skip
        if name in _POWER:
            workload, phase = _POWER[name]
            tool = "telemetry" if phase == "idle" else "microbenchmark"
            yield row | {"tool": tool, "workload": workload, "phase": phase, "quantity": "power", "unit": "W"}
        elif fact.metric == "latency" and group in _LATENCIES and fact.unit in ("cycles", "us", "ns", "us/kernel"):
            quantity = "cycles" if fact.unit == "cycles" else "latency"
            yield row | {"workload": _LATENCIES[group], "quantity": quantity, "unit": str(fact.unit).split("/")[0]}
        elif fact.metric == "bandwidth":
            workload = _bandwidth_workload(group, test)
            if workload:
                scope = "accelerator" if group == "nvlink" else ""
                yield row | {"tool": "stream", "workload": workload, "quantity": "bandwidth", "scope": scope}
        elif fact.metric == "throughput" and fact.unit == "TFLOPS":
            yield row | _rate(group, test)
        elif name == "tensor:mma_sync_m16n8k32":
            yield row | {"workload": "tensor-instruction", "quantity": "compute_rate"}


def _bandwidth_workload(group: str, test: str) -> str:
    """Return what a bandwidth row did; "" for rows left out."""
    if group == "hbm":
        if test.startswith("d2d") or test == "read_write_50_50":
            return "copy"
        return "write" if test.startswith("write") else "read"
    return {"cache": "cache-read", "shmem": "shared-memory", "nvlink": "peer-copy", "pcie": "host-copy"}.get(group, "")


def _rate(group: str, test: str) -> dict[str, Any]:
    """Return workload and shape of an arithmetic rate."""
    if group == "tensor" and not test.startswith(("tcgen05", "mma_sync")):
        square = 8192 if "8192" in test and "k15k" not in test else None
        return {"tool": "kernel", "workload": "gemm", "quantity": "compute_rate", "m": square, "n": square, "k": square}
    tensor = group == "tensor" or "dmma" in test
    return {"workload": "tensor-instruction" if tensor else "vector", "quantity": "compute_rate"}
