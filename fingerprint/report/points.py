"""What the pictures of a verdict show: its figures as points, the ceilings to hold them against, and utilisation.

Heights are what a figure *proves* (:mod:`fingerprint.bounds`), so that a ceiling is pierced here exactly where the verdict
excludes its chip. Only where a point stands from left to right, its arithmetic intensity, is the usual reckoning of
:mod:`fingerprint.costs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fingerprint import chips
from fingerprint.bounds import Bounds, bounds
from fingerprint.costs import points
from fingerprint.measurements import Floats, Mask, Measurements
from fingerprint.roofline import ceilings, sheet_ceilings, tolerances

if TYPE_CHECKING:
    from fingerprint.verdict import Verdict

#: Points drawn in one picture; of more, the highest and an even choice of the rest.
MOST_POINTS = 300

#: Precisions that get a picture each, those with most points first.
MOST_PANELS = 4

#: Rooflines in one picture: of the likeliest classes, of pierced ones, in all.
LIKELY_ROOFS, PIERCED_ROOFS, MOST_ROOFS = 3, 2, 6

#: Chips and kinds of figures in the table of utilisation.
MOST_CHIPS, MOST_KINDS = 24, 6

#: Entries held against all chips at a time; bounds memory.
_PART = 1 << 13


@dataclass(frozen=True)
class Roof:
    """One chip's roofline: the most FLOP/s it can do, and its memory bandwidth in B/s (infinite where not published).

    ``pierced``: a point of this picture lies above the flat part, or the proved bandwidth above the slanted part, by more
    than the tolerance. ``excluded``: by this or any other figure.
    """

    chip: str
    peak: float
    bandwidth: float
    pierced: bool
    excluded: bool


@dataclass(frozen=True)
class Panel:
    """The points of one precision and the rooflines beside them.

    Attributes
    ----------
    precision : str
        "" where the figures state none.
    intensity : ndarray of shape (n,)
        FLOP a byte by the usual reckoning; NaN where it is not known.
    rate : ndarray of shape (n,)
        FLOP/s per accelerator, proved at least.
    row : ndarray of shape (n,)
        The figure's number in its file.
    total : int
        Points before some were left out.
    bandwidth : float
        B/s proved by the profile's memory figures, NaN without one; ``bandwidth_row`` is its row.
    roofs : tuple of Roof
        The likeliest first.
    """

    precision: str
    intensity: Floats
    rate: Floats
    row: npt.NDArray[np.int64]
    total: int
    bandwidth: float
    bandwidth_row: int
    roofs: tuple[Roof, ...]


@dataclass(frozen=True)
class Utilisation:
    """What share of each chip's ceiling the figures prove, kind by kind.

    Attributes
    ----------
    chips : tuple of str
        Of the table of chips, one of each group of twins.
    kinds : tuple of str
        ``compute bf16``, ``bandwidth``, ``link``, ``power``, ``memory``.
    rows : ndarray of shape (n_kinds,)
        The figure that comes furthest on the first chip.
    share : ndarray of shape (n_chips, n_kinds)
        Achieved over ceiling; NaN where the ceiling is not known.
    excludes : ndarray of bool, same shape
        Whether the share lies above the tolerance of its kind of evidence.
    """

    chips: tuple[str, ...]
    kinds: tuple[str, ...]
    rows: npt.NDArray[np.int64]
    share: Floats
    excludes: Mask


def distinct_chips() -> list[chips.Chip]:
    """Return the chips of the table, of each group of twins the first."""
    firsts: dict[str, chips.Chip] = {}
    for chip in chips.table().values():
        firsts.setdefault(chip.twin_group or chip.id, chip)
    return list(firsts.values())


def _classes(verdict: Verdict) -> list[str]:
    """Return architectures, the likeliest first, those that the classifier does not answer by name last."""
    p = verdict.probabilities
    inside = set(verdict.prediction_set)
    return sorted(chips.ARCHITECTURES, key=lambda a: (a not in inside, -p.get(a, 0.0)))


def _most_capable(architecture: str, peaks: dict[str, float], bandwidth: dict[str, float]) -> str | None:
    """Return the chip of an architecture that no other of it outdoes: if even this one can't, none can."""
    known = [c for c in distinct_chips() if c.architecture == architecture and np.isfinite([peaks[c.id], bandwidth[c.id]]).all()]
    best = max(known, key=lambda c: (c.datacenter, peaks[c.id], bandwidth[c.id]), default=None)
    return best.id if best else None


