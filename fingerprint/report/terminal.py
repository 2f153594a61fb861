"""A verdict on one screen: plain text when piped, drawn by rich when a person looks."""

from __future__ import annotations

import io
import shutil
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fingerprint.report import words
from fingerprint.report.words import clean

if TYPE_CHECKING:
    from fingerprint.verdict import Verdict

__all__ = ["clean", "render", "wants_colour", "width"]

#: Columns of text: narrower terminals wrap by themselves, longer lines are hard to read.
NARROWEST, WIDEST = 40, 120

#: Lines of each kind before the rest is counted: the report shall fit a screen.
MOST_BARRIERS, MOST_BARS, MOST_EVIDENCE, MOST_IGNORED, MOST_NEXT = 3, 6, 6, 3, 2

#: What a terminal that lacks block characters shows in their place.
_ASCII = str.maketrans({"█": "#", "●": "*", "…": "~", "–": "-", "“": '"', "”": '"', "µ": "u", "×": "x", "≥": ">"})


@dataclass(frozen=True)
class Line:
    """One paragraph of the report: its style, how far its first and further lines are indented, and its words."""

    style: str
    text: str
    indent: int = 2
    hang: int = 2
    keep: bool = False


def width() -> int:
    """Return how wide the text may be: the terminal's (or ``COLUMNS``) width, between 40 and 120 columns."""
    return max(NARROWEST, min(WIDEST, shutil.get_terminal_size((100, 24)).columns))


def _bar(verdict: Verdict, wide: int) -> Iterator[Line]:
    everything = words.ranked(verdict)
    shown = [entry for i, entry in enumerate(everything) if entry[2] or i < MOST_BARS]
    label = min(26, wide - 21, max(len(words.name_of(c)) for c, _, _ in shown) + 2)
    full = min(40, wide - label - 13)
    for name, p, inside in shown:
        text = f"{'●' if inside else ' '} {clean(words.name_of(name), label - 1):<{label}}{'█' * round(full * p):<{full}} {p:6.1%}"
        yield Line("set" if inside else "bar", text, keep=True)
    yield Line("dim", f"● in the {verdict.coverage:.0%} prediction set")


def lines(verdict: Verdict, wide: int | None = None) -> Iterator[Line]:
    """Yield the report's paragraphs; ``heading`` begins a part."""
    wide = wide or width()
    yield Line("title", clean(verdict.profile), 0, 0)
    yield Line("answer", words.headline(verdict), 2, 0)

    yield Line("heading", "Excluded by a figure, whatever was masked")
    found = words.barriers(verdict)
    for b in found[:MOST_BARRIERS]:
        yield Line("", f"row {b.row}, {b.figure}: {words.listed(b.chips, 6)} (most that fails: {b.limit})")
    if found[MOST_BARRIERS:]:
        rest = sum(len(b.chips) for b in found[MOST_BARRIERS:])
        yield Line("dim", f"{rest} more by {len(found) - MOST_BARRIERS} other figures")
    if not found:
        yield Line("", "Nothing: no figure exceeds what any chip of the table can do.")

    total = len(verdict.possible) + len(verdict.excluded)
    yield Line("heading", f"Possible if slowed down: {len(verdict.possible)} of {total} chips")
    yield Line("", words.listed(verdict.possible))

    if verdict.answer != "insufficient":
        yield Line("heading", "Likely")
        yield from _bar(verdict, wide)
        if likely := words.likely_chips(verdict):
            yield Line("", "Chips: " + ", ".join(f"{c} {p:.0%}" for c, p in likely))
    for group in words.twins(verdict):
        yield Line("", f"Twins, which these figures can't tell apart: {group}")

    if verdict.claim:
        yield Line("heading", "The claim")
        yield Line("", f"{clean(verdict.claim.chip)}: {verdict.claim.result.upper()}. {words.claim_why(verdict)}")

    if verdict.evidence:
        yield Line("heading", "What decided it (bits for the answer; negative: against)")
        for e in verdict.evidence[:MOST_EVIDENCE]:
            yield Line("", f"{e.weight:+6.2f}  row {e.row}: {clean(e.says)}", hang=8)

    if further := words.next_measurements(verdict):
        yield Line("heading", "What to measure next")
        for entry in further[:MOST_NEXT]:
            yield Line("", words.next_sentence(entry))

    yield Line("heading", "The figures")
    yield Line("", words.figures_used(verdict))
    left_out = words.ignored(verdict)
    for rows, _, why in left_out[:MOST_IGNORED]:
        yield Line("", f"{rows}: {why}", 4)
    if rest := sum(n for _, n, _ in left_out[MOST_IGNORED:]):
        yield Line("dim", f"{rest} more, for other reasons", 4)
    for doubt in verdict.caveats:
        yield Line("", clean(doubt) + ".")
    for said in (words.identity(verdict), words.export_status(verdict), words.standing(verdict)):
        if said:
            yield Line("", said)


def render(verdict: Verdict, colour: bool) -> str:
    """Return the report as text; in colours, which rich draws where it is installed, if wanted."""
    wide = width()
    if colour:
        try:
            return _by_rich(verdict, wide)
        except ImportError:
            pass
    return _plain(verdict, wide)


def _plain(verdict: Verdict, wide: int) -> str:
    out: list[str] = []
    for line in lines(verdict, wide):
        if line.style == "heading":
            out += ["", *textwrap.wrap(line.text, wide, break_on_hyphens=False)]
        elif line.keep:
            out.append((" " * line.indent + line.text).rstrip())
        else:
            first, rest = " " * line.indent, " " * (line.indent + line.hang)
            out += textwrap.wrap(line.text, wide, initial_indent=first, subsequent_indent=rest,
                                 break_on_hyphens=False)  # fmt: skip
    return _encodable("\n".join(out))


#: Styles in rich's words; a terminal's own colours, so that they suit its background.
_STYLES = {"title": "bold", "answer": "bold cyan", "heading": "bold", "dim": "dim", "bar": "dim", "set": "cyan", "": ""}


def _by_rich(verdict: Verdict, wide: int) -> str:
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    sink = io.StringIO()
    console = Console(file=sink, force_terminal=True, width=wide, color_system="standard", legacy_windows=False, highlight=False,
                      no_color=False)  # fmt: skip
    for line in lines(verdict, wide):
        text = Text(line.text, style=_STYLES[line.style], no_wrap=line.keep, overflow="crop" if line.keep else "fold")
        if line.style == "heading":
            console.print()
            console.print(text)
        elif line.hang and not line.keep:
            first, *rest = text.wrap(console, max(16, wide - line.indent - line.hang))
            console.print(Padding(first, (0, 0, 0, line.indent)))
            for more in rest:
                console.print(Padding(more, (0, 0, 0, line.indent + line.hang)))
        else:
            console.print(Padding(text, (0, 0, 0, line.indent)))
    return _encodable("\n".join(line.rstrip() for line in sink.getvalue().splitlines()))


def _encodable(text: str) -> str:
    """Return the text with what standard output's encoding lacks replaced: an ASCII terminal is no fault."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_ASCII).encode(encoding, "replace").decode(encoding)
    return text


def wants_colour(environment: dict[str, str]) -> bool:
    """Return whether a person looks: standard output is a terminal, and neither ``NO_COLOR`` nor a dumb one forbids."""
    return sys.stdout.isatty() and "NO_COLOR" not in environment and environment.get("TERM") != "dumb"
