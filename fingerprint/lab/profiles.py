"""Profiles to learn from and to test on: cut from the labelled table at every size, each with its truth and provenance."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from fingerprint.features import vectors
from fingerprint.measurements import Floats, Mask, Measurements, Words

#: Rows of a large profile that a test profile holds at most; a person rarely brings more kinds of figures.
MOST_ROWS = 256

#: Sizes of the sub-profiles to learn from.
SIZES = (1, 2, 4, 8, 16, 64, MOST_ROWS)

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Corpus:
    """The rows that count, as measurements and as label columns side by side."""

    frame: pd.DataFrame
    table: Measurements

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Corpus:
        """Return the corpus of a labelled frame: rows neither quarantined nor estimated."""
        good = (frame["quarantine"] == "") & (frame["estimate"] == 0) & (frame["architecture"] != "")
        frame = frame[good].reset_index(drop=True)
        return cls(frame, Measurements.from_frame(frame))

    @cached_property
    def measurer(self) -> npt.NDArray[np.object_]:
        """Who ran the test, a row: the submitter where a source has submitters, else the origin."""
        origin, submitter = (self.frame[c].to_numpy(dtype=object) for c in ("origin", "submitter"))
        return np.asarray(np.where(submitter == "", origin, origin + "/" + submitter), dtype=object)

    @cached_property
    def tools(self) -> dict[str, list[Rows]]:
        """Row numbers of each profile, a tool at a time."""
        return self._cut(["tool"])

    @cached_property
    def runs(self) -> dict[str, list[Rows]]:
        """Row numbers of each profile, a run (tool, workload and phase) at a time."""
        return self._cut(["tool", "workload", "phase"])

    def _cut(self, columns: list[str]) -> dict[str, list[Rows]]:
        """Return each profile's rows, split by the given columns, the parts in the order of their names."""
        number, kinds = pd.factorize(pd.MultiIndex.from_frame(self.frame[columns]))
        kind = pd.factorize(np.array([str(k) for k in kinds], dtype=object), sort=True)[0][number]
        profile, profiles = pd.factorize(self.frame["profile"], sort=True)
        order = np.lexsort((kind, profile))
        ends = np.flatnonzero(np.diff(profile[order]) | np.diff(kind[order])) + 1
        out: dict[str, list[Rows]] = {str(p): [] for p in profiles}
        for part in np.split(order, ends):
            out[str(profiles[profile[part[0]]])].append(part)
        return out

    @cached_property
    def profile_rows(self) -> dict[str, Rows]:
        """Row numbers of each profile."""
        return {str(k): np.asarray(v, dtype=np.int64) for k, v in self.frame.groupby("profile", sort=True).indices.items()}


@dataclass(frozen=True)
class Profiles:
    """Some profiles: their rows in the corpus, the truth, and what splits need.

    Every array has one entry a profile. ``kind`` is the richness: ``figure``, ``run``, ``tool`` or ``tools``; ``whole`` marks,
    of all that were cut from one profile of the table, the first of most rows: what a board would show.
    """

    corpus: Corpus
    rows: list[Rows]
    kind: npt.NDArray[np.object_]
    whole: Mask

    def __len__(self) -> int:
        return len(self.rows)

    def _label(self, column: str) -> npt.NDArray[np.object_]:
        first = np.fromiter((r[0] for r in self.rows), dtype=np.int64, count=len(self.rows))
        return self.corpus.frame[column].to_numpy(dtype=object)[first]

    @cached_property
    def architecture(self) -> npt.NDArray[np.object_]:
        """True classes."""
        return self._label("architecture")

    @cached_property
    def chip(self) -> npt.NDArray[np.object_]:
        """True chips or families."""
        return self._label("chip")

    @cached_property
    def origin(self) -> npt.NDArray[np.object_]:
        """Who measured."""
        return self._label("origin")

    @cached_property
    def submitter(self) -> npt.NDArray[np.object_]:
        """Who submitted, where there are submitters."""
        return self._label("submitter")

    @cached_property
    def measurer(self) -> npt.NDArray[np.object_]:
        """Who ran the test."""
        return self.corpus.measurer[np.array([r[0] for r in self.rows], dtype=np.int64)]

    @cached_property
    def name(self) -> npt.NDArray[np.object_]:
        """Profiles that these were cut from."""
        return self._label("profile")

    @cached_property
    def size(self) -> npt.NDArray[np.int64]:
        """Rows."""
        return np.fromiter(map(len, self.rows), dtype=np.int64, count=len(self.rows))

    def table(self) -> Measurements:
        """Return all profiles as one table; profile names are their numbers."""
        picked = self.corpus.table.take(np.concatenate(self.rows) if self.rows else np.zeros(0, dtype=np.int64))
        numbers = np.repeat(np.arange(len(self.rows), dtype=np.int32), self.size)
        return replace(picked, words={**picked.words, "profile": Words(numbers, tuple(map(str, range(len(self.rows)))))})

    @cached_property
    def x(self) -> Floats:
        """Vectors, shape (n_profiles, n_features)."""
        return vectors(self.table())

    def take(self, chosen: npt.NDArray[np.bool_] | Rows) -> Profiles:
        """Return the chosen profiles."""
        numbers = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        part = Profiles(self.corpus, [self.rows[i] for i in numbers], self.kind[numbers], self.whole[numbers])
        if "x" in self.__dict__:
            part.__dict__["x"] = self.x[numbers]
        return part


