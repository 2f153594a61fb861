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
MOST_BARRIERS, LEAST_BARS, MOST_TWINS, MOST_SHARES, MOST_EVIDENCE, MOST_IGNORED = 3, 3, 3, 4, 3, 2

#: Bars in all: classes of the set beyond are named without one.
MOST_BARS = 6

#: A kind of figure that comes to less than this share of every ceiling shown says nothing there.
LEAST_SHARE = 0.03

#: What a terminal that lacks block characters shows in their place.
_ASCII = str.maketrans({"█": "#", "●": "*", "…": "~", "–": "-", "“": '"', "”": '"', "µ": "u", "×": "x", "≥": ">"})


@dataclass(frozen=True)
class Line:
    """One paragraph of the report: its style, how far its first and further lines are indented, and its words.

    Style ``heading`` begins a part; ``part`` is a whole part in one paragraph, of which the first ``lead`` letters are its heading.
    """

    style: str
    text: str
    indent: int = 2
    hang: int = 2
    keep: bool = False
    lead: int = 0


def _part(lead: str, text: str) -> Line:
    return Line("part", f"{lead}: {text}", 0, 2, lead=len(lead) + 1)


def width() -> int:
    """Return how wide the text may be: the terminal's (or ``COLUMNS``) width, between 40 and 120 columns."""
    return max(NARROWEST, min(WIDEST, shutil.get_terminal_size((100, 24)).columns))


def _bars(verdict: Verdict, wide: int) -> Iterator[Line]:
    everything = words.ranked(verdict)
    shown = [(c, p, inside) for i, (c, p, inside) in enumerate(everything) if i < LEAST_BARS or (inside and p >= words.LEAST_SHOWN)][:MOST_BARS]
    label = min(26, wide - 21, max(len(words.name_of(c)) for c, _, _ in shown) + 2)
    full = min(40, wide - label - 13)
    for name, p, inside in shown:
        bar = f"{'█' * round(full * p):<{full}} {words.percent(p):>6}"
        yield Line("set" if inside else "bar", f"{'●' if inside else ' '} {clean(words.name_of(name), label - 1):<{label}}{bar}", keep=True)
    if rest := [f"{words.name_of(c)} {words.percent(p)}" for c, p, inside in everything if inside and (c, p, inside) not in shown]:
        yield Line("set", f"● {', '.join(rest)}")


