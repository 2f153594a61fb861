"""The reader of nccl-tests output, against two real files and small ones written here."""

import io
import json

import pytest

from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Measurements
from fingerprint.readers import nccl_tests

HEADER = """\
#                                                              out-of-place                       in-place
#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong
#        (B)    (elements)                               (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)
"""
CONFIG = "# nThread 1 nGpus 1 minBytes 8 maxBytes 1073741824 step: 2(factor) warmup iters: 5 iters: 20\n"
RANK = "#  Rank {0:2} Group  0 Pid {1} on host-a device {0:2} [0000:{0:02x}:00] NVIDIA H20\n"
ROW = " 1073741824     268435456     float     sum      -1   4000.0  268.44  469.76      0   4100.0  261.89  458.30      0\n"
FOOTER = "# Out of bounds values : 0 OK\n# Avg bus bandwidth    : 464.03\n#\n"


def ranks(count: int) -> str:
    return "".join(RANK.format(rank, 1000 + rank) for rank in range(count))


def read(text: str) -> Measurements:
    return nccl_tests.read(io.StringIO(text), "run.txt")


def values(table: Measurements, quantity: str) -> list[float]:
    return table.number("value")[table.word("quantity").equals(quantity)].tolist()


def test_real_readme(examples_dir):
    """A README's capture of 16 ranks gives times and bus bandwidths of both directions in SI units."""
    path = examples_dir / "nccl_tests" / "h100x16_all_reduce_perf.md"
    text = path.read_text()
    assert nccl_tests.sniff(text[:65536]) == 1.0
    table = nccl_tests.read(io.StringIO(text), path.name)
    size, bus = table.number("message_bytes"), table.word("quantity").equals("bus_bandwidth")
    largest = size == 8589934592
    assert table.number("value")[largest & bus] == pytest.approx([338.82e9, 337.35e9])
    assert table.number("value")[largest & ~bus] == pytest.approx([0.047535, 0.047743])
    assert table.number("value")[(size == 8) & ~bus] == pytest.approx([135.8e-6, 123.5e-6])
    assert set(table.number("accelerators")) == {16.0}
    assert set(table.word("workload")) == {"all-reduce"}
    assert table.identity == {path.name: ("NVIDIA H100 80GB HBM3",)}
    # 31 sizes twice, of which the six smallest have a bus bandwidth of 0.00 in both directions.
    assert len(table) == 2 * 31 + 2 * 25


def test_real_elided_table(examples_dir):
    """A capture whose table was cut out is refused by name, not read as its average."""
    path = examples_dir / "nccl_tests" / "b200x16_all_gather_truncated.txt"
    text = path.read_text()
    assert nccl_tests.sniff(text) > 0.5
    with pytest.raises(InputError, match=r"without rows.*22\.2173"):
        nccl_tests.read(io.StringIO(text), path.name)


def test_plain_output():
    """The bare output of one process a GPU is read with its rank count and device names."""
    table = read("$ mpirun -np 8 ./all_reduce_perf -b 1G -e 1G -n 20\n" + CONFIG + ranks(8) + HEADER + ROW + FOOTER)
    assert values(table, "latency") == pytest.approx([4000e-6, 4100e-6])
    assert values(table, "bus_bandwidth") == pytest.approx([469.76e9, 458.30e9])
    record = table.record(0)
    assert record["accelerators"] == 8
    assert record["scope"] == "accelerator"
    assert record["tool"] == "collective"
    assert table.identity == {"run.txt": ("NVIDIA H20",)}
    assert table.notes == ()


def test_colours_and_carriage_returns():
    """ANSI codes and Windows line ends change nothing."""
    plain = "./all_reduce_perf\n" + CONFIG + ranks(8) + HEADER + ROW
    coloured = plain.replace("#  Rank", "\x1b[32m#  Rank").replace("NVIDIA H20\n", "NVIDIA H20\x1b[0m\r\n")
    assert values(read(coloured), "latency") == values(read(plain), "latency")
    assert read(coloured).identity == {"run.txt": ("NVIDIA H20",)}


