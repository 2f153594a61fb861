"""Console logs of trainers: torchtitan, Megatron-LM (and what descends from it), NeMo, Hugging Face Trainer.

Lines of steps are matched by what only these tools print; a figure is the median over the logged steps without the
first, which compiles and warms up. What the lines themselves leave out (sequence length, ranks, precision, shape) is
taken from the arguments and banners that the tools print before. The utilisation that torchtitan prints, and its
memory in percent, rebuild a data sheet: neither is read.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TextIO

import numpy as np

from fingerprint import workloads
from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Measurements, from_columns
from fingerprint.readers import uncounted
from fingerprint.readers.printed import clean, lines
from fingerprint.units import canonical_precision

NAME = "training-log"
TITLE = "Training log: torchtitan, Megatron-LM, NeMo or Hugging Face Trainer console output"
YIELDS = "step time, tokens or samples a second, model FLOP/s and power per accelerator"

#: Beyond this sequence length the FLOP count that trainers print holds so much attention that the causal mask skips
#: (12 L h s a token where the chip does 6 L h s) that the rate is no longer the chip's.
LONGEST_COUNTED = 8192.0

#: Colours whose escape character a copy has lost.
_COLOURS = re.compile(r"\[(?:\d{1,2};){0,2}\d{1,2}m")
_NUMBER = r"([0-9][0-9,]*\.?[0-9]*(?:[eE][+-]?[0-9]{1,3})?)"

_TITAN = re.compile(rf"\bstep:\s*\d+\b.{{0,300}}?\b(?:tps|wps):\s*{_NUMBER}(.{{0,200}})")
_TITAN_FLOPS = re.compile(rf"\btflops:\s*{_NUMBER}")
_MEGATRON = re.compile(r"\biteration\s+\d+/\s*\d+\s*\|(.*)")
_NEMO = re.compile(rf"\btrain_step_timing in s\s*[:=]\s*{_NUMBER}")
_NEMO_FLOPS = re.compile(rf"\bTFLOPS_per_GPU\s*[:=]\s*{_NUMBER}")
_TRAINER = re.compile(rf"\btrain_(samples|tokens)_per_second['\"]?\s*[:=]\s*['\"]?{_NUMBER}")

#: Fields of a Megatron step line (forks' and successors' spellings too) -> quantity, unit, scope.
_FIELDS = {
    "elapsed time per iteration (ms)": ("step_time", "ms", "system"),
    "elapsed time per iteration (s)": ("step_time", "s", "system"),
    "throughput per gpu (tflop/s/gpu)": ("compute_rate", "TFLOP/s", "accelerator"),
    "compute per gpu (tflop/s/gpu)": ("compute_rate", "TFLOP/s", "accelerator"),
    "tflops": ("compute_rate", "TFLOP/s", "accelerator"),
    "tokens per gpu (tokens/s/gpu)": ("total_throughput", "token/s", "accelerator"),
    "tokens per second per gpu (tok/s/gpu)": ("total_throughput", "token/s", "accelerator"),
    "tokens per gpu per second (tgs)": ("total_throughput", "token/s", "accelerator"),
    "tokens/s/gpu inst/harmonic mean": ("total_throughput", "token/s", "accelerator"),
    "samples per second": ("throughput", "sample/s", "system"),
    "power per gpu (w/gpu)": ("power", "W", "accelerator"),
}
_BATCH = re.compile(r"\bglobal[_ ]batch[_ ]size\s{0,9}[:=]?\s{0,9}(\d{1,9})\b", re.IGNORECASE)

#: Arguments as Megatron dumps them (dotted) or as configurations print them (colon or equals sign).
_ARGUMENT = re.compile(
    r"\b(seq_length|encoder_seq_length|seq_len|world_size|num_layers|hidden_size|ffn_hidden_size|num_attention_heads|"
    r"group_query_attention|num_query_groups|kv_channels|padded_vocab_size|swiglu|untie_embeddings_and_output_weights|"
    r"num_experts|multi_latent_attention|bf16|fp16|fp8|precision|num_nodes|devices)"
    r"(?:\s*\.{3,}\s*|\s*[:=]\s*)['\"]?([\w.-]+)"
)
_BANNERS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("sequence", re.compile(r"\bsequence length (\d{1,9})\b")),
    ("ranks", re.compile(r"\busing world size: (\d{1,7})\b")),
    ("ranks", re.compile(r"\bMEMBER: \d+/(\d{1,7})\b")),
    ("mesh", re.compile(r"\bBuilding \d+-D device mesh with \[[^\]]{0,200}\], \[([\d, ]{1,60})\]")),
    ("dimensions", re.compile(r"\bBuilding device mesh with parallelism: (.{1,200})")),
    ("model", re.compile(r"\bModel ([\w.\- ]{1,60}?) size: [\d,]{4,} total parameters")),
    ("parameters", re.compile(r"\bModel [\w.\- ]{1,60}? size: ([\d,]{4,20}) total parameters")),
    ("active", re.compile(r"\bTotal parameter count: dense [\d,]+, sparse [1-9][\d,]*, active ([\d,]{4,20})")),
    ("billions", re.compile(r"\bTotal number of parameters in billions: ([\d.]{1,12})")),
    ("per_device", re.compile(r"\bInstantaneous batch size per device = ([\d,]{1,12})")),
    ("total_batch", re.compile(r"\bTotal train batch size \([^)]{0,80}\) = ([\d,]{1,12})")),
    ("accumulation", re.compile(r"\bGradient Accumulation steps = ([\d,]{1,9})")),
    ("float8", re.compile(r"\b((?:MX)?Float8\b[^\n]{0,40}\btraining active|MXFP8 training active)", re.IGNORECASE)),
    ("device", re.compile(r"\b(?:GPU|CUDA|XPU|ROCM|HIP) capacity: ([^\n]{2,80}?)(?: \(\d+\))? with [\d.]+ ?GiB memory")),
)
#: What a line must hold to be searched for a banner: logs are long, banners few.
_HINT = re.compile(r"size|length|mesh|MEMBER|parallelism|arameter|ccumulation|active|capacity")
_STARTS = ("Training starts at step", "***** Running training *****", "------------------------ arguments ---")


def sniff(head: str) -> float:
    """Return how sure this is a trainer's log: a line of a step that only these tools print, or their banner."""
    if head.lstrip("\ufeff \t\r\n").startswith("{\n") or ":::MLLOG" in head:
        return 0.0
    plain = _COLOURS.sub("", clean(head))
    if any("mfu:" in m[2] or "tflops:" in m[2] for m in [_TITAN.search(plain)] if m):
        return 1.0
    if "elapsed time per iteration (" in plain and _MEGATRON.search(plain):
        return 1.0
    if _NEMO.search(plain):
        return 1.0
    if _TRAINER.search(plain) and ("train_runtime" in plain or "***** train" in plain):
        return 0.0 if _is_json(plain) else 0.9
    return 0.6 if any(start in plain for start in _STARTS) else 0.0


