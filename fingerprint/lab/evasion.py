"""The evasion study as docs/EVASION.md shows it: what each masking does to the answers, and what physics keeps proving.

The answers' figures come from ``models/figures.json`` (the protocols ``masked-*`` of ``fingerprint evaluate``); what physics
proves needs no model and is worked out here, on the examples that ship.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from fingerprint import chips, readers
from fingerprint.lab.masking import MASKINGS
from fingerprint.lab.model_card import MAIN, Figure, Lookup, table
from fingerprint.measurements import Measurements
from fingerprint.roofline import exclusions

#: Of each masking: what is done, and what physics keeps proving under it.
MEANING: dict[str, tuple[str, str]] = {
    "masked-scrubbed": ("every name is taken out", "all: no name is ever read"),
    "masked-lies": ("every profile is said to be another chip, drawn at random", "all: no name is ever read"),
    "masked-slow-0.3": ("waits: 30 % of every rate, times and energies grow alike", "less: each bound falls to 30 %. Nothing false"),
    "masked-slow-0.5": ("waits: half of every rate", "less: each bound is halved. Nothing false"),
    "masked-slow-0.7": ("waits: 70 % of every rate", "less: each bound falls to 70 %. Nothing false"),
    "masked-slow-0.9": ("waits: 90 % of every rate", "nearly all. Nothing false"),
    "masked-capped-0.5": ("clocks capped: half of every rate, half the power under load", "less, of power too. Nothing false"),
    "masked-slow-memory-0.5": ("only what memory bounds runs at half its rate", "what arithmetic proves. Nothing false"),
    "masked-slow-compute-0.5": ("only what arithmetic bounds runs at half its rate", "what memory proves. Nothing false"),
    "masked-jitter-0.05": ("noise of 5 % on each figure", "nearly all; a figure at its ceiling may be lifted above it"),
    "masked-jitter-0.2": ("noise of 20 % on each figure", "not to be relied on: noise upwards forges"),
    "masked-best": ("only the best quarter of each kind of work is shown", "all that counts: the best figures prove most"),
    "masked-count-double": ("twice the accelerators are stated", "less: each one's bound is halved. Nothing false, where sums are given"),
    "masked-count-half": ("half the accelerators are stated", "not to be relied on: a sum taken for fewer forges"),
    "masked-count-8": ("eight accelerators are stated throughout", "as for both above, by the true count"),
    "masked-one-precision": ("figures of one precision only", "what that precision proves. Nothing false"),
    "masked-rounded": ("two significant digits", "nearly all; rounding up is within most tolerances"),
    "masked-inflated": ("one figure in ten is made 1.3 times better", "not to be relied on: an invented figure forges"),
}  # fmt: skip

#: Classes that can do more than an H20 and are sold as less, or the other way round.
STRONGER = ("hopper", "blackwell")


@dataclass(frozen=True)
class Proof:
    """What physics proves of the examples under one masking.

    Attributes
    ----------
    excluded : float
        Median number of excluded chips.
    h20 : int
        Examples of a Hopper or Blackwell that exclude the H20.
    wrong : int
        Examples that exclude their own chip.
    """

    excluded: float
    h20: int
    wrong: int


def examples(folder: Path) -> list[tuple[Measurements, str, str]]:
    """Return the examples with their architecture and chip."""
    with (folder / "index.csv").open(encoding="utf-8", newline="") as stream:
        return [(readers.read(str(folder / row["file"])), row["architecture"], row["chip"]) for row in csv.DictReader(stream)]


def proof(masking: str | None, known: Sequence[tuple[Measurements, str, str]]) -> Proof:
    """Return what physics proves of examples, masked or (None) as they are."""
    count, h20, wrong = [], 0, 0
    for figures, architecture, chip in known:
        gone = {e.chip for e in exclusions(MASKINGS[masking](figures, 0) if masking else figures)}
        count.append(len(gone))
        h20 += architecture in STRONGER and set(chips.members("H20")) <= gone
        wrong += set(chips.members(chip)) <= gone
    return Proof(median(count), h20, wrong)


def told(figures: Sequence[Figure]) -> str:
    """Return the table of what maskings do to the answers, or a sentence where none was measured yet."""
    found = Lookup(figures)
    names = [n for n in ("masked-none", *MASKINGS) if found.get(n, MAIN, "macro_f1_four")]
    if not names:
        return "Not measured yet for the model that ships: `fingerprint evaluate` has not written the protocols `masked-*`."
    head = ["masking", "profiles", "macro-F1, four classes", "lost", "coverage of 90 % sets", "H20 called H20"]
    rows = [[n.removeprefix("masked-"), found.count(n, MAIN, "macro_f1_four"), found.cell(n, MAIN, "macro_f1_four"),
             found.cell(n, MAIN, "macro_f1_four_lost"), found.cell(n, MAIN, "coverage"), found.cell(n, MAIN, "recall", "h20")] for n in names]  # fmt: skip
    changed = [f for f in figures if f["metric"] == "changed_outputs"]
    missing = [n.removeprefix("masked-") for n in MASKINGS if n not in names]
    out = [*table(head, rows), *([""] if changed else [])]
    out += [f"{f['protocol'].removeprefix('masked-').capitalize()}: {f['value']:.0f} of {f['n']:,} profiles with any output changed." for f in changed]
    out += ["", f"Not measured yet: {', '.join(missing)}."] if missing else []
    return "\n".join(out)


def proved(folder: Path) -> str:
    """Return the table of what each masking does and what physics keeps proving of the examples under it."""
    known = examples(folder)
    strong = sum(a in STRONGER for _, a, _ in known)
    head = ["masking", "what is done", "what physics keeps proving", "chips excluded (median)", f"H20 excluded, of {strong}", f"own chip excluded, of {len(known)}"]  # fmt: skip

    def rows() -> Iterator[list[str]]:
        for name in (None, *MASKINGS):
            does, keeps = MEANING[name] if name else ("as published", "all")
            p = proof(name, known)
            yield [name.removeprefix("masked-") if name else "none", does, keeps, f"{p.excluded:g}", str(p.h20), str(p.wrong)]

    return "\n".join(table(head, rows()))
