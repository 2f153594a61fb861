"""Runs every protocol, resumes where it was stopped, writes figures.json, the model card and the table of the audit."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from fingerprint.dataset import load_dataset
from fingerprint.errors import InputError
from fingerprint.lab import auditing, evaluation, keeping, physics, protocols
from fingerprint.lab.build import checksum
from fingerprint.lab.holdout import Heldout, Say
from fingerprint.lab.model_card import model_card
from fingerprint.lab.profiles import Corpus, Profiles, natural
from fingerprint.lab.protocols import FULL, QUICK, Effort

Figures = list[dict[str, Any]]

#: Every protocol that can be asked for alone, in the order in which they run. The later ones are calibrated on the first.
PROTOCOLS = ("by-source", "by-submitter", "by-time", "by-workload", "open-set", "physics")

#: Origins of an architecture, profiles of one of them and a chip, and figures of one profile, that a quick look keeps.
QUICK_ORIGINS = 4
QUICK_PROFILES = 2
QUICK_FIGURES = 16


@dataclass(frozen=True)
class _Kept:
    """What a stopped evaluation has done so far: a file a protocol, made from this dataset by this code."""

    folder: Path
    key: dict[str, str]

    def figures(self, name: str, make: Callable[[], Figures]) -> Figures:
        """Return a protocol's figures, made only where they are not there yet."""
        file = self.folder / f"{name}.json"
        known: dict[str, Any]
        try:
            known = json.loads(file.read_text(encoding="utf-8"))
            if known["key"] == self.key:
                return list(known["figures"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        made = make()
        self.folder.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(json.dumps({"key": self.key, "figures": made}), encoding="utf-8")
        part.replace(file)
        return made

    def answers(self, name: str, test: Profiles, make: Callable[[], Heldout]) -> Heldout:
        """Return a protocol's answers about ``test``, made only where they are not there yet."""
        file = self.folder / f"{name}.answers"
        held = keeping.load(file, self.key, test)
        if held is None:
            held = make()
            self.folder.mkdir(parents=True, exist_ok=True)
            keeping.save(held, file, self.key)
        return held


def evaluate(folder: Path, out: Path, only: str | None, say: Say, *, quick: bool = False, jobs: int = -1) -> str:
    """Run the protocols (or one) and return a summary; with all run, also write ``figures.json``, ``CARD.md`` and ``audit.csv``.

    What is finished is kept in ``evaluation.parts`` under ``out`` until all is, so that a run that was stopped goes on.

    Parameters
    ----------
    folder : Path
        The dataset's folder.
    out : Path
        Where the figures and the card go.
    only : str or None
        One protocol's name; nothing but its part is written then.
    quick : bool
        A few profiles of a few sources, fewer folds: to see that all runs. Nothing is written, and no figure of it counts.
    jobs : int
        Fits side by side; -1 for one a core. Inside a caller's :func:`joblib.parallel_config`, its backend does them.
    """
    if only is not None and only not in PROTOCOLS:
        raise InputError(f"knows no protocol {only!r}; one of {', '.join(PROTOCOLS)}", "--only")
    corpus = Corpus.of(load_dataset())
    if quick:
        corpus = _few(corpus)
    data = checksum(folder / "measurements")
    kept = _Kept(out / ("quick.parts" if quick else "evaluation.parts"), {"data": data, "code": _code(), "of": "quick" if quick else "all"})
    with joblib.parallel_config(n_jobs=jobs):
        found = _run(corpus, kept, only, say, QUICK if quick else FULL)
    figures = found["figures"]
    if only == "physics":
        return physics.describe(figures)
    made = f"`fingerprint evaluate{' --quick' if quick else ''}{f' --only {only}' if only else ''}`, {datetime.now(tz=UTC):%Y-%m-%d}"
    card = model_card(figures, found["confusions"], {"Data": f"`{data}`", "Made by": made})
    if only is None and not quick:
        (out / "figures.json").write_text(json.dumps(figures, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
        (out / "CARD.md").write_text(card, encoding="utf-8")
        pd.DataFrame(found["audit"]).to_csv(out / "audit.csv", index=False, lineterminator="\n")
    if only is None:
        shutil.rmtree(kept.folder, ignore_errors=True)
    return card


def _run(corpus: Corpus, kept: _Kept, only: str | None, say: Say, effort: Effort) -> dict[str, Figures]:
    """Return the figures of the protocols asked for, the confusions by source and the labels that the audit called out."""
    wanted = [only] if only else list(PROTOCOLS)
    out: dict[str, Figures] = {"figures": [], "confusions": [], "audit": []}
    test = natural(corpus)

    @cache
    def source() -> Heldout:
        return kept.answers("by-source", test, lambda: protocols.by_source(corpus, say, effort))

    @cache
    def submitter() -> Heldout:
        asked = test.take(np.asarray(test.origin == protocols.SUBMITTED, dtype=bool))
        return kept.answers("by-submitter", asked, lambda: protocols.by_submitter(corpus, say, effort))

    @cache
    def rounds() -> auditing.Audited:
        return auditing.rounds(submitter())

    def tell(name: str, make: Callable[[], Figures], to: str = "figures") -> None:
        start = time.monotonic()
        say(f"{name} …")
        out[to] += kept.figures(name, make)
        say(f"{name}: {time.monotonic() - start:.0f} s")

    if "by-source" in wanted:
        tell("by-source", lambda: evaluation.report("by-source", source()) + physics.report_claims(source()))
        tell("masked", lambda: evaluation.masked(source()))
        tell("confusions", lambda: evaluation.confusions(source()), "confusions")
        tell("audit of sources", lambda: auditing.study(source(), draws=1).figures("audit-sources"))
        tell("audit of each source", lambda: auditing.study(source(), draws=1, board=test.origin).figures("audit-each-source"))
    if "by-submitter" in wanted:
        tell("by-submitter", lambda: evaluation.report("by-submitter", submitter()))
        tell("audit", lambda: rounds().figures("audit", "submitter", boards=True))
        tell("audit, called out", lambda: rounds().called_out(), "audit")
    if "by-time" in wanted:
        tell("by-time", lambda: evaluation.report("by-time", protocols.by_time(corpus, say, source(), effort)))
    if "by-workload" in wanted:
        tell("by-workload", lambda: evaluation.report("by-workload", protocols.by_workload(corpus, say, effort)))
    for family in protocols.FAMILIES if "open-set" in wanted else ():
        tell(f"open-set, {family}", partial(_open_set, corpus, say, source, family, effort))
    if "physics" in wanted:
        tell("physics", lambda: physics.report(corpus))
    return out


def _open_set(corpus: Corpus, say: Say, source: Callable[[], Heldout], family: str, effort: Effort) -> Figures:
    return evaluation.open_set(protocols.open_set(corpus, say, source(), family, effort), family)


def _few(corpus: Corpus) -> Corpus:
    """Return a few profiles of each chip of a few origins, those of most profiles."""
    first = corpus.frame.drop_duplicates("profile")
    size = first.groupby(["architecture", "origin"]).size().reset_index(name="n").sort_values(["n", "origin"], ascending=[False, True])
    kept = size[size.groupby("architecture").cumcount() < QUICK_ORIGINS]
    first = first.merge(kept[["architecture", "origin"]])
    turn = first.groupby(["origin", "chip", "architecture"]).cumcount()
    names = set(first["profile"][turn < QUICK_PROFILES])
    part = corpus.frame[corpus.frame["profile"].isin(names)]
    row = part.groupby("profile").cumcount()
    return Corpus.of(part[np.asarray(row < QUICK_FIGURES)])


def _code() -> str:
    """Return a checksum of the package's modules and tables: figures of other code are made anew."""
    root = Path(__file__).resolve().parent.parent
    files = [*sorted(root.rglob("*.py")), *sorted((root.parent / "datasets").glob("*.csv"))]
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()
