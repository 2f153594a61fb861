"""Quantities, units and precisions: every spelling that tools use, and the one that the table holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a row measures: its canonical unit and one line of meaning."""

    unit: str
    meaning: str


QUANTITIES: dict[str, Quantity] = {
    "throughput": Quantity("token/s | sample/s | request/s", "work a second; which work the unit says"),
    "input_throughput": Quantity("token/s", "prompt tokens a second"),
    "output_throughput": Quantity("token/s", "generated tokens a second"),
    "total_throughput": Quantity("token/s", "prompt and generated tokens a second (training: tokens trained on)"),
    "latency": Quantity("s", "time of one kernel, batch or query"),
    "ttft": Quantity("s", "time to first token"),
    "tpot": Quantity("s", "time per output token after the first"),
    "itl": Quantity("s", "time between chunks of output"),
    "e2e_latency": Quantity("s", "time of a whole request"),
    "step_time": Quantity("s", "time of one training step"),
    "time_to_train": Quantity("s", "time to a target quality"),
    "compute_rate": Quantity("FLOP/s", "arithmetic a second (integer operations count alike)"),
    "bandwidth": Quantity("B/s", "bytes moved a second"),
    "bus_bandwidth": Quantity("B/s", "bus bandwidth of a collective, as nccl-tests defines it"),
    "algorithm_bandwidth": Quantity("B/s", "algorithm bandwidth of a collective"),
    "power": Quantity("W", "mean electrical power"),
    "energy": Quantity("J", "energy of the whole measurement"),
    "energy_per_token": Quantity("J/token", "energy a token"),
    "energy_per_sample": Quantity("J/sample", "energy an image, video or request"),
    "accelerator_hours": Quantity("s", "accelerator time of a whole training run, in seconds"),
    "compute": Quantity("FLOP", "arithmetic of a whole training run"),
    "memory_used": Quantity("B", "memory in use an accelerator"),
    "cycles": Quantity("cycle", "latency in clock cycles"),
    "utilization": Quantity("1", "share of the time that the accelerator was busy"),
}

_PREFIX = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "p": 1e15, "e": 1e18}
_BINARY = {"ki": 2.0**10, "mi": 2.0**20, "gi": 2.0**30, "ti": 2.0**40}
_TIME = {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "millisecond": 1e-3, "milliseconds": 1e-3,
         "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "microsecond": 1e-6, "microseconds": 1e-6, "ns": 1e-9, "nanoseconds": 1e-9,
         "min": 60.0, "minute": 60.0, "minutes": 60.0, "h": 3600.0, "hr": 3600.0, "hour": 3600.0, "hours": 3600.0,
         "gpuh": 3600.0, "gpuhour": 3600.0, "gpuhours": 3600.0, "acceleratorhours": 3600.0, "chiphours": 3600.0,
         "d": 86400.0, "day": 86400.0, "days": 86400.0}  # fmt: skip
_TOKEN = {"token", "tokens", "tok", "toks", "tps"}
_SAMPLE = {"sample", "samples", "image", "images", "img", "imgs", "item", "items", "frame", "frames", "fps", "sequence",
           "sequences", "seq", "seqs", "inference", "inferences", "sentence", "sentences", "video", "videos", "example",
           "examples", "step", "steps", "it", "iter", "words"}  # fmt: skip
_REQUEST = {"request", "requests", "req", "reqs", "query", "queries", "prompt", "prompts"}
_PER_ACCELERATOR = re.compile(r"[/ ](?:per[ _-]?)?(?:gpu|accelerator|acc|chip|device|card|npu|tpu)s?$")
_PER_SECOND = re.compile(r"(?:/|per|p)(?:s|sec|second|seconds)$")


@dataclass(frozen=True, slots=True)
class Conversion:
    """How a value becomes canonical: ``value * factor`` in ``unit``."""

    quantity: str
    unit: str
    factor: float
    per_accelerator: bool


def canonical_quantity(name: str) -> str | None:
    """Return the quantity's canonical name, or None when nobody knows it."""
    key = re.sub(r"[\s\-]+", "_", name.strip().lower())
    return _QUANTITY_ALIASES.get(key, key if key in QUANTITIES else None)


