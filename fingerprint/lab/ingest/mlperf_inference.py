"""MLPerf Inference v1.0-v6.0: one published result a row, with first-token and per-token times where logs give them.

A row of the source is one benchmark and scenario of one submitted system. A profile is one platform (system and
software) of one submitter in one round; the open division has profiles of its own.

What a reader of the raw table must know, and what is done about it here:

* the ``-99`` and ``-99.9`` tiers are often one run filed twice, and a result is filed again in later rounds, with and
  without power: one is kept, the copies carry the same ``run`` and are quarantined;
* 3d-unet is another workload in v1.0 and v1.1 (BraTS 2019) than later (KiTS19), seventeen times apart;
* ``weight_data_types`` tells the weights that a submission started from. Narrow types are the arithmetic too; a wide
  one (fp16, bf16, fp32) is not: B200 rows of v4.1 say fp16 and exceed that peak, H100 rows say fp16 and ran fp8. So a
  wide type leaves the precision open; int4, mxfp4 and fp4 on a chip without 4-bit arithmetic speak of the weights only;
* Server results of v1.0-v4.0 are the scheduled rate, a function of the chosen target: equal figures of two systems
  there are equal targets, not copies.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import pandas as pd

from fingerprint.lab.ingest.labelled import Source, finish
from fingerprint.readers.mlperf_inference import stated_precision

SOURCE = Source(
    name="mlperf-inference",
    folders=("mlperf",),
    profile_rule="one platform (system and software) of one submitter in one round; the open division apart",
    origin="mlperf-inference",
    licence="Apache-2.0",
    left_out="wall power (the whole system's, not the accelerators'), latency percentiles of Server and Offline runs "
    "(bounded by the rules and by the length of the test), accuracy, and rounds after v6.0",
)

TABLE = "mlperf/inference_v1.0-v6.0_derived.csv.gz"

#: Month in which a round was published.
PUBLISHED = {"v1.0": "2021-04", "v1.1": "2021-09", "v2.0": "2022-04", "v2.1": "2022-09", "v3.0": "2023-04",
             "v3.1": "2023-09", "v4.0": "2024-03", "v4.1": "2024-08", "v5.0": "2025-04", "v5.1": "2025-09",
             "v6.0": "2026-04"}  # fmt: skip

_PHASES = {"offline": "offline", "server": "serve", "interactive": "interactive", "singlestream": "latency",
           "multistream": "latency"}  # fmt: skip
_UNITS = {"Tokens/s": ("output_throughput", "token/s"), "Samples/s": ("throughput", "sample/s"),
          "Queries/s": ("throughput", "request/s"), "Latency (ns)": ("latency", "ns"),
          "Latency (ms)": ("latency", "ms"), "Latency (s)": ("latency", "s"), "Streams": ("streams", "")}  # fmt: skip
#: The metric of the single-stream scenario is the 90th percentile, of the multi-stream scenario the 99th.
_PERCENTILES = {"singlestream": "p90", "multistream": "p99"}
#: Images of one multi-stream query from v2.0 on.
_MULTISTREAM_BATCH = 8.0

_FP4_FAMILIES = {"B200-SXM", "B300-SXM", "GB200", "GB300", "GB10", "RTX PRO 6000", "RTX PRO 4500", "MI350X", "MI355X"}
_CHANGED_NAME = r"pruned|sparse|obert|jpqd|bootstrapnas|distil|MiniLM|mobilebert"
_CHANGED_PLATFORM = r"pruned|sparse|DEEP_CACHE|_LCM"
_JETSON_DLA = {"resnet50", "resnet", "ssd-mobilenet", "ssd-resnet34", "ssd-small", "retinanet", "3d-unet"}

#: An open result this much above every closed one of the same chip and benchmark is of a changed model.
_OPEN_MARGIN = 1.3
#: A figure of two different systems needs this many digits to be called a copy.
_COPY_DIGITS = 6
#: The two tiers of one system this close together are one configuration run twice.
_RETRY = 0.02


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled table of all inference results.

    Parameters
    ----------
    raw : Path
        Directory of the gathered public figures.

    Returns
    -------
    DataFrame
        The columns of the measurement table and the labels. Throughput is the sum over ``accelerators``; latencies are
        of one query. ``output_tokens`` is the mean of the run's own log.
    """
    table = _prepared(pd.read_csv(raw / TABLE, low_memory=False))
    frame = pd.concat([_headlines(table), *(_log_rows(table, q, c) for q, c in _LOG_COLUMNS.items())])
    return finish(frame.sort_values(["_order", "_part"], kind="stable"), SOURCE)


