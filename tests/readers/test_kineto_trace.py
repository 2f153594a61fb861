"""The reader of PyTorch profiler traces, against real traces and small ones written here."""

import gzip
import io
import json

import pytest

from fingerprint import readers
from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import COLUMNS, Measurements
from fingerprint.readers import kineto_trace
from fingerprint.readers.json_stream import Members

# Written from the tool's format definition (pytorch/kineto output_json.cpp, PyTorch ParamCommsUtils), not copied.
DEVICES = [{"id": 0, "name": "NVIDIA H100 80GB HBM3", "totalGlobalMem": 85_000_000_000, "numSms": 132}]


def operator(identifier, name, dims, kind="c10::BFloat16", concrete=()):
    return {"ph": "X", "cat": "cpu_op", "name": name, "ts": 1, "dur": 60, "args": {
        "External id": identifier, "Input Dims": dims, "Input type": [kind if d else "" for d in dims],
        "Concrete Inputs": list(concrete)}}  # fmt: skip


def kernel(identifier, microseconds, **more):
    return {"ph": "X", "cat": "kernel", "name": "secret_sm90_kernel", "ts": 2, "dur": microseconds,
            "args": {"External id": identifier, "device": 0, "stream": 7, **more}}  # fmt: skip


def copy(name, size, microseconds):
    return {"ph": "X", "cat": "gpu_memcpy", "name": name, "ts": 2, "dur": microseconds,
            "args": {"External id": 1, "bytes": size, "memory bandwidth (GB/s)": size / microseconds / 1e3}}  # fmt: skip


def trace(*events, **more) -> str:
    return json.dumps({"schemaVersion": 1, "deviceProperties": DEVICES, "traceEvents": list(events), **more})


def read(*events) -> Measurements:
    return kineto_trace.read(io.StringIO(trace(*events)), "trace.json")


MM = [[4096, 8192], [8192, 1024]]
GEMM = (operator(5, "aten::mm", MM), kernel(5, 200.0))


@pytest.mark.parametrize(
    ("file", "shape", "seconds", "identity"),
    [
        ("h100_bert_small.json.gz", (141, 30522, 512), 41.28e-6, "NVIDIA H100 80GB HBM3"),
        ("mi300x_vllm_decode_noname.json.gz", (32, 201088, 2880), 276.678e-6, "a device without a name: 304 multiprocessors, 206 GB"),
    ],
)
def test_real_traces(examples_dir, file, shape, seconds, identity):
    """The one large product of a real trace comes out with its shape; the device stays out of the columns."""
    table = readers.read(examples_dir / "kineto_trace" / file)
    (row,) = (table.record(i) for i in range(len(table)))
    assert (row["m"], row["n"], row["k"], row["precision"]) == (*shape, "bf16")
    assert row["value"] == pytest.approx(seconds)
    assert table.identity == {file: (identity,)}
    assert identity not in [word for column in table.words.values() for word in column.words]
    assert all("so little work" in left.why for left in table.ignored)


@pytest.mark.parametrize(("file", "words"), [("a100_triton.json.gz", "no kernel of a"), ("mi250_toy.json.gz", "2 kinds of kernels")])
def test_real_traces_that_say_nothing(examples_dir, file, words):
    """A fused kernel of unknown work and a toy's products of 5 rows are no evidence, and the error says so."""
    with pytest.raises(InputError, match=words):
        readers.read(examples_dir / "kineto_trace" / file)


def test_a_product_is_timed_by_all_kernels_of_its_operator():
    """Split kernels of one call add up; the median over calls of one shape is the figure."""
    calls = [event for i, times in ((5, (150, 50)), (6, (300,)), (7, (100,)))
             for event in (operator(i, "aten::addmm", [[1024], *MM]), *(kernel(i, t) for t in times))]  # fmt: skip
    table = read(*calls, kernel(99, 1e5))
    assert len(table) == 1
    assert table.record(0) == {
        "profile": "trace.json", "tool": "kernel", "workload": "gemm", "phase": "kernel", "precision": "bf16", "statistic": "median",
        "scope": "accelerator", "quantity": "latency", "unit": "s", "m": 4096, "n": 1024, "k": 8192, "value": pytest.approx(200e-6),
    }  # fmt: skip


