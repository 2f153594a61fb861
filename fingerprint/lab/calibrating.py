"""Fits a :class:`fingerprint.scorer.Calibration` on answers about sources that the experts have not seen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize

from fingerprint.answers import LEAST_BITS
from fingerprint.measurements import Floats, Mask
from fingerprint.scorer import CLASSES, Calibration, Scores, moved

#: Levels at which quantiles of nonconformity are kept.
LEVELS = 101

#: Held-out profiles a class needs for quantiles of its own: cuts of any richness, and whole ones.
ENOUGH, ENOUGH_WHOLE = 60, 15

#: Keeps the class biases and the logarithms of the trusts small: they correct a tilt, they don't learn the test's mix of classes.
PENALTY = 0.003

#: No answer counts as less probable than this.
LEAST = 1e-12

#: The H20 is a Hopper cut down for export, and its owners publish little. Which of the two it was is what is asked of a verdict, so
#: that nothing seen before speaks for either: they share their odds evenly.
ASKED = ("hopper", "h20")


def fit(scores: Scores, truth: npt.NDArray[np.int64], weight: Floats, prior: Floats, whole: Mask) -> Calibration:
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
    whole : ndarray of bool, shape (n,)
        Which profiles are whole, as they stand on a board; the others are cuts of them.
    """
    n_classes = len(CLASSES)
    weight = weight / np.bincount(truth, weight, minlength=n_classes)[truth] * prior[truth]
    weight = weight / weight.sum()

    start = np.concatenate([[-1.5, 0.0, 0.0, -1.0, 0.0, 0.0, -1.0, 0.0, 0.0, -3.0], np.zeros(2 * n_classes)])
    best = _built(minimize(loss, start, (scores, truth, weight, prior), method="L-BFGS-B", jac=True).x, prior)
    p = best.probabilities(scores)
    quantiles = _by_class(1.0 - p[np.arange(len(truth)), truth], truth, weight, ENOUGH)
    tested = whole & (scores.known > 0) & (moved(p, prior) >= LEAST_BITS)
    labels = _by_class(1.0 - best.label_probability(p, truth)[tested], truth[tested], weight[tested], ENOUGH_WHOLE)
    return Calibration(best.trust, best.bias, best.floor, prior, quantiles, labels)


def _built(theta: Floats, prior: Floats) -> Calibration:
    n_classes = len(prior)
    floor = np.array([1.0 / (1.0 + np.exp(-theta[9]))])
    return Calibration(theta[:9].reshape(3, 3), theta[10:].reshape(2, n_classes), floor, prior, *np.zeros((2, n_classes, 2)))


def loss(theta: Floats, scores: Scores, truth: npt.NDArray[np.int64], weight: Floats, prior: Floats) -> tuple[float, Floats]:
    """Return the penalised log loss of a calibration, and its gradient.

    Parameters
    ----------
    theta : ndarray of shape (10 + 2 * n_classes,)
        Trusts (row by row), the floor's logit, biases (row by row).
    """
    made, each = _built(theta, prior), np.arange(len(truth))
    q, before, floor = made.stacked(scores), made.prior_of(scores)[each, truth], made.floor[0]
    mine, told = q[each, truth], scores.known > 0
    p = np.where(told, (1.0 - floor) * mine + floor * before, before)
    # A profile of which nothing is known, or whose class is excluded, is no matter of these parameters.
    pull = np.where(told & (p > LEAST), weight / np.maximum(p, LEAST), 0.0)
    slope = q * (pull * (1.0 - floor) * mine)[:, None]
    slope[each, truth] -= pull * (1.0 - floor) * mine
    experts = (scores.direct, scores.weighing, scores.matching)
    trust = [scores.circumstances @ ((slope * expert).sum(axis=1) * by) for expert, by in zip(experts, made.trusts(scores), strict=True)]
    lift = -(pull * (before - mine)).sum() * floor * (1.0 - floor)
    gradient = np.concatenate([*trust, [lift], slope.sum(axis=0), scores.fixed @ slope])
    held = np.where(np.arange(len(theta)) == 9, 0.0, theta)
    value = -(weight * np.log(np.maximum(p, LEAST))).sum() + PENALTY * (held**2).sum()
    return float(value), gradient + 2.0 * PENALTY * held


def _by_class(strange: Floats, truth: npt.NDArray[np.int64], weight: Floats, enough: int) -> Floats:
    """Return quantiles of each class, shape (n_classes, LEVELS).

    A class with few profiles has none of its own and takes those of all: a limit from a handful would put it into every set.
    """
    levels = np.linspace(0.0, 1.0, LEVELS)
    counts = np.bincount(truth, minlength=len(CLASSES))
    out = np.ones((len(CLASSES), LEVELS))
    for k in range(len(CLASSES)):
        mine = truth == k if counts[k] >= enough else np.ones(len(truth), dtype=bool)
        if mine.any():
            out[k] = _weighted_quantiles(strange[mine], weight[mine], levels)
    return out


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
