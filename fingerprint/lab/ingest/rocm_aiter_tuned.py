"""AITER's tables of tuned kernels: the best time (us) of GEMMs, batched GEMMs and fused mixture-of-experts by shape.

A row was one shape on one GPU type, known by instruction set and number of compute units only: gfx942 with 304 is an
MI300X or MI325X, with 80 an MI308X; gfx950 with 256 is an MI350X or MI355X. The first and the last have no chip, only an
architecture. Times are of the best of many candidates, in a loop over the same operands.

Traps met: gfx1250 (an unreleased part) also has 256 compute units; expert-parallel tables count experts that other GPUs
hold; some rows have a time of 0 or rates beyond the part. So a row counts only where the TFLOP/s that the table itself
prints agree within 5 % with those of the shape and time.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from fingerprint.lab.ingest.kernel_facts import checked, thinned
from fingerprint.lab.ingest.labelled import Source, finish
from fingerprint.units import BYTES

SOURCE = Source(
    name="rocm-aiter-tuned",
    folders=("micro/rocm_aiter_tuned",),
    profile_rule="one table (a kernel and the model it was tuned for) on one GPU type",
    origin="rocm/aiter",
    licence="MIT",
    thinning="GEMM shapes: 30 %, the same on all GPU types, and all of MI308X; mixture of experts whole",
    left_out="gfx1250 (no released part); rows whose printed TFLOP/s contradict shape and time; batched int8 or fp8 GEMM "
    "(precision not stated); gated delta net (no FLOP count); tables without times",
)

_LABELS = {("gfx942", 304): "", ("gfx942", 80): "MI308X", ("gfx950", 256): ""}
_ARCHITECTURES = {"gfx942": "cdna3", "gfx950": "cdna4"}
_URL = "https://github.com/ROCm/aiter/blob/e4048607a5/aiter/configs/"
#: Tables of 80 compute units whose large products run at 1.3 and 5 times the FP8 peak of an MI308X.
_FOREIGN = ("a8w8_blockscale_bpreshuffle_tuned_gemm_qwen3.5_397b", "glm5_a8w8_bpreshuffle_tuned_gemm")
#: How far printed and recomputed TFLOP/s may differ.
_AGREEMENT = 0.05


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows of all tables."""
    root = raw / SOURCE.folders[0] / "upstream" / "aiter" / "configs"
    products: list[pd.DataFrame] = []
    experts: list[pd.DataFrame] = []
    for path in sorted(root.glob("**/*.csv*")):
        table = pd.read_csv(path, low_memory=False)
        if "tflops" not in table or "us" not in table:
            continue
        table = table.assign(file=re.sub(r"\.csv(\.gz)?$", "", path.relative_to(root).as_posix()))
        (experts if "token" in table else products).append(table)
    frame = pd.concat(
        [_gemms(pd.concat(products, ignore_index=True)), _experts(pd.concat(experts, ignore_index=True))],
        ignore_index=True,
    )
    return checked(finish(_labelled(frame), SOURCE))


