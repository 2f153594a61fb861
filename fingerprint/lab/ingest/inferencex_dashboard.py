"""InferenceX's public dashboard: DeepSeek-R1 served on nine chips, captures of its programming interface.

A row was one run: chip, engine, parallelism, prompt and answer length, requests in flight, with rates per GPU and
latencies in seconds. A profile is one chip under one engine, with or without speculative decoding, in one month.

- Lengths are drawn between 0.8 and 1 of the stated ones; their mean, 0.9, is what enters.
- ``num_prefill_gpu`` and ``num_decode_gpu`` hold tensor times expert parallelism where nothing is disaggregated (64
  for an 8-GPU node): there the tensor size counts. Little's law confirms it row by row.
- Disaggregated, the total rate is per GPU of both pools, the output rate per decode GPU, and it and a token's time
  concern one decode worker with its share of the requests. Time to first token is left out there.
- Beside a token's time stands how many requests decode at once, by Little's law: the others wait for their first
  token.
- Eight early NVL72 runs give no worker counts; their rates contradict their counts.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from fingerprint.lab.ingest.inferencex import ORIGIN, RATE, SECONDS, common, figures, label, workloads_of
from fingerprint.lab.ingest.labelled import Source, finish
from fingerprint.readers.inferencex import decoding

SOURCE = Source(
    name="inferencex-dashboard",
    folders=("llm/inferencex_dashboard",),
    profile_rule="one chip under one engine, with or without speculative decoding, in one month",
    origin=ORIGIN,
    licence="GPL-3.0 (the application's repository; figures only)",
    left_out="percentiles other than the median, means (AIConfigurator's sample has them), inter-token latency, "
    "interactivity and energy per token (follow from other columns), first tokens of disaggregated runs, synthetic fixtures",
)

#: Output rate x latency against requests in flight: Little's law holds within these bounds in a run without failures.
_LITTLE = (0.6, 1.2)


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    runs = pd.read_csv(raw / SOURCE.folders[0] / "flat_dedup.csv.gz", low_memory=False)
    setting = pd.DataFrame(
        {
            "label": runs["hardware"].map(label),
            "workload": workloads_of(runs["model"]),
            "stated": runs["precision"],
            "date": runs["date"].astype(str),
            **{name: runs[name] for name in ("isl", "osl", "conc")},
        }
    )
    apart = runs["disagg"].astype(bool)
    decoders = runs["decode_num_workers"].where(apart & (runs["decode_num_workers"] > 0))
    decode = runs["num_decode_gpu"].where(apart, runs["decode_tp"])
    both = (runs["num_prefill_gpu"] + runs["num_decode_gpu"]).where(apart, runs["decode_tp"])
    shared = common(setting).assign(accelerators=both, url=runs["run_url"])
    stack = runs["framework"] + runs["spec_method"].map(lambda s: "" if s == "none" else f"+{s}")
    shared["profile"] = runs["hardware"] + "/" + stack + "/" + setting["date"].str[:7]

    output, total = runs["m_output_tput_per_gpu"], runs["m_tput_per_gpu"]
    little = output * decode * runs["m_median_e2el"] / (runs["conc"] * shared["output_tokens"])
    why = np.where(
        little.notna() & ~little.between(*_LITTLE), "rate and latency contradict each other: failed requests?", ""
    )
    shared["quarantine"] = np.where(apart & decoders.isna(), "disaggregated without worker counts", why)

    # One decode worker and its share of the requests; the whole group where nothing is disaggregated.
    worker = shared.assign(
        accelerators=decode.where(~apart, decode / decoders),
        concurrency=runs["conc"].where(~apart, runs["conc"] / decoders),
        phase=apart.map({True: "decode", False: "serve"}),
    )
    first, step = runs["m_median_ttft"], runs["m_median_tpot"]
    batch = decoding(worker["concurrency"], worker["output_tokens"], first, step)
    parts = [
        figures(shared, total, quantity="total_throughput", **RATE),
        figures(worker, output, quantity="output_throughput", **RATE),
        figures(shared, first.where(~apart), quantity="ttft", **SECONDS),
        figures(worker, step, quantity="tpot", **SECONDS, batch=batch),
        figures(shared, runs["m_median_e2el"], quantity="e2e_latency", **SECONDS),
        figures(shared, runs["m_avg_power_w"], quantity="power", unit="W", scope="accelerator", statistic="mean"),
    ]
    return finish(pd.concat(parts, ignore_index=True), SOURCE)
