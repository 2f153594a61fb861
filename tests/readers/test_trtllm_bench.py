"""The reader of TensorRT-LLM's benchmark reports."""

import io
import json
import random

import pytest

from fingerprint.errors import FormatError, InputError
from fingerprint.readers import read_text, trtllm_bench

# Written from the tool's format definition, not copied.
PERCENTILES = {"p50": 1000.0, "p90": 1100.0, "p95": 1150.0, "p99": 1200.0, "minimum": 900.0, "maximum": 1300.0, "average": 1010.0}  # fmt: skip
REPORT = {
    "engine": {"model": "nvidia/Llama-3.1-70B-Instruct-FP8", "model_path": "/scratch/secret", "version": "1.1.0",
               "backend": "Pytorch", "dtype": "bfloat16", "kv_cache_dtype": "FP8", "quantization": "FP8"},
    "machine": {"name": "NVIDIA H200", "memory.total": 139.8, "clocks.mem": 3.2},
    "world_info": {"tp_size": 4, "pp_size": 2, "ep_size": None, "world_size": 8, "max_batch_size": 2048},
    "request_info": {"num_requests": 100, "avg_num_concurrent_requests": 64.0, "avg_input_length": 1024.0,
                     "avg_output_length": 256.0},
    "performance": {"total_latency_ms": 9000.0, "avg_request_latency_ms": 1010.0, "request_throughput_req_s": 50.0,
                    "system_output_throughput_tok_s": 12800.0, "system_total_throughput_tok_s": 64000.0,
                    "output_throughput_per_user_tok_s": 250.0, "output_throughput_per_gpu_tok_s": 1600.0,
                    "request_latency_percentiles_ms": PERCENTILES},
    "streaming_metrics": {"token_output_speed_tok_s": 260.0, "avg_ttft_ms": 120.0, "avg_tpot_ms": 4.0,
                          "tpot_percentiles": {"p50": 3.9, "p99": 5.0}, "ttft_percentiles": {"p50": 110.0, "p90": 150.0}},
    "dataset": {"isl_stats": {}},
}  # fmt: skip

TEXT = """\
[12/01/2025-10:00:00] [TRT-LLM] [I] done
===========================================================
= PYTORCH BACKEND
===========================================================
Model:\t\t\tmeta-llama/Llama-3.1-70B-Instruct
Model Path:\t\t/scratch/secret
Dtype:\t\t\tbfloat16
KV Cache Dtype:\t\tNone
Quantization:\t\tNone

===========================================================
= MACHINE DETAILS
===========================================================
NVIDIA H200, memory 139.81 GB, 3.20 GHz

===========================================================
= REQUEST DETAILS
===========================================================
Number of requests:             100
Number of concurrent requests:  64.5000
Average Input Length (tokens):  1024.0000
Average Output Length (tokens): 256.0000
===========================================================
= WORLD + RUNTIME INFORMATION
===========================================================
TP Size:                4
PP Size:                2
EP Size:                None

===========================================================
= PERFORMANCE OVERVIEW
===========================================================
Request Throughput (req/sec):                     50.0000
Total Output Throughput (tokens/sec):             12800.0000
Total Token Throughput (tokens/sec):              64000.0000
Total Latency (ms):                               2000.0000
Average request latency (ms):                     1010.0000
Per User Output Throughput [w/ ctx] (tps/user):   250.0000
Per GPU Output Throughput (tps/gpu):              1600.0000
Average time-to-first-token [TTFT] (ms):          120.0000
Average time-per-output-token [TPOT] (ms):        4.0000

[TTFT] P50    : 110.0000
[Latency] P99    : 1200.0000
"""


def read(content):
    return trtllm_bench.read(io.StringIO(content if isinstance(content, str) else json.dumps(content)), "report")


def value(table, quantity, statistic=""):
    (found,) = table.number("value")[table.word("quantity").equals(quantity) & table.word("statistic").equals(statistic)]
    return float(found)