_LOG_COLUMNS = {"ttft": "log_ttft_mean_ns", "tpot": "log_tpot_mean_ns"}


def _prepared(table: pd.DataFrame) -> pd.DataFrame:
    """Return the raw table in a fixed order with the columns that the rules below speak of."""
    out = table.copy()
    for name in ("accelerator", "accelerator_flags", "accelerator_family", "weight_data_types", "notes"):
        out[name] = out[name].fillna("").astype(str)
    out["scenario"] = out["scenario"].str.lower()
    out["tier"] = out["benchmark"].str.extract(r"-(95|99(?:\.9)?)$")[0].fillna("")
    out["base"] = out["benchmark"].str.replace(r"-(?:95|99(?:\.9)?)$", "", regex=True)
    out["base"] = out["base"].mask((out["base"] == "3d-unet") & out["round"].isin(["v1.0", "v1.1"]), "3d-unet-brats")
    out["division"] = np.where(out["category"].str.startswith("open"), "open", "closed")
    out["number"] = out["round"].str[1:].astype(float)
    out["powered"] = out["category"].str.endswith("-power")
    out["count"] = out["total_accelerators"].where(out["total_accelerators"] > 0)
    out["group"] = (
        out["round"] + "/" + out["submitter"] + "/" + _published_name(out["platform"]) + "/" + out["division"]
    )
    out = out.sort_values(
        ["number", "submitter", "platform", "division", "powered", "base", "scenario", "tier", "suite"]
    )
    out = out.reset_index(drop=True)
    out["_order"] = out.index
    out["quarantine"] = _reasons(out)
    out["run"], copied = _runs(out)
    out["quarantine"] = out["quarantine"].mask(out["quarantine"] == "", copied)
    out["precision"], out["weight_precision"] = _precisions(out)
    tokens = out["log_tokens_per_s"] / out["log_samples_per_s"]
    usual = tokens.groupby(out["base"]).transform("median")
    out["output_tokens"] = tokens.where(tokens.between(usual / 2, usual * 2))
    return out


def _published_name(platform: pd.Series) -> pd.Series:
    """Return the platforms' names without what names a container or a person."""
    names = {p: "node-" + hashlib.blake2b(p.encode(), digest_size=3).hexdigest() for p in platform.unique()}
    tail = platform.str.replace(r"^[0-9a-f]{12}", "", regex=True).str.replace(r"^arjun", "", regex=True)
    return platform.map(names).where(tail != platform, "") + tail


