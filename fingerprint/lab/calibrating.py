"""Fits a :class:`fingerprint.scorer.Calibration` on answers about sources that the experts have not seen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize

from fingerprint.measurements import Floats
from fingerprint.scorer import CLASSES, Calibration, Scores

#: Levels at which quantiles of nonconformity are kept.
LEVELS = 101

#: Held-out profiles a class needs for quantiles of its own.
ENOUGH = 60

#: Keeps the class biases and the logarithms of the trusts small: they correct a tilt, they don't learn the test's mix of classes.
PENALTY = 0.003

#: The H20 is a Hopper cut down for export, and its owners publish little. Which of the two it was is what is asked of a verdict, so
#: that nothing seen before speaks for either: they share their odds evenly.
ASKED = ("hopper", "h20")


def fit(scores: Scores, truth: npt.NDArray[np.int64], weight: Floats, prior: Floats) -> Calibration:
    """Return the calibration that minimises weighted log loss, with class-conditional conformal quantiles.

    Parameters
    ----------
    scores : Scores
        Of profiles whose source was held out.
    truth : ndarray of shape (n,)
        Class numbers.
    weight : ndarray of shape (n,)
        A voice a profile; origins with many profiles should not outvote the rest. Classes are then brought to the prior.
    prior : ndarray of shape (n_classes,)
        What to think of a profile before any of its figures is seen.
    """
    n_classes = len(CLASSES)
    weight = weight / np.bincount(truth, weight, minlength=n_classes)[truth] * prior[truth]
    weight = weight / weight.sum()

    def build(theta: Floats) -> Calibration:
        floor = np.array([1.0 / (1.0 + np.exp(-theta[9]))])
        return Calibration(theta[:9].reshape(3, 3), theta[10:].reshape(2, n_classes), floor, prior, np.zeros((n_classes, 2)))

    def loss(theta: Floats) -> float:
        p = build(theta).probabilities(scores)[np.arange(len(truth)), truth]
        held = (theta[:9] ** 2).sum() + (theta[10:] ** 2).sum()
        return float(-(weight * np.log(np.maximum(p, 1e-12))).sum() + PENALTY * held)

    start = np.concatenate([[-1.5, 0.0, 0.0, -1.0, 0.0, 0.0, -1.0, 0.0, 0.0, -3.0], np.zeros(2 * n_classes)])
    best = build(minimize(loss, start, method="L-BFGS-B").x)
    p = best.probabilities(scores)
    levels = np.linspace(0.0, 1.0, LEVELS)
    quantiles = np.ones((n_classes, LEVELS))
    counts = np.bincount(truth, minlength=n_classes)
    for k in range(n_classes):
        # A class with few profiles has no quantile of its own and takes that of all profiles: a limit from a handful would
        # put it into every set.
        mine = truth == k if counts[k] >= ENOUGH else np.ones(len(truth), dtype=bool)
        quantiles[k] = _weighted_quantiles(1.0 - p[mine, truth[mine]], weight[mine], levels)
    return Calibration(best.trust, best.bias, best.floor, prior, quantiles)


def prior_of(origin: npt.NDArray[np.object_], measurer: npt.NDArray[np.object_], truth: npt.NDArray[np.int64]) -> Floats:
    """Return the odds before any figure is seen: the share of each class among pairs of somebody who measured and a class they published.

    Whoever measured counts once a class however much it was: so often does somebody publish figures of such a chip. An origin of
    many who measured (MLPerf and its submitters) speaks with the root of their number. A class without any counts as half of one.
    :data:`ASKED` share their odds evenly.
    """
    pairs = pd.DataFrame({"origin": origin, "who": measurer, "truth": truth}).drop_duplicates()
    voice = 1.0 / np.sqrt(pairs.groupby("origin")["who"].transform("nunique").to_numpy(dtype=np.float64))
    votes = np.bincount(pairs["truth"].to_numpy(), voice, minlength=len(CLASSES))
    votes = np.maximum(votes, 0.5 * voice.min())
    asked = [CLASSES.index(c) for c in ASKED]
    votes[asked] = votes[asked].mean()
    return np.asarray(votes / votes.sum())


def _weighted_quantiles(values: Floats, weight: Floats, levels: Floats) -> Floats:
    """Return quantiles with the finite-sample correction of split conformal prediction (level (n + 1)/n)."""
    order = np.argsort(values)
    share = np.cumsum(weight[order])
    effective = weight.sum() ** 2 / (weight**2).sum()
    share = share / share[-1] * effective / (effective + 1.0)
    out = np.array([values[order][min(np.searchsorted(share, level), len(values) - 1)] for level in levels])
    out[levels > share[-1]] = 1.0
    return out
