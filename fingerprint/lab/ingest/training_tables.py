"""What the published tables of language-model training throughput have in common."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fingerprint import workloads

#: Quantity, unit and scope of the tables' metrics. MFU and HFU have none: they encode the data sheet's peak.
METRICS: dict[str, tuple[str, str, str]] = {
    "tokens_per_sec_per_gpu": ("total_throughput", "token/s", "accelerator"),
    "tokens_per_sec_total": ("total_throughput", "token/s", "system"),
    "model_tflops_per_gpu": ("compute_rate", "TFLOP/s", "accelerator"),
    "step_time": ("step_time", "s", "system"),
}

#: Beyond this length the attention term of a published model FLOP rate is too large to pass over.
LONGEST_UNCORRECTED = 8192


def training_rows(facts: pd.DataFrame) -> pd.DataFrame:
    """Return the figures of :data:`METRICS` as rows of the measurement table.

    Parameters
    ----------
    facts : DataFrame
        As :func:`fingerprint.lab.ingest.llm_facts.read_facts` gives it; ``load`` is the global batch in sequences.

    Returns
    -------
    DataFrame
        Index kept, so that callers can add columns from the same facts; utilisation figures are gone. ``workload`` is the
        source's model name. Model FLOP rates at long sequences are those of causal attention, see :func:`causal_share`.
    """
    kept = facts[facts["metric"].isin(list(METRICS))]
    out = kept[["label", "accelerators", "input_tokens", "value", "precision", "url", "notes"]].copy()
    out["workload"] = kept["model"]
    for position, name in enumerate(("quantity", "unit", "scope")):
        out[name] = kept["metric"].map({metric: words[position] for metric, words in METRICS.items()})
    out["batch"] = kept["load"]
    out["tool"], out["phase"] = "training", "train"
    rate = (out["quantity"] == "compute_rate") & (out["input_tokens"] > LONGEST_UNCORRECTED)
    share = causal_share(out["workload"], out["input_tokens"])
    out["value"] = out["value"].where(~rate, out["value"] * share)
    return out


def causal_share(models: pd.Series, length: pd.Series) -> pd.Series:
    """Return the part of a published model FLOP count that causal attention needs; NaN for models of unknown shape.

    The publishers count 6 N + 12 L h s a token (N parameters, L layers, h attention width, s sequence length: every token
    attends to all others, as in Narayanan et al. 2021, arXiv:2104.04473). Fused causal kernels skip the masked half, so the
    chip does 6 N + 6 L h s. At a million tokens the published rate is all but twice the arithmetic.
    """
    table = workloads.table()
    shapes = {name: table.get(workloads.resolve(name) or "") for name in models.unique()}
    dense = models.map({n: np.nan if w is None else 6.0 * w.active_parameters for n, w in shapes.items()})
    per_length = models.map(
        {n: np.nan if w is None else 6.0 * w.layers * w.heads * w.head_dim for n, w in shapes.items()}
    )
    attention = per_length * length
    return (dense + attention) / (dense + 2.0 * attention)


def earlier_copies(rows: pd.DataFrame, setting: list[str]) -> pd.Series:
    """Return where the same figure of the same setting already stood in an earlier row."""
    return rows.duplicated([*setting, "quantity", "scope", "value"], keep="first")
