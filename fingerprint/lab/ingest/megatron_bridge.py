"""Megatron-Bridge's published training performance: NeMo container releases 26.02 to 26.08 on DGX H100 to DGX GB300.

A row was one cell of a release's table: tokens a second per GPU, or model TFLOP/s per GPU, of a pre-training,
fine-tuning or LoRA run at a stated GPU count, global batch, sequence length and precision. A profile is one system in one
release. The two figures of a run share `run`.

LoRA runs carry a workload of their own (`...-adapter`): their tokens cost about 4 N FLOP instead of 6 N.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint.lab.ingest.labelled import Source, finish, slug
from fingerprint.lab.ingest.llm_facts import read_facts
from fingerprint.lab.ingest.training_tables import earlier_copies, training_rows

SOURCE = Source(
    name="megatron-bridge",
    folders=("llm/megatron_bridge",),
    profile_rule="one DGX system in the tables of one container release",
    origin="nvidia-nemo",
    licence="Apache-2.0",
    left_out="nothing; figures repeated unchanged by a later release are quarantined",
)

_SETTING = ["label", "workload", "accelerators", "batch", "input_tokens", "precision", "notes"]


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    facts = read_facts(raw / SOURCE.folders[0] / "facts.csv")
    frame = training_rows(facts)
    release = facts["framework"].str.extract(r"(\d\d\.\d\d(?:\.\d\d)?)$", expand=False)
    adapter = facts["notes"].str.startswith("LoRA")
    frame["workload"] = frame["workload"].mask(adapter, facts["model"].map(slug) + "-adapter")
    frame["profile"] = release + "/" + facts["label"].map(slug)
    frame["date"] = "20" + release.str.slice(0, 2) + "-" + release.str.slice(3, 5)
    names = [
        facts[c].astype(str) for c in ("framework", "label", "model", "precision", "accelerators", "load", "notes")
    ]
    run = pd.concat(names, axis=1).agg("|".join, axis=1)
    frame["run"] = "megatron-bridge/" + pd.Series(pd.factorize(run)[0], index=facts.index).astype(str)
    # Sorted by release, so that the first publication of a figure is the one that counts.
    frame = frame.assign(release=release).sort_values("release", kind="stable")
    frame["quarantine"] = earlier_copies(frame, _SETTING).map({True: "copy of an earlier release's figure", False: ""})
    return finish(frame.sort_index().drop(columns="release"), SOURCE)
