"""Fits the model's parts: the forward regression and its spread, the matching classifier, the direct classifier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from fingerprint.candidates import Rows, candidates, pairs
from fingerprint.classifier import ArchitectureClassifier, telling_columns, to_quantiles
from fingerprint.forward import LEAST_ERROR, Residuals, nearness, scales
from fingerprint.lab.lessons import Lessons, right_candidates
from fingerprint.lab.profiles import Corpus, Profiles
from fingerprint.measurements import Floats, Mask
from fingerprint.scorer import CLASSES, Calibration, Model, Seen, visible
from fingerprint.trees import Forest, from_histogram_boosting

#: Rows of one origin and chip that the forward model learns from at most.
MOST_ROWS = 3000

#: Nearness below which a figure says nothing of the chip (a ten-thousandth of its ceiling): a broken or idle run.
FARTHEST = -4.0

#: Wrong candidates that each profile is shown beside the right one.
WRONG = 8

#: The fold of rows that nobody may learn from, not even a model that leaves out another fold.
HIDDEN = -1

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Material:
    """A corpus as the forward model sees it: its rows, each with the number of its true chip (-1 for unknown).

    ``chosen`` rows teach; ``asked`` ones are judged.
    """

    rows: Rows
    place: Ints
    chip: Ints
    weight: Floats
    chosen: npt.NDArray[np.bool_]
    asked: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, corpus: Corpus, *profiles: Profiles, seed: int = 0) -> Material:
        """Return the material of a corpus, of which these profiles will be asked about."""
        rows, place = visible(corpus.table)
        labels = corpus.frame[["chip", "architecture", "origin"]].iloc[rows.index].reset_index(drop=True)
        # A family's figures stand for its commonest form: the socketed one where there is one.
        known = {c: _typical(right_candidates(c, "")) for c in labels["chip"].unique()}
        chip = labels["chip"].map(known).to_numpy(dtype=np.int64)
        crowd = labels.groupby(["origin", "chip", "architecture"])["chip"].transform("size").to_numpy(dtype=np.float64)
        draw = np.random.default_rng(seed).random(len(rows))
        chosen = draw < MOST_ROWS / crowd
        asked = np.zeros(len(corpus.frame), dtype=bool)
        for part in profiles:
            asked[np.concatenate(part.rows)] = True
        # A few of the others, too, so that the errors are those of all kinds of work.
        return cls(rows, place, chip, 1.0 / np.sqrt(crowd), chosen, asked[rows.index] | (chosen & (draw < 0.2)))


def _typical(found: tuple[int, ...]) -> int:
    socketed = [i for i in found if "SXM" in candidates().ids[i] or "HGX" in candidates().ids[i]]
    return (socketed or list(found) or [-1])[0]


@dataclass(frozen=True)
class Boosted:
    """A fitted estimator on the columns that told it anything (see :func:`fingerprint.classifier.telling_columns`)."""

    estimator: HistGradientBoostingRegressor | HistGradientBoostingClassifier
    columns: npt.NDArray[np.intp]

    @classmethod
    def fit(cls, estimator: HistGradientBoostingRegressor | HistGradientBoostingClassifier, x: npt.NDArray[Any], y: Floats,
            weight: Floats) -> Boosted:  # fmt: skip
        """Return the estimator fitted."""
        columns = telling_columns(x)
        return cls(estimator.fit(to_quantiles(x[:, columns], estimator.max_bins), y, sample_weight=weight), columns)

    def score(self, x: npt.NDArray[Any]) -> Floats:
        """Return the regression's value or the classifier's log odds, by the trees as they ship: some three times faster."""
        return self._trees.scores(np.asarray(x, dtype=np.float64))[:, 0]

    @cached_property
    def _trees(self) -> Forest:
        return self.forest()

    def forest(self) -> Forest:
        """Return the trees as plain arrays."""
        return from_histogram_boosting(self.estimator, self.columns)


def fit_forward(material: Material, learn: npt.NDArray[np.bool_]) -> Boosted:
    """Return the regression fitted on some of the rows: the usual (median) nearness to the ceiling."""
    use = np.flatnonzero(learn & (material.chip >= 0) & material.chosen)
    design, near = pairs(material.rows.take(use), material.chip[use])
    good = np.isfinite(near) & (near > FARTHEST)
    model = HistGradientBoostingRegressor(
        loss="absolute_error", max_iter=200, learning_rate=0.1, max_leaf_nodes=24, min_samples_leaf=40, l2_regularization=5.0,
        early_stopping=False, random_state=0,
    )  # fmt: skip
    return Boosted.fit(model, design[good], near[good], material.weight[use][good])


def fit_spread(material: Material, off: npt.NDArray[np.float32], learn: npt.NDArray[np.bool_]) -> Boosted:
    """Return the regression of how far a forward model is from figures of sources that it never saw.

    Parameters
    ----------
    off : ndarray of shape (n_rows, n_candidates)
        Held-out residuals.
    learn : ndarray of shape (n_rows,)
        Which rows to learn from.
    """
    use = np.flatnonzero(learn & (material.chip >= 0) & material.chosen)
    missed = np.abs(off[use, material.chip[use]].astype(np.float64))
    use, missed = use[np.isfinite(missed)], missed[np.isfinite(missed)]
    model = HistGradientBoostingRegressor(
        max_iter=100, learning_rate=0.1, max_leaf_nodes=12, min_samples_leaf=150, l2_regularization=5.0, early_stopping=False,
        random_state=0,
    )  # fmt: skip
    return Boosted.fit(model, material.rows.describe[use], np.log(missed + LEAST_ERROR), material.weight[use])


@dataclass(frozen=True)
class Crossed:
    """A forward model and its spread for each fold, which saw no row of it, and every row's residuals from its own fold's.

    Rows that no profile asks about and that teach no error stay NaN.
    """

    seen: Seen
    forward: dict[int, Boosted]
    spread: dict[int, Boosted]


def cross(material: Material, row_fold: Ints, say: Callable[[str], None] = lambda _: None) -> Crossed:
    """Return the forward models of each fold of rows, see :class:`Crossed`.

    Rows of the fold :data:`HIDDEN` are left out of all of them. Fits run side by side as joblib is configured
    (:func:`joblib.parallel_config`).
    """
    shape = (len(material.rows), len(candidates().ids))
    near, off = np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32)
    scale = np.full(shape[0], np.nan, np.float32)
    folds = [int(f) for f in np.unique(row_fold)]
    open_ = row_fold != HIDDEN
    parallel = joblib.Parallel(return_as="generator")
    forward: dict[int, Boosted] = {}
    judged = parallel(joblib.delayed(_judged)(material, open_ & (row_fold != f), (row_fold == f) & material.asked) for f in folds)
    for fold, (model, its_near, its_off) in zip(folds, judged, strict=True):
        ask = np.flatnonzero((row_fold == fold) & material.asked)
        forward[fold], near[ask], off[ask] = model, its_near, its_off
        say(f"forward model {len(forward)} of {len(folds)}: {len(ask):,} figures judged that it never saw")
    wide = joblib.Parallel()(joblib.delayed(fit_spread)(material, off, open_ & (row_fold != f)) for f in folds)
    spread = dict(zip(folds, wide, strict=True))
    for fold in folds:
        ask = np.flatnonzero(row_fold == fold)
        scale[ask] = scales(material.rows.take(ask), spread[fold].score)
    return Crossed(Seen(material.rows, Residuals(near, off, scale), material.place), forward, spread)


def _judged(material: Material, learn: Mask, ask: Mask) -> tuple[Boosted, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    model = fit_forward(material, learn)
    return model, *nearness(material.rows.take(ask), model.score)


def fit_matching(lessons: Lessons, learn: Mask, seed: int = 0) -> Boosted:
    """Return the classifier of (profile, candidate) pairs, which tells whether this is the chip."""
    found, right = lessons.found, lessons.right
    use = np.flatnonzero(learn & (lessons.figures > 0) & right.any(axis=1))
    draw = np.random.default_rng(seed).random((len(use), found.shape[1])) + right[use] * 10.0
    wrong = np.argsort(draw, axis=1)[:, :WRONG]
    profile, chip = np.nonzero(right[use])
    weight = lessons.weights(np.ones(len(lessons), dtype=bool))[use]
    x = np.concatenate([found[use[:, None], wrong].reshape(-1, found.shape[2]), found[use[profile], chip]])
    y = np.concatenate([np.zeros(wrong.size), np.ones(len(profile))])
    w = np.concatenate([np.repeat(weight / WRONG, WRONG), (weight / right[use].sum(axis=1))[profile]])
    model = HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.1, max_leaf_nodes=16, min_samples_leaf=40, l2_regularization=5.0, max_features=0.5,
        early_stopping=False, random_state=seed,
    )  # fmt: skip
    return Boosted.fit(model, x, y, w)


def fit_direct(lessons: Lessons, learn: Mask, seed: int = 0) -> Forest:
    """Return the direct classifier fitted on sub-profiles, an output a class."""
    model = ArchitectureClassifier(random_state=seed)
    return _every_class(model.fit(lessons.x[learn], lessons.classes[learn], sample_weight=lessons.weights(learn)))


def fit_weighing(lessons: Lessons, learn: Mask, seed: int = 0) -> Forest:
    """Return the classifier on the fit of each class's chips (:func:`fingerprint.scorer.class_fits`)."""
    use = learn & (lessons.figures > 0)
    model = ArchitectureClassifier(max_features=1.0, min_samples_leaf=30, random_state=seed)
    return _every_class(model.fit(lessons.fits[use], lessons.classes[use], sample_weight=lessons.weights(learn)[use[learn]]))


