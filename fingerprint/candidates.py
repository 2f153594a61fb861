"""Holds every row against every candidate chip: how near to its ceiling the figure would have come there.

The forward model predicts that nearness from the work and the data sheet; what it predicts for the true chip is what was
measured, and for others it is not. Only the *figure given the circumstances* is judged, not the circumstances: batch
grids, precisions and counts can't give a chip away. One thing they do say: that the work fitted the memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import lru_cache
from math import log10

import numpy as np
import numpy.typing as npt

from fingerprint import chips, workloads
from fingerprint.costs import Points, element_bytes
from fingerprint.measurements import Floats, Measurements
from fingerprint.regimes import NUMBER, REGIMES

#: Precisions a peak is looked up by; "" is not stated and counts as 16-bit.
_PRECISIONS = ("fp64", "fp32", "tf32", "bf16", "fp16", "int8", "fp8", "fp4", "int4", "", "unstated-8")
_WIDER = {"unstated-8": "int8", "fp4": "fp8", "fp8": "fp16", "int8": "fp16", "tf32": "fp32", "bf16": "fp16", "int4": "fp16", "": "fp16", "fp16": "fp32"}

#: What a row descriptor holds, in order.
ROW_NAMES: tuple[str, ...] = ("regime", "bits", "size", "weights", "input", "output", "intensity", "accelerators",
                              "work", "statistic", "flight", "launch", "weight_bits", "alone", "sparsity")  # fmt: skip

#: What a chip adds to it, in order.
CHIP_NAMES: tuple[str, ...] = ("peak", "bandwidth", "over_ridge", "ideal_time", "eight_bit", "four_bit", "vector", "vendor", "native", "exchange")

#: Inference on images, sentences and the like runs in 8 bits where a chip can and nobody says otherwise (MLPerf's habit).
_EIGHT_BIT_REGIMES = ("vision", "encoder", "speech", "diffusion", "recommender")

#: Desktop, laptop and embedded boards whose arithmetic and memory differ by no more than this (log10) are one candidate: 40 %, what
#: software does to them.
ALIKE = 0.15

_STATISTICS = {"": 0.0, "mean": 0.0, "median": 0.0, "min": -1.0, "p90": 1.0, "p95": 1.0, "p99": 2.0, "max": 2.0}


@dataclass(frozen=True, eq=False, repr=False)
class Candidates:
    """Data-sheet figures of the candidate chips, side by side (log10, SI).

    ``members`` are the chips that each stands for, itself first: its twins, and of desktop, laptop and embedded boards those of
    the same architecture whose data sheets are within :data:`ALIKE` of its own. Figures are the candidate's own, but ``memory`` is the
    largest :attr:`~fingerprint.chips.Chip.capacity` among its members.
    """

    ids: tuple[str, ...]
    members: tuple[tuple[str, ...], ...]
    architecture: tuple[str, ...]
    peaks: dict[str, Floats]
    bandwidth: Floats
    memory: Floats
    link: Floats
    power: Floats
    vendor: Floats
    native: dict[str, Floats]


def peak_of(chip: chips.Chip, precision: str) -> float:
    """Return a chip's FLOP/s at a precision, in the next wider unit it has where it lacks one; NaN where none is known."""
    while precision not in chip.peaks and precision in _WIDER:
        precision = _WIDER[precision]
    return chip.peaks.get(precision, float("nan"))


def _usual_peak(chip: chips.Chip, precision: str) -> float:
    """Return a chip's FLOP/s as programs use it: 16-bit products added up in 32 bits, which desktop cards do at half rate.

    The BF16 rate tells where that is so. GeForce cards of the Turing generation have none; they halve it as well (NVIDIA's Turing
    white paper).
    """
    wide = chip.peaks.get("bf16", float("nan"))
    if chip.architecture == "turing" and chip.id.startswith("RTX"):
        wide = chip.peaks["fp16"] / 2.0
    return min(peak_of(chip, precision), wide) if precision in ("bf16", "fp16", "") and wide > 0 else peak_of(chip, precision)


def _stand_in(chip: chips.Chip, firsts: Iterable[chips.Chip]) -> str:
    """Return which of the candidates so far stands for a chip; its own id where none does."""
    for other in firsts:
        if other.twin_group and other.twin_group == chip.twin_group:
            return other.id
        if chip.datacenter or other.datacenter or other.architecture != chip.architecture:
            continue
        rates = [(_usual_peak(chip, p), _usual_peak(other, p)) for p in ("fp16", "fp32", "int8")] + [(chip.memory_bandwidth, other.memory_bandwidth)]
        if all(abs(log10(mine / theirs)) <= ALIKE for mine, theirs in rates):
            return other.id
    return chip.id


