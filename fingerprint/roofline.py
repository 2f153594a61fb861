"""What figures prove, whatever was masked: chips that could not have produced them, and rates that the hardware reached.

A measured rate is a lower bound of what its chip can do. So a chip whose ceiling lies below a rate of :mod:`fingerprint.bounds`,
by more than the tolerance of that kind of evidence, is excluded; slowing a machine down can hide capability, never forge it.
Ceilings are generous where the data sheet leaves room: the top clock, the fastest precision that a careless label may mean,
the whole cache, overclocked memory and raised power limits of cards for desktops.

The tolerances are data, ``datasets/tolerances.csv``: kind by kind the largest ratio of bound to ceiling that the labelled
measurements show on their true chip, but at least 1, times a margin.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf, isnan, nan
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from fingerprint import chips
from fingerprint.bounds import Bounds, Rows, bounds
from fingerprint.measurements import SUMS, Floats, Mask, Measurements
from fingerprint.resources import path

#: A working set counts from so many times the chip's cache on; below, even a perfect cache can't be reckoned with.
CACHES = 4.0

#: Cache of a chip whose cache is not published: as large as the largest known.
UNKNOWN_CACHE = 512e6

#: Caches beside the memory that ``l2_bytes`` leaves out, by architecture (AMD Infinity Cache: CDNA 3 white paper 2023, CDNA 4
#: white paper 2025, RDNA 2 and 3 product pages).
MEMORY_SIDE_CACHE: dict[str, float] = {"cdna3": 256e6, "cdna4": 256e6, "rdna": 128e6}

#: Clocks and power limits of desktop cards are the owner's to raise.
DESKTOP_CLOCK, DESKTOP_MEMORY, DESKTOP_POWER = 1.2, 1.15, 1.33

#: W, by family, where the driver's limit lies above the data sheet's: nvidia-smi of 96 and 141 GB parts prints 500 W.
POWER_LIMIT: dict[str, float] = {"H20": 500.0}

#: B/s in one direction of 16 lanes, by PCI Express generation (PCI-SIG), for chips without links of their own.
PCIE: dict[float, float] = {3.0: 15.75e9, 4.0: 31.5e9, 5.0: 63e9, 6.0: 126e9}

#: Cards for desktops are sold refitted with twice the memory.
DESKTOP_CAPACITY = 2.0

#: Form factors that share a memory with their processor or hang on a link much faster than PCI Express.
COHERENT = frozenset({"Superchip", "SoC", "SH5"})

#: FP64 from at least 21 products of 8-bit slices (Ozaki scheme; Ootomo et al. 2024, arXiv:2306.11975), FP32 from at least 3
#: products of 16-bit parts (Henry et al. 2019, arXiv:1904.06376).
SLICES_64, PARTS_32 = 21.0, 3.0

#: Links whose switches add on the way (NVLink SHARP, from NVLink 4 on), so that an all-reduce sends each byte once.
_ADDING_LINKS = ("NVLink4", "NVLink5")

#: Architectures whose compilers multiply FP32 in one pass of BF16 unless told otherwise (XLA's default precision on TPUs, the
#: auto-cast of neuronx-cc, HF32 and autocast of the others).
CASTS_SINGLE = frozenset({"tpu", "trainium", "gaudi", "ascend"})

#: Entries held against all chips at a time.
_PART = 1 << 15

_WIDTH = {"fp64": 0, "fp32": 1, "tf32": 1, "bf16": 2, "fp16": 2, "int8": 3, "fp8": 3}


@dataclass(frozen=True)
class Exclusion:
    """A chip that could not have produced a figure.

    Attributes
    ----------
    profile, chip : str
        Whose figures, and which chip of the table.
    row : int
        Number of the figure in its file.
    quantity : str
        ``compute bf16`` (the stated precision; ``compute`` alone where none is), ``bandwidth``, ``link``, ``power`` or ``memory``.
    kind : str
        One of :data:`fingerprint.bounds.KINDS`.
    achieved, ceiling : float
        The lower bound of what was reached and the most the chip can do: FLOP/s, B/s, W or B.
    margin : float
        ``achieved / ceiling``, above the tolerance.
    tolerance : float
        What the margin had to exceed.
    """

    profile: str
    chip: str
    row: int
    quantity: str
    kind: str
    achieved: float
    ceiling: float
    margin: float
    tolerance: float

    def to_dict(self) -> dict[str, Any]:
        """Return the exclusion as plain JSON types."""
        return {"chip": self.chip, "row": self.row, "quantity": self.quantity, "kind": self.kind,
                "achieved": float(f"{self.achieved:.6g}"), "ceiling": float(f"{self.ceiling:.6g}"),
                "margin": round(self.margin, 4), "tolerance": round(self.tolerance, 4)}  # fmt: skip


@dataclass(frozen=True)
class Demonstrated:
    """The most that a profile's figures prove of one quantity: a lower bound of its hardware, with its row."""

    profile: str
    quantity: str
    precision: str
    value: float
    row: int

    def to_dict(self) -> dict[str, Any]:
        """Return the rate as plain JSON types: ``compute_rate`` with its precision, ``bandwidth`` or ``link_bandwidth``."""
        name = {"compute": "compute_rate", "link": "link_bandwidth"}.get(self.quantity, self.quantity)
        rate = {name: float(f"{self.value:.6g}"), "row": self.row}
        return {"precision": self.precision, **rate} if self.quantity == "compute" else rate


