"""Serving and engine figures of issues, pull requests, posts and papers: ``facts/serving.csv``.

A row was one published figure of a model served or run: a rate, a latency, a power, now and then an energy or the time of a
whole benchmark. A profile is one page and one chip. What the metrics mean was read page by page; where a page's word is
loose, the arithmetic of its other figures decides, and a comment says so.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from fingerprint.lab.ingest import facts as tables
from fingerprint.lab.ingest.labelled import Source, finish, numbers

SOURCE = Source(
    name="facts-serving",
    folders=("facts/serving.csv",),
    profile_rule=tables.PROFILE_RULE,
    licence="single figures; each page's own",
    left_out="nothing is dropped: rates a provisioned megawatt, coefficients of fits, audio seconds, warm prefix caches and "
    "copies of other folders are quarantined",
)

#: Metric -> quantity and statistic; the first pattern that matches the whole metric, in lower case, counts.
_METRICS: tuple[tuple[str, str, str], ...] = (
    (r"mean (?:ttft|time to first packet).*", "ttft", "mean"),
    (r"p50 ttft|ttft p50", "ttft", "median"),
    (r"ttft.*", "ttft", ""),
    (r"p99 ttft.*", "ttft", "p99"),
    (r"p50 tpot", "tpot", "median"),
    # "Peak" is the best over the run: its inverse is the page's own peak rate.
    (r"peak tpot", "tpot", "min"),
    (r"mean tpot(?:,.*)?", "tpot", "mean"),
    (r"(?:.* )?tpot(?:,.*)?", "tpot", ""),
    (r"itl p50", "itl", "median"),
    (r"mean itl", "itl", "mean"),
    (r"itl", "itl", ""),
    (r"(?:mean e2e.*|average latency|wave latency)", "e2e_latency", "mean"),
    (r"wave latency p50", "e2e_latency", "median"),
    (r"generation time|prefill latency|total latency|mean single draft latency", "latency", ""),
    (r"decode step latency \(median\)", "latency", "median"),
    (r"request throughput|sustained throughput|benchmark duration.*", "throughput", ""),
    (r"(?:.*(?:input|prefill) (?:token )?throughput.*|pp512)", "input_throughput", ""),
    (r"decode throughput \(median\)", "output_throughput", "median"),
    (
        r"(?:generation throughput per user|decode throughput per request|per-user speed.*|decode speed per user.*)",
        "tpot",
        "",
    ),
    (r"(?:.*(?:output|decode|generation) (?:token )?throughput.*|sustained decode|tg128)", "output_throughput", ""),
    (r"(?:total (?:token )?throughput.*|speed \(prompt.*)", "total_throughput", ""),
    (r"(?:.*)throughput.*", "output_throughput", ""),
    (r"average .*power.*|gpu power draw.*", "power", "mean"),
    (r"peak power.*", "power", "max"),
    (r"total gpu energy", "energy", ""),
    (r"energy per successful query|board energy per video", "energy_per_sample", ""),
    (r"energy per .*token|(?:output|total) tokens per second per watt", "energy_per_token", ""),
    (r"gpu utilisation", "utilization", "mean"),
)

#: Pages whose plain "throughput per GPU" counts prompt and answer: rate times (latency of a request) gives both.
_COUNTS_BOTH = r"inferencex\.semi|sglang/pull/(?:31609|31363|32959)$"

_REASONS: tuple[tuple[str, str], ...] = (
    (r"per mw$", "a rate for a provisioned megawatt, not measured power"),
    (r"itl (?:slope|intercept)", "a coefficient of a fit, not a figure"),
    (r"throughput per gpu \(ep2\)$", "not said whether of the prompt, the answer or both"),
    (r"audio throughput", "audio seconds a second: no unit of the table"),
    (r"ttft, warm|warm cache|incl\. cache hits", "a warm prefix cache: part of the prompt was not computed"),
    (r"average power, 8 gpus", "copy: the sum of the power per accelerator of the same row"),
    (r"output tokens per second per watt", "copy: the inverse of the energy a token of the same row"),
)

_PHASES = {"serving": "serve", "serving (offline max load)": "offline", "end-to-end": "offline", "total": "offline",
           "end-to-end (prompt+generation)": "offline", "diffusion": "offline"}  # fmt: skip

#: Words of the page -> a name that the workload table knows.
_MODELS = {"DeepSeek (InferenceX 1k1k)": "DeepSeek-R1", "DeepSeek-R1 (NVFP4)": "DeepSeek-R1", "DeepSeek-R1 671B": "DeepSeek-R1",
           "DeepSeek 671B": "DeepSeek-V3", "Qwen3.6-27B + DSpark speculation": "Qwen3.6-27B", "Llama-7B ShareGPT": "Llama-7B",
           "moonshotai/Kimi-K2-Instruct\\": "moonshotai/Kimi-K2-Instruct", "not stated in excerpt": ""}  # fmt: skip


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled table of the serving facts."""
    facts = tables.read(raw, "serving")
    metric = facts["metric"].str.lower()
    frame = facts[["label", "profile", "origin", "url", "date", "accelerators", "quarantine", "estimate"]].copy()
    frame["workload"] = facts["workload"].replace(_MODELS)
    gemma = facts["problem_size"].str.extract(r"^(gemma-4-[\w-]+)")[0]
    frame["workload"] = frame["workload"].mask(gemma.notna(), gemma)
    stated = facts["problem_size"].str.extract(r"\((?:MoE, )?(\d+)x ")[0].astype("float64")
    frame["accelerators"] = frame["accelerators"].fillna(stated)
    words = tables.precisions(facts["precision"], facts["label"])
    named = facts["precision"].eq("as model name")
    words["precision"] = words["precision"].mask(named & facts["workload"].str.contains("FP8"), "fp8")
    frame = frame.join(words)
    frame["kv_precision"] = frame["kv_precision"].mask(facts["notes"].str.contains("FP8 KV"), "fp8")

    frame["quantity"], frame["statistic"] = "", ""
    for pattern, quantity, statistic in reversed(_METRICS):
        here = metric.str.fullmatch(pattern)
        frame.loc[here, ["quantity", "statistic"]] = [quantity, statistic]
    both = facts["source_url"].str.contains(_COUNTS_BOTH) & metric.str.fullmatch(r"throughput per gpu.*")
    # A benchmark of answers of one token counts the prompts.
    both |= metric.str.fullmatch(r"throughput per gpu.*") & (facts["output"] == 1)
    frame["quantity"] = frame["quantity"].mask(both, "total_throughput")
    for pattern, reason in _REASONS:
        here = metric.str.contains(pattern) & (frame["quarantine"] == "")
        frame.loc[here, "quarantine"] = reason

    _phases(frame, facts, metric)
    _shapes(frame, facts, metric)
    _values(frame, facts, metric)
    tables.mark_repeats(frame)
    return finish(frame, SOURCE)


