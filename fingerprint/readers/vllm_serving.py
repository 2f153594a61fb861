"""The JSON that ``vllm bench serve`` saves, and what SGLang's ``bench_serving`` appends: one object a run."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

from fingerprint import chips
from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Measurements, from_columns
from fingerprint.readers import checkpoints, uncounted
from fingerprint.readers.json_text import documents

NAME = "vllm-serving"
TITLE = "vLLM 'bench serve' result: JSON, or several runs as JSON Lines (SGLang bench_serving alike)"
YIELDS = "token and request rates, time to first token, time per output token, inter-token and end-to-end latency"

#: Rate -> quantity, unit. Old and new spellings.
RATES: dict[str, tuple[str, str]] = {
    "output_throughput": ("output_throughput", "token/s"),
    "input_throughput": ("input_throughput", "token/s"),
    "total_token_throughput": ("total_throughput", "token/s"),
    "total_throughput": ("total_throughput", "token/s"),
    "request_throughput": ("throughput", "request/s"),
}

#: Latency's name between its statistic and "_ms" -> quantity.
LATENCIES: dict[str, str] = {
    "ttft": "ttft",
    "tpot": "tpot",
    "itl": "itl",
    "e2el": "e2e_latency",
    "e2e_latency": "e2e_latency",
    "latency": "e2e_latency",
}

_LATENCY = re.compile(rf"(mean|median|p\d{{1,2}}(?:\.\d+)?)_({'|'.join(LATENCIES)})_ms")

#: Arrays of one entry a request, and whatever holds users' texts or the server's state: dropped while parsing.
DROPPED = frozenset({"generated_texts", "input_lens", "output_lens", "ttfts", "itls", "errors", "start_times", "latencies",
                     "output_details", "raw_results"})  # fmt: skip

#: What SGLang's copy of the server's arguments and state is asked for; the rest of it is dropped while parsing.
_SERVER = frozenset({"model_path", "tp_size", "pp_size", "dp_size", "enable_dp_attention", "dtype", "quantization",
                     "kv_cache_dtype", "speculative_algorithm"})  # fmt: skip

#: Keys of the tools themselves. Any other was added with ``--metadata``: it may name the GPU.
_OWN = frozenset({"date", "backend", "endpoint_type", "label", "model_id", "model", "tokenizer_id", "num_prompts", "best_of",
                  "use_beam_search", "request_rate", "burstiness", "max_concurrency", "duration", "completed", "failed",
                  "tag", "dataset_name", "dataset_path", *_SERVER})  # fmt: skip

#: Keys whose value names hardware even if nobody knows the name.
_HARDWARE = re.compile(r"(gpu|accelerator|device|hardware|hw|chip)(_?(name|type|model|sku))?", re.IGNORECASE)


_PARALLEL = {
    "tensor": ("tensor_parallel_size", "tensor_parallel", "tp_size", "tp"),
    "pipeline": ("pipeline_parallel_size", "pipeline_parallel", "pp_size", "pp"),
    "data": ("data_parallel_size", "data_parallel", "dp_size", "dp"),
}

#: Most runs of one file: a sweep has hundreds.
MOST_RUNS = 20_000

_TELLING = (
    "request_throughput", "output_throughput", "total_token_throughput", "input_throughput", "total_input_tokens",
    "total_output_tokens", "completed", "model_id", "tokenizer_id", "num_prompts", "request_rate", "max_concurrency",
    "mean_ttft_ms", "mean_tpot_ms",
)  # fmt: skip


def sniff(head: str) -> float:
    """Return how sure this is a serving result: how many of its keys the first object shows."""
    text = head.lstrip("\ufeff \t\r\n")
    # Others save the same keys beside their own: InferenceX a rate per GPU, ML.ENERGY energy.
    if not text.startswith(("{", "[")) or '"tput_per_gpu"' in text or '"steady_state_energy' in text:
        return 0.0
    if '"server_info"' in text and '"sharegpt_output_len"' in text and '"request_rate"' in text:
        return 0.95  # SGLang's own line: the server's state may push the figures out of the head
    if '"output_throughput"' not in text and not re.search(r'"(mean|median)_(ttft|tpot)_ms"', text):
        return 0.0
    return min(1.0, sum(f'"{key}"' in text for key in _TELLING) / 6.0)


def read(text: TextIO, name: str) -> Measurements:
    """Return the runs' figures; runs whose metadata name different hardware are different profiles.

    Lengths are means over the completed requests. Without a stated ``max_concurrency`` the requests in flight are the
    request rate times the mean end-to-end latency (Little's law). The accelerators are the product of the parallel sizes that
    ``--metadata`` gives, else unknown.

    Raises
    ------
    FormatError
        For text that is no JSON of such runs.
    InputError
        For JSON cut short, a figure that is no number, or no completed request at all.
    """
    return tabulate(list(_runs(text.read(), name)), name)


def tabulate(runs: Sequence[Mapping[str, Any]], name: str) -> Measurements:
    """Return the figures of runs with these tools' keys, see :func:`read`."""
    if len(runs) > MOST_RUNS:
        raise InputError(f"holds more than {MOST_RUNS:,} runs; split it", name)
    names = [_hardware(run) for run in runs]
    distinct = list(dict.fromkeys(names))
    columns: dict[str, list[Any]] = {column: [] for column in _COLUMNS}
    notes: list[str] = []
    for number, (run, hardware) in enumerate(zip(runs, names, strict=True), start=1):
        where = name if len(runs) == 1 else f"{name}, run {number}"
        profile = name if len(distinct) == 1 else f"{name}:{distinct.index(hardware) + 1}"
        setting = {"profile": profile, **_setting(run, where, notes)}
        for quantity, unit, statistic, value in _figures(run, where):
            row = {**setting, "quantity": quantity, "unit": unit, "statistic": statistic, "value": value}
            for column, cells in columns.items():
                cells.append(row.get(column))
    if not columns["value"]:
        raise InputError("holds no figure above zero: no request completed; run the benchmark again", name)
    identity = {
        (name if len(distinct) == 1 else f"{name}:{i + 1}"): hardware for i, hardware in enumerate(distinct) if hardware
    }
    return from_columns(columns, where=name, identity=identity, notes=dict.fromkeys(notes))


_COLUMNS = (
    "profile", "tool", "workload", "phase", "precision", "weight_precision", "kv_precision", "statistic", "scope",
    "quantity", "unit", "accelerators", "concurrency", "input_tokens", "output_tokens", "value",
)  # fmt: skip


def _runs(text: str, name: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON document, of an array, or of several documents one after another."""
    found = 0
    documented, cut = documents(text, name, "the file that --save-result wrote", _without_texts)
    if cut:
        raise InputError("is JSON cut short; save or copy the whole file again", f"{name}, line {cut}")
    for _, value in documented:
        for run in value if isinstance(value, list) else [value]:
            found += 1
            if found > MOST_RUNS:
                raise InputError(f"holds more than {MOST_RUNS:,} runs; split it", name)
            if not isinstance(run, dict):
                raise FormatError(f"holds {_kind(run)} where each run must be a JSON object", f"{name}, run {found}")
            if not any(key in RATES or _LATENCY.fullmatch(key) for key in run):
                raise FormatError(
                    "holds none of a serving benchmark's figures (output_throughput, mean_ttft_ms …); "
                    "give the file that 'vllm bench serve --save-result' wrote",
                    f"{name}, run {found}",
                )
            yield run
    if not found:
        raise FormatError("holds no run; give the file that 'vllm bench serve --save-result' wrote", name)


def _without_texts(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    kept = {key: value for key, value in pairs if key not in DROPPED}
    server = kept.pop("server_info", None)
    return {**_server(server), **kept} if isinstance(server, dict) else kept


def _server(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return the few circumstances that SGLang's server tells of itself, under the names that metadata would have."""
    told = {key: value for key, value in info.items() if key in _SERVER and isinstance(value, (str, int, bool))}
    if told.pop("enable_dp_attention", False):
        # Attention's data-parallel ranks are then the tensor-parallel ones.
        told.pop("dp_size", None)
    if model := told.pop("model_path", None):
        told["model_id"] = model
    return told


def _kind(value: object) -> str:
    return {list: "a list", str: "a text", bool: "true or false", type(None): "null"}.get(type(value), "a number")


def _figures(run: Mapping[str, Any], where: str) -> Iterator[tuple[str, str, str, float]]:
    """Yield quantity, unit, statistic and value of each figure above zero; zero and NaN mean nothing was measured."""
    for key in run:
        if key in RATES:
            quantity, unit = RATES[key]
            statistic = ""
        elif match := _LATENCY.fullmatch(key):
            quantity, unit, statistic = LATENCIES[match[2]], "ms", match[1]
        else:
            continue
        value = _number(run, key, where)
        if value is not None and value < 0:
            raise InputError(f"'{key}' is negative ({value:g}); a measured figure can't be", where)
        if value:
            yield quantity, unit, statistic, value


def _number(run: Mapping[str, Any], key: str, where: str, *, strict: bool = True) -> float | None:
    """Return a key's number (metadata are texts); None for missing, null and NaN."""
    value = run.get(key)
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        if strict:
            raise InputError(f"'{key}' must be a number, found {str(value)[:40]!r}", where) from None
        return None
    return number if math.isfinite(number) else None


def _setting(run: Mapping[str, Any], where: str, notes: list[str]) -> dict[str, Any]:
    """Return what all figures of a run share."""
    model = str(run.get("model_id") or run.get("model") or "")
    known, unknown = checkpoints.model(model)
    if unknown:
        notes.append(f"{where}: {unknown}")
    completed = _number(run, "completed", where)
    asked = _number(run, "num_prompts", where, strict=False)
    if completed is not None and asked is not None and completed < asked:
        notes.append(f"{where}: {completed:.0f} of {asked:.0f} requests completed")
    accept = _number(run, "accept_length", where, strict=False)
    if accept is None and run.get("speculative_algorithm"):
        notes.append(f"{where}: speculative decoding; times per token are shorter than a step")
    if accept is not None and accept > 1.0:
        notes.append(
            f"{where}: speculative decoding, {accept:.2g} tokens a step; times per token are shorter than a step"
        )
    accelerators = _accelerators(run, where)
    if accelerators is None:
        notes.append(f"{where}: {uncounted.note('served', 'record it with --metadata tensor_parallel_size=N')}")
    setting: dict[str, Any] = {
        "tool": "serving",
        "phase": "serve",
        "scope": "system",
        "workload": known,
        "accelerators": accelerators,
        "concurrency": _concurrency(run, where, completed),
        **checkpoints.precisions(model, dtype=run.get("precision") or run.get("dtype"),
                                 quantization=run.get("quantization"), cache=run.get("kv_cache_dtype")),
    }
    for column, keys in (
        ("input_tokens", ("total_input_tokens",)),
        ("output_tokens", ("total_output_tokens", "total_generated_tokens")),
    ):
        totals = [total for key in keys if (total := _number(run, key, where)) is not None]
        setting[column] = totals[0] / completed if totals and completed else None
    return setting


def _accelerators(run: Mapping[str, Any], where: str) -> float | None:
    sizes = [
        next((size for key in keys if (size := _number(run, key, where, strict=False))), None)
        for keys in _PARALLEL.values()
    ]
    given = [size for size in sizes if size is not None and size >= 1.0]
    return math.prod(given) if given else None


def _concurrency(run: Mapping[str, Any], where: str, completed: float | None) -> float | None:
    stated = _number(run, "max_concurrency", where, strict=False)
    # SGLang's mean number of requests in flight: well below the limit where requests came too slowly to reach it.
    measured = _number(run, "concurrency", where, strict=False)
    if stated or measured:
        return min(n for n in (stated, measured) if n)
    duration = _number(run, "duration", where)
    mean = next(
        (m for name in ("e2el", "e2e_latency", "latency") if (m := _number(run, f"mean_{name}_ms", where))), None
    )
    if mean is None:
        first, step = _number(run, "mean_ttft_ms", where), _number(run, "mean_tpot_ms", where)
        generated = _number(run, "total_output_tokens", where)
        if first is not None and step is not None and generated is not None and completed:
            mean = first + step * max(generated / completed - 1.0, 0.0)
    return completed * mean / 1e3 / duration if completed and mean and duration else None


def _hardware(run: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of accelerators that the run's metadata hold."""
    found = []
    for key, value in run.items():
        if isinstance(value, str) and 0 < len(value) <= 120 and key not in _OWN:
            named = chips.resolve(value) is not None or chips.architecture_of_label(value) is not None
            if named or _HARDWARE.fullmatch(key):
                found.append(value)
    return tuple(dict.fromkeys(found))
