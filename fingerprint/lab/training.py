"""``fingerprint train``: the dataset -> models/architecture.fpm, calibrated on sources held out in turn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from fingerprint import __version__
from fingerprint.lab import experts, holdout
from fingerprint.lab.experts import Experts, Material
from fingerprint.lab.lessons import Lessons, classes_of
from fingerprint.lab.physics import claim_threshold
from fingerprint.lab.profiles import Corpus, Profiles, natural, training
from fingerprint.scorer import Model

#: Folds of whole sources (submitters, where a source has them) that calibration is fitted on.
FOLDS = 4

#: Profiles of one who measured, one chip and one richness that calibration and the limits of claims ask about at most: in the
#: calibration they speak with the root of their number anyway.
MOST_ASKED = 12


def example_profiles(index: Path) -> set[str]:
    """Return the dataset's profiles that the examples were cut from; the model never learns from them."""
    frame = pd.read_csv(index)
    return set(frame["profile"].astype(str))


def train(frame: pd.DataFrame, data: str, kept_out: set[str], say: holdout.Say = lambda _: None) -> Model:
    """Return the model of a labelled frame.

    Parameters
    ----------
    frame : DataFrame
        The labelled dataset.
    data : str
        Its checksum, stored in the model.
    kept_out : set of str
        Profiles that neither experts nor calibration may see.
    """
    corpus = Corpus.of(frame[~frame["profile"].isin(kept_out)])
    learn, ask = training(corpus), _few(natural(corpus))
    say(f"{len(corpus.frame):,} figures, {len(learn):,} sub-profiles to learn from")
    # Calibrated for what will come: sources never seen, and new submitters of benchmarks that are known.
    place = holdout.balanced_folds(ask.measurer, classes_of(ask.architecture), FOLDS)
    row_fold = holdout.fold_numbers(corpus.measurer, place)
    material = Material.of(corpus, learn, ask)
    crossed = experts.cross(material, row_fold[material.rows.index], say)
    held = holdout.run(corpus, learn, ask, row_fold, say, with_baselines=False, crossed=crossed)
    # The final experts learn, like those of the folds, from residuals that left the figure's own fold out.
    lessons = Lessons.of(learn, crossed.seen)
    every_row, every_lesson = np.ones(len(material.rows), dtype=bool), np.ones(len(lessons), dtype=bool)
    forward, spread = experts.fit_forward(material, every_row), experts.fit_spread(material, crossed.seen.found.off, every_row)
    fitted = Experts.fit(lessons, every_lesson, forward, spread)
    say("done")
    calibration = held.calibrate(np.ones(len(ask), dtype=bool))
    return fitted.model(calibration, claim_threshold(held), __version__, data)


def _few(profiles: Profiles, seed: int = 0) -> Profiles:
    """Return at most :data:`MOST_ASKED` profiles of each who measured, chip and richness, drawn at random: names often are dates."""
    frame = pd.DataFrame({"who": profiles.measurer, "chip": profiles.chip, "class": profiles.architecture, "kind": profiles.kind})
    turn = frame.sample(frac=1.0, random_state=seed).groupby(list(frame)).cumcount()
    return profiles.take(np.sort(turn.index[turn < MOST_ASKED].to_numpy()))