def test_old_columns_without_root():
    """The columns of old versions (no root, an error instead of a count) are found by the header."""
    header = (
        "#       size         count    type   redop     time   algbw   busbw  error     time   algbw   busbw  error\n"
    )
    row = "   536870912     134217728   float     sum   2000.0  268.44  469.76  2e-07   2050.0  261.89  458.30  2e-07\n"
    table = read("# nThread: 1 nGpus: 8\n./all_reduce_perf -g 8\n" + header + row)
    assert values(table, "latency") == pytest.approx([2000e-6, 2050e-6])
    assert set(table.number("accelerators")) == {8.0}


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (
            "#  size  count  type  redop  root"
            + 2 * "  time  algbw  busbw  #wrong  i_min  i_max  i_p99  i_cv%"
            + "  timestamp\n",
            "1024 256 float sum -1 10.0 0.10 0.18 0 9.0 11.0 10.9 2.1 12.0 0.09 0.15 0 11.0 13.0 12.9 2.2 2026-01-02 03:04:05\n",
        ),
        (
            HEADER.replace("#wrong\n", "#wrong timestamp\n"),
            "1024 256 float sum -1 10.0 0.10 0.18 0 12.0 0.09 0.15 N/A 2026-01-02 03:04:05\n",
        ),
    ],
    ids=["per iteration", "timestamp"],
)
def test_extra_columns(header, row):
    """The columns that -I and -S add leave times and bandwidths where the header says."""
    table = read("./all_reduce_perf\n" + CONFIG + ranks(8) + header + row)
    assert values(table, "latency") == pytest.approx([10e-6, 12e-6])
    assert values(table, "bus_bandwidth") == pytest.approx([0.18e9, 0.15e9])


def test_host_times_are_no_figures():
    """With -C the time is the host's own, so neither it nor its bandwidth is kept."""
    with pytest.raises(InputError, match="usable"):
        read("./all_reduce_perf\n" + CONFIG + ranks(8) + HEADER.replace(" time", " cputime") + ROW)


def test_failed_check_is_ignored():
    """A size whose data check failed is ignored with its reason; the others stay."""
    failed = ROW.replace("      0   4100.0", "      7   4100.0")
    table = read("./all_reduce_perf\n" + CONFIG + ranks(8) + HEADER + failed)
    assert values(table, "latency") == pytest.approx([4100e-6])
    assert "7 wrong values" in table.ignored[0].why


def test_elided_ranks_are_counted_by_ratio():
    """Where rank lines are cut out, bus over algorithm bandwidth (1.75 = 2 x 7 / 8) tells eight ranks."""
    table = read("./all_reduce_perf\n" + CONFIG + ranks(2) + "# ... (truncated) ...\n" + HEADER + ROW)
    assert set(table.number("accelerators")) == {8.0}
    assert any("by the ratio" in note for note in table.notes)


def test_rank_lines_written_as_one():
    """One line "Rank 0 .. Rank 7" counts eight ranks and still names the device."""
    table = read("./all_reduce_perf\n#  Rank  0 .. Rank  7 on a  NVIDIA H100 80GB HBM3\n" + HEADER + ROW)
    assert set(table.number("accelerators")) == {8.0}
    assert table.identity == {"run.txt": ("NVIDIA H100 80GB HBM3",)}


def test_unknown_count_stays_empty():
    """Without ranks, command line or a telling ratio the count is left empty and said so."""
    table = read("./sendrecv_perf\n" + HEADER + "1048576 262144 float none -1 100.0 10.49 10.49 0 N/A N/A N/A N/A\n")
    assert "accelerators" not in table.record(0)
    assert table.record(0)["workload"] == "send-recv"
    assert any("how many ranks" in note for note in table.notes)
    assert len(table) == 2


@pytest.mark.parametrize(
    ("row", "workload"),
    [
        (ROW, "all-reduce"),
        (ROW.replace("469.76", "234.88").replace("458.30", "229.15"), "reduce-scatter"),
        (ROW.replace("sum", "none").replace("469.76", "234.88").replace("458.30", "229.15"), ""),
    ],
)
def test_unnamed_collective(row, workload):
    """Without a command line the collective is named only where its reduction and ratio leave no other."""
    assert set(read(CONFIG + ranks(8) + HEADER + row).word("workload")) == {workload}