def _phases(frame: pd.DataFrame, facts: pd.DataFrame, metric: pd.Series) -> None:
    phase = facts["phase"].replace(_PHASES)
    # 128 x 32 answers at 3,230 tokens/s take 1.27 s, which the prompts alone need: the rate is that of the decode steps.
    phase = phase.mask(facts["source_url"].str.endswith("sglang/pull/34731"), "decode")
    phase = phase.mask(metric.str.contains("under inference load|hybrid"), "load")
    frame["phase"] = phase
    frame["tool"] = np.where(phase.eq("serve"), "serving", "engine")
    frame.loc[frame["quantity"].isin(["power", "utilization", "energy"]) & phase.isin(["idle", "load"]), "tool"] = (
        "telemetry"
    )


def _shapes(frame: pd.DataFrame, facts: pd.DataFrame, metric: pd.Series) -> None:
    """Lengths and requests in flight. Published lengths are limits where a page gives the totals too: the mean counts then."""
    size = facts["problem_size"]
    total_in = size.str.extract(r"([\d]+) input(?: tokens|,)")[0].astype("float64")
    total_out = size.str.extract(r"([\d]+) (?:generated|output)")[0].astype("float64")
    run = ["source_url", "label", "problem_size", "precision", "batch_or_concurrency"]
    value = facts["number"]
    rate = value.where(metric == "request throughput").groupby([facts[c] for c in run]).transform("max")
    out_rate = value.where(metric == "output token throughput").groupby([facts[c] for c in run]).transform("max")
    # Requests of the run: answers over the mean answer; a whole number, when few.
    requests = total_out * rate / out_rate
    requests = requests.where(requests > 40, requests.round())
    known = facts["notes"].str.extract(r"(\d+) in / (\d+) out").astype("float64")
    known = known.fillna(size.str.extract(r"(\d+) input and (\d+) output").astype("float64"))
    known = known.fillna(facts["metric"].str.extract(r"(\d+) in / (\d+) out").astype("float64"))
    prompts = (
        facts["metric"]
        .str.extract(r"\((\d+) prompts")[0]
        .astype("float64")
        .fillna(size.str.extract(r"(\d+) prompts")[0].astype("float64"))
    )
    stated_in = facts["input"].fillna(facts["metric"].str.extract(r"cold, (\d+) tokens")[0].astype("float64"))
    frame["input_tokens"] = (total_in / requests).fillna(known[0] / prompts).fillna(stated_in)
    frame["output_tokens"] = (total_out / requests).fillna(known[1] / prompts).fillna(facts["output"])

    # "One per DP rank": data-parallel attention on every accelerator.
    ranks = facts["batch_or_concurrency"].str.extract(r"(\d+) per DP rank")[0].astype("float64")
    flight = facts["at_once"].fillna(ranks * frame["accelerators"])
    served = frame["phase"].isin(["serve", "interactive"]) | ranks.notna()
    frame["concurrency"] = flight.where(served)
    frame["batch"] = flight.where(~served)
    # These prompts went one at a time: the page's input rate times its time to first token is the length.
    alone = facts["source_url"].str.contains("58517226991") & frame["phase"].eq("prefill")
    frame.loc[alone, "batch"] = 1.0
    frame["context_tokens"] = frame["input_tokens"].where(frame["phase"].eq("decode"))


