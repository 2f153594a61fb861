"""The reader of MLPerf Inference results lists and dashboard exports."""

import io
import json
import random

import pytest

from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Measurements
from fingerprint.readers import mlperf_results as reader
from fingerprint.readers import read as read_any

# All three written from the tools' format definitions, not copied.
RECORD = {
    "ID": "6.0-0001", "Submitter": "Acme", "Category": "closed", "System": "Box", "Platform": "box-x8", "Model": "llama2-70b-99",
    "UsedModel": "llama2-70b-99", "Scenario": "Offline", "Accuracy": "ROUGE1: 44.4  TOKENS_PER_SAMPLE: 284.3", "Nodes": 2,
    "Accelerator": "NVIDIA X-141GB", "a#": 4, "version": "v6.0", "inferred": 0, "weight_data_types": "fp4", "Performance_Result": 8000.0,
    "Performance_Units": "Tokens/s",
}  # fmt: skip

CROSS = """,,,,,,,Benchmark  /  Model MLC  /  Scenario  /  Units,,,
,,,,,,,Inference,,,
,,,,,,,deepseek-r1,,llama2-70b-interactive-99,retinanet
,,,,,,,Offline,Server,Server,Offline
Public ID,Organization,System Name (click + for details),# of Nodes,Accelerator (click + for details),# of Accelerators,Division/Power,,Samples/s,Queries/s,Tokens/s,Samples/s
5.1-0001,Acme,Box,1,NVIDIA X,4,Closed ,# of Accelerators,4,4,4,4
,,,,,,,# of Nodes,18,18,1,1
,,,,,,,Avg. Result at System Name,"72,000.50","36,000.00",900,
5.1-0002,CPU Inc,Host,1,,,Closed ,Avg. Result at System Name,,,,5
5.1-0003,Acme,Open box,1,AMD Y,8,Open ,Avg. Result at System Name,,,,"1,600"
""".replace("Division/Power,,Samples/s", "Division/Power,,Samples/s").replace(",,,,,,,deepseek-r1", ",,,,,,,,deepseek-r1").replace(
    ",,,,,,,Offline,", ",,,,,,,,Offline,")  # fmt: skip

LONG = [
    ["Public ID", "Organization", "System Name (click + for details)", "Accelerator (click + for details)", "Accelerators per node", "Model MLC",
     "Scenario", "Units", "# of Nodes", "Total Accelerators ", "Avg. Result at System Name"],
    ["v6.0-0001", "Acme", "Box", "AMD Y 288GB (x87)", "8", "llama2-70b-99", "Offline", "Tokens/s", "11", "88", "870000"],
    ["v6.0-0001", "Acme", "Box", "AMD Y 288GB (x87)", "8", "llama2-70b-99.9", "Offline", "Tokens/s", "11", "88", "870000"],
    ["v6.0-0002", "Acme", "Small", "NVIDIA X", "4", "whisper", "Offline", "Samples/s", "1", "4", "16000.5"],
    ["v6.0-0002", "Acme", "Small", "NVIDIA X", "4", "text to video", "SingleStream", "Latency (s)", "1", "4", "22.5"],
]  # fmt: skip
TABBED = "\n".join("\t".join(row) for row in LONG) + "\n"


def read(text: str, name: str = "results") -> Measurements:
    return reader.read(io.StringIO(text), name)


def rows(table: Measurements) -> list[tuple]:
    return [(r["profile"], r["workload"], r["phase"], r["unit"], r["accelerators"], r["value"]) for r in map(table.record, range(len(table)))]


