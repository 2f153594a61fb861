"""Evasion as transforms: each does what it says and nothing else, the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint import read
from fingerprint.features import slowed, vectors
from fingerprint.forward import match
from fingerprint.lab import masking
from fingerprint.lab.masking import IDENTITY_ONLY, MASKINGS, RATES, TIMES
from fingerprint.measurements import NUMBER_COLUMNS, WORD_COLUMNS, concatenate, from_columns
from fingerprint.resources import path
from fingerprint.scorer import shipped

KINDS = [("output_throughput", "token/s", "serve"), ("tpot", "s", "serve"), ("compute_rate", "FLOP/s", "kernel"), ("bandwidth", "B/s", "kernel"),
         ("power", "W", "load"), ("power", "W", "idle"), ("energy_per_token", "J/token", "serve"), ("memory_used", "B", "serve"),
         ("step_time", "s", "train"), ("cycles", "cycle", "kernel")]  # fmt: skip
ROW = st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(KINDS), st.sampled_from(["", "bf16", "fp8", "fp4"]),
                st.floats(1e-6, 1e18), st.sampled_from([np.nan, 1.0, 3.0, 8.0]), st.sampled_from(["llama-2-70b", "gemm", "copy"]))  # fmt: skip


def table_of(rows):
    profile, kind, precision, value, count, workload = zip(*rows, strict=True)
    quantity, unit, phase = zip(*kind, strict=True)
    return from_columns({"profile": profile, "tool": ["serving"] * len(rows), "workload": workload, "phase": phase, "precision": precision,
                         "quantity": quantity, "unit": unit, "accelerators": np.array(count), "value": np.array(value)},
                        identity={"a": ("NVIDIA H20",), "b": ("H100",)})  # fmt: skip


TABLES = st.lists(ROW, min_size=1, max_size=12).map(table_of)


def same(one, other, but=()):
    """Whether two tables agree in every column, NaN equal to NaN."""
    words = all(list(one.word(c)) == list(other.word(c)) for c in WORD_COLUMNS if c not in but)
    numbers = all(np.array_equal(one.number(c), other.number(c), equal_nan=True) for c in NUMBER_COLUMNS if c not in but)
    return words and numbers and np.array_equal(one.row, other.row)


@pytest.mark.parametrize("name", MASKINGS)
@given(table=TABLES, seed=st.integers(0, 2**32 - 1))
def test_a_masking_is_deterministic_keeps_every_profile_and_every_unit(name, table, seed):
    before = {c: list(table.word(c)) for c in WORD_COLUMNS}
    once, again = MASKINGS[name](table, seed), MASKINGS[name](table, seed)
    assert same(once, again)
    assert once.identity == again.identity
    assert set(once.profiles) == set(table.profiles)
    unit = dict(zip(table.row.tolist(), table.word("unit"), strict=True))
    assert all(unit[r] == u for r, u in zip(once.row.tolist(), once.word("unit"), strict=True))
    assert (np.diff(once.row) > 0).all()
    assert before == {c: list(table.word(c)) for c in WORD_COLUMNS}, "the input was changed"


@pytest.mark.parametrize("name", MASKINGS)
@given(rows=st.lists(ROW, min_size=2, max_size=12), seed=st.integers(0, 99))
def test_a_profile_is_masked_alike_alone_and_among_others(name, rows, seed):
    table = table_of(rows)
    first = table.profiles[0]
    alone, among = MASKINGS[name](table.take(table.word("profile").equals(first)), seed), MASKINGS[name](table, seed)
    assert same(alone, among.take(among.word("profile").equals(first)))


@pytest.mark.parametrize("name", IDENTITY_ONLY)
@given(table=TABLES, seed=st.integers(0, 99))
def test_scrubbing_and_lying_change_no_column_and_no_vector(name, table, seed):
    masked = MASKINGS[name](table, seed)
    assert same(table, masked)
    np.testing.assert_array_equal(vectors(table), vectors(masked))


def test_names_are_gone_or_wrong():
    table = table_of([("a", KINDS[0], "", 10.0, 1.0, "gemm"), ("b", KINDS[0], "", 10.0, 1.0, "gemm")])
    assert masking.scrubbed(table).identity == {}
    said = masking.lies(table, 3).identity
    assert set(said) == {"a", "b"}
    assert not said["b"][0].startswith("H100-SXM") or said["b"] != ("H100",)


@pytest.mark.parametrize("name", [n for n in MASKINGS if "slow" in n or "capped" in n])
@given(table=TABLES)
def test_a_slow_down_never_raises_a_rate_nor_shortens_a_time(name, table):
    masked, quantity = MASKINGS[name](table, 0), table.word("quantity")
    change = masked.number("value") / table.number("value")
    assert (change[quantity.equals(*RATES)] <= 1.0).all()
    assert (change[quantity.equals(*TIMES)] >= 1.0).all()
    assert (change[quantity.equals("memory_used", "cycles")] == 1.0).all()
    assert same(table, masked, but=("value",))


def test_a_waiting_machine_keeps_its_power_and_pays_in_energy_a_capped_one_the_other_way_round():
    rows = [("a", kind, "", 100.0, 1.0, "llama-2-70b") for kind in KINDS[:7]]
    table = table_of(rows)
    assert masking.slow(table, factor=0.5).number("value").tolist() == [50, 200, 50, 50, 100, 100, 200]
    assert masking.capped(table, factor=0.5).number("value").tolist() == [50, 200, 50, 50, 50, 100, 100]


@pytest.mark.parametrize("factor", [0.0, -1.0, 1.01, float("nan")])
def test_no_slow_down_speeds_up(factor):
    with pytest.raises(ValueError, match="within"):
        masking.slow(table_of([("a", KINDS[0], "", 1.0, 1.0, "gemm")]), factor=factor)


def kernels():
    """A large GEMM, one of a single row, a copy, an all-reduce, decode steps, and a board's power."""
    return from_columns({
        "tool": ["kernel", "kernel", "stream", "collective", "serving", "telemetry"],
        "workload": ["gemm", "gemm", "copy", "all-reduce", "llama-2-70b", ""],
        "phase": ["kernel", "kernel", "kernel", "kernel", "serve", "load"],
        "precision": ["bf16", "bf16", "", "", "fp8", ""],
        "m": [8192, 1, "", "", "", ""], "n": [8192, 8192, "", "", "", ""], "k": [8192, 8192, "", "", "", ""],
        "batch": ["", "", "", "", 1, ""],
        "quantity": ["latency", "latency", "bandwidth", "bus_bandwidth", "tpot", "power"],
        "unit": ["ms", "us", "GB/s", "GB/s", "ms", "W"], "value": [2.0, 50.0, 3000.0, 400.0, 20.0, 600.0]})  # fmt: skip