_QUANTITY_ALIASES = {
    "tokens_per_second": "throughput", "token_throughput": "throughput", "samples_per_second": "throughput",
    "queries_per_second": "throughput", "request_throughput": "throughput", "request_rate": "throughput",
    "training_throughput": "throughput", "sample_throughput": "throughput", "images_per_second": "throughput",
    "output_token_throughput": "output_throughput", "generation_throughput": "output_throughput",
    "decode_throughput": "output_throughput", "prefill_throughput": "input_throughput",
    "input_token_throughput": "input_throughput", "prompt_throughput": "input_throughput",
    "total_token_throughput": "total_throughput", "time_to_first_token": "ttft", "time_per_output_token": "tpot",
    "inter_token_latency": "itl", "time": "latency", "duration": "latency", "runtime": "latency",
    "request_latency": "e2e_latency", "e2el": "e2e_latency", "iteration_time": "step_time", "train_step_time": "step_time",
    "flops": "compute_rate", "tflops": "compute_rate", "compute_throughput": "compute_rate", "flop_rate": "compute_rate",
    "memory_bandwidth": "bandwidth", "busbw": "bus_bandwidth", "bus_bw": "bus_bandwidth", "algbw": "algorithm_bandwidth",
    "alg_bw": "algorithm_bandwidth", "power_draw": "power", "mean_power": "power", "joules_per_token": "energy_per_token",
    "gpu_hours": "accelerator_hours", "chip_hours": "accelerator_hours", "training_compute": "compute",
    "latency_cycles": "cycles", "minutes_to_train": "time_to_train", "memory": "memory_used",
}  # fmt: skip


_IMPLIED_UNITS = {"tflops": "TFLOP/s", "gpu_hours": "h", "chip_hours": "h", "minutes_to_train": "min"}

#: Without a unit these say nothing: which work a second, and hours or seconds.
_UNIT_NEEDED = ("throughput", "accelerator_hours", "time_to_train")


def implied_unit(name: str) -> str:
    """Return the unit that a quantity's spelling itself names (``gpu_hours``: ``h``), or ``""``."""
    return _IMPLIED_UNITS.get(re.sub(r"[\s\-]+", "_", name.strip().lower()), "")


@lru_cache(maxsize=4096)
def convert(quantity: str, unit: str) -> Conversion | None:
    """Return how a value of a canonical quantity in any known unit becomes canonical; None for an unknown unit.

    An empty unit is taken as the canonical one, except where it would be a guess (``throughput``, which work;
    ``accelerator_hours`` and ``time_to_train``, hours or seconds). ``tok/s/GPU`` and the like
    also say that the figure is per accelerator.
    """
    text = unit.strip()
    lower = text.lower().replace("·", " ")
    per_accelerator = bool(_PER_ACCELERATOR.search(lower))
    lower = _PER_ACCELERATOR.sub("", lower).strip()
    found = _canonical(quantity, lower, text)
    return None if found is None else Conversion(quantity, found[0], found[1], per_accelerator)


