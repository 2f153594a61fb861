"""The shipped model: vectors -> calibrated posterior and prediction sets, from plain arrays, without scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprint import storage
from fingerprint.errors import ModelError
from fingerprint.features import feature_names
from fingerprint.measurements import Floats
from fingerprint.resources import path
from fingerprint.trees import Forest

#: Version of the stored layout; a loader reads its own version only.
FORMAT = 1


@dataclass(frozen=True)
class Calibration:
    """How raw scores become probabilities, and how far a set must reach.

    Attributes
    ----------
    sharpness : ndarray of shape (2,)
        ``exp(a + b * log(known))`` multiplies the scores, where ``known`` is how many entries of a vector are known:
        fewer figures deserve less trust.
    bias : ndarray of shape (n_classes,)
        Added to the scores.
    floor : ndarray of shape (1,)
        Share of the prior mixed in, so that no probability is a promise.
    prior : ndarray of shape (n_classes,)
        What is thought before any figure is seen.
    quantiles : ndarray of shape (n_classes, n_levels)
        For each class, quantiles of ``1 - p(true class)`` on held-out sources, at evenly spaced levels from 0 to 1.
    """

    sharpness: Floats
    bias: Floats
    floor: Floats
    prior: Floats
    quantiles: Floats

    def probabilities(self, scores: Floats, known: Floats) -> Floats:
        """Return calibrated probabilities, shape (n_rows, n_classes); the prior where nothing is known."""
        sharp = np.exp(self.sharpness[0] + self.sharpness[1] * np.log(np.maximum(known, 1.0)))
        z = scores * sharp[:, None] + self.bias
        z -= z.max(axis=1, keepdims=True)
        p = np.exp(z)
        p /= p.sum(axis=1, keepdims=True)
        p = (1.0 - self.floor[0]) * p + self.floor[0] * self.prior
        return np.where((known > 0)[:, None], p, self.prior)

    def sets(self, probabilities: Floats, coverage: float) -> npt.NDArray[np.bool_]:
        """Return which classes belong to each prediction set, shape (n_rows, n_classes).

        A class is in when its probability is as high as that of the given share of true profiles of that class from
        sources never seen (class-conditional split conformal prediction, Vovk 2012). The likeliest class is always in.
        """
        levels = np.linspace(0.0, 1.0, self.quantiles.shape[1])
        limit = np.array([np.interp(coverage, levels, q) for q in self.quantiles])
        inside = 1.0 - probabilities <= limit
        inside[np.arange(len(probabilities)), probabilities.argmax(axis=1)] = True
        return inside


@dataclass(frozen=True)
class Model:
    """A trained model: trees, calibration and what it was made from."""

    classes: tuple[str, ...]
    forest: Forest
    calibration: Calibration
    version: str
    data: str

    def predict_proba(self, x: Floats) -> Floats:
        """Return calibrated probabilities, shape (n_rows, n_classes), columns as in ``classes``."""
        x = np.ascontiguousarray(x, dtype=np.float64)
        return self.calibration.probabilities(self.forest.scores(x), known(x))

    def predict_set(self, x: Floats, coverage: float = 0.9) -> npt.NDArray[np.bool_]:
        """Return the prediction sets at the stated coverage."""
        return self.calibration.sets(self.predict_proba(x), coverage)

    def save(self, file: Path) -> None:
        """Write the model as arrays with a JSON header."""
        c = self.calibration
        arrays = self.forest.arrays("forest") | {
            f"calibration.{name}": np.asarray(getattr(c, name), dtype="<f8")
            for name in ("sharpness", "bias", "floor", "prior", "quantiles")
        }
        header: dict[str, Any] = {"format": FORMAT, "classes": list(self.classes), "features": list(feature_names()),
                                  "version": self.version, "data": self.data}  # fmt: skip
        storage.save(file, header, arrays)

    @classmethod
    def load(cls, file: Path) -> Model:
        """Return the model of a file, checked.

        Raises
        ------
        ModelError
            If the file is damaged, of another format, or made for other features than this program computes.
        """
        header, arrays = storage.load(file)
        if header.get("format") != FORMAT:
            raise ModelError(f"{file.name} has the format {header.get('format')!r}, this program reads {FORMAT}")
        if header.get("features") != list(feature_names()):
            raise ModelError(f"{file.name} was made for other features; train again or use the version that made it")
        missing = [name for name in ("classes", "version", "data") if name not in header]
        if missing:
            raise ModelError(f"{file.name} is damaged: its header lacks {', '.join(missing)}")
        classes = tuple(map(str, header["classes"]))
        forest = Forest.from_arrays(arrays, "forest", len(feature_names()))
        try:
            calibration = Calibration(
                *(arrays[f"calibration.{n}"] for n in ("sharpness", "bias", "floor", "prior", "quantiles"))
            )
        except KeyError as error:
            raise ModelError(f"{file.name} lacks the array {error}") from error
        shapes = [a.shape for a in (calibration.sharpness, calibration.bias, calibration.floor, calibration.prior)]
        if shapes != [(2,), (len(classes),), (1,), (len(classes),)] or len(forest.baseline) != len(classes):
            raise ModelError(f"{file.name}: its calibration does not fit its {len(classes)} classes")
        if calibration.quantiles.ndim != 2 or len(calibration.quantiles) != len(classes):
            raise ModelError(f"{file.name}: its quantiles do not fit its {len(classes)} classes")
        return cls(classes, forest, calibration, str(header["version"]), str(header["data"]))


def known(x: Floats) -> Floats:
    """Return how many entries of each vector are known."""
    return np.asarray((~np.isnan(x)).sum(axis=1), dtype=np.float64)


@lru_cache(maxsize=1)
def shipped() -> Model:
    """Return the model that ships with the program."""
    return Model.load(path("models/architecture.fpm"))