def _random(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def natural(corpus: Corpus, seed: int = 0) -> Profiles:
    """Return the profiles to test on, at four richnesses.

    ``tools``: a profile with several tools, whole. ``tool``: its rows of one tool, if at least 4. ``run``: its rows of one
    tool, workload and phase (one such run a profile). ``figure``: up to two single rows a profile. Larger profiles are
    sampled down to :data:`MOST_ROWS` rows.
    """
    rows: list[Rows] = []
    kind: list[str] = []
    whole: list[int] = []
    for name, everything in corpus.profile_rows.items():
        first = len(rows)
        rng = _random(seed, name)
        tools = corpus.tools[name]
        if len(tools) > 1:
            rows.append(_sample(everything, MOST_ROWS, rng))
            kind.append("tools")
        for part in tools:
            if len(part) >= 4:
                rows.append(_sample(part, MOST_ROWS, rng))
                kind.append("tool")
        runs = corpus.runs[name]
        rows.append(_sample(runs[rng.integers(len(runs))], MOST_ROWS, rng))
        kind.append("run")
        for row in _sample(everything, 2, rng):
            rows.append(np.array([row]))
            kind.append("figure")
        whole.append(max(range(first, len(rows)), key=lambda i: len(rows[i])))
    return Profiles(corpus, rows, np.asarray(kind, dtype=object), np.isin(np.arange(len(rows)), whole))


def _sample(rows: Rows, most: int, rng: np.random.Generator) -> Rows:
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))


def training(corpus: Corpus, seed: int = 0, most_per_group: int = 4) -> Profiles:
    """Return sub-profiles of every size to learn from.

    From each profile, for each size it can fill: rows drawn within one tool, and (every other time) within one tool,
    workload and phase; and the parts of a tool and of a run whole, up to :data:`MOST_ROWS` rows. Nobody who measured gives more than ``most_per_group`` sub-profiles of a size for one chip.
    """
    chip = corpus.frame["chip"].where(corpus.frame["chip"] != "", corpus.frame["architecture"]).to_numpy(dtype=object)
    origin = corpus.measurer
    groups: dict[tuple[str, str], list[str]] = {}
    for name, members in corpus.profile_rows.items():
        groups.setdefault((str(origin[members[0]]), str(chip[members[0]])), []).append(name)
    rows: list[Rows] = []
    for (who, what), names in sorted(groups.items()):
        rng = _random(seed, f"{who}|{what}")
        parts = [p for n in names for p in corpus.tools[n]]
        runs = [p for n in names for p in corpus.runs[n]]
        for size in SIZES:
            for pool in (parts, runs):
                # Enough draws to see most rows once, no more than the group's share.
                able = [p for p in pool if len(p) >= size] if size > 1 else pool
                wanted = min(most_per_group // 2, sum(-(-len(p) // size) for p in able))
                if not able or not wanted:
                    continue
                chance = np.sqrt([len(p) for p in able])
                chosen = (able[i] for i in rng.choice(len(able), wanted, p=chance / chance.sum()))
                rows.extend(np.sort(rng.choice(part, min(size, len(part)), replace=False)) for part in chosen)
        for pool in (parts, runs):
            several = [p for p in pool if len(p) > 1]
            chosen_whole = rng.choice(len(several), min(most_per_group // 2, len(several)), replace=False) if several else ()
            rows.extend(_sample(several[i], MOST_ROWS, rng) for i in chosen_whole)
    return Profiles(corpus, rows, np.full(len(rows), "training", dtype=object), np.zeros(len(rows), dtype=bool))


def balanced_weights(architecture: npt.NDArray[np.object_], measurer: npt.NDArray[np.object_]) -> Floats:
    """Return weights that give each class, and within it each who measured, a fair voice (square-root balancing)."""
    frame = pd.DataFrame({"y": architecture, "o": measurer})
    weight = 1.0 / np.sqrt(frame.groupby(["y", "o"])["y"].transform("size").to_numpy(dtype=float))
    total = frame.assign(w=weight).groupby("y")["w"].sum()
    # A class of one small source must not shout: its total grows with the square root too.
    weight = weight / np.sqrt(frame["y"].map(total).to_numpy(dtype=float))
    return np.asarray(weight * len(weight) / weight.sum())
