"""The shipped model's trees inside scikit-learn's own estimators: what compiled code takes for the same answers."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

from fingerprint.trees import Forest


def estimator(forest: Forest, n_features: int, *, regression: bool) -> Any:
    """Return an estimator of scikit-learn that holds a forest's trees.

    It is fitted for one round on noise, for all that an estimator must have, and its trees are then replaced.
    """
    outputs = len(forest.baseline)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50 * max(outputs, 2), n_features))
    kind = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
    y = rng.normal(size=len(x)) if regression else np.arange(len(x)) % max(outputs, 2)
    made = kind(max_iter=1, early_stopping=False).fit(x, y)
    by_output = [np.flatnonzero(forest.output == k) for k in range(outputs)]
    made._predictors = [[_tree(forest, int(trees[i])) for trees in by_output] for i in range(len(by_output[0]))]
    made._baseline_prediction = forest.baseline.reshape(1, -1)
    return made


def _tree(forest: Forest, tree: int) -> TreePredictor:
    start = int(forest.root[tree])
    end = int(forest.root[tree + 1]) if tree + 1 < len(forest.root) else len(forest.feature)
    nodes = np.zeros(end - start, dtype=PREDICTOR_RECORD_DTYPE)
    here = slice(start, end)
    leaf = forest.left[here] == np.arange(start, end)
    nodes["value"], nodes["feature_idx"], nodes["num_threshold"] = forest.value[here], forest.feature[here], forest.threshold[here]
    nodes["missing_go_to_left"], nodes["is_leaf"] = forest.missing_left[here], leaf
    nodes["left"] = np.where(leaf, 0, forest.left[here] - start)
    nodes["right"] = np.where(leaf, 0, forest.right[here] - start)
    none = np.zeros((0, 8), dtype=np.uint32)
    return TreePredictor(nodes, none, none)
