"""MosaicML llm-foundry's MPT training tables: 125 M to 70 B parameters, 512 to 65,536 tokens, on A100 and H100.

A row was one cell: tokens a second per GPU or model TFLOP/s per GPU. A profile is one of the document's tables (chip, memory
size, precision, interconnect). The form factor is not stated. The two figures of a run share `run`. FLOP rates beyond 8,192
tokens hold the causal half of attention.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint.lab.ingest.labelled import Source, finish, slug
from fingerprint.lab.ingest.llm_facts import read_facts
from fingerprint.lab.ingest.training_tables import training_rows

SOURCE = Source(
    name="llm-foundry",
    folders=("llm/llm_foundry",),
    profile_rule="one table of the document: a chip, a memory size, a precision, an interconnect",
    origin="mosaicml/llm-foundry",
    licence="Apache-2.0",
    left_out="MFU and HFU, which encode the data sheet's peak",
)


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    facts = read_facts(raw / SOURCE.folders[0] / "facts.csv")
    frame = training_rows(facts)
    section = facts["notes"].str.split(";").str[0]
    frame["profile"] = section.map(slug) + "/" + facts["label"]
    names = [
        facts[c].astype(str) for c in ("label", "model", "precision", "accelerators", "input_tokens", "load", "notes")
    ]
    run = pd.concat(names, axis=1).agg("|".join, axis=1)
    frame["run"] = "llm-foundry/" + pd.Series(pd.factorize(run)[0], index=facts.index).astype(str)
    return finish(frame, SOURCE)
