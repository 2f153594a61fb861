"""The reader of mixbench, on outputs written here."""

import io

import pytest

from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Measurements
from fingerprint.readers import mixbench

# Written from the tool's format definition, not copied
BLOCK = """---------------------------------- CSV data ----------------------------------
Experiment ID, Single Precision ops,,,,              Double precision ops,,,,              Half precision ops,,,,                Integer operations,,,
Compute iters, Flops/byte, ex.time,  GFLOPS, GB/sec, Flops/byte, ex.time,  GFLOPS, GB/sec, Flops/byte, ex.time,  GFLOPS, GB/sec, Iops/byte, ex.time,   GIOPS, GB/sec
            0,      0.250,    0.07,  450.00,1800.00,      0.125,    0.14,  225.00,1810.00,      0.500,    0.07,  900.00,1795.00,     0.250,    0.07,  450.00,1800.00
          256,    128.250,    0.90,18500.00, 145.00,     64.125,    1.80, 9300.00, 145.00,    256.500,    0.90,37000.00, 145.00,   128.250,    1.80, 9500.00,  74.00
-----------------------------------------------------------------------------
"""
TEXT = "mixbench (v0.04)\nDevice:              NVIDIA A100-SXM4-80GB\nMemory bandwidth:    2039.00 GB/sec\nBuffer size:          256MB\n" + BLOCK  # fmt: skip


def read(text: str) -> Measurements:
    return mixbench.read(io.StringIO(text), "run.txt")


def test_text():
    """Each precision gives its best bandwidth and its best rate; the data sheet's lines above are not read."""
    table = read(TEXT)
    rows = [table.record(i) for i in range(len(table))]
    found = {(r["precision"], r["quantity"]): r["value"] for r in rows}
    assert found == {
        ("fp32", "bandwidth"): 1800e9, ("fp32", "compute_rate"): 18.5e12, ("fp64", "bandwidth"): 1810e9,
        ("fp64", "compute_rate"): 9.3e12, ("fp16", "bandwidth"): 1795e9, ("fp16", "compute_rate"): 37e12,
    }  # fmt: skip
    assert {r["workload"] for r in rows} == {"read", "vector"}
    assert [r["working_set_bytes"] for r in rows if r["quantity"] == "bandwidth"] == [2**27, 2**28, 2**27]
    assert table.identity == {"run.txt": ("NVIDIA A100-SXM4-80GB",)}
    assert "Integer" in table.ignored[0].why


def test_block_alone():
    """The CSV block alone is found and gives the same figures."""
    assert mixbench.sniff(BLOCK) == 1.0
    assert read(BLOCK).number("value").tolist() == read(TEXT).number("value").tolist()


def test_cut_row():
    """A last row cut off leaves whole groups only."""
    assert read(TEXT.split(",     64.125")[0]).number("value").max() == pytest.approx(18.5e12)


@pytest.mark.parametrize(
    ("text", "error"),
    [("", FormatError), ("a,b,c\n", FormatError), (TEXT.split("            0,")[0], InputError),
     (TEXT.replace("00,", "inf,").replace("00\n", "nan\n"), InputError)],
)  # fmt: skip
def test_unusable(text, error):
    """A file without whole rows is refused."""
    with pytest.raises(error):
        read(text)
