"""What kind of work a row measured: the bins in which rates are comparable."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from fingerprint import workloads
from fingerprint.costs import CACHE_WORKLOADS, HOST_WORKLOADS, LINK_WORKLOADS, Points
from fingerprint.measurements import Measurements, Words

#: Regimes in a fixed order; the model's vectors depend on it.
REGIMES: tuple[str, ...] = (
    "gemm-fp64", "gemm-fp32", "gemm-tf32", "gemm-16", "gemm-8", "gemm-4", "gemm-unstated", "gemm-mid", "gemm-skinny",
    "attention-prefill", "attention-decode", "moe", "elementwise", "memory", "cache", "host", "collective", "point-to-point",
    "prefill", "first-token", "decode-step", "decode", "serve", "offline", "request", "interactive",
    "vision", "encoder", "speech", "diffusion", "recommender",
    "train-llm", "train-other", "train-rate", "training-run", "power", "power-idle", "energy",
)  # fmt: skip
NUMBER = {name: i for i, name in enumerate(REGIMES)}

#: Below this arithmetic intensity a GEMM is bound by memory on every accelerator of the table but the H20 (ridge 37).
SKINNY_INTENSITY = 100.0

#: Below this work a GEMM does not fill a large chip: 2 x 1536^3, between the 1024 and 2048 squares of signatures of size.
MID_FLOPS = 8e9

_GEMM_BY_PRECISION = {"fp64": "gemm-fp64", "fp32": "gemm-fp32", "tf32": "gemm-tf32", "bf16": "gemm-16",
                      "fp16": "gemm-16", "int8": "gemm-8", "fp8": "gemm-8", "fp4": "gemm-4", "int4": "gemm-16"}  # fmt: skip
_KINDS = {"vision": "vision", "encoder": "encoder", "speech": "speech", "diffusion": "diffusion",
          "recommender": "recommender", "graph": "recommender"}  # fmt: skip


def _kinds(column: Words) -> npt.NDArray[np.object_]:
    table = workloads.table()
    kinds = np.array([table[w].kind if w in table else "" for w in column.words], dtype=object)
    return kinds[column.codes]


def regimes(table: Measurements, points: Points) -> npt.NDArray[np.int16]:
    """Return each row's regime as an index into :data:`REGIMES`; -1 for rows that no regime takes.

    Later rules override earlier ones, from the general to the particular.
    """
    out = np.full(len(table), -1, dtype=np.int16)
    tool, phase, quantity = table.word("tool"), table.word("phase"), table.word("quantity")
    workload, unit = table.word("workload"), table.word("unit")
    kind = _kinds(workload)
    llm = kind == "llm"

    def put(mask: npt.NDArray[np.bool_], name: str) -> None:
        out[mask] = NUMBER[name]

    output = quantity.equals("output_throughput", "total_throughput", "input_throughput", "throughput")
    served = llm & unit.equals("token/s") & output
    put(served, "serve")
    put(served & (phase.equals("offline") | tool.equals("engine")), "offline")
    put(served & phase.equals("interactive"), "interactive")
    put(served & phase.equals("prefill") | (llm & quantity.equals("latency") & phase.equals("prefill")), "prefill")
    put(llm & quantity.equals("input_throughput") & phase.equals("prefill"), "prefill")
    put(served & phase.equals("decode"), "decode")
    put(llm & quantity.equals("ttft"), "first-token")
    put(llm & quantity.equals("tpot", "itl"), "decode-step")
    put(llm & quantity.equals("latency") & phase.equals("decode"), "decode-step")
    whole = quantity.equals("e2e_latency", "latency") & ~phase.equals("prefill", "decode", "kernel")
    put(llm & (whole | (output & unit.equals("request/s", "sample/s"))), "request")
    for name, regime in _KINDS.items():
        put((kind == name) & (output | quantity.equals("latency", "e2e_latency")), regime)

    trained = phase.equals("train") | tool.equals("training", "mlperf-training")
    steps = trained & (output | quantity.equals("step_time"))
    put(steps & llm, "train-llm")
    put(steps & ~llm, "train-other")
    put(trained & quantity.equals("compute_rate"), "train-rate")
    put(quantity.equals("accelerator_hours"), "training-run")

    _put_kernels(table, points, put)
    put(quantity.equals("power"), "power")
    put(quantity.equals("power") & phase.equals("idle"), "power-idle")
    put(quantity.equals("energy_per_token"), "energy")
    out[quantity.equals("time_to_train", "compute", "memory_used", "utilization", "cycles", "energy")] = -1
    return out


def _put_kernels(table: Measurements, points: Points, put: Callable[[npt.NDArray[np.bool_], str], None]) -> None:
    phase, tool, quantity = table.word("phase"), table.word("tool"), table.word("quantity")
    workload, precision = table.word("workload"), table.word("precision")
    timed = quantity.equals("latency", "compute_rate", "bandwidth")
    gemm = workload.equals("gemm", "grouped-gemm", "batched-gemm", "tensor-instruction") & timed
    rate = quantity.equals("compute_rate") & (tool.equals("kernel", "microbenchmark") | phase.equals("kernel"))
    gemm |= rate & ~workload.equals("attention-prefill", "attention-decode", "attention", "moe")
    put(gemm, "gemm-unstated")
    for name, regime in _GEMM_BY_PRECISION.items():
        put(gemm & precision.equals(name), regime)
    put(gemm & (points.size < MID_FLOPS), "gemm-mid")
    put(gemm & (points.intensity < SKINNY_INTENSITY), "gemm-skinny")
    put(workload.equals("attention-prefill", "attention") & timed, "attention-prefill")
    put(workload.equals("attention-decode") & timed, "attention-decode")
    put(workload.equals("moe") & timed, "moe")
    plain = workload.equals("elementwise", "softmax", "layernorm", "activation", "vector") & timed
    # A vector kernel's rate in wide formats is the ordinary units' own.
    put(plain & ~(quantity.equals("compute_rate") & precision.equals("fp32", "fp64")), "elementwise")
    moved = quantity.equals("bandwidth") & ~gemm & ~workload.equals("attention-decode", "moe", "elementwise")
    put(moved, "memory")
    put(moved & workload.equals(*CACHE_WORKLOADS), "cache")
    put(moved & workload.equals(*HOST_WORKLOADS), "host")
    linked = quantity.equals("bus_bandwidth", "algorithm_bandwidth", "latency", "bandwidth")
    put(linked & workload.equals(*LINK_WORKLOADS), "collective")
    put(quantity.equals("bus_bandwidth", "algorithm_bandwidth"), "collective")
    put(linked & workload.equals("send-recv", "peer-copy"), "point-to-point")
