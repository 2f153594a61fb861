"""What is held out: by source, by submitter, by time, by workload, a whole family; each returns answers about what it hid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from fingerprint.lab import holdout
from fingerprint.lab.experts import HIDDEN
from fingerprint.lab.holdout import Heldout, Say
from fingerprint.lab.lessons import Labels, classes_of
from fingerprint.lab.masking import MASKINGS
from fingerprint.lab.profiles import Corpus, Profiles, natural, training
from fingerprint.measurements import Mask
from fingerprint.scorer import UNKNOWN

#: The origin whose submitters are held out one by one.
SUBMITTED = "mlperf-inference"

#: By time: profiles of the years before teach, those from this year on are asked about; profiles without a date do neither.
CUT = "2026"

#: Families of the open set, each hidden whole, with the classes that are its kin: of the same maker, next to it in time.
FAMILIES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "CDNA 3 and 4": (("cdna3", "cdna4"), ("cdna2",)),
    "TPU": (("tpu",), ()),
    "Gaudi": (("gaudi",), ()),
    "Ada": (("ada",), ("ampere", "hopper", "blackwell")),
    "Volta and Turing": (("volta", "turing"), ("ampere",)),
}

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Effort:
    """How many folds a protocol has.

    Attributes
    ----------
    sources : int
        By source, beside the folds of :attr:`alone`; and so how much of the known is asked about beside an unknown family.
    alone : float
        By source, an origin that gives more than this share of the profiles is a fold of its own: the figures are mostly about these, and
        a fold of several would hide from each what the others know.
    parts : int
        By submitter and by workload.
    inner : int
        Whose forward models teach the matching expert where a part is hidden for good.
    masked : int
        Profiles of one origin and chip that are masked at most: the aim is variety, not number.
    """

    sources: int
    alone: float
    parts: int
    inner: int
    masked: int


FULL = Effort(sources=5, alone=0.025, parts=4, inner=2, masked=1)
QUICK = Effort(sources=2, alone=1.0, parts=2, inner=2, masked=1)


def by_source(corpus: Corpus, say: Say, effort: Effort = FULL, seed: int = 0, masked: Sequence[str] = tuple(MASKINGS)) -> Heldout:
    """Return answers with every origin held out in turn (large ones alone, others in folds of whole origins), some profiles masked as well."""
    train, test = training(corpus, seed), natural(corpus, seed)
    row_fold = _source_folds(corpus, test, effort)
    return holdout.run(corpus, train, test, row_fold, say, masked=masked, shown=_varied(test, effort))


def by_submitter(corpus: Corpus, say: Say, effort: Effort = FULL, seed: int = 0) -> Heldout:
    """Return answers on MLPerf Inference with every submitter held out in turn (in folds of whole submitters).

    MLPerf Training by the same submitter is held out with it; other sources are spread over the folds by origin.
    """
    train, test = training(corpus, seed), natural(corpus, seed)
    mlperf = corpus.frame["origin"].str.startswith("mlperf")
    unit = corpus.frame["origin"].mask(mlperf, "submitter " + corpus.frame["submitter"]).to_numpy(dtype=object)
    first = np.array([r[0] for r in test.rows])
    place = holdout.balanced_folds(unit[first], classes_of(test.architecture), effort.parts)
    row_fold = holdout.fold_numbers(unit, place)
    held = holdout.run(corpus, train, test, row_fold, say)
    return held.take(np.asarray(held.test.origin == SUBMITTED, dtype=bool))


def by_workload(corpus: Corpus, say: Say, effort: Effort = FULL, seed: int = 0) -> Heldout:
    """Return answers with every workload (a model, a kernel) held out in turn, in folds of whole workloads.

    A profile's workloads of different folds are profiles of their own here. Its other workloads may teach: the source and the
    chip are known, the work is not.
    """
    work = corpus.frame["workload"].to_numpy(dtype=object)
    place = holdout.balanced_folds(work, classes_of(corpus.frame["architecture"].to_numpy(dtype=object)), effort.parts)
    fold = holdout.fold_numbers(work, place)
    split = Corpus.of(corpus.frame.assign(profile=corpus.frame["profile"] + "|" + fold.astype(str)))
    return holdout.run(split, training(split, seed), natural(split, seed), fold, say)


def by_time(corpus: Corpus, say: Say, before: Heldout, effort: Effort = FULL, seed: int = 0) -> Heldout:
    """Return answers about figures published from :data:`CUT` on, by what was published before.

    Calibrated on answers of the protocol by source (``before``) about profiles from before the cut.
    """
    year = corpus.frame["date"].str[:4].groupby(corpus.frame["profile"]).transform("max")
    dated = Corpus.of(corpus.frame[year != ""])
    late = (year[year != ""] >= CUT).to_numpy()
    test = _asked(natural(dated, seed), late)
    held = holdout.run(dated, training(dated, seed), test, _hidden(dated, late, effort), say)
    told = year.to_numpy(dtype=object)[[r[0] for r in before.test.rows]]
    return replace(held, given={HIDDEN: before.calibrate(np.asarray((told != "") & (told < CUT), dtype=bool))})


def open_set(corpus: Corpus, say: Say, before: Heldout, family: str, effort: Effort = FULL, seed: int = 0) -> Heldout:
    """Return answers about a family that nobody was taught and whose data sheets nobody has, and about others held out beside it.

    The others are the origins of one fold of the protocol by source (``before``), on whose answers about other classes the
    calibration is fitted, too. The family's truth is :data:`fingerprint.scorer.UNKNOWN`.
    """
    hidden, _ = FAMILIES[family]
    sources = _source_folds(corpus, before.test, effort)
    beside = sorted(FAMILIES).index(family) % effort.sources
    of_family = corpus.frame["architecture"].isin(hidden).to_numpy()
    out = of_family | (sources == beside)
    row_fold = _hidden(corpus, out, effort)
    test = _asked(natural(corpus, seed), out)
    held = holdout.run(corpus, training(corpus, seed), test, row_fold, say, with_baselines=False, absent=hidden)
    known = ~np.isin(before.test.architecture.astype(str), hidden) & (before.fold != beside)
    calibration = before.without(hidden).calibrate(known)
    return replace(held, given={HIDDEN: calibration})


def open_truth(held: Heldout, family: str) -> Labels:
    """Return the true classes of an open set: the family's profiles are unknown."""
    return np.where(np.isin(held.test.architecture.astype(str), FAMILIES[family][0]), UNKNOWN, held.truth)


