"""The accelerator table: its figures, its families and twins, and the reading of labels."""

import csv
import gzip
import math
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from fingerprint import chips
from fingerprint.resources import path

TERA = 1e12


def aliases() -> list[dict[str, str]]:
    with path("datasets/aliases.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize(
    ("chip", "peaks", "bandwidth_gb_s"),
    [
        ("H100-SXM", {"fp64": 66.9, "fp32": 66.9, "tf32": 494.7, "bf16": 989.4, "fp8": 1978.9, "int8": 1978.9}, 3350),
        ("H200-SXM", {"bf16": 989.4, "fp8": 1978.9}, 4800),
        ("H20-96GB", {"fp64": 1, "fp32": 44, "tf32": 74, "bf16": 148, "fp8": 296, "int8": 296}, 4000),
        ("H800-SXM", {"fp64": 1, "bf16": 989.4}, 3350),
        ("A100-SXM4-80GB", {"fp64": 19.5, "fp32": 19.5, "tf32": 156, "fp16": 312, "bf16": 312, "int8": 624}, 2039),
        ("B200-HGX", {"fp64": 37, "fp32": 75, "bf16": 2250, "fp8": 4500, "int8": 4500, "fp4": 9000}, 7700),
        ("B300-HGX", {"fp64": 1.2, "bf16": 2250, "fp8": 4500, "int8": 153.5, "fp4": 14000}, 7700),
        ("MI300X", {"fp64": 163.4, "fp32": 163.4, "tf32": 653.7, "bf16": 1307.4, "fp8": 2614.9}, 5300),
        ("MI210", {"fp64": 45.3, "fp32": 45.3, "fp16": 181, "bf16": 181}, 1638),
        ("MI100", {"fp32": 46.1, "fp16": 184.6, "bf16": 92.3}, 1228.8),
        ("L40S", {"bf16": 362, "fp8": 733}, 864),
        ("RTX4090", {"fp32": 82.6, "fp16": 330.3, "bf16": 165.2, "fp8": 660.6}, 1008),
        ("V100-SXM2-32GB", {"fp64": 7.8, "fp32": 15.7, "fp16": 125}, 900),
        ("TPUv5e", {"bf16": 197, "int8": 394}, 819),
    ],
)
def test_peaks_are_those_of_the_data_sheet(chip: str, peaks: dict[str, float], bandwidth_gb_s: float) -> None:
    """Dense peaks come out in FLOP/s and bandwidth in B/s, the better unit counting."""
    found = chips.table()[chip]
    assert {name: found.peaks[name] for name in peaks} == pytest.approx({k: v * TERA for k, v in peaks.items()})
    assert found.memory_bandwidth == pytest.approx(bandwidth_gb_s * 1e9)


def test_a_precision_without_a_unit_has_no_key() -> None:
    """Volta and Turing have no BF16, Ampere no FP8, Hopper no FP4."""
    table = chips.table()
    assert "bf16" not in table["V100-SXM2-32GB"].peaks
    assert "bf16" not in table["T4"].peaks
    assert "fp8" not in table["A100-SXM4-80GB"].peaks
    assert "fp4" not in table["H100-SXM"].peaks


def test_every_value_is_finite_or_unknown_and_si() -> None:
    """No chip has a peak, a bandwidth or a size outside what any accelerator of the table can have."""
    for chip in chips.table().values():
        assert set(chip.peaks) <= set(chips.PRECISIONS)
        assert all(1e10 < rate < 2e16 for rate in chip.peaks.values()), chip.id
        assert 5e10 < chip.memory_bandwidth < 1e13
        assert 4e9 <= chip.memory_bytes < 4e11
        assert 1 <= chip.clock_headroom <= 1.25
        for value, low, high in (
            (chip.board_power, 10, 2000), (chip.link_bandwidth, 0, 3e12), (chip.boost_clock, 5e8, 3.2e9),
        ):  # fmt: skip
            assert math.isnan(value) or low <= value <= high, chip.id
        assert re.fullmatch(r"\d{4}(-\d\d){0,2}", chip.release_date), chip.id
        assert chip.architecture in chips.ARCHITECTURES
        assert chip.confidence in {"A", "B", "C"}
        assert chip.sources
        assert all(source.startswith("https://") for source in chip.sources)
        assert chip.cut_down_from is None or chip.cut_down_from in chips.table()