@lru_cache(maxsize=1)
def tolerances() -> dict[str, float]:
    """Return by what factor a bound must exceed a ceiling, by kind of evidence."""
    with path("datasets/tolerances.csv").open(newline="", encoding="utf-8") as stream:
        return {row["kind"]: float(row["tolerance"]) for row in csv.DictReader(stream)}


def _peak(chip: chips.Chip, precision: str) -> float:
    """Return the most FLOP/s that a figure labelled with a precision may mean; infinite where nothing is published."""

    def best(*rates: float) -> float:
        return max([r for r in rates if not isnan(r)], default=nan)

    have = {name: chip.peaks.get(name, nan) for name in chips.PRECISIONS}
    half = best(have["fp16"], have["bf16"])
    # From wide to narrow. What one width computes, the other name of that width may mean; "FP32" is often TF32, or BF16 cast.
    single = half if chip.architecture in CASTS_SINGLE else half / PARTS_32
    widths = [
        best(have["fp64"], have["int8"] / SLICES_64),
        best(have["fp32"], have["tf32"], single),
        half,
        best(have["fp8"], have["int8"]),
        have["fp4"],
    ]
    at = _WIDTH.get(precision, len(widths) - 1)
    ceiling = best(*widths[: at + 1])
    if precision == "int4":
        # Turing, Ampere and Ada multiply 4-bit integers at twice the 8-bit rate.
        ceiling = best(ceiling, 2.0 * have["int8"])
    if isnan(widths[at]):
        # Not published is not absent: the next narrower rate bounds it, and without a 16-bit rate nothing is known.
        ceiling = best(ceiling, *[w for w in widths[at + 1 :] if not isnan(w)][:1])
        if isnan(half) and isnan(best(*widths[at:])):
            return inf
    elif isnan(half) and precision == "tf32" and isnan(have["tf32"]):
        return inf
    headroom = chip.clock_headroom if chip.datacenter else max(chip.clock_headroom, DESKTOP_CLOCK)
    return inf if isnan(ceiling) else ceiling * headroom


@lru_cache(maxsize=256)
def _peaks(precision: str) -> Floats:
    return np.array([_peak(chip, precision) for chip in chips.table().values()])


@dataclass(frozen=True, eq=False, repr=False)
class _Sheet:
    """Data-sheet columns of all chips, unknown ceilings infinite."""

    bandwidth: Floats
    cache: Floats
    link: Floats
    adds: Mask
    power: Floats
    memory: Floats
    host: Floats


