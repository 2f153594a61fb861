"""The dataset that ships: its manifest adds up, its labels exist, its rows are what they say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fingerprint import chips, load_dataset
from fingerprint.lab import build
from fingerprint.lab.examples import cut
from fingerprint.lab.ingest.labelled import LABEL_COLUMNS, Source, finish, number, thin
from fingerprint.measurements import COLUMNS
from fingerprint.resources import path


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """All rows, the quarantined too."""
    return load_dataset(quarantined=True)


@pytest.fixture(scope="module")
def manifest() -> dict:
    """What was written beside the rows."""
    return json.loads(path("datasets/manifest.json").read_text(encoding="utf-8"))


def test_the_manifest_adds_up(rows: pd.DataFrame, manifest: dict) -> None:
    """In is out plus quarantined, source by source, and equals the files."""
    assert manifest["rows_in"] == manifest["rows_out"] + manifest["rows_quarantined"] == len(rows)
    for source in manifest["sources"]:
        mine = rows[rows["source"] == source["source"]]
        assert source["rows_in"] == len(mine)
        assert source["rows_out"] == (mine["quarantine"] == "").sum() == sum(source["rows_per_chip"].values())
        assert source["rows_quarantined"] == sum(source["quarantine"].values())
        assert source["from"], source["source"]


def test_the_checksum_is_that_of_the_files(manifest: dict) -> None:
    """The files are those that the manifest speaks of."""
    assert build.checksum(path("datasets/measurements")) == manifest["checksum"]


def test_every_row_that_counts_has_a_label_and_an_origin(rows: pd.DataFrame) -> None:
    """Architectures are known, chips exist, values are positive numbers."""
    good = rows[rows["quarantine"] == ""]
    assert set(good["architecture"]) <= set(chips.ARCHITECTURES)
    assert all(chips.members(c) for c in good["chip"].unique() if c)
    assert (good["origin"] != "").all()
    assert (good["value"] > 0).all()
    assert np.isfinite(good["value"]).all()


def test_every_class_of_the_design_is_there_and_h20_from_many_origins(rows: pd.DataFrame) -> None:
    """More than 100,000 rows, more than 1,000 of them H20, from two dozen origins."""
    good = rows[rows["quarantine"] == ""]
    assert len(good) > 100_000
    assert set(good["architecture"]) >= {"hopper", "blackwell", "h20", "ampere", "ada", "turing", "volta", "cdna3", "cdna4", "gaudi", "tpu"}  # fmt: skip
    h20 = good[good["architecture"] == "h20"]
    assert len(h20) > 1000
    assert h20["origin"].nunique() >= 24


def test_no_profile_mixes_architectures(rows: pd.DataFrame) -> None:
    """Rows sharing a profile came from the same hardware."""
    good = rows[rows["quarantine"] == ""]
    assert (good.groupby("profile")["architecture"].nunique() == 1).all()


def test_the_examples_are_cut_from_the_dataset(tmp_path: Path) -> None:
    """Cutting them again gives the same files."""
    folder = path("datasets/examples")
    (tmp_path / "index.csv").write_bytes((folder / "index.csv").read_bytes())
    assert cut(load_dataset(), tmp_path) >= 16
    for file in tmp_path.glob("*.csv"):
        assert file.read_bytes() == (folder / file.name).read_bytes(), file.name


def test_building_twice_gives_the_same_bytes(raw_dir: Path, tmp_path: Path) -> None:
    """The committed dataset is what the build makes of the raw figures."""
    made = build.build(raw_dir, tmp_path, jobs=2)
    shipped = json.loads(path("datasets/manifest.json").read_text(encoding="utf-8"))
    assert made["checksum"] == shipped["checksum"]
    assert (tmp_path / "CARD.md").read_bytes() == path("datasets/CARD.md").read_bytes()


@pytest.mark.parametrize(("cell", "value"), [("56.2k", 56200.0), ("1,234.5", 1234.5), (">75 %", 75.0), ("~3.1", 3.1), (7, 7.0)])
def test_published_cells_are_read_as_numbers(cell: object, value: float) -> None:
    """Suffixes, separators and signs of comparison are understood."""
    assert number(cell) == pytest.approx(value)


def test_prose_is_no_number() -> None:
    """A range or a word gives NaN."""
    assert np.isnan(number("10-20"))
    assert np.isnan(number("about fast"))


def _frame(**columns: list) -> pd.DataFrame:
    return pd.DataFrame({"profile": ["p"], "quantity": ["throughput"], "unit": ["tok/s"], "value": [3.0], "label": ["H100"], **columns})


@pytest.mark.parametrize(
    ("columns", "reason"),
    [({"value": [0.0]}, "not above zero"), ({"value": [np.nan]}, "no number"), ({"unit": ["furlong"]}, "nobody knows"),
     ({"label": ["a machine"]}, "label names no")],
)  # fmt: skip
def test_rows_that_cannot_be_are_quarantined_with_the_reason(columns: dict, reason: str) -> None:
    """Nothing is dropped in silence."""
    out = finish(_frame(**columns), Source("s", ("x",), "one"))
    assert list(out.columns) == [*COLUMNS, *LABEL_COLUMNS]
    assert reason in out["quarantine"][0]


def test_thinning_keeps_the_same_shapes_on_all_devices_and_what_must_stay() -> None:
    """A shape is kept for every device or for none."""
    frame = pd.DataFrame({"m": [*range(100)] * 2, "device": ["a"] * 100 + ["b"] * 100})
    kept = thin(frame, ["m"], 0.3, always=frame["m"] == 99)
    assert set(kept.loc[kept["device"] == "a", "m"]) == set(kept.loc[kept["device"] == "b", "m"])
    assert 99 in set(kept["m"])
    assert 10 < len(kept) / 2 < 55


def test_copies_across_sources_count_once() -> None:
    """The same figure of the same work in two sources is quarantined in the second."""
    one = finish(_frame(value=[1234.5], workload=["llama-2-70b"]), Source("a", ("x",), "one"))
    two = finish(_frame(value=[1234.5], workload=["llama-2-70b"]), Source("b", ("x",), "one"))
    tables = {"a": one, "b": two}
    build.mark_copies(tables)
    assert one["quarantine"][0] == ""
    assert two["quarantine"][0] == "copy of a figure of a"
