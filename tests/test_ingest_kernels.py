"""Kernel, memory and collective sources become right rows: figures typed from the raw files and converted by hand."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fingerprint import chips
from fingerprint.costs import points
from fingerprint.lab.ingest import kernel_facts
from fingerprint.measurements import NUMBER_COLUMNS, WORD_COLUMNS, Measurements

#: Module -> least rows, most rows, largest share that may be quarantined and why that much.
SOURCES: dict[str, tuple[int, int, float]] = {
    "vidur_profiles": (15_000, 20_000, 0.02),  # one copied table
    "llmservingsim_profiles": (15_000, 20_000, 0.0),
    "neusight": (12_000, 15_000, 0.0),
    "rocm_aiter_tuned": (15_000, 20_000, 0.02),  # two tables of a part that they name wrongly
    "hipkittens": (190, 200, 0.0),
    "cudnn_frontend_bench": (850, 950, 0.0),
    "hopper_dissect": (1_300, 1_500, 0.42),  # the pointer chases are filed twice
    "gpu_benches": (5_000, 12_000, 0.02),
    "deepseek_kernels": (150, 160, 0.27),  # one README over several versions
    "github_issues_facts": (380, 450, 0.0),
    "kernel_lib_readmes": (30, 35, 0.0),
    "nccl_logs_docs": (440, 470, 0.0),
    "projectphysx": (480, 560, 0.16),  # single devices are repeated in the table of several; half cards
    "quickruncuda_b300": (80, 100, 0.0),
    "stas00_ml_engineering": (120, 130, 0.0),
    "torch_matmul_crowd": (700, 720, 0.05),  # TF32 on cards without it; processors
    "uob_babelstream": (260, 270, 0.46),  # the A100 was a MIG slice
}

FIGURES: list[tuple[str, dict[str, Any], float]] = [
    # Vidur, ms: attention projection of phi-2 (96 heads of 80), Llama-3-70B's MLP at degree 8, all-reduce of 64 MiB.
    ("vidur_profiles", {"profile": "h100|phi-2", "workload": "gemm", "m": 4096, "n": 7680, "k": 2560}, 0.209e-3),
    ("vidur_profiles", {"profile": "a100|meta-llama__Meta-Llama-3-70B", "m": 32768, "n": 7168, "k": 8192}, 15.55e-3),
    ("vidur_profiles", {"profile": "a100|meta-llama__Meta-Llama-3-70B", "m": 32768, "n": 8192, "k": 3584}, 8.2725e-3),
    ("vidur_profiles", {"chip": "H100-SXM", "workload": "all-reduce", "accelerators": 8, "message_bytes": 2**26}, 0.322e-3),
    ("vidur_profiles", {"chip": "A100-SXM4-80GB", "workload": "send-recv", "message_bytes": 2**26}, 0.294e-3),
    # LLMServingSim: nanoseconds in version 0, microseconds in version 1.
    ("llmservingsim_profiles", {"profile": "v0|H100|Llama-3.1-70B", "m": 2048, "n": 2048, "k": 8192}, 87589e-9),
    ("llmservingsim_profiles", {"profile": "v0|H100|Llama-3.1-70B", "input_tokens": 2048, "heads": 16}, 101376e-9),
    ("llmservingsim_profiles", {"profile": "v1|RTXPRO6000|Qwen3-32B", "m": 2048, "n": 25600, "k": 5120}, 1284.82e-6),
    ("llmservingsim_profiles", {"chip": "RTX4090", "workload": "attention-decode", "batch": 1, "context_tokens": 16384}, 56.616e-6),
    ("llmservingsim_profiles", {"chip": "RTX4090", "workload": "attention-prefill", "input_tokens": 2048, "context_tokens": 18432}, 4224.98e-6),
    ("llmservingsim_profiles", {"workload": "moe", "m": 64, "groups": 32}, 235.594e-6),
    ("llmservingsim_profiles", {"chip": "RTX4090", "quantity": "tpot", "statistic": "mean"}, 32.4e-3),
    # NeuSight, ms.
    ("neusight", {"chip": "H100-SXM", "groups": 1024, "m": 4096, "n": 256, "k": 4096}, 175.41083780924478e-3),
    ("neusight", {"chip": "L4", "workload": "gemm", "m": 65536, "n": 4096, "k": 50272}, 4373.733235677083e-3),
    ("neusight", {"chip": "MI210", "workload": "softmax", "m": 16101, "n": 3843}, 0.9525498032569886e-3),
    # AITER, us.
    ("rocm_aiter_tuned", {"chip": "MI308X", "m": 7680, "n": 2048, "k": 4096, "precision": "bf16"}, 693.9949e-6),
    ("rocm_aiter_tuned", {"architecture": "cdna4", "workload": "moe", "precision": "fp4", "m": 32768, "groups": 64, "k": 7168}, 8908.5581e-6),
    ("rocm_aiter_tuned", {"architecture": "cdna3", "m": 79232, "n": 25600, "k": 5120, "precision": "fp8"}, 25379.7605e-6),
    # HipKittens, TFLOP/s.
    ("hipkittens", {"chip": "MI355X", "workload": "gemm", "m": 4096, "precision": "bf16", "value": 1412.852e12}, 1412.852e12),
    ("hipkittens", {"chip": "MI325X", "workload": "gemm", "n": 4096, "value": 752.537e12}, 752.537e12),
    ("hipkittens", {"workload": "attention", "input_tokens": 1024, "value": 588.184e12}, 588.184e12),
    # cuDNN.
    ("cudnn_frontend_bench", {"chip": "GB200", "input_tokens": 32768, "batch": 2, "heads": 128, "value": 1743e12}, 1743e12),
    ("cudnn_frontend_bench", {"chip": "GB200", "workload": "layernorm", "m": 16384, "n": 4096, "value": 6424.6e9}, 6424.6e9),
    ("cudnn_frontend_bench", {"chip": "GB200", "head_dim": 256, "input_tokens": 16384}, 1804e12),
    # Dissecting Hopper: 1.69 requests of 128 + 128 tokens a second; cycles.
    ("hopper_dissect", {"chip": "H800-PCIe", "workload": "llama-2-7b", "precision": "bf16"}, 432.91),
    ("hopper_dissect", {"profile": "gpu-latency|A100-PCIe", "working_set_bytes": 2048}, 32.7),
    ("hopper_dissect", {"chip": "H800-PCIe", "url": "DPX/log/H800.log", "quantity": "cycles", "value": 8.025391}, 8.025391),
    # gpu-benches.
    ("gpu_benches", {"chip": "A100-SXM4-80GB", "url": "gpu-cache/a100_80.txt", "working_set_bytes": 2048, "value": 18806.9e9}, 18806.9e9),
    ("gpu_benches", {"run": "roofline 0.250 flop/byte dev=0", "profile": "alex_a100_40", "quantity": "power"}, 227.0),
    ("gpu_benches", {"run": "roofline 0.250 flop/byte dev=0", "profile": "alex_a100_40", "quantity": "bandwidth"}, 1372e9),
    ("gpu_benches", {"profile": "te42kyfo/gpu-benches|a100_40", "workload": "pointer-chase", "working_set_bytes": 1024}, 36.0),
    # DeepSeek.
    ("deepseek_kernels", {"m": 64, "n": 2112, "k": 7168, "quantity": "compute_rate", "value": 206e12}, 206e12),
    ("deepseek_kernels", {"m": 8192, "groups": 4, "n": 4096, "quantity": "compute_rate", "value": 1297e12}, 1297e12),
    ("deepseek_kernels", {"workload": "dispatch", "accelerators": 8, "value": 153e9}, 153e9),
    # Issues.
    ("github_issues_facts", {"chip": "H20", "workload": "attention", "input_tokens": 2048, "head_dim": 64, "value": 126.1e12}, 126.1e12),
    ("github_issues_facts", {"chip": "H20", "workload": "grouped-gemm", "m": 512, "value": 3.588e-3}, 3.588e-3),
    ("github_issues_facts", {"chip": "H100-SXM", "workload": "moe", "m": 1}, 144.03e-6),
    ("github_issues_facts", {"chip": "H20-141GB", "workload": "copy", "value": 2 * 1115.72e9}, 2231.44e9),
    # READMEs: 4096 x 12288 half-precision numbers are gathered.
    ("kernel_lib_readmes", {"chip": "L20", "n": 6144, "k": 12288}, 5.746e-3),
    ("kernel_lib_readmes", {"chip": "L20", "workload": "all-gather", "message_bytes": 100_663_296}, 11.2e-3),
    ("kernel_lib_readmes", {"chip": "GB200", "precision": "fp8"}, 4300e12),
    ("kernel_lib_readmes", {"chip": "A100-SXM4-80GB", "precision": "tf32"}, 130e12),
    # nccl-tests.
    ("nccl_logs_docs", {"chip": "A100-SXM4-40GB", "message_bytes": 2**30, "quantity": "bus_bandwidth"}, 184.92e9),
    ("nccl_logs_docs", {"chip": "A100-SXM4-40GB", "message_bytes": 2**30, "quantity": "latency"}, 10887.4e-6),
    ("nccl_logs_docs", {"chip": "MI300X", "message_bytes": 2**30, "quantity": "bus_bandwidth"}, 349.95e9),
    # ProjectPhysX: 30,380 million updates of 153 bytes.
    ("projectphysx", {"chip": "MI355X", "workload": "stencil", "value": 30380e6 * 153}, 4.64814e12),
    ("projectphysx", {"chip": "B300-HGX", "workload": "vector", "precision": "fp64"}, 1.184e12),
    ("projectphysx", {"chip": "B300-HGX", "workload": "read"}, 6543.01e9),
    ("projectphysx", {"chip": "A40", "quantity": "power"}, 215.0),
    # QuickRunCUDA.
    ("quickruncuda_b300", {"workload": "tensor-instruction", "precision": "fp8"}, 4651e12),
    ("quickruncuda_b300", {"workload": "read", "value": 7.365e12}, 7.365e12),
    ("quickruncuda_b300", {"phase": "idle", "value": 144.0}, 144.0),
    ("quickruncuda_b300", {"workload": "gemm", "precision": "tf32", "m": 8192}, 1113e12),
    # The ML Engineering book.
    ("stas00_ml_engineering", {"chip": "Gaudi2", "precision": "bf16", "m": 14336}, 418.7e12),
    ("stas00_ml_engineering", {"chip": "A100", "message_bytes": 2**34, "quantity": "latency"}, 127997e-6),
    ("stas00_ml_engineering", {"chip": "H200-SXM", "message_bytes": 2**34, "value": 480e9}, 480e9),
    # PyTorch matmul.
    ("torch_matmul_crowd", {"chip": "B200", "precision": "bf16"}, 1696.03e12),
    ("torch_matmul_crowd", {"chip": "B200", "precision": "fp32"}, 66.24e12),
    ("torch_matmul_crowd", {"chip": "H20-96GB", "precision": "fp32"}, 31.95e12),
    # BabelStream, MB/s.
    ("uob_babelstream", {"profile": "p100_gcc-6.1_cuda", "workload": "stream-copy"}, 541069.612e6),
    ("uob_babelstream", {"profile": "v100_gcc-7.3_cuda", "workload": "stream-triad", "working_set_bytes": 3 * 268.4e6}, 836854.963e6),
    ("uob_babelstream", {"profile": "gtx2080ti_nvcc_cuda", "workload": "stream-dot"}, 572579.244e6),
]  # fmt: skip


@pytest.fixture(scope="module")
def tables(raw_dir: Path) -> dict[str, pd.DataFrame]:
    """Every source of this file, ingested once."""
    return {name: importlib.import_module(f"fingerprint.lab.ingest.{name}").ingest(raw_dir) for name in SOURCES}


def _rows(frame: pd.DataFrame, wanted: dict[str, Any]) -> pd.DataFrame:
    for column, value in wanted.items():
        if column in ("url", "profile"):
            frame = frame[frame[column].str.endswith(value)]
        elif isinstance(value, str):
            frame = frame[frame[column] == value]
        else:
            frame = frame[(frame[column] / value).between(1 - 1e-9, 1 + 1e-9)]
    return frame


@pytest.mark.parametrize(("source", "where", "value"), FIGURES)
def test_figures(tables, source, where, value):
    """A figure of the raw file stands in the table, in SI units and with its shape, and counts."""
    found = _rows(tables[source].query("quarantine == ''"), where)
    assert (found["value"] / value).between(1 - 1e-9, 1 + 1e-9).any()


@pytest.mark.parametrize("source", list(SOURCES))
def test_sizes(tables, source):
    """Each source keeps the size, and no larger share in quarantine than its known faults explain."""
    least, most, share = SOURCES[source]
    table = tables[source]
    assert least <= len(table) <= most
    assert (table["quarantine"] != "").mean() <= share


@pytest.mark.parametrize("source", list(SOURCES))
def test_rows_are_labelled(tables, source):
    """Rows that count have an architecture, a positive value, a profile and an origin."""
    good = tables[source].query("quarantine == ''")
    assert (good["architecture"].isin(chips.ARCHITECTURES)).all()
    assert (good["value"] > 0).all()
    assert (good["origin"] != "").all()
    assert good["profile"].str.startswith(good["source"].iloc[0] + "/").all()


@pytest.mark.parametrize("source", list(SOURCES))
def test_nothing_beats_the_data_sheet(tables, source):
    """No row that counts implies more arithmetic than the dense peak of the chips its label may mean."""
    good = tables[source].query("quarantine == '' and chip != '' and precision != ''").reset_index(drop=True)
    rate = points(Measurements.from_frame(good[[*WORD_COLUMNS, *NUMBER_COLUMNS]])).flop_rate
    for chip, precision in good[["chip", "precision"]].drop_duplicates().itertuples(index=False):
        known = [chips.table()[c] for c in chips.members(chip)]
        peak = max((c.peaks.get(precision, 0.0) * c.clock_headroom for c in known), default=0.0)
        here = rate[((good["chip"] == chip) & (good["precision"] == precision)).to_numpy()]
        if peak:
            assert not (here > kernel_facts.TOLERANCE * peak).any(), (chip, precision)


def test_copied_collective_is_quarantined(tables):
    """The H100 pairwise node's send-recv table, which is the A100's, does not count."""
    found = _rows(tables["vidur_profiles"], {"profile": "h100_pairwise_nvlink|send_recv"})
    assert (found["quarantine"] != "").all()


def test_unsplit_experts_count_once(tables):
    """Mixtral's experts, which version 0 does not split, occur at their whole size only."""
    found = _rows(tables["llmservingsim_profiles"], {"profile": "v0|H100|Mixtral-8x7B-v0.1", "workload": "gemm"})
    assert set(found.loc[found["k"] == 4096, "n"]) & {7168, 3584} == set()
    assert 14336 in set(found["n"])


