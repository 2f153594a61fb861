"""What the pictures show agrees with what the verdict says."""

import numpy as np
import pytest

from fingerprint import chips
from fingerprint.report import points
from fingerprint.report.points import panels, utilisation
from fingerprint.roofline import sheet_ceilings

WITH_FIGURES = ("h20", "h100", "b200", "twins")


@pytest.mark.parametrize("case", WITH_FIGURES)
def test_a_cell_is_marked_where_and_only_where_the_verdict_excludes_the_chip(verdicts, case, monkeypatch):
    monkeypatch.setattr(points, "MOST_CHIPS", 500)
    verdict = verdicts[case]
    found = utilisation(verdict, verdict.figures)
    gone = {e.chip for e in verdict.excluded}
    assert len(found.kinds) < points.MOST_KINDS
    assert {c for c, out in zip(found.chips, found.excludes.any(axis=1), strict=True) if out} == gone & set(found.chips)
    assert (found.share[found.excludes] > 1).all()


@pytest.mark.parametrize("case", WITH_FIGURES)
def test_pierced_ceilings_are_excluded_ones_and_lie_below_a_point(verdicts, case):
    verdict = verdicts[case]
    gone = {e.chip for e in verdict.excluded}
    found = panels(verdict, verdict.figures)
    assert found
    for panel in found:
        assert {r.chip for r in panel.roofs if r.excluded} == {r.chip for r in panel.roofs} & gone
        for roof in panel.roofs:
            assert not roof.pierced or roof.excluded
            if roof.pierced and np.isnan(panel.bandwidth):
                assert panel.rate.max() > roof.peak
    assert any(r.pierced for panel in found for r in panel.roofs)


def test_an_excluded_h100_claim_stands_beside_the_points(verdicts):
    for panel in panels(verdicts["h20"], verdicts["h20"].figures):
        assert "H100-SXM" in {r.chip for r in panel.roofs}
        assert {r.peak for r in panel.roofs} == {sheet_ceilings(f"compute {panel.precision}")[r.chip] for r in panel.roofs}


def test_points_are_the_figures_of_their_precision(verdicts):
    figures = verdicts["h20"].figures
    by_precision = {panel.precision: panel for panel in panels(verdicts["h20"], figures)}
    assert set(by_precision) == {"fp32", "tf32", "fp16", "bf16"}
    for precision, panel in by_precision.items():
        mine = figures.word("precision").equals(precision)
        assert panel.row.tolist() == figures.row[mine].tolist()
        assert panel.rate == pytest.approx(figures.number("value")[mine])
        assert np.isfinite(panel.intensity).all()


def test_a_memory_test_alone_is_a_slope(verdicts):
    [panel] = panels(verdicts["twins"], verdicts["twins"].figures)
    assert panel.total == 0
    assert panel.bandwidth == max(e.achieved for e in verdicts["twins"].excluded if e.quantity == "bandwidth")


def test_many_points_are_thinned_but_the_highest_stays(verdicts, monkeypatch):
    monkeypatch.setattr(points, "MOST_POINTS", 3)
    full, thin = (max(panels(v, v.figures), key=lambda p: p.rate.max()) for v in (verdicts["b200"],) * 2)
    assert thin.total == full.total > len(thin.rate)
    assert thin.rate.max() == max(e.achieved for e in verdicts["b200"].excluded if e.quantity == f"compute {thin.precision}")


def test_of_each_group_of_twins_one_is_shown():
    shown = [c.id for c in points.distinct_chips()]
    for chip in chips.table():
        assert len(set(chips.twins(chip)) & set(shown)) == 1


def test_figures_that_prove_nothing_have_no_pictures(verdicts):
    figures = verdicts["insufficient"].figures
    assert panels(verdicts["insufficient"], figures) == []
    assert utilisation(verdicts["insufficient"], figures) is None
