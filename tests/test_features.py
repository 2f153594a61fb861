"""Vectors show what the figures show: not the order of rows, not names, and shapes that a uniform slow-down leaves alone."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint import ProfileVectorizer
from fingerprint.features import MEASURING, RATIOS, REFERENCES, REPORTED, feature_names, vectors
from fingerprint.measurements import Measurements, Words, concatenate, from_columns
from fingerprint.readers import read
from fingerprint.regimes import REGIMES

EXAMPLES = sorted(f for f in (Path(__file__).parent.parent / "datasets" / "examples").glob("*") if f.stem != "index")

KERNEL = {"tool": "kernel", "phase": "kernel"}
LARGE = {**KERNEL, "workload": "gemm", "m": 8192, "n": 8192, "k": 8192, "quantity": "latency", "unit": "ms"}
MODEL = {"workload": "llama-3.1-70b", "precision": "fp8", "accelerators": 4, "input_tokens": 1024, "output_tokens": 256}
ROWS = [
    {**LARGE, "precision": "bf16", "value": 2.1},
    {**LARGE, "precision": "bf16", "value": 1.9},
    {**LARGE, "precision": "fp8", "value": 1.1},
    {**LARGE, "precision": "fp32", "value": 25.0},
    {**LARGE, "precision": "bf16", "m": 16, "value": 0.06},
    {**LARGE, "precision": "bf16", "m": 1024, "n": 1024, "k": 1024, "value": 0.008},
    {**KERNEL, "workload": "attention-prefill", "precision": "bf16", "batch": 4, "heads": 32, "kv_heads": 8, "head_dim": 128,
     "input_tokens": 4096, "quantity": "latency", "unit": "ms", "value": 1.4},
    {**KERNEL, "workload": "attention-decode", "batch": 64, "heads": 32, "kv_heads": 8, "head_dim": 128,
     "context_tokens": 4096, "input_tokens": 1, "quantity": "latency", "unit": "us", "value": 400},
    {"tool": "stream", "workload": "stream-triad", "quantity": "bandwidth", "unit": "GB/s", "value": 3000},
    {"tool": "stream", "workload": "host-copy", "quantity": "bandwidth", "unit": "GB/s", "value": 52},
    {"tool": "collective", "workload": "all-reduce", "accelerators": 8, "message_bytes": 2**30, "quantity": "bus_bandwidth",
     "unit": "GB/s", "value": 360},
    {**MODEL, "tool": "serving", "phase": "serve", "concurrency": 64, "quantity": "output_throughput", "unit": "tok/s", "value": 5200},
    {**MODEL, "tool": "serving", "phase": "serve", "concurrency": 64, "quantity": "tpot", "unit": "ms", "value": 18},
    {**MODEL, "tool": "serving", "phase": "serve", "concurrency": 1, "quantity": "ttft", "unit": "ms", "value": 80},
    {**MODEL, "tool": "training", "phase": "train", "quantity": "total_throughput", "unit": "tok/s", "value": 4000},
    {"tool": "mlperf-inference", "phase": "offline", "workload": "resnet50", "precision": "int8", "accelerators": 8,
     "quantity": "throughput", "unit": "samples/s", "value": 300_000},
    {"tool": "telemetry", "phase": "load", "quantity": "power", "unit": "W", "accelerators": 1, "value": 640},
]  # fmt: skip
TIMES = {"latency", "ttft", "tpot", "step_time"}


def table_of(rows, **extra):
    """The table of some rows, as a reader would give it."""
    frame = pd.DataFrame(rows).assign(**extra)
    return from_columns({name: ["" if pd.isna(v) else v for v in frame[name]] for name in frame})


def vector(rows, **extra):
    return vectors(table_of(rows, **extra))[0]


def test_every_feature_has_one_name_and_every_vector_one_entry_for_it():
    names = feature_names()
    assert len(set(names)) == len(names)
    assert vectors(table_of(ROWS)).shape == (1, len(names))
    assert ProfileVectorizer().get_feature_names_out().tolist() == list(names)


def test_every_regime_is_reported_and_every_ratio_is_of_reported_channels():
    assert set(REPORTED) == set(REGIMES)
    for a, x, b, y in RATIOS:
        assert x in REPORTED[a]
        assert y in REPORTED[b]
        assert {x, y} <= set(MEASURING)


def test_what_a_profile_shows_is_found_in_its_vector():
    found = dict(zip(feature_names(), vector(ROWS), strict=True))
    flops = 2 * 8192**3
    assert found["gemm-16.flops.best"] == pytest.approx(np.log10(flops / 1.9e-3))
    assert found["gemm-16.flops.median"] == pytest.approx((np.log10(flops / 1.9e-3) + np.log10(flops / 2.1e-3)) / 2)
    assert found["ratio.gemm-8.flops/gemm-16.flops"] == pytest.approx(np.log10(1.9 / 1.1))
    assert found["memory.bytes.best"] == pytest.approx(np.log10(3e12))
    assert found["collective.link.best"] == pytest.approx(np.log10(360e9))
    assert found["power.raw.median"] == pytest.approx(np.log10(640))
    # An H100's memory moves 3.35 TB/s: the triad alone reaches nine tenths of it.
    assert found["utilisation.H100-SXM.best"] >= np.log10(0.89)


def test_utilisation_is_reported_for_every_reference_chip():
    found = dict(zip(feature_names(), vector(ROWS), strict=True))
    assert all(np.isfinite(found[f"utilisation.{chip}.best"]) for chip in REFERENCES)


def test_a_profile_without_a_usable_figure_is_all_missing():
    rows = [{"tool": "telemetry", "quantity": "utilization", "unit": "%", "value": 99}]
    assert np.isnan(vector(rows)).all()


def test_no_entry_is_infinite_even_for_figures_of_zero():
    assert not np.isinf(vector([{**row, "value": 0} for row in ROWS] + ROWS[:3])).any()


@given(st.permutations(range(len(ROWS))))
def test_the_order_of_rows_does_not_matter(order):
    np.testing.assert_array_equal(vector([ROWS[i] for i in order]), vector(ROWS))


@given(st.sets(st.integers(0, len(ROWS) - 1), min_size=1))
def test_a_profile_told_twice_is_the_same_profile(chosen):
    rows = [ROWS[i] for i in sorted(chosen)]
    np.testing.assert_array_equal(vector(rows + rows), vector(rows))


@given(st.lists(st.sets(st.integers(0, len(ROWS) - 1), min_size=1), min_size=1, max_size=4))
def test_profiles_do_not_see_each_other(parts):
    tables = [table_of([ROWS[i] for i in sorted(part)], profile=str(n)) for n, part in enumerate(parts)]
    np.testing.assert_array_equal(vectors(concatenate(tables)), np.vstack([vectors(t) for t in tables]))


@given(st.floats(0.3, 0.9))
def test_a_uniform_slow_down_leaves_every_ratio_alone(share):
    slower = [{**row, "value": row["value"] / share if row["quantity"] in TIMES else row["value"] * share} for row in ROWS]
    before, after = vector(ROWS), vector(slower)
    ratio = np.array([name.startswith("ratio.") for name in feature_names()])
    assert np.isfinite(before[ratio]).sum() >= 10
    np.testing.assert_allclose(after[ratio], before[ratio], atol=1e-9)
    # And it shows elsewhere: a slow-down lowers every rate by its own logarithm.
    best = feature_names().index("gemm-16.flops.best")
    assert after[best] - before[best] == pytest.approx(np.log10(share), abs=1e-9)


@given(st.text(min_size=1, max_size=20), st.sampled_from(["mean", "median", ""]))
def test_profile_names_and_file_names_do_not_matter(name, statistic):
    table = table_of(ROWS, profile=name)
    np.testing.assert_array_equal(vectors(table)[0], vector(ROWS))


IDENTITY = {
    "chip": ("H20-96GB", "B200-HGX"),
    "gpu": ("NVIDIA H20", "NVIDIA B200"),
    "device_name": ("NVIDIA H100 80GB HBM3", "AMD Instinct MI300X"),
    "architecture": ("h20", "blackwell"),
    "submitter": ("NVIDIA", "Acme"),
    "source": ("mlperf", "nowhere"),
    "host": ("node17", "gpu-b200-3"),
    "driver": ("550.54", "610.1"),
    "framework": ("vllm 0.6", "trt-llm 1.2"),
    "date": ("2024-01-01", "2026-01-01"),
    "power_limit": ("700", "1000"),
    "memory_total": ("141 GB", "192 GB"),
}


@pytest.mark.parametrize("which", [0, 1])
def test_identity_scrubbed_or_replaced_by_a_lie_gives_the_identical_vector(tmp_path, which):
    named = pd.DataFrame(ROWS).assign(profile="node17 8xH20", **{column: lies[which] for column, lies in IDENTITY.items()})
    named.to_csv(tmp_path / "H20-results.csv", index=False)
    pd.DataFrame(ROWS).to_csv(tmp_path / "scrubbed.csv", index=False)
    np.testing.assert_array_equal(vectors(read(tmp_path / "H20-results.csv")), vectors(read(tmp_path / "scrubbed.csv")))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda f: f.name)
def test_a_real_profile_under_another_name_gives_the_identical_vector(file):
    table = read(file)
    numbers = table.profile_numbers()
    renamed = Measurements({**table.words, "profile": Words(numbers, tuple(f"lie {i}" for i in range(len(table.profiles))))},
                           table.numbers, table.row)  # fmt: skip
    np.testing.assert_array_equal(vectors(renamed), vectors(table))
    assert not np.isnan(vectors(table)).all(axis=1).any()


def test_the_transformer_takes_tables_and_frames_alike():
    table = table_of(ROWS)
    transformer = ProfileVectorizer()
    np.testing.assert_array_equal(transformer.fit_transform(table.to_frame()), vectors(table))
    assert transformer.set_params(**transformer.get_params()) is transformer
    with pytest.raises(ValueError, match="no parameters"):
        transformer.set_params(depth=3)


def test_an_empty_table_gives_no_vector():
    assert vectors(table_of(ROWS).take(np.zeros(0, dtype=int))).shape == (0, len(feature_names()))


@pytest.mark.parametrize("tool", ["mlperf-inference", "engine"])
def test_a_rate_of_samples_says_the_same_in_batches_of_any_size(tool: str) -> None:
    """How many images somebody feeds at a time is a habit of theirs; the rate tells of the chip."""
    row = {"tool": tool, "phase": "offline", "workload": "resnet50", "precision": "int8", "accelerators": 1,
           "quantity": "throughput", "unit": "samples/s", "value": 30_000}  # fmt: skip
    np.testing.assert_array_equal(vector([{**row, "batch": 1}]), vector([{**row, "batch": 256}]))
