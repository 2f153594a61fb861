"""What the model answers about each profile of a table, as arrays: the ground of a verdict and of a table of very many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprint.evidence import posterior, prior
from fingerprint.features import usable
from fingerprint.measurements import Floats, Mask, Measurements
from fingerprint.roofline import excluded_chips, exclusions
from fingerprint.sampling import chosen
from fingerprint.scorer import CLASSES, UNKNOWN, Model, Scores, Seen, class_of_candidate, moved

#: A posterior nearer to the prior than this many bits says nothing yet: "insufficient".
LEAST_BITS = 0.25


@dataclass(frozen=True, eq=False, repr=False)
class Answers:
    """The answers about n profiles, in the order of ``table.profiles``.

    Attributes
    ----------
    used : ndarray of bool, shape (n_rows,)
        Rows of the table that say something.
    scored : ndarray of bool, shape (n_rows,)
        Rows that the probabilities rest on, see :mod:`fingerprint.sampling`; all but those left out of very large profiles.
    table : Measurements
        The rows that were scored.
    seen : Seen
        These rows as the model looked at them.
    gone : ndarray of bool, shape (n, n_chips)
        Chips that the figures of all rows exclude.
    scores : Scores
        What the experts said.
    probabilities : ndarray of shape (n, n_classes)
    inside : ndarray of bool, shape (n, n_classes)
        Prediction sets.
    enough : ndarray of bool, shape (n,)
        Whether the figures say anything: else the answer is "insufficient".
    """

    used: Mask
    scored: Mask
    table: Measurements
    seen: Seen
    gone: Mask
    scores: Scores
    probabilities: Floats
    inside: Mask
    enough: Mask

    def candidates(self, profile: int, allowed: Mask) -> Floats:
        """Return the probability of each candidate chip for one profile, shape (n_candidates,)."""
        of = class_of_candidate()
        return np.asarray(np.where(allowed, self.probabilities[profile], 0.0)[of] * self.scores.chips[profile])

    def words(self) -> list[str]:
        """Return each profile's answer: ``likely``, ``undecided``, ``unknown`` or ``insufficient``."""
        single = self.inside.sum(axis=1) == 1
        strange = single & self.inside[:, CLASSES.index(UNKNOWN)]
        words = np.select([~self.enough, strange, single], ["insufficient", "unknown", "likely"], "undecided")
        return [str(w) for w in words]

    def architecture(self, profile: int) -> str | None:
        """Return the likeliest class of one profile; None where the figures hardly say anything or fit no known class best."""
        top = CLASSES[int(self.probabilities[profile].argmax())]
        return top if self.enough[profile] and top != UNKNOWN else None


def answers(measurements: Measurements, model: Model, allowed: Mask, coverage: float) -> Answers:
    """Return the answers about every profile of a table.

    Parameters
    ----------
    measurements : Measurements
        Figures of one or more profiles.
    model : Model
    allowed : ndarray of bool, shape (n_classes,)
        Classes thought possible beforehand.
    coverage : float
        What share of profiles of each class the prediction set shall hold.
    """
    used = usable(measurements)
    numbers = measurements.profile_numbers()
    n = len(measurements.profiles)
    scored = chosen(measurements, used)
    part = measurements
    if not scored.all():
        cut = np.bincount(numbers[~scored], minlength=n) > 0
        scored |= _excluding(measurements, cut[numbers])
        # A profile of which no row says anything keeps its rows: there is nothing to choose by, and it must not vanish.
        lost = np.bincount(numbers[scored], minlength=n) == 0
        scored |= lost[numbers]
        part = measurements.take(scored)
    seen, gone = model.look(part), excluded_chips(measurements)
    # A part may begin with another profile.
    here = _places(measurements.profiles, part.profiles)
    scores = model.scores(part, seen, gone=gone[here]).take(np.argsort(here))
    p, inside = posterior(model, scores, allowed, coverage)
    before = prior(model, allowed)
    # Circumstances alone (lengths, precisions) say nothing of a chip: without a usable figure all stays as it was.
    silent = np.bincount(numbers[used], minlength=n) == 0
    p[silent], inside[silent] = before, allowed
    enough = ~silent & ((moved(p, before) >= LEAST_BITS) | (allowed.sum() == 1))
    return Answers(used, scored, part, seen, gone, scores, p, inside, enough)


def _excluding(measurements: Measurements, among: Mask) -> Mask:
    """Return the rows that prove an exclusion, of the rows ``among`` which are asked."""
    part = measurements.take(among)
    proofs = {(e.profile, e.row) for e in exclusions(part)}
    out = np.zeros(len(measurements), dtype=bool)
    at = np.flatnonzero(among)
    names, profile = part.profiles, part.profile_numbers()
    told = np.isin(part.row, [row for _, row in proofs])
    for i in np.flatnonzero(told).tolist():
        out[at[i]] = (names[profile[i]], int(part.row[i])) in proofs
    return out


def _places(names: Sequence[str], of: Sequence[str]) -> npt.NDArray[np.intp]:
    """Return where each name ``of`` some profiles stands among all names."""
    place = {name: i for i, name in enumerate(names)}
    return np.array([place[name] for name in of], dtype=np.intp)
