"""Fixtures: the raw figures and example files are beside the checkout on some machines only."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from fingerprint.errors import InputError

ROOT = Path(__file__).resolve().parent.parent

# Shared machines stall: a slow example is no failure. The seed varies; a failure prints how to repeat it.
settings.register_profile(
    "shared", deadline=None, max_examples=60, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shared")


def _beside(name: str) -> Path:
    folder = ROOT.parent / "shared" / name
    if not folder.is_dir():
        pytest.skip(f"needs the folder shared/{name} beside the checkout")
    return folder


@pytest.fixture(scope="session")
def raw_dir() -> Path:
    """The gathered public figures."""
    return _beside("raw")


@pytest.fixture(scope="session")
def examples_dir() -> Path:
    """Real files of real tools."""
    return _beside("examples")


@pytest.fixture(scope="session")
def survives():
    """Reads a damaged file: it gives sound figures, or an error of ours in one line."""

    def check(read, content):
        try:
            table = read(content)
        except InputError as error:
            sentence = str(error)
        else:
            assert len(table) > 0
            assert np.isfinite(table.number("value")).all()
            return
        assert sentence
        assert "\n" not in sentence

    return check
