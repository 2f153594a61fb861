"""nccl-tests and rccl-tests tables from deployment guides: AWS, Google, Oracle.

A row was one message size with its out-of-place bus bandwidth (GB/s) and time (us), which become two rows of one run.
Most tables cross nodes, so they show the network as much as the chip. Instance types give the form factor (p4de and
p5 are SXM); two tables do not say how many GPUs took part.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from fingerprint.lab.ingest.kernel_facts import assemble, common, note, read_facts, size_bytes
from fingerprint.lab.ingest.labelled import Source

SOURCE = Source(
    name="nccl-logs-docs",
    folders=("micro/nccl_logs_docs",),
    profile_rule="one table of one document",
    licence="see each repository",
    left_out="bus bandwidths printed as 0.00; empty messages",
)


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    return assemble(_rows(read_facts(raw / SOURCE.folders[0] / "facts.csv")), SOURCE)


def _rows(facts: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for fact in facts.itertuples():
        if fact.problem_size == "0 B":
            continue
        section = str(fact.notes).partition("section=")[2]
        row = common(fact, str(fact.gpu)) | {
            "tool": "collective", "phase": "kernel", "scope": "accelerator", "workload": fact.kernel_or_test,
            "message_bytes": size_bytes(str(fact.problem_size)),
            "profile": f"{fact.source_url}|{section}|{fact.gpu}",
            "run": f"{fact.source_url} {section} {fact.problem_size}",
        }  # fmt: skip
        if float(str(fact.value)) > 0:
            yield row | {"quantity": "bus_bandwidth"}
        yield row | {"quantity": "latency", "value": note(str(fact.notes), "time_us"), "unit": "us"}
