"""A claim about the hardware, held against figures: is it the chip that somebody says it is.

Two grounds make a claim inconsistent. Physics: every chip that the claim may mean is excluded by a figure, which no masking
can undo. Statistics: the calibrated probability of the claimed class lies below what true claims fall under in one case of a
hundred, on sources never seen. A class is told, not a form factor: "consistent" says that figures and claim agree, not that
no other chip of the class could have made them.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fingerprint import chips
from fingerprint.errors import InputError
from fingerprint.roofline import Exclusion, sheet_ceilings, tolerances
from fingerprint.scorer import UNKNOWN

#: A claimed class that is the likeliest and at least this probable fits.
LEAST_PROBABLE = 0.5

#: Share of its ceiling that a good measurement reaches, by quantity: the labelled data's upper quarter.
REACHED: dict[str, float] = {"compute": 0.65, "bandwidth": 0.85, "link": 0.75}


@dataclass(frozen=True)
class Claim:
    """What became of a claim: ``consistent``, ``inconsistent`` or ``inconclusive``, and why, in one or two sentences."""

    chip: str
    result: str
    why: str

    def to_dict(self) -> dict[str, str]:
        """Return the claim as plain JSON types."""
        return {"chip": self.chip, "result": self.result, "why": self.why}


def claimed_chips(name: str) -> tuple[str, tuple[str, ...]]:
    """Return the canonical name of what is claimed and the chips it may mean.

    A chip, a family, an architecture, or any spelling that :func:`fingerprint.chips.resolve` understands.

    Raises
    ------
    InputError
        When the name is none of these.
    """
    label = chips.resolve(name)
    if label is not None:
        return label, chips.members(label)
    word = name.strip().lower()
    members = tuple(c.id for c in chips.table().values() if c.architecture == word)
    if not members:
        raise InputError(f"'{name}' is no chip, family or architecture; see 'fingerprint chips'", "--claimed")
    return word, members


def claimable(name: str) -> bool:
    """Return whether a name means chips of the table."""
    try:
        claimed_chips(name)
    except InputError:
        return False
    return True


def class_of(name: str, classes: Container[str]) -> str:
    """Return the class of what is claimed, ``unknown`` where the classifier does not answer its architecture.

    Raises
    ------
    InputError
        When nobody knows the name.
    """
    _, members = claimed_chips(name)
    return class_of_chip(chips.table()[members[0]], classes)


_SCALES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"))
_UNITS = {"compute": "FLOP/s", "bandwidth": "B/s", "link": "B/s", "power": "W", "memory": "B"}


def amount(value: float, quantity: str) -> str:
    """Return an amount of a quantity in words: ``1.42 TFLOP/s``, ``3.4 TB/s``, ``690 W``."""
    unit = _UNITS[quantity.partition(" ")[0]]
    scale, prefix = next(((s, p) for s, p in _SCALES if value >= s and unit != "W"), (1.0, ""))
    return f"{value / scale:.3g} {prefix}{unit}"


def says(exclusion: Exclusion) -> str:
    """Return an exclusion in words."""
    return (
        f"row {exclusion.row} proves {exclusion.quantity} of at least {amount(exclusion.achieved, exclusion.quantity)}, "
        f"{exclusion.margin:.2f} times the ceiling of {exclusion.chip} ({amount(exclusion.ceiling, exclusion.quantity)})"
    )


def deciding(claimed: Sequence[str], rivals: Sequence[str]) -> str:
    """Return which figure would settle a claim against its rivals, in words; "" when no ceiling tells them apart.

    The measurement whose ceilings lie farthest apart: above the rivals' where the claimed chips reach that far, else above
    the claimed chips' where the rivals do.
    """
    found: list[tuple[float, str]] = []
    for quantity, what in (("compute bf16", "a large 16-bit GEMM"), ("compute fp8", "a large FP8 GEMM"), ("compute fp4", "a large FP4 GEMM"),
                           ("bandwidth", "a copy of several GB"), ("link", "an all-gather of 1 GB on 8 accelerators")):  # fmt: skip
        limit = sheet_ceilings(quantity)
        kind = {"compute": "gemm", "bandwidth": "memory test", "link": "collective"}[quantity.partition(" ")[0]]
        reach, tolerance = REACHED[quantity.partition(" ")[0]], tolerances()[kind]
        mine, theirs = [limit[c] for c in claimed], [limit[c] for c in rivals]
        if not mine or not theirs or not np.all(np.isfinite([*mine, *theirs])):
            continue
        for low, high, meaning in ((max(theirs), min(mine), "would prove more than any rival can do"),
                                   (max(mine), min(theirs), "would exclude the claimed chip")):  # fmt: skip
            if reach * high > tolerance * low:
                found.append((high / low, f"{what} above {amount(tolerance * low, quantity)} {meaning}"))
    return max(found, default=(0.0, ""))[1]


def claim(
    claimed: str,
    excluded: Sequence[Exclusion],
    probabilities: Mapping[str, float] | None = None,
    thresholds: Mapping[str, float] | None = None,
) -> Claim:
    """Return whether the figures of one profile fit a claim.

    Parameters
    ----------
    claimed : str
        A chip, a family, an architecture, or an alias.
    excluded : sequence of Exclusion
        What :func:`fingerprint.roofline.exclusions` says of that profile.
    probabilities : mapping of class to float, optional
        The calibrated posterior; without one only physics speaks.
    thresholds : mapping of class to float, optional
        Below which probability a claim of the class is inconsistent, measured by the laboratory
        (``fingerprint.lab.physics.claim_threshold``). A class that is missing is never called inconsistent for its
        probability.

    Raises
    ------
    InputError
        When nobody knows the claimed name.
    """
    name, members = claimed_chips(claimed)
    gone = {e.chip: e for e in excluded}
    if all(m in gone for m in members):
        # The member that comes nearest to the figures: even this one could not.
        nearest = min((gone[m] for m in members), key=lambda e: (e.margin / e.tolerance, e.chip))
        return Claim(name, "inconsistent", f"{says(nearest)}; slowing a chip down can hide capability, not forge it.")
    left = tuple(m for m in members if m not in gone)
    if not probabilities:
        return Claim(
            name, "inconclusive", f"No figure exceeds what {_listed(left)} can do, and no posterior was given."
        )
    of_class = class_of(name, probabilities)
    p = float(probabilities.get(of_class, 0.0))
    best = max(probabilities, key=lambda c: (probabilities[c], c))
    free = f"No figure exceeds what {_listed(left)} can do"
    limit = (thresholds or {}).get(of_class, 0.0)
    if p < limit:
        why = f"The figures give {of_class} a probability of {p:.2g}, less than {limit:.2g}, which at most 1 % of true claims fall under"
        return Claim(name, "inconsistent", f"{why}; {best} has {probabilities[best]:.2f}.")
    free_chips = {c.id: class_of_chip(c, probabilities) for c in chips.table().values() if c.id not in gone}
    if best == of_class and p >= LEAST_PROBABLE:
        also = [c for c, its in free_chips.items() if its == of_class and c not in members]
        rest = f" Other {of_class} parts remain possible, such as {_listed(also[:3])}." if also else ""
        return Claim(name, "consistent", f"{free}, and {of_class} has a probability of {p:.2f}.{rest}")
    rival = best if best != of_class else _second(probabilities)
    hint = deciding(left, [c for c, its in free_chips.items() if its == rival])
    ask = f"To decide: {hint}." if hint else f"No ceiling of a data sheet tells it from {rival or 'others'}."
    doubt = f"{of_class} has a probability of only {p:.2f}" + (
        f" and {best} of {probabilities[best]:.2f}" if best != of_class else ""
    )
    return Claim(name, "inconclusive", f"{free}, but {doubt}. {ask}")


def class_of_chip(chip: chips.Chip, classes: Container[str]) -> str:
    """Return the class of a chip, ``unknown`` where the classifier does not answer its architecture."""
    return chip.architecture if chip.architecture in classes else UNKNOWN


def _second(probabilities: Mapping[str, float]) -> str:
    ranked = sorted(probabilities, key=lambda c: (-probabilities[c], c))
    return ranked[1] if len(ranked) > 1 else ""


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "nothing"
