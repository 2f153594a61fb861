"""``fingerprint evaluate``: the protocol's figures, each with its count and interval, ours and the baselines'."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fingerprint.lab import holdout, metrics
from fingerprint.lab.experts import classes_of
from fingerprint.lab.holdout import Heldout, Say
from fingerprint.lab.profiles import Corpus, Profiles, natural, training
from fingerprint.measurements import Floats
from fingerprint.scorer import CLASSES

#: How the slices by richness are called in figures.json.
SLICES = {"figure": "1 figure", "run": "one run", "tool": "one tool, at least 4 rows", "tools": "several tools"}
COVERAGE = 0.9

Labels = npt.NDArray[np.object_]
Figures = list[dict[str, Any]]


def by_source(corpus: Corpus, say: Say, seed: int = 0) -> Heldout:
    """Return answers with every origin held out in turn (in ten folds of whole origins)."""
    train, test = training(corpus, seed), natural(corpus, seed)
    place = holdout.balanced_folds(test.origin, classes_of(test.architecture))
    return holdout.run(corpus, train, test, holdout.fold_numbers(corpus.frame["origin"], place), say)


def by_submitter(corpus: Corpus, say: Say, seed: int = 0) -> Heldout:
    """Return answers on MLPerf Inference with every submitter held out in turn (in five folds of whole submitters).

    MLPerf Training by the same submitter is held out with it; other sources are spread over the folds by origin.
    """
    train, test = training(corpus, seed), natural(corpus, seed)
    mlperf = corpus.frame["origin"].str.startswith("mlperf")
    unit = corpus.frame["origin"].mask(mlperf, "submitter " + corpus.frame["submitter"]).to_numpy(dtype=object)
    first = np.array([r[0] for r in test.rows])
    place = holdout.balanced_folds(unit[first], classes_of(test.architecture), folds=5)
    row_fold = holdout.fold_numbers(unit, place)
    held = holdout.run(corpus, train, test, row_fold, say)
    return held.take(held.test.origin == "mlperf-inference")


def report(protocol: str, held: Heldout) -> Figures:
    """Return every figure of a protocol, by richness, for the model and the baselines."""
    out: Figures = []
    p = held.probabilities
    sets = held.sets(COVERAGE)
    for kind, name in SLICES.items():
        rows = held.test.kind == kind
        if rows.sum() >= 20:
            out += _slice(protocol, name, held, rows, p, sets)
    return out


def _slice(protocol: str, name: str, held: Heldout, rows: npt.NDArray[np.bool_], p: Floats,
           sets: npt.NDArray[np.bool_]) -> Figures:  # fmt: skip
    truth, origin = held.truth[rows], held.test.origin[rows]
    if protocol == "by-submitter":
        origin = held.test.submitter[rows]
    probabilities, n = p[rows], int(rows.sum())
    answer = np.asarray(CLASSES, dtype=object)[probabilities.argmax(axis=1)]
    out = _answers(protocol, name, truth, answer, origin, "shipped")
    for keep, rest, metric in ((metrics.FOUR, "rest", "macro_f1_four"), (metrics.SIX, "other", "macro_f1_six")):
        # Merged classes are answered by their summed probability.
        merged, classes = metrics.merge(probabilities, CLASSES, keep, rest)
        said = np.asarray(classes, dtype=object)[merged.argmax(axis=1)]
        counts = metrics.confusion(metrics.coarse(truth, keep, rest), said, origin, classes)
        out.append(metrics.figure(protocol, name, metric, metrics.interval(counts, metrics.macro_f1), n))
        if metric == "macro_f1_six":
            out.append(metrics.figure(protocol, name, "accuracy_six", metrics.interval(counts, metrics.accuracy), n))
    right = answer == truth
    top = probabilities.max(axis=1)
    true = np.array([CLASSES.index(t) for t in truth])
    picked = probabilities[np.arange(n), true]
    out.append(metrics.figure(protocol, name, "log_loss", metrics.mean_interval(-np.log(np.maximum(picked, 1e-12)), origin), n))
    out.append(metrics.figure(protocol, name, "calibration_error", metrics.calibration_error(top, right), n))
    surest = np.argsort(-top, kind="stable")[: int(0.8 * n)]
    out.append(metrics.figure(protocol, name, "accuracy_surest_80",
                              metrics.mean_interval(right[surest].astype(float), origin[surest]), len(surest)))  # fmt: skip
    inside = sets[rows][np.arange(n), true].astype(float)
    out.append(metrics.figure(protocol, name, "coverage", metrics.mean_interval(inside, origin), n))
    out.append(metrics.figure(protocol, name, "set_size", metrics.mean_interval(sets[rows].sum(axis=1).astype(float), origin), n))
    for k, class_ in enumerate(CLASSES):
        mine = true == k
        if mine.any():
            value = metrics.mean_interval(inside[mine], origin[mine])
            out.append(metrics.figure(protocol, name, "coverage", value, int(mine.sum()), class_=class_))
    if held.boosting[rows].astype(bool).all():
        out += _baselines(protocol, name, held, rows, truth, answer, origin)
    return out


def _baselines(protocol: str, name: str, held: Heldout, rows: npt.NDArray[np.bool_], truth: Labels, answer: Labels,
               origin: Labels) -> Figures:  # fmt: skip
    out = _answers(protocol, name, truth, held.boosting[rows], origin, "raw-boosting")
    out += _answers(protocol, name, truth, held.prototype[rows], origin, "nearest-prototype")
    usable = held.usable[rows]
    if usable.sum() >= 20:
        where = f"{name}, where the prototype rule has a figure"
        for said, model in ((answer, "shipped"), (held.prototype[rows], "nearest-prototype")):
            out += _answers(protocol, where, truth[usable], said[usable], origin[usable], model)
    return out


def _answers(protocol: str, name: str, truth: Labels, answer: Labels, origin: Labels, model: str) -> Figures:
    """Figures of plain answers."""
    out: Figures = []
    for keep, rest, metric in ((metrics.FOUR, "rest", "macro_f1_four"), (metrics.SIX, "other", "macro_f1_six")):
        if model == "shipped" and "where the prototype" not in name:
            continue
        classes = [*keep, rest]
        counts = metrics.confusion(metrics.coarse(truth, keep, rest), metrics.coarse(answer, keep, rest), origin, classes)
        out.append(metrics.figure(protocol, name, metric, metrics.interval(counts, metrics.macro_f1), len(truth), model))
    counts = metrics.confusion(truth, answer, origin, CLASSES)
    out.append(metrics.figure(protocol, name, "accuracy", metrics.interval(counts, metrics.accuracy), len(truth), model))
    for k, class_ in enumerate(CLASSES):
        n = int((truth == class_).sum())
        if n:
            value = metrics.interval(counts, lambda c, k=k: metrics.recall(c, k))  # type: ignore[misc]
            out.append(metrics.figure(protocol, name, "recall", value, n, model, class_))
            called = int((answer == class_).sum())
            value = metrics.interval(counts, lambda c, k=k: metrics.precision(c, k))  # type: ignore[misc]
            out.append(metrics.figure(protocol, name, "precision", value, called, model, class_))
    return out


def confusions(held: Heldout, kind: str = "tool") -> pd.DataFrame:
    """Return the table of true class against answer for one richness."""
    rows = held.test.kind == kind
    answer = np.asarray(CLASSES, dtype=object)[held.probabilities[rows].argmax(axis=1)]
    return pd.crosstab(pd.Series(held.truth[rows], name="truth"), pd.Series(answer, name="answer"))


def errors(held: Heldout, kind: str = "tool") -> pd.DataFrame:
    """Return one line a profile of one richness: where it came from, the truth, the answer and its probability."""
    rows = held.test.kind == kind
    p = held.probabilities[rows]
    part: Profiles = held.test.take(rows)
    return pd.DataFrame({"profile": part.name, "origin": part.origin, "chip": part.chip, "rows": part.size,
                         "truth": held.truth[rows], "answer": np.asarray(CLASSES, dtype=object)[p.argmax(axis=1)],
                         "probability": p.max(axis=1).round(3)})  # fmt: skip
