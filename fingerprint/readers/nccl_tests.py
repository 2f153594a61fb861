"""nccl-tests and rccl-tests: the printed table of message sizes, bare or inside a README, and the JSON of ``-J``.

A row is a message size with time (us), algorithm and bus bandwidth (GB/s) out of place and, mostly, in place. Where the
columns stand the header line says: they differ with the version (``root`` is new, ``error`` old) and with the options
``-I`` (four more after each time), ``-S`` (a timestamp) and ``-C`` (``cputime``, which times the launch and is no figure of
the hardware). The lines ``# Rank ...`` count the accelerators and name them; where they are missing or elided, the
ratio of bus to algorithm bandwidth tells the count, because it depends on nothing else (doc/PERFORMANCE.md of nccl-tests).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TextIO

from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Ignored, Measurements, from_columns
from fingerprint.readers import uncounted
from fingerprint.readers.json_text import documents
from fingerprint.readers.printed import clean

NAME = "nccl-tests"
TITLE = "nccl-tests / rccl-tests output: text, a README holding it, or JSON (-J)"
YIELDS = "time and bus bandwidth of a collective by message size"

#: Program name without "_perf" -> workload. Others keep their name with dashes.
WORKLOADS: dict[str, str] = {
    "all_reduce": "all-reduce",
    "all_gather": "all-gather",
    "reduce_scatter": "reduce-scatter",
    "alltoall": "all-to-all",
    "broadcast": "broadcast",
    "reduce": "reduce",
    "sendrecv": "send-recv",
    "gather": "gather",
    "scatter": "scatter",
    "hypercube": "hypercube",
}

#: Real outputs hold some 10 kB; a README with many tables stays far below this.
_LARGEST = 50_000_000
#: Most ranks that the ratio of two printed bandwidths can tell: beyond it the printed digits are too coarse.
_MOST_RANKS_BY_RATIO = 64

_PROGRAM = re.compile(rf"(?<![a-z_])({'|'.join(WORKLOADS)})_perf")
_RANK = re.compile(r"\bRank\s+(\d{1,6})\b")
_DEVICE = re.compile(
    r"\bRank\s+(?P<rank>\d{1,6})\s+(?:Group\s+(?P<group>\d+)\s+)?Pid\s+\d+\s+on\s+(?P<host>\S+)\s+device\s+\d+\s+"
    r"\[(?P<bus>[^\]]*)\]\s+(?P<name>\S.*)"
)
_MAKERS = re.compile(r"(?:NVIDIA|Tesla|AMD|GeForce|Quadro)\b.*")
_CONFIG = re.compile(r"nThreads?\s+(\d{1,6})\s+nGpus\s+(\d{1,6})\b")
_LAUNCHER = re.compile(r"\b(?:mpirun|mpiexec|orterun|srun)\b")
_PROCESSES = re.compile(r"(?:^|\s)(?:-np?|--ntasks)[ =](\d{1,6})\b")
_AVERAGE = re.compile(r"Avg bus bandwidth\s*:\s*([\d.]{1,20})")
_TYPES = frozenset({"int8", "uint8", "int32", "uint32", "int64", "uint64", "half", "float", "double", "bfloat16", "char",
                    "fp8_e4m3", "fp8_e5m2", "f8e4m3", "f8e5m2", "int", "uint"})  # fmt: skip
_WHOLE = re.compile(r"[0-9]{1,18}")
_HEADER_WORDS = frozenset({"size", "algbw", "busbw"})


@dataclass
class _Line:
    """One direction of one row: seconds and bytes a second, NaN where not printed."""

    number: int
    size: float
    redop: str
    seconds: float
    algorithm: float
    bus: float
    wrong: float
    timed: bool = True


@dataclass
class _Table:
    """What one run of the program printed."""

    program: str = ""
    ranks: set[int] = field(default_factory=set)
    groups: Counter[str] = field(default_factory=Counter)
    devices: set[tuple[str, str]] = field(default_factory=set)
    names: list[str] = field(default_factory=list)
    processes: int = 0
    per_process: int = 0
    launched: bool = False
    elided: bool = False
    lines: list[_Line] = field(default_factory=list)


def sniff(head: str) -> float:
    """Return how sure this is nccl-tests output: its header, its rank lines, its rows."""
    text = clean(head).lstrip()
    if text.startswith("{"):
        return 0.95 if '"bus_bw"' in text and '"out_of_place"' in text else 0.6 if '"per_iter_timing"' in text else 0.0
    header = any(_header(line) for line in text.splitlines())
    if header and re.search(r"nThreads?\s+\d+\s+nGpus|Avg bus bandwidth|Out of bounds values|\(elements\)", text):
        return 1.0
    if (
        header
        or ("Avg bus bandwidth" in text and _DEVICE.search(text))
        or (_CONFIG.search(text) and "minBytes" in text)
    ):
        return 0.9
    return 0.5 if "Avg bus bandwidth" in text else 0.0


def read(text: TextIO, name: str) -> Measurements:
    """Return a row for each time and each bus bandwidth, out of place and in place.

    Bandwidths printed as 0.00, empty messages and host times (``cputime``) are left out; sizes whose data check failed are
    ignored with a word. Runs on different accelerators in one file become profiles of their own.

    Raises
    ------
    FormatError
        For a file without anything of nccl-tests, or broken JSON.
    InputError
        For output whose table is cut out: the average that is left means nothing without its sizes.
    """
    content = clean(text.read(_LARGEST + 1)).replace("\r\n", "\n").replace("\r", "\n")
    if len(content) > _LARGEST:
        raise FormatError(f"holds more than {_LARGEST:,} characters; nccl-tests prints a few thousand", name)
    tables = _json(content, name) if content.lstrip("\ufeff \t\r\n").startswith("{") else _text(content)
    full = [table for table in tables if table.lines]
    if not full:
        _refuse(content, name)
    return _measurements(full, name)


def _refuse(content: str, name: str) -> None:
    average = _AVERAGE.search(content)
    if average or _CONFIG.search(content) or _RANK.search(content) or '"results"' in content:
        left = (
            f" (only the average over all sizes is left, {average[1]} GB/s, which means nothing alone)"
            if average
            else ""
        )
        raise InputError(
            f"is nccl-tests output without rows: the table of sizes is cut out{left}; give the whole output", name
        )
    raise FormatError("holds no table of nccl-tests (columns size, time, algbw, busbw)", name)


# ---------------------------------------------------------------------------------------------------------- text


def _header(line: str) -> list[str] | None:
    """Return the columns' names of a header line, None for any other line."""
    words = line.replace("#wrong", "wrong").replace("|", " ").strip("#`> \t").lower().split()
    return words if _HEADER_WORDS <= set(words) and words[0] == "size" else None


