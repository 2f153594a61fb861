"""The study of the audit: swapped labels are found as far as the answers allow, true ones are left alone, boards stay apart."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fingerprint.candidates import candidates
from fingerprint.lab import auditing
from fingerprint.lab.holdout import Heldout
from fingerprint.lab.profiles import Corpus, Profiles
from fingerprint.scorer import CLASSES, Scores

CHIPS = {"hopper": ("H100-SXM", "H200-SXM"), "h20": ("H20-96GB",), "blackwell": ("B200",), "ampere": ("A100-SXM4-80GB",)}
EACH = 300


@pytest.fixture(scope="module")
def corpus():
    """Each class's profiles: one served figure that excludes nothing, spread over ten origins."""
    rows = [{"profile": f"{class_}-{i}", "architecture": class_, "chip": chips[i % len(chips)], "origin": f"o{i % 10}", "submitter": "",
             "tool": "serving", "workload": "llama-2-70b", "phase": "serve", "quantity": "output_throughput", "unit": "token/s",
             "accelerators": 8.0, "value": 100.0 + i, "quarantine": "", "estimate": 0} for class_, chips in CHIPS.items() for i in range(EACH)]  # fmt: skip
    return Corpus.of(pd.DataFrame(rows))


def held_out(corpus, sharpness, seed=0):
    """Answers that know the class as well as the sharpness says."""
    n = len(corpus.frame)
    test = Profiles(corpus, [np.array([i]) for i in range(n)], np.full(n, "tool", dtype=object), np.ones(n, dtype=bool))
    truth = np.array([CLASSES.index(a) for a in test.architecture])
    rng = np.random.default_rng(seed)
    direct = rng.normal(0.0, 1.0, (n, len(CLASSES)))
    direct[np.arange(n), truth] += sharpness
    ones, nothing = np.ones(n), np.full(n, "", dtype=object)
    scores = Scores(direct=direct, weighing=np.zeros_like(direct), matching=np.zeros_like(direct), figures=ones, known=ones, fixed=0.0 * ones, possible=np.ones(direct.shape, dtype=bool),
                    chips=np.zeros((n, len(candidates().ids))))  # fmt: skip
    fold = np.array([int(o[1:]) % 5 for o in test.origin])
    return Heldout(test, scores, fold, nothing, np.zeros(n, dtype=bool), nothing)


@pytest.fixture(scope="module")
def sure(corpus):
    return auditing.study(held_out(corpus, 14.0))


def figure(audited, slice_, metric, class_=None):
    (found,) = [f for f in audited.figures() if (f["slice"], f["metric"], f["class"]) == (slice_, metric, class_)]
    return found


def test_where_answers_are_sure_swapped_labels_are_found_and_true_ones_left_alone(sure):
    assert figure(sure, "swapped labels", "evidence_allows")["value"] >= 0.99
    assert figure(sure, "swapped labels, where the evidence allows", "swap_detected")["value"] >= 0.95
    assert figure(sure, "true labels, beside swapped ones", "false_flags")["value"] <= 0.01
    assert figure(sure, "true labels, none swapped", "false_flags")["value"] <= 0.01


def test_every_label_is_swapped_as_often_as_any_for_one_of_another_class(sure):
    assert sorted(sure.swaps["profile"]) == sorted(auditing.DRAWS * sure.table["profile"].tolist())
    assert (sure.swaps["class"] != sure.swaps["label_class"]).all()
    assert set(sure.swaps["label"]) == {c for chips in CHIPS.values() for c in chips}
    assert figure(sure, "swapped labels", "swap_detected", "h20")["n"] == auditing.DRAWS * EACH


def test_where_answers_say_little_little_is_called_out_and_the_share_says_so(corpus):
    dull = auditing.study(held_out(corpus, 1.0))
    assert figure(dull, "swapped labels", "evidence_allows")["value"] < 0.7
    assert figure(dull, "swapped labels", "swap_detected")["value"] < 0.2
    assert figure(dull, "true labels, beside swapped ones", "false_flags")["value"] <= 0.01


def test_the_table_has_a_line_a_profile_the_strangest_first(sure):
    table = sure.table
    assert len(table) == 4 * EACH
    assert (table["ground"] == "posterior").all()
    assert (np.diff(table["p_value"]) >= 0).all()
    assert (table["q_value"] >= table["p_value"] - 1e-12).all()
    assert (table["answer"] == table["class"]).mean() > 0.95


def test_the_study_is_the_same_for_the_same_seed(corpus, sure):
    again = auditing.study(held_out(corpus, 14.0))
    pd.testing.assert_frame_equal(again.swaps, sure.swaps)
    other = auditing.study(held_out(corpus, 14.0), seed=1)
    assert not other.swaps["label"].equals(sure.swaps["label"])


def test_boards_are_audited_by_themselves(corpus):
    """A label is swapped for one of its own board: of two boards of two classes each, none crosses."""
    held = held_out(corpus, 14.0)
    board = np.where(np.isin(held.truth.astype(str), ["hopper", "h20"]), "one", "two").astype(object)
    swaps = auditing.study(held, board=board).swaps
    crossed = swaps["class"].isin(["hopper", "h20"]) != swaps["label_class"].isin(["hopper", "h20"])
    assert not crossed.any()


def test_a_class_of_too_few_profiles_is_left_to_physics(corpus):
    """Forty H20 give no limit: their label is never called out by the posterior."""
    held = held_out(corpus, 14.0)
    few = (held.truth != "h20") | (np.cumsum(held.truth == "h20") <= 40)
    table = auditing.study(held.take(few)).table
    assert set(table.loc[table["class"] == "h20", "ground"]) == {"physics"}
    assert (table.loc[table["class"] == "h20", "p_value"] == 1.0).all()


def test_physics_finds_a_swapped_label_whatever_the_answers(corpus):
    """A GEMM of 600 TFLOP/s is no H20's and no A100's."""
    rows = corpus.frame[corpus.frame["architecture"].isin(["hopper", "h20"])].copy()
    fast = (rows["architecture"] == "hopper").to_numpy()
    rows.loc[fast, ["tool", "workload", "phase", "quantity", "unit", "value"]] = ["kernel", "gemm", "kernel", "compute_rate", "FLOP/s", 6e14]
    rows.loc[fast, "accelerators"] = 1.0
    audited = auditing.study(held_out(Corpus.of(rows.assign(precision="bf16")), 0.0))
    swapped = audited.swaps[audited.swaps["class"] == "hopper"]
    assert (swapped["p_value"] == 0.0).all()
    assert swapped["flagged"].all()
    assert swapped["allowed"].all()


def test_each_profile_stands_on_the_board_once(corpus):
    held = held_out(corpus, 14.0)
    cut = np.arange(len(held.test)) % 2 == 0
    audited = auditing.study(replace(held, test=replace(held.test, whole=~cut)))
    assert set(audited.table["profile"]) == set(held.test.name[~cut])


def test_the_study_in_words_names_counts_and_intervals(sure):
    text = auditing.describe(sure)
    assert "swap_detected" in text
    assert "n = 1,200" in text
