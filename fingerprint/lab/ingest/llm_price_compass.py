"""Three serving runs of Llama 3.1 8B on one GPU each (H100, A10G, L4), collected by llm-price-compass.

A row was one figure of one run; a profile is one run. The runs used different engines, and their prompts are ShareGPT's:
lengths are the means over all requests. Requests arrive faster than they are served, so times to the first token are queueing.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint.lab.ingest.labelled import Source, finish, numbers

SOURCE = Source(
    name="llm-price-compass",
    folders=("llm/llm_price_compass",),
    profile_rule="one run",
    origin="arc53/llm-price-compass",
    licence="MIT",
    left_out="prices",
)

#: Column -> quantity, unit, statistic.
FIGURES = {
    "input_throughput": ("input_throughput", "token/s", ""),
    "output_throughput": ("output_throughput", "token/s", ""),
    "request_throughput": ("throughput", "request/s", ""),
    **{
        f"{statistic}_{name}": (quantity, "ms", statistic)
        for name, quantity in (("ttft", "ttft"), ("tpot", "tpot"), ("itl", "itl"), ("e2e_latency", "e2e_latency"))
        for statistic in ("mean", "median", "p99")
    },
}


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    runs = pd.read_csv(raw / SOURCE.folders[0] / "gpu-benchmarks.csv", dtype=str, keep_default_na=False)
    parts = []
    for column, (quantity, unit, statistic) in FIGURES.items():
        if column in runs:
            part = pd.DataFrame({"value": numbers(runs[column]), "quantity": quantity, "unit": unit})
            parts.append(part.assign(statistic=statistic, run=runs.index))
    figures = pd.concat(parts).dropna(subset="value").sort_values(["run", "quantity", "statistic"])
    run = runs.loc[figures["run"].to_numpy()].reset_index(drop=True)
    frame = figures.drop(columns="run").reset_index(drop=True)
    done = numbers(run["completed"]).fillna(numbers(run["successful_requests"]))
    generated = numbers(run["total_output_tokens"]).fillna(numbers(run["total_generated_tokens"]))
    frame["label"] = run["gpu"]
    frame["workload"] = run["model_id"]
    frame["tool"], frame["phase"], frame["scope"], frame["accelerators"] = "serving", "serve", "system", 1.0
    frame["input_tokens"] = numbers(run["total_input_tokens"]) / done
    frame["output_tokens"] = generated / done
    frame["profile"] = run["gpu"] + "/" + run["backend"]
    frame["run"] = frame["profile"]
    frame["date"] = run["date"].str.replace(r"^(\d{4})(\d\d)(\d\d).*", r"\1-\2-\3", regex=True)
    frame["url"] = "https://github.com/arc53/llm-price-compass"
    return finish(frame, SOURCE)