def test_unreleased_part_is_left_out(tables):
    """gfx1250 tables, which share MI355X's count of compute units, give no row."""
    assert not tables["rocm_aiter_tuned"]["profile"].str.contains("gfx1250").any()


def test_kernels_are_per_accelerator(tables):
    """GEMM rows are of one accelerator wherever the source says so."""
    for name in ("vidur_profiles", "llmservingsim_profiles", "neusight", "rocm_aiter_tuned", "torch_matmul_crowd"):
        table = tables[name]
        assert set(table.loc[table["workload"] == "gemm", "accelerators"]) == {1.0}, name


def test_ingest_repeats_itself(raw_dir, tables):
    """A second run of a thinned source gives the same table."""
    again = importlib.import_module("fingerprint.lab.ingest.rocm_aiter_tuned").ingest(raw_dir)
    pd.testing.assert_frame_equal(again, tables["rocm_aiter_tuned"])


@pytest.mark.parametrize(
    ("text", "size"), [("1024 B", 1024.0), ("32KiB", 32768.0), ("8GiB", 2.0**33), ("2 MB", 2e6), ("2 kB", 2e3)]
)
def test_sizes_in_words(text, size):
    """Sizes are decimal unless they say otherwise."""
    assert kernel_facts.size_bytes(text.replace("k", "K")) == size


def test_shapes_in_words():
    """Shapes are read in both spellings of the facts tables."""
    assert kernel_facts.shape("m=64;n=2112;k=7168") == {"m": 64.0, "n": 2112.0, "k": 7168.0}
    assert kernel_facts.shape("M=4096, K=12288, N=49152, TP=8") == {"m": 4096.0, "k": 12288.0, "n": 49152.0, "tp": 8.0}
    assert kernel_facts.shape("average over shapes") == {}


def test_a_board_beyond_its_label_does_not_count(tables):
    """Of two boards called L40 one draws what only an L40S may draw."""
    drawn = tables["gpu_benches"].query("chip == 'L40' and quantity == 'power'")
    beyond = drawn["quarantine"] != ""
    assert drawn["value"][~beyond].max() < 1.1 * chips.table()["L40"].board_power < drawn["value"][beyond].max()
    assert drawn["value"][beyond].max() < 1.1 * chips.table()["L40S"].board_power