def test_events_in_any_order_and_older_spellings():
    """Kernels before operators, and ids that only the runtime call knows, give the same row."""
    bare = kernel(5, 200.0, correlation=1005)
    del bare["args"]["External id"]
    launch = {"ph": "X", "cat": "cuda_runtime", "name": "cudaLaunchKernel", "dur": 9, "args": {"external id": 5, "correlation": 1005}}
    first, second = read(*GEMM), read(bare, launch, GEMM[0])
    assert first.record(0) == second.record(0)
    assert (first.row[0], second.row[0]) == (1, 3)


def test_batches_types_and_packed_fours():
    """A batch's products count together; two 4-bit numbers share an element."""
    table = read(operator(1, "aten::bmm", [[16, 2048, 128], [16, 128, 2048]], "float"), kernel(1, 90),
                 operator(2, "aten::_scaled_mm", [[8192, 2048], [2048, 8192]], "c10::Float4_e2m1fn_x2"), kernel(2, 90))  # fmt: skip
    batched, packed = table.record(0), table.record(1)
    assert (batched["workload"], batched["groups"], batched["precision"], batched["k"]) == ("batched-gemm", 16, "fp32", 128)
    assert (packed["precision"], packed["k"]) == ("fp4", 4096)


FLASH = ["", "", "", "", "", "4096", "4096", "0.", "True", "False", "0.1", "", "", "", ""]


def flash(concrete, query=4096, keys=4096, ragged=()):
    dims = [[2, query, 32, 128], [2, keys, 8, 128], [2, keys, 8, 128], list(ragged), *[[]] * 11]
    return read(operator(3, "aten::_flash_attention_forward", dims, concrete=concrete), kernel(3, 1000.0), *GEMM)


def test_attention_by_its_mask():
    """Causal attention is a time of a known shape; without a mask the rate counts all pairs."""
    causal = flash(FLASH).record(0)
    assert (causal["workload"], causal["heads"], causal["kv_heads"], causal["input_tokens"]) == ("attention-prefill", 32, 8, 4096)
    assert causal["value"] == pytest.approx(1e-3)
    whole = flash([*FLASH[:8], "False", *FLASH[9:]]).record(0)
    assert whole["quantity"] == "compute_rate"
    assert whole["value"] == pytest.approx(4 * 2 * 32 * 128 * 4096 * 4096 / 1e-3)
    assert "heads" not in whole
    step = flash(FLASH, query=1).record(0)
    assert (step["workload"], step["context_tokens"]) == ("attention-decode", 4096)


@pytest.mark.parametrize(
    ("words", "options"),
    [("lengths", {"ragged": [3]}), ("longer keys", {"keys": 8192}), ("mask", {"concrete": [*FLASH[:11], "1024", "0", "", ""]})],
)
def test_attention_of_unknown_work_is_ignored(words, options):
    assert words in flash(**{"concrete": FLASH} | options).ignored[0].why


def test_collectives_take_the_fastest():
    """Bytes as nccl-tests counts them; what waited for other ranks is not the links' time."""
    said = {"Collective name": "_allgather_base", "In msg nelems": 1 << 20, "Out msg nelems": 1 << 23, "Group size": 8, "dtype": "BFloat16"}
    row = read(*(kernel(i, t, **said) for i, t in ((1, 900.0), (2, 60.0)))).record(0)
    assert (row["workload"], row["accelerators"], row["message_bytes"]) == ("all-gather", 8, 1 << 24)
    assert (row["statistic"], row["value"]) == ("min", pytest.approx(60e-6))


def test_copies():
    """A copy within the device reads and writes; pageable host memory says nothing of the chip."""
    table = read(copy("Memcpy DtoD (Device -> Device)", 10**9, 1000.0), copy("Memcpy HtoD (Pinned -> Device)", 10**8, 2000.0),
                 copy("Memcpy HtoD (Pageable -> Device)", 10**8, 2000.0))  # fmt: skip
    assert [table.record(i)["value"] for i in range(2)] == pytest.approx([2e12, 5e10])
    assert table.record(0)["working_set_bytes"] == 2e9
    assert "pageable" in table.ignored[0].why


