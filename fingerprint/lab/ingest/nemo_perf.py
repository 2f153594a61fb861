"""NeMo's performance pages on DGX H100: pre-training, fine-tuning and long sequences in FP8.

A row was one cell of a version of the page: tokens a second per GPU or model TFLOP/s per GPU. A profile is one version of
the page. The token rate and the FLOP rate of one configuration follow each other in the table and share `run`.

The fine-tuning tables hold full fine-tuning and LoRA without saying which; a token tells: at 6 N FLOP a token LoRA would
run at 940 TFLOP/s and more, full fine-tuning runs at 680 to 800. LoRA runs carry a workload of their own (`...-adapter`).
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint import workloads
from fingerprint.lab.ingest.labelled import Source, finish, slug
from fingerprint.lab.ingest.llm_facts import read_facts
from fingerprint.lab.ingest.training_tables import training_rows

SOURCE = Source(
    name="nemo-perf",
    folders=("llm/nemo_perf",),
    profile_rule="one version of the page",
    origin="nvidia-nemo",
    licence="Apache-2.0",
    left_out="nothing; model FLOP rates beyond 8,192 tokens are given for causal attention",
)

#: Between full fine-tuning (at most 800 TFLOP/s at 6 N FLOP a token here) and LoRA (at least 940).
_LORA_FLOP_RATE = 850e12


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    facts = read_facts(raw / SOURCE.folders[0] / "facts.csv")
    frame = training_rows(facts)
    tokens = facts["metric"] == "tokens_per_sec_per_gpu"
    # A FLOP rate belongs to the token rate above it.
    run = tokens.cumsum()
    active = {n: workloads.table()[w].active_parameters for n in facts["model"].unique() if (w := workloads.resolve(n))}
    implied = (6.0 * facts["model"].map(active) * facts["value"]).where(tokens)
    adapter = facts["framework"].eq("NeMo fine-tuning") & (implied.groupby(run).transform("max") > _LORA_FLOP_RATE)
    frame["workload"] = frame["workload"].mask(adapter, facts["model"].map(slug) + "-adapter")
    frame["profile"] = facts["version"] + "/" + facts["label"].map(slug)
    long = facts["framework"] == "NeMo long sequence"
    names = "nemo-long/" + facts["model"].map(slug) + "/" + facts["input_tokens"].astype(str)
    frame["run"] = ("nemo-perf/" + run.astype(str)).mask(long, names)
    return finish(frame, SOURCE)