def _is_json(head: str) -> bool:
    """Return whether JSON with double quotes opens the text; the trainer's lines are Python's, with single ones."""
    return re.search(r'^[ \t\ufeff]{0,40}[\[{]\s{0,40}"', head, re.MULTILINE) is not None


def read(text: TextIO, name: str) -> Measurements:
    """Return the log's figures, a median over its steps each; a change of the global batch starts another figure.

    Raises
    ------
    FormatError
        If no line of a step is there.
    InputError
        If no step holds a figure above zero.
    """
    log = _Log()
    steps = 0
    # Progress bars overwrite themselves; each state is a line.
    for number, line in lines(text):
        steps += log.take(_COLOURS.sub("", line) if "[" in line else line, number)
    if not steps:
        raise FormatError(
            "holds no line of a training step (torchtitan 'step: .. tps:', Megatron 'iteration N/M | elapsed time per iteration', "
            "NeMo 'train_step_timing in s', Trainer 'train_samples_per_second')",
            name,
        )
    return log.measurements(name)


@dataclass
class _Series:
    """One figure's values, and the line of the first."""

    row: int
    values: array[float] = field(default_factory=lambda: array("d"))

    def typical(self) -> float:
        """Return the median, without the first of three or more: it compiles and warms up."""
        known = np.frombuffer(self.values)
        return float(np.median(known[1:] if len(known) > 2 else known))


