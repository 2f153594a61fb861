"""The reader of golden values and of the Trainer's state."""

import io
import json
import random

import pytest

from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Measurements
from fingerprint.readers import read as read_any
from fingerprint.readers import training_records as reader


def read(record: object, name: str = "golden.json") -> Measurements:
    return reader.read(io.StringIO(record if isinstance(record, str) else json.dumps(record)), name)


def figures(table: Measurements) -> dict[str, float]:
    return {r["quantity"]: r["value"] for r in map(table.record, range(len(table)))}


# Both written from the tools' format definitions, not copied.
GOLDEN = {
    "lm loss": {"start_step": 1, "end_step": 5, "step_interval": 1, "values": {"1": 10.1, "2": 10.0}},
    "iteration-time": {"start_step": 1, "end_step": 5, "step_interval": 1, "values": {"1": "nan", "2": 9.5, "3": 1.2, "4": 1.4, "5": 1.3}},
}
STATE = {
    "epoch": 3.0, "global_step": 300, "max_steps": 300, "num_input_tokens_seen": 0, "total_flos": 1e15, "train_batch_size": 8,
    "log_history": [
        {"epoch": 1.0, "loss": 2.0, "step": 100},
        {"epoch": 3.0, "step": 300, "total_flos": 1e15, "train_loss": 1.5, "train_runtime": 100.0,
         "train_samples_per_second": 96.0, "train_steps_per_second": 3.0},
    ],
}  # fmt: skip


@pytest.mark.parametrize("file, step", [("a100", 2.586845), ("h100", 1.11493)])
def test_real_golden_values(examples_dir, file, step):
    """A100: the mean of 2.57769 and 2.596 s. H100: the middle of eleven steps without the first, 5.85564 s."""
    table = read_any(examples_dir / "megatron_golden" / f"{file}_gpt3_7b_tp4_pp1_golden_values.json")
    assert figures(table) == pytest.approx({"step_time": step})
    assert table.record(0)["tool"] == "training"
    assert table.identity == {}
    assert any("neither model" in note for note in table.notes)


def test_golden_values():
    """The first timed step compiles; values of the old layout are a list, or one mean."""
    assert figures(read(GOLDEN)) == {"step_time": 1.3}
    old = {"lm loss": {"start_step": 0, "end_step": 9, "step_interval": 5, "values": [1.0]}, "iteration_timing_avg": 0.25}
    assert figures(read(old)) == {"step_time": 0.25}
    nemo = {"reduced_train_loss": GOLDEN["lm loss"], "train_step_timing in s": {"step_interval": 1, "values": [7.0, 2.0, 2.5]}}
    assert figures(read(nemo)) == {"step_time": 2.25}


def test_trainer_state():
    """Samples a second of the last summary; 96 a second in 3 steps a second are batches of 32."""
    table = read(STATE)
    assert figures(table) == {"throughput": 96.0}
    assert table.record(0) | {"batch": 32.0, "unit": "sample/s", "scope": "system"} == table.record(0)
    assert figures(read(STATE | {"num_input_tokens_seen": 500_000}))["total_throughput"] == 5000.0


def test_train_results():
    """The summary alone, as train_results.json has it."""
    assert figures(read({"epoch": 1.0, "train_runtime": 10.0, "train_samples_per_second": 5.0})) == {"throughput": 5.0}


def test_detection():
    """By keys of the tools, not by suffix."""
    for record in (GOLDEN, STATE, {"train_runtime": 1, "train_samples_per_second": 2}):
        assert reader.sniff(json.dumps(record)) >= 0.9
        assert reader.sniff("\ufeff" + json.dumps(record, indent=4).replace("\n", "\r\n")) >= 0.9
    for text in ("", "[]", '{"throughput": 3}', '{"lm loss": 3}', "lm loss step_interval"):
        assert reader.sniff(text) == 0.0


@pytest.mark.parametrize(
    "record, error",
    [
        ("[1, 2]", FormatError),
        ('{"iteration-time": {"values": ' + "[" * 10_000, FormatError),
        ('{"log_history": [{"train_runtime": 3', InputError),
        ('{"a": 1]', FormatError),
        ({"log_history": [1, "x", None], "global_step": 3}, InputError),
        ({"iteration-time": {"values": {"1": -3, "2": "nan", "3": "/etc/passwd", "4": [], "5": 1e308 * 10}}}, InputError),
        ({"iteration-time": 7}, InputError),
        ('{"iteration-time": {"values": [' + "9" * 5000 + "]}}", FormatError),
    ],
)
def test_hostile_records(record, error):
    """One sentence with the file's name."""
    with pytest.raises(error, match=r"golden\.json"):
        read(record)


def test_damage_never_ends_in_a_traceback(survives):
    """Cut and flipped files give figures or an InputError."""
    dice = random.Random(3)
    for i in range(400):
        text = list(json.dumps((GOLDEN, STATE)[i % 2]))
        for _ in range(1 + i % 5):
            text[dice.randrange(len(text))] = dice.choice('0123456789{}[]",:eE.-Ω\x00')
        survives(read, "".join(text)[: dice.randrange(1, len(text)) if i % 3 else None])
