"""The reader of AIConfigurator's Parquet tables."""

import io
import random

import pytest

from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Measurements
from fingerprint.readers import aiconfigurator as reader
from fingerprint.readers import read as read_any

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

# Columns written from the tool's format definition, not copied.
COMMON = {"framework": "VLLM", "version": "1.0", "device": "NVIDIA X", "kernel_source": "default"}
GEMM = COMMON | {"op_name": "gemm", "gemm_dtype": "fp8", "m": 8, "n": 64, "k": 128, "latency": 0.5}
PREFILL = COMMON | {
    "op_name": "context_attention", "batch_size": 4, "isl": 1024, "num_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "window_size": 0,
    "beam_width": 1, "attn_dtype": "bfloat16", "kv_cache_dtype": "bfloat16", "step": 0, "latency": 2.0,
}  # fmt: skip
DECODE = PREFILL | {"op_name": "generation_attention", "isl": 1, "step": 4095, "kv_cache_dtype": "fp8"}
MOE = COMMON | {
    "op_name": "moe", "moe_dtype": "bfloat16", "num_tokens": 16, "hidden_size": 4096, "inter_size": 14336, "topk": 2, "num_experts": 8,
    "moe_tp_size": 2, "moe_ep_size": 1, "distribution": "balanced", "latency": 3.0,
}  # fmt: skip
NCCL = COMMON | {"op_name": "all_reduce", "nccl_dtype": "half", "num_gpus": 8, "message_size": 1024, "latency": 0.01}
BMM = COMMON | {"op_name": "mla_gen_post", "bmm_dtype": "bfloat16", "num_tokens": 16, "num_heads": 128, "latency": 0.1}
CAST = COMMON | {"op_name": "scale_matrix", "m": 32768, "k": 16384, "quant_dtype": "fp8", "latency": 1.0}


def parquet(*rows: dict) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), stream)
    return stream.getvalue()


def read(*rows: dict) -> Measurements:
    return read_any(io.BytesIO(parquet(*rows)), name="table.parquet")


@pytest.mark.parametrize(
    "file, device, rows, typed",
    [
        ("h100_sxm_nccl_2.29.2", "NVIDIA H100 80GB HBM3", 252,
         {1: (2, 512, 5.31e-6), 255: (4, 2048, 6.99e-6), 499: (8, 16_777_216, 119.83e-6)}),
        ("h200_sxm_nccl_2.29.2", "NVIDIA H200", 252, {2: (2, 1024, 5.08e-6), 254: (4, 1024, 7.11e-6), 499: (8, 16_777_216, 116.58e-6)}),
        ("a100_sxm_nccl_2.27.3", "NVIDIA A100-SXM4-80GB", 252,
         {1: (2, 512, 8.98e-6), 253: (4, 512, 10.75e-6), 499: (8, 16_777_216, 215.4e-6)}),
        ("b200_sxm_nccl_2.29.2", "NVIDIA B200", 252, {1: (2, 512, 8.84e-6), 253: (4, 512, 11.13e-6), 502: (8, 134_217_728, 390.21e-6)}),
        ("b300_sxm_nccl_2.29.2", "NVIDIA B300 SXM6 AC", 252,
         {1: (2, 512, 7.98e-6), 253: (4, 512, 10.65e-6), 502: (8, 134_217_728, 383.47e-6)}),
        ("gb200_nccl_2.29.2", "NVIDIA GB200", 168, {1: (2, 512, 9.36e-6), 169: (4, 512, 11.65e-6), 328: (4, 2_097_152, 26.02e-6)}),
    ],
)  # fmt: skip
def test_real_tables(examples_dir, file, device, rows, typed):
    """256 half-precision elements are 512 bytes; of FP16 and INT8 the faster counts; the device is identity alone."""
    name = f"{file}_perf.parquet"
    table = read_any(examples_dir / "aiconfigurator_parquet" / name)
    assert len(table) == rows
    at = {row: table.record(i) for i, row in enumerate(table.row.tolist()) if row in typed}
    assert {row: (r["accelerators"], r["message_bytes"], r["value"]) for row, r in at.items()} == {
        row: pytest.approx(values) for row, values in typed.items()
    }
    assert all(r["tool"] == "collective" for r in at.values())
    assert table.record(0)["workload"] == "all-gather"
    assert table.identity == {name: (device,)}
    assert set(table.number("accelerators")) <= {2.0, 4.0, 8.0}
    assert not any("NVIDIA" in word for column in table.words.values() for word in column.words)


