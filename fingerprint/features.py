"""Measurements -> vectors: what the figures show of the hardware, never who made them.

A vector holds, for each regime of work (large 16-bit GEMMs, decode steps, MLPerf vision …), the best and the median rate
that the profile's rows imply, the circumstances needed to read them (bytes of weights an accelerator, size of a kernel,
bits), the utilisation they would mean on each of a few reference chips, and ratios between regimes, which a
uniform slow-down leaves alone. Names, dates, counts of rows and the tool's name do not enter (see the tests). Token lengths and batches
enter as part of the work: beyond that they tell one tester's habits from another's.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy import log10

from fingerprint import chips, workloads
from fingerprint.candidates import peak_of
from fingerprint.costs import Points, element_bytes, points
from fingerprint.measurements import Floats, Measurements
from fingerprint.regimes import NUMBER, REGIMES, regimes

#: Per-row channels, all log10 but ``bits``.
CHANNELS: tuple[str, ...] = ("flops", "bytes", "link", "intensity", "size", "weights", "bits", "raw")

_KERNEL = ("flops", "bytes", "intensity", "size", "bits")
_MODEL = ("flops", "bytes", "weights", "bits")
#: Which channels each regime reports.
REPORTED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("gemm-fp64", "gemm-fp32", "gemm-tf32", "gemm-16", "gemm-8", "gemm-4", "gemm-unstated"), ("flops", "size")),
    **dict.fromkeys(("gemm-mid", "gemm-skinny", "attention-prefill", "attention-decode", "moe"), _KERNEL),
    "elementwise": ("bytes", "bits"),
    "memory": ("bytes",),
    "cache": ("raw",),
    "host": ("raw",),
    **dict.fromkeys(("collective", "point-to-point"), ("link", "size")),
    **dict.fromkeys(("prefill", "first-token", "decode-step", "decode", "serve", "offline", "request", "interactive"), _MODEL),
    **dict.fromkeys(("vision", "encoder", "speech", "diffusion", "recommender"), ("flops", "bits", "raw")),
    "train-llm": ("flops", "bits"),
    "train-other": ("flops", "bits", "raw"),
    "train-rate": ("flops", "bits"),
    "training-run": ("flops", "bits"),
    "power": ("raw",),
    "power-idle": ("raw",),
    "energy": ("raw", "weights", "bits"),
}  # fmt: skip

#: Channels that measure (best and median are told apart); of the others, which describe, the median says enough.
MEASURING = ("flops", "bytes", "link", "raw")

#: Reference chips whose rooflines every rate is held against: one a class, two where a class is wide.
REFERENCES: tuple[str, ...] = (
    "V100-SXM2-32GB", "T4", "A10", "A100-SXM4-80GB", "L4", "L40S", "H100-SXM", "H100-PCIe", "H20-96GB", "H200-SXM",
    "B200-HGX", "RTXPRO6000-Server", "MI300X", "MI355X", "Gaudi2",
)  # fmt: skip

#: Ratios of best rates between regimes (numerator, denominator, channel of each).
RATIOS: tuple[tuple[str, str, str, str], ...] = (
    ("gemm-fp32", "flops", "gemm-16", "flops"), ("gemm-tf32", "flops", "gemm-16", "flops"),
    ("gemm-8", "flops", "gemm-16", "flops"), ("gemm-4", "flops", "gemm-8", "flops"),
    ("gemm-mid", "flops", "gemm-16", "flops"), ("gemm-mid", "flops", "gemm-8", "flops"),
    ("gemm-fp64", "flops", "gemm-fp32", "flops"), ("gemm-16", "flops", "memory", "bytes"),
    ("gemm-16", "flops", "gemm-skinny", "bytes"), ("gemm-8", "flops", "gemm-skinny", "bytes"),
    ("attention-prefill", "flops", "attention-decode", "bytes"), ("gemm-16", "flops", "collective", "link"),
    ("prefill", "flops", "decode-step", "bytes"), ("prefill", "flops", "decode", "bytes"),
    ("first-token", "flops", "decode-step", "bytes"), ("serve", "flops", "decode-step", "bytes"),
    ("serve", "flops", "serve", "bytes"), ("offline", "flops", "offline", "bytes"),
)  # fmt: skip


#: Benchmarks whose rules fix model, data set and quality, so that plain rates compare: MLPerf Inference's.
FIXED: tuple[str, ...] = (
    "resnet50", "retinanet", "ssd-resnet34", "ssd-mobilenet", "bert-large", "rnnt", "3d-unet", "dlrm", "dlrm-v2", "gpt-j-6b",
    "stable-diffusion-xl", "llama-2-70b", "mixtral-8x7b", "llama-3.1-405b", "llama-3.1-8b", "deepseek-r1", "rgat",
    "whisper-large-v3", "gpt-oss-120b",
)  # fmt: skip

#: How such a benchmark is run, and the phases that mean it.
SCENARIOS: dict[str, tuple[str, ...]] = {
    "offline": ("offline",), "serve": ("serve",), "interactive": ("interactive",), "latency": ("latency",),
}  # fmt: skip


@lru_cache(maxsize=1)
def feature_names() -> tuple[str, ...]:
    """Return the names of a vector's columns, in order."""
    names: list[str] = []
    for regime, channels in REPORTED.items():
        for channel in channels:
            if channel in MEASURING:
                names.append(f"{regime}.{channel}.best")
            names.append(f"{regime}.{channel}.median")
    for chip in REFERENCES:
        names += [f"utilisation.{chip}.best", f"utilisation.{chip}.compute", f"utilisation.{chip}.memory"]
    names += [f"fixed.{workload}.{scenario}" for workload in FIXED for scenario in SCENARIOS]
    names += [f"ratio.{a}.{x}/{b}.{y}" for a, x, b, y in RATIOS]
    return tuple(names)


