"""What ``trtllm-bench throughput`` and ``latency`` report: the JSON of ``--report_json``, or the text that they print.

Definitions (TensorRT-LLM, ``tensorrt_llm/bench/dataclasses/reporting.py``): "output" counts generated tokens with the first;
``Token Throughput`` alone, of versions before 0.17, counts generated tokens too; a token's time leaves the first token out.
All requests are given at once unless a concurrency is set; how many were in flight on average is reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from fingerprint.errors import FormatError
from fingerprint.measurements import Measurements
from fingerprint.readers import checkpoints, uncounted
from fingerprint.readers.figures import Figures, device_names, plain
from fingerprint.readers.json_text import documents, part
from fingerprint.readers.printed import states

NAME = "trtllm-bench"
TITLE = "TensorRT-LLM trtllm-bench report: JSON, or the printed text"
YIELDS = "generated and total tokens a second, requests a second, latency, time to first token, time per output token"

_WANTED = "the report of trtllm-bench: --report_json, or what it printed"

#: Key of "performance" -> quantity, unit, statistic.
_PERFORMANCE = {
    "request_throughput_req_s": ("throughput", "request/s", ""),
    "system_output_throughput_tok_s": ("output_throughput", "token/s", ""),
    "system_total_throughput_tok_s": ("total_throughput", "token/s", ""),
    "avg_request_latency_ms": ("e2e_latency", "ms", "mean"),
}
_STREAMING = {"avg_ttft_ms": ("ttft", "ms", "mean"), "avg_tpot_ms": ("tpot", "ms", "mean")}

#: Table of percentiles -> quantity. All are in milliseconds.
_PERCENTILES = {
    ("performance", "request_latency_percentiles_ms"): "e2e_latency",
    ("streaming_metrics", "ttft_percentiles"): "ttft",
    ("streaming_metrics", "tpot_percentiles"): "tpot",
}
_STATISTICS = {"p50": "median", "p90": "p90", "p99": "p99"}

#: Label of the printed text, lower case -> place in the JSON.
_LABELS: dict[str, tuple[str, ...]] = {
    "model": ("engine", "model"),
    "dtype": ("engine", "dtype"),
    "kv cache dtype": ("engine", "kv_cache_dtype"),
    "quantization": ("engine", "quantization"),
    "tp size": ("world_info", "tp_size"),
    "pp size": ("world_info", "pp_size"),
    "number of concurrent requests": ("request_info", "avg_num_concurrent_requests"),
    "average input length (tokens)": ("request_info", "avg_input_length"),
    "average output length (tokens)": ("request_info", "avg_output_length"),
    "request throughput (req/sec)": ("performance", "request_throughput_req_s"),
    "token throughput (tokens/sec)": ("performance", "system_output_throughput_tok_s"),
    "total output throughput (tokens/sec)": ("performance", "system_output_throughput_tok_s"),
    "total token throughput (tokens/sec)": ("performance", "system_total_throughput_tok_s"),
    "average request latency (ms)": ("performance", "avg_request_latency_ms"),
    "per gpu output throughput (tps/gpu)": ("performance", "output_throughput_per_gpu_tok_s"),
    "average time-to-first-token [ttft] (ms)": ("streaming_metrics", "avg_ttft_ms"),
    "average time-to-first-token (ms)": ("streaming_metrics", "avg_ttft_ms"),
    "average time-per-output-token [tpot] (ms)": ("streaming_metrics", "avg_tpot_ms"),
    "average inter-token latency (ms)": ("streaming_metrics", "avg_tpot_ms"),
}
_LINE = re.compile(rf"(?i)(?:^|[\s>|])({'|'.join(map(re.escape, _LABELS))}):\s+(\S[^\r\n]{{0,300}})")
_BREAKDOWN = re.compile(r"\[(TPOT|TTFT|Latency)\] (P\d{2}) *: *([^\s|]{1,40})", re.IGNORECASE)
_PLACES = {
    "tpot": ("streaming_metrics", "tpot_percentiles"),
    "ttft": ("streaming_metrics", "ttft_percentiles"),
    "latency": ("performance", "request_latency_percentiles_ms"),
}
_SECTION = re.compile(r"(?:^|[\s>|])= (ENGINE DETAILS|PYTORCH BACKEND|MACHINE DETAILS|WORLD \+ RUNTIME|REQUEST DETAILS|PERFORMANCE OVERVIEW|STATISTICS|DECODING STATISTICS)")  # fmt: skip
_MACHINE = re.compile(r"^\s*(?P<name>\S.{0,119}?), memory (?:[\d.]+ GB|N/A)")
_LONGEST_LINE = 20_000

#: Without one of these a line holds nothing: logs are long, and regular expressions slow.
_MARKS = ("Size:", "/sec):", "(ms):", "tps/gpu", "Dtype:", "Model:", "Quantization:", "requests:", "(tokens):", "] P", ", memory ",
          "= ENG", "= PYT", "= MAC", "= WOR", "= REQ", "= PER", "= STA", "= DEC")  # fmt: skip


def sniff(head: str) -> float:
    """Return how sure this is a report of trtllm-bench; less for a log whose report is still to come."""
    if '"system_output_throughput_tok_s"' in head or ('"world_info"' in head and '"request_info"' in head):
        return 1.0
    if head.lstrip("\ufeff \t\r\n").startswith(("{", "[{")):
        return 0.0
    if "Per GPU Output Throughput (tps/gpu):" in head or (
        _SECTION.search(head) and ("(req/sec):" in head or "TensorRT" in head)
    ):
        return 1.0
    if "Token Throughput (tokens/sec):" in head and "Request Throughput (req/sec):" in head:
        return 0.9
    return 0.4 if re.search(r"\btrtllm-bench\b", head) else 0.0


def read(text: TextIO, name: str) -> Measurements:
    """Return the figures of each report; reports of different GPUs are different profiles.

    The accelerators are the world's size, the product of the parallel sizes, or total rate over rate per GPU.

    Raises
    ------
    FormatError
        For text without such a report.
    InputError
        For JSON cut short, a figure that is no number or negative, or no figure at all.
    """
    figures = Figures(name, strict=True)
    head = text.peek_text(65_536) if hasattr(text, "peek_text") else ""
    if not head or '"world_info"' in head or '"performance"' in head or head.lstrip("\ufeff \t\r\n").startswith("{"):
        content = text.read()
        if '"performance"' in content:
            found, _ = documents(content, name, _WANTED)
            reports = [(line, v) for line, value in found for v in (value if isinstance(value, list) else [value])]
            for line, report in reports:
                if isinstance(report, dict) and part(report, "performance"):
                    _report(report, line, figures)
        else:
            _printed(iter(content.splitlines()), figures)
    else:
        _printed(iter(text), figures)
    if not len(figures):
        raise FormatError(f"holds no report of trtllm-bench with figures; give {_WANTED}", name)
    return figures.table("holds no figure above zero; run the benchmark again")


def _printed(lines: Iterator[str], figures: Figures) -> None:
    """Take the reports of a log, line by line, each turned into the JSON's shape."""
    report: dict[str, dict[str, Any]] = {}
    section, begun = "", 1
    for number, line in enumerate(lines, 1):
        if not any(mark in line for mark in _MARKS):
            continue
        for shown in states(line, _LONGEST_LINE):
            if match := _SECTION.search(shown):
                section = match[1]
                if section == "DECODING STATISTICS":
                    report["decoding_stats"] = {"mode": shown}
                # Its order changed; a section that is there already, or another engine, begins the next report.
                elif section in report.get("sections", {}) or (
                    section in ("ENGINE DETAILS", "PYTORCH BACKEND") and "performance" in report
                ):
                    _report(report, begun, figures)
                    report, begun = {}, number
                report.setdefault("sections", {})[section] = True
            elif match := _LINE.search(shown):
                group, key = _LABELS[match[1].lower()]
                value = match[2].strip()
                report.setdefault(group, {})[key] = value if group == "engine" else value.split()[0].rstrip("|")
            elif match := _BREAKDOWN.search(shown):
                group, key = _PLACES[match[1].lower()]
                report.setdefault(group, {}).setdefault(key, {})[match[2].lower()] = match[3]
            elif section == "MACHINE DETAILS" and (match := _MACHINE.match(shown)):
                report["machine"] = {"name": match["name"]}
    _report(report, begun, figures)


