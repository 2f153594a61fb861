"""The reader of vLLM's serving results, against a real file and small ones written here."""

import io
import json

import numpy as np
import pytest

from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Measurements
from fingerprint.readers import vllm_serving

#: A run as a recent version saves it, figures chosen for easy sums.
RUN = {
    "date": "20260102-030405",
    "backend": "openai",
    "model_id": "meta-llama/Llama-3.1-70B-Instruct",
    "tokenizer_id": "meta-llama/Llama-3.1-70B-Instruct",
    "num_prompts": 100,
    "request_rate": "inf",
    "burstiness": 1.0,
    "max_concurrency": 16,
    "duration": 50.0,
    "completed": 100,
    "total_input_tokens": 102400,
    "total_output_tokens": 12800,
    "request_throughput": 2.0,
    "output_throughput": 256.0,
    "total_token_throughput": 2304.0,
    "mean_ttft_ms": 80.0,
    "p99_ttft_ms": 250.0,
    "mean_tpot_ms": 20.0,
    "std_tpot_ms": 3.0,
    "median_e2el_ms": 2600.0,
    "itls": [[0.02, 0.02]],
    "generated_texts": ["a secret answer"],
}


def read(*runs: object) -> Measurements:
    text = "\n".join(run if isinstance(run, str) else json.dumps(run) for run in runs)
    return vllm_serving.read(io.StringIO(text), "run.json")


def value(table: Measurements, quantity: str, statistic: str = "") -> float:
    chosen = table.word("quantity").equals(quantity) & table.word("statistic").equals(statistic)
    (found,) = table.number("value")[chosen]
    return float(found)


def test_real_file(examples_dir):
    """The figures of a real run come out in SI units, its lengths as means over requests."""
    path = examples_dir / "vllm_bench_serve" / "h100_sxm_llama3-8b_tp1.json"
    text = path.read_text()
    table = vllm_serving.read(io.StringIO(text), path.name)
    assert vllm_serving.sniff(text[:65536]) > 0.9
    assert value(table, "output_throughput") == pytest.approx(347.8919, rel=1e-6)
    assert value(table, "input_throughput") == pytest.approx(255.0959, rel=1e-6)
    assert value(table, "ttft", "mean") == pytest.approx(0.0624264, rel=1e-5)
    assert value(table, "tpot", "median") == pytest.approx(0.00755826, rel=1e-5)
    assert value(table, "itl", "p99") == pytest.approx(0.0752779, rel=1e-5)
    assert value(table, "e2e_latency", "mean") == pytest.approx(1.4317762, rel=1e-6)
    record = table.record(0)
    assert record["workload"] == "llama-3-8b"
    assert record["input_tokens"] == pytest.approx(136.9)
    assert record["output_tokens"] == pytest.approx(186.7)
    assert "accelerators" not in record
    assert table.identity == {}


def test_new_keys():
    """Rates stay per second, milliseconds become seconds, spreads are left out."""
    table = read(RUN)
    assert value(table, "total_throughput") == 2304.0
    assert value(table, "throughput") == 2.0
    assert value(table, "tpot", "mean") == pytest.approx(0.020)
    assert value(table, "ttft", "p99") == pytest.approx(0.250)
    assert value(table, "e2e_latency", "median") == pytest.approx(2.6)
    assert len(table) == 7
    record = table.record(0)
    assert (record["input_tokens"], record["output_tokens"], record["concurrency"]) == (1024.0, 128.0, 16.0)
    assert (record["tool"], record["phase"], record["workload"]) == ("serving", "serve", "llama-3.1-70b")


def test_requests_in_flight_without_a_stated_limit():
    """Little's law gives the requests in flight: rate times mean time in the system."""
    run = {k: v for k, v in RUN.items() if k != "max_concurrency"} | {"mean_e2el_ms": 2500.0}
    assert read(run).record(0)["concurrency"] == pytest.approx(2.0 * 2.5)
    del run["mean_e2el_ms"]
    assert read(run).record(0)["concurrency"] == pytest.approx(2.0 * (0.080 + 127 * 0.020))


def test_metadata():
    """Parallel sizes give the accelerators, a GPU's name goes to identity and nowhere else."""
    table = read(
        RUN | {"tensor_parallel_size": "4", "pipeline_parallel_size": "2", "gpu": "NVIDIA H20", "image": "v0.9"}
    )
    assert np.all(table.number("accelerators") == 8.0)
    assert table.identity == {"run.json": ("NVIDIA H20",)}
    assert not any("H20" in str(table.record(i)) for i in range(len(table)))
    assert not any("accelerators" in note for note in table.notes)


def test_unknown_count_is_said():
    """A file without parallel sizes leaves the count empty and says what to record."""
    assert any("tensor_parallel_size" in note for note in read(RUN).notes)


def test_appended_runs():
    """Runs one after another are one profile; different named hardware makes different ones."""
    same = read(RUN, RUN | {"max_concurrency": 64})
    assert same.profiles == ("run.json",)
    assert set(same.number("concurrency")) == {16.0, 64.0}
    two = read(RUN | {"gpu": "H100"}, RUN | {"gpu": "B200"})
    assert two.identity == {"run.json:1": ("H100",), "run.json:2": ("B200",)}
    assert two.profiles == ("run.json:1", "run.json:2")


def test_array_of_runs():
    """A JSON array of runs reads like the runs."""
    assert len(read(json.dumps([RUN, RUN]))) == 2 * len(read(RUN))


def test_texts_are_never_kept():
    """Prompts and answers in the file don't survive reading."""
    table = read(RUN)
    assert "secret" not in repr(table)
    assert "generated_texts" not in vllm_serving._without_texts(list(RUN.items()))