def _text(content: str) -> list[_Table]:
    table = _Table()
    tables = [table]
    columns: list[str] | None = None
    named = ""
    for number, line in enumerate(content.splitlines(), 1):
        program = _PROGRAM.search(line)
        if program:
            named = program[1]
        starts = _CONFIG.search(line) or "Collective test starting" in line or _LAUNCHER.search(line)
        if starts and (table.lines or (table.ranks and _CONFIG.search(line))):
            table = _Table()
            tables.append(table)
        table.program = named if not table.lines else table.program
        _describe(table, line)
        if words := _header(line):
            columns = words
        elif row := _row(line, columns, number):
            table.lines += row
    if len({m[1] for m in _PROGRAM.finditer(content)}) == 1:
        for one in tables:  # prose after a table may name it
            one.program = one.program or named
    return tables


def _describe(table: _Table, line: str) -> None:
    """Take what a line says of the run: ranks, devices, processes."""
    if not table.lines and (table.launched or _LAUNCHER.search(line)):
        table.launched = True
        # Behind the program's name "-n" means iterations.
        if not table.processes and (count := _PROCESSES.search(line.partition("_perf")[0])):
            table.processes = int(count[1])
    if config := _CONFIG.search(line):
        table.per_process = int(config[1]) * int(config[2])
    if device := _DEVICE.search(line):
        table.ranks.add(int(device["rank"]))
        table.groups[device["group"] or "0"] += 1
        table.devices.add((device["host"], device["bus"]))
        table.names.append(device["name"].strip().rstrip("`"))
    elif ".." in line and len(found := [int(m) for m in _RANK.findall(line)]) == 2:
        # Somebody wrote eight lines as one: "Rank 0 .. Rank 7 on host  NVIDIA H100".
        table.ranks.update(range(found[0], found[1] + 1))
        table.groups["0"] += found[1] - found[0] + 1
        table.names += _MAKERS.findall(line)
    elif table.ranks and not table.lines and re.search(r"truncat|omitted|elided|snip|^#?\s*(?:\.\.\.|…)\s*$", line):
        table.elided = True


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return math.nan