@lru_cache(maxsize=1)
def candidates() -> Candidates:
    """Return the chips with a known 16-bit or FP32 rate and bandwidth, one for all that are alike."""
    members: dict[str, list[str]] = {}
    known = chips.table()
    for chip in known.values():
        if peak_of(chip, "fp16") > 0 and chip.memory_bandwidth > 0:
            members.setdefault(_stand_in(chip, (known[c] for c in members)), []).append(chip.id)
    table = [known[c] for c in members]
    vendors = {"NVIDIA": 0.0, "AMD": 1.0}
    with np.errstate(all="ignore"):
        return Candidates(
            tuple(members),
            tuple(map(tuple, members.values())),
            tuple(c.architecture for c in table),
            {p: np.log10([_usual_peak(c, p) for c in table]) for p in _PRECISIONS},
            np.log10([c.memory_bandwidth for c in table]),
            np.log10([max(known[m].capacity for m in mine) for mine in members.values()]),
            np.log10([c.link_bandwidth / 2.0 if c.link_bandwidth > 0 else 32e9 for c in table]),
            np.log10([c.board_power for c in table]),
            np.array([vendors.get(c.vendor, 2.0) for c in table]),
            {p: np.array([float(p in c.peaks or p in ("", "unstated-8", "int4")) for c in table]) for p in _PRECISIONS},
        )


@lru_cache(maxsize=4096)
def numbers(label: str) -> tuple[int, ...]:
    """Return the candidates that a chip id or family may mean; () for an unknown label."""
    wanted = set(chips.members(label))
    return tuple(i for i, mine in enumerate(candidates().members) if not wanted.isdisjoint(mine))


