"""Which figures decided: each row's weight in bits, found by leaving it out, exact for the shipped model.

The profiles of a table are weighed together, each whole and then without each of its rows, in tables of some ten thousand
rows: the model looks at a figure once, however many of these it stands in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprint.flight import in_flight
from fingerprint.measurements import Floats, Mask, Measurements, Words
from fingerprint.sampling import kinds
from fingerprint.scorer import Model, Scores, Seen

#: Up to so many rows each is left out by itself; beyond, rows of one kind of work are left out together.
MOST_SINGLE = 120

#: Most lines of evidence that a verdict carries.
MOST_LINES = 8

#: Rows of the tables in which profiles are weighed, about; bounds memory.
BLOCK = 40_000

Rowsets = npt.NDArray[np.int64]
Tops = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Evidence:
    """A figure and how much it moved the answer.

    Attributes
    ----------
    row : int
        Its number in the input.
    says : str
        The figure in words.
    weight : float
        Bits (log2 odds) by which the answered class loses when the row is left out; negative when it spoke against it.
    """

    row: int
    says: str
    weight: float


def prior(model: Model, allowed: Mask) -> Floats:
    """Return what is thought of the allowed classes before any figure is seen, shape (n_classes,)."""
    odds = model.calibration.prior * allowed
    return np.asarray(odds / odds.sum())


def posterior(model: Model, scores: Scores, allowed: Mask, coverage: float) -> tuple[Floats, Mask]:
    """Return probabilities over the allowed classes, and prediction sets, which never hold another.

    A profile whose figures exclude every allowed class keeps the allowed ones: then the table of chips, or what was
    thought possible, is wrong, and the sets say so by holding all of them.
    """
    p = model.calibration.probabilities(scores) * allowed
    total = p.sum(axis=1, keepdims=True)
    none = total[:, 0] <= 0
    p = np.where(none[:, None], allowed / allowed.sum(), p / np.where(total > 0, total, 1.0))
    inside = model.calibration.sets(p, coverage) & allowed & (p > 0)
    inside[none] = allowed
    return p, inside


def weigh(model: Model, table: Measurements, seen: Seen, used: Mask, asked: Mask, allowed: Mask, top: Tops) -> list[tuple[Evidence, ...]]:
    """Return the weightiest rows of each profile: the log odds of its answer with all rows, less those without the row.

    Parameters
    ----------
    table : Measurements
        The rows that the answers rest on, of one or more profiles.
    seen : Seen
        These rows as the model looked at them.
    used : ndarray of bool, shape (n_rows,)
        Rows that say something: the others are never left out.
    asked : ndarray of bool, shape (n_profiles,)
        Profiles to weigh; the others get nothing.
    allowed : ndarray of bool, shape (n_classes,)
        Classes thought possible.
    top : ndarray of int, shape (n_profiles,)
        The answered class of each profile.
    """
    out: list[tuple[Evidence, ...]] = [()] * len(asked)
    if allowed.sum() < 2:
        return out
    flight = in_flight(table)
    numbers = table.profile_numbers()
    order = np.argsort(numbers, kind="stable")
    ends = np.cumsum(np.bincount(numbers, minlength=len(asked)))
    block: list[_Asked] = []
    size = 0
    for i in np.flatnonzero(asked).tolist():
        rows = order[ends[i - 1] if i else 0 : ends[i]]
        told = rows[used[rows]]
        if not len(told):
            continue
        units = [told[k : k + 1] for k in range(len(told))] if len(told) <= MOST_SINGLE else _kinds(table, told)
        block.append(_Asked(i, rows, units, int(top[i])))
        size += len(rows) * (1 + len(units))
        if size >= BLOCK:
            _weigh_block(model, table, seen, flight, used, allowed, block, out)
            block, size = [], 0
    if block:
        _weigh_block(model, table, seen, flight, used, allowed, block, out)
    return out


@dataclass(frozen=True, eq=False, repr=False)
class _Asked:
    """A profile to weigh: its rows in the table, and which of them are left out together."""

    profile: int
    rows: Rowsets
    units: list[Rowsets]
    top: int


def _weigh_block(model: Model, table: Measurements, seen: Seen, flight: Floats, used: Mask, allowed: Mask, block: list[_Asked],
                 out: list[tuple[Evidence, ...]]) -> None:  # fmt: skip
    """Weigh some profiles at once: one table that holds each of them whole, then once without each unit."""
    parts: list[Rowsets] = []
    for one in block:
        parts += [one.rows, *(np.setdiff1d(one.rows, unit, assume_unique=True) for unit in one.units)]
    # Where no row that says something is left, nothing is known.
    silent = np.array([not used[part].any() for part in parts])
    p = np.tile(prior(model, allowed), (len(parts), 1))
    told = np.flatnonzero(~silent)
    stack, row = _stacked(table, [parts[k] for k in told])
    p[told] = posterior(model, model.scores(stack, seen, row), allowed, 0.9)[0]
    # A figure less may change what its neighbours mean (requests in flight, by Little's law): those are looked at anew.
    now, then = in_flight(stack), flight[row]
    moved = ~((now == then) | (np.isnan(now) & np.isnan(then)))
    if moved.any():
        again = np.unique(stack.profile_numbers()[moved])
        afresh, _ = _stacked(table, [parts[told[k]] for k in again])
        p[told[again]] = posterior(model, model.scores(afresh), allowed, 0.9)[0]
    start = 0
    for one in block:
        mine = p[start : start + 1 + len(one.units), one.top]
        start += 1 + len(one.units)
        odds = np.log2(np.maximum(mine, 1e-12)) - np.log2(np.maximum(1.0 - mine, 1e-12))
        weight = odds[0] - odds[1:]
        # Equal weights: the row that stands first in its file, whatever the order here.
        first = np.array([int(table.row[unit].min()) for unit in one.units])
        best = np.lexsort((first, -np.round(np.abs(weight), 9)))[:MOST_LINES]
        out[one.profile] = tuple(
            Evidence(int(first[k]), _says(table, one.units[k]), float(weight[k])) for k in best.tolist() if abs(weight[k]) >= 0.01
        )


def _stacked(table: Measurements, parts: list[Rowsets]) -> tuple[Measurements, Rowsets]:
    """Return a table in which each part is a profile, and which row of the table each of its rows is."""
    row = np.concatenate(parts)
    numbers = np.repeat(np.arange(len(parts), dtype=np.int32), [len(part) for part in parts])
    stack = table.take(row)
    words = {**stack.words, "profile": Words(numbers, tuple(map(str, range(len(parts)))))}
    return Measurements(words, stack.numbers, stack.row), row


def _kinds(table: Measurements, rows: Rowsets) -> list[Rowsets]:
    """Return the rows of each kind of work."""
    kind = kinds(table, rows)
    order = np.argsort(kind, kind="stable")
    return np.split(rows[order], np.flatnonzero(np.diff(kind[order])) + 1)


def _says(profile: Measurements, unit: Rowsets) -> str:
    if len(unit) == 1:
        return describe(profile, int(unit[0]))
    best = unit[int(np.argmax(profile.number("value")[unit]))]
    return f"{len(unit)} figures such as {describe(profile, int(best))}"


_PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def _amount(value: float, unit: str) -> str:
    if unit == "s":
        return f"{value:.3g} s" if value >= 1 else f"{value * 1e3:.3g} ms" if value >= 1e-3 else f"{value * 1e6:.3g} µs"
    scale, prefix = next(((s, p) for s, p in _PREFIXES if value >= s), (1.0, ""))
    if unit in ("FLOP/s", "B/s", "B", "FLOP"):
        return f"{value / scale:.3g} {prefix}{unit}"
    return f"{value:,.4g} {unit}"


def describe(table: Measurements, index: int) -> str:
    """Return a row in words: work, circumstances, figure."""
    row = table.record(index)
    where = [row.get("workload", ""), row.get("precision", ""), row.get("phase", "")]
    if "m" in row and "n" in row and "k" in row:
        where.append(f"{row['m']:.0f}x{row['n']:.0f}x{row['k']:.0f}")
    names = {"batch": "batch", "concurrency": "concurrency", "input_tokens": "in", "output_tokens": "out", "context_tokens": "context"}
    where += [f"{label} {row[key]:.0f}" for key, label in names.items() if key in row]
    if "message_bytes" in row:
        where.append(f"message {_amount(row['message_bytes'], 'B')}")
    count = row.get("accelerators")
    if count and count > 1:
        where.append(f"{count:.0f} accelerators")
    each = " per accelerator" if row.get("scope") == "accelerator" else ""
    statistic = f"{row['statistic']} " if row.get("statistic") else ""
    name = str(row["quantity"]).replace("_", " ")
    return f"{', '.join(w for w in where if w)}: {statistic}{name} {_amount(row['value'], row['unit'])}{each}".lstrip(": ")
