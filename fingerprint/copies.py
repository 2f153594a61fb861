"""Equal figures under different labels: rows that were copied, submitted twice, or labelled anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprint.measurements import NUMBER_COLUMNS, WORD_COLUMNS, Mask, Measurements

#: Significant digits, over all figures that profiles share, from which chance is no explanation: five digits agree by chance
#: in one pair of a hundred thousand.
ENOUGH_DIGITS = 5


@dataclass(frozen=True)
class Copies:
    """Profiles of different labels that share figures to the last digit.

    Attributes
    ----------
    profiles : tuple of str
        Those that share the figures.
    labels : tuple of str
        What each is said to be, in the same order.
    rows : tuple of int
        A shared figure's number in its file, for each profile.
    figures : int
        How many figures they share.
    """

    profiles: tuple[str, ...]
    labels: tuple[str, ...]
    rows: tuple[int, ...]
    figures: int

    def to_dict(self) -> dict[str, object]:
        """Return the finding as plain JSON types."""
        return {"profiles": list(self.profiles), "labels": list(self.labels), "rows": list(self.rows), "figures": self.figures}


def digits(value: float) -> int:
    """Return how many significant digits a figure has, trailing zeros not counted: 3 for 1230, 0 for 0."""
    mantissa = f"{value:.11e}".partition("e")[0].replace(".", "")
    return len(mantissa.rstrip("0"))


def circumstances(table: Measurements, without: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Return a number a row, equal where all columns but those agree; what is missing equals what is missing."""
    keys = np.zeros(len(table), dtype=np.int64)
    columns: list[npt.NDArray[np.generic]] = [table.words[n].rename(str).codes for n in WORD_COLUMNS if n in table.words and n not in without]
    columns += [np.nan_to_num(table.numbers[n], nan=-1.0) for n in NUMBER_COLUMNS if n in table.numbers and n not in without]
    for column in columns:
        _, codes = np.unique(column, return_inverse=True)
        # Numbered anew after each column, so that products stay small.
        _, keys = np.unique(keys * (int(codes.max(initial=0)) + 1) + codes.reshape(-1), return_inverse=True)
        keys = keys.reshape(-1).astype(np.int64)
    return keys


def chosen_load(table: Measurements) -> Mask:
    """Return which figures are loads that somebody chose: MLPerf's server scenario is passed or failed at a rate that is set.

    Those who take over a configuration get its rate to the last digit, whatever their chip.
    """
    rate = table.word("quantity").equals("throughput", "output_throughput", "total_throughput")
    return rate & table.word("tool").equals("mlperf-inference") & table.word("phase").equals("serve", "interactive")


def copies(table: Measurements, label: Mapping[str, str]) -> list[Copies]:
    """Return the sets of profiles that share figures although their labels differ, those that share most first.

    Parameters
    ----------
    table : Measurements
        A whole board.
    label : mapping of profile to str
        What each profile is said to be, spelt one way; profiles without a label don't count, nor do loads that were chosen.
    """
    table = table.take(~chosen_load(table))
    key, number = circumstances(table, without=("profile",)), table.profile_numbers()
    names = table.profiles
    order = np.argsort(key, kind="stable")
    shared: dict[tuple[int, ...], tuple[set[float], list[tuple[int, ...]]]] = {}
    for rows in np.split(order, np.flatnonzero(np.diff(key[order])) + 1):
        if len(rows) < 2:
            continue
        first = {int(p): int(r) for r, p in reversed(list(zip(rows, number[rows], strict=True))) if label.get(names[int(p)])}
        those = tuple(sorted(first))
        if len({label[names[p]] for p in those}) > 1:
            values, where = shared.setdefault(those, (set(), []))
            values.add(float(table.number("value")[rows[0]]))
            where.append(tuple(int(table.row[first[p]]) for p in those))
    found = [Copies(tuple(names[p] for p in those), tuple(label[names[p]] for p in those), where[0], len(where))
             for those, (values, where) in shared.items() if sum(map(digits, values)) >= ENOUGH_DIGITS]  # fmt: skip
    return sorted(found, key=lambda c: (-c.figures, c.profiles))
