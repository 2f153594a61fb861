"""The reader of llama-bench."""

import io
import json
import random

import pytest

from fingerprint.errors import FormatError, InputError
from fingerprint.readers import llama_bench, read_text
from fingerprint.readers import read as detect

# Written from the tool's format definition, not copied.
RECORD = {
    "build_commit": "abcdef12", "build_number": 6000, "cpu_info": "AMD EPYC", "gpu_info": "NVIDIA L40S, NVIDIA L40S",
    "backends": "CUDA", "model_filename": "/home/someone/Qwen3-8B-Q8_0.gguf", "model_type": "qwen3 8B Q8_0",
    "model_size": 8709518336, "model_n_params": 8190735360, "n_batch": 2048, "n_ubatch": 512, "type_k": "q8_0",
    "type_v": "q8_0", "n_gpu_layers": 99, "split_mode": "layer", "devices": "auto", "n_prompt": 512, "n_gen": 0, "n_depth": 0,
    "avg_ns": 100000000, "stddev_ns": 1000, "avg_ts": 5120.0, "stddev_ts": 3.0, "samples_ts": [5119.0, 5121.0],
}  # fmt: skip
GENERATED = RECORD | {"n_prompt": 0, "n_gen": 128, "n_depth": 4096, "avg_ts": 64.0}
LOG = """\
ggml_cuda_init: GGML_CUDA_FORCE_MMQ:    no
ggml_cuda_init: found 2 CUDA devices:
  Device 0: NVIDIA H100 80GB HBM3, compute capability 9.0, VMM: yes
  Device 1: NVIDIA H100 80GB HBM3, compute capability 9.0, VMM: yes
"""
TABLE = """\
| model                          |       size |     params | backend    | ngl | fa |            test |                  t/s |
| ------------------------------ | ---------: | ---------: | ---------- | --: | -: | --------------: | -------------------: |
| gpt-oss 20B MXFP4 MoE          |  11.27 GiB |    20.91 B | CUDA       |  99 |  1 |          pp2048 |    9000.00 ± 10.0 |
| gpt-oss 20B MXFP4 MoE          |  11.27 GiB |    20.91 B | CUDA       |  99 |  1 |           tg128 |      250.00 ± 1.0 |
| gpt-oss 20B MXFP4 MoE          |  11.27 GiB |    20.91 B | CUDA       |  99 |  1 |   pp512 @ d4096 |    8000.00 ± 10.0 |
| gpt-oss 20B MXFP4 MoE          |  11.27 GiB |    20.91 B | CUDA       |  99 |  1 | pp512+tg128 |   900.00 ± 1.0 |

build: abcdef12 (6000)
"""


def read(content):
    return llama_bench.read(io.StringIO(content if isinstance(content, str) else json.dumps(content)), "bench")


def value(table, phase, **circumstances):
    rows = [table.record(i) for i in range(len(table))]
    (found,) = [r["value"] for r in rows if r["phase"] == phase and circumstances.items() <= r.items()]
    return found


def test_real_files(examples_dir):
    """Both captures read without a flag; the figures are those of their tables, the devices only identity."""
    folder = examples_dir / "llama_bench"
    table = detect(folder / "h100_pcie_llama3_llama-bench.md")
    assert len(table) == 27
    assert value(table, "prefill", workload="llama-3-8b", weight_precision="int4", input_tokens=512.0) == 8125.45
    assert value(table, "decode", workload="llama-3-8b", precision="fp16", output_tokens=8192.0) == 63.55
    assert value(table, "decode", workload="llama-3-70b", output_tokens=1024.0) == 25.01
    assert value(table, "offline", workload="llama-3-70b") == 107.03
    assert set(table.number("accelerators")) == {1.0}
    assert table.row[0] == 8
    assert table.identity == {"h100_pcie_llama3_llama-bench.md": ("NVIDIA H100 PCIe",)}
    assert "H100" not in str([table.record(i) for i in range(len(table))]).replace("h100_pcie_llama3", "")
    table = detect(folder / "a100_pcie_llama3_llama-bench.md")  # "pp 512", an older version
    assert len(table) == 24
    assert value(table, "prefill", workload="llama-3-8b", precision="fp16", input_tokens=8192.0) == 4849.11
    assert value(table, "decode", workload="llama-3-70b", output_tokens=8192.0) == 19.53
    assert table.identity == {"a100_pcie_llama3_llama-bench.md": ("NVIDIA A100 80GB PCIe",)}


