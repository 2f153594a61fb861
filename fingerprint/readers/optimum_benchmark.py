"""Hugging Face's optimum-benchmark: ``benchmark.json`` (configuration and report), ``benchmark_report`` as JSON, Markdown or text.

Definitions (optimum-benchmark 0.6, ``scenarios/inference``): ``prefill`` is the time to the first token of a whole batch; ``decode`` that
of all tokens after it, its throughput batch x beams x (tokens - 1) over the mean; ``per_token`` the time of each step; ``MB`` are
10^6 bytes. Without the configuration nothing says which model ran.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from fingerprint import workloads
from fingerprint.errors import FormatError
from fingerprint.measurements import Measurements
from fingerprint.readers import checkpoints
from fingerprint.readers.figures import Figures, device_names, plain
from fingerprint.readers.json_text import documents, part
from fingerprint.readers.printed import clean

NAME = "optimum-benchmark"
TITLE = "optimum-benchmark: benchmark.json, or benchmark_report as JSON, Markdown or text"
YIELDS = "prefill latency, time per output token, generated tokens a second, latency and throughput of a batch, memory"

_WANTED = "benchmark.json, or benchmark_report.json or .md"

#: Stage -> quantity of its latency, phase.
_LATENCIES = {
    "prefill": ("latency", "prefill"),
    "per_token": ("tpot", "decode"),
    "generate": ("e2e_latency", "offline"),
    "forward": ("latency", "offline"),
    "call": ("latency", "offline"),
}
#: Stage -> phase of its throughput. The others' are the batch over the mean latency, which is there.
_THROUGHPUTS = {"decode": "decode", "train": "train"}
_STAGES = (*_LATENCIES, "decode", "train")

#: Why the rest does not count.
_LEFT_OUT = {
    "load_model": "loads the model from disk",
    "first_generate": "is the first run, with its set-up", "first_forward": "is the first run, with its set-up",
    "first_call": "is the first run, with its set-up", "warmup": "is the warm-up", "overall": "counts the warm-up in",
    "per_step": "is one step of a pipeline whose image size is not told",
}  # fmt: skip
_STATISTICS = {"mean": "mean", "p50": "median", "p90": "p90", "p99": "p99"}

#: Quantisation by name where the configuration tells more than the checkpoint: fbgemm_fp8, bitsandbytes …
_SCHEMES = ((r"fp8", "fp8"), (r"fp4|nf4", "fp4"), (r"int8|8bit", "int8"), (r"int4|4bit|awq|gptq", "int4"))

_HEADING = re.compile(r"^\s*# ([a-z_]{1,40}):\s*$")
_PART = re.compile(r"^\s*(?:##|\+) (memory|latency|throughput|energy|efficiency):\s*$")
_CELL = re.compile(r"^\s*\| *([a-z_0-9]{1,40}) *\| *([^|]{1,60}?) *\| *([^|]{1,20}?) *\|\s*$")
_PLAIN_STAGE = re.compile(r"^\s*\+ ([a-z_]{1,40}):\s*$")
_PLAIN_CELL = re.compile(r"^\s*\+ ([a-z_0-9]{1,40}): ([^\s()]{1,60}) \(([^()]{1,20})\)\s*$")
#: A line that opens a JSON object.
_OPENS = re.compile(r"^[ \t]{0,40}\{", re.MULTILINE)
_LOG = re.compile(r"^\[[^\]]*\]\[[^\]]*\]\[[A-Z]+\] - ")


def sniff(head: str) -> float:
    """Return how sure this is optimum-benchmark: its version, its targets, or a report's memory and latency tables."""
    if '"optimum_benchmark_version"' in head or '"optimum_benchmark.' in head:
        return 1.0
    if head.lstrip("\ufeff \t\r\n").startswith("{"):
        stages = sum(f'"{stage}"' in head for stage in ("load_model", *_STAGES))
        return 0.95 if stages and '"max_global_vram"' in head and '"latency"' in head else 0.0
    if not re.search(r"^[ \t]{0,40}(?:##|.*\+) (?:memory|latency|throughput):\s*$", head, re.MULTILINE):
        return 0.0
    tables = "max_global_vram" in head or re.search(r"stdev_ +\||\+ stdev_:", head)
    return 0.95 if tables and re.search(r"^[ \t]{0,40}(?:#|.*\+) (?:load_model|prefill|decode|forward|call|generate|train|overall):", head, re.MULTILINE) else 0.0  # fmt: skip


