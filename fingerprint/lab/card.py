"""The dataset card and the model card, written from what was counted and measured."""

from __future__ import annotations

from typing import Any

import pandas as pd

#: Sources under the raw folder that no module reads, and why.
LEFT_OUT: dict[str, str] = {
    "micro/moe_config_devices": "counts of tuned configuration files per device; no timings",
}


def _count(number: float) -> str:
    return f"{number:,.0f}"


def dataset_card(made: dict[str, Any], tables: dict[str, pd.DataFrame]) -> str:
    """Return datasets/CARD.md."""
    good = pd.concat([t.loc[t["quarantine"] == "", ["architecture", "chip", "origin", "profile", "source", "estimate"]]
                      for t in tables.values()], ignore_index=True)  # fmt: skip
    by_class = good.groupby("architecture").agg(rows=("profile", "size"), profiles=("profile", "nunique"),
                                                origins=("origin", "nunique"), sources=("source", "nunique"))  # fmt: skip
    lines = [
        "# Dataset card", "",
        "Labelled measurements: one row is one figure that somebody published, with the chip that made it. Written by",
        "`fingerprint dataset build --raw DIR`; do not edit by hand.", "",
        (f"- **Rows**: {_count(made['rows_out'])} kept, {_count(made['rows_quarantined'])} quarantined with a reason, of "
         f"{_count(made['rows_in'])} read after thinning. {_count(good['estimate'].sum())} of the kept rows are estimates: "
         "never trained or tested on."),
        f"- **Checksum**: `{made['checksum']}`",
        "- **Columns**: those of `fingerprint.measurements` (SI units) and of `fingerprint.lab.ingest.labelled`.",
        "- **Labels**: the chip id of `chips.csv`, or a family (`H20`, `H100`, `A100`) where the variant is not published; empty",
        "  where only the architecture is known. Taken from the most trustworthy field of each source (its module says which).",
        "- **Licences**: per row, as each source states; figures are facts, no text or code of a source is in here.",
        "- **Copies**: a figure that two sources hold (same class, work, shape and value to six digits) counts once, the other",
        "  is quarantined as a copy.", "",
        "## By class", "", "| class | rows | profiles | origins | sources |", "|---|---:|---:|---:|---:|",
        *(f"| {c} | {_count(r.rows)} | {_count(r.profiles)} | {r.origins} | {r.sources} |"
          for c, r in by_class.sort_values("rows", ascending=False).iterrows()),
        "", "## By source", "",
        "| source | rows | quarantined | profiles | origins | licence | a profile is | thinning |",
        "|---|---:|---:|---:|---:|---|---|---|",
    ]  # fmt: skip
    for s in made["sources"]:
        licence = "; ".join(dict.fromkeys(str(f.get("licence", "")) for f in s["from"] if f.get("licence")))
        lines.append(f"| {s['source']} | {_count(s['rows_out'])} | {_count(s['rows_quarantined'])} | {_count(s['profiles'])} | "
                     f"{s['origins']} | {licence[:60]} | {s['profile']} | {s['thinning']} |")  # fmt: skip
    lines += ["", "## What is left out", ""]
    lines += [f"- **{name}**: {why}." for name, why in LEFT_OUT.items()]
    lines += [f"- **{s['source']}**: {s['left_out']}" for s in made["sources"] if s["left_out"]]
    lines += ["", "## Quarantine", "", "| source | reason | rows |", "|---|---|---:|"]
    lines += [f"| {s['source']} | {why} | {_count(n)} |" for s in made["sources"] for why, n in s["quarantine"].items()]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _cell(entry: dict[str, Any] | None) -> str:
    if entry is None or entry["value"] is None:
        return "-"
    bounds = f" ({entry['low']:.2f}-{entry['high']:.2f})" if entry["low"] is not None else ""
    return f"{entry['value']:.3f}{bounds}"


class _Figures:
    """Look-up in the list of figures."""

    def __init__(self, figures: list[dict[str, Any]]) -> None:
        self.by_key = {(f["protocol"], f["slice"], f["metric"], f["class"], f["model"]): f for f in figures}

    def get(self, protocol: str, slice_: str, metric: str, class_: str | None = None, model: str = "shipped") -> dict[str, Any] | None:
        return self.by_key.get((protocol, slice_, metric, class_, model))


