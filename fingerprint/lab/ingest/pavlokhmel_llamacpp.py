"""Generation speed of ten Q4_K_M models in llama.cpp, one request, on thirteen devices (a page of June 2026).

A row was one model on one device; a profile is one device. Prompt and answer lengths are not published.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint.lab.ingest.labelled import Source, finish
from fingerprint.lab.ingest.llm_facts import read_facts

SOURCE = Source(
    name="pavlokhmel-llamacpp",
    folders=("llm/pavlokhmel_llamacpp",),
    profile_rule="one device",
    origin="pavlokhmel.com",
    licence="not stated; figures only",
    left_out="nothing",
)


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    facts = read_facts(raw / SOURCE.folders[0] / "facts.csv")
    frame = facts[["label", "accelerators", "value", "url"]].copy()
    frame["workload"] = facts["model"]
    frame["tool"], frame["phase"], frame["batch"] = "engine", "decode", 1.0
    frame["quantity"], frame["unit"], frame["scope"] = "output_throughput", "token/s", "system"
    # Q4_K_M takes a little under 5 bits a weight; which arithmetic unpacks it depends on the device.
    frame["weight_precision"] = "int4"
    frame["profile"] = facts["label"]
    frame["date"] = facts["version"]
    return finish(frame, SOURCE)
