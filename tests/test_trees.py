"""A stored forest scores as the estimator it came from, and hostile arrays never get as far as scoring."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from fingerprint.errors import ModelError
from fingerprint.trees import CHUNK, KINDS, MOST_DEPTH, Forest, from_histogram_boosting

N_FEATURES = 6


def learned(classes, seed, missing=0.4, n=400):
    """A fitted estimator and rows that it has not seen, both with missing values."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, N_FEATURES))
    y = (np.digitize(x[:, 0] + 0.3 * x[:, 1], np.linspace(-1, 1, classes - 1)) if classes > 2 else x[:, 0] > 0).astype(int)
    x[rng.random(x.shape) < missing] = np.nan
    estimator = HistGradientBoostingClassifier(max_iter=12, max_leaf_nodes=9, max_features=0.5, random_state=seed)
    new = rng.normal(scale=2.0, size=(300, N_FEATURES))
    new[rng.random(new.shape) < missing] = np.nan
    return estimator.fit(x, y), new


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_scores_equal_those_of_scikit_learn(classes, seed, missing):
    estimator, x = learned(classes, seed, missing)
    scores = from_histogram_boosting(estimator).scores(x)
    expected = estimator.decision_function(x).reshape(len(x), -1)
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-9)


def test_a_row_of_which_nothing_or_everything_extreme_is_known_scores_alike():
    estimator, _ = learned(3, 0)
    x = np.array([[np.nan] * N_FEATURES, [1e300] * N_FEATURES, [-1e300] * N_FEATURES])
    np.testing.assert_allclose(from_histogram_boosting(estimator).scores(x), estimator.decision_function(x), atol=1e-9)


@pytest.mark.parametrize("n", [3, 3000])
def test_the_last_bit_of_an_entry_decides_nothing(n):
    """Entries that are equal but for what another library's logarithm gives end in the same leaves, on thresholds too."""
    forest = Forest.from_arrays(stump(threshold=[np.log10(2.0)] * 3), "f", 1)
    x = np.full((n, 1), np.log10(2.0))
    above, below = np.nextafter(x, np.inf), np.nextafter(x, -np.inf)
    assert (forest.scores(above) == forest.scores(x)).all()
    assert (forest.scores(below) == forest.scores(x)).all()


def test_rows_score_the_same_alone_as_among_many():
    estimator, x = learned(3, 1)
    forest = from_histogram_boosting(estimator)
    many = np.tile(x, (CHUNK // len(x) + 2, 1))
    np.testing.assert_array_equal(forest.scores(many)[: len(x)], forest.scores(x))
    np.testing.assert_array_equal(forest.scores(x)[7:8], forest.scores(x[7:8]))
    assert forest.scores(x[:0]).shape == (0, 3)


def test_a_forest_comes_back_from_its_arrays():
    estimator, x = learned(4, 2)
    forest = from_histogram_boosting(estimator)
    arrays = forest.arrays("f")
    assert {name: array.dtype.str for name, array in arrays.items()} == {f"f.{name}": kind for name, kind in KINDS.items()}
    again = Forest.from_arrays({**arrays, "other.array": np.zeros(3)}, "f", N_FEATURES)
    np.testing.assert_array_equal(again.scores(x), forest.scores(x))
    assert again.depth == forest.depth


def stump(**changes):
    """A forest of one split, with some of its arrays replaced."""
    arrays = {
        "feature": [0, 0, 0],
        "threshold": [0.0, 0.0, 0.0],
        "left": [1, 1, 2],
        "right": [2, 1, 2],
        "value": [0.0, -1.0, 1.0],
        "missing_left": [1, 0, 0],
        "root": [0],
        "output": [0],
        "baseline": [0.5],
    } | changes
    return {f"f.{name}": cells if isinstance(cells, np.ndarray) else np.array(cells, dtype=KINDS[name]) for name, cells in arrays.items()}


def test_a_stump_sends_rows_where_it_should():
    forest = Forest.from_arrays(stump(), "f", 1)
    x = np.array([[-1.0], [0.0], [0.1], [np.nan]])
    assert forest.scores(x).ravel().tolist() == [-0.5, -0.5, 1.5, -0.5]


HOSTILE = {
    "a loop": {"left": [0, 1, 2], "right": [2, 1, 2]},
    "a child before its parent": {"left": [1, 1, 1], "right": [2, 1, 2]},
    "a leaf that goes on": {"right": [2, 2, 2]},
    "a child beyond the end": {"right": [3, 1, 2]},
    "a child below zero": {"left": [-1, 1, 2]},
    "a feature beyond the vector": {"feature": [1, 0, 0]},
    "a feature below zero": {"feature": [-1, 0, 0]},
    "a root beyond the end": {"root": [3]},
    "a root below zero": {"root": [-1]},
    "an output beyond the classes": {"output": [1]},
    "an output below zero": {"output": [-1]},
    "a leaf that two splits share": {"left": [1, 1, 2, 4, 4, 5], "right": [2, 1, 2, 1, 4, 5], "feature": [0] * 6, "threshold": [0.0] * 6,
                                     "value": [0.0] * 6, "missing_left": [0] * 6, "root": [0, 3], "output": [0, 0]},
    "a child that is both sides": {"left": [1, 1, 2], "right": [1, 1, 2]},
    "a node of no tree": {"left": [0, 1, 2], "right": [0, 1, 2]},
    "a tree that is two": {"root": [0, 0], "output": [0, 0]},
    "a leaf that adds everything": {"value": [0.0, np.inf, 1.0]},
    "an infinite beginning": {"baseline": [-np.inf]},
    "more roots than outputs": {"root": [0, 0]},
    "values that are too few": {"value": [0.0]},
    "thresholds that are too few": {"threshold": [0.0]},
    "indices that are no integers": {"left": np.array([1.0, 1.0, 2.0])},
    "values that are no numbers": {"value": np.array(["a", "b", "c"])},
    "a table for a list": {"root": np.zeros((1, 1), dtype="<i4")},
    "a number for a list": {"feature": np.array(0, dtype="<i4")},
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_arrays_are_refused(kind):
    with pytest.raises(ModelError):
        Forest.from_arrays(stump(**HOSTILE[kind]), "f", 1)


@pytest.mark.parametrize("name", KINDS)
def test_a_missing_array_is_named(name):
    arrays = stump()
    del arrays[f"f.{name}"]
    with pytest.raises(ModelError, match=rf"lacks the array 'f\.{name}'"):
        Forest.from_arrays(arrays, "f", 1)


def test_a_tree_too_deep_to_be_ours_is_refused():
    n = 2 * MOST_DEPTH + 5
    index = np.arange(n)
    leaf = (index % 2 == 1) | (index == n - 1)
    chain = {
        "feature": np.zeros(n), "threshold": np.zeros(n), "left": np.where(leaf, index, index + 1),
        "right": np.where(leaf, index, index + 2), "value": np.zeros(n), "missing_left": np.zeros(n),
    }  # fmt: skip
    with pytest.raises(ModelError, match="deeper"):
        Forest.from_arrays(stump(**{name: cells.astype(KINDS[name]) for name, cells in chain.items()}), "f", 1)
