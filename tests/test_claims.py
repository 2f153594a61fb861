"""Claims against figures: what makes one inconsistent, consistent or inconclusive, and what the reason says."""

import pytest

from fingerprint.claims import amount, claim, claimable, claimed_chips, class_of, deciding
from fingerprint.errors import InputError
from fingerprint.measurements import from_columns
from fingerprint.roofline import exclusions

SURE = {"hopper": 0.9, "h20": 0.05, "blackwell": 0.05}
TORN = {"hopper": 0.4, "h20": 0.45, "blackwell": 0.15}


def excluded_by(rate, precision="bf16"):
    """Exclusions of one stated GEMM rate."""
    return exclusions(from_columns({"tool": ["kernel"], "phase": ["kernel"], "workload": ["gemm"], "precision": [precision],
                                    "quantity": ["compute_rate"], "unit": ["FLOP/s"], "value": [rate]}))  # fmt: skip


def test_a_figure_beyond_every_claimed_chip_is_inconsistent_whatever_the_posterior():
    found = claim("H20", excluded_by(400e12), {"h20": 0.99, "hopper": 0.01})
    assert (found.chip, found.result) == ("H20", "inconsistent")
    assert "row 1" in found.why
    assert "400 TFLOP/s" in found.why
    assert "2.53 times the ceiling of H20" in found.why


def test_a_family_is_refuted_only_with_all_its_members():
    """1000 TFLOP/s are beyond an H100 PCIe, not beyond an SXM at its top clock."""
    gone = excluded_by(1000e12)
    assert "H100-PCIe" in {e.chip for e in gone}
    assert claim("H100", gone, SURE).result == "consistent"
    assert claim("H100-PCIe", gone, SURE).result == "inconsistent"


def test_a_class_below_its_threshold_is_inconsistent():
    found = claim("A100-SXM4-80GB", [], {**SURE, "ampere": 0.001}, {"ampere": 0.01})
    assert found.result == "inconsistent"
    assert "1 % of true claims" in found.why


def test_a_low_probability_without_a_threshold_is_only_inconclusive():
    assert claim("A100-SXM4-80GB", [], {**SURE, "ampere": 0.001}).result == "inconclusive"


def test_a_likely_class_is_consistent_and_its_siblings_are_named():
    found = claim("NVIDIA H100 80GB HBM3", [], SURE, {"hopper": 0.01})
    assert (found.chip, found.result) == ("H100-SXM", "consistent")
    assert "remain possible" in found.why


def test_a_torn_posterior_is_inconclusive_and_says_what_would_decide():
    found = claim("H100-SXM", [], TORN, {"hopper": 0.01})
    assert found.result == "inconclusive"
    assert "GEMM above" in found.why


def test_without_a_posterior_only_physics_speaks():
    assert claim("H100-SXM", []).result == "inconclusive"
    assert claim("H20", excluded_by(400e12)).result == "inconsistent"


def test_an_unknown_name_is_refused():
    with pytest.raises(InputError, match="fingerprint chips"):
        claim("Voodoo 3", [], SURE)
    assert not claimable("Voodoo 3")


def test_aliases_families_and_architectures_are_understood():
    assert claimed_chips("NVIDIA H20-3e")[1] == ("H20-141GB",)
    assert set(claimed_chips("H20")[1]) == {"H20-96GB", "H20-141GB"}
    assert "MI300X" in claimed_chips("cdna3")[1]
    assert class_of("MI300X", SURE) == "unknown"
    assert class_of("H800", SURE) == "hopper"


def test_the_deciding_figure_lies_between_the_two_ceilings():
    assert "would prove more than any rival" in deciding(["H100-SXM"], ["H20-96GB", "H20-141GB"])
    assert "would exclude the claimed chip" in deciding(["H20-96GB"], ["H100-SXM"])
    assert deciding(["H100-SXM"], ["H100-SXM-96GB"]) == ""


@pytest.mark.parametrize(("value", "quantity", "said"), [(1.42e14, "compute bf16", "142 TFLOP/s"), (3.4e12, "bandwidth", "3.4 TB/s"),
                                                         (690.0, "power", "690 W")])  # fmt: skip
def test_amounts_are_said_in_their_unit(value, quantity, said):
    assert amount(value, quantity) == said
