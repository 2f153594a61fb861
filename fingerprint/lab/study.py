"""Runs the protocols of :mod:`fingerprint.lab.evaluation`, writes figures.json and the model card, returns them as text."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from fingerprint.dataset import load_dataset
from fingerprint.errors import InputError
from fingerprint.lab import evaluation, physics
from fingerprint.lab.build import checksum
from fingerprint.lab.card import model_card
from fingerprint.lab.profiles import Corpus

PROTOCOLS = {"by-source": evaluation.by_source, "by-submitter": evaluation.by_submitter}


def evaluate(folder: Path, out: Path, only: str | None, say: Callable[[str], None]) -> str:
    """Run the protocols (or one) and return a summary; with all run, also write ``figures.json`` and ``CARD.md``.

    Parameters
    ----------
    folder : Path
        The dataset's folder.
    out : Path
        Where the figures and the card go.
    only : str or None
        One protocol's name, for a quick look; nothing is written then.
    """
    if only is not None and only not in (*PROTOCOLS, "physics"):
        raise InputError(f"knows no protocol {only!r}; one of {', '.join(PROTOCOLS)}, physics", "--only")
    corpus = Corpus.of(load_dataset())
    figures: list[dict[str, Any]] = []
    confusion = pd.DataFrame()
    for name, protocol in PROTOCOLS.items():
        if only in (None, name):
            say(f"{name}: {len(corpus.frame):,} figures of {corpus.frame['profile'].nunique():,} profiles")
            held = protocol(corpus, say)
            figures += evaluation.report(name, held)
            if name == "by-source":
                confusion = evaluation.confusions(held)
                figures += physics.report_claims(held)
    if only in (None, "physics"):
        say("physics: bounds of every row against every chip")
        figures += physics.report(corpus)
        if only == "physics":
            return physics.describe(figures)
    data = checksum(folder / "measurements")
    card = model_card(figures, confusion, {"Data": f"`{data}`", "Made by": f"`fingerprint evaluate`, {datetime.now(tz=UTC):%Y-%m-%d}"})
    if only is None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "figures.json").write_text(json.dumps(figures, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
        (out / "CARD.md").write_text(card, encoding="utf-8")
    return card
