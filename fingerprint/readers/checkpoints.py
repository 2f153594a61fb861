"""What a checkpoint's name says: which model it is, and in which formats its numbers are held."""

from __future__ import annotations

import re

from fingerprint import workloads
from fingerprint.units import canonical_precision

#: Pattern -> arithmetic, weights. Four-bit weights may be widened before they multiply.
_PATTERNS = (
    (re.compile(r"(?i)(nv|mx)?fp4"), ("", "fp4")),
    (re.compile(r"(?i)awq|gptq-?int4|int4|w4a16|gptq(?!-?int8)"), ("", "int4")),
    (re.compile(r"(?i)gptq-?int8|w8a16"), ("", "int8")),
    (re.compile(r"(?i)fp8"), ("fp8", "")),
    (re.compile(r"(?i)w8a8|int8"), ("int8", "")),
)


def model(name: str) -> tuple[str, str]:
    """Return the workload's id and a note: an unknown model keeps a slug and is named in the note, else ``""``."""
    text = name.strip()
    if not text:
        return "", "the model is not named, so what its tokens cost is not known either"
    known = workloads.resolve(text[:300])
    if known is not None:
        return known, ""
    slug = re.sub(r"[^a-z0-9.]+", "-", text.lower().rstrip("/").rsplit("/", 1)[-1]).strip("-")[:80]
    return slug, f"the model {text[:80]!r} is not known, so what its tokens cost is not either"


def precisions(name: str = "", *, dtype: object = "", quantization: object = "", cache: object = "") -> dict[str, str]:
    """Return ``precision``, ``weight_precision`` and ``kv_precision``; ``""`` where nothing tells.

    Parameters
    ----------
    name : str
        The checkpoint's name.
    dtype, quantization, cache : object
        Settings of the engine, stronger than the name; anything but text counts as not given.
    """
    arithmetic, weights = next((pair for pattern, pair in _PATTERNS if pattern.search(name)), ("", ""))
    if isinstance(dtype, str) and not weights:
        # A quantised checkpoint's dtype is that of its other tensors.
        arithmetic = arithmetic or canonical_precision(dtype.removeprefix("torch.")[:40])
    if isinstance(quantization, str):
        arithmetic, weights = next(
            (pair for pattern, pair in _PATTERNS if pattern.search(quantization[:80])), (arithmetic, weights)
        )
    held = canonical_precision(cache[:40]) if isinstance(cache, str) else ""
    return {"precision": arithmetic, "weight_precision": weights, "kv_precision": held}