def _source_folds(corpus: Corpus, test: Profiles, effort: Effort) -> Ints:
    share = pd.Series(test.origin).value_counts(normalize=True)
    large = sorted(share.index[share > effort.alone])
    small = ~np.isin(test.origin.astype(str), large)
    place = holdout.balanced_folds(test.origin[small], classes_of(test.architecture[small]), effort.sources)
    return holdout.fold_numbers(corpus.frame["origin"], place | {origin: effort.sources + i for i, origin in enumerate(large)})


def _hidden(corpus: Corpus, out: Mask, effort: Effort) -> Ints:
    """Return folds of rows: hidden ones, and the others by origin in inner folds."""
    origins = sorted(corpus.frame["origin"].unique())
    number = {o: i % effort.inner for i, o in enumerate(origins)}
    inner = corpus.frame["origin"].map(number).to_numpy(dtype=np.int64)
    return np.asarray(np.where(out, HIDDEN, inner), dtype=np.int64)


def _asked(test: Profiles, out: Mask) -> Profiles:
    return test.take(np.array([out[r[0]] for r in test.rows], dtype=bool))


def _varied(test: Profiles, effort: Effort) -> Mask:
    """Return the profiles of one tool that are masked: of each origin and chip a few."""
    frame = pd.DataFrame({"origin": test.origin, "chip": test.chip, "architecture": test.architecture})
    tool = test.kind == "tool"
    turn = frame[tool].groupby(["origin", "chip", "architecture"]).cumcount()
    out = np.zeros(len(test), dtype=bool)
    out[np.flatnonzero(tool)[turn.to_numpy() < effort.masked]] = True
    return out
