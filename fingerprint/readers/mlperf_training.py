"""MLPerf Training logs: ``:::MLLOG {json}`` lines between anything else that a job prints, or a folder of them.

A submission folder is ``<submitter>/results/<system>/<benchmark>/result_N.txt`` beside ``<submitter>/systems/<system>.json``,
which counts the accelerators. A lone log counts them in a ``:::SYSJSON`` line, or in a platform written
``1xXE9680x8H200-...``: nodes, then accelerators a node (right in 3,511 of 3,521 published logs so written).
"""

from __future__ import annotations

import json
import math
import re
import statistics
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

from fingerprint import workloads
from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Ignored, Measurements, from_columns
from fingerprint.readers import uncounted
from fingerprint.readers.figures import positive

NAME = "mlperf-training"
TITLE = "MLPerf Training log (':::MLLOG' lines) or submission folder"
YIELDS = "throughput in samples or tokens a second, step time, time to the target quality"

#: Tokens of a sequence, which the benchmarks' rules fix.
SEQUENCE_TOKENS = {"bert": 512.0, "gpt3": 2048.0, "llama2_70b_lora": 8192.0, "llama31_8b": 8192.0, "llama31_405b": 8192.0}  # fmt: skip

#: Images of RetinaNet's training set (MLPerf's part of OpenImages). SSD300's COCO has 117,266.
RETINANET_IMAGES = 1170301.0

#: Throughput that is no rate of samples, and one that counts tokens: throughput times time is 1.2e9, not the samples.
_NO_RATE, _TOKENS = ("minigo",), ("gpt3",)

_MARK, _SYSTEM = ":::MLLOG", ":::SYSJSON"
#: Characters of a system's description; real ones hold some 2,000.
_LARGEST_RECORD = 4_000_000
_PLATFORM = re.compile(r"(\d{1,5})x.*?x(\d{1,2})(?=[A-Z])")
#: A run longer than a year is a broken clock.
_LONGEST = 3.2e7

_COLUMNS = ("profile", "tool", "workload", "phase", "statistic", "scope", "quantity", "unit", "accelerators", "batch",
            "input_tokens", "value")  # fmt: skip


def sniff(head: str) -> float:
    """Return how sure this is an MLPerf Training log: its mark, followed by an object with a time and a key."""
    return 1.0 if re.search(r':::MLLOG\s+\{[^\n]{0,400}"(time_ms|event_type)"', head) else 0.0


def read(text: TextIO, name: str) -> Measurements:
    """Return the figures of one log, or of several runs one below the other.

    Runs of one benchmark with the same batch count as repetitions: throughput and step time are medians, the time to train is the mean
    without the fastest and the slowest run where there are three or more, as the benchmark scores it.

    Raises
    ------
    FormatError
        If no line is an MLLOG event.
    InputError
        If no run holds a figure.
    """
    ignored: list[Ignored] = []
    runs = list(_runs(text, name, ignored))
    if not runs:
        raise FormatError("holds no ':::MLLOG' event; give the result_N.txt of a training run", name)
    return _table([replace(run, profile=name, where=name) for run in runs], name, ignored, [])


def read_folder(folder: Path) -> Measurements | None:
    """Return the measurements of a training submission or any folder with its logs; None without any.

    A profile is one system. Logs without a single event are left out with a note.

    Raises
    ------
    InputError
        If no log of the folder holds a figure.
    """
    root = folder.resolve()
    runs: list[_Run] = []
    notes: list[str] = []
    ignored: list[Ignored] = []
    systems: dict[Path, Mapping[str, Any]] = {}
    for path in sorted(root.rglob("result_*.txt")):
        where = path.relative_to(root.parent).as_posix()
        try:
            with path.open(encoding="utf-8", errors="replace") as stream:
                found = list(_runs(stream, where, ignored))
        except OSError as error:
            notes.append(f"{where}: can't be opened: {error.strerror or error}")
            continue
        if not found:
            notes.append(f"{where}: holds no ':::MLLOG' event; left out")
            continue
        profile, place = root.name, None
        if path.parents[2].name == "results" or len(path.parents) > 3:
            system, submitter = path.parents[1], path.parents[3]
            profile = f"{submitter.name}/{system.name}"
            place = submitter / "systems" / f"{system.name}.json"
            if place not in systems:
                systems[place] = _record(place)
        record = systems.get(place, {}) if place else {}
        counted = _count(record)
        runs += [
            replace(run, profile=profile, count=counted or run.count, by_platform=run.by_platform and not counted,
                    names=_named(record) or run.names)
            for run in found
        ]  # fmt: skip
    if not runs:
        return None
    return _table(runs, folder.name, ignored, notes)


