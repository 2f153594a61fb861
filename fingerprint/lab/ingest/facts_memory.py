"""Memory figures of issues, pull requests, posts and papers: ``facts/memory.csv``.

A row was one published bandwidth that a kernel reached, the time of a cast, or the memory that a model took. A profile is one
page and one chip. Bandwidths are bytes moved, reads and writes together: a copy that its tool counts once is doubled here.
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
    name="facts-memory",
    folders=("facts/memory.csv",),
    profile_rule=tables.PROFILE_RULE,
    licence="single figures; each page's own",
    left_out="nothing is dropped: a theoretical bandwidth, casts whose bytes are not published, loaders held back by "
    "dequantisation, wide ranges and copies of qwen-speed are quarantined",
)

#: Workload of the page -> kernel; the first pattern found counts.
_KERNELS: tuple[tuple[str, str], ...] = (
    (r"grouped .*gemm", "grouped-gemm"),
    (r"gemm", "gemm"),
    (r"mla decode|attention decode", "attention-decode"),
    (r"rmsnorm", "layernorm"),
    (r"swiglu", "activation"),
    (r"rope", "elementwise"),
    (r"cast|quantize|hadamard|amax", "quantise"),
    (r"device_local_copy|on-device copy", "copy"),
    (r"weight streaming, loader", "read"),
)

#: A range counts by its lower end, which was reached, when its ends lie this close.
_TIGHT = 1.1


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled table of the memory facts."""
    facts = tables.read(raw, "memory")
    frame = facts[["label", "profile", "origin", "url", "date", "accelerators", "quarantine", "estimate"]].copy()
    words, metric = facts["workload"].str.lower(), facts["metric"].str.lower()
    frame["workload"] = ""
    for pattern, kernel in reversed(_KERNELS):
        frame.loc[words.str.contains(pattern), "workload"] = kernel
    frame.loc[metric.str.contains("copy"), "workload"] = "copy"
    frame.loc[metric.str.contains("read-sum"), "workload"] = "read"
    held = metric.str.contains("footprint|peak hbm")
    frame["workload"] = frame["workload"].mask(held, facts["workload"])
    precision = facts["precision"].str.replace(r"^BF16 to .*", "BF16", regex=True)
    frame = frame.join(tables.precisions(precision, facts["label"]))
    timed = facts["unit"].eq("us")
    frame["quantity"] = np.where(held, "memory_used", np.where(timed, "latency", "bandwidth"))
    computed = frame["workload"].isin(
        ["gemm", "grouped-gemm", "attention-decode", "layernorm", "activation", "elementwise", "quantise"]
    )
    frame["tool"] = np.where(held, "engine", np.where(computed, "kernel", "stream"))
    frame["phase"] = np.where(held, "offline", "kernel")
    frame["scope"], frame["unit"] = "accelerator", facts["unit"]
    lower = [_lower_end(v) for v in facts["value"]]
    frame["value"] = facts["number"].fillna(pd.Series(lower, index=facts.index))
    # nvbandwidth counts the bytes of a copy once; the memory reads and writes them.
    once = metric.str.contains("counted once")
    frame["value"] = frame["value"].mask(once, 2.0 * frame["value"])
    _shapes(frame, facts)

    def blame(mask: pd.Series, why: str) -> None:
        frame.loc[mask & (frame["quarantine"] == ""), "quarantine"] = why

    blame(metric.str.contains("theoretical"), "a data-sheet figure, not measured")
    blame(words.str.contains("loader \\+ dequant"), "held back by dequantisation, not by the memory")
    blame(metric.str.contains("gemv access"), "a part of a kernel, its sizes not stated")
    blame(timed, "the bytes that the cast moved are not published")
    tables.mark_repeats(frame)
    return checked(finish(frame, SOURCE))


def _lower_end(text: str) -> float:
    """Return the lower end of a narrow range such as ``2.0-2.1``; NaN for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)", text)
    if match is None or float(match[2]) > _TIGHT * float(match[1]):
        return float("nan")
    return float(match[1])


def _shapes(frame: pd.DataFrame, facts: pd.DataFrame) -> None:
    size = facts["problem_size"]
    product = frame["workload"].isin(["gemm", "grouped-gemm"])
    found = tables.shape(
        size,
        m=r"\b(?:M per group|M)\s*=\s*(\d+)",
        n=r"\bN\s*=\s*(\d+)",
        k=r"\bK\s*=\s*(\d+)",
        groups=r"groups\s*=\s*(\d+)",
        rows=r"rows=(\d+)",
        width=r"(?:hidden|inter)=(\d+)",
        batch=r"\b(?:b|seqs)=(\d+)",
        context=r"(?:mean_sk|ctx)=(\d+)",
        step=r"s_q=(\d+)",
        heads=r"\b(?:h_q|qh|h)=(\d+)",
        kv_heads=r"\bkvh=(\d+)",
        head_dim=r"\bhd=(\d+)",
    )
    square = size.str.extract(r"^(\d+)x(\d+)$").astype("float64")
    cast = frame["workload"] == "quantise"
    for name in ("m", "n", "k", "groups"):
        frame[name] = found[name].where(product)
    frame.loc[product & frame["groups"].notna(), "workload"] = "grouped-gemm"
    frame["m"] = frame["m"].fillna(found["rows"]).fillna(square[0].where(cast)).fillna(found["m"].where(cast))
    frame["n"] = frame["n"].fillna(found["width"].where(found["rows"].notna())).fillna(square[1].where(cast))
    frame["n"] = frame["n"].fillna(found["n"].where(cast))
    decode = frame["workload"] == "attention-decode"
    for name, column in (("batch", "batch"), ("context_tokens", "context"), ("input_tokens", "step"), ("heads", "heads"),
                         ("kv_heads", "kv_heads"), ("head_dim", "head_dim")):  # fmt: skip
        # Latent attention keeps no head size: its cache has another width than its products.
        frame[name] = found[column].where(decode)
    frame["input_tokens"] = frame["input_tokens"].mask(decode & frame["input_tokens"].isna(), 1.0)
