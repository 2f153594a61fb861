"""What a row that is held against chips tells of its work."""

from __future__ import annotations

import numpy as np
import pytest

from fingerprint import readers, workloads
from fingerprint.candidates import ROW_NAMES
from fingerprint.scorer import visible

HEAD = "tool,phase,workload,precision,weight_precision,accelerators,batch,input_tokens,quantity,unit,value\n"


def told(line: str) -> dict[str, float]:
    """Return the description of the one row of a table."""
    rows, _ = visible(readers.read_text(HEAD + line + "\n"))
    assert len(rows) == 1
    return dict(zip(ROW_NAMES, rows.describe[0].tolist(), strict=True))


@pytest.mark.parametrize(("precisions", "bits", "weights"), [("bf16,", 16, 16), ("fp16,int4", 16, 4), ("fp8,", 8, 8)])
def test_weights_are_as_wide_as_stated_else_as_the_arithmetic(precisions: str, bits: float, weights: float) -> None:
    row = told(f"engine,prefill,qwen2.5-14b,{precisions},1,8,1024,latency,s,1.5")
    assert (row["bits"], row["weight_bits"]) == (bits, weights)


def test_nothing_stated_is_nothing_known() -> None:
    row = told("engine,prefill,qwen2.5-14b,,,1,8,1024,latency,s,1.5")
    assert np.isnan(row["bits"])
    assert np.isnan(row["weight_bits"])


@pytest.mark.parametrize(("tool", "alone"), [("engine", 1.0), ("mlperf-inference", 1.0), ("serving", 0.0), ("kernel", np.nan)])
def test_an_engine_by_itself_is_told_from_one_behind_a_server(tool: str, alone: float) -> None:
    row = told(f"{tool},offline,llama-2-70b,fp8,,8,,100,throughput,samples/s,80")
    np.testing.assert_equal(row["alone"], alone)


@pytest.mark.parametrize("model", ["qwen2.5-14b", "qwen3-30b-a3b"])
def test_a_row_tells_how_sparse_its_model_is(model: str) -> None:
    facts = workloads.table()[model]
    row = told(f"engine,prefill,{model},bf16,,1,8,1024,latency,s,1.5")
    assert row["sparsity"] == pytest.approx(np.log10(facts.total_parameters / facts.active_parameters))
