"""What an audit is worth: labels swapped on purpose against answers about submitters or sources that the model never saw.

Every profile is tested as :func:`fingerprint.audit.audit` tests it, with the calibration of the other folds only. Then, round
after round, a share of the labels is exchanged for that of a row of another class, until each had its turn a few times, and the board
is audited again: how many of the exchanged are called out, and how many of those left as they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fingerprint import chips
from fingerprint.answers import LEAST_BITS
from fingerprint.audit import COVERAGE, ERROR, LEVEL, adjusted, p_values
from fingerprint.claims import claimable, claimed_chips, class_of
from fingerprint.lab import metrics
from fingerprint.lab.holdout import Heldout
from fingerprint.lab.physics import claim_threshold
from fingerprint.measurements import Floats, Mask
from fingerprint.roofline import exclusions
from fingerprint.scorer import CLASSES, moved

#: Classes between which labels are swapped.
SWAPPED = ("hopper", "h20", "blackwell", "ampere")

#: Share of a board's labels that is wrong at a time.
SHARE = 0.1

#: How often each label is swapped, each time for another and beside others.
DRAWS = 4

Labels = npt.NDArray[np.object_]
Figures = list[dict[str, Any]]


@dataclass(frozen=True)
class Audited:
    """An audit of labelled profiles that the model has not seen.

    Attributes
    ----------
    table : DataFrame
        A line a profile with its true label: ``profile``, ``submitter``, ``origin``, ``board``, ``rows``, ``label``, ``class``,
        ``answer`` and ``probability`` (of the likeliest class), ``label_probability``, ``ground`` (physics, posterior or "" where
        no test was possible), ``p_value``, ``q_value``, ``flagged``, sorted by how surprising the label is.
    swaps : DataFrame
        A line a swap of a label: ``profile``, ``origin``, ``submitter``, ``class``, ``label`` (the false one), ``label_class``, ``allowed`` (the row's own
        evidence reaches the audit's error: physics, or a p-value of at most :data:`ERROR`), ``outside`` (the figures
        speak against the false class: it is outside the profile's prediction set, or physics excludes it), ``decided`` (the
        set holds one class), ``p_value``, ``flagged``.
    untouched : DataFrame
        A line for each true label that stood in the swapped boards and could be tested: ``origin``, ``submitter``, ``rounds``
        (boards it stood in) and ``flagged`` (those in which it was called out).
    """

    table: pd.DataFrame
    swaps: pd.DataFrame
    untouched: pd.DataFrame

    def figures(self, protocol: str = "audit", by: str = "origin", *, boards: bool = False) -> Figures:
        """Return the study's figures for figures.json, intervals over the values of column ``by``; how many each board calls out if asked.

        ``swap_detected`` over swapped labels (all, and where the evidence allows), ``evidence_allows``, ``false_flags`` of true
        labels on boards with and without swaps, ``tested``.
        """
        out: Figures = []

        def put(slice_: str, metric: str, part: pd.DataFrame, column: str, class_: str | None = None) -> None:
            if len(part):
                value = metrics.mean_interval(part[column].to_numpy(dtype=float), part[by].to_numpy(dtype=object))
                out.append(metrics.figure(protocol, slice_, metric, value, len(part), class_=class_))

        swaps, tested = self.swaps, self.table[self.table["ground"] != ""]
        for class_ in (None, *SWAPPED):
            part = swaps if class_ is None else swaps[swaps["class"] == class_]
            put("swapped labels", "evidence_allows", part, "allowed", class_)
            put("swapped labels", "swap_detected", part, "flagged", class_)
            put("swapped labels, where the evidence allows", "swap_detected", part[part["allowed"]], "flagged", class_)
            put("swapped labels, outside the 90 % set", "swap_detected", part[part["outside"]], "flagged", class_)
            put("swapped labels, one class in the set", "swap_detected", part[part["decided"]], "flagged", class_)
        rounds = self.untouched.assign(share=self.untouched["flagged"] / self.untouched["rounds"])
        put("true labels, beside swapped ones", "false_flags", rounds, "share")
        put("true labels, none swapped", "false_flags", tested, "flagged")
        put("true labels", "tested", self.table.assign(tested=self.table["ground"] != ""), "tested")
        for board, part in self.table.groupby("board") if boards else ():
            called = part[part["ground"] != ""]
            out.append(metrics.figure(protocol, f"round {board}", "labels_called_out", float(called["flagged"].sum()), len(called)))
        return out

    def called_out(self) -> Figures:
        """Return the true labels that were called out, the most surprising first, as plain rows."""
        names = ["board", "submitter", "profile", "label", "answer", "probability", "label_probability", "ground", "p_value", "q_value"]
        rows = self.table.loc[self.table["flagged"], names].to_dict("records")
        return [{str(k): round(v, 6) if isinstance(v, float) else v for k, v in row.items()} for row in rows]


def rounds(held: Heldout) -> Audited:
    """Return the audit of MLPerf's rounds, each a board of its own."""
    return study(held, board=np.array([str(name).split("/")[1] for name in held.test.name], dtype=object))


