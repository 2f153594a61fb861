"""What a row is worth is what the answer loses without it, worked out with the shipped model itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fingerprint import read
from fingerprint.evidence import MOST_LINES
from fingerprint.measurements import Measurements, Words, from_columns
from fingerprint.resources import path
from fingerprint.sampling import MOST_SCORED
from fingerprint.verdict import classify

EXAMPLES = path("datasets/examples")


def log_odds(table: Measurements, answer: str) -> float:
    """The answer's log2 odds from these rows alone."""
    p = classify(table)[0].probabilities[answer]
    return float(np.log2(p) - np.log2(1.0 - p))


def without(table: Measurements, row: int) -> Measurements:
    return table.take(table.row != row)


@pytest.mark.parametrize("file", ["h20-gemm-pytorch.csv", "h100-sxm-serving-power.csv", "gh200-tensorrt-llm.csv", "mlperf-inference-h100.csv"])
def test_a_weight_is_what_the_answer_loses_without_the_row(file: str) -> None:
    """Leaving the row out of the file by hand gives the same number of bits."""
    table = read(EXAMPLES / file)
    table = table.take(np.arange(len(table)) < 60)
    verdict = classify(table)[0]
    for evidence in verdict.evidence[:3]:
        lost = log_odds(table, str(verdict.architecture)) - log_odds(without(table, evidence.row), str(verdict.architecture))
        assert evidence.weight == pytest.approx(lost, abs=1e-9)


def test_a_row_that_tells_what_another_means_is_weighed_with_that() -> None:
    """A rate and a latency together tell the requests in flight: without one, the other says something else."""
    table = from_columns({"profile": ["p"] * 4, "tool": ["serving"] * 4, "workload": ["llama-3.1-8b"] * 4, "phase": ["serve"] * 4,
                          "precision": ["bf16"] * 4, "accelerators": [1.0] * 4, "input_tokens": [512.0, 512, 2048, 2048],
                          "output_tokens": [128.0] * 4, "quantity": ["output_throughput", "tpot"] * 2, "unit": ["token/s", "ms"] * 2,
                          "value": [9000.0, 12.0, 4000.0, 16.0]})  # fmt: skip
    verdict = classify(table)[0]
    if verdict.architecture is None:
        pytest.skip("the model says nothing of these figures")
    assert verdict.evidence
    for evidence in verdict.evidence:
        lost = log_odds(table, verdict.architecture) - log_odds(without(table, evidence.row), verdict.architecture)
        assert evidence.weight == pytest.approx(lost, abs=1e-9)


def test_profiles_weighed_together_have_the_evidence_they_have_alone() -> None:
    """Company changes no line."""
    tables = [read(EXAMPLES / file) for file in ("h20-gemm-pytorch.csv", "a100-sxm-80gb-memory.csv", "mi300x-vllm.csv")]
    tables = [t.take(np.arange(len(t)) < 40) for t in tables]
    names = Words(np.repeat(np.arange(3), [len(t) for t in tables]).astype(np.int32), ("a", "b", "c"))
    columns = set().union(*(t.words for t in tables)), set().union(*(t.numbers for t in tables))
    joined = Measurements({n: Words.of(w for t in tables for w in t.word(n)) for n in columns[0]} | {"profile": names},
                          {n: np.concatenate([t.number(n) for t in tables]) for n in columns[1]},
                          np.concatenate([t.row for t in tables]))  # fmt: skip
    for together, table in zip(classify(joined), tables, strict=True):
        alone = classify(replace(table, words={**table.words, "profile": Words.constant("x", len(table))}))[0]
        assert together.evidence == alone.evidence


def test_a_very_large_profile_says_what_it_rests_on_and_still_names_its_evidence() -> None:
    """Probabilities rest on a part, evenly many of each kind of work; the exclusions on every row."""
    rng = np.random.default_rng(0)
    n = 6 * MOST_SCORED
    m, k = 2.0 ** rng.integers(8, 14, n), 2.0 ** rng.integers(9, 14, n)
    rate = 1.2e14 * rng.uniform(0.5, 1.0, n)
    precision = rng.choice(["bf16", "fp8"], n).tolist()
    # One figure in twelve thousand that no H20 could reach.
    lone = n // 3
    rate[lone], precision[lone], m[lone], k[lone] = 9e14, "bf16", 8192.0, 8192.0
    table = from_columns({"profile": ["big"] * n, "tool": ["kernel"] * n, "workload": ["gemm"] * n, "phase": ["kernel"] * n,
                          "precision": precision, "quantity": ["compute_rate"] * n, "unit": ["FLOP/s"] * n, "m": m, "n": k, "k": k,
                          "value": rate})  # fmt: skip
    verdict = classify(table)[0]
    assert verdict.rows_used == n
    assert any(f"of {n:,} figures" in said for said in verdict.caveats)
    assert {e.row for e in verdict.excluded if e.chip == "H20-96GB"} == {lone + 1}
    assert verdict.probabilities["h20"] == 0.0
    assert 0 < len(verdict.evidence) <= MOST_LINES
    shuffled = classify(table.take(rng.permutation(n)))[0]
    assert shuffled.to_dict() == verdict.to_dict()