def read(text: TextIO, name: str) -> Measurements:
    """Return the figures of a benchmark's stages.

    The accelerators are those that the configuration names, not those of the machine. Memory is what all processes held on them.

    Raises
    ------
    FormatError
        For text without a stage of optimum-benchmark.
    InputError
        For JSON cut short, a figure that is no number or negative, or no figure at all.
    """
    figures = Figures(name, strict=True)
    content = text.read().lstrip("\ufeff")
    seen = False
    if _OPENS.search(content):
        found, _ = documents(content, name, _WANTED, _without_values)
        for _, value in found:
            if isinstance(value, dict):
                seen |= _benchmark(part(value, "config"), part(value, "report") or value, figures)
    else:
        seen = _benchmark({}, _printed(content.splitlines()), figures)
    if not seen:
        raise FormatError(f"holds no stage of optimum-benchmark (prefill, decode, forward …); give {_WANTED}", name)
    return figures.table("holds no figure above zero; run the benchmark again")


def _without_values(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in pairs if key != "values"}


def _printed(lines: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return a printed report in the JSON's shape, each stage with the line that it begins on."""
    report: dict[str, dict[str, Any]] = {}
    begins = 1
    stage, group = "", ""
    for number, line in enumerate(lines, 1):
        shown = _LOG.sub("", clean(line[:2000]))
        if match := _PART.match(shown):
            group = match[1]
        elif match := _HEADING.match(shown) or _PLAIN_STAGE.match(shown):
            stage, group, begins = match[1], "", number
        elif stage and group and (match := _CELL.match(shown) or _PLAIN_CELL.match(shown)):
            key = "value" if group == "throughput" and match[1] == "throughput" else match[1]
            cells = report.setdefault(stage, {"line": begins}).setdefault(group, {})
            cells[key] = match[2]
            if match[3] not in ("unit", "-", "%"):
                cells["unit"] = match[3]
    return report


def _benchmark(config: Mapping[str, Any], report: Mapping[str, Any], figures: Figures) -> bool:
    """Take a benchmark's stages, numbered in their order where they have no line; return whether one was known."""
    setting = _setting(config, figures)
    seen = False
    for number, (stage, cells) in enumerate(report.items(), 1):
        if not isinstance(cells, dict) or not any(isinstance(cells.get(k), dict) for k in ("latency", "throughput", "memory")):
            continue
        line = int(plain(cells.get("line")) or number)
        seen |= stage in _STAGES or stage in _LEFT_OUT
        if stage in _LEFT_OUT:
            figures.ignore(line, f"the stage {stage} {_LEFT_OUT[stage]}", setting["hardware"])
        elif stage in _STAGES:
            _stage(stage, cells, line, setting, figures)
        # What the model alone needs is a lower bound of the memory too.
        if stage in _STAGES or stage == "load_model":
            _memory(part(cells, "memory"), stage, line, setting, figures)
    return seen


def _stage(stage: str, cells: Mapping[str, Any], line: int, setting: Mapping[str, Any], figures: Figures) -> None:
    latency, throughput = part(cells, "latency"), part(cells, "throughput")
    common = dict(setting)
    if stage in _LATENCIES:
        quantity, phase = _LATENCIES[stage]
        for key, statistic in _STATISTICS.items():
            figures.add(line, quantity, latency.get(key), _text(latency.get("unit"), "s"), key=f"{stage}.latency.{key}",
                        statistic=statistic, **common | {"phase": phase})  # fmt: skip
    if stage in _THROUGHPUTS:
        rate = "throughput" if stage == "train" else "output_throughput"
        usual = "samples/s" if stage == "train" else "tokens/s"
        if stage == "train":
            common["tool"] = "training"
        figures.add(line, rate, throughput.get("value"), _text(throughput.get("unit"), usual), key=f"{stage}.throughput",
                    **common | {"phase": _THROUGHPUTS[stage]})  # fmt: skip
    energy = part(cells, "energy")
    figures.add(line, "energy", energy.get("gpu"), _text(energy.get("unit"), "kWh"), key=f"{stage}.energy.gpu", **common)


def _memory(memory: Mapping[str, Any], stage: str, line: int, setting: Mapping[str, Any], figures: Figures) -> None:
    key = "max_global_vram"
    figures.add(line, "memory_used", memory.get(key), _text(memory.get("unit"), "MB"), key=f"{stage}.memory.{key}",
                statistic="max", **setting)  # fmt: skip


def _text(unit: object, usual: str) -> str:
    return unit if isinstance(unit, str) and unit.strip() else usual


def _setting(config: Mapping[str, Any], figures: Figures) -> dict[str, Any]:
    """Return what the configuration tells; of a report alone nothing is known."""
    backend = part(config, "backend")
    scenario = part(config, "scenario") or part(config, "benchmark")
    shapes, generate = part(scenario, "input_shapes"), part(scenario, "generate_kwargs")
    named = backend.get("model")
    model = named if isinstance(named, str) else ""
    if not config:
        figures.note("is a report without its configuration, so neither model nor batch is known; give benchmark.json")
        workload = ""
    else:
        workload, unknown = checkpoints.model(model)
        if unknown:
            figures.note(unknown)
    known = workloads.table().get(workload)
    # Training names its lengths elsewhere.
    length = shapes.get("sequence_length") or part(scenario, "dataset_shapes").get("sequence_length")
    tokens = {"input_tokens": plain(length), "output_tokens": plain(generate.get("max_new_tokens"))}
    device = backend.get("device")
    accelerators = None if device == "cpu" else _accelerators(backend, part(config, "environment"))
    if device == "cpu":
        figures.note("ran on the CPU, no accelerator")
    return {
        "tool": "engine",
        "scope": "system",
        "workload": workload,
        "batch": plain(shapes.get("batch_size")) or _training_batch(scenario, accelerators),
        "accelerators": accelerators,
        "hardware": device_names(*_listed(part(config, "environment").get("gpu"))),
        **(tokens if known is None or known.kind in ("llm", "encoder") else {}),
        **_precisions(backend, model),
    }


def _training_batch(scenario: Mapping[str, Any], accelerators: float | None) -> float | None:
    arguments = part(scenario, "training_arguments")
    each = plain(arguments.get("per_device_train_batch_size"))
    return each * accelerators * (plain(arguments.get("gradient_accumulation_steps")) or 1.0) if each and accelerators else None


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _accelerators(backend: Mapping[str, Any], environment: Mapping[str, Any]) -> float | None:
    """Return how many devices the run was given: a machine may hold more, a display among them."""
    given = backend.get("device_ids")
    if isinstance(given, (str, int)) and not isinstance(given, bool) and str(given).strip():
        return float(len([d for d in str(given)[:1000].split(",") if d.strip()]))
    return 1.0 if plain(environment.get("gpu_count")) == 1.0 else None


def _precisions(backend: Mapping[str, Any], model: str) -> dict[str, str]:
    told = checkpoints.precisions(model, dtype=backend.get("torch_dtype") or backend.get("dtype"))
    details = part(backend, "quantization_config")
    scheme = " ".join(
        [str(backend.get("quantization_scheme") or ""), str(details.get("quant_method") or "")[:80]]
        + [key for key in ("load_in_8bit", "load_in_4bit") if details.get(key) is True]
        + [f"{bits}bit" for bits in [details.get("bits")] if bits in (4, 8)]
        + [str(details.get(key) or "")[:80] for key in ("quant_type", "bnb_4bit_quant_type", "weights_dtype")]
    )
    for pattern, precision in _SCHEMES:
        if re.search(pattern, scheme.lower()):
            # Weights kept narrow; only FP8 schemes are known to multiply that way, where the device can.
            return told | ({"precision": "fp8", "weight_precision": ""} if precision == "fp8" else {"precision": "", "weight_precision": precision})  # fmt: skip
    return told
