"""The shipped model: measurements -> calibrated posterior and prediction sets, from plain arrays, without scikit-learn.

Three experts look at a profile. The *direct* one reads its vector: absolute rates, utilisations, ratios. It is best where
such figures were seen before. The *matching* one holds every figure against every candidate chip's data sheet through the
forward model and asks which chip fits; it knows no absolute rate and carries over to sources and chips it never saw. The
*weighing* one sees only how well the chips of each class fit and learns which classes are taken for one another. Their
scores are added with weights fitted on sources that none had seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprint import chips, storage
from fingerprint.candidates import CHIP_NAMES, ROW_NAMES, Rows, candidates, rows_of
from fingerprint.costs import points
from fingerprint.errors import ModelError
from fingerprint.features import feature_names, vectors
from fingerprint.forward import Residuals, match, match_names, nearness, scales
from fingerprint.measurements import Floats, Mask, Measurements
from fingerprint.regimes import regimes
from fingerprint.resources import path
from fingerprint.roofline import excluded_chips
from fingerprint.trees import Forest

#: Version of the stored layout; a loader reads its own version only.
FORMAT = 5

#: The class of everything that is none of the architectures below: taught from those with too few origins for a class.
UNKNOWN = "unknown"

#: What the model answers. An architecture needs several origins to be learned and tested.
CLASSES: tuple[str, ...] = ("hopper", "blackwell", "h20", "ampere", "ada", "volta", "turing", "cdna2", "cdna3", "cdna4",
                            "gaudi", "tpu", UNKNOWN)  # fmt: skip

Rowsets = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class Scores:
    """What the experts say of n profiles, and how many figures each said it from.

    Attributes
    ----------
    direct, weighing, matching : ndarray of shape (n, n_classes)
        Log probabilities up to a constant.
    figures : ndarray of shape (n,)
        Figures that the matching and the weighing expert had.
    known : ndarray of shape (n,)
        Entries of the vector that are known.
    fixed : ndarray of shape (n,)
        1 where a figure is of a benchmark with fixed rules (:data:`fingerprint.features.FIXED`), else 0.
    possible : ndarray of bool, shape (n, n_classes)
        Classes with a chip that no figure excludes.
    chips : ndarray of shape (n, n_candidates)
        Probability of each candidate within its class, by the matching expert; even where nothing is known, 0 for
        candidates that a figure excludes.
    """

    direct: Floats
    weighing: Floats
    matching: Floats
    figures: Floats
    known: Floats
    fixed: Floats
    possible: Mask
    chips: Floats

    @property
    def circumstances(self) -> Floats:
        """What the trust in an expert depends on, shape (3, n): one, how many figures there are, and whether of fixed rules."""
        return np.stack([np.ones_like(self.fixed), np.log1p(self.figures) - 2.0, self.fixed])

    def take(self, rows: npt.NDArray[Any]) -> Scores:
        """Return the scores of some of the profiles."""
        return Scores(*(getattr(self, f.name)[rows] for f in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[Scores]) -> Scores:
        """Return the scores of several lots of profiles, one after the other."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))


