"""The parts of the documents that are measured: filled in between their markers from ``models/figures.json`` and ``models/audit.csv``.

``python tests/test_docs.py`` writes them anew; a test holds the documents to it. Nothing here is a figure: where something was
not measured for the model that ships, the document says so.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from fingerprint import chips
from fingerprint.candidates import peak_of
from fingerprint.claims import claimable
from fingerprint.copies import copies
from fingerprint.dataset import load_dataset
from fingerprint.lab import evasion
from fingerprint.lab.model_card import MAIN, Figure, Lookup, table
from fingerprint.lab.protocols import FAMILIES
from fingerprint.measurements import Measurements
from fingerprint.slips import slips

#: Called-out labels that the audit's page lists one by one.
MOST_LISTED = 40

#: Rows, columns and depth from which on a matrix product is large.
LARGE = 4096

#: How the protocols are called in the README, the easiest first.
HELD_OUT = {"by-submitter": "MLPerf Inference, by submitter", "by-workload": "every model or kernel in turn", "by-time": "later figures, by earlier ones",
            "by-source": "every source in turn"}  # fmt: skip

#: Classes of which the README shows the recall.
SHOWN = ("hopper", "blackwell", "h20", "ampere", "ada")

_UNMEASURED = "not measured yet for the model that ships"

Row = dict[str, str]


def fill(text: str, name: str, content: str) -> str:
    """Return a document with what stands between ``<!-- name -->`` and ``<!-- /name -->`` replaced."""
    before, begin, rest = text.partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- /{name} -->")
    if not (begin and end):
        raise ValueError(f"the document lacks the markers of {name!r}")
    return f"{before}{begin}{content.rstrip()}\n{end}{after}"


def documents(root: Path) -> dict[Path, str]:
    """Return every document with measured parts as it should read.

    Parameters
    ----------
    root : Path
        The checkout.
    """
    figures = json.loads((root / "models" / "figures.json").read_text(encoding="utf-8"))
    parts = {
        "README.md": {"usual": usual(), "figures": readme(figures)},
        "docs/EVASION.md": {"proved": evasion.proved(root / "datasets" / "examples"), "masked": evasion.told(figures)},
        "docs/AUDIT.md": {"across": across(), "swapped": swapped(figures, "audit"), "swapped-sources": swapped(figures, "audit-sources"),
                          "swapped-each": swapped(figures, "audit-each-source"), "called-out": called_out(figures, audited(root / "models" / "audit.csv"))},
    }
    out = {}
    for name, contents in parts.items():
        text = (root / name).read_text(encoding="utf-8")
        for part, content in contents.items():
            text = fill(text, part, content)
        out[root / name] = text
    return out


def audited(file: Path) -> list[Row] | None:
    """Return the labels that the audit of every MLPerf round called out, None where it was not run."""
    if not file.is_file():
        return None
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def usual() -> str:
    """Return how near large 16-bit matrix products come to the data sheet, in the labelled figures."""
    frame, known = load_dataset(), chips.table()
    large = (frame["workload"] == "gemm") & (frame["quantity"] == "compute_rate") & (frame[["m", "n", "k"]].min(axis=1) >= LARGE)
    good = frame["precision"].isin(["bf16", "fp16"]) & (frame["quarantine"] == "") & (frame["estimate"] == 0)
    # Desktop cards have two 16-bit rates, by the width of their sums, and clocks of their makers' choice.
    good &= frame["chip"].isin([c.id for c in known.values() if c.datacenter])
    frame = frame[large & good]
    peak = [peak_of(known[c], p) for c, p in zip(frame["chip"], frame["precision"], strict=True)]
    count = frame["accelerators"].fillna(1.0).where(frame["scope"] != "accelerator", 1.0)
    best = frame["value"].div(count).div(peak).groupby(frame["profile"]).max().dropna()
    low, high = np.quantile(best, [0.1, 0.9])
    return (f"Large matrix products usually take much of a chip: in {len(best):,} labelled profiles of them on data-centre parts (16 bits, {LARGE:,} and more each way)\n"
            f"the best comes to {low:.0%} to {high:.0%} of its own chip's data sheet, a tenth of the profiles at either end left out.")  # fmt: skip


def readme(figures: Sequence[Figure]) -> str:
    """Return the README's figures: each with its count and, where it has one, its interval."""
    found = Lookup(figures)
    told = [p for p in HELD_OUT if found.get(p, MAIN, "macro_f1_six")]
    head = ["held out", "profiles", "macro-F1, four classes", "macro-F1, six", "boosting on raw columns", "nearest prototype", "coverage of 90 % sets"]  # fmt: skip
    rows = ([HELD_OUT[p], found.count(p, MAIN, "macro_f1_six"), *(found.cell(p, MAIN, m) for m in ("macro_f1_four", "macro_f1_six")),
             *(found.cell(p, MAIN, "macro_f1_six", None, m) for m in ("raw-boosting", "nearest-prototype")), found.cell(p, MAIN, "coverage")]
            for p in told)  # fmt: skip
    by_class = ([c, found.count("by-source", MAIN, "recall", c, "shipped"), *(found.cell("by-source", MAIN, m, c) for m in ("recall", "precision", "coverage"))]
                for c in SHOWN)  # fmt: skip
    lines = [
        "Made by `fingerprint evaluate`, with 95 % bootstrap intervals over origins (or submitters). Profiles of one tool with at least four",
        "figures. Four classes: Hopper, Blackwell, H20 and the rest; six: Ampere and Ada besides. The two baselines answered the same",
        "profiles in six classes.", "", *table(head, rows), "",
        "Class by class, every source in turn: recall is the share of the class's profiles that is called by its name, precision the share of",
        "those called so that are.", "",
        *table(["class", "profiles", "recall", "precision", "coverage of 90 % sets"], by_class), "",
        *_sentences(found),
    ]  # fmt: skip
    missing = [HELD_OUT[p] for p in HELD_OUT if p not in told]
    missing += [name for name, there in (("masked", "masked-none"), ("a family never seen", "open-set"), ("the audit", "audit"))
                if not any(f["protocol"] == there for f in figures)]  # fmt: skip
    return "\n".join([*lines, *([f"- {_UNMEASURED.capitalize()}: {'; '.join(missing)}."] if missing else [])])


