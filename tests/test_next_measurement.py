"""The measurement that would tell most: proposals follow from what the forward model expects of each chip."""

from __future__ import annotations

import numpy as np
import pytest

from fingerprint import classify
from fingerprint.candidates import candidates
from fingerprint.measurements import from_columns
from fingerprint.next_measurement import foreseen, menu, propose
from fingerprint.scorer import shipped

EMPTY = from_columns({"tool": ["serving"], "quantity": ["ttft"], "unit": ["s"], "value": [1.0], "workload": ["llama-2-70b"]})


def between(*ids: str) -> np.ndarray:
    """Equal odds for some candidates."""
    return np.array([float(c in ids) for c in candidates().ids]) / len(ids)


def test_a_gemm_settles_h20_against_h100() -> None:
    """The two differ sixfold in tensor rate: nearly the whole bit; and memory bandwidth, nearly alike, comes later."""
    found = propose(shipped(), EMPTY, between("H20-96GB", "H100-SXM"), most=20)
    assert found[0].bits > 0.8
    assert found[0].workload in ("gemm", "llama-3.1-8b")
    assert set(found[0].would_separate) == {"h20", "hopper"}
    copy = [p.bits for p in found if p.workload == "copy"]
    assert not copy or copy[0] < found[0].bits


def test_chips_of_one_class_leave_nothing_to_learn_about_the_class() -> None:
    """When one class is certain no figure is worth a bit."""
    assert propose(shipped(), EMPTY, between("H100-SXM", "H200-SXM")) == ()


def test_what_is_there_is_not_proposed_again() -> None:
    """A profile with a BF16 GEMM is not asked for one."""
    have = menu().take(np.array([0]))
    assert all((p.workload, p.precision) != ("gemm", "bf16") for p in propose(shipped(), have, between("H20-96GB", "H100-SXM"), most=20))


def test_the_forward_model_foresees_figures_of_the_right_size() -> None:
    """A large BF16 GEMM reaches between a third and all of the data sheet's rate on an H100."""
    value, error = foreseen(shipped())
    h100 = candidates().ids.index("H100-SXM")
    assert 989e12 / 3 < 10 ** value[0, h100] < 1.05 * 989e12
    assert 0 < error[0] < 0.5


def test_chips_and_classes_agree() -> None:
    """A class's chips add up to no more than the class, excluded chips are not named, twins share evenly."""
    from fingerprint import chips, read, resources

    (verdict,) = classify(read(resources.path("datasets/examples/h20-gemm-pytorch.csv")))
    assert verdict.chips
    assert not set(verdict.chips) & {e.chip for e in verdict.excluded}
    for name, p in verdict.probabilities.items():
        mine = sum(v for c, v in verdict.chips.items() if chips.table()[c].architecture == name)
        assert mine <= p + 1e-9
    for group in verdict.twins:
        assert verdict.chips[group[0]] == pytest.approx(verdict.chips[group[1]])