@dataclass
class _Run:
    """What one run's events tell."""

    where: str
    row: int
    profile: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    tracked: dict[str, array[float]] = field(default_factory=dict)
    start: float = math.nan
    stop: float = math.nan
    status: str = ""
    epochs: float = math.nan
    trained: float = 0.0
    training: float = 0.0
    block: tuple[float, float] | None = None
    count: float | None = None
    by_platform: bool = False
    names: tuple[str, ...] = ()

    @property
    def benchmark(self) -> str:
        """The benchmark's name as the log has it; RetinaNet goes by the name of its forerunner SSD."""
        name = str(self.settings.get("submission_benchmark") or "").strip().lower()
        large = positive(self.settings.get("train_samples")) >= 1e6
        return "retinanet" if name == "ssd" and large else name

    @property
    def seconds(self) -> float:
        """Time from start to stop; NaN where one is missing or the clock ran backwards."""
        seconds = (self.stop - self.start) / 1e3
        return seconds if 0.0 < seconds < _LONGEST else math.nan

    def throughput(self) -> float:
        """Return the median of the tracked rates, else samples over the time of the blocks that trained on them."""
        if self.tracked.get("throughput"):
            return statistics.median(self.tracked["throughput"])
        return self.trained / self.training if self.trained > 0 and self.training > 0 else math.nan


def _runs(lines: Iterable[str], where: str, ignored: list[Ignored]) -> Iterator[_Run]:
    """Yield the runs of a log; events after a run's stop that open another belong to the next."""
    run: _Run | None = None
    system: Mapping[str, Any] = {}
    broken = 0
    for row, line in enumerate(lines, start=1):
        if _SYSTEM in line and not system:
            system = _object(line.partition(_SYSTEM)[2]) or {}
        mark = line.rfind(_MARK)
        if mark < 0:
            continue
        event = _object(line[mark + len(_MARK) :])
        if event is None or not isinstance(event.get("key"), str):
            broken += 1
            if broken <= 3:
                ignored.append(Ignored(where, row, "is an MLLOG line whose JSON can't be read"))
            continue
        if run is None or (not math.isnan(run.stop) and event["key"] in ("init_start", "submission_benchmark", "run_start")):
            if run is not None:
                yield _finished(run, system)
            run = _Run(where, row)
        _take(run, event)
    if broken > 3:
        ignored.append(Ignored(where, 0, f"{broken - 3} more MLLOG lines whose JSON can't be read"))
    if run is not None:
        yield _finished(run, system)


def _object(text: str) -> dict[str, Any] | None:
    """Return the JSON object that a text begins with; None where there is none."""
    start = text.find("{")
    if start < 0 or len(text) > _LARGEST_RECORD:
        return None
    try:
        value, _ = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _take(run: _Run, event: Mapping[str, Any]) -> None:
    key, value = event["key"], event.get("value")
    metadata = event.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    now = positive(event.get("time_ms"))
    samples = positive(metadata.get("samples_count", 0) or math.nan)
    if key == "tracked_stats":
        for name in ("throughput", "train_step_time"):
            number = positive(value.get(name)) if isinstance(value, dict) else math.nan
            if not math.isnan(number):
                run.tracked.setdefault(name, array("d")).append(number)
    elif key == "run_start":
        # Every rank may say so: the first start, the last stop.
        run.start = min(now, run.start) if not math.isnan(run.start) else now
    elif key == "run_stop":
        run.stop = max(now, run.stop) if not math.isnan(run.stop) else now
        run.status = str(metadata.get("status") or run.status)[:40].lower()
        run.epochs = positive(metadata.get("epoch_num"))
    elif key == "block_start":
        run.block = (now, 0.0 if math.isnan(samples) else samples)
    elif key == "block_stop" and run.block is not None:
        since, before = run.block
        if samples > before and now > since:
            run.trained += samples - before
            run.training += (now - since) / 1e3
        run.block = None
    elif key.startswith("submission_") or key in ("global_batch_size", "train_samples", "max_sequence_length"):
        run.settings.setdefault(key, value)


def _finished(run: _Run, system: Mapping[str, Any]) -> _Run:
    """Return the run with what its platform and the system line say."""
    platform = str(run.settings.get("submission_platform") or "")[:120]
    run.names = _named(system)
    if "PLACEHOLDER" not in platform and platform:
        run.names = (*run.names, platform)
    told = _PLATFORM.match(platform)
    run.count = _count(system)
    if run.count is None and told:
        run.count, run.by_platform = (float(told[1]) * float(told[2])) or None, True
    return run


def _count(record: Mapping[str, Any]) -> float | None:
    nodes, each = positive(record.get("number_of_nodes")), positive(record.get("accelerators_per_node"))
    return nodes * each if nodes * each > 0 else None


