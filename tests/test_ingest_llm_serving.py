"""Published serving and engine figures: values typed from the raw files against what the ingest modules make of them."""

import importlib
from functools import cache

import numpy as np
import pytest

MODULES = ("deepseek_open_infra", "llm_inference_bench", "llm_price_compass", "pavlokhmel_llamacpp", "qwen_speed",
           "rocm_vllm", "sgl_cookbook", "sglang_cookbook_benchmarks", "trtllm_perf_overview", "xiongjie_llamacpp")  # fmt: skip


@cache
def ingested(name, raw):
    return importlib.import_module(f"fingerprint.lab.ingest.{name}").ingest(raw)


def one(table, **cells):
    for column, wanted in cells.items():
        table = table[table[column] == wanted]
    assert len(table) == 1, f"{len(table)} rows with {cells}"
    return table.iloc[0]


#: Module, cells that pick one row, figure in SI units.
FIGURES = [
    # 0.5: the group's rate.
    ("trtllm_perf_overview", {"chip": "H100-SXM", "workload": "llama-2-70b", "batch": 64, "input_tokens": 128,
     "output_tokens": 128, "scope": "system", "accelerators": 4}, 3317.0),
    # 0.8: a GPU's.
    ("trtllm_perf_overview", {"profile": "trtllm-perf-overview/0.8/H100 GPUs (FP8)", "workload": "falcon-180b",
     "output_tokens": 2048, "input_tokens": 128, "scope": "accelerator", "accelerators": 8}, 836.0),
    ("trtllm_perf_overview", {"profile": "trtllm-perf-overview/0.8/H200 GPUs (FP8)", "workload": "llama-2-70b",
     "quantity": "ttft", "input_tokens": 2048, "phase": "prefill", "batch": 1}, 0.0788),
    ("trtllm_perf_overview", {"profile": "trtllm-perf-overview/0.13/A100-SXM4-80GB", "workload": "llama-3.1-70b",
     "precision": "fp16", "accelerators": 8, "input_tokens": 128, "output_tokens": 128, "scope": "system"}, 4491.42),
    ("trtllm_perf_overview", {"chip": "GB300", "workload": "llama-3.3-70b", "input_tokens": 1024, "output_tokens": 1024,
     "scope": "accelerator", "precision": "fp4"}, 8910.0),
    ("qwen_speed", {"chip": "H20-96GB", "workload": "qwen3-32b", "precision": "bf16", "input_tokens": 6144,
     "quantity": "total_throughput", "profile": "qwen-speed/7a2f61f/NVIDIA H20 96GB/SGLang 0.4.6.post1"}, 77.82),
    ("qwen_speed", {"workload": "qwen3-32b", "weight_precision": "int4", "precision": "fp16", "input_tokens": 1,
     "profile": "qwen-speed/7a2f61f/NVIDIA H20 96GB/SGLang 0.4.6.post1"}, 47.67),
    ("qwen_speed", {"workload": "qwen2.5-72b", "weight_precision": "int8", "accelerators": 2, "input_tokens": 1,
     "profile": "qwen-speed/a912d23/NVIDIA A100 80GB/vLLM"}, 31.4),
    ("pavlokhmel_llamacpp", {"chip": "H200-NVL", "workload": "lfm2.5-1.2b"}, 737.0),
    ("pavlokhmel_llamacpp", {"chip": "B300-HGX", "workload": "gemma-4-31b", "phase": "decode"}, 75.0),
    ("pavlokhmel_llamacpp", {"chip": "H200-NVL", "workload": "qwen3.6-35b-a3b", "weight_precision": "int4"}, 189.0),
    ("xiongjie_llamacpp", {"chip": "H100-PCIe", "accelerators": 1, "workload": "llama-3-8b", "precision": "fp16",
     "phase": "decode"}, 67.79),
    ("xiongjie_llamacpp", {"chip": "RTX3090", "accelerators": 6, "workload": "llama-3-70b", "weight_precision": "int4",
     "phase": "decode"}, 16.93),
    ("xiongjie_llamacpp", {"chip": "H100-PCIe", "accelerators": 4, "workload": "llama-3-8b", "weight_precision": "int4",
     "phase": "decode"}, 118.14),
    ("rocm_vllm", {"quantity": "output_throughput", "workload": "llama-3.1-70b", "input_tokens": 500}, 10963.3),
    ("rocm_vllm", {"quantity": "e2e_latency", "workload": "llama-3.1-70b", "input_tokens": 128, "batch": 128}, 46.484),
    ("rocm_vllm", {"quantity": "e2e_latency", "workload": "llama-3.1-405b", "input_tokens": 2048, "batch": 1}, 48.362),
    ("deepseek_open_infra", {"quantity": "output_throughput", "chip": "H800-SXM", "accelerators": 8}, 14800.0),
    ("deepseek_open_infra", {"quantity": "bandwidth", "workload": "attention-decode"}, 3.0e12),
    ("deepseek_open_infra", {"quantity": "compute_rate", "precision": "bf16"}, 5.8e14),
    ("llm_price_compass", {"chip": "H100", "quantity": "ttft", "statistic": "median"}, 0.19372),
    ("llm_price_compass", {"chip": "H100", "quantity": "output_throughput"}, 5595.07),
    ("llm_price_compass", {"chip": "L4", "quantity": "throughput", "unit": "request/s"}, 2.5953591536),
    ("llm_inference_bench", {"chip": "H100-SXM", "profile": "llm-inference-bench/Nvidia H100 GPU/vLLM", "batch": 64,
     "accelerators": 1, "workload": "llama-3-8b", "input_tokens": 1024, "quantity": "total_throughput",
     "precision": "fp16", "kv_precision": ""}, 6968.70209),
    ("llm_inference_bench", {"chip": "A100-SXM4-40GB", "workload": "llama-3-70b", "batch": 16, "accelerators": 4,
     "input_tokens": 1024, "profile": "llm-inference-bench/Nvidia A100 GPU/TensorRT-LLM"}, 385.600235),
    # llama.cpp: the widest prompt batch, one sequence.
    ("llm_inference_bench", {"profile": "llm-inference-bench/Nvidia A100 GPU/llama.cpp", "workload": "llama-2-7b",
     "input_tokens": 256, "accelerators": 1, "batch": 1}, 113.794575),
    ("llm_inference_bench", {"chip": "GH200-96GB", "quantity": "power", "workload": "llama-3-8b", "batch": 64,
     "input_tokens": 1024, "profile": "llm-inference-bench/Nvidia GH200 GPU/TensorRT-LLM"}, 552.194096),
    ("llm_inference_bench", {"chip": "A100-SXM4-40GB", "quantity": "ttft", "workload": "llama-2-7b", "batch": 16,
     "profile": "llm-inference-bench/Nvidia A100 GPU/vLLM"}, 1.029996),
    ("sgl_cookbook", {"profile": "sgl-cookbook/Ernie4.5/MI300X/0.5.7", "concurrency": 100,
     "quantity": "output_throughput"}, 3792.28),
    ("sgl_cookbook", {"profile": "sgl-cookbook/Kimi-K2.5/H200/0.5.6.post2", "concurrency": 1, "quantity": "tpot",
     "statistic": "mean", "run": "docs/autoregressive/Moonshotai/Kimi-K2.5.md:582"}, 0.00922),
    ("sgl_cookbook", {"profile": "sgl-cookbook/Ernie4.5/MI300X/0.5.7", "concurrency": 100, "quantity": "e2e_latency",
     "statistic": "median"}, 11.78216),
    ("sglang_cookbook_benchmarks", {"chip": "MI300X", "workload": "gemma-4-31b", "concurrency": 16,
     "quantity": "output_throughput", "scope": "accelerator"}, 492.0),
    ("sglang_cookbook_benchmarks", {"chip": "MI300X", "workload": "gemma-4-31b", "concurrency": 1,
     "quantity": "tpot", "statistic": "median"}, 0.02149),
    ("sglang_cookbook_benchmarks", {"chip": "H200", "workload": "glm-5.2", "precision": "fp8", "concurrency": 1,
     "quantity": "ttft", "profile": "sglang-cookbook-benchmarks/glm-5.2/H200/SGLang 0.5.13.post1/00081a00"}, 0.662),
]  # fmt: skip


