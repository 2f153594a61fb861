"""Scores many rows by a forest at once: every split that a row fails strikes leaves out, the first leaf left is the row's.

Walking a tree jumps through memory; NumPy does it fifty times slower than compiled code. Here each feature has a table with a
line for every interval between its thresholds, and in it for each tree the leaves that a value of this interval leaves open,
as bits. A row's leaves are the bitwise *and* of one line a feature: long straight runs that NumPy is good at (the idea is that
of QuickScorer, Lucchese et al. 2015, doi:10.1145/2766462.2767733). Leaves are the same as by walking, and their values are
added in the same order, so that scores agree to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

#: Leaves that the widest integer has bits for; forests with larger trees are walked.
MOST_LEAVES = 64

#: Bytes that the tables of a forest may take; beyond, it is walked.
LARGEST_TABLES = 64_000_000

#: Rows scored at once: lines of a few hundred trees for so many rows stay in a processor's cache.
CHUNK = 512

#: A feature that changes at most every so many rows is looked up once a run of equal rows.
RUN = 8


@dataclass(frozen=True, eq=False, repr=False)
class Tables:
    """A forest as bits.

    Attributes
    ----------
    features : tuple of int
        The features that any tree splits on.
    thresholds : tuple of ndarray
        Of each of them, ascending.
    lines : tuple of ndarray of shape (len(thresholds) + 2, n_trees)
        Leaves left open by a value above the first ``i`` thresholds; the last line is that of a missing value.
    value : ndarray of shape (n_trees * width,)
        What each leaf adds, trees one after the other, leaves from left to right.
    width : int
        Places a tree takes in ``value``.
    """

    features: tuple[int, ...]
    thresholds: tuple[Floats, ...]
    lines: tuple[npt.NDArray[np.unsignedinteger[Any]], ...]
    value: Floats
    width: int

    def leaf_values(self, x: Floats) -> Floats:
        """Return what each tree says of each row of a chunk, shape (n_trees, n_rows)."""
        kind = self.lines[0].dtype if self.lines else np.dtype(np.uint8)
        trees = len(self.value) // self.width
        open_ = np.full((len(x), trees), np.iinfo(kind).max, dtype=kind)
        known = x[:, list(self.features)]
        # What stays the same from row to row (a figure against every chip, a column that nobody knows) is looked up once.
        new = ~((known[1:] == known[:-1]) | (np.isnan(known[1:]) & np.isnan(known[:-1])))
        slow = new.sum(axis=0) * RUN < len(x)
        if slow.any() and len(x) > 1:
            starts = np.flatnonzero(np.append(True, new[:, slow].any(axis=1)))
            shared = np.full((len(starts), trees), np.iinfo(kind).max, dtype=kind)
            self._strike(shared, known[starts], np.flatnonzero(slow))
            open_ = np.repeat(shared, np.diff(np.append(starts, len(x))), axis=0)
            self._strike(open_, known, np.flatnonzero(~slow))
        else:
            self._strike(open_, known, np.arange(len(self.features)))
        leaf = _first_bit(np.ascontiguousarray(open_.T), np.arange(0, len(self.value), self.width)[:, None])
        return np.asarray(self.value.take(leaf))

    def _strike(self, open_: npt.NDArray[Any], known: Floats, columns: npt.NDArray[np.intp]) -> None:
        line = np.empty_like(open_)
        for k in columns.tolist():
            limits = self.thresholds[k]
            at = limits.searchsorted(known[:, k])
            at[np.isnan(known[:, k])] = len(limits) + 1
            self.lines[k].take(at, axis=0, out=line, mode="clip")
            np.bitwise_and(open_, line, out=open_)


def _first_bit(bits: npt.NDArray[Any], start: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return ``start`` plus the number of the lowest bit set; a power of two's exponent as a float is exact."""
    lowest = bits & (~bits + np.asarray(1, dtype=bits.dtype))
    if bits.dtype.itemsize < 8:
        return np.asarray(np.add(lowest.astype(np.float32).view(np.int32) >> 23, start - 127, dtype=np.int64))
    return np.asarray((lowest.astype(np.float64).view(np.int64) >> 52) + (start - 1023))