def test_classes_follow_the_question_not_the_die() -> None:
    """H20 is a class of its own; every Blackwell is one class; MI308X is CDNA 3."""
    assert {chips.architecture(c) for c in ("H20-96GB", "H20-141GB", "H20")} == {"h20"}
    assert {chips.architecture(c) for c in ("B300", "GB300", "RTX-PRO-6000", "RTX5090", "GB10")} == {"blackwell"}
    assert chips.architecture("MI308X") == "cdna3"
    assert chips.architecture("GTX980") is None


def test_members_of_a_family_share_the_architecture() -> None:
    """A family label stands for chips of one architecture, and no chip's id is another family's label."""
    for family, ids in chips.families().items():
        assert {chips.table()[chip].architecture for chip in ids} == {chips.architecture(family)}
        assert family not in chips.table() or ids == (family,)
    assert set(chips.members("H100")) == {"H100-PCIe", "H100-SXM", "H100-NVL", "H100-SXM-96GB"}
    assert chips.members("H100-SXM") == ("H100-SXM",)
    assert chips.members("H100-Ultra") == ()


def test_twins_are_symmetric() -> None:
    """Whoever is my twin has me as a twin, and a chip without twins is its own."""
    for chip in chips.table():
        assert chip in chips.twins(chip)
        assert all(chips.twins(other) == chips.twins(chip) for other in chips.twins(chip))
    assert set(chips.twins("A800-SXM4-80GB")) == {"A100-SXM4-80GB", "A800-SXM4-80GB"}
    assert set(chips.twins("H200-SXM")) == {"H200-SXM", "GH200-144GB"}
    assert set(chips.twins("B200-DGX")) == {"B200-DGX", "B200-HGX"}
    assert chips.twins("H20-96GB") == ("H20-96GB",)
    with pytest.raises(KeyError):
        chips.twins("H100")


def test_every_alias_means_something_known() -> None:
    """An alias names a chip or a family of the table, or the architecture of a part outside it."""
    for row in aliases():
        assert not row["label"] or chips.members(row["label"]), row
        assert not row["architecture"] or row["architecture"] in chips.ARCHITECTURES, row
        if row["kind"] == "name" and row["label"]:
            resolved = chips.resolve(row["alias"])
            assert resolved in {row["label"], *chips.members(row["label"])}, row


