"""A table of verdicts says what single verdicts say, profile by profile, whatever the profiles' company and the cuts of the stream."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fingerprint import InputError, batch, classify, load_dataset
from fingerprint.measurements import Measurements
from fingerprint.scorer import CLASSES


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Some figures of a hundred profiles of many kinds, with their labels, which nothing may read."""
    rows = load_dataset()
    names = rows.groupby("source")["profile"].unique().map(lambda p: list(p[:4])).explode()
    return rows[rows["profile"].isin(set(names))].sort_values("profile", kind="stable").groupby("profile").head(12).reset_index(drop=True)


@pytest.fixture(scope="module")
def table(frame: pd.DataFrame) -> pd.DataFrame:
    """Its verdicts."""
    return batch.verdict_frame(frame)


def test_a_line_says_what_the_verdict_says(frame: pd.DataFrame, table: pd.DataFrame) -> None:
    """Answers, probabilities, sets, counts and demonstrated rates are those of classify."""
    verdicts = classify(Measurements.from_frame(frame), figures=False)
    assert list(table.columns) == list(batch.COLUMNS)
    for verdict, line in zip(verdicts, table.to_dict("records"), strict=True):
        assert (verdict.profile, verdict.answer) == (line["profile"], line["answer"])
        assert verdict.architecture == (None if pd.isna(line["architecture"]) else line["architecture"])
        assert verdict.probabilities == {c: line[f"p_{c}"] for c in CLASSES}
        assert " ".join(verdict.prediction_set) == line["prediction_set"]
        assert (verdict.rows_used, len(verdict.excluded), len(verdict.possible)) == (
            line["rows_used"], line["chips_excluded"], line["chips_possible"])  # fmt: skip
        assert verdict.export_control["tpp_at_least"] == line["tpp_at_least"]
        shown = {batch._RATES[d.quantity, d.precision]: d.value for d in verdict.demonstrated}
        assert shown == {name: line[name] for name in batch._RATES.values() if not np.isnan(line[name])}


def test_nothing_of_who_and_what_gets_in_or_out(frame: pd.DataFrame, table: pd.DataFrame) -> None:
    """Labels, sources and dates are ignored, and no column holds a name of hardware."""
    lies = frame.assign(chip="H20-96GB", architecture="h20", source="nobody", gpu="NVIDIA H20", date="1999-01-01")
    pd.testing.assert_frame_equal(batch.verdict_frame(lies), table)
    plain = frame[[c for c in frame.columns if c in Measurements.from_frame(frame).to_frame().columns]]
    pd.testing.assert_frame_equal(batch.verdict_frame(plain), table)


@pytest.mark.parametrize("rows", [1, 7, 100, 10**9])
def test_where_the_stream_is_cut_changes_nothing(frame: pd.DataFrame, table: pd.DataFrame, rows: int) -> None:
    """Parts of any size, of frames cut anywhere, give the same table; sums of other lengths may differ in the last bit."""
    cuts = [frame.iloc[start : start + 13] for start in range(0, len(frame), 13)]
    parts = list(batch.whole_profiles(iter(cuts), rows))
    assert sum(map(len, parts)) == len(frame)
    assert all(len(p) >= rows for p in parts[:-1])
    names = [set(p["profile"]) for p in parts]
    assert sum(map(len, names)) == len(set().union(*names))
    done = pd.concat([batch.verdict_frame(p) for p in (parts if rows > 1 else parts[:40])], ignore_index=True)
    pd.testing.assert_frame_equal(done, table.iloc[: len(done)], rtol=0, atol=1e-12)


def test_parts_depend_on_the_rows_not_on_the_frames_they_came_in(frame: pd.DataFrame) -> None:
    """The same parts come out of one frame and of many."""
    whole = list(batch.whole_profiles([frame], 50))
    cut = list(batch.whole_profiles((frame.iloc[i : i + 3] for i in range(0, len(frame), 3)), 50))
    for one, two in zip(whole, cut, strict=True):
        pd.testing.assert_frame_equal(one, two)