def _sentences(found: Lookup) -> Iterator[str]:
    if single := found.get("by-source", "1 figure", "macro_f1_six"):
        yield f"- **A single figure** says little: macro-F1 {_value(found, single)} over six classes on {single['n']:,} of them, sources held out."
    own = found.get("physics", "all profiles", "false_exclusions")
    strict = found.get("physics", "tolerance of other sources", "false_exclusions")
    if own and strict:
        yield (f"- **Exclusions**: {own['value']:.0f} of {own['n']:,} labelled profiles exclude their own chip; {strict['value']:.0f} would if each "
               "kind of evidence were judged by the tolerance of its other sources.")  # fmt: skip
    alarm = found.get("physics", "true claims", "claim_false_alarm")
    sold = found.get("physics", "an H20 sold as H100", "claim_detected")
    if alarm and sold:
        yield (f"- **Claims**: {alarm['value']:.1%} of {alarm['n']:,} true ones are called inconsistent; an H20 sold as an H100 is found out in "
               f"{sold['value']:.0%} of {sold['n']:,} profiles, of one figure and of many.")  # fmt: skip
    lost = [f for f in found.all if f["metric"] == "macro_f1_four_lost" and f["value"] is not None]
    if lost:
        worst = max(lost, key=lambda f: (f["value"], f["protocol"]))
        yield (f"- **Masked** on purpose, in {len(lost)} ways: the worst, {worst['protocol'].removeprefix('masked-')}, costs "
               f"{worst['value']:.3f} of macro-F1 over four classes ({worst['n']:,} profiles): [docs/EVASION.md](docs/EVASION.md).")  # fmt: skip
    areas = [a for a in (found.get("open-set", f"{family}, {MAIN}", "auroc_unknown") for family in FAMILIES) if a and a["value"] is not None]
    if areas:
        values = sorted(a["value"] for a in areas)
        yield f"- **A family never seen**: the probability of *unknown* tells it from known ones with an AUROC of {values[0]:.2f} to {values[-1]:.2f}, in {len(areas)} families."  # fmt: skip
    swaps = found.get("audit", "swapped labels, where the evidence allows", "swap_detected")
    false = found.get("audit", "true labels, beside swapped ones", "false_flags")
    if swaps and false:
        yield (f"- **Audit**: of {swaps['n']:,} swaps of labels, where the figures allow, {swaps['value']:.1%} are called out, and {false['value']:.1%} of "
               f"{false['n']:,} true ones: [docs/AUDIT.md](docs/AUDIT.md).")  # fmt: skip


def _value(found: Lookup, entry: Figure) -> str:
    return found.cell(entry["protocol"], entry["slice"], entry["metric"], entry["class"], entry["model"])


