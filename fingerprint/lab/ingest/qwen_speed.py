"""The Qwen team's speed tables: one request at a time on an A100 80GB (Qwen2, Qwen2.5) and on an H20 96GB (Qwen3).

A row was one model, number format and prompt length, always 2,048 tokens generated; a profile is one chip, one engine and
one document. The A100 tables count generated tokens a second. The H20 tables count the prompt's tokens too, so their rates
rise with the prompt: they are total throughput. Both times include the prompt's processing. Figures of several GPUs are of
the one request that they share layer by layer.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint.lab.ingest.labelled import Source, finish
from fingerprint.lab.ingest.llm_facts import read_facts

SOURCE = Source(
    name="qwen-speed",
    folders=("llm/qwen_speed",),
    profile_rule="one chip and one engine in one document",
    origin="qwenlm/qwen3",
    licence="Apache-2.0",
    left_out="memory figures: they tell the card's capacity, not its speed",
)

#: Published format -> arithmetic, stored weights. Weight-only formats multiply in 16 bits.
FORMATS = {
    "BF16": ("bf16", ""),
    "FP8": ("fp8", ""),
    "GPTQ-Int8": ("fp16", "int8"),
    "GPTQ-Int4": ("fp16", "int4"),
    "GPTQ-INT4": ("fp16", "int4"),
    "AWQ": ("fp16", "int4"),
    "AWQ-INT4": ("fp16", "int4"),
}


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    facts = read_facts(raw / SOURCE.folders[0] / "facts.csv")
    facts = facts[facts["metric"] != "memory"].reset_index(drop=True)
    with_prompt = facts["metric"] == "prompt_plus_generated_tokens_per_sec"
    frame = facts[["label", "accelerators", "input_tokens", "output_tokens", "value", "url"]].copy()
    frame["workload"] = facts["model"]
    frame["tool"], frame["phase"], frame["batch"] = "engine", "offline", 1.0
    frame["quantity"] = with_prompt.map({True: "total_throughput", False: "output_throughput"})
    frame["unit"], frame["scope"] = "token/s", "system"
    frame["precision"] = facts["precision"].map({name: pair[0] for name, pair in FORMATS.items()})
    frame["weight_precision"] = facts["precision"].map({name: pair[1] for name, pair in FORMATS.items()})
    frame["profile"] = facts["version"].str[:7] + "/" + facts["label"] + "/" + facts["framework"]
    return finish(frame, SOURCE)
