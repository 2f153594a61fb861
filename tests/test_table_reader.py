"""The project's own table comes back the same from CSV, JSON and Parquet; every bad input is one clear sentence."""

import gzip
import io
import json
import time

import numpy as np
import pandas as pd
import pytest

from fingerprint.errors import FormatError, InputError
from fingerprint.readers import read, read_text

ROWS = [
    {"profile": "a", "tool": "kernel", "workload": "gemm", "precision": "bf16", "m": 4096, "n": 4096, "k": 4096,
     "quantity": "latency", "unit": "ms", "value": 1.25},
    {"profile": "b", "tool": "serving", "workload": "llama-2-70b", "precision": "fp8", "accelerators": 8,
     "quantity": "output_throughput", "unit": "tok/s", "value": 12345.5},
    {"profile": "a", "tool": "stream", "workload": "copy", "quantity": "bandwidth", "unit": "GB/s", "value": 3000},
]  # fmt: skip


def as_csv(rows, **options):
    return pd.DataFrame(rows).to_csv(index=False, **options)


def as_json_lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def records(table):
    return [table.record(i) for i in range(len(table))]


EXPECTED = [
    {"profile": "a", "tool": "kernel", "workload": "gemm", "precision": "bf16", "m": 4096.0, "n": 4096.0, "k": 4096.0,
     "quantity": "latency", "unit": "s", "value": 0.00125},
    {"profile": "b", "tool": "serving", "workload": "llama-2-70b", "precision": "fp8", "accelerators": 8.0,
     "quantity": "output_throughput", "unit": "token/s", "value": 12345.5},
    {"profile": "a", "tool": "stream", "workload": "copy", "quantity": "bandwidth", "unit": "B/s", "value": 3e12},
]  # fmt: skip

FLAVOURS = {
    "csv": as_csv(ROWS).encode(),
    "semicolons": as_csv(ROWS, sep=";").encode(),
    "tabs": as_csv(ROWS, sep="\t").encode(),
    "windows lines": as_csv(ROWS, lineterminator="\r\n").encode(),
    "byte order mark": b"\xef\xbb\xbf" + as_csv(ROWS).encode(),
    "utf-16": as_csv(ROWS).encode("utf-16"),
    "blank lines": ("\n" + as_csv(ROWS).replace("\n", "\n\n")).encode(),
    "upper-case header": as_csv([{k.upper(): v for k, v in row.items()} for row in ROWS]).encode(),
    "no line end": as_csv(ROWS).rstrip("\n").encode(),
    "json lines": as_json_lines(ROWS).encode(),
    "json array": json.dumps(ROWS, indent=1).encode(),
    "gzip": gzip.compress(as_csv(ROWS).encode()),
    "gzip of json": gzip.compress(as_json_lines(ROWS).encode()),
}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_table_reads_the_same_from_every_kind_of_file(tmp_path, flavour):
    file = tmp_path / "figures"
    file.write_bytes(FLAVOURS[flavour])
    table = read(file)
    assert records(table) == EXPECTED
    assert table.row.tolist() == [1, 2, 3]


def test_parquet_reads_the_same_as_csv(tmp_path):
    pd.DataFrame(ROWS).to_parquet(tmp_path / "figures")
    assert records(read(tmp_path / "figures")) == EXPECTED


def test_parquet_columns_may_be_categories_or_numbers(tmp_path):
    frame = pd.DataFrame(ROWS).astype({"quantity": "category", "tool": "category"})
    frame["profile"] = [7, 8, 7]
    frame["gpu"] = [1, 1, 2]
    frame.to_parquet(tmp_path / "figures")
    table = read(tmp_path / "figures")
    assert table.profiles == ("7", "8")
    assert table.identity == {"7": ("1", "2"), "8": ("1",)}


def test_a_stream_that_cannot_seek_is_read(tmp_path):
    class Pipe(io.RawIOBase):
        def __init__(self, content):
            self.content = io.BytesIO(content)

        def readable(self):
            return True

        def readinto(self, buffer):
            return self.content.readinto(buffer)

    assert records(read(Pipe(FLAVOURS["gzip"]))) == EXPECTED


def test_models_are_known_by_their_publishers_names():
    rows = [{**ROWS[1], "workload": "meta-llama/Llama-2-70b-chat-hf"}, {**ROWS[1], "workload": "a model nobody knows"}]
    assert list(read_text(as_csv(rows)).word("workload")) == ["llama-2-70b", "a model nobody knows"]


def test_what_the_file_says_its_hardware_is_is_reported_and_no_column_of_the_table():
    table = read_text(as_csv([{**row, "gpu": "NVIDIA H100"} for row in ROWS]))
    assert table.identity == {"a": ("NVIDIA H100",), "b": ("NVIDIA H100",)}
    assert "gpu" not in table.words
    assert records(table) == EXPECTED


def test_rows_may_be_grouped_by_any_column():
    rows = [{**row, "host": host} for row, host in zip(ROWS, ("x", "y", "y"), strict=True)]
    file = io.BytesIO(as_csv(rows).encode())
    assert read(file, profile_by="host").profiles == ("x", "y")
    with pytest.raises(InputError, match="has no column 'rack'"):
        read(io.BytesIO(as_csv(rows).encode()), profile_by="rack")


