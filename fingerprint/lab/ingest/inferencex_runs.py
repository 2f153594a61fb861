"""InferenceX runs found on branches: B200 baselines with power, three models on H200, replayed agent sessions.

A row was one run. A profile is one file's runs on one chip. Lengths of the baselines and of the H200 runs are the
means over their requests. Replayed sessions find most of their prompt cached, so that only their output rate and times
per token stay.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fingerprint.lab.ingest.inferencex import ORIGIN, common, label, workloads_of
from fingerprint.lab.ingest.labelled import Source, finish
from fingerprint.lab.ingest.llm_facts import read_facts
from fingerprint.readers import inferencex

SOURCE = Source(
    name="inferencex-runs",
    folders=("llm/inferencex_runs",),
    profile_rule="one chip in one file of runs",
    origin=ORIGIN,
    licence="Apache-2.0",
    left_out="B200 multi-turn Llama (the chip is inferred, not stated); the AIPerf exports of MI355X (sessions with a "
    "warm cache); the agentic summary (copies of the runs); energy counters without a duration; facts of replayed "
    "sessions but their output rate; offline runs with speculative decoding; the baselines' median request (lengths "
    "vary from 0 up); a row without lengths",
)

_REPOSITORY = "https://github.com/SemiAnalysisAI/InferenceX"
_WORDS = ("tool", "workload", "phase", "precision", "weight_precision", "statistic", "scope", "quantity", "unit")


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    folder = raw / SOURCE.folders[0]
    parts = [
        pd.DataFrame(_baselines(folder / "together_b200_baselines.jsonl")),
        pd.DataFrame(_token_positions(folder / "h200_token_position.jsonl")),
        _sessions(folder / "b200_agentic_dsr1.jsonl"),
        _sessions(folder / "mi355x_kimi_tp8_sweep.jsonl"),
        _facts(folder / "facts.csv"),
    ]
    frame = pd.concat(parts, ignore_index=True)
    frame["url"] = frame["url"].fillna(_REPOSITORY)
    return finish(frame, SOURCE)


def _documents(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return the upstream path and content of each run."""
    wrapped = [json.loads(line) for line in path.read_text().splitlines()]
    return [(entry["path"], entry["data"]) for entry in wrapped]


def _baselines(path: Path) -> list[dict[str, Any]]:
    rows = []
    for place, run in _documents(path):
        metrics, power = run["metrics"], run["gpu"]
        prompts = metrics["total_token_throughput"] - metrics["output_token_throughput"]
        setting = {
            "profile": path.stem + "/" + place.split("/")[3], "label": label(run["hw"]), "tool": "serving", "phase": "serve",
            "workload": inferencex.workload(run["model"])[0], **inferencex.precisions(run["precision"]),
            "accelerators": run["tp"], "concurrency": run["conc"], "date": run["ts"][:10],
            "input_tokens": prompts / metrics["request_throughput"],
            "output_tokens": metrics["output_token_throughput"] / metrics["request_throughput"],
        }  # fmt: skip
        step = metrics["median_tpot_ms"]
        figures = [
            ("total_throughput", "token/s", "", metrics["total_token_throughput"], np.nan),
            ("output_throughput", "token/s", "", metrics["output_token_throughput"], np.nan),
            ("ttft", "ms", "median", metrics["median_ttft_ms"], np.nan),
            ("tpot", "ms", "median", step, metrics["output_token_throughput"] * step * 1e-3),
        ]
        for quantity, unit, statistic, value, batch in figures:
            figure = {"quantity": quantity, "unit": unit, "statistic": statistic, "value": value, "batch": batch}
            rows.append({**setting, "scope": "system", **figure})
        # Where fewer GPUs served than the node has, the mean is over idle ones too.
        if power["n_gpus"] == run["tp"]:
            drawn = {"quantity": "power", "unit": "W", "statistic": "mean", "value": power["mean_power_per_gpu_w"]}
            rows.append({**setting, "scope": "accelerator", **drawn})
    return rows


def _token_positions(path: Path) -> list[dict[str, Any]]:
    """Eight H200 each: the file names give the parallelism, the folder the chip."""
    rows = []
    for place, run in _documents(path):
        setting = {
            "profile": path.stem + "/" + place.split("/")[2], "label": "H200 SXM", "tool": "serving", "phase": "serve",
            "workload": inferencex.workload(run["model_id"])[0], "precision": "fp8", "accelerators": 8,
            "concurrency": run["max_concurrency"], "date": f"{run['date'][:4]}-{run['date'][4:6]}-{run['date'][6:8]}",
            "input_tokens": run["total_input_tokens"] / run["completed"],
            "output_tokens": run["total_output_tokens"] / run["completed"],
            "url": f"{_REPOSITORY}/tree/main/{place.rpartition('/')[0]}",
        }  # fmt: skip
        step = run["median_tpot"]
        figures = [
            ("output_throughput", "token/s", "", run["output_throughput"], np.nan),
            ("ttft", "s", "median", run["median_ttft"], np.nan),
            ("tpot", "s", "median", step, run["output_throughput"] * step),
            ("e2e_latency", "s", "median", run["median_e2el"], np.nan),
        ]
        for quantity, unit, statistic, value, batch in figures:
            figure = {"quantity": quantity, "unit": unit, "statistic": statistic, "value": value, "batch": batch}
            rows.append({**setting, "scope": "system", **figure})
    return rows


def _sessions(path: Path) -> pd.DataFrame:
    """Replayed agent sessions, as the reader of users' files reads them."""
    runs = [run for _, run in _documents(path)]
    found = inferencex.read(io.StringIO(json.dumps(runs)), path.stem)
    frame = found.to_frame()
    frame = frame[frame["statistic"].isin(["", "mean", "median"])].reset_index(drop=True)
    return frame.assign(label=label(runs[0]["hw"].removeprefix("cluster:").split("-")[0]), profile=path.stem)


def _facts(path: Path) -> pd.DataFrame:
    facts = read_facts(path)
    swept = facts["metric"].eq("tput_per_gpu") & facts["input_tokens"].notna()
    output = facts["metric"].eq("output_tput_per_gpu")
    facts = facts[(swept | output) & ~facts["notes"].str.contains("MTP")].reset_index(drop=True)
    offline = facts["phase"] == "decode"
    setting = pd.DataFrame(
        {
            "label": facts["label"],
            "workload": workloads_of(facts["model"]),
            "stated": facts["precision"],
            "isl": facts["input_tokens"],
            "osl": facts["output_tokens"],
            "conc": facts["load"],
            "date": facts["version"].str.extract(r"^(\d{4}-\d{2}-\d{2})", expand=False).fillna(""),
        }
    )
    frame = common(setting).assign(
        quantity=facts["metric"].map({"tput_per_gpu": "total_throughput", "output_tput_per_gpu": "output_throughput"}),
        unit="token/s",
        scope="accelerator",
        value=facts["value"],
        accelerators=facts["accelerators"],
        run="",
        url=facts["url"],
    )
    # The offline benchmark decodes a fixed batch over a context of the stated length.
    frame.loc[offline, "tool"] = "engine"
    frame.loc[offline, "phase"] = "decode"
    frame["batch"] = frame["concurrency"].where(offline)
    frame["concurrency"] = frame["concurrency"].where(~offline)
    frame.loc[offline, "input_tokens"] = facts["input_tokens"]
    tuned = facts["notes"].str.extract(r"(before|after) tuning", expand=False).fillna("")
    place = facts["url"].str.rsplit("/", n=1).str[-1]
    frame["profile"] = place + "/" + facts["label"] + "/" + facts["model"] + "/" + tuned
    return frame
