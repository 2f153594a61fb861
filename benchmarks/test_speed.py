"""Benchmarks of the parts, for comparing one version with another: ``pytest benchmarks``. Nothing here asserts a time."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import made_up

from fingerprint import batch, classify, read
from fingerprint.candidates import candidates, pairs
from fingerprint.features import vectors
from fingerprint.measurements import Measurements
from fingerprint.resources import path
from fingerprint.roofline import exclusions
from fingerprint.scorer import shipped


@pytest.fixture(scope="module")
def table() -> Measurements:
    """A thousand profiles."""
    return made_up.table(1_000)


def test_vectors_of_a_thousand_profiles(benchmark: Any, table: Measurements) -> None:
    assert len(benchmark(vectors, table)) == 1_000


def test_exclusions_of_a_thousand_profiles(benchmark: Any, table: Measurements) -> None:
    assert benchmark(exclusions, table)


def test_scores_of_a_thousand_profiles(benchmark: Any, table: Measurements) -> None:
    assert len(benchmark(shipped().predict_proba, table)) == 1_000


def test_forward_model_on_a_hundred_figures_and_every_chip(benchmark: Any, table: Measurements) -> None:
    rows = shipped().look(table).rows.take(np.arange(100))
    chips = len(candidates().ids)
    design, _ = pairs(rows.take(np.repeat(np.arange(100), chips)), np.tile(np.arange(chips), 100))
    assert len(benchmark(shipped().forward.scores, design)) == 100 * chips


def test_verdict_lines_of_a_thousand_profiles(benchmark: Any) -> None:
    frame = pd.concat(made_up.blocks(1_000), ignore_index=True)
    assert len(benchmark(batch.verdict_frame, frame)) == 1_000


@pytest.mark.parametrize("file", ["h20-gemm-pytorch.csv", "mlperf-inference-b200.csv"])
def test_one_file_read_and_classified(benchmark: Any, file: str) -> None:
    assert benchmark(lambda: classify(read(path("datasets/examples") / file)))


@pytest.mark.parametrize("rows", [1_000, 60_000])
def test_one_large_profile(benchmark: Any, rows: int) -> None:
    assert benchmark.pedantic(classify, args=(made_up.gemms(rows),), rounds=3)
