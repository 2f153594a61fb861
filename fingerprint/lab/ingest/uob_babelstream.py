"""BabelStream outputs of a 2020 study of programming models: the text results themselves.

A row was one kernel's best bandwidth (MB/s, MB = 10^6) of one run; a file may hold runs of several array sizes. Precision
is double. The card is named in most outputs: P100 PCIe 16 GB, V100 SXM2 16 GB, RTX 2080 Ti. The A100 was the whole-memory
MIG slice "7g.40gb", which lacks ten of the 108 multiprocessors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from fingerprint.lab.ingest.kernel_facts import assemble
from fingerprint.lab.ingest.labelled import Source

SOURCE = Source(
    name="uob-babelstream",
    folders=("micro/uob_babelstream",),
    profile_rule="one card and one programming model (an output file)",
    origin="uob-hpc/performance-portability",
    licence="see the repository's LICENSE",
    left_out="an output that ran on the host's processor",
)

_LABELS = {"a100": "A100-SXM4-40GB", "p100": "P100-PCIE-16GB", "v100": "V100-SXM2-16GB", "gtx2080ti": "RTX 2080 Ti",
           "mi50": "Instinct MI50", "radeonvii": "Radeon VII"}  # fmt: skip
_KERNELS = {"Copy": ("stream-copy", 2), "Mul": ("stream-scale", 2), "Add": ("stream-add", 3),
            "Triad": ("stream-triad", 3), "Dot": ("stream-dot", 2)}  # fmt: skip
_URL = "https://github.com/UoB-HPC/performance-portability/blob/c855363673e2df348c3b2341221aed0b9364d03c/"


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    root = raw / SOURCE.folders[0] / "upstream"
    return assemble((row for path in sorted(root.glob("**/*.out")) for row in _rows(path, root)), SOURCE)


def _rows(path: Path, root: Path) -> Iterator[dict[str, Any]]:
    card = path.stem.removeprefix("BabelStream-").split("_")[0]
    text = path.read_text(encoding="utf-8", errors="replace")
    if "Host Device" in text:
        return
    array = 0.0
    for number, line in enumerate(text.splitlines()):
        words = line.split()
        if match := re.match(r"Array size: ([\d.]+) MB", line):
            array = float(match[1]) * 1e6
        elif len(words) >= 5 and words[0] in _KERNELS and re.fullmatch(r"[\d.]+", words[1]):
            workload, arrays = _KERNELS[words[0]]
            yield {
                "profile": path.stem,
                "label": _LABELS[card],
                "tool": "stream",
                "phase": "kernel",
                "workload": workload,
                "precision": "fp64",
                "accelerators": 1,
                "working_set_bytes": arrays * array,
                "quantity": "bandwidth",
                "statistic": "max",
                "value": words[1],
                "unit": "MB/s",
                "url": _URL + path.relative_to(root).as_posix(),
                "run": f"{path.stem} {number // 12}",
                "quarantine": "a MIG slice (7g.40gb), or on the machine that was so divided" if card == "a100" else "",
            }