@lru_cache(maxsize=1)
def _sheet() -> _Sheet:
    table = list(chips.table().values())
    desktop = np.array([not chip.datacenter for chip in table])

    def column(name: str) -> Floats:
        found = np.array([float(getattr(chip, name)) for chip in table])
        return np.where(np.isnan(found), np.inf, found)

    cache = np.array([chip.l2_bytes + MEMORY_SIDE_CACHE.get(chip.architecture, 0.0) for chip in table])
    link = column("link_bandwidth")
    limit = np.array([POWER_LIMIT.get(chip.family, 0.0) for chip in table])
    pcie = np.array([PCIE.get(chip.pcie_gen, np.inf) for chip in table])
    adds = np.array([chip.link_type.startswith(_ADDING_LINKS) and "bridge" not in chip.link_type for chip in table])
    return _Sheet(
        bandwidth=column("memory_bandwidth") * np.where(desktop, DESKTOP_MEMORY, 1.0),
        cache=np.where(np.isnan(cache), UNKNOWN_CACHE, cache),
        link=np.where(link == 0, pcie, link / 2.0),
        adds=adds,
        power=np.maximum(column("board_power"), limit) * np.where(desktop, DESKTOP_POWER, 1.0),
        memory=column("capacity") * np.where(desktop, DESKTOP_CAPACITY, 1.0),
        host=np.where([chip.form_factor in COHERENT for chip in table], np.inf, pcie),
    )


def ceilings(found: Bounds) -> Floats:
    """Return the most that every chip can do of each entry's kind, shape (n_entries, n_chips); infinite where not known.

    Chips are in the order of :func:`fingerprint.chips.table`. Compute: the peak of the stated precision or a wider one, at the
    top clock. Bandwidth: the memory's, and all of the cache refilled in each pass. Links: one direction's share of a
    collective, both directions of a transfer. Power and memory: the board's limit and its capacity; to weights held is added
    what the host's link brings within the pass.
    """
    sheet, quantity = _sheet(), found.quantity()
    out = np.full((len(found), len(chips.table())), np.inf)
    for code, precision in enumerate(found.precision.words):
        here = quantity.equals("compute") & (found.precision.codes == code)
        if here.any():
            out[here] = _peaks(precision)
    here = quantity.equals("bandwidth")
    size = found.working_set[here][:, None]
    with np.errstate(all="ignore"):
        # A pass finds at most a cache full of what the pass before it left.
        missed = np.where(size >= CACHES * sheet.cache, 1.0 - sheet.cache / size, 0.0)
        out[here] = sheet.bandwidth / missed
    out[found.kind.equals("transfer")] = 2.0 * sheet.link
    here = found.kind.equals("collective")
    ranks = np.where(np.isnan(found.ranks[here]), np.inf, found.ranks[here])
    # nccl-tests scales an all-reduce by 2 (n - 1) / n: what a ring sends. Adding switches send each byte once.
    saved = np.where(found.reduces[here], np.maximum(2.0 * (1.0 - 1.0 / ranks), 1.0), 1.0)
    out[here] = sheet.link * np.where(sheet.adds, saved[:, None], 1.0)
    out[quantity.equals("power")] = sheet.power
    out[quantity.equals("memory")] = sheet.memory
    here = found.kind.equals("weights held")
    out[here] = sheet.memory + found.seconds[here][:, None] * sheet.host
    return out


#: Bounds and decisive entries of tables in use; a verdict asks for them five times, and a table never changes.
_SEEN: WeakKeyDictionary[Measurements, tuple[Bounds, Bounds, npt.NDArray[np.int32]]] = WeakKeyDictionary()


def _seen(table: Measurements) -> tuple[Bounds, Bounds, npt.NDArray[np.int32]]:
    """Return a table's bounds, the entries that decide, and each of these one's profile number."""
    if (known := _SEEN.get(table)) is None:
        found = bounds(table)
        known = _SEEN[table] = (found, *_decisive(table, found))
    return known


