"""The architecture classifier as a scikit-learn estimator: what ``fingerprint train`` fits and the scorer ships."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from fingerprint.measurements import Floats
from fingerprint.trees import Forest, from_histogram_boosting

#: Share of the rows that must know a column for it to be looked at; what fewer know is learned by heart at best.
LEAST_KNOWN = 1 / 300


def telling_columns(x: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Return the columns that :data:`LEAST_KNOWN` of the rows know, with at least two values.

    A column that no profile knows, or all know alike, can't be split on, and some releases of scikit-learn fail to bin it.
    """
    enough = np.count_nonzero(~np.isnan(x), axis=0) >= LEAST_KNOWN * len(x)
    return np.flatnonzero(enough & (np.fmax.reduce(x, axis=0) > np.fmin.reduce(x, axis=0)))


def to_quantiles(x: npt.NDArray[Any], bins: int) -> npt.NDArray[Any]:
    """Return columns with each value moved to the nearest of at most ``bins`` evenly spaced quantiles of its own column.

    Trees that split each column into so many bins put a threshold half-way between two of these, so they answer alike for
    the values as they were. Binned by scikit-learn itself, weighted quantiles are sorted for one by one by its newest
    releases, which takes longer than some of our fits, and are plain quantiles in older ones.

    Parameters
    ----------
    x : ndarray of shape (n_rows, n_columns)
        NaN where missing; stays so.
    bins : int
        As the estimator's ``max_bins``.
    """
    out = x.copy()
    for column in out.T:
        told = ~np.isnan(column)
        known = column[told]
        values = np.unique(known)
        if len(values) > bins:
            values = np.unique(np.quantile(known, np.linspace(0.0, 1.0, bins), method="inverted_cdf"))
            between = (values[1:] + values[:-1]) / 2.0
            column[told] = values[np.searchsorted(between, known)]
    return out


class ArchitectureClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Gradient-boosted trees over profile vectors; missing entries are part of life.

    Parameters
    ----------
    max_iter, learning_rate, max_leaf_nodes, min_samples_leaf, l2_regularization, max_features, max_bins
        As in scikit-learn's HistGradientBoostingClassifier. ``max_features`` is small because most figures are missing
        from most profiles, and a profile must be recognised by whatever it has. Few bins are enough where sources differ by tens of
        per cent, and train a third faster.
    random_state : int

    Notes
    -----
    Probabilities are those of the trees. Calibration and prediction sets belong to
    :class:`fingerprint.scorer.Calibration`, fitted on sources that the trees have not seen.
    """

    def __init__(
        self,
        max_iter: int = 80,
        learning_rate: float = 0.12,
        max_leaf_nodes: int = 8,
        min_samples_leaf: int = 12,
        l2_regularization: float = 5.0,
        max_features: float = 0.25,
        max_bins: int = 64,
        random_state: int = 0,
    ) -> None:
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.max_features = max_features
        self.max_bins = max_bins
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> ArchitectureClassifier:
        """Return self, fitted on vectors of shape (n_profiles, n_features) and class names."""
        X, y = validate_data(self, X, y, ensure_all_finite="allow-nan", dtype=np.float64)
        check_classification_targets(y)
        self.columns_ = telling_columns(X)
        self.boosting_ = HistGradientBoostingClassifier(**self.get_params(), early_stopping=False)
        self.boosting_.fit(to_quantiles(X[:, self.columns_], self.max_bins), y, sample_weight=sample_weight)
        self.classes_ = self.boosting_.classes_
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Return the trees' probabilities, columns as in ``classes_``."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, ensure_all_finite="allow-nan", dtype=np.float64)
        return np.asarray(self.boosting_.predict_proba(X[:, self.columns_]))

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the likeliest class of each vector."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def forest(self) -> Forest:
        """Return the fitted trees as plain arrays."""
        check_is_fitted(self)
        return from_histogram_boosting(self.boosting_, self.columns_)