@dataclass(frozen=True, eq=False, repr=False)
class Rows:
    """Rows that can be held against a chip.

    Attributes
    ----------
    index : ndarray of shape (n,)
        Row numbers in the table.
    describe : ndarray of shape (n, len(ROW_NAMES))
        What the work was.
    flops, prompts, bytes, link, power : ndarray of shape (n,)
        log10 of the rates a row implies; NaN where it says nothing of that kind. ``prompts`` is a part of ``flops``.
    held : ndarray of shape (n,)
        log10 of the bytes that an accelerator had to hold meanwhile; NaN where nobody can tell.
    precision : ndarray of shape (n,)
        Index into the precisions a peak is looked up by.
    """

    index: npt.NDArray[np.int64]
    describe: Floats
    flops: Floats
    prompts: Floats
    bytes: Floats
    link: Floats
    power: Floats
    held: Floats
    precision: npt.NDArray[np.int64]

    def take(self, chosen: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Rows:
        """Return the chosen rows."""
        return Rows(*(getattr(self, f.name)[chosen] for f in fields(self)))

    def __len__(self) -> int:
        return len(self.index)


def rows_of(table: Measurements, implied: Points, regime: npt.NDArray[np.int16]) -> Rows:
    """Return the rows of a table that imply a rate of some kind."""
    with np.errstate(all="ignore"):
        flops, moved, link = np.log10(implied.flop_rate), np.log10(implied.byte_rate), np.log10(implied.link_rate)
        prompts = np.log10(implied.prompt_rate)
        power = np.where(table.word("quantity").equals("power"), np.log10(table.per_accelerator()), np.nan)
        size, weights, in_flight = np.log10(implied.size), np.log10(implied.weight_bytes), np.log10(implied.flight)
        held = np.log10(implied.held_bytes)
        lengths = [np.log10(table.number(c)) for c in ("input_tokens", "output_tokens")]
        count = np.log10(table.accelerator_count())
        work, sparsity = (np.log10(table.word("workload").map(facts())) for facts in (_work, _sparsity))
    cached = np.isin(regime, [NUMBER["cache"], NUMBER["host"]])
    link[~np.isin(regime, [NUMBER["collective"], NUMBER["point-to-point"]])] = np.nan
    bits = 8.0 * element_bytes(table.word("precision"), np.nan)
    statistic = table.word("statistic").map(_STATISTICS, missing=0.0)
    # A kernel's rows of tokens, and a model's arithmetic in one pass: what fills a chip, told alike for both.
    kernel, tokens = table.word("phase").equals("kernel") | table.word("tool").equals("kernel"), np.log10(table.number("m"))
    trained = regime == NUMBER["train-llm"]
    launch = np.where(kernel, size, size + work + np.where(trained, lengths[0], 0.0))
    size = np.where(kernel & ~np.isnan(tokens), tokens, size)
    weight_bits = 8.0 * element_bytes(table.word("weight_precision"), bits / 8.0)
    # An engine by itself, as MLPerf's harnesses run it too, or behind a server.
    alone = table.word("tool").map({"engine": 1.0, "mlperf-inference": 1.0, "serving": 0.0})
    describe = np.stack([regime.astype(float), bits, size, weights, *lengths, flops - moved, count, work, statistic, in_flight,
                         launch, weight_bits, alone, sparsity], axis=1)  # fmt: skip
    describe[~np.isfinite(describe)] = np.nan
    told = ~np.isnan(flops) | ~np.isnan(moved) | ~np.isnan(link) | ~np.isnan(power)
    index = np.flatnonzero(told & (regime >= 0) & ~cached)
    words = table.word("precision")
    unstated = _PRECISIONS.index("")
    precision = np.array([_PRECISIONS.index(w) if w in _PRECISIONS else unstated for w in words.words] or [0])[words.codes]
    eight = np.isin(regime, [NUMBER[r] for r in _EIGHT_BIT_REGIMES])
    precision = np.where(eight & (precision == unstated), _PRECISIONS.index("unstated-8"), precision)
    return Rows(index, describe[index], flops[index], prompts[index], moved[index], link[index], power[index], held[index], precision[index].astype(np.int64))


@lru_cache(maxsize=1)
def _work() -> dict[str, float]:
    """FLOPs a sample or a token of each workload: what tells its efficiency apart from its neighbours'."""
    out = {}
    for name, model in workloads.table().items():
        cost = model.flops_per_sample if model.flops_per_sample > 0 else 2.0 * model.active_parameters
        out[name] = cost
    return out


@lru_cache(maxsize=1)
def _sparsity() -> dict[str, float]:
    """Weights held for each that a token passes through: a mixture of experts keeps fewer rows of a batch together."""
    return {name: model.total_parameters / model.active_parameters for name, model in workloads.table().items()}


def _units() -> Floats:
    """Return :func:`native` of every precision, shape (n_precisions, n_candidates)."""
    return np.stack([candidates().native[p] for p in _PRECISIONS])


def native(precision: npt.NDArray[np.int64]) -> Floats:
    """Return 1 where a candidate has a unit for the row's precision, else 0; shape (n, n_candidates).

    Arithmetic without a unit of its own is done in a wider one, at a cost.
    """
    return np.asarray(_units()[precision])


def pairs(rows: Rows, chip: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the design and the nearness to the ceiling of each row on its chip.

    Parameters
    ----------
    rows : Rows
        n rows.
    chip : ndarray of shape (n,)
        A candidate's number for each row.

    Returns
    -------
    design : ndarray of shape (n, len(ROW_NAMES) + len(CHIP_NAMES))
    near : ndarray of shape (n,)
        log10 of achieved over ceiling: of arithmetic or memory, whichever is nearer, after the prompts' arithmetic; or of link, or of power.
    """
    known = candidates()
    by_precision = np.stack([known.peaks[p] for p in _PRECISIONS])
    peak = by_precision[rows.precision, chip]
    suits = _units()[rows.precision, chip]
    sixteen = known.peaks["fp16"][chip]
    bandwidth = known.bandwidth[chip]
    roof = _roof(rows.flops - peak, rows.prompts - peak, rows.bytes - bandwidth)
    near = np.where(np.isnan(roof), rows.link - known.link[chip], roof)
    near = np.where(np.isnan(near), rows.power - known.power[chip], near)
    # A link's or a board's figure has its own ceiling in the place of the peak.
    ceiling = np.where(np.isnan(roof), np.where(np.isnan(rows.link), known.power[chip], known.link[chip]), peak)
    over_ridge = rows.describe[:, ROW_NAMES.index("intensity")] - (peak - bandwidth)
    # What several accelerators exchange passes over their links.
    exchange = np.where(rows.describe[:, ROW_NAMES.index("accelerators")] > 0.0, known.link[chip] - bandwidth, np.nan)
    launch, size = rows.describe[:, ROW_NAMES.index("launch")], rows.describe[:, ROW_NAMES.index("size")]
    ideal = np.where(np.isnan(rows.link), launch, size) - ceiling
    sheet = [ceiling, bandwidth, over_ridge, ideal, known.peaks["fp8"][chip] - sixteen, known.peaks["fp4"][chip] - sixteen,
             known.peaks["fp32"][chip] - sixteen, known.vendor[chip], suits, exchange]  # fmt: skip
    return np.column_stack([rows.describe, *sheet]), near


def _roof(compute: Floats, prompts: Floats, memory: Floats) -> Floats:
    """Return log10 of the least share of the time that the work needs: of tokens by arithmetic or memory, whichever takes longer, after prompts."""
    with np.errstate(under="ignore"):
        first = 10.0**prompts
        both = np.log10(first + np.fmax(10.0**compute - first, 10.0**memory))
    return np.where(np.isnan(prompts), np.fmax(compute, memory), both)


#: Regimes whose figures miss the forward model's guess together: what a software stack does well or badly as a whole.
GROUPS: dict[str, tuple[str, ...]] = {
    "vector": ("gemm-fp64", "gemm-fp32"),
    "tf32": ("gemm-tf32",),
    "16-bit": ("gemm-16",),
    "8-bit": ("gemm-8",),
    "4-bit": ("gemm-4",),
    "compute": ("gemm-unstated", "train-rate"),
    "attention": ("attention-prefill",),
    "small": ("gemm-mid",),
    "skinny": ("gemm-skinny", "moe"),
    "cached": ("attention-decode",),
    "memory": ("memory",),
    "elementwise": ("elementwise",),
    "link": ("collective", "point-to-point"),
    "prefill": ("prefill", "first-token"),
    "decode": ("decode-step", "decode"),
    "served": ("serve", "offline", "request", "interactive"),
    "samples": ("vision", "encoder", "speech", "diffusion", "recommender"),
    "training": ("train-llm", "train-other", "training-run"),
    "power": ("power", "power-idle", "energy", "cache", "host"),
}

GROUP_OF_REGIME: npt.NDArray[np.int64] = np.array([next(i for i, members in enumerate(GROUPS.values()) if r in members) for r in REGIMES])
