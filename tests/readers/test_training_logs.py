"""The reader of trainers' console logs."""

import io
import random

import pytest

from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Measurements
from fingerprint.readers import read as read_any
from fingerprint.readers import training_logs as reader


def read(text: str, name: str = "train.log") -> Measurements:
    return reader.read(io.StringIO(text), name)


def figures(table: Measurements) -> dict[str, float]:
    return {r["quantity"]: r["value"] for r in map(table.record, range(len(table)))}


# All four written from the tools' format definitions, not copied.
TITAN = "".join([
    "\x1b[31m[titan] 2026-01-02 03:04:05,006 - root - INFO - Building 2-D device mesh with ['dp_shard', 'tp'], [4, 2]\x1b[39m\n",
    "[titan] - root - INFO - GPU capacity: NVIDIA H100 80GB HBM3 (0) with 79.10GiB memory\n",
    "[titan] - root - INFO - Model llama3 8B [31msize: 8,030,261,248 total parameters[39m\n",
    "[titan] - root - INFO - Training starts at step 1, with local batch size 2, global batch size 8, sequence length 8192, total steps 9\n",
    *(f"\x1b[31mstep: {i:2}  \x1b[32mloss: 7.1  memory: 47.50GiB(60.05%)  \x1b[34mtps: {tps}  \x1b[36mtflops: {flops}  \x1b[35mmfu: 40.1%\x1b[39m\n"
      for i, tps, flops in ((1, "312", 18.0), (10, "7,100", 410.5), (20, "7,200", 416.0), (30, "7,300", 422.0))),
])  # fmt: skip

MEGATRON = "".join([
    "using world size: 64, data-parallel size: 16, context-parallel size: 1\n",
    "------------------------ arguments ------------------------\n",
    *(f"  {key} {'.' * (48 - len(key))} {value}\n" for key, value in (
        ("bf16", "True"), ("ffn_hidden_size", "16384"), ("fp8", "None"), ("group_query_attention", "False"), ("hidden_size", "4096"),
        ("num_attention_heads", "32"), ("num_experts", "None"), ("num_layers", "32"), ("padded_vocab_size", "50304"),
        ("seq_length", "2048"), ("swiglu", "False"), ("untie_embeddings_and_output_weights", "False"), ("world_size", "64"))),
    *(f" [2026-01-02 03:04:05] iteration {i:8}/     500 | consumed samples: {i * 256:12} | elapsed time per iteration (ms): {ms} | "
      f"throughput per GPU (TFLOP/s/GPU): {flops} | learning rate: 1.0E-04 | global batch size:   256 | lm loss: 1.1E+01 |\n"
      for i, ms, flops in ((1, 20000.0, 40.0), (2, 2500.0, 410.0), (3, 2510.0, 408.0), (4, 2520.0, 406.0))),
])  # fmt: skip

NEMO = "".join(
    f"Training epoch 0, iteration {i}/9 | lr: 1e-06 | global_batch_size: 128 | global_step: {i} | reduced_train_loss: 9.1 | "
    f"train_step_timing in s: {s} | TFLOPS_per_GPU: {f}\n"
    for i, s, f in ((0, 30.1, "2.2e+02"), (1, 6.0, "1.2e+03"), (2, 6.2, "1.1e+03"), (3, 6.1, "1.15e+03"))
)

TRAINER = (
    "***** Running training *****\n  Num examples = 1,000\n  Num Epochs = 3\n  Instantaneous batch size per device = 8\n"
    "  Total train batch size (w. parallel, distributed & accumulation) = 64\n  Gradient Accumulation steps = 2\n"
    "  5%|▌         | 1/20\r 10%|█         | 2/20\r{'loss': 2.1, 'learning_rate': 5e-05, 'epoch': 1.0}\n"
    "{'train_runtime': 120.5, 'train_samples_per_second': 24.9, 'train_steps_per_second': 0.39, 'train_loss': 1.9, 'epoch': 3.0}\n"
)


def test_real_nemo_log(examples_dir):
    """Medians of the last four of five steps, typed from the file: 6.061, 6.082, 6.071, 6.06 s."""
    table = read_any(examples_dir / "nemo_log" / "b200x8_llama3_8b_bf16.log")
    assert figures(table) == pytest.approx({"step_time": 6.066, "compute_rate": 1.251e15})
    assert set(table.number("batch")) == {128.0}
    assert table.record(1)["scope"] == "accelerator"
    assert table.identity == {}


def test_torchtitan():
    """Rates per accelerator without the first step; the utilisation is not read, the device is identity."""
    table = read(TITAN)
    assert figures(table) == {"total_throughput": 7200.0, "compute_rate": 416e12}
    first = table.record(0)
    assert first | {"workload": "llama-3-8b", "accelerators": 8.0, "batch": 8.0, "input_tokens": 8192.0, "scope": "accelerator"} == first
    assert table.identity == {"train.log": ("NVIDIA H100 80GB HBM3",)}
    assert list(table.row) == [5, 5]


