"""The physics study over all labelled figures, and the claim's thresholds on made-up answers."""

from types import SimpleNamespace

import numpy as np
import pytest

import fingerprint
from fingerprint import roofline
from fingerprint.bounds import KINDS
from fingerprint.lab import physics
from fingerprint.lab.holdout import CLASSES
from fingerprint.lab.profiles import Corpus


@pytest.fixture(scope="module")
def study():
    return physics.Study(Corpus.of(fingerprint.load_dataset()))


def test_no_labelled_figure_excludes_its_own_chip(study):
    """Of a family, of all its members; over every profile of the dataset."""
    assert study.false_exclusions() == []
    assert len(study.excluded) > 50_000


def test_the_shipped_tolerances_are_those_of_the_dataset(study, tmp_path):
    physics.write_tolerances(study, tmp_path / "tolerances.csv")
    made = (tmp_path / "tolerances.csv").read_text(encoding="utf-8")
    assert made == roofline.path("datasets/tolerances.csv").read_text(encoding="utf-8")


def test_few_sources_lie_beyond_the_tolerance_of_the_others(study):
    """The zero above is measured on the figures that set the tolerances; this is not."""
    assert study.false_out_of_source()["profile"].nunique() <= 3


def test_labelled_training_runs_fit_the_chip_that_they_name(study):
    runs = study.training_runs()
    assert runs["possible"].all()
    deepseek = runs[(runs["workload"] == "deepseek-v3") & (runs["precision"] == "fp8")]
    assert deepseek["excludes_h20"].all()
    assert set(deepseek["chip"]) == {"H800"}


@pytest.mark.parametrize("family", ["H100", "H200", "H800", "B200"])
def test_a_large_gemm_of_its_relatives_excludes_the_h20(study, family):
    """At least nine in ten profiles; the source's own figures decide, not the label."""
    gone = {}
    for e in study.excluded:
        gone.setdefault(e.profile, set()).add(e.chip)
    mine = study.profiles[(study.profiles["family"] == family) & study.profiles.index.isin(study.large_gemm())].index
    assert len(mine) >= 5
    assert np.mean([{"H20-96GB", "H20-141GB"} <= gone.get(p, set()) for p in mine]) >= 0.9


@pytest.fixture(scope="module")
def figures():
    return physics.report(Corpus.of(fingerprint.load_dataset()))


def test_the_report_holds_every_kind_of_figure(figures):
    assert {f["metric"] for f in figures} == {"rows_bounded", "rows_with_cost", "rows_of_kind", "tolerance", "largest_ratio",
                                              "false_exclusions", "class_excluded", "excluded_chips_median", "excluded_h20",
                                              "claim_false_alarm", "claim_detected"}  # fmt: skip
    assert all(f["protocol"] == "physics" for f in figures)
    keys = [(f["slice"], f["metric"], f["class"], f["model"]) for f in figures]
    assert len(set(keys)) == len(keys)


def told(figures, metric, slice_, class_=None):
    """The one entry of a metric and slice."""
    (found,) = [f for f in figures if (f["metric"], f["slice"], f["class"]) == (metric, slice_, class_)]
    return found


def test_the_report_says_how_much_of_the_dataset_has_a_known_cost(figures):
    assert 0.9 < told(figures, "rows_with_cost", "all figures")["value"] <= 1.0
    assert told(figures, "rows_bounded", "all figures")["value"] <= told(figures, "rows_with_cost", "all figures")["value"]
    assert {f["slice"] for f in figures if f["metric"] == "rows_of_kind"} == set(KINDS)


@pytest.mark.parametrize("family", ["H100", "H200", "H800", "B200"])
def test_the_report_splits_the_excluded_h20_by_what_was_measured(figures, family):
    assert told(figures, "excluded_h20", "large GEMM", family)["value"] >= 0.9
    slices = {f["slice"] for f in figures if f["metric"] == "excluded_h20" and f["class"] == family}
    assert "all" in slices
    assert slices & {"serving", "training"}


def test_physics_alone_never_raises_a_false_alarm_and_finds_some_lies(figures):
    """A faster chip sold as a slower one shows; a slower one sold as a faster one has nothing to show."""
    assert told(figures, "claim_false_alarm", "true claims, whole profiles")["value"] == 0.0
    found = {f["slice"]: f["value"] for f in figures if f["metric"] == "claim_detected"}
    for lie in ("an H20 sold as H100", "an H100 sold as B200", "an H100 PCIe sold as SXM", "an A100 sold as H100"):
        assert f"{lie}, whole profiles" in found
    assert found["an H100 sold as H20, whole profiles"] > 0.3


def test_the_report_reads_as_text(figures):
    text = physics.describe(figures)
    assert len(text.splitlines()) > len(figures)
    assert "false_exclusions" in text


def held_out(n, seed=0):
    """Answers about ``n`` Hoppers and ``n`` Blackwells whose true class has a random probability, in four folds."""
    random = np.random.default_rng(seed)
    truth = np.repeat(np.array(["hopper", "blackwell"], dtype=object), n)
    p = np.zeros((2 * n, len(CLASSES)))
    p[np.arange(2 * n), [CLASSES.index(t) for t in truth]] = random.beta(4.0, 1.0, 2 * n)
    rest = (1.0 - p.sum(axis=1)) / (len(CLASSES) - 1)
    p = np.where(p > 0, p, rest[:, None])
    return SimpleNamespace(truth=truth, fold=np.arange(2 * n) % 4, probabilities=p)


@pytest.mark.parametrize("seed", range(3))
def test_thresholds_keep_false_alarms_below_one_percent(seed):
    limits = physics.claim_threshold(held_out(2000, seed))
    fresh = held_out(2000, seed + 100)
    for name in ("hopper", "blackwell"):
        mine = fresh.truth == name
        assert (fresh.probabilities[mine, CLASSES.index(name)] < limits[name]).mean() <= 0.01
        assert limits[name] > 0


def test_a_class_with_few_profiles_never_alarms():
    assert set(physics.claim_threshold(held_out(50)).values()) == {0.0}
    assert physics.claim_threshold(held_out(2000))["h20"] == 0.0
