"""MLPerf Training v1.0-v5.1: the throughput, step time and time to target of each submitted system.

A row of the source is one benchmark of one submitted system, summarised over its runs. A profile is one system (its
scale included) of one submitter in one round.

What a reader of the raw table must know, and what is done about it here:

* tracked throughput is samples a second of the whole system, but for RetinaNet most logs up to v5.0 give it per
  accelerator and others do not: the epochs and the time of the run tell which (their ratio is the accelerator count);
* gpt3's is in tokens a second (throughput times time is 1.2e9, the tokens to convergence), minigo's is no rate of
  samples;
* ``ssd`` is SSD300 in v1.x and RetinaNet from v2.0 on; ``gnn`` is R-GAT;
* submitters file the same runs again in later rounds and for other systems: the first is kept, copies share its
  ``run``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from fingerprint.lab.ingest.labelled import Source, finish

SOURCE = Source(
    name="mlperf-training",
    folders=("mlperf",),
    profile_rule="one system, of one scale, of one submitter in one round",
    origin="mlperf-training",
    licence="Apache-2.0",
    left_out="node power (the whole system's, not the accelerators'), minigo's throughput (no rate of samples), single "
    "runs behind the medians, and rounds after v5.1",
)

TABLE = "mlperf/training_v1.0-v5.1_derived.csv.gz"

#: Month in which a round was published.
PUBLISHED = {"v1.0": "2021-06", "v1.1": "2021-12", "v2.0": "2022-06", "v2.1": "2022-11", "v3.0": "2023-06",
             "v3.1": "2023-11", "v4.0": "2024-06", "v4.1": "2024-11", "v5.0": "2025-06", "v5.1": "2025-11"}  # fmt: skip

#: Tokens of a sequence, which the benchmark's rules fix.
SEQUENCE_TOKENS = {
    "bert": 512.0,
    "gpt3": 2048.0,
    "llama2_70b_lora": 8192.0,
    "llama31_8b": 8192.0,
    "llama31_405b": 8192.0,
}

#: Images of RetinaNet's training set (the OpenImages subset of MLPerf).
_RETINANET_IMAGES = 1170301.0

#: Throughput times time, against its usual value for the benchmark and round. Large systems reach 4.6: their time
#: includes starting and evaluating. One, at 17.9, states three times what any other A100 does.
_LARGEST_WORK = 6.0


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled table of all training results.

    Parameters
    ----------
    raw : Path
        Directory of the gathered public figures.

    Returns
    -------
    DataFrame
        Up to three rows a result: throughput (median over the runs), step time (likewise) and time to the target
        quality (the official score). ``batch`` is the global batch in samples or sequences.
    """
    table = _prepared(pd.read_csv(raw / TABLE, low_memory=False))
    frame = pd.concat([_throughput(table), _steps(table), _times(table)])
    return finish(frame.sort_values(["_order", "_part"], kind="stable"), SOURCE)


def _prepared(table: pd.DataFrame) -> pd.DataFrame:
    out = table.copy()
    out["accelerator_model_name"] = out["accelerator_model_name"].fillna("")
    out["number"] = out["round"].str[1:].astype(float)
    out["result_subdir"] = out["result_subdir"].fillna("")
    out["group"] = out[["round", "submitter", "system_dir", "division"]].agg("/".join, axis=1)
    out["count"] = out["total_accelerators"].where(out["total_accelerators"] > 0).astype(float)
    out["workload"] = out["benchmark"].mask((out["benchmark"] == "ssd") & (out["number"] >= 2.0), "retinanet")
    out = out.sort_values(["number", "submitter", "system_dir", "division", "benchmark", "result_subdir"])
    out = out.reset_index(drop=True)
    out["_order"] = out.index
    out["run"], out["quarantine"] = _runs(out)
    out["quarantine"] = out["quarantine"].mask(
        out["accelerator_family"] == "none/CPU", "no accelerator: run on the processor"
    )
    return out