@pytest.mark.parametrize(
    "change",
    [str, lambda t: t.replace("\n", "\r\n"), lambda t: "\ufeff" + t, lambda t: t.replace("ggml_cuda", "\x1b[32mggml_cuda\x1b[0m"),
     lambda t: "llama-bench: benchmark 1/4: starting {\n" + t],
)  # fmt: skip
def test_markdown(change):
    """Prompts, generation, both, and a depth before them; devices found before the table share the rate."""
    table = read_text(change(LOG + TABLE), "bench")
    assert value(table, "prefill", input_tokens=2048.0) == 9000.0
    assert value(table, "prefill", input_tokens=512.0, context_tokens=4608.0) == 8000.0
    assert value(table, "decode", output_tokens=128.0) == 250.0
    assert value(table, "offline", input_tokens=512.0, output_tokens=128.0) == 900.0
    assert set(table.number("accelerators")) == {2.0}
    assert set(table.number("batch")) == {1.0}
    assert table.record(0)["workload"] == "gpt-oss-20b"
    assert table.record(0)["weight_precision"] == "fp4"
    assert "precision" not in table.record(0)
    assert table.identity == {"bench": ("NVIDIA H100 80GB HBM3",)}


def test_runs_on_different_devices():
    """A capture of two machines gives two profiles, each with its count."""
    other = LOG.replace("H100 80GB HBM3", "L4").replace("found 2", "found 1").split("  Device 1")[0]
    table = read(LOG + TABLE + other + TABLE)
    assert table.identity == {"bench:1": ("NVIDIA H100 80GB HBM3",), "bench:2": ("NVIDIA L4",)}
    assert list(table.number("accelerators")[[0, 4]]) == [2.0, 1.0]


def test_a_table_alone_has_no_count():
    """Without the lines of the start nobody knows how many devices ran."""
    table = read(TABLE)
    assert "accelerators" not in table.record(0)
    assert any("how many accelerators" in note for note in table.notes)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([RECORD, GENERATED], indent=2),
        json.dumps(RECORD) + "\n" + json.dumps(GENERATED) + "\n" + json.dumps(RECORD)[:70],
        ",".join(RECORD) + "\n" + "\n".join(",".join(f'"{v}"' for v in r.values()) for r in (RECORD, GENERATED)),
        LOG + json.dumps([RECORD, GENERATED]),
    ],
    ids=["json", "jsonl", "csv", "noise"],
)
def test_records(text):
    """JSON, JSON Lines with a last line cut short, CSV, and JSON behind a log."""
    table = read_text(text, "bench")
    assert len(table) == 2
    prompt, generated = table.record(0), table.record(1)
    assert (prompt["value"], prompt["input_tokens"], prompt["phase"]) == (5120.0, 512.0, "prefill")
    assert (generated["value"], generated["input_tokens"], generated["output_tokens"]) == (64.0, 4096.0, 128.0)
    assert (prompt["workload"], prompt["weight_precision"], prompt["kv_precision"]) == ("qwen3-8b", "int8", "int8")
    assert prompt["accelerators"] == 2.0
    assert table.identity == {"bench": ("NVIDIA L40S",)}
    assert "someone" not in repr(table)


@pytest.mark.parametrize(
    ("change", "count"),
    [({"split_mode": "none"}, 1.0), ({"devices": "CUDA0/CUDA1/CUDA2"}, 3.0), ({"gpu_info": ""}, None),
     ({"gpu_info": "AMD Radeon RX 7900 XT/7900 XTX"}, 1.0)],
)  # fmt: skip
def test_counts(change, count):
    """The devices that ran, not those of the machine."""
    assert read([RECORD | change]).record(0).get("accelerators") == count


