"""Lines of the United States' export rules as dated data: what is asked, from when to when, by which source.

The data is ``datasets/export_rules.csv``, one row a line: all thresholds of a row count together, and rows of one paragraph
are alternatives, the strictest paragraph first. Each row carries its sources and a mark: **R**, its figures were read at the
sources (most are secondary); **K**, at least part is from general knowledge and unchecked. Missing figures are NaN, and an
answer that hangs on one is None.
"""

import csv
import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from fingerprint.resources import path

__all__ = ["Condition", "Rule", "as_of", "every", "rows", "rules", "some"]

# Columns of export_rules.csv that hold thresholds: the quantity, how it is compared, and the cell's unit in SI.
_CONDITIONS: Final = {
    "tpp_min": ("tpp", ">=", 1.0),
    "tpp_above": ("tpp", ">", 1.0),
    "tpp_below": ("tpp", "<", 1.0),
    "density_min": ("density", ">=", 1.0),
    "density_below": ("density", "<", 1.0),
    "memory_gb_s_min": ("memory_bandwidth", ">=", 1e9),
    "memory_gb_s_above": ("memory_bandwidth", ">", 1e9),
    "memory_gb_s_below": ("memory_bandwidth", "<", 1e9),
    "io_gb_s_min": ("io_bandwidth", ">=", 1e9),
    "memory_plus_io_gb_s_min": ("memory_plus_io", ">=", 1e9),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One threshold: `quantity` compared with `threshold` by `relation`, which is ``>=``, ``>`` or ``<``.

    Quantities are ``tpp``, ``density`` (TPP/mm^2), ``memory_bandwidth``, ``io_bandwidth`` and ``memory_plus_io`` (B/s).
    """

    quantity: str
    relation: str
    threshold: float

    def holds(self, value: float) -> bool | None:
        """Return whether a value satisfies the condition, None for NaN."""
        if math.isnan(value):
            return None
        if self.relation == "<":
            return value < self.threshold
        return value > self.threshold or (self.relation == ">=" and value == self.threshold)


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the rules: all `conditions` together; rules of one `paragraph` are alternatives.

    Attributes
    ----------
    rule, paragraph : str
        The row's id, and the text it belongs to, strictest first in the file.
    kind : str
        ``control`` (a list paragraph), ``exemption`` (from the paragraphs), ``letter`` (to single firms), ``lane`` (a
        milder review for controlled parts) or ``tariff`` (a duty, no export rule).
    issued, effective : date
        When it was made public, and from when on it counts.
    ended : date or None
        Its last day; None while in force.
    measured : str
        The quantities that it asks for, in words.
    datacenter : bool or None
        The marketing that it asks for, None if it does not.
    sources : tuple of str
        Where it was read.
    confidence : str
        R (figures read) or K (at least part from general knowledge).
    checked : date
        When the sources were last read.
    """

    rule: str
    paragraph: str
    kind: str
    issued: date
    effective: date
    ended: date | None
    measured: str
    conditions: tuple[Condition, ...]
    datacenter: bool | None
    sources: tuple[str, ...]
    confidence: str
    checked: date
    note: str

    def in_force(self, on: date) -> bool:
        """Return whether the rule counts on that day."""
        return self.effective <= on and (self.ended is None or on <= self.ended)

    def meets(self, known: Mapping[str, float], *, datacenter: bool) -> bool | None:
        """Return whether a part with these figures falls under the rule; None where a missing figure decides."""
        if self.datacenter is not None and self.datacenter != datacenter:
            return False
        return every(condition.holds(known[condition.quantity]) for condition in self.conditions)


def every(parts: Iterable[bool | None]) -> bool | None:
    """Return the conjunction where None is "not known"."""
    seen = set(parts)
    return False if False in seen else None if None in seen else True


def some(parts: Iterable[bool | None]) -> bool | None:
    """Return the disjunction where None is "not known"."""
    seen = set(parts)
    return True if True in seen else None if None in seen else False


def rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a CSV file of the data folder, cells as they stand."""
    with path(name).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _rule(row: Mapping[str, str]) -> Rule:
    return Rule(
        rule=row["rule"],
        paragraph=row["paragraph"],
        kind=row["kind"],
        issued=date.fromisoformat(row["issued"]),
        effective=date.fromisoformat(row["effective"]),
        ended=date.fromisoformat(row["ended"]) if row["ended"] else None,
        measured=row["measured"],
        conditions=tuple(
            Condition(quantity, relation, float(row[column]) * unit)
            for column, (quantity, relation, unit) in _CONDITIONS.items()
            if row[column]
        ),
        datacenter={"yes": True, "no": False, "": None}[row["datacenter"]],
        sources=tuple(row["sources"].split()),
        confidence=row["confidence"],
        checked=date.fromisoformat(row["checked"]),
        note=row["note"],
    )


@functools.lru_cache(maxsize=1)
def _all_rules() -> tuple[Rule, ...]:
    return tuple(_rule(row) for row in rows("datasets/export_rules.csv"))


@functools.lru_cache(maxsize=16)
def rules(on: date | None = None) -> tuple[Rule, ...]:
    """Return the rules in force on a day, in the order of the file; all of them, ended ones too, for None."""
    return tuple(rule for rule in _all_rules() if on is None or rule.in_force(on))


@functools.lru_cache(maxsize=1)
def as_of() -> date:
    """Return the date of the rule file: when its sources were last read."""
    return max(rule.checked for rule in _all_rules())
