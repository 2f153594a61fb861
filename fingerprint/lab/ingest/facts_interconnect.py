"""Collectives and transfers of issues, pull requests, posts and papers: ``facts/interconnect.csv``.

A row was one published bandwidth or time of a collective, of expert-parallel dispatch and combine, or of a copy between
devices. A profile is one page and one chip. Only what stays inside a node (or an NVL72 rack) speaks of the chip's links:
figures that cross a network of its own are quarantined, and so are fused kernels and a software's weight transfer.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from fingerprint.lab.ingest import facts as tables
from fingerprint.lab.ingest.kernel_facts import size_bytes
from fingerprint.lab.ingest.labelled import Source, finish

SOURCE = Source(
    name="facts-interconnect",
    folders=("facts/interconnect.csv",),
    profile_rule=tables.PROFILE_RULE,
    licence="single figures; each page's own",
    left_out="nothing is dropped: transfers over a network between nodes, kernels fused with a product, weight transfers of "
    "a training framework, figures that their page calls abnormal, and copies of pipeweave are quarantined",
)

#: Workload of the page -> kernel; the first pattern found counts.
_KERNELS: tuple[tuple[str, str], ...] = (
    (r"all_reduce", "all-reduce"),
    (r"send_recv", "send-recv"),
    (r"dispatch \+ combine|ep intranode", "dispatch"),
    (r"dispatch", "dispatch"),
    (r"combine", "combine"),
    (r"p2p|one-way", "peer-copy"),
    (r"host to device|device to host", "host-copy"),
    (r"gemm|pipeline", "gemm-collective"),
)

#: Parts that only come in nodes of up to this many on one NVLink domain; NVL72 parts reach 72.
_NODE = 8.0


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled table of the interconnect facts."""
    facts = tables.read(raw, "interconnect")
    frame = facts[["label", "profile", "origin", "url", "date", "accelerators", "quarantine", "estimate"]].copy()
    words = facts["workload"].str.lower()
    frame["workload"] = ""
    for pattern, kernel in reversed(_KERNELS):
        frame.loc[words.str.contains(pattern), "workload"] = kernel
    frame = frame.join(tables.precisions(facts["workload"].str.extract(r"(FP8|BF16)")[0].fillna(""), facts["label"]))
    frame["tool"] = np.where(frame["workload"].isin(["peer-copy", "host-copy"]), "stream", "collective")
    frame["phase"], frame["scope"] = "kernel", "accelerator"
    metric = facts["metric"].str.lower()
    timed = metric.str.contains("time|latency")
    frame["quantity"] = np.where(
        timed, "latency", np.where(metric.str.startswith("busbw"), "bus_bandwidth", "bandwidth")
    )
    frame["statistic"] = metric.map(lambda m: "median" if "median" in m else "")
    frame["unit"] = facts["unit"].where(timed, "GB/s")
    frame["value"] = facts["number"]
    sizes = facts["problem_size"].str.replace("bytes", "B").str.split(",").str[0]
    frame["message_bytes"] = sizes.map({text: size_bytes(text) for text in sizes.unique()})

    def blame(mask: pd.Series, why: str) -> None:
        frame.loc[mask & (frame["quarantine"] == ""), "quarantine"] = why

    rack = facts["gpu"].isin(["GB200", "GB300"])
    crosses = (
        metric.str.contains("rdma") | facts["notes"].str.contains("2 nodes") | facts["workload"].str.contains("2 nodes")
    )
    # Low-latency kernels of DeepEP send over the network cards even inside a node; 128 tokens a batch marks them.
    crosses |= facts["tool_or_framework"].str.contains("low-latency kernels")
    crosses |= facts["tool_or_framework"].str.contains("internode|RoCE")
    crosses |= (frame["accelerators"] > _NODE) & ~rack
    intranode = facts["metric"].str.contains("NVLink") & (frame["accelerators"] <= _NODE)
    blame(crosses & ~intranode, "over a network between nodes, no trait of the chip")
    blame(facts["notes"].str.contains("calls it|half of other"), "low or abnormal, as its page says")
    blame(metric.str.contains("logical"), "a logical bandwidth: it counts what stays on the rank")
    blame(
        frame["workload"].eq("gemm-collective"),
        "a collective fused with a matrix product: a cost that the table does not know",
    )
    blame(
        facts["workload"].str.contains("weight sync"), "a training framework's weight transfer, no transfer of one size"
    )
    tables.mark_repeats(frame)
    return finish(frame, SOURCE)
