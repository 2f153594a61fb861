"""The reader of gpu-fryer, on outputs written here."""

import io
import json

import pytest

from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Measurements
from fingerprint.readers import gpu_fryer

# Written from the tool's format definition, not copied
TEXT = """Detected GPU #0: "NVIDIA H100 80GB HBM3" (a1b2c3d4-0000-0000-0000-000000000000)
Detected GPU #1: "NVIDIA H100 80GB HBM3" (a1b2c3d4-0000-0000-0000-000000000001)
Using precision(s):  BF16\x20
Creating random matrices
640 (703687 Gflops/s) - 641 (704787 Gflops/s) | Temperatures: 60°C - 61°C | Throttling: None - None
GPU #0: 701000 Gflops/s (min: 690000.00, max: 712000.00, dev: 701000.00)
         Temperature: 62.10°C (min: 60.00, max: 65.00)
GPU #1: 702500 Gflops/s (min: 691000.00, max: 713000.00, dev: 702500.00)
All GPUs seem healthy
"""
JSONL = "\n".join(
    json.dumps(entry)
    for entry in (
        {"type": "detected_gpus", "detected_gpus": [{"index": 0, "name": "NVIDIA A100", "uuid": "u"}]},
        {"type": "feature_detection", "bf16": False, "fp8": False, "fp32": True, "gpu_memory_used": []},
        {"type": "progress", "gpus": [{"gpu_idx": 0, "nops": 1, "flops": 999}]},
        {"type": "results", "gpus": [{"burn_result": {"gpu_idx": 0, "flops_max": 1}, "flops_avg": 1.3e14}]},
    )
)


def read(text: str) -> Measurements:
    return gpu_fryer.read(io.StringIO(text), "run.txt")


def test_text():
    """Each GPU's mean is a matrix product of 8192 in the stated precision; seconds of progress are not taken."""
    table = read(TEXT.replace("\n", "\r\n"))
    assert table.number("value").tolist() == pytest.approx([701e12, 702.5e12])
    record = table.record(0)
    assert (record["precision"], record["m"], record["n"], record["k"]) == ("bf16", 8192, 8192, 8192)
    assert table.identity == {"run.txt": ("NVIDIA H100 80GB HBM3",)}
    assert table.row.tolist() == [6, 8]


def test_json_lines():
    """The JSON Lines give the same; what the tool calls FP32 multiplies in TF32."""
    assert gpu_fryer.sniff(JSONL) == 1.0
    table = read("a log line {\n" + JSONL + '\n{"type": "resul')
    assert table.number("value").tolist() == pytest.approx([1.3e14])
    assert table.record(0)["precision"] == "tf32"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", FormatError),
        (TEXT.split("GPU #0: 7", maxsplit=1)[0], InputError),
        (TEXT.replace("BF16", "FP32 BF16"), InputError),
        ('{"type": "results", "gpus": {"a": 1}}', InputError),
        ('{"type": "results", "gpus": [{"burn_result": [], "flops_avg": "1e400"}, 3]}', InputError),
        ("[" * 10_000, FormatError),
        ('{"a":' * 10_000, FormatError),
    ],
)
def test_unusable(text, error):
    """An interrupted run, a run of two precisions at once and damage are refused."""
    with pytest.raises(error):
        read(text)