def _every_class(model: ArchitectureClassifier) -> Forest:
    number = np.array([CLASSES.index(c) for c in model.classes_], dtype="<i4")
    return model.forest().renumbered(number, len(CLASSES))


@dataclass(frozen=True)
class Experts:
    """All that was fitted without one fold, or on everything."""

    direct: Forest
    forward: Boosted
    spread: Boosted
    weighing: Forest
    matching: Boosted

    @classmethod
    def fit(cls, lessons: Lessons, learn: Mask, forward: Boosted, spread: Boosted) -> Experts:
        """Return the experts that learn from some of the lessons."""
        return cls(fit_direct(lessons, learn), forward, spread, fit_weighing(lessons, learn), fit_matching(lessons, learn))

    def scorer(self) -> Model:
        """Return a model that scores, not yet calibrated."""
        k = len(CLASSES)
        flat = Calibration(np.zeros((3, 3)), np.zeros((2, k)), np.zeros(1), np.full(k, 1.0 / k), *np.ones((2, k, 2)))
        return self.model(flat, {}, "", "")

    def model(self, calibration: Calibration, claim_limits: dict[str, float], version: str, data: str) -> Model:
        """Return the model as it would ship."""
        return Model(CLASSES, self.direct, self.forward.forest(), self.spread.forest(), self.weighing, self.matching.forest(),
                     calibration, claim_limits, version, data)  # fmt: skip
