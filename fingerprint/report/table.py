"""Verdicts as CSV: one line a profile, for spreadsheets."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

from fingerprint.report.terminal import clean

if TYPE_CHECKING:
    from fingerprint.verdict import Verdict

FIELDS = ("profile", "answer", "architecture", "probability", "prediction_set", "coverage", "claim",
          "chips_excluded", "chips_possible", "rows_used", "identity_seen")  # fmt: skip


#: Where a cell begins, or would where the list separator is another one, with what spreadsheets take for a formula, in
#: wide forms too (OWASP, CSV injection).
_FORMULA = re.compile(r"(^|[;|])(\s*)(?=[=+\-@＝＋－＠])")


def safe(text: str) -> str:
    """Return text that no spreadsheet takes for a formula: an apostrophe stands before whatever would begin one."""
    return _FORMULA.sub(r"\1\2'", clean(text, 400))


def write(verdicts: Iterable[Verdict], stream: TextIO, header: bool) -> None:
    """Write one line a verdict."""
    writer = csv.writer(stream, lineterminator="\n")
    if header:
        writer.writerow(FIELDS)
    for v in verdicts:
        p = v.probabilities.get(v.architecture or "")
        writer.writerow([safe(v.profile), v.answer, v.architecture or "", "" if p is None else f"{p:.4f}",
                         " ".join(v.prediction_set), v.coverage, v.claim.result if v.claim else "",
                         len(v.excluded), len(v.possible), v.rows_used, safe("; ".join(v.identity_seen))])  # fmt: skip
