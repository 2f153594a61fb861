"""The same bytes everywhere: whatever the locale, the time zone, the hash seed, the order of rows and the number of jobs."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fingerprint.resources import path

EXAMPLES = path("datasets/examples")
FILES = ("h20-gemm-pytorch.csv", "mlperf-inference-b200.csv", "h100-sxm-serving-power.csv")

_RUN = "import locale\nlocale.setlocale(locale.LC_ALL, '')\nfrom fingerprint.cli import classify_profile\nclassify_profile()"


def answered(files: list[Path], *options: str, **environment: str) -> bytes:
    """Standard output of a run of its own."""
    given = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    done = subprocess.run([sys.executable, "-c", _RUN, "--json", *options, *map(str, files)], env=given, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def files() -> list[Path]:
    return [EXAMPLES / name for name in FILES]


@pytest.fixture(scope="module")
def usual(files: list[Path]) -> bytes:
    return answered(files, LC_ALL="C.UTF-8", TZ="UTC", PYTHONHASHSEED="0")


def _locales() -> list[str]:
    done = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False)
    there = [name for name in done.stdout.split() if name.startswith(("de_", "tr_", "fr_", "hi_"))]
    return ["C", "POSIX", *there[:3]]


@pytest.mark.parametrize("name", _locales())
def test_the_locale_changes_nothing(files: list[Path], usual: bytes, name: str) -> None:
    """Decimal commas and dotless letters of others are their own affair."""
    assert answered(files, LC_ALL=name) == usual


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/St_Johns", "UTC-14"])
def test_the_time_zone_changes_nothing(files: list[Path], usual: bytes, zone: str) -> None:
    assert answered(files, TZ=zone) == usual


def test_hash_seed_threads_and_a_second_run_change_nothing(files: list[Path], usual: bytes) -> None:
    assert answered(files, PYTHONHASHSEED="12345") == usual
    assert answered(files, OMP_NUM_THREADS="2") == usual


def test_the_number_of_jobs_changes_nothing(files: list[Path], usual: bytes) -> None:
    assert answered(files, "--jobs", "2") == usual


def test_the_order_of_rows_in_a_file_changes_no_number(tmp_path: Path) -> None:
    """Only the rows' numbers move along with the rows."""
    import json

    for name in FILES:
        with (EXAMPLES / name).open(newline="", encoding="utf-8") as stream:
            header, *rows = csv.reader(stream)
        # Energies belong to the speed that stands before them: order is what such a table says.
        order = np.random.default_rng(0).permutation(len(rows)) if "power" not in name else np.arange(len(rows))
        shuffled = tmp_path / name
        with shuffled.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([header, *(rows[i] for i in order)])
        one, two = (json.loads(answered([file]).splitlines()[0]) for file in (EXAMPLES / name, shuffled))
        for key in ("answer", "architecture", "prediction_set", "possible", "coverage", "rows_used"):
            assert one[key] == two[key], (name, key)
        assert one["probabilities"] == pytest.approx(two["probabilities"], abs=1e-9)
        assert [e["chip"] for e in one["excluded"]] == [e["chip"] for e in two["excluded"]]
        assert [e["margin"] for e in one["excluded"]] == [e["margin"] for e in two["excluded"]]
