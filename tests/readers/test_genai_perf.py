"""The reader of genai-perf's and AIPerf's summaries and records."""

import io
import json
import random

import pytest

from fingerprint.errors import FormatError, InputError
from fingerprint.readers import genai_perf, read_text

# Written from the tools' format definitions, not copied.
SUMMARY = {
    "schema_version": "1.4",
    "aiperf_version": "0.13.0",
    "request_throughput": {"unit": "requests/sec", "avg": 8.0},
    "request_latency": {"unit": "ms", "avg": 2000.0, "p50": 1900.0, "p90": 2400.0, "p95": 2500.0, "p99": 2600.0, "std": 5.0},
    "time_to_first_token": {"unit": "ms", "avg": 50.0, "p50": 45.0, "p90": 70.0, "p99": 90.0},
    "inter_token_latency": {"unit": "ms", "avg": 10.0, "p50": 9.5, "p90": 11.0, "p99": 12.0},
    "output_token_throughput": {"unit": "tokens/sec", "avg": 1600.0},
    "output_token_throughput_per_user": {"unit": "tokens/sec/user", "avg": 100.0},
    "input_sequence_length": {"unit": "tokens", "avg": 512.0},
    "output_sequence_length": {"unit": "tokens", "avg": 200.0},
    "input_config": {
        "models": {"items": [{"name": "Qwen/Qwen3-32B-FP8"}]},
        "phases": [{"concurrency": 24}],
        "dataset": {"messages": ["a secret prompt"]},
    },
    "telemetry_data": {"endpoints": {"localhost:9400": {"gpus": {
        "gpu_0": {"gpu_index": 0, "gpu_name": "NVIDIA H200", "gpu_uuid": "GPU-secret", "metrics": {
            "nvidia_power_usage": {"unit": "W", "avg": 600.0}, "nvidia_memory_used": {"unit": "GB", "avg": 100.0, "max": 120.0}}},
        "gpu_1": {"gpu_index": 1, "gpu_name": "NVIDIA H200", "gpu_uuid": "GPU-secret2",
                  "metrics": {"nvidia_power_usage": {"unit": "W", "avg": 75.0}}},
    }}}},
}  # fmt: skip
GENAI = {k: v for k, v in SUMMARY.items() if k not in ("schema_version", "aiperf_version", "telemetry_data")} | {
    "input_config": {"model_names": ["meta-llama/Llama-3.1-8B-Instruct"], "perf_analyzer": {"stimulus": {"concurrency": 24}}},
    "telemetry_stats": {
        "gpu_power_usage": {"unit": "W", "gpu0": {"avg": 500.0}},
        "gpu_power_limit": {"unit": "W", "gpu0": {"avg": 700.0}},
        "total_gpu_memory": {"unit": "GB", "gpu0": {"avg": 85.9}},
    },
}
CSV = """\
Metric,avg,min,max,p99,p95,p90,p75,p50,p25
Time To First Token (ms),50.00,40.00,95.00,90.00,80.00,70.00,60.00,45.00,42.00
Inter Token Latency (ms),10.00,9.00,13.00,12.00,11.50,11.00,10.50,9.50,9.20
Request Latency (ms),"2,000.00","1,800.00","2,700.00","2,600.00","2,500.00","2,400.00","2,100.00","1,900.00","1,850.00"
Output Sequence Length (tokens),200.00,200.00,200.00,200.00,200.00,200.00,200.00,200.00,200.00
Input Sequence Length (tokens),512.00,512.00,512.00,512.00,512.00,512.00,512.00,512.00,512.00

Metric,Value
Output Token Throughput (tokens/sec),"1,600.00"
Request Throughput (requests/sec),8.00

Metric,GPU,avg,min,max,p99
GPU Power Usage (W),gpu0,500.00,100.00,690.00,680.00

Metric,GPU,Value
GPU Power Limit (W),gpu0,700.00
"""