def _canonical(quantity: str, lower: str, text: str) -> tuple[str, float] | None:
    canonical = QUANTITIES[quantity].unit
    if lower == "" and quantity not in _UNIT_NEEDED:
        return canonical, 1.0
    squeezed = re.sub(r"[\s_\-]+", "", lower)
    if quantity == "throughput" or canonical == "token/s":
        return _rate(squeezed, canonical)
    if canonical == "s":
        return ("s", _TIME[squeezed]) if squeezed in _TIME else None
    if canonical in ("FLOP/s", "FLOP"):
        match = re.fullmatch(r"([kmgtpez]?)(?:i?flops?|flop|ops?)(/s|/sec|ps|persecond)?", squeezed)
        if match is None or (canonical == "FLOP" and match[2]):
            return None
        return canonical, {**_PREFIX, "z": 1e21}[match[1]]
    if canonical in ("B/s", "B"):
        match = re.fullmatch(r"([kmgtp]i?|)(b|byte|bytes|bit|bits)(/s|/sec|ps|persecond)?", squeezed)
        if match is None or bool(match[3]) != (canonical == "B/s"):
            return None
        # Gb/s and gbps are bits; an all-lower-case gb/s is somebody's careless GB/s.
        bits = match[2].startswith("bit") or (match[2] == "b" and (match[3] == "ps" or text != lower) and "B" not in text)
        scale = _BINARY[match[1]] if match[1].endswith("i") else _PREFIX[match[1]]
        return canonical, scale / (8.0 if bits else 1.0)
    # The one prefix whose case decides: MW and MJ against mW and mJ.
    milli = 1e6 if text.startswith("M") else 1e-3
    simple = {
        "W": {"w": 1.0, "watt": 1.0, "watts": 1.0, "kw": 1e3, "mw": milli},
        "J": {"j": 1.0, "joule": 1.0, "joules": 1.0, "kj": 1e3, "mj": milli, "wh": 3600.0, "kwh": 3.6e6},
        "J/token": {"j/token": 1.0, "j/tok": 1.0, "joules/token": 1.0, "mj/token": 1e-3, "mj/tok": 1e-3},
        "J/sample": {f"j/{w}": 1.0 for w in (*_SAMPLE, *_REQUEST)} | {"j": 1.0},
        "cycle": {"cycle": 1.0, "cycles": 1.0, "clk": 1.0, "clocks": 1.0},
        "1": {"1": 1.0, "%": 0.01, "percent": 0.01},
    }[canonical]
    return (canonical, simple[squeezed]) if squeezed in simple else None


def _rate(squeezed: str, canonical: str) -> tuple[str, float] | None:
    """Work a second: tokens, samples or requests, with an optional k or M before the noun."""
    squeezed = {"tps": "tokens/s", "qps": "queries/s", "rps": "requests/s", "fps": "frames/s", "it/s": "iter/s"}.get(
        squeezed, squeezed
    )
    noun, count = _PER_SECOND.subn("", squeezed)
    if not count:
        return None
    factor = 1.0
    for prefix, scale in (("k", 1e3), ("m", 1e6)):
        if noun.startswith(prefix) and noun[1:] in _TOKEN | _SAMPLE | _REQUEST:
            noun, factor = noun[1:], scale
    for words, unit in ((_TOKEN, "token/s"), (_SAMPLE, "sample/s"), (_REQUEST, "request/s")):
        if noun in words:
            return (unit, factor) if canonical != "token/s" or unit == "token/s" else None
    return None


#: Precisions of arithmetic, widest first. An empty precision means not stated.
PRECISIONS: tuple[str, ...] = ("fp64", "fp32", "tf32", "bf16", "fp16", "int8", "fp8", "fp4", "int4")

#: Bytes an element of each precision takes.
BYTES: dict[str, float] = {
    "fp64": 8, "fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2, "int8": 1, "fp8": 1, "fp6": 0.75, "fp4": 0.5, "int4": 0.5,
}  # fmt: skip

_PRECISION_PATTERNS = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"(nv|mx)?fp4|mxf4|e2m1|float4", "fp4"),
        (r"int4|w4a16|w4a8|q4", "int4"),
        (r"(mx)?fp8|e4m3|e5m2|float8|f8", "fp8"),
        (r"int8|w8a8|i8|s8", "int8"),
        (r"awq|gptq", "int4"),
        (r"tf32|tensorfloat", "tf32"),
        (r"bf16|bfloat16", "bf16"),
        (r"fp16|float16|half|f16|amp|mixed", "fp16"),
        (r"fp64|float64|double|f64", "fp64"),
        (r"fp32|float32|single|f32|float", "fp32"),
    )
)


@lru_cache(maxsize=4096)
def canonical_precision(text: str) -> str:
    """Return the precision of a spelling such as ``NVFP4``, ``float16`` or ``FP8 (E4M3)``; "" when not recognised.

    Where several are named the first pattern found in the order fp4, int4, fp8, int8, tf32, bf16, fp16, fp64, fp32 counts.
    """
    key = re.sub(r"[\s_\-]+", "", text.lower())
    for pattern, name in _PRECISION_PATTERNS:
        if key and pattern.search(key):
            return name
    return ""
