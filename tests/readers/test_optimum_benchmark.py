"""The reader of optimum-benchmark."""

import io
import json
import random

import pytest

from fingerprint.errors import FormatError, InputError
from fingerprint.readers import optimum_benchmark, read_text
from fingerprint.readers import read as detect


# Written from the tool's format definition, not copied.
def latency(mean):
    return {"unit": "s", "values": [mean] * 3, "count": 3, "total": 3 * mean, "mean": mean, "p50": mean, "p90": mean * 1.1,
            "p95": mean * 1.2, "p99": mean * 1.3, "stdev": 0.0, "stdev_": 0.0}  # fmt: skip


MEMORY = {"unit": "MB", "max_ram": 900.0, "max_global_vram": 20000.0, "max_process_vram": 19000.0, "max_reserved": 18000.0}
BENCHMARK = {
    "config": {
        "backend": {"name": "pytorch", "model": "meta-llama/Llama-2-7b-hf", "device": "cuda", "device_ids": "0,1",
                    "torch_dtype": "float16", "quantization_scheme": None, "quantization_config": {}},
        "scenario": {"name": "inference", "_target_": "optimum_benchmark.scenarios.inference.scenario.InferenceScenario",
                     "input_shapes": {"batch_size": 4, "sequence_length": 256}, "generate_kwargs": {"max_new_tokens": 32}},
        "environment": {"cpu": " Intel", "gpu": ["NVIDIA A100-SXM4-80GB", "NVIDIA A100-SXM4-80GB", "NVIDIA DGX Display"],
                        "gpu_count": 5, "gpu_vram_mb": 85520809984, "optimum_benchmark_version": "0.6.0"},
    },
    "report": {
        "load_model": {"memory": MEMORY, "latency": latency(40.0), "throughput": None, "energy": None},
        "prefill": {"memory": MEMORY, "latency": latency(0.05), "throughput": {"unit": "samples/s", "value": 80.0}},
        "decode": {"memory": MEMORY, "latency": latency(0.62), "throughput": {"unit": "tokens/s", "value": 200.0},
                   "energy": {"unit": "kWh", "cpu": 1.0, "ram": 1.0, "gpu": 0.001, "total": 2.001}},
        "per_token": {"memory": None, "latency": latency(0.02), "throughput": None},
    },
}  # fmt: skip
PLAIN = """\
[ISOLATED-PROCESS][2025-01-01 00:00:00,000][report][INFO] - nothing
+ prefill:
\t+ latency:
\t\t+ count: 3
\t\t+ mean: 0.050000 (s)
\t\t+ p50: 0.049000 (s)
\t\t+ stdev_: 0.10 (%)
\t+ throughput:
\t\t+ throughput: 80.00 (samples/s)
+ decode:
\t+ throughput:
\t\t+ throughput: 200.00 (tokens/s)
"""


def read(content):
    return optimum_benchmark.read(io.StringIO(content if isinstance(content, str) else json.dumps(content)), "b")


def figures(table):
    rows = [table.record(i) for i in range(len(table))]
    return {(r["quantity"], r.get("phase", ""), r.get("statistic", "")): r["value"] for r in rows}


def test_real_json(examples_dir):
    """The whole file: prefill, decode and steps of an FP8 model, the GPU only in identity."""
    table = detect(examples_dir / "optimum_benchmark" / "h100_llama8b_fbgemm_benchmark.json")
    found = figures(table)
    assert found["latency", "prefill", "mean"] == pytest.approx(0.0302254, rel=1e-5)
    assert found["output_throughput", "decode", ""] == pytest.approx(33.83236, rel=1e-6)
    assert found["tpot", "decode", "median"] == pytest.approx(0.0294926, rel=1e-5)
    assert found["memory_used", "", "max"] == pytest.approx(10.238886e9, rel=1e-6)
    record = table.record(1)
    assert (record["workload"], record["precision"], record["accelerators"]) == ("llama-3.1-8b", "fp8", 1.0)
    assert (record["batch"], record["input_tokens"], record["output_tokens"]) == (1.0, 64.0, 64.0)
    assert table.identity == {"h100_llama8b_fbgemm_benchmark.json": ("NVIDIA H100 80GB HBM3",)}
    assert "H100" not in str([table.record(i) for i in range(len(table))])
    assert not any(number == 85520809984 for number in table.number("value"))


def test_real_markdown(examples_dir):
    """The report alone: the same figures, rounded, of an unknown model, and no identity."""
    table = detect(examples_dir / "optimum_benchmark" / "h100_llama8b_fbgemm_benchmark_report.md")
    found = figures(table)
    assert found["latency", "prefill", "p99"] == pytest.approx(0.030694)
    assert found["output_throughput", "decode", ""] == 33.83
    assert found["tpot", "decode", "mean"] == pytest.approx(0.029584)
    assert table.identity == {}
    assert table.row[1] == 25  # where "# prefill:" stands
    assert any("without its configuration" in note for note in table.notes)


