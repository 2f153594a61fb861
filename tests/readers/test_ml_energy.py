"""The reader of ML.ENERGY's data, on documents written here and, where present, the published ones."""

import io
import json

import pytest

import fingerprint
from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Measurements
from fingerprint.readers import ml_energy, vllm_serving

# Written from the tool's format definition, not copied
SERVED = {"gpu_model": "B200", "model_id": "Qwen/Qwen3-14B", "num_gpus": 2, "weight_precision": "bfloat16", "avg_batch_size": 8.5,
          "avg_output_len": 700.0, "output_throughput_tokens_per_sec": 234.0, "median_itl_ms": 33.6, "p99_itl_ms": 68.6,
          "energy_per_token_joules": 1.37, "avg_power_watts": 320.0}  # fmt: skip
SMALL = {"Model": "meta-llama/Meta-Llama-3.1-8B-Instruct", "GPU": "NVIDIA H100 80GB HBM3", "TP": 1, "PP": 1, "Energy/req (J)": 88.4,
         "Avg TPOT (s)": 0.069, "Token tput (tok/s)": 747.6, "Avg Output Tokens": 152.2, "Avg BS (reqs)": 63.5, "Max BS (reqs)": 64}  # fmt: skip
RESULTS = {"model_id": "Qwen/Qwen3-8B", "gpu_model": "H100", "num_gpus": 1, "completed": 10, "num_prompts": 10, "total_output_tokens": 6000,
           "output_throughput": 4890.4, "steady_state_duration": 100.0, "steady_state_energy": 54000.0,
           "steady_state_energy_per_token": 0.0935, "mean_ttft_ms": 150.0, "results": [{"output_text": "secret", "itl": [0.01]}]}  # fmt: skip


def read(document: object) -> Measurements:
    text = document if isinstance(document, str) else json.dumps(document)
    return ml_energy.read(io.StringIO(text), "run.json")


def figures(table: Measurements) -> dict[str, float]:
    rows = [table.record(i) for i in range(len(table))]
    return {f"{r['quantity']} {r.get('statistic', '')}".strip(): r["value"] for r in rows}


def test_real_tasks(raw_dir):
    """A published task gives its first configuration's figures, a profile for each model of GPU."""
    table = fingerprint.read(raw_dir / "micro/ml_energy_v3/upstream/public/data/tasks/gpqa.json.gz")
    first = figures(table.take(table.row == 1))
    assert first["output_throughput"] == pytest.approx(234.06050523961807)
    assert first["itl median"] == pytest.approx(0.03362808651581872)
    assert first["power mean"] == pytest.approx(319.7883095908309)
    assert first["energy_per_token"] == pytest.approx(1.3662634337367148)
    assert table.identity == {"gpqa.json.gz:1": ("B200",), "gpqa.json.gz:2": ("H100",)}


def test_task():
    """A task's configurations keep their model, precision, count and load; hardware is identity alone."""
    table = read({"task": "gpqa", "configurations": [SERVED, SERVED | {"gpu_model": "H100"}]})
    assert figures(table) == pytest.approx(
        {"output_throughput": 234.0, "itl median": 0.0336, "itl p99": 0.0686, "energy_per_token": 1.37, "power mean": 320.0}
    )
    record = table.record(0)
    assert (record["workload"], record["precision"], record["accelerators"]) == ("qwen3-14b", "bf16", 2)
    assert (record["concurrency"], record["output_tokens"]) == (8.5, 700.0)
    assert table.identity == {"run.json:1": ("B200",), "run.json:2": ("H100",)}


def test_images():
    """Images a second, a batch's latency and an image's energy are those of an engine."""
    entry = {"gpu_model": "H100", "model_id": "x/unknown-model", "num_gpus": 1, "batch_size": 4, "batch_latency_s": 2.5,
             "throughput_images_per_sec": 1.6, "energy_per_image_joules": 342.0}  # fmt: skip
    table = read({"configurations": [entry]})
    assert figures(table) == pytest.approx({"latency": 2.5, "throughput": 1.6, "energy_per_sample": 342.0})
    assert table.record(0)["batch"] == 4
    assert "not known" in table.notes[0]


def test_version_two():
    """Version 2's small file gives throughput, time per token and energy a request."""
    table = read(SMALL)
    assert figures(table) == pytest.approx({"output_throughput": 747.6, "tpot mean": 0.069, "energy_per_sample mean": 88.4})
    assert table.record(0)["accelerators"] == 1
    assert table.identity == {"run.json": ("NVIDIA H100 80GB HBM3",)}


def test_results():
    """A run's own result gives its power from energy and time; answers in it are dropped."""
    text = json.dumps(RESULTS)
    assert ml_energy.sniff(text) >= vllm_serving.sniff(text)
    assert fingerprint.readers._detect(text, "x").NAME == "ml-energy"
    table = read(text)
    assert figures(table)["power mean"] == pytest.approx(540.0)
    assert figures(table)["output_throughput"] == pytest.approx(4890.4)
    assert table.record(0)["output_tokens"] == 600
    assert "secret" not in str(table.to_frame())


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ("", FormatError),
        ("{", InputError),
        ('{"configurations": ' + "[" * 10_000, FormatError),
        (json.dumps(SERVED)[:-30], InputError),
        (json.dumps({"configurations": [SERVED, SERVED]})[:-30], InputError),
        ({"configurations": {"a": 1}}, FormatError),
        ({"configurations": [1, None, "x", []]}, FormatError),
        ({"configurations": [{"energy_per_token_joules": -1}]}, InputError),
        ('{"energy_per_token_joules": 1e400, "output_throughput_tokens_per_sec": 1e300}', InputError),
        ({"energy_per_token_joules": "/etc/passwd"}, FormatError),
    ],
)
def test_unusable(document, error):
    """Damaged or foreign JSON and absurd figures end in one clear error."""
    with pytest.raises(error):
        read(document)
