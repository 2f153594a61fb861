"""What trees are fitted on: columns that enough rows know, their values moved to quantiles, without a change to what is learned."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from fingerprint.classifier import LEAST_KNOWN, ArchitectureClassifier, telling_columns, to_quantiles


def drawn(rows: int = 3000, columns: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Vectors with gaps whose first column tells three classes apart."""
    rng = np.random.default_rng(0)
    x = rng.lognormal(size=(rows, columns))
    y = np.array(["ada", "ampere", "hopper"])[np.digitize(x[:, 0], [0.7, 1.5])]
    x[rng.random(x.shape) < 0.2] = np.nan
    return x, y


def test_no_column_keeps_more_values_than_bins_and_each_value_goes_to_the_nearest() -> None:
    x, _ = drawn()
    given = x.copy()
    moved = to_quantiles(x, 16)
    np.testing.assert_array_equal(x, given)
    np.testing.assert_array_equal(np.isnan(moved), np.isnan(x))
    for before, after in zip(x.T, moved.T, strict=True):
        told = ~np.isnan(before)
        kept = np.unique(after[told])
        assert len(kept) == 16
        assert {before[told].min(), before[told].max()} <= set(kept)
        nearest = np.abs(before[told][:, None] - kept).min(axis=1)
        np.testing.assert_allclose(np.abs(before[told] - after[told]), nearest, rtol=0, atol=1e-12)


def test_a_column_of_few_values_stays_as_it_is() -> None:
    x = np.array([[1.0, np.nan], [2.0, 5.0], [3.0, 5.0]])
    np.testing.assert_array_equal(to_quantiles(x, 3), x)


def test_trees_fitted_on_quantiles_answer_alike_for_the_values_themselves() -> None:
    """Their thresholds lie half-way between quantiles, so a value and its quantile go the same way."""
    x, y = drawn()
    model = HistGradientBoostingClassifier(max_iter=10, max_bins=16, early_stopping=False, random_state=0)
    model.fit(to_quantiles(x, 16), y, sample_weight=np.random.default_rng(1).random(len(y)))
    np.testing.assert_array_equal(model.predict_proba(x), model.predict_proba(to_quantiles(x, 16)))


@pytest.mark.parametrize(("known", "looked_at"), [(0, False), (9, False), (10, True), (3000, True)])
def test_a_column_that_too_few_rows_know_is_not_looked_at(known: int, looked_at: bool) -> None:
    x, _ = drawn()
    assert LEAST_KNOWN * len(x) == 10
    x[:, 2] = np.nan
    x[:known, 2] = np.arange(known)
    assert (2 in telling_columns(x)) == looked_at


def test_a_column_of_one_value_is_not_looked_at() -> None:
    x, _ = drawn()
    x[:, 1] = 7.0
    assert telling_columns(x).tolist() == [0, 2, 3]


def test_the_classifier_learns_what_tells_the_classes_apart() -> None:
    x, y = drawn()
    model = ArchitectureClassifier(max_iter=20).fit(x, y)
    seen = ~np.isnan(x[:, 0])
    assert np.mean(model.predict(x[seen]) == y[seen]) > 0.95
    assert np.mean(model.predict(x[~seen]) == y[~seen]) < 0.7
