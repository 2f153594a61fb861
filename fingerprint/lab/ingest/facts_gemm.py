"""Kernel figures of issues, pull requests, posts and papers: ``facts/gemm.csv``.

A row was one published rate or time of a matrix product, an attention or a mixture-of-experts kernel, its shape in prose. A
profile is one page and one chip. Shapes that a page leaves to a model's name are those of the model's published
configuration; kernels whose shape can't be known are quarantined.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from fingerprint.lab.ingest import facts as tables
from fingerprint.lab.ingest.kernel_facts import checked
from fingerprint.lab.ingest.labelled import Source, finish

SOURCE = Source(
    name="facts-gemm",
    folders=("facts/gemm.csv",),
    profile_rule=tables.PROFILE_RULE,
    licence="single figures; each page's own",
    left_out="nothing is dropped: layers forward and backward, kernels whose shape is not stated, state-space scans and "
    "copies of pipeweave are quarantined",
)

#: Workload of the page -> kernel; the first pattern found counts.
_KERNELS: tuple[tuple[str, str], ...] = (
    (r"grouped", "grouped-gemm"),
    (r"moe layer", "moe"),
    (r"fused moe", "moe"),
    (r"mamba2", "linear-attention"),
    (r"mla decode|decode attention|attention decode", "attention-decode"),
    (r"attention backward|attention forward \+ backward", "attention"),
    (r"attention|fmha", "attention-prefill"),
    (r"gemm|matmul", "gemm"),
)

#: Experts held, intermediate size, hidden size and experts a token, of one accelerator's share.
_EXPERTS: tuple[tuple[str, str, tuple[float, float, float, float]], ...] = (
    # tencent/Hy3 config.json: 192 experts, 8 a token, hidden 4096, intermediate 1536; split eight ways by width or by expert.
    # All 8 choices of a token fall on the accelerator's own 24 experts: else 2,048 tokens in 2.5 ms would be a tenth of the
    # rate that every other row of the table shows.
    ("Hy3", "TP8/EP1", (192, 192, 4096, 8)),
    ("Hy3", "TP1/EP8", (24, 1536, 4096, 8)),
    # Qwen/Qwen3-Next-80B-A3B config.json: 512 experts, 10 a token, hidden 2048, intermediate 512.
    ("Qwen3-Next-80B-A3B", "TP2", (512, 256, 2048, 10)),
    ("Qwen3-Next-80B-A3B", "TP4", (512, 128, 2048, 10)),
    # 256 experts and 6 a token are those of DeepSeek-V4-Flash, hidden 4096.
    ("DeepSeek-V4", "E=256, N=512, top-k 6", (256, 512, 4096, 6)),
    ("Mixtral-8x7B", "tokens", (8, 14336, 4096, 2)),
)


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled table of the kernel facts."""
    facts = tables.read(raw, "gemm")
    frame = facts[["label", "profile", "origin", "url", "date", "accelerators", "quarantine", "estimate"]].copy()
    words = facts["workload"].str.lower()
    frame["workload"] = ""
    for pattern, kernel in reversed(_KERNELS):
        frame.loc[words.str.contains(pattern), "workload"] = kernel
    frame = frame.join(tables.precisions(facts["precision"], facts["label"]))
    frame["tool"], frame["phase"], frame["scope"] = "kernel", "kernel", "accelerator"
    timed = facts["metric"].str.contains("time|duration|latency")
    frame["quantity"] = np.where(timed, "latency", "compute_rate")
    frame["statistic"] = np.where(facts["metric"].str.contains("maximum") | words.str.contains("best of"), "max", "")
    frame["unit"] = facts["unit"].str.split(" ").str[0].where(timed, "TFLOP/s")
    frame["value"] = facts["number"]

    _gemms(frame, facts)
    _experts(frame, facts)
    _attention(frame, facts)
    _blame(frame, facts)
    _mark_best(frame, facts)
    tables.mark_repeats(frame)
    return checked(finish(frame, SOURCE))


