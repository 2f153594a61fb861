"""te42kyfo's gpu-benches: the printed sweeps of gpu-stream, gpu-l2-cache, gpu-cache, gpu-latency and gpu-roofline.

A row is a point of a sweep. Streams by the number of threads: those with few threads wait for their own loads, so only the
upper half counts. Caches by the size of what every multiprocessor reads, latencies by the size of the chain, a roofline by its
intensity: bandwidth counts up to 4 FLOP a byte and arithmetic from 50 on, between them each bounds the other. "kB" are 1024 bytes.
The clock that the tools print is identity and is left out; latencies are in its cycles.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TextIO

from fingerprint.errors import FormatError
from fingerprint.measurements import Measurements
from fingerprint.readers.figures import Figures
from fingerprint.readers.printed import clean, lines, number

NAME = "gpu-benches"
TITLE = "gpu-benches output: gpu-stream, gpu-l2-cache, gpu-cache, gpu-latency, gpu-roofline"
YIELDS = "memory and cache bandwidth, latency in cycles, single-precision rate and power over a roofline"

#: Column of gpu-stream -> workload, arrays of 2^27 doubles that it touches. Stencils reuse what caches hold and are left out.
STREAMS: dict[str, tuple[str, int]] = {
    "init": ("write", 1),
    "read": ("read", 1),
    "scale": ("stream-scale", 2),
    "triad": ("stream-triad", 3),
}
_ARRAY = 2.0**27 * 8.0
_MEMORY_BOUND, _COMPUTE_BOUND = 4.0, 50.0

_STREAM_HEAD = re.compile(r"^\s*(?:blockSize\s+threads\s+%occ|block\s+smBlocks\s+threads\s+occ%)\s*\|(.*)$")
_STREAM = re.compile(r"^\s*\d+\s+(\d+)\s+(?:(\d+)\s+)?[\d.]+\s*%\s*\|\s*GB/s:\s*(.+)$")
_CACHE_HEAD = re.compile(r"^\s*data set\s+exec time\s+spread\s+Eff\. bw")
_CACHE = re.compile(r"^\s*(\d+) kB(?:\s+(\d+) kB)?\s+(\d+)\s*ms\s+\S+\s+([\d.]+) GB/s")
_CHASE = re.compile(r"^\s*\d{5,9}\s+\d{3,4}\s+([\d.]+)\s+[\d.]+\s+([\d.]+)(?:\s+[\d.]+){0,3}\s*$")
_ROOF = re.compile(
    r"^\s*\d+\s+\d+ blocks\s+\d+ its\s+([\d.]+) Fl/B\s+(\d+) GB/s\s+(\d+) GF/s(?:\s+\d+ Mhz\s+(\d+) W)?"
)


def sniff(head: str) -> float:
    """Return how sure this is one of the sweeps: a header, or at least four rows of its own kind."""
    text = clean(head).splitlines()
    if any(_STREAM_HEAD.match(line) or _CACHE_HEAD.match(line) for line in text):
        return 1.0
    if sum(bool(_ROOF.match(line)) for line in text) >= 2:
        return 1.0
    chain = sum(bool(_CHASE.match(line)) for line in text)
    return 0.9 if chain >= 4 and chain >= 0.8 * sum(bool(line.strip()) for line in text) - 2 else 0.0


def read(text: TextIO, name: str) -> Measurements:
    """Return the points of the sweeps that bound something.

    Raises
    ------
    FormatError
        For a file without a row of these tools.
    InputError
        For one whose rows hold no figure.
    """
    found = Figures(name)
    columns: tuple[str, ...] = ()
    fixed = False
    streams: list[tuple[int, float, tuple[str, ...], str, bool]] = []
    rows = 0
    for row, line in lines(text):
        if head := _STREAM_HEAD.match(line):
            columns, fixed = tuple(head[1].split()), line.lstrip().startswith("blockSize")
        elif point := _STREAM.match(line):
            streams.append((row, number(point[1]) * (number(point[2]) if point[2] else 1.0), columns, point[3], fixed))
        elif read_row := next((take for pattern, take in _ROWS if pattern.match(line)), None):
            read_row(found, row, line)
        else:
            continue
        rows += 1
    _streams(found, streams)
    if not rows:
        raise FormatError("holds no table of gpu-benches (gpu-stream, gpu-l2-cache, gpu-cache, gpu-latency ...)", name)
    return found.table("is gpu-benches output without a figure; give the whole output")


def _streams(found: Figures, points: list[tuple[int, float, tuple[str, ...], str, bool]]) -> None:
    largest = max((threads for _, threads, *_ in points), default=0.0)
    for row, threads, columns, values, fixed in points:
        if threads < largest / 2:
            found.ignore(row, "too few threads to fill the memory: bound by latency, not bandwidth")
            continue
        # "! 1 blocks per SM" stands before a column whose occupancy was not the wanted one.
        for column, value in zip(columns, re.sub(r"!\s*\d+ blocks per SM", " ", values).split(), strict=False):
            if column in STREAMS:
                workload, arrays = STREAMS[column]
                # The newer program's arrays are of another size, which it does not print.
                found.add(row, "bandwidth", value, "GB/s", tool="stream", phase="kernel", workload=workload, precision="fp64",
                          accelerators=1, working_set_bytes=arrays * _ARRAY if fixed else "")  # fmt: skip


def _cache(found: Figures, row: int, line: str) -> None:
    point = _CACHE.match(line)
    assert point is not None
    found.add(row, "bandwidth", point[4], "GB/s", tool="stream", phase="kernel", workload="cache-read", precision="fp64",
              accelerators=1, working_set_bytes=1024.0 * number(point[2] or point[1]))  # fmt: skip


def _chase(found: Figures, row: int, line: str) -> None:
    point = _CHASE.match(line)
    assert point is not None
    found.add(row, "cycles", point[2], "cycles", tool="microbenchmark", phase="kernel", workload="pointer-chase",
              accelerators=1, working_set_bytes=1024.0 * number(point[1]))  # fmt: skip


def _roof(found: Figures, row: int, line: str) -> None:
    point = _ROOF.match(line)
    assert point is not None
    setting: dict[str, Any] = {"tool": "microbenchmark", "phase": "kernel", "workload": "vector", "precision": "fp32", "accelerators": 1}
    intensity = number(point[1])
    if intensity <= _MEMORY_BOUND:
        found.add(row, "bandwidth", point[2], "GB/s", **setting)
    elif intensity >= _COMPUTE_BOUND:
        found.add(row, "compute_rate", point[3], "GFLOP/s", **setting)
    else:
        found.ignore(row, "between memory and arithmetic: bounds neither")
        return
    if point[4]:
        found.add(row, "power", point[4], "W", **setting, scope="accelerator")


_ROWS: tuple[tuple[re.Pattern[str], Callable[[Figures, int, str], None]], ...] = (
    (_CACHE, _cache), (_ROOF, _roof), (_CHASE, _chase),
)  # fmt: skip