@pytest.mark.parametrize(("module", "cells", "figure"), FIGURES, ids=lambda part: part if isinstance(part, str) else "")
def test_figure(module, cells, figure, raw_dir):
    """A figure typed from the raw file stands in the table, in SI units, under its setting."""
    assert one(ingested(module, raw_dir), **cells)["value"] == pytest.approx(figure, rel=1e-6)


@pytest.mark.parametrize(
    ("module", "rows", "most_quarantined"),
    [
        ("deepseek_open_infra", 4, 0.25),  # one figure counts cached prompt tokens
        ("llm_inference_bench", 3926, 0.02),
        ("llm_price_compass", 20, 0.0),
        ("pavlokhmel_llamacpp", 113, 0.0),
        ("qwen_speed", 578, 0.0),
        ("rocm_vllm", 40, 0.0),
        ("sgl_cookbook", 1975, 0.15),  # images, diffusion language models, speculative decoding
        ("sglang_cookbook_benchmarks", 2444, 0.22),  # speculative decoding, queues
        ("trtllm_perf_overview", 3081, 0.01),
        ("xiongjie_llamacpp", 200, 0.0),
    ],
)
def test_counts(module, rows, most_quarantined, raw_dir):
    """Every source gives its rows, few of them quarantined, all others with architecture and positive figures."""
    table = ingested(module, raw_dir)
    assert len(table) == rows
    good = table[table["quarantine"] == ""]
    assert 1.0 - len(good) / rows <= most_quarantined
    assert (good["architecture"] != "").all()
    assert (good["value"] > 0).all()
    assert set(good["scope"]) <= {"system", "accelerator"}


