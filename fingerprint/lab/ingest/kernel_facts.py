"""Shared by the kernel and memory sources: reading `facts.csv`, shapes in words, and the check against data sheets.

This module reads no source of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fingerprint import chips
from fingerprint.costs import points
from fingerprint.lab.ingest.labelled import Source, finish, thin
from fingerprint.measurements import NUMBER_COLUMNS, WORD_COLUMNS, Measurements

#: How far a measured rate may lie above a data sheet's before the row is taken for a mistake.
TOLERANCE = 1.15

#: Kernels that stream more than any cache holds: nothing but the memory itself bounds them.
STREAMING = (
    "read", "write", "copy", "stencil", "stream-copy", "stream-scale", "stream-add", "stream-triad", "stream-dot",
)  # fmt: skip


def read_facts(path: Path) -> pd.DataFrame:
    """Return a facts table as text, "" where a cell is empty, with ``row`` counting from 0."""
    facts = pd.read_csv(path, dtype=str, keep_default_na=False, na_filter=False)
    return facts.assign(row=range(len(facts)))


def shape(text: str) -> dict[str, float]:
    """Return the numbers of a shape such as ``m=64;n=2112;k=7168`` or ``M=4096, K=12288``, keys in lower case."""
    found = re.findall(r"([A-Za-z_]+)\s*=\s*(\d+(?:\.\d+)?)", text)
    return {key.lower(): float(value) for key, value in found}


def size_bytes(text: str) -> float:
    """Return a message size such as ``1024 B``, ``32KiB`` or ``8GiB`` in bytes; NaN for words such as "large"."""
    match = re.fullmatch(r"([\d.]+)\s*([KMG]?)(i?)B", text.strip())
    if match is None:
        return float("nan")
    step = 1024.0 if match[3] else 1000.0
    return float(match[1]) * step ** " KMG".index(match[2] or " ")


def thinned(frame: pd.DataFrame, shape: Sequence[str], keep: float, always: pd.Series) -> pd.DataFrame:
    """Return the rows marked ``always`` and, of the others, those that :func:`labelled.thin` keeps."""
    return pd.concat([frame[always], thin(frame[~always], shape, keep)], ignore_index=True)


def note(text: str, key: str) -> float:
    """Return the number that a note gives as ``key=number``; NaN without one."""
    match = re.search(rf"\b{re.escape(key)}=\s*(\d*\.?\d+)", text)
    return float(match[1]) if match else float("nan")


def origin(repository: str) -> str:
    """Return who measured, from a repository ``owner/name``; "" where the source names none."""
    name = repository.strip().lower()
    if not re.fullmatch(r"[\w.\-]+/[\w.\-]+", name):
        return ""
    return "deepseek-ai" if name.startswith("deepseek-ai/") else name


def date(text: str) -> str:
    """Return the ISO date that a cell begins with; "" for a commit."""
    match = re.match(r"\d{4}-\d{2}-\d{2}", text)
    return match[0] if match else ""


def common(fact: Any, label: str) -> dict[str, Any]:
    """Return the columns that every row of a facts table fills alike; ``fact`` is a named tuple of it."""
    return {
        "label": label,
        "profile": f"{fact.repo}|{fact.source_url}|{label}",
        "accelerators": fact.n_gpus,
        "value": fact.value,
        "unit": fact.unit,
        "url": fact.source_url if fact.source_url.startswith("http") else "",
        "origin": origin(fact.repo),
        "date": date(fact.commit_or_date),
    }


def assemble(rows: Iterable[Mapping[str, Any]], source: Source) -> pd.DataFrame:
    """Return rows as the finished, checked table; numbers may still be text, "" where missing."""
    frame = pd.DataFrame(list(rows))
    for name in NUMBER_COLUMNS:
        if name in frame:
            frame[name] = pd.to_numeric(frame[name], errors="coerce")
    return checked(finish(frame, source))


def checked(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a finished table with impossible rows quarantined.

    Impossible: arithmetic above :data:`TOLERANCE` times the dense peak of every chip that the label may mean at the
    stated precision (and its clock headroom), or a streaming kernel above :data:`TOLERANCE` times the memory bandwidth.
    Rows without a precision, or whose chips publish no peak for it, are not judged.
    """
    frame = frame.copy()
    columns = [name for name in (*WORD_COLUMNS, *NUMBER_COLUMNS) if name in frame]
    usable = frame["value"].notna() & (frame["quarantine"] == "")
    implied = points(Measurements.from_frame(frame.loc[usable, columns], "labelled"))
    named = frame.loc[usable]
    keys = named["chip"].mask(named["chip"] == "", "architecture:" + named["architecture"])
    ceilings = _ceilings(keys.unique())
    compute = np.array(
        [ceilings[key][0].get(p, np.nan) for key, p in zip(keys, named["precision"], strict=True)], dtype=np.float64
    )
    memory = np.array([ceilings[key][1] for key in keys], dtype=np.float64)
    streaming = named["workload"].isin(STREAMING).to_numpy()
    with np.errstate(invalid="ignore"):
        too_fast = implied.flop_rate > TOLERANCE * compute
        too_wide = streaming & (implied.byte_rate > TOLERANCE * memory)
    frame.loc[named.index[too_wide], "quarantine"] = "above the memory bandwidth of the data sheet"
    frame.loc[named.index[too_fast], "quarantine"] = "above the dense peak of the data sheet"
    return frame


def _ceilings(keys: Iterable[str]) -> dict[str, tuple[dict[str, float], float]]:
    """Return FLOP/s by precision and B/s for each chip, family or ``architecture:`` key: the best that it may mean."""
    table = chips.table()
    out: dict[str, tuple[dict[str, float], float]] = {}
    for key in keys:
        if key.startswith("architecture:"):
            known = [c for c in table.values() if c.architecture == key.partition(":")[2]]
        else:
            known = [table[c] for c in chips.members(key)]
        rates: dict[str, float] = {}
        for chip in known:
            for precision, rate in chip.peaks.items():
                rates[precision] = max(rates.get(precision, 0.0), rate * chip.clock_headroom)
        bandwidths = [c.memory_bandwidth for c in known if c.memory_bandwidth == c.memory_bandwidth]
        out[key] = rates, max(bandwidths, default=float("nan"))
    return out
