"""Answers about profiles whose source or submitter the model has not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from fingerprint.candidates import candidates
from fingerprint.lab import baselines, calibrating, experts
from fingerprint.lab.experts import Crossed, Experts, Labels, Material, classes_of
from fingerprint.lab.profiles import Corpus, Profiles, balanced_weights
from fingerprint.measurements import Floats, Mask
from fingerprint.roofline import excluded_chips
from fingerprint.scorer import (
    CLASSES,
    Calibration,
    Scores,
    centred,
    class_fits,
    class_scores,
    possible_candidates,
    possible_classes,
    within_class,
)

FOLDS = 10
Ints = npt.NDArray[np.int64]
Say = Callable[[str], None]


def balanced_folds(group: Labels, label: Labels, folds: int = FOLDS) -> dict[str, int]:
    """Return a fold number for each group, each fold with its share of every class.

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
        place[str(name)] = int(np.argmin(cost))
        filled[place[str(name)]] += counts.loc[name].to_numpy()
    return place


def fold_numbers(group: Iterable[str], place: dict[str, int]) -> Ints:
    """Return the fold of each member of a group."""
    return np.array([place[g] for g in group], dtype=np.int64)


@dataclass(frozen=True)
class Heldout:
    """Scores and answers about held-out profiles.

    Attributes
    ----------
    scores : Scores
        From experts that saw nothing of the profile's fold.
    fold : ndarray of shape (n,)
        Fold numbers.
    prototype, boosting : ndarray of shape (n,)
        The baselines' answers on the same folds ("" where not asked for); ``usable`` says where the prototype rule had a
        figure.
    experts : dict
        What was fitted without each fold.
    """

    test: Profiles
    scores: Scores
    fold: Ints
    prototype: Labels
    usable: Mask
    boosting: Labels
    experts: dict[int, Experts] = field(default_factory=dict)

    @cached_property
    def truth(self) -> Labels:
        """True classes."""
        return classes_of(self.test.architecture)

    @cached_property
    def probabilities(self) -> Floats:
        """Probabilities calibrated on the other folds only, shape (n, n_classes)."""
        out = np.full((len(self.test), len(CLASSES)), np.nan)
        for fold, calibration in self.calibrations.items():
            here = self.fold == fold
            out[here] = calibration.probabilities(self.scores.take(here))
        return out

    def sets(self, coverage: float) -> Mask:
        """Return prediction sets whose limits come from the other folds only."""
        out = np.zeros(self.probabilities.shape, dtype=bool)
        for fold, calibration in self.calibrations.items():
            here = self.fold == fold
            out[here] = calibration.sets(self.probabilities[here], coverage)
        return out

    @cached_property
    def calibrations(self) -> dict[int, Calibration]:
        """Each fold with the calibration fitted on all other folds."""
        return {int(f): self.calibrate(self.fold != f) for f in np.unique(self.fold)}

    def calibrate(self, rows: Mask) -> Calibration:
        """Return the calibration fitted on some of the profiles; each who measured speaks with the root of its size."""
        truth = np.array([CLASSES.index(t) for t in self.truth[rows]], dtype=np.int64)
        frame = pd.DataFrame({"o": self.test.measurer[rows], "y": truth, "k": self.test.kind[rows]})
        weight = 1.0 / np.sqrt(frame.groupby(["o", "y", "k"])["y"].transform("size").to_numpy(dtype=float))
        return calibrating.fit(self.scores.take(rows), truth, weight, calibrating.prior_of(self.test.origin[rows], truth))

    def take(self, rows: Mask) -> Heldout:
        """Return some of the profiles; calibrations are fitted anew on them."""
        return Heldout(self.test.take(rows), self.scores.take(rows), self.fold[rows], self.prototype[rows],
                       self.usable[rows], self.boosting[rows], self.experts)  # fmt: skip


def run(corpus: Corpus, train: Profiles, test: Profiles, row_fold: Ints, say: Say = lambda _: None,
        with_baselines: bool = True, crossed: Crossed | None = None) -> Heldout:  # fmt: skip
    """Return answers about each test profile from experts that saw no row of its fold.

    Parameters
    ----------
    row_fold : ndarray of shape (n_rows of the corpus,)
        The fold of each row; all rows of a profile share it.
    crossed : Crossed, optional
        Forward models of the same folds, if they are there already.

    Notes
    -----
    The matching expert learns from residuals of forward models that each left out the *residual's* own fold, as stacking
    does; the test profiles' residuals come from a forward model that left out the test fold.
    """
    if crossed is None:
        material = Material.of(corpus, train, test)
        crossed = experts.cross(material, row_fold[material.rows.index], say)
    train_fold = np.array([row_fold[r[0]] for r in train.rows])
    test_fold = np.array([row_fold[r[0]] for r in test.rows])
    found, figures = experts.matches(crossed.seen, train)
    asked, test_figures = experts.matches(crossed.seen, test)
    fits, test_fits = class_fits(found, figures), class_fits(asked, test_figures)
    n = len(test)
    direct, weighing = np.zeros((n, len(CLASSES))), np.zeros((n, len(CLASSES)))
    logits = np.full((n, len(candidates().ids)), np.nan)
    prototype, boosting = np.full(n, "", dtype=object), np.full(n, "", dtype=object)
    usable = np.zeros(n, dtype=bool)
    fitted: dict[int, Experts] = {}
    raw = (baselines.raw_columns(train), baselines.raw_columns(test)) if with_baselines else None
    folds = [int(f) for f in np.unique(test_fold)]
    for fold in folds:
        learn, ask = train_fold != fold, test_fold == fold
        part, here = train.take(learn), test.take(ask)
        known = fitted[fold] = Experts(
            experts.fit_direct(part), crossed.forward[fold], crossed.spread[fold],
            experts.fit_weighing(fits[learn], figures[learn], part), experts.fit_matching(found, figures, train, learn),
        )  # fmt: skip
        direct[ask] = centred(known.direct.scores(here.x))
        weighing[ask] = centred(known.weighing.scores(test_fits[ask]))
        logits[ask] = known.matching.score(asked[ask].reshape(-1, asked.shape[2])).reshape(ask.sum(), -1)
        if raw is not None:
            weight = balanced_weights(part)
            boosting[ask] = baselines.raw_boosting(raw[0][learn], list(classes_of(part.architecture)), weight, raw[1][ask])
            answer, able = baselines.NearestPrototype().fit(part).predict(here)
            prototype[ask], usable[ask] = classes_of(answer), able
        say(f"fold {fold + 1} of {len(folds)}: learned from {learn.sum():,}, asked about {ask.sum():,} profiles")
    entries = (~np.isnan(test.x)).sum(axis=1).astype(np.float64)
    gone = excluded_chips(test.table())
    left = possible_candidates(gone)
    scores = Scores(direct, weighing, class_scores(logits, test_figures, left), test_figures, entries, possible_classes(gone),
                    within_class(logits, test_figures, left))  # fmt: skip
    return Heldout(test, scores, test_fold, prototype, usable, boosting, fitted)
