"""The hand-gathered figures, Epoch AI's runs and PipeWeave's measurements become right rows of the labelled table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fingerprint.lab.ingest import (
    epoch,
    facts,
    facts_gemm,
    facts_interconnect,
    facts_memory,
    facts_serving,
    facts_training_runs,
    pipeweave,
)
from fingerprint.measurements import Measurements

MODULES = (facts_serving, facts_gemm, facts_interconnect, facts_memory, facts_training_runs, epoch, pipeweave)


@pytest.fixture(scope="module")
def tables(raw_dir: Path) -> dict[str, pd.DataFrame]:
    """Every source of this file, ingested once."""
    return {m.SOURCE.name: m.ingest(raw_dir) for m in MODULES}


def _good(tables: dict[str, pd.DataFrame], source: str) -> pd.DataFrame:
    return tables[source][tables[source]["quarantine"] == ""]


def _rows(frame: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
    for column, value in wanted.items():
        found = (
            frame[column].str.contains(value, regex=False) if column in ("url", "profile") else frame[column] == value
        )
        frame = frame[found]
    return frame


#: Source, the columns that single a figure out, its value in SI units as worked out by hand from the raw file.
FIGURES: tuple[tuple[str, dict[str, Any], float], ...] = (
    # 775.8 ms; 5280 tokens/s; 30.49 tokens/s on each of 32 accelerators, one request a rank.
    ("facts-serving", {"workload": "deepseek-v4-pro", "quantity": "ttft", "input_tokens": 4096.0, "accelerators": 16.0}, 0.7758),
    (
        "facts-serving",
        {"workload": "deepseek-v4-pro", "quantity": "input_throughput", "input_tokens": 4096.0, "accelerators": 16.0},
        5280.0,
    ),
    (
        "facts-serving",
        {"workload": "deepseek-v4-pro", "scope": "accelerator", "context_tokens": 4096.0, "concurrency": 32.0, "precision": "fp8"},
        30.49,
    ),
    # 31.10 ms a token with 64 requests; 7807.18 ms for 16 prompts of 8,192 tokens.
    ("facts-serving", {"workload": "hy3", "quantity": "tpot", "batch": 64.0}, 0.0311),
    ("facts-serving", {"workload": "hy3", "quantity": "ttft", "batch": 16.0, "input_tokens": 8192.0}, 7.80718),
    # 200 prompts in 171.49 s.
    ("facts-serving", {"url": "sglang/pull/7631", "quantity": "throughput"}, 200 / 171.49),
    # "5.7k output tokens/s/node" of eight.
    ("facts-serving", {"url": "2025-09-26-sglang-ant-group", "phase": "decode", "accelerators": 8.0}, 5700.0),
    ("facts-gemm", {"chip": "H20-96GB", "precision": "bf16", "m": 4096.0, "n": 14336.0, "k": 4096.0}, 142.0e12),
    ("facts-gemm", {"chip": "H800-SXM", "precision": "fp8", "m": 8192.0, "k": 16384.0}, 1541e12),
    ("facts-gemm", {"chip": "H20-141GB", "precision": "fp8", "m": 1.0, "n": 1792.0, "k": 5120.0}, 69.63e-6),
    ("facts-gemm", {"workload": "moe", "m": 16384.0, "n": 192.0, "k": 4096.0, "groups": 192.0}, 3241.9e-6),
    ("facts-gemm", {"workload": "attention-prefill", "heads": 64.0, "input_tokens": 8192.0, "head_dim": 128.0, "batch": 1.0}, 7.883e-3),
    ("facts-gemm", {"workload": "grouped-gemm", "url": "DeepGEMM/pull/116", "groups": 9.0}, 112e12),
    # Full attention of 8 heads over 32,768 tokens in 4.27728 ms: 4 x 8 x 64 x 32768^2 / t.
    ("facts-gemm", {"url": "flash-attention/issues/1438", "chip": "H100"}, 4 * 8 * 64 * 32768**2 / 4.27728e-3),
    ("facts-interconnect", {"url": "nccl/issues/1374", "quantity": "bus_bandwidth"}, 215e9),
    ("facts-interconnect", {"chip": "B200", "accelerators": 8.0, "message_bytes": 2.0**30}, 723.34e9),
    ("facts-interconnect", {"chip": "H20", "workload": "combine"}, 332.57e9),
    ("facts-memory", {"workload": "read", "chip": "H20-96GB"}, 3.5e12),
    ("facts-memory", {"workload": "copy", "chip": "H20-96GB"}, 2.0e12),
    ("facts-memory", {"workload": "activation", "m": 4096.0, "n": 14336.0}, 2604.1e9),
    # nvbandwidth counts the bytes of a copy once.
    ("facts-memory", {"url": "nvbandwidth/issues/48"}, 2 * 1116.3e9),
    # 2.788 M hours of 37 B parameters and 14.8 T tokens.
    ("facts-training-runs", {"workload": "deepseek-v3", "quantity": "accelerator_hours", "tokens": 14.8e12}, 2.788e6 * 3600),
    ("facts-training-runs", {"chip": "H20", "quantity": "total_throughput", "scope": "accelerator"}, 96.0),
    ("facts-training-runs", {"chip": "H20", "quantity": "compute_rate"}, 51e12),
    # 512 accelerators, 133 days as Epoch AI has them: 1,634,304 hours.
    ("epoch", {"workload": "exaone-4-32b", "quantity": "accelerator_hours"}, 1634304 * 3600.0),
    ("epoch", {"workload": "exaone-4-32b", "quantity": "compute"}, 2.69e24),
    ("epoch", {"workload": "grok-3", "quantity": "compute"}, 4.64e26),
    ("pipeweave", {"chip": "H100-SXM", "m": 96.0, "n": 6144.0, "k": 2560.0, "precision": "fp8"}, 11.6818e-6),
    # w13 of 1 token, 8 experts, 2 a token, hidden 1024, intermediate 512: two products of 1 x 1024 x 1024 in 4.034 us.
    ("pipeweave", {"chip": "H20-96GB", "m": 1.0, "n": 1024.0, "k": 1024.0, "groups": 2.0}, 4.034e-6),
    ("pipeweave", {"chip": "H20-96GB", "phase": "decode", "workload": "llama-3.1-70b", "batch": 16.0}, (13.080561 + 13.082344) / 2e3),
    ("pipeweave", {"chip": "H800-SXM", "phase": "prefill", "accelerators": 8.0, "batch": 64.0}, 3.310870),
    ("pipeweave", {"chip": "H800-SXM", "workload": "all-reduce", "message_bytes": 1073666050.0}, 8.866653e-3),
)  # fmt: skip


@pytest.mark.parametrize(("source", "where", "value"), FIGURES)
def test_a_figure_typed_from_the_page(
    tables: dict[str, pd.DataFrame], source: str, where: dict[str, Any], value: float
) -> None:
    """A published figure stands in the table in SI units beside its shape."""
    found = _rows(_good(tables, source), **where)
    assert len(found), f"no row of {source} with {where}"
    assert (found["value"] / value - 1.0).abs().min() < 2e-3


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.SOURCE.name)
def test_good_rows_can_be_read_as_measurements(tables: dict[str, pd.DataFrame], module: Any) -> None:
    """Every row that counts passes the checks of the measurement table and has an architecture and a profile."""
    good = _good(tables, module.SOURCE.name)
    assert len(good) > 30
    assert len(Measurements.from_frame(good)) == len(good)
    assert (good["architecture"] != "").all()
    assert good.groupby("profile")["architecture"].nunique().max() == 1


def test_h20_has_many_rows_of_many_origins(tables: dict[str, pd.DataFrame]) -> None:
    """The class that only these tables hold has over a thousand rows from two dozen origins, most not PipeWeave's kernels."""
    every = pd.concat([_good(tables, m.SOURCE.name) for m in MODULES])
    h20 = every[every["architecture"] == "h20"]
    assert len(h20) > 1000
    assert h20["origin"].nunique() >= 20
    assert (h20["source"] != "pipeweave").sum() > 600