@dataclass(frozen=True, eq=False, repr=False)
class Calibration:
    """How the experts' scores become probabilities, and how far a set must reach.

    Attributes
    ----------
    trust : ndarray of shape (3, 3)
        ``exp(a + b * (log(1 + figures) - 2) + c * fixed)`` multiplies an expert's scores; a row an expert (direct, weighing, matching).
    bias : ndarray of shape (2, n_classes)
        Added to the scores; the second row where a figure is of a benchmark with fixed rules, to the first.
    floor : ndarray of shape (1,)
        Share of the prior mixed in, so that no probability is a promise.
    prior : ndarray of shape (n_classes,)
        What is thought before any figure is seen.
    quantiles : ndarray of shape (n_classes, n_levels)
        For each class, quantiles of ``1 - p(true class)`` on held-out sources, at evenly spaced levels from 0 to 1.
    label_quantiles : ndarray of shape (n_classes, n_levels)
        The same of ``1 - label_probability(p, true class)`` for whole profiles that say anything, as a board shows and an audit tests them.
    """

    trust: Floats
    bias: Floats
    floor: Floats
    prior: Floats
    quantiles: Floats
    label_quantiles: Floats

    def probabilities(self, scores: Scores) -> Floats:
        """Return calibrated probabilities, shape (n_rows, n_classes); the prior where nothing is known."""
        prior = self.prior_of(scores)
        p = (1.0 - self.floor[0]) * self.stacked(scores) + self.floor[0] * prior
        return np.where((scores.known > 0)[:, None], p, prior)

    def prior_of(self, scores: Scores) -> Floats:
        """Return the prior of each profile among the classes that are possible, shape (n_rows, n_classes)."""
        prior = np.where(scores.possible, self.prior, 0.0)
        return np.asarray(prior / prior.sum(axis=1, keepdims=True))

    def trusts(self, scores: Scores) -> Floats:
        """Return what multiplies each expert's scores of each profile, shape (3, n_rows)."""
        return np.asarray(np.exp(self.trust @ scores.circumstances))

    def stacked(self, scores: Scores) -> Floats:
        """Return the experts' word together, before the floor, shape (n_rows, n_classes)."""
        z = np.where(scores.possible, self.bias[0] + scores.fixed[:, None] * self.bias[1], -np.inf)
        for trust, expert in zip(self.trusts(scores), (scores.direct, scores.weighing, scores.matching), strict=True):
            z = z + expert * trust[:, None]
        p = np.exp(z - z.max(axis=1, keepdims=True))
        return np.asarray(p / p.sum(axis=1, keepdims=True))

    def label_probability(self, probabilities: Floats, column: npt.NDArray[np.int64]) -> Floats:
        """Return how probable a label is to each profile, shape (n,).

        What looks like nothing that is known may be a strange or slow run of any chip, the label's as well: the probability of
        :data:`UNKNOWN` is shared out among the classes that no figure excludes, by what was thought before any figure was seen. Only an
        architecture that is no class of its own has :data:`UNKNOWN` for its class; it keeps that.

        Parameters
        ----------
        probabilities : ndarray of shape (n, n_classes)
            0 for what is excluded.
        column : ndarray of int, shape (n,)
            The labels' class numbers.
        """
        unknown = CLASSES.index(UNKNOWN)
        share = np.where(probabilities > 0.0, self.prior, 0.0)
        share[:, unknown] = 0.0
        share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-300)
        each = np.arange(len(probabilities))
        return np.asarray(probabilities[each, column] + probabilities[:, unknown] * share[each, column])

    def sets(self, probabilities: Floats, coverage: float) -> Mask:
        """Return which classes belong to each prediction set, shape (n_rows, n_classes).

        A class is in when its probability is as high as that of the given share of true profiles of that class from
        sources never seen (class-conditional split conformal prediction, Vovk 2012). The likeliest class is always in.
        """
        levels = np.linspace(0.0, 1.0, self.quantiles.shape[1])
        limit = np.array([np.interp(coverage, levels, q) for q in self.quantiles])
        inside = 1.0 - probabilities <= limit
        inside[np.arange(len(probabilities)), probabilities.argmax(axis=1)] = True
        return inside


def possible_classes(gone: Mask) -> Mask:
    """Return the classes that have a chip left, from :func:`fingerprint.roofline.excluded_chips`.

    :data:`UNKNOWN` is always possible: it holds chips that are in no table.
    """
    architecture = [c.architecture for c in chips.table().values()]
    left = [~gone[:, [a == c for a in architecture]].all(axis=1) for c in CLASSES[:-1]]
    return np.stack([*left, np.ones(len(gone), dtype=bool)], axis=1)


def possible_candidates(gone: Mask) -> Mask:
    """Return the candidates that are left: those that stand for a chip which is not excluded."""
    place = {c: i for i, c in enumerate(chips.table())}
    return np.stack([~gone[:, [place[m] for m in mine]].all(axis=1) for mine in candidates().members], axis=1)


@lru_cache(maxsize=1)
def class_of_candidate() -> npt.NDArray[np.int64]:
    """Return the class number of each candidate."""
    return np.array([CLASSES.index(a if a in CLASSES else UNKNOWN) for a in candidates().architecture], dtype=np.int64)


def weigh_names() -> tuple[str, ...]:
    """Return the names of the columns that :func:`class_fits` gives, in order."""
    return tuple(f"{c}.{figure}" for figure in _FITS for c in CLASSES)


_FITS = ("likelihood", "total")


def class_fits(found: npt.NDArray[np.floating[Any]], figures: Floats) -> Floats:
    """Return how well the candidates of each class explain each profile on the whole, shape (n, len(weigh_names())).

    The logarithm of their mean likelihood: a class of many different boards shall not win because one of them always fits.

    Parameters
    ----------
    found : ndarray of shape (n, n_candidates, len(match_names()))
        From :func:`fingerprint.forward.match`.
    figures : ndarray of shape (n,)
        Figures that could be matched; NaN throughout where there is none.
    """
    architecture = class_of_candidate()
    columns = []
    for figure in _FITS:
        each = found[:, :, match_names().index(f"all.{figure}")]
        for k in range(len(CLASSES)):
            mine = architecture == k
            columns.append(_mean_likelihood(each[:, mine]) if mine.any() else np.full(len(found), np.nan))
    return np.where((figures > 0)[:, None], np.stack(columns, axis=1), np.nan).astype(np.float64)


