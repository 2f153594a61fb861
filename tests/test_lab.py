"""The laboratory: splits keep their promises, figures of merit are what they say, baselines answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fingerprint import audit, load_dataset
from fingerprint.candidates import candidates, numbers, pairs
from fingerprint.forward import match_names
from fingerprint.lab import baselines, calibrating, experts, holdout, metrics, protocols, study
from fingerprint.lab.profiles import Corpus, Profiles, balanced_weights, natural, training
from fingerprint.lab.training import MOST_ASKED, _few
from fingerprint.scorer import CLASSES, Scores, class_fits, class_scores


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """A few small sources."""
    frame = load_dataset()
    return Corpus.of(frame[frame["source"].isin(["facts-gemm", "torch-matmul-crowd", "hipkittens", "qwen-speed", "nemo-perf"])])


def test_folds_keep_groups_whole_and_share_out_the_classes() -> None:
    """No origin is on both sides; every fold has members."""
    group = np.array([f"g{i % 23}" for i in range(400)], dtype=object)
    label = np.array([f"c{(i % 23) % 3}" for i in range(400)], dtype=object)
    place = holdout.balanced_folds(group, label, folds=5)
    assert set(place) == set(group)
    assert set(place.values()) == set(range(5))


def test_natural_profiles_are_of_four_richnesses_and_keep_to_their_profile(corpus: Corpus) -> None:
    """A tool slice has at least four rows of one tool; a figure is one row; nobody mixes profiles."""
    test = natural(corpus)
    for rows, kind in zip(test.rows, test.kind, strict=True):
        part = corpus.frame.iloc[rows]
        assert part["profile"].nunique() == 1
        if kind == "figure":
            assert len(part) == 1
        if kind == "tool":
            assert len(part) >= 4
            assert part["tool"].nunique() == 1
        if kind == "run":
            assert part[["tool", "workload", "phase"]].drop_duplicates().shape[0] == 1


def test_a_profile_is_cut_by_tool_and_by_run_without_loss(corpus: Corpus) -> None:
    """Every row of a profile is in one part, and a part is what pandas groups together, in the order of its name."""
    for columns, parts in ((["tool"], corpus.tools), (["tool", "workload", "phase"], corpus.runs)):
        assert set(parts) == set(corpus.profile_rows)
        for name, rows in corpus.profile_rows.items():
            groups = corpus.frame.loc[rows].groupby(columns).indices
            wanted = [rows[groups[key]].tolist() for key in sorted(groups, key=str)]
            assert [p.tolist() for p in parts[name]] == wanted


def test_a_large_origin_is_held_out_alone() -> None:
    """By source, an origin of more than its share has a fold to itself; the others share theirs."""
    frame = load_dataset()
    corpus = Corpus.of(frame[frame["source"].isin(["facts-gemm", "torch-matmul-crowd"])])
    test = natural(corpus)
    share = pd.Series(test.origin).value_counts(normalize=True)
    fold = protocols._source_folds(corpus, test, replace(protocols.FULL, sources=3, alone=0.3))
    assert share.iloc[0] > 0.3 > share.iloc[1]
    mine = corpus.frame["origin"].to_numpy() == share.index[0]
    assert set(fold[mine]) == {3}
    assert set(fold[~mine]) == {0, 1, 2}


def test_estimates_and_quarantined_rows_are_never_learned_from() -> None:
    """The corpus holds neither."""
    frame = load_dataset(quarantined=True)
    kept = Corpus.of(frame[frame["source"].isin(["epoch", "deepseek-kernels"])]).frame
    assert (kept["estimate"] == 0).all()
    assert (kept["quarantine"] == "").all()


def test_sampling_is_deterministic(corpus: Corpus) -> None:
    """The same corpus gives the same sub-profiles."""
    one, two = training(corpus), training(corpus)
    assert len(one) == len(two)
    assert all(np.array_equal(a, b) for a, b in zip(one.rows, two.rows, strict=True))


def test_weights_give_a_crowd_less_than_its_number(corpus: Corpus) -> None:
    """A source with many sub-profiles does not outvote the rest by its size."""
    train = training(corpus)
    weight = pd.Series(balanced_weights(train.architecture, train.measurer)).groupby(train.measurer.astype(str)).agg(["mean", "size"])
    assert weight.loc[weight["size"].idxmax(), "mean"] < weight.loc[weight["size"].idxmin(), "mean"]


def test_residuals_come_from_a_model_that_did_not_see_their_fold(corpus: Corpus) -> None:
    """Changing the labels of a fold leaves that fold's own residuals alone."""
    material = experts.Material.of(corpus, training(corpus))
    fold = np.array([hash_ % 2 for hash_ in pd.factorize(corpus.frame["origin"])[0]])[material.rows.index]
    seen = experts.cross(material, fold).seen
    other = np.where(fold == 0, 0, material.chip)
    changed = replace(material, chip=other)
    again = experts.cross(changed, fold).seen
    np.testing.assert_array_equal(seen.found.off[fold == 0], again.found.off[fold == 0])
    assert not np.array_equal(seen.found.off[fold == 1], again.found.off[fold == 1])


