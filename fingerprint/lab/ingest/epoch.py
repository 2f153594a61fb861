"""Training runs of Epoch AI's model tables (CC BY 4.0): accelerator hours and training compute by chip.

A row of theirs was one model, with the hardware, its count and hours, and the compute where they could work it out. Rows
here: the hours (count times hours, or their own chip-hours) and the compute. Both are compilations, the compute often worked
out from the hours at an assumed utilisation, so every row is an estimate: shown, never trained or tested on. A profile is one
model; the tables overlap, the newest that holds a model counts.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint.lab.ingest.labelled import Source, finish, slug

SOURCE = Source(
    name="epoch",
    folders=("facts/epoch",),
    profile_rule="one model of Epoch AI's tables: one training run on one kind of hardware",
    origin="epoch",
    licence="CC-BY-4.0",
    left_out="ml_hardware*.csv (data-sheet figures, no measurements), gpu_clusters (capacities), models without hardware, "
    "utilisation figures (they encode the data sheet's peak)",
)

#: Newest first: notable models, then the large-scale and frontier extracts, then the older table of all models.
_TABLES = (
    ("notable_ai_models.2025-12.csv", "https://github.com/agiallombardo/epoch-ai-dataset"),
    ("large_scale_ai_models.2025-12.csv", "https://github.com/agiallombardo/epoch-ai-dataset"),
    ("frontier_ai_models.2025-12.csv", "https://github.com/agiallombardo/epoch-ai-dataset"),
    ("all_ai_models.2025-04.csv", "https://github.com/simsharmaa/INFSCI1520"),
)

_COLUMNS = {
    "Model": "model", "Domain": "domain", "Publication date": "date", "Parameters": "total_parameters",
    "Training compute (FLOP)": "compute", "Training time (hours)": "hours", "Hardware quantity": "accelerators",
    "Training hardware": "label", "Training chip-hours": "chip_hours", "Numerical format": "precision", "Base model": "base",
    "Training dataset size (gradients)": "examples", "Training dataset size (datapoints)": "examples",
    "Epochs": "epochs",
}  # fmt: skip


def _read(path: Path, url: str) -> pd.DataFrame:
    table = pd.read_csv(path, dtype=str, keep_default_na=False, usecols=lambda name: name in _COLUMNS)
    return table.rename(columns=_COLUMNS).assign(url=url)


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled table of the training runs."""
    parts = [_read(raw / "facts" / "epoch" / name, url) for name, url in _TABLES]
    models = pd.concat(parts, ignore_index=True).fillna("")
    models = models[(models["label"] != "") & (models["model"] != "")].copy()
    for name in ("total_parameters", "compute", "hours", "accelerators", "chip_hours", "examples", "epochs"):
        models[name] = pd.to_numeric(models[name], errors="coerce")
    models["chip_hours"] = models["chip_hours"].fillna(models["hours"] * models["accelerators"])
    # An older table may hold the hours that a newer one lacks.
    known = models["chip_hours"].notna().astype(int) + models["compute"].notna().astype(int)
    models = models[known > 0].assign(known=-known[known > 0], order=range(int((known > 0).sum())))
    models = models.sort_values(["known", "order"], kind="stable").drop_duplicates("model").sort_values("order")

    # Tokens of a language model are its examples, over all epochs; other domains count images or hours.
    language = models["domain"].str.contains("Language") & (models["base"] == "")
    models["tokens"] = (models["examples"] * models["epochs"].fillna(1.0)).where(language)
    models["profile"] = models["model"].map(slug) + "/" + models["label"].map(slug)
    models["precision"] = models["precision"].where(~models["precision"].str.contains(","), "")
    hours = models.assign(quantity="accelerator_hours", unit="GPU hours", value=models["chip_hours"])
    compute = models.assign(quantity="compute", unit="FLOP", value=models["compute"])
    frame = pd.concat([hours, compute], ignore_index=True).sort_values(["order", "quantity"], kind="stable")
    frame = frame[frame["value"].notna()].reset_index(drop=True)
    frame = frame.assign(tool="training-run", phase="train", scope="system", estimate=1, workload=frame["model"])
    frame = frame.drop(
        columns=["model", "domain", "compute", "hours", "chip_hours", "examples", "epochs", "base", "known", "order"]
    )
    return finish(frame, SOURCE)
