"""The end-to-end runs that AIConfigurator is checked against: mean time to first token and per output token.

A row was one run. Nine in ten are InferenceX's (their means equal the dashboard's to the last digit) and carry its
name as origin; the rest are NVIDIA's own. A profile is one chip under one engine and version (one month where the
version is not stated) of one of the two.

- Two snapshots of InferenceX repeat runs; the second is quarantined.
- Runs named "dsr1" stand as DeepSeek-V3: they are of DeepSeek-R1.
- Sizes of groups are wrong wherever expert parallelism is stated; see the reader's :func:`sample_accelerators`.
- Speculative decoding is not stated: a quarter of the matched DeepSeek-R1 runs used it.
- Disaggregated runs without worker counts are left out: what their times concern isn't known.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from fingerprint.lab.ingest.inferencex import ORIGIN, SECONDS, common, figures, label, workloads_of
from fingerprint.lab.ingest.labelled import Source, finish
from fingerprint.readers.inferencex import decoding, drawn_lengths, sample_accelerators

SOURCE = Source(
    name="aiconfigurator-serving",
    folders=("llm/aiconfigurator/silicon_sample.csv.gz",),
    profile_rule="one chip under one engine and version, InferenceX's runs and NVIDIA's own apart",
    origin=ORIGIN,
    licence="Apache-2.0",
    left_out="disaggregated runs without worker counts (1,328) and their first tokens",
)

_URL = "https://github.com/ai-dynamo/aiconfigurator/blob/095f58a51c4ca8e61b66ec108d86f223f8d559ce/aic-core/src/aiconfigurator_core/systems/silicon_sample.csv"  # fmt: skip


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    runs = pd.read_csv(raw / SOURCE.folders[0], dtype=str, keep_default_na=False)
    apart = runs["mode"] == "disagg"
    runs = runs[~apart | (runs["decode_num_workers"] != "")].reset_index(drop=True)
    apart = runs["mode"] == "disagg"
    published = runs["silicon_data_source"].map(drawn_lengths)
    model = runs["model_path"].mask(runs["id"].str.startswith("dsr1_"), "deepseek-ai/DeepSeek-R1")
    requests = runs["silicon_data_source"].str.extract(r"silicon_concurrency=(\d+)", expand=False)
    setting = pd.DataFrame(
        {
            "label": runs["system"].str.replace("_sxm", "").map(label),
            "workload": workloads_of(model),
            "stated": runs["precision"].mask(runs["precision"] == "", runs["gemm_quant_mode"]),
            "isl": runs["isl"].astype(float),
            "osl": runs["osl"].astype(float),
            "conc": requests.astype(float),
            "date": runs["silicon_data_source"].str.extract(r"measured=(\d{4}-\d{2}-\d{2})", expand=False).fillna(""),
        }
    )
    shared = common(setting)
    for column, key in (("input_tokens", "isl"), ("output_tokens", "osl")):
        shared[column] = shared[column].where(published, setting[key])
    cells = [dict(zip(map(str, runs.columns), row, strict=True)) for row in runs.to_numpy()]
    group = [sample_accelerators(row, "decode_" if pool else "") for row, pool in zip(cells, apart, strict=True)]
    shared["accelerators"] = np.array(group, dtype=np.float64)
    workers = pd.to_numeric(runs["decode_num_workers"]).where(apart, 1.0)
    shared["concurrency"] = setting["conc"] / workers
    shared["origin"] = published.map({True: ORIGIN, False: "aiconfigurator"})
    shared["run"] = shared["run"].where(published, "")
    version = runs["backend_version"].mask(runs["backend_version"] == "", setting["date"].str[:7])
    shared["profile"] = runs["system"] + "/" + shared["origin"] + "/" + runs["backend"] + "-" + version
    shared["url"] = _URL
    same = ["system", "mode", "isl", "osl", "silicon_ttft_ms", "silicon_tpot_ms"]
    copied = runs.duplicated(same).map({True: "copy of the same run in another snapshot", False: ""})
    # 448 prompts of 15,000 tokens do not fit the two GPUs of a group: a router spread them over groups.
    spread = runs["silicon_data_source"].str.contains("gtl_task_id|gtl_job_id")
    shared["quarantine"] = copied.mask(spread & (copied == ""), "several groups served, their number is not stated")
    first, step = (pd.to_numeric(runs[f"silicon_{name}_ms"]) for name in ("ttft", "tpot"))
    batch = decoding(shared["concurrency"], shared["output_tokens"], first, step)
    late = apart.map({True: "decode", False: "serve"})
    mean = {**SECONDS, "unit": "ms", "statistic": "mean"}
    parts = [
        figures(shared, first.where(~apart), quantity="ttft", **mean),
        figures(shared, step, quantity="tpot", **mean, batch=batch, phase=late),
    ]
    return finish(pd.concat(parts, ignore_index=True), SOURCE)
