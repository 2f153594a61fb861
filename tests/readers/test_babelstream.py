"""The reader of BabelStream, against two real files and small ones written here."""

import io

import pytest

import fingerprint
from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Measurements
from fingerprint.readers import babelstream

# Written from the tool's format definition, not copied
TEXT = """BabelStream
Version: 5.0
Implementation: HIP
Running kernels 100 times
Precision: double
Array size: 268.4 MB (=0.3 GB)
Total size: 805.3 MB (=0.8 GB)
Using HIP device AMD Instinct MI300X
Driver: 60342134
Function    MBytes/sec  Min (sec)   Max         Average
Copy        4100000.000 0.00013     0.00014     0.00013
Dot         3900000.500 0.00014     0.00015     0.00014
"""
CSV = """phase,n_elements,sizeof,max_mibytes_per_sec,runtime
Init,33554432,4,10000,0.01
function,num_times,n_elements,sizeof,max_mibytes_per_sec,min_runtime,max_runtime,avg_runtime
Triad,100,33554432,4,3000000,0.00012,0.00013,0.00013
"""


def read(text: str) -> Measurements:
    return babelstream.read(io.StringIO(text), "run.txt")


def test_real_text(examples_dir):
    """The text of an A100 gives five bandwidths in bytes a second; the device is identity alone."""
    table = fingerprint.read(examples_dir / "babelstream" / "a100_sxm4_80gb_v5.txt")
    assert table.number("value").tolist() == pytest.approx(
        [1709360.8e6, 1676181.608e6, 1715845.543e6, 1724827.354e6, 1586905.948e6]
    )
    assert list(table.word("workload")) == ["stream-copy", "stream-scale", "stream-add", "stream-triad", "stream-dot"]
    assert table.number("working_set_bytes")[[0, 3]].tolist() == pytest.approx([2 * 268.4e6, 3 * 268.4e6])
    assert table.identity == {"a100_sxm4_80gb_v5.txt": ("NVIDIA A100-SXM4-80GB",)}
    assert "A100" not in str([table.record(i) for i in range(len(table)) if table.record(i).pop("profile")])


def test_real_failed_validation(examples_dir):
    """A failed validation is noted and the single-precision figures stay."""
    table = fingerprint.read(examples_dir / "babelstream" / "a100_pcie_40gb_v4_float_validation_failed.txt")
    assert table.number("value")[[0, 2, 4]].tolist() == pytest.approx([1272688.489e6, 1327924.227e6, 964970.365e6])
    assert set(table.word("precision")) == {"fp32"}
    assert "check failed" in table.notes[0]


def test_text_and_csv():
    """Both outputs give bandwidth, precision and the bytes touched; MiB are 2^20."""
    table = read(TEXT)
    assert table.number("value").tolist() == pytest.approx([4.1e12, 3.9000005e12])
    assert table.identity == {"run.txt": ("AMD Instinct MI300X",)}
    table = read(CSV)
    assert table.number("value").tolist() == pytest.approx([3e6 * 2**20])
    assert table.record(0)["precision"] == "fp32"
    assert table.record(0)["working_set_bytes"] == 3 * 4 * 33554432
    assert table.row.tolist() == [4]


@pytest.mark.parametrize(
    "changed", [TEXT.replace("\n", "\r\n"), "\ufeff" + TEXT, "\x1b[1m" + TEXT, TEXT.rstrip()[:-30]]
)
def test_line_ends_and_colours(changed):
    """Windows line ends, a byte order mark, colours and a cut last line change no figure."""
    assert babelstream.sniff(changed) == 1.0
    assert read(changed).number("value")[0] == pytest.approx(4.1e12)


def test_two_devices_are_two_profiles():
    """Runs on different devices in one file are profiles of their own."""
    table = read(TEXT + TEXT.replace("MI300X", "MI250X"))
    assert table.profiles == ("run.txt:1", "run.txt:2")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", FormatError),
        (TEXT.split("Copy", maxsplit=1)[0], InputError),
        (TEXT.replace("HIP device AMD Instinct MI300X", "SYCL device Host Device"), InputError),
        (TEXT.replace("4100000.000", "1e400").replace("3900000.500", "nan"), InputError),
        (TEXT.replace("4100000.000", "-1").replace("3900000.500", "/etc/passwd"), InputError),
    ],
)
def test_unusable(text, error):
    """What holds no bandwidth of an accelerator is refused."""
    with pytest.raises(error):
        read(text)