def _shares(verdict: Verdict, wide: int) -> Iterator[Line]:
    """Yield what share of a few chips' ceilings the figures prove: why they are likely, unlikely, or out."""
    figures = verdict.figures
    if figures is None:
        return
    from fingerprint.claims import claimed_chips
    from fingerprint.report.points import telling_chips, utilisation

    claimed = claimed_chips(verdict.claim.chip)[1] if verdict.claim else ()
    found = utilisation(verdict, figures, telling_chips(verdict))
    if found is None or len(found.chips) < 2:
        return
    kinds = [j for j in range(len(found.kinds)) if (found.share[:, j] >= LEAST_SHARE).any()] or [0]
    heads = [f"{found.kinds[j].replace('compute ', '')}, row {found.rows[j]}" for j in range(len(found.kinds))]
    label = max(len(c) for c in found.chips) + 2
    # Two columns of margin, and "  claimed" at the end.
    kinds = kinds[: min(MOST_SHARES, (wide - 11 - label) // (max(map(len, heads)) + 2))]
    if not kinds:
        return
    yield Line("heading", "Why: the share of a chip's ceiling that the figures prove (×: above it, so excluded)")
    yield Line("dim", " " * label + "".join(f"  {heads[j]}" for j in kinds), keep=True)
    for i, chip in enumerate(found.chips):
        cells = []
        for j in kinds:
            share, out = found.share[i, j], "× " if found.excludes[i, j] else ""
            cells.append(f"  {out + words.share_of(share):>{len(heads[j])}}")
        style = "out" if found.excludes[i].any() else "set" if i == 0 else ""
        yield Line(style, f"{chip:<{label}}{''.join(cells)}{'  claimed' if chip in claimed else ''}", keep=True)


def lines(verdict: Verdict, wide: int | None = None) -> Iterator[Line]:
    """Yield the report's paragraphs; ``heading`` or ``part`` begins a part."""
    wide = wide or width()
    yield Line("title", clean(verdict.profile), 0, 0)
    yield Line("answer", words.headline(verdict), 2, 0)

    total = len(verdict.possible) + len(verdict.excluded)
    found = words.barriers(verdict)
    if found:
        yield Line("heading", f"Excluded by a figure, whatever was masked: {len(verdict.excluded)} of {total} chips")
        for i, b in enumerate(found[:MOST_BARRIERS]):
            strongest = f" (the nearest: {b.limit})" if len(b.chips) > 1 else f" ({b.nearest_ceiling})"
            yield Line("", f"row {b.row}, {b.figure}: {words.listed(b.chips, 6 if i == 0 else 2)}{strongest}")
        if found[MOST_BARRIERS:]:
            rest = sum(len(b.chips) for b in found[MOST_BARRIERS:])
            others = len(found) - MOST_BARRIERS
            yield Line("dim", f"{rest} more by {others} other figure{'s' if others > 1 else ''}")
        if out := words.classes_out(verdict):
            yield Line("", f"Whole classes out: {', '.join(out)}")
    else:
        yield _part("Excluded by a figure", "nothing; no figure exceeds what any chip of the table can do.")
    left = words.listed(verdict.possible)
    yield _part(f"Possible if slowed down, {len(verdict.possible)} of {total} chips", left + (" (--json lists them)" if " other" in left else ""))

    if verdict.answer != "insufficient":
        yield Line("heading", f"Likely (●: in the {verdict.coverage:.0%} prediction set)")
        yield from _bars(verdict, wide)
        if likely := words.likely_chips(verdict):
            yield Line("", "Chips: " + ", ".join(f"{c} {p:.0%}" for c, p in likely))
    if alike := words.twins(verdict):
        more = f"; and {len(alike) - MOST_TWINS} more" if len(alike) > MOST_TWINS else ""
        yield Line("", f"Twins, which these figures can't tell apart: {'; '.join(alike[:MOST_TWINS])}{more}")
    yield from _shares(verdict, wide)

    if verdict.claim:
        yield _part(f"The claim {clean(verdict.claim.chip)}", f"{verdict.claim.result.upper()}. {words.claim_why(verdict)}")

    if verdict.evidence:
        alone = "" if words.decides(verdict) else ": no figure alone"
        yield Line("heading", f"What decided it{alone} (bits for the answer; negative: against)")
        for e in verdict.evidence[:MOST_EVIDENCE]:
            yield Line("", f"{e.weight:+6.2f}  row {e.row}: {clean(e.says)}", hang=8)

    if further := words.next_measurements(verdict):
        yield _part("What to measure next", words.next_sentence(further[0]))

    yield _part("The figures", " ".join([words.figures_used(verdict), *(f"{clean(doubt)}." for doubt in verdict.caveats)]))
    left_out = words.ignored(verdict)
    for rows, _, why in left_out[:MOST_IGNORED]:
        yield Line("", f"{rows}: {why}")
    if rest := sum(n for _, n, _ in left_out[MOST_IGNORED:]):
        yield Line("dim", f"{rest} more, for other reasons")
    for said in (words.identity(verdict), words.export_in_short(verdict)):
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
        if line.style in ("heading", "part"):
            out.append("")
        if line.style == "heading":
            out += textwrap.wrap(line.text, wide, break_on_hyphens=False)
        elif line.keep:
            out.append((" " * line.indent + line.text).rstrip())
        else:
            first, rest = " " * line.indent, " " * (line.indent + line.hang)
            out += textwrap.wrap(line.text, wide, initial_indent=first, subsequent_indent=rest,
                                 break_on_hyphens=False)  # fmt: skip
    return _encodable("\n".join(out))


#: Styles in rich's words; a terminal's own colours, so that they suit its background.
_STYLES = {"title": "bold", "answer": "bold cyan", "heading": "bold", "dim": "dim", "bar": "dim", "set": "cyan", "out": "dim",
           "part": "", "": ""}  # fmt: skip


def _by_rich(verdict: Verdict, wide: int) -> str:
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    sink = io.StringIO()
    console = Console(file=sink, force_terminal=True, width=wide, color_system="standard", legacy_windows=False, highlight=False,
                      no_color=False)  # fmt: skip
    for line in lines(verdict, wide):
        text = Text(line.text, style=_STYLES[line.style], no_wrap=line.keep, overflow="crop" if line.keep else "fold")
        text.stylize("bold", 0, line.lead)
        if line.style in ("heading", "part"):
            console.print()
        if line.style == "heading":
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