def _reasons(t: pd.DataFrame) -> pd.Series:
    """Return why a row is no measurement of a whole chip at the stated work; empty for most."""
    reason = pd.Series("", index=t.index)
    submitter = t["submitter"].str.lower()
    platform = t["platform"]
    open_ = t["division"] == "open"
    rules = (
        (t["accelerator_family"] == "none/CPU", "no accelerator: run on the processor"),
        # The same submitter's boards of this name have a Mali GPU, which OpenCL drives; an Xavier offers no OpenCL.
        (
            platform.str.startswith("odroid") & t["accelerator"].str.contains("Xavier"),
            "the platform's name says another board than the record's accelerator",
        ),
        (t["accelerator_flags"].str.contains("MIG"), "a slice of a chip (MIG)"),
        (t["accelerator"].str.contains(r"-(?:80C|24Q)$"), "a virtual GPU profile"),
        (t["accelerator_family"] == "mixed", "several kinds of accelerator together"),
        # vLLM submissions carry "reference-cpu" in their name too and did run on the GPU.
        (platform.str.contains("-reference-cpu-") & (submitter == "ctuning"), "run on the processor beside the GPU"),
        (
            (t["accelerator_family"] == "Jetson") & t["base"].isin(_JETSON_DLA) & (t["scenario"] == "offline"),
            "GPU and deep-learning accelerators of a Jetson module together",
        ),
        (t["unit_corrected"] == "Streams", "a number of streams, no rate"),
        # The system has four GPUs, and the result is 3.9 times that of any other single one of its round.
        (platform == "XE8640_H100_SXM_80GBx1_TRT", "accelerator count in doubt: one stated, four in the system"),
        # Two nodes by its name and the record, which also says sixteen accelerators a node.
        (platform.str.fullmatch(r"[AH]100-2N-80GB") & (t["accelerators_per_node"] > 8), "accelerator count in doubt"),
        # In v6.0 the flag marks tiers and all interactive results instead.
        (
            t["scenario"].isin(["multistream", "offline"]) & (t["inferred"] == 1) & (t["number"] < 6),
            "inferred from the single-stream or multi-stream result",
        ),
        (open_ & submitter.isin(["neuralmagic", "ctuning"]), "open division: model, sparsity or accuracy changed"),
        # Its two v5.1 results are of pruned models by their names and by AMD's report; those of v6.0 equal them.
        (
            open_ & (submitter == "amd") & t["base"].str.contains(r"llama3[._]1-405b"),
            "open division: a pruned model",
        ),
        (
            open_
            & (
                t["benchmark"].str.contains(_CHANGED_NAME, flags=re.IGNORECASE)
                | platform.str.contains(_CHANGED_PLATFORM, flags=re.IGNORECASE)
            ),
            "open division: a changed model by its name",
        ),
        (_above_closed(t), "open division: above every closed result of the chip, so a changed model"),
    )
    for mask, why in rules:
        reason = reason.mask((reason == "") & mask, why)
    return reason


def _above_closed(t: pd.DataFrame) -> pd.Series:
    """Return the open results whose submitter beats every closed result of the same chip at that benchmark."""
    timed = t["unit_corrected"].str.startswith("Latency")
    scale = t["unit_corrected"].map({"Latency (ns)": 1e-9, "Latency (ms)": 1e-3, "Latency (s)": 1.0})
    speed = (1.0 / (t["value"] * scale)).where(timed, t["value"] / t["count"])
    kind = t["unit_corrected"].mask(timed, "Latency")
    keys = [t["accelerator_family"], t["base"], t["scenario"], kind]
    best = speed.where(t["division"] == "closed").groupby(keys).transform("max")
    above = (t["division"] == "open") & (speed > _OPEN_MARGIN * best)
    return above.groupby([t["round"], t["submitter"], t["base"], t["division"]]).transform("any")