def _gemms(frame: pd.DataFrame, facts: pd.DataFrame) -> None:
    """``M=64, N=2112, K=7168``; ``1024x1024``; ``12288x18432x1024``; ``(131072,7168)@(8,7168,2048)``."""
    size = facts["problem_size"]
    shape = tables.shape(
        size,
        m=r"\b(?:M per group|M)\s*=\s*(\d+)",
        n=r"\bN\s*=\s*(\d+)",
        k=r"\bK\s*=\s*(\d+)",
        groups=r"groups\s*=\s*(\d+)",
    )
    square = size.str.extract(r"^(\d+)x\d+$")[0].astype("float64")
    oblong = size.str.extract(r"^(\d+)x(\d+)x(\d+)$").astype("float64")
    for i, name in enumerate("mnk"):
        shape[name] = shape[name].fillna(square).fillna(oblong[i])
    # Rows of all groups together, over the groups: forward and towards the input; the weight's gradient sums over rows.
    forward = size.str.extract(r"^\((\d+),(\d+)\)@\((\d+),\d+,(\d+)\)$").astype("float64")
    backward = size.str.extract(r"^\((\d+),(\d+)\)@\(\d+,(\d+)\)$").astype("float64")
    for name, values in (
        ("groups", forward[2].mask(backward[0].notna(), 8.0)),
        ("m", (forward[0] / forward[2]).fillna(backward[0])),
        ("k", forward[1].fillna(backward[1] / 8.0)),
        ("n", forward[3].fillna(backward[2])),
    ):
        shape[name] = shape[name].fillna(values)
    product = frame["workload"].isin(["gemm", "grouped-gemm"])
    for name in ("m", "n", "k", "groups"):
        frame[name] = shape[name].where(product)
    # A product with groups in its shape is a grouped one, whatever its name.
    frame.loc[product & frame["groups"].notna(), "workload"] = "grouped-gemm"
    chunk = size.str.extract(r"chunk (\d+)")[0].astype("float64")
    frame["m"] = frame["m"].fillna(chunk.where(product))


def _experts(frame: pd.DataFrame, facts: pd.DataFrame) -> None:
    frame["experts_per_token"] = np.nan
    here = frame["workload"] == "moe"
    rows = facts["problem_size"].str.extract(r"(?:batch |M=)(\d+)|(\d+) tokens")
    tokens = rows[0].fillna(rows[1]).astype("float64")
    frame["m"] = frame["m"].mask(here, tokens)
    for model, split, (experts, width, hidden, chosen) in _EXPERTS:
        known = here & facts["workload"].str.contains(model, regex=False)
        known &= facts["problem_size"].str.contains(split, regex=False)
        frame.loc[known, ["groups", "n", "k", "experts_per_token"]] = [experts, width, hidden, chosen]


def _thousands(text: str) -> float:
    """Return ``0.125K`` or ``512`` as a number of tokens; a K is 1,024."""
    return float(text.rstrip("kK")) * (1024.0 if text[-1] in "kK" else 1.0)


def _attention(frame: pd.DataFrame, facts: pd.DataFrame) -> None:
    size = facts["problem_size"]
    kernel = frame["workload"].str.startswith("attention")
    decode = frame["workload"] == "attention-decode"
    found = tables.shape(
        size,
        batch=r"\b(?:batch|b)[ =](\d+)",
        heads=r"\b(?:heads |qh=|h_q=)(\d+)",
        kv_heads=r"\bkvh=(\d+)",
        head_dim=r"\b(?:headdim[ =]|hd=)(\d+)",
        query=r"\b(?:seqlen |seq_len=|seq=)(\d+)",
        context=r"mean_sk=(\d+)",
        step=r"s_q=(\d+)",
    )
    # Without a head's size no traffic is worked out from the rate: right for latent attention, whose cache has another width.
    for name in ("batch", "heads", "kv_heads", "head_dim"):
        frame[name] = found[name].where(kernel)
    sink = facts["workload"].str.contains("attention-sink")
    frame.loc[sink, ["batch", "heads", "kv_heads"]] = [1.0, 64.0, 8.0]
    frame["input_tokens"] = found["query"].where(kernel).fillna(found["step"].where(kernel))
    frame["context_tokens"] = found["context"].where(decode)
    _hy3(frame, facts, size)

    # The table's attention is causal: a time without the mask is given as the rate that it implies.
    full = kernel & size.str.contains(", full") & (frame["quantity"] == "latency")
    seconds = frame["value"] * frame["unit"].map({"ms": 1e-3, "us": 1e-6})
    work = 4.0 * frame["batch"] * frame["heads"] * frame["head_dim"] * frame["input_tokens"] ** 2
    frame["value"] = frame["value"].mask(full, work / seconds / 1e12)
    frame.loc[full, ["quantity", "unit"]] = ["compute_rate", "TFLOP/s"]


