"""The ML.ENERGY leaderboard v2 (vLLM and diffusers on A100 SXM 40GB and H100 SXM) and its predecessor (A100, A40, V100).

A row of v2 was one figure of one configuration (model, GPU count, batch limit): output tokens a second of the group, mean
time per output token, energy a request of all GPUs; or the latency of a batch of images and the energy an image. The
predecessor ran each request alone: tokens a second, latency and energy a request. A profile is one chip and one task. The
figures of a configuration share `run`.

`concurrency` is the mean number of requests in flight. No precision is stated but in the names of FP8 models.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint.lab.ingest.labelled import Source, finish, numbers, slug
from fingerprint.readers import ml_energy

SOURCE = Source(
    name="ml-energy-v2",
    folders=("micro/ml_energy_v2",),
    profile_rule="one chip in one task of the leaderboard",
    origin="ml-energy",
    licence="Apache-2.0",
    left_out="settings listed among the figures (batch sizes, mean answer lengths, denoising steps): they are columns here",
)

#: Metric -> quantity, unit, statistic, scope.
_METRICS = {name: ml_energy.FIGURES[name] for name in ("Token tput (tok/s)", "Avg TPOT (s)", "Energy/req (J)", "Batch latency (s)",
                                                       "Energy/image (J)", "Energy/video (J)")}  # fmt: skip

#: Figure of the predecessor -> the same.
_LEGACY = {
    "throughput": ("output_throughput", "token/s", "mean", "system"),
    "latency": ("e2e_latency", "s", "mean", ""),
    "energy": ("energy_per_sample", "J/request", "mean", "system"),
}

#: Fine-tunes of LLaMA whose names do not say so: the same shape, the same cost.
_LLAMA = {
    "tatsu-lab/alpaca-7B": "llama-7b",
    "BAIR/koala-7b": "llama-7b",
    "BAIR/koala-13b": "llama-13b",
    "camel-ai/CAMEL-13B-Combined-Data": "llama-13b",
    "project-baize/baize-v2-7B": "llama-7b",
    "nomic-ai/gpt4all-13b-snoozy": "llama-13b",
    "openaccess-ai-collective/manticore-13b-chat-pyg": "llama-13b",
}

_BLOB = "https://github.com/ml-energy/leaderboard-v2/blob/c3af7f31e231a2a7021c5f8e2a54dd712d02e6e2/data/legacy/"


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    folder = raw / SOURCE.folders[0]
    return finish(pd.concat([_current(folder), _legacy(folder)], ignore_index=True), SOURCE)


def _facts(kind: pd.Series, table: dict[str, tuple[str, str, str, str]]) -> pd.DataFrame:
    names = ("quantity", "unit", "statistic", "scope")
    return pd.DataFrame(
        {n: kind.map({k: v[i] for k, v in table.items()}) for i, n in enumerate(names)}, index=kind.index
    )


def _current(folder: Path) -> pd.DataFrame:
    table = pd.read_csv(folder / "facts.csv.gz", dtype=str, keep_default_na=False)
    table["number"] = numbers(table["value"])
    table["run"] = "ml-energy-v2/" + pd.Series(pd.factorize(table["source_url"])[0]).astype(str)
    # The settings stand among the figures; each configuration (file) has them once.
    settings = table.pivot_table(index="run", columns="metric", values="number", aggfunc="first")
    kept = table[table["metric"].isin(list(_METRICS))]
    served = kept["tool"] == "vllm"
    out = _facts(kept["metric"], _METRICS)
    out["value"], out["run"], out["url"] = kept["number"], kept["run"], kept["source_url"]
    task, model = kept["kernel_or_test"].str.split(":").str[0], kept["kernel_or_test"].str.split(":").str[1]
    out["workload"] = model
    out["precision"] = model.str.contains("fp8", case=False).map({True: "fp8", False: ""})
    out["label"] = kept["gpu_label_verbatim"]
    out["accelerators"] = numbers(kept["n_gpus"]).set_axis(kept.index)
    out["profile"] = out["label"].map(slug) + "/" + task.map(slug)
    out["tool"] = served.map({True: "serving", False: "engine"})
    out["phase"] = served.map({True: "serve", False: "offline"})
    for column, setting in (
        ("concurrency", "Avg BS (reqs)"),
        ("output_tokens", "Avg Output Tokens"),
        ("batch", "Batch size"),
    ):
        out[column] = kept["run"].map(settings[setting])
    return out


def _legacy(folder: Path) -> pd.DataFrame:
    parts = []
    for path in sorted((folder / "upstream/data/legacy").glob("*_benchmark.csv")):
        chip, task = path.name.removesuffix("_benchmark.csv").split("_")
        wide = pd.read_csv(path)
        wide["run"] = f"ml-energy-legacy/{chip.lower()}-{task}/" + wide["model"].map(slug)
        long = wide.melt(id_vars=["model", "run", "response_length"], value_vars=list(_LEGACY), var_name="figure")
        out = _facts(long["figure"], _LEGACY)
        out["value"], out["run"], out["output_tokens"] = long["value"], long["run"], long["response_length"]
        out["workload"] = long["model"].replace(_LLAMA)
        out["label"], out["profile"], out["url"] = chip, f"legacy/{chip.lower()}/{task}", _BLOB + path.name
        out["accelerators"], out["batch"] = 1, 1
        out["tool"], out["phase"] = "engine", "offline"
        parts.append(out)
    return pd.concat(parts, ignore_index=True)
