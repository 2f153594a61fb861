"""The reader of vLLM's latency and throughput benchmarks."""

import io
import json

import pytest

from fingerprint.errors import FormatError, InputError
from fingerprint.readers import read_text, vllm_offline

# Written from the tool's format definition, not copied.
LATENCY = {
    "avg_latency": 1.5,
    "std_latency": 0.1,
    "latencies": [1.4, 1.5, 1.6],
    "percentiles": {"10": 1.4, "25": 1.45, "50": 1.5, "75": 1.55, "90": 1.58, "99": 1.6},
}
THROUGHPUT = {
    "elapsed_time": 100.0,
    "num_requests": 1000,
    "total_num_tokens": 300000,
    "requests_per_second": 10.0,
    "tokens_per_second": 3000.0,
}
ARGUMENTS = {
    "model": "meta-llama/Llama-3.1-70B-Instruct", "tensor_parallel_size": 4, "pipeline_parallel_size": 2, "batch_size": 8,
    "input_len": 32, "output_len": 128, "dtype": "bfloat16", "quantization": None, "kv_cache_dtype": "fp8", "n": 1,
}  # fmt: skip


def with_arguments(metric, values, **extra):
    return {
        "benchmark": {"name": "vLLM benchmark", "extra_info": {"args": ARGUMENTS}},
        "model": {"name": ARGUMENTS["model"]},
        "metric": {"name": metric, "benchmark_values": values, "extra_info": extra},
    }


def read(content):
    return vllm_offline.read(io.StringIO(content if isinstance(content, str) else json.dumps(content)), "out.json")


def test_latency():
    """A batch's mean and percentiles are seconds; what the batch was is not known."""
    table = read_text(json.dumps(LATENCY, indent=4))
    assert list(zip(table.word("statistic"), table.number("value"), strict=True)) == [
        ("mean", 1.5), ("median", 1.5), ("p90", 1.58), ("p99", 1.6),
    ]  # fmt: skip
    assert set(table.word("quantity")) == {"e2e_latency"}
    assert "batch" not in table.record(0)
    assert any("pytorch.json" in note for note in table.notes)


def test_throughput():
    """Requests and all tokens a second."""
    table = read_text(json.dumps(THROUGHPUT))
    assert dict(zip(table.word("unit"), table.number("value"), strict=True)) == {"request/s": 10.0, "token/s": 3000.0}
    assert set(table.word("phase")) == {"offline"}


def test_with_arguments():
    """The form with arguments tells model, batch, lengths and accelerators."""
    table = read(
        [with_arguments("latency", LATENCY["latencies"], avg_latency=1.5, percentiles=LATENCY["percentiles"]),
         with_arguments("tokens_per_second", [3000.0]), with_arguments("std_ttft_ms", [1.0])]
    )  # fmt: skip
    record = table.record(0)
    assert (record["workload"], record["accelerators"], record["batch"]) == ("llama-3.1-70b", 8.0, 8.0)
    assert (record["input_tokens"], record["output_tokens"]) == (32.0, 128.0)
    assert (record["precision"], record["kv_precision"]) == ("bf16", "fp8")
    assert table.number("value")[-1] == 3000.0
    assert "std_ttft_ms" in table.ignored[0].why


@pytest.mark.parametrize("length", range(1, 300, 23))
def test_cut_short(length):
    """A file cut anywhere is an error."""
    with pytest.raises(InputError):
        read(json.dumps(LATENCY, indent=4)[: min(length, len(json.dumps(LATENCY, indent=4)) - 1)])


@pytest.mark.parametrize(
    "bad",
    [
        "[" * 100_000, "{}", "null", '{"avg_latency": ' + "9" * 5000 + "}", '{"avg_latency": -1, "latencies": []}',
        '{"avg_latency": 1e400, "latencies": []}', '{"avg_latency": NaN, "latencies": []}',
        '{"avg_latency": "/etc/passwd"}', '{"avg_latency": [1]}', '{"metric": {"benchmark_values": {"a": 1}}}',
        '{"metric": {"benchmark_values": [1], "name": []}}', '[[{"requests_per_second": {}}]]',
    ],
)  # fmt: skip
def test_hostile(bad):
    """Values that can't be are errors of ours."""
    with pytest.raises(InputError):
        read(bad)


def test_other_json_is_refused():
    """JSON of another tool is no result."""
    with pytest.raises(FormatError, match="vllm bench"):
        read({"output_throughput": 3})
    assert vllm_offline.sniff('{"output_throughput": 1, "mean_ttft_ms": 3}') == 0.0