class _Tester:
    """Tests claims about the chosen profiles, each fold with limits from the others."""

    def __init__(self, held: Heldout, rows: Mask) -> None:
        self.at = np.flatnonzero(rows)
        self.p, self.fold = held.probabilities[self.at], held.fold[self.at]
        self.calibrations = held.calibrations
        prior = next(iter(self.calibrations.values())).prior
        self.enough = (held.scores.known[self.at] > 0) & (moved(self.p, prior) >= LEAST_BITS)
        self.limited = {f: np.array([v > 0 for v in claim_threshold(held, held.fold != f).values()]) for f in held.calibrations}
        self.gone: list[set[str]] = [set() for _ in self.at]
        place = {int(r): i for i, r in enumerate(self.at)}
        for e in exclusions(held.test.table()):
            if int(e.profile) in place:
                self.gone[place[int(e.profile)]].add(e.chip)

    def excluded(self, label: Labels) -> Mask:
        """Return whether physics excludes every chip that a label means; False for "" (no label).

        A label that is an architecture alone may mean a chip that is not in the table.
        """
        members = {name: set(claimed_chips(name)[1]) for name in set(label.tolist()) if name and chips.resolve(name) is not None}
        return np.array([name in members and members[name] <= gone for name, gone in zip(label, self.gone, strict=True)], dtype=bool)

    def test(self, label: Labels) -> tuple[Floats, Labels]:
        """Return the p-value of each label and what it rests on; NaN and "" where nothing can be tested."""
        column = columns(label)
        value = np.full(len(label), np.nan)
        ground = np.full(len(label), "", dtype=object)
        for fold in np.unique(self.fold):
            here = np.flatnonzero((self.fold == fold) & (label != "") & self.enough)
            k = column[here]
            statistic = p_values(self.calibrations[int(fold)], self.p[here], k)
            mine = self.limited[int(fold)][k]
            value[here], ground[here] = np.where(mine, statistic, 1.0), np.where(mine, "posterior", "physics")
        physics = self.excluded(label)
        value[physics], ground[physics] = 0.0, "physics"
        return value, ground


def columns(label: Labels) -> npt.NDArray[np.int64]:
    """Return the number of the class that each label claims; that of ``unknown`` for none."""
    number = {name: CLASSES.index(class_of(name, CLASSES)) if name else len(CLASSES) - 1 for name in set(label.tolist())}
    return np.array([number[name] for name in label], dtype=np.int64)


def _called_out(p: Floats, board: Labels, level: float) -> tuple[Mask, Floats]:
    q = np.full(len(p), np.nan)
    for name in np.unique(board.astype(str)):
        here = board.astype(str) == name
        q[here] = adjusted(p[here], level)
    return q <= level, q


