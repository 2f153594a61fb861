"""The reader of nvidia-smi's query CSV and dmon, on logs written here."""

import io
import resource
import sys

import pytest

from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Measurements
from fingerprint.readers import nvidia_smi

# Written from the tool's format definition, not copied
HEADER = "timestamp, index, name, power.draw [W], utilization.gpu [%], memory.used [MiB], memory.total [MiB], clocks.max.sm [MHz], power.limit [W]\n"
ROW = "2026/01/02 03:04:0{0}.000, {0}, NVIDIA H20, {1} W, {2} %, {3} MiB, 97871 MiB, 1980 MHz, 500.00 W\n"
QUERY = HEADER + ROW.format(0, 72.5, 0, 4) + ROW.format(1, 400.0, 100, 1000) + ROW.format(0, 380.0, 90, 2000) + ROW.format(1, 420.0, 80, 3000)  # fmt: skip
DMON = """# gpu    pwr  gtemp  mtemp     sm    mem    enc    dec   mclk   pclk     fb
# Idx      W      C      C      %      %      %      %    MHz    MHz     MB
    0     70     30     30      0      0      0      0   2619    345      -
    1    650     60     70    100     60      0      0   2619   1980  70000
# gpu    pwr  gtemp  mtemp     sm    mem    enc    dec   mclk   pclk     fb
# Idx      W      C      C      %      %      %      %    MHz    MHz     MB
    0    600     60     70     95     60      0      0   2619   1980  71000
    1    640     60      -    100     60      0      0   2619   1980  70000
"""


def read(text: str) -> Measurements:
    return nvidia_smi.read(io.StringIO(text), "run.txt")


def figures(table: Measurements) -> dict[tuple[object, ...], float]:
    rows = [table.record(i) for i in range(len(table))]
    return {(r["quantity"], r.get("phase"), r["statistic"]): r["value"] for r in rows}


def test_query():
    """Load and idle are told apart by utilisation; name is identity; total, limit and clocks leave no trace."""
    table = read(QUERY)
    assert figures(table) == pytest.approx({
        ("power", "load", "mean"): 400.0, ("power", "load", "max"): 420.0, ("power", "idle", "mean"): 72.5,
        ("utilization", "load", "mean"): 0.9, ("memory_used", None, "max"): 3000 * 2**20,
    })  # fmt: skip
    assert set(table.number("accelerators")) == {2.0}
    assert set(table.word("scope")) == {"accelerator"}
    assert table.identity == {"run.txt": ("NVIDIA H20",)}
    scrubbed = read(QUERY.replace("NVIDIA H20", "x").replace("97871", "1").replace("1980", "1").replace("500.00", "1"))
    assert figures(scrubbed) == figures(table)


def test_no_units_and_missing_values():
    """Values without units read alike, and what a card lacks is passed over."""
    bare = QUERY.replace(" W,", ",").replace(" %,", ",").replace(" MiB,", ",")
    assert figures(read(bare)) == figures(read(QUERY))
    lacking = figures(read(QUERY.replace(" 0 %", " [N/A]").replace("100 %", "[Not Supported]").replace("90 %", "[N/A]").replace("80 %", "[N/A]")))  # fmt: skip
    assert lacking[("power", None, "mean")] == pytest.approx(1272.5 / 4)
    assert ("power", "load", "mean") not in lacking


def test_other_hardware_is_another_profile():
    """Cards of another name in one log are a profile of their own."""
    assert read(QUERY + ROW.format(2, 300, 50, 10).replace("H20", "L40S")).profiles == ("run.txt:1", "run.txt:2")


def test_dmon():
    """Dmon's repeated headers, dashes and its own units are read by its header."""
    table = read(DMON)
    assert figures(table) == pytest.approx({
        ("power", "load", "mean"): 630.0, ("power", "load", "max"): 650.0, ("power", "idle", "mean"): 70.0,
        ("utilization", "load", "mean"): 295 / 300, ("memory_used", None, "max"): 71000 * 2**20,
    })  # fmt: skip
    assert table.identity == {}
    dated = "".join(("#Date       Time        " + line[2:] if "gpu" in line else "#YYYYMMDD   HH:MM:SS    " + line[2:]) if line[0] == "#" else " 20260102   03:04:05 " + line for line in DMON.splitlines(keepends=True))  # fmt: skip
    assert figures(read(dated)) == figures(table)


@pytest.mark.parametrize("text", [QUERY, DMON, "a log line\n" + QUERY, QUERY.replace("\n", "\r\n"), "\ufeff" + QUERY])
def test_found_by_content(text):
    """Both are found behind noise, byte order marks and Windows line ends."""
    assert nvidia_smi.sniff(text) == 1.0
    assert len(read(text)) == 5


def test_absurd_values_are_ignored():
    """A negative power, a share above one and a cut line are left out with a reason."""
    bad = ROW.format(1, -5, 100, 1) + ROW.format(1, 1e9, 100, 1) + ROW.format(1, 100, 900, 1) + "2026, 0, NVIDIA"
    why = [i.why for i in read(QUERY + bad).ignored]
    assert len(why) == 4
    assert "900 %" in why[2]


@pytest.mark.parametrize(
    ("text", "error"),
    [("", FormatError), ("a, b\n1, 2\n", FormatError), (HEADER, InputError), ("timestamp, clocks.max.sm [MHz]\n1, 1980 MHz\n", InputError),
     (DMON.split("    0", maxsplit=1)[0], InputError), (HEADER + '"unclosed, ' * 5 + "\n", InputError)],
)  # fmt: skip
def test_unusable(text, error):
    """A log without a sample is refused; clocks alone are none."""
    with pytest.raises(error):
        read(text)


def test_memory_stays_flat():
    """A long log is summed up as it streams: its size does not show in memory."""

    class Endless(io.TextIOBase):
        def __iter__(self):
            yield HEADER
            for i in range(60_000):
                yield ROW.format(i % 8, 300 + i % 50, i % 101, 1000)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    table = nvidia_smi.read(Endless(), "run.txt")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert len(table) == 5
    assert grown < 20_000 * (1024 if sys.platform == "darwin" else 1)
