"""MLPerf Inference results as lists: ``summary_results.json``, and the CSV that the results dashboard exports.

The dashboard's CSV comes as a cross table (models, scenarios and units in header rows, four lines a system) or as one
row a result; in UTF-8 with commas or UTF-16 with tabs. A profile is one submitted system. What the columns call the
accelerator is reported and never used, but for a count written into it (``(x87)``).
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TextIO

import numpy as np

from fingerprint import workloads
from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Ignored, Measurements, from_columns
from fingerprint.readers.figures import positive
from fingerprint.readers.json_text import documents
from fingerprint.readers.mlperf_inference import stated_precision

NAME = "mlperf-results"
TITLE = "MLPerf Inference results list: summary_results.json, or the dashboard's CSV export (cross table or rows)"
YIELDS = "throughput in tokens, samples or requests a second, single- and multi-stream latency, one profile a system"

_PHASES = {"offline": "offline", "server": "serve", "interactive": "interactive", "singlestream": "latency",
           "multistream": "latency"}  # fmt: skip
_UNITS = {"tokens/s": ("output_throughput", "token/s"), "samples/s": ("throughput", "sample/s"),
          "queries/s": ("throughput", "request/s"), "latency (ns)": ("latency", "ns"), "latency (ms)": ("latency", "ms"),
          "latency (s)": ("latency", "s")}  # fmt: skip
#: The metric of a single stream is the 90th percentile, of a multi-stream query of eight the 99th.
_STREAMS = {"singlestream": ("p90", 1.0), "multistream": ("p99", 8.0)}

#: Language models and speech, whose figures are tokens a second from round 5.0 on whatever unit a list gives (its cross tables
#: and some records say samples or queries; the runs' logs, and the magnitude, say tokens).
_TOKENS_SINCE_5 = re.compile(r"llama|mixtral|gptj|gpt-oss|deepseek|whisper")

#: The dashboard's own names of models.
_MODELS = {"text to video": "wan-2.2-t2v-a14b"}

_COLUMNS = ("profile", "tool", "workload", "phase", "precision", "weight_precision", "statistic", "scope", "quantity",
            "unit", "accelerators", "batch", "output_tokens", "value")  # fmt: skip

#: Characters of the largest list; that of a round has some 4 million.
LARGEST = 40_000_000

#: Names of the dashboard's columns without their hints.
_HEADS = {
    "public id": "id", "organization": "submitter", "system name": "system", "accelerator": "accelerator", "model mlc": "model",
    "scenario": "scenario", "units": "unit", "# of nodes": "nodes", "# of accelerators": "each", "accelerators per node": "each",
    "total accelerators": "total", "avg. result at system name": "value", "division/power": "division",
}  # fmt: skip


@dataclass(frozen=True)
class _Result:
    """One published result in the words of its list."""

    row: int
    profile: str
    round: str
    model: str
    scenario: str
    unit: str
    value: Any
    accelerator: str
    system: str
    nodes: Any = None
    each: Any = None
    total: Any = None
    types: str = ""
    accuracy: str = ""
    inferred: bool = False


def sniff(head: str) -> float:
    """Return how sure this is a results list: keys of its own, or the dashboard's column names."""
    text = head.lstrip("\ufeff \t\r\n")
    if text.startswith(("[", "{")):
        return 1.0 if '"Performance_Result"' in text and '"Performance_Units"' in text else 0.0
    start = text[:12_000]
    return 1.0 if "Public ID" in start and "Organization" in start and "Model MLC" in start else 0.0


def read(text: TextIO, name: str) -> Measurements:
    """Return the results' figures, one profile a submitted system.

    Of the two accuracy tiers of a model one is kept where their figures are equal. Systems without an accelerator, results inferred
    from another scenario, and numbers of streams are left out.

    Raises
    ------
    FormatError
        If the text is no such list.
    InputError
        If it is cut short in its header, or holds no result of an accelerator.
    """
    # Exports in UTF-16 end on half a code unit.
    content = text.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise InputError(f"holds more than {LARGEST:,} characters; a round's results are a tenth of that", name)
    content = content.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff").rstrip("\ufffd\0 \n\t")
    ignored: list[Ignored] = []
    results = _listed(content, name) if content.lstrip().startswith(("[", "{")) else _exported(content, name, ignored)
    rows: list[dict[str, Any]] = []
    at: list[int] = []
    identity: dict[str, tuple[str, ...]] = {}
    notes: dict[str, None] = {}
    seen: set[tuple[Any, ...]] = set()
    for result in results:
        try:
            figure = _figure(result, notes)
        except _Unusable as error:
            ignored.append(Ignored(result.profile, result.row, str(error)))
            continue
        key = tuple(figure[k] for k in ("profile", "workload", "phase", "statistic", "quantity", "unit", "value"))
        if key in seen:
            ignored.append(Ignored(result.profile, result.row, "repeats the figure of the same model's other tier"))
            continue
        seen.add(key)
        rows.append(figure)
        at.append(result.row)
        names = (n for n in (result.accelerator, result.system) if n)
        identity[result.profile] = tuple(dict.fromkeys((*identity.get(result.profile, ()), *names)))
    if not rows:
        why = f" ({ignored[0].why})" if ignored else ""
        raise InputError(f"holds no result of an accelerator{why}", name)
    columns = {column: [row.get(column) for row in rows] for column in _COLUMNS}
    table = from_columns(columns, where=name, identity=identity, notes=[f"{name}: {note}" for note in notes])
    return replace(table, row=np.array(at, dtype=np.int64), ignored=tuple(ignored))


