"""The reader of tables that people write."""

import io
import random

import pytest

from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Measurements
from fingerprint.readers import plain_tables as reader
from fingerprint.readers import read as read_any

# Written for these tests.
MARKDOWN = """# Results

We ran | things.

| **Model** | GPU | Batch | ISL | OSL | Precision | Throughput (tok/s) | Mean TTFT (ms) | Speedup |
|:----------|:---:|------:|-----|-----|-----------|-------------------:|----------------|---------|
| [Llama-3.1-70B](https://x.y) | 8x H100 SXM | 32 | 1k | 128 | FP8 | **3,456.7** | 45 ± 2 | 1.2x |
| `Llama-3.1-70B` | 8x H200 | 64 | 1024 | 128 | FP8 | 4,123 | OOM | 1.3x |
| short | row |

Then:

| M | N | K | dtype | time (us) | TFLOPS | Peak TFLOPS | % of peak |
|---|---|---|-------|-----------|--------|-------------|-----------|
| 8192 | 8192 | 8192 | bf16 | 1500 | 733.0 | 989 | 74 |
"""

CSV = "M,N,K,ms\n4096,4096,4096,0.18\n8192,8192,8192,1.4\n"


def read(text: str, name: str = "table") -> Measurements:
    return reader.read(io.StringIO(text), name)


def rows(table: Measurements) -> list[tuple]:
    return [(r["quantity"], r["unit"], r["value"]) for r in map(table.record, range(len(table)))]


def test_markdown():
    """Figures in SI; GPUs split the profiles and give no more than their count; ratios and peaks are no figures."""
    table = read_any(io.BytesIO(MARKDOWN.encode()), name="notes.md")
    assert rows(table) == [
        ("throughput", "token/s", 3456.7), ("ttft", "s", 0.045), ("throughput", "token/s", 4123.0),
        ("latency", "s", pytest.approx(1.5e-3)), ("compute_rate", "FLOP/s", 733e12),
    ]  # fmt: skip
    assert table.identity == {"notes.md:1": ("8x H100 SXM",), "notes.md:2": ("8x H200",)}
    first = table.record(0)
    assert first | {"workload": "llama-3.1-70b", "accelerators": 8.0, "batch": 32.0, "input_tokens": 1024.0, "output_tokens": 128.0,
                    "precision": "fp8"} == first  # fmt: skip
    assert table.record(1)["statistic"] == "mean"
    assert table.record(3) | {"workload": "gemm", "m": 8192.0, "tool": "kernel", "precision": "bf16"} == table.record(3)
    assert list(table.row) == [7, 7, 8, 15, 15]
    assert not any("H100" in word or "H200" in word for column in table.words.values() for word in column.words)
    assert any("Speedup" in note for note in table.notes)
    assert "2 cells" in table.ignored[0].why


@pytest.mark.parametrize("text", [CSV, CSV.replace(",", "\t"), "\ufeff" + CSV.replace("\n", "\r\n"), "# made by me\n\n" + CSV])
def test_csv(text):
    """Commas or tabs, with a comment above or without."""
    assert rows(read_any(io.BytesIO(text.encode()), name="g.csv")) == [("latency", "s", pytest.approx(1.8e-4)), ("latency", "s", pytest.approx(1.4e-3))]


