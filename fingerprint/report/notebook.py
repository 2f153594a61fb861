"""Verdicts and measurements as a notebook shows them."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from fingerprint.errors import InputError
from fingerprint.report import page
from fingerprint.report.words import clean

if TYPE_CHECKING:
    from fingerprint.measurements import Measurements
    from fingerprint.verdict import Verdict

#: Rows of a table that a cell shows.
MOST_ROWS = 12


def of_verdict(verdict: Verdict) -> str | None:
    """Return a verdict as a part of a page, None (a notebook then shows the plain text) where jinja2 is not installed."""
    try:
        template = page.environment().get_template("notebook.html")
    except InputError:
        return None
    # Ids of several cells share one document.
    name = f"fp{zlib.crc32(repr(verdict).encode()):08x}"
    return template.render(verdicts=[page.contents(verdict, name)])


def of_measurements(table: Measurements) -> str | None:
    """Return the head of a measurement table, each figure in words; None where jinja2 is not installed."""
    from fingerprint.evidence import describe

    try:
        template = page.environment().get_template("measurements.html")
    except InputError:
        return None
    profiles = table.profiles
    profile = table.word("profile")
    shown = min(len(table), MOST_ROWS)
    left_out = f", {len(table.ignored):,} left out" if table.ignored else ""
    summary = (f"{len(table):,} figure{'' if len(table) == 1 else 's'} of {len(profiles):,} "
               f"profile{'' if len(profiles) == 1 else 's'}{left_out}")  # fmt: skip
    rows = [{"row": int(table.row[i]), "profile": clean(profile[i], 60), "says": clean(describe(table, i), 200)} for i in range(shown)]
    return template.render(summary=summary, rows=rows, rest=f"{len(table) - shown:,}" if len(table) > shown else "",
                           many=len(profiles) > 1, notes=[clean(n, 300) for n in table.notes])  # fmt: skip