def test_json():
    """The run's devices are counted, not the machine's; loading and derived rates are left out."""
    table = read_text(json.dumps(BENCHMARK, indent=4), "b")
    found = figures(table)
    assert found["output_throughput", "decode", ""] == 200.0
    assert found["latency", "prefill", "p90"] == pytest.approx(0.055)
    assert found["energy", "", ""] == pytest.approx(3600.0)
    assert 80.0 not in table.number("value")
    record = table.record(1)
    assert (record["accelerators"], record["batch"], record["precision"]) == (2.0, 4.0, "fp16")
    assert "load_model" in table.ignored[0].why
    assert table.identity == {"b": ("NVIDIA A100-SXM4-80GB", "NVIDIA DGX Display")}


@pytest.mark.parametrize("change", [str, lambda t: t.replace("\n", "\r\n"), lambda t: "\ufeff" + t])
def test_text(change):
    """The report as plain text."""
    found = figures(read_text(change(PLAIN), "b"))
    assert found == {
        ("latency", "prefill", "mean"): 0.05, ("latency", "prefill", "median"): 0.049, ("output_throughput", "decode", ""): 200.0
    }  # fmt: skip


@pytest.mark.parametrize(
    ("backend", "expected"),
    [({"quantization_scheme": "bnb", "quantization_config": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}}, ("", "fp4")),
     ({"quantization_scheme": "gptq", "quantization_config": {"bits": 4}}, ("", "int4")),
     ({"quantization_scheme": "bnb", "quantization_config": {"load_in_8bit": True}}, ("", "int8")),
     ({"torch_dtype": "bfloat16"}, ("bf16", ""))],
)  # fmt: skip
def test_precisions(backend, expected):
    """Quantised weights are widened before they multiply, as far as anybody states."""
    config = BENCHMARK["config"] | {"backend": BENCHMARK["config"]["backend"] | backend}
    table = read(BENCHMARK | {"config": config})
    assert (table.word("precision")[0], table.word("weight_precision")[0]) == expected


def test_images_and_training():
    """Other stages: a forward pass of an image model, training in samples a second."""
    config = {"backend": {"model": "microsoft/resnet-50", "device": "cuda", "device_ids": "0"}, "environment": {},
              "scenario": {"input_shapes": {"batch_size": 64, "sequence_length": 16}}}  # fmt: skip
    table = read({"config": config, "report": {"forward": {"latency": latency(0.1)}, "first_forward": {"latency": latency(3.0)}}})
    assert figures(table)["latency", "offline", "mean"] == 0.1
    assert "set-up" in table.ignored[0].why
    training = {"training_arguments": {"per_device_train_batch_size": 8}, "dataset_shapes": {"sequence_length": 128}}
    config |= {"scenario": training, "backend": {"model": "meta-llama/Llama-2-7b-hf", "device_ids": "0,1"}}
    table = read({"config": config, "report": {"train": {"throughput": {"unit": "samples/s", "value": 12.0}, "latency": latency(1)}}})
    record = table.record(0)
    assert (record["quantity"], record["phase"], record["tool"], record["value"]) == ("throughput", "train", "training", 12.0)
    assert (record["batch"], record["input_tokens"]) == (16.0, 128.0)


@pytest.mark.parametrize(
    "bad",
    [
        "{" * 100_000, '{"report": ' * 50_000, "{}", '{"report": {"prefill": []}}', '{"report": {"prefill": {"latency": {}}}}',
        json.dumps(BENCHMARK)[:-50], json.dumps(BENCHMARK).replace("200.0", "1e400"), json.dumps(BENCHMARK).replace("200.0", "-1"),
        json.dumps(BENCHMARK).replace("200.0", '"/etc/passwd"'), json.dumps(BENCHMARK).replace('"tokens/s"', '"bananas"'),
        "# prefill:\n\n## latency:\n", PLAIN.replace("0.050000", "soon"),
    ],
)  # fmt: skip
def test_hostile(bad):
    """Damage and values that can't be are errors of ours."""
    with pytest.raises(InputError):
        read(bad)


def test_damaged_anywhere(survives):
    """Any damage ends in a table or in an error of ours."""
    random.seed(5)
    for source in (PLAIN, json.dumps(BENCHMARK)) * 100:
        text = list(source)
        for _ in range(random.randint(1, 20)):
            text[random.randrange(len(text))] = chr(random.choice([0, 10, 27, 34, 45, 57, 91, 101, 123, 125, 255]))
        survives(read, "".join(text))


def test_other_text_is_refused():
    """Markdown of something else is refused."""
    with pytest.raises(FormatError, match="no stage"):
        read("# results:\n\n## memory:\n")
    assert optimum_benchmark.sniff("# prefill:\n\nnothing\n") == 0.0
