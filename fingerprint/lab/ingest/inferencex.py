"""What the sources of InferenceX figures share: labels, the key of a run, and how a table of settings becomes rows.

This module reads no source of its own. One run may be found on the dashboard, in a post, and in AIConfigurator's
sample.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from fingerprint.readers import inferencex

ORIGIN = "inferencex"

#: InferenceX's name of the hardware -> a label with form factor. Its H100 and H200 stand in HGX boards:
#: AIConfigurator files the very same runs under h100_sxm and h200_sxm.
LABELS = {
    "h100": "H100 SXM", "h200": "H200 SXM", "b200": "B200", "b300": "B300", "gb200": "GB200", "gb300": "GB300",
    "mi300x": "MI300X", "mi325x": "MI325X", "mi355x": "MI355X",
}  # fmt: skip


def label(name: str) -> str:
    """Return the label of InferenceX's name of a chip."""
    return LABELS.get(name.strip().lower(), name)


def run_key(setting: pd.DataFrame) -> pd.Series:
    """Return a key that the rows of one run share in every source: chip, model, precision, lengths, requests, date.

    ``setting`` has the columns label, workload, stated (the precision), isl, osl, conc and date. Runs that differ only in
    parallelism share it too, which groups too much rather than too little. Without a date it is "".
    """
    parts = [setting["label"].str.lower(), setting["workload"], setting["stated"].str.lower()]
    parts += [setting[name].astype("Int64").astype(str) for name in ("isl", "osl", "conc")]
    key = ORIGIN + "/" + parts[0]
    for part in (*parts[1:], setting["date"]):
        key = key + "/" + part
    return key.where(setting["date"] != "", "")


def common(setting: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of the measurement table that every figure of a run shares, from those of :func:`run_key`."""
    words = setting["stated"].map({text: inferencex.precisions(text) for text in setting["stated"].unique()})
    return pd.DataFrame(
        {
            "label": setting["label"],
            "tool": "serving",
            "phase": "serve",
            "workload": setting["workload"],
            "precision": words.map(lambda w: w["precision"]),
            "weight_precision": words.map(lambda w: w["weight_precision"]),
            "concurrency": setting["conc"],
            "input_tokens": setting["isl"] * inferencex.MEAN_LENGTH,
            "output_tokens": setting["osl"] * inferencex.MEAN_LENGTH,
            "origin": ORIGIN,
            "date": setting["date"],
            "run": run_key(setting),
        }
    )


def workloads_of(models: pd.Series) -> pd.Series:
    """Return the models' ids."""
    return models.map({name: inferencex.workload(name)[0] for name in models.unique()})


def figures(shared: pd.DataFrame, values: pd.Series, **columns: pd.Series | str) -> pd.DataFrame:
    """Return a row for each present value: the shared columns, and one figure's own (quantity, unit, scope …)."""
    present = values.notna()
    out = shared[present].copy()
    out["value"] = values[present]
    for name, column in columns.items():
        out[name] = column[present] if isinstance(column, pd.Series) else column
    return out


#: Quantity -> unit and scope of InferenceX's rates and latencies in seconds.
RATE: Mapping[str, str] = {"unit": "token/s", "scope": "accelerator"}
SECONDS: Mapping[str, str] = {"unit": "s", "scope": "system", "statistic": "median"}