class _Unusable(Exception):  # noqa: N818  # no error: the row is left out, and this says why
    """Why a result is no figure of an accelerator."""


def _figure(result: _Result, notes: dict[str, None]) -> dict[str, Any]:
    scenario = result.scenario.lower().replace(" ", "").replace("-", "")
    phase = _PHASES.get(scenario)
    if phase is None:
        raise _Unusable(f"a scenario that is not known: {result.scenario[:40]!r}")
    kind = _UNITS.get(result.unit.strip().lower())
    if kind is None:
        raise _Unusable(f"no unit of a rate or time: {result.unit[:40]!r}")
    count = _count(result)
    if count is None:
        raise _Unusable("no accelerator: run on the processor, or its count is not stated")
    if "), " in result.accelerator:
        raise _Unusable("several kinds of accelerator together")
    if result.inferred and scenario in ("multistream", "offline") and float(result.round or 0.0) < 6.0:
        raise _Unusable("inferred from another scenario")
    value = _number(result.value)
    if math.isnan(value):
        raise _Unusable(f"no number above zero: {str(result.value)[:40]!r}")
    base = re.sub(r"-(?:9\d(?:\.9)?|datacenter|edge)$", "", result.model.strip().lower())
    if kind[0] == "throughput" and _counts_tokens(result.round, base, scenario):
        kind = _UNITS["tokens/s"]
        notes.setdefault(f"{base} of v{result.round}: the list says {result.unit}, the figures are tokens a second")
    workload = workloads.resolve(result.model) or workloads.resolve(_MODELS.get(base, base))
    if not workload:
        notes.setdefault(f"the model {base[:60]!r} is not known, so what its work costs is not either")
        workload = re.sub(r"[^a-z0-9.]+", "-", base).strip("-")
    statistic, batch = _STREAMS.get(scenario, ("", None))
    length = re.search(r"TOKENS_PER_SAMPLE:\s*([\d.]{1,12})", result.accuracy)
    precision, weights = stated_precision(result.types)
    return {
        "profile": result.profile, "tool": "mlperf-inference", "workload": workload,
        "phase": "interactive" if phase == "serve" and "interactive" in base else phase, "precision": precision, "weight_precision": weights,
        "statistic": statistic, "scope": "system", "quantity": kind[0], "unit": kind[1], "accelerators": count, "batch": batch,
        "output_tokens": _number(length[1]) if length else None, "value": value,
    }  # fmt: skip


def _counts_tokens(round_: str, model: str, scenario: str) -> bool:
    """Return whether a rate filed as samples or queries is tokens a second."""
    if round_ == "4.0":
        return model.startswith("llama2-70b") and scenario == "offline"
    return bool(round_) and float(round_) >= 5.0 and _TOKENS_SINCE_5.match(model) is not None


def _number(value: object) -> float:
    """Return a positive finite number, its thousands set apart by commas or not; NaN for anything else."""
    if isinstance(value, str):
        value = value.strip()
        value = value.replace(",", "") if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d*)?", value) else value
    return positive(value)


def _count(result: _Result) -> float | None:
    """Return the accelerators of the whole system; a count in the name wins: the last node may not be full."""
    told = re.search(r"\(x(\d{1,6})\)\s*$", result.accelerator)
    total, each, nodes = (_number(v) for v in (result.total, result.each, result.nodes))
    if told and result.accelerator.count("(x") == 1 and int(told[1]) > 0:
        return float(told[1])
    if math.isnan(each):
        return None if math.isnan(total) else total
    return each * (1.0 if math.isnan(nodes) else nodes)


# ---------------------------------------------------------------------------------------------------------- JSON


def _listed(content: str, name: str) -> Iterator[_Result]:
    records = documents(content, name, "the results list, summary_results.json")[0][0][1]
    for row, record in enumerate(records if isinstance(records, list) else [records], start=1):
        if not isinstance(record, dict) or "Performance_Result" not in record:
            raise FormatError("holds something other than a result with its 'Performance_Result'", f"{name}, row {row}")
        yield _record(row, record)


