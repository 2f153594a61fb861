"""An audit as people read it: what does not fit its label first, with its innocent explanations; then every profile on a line."""

from __future__ import annotations

import csv
import math
import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TextIO

from fingerprint.report.table import safe
from fingerprint.report.terminal import width
from fingerprint.report.words import clean

if TYPE_CHECKING:
    from fingerprint.audit import Audit, Line

FIELDS = ("profile", "label", "claimed", "claimed_class", "architecture", "probability", "claimed_probability", "answer", "result",
          "ground", "p_value", "q_value", "fits", "why", "innocent", "equal_figures", "unit_slips", "rows_used")  # fmt: skip

#: Findings of a kind that are told one by one before the rest is counted.
MOST = 20


def fits(line: Line) -> str:
    """Return ``no`` for a profile that does not fit its label, ``not tested``, or ``yes``: nothing speaks against it."""
    return "no" if line.flagged else "yes" if line.ground else "not tested"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else "0" if value == 0 else f"{value:.2g}"


def render(audit: Audit) -> str:
    """Return the audit as text."""
    wide = width()
    out: list[str] = []

    def put(text: str, indent: int = 0, hang: int = 0) -> None:
        # Labels and names are their authors': what steers a terminal is taken out.
        out.extend(textwrap.wrap(clean(text, 2000), wide, initial_indent=" " * indent, subsequent_indent=" " * (indent + hang)) or [""])

    flagged = audit.flagged
    put(f"{len(audit.lines):,} profiles, {audit.tested:,} labels tested, {len(flagged):,} do not fit their label "
        f"(of such findings at most {100 * audit.level:g}% are expected to be false).")  # fmt: skip
    if flagged:
        out.append("")
        put("Figures that do not fit their label")
        for line in flagged[:MOST]:
            put(f"{line.profile}: labelled {line.claimed}; {_verdict(line)}, p = {_number(line.p_value)}", 2, 2)
            put(line.why, 6)
            for said in line.innocent:
                put(f"It may be {said}", 6)
        if flagged[MOST:]:
            put(f"and {len(flagged) - MOST:,} more, see the table", 2)
        put(f"This accuses nobody. Look first for {_listed(innocent())}.", 2)
    for title, found in (("Equal figures under different labels", list(_copies(audit))), ("Figures a round factor off from like figures", list(_slips(audit)))):
        if found:
            out.append("")
            put(title)
            for text in found[:MOST]:
                put(text, 2, 2)
            if found[MOST:]:
                put(f"and {len(found) - MOST:,} more, see --json", 2)
    out.append("")
    out += _table(audit.lines, wide)
    return "\n".join(out)


def innocent() -> tuple[str, ...]:
    """Return the usual explanations of a label that does not fit."""
    from fingerprint.audit import INNOCENT

    return INNOCENT


def _listed(parts: Iterable[str]) -> str:
    *most, last = parts
    return f"{'; '.join(most)}; or {last}"


def _verdict(line: Line) -> str:
    return f"the figures say {line.architecture} ({line.probability:.2f})" if line.architecture else "the figures say little else"


def _copies(audit: Audit) -> Iterator[str]:
    for c in audit.copies:
        who = ", ".join(f"{p} ({label})" for p, label in list(zip(c.profiles, c.labels, strict=True))[:6])
        more = f" and {len(c.profiles) - 6} more" if len(c.profiles) > 6 else ""
        yield f"{who}{more}: {c.figures:,} equal figure{'s' if c.figures > 1 else ''}, such as row {c.rows[0]} of the first"


def _slips(audit: Audit) -> Iterator[str]:
    for s in audit.slips:
        yield f"{s.profile}: {s.says()}"


def _table(lines: Iterable[Line], wide: int) -> list[str]:
    rows = [("", "profile", "label", "likeliest", "", "p(label)", "p-value", "claim")]
    rows += [("*" if x.flagged else "", x.profile, x.claimed or "; ".join(x.label), x.architecture or x.answer, _number(x.probability),
              _number(x.claimed_probability), _number(x.p_value), x.result or "not tested") for x in lines]  # fmt: skip
    most = (1, max(12, wide - 74), 20, 12, 5, 8, 7, 12)
    size = [min(m, max(len(clean(r[i], 400)) for r in rows)) for i, m in enumerate(most)]
    out = ["  ".join(clean(cell, n).ljust(n) for cell, n in zip(row, size, strict=True)).rstrip() for row in rows]
    return [*out, "* does not fit its label"] if any(row[0] for row in rows) else out


def write_csv(audit: Audit, stream: TextIO) -> None:
    """Write one line a profile, with what was called out about it."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(FIELDS)
    equal: dict[str, set[str]] = {}
    for c in audit.copies:
        for profile in c.profiles:
            equal.setdefault(profile, set()).update(p for p in c.profiles if p != profile)
    slipped: dict[str, list[str]] = {}
    for s in audit.slips:
        slipped.setdefault(s.profile, []).append(s.says())
    for x in audit.lines:
        numbers = ["" if math.isnan(v) else f"{v:.4g}" for v in (x.probability, x.claimed_probability, x.p_value, x.q_value)]
        writer.writerow([safe(x.profile), safe("; ".join(x.label)), x.claimed, x.claimed_class, x.architecture, numbers[0], numbers[1],
                         x.answer, x.result, x.ground, numbers[2], numbers[3], fits(x), safe(x.why), safe("; ".join(x.innocent)),
                         safe("; ".join(sorted(equal.get(x.profile, ())))), safe("; ".join(slipped.get(x.profile, ()))), x.rows_used])  # fmt: skip
