"""Argonne's LLM-Inference-Bench (arXiv:2411.00136): one batch from prompt to last token, on eight kinds of accelerator.

A row was one model on one or more devices in one engine: prompt and answer of equal length, a batch, the time of the whole,
and tokens a second counting prompts and answers, summed over the devices. Kept: that rate, the time to the first token
of a batch of 16, and mean board power. A profile is one device and one engine.

Two traps of the source. In its llama.cpp rows "batch" is the width of prompt processing, not the number of sequences: rate
times time is one sequence's tokens whatever it says; the widest is kept, as batch 1. And one power table holds watts and
milliwatts, of one board or of the whole node with its idle boards: only the node with a single GPU is taken from it.

Where prompt and answer overrun a model's context the engine stopped after few tokens or none, yet the rate counts them all
(GH200: 90,000 tokens/s from a 7B model at batch 1). A longer answer never comes so much faster: such groups are quarantined.
The batch's prompts being alike, its tokens visit the same experts of Mixtral: rates that reading all weights once a step
would not allow are quarantined as well.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint import chips, workloads
from fingerprint.lab.ingest.labelled import Source, finish

SOURCE = Source(
    name="llm-inference-bench",
    folders=("llm/llm_inference_bench", "micro/argonne_llm_inference_bench"),
    profile_rule="one device and one engine",
    origin="argonne",
    licence="BSD-3-Clause",
    left_out="llama.cpp at narrower prompt batches; figures that repeat the union table (Fig 5, 16 throughput, 18, 22 end "
    "latency); runs without a key-value cache (Fig 2a), sweeps of its block size (Fig 2b), speculative runs (Fig 4b), the "
    "length heatmap, whose device is not named (Fig 1b); node power of A100 and H100 (Fig 10, 29); perplexities; the power "
    "facts of the second folder are the same rows as Fig 16",
)

#: What the source's names mean. Its A100s are the 40 GB part, its Llama 2 7B stops gaining between batch 16 and 32 at 2,048
#: tokens a sequence, where 40 GB are full, and they draw 382 W, above the 250 W of the PCIe card. Its H100s draw 595 W,
#: above the PCIe and NVL parts. GH200 as in the source's own manifest. One MI250 is both dies: two of them hold a 70B model.
LABELS = {
    "Nvidia A100 GPU": "A100 SXM4 40GB",
    "Nvidia H100 GPU": "H100 SXM 80GB",
    "Nvidia GH200 GPU": "GH200 96GB",
    "Intel PVC GPU": "Intel Max 1550",
}

_URL = "https://github.com/argonne-lcf/LLM-Inference-Bench"
_NAMES = {
    "Hardware": "hardware",
    "Num of Hardware": "accelerators",
    "Framework": "framework",
    "Model": "workload",
    "Input Output Length": "length",
    "Batch Size": "batch",
    "Throughput": "value",
    "throughput": "value",
}


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    folder = raw / SOURCE.folders[0]
    frame = pd.concat(
        [_throughput(folder), _quantised(folder), _first_token(folder), _power(folder)], ignore_index=True
    )
    frame["label"] = frame["hardware"].replace(LABELS)
    frame["tool"], frame["scope"] = "engine", "system"
    frame["profile"] = frame["hardware"] + "/" + frame["framework"]
    frame["date"], frame["url"] = "2024-11", _URL
    # Repeats of one setting, and the power drawn in it, stand or fall together.
    setting = ["workload", "accelerators", "input_tokens", "output_tokens", "batch"]
    frame["run"] = frame[setting].astype(str).agg("/".join, axis=1)
    return finish(frame.drop(columns=["hardware", "framework"]), SOURCE)


def _read(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, skip_blank_lines=True).rename(columns=str.strip).rename(columns=_NAMES)
    return table.dropna(subset=["workload"])


def _equal_lengths(table: pd.DataFrame, quantity: str, unit: str) -> pd.DataFrame:
    out = table.assign(input_tokens=table["length"], output_tokens=table["length"], phase="offline")
    return out.assign(quantity=quantity, unit=unit)


def _throughput(folder: Path) -> pd.DataFrame:
    table = _read(folder / "All_results.csv")
    one_sequence = table["framework"] == "llama.cpp"
    setting = ["hardware", "accelerators", "framework", "workload", "length"]
    widest = table.groupby(setting)["batch"].transform("max")
    table = table[~one_sequence | (table["batch"] == widest)].copy()
    one_sequence = table["framework"] == "llama.cpp"
    table["batch"] = table["batch"].mask(one_sequence, 1)
    # The study runs in 16 bits unless it says otherwise; for llama.cpp's files the format is not stated.
    table["precision"] = one_sequence.map({True: "", False: "fp16"})
    table["quarantine"] = _cut_short(table).map({True: "answers cut short: longer ones came faster", False: ""})
    alike = _beats_memory(table) & (table["quarantine"] == "")
    table.loc[alike, "quarantine"] = "faster than all its weights can be read: equal prompts share experts"
    return _equal_lengths(table, "total_throughput", "token/s")[[*_COLUMNS, "quarantine"]]


def _cut_short(table: pd.DataFrame) -> pd.Series:
    """Return whether a row's group is, at any batch, over five times as fast as the best at shorter lengths."""
    setting = ["hardware", "framework", "workload", "accelerators", "batch"]
    ordered = table.sort_values("length", kind="stable")
    best = ordered.groupby([*setting, "length"])["value"].transform("max")
    shorter = ordered.assign(best=best).groupby(setting)["best"].cummax()
    before = shorter.groupby([ordered[name] for name in setting]).shift()
    sooner = (ordered["value"] > 5.0 * before).reindex(table.index)
    group = [table[name] for name in ("hardware", "framework", "workload", "length")]
    return sooner.groupby(group).transform("any")


