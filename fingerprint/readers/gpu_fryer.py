"""gpu-fryer (Hugging Face): the closing lines of its text, or the ``results`` of its JSON Lines (``--json``).

It multiplies squares of 8192 on every GPU for a minute and counts products a second. The mean is kept: a single second's count runs ahead
after a late tick. Its "FP32" multiplies in TF32 (``CUBLAS_COMPUTE_32F_FAST_TF32`` in its source).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TextIO

from fingerprint.errors import FormatError
from fingerprint.measurements import Measurements
from fingerprint.readers.figures import Figures, device_names
from fingerprint.readers.json_text import weighed
from fingerprint.readers.printed import clean, lines

NAME = "gpu-fryer"
TITLE = "gpu-fryer output: text, or JSON Lines (--json)"
YIELDS = "sustained matrix-product rate of every GPU"

#: Rows, columns and depth of its products.
SIZE = 8192

_DETECTED = re.compile(r'^Detected GPU #\d+: "?(.*?)"? \([0-9a-f-]+\)\s*$')
_PRECISION = re.compile(r"^Using precision\(s\):\s*(.*)$")
_RESULT = re.compile(r"^GPU #(\d+):\s+(\S+) Gflops/s \(min: (\S+), max: (\S+), dev: (\S+)\)")
_WORDS = {"fp32": "tf32", "bf16": "bf16", "fp8": "fp8", "fp16": "fp16"}


def sniff(head: str) -> float:
    """Return how sure this is gpu-fryer: a result line, a detected GPU, or one of its tagged objects."""
    text = clean(head)
    if re.search(r'^[ \t]{0,40}\{"type"\s*:\s*"(?:detected_gpus|feature_detection)"|^[ \t]{0,40}\{.*"burn_result"', text, re.MULTILINE):
        return 1.0
    if re.search(r"^Detected GPU #\d+: ", text, re.MULTILINE) and "precision(s):" in text:
        return 1.0
    return 0.9 if re.search(r"^GPU #\d+:\s+\S+ Gflops/s \(min: ", text, re.MULTILINE) else 0.0


def read(text: TextIO, name: str) -> Measurements:
    """Return each GPU's mean rate; a run in several precisions at once has none.

    Raises
    ------
    FormatError
        For a file without anything of gpu-fryer.
    InputError
        For a run that was ended before its results.
    """
    found = Figures(name)
    precisions: list[str] = []
    names: dict[int, str] = {}
    known = False
    for row, line in lines(text):
        if line.lstrip().startswith("{"):
            known = _json(found, row, line, precisions, names) or known
        elif gpu := _DETECTED.match(line):
            names[len(names)], known = gpu[1], True
        elif stated := _PRECISION.match(line):
            precisions[:], known = [_WORDS[w] for w in stated[1].lower().split() if w in _WORDS], True
        elif result := _RESULT.match(line):
            known = True
            _add(found, row, result[2], "GFLOP/s", precisions, names.get(int(result[1][:6]), ""))
    if not known:
        raise FormatError("holds nothing of gpu-fryer (Detected GPU #0 ..., GPU #0: ... Gflops/s)", name)
    return found.table("is gpu-fryer output without results: the run was ended early")


def _json(found: Figures, row: int, line: str, precisions: list[str], names: dict[int, str]) -> bool:
    weighed(line, found.name)
    try:
        entry: Any = json.loads(line)
    except (ValueError, RecursionError):
        return False
    kind = entry.get("type") if isinstance(entry, Mapping) else None
    if kind == "detected_gpus":
        for gpu in _objects(entry.get("detected_gpus")):
            index = gpu.get("index")
            names[index if isinstance(index, int) else len(names)] = str(gpu.get("name"))
    elif kind == "feature_detection":
        precisions[:] = [_WORDS[w] for w in ("fp32", "bf16", "fp8") if entry.get(w) is True]
    elif kind == "results":
        for gpu in _objects(entry.get("gpus")):
            burn = gpu.get("burn_result")
            index = burn.get("gpu_idx") if isinstance(burn, Mapping) else None
            label = names.get(index, "") if isinstance(index, int) else ""
            _add(found, row, gpu.get("flops_avg"), "FLOP/s", precisions, label)
    return kind in ("detected_gpus", "feature_detection", "results", "progress")


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def _add(found: Figures, row: int, value: object, unit: str, precisions: list[str], label: str) -> None:
    if len(precisions) > 1:
        found.ignore(row, f"ran {' and '.join(precisions)} at once: a rate of neither")
        return
    if not precisions:
        found.note("does not say its precision")
    found.add(row, "compute_rate", value, unit, device_names(label), tool="kernel", phase="kernel", workload="gemm", statistic="mean",
              precision=precisions[0] if precisions else "", accelerators=1, scope="accelerator", m=SIZE, n=SIZE, k=SIZE)  # fmt: skip