@pytest.mark.parametrize(
    ("model", "arithmetic", "weights"),
    [
        ("neuralmagic/Meta-Llama-3-8B-Instruct-FP8", "fp8", ""),
        ("Qwen/Qwen2.5-32B-Instruct-AWQ", "", "int4"),
        ("Qwen/Qwen2.5-32B-Instruct-GPTQ-Int8", "", "int8"),
        ("nvidia/Llama-3.3-70B-Instruct-NVFP4", "", "fp4"),
        ("meta-llama/Llama-3.1-8B-Instruct", "", ""),
    ],
)
def test_formats_of_checkpoints(model, arithmetic, weights):
    """A checkpoint's name tells its number formats, as far as it does."""
    table = read(RUN | {"model_id": model})
    assert (table.word("precision")[0], table.word("weight_precision")[0]) == (arithmetic, weights)


def test_unknown_model():
    """A model that nobody knows keeps a name, with a note."""
    table = read(RUN | {"model_id": "acme/Foo Model-9B"})
    assert table.word("workload")[0] == "foo-model-9b"
    assert any("Foo Model" in note for note in table.notes)


def test_nothing_measured_is_left_out():
    """Zero and NaN figures of a run stay out; a run without any figure is an error."""
    table = read(RUN | {"mean_tpot_ms": 0.0, "mean_ttft_ms": float("nan")})
    assert len(table) == 5
    dead = {k: 0 if isinstance(v, float) else v for k, v in RUN.items()} | {"completed": 0}
    with pytest.raises(InputError, match="no request completed"):
        read(dead)


def test_cut_short():
    """A file cut anywhere is an error that says so, never a shorter result."""
    whole = json.dumps(RUN, indent=1)
    for length in range(1, len(whole), 37):
        with pytest.raises(InputError, match=r"run\.json"):
            read(whole[:length])
    with pytest.raises(InputError, match="cut short"):
        read(json.dumps(RUN) + "\n" + whole[: len(whole) // 2])


@pytest.mark.parametrize("text", ["3", "[1, 2]", '"text"', "null", "{}", '{"quantity": 1}', "[]"])
def test_other_json(text):
    """JSON that is no run is refused."""
    with pytest.raises(FormatError, match="run"):
        read(text)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"output_throughput": ' + "9" * 5000 + "}"], ids=["deep", "long"])
def test_absurd_json(text):
    """JSON beyond what the parser takes is a clear error too."""
    with pytest.raises(FormatError, match="nested too deeply"):
        read(text)


@pytest.mark.parametrize(("key", "bad"), [("output_throughput", "fast"), ("mean_ttft_ms", -1.0), ("completed", [3])])
def test_figures_that_cannot_be(key, bad):
    """A figure that is no number, or negative, is an error that names its key."""
    with pytest.raises(InputError, match=key):
        read(RUN | {key: bad})


@pytest.mark.parametrize(
    "head", ["", "hello", '{"hw": "h100", "tput_per_gpu": 3, "output_throughput": 1}', '[{"quantity": "ttft"}]']
)
def test_sniff_refuses(head):
    """Text of other kinds isn't taken for a serving result."""
    assert vllm_serving.sniff(head) == 0.0


def test_sniff_without_the_latencies():
    """Per-request arrays may push the latencies out of the head; the rates before them are enough."""
    head = json.dumps(RUN)[: json.dumps(RUN).index('"mean_ttft_ms"')] + '"itls": [[0.02'
    assert vllm_serving.sniff(head) > 0.9


# Written from SGLang's format definition, not copied.
SGLANG = {
    "tag": None, "backend": "sglang", "dataset_name": "random", "request_rate": float("inf"), "max_concurrency": 64,
    "sharegpt_output_len": None, "random_input_len": 1024, "random_output_len": 256, "random_range_ratio": 1.0,
    "server_info": {"model_path": "Qwen/Qwen3-235B-A22B-FP8", "tp_size": 8, "dp_size": 8, "pp_size": 1, "enable_dp_attention": True,
                    "host": "10.0.0.9", "internal_states": [{"last_gen_throughput": 5.0}], "kv_cache_dtype": "auto"},
    "duration": 32.0, "completed": 128, "total_input_tokens": 131072, "total_output_tokens": 32768,
    "request_throughput": 4.0, "input_throughput": 4096.0, "output_throughput": 1024.0, "total_throughput": 5120.0,
    "mean_e2e_latency_ms": 12000.0, "p90_ttft_ms": 300.0, "mean_ttft_ms": 200.0, "mean_tpot_ms": 40.0, "max_itl_ms": 900.0,
    "concurrency": 48.0, "accept_length": 2.5,
}  # fmt: skip


def test_sglang_lines():
    """SGLang's line: its server's parallel sizes and model are taken, everything else of the server is dropped."""
    table = read(SGLANG, SGLANG | {"max_concurrency": 32, "concurrency": 31.0, "accept_length": None})
    assert vllm_serving.sniff(json.dumps(SGLANG)) > 0.9
    assert len(table) == 16
    assert value(table.take(table.number("concurrency") == 48.0), "total_throughput") == 5120.0
    assert value(table.take(table.number("concurrency") == 48.0), "ttft", "p90") == pytest.approx(0.3)
    record = table.record(0)
    assert (record["workload"], record["precision"]) == ("qwen3-235b-a22b", "fp8")
    assert record["accelerators"] == 8.0  # attention's data-parallel ranks are the tensor-parallel ones
    assert set(table.number("concurrency")) == {48.0, 31.0}
    assert any("2.5 tokens a step" in note for note in table.notes)
    assert "10.0.0.9" not in repr(table)
    assert table.identity == {}
