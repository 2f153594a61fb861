"""Which figures decided: each row's weight in bits, found by leaving it out, exact for the shipped model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fingerprint.measurements import Floats, Mask, Measurements, Words
from fingerprint.scorer import Model, Scores

#: Up to so many rows each is left out by itself; beyond, rows of one kind of work are left out together.
MOST_SINGLE = 120

#: Rows beyond which nothing is left out: such a profile's answer rests on no single figure.
MOST_ROWS = 5000

#: Most lines of evidence that a verdict carries.
MOST_LINES = 8


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


def weigh(model: Model, profile: Measurements, allowed: Mask, top: int) -> tuple[Evidence, ...]:
    """Return the weightiest rows: the log odds of the answer with all rows, less those without the row.

    Parameters
    ----------
    profile : Measurements
        Rows of one profile.
    allowed : ndarray of bool
        Classes thought possible.
    top : int
        The answered class.
    """
    n = len(profile)
    if n == 0 or n > MOST_ROWS or allowed.sum() < 2:
        return ()
    units = [np.array([i]) for i in range(n)] if n <= MOST_SINGLE else _kinds(profile)
    parts = [np.setdiff1d(np.arange(n), unit, assume_unique=True) for unit in units]
    # One table that holds the profile whole, then once without each unit; without any row nothing is known.
    numbers = np.repeat(np.arange(1 + len(parts)), [n, *map(len, parts)]).astype(np.int32)
    row = np.concatenate([np.arange(n), *parts]).astype(np.int64)
    stacked = profile.take(row)
    words = {**stacked.words, "profile": Words(numbers, tuple(map(str, range(1 + len(parts)))))}
    scores = model.scores(Measurements(words, stacked.numbers, stacked.row), model.look(profile), row)
    p, _ = posterior(model, scores, allowed, 0.9)
    if len(p) <= len(parts):
        nothing = np.tile(allowed / allowed.sum(), (1 + len(parts) - len(p), 1))
        p = np.vstack([p, nothing])
    odds = np.log2(np.maximum(p[:, top], 1e-12)) - np.log2(np.maximum(1.0 - p[:, top], 1e-12))
    weight = odds[0] - odds[1:]
    order = np.argsort(-np.abs(weight), kind="stable")[:MOST_LINES]
    return tuple(
        Evidence(int(profile.row[units[i][0]]), _says(profile, units[i]), float(weight[i]))
        for i in order
        if abs(weight[i]) >= 0.01
    )


def _kinds(profile: Measurements) -> list[np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Return the rows of each kind of work."""
    columns = [profile.word(c) for c in ("tool", "workload", "phase", "precision", "quantity")]
    found: dict[tuple[str, ...], list[int]] = {}
    for i, key in enumerate(zip(*columns, strict=True)):
        found.setdefault(key, []).append(i)
    return [np.asarray(rows, dtype=np.int64) for rows in found.values()]


def _says(profile: Measurements, unit: np.ndarray[tuple[int], np.dtype[np.int64]]) -> str:
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
