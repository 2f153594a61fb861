"""The reader of DCGM's exporter and dmon, against a real fragment and texts written here."""

import io

import pytest

import fingerprint
from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Measurements
from fingerprint.readers import dcgm

# Written from the tool's format definition, not copied
LABELS = '{{gpu="{0}",UUID="GPU-{0}",pci_bus_id="0",device="nvidia{0}",modelName="{1}",Hostname="host-a"}}'


def scrape(watts: tuple[float, float], use: tuple[float, float], name: str = "NVIDIA B200") -> str:
    text = ""
    for metric, values in (("DCGM_FI_DEV_SM_CLOCK", (1965, 1965)), ("DCGM_FI_DEV_POWER_USAGE", watts), ("DCGM_FI_DEV_GPU_UTIL", use),
                           ("DCGM_FI_DEV_FB_USED", (1000, 2000)), ("DCGM_FI_DEV_FB_FREE", (181000, 180000))):  # fmt: skip
        text += f"# HELP {metric} help\n# TYPE {metric} gauge\n"
        text += "".join(f"{metric}{LABELS.format(gpu, name)} {value}\n" for gpu, value in enumerate(values))
    return text


SCRAPES = scrape((140.0, 800.0), (0, 100)) + scrape((900.0, 820.0), (98, 96))
DMON = """#Entity   POWER   TOTEC     SMCLK   GPUTL   FBUSD
ID         W       mJ        MHz
GPU 0     120.5   1234567   1410    0       N/A
GPU 1     900.5   1234567   1965    99      50000
#Entity   POWER   TOTEC     SMCLK   GPUTL   FBUSD
ID         W       mJ        MHz
GPU 0     850.5   1234567   1965    99      9223372036854775794
GPU 1     870.5   1234567   1965    97      60000
"""


def read(text: str) -> Measurements:
    return dcgm.read(io.StringIO(text), "run.prom")


def figures(table: Measurements) -> dict[tuple[object, ...], float]:
    rows = [table.record(i) for i in range(len(table))]
    return {(r["quantity"], r.get("phase"), r["statistic"]): r["value"] for r in rows}


def test_real_fragment_of_clocks(examples_dir):
    """A fragment of two clocks is known for DCGM's and refused: clocks name the part and measure nothing."""
    path = examples_dir / "dcgm_exporter" / "h100_fragment.prom"
    assert dcgm.sniff(path.read_text()) == 1.0
    with pytest.raises(InputError, match="clocks"):
        fingerprint.read(path)


def test_scrapes():
    """Scrapes after one another are samples; free memory and clocks leave no trace; the model's name is identity."""
    table = read(SCRAPES)
    assert figures(table) == pytest.approx({
        ("power", "load", "mean"): 840.0, ("power", "load", "max"): 900.0, ("power", "idle", "mean"): 140.0,
        ("utilization", "load", "mean"): 0.98, ("memory_used", None, "max"): 2000 * 2**20,
    })  # fmt: skip
    assert table.identity == {"run.prom": ("NVIDIA B200",)}
    assert set(table.number("accelerators")) == {2.0}
    lie = read(SCRAPES.replace("NVIDIA B200", "NVIDIA A100").replace("1965", "1410").replace("181000", "39000"))
    assert figures(lie) == figures(table)


def test_two_models_are_two_profiles():
    """GPUs of two models in one scrape are profiles of their own."""
    assert len(read(SCRAPES + scrape((300.0, 300.0), (50, 50), "NVIDIA L40S").replace("GPU-", "GPU-x")).profiles) == 2


def test_dmon():
    """Dmon's rows follow its header; blanks and N/A are passed over."""
    table = read(DMON)
    assert figures(table) == pytest.approx({
        ("power", "load", "mean"): 873.8333333, ("power", "load", "max"): 900.5, ("power", "idle", "mean"): 120.5,
        ("utilization", "load", "mean"): 295 / 300, ("memory_used", None, "max"): 60000 * 2**20,
    })  # fmt: skip
    stamped = "".join("1777708107.135 " + line for line in DMON.splitlines(keepends=True))
    assert dcgm.sniff(stamped) == 1.0
    assert figures(read(stamped)) == figures(table)


@pytest.mark.parametrize(
    ("text", "error"),
    [("", FormatError), ('up{job="x"} 1\n', FormatError), ("# HELP DCGM_FI_DEV_GPU_UTIL x\n", InputError), (DMON.split("GPU 0", maxsplit=1)[0], InputError),
     (SCRAPES.replace("} ", "} NaN"), InputError), ('DCGM_FI_DEV_POWER_USAGE{gpu="0"} 1e400\n', InputError),
     ('DCGM_FI_DEV_POWER_USAGE{gpu="0"} -3\n', InputError), ("DCGM_FI_DEV_POWER_USAGE{" + 'a="' * 3000 + "} 5\n", None)],
)  # fmt: skip
def test_unusable(text, error):
    """What holds no sample is refused; odd labels are no reason to."""
    if error is None:
        assert len(read(text)) == 1
    else:
        with pytest.raises(error):
            read(text)
