"""Very large profiles are scored on a part of their rows: evenly many of each kind, the same ones whatever the order."""

import numpy as np
import pytest

from fingerprint.measurements import Words, from_columns
from fingerprint.sampling import MOST_SCORED, chosen, kinds


def table(n, seed=0, profile="big", **more):
    """GEMM rates of two precisions at many shapes."""
    rng = np.random.default_rng(seed)
    columns = {"profile": [profile] * n, "tool": ["kernel"] * n, "workload": ["gemm"] * n, "phase": ["kernel"] * n,
               "precision": rng.choice(["bf16", "fp8"], n, p=[0.99, 0.01]).tolist(), "quantity": ["compute_rate"] * n,
               "unit": ["TFLOP/s"] * n, "m": 2.0 ** rng.integers(4, 14, n), "n": 2.0 ** rng.integers(9, 14, n),
               "k": 2.0 ** rng.integers(9, 14, n), "value": rng.uniform(10, 100, n)}  # fmt: skip
    return from_columns(columns | more)


def everything(t):
    return np.ones(len(t), dtype=bool)


def test_profiles_that_are_not_large_keep_every_row():
    t = table(MOST_SCORED)
    assert chosen(t, np.zeros(len(t), dtype=bool)).all()


def test_a_large_profile_keeps_so_many_rows_and_no_unused_one():
    t = table(10_000)
    used = np.random.default_rng(1).random(len(t)) < 0.9
    kept = chosen(t, used)
    assert 0.99 * MOST_SCORED <= kept.sum() <= MOST_SCORED
    assert not (kept & ~used).any()


def test_kinds_of_work_with_few_figures_keep_all_of_them():
    t = table(20_000)
    kept = chosen(t, everything(t))
    rare = t.word("precision").equals("fp8")
    assert 100 < rare.sum() < MOST_SCORED / 2
    assert kept[rare].all()


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_rows_chooses_nothing(seed):
    t = table(9_000, seed)
    order = np.random.default_rng(seed).permutation(len(t))
    shuffled = chosen(t.take(order), everything(t))
    np.testing.assert_array_equal(shuffled, chosen(t, everything(t))[order])


def test_the_order_in_which_words_are_met_chooses_nothing():
    t = table(6_000)
    column = t.word("precision")
    recoded = Words(np.array([1, 0], dtype=np.int32)[column.codes], column.words[::-1])
    other = type(t)({**t.words, "precision": recoded}, t.numbers, t.row)
    np.testing.assert_array_equal(chosen(other, everything(t)), chosen(t, everything(t)))


def test_figures_of_one_run_stay_together():
    """A server's rate and latency at one load are both taken or both left."""
    n = 6_000
    load = np.repeat(np.arange(1.0, n + 1), 2)
    t = from_columns({"profile": ["s"] * 2 * n, "tool": ["serving"] * 2 * n, "workload": ["llama-3.1-8b"] * 2 * n, "phase": ["serve"] * 2 * n,
                      "quantity": ["output_throughput", "tpot"] * n, "unit": ["token/s", "s"] * n, "concurrency": load,
                      "value": np.random.default_rng(0).random(2 * n)})  # fmt: skip
    kept = load[chosen(t, everything(t))]
    assert sorted(set(np.unique(kept, return_counts=True)[1].tolist())) == [2]


def test_only_large_profiles_of_a_table_are_cut():
    small, big = table(50, profile="small"), table(5_000)
    names = Words(np.repeat([0, 1], [50, 5_000]).astype(np.int32), ("small", "big"))
    both = type(small)({n: Words.of([*small.words[n], *big.words[n]]) for n in small.words} | {"profile": names},
                       {n: np.concatenate([small.numbers[n], big.numbers[n]]) for n in small.numbers}, np.arange(5_050))  # fmt: skip
    kept = chosen(both, everything(both))
    assert kept[:50].all()
    np.testing.assert_array_equal(kept[50:], chosen(big, everything(big)))


def test_kinds_are_numbered_by_their_names():
    t = table(100)
    assert set(kinds(t, np.flatnonzero(t.word("precision").equals("bf16")))) == {0}