def test_operators():
    """Milliseconds become seconds, and each operator's shape the table's columns."""
    gemm = read(GEMM, GEMM | {"latency": 0.4}, GEMM | {"gemm_dtype": "int4_wo"})
    assert [gemm.record(i)["value"] for i in range(2)] == [4e-4, 5e-4]
    assert gemm.record(1) | {"precision": "bf16", "weight_precision": "int4", "m": 8.0, "n": 64.0, "k": 128.0} == gemm.record(1)
    assert list(gemm.row) == [2, 3]
    prefill = read(PREFILL).record(0)
    assert prefill | {"workload": "attention-prefill", "batch": 4.0, "heads": 32.0, "kv_heads": 8.0, "input_tokens": 1024.0} == prefill
    decode = read(DECODE).record(0)
    assert decode | {"workload": "attention-decode", "context_tokens": 4096.0, "kv_precision": "fp8"} == decode
    assert "precision" not in decode
    moe = read(MOE).record(0)
    assert moe | {"workload": "moe", "m": 16.0, "k": 4096.0, "n": 7168.0, "groups": 8.0, "experts_per_token": 2.0} == moe
    bmm = read(BMM).record(0)
    assert bmm | {"workload": "batched-gemm", "m": 16.0, "n": 128.0, "k": 512.0, "groups": 128.0} == bmm
    cast = read(CAST).record(0)
    assert (cast["quantity"], cast["value"]) == ("bandwidth", 3.0 * 32768 * 16384 / 1e-3)


def test_power_is_a_figure_of_its_own():
    """Beside the latency, per accelerator."""
    table = read(GEMM | {"power": 412.0, "power_limit": 700.0})
    assert [(r["quantity"], r["value"]) for r in map(table.record, range(2))] == [("latency", 5e-4), ("power", 412.0)]
    assert table.record(1)["scope"] == "accelerator"


def test_rows_that_say_nothing_sound_are_named():
    """Windows, odd heads, caches of another precision, expert parallelism, host-bound FP8."""
    odd = (PREFILL | {"window_size": 128}, PREFILL | {"head_dim": 192}, PREFILL | {"kv_cache_dtype": "fp8"}, PREFILL | {"isl": 1})
    table = read(PREFILL, *odd)
    assert len(table) == 1
    assert len(table.ignored) == 3  # the window and the head share a reason
    block = GEMM | {"gemm_dtype": "fp8_block"}
    assert read(block, *(block | {"m": m, "latency": 2.1} for m in (16, 32))).row.tolist() == [2, 3]
    assert "expert parallelism" in read(MOE, MOE | {"moe_ep_size": 4}).ignored[0].why
    graph, eager = NCCL | {"kernel_source": "X_graph"}, NCCL | {"kernel_source": "X_eager", "latency": 0.001}
    assert read(graph, eager).record(0)["value"] == 1e-5


def test_devices_are_profiles():
    """Two devices in one table are two profiles, and neither name is in a column."""
    table = read(GEMM, GEMM | {"device": "NVIDIA Y"})
    assert table.identity == {"table.parquet:1": ("NVIDIA X",), "table.parquet:2": ("NVIDIA Y",)}
    plain = read({k: v for k, v in GEMM.items() if k != "device"})
    assert plain.identity == {}


def test_own_table_in_parquet_still_reads():
    """Columns decide: quantity, unit and value are the project's own."""
    assert read({"quantity": "compute_rate", "unit": "TFLOP/s", "value": 3.0}).record(0)["value"] == 3e12
    with pytest.raises(InputError, match="lacks the columns"):
        read({"a": 1})
    with pytest.raises(FormatError, match="is Parquet"):
        read_any(io.BytesIO(parquet(GEMM)), name="x", format="nccl-tests")
    assert reader.sniff("latency kernel_source") == 0.0
    with pytest.raises(FormatError, match="is text"):
        reader.read(io.StringIO("x"), "x")


@pytest.mark.parametrize(
    "row, error, message",
    [
        (COMMON | {"op_name": "computescale", "latency": 1.0}, FormatError, "operator that is not read"),
        (GEMM | {"latency": -1.0}, InputError, "no latency above zero"),
        (GEMM | {"latency": float("nan")}, InputError, "no latency above zero"),
        (GEMM | {"latency": "/etc/passwd"}, InputError, "Parquet"),
        (GEMM | {"m": -3}, InputError, "negative"),
        (GEMM | {"gemm_dtype": "fp3"}, InputError, "data type"),
        (GEMM | {"m": [1, 2]}, InputError, "Parquet"),
        (GEMM | {"gemm_dtype": None}, InputError, "data type"),
    ],
)
def test_hostile_tables(row, error, message):
    """One clear sentence."""
    with pytest.raises(error, match=message):
        read(row)


def test_damage_never_ends_in_a_traceback(survives):
    """Flipped and cut bytes give figures or an InputError."""
    whole = parquet(*(NCCL | {"message_size": 2**i} for i in range(30)))
    dice = random.Random(5)
    for i in range(300):
        content = bytearray(whole)
        for _ in range(1 + i % 4):
            content[dice.randrange(4, len(content))] = dice.randrange(256)
        survives(lambda whole: read_any(io.BytesIO(whole), name="x"), bytes(content[: dice.randrange(8, len(content)) if i % 5 == 0 else None]))