def _strongest(table: Measurements) -> tuple[Bounds, npt.NDArray[np.int32]]:
    """Return the entries that decide, and each one's profile number."""
    return _seen(table)[1:]


def _decisive(table: Measurements, found: Bounds) -> tuple[Bounds, npt.NDArray[np.int32]]:
    """Return, of entries with one ceiling on every chip, the largest, and each one's profile number."""
    profile = table.profile_numbers()[found.index]
    # NaN would never equal itself.
    size, ranks, seconds = (np.where(np.isnan(c), -1.0, c) for c in (found.working_set, found.ranks, found.seconds))
    ranks = np.where(found.kind.equals("collective"), ranks, -1.0)
    # Equal rates: the row that stands first in its file, whatever the order here.
    keys = (profile, found.kind.codes, found.precision.codes, found.reduces, size, ranks, seconds)
    order = np.lexsort((table.row[found.index], -found.achieved, *reversed(keys)))
    ordered = [key[order] for key in keys]
    first = np.ones(len(order), dtype=bool)
    if len(order):
        first[1:] = np.any([k[1:] != k[:-1] for k in ordered], axis=0)
    kept = order[first]
    return found.take(kept), profile[kept]


def exclusions(table: Measurements) -> list[Exclusion]:
    """Return every chip that a profile's figures exclude, with the row that does so by the widest margin.

    In order of profiles, then of the chip table. Nothing that slows the hardware down can add an entry, and no further
    figure can remove one.
    """
    found, profile = _strongest(table)
    tolerance = found.kind.map(tolerances(), missing=np.inf)
    rows = table.row[found.index]
    at, chip, limit = _hits(found, tolerance)
    # A hit's strength is how far beyond the tolerance it lies; of equals the row that stands first.
    score = found.achieved[at] / limit / tolerance[at]
    order = np.lexsort((rows[at], -score, chip, profile[at]))
    at, chip, limit = at[order], chip[order], limit[order]
    first = np.ones(len(at), dtype=bool)
    first[1:] = (profile[at[1:]] != profile[at[:-1]]) | (chip[1:] != chip[:-1])
    names, ids, quantity = table.profiles, list(chips.table()), found.quantity()
    return [
        Exclusion(
            profile=names[profile[i]],
            chip=ids[c],
            row=int(rows[i]),
            quantity=f"{quantity[i]} {found.precision[i]}".strip(),
            kind=found.kind[i],
            achieved=float(found.achieved[i]),
            ceiling=ceiling,
            margin=float(found.achieved[i] / ceiling),
            tolerance=float(tolerance[i]),
        )
        for i, c, ceiling in zip(at[first].tolist(), chip[first].tolist(), limit[first].tolist(), strict=True)
    ]


def excluded_chips(table: Measurements) -> Mask:
    """Return which chips each profile's figures exclude, shape (n_profiles, n_chips), chips as in the chip table."""
    found, profile = _strongest(table)
    out = np.zeros((len(table.profiles), len(chips.table())), dtype=bool)
    at, chip, _ = _hits(found, found.kind.map(tolerances(), missing=np.inf))
    out[profile[at], chip] = True
    return out


def _hits(found: Bounds, tolerance: Floats) -> tuple[Rows, Rows, Floats]:
    """Return (entry, chip) pairs where the entry exceeds the chip's ceiling by more than the tolerance, and that ceiling.

    Entries are taken in parts: all of them times all chips would not fit a small machine's memory.
    """
    parts = [(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))]
    for start in range(0, len(found), _PART):
        rows = np.arange(start, min(start + _PART, len(found)))
        limit = ceilings(found.take(rows))
        at, chip = np.nonzero(found.achieved[rows, None] > limit * tolerance[rows, None])
        parts.append((rows[at], chip.astype(np.int64), limit[at, chip]))
    entry, chip, limit = (np.concatenate(column) for column in zip(*parts, strict=True))
    return entry, chip, limit


