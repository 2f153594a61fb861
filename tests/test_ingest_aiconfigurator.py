"""AIConfigurator's kernels and the sources of InferenceX figures, against figures typed from the raw files."""

import functools
import importlib

import numpy as np
import pytest

from fingerprint import chips
from fingerprint.costs import points
from fingerprint.lab.ingest import aiconfigurator
from fingerprint.measurements import NUMBER_COLUMNS, WORD_COLUMNS, Measurements

SERVING = ("aiconfigurator_serving", "inferencex_dashboard", "inferencex_blog", "inferencex_power_issues",
           "inferencex_runs")  # fmt: skip
ALL = ("aiconfigurator", *SERVING)


@functools.cache
def ingested(name, raw):
    return importlib.import_module(f"fingerprint.lab.ingest.{name}").ingest(raw)


def found(frame, profile, **wanted):
    rows = frame[frame["profile"] == profile]
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    assert len(rows) > 0
    return rows


KERNELS = [
    ("h100_sxm/vllm-0.24.0", {"workload": "gemm", "precision": "bf16", "m": 8192, "n": 8192, "k": 8192}, 1.541708e-3),
    ("h100_sxm/vllm-0.24.0", {"workload": "gemm", "precision": "fp8", "m": 8192, "n": 8192, "k": 8192}, 8.36148e-4),
    ("b200_sxm/vllm-0.24.0", {"workload": "gemm", "precision": "fp4", "m": 8192, "n": 8192, "k": 8192}, 2.57595e-4),
    ("h200_sxm/vllm-0.24.0", {"workload": "attention-decode", "kv_precision": "bf16", "batch": 64, "context_tokens": 8192, "heads": 32, "kv_heads": 8, "head_dim": 128}, 4.90763e-4),
    ("l40s/trtllm-1.3.0rc20", {"workload": "attention-prefill", "precision": "fp8", "batch": 1, "input_tokens": 16384, "heads": 32, "kv_heads": 8, "head_dim": 128}, 8.341653e-3),
    ("b200_sxm/vllm-0.24.0", {"workload": "moe", "precision": "fp4", "m": 16384, "k": 4096, "n": 14336, "groups": 8}, 3.370453e-3),
    # 268,435,456 elements of two bytes.
    ("h100_sxm/nccl-2.29.2", {"workload": "all-reduce", "accelerators": 8, "message_bytes": 2.0**29}, 2.11106e-3),
    ("h200_sxm/vllm-0.22.0", {"workload": "gemm", "quantity": "power", "precision": "bf16", "m": 8192, "n": 8192, "k": 8192}, 691.250545),
    # 3 x 32768 x 65536 bytes in 2.122845 ms.
    ("h100_sxm/vllm-0.24.0", {"workload": "elementwise", "m": 32768, "n": 65536}, 6442450944 / 2.122845e-3),
]  # fmt: skip


@pytest.mark.parametrize("profile, wanted, value", KERNELS)
def test_kernels(raw_dir, profile, wanted, value):
    wanted = {"quantity": "bandwidth" if wanted["workload"] == "elementwise" else "latency"} | wanted
    rows = found(ingested("aiconfigurator", raw_dir), "aiconfigurator/" + profile, **wanted)
    assert np.isclose(rows["value"], value, rtol=1e-5).any()


def test_kernel_labels_are_the_devices_of_the_tables(raw_dir):
    """What a folder is taken for is what its tables call their device."""
    import pyarrow.parquet as pq

    for system, label in aiconfigurator.SYSTEMS.items():
        path = min((raw_dir / "llm" / "aiconfigurator" / system).glob("*/context_attention_perf.parquet"))
        (device,) = set(pq.read_table(path, columns=["device"]).column("device").to_pylist())
        assert chips.architecture(chips.resolve(label)) == chips.architecture(chips.resolve(device))
        assert label.startswith(device)


def test_kernel_shapes_are_shared(raw_dir):
    """Thinning keeps the same GEMM shapes on every system."""
    frame = ingested("aiconfigurator", raw_dir)
    frame = frame[(frame["workload"] == "gemm") & (frame["precision"] == "bf16") & (frame["quantity"] == "latency")]
    shapes = {p: set(zip(g["m"], g["n"], g["k"], strict=True)) for p, g in frame.groupby("profile")}
    first, second = shapes["aiconfigurator/h100_sxm/vllm-0.24.0"], shapes["aiconfigurator/b200_sxm/sglang-0.5.14"]
    assert first == second
    assert len(first) > 250


def test_kernels_obey_their_data_sheets(raw_dir):
    """No kept kernel beats its chip's arithmetic, nor one of over 500 MB its memory."""
    frame = ingested("aiconfigurator", raw_dir)
    frame = frame[(frame["quarantine"] == "") & (frame["quantity"] != "power")]
    implied = points(Measurements.from_frame(frame[[*WORD_COLUMNS, *NUMBER_COLUMNS]]))
    table = {label: [chips.table()[c] for c in chips.members(label)] for label in frame["chip"].unique()}
    peak = [
        max((chip.peaks.get(p or "fp8", np.nan) for chip in table[c]), default=np.nan)
        for c, p in zip(frame["chip"], frame["precision"], strict=True)
    ]
    memory = frame["chip"].map({label: max(chip.memory_bandwidth for chip in row) for label, row in table.items()})
    with np.errstate(invalid="ignore"):
        assert not (implied.flop_rate > 1.02 * np.array(peak)).any()
        streamed = np.where(frame["quantity"] == "bandwidth", np.inf, implied.byte_rate * frame["value"]) > 5e8
        assert not (streamed & (implied.byte_rate > 1.0 * memory)).any()