def _named(record: Mapping[str, Any]) -> tuple[str, ...]:
    texts = (str(record.get(key) or "")[:120] for key in ("accelerator_model_name", "system_name"))
    return tuple(t for t in texts if t.strip() and "UNKNOWN" not in t)


def _record(place: Path) -> Mapping[str, Any]:
    try:
        with place.open(encoding="utf-8", errors="replace") as stream:
            return _object(stream.read(_LARGEST_RECORD)) or {}
    except OSError:
        return {}


# -------------------------------------------------------------------------------------------------- measurements


def _table(runs: list[_Run], name: str, ignored: list[Ignored], notes: list[str]) -> Measurements:
    groups: dict[tuple[Any, ...], list[_Run]] = {}
    for run in runs:
        batch = positive(run.settings.get("global_batch_size"))
        key = (run.profile, run.benchmark, None if math.isnan(batch) else batch, run.count)
        groups.setdefault(key, []).append(run)
    rows: list[dict[str, Any]] = []
    identity: dict[str, tuple[str, ...]] = {}
    for same in groups.values():
        found = list(_figures(same, ignored, notes))
        if not found:
            ignored.append(Ignored(same[0].profile, same[0].row, "a run without throughput, step time or success"))
            continue
        rows += found
        names = tuple(n for run in same for n in run.names)
        identity[same[0].profile] = tuple(dict.fromkeys((*identity.get(same[0].profile, ()), *names)))
    if not rows:
        raise InputError("holds no finished run and no tracked throughput; give the log of a whole run", name)
    columns = {column: [row.get(column) for row in rows] for column in _COLUMNS}
    identity = {p: n for p, n in identity.items() if n}
    return replace(
        from_columns(columns, where=name, identity=identity, notes=dict.fromkeys(notes)), ignored=tuple(ignored)
    )


def _figures(runs: list[_Run], ignored: list[Ignored], notes: list[str]) -> Iterator[dict[str, Any]]:
    """Yield throughput, step time and time to train of repeated runs of one benchmark."""
    first = runs[0]
    where, benchmark = first.where, first.benchmark
    workload = workloads.resolve(benchmark) if benchmark else ""
    if not workload:
        notes.append(f"{where}: the benchmark {benchmark[:60]!r} is not known, so what a sample costs is not either")
        workload = re.sub(r"[^a-z0-9.]+", "-", benchmark)
    if first.count is None:
        notes.append(f"{where}: {uncounted.note('worked', 'read the whole folder of the submission')}")
    elif first.by_platform:
        notes.append(f"{where}: {first.count:g} accelerators by the platform's name")
    length = positive(first.settings.get("max_sequence_length"))
    batch = positive(first.settings.get("global_batch_size"))
    common: dict[str, Any] = {
        "profile": first.profile, "tool": NAME, "workload": workload, "phase": "train", "scope": "system",
        "accelerators": first.count, "batch": None if math.isnan(batch) else batch,
        "input_tokens": SEQUENCE_TOKENS.get(benchmark, None if math.isnan(length) else length),
    }  # fmt: skip
    rates = [rate for run in runs if not math.isnan(rate := run.throughput())]
    if rates and benchmark not in _NO_RATE:
        tokens = benchmark in _TOKENS
        yield common | {
            "quantity": "total_throughput" if tokens else "throughput",
            "unit": "token/s" if tokens else "sample/s",
            "statistic": "median",
            "value": statistics.median(rates),
            "scope": _scope(first),
        }
        if not any(run.tracked.get("throughput") for run in runs):
            notes.append(f"{where}: no throughput was tracked; it is samples over the time of the training blocks")
    steps = [statistics.median(run.tracked["train_step_time"]) for run in runs if run.tracked.get("train_step_time")]
    if steps:
        yield common | {"quantity": "step_time", "unit": "s", "statistic": "median", "value": statistics.median(steps)}
    times = sorted(run.seconds for run in runs if run.status == "success" and not math.isnan(run.seconds))
    for run in runs:
        if run.status != "success":
            why = f"the run ended as {run.status!r}" if run.status else "the run did not end"
            ignored.append(Ignored(run.profile, run.row, f"no time to train: {why}"))
    if times:
        scored = times[1:-1] if len(times) > 2 else times
        yield common | {"quantity": "time_to_train", "unit": "s", "value": statistics.fmean(scored)}


def _scope(run: _Run) -> str:
    """Return whether the tracked rate is the system's or, as in many RetinaNet logs, one accelerator's.

    The epochs and the time of the run tell the system's rate; which it is, is judged in ratio.
    """
    if run.benchmark != "retinanet" or run.count is None:
        return "system"
    whole = run.epochs * RETINANET_IMAGES / run.seconds / run.throughput()
    return "accelerator" if whole > math.sqrt(run.count) else "system"
