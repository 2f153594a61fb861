"""TensorRT-LLM's published performance overview, releases 0.5 to 1.2.

A row was one cell of a release's table: a model, a prompt and an answer length, a tensor-parallel group, and either the
output token rate of the engine at full load or the time to the first token at batch 1. A profile is one chip in one
release's document.

Whether a rate is per GPU or of the whole group changes with the release:

- 0.5: the group. Its column is headed "out tok/s", and taken per GPU its figures would beat the memory: Llama 70B in FP8 on
  four H100 at batch 64 gave 3,317 tokens/s, so a step took 19 ms; four times that would be a step of 4.8 ms, less than
  the 5.2 ms that reading the weights takes.
- 0.6 to 0.9 and the posts of that time: a GPU. 0.10 to 1.0: the group. From 1.1: a GPU.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint.lab.ingest.labelled import Source, finish
from fingerprint.lab.ingest.llm_facts import read_facts

SOURCE = Source(
    name="trtllm-perf-overview",
    folders=("llm/trtllm_perf_overview",),
    profile_rule="one chip label in the performance document of one release",
    origin="nvidia/tensorrt-llm",
    licence="Apache-2.0",
    left_out="nothing; copies and one upstream outlier are quarantined",
)

#: When the document's release or post appeared, where it is known.
DATES = {
    "0.5": "2023-10", "0.6.1": "2024-02", "0.7a": "2023-12", "0.8": "2024-03", "0.8a": "2024-01", "0.9": "2024-04",
    "0.10": "2024-06", "0.12": "2024-08", "0.13": "2024-09", "0.15": "2024-12", "0.17": "2025-02", "0.20": "2025-06",
    "0.21": "2025-07", "1.0": "2025-09", "1.1": "2025", "1.2": "2026",
}  # fmt: skip

#: The tables of 0.5 name no form factor, but their GPT-J cells are, to the digit, those of the release's post on the H100
#: SXM 80GB and the A100 SXM 80GB.
_FORM_FACTOR = {("0.5", "H100 GPUs (FP8)"): "H100 SXM 80GB", ("0.5", "A100 GPUs (FP16)"): "A100 SXM 80GB"}

_SETTING = ["label", "model", "precision", "input_tokens", "output_tokens", "accelerators", "batch", "quantity", "scope"]  # fmt: skip


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    facts = read_facts(raw / SOURCE.folders[0] / "facts.csv")
    version = facts["framework"].str.extract(r"([\d.]+a?)$", expand=False)
    first_token = facts["unit"] == "ms"
    frame = facts[["accelerators", "input_tokens", "output_tokens", "value", "precision", "url"]].copy()
    frame["label"] = [_FORM_FACTOR.get(key, key[1]) for key in zip(version, facts["label"], strict=True)]
    # "GH200 120GB" and "480GB" give the CPU's memory; both carry the 96 GB HBM3 part.
    frame["label"] = frame["label"].replace({"GH200 120GB": "GH200 96GB", "GH200 480GB": "GH200 96GB"})
    frame["workload"] = facts["model"]
    frame["tool"] = "engine"
    frame["phase"] = first_token.map({True: "prefill", False: "offline"})
    frame["quantity"] = first_token.map({True: "ttft", False: "output_throughput"})
    frame["unit"] = first_token.map({True: "ms", False: "token/s"})
    per_gpu = facts["metric"] == "output_throughput_per_gpu"
    frame["scope"] = per_gpu.map({True: "accelerator", False: "system"})
    frame["batch"] = facts["load"]
    frame["profile"] = version + "/" + facts["label"]
    frame["date"] = version.map(DATES).fillna("")
    # MXFP4 weights; what the products are computed in differs by chip and is not stated.
    open_weights = facts["model"].str.startswith("GPT-OSS")
    frame["weight_precision"] = open_weights.map({True: "fp4", False: ""})
    frame.loc[open_weights, "precision"] = ""
    # The FP8 engines of the static tables keep FP8 caches too: with 16-bit ones an L40S would have read 1.4 times what its
    # memory gives. Later documents quantise the same way up to 0.17; after that the checkpoint decides.
    early = ~version.isin(["0.20", "0.21", "1.0", "1.1", "1.2"])
    frame["kv_precision"] = (early & (facts["precision"] == "fp8")).map({True: "fp8", False: ""})
    frame["quarantine"] = _doubts(frame, facts, version)
    return finish(frame, SOURCE)


def _doubts(frame: pd.DataFrame, facts: pd.DataFrame, version: pd.Series) -> pd.Series:
    """Return why a row does not count, "" for the rest."""
    why = pd.Series("", index=frame.index)
    why[facts["notes"].str.contains("upstream outlier")] = "upstream outlier: many times its neighbours"
    # Posts repeat cells of their release's tables. Equal cells of two releases are mostly small rounded numbers: no copies.
    keys = frame.assign(model=facts["model"], version=version)
    copies = keys.duplicated([*_SETTING, "version", "value"], keep="first")
    why[copies & (why == "")] = "copy of the same cell in another document"
    post = version.eq("0.8a") & facts["notes"].eq("with XQA")
    why[post & (why == "")] = "copy of the same cell in another document"
    # 17.8 ms a step at batch 32 on two A100s, where reading all experts of Mixtral in 16 bits takes 22.9 ms.
    crowded = facts["model"].eq("Mixtral 8x7B") & facts["precision"].eq("fp16") & frame["batch"].eq(32)
    why[crowded & version.eq("0.9")] = "faster than its weights can be read"
    # The post on the Falcon gives 3803 for one GPU and, with the same batch, for each of eight.
    same = version.eq("0.7a") & frame["accelerators"].eq(8) & frame["value"].eq(3803)
    why[same] = "equals the figure of one GPU at the same batch: not both can be right"
    return why
