"""Training and evaluation run on whatever joblib is told to use: threads, processes or a Dask cluster give the same fits."""

from __future__ import annotations

from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest

from fingerprint import load_dataset
from fingerprint.lab import experts
from fingerprint.lab.profiles import Corpus, training


@pytest.fixture(scope="module")
def material() -> experts.Material:
    """Figures of two small sources."""
    frame = load_dataset()
    corpus = Corpus.of(frame[frame["source"].isin(["hipkittens", "nemo-perf"])])
    return experts.Material.of(corpus, training(corpus))


def crossed(material: experts.Material) -> dict[str, Any]:
    """Forward models of two folds and what they expect of the rows that they did not see."""
    fold = np.arange(len(material.rows)) % 2
    found = experts.cross(material, fold)
    return {"off": found.seen.found.off, "scale": found.seen.found.scale, "folds": list(found.forward)}


@pytest.fixture(scope="module")
def usual(material: experts.Material) -> dict[str, Any]:
    """One after the other."""
    with joblib.parallel_config(n_jobs=1):
        return crossed(material)


def same(one: dict[str, Any], two: dict[str, Any]) -> None:
    assert one["folds"] == two["folds"]
    for name in ("off", "scale"):
        np.testing.assert_array_equal(one[name], two[name])
    assert pd.notna(one["off"]).any()


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_threads_and_processes_fit_the_same(material: experts.Material, usual: dict[str, Any], backend: str) -> None:
    with joblib.parallel_config(backend=backend, n_jobs=2):
        same(crossed(material), usual)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_dask_cluster_fits_the_same(material: experts.Material, usual: dict[str, Any]) -> None:
    """Workers in processes of their own, over TCP. The warnings that are let pass are Dask's and tornado's own."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, protocol="tcp://", dashboard_address=None) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        same(crossed(material), usual)
