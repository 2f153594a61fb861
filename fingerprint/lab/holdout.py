"""Answers about profiles whose source or submitter the model has not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd

from fingerprint import chips
from fingerprint.candidates import candidates
from fingerprint.lab import baselines, calibrating, experts
from fingerprint.lab.experts import HIDDEN, Boosted, Crossed, Experts, Material
from fingerprint.lab.lessons import Labels, Lessons, classes_of, matches
from fingerprint.lab.masking import MASKINGS
from fingerprint.lab.profiles import Corpus, Profiles
from fingerprint.measurements import Floats, Mask, Measurements
from fingerprint.roofline import excluded_chips
from fingerprint.scorer import (
    CLASSES,
    Calibration,
    Scores,
    centred,
    class_fits,
    class_scores,
    entries,
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
    shown : ndarray of bool, shape (n,)
        Profiles that were asked about once more, masked.
    masked : dict
        What the experts said of them, by the name of the masking.
    given : dict, optional
        Calibrations by fold; by default each fold's is fitted on all others.
    """

    test: Profiles
    scores: Scores
    fold: Ints
    prototype: Labels
    usable: Mask
    boosting: Labels
    experts: dict[int, Experts] = field(default_factory=dict)
    shown: Mask = field(default_factory=lambda: np.zeros(0, dtype=bool))
    masked: dict[str, Scores] = field(default_factory=dict)
    given: dict[int, Calibration] | None = None

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
        """Each fold with the calibration fitted on all other folds, or as given."""
        return self.given or {int(f): self.calibrate(self.fold != f) for f in np.unique(self.fold)}

    def calibrate(self, rows: Mask) -> Calibration:
        """Return the calibration fitted on some of the profiles; each who measured speaks with the root of its size."""
        truth = np.array([CLASSES.index(t) for t in self.truth[rows]], dtype=np.int64)
        frame = pd.DataFrame({"o": self.test.measurer[rows], "y": truth, "k": self.test.kind[rows]})
        weight = 1.0 / np.sqrt(frame.groupby(["o", "y", "k"])["y"].transform("size").to_numpy(dtype=float))
        prior = calibrating.prior_of(self.test.origin[rows], self.test.measurer[rows], truth)
        return calibrating.fit(self.scores.take(rows), truth, weight, prior, self.test.whole[rows])

    def take(self, rows: Mask) -> Heldout:
        """Return some of the profiles, unmasked; calibrations are fitted anew on them unless they were given."""
        return Heldout(self.test.take(rows), self.scores.take(rows), self.fold[rows], self.prototype[rows],
                       self.usable[rows], self.boosting[rows], self.experts, given=self.given)  # fmt: skip

    def without(self, architectures: Sequence[str]) -> Heldout:
        """Return the same answers, to be calibrated as if some classes did not exist."""
        possible = self.scores.possible & ~np.isin(CLASSES, architectures)
        return replace(self, scores=replace(self.scores, possible=possible), given=None)

    def under(self, masking: str | None) -> Heldout:
        """Return the profiles shown under a masking (None: as they were), with the calibrations of the unmasked."""
        plain = self.take(self.shown)
        scores = plain.scores if masking is None else self.masked[masking]
        return replace(plain, scores=scores, given=self.calibrations)


