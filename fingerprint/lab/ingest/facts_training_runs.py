"""Training figures of papers, model cards, issues and pull requests: ``facts/training_runs.csv``.

A row was one published rate of a training job, one step's time, or the accelerator hours of a whole run with its parameters
and tokens. A profile is one page and one chip; a run whose clock was lowered on purpose is a profile of its own.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from fingerprint.lab.ingest import facts as tables
from fingerprint.lab.ingest.labelled import Source, finish, numbers

SOURCE = Source(
    name="facts-training-runs",
    folders=("facts/training_runs.csv",),
    profile_rule=tables.PROFILE_RULE + "; apart where the page lowered the clock",
    licence="single figures; each page's own",
    left_out="shares of a data-sheet peak (MFU) give no row; parts of a reinforcement-learning step, sums over several models "
    "and copies of epoch and megatron-bridge are quarantined",
)

#: Metric (lower case) -> quantity and unit.
_METRICS: tuple[tuple[str, str, str], ...] = (
    (r"training compute", "compute", "FLOP"),
    (r"training gpu hours", "accelerator_hours", "GPU hours"),
    (
        r"model throughput per gpu|model tflop/s per gpu|training tflops per gpu|throughput per gpu",
        "compute_rate",
        "TFLOP/s",
    ),
    (r"training throughput(?: per gpu)?|median training throughput", "total_throughput", "token/s"),
    (r"(?:rl |mean |steady )?step time", "step_time", "s"),
    (r"(?:update_actor|old_log_prob|rollout generation) time", "latency", "s"),
)


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled table of the training facts."""
    facts = tables.read(raw, "training_runs")
    metric = facts["metric"].str.lower()
    facts = facts[~metric.str.contains("mfu")].reset_index(drop=True)
    metric = facts["metric"].str.lower()
    frame = facts[["label", "profile", "origin", "url", "date", "accelerators", "quarantine", "estimate"]].copy()
    frame["workload"] = facts["workload"].str.replace(
        r",? (?:full training|pre-training|per trillion tokens|(?:full|partial) CUDA graph|paged stash|long-context SFT.*"
        r"|LoRA SFT.*|TP\d.*|GRPO.*|DAPO.*|training step.*)$",
        "",
        regex=True,
    )
    frame = frame.join(tables.precisions(facts["precision"], facts["label"]))
    frame["tool"] = np.where(facts["phase"].eq("training run"), "training-run", "training")
    frame["phase"] = "train"
    frame["quantity"], frame["unit"] = "", ""
    for pattern, quantity, unit in reversed(_METRICS):
        here = metric.str.fullmatch(pattern)
        frame.loc[here, ["quantity", "unit"]] = [quantity, unit]
    frame["statistic"] = metric.str.extract(r"^(mean|median)")[0].fillna("")
    each = metric.str.contains("per gpu")
    frame["scope"] = np.where(each, "accelerator", "system")
    frame["value"] = facts["number"]
    frame["total_parameters"], frame["active_parameters"] = (
        numbers(facts["params_total"]),
        numbers(facts["params_active"]),
    )
    frame["tokens"] = numbers(facts["tokens"])
    # A dense model uses all its parameters; a mixture states its active ones beside.
    frame["active_parameters"] = frame["active_parameters"].fillna(
        frame["total_parameters"].where(facts["workload"].str.startswith("Llama 3.1"))
    )
    frame["input_tokens"] = facts["input"].where(frame["tool"] == "training")
    # "1" beside a rate per accelerator is the sequences on each of them, not the global batch.
    frame["batch"] = facts["at_once"].where(facts["phase"].str.startswith("training:"))
    frame.loc[facts["problem_size"].str.contains("990 MHz"), "profile"] += "/990-mhz"
    frame = pd.concat([frame, _rates_beside(frame, facts)], ignore_index=True)

    def blame(mask: pd.Series, why: str) -> None:
        frame.loc[mask & (frame["quarantine"] == ""), "quarantine"] = why

    blame(frame["quantity"].eq("latency"), "a part of a reinforcement-learning step: its tokens are not stated")
    blame(frame["quantity"].eq(""), "a count of steps, not a figure of the table")
    blame(frame["workload"].str.contains("family total"), "several models together")
    blame(
        frame["workload"].str.startswith("MoE model"),
        "not said whether of one accelerator or of all, nor of which model",
    )
    tables.mark_repeats(frame)
    return finish(frame, SOURCE)


def _rates_beside(frame: pd.DataFrame, facts: pd.DataFrame) -> pd.DataFrame:
    """Return the arithmetic rates that a page prints beside its token rates, as rows of their own."""
    rate = numbers(facts["tflops_per_gpu_reported"])
    beside = rate.notna() & frame["quantity"].eq("total_throughput")
    return frame[beside].assign(quantity="compute_rate", unit="TFLOP/s", scope="accelerator", value=rate[beside])