def test_json():
    """Rates of the whole system, milliseconds in seconds, the world's size as the count, the GPU only in identity."""
    table = read_text(json.dumps(REPORT, indent=4), "report")
    assert value(table, "output_throughput") == 12800.0
    assert value(table, "total_throughput") == 64000.0
    assert value(table, "e2e_latency", "mean") == pytest.approx(1.010)
    assert value(table, "e2e_latency", "p99") == pytest.approx(1.2)
    assert value(table, "tpot", "median") == pytest.approx(0.0039)
    assert len(table) == 13
    record = table.record(0)
    assert (record["accelerators"], record["concurrency"], record["workload"]) == (8.0, 64.0, "llama-3.1-70b")
    assert (record["precision"], record["kv_precision"]) == ("fp8", "fp8")
    assert table.identity == {"report": ("NVIDIA H200",)}
    assert "H200" not in str([table.record(i) for i in range(len(table))])
    assert "secret" not in repr(table)


def test_text():
    """The printed report says the same."""
    table = read_text(TEXT, "report")
    assert trtllm_bench.sniff(TEXT) == 1.0
    assert value(table, "output_throughput") == 12800.0
    assert value(table, "ttft", "median") == pytest.approx(0.110)
    assert value(table, "e2e_latency", "p99") == pytest.approx(1.2)
    record = table.record(0)
    assert (record["accelerators"], record["precision"], record["workload"]) == (8.0, "bf16", "llama-3.1-70b")
    assert table.identity == {"report": ("NVIDIA H200",)}


def test_two_reports_in_a_log():
    """Each report of a log keeps its own setting; other GPUs make other profiles."""
    table = read(TEXT + TEXT.replace("NVIDIA H200", "NVIDIA L40S").replace("TP Size:                4", "TP Size:                8"))
    assert table.identity == {"report:1": ("NVIDIA H200",), "report:2": ("NVIDIA L40S",)}
    assert set(table.number("accelerators")) == {8.0, 16.0}


def test_overview_alone():
    """Without the world's size the count is total over per GPU; without both it is not known."""
    overview = TEXT[TEXT.index("= PERFORMANCE") :]
    assert read(overview).record(0)["accelerators"] == 8.0
    old = "= STATISTICS\nToken Throughput (tokens/sec):  23405.9\nRequest Throughput (req/sec):   182.8\n"
    table = read(old)
    assert value(table, "output_throughput") == 23405.9  # of generated tokens, in those versions
    assert "accelerators" not in table.record(0)
    assert any("how many accelerators" in note for note in table.notes)


def test_no_report():
    """A log that never reached its report is refused."""
    with pytest.raises(FormatError, match="no report"):
        read("trtllm-bench --model x throughput\nout of memory\n")


@pytest.mark.parametrize(
    "bad",
    [
        '{"performance": ' + "[" * 100_000, '{"performance": []}', '{"world_info": 3, "performance": {"x": 1}}',
        json.dumps(REPORT)[:-200], json.dumps(REPORT).replace("12800.0", "1e400"),
        json.dumps(REPORT).replace("12800.0", "-1"), json.dumps(REPORT).replace("12800.0", '"/etc/passwd"'),
        json.dumps(REPORT).replace("12800.0", "[]"), TEXT.replace("12800.0000", "fast"),
    ],
)  # fmt: skip
def test_hostile(bad):
    """Values that can't be are errors of ours."""
    with pytest.raises(InputError):
        read(bad)


def test_damaged_anywhere(survives):
    """Any damage ends in a table or in an error of ours."""
    random.seed(2)
    for source in (TEXT, json.dumps(REPORT)) * 100:
        text = list(source)
        for _ in range(random.randint(1, 20)):
            text[random.randrange(len(text))] = chr(random.choice([0, 10, 27, 34, 45, 57, 91, 123, 125, 255]))
        survives(read, "".join(text))