def test_ids_families_and_names_resolve_to_themselves() -> None:
    """Our own words for a chip come back unchanged, in any case."""
    for chip in chips.table().values():
        assert chips.resolve(chip.id) == chip.id
        assert chips.resolve(chip.id.lower()) == chip.id
        assert chip.id in chips.members(chips.resolve(f"{chip.vendor} {chip.name}") or ""), chip.name
    for family, ids in chips.families().items():
        assert chips.resolve(family) == (ids[0] if len(ids) == 1 else family)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("NVIDIA H100 80GB HBM3", "H100-SXM"),
        ("NVIDIA H100 PCIe", "H100-PCIe"),
        ("NVIDIA H100 NVL", "H100-NVL"),
        ("H100-SXM5-96GB", "H100-SXM-96GB"),
        ("NVIDIA A100-SXM4-80GB", "A100-SXM4-80GB"),
        ("NVIDIA DGX A100 (8x A100-SXM-80GB, TensorRT)", "A100-SXM4-80GB"),
        ("Training performance: NVIDIA DGX-2 (16x V100 32GB)", "V100-SXM3-32GB"),
        ("Inference performance: NVIDIA DGX-1 (1x V100 16G)", "V100-SXM2-16GB"),
        ("NVIDIA H20-3e, 143771 MiB", "H20-141GB"),
        ("NVIDIA H20 (sm_90, 78 SMs, 95.2 GB), power cap 500 W", "H20-96GB"),
        ("8xH20", "H20"),
        ("NVIDIA H200", "H200"),
        ("H200 PCIe 141GB (NVL)", "H200-NVL"),
        ("NVIDIA GH200 480GB", "GH200-96GB"),
        ("GH200-GraceHopper-Superchip_GH200-144GB_aarch64x1_TRT", "GH200-144GB"),
        ("NVIDIA GB200", "GB200"),
        ("gb200-nvl72", "GB200"),
        ("b200-trt", "B200"),
        ("NVIDIA DGX B200 (8x B200-SXM-180GB, TensorRT)", "B200-DGX"),
        ("NVIDIA Blackwell Ultra GPU (B300-SXM-270GB)", "B300-HGX"),
        ("cluster:h100-dgxc", "H100-SXM"),
        ("2x8xH100-SXM-80GB", "H100-SXM"),
        ("a100_sxm", "A100"),
        ("a100_80", "A100"),
        ("rtx_pro_6000_server", "RTXPRO6000-Server"),
        ("NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", "RTXPRO6000-MaxQ"),
        ("NVIDIA RTX PRO 6000 Blac...", "RTX-PRO-6000"),
        ("RTX 4090 48GB", "RTX4090"),
        ("RTX 4090D 48GB", "RTX4090D"),
        ("AMD Instinct MI355X 288GB HBM3e (x87)", "MI355X"),
        ("AMD Radeon RX 7900 XTX", "RX7900XTX"),
        ("Intel® Gaudi® 2 AI Accelerator", "Gaudi2"),
        ("TPU-trillium", "TPUv6e"),
        ("dgx-spark", "GB10"),
        ("512x H100 GPUs", "H100"),
        ("8xH100s (vLLM)", "H100"),
        ("P6-B200", "B200"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "RTX4090-Laptop"),
        ("GeForce RTX 4090M", "RTX4090-Laptop"),
        ("GeForce RTX 3080M Ti", "RTX3080Ti-Laptop"),
        ("NVIDIA RTX 5090 Laptop 24GB", "RTX5090-Laptop"),
        ("GeForce RTX 4070 Ti SUPER", "RTX4070TiSuper"),
        ("GeForce RTX 5090 D v2", "RTX5090Dv2"),
        ("GeForce RTX 3080 12GB", "RTX3080-12GB"),
        ("GeForce GTX 1080", "GTX1080"),
        ("NVIDIA Jetson AGX Orin 64G", "OrinAGX"),
        ("NVIDIA Orin NX 16G", "OrinNX"),
        ("NVIDIA Xavier NX", "XavierNX"),
        ("Radeon 8060S (Max+ 395)", "Radeon8060S"),
        ("Ascend 910 Premium A", "Ascend910A"),
        ("Ascend 910B2", "Ascend910B"),
    ],
)
def test_labels_of_public_files_resolve(label: str, expected: str) -> None:
    """Device strings, system names and folder names give the chip, or the family where the variant is not said."""
    assert chips.resolve(label) == expected


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("L4", "L4"),
        ("L40", "L40"),
        ("L40S", "L40S"),
        ("A10", "A10"),
        ("A10G", "A10G"),
        ("A100", "A100"),
        ("T4", "T4"),
        ("RTX 6000 Ada Generation", "RTX6000Ada"),
        ("Quadro RTX 6000", "QuadroRTX6000"),
        ("RTX A6000", "RTXA6000"),
        ("RTX 6000D", "RTX6000D"),
        ("RTX 4070 Ti", "RTX4070Ti"),
        ("RTX 3080 Ti", "RTX3080Ti"),
        ("RX 7900 XT", "RX7900XT"),
        ("V100S", "V100S-PCIE-32GB"),
        ("MI308X", "MI308X"),
    ],
)
def test_a_name_inside_another_name_is_not_taken_for_it(label: str, expected: str) -> None:
    """L4 is not in L40S, A10 not in A100, H20 not in H200."""
    assert chips.resolve(f"NVIDIA {label}") == chips.resolve(label) == expected