def _mean_likelihood(log: npt.NDArray[np.floating[Any]]) -> Floats:
    best = log.max(axis=1, keepdims=True).astype(np.float64)
    return np.asarray(best[:, 0] + np.log(np.exp(log - best).mean(axis=1)))


def entries(x: Floats) -> tuple[Floats, Floats]:
    """Return how many entries of each vector are known, and 1 where one of them is of a benchmark with fixed rules, else 0."""
    told = ~np.isnan(x)
    fixed = np.array([name.startswith("fixed.") for name in feature_names()], dtype=bool)
    return np.asarray(told.sum(axis=1), dtype=np.float64), np.asarray(told[:, fixed].any(axis=1), dtype=np.float64)


def moved(p: Floats, before: Floats) -> Floats:
    """Return by how many bits the figures have moved each answer from what was thought before, shape (n,)."""
    return np.asarray((p * np.log2(np.where(p > 0, p, 1.0) / np.where(p > 0, before, 1.0))).sum(axis=1))


def centred(scores: Floats) -> Floats:
    """Return scores less their mean over classes."""
    return np.asarray(scores - scores.mean(axis=1, keepdims=True)) if len(scores) else scores


def within_class(logits: npt.NDArray[np.floating[Any]], figures: Floats, left: Mask) -> Floats:
    """Return the probability of each candidate within its class, from one logit a candidate; 0 for those not ``left``."""
    architecture = class_of_candidate()
    z = np.where((figures > 0)[:, None] & ~np.isnan(logits), logits, 0.0)
    out = np.zeros(z.shape)
    for k in sorted(set(architecture.tolist())):
        mine = architecture == k
        each = np.where(left[:, mine], np.exp(z[:, mine] - z[:, mine].max(axis=1, keepdims=True)), 0.0)
        out[:, mine] = each / np.maximum(each.sum(axis=1, keepdims=True), 1e-300)
    return out


def class_scores(logits: npt.NDArray[np.floating[Any]], figures: Floats, left: Mask) -> Floats:
    """Return log probabilities of the classes from one logit a candidate, candidates of a class added up.

    Candidates that are not ``left`` don't count. A profile without a figure to match gets zeros.
    """
    z = np.where(np.isnan(logits) | ~left, -np.inf, logits)
    top = z.max(axis=1, keepdims=True)
    each = np.exp(z - np.where(np.isfinite(top), top, 0.0))
    each /= np.maximum(each.sum(axis=1, keepdims=True), 1e-300)
    architecture = class_of_candidate()
    total = np.stack([each[:, architecture == k].sum(axis=1) for k in range(len(CLASSES))], axis=1)
    # A class without a candidate, or with hopeless ones, stays in the race by a millionth.
    return np.where((figures > 0)[:, None], np.log(total + 1e-6), 0.0)


@dataclass(frozen=True, eq=False, repr=False)
class Seen:
    """A table's rows as the matching expert sees them, worked out once, whatever profiles are then made of them.

    ``place`` gives each row of the table its index in ``rows``, or -1.
    """

    rows: Rows
    found: Residuals
    place: Rowsets


