"""The model card, written from what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fingerprint.lab.evaluation import SLICES, WHERE, WITHIN
from fingerprint.lab.protocols import CUT, FAMILIES
from fingerprint.scorer import CLASSES

Figure = dict[str, Any]

#: The richness that classes and confusions are told for.
MAIN = SLICES["tool"]

PROTOCOLS: dict[str, str] = {
    "by-source": "Every origin in turn, large ones alone, the others in folds of whole origins. The headline, and the strictest: a benchmark that is one origin is new as a whole.",
    "by-submitter": "MLPerf Inference, every submitter in turn; the benchmark is known, the submitter is not.",
    "by-time": f"Profiles of {CUT} and later, by what was published before; profiles without a date left out.",
    "by-workload": "Every model or kernel in turn: the source and the chip may be known, the work is not.",
}
HEAD = ("macro_f1_four", "macro_f1_six", "accuracy_six", "accuracy_surest_80", "calibration_error", "log_loss", "coverage", "set_size")


class Lookup:
    """Look-up in the list of figures."""

    def __init__(self, figures: Iterable[Figure]) -> None:
        self.all = list(figures)
        self.by_key = {(f["protocol"], f["slice"], f["metric"], f["class"], f["model"]): f for f in self.all}

    def get(self, protocol: str, slice_: str, metric: str, class_: str | None = None, model: str = "shipped") -> Figure | None:
        """Return a figure, None where it was not measured."""
        return self.by_key.get((protocol, slice_, metric, class_, model))

    def cell(self, protocol: str, slice_: str, metric: str, class_: str | None = None, model: str = "shipped") -> str:
        """Return a figure with its interval, or a dash."""
        entry = self.get(protocol, slice_, metric, class_, model)
        if entry is None or entry["value"] is None:
            return "-"
        bounds = f" ({entry['low']:.2f}-{entry['high']:.2f})" if entry["low"] is not None else ""
        return f"{entry['value']:.3f}{bounds}"

    def count(self, *key: str | None) -> str:
        """Return how many profiles a figure rests on."""
        entry = self.get(*key)  # type: ignore[arg-type]
        return f"{entry['n']:,}" if entry else "-"


def model_card(figures: Sequence[Figure], confusion: Sequence[Figure], about: dict[str, str]) -> str:
    """Return models/CARD.md.

    Parameters
    ----------
    figures : sequence of dict
        As in ``figures.json``.
    confusion : sequence of dict
        ``truth``, ``answer``, ``n``.
    about : dict
        What the card begins with: data, date.
    """
    found = Lookup(figures)
    lines = [
        "# Model card: `architecture.fpm`", "",
        "Three experts (trees over profile vectors, a match of figures with chips' data sheets, a weighing of classes), calibrated and",
        "conformalised on sources held out in turn, over what physics leaves possible (docs/HOW_IT_WORKS.md). Stored as plain",
        "arrays with a JSON header; written by `fingerprint train`, measured by `fingerprint evaluate`; do not edit by hand.", "",
        *(f"- **{k}**: {v}" for k, v in about.items()), "",
        "Intervals are 95 % bootstrap intervals over origins (submitters for MLPerf), since figures of one origin are not",
        "independent. Every figure is for profiles that the trees and the calibration had not seen, each protocol in its own way.",
        "All figures, for programs: `figures.json`. What was tried: `TRIED.md`.", "",
    ]  # fmt: skip
    for protocol, words in PROTOCOLS.items():
        lines += _protocol(found, protocol, words)
    lines += [*_masked(found), *_open_set(found), *_audit(found)]
    if confusion:
        names = [c for c in CLASSES if any(c in (f["truth"], f["answer"]) for f in confusion)]
        count = {(f["truth"], f["answer"]): f["n"] for f in confusion}
        rows = ([truth, *(f"{count.get((truth, answer), 0):,}" for answer in names)] for truth in names)
        lines += [f"## Confusions, by source ({MAIN})", "", *table(["truth", *names], rows), ""]
    return "\n".join(lines).rstrip() + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    yield "| " + " | ".join(head) + " |"
    yield "|---|" + "---|" * (len(head) - 1)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def _protocol(found: Lookup, protocol: str, words: str) -> Iterator[str]:
    told = list(dict.fromkeys(f["slice"] for f in found.all if f["protocol"] == protocol))
    slices = [s for s in SLICES.values() if s in told]
    if not slices:
        return
    yield from (f"## {protocol.replace('-', ' ').capitalize()}", "", words, "")
    head = ["figures", "profiles", "macro-F1, four", "macro-F1, six", "accuracy, six", "surest 80 %", "calibration error", "log loss",
            "coverage of 90 % sets", "set size"]  # fmt: skip
    yield from table(head, ([s, found.count(protocol, s, "macro_f1_six"), *(found.cell(protocol, s, m) for m in HEAD)] for s in slices))
    where = [s for s in told if s.endswith(WHERE)]
    models = ("shipped", "raw-boosting", "nearest-prototype")
    if any(found.get(protocol, s, "macro_f1_six", None, "raw-boosting") for s in slices):
        yield from ("", "Baselines on the same folds (macro-F1 over six classes; errors as a share of the prototype rule's):", "")
        rows = ([s, *(found.cell(protocol, s, "macro_f1_six", None, m) for m in models), found.cell(protocol, s, "error_against_prototype")]
                for s in (*slices, *where))  # fmt: skip
        yield from table(["figures", "this model", "boosting on raw columns", "nearest prototype", "error against it"], rows)
    yield from ("", f"By class ({MAIN}):", "")
    classes = [c for c in CLASSES if found.get(protocol, MAIN, "recall", c)]
    yield from table(["class", "profiles", "recall", "precision", "coverage"], (
        [c, found.count(protocol, MAIN, "recall", c), *(found.cell(protocol, MAIN, m, c) for m in ("recall", "precision", "coverage"))]
        for c in classes))  # fmt: skip
    yield from ("", "The likeliest chip (a twin counts as right in the last column):", "")
    told_chips: list[tuple[str, str, str | None]] = [(MAIN, "any", None), *((f"{MAIN}, class given", c, c) for c in WITHIN)]
    yield from table(["figures", "class", "profiles", "the very chip", "it or a twin"], (
        [s, c, found.count(protocol, s, "chip_within_twins", k), found.cell(protocol, s, "chip_top1", k),
         found.cell(protocol, s, "chip_within_twins", k)]
        for s, c, k in told_chips))  # fmt: skip
    yield ""


def _masked(found: Lookup) -> Iterator[str]:
    names = list(dict.fromkeys(f["protocol"] for f in found.all if f["protocol"].startswith("masked-")))
    if not names:
        return
    yield from ("## Masked", "", f"Profiles held out by source ({MAIN}; a few of each origin and chip), as they are and masked, by",
                "the same experts and calibrations. What each masking does: docs/EVASION.md.", "")  # fmt: skip
    head = ["masking", "profiles", "macro-F1, four", "lost", "macro-F1, six", "coverage of 90 % sets", "H20 recall"]
    yield from table(head, (
        [n.removeprefix("masked-"), found.count(n, MAIN, "macro_f1_four"), found.cell(n, MAIN, "macro_f1_four"), found.cell(n, MAIN, "macro_f1_four_lost"),
         found.cell(n, MAIN, "macro_f1_six"), found.cell(n, MAIN, "coverage"), found.cell(n, MAIN, "recall", "h20")]
        for n in names))  # fmt: skip
    changed = [f for f in found.all if f["metric"] == "changed_outputs"]
    yield from ("", *(f"{f['protocol']}: {f['value']:.0f} of {f['n']:,} profiles with any output changed." for f in changed), "")


def _open_set(found: Lookup) -> Iterator[str]:
    if not any(f["protocol"] == "open-set" for f in found.all):
        return
    yield from ("## Open set", "", "A family whose figures nobody learned from and whose data sheets nobody has, beside the other classes' profiles of one fold of",
                "origins. `unknown or kin` is in the 90 % set; *called another* got one known class alone.", "")  # fmt: skip
    slices = [f"{family}, {name}" for family in FAMILIES for name in SLICES.values()]
    rows = ([s, found.count("open-set", s, "unknown_in_set"),
             *(found.cell("open-set", s, m) for m in ("auroc_unknown", "unknown_in_set", "unknown_or_kin_in_set", "called_another"))]
            for s in slices if found.get("open-set", s, "auroc_unknown"))  # fmt: skip
    yield from table(["family, figures", "profiles", "AUROC of unknown", "unknown in set", "unknown or kin", "called another"], rows)
    yield ""


#: Studies of the audit, by their protocol's name.
_AUDITS = {"audit": "every MLPerf Inference round a board, by held-out submitter", "audit-sources": "all sources one board, each held out",
           "audit-each-source": "each held-out source a board of its own"}  # fmt: skip


def _audit(found: Lookup) -> Iterator[str]:
    for protocol, what in _AUDITS.items():
        told = [f for f in found.all if f["protocol"] == protocol]
        if not told:
            continue
        yield from (f"## Audit: {what}, labels swapped on purpose (docs/AUDIT.md)", "")
        rows = ([f["slice"], f["metric"], f["class"] or "all", f"{f['n']:,}", found.cell(protocol, f["slice"], f["metric"], f["class"])] for f in told)
        yield from table(["labels", "figure", "class", "n", "value"], rows)
        yield ""
