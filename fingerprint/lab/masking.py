"""Evasion, as transforms of a measurement table: what somebody would do to figures so that their chip is not recognised.

Every transform of :data:`MASKINGS` is pure: ``mask(table, seed) -> table``, the same for the same seed, each profile by
itself, so that a profile is masked alike alone and among others. Rows may be left out, but every profile keeps at least one; their order, their
numbers and their units stay. (Where rows of several profiles are mixed, a left-out row may change which profile appears first:
look profiles up by name.)

What a slow-down does, so that figures stay consistent with one another: rates are multiplied by the factor, times divided by
it, power is left alone (a throttled board that waits still draws; the harder case), and so energy a token grows as the time
does. :func:`capped` is the other case, a clock cap: power falls with the rates and the energy a token stays.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from fingerprint import chips
from fingerprint.costs import points
from fingerprint.measurements import Codes, Floats, Mask, Measurements
from fingerprint.regimes import REGIMES, regimes

Masking = Callable[[Measurements, int], Measurements]

#: Quantities that a faster machine has more of, those it has less of, and the joules spent meanwhile.
RATES = ("throughput", "input_throughput", "output_throughput", "total_throughput", "compute_rate", "bandwidth",
         "bus_bandwidth", "algorithm_bandwidth")  # fmt: skip
TIMES = ("latency", "ttft", "tpot", "itl", "e2e_latency", "step_time", "time_to_train", "accelerator_hours")
ENERGIES = ("energy", "energy_per_token", "energy_per_sample")

#: FLOP a byte from which work is taken to be bound by arithmetic: the ridge of an A100 (312 TFLOP/s over 2.04 TB/s), between
#: that of an H20 (37) and of an H100 (295).
RIDGE = 150.0

#: Regimes that are bound by one thing whatever their intensity; the ridge decides elsewhere, where it is known.
COMPUTE_BOUND = ("gemm-fp64", "gemm-fp32", "gemm-tf32", "gemm-16", "gemm-8", "gemm-4", "gemm-unstated", "attention-prefill",
                 "prefill", "first-token", "vision", "encoder", "diffusion", "train-llm", "train-other", "train-rate",
                 "training-run")  # fmt: skip
MEMORY_BOUND = ("gemm-skinny", "attention-decode", "elementwise", "memory", "decode-step", "decode", "recommender")
#: What neither the chip's arithmetic nor its memory bounds, and what is no speed.
NEITHER = ("host", "collective", "point-to-point", "cache", "power", "power-idle", "energy")

#: Share of each group of work that the boaster publishes.
BEST_SHARE = 0.25

#: Rows of one profile that agree in these columns are one group of work, of which the best are shown.
_WORK = ("tool", "workload", "phase", "precision", "quantity", "unit", "statistic", "scope")


def _with(table: Measurements, **numbers: Floats) -> Measurements:
    return replace(table, numbers={**table.numbers, **numbers})


def _scaled(table: Measurements, factor: Floats) -> Measurements:
    return _with(table, value=table.number("value") * factor)


def _generator(profile: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(profile.encode())])


def _drawn(table: Measurements, seed: int, draw: Callable[[np.random.Generator, int], Floats]) -> Floats:
    """Return one random number a row, each profile's from a generator of its own."""
    out = np.empty(len(table))
    numbers = table.profile_numbers()
    order = np.argsort(numbers, kind="stable")
    ends = np.cumsum(np.bincount(numbers, minlength=len(table.profiles)))
    for profile, start, end in zip(table.profiles, [0, *ends[:-1]], ends, strict=False):
        rows = order[start:end]
        out[rows] = draw(_generator(profile, seed), len(rows))
    return out


def scrubbed(table: Measurements) -> Measurements:
    """Return the table without a word on what its hardware is called."""
    return replace(table, identity={}, notes=())


def lies(table: Measurements, seed: int = 0) -> Measurements:
    """Return the table with every profile said to be some other chip, drawn from all."""
    names = tuple(chips.table())
    told = {p: table.identity.get(p, ()) for p in table.profiles}
    said: dict[str, tuple[str, ...]] = {}
    for profile, seen in told.items():
        free = [n for n in names if n not in {chips.resolve(s) for s in seen}]
        said[profile] = (free[int(_generator(profile, seed).integers(len(free)))],)
    return replace(table, identity=said)


