"""NVIDIA's genai-perf and AIPerf: the summary as JSON or CSV, and AIPerf's records of single requests (JSON Lines).

Definitions (genai-perf 0.0.16, AIPerf 0.13.0): "inter token latency" is (request latency - time to first token) / (answer's
tokens - 1), a time per output token; "inter chunk latency" is the time between chunks; rates cover the whole run. The CSV holds
two tables with a blank row between, then telemetry.
"""

from __future__ import annotations

import csv
import io
import json
import re
from array import array
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

import numpy as np

from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Measurements
from fingerprint.readers import checkpoints, uncounted
from fingerprint.readers.figures import Figures, device_names, plain
from fingerprint.readers.json_text import documents, find, part, weighed
from fingerprint.readers.printed import clean, lines

NAME = "genai-perf"
TITLE = "genai-perf or AIPerf: summary as JSON or CSV, or AIPerf's records of single requests as JSON Lines"
YIELDS = (
    "token and request rates, time to first token, time per output token, latency, power and memory in use of each GPU"
)

_WANTED = "profile_export_genai_perf.json, profile_export_aiperf.json, their CSV, or AIPerf's profile_export.jsonl"

#: Metric -> quantity and its usual unit.
METRICS: dict[str, tuple[str, str]] = {
    "request_throughput": ("throughput", "requests/sec"),
    "output_token_throughput": ("output_throughput", "tokens/sec"),
    "total_token_throughput": ("total_throughput", "tokens/sec"),
    "time_to_first_token": ("ttft", "ms"),
    "inter_token_latency": ("tpot", "ms"),
    "inter_chunk_latency": ("itl", "ms"),
    "request_latency": ("e2e_latency", "ms"),
}

#: What telemetry says of a GPU -> quantity, unit, statistic to take. Totals, limits and clocks identify: left out.
_TELEMETRY: dict[str, tuple[str, str, str]] = {
    "power_usage": ("power", "W", "avg"),
    "memory_used": ("memory_used", "GB", "max"),
}
_STATISTICS = {"avg": "mean", "p50": "median", "p90": "p90", "p99": "p99"}
_LENGTHS = {"input_sequence_length": "input_tokens", "output_sequence_length": "output_tokens"}

#: Percent of the prompts' tokens that may be cached before what counts them no longer tells what was worked.
MOST_CACHED = 10.0
_OF_PROMPTS = ("total_token_throughput", "time_to_first_token")

#: Texts and payloads, dropped while parsing.
_DROPPED = frozenset({"payload", "payloads", "messages", "prompt", "prompts", "error_summary", "responses", "trace_data"})

#: A GPU drawing less than this share of the busiest one's power was not at work.
_AT_WORK = 0.5

_SHAPE = re.compile(r'"(?:request_latency|request_throughput|output_token_throughput|time_to_first_token)":\s*\{\s*"(?:unit|avg)"')  # fmt: skip
_TITLE_UNIT = re.compile(r"^(?P<title>[A-Za-z][A-Za-z0-9 \-]*?)(?: \((?P<unit>[^()]{1,40})\))?$")


def sniff(head: str) -> float:
    """Return how sure this is one of their summaries or records."""
    text = head.lstrip("\ufeff \t\r\n")
    if '"benchmark_phase"' in text and '"metrics"' in text:
        return 1.0
    if text.startswith("{") or _SHAPE.search(text):
        return 0.95 if _SHAPE.search(text) or '"aiperf_version"' in text else 0.0
    header = re.search(r"^Metric,(?:Value|avg,min,max)", text, re.MULTILINE)
    known = re.search(r"^\"?(?:Request|Output Token) (?:Throughput|Latency) \(", text, re.MULTILINE)
    return 0.95 if header and known else 0.0


def read(text: TextIO, name: str) -> Measurements:
    """Return the figures of a summary, or of all successful requests of the records.

    The files don't say how many accelerators served: rates have no count. Without a stated concurrency the requests in flight are
    their rate times their mean latency (Little's law). Telemetry is per GPU; of the GPUs seen, those at work count.

    Raises
    ------
    FormatError
        For text that is none of these.
    InputError
        For JSON cut short, a figure that is no number or negative, or no figure at all.
    """
    figures = Figures(name, strict=True)
    head = text.peek_text(65_536) if hasattr(text, "peek_text") else ""
    if not head:  # a plain stream: small
        content = text.read()
        head, text = content, io.StringIO(content)
    if '"benchmark_phase"' in head:
        _records(iter(text), figures)
    elif head.lstrip("\ufeff \t\r\n").startswith("{") or _SHAPE.search(head):
        for line, value in documents(text.read(), name, _WANTED, _without_texts)[0]:
            if isinstance(value, dict) and any(isinstance(value.get(key), dict) for key in METRICS):
                _summary(value, line, figures)
    else:
        _tables(text, figures)
    if not len(figures):
        raise FormatError(f"holds no figures of genai-perf or AIPerf; give {_WANTED}", name)
    return figures.table("holds no figure above zero; run the benchmark again")


