"""A sentence about a training run, and what follows from it."""

import pytest

from fingerprint.errors import InputError
from fingerprint.training_run import assess


def test_deepseek_v3_excludes_the_h20_and_fits_the_h800():
    """37 B parameters, 14.8 T tokens, 2.788 M hours: 327 TFLOP/s, above even the FP8 peak of an H20."""
    run = assess(37e9, 14.8e12, 2.788e6, "FP8")
    assert run.rate == pytest.approx(327.4e12, rel=1e-3)
    gone = {e.chip: e for e in run.excluded}
    assert {"H20-96GB", "H20-141GB"} <= set(gone)
    assert {"H800-SXM", "H800-PCIe", "H100-SXM"} <= set(run.possible)
    assert gone["H20-96GB"].achieved == pytest.approx(run.rate)


def test_the_same_run_in_bf16_excludes_more():
    assert set(assess(37e9, 14.8e12, 2.788e6, "fp8").possible) > set(assess(37e9, 14.8e12, 2.788e6, "bf16").possible)


def test_twice_the_hours_is_half_the_rate():
    once, twice = assess(1e9, 1e12, 1e4), assess(1e9, 1e12, 2e4)
    assert once.rate == pytest.approx(2.0 * twice.rate)
    assert set(once.possible) <= set(twice.possible)
    assert once.precision == ""


def test_every_chip_is_either_excluded_or_possible():
    run = assess(37e9, 14.8e12, 2.788e6, "fp8").to_dict()
    assert not {e["chip"] for e in run["excluded"]} & set(run["possible"])
    assert all(e["margin"] > 1.0 for e in run["excluded"])


@pytest.mark.parametrize(
    "numbers", [(0.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, float("inf")), (float("nan"), 1.0, 1.0)]
)
def test_numbers_that_make_no_run_are_refused(numbers):
    with pytest.raises(InputError, match="positive"):
        assess(*numbers)