def _claimed(verdict: Verdict) -> list[str]:
    """Return the chips that the claim may mean, the most capable first: the one that a figure would exclude last."""
    if not verdict.claim:
        return []
    name, table = verdict.claim.chip, chips.table()
    found = chips.members(name) or tuple(c.id for c in table.values() if c.architecture == name)
    peak, bandwidth = sheet_ceilings("compute fp16"), sheet_ceilings("bandwidth")
    return sorted(found, key=lambda c: (-np.nan_to_num(peak[c], posinf=0.0), -bandwidth[c]))


def panels(verdict: Verdict, figures: Measurements) -> list[Panel]:
    """Return one panel for each precision of the figures' arithmetic, the one with most points first.

    A profile that only proves a bandwidth has one panel without points, at 16 bits; one that proves neither has none.
    """
    found, usual = bounds(figures), points(figures)
    computes = found.quantity().equals("compute")
    carried, carried_row = _proved_bandwidth(found, figures)
    precisions = [p for p in dict.fromkeys(found.precision.words) if (computes & found.precision.equals(p)).any()]
    if not precisions and np.isnan(carried):
        return []
    out = []
    for precision in precisions or ["bf16"]:
        rate, intensity, row = _points(found, computes & found.precision.equals(precision), usual.intensity, figures.row)
        tolerance = tolerances()
        # Of entries with one ceiling the largest decides; the tolerance is its own kind's.
        here = computes & found.precision.equals(precision)
        proved = float(np.max(found.achieved[here] / found.kind.map(tolerance)[here], initial=0.0))
        kept = _thinned(rate)
        roofs = _roofs(verdict, precision, proved, carried / tolerance["memory test"])
        out.append(Panel(precision, intensity[kept], rate[kept], row[kept], len(rate), carried, carried_row, roofs))
    return sorted(out, key=lambda panel: -panel.total)[:MOST_PANELS]


def _points(
    found: Bounds, here: Mask, intensity: Floats, rows: npt.NDArray[np.int64]
) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """Return rate, intensity and row number of each figure, by its largest bound where it has several."""
    index, rate = found.index[here], found.achieved[here]
    order = np.lexsort((-rate, index))
    index, rate = index[order], rate[order]
    first = np.r_[True, index[1:] != index[:-1]] if len(index) else np.zeros(0, dtype=bool)
    return rate[first], intensity[index[first]], rows[index[first]]


def _proved_bandwidth(found: Bounds, figures: Measurements) -> tuple[float, int]:
    """Return the largest bandwidth that a test of memory beyond every cache proves, and its row; NaN without one."""
    here = np.flatnonzero(found.kind.equals("memory test"))
    if not len(here):
        return float("nan"), 0
    best = here[int(np.argmax(found.achieved[here]))]
    return float(found.achieved[best]), int(figures.row[found.index[best]])


def _thinned(rate: Floats) -> npt.NDArray[np.int64]:
    order = np.argsort(-rate, kind="stable")
    if len(order) <= MOST_POINTS:
        return np.sort(order)
    return np.sort(order[np.unique(np.linspace(0, len(order) - 1, MOST_POINTS).astype(np.int64))])


def _roofs(verdict: Verdict, precision: str, proved: float, carried: float) -> tuple[Roof, ...]:
    """Return the rooflines to draw, see :class:`Roof`.

    Of the likeliest classes and of pierced ones the most capable part, and the claimed chip. ``proved`` and ``carried`` are
    the largest FLOP/s and B/s over their tolerance.
    """
    peaks, bandwidth = sheet_ceilings(f"compute {precision}".strip()), sheet_ceilings("bandwidth")
    gone = {e.chip for e in verdict.excluded}

    def roof(chip: str) -> Roof:
        pierced = proved > peaks[chip] or (carried > bandwidth[chip] and chip in gone)
        return Roof(chip, peaks[chip], bandwidth[chip], bool(pierced), chip in gone)

    order = _classes(verdict)
    best = [c for c in (_most_capable(a, peaks, bandwidth) for a in order) if c]
    likely = [c for c in best if c not in gone][:LIKELY_ROOFS]
    claimed = [c for c in _claimed(verdict) if np.isfinite(peaks[c])][:1]
    # Pierced ceilings that stand nearest below the points, one a class; whole classes that are out come first.
    table = chips.table()
    parts = [roof(c.id) for c in distinct_chips() if c.datacenter and c.id in gone and np.isfinite(peaks[c.id])]
    pierced = sorted((r for r in parts if r.pierced), key=lambda r: -r.peak)
    whole = sorted((r for r in map(roof, best) if r.pierced), key=lambda r: -r.peak)
    nearest: dict[str, str] = {}
    for r in [*whole[:1], *pierced]:
        nearest.setdefault(table[r.chip].architecture, r.chip)
    chosen = dict.fromkeys([*claimed, *likely, *list(nearest.values())[:PIERCED_ROOFS]])
    return tuple(map(roof, list(chosen)[:MOST_ROOFS]))


