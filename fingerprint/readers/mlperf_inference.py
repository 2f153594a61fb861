"""MLPerf Inference results: LoadGen's ``mlperf_log_summary.txt``, alone or in a submission folder.

A summary is ``key : value`` lines under three headings, the headline first, times in nanoseconds. Where a key changed
its spelling between LoadGen 1.0 and 5.1 all spellings are read. A submission folder is
``closed/<submitter>/results/<system>/<model>/<scenario>/performance/run_1/mlperf_log_summary.txt`` beside
``closed/<submitter>/systems/<system>.json``: the folder names the model, the system's file counts its accelerators.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from fingerprint import chips, workloads
from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Measurements, from_columns
from fingerprint.readers import uncounted

NAME = "mlperf-inference"
TITLE = "MLPerf Inference summary log or submission folder"
YIELDS = (
    "throughput in tokens, samples or requests a second (Offline, Server, Interactive), latency (SingleStream, MultiStream), "
    "mean time to first token and time per output token"
)

FILE_NAME = "mlperf_log_summary.txt"

_TITLE = "MLPerf Results Summary"
_SETTINGS = "Test Parameters Used"
#: A summary ends with the number of errors: "No errors encountered during test."
_END = re.compile(r"^(?:no|\d+) errors? encountered", re.IGNORECASE | re.MULTILINE)
#: Real summaries hold some 3,500 characters.
_LARGEST = 4_000_000

#: Interactive is Server to LoadGen, with tighter limits: at most 40 ms a token, or 4.5 s and 80 ms for the largest
#: model.
_INTERACTIVE_TPOT_NS = 40e6
_INTERACTIVE_LIMITS_NS = (4500e6, 80e6)

#: Server rates have two decimals: below this many samples a second their ratio says too little of a sample's length.
_FEWEST_SAMPLES = 0.1

_PHASES = {"offline": "offline", "server": "serve", "interactive": "interactive", "singlestream": "latency",
           "multistream": "latency"}  # fmt: skip

#: What each column of the result holds; the order of rows is that of the file.
_COLUMNS = ("profile", "tool", "workload", "phase", "precision", "weight_precision", "statistic", "scope", "quantity",
            "unit", "accelerators", "batch", "output_tokens", "value")  # fmt: skip

Row = dict[str, Any]


def sniff(head: str) -> float:
    """Return how sure this is a LoadGen summary: it opens with its title."""
    if _TITLE not in head[:2000]:
        return 0.0
    return 1.0 if re.search(r"^Scenario\s*:", head, re.MULTILINE) else 0.6


def read(text: TextIO, name: str) -> Measurements:
    """Return the measurements of one summary (or of several, one below the other).

    A summary says neither what model ran, unless the system under test is named after it, nor on how many accelerators:
    both stay empty and a note says so. SUT names that name a chip are reported as identity.

    Raises
    ------
    FormatError
        If the text is no LoadGen summary.
    InputError
        If it is cut short, of an accuracy run, or holds no figure; or a figure that is no number.
    """
    summaries = _summaries(text, name)
    rows: list[Row] = []
    notes: list[str] = []
    for summary in summaries:
        workload = _workload_of_sut(summary.values.get("SUT name", ""))
        rows += [{"profile": name, "workload": workload, **row} for row in summary.figures(None)]
        notes += summary.notes
        if not workload:
            notes.append(f"{name}: the summary does not name its model; the submission's folder would")
    notes.append(f"{name}: {uncounted.note('worked', 'read the whole folder of the submission')}")
    sut = tuple(dict.fromkeys(s.values.get("SUT name", "") for s in summaries))
    identity = {name: tuple(s for s in sut if chips.resolve(s) or chips.architecture_of_label(s))}
    return _table(rows, name, identity, notes)


def read_folder(folder: Path) -> Measurements | None:
    """Return the measurements of a submission, a system's results or any folder with summaries in it; None without any.

    A profile is one system. Of several runs of a scenario the first counts; runs of accuracy, compliance and power
    ranging do not, nor does a second accuracy tier that repeats the first one's figures. A damaged summary is left out
    with a note, unless no other is there.

    Raises
    ------
    InputError
        If no summary of the folder can be read.
    """
    runs = sorted(_runs(folder), key=lambda run: (run.profile, run.model, run.scenario, run.number, str(run.path)))
    if not runs:
        return None
    rows: list[Row] = []
    notes: list[str] = []
    identity: dict[str, tuple[str, ...]] = {}
    failed: list[InputError] = []
    done: set[tuple[str, ...]] = set()
    told: set[tuple[Any, ...]] = set()
    for run in runs:
        if run.key in done:
            notes.append(f"{run.where}: another run of the same scenario counts already")
            continue
        try:
            with run.path.open(encoding="utf-8", errors="replace") as stream:
                summary = _summaries(stream, run.where)[0]
            found = [{**run.columns(), **row} for row in summary.figures(run.scenario)]
        except InputError as error:
            failed.append(error)
            notes.append(f"left out: {error}")
            continue
        done.add(run.key)
        notes += summary.notes
        identity[run.profile] = run.system.names
        if run.scenario in ("offline", "multistream") and summary.scenario == "singlestream":
            notes.append(f"{run.where}: is the single-stream run, filed for another scenario; left out")
            continue
        model = workloads.resolve(run.model) or run.model
        figures = (run.profile, model, run.scenario, *((r["quantity"], r["value"]) for r in found))
        if figures in told:
            notes.append(f"{run.where}: repeats the figures of the same model's other tier; left out")
            continue
        told.add(figures)
        if run.system.count is None:
            notes.append(f"{run.where}: no systems/*.json counts its accelerators; {uncounted.ADVICE}")
        rows += found
    if not rows:
        raise failed[0] if failed else InputError("holds no figure of a performance run", folder.name)
    return _table(rows, folder.name, identity, list(dict.fromkeys(notes)))


def stated_precision(weight_data_types: str) -> tuple[str, str]:
    """Return the arithmetic and the weights' precision that ``weight_data_types`` settles; "" where open.

    The field tells the weights that the submission started from. int8, fp8 and a submitter's own fp4 are the arithmetic
    too. A wide type is not: submissions that state fp16 have run fp8 or fp4. int4 and mxfp4 are formats that weights
    are published in, whatever the arithmetic. Where a diffusion model states a type for each part, its UNet counts.
    """
    text = weight_data_types.lower()
    parts = re.search(r"unet\W+(\w+)", text)
    if parts:
        text = parts[1]
    if "u8" in re.split(r"\W+", text):  # packed 4-bit weights beside others: either
        return "", ""
    for pattern, stated in ((r"int4", ("", "int4")), (r"mxfp4", ("", "fp4")), (r"fp4", ("fp4", "")),
                            (r"fp8|float8", ("fp8", "")), (r"int8", ("int8", ""))):  # fmt: skip
        if re.search(pattern, text):
            return stated
    return "", ""


@dataclass(frozen=True)
class _Summary:
    """One summary: its values by key, the first where a key repeats."""

    values: Mapping[str, str]
    where: str

    @property
    def scenario(self) -> str:
        """LoadGen's scenario in lower case."""
        return self.values.get("Scenario", "").strip().lower()

    @property
    def notes(self) -> list[str]:
        """What the user should know about the run."""
        verdict = self.values.get("Result is", "")
        return (
            []
            if verdict == "VALID"
            else [f"{self.where}: LoadGen calls the result {verdict or 'nothing'}; read all the same"]
        )

    def number(self, *keys: str) -> float | None:
        """Return the number under the first key that is there."""
        for key in keys:
            if key in self.values:
                word = self.values[key]
                try:
                    return float(word)
                except ValueError:
                    raise InputError(f"'{key}' must be a number, found {word[:40]!r}", self.where) from None
        return None

    def figures(self, folder_scenario: str | None) -> list[Row]:
        """Return the rows of the summary: the headline, then the mean token times."""
        scenario = self.scenario
        if scenario not in _PHASES:
            raise InputError(
                f"'Scenario' must be Offline, Server, Interactive, SingleStream or MultiStream, found {scenario[:40]!r}",
                self.where,
            )
        interactive = folder_scenario == "interactive" or (folder_scenario is None and self._limits_are_interactive())
        phase = "interactive" if scenario == "server" and interactive else _PHASES[scenario]
        rows = self._latency(scenario) if scenario in ("singlestream", "multistream") else self._throughput(scenario)
        for quantity, keys in _TOKEN_TIMES.items():
            if (value := self.number(*keys)) is not None:
                rows.append({"quantity": quantity, "unit": "ns", "statistic": "mean", "value": value})
        if not rows:
            raise InputError(
                f"holds no result of the scenario {scenario}; is it a whole mlperf_log_summary.txt?", self.where
            )
        tokens = self.number(*_TOKEN_RATES)
        samples = self.number(*_SAMPLE_RATES)
        length = tokens / samples if tokens and samples and samples >= _FEWEST_SAMPLES else ""
        return [{"tool": NAME, "phase": phase, "scope": "system", "output_tokens": length, **row} for row in rows]

    def _limits_are_interactive(self) -> bool:
        first, each = self.number("ttft_latency (ns)"), self.number("tpot_latency (ns)")
        if first is None or each is None or "Mean First Token latency (ns)" not in self.values:
            return False
        return each <= _INTERACTIVE_TPOT_NS or (first, each) == _INTERACTIVE_LIMITS_NS

    def _throughput(self, scenario: str) -> list[Row]:
        tokens = self.number(*_TOKEN_RATES)
        if tokens is not None:
            return [{"quantity": "output_throughput", "unit": "token/s", "value": tokens}]
        samples = self.number(*_SAMPLE_RATES)
        unit = "sample/s" if scenario == "offline" else "request/s"
        return [] if samples is None else [{"quantity": "throughput", "unit": unit, "value": samples}]

    def _latency(self, scenario: str) -> list[Row]:
        # The metric of a single stream is the 90th percentile, of a multi-stream query the 99th.
        percentile = "90" if scenario == "singlestream" else "99"
        value = self.number(f"{percentile}.00 percentile latency (ns)", f"{percentile}th percentile latency (ns)",
                            f"{percentile}.0th percentile latency (ns)")  # fmt: skip
        if value is None:
            return []
        batch = self.number("samples_per_query", "Samples per query") if scenario == "multistream" else 1.0
        row = {"quantity": "latency", "unit": "ns", "statistic": f"p{percentile}", "value": value}
        return [row | ({} if batch is None else {"batch": batch})]


