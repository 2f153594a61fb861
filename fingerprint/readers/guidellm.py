"""GuideLLM's ``benchmarks.json``: one benchmark for each rate or concurrency of a sweep.

Definitions (GuideLLM 0.8.1): each metric is split into successful, incomplete, errored and total requests; "inter-token latency"
is a request's mean time per token after the first, "time per output token" counts the first token's wait in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TextIO

from fingerprint.errors import FormatError
from fingerprint.measurements import Measurements
from fingerprint.readers import checkpoints, uncounted
from fingerprint.readers.figures import Figures, plain
from fingerprint.readers.json_text import documents, find, part

NAME = "guidellm"
TITLE = "GuideLLM benchmarks.json"
YIELDS = "token and request rates, time to first token, time per output token, latency"

_WANTED = "the benchmarks.json that guidellm wrote"

#: Metric -> quantity, unit.
_METRICS: dict[str, tuple[str, str]] = {
    "requests_per_second": ("throughput", "request/s"),
    "output_tokens_per_second": ("output_throughput", "token/s"),
    "tokens_per_second": ("total_throughput", "token/s"),
    "prompt_tokens_per_second": ("input_throughput", "token/s"),
    "time_to_first_token_ms": ("ttft", "ms"),
    "inter_token_latency_ms": ("tpot", "ms"),
    "request_latency": ("e2e_latency", "s"),
}

#: Requests with their texts, and the points of distributions: dropped while parsing.
_DROPPED = frozenset({"requests", "request_samples", "pdf", "cumulative_distribution_function", "percentile_cis"})


def sniff(head: str) -> float:
    """Return how sure this is GuideLLM's report."""
    if '"guidellm_version"' in head:
        return 1.0
    if '"generative_benchmark"' in head and '"benchmarks"' in head:
        return 0.95
    return 0.9 if '"time_to_first_token_ms"' in head and '"request_concurrency"' in head else 0.0


def read(text: TextIO, name: str) -> Measurements:
    """Return the figures of each benchmark's successful requests.

    The report doesn't say how many accelerators served. The requests in flight are the measured mean.

    Raises
    ------
    FormatError
        For text that is no such report, or one of a version before 0.2.
    InputError
        For JSON cut short, a figure that is no number or negative, or no figure at all.
    """
    found, _ = documents(text.read(), name, _WANTED, _without_texts)
    figures = Figures(name, strict=True)
    number = 0
    for _, report in found:
        benchmarks = report.get("benchmarks") if isinstance(report, dict) else None
        for benchmark in benchmarks if isinstance(benchmarks, list) else ():
            number += 1
            if part(benchmark, "metrics"):
                _benchmark(benchmark, report, number, figures)
            else:
                figures.ignore(number, "has no metrics")
    if not number:
        raise FormatError(f"holds no benchmark of GuideLLM; give {_WANTED}", name)
    return figures.table("holds no figure of a successful request; run the benchmark again")


def _without_texts(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in pairs if key not in _DROPPED}


def _benchmark(benchmark: Mapping[str, Any], report: Mapping[str, Any], number: int, figures: Figures) -> None:
    metrics = part(benchmark, "metrics")
    places = [part(benchmark, "config", "backend"), part(benchmark, "worker"), part(report, "config"), part(report, "args")]
    named = next((m for p in places if isinstance(m := find(p, "backend_model", "model"), str)), "")
    workload, unknown = checkpoints.model(named)
    if unknown:
        figures.note(unknown)
    figures.note(uncounted.note("served"))
    setting: dict[str, Any] = {
        "tool": "serving",
        "phase": "serve",
        "scope": "system",
        "workload": workload,
        "concurrency": plain(_successful(metrics, "request_concurrency").get("mean")),
        "input_tokens": plain(_successful(metrics, "prompt_token_count").get("mean")),
        "output_tokens": plain(_successful(metrics, "output_token_count").get("mean")),
        **checkpoints.precisions(named),
    }
    for metric, (quantity, unit) in _METRICS.items():
        summary = _successful(metrics, metric)
        percentiles = part(summary, "percentiles")
        told = {"mean": summary.get("mean")}
        if "/" not in unit:
            told |= {"median": summary.get("median"), "p90": percentiles.get("p90"), "p99": percentiles.get("p99")}
        for statistic, value in told.items():
            word = "" if "/" in unit else statistic
            figures.add(number, quantity, value, unit, key=f"{metric}.{statistic}", statistic=word, **setting)


def _successful(metrics: Mapping[str, Any], metric: str) -> dict[str, Any]:
    return part(metrics, metric, "successful")
