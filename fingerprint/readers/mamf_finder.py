"""mamf-finder (ml-engineering, Stas Bekman): matrix-product rates by shape, in TFLOPS, and its closing headlines.

Versions 1 and 2 overwrite ``N | x(mean) x(median) x(max) @ MxNxK | best: ...`` in place and close with the best mean, median and
maximum; version 3 and later print a table and close with MAMF (a burst at the boost clock) and MSMF (held at full load, with its power).
A shape's mean counts. Clocks are identity and left out. A file of the headlines alone is read too.
"""

from __future__ import annotations

import re
from typing import TextIO

from fingerprint.errors import FormatError
from fingerprint.measurements import Measurements
from fingerprint.readers.figures import Figures, device_names
from fingerprint.readers.printed import clean, lines
from fingerprint.units import canonical_precision

NAME = "mamf-finder"
TITLE = "mamf-finder output: matrix-product rates by shape"
YIELDS = "rate of matrix products by shape and precision; power held at full load"

#: Most shapes kept one by one; a sweep of a day holds more, and its upper end says it all.
MOST_SHAPES = 5_000

_SHAPE = r"(\d{1,7})x(\d{1,7})x(\d{1,7})"
_OLD = re.compile(rf"^\s*\d+ \|(?:\s*\w+)?\s+([\d.]+)\(mean\)\s+([\d.]+)\(median\)\s+([\d.]+)\(max\) @ {_SHAPE}\s*\| best:")
_NEW = re.compile(rf"^\s*\d+\s+{_SHAPE}\s+([\d.]+)\s+([\d.]+)\s+([\d.]+)\s+[\d.]+(?:\s|$)")
_TABLE = re.compile(r"^\s*#\s+MxNxK\s+mean\s+median\s+max\s+best")
_BEST = re.compile(rf"^\s*(mean|median|max):\s+([\d.]+) TFLOPS @ {_SHAPE}")
_HEADLINE = re.compile(rf"^\s*(MAMF|MSMF) \([^)]*\):\s+([\d.]+) TFLOPS @ {_SHAPE} \(MxNxK\)(?:\s+([\d.]+)W)?")
_DTYPE = re.compile(r"^\s*\*\* Dtype:\s*(\S+)")
_DTYPE_LINE = re.compile(r"^[ \t]{0,40}\*\* Dtype: *\S+", re.MULTILINE)
_NAMED = re.compile(r"(?:_CudaDeviceProperties|_XpuDeviceProperties)\(.*?name='([^']*)'")
_OUTCOMES = re.compile(r"^Tried\s+\d+ shapes => the best outcomes were:", re.MULTILINE)


def sniff(head: str) -> float:
    """Return how sure this is mamf-finder: its closing lines, or its rows."""
    text = clean(head)
    if _OUTCOMES.search(text) or re.search(r"\(mean\)\s+[\d.]+\(median\)\s+[\d.]+\(max\) @ \d+x\d+x\d+", text):
        return 1.0
    if any(_TABLE.match(line) or _HEADLINE.match(line) for line in text.splitlines()):
        return 0.9
    return 0.8 if _DTYPE_LINE.search(text) and "** Platform/Device info:" in text else 0.0


def read(text: TextIO, name: str) -> Measurements:
    """Return the mean rate of each shape, the headlines, and the power of the sustained one.

    Raises
    ------
    FormatError
        For a file without anything of mamf-finder.
    InputError
        For one without a rate.
    """
    found = Figures(name)
    precision, label, table, known, shapes = "", "", False, False, 0
    for row, line in lines(text):
        if dtype := _DTYPE.match(line):
            # torch.float32 multiplies in fp32 unless told otherwise, which the tool does not.
            precision, known = canonical_precision(dtype[1].removeprefix("torch.")), True
        elif named := _NAMED.search(line):
            label = named[1]
        elif _TABLE.match(line):
            table, known = True, True
        elif old := _OLD.match(line):
            known, shapes = True, shapes + 1
            if shapes <= MOST_SHAPES:
                _add(found, row, old[1], old.groups()[3:6], precision, label, "mean")
        elif table and (new := _NEW.match(line)):
            known, shapes = True, shapes + 1
            if shapes <= MOST_SHAPES:
                _add(found, row, new[4], new.groups()[:3], precision, label, "mean")
        elif best := _BEST.match(line):
            known = True
            # The best mean is one of the rows; alone it stands for them.
            if best[1] == "mean" and not (0 < shapes <= MOST_SHAPES):
                _add(found, row, best[2], best.groups()[2:5], precision, label, "mean")
        elif headline := _HEADLINE.match(line):
            known = True
            _add(found, row, headline[2], headline.groups()[2:5], precision, label, "max" if headline[1] == "MAMF" else "mean")
            if headline[1] == "MSMF" and headline[6]:
                found.add(row, "power", headline[6], "W", device_names(label), tool="kernel", phase="load", workload="gemm",
                          precision=precision, statistic="mean", scope="accelerator", accelerators=1)  # fmt: skip
    if shapes > MOST_SHAPES:
        found.note(f"{shapes - MOST_SHAPES} shapes beyond the first {MOST_SHAPES} are not taken one by one")
    if not known:
        raise FormatError("holds nothing of mamf-finder (x(mean) x(median) x(max) @ MxNxK)", name)
    if not precision:
        found.note("does not say its number format")
    return found.table("is mamf-finder output without a rate: the run was ended early")


def _add(
    found: Figures, row: int, value: str, size: tuple[str, ...], precision: str, label: str, statistic: str
) -> None:
    m, n, k = size
    found.add(row, "compute_rate", value, "TFLOP/s", device_names(label), tool="kernel", phase="kernel", workload="gemm", precision=precision,
              statistic=statistic, scope="accelerator", accelerators=1, m=m, n=n, k=k)  # fmt: skip
