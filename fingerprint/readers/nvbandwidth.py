"""nvbandwidth: the matrices that it prints, and its JSON (``-j``), log noise around it included.

Each test is a matrix of GB/s by device or pair of devices; its median stands for it. ``device_local_copy`` counts a copied byte once
while the memory reads and writes it: it is doubled, because the table's copies count what moves. One-way tests between two
devices are the link's rate. What runs both ways, to or from all at once, through the host, or times in ns, is left out or kept as
a transfer of the host, which says nothing of the accelerator.
"""

from __future__ import annotations

import io
import math
import re
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO

from fingerprint.errors import FormatError
from fingerprint.measurements import Measurements
from fingerprint.readers.figures import Figures, device_names
from fingerprint.readers.json_text import documents
from fingerprint.readers.printed import clean, lines, number

NAME = "nvbandwidth"
TITLE = "nvbandwidth output: text, or JSON (-j)"
YIELDS = "bandwidth of local copies, between accelerators and to the host"

#: The smallest default of any version, in bytes: a size that is not printed is at least not overstated.
BUFFER = 64.0 * 2.0**20

_RUNNING = re.compile(r"^\s*Running (\w+)\.\s*$")
_MATRIX = re.compile(r"^\s*(mem(?:cpy|ory)\b.*\((GB/s|ns)\))\s*$")
_COLUMNS = re.compile(r"^\s*0(?:\s+\d+)*\s*$")
_DEVICE = re.compile(r"^\s*(?:Process \d+ \([^)]*\):\s*)?[Dd]evice \d+:\s+(\S.*?)(?:\s+\([0-9a-fA-F:.]+\))?\s*$")
_SIZE = re.compile(r"nvbandwidth\b.*\s(?:-b|--bufferSize)[ =](\d+)")
_BOTH_WAYS = re.compile(r"bidir|<->")


@dataclass
class _Test:
    """One matrix: the test's name, what stands above it, and its cells with the line of the first."""

    name: str
    title: str
    row: int
    cells: list[float] = field(default_factory=list)


def sniff(head: str) -> float:
    """Return how sure this is nvbandwidth: the JSON's keys, or a test's announcement and its matrix."""
    text = clean(head)
    if '"nvbandwidth"' in text and '"testcases"' in text:
        return 1.0
    tests = re.search(r"^[ \t]{0,40}Running \w+_(?:ce|sm|copy)\w*\.\s*$", text, re.MULTILINE)
    if tests and re.search(r"^[ \t]{0,40}mem(?:cpy|ory)\b.*\((?:GB/s|ns)\)\s*$", text, re.MULTILINE):
        return 1.0
    return 0.9 if "nvbandwidth Version:" in text else 0.0


def read(text: TextIO, name: str) -> Measurements:
    """Return a row for each test that says something of the accelerator, or of its way to the host.

    Raises
    ------
    FormatError
        For a file without anything of nvbandwidth, or broken JSON.
    InputError
        For one in which no test passed.
    """
    content = clean(text.read())
    found = Figures(name)
    tests, devices = _json(content, found) if '"nvbandwidth"' in content else _text(content)
    if not tests:
        raise FormatError("holds no matrix of nvbandwidth (Running ..., memcpy ... (GB/s))", name)
    size = _SIZE.search(content)
    buffer = BUFFER
    if size:
        # Early versions counted bytes, later ones MiB.
        stated = number(size[1])
        buffer = stated if stated >= 2.0**20 else stated * 2.0**20
    for test in tests:
        _add(found, test, buffer)
    return found.table("is nvbandwidth output without a passed test of bandwidth", device_names(*devices))


def _text(content: str) -> tuple[list[_Test], list[str]]:
    tests: list[_Test] = []
    running, inside = "", False
    devices: list[str] = []
    for row, line in lines(io.StringIO(content)):
        if start := _RUNNING.match(line):
            running, inside = start[1], False
        elif title := _MATRIX.match(line):
            tests.append(_Test(running, title[1], row))
            inside = True
        elif device := _DEVICE.match(line):
            devices.append(device[1])
        elif inside and _COLUMNS.match(line):
            continue
        elif inside and tests and (cells := line.split()) and cells[0].isdigit():
            tests[-1].cells += [value for cell in cells[1:] if not math.isnan(value := number(cell))]
        elif not line.strip() or line.startswith("SUM"):
            inside = False
    return tests, devices


def _json(content: str, found: Figures) -> tuple[list[_Test], list[str]]:
    tests: list[_Test] = []
    devices: list[str] = []
    for _, document in documents(content, found.name, "the whole output of nvbandwidth")[0]:
        if not isinstance(document, dict) or "nvbandwidth" not in document:
            continue
        body = document["nvbandwidth"]
        cases = body.get("testcases") if isinstance(body, Mapping) else None
        if not isinstance(cases, list):
            raise FormatError("is nvbandwidth JSON without its list 'testcases'", found.name)
        assert isinstance(body, Mapping)
        listed = body.get("GPU Device list")
        devices += [_device(d) for d in listed if isinstance(d, str)] if isinstance(listed, list) else []
        for position, case in enumerate(cases, 1):
            if not isinstance(case, Mapping):
                found.ignore(position, "is no test but something else")
            elif case.get("status") != "Passed":
                found.ignore(position, f"{str(case.get('name'))[:60]} did not pass: {str(case.get('status'))[:30]}")
            else:
                tests.append(_Test(str(case.get("name"))[:80], str(case.get("bandwidth_description"))[:200], position, _cells(case.get("bandwidth_matrix"))))  # fmt: skip
    return tests, devices


def _device(text: str) -> str:
    match = re.match(r"(?:\d+:\s*)?(.*?)(?:\s*\([0-9a-fA-F:.]+\))?(?::.*)?$", text)
    return match[1] if match else text


def _cells(matrix: Any) -> list[float]:
    rows = matrix if isinstance(matrix, list) else ()
    values = [number(cell) for row in rows for cell in (row if isinstance(row, list) else [row])]
    return [value for value in values if not math.isnan(value)]


def _add(found: Figures, test: _Test, buffer: float) -> None:
    cells = [value for value in test.cells if value > 0]
    local, latency = "local" in test.name or "memcpy local" in test.title, "(ns)" in test.title
    if latency or "latency" in test.name:
        found.ignore(test.row, f"{test.name}: a latency of a single access across a link")
    elif not cells:
        found.ignore(test.row, f"{test.name}: its matrix holds no number")
    elif local:
        _row(found, test, 2.0 * statistics.median(cells), "copy", 1, working_set_bytes=2.0 * buffer)
    elif "host" in test.name or "CPU" in test.title:
        _row(found, test, statistics.median(cells), "host-copy", 1)
    elif _BOTH_WAYS.search(test.name + test.title):
        found.ignore(test.row, f"{test.name}: both directions at once")
    elif "device_to_device" in test.name:
        _row(found, test, statistics.median(cells), "peer-copy", 2)
    else:
        found.ignore(test.row, f"{test.name}: many devices at once")


def _row(found: Figures, test: _Test, value: float, workload: str, accelerators: int, **columns: Any) -> None:
    found.add(test.row, "bandwidth", value, "GB/s", tool="stream", phase="kernel", workload=workload, statistic="median",
              scope="accelerator", accelerators=accelerators, **columns)  # fmt: skip
