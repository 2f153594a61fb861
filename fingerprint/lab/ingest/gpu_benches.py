"""te42kyfo's gpu-benches: stream, cache and pointer-chase sweeps and an FMA roofline with power, two repositories.

A row was one point of a sweep. Cache rows: bandwidth by the size of the buffer that every multiprocessor reads. Stream rows:
bandwidth by the number of threads. Roofline rows: bandwidth, FP32 FMA rate and power at one arithmetic intensity on one of the
host's GPUs; power is nvidia-smi's instantaneous value at the end of the kernel.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from fingerprint.lab.ingest.kernel_facts import checked, origin, read_facts
from fingerprint.lab.ingest.labelled import Source, finish

SOURCE = Source(
    name="gpu-benches",
    folders=("micro/gpu_benches",),
    profile_rule="one machine (result file name) in one repository",
    licence="GPL-3.0 (figures only)",
    thinning="stream sweeps from half of the largest thread count up; every second point of the pointer chase; roofline "
    "bandwidths up to 4 FLOP a byte and FMA rates from 50 on (each is a lower bound only elsewhere)",
    left_out="few-thread stream points (bound by latency in flight, which the table can't say); stencils (cache reuse); "
    "strided access, small kernels and L2 streams (kept as text only); clocks and temperatures",
)

#: FLOP a byte: below the first every chip here waits for its memory, above the second for its FP32 units.
_MEMORY_BOUND, _COMPUTE_BOUND = 4.0, 50.0
#: The roofline's host "genoa" holds two boards under one label, L40: the first keeps to 300 W and 2490 MHz, as an L40 does; the
#: second draws up to 359 W and runs at 2520 MHz, the limit and the boost clock of an L40S.
_TWO_BOARDS, _OTHER_BOARD = "genoa_l40", "dev=1"
_STREAMS = {
    "stream_init": "write",
    "stream_read": "read",
    "stream_scale": "stream-scale",
    "stream_triad": "stream-triad",
}
_WORKLOADS = {"cache_read_bw": "cache-read", "l2_cache_read_bw": "cache-read", "pointer_chase_latency": "pointer-chase",
              "roofline_fma": "vector", **_STREAMS}  # fmt: skip


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    facts = read_facts(raw / SOURCE.folders[0] / "facts.csv.gz")
    facts = facts[facts["kernel_or_test"].isin(_WORKLOADS)].reset_index(drop=True)
    test, size = facts["kernel_or_test"], facts["problem_size"]
    stream, chase, roofline = test.isin(_STREAMS), test == "pointer_chase_latency", test == "roofline_fma"
    threads = pd.to_numeric(size.str.extract(r"threads=(\d+)")[0])
    largest = threads.groupby([facts["source_url"], test]).transform("max")
    turn = facts.groupby(["source_url", "kernel_or_test"]).cumcount()
    keep = (~stream | (threads >= largest / 2)) & (~chase | (turn % 2 == 0))
    intensity = pd.to_numeric(size.str.extract(r"^([\d.]+) flop/byte")[0])
    moves = intensity <= _MEMORY_BOUND
    keep &= ~roofline | np.where(facts["metric"] == "compute", intensity >= _COMPUTE_BOUND, moves)
    frame = pd.DataFrame(
        {
            # The roofline's nodes are others than those of the sweeps, their GPUs of one kind.
            "profile": facts["repo"] + "|" + facts["gpu_label_verbatim"],
            "label": facts["gpu"],
            "tool": np.select([stream, test.str.endswith("read_bw")], ["stream", "stream"], "microbenchmark"),
            "phase": "kernel",
            "workload": test.map(_WORKLOADS),
            "precision": facts["dtype"].mask(chase, ""),
            "accelerators": 1,
            # kB of these tools are 1024 bytes.
            "working_set_bytes": 1024.0 * pd.to_numeric(size.str.extract(r"^([\d.]+) kB")[0]),
            "quantity": np.select([chase, facts["metric"] == "compute"], ["cycles", "compute_rate"], "bandwidth"),
            "value": pd.to_numeric(facts["value"]),
            "unit": facts["unit"],
            "url": facts["source_url"],
            "origin": facts["repo"].map({name: origin(name) for name in facts["repo"].unique()}),
            "run": "",
        }
    )
    frame.loc[roofline, "run"] = "roofline " + size + " " + facts["notes"].str.extract(r"(dev=\d+)")[0].fillna("")
    other = (facts["gpu_label_verbatim"] == _TWO_BOARDS) & facts["notes"].str.contains(_OTHER_BOARD, regex=False, na=False)
    frame["quarantine"] = np.where(other, "labelled L40, but with the power limit and the clock of an L40S", "")
    frame["_power"] = pd.to_numeric(facts["power_w"], errors="coerce")
    frame = frame[keep].reset_index(drop=True)
    watts = frame[frame["_power"].notna()].copy()
    watts = watts.assign(quantity="power", unit="W", value=watts["_power"], scope="accelerator")
    return checked(finish(pd.concat([frame, watts], ignore_index=True).drop(columns="_power"), SOURCE))
