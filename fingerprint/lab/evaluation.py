"""What the answers of a protocol are worth: each figure with its count and interval, ours and the baselines'."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fingerprint import chips
from fingerprint.answers import LEAST_BITS
from fingerprint.candidates import candidates
from fingerprint.lab import metrics
from fingerprint.lab.holdout import Heldout
from fingerprint.lab.lessons import Labels, right_candidates
from fingerprint.lab.masking import IDENTITY_ONLY
from fingerprint.lab.profiles import Profiles
from fingerprint.lab.protocols import FAMILIES, open_truth
from fingerprint.measurements import Floats, Mask
from fingerprint.scorer import CLASSES, UNKNOWN, class_of_candidate, moved

#: How the slices by richness are called in figures.json.
SLICES = {"figure": "1 figure", "run": "one run", "tool": "one tool, at least 4 rows", "tools": "several tools"}
COVERAGE = 0.9

#: Where the nearest-prototype rule has a figure, errors are compared on these profiles alone.
WHERE = "where the prototype rule has a figure"

#: Chips of one class that are sold as different things.
WITHIN = ("hopper", "blackwell", "h20")

#: Profiles that a slice needs to be reported.
FEWEST = 20

Figures = list[dict[str, Any]]


def report(protocol: str, held: Heldout) -> Figures:
    """Return every figure of a protocol, by richness, for the model and the baselines."""
    out: Figures = []
    p = held.probabilities
    sets = held.sets(COVERAGE)
    for kind, name in SLICES.items():
        rows = held.test.kind == kind
        if rows.sum() >= FEWEST:
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
        counts = _merged_counts(probabilities, truth, origin, keep, rest)
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
    return out + _chips(protocol, name, held.take(rows), origin)


def _baselines(protocol: str, name: str, held: Heldout, rows: npt.NDArray[np.bool_], truth: Labels, answer: Labels,
               origin: Labels) -> Figures:  # fmt: skip
    out = _answers(protocol, name, truth, held.boosting[rows], origin, "raw-boosting")
    out += _answers(protocol, name, truth, held.prototype[rows], origin, "nearest-prototype")
    usable = held.usable[rows]
    if usable.sum() >= FEWEST:
        where = f"{name}, {WHERE}"
        rule = held.prototype[rows]
        for said, model in ((answer, "shipped"), (rule, "nearest-prototype")):
            out += _answers(protocol, where, truth[usable], said[usable], origin[usable], model)
        missed = [float((said[usable] != truth[usable]).mean()) for said in (answer, rule)]
        out.append(metrics.figure(protocol, where, "error_against_prototype", missed[0] / missed[1] if missed[1] else float("nan"), int(usable.sum())))
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


def _chips(protocol: str, name: str, held: Heldout, origin: Labels) -> Figures:
    """Figures of the likeliest chip: over all classes, and where the class is given, of one class's chips.

    ``chip_top1`` is the share whose likeliest chip is the true one, a guess among equal twins counted by its chance;
    ``chip_within_twins`` counts any twin. Labels that name a family count for the latter alone.
    """
    known, table = candidates(), chips.table()
    right = np.zeros((len(held.test), len(known.ids)), dtype=bool)
    for i, (label, architecture) in enumerate(zip(held.test.chip, held.test.architecture, strict=True)):
        right[i, list(right_candidates(str(label), str(architecture)))] = True
    exact = np.array([str(c) in table for c in held.test.chip], dtype=bool)
    chance = np.array([1.0 / len(mine) for mine in known.members])
    of = class_of_candidate()
    named = right.any(axis=1) & (held.scores.figures > 0)
    out: Figures = []

    def put(slice_: str, probability: Floats, rows: Mask, class_: str | None) -> None:
        best = probability.argmax(axis=1)
        hit = right[np.arange(len(best)), best]
        for metric, value, asked in (("chip_within_twins", hit.astype(float), rows), ("chip_top1", hit * chance[best], rows & exact)):
            if asked.sum() >= FEWEST:
                out.append(metrics.figure(protocol, slice_, metric, metrics.mean_interval(value[asked], origin[asked]),
                                          int(asked.sum()), class_=class_))  # fmt: skip

    put(name, held.probabilities[:, of] * held.scores.chips, named, None)
    for class_ in WITHIN:
        mine = of == CLASSES.index(class_)
        put(f"{name}, class given", held.scores.chips * mine, named & (held.truth == class_), class_)
    return out


def masked(held: Heldout) -> Figures:
    """Return what each masking does to the answers about the profiles that were masked, beside the same unmasked.

    ``macro_f1_four_lost`` is against the unmasked; of maskings that change names alone, ``changed_outputs`` counts the profiles
    of which any probability changed.
    """
    plain = held.under(None)
    out: Figures = []
    before = 0.0
    for name in (None, *held.masked):
        part = held.under(name)
        protocol = name or "masked-none"
        p, origin, n = part.probabilities, part.test.origin, len(part.test)
        for keep, rest, metric in ((metrics.FOUR, "rest", "macro_f1_four"), (metrics.SIX, "other", "macro_f1_six")):
            value = metrics.interval(_merged_counts(p, part.truth, origin, keep, rest), metrics.macro_f1)
            out.append(metrics.figure(protocol, SLICES["tool"], metric, value, n))
            if metric == "macro_f1_four":
                before = before if name else value[0]
                if name:
                    out.append(metrics.figure(protocol, SLICES["tool"], "macro_f1_four_lost", before - value[0], n))
        true = np.array([CLASSES.index(t) for t in part.truth])
        inside = part.sets(COVERAGE)[np.arange(n), true].astype(float)
        out.append(metrics.figure(protocol, SLICES["tool"], "coverage", metrics.mean_interval(inside, origin), n))
        is_h20 = np.asarray(part.truth == "h20", dtype=bool)
        if is_h20.any():
            called = (p[is_h20].argmax(axis=1) == CLASSES.index("h20")).astype(float)
            out.append(metrics.figure(protocol, SLICES["tool"], "recall", metrics.mean_interval(called, origin[is_h20]), len(called), class_="h20"))
        if name in IDENTITY_ONLY:
            changed = float((p != plain.probabilities).any(axis=1).sum())
            out.append(metrics.figure(protocol, SLICES["tool"], "changed_outputs", changed, n))
    return out


def open_set(held: Heldout, family: str) -> Figures:
    """Return how a family that nobody knows is answered, by richness, beside others that are known.

    ``auroc_unknown``: the probability of ``unknown`` of the family's profiles against the others'. ``unknown_in_set``,
    ``unknown_or_kin_in_set``: what its prediction sets hold. ``called_another``: the share of its profiles that got one known class alone.
    """
    truth = open_truth(held, family)
    p, sets = held.probabilities, held.sets(COVERAGE)
    kin = [CLASSES.index(c) for c in FAMILIES[family][1]]
    unknown = CLASSES.index(UNKNOWN)
    enough = moved(p, next(iter(held.calibrations.values())).prior) >= LEAST_BITS
    alone = (sets.sum(axis=1) == 1) & ~sets[:, unknown] & enough
    out: Figures = []
    for kind, name in SLICES.items():
        rows = held.test.kind == kind
        new = rows & (truth == UNKNOWN) & (held.truth != UNKNOWN)
        known = rows & (truth != UNKNOWN)
        slice_ = f"{family}, {name}"
        if not new.any() or not known.any():
            continue
        both = new | known
        area = metrics.auroc(p[both, unknown], new[both], held.test.origin[both])
        out.append(metrics.figure("open-set", slice_, "auroc_unknown", area, int(both.sum())))
        for metric, value in (("unknown_in_set", sets[:, unknown]), ("unknown_or_kin_in_set", sets[:, [unknown, *kin]].any(axis=1)),
                              ("called_another", alone)):  # fmt: skip
            share = metrics.mean_interval(np.asarray(value, dtype=float)[new], held.test.origin[new])
            out.append(metrics.figure("open-set", slice_, metric, share, int(new.sum())))
    return out


def _merged_counts(p: Floats, truth: Labels, origin: Labels, keep: dict[str, str], rest: str) -> Floats:
    """Return confusion counts of merged classes, which are answered by their summed probability."""
    merged, classes = metrics.merge(p, CLASSES, keep, rest)
    said = np.asarray(classes, dtype=object)[merged.argmax(axis=1)]
    return metrics.confusion(metrics.coarse(truth, keep, rest), said, origin, classes)


def confusions(held: Heldout, kind: str = "tool") -> Figures:
    """Return how many profiles of each true class got each answer, for one richness: ``truth``, ``answer``, ``n``."""
    rows = held.test.kind == kind
    answer = np.asarray(CLASSES, dtype=object)[held.probabilities[rows].argmax(axis=1)]
    counts = Counter(zip(held.truth[rows].tolist(), answer.tolist(), strict=True))
    return [{"truth": truth, "answer": said, "n": n} for (truth, said), n in sorted(counts.items())]


def errors(held: Heldout, kind: str = "tool") -> pd.DataFrame:
    """Return one line a profile of one richness: where it came from, the truth, the answer and its probability."""
    rows = held.test.kind == kind
    p = held.probabilities[rows]
    part: Profiles = held.test.take(rows)
    return pd.DataFrame({"profile": part.name, "origin": part.origin, "chip": part.chip, "rows": part.size,
                         "truth": held.truth[rows], "answer": np.asarray(CLASSES, dtype=object)[p.argmax(axis=1)],
                         "probability": p.max(axis=1).round(3)})  # fmt: skip
