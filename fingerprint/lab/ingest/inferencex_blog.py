"""InferenceX's posts: curves of rate against interactivity for one model on one or two chips.

A row was one point of a curve: total tokens a second per GPU, and its interactivity, of which the time per output
token is the reciprocal. A profile is one post, chip, engine and, where stated, date of the run. Where prompts and
answers are served by separate pools, only the rate per GPU of both is kept: how many workers share the decoding is not
stated.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint.lab.ingest.inferencex import ORIGIN, RATE, SECONDS, common, figures, label, workloads_of
from fingerprint.lab.ingest.labelled import Source, finish, slug
from fingerprint.lab.ingest.llm_facts import read_facts

SOURCE = Source(
    name="inferencex-blog",
    folders=("llm/inferencex_blog",),
    profile_rule="one chip under one engine in one post, and one date of the run where stated",
    origin=ORIGIN,
    licence="GPL-3.0 (the application's repository; figures only)",
    left_out="interactivity (the reciprocal of the time per token), times per token of disaggregated runs",
)


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    facts = read_facts(raw / SOURCE.folders[0] / "facts.csv")
    ran = facts["notes"].str.extract(r"(\d{4}-\d{2}-\d{2}) run", expand=False).fillna("")
    setting = pd.DataFrame(
        {
            "label": facts["label"].map(label),
            "workload": workloads_of(facts["model"]),
            "stated": facts["precision"],
            "isl": facts["input_tokens"],
            "osl": facts["output_tokens"],
            "conc": facts["load"],
            "date": ran,
        }
    )
    shared = common(setting).assign(accelerators=facts["accelerators"], url=facts["url"])
    shared["date"] = ran.mask(ran == "", facts["version"])
    version = facts["notes"].str.extract(r"Version=([\d.]+)", expand=False).fillna("")
    dated = facts["notes"].str.extract(r"Date=(\w+ \d+)", expand=False).fillna("")
    post = facts["url"].str.rsplit("/", n=1).str[-1].str.replace(".mdx", "")
    shared["profile"] = (
        post + "/" + facts["label"] + "/" + (facts["framework"] + " " + version + " " + dated + ran).map(slug)
    )
    # Two posts may draw the same curve.
    figure = facts[["framework", "accelerators", "metric", "value"]]
    copied = pd.concat([setting, figure], axis=1).duplicated()
    shared["quarantine"] = copied.map({True: "copy of the same point in another post", False: ""})
    apart = facts["notes"].str.contains("Prefill=")
    rate = facts["value"].where(facts["metric"] == "total_tok_per_sec_per_gpu")
    step = facts["value"].where((facts["metric"] == "tpot") & ~apart)
    # By Little's law, output rate times time per token is how many requests decode at once; a step's figures need it.
    key = list(setting.columns)
    point = setting.assign(u=facts["url"], n=facts["accelerators"], f=facts["framework"], notes=facts["notes"])
    rates = rate.groupby([point[c] for c in (*key, "u", "n", "f", "notes")], dropna=False).transform("first")
    answer = setting["osl"] / (setting["isl"] + setting["osl"])
    batch = rates * facts["accelerators"] * answer * step * 1e-3
    parts = [
        figures(shared, rate, quantity="total_throughput", **RATE),
        figures(shared, step, quantity="tpot", **{**SECONDS, "unit": "ms"}, batch=batch),
    ]
    return finish(pd.concat(parts, ignore_index=True), SOURCE)
