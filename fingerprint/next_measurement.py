"""Which further figure would tell most: the expected information of each, under the model's own idea of every chip.

The forward model says what each chip would show in a measurement and how far such figures are commonly off. A figure that
the remaining classes would show alike tells nothing; one that they would show apart settles the matter. The bits are the
mutual information of class and figure (Lindley 1956, doi:10.1214/aoms/1177728069), integrated over the figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from fingerprint import resources
from fingerprint.candidates import candidates, pairs
from fingerprint.measurements import Floats, Measurements
from fingerprint.scorer import CLASSES, Model, class_of_candidate, visible

#: How fine the figure is integrated, decades.
STEP = 0.02

#: A measurement worth fewer bits than this is not proposed.
WORTH = 0.02

#: How many are proposed.
MOST = 3

#: A class less probable than this is not worth separating.
LEAST_CLASS = 0.03


@dataclass(frozen=True)
class Proposal:
    """A figure that is worth measuring.

    Attributes
    ----------
    tool, workload, phase, precision, quantity : str
        Which figure, in the words of the measurement table.
    shape : dict
        The circumstances to measure it in, such as ``{"m": 8192, "n": 8192, "k": 8192}``.
    would_separate : tuple of str
        The two likely classes that it tells apart best.
    bits : float
        Expected information about the class.
    """

    tool: str
    workload: str
    phase: str
    precision: str
    quantity: str
    shape: dict[str, float]
    would_separate: tuple[str, ...]
    bits: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {"tool": self.tool, "workload": self.workload, "phase": self.phase, "precision": self.precision,
                "quantity": self.quantity, "shape": self.shape, "says": self.says(), "would_separate": list(self.would_separate),
                "bits": round(self.bits, 3)}  # fmt: skip


    def says(self) -> str:
        """Return the measurement in words."""
        shape = dict(self.shape)
        product = "x".join(f"{shape.pop(k):.0f}" for k in ("m", "n", "k") if k in shape)
        message = shape.pop("message_bytes", None)
        names = {"accelerators": "accelerators", "batch": "batch", "input_tokens": "in", "output_tokens": "out"}
        rest = [f"{label} {shape[key]:.0f}" for key, label in names.items() if key in shape]
        size = [f"message {message / 2**20:.0f} MiB"] if message else []
        words = [self.workload, self.precision, self.phase if self.phase != "kernel" else "", product, *size, *rest]
        return f"{self.quantity.replace('_', ' ')} of {', '.join(filter(None, words))}"


@lru_cache(maxsize=1)
def menu() -> Measurements:
    """Return the figures that can be proposed, one a row, each of value 1: ``datasets/measurable.csv``."""
    from fingerprint.readers import read

    return read(resources.path("datasets/measurable.csv"))


@lru_cache(maxsize=2)
def foreseen(model: Model) -> tuple[Floats, Floats]:
    """Return what each candidate would show, log10, shape (n_menu, n_candidates), and the usual error, shape (n_menu,)."""
    rows, place = visible(menu())
    chips = len(candidates().ids)
    each = np.repeat(np.arange(len(rows)), chips)
    design, near = pairs(rows.take(each), np.tile(np.arange(chips), len(rows)))
    value = (model.forward.scores(design)[:, 0] - near).reshape(len(rows), chips)
    error = model.usual_error(rows)
    out, scale = np.full((len(menu()), chips), np.nan), np.full(len(menu()), np.nan)
    out[place >= 0], scale[place >= 0] = value[place[place >= 0]], error[place[place >= 0]]
    return out, scale


def propose(model: Model, table: Measurements, chips: Floats, most: int = MOST) -> tuple[Proposal, ...]:
    """Return the figures that would tell most about a profile, best first.

    Parameters
    ----------
    table : Measurements
        The profile: what it shows already is not proposed again.
    chips : ndarray of shape (n_candidates,)
        The probability of each candidate so far, summing to at most 1.
    """
    values, errors = foreseen(model)
    shown = {(w, p, q) for w, p, q in zip(table.word("workload"), table.word("precision"), table.word("quantity"), strict=True)}
    choice, found = menu(), []
    for i in range(len(choice)):
        key = (choice.word("workload")[i], choice.word("precision")[i], choice.word("quantity")[i])
        if key in shown or np.isnan(errors[i]):
            continue
        bits, apart = _information(values[i], float(errors[i]), chips)
        if bits >= WORTH:
            found.append((bits, i, apart))
    found.sort(key=lambda f: (-f[0], f[1]))
    return tuple(_proposal(choice, i, bits, apart) for bits, i, apart in found[:most])


def _information(value: Floats, error: float, chips: Floats) -> tuple[float, tuple[str, ...]]:
    """Return the mutual information of class and figure in bits, and the two likely classes told apart best."""
    known = np.isfinite(value) & (chips > 0)
    if not known.any():
        return 0.0, ()
    grid = np.arange(value[known].min() - 4 * error, value[known].max() + 4 * error, STEP)
    density = np.exp(-0.5 * ((grid[None, :] - value[known, None]) / error) ** 2) / (error * np.sqrt(2 * np.pi))
    joint = np.zeros((len(CLASSES), len(grid)))
    np.add.at(joint, class_of_candidate()[known], density * chips[known, None])
    weight = joint.sum(axis=1) * STEP
    total = weight.sum()
    joint, weight = joint / total, weight / total
    with np.errstate(all="ignore"):
        each = joint / weight[:, None]
        gain = joint * np.log2(each / joint.sum(axis=0))
    bits = float(np.nansum(gain) * STEP)
    likely = [k for k in np.argsort(-weight)[:4] if weight[k] >= LEAST_CLASS]
    best, apart = 0.0, tuple[str, ...]()
    for n, a in enumerate(likely):
        for b in likely[n + 1 :]:
            overlap = float(np.minimum(each[a], each[b]).sum() * STEP)
            told = float(min(weight[a], weight[b]) * (1.0 - overlap))
            if told > best:
                best, apart = told, (CLASSES[a], CLASSES[b])
    return bits, apart


def _proposal(choice: Measurements, i: int, bits: float, apart: Sequence[str]) -> Proposal:
    shape = {n: float(c[i]) for n, c in choice.numbers.items() if n not in ("value", "accelerators") and not np.isnan(c[i])}
    if choice.accelerator_count()[i] > 1:
        shape = {"accelerators": float(choice.accelerator_count()[i]), **shape}
    tool, workload, phase, precision, quantity = (choice.word(w)[i] for w in ("tool", "workload", "phase", "precision", "quantity"))
    return Proposal(tool, workload, phase, precision, quantity, shape, tuple(apart), bits)
