"""The block that ``vllm bench serve``, SGLang's ``bench_serving`` and their kin print, as people paste it.

Both tools print one line a figure between a rule with "Serving Benchmark Result" and a rule of "=". What they print before it,
their arguments, names the model and the limit on requests in flight.
"""

from __future__ import annotations

import re
from typing import Any, TextIO

from fingerprint.errors import FormatError
from fingerprint.measurements import Measurements
from fingerprint.readers import vllm_serving
from fingerprint.readers.printed import clean, states

NAME = "serving-console"
TITLE = "console block 'Serving Benchmark Result' of vLLM or SGLang, one or several, with or without the log around it"
YIELDS = vllm_serving.YIELDS

_TITLE = "Serving Benchmark Result"

#: Label, lower case -> key of the tools' JSON.
_LABELS = {
    "successful requests": "completed",
    "benchmark duration (s)": "duration",
    "total input tokens": "total_input_tokens",
    "total generated tokens": "total_output_tokens",
    "request throughput (req/s)": "request_throughput",
    "input token throughput (tok/s)": "input_throughput",
    "output token throughput (tok/s)": "output_throughput",
    "total token throughput (tok/s)": "total_token_throughput",
    "concurrency": "concurrency",
    "accept length": "accept_length",
    "max request concurrency": "max_concurrency",
    "maximum request concurrency": "max_concurrency",
}
_FIGURE = re.compile(
    # Anchored: "Peak output token throughput" and "Total input text tokens" are other figures.
    rf"(?i)(?:^|\] )[\s#>|]*(?:(?P<label>{'|'.join(map(re.escape, _LABELS))})"
    r"|(?P<statistic>mean|median|p\d{1,2}(?:\.\d{1,2})?) (?P<latency>ttft|tpot|itl|e2el|e2e latency) \(ms\))"
    r":\s*(?P<value>[^\s|]{1,40})"
)

#: Keys that only a finished run has; the rest are circumstances.
_MEASURED = re.compile(r"throughput|_ms$")

#: An argument as Python prints a namespace: ", model='meta-llama/Llama-3.1-8B'", "max_concurrency=64".
_ARGUMENT = re.compile(
    r"[(,\s](model|tensor_parallel_size|dtype|quantization|max_concurrency)=(?:'([^']{1,300})'|\"([^\"]{1,300})\"|(\d{1,9}))(?=[,)])"
)

#: An argument as people type it.
_TYPED = re.compile(r"(?:^|\s)--(model)(?:-path)?[ =]['\"]?([^\s'\"\\]{1,300})")

#: Without one of these a line holds nothing: logs are long, and regular expressions slow.
_MARKS = ("(ms):", "/s):", "(s):", "requests:", "tokens:", "oncurrency:", "ength:", "Namespace(", "--model", "=====", _TITLE)

#: Longer lines are no part of the block; only their first characters are looked at.
_LONGEST_LINE = 20_000


def sniff(head: str) -> float:
    """Return how sure this is a console block; less for a log whose block is still to come."""
    text = clean(head)
    if text.lstrip("\ufeff \t\r\n").startswith(("{", "[{")):
        return 0.0
    if re.search(rf"={{3}} {{0,60}}{_TITLE} {{0,60}}={{3}}", text):
        return 1.0
    if len(re.findall(r"(?:Mean|Median) (?:TTFT|TPOT|ITL) \(ms\):", text)) >= 2:
        return 0.8
    begun = re.search(r"benchmark_args=Namespace\(|(?:vllm bench serve|benchmark_serving|bench_serving)\b", text)
    return 0.4 if begun and ("Namespace(" in text or "request rate:" in text) else 0.0


def read(text: TextIO, name: str) -> Measurements:
    """Return the figures of each block, see :func:`fingerprint.readers.vllm_serving.read` for what they mean.

    Raises
    ------
    FormatError
        For text without such a block.
    InputError
        For a figure that is no number, or a block of which no request completed.
    """
    runs: list[dict[str, Any]] = []
    before: dict[str, Any] = {}
    run: dict[str, Any] | None = None
    for line in text:
        if not any(mark in line for mark in _MARKS):
            continue
        for shown in states(line, _LONGEST_LINE):
            if _TITLE in shown:
                run = dict(before)
                before = {key: value for key, value in before.items() if key != "max_concurrency"}
                runs.append(run)
                continue
            if "=" in shown or "--" in shown:
                before |= _arguments(shown)
            if match := _FIGURE.search(shown):
                key = _key(match)
                if run is None and _MEASURED.search(key):
                    run = dict(before)  # the title was not copied
                    runs.append(run)
                target = before if run is None or _over(run, key) else run
                target[key] = match["value"].replace(",", "")
            elif run is not None and re.fullmatch(r"[\s#>|]*={10,}[\s|]*", shown):
                run = None
    told = [run for run in runs if any(_MEASURED.search(key) for key in run)]
    if not told:
        raise FormatError(
            "holds no block 'Serving Benchmark Result' with figures; give what the benchmark printed, or its JSON", name
        )
    return vllm_serving.tabulate(told, name)


def _over(run: dict[str, Any], key: str) -> bool:
    """Return whether a block without its closing rule is over: the limit of the next run is announced."""
    return key == "max_concurrency" and any(_MEASURED.search(k) for k in run)


def _key(match: re.Match[str]) -> str:
    if match["label"]:
        return _LABELS[match["label"].lower()]
    return f"{match['statistic']}_{match['latency'].replace(' ', '_')}_ms".lower()


def _arguments(line: str) -> dict[str, Any]:
    """Return what the tool's arguments say, None and the like left out."""
    found = {m[1]: m[2] or m[3] or m[4] for m in _ARGUMENT.finditer(line)} if "Namespace(" in line else {}
    return found | {m[1]: m[2] for m in _TYPED.finditer(line)}