def test_nearness_is_achieved_over_ceiling() -> None:
    """A GEMM of 100 TFLOP/s in BF16 is at 100/148 of an H20 and 100/989 of an H100."""
    from fingerprint.measurements import from_columns
    from fingerprint.scorer import visible

    table = from_columns({"tool": ["kernel"], "workload": ["gemm"], "phase": ["kernel"], "precision": ["bf16"],
                          "quantity": ["compute_rate"], "unit": ["TFLOP/s"], "value": [100.0]})  # fmt: skip
    rows, _ = visible(table)
    chips = np.array([numbers("H20-96GB")[0], numbers("H100-SXM")[0]])
    _, near = pairs(rows.take(np.zeros(2, dtype=np.int64)), chips)
    np.testing.assert_allclose(10.0**near, [100 / 148, 100 / 989.4], rtol=1e-6)


def test_prompts_and_tokens_take_turns_at_the_ceiling() -> None:
    """Prompts keep the arithmetic busy, then tokens the memory: their shares of the time add up, more on an H20 than on an H100."""
    from fingerprint.costs import points
    from fingerprint.measurements import from_columns
    from fingerprint.scorer import visible

    row = {"tool": "serving", "workload": "llama-2-70b", "phase": "serve", "precision": "bf16", "accelerators": 1, "concurrency": 1,
           "input_tokens": 250, "output_tokens": 10, "quantity": "output_throughput", "unit": "token/s", "value": 10.0}  # fmt: skip
    table = from_columns({k: [v] for k, v in row.items()})
    told, (rows, _) = points(table), visible(table)
    _, near = pairs(rows.take(np.zeros(2, dtype=np.int64)), np.array([numbers("H20-96GB")[0], numbers("H100-SXM")[0]]))
    peak, bandwidth = np.array([148e12, 989.4e12]), np.array([4.0e12, 3.35e12])
    np.testing.assert_allclose(10.0**near, told.prompt_rate / peak + told.byte_rate / bandwidth, rtol=1e-3)
    assert near[0] > near[1]


@pytest.mark.parametrize(("one", "other"), [("RTXA6000", "RTX3090"), ("RTX5090", "RTXPRO6000-WS"), ("RTX4090", "RTX6000Ada"),
                                            ("RTX2080Ti", "QuadroRTX6000")])  # fmt: skip
def test_cards_that_add_up_in_32_bits_at_half_rate_are_no_stand_in_for_those_that_do_not(one: str, other: str) -> None:
    """Their data sheets' plain 16-bit rates are alike; what a program gets from them is not."""
    assert numbers(one) != numbers(other)


def test_a_class_of_many_boards_does_not_fit_better_for_their_number() -> None:
    """The mean likelihood of a class's candidates counts, whether there are two or twenty."""
    n = len(candidates().ids)
    fits = class_fits(np.zeros((1, n, len(match_names())), dtype=np.float32), np.ones(1))
    known = [CLASSES.index(a) for a in set(candidates().architecture) & set(CLASSES)]
    np.testing.assert_allclose(fits[0, known], 0.0, atol=1e-12)


