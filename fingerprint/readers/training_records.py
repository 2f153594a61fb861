"""Training figures kept as JSON: Megatron-LM's and NeMo's golden values, Hugging Face Trainer's state and results."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TextIO

from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Ignored, Measurements, from_columns
from fingerprint.readers.figures import positive
from fingerprint.readers.json_text import documents

NAME = "training-record"
TITLE = "Megatron-LM or NeMo golden values, Hugging Face trainer_state.json or train_results.json"
YIELDS = "step time; samples and tokens a second"

#: A golden file's series -> quantity, unit, scope.
_SERIES = {
    "iteration-time": ("step_time", "s", "system"),
    "iteration_time": ("step_time", "s", "system"),
    "train_step_timing in s": ("step_time", "s", "system"),
    "throughput": ("compute_rate", "TFLOP/s", "accelerator"),
    "TFLOPS_per_GPU": ("compute_rate", "TFLOP/s", "accelerator"),
}
_LOSSES = ("lm loss", "reduced_train_loss", "num-zeros")

_COLUMNS = ("tool", "phase", "statistic", "scope", "quantity", "unit", "batch", "value")


def sniff(head: str) -> float:
    """Return how sure this is such a record: series with their steps beside a loss, or the Trainer's own keys."""
    text = head.lstrip("\ufeff \t\r\n")
    if not text.startswith("{"):
        return 0.0
    if any(f'"{loss}"' in text for loss in _LOSSES) and ('"step_interval"' in text or '"iteration_timing_avg"' in text):
        return 1.0
    if '"log_history"' in text and '"global_step"' in text and ('"total_flos"' in text or '"max_steps"' in text):
        return 1.0
    return 0.95 if '"train_samples_per_second"' in text and '"train_runtime"' in text else 0.0


def read(text: TextIO, name: str) -> Measurements:
    """Return the record's figures: medians over the steps without the first, or the Trainer's summary.

    Raises
    ------
    FormatError
        For anything but such a JSON object.
    InputError
        For JSON cut short, or a record without a timing.
    """
    record = documents(text.read(), name, "golden values or a trainer_state.json")[0][0][1]
    if not isinstance(record, dict):
        raise FormatError("is JSON but no object; give golden values or a trainer_state.json", name)
    ignored: list[Ignored] = []
    if isinstance(record.get("log_history"), list) or "train_samples_per_second" in record:
        rows, notes = _trainer(record, name)
    else:
        rows, notes = _golden(record, name, ignored)
    if not rows:
        raise InputError(
            "holds no timing above zero: golden values have it under 'iteration-time', the Trainer under 'train_runtime' once "
            "training has ended",
            name,
        )
    columns = {column: [{"tool": "training", "phase": "train", **row}.get(column) for row in rows] for column in _COLUMNS}
    return replace(from_columns(columns, where=name, notes=notes), ignored=tuple(ignored))


def _golden(record: Mapping[str, Any], name: str, ignored: list[Ignored]) -> tuple[list[dict[str, Any]], list[str]]:
    rows = []
    for number, (key, series) in enumerate(record.items(), start=1):
        kind = _SERIES.get(key)
        if kind is None:
            continue
        values = series.get("values") if isinstance(series, dict) else series
        cells = list(values.values() if isinstance(values, dict) else values if isinstance(values, list) else ())
        found = [v for v in map(positive, cells) if not math.isnan(v)]
        if not found:
            ignored.append(Ignored(name, number, f"'{key[:40]}' holds no number above zero"))
            continue
        # The first step timed compiles and warms up: 5.9 s where the others take 1.1.
        quantity, unit, scope = kind
        value = statistics.median(found[1:] if len(found) > 2 else found)
        rows.append({"quantity": quantity, "unit": unit, "scope": scope, "statistic": "median", "value": value})
    if not rows and not math.isnan(mean := positive(record.get("iteration_timing_avg"))):
        rows.append({"quantity": "step_time", "unit": "s", "scope": "system", "statistic": "mean", "value": mean})
    note = (
        f"{name}: golden values name neither model, batch nor accelerators, so a step's work is not known; give a table "
        "with the columns workload, batch, input_tokens and accelerators"
    )
    return rows, [note]


def _trainer(record: Mapping[str, Any], name: str) -> tuple[list[dict[str, Any]], list[str]]:
    history = record.get("log_history")
    entries = [e for e in history if isinstance(e, dict)] if isinstance(history, list) else [record]
    # A run that was resumed ends more than once: the last summary counts.
    last = next((e for e in reversed(entries) if not math.isnan(positive(e.get("train_runtime")))), {})
    seconds = positive(last.get("train_runtime"))
    samples, steps = positive(last.get("train_samples_per_second")), positive(last.get("train_steps_per_second"))
    batch = samples / steps if 1 <= samples / steps < 1e12 else math.nan
    rows: list[dict[str, Any]] = []
    common = {"scope": "system", "batch": None if math.isnan(batch) else float(round(batch))}
    if not math.isnan(samples):
        rows.append({**common, "quantity": "throughput", "unit": "sample/s", "value": samples})
    tokens = positive(last.get("train_tokens_per_second"))
    if math.isnan(tokens):
        tokens = positive(record.get("num_input_tokens_seen")) / seconds
    if not math.isnan(tokens):
        rows.append({**common, "quantity": "total_throughput", "unit": "token/s", "value": tokens})
    note = (
        f"{name}: the Trainer's files name neither model nor accelerators, so nothing follows per accelerator; give a "
        "table with the columns workload, accelerators and input_tokens"
    )
    return rows, [note]