@pytest.mark.parametrize(
    "header, cells, expected",
    [
        ("Model,tokens/s/GPU", "Qwen2.5-7B,2500.5", ("throughput", "token/s", 2500.5)),
        ("Model,Prefill (tok/s)", "Qwen2.5-7B,10000", ("input_throughput", "token/s", 10000.0)),
        ("Model,Decode tok/s", "Qwen2.5-7B,100.5", ("output_throughput", "token/s", 100.5)),
        ("Model,P99 TPOT (ms)", "Qwen2.5-7B,12", ("tpot", "s", 0.012)),
        ("model,img/s", "resnet50,2700", ("throughput", "sample/s", 2700.0)),
        ("Model,Step time (s)", "Llama-3.1-8B,6.1", ("step_time", "s", 6.1)),
        ("op,GPUs,message size (MB),busbw (GB/s)", "all_reduce,8,128,410.5", ("bus_bandwidth", "B/s", 410.5e9)),
        ("kernel,Bandwidth (TB/s)", "triad,2.9", ("bandwidth", "B/s", 2.9e12)),
        ("Model,Latency", "resnet50,3.5 ms", None),
        ("Model,Throughput", "Qwen2.5-7B,1000", None),
        ("Model,H100 (tok/s)", "Qwen2.5-7B,1000", None),
        ("Model,Price ($/1M tok/s)", "Qwen2.5-7B,1000", None),
        ("Model,MFU (%)", "Llama-3.1-8B,45", None),
        ("Model,t/s", "Qwen2.5-7B,1000", None),
    ],
)
def test_dictionary(header, cells, expected):
    """A header counts whole and with its unit, or not at all."""
    text = f"{header}\n{cells}\n"
    if expected is None:
        with pytest.raises(FormatError, match=r"give columns such as Model"):
            read_any(io.BytesIO(text.encode()), name="t.csv")
        return
    assert rows(read_any(io.BytesIO(text.encode()), name="t.csv")) == [pytest.approx(e) if isinstance(e, float) else e for e in [expected]]


def test_data_sheets_are_no_measurements():
    """A GPU's bandwidth, rate and power without what was running."""
    with pytest.raises(InputError, match="no column says"):
        read("GPU,Bandwidth (GB/s),TFLOPS,Power (W)\nH100,3350,989,700\n")


def test_commas_set_thousands_apart_only_where_a_point_is_seen():
    """1,234 alone may be a decimal comma."""
    assert rows(read("Model;tok/s;req/s\nQwen2.5-7B;1,234;2.5\n"))[0][2] == 1234.0
    with pytest.raises(InputError, match="comma may be a decimal one"):
        read("Model;tok/s\nQwen2.5-7B;1,234\n")


def test_a_count_in_a_gpu_column_is_a_count():
    """Numbers are no names."""
    table = read("Model,GPU,tok/s\nQwen2.5-7B,4,1000.5\n")
    assert table.record(0)["accelerators"] == 4.0


def test_own_formats_go_first():
    """Never surer than half; prose, JSON and code are not tables."""
    assert reader.sniff(MARKDOWN) == reader.sniff(CSV) == 0.45
    assert reader.sniff("a,b\n1,2\n") == 0.31
    for text in ("", "Hello, this is prose.\nMore, of it.\n", '{"a": 1, "b": 2}\n', "def f(a, b):\n    pass\n", "1,2,3\n4,5,6\n", "one line"):
        assert reader.sniff(text) < 0.3


@pytest.mark.parametrize("cell", ["-3", "1e400", "nan", "/etc/passwd", "", "-", "12x", "0", "9" * 400, "1.2.3"])
def test_absurd_cells(cell):
    """No figure, and a message where none is left."""
    with pytest.raises(InputError, match="t: holds no row"):
        read(f"Model,tok/s\nQwen2.5-7B,{cell}\n", "t")
    assert len(read(f"Model,tok/s\nQwen2.5-7B,{cell}\nQwen2.5-7B,5\n")) == 1


def test_damage_never_ends_in_a_traceback(survives):
    """Cut, flipped and shuffled tables give figures or an InputError."""
    dice = random.Random(13)
    for i in range(600):
        text = list((MARKDOWN, CSV)[i % 2])
        for _ in range(1 + i % 6):
            text[dice.randrange(len(text))] = dice.choice('0123456789,|-:\t"\n.eEΩ\x00x()')
        lines = "".join(text)[: dice.randrange(1, len(text)) if i % 4 else None].split("\n")
        if i % 5 == 0:
            dice.shuffle(lines)
        survives(read, "\n".join(lines))
