"""The tables that the repository itself holds become right rows of the labelled table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from fingerprint import chips, roofline, workloads
from fingerprint.errors import FingerprintError
from fingerprint.lab.ingest import gathered
from fingerprint.measurements import COLUMNS, Measurements

HEADER = "profile,label,origin,url,tool,workload,quantity,unit,value\n"
ROW = "someone/h20/x,H20,someone,https://example.org/x,serving,deepseek-r1,output_throughput,tok/s,1408.53\n"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """All rows, ingested once."""
    return gathered.ingest(Path("unused"))


def _good(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["quarantine"] == ""]


def test_figures_arrive_in_si_units(table: pd.DataFrame) -> None:
    """A printed rate stays, milliseconds become seconds, TFLOP/s become FLOP/s."""
    good = _good(table)
    minimax = good[good["profile"] == "gathered/vllm-project-recipes/nvidia-h20-3e/minimax-m2-tp4"]
    assert set(minimax["chip"]) == {"H20-141GB"}
    assert set(minimax["architecture"]) == {"h20"}
    assert minimax.loc[minimax["quantity"] == "output_throughput", "value"].tolist() == [115.95]
    assert sorted(minimax.loc[minimax["quantity"] == "tpot", "value"]) == pytest.approx([0.08282, 0.0829])
    pod = good[(good["workload"] == "maxtext-64b") & (good["chip"] == "TPUv5p") & (good["accelerators"] == 64)]
    assert pod["value"].tolist() == [323e12]


def test_every_good_row_names_an_architecture_and_a_source(table: pd.DataFrame) -> None:
    """Nothing counts without a class, an address and a measurer."""
    good = _good(table)
    assert good["architecture"].isin(chips.ARCHITECTURES).all()
    assert good["url"].str.startswith("https://").all()
    assert (good["origin"] != "").all()
    assert (good["workload"] != "").all()


def test_models_are_known(table: pd.DataFrame) -> None:
    """A figure of a model that nobody knows says nothing; kernels are named in workloads.py."""
    models = _good(table)
    models = models[models["tool"].isin(["serving", "engine", "training"]) & models["active_parameters"].isna()]
    unknown = {w for w in models["workload"].unique() if w not in workloads.table() and w not in workloads.KERNELS}
    assert unknown == set()


def test_no_profile_excludes_its_own_chip(table: pd.DataFrame) -> None:
    """A right label survives its own figures."""
    good = _good(table)
    wrong = []
    for profile, rows in good.groupby("profile"):
        own = {c for chip in rows["chip"].unique() for c in chips.members(chip)}
        if own:
            excluded = {e.chip for e in roofline.exclusions(Measurements.from_frame(rows[list(COLUMNS)]))}
            if own <= excluded:
                wrong.append(profile)
    assert wrong == []


def test_a_profile_has_one_device(table: pd.DataFrame) -> None:
    """One answer belongs to one chip."""
    assert (table.groupby("profile")["chip"].nunique() == 1).all()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEADER.replace(",url", "") + ROW.replace(",https://example.org/x", ""), "lacks the columns url"),
        (HEADER.replace("value", "value,colour") + ROW.replace("\n", ",red\n"), "unknown columns colour"),
        (HEADER + ROW.replace("H20,", ","), "row 1: no label"),
        (HEADER + ROW + ROW.replace(",H20,", ",H100,"), "several labels"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, says: str) -> None:
    """A table that cannot be meant is an error that names the file."""
    (tmp_path / "wrong.csv").write_text(text)
    with pytest.raises(FingerprintError, match=f"wrong.csv.*{says}"):
        gathered.read(tmp_path)


def test_two_files_share_no_profile(tmp_path: Path) -> None:
    """A profile belongs to one file."""
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(HEADER + ROW)
    with pytest.raises(FingerprintError, match=r"b\.csv: the profile .* is also in a\.csv"):
        gathered.read(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    """No tables are no figures."""
    with pytest.raises(FingerprintError, match="holds no CSV file"):
        gathered.read(tmp_path)