def _values(frame: pd.DataFrame, facts: pd.DataFrame, metric: pd.Series) -> None:
    """Values, units and scopes; figures of a node count as eight accelerators."""
    unit = facts["unit"].str.lower().str.replace("·", " ")
    value = facts["number"].copy()
    per_accelerator = unit.str.contains(r"/gpu|per gpu|/h200") & ~unit.str.contains("per node|node$")
    node = unit.str.contains("node")
    frame.loc[node, "accelerators"] = 8.0
    tokens = frame["quantity"].isin(["input_throughput", "output_throughput", "total_throughput"])
    out = facts["unit"].mask(tokens, "token/s")
    out = out.mask(metric == "request throughput", "request/s").mask(unit == "w/gpu", "W")

    # A user's rate is the inverse of the time per token.
    user = (frame["quantity"] == "tpot") & unit.str.contains("tok")
    value, out = value.mask(user, 1.0 / value), out.mask(user, "s")
    videos = unit == "videos/h"
    value, out = value.mask(videos, value / 3600.0), out.mask(videos, "video/s")
    # The time of a benchmark of so many prompts is their rate.
    whole = metric.str.startswith("benchmark duration")
    prompts = (
        facts["metric"]
        .str.extract(r"\((\d+) prompts")[0]
        .fillna(facts["problem_size"].str.extract(r"(\d+) prompts")[0])
    )
    value = value.mask(whole, numbers(prompts.fillna("")) / value)
    out = out.mask(whole, "request/s")
    # Energy a token of prompt and answer alike -> a token of the answer, as everywhere else in the table.
    length = (frame["input_tokens"] + frame["output_tokens"]) / frame["output_tokens"]
    watt = metric == "total tokens per second per watt"
    value = value.mask(watt, length / value)
    value = value.mask(metric == "energy per total token", length * value)
    out = out.mask(frame["quantity"] == "energy_per_token", "J/token")
    out = out.mask(unit == "j/query", "J/request").mask(unit == "wh", "J/request")
    value = value.mask(unit == "wh", value * 3600.0)
    frame["value"], frame["unit"] = value, out
    frame["scope"] = np.where(per_accelerator | unit.eq("w/gpu") | unit.eq("%"), "accelerator", "system")
    frame.loc[facts["phase"].eq("idle"), "scope"] = "accelerator"

    def blame(mask: pd.Series, why: str) -> None:
        frame.loc[mask & (frame["quarantine"] == ""), "quarantine"] = why

    blame(metric.eq("throughput (maximum reached)"), "copy: another report of the same figure")
    blame(facts["precision"].eq("Q2_0"), "weights of two bits: no precision of the table")
    blame(
        facts["notes"].str.contains("hybrid") | metric.str.contains("hybrid"), "half of the work ran on the processor"
    )
    blame(facts["notes"].str.contains("tokenizer bottleneck|host-bound"), "bound by the host, as its page says")
    blame(facts["notes"].str.contains("vendor announcement"), "an announcement, no measurement")
    blame(facts["workload"].eq("speculative draft step"), "a draft model that is not named")