@lru_cache(maxsize=1)
def _rates() -> npt.NDArray[np.float64]:
    """Return, a column, by how many decades a figure falls where every rate falls by one: 1 of a rate, -1 of energy a token, else 0."""
    out = []
    for name in feature_names():
        regime, channel = name.split(".")[:2]
        rate = regime in ("utilisation", "fixed") or (channel in MEASURING and not regime.startswith(("power", "ratio")))
        out.append(-1.0 if regime == "energy" and channel == "raw" else float(rate))
    return np.array(out)


def slowed(x: Floats, slower: Floats) -> Floats:
    """Return vectors as they would be with each profile's rates slowed down by ``slower`` (log10 of the factor), shape as ``x``."""
    return np.asarray(x + slower[:, None] * _rates())


@lru_cache(maxsize=1)
def _ceilings() -> tuple[dict[str, Floats], Floats]:
    """FLOP/s of each reference chip by precision, and bytes a second."""
    table = [chips.table()[c] for c in REFERENCES]
    precisions = ("fp64", "fp32", "tf32", "bf16", "fp16", "int8", "fp8", "fp4", "int4", "")
    rates = {p: np.array([peak_of(c, p) for c in table]) for p in precisions}
    return rates, np.array([c.memory_bandwidth for c in table])


def row_channels(table: Measurements, implied: Points) -> Floats:
    """Return the per-row channels, shape (n_rows, len(CHANNELS)), NaN where a row says nothing."""
    with np.errstate(all="ignore"):
        columns = {
            "flops": log10(implied.flop_rate),
            "bytes": log10(implied.byte_rate),
            "link": log10(implied.link_rate),
            "intensity": log10(implied.flop_rate) - log10(implied.byte_rate),
            "size": log10(implied.size),
            "weights": log10(implied.weight_bytes),
            "bits": 8.0 * element_bytes(table.word("precision"), np.nan),
            # Of times the inverse, so that the best is the largest.
            "raw": np.where(table.word("unit").equals("s"), -1.0, 1.0) * log10(table.per_accelerator()),
        }
    # A host link, a cache or a collective is no sum over accelerators even where several are named.
    out = np.stack([columns[c] for c in CHANNELS], axis=1)
    out[~np.isfinite(out)] = np.nan
    return out


def utilisations(table: Measurements, implied: Points) -> tuple[Floats, Floats]:
    """Return log10 of achieved over ceiling for compute and for memory, each of shape (n_rows, len(REFERENCES))."""
    rates, bandwidth = _ceilings()
    precision = table.word("precision")
    peaks = np.stack([rates.get(p, rates[""]) for p in precision.words])[precision.codes]
    with np.errstate(all="ignore"):
        return log10(implied.flop_rate)[:, None] - log10(peaks), log10(implied.byte_rate)[:, None] - log10(bandwidth)


