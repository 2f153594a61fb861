"""SGLang's cookbook, second repository: speed cells by model, number format, GPU and concurrency.

A row was one figure of one cell; a profile is one page, GPU and engine version. Rates are per GPU, counting either all
tokens or the generated ones. For more than half of the cells the number of GPUs was inferred, not published; where it could
not be, it is left empty. Lengths are fixed unless the cell says that they are drawn evenly from 0.

Speculative decoding is on in cells marked for low latency and cannot be seen in the others, unless they beat the memory:
then their whole group (same model, format, GPU, mark and version) is taken to speculate. A time per token is then no step, and
a rate at low concurrency no weight traffic; times to the first token stay good. Where most of a request's life is waiting, the
sequences in a step are fewer than the concurrency, by an unknown number, and the time per token is quarantined too.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from fingerprint import chips, workloads
from fingerprint.lab.ingest.labelled import Source, finish
from fingerprint.lab.ingest.llm_facts import read_facts
from fingerprint.units import BYTES

SOURCE = Source(
    name="sglang-cookbook-benchmarks",
    folders=("llm/sglang_cookbook_benchmarks",),
    profile_rule="one page, GPU and engine version",
    origin="sglang-cookbook",
    licence="Apache-2.0",
    left_out="nothing; cells of speculative decoding, copies and simulated ones are marked",
)

#: Published metric -> quantity, unit, scope.
METRICS = {
    "ttft": ("ttft", "ms", "system"),
    "tpot": ("tpot", "ms", "system"),
    "total_tok_per_sec_per_gpu": ("total_throughput", "token/s", "accelerator"),
    "output_tok_per_sec_per_gpu": ("output_throughput", "token/s", "accelerator"),
    "prefill_tok_per_sec_per_gpu": ("input_throughput", "token/s", "accelerator"),
}

#: Published format -> arithmetic, weights, cache. "fp4" and "mxfp4" are weights of mixed checkpoints, what multiplies
#: them is not stated; what "qat" stores is not either.
FORMATS = {
    "bf16": ("bf16", "", ""),
    "fp8": ("fp8", "", ""),
    "mxfp8": ("fp8", "", ""),
    "nvfp4": ("fp4", "", ""),
    "nvfp4-nvda": ("fp4", "", ""),
    "w4a4-nvfp4": ("fp4", "", ""),
    "fp4": ("", "fp4", ""),
    "mxfp4": ("", "fp4", ""),
    "int4": ("", "int4", ""),
    "fp8-bf16kv": ("fp8", "", "bf16"),
    "fp8-fp8kv": ("fp8", "", "fp8"),
    "nvfp4-bf16kv": ("fp4", "", "bf16"),
    "nvfp4-fp8kv": ("fp4", "", "fp8"),
}

#: Chips that multiply in four bits; elsewhere four-bit weights are widened first.
_FOUR_BIT = ("B200", "B300", "GB200", "GB300", "RTX PRO 6000", "GB10", "RTX 5090", "MI350X", "MI355X")

#: Share of the expected traffic for experts that a plain step surely has: routing repeats itself, so a batch visits fewer
#: experts than chance would have it.
_SURELY_VISITED = 0.6

#: At and below this concurrency a rate is bound by weight traffic, which speculation shares among tokens.
_FEW_SEQUENCES = 64


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    facts = read_facts(raw / SOURCE.folders[0] / "facts.csv")
    notes = facts["notes"]
    frame = facts[["accelerators", "input_tokens", "output_tokens", "value", "url"]].copy()
    # The column of resolved names knows that cells keyed gb300 on one page were measured on B300, and rtx6000 is the PRO.
    frame["label"] = facts["gpu"].mask(notes.str.contains("A100 40GB"), "A100 40GB")
    frame["workload"] = facts["model"]
    frame["concurrency"] = facts["load"]
    for place, name in enumerate(("quantity", "unit", "scope")):
        frame[name] = facts["metric"].map({metric: known[place] for metric, known in METRICS.items()})
    drawn = notes.str.contains("random lengths 0..", regex=False)
    for name in ("input_tokens", "output_tokens"):
        frame[name] = frame[name].mask(drawn, frame[name] / 2.0)
    frame["tool"] = "serving"
    frame["phase"] = facts["phase"].replace({"mixed": "serve"})
    timed = frame["unit"] == "ms"
    mean = notes.str.contains("latency=mean") | notes.str.contains("mean latency")
    median = notes.str.contains("latency=P50") | notes.str.contains("latency=median")
    frame["statistic"] = np.select([timed & mean, timed & median], ["mean", "median"], "")
    for place, name in enumerate(("precision", "weight_precision", "kv_precision")):
        frame[name] = facts["precision"].map({text: known[place] for text, known in FORMATS.items()}).fillna("")
    widened = frame["precision"].eq("fp4") & ~facts["gpu"].isin(_FOUR_BIT)
    frame.loc[widened, "weight_precision"] = "fp4"
    frame.loc[widened, "precision"] = ""
    page = frame["url"].str.extract(r"/([^/]+?)(?:-benchmarks\.jsx)?$", expand=False)
    page = page.fillna(facts["model"].str.split().str[0])  # pages known by their models only
    frame["profile"] = page + "/" + facts["gpu"] + "/" + facts["framework"] + "/" + facts["version"]
    frame["estimate"] = notes.str.contains("simulated").astype("int8")
    why = pd.Series("", index=frame.index)
    why[notes.str.contains("copy-paste")] = "copy of another cell, by the looks of it"
    stepwise = frame["quantity"].eq("tpot") | (frame["quantity"].ne("ttft") & (frame["concurrency"] <= _FEW_SEQUENCES))
    decoding = _decoding_share(frame, facts)
    speculative = _speculative(frame, facts, frame["concurrency"] * decoding)
    why[stepwise & speculative & (why == "")] = "speculative decoding: several tokens a step"
    queued = frame["quantity"].eq("tpot") & (decoding < 0.5)
    why[queued & (why == "")] = "most requests wait: how many share a step is not known"
    # What "qat" stores is not stated, so a step's weight traffic is not known.
    why[stepwise & facts["precision"].eq("qat") & (why == "")] = "the stored format is not stated"
    frame["quarantine"] = why
    return finish(frame, SOURCE)


def _cell(facts: pd.DataFrame) -> list[pd.Series]:
    names = ("url", "model", "precision", "gpu", "framework", "version", "notes", "accelerators", "input_tokens",
             "output_tokens", "load")  # fmt: skip
    return [facts[name].fillna(0) for name in names]


def _decoding_share(frame: pd.DataFrame, facts: pd.DataFrame) -> pd.Series:
    """Return the share of a request's life that it spends decoding, from its cell's two latencies; 1 where one is missing."""
    cell = _cell(facts)
    first = frame["value"].where(frame["quantity"] == "ttft").groupby(cell).transform("max")
    step = frame["value"].where(frame["quantity"] == "tpot").groupby(cell).transform("max")
    decode = step * frame["output_tokens"]
    return (decode / (first + decode)).fillna(1.0)


def _speculative(frame: pd.DataFrame, facts: pd.DataFrame, sequences: pd.Series) -> pd.Series:
    """Return whether a row's group decodes several tokens a step: marked for low latency, or faster than its memory."""
    mark = facts["notes"].str.split(";").str[0]
    memory = facts["gpu"].map({label: _memory_bandwidth(label) for label in facts["gpu"].unique()})
    width = frame["weight_precision"].mask(frame["weight_precision"] == "", frame["precision"]).map(BYTES)
    needed = _weights_read(facts["model"], sequences) * width / memory / frame["accelerators"]
    beaten = frame["quantity"].eq("tpot") & (frame["value"] * 1e-3 < needed)
    group = [facts["model"], facts["precision"], facts["gpu"], mark, facts["framework"], facts["version"]]
    return mark.eq("low-latency") | beaten.groupby(group).transform("any")


def _weights_read(model: pd.Series, sequences: pd.Series) -> pd.Series:
    """Return the parameters that a step of some sequences reads at the least; NaN where the model is not known."""
    known = workloads.table()
    shapes = {}
    for name in model.unique():
        found = known.get(workloads.resolve(name) or "")
        shapes[name] = (found.active_parameters, found.total_parameters) if found else (np.nan, np.nan)
    active = model.map({name: shape[0] for name, shape in shapes.items()})
    total = model.map({name: shape[1] for name, shape in shapes.items()})
    # By chance each token misses a parameter of the experts with 1 - active / total, near enough for sparse models.
    visited = total * (1.0 - (1.0 - active / total) ** sequences.clip(lower=1.0))
    return active + _SURELY_VISITED * (visited - active)


def _memory_bandwidth(label: str) -> float:
    known = chips.table()
    return max(
        (known[chip].memory_bandwidth for chip in chips.members(chips.resolve(label) or "")), default=float("nan")
    )
