"""One scrape of dcgm-exporter: 247 H100 SXM on 31 nodes at one moment.

A row was one gauge of one GPU: power, utilisation or memory in use. A profile is one node (numbered, not named). Whether a
GPU idled is told by its utilisation.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint.lab.ingest.labelled import Source, finish

SOURCE = Source(
    name="h100-dcgm-exporter-snapshot",
    folders=("micro/h100_dcgm_exporter_snapshot",),
    profile_rule="one node",
    origin="shubhindia/gpu-telemetry-processor",
    licence="none stated (figures only)",
    left_out="clocks and free memory (identity), temperatures, copy, encoder and decoder utilisation; gauges at zero; names of "
    "hosts and devices",
)

_METRICS = {
    "DCGM_FI_DEV_POWER_USAGE": ("power", "W"),
    "DCGM_FI_DEV_GPU_UTIL": ("utilization", "%"),
    "DCGM_FI_DEV_FB_USED": ("memory_used", "MiB"),
}

#: Megabytes that the driver holds on a GPU nobody uses.
_DRIVER_MIB = 16.0

_FILE = "upstream/data/dcgm_metrics_20250718_134233.csv.gz"
_URL = (
    "https://github.com/shubhindia/GPU-telemetry-processor/blob/710d832f9c4bc6053772b0940fee3fbeae737bf0/"
    "data/dcgm_metrics_20250718_134233.csv"
)


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    path = raw / SOURCE.folders[0] / _FILE
    table = pd.read_csv(path, usecols=["metric_name", "gpu_id", "modelName", "Hostname", "uuid", "value"])
    busy = table[table["metric_name"] == "DCGM_FI_DEV_GPU_UTIL"].set_index("uuid")["value"]
    table["node"] = pd.factorize(table["Hostname"], sort=True)[0]
    table["idle"] = table["uuid"].map(busy) == 0
    least = table["metric_name"].map({"DCGM_FI_DEV_FB_USED": _DRIVER_MIB}).fillna(0.0)
    table = table[table["metric_name"].isin(list(_METRICS)) & (table["value"] > least)]
    table = table.sort_values(["node", "gpu_id", "metric_name"], kind="stable").reset_index(drop=True)
    frame = pd.DataFrame(
        {
            "profile": "node-" + table["node"].map("{:02d}".format),
            "label": table["modelName"],
            "tool": "telemetry",
            "phase": table["idle"].map({True: "idle", False: "load"}),
            "quantity": table["metric_name"].map({k: v[0] for k, v in _METRICS.items()}),
            "unit": table["metric_name"].map({k: v[1] for k, v in _METRICS.items()}),
            "scope": "accelerator",
            "accelerators": 1,
            "value": table["value"],
            "date": "2025-07-18",
            "url": _URL,
        }
    )
    return finish(frame, SOURCE)
