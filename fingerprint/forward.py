"""The forward model: how near to a chip's ceiling such work usually comes, and how far a figure is from that.

One regression for all chips: its input is what the work was and what the data sheet says, its output log10 of achieved
over ceiling. A chip it never saw is judged from its data sheet. A second regression says how far such figures commonly are
from the first one's guess, so that a large GEMM weighs more than a first token under load.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprint.candidates import GROUP_OF_REGIME, GROUPS, ROW_NAMES, Rows, candidates, native, pairs
from fingerprint.measurements import Floats, Mask

#: Rows by chips predicted at once; bounds memory.
CHUNK_ROWS = 50_000

#: Added to an error before its logarithm: no figure is surer than to 5 %.
LEAST_ERROR = 0.02

#: From the typical size of an error to its standard deviation (a normal error's mean logarithm lies at 0.53 of it; the
#: errors have longer tails, and sources that nobody saw are worse).
TO_DEVIATION = 1.3

#: Figures of one group miss together: their errors share this part of the variance.
SHARED = 0.6

#: More figures than this of one group are no further evidence.
MOST_FIGURES = 16

#: Degrees of freedom of Student's t, which an error is thought to follow: now and then a figure is far off.
FREEDOM = 4.0

#: How far a whole profile is usually off at most (log10): a good or bad stack, a capped clock.
PROFILE_OFFSET = 0.2

#: Likelihood (log) of a figure for a chip whose ceiling is not known.
UNKNOWN = -4.0

#: log10 of memory over what the work holds, from as good as impossible to as good as any more: that a small model ran says nothing of
#: the memory beyond.
LEAST_ROOM, AMPLE_ROOM = -0.3, 0.3

#: Likelihood (log) of work on a chip that can't hold it, relative to one that can. Of 38,845 labelled figures that tell what was held, 43
#: say so of every chip that their label may mean, most of them with a wrong count or on a refitted card.
WITHOUT_ROOM = -5.0

#: What :func:`match` reports of each group of regimes, then of a profile as a whole, then of the chip.
GROUP_FIGURES = ("mean", "surprise", "nearest")
WHOLE_FIGURES = ("likelihood", "rank", "lead", "spread", "total", "total-lead", "offset", "left", "least", "nearest",
                 "disagreement", "rows", "groups", "native", "room")  # fmt: skip
SHEET_FIGURES = ("sixteen", "bandwidth", "eight_bit", "vector", "vendor", "ridge")

Float32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


def match_names() -> tuple[str, ...]:
    """Return the names of the columns that :func:`match` gives, in order."""
    groups = [f"{g}.{f}" for g in GROUPS for f in GROUP_FIGURES]
    return (*groups, *(f"all.{f}" for f in WHOLE_FIGURES), *(f"chip.{f}" for f in SHEET_FIGURES))


@dataclass(frozen=True, eq=False, repr=False)
class Residuals:
    """Rows against candidates.

    Attributes
    ----------
    near : ndarray of shape (n_rows, n_candidates)
        log10 of achieved over ceiling; NaN where the chip's ceiling is not known.
    off : ndarray of shape (n_rows, n_candidates)
        The same less what the forward model expects.
    scale : ndarray of shape (n_rows,)
        How far such figures commonly are off.
    """

    near: Float32
    off: Float32
    scale: Float32

    def without(self, chips: Mask) -> Residuals:
        """Return the same, some candidates forgotten as if they had no data sheet."""
        return Residuals(np.where(chips, np.float32("nan"), self.near), np.where(chips, np.float32("nan"), self.off), self.scale)


def nearness(rows: Rows, usual: Callable[[Floats], Floats]) -> tuple[Float32, Float32]:
    """Return how near each row comes to each candidate's ceiling, and how far that is from usual: see :class:`Residuals`.

    Parameters
    ----------
    rows : Rows
        n rows.
    usual : callable
        The forward model: designs of shape (m, n_columns) -> log10 of the usual nearness, shape (m,).
    """
    chips = len(candidates().ids)
    near, off = np.empty((len(rows), chips), np.float32), np.empty((len(rows), chips), np.float32)
    step = max(1, CHUNK_ROWS // chips)
    for start in range(0, len(rows), step):
        part = rows.take(np.arange(start, min(start + step, len(rows))))
        each = np.repeat(np.arange(len(part)), chips)
        design, reached = pairs(part.take(each), np.tile(np.arange(chips), len(part)))
        expected = usual(design)
        near[start : start + step] = reached.reshape(len(part), chips)
        off[start : start + step] = (reached - expected).reshape(len(part), chips)
    return near, off


def scales(rows: Rows, spread: Callable[[Floats], Floats]) -> Float32:
    """Return how far figures like each row are commonly off, shape (n,).

    ``spread`` takes descriptions of rows, shape (n, len(ROW_NAMES)), and gives the log of the usual error and
    :data:`LEAST_ERROR`, shape (n,).
    """
    typical = np.exp(spread(rows.describe)) if len(rows) else np.zeros(0)
    return (TO_DEVIATION * typical).astype(np.float32)


def match(found: Residuals, rows: Rows, row: Ints, profile: Ints, n: int, slower: Floats | None = None) -> Float32:
    """Return what speaks for and against each candidate, shape (n profiles, n candidates, len(match_names())).

    Parameters
    ----------
    found : Residuals
        Of all rows.
    rows : Rows
        Likewise.
    row, profile : ndarray of shape (n_uses,)
        Which row (an index into ``found``) each use is, and whose profile; one row may serve many profiles.
    n : int
        How many profiles.
    slower : ndarray of shape (n,), optional
        log10 of the factor by which each profile's rates are taken to be slowed down; power is no rate.
    """
    chips, n_groups = len(candidates().ids), len(GROUPS)
    shift = np.zeros(len(row)) if slower is None else np.where(np.isnan(rows.power[row]), slower[profile], 0.0)
    out = np.full((n, chips, len(match_names())), np.nan, dtype=np.float32)
    whole = n_groups * len(GROUP_FIGURES)
    group = GROUP_OF_REGIME[rows.describe[row, ROW_NAMES.index("regime")].astype(np.int64)]
    cells = _cells(found, row, profile * n_groups + group, shift)
    owner, kind = cells.key // n_groups, cells.key % n_groups
    for at, figure in enumerate((cells.mean, cells.mean / cells.error, cells.nearest)):
        out[owner, :, kind * len(GROUP_FIGURES) + at] = figure
    with np.errstate(all="ignore"):
        means = out[:, :, 0:whole:3]
        nearest = out[:, :, whole + 9] = np.fmax.reduce(out[:, :, 2:whole:3], axis=2)
        out[:, :, whole + 10] = np.fmax.reduce(means, axis=2) - np.fmin.reduce(means, axis=2)
    # Of a chip without a data sheet nothing is known of its memory, either.
    room = np.where(np.isnan(nearest), np.nan, _room(rows.held[row], profile, n))
    out[:, :, whole : whole + 9] = _likelihoods(cells, owner, n, np.where(room < 0.0, WITHOUT_ROOM, 0.0))
    uses = np.bincount(profile, minlength=n)
    suits = np.zeros((n, chips))
    np.add.at(suits, profile, native(rows.precision[row]))
    out[:, :, whole + 11] = np.log1p(uses)[:, None]
    out[:, :, whole + 12] = np.bincount(owner, minlength=n)[:, None]
    out[:, :, whole + 13] = suits / np.maximum(uses, 1)[:, None]
    out[:, :, whole + 14] = np.clip(room, LEAST_ROOM, AMPLE_ROOM)
    known = candidates()
    sixteen = known.peaks["fp16"]
    sheet = [sixteen, known.bandwidth, known.peaks["fp8"] - sixteen, known.peaks["fp32"] - sixteen, known.vendor,
             sixteen - known.bandwidth]  # fmt: skip
    out[:, :, whole + len(WHOLE_FIGURES) :] = np.stack(sheet, axis=1).astype(np.float32)
    return out


def _room(held: Floats, profile: Ints, n: int) -> Floats:
    """Return log10 of each candidate's memory over the most that a profile's work holds, shape (n, n_candidates); NaN where nobody can tell."""
    most = np.full(n, np.nan)
    np.fmax.at(most, profile, held)
    return np.asarray(candidates().memory - most[:, None])


@dataclass(frozen=True, eq=False, repr=False)
class _Cells:
    """Figures of one profile and group together, against every candidate; arrays of shape (n_cells, n_candidates).

    ``error`` is the standard error of ``mean``, ``spread`` the reduced chi-square within the cell (NaN for one figure).
    """

    key: Ints
    count: Floats
    mean: Floats
    error: Floats
    spread: Floats
    nearest: Floats


def _cells(found: Residuals, row: Ints, key: Ints, shift: Floats) -> _Cells:
    order = np.argsort(key, kind="stable")
    key, start, count = np.unique(key[order], return_index=True, return_counts=True)
    shape = (len(key), found.off.shape[1])
    mean, error, spread, nearest = (np.full(shape, np.nan) for _ in range(4))
    ends = np.append(start[1:], len(order))
    step = 4096
    for first in range(0, len(key), step):
        cell = slice(first, min(first + step, len(key)))
        here = order[start[cell.start] : ends[cell.stop - 1]]
        used, moved = row[here], shift[here, None]
        at = start[cell] - start[cell.start]
        off = found.off[used].astype(np.float64) + moved
        missing = np.isnan(off)
        off[missing] = 0.0
        weight = np.where(missing, 0.0, 1.0 / found.scale[used].astype(np.float64)[:, None] ** 2)
        with np.errstate(all="ignore"):
            told = np.add.reduceat(~missing, at, axis=0, dtype=np.float64)
            total = np.add.reduceat(weight, at, axis=0)
            mean[cell] = np.add.reduceat(weight * off, at, axis=0) / total
            scatter = np.add.reduceat(weight * off**2, at, axis=0) - mean[cell] ** 2 * total
            error[cell] = np.sqrt(told / total * (SHARED + (1.0 - SHARED) / np.minimum(told, MOST_FIGURES)))
            spread[cell] = np.where(told > 1, np.maximum(scatter, 0.0) / told, np.nan)
        reached = found.near[used] + moved
        near = np.maximum.reduceat(np.where(np.isnan(reached), -np.inf, reached), at, axis=0)
        nearest[cell] = np.where(np.isfinite(near), near, np.nan)
    return _Cells(key, count.astype(np.float64), mean, error, spread, nearest)


def _likelihoods(cells: _Cells, owner: Ints, n: int, beforehand: Floats) -> Floats:
    """Return the first nine of :data:`WHOLE_FIGURES`, shape (n, n_candidates, 9): how well a candidate explains it all.

    ``beforehand`` is each candidate's log likelihood before any rate is looked at, shape (n, n_candidates).

    Likelihoods are told relative to the best candidate's (``likelihood``, ``total``) and to the best of any other
    architecture (``lead``): no absolute threshold could serve every kind of work.
    """
    chips = cells.mean.shape[1]

    def added(each: Floats) -> Floats:
        out = np.zeros((n, chips))
        np.add.at(out, owner, each)
        return out

    z = cells.mean / cells.error
    known = ~np.isnan(z)
    fit = np.where(known, -(FREEDOM + 1.0) / 2.0 * np.log1p(z**2 / FREEDOM) - np.log(cells.error), UNKNOWN)
    few = np.minimum(cells.count, MOST_FIGURES)[:, None]
    scatter = -0.25 * (few - 1.0) * np.minimum(np.nan_to_num(cells.spread), 6.0)
    likelihood, scattered = beforehand + added(fit), added(scatter)
    total = likelihood + scattered
    weight = np.where(known, 1.0 / cells.error**2, 0.0)
    pulled = added(weight * np.where(known, cells.mean, 0.0))
    offset = pulled / (added(weight) + 1.0 / PROFILE_OFFSET**2)
    left = added(np.where(known, np.minimum(((cells.mean - offset[owner]) / cells.error) ** 2, 30.0), 0.0))
    rank = np.argsort(np.argsort(-likelihood, axis=1, kind="stable"), axis=1, kind="stable")
    columns = [_to_best(likelihood), np.log1p(rank), _lead(likelihood), _to_best(scattered), _to_best(total), _lead(total),
               offset, left - left.min(axis=1, keepdims=True), np.abs(offset) - np.abs(offset).min(axis=1, keepdims=True)]  # fmt: skip
    return np.stack(columns, axis=2)


def _to_best(each: Floats) -> Floats:
    return np.asarray(each - each.max(axis=1, keepdims=True))


def _lead(each: Floats) -> Floats:
    """Return how far each candidate is ahead of the best one of any other architecture."""
    names, of = np.unique(np.array(candidates().architecture), return_inverse=True)
    best = np.stack([each[:, of == k].max(axis=1) for k in range(len(names))], axis=1)
    two = np.sort(best, axis=1)[:, -2:]
    rival = np.where(best >= two[:, 1:], two[:, :1], two[:, 1:])
    return np.asarray(each - rival[:, of])