def _slower(table: Measurements, factor: float, rows: Mask) -> Measurements:
    quantity = table.word("quantity")
    scale = np.where(quantity.equals(*RATES), factor, np.where(quantity.equals(*TIMES, *ENERGIES), 1.0 / factor, 1.0))
    return _scaled(table, np.where(rows, scale, 1.0))


def slow(table: Measurements, *, factor: float) -> Measurements:
    """Return the table of a machine that waits: rates x factor, times and energies / factor, power as it was.

    Cycles, FLOPs, memory in use and utilisation are no speeds and stay.

    Raises
    ------
    ValueError
        For a factor that is not within (0, 1]: masking hides capability, it can't forge it.
    """
    _check(factor)
    return _slower(table, factor, np.ones(len(table), dtype=bool))


def capped(table: Measurements, *, factor: float) -> Measurements:
    """Return the table of a machine with its clocks capped: rates x factor, times / factor, power under load x factor.

    Energy a token stays, for as much less power is drawn as the work takes longer; idle power stays.
    """
    _check(factor)
    quantity = table.word("quantity")
    loaded = quantity.equals("power") & ~table.word("phase").equals("idle")
    scale = np.where(quantity.equals(*RATES) | loaded, factor, np.where(quantity.equals(*TIMES), 1.0 / factor, 1.0))
    return _scaled(table, scale)


def _check(factor: float) -> None:
    if not 0.0 < factor <= 1.0:
        raise ValueError(f"a slow-down's factor lies within (0, 1], got {factor:g}")


def bound(table: Measurements) -> tuple[Mask, Mask]:
    """Return which rows arithmetic bounds and which memory does; neither where that is not known, or something else does.

    By the kind of work, and where that leaves it open by arithmetic intensity against :data:`RIDGE`.
    """
    implied = points(table)
    kind = regimes(table, implied)
    by_compute, by_memory, neither = (np.isin(kind, [REGIMES.index(n) for n in names])
                                      for names in (COMPUTE_BOUND, MEMORY_BOUND, NEITHER))  # fmt: skip
    with np.errstate(invalid="ignore"):
        intensity = implied.intensity
    open_ = ~(by_compute | by_memory | neither) & (kind >= 0)
    return by_compute | (open_ & (intensity >= RIDGE)), by_memory | (open_ & (intensity < RIDGE))


def slow_compute(table: Measurements, *, factor: float) -> Measurements:
    """Return the table with only the rows that arithmetic bounds slowed down, see :func:`bound` and :func:`slow`."""
    _check(factor)
    return _slower(table, factor, bound(table)[0])


def slow_memory(table: Measurements, *, factor: float) -> Measurements:
    """Return the table with only the rows that memory bounds slowed down, see :func:`bound` and :func:`slow`."""
    _check(factor)
    return _slower(table, factor, bound(table)[1])


def jitter(table: Measurements, seed: int = 0, *, sigma: float) -> Measurements:
    """Return the table with every figure multiplied by log-normal noise of median 1; ``sigma`` is that of the logarithm."""
    return _scaled(table, np.exp(sigma * _drawn(table, seed, lambda rng, n: rng.standard_normal(n))))


def best(table: Measurements, *, share: float = BEST_SHARE) -> Measurements:
    """Return the table with only the top share of each group of work, at least one row a group.

    Of rates the highest, of times and energies the lowest; other figures (power, memory in use) don't flatter and stay all.
    """
    quantity = table.word("quantity")
    rate, low = quantity.equals(*RATES), quantity.equals(*TIMES, *ENERGIES)
    each = table.per_accelerator()
    each = np.where(np.isnan(each), table.number("value"), each)
    group = _groups(table)
    # Best first within each group; the file's order where equal.
    order = np.lexsort((np.arange(len(table)), np.where(rate, -each, each), group))
    size = np.bincount(group)
    first = np.concatenate([[0], np.cumsum(size)[:-1]])
    rank = np.empty(len(table), dtype=np.int64)
    rank[order] = np.arange(len(table)) - first[group[order]]
    shown = rank < np.maximum(1, np.ceil(share * size))[group]
    return table.take(shown | ~(rate | low))


def _groups(table: Measurements) -> Codes:
    """Return a number a row, equal for rows of one profile and one group of work."""
    key = table.profile_numbers().astype(np.int64)
    for name in _WORK:
        column = table.word(name).rename(str)
        _, key = np.unique(key * max(len(column.words), 1) + column.codes, return_inverse=True)
        key = key.reshape(-1)
    return key.astype(np.int32)


