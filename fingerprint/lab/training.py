"""``fingerprint train``: the dataset -> models/architecture.fpm, calibrated on sources held out in turn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from fingerprint import __version__
from fingerprint.lab import experts, holdout
from fingerprint.lab.experts import Experts, Material
from fingerprint.lab.physics import claim_threshold
from fingerprint.lab.profiles import Corpus, natural, training
from fingerprint.scorer import Model, class_fits

#: Folds of whole sources (submitters, where a source has them) that calibration is fitted on.
FOLDS = 5


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
    learn, ask = training(corpus), natural(corpus)
    say(f"{len(corpus.frame):,} figures, {len(learn):,} sub-profiles to learn from")
    # Calibrated for what will come: sources never seen, and new submitters of benchmarks that are known.
    place = holdout.balanced_folds(ask.measurer, experts.classes_of(ask.architecture), FOLDS)
    row_fold = holdout.fold_numbers(corpus.measurer, place)
    material = Material.of(corpus, learn, ask)
    crossed = experts.cross(material, row_fold[material.rows.index], say)
    held = holdout.run(corpus, learn, ask, row_fold, say, with_baselines=False, crossed=crossed)
    everything = np.ones(len(material.rows), dtype=bool)
    # The final experts learn, like those of the folds, from residuals that left the figure's own fold out.
    found, figures = experts.matches(crossed.seen, learn)
    fitted = Experts(
        experts.fit_direct(learn), experts.fit_forward(material, everything),
        experts.fit_spread(material, crossed.seen.found.off, everything),
        experts.fit_weighing(class_fits(found, figures), figures, learn),
        experts.fit_matching(found, figures, learn, np.ones(len(learn), dtype=bool)),
    )  # fmt: skip
    say("done")
    calibration = held.calibrate(np.ones(len(ask), dtype=bool))
    return fitted.model(calibration, claim_threshold(held), __version__, data)