def test_no_rate_beyond_the_data_sheet(tables: dict[str, pd.DataFrame]) -> None:
    """H20 reaches at most its 148 (16-bit) and 296 (8-bit) TFLOP/s in any product whose shape is known."""
    every = pd.concat([_good(tables, m.SOURCE.name) for m in MODULES])
    product = every[(every["architecture"] == "h20") & every["workload"].isin(["gemm", "grouped-gemm"])]
    product = product.reset_index(drop=True)
    work = 2.0 * product["m"] * product["n"] * product["k"] * product["groups"].fillna(1.0)
    rate = (work / product["value"]).where(product["quantity"] == "latency", product["value"])
    known = product["quantity"].isin(["latency", "compute_rate"])
    product, rate = product[known], rate[known]
    assert rate[product["precision"] == "bf16"].max() < 148e12
    assert rate[product["precision"] == "fp8"].max() < 296e12
    assert rate[product["precision"] == "fp8"].max() > 250e12


@pytest.mark.parametrize(
    ("source", "reason", "at_least"),
    [
        ("facts-serving", "copy of a figure of sgl-cookbook", 900),
        ("facts-serving", "copy of a figure of qwen-speed", 212),
        ("facts-serving", "a warm prefix cache: part of the prompt was not computed", 2),
        ("facts-gemm", "copy of a figure of pipeweave", 616),
        ("facts-gemm", "copy of a figure of torch-matmul-crowd", 500),
        ("facts-interconnect", "over a network between nodes, no trait of the chip", 45),
        ("facts-training-runs", "copy of a figure of epoch", 279),
    ],
)
def test_rows_that_do_not_count_say_why(
    tables: dict[str, pd.DataFrame], source: str, reason: str, at_least: int
) -> None:
    """Copies and figures that are no trait of the chip stay in the table with their reason."""
    assert (tables[source]["quarantine"] == reason).sum() >= at_least