def test_a_stream_as_spark_gives_it_is_answered(frame: pd.DataFrame, table: pd.DataFrame) -> None:
    """An iterator of frames in, an iterator of frames out; an empty partition gives none."""
    got = pd.concat(batch.verdict_frames(iter([frame.iloc[:100], frame.iloc[:0], frame.iloc[100:]])), ignore_index=True)
    pd.testing.assert_frame_equal(got, table)
    assert list(batch.verdict_frames(iter([frame.iloc[:0]]))) == []
    assert [part.split()[0] for part in batch.spark_schema().split(", ")] == list(table.columns)


def test_the_order_of_rows_inside_profiles_changes_nothing(frame: pd.DataFrame, table: pd.DataFrame) -> None:
    """A shuffled table gives the same lines. Energies are left out: they belong to the speed that stands before them."""
    plain = frame[~frame["quantity"].str.startswith("energy")]
    shuffled = plain.sample(frac=1, random_state=0)
    one, two = (batch.verdict_frame(f).set_index("profile").sort_index() for f in (plain, shuffled))
    numbers = [c for c in one.columns if one[c].dtype != object]
    np.testing.assert_allclose(one[numbers].to_numpy(float), two[numbers].to_numpy(float), rtol=1e-9, atol=1e-9)
    for column in ("answer", "architecture", "prediction_set"):
        assert one[column].tolist() == two[column].tolist() or column == "architecture"


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [("value", -1.0, "negative"), ("unit", "bananas", "no unit of"), ("quantity", "mood", "nobody knows"), ("value", np.nan, "empty"),
     ("value", 1e300, "absurd"), ("accelerators", 0.0, "is 0")],
)  # fmt: skip
def test_a_row_that_cannot_be_read_costs_its_own_profile_only(
    frame: pd.DataFrame, table: pd.DataFrame, column: str, value: object, says: str
) -> None:
    """The profile is answered unusable and says why and where; all others are answered as ever."""
    bad = frame.copy()
    victim = bad["profile"].iloc[len(bad) // 2]
    bad.loc[np.flatnonzero(bad["profile"] == victim)[0], column] = value
    found = batch.verdict_frame(bad).set_index("profile")
    line = found.loc[victim]
    assert line["answer"] == "unusable"
    assert says in line["why"]
    assert "row 1" in line["why"]
    assert pd.isna(line["architecture"])
    assert line["rows"] == (bad["profile"] == victim).sum()
    others = found.drop(victim)
    pd.testing.assert_frame_equal(others, table.set_index("profile").loc[others.index], rtol=0, atol=1e-12)


def test_a_profile_without_end_is_refused_without_being_held(frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a profile that is too large only so many rows are kept, and its neighbours are answered."""
    monkeypatch.setattr(batch, "LARGEST_PROFILE", 30)
    row = frame.iloc[:1].assign(profile="endless")
    endless = (pd.concat([row] * 10, ignore_index=True) for _ in range(20))
    before, after = frame.iloc[:1].assign(profile="before"), frame.iloc[:1].assign(profile="after")
    parts = list(batch.whole_profiles([before, *endless, after]))
    assert sum(map(len, parts)) == 33
    answers = pd.concat(map(batch.verdict_frame, parts)).set_index("profile")["answer"]
    assert answers["endless"] == "unusable"
    assert "unusable" not in (answers["before"], answers["after"])


@pytest.mark.parametrize("lacking", ["profile", "quantity", "unit", "value"])
def test_a_table_that_lacks_a_column_is_refused(frame: pd.DataFrame, lacking: str) -> None:
    """The column is named."""
    with pytest.raises(InputError, match=f"lacks the column '{lacking}'"):
        batch.verdict_frame(frame.drop(columns=lacking))


def test_what_is_thought_possible_beforehand_counts_here_too(frame: pd.DataFrame) -> None:
    """Classes that are not thought possible have no probability."""
    found = batch.verdict_frame(frame, among="h20,hopper", coverage=0.8)
    np.testing.assert_allclose(found["p_h20"] + found["p_hopper"], 1.0)
    with pytest.raises(InputError, match="coverage"):
        batch.verdict_frame(frame, coverage=2.0)
