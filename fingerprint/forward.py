"""The forward model: how near to a chip's ceiling such work usually comes, and how far a figure is from that.

One regression for all chips: its input is what the work was and what the data sheet says, its output log10 of achieved
over ceiling. A chip it never saw is judged from its data sheet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprint.candidates import GROUP_OF_REGIME, GROUPS, ROW_NAMES, Rows, candidates, native, pairs
from fingerprint.measurements import Floats

#: Rows by chips predicted at once; bounds memory.
CHUNK_ROWS = 400_000

#: What :func:`match` reports of each group of regimes, then of a profile as a whole, then of the chip.
GROUP_FIGURES = ("mean", "spread", "nearest")
WHOLE_FIGURES = ("nearest", "mean", "disagreement", "rows", "groups", "native")
SHEET_FIGURES = ("sixteen", "bandwidth", "eight_bit", "vector", "vendor", "ridge")

Float32 = npt.NDArray[np.float32]


def match_names() -> tuple[str, ...]:
    """Return the names of the columns that :func:`match` gives, in order."""
    groups = [f"{g}.{f}" for g in GROUPS for f in GROUP_FIGURES]
    return (*groups, *(f"all.{f}" for f in WHOLE_FIGURES), *(f"chip.{f}" for f in SHEET_FIGURES))


@dataclass(frozen=True)
class Residuals:
    """Rows against candidates.

    Attributes
    ----------
    near : ndarray of shape (n_rows, n_candidates)
        log10 of achieved over ceiling; NaN where the chip's ceiling is not known.
    off : ndarray of shape (n_rows, n_candidates)
        The same less what the forward model expects.
    """

    near: Float32
    off: Float32


def residuals(rows: Rows, usual: Callable[[Floats], Floats]) -> Residuals:
    """Return how far each row is from what each candidate would usually reach.

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
    return Residuals(near, off)


def match(found: Residuals, rows: Rows, row: npt.NDArray[np.int64], profile: npt.NDArray[np.int64], n: int) -> Float32:
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
    """
    chips, n_groups = len(candidates().ids), len(GROUPS)
    group = GROUP_OF_REGIME[rows.describe[row, ROW_NAMES.index("regime")].astype(np.int64)]
    out = np.full((n, chips, len(match_names())), np.nan, dtype=np.float32)
    whole = n_groups * len(GROUP_FIGURES)
    counts = np.zeros((n, n_groups))
    np.add.at(counts, (profile, group), 1.0)
    if len(row):
        key = profile * n_groups + group
        order = np.argsort(key, kind="stable")
        present, start = np.unique(key[order], return_index=True)
        off, near = found.off[row[order]], found.near[row[order]]
        missing = np.isnan(off)
        zero = np.where(missing, 0.0, off)
        known = np.add.reduceat((~missing).astype(np.float32), start, axis=0)
        with np.errstate(all="ignore"):
            mean = np.add.reduceat(zero, start, axis=0) / known
            spread = np.sqrt(np.maximum(np.add.reduceat(zero**2, start, axis=0) / known - mean**2, 0.0))
        nearest = np.maximum.reduceat(np.where(missing, -np.inf, near), start, axis=0)
        spread[known < 2] = np.nan
        nearest[~np.isfinite(nearest)] = np.nan
        p, g = present // n_groups, present % n_groups
        for at, figure in enumerate((mean, spread, nearest)):
            out[p, :, g * len(GROUP_FIGURES) + at] = figure
        means = out[:, :, 0:whole:3]
        lowest, highest = np.fmin.reduce(means, axis=2), np.fmax.reduce(means, axis=2)
        told = (~np.isnan(means)).sum(axis=2)
        with np.errstate(all="ignore"):
            out[:, :, whole + 1] = np.nansum(means, axis=2) / np.where(told, told, np.nan)
        out[:, :, whole] = np.fmax.reduce(out[:, :, 2:whole:3], axis=2)
        out[:, :, whole + 2] = highest - lowest
        suits = np.zeros((n, chips))
        np.add.at(suits, profile, native(rows.precision[row]))
        out[:, :, whole + 5] = suits / np.maximum(counts.sum(axis=1), 1.0)[:, None]
    out[:, :, whole + 3] = np.log1p(counts.sum(axis=1))[:, None]
    out[:, :, whole + 4] = (counts > 0).sum(axis=1)[:, None]
    known_chips = candidates()
    sixteen = known_chips.peaks["fp16"]
    sheet = [sixteen, known_chips.bandwidth, known_chips.peaks["fp8"] - sixteen, known_chips.peaks["fp32"] - sixteen,
             known_chips.vendor, sixteen - known_chips.bandwidth]  # fmt: skip
    out[:, :, whole + len(WHOLE_FIGURES) :] = np.stack(sheet, axis=1).astype(np.float32)
    return out
