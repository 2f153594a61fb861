"""Prompt and generation speed of LLaMA 3 8B and 70B in llama.cpp on NVIDIA and Apple devices (one repository).

A row was one model, number format and device set: 1,024 prompt tokens at once, or 1,024 tokens generated, one sequence. A
profile is one device set. On several GPUs the layers are split, so the group's rate is shared by all of them.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint.lab.ingest.labelled import Source, finish
from fingerprint.lab.ingest.llm_facts import read_facts

SOURCE = Source(
    name="xiongjie-llamacpp",
    folders=("llm/xiongjie_llamacpp",),
    profile_rule="one device set",
    origin="xiongjiedai/gpu-benchmarks-on-llm-inference",
    licence="none stated; figures only",
    left_out="nothing",
)


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    facts = read_facts(raw / SOURCE.folders[0] / "facts.csv")
    decode = facts["phase"] == "decode"
    frame = facts[["accelerators", "input_tokens", "output_tokens", "value", "phase", "url"]].copy()
    # "3090 24GB * 6": the count is in its own column, and the bare numbers are GeForce cards.
    frame["label"] = (
        facts["label"].str.replace(r"\s*\*\s*\d+$", "", regex=True).str.replace(r"^(\d)", r"RTX \1", regex=True)
    )
    frame["workload"] = facts["model"]
    frame["tool"], frame["batch"] = "engine", 1.0
    frame["quantity"] = decode.map({True: "output_throughput", False: "input_throughput"})
    frame["unit"], frame["scope"] = "token/s", "system"
    half = facts["precision"] == "F16"
    frame["precision"] = half.map({True: "fp16", False: ""})
    frame["weight_precision"] = half.map({True: "", False: "int4"})
    frame["profile"] = facts["label"]
    return finish(frame, SOURCE)