def test_class_scores_add_up_the_candidates_of_a_class() -> None:
    """Equal logits give each class the share of its candidates; what is excluded gives nothing."""
    n = len(candidates().ids)
    left = np.ones((1, n), dtype=bool)
    p = np.exp(class_scores(np.zeros((1, n)), np.ones(1), left))[0]
    assert p.sum() == pytest.approx(1.0, abs=1e-4)
    assert p[CLASSES.index("h20")] == pytest.approx(sum(a == "h20" for a in candidates().architecture) / n, abs=1e-5)
    left[0, [a == "h20" for a in candidates().architecture]] = False
    assert np.exp(class_scores(np.zeros((1, n)), np.ones(1), left))[0, CLASSES.index("h20")] < 1e-5


def test_calibration_trusts_an_expert_that_is_right_and_covers_what_it_promises() -> None:
    """On synthetic truth the sets hold the class at the stated level and the useless expert is ignored."""
    rng = np.random.default_rng(0)
    n = 6000
    truth = rng.integers(0, len(CLASSES), n)
    good = rng.normal(0, 1, (n, len(CLASSES)))
    good[np.arange(n), truth] += 3.0
    scores = Scores(good, *rng.normal(0, 1, (2, *good.shape)), np.full(n, 8.0), np.ones(n), np.zeros(n), np.ones(good.shape, dtype=bool), np.ones((n, 1)))
    half = np.arange(n) < n // 2
    flat = np.full(len(CLASSES), 1.0 / len(CLASSES))
    fitted = calibrating.fit(scores.take(half), truth[half], np.ones(half.sum()), flat, np.arange(half.sum()) % 2 == 0)
    p = fitted.probabilities(scores.take(~half))
    assert fitted.trust[0, 0] > fitted.trust[1:, 0].max() + 1.0
    inside = fitted.sets(p, 0.9)[np.arange(len(p)), truth[~half]]
    assert inside.mean() == pytest.approx(0.9, abs=0.03)
    assert (audit.p_values(fitted, p, truth[~half]) <= 0.05).mean() == pytest.approx(0.05, abs=0.02)


def test_the_gradient_of_the_calibration_is_that_of_its_loss() -> None:
    """Against differences, with impossible classes and profiles of which nothing is known."""
    rng = np.random.default_rng(0)
    n, k = 300, len(CLASSES)
    possible = rng.random((n, k)) < 0.8
    possible[:, -1] = True
    scores = Scores(*rng.normal(0, 2, (3, n, k)), rng.integers(0, 40, n).astype(float), rng.integers(0, 3, n).astype(float),
                    rng.integers(0, 2, n).astype(float), possible, np.ones((n, 1)))  # fmt: skip
    told = (scores, rng.integers(0, k, n), rng.random(n) / n, rng.dirichlet(np.ones(k)))
    theta = rng.normal(0, 0.5, 10 + 2 * k)
    _, gradient = calibrating.loss(theta, *told)
    step = 1e-6 * np.eye(len(theta))
    slopes = [(calibrating.loss(theta + s, *told)[0] - calibrating.loss(theta - s, *told)[0]) / 2e-6 for s in step]
    np.testing.assert_allclose(gradient, slopes, atol=1e-7)


def test_a_benchmark_with_fixed_rules_has_a_bias_of_its_own() -> None:
    """Of useless scores, a class that only fixed benchmarks show is likelier there."""
    rng = np.random.default_rng(0)
    n, k = 4000, len(CLASSES)
    fixed = (np.arange(n) % 2).astype(float)
    truth = np.where(fixed == 1, rng.integers(0, 3, n), rng.integers(0, k, n))
    noise = rng.normal(0, 1, (3, n, k))
    scores = Scores(*noise, np.full(n, 8.0), np.ones(n), fixed, np.ones((n, k), dtype=bool), np.ones((n, 1)))
    fitted = calibrating.fit(scores, truth, np.ones(n), np.full(k, 1.0 / k), np.ones(n, dtype=bool))
    assert fitted.bias[1, :3].min() > fitted.bias[1, 3:].max()


