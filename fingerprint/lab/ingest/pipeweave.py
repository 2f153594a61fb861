"""PipeWeave's measurements: the same kernels, collectives and model runs on H20, H800, H100, H200, A100 and others.

A row was one kernel's mean time (FP8 matrix products, microseconds), the best of a tuning sweep of a fused mixture-of-experts
product (microseconds), one collective's times (milliseconds), or one run of a model with its prefill, median decode step and
total (seconds). All come from one publication; a profile is one device in one part of it. Form factors are known from the
hardware files beside the figures: H100, H800 and H200 with 132 multiprocessors and 3.35 or 4.8 TB/s are the SXM parts, the H20
has 96 GB. Predictions and model features of the tables are left out.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd

from fingerprint.lab.ingest.kernel_facts import checked, thinned
from fingerprint.lab.ingest.labelled import Source, finish, slug, thin

#: Share of the training shapes and of the message sizes kept; the shapes measured on all four devices stay whole.
KEPT_SHAPES = 0.25
KEPT_SIZES = 0.08

#: Messages of at least this many bytes stay: there the links are saturated.
LARGE_MESSAGE = 1.07e9

SOURCE = Source(
    name="pipeweave",
    folders=("facts/pipeweave",),
    profile_rule="one device in one part of the publication: matrix products, experts, collectives, model runs",
    origin="zksainx/pipeweave",
    licence="Apache-2.0",
    thinning=f"FP8 products measured on four devices whole, those on two (H20, H800) {KEPT_SHAPES:.0%} of the shapes; "
    f"collectives {KEPT_SIZES:.0%} of the message sizes and the largest; experts: the best configuration of each shape; model "
    "runs: the median of the iterations after the first",
    left_out="predictions and features of the cost model; *_comparison.csv, whose real_* figures are those of e2e/real; "
    "moe_dse_*_top3.csv, which repeats the best of *_99_5.csv; the first iteration of each run (for the L20's second run the only one stored)",
)

_REPOSITORY = "https://github.com/zksainx/pipeweave"

#: What the files call a device -> the label: see hardware/*.json for the multiprocessors and bandwidths that tell.
_LABELS = {
    "A100": "A100-SXM4-80GB", "H100": "H100 SXM", "H800": "H800 SXM", "H200": "H200 SXM", "H20": "H20-96GB", "A40": "A40",
    "L20": "L20", "L40": "L40", "RTX 6000 Ada": "RTX 6000 Ada Generation", "RTX A6000": "RTX A6000",
    "RTX PRO 6000 S": "RTX PRO 6000 Blackwell Server Edition", "PRO6000S": "RTX PRO 6000 Blackwell Server Edition",
}  # fmt: skip


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled table of PipeWeave's measurements."""
    folder = raw / "facts" / "pipeweave"
    parts = [_products(folder / "dataset"), _experts(folder / "pipetuning_test" / "moe_dse"),
             _collectives(folder / "dataset" / "collective"), _runs(folder / "e2e" / "real", folder / "workload")]  # fmt: skip
    frame = pd.concat(parts, ignore_index=True)
    frame["quarantine"] = frame["quarantine"].fillna("")
    frame["label"] = frame["device"].map(_LABELS)
    frame["profile"] = frame["part"] + "/" + frame["device"].map({d: slug(d) for d in _LABELS})
    frame["date"] = "2026-04-02"
    frame["url"] = _REPOSITORY
    return checked(finish(frame.drop(columns=["device", "part"]), SOURCE))


def _products(folder: Path) -> pd.DataFrame:
    """FP8 matrix products with a 16-bit result: M, N, K and the mean time of the kernel in microseconds."""
    columns = ["M", "N", "K", "avg_duration", "hardware"]
    test = pd.read_csv(folder / "gemm_fp8_test.csv", usecols=columns)
    train = pd.read_csv(folder / "gemm_fp8_train.csv", usecols=columns)
    products = pd.concat([test, thin(train, ["M", "N", "K"], KEPT_SHAPES)], ignore_index=True)
    products = products.rename(columns={"M": "m", "N": "n", "K": "k", "avg_duration": "value"})
    return products.drop(columns="hardware").assign(
        part="gemm",
        device=products["hardware"].str.removeprefix("NVIDIA "),
        tool="kernel",
        workload="gemm",
        phase="kernel",
        precision="fp8",
        statistic="mean",
        quantity="latency",
        unit="us",
        accelerators=1.0,
    )