def utilisation(verdict: Verdict, figures: Measurements, chosen: Sequence[str] | None = None) -> Utilisation | None:
    """Return what share of their ceilings the chips would have had to reach; None where the figures prove nothing.

    Of the chosen chips; by default those of the likeliest classes first, each class's most capable part of the others. Kinds
    that exclude most first.
    """
    found = bounds(figures)
    if not len(found):
        return None
    quantity = [f"{q} {p}".strip() for q, p in zip(found.quantity(), found.precision, strict=True)]
    kinds = list(dict.fromkeys(quantity))
    code = np.array([kinds.index(q) for q in quantity])
    names = list(chips.table())
    tolerance = found.kind.map(tolerances(), missing=np.inf)
    shape = (len(kinds), len(names))
    score, share, row = np.zeros(shape), np.full(shape, np.nan), np.zeros(shape, dtype=np.int64)
    for start in range(0, len(found), _PART):
        part = np.arange(start, min(start + _PART, len(found)))
        limit = ceilings(found.take(part))
        reached = np.where(np.isfinite(limit), found.achieved[part, None] / limit, np.nan)
        scored = np.nan_to_num(reached / tolerance[part, None])
        for k in np.unique(code[part]):
            mine = np.flatnonzero(code[part] == k)
            at = mine[np.argmax(scored[mine], axis=0)]
            every = np.arange(len(names))
            better = scored[at, every] > score[k]
            score[k] = np.where(better, scored[at, every], score[k])
            share[k] = np.where(better, reached[at, every], share[k])
            row[k] = np.where(better, figures.row[found.index[part[at]]], row[k])
    told = np.flatnonzero(np.isfinite(share).any(axis=1))
    told = told[np.argsort(-(score[told] > 1).sum(axis=1), kind="stable")][:MOST_KINDS]
    shown = [names.index(c) for c in (_shown_chips(verdict) if chosen is None else chosen)]
    if not len(told) or not shown:
        return None
    cells = np.ix_(told, np.array(shown))
    commonest = np.array([np.bincount(row[k][row[k] > 0]).argmax() for k in told])
    return Utilisation(tuple(names[i] for i in shown), tuple(kinds[k] for k in told), commonest, share[cells].T, (score[cells] > 1).T)


def telling_chips(verdict: Verdict) -> list[str]:
    """Return the few chips that show why.

    Of each class in the set the likeliest; what the first of them was cut down from, or what of another class was cut down
    from its like; the claimed one; and of the excluded data-centre parts the one that comes nearest.
    """
    table = chips.table()
    by_class: dict[str, str] = {}
    for chip in verdict.chips:
        by_class.setdefault(table[chip].architecture, chip)
    likely = [by_class[a] for a in _classes(verdict) if a in by_class and a in verdict.prediction_set][:LIKELY_ROOFS]
    kin = [table[c].cut_down_from for c in likely[:1]] + [
        max((c for c in table.values() if _class_of_parent(c) == table[first].architecture != c.architecture),
            key=lambda c: c.memory_bandwidth, default=table[first]).id for first in likely[:1]]  # fmt: skip
    out = [e for e in verdict.excluded if table[e.chip].datacenter]
    nearest = min(out, key=lambda e: (e.margin / e.tolerance, e.chip)).chip if out else None
    return list(dict.fromkeys([*likely, *filter(None, kin), *_claimed(verdict)[:1], *([nearest] if nearest else [])]))


def _class_of_parent(chip: chips.Chip) -> str:
    return chips.table()[chip.cut_down_from].architecture if chip.cut_down_from else ""


def _shown_chips(verdict: Verdict) -> list[str]:
    order = _classes(verdict)
    p = verdict.probabilities
    near = [a for a in order if a in verdict.prediction_set or p.get(a, 0.0) >= 0.05][:4]
    peak, bandwidth = sheet_ceilings("compute fp16"), sheet_ceilings("bandwidth")
    served = [c for c in distinct_chips() if c.datacenter]
    mine = [c.id for a in near for c in sorted(served, key=lambda c: -np.nan_to_num(peak[c.id], posinf=0.0)) if c.architecture == a]
    others = [c for c in (_most_capable(a, peak, bandwidth) for a in order if a not in near) if c]
    claimed = _claimed(verdict)[:1]
    room = max(MOST_CHIPS - len(others) - len(claimed), 8)
    return list(dict.fromkeys([*claimed, *mine[:room], *others]))[:MOST_CHIPS]
