"""What nvidia-smi printed in public documents and issues: 99 GPUs of 18 kinds, most of them idle.

A row was one field of one GPU: power draw, utilisation or memory in use. A profile is one snapshot. The snapshots come from
different people; those whose repository is not known are one origin.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint.lab.ingest.labelled import Source, finish, numbers

SOURCE = Source(
    name="nvidia-smi-snapshots",
    folders=("micro/nvidia_smi_snapshots",),
    profile_rule="one snapshot of one GPU",
    licence="figures only",
    left_out="power limits and memory sizes (identity), temperatures; fields at zero",
)

#: The driver names the form factor of all but the SXM parts; their limits of 700 W and memory sizes say the same.
_LABELS = {"NVIDIA H200": "H200 SXM", "NVIDIA H800": "H800 SXM", "NVIDIA H20": "H20 96GB"}

_METRICS = {
    "power_draw": ("power", "W"),
    "utilization_gpu": ("utilization", "%"),
    "memory_used": ("memory_used", "MiB"),
}


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    facts = pd.read_csv(raw / SOURCE.folders[0] / "facts.csv", dtype=str, keep_default_na=False)
    facts["value"] = numbers(facts["value"])
    facts["snapshot"] = facts["notes"].str.extract(r"snapshot=([^;]+)")[0].str.strip()
    facts["row"] = facts["snapshot"] + "|" + facts["gpu"] + "|" + facts["notes"]
    busy = facts[facts["metric"] == "utilization_gpu"].drop_duplicates("row").set_index("row")["value"]
    facts = facts[facts["metric"].isin(list(_METRICS)) & (facts["value"] > 0)].reset_index(drop=True)
    use = facts["row"].map(busy)
    named = facts["source_url"].str.startswith("https://")
    frame = pd.DataFrame(
        {
            "profile": "snapshot-" + pd.Series(pd.factorize(facts["row"])[0]).map("{:02d}".format),
            "label": facts["gpu_label_verbatim"].replace(_LABELS),
            "tool": "telemetry",
            # Where no utilisation was printed neither is said.
            "phase": (use > 0).map({True: "load", False: "idle"}).where(use.notna(), ""),
            "quantity": facts["metric"].map({k: v[0] for k, v in _METRICS.items()}),
            "unit": facts["metric"].map({k: v[1] for k, v in _METRICS.items()}),
            "scope": "accelerator",
            "accelerators": 1,
            "value": facts["value"],
            "quarantine": facts["notes"].str.contains("MIG enabled").map({True: "divided by MIG", False: ""}),
            "url": facts["source_url"].where(named, ""),
            "origin": facts["repo"].str.lower().where(named, ""),
        }
    )
    return finish(frame, SOURCE)
