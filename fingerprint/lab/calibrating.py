"""Fits a :class:`fingerprint.scorer.Calibration` on answers about sources that the trees have not seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from fingerprint.measurements import Floats
from fingerprint.scorer import Calibration

#: Levels at which quantiles of nonconformity are kept.
LEVELS = 101

#: Held-out profiles a class needs for quantiles of its own.
ENOUGH = 60

#: Keeps the class biases small: they correct a tilt, they don't learn the test's mix of classes.
BIAS_PENALTY = 0.02


def fit(
    scores: Floats,
    known: Floats,
    truth: npt.NDArray[np.int64],
    weight: Floats,
    classes: Sequence[str],
) -> Calibration:
    """Return the calibration that minimises weighted log loss, with class-conditional conformal quantiles.

    Parameters
    ----------
    scores : ndarray of shape (n, n_classes)
        Raw scores of profiles whose source was held out.
    known : ndarray of shape (n,)
        Known entries of each vector.
    truth : ndarray of shape (n,)
        Class numbers.
    weight : ndarray of shape (n,)
        A voice a profile; origins with many profiles should not outvote the rest.
    """
    n_classes = len(classes)
    prior = np.full(n_classes, 1.0 / n_classes)
    weight = weight / weight.sum()

    def build(theta: Floats) -> Calibration:
        return Calibration(theta[:2], theta[3:], np.array([1.0 / (1.0 + np.exp(-theta[2]))]), prior, np.zeros((n_classes, 2)))

    def loss(theta: Floats) -> float:
        p = build(theta).probabilities(scores, known)[np.arange(len(truth)), truth]
        return float(-(weight * np.log(np.maximum(p, 1e-12))).sum() + BIAS_PENALTY * (theta[3:] ** 2).sum())

    start = np.concatenate([[0.0, 0.0, -3.0], np.zeros(n_classes)])
    best = build(minimize(loss, start, method="L-BFGS-B").x)
    p = best.probabilities(scores, known)
    levels = np.linspace(0.0, 1.0, LEVELS)
    quantiles = np.ones((n_classes, LEVELS))
    counts = np.bincount(truth, minlength=n_classes)
    for k in range(n_classes):
        # A class with few profiles has no quantile of its own: the rare classes share one.
        mine = truth == k if counts[k] >= ENOUGH else counts[truth] < ENOUGH
        if mine.sum() >= ENOUGH:
            quantiles[k] = _weighted_quantiles(1.0 - p[mine, truth[mine]], weight[mine], levels)
    return Calibration(best.sharpness, best.bias, best.floor, prior, quantiles)


def _weighted_quantiles(values: Floats, weight: Floats, levels: Floats) -> Floats:
    """Return quantiles with the finite-sample correction of split conformal prediction (level (n + 1)/n)."""
    order = np.argsort(values)
    share = np.cumsum(weight[order])
    effective = weight.sum() ** 2 / (weight**2).sum()
    share = share / share[-1] * effective / (effective + 1.0)
    out = np.array([values[order][min(np.searchsorted(share, level), len(values) - 1)] for level in levels])
    out[levels > share[-1]] = 1.0
    return out