@pytest.mark.parametrize("module", MODULES)
def test_same_every_time(module, raw_dir):
    """Ingesting twice gives the same table."""
    again = importlib.import_module(f"fingerprint.lab.ingest.{module}").ingest(raw_dir)
    assert ingested(module, raw_dir).equals(again)


def test_random_lengths_are_means(raw_dir):
    """SGLang's drawn lengths are recorded as what was sent and generated, not as the nominal 1,000."""
    row = one(
        ingested("sgl_cookbook", raw_dir),
        profile="sgl-cookbook/Ernie4.5/MI300X/0.5.7", concurrency=100, quantity="output_throughput",
    )  # fmt: skip
    assert row["input_tokens"] == pytest.approx(249831 / 500)
    assert row["output_tokens"] == pytest.approx(252662 / 500)
    drawn = ingested("sglang_cookbook_benchmarks", raw_dir)
    drawn = drawn[drawn["profile"].str.contains("SGLang 0.5.12/first version")]
    assert set(drawn["input_tokens"]) == {512.0}


def test_speculative_cells_keep_only_the_first_token(raw_dir):
    """Where decoding speculates, the time to the first token counts and the time per token does not."""
    blocks = ingested("sgl_cookbook", raw_dir)
    block = blocks[blocks["run"] == "docs/autoregressive/DeepSeek/DeepSeek-V3_2.md:464"]
    assert set(block.loc[block["quarantine"] == "", "quantity"]) == {"ttft"}


def test_tensorrt_scope_follows_the_release(raw_dir):
    """Output rates are per GPU in 0.6 to 0.9 and from 1.1, of the group in 0.5 and 0.10 to 1.0."""
    table = ingested("trtllm_perf_overview", raw_dir)
    table = table[table["quantity"] == "output_throughput"]
    release = table["profile"].str.split("/").str[1]
    for name, scope in {"0.6.1": "accelerator", "0.9": "accelerator", "1.1": "accelerator", "1.2": "accelerator",
                        "0.10": "system", "0.17": "system", "0.20": "system", "1.0": "system"}.items():  # fmt: skip
        assert set(table.loc[release == name, "scope"]) == {scope}


def test_tensorrt_rates_agree_between_releases(raw_dir):
    """Per GPU, the same setting stays within a factor of two from one release to the next, whatever scope they print."""
    table = ingested("trtllm_perf_overview", raw_dir)
    table = table[(table["quantity"] == "output_throughput") & (table["quarantine"] == "")]
    release = table["profile"].str.split("/").str[1]
    per_gpu = table["value"] / np.where(table["scope"] == "system", table["accelerators"], 1.0)
    setting = ["chip", "workload", "precision", "input_tokens", "output_tokens", "accelerators"]
    for before, after in (("0.9", "0.10"), ("0.12", "0.13"), ("0.17", "0.20"), ("1.0", "1.1"), ("1.1", "1.2")):
        old, new = (
            table.assign(rate=per_gpu)[release == name].groupby(setting)["rate"].first() for name in (before, after)
        )
        ratio = (new / old).dropna()
        assert len(ratio) > 10
        assert 0.8 < ratio.median() < 1.25


def test_impossible_runs_are_quarantined(raw_dir):
    """Answers that never came (90,000 tokens/s from one 7B sequence) do not count."""
    table = ingested("llm_inference_bench", raw_dir)
    good = table[(table["quarantine"] == "") & (table["quantity"] == "total_throughput")]
    assert good.loc[good["batch"] == 1, "value"].max() < 2000.0