def model_card(figures: list[dict[str, Any]], confusion: pd.DataFrame, about: dict[str, str]) -> str:
    """Return models/CARD.md."""
    found = _Figures(figures)
    lines = [
        "# Model card: `architecture.fpm`", "",
        "Three experts (trees over profile vectors, a match of figures with chips' data sheets, a weighing of classes), calibrated and",
        "conformalised on sources held out in turn, over what physics leaves possible (docs/HOW_IT_WORKS.md). Stored as plain",
        "arrays with a JSON header; written by `fingerprint train`, measured by `fingerprint evaluate`; do not edit by hand.", "",
        *(f"- **{k}**: {v}" for k, v in about.items()), "",
        "Intervals are 95 % bootstrap intervals over origins (submitters for MLPerf), since figures of one origin are not",
        "independent. Every figure is for profiles whose origin (or submitter) the trees and the calibration had not seen.", "",
    ]  # fmt: skip
    for protocol in ("by-source", "by-submitter"):
        slices = list(dict.fromkeys(f["slice"] for f in figures if f["protocol"] == protocol and "prototype" not in f["slice"]))
        if not slices:
            continue
        lines += [f"## Held out {protocol.replace('-', ' ')}", "",
                  "| figures | profiles | macro-F1, four | macro-F1, six | accuracy, six | surest 80 % | calibration error | log loss | coverage of 90 % sets | set size |",
                  "|---|---:|---|---|---|---|---|---|---|---|"]  # fmt: skip
        for name in slices:
            first = found.get(protocol, name, "macro_f1_six")
            cells = [_cell(found.get(protocol, name, m)) for m in ("macro_f1_four", "macro_f1_six", "accuracy_six",
                     "accuracy_surest_80", "calibration_error", "log_loss", "coverage", "set_size")]  # fmt: skip
            lines.append(f"| {name} | {_count(first['n']) if first else '-'} | {' | '.join(cells)} |")
        lines += ["", "Baselines on the same folds (macro-F1 over six classes):", "",
                  "| figures | this model | boosting on raw columns | nearest prototype |", "|---|---|---|---|"]  # fmt: skip
        for name in slices:
            cells = [_cell(found.get(protocol, name, "macro_f1_six", None, m)) for m in ("shipped", "raw-boosting", "nearest-prototype")]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        where = [f["slice"] for f in figures if f["protocol"] == protocol and "prototype" in f["slice"]]
        for name in dict.fromkeys(where):
            cells = [_cell(found.get(protocol, name, "macro_f1_six", None, m)) for m in ("shipped", "raw-boosting", "nearest-prototype")]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        name = "one tool, at least 4 rows"
        lines += ["", f"By class ({name}):", "", "| class | profiles | recall | precision | coverage |", "|---|---:|---|---|---|"]
        classes = [f["class"] for f in figures
                   if (f["protocol"], f["slice"], f["metric"], f["model"]) == (protocol, name, "recall", "shipped")]  # fmt: skip
        for c in classes:
            r = found.get(protocol, name, "recall", c)
            lines.append(f"| {c} | {_count(r['n']) if r else '-'} | {_cell(r)} | {_cell(found.get(protocol, name, 'precision', c))} | "
                         f"{_cell(found.get(protocol, name, 'coverage', c))} |")  # fmt: skip
        lines.append("")
    if len(confusion):
        lines += ["## Confusions, held out by source (one tool, at least 4 rows)", "",
                  "| truth | " + " | ".join(confusion.columns) + " |", "|---|" + "---:|" * len(confusion.columns)]  # fmt: skip
        lines += [f"| {truth} | " + " | ".join(_count(v) for v in row) + " |" for truth, row in confusion.iterrows()]
        lines.append("")
    examples = [f for f in figures if f["protocol"] == "examples"]
    if examples:
        lines += ["## The examples, each by a model that saw nothing of its origin", "", "| slice | metric | value | n |", "|---|---|---|---:|"]
        lines += [f"| {f['slice']} | {f['metric']} | {_cell(f)} | {f['n']} |" for f in examples]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"
