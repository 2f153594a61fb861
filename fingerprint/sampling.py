"""Which figures of a very large profile its probabilities rest on: evenly many of each kind of work, whatever the order of rows.

A profile of sixty thousand figures says no more about its chip than two thousand of them, and the model has learned from
profiles of a few hundred. So a larger one is scored on a part of its rows: the same part every time, chosen by what the rows
say and not by where they stand. What figures *exclude* is always judged on all of them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fingerprint.measurements import NUMBER_COLUMNS, Mask, Measurements, Words

#: Rows of a profile that are scored at most (kinds of work with a single figure may add a few).
MOST_SCORED = 2048

#: Rows that agree in these are one kind of work.
KIND = ("tool", "workload", "phase", "precision", "quantity")

#: By what the rows of a kind are put in order, after their numbers.
_DETAILS = ("weight_precision", "kv_precision", "scope", "unit", "statistic")

Rows = npt.NDArray[np.int64]


def chosen(table: Measurements, used: Mask, most: int = MOST_SCORED) -> Mask:
    """Return which rows are scored, shape (n_rows,).

    Profiles of at most ``most`` rows keep all of them. Of larger ones only ``used`` rows stay; kinds of work share the places
    evenly (those with few figures keep all), and of each kind every so manieth row is taken, in the order of circumstances
    and value, so that runs measured in several quantities stay together.
    """
    numbers = table.profile_numbers()
    large = np.flatnonzero(np.bincount(numbers, minlength=1) > most)
    out = np.ones(len(table), dtype=bool)
    for profile in large:
        mine = np.flatnonzero(numbers == profile)
        out[mine] = False
        out[_part(table, mine[used[mine]], most)] = True
    return out


def kinds(table: Measurements, rows: Rows) -> npt.NDArray[np.int64]:
    """Return the number of each row's kind of work, in the order of the kinds' names."""
    codes = np.stack([_ranks(table.word(name).take(rows)) for name in KIND], axis=1)
    return np.unique(codes, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _part(table: Measurements, rows: Rows, most: int) -> Rows:
    if len(rows) <= most:
        return rows
    kind = kinds(table, rows)
    size = np.bincount(kind)
    details = [_ranks(table.word(name).take(rows)) for name in _DETAILS if name in table.words]
    numbers = [table.numbers[name][rows] for name in NUMBER_COLUMNS if name in table.numbers and name != "value"]
    order = np.lexsort((table.row[rows], table.number("value")[rows], *reversed(details), *reversed(numbers), kind))
    start = np.concatenate([[0], np.cumsum(size)[:-1]])
    places = np.minimum(size, _level(size, most))
    picked = [s + (np.arange(p) * 2 + 1) * n // (2 * p) for s, p, n in zip(start, places, size, strict=True)]
    return np.asarray(rows[order[np.concatenate(picked)]])


def _level(size: npt.NDArray[np.int64], most: int) -> int:
    """Return how many rows a kind may keep so that all together keep at most ``most``; at least one."""
    left, kinds_left = most, len(size)
    for n in np.sort(size).tolist():
        if n * kinds_left > left:
            break
        left, kinds_left = left - n, kinds_left - 1
    return max(left // max(kinds_left, 1), 1)


def _ranks(column: Words) -> npt.NDArray[np.int64]:
    """Return numbers that sort like the words; codes depend on the order of rows."""
    rank = np.empty(len(column.words), dtype=np.int64)
    rank[sorted(range(len(column.words)), key=column.words.__getitem__)] = np.arange(len(column.words))
    return rank[column.codes]