def visible(table: Measurements) -> tuple[Rows, Rowsets]:
    """Return the rows that can be matched, and each table row's place among them (-1 for none)."""
    implied = points(table)
    rows = rows_of(table, implied, regimes(table, implied))
    place = np.full(len(table), -1, dtype=np.int64)
    place[rows.index] = np.arange(len(rows))
    return rows, place


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A trained model: five sets of trees, calibration, and what it was made from."""

    classes: tuple[str, ...]
    direct: Forest
    forward: Forest
    spread: Forest
    weighing: Forest
    matching: Forest
    calibration: Calibration
    claim_limits: dict[str, float]
    version: str
    data: str

    def look(self, table: Measurements) -> Seen:
        """Return the table's rows against every candidate."""
        rows, place = visible(table)
        near, off = nearness(rows, lambda design: self.forward.scores(design)[:, 0])
        return Seen(rows, Residuals(near, off, self._scales(rows)), place)

    def scores(self, table: Measurements, seen: Seen | None = None, row: Rowsets | None = None, gone: Mask | None = None) -> Scores:
        """Return what the experts say of each profile of a table.

        Parameters
        ----------
        table : Measurements
            One or more profiles.
        seen : Seen, optional
            Rows already looked at, if ``table`` was made of them.
        row : ndarray of shape (len(table),), optional
            Which row of the table that was looked at each row here is; by default the same.
        gone : ndarray of bool, shape (n_profiles, n_chips), optional
            Chips that each profile's figures exclude, where that is known already.
        """
        x = vectors(table)
        seen = seen or self.look(table)
        place = seen.place if row is None else seen.place[row]
        use = np.flatnonzero(place >= 0)
        profile = table.profile_numbers().astype(np.int64)[use]
        n = len(table.profiles)
        figures = np.bincount(profile, minlength=n).astype(np.float64)
        logits = np.empty((n, len(candidates().ids)))
        fits = np.empty((n, len(weigh_names())))
        step = 256
        for start in range(0, n, step):
            here = (profile >= start) & (profile < start + step)
            size = min(step, n - start)
            z = match(seen.found, seen.rows, place[use][here], profile[here] - start, size)
            logits[start : start + size] = self.matching.scores(z.reshape(-1, z.shape[2]).astype(np.float64)).reshape(size, -1)
            fits[start : start + size] = class_fits(z, figures[start : start + size])
        gone = excluded_chips(table) if gone is None else gone
        left = possible_candidates(gone)
        return Scores(centred(self.direct.scores(x)), centred(self.weighing.scores(fits)), class_scores(logits, figures, left),
                      figures, *entries(x), possible_classes(gone), within_class(logits, figures, left))  # fmt: skip

    def usual_error(self, rows: Rows) -> Floats:
        """Return how far figures like each row are commonly from what the forward model expects, log10, shape (n,)."""
        return self._scales(rows).astype(np.float64)

    def _scales(self, rows: Rows) -> npt.NDArray[np.float32]:
        return scales(rows, lambda describe: self.spread.scores(describe)[:, 0])

    def predict_proba(self, table: Measurements) -> Floats:
        """Return calibrated probabilities, shape (n_profiles, n_classes), columns as in ``classes``."""
        return self.calibration.probabilities(self.scores(table))

    def save(self, file: Path) -> None:
        """Write the model as arrays with a JSON header."""
        arrays = {k: v for name in _FORESTS for k, v in getattr(self, name).arrays(name).items()}
        arrays |= {f"calibration.{f.name}": np.asarray(getattr(self.calibration, f.name), dtype="<f8") for f in fields(Calibration)}
        header = {"format": FORMAT, "classes": list(self.classes), "columns": _columns(), "candidates": list(candidates().ids),
                  "claim_limits": self.claim_limits, "version": self.version, "data": self.data}  # fmt: skip
        storage.save(file, header, arrays)

    @classmethod
    def load(cls, file: Path) -> Model:
        """Return the model of a file, checked.

        Raises
        ------
        ModelError
            If the file is damaged, of another format, or made for other features or chips than this program knows.
        """
        header, arrays = storage.load(file)
        if header.get("format") != FORMAT:
            raise ModelError(f"{file.name} has the format {header.get('format')!r}, this program reads {FORMAT}")
        if header.get("columns") != _columns() or header.get("candidates") != list(candidates().ids):
            raise ModelError(f"{file.name} was made for other features or chips; train again or use the version that made it")
        classes = header.get("classes")
        if not isinstance(classes, list) or classes != list(CLASSES) or "version" not in header or "data" not in header:
            raise ModelError(f"{file.name} is damaged: its header lacks classes, version or data")
        limits = header.get("claim_limits")
        if not isinstance(limits, dict) or not all(isinstance(v, float) and 0.0 <= v <= 1.0 for v in limits.values()):
            raise ModelError(f"{file.name} is damaged: its limits of claims are no probabilities")
        forests = {name: Forest.from_arrays(arrays, name, len(columns)) for name, columns in _columns().items()}
        try:
            calibration = Calibration(*(arrays[f"calibration.{f.name}"] for f in fields(Calibration)))
        except KeyError as error:
            raise ModelError(f"{file.name} lacks the array {error}") from error
        k = len(classes)
        shapes = [a.shape for a in (calibration.trust, calibration.bias, calibration.floor, calibration.prior)]
        tables = (calibration.quantiles, calibration.label_quantiles)
        if shapes != [(3, 3), (2, k), (1,), (k,)] or any(a.ndim != 2 or len(a) != k for a in tables):
            raise ModelError(f"{file.name}: its calibration does not fit its {k} classes")
        if [len(forests[n].baseline) for n in _FORESTS] != [k, 1, 1, k, 1]:
            raise ModelError(f"{file.name}: its trees do not fit its {k} classes")
        return cls(CLASSES, **forests, calibration=calibration, claim_limits=limits, version=str(header["version"]), data=str(header["data"]))


_FORESTS = ("direct", "forward", "spread", "weighing", "matching")


def _columns() -> dict[str, list[str]]:
    """Names of the inputs of each forest."""
    return {"direct": list(feature_names()), "forward": [*ROW_NAMES, *CHIP_NAMES], "spread": list(ROW_NAMES),
            "weighing": list(weigh_names()), "matching": list(match_names())}


@lru_cache(maxsize=1)
def shipped() -> Model:
    """Return the model that ships with the program."""
    return Model.load(path("models/architecture.fpm"))