def test_epoch_is_never_trained_on(tables: dict[str, pd.DataFrame]) -> None:
    """Compiled runs are estimates, all of them."""
    assert (tables["epoch"]["estimate"] == 1).all()


@pytest.mark.parametrize(
    ("url", "origin", "address"),
    [
        (
            "https://github.com/DeepSeek-AI/DeepEP/issues/17",
            "deepseek-ai",
            "https://github.com/DeepSeek-AI/DeepEP/issues/17",
        ),
        ("https://arxiv.org/abs/2511.22699", "arxiv.org/abs/2511.22699", "https://arxiv.org/abs/2511.22699"),
        ("https://github.com/cb521/vllm (branch x; report)", "cb521/vllm", "https://github.com/cb521/vllm"),
        ("text-index id 1 (PLUME paper text)", "unlocated/plume-paper-text", ""),
        ("PaddlePaddle/ERNIE (report)", "paddlepaddle/ernie", "https://github.com/PaddlePaddle/ERNIE"),
    ],
)
def test_origin_and_address_of_a_page(url: str, origin: str, address: str) -> None:
    """A page's origin is its repository, paper or publisher; what is no page gives no address."""
    assert (facts.origin(url), facts.address(url)) == (origin, address)


def test_lengths_in_words() -> None:
    """Round binary lengths are binary, others decimal, limits and prose unknown."""
    read = facts.tokens(pd.Series(["128K", "33K (agent dataset)", "1M", "1000", "<=128K", "ShareGPT"]))
    assert read[:4].tolist() == [131072.0, 33000.0, 1048576.0, 1000.0]
    assert read[4:].isna().all()


@pytest.mark.parametrize(
    ("words", "chip", "expected"),
    [
        ("MXFP4 weights / FP8 activations", "H20-141GB", ("fp8", "fp4")),
        ("FP4", "H100", ("bf16", "fp4")),
        ("FP4", "B200", ("FP4", "")),
        ("AWQ-INT4", "H20", ("bf16", "int4")),
        ("W4A8_AWQ", "H800", ("fp8", "int4")),
        ("as released", "H200", ("", "")),
    ],
)
def test_precision_of_words(words: str, chip: str, expected: tuple[str, str]) -> None:
    """Four-bit weights are unpacked where the chip has no four-bit arithmetic."""
    found = facts.precisions(pd.Series([words]), pd.Series([chip])).iloc[0]
    assert (found["precision"], found["weight_precision"]) == expected
