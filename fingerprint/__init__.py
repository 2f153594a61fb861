"""Tells which GPU architecture produced a set of throughput and efficiency figures.

>>> import fingerprint
>>> verdicts = fingerprint.classify(fingerprint.read("result.json"))  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from fingerprint import chips
    from fingerprint.classifier import ArchitectureClassifier
    from fingerprint.dataset import load_dataset
    from fingerprint.errors import FingerprintError, InputError
    from fingerprint.features import ProfileVectorizer
    from fingerprint.measurements import Measurements
    from fingerprint.readers import read
    from fingerprint.verdict import Verdict, classify

__all__ = [
    "ArchitectureClassifier", "FingerprintError", "InputError", "Measurements", "ProfileVectorizer", "Verdict", "chips",
    "classify", "load_dataset", "read",
]  # fmt: skip

#: Public names and where they live; loaded when first asked for, so that importing the package costs nothing.
_HOMES = {
    "ArchitectureClassifier": "classifier", "FingerprintError": "errors", "InputError": "errors",
    "Measurements": "measurements", "ProfileVectorizer": "features", "Verdict": "verdict", "classify": "verdict",
    "load_dataset": "dataset", "read": "readers",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "chips":
        # The module that bears the name is callable itself, since importing it sets this attribute anyway.
        return import_module("fingerprint.chips")
    if name in _HOMES:
        return getattr(import_module(f"fingerprint.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'fingerprint' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
