"""BabelStream (GPU-STREAM before): the text that it prints, and its ``--csv``.

Bandwidths are the best of the runs, in MB/s (10^6) or, with ``--mibibytes``, MiB/s; the CSV's ``max_`` columns are the same. A
kernel touches two or three of the arrays, whose size is printed, so that what fits a cache can be told. Init and read time
the link to the host and are no figure of the memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TextIO

from fingerprint.errors import FormatError
from fingerprint.measurements import Measurements
from fingerprint.readers.figures import Figures, device_names
from fingerprint.readers.printed import clean, lines, number

NAME = "babelstream"
TITLE = "BabelStream output: text, or CSV (--csv)"
YIELDS = "memory bandwidth of copy, mul, add, triad and dot"

#: Kernel -> workload, arrays that it touches.
KERNELS: dict[str, tuple[str, int]] = {
    "Copy": ("stream-copy", 2),
    "Mul": ("stream-scale", 2),
    "Add": ("stream-add", 3),
    "Triad": ("stream-triad", 3),
    "Dot": ("stream-dot", 2),
    # a += b + s c: three arrays, one of them both read and written.
    "Nstream": ("stream-triad", 3),
}

_HEADER = re.compile(r"^[ \t]{0,40}Function\s+(Mi?Bytes/sec)\s+Min", re.MULTILINE)
_CSV = re.compile(r"^[ \t]{0,40}function(.)num_times\1n_elements\1sizeof\1(max_mi?bytes|gi?bytes)_per_sec\1", re.MULTILINE)
_ARRAY = re.compile(r"Array size:\s*([\d.]+)\s*(KB|MB|GB|KiB|MiB|GiB)")
_DEVICE = re.compile(r"Using (?:\w+ )?device:? +(.+)")
_TRIAD = re.compile(r"Bandwidth \((G(?:i?)B/s)\):\s*(\S+)")
_SIZES = {"KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30}
_PRECISIONS = {"float": "fp32", "double": "fp64", "4": "fp32", "8": "fp64"}


@dataclass
class _Run:
    """What the lines above a table say of it."""

    array: float = 0.0
    precision: str = ""
    unit: str = ""
    device: str = ""
    columns: tuple[str, ...] = ()
    separator: str = ","


def sniff(head: str) -> float:
    """Return how sure this is BabelStream: its table's header, or its CSV's."""
    text = clean(head)
    if _CSV.search(text):
        return 1.0
    if _HEADER.search(text):
        return 1.0 if re.search(r"^(?:BabelStream|GPU-STREAM)\b", text, re.MULTILINE) else 0.8
    return 0.9 if "BabelStream" in text and _TRIAD.search(text) else 0.0


def read(text: TextIO, name: str) -> Measurements:
    """Return the best bandwidth of each kernel of each run in the file; runs on different devices are profiles of their own.

    A failed validation is noted and the figures stay: the sums lose digits in single precision on many devices.

    Raises
    ------
    FormatError
        For a file without a table of BabelStream.
    InputError
        For one whose table is cut off before its first row.
    """
    found, run, known = Figures(name), _Run(), False
    for row, line in lines(text):
        known = _row(found, run, row, line) or known
    if not known:
        raise FormatError("holds no table of BabelStream (Function, MBytes/sec, Min ...)", name)
    return found.table("is BabelStream output without a bandwidth; give the whole output")


def _row(found: Figures, run: _Run, row: int, line: str) -> bool:
    """Take one line; return whether it shows that this is BabelStream."""
    words = line.split()
    if not words:
        return False
    if head := _CSV.match(line):
        run.separator = head[1]
        run.columns = tuple(word.strip() for word in line.split(head[1]))
        return True
    if header := _HEADER.match(line):
        run.unit, run.columns = header[1].replace("ytes/sec", "/s"), ()
        return True
    if words[0] in ("BabelStream", "GPU-STREAM") and len(words) == 1:
        run.array, run.precision, run.device, run.columns = 0.0, "", "", ()
        return False
    if size := _ARRAY.search(line):
        run.array = number(size[1]) * _SIZES[size[2]]
    elif line.startswith("Precision:"):
        run.precision = _PRECISIONS.get(words[-1], "")
    elif device := _DEVICE.match(line.strip()):
        run.device = device[1].strip()
        if " MIG " in f" {run.device} ":
            found.note("was measured on a part of a divided accelerator (MIG)")
    elif "Validation failed" in line:
        found.note(f"BabelStream's own check failed ({line.strip()[:60]}); the figures are kept")
    elif triad := _TRIAD.search(line):
        _add(found, run, row, "Triad", triad[2], triad[1], "mean")
        return True
    elif run.columns:
        _csv_row(found, run, row, line)
    elif words[0] in KERNELS and len(words) >= 2 and run.unit:
        _add(found, run, row, words[0], words[1], run.unit, "max")
    return False


def _csv_row(found: Figures, run: _Run, row: int, line: str) -> None:
    named = dict(zip(run.columns, (word.strip() for word in line.split(run.separator)), strict=False))
    rate = next((c for c in run.columns if c.endswith("bytes_per_sec")), "")
    kernel = named.get("function", "")
    if kernel not in KERNELS or rate not in named:
        return
    run.precision = _PRECISIONS.get(named.get("sizeof", ""), "")
    run.array = number(named.get("n_elements", "")) * number(named.get("sizeof", ""))
    unit = {"max_mbytes": "MB/s", "max_mibytes": "MiB/s", "gbytes": "GB/s", "gibytes": "GiB/s"}[rate.removesuffix("_per_sec")]
    _add(found, run, row, kernel, named[rate], unit, "max" if rate.startswith("max") else "mean")


def _add(found: Figures, run: _Run, row: int, kernel: str, value: str, unit: str, statistic: str) -> None:
    if run.device.lower().startswith("host device"):
        found.ignore(row, "ran on the host's processor")
        return
    workload, arrays = KERNELS[kernel]
    found.add(row, "bandwidth", value, unit, device_names(run.device), tool="stream", phase="kernel", workload=workload,
              precision=run.precision, accelerators=1, working_set_bytes=arrays * run.array, statistic=statistic)  # fmt: skip
