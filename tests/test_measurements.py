"""The table: units do not matter, nor does the order of rows; what cannot be is refused with row and column."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.errors import InputError
from fingerprint.measurements import (
    LARGEST_VALUE,
    NUMBER_COLUMNS,
    WORD_COLUMNS,
    Measurements,
    Words,
    concatenate,
    from_columns,
    number_word,
)

words = st.lists(st.text(alphabet="abc é-", max_size=4), max_size=12)
positive = st.floats(min_value=1e-9, max_value=1e15)


@st.composite
def tables(draw, min_rows=0):
    """Tables with a few columns of words and numbers, some of them missing."""
    n = draw(st.integers(min_rows, 8))
    pairs = [("latency", "ms"), ("throughput", "tok/s"), ("bandwidth", "GB/s"), ("compute_rate", "TFLOPS")]
    chosen = [draw(st.sampled_from(pairs)) for _ in range(n)]
    columns = {
        "quantity": [q for q, _ in chosen],
        "unit": [u for _, u in chosen],
        "value": [draw(positive) for _ in range(n)],
        "profile": [draw(st.sampled_from(["a", "b", "c"])) for _ in range(n)],
        "precision": [draw(st.sampled_from(["", "fp8", "FP16", "bfloat16"])) for _ in range(n)],
    }
    if draw(st.booleans()):
        columns["batch"] = [draw(st.sampled_from(["", "1", "64"])) for _ in range(n)]
    return from_columns(columns, where="drawn")


def records(table):
    """The rows as plain dictionaries."""
    return [table.record(i) for i in range(len(table))]


@given(words)
def test_words_come_back_as_they_went_in(values):
    column = Words.of(values)
    assert list(column) == values
    assert [column[i] for i in range(len(column))] == values


@given(words)
def test_words_hold_each_distinct_word_once(values):
    assert sorted(Words.of(values).words) == sorted(set(values))


@given(words, st.text(alphabet="abc", max_size=2))
def test_equals_and_map_agree_with_a_plain_loop(values, wanted):
    column = Words.of(values)
    assert column.equals(wanted, "b").tolist() == [v in (wanted, "b") for v in values]
    assert column.map({wanted: 1.0}, missing=0.0).tolist() == [float(v == wanted) for v in values]


@given(words)
def test_renaming_words_merges_those_that_become_equal(values):
    renamed = Words.of(values).rename(str.strip)
    assert list(renamed) == [v.strip() for v in values]
    assert len(set(renamed.words)) == len(renamed.words)


@given(tables(), st.randoms())
def test_take_and_concatenate_undo_each_other(table, random):
    cut = random.randint(0, len(table))
    rows = np.arange(len(table))
    again = concatenate([table.take(rows[:cut]), table.take(rows[cut:])])
    assert records(again) == records(table)
    assert again.row.tolist() == table.row.tolist()


@given(tables())
def test_a_mask_takes_the_same_rows_as_their_numbers(table):
    mask = table.number("value") > 1.0
    assert records(table.take(mask)) == records(table.take(np.flatnonzero(mask)))


@given(tables())
def test_a_frame_holds_the_whole_table(table):
    again = Measurements.from_frame(table.to_frame())
    assert records(again) == records(table)


@given(tables(min_rows=1), st.randoms())
def test_the_order_of_rows_does_not_change_what_a_profile_holds(table, random):
    order = list(range(len(table)))
    random.shuffle(order)
    shuffled = table.take(np.array(order))
    for name in table.profiles:
        mine = records(table.take(table.word("profile").equals(name)))
        theirs = records(shuffled.take(shuffled.word("profile").equals(name)))
        assert sorted(map(str, mine)) == sorted(map(str, theirs))


@given(tables(min_rows=1))
def test_profiles_are_numbered_in_order_of_first_appearance(table):
    assert list(table.profiles) == list(dict.fromkeys(table.word("profile")))
    assert [table.profiles[i] for i in table.profile_numbers()] == list(table.word("profile"))


UNITS = [
    ("latency", {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}),
    ("bandwidth", {"B/s": 1.0, "GB/s": 1e-9, "GiB/s": 2.0**-30, "Gbit/s": 8e-9}),
    ("compute_rate", {"FLOP/s": 1.0, "TFLOPS": 1e-12, "GFLOP/s": 1e-9}),
    ("power", {"W": 1.0, "kW": 1e-3}),
    ("accelerator_hours", {"s": 1.0, "h": 1 / 3600, "days": 1 / 86400}),
]


@given(st.sampled_from(UNITS), positive)
def test_the_unit_in_which_a_figure_is_published_does_not_matter(case, value):
    quantity, units = case
    columns = {"quantity": [quantity] * len(units), "unit": list(units), "value": [value * f for f in units.values()]}
    table = from_columns(columns)
    assert table.number("value") == pytest.approx(value, rel=1e-12)
    assert set(table.word("unit")) == {next(iter(units))}


def test_a_figure_per_accelerator_is_not_divided_again():
    columns = {"quantity": ["throughput"] * 2, "unit": ["tok/s/GPU", "tok/s"], "value": [100.0, 800.0], "accelerators": [8, 8]}
    assert from_columns(columns).per_accelerator().tolist() == [100.0, 100.0]


def test_a_sum_over_an_unknown_number_of_accelerators_says_nothing_of_one():
    table = from_columns({"quantity": ["throughput"], "unit": ["tok/s"], "value": [800.0], "tool": ["serving"]})
    assert np.isnan(table.per_accelerator()).all()


def test_a_kernel_runs_on_one_accelerator_unless_it_says_otherwise():
    table = from_columns({"quantity": ["latency"], "unit": ["ms"], "value": [3.0], "tool": ["kernel"]})
    assert table.per_accelerator().tolist() == [0.003]


def test_precision_is_brought_to_one_spelling_in_each_of_its_columns():
    columns = {"quantity": ["latency"], "unit": ["s"], "value": [1.0], "weight_precision": ["NVFP4"], "kv_precision": ["E4M3"]}
    table = from_columns(columns)
    assert (table.word("weight_precision")[0], table.word("kv_precision")[0]) == ("fp4", "fp8")


def test_a_quantity_named_after_its_unit_needs_no_other():
    columns = {"quantity": ["TFLOPS", "GPU hours"], "unit": ["", ""], "value": [150.0, 2.0]}
    table = from_columns(columns)
    assert table.number("value").tolist() == [150e12, 7200.0]


def test_profiles_named_by_numbers_keep_every_digit():
    frame = pd.DataFrame({"profile": [1234567, 1234568], "quantity": "latency", "unit": "s", "value": 1.0})
    assert Measurements.from_frame(frame).profiles == ("1234567", "1234568")


@pytest.mark.parametrize("value, word", [(3.0, "3"), (0.5, "0.5"), (float("nan"), ""), (1e16, "10000000000000000")])
def test_a_number_becomes_a_word_without_loss(value, word):
    assert number_word(value) == word


def test_missing_cells_of_a_frame_are_missing_whatever_marks_them():
    frame = pd.DataFrame({"quantity": "latency", "unit": "s", "value": pd.array([1, 2, 3], dtype="Int64"),
                          "tool": [None, "", float("nan")], "batch": pd.array([1, None, 4], dtype="Int64")})  # fmt: skip
    table = Measurements.from_frame(frame)
    assert list(table.word("tool")) == ["", "", ""]
    assert table.word("tool").words == ("",)
    np.testing.assert_array_equal(table.number("batch"), [1.0, np.nan, 4.0])


def test_absent_columns_read_as_missing():
    table = from_columns({"quantity": ["latency"], "unit": ["s"], "value": [1.0]}, where="x.csv")
    assert all(list(table.word(name)) == [""] for name in WORD_COLUMNS if name not in ("quantity", "unit", "profile"))
    assert all(np.isnan(table.number(name)).all() for name in NUMBER_COLUMNS if name != "value")
    assert table.profiles == ("x.csv",)


def test_a_comma_between_thousands_is_read_and_a_decimal_comma_refused():
    assert from_columns({"quantity": ["latency"], "unit": ["s"], "value": ["1,234,567.5"]}).number("value") == [1234567.5]
    for text in ("1.234,5", "1,5", "1,234"):
        with pytest.raises(InputError, match=r"row 1: column 'value' must hold a number"):
            from_columns({"quantity": ["latency"], "unit": ["s"], "value": [text]})


GOOD = {"quantity": ["latency", "power"], "unit": ["ms", "W"], "value": [1.0, 2.0]}


@pytest.mark.parametrize(
    "column, cell, message",
    [
        ("value", "fast", "t, row 2: column 'value' must hold a number, found 'fast'"),
        ("value", "", "t, row 2: column 'value' is empty or not a number"),
        ("value", "nan", "t, row 2: column 'value' is empty or not a number"),
        ("value", "inf", "t, row 2: column 'value' is infinite"),
        ("value", "-1", "t, row 2: column 'value' is negative"),
        ("value", "1e31", "t, row 2: column 'value' is absurd"),
        ("unit", "furlong", "t, row 2: column 'unit' holds 'furlong', no unit of power"),
        ("quantity", "happiness", "t, row 2: column 'quantity' holds 'happiness', which nobody knows"),
        ("quantity", "", "t, row 2: column 'quantity' holds '', which nobody knows"),
        ("accelerators", "0", "t, row 2: column 'accelerators' is 0"),
        ("accelerators", "eight", "t, row 2: column 'accelerators' must hold a number, found 'eight'"),
        ("batch", "-4", "t, row 2: column 'batch' is negative"),
        ("input_tokens", "inf", "t, row 2: column 'input_tokens' is infinite"),
        ("scope", "galaxy", "t, row 2: column 'scope' must be 'accelerator', 'system' or empty"),
    ],
)
def test_what_cannot_be_is_refused_with_its_row_and_column(column, cell, message):
    columns = {**GOOD, column: [str((GOOD.get(column) or ["", ""])[0]), cell]}
    with pytest.raises(InputError) as caught:
        from_columns(columns, where="t")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("column", GOOD)
def test_a_missing_column_is_named(column):
    columns = {name: cells for name, cells in GOOD.items() if name != column}
    with pytest.raises(InputError, match=f"t: the table lacks the column '{column}'"):
        from_columns(columns, where="t")


def test_a_figure_is_judged_absurd_after_its_unit_is_known():
    with pytest.raises(InputError, match="absurd"):
        from_columns({"quantity": ["compute_rate"], "unit": ["EFLOPS"], "value": [LARGEST_VALUE / 1e3]})


def test_columns_of_different_length_are_refused():
    with pytest.raises(InputError, match="column 'tool' is not as long as 'value'"):
        from_columns({**GOOD, "tool": ["serving"]})


def test_unknown_columns_are_ignored_with_a_note():
    table = from_columns({**GOOD, "weather": ["fine", "fine"]}, where="t")
    assert table.notes == ("t: ignored columns weather",)
    assert "weather" not in table.words