def study(held: Heldout, level: float = LEVEL, share: float = SHARE, draws: int = DRAWS, seed: int = 0,
          board: Labels | None = None) -> Audited:  # fmt: skip
    """Return the audit of labelled profiles by models that did not see their submitter or source.

    Each profile stands on its board once, whole.

    Parameters
    ----------
    held : Heldout
        Answers of a protocol, such as by submitter.
    level : float
        False discovery rate of the audit.
    share : float
        Share of the labels that is swapped at a time.
    draws : int
        How often each label is swapped.
    seed : int
    board : ndarray of str, shape (n_profiles,), optional
        The board that each profile of ``held`` stands on, audited by itself, such as its round; by default one board of all.
    """
    tester = _Tester(held, held.test.whole)
    at, test = tester.at, held.test.take(held.test.whole)
    boards = np.full(len(at), "", dtype=object) if board is None else board[at]
    # A label of an architecture that no chip of the table has can't be claimed.
    stated = np.where(test.chip == "", test.architecture, test.chip)
    label = np.array([s if claimable(str(s)) else "" for s in stated], dtype=object)
    truth, inside = held.truth[at], held.sets(COVERAGE)[at]
    p, ground = tester.test(label)
    flagged, q = _called_out(p, boards, level)
    top, column = tester.p.argmax(axis=1), columns(label)
    table = pd.DataFrame({
        "profile": test.name, "submitter": test.submitter, "origin": test.origin, "board": boards, "rows": test.size, "label": label,
        "class": truth, "answer": np.asarray(CLASSES, dtype=object)[top], "probability": tester.p.max(axis=1),
        "label_probability": np.where(label == "", np.nan, tester.p[np.arange(len(at)), column]), "ground": ground,
        "p_value": p, "q_value": q, "flagged": flagged})  # fmt: skip
    rng = np.random.default_rng(seed)
    able = np.flatnonzero(np.isin(truth.astype(str), SWAPPED) & (label != "") & (ground != ""))
    rounds, hits = np.zeros(len(at)), np.zeros(len(at))
    swapped: list[pd.DataFrame] = []
    groups = min(max(1, round(1.0 / share)), max(len(able), 1))
    for part in (p for _ in range(draws) for p in np.array_split(rng.permutation(able), groups)):
        false = label.copy()
        for i in part:
            false[i] = _other_label(rng, i, able, truth, label, boards)
        part = part[false[part] != label[part]]
        value, _ = tester.test(false)
        called, _ = _called_out(value, boards, level)
        left = np.setdiff1d(np.flatnonzero(~np.isnan(value)), part)
        rounds[left] += 1
        hits[left] += called[left]
        claimed, gone = columns(false)[part], tester.excluded(false)[part]
        swapped.append(pd.DataFrame({
            "profile": test.name[part], "origin": test.origin[part], "submitter": test.submitter[part], "class": truth[part],
            "label": false[part], "label_class": np.asarray(CLASSES, dtype=object)[claimed],
            "allowed": value[part] <= ERROR, "outside": ~inside[part, claimed] | gone, "decided": inside[part].sum(axis=1) == 1,
            "p_value": value[part], "flagged": called[part]}))  # fmt: skip
    stood = rounds > 0
    untouched = pd.DataFrame({"profile": test.name, "origin": test.origin, "submitter": test.submitter, "rounds": rounds, "flagged": hits})
    return Audited(table.sort_values(["p_value", "label_probability"], kind="stable", ignore_index=True),
                   pd.concat(swapped, ignore_index=True), untouched[stood].reset_index(drop=True))  # fmt: skip


def _other_label(rng: np.random.Generator, i: int, able: npt.NDArray[np.int64], truth: Labels, label: Labels, board: Labels) -> str:
    """Return the label of a row of another class on the same board, each class as likely; the row's own where there is none."""
    rest = able[(truth[able] != truth[i]) & (board[able] == board[i])]
    if not len(rest):
        return str(label[i])
    class_ = rng.choice(sorted({str(t) for t in truth[rest]}))
    return str(label[rng.choice(rest[truth[rest] == class_])])


def describe(audited: Audited, most: int = 20) -> str:
    """Return the study in words: its figures, and the true labels that were called out."""
    lines = [f"{', '.join(filter(None, (f['slice'], f['metric'], f['class'])))}: {metrics.in_words(f)}" for f in audited.figures()]
    strange = audited.table[audited.table["flagged"]]
    if len(strange):
        shown = strange.head(most)[["profile", "label", "answer", "probability", "label_probability", "ground", "p_value"]]
        lines += ["", f"{len(strange):,} true labels that their figures do not fit:", shown.to_string(index=False)]
    return "\n".join(lines)