def _without_texts(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in pairs if key not in _DROPPED}


# ------------------------------------------------------------------------------------------------------- summary


def _summary(run: Mapping[str, Any], line: int, figures: Figures) -> None:
    config = part(run, "input_config")
    if run.get("was_cancelled") is True or run.get("is_complete") is False:
        figures.note("the run was cancelled or is not complete")
    gpus = list(_gpus(run))
    setting = _setting(config, figures) | {"hardware": device_names(*(name for name, _ in gpus))}
    for metric, column in _LENGTHS.items():
        setting[column] = plain(part(run, metric).get("avg"))
    rate, latency = part(run, "request_throughput"), part(run, "request_latency")
    if not setting.get("concurrency") and str(latency.get("unit", "ms")) == "ms":
        # Little's law.
        each, mean = plain(rate.get("avg")), plain(latency.get("avg"))
        setting["concurrency"] = each * mean / 1e3 if each and mean else None
    cached = plain(part(run, "theoretical_prefix_cache_hit").get("avg")) or 0.0
    if cached > MOST_CACHED:
        figures.note(f"{cached:.0f} % of the prompts' tokens may come from a cache; total rates and first tokens are left out")
    for metric in METRICS:
        if cached <= MOST_CACHED or metric not in _OF_PROMPTS:
            _metric(metric, part(run, metric), line, setting, figures)
    _telemetry([measured for _, measured in gpus], line, setting, figures)


def _setting(config: Mapping[str, Any], figures: Figures) -> dict[str, Any]:
    """Return what the tool's own arguments tell."""
    named = find(config, "model_names", "model_name", "model", "models", "formatted_model_name")
    while isinstance(named, (list, dict)) and named:
        named = named[0] if isinstance(named, list) else named.get("name") or find(named, "name")
    model = named if isinstance(named, str) else ""
    workload, unknown = checkpoints.model(model)
    if unknown:
        figures.note(unknown)
    figures.note(uncounted.note("served"))
    return {
        "tool": "serving",
        "phase": "serve",
        "workload": workload,
        "concurrency": plain(find(config, "concurrency")),
        **checkpoints.precisions(model),
    }


def _metric(metric: str, cells: Mapping[str, Any], line: int, setting: Mapping[str, Any], figures: Figures) -> None:
    quantity, usual = METRICS[metric]
    unit = cells.get("unit") if isinstance(cells.get("unit"), str) and cells.get("unit") else usual
    rate = usual.endswith("/sec")
    for cell, statistic in _STATISTICS.items():
        if cell in cells and not (rate and cell != "avg"):
            word = "" if rate else statistic
            key = f"{metric}.{cell}"
            figures.add(line, quantity, cells[cell], str(unit), key=key, statistic=word, scope="system", **setting)


def _gpus(run: Mapping[str, Any]) -> Iterator[tuple[object, dict[str, Mapping[str, Any]]]]:
    """Yield each GPU's name and its telemetry, in AIPerf's shape or genai-perf's."""
    for endpoint in part(run, "telemetry_data", "endpoints").values():
        for gpu in part(endpoint, "gpus").values():
            if isinstance(gpu, dict):
                measured = part(gpu, "metrics")
                yield gpu.get("gpu_name"), {_short(k): v for k, v in measured.items() if isinstance(v, dict)}
    by_gpu: dict[str, dict[str, Mapping[str, Any]]] = {}
    for metric, cells in part(run, "telemetry_stats").items():
        for gpu, values in cells.items() if isinstance(cells, dict) else ():
            if isinstance(values, dict):
                by_gpu.setdefault(gpu, {})[_short(metric)] = {"unit": cells.get("unit"), **values}
    for measured in by_gpu.values():
        yield None, measured


def _short(metric: str) -> str:
    """Return a telemetry metric's name without its platform: ``nvidia_power_usage`` and ``gpu_power_usage`` are one."""
    short = re.sub(r"^(?:nvidia|amd|gpu)_", "", metric.lower())
    return {"power": "power_usage", "vram_used": "memory_used"}.get(short, short)


def _telemetry(
    gpus: list[dict[str, Mapping[str, Any]]], line: int, setting: Mapping[str, Any], figures: Figures
) -> None:
    drawn = [plain(part(gpu, "power_usage").get("avg")) or 0.0 for gpu in gpus]
    busiest = max(drawn, default=0.0)
    for gpu, power in zip(gpus, drawn, strict=True):
        if power < _AT_WORK * busiest:
            figures.ignore(line, f"a GPU that drew {power:g} W while another drew {busiest:g} W was not at work", setting["hardware"])  # fmt: skip
            continue
        for metric, (quantity, usual, statistic) in _TELEMETRY.items():
            cells = part(gpu, metric)
            unit = cells.get("unit") if isinstance(cells.get("unit"), str) and cells.get("unit") else usual
            word = {"avg": "mean"}.get(statistic, statistic)
            figures.add(line, quantity, cells.get(statistic), str(unit), key=f"{metric}.{statistic}", statistic=word,
                        scope="accelerator", **setting)  # fmt: skip


