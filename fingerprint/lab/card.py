"""The dataset card, written from what was counted."""

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