_TOKEN_RATES = ("Tokens per second", "Completed tokens per second", "Tokens per second (inferred)",
                "Completed tokens per second (inferred)")  # fmt: skip
_SAMPLE_RATES = ("Samples per second", "Completed samples per second", "Scheduled samples per second")
_TOKEN_TIMES = {
    "ttft": ("Mean First Token latency (ns)",),
    "tpot": ("Mean Time to Output Token (ns)", "Mean Time per Output Token (ns)"),
}


def _summaries(text: TextIO, where: str) -> list[_Summary]:
    content = text.read(_LARGEST)
    pieces = re.split(rf"^{_TITLE}\s*$", content, flags=re.MULTILINE)[1:]
    if not pieces:
        raise FormatError(
            f"is no LoadGen summary: no line says {_TITLE!r}; give the file mlperf_log_summary.txt", where
        )
    return [_summary(piece, where) for piece in pieces]


def _summary(piece: str, where: str) -> _Summary:
    values: dict[str, str] = {}
    for line in piece.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            values.setdefault(re.sub(r"\s+", " ", key.strip()), value.strip())
    if "Scenario" not in values:
        raise FormatError(
            "has the title of a LoadGen summary but no 'Scenario'; give the whole mlperf_log_summary.txt", where
        )
    if _SETTINGS not in piece or not _END.search(piece):
        raise InputError("is cut short: it ends before LoadGen's count of errors; fetch the whole file again", where)
    if "accuracy" in values.get("Mode", "").lower():
        raise InputError("is of an accuracy run, which has no timing; give the summary of the performance run", where)
    return _Summary(values, where)