# ----------------------------------------------------------------------------------------------------------- CSV


def _tables(text: TextIO, figures: Figures) -> None:
    """Turn the tables into the JSON's shape."""
    run: dict[str, Any] = {}
    gpus: dict[str, Any] = {}
    header: list[str] = []
    try:
        for cells in csv.reader(line.replace("\0", "") for _, line in lines(text)):
            if "Metric" in cells:
                header = cells
                continue
            row = dict(zip(header, cells, strict=False))
            match = _TITLE_UNIT.match(row.get("Metric", ""))
            if not match:
                continue
            tag = match["title"].lower().replace(" ", "_").replace("-", "_")
            values = {"unit": match["unit"], **{k: v.replace(",", "") for k, v in row.items() if v not in ("", "N/A")}}
            if "GPU" in row or "GPU_Index" in row:
                which = f"{row.get('Endpoint', '')}/{row.get('GPU', row.get('GPU_Index', ''))}"
                gpu = gpus.setdefault(which, {"gpu_name": row.get("GPU_Name"), "metrics": {}})
                # AIPerf writes the platform in front: "NVIDIA GPU Power Usage".
                gpu["metrics"][re.sub(r"^(?:nvidia_|amd_)?(?:gpu_)?", "", tag)] = values
            elif tag in METRICS or tag in _LENGTHS:
                run[tag] = values | {"avg": values.get("avg", values.get("Value"))}
    except csv.Error as error:
        raise FormatError(f"is no CSV that can be read ({error})", figures.name) from error
    if run:
        _summary(run | {"telemetry_data": {"endpoints": {"": {"gpus": gpus}}}}, 1, figures)


# ------------------------------------------------------------------------------------------------------- records


def _records(lines: Iterator[str], figures: Figures) -> None:
    """Take the successful requests of the measured phase, one a line; prompts and answers are not in these files."""
    series: dict[str, array[float]] = {m: array("d") for m in ("time_to_first_token", "inter_token_latency", "request_latency")}  # fmt: skip
    tokens = dict.fromkeys(_LENGTHS, 0.0)
    begin, end, done, failed = float("inf"), 0.0, 0, 0
    wrong: int | None = None
    for number, line in enumerate(lines, 1):
        if not line.lstrip("\ufeff \t").startswith("{"):
            continue  # a line of a log
        if wrong is not None:
            raise InputError("is no JSON that can be read", f"{figures.name}, line {wrong}")
        weighed(line, figures.name)
        try:
            record = json.loads(clean(line))
        except (ValueError, RecursionError):
            wrong = number
            continue
        metadata, metrics = part(record, "metadata"), part(record, "metrics")
        if metadata.get("benchmark_phase") != "profiling":
            continue
        if record.get("error") or metadata.get("was_cancelled") is True:
            failed += 1
            continue
        started, ended = plain(_nanoseconds(metadata, "request_start_ns")), plain(_nanoseconds(metadata, "request_end_ns"))
        if started is None or ended is None or ended < started:
            failed += 1
            continue
        begin, end, done = min(begin, started), max(end, ended), done + 1
        for metric, values in series.items():
            cell = part(metrics, metric)
            if (value := plain(cell.get("value"))) and cell.get("unit") in ("ms", None):
                values.append(value)
        for metric in tokens:
            tokens[metric] += plain(part(metrics, metric).get("value")) or 0.0
    if wrong is not None:
        figures.ignore(wrong, "is cut short")
    if failed:
        figures.note(f"{failed} of {done + failed} requests failed or were cancelled and are left out")
    if not done or end <= begin:
        raise InputError("holds no successful request of the measured phase", figures.name)
    _aggregate(series, tokens, done, end - begin, figures)


def _nanoseconds(metadata: Mapping[str, Any], key: str) -> object:
    """Return a clock's nanoseconds as seconds."""
    value = metadata.get(key)
    return value / 1e9 if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e25 else None


def _aggregate(
    series: Mapping[str, array[float]], tokens: Mapping[str, float], done: int, seconds: float, figures: Figures
) -> None:
    run: dict[str, Any] = {"request_throughput": {"avg": done / seconds}}
    for metric, values in series.items():
        if len(values):
            known = np.frombuffer(values, dtype=np.float64)
            median, p90, p99 = np.percentile(known, (50, 90, 99)).tolist()
            run[metric] = {"unit": "ms", "avg": float(known.mean()), "p50": median, "p90": p90, "p99": p99}
    for metric, total in tokens.items():
        run[metric] = {"avg": total / done}
    produced = tokens["output_sequence_length"]
    run["output_token_throughput"] = {"avg": produced / seconds}
    if produced and tokens["input_sequence_length"]:
        run["total_token_throughput"] = {"avg": (produced + tokens["input_sequence_length"]) / seconds}
    figures.note(f"{done} requests' records taken together; the summary (profile_export_aiperf.json) names the model too")
    _summary(run, 1, figures)
