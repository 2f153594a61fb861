"""Scoring by bits finds the leaves that walking finds."""

from dataclasses import replace

import numpy as np
import pytest

from fingerprint import bitvectors
from fingerprint.trees import KINDS, MANY, Forest

FEATURES = 7


def grown(leaves, trees, seed, outputs=2):
    """A forest of random trees with so many leaves each, thresholds from a few values, infinite ones among them."""
    rng = np.random.default_rng(seed)
    columns = {name: [] for name in ("feature", "threshold", "left", "right", "value", "missing_left")}
    root = []
    for _ in range(trees):
        root.append(len(columns["feature"]))
        for column in columns.values():
            column.append(0)
        ends = [root[-1]]
        while len(ends) < leaves:
            node = ends.pop(int(rng.integers(len(ends))))
            first = len(columns["feature"])
            columns["feature"][node] = int(rng.integers(FEATURES))
            columns["threshold"][node] = float(rng.choice([-np.inf, -1.0, -0.5, 0.0, 0.5, 1.0, np.inf]))
            columns["missing_left"][node] = int(rng.integers(2))
            columns["left"][node], columns["right"][node] = first, first + 1
            for name in columns:
                columns[name] += [0, 0]
            ends += [first, first + 1]
        for node in ends:
            columns["left"][node] = columns["right"][node] = node
            columns["value"][node] = float(rng.normal())
    columns |= {"root": root, "output": rng.integers(outputs, size=trees), "baseline": rng.normal(size=outputs)}
    return Forest.from_arrays({f"f.{name}": np.asarray(columns[name], dtype=KINDS[name]) for name in KINDS}, "f", FEATURES)


def rows(n, seed):
    """Rows on, between and beyond the thresholds, with missing entries and runs of equal ones."""
    x = np.random.default_rng(seed).choice([-np.inf, -1.0, -0.75, -0.5, 0.0, 0.5, 0.7, 1.0, 2.0, np.inf, np.nan], size=(n, FEATURES))
    x[:, 0], x[:, 1] = np.repeat(x[: n // 40 + 1, 0], 40)[:n], np.nan
    return x


def walked(forest, x):
    """The scores of rows taken a few at a time, which are walked."""
    return np.vstack([forest.scores(x[i : i + 50]) for i in range(0, len(x), 50)])


@pytest.mark.parametrize("leaves", [1, 2, 7, 8, 9, 16, 17, 32, 33, 63, 64])
def test_every_row_ends_in_the_leaf_that_walking_finds(leaves):
    forest, x = grown(leaves, 30, leaves), rows(3 * bitvectors.CHUNK + 11, leaves)
    assert forest._tables is not None
    np.testing.assert_array_equal(forest.scores(x), walked(forest, x))


@pytest.mark.parametrize("outputs", [1, 2, 13])
@pytest.mark.parametrize("leaves", [5, bitvectors.MOST_LEAVES + 1])
def test_a_row_among_many_gets_the_sums_that_it_gets_alone_to_the_last_bit(leaves, outputs):
    """Whether trees add to the outputs in turn, as a boosted classifier's do, or in any order; by bits or by walking."""
    trees = 3 * outputs
    mixed, x = grown(leaves, trees, leaves, outputs), rows(2 * MANY, 3)
    turned = replace(mixed, output=np.arange(trees, dtype=np.int32) % outputs)
    for forest in (mixed, turned):
        alone = np.concatenate([forest.scores(x[i : i + 1]) for i in range(len(x))])
        assert (forest.scores(x) == alone).all()


def test_larger_trees_are_walked():
    forest, x = grown(bitvectors.MOST_LEAVES + 1, 5, 0), rows(2 * MANY, 0)
    assert forest._tables is None
    np.testing.assert_array_equal(forest.scores(x), walked(forest, x))


def test_tables_that_would_take_too_much_memory_are_not_made(monkeypatch):
    monkeypatch.setattr(bitvectors, "LARGEST_TABLES", 1000)
    forest, x = grown(16, 30, 1), rows(2 * MANY, 1)
    assert forest._tables is None
    np.testing.assert_array_equal(forest.scores(x), walked(forest, x))


def test_a_forest_without_a_tree_gives_its_baseline():
    forest = Forest.from_arrays({f"f.{n}": np.zeros(2 if n == "baseline" else 0, dtype=k) for n, k in KINDS.items()}, "f", 1)
    assert forest.scores(np.zeros((2 * MANY, 1))).tolist() == [[0.0, 0.0]] * (2 * MANY)


def test_tables_are_not_sent_along_with_a_forest():
    import pickle

    forest = grown(16, 50, 2)
    plain = len(pickle.dumps(forest))
    forest.scores(rows(2 * MANY, 2))
    assert len(pickle.dumps(forest)) == plain
