"""Measured power of InferenceX runs, from issues and pull requests; two gatherings of the same threads.

A row was one figure of a run: watts (of one GPU, or of all that served), rates per GPU, latencies. A profile is one
thread and chip. Averages include the gaps between runs. What one gathering has as well as the other is quarantined in
the second.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint.lab.ingest import kernel_facts, llm_facts
from fingerprint.lab.ingest.inferencex import ORIGIN, common, label, workloads_of
from fingerprint.lab.ingest.labelled import Source, finish, numbers

SOURCE = Source(
    name="inferencex-power-issues",
    folders=("micro/inferencex_power_facts", "llm/inferencex_power_issues"),
    profile_rule="one chip in one issue or pull request",
    origin=ORIGIN,
    licence="Apache-2.0 (figures from issues)",
    left_out="energy a token and tokens a watt (derived from rows that are kept), or of an unknown model; least "
    "power; power of a system whose extent is not stated; a GPU's share where the sum is given",
)

#: Metric -> quantity, unit, scope, statistic.
_METRICS = {
    "tpot": ("tpot", "ms", "system", ""),
    "tpot_mean": ("tpot", "ms", "system", "mean"),
    "ttft": ("ttft", "ms", "system", ""),
    "ttft_mean": ("ttft", "ms", "system", "mean"),
    "mean_ttft": ("ttft", "ms", "system", "mean"),
    "output_throughput_per_gpu": ("output_throughput", "token/s", "accelerator", ""),
    "output_tok_per_sec_per_gpu": ("output_throughput", "token/s", "accelerator", ""),
    "total_throughput_per_gpu": ("total_throughput", "token/s", "accelerator", ""),
    "total_tok_per_sec_per_gpu": ("total_throughput", "token/s", "accelerator", ""),
    "power_mean_total": ("power", "W", "system", "mean"),
    "avg_total_power": ("power", "W", "system", "mean"),
    "power_peak_total": ("power", "W", "system", "max"),
    "peak_total_power": ("power", "W", "system", "max"),
    "power_mean": ("power", "W", "accelerator", "mean"),
    "power_max": ("power", "W", "accelerator", "max"),
    "utilization_gpu": ("utilization", "%", "accelerator", "mean"),
    "gpu_util": ("utilization", "%", "accelerator", "mean"),
    "tflops_per_gpu": ("compute_rate", "TFLOP/s", "accelerator", ""),
}


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    table = pd.concat([_first(raw / SOURCE.folders[0]), _second(raw / SOURCE.folders[1])], ignore_index=True)
    table = table[table["metric"].isin(_METRICS)].reset_index(drop=True)
    # The threads' bot ran on the HGX machines of InferenceX.
    table["label"] = table["label"].str.replace(r" \(DGXC\)$", "", regex=True).map(label)
    setting = table[["label", "stated", "isl", "osl", "conc"]].assign(workload=workloads_of(table["model"]), date="")
    frame = common(setting)
    for place, name in enumerate(("quantity", "unit", "scope", "statistic")):
        frame[name] = table["metric"].map({metric: row[place] for metric, row in _METRICS.items()})
    frame["value"], frame["accelerators"], frame["url"] = table["value"], table["accelerators"], table["url"]
    frame["profile"] = table["url"].str.rsplit("/", n=1).str[-1] + "/" + table["label"]
    frame.loc[frame["quantity"].isin(["power", "utilization"]), "phase"] = "load"
    frame["date"] = table["date"]
    training = table["metric"] == "tflops_per_gpu"
    frame.loc[training, ["tool", "phase", "precision"]] = ["training", "train", "fp8"]
    frame.loc[training, "origin"] = "rocm/transformerengine"
    frame.loc[training, ["concurrency", "input_tokens", "output_tokens"]] = float("nan")
    figure = ["label", "workload", "input_tokens", "output_tokens", "concurrency", "accelerators", "quantity", "value"]
    device = table["notes"].str.contains("device")
    repeated = pd.concat([frame[figure], table["notes"].where(device, "")], axis=1).duplicated()
    frame["quarantine"] = repeated.map({True: "copy of the same figure in the other gathering", False: ""})
    # One thread's devices of one run stand in both gatherings, numbered in one and not in the other.
    again = table["metric"].eq("avg_power_per_gpu")
    return finish(frame[~again], SOURCE)


def _first(folder: Path) -> pd.DataFrame:
    facts = kernel_facts.read_facts(folder / "facts.csv")
    shapes = facts["problem_size"].map(kernel_facts.shape)
    return pd.DataFrame(
        {
            "label": facts["gpu_label_verbatim"],
            "model": facts["kernel_or_test"].str.split(" ").str[0],
            "stated": facts["dtype"],
            "accelerators": numbers(facts["n_gpus"]),
            **{name: shapes.map(lambda s, name=name: s.get(name, float("nan"))) for name in ("isl", "osl", "conc")},
            "metric": facts["metric"],
            "value": numbers(facts["value"]),
            "notes": facts["notes"],
            "url": facts["source_url"],
            "date": facts["commit_or_date"],
        }
    )


def _second(folder: Path) -> pd.DataFrame:
    facts = llm_facts.read_facts(folder / "facts.csv")
    return facts[["label", "model", "accelerators", "metric", "value", "notes", "url"]].assign(
        stated=facts["precision"], isl=facts["input_tokens"], osl=facts["output_tokens"], conc=facts["load"], date=""
    )