def _experts(folder: Path) -> pd.DataFrame:
    """Return the grouped products of the sweep, one row a shape: the fastest configuration.

    A pass is one grouped product in 16-bit floats over the experts that the tokens reach, tokens spread evenly: ``w13`` of
    width twice the intermediate size over the hidden size, ``w2`` of the hidden over the intermediate.
    """
    parts = []
    shape = ["weight_type", "M", "E", "topk", "H", "N"]
    for file in sorted(folder.glob("moe_dse_*_99_5.csv")):
        device = re.fullmatch(r"moe_dse_(.+)_99_5", file.stem)
        assert device is not None
        sweep = pd.read_csv(file, usecols=[*shape, "avg_duration"])
        parts.append(sweep.groupby(shape, as_index=False)["avg_duration"].min().assign(device=device[1]))
    best = pd.concat(parts, ignore_index=True)
    slots = (best["M"] * best["topk"]).astype("float64")
    groups = np.minimum(best["E"], slots)
    first = best["weight_type"] == "w13"
    return pd.DataFrame(
        {
            "part": "moe",
            "device": best["device"],
            "tool": "kernel",
            "workload": "grouped-gemm",
            "phase": "kernel",
            "precision": "bf16",
            "statistic": "min",
            "quantity": "latency",
            "unit": "us",
            "accelerators": 1.0,
            "m": slots / groups,
            "n": np.where(first, 2.0 * best["N"], best["H"]),
            "k": np.where(first, best["H"], best["N"]),
            "groups": groups,
            "value": best["avg_duration"],
        }
    )


def _collectives(folder: Path) -> pd.DataFrame:
    """Medians of all-reduce and send-receive by message size in bytes and number of ranks, inside one node."""
    parts = []
    for file in sorted(folder.glob("*/*.csv")):
        name = file.stem
        median = f"time_stats.{name}.median"
        times = pd.read_csv(file, usecols=["size", "num_workers", median])
        times = pd.DataFrame(times.groupby(["num_workers", "size"], as_index=False)[median].median())
        parts.append(
            times.rename(columns={median: "value"}).assign(device=file.parent.name, workload=name.replace("_", "-"))
        )
    table = pd.concat(parts, ignore_index=True)
    table = thinned(table, ["size"], KEPT_SIZES, always=table["size"] >= LARGE_MESSAGE)
    # 115 GB/s at every large size where the same host's four ranks reach 322: the pair, not the chip, is slow.
    slow = (table["device"] == "H100") & (table["num_workers"] == 2)
    table["quarantine"] = np.where(slow, "a third of the link rate of four ranks on the same host", "")
    return table.rename(columns={"size": "message_bytes", "num_workers": "accelerators"}).assign(
        part="collective",
        tool="collective",
        phase="kernel",
        statistic="median",
        quantity="latency",
        unit="ms",
    )


def _runs(folder: Path, workloads: Path) -> pd.DataFrame:
    """Model runs in 16-bit floats: the prefill of a static batch, its median decode step, and the whole.

    Prompts of a batch differ in length: the mean counts. Every sequence gets as many answer tokens.
    """
    rows: list[dict[str, object]] = []
    for file in sorted(folder.glob("e2e_*.jsonl")):
        found = re.fullmatch(r"e2e_(?:tp(\d)_)?(.+)", file.stem)
        assert found is not None
        runs = pd.DataFrame([json.loads(line) for line in file.read_text().splitlines()])
        runs = runs.rename(columns={"iterations": "iteration"})  # as the file of the L20 calls it
        warm = runs[runs["iteration"] > 0]
        names = ["prefill_latency", "median_decode_latency", "total_latency"]
        for name, run in warm.groupby("run_name", sort=True):
            first, median = run.iloc[0], run[names].median()
            batch, answer = float(first["batch_size"]), float(first["output_len"])
            prompt = float(first["total_prefill_tokens"]) / batch
            common = {
                "device": found[2].replace("_", " "),
                "workload": re.sub(r"-(arxiv|splitwise)_\d+$", "", str(name)),
                "accelerators": float(found[1] or 1),
                "batch": batch,
                "input_tokens": prompt,
                "output_tokens": answer,
            }
            rows.append(common | {"phase": "prefill", "value": median["prefill_latency"], "output_tokens": np.nan})
            rows.append(
                common
                | {"phase": "decode", "value": median["median_decode_latency"], "context_tokens": prompt + answer / 2}
            )
            rows.append(common | {"phase": "offline", "value": median["total_latency"]})
    rows += _vllm_runs(folder, workloads)
    return pd.DataFrame(rows).assign(
        part="model", tool="engine", precision="bf16", statistic="median", quantity="latency", unit="s", scope="system"
    )


def _vllm_runs(folder: Path, workloads: Path) -> list[dict[str, object]]:
    """Llama-3.1-70B in vLLM over eight devices (four ways by tensor, two by pipeline): the whole of a static batch."""
    rows: list[dict[str, object]] = []
    for file in sorted(folder.glob("vllm_*.json")):
        found = re.fullmatch(r"(vllm_\w+?\d+)_(\w+)_llama70B", file.stem)
        assert found is not None
        prompts = pd.read_csv(workloads / f"{found[1]}.csv")
        rows.append(
            {
                "device": found[2],
                "workload": "Llama-3.1-70B",
                "accelerators": 8.0,
                "batch": float(len(prompts)),
                "input_tokens": float(prompts["num_prefill_tokens"].mean()),
                "output_tokens": float(prompts["output_tokens"].mean()),
                "phase": "offline",
                "value": float(np.median(json.loads(file.read_text())["latencies"])),
            }
        )
    return rows
