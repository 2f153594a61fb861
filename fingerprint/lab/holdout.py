"""Answers about profiles whose source, submitter or date the model has not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from fingerprint.classifier import ArchitectureClassifier
from fingerprint.lab import baselines, calibrating
from fingerprint.lab.profiles import Profiles, balanced_weights
from fingerprint.measurements import Floats
from fingerprint.scorer import Calibration, known

#: Architectures the model answers one by one; the rest are "other". A class needs several origins to be learned and tested.
CLASSES: tuple[str, ...] = ("hopper", "blackwell", "h20", "ampere", "ada", "volta", "turing", "cdna2", "cdna3", "cdna4",
                            "gaudi", "tpu", "other")  # fmt: skip

FOLDS = 10
Labels = npt.NDArray[np.object_]


def classes_of(architecture: Labels) -> Labels:
    """Return the model's class of each architecture."""
    return np.array([a if a in CLASSES else "other" for a in architecture], dtype=object)


def balanced_folds(group: Labels, label: Labels, folds: int = FOLDS) -> npt.NDArray[np.int64]:
    """Return a fold number a profile, whole groups together, each fold with its share of every class.

    Greedy from the largest group down: a group goes where it evens out the classes most. Every group is held out once,
    with the others of its fold: a harder test than one group at a time.
    """
    counts = pd.crosstab(pd.Series(group, name="group"), pd.Series(label, name="label"))
    counts = counts / counts.sum(axis=0)
    order = counts.max(axis=1).sort_values(ascending=False, kind="stable").index
    filled = np.zeros((folds, counts.shape[1]))
    place = {}
    for name in order:
        cost = ((filled + counts.loc[name].to_numpy()) ** 2).sum(axis=1) - (filled**2).sum(axis=1)
        place[name] = int(np.argmin(cost))
        filled[place[name]] += counts.loc[name].to_numpy()
    return np.array([place[g] for g in group], dtype=np.int64)


@dataclass(frozen=True)
class Heldout:
    """Raw scores and answers about held-out profiles.

    Attributes
    ----------
    scores : ndarray of shape (n, n_classes)
        NaN rows were in no test fold.
    fold : ndarray of shape (n,)
        -1 where in no test fold.
    prototype, boosting : ndarray of shape (n,)
        The baselines' answers on the same folds; ``usable`` says where the prototype rule had a figure.
    """

    test: Profiles
    truth: Labels
    scores: Floats
    fold: npt.NDArray[np.int64]
    prototype: Labels
    usable: npt.NDArray[np.bool_]
    boosting: Labels

    def probabilities(self) -> Floats:
        """Return probabilities calibrated on the other folds only, shape (n, n_classes)."""
        out = np.full(self.scores.shape, np.nan)
        for fold, calibration in self.calibrations():
            here = self.fold == fold
            out[here] = calibration.probabilities(self.scores[here], known(self.test.x[here]))
        return out

    def sets(self, coverage: float) -> npt.NDArray[np.bool_]:
        """Return prediction sets whose limits come from the other folds only."""
        p = self.probabilities()
        out = np.zeros(p.shape, dtype=bool)
        for fold, calibration in self.calibrations():
            here = self.fold == fold
            out[here] = calibration.sets(p[here], coverage)
        return out

    def calibrations(self) -> list[tuple[int, Calibration]]:
        """Return each fold with the calibration fitted on all other folds."""
        if "_calibrations" not in self.__dict__:
            folds = sorted(set(self.fold[self.fold >= 0].tolist()))
            found = [(f, self.calibrate((self.fold >= 0) & (self.fold != f))) for f in folds]
            object.__setattr__(self, "_calibrations", found)
        return list(self.__dict__["_calibrations"])

    def calibrate(self, rows: npt.NDArray[np.bool_]) -> Calibration:
        """Return the calibration fitted on some of the profiles."""
        part = self.test.take(rows)
        truth = np.array([CLASSES.index(t) for t in self.truth[rows]], dtype=np.int64)
        frame = pd.DataFrame({"o": part.origin, "y": truth, "k": part.kind})
        weight = 1.0 / np.sqrt(frame.groupby(["o", "y", "k"])["y"].transform("size").to_numpy(dtype=float))
        return calibrating.fit(self.scores[rows], known(part.x), truth, weight, CLASSES)


def fit(train: Profiles, seed: int = 0) -> ArchitectureClassifier:
    """Return the classifier fitted on sub-profiles."""
    y = classes_of(train.architecture)
    return ArchitectureClassifier(random_state=seed).fit(train.x, y, sample_weight=balanced_weights(train, CLASSES))


def align(scores: Floats, present: Sequence[str]) -> Floats:
    """Return scores with a column for every class; a class absent from training gets a low score."""
    out = np.full((len(scores), len(CLASSES)), scores.min(axis=1, keepdims=True) - 3.0 if len(scores) else 0.0)
    for k, name in enumerate(present):
        out[:, CLASSES.index(name)] = scores[:, k]
    return out


def run(
    train: Profiles,
    test: Profiles,
    train_fold: npt.NDArray[np.int64],
    test_fold: npt.NDArray[np.int64],
    say: Callable[[str], None] = lambda _: None,
    with_baselines: bool = True,
) -> Heldout:
    """Return answers about each test profile from a model that saw no training profile of its fold.

    A fold number of -1 keeps a test profile out of the test and a training profile in every training set; -2 keeps a
    training profile out of all.
    """
    n = len(test)
    scores = np.full((n, len(CLASSES)), np.nan)
    prototype, boosting = np.full(n, "", dtype=object), np.full(n, "", dtype=object)
    usable = np.zeros(n, dtype=bool)
    raw_train = baselines.raw_columns(train) if with_baselines else None
    raw_test = baselines.raw_columns(test) if with_baselines else None
    folds = sorted(set(test_fold[test_fold >= 0].tolist()))
    for i, fold in enumerate(folds):
        learn, ask = (train_fold != fold) & (train_fold != -2), test_fold == fold
        part, asked = train.take(learn), test.take(ask)
        model = fit(part)
        scores[ask] = align(model.forest().scores(asked.x), list(model.classes_))
        if raw_train is not None and raw_test is not None:
            y, weight = classes_of(part.architecture), balanced_weights(part, CLASSES)
            boosting[ask] = baselines.raw_boosting(raw_train[learn], list(y), weight, raw_test[ask])
            answer, able = baselines.NearestPrototype().fit(part).predict(asked)
            prototype[ask], usable[ask] = classes_of(answer), able
        say(f"fold {i + 1} of {len(folds)}: learned from {learn.sum():,}, asked about {ask.sum():,} profiles")
    return Heldout(test, classes_of(test.architecture), scores, test_fold, prototype, usable, boosting)
