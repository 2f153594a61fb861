"""DCGM: the exporter's Prometheus text, one scrape or many, and ``dcgmi dmon``.

The exporter writes a line for each counter and GPU, ``DCGM_FI_DEV_POWER_USAGE{gpu="0",...} 71.4``; labels differ in order and number, and a
blank is 9223372036854775794. ``dcgmi dmon`` prints ``#Entity`` and short names, units below, then ``GPU 0`` with its values; it repeats
the header. Clocks, free and reserved memory, temperatures and energy counters are not read: they name the part or bound nothing.
"""

from __future__ import annotations

import math
import re
from typing import TextIO

from fingerprint.errors import FormatError
from fingerprint.measurements import Measurements
from fingerprint.readers.figures import Figures
from fingerprint.readers.power_samples import PowerSamples
from fingerprint.readers.printed import clean, lines, number

NAME = "dcgm"
TITLE = "DCGM exporter metrics (Prometheus text), or dcgmi dmon"
YIELDS = "power at load and idle, utilisation, memory in use"

#: Counter or short name -> what it is, factor to SI. DCGM counts the frame buffer in MiB.
COUNTERS: dict[str, tuple[str, float]] = {
    "DCGM_FI_DEV_POWER_USAGE": ("watts", 1.0),
    "DCGM_FI_DEV_GPU_UTIL": ("use", 0.01),
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE": ("active", 1.0),
    "DCGM_FI_DEV_FB_USED": ("memory", 2.0**20),
    "POWER": ("watts", 1.0),
    "GPUTL": ("use", 0.01),
    "GRACT": ("active", 1.0),
    "FBUSD": ("memory", 2.0**20),
}
#: Values from here on are DCGM's marks for blank, not found, not supported.
BLANK = 1.4e14

_METRIC = re.compile(r"^\s*(DCGM_FI_\w+)\s*\{(.*)\}\s*(\S+)(?:\s+\d+)?\s*$")
_LABEL = re.compile(r'(\w+)\s*=\s*"((?:[^"\\]|\\.)*)"')
_ENTITY = re.compile(r"^(?:\S+ )?\s*#\s*Entity\b(.*)$")
_ROW = re.compile(r"^(?:[\d.:/T -]{1,60}[ \t])?[ \t]{0,40}GPU (\d{1,6})[ \t]+(.*)$")


def sniff(head: str) -> float:
    """Return how sure this is DCGM's: a metric line, or the header of dmon."""
    text = clean(head)
    if re.search(r"^[ \t]{0,40}DCGM_FI_\w+\s*\{", text, re.MULTILINE):
        return 1.0
    if re.search(r"^(?:\S{1,40} )?[ \t]{0,40}#[ \t]{0,40}Entity\s+[A-Z]", text, re.MULTILINE):
        return 1.0
    return 0.6 if re.search(r"^# (?:HELP|TYPE) DCGM_FI_", text, re.MULTILINE) else 0.0


def read(text: TextIO, name: str) -> Measurements:
    """Return mean and maximum power at load, mean power idle, mean utilisation and the most memory in use, for each model name.

    Raises
    ------
    FormatError
        For a file without anything of DCGM.
    InputError
        For one without power, utilisation or memory in use.
    """
    found = Figures(name)
    samples = PowerSamples(found)
    pending: dict[tuple[str, str], tuple[int, dict[str, float]]] = {}
    header: list[str] = []
    known = False
    for row, line in lines(text):
        if line.startswith(("# HELP DCGM_FI", "# TYPE DCGM_FI")):
            known = True
        elif metric := _METRIC.match(line):
            known = True
            _metric(found, samples, pending, row, metric)
        elif entity := _ENTITY.match(line):
            known, header = True, entity[1].split()
        elif header and (sampled := _ROW.match(line)):
            values = {c: number(v) for c, v in zip(header, sampled[2].split(), strict=False)}
            _sample(samples, row, sampled[1], "", values)
    for (board, label), (row, values) in pending.items():
        _sample(samples, row, board, label, values)
    if not known:
        raise FormatError("holds nothing of DCGM (DCGM_FI_...{...} value, or #Entity ...)", name)
    samples.close()
    return found.table("holds no power, utilisation or memory in use of DCGM; clocks and temperatures say nothing")


def _metric(
    found: Figures,
    samples: PowerSamples,
    pending: dict[tuple[str, str], tuple[int, dict[str, float]]],
    row: int,
    metric: re.Match[str],
) -> None:
    if metric[1] not in COUNTERS:
        return
    labels = {key.lower(): value for key, value in _LABEL.findall(metric[2])}
    if labels.get("gpu_i_profile") or labels.get("gpu_i_id"):
        found.ignore(row, "is a part of a divided accelerator (MIG)")
        return
    board = labels.get("uuid") or f"{labels.get('hostname', '')}/{labels.get('gpu', '')}"
    key = (board, labels.get("modelname", ""))
    first, values = pending.get(key, (row, {}))
    if metric[1] in values:
        # The counter again: the next scrape of this GPU has begun.
        _sample(samples, first, *key, values)
        first, values = row, {}
    values[metric[1]] = number(metric[3])
    pending[key] = (first, values)


def _sample(samples: PowerSamples, row: int, board: str, label: str, values: dict[str, float]) -> None:
    read = {COUNTERS[c][0]: v * COUNTERS[c][1] for c, v in values.items() if c in COUNTERS and v < BLANK}
    use = read.get("use", read.get("active", math.nan))
    samples.take(row, board, label, watts=read.get("watts", math.nan), use=use, memory=read.get("memory", math.nan))
