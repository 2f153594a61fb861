"""Results of "Dissecting the NVIDIA Hopper architecture": pointer-chase latencies, DPX latencies, text generation.

A row was one access latency in clock cycles by working set (plain loads and TMA), the latency of one DPX instruction (in
cycles; emulated before Hopper), or one batch-8 generation run. The paper's A100 and H800 are PCIe cards, the memory of
the A100 is not said.

The generation logs print requests a second and "tokens/s" of 256 tokens a request, so their rate counts the 128 prompt
tokens too: it is a total throughput, though the parsed table calls it output.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from fingerprint.lab.ingest.kernel_facts import assemble, common, read_facts, size_bytes
from fingerprint.lab.ingest.labelled import Source

SOURCE = Source(
    name="hopper-dissect",
    folders=("micro/hopper_dissect",),
    profile_rule="one card in one benchmark's logs",
    licence="GPL-3.0 (figures only)",
    left_out="DPX instructions a clock and SM (no unit of the table); clock frequencies; logs that the parsed table does "
    "not hold (distributed shared memory, TMA bandwidth)",
)

#: No dependent instruction of these chips takes less: below it the compiler has removed the loop.
_SHORTEST_CYCLES = 2.0
_GENERATED = {"llama-7b": "llama-2-7b", "llama-13b": "llama-2-13b"}


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    return assemble(_rows(read_facts(raw / SOURCE.folders[0] / "facts.csv")), SOURCE)


def _rows(facts: pd.DataFrame) -> Iterator[dict[str, Any]]:
    plain = facts[facts["tool"] == "gpu-latency"]
    seen = set(zip(plain["gpu"], plain["problem_size"], plain["value"], strict=True))
    for fact in facts.itertuples():
        row = common(fact, str(fact.gpu))
        row["profile"] = f"{fact.tool}|{fact.gpu}"
        if fact.unit in ("cycles", "clk"):
            chase = fact.kernel_or_test == "pointer_chase_latency"
            row |= {"tool": "microbenchmark", "phase": "kernel", "quantity": "cycles", "unit": "cycles"}
            row |= {"workload": "pointer-chase" if chase else "integer-instruction"}
            if chase:
                row["working_set_bytes"] = size_bytes(str(fact.problem_size).replace("kB", "KiB"))
            elif float(str(fact.value)) < _SHORTEST_CYCLES:
                row["quarantine"] = "the compiler removed the timed instructions"
            # The plain-load logs are filed beside the TMA ones once more.
            if fact.tool == "tma-latency" and (fact.gpu, fact.problem_size, fact.value) in seen:
                row["quarantine"] = "copy of the plain pointer chase"
            yield row
        elif fact.metric == "output_throughput":
            yield row | {
                "tool": "engine", "phase": "offline", "quantity": "total_throughput",
                # The runs called fp16 load bfloat16 weights, as do those that multiply in FP8.
                "precision": "bf16" if fact.dtype == "fp16" else fact.dtype,
                "weight_precision": "bf16" if fact.dtype == "fp8" else "",
                "workload": _GENERATED.get(str(fact.kernel_or_test), str(fact.kernel_or_test)),
                "batch": 8, "input_tokens": 128, "output_tokens": 128,
            }  # fmt: skip