def test_scrubbing_changes_no_figure():
    """Names of devices and kernels can be anything."""
    text = trace(*GEMM)
    lie = text.replace("NVIDIA H100 80GB HBM3", "NVIDIA B200").replace("secret_sm90_kernel", "gfx942")
    one, other = (kineto_trace.read(io.StringIO(t), "trace.json") for t in (text, lie))
    assert one.record(0) == other.record(0)
    assert (one.identity, other.identity) == ({"trace.json": ("NVIDIA H100 80GB HBM3",)}, {"trace.json": ("NVIDIA B200",)})
    assert set(one.record(0)) <= set(COLUMNS)


def test_an_id_that_two_operators_share_is_nobodys():
    """Traces of several ranks joined into one repeat their ids."""
    with pytest.raises(InputError, match="no kernel of a"):
        read(*GEMM, operator(5, "aten::mm", [[512, 512], [512, 512]]), copy("Memcpy DtoD", 0, 1))


def test_found_through_gzip_wherever_the_devices_stand():
    events = json.dumps({"traceEvents": [*GEMM, *[kernel(900, 1)] * 900], "deviceProperties": DEVICES})
    table = readers.read(io.BytesIO(gzip.compress(b"\xef\xbb\xbf\r\n" + events.encode())), name="t")
    assert len(table) == 1
    assert table.identity == {"t": ("NVIDIA H100 80GB HBM3",)}


def test_a_trace_cut_short_gives_what_it_holds():
    text = trace(*GEMM, *[operator(9, "aten::add", [[1], [1]])] * 50)
    table = kineto_trace.read(io.StringIO(text[: len(text) - 700]), "t")
    assert len(table) == 1
    assert "cut short after event 4" in table.notes[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (trace(), "without a GPU kernel"),
        (trace(kernel(1, 5.0)), "without the shapes"),
        (trace(operator(1, "aten::relu", [[5]]), kernel(1, 5.0)), "no kernel of a"),
        (trace(GEMM[0], kernel(5, 0.001)), "too small|not fully"),
        ('{"traceEvents": [' + "[" * 10_000, "nested too deeply"),
        ('{"traceEvents": [' + "9" * 10_000 + "]}", "too long"),
        ('{"traceEvents": [{"ph": X}, ' + " " * 50 + "]}", "no JSON"),
        ('["traceEvents"]', "expected '{'"),
        ('{"traceEvents"; 1}' + " " * 20, "expected ':'"),
        ("{5: 1}", "must be a text"),
        ("", "without a GPU kernel"),
    ],
)
def test_what_is_no_trace_ends_in_one_sentence(text, words):
    with pytest.raises((InputError, FormatError), match=words):
        kineto_trace.read(io.StringIO(text), "t")


@pytest.mark.parametrize("value", [-1, 0, 1e400, float("nan"), "/etc/passwd", None, True, [], {}, 10**30])
def test_absurd_numbers_are_left_out(value):
    """A damaged event costs its own figure, not the file."""
    bad = [operator(8, "aten::mm", [[value, 5], [5, value]]), operator(value, "aten::mm", MM),
           operator(7, value, [value, value]), operator(6, "aten::mm", MM, value), kernel(8, value), kernel(value, 8),
           {"cat": value, "args": value}, value, kernel(9, 9, **{"Collective name": "allreduce", "Group size": value, "dtype": "Half"}),
           copy("Memcpy DtoD", 1, 1) | {"dur": value}]  # fmt: skip
    assert read(*bad, *GEMM).record(0)["value"] == pytest.approx(200e-6)


def test_members_across_blocks(monkeypatch):
    """Members come out whole wherever the blocks end."""
    monkeypatch.setattr("fingerprint.readers.json_stream.BLOCK", 3)
    text = ' {"a" : 12.5e1, "events": [ {"b": [1, 2]} , -7, "x\\u00e9\ty" ], "c": {}, "events": null } tail'
    members = Members(io.StringIO(text), "events", "t")
    assert list(members) == [("a", 125.0), ("events", {"b": [1, 2]}), ("events", -7), ("events", "xé\ty"), ("c", {}), ("events", None)]
    assert not members.cut_short
    for end in range(len(text) - 6):
        short = Members(io.StringIO(text[:end]), "events", "t")
        assert len(list(short)) <= 6
        assert short.cut_short
