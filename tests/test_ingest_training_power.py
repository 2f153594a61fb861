"""Training tables, energy leaderboards and power telemetry become right rows of the labelled table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fingerprint.lab.ingest import (
    dgxc_benchmarking,
    h100_dcgm_10hz_telemetry,
    h100_dcgm_exporter_snapshot,
    lambda_deeplearning,
    llm_foundry,
    megatron_bridge,
    milabench,
    ml_energy_v2,
    ml_energy_v3,
    nemo_launcher,
    nemo_long_sequence,
    nemo_perf,
    nvidia_dle,
    nvidia_smi_snapshots,
)
from fingerprint.lab.ingest.training_tables import causal_share
from fingerprint.measurements import NUMBER_COLUMNS, WORD_COLUMNS, Measurements

MODULES = (
    megatron_bridge, nemo_launcher, nemo_perf, nemo_long_sequence, dgxc_benchmarking, llm_foundry, lambda_deeplearning,
    nvidia_dle, milabench, ml_energy_v2, ml_energy_v3, h100_dcgm_10hz_telemetry, h100_dcgm_exporter_snapshot,
    nvidia_smi_snapshots,
)  # fmt: skip

#: Source, rows, quarantined rows.
COUNTS = (
    ("megatron-bridge", 466, 13),
    ("nemo-launcher", 146, 39),
    ("nemo-perf", 116, 0),
    ("nemo-long-sequence", 33, 5),
    ("dgxc-benchmarking", 64, 2),
    ("llm-foundry", 432, 0),
    ("lambda-deeplearning", 2281, 78),
    ("nvidia-dle", 2047, 3),
    ("milabench", 984, 0),
    ("ml-energy-v2", 2084, 0),
    ("ml-energy-v3", 8270, 0),
    ("h100-dcgm-10hz-telemetry", 92, 0),
    ("h100-dcgm-exporter-snapshot", 508, 0),
    ("nvidia-smi-snapshots", 174, 10),
)

#: Source, columns that single a figure out, its value in SI units as worked out by hand from the raw file.
FIGURES: tuple[tuple[str, dict[str, Any], float], ...] = (
    ("megatron-bridge", {"profile": "26.08/dgx-gb300", "workload": "deepseek-v3", "quantity": "total_throughput", "accelerators": 256, "batch": 4096, "scope": "accelerator", "chip": "GB300", "precision": "fp8"}, 6288.0),
    ("megatron-bridge", {"profile": "26.08/dgx-gb300", "workload": "deepseek-v3", "quantity": "compute_rate"}, 1.635e15),
    ("megatron-bridge", {"profile": "26.08/dgx-gb200", "workload": "deepseek-v3", "quantity": "total_throughput"}, 4912.0),
    ("nemo-launcher", {"profile": "e3b50403", "workload": "gpt3-175b", "quantity": "total_throughput", "accelerators": 512, "scope": "accelerator", "chip": "H100-SXM"}, 741.0),
    ("nemo-launcher", {"profile": "a4184ccc", "workload": "gpt3-175b", "quantity": "total_throughput", "accelerators": 512, "scope": "system"}, 379379.0),
    ("nemo-launcher", {"profile": "cb3482d0", "workload": "gpt3-5b", "precision": "bf16", "chip": "H100"}, 5.1e14),
    ("nemo-perf", {"profile": "e2de75c15e", "workload": "llama-2-7b", "input_tokens": 4096, "quantity": "total_throughput"}, 16934.0),
    ("nemo-perf", {"profile": "e2de75c15e", "workload": "gpt3-175b", "accelerators": 512}, 825.0),
    # LoRA, which the page does not say.
    ("nemo-perf", {"profile": "e2de75c15e", "workload": "llama2-7b-adapter", "quantity": "total_throughput"}, 24824.0),
    ("nemo-long-sequence", {"input_tokens": 8192, "chip": "B200-DGX", "quarantine": ""}, 1.671e15),
    ("nemo-long-sequence", {"input_tokens": 4096, "chip": "H100-SXM", "quarantine": ""}, 7.68e14),
    # Causal: 26.5 TFLOP/s x (6 N + 6 L h s) / (6 N + 12 L h s), N = 6.74e9, L h s = 32 x 4096 x 1048576.
    ("nemo-long-sequence", {"input_tokens": 1048576, "chip": "H100-SXM", "run": "nemo-long/llama2-7b/1048576.0/without-cp"}, 26.5e12 * (4.044e10 + 8.2463e11) / (4.044e10 + 1.64927e12)),
    ("dgxc-benchmarking", {"workload": "llama-3.1-405b", "precision": "bf16", "accelerators": 128, "quantity": "step_time", "batch": 64, "chip": "GB200"}, 9.347),
    ("dgxc-benchmarking", {"workload": "llama-3.1-405b", "precision": "bf16", "accelerators": 128, "quantity": "total_throughput", "scope": "system"}, 56092.0),
    ("dgxc-benchmarking", {"workload": "nemotron-4-15b", "precision": "fp8", "quantity": "step_time", "batch": 64, "chip": "H100"}, 1.988),
    ("llm-foundry", {"workload": "mpt-70b", "accelerators": 512, "batch": 4096, "quantity": "total_throughput", "chip": "H100"}, 1007.0),
    ("llm-foundry", {"workload": "mpt-70b", "accelerators": 512, "batch": 4096, "quantity": "compute_rate"}, 4.08e14),
    ("llm-foundry", {"workload": "mpt-70b", "accelerators": 256, "batch": 2048, "quantity": "total_throughput", "chip": "H100"}, 1035.0),
    ("lambda-deeplearning", {"profile": "v1/a100-80gb-sxm4/1x", "workload": "resnet50", "precision": "fp16", "batch": 1280, "chip": "A100-SXM4-80GB"}, 1582.0),
    ("lambda-deeplearning", {"profile": "v2/b200-192gb/8x", "workload": "bert-large-squad-384", "precision": "fp16", "accelerators": 8, "scope": "system", "chip": "B200"}, 4620.0),
    ("lambda-deeplearning", {"profile": "v1/v100-16gb/1x", "workload": "gnmt", "precision": "fp32", "unit": "token/s", "chip": "V100"}, 24109.0),
    ("lambda-deeplearning", {"profile": "v1/a10/1x", "workload": "ssd", "precision": "tf32", "batch": 80}, 98.0),
    ("nvidia-dle", {"profile": "pytorch-detection-ssd/", "phase": "train", "precision": "fp16", "accelerators": 1, "batch": 64, "chip": "A100-SXM4-80GB"}, 662.91),
    ("nvidia-dle", {"profile": "pytorch-segmentation-maskrcnn/", "phase": "train", "precision": "fp16", "accelerators": 8, "batch": 96, "chip": "A100-SXM4-80GB"}, 209.0),
    ("nvidia-dle", {"profile": "convnets-triton-resnet50/", "phase": "offline", "chip": "T4", "batch": 64, "precision": "fp16"}, 1203.2),
    ("nvidia-dle", {"profile": "convnets-triton-resnet50/", "phase": "serve", "chip": "T4", "concurrency": 64}, 2114.3),
    ("milabench", {"workload": "milabench-bert", "precision": "fp16", "chip": "H100", "batch": 16}, 359.67),
    ("milabench", {"profile": "277/", "workload": "gemm", "precision": "bf16", "chip": "H100-SXM", "quantity": "compute_rate"}, 7.833e14),
    ("milabench", {"quantity": "power", "chip": "MI355X", "scope": "accelerator"}, 1059.562),
    ("milabench", {"workload": "milabench-davit-large", "accelerators": 8, "scope": "system", "quantity": "throughput"}, 2344.8188),
    ("ml-energy-v2", {"url": "H100%2080GB%20HBM3/mistralai/Mixtral-8x22B-Instruct-v0.1/bs128+tp8+pp1", "quantity": "output_throughput", "accelerators": 8, "scope": "system"}, 849.3772453440321),
    ("ml-energy-v2", {"url": "H100%2080GB%20HBM3/mistralai/Mixtral-8x22B-Instruct-v0.1/bs128+tp8+pp1", "quantity": "tpot", "statistic": "mean"}, 0.14295104971541953),
    ("ml-energy-v2", {"profile": "legacy/a40/chat", "run": "ml-energy-legacy/a40-chat/lmsys-vicuna-7b", "quantity": "e2e_latency", "workload": "llama-7b"}, 9.474226236086707),
    ("ml-energy-v2", {"url": "H100%2080GB%20HBM3/stabilityai/sdxl-turbo/bs8+steps25", "quantity": "latency", "batch": 8}, 2.459192657470703),
    ("ml-energy-v3", {"profile": "b200/gpqa", "workload": "qwen3-14b", "concurrency": 8, "quantity": "output_throughput"}, 234.06050523961807),
    ("ml-energy-v3", {"profile": "b200/gpqa", "workload": "qwen3-14b", "concurrency": 8, "quantity": "itl", "statistic": "median"}, 0.03362808651581872),
    ("ml-energy-v3", {"profile": "b200/gpqa", "workload": "qwen3-14b", "concurrency": 8, "quantity": "power", "scope": "system"}, 319.79),
    ("ml-energy-v3", {"profile": "b200/text-to-image", "workload": "flux.1-dev", "batch": 8, "accelerators": 1, "quantity": "energy_per_sample"}, 6756.054812498391),
    ("h100-dcgm-10hz-telemetry", {"profile": "/b1", "run": "dcgm-10hz/b1/steady", "quantity": "power", "phase": "idle"}, 120.0491),
    ("h100-dcgm-10hz-telemetry", {"profile": "/b1", "run": "dcgm-10hz/b1/loading", "quantity": "power", "phase": "idle"}, 119.8686),
    ("h100-dcgm-10hz-telemetry", {"profile": "/b1", "run": "dcgm-10hz/b1/loading", "quantity": "memory_used"}, 4582.275 * 2**20),
    ("nvidia-smi-snapshots", {"chip": "H20-141GB", "quantity": "power", "phase": "idle"}, 119.0),
    ("nvidia-smi-snapshots", {"chip": "B300-HGX", "quantity": "power", "phase": "load"}, 844.0),
    ("nvidia-smi-snapshots", {"chip": "H200-NVL", "quantity": "power", "phase": "idle"}, 69.0),
)  # fmt: skip


@pytest.fixture(scope="module")
def tables(raw_dir: Path) -> dict[str, pd.DataFrame]:
    """Every source of this file, ingested once."""
    return {m.SOURCE.name: m.ingest(raw_dir) for m in MODULES}


def _rows(frame: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
    for column, value in wanted.items():
        part = column in ("url", "profile")
        frame = frame[frame[column].str.contains(value, regex=False) if part else frame[column] == value]
    return frame


@pytest.mark.parametrize(("source", "where", "value"), FIGURES)
def test_figure_of_the_raw_file(
    tables: dict[str, pd.DataFrame], source: str, where: dict[str, Any], value: float
) -> None:
    """A figure read by hand stands in the table, converted, with its setting."""
    found = _rows(tables[source], **where)
    assert (abs(found["value"] / value - 1) < 1e-4).any()


@pytest.mark.parametrize(("source", "rows", "quarantined"), COUNTS)
def test_counts(tables: dict[str, pd.DataFrame], source: str, rows: int, quarantined: int) -> None:
    """As many rows count, and as many are set aside with a reason, as were looked at when the module was written."""
    assert (len(tables[source]), (tables[source]["quarantine"] != "").sum()) == (rows, quarantined)


@pytest.mark.parametrize("source", [name for name, *_ in COUNTS])
def test_table_is_valid_and_labelled(tables: dict[str, pd.DataFrame], source: str) -> None:
    """Every row that counts has an architecture, and the table reads as measurements."""
    good = tables[source][tables[source]["quarantine"] == ""]
    assert (good["architecture"] != "").all()
    assert (good["chip"] != "").all()
    assert len(Measurements.from_frame(good[[*WORD_COLUMNS, *NUMBER_COLUMNS]])) == len(good)


def test_nvidia_training_tables_are_one_origin(tables: dict[str, pd.DataFrame]) -> None:
    """NVIDIA's own training tables are held out together."""
    names = ("megatron-bridge", "nemo-launcher", "nemo-perf", "nemo-long-sequence", "dgxc-benchmarking")
    assert {o for n in names for o in tables[n]["origin"].unique()} == {"nvidia-nemo"}