def test_megatron():
    """Step time and FLOP rate, and the parameters of the arguments: 32 layers of 12 x 4096^2, and the vocabulary."""
    table = read(MEGATRON)
    assert figures(table) == pytest.approx({"step_time": 2.51, "compute_rate": 408e12})
    first = table.record(0)
    parameters = 32 * 12 * 4096**2 + 50304 * 4096
    assert first | {"accelerators": 64.0, "batch": 256.0, "input_tokens": 2048.0, "precision": "bf16"} == first
    assert first["active_parameters"] == parameters


def test_megatron_changing_its_batch():
    """A ramp of the global batch is two figures."""
    text = MEGATRON + MEGATRON.replace("global batch size:   256", "global batch size:   512").replace("2510.0", "5000.0")
    table = read(text)
    assert sorted(set(table.number("batch"))) == [256.0, 512.0]


def test_nemo():
    """The first step compiles."""
    assert figures(read(NEMO)) == pytest.approx({"step_time": 6.1, "compute_rate": 1.15e15})
    old = "Epoch 0: :  10%|█ | 10/100 [00:31<04:43, reduced_train_loss=9.1, global_step=9.00, train_step_timing in s=3.130]\n"
    assert figures(read(old)) == {"step_time": 3.13}


def test_trainer():
    """64 samples a step over 8 a device twice: four devices."""
    table = read(TRAINER)
    assert figures(table) == {"throughput": 24.9}
    first = table.record(0)
    assert (first["accelerators"], first["batch"], first["unit"]) == (4.0, 64.0, "sample/s")


def test_long_sequences_leave_the_flop_rate_out():
    """Its count holds attention that the mask skips."""
    table = read(TITAN.replace("sequence length 8192", "sequence length 131072"))
    assert set(figures(table)) == {"total_throughput"}
    assert any("mask skips" in note for note in table.notes)


@pytest.mark.parametrize("text", [TITAN, MEGATRON, NEMO, TRAINER])
def test_logs_are_told_apart_from_the_rest(text):
    """By their steps, not their suffix; JSON and MLPerf logs are others'."""
    assert reader.sniff(text) >= 0.9
    assert reader.sniff(text.replace("\n", "\r\n")) >= 0.9
    assert reader.sniff("\ufeff" + text) >= 0.9
    assert reader.sniff(':::MLLOG {"time_ms": 1}\n' + text) == 0.0
    assert len(read_any(io.BytesIO(text.encode()), name="log"))


@pytest.mark.parametrize("head", ["", '{"train_samples_per_second": 3, "train_runtime": 4}', "step: 3\n", "iteration 3/ 4 | done\n", "a,b\n1,2\n"])
def test_other_files_are_not_taken(head):
    """Words that many programs print are not enough."""
    assert reader.sniff(head) < 0.3


@pytest.mark.parametrize(
    "text, error",
    [("hello\n", FormatError), (NEMO.replace("6.0 ", "0.0 ").replace("30.1", "0"), None),
     ("train_step_timing in s: 0\n", InputError), ("step: 1 tps: 0 tflops: 0 mfu: 0%\n", InputError),
     ("train_step_timing in s: 1e999\n", InputError), ("train_step_timing in s: /etc/passwd\n", FormatError)],
)  # fmt: skip
def test_absurd_values(text, error):
    """Zeros and infinities are no figures."""
    if error is None:
        assert figures(read(text))["step_time"] > 6.0
        return
    with pytest.raises(error, match=r"train\.log"):
        read(text)


def test_damage_never_ends_in_a_traceback(survives):
    """Cut, flipped and shuffled logs give figures or an InputError."""
    dice = random.Random(11)
    for i in range(400):
        text = list((TITAN, MEGATRON, NEMO, TRAINER)[i % 4])
        for _ in range(1 + i % 7):
            text[dice.randrange(len(text))] = dice.choice("0123456789,.:|=-eE\x1b[\r\nΩ\x00")
        lines = "".join(text)[: dice.randrange(1, len(text))].split("\n")
        if i % 3 == 0:
            dice.shuffle(lines)
        survives(read, "\n".join(lines))


def test_long_logs_are_streamed():
    """Noise lines pass without being kept."""
    noise = (f"rank {i}: nothing of size here\n" for i in range(50_000))
    table = reader.read(iter([*noise, *NEMO.splitlines(keepends=True)]), "train.log")  # type: ignore[arg-type]  # any lines will do
    assert table.row[0] == 50_001
