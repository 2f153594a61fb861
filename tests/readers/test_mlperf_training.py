"""The reader of MLPerf Training logs and submission folders."""

import io
import json
import random
from pathlib import Path

import pytest

from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Measurements
from fingerprint.readers import mlperf_training as reader
from fingerprint.readers import read as read_any


# Written from the tool's format definition, not copied.
def event(key: str, value: object = None, time: int = 0, **metadata: object) -> str:
    return ":::MLLOG " + json.dumps(
        {"namespace": "", "time_ms": 1_700_000_000_000 + time, "event_type": "POINT_IN_TIME", "key": key, "value": value,
         "metadata": {"file": "train.py", "lineno": 1, **metadata}}
    )  # fmt: skip


def log(*extra: str, benchmark: str = "llama2_70b_lora", platform: str = "2xNodeX8x4B200", status: str = "success", seconds: int = 600) -> str:
    lines = [
        event("submission_benchmark", benchmark), event("submission_platform", platform), event("global_batch_size", 8), "noise {",
        event("run_start", None, 1000), *extra, event("run_stop", None, 1000 + seconds * 1000, status=status),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def read(text: str, name: str = "result_0.txt") -> Measurements:
    return reader.read(io.StringIO(text), name)


def figures(table: Measurements) -> dict[str, float]:
    return {r["quantity"]: r["value"] for r in map(table.record, range(len(table)))}


RATE = event("tracked_stats", {"throughput": 5.5, "train_step_time": 1.4}, 2000)


@pytest.mark.parametrize(
    "file, workload, count, expected, named",
    [
        ("b200x8_dlrm_result_0.txt", "dlrm-v2", 8.0, (20967023.43170853, 150.046), "1xXE9680Lx8B200-SXM-180GB"),
        ("b300x8_dlrm_result_0.txt", "dlrm-v2", 8.0, (19730679.449139614, 159.449), "NVIDIA B300 SXM6 AC"),
        ("h200x8_rgat_result_1.txt", "rgat", 8.0, (181009.80335731414, 442.462), "1xXE9680x8H200-SXM-141GB"),
        ("mi355x8_llama2_70b_lora_result_0.txt", "llama-2-70b-lora", None, (5.876187879963867, 666.79), "1xMI355X"),
    ],
)
def test_real_logs(examples_dir, file, workload, count, expected, named):
    """Throughput and time typed from the logs; the count from the system line or the platform's pattern; names apart."""
    table = read_any(examples_dir / "mlperf_training" / file)
    assert figures(table) == pytest.approx(dict(zip(("throughput", "time_to_train"), expected, strict=True)))
    first = table.record(0)
    assert (first["workload"], first.get("accelerators"), first["phase"]) == (workload, count, "train")
    assert named in table.identity[file]
    assert not any("SXM" in word or "MI355" in word for column in ("tool", "workload", "phase") for word in table.word(column))


def test_one_log():
    """Samples a second, step time and time to train, the count out of '2x...x4B200'."""
    table = read(log(RATE))
    assert figures(table) == {"throughput": 5.5, "step_time": 1.4, "time_to_train": 600.0}
    assert table.record(0) | {"accelerators": 8.0, "batch": 8.0, "input_tokens": 8192.0} == table.record(0)
    assert any("platform's name" in note for note in table.notes)


def test_system_line_counts_before_the_platform():
    """A ':::SYSJSON' in the job's echo wins over the name."""
    system = "+ echo ':::SYSJSON {\"number_of_nodes\":\"1\",\"accelerators_per_node\":\"6\",\"accelerator_model_name\":\"NVIDIA B300\"}'\n"
    table = read(system + log(RATE))
    assert set(table.number("accelerators")) == {6.0}
    assert table.identity["result_0.txt"][0] == "NVIDIA B300"


def test_samples_over_block_times_where_nothing_was_tracked():
    """40 samples in 8 s of training; the evaluation between the blocks does not count."""
    blocks = [event("block_start", None, 2000, samples_count=0), event("block_stop", None, 6000, samples_count=20),
              event("block_start", None, 9000, samples_count=20), event("block_stop", None, 13000, samples_count=40)]  # fmt: skip
    table = read(log(*blocks))
    assert figures(table)["throughput"] == 5.0
    assert any("no throughput was tracked" in note for note in table.notes)


def test_an_aborted_run_has_no_time_to_train():
    """Its rate was measured all the same."""
    table = read(log(RATE, status="aborted"))
    assert "time_to_train" not in figures(table)
    assert "aborted" in table.ignored[0].why


def test_runs_one_below_the_other_are_scored_as_the_benchmark_does():
    """The fastest and the slowest are dropped from the time."""
    table = read("".join(log(RATE, seconds=s) for s in (100, 600, 620, 9000)))
    assert figures(table)["time_to_train"] == pytest.approx(610.0)


@pytest.mark.parametrize("work, quantity, unit", [("gpt3", "total_throughput", "token/s"), ("bert", "throughput", "sample/s")])
def test_what_the_rate_counts(work, quantity, unit):
    """gpt3 tracks tokens, everything else samples; minigo's rate is none."""
    first = read(log(RATE, benchmark=work)).record(0)
    assert (first["quantity"], first["unit"]) == (quantity, unit)
    assert "throughput" not in figures(read(log(RATE, benchmark="minigo")))


@pytest.mark.parametrize("rate, scope", [(1000.0, "accelerator"), (8000.0, "system")])
def test_retinanet_says_by_its_epochs_whose_rate_it_is(rate, scope):
    """4.1 epochs of 1,170,301 images in 600 s are 8,000 images a second of the system."""
    text = log(event("tracked_stats", {"throughput": rate}), benchmark="ssd")
    text = text.replace(event("global_batch_size", 8), event("global_batch_size", 8) + "\n" + event("train_samples", 1170301))
    text = text.replace('"status": "success"', '"status": "success", "epoch_num": 4.1')
    assert read(text).record(0)["scope"] == scope


def test_folder_of_a_submission(tmp_path: Path):
    """The system's record counts; runs of one benchmark are one figure."""
    place = tmp_path / "Acme" / "results" / "sys" / "llama2_70b_lora"
    place.mkdir(parents=True)
    for i in range(3):
        (place / f"result_{i}.txt").write_text(log(event("tracked_stats", {"throughput": 5.0 + i}), platform="x"))
    (place / "result_3.txt").write_text("nothing\n")
    (tmp_path / "Acme" / "systems").mkdir()
    record = {"number_of_nodes": 2, "accelerators_per_node": "8", "accelerator_model_name": "NVIDIA H100", "system_name": "S"}
    (tmp_path / "Acme" / "systems" / "sys.json").write_text(json.dumps(record))
    table = read_any(tmp_path)
    assert table.profiles == ("Acme/sys",)
    assert figures(table) == {"throughput": 6.0, "time_to_train": 600.0}
    assert set(table.number("accelerators")) == {16.0}
    assert table.identity == {"Acme/sys": ("NVIDIA H100", "S")}
    assert any("result_3.txt" in note for note in table.notes)


@pytest.mark.parametrize(
    "text, error",
    [
        ("hello\n", FormatError),
        (":::MLLOG {" + "[" * 10_000 + "\n", FormatError),
        (':::MLLOG {"key": "run_start", "time_ms": "yesterday"}\n', InputError),
        (':::MLLOG {"key": ["run_start"], "time_ms": 1}\n', FormatError),
        (log(event("tracked_stats", {"throughput": -3}), status="aborted"), InputError),
        (log(event("tracked_stats", [1, 2]), event("tracked_stats", {"throughput": "/etc/passwd"}), status=""), InputError),
        (log(':::MLLOG {"key": "tracked_stats", "value": {"throughput": 1e400}}', status="aborted"), InputError),
    ],
)
def test_what_is_no_run_says_so(text, error):
    """One sentence, no figure."""
    with pytest.raises(error, match=r"result_0\.txt"):
        read(text)


def test_damage_never_ends_in_a_traceback(survives):
    """Cut, flipped and shuffled logs give figures or an InputError."""
    whole = log(RATE)
    dice = random.Random(7)
    for i in range(300):
        text = list(whole[: dice.randrange(len(whole))] if i % 2 else whole)
        for _ in range(i % 5):
            text[dice.randrange(len(text) or 1) - 1 if text else 0 : 1] = dice.choice('{}[]",:0Ω\x00')
        lines = "".join(text).split("\n")
        dice.shuffle(lines)
        survives(read, "\n".join(lines))


def test_the_mark_alone_is_not_taken():
    """Only the mark with an event's keys counts."""
    assert reader.sniff("see ':::MLLOG' in the rules\n") == 0.0
    assert reader.sniff(log(RATE)) == 1.0
