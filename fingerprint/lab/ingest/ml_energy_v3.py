"""The ML.ENERGY leaderboard v3: language models in vLLM and diffusion models in xDiT on H100 SXM and B200.

A row was one configuration (model, GPU count, parallelism, batch limit) measured in a steady state; its figures became a row
each: output tokens a second of the group, median and p99 inter-token latency, energy a token; or images (videos) a
second, batch latency, energy an image; and the mean power, which the source gives as the sum over the GPUs (energy a
token x tokens a second equals it to 1e-5). A profile is one chip and one task. The figures of a configuration share `run`.

Pictures and videos of a model have one size and one number of steps throughout, the model's own. `concurrency` is the mean number of requests in flight of the whole group. Prompt lengths are not published; prompts of the
image and video tasks are long.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint.lab.ingest.labelled import Source, finish, numbers, slug

SOURCE = Source(
    name="ml-energy-v3",
    folders=("micro/ml_energy_v3",),
    profile_rule="one chip in one task of the leaderboard",
    origin="ml-energy",
    licence="none stated in the repository (benchmark code Apache-2.0)",
    thinning="p90 and p95 latencies of the upstream files are not taken: p99 and the median are",
    left_out="nothing else",
)

#: Metric -> quantity, statistic, scope.
_METRICS = {
    "output_throughput": ("output_throughput", "", "system"),
    "median_itl": ("itl", "median", ""),
    "p99_itl": ("itl", "p99", ""),
    "energy_per_token": ("energy_per_token", "", "system"),
    "throughput": ("throughput", "", "system"),
    "batch_latency": ("latency", "", ""),
    "energy": ("energy_per_sample", "", "system"),
}

_LABELS = {"H100": "H100 80GB SXM", "B200": "B200"}


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    facts = pd.read_csv(raw / SOURCE.folders[0] / "facts.csv.gz", dtype=str, keep_default_na=False)
    served = facts["tool"] == "vllm"
    task = facts["kernel_or_test"].str.split(":").str[0]
    shape = facts["problem_size"]
    frame = pd.DataFrame(
        {
            "profile": facts["gpu_label_verbatim"].map(slug) + "/" + task,
            # The leaderboard's H100 is the 80 GB SXM part.
            "label": facts["gpu_label_verbatim"].map(_LABELS),
            "tool": served.map({True: "serving", False: "engine"}),
            "phase": served.map({True: "serve", False: "offline"}),
            "workload": facts["kernel_or_test"].str.split(":").str[1],
            # What the source states is the weights' precision. Weights in MXFP4 (gpt-oss) meet 16-bit activations.
            "precision": facts["dtype"].replace("mxfp4", "bfloat16"),
            "weight_precision": facts["dtype"],
            "accelerators": numbers(facts["n_gpus"]),
            "concurrency": numbers(shape.str.extract(r"avg_batch=([\d.]+)")[0]),
            "output_tokens": numbers(shape.str.extract(r"avg_out=([\d.]+)")[0]),
            "batch": numbers(shape.str.extract(r"(?:^|;)batch=(\d+)")[0]),
            "value": numbers(facts["value"]),
            "unit": facts["unit"],
            "url": facts["source_url"],
        }
    )
    for position, name in enumerate(("quantity", "statistic", "scope")):
        frame[name] = facts["metric"].map({metric: words[position] for metric, words in _METRICS.items()})
    setting = ["kernel_or_test", "gpu_label_verbatim", "n_gpus", "dtype", "problem_size"]
    frame["run"] = "ml-energy-v3/" + facts.groupby(setting, sort=False).ngroup().astype(str)
    frame["date"] = "2026-02"
    watts = frame.loc[~facts.duplicated(setting)].copy()
    watts["value"], watts["quantity"] = numbers(facts["power_w"])[watts.index], "power"
    watts["unit"], watts["statistic"], watts["scope"] = "W", "mean", "system"
    return finish(pd.concat([frame, watts]).sort_index(kind="stable"), SOURCE)