def test_memory_and_arithmetic_are_slowed_apart_and_links_and_watts_left_alone():
    table = kernels()
    change = [f(table, factor=0.5).number("value") / table.number("value") for f in (masking.slow_compute, masking.slow_memory)]
    np.testing.assert_allclose(change[0], [2, 1, 1, 1, 1, 1])
    np.testing.assert_allclose(change[1], [1, 2, 0.5, 1, 2, 1])


@given(table=TABLES)
def test_no_row_is_bound_by_both(table):
    compute, memory = masking.bound(table)
    assert not (compute & memory).any()


@pytest.mark.parametrize("sigma", [0.05, 0.2])
def test_jitter_is_as_large_as_said_and_new_with_each_seed(sigma):
    table = table_of([("a", KINDS[0], "", 100.0, 1.0, "gemm")] * 4000)
    off = np.log(masking.jitter(table, 1, sigma=sigma).number("value") / 100.0)
    assert off.std() == pytest.approx(sigma, rel=0.1)
    assert abs(off.mean()) < 0.1 * sigma
    assert not np.array_equal(off, np.log(masking.jitter(table, 2, sigma=sigma).number("value") / 100.0))


def test_the_boaster_shows_the_highest_rates_and_the_shortest_times():
    rows = [("a", KINDS[0], "", float(v), 1.0, "gemm") for v in range(1, 9)] + [("a", KINDS[1], "", float(v), 1.0, "gemm") for v in range(1, 9)]
    kept = masking.best(table_of([*rows, ("a", KINDS[4], "", 5.0, 1.0, "gemm"), ("a", KINDS[4], "", 6.0, 1.0, "gemm")]))
    assert kept.number("value").tolist() == [7, 8, 1, 2, 5, 6]


