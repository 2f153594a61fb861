"""The JSON of ``vllm bench latency`` and ``vllm bench throughput``: one batch timed, or all requests given at once.

The tools' own file holds the figures and nothing of the model; the ``.pytorch.json`` that they write beside it on demand
repeats them with all arguments.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

from fingerprint.errors import FormatError
from fingerprint.measurements import LARGEST_VALUE, Measurements
from fingerprint.readers import checkpoints, uncounted
from fingerprint.readers.figures import Figures, plain
from fingerprint.readers.json_text import documents, part

NAME = "vllm-offline"
TITLE = "vLLM 'bench latency' or 'bench throughput' result: --output-json, or the .pytorch.json with its arguments"
YIELDS = "time of a whole batch; requests and tokens a second"

_WANTED = "the file that 'vllm bench latency' or 'vllm bench throughput' wrote with --output-json"

#: Key of either form -> quantity, unit.
_RATES = {
    "requests_per_second": ("throughput", "request/s"),
    "tokens_per_second": ("total_throughput", "token/s"),
}

_STATISTICS = {"50": "median", "90": "p90", "99": "p99"}


def sniff(head: str) -> float:
    """Return how sure this is a result of one of the two tools."""
    if '"benchmark_values"' in head:
        return 0.95 if '"vLLM benchmark"' in head else 0.0
    if '"avg_latency"' in head and '"latencies"' in head:
        return 0.9
    return 0.95 if '"elapsed_time"' in head and '"total_num_tokens"' in head and '"requests_per_second"' in head else 0.0


def read(text: TextIO, name: str) -> Measurements:
    """Return the figures of each result.

    The batch and the lengths of a latency test, the model and the accelerators stand only in the form with arguments; they are
    empty elsewhere. Of a throughput test only both lengths together are known: without fixed lengths they stay empty.

    Raises
    ------
    FormatError
        For text without such a result.
    InputError
        For JSON cut short, a figure that is no number or negative, or no figure at all.
    """
    found, cut = documents(text.read(), name, _WANTED)
    figures = Figures(name, strict=True)
    seen = False
    for line, value in found:
        for record in value if isinstance(value, list) else [value]:
            seen |= isinstance(record, dict) and _record(record, line, figures)
    if not seen:
        raise FormatError(f"holds no result of vLLM's latency or throughput benchmark; give {_WANTED}", name)
    if cut:
        figures.ignore(cut, "is cut short")
    return figures.table("holds no figure above zero; run the benchmark again")


def _record(record: Mapping[str, Any], line: int, figures: Figures) -> bool:
    """Take one result; return whether it was one."""
    metric = part(record, "metric")
    if "benchmark_values" in metric:
        _with_arguments(record, metric, line, figures)
        return True
    plain_form = "avg_latency" in record or any(key in record for key in _RATES)
    if plain_form:
        figures.note("does not name the model; the .pytorch.json beside it does")
        figures.note(uncounted.note("ran it", "the .pytorch.json beside it"))
        setting: dict[str, Any] = {"tool": "engine", "phase": "offline", "scope": "system"}
        for key, (quantity, unit) in _RATES.items():
            figures.add(line, quantity, record.get(key), unit, key=key, **setting)
        _batch_times(record, line, setting, figures)
    return plain_form


def _batch_times(record: Mapping[str, Any], line: int, setting: Mapping[str, Any], figures: Figures) -> None:
    figures.add(line, "e2e_latency", record.get("avg_latency"), "s", key="avg_latency", statistic="mean", **setting)
    for percent, value in part(record, "percentiles").items():
        if percent in _STATISTICS:
            key = f"percentiles.{percent}"
            figures.add(line, "e2e_latency", value, "s", key=key, statistic=_STATISTICS[percent], **setting)


def _with_arguments(record: Mapping[str, Any], metric: Mapping[str, Any], line: int, figures: Figures) -> None:
    arguments = part(record, "benchmark", "extra_info", "args")
    name = metric.get("name")
    model = part(record, "model").get("name") or arguments.get("model")
    workload, unknown = checkpoints.model(model if isinstance(model, str) else "")
    if unknown:
        figures.note(unknown)
    sizes = [plain(arguments.get(f"{kind}_parallel_size")) for kind in ("tensor", "pipeline", "data")]
    setting: dict[str, Any] = {
        "tool": "engine",
        "phase": "offline",
        "scope": "system",
        "workload": workload,
        "accelerators": math.prod(size or 1.0 for size in sizes) if sizes[0] else None,
        "input_tokens": plain(arguments.get("input_len")),
        "output_tokens": plain(arguments.get("output_len")),
        **checkpoints.precisions(
            model if isinstance(model, str) else "", dtype=arguments.get("dtype"),
            quantization=arguments.get("quantization"), cache=arguments.get("kv_cache_dtype"),
        ),
    }  # fmt: skip
    values = list(_numbers(metric.get("benchmark_values")))
    if name == "latency":
        together = plain(arguments.get("batch_size"))
        setting["batch"] = together * (plain(arguments.get("n")) or 1.0) if together else None
        _batch_times(part(metric, "extra_info"), line, setting, figures)
        if not part(metric, "extra_info") and values:
            figures.add(line, "e2e_latency", sum(values) / len(values), "s", key="latency", statistic="mean", **setting)
    elif isinstance(name, str) and name in _RATES and values:
        quantity, unit = _RATES[name]
        figures.add(line, quantity, sum(values) / len(values), unit, key=name, **setting)
    else:
        figures.ignore(line, f"is {str(name)[:40]!r}, no figure of the latency or throughput benchmark")


def _numbers(values: object) -> Iterator[float]:
    for value in values if isinstance(values, Sequence) and not isinstance(values, str) else ():
        # Compared, not converted: an integer may be too large for a float.
        if isinstance(value, (int, float)) and not isinstance(value, bool) and -LARGEST_VALUE < value < LARGEST_VALUE:
            yield float(value)