def run(corpus: Corpus, train: Profiles, test: Profiles, row_fold: Ints, say: Say = lambda _: None, *, with_baselines: bool = True,
        crossed: Crossed | None = None, masked: Sequence[str] = (), shown: Mask | None = None,
        absent: Sequence[str] = ()) -> Heldout:  # fmt: skip
    """Return answers about each test profile from experts that saw no row of its fold.

    Folds run side by side as joblib is configured (:func:`joblib.parallel_config`).

    Parameters
    ----------
    row_fold : ndarray of shape (n_rows of the corpus,)
        The fold of each row; all rows of a profile share it. Nobody learns from the fold :data:`fingerprint.lab.experts.HIDDEN`.
    crossed : Crossed, optional
        Forward models of the same folds, if they are there already.
    masked : sequence of str
        Maskings (:data:`fingerprint.lab.masking.MASKINGS`) under which the profiles ``shown`` are asked about again.
    shown : ndarray of bool, shape (len(test),), optional
        Which profiles to mask; none by default.
    absent : sequence of str
        Architectures whose data sheets nobody has.

    Notes
    -----
    The matching expert learns from residuals of forward models that each left out the *residual's* own fold, as stacking
    does; the test profiles' residuals come from a forward model that left out the test fold.
    """
    if crossed is None:
        material = Material.of(corpus, train, test)
        crossed = experts.cross(material, row_fold[material.rows.index], say)
    if absent:
        found = crossed.seen.found.without(np.isin(candidates().architecture, absent))
        crossed = replace(crossed, seen=replace(crossed.seen, found=found))
    train_fold = np.array([row_fold[r[0]] for r in train.rows])
    test_fold = np.array([row_fold[r[0]] for r in test.rows])
    lessons = Lessons.of(train, crossed.seen)
    asked, figures = matches(crossed.seen, test)
    fits = class_fits(asked, figures)
    shown = np.zeros(len(test), dtype=bool) if shown is None else shown
    raw = (baselines.raw_columns(train), baselines.raw_columns(test)) if with_baselines else None
    n, n_classes = len(test), len(CLASSES)
    direct, weighing = np.zeros((n, n_classes)), np.zeros((n, n_classes))
    logits = np.full((n, len(candidates().ids)), np.nan)
    prototype, boosting = np.full(n, "", dtype=object), np.full(n, "", dtype=object)
    usable = np.zeros(n, dtype=bool)
    fitted: dict[int, Experts] = {}
    again: dict[str, list[Scores]] = {name: [] for name in masked}
    folds = [int(f) for f in np.unique(test_fold)]

    def jobs() -> Iterator[Any]:
        for fold in folds:
            learn = (train_fold != fold) & (train_fold != HIDDEN)
            tables = {m: MASKINGS[m](test.take(np.flatnonzero((test_fold == fold) & shown)).table(), fold) for m in masked}
            columns = (raw[0][learn], raw[1][test_fold == fold]) if raw else None
            yield joblib.delayed(_fold)(lessons, learn, crossed.forward[fold], crossed.spread[fold], columns, tables)

    # A fold alone is fitted here, with all threads; beside others each has its share.
    workers = 1 if len(folds) == 1 else None
    done = joblib.Parallel(workers, return_as="generator", pre_dispatch="n_jobs")(jobs())
    for fold, (known, guess, hidden) in zip(folds, done, strict=True):
        learn, ask = (train_fold != fold) & (train_fold != HIDDEN), test_fold == fold
        fitted[fold] = known
        direct[ask] = centred(known.direct.scores(test.x[ask]))
        weighing[ask] = centred(known.weighing.scores(fits[ask]))
        logits[ask] = known.matching.score(asked[ask].reshape(-1, asked.shape[2])).reshape(ask.sum(), -1)
        if with_baselines:
            boosting[ask] = guess
            answer, able = baselines.NearestPrototype().fit(train.take(learn)).predict(test.take(ask))
            prototype[ask], usable[ask] = classes_of(answer), able
        for name in masked:
            again[name].append(hidden[name])
        say(f"fold {len(fitted)} of {len(folds)}: learned from {learn.sum():,}, asked about {ask.sum():,} profiles")
    gone = excluded_chips(test.table()) | np.isin([c.architecture for c in chips.table().values()], absent)
    left = possible_candidates(gone)
    scores = Scores(direct, weighing, class_scores(logits, figures, left), figures, *entries(test.x), possible_classes(gone),
                    within_class(logits, figures, left))  # fmt: skip
    # Masked profiles come fold by fold: back into the order of the test.
    order = np.argsort(np.concatenate([np.flatnonzero((test_fold == f) & shown) for f in folds]), kind="stable")
    return Heldout(test, scores, test_fold, prototype, usable, boosting, fitted, shown,
                   {name: Scores.joined(parts).take(order) for name, parts in again.items()})  # fmt: skip


def _fold(lessons: Lessons, learn: Mask, forward: Boosted, spread: Boosted, raw: tuple[Floats, Floats] | None,
          masked: dict[str, Measurements]) -> tuple[Experts, Labels | None, dict[str, Scores]]:  # fmt: skip
    """Return what was fitted without a fold, the raw baseline's answers about it, and what the experts say of it masked."""
    known = Experts.fit(lessons, learn, forward, spread)
    guess = None
    if raw:
        guess = baselines.raw_boosting(raw[0], list(lessons.classes[learn]), lessons.weights(learn), raw[1])
    return known, guess, {name: _in_order(known.scorer().scores(table), table) for name, table in masked.items()}


def _in_order(scores: Scores, table: Measurements) -> Scores:
    """Return scores in the order of the profiles' numbers: a masked table may show another one first."""
    return scores.take(np.argsort([int(name) for name in table.profiles]))