def _row(line: str, columns: list[str] | None, number: int) -> list[_Line]:
    """Return the one or two directions of a table row, nothing for any other line."""
    words = line.replace("|", " ").strip("#`> \t").split()
    if len(words) < 6 or not _WHOLE.fullmatch(words[0]) or not _WHOLE.fullmatch(words[1]) or words[2] not in _TYPES:
        return []
    if columns is None or len(columns) < 6:
        columns = _guessed(words)
    # A direction may be left blank (trace replay): the row then lacks the words of one direction.
    starts = [i for i, c in enumerate(columns) if c in ("time", "cputime")]
    if not starts:
        return []
    width = (starts[1] if len(starts) > 1 else len(columns)) - starts[0]
    if len(starts) > 1 and len(words) <= starts[1]:
        starts = starts[:1]
    redop = words[3] if "redop" in columns[:5] and starts[0] > 3 else ""
    found = []
    for start in starts:
        named = dict(zip(columns[start : start + width], words[start : start + width], strict=False))
        time = _number(named.get("time", named.get("cputime", "")))
        if math.isnan(time) or "algbw" not in named or "busbw" not in named:
            continue
        wrong = _number(named.get("wrong", "")) if "wrong" in named else math.nan
        found.append(
            _Line(number, float(words[0]), redop, time * 1e-6, _number(named["algbw"]) * 1e9,
                  _number(named["busbw"]) * 1e9, wrong, "time" in named)
        )  # fmt: skip
    return found