class _Log:
    """What a log has told so far."""

    def __init__(self) -> None:
        self.told: dict[str, str] = {}
        self.arguments: dict[str, str] = {}
        self.devices: dict[str, None] = {}
        self.series: dict[tuple[str, str, str, float], _Series] = {}
        self.batch = math.nan

    def take(self, line: str, number: int) -> bool:
        """Take one line; return whether it is one of a step."""
        for matches, take in self._steps:
            if (found := matches(line)) is not None:
                take(self, found, line, number)
                return True
        # Arguments and banners come before the first step; what a long log says later is not searched for them.
        if self.series:
            return False
        if (found := _BATCH.search(line)) is not None:
            self.batch = _parsed(found[1])
        for key, pattern in _BANNERS if _HINT.search(line) else ():
            if (found := pattern.search(line)) is not None:
                if key == "device":
                    self.devices.setdefault(found[1].strip())
                self.told.setdefault(key, found[1])
        for key, value in _ARGUMENT.findall(line) if len(line) < 4000 else ():
            self.arguments.setdefault(key, value)
        return False

    def _titan(self, found: re.Match[str], line: str, number: int) -> None:
        self._put(number, "total_throughput", "token/s", "accelerator", found[1])
        if (flops := _TITAN_FLOPS.search(found[2])) is not None:
            self._put(number, "compute_rate", "TFLOP/s", "accelerator", flops[1])

    def _megatron(self, found: re.Match[str], line: str, number: int) -> None:
        if (batch := _BATCH.search(line)) is not None:
            self.batch = _parsed(batch[1])
        for cell in found[1].split("|"):
            key, _, value = cell.rpartition(":")
            kind = _FIELDS.get(key.strip().lower())
            word = re.match(rf"\s*{_NUMBER}", value)
            if kind and word:
                self._put(number, *kind, word[1])

    def _nemo(self, found: re.Match[str], line: str, number: int) -> None:
        if (batch := _BATCH.search(line)) is not None:
            self.batch = _parsed(batch[1])
        self._put(number, "step_time", "s", "system", found[1])
        if (flops := _NEMO_FLOPS.search(line)) is not None:
            self._put(number, "compute_rate", "TFLOP/s", "accelerator", flops[1])

    def _trainer(self, found: re.Match[str], line: str, number: int) -> None:
        for work, value in _TRAINER.findall(line):
            if work == "samples":
                self._put(number, "throughput", "sample/s", "system", value)
            else:
                self._put(number, "total_throughput", "token/s", "system", value)

    _steps: tuple[tuple[Callable[[str], re.Match[str] | None], Callable[[_Log, re.Match[str], str, int], None]], ...] = (
        (lambda line: _TITAN.search(line) if "ps:" in line else None, _titan),
        (lambda line: _MEGATRON.search(line) if "elapsed time per iteration" in line else None, _megatron),
        (lambda line: _NEMO.search(line) if "train_step_timing" in line else None, _nemo),
        (lambda line: _TRAINER.search(line) if "_per_second" in line else None, _trainer),
    )

    def _put(self, number: int, quantity: str, unit: str, scope: str, word: str) -> None:
        value = _parsed(word)
        if not math.isnan(value):
            self.series.setdefault((quantity, unit, scope, self.batch), _Series(number)).values.append(value)

    # ---------------------------------------------------------------------------------------------- what is made of it

    def measurements(self, name: str) -> Measurements:
        """Return the figures with the setting that the whole log tells."""
        notes: list[str] = []
        setting = self._setting(name, notes)
        rows: list[dict[str, Any]] = []
        at: list[int] = []
        for (quantity, unit, scope, batch), series in self.series.items():
            length = setting["input_tokens"]
            if quantity == "compute_rate" and length is not None and length > LONGEST_COUNTED:
                notes.append(f"{name}: the FLOP rate at {length:g} tokens counts attention that the mask skips; left out")
                continue
            batch = setting["batch"] if math.isnan(batch) else batch
            figure = {"quantity": quantity, "unit": unit, "scope": scope, "value": series.typical(), "batch": batch}
            rows.append({**setting, **figure, "statistic": "median" if len(series.values) > 1 else ""})
            at.append(series.row)
        if not rows:
            raise InputError("holds no step with a figure above zero", name)
        columns = {column: [row.get(column) for row in rows] for column in rows[0]}
        identity = {name: tuple(self.devices)} if self.devices else {}
        table = from_columns(columns, where=name, identity=identity, notes=dict.fromkeys(notes))
        return replace(table, row=np.array(at, dtype=np.int64))

    def _setting(self, name: str, notes: list[str]) -> dict[str, Any]:
        arguments, told = self.arguments, self.told
        length = _first(*(arguments.get(k) for k in ("seq_length", "encoder_seq_length", "seq_len")), told.get("sequence"))
        model = told.get("model", "")
        workload = workloads.resolve(model) if model else ""
        active, total = self._parameters()
        if not workload and model:
            workload = re.sub(r"[^a-z0-9.]+", "-", model.lower()).strip("-")
        if not workload and active is None:
            notes.append(f"{name}: the log names no model, so what a token costs is not known; printed FLOP rates stand alone")
        count = self._accelerators()
        if count is None:
            notes.append(f"{name}: {uncounted.note('trained')}")
        if length is None:
            notes.append(f"{name}: the sequence length is not in the log")
        return {
            "tool": "training", "phase": "train", "workload": workload or "", "precision": self._precision(),
            "accelerators": count, "input_tokens": length, "batch": _first(told.get("total_batch")),
            "active_parameters": active, "total_parameters": total,
        }  # fmt: skip

    def _accelerators(self) -> float | None:
        told, arguments = self.told, self.arguments
        if ranks := _first(arguments.get("world_size"), told.get("ranks")):
            return ranks
        if mesh := told.get("mesh"):
            return math.prod(_first(size) or 1.0 for size in mesh.split(","))
        if dimensions := dict(re.findall(r"\b(pp|dp_replicate|dp_shard|cp|tp)=(\d{1,6})\b", told.get("dimensions", ""))):
            return math.prod(float(size) or 1.0 for size in dimensions.values())
        total, each = _first(told.get("total_batch")), _first(told.get("per_device"))
        if total and each:
            return _whole(total / each / (_first(told.get("accumulation")) or 1.0))
        devices, nodes = _first(arguments.get("devices")), _first(arguments.get("num_nodes"))
        return devices * nodes if devices and nodes else None

    def _precision(self) -> str:
        arguments = self.arguments
        if "float8" in self.told or arguments.get("fp8", "None") not in ("None", "none", "null", "False", "false"):
            return "fp8"
        for kind in ("bf16", "fp16"):
            if arguments.get(kind) == "True":
                return kind
        stated = arguments.get("precision", "")
        return canonical_precision("fp" + stated if stated[:2] in ("16", "32") else stated)

    def _parameters(self) -> tuple[float | None, float | None]:
        """Return the parameters that a token uses and all that are held; None where the log does not tell."""
        total = _first(self.told.get("parameters"))
        if active := _first(self.told.get("active")):
            return active, total
        if total is None and (billions := _first(self.told.get("billions"))):
            total = billions * 1e9
        experts = self.arguments.get("num_experts", "None")
        if experts not in ("None", "none", "null", "0", "1"):
            return None, total
        total = total if total is not None else self._dense()
        return total, total

    def _dense(self) -> float | None:
        """Return the parameters of a dense transformer from Megatron's arguments."""
        a = self.arguments
        hidden, layers, inner = (_first(a.get(k)) for k in ("hidden_size", "num_layers", "ffn_hidden_size"))
        heads, vocabulary = _first(a.get("num_attention_heads")), _first(a.get("padded_vocab_size"))
        if None in (hidden, layers, inner, heads, vocabulary) or a.get("multi_latent_attention") == "True":
            return None
        assert hidden is not None and layers is not None and inner is not None and heads is not None and vocabulary is not None  # noqa: PT018
        groups = _first(a.get("num_query_groups")) if a.get("group_query_attention") == "True" else None
        width = _first(a.get("kv_channels")) or hidden / heads
        attention = 2.0 * hidden * width * (heads + (groups or heads))
        matrices = 3.0 if a.get("swiglu") == "True" else 2.0
        tables = 2.0 if a.get("untie_embeddings_and_output_weights") == "True" else 1.0
        return layers * (attention + matrices * hidden * inner) + tables * vocabulary * hidden


def _parsed(word: str) -> float:
    """Return a positive finite number with or without thousands' commas; NaN for anything else."""
    try:
        number = float(word.replace(",", ""))
    except ValueError:
        return math.nan
    return number if math.isfinite(number) and number > 0 else math.nan


def _first(*words: str | None) -> float | None:
    """Return the first positive number among words that may be missing."""
    return next((number for word in words if word and not math.isnan(number := _parsed(word))), None)


def _whole(count: float) -> float | None:
    return float(round(count)) if count >= 1 and abs(count - round(count)) < 1e-6 else None
