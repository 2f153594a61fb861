"""Ten samples a second from DCGM on nodes of eight H100 SXM: the mean of each labelled phase of seven experiments.

A row was the mean over the samples of all eight GPUs in one phase: power, utilisation and memory in use of one GPU. A
profile is one experiment on one node. Two nodes' rows of one experiment share `run`, phase by phase.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint.lab.ingest.labelled import Source, finish, numbers

SOURCE = Source(
    name="h100-dcgm-10hz-telemetry",
    folders=("micro/h100_dcgm_10hz_telemetry",),
    profile_rule="one experiment on one node",
    origin="atharvanihalani/gpu-telemetry-exploration",
    licence="none stated (figures only)",
    thinning="phase means instead of 205,504 samples",
    left_out="SM, tensor and DRAM activity (shares of a peak that is not stated, so they name the chip or nothing), clocks, "
    "temperatures, whole-node power of the BMC, network counters; idle utilisation of zero",
)

_METRICS = {
    "mean_power_w": ("power", "W"),
    "mean_gpu_util_pct": ("utilization", "%"),
    "mean_mem_used_mib": ("memory_used", "MiB"),
}

#: What ran, where it is a known model.
_WORKLOADS = {"b1": "llama-3.1-8b", "i4": "llama-3.1-8b"}

#: Below this utilisation (in percent) the GPUs waited.
_IDLE_BELOW = 1.0


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    facts = pd.read_csv(raw / SOURCE.folders[0] / "facts.csv", dtype=str, keep_default_na=False)
    facts["value"] = numbers(facts["value"])
    busy = facts[facts["metric"] == "mean_gpu_util_pct"].set_index("kernel_or_test")["value"]
    facts = facts[facts["metric"].isin(list(_METRICS)) & (facts["value"] > 0)].reset_index(drop=True)
    experiment, phase = facts["kernel_or_test"].str.split(":").str[0], facts["kernel_or_test"].str.split(":").str[1]
    frame = pd.DataFrame(
        {
            "profile": experiment,
            "label": facts["gpu_label_verbatim"],
            "tool": "telemetry",
            "phase": (facts["kernel_or_test"].map(busy) < _IDLE_BELOW).map({True: "idle", False: "load"}),
            "workload": experiment.map(_WORKLOADS).fillna(""),
            "quantity": facts["metric"].map({k: v[0] for k, v in _METRICS.items()}),
            "unit": facts["metric"].map({k: v[1] for k, v in _METRICS.items()}),
            "statistic": "mean",
            "scope": "accelerator",
            "accelerators": 8,
            "value": facts["value"],
            "run": "dcgm-10hz/" + experiment.str.replace(r"_node\d$", "", regex=True) + "/" + phase,
            "url": facts["source_url"],
        }
    )
    return finish(frame, SOURCE)