def test_kernel_sizes(raw_dir):
    frame = ingested("aiconfigurator", raw_dir)
    assert 55_000 < len(frame) < 70_000
    assert frame["chip"].nunique() == 10
    assert (frame["quarantine"] != "").mean() < 0.005
    broken = frame["quarantine"].str.startswith("broken")
    assert set(frame[broken]["chip"]) == {"RTXPRO6000-Server"}


def test_kernel_build_repeats(raw_dir):
    """The same bytes every time."""
    first, again = ingested("aiconfigurator", raw_dir), aiconfigurator.ingest(raw_dir)
    assert first.equals(again)


RUNS = [
    # 8 GPUs whose tensor size stands as 64: mean step of 18.393968 ms.
    ("aiconfigurator_serving", {"chip": "B200", "quantity": "tpot", "workload": "deepseek-r1", "concurrency": 32, "accelerators": 8}, 0.018393968),
    ("aiconfigurator_serving", {"chip": "B200", "quantity": "tpot", "workload": "qwen3.5-397b-a17b", "accelerators": 4}, 0.051374327),
    # Four decode workers share four requests.
    ("aiconfigurator_serving", {"chip": "GB200", "quantity": "tpot", "workload": "kimi-k2.5", "accelerators": 8, "concurrency": 1}, 0.005316831),
    ("inferencex_dashboard", {"chip": "B200", "quantity": "output_throughput", "accelerators": 8, "phase": "serve"}, 97.082266),
    ("inferencex_dashboard", {"chip": "B200", "quantity": "total_throughput", "accelerators": 44}, 49.275708),
    ("inferencex_dashboard", {"chip": "B200", "quantity": "tpot", "accelerators": 8, "phase": "decode", "concurrency": 1.2}, 1 / 309.169949),
    ("inferencex_dashboard", {"chip": "MI355X", "quantity": "power", "accelerators": 4, "concurrency": 4}, 628.907),
    ("inferencex_blog", {"chip": "H200-SXM", "quantity": "total_throughput", "workload": "glm-5", "accelerators": 8}, 347.9),
    ("inferencex_blog", {"chip": "H200-SXM", "quantity": "tpot", "workload": "glm-5", "concurrency": 4}, 0.01184),
    ("inferencex_power_issues", {"chip": "H100-SXM", "quantity": "power", "scope": "system", "accelerators": 2}, 794.0),
    ("inferencex_power_issues", {"chip": "H100-SXM", "quantity": "tpot", "workload": "gpt-oss-120b", "accelerators": 2}, 0.01521),
    ("inferencex_power_issues", {"chip": "H200-SXM", "quantity": "power", "workload": ""}, 2381.25),
    ("inferencex_power_issues", {"chip": "MI325X", "quantity": "power", "scope": "accelerator"}, 421.0),
    ("inferencex_runs", {"chip": "B200", "quantity": "power", "concurrency": 128}, 557.7),
    ("inferencex_runs", {"chip": "B200", "quantity": "output_throughput", "concurrency": 128, "accelerators": 8}, 4780.3151857),
    ("inferencex_runs", {"chip": "H200-SXM", "quantity": "tpot", "workload": "glm-5", "input_tokens": 10240, "concurrency": 16}, 0.14105192),
    ("inferencex_runs", {"chip": "MI300X", "quantity": "total_throughput", "concurrency": 256, "accelerators": 8}, 905.0),
]  # fmt: skip


@pytest.mark.parametrize("name, wanted, value", RUNS)
def test_runs(raw_dir, name, wanted, value):
    frame = ingested(name, raw_dir)
    for column, cell in wanted.items():
        frame = frame[frame[column] == cell]
    assert np.isclose(frame["value"], value, rtol=1e-5, atol=5e-9).any()


@pytest.mark.parametrize("name", ALL)
def test_every_row_has_its_chip_and_origin(raw_dir, name):
    frame = ingested(name, raw_dir)
    assert len(frame) > 100
    assert set(frame["architecture"]) <= {"ampere", "ada", "hopper", "blackwell", "cdna3", "cdna4", "xe"}
    assert set(frame["origin"]) <= {"inferencex", "aiconfigurator", "rocm/transformerengine"}
    assert not frame["profile"].str.contains("Users").any()
    assert not frame["url"].str.contains("Users").any()
    kept = frame[frame["quarantine"] == ""]
    assert kept["value"].gt(0).all()
    assert len(kept) > 0.6 * len(frame)


def test_one_run_in_two_sources(raw_dir):
    """Half of the sample's DeepSeek-R1 runs are runs of the dashboard's captures, and say so."""
    dashboard, sample = ingested("inferencex_dashboard", raw_dir), ingested("aiconfigurator_serving", raw_dir)
    published = sample[(sample["origin"] == "inferencex") & (sample["workload"] == "deepseek-r1")]
    assert published["run"].isin(set(dashboard["run"])).mean() > 0.5


def test_lengths_are_those_of_the_draw(raw_dir):
    """A request's time after its first token, over its time a token, is 0.9 of the stated answer."""
    frame = ingested("inferencex_dashboard", raw_dir)
    frame = frame[(frame["quarantine"] == "") & (frame["phase"] == "serve")]
    wide = frame.pivot_table(
        index=["profile", "run", "accelerators", "output_tokens"], columns="quantity", values="value"
    )
    wide = wide.dropna(subset=["ttft", "tpot", "e2e_latency"]).reset_index()
    answer = (wide["e2e_latency"] - wide["ttft"]) / wide["tpot"] + 1
    assert (answer / wide["output_tokens"]).median() == pytest.approx(1.0, abs=0.01)
