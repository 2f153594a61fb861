"""What the experts learn from, as plain arrays: cheap to send to another process, and nothing of the corpus with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from fingerprint.candidates import candidates, numbers
from fingerprint.features import slowed
from fingerprint.forward import match
from fingerprint.lab.profiles import Profiles, balanced_weights
from fingerprint.measurements import Floats, Mask
from fingerprint.scorer import CLASSES, UNKNOWN, Seen, class_fits

Labels = npt.NDArray[np.object_]

#: Share of the lessons that show a slowed machine, and the slowest (a factor on every rate): somebody may cap the clock, and the next
#: source's software may be slower than all that are known.
SLOWED = 1.0 / 3.0
SLOWEST = 0.4

#: Labels of one die that name no chip (ROCm's tables print only the architecture): any of its chips is right.
_ANY_OF_ARCHITECTURE = ("cdna3", "cdna4")


def classes_of(architecture: Labels) -> Labels:
    """Return the model's class of each architecture."""
    return np.array([a if a in CLASSES else UNKNOWN for a in architecture], dtype=object)


def right_candidates(chip: str, architecture: str) -> tuple[int, ...]:
    """Return the candidates that a label may mean; () where it names none of them."""
    if not chip and architecture in _ANY_OF_ARCHITECTURE:
        return tuple(i for i, a in enumerate(candidates().architecture) if a == architecture)
    return numbers(chip) if chip else ()


def matches(seen: Seen, profiles: Profiles, slower: Floats | None = None) -> tuple[npt.NDArray[np.float32], Floats]:
    """Return the match of each profile with each candidate, and how many figures it rests on.

    ``slower``: log10 of the factor by which each profile's rates are taken to be slowed down, shape (n,).
    """
    profile = np.repeat(np.arange(len(profiles)), profiles.size)
    row = seen.place[np.concatenate(profiles.rows)]
    use = row >= 0
    figures = np.bincount(profile[use], minlength=len(profiles)).astype(np.float64)
    return match(seen.found, seen.rows, row[use], profile[use], len(profiles), slower), figures


@dataclass(frozen=True)
class Lessons:
    """Profiles as the experts see them, with the truth.

    Attributes
    ----------
    x : ndarray of shape (n, n_features)
        Vectors.
    found : ndarray of shape (n, n_candidates, len(match_names()))
        What speaks for and against each candidate, see :func:`fingerprint.forward.match`.
    figures : ndarray of shape (n,)
        Figures that this rests on.
    right : ndarray of bool, shape (n, n_candidates)
        Which candidates the label may mean.
    architecture, who : ndarray of str, shape (n,)
        The truth, and who ran the test.
    """

    x: Floats
    found: npt.NDArray[np.float32]
    figures: Floats
    right: Mask
    architecture: Labels
    who: Labels

    @classmethod
    def of(cls, profiles: Profiles, seen: Seen, seed: int = 0) -> Lessons:
        """Return the lessons that profiles give, from residuals of forward models that did not see them.

        Some, drawn at random, show the profile as if its machine had been slowed down: what physics leaves alone, an expert
        shall not unlearn.
        """
        rng = np.random.default_rng(seed)
        factor = np.where(rng.random(len(profiles)) < SLOWED, rng.uniform(SLOWEST, 1.0, len(profiles)), 1.0)
        slower = np.log10(factor)
        found, figures = matches(seen, profiles, slower)
        right = np.zeros(found.shape[:2], dtype=bool)
        for i, (label, architecture) in enumerate(zip(profiles.chip, profiles.architecture, strict=True)):
            right[i, list(right_candidates(str(label), str(architecture)))] = True
        return cls(slowed(profiles.x, slower), found, figures, right, profiles.architecture, profiles.measurer)

    @cached_property
    def fits(self) -> Floats:
        """How well each class's candidates explain each profile, see :func:`fingerprint.scorer.class_fits`."""
        return class_fits(self.found, self.figures)

    @property
    def classes(self) -> Labels:
        """The model's class of each profile."""
        return classes_of(self.architecture)

    def weights(self, rows: Mask) -> Floats:
        """Return weights of the chosen profiles that give each class, and within it each who measured, a fair voice."""
        return balanced_weights(self.architecture[rows], self.who[rows])

    def __len__(self) -> int:
        return len(self.figures)

