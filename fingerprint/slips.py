"""Unit slips: figures that are a round factor off from all like figures of a board, as a wrong prefix or noun makes them.

A factor of 1000 is a prefix (milliseconds called seconds), 60 a minute called a second, 8 a bit called a byte, or the sum over
a node of eight called one accelerator's. A figure is called a slip only where like figures of other profiles agree among
themselves far better than the factor, and where it would lie among them without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fingerprint.copies import chosen_load, circumstances
from fingerprint.measurements import SUMS, Floats, Measurements

#: Factors by which units are mistaken.
FACTORS = (1000.0, 60.0, 8.0)

#: Other profiles with like figures that are needed: of the same label, and of any label.
PEERS_SAME, PEERS_ANY = 4, 8

#: Factor from which figures of any label are like enough: an L4 is eight times slower than an H100 by nature.
BEYOND_CHIPS = 1000.0

#: Least scatter of like figures that is reckoned with, log10 (7 %), and scatters that a slip must lie off.
LEAST_SCATTER, FAR = 0.03, 6.0

#: How near to the factor the figure must lie: two scatters, but no less and no more than these, log10.
NEAR, NEAR_ENOUGH = 0.08, 0.25


@dataclass(frozen=True)
class Slip:
    """Figures of one profile that are a round factor off.

    Attributes
    ----------
    profile, quantity, unit : str
        Whose figures, and what they measure.
    factor : float
        How many times too large they look: 1000, 60, 8, or one of these inverted.
    rows : tuple of int
        Their numbers in the file.
    value, typical : float
        The first of them as the board counts it (rates per accelerator), and the median of like figures.
    peers : int
        Other profiles that the median is of.
    """

    profile: str
    quantity: str
    unit: str
    factor: float
    rows: tuple[int, ...]
    value: float
    typical: float
    peers: int

    def says(self) -> str:
        """Return the finding in words, with what commonly is behind such a factor."""
        large = self.factor >= 1.0
        round_ = round(self.factor if large else 1.0 / self.factor)
        cause = {1000: "a prefix, such as milliseconds for seconds", 60: "minutes for seconds",
                 8: "bits for bytes, or a node of eight for one accelerator"}[round_]  # fmt: skip
        count = f"{len(self.rows)} figures of" if len(self.rows) > 1 else "row " + str(self.rows[0]) + ","
        return (f"{count} {self.quantity.replace('_', ' ')}: about {round_} times too {'large' if large else 'small'} beside like figures of "
                f"{self.peers} others ({self.value:.3g} against {self.typical:.3g} {self.unit}); {cause}?")  # fmt: skip

    def to_dict(self) -> dict[str, object]:
        """Return the finding as plain JSON types."""
        return {"profile": self.profile, "quantity": self.quantity, "unit": self.unit, "factor": self.factor, "rows": list(self.rows),
                "value": self.value, "typical": self.typical, "peers": self.peers, "says": self.says()}  # fmt: skip


def slips(table: Measurements, label: Mapping[str, str]) -> list[Slip]:
    """Return the figures of a board that are a round factor off from like figures of other profiles.

    Like figures agree in every column but profile, count and value; sums are compared per accelerator. First they are held
    against profiles of the same label, else, for a factor of 1000 alone and where they carry a label that is known, of any. A mistake that most profiles share can't be seen.

    Parameters
    ----------
    table : Measurements
        A whole board.
    label : mapping of profile to str
        What each profile is said to be, spelt one way; "" where nothing is said.
    """
    value = table.per_accelerator()
    use = np.flatnonzero(np.isfinite(value) & (value > 0) & ~chosen_load(table))
    table, value = table.take(use), value[use]
    key = circumstances(table, without=("profile", "scope", "accelerators", "value"))
    number, names = table.profile_numbers(), table.profiles
    labels = np.array([label.get(n, "") for n in names], dtype=object)
    logs = np.log10(value)
    found: dict[tuple[int, str, str, float], list[tuple[int, float, int]]] = {}
    order = np.argsort(key, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(key[order])) + 1):
        present, which = np.unique(number[rows], return_inverse=True)
        if len(present) <= PEERS_SAME:
            continue
        # One voice a profile, however many rows it has.
        middle = np.array([np.median(logs[rows[which == i]]) for i in range(len(present))])
        for i in np.flatnonzero(np.abs(middle - np.median(middle)) > 0.5 * np.log10(min(FACTORS))):
            others = np.arange(len(present)) != i
            alike = others & (labels[present] == labels[present[i]]) & (labels[present[i]] != "")
            pool = alike if alike.sum() >= PEERS_SAME else others
            if pool.sum() < (PEERS_SAME if pool is alike else PEERS_ANY):
                continue
            quantity, unit = table.word("quantity")[int(rows[0])], table.word("unit")[int(rows[0])]
            factor = _factor(float(middle[i]), middle[pool], quantity)
            if factor and (pool is alike or (labels[present[i]] and max(factor, 1.0 / factor) >= BEYOND_CHIPS)):
                typical = float(10.0 ** np.median(middle[pool]))
                mine = found.setdefault((int(present[i]), quantity, unit, factor), [])
                mine += [(int(r), typical, int(pool.sum())) for r in rows[which == i]]
    out = []
    for (profile, quantity, unit, factor), hits in found.items():
        hits.sort()
        row, typical, peers = hits[0]
        out.append(Slip(names[profile], quantity, unit, factor, tuple(int(table.row[r]) for r, _, _ in hits), float(value[row]), typical, peers))
    return out


def _factor(figure: float, others: Floats, quantity: str) -> float:
    """Return the factor that a figure (log10) is off from the others; 0 where none explains it."""
    middle = float(np.median(others))
    # The median deviation, in units of a normal distribution's standard deviation.
    scatter = max(1.4826 * float(np.median(np.abs(others - middle))), LEAST_SCATTER)
    off = figure - middle
    if abs(off) < FAR * scatter:
        return 0.0
    for factor in FACTORS:
        # Times don't add up over a node and aren't measured in bits.
        if factor == 8.0 and quantity not in SUMS and "bandwidth" not in quantity:
            continue
        if abs(abs(off) - np.log10(factor)) <= min(max(2.0 * scatter, NEAR), NEAR_ENOUGH):
            return factor if off > 0 else 1.0 / factor
    return 0.0