def possible(table: Measurements, excluded: Iterable[Exclusion] | None = None) -> dict[str, tuple[str, ...]]:
    """Return, for each profile, the chips that could have produced its figures if slowed down.

    ``excluded`` are the exclusions of the same table where they are known already.
    """
    out = {(e.profile, e.chip) for e in (exclusions(table) if excluded is None else excluded)}
    return {p: tuple(c for c in chips.table() if (p, c) not in out) for p in table.profiles}


def demonstrated(table: Measurements) -> list[Demonstrated]:
    """Return the best lower bound of each profile: compute by stated precision, memory bandwidth, and a link's one direction.

    Whatever the chip: traffic is less the largest known cache, an all-reduce counts as if switches had added on the way, and
    a transfer as if it went both ways.
    """
    found, profile = _strongest(table)
    quantity = found.quantity()
    largest = float(np.max(_sheet().cache))
    with np.errstate(all="ignore"):
        missed = np.where(found.working_set >= CACHES * largest, 1.0 - largest / found.working_set, 0.0)
        saved = np.where(
            found.reduces & (found.ranks >= 2.0), 2.0 * (1.0 - 1.0 / found.ranks), np.where(found.reduces, 2.0, 1.0)
        )
    value = found.achieved * np.where(quantity.equals("bandwidth"), missed, 1.0)
    value = np.where(quantity.equals("link"), value / np.where(found.kind.equals("transfer"), 2.0, saved), value)
    told = quantity.equals("compute", "bandwidth", "link") & (value > 0)
    rows = table.row[found.index]
    names, out = table.profiles, []
    order = np.lexsort((rows, -value, profile))
    seen: set[tuple[int, str, str]] = set()
    for i in order[told[order]].tolist():
        key = (int(profile[i]), quantity[i], found.precision[i])
        if key not in seen:
            seen.add(key)
            out.append(Demonstrated(names[key[0]], key[1], key[2], float(value[i]), int(rows[i])))
    return out


def caveats(table: Measurements) -> dict[str, tuple[str, ...]]:
    """Return, for each profile, what was assumed in its disfavour, in words: missing precisions and accelerator counts."""
    found = _seen(table)[0]
    profile = table.profile_numbers()
    n = len(table.profiles)
    blank = np.zeros(len(table), dtype=bool)
    blank[found.index[found.quantity().equals("compute") & found.precision.equals("")]] = True
    unstated = np.bincount(profile[blank], minlength=n)
    lacking = ~table.word("scope").equals("accelerator") & np.isnan(table.accelerator_count())
    void_rows = lacking & table.word("quantity").equals(*SUMS)
    if lacking.any():
        # What else would have proved something had the count been stated.
        there = np.flatnonzero(lacking)
        part = table.take(there)
        alone = replace(part, numbers=part.numbers | {"accelerators": np.ones(len(part))})
        more = np.zeros(len(table), dtype=bool)
        more[there[bounds(alone).index]] = True
        more[found.index] = False
        void_rows |= more
    void = np.bincount(profile[void_rows], minlength=n)
    out: dict[str, tuple[str, ...]] = {}
    for name, blanks, voids in zip(table.profiles, unstated.tolist(), void.tolist(), strict=True):
        said = []
        if blanks:
            figures = "1 figure" if blanks == 1 else f"{blanks} figures"
            said.append(f"{figures} of unstated precision: each chip's fastest is assumed")
        if voids:
            figures = "1 figure" if voids == 1 else f"{voids} figures"
            said.append(f"{figures} over an unstated number of accelerators: nothing follows for one of them")
        out[name] = tuple(said)
    return out


def sheet_ceilings(quantity: str) -> dict[str, float]:
    """Return every chip's ceiling of ``compute`` with a precision, ``bandwidth``, ``link``, ``power`` or ``memory``."""
    name, _, precision = quantity.partition(" ")
    column = _peaks(precision) if name == "compute" else getattr(_sheet(), name)
    return dict(zip(chips.table(), map(float, column), strict=True))
