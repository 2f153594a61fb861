"""Kernel figures from GitHub issues and pull requests, each with its GPU named: many tools, many hands.

A row was one figure. Each tool's rows are read by a rule of its own below; a row that no rule takes is left out. What the
figures of one shape share (time, rate and bandwidth of one run) gets one ``run``.

Traps met: fused_moe_kernel of one H20 report times a single grouped product (a whole layer would need 9 TB/s); backward
attention is published as time without a FLOP count; sglang's "w8a8" is FP8; "calibrated" rates are shares of a data sheet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from fingerprint.lab.ingest.kernel_facts import assemble, common, read_facts, shape, size_bytes
from fingerprint.lab.ingest.labelled import Source

SOURCE = Source(
    name="github-issues-facts",
    folders=("micro/github_issues_facts",),
    profile_rule="one issue or pull request, one chip",
    licence="figures only",
    left_out="fused expert-parallel layers (mega MoE and its baselines: the model's expert sizes are not stated); backward "
    "attention times and one forward time without its mask; DeepEP latencies (their messages are not stated); rates "
    "calibrated from a data sheet; device properties; copies through host memory; sglang's offline rates (as output they "
    "would need more than MI355X's memory gives, so prompt tokens seem to count); FluidX3D (stands in projectphysx too)",
)

Fact = Any
Row = dict[str, Any]

_GEMM_TOOLS = ("Primus-Turbo", "HipKittens", "hipblaslt-bench", "cuBLAS", "vllm kernel bench", "triton tutorial",
               "triton tutorial 10", "transformers-benchmarks", "flashinfer bench")  # fmt: skip
#: Hidden size, expert size on one GPU at the stated degree, experts, experts a token (published configurations).
_EXPERTS = {"DeepSeek-R1": (7168, 256, 256, 8), "Qwen3-235B-A22B": (4096, 192, 128, 8),
            "Mixtral-8x7B": (4096, 7168, 8, 2), "Qwen3-Omni-30B-A3B": (2048, 768, 128, 8)}  # fmt: skip


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    return assemble(_rows(read_facts(raw / SOURCE.folders[0] / "facts.csv")), SOURCE)


def _rows(facts: pd.DataFrame) -> Iterator[Row]:
    for fact in facts.itertuples():
        row = common(fact, str(fact.gpu_label_verbatim)) | {
            "tool": "kernel", "phase": "kernel", "precision": fact.dtype,
            "run": f"{fact.source_url} {fact.kernel_or_test} {fact.problem_size} {fact.dtype}",
        }  # fmt: skip
        for tools, rule in _RULES:
            if re.fullmatch(tools, str(fact.tool)):
                found = rule(fact, shape(str(fact.problem_size)))
                if found is not None:
                    yield row | found
                break


def _quantity(fact: Fact) -> str:
    """Return the quantity of a kernel row."""
    return {"throughput": "compute_rate", "time": "latency", "time_median": "latency"}.get(
        fact.metric, str(fact.metric)
    )


def _statistic(fact: Fact) -> str:
    return "median" if fact.metric == "time_median" else ""


def _attention(fact: Fact, size: dict[str, float]) -> Row | None:
    """Attention: published rates of any pass; times only of causal forward passes."""
    name = str(fact.kernel_or_test)
    row = {
        "workload": "attention", "quantity": _quantity(fact), "batch": size.get("batch", size.get("b")),
        "heads": size.get("heads", size.get("h")), "head_dim": size.get("headdim", size.get("d")),
        "input_tokens": size.get("seqlen", size.get("s")),
    }  # fmt: skip
    if fact.metric == "throughput" or (fact.metric == "time" and "causal_fwd" in name):
        return row
    return None


def _deep_gemm(fact: Fact, size: dict[str, float]) -> Row | None:
    name = str(fact.kernel_or_test)
    if "gemm" not in name:
        return None
    workload = "grouped-gemm" if "groups" in size else "gemm"
    # "fp8->bf16": FP8 operands, BF16 result.
    return {"workload": workload, "quantity": _quantity(fact), "precision": "fp8",
            **{key: size.get(key) for key in ("m", "n", "k", "groups")}}  # fmt: skip


def _gemm(fact: Fact, size: dict[str, float]) -> Row | None:
    name = str(fact.kernel_or_test)
    if name == "elementwise_bandwidth":
        return {"workload": "elementwise", "quantity": "bandwidth", "m": size["elements"], "n": 1}
    if "gemm" not in name and "matmul" not in name:
        return None
    return {"workload": "gemm", "quantity": _quantity(fact), "statistic": _statistic(fact),
            **{key: size.get(key) for key in ("m", "n", "k")}}  # fmt: skip


def _latent_attention(fact: Fact, size: dict[str, float]) -> Row | None:
    """Multi-head latent attention: rates only, because its heads share one cached vector."""
    if fact.metric == "time":
        return None
    return {"workload": "attention-decode", "quantity": _quantity(fact), "batch": size["batch"],
            "context_tokens": size["s_k"], "input_tokens": size["s_q"], "heads": size["h_q"]}  # fmt: skip


def _experts(fact: Fact, size: dict[str, float]) -> Row | None:
    if fact.tool == "vllm fused_moe_kernel":
        chosen = size["m"] * size["topk"]
        visited = min(size["e"], chosen)
        return {"workload": "grouped-gemm", "quantity": "latency", "m": chosen / visited, "n": size["n"], "k": size["k"],
                "groups": visited}  # fmt: skip
    hidden, width, experts, chosen = _EXPERTS[str(fact.problem_size).split(";")[0]]
    precision = "fp8" if "w8a8" in str(fact.dtype) else fact.dtype
    return {"workload": "moe", "quantity": "latency", "precision": precision, "m": size["m"], "n": width, "k": hidden,
            "groups": experts, "experts_per_token": chosen}  # fmt: skip


def _expert_exchange(fact: Fact, _: dict[str, float]) -> Row | None:
    name = str(fact.kernel_or_test)
    if fact.metric != "bandwidth":
        return None
    workload = "combine" if "combine" in name and "dispatch" not in name else "dispatch"
    return {"tool": "collective", "workload": workload, "quantity": "bandwidth", "scope": "accelerator"}


def _collective(fact: Fact, _: dict[str, float]) -> Row | None:
    quantity = "latency" if fact.metric == "time" else "bus_bandwidth"
    return {"tool": "collective", "workload": fact.kernel_or_test, "quantity": quantity, "scope": "accelerator",
            "precision": "", "message_bytes": size_bytes(str(fact.problem_size))}  # fmt: skip


def _copies(fact: Fact, _: dict[str, float]) -> Row | None:
    """Memory and link copies; CUDA's peer test counts a local copy's reads and writes, nvbandwidth counts it once."""
    name = str(fact.kernel_or_test)
    row: Row = {"tool": "stream", "quantity": "bandwidth", "precision": ""}
    if name.startswith("local_copy"):
        return row | {"workload": "copy", "accelerators": 1}
    if name == "device_local_copy":
        # Counted once: the memory reads and writes twice as much.
        return row | {"workload": "copy", "value": 2.0 * float(fact.value)}
    if name.startswith("p2p_uni"):
        return row | {"workload": "peer-copy", "scope": "accelerator"}
    if name.startswith(("host_to_device", "device_to_host")):
        return row | {"workload": "host-copy"}
    return row | {"workload": "read"} if name == "stream" else None


def _training(fact: Fact, _: dict[str, float]) -> Row | None:
    per_gpu = "accelerator" if str(fact.metric).endswith("per_gpu") else ""
    workload = "llama-3-8b" if "llama3_8b" in str(fact.kernel_or_test) else "gpt2-xl"
    return {"tool": "training", "phase": "train", "workload": workload, "quantity": "compute_rate", "scope": per_gpu}


_RULES: tuple[tuple[str, Callable[[Fact, dict[str, float]], Row | None]], ...] = (
    (r"flash-attention|flash_attn .*|tritonbench", _attention),
    (r"DeepGEMM", _deep_gemm),
    (r"FlashMLA", _latent_attention),
    ("|".join(map(re.escape, _GEMM_TOOLS)), _gemm),
    (r"vllm fused_moe_kernel|vllm benchmark_moe|sglang tuning_fused_moe_triton", _experts),
    (r"DeepEP|pplx-kernels", _expert_exchange),
    (r"nccl-tests|rccl-tests", _collective),
    (r"p2pBandwidthLatencyTest|nvbandwidth.*|spatter", _copies),
    (r"reprod\.py|FSDP script", _training),
)