def tables(feature: Ints, threshold: Floats, left: Ints, right: Ints, value: Floats, missing_left: npt.NDArray[np.uint8],
           root: Ints) -> Tables | None:  # fmt: skip
    """Return the tables of a forest, whose arrays are those of :class:`fingerprint.trees.Forest`.

    None where a tree has more than :data:`MOST_LEAVES` leaves or the tables would be larger than :data:`LARGEST_TABLES`.
    """
    levels = [(root.astype(np.int64), np.arange(len(root)))]
    while True:
        node, tree = levels[-1]
        inner = left[node] != node
        if not inner.any():
            break
        node, tree = node[inner], tree[inner]
        levels.append((np.concatenate([left[node], right[node]]).astype(np.int64), np.concatenate([tree, tree])))
    leaves = np.ones(len(left), dtype=np.int64)
    for node, _ in reversed(levels):
        inside = node[left[node] != node]
        leaves[inside] = leaves[left[inside]] + leaves[right[inside]]
    width = int(leaves[root].max(initial=1))
    if width > MOST_LEAVES:
        return None
    kind = next(np.dtype(f"u{size}") for size in (1, 2, 4, 8) if 8 * size >= width)
    first, owner = np.zeros(len(left), dtype=np.int64), np.zeros(len(left), dtype=np.int64)
    for node, tree in levels:
        owner[node] = tree
        inside = node[left[node] != node]
        first[left[inside]] = first[inside]
        first[right[inside]] = first[inside] + leaves[left[inside]]
    reached = np.concatenate([node for node, _ in levels])
    split = reached[left[reached] != reached]
    # Splits feature by feature, thresholds ascending; each feature begins with a line for values below all of them.
    split = split[np.lexsort((threshold[split], feature[split]))]
    limit = threshold[split]
    opens = np.append(True, feature[split][1:] != feature[split][:-1])[: len(split)]
    new = opens | np.append(True, limit[1:] != limit[:-1])[: len(split)]
    # Lines before each split: one a distinct threshold so far, and two more a feature so far.
    line_of = np.cumsum(new) + 2 * (np.cumsum(opens) - 1)
    height = int(line_of[-1]) + 2 if len(split) else 0
    if height * len(root) * kind.itemsize > LARGEST_TABLES:
        return None
    # A split that fails strikes out the leaves of its left side.
    ones = (1 << leaves[left[split]].astype(np.uint64)) - np.uint64(1)
    struck = (~(ones << first[left[split]].astype(np.uint64))).astype(kind)
    whole = np.full((height, len(root)), np.iinfo(kind).max, dtype=kind)
    np.bitwise_and.at(whole, (line_of, owner[split]), struck)
    starts = np.flatnonzero(opens)
    ends = np.append(starts[1:], len(split))[: len(starts)]
    last = line_of[ends - 1] + 1
    lost = missing_left[split] != 1
    np.bitwise_and.at(whole, (last[np.cumsum(opens) - 1][lost], owner[split[lost]]), struck[lost])
    used, thresholds, lines = feature[split[starts]], [], []
    for begin, end, to in zip(starts, ends, last, strict=True):
        table = whole[line_of[begin] - 1 : to + 1]
        np.bitwise_and.accumulate(table[:-1], axis=0, out=table[:-1])
        thresholds.append(limit[begin:end][new[begin:end]])
        lines.append(table)
    leaf = reached[left[reached] == reached]
    told = np.zeros(len(root) * width)
    told[owner[leaf] * width + first[leaf]] = value[leaf]
    return Tables(tuple(used.tolist()), tuple(thresholds), tuple(lines), told, width)