def _report(report: Mapping[str, Any], line: int, figures: Figures) -> None:
    performance, streaming = part(report, "performance"), part(report, "streaming_metrics")
    if not performance and not streaming:
        return
    engine, world, requests = part(report, "engine"), part(report, "world_info"), part(report, "request_info")
    model = engine.get("model")
    workload, unknown = checkpoints.model(model if isinstance(model, str) else "")
    if unknown:
        figures.note(unknown)
    if part(report, "decoding_stats"):
        figures.note("speculative decoding; times per token are shorter than a step")
    accelerators = _accelerators(world, performance)
    if accelerators is None:
        figures.note(uncounted.note("ran it"))
    setting: dict[str, Any] = {
        "tool": "engine",
        "phase": "offline",
        "scope": "system",
        "workload": workload,
        "accelerators": accelerators,
        "concurrency": plain(requests.get("avg_num_concurrent_requests")),
        "input_tokens": plain(requests.get("avg_input_length")),
        "output_tokens": plain(requests.get("avg_output_length")),
        "hardware": device_names(part(report, "machine").get("name")),
        **checkpoints.precisions(
            model if isinstance(model, str) else "", dtype=engine.get("dtype"), quantization=engine.get("quantization"),
            cache=engine.get("kv_cache_dtype"),
        ),
    }  # fmt: skip
    for table, keys in ((performance, _PERFORMANCE), (streaming, _STREAMING)):
        for key, (quantity, unit, statistic) in keys.items():
            figures.add(line, quantity, table.get(key), unit, key=key, statistic=statistic, **setting)
    for (group, key), quantity in _PERCENTILES.items():
        for percentile, statistic in _STATISTICS.items():
            value = part(report, group, key).get(percentile)
            figures.add(line, quantity, value, "ms", key=f"{key}.{percentile}", statistic=statistic, **setting)


def _accelerators(world: Mapping[str, Any], performance: Mapping[str, Any]) -> float | None:
    if size := plain(world.get("world_size")):
        return size
    if tensor := plain(world.get("tp_size")):
        return tensor * (plain(world.get("pp_size")) or 1.0)
    total = plain(performance.get("system_output_throughput_tok_s"))
    each = plain(performance.get("output_throughput_per_gpu_tok_s"))
    if not total or not each:
        return None
    ratio = total / each
    # Both are printed with four decimals.
    return round(ratio) if ratio >= 0.99 and abs(ratio - round(ratio)) < 0.01 * ratio else None
