"""The reader of GuideLLM's reports."""

import io
import json

import pytest

from fingerprint.errors import FormatError, InputError
from fingerprint.readers import guidellm, read_text


# Written from the tool's format definition, not copied.
def spread(mean):
    summary = {"mean": mean, "median": mean * 0.9, "std_dev": 1.0, "min": 0.0, "max": mean * 3, "count": 50, "pdf": [[1, 2]],
               "percentiles": {"p001": 0.0, "p50": mean * 0.9, "p90": mean * 1.5, "p95": mean * 1.8, "p99": mean * 2}}  # fmt: skip
    return {"successful": summary, "incomplete": summary | {"mean": 1e9}, "errored": {}, "total": summary | {"mean": 1e9}}


def benchmark(streams, rate):
    return {
        "type_": "generative_benchmark",
        "config": {"strategy": {"type_": "concurrent", "streams": streams},
                   "backend": {"model": "RedHatAI/Qwen2.5-7B-Instruct-FP8-dynamic", "target": "http://10.1.2.3:8000"}},
        "metrics": {
            "requests_per_second": spread(rate), "request_concurrency": spread(streams - 0.5), "request_latency": spread(2.0),
            "prompt_token_count": spread(512.0), "output_token_count": spread(128.0), "time_to_first_token_ms": spread(40.0),
            "time_per_output_token_ms": spread(11.0), "inter_token_latency_ms": spread(10.0),
            "output_tokens_per_second": spread(128.0 * rate), "tokens_per_second": spread(640.0 * rate),
        },
        "requests": {"successful": [{"request_args": "a secret prompt", "output": "a secret answer"}]},
    }  # fmt: skip


REPORT = {
    "metadata": {"version": 2, "guidellm_version": "0.8.1", "python_version": "3.12", "platform": "Linux-x86_64"},
    "config": {"spec": {"data": [{"kind": "synthetic_text"}]}},
    "benchmarks": [benchmark(1, 2.0), benchmark(16, 20.0)],
}


def read(content):
    return guidellm.read(io.StringIO(content if isinstance(content, str) else json.dumps(content)), "benchmarks.json")


def test_report():
    """Successful requests count; the time per token after the first is the inter-token latency."""
    table = read_text(json.dumps(REPORT), "benchmarks.json")
    first = table.take(table.row == 1)
    found = {(q, s): v for q, s, v in zip(first.word("quantity"), first.word("statistic"), first.number("value"), strict=True)}
    assert found["output_throughput", ""] == 256.0
    assert found["throughput", ""] == 2.0
    assert found["ttft", "median"] == pytest.approx(0.036)
    assert found["tpot", "mean"] == pytest.approx(0.010)
    assert found["e2e_latency", "p99"] == pytest.approx(4.0)
    assert len(table) == 30
    record = table.record(len(table) - 1)
    assert (record["workload"], record["precision"], record["concurrency"]) == ("qwen2.5-7b", "fp8", 15.5)
    assert (record["input_tokens"], record["output_tokens"]) == (512.0, 128.0)
    assert "accelerators" not in record
    assert any("accelerators" in note for note in table.notes)


def test_texts_are_never_kept():
    """Prompts, answers and addresses don't survive reading."""
    assert "secret" not in repr(read(REPORT))
    assert "10.1.2.3" not in repr(read(REPORT))
    assert "requests" not in guidellm._without_texts(list(REPORT["benchmarks"][0].items()))


def test_older_report():
    """Version 1 kept the model with the worker."""
    old = benchmark(1, 2.0)
    del old["config"]
    old["worker"] = {"backend_model": "meta-llama/Llama-3.1-8B-Instruct"}
    table = read({"metadata": {"version": 1}, "args": {}, "benchmarks": [old]})
    assert table.word("workload")[0] == "llama-3.1-8b"
    assert guidellm.sniff(json.dumps({"benchmarks": [old]})) > 0.9


@pytest.mark.parametrize(
    "bad",
    [
        "[" * 100_000, "{}", '{"benchmarks": []}', '{"benchmarks": {"a": 1}}', '{"benchmarks": [[], 3, null]}',
        '{"benchmarks": [{"metrics": {"request_latency": [1]}}]}', json.dumps(REPORT)[:-100],
        json.dumps(REPORT).replace('"mean": 40.0', '"mean": -40.0'), json.dumps(REPORT).replace('"mean": 40.0', '"mean": 1e400'),
        json.dumps(REPORT).replace('"mean": 40.0', '"mean": "/etc/passwd"'),
    ],
)  # fmt: skip
def test_hostile(bad):
    """Damage and values that can't be are errors of ours."""
    with pytest.raises(InputError):
        read(bad)


def test_other_json_is_refused():
    """JSON without benchmarks is refused."""
    with pytest.raises(FormatError, match="GuideLLM"):
        read({"output_throughput": 3})