def test_utilisation_of_the_data_sheet_is_no_row(tables: dict[str, pd.DataFrame]) -> None:
    """MFU and HFU figures, which encode the chip's peak, do not enter."""
    for name in ("llm-foundry", "dgxc-benchmarking"):
        assert "utilization" not in set(tables[name]["quantity"])


def test_placeholders_do_not_count(tables: dict[str, pd.DataFrame]) -> None:
    """The version that gives 450 TFLOP/s for every model and precision is set aside as a whole."""
    assert (_rows(tables["nemo-launcher"], profile="76355f93")["quarantine"] != "").all()


def test_runs_that_beat_their_single_gpu_do_not_count(tables: dict[str, pd.DataFrame]) -> None:
    """BERT base on eight B200 at 21 times one B200's rate is no measurement; BERT large at 8.8 times is let pass."""
    rows = _rows(tables["lambda-deeplearning"], profile="v2/b200-192gb/8x", precision="fp16")
    assert (_rows(rows, workload="bert-base-squad-384")["quarantine"] != "").all()
    assert (_rows(rows, workload="bert-large-squad-384")["quarantine"] == "").all()


def test_fp32_of_ampere_and_later_is_tf32(tables: dict[str, pd.DataFrame]) -> None:
    """Only Volta and Turing hold FP32 rows where the framework chose the arithmetic."""
    for name in ("lambda-deeplearning", "nvidia-dle"):
        true = tables[name][tables[name]["precision"] == "fp32"]
        assert set(true["architecture"]) == {"volta", "turing"}


