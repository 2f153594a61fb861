"""NVIDIA DGX Cloud Benchmarking 25.05: reference training runs on GB200 and H100 clusters of 16 to 512 GPUs.

A row was one cell: seconds a step, or tokens a second of all GPUs. A profile is one chip in one model's document. Where the
table does not state the global batch, it is what the row's own figures give: tokens a second x seconds a step / sequence
length (whole numbers to 4 digits throughout).
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint.lab.ingest.labelled import Source, finish, slug
from fingerprint.lab.ingest.llm_facts import read_facts
from fingerprint.lab.ingest.training_tables import training_rows

SOURCE = Source(
    name="dgxc-benchmarking",
    folders=("llm/dgxc_benchmarking",),
    profile_rule="one chip in one model's document",
    origin="nvidia-nemo",
    licence="Apache-2.0",
    left_out="MFU, which encodes the data sheet's peak",
)


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    facts = read_facts(raw / SOURCE.folders[0] / "facts.csv")
    frame = training_rows(facts)
    frame["label"] = facts["gpu"]
    step = facts[facts["metric"] == "step_time"].set_index("notes")["value"]
    rate = facts[facts["metric"] == "tokens_per_sec_total"].set_index("notes")["value"]
    sequences = (facts["notes"].map(step) * facts["notes"].map(rate) / facts["input_tokens"]).round()
    # Weak scaling: 512 GPUs took the steps of 256 GPUs' time, so twice the batch; the tokens a second were not doubled.
    stale = (facts["model"] == "Grok1 314b") & (facts["gpu"] == "GB200") & (facts["accelerators"] == 512)
    frame["batch"] = facts["load"].fillna(sequences).where(~stale)
    wrong = stale & (facts["metric"] == "tokens_per_sec_total")
    frame["quarantine"] = wrong.map({True: "does not fit the step time: the figure of half the GPUs", False: ""})
    frame["profile"] = facts["model"].map(slug) + "/" + facts["gpu"].map(slug)
    frame["run"] = "dgxc/" + facts["notes"].map(slug)
    frame["date"] = "2025-05"
    return finish(frame, SOURCE)
