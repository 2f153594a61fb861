"""``fingerprint train``: the dataset -> models/architecture.fpm, calibrated on sources held out in turn."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from fingerprint import __version__
from fingerprint.lab import holdout
from fingerprint.lab.profiles import Corpus, natural, training
from fingerprint.scorer import Model
from fingerprint.trees import Forest


def example_profiles(index: Path) -> set[str]:
    """Return the dataset's profiles that the examples were cut from; the model never learns from them."""
    frame = pd.read_csv(index)
    return set(frame["profile"].astype(str))


def train(frame: pd.DataFrame, data: str, kept_out: set[str], say: Callable[[str], None] = lambda _: None) -> Model:
    """Return the model of a labelled frame.

    Parameters
    ----------
    frame : DataFrame
        The labelled dataset.
    data : str
        Its checksum, stored in the model.
    kept_out : set of str
        Profiles that neither trees nor calibration may see.
    """
    corpus = Corpus.of(frame[~frame["profile"].isin(kept_out)])
    train_set, test_set = training(corpus), natural(corpus)
    say(f"{len(corpus.frame):,} figures, {len(train_set):,} sub-profiles to learn from")
    folds = holdout.balanced_folds(test_set.origin, holdout.classes_of(test_set.architecture))
    place = dict(zip(test_set.origin, folds, strict=True))
    held = holdout.run(train_set, test_set, _folds(train_set.origin, place), folds, say, with_baselines=False)
    final = holdout.fit(train_set)
    if tuple(final.classes_) != tuple(sorted(holdout.CLASSES)):
        raise ValueError("a class has no profile to learn from")
    forest = final.forest()
    order = [list(final.classes_).index(c) for c in holdout.CLASSES]
    forest = reorder(forest, order)
    return Model(holdout.CLASSES, forest, held.calibrate(held.fold >= 0), __version__, data)


def _folds(origin: npt.NDArray[np.object_], place: Mapping[str, int]) -> npt.NDArray[np.int64]:
    """Return each sub-profile's fold; -1 (in every training set) where no test profile shares its origin."""
    return np.array([place.get(o, -1) for o in origin], dtype=np.int64)


def reorder(forest: Forest, order: Sequence[int]) -> Forest:
    """Return the forest with its outputs in another order: ``order[new] = old``."""
    new = np.empty(len(order), dtype="<i4")
    new[order] = np.arange(len(order))
    return dataclasses.replace(forest, output=new[forest.output], baseline=forest.baseline[list(order)])
