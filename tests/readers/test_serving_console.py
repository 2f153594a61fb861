"""The reader of the console block that serving benchmarks print."""

import io
import random

import pytest

from fingerprint.errors import FormatError, InputError
from fingerprint.readers import read as detect
from fingerprint.readers import serving_console

# Written from the tools' format definitions, not copied.
VLLM = """\
Namespace(backend='vllm', host='10.0.0.7', model='meta-llama/Llama-3.1-8B-Instruct', num_prompts=100, max_concurrency=None)
Traffic request rate: inf
Maximum request concurrency: 16
  0%|          | 0/100 [00:00<?, ?it/s]\r100%|##########| 100/100 [00:50<00:00,  2.00it/s]
============ Serving Benchmark Result ============
Successful requests:                     100
Failed requests:                         0
Maximum request concurrency:             16
Benchmark duration (s):                  50.00
Total input tokens:                      102400
Total generated tokens:                  12800
Request throughput (req/s):              2.00
Output token throughput (tok/s):         256.00
Peak output token throughput (tok/s):    900.00
Peak concurrent requests:                20.00
Total token throughput (tok/s):          2,304.00
---------------Time to First Token----------------
Mean TTFT (ms):                          80.00
Median TTFT (ms):                        75.00
P99 TTFT (ms):                           250.00
-----Time per Output Token (excl. 1st token)------
Mean TPOT (ms):                          20.00
==================================================
"""


def read(text: str, name: str = "log.txt"):
    return serving_console.read(io.StringIO(text), name)


def value(table, quantity, statistic=""):
    (found,) = table.number("value")[table.word("quantity").equals(quantity) & table.word("statistic").equals(statistic)]
    return float(found)


def test_real_file(examples_dir):
    """A pasted SGLang block, cut off after the first tokens, gives what it still holds."""
    table = detect(examples_dir / "sglang_bench_serving" / "h20x8_deepseek_r1_w4afp8_console.txt")
    assert len(table) == 9
    assert value(table, "output_throughput") == 74.20
    assert value(table, "input_throughput") == 76.05
    assert value(table, "total_throughput") == 150.26
    assert value(table, "e2e_latency", "mean") == pytest.approx(34.24203)
    assert value(table, "ttft", "p99") == pytest.approx(4.74174)
    record = table.record(0)
    assert record["input_tokens"] == pytest.approx(129311 / 256)
    assert record["concurrency"] == 5.16  # what was in flight, not the limit of 64
    assert "accelerators" not in record
    assert table.identity == {}
    assert any("model is not named" in note for note in table.notes)


def test_block():
    """Figures come out in SI units; peaks are left out; arguments name the model."""
    table = read(VLLM)
    assert serving_console.sniff(VLLM) == 1.0
    assert value(table, "output_throughput") == 256.0
    assert value(table, "total_throughput") == 2304.0
    assert value(table, "ttft", "median") == pytest.approx(0.075)
    assert value(table, "tpot", "mean") == pytest.approx(0.020)
    assert len(table) == 7
    record = table.record(0)
    assert (record["workload"], record["concurrency"]) == ("llama-3.1-8b", 16.0)
    assert (record["input_tokens"], record["output_tokens"]) == (1024.0, 128.0)
    assert "10.0.0.7" not in repr(table)


def test_blocks_one_after_another():
    """Each block is a run of its own, with the limit announced before it."""
    second = VLLM.replace("Maximum request concurrency: 16", "Maximum request concurrency: 64").replace(
        "Maximum request concurrency:             16\n", ""
    )
    table = read(VLLM + second)
    assert set(table.number("concurrency")) == {16.0, 64.0}
    assert len(table) == 14


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.replace("\n", "\r\n"),
        lambda t: "\ufeff" + t,
        lambda t: "".join(f"# {line}\n" for line in t.splitlines()),
        lambda t: t.replace("Mean TTFT", "\x1b[1mMean TTFT\x1b[0m"),
        lambda t: t.rstrip("=\n"),
        lambda t: "".join(f"INFO 01-01 00:00:00 serve.py:12] {line}\n" for line in t.splitlines()),
    ],
    ids=["crlf", "bom", "commented", "colours", "cut", "logged"],
)
def test_as_people_paste_it(change):
    """Line ends, marks, colours and log prefixes change nothing."""
    assert len(read(change(VLLM))) == 7


def test_refusals():
    """No block, a dead run and a figure that is none are clear errors."""
    with pytest.raises(FormatError, match="no block"):
        read("Namespace(model='x')\nhello\n")
    with pytest.raises(InputError, match="mean_ttft_ms"):
        read(VLLM.replace("80.00", "-80.00", 1).replace("Mean TTFT (ms):                          80.00", "Mean TTFT (ms): -1"))
    with pytest.raises(InputError, match="output_throughput"):
        read(VLLM.replace("256.00", "/etc/passwd"))


def test_hostile_text(survives):
    """Any damage ends in a table or in an error of ours."""
    random.seed(1)
    for _ in range(200):
        text = list(VLLM)
        for _ in range(random.randint(1, 40)):
            text[random.randrange(len(text))] = chr(random.choice([0, 9, 10, 27, 45, 57, 101, 255, 0x1F600]))
        survives(read, "".join(text)[: random.randint(1, len(text))])


def test_a_long_log_is_streamed():
    """Noise before the block is not kept."""

    class Noise(io.TextIOBase):
        def __iter__(self):
            yield from ("INFO decode batch, gen throughput (token/s): 100\n" for _ in range(50_000))
            yield from VLLM.splitlines(keepends=True)

        def read(self, size=-1):
            raise AssertionError("asked for everything at once")

    assert len(serving_console.read(Noise(), "log.txt")) == 7