def _hy3(frame: pd.DataFrame, facts: pd.DataFrame, size: pd.Series) -> None:
    """Hy3's attention: 64 heads, 8 of keys and values, of 128 (config.json of tencent/Hy3)."""
    here = facts["workload"].str.startswith("Hy3") & frame["workload"].str.startswith("attention")
    for row in frame.index[here]:
        text = size[row]
        lengths = re.findall(r"(\d+)×([\d.]+K)", text)
        if lengths:
            # The table in FP8 has one accelerator's share of eight: with all heads, 64 x 4K in 33 us would be 16 TB/s.
            counts = np.array([float(n) for n, _ in lengths])
            context = np.array([_thousands(t) for _, t in lengths])
            frame.loc[row, ["batch", "heads", "kv_heads"]] = [counts.sum(), 8.0, 1.0]
            frame.loc[row, "context_tokens"] = (counts * context).sum() / counts.sum()
            frame.loc[row, "input_tokens"], frame.loc[row, "kv_precision"] = 1.0, "fp8"
        else:
            # "2q1ks4k": two sequences, 1K new tokens each, 4K to attend to.
            found = re.match(r"(\d*)q([\d.]+k?)(?:s([\d.]+k?))?,", text)
            if found is None:
                raise ValueError(f"a shape of Hy3's attention that nobody knows: {text}")
            frame.loc[row, ["batch", "heads", "kv_heads"]] = [float(found[1] or 1), 64.0, 8.0]
            frame.loc[row, "input_tokens"] = _thousands(found[2])
            if found[3]:
                frame.loc[row, "context_tokens"] = _thousands(found[3])
        frame.loc[row, "head_dim"] = 128.0


def _blame(frame: pd.DataFrame, facts: pd.DataFrame) -> None:
    def blame(mask: pd.Series, why: str) -> None:
        frame.loc[mask & (frame["quarantine"] == ""), "quarantine"] = why

    blame(facts["metric"].eq("layer time"), "a layer forward and backward: a cost that the table does not know")
    blame(facts["workload"].str.contains("dense FP8"), "the width of the product is not stated")
    blame(facts["workload"].str.contains("FMHA"), "heads are not stated")
    blame(
        facts["workload"].str.contains("fused MoE (?:W8A16|FP16)"),
        "operations counted by a rule that the page does not give",
    )


def _mark_best(frame: pd.DataFrame, facts: pd.DataFrame) -> None:
    """Quarantine the best of sizes where the same origin gives every size of the same card."""
    best = facts["problem_size"].str.startswith("best of")
    sized = facts["problem_size"].str.fullmatch(r"\d+x\d+")
    card = facts["gpu"].str.split(r"[ -]").str[0]
    key = card + "|" + frame["precision"] + "|" + facts["number"].astype(str)
    copied = best & key.isin(set(key[sized & (facts["origin"] == "zzc0721/torch-performance-test-data")]))
    frame.loc[copied & (frame["quarantine"] == ""), "quarantine"] = (
        "copy of the largest of the sizes, which stand on their own"
    )