def _guessed(words: list[str]) -> list[str]:
    """Return the columns of a row pasted without its header."""
    body = ["time", "algbw", "busbw", "wrong"]
    lead = ["size", "count", "type"]
    if not math.isfinite(_number(words[3])):
        lead.append("redop")
    rest = len(words) - len(lead)
    if rest % 4 == 1:  # a root before one or two directions
        lead.append("root")
    return lead + body * max(1, (len(words) - len(lead)) // 4)


# ---------------------------------------------------------------------------------------------------------- JSON


def _json(content: str, name: str) -> list[_Table]:
    return [_json_run(run, name) for _, run in documents(content, name, "the output of nccl-tests")[0]]


def _json_run(run: Any, name: str) -> _Table:
    results = run.get("results") if isinstance(run, Mapping) else None
    if not isinstance(results, list):
        raise FormatError("is JSON without the list 'results' that nccl-tests -J writes", name)
    table = _Table()
    config = run.get("config")
    config = config if isinstance(config, Mapping) else {}
    table.per_process = _count(config.get("nthreads")) * _count(config.get("ngpus"))
    args = run.get("args")
    words = " ".join(str(arg) for arg in args) if isinstance(args, list) else ""
    if program := _PROGRAM.search(words):
        table.program = program[1]
    devices = config.get("devices") or run.get("devices") or ()
    for device in devices if isinstance(devices, list) else ():
        if isinstance(device, Mapping):
            table.ranks.add(_count(device.get("rank")) if "rank" in device else len(table.ranks))
            table.groups[str(device.get("group", 0))] += 1
            table.devices.add((str(device.get("hostname")), str(device.get("device_hex"))))
            table.names.append(str(device.get("device_info", "")))
    # A process lists only its first device: the others are counted by the configuration.
    if table.ranks and table.per_process > 1:
        table.groups = Counter({group: count * table.per_process for group, count in table.groups.items()})
        table.devices = set()
    for number, result in enumerate(results, 1):
        if not isinstance(result, Mapping):
            raise FormatError("holds a result that is no object", name)
        table.lines += _json_result(result, number)
    return table


def _json_result(result: Mapping[str, Any], number: int) -> Iterator[_Line]:
    for direction in ("out_of_place", "in_place"):
        body = result.get(direction)
        if not isinstance(body, Mapping):
            continue
        timed = "time" in body
        yield _Line(
            number,
            _json_number(result.get("size")),
            str(result.get("redop") or ""),
            _json_number(body.get("time", body.get("cpu_time"))) * 1e-6,
            _json_number(body.get("alg_bw")) * 1e9,
            _json_number(body.get("bus_bw")) * 1e9,
            _json_number(body.get("nwrong")),
            timed,
        )


def _json_number(value: object) -> float:
    """Return a finite number that may stand as text; NaN for ``"nan"`` and whatever is none."""
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever is no number raises
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def _count(value: object) -> int:
    """Return a count of threads, devices or ranks; 0 for what can't be one."""
    number = _json_number(value)
    return int(number) if 0 <= number <= 1e6 else 0


# -------------------------------------------------------------------------------------------------- measurements


def _ratio(table: _Table) -> float:
    """Return bus over algorithm bandwidth at the largest bandwidth printed; NaN where too small to tell."""
    known = [line for line in table.lines if line.algorithm > 1e9 and line.bus > 0]
    best = max(known, key=lambda line: line.algorithm, default=None)
    return best.bus / best.algorithm if best else math.nan


def _ranks_by_ratio(workload: str, ratio: float) -> int:
    """Return the rank count that a ratio of bandwidths implies, 0 where it says none."""
    implied = {"all-reduce": lambda r: 2 / (2 - r), "all-gather": lambda r: 1 / (1 - r)}
    implied |= {"reduce-scatter": implied["all-gather"], "all-to-all": implied["all-gather"]}
    if workload not in implied or math.isnan(ratio) or ratio >= (2 if workload == "all-reduce" else 1):
        return 0
    count = implied[workload](ratio)
    whole = round(count)
    return whole if 2 <= whole <= _MOST_RANKS_BY_RATIO and abs(count - whole) < 0.03 * whole else 0


def _workload(table: _Table, ratio: float) -> str:
    """Return the collective: from the program's name, else from what only one collective does; "" when unknown."""
    if table.program:
        return WORKLOADS[table.program]
    reduces = {line.redop for line in table.lines} - {"", "none"}
    if reduces and ratio > 1.01:  # no other bus bandwidth exceeds the algorithm's
        return "all-reduce"
    if reduces and ratio < 0.99:
        return "reduce-scatter"
    return ""


def _accelerators(table: _Table, workload: str, ratio: float) -> tuple[float, str]:
    """Return how many accelerators took part (NaN when unknown) and a word for the user."""
    listed = max(table.groups.values(), default=0)
    told = _ranks_by_ratio(workload, ratio)
    launched = table.processes * (table.per_process or 1)
    if not launched and not table.launched:
        launched = table.per_process if not listed else 0
    if table.devices and len(table.devices) < len(table.ranks):
        return math.nan, "several ranks shared a device, so the number of accelerators is left empty"
    if listed and not table.elided and (not told or told == listed):
        return listed, ""
    if told:
        return told, f"{told} ranks by the ratio of bus to algorithm bandwidth; {listed or 'none'} listed"
    if launched > 1 and launched >= listed:
        return launched, f"{launched} ranks by the command line"
    if listed and not table.elided:
        return listed, ""
    return math.nan, f"does not tell how many ranks took part; {uncounted.ADVICE}"


def _measurements(tables: list[_Table], name: str) -> Measurements:
    names = [tuple(dict.fromkeys(n for n in table.names if n)) for table in tables]
    stated = list(dict.fromkeys(n for n in names if n))
    rows: list[dict[str, Any]] = []
    identity: dict[str, tuple[str, ...]] = {}
    ignored: list[Ignored] = []
    notes: list[str] = []
    for table, devices in zip(tables, names, strict=True):
        different = len(stated) > 1 and devices
        profile = f"{name}:{stated.index(devices) + 1}" if different else name
        if devices:
            identity[profile] = tuple(dict.fromkeys((*identity.get(profile, ()), *devices)))
        ratio = _ratio(table)
        workload = _workload(table, ratio)
        count, word = _accelerators(table, workload, ratio)
        if word:
            notes.append(f"{name}: {word}")
        if not workload:
            notes.append(f"{name}: does not name its collective (no command line such as all_reduce_perf)")
        for line in table.lines:
            if line.wrong > 0:
                ignored.append(Ignored(profile, line.number, f"the data check found {line.wrong:g} wrong values"))
                continue
            rows += _figures(line, {"profile": profile, "workload": workload, "accelerators": count})
    if not rows:
        raise InputError("is nccl-tests output without a usable row: all sizes failed their check or are empty", name)
    columns: dict[str, list[Any]] = {key: [row[key] for row in rows] for key in rows[0]}
    columns |= {
        "tool": ["collective"] * len(rows),
        "phase": ["kernel"] * len(rows),
        "scope": ["accelerator"] * len(rows),
    }
    columns["accelerators"] = ["" if math.isnan(v) else f"{v:g}" for v in columns["accelerators"]]
    table_of = from_columns(columns, where=name, identity=identity, notes=_once(notes))
    return replace(table_of, ignored=tuple(ignored))


def _figures(line: _Line, common: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if not line.size > 0:
        return
    common = common | {"message_bytes": line.size}
    if line.timed and line.seconds > 0:
        yield common | {"quantity": "latency", "unit": "s", "value": line.seconds}
    if line.timed and line.bus > 0:
        yield common | {"quantity": "bus_bandwidth", "unit": "B/s", "value": line.bus}


def _once(notes: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(notes))
