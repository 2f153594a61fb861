"""A file that only describes hardware is told apart from one in no known format, and answered in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from fingerprint import read
from fingerprint.errors import FormatError

#: Written from the two layouts: MLPerf's system description, and a planning tool's.
SEEDS = {
    "system.json": ('{"division": "closed", "accelerators_per_node": 8, "accelerator_model_name": "NVIDIA H100", "status": "available"}', "MLPerf system"),
    "system.yaml": ("data_dir: data/x\ngpu:\n  mem_bw: 3350000000000 # B/s\n  bfloat16_tc_flops: 989000000000000\n", "planning tool"),
}


@pytest.mark.parametrize("name", SEEDS)
def test_a_description_is_recognised(name: str, tmp_path: Path) -> None:
    """The sentence says what the file is, not that nobody knows it, and names no chip."""
    text, says = SEEDS[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(FormatError, match=says) as caught:
        read(tmp_path / name)
    assert "H100" not in str(caught.value)


def test_every_real_description_is_recognised(examples_dir: Path) -> None:
    """Those that lie beside the real files of real tools."""
    found = sorted(examples_dir.glob("*/*_system.*"))
    assert len(found) == 8
    for file in found:
        with pytest.raises(FormatError, match=r"describes the hardware|data sheet"):
            read(file)


def test_other_unknown_files_are_still_unknown(tmp_path: Path) -> None:
    """A text without either layout's keys."""
    (tmp_path / "note.txt").write_text("gpu:\n  colour: green\n")
    with pytest.raises(FormatError, match="no format that this program knows"):
        read(tmp_path / "note.txt")