def _labelled(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.assign(
        chip=[_LABELS[key] for key in zip(frame["gfx"], frame["units"], strict=True)],
        architecture=frame["gfx"].map(_ARCHITECTURES),
        profile=frame["file"] + "|" + frame["gfx"] + "|" + frame["units"].astype(str),
        tool="kernel", phase="kernel", accelerators=1, quantity="latency", statistic="min", unit="us",
    )  # fmt: skip
    frame["url"] = _URL + frame["file"] + ".csv"
    # The same tuned kernel is filed in a general table and in a model's table.
    shape = ["gfx", "units", "workload", "precision", "weight_precision", "m", "n", "k", "groups", "experts_per_token"]
    copy = frame.duplicated([*shape, "value"])
    reasons = np.where(copy, "copy of the same shape and time in another table", "")
    foreign = (frame["units"] == 80) & frame["file"].str.split("/").str[-1].isin(_FOREIGN)
    reasons = np.where(
        foreign, "the table's best rates are far above MI308X's data sheet: measured on another part?", reasons
    )
    return frame.assign(quarantine=np.where(_unread(frame), "fewer experts visited than tokens allow", reasons))


def _unread(frame: pd.DataFrame) -> pd.Series:
    """Return mixture-of-experts rows that would read their experts' weights faster than the memory can.

    With random routing m tokens of t experts each visit E (1 - (1 - 1/E)^(m t)) of E experts. Rows whose weights fit
    the last-level cache are not judged.
    """
    experts, visits = frame["groups"], frame["m"] * frame["experts_per_token"]
    visited = experts * (1 - (1 - 1 / experts) ** visits)
    element = frame["weight_precision"].mask(frame["weight_precision"] == "", frame["precision"]).map(BYTES)
    read = visited * 3 * frame["n"] * frame["k"] * element
    limit = np.where(frame["units"] == 80, 4.0e12, frame["gfx"].map({"gfx942": 6.0e12, "gfx950": 8.0e12}))
    return (frame["workload"] == "moe") & (read > 2 * 256e6) & (read / (frame["value"] * 1e-6) > 1.15 * limit)


def _agrees(table: pd.DataFrame, flops: pd.Series) -> pd.Series:
    """Return which rows' printed TFLOP/s fit their shape and time."""
    printed = pd.to_numeric(table["tflops"], errors="coerce")
    with np.errstate(all="ignore"):
        ratio = flops / table["us"] / 1e6 / printed
    # Below 1 TFLOP/s the two printed decimals are too coarse to tell.
    coarse = (printed - flops / table["us"] / 1e6).abs() <= 0.011
    return (table["us"] > 0) & (ratio.sub(1.0).abs().le(_AGREEMENT) | coarse)


def _gemms(table: pd.DataFrame) -> pd.DataFrame:
    for upper in "BMNK":
        lower = table.get(upper.lower(), np.nan)
        table[upper] = table[upper].fillna(lower) if upper in table else lower
    table["units"] = table["cu_num"].fillna(256).astype(int)  # one table of gfx950 has no such column
    known = [key in _LABELS for key in zip(table["gfx"], table["units"], strict=True)]
    table = table[known].copy()
    table["B"] = table["B"].where(table["file"].str.contains("batched"))
    table = table[_agrees(table, 2 * table["B"].fillna(1) * table["M"] * table["N"] * table["K"])].copy()
    table["precision"] = _precision(table)
    table = table[table["precision"] != ""].reset_index(drop=True)
    table = thinned(table, ["M", "N", "K"], 0.3, table["units"] == 80)
    return pd.DataFrame(
        {
            "file": table["file"],
            "gfx": table["gfx"],
            "units": table["units"],
            "workload": np.where(table["B"].notna(), "batched-gemm", "gemm"),
            "precision": table["precision"],
            "weight_precision": "",
            "m": table["M"],
            "n": table["N"],
            "k": table["K"],
            "groups": table["B"],
            "value": table["us"],
        }
    )


def _precision(table: pd.DataFrame) -> pd.Series:
    """Return the operands' precision: from the table's name, or its column where one name serves two."""
    name = table["file"].str.split("/").str[-1]
    weights = table["q_dtype_w"].fillna("").astype(str)
    out = pd.Series("", index=table.index)
    out[name.str.contains("bf16")] = "bf16"
    out[name.str.contains("a4w4")] = "fp4"
    out[name.str.contains("a8w8_blockscale")] = "fp8"
    out[weights.str.contains("float8")] = "fp8"
    out[weights.str.contains("int8")] = "int8"
    # Scaled operands under a bf16 name are not bf16 products.
    scaled = table["scaleAB"].astype(str).str.lower() == "true"
    return out.mask(name.str.contains("bf16") & scaled, "")


def _experts(table: pd.DataFrame) -> pd.DataFrame:
    table["units"] = table["cu_num"].astype(int)
    # Tables of the older layout have no instruction set; AMD's two FP8 encodings and the unit counts tell.
    guess = table["units"].map({256: "gfx950", 304: "gfx942", 80: "gfx942"})
    table["gfx"] = table["gfx"].fillna(guess) if "gfx" in table else guess
    known = [key in _LABELS for key in zip(table["gfx"], table["units"], strict=True)]
    table = table[known].copy()
    flops = 6 * table["token"] * table["topk"] * table["model_dim"] * table["inter_dim"]
    table = table[_agrees(table, flops) & (table["use_g1u1"] == 1)].reset_index(drop=True)
    kinds = {"bfloat16": "bf16", "float8": "fp8", "float4": "fp4", "int8": "int8", "int4": "int4"}

    def named(column: str) -> pd.Series:
        return table[column].map({w: next((v for k, v in kinds.items() if k in w), "") for w in table[column].unique()})

    activations, weights = named("q_dtype_a"), named("q_dtype_w")
    return pd.DataFrame(
        {
            "file": table["file"],
            "gfx": table["gfx"],
            "units": table["units"],
            "workload": "moe",
            "precision": activations,
            "weight_precision": weights.mask(weights == activations, ""),
            "m": table["token"],
            "n": table["inter_dim"],
            "k": table["model_dim"],
            "groups": table["expert"],
            "experts_per_token": table["topk"],
            "value": table["us"],
        }
    )
