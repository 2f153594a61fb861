"""Every real file at hand, from its bytes to its verdict.

``python tests/readers/test_real_files.py`` writes the tables of docs/READERS.md anew; it needs the example files beside the checkout.
"""

from pathlib import Path

import pytest

from fingerprint.lab.real_files import DESCRIPTIONS, formats_markdown, markdown, real_files

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "READERS.md"
HINT = "write it anew with: python tests/readers/test_real_files.py"


@pytest.fixture(scope="module")
def files(examples_dir):
    return real_files(examples_dir)


def test_every_file_is_found_as_a_format_and_descriptions_of_systems_as_none(files):
    assert len(files) >= 40
    assert [f.name for f in files if bool(f.format) == f.name.endswith(DESCRIPTIONS)] == []
    assert [f.name for f in files if not f.format and not f.refused] == []


def test_no_file_is_wrong_with_confidence(files):
    """A set of one class holds the truth; what can't tell has several, or comes back insufficient."""
    assert {f.name: f.wrong() for f in files if f.wrong()} == {}


def test_no_figure_excludes_the_hardware_that_made_it(files):
    assert {f.name: f.falsely_excluded() for f in files if f.falsely_excluded()} == {}


def test_a_count_that_is_given_makes_more_figures_tell(files):
    counted = [f for f in files if f.given]
    assert {f.given for f in counted} == {1, 8}
    assert all(sum(v.rows_used for v in f.counted) > f.used for f in counted)


def tables(found) -> dict[str, str]:
    return {"formats": formats_markdown(found, Path(__file__).parent / "seeds"), "files": markdown(found)}


def between(text: str, name: str) -> str:
    return text.partition(f"<!-- {name} -->\n")[2].partition(f"<!-- /{name} -->")[0]


def test_the_document_holds_the_tables(files):
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, table in tables(files).items():
        assert between(text, name) == table + "\n", HINT


if __name__ == "__main__":
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, table in tables(real_files(ROOT.parent / "shared" / "examples")).items():
        before, _, rest = text.partition(f"<!-- {name} -->\n")
        text = f"{before}<!-- {name} -->\n{table}\n<!-- /{name} -->{rest.partition(f'<!-- /{name} -->')[2]}"
    DOCUMENT.write_text(text, encoding="utf-8")
