"""The NeMo Framework Launcher's training tables on DGX H100, through the history of one document.

A row was one cell: tokens a second per GPU (or of all GPUs, in one commit), or model TFLOP/s per GPU. A profile is one
version (commit) of the document. Rows of the same configuration with all but the same figures, which later versions carry
on or turn from a total into a figure per GPU, share `run`.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint.lab.ingest.labelled import Source, finish, slug
from fingerprint.lab.ingest.llm_facts import read_facts
from fingerprint.lab.ingest.training_tables import earlier_copies, training_rows

SOURCE = Source(
    name="nemo-launcher",
    folders=("llm/nemo_launcher",),
    profile_rule="one version of the document",
    origin="nvidia-nemo",
    licence="Apache-2.0",
    left_out="nothing; placeholders, a corrected figure and repeated figures are quarantined",
)

#: A version in which every cell holds 450 TFLOP/s, whatever the model and precision.
_PLACEHOLDERS = "76355f93"

#: 797 TFLOP/s beside 697 tokens/s; the same table gives 797 for 741 tokens/s, and the next version 750 here.
_UNCORRECTED = ("294959b7", "model_tflops_per_gpu")


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    facts = read_facts(raw / SOURCE.folders[0] / "facts.csv")
    frame = training_rows(facts)
    task = facts["notes"].str.extract(r"^(pre-train|fine-tune SFT|fine-tune LoRA)", expand=False)
    adapter = task == "fine-tune LoRA"
    frame["workload"] = frame["workload"].mask(adapter, facts["model"].map(slug) + "-adapter")
    frame["profile"] = facts["version"] + "/" + facts["label"].map(slug)
    total = frame["scope"] == "system"
    per_gpu = frame["value"].where(~total, frame["value"] / frame["accelerators"])
    key = [
        task,
        facts["model"],
        facts["precision"],
        frame["quantity"],
        facts["load"].astype(str),
        facts["accelerators"].astype(str),
    ]
    setting = pd.concat(key, axis=1).agg("|".join, axis=1)
    # Three digits: 118,096 tokens/s on 8 GPUs are the next version's 14,761 per GPU.
    digits = per_gpu.map(lambda v: f"{v:.2e}")
    frame["run"] = "nemo-launcher/" + pd.Series(pd.factorize(setting + "|" + digits)[0], index=facts.index).astype(str)
    why = pd.Series("", index=facts.index)
    why = why.mask(earlier_copies(frame.assign(setting=setting), ["setting"]), "copy of another version's figure")
    corrected = (facts["version"] == _UNCORRECTED[0]) & (facts["metric"] == _UNCORRECTED[1])
    why = why.mask(corrected, "does not fit its own token rate; corrected in the next version")
    frame["quarantine"] = why.mask(facts["version"] == _PLACEHOLDERS, "placeholder: one figure in every cell")
    return finish(frame, SOURCE)
