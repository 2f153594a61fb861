"""MLPerf Inference and Training: figures checked by hand, and the traps of the raw tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fingerprint import chips
from fingerprint.lab.ingest import mlperf_inference, mlperf_training


@pytest.fixture(scope="module")
def inference(raw_dir: Path) -> pd.DataFrame:
    """All inference rows."""
    return mlperf_inference.ingest(raw_dir)


@pytest.fixture(scope="module")
def training(raw_dir: Path) -> pd.DataFrame:
    """All training rows."""
    return mlperf_training.ingest(raw_dir)


def _one(table: pd.DataFrame, **wanted: object) -> pd.Series:
    kept = table[table["quarantine"] == ""]
    for name, value in wanted.items():
        kept = kept[kept[name] == value]
    assert len(kept) == 1, f"{len(kept)} rows for {wanted}"
    return kept.iloc[0]


B200 = "mlperf-inference/v4.1/NVIDIA/B200-SXM-180GBx1_TRT/closed"
H100 = "mlperf-inference/v4.1/NVIDIA/DGX-H100_H100-SXM-80GBx8_TRT/closed"
MI355X = "mlperf-inference/v6.0/AMD/87xMI355X_22xEPYC_9575F/closed"


@pytest.mark.parametrize(
    "profile, workload, phase, quantity, value, accelerators, chip",
    [
        (B200, "llama-2-70b", "offline", "output_throughput", 11264.4, 1, "B200"),
        (B200, "llama-2-70b", "serve", "output_throughput", 10755.59, 1, "B200"),
        (B200, "llama-2-70b", "serve", "ttft", 0.208804128, 1, "B200"),
        (B200, "llama-2-70b", "serve", "tpot", 0.131536562, 1, "B200"),
        (H100, "llama-2-70b", "offline", "output_throughput", 24524.9, 8, "H100-SXM"),
        (MI355X, "llama-2-70b", "interactive", "output_throughput", 785521.65, 87, "MI355X"),
        (
            "mlperf-inference/v6.0/Cisco/C880A_M8_B300_288GBx8_TRT/closed",
            "wan-2.2-a14b", "latency", "latency", 21.425919695, 8, "B300-HGX",
        ),
        (
            "mlperf-inference/v1.0/Alibaba/A10x1_TRT/closed",
            "resnet50", "latency", "latency", 427415e-9, 1, "A10",
        ),
        # Upstream calls it samples; the log says 660.7 samples and 41927.4 tokens a second.
        (
            "mlperf-inference/v5.1/Broadcom_Supermicro/vSYS-422GA-NBRT-B200-SXM-180GBx8_TRT/closed",
            "whisper-large-v3", "offline", "output_throughput", 41927.4, 8, "B200",
        ),
    ],
)  # fmt: skip
def test_inference_figures_are_those_of_the_source(
    inference: pd.DataFrame,
    profile: str,
    workload: str,
    phase: str,
    quantity: str,
    value: float,
    accelerators: int,
    chip: str,
) -> None:
    """Figures typed from the raw table and logs come out in canonical units on the right chip."""
    row = _one(inference, profile=profile, workload=workload, phase=phase, quantity=quantity)
    assert row["value"] == pytest.approx(value, rel=1e-4)
    assert (row["accelerators"], row["chip"]) == (accelerators, chip)


def test_output_lengths_come_from_the_logs(inference: pd.DataFrame) -> None:
    """Tokens over samples of the run's own log: 24524.9 / 84.4792 for the H100."""
    row = _one(inference, profile=H100, workload="llama-2-70b", phase="offline")
    assert row["output_tokens"] == pytest.approx(24524.9 / 84.4792, rel=1e-3)


def test_a_tier_filed_twice_counts_once(inference: pd.DataFrame) -> None:
    """The -99.9 copy of the B200's run is quarantined and shares the run of the one that counts."""
    rows = inference[(inference["profile"] == B200) & (inference["phase"] == "offline")]
    assert sorted(rows["quarantine"]) == ["", "same run as llama2-70b-99"]
    assert rows["run"].nunique() == 1


def test_a_starting_type_is_not_the_arithmetic(inference: pd.DataFrame) -> None:
    """The B200 rows of v4.1 state fp16 weights and exceed that peak: the precision stays open."""
    assert set(inference.loc[inference["profile"] == B200, "precision"]) == {""}
    four_bit = inference[(inference["precision"] == "fp4") & (inference["chip"] != "")]
    assert all(any("fp4" in chips.table()[m].peaks for m in chips.members(c)) for c in four_bit["chip"].unique())


def test_the_two_3d_unets_are_two_workloads(inference: pd.DataFrame) -> None:
    """BraTS in v1.x, KiTS19 later."""
    old = inference[inference["date"] < "2022"]
    assert "3d-unet" not in set(old["workload"])
    assert "3d-unet-brats" in set(old["workload"])
    assert "3d-unet-brats" not in set(inference.loc[inference["date"] >= "2022", "workload"])


def test_parts_and_mixtures_of_chips_do_not_count(inference: pd.DataFrame) -> None:
    """MIG slices, vGPU profiles, mixed systems and processors are quarantined; names say nothing of the kind after."""
    reasons = inference["quarantine"].value_counts()
    assert reasons["a slice of a chip (MIG)"] == 394
    assert reasons["a virtual GPU profile"] == 26
    assert reasons["several kinds of accelerator together"] == 28
    kept = inference[inference["quarantine"] == ""]
    assert not kept["profile"].str.contains(r"\dg\.\d+gb|MIG", regex=True).any()
    assert not kept["profile"].str.contains(r"/[0-9a-f]{12}-", regex=True).any()


