"""Figures of merit, each with its count and a bootstrap interval over origins (rows of one origin are not independent)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from fingerprint.measurements import Floats

#: Bootstrap replicates of every interval, and its level.
REPLICATES = 400
LEVEL = 0.95

#: Coarser truths that figures are reported on.
FOUR = {"hopper": "hopper", "blackwell": "blackwell", "h20": "h20"}
SIX = {**FOUR, "ampere": "ampere", "ada": "ada"}

Labels = npt.NDArray[np.object_]


def coarse(labels: Labels, keep: dict[str, str], rest: str) -> Labels:
    """Return labels with every class outside ``keep`` called ``rest``."""
    return np.array([keep.get(str(v), rest) for v in labels], dtype=object)


def merge(probabilities: Floats, classes: Sequence[str], keep: dict[str, str], rest: str) -> tuple[Floats, list[str]]:
    """Return probabilities summed over merged classes, and the merged classes."""
    merged = [*keep.values(), rest]
    out = np.zeros((len(probabilities), len(merged)))
    for k, name in enumerate(classes):
        out[:, merged.index(keep.get(name, rest))] += probabilities[:, k]
    return out, merged


def confusion(truth: Labels, answer: Labels, origin: Labels, classes: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return confusion counts by origin, shape (n_origins, n_classes, n_classes), truth first."""
    number = {c: i for i, c in enumerate(classes)}
    origins, which = np.unique(origin.astype(str), return_inverse=True)
    out = np.zeros((len(origins), len(classes), len(classes)))
    np.add.at(out, (which, np.array([number[t] for t in truth]), np.array([number[a] for a in answer])), 1.0)
    return out


def f1(counts: Floats) -> Floats:
    """Return each class's F1 from confusion counts (..., n, n); NaN for a class that never occurs."""
    hit = np.diagonal(counts, axis1=-2, axis2=-1)
    both = counts.sum(axis=-1) + counts.sum(axis=-2)
    with np.errstate(all="ignore"):
        return np.where(counts.sum(axis=-1) > 0, 2.0 * hit / both, np.nan)


def macro_f1(counts: Floats) -> Floats:
    """Return the mean F1 over the classes that occur."""
    with np.errstate(all="ignore"):
        return np.asarray(np.nanmean(f1(counts), axis=-1))


def accuracy(counts: Floats) -> Floats:
    """Return the share answered rightly."""
    return np.asarray(np.diagonal(counts, axis1=-2, axis2=-1).sum(axis=-1) / counts.sum(axis=(-2, -1)))


def recall(counts: Floats, k: int) -> Floats:
    """Return the share of class ``k`` that was called so."""
    with np.errstate(all="ignore"):
        return np.asarray(counts[..., k, k] / counts[..., k, :].sum(axis=-1))


def precision(counts: Floats, k: int) -> Floats:
    """Return the share of what was called ``k`` that is."""
    with np.errstate(all="ignore"):
        return np.asarray(counts[..., k, k] / counts[..., :, k].sum(axis=-1))


def interval(by_origin: Floats, figure: Callable[[Floats], Floats], seed: int = 0) -> tuple[float, float, float]:
    """Return a figure of summed counts with its bootstrap interval, origins drawn with replacement."""
    rng = np.random.default_rng(seed)
    n = len(by_origin)
    draws = rng.multinomial(n, np.full(n, 1.0 / n), size=REPLICATES)
    samples = np.tensordot(draws, by_origin, axes=1)
    with np.errstate(all="ignore"):
        values = figure(samples)
    known = values[~np.isnan(values)]
    # A class that nobody was called by has no precision, in no draw.
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if len(known) else (np.nan, np.nan)
    return float(figure(by_origin.sum(axis=0))), float(low), float(high)


def mean_interval(values: Floats, origin: Labels, seed: int = 0) -> tuple[float, float, float]:
    """Return the mean of one number a profile with its bootstrap interval, origins drawn with replacement."""
    origins, which = np.unique(origin.astype(str), return_inverse=True)
    sums = np.stack([np.bincount(which, values), np.bincount(which)], axis=1).astype(np.float64)
    return interval(sums, lambda s: s[..., 0] / s[..., 1], seed) if len(origins) else (float("nan"),) * 3


def auroc(score: Floats, positive: npt.NDArray[np.bool_], origin: Labels, seed: int = 0) -> tuple[float, float, float]:
    """Return the area under the ROC curve with its bootstrap interval, origins drawn with replacement."""
    rng = np.random.default_rng(seed)
    origins, which = np.unique(origin.astype(str), return_inverse=True)
    draws = rng.multinomial(len(origins), np.full(len(origins), 1.0 / len(origins)), size=REPLICATES // 2)[:, which].astype(np.float64)
    both = [d for d in draws if d[positive].any() and d[~positive].any()]
    values = [float(roc_auc_score(positive, score, sample_weight=d)) for d in both] or [float("nan")]
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(roc_auc_score(positive, score)), float(low), float(high)


def calibration_error(probability: Floats, right: npt.NDArray[np.bool_], bins: int = 10) -> float:
    """Return the expected calibration error of the top answer, in bins of equal count."""
    order = np.argsort(probability, kind="stable")
    parts = np.array_split(order, bins)
    gaps = [abs(probability[p].mean() - right[p].mean()) * len(p) for p in parts if len(p)]
    return float(sum(gaps) / max(len(probability), 1))


def in_words(entry: dict[str, Any]) -> str:
    """Return the value of an entry of ``models/figures.json`` with its interval, where it has one, and its count."""
    interval = "" if entry["low"] is None else f" ({entry['low']:.3f}-{entry['high']:.3f})"
    return f"{entry['value']:.3f}{interval}, n = {entry['n']:,}"


def figure(protocol: str, slice_: str, metric: str, value: tuple[float, float, float] | float, n: int,
           model: str = "shipped", class_: str | None = None) -> dict[str, Any]:  # fmt: skip
    """Return one entry of ``models/figures.json``."""
    middle, low, high = value if isinstance(value, tuple) else (value, None, None)

    def tidy(number: float | None) -> float | None:
        return None if number is None or not np.isfinite(number) else round(float(number), 4)

    return {"protocol": protocol, "slice": slice_, "metric": metric, "class": class_, "model": model,
            "value": tidy(middle), "low": tidy(low), "high": tidy(high), "n": int(n)}  # fmt: skip
