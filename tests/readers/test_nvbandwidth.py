"""The reader of nvbandwidth, against a real file and outputs written here."""

import io
import json

import pytest

import fingerprint
from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Measurements
from fingerprint.readers import nvbandwidth

# Written from the tool's format definition, not copied
TEXT = """nvbandwidth Version: v0.8
Built from Git version: v0.8

Device 0: NVIDIA H100 80GB HBM3 (00000000:18:00)
Device 1: NVIDIA H100 80GB HBM3 (00000000:2a:00)

Running host_to_device_memcpy_ce.
memcpy CE CPU(row) -> GPU(column) bandwidth (GB/s)
           0         1
 0     55.20     55.30

SUM host_to_device_memcpy_ce 110.50

Running device_to_device_memcpy_write_ce.
memcpy CE GPU(row) <- GPU(column) bandwidth (GB/s)
           0         1
 0       N/A    390.10
 1    390.30       N/A

SUM device_to_device_memcpy_write_ce 780.40

Running device_to_device_bidirectional_memcpy_read_ce.
memcpy CE GPU(row) <-> GPU(column) Total bandwidth (GB/s)
           0         1
 0       N/A    720.00
 1    720.00       N/A

Running device_local_copy.
memcpy local GPU(column) bandwidth (GB/s)
           0         1
 0   1519.00   1521.00

Running host_device_latency_sm.
memory latency SM CPU(row) <-> GPU(column) (ns)
           0         1
 0    650.00    651.00
"""


def read(text: str) -> Measurements:
    return nvbandwidth.read(io.StringIO(text), "run.txt")


def document(**case: object) -> str:
    test = {"name": "device_local_copy", "status": "Passed", "bandwidth_description": "memcpy local GPU(column) bandwidth (GB/s)",
            "bandwidth_matrix": [["1519", "N/A", "1521"]], "sum": 3040}  # fmt: skip
    body = {"version": "v0.8", "GPU Device list": ["0: NVIDIA H20 (00000000:18:00): (host-a)"], "testcases": [test | case]}
    return json.dumps({"nvbandwidth": body}, indent=1)


def test_real_json_between_noise(examples_dir):
    """JSON between warnings with braces gives host transfers; what was waived or is in ns is left out with a reason."""
    table = fingerprint.read(examples_dir / "nvbandwidth" / "unknown_gpu_pcie3_v0.5_with_warnings.txt")
    assert table.number("value").tolist() == pytest.approx([12.3964e9, 13.2001e9])
    assert set(table.word("workload")) == {"host-copy"}
    assert [(i.row, i.why.split(":")[0].split(" ")[0]) for i in table.ignored] == [
        (3, "device_to_device_memcpy_read_ce"), (4, "host_device_latency_sm")
    ]  # fmt: skip
    assert table.identity == {}


def test_text():
    """A local copy counts the bytes that move, twice those copied; a link counts one way; latencies count nothing."""
    table = read(TEXT)
    rows = {r["workload"]: r for r in map(table.record, range(len(table)))}
    assert rows["copy"]["value"] == pytest.approx(2 * 1520e9)
    assert rows["peer-copy"]["value"] == pytest.approx(390.2e9)
    assert rows["peer-copy"]["accelerators"] == 2
    assert rows["host-copy"]["value"] == pytest.approx(55.25e9)
    assert len(table) == 3
    assert [i.row for i in table.ignored] == [23, 34]
    assert table.identity == {"run.txt": ("NVIDIA H100 80GB HBM3",)}


def test_json():
    """The JSON gives the same local copy, its device as identity only."""
    table = read("WARNING: {\n" + document() + "\nWARNING")
    assert table.number("value").tolist() == pytest.approx([2 * 1520e9])
    assert table.identity == {"run.txt": ("NVIDIA H20",)}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", FormatError),
        ('{"nvbandwidth": {"testcases": ' + "[" * 10_000, FormatError),
        (document()[:-40], InputError),
        ('{"nvbandwidth": [1]}', FormatError),
        ('{"nvbandwidth": {"testcases": [1, null, "x"]}}', InputError),
        (document(status="Error"), InputError),
        (document(bandwidth_matrix={"a": 1}), InputError),
        (document(bandwidth_matrix=[["NaN", "-1", "1e400", "/etc/passwd", None, [[]]]]), InputError),
        (document(bandwidth_matrix=[["1e300"]]), InputError),
        (TEXT.split("Running", maxsplit=1)[0], FormatError),
    ],
)
def test_unusable(text, error):
    """Damaged JSON, absurd cells and files without a passed test end in one clear error."""
    with pytest.raises(error):
        read(text)
