"""DeepSeek's figures for its own H800 nodes: one production day, and the two ceilings given for FlashMLA.

A row was one figure of one of the two documents; each document is a profile.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint.lab.ingest.labelled import Source, finish
from fingerprint.lab.ingest.llm_facts import read_facts

SOURCE = Source(
    name="deepseek-open-infra",
    folders=("llm/deepseek_open_infra",),
    profile_rule="the production day, and FlashMLA",
    origin="deepseek-ai",
    licence="CC0-1.0",
    left_out="the training trace that DeepSeek published beside it (llm/deepseek_profile): its events record no shapes of "
    "matrices or sequences, and without them the durations of its kernels say nothing",
)


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    facts = read_facts(raw / SOURCE.folders[0] / "facts.csv")
    served = facts["framework"] == "DeepSeek inference"
    # Published for NVLink nodes of eight: DeepSeek's H800s are the SXM part.
    frame = facts[["accelerators", "value", "precision", "url"]].copy().assign(label="H800 SXM")
    frame["workload"] = facts["model"].mask(~served, "attention-decode")
    frame["tool"] = served.map({True: "serving", False: "kernel"})
    frame["phase"] = facts["phase"].mask(~served, "kernel")
    frame["quantity"] = facts["metric"].map(
        {
            "input_tokens_per_sec_per_node": "input_throughput",
            "output_tokens_per_sec_per_node": "output_throughput",
            "memory_bandwidth": "bandwidth",
            "tflops": "compute_rate",
        }
    )
    frame["unit"] = facts["unit"].mask(served, "token/s")
    frame["scope"] = served.map({True: "system", False: "accelerator"})
    frame["statistic"] = served.map({True: "mean", False: ""})
    frame["profile"] = served.map({True: "production", False: "flashmla"})
    frame["date"] = "2025-02"
    cached = facts["metric"] == "input_tokens_per_sec_per_node"
    frame["quarantine"] = cached.map({True: "counts prompt tokens that a cache answered", False: ""})
    return finish(frame, SOURCE)
