"""Answers about held-out profiles on disk, so that a long evaluation that was stopped goes on: arrays and JSON, no pickles."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fingerprint import storage
from fingerprint.errors import ModelError
from fingerprint.lab.holdout import Heldout
from fingerprint.lab.lessons import Labels
from fingerprint.lab.profiles import Profiles
from fingerprint.scorer import CLASSES, Scores

_NAMES = ("", *CLASSES)


def save(held: Heldout, file: Path, key: dict[str, str]) -> None:
    """Write answers, without what was fitted; ``key`` says what they were made from."""
    arrays = _scores("plain", held.scores) | {k: v for name, s in held.masked.items() for k, v in _scores(name, s).items()}
    arrays |= {"fold": held.fold.astype("<i4"), "usable": held.usable.astype("|u1"), "shown": held.shown.astype("|u1"),
               "prototype": _codes(held.prototype), "boosting": _codes(held.boosting)}  # fmt: skip
    part = file.with_suffix(".part")
    storage.save(part, {**key, "masked": list(held.masked)}, arrays)
    part.replace(file)


def load(file: Path, key: dict[str, str], test: Profiles) -> Heldout | None:
    """Return the answers about ``test``; None where there are none, or they were made from something else."""
    try:
        header, arrays = storage.load(file)
    except ModelError:
        return None
    if any(header.get(k) != v for k, v in key.items()) or len(arrays["fold"]) != len(test):
        return None
    names = np.array(_NAMES, dtype=object)
    return Heldout(test, _read("plain", arrays), arrays["fold"].astype(np.int64), names[arrays["prototype"]],
                   arrays["usable"].astype(bool), names[arrays["boosting"]], shown=arrays["shown"].astype(bool),
                   masked={name: _read(name, arrays) for name in header["masked"]})  # fmt: skip


def _scores(name: str, scores: Scores) -> storage.Arrays:
    out = {f"{name}.{f.name}": getattr(scores, f.name) for f in fields(Scores)}
    return {k: v.astype("|u1") if v.dtype == bool else v.astype("<f8") for k, v in out.items()}


def _read(name: str, arrays: storage.Arrays) -> Scores:
    each = [arrays[f"{name}.{f.name}"] for f in fields(Scores)]
    return Scores(*(a.astype(bool) if a.dtype == np.uint8 else a for a in each))


def _codes(labels: Labels) -> npt.NDArray[np.int32]:
    number = {name: i for i, name in enumerate(_NAMES)}
    return np.array([number[str(v)] for v in labels], dtype="<i4")