def _beats_memory(table: pd.DataFrame) -> pd.Series:
    """Return whether steps a second times 16-bit weights exceed the memory bandwidth of all devices; one token visits few."""
    known, models = chips.table(), workloads.table()
    memory = {
        name: max(
            (known[c].memory_bandwidth for c in chips.members(chips.resolve(LABELS.get(name, name)) or "")),
            default=1e99,
        )
        for name in table["hardware"].unique()
    }
    shapes = {name: models[workloads.resolve(name) or ""] for name in table["workload"].unique()}
    every = table["workload"].map({name: shape.total_parameters for name, shape in shapes.items()})
    few = table["workload"].map({name: shape.active_parameters for name, shape in shapes.items()})
    steps = table["value"] / 2.0 / table["batch"]
    read = 2.0 * every.mask(table["batch"] == 1, few)
    return steps * read > table["accelerators"] * table["hardware"].map(memory)


def _quantised(folder: Path) -> pd.DataFrame:
    """The runs of Llama 3 8B with 8-bit weights, caches or both; the 16-bit ones among them are in the union."""
    parts = []
    table = _read(folder / "Fig_3__A100_H100_quant_all_results.csv")
    formats = table["kv_cache_dtype"].str.extract(r"Weight = (\w+), KV Cache = (\w+)")
    table["weight_precision"], table["kv_precision"] = formats[0], formats[1]
    # 8-bit integer weights on the A100: whether activations are 8-bit too is not said.
    table["precision"] = formats[0].replace({"int8": ""})
    parts.append(table[~((formats[0] == "fp16") & (formats[1] == "fp16"))])
    parts += [
        _read(folder / f"Fig_3__qaunt_results__{name}.csv").assign(precision="fp8")
        for name in ("results_Meta-Llama-3-8B-Instruct-FP8", "throughput_results_Meta-Llama-3-8B-Instruct-FP8 (1)")
    ]
    names = {
        "Model Name": "workload",
        "batch size": "batch",
        "tensor_parallel": "accelerators",
        "input length": "length",
    }
    table = pd.read_csv(folder / "Fig_3__qaunt_results__GH200_results_Meta-Llama-3-8B-Instruct-FP8.csv")
    table = table.dropna(how="all").rename(columns=names | {"throughput": "value"})
    parts.append(table.assign(hardware="Nvidia GH200 GPU", framework="vLLM", precision="fp8"))
    table = pd.concat(parts, ignore_index=True)
    return _equal_lengths(table, "total_throughput", "token/s")[[*_COLUMNS, "weight_precision", "kv_precision"]]


def _first_token(folder: Path) -> pd.DataFrame:
    table = _read(folder / "Fig_22__all_results_TTFT_ITL.csv")
    table = table.assign(
        input_tokens=table["Input Length"], output_tokens=table["Output Length"], value=table["TTFT Latency"]
    )
    return table.assign(quantity="ttft", unit="s", phase="prefill", precision="fp16")[_COLUMNS]


def _power(folder: Path) -> pd.DataFrame:
    single = _read(folder / "Fig_16_a_b__power_results.csv").drop(columns="value")
    single["value"] = single["avg_power"] / 1e3  # milliwatts, read from the one board in use
    node = _read(folder / "Fig_10__All_results.csv").drop(columns="value")
    node = node[node["hardware"] == "Nvidia GH200 GPU"].rename(columns={"avg_power": "value"})
    table = pd.concat([single, node], ignore_index=True).assign(precision="fp16")
    return _equal_lengths(table, "power", "W")[_COLUMNS]


_COLUMNS = [
    "hardware", "framework", "workload", "accelerators", "batch", "input_tokens", "output_tokens", "phase", "quantity",
    "unit", "value", "precision",
]  # fmt: skip