def _workload_of_sut(sut: str) -> str:
    """Return the model that a name such as ``llama2-70b-Offline-SUT`` says, or ""."""
    stem = re.split(r"[-_ ](?:Offline|Server|Interactive|SingleStream|MultiStream|SUT)\b", sut, flags=re.IGNORECASE)[0]
    return workloads.resolve(stem) or "" if stem != sut else ""


@dataclass(frozen=True)
class _System:
    """What a submission says of a system: names, never used, and the accelerator count."""

    names: tuple[str, ...]
    count: float | None


@dataclass(frozen=True)
class _Run:
    """One performance run of a submission and what its place tells."""

    path: Path
    where: str
    profile: str
    model: str
    scenario: str
    number: int
    system: _System
    precision: tuple[str, str]

    @property
    def key(self) -> tuple[str, ...]:
        """What the runs of one scenario share."""
        return (self.profile, self.model, self.scenario) if self.model else (str(self.path),)

    def columns(self) -> Row:
        """Return the columns that every figure of the run has."""
        return {
            "profile": self.profile,
            "workload": workloads.resolve(self.model) or self.model,
            "precision": self.precision[0],
            "weight_precision": self.precision[1],
            "accelerators": "" if self.system.count is None else self.system.count,
        }


def _runs(folder: Path) -> Iterator[_Run]:
    """Yield the performance runs below a folder; the place of each is read from its full path."""
    systems: dict[Path, _System] = {}
    root = folder.resolve()
    for path in sorted(root.rglob(FILE_NAME)):
        parts = path.parts
        inside = {p.lower() for p in path.relative_to(root).parts[:-1]}
        if inside & {"accuracy", "compliance", "ranging"} or any(re.fullmatch(r"test\d+", p) for p in inside):
            continue
        where = path.relative_to(root.parent).as_posix()
        if len(parts) < 7 or parts[-3] != "performance":
            yield _Run(path, where, folder.name, "", "", 0, _System((), None), ("", ""))
            continue
        scenario_folder = path.parents[2]
        system_folder = path.parents[4]
        model, system = path.parents[3].name, system_folder.name
        submission = path.parents[6] if path.parents[5].name == "results" else None
        place = submission / "systems" / f"{system}.json" if submission else system_folder / f"{system}.json"
        if place not in systems:
            systems[place] = _system(place, system)
        profile = f"{submission.name}/{system}" if submission else system
        if submission and submission.parent.name == "open":  # the same system may stand in both divisions
            profile = f"open/{profile}"
        number = re.search(r"[0-9]{1,9}", parts[-2])
        yield _Run(path, where, profile, model, scenario_folder.name.lower(), int(number[0]) if number else 0,
                   systems[place], _precision(scenario_folder, submission, system, model))  # fmt: skip


