"""``nvidia-smi --query-gpu=... --format=csv`` and ``nvidia-smi dmon``: power, utilisation and memory in use over time.

The CSV names its columns (``power.draw [W]``), its values carry their unit unless ``nounits`` was given, and what a card lacks reads
``[N/A]`` or ``[Not Supported]``. dmon repeats two header rows, names and units, and writes ``-`` for what is missing; which columns there
are depends on driver and options. Name, clocks, limits and totals are identity: the name is reported, the others are not read.
"""

from __future__ import annotations

import csv
import math
import re
from typing import TextIO

from fingerprint.errors import FormatError
from fingerprint.measurements import Measurements
from fingerprint.readers.figures import Figures
from fingerprint.readers.power_samples import PowerSamples
from fingerprint.readers.printed import clean, lines, number

NAME = "nvidia-smi"
TITLE = "nvidia-smi --query-gpu CSV, or nvidia-smi dmon"
YIELDS = "power at load and idle, utilisation, memory in use"

#: The power columns, the best first: "average" is over a second, "instant" one reading.
_POWERS = ("power.draw", "power.draw.average", "power.draw.instant")
_FIELD = re.compile(r"^(?:timestamp|name|gpu_name|index|uuid|gpu_uuid|serial|count|driver_version|pstate|vbios_version|"
                    r"(?:pci|gpu_bus_id|power|enforced|clocks|utilization|memory|temperature|fan|module|ecc|mig|compute|display|"
                    r"persistence|pcie|encoder|decoder|clocks_throttle_reasons|clocks_event_reasons|gpu_serial|inforom)[\w.]*)"
                    r"(?: \[[\w%]+\])?$")  # fmt: skip
_TELLING = re.compile(r"(?:^|,\s*)(?:power\.draw(?:\.\w+)?|utilization\.gpu|memory\.used)(?: \[[\w%]+\])?\s*(?:,|$)", re.MULTILINE)
_OWN = re.compile(r"(?:^|,\s*)(?:clocks\.\w[\w.]*|temperature\.gpu|power\.limit|memory\.total)(?: \[[\w%]+\])?\s*(?:,|$)", re.MULTILINE)
_DMON = re.compile(r"^#\s*(?:Date\s+Time\s+)?gpu[\s,].*\b(?:pwr|sm|mclk|fb|gtemp)\b", re.MULTILINE)
_NUMBER = re.compile(r"^\s*([+-]?[\d.]+(?:[eE][+-]?\d+)?)\s*(?:W|%|MiB|MB)?\s*$")
_MIB = 2.0**20


def sniff(head: str) -> float:
    """Return how sure this is one of the two: a header row that only nvidia-smi writes."""
    text = clean(head)
    if _DMON.search(text) and re.search(r"^#\s*(?:\w+\s+[\w:]+\s+)?(?:Idx|idx)\b", text, re.MULTILINE):
        return 1.0
    if any("," in line and _query(line) for line in text.splitlines()[:200] if _TELLING.search(line)):
        return 1.0
    return 0.6 if any("," in line and _query(line) for line in text.splitlines()[:200] if _OWN.search(line)) else 0.0


def read(text: TextIO, name: str) -> Measurements:
    """Return mean and maximum power at load, mean power idle, mean utilisation and the most memory in use, for each name.

    Raises
    ------
    FormatError
        For a file without a header row of either.
    InputError
        For a log without a sample of power, utilisation or memory.
    """
    found = Figures(name)
    samples = PowerSamples(found)
    query: list[str] = []
    dmon: list[str] = []
    for row, line in lines(text):
        if line.startswith("#"):
            words = line.lstrip("# ").replace(",", " ").lower().split()
            if "gpu" in words[:3]:
                dmon, query = words, []
        elif dmon:
            _dmon_row(samples, row, dmon, line.replace(",", " ").split())
        elif "," in line and (header := _query(line)):
            query = header
        elif query and line.strip():
            _query_row(found, samples, row, query, line)
    if not query and not dmon:
        raise FormatError("holds no header of nvidia-smi (timestamp, power.draw [W], ...); query without noheader", name)
    samples.close()
    return found.table("is an nvidia-smi log without power.draw, utilization.gpu or memory.used")


def _query(line: str) -> list[str]:
    """Return the properties that a header row names, without their units; nothing for any other line."""
    words = [word.strip().strip('"') for word in line.split(",")]
    if not all(_FIELD.match(word) for word in words if word):
        return []
    return [word.split(" [")[0] for word in words]


def _value(word: str) -> float:
    match = _NUMBER.match(word)
    return number(match[1]) if match else math.nan


def _query_row(found: Figures, samples: PowerSamples, row: int, header: list[str], line: str) -> None:
    try:
        cells = next(csv.reader([line], skipinitialspace=True), [])
    except csv.Error:
        cells = []
    if len(cells) != len(header):
        found.ignore(row, f"has {len(cells)} fields where the header has {len(header)}")
        return
    named = dict(zip(header, cells, strict=True))
    watts = next((w for key in _POWERS if not math.isnan(w := _value(named.get(key, "")))), math.nan)
    board = next((named[k] for k in ("uuid", "gpu_uuid", "pci.bus_id", "gpu_bus_id", "index") if named.get(k)), "")
    label = (named.get("name") or named.get("gpu_name") or "").strip()
    samples.take(row, board, label, watts=watts, use=_value(named.get("utilization.gpu", "")) / 100.0,
                 memory=_value(named.get("memory.used", "")) * _MIB)  # fmt: skip


def _dmon_row(samples: PowerSamples, row: int, header: list[str], cells: list[str]) -> None:
    # A line cut off, or a message of the driver between the rows.
    if len(cells) != len(header) or not cells[header.index("gpu")].isdigit():
        return
    named = dict(zip(header, cells, strict=True))
    samples.take(row, named["gpu"], watts=_value(named.get("pwr", "")), use=_value(named.get("sm", "")) / 100.0,
                 memory=_value(named.get("fb", "")) * _MIB)  # fmt: skip