@pytest.mark.parametrize(
    "file, profiles, line, expected, named",
    [
        ("mlperf-5.0.csv", 64, 8, ("5.0-0001 AMD", "llama-2-70b", "offline", "token/s", 8.0, 33928.1), "AMD Instinct MI325X 256GB HBM3E"),
        ("mlperf-5.0.csv", 64, 16, ("5.0-0003 ASUSTeK", "dlrm-v2", "offline", "sample/s", 8.0, 326670.0), "NVIDIA H200-NVL-141GB"),
        ("mlperf-5.0.csv", 64, 24, ("5.0-0005 ASUSTeK", "llama-2-70b", "serve", "token/s", 8.0, 30086.52), "AMD Instinct MI325X 256GB HBM3E"),
        ("mlperf-5.1.csv", 74, 9, ("5.1-0001 AMD", "llama-2-70b", "interactive", "token/s", 8.0, 8840.42), "AMD Instinct MI300X 192GB HBM3"),
        ("mlperf-5.1.csv", 74, 337, ("5.1-0097 CoreWeave", "deepseek-r1", "offline", "token/s", 8.0, 48047.0), "NVIDIA GB300"),
        ("mlperf-5.1.csv", 74, 165, ("5.1-0051 HPE", "mixtral-8x7b", "offline", "token/s", 8.0, 32738.8), "NVIDIA RTX PRO 6000 Blackwell Server Edition"),
        ("mlperf-6.0_head.csv", 12, 2, ("v6.0-0001 AMD", "llama-2-70b", "offline", "token/s", 87.0, 1042110.0), "AMD Instinct MI355X 288GB HBM3e (x87)"),
        ("mlperf-6.0_head.csv", 12, 41, ("v6.0-0008 Cisco", "whisper-large-v3", "offline", "token/s", 8.0, 30195.2), "NVIDIA H200-NVL-141GB"),
        ("mlperf-6.0_head.csv", 12, 60, ("v6.0-0013 Cisco", "llama-3.1-8b", "serve", "token/s", 4.0, 25731.6), "NVIDIA H200-NVL-141GB"),
    ],
)  # fmt: skip
def test_real_exports(examples_dir, file, profiles, line, expected, named):
    """Figures typed from the files, one profile a system; the accelerator's name is identity alone."""
    table = read_any(examples_dir / "mlperf_dashboard_csv" / file)
    assert len(table.profiles) == profiles
    here = rows(table.take(table.row == line))
    assert expected in here
    assert named in table.identity[expected[0]]
    assert not any("NVIDIA" in word or "Instinct" in word for column in ("tool", "workload", "phase", "unit") for word in table.word(column))


def test_a_real_export_cut_within_a_code_unit(examples_dir):
    """Half a UTF-16 unit at the end is the export's own fault, no damage."""
    content = (examples_dir / "mlperf_dashboard_csv" / "mlperf-6.0_head.csv").read_bytes()
    whole = read_any(io.BytesIO(content), name="x")
    assert len(read_any(io.BytesIO(content + b"\x0a"), name="x")) == len(whole)
    assert len(read_any(io.BytesIO(content[:-1]), name="x")) == len(whole)


def test_record():
    """Two nodes of four, the precision of the weights, the tokens of an answer."""
    table = read(json.dumps([RECORD, RECORD | {"Model": "llama2-70b-99.9"}, RECORD | {"Category": "open", "Scenario": "Interactive"}]))
    assert rows(table)[0] == ("Acme/box-x8", "llama-2-70b", "offline", "token/s", 8.0, 8000.0)
    assert table.record(0) | {"precision": "fp4", "output_tokens": 284.3} == table.record(0)
    assert table.profiles == ("Acme/box-x8", "open/Acme/box-x8")
    assert table.identity["Acme/box-x8"] == ("NVIDIA X-141GB", "Box")
    assert "other tier" in table.ignored[0].why