def _runs(t: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return each row's run and, for results filed again, the reason to leave the later one out.

    A result is filed again when the benchmark, the chip, the count and every digit of the time agree.
    """
    order = pd.Series(np.arange(len(t)), index=t.index)
    minutes = t["minutes_to_train_unscaled"].map(lambda v: f"{v:.9g}")
    keys = [t["workload"], t["accelerator_family"], t["count"].fillna(0), t["global_batch_size"].fillna(0), minutes]
    original = order.groupby(keys).transform("first").where(t["minutes_to_train_unscaled"].notna(), order).astype(int)
    run = t["group"] + "/" + t["workload"] + t["result_subdir"].map(lambda s: f"/{s}" if s else "")
    filed = run.iloc[original].set_axis(t.index)
    return filed, ("copy of " + filed).where(original != order, "")


def _common(t: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "profile": t["group"],
            "tool": "mlperf-training",
            "workload": t["workload"],
            "phase": "train",
            "scope": "system",
            "accelerators": t["count"],
            "batch": t["global_batch_size"],
            "input_tokens": t["benchmark"].map(SEQUENCE_TOKENS),
            "label": _labels(t),
            "run": t["run"],
            "url": "https://github.com/mlcommons/training_results_" + t["round"],
            "date": t["round"].map(PUBLISHED),
            "submitter": t["submitter"],
            "quarantine": t["quarantine"],
            "_order": t["_order"],
        }
    )


def _labels(t: pd.DataFrame) -> pd.Series:
    """Return what the source calls the chip, with the generation where the system's name or the round tells it."""
    generation = t["system_dir"].str.extract(r"^tpu-(v\d+[a-z]?)-", expand=False)
    label = t["accelerator_model_name"]
    label = label.mask((label == "TPU") & generation.notna(), "TPU " + generation)
    # Habana's first is named without a number; its second came in the round v2.0, as "Gaudi2".
    return label.mask((label == "Habana Gaudi") & (t["number"] <= 2.0), "Habana Gaudi HL-205")


def _throughput(t: pd.DataFrame) -> pd.DataFrame:
    """Return the throughput that the submitters' own timers tracked."""
    rows = t[(t["tracked_throughput_median"] > 0) & (t["benchmark"] != "minigo")]
    tokens = rows["benchmark"] == "gpt3"
    quarantine = rows["quarantine"]
    work = rows["tracked_throughput_median"] * rows["minutes_to_train_unscaled"]
    usual = work.groupby([rows["workload"], rows["round"]]).transform("median")
    excess = (work > _LARGEST_WORK * usual) & (rows["workload"] != "retinanet")
    quarantine = quarantine.mask(excess & (quarantine == ""), "more than the run's time allows for its samples")
    return _common(rows).assign(
        quantity=np.where(tokens, "total_throughput", "throughput"),
        unit=np.where(tokens, "token/s", "sample/s"),
        value=rows["tracked_throughput_median"],
        scope=_scope(rows),
        statistic="median",
        quarantine=quarantine,
        _part=0,
    )


def _scope(rows: pd.DataFrame) -> pd.Series:
    """Return whether the throughput is the system's or, as in many RetinaNet logs, one accelerator's."""
    seconds = rows["minutes_to_train_unscaled"] * 60.0
    whole = rows["mean_epoch_at_stop"] * _RETINANET_IMAGES / seconds / rows["tracked_throughput_median"]
    # Nearer to the count than to one, in ratio.
    single = whole > np.sqrt(rows["count"])
    return pd.Series("system", index=rows.index).mask((rows["workload"] == "retinanet") & single, "accelerator")


def _steps(t: pd.DataFrame) -> pd.DataFrame:
    """Return the time of one training step."""
    rows = t[t["tracked_train_step_time_median"] > 0]
    value = rows["tracked_train_step_time_median"]
    return _common(rows).assign(quantity="step_time", unit="s", value=value, statistic="median", _part=1)


def _times(t: pd.DataFrame) -> pd.DataFrame:
    """Return the official scores: minutes to the target quality."""
    rows = t[t["minutes_to_train"] > 0]
    return _common(rows).assign(quantity="time_to_train", unit="min", value=rows["minutes_to_train"], _part=2)