def test_no_changed_model_of_the_open_division_counts(inference: pd.DataFrame) -> None:
    """No open throughput stands far above the closed ones of its chip."""
    rates = inference[
        inference["unit"].str.endswith("/s") & (inference["chip"] != "") & (inference["quarantine"] == "")
    ]
    each = rates["value"] / rates["accelerators"]
    closed = rates["profile"].str.endswith("/closed")
    keys = [rates["chip"], rates["workload"], rates["phase"], rates["unit"]]
    best = each.where(closed).groupby(keys).transform("max")
    assert not (~closed & (each > 1.35 * best)).any()


@pytest.mark.parametrize(
    "profile, workload, quantity, value, accelerators, scope, chip",
    [
        ("mlperf-training/v5.1/NVIDIA/theia_ngpu8_ngc25.09_nemo/closed", "llama-2-70b-lora", "step_time", 0.748628, 8, "system", "GB300"),
        ("mlperf-training/v3.1/NVIDIA/eos_n64_ngc23.09_nemo/closed", "gpt3-175b", "total_throughput", 345322.0, 512, "system", "H100-SXM"),
        ("mlperf-training/v2.1/NVIDIA/dgxh100_preview/closed", "retinanet", "throughput", 268.7496, 8, "accelerator", "H100-SXM"),
        ("mlperf-training/v5.0/Dell/1xXE9680Lx8B200-SXM-180GB/closed", "retinanet", "throughput", 3890.532, 8, "system", "B200"),
        ("mlperf-training/v2.1/NVIDIA/dgxh100_preview/closed", "retinanet", "time_to_train", 38.050117 * 60, 8, "system", "H100-SXM"),
    ],
)  # fmt: skip
def test_training_figures_are_those_of_the_source(
    training: pd.DataFrame,
    profile: str,
    workload: str,
    quantity: str,
    value: float,
    accelerators: int,
    scope: str,
    chip: str,
) -> None:
    """Figures typed from the raw table come out in canonical units, with the scope that the run's time proves."""
    row = _one(training, profile=profile, workload=workload, quantity=quantity)
    assert row["value"] == pytest.approx(value, rel=1e-6)
    assert (row["accelerators"], row["scope"], row["chip"]) == (accelerators, scope, chip)


def test_retinanet_rates_agree_within_a_chip(training: pd.DataFrame) -> None:
    """On one full node all per-accelerator rates of a chip lie within a factor of two, whatever scope the log had."""
    rows = training[(training["workload"] == "retinanet") & (training["quantity"] == "throughput")]
    rows = rows[
        (rows["quarantine"] == "") & (rows["accelerators"] == 8) & (rows["chip"].isin(["H100-SXM", "H200-SXM", "B200"]))
    ]
    each = rows["value"].where(rows["scope"] == "accelerator", rows["value"] / 8)
    spread = each.groupby(rows["chip"]).agg(["size", "min", "max"])
    assert (spread["size"] >= 10).all()
    assert (spread["max"] < 2 * spread["min"]).all()


def test_steps_and_throughput_tell_the_same(training: pd.DataFrame) -> None:
    """Where both are logged, batch over step time is the tracked throughput."""
    rows = training[(training["quarantine"] == "") & training["batch"].notna()]
    wide = rows.pivot_table(index=["run", "batch"], columns="quantity", values="value", aggfunc="first").reset_index()
    both = wide.dropna(subset=["step_time", "throughput"])
    assert len(both) > 40
    assert (both["batch"] / both["step_time"] / both["throughput"]).between(0.9, 1.1).all()


@pytest.mark.parametrize("name, rows, kept", [("inference", 12_797, 0.7), ("training", 3_687, 0.85)])
def test_most_rows_count_and_carry_their_labels(
    request: pytest.FixtureRequest, name: str, rows: int, kept: float
) -> None:
    """Counts are those measured; rows that count have a class, a submitter, a date and a positive finite value."""
    table: pd.DataFrame = request.getfixturevalue(name)
    good = table[table["quarantine"] == ""]
    assert len(table) == rows
    assert len(good) / rows > kept
    for column in ("architecture", "submitter", "date", "run", "url", "workload", "phase"):
        assert (good[column] != "").all(), column
    assert (np.isfinite(good["value"]) & (good["value"] > 0)).all()
    assert good["profile"].nunique() > 700
    assert not good.duplicated(["profile", "run", "quantity", "statistic", "value"]).any()


def test_a_record_that_names_another_board_than_its_platform_does_not_count(inference: pd.DataFrame) -> None:
    """An Odroid has no Xavier."""
    strange = inference[inference["profile"].str.contains("/odroid-") & (inference["architecture"] == "volta")]
    assert len(strange)
    assert (strange["quarantine"] != "").all()


def test_the_generation_is_read_where_the_label_leaves_it_out(training: pd.DataFrame) -> None:
    """Google's label is "TPU", its system's name has the generation; Habana's first chip had no number."""
    assert set(training.loc[training["profile"].str.contains("/tpu-v4-"), "chip"]) == {"TPUv4"}
    assert set(training.loc[training["profile"].str.contains("/HLS-1H-N"), "chip"]) == {"Gaudi1"}