def test_several_runs_in_one_file():
    """Each run keeps its own collective and rank count; other hardware makes another profile."""
    gather = ROW.replace("   sum      -1", "  none      -1").replace("469.76", "201.33").replace("458.30", "196.42")
    first = "$ ./all_reduce_perf -g 8\n" + CONFIG + ranks(8) + HEADER + ROW + FOOTER
    second = "$ ./all_gather_perf -g 4\n" + CONFIG + ranks(4).replace("H20", "L20") + HEADER + gather + FOOTER
    table = read(first + second)
    assert table.profiles == ("run.txt:1", "run.txt:2")
    assert [table.record(i)["workload"] for i in (0, 4)] == ["all-reduce", "all-gather"]
    assert [table.record(i)["accelerators"] for i in (0, 4)] == [8, 4]
    assert table.identity == {"run.txt:1": ("NVIDIA H20",), "run.txt:2": ("NVIDIA L20",)}


def test_rows_without_header():
    """Rows pasted without their header are read by their shape."""
    assert values(read("./all_reduce_perf\n" + ranks(8) + ROW), "bus_bandwidth") == pytest.approx([469.76e9, 458.30e9])


def document(**changes: object) -> dict[str, object]:
    body = {"time": 4000.0, "alg_bw": 268.44, "bus_bw": 469.76, "nwrong": "nan"}
    run: dict[str, object] = {
        "version": 3,
        "args": ["/opt/build/all_reduce_perf", "-b", "1G"],
        "config": {
            "nthreads": 1,
            "ngpus": 1,
            "devices": [
                {"rank": r, "group": 0, "hostname": "a", "device_hex": f"0000:{r:02x}:00", "device_info": "NVIDIA B200"}
                for r in range(8)
            ],
        },
        "results": [{"size": 1073741824, "redop": "sum", "out_of_place": body, "in_place": None}],
    }
    return run | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"args": 7},
        {"config": {"nthreads": "nan", "ngpus": 1e300, "devices": {"rank": 1}}},
        {"config": {"devices": [{"rank": "x"}, {"rank": -1}, 3, {"rank": 1e400}]}},
        {"devices": "many", "config": []},
    ],
)
def test_json_with_odd_circumstances(changes):
    """Circumstances of another type are passed over; the figures stay."""
    assert 4000e-6 in values(read("\ufeff" + json.dumps(document(**changes))), "latency")


def test_json():
    """The JSON of -J gives the same figures; text such as "nan" and missing directions are no figures."""
    text = json.dumps(document())
    assert nccl_tests.sniff(text) > 0.9
    table = read(text)
    assert values(table, "latency") == pytest.approx([4000e-6])
    assert values(table, "bus_bandwidth") == pytest.approx([469.76e9])
    assert table.record(0)["accelerators"] == 8
    assert table.record(0)["workload"] == "all-reduce"
    assert table.identity == {"run.txt": ("NVIDIA B200",)}


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("A text about something else.\n", FormatError, "no table"),
        ("", FormatError, "no table"),
        ('{"results": [', InputError, "cut short"),
        ('{"version": 3}', FormatError, "results"),
        (json.dumps(document(results=[])), InputError, "without rows"),
        ('{"results": ' + "[" * 10_000, FormatError, "nested too deeply"),
        (json.dumps(document(results=[{"size": "nan", "out_of_place": {"time": 1}}])), InputError, "usable"),
        (json.dumps(document(results=[{"size": 8, "out_of_place": {"time": "-1", "bus_bw": []}}])), InputError, "usable"),
        ('{"results": [{"size": 8, "out_of_place": {"time": 1e400, "bus_bw": 1e400}}]}', InputError, "usable"),
        (CONFIG + ranks(8), InputError, "without rows"),
    ],
)
def test_unusable_files(text, error, says):
    """What can't be used is refused with one sentence that says why."""
    with pytest.raises(error, match=says):
        read(text)


@pytest.mark.parametrize("text", ["", "size,count\n1,2\n", '{"output_throughput": 3}', "Avg latency : 3"])
def test_other_files_are_not_claimed(text):
    """Files of other kinds are not taken for nccl-tests output."""
    assert nccl_tests.sniff(text) < 0.3