@pytest.mark.parametrize(
    "label",
    [
        "",
        "N/A",
        "NVIDIA RTX A1000",
        "NVIDIA T400",
        "Quadro P1000",
        "RTX 6000",
        "GeForce RTX 2080 Laptop GPU",
        "GeForce GTX 1070 Max-Q",
        "Quadro RTX 5000 Mobile",
        "GeForce RTX 2060 12GB",
        "GeForce GTX 980",
        "RTX-2000E-Ada-16GB",
        "Apple M4 Max 16CPU+40GPU 64GB",
        "Arc Pro A40",
        "A100,Tesla V100 SXM2",
        "7x 2080 Ti + 1x A100 40GB",
        "AMD Instinct MI325X 256GB HBM3E (x16), AMD Instinct MI300X 192GB HBM3 (x8)",
        "NVIDIA A100-SXM-80GB (1x1g.10gb MIG)",
        "NVIDIA A100-SXM4-80GB MIG 1g.10gb",
        "NVIDIA H100-80C",
        "NVIDIA A10-24Q",
        "Instinct MI250 (1 GCD)",
        "A100 64GB",
        "NVIDIA Drive-A100-PCIe",
        "MS-Intel Arc Pro B60 Dual 48G Turbo",
        "Hopper",
    ],
)
def test_what_is_no_single_whole_chip_of_the_table_stays_unresolved(label: str) -> None:
    """Other cards, laptops, slices, several chips and sizes that do not exist give None."""
    assert chips.resolve(label) is None


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("H100", "hopper"),
        ("H20-3e", "h20"),
        ("hopper", "hopper"),
        ("Hopper (SM90, unspecified)", None),
        ("Blackwell (SM100, unspecified)", "blackwell"),
        ("GeForce RTX 5060 Laptop GPU", "blackwell"),
        ("NVIDIA GeForce RTX 4070 Ti SUPER *OC", "ada"),
        ("GeForce RTX 3050 6GB", "ampere"),
        ("NVIDIA RTX A1000", "ampere"),
        ("GeForce RTX 2060 KO", "turing"),
        ("GeForce GTX 1660 Super", "turing"),
        ("GTX 1080", "pascal"),
        ("Quadro GV100", "volta"),
        ("Radeon RX 6700 XT", "rdna"),
        ("Arc B570", "xe"),
        ("gfx942:sramecc+:xnack-", "cdna3"),
        ("NVIDIA A100-SXM-80GB (1x1g.10gb MIG)", "ampere"),
        ("TPU v5e,TPU v3", "tpu"),
        ("A100,Tesla V100", None),
        ("RTX 6000", None),
        ("GeForce GTX 980 Ti", "other"),
        ("Apple M1", "other"),
        ("CPU (32 vCPU Intel(R) Xeon(R) Gold 6459C)", None),
    ],
)
def test_architecture_is_read_more_widely_than_chips(label: str, expected: str | None) -> None:
    """Series outside the table, slices and architecture names answer; ambiguous ones do not."""
    assert chips.architecture_of_label(label) == expected


def test_frame_holds_the_table() -> None:
    """The public DataFrame has one row a chip, SI figures and NaN where nothing is known."""
    frame = chips.frame()
    assert list(frame.index) == list(chips.table())
    assert frame.loc["H20-96GB", "bf16"] == pytest.approx(148 * TERA)
    assert frame.isna().loc["H100-SXM", "fp4"]


def test_import_loads_neither_numpy_nor_pandas() -> None:
    """The module starts without the heavy libraries, and so does a look-up."""
    code = (
        "import sys; from fingerprint import chips; chips.resolve('NVIDIA H100 80GB HBM3');"
        "sys.exit(bool({'numpy', 'pandas'} & set(sys.modules)))"
    )
    root = Path(chips.__file__).resolve().parent.parent
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def raw_labels(raw_dir: Path) -> Counter[str]:
    """Return the labels of the gathered tables with their rows, leaving out rows that state none."""
    labels: Counter[str] = Counter()
    columns = ("gpu_label_verbatim", "gpu", "accelerator", "accelerator_model_name", "Device")
    files = [*raw_dir.glob("*/*/facts.csv*"), *raw_dir.glob("facts/*.csv"), *raw_dir.glob("mlperf/*_derived.csv.gz")]
    for file in files:
        opener = gzip.open if file.suffix == ".gz" else open
        with opener(file, "rt", encoding="utf-8", errors="replace", newline="") as stream:
            for row in csv.DictReader(stream):
                label = next((row[name] for name in columns if row.get(name)), "")
                if label not in {"", "-", "N/A", "None"}:
                    labels[label] += 1
    return labels


def test_nearly_all_raw_rows_get_an_architecture(raw_dir: Path) -> None:
    """Weighted by rows, the labels of public files are understood at the share measured when this was written."""
    labels = raw_labels(raw_dir)
    rows = sum(labels.values())
    with_architecture = sum(n for label, n in labels.items() if chips.architecture_of_label(label))
    resolved = sum(n for label, n in labels.items() if chips.resolve(label))
    assert rows > 50_000
    assert with_architecture / rows > 0.995
    assert resolved / rows > 0.93
