"""mixbench (CUDA, HIP, OpenCL, SYCL): the text with its CSV block, or the block alone.

The block has two header rows: groups (single, double, half precision, integer) and, under each, intensity, time in ms, GFLOPS and
GB/s, by the number of multiply-adds an element. The arithmetic is that of the ordinary units. Each group gives its best
bandwidth and its best rate: the two ends of its roofline. Integers of 32 bits have no peak to compare with and are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, TextIO

from fingerprint.errors import FormatError
from fingerprint.measurements import Measurements
from fingerprint.readers.figures import Figures, device_names
from fingerprint.readers.printed import clean, lines, number

NAME = "mixbench"
TITLE = "mixbench output: text with its CSV block, or the block alone"
YIELDS = "best memory bandwidth and best rate of single, double and half precision"

#: Group of the first header -> precision, share of the buffer that its elements fill (2^25 elements; doubles fill it).
GROUPS: dict[str, tuple[str, float]] = {
    "Single Precision ops": ("fp32", 0.5),
    "Double precision ops": ("fp64", 1.0),
    "Half precision ops": ("fp16", 0.5),
    "Packed Half precision ops": ("fp16", 0.5),
    "Integer operations": ("", 0.5),
}
#: Bytes of the buffer where the line is missing: 32 Mi doubles, fixed in the source.
BUFFER = 2.0**28

_GROUPS = re.compile(r"^[^\w\n]{0,200}Experiment ID,.*(?:Precision|precision|Integer) op", re.MULTILINE)
_COLUMNS = re.compile(r"^[^\w\n]{0,200}Compute iters,\s*Flops/byte,", re.MULTILINE)
_DEVICE = re.compile(r"^\s*Device:\s+(\S.*)$")
_BUFFER = re.compile(r"^\s*Buffer size:\s+(\d+)\s*MB")


@dataclass
class _Table:
    """The best of each group so far: (value, row, intensity)."""

    buffer: float = BUFFER
    device: str = ""
    groups: list[str] = field(default_factory=list)
    bandwidth: dict[str, tuple[float, int]] = field(default_factory=dict)
    rate: dict[str, tuple[float, int]] = field(default_factory=dict)


def sniff(head: str) -> float:
    """Return how sure this is mixbench: its two header rows."""
    text = clean(head)
    if _GROUPS.search(text) and _COLUMNS.search(text):
        return 1.0
    return 0.7 if re.search(r"^mixbench\b.*\(", text, re.MULTILINE) else 0.0


def read(text: TextIO, name: str) -> Measurements:
    """Return the ends of each precision's roofline, of each table in the file.

    Raises
    ------
    FormatError
        For a file without the two header rows.
    InputError
        For one whose table is cut off before its first row.
    """
    found, table, known = Figures(name), _Table(), False
    for row, line in lines(text):
        if device := _DEVICE.match(line):
            _close(found, table)
            table = _Table(device=device[1].strip())
        elif size := _BUFFER.match(line):
            table.buffer = number(size[1]) * 2.0**20
        elif _GROUPS.match(line):
            _close(found, table)
            table = _Table(table.buffer, table.device, [g.strip() for g in line.split(",") if g.strip()][1:])
            known = True
        elif "," in line and table.groups:
            _take(table, row, [word.strip() for word in line.split(",")])
    _close(found, table)
    if not known:
        raise FormatError("holds no table of mixbench (Experiment ID, Single Precision ops ...)", name)
    return found.table("is mixbench output without a row of its table; give the whole output")


def _take(table: _Table, row: int, words: list[str]) -> None:
    # An error line between the rows, or a row cut off: only whole groups count.
    if not words[0].isdigit():
        return
    for position, group in enumerate(table.groups):
        cells = [number(word) for word in words[1 + 4 * position : 5 + 4 * position]]
        if len(cells) < 4 or not all(cell >= 0 for cell in cells):
            return
        for best, value in ((table.rate, cells[2]), (table.bandwidth, cells[3])):
            # Kernels that a device can't run print 0 or infinity.
            if value > best.get(group, (0.0, 0))[0]:
                best[group] = (value, row)


def _close(found: Figures, table: _Table) -> None:
    hardware = device_names(table.device)
    for group in table.groups:
        precision, share = GROUPS.get(group, ("", 0.5))
        if not precision:
            if group in table.rate:
                found.ignore(table.rate[group][1], f"{group[:30]}: no peak of any data sheet to compare with")
            continue
        setting: dict[str, Any] = {"tool": "microbenchmark", "phase": "kernel", "precision": precision, "accelerators": 1, "statistic": "max"}
        if group in table.bandwidth:
            value, row = table.bandwidth[group]
            found.add(row, "bandwidth", value, "GB/s", hardware, **setting, workload="read",
                      working_set_bytes=share * table.buffer)  # fmt: skip
        if group in table.rate:
            value, row = table.rate[group]
            found.add(row, "compute_rate", value, "GFLOP/s", hardware, **setting, workload="vector")
