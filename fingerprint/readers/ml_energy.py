"""ML.ENERGY: the leaderboard's data (versions 2 and 3) and the benchmark's own ``results.json``.

Version 3 keeps a task's ``configurations`` in one JSON, in the units that its keys name; power is the sum over the GPUs. Version 2 has a
small JSON for each configuration (``Energy/req (J)``, ``Avg TPOT (s)``). ``results.json`` is that of a serving run with its energy in the steady
state; requests and answers in it are dropped while parsing. Tasks cover several models of GPU: each is a profile of its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, TextIO

from fingerprint import workloads
from fingerprint.errors import FormatError
from fingerprint.measurements import Measurements
from fingerprint.readers.figures import Figures, device_names
from fingerprint.readers.json_text import documents
from fingerprint.readers.printed import clean, number
from fingerprint.units import canonical_precision

NAME = "ml-energy"
TITLE = "ML.ENERGY leaderboard data (JSON, versions 2 and 3) or the benchmark's results.json"
YIELDS = "throughput, time per token, energy a token, image or request, power"

#: Key -> quantity, unit, statistic, scope.
FIGURES: dict[str, tuple[str, str, str, str]] = {
    "output_throughput_tokens_per_sec": ("output_throughput", "token/s", "", "system"),
    "median_itl_ms": ("itl", "ms", "median", ""),
    "p99_itl_ms": ("itl", "ms", "p99", ""),
    "energy_per_token_joules": ("energy_per_token", "J/token", "", "system"),
    "avg_power_watts": ("power", "W", "mean", "system"),
    "throughput_images_per_sec": ("throughput", "image/s", "", "system"),
    "throughput_videos_per_sec": ("throughput", "video/s", "", "system"),
    "batch_latency_s": ("latency", "s", "", ""),
    "energy_per_image_joules": ("energy_per_sample", "J/image", "", "system"),
    "energy_per_video_joules": ("energy_per_sample", "J/video", "", "system"),
    "Token tput (tok/s)": ("output_throughput", "token/s", "", "system"),
    "Avg TPOT (s)": ("tpot", "s", "mean", ""),
    "Energy/req (J)": ("energy_per_sample", "J/request", "mean", "system"),
    "Batch latency (s)": ("latency", "s", "", ""),
    "Energy/image (J)": ("energy_per_sample", "J/image", "", "system"),
    "Energy/video (J)": ("energy_per_sample", "J/video", "", "system"),
    "steady_state_energy_per_token": ("energy_per_token", "J/token", "", "system"),
    "output_throughput": ("output_throughput", "token/s", "", "system"),
    "mean_ttft_ms": ("ttft", "ms", "mean", ""),
    "median_tpot_ms": ("tpot", "ms", "median", ""),
}

#: Requests, answers and traces of a results.json: private or long, and no figure of ours.
DROPPED = frozenset({"results", "power", "temperature", "timeline", "prompts", "outputs", "output_text", "prompt", "server_info"})

_TELLING = re.compile(
    r'"(?:energy_per_(?:token|image|video)_joules|Energy/(?:req|image|video) \(J\)|steady_state_energy(?:_per_token)?)"\s*:'
)


def sniff(head: str) -> float:
    """Return how sure this is ML.ENERGY's: a key of its energy figures."""
    text = clean(head).lstrip()
    return 1.0 if text.startswith(("{", "[")) and _TELLING.search(text) else 0.0


def read(text: TextIO, name: str) -> Measurements:
    """Return the figures of every configuration.

    Raises
    ------
    FormatError
        For text that is no JSON of ML.ENERGY.
    InputError
        For configurations without a figure.
    """
    found = Figures(name)
    known = False
    row = 0
    for _, document in documents(text.read(), name, "ML.ENERGY's JSON", _without_texts)[0]:
        for configuration in _configurations(document):
            row += 1
            known = _configuration(found, row, configuration) or known
    if not known:
        raise FormatError("holds no configuration of ML.ENERGY (energy_per_token_joules, Energy/req (J) ...)", name)
    return found.table("is ML.ENERGY data without a figure above zero")


def _without_texts(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in pairs if key not in DROPPED}


def _configurations(document: Any) -> list[Mapping[str, Any]]:
    entries = document.get("configurations", [document]) if isinstance(document, Mapping) else document
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def _configuration(found: Figures, row: int, entry: Mapping[str, Any]) -> bool:
    figures = {key: value for key, value in entry.items() if key in FIGURES and not math.isnan(number(value))}
    if not figures or not any(_TELLING.match(f'"{key}":') for key in entry):
        return False
    hardware = device_names(*(str(entry[k]) for k in ("gpu_model", "GPU") if isinstance(entry.get(k), str)))
    setting = _setting(found, entry)
    for key, value in figures.items():
        quantity, unit, statistic, scope = FIGURES[key]
        found.add(row, quantity, value, unit, hardware, **setting, statistic=statistic, scope=scope)
    energy, seconds = number(entry.get("steady_state_energy")), number(entry.get("steady_state_duration"))
    if energy > 0 and seconds > 0:
        found.add(row, "power", energy / seconds, "W", hardware, **setting, statistic="mean", scope="system")
    return True


def _setting(found: Figures, entry: Mapping[str, Any]) -> dict[str, Any]:
    model = str(entry.get("model_id") or entry.get("Model") or "")
    known = workloads.resolve(model) if model else ""
    if known is None:
        found.note(f"the model {model[:80]!r} is not known, so what its tokens cost is not either")
        known = re.sub(r"[^a-z0-9.]+", "-", model.lower().rsplit("/", 1)[-1]).strip("-")
    stated = str(entry.get("weight_precision") or ("fp8" if "fp8" in model.lower() else ""))
    precision = canonical_precision(stated)
    parallel = number(entry.get("TP")) * (number(entry.get("PP")) if "PP" in entry else 1.0)
    served = any(key in entry for key in ("output_throughput_tokens_per_sec", "Token tput (tok/s)", "output_throughput"))
    count = number(entry.get("num_gpus"))
    # Version 2's image and video models ran on one GPU and don't say so.
    lone = 1.0 if "Denoising steps" in entry else parallel
    completed, generated = number(entry.get("completed")), number(entry.get("total_output_tokens"))
    return {
        "tool": "serving" if served else "engine",
        "phase": "serve" if served else "offline",
        "workload": known,
        # Weights in MXFP4 meet 16-bit activations.
        "precision": "bf16" if precision in ("fp4", "int4") else precision,
        "weight_precision": precision,
        "accelerators": lone if math.isnan(count) else count,
        "concurrency": _first(entry, "avg_batch_size", "Avg BS (reqs)", "max_concurrency") if served else "",
        "output_tokens": _first(entry, "avg_output_len", "Avg Output Tokens") or (generated / completed if completed > 0 else ""),
        "batch": "" if served else _first(entry, "batch_size", "Batch size"),
    }


def _first(entry: Mapping[str, Any], *keys: str) -> float | str:
    return next((value for key in keys if not math.isnan(value := number(entry.get(key)))), "")
