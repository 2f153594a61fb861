"""Mila's training benchmark: throughput by batch size on H100, H200, L40S and MI325X, and one run of 8 A100 SXM 80GB.

A row was one figure: items a second of a benchmark on one GPU at one batch size; in the 2023 run, the median throughput and
mean load of each of 8 GPUs; in pull requests, whole reports. A profile is one chip in one file or pull request. The eight
GPUs of a benchmark share `run`.

- Benchmarks whose names end in -gpus give the sum over a number of GPUs that is not stated: left out. The -multi ones of the
  2023 run ran on all eight (they give eight times the single GPU's figure).
- Several numbers of loader processes were tried for a batch size; the fastest counts, the others waited for data.
- "tf32-fp16" is mixed precision. "fp32" is true FP32 (TF32 off); the MI325X has no TF32 under that software: its
  "tf32" rows are FP32 runs.
- "bert" is BERT base with a masked-language head on 512 tokens (as BERT large its FP32 rate would exceed the H100's peak),
  "whisper" the tiny model: like all that the workload table does not hold they have names of their own (`milabench-...`).
- Items of the llm benchmarks are tokens.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint.lab.ingest.labelled import Source, finish, numbers, slug

SOURCE = Source(
    name="milabench",
    folders=("micro/milabench",),
    profile_rule="one chip in one file or pull request",
    origin="mila-iqia/milabench",
    licence="MIT",
    thinning="of several loader counts at one batch size, the fastest",
    left_out="benchmarks over an unstated number of GPUs (-gpus), dlrm and opt of the 2023 run likewise; temperatures; peak "
    "memory (a setting of the batch, and near the capacity at the largest)",
)

#: Benchmarks that are a model of the workload table at the cost given there (224 x 224 images).
_MODELS = {
    "resnet50": "resnet50",
    "resnet50-noio": "resnet50",
    "resnet152": "resnet152",
    "convnext_large": "convnext-large",
    "regnet_y_128gf": "regnet-y-128gf",
    "matmul": "gemm",
}

#: BERT base: 12 layers of 12 x 768^2, and the head's 768 x 30,522, which every position goes through.
_BERT_PARAMETERS = 12 * 12 * 768**2 + 768 * 30522
_BERT_TOKENS = 512

_LABELS = {"H100": "H100", "H200": "H200", "L40S": "L40S", "MI325": "MI325X", "A100-SXM-80Go": "A100-SXM4-80GB"}

#: Run on all GPUs of the node, or on an unstated number.
_UNSTATED = r"-gpus$|-nodes$|^dlrm$|^opt-"


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    facts = pd.read_csv(raw / SOURCE.folders[0] / "facts.csv", dtype=str, keep_default_na=False)
    facts["number"] = numbers(facts["value"])
    facts["batch"] = numbers(facts["problem_size"].str.extract(r"batch_size=(\d+)")[0])
    facts = facts[~facts["kernel_or_test"].str.contains(_UNSTATED)]
    facts = facts[facts["metric"].isin(["throughput", "throughput_median", "gpu_load_mean"])]
    facts = _fastest(facts).reset_index(drop=True)
    bench = facts["kernel_or_test"]
    together = bench.str.endswith("-multi")
    plain = bench.str.replace(r"-(tf32-fp16|fp16|fp32|tf32|multi)$", "", regex=True)
    load = facts["metric"] == "gpu_load_mean"
    multiplied = facts["unit"] == "TFLOPS"
    frame = pd.DataFrame(
        {
            "label": facts["gpu_label_verbatim"].map(lambda w: _LABELS.get(w, w)),
            "workload": plain.map(lambda w: _MODELS.get(w, "milabench-" + slug(w))),
            "tool": multiplied.map({True: "kernel", False: "training"}),
            "phase": multiplied.map({True: "kernel", False: "train"}),
            "precision": facts["dtype"].replace({"tf32-fp16": "fp16"}),
            "quantity": "throughput",
            "unit": plain.str.startswith("llm-").map({True: "token/s", False: "item/s"}),
            "statistic": (facts["metric"] == "throughput_median").map({True: "median", False: ""}),
            "value": facts["number"],
            "batch": facts["batch"],
            "accelerators": together.map({True: 8, False: 1}),  # eight times the single GPU's figure
            "scope": together.map({True: "system", False: "accelerator"}),
            "url": facts["source_url"],
        }
    )
    frame["quantity"] = frame["quantity"].mask(multiplied, "compute_rate").mask(load, "utilization")
    frame["unit"] = frame["unit"].mask(multiplied, "TFLOP/s").mask(load, "%")
    frame["scope"] = frame["scope"].mask(load, "accelerator")
    frame["tool"] = frame["tool"].mask(load, "telemetry")
    frame["phase"] = frame["phase"].mask(load, "load")
    mistaken = facts["gpu"].eq("MI325X") & frame["precision"].eq("tf32")
    frame["precision"] = frame["precision"].mask(mistaken, "fp32")
    bert = plain == "bert"
    frame["active_parameters"] = bert.map({True: float(_BERT_PARAMETERS), False: float("nan")})
    frame["input_tokens"] = bert.map({True: float(_BERT_TOKENS), False: float("nan")})
    run2023 = facts["notes"].str.startswith("2023")
    document = facts["source_url"].str.split("/").str[-1].map(slug)
    frame["profile"] = document.mask(run2023, "8xa100-2023") + "/" + facts["gpu"].map(slug)
    frame["run"] = ("milabench-2023/" + bench + "/" + facts["metric"]).where(run2023, "")
    frame["date"] = facts["commit_or_date"].where(facts["commit_or_date"].str.match(r"\d{4}-\d\d-\d\d$"), "2025")
    frame["date"] = frame["date"].mask(run2023, "2023-05-10")
    return finish(pd.concat([frame, _watts(facts, frame)], ignore_index=True), SOURCE)


def _fastest(facts: pd.DataFrame) -> pd.DataFrame:
    """Return the facts with one row a benchmark and batch size of the scaling files."""
    scaled = facts["source_url"].str.contains("/config/scaling/")
    best = facts[scaled].sort_values("number", ascending=False, kind="stable")
    best = best.drop_duplicates(["gpu", "kernel_or_test", "batch"])
    return pd.concat([best, facts[~scaled]]).sort_index()


def _watts(facts: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Return rows of power: per GPU, for the report whose watts fit one GPU only."""
    watts = numbers(facts["power_w"])
    out = frame[watts.notna()].copy()
    out["value"], out["quantity"], out["unit"] = watts[watts.notna()], "power", "W"
    out["scope"], out["statistic"] = "accelerator", "median"
    return out