def _record(row: int, record: Mapping[str, Any]) -> _Result:
    def word(key: str) -> str:
        value = record.get(key)
        return value.strip()[:400] if isinstance(value, str) else ""

    division = "open/" if word("Category").lower().startswith("open") else ""
    return _Result(
        row=row, profile=f"{division}{word('Submitter')}/{word('Platform') or word('System') or word('ID')}",
        round=_round(word("version") or word("ID")), model=word("Model") or word("UsedModel"), scenario=word("Scenario"),
        unit=word("Performance_Units"), value=record.get("Performance_Result"), accelerator=word("Accelerator"), system=word("System"),
        nodes=record.get("Nodes"), each=record.get("a#"), total=record.get("Total Accelerators"), types=str(record.get("weight_data_types") or "")[:400],
        accuracy=word("Accuracy"), inferred=record.get("inferred") in (1, "1", True),
    )  # fmt: skip


def _round(text: str) -> str:
    found = re.match(r"v?(\d{1,2}\.\d)", text.strip())
    return found[1] if found else ""


# ----------------------------------------------------------------------------------------------------------- CSV


def _exported(content: str, name: str, ignored: list[Ignored]) -> Iterator[_Result]:
    first = next((line for line in content.split("\n") if "Public ID" in line), "")
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(content), delimiter=max(",\t;", key=first.count))]
    except csv.Error as error:
        raise FormatError(f"is no CSV that can be read ({error})", name) from error
    header = next((i for i, row in enumerate(rows) if row and row[0] == "Public ID"), None)
    if header is None:
        raise FormatError("has no row that begins with 'Public ID'; give the dashboard's export as it is", name)
    heads = [_HEADS.get(re.sub(r"\s*\(click.*", "", cell).strip().lower(), "") for cell in rows[header]]
    place: dict[str, int] = {}
    for i, head in enumerate(heads):
        if head:
            place.setdefault(head, i)
    long = {"model", "scenario", "unit", "value"} <= place.keys()
    yield from (_one_a_row if long else _crossed)(rows, header, place, name, ignored)


def _one_a_row(
    rows: list[list[str]], header: int, place: dict[str, int], name: str, ignored: list[Ignored]
) -> Iterator[_Result]:
    needed = max(place.values())
    for number, row in enumerate(rows[header + 1 :], start=header + 2):
        if not any(row):
            continue
        if len(row) <= needed:
            ignored.append(Ignored(name, number, f"has {len(row)} cells where the header names {len(rows[header])}: is the file cut short?"))
            continue
        cells = {key: row[i] for key, i in place.items()}
        yield _of_cells(number, cells, cells["model"], cells["scenario"], cells["unit"], cells["value"], cells)


def _crossed(
    rows: list[list[str]], header: int, place: dict[str, int], name: str, ignored: list[Ignored]
) -> Iterator[_Result]:
    """Read the cross table: its header rows hold model and scenario, its lines one measure of a system each."""
    units = rows[header]
    first = next((i for i, cell in enumerate(units) if cell.lower() in _UNITS), None)
    if first is None or header < 2:
        raise FormatError("is a cross table without the rows of models, scenarios and units above it", name)
    blank = [""] * len(units)
    models, scenarios = _filled(rows[header - 2] + blank, first), rows[header - 1] + blank
    system: dict[str, str] = {}
    block: dict[str, tuple[int, list[str]]] = {}

    def results() -> Iterator[_Result]:
        number, values = block.get("value", (0, []))
        for column in range(first, min(len(units), len(values))):
            if values[column]:
                # A measure's own line counts for this result; the system's columns where it lacks one.
                own = {key: line[column] for key, (_, line) in block.items() if column < len(line) and line[column]}
                yield _of_cells(number, system, models[column], scenarios[column], units[column], values[column], system | own)

    for number, row in enumerate(rows[header + 1 :], start=header + 2):
        if not any(row):
            continue
        if len(row) < first:
            ignored.append(Ignored(name, number, "has fewer cells than the header: is the file cut short?"))
            continue
        if row[0]:
            yield from results()
            system, block = {key: row[i] for key, i in place.items() if i < len(row)}, {}
        block[_HEADS.get(row[first - 1].lower(), row[first - 1])] = (number, row)
    yield from results()


def _filled(row: list[str], first: int) -> list[str]:
    """Return a header row whose blank cells repeat the one before."""
    filled = list(row)
    for i in range(first + 1, len(filled)):
        filled[i] = filled[i] or filled[i - 1]
    return filled


def _of_cells(
    number: int, system: Mapping[str, str], model: str, scenario: str, unit: str, value: str, counts: Mapping[str, str]
) -> _Result:
    division = "open/" if system.get("division", "").lower().startswith("open") else ""
    return _Result(
        row=number, profile=f"{division}{system.get('id', '')} {system.get('submitter', '')}".strip()[:120],
        round=_round(system.get("id", "")), model=model, scenario=scenario, unit=unit, value=value,
        accelerator=system.get("accelerator", "")[:200], system=system.get("system", "")[:200], nodes=counts.get("nodes"),
        each=counts.get("each"), total=counts.get("total"),
    )  # fmt: skip