def test_a_real_aiperf_summary(raw_dir):
    """AIPerf 0.8 replaying agents' sessions: figures typed from the file; what counts its cached prompts is left out."""
    line = (raw_dir / "llm/inferencex_runs/mi355x_kimi_tp4_sweep.jsonl").read_text(encoding="utf-8").partition("\n")[0]
    table = read_text(json.dumps(json.loads(line)["data"]), "aiperf.json")
    found = {(r["quantity"], r.get("statistic", "")): r["value"] for r in map(table.record, range(len(table)))}
    assert found["throughput", ""] == pytest.approx(0.18104382541248012)
    assert found["output_throughput", ""] == pytest.approx(158.5366987952679)
    assert found["tpot", "mean"] == pytest.approx(0.08502510166624263)
    assert found["e2e_latency", "median"] == pytest.approx(86.793497513)
    assert not {"ttft", "total_throughput"} & {quantity for quantity, _ in found}
    assert any("95 % of the prompts" in note for note in table.notes)
    assert set(table.number("concurrency")) == {16.0}


def request(start, phase="profiling", **more):
    return {
        "metadata": {"session_num": 0, "request_start_ns": 10**18 + start * 10**9, "benchmark_phase": phase,
                     "request_end_ns": 10**18 + (start + 2) * 10**9, "was_cancelled": False},
        "metrics": {"time_to_first_token": {"value": 40.0 + start, "unit": "ms"}, "request_latency": {"value": 2000.0, "unit": "ms"},
                    "inter_token_latency": {"value": 10.0, "unit": "ms"}, "input_sequence_length": {"value": 512, "unit": "tokens"},
                    "output_sequence_length": {"value": 200, "unit": "tokens"},
                    "inter_chunk_latency": {"value": [9.0, 11.0], "unit": "ms"}},
        "error": None, **more,
    }  # fmt: skip


RECORDS = "".join(
    json.dumps(r) + "\n"
    for r in [request(500, "warmup"), *(request(i) for i in range(9)), request(900, error={"code": 499, "message": "a secret"})]
)


def read(content):
    return genai_perf.read(io.StringIO(content if isinstance(content, str) else json.dumps(content)), "export")


def figures(table):
    keys = zip(table.word("quantity"), table.word("statistic"), table.number("value"), strict=True)
    return {(quantity, statistic): value for quantity, statistic, value in keys}


def test_aiperf_summary():
    """Inter-token latency is a time per output token; the GPU at work gives power and memory; its name is identity."""
    table = read_text(json.dumps(SUMMARY, indent=2), "export")
    found = figures(table)
    assert found["output_throughput", ""] == 1600.0
    assert found["tpot", "median"] == pytest.approx(0.0095)
    assert found["ttft", "p99"] == pytest.approx(0.090)
    assert found["power", "mean"] == 600.0
    assert found["memory_used", "max"] == 120e9
    assert len(table) == 16
    record = table.record(0)
    assert (record["workload"], record["precision"], record["concurrency"]) == ("qwen3-32b", "fp8", 24.0)
    assert (record["input_tokens"], record["output_tokens"]) == (512.0, 200.0)
    assert "accelerators" not in record
    assert table.identity == {"export": ("NVIDIA H200",)}
    assert "not at work" in table.ignored[0].why
    assert "secret" not in repr(table)
    assert "H200" not in str([table.record(i) for i in range(len(table))])


def test_genai_perf_summary():
    """genai-perf's telemetry has another shape; limits and capacities are left out."""
    table = read_text(json.dumps(GENAI), "export")
    found = figures(table)
    assert found["power", "mean"] == 500.0
    assert found["e2e_latency", "p90"] == pytest.approx(2.4)
    assert not {700.0, 85.9e9} & set(table.number("value"))
    assert table.word("workload")[0] == "llama-3.1-8b"
    assert table.number("concurrency")[0] == 24.0


