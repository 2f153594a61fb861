"""A verdict on one screen: plain text when piped, colours when a person looks."""

from __future__ import annotations

import shutil
import sys
import textwrap
import unicodedata
from typing import TYPE_CHECKING

from fingerprint import chips
from fingerprint.claims import amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fingerprint.roofline import Exclusion
    from fingerprint.verdict import Verdict

#: Names of the classes in words.
NAMES = {"hopper": "Hopper", "blackwell": "Blackwell", "h20": "H20 (cut-down Hopper)", "ampere": "Ampere", "ada": "Ada",
         "volta": "Volta", "turing": "Turing", "cdna2": "AMD CDNA 2", "cdna3": "AMD CDNA 3", "cdna4": "AMD CDNA 4",
         "gaudi": "Intel Gaudi", "tpu": "Google TPU", "other": "another accelerator"}  # fmt: skip

BAR = 24


def clean(text: str, most: int = 160) -> str:
    """Return text from a file with control, escape and direction characters taken out, cut to a length."""
    shown = "".join(c for c in text if unicodedata.category(c)[0] != "C")
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def width() -> int:
    """Return how wide the text may be: the terminal's width between 60 and 120 columns."""
    return max(60, min(120, shutil.get_terminal_size((100, 24)).columns))


def headline(verdict: Verdict) -> str:
    """Return the answer in one sentence."""
    share = f"{verdict.coverage:.0%}"
    if verdict.answer == "insufficient":
        return "Not enough evidence: these figures say next to nothing about the hardware."
    assert verdict.architecture is not None
    likely = NAMES.get(verdict.architecture, verdict.architecture)
    probability = verdict.probabilities[verdict.architecture]
    if verdict.answer == "likely":
        return f"{likely}, probability {probability:.0%}; no other class is in the {share} set."
    others = ", ".join(NAMES.get(c, c) for c in verdict.prediction_set)
    return f"Undecided: the {share} set holds {others}. Likeliest: {likely}, {probability:.0%}."


#: Chips that a list names before it counts the rest.
MOST_NAMED = 12


def listed(names: Sequence[str], most: int = MOST_NAMED) -> str:
    """Return names joined by commas, the rest counted; parts for data centres come first."""
    table = chips.table()
    ranked = sorted(names, key=lambda n: (not table[n].datacenter, -table[n].peaks.get("fp16", 0.0)))
    rest = f" and {len(ranked) - most} more" if len(ranked) > most else ""
    return ", ".join(ranked[:most]) + rest if ranked else "none of the table"


def exclusions_in_words(verdict: Verdict) -> list[str]:
    """Return what each deciding figure excludes, the figure that excludes most first."""
    by_row: dict[tuple[int, str], list[Exclusion]] = {}
    for e in verdict.excluded:
        by_row.setdefault((e.row, e.quantity), []).append(e)
    out = []
    for (row, quantity), found in sorted(by_row.items(), key=lambda kv: (-len(kv[1]), kv[0]))[:4]:
        strongest = max(found, key=lambda e: e.ceiling)
        ceiling = f"most that fails: {strongest.chip}, {amount(strongest.ceiling, quantity)}"
        out.append(f"row {row}, {quantity} of at least {amount(strongest.achieved, quantity)}: "
                   f"{listed([e.chip for e in found], 6)} ({ceiling})")  # fmt: skip
    return out


def lines(verdict: Verdict) -> list[tuple[str, str]]:
    """Return the report as (style, line) pairs."""
    wide = width()
    out: list[tuple[str, str]] = [("bold", clean(verdict.profile)), ("answer", "  " + headline(verdict)), ("", "")]

    def heading(text: str) -> None:
        if out[-1] != ("", ""):
            out.append(("", ""))
        out.append(("heading", text))

    def paragraph(text: str, indent: str = "  ") -> None:
        out.extend(("", line) for line in textwrap.wrap(text, wide, initial_indent=indent, subsequent_indent=indent + "  "))

    if verdict.answer != "insufficient":
        heading("Likely")
        ranked = sorted(verdict.probabilities.items(), key=lambda kv: -kv[1])
        for name, p in [kv for kv in ranked if kv[1] >= 0.01 or kv[0] in verdict.prediction_set][:8]:
            mark = "●" if name in verdict.prediction_set else " "
            out.append(("bar", f"  {mark} {NAMES.get(name, name):<24}{'█' * round(BAR * p):<{BAR}} {p:6.1%}"))
        out.append(("dim", f"    ● in the {verdict.coverage:.0%} prediction set"))
    if verdict.claim:
        heading("The claim")
        paragraph(f"{clean(verdict.claim.chip)}: {verdict.claim.result.upper()}. {clean(verdict.claim.why, 600)}")
    heading("Excluded by a figure, whatever was masked")
    for words in exclusions_in_words(verdict):
        paragraph(words)
    if not verdict.excluded:
        paragraph("Nothing: no figure exceeds what any chip of the table can do.")
    heading(f"Possible if slowed down: {len(verdict.possible)} of {len(verdict.possible) + len(verdict.excluded)} chips")
    paragraph(listed(verdict.possible))
    if verdict.evidence:
        heading("What decided it (bits for the answer; negative: against)")
        for e in verdict.evidence:
            paragraph(f"{e.weight:+6.2f}  row {e.row}: {clean(e.says)}")
    heading("The figures")
    paragraph(f"{verdict.rows_used} figure{'s' if verdict.rows_used != 1 else ''} used, {len(verdict.rows_ignored)} ignored.")
    for ignored in verdict.rows_ignored[:5]:
        paragraph(f"row {ignored.row}: {clean(ignored.why)}", "    ")
    for doubt in verdict.caveats:
        paragraph(clean(doubt) + ".")
    proved = [line for line in verdict.export_control["lines"] if line["proved"]]
    if verdict.export_control["tpp_at_least"]:
        paragraph(f"Demonstrated TPP at least {verdict.export_control['tpp_at_least']:,.0f}"
                  + (f"; proved: {', '.join(dict.fromkeys(str(line['rule']) for line in proved))}" if proved else "")
                  + f". Rules as of {verdict.export_control['rules_as_of']}; no legal advice; figures prove “above”, never “below”.")  # fmt: skip
    if verdict.identity_seen:
        said = ", ".join(f"“{clean(name, 60)}”" for name in verdict.identity_seen)
        paragraph(f"It says of its hardware: {said}. That is reported, not used.")
    return out


_COLOURS = {"bold": "\033[1m", "answer": "\033[1;36m", "heading": "\033[1m", "dim": "\033[2m", "bar": "\033[36m"}


def render(verdict: Verdict, colour: bool) -> str:
    """Return the report as text, with ANSI colours if wanted."""
    if not colour:
        return "\n".join(line.rstrip() for _, line in lines(verdict))
    return "\n".join(f"{_COLOURS[s]}{line}\033[0m" if s in _COLOURS else line for s, line in lines(verdict))


def wants_colour(environment: dict[str, str]) -> bool:
    """Return whether a person looks: standard output is a terminal and NO_COLOR is not set."""
    return sys.stdout.isatty() and "NO_COLOR" not in environment and environment.get("TERM") != "dumb"