def test_the_odds_before_any_figure_count_those_who_measured_and_leave_the_question_open() -> None:
    """Whoever measured counts once a class, an origin of four with the root; Hopper and the H20 share what they have evenly."""
    hopper, h20, ampere = (CLASSES.index(c) for c in ("hopper", "h20", "ampere"))
    origin = np.array(["a", "a", "b", "c", *["board"] * 4], dtype=object)
    who = np.array(["a", "a", "b", "c", "board/1", "board/2", "board/3", "board/4"], dtype=object)
    truth = np.array([hopper, hopper, hopper, h20, *[ampere] * 4])
    prior = calibrating.prior_of(origin, who, truth)
    assert prior.sum() == pytest.approx(1.0)
    assert prior[hopper] == prior[h20]
    assert prior[ampere] / prior[hopper] == pytest.approx(4 / np.sqrt(4) / ((2 + 1) / 2))
    assert (prior > 0).all()


def test_one_cut_of_each_profile_is_whole_and_none_is_longer(corpus: Corpus) -> None:
    """What a board would show."""
    every = natural(corpus)
    frame = pd.DataFrame({"name": every.name, "size": every.size, "whole": every.whole})
    assert (frame.groupby("name")["whole"].sum() == 1).all()
    assert (frame.loc[frame["whole"]].set_index("name")["size"] == frame.groupby("name")["size"].max()).all()
    assert not training(corpus).whole.any()


def test_calibration_asks_about_few_profiles_of_each_who_measured(corpus: Corpus) -> None:
    """No more than stated of one measurer, chip and richness; nobody is left out; the draw is the same every time."""
    every = natural(corpus)
    few = _few(every)
    frame = pd.DataFrame({"who": few.measurer, "chip": few.chip, "class": few.architecture, "kind": few.kind})
    assert frame.groupby(list(frame)).size().max() == MOST_ASKED < len(every)
    assert set(few.measurer) == set(every.measurer)
    assert [r.tolist() for r in few.rows] == [r.tolist() for r in _few(every).rows]


def test_a_quick_look_keeps_every_architecture_and_little_of_it() -> None:
    """All architectures of the dataset in less than a fifth of its profiles."""
    whole = Corpus.of(load_dataset())
    part = study._few(whole)
    assert set(part.frame["architecture"]) == set(whole.frame["architecture"])
    assert part.frame["profile"].nunique() < whole.frame["profile"].nunique() / 5
    assert part.frame.groupby("profile").size().max() <= study.QUICK_FIGURES


def test_macro_f1_and_recall_are_those_of_the_counts() -> None:
    """A worked example: 8 of 10, and 5 of 10."""
    counts = np.array([[8.0, 2.0], [5.0, 5.0]])
    assert metrics.recall(counts, 0) == pytest.approx(0.8)
    assert metrics.precision(counts, 0) == pytest.approx(8 / 13)
    assert metrics.macro_f1(counts) == pytest.approx((16 / 23 + 10 / 17) / 2)


def test_intervals_are_wide_where_few_origins_speak() -> None:
    """Ten profiles of one origin are one voice: the interval of two origins that disagree spans both."""
    values = np.repeat([0.0, 1.0], 10)
    origin = np.repeat(np.array(["a", "b"], dtype=object), 10)
    middle, low, high = metrics.mean_interval(values, origin)
    assert (middle, low, high) == (0.5, 0.0, 1.0)


def test_the_nearest_prototype_rule_answers_where_it_has_a_figure(corpus: Corpus) -> None:
    """A matmul profile gets the class of the nearest chip, a profile without such figures the commonest class."""
    train = training(corpus)
    rule = baselines.NearestPrototype().fit(train)
    answer, usable = rule.predict(train)
    assert usable.any()
    assert (~usable).any()
    assert set(answer[~usable]) == {rule.majority}
    matmul: Profiles = train.take(usable & (train.architecture == "h20") & (train.size >= 4))
    assert len(matmul)
    assert (rule.predict(matmul)[0] == "h20").mean() > 0.5