@pytest.mark.parametrize(
    ("kind", "parameters", "workload"),
    [("llama 8B Q4_K - Medium", 8.03e9, "llama-3-8b"), ("llama 7B mostly Q4_0", 6.74e9, "llama-2-7b"),
     ("llama 7B Q4_0", 7.24e9, "mistral-7b"), ("llama 70B F16", 70.55e9, "llama-3-70b"), ("llama 70B F16", 68.98e9, "llama-2-70b"),
     ("qwen3moe 30B.A3B Q4_K - Medium", 30.53e9, "qwen3-30b-a3b"), ("deepseek2 671B Q4_K - Medium", 671.03e9, "deepseek-v3"),
     ("newarch 9B Q4_0", 9.1e9, "newarch-9b")],
)  # fmt: skip
def test_models(kind, parameters, workload):
    """A family and its count of parameters name the model; an unknown one keeps its name and count."""
    record = read([RECORD | {"model_type": kind, "model_n_params": parameters, "model_filename": "m.gguf", "model_size": 0}]).record(0)
    assert record["workload"] == workload
    assert record.get("total_parameters") == (9.1e9 if workload == "newarch-9b" else None)


@pytest.mark.parametrize(
    ("kind", "bits", "expected"),
    [("llama 8B Q4_K - Medium", 4.9, ("", "int4")), ("llama 8B Q6_K", 6.56, ("", "int8")), ("llama 8B BF16", 16, ("", "bf16")),
     ("llama 8B F16", 16, ("fp16", "")), ("llama 8B all F32", 32, ("", "fp32"))],
)  # fmt: skip
def test_formats_of_weights(kind, bits, expected):
    """Only F16 tells the arithmetic; the file's bits a weight choose among the quantised formats."""
    table = read([GENERATED | {"model_type": kind, "model_n_params": 8.03e9, "model_size": 8.03e9 * bits / 8, "model_filename": ""}])
    assert (table.word("precision")[0], table.word("weight_precision")[0]) == expected


@pytest.mark.parametrize(
    ("change", "why"),
    [({"backends": "CPU"}, "no accelerator"), ({"n_gpu_layers": 0}, "no layer"), ({"n_gpu_layers": 20}, "20 of 36 layers"),
     ({"model_type": "qwen3 8B Q5_K", "model_size": 8190735360 * 5.7 / 8}, "can't hold")],
)  # fmt: skip
def test_ignored(change, why):
    """Tests on the CPU and weights of unknown width are left out with a word."""
    table = read([RECORD, GENERATED | change])
    assert len(table) == 1
    assert (table.ignored[0].row, why in table.ignored[0].why) == (2, True)


@pytest.mark.parametrize(
    "bad",
    [
        "[" * 100_000, '[{"n_prompt": 1, "n_gen": 0, "avg_ts": ' + "9" * 5000 + "}]", '[{"n_prompt": [], "n_gen": {}}]',
        json.dumps([RECORD | {"avg_ts": -1}]), json.dumps([RECORD]).replace("5120.0", "1e400"),
        json.dumps([RECORD | {"avg_ts": "/etc/passwd"}]), json.dumps([RECORD | {"avg_ts": [1]}]),
        TABLE.split("|  1 |          pp2048", maxsplit=1)[0], TABLE.replace("± ", "").replace("00.00", "fast"), "build,n_prompt\n1,2\n",
        "n_prompt,avg_ts\n" + '"' * 99,
    ],
)  # fmt: skip
def test_hostile(bad):
    """Damage and values that can't be are errors of ours."""
    with pytest.raises(InputError):
        read(bad)


def test_damaged_anywhere(survives):
    """Any damage ends in a table or in an error of ours."""
    random.seed(4)
    for source in (LOG + TABLE, json.dumps([RECORD, GENERATED])) * 100:
        text = list(source)
        for _ in range(random.randint(1, 20)):
            text[random.randrange(len(text))] = chr(random.choice([0, 10, 27, 34, 45, 57, 91, 101, 123, 124, 125, 255]))
        survives(read, "".join(text))


def test_other_text_is_refused():
    """A log without a table, and a table of something else."""
    with pytest.raises(FormatError, match="no row"):
        read("$ llama-bench -m x.gguf\n" + LOG)
    assert llama_bench.sniff("| model | price |\n| a | 3 |\n") == 0.0
