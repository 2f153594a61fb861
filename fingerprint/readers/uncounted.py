"""How many accelerators shared the work, where a file does not say and the person who holds it knows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fingerprint.errors import InputError
from fingerprint.measurements import Measurements

#: What a note ends in that :func:`fill` makes obsolete.
ADVICE = "give --accelerators N"

#: No system that ran one benchmark held more.
MOST = 1_000_000


def note(did: str, remedy: str = "") -> str:
    """Return what to tell where a file does not count the accelerators that ``did`` the work (served, trained).

    >>> note("served")
    'how many accelerators served is not in the file, so nothing follows per accelerator; give --accelerators N'
    """
    return f"how many accelerators {did} is not in the file, so nothing follows per accelerator; {ADVICE}{remedy and ', or '}{remedy}"


def fill(measurements: Measurements, count: int) -> tuple[Measurements, frozenset[str]]:
    """Return the measurements with a count where the file states none, and the profiles that needed it.

    Rows that state a count keep it, and a kernel's or memory test's stay those of one accelerator, as they are counted anyway
    (:meth:`fingerprint.measurements.Measurements.accelerator_count`). A collective needs several: its count is never understood.

    Raises
    ------
    InputError
        For a count below 1 or beyond any system.
    """
    if not 1 <= count <= MOST:
        raise InputError(f"must lie between 1 and {MOST:,}, got {count}", "--accelerators")
    stated = measurements.number("accelerators")
    tool, phase = measurements.word("tool"), measurements.word("phase")
    alone = tool.equals("kernel", "stream", "microbenchmark") | (phase.equals("kernel") & ~tool.equals("collective"))
    blank = np.isnan(stated) & ~alone
    if not blank.any():
        return measurements, frozenset()
    profile = measurements.word("profile")
    needed = frozenset(profile[i] for i in np.flatnonzero(blank).tolist())
    notes = tuple(n for n in measurements.notes if ADVICE not in n)
    columns = measurements.numbers | {"accelerators": np.where(blank, float(count), stated)}
    return replace(measurements, numbers=columns, notes=notes), needed


def sentence(count: int) -> str:
    """Return what a verdict says of a count that :func:`fill` put in."""
    return f"counted {count} accelerator{'s' if count > 1 else ''} where a figure states no number, as --accelerators says"
