"""Gradient-boosted trees as plain arrays: scoring without scikit-learn, to the last bit as it does."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprint import bitvectors
from fingerprint.errors import ModelError
from fingerprint.measurements import Floats
from fingerprint.storage import Arrays

#: Rows walked at once: bounds memory at about 100 MB for a few thousand trees.
CHUNK = 2048

#: From so many rows on the tables of :mod:`fingerprint.bitvectors` are worth making.
MANY = 64

#: Decimals of an entry that count.
DIGITS = 9

#: Deeper trees than these are no trees of ours; walking them would take for ever.
MOST_DEPTH = 256

#: How far below the rarest class one lies that training never showed (log odds).
UNHEARD_OF = 4.0

#: The arrays of a forest, with their dtypes.
KINDS = {"feature": "<i4", "threshold": "<f8", "left": "<i4", "right": "<i4", "value": "<f8", "missing_left": "|u1",
         "root": "<i4", "output": "<i4", "baseline": "<f8"}  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class Forest:
    """Trees side by side, all nodes in one set of arrays.

    Attributes
    ----------
    feature, threshold, left, right, value, missing_left : ndarray of shape (n_nodes,)
        A node sends a row left when ``x[feature] <= threshold``, or when it is missing and ``missing_left``. A leaf's
        ``left`` is its own index, so that walking on from a leaf stays there.
    root : ndarray of shape (n_trees,)
        Index of each tree's root.
    output : ndarray of shape (n_trees,)
        Which output (class) each tree adds to.
    baseline : ndarray of shape (n_outputs,)
        What each output starts from.
    depth : int
        Edges from a root to the farthest leaf.
    """

    feature: npt.NDArray[np.int32]
    threshold: Floats
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    value: Floats
    missing_left: npt.NDArray[np.uint8]
    root: npt.NDArray[np.int32]
    output: npt.NDArray[np.int32]
    baseline: Floats
    depth: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "threshold", rounded(self.threshold))

    def scores(self, x: Floats) -> Floats:
        """Return raw scores of shape (n_rows, n_outputs).

        Entries are rounded to :data:`DIGITS` decimals first, as thresholds are: libraries and processors differ in the last bit
        of a logarithm, and a threshold often is the very value that many rows share.
        """
        x = rounded(x)
        out = np.empty((len(x), len(self.baseline)))
        tables = self._tables if len(x) >= MANY else None
        if tables is None:
            for start in range(0, len(x), CHUNK):
                out[start : start + CHUNK] = self._added(self._walk(x[start : start + CHUNK]))
            return out
        for start in range(0, len(x), bitvectors.CHUNK):
            out[start : start + bitvectors.CHUNK] = self._added(tables.leaf_values(x[start : start + bitvectors.CHUNK]))
        return out

    @cached_property
    def _tables(self) -> bitvectors.Tables | None:
        return bitvectors.tables(self.feature, self.threshold, self.left, self.right, self.value, self.missing_left, self.root)

    @cached_property
    def _in_turn(self) -> bool:
        """Whether trees add to the outputs in turn, as those of a boosted classifier do."""
        turns = np.arange(len(self.output)) % len(self.baseline)
        return bool(len(turns) and turns[-1] == len(self.baseline) - 1 and (self.output == turns).all())

    def __getstate__(self) -> dict[str, Any]:
        # Tables are made anew where they are needed: they are larger than the forest.
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def _walk(self, x: Floats) -> Floats:
        """Return what each tree says of each row, shape (n_trees, n_rows)."""
        trees = len(self.root)
        node = np.tile(self.root, len(x))
        row = np.repeat(np.arange(len(x)), trees)
        # Walks that have ended wait; the longest is three times the usual one.
        on = np.flatnonzero(self.left[node] != node)
        while len(on):
            at = node[on]
            found = x[row[on], self.feature[at]]
            goes_left = np.where(np.isnan(found), self.missing_left[at] == 1, found <= self.threshold[at])
            at = np.where(goes_left, self.left[at], self.right[at])
            node[on] = at
            on = on[self.left[at] != at]
        return self.value[node].reshape(len(x), trees).T

    def _added(self, leaves: Floats) -> Floats:
        """Return the sums, shape (n_rows, n_outputs), in the order of training as in scikit-learn: the last bits agree."""
        rows = leaves.shape[1]
        if rows >= MANY and self._in_turn:
            # Along the first axis NumPy adds one tree after the other.
            rounds = np.ascontiguousarray(leaves).reshape(-1, len(self.baseline), rows)
            rounds[0] += self.baseline[:, None]
            return np.asarray(np.add.reduce(rounds, axis=0).T)
        out = np.repeat(self.baseline[:, None], rows, axis=1)
        if rows >= MANY:
            for k, tree in zip(self.output.tolist(), leaves, strict=True):
                out[k] += tree
            return out.T
        for k, start in enumerate(self.baseline):
            trees = np.concatenate([np.full((1, rows), start), leaves[self.output == k]])
            out[k] = np.add.accumulate(trees, axis=0)[-1]
        return out.T

    def renumbered(self, number: npt.NDArray[np.int32], outputs: int) -> Forest:
        """Return the forest with each output ``k`` called ``number[k]``, of ``outputs`` in all.

        An output that no tree adds to (a class that training lacked) starts, and stays, well below all others.
        """
        baseline = np.full(outputs, self.baseline.min() - UNHEARD_OF)
        baseline[number] = self.baseline
        return replace(self, output=number[self.output], baseline=baseline)

    def arrays(self, prefix: str) -> Arrays:
        """Return the arrays to store."""
        return {f"{prefix}.{name}": getattr(self, name) for name in KINDS}

    @classmethod
    def from_arrays(cls, arrays: Arrays, prefix: str, n_features: int) -> Forest:
        """Return a forest from stored arrays, every index checked.

        Raises
        ------
        ModelError
            If an array is missing or of another dtype, lengths differ, an index is out of range, a child does not come
            after its parent or has two, what a leaf adds is infinite, or a tree is deeper than :data:`MOST_DEPTH`.
        """
        try:
            parts = {name: arrays[f"{prefix}.{name}"] for name in KINDS}
            for name, kind in KINDS.items():
                if parts[name].dtype.str != kind or parts[name].ndim != 1:
                    raise ModelError(f"the model's array {prefix}.{name} is no list of {kind}")
            n_nodes, index = len(parts["feature"]), np.arange(len(parts["feature"]))
            for name in ("threshold", "left", "right", "value", "missing_left"):
                if parts[name].shape != (n_nodes,):
                    raise ModelError(f"the model's array {prefix}.{name} has the wrong length")
            leaf = parts["left"] == index
            for name in ("left", "right"):
                child = parts[name]
                if ((child <= index) & ~leaf).any() or (child >= n_nodes).any() or (child < 0).any():
                    raise ModelError("a tree of the model points back or out of itself")
            if (parts["right"][leaf] != index[leaf]).any():
                raise ModelError("a leaf of the model points elsewhere")
            if (parts["feature"] < 0).any() or (parts["feature"] >= n_features).any():
                raise ModelError("a tree of the model asks for a feature that does not exist")
            root, output = parts["root"], parts["output"]
            if len(root) != len(output) or (root < 0).any() or (root >= n_nodes).any():
                raise ModelError("the model's roots are out of range")
            # Nodes that several trees share would make a small file a long walk; nodes of no tree hide something.
            parents = np.bincount(np.concatenate([parts["left"][~leaf], parts["right"][~leaf]]), minlength=n_nodes)
            if (parents + np.bincount(root, minlength=n_nodes) != 1).any():
                raise ModelError("a node of the model belongs to no tree, or to several")
            if not (np.isfinite(parts["value"]).all() and np.isfinite(parts["baseline"]).all()):
                raise ModelError("a leaf of the model adds no finite number")
            if (output < 0).any() or (output >= len(parts["baseline"])).any():
                raise ModelError("a tree of the model adds to an output that does not exist")
        except KeyError as error:
            raise ModelError(f"the model lacks the array {error}") from error
        return cls(**parts, depth=_depth(parts["left"], parts["right"], root))


def rounded(x: Floats) -> Floats:
    """Return entries as the trees compare them; order is kept, missing stays missing, and the absurdly large becomes infinite."""
    with np.errstate(over="ignore"):
        return np.asarray(np.round(x, DIGITS))


def _depth(left: npt.NDArray[np.int32], right: npt.NDArray[np.int32], root: npt.NDArray[np.int32]) -> int:
    """Return the longest walk from a root; children come after parents, and a node has one, so it ends."""
    level, depth = root, 0
    while True:
        inner = level[left[level] != level]
        if not len(inner):
            return depth
        if depth == MOST_DEPTH:
            raise ModelError(f"a tree of the model is deeper than {MOST_DEPTH}")
        level, depth = np.concatenate([left[inner], right[inner]]), depth + 1


def from_histogram_boosting(estimator: object, fitted_on: npt.NDArray[np.intp] | None = None) -> Forest:
    """Return the forest of a fitted HistGradientBoostingClassifier or Regressor.

    ``fitted_on`` are the columns of the whole input that the estimator was fitted on; all by default.

    Reads scikit-learn's private predictor arrays; a test compares scores with the estimator's own.
    """
    rounds = estimator._predictors  # type: ignore[attr-defined]
    columns: dict[str, list[npt.NDArray[np.generic]]] = {
        k: [] for k in ("feature", "threshold", "left", "right", "value", "missing_left")
    }
    root, output, offset = [], [], 0
    for trees in rounds:
        for k, tree in enumerate(trees):
            nodes = tree.nodes
            index = np.arange(len(nodes)) + offset
            leaf = nodes["is_leaf"].astype(bool)
            if nodes["is_categorical"].any():
                raise ModelError("categorical splits are not stored")
            columns["feature"].append(np.where(leaf, 0, nodes["feature_idx"]))
            # A leaf's threshold is unused; scikit-learn leaves rubbish there.
            columns["threshold"].append(np.where(leaf, 0.0, nodes["num_threshold"]))
            columns["left"].append(np.where(leaf, index, nodes["left"] + offset))
            columns["right"].append(np.where(leaf, index, nodes["right"] + offset))
            columns["value"].append(nodes["value"])
            columns["missing_left"].append(nodes["missing_go_to_left"])
            root.append(offset)
            output.append(k)
            offset += len(nodes)
    joined: dict[str, npt.NDArray[Any]] = {k: np.concatenate(v).astype(KINDS[k]) for k, v in columns.items()}
    # Infinite thresholds ("everything known goes left") are kept: only NaN is forbidden in a model.
    baseline = np.asarray(estimator._baseline_prediction, dtype=np.float64).reshape(-1)  # type: ignore[attr-defined]
    roots = np.asarray(root, dtype="<i4")
    if fitted_on is not None:
        joined["feature"] = fitted_on[joined["feature"]].astype("<i4")
    return Forest(**joined, root=roots, output=np.asarray(output, dtype="<i4"), baseline=baseline,
                  depth=_depth(joined["left"], joined["right"], roots))  # fmt: skip