def test_energy_a_token_times_rate_is_power(tables: dict[str, pd.DataFrame]) -> None:
    """The power of a configuration is that of all its GPUs: energy a token times tokens a second."""
    wide = (
        tables["ml-energy-v3"]
        .pivot_table(index="run", columns="quantity", values="value")
        .dropna(subset="energy_per_token")
    )
    assert len(wide) == 838
    assert (wide["energy_per_token"] * wide["output_throughput"] / wide["power"]).between(0.999, 1.001).all()


def test_snapshot_names_no_host(tables: dict[str, pd.DataFrame]) -> None:
    """The scrape's 247 GPUs are 31 numbered nodes."""
    rows = tables["h100-dcgm-exporter-snapshot"]
    power = rows[rows["quantity"] == "power"]
    assert (len(power), power["profile"].nunique()) == (247, 31)
    assert power["profile"].str.fullmatch(r"h100-dcgm-exporter-snapshot/node-\d\d").all()
    first = power[power["profile"].str.endswith("node-00")]["value"].tolist()
    assert first == [111.986, 68.605, 70.269, 71.25, 110.074, 69.093, 115.415, 69.552]


def test_limits_and_sizes_are_no_rows(tables: dict[str, pd.DataFrame]) -> None:
    """Power limits and memory sizes are identity."""
    rows = tables["nvidia-smi-snapshots"]
    assert set(rows["quantity"]) == {"power", "utilization", "memory_used"}
    assert not (_rows(rows, quantity="power")["value"] >= 1000).any()


@pytest.mark.parametrize(("length", "low", "high"), [(4096, 0.92, 0.94), (1048576, 0.51, 0.52)])
def test_causal_attention_is_half_of_the_published_count(length: int, low: float, high: float) -> None:
    """The correction is slight at usual lengths and nears one half at a million tokens."""
    share = causal_share(pd.Series(["LLAMA2-7B", "a model nobody knows"]), pd.Series([length, length]))
    assert low < share[0] < high
    assert pd.isna(share[1])