def _grouped(values: Floats, group: npt.NDArray[np.int64], n_groups: int) -> tuple[Floats, Floats]:
    """Return the largest and the median value of each group (NaN for a group without one)."""
    best, median = np.full(n_groups, np.nan), np.full(n_groups, np.nan)
    known = ~np.isnan(values) & (group >= 0)
    if not known.any():
        return best, median
    values, group = values[known], group[known]
    order = np.lexsort((values, group))
    values, group = values[order], group[order]
    present, start, count = np.unique(group, return_index=True, return_counts=True)
    best[present] = values[start + count - 1]
    median[present] = (values[start + (count - 1) // 2] + values[start + count // 2]) / 2.0
    return best, median


def _fixed_rates(table: Measurements, profile: npt.NDArray[np.int64], n_profiles: int) -> list[Floats]:
    """Return log10 of the median rate a profile reached in each fixed benchmark and scenario."""
    workload, phase = table.word("workload"), table.word("phase")
    place = np.array([FIXED.index(w) if w in FIXED else -1 for w in workload.words])[workload.codes]
    scenario = np.array([next((i for i, p in enumerate(SCENARIOS.values()) if w in p), -1) for w in phase.words])[phase.codes]
    tested = table.word("tool").equals("mlperf-inference")
    rates = table.word("quantity").equals("throughput", "output_throughput")
    delays = table.word("quantity").equals("latency") & phase.equals("latency")
    # Language models were rated in samples, then in tokens: tokens a sample, from MLPerf's logs, make them one scale.
    tokens = workload.map({w: m.mlperf_output_tokens for w, m in workloads.table().items()}, missing=1.0)
    tokens = np.where(np.isnan(tokens) | table.word("unit").equals("token/s"), 1.0, tokens)
    with np.errstate(all="ignore"):
        value = np.where(rates, log10(table.per_accelerator() * tokens), -log10(table.number("value")))
    use = tested & (rates | delays) & (place >= 0) & (scenario >= 0) & np.isfinite(value)
    n = len(FIXED) * len(SCENARIOS)
    key = np.where(use, profile * n + place * len(SCENARIOS) + scenario, -1)
    median = _grouped(np.where(use, value, np.nan), key, n_profiles * n)[1].reshape(n_profiles, n)
    return list(median.T)


def usable(table: Measurements) -> npt.NDArray[np.bool_]:
    """Return which rows enter a vector: those of a regime whose channels are known."""
    implied = points(table)
    regime = regimes(table, implied)
    channels = row_channels(table, implied)
    told = np.zeros((len(REGIMES) + 1, len(CHANNELS)), dtype=bool)
    for name, reported in REPORTED.items():
        told[NUMBER[name], [CHANNELS.index(c) for c in reported if c in MEASURING]] = True
    return np.asarray((told[regime] & ~np.isnan(channels)).any(axis=1), dtype=np.bool_)


def vectors(table: Measurements) -> Floats:
    """Return one vector a profile, shape (n_profiles, len(feature_names())), in the order of ``table.profiles``.

    Missing is NaN: a profile without a single usable figure is a row of NaN.
    """
    implied = points(table)
    regime = regimes(table, implied).astype(np.int64)
    profile = table.profile_numbers().astype(np.int64)
    n_profiles = len(table.profiles)
    channels = row_channels(table, implied)
    key = np.where(regime >= 0, profile * len(REGIMES) + regime, -1)
    found: dict[tuple[str, str], tuple[Floats, Floats]] = {}
    for c, channel in enumerate(CHANNELS):
        best, median = _grouped(channels[:, c], key, n_profiles * len(REGIMES))
        best, median = best.reshape(n_profiles, len(REGIMES)), median.reshape(n_profiles, len(REGIMES))
        for name in REGIMES:
            found[name, channel] = best[:, NUMBER[name]], median[:, NUMBER[name]]

    columns: list[Floats] = []
    for name, reported in REPORTED.items():
        for channel in reported:
            best, median = found[name, channel]
            columns += [best, median] if channel in MEASURING else [median]
    compute, memory = utilisations(table, implied)
    for r in range(len(REFERENCES)):
        reached = np.fmax(compute[:, r], memory[:, r])
        columns.append(_grouped(reached, profile, n_profiles)[0])
        columns.append(_grouped(compute[:, r], profile, n_profiles)[1])
        columns.append(_grouped(memory[:, r], profile, n_profiles)[1])
    columns += _fixed_rates(table, profile, n_profiles)
    columns += [found[a, x][0] - found[b, y][0] for a, x, b, y in RATIOS]
    return np.stack(columns, axis=1) if n_profiles else np.zeros((0, len(feature_names())))


class ProfileVectorizer:
    """Turns measurement tables into vectors, as a scikit-learn transformer.

    Stateless: ``fit`` only checks. ``transform`` takes :class:`~fingerprint.measurements.Measurements` or a DataFrame of
    its columns and returns an array of shape (n_profiles, n_features), profiles in order of first appearance.
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return no parameters; there is nothing to set."""
        return {}

    def set_params(self, **params: Any) -> ProfileVectorizer:
        """Return self; any parameter is an error, since there is none."""
        if params:
            raise ValueError(f"ProfileVectorizer has no parameters, got {sorted(params)}")
        return self

    def fit(self, X: Any, y: Any = None) -> ProfileVectorizer:
        """Return self."""
        return self

    def transform(self, X: Any) -> Floats:
        """Return one vector a profile; see :func:`vectors`."""
        return vectors(X if isinstance(X, Measurements) else Measurements.from_frame(X))

    def fit_transform(self, X: Any, y: Any = None) -> Floats:
        """Return ``transform(X)``."""
        return self.transform(X)

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Return the names of the vector's columns."""
        return np.asarray(feature_names(), dtype=object)