def miscounted(table: Measurements, *, factor: float = 1.0, constant: float = 0.0) -> Measurements:
    """Return the table with every stated accelerator count multiplied by a factor, or replaced by a constant if one is given.

    Whole accelerators, at least one. Counts that nobody stated stay so, and so do the figures, also those that a file gives
    per accelerator.
    """
    count = table.number("accelerators")
    wrong = np.full(len(table), constant) if constant else np.maximum(np.ceil(count * factor), 1.0)
    return _with(table, accelerators=np.where(np.isnan(count), np.nan, wrong))


def one_precision(table: Measurements) -> Measurements:
    """Return the table with only one of each profile's precisions, the one of most rows (of equals, the first to appear).

    Rows that state no precision stay: they give none away.
    """
    column, profile = table.word("precision").rename(str), table.profile_numbers().astype(np.int64)
    stated = ~column.equals("")
    width = max(len(column.words), 1)
    count = np.zeros((len(table.profiles), width))
    np.add.at(count, (profile[stated], column.codes[stated]), 1.0)
    first = np.full(count.shape, len(table), dtype=np.int64)
    np.minimum.at(first, (profile[stated], column.codes[stated]), np.flatnonzero(stated))
    # Of equal counts the earliest row wins by less than a row's worth.
    chosen = (count - first / (len(table) + 1.0)).argmax(axis=1) if len(table) else np.zeros(0, dtype=np.int64)
    return table.take(~stated | (column.codes == chosen[profile]))


def rounded(table: Measurements, *, digits: int = 2) -> Measurements:
    """Return the table with every figure rounded to so many significant digits, in its canonical unit."""
    value = table.number("value")
    with np.errstate(divide="ignore"):
        power = np.where(value > 0, np.floor(np.log10(value)), 0.0)
    # Dividing by a whole power of ten, not multiplying by a fraction, keeps 2 digits 2 digits.
    up = np.maximum(digits - 1 - power, 0.0)
    down = np.maximum(power - digits + 1, 0.0)
    return _with(table, value=np.round(value / 10.0**down * 10.0**up) * 10.0**down / 10.0**up)


def inflated(table: Measurements, seed: int = 0, *, share: float = 0.1, factor: float = 1.3) -> Measurements:
    """Return the table with a few figures made better: rates x factor, times and energies / factor.

    Each row is one of the few with the chance ``share``; other quantities are not worth a lie.
    """
    chosen = _drawn(table, seed, lambda rng, n: rng.random(n)) < share
    quantity = table.word("quantity")
    scale = np.where(quantity.equals(*RATES), factor, np.where(quantity.equals(*TIMES, *ENERGIES), 1.0 / factor, 1.0))
    return _scaled(table, np.where(chosen, scale, 1.0))


def _certain(transform: Callable[..., Measurements], **options: float) -> Masking:
    """Return a transform that draws nothing as one that takes a seed like the others."""

    def masking(table: Measurements, _seed: int) -> Measurements:
        return transform(table, **options)

    return masking


#: Every masking by the name of its protocol in figures.json.
MASKINGS: dict[str, Masking] = {
    "masked-scrubbed": _certain(scrubbed),
    "masked-lies": lies,
    **{f"masked-slow-{f}": _certain(slow, factor=f) for f in (0.3, 0.5, 0.7, 0.9)},
    "masked-capped-0.5": _certain(capped, factor=0.5),
    "masked-slow-memory-0.5": _certain(slow_memory, factor=0.5),
    "masked-slow-compute-0.5": _certain(slow_compute, factor=0.5),
    "masked-jitter-0.05": partial(jitter, sigma=0.05),
    "masked-jitter-0.2": partial(jitter, sigma=0.2),
    "masked-best": _certain(best),
    "masked-count-double": _certain(miscounted, factor=2.0),
    "masked-count-half": _certain(miscounted, factor=0.5),
    "masked-count-8": _certain(miscounted, constant=8.0),
    "masked-one-precision": _certain(one_precision),
    "masked-rounded": _certain(rounded),
    "masked-inflated": inflated,
}

#: Maskings that change no figure: no output but the names reported may change.
IDENTITY_ONLY = ("masked-scrubbed", "masked-lies")
