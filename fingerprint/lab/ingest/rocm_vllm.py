"""AMD's reference figures for vLLM 0.10.0 on eight MI300X: Llama 3.1 70B and 405B in FP8.

A row was a serving run at unlimited request rate (tokens a second of the group) or the time of one batch from prompt to
last token. All are one profile: one system, one software version.

The serving column does not say which tokens it counts. They are the generated ones: its fall from 128 to 2,048 prompt tokens
(to 0.56) is that of other engines' output rates, and would be 0.30 if prompts were counted in.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint.lab.ingest.labelled import Source, finish
from fingerprint.lab.ingest.llm_facts import read_facts

SOURCE = Source(
    name="rocm-vllm",
    folders=("llm/rocm_vllm",),
    profile_rule="the one system of the document",
    origin="rocm/vllm",
    licence="Apache-2.0",
    left_out="nothing",
)


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    facts = read_facts(raw / SOURCE.folders[0] / "facts.csv")
    served = facts["metric"] == "throughput"
    frame = facts[["label", "accelerators", "input_tokens", "output_tokens", "value", "precision", "url"]].copy()
    frame["workload"] = facts["model"]
    frame["tool"] = served.map({True: "serving", False: "engine"})
    frame["phase"] = served.map({True: "serve", False: "offline"})
    frame["quantity"] = served.map({True: "output_throughput", False: "e2e_latency"})
    frame["unit"] = served.map({True: "token/s", False: "s"})
    frame["scope"] = "system"
    frame["batch"] = facts["load"]
    frame["profile"] = facts["framework"] + "/" + facts["label"]
    return finish(frame, SOURCE)
