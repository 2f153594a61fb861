"""A count of accelerators that a file lacks can be given beside it."""

import json

import pytest
from click.testing import CliRunner

from fingerprint import cli
from fingerprint.errors import InputError
from fingerprint.readers import read, read_text, uncounted

#: As vLLM writes it, with round figures.
SERVED = json.dumps({
    "backend": "vllm", "model_id": "meta-llama/Llama-3.1-8B-Instruct", "num_prompts": 100, "max_concurrency": 32, "completed": 100,
    "total_input_tokens": 50_000, "total_output_tokens": 20_000, "request_throughput": 20.0, "output_throughput": 4000.0,
    "total_token_throughput": 14_000.0, "mean_ttft_ms": 40.0, "mean_tpot_ms": 7.0,
})  # fmt: skip
COUNTED = SERVED.replace('"backend"', '"tensor_parallel_size": 4, "backend"')


@pytest.fixture
def files(tmp_path):
    for name, text in (("lone.json", SERVED), ("counted.json", COUNTED)):
        (tmp_path / name).write_text(text)
    return tmp_path


def told(*arguments):
    result = CliRunner().invoke(cli.classify_profile, ["--json", *map(str, arguments)])
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout), result.stderr


def test_a_count_is_filled_in_where_the_file_states_none(files):
    table = read(files / "lone.json", accelerators=2)
    assert set(table.number("accelerators").tolist()) == {2.0}
    assert not any("how many accelerators" in note for note in table.notes)
    rates = table.word("quantity").equals("output_throughput")
    assert table.per_accelerator()[rates].tolist() == [2000.0]


def test_rows_that_state_a_count_keep_it(files):
    assert set(read(files / "counted.json", accelerators=2).number("accelerators").tolist()) == {4.0}


def test_a_kernel_runs_on_one_accelerator_and_a_collective_does_not():
    rows = "tool,workload,phase,quantity,unit,value\n"
    table = read_text(rows + "kernel,gemm,kernel,compute_rate,TFLOP/s,300\ncollective,all-reduce,kernel,bus_bandwidth,GB/s,300\n")
    filled, needed = uncounted.fill(table, 8)
    assert filled.accelerator_count().tolist() == [1.0, 8.0]
    assert needed == {"text"}
    assert uncounted.fill(table.take([0]), 8)[1] == frozenset()


@pytest.mark.parametrize("count", [0, -1, uncounted.MOST + 1])
def test_a_count_that_no_system_has_is_refused(count):
    with pytest.raises(InputError, match="--accelerators"):
        read_text(SERVED, accelerators=count)


def test_the_command_uses_the_count_and_says_so(files):
    alone, words = told(files / "lone.json")
    assert "give --accelerators N" in words
    verdict, words = told("--accelerators", 4, files / "lone.json")
    assert words == ""
    assert uncounted.sentence(4) in verdict["caveats"]
    assert verdict["rows_used"] > alone["rows_used"]
    # The same figures from a file that counts by itself give the same answer, without the sentence.
    other, _ = told("--accelerators", 2, files / "counted.json")
    assert other["probabilities"] == verdict["probabilities"]
    assert not any("--accelerators" in caveat for caveat in other["caveats"])


@pytest.mark.parametrize("count", ["0", "2.5", "many"])
def test_the_command_refuses_what_is_no_count(files, count):
    result = CliRunner().invoke(cli.classify_profile, ["--accelerators", count, str(files / "lone.json")])
    assert result.exit_code == 2
    assert result.stdout == ""