def test_rates_of_systems_of_several_sizes_compete_per_accelerator():
    rows = [("a", KINDS[0], "", 300.0, 8.0, "gemm"), ("a", KINDS[0], "", 100.0, 1.0, "gemm")]
    assert masking.best(table_of(rows)).number("value").tolist() == [100.0]


def test_counts_are_doubled_halved_or_made_eight_where_stated():
    table = table_of([("a", KINDS[0], "", 10.0, count, "gemm") for count in (1.0, 3.0, 8.0, np.nan)])
    for name, wanted in (("double", [2, 6, 16]), ("half", [1, 2, 4]), ("8", [8, 8, 8])):
        count = MASKINGS[f"masked-count-{name}"](table, 0).number("accelerators")
        assert count[:3].tolist() == wanted
        assert np.isnan(count[3])


def test_one_precision_is_the_commonest_and_what_states_none_stays():
    rows = [("a", KINDS[0], p, 1.0, 1.0, "gemm") for p in ("bf16", "fp8", "", "fp8")]
    rows += [("b", KINDS[0], p, 1.0, 1.0, "gemm") for p in ("fp4", "bf16")] + [("c", KINDS[0], "", 1.0, 1.0, "gemm")]
    kept = masking.one_precision(table_of(rows))
    assert list(zip(kept.word("profile"), kept.word("precision"), strict=True)) == [
        ("a", "fp8"), ("a", ""), ("a", "fp8"), ("b", "fp4"), ("c", "")]  # fmt: skip


@given(table=TABLES)
def test_rounding_leaves_two_digits_and_moves_no_figure_by_more_than_a_twentieth(table):
    value, now = table.number("value"), masking.rounded(table).number("value")
    np.testing.assert_allclose(now, value, rtol=0.0501)
    assert [float(f"{v:.1e}") for v in now] == now.tolist()


def test_inflation_flatters_a_tenth_of_the_figures():
    rows = [("a", KINDS[i % 2], "", 100.0, 1.0, "gemm") for i in range(4000)] + [("a", KINDS[4], "", 100.0, 1.0, "gemm")] * 100
    table = table_of(rows)
    change = masking.inflated(table, 5).number("value") / 100.0
    assert set(np.round(change[:4000:2], 6)) == {1.0, 1.3}
    assert set(np.round(change[1:4000:2], 6)) == {1.0, round(1 / 1.3, 6)}
    assert (change[4000:] == 1.0).all()
    assert (change[:4000] != 1.0).mean() == pytest.approx(0.1, abs=0.02)


def test_an_empty_table_stays_empty():
    empty = table_of([("a", KINDS[0], "", 1.0, 1.0, "gemm")]).take(np.zeros(1, dtype=bool))
    assert all(len(mask(empty, 0)) == 0 for mask in MASKINGS.values())


def test_profiles_of_several_files_stay_apart():
    """The order of profiles is that of first appearance, before and after."""
    one = table_of([("b", KINDS[0], "bf16", 1.0, 1.0, "gemm"), ("b", KINDS[0], "bf16", 9.0, 1.0, "gemm")])
    two = table_of([("a", KINDS[0], "fp8", 5.0, 1.0, "gemm")])
    both = concatenate([one, two])
    assert masking.best(both).profiles == ("b", "a")
    assert masking.best(both).number("value").tolist() == [9.0, 5.0]


@pytest.mark.parametrize("file", ["h20-gemm-pytorch.csv", "b200-serving-power.csv", "mlperf-inference-h100.csv", "training-h100-foundry.csv"])
def test_what_experts_learn_as_slowed_is_what_a_slowed_table_shows(file):
    """The lessons' short cut (vectors and matches shifted) and the masking itself agree."""
    table = read(path("datasets/examples") / file)
    slower = np.full(len(table.profiles), np.log10(0.5))
    masked = masking.slow(table, factor=0.5)
    np.testing.assert_allclose(slowed(vectors(table), slower), vectors(masked), atol=1e-9)
    model = shipped()
    seen, again = model.look(table), model.look(masked)
    row, profile = np.arange(len(seen.rows)), table.profile_numbers().astype(np.int64)[seen.rows.index]
    short = match(seen.found, seen.rows, row, profile, len(table.profiles), slower)
    np.testing.assert_allclose(short, match(again.found, again.rows, row, profile, len(table.profiles)), rtol=1e-3, atol=1e-3)
    assert not np.allclose(short, match(seen.found, seen.rows, row, profile, len(table.profiles)), equal_nan=True)
