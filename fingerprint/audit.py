"""A whole board against its labels: which profiles' figures don't fit what they are said to come from, and how surely.

For each profile the claim is tested. Physics: every chip that the label may mean is excluded by a figure; then p = 0, for no
slow machine forges a fast figure. Statistics: the share of true profiles of the class, whole and from sources never seen, to which
their own label was as improbable. Over all tested profiles an adaptive Benjamini-Hochberg procedure keeps the expected share
of false findings among those called out below a stated level. Whoever is called out is not accused: labels, units,
counts and precisions are mistyped often, so each finding comes with what would explain it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprint import chips, workloads
from fingerprint.answers import answers
from fingerprint.claims import claim, claimable, claimed_chips, class_of, says
from fingerprint.copies import Copies, copies
from fingerprint.errors import InputError
from fingerprint.measurements import SUMS, Floats, Measurements, Words
from fingerprint.roofline import Exclusion, exclusions, sheet_ceilings
from fingerprint.scorer import Calibration, Model, shipped
from fingerprint.slips import Slip, slips

#: Share of false findings among those called out that is put up with.
LEVEL = 0.2

#: Share of true labels that may be called out: no label against which the figures speak less clearly is.
ERROR = 0.01

#: Share of true profiles whose probabilities tell how the tail beyond falls, and the steepest fall that is believed: sources
#: are not exchangeable, the next one may be stranger than those known.
TAIL, STEEPEST = 0.05, 3.0

#: Different values that a tail is read from at least.
FEWEST = 3

#: A posterior alone is never surer than this, however far a probability lies beyond what was seen. Physics is.
LEAST = 1e-4

#: Of the prediction sets that say whether a verdict is decided.
COVERAGE = 0.9

#: What is behind most labels that don't fit.
INNOCENT = ("a unit or prefix that was mistyped", "a number of accelerators other than stated",
            "a precision other than stated (FP8 called BF16, sparse figures called dense)",
            "other work than named (an open division may change a model, its steps or its sparsity)",
            "a slip in the chip's name, or a label copied from another row")  # fmt: skip


#: MLPerf's open division as a part of a profile's name.
_OPEN = re.compile(r"(?:^|/)open(?:/|$)")


@dataclass(frozen=True)
class Line:
    """One profile of a board.

    Attributes
    ----------
    profile : str
    label : tuple of str
        What the board says it is, as written.
    claimed : str
        The same as a chip, family or architecture; "" where it is not understood.
    answer, architecture, probability
        The verdict without the label: ``likely``, ``undecided`` or ``insufficient``, the likeliest class and its probability.
    claimed_class, claimed_probability
        The class of what is claimed, and what the figures give it.
    result, why : str
        ``consistent``, ``inconsistent`` or ``inconclusive`` as for one claim alone, to which ``unknown`` is a rival as any other, or
        "" where no test was possible; why.
    ground : str
        ``physics`` or ``posterior``, what the p-value rests on; "" where no test was possible.
    p_value : float
        Chance that a true label fits as badly; NaN where no test was possible.
    q_value : float
        The p-value adjusted for all tested ones (:func:`adjusted`): called out where it is at most the audit's level.
    flagged : bool
        Whether it does not fit its label at the audit's level.
    innocent : tuple of str
        Explanations that the figures themselves suggest, for flagged ones.
    rows_used : int
        Figures that were read.
    """

    profile: str
    label: tuple[str, ...]
    claimed: str
    answer: str
    architecture: str
    probability: float
    claimed_class: str
    claimed_probability: float
    result: str
    why: str
    ground: str
    p_value: float
    q_value: float
    flagged: bool
    innocent: tuple[str, ...]
    rows_used: int

    def to_dict(self) -> dict[str, Any]:
        """Return the line as plain JSON types."""
        plain = {k: list(v) if isinstance(v, tuple) else v for k, v in vars(self).items()}
        for name in ("probability", "claimed_probability", "p_value", "q_value"):
            plain[name] = None if np.isnan(plain[name]) else float(f"{plain[name]:.4g}")
        return {k: None if v == "" else v for k, v in plain.items()}


@dataclass(frozen=True)
class Audit:
    """What an audit found: a line a profile in the board's order, and what concerns several of them."""

    lines: tuple[Line, ...]
    copies: tuple[Copies, ...]
    slips: tuple[Slip, ...]
    level: float
    model: dict[str, str]

    @property
    def flagged(self) -> tuple[Line, ...]:
        """Those that don't fit their label, the most surprising first."""
        return tuple(sorted((x for x in self.lines if x.flagged), key=lambda x: (x.p_value, x.claimed_probability)))

    @property
    def tested(self) -> int:
        """How many labels could be tested."""
        return sum(bool(x.ground) for x in self.lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the audit as plain JSON types."""
        return {"level": self.level, "profiles": len(self.lines), "tested": self.tested, "flagged": len(self.flagged),
                "lines": [x.to_dict() for x in self.lines], "equal_figures": [c.to_dict() for c in self.copies],
                "unit_slips": [s.to_dict() for s in self.slips], "innocent_explanations": list(INNOCENT), "model": dict(self.model)}  # fmt: skip


def p_values(calibration: Calibration, probabilities: Floats, column: npt.NDArray[np.int64]) -> Floats:
    """Return how often whole profiles of a class, of sources never seen, make it as improbable as a label is, shape (n,).

    How probable a label is: :meth:`fingerprint.scorer.Calibration.label_probability`. The p-value is read
    from conformal quantiles, to the safe side. Beyond the last of them (1 % or more of the true profiles) the
    tail is a power of the probability, ``p ~ t**a`` (an exponential tail of ``-log t``). Where probabilities are calibrated
    ``a`` is 1 or more: the share of a class's profiles below ``t`` is the mean probability there times the share of all
    profiles there, over the prior. How much more is read from the tail that is known (:data:`TAIL`; after Hill 1975,
    doi:10.1214/aos/1176343247), up to :data:`STEEPEST`; and no p-value is below :data:`LEAST`.

    Parameters
    ----------
    calibration : Calibration
    probabilities : ndarray of shape (n, n_classes)
    column : ndarray of int, shape (n,)
        The claimed class's number.
    """
    levels = np.linspace(0.0, 1.0, calibration.label_quantiles.shape[1])
    probability = calibration.label_probability(probabilities, column)
    out = np.ones(len(probability))
    for k in np.unique(column):
        strange = calibration.label_quantiles[k]
        here = column == k
        score = 1.0 - probability[here]
        below = np.searchsorted(strange, score, side="left")
        p = 1.0 - np.where(below > 0, levels[np.maximum(below - 1, 0)], 0.0)
        known = np.flatnonzero(strange < 1.0)
        if len(known):
            last, least = known[-1], 1.0 - strange[known[-1]]
            tail = score > strange[last]
            p[tail] = (1.0 - levels[last]) * (probability[here][tail] / least) ** _steepness(1.0 - strange[known], levels[known])
        out[here] = np.maximum(p, LEAST)
    return out


def _steepness(probability: Floats, level: Floats) -> float:
    """Return the power of a tail from its quantiles: probabilities that fall as their level rises."""
    tail = level >= min(1.0 - TAIL, level[-1]) - 1e-9
    t, share = probability[tail], 1.0 - level[tail]
    fall = float(np.log(t[0] / t).sum())
    # Few profiles fill many quantiles with the same few values: no tail can be read from those.
    return min(STEEPEST, float(np.log(share[0] / share).sum()) / fall) if len(np.unique(t)) >= FEWEST else 1.0


def adjusted(p: Floats, level: float) -> Floats:
    """Return adjusted p-values: those of at most ``level`` are called out, of which that share is expected to be false.

    The procedure of Benjamini and Hochberg (1995) bounds the rate by the level times the share of true labels. That share is
    estimated from the p-values above the level, of which wrong labels have few (Storey, Taylor and Siegmund 2004,
    doi:10.1111/j.1467-9868.2004.00439.x); with this very cut the estimate does not run away on a board whose figures all err
    alike (Blanchard and Roquain 2009, section 3.2). What lies above :data:`ERROR` is never called out, so that on a small board, or on
    one whose figures all err alike, no more true labels are than on a large one. NaN, no test, stays NaN and does not count.
    """
    out = np.full(len(p), np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    above = np.count_nonzero(p[tested] > level)
    true = min(1.0, (above + 1.0) / ((1.0 - level) * max(len(tested), 1)))
    raised = np.where(p[order] > min(level, ERROR), 1.0, true * p[order] * len(order) / np.arange(1, len(order) + 1))
    out[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1.0)
    return out


def understood(label: Sequence[str]) -> tuple[str, str]:
    """Return what a board's words claim, and "" or why they can't be tested.

    Several words may stand for one profile: those that are no chip's name are passed over; those that are must name chips
    of one class, and the first counts.
    """
    words = [w for w in dict.fromkeys(label) if w.strip()]
    if not words:
        return "", "the board gives it no label"
    known = {claimed_chips(w)[0]: claimed_chips(w)[1] for w in words if claimable(w)}
    if not known:
        return "", f"its label {words[0]!r} names no chip of the table: one that is not known here, or a typing error"
    classes = {chips.table()[members[0]].architecture for members in known.values()}
    if len(classes) > 1:
        return "", f"its rows carry several labels: {', '.join(known)}"
    return next(iter(known)), ""


def audit(measurements: Measurements, labels: Mapping[str, Sequence[str]] | None = None, level: float = LEVEL,
          model: Model | None = None, say: Callable[[str], None] = lambda _: None) -> Audit:  # fmt: skip
    """Return which profiles of a board don't fit their label, which share figures, and which figures a unit slip explains.

    Parameters
    ----------
    measurements : Measurements
        A board; a profile is what carries one label.
    labels : mapping of profile to words, optional
        What each profile is said to be; by default what its file says, ``measurements.identity``.
    level : float
        Expected share of false findings among those called out, between 0 and 1.
    model : Model, optional
        The shipped one by default.
    say : callable
        Told what is going on.

    Raises
    ------
    InputError
        For a level out of range, or a board of which no profile carries a label that is understood.
    """
    if not 0.0 < level < 1.0:
        raise InputError(f"must lie between 0 and 1, got {level:g}", "level")
    names = measurements.profiles
    said = {n: tuple((measurements.identity if labels is None else labels).get(n, ())) for n in names}
    claimed = {n: understood(said[n]) for n in names}
    if not any(name for name, _ in claimed.values()):
        raise InputError("no profile carries a label that names a chip; name their column with --claimed-column, see 'fingerprint chips'", "the board")
    model = model or shipped()
    say(f"{len(names):,} profiles, {len(measurements):,} figures")
    found = answers(measurements, model, np.ones(len(model.classes), dtype=bool), COVERAGE)
    p, enough, words = found.probabilities, found.enough, found.words()
    figures = np.bincount(measurements.profile_numbers()[found.used], minlength=len(names))
    gone: dict[str, list[Exclusion]] = {n: [] for n in names}
    for e in exclusions(measurements):
        gone[e.profile].append(e)
    say("holding labels against figures")
    column = np.array([model.classes.index(class_of(name, model.classes)) if name else -1 for name, _ in claimed.values()], dtype=np.int64)
    limited = np.array([model.claim_limits.get(c, 0.0) > 0 for c in model.classes])
    value, ground = _tests(model, p, column, enough & limited[column], enough, [(claimed[n][0], gone[n]) for n in names])
    q = adjusted(value, level)
    found_slips = slips(measurements, {n: name for n, (name, _) in claimed.items()})
    slip_of: dict[str, list[Slip]] = {}
    for s in found_slips:
        slip_of.setdefault(s.profile, []).append(s)
    lines = []
    for i, n in enumerate(names):
        name, why = claimed[n]
        top = int(p[i].argmax())
        odds = {c: float(p[i, k]) for k, c in enumerate(model.classes)}
        told = claim(name, gone[n], odds if enough[i] else None, model.claim_limits) if name else None
        if told:
            nearest = _nearest(name, gone[n])
            why = f"{says(nearest)}." if nearest else told.why if ground[i] else "its figures hardly say anything"
        flagged = bool(q[i] <= level)
        lines.append(Line(
            profile=n, label=said[n], claimed=name,
            answer=words[i],
            architecture=model.classes[top] if enough[i] else "", probability=float(p[i, top]) if enough[i] else np.nan,
            claimed_class=model.classes[column[i]] if name else "", claimed_probability=float(p[i, column[i]]) if name and enough[i] else np.nan,
            result=told.result if told and ground[i] else "", why=why, ground=ground[i],
            p_value=float(value[i]), q_value=float(q[i]), flagged=flagged,
            innocent=_innocent(measurements, n, name, gone[n], slip_of.get(n, ())) if flagged else (), rows_used=int(figures[i]),
        ))  # fmt: skip
    return Audit(tuple(lines), tuple(copies(measurements, {n: name for n, (name, _) in claimed.items()})), tuple(found_slips), level,
                 {"version": model.version, "data": model.data})  # fmt: skip


def _tests(model: Model, p: Floats, column: npt.NDArray[np.int64], asked: npt.NDArray[np.bool_], enough: npt.NDArray[np.bool_],
           by_profile: Sequence[tuple[str, Sequence[Exclusion]]]) -> tuple[Floats, list[str]]:  # fmt: skip
    """Return a p-value a profile, NaN where nothing can be tested, and what each rests on.

    A class without a limit of its own (too few true profiles were held out) is tested by physics alone: p is 0 or 1.
    """
    value = np.full(len(p), np.nan)
    ground = [""] * len(p)
    statistic = p_values(model.calibration, p, column)
    for i, (name, gone) in enumerate(by_profile):
        if not name:
            continue
        if _nearest(name, gone):
            value[i], ground[i] = 0.0, "physics"
        elif asked[i]:
            value[i], ground[i] = statistic[i], "posterior"
        elif enough[i]:
            value[i], ground[i] = 1.0, "physics"
    return value, ground


def _nearest(name: str, gone: Sequence[Exclusion]) -> Exclusion | None:
    """Return the exclusion of the claimed chip that comes nearest to the figures; None unless all that the name means are excluded.

    An architecture's name alone may mean a chip that is not in the table, which no exclusion of others refutes.
    """
    if chips.resolve(name) is None:
        return None
    members = set(claimed_chips(name)[1])
    of_claim = [e for e in gone if e.chip in members]
    return min(of_claim, key=lambda e: (e.margin / e.tolerance, e.chip)) if {e.chip for e in of_claim} == members else None


def _innocent(table: Measurements, profile: str, name: str, gone: Sequence[Exclusion], slipped: Sequence[Slip]) -> tuple[str, ...]:
    """Return what a profile that does not fit suggests: a unit, a precision, a count, or a division that may change the work."""
    out = [f"a unit: {s.says()}" for s in slipped]
    if _OPEN.search(profile):
        out.append("other work: the open division may change a model, its steps or its sparsity")
    e = _nearest(name, gone)
    if e is None:
        return tuple(out)
    at = np.flatnonzero((table.row == e.row) & table.word("profile").equals(e.profile))
    if len(at) and _fits_as_tokens(table.take(at[:1]), e.chip):
        out.append(f"a unit: row {e.row} is within reach of {e.chip} as tokens a second")
    wide = [q for q in ("fp8", "int8", "fp4") if sheet_ceilings(f"compute {q}").get(e.chip, np.nan) * e.tolerance >= e.achieved]
    if e.quantity.startswith("compute ") and wide:
        out.append(f"a precision: as {wide[0].upper()} row {e.row} is within reach of {e.chip}")
    count = _count(table, at)
    factor = next((f for f in (2.0, 4.0, 8.0) if e.margin <= f * e.tolerance), None)
    if factor and np.isnan(count):
        out.append(f"a count: row {e.row} would fit if it is the sum over {factor:.0f} accelerators")
    elif factor:
        out.append(f"a count: row {e.row} would fit on {count * factor:.0f} accelerators rather than {count:.0f}")
    return tuple(out)


def _fits_as_tokens(row: Measurements, chip: str) -> bool:
    """Return whether a language model's samples or requests a second exclude a chip only if they are no tokens."""
    kind = workloads.table().get(row.word("workload")[0])
    if kind is None or kind.kind != "llm" or not row.word("unit").equals("sample/s", "request/s")[0]:
        return False
    words = {**row.words, "quantity": Words.constant("output_throughput", 1), "unit": Words.constant("token/s", 1)}
    return chip not in {e.chip for e in exclusions(replace(row, words=words))}


def _count(table: Measurements, at: npt.NDArray[np.intp]) -> float:
    """Return the count that a figure was divided by; NaN where it is given for one accelerator."""
    shared = table.word("quantity").equals(*SUMS) & ~table.word("scope").equals("accelerator")
    return float(table.number("accelerators")[at[0]]) if len(at) and shared[at[0]] else float("nan")
