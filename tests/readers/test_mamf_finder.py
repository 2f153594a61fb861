"""The reader of mamf-finder, on outputs of its versions written here."""

import io

import pytest

from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Measurements
from fingerprint.readers import mamf_finder

# Written from the tool's format definition, not copied
HEAD = "** Dtype: torch.bfloat16\n\n** Platform/Device info:\n_CudaDeviceProperties(name='NVIDIA H200', major=9, minor=0, total_memory=1MB)\n"
ROW = "     {0} |  {1:6.1f}(mean)  {1:6.1f}(median)  {1:6.1f}(max) @ {2}        | best:  900.0(mean)  900.0(median)  900.0(max) TFLOPS\r"
OLD = (
    HEAD + ROW.format(1, 756.1, "4096x4096x4096") + ROW.format(2, 790.4, "8192x4096x4096")
    + "\x1b[K\nTried  2 shapes => the best outcomes were:\nmean:   790.4 TFLOPS @ 8192x4096x4096 (MxNxK)\n"
    "median: 790.4 TFLOPS @ 8192x4096x4096 (MxNxK)\nmax:    799.0 TFLOPS @ 8192x4096x4096 (MxNxK)\n"
)  # fmt: skip
NEW = (
    "** Dtype: nvfp4\n     #  MxNxK                mean median    max   best     W   MHz\n"
    "    18  3072x2816x20480     828.4  828.6  831.6  828.4   506  1980  <- best mean\n"
    "Tried 24 shapes => the best outcomes were:\n"
    "MAMF (max achievable,  boost burst): 842 TFLOPS @ 3072x2816x20480 (MxNxK)  172W 1980MHz\n"
    "MSMF (max sustainable, saturated):   722 TFLOPS @ 3072x2816x8192 (MxNxK)  681W 1612MHz\n"
)


def read(text: str) -> Measurements:
    return mamf_finder.read(io.StringIO(text), "run.txt")


def test_old_rows_overwritten_in_place():
    """Rows that carriage returns overwrote are each read; the closing mean is one of them and counts once."""
    table = read(OLD)
    assert table.number("value").tolist() == pytest.approx([756.1e12, 790.4e12])
    assert table.record(1)["m"] == 8192
    assert table.record(0)["precision"] == "bf16"
    assert table.identity == {"run.txt": ("NVIDIA H200",)}


def test_closing_lines_alone():
    """The closing lines alone give the best mean."""
    text = OLD[OLD.index("Tried") :]
    assert mamf_finder.sniff(text) == 1.0
    assert read(text).number("value").tolist() == pytest.approx([790.4e12])


def test_new_headlines():
    """The table's mean, both headlines and the power held at full load are read; clocks are not."""
    table = read(NEW)
    assert table.number("value").tolist() == pytest.approx([828.4e12, 842e12, 722e12, 681.0])
    assert [table.record(i).get("statistic") for i in range(4)] == ["mean", "max", "mean", "mean"]
    assert table.record(0)["precision"] == "fp4"
    assert mamf_finder.sniff(NEW) == 1.0


@pytest.mark.parametrize(
    ("text", "error"),
    [("", FormatError), ("mean: 3\n", FormatError), (HEAD, InputError),
     (OLD.replace("756.1", "0.0").replace("790.4", "99999999999.0"), InputError)],
)  # fmt: skip
def test_unusable(text, error):
    """A file without a rate is refused."""
    with pytest.raises(error):
        read(text)