def _system(place: Path, system: str) -> _System:
    record = _json(place)
    model = str(record.get("accelerator_model_name") or "")
    names = tuple(dict.fromkeys(n for n in (model, str(record.get("system_name") or ""), system) if n.strip()))
    each, nodes = _count(record.get("accelerators_per_node")), _count(record.get("number_of_nodes"))
    # "AMD Instinct MI355X 288GB HBM3e (x87)": the last node was not full.
    total = re.search(r"\(x(\d{1,6})\)\s*$", model)
    if total and model.count("(x") == 1:
        return _System(names, float(total[1]))
    return _System(names, each * (nodes or 1.0) if each else None)


def _count(value: object) -> float | None:
    match = re.fullmatch(r"\s*([0-9]{1,6})(?:\.0+)?\s*", str(value)[:40])
    return float(match[1]) if match and int(match[1]) else None


def _precision(scenario: Path, submission: Path | None, system: str, model: str) -> tuple[str, str]:
    """Return what the run's measurement record settles of the precision, or open."""
    places = [scenario / "measurements.json"]
    if submission:
        measured = submission / "measurements" / system / model / scenario.name
        places += sorted(measured.glob("*.json")) if measured.is_dir() else []
    for place in places:
        stated = stated_precision(str(_json(place).get("weight_data_types") or ""))
        if any(stated):
            return stated
    return "", ""


def _json(place: Path) -> dict[str, Any]:
    """Return a JSON object, empty when the file is not there or holds none."""
    try:
        with place.open(encoding="utf-8", errors="replace") as stream:
            record = json.loads(stream.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _table(rows: list[Row], where: str, identity: Mapping[str, tuple[str, ...]], notes: list[str]) -> Measurements:
    columns = {name: [row.get(name, "") for row in rows] for name in _COLUMNS}
    return from_columns(columns, where=where, identity={p: n for p, n in identity.items() if n}, notes=notes)