@pytest.mark.parametrize(
    "change, why",
    [
        ({"a#": "", "Accelerator": ""}, "no accelerator"),
        ({"Accelerator": "A (x8), B (x8)"}, "several kinds"),
        ({"inferred": 1, "version": "v5.1"}, "inferred"),
        ({"Performance_Units": "Streams"}, "no unit"),
        ({"Performance_Result": "1e400"}, "no number"),
        ({"Performance_Result": [1]}, "no number"),
        ({"Scenario": "Sideways"}, "scenario"),
    ],
)
def test_what_is_left_out_says_why(change, why):
    """A result without a figure of an accelerator."""
    table = read(json.dumps([RECORD, RECORD | change]))
    assert len(table) == 1
    assert why in table.ignored[0].why
    assert table.ignored[0].row == 2


def test_streams():
    """The 90th percentile of one, the 99th of a query of eight."""
    stream = RECORD | {"Performance_Units": "Latency (ms)", "Performance_Result": 4.0, "Model": "resnet"}
    table = read(json.dumps([stream | {"Scenario": "SingleStream"}, stream | {"Scenario": "MultiStream"}]))
    assert [(r["statistic"], r["batch"], r["value"]) for r in map(table.record, range(2))] == [("p90", 1.0, 0.004), ("p99", 8.0, 0.004)]


def test_cross_table():
    """Models, scenarios and units from the header rows, nodes from the line of nodes; mislabelled tokens are tokens."""
    assert rows(read(CROSS)) == [
        ("5.1-0001 Acme", "deepseek-r1", "offline", "token/s", 72.0, 72000.5),
        ("5.1-0001 Acme", "deepseek-r1", "serve", "token/s", 72.0, 36000.0),
        ("5.1-0001 Acme", "llama-2-70b", "interactive", "token/s", 4.0, 900.0),
        ("open/5.1-0003 Acme", "retinanet", "offline", "sample/s", 8.0, 1600.0),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_one_row_a_result(encoding):
    """Tabs in any encoding; the count in the name wins over nodes times eight."""
    table = read_any(io.BytesIO(TABBED.encode(encoding)), name="export")
    assert rows(table) == [
        ("v6.0-0001 Acme", "llama-2-70b", "offline", "token/s", 87.0, 870000.0),
        ("v6.0-0002 Acme", "whisper-large-v3", "offline", "token/s", 4.0, 16000.5),
        ("v6.0-0002 Acme", "wan-2.2-a14b", "latency", "s", 4.0, 22.5),
    ]
    assert list(table.row) == [2, 4, 5]
    cut = read(TABBED[:-20])
    assert len(cut) == 2
    assert "cut short" in cut.ignored[-1].why


def test_detection():
    """By its own words."""
    for text in (json.dumps([RECORD]), CROSS, TABBED):
        assert reader.sniff("\ufeff" + text) == 1.0
    for text in ("", "[]", '{"Performance": 3}', "Model,Scenario\n", "Public ID of nobody"):
        assert reader.sniff(text) == 0.0


@pytest.mark.parametrize(
    "text, error",
    [
        ("[1]", FormatError), ("[" * 10_000, FormatError), ('[{"Performance_Result": 3', InputError), ("{}", FormatError),
        ("x,y\n1,2\n", FormatError), ("Public ID,Organization\n", FormatError), ("a\nb\nPublic ID,Organization,Tokens/s\n1,2,3\n", InputError),
        (json.dumps([RECORD | {"Scenario": None}]), InputError), ("[" + "9" * 5000 + "]", FormatError), ('"' + "x" * 200_000, FormatError),
    ],
)  # fmt: skip
def test_hostile_lists(text, error):
    """One sentence with the file's name."""
    with pytest.raises(error, match="results"):
        read(text)


def test_damage_never_ends_in_a_traceback(survives):
    """Cut and flipped lists give figures or an InputError."""
    dice = random.Random(2)
    for i in range(600):
        text = list((json.dumps([RECORD, RECORD]), CROSS, TABBED)[i % 3])
        for _ in range(1 + i % 6):
            text[dice.randrange(len(text))] = dice.choice('0123456789,\t"{}[]:\nΩ\x00x()')
        survives(read, "".join(text)[: dice.randrange(1, len(text)) if i % 4 else None])