def test_unknown_columns_are_noted_once():
    assert read_text(as_csv([{**row, "weather": "fine"} for row in ROWS]), "f").notes == ("f: ignored columns weather",)


HEADER = "quantity,unit,value\n"
BAD = {
    "empty": (b"", "f: is empty; there is nothing to classify"),
    "blank": (b" \n\n", "f: is empty; there is nothing to classify"),
    "empty gzip": (gzip.compress(b""), "f: is empty; there is nothing to classify"),
    "header only": (HEADER.encode(), "f: has a header but no row"),
    "empty array": (b"[]", "f: is in no format that this program knows"),
    "prose": (b"Dear reader, here are no figures.\n", "f: is in no format that this program knows"),
    "binary": (b"\x7fELF\0\0\1\2", "f: is a binary file that this program does not know"),
    "missing column": (b"quantity,value\nlatency,1\n", "f: the table lacks the column 'unit'"),
    "unknown unit": (f"{HEADER}power,W,1\nlatency,parsec,1\n".encode(),
                     "f, row 2: column 'unit' holds 'parsec', no unit of latency (s)"),
    "unknown quantity": (f"{HEADER}beauty,W,1\n".encode(), "f, row 1: column 'quantity' holds 'beauty', which nobody knows"),
    "nan": (f"{HEADER}power,W,1\npower,W,NaN\n".encode(), "f, row 2: column 'value' is empty or not a number"),
    "infinity": (f"{HEADER}power,W,inf\n".encode(), "f, row 1: column 'value' is infinite"),
    "negative": (f"{HEADER}power,W,-3\n".encode(), "f, row 1: column 'value' is negative"),
    "absurd": (f"{HEADER}power,W,1e40\n".encode(), "f, row 1: column 'value' is absurd"),
    "word for a number": (f"{HEADER}power,W,high\n".encode(), "f, row 1: column 'value' must hold a number, found 'high'"),
    "short row": (f"{HEADER}power,W,1\npower,W\n".encode(), "f, row 2: has 2 cells where the header names 3 columns"),
    "column twice": (b"quantity,unit,value,value\npower,W,1,2\n", "f, row 1: has the column 'value' twice"),
    "json line cut": (b'{"quantity": "power", "unit": "W", "value": 1}\n{"quantity": "pow', "f, row 2: is no JSON object"),
    "json of another kind": (b'{"quantity": "power", "unit": "W", "value": 1}\n[1]\n', "f, row 2: must be a JSON object, found list"),
    "json array cut": (b'[{"quantity": "power", "unit": "W", "value": 1}, {', "f: is no JSON"),
    "json nested": (b'{"quantity": "power", "unit": "W", "value": [1]}\n', "f, row 1: column 'value' must hold a number or a word"),
    "json nan": (b'{"quantity": "power", "unit": "W", "value": NaN}\n', "f, row 1: column 'value' is empty or not a number"),
    "json infinity": (b'{"quantity": "power", "unit": "W", "value": 1e999}\n', "f, row 1: column 'value' is infinite"),
    "truncated gzip": (gzip.compress(as_csv(ROWS * 500).encode())[:-40], "f: is a gzip file cut short; fetch it again"),
    "gzip cut at once": (gzip.compress(as_csv(ROWS).encode())[:12], "f: is a gzip file cut short; fetch it again"),
    "damaged gzip": (b"\x1f\x8b\x08\0" + b"\xff" * 60, "f: is a damaged gzip file"),
    "damaged parquet": (b"PAR1" + b"rubbish" * 20, "f: is a damaged Parquet file"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_clear_sentence(tmp_path, kind):
    content, message = BAD[kind]
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(InputError) as caught:
        read(tmp_path / "f")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_one_clear_sentence(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.csv: can't be opened: No such file"):
        read(tmp_path / "nowhere.csv")


def test_a_format_nobody_knows_is_a_format_error():
    with pytest.raises(FormatError):
        read_text("Dear reader\n")
    with pytest.raises(InputError, match="--format: knows no format 'xls'"):
        read(io.BytesIO(FLAVOURS["csv"]), format="xls")


def test_a_bad_row_deep_in_a_long_file_is_named_by_its_number(tmp_path):
    lines = ["latency,ms,1.5"] * 250_000
    lines[234_566] = "latency,ms,-1.5"
    (tmp_path / "long.csv").write_text(HEADER + "\n".join(lines))
    with pytest.raises(InputError, match=r"^long\.csv, row 234567: column 'value' is negative"):
        read(tmp_path / "long.csv")


def test_a_long_file_is_read_in_pieces_that_fit_together(tmp_path):
    n = 450_000
    with gzip.open(tmp_path / "long.csv.gz", "wt", compresslevel=1) as stream:
        stream.write("profile," + HEADER)
        stream.writelines(f"p{i % 1000},latency,ms,{i + 1}\n" for i in range(n))
    start = time.perf_counter()
    table = read(tmp_path / "long.csv.gz")
    # Ten million rows take about twenty times as long; a quadratic reader would not end.
    assert time.perf_counter() - start < 60
    assert len(table.profiles) == 1000
    np.testing.assert_allclose(table.number("value"), np.arange(1, n + 1) * 1e-3)
    np.testing.assert_array_equal(table.row, np.arange(1, n + 1))
