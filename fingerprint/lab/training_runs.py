"""The labelled training runs, each as a sentence of its publisher: the rate that follows and what it excludes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fingerprint import chips
from fingerprint.bounds import bounds
from fingerprint.measurements import Measurements
from fingerprint.roofline import exclusions

#: Families of which the table says whether a run excludes them.
ASKED = ("H20", "A100", "H100")


def training_runs(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the runs of a labelled frame whose parameters, tokens and accelerator-hours are known, newest first.

    Parameters
    ----------
    frame : DataFrame
        As :func:`fingerprint.dataset.load_dataset` gives it; estimated rows are told apart, not left out.

    Returns
    -------
    DataFrame
        ``workload``, ``chip`` as published, ``precision`` (empty: each chip's fastest was assumed), ``rate`` (FLOP/s per
        accelerator), ``excluded`` (how many chips), ``fastest_excluded`` (of those for data centres the one with the highest
        ceiling), ``excludes_h20`` and the like (all of the family), ``possible`` (a chip that the label may mean is), ``estimate``,
        ``date`` and ``url``.
    """
    frame = frame[frame["quantity"] == "accelerator_hours"].reset_index(drop=True)
    table = Measurements.from_frame(frame)
    found = bounds(table)
    found = found.take(found.kind.equals("training run"))
    lines = []
    for row, rate, precision in zip(found.index.tolist(), found.achieved.tolist(), found.precision, strict=True):
        out = {e.chip: e.ceiling for e in exclusions(table.take(np.array([row])))}
        stated = frame.iloc[row]
        served = [(ceiling, c) for c, ceiling in out.items() if chips.table()[c].datacenter]
        lines.append(
            {"workload": stated["workload"], "chip": stated["chip"], "precision": precision, "rate": rate, "excluded": len(out),
             "fastest_excluded": max(served, default=(0.0, ""))[1]}
            | {f"excludes_{name.lower()}": set(chips.members(name)) <= set(out) for name in ASKED}
            | {"possible": not set(chips.members(str(stated["chip"]))) <= set(out), "estimate": bool(stated["estimate"]),
               "date": str(stated["date"]), "url": stated["url"]}
        )  # fmt: skip
    return pd.DataFrame(lines).sort_values(["date", "workload", "rate"], ascending=[False, True, True], ignore_index=True)


def markdown(runs: pd.DataFrame) -> str:
    """Return the runs as the table of docs/TRAINING_RUNS.md."""
    lines = [
        "| run | published chip | precision | TFLOP/s at least | chips excluded | fastest of them | H20 | A100 | H100 | fits its chip | figures |",
        "|---|---|---|--:|--:|---|---|---|---|---|---|",
    ]
    for run in runs.to_dict("records"):
        asked = " | ".join("excluded" if run[f"excludes_{name.lower()}"] else "possible" for name in ASKED)
        origin = f"[{'estimate' if run['estimate'] else 'published'}]({run['url']}), {run['date'][:7]}"
        lines.append(f"| {run['workload']} | {run['chip']} | {run['precision'] or 'not stated'} | {run['rate'] / 1e12:.0f} | {run['excluded']} | "
                     f"{run['fastest_excluded']} | {asked} | {'yes' if run['possible'] else '**no**'} | {origin} |")  # fmt: skip
    return "\n".join(lines)
