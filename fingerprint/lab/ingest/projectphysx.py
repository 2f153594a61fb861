"""ProjectPhysX's tables: OpenCL-Benchmark (vector rates, memory and host bandwidth) and FluidX3D (lattice Boltzmann).

FluidX3D gives million cell updates a second. It is bound by memory: a D3Q19 update moves 153 bytes with FP32 storage and
77 with FP16S, so the rows become bandwidths. OpenCL cannot use tensor cores: rates are of the vector units.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from fingerprint.lab.ingest.kernel_facts import assemble, common, read_facts
from fingerprint.lab.ingest.labelled import Source

SOURCE = Source(
    name="projectphysx",
    folders=("micro/projectphysx",),
    profile_rule="one device in one of the two tables",
    licence="ProjectPhysX (non-commercial); measured figures only",
    left_out="several devices at once (the links and the slowest device count too); FP16C storage (its conversions cost "
    "arithmetic); misaligned access; integer rates; two-way host copies; listed data-sheet figures",
)

#: Bytes a D3Q19 cell update moves, by arithmetic/storage.
_BYTES_PER_UPDATE = {"fp32/fp32": 153.0, "fp32/fp16s": 77.0, "fp16s": 77.0}
_MEMORY = {"memory coalesced read": "read", "memory coalesced write": "write"}
_HOST = ("pcie send", "pcie receive")


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    return assemble(_rows(read_facts(raw / SOURCE.folders[0] / "facts.csv")), SOURCE)


def _rows(facts: pd.DataFrame) -> Iterator[dict[str, Any]]:
    seen: set[tuple[str, str, str]] = set()
    for fact in facts[facts["n_gpus"] == "1"].itertuples():
        label = re.sub(r"^1x ", "", str(fact.gpu_label_verbatim))
        row = common(fact, label) | {"phase": "kernel", "profile": f"{fact.repo}|{label}"}
        if re.search(r"\(\d GCD\)|\(\d GPUs?\)", label):
            row["quarantine"] = "one of the card's two chips, or both at once"
        test, kind = str(fact.kernel_or_test), str(fact.dtype)
        if test == "lbm" and kind in _BYTES_PER_UPDATE:
            if (label, kind, str(fact.value)) in seen:
                row["quarantine"] = "copy: the table of several devices repeats the single one"
            seen.add((label, kind, str(fact.value)))
            moved = float(str(fact.value)) * _BYTES_PER_UPDATE[kind]
            row |= {"tool": "stream", "workload": "stencil"}
            yield row | {"quantity": "bandwidth", "value": moved, "unit": "MB/s"}
            if str(fact.power_w).isdigit():  # read by the reporter while it ran
                yield row | {"quantity": "power", "value": fact.power_w, "unit": "W"}
        elif test == "compute" and kind.startswith("fp"):
            yield row | {"tool": "microbenchmark", "workload": "vector", "quantity": "compute_rate", "precision": kind}
        elif test in _MEMORY:
            yield row | {"tool": "stream", "workload": _MEMORY[test], "quantity": "bandwidth"}
        elif test in _HOST:
            yield row | {"tool": "stream", "workload": "host-copy", "quantity": "bandwidth"}
