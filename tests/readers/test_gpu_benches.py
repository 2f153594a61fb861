"""The reader of gpu-benches, against real sweeps and small ones written here."""

import io

import pytest

import fingerprint
from fingerprint.errors import FormatError
from fingerprint.measurements import Measurements
from fingerprint.readers import gpu_benches

# Written from the tool's format definition, not copied
STREAM = (
    "blockSize   threads       %occ  |                init       read       scale     triad       3pt        5pt\n"
    "       32        3000      3 %  |  GB/s:         200         90        180        250        160        150\n"
    "      544       51000   53.1 %  |  GB/s:        2000       1300       1600       1650       1500       1500\n"
    "     1024       96000    100 %  |  GB/s:        2010 ! 1 blocks per SM   1900       1700       1800       1600   1600\n"
)
CACHE = (
    "     data set   exec time     spread       Eff. bw\n"
    "       512 kB      1024 kB         7ms       0.1%    7758.1 GB/s        0 GB/s      0 GB/s      0 GB/s      0 GB/s\n"
)
CHASE = "clock: 1410 1410\n" + "".join(f"  1000000  1410 {size:8}     25.5    {c}\n" for size, c in ((1, 36.0), (64, 38.1), (4096, 200.5), (65536, 560.0)))  # fmt: skip
ROOF = "".join(
    f"0 864 blocks    {i} its      {x} Fl/B       {b} GB/s     {g} GF/s   1410 Mhz   {w} W   47°C\n"
    for i, x, b, g, w in ((0, 0.25, 1372, 343, 227), (40, 10.25, 1300, 13000, 300), (400, 100.25, 180, 18000, 390))
)


def read(text: str) -> Measurements:
    return gpu_benches.read(io.StringIO(text), "run.txt")


@pytest.mark.parametrize(
    ("file", "row", "values"),
    [
        ("h100_pcie_gpu-stream.txt", 17, [2017e9, 1261e9, 1583e9, 1675e9]),
        ("a100_80_gpu-stream.txt", 17, [1897e9, 1122e9, 1577e9, 1659e9]),
        ("mi210_gpu-stream.txt", 17, [1430e9, 1055e9, 1216e9, 1225e9]),
    ],
)
def test_real_streams(examples_dir, file, row, values):
    """The 512-thread row of a sweep gives init, read, scale and triad; rows with few threads are left out with a reason."""
    table = fingerprint.read(examples_dir / "gpu_benches" / file)
    assert table.number("value")[table.row == row].tolist() == pytest.approx(values)
    assert set(table.word("workload")) == {"write", "read", "stream-scale", "stream-triad"}
    assert len(table.ignored) == 15
    assert table.identity == {}


def test_real_cache(examples_dir):
    """A cache sweep is cache reads of a stated size, never a bandwidth of the memory."""
    table = fingerprint.read(examples_dir / "gpu_benches" / "h100_pcie_l2-cache.txt")
    assert set(table.word("workload")) == {"cache-read"}
    assert table.number("value")[:3].tolist() == pytest.approx([7758.1e9, 7510.7e9, 7381.1e9])
    assert table.number("working_set_bytes")[:3].tolist() == [1024.0 * 1024, 1536.0 * 1024, 2048.0 * 1024]


def test_streams():
    """Only columns that stream count, also behind the remark on occupancy."""
    table = read(STREAM)
    assert table.number("value").tolist() == pytest.approx([2e12, 1.3e12, 1.6e12, 1.65e12, 2.01e12, 1.9e12, 1.7e12, 1.8e12])
    assert table.number("working_set_bytes")[:4].tolist() == [2**30, 2**30, 2**31, 3 * 2**30]
    assert [i.row for i in table.ignored] == [2]


def test_cache_chase_and_roofline():
    """Caches keep their size, chains their cycles, a roofline its two ends and its power."""
    assert read(CACHE).record(0)["working_set_bytes"] == 1024 * 1024
    table = read(CHASE)
    assert table.number("value").tolist() == [36.0, 38.1, 200.5, 560.0]
    assert table.record(3)["working_set_bytes"] == 65536 * 1024
    table = read(ROOF)
    assert [(r["quantity"], r["value"]) for r in map(table.record, range(4))] == [
        ("bandwidth", 1372e9), ("power", 227.0), ("compute_rate", 18e12), ("power", 390.0)
    ]  # fmt: skip
    assert all("1410" not in str(table.record(i)) for i in range(4))


@pytest.mark.parametrize("text", [STREAM, CACHE, CHASE, ROOF])
def test_found_by_content(text):
    """Each sweep is found by its content, and by no other reader."""
    assert gpu_benches.sniff(text.replace("\n", "\r\n")) >= 0.9
    assert fingerprint.readers._detect(text, "x").NAME == "gpu-benches"


@pytest.mark.parametrize("text", ["", "clock: 1 2 3\n", "1 2 3\n4 5 6\n" * 10, STREAM.split("\n")[1][:20]])
def test_unusable(text):
    """A file without a row is refused."""
    with pytest.raises(FormatError):
        read(text)