def _runs(t: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return each row's run and, for copies of an earlier row, the reason to leave it out."""
    run = t["group"] + "/" + t["base"] + "/" + t["scenario"]
    same = [t["round"], t["submitter"], t["platform"], t["base"], t["scenario"], t["unit_corrected"]]
    # The two tiers share a run when they are one configuration, else each has its own.
    first = t["value"].groupby([*same, t["division"]]).transform("first")
    run = run.mask((t["value"] / first - 1).abs() > _RETRY, run + "/" + t["tier"])

    digits = t["value"].map(lambda v: f"{v:.9g}")
    order = pd.Series(np.arange(len(t)), index=t.index)
    here = order.groupby([*same, digits]).transform("first")
    # In another platform or round: the same submitter, chip, count and every digit. Scheduled rates repeat by nature.
    long = digits.str.replace(r"\D", "", regex=True).str.strip("0").str.len() >= _COPY_DIGITS
    told = long & ~((t["scenario"] == "server") & (t["number"] < 4.05)) & (t["accelerator"] != "")
    keys = [t["submitter"].str.lower(), t["accelerator_family"], t["count"].fillna(0), t["base"], t["scenario"]]
    there = order.where(told).groupby([*keys, t["unit_corrected"], digits]).transform("first").fillna(order).astype(int)
    original = here.where(here <= there, there)
    original = original.iloc[original].set_axis(t.index)
    copy = original != order
    source = t.iloc[original].set_axis(t.index)
    within = source["group"] == t["group"]
    tiers = within & (source["benchmark"] != t["benchmark"])
    label = pd.Series("copy of " + source["group"] + "/" + source["benchmark"], index=t.index)
    label = label.mask(within, "same run, filed again with power").mask(tiers, "same run as " + source["benchmark"])
    return run.iloc[original].set_axis(t.index), label.where(copy, "")


def _precisions(t: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return the arithmetic where the stated types settle it, and the weights' precision where it is another."""
    stated = {text: stated_precision(text) for text in t["weight_data_types"].unique()}
    arithmetic = t["weight_data_types"].map({text: both[0] for text, both in stated.items()})
    weights = t["weight_data_types"].map({text: both[1] for text, both in stated.items()})
    # One submitter states nothing and names the models "llama3_1-70b-fp8_dyn".
    arithmetic = arithmetic.mask(t["benchmark"].str.contains(r"-fp8_"), "fp8")
    able = t["accelerator_family"].isin(_FP4_FAMILIES) | t["accelerator"].str.contains("Thor")
    lacking = (arithmetic == "fp4") & ~able
    return arithmetic.mask(lacking, ""), weights.mask(lacking, "fp4")


def _labels(t: pd.DataFrame) -> pd.Series:
    """Return what the source calls the chip, with the memory size from the system's name where only that gives it."""
    label = t["accelerator"].str.replace(r"^Virtualized ", "", regex=True).replace("-", "")
    return label.mask(t["accelerator_flags"].str.contains("memory_from_system_name"), t["accelerator_family"])


def _common(t: pd.DataFrame) -> pd.DataFrame:
    scenario = t["scenario"]
    return pd.DataFrame(
        {
            "profile": t["group"],
            "tool": "mlperf-inference",
            "workload": t["base"],
            "phase": scenario.map(_PHASES),
            "precision": t["precision"],
            "weight_precision": t["weight_precision"],
            "scope": "system",
            "accelerators": t["count"],
            "output_tokens": t["output_tokens"],
            "label": _labels(t),
            "run": t["run"],
            "url": "https://github.com/mlcommons/inference_results_" + t["round"],
            "date": t["round"].map(PUBLISHED),
            "submitter": t["submitter"],
            "quarantine": t["quarantine"],
            "_order": t["_order"],
        }
    )


def _headlines(t: pd.DataFrame) -> pd.DataFrame:
    """Return the published results."""
    unit = t["unit_corrected"]
    return _common(t).assign(
        quantity=unit.map(lambda u: _UNITS[u][0]),
        unit=unit.map(lambda u: _UNITS[u][1]),
        value=t["value"],
        statistic=t["scenario"].map(_PERCENTILES).fillna(""),
        batch=np.where(
            t["scenario"] == "multistream", _MULTISTREAM_BATCH, np.where(t["scenario"] == "singlestream", 1.0, np.nan)
        ),
        _part=0,
    )


def _log_rows(t: pd.DataFrame, quantity: str, column: str) -> pd.DataFrame:
    """Return the mean times that the log of a serving run gives beside the result."""
    rows = t[t[column] > 0]
    part = 1 + list(_LOG_COLUMNS).index(quantity)
    return _common(rows).assign(quantity=quantity, unit="ns", value=rows[column], statistic="mean", _part=part)