def swapped(figures: Sequence[Figure], protocol: str) -> str:
    """Return what a study of the audit finds of labels swapped on purpose, and how many true ones it calls out."""
    found = [f for f in figures if f["protocol"] == protocol and not f["slice"].startswith("round ")]
    if not found:
        return f"The study is {_UNMEASURED}."
    look = Lookup(found)
    rows = ([f["slice"], f["metric"].replace("_", " "), f["class"] or "all", f"{f['n']:,}", _value(look, f)] for f in found)
    return "\n".join(table(["labels", "share", "class", "labels in all", "value"], rows))


def across() -> str:
    """Return which figures of MLPerf's systems are equal under different labels, and which are a round factor off."""
    frame = load_dataset()
    frame = frame[frame["origin"].str.startswith("mlperf") & (frame["quarantine"] == "")]
    first = frame.drop_duplicates("profile")
    stated = np.where(first["chip"] == "", first["architecture"], first["chip"])
    labels = {p: s if claimable(s) else "" for p, s in zip(first["profile"], stated, strict=True)}
    measured = Measurements.from_frame(frame)
    equal, off = copies(measured, labels), slips(measured, labels)
    rows = [["equal under different labels", "; ".join(c.profiles), " and ".join(c.labels), f"{c.figures} figure{'s' if c.figures > 1 else ''}"] for c in equal]
    rows += [["a round factor off", s.profile, labels[s.profile], re.sub(r"^rows? [\d, –and]+, ", "", s.says())] for s in off]
    counted = f"{len(frame):,} figures of {len(first):,} MLPerf systems stand in the dataset, from every round."
    if not rows:
        return f"{counted} None is shared across labels, none is a round factor off."
    return "\n".join([counted, "", *table(["finding", "systems", "label", "what"], rows)])


def called_out(figures: Sequence[Figure], rows: Sequence[Row] | None) -> str:
    """Return what the audit of every round calls out, round by round and label by label."""
    if rows is None:
        return f"The audit of the rounds is {_UNMEASURED}."
    by_round = [f for f in figures if f["protocol"] == "audit" and f["slice"].startswith("round ")]
    lines = list(table(["round", "labels tested", "called out"],
                       ([f["slice"].removeprefix("round "), f"{f['n']:,}", f"{f['value']:.0f}"] for f in by_round))) if by_round else []  # fmt: skip
    if not rows:
        return "\n".join([*lines, "", "No label is called out."])
    head = ["round", "system", "label", "the figures look like", "p-value", "why it may be all right"]
    listed = ([r["board"], _system(r), r["label"], _looks(r), _p(r["p_value"]), innocent(r)] for r in rows[:MOST_LISTED])
    rest = [f"And {len(rows) - MOST_LISTED:,} more, less surprising ones: `models/audit.csv`."] if len(rows) > MOST_LISTED else []
    return "\n".join([*lines, "", *table(head, listed), *(["", *rest] if rest else [])])


def _system(row: Row) -> str:
    """Return a profile's submitter, system and division; ``mlperf-inference/v4.1/Dell/X/closed`` begins with what the table says besides."""
    parts = row["profile"].split("/")
    return "/".join(parts[2:]).replace("|", "\\|") if len(parts) > 2 else row["profile"]


def _looks(row: Row) -> str:
    if row["ground"] == "physics":
        return "more than the label's chip can do"
    return f"{row['answer']} ({float(row['probability']):.2f}), the label's class {float(row['label_probability']):.2g}"


def _p(value: str) -> str:
    p = float(value)
    return "0" if p == 0 else f"{p:.2g}"


def innocent(row: Row) -> str:
    """Return the likeliest innocent explanations of a called-out label, from what is known of such rows."""
    profile = row["profile"].lower()
    out = []
    if "/open" in profile:
        out.append("open division: the model, its steps or its sparsity may be changed")
    if "mig" in profile or "vgpu" in profile or "virtual" in profile:
        out.append("a part of a chip, or a virtual one")
    if "maxq" in profile or "power" in profile:
        out.append("run below its usual power limit")
    if row["ground"] == "physics":
        out.append("a unit, a count of accelerators or a precision other than stated")
    elif not out:
        out.append("other software than the class's known rows; a new or rare form of the chip; chance")
    return "; ".join(out)


def write(root: Path) -> list[Path]:
    """Write the documents that are behind, and return which they were."""
    behind = {file: text for file, text in documents(root).items() if file.read_text(encoding="utf-8") != text}
    for file, text in behind.items():
        file.write_text(text, encoding="utf-8")
    return list(behind)
