"""bandwidthTest of NVIDIA's CUDA samples: copies within the device, and between host and device, as it prints them."""

from __future__ import annotations

import re
from typing import TextIO

from fingerprint.errors import FormatError
from fingerprint.measurements import Measurements, from_columns

NAME = "bandwidth-test"
TITLE = "bandwidthTest of NVIDIA's CUDA samples"
YIELDS = "bandwidth of copies within the device and between host and device"

_DEVICE = re.compile(r" *Device \d{1,3}: (\S.{0,80})")
_COPY = re.compile(r" *(Host|Device) to (Host|Device) Bandwidth, 1 Device")
# "MB/s" up to CUDA 10 is 1.024e6 or 2^20 B/s, by version: taken as 1e6 the figure stays what was reached at least.
_UNIT = re.compile(r" *Transfer Size \(Bytes\)\s+Bandwidth\(([GM]B/s)\)")
_ROW = re.compile(r"\s*([0-9]{1,15})\s+([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*")


def sniff(head: str) -> float:
    """Return how sure this is bandwidthTest: its first line and the header of a table."""
    return 0.95 if "[CUDA Bandwidth Test]" in head and "Transfer Size (Bytes)" in head else 0.0


def read(text: TextIO, name: str) -> Measurements:
    """Return a row a size and direction; a copy within the device counts what it reads and writes, as the program does."""
    rows, names, workload, unit = [], [], "", ""
    for line in text:
        if found := _DEVICE.match(line):
            names.append(found[1].strip())
        elif found := _COPY.match(line):
            workload, unit = "copy" if found[1] == found[2] else "host-copy", ""
        elif found := _UNIT.match(line):
            unit = found[1]
        elif workload and unit and (found := _ROW.fullmatch(line)):
            touched = 2.0 * float(found[1]) if workload == "copy" else ""
            rows.append(("kernel", "kernel", workload, "bandwidth", unit, 1, float(found[1]), touched, float(found[2])))
    if not rows:
        raise FormatError("holds no row of bandwidthTest on one device; give its whole output", name)
    header = ("tool", "phase", "workload", "quantity", "unit", "accelerators", "message_bytes", "working_set_bytes", "value")
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    return from_columns(columns, where=name, identity={name: tuple(dict.fromkeys(names))})