@pytest.mark.parametrize("change", [str, lambda t: t.replace("\n", "\r\n"), lambda t: "\ufeff" + t, lambda t: t[:-20]])
def test_csv(change):
    """Two tables with a blank row between, thousands set apart by commas, telemetry behind."""
    table = read_text(change(CSV), "export")
    found = figures(table)
    assert found["output_throughput", ""] == 1600.0
    assert found["e2e_latency", "mean"] == pytest.approx(2.0)
    assert found["ttft", "median"] == pytest.approx(0.045)
    assert found["power", "mean"] == 500.0
    assert len(table) == 15
    assert table.number("concurrency")[0] == pytest.approx(16.0)  # 8 a second, 2 s each


def test_records():
    """Successful requests of the measured phase are taken together."""
    table = read_text(RECORDS, "export")
    found = figures(table)
    assert found["throughput", ""] == pytest.approx(9 / 10)
    assert found["output_throughput", ""] == pytest.approx(1800 / 10)
    assert found["total_throughput", ""] == pytest.approx(9 * 712 / 10)
    assert found["ttft", "median"] == pytest.approx(0.044)
    assert found["tpot", "p99"] == pytest.approx(0.010)
    assert table.number("concurrency")[0] == pytest.approx(9 * 2.0 / 10)
    assert any("1 of 10 requests failed" in note for note in table.notes)
    assert "secret" not in repr(table)


def test_records_cut_short():
    """A last line cut short is named; one broken in the middle is an error."""
    assert read(RECORDS + RECORDS[:50]).ignored[0].why == "is cut short"
    lines = RECORDS.splitlines(keepends=True)
    with pytest.raises(InputError, match="line 3"):
        read("".join([*lines[:2], lines[2][:40] + "\n", *lines[3:]]))


def test_records_are_streamed():
    """Records are read one by one, never as a whole."""

    class Many(io.TextIOBase):
        lines = iter([json.dumps(request(i % 50)) + "\n" for i in range(2000)])

        def peek_text(self, characters):
            return json.dumps(request(0))

        def __iter__(self):
            return self.lines

        def read(self, size=-1):
            raise AssertionError("asked for everything at once")

    assert len(genai_perf.read(Many(), "export")) == 15


def test_a_run_that_did_not_finish_is_named():
    """Cancelled and incomplete runs are told."""
    assert any("cancelled" in note for note in read(SUMMARY | {"was_cancelled": True}).notes)


@pytest.mark.parametrize(
    "bad",
    [
        "[" * 100_000, '{"request_latency": ' * 5000, "{}", '{"request_latency": {"avg": {}}}', json.dumps(SUMMARY)[:-30],
        json.dumps(SUMMARY).replace("1600.0", "1e400"), json.dumps(SUMMARY).replace("1600.0", "-3"),
        json.dumps(SUMMARY).replace("1600.0", '"/etc/passwd"'), json.dumps(SUMMARY).replace('"tokens/sec"', '"bananas"'),
        json.dumps(request(1, "warmup")), '{"benchmark_phase": 3}', "Metric,Value\nRequest Throughput (requests/sec),fast\n",
        "Metric,Value\nnothing,1\n", "Metric,avg,min,max\n" + '"' * 999,
    ],
)  # fmt: skip
def test_hostile(bad):
    """Damage and values that can't be are errors of ours."""
    with pytest.raises(InputError):
        read(bad)


def test_damaged_anywhere(survives):
    """Any damage ends in a table or in an error of ours."""
    random.seed(3)
    for source in (CSV, RECORDS, json.dumps(SUMMARY)) * 60:
        text = list(source)
        for _ in range(random.randint(1, 20)):
            text[random.randrange(len(text))] = chr(random.choice([0, 10, 27, 34, 44, 45, 57, 91, 123, 125, 255]))
        survives(read, "".join(text))


def test_other_text_is_refused():
    """Neither other JSON nor other CSV is taken."""
    with pytest.raises(FormatError, match="AIPerf"):
        read('{"output_throughput": 3}')
    assert genai_perf.sniff("Metric,Value\nprice,3\n") == 0.0
