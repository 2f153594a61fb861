"""NeMo's long-sequence pages: FP8 training of 8 B and 7 B models at 4 k to 1 M tokens on DGX B200 and DGX H100.

A row was one cell: model TFLOP/s per GPU at one sequence length, with or without context parallelism. A profile is one
chip (one page version each). Published rates count attention over all pairs of tokens; beyond 8,192 tokens the rows
hold the causal half, which is what the chip computes.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint.lab.ingest.labelled import Source, finish, slug
from fingerprint.lab.ingest.llm_facts import read_facts
from fingerprint.lab.ingest.training_tables import earlier_copies, training_rows

SOURCE = Source(
    name="nemo-long-sequence",
    folders=("llm/nemo_long_sequence",),
    profile_rule="one chip, software version as published",
    origin="nvidia-nemo",
    licence="Apache-2.0",
    left_out="nothing; the same run listed as with and without context parallelism counts once",
)


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    facts = read_facts(raw / SOURCE.folders[0] / "facts.csv")
    frame = training_rows(facts)
    release = facts["framework"].str.extract(r"(\d\d\.\d\d)", expand=False)
    frame["profile"] = facts["label"].map(slug) + "/" + release
    frame["date"] = "20" + release.str.replace(".", "-")
    # At short lengths both columns hold the same run. The runs with context parallelism on H100 stand in nemo-perf too,
    # under the same name.
    key = ["label", "workload", "accelerators", "input_tokens"]
    once = facts["notes"].str.startswith("with CP") | frame.duplicated([*key, "value"], keep=False)
    name = "nemo-long/" + facts["model"].map(slug) + "/" + facts["input_tokens"].astype(str)
    frame["run"] = name.where(once, name + "/without-cp")
    same = earlier_copies(frame, key)
    frame["quarantine"] = same.map({True: "copy of the same run without context parallelism", False: ""})
    return finish(frame, SOURCE)
