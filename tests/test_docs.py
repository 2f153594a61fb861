"""What the documents say is so: blocks run, links lead somewhere, the command's reference is its --help.

``python tests/test_docs.py`` writes anew what is generated: docs/CLI.md, the answers that the README shows, its picture, and the
figures in README.md, docs/EVASION.md and docs/AUDIT.md. Run it after ``fingerprint train`` or ``evaluate``.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from fingerprint import cli
from fingerprint.lab import pages, picture
from fingerprint.measurements import COLUMNS
from fingerprint.units import QUANTITIES, convert

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("datasets/*.md"), *ROOT.glob("models/*.md")])
REFERENCE = ROOT / "docs" / "CLI.md"
PICTURE = ROOT / "docs" / "verdict.svg"

#: A marked block: "file: NAME" is written to that file, "runs" is run.
MARKED = re.compile(r"<!-- (?:file: (?P<file>\S+)|runs) -->\n```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
COMMANDS = {"classify-profile": cli.classify_profile, "fingerprint": cli.fingerprint}


def names(paths):
    return [str(path.relative_to(ROOT)) for path in paths]


RUNNABLE = [path for path in DOCUMENTS if MARKED.search(path.read_text(encoding="utf-8"))]


def test_the_readme_and_the_format_have_blocks_that_run():
    assert {"README.md", "docs/FORMAT.md"} <= set(names(RUNNABLE))


@pytest.mark.parametrize("document", RUNNABLE, ids=names(RUNNABLE))
def test_marked_blocks_run(document, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known: dict[str, object] = {"__name__": "__main__"}
    for block in MARKED.finditer(document.read_text(encoding="utf-8")):
        if block["file"]:
            Path(block["file"]).write_text(block["body"], encoding="utf-8")
        elif block["kind"] == "python":
            exec(compile(block["body"], f"{document.name}, python block", "exec"), known)  # noqa: S102  # that is what "runs" means
        else:
            assert block["kind"] == "console"
            for line in console_lines(block["body"]):
                program, *arguments = shlex.split(line)
                result = CliRunner().invoke(COMMANDS[program], arguments)
                assert (result.exit_code, result.stderr) == (0, ""), line
                assert result.stdout


def console_lines(body: str) -> list[str]:
    lines = [line[2:] for line in body.splitlines() if line.startswith("$ ")]
    assert lines, "a console block's commands begin with '$ '"
    return lines


@pytest.mark.parametrize("document", DOCUMENTS, ids=names(DOCUMENTS))
def test_links_to_files_lead_somewhere(document):
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:|#", target):
            assert (document.parent / target.split("#")[0]).exists(), target


def commands(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    for name, sub in sorted(getattr(command, "commands", {}).items()):
        yield from commands(sub, (*path, name))


ALL = [found for name, top in COMMANDS.items() for found in commands(top, (name,))]


def help_of(path: tuple[str, ...]) -> str:
    result = CliRunner().invoke(COMMANDS[path[0]], [*path[1:], "--help"], prog_name=path[0], terminal_width=100)
    assert result.exit_code == 0
    return "\n".join(line.rstrip() for line in result.stdout.splitlines())


def reference() -> str:
    """Return docs/CLI.md."""
    parts = ["# The commands\n\nEach command's `--help`, written by `python tests/test_docs.py`; do not edit by hand.\n"]
    parts += [f"## {' '.join(path)}\n\n```text\n{help_of(path)}\n```\n" for path, _ in ALL]
    return "\n".join(parts)


def test_the_reference_is_what_help_says():
    # Releases of click break lines in other places: words count.
    written = REFERENCE.read_text(encoding="utf-8").split()
    assert written == reference().split(), "docs/CLI.md is behind --help; write it anew with: python tests/test_docs.py"


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) for path, _ in ALL])
def test_the_reference_names_every_command_and_option(path, command):
    sections = re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", REFERENCE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    section = dict(sections)[" ".join(path)]
    for parameter in command.get_params(click.Context(command)):
        assert all(name in section.split() or f"{name}," in section.split() for name in parameter.opts
                   if name.startswith("-")), parameter.opts  # fmt: skip


def in_backticks(document: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", (ROOT / "docs" / document).read_text(encoding="utf-8")))


def test_the_format_names_every_column_and_quantity():
    assert set(COLUMNS) | set(QUANTITIES) <= in_backticks("FORMAT.md")


def test_every_spelling_of_a_unit_in_the_format_is_understood():
    text = (ROOT / "docs" / "FORMAT.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| [^|]+ \| (`[^|]+`) \|$", text, re.MULTILINE)
    seen = set()
    for quantities, units in rows:
        for quantity in set(re.findall(r"`(\w+)`", quantities)) & set(QUANTITIES):
            seen.add(quantity)
            for unit in re.findall(r"`([^`]+)`", units):
                assert convert(quantity, unit), f"{quantity} in {unit}"
    assert seen == set(QUANTITIES)


def test_the_explanation_counts_right():
    from fingerprint.answers import LEAST_BITS
    from fingerprint.bounds import KINDS
    from fingerprint.candidates import GROUPS, candidates
    from fingerprint.evidence import MOST_LINES, MOST_SINGLE
    from fingerprint.features import RATIOS, REFERENCES
    from fingerprint.lab.experts import WRONG
    from fingerprint.regimes import MID_FLOPS, REGIMES, SKINNY_INTENSITY
    from fingerprint.roofline import CACHES, tolerances
    from fingerprint.sampling import MOST_SCORED
    from fingerprint.scorer import CLASSES

    text = " ".join((ROOT / "docs" / "HOW_IT_WORKS.md").read_text(encoding="utf-8").split())
    for words in (f"one of {len(REGIMES)} regimes", f"{len(REFERENCES)} reference chips", f"{len(RATIOS)} ratios",
                  f"The {len(CLASSES)} classes", f"below {SKINNY_INTENSITY:g} FLOP a byte", f"within {LEAST_BITS:g} bits",
                  f"below {MID_FLOPS / 1e9:g} GFLOP", f"each of {len(candidates().ids)} candidate chips", f"by {len(GROUPS)} groups of work",
                  f"from {WRONG} others", f"{len(KINDS)} kinds of evidence", f"up to {MOST_SINGLE} rows",
                  f"more than {MOST_SCORED:,} figures", f"The {MOST_LINES} weightiest",
                  f"is {tolerances()['gemm']:g} for GEMMs, {tolerances()['power']:g} for power"):  # fmt: skip
        assert words in text, words
    assert f"in {CACHES:g} times a chip's cache" in (ROOT / "docs" / "FORMAT.md").read_text(encoding="utf-8")


def marked(name: str) -> str:
    """Return what the README holds between the markers of a name."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text.split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0]


def test_the_readme_begins_with_a_file_that_is_there_and_then_the_tests():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first, second = re.findall(r"```sh\n(.*?)\n```", text, re.DOTALL)[:2]
    assert first in marked("first-command")
    assert second in marked("test-command")
    assert (ROOT / example()).is_file()
    assert "\n" not in first
    assert "\n" not in second


def example() -> str:
    """Return the file that the README's first command classifies."""
    found = re.search(r"classify-profile (\S+)", marked("first-command"))
    assert found
    return found[1]


#: The README's second verdict: the file, what is claimed of it, and the parts that are shown.
EXCLUDED = ("datasets/examples/h800-deepgemm.csv", "H20", ("Excluded by a figure", "Why", "The claim"))


def told(status: int, *arguments: str) -> str:
    result = CliRunner().invoke(cli.classify_profile, arguments, env={"COLUMNS": "100"})
    assert result.exit_code == status, result.stderr
    return result.stdout.rstrip()


def answer() -> str:
    """Return the README's block with the answer about its example, at a width of 100."""
    return f"\n```text\n{told(0, str(ROOT / example()))}\n```\n"


def excluded_answer() -> str:
    """Return the README's block with the parts that exclude an H20."""
    file, claimed, shown = EXCLUDED
    parts = told(1, "--claimed", claimed, str(ROOT / file)).split("\n\n")
    return "\n```text\n" + "\n\n".join(part for part in parts if part.startswith(shown)) + "\n```\n"


#: What the README shows of the command, by its markers.
ANSWERS = {"example-output": answer, "excluded-output": excluded_answer}
BEHIND = "is behind; write it anew with: python tests/test_docs.py"


@pytest.mark.parametrize("name", ANSWERS)
def test_the_readme_shows_the_answer_that_is_given(name):
    assert marked(name) == ANSWERS[name](), f"the README's answer {BEHIND}"


def test_the_readme_explains_an_h20_and_an_exclusion_by_the_figures_it_shows():
    """The sentences beside the answers speak of figures that stand in them."""
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    for part, words in (("example-output", ("142 TFLOP/s", "H20 (cut-down Hopper)", "90%", "13%")),
                        ("excluded-output", ("row 27", "4.29 times the ceiling", "INCONSISTENT", "316 TFLOP/s"))):  # fmt: skip
        assert [w for w in words if w not in " ".join(marked(part).split())] == []
    explained = text.split("**Why H20?**")[1].split("## How to read")[0]
    assert all(w in explained for w in ("142 TFLOP/s", "90 %", "13 %", "row 27", "4.29 times the ceiling", "316"))


def test_measured_parts_of_the_documents_are_what_was_measured():
    for file, text in pages.documents(ROOT).items():
        assert file.read_text(encoding="utf-8") == text, f"{file.name} {BEHIND}"


def letters(picture: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", picture)


def test_the_readmes_picture_is_of_these_verdicts(tmp_path):
    """Its words: releases of matplotlib draw a line differently."""
    pytest.importorskip("matplotlib")
    picture.draw(ROOT / "datasets" / "examples", tmp_path / "verdict.svg")
    shown = PICTURE.read_text(encoding="utf-8")
    assert letters(shown) == letters((tmp_path / "verdict.svg").read_text(encoding="utf-8")), f"docs/verdict.svg {BEHIND}"
    assert {"H20-141GB", "× H20-141GB", "H100-SXM"} <= set(letters(shown))
    assert PICTURE.stat().st_size < 200 * 1024
    assert "docs/verdict.svg" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("document", sorted(ROOT.glob("docs/*.md")), ids=lambda path: path.name)
def test_the_readme_leads_to_every_document(document):
    assert f"](docs/{document.name})" in (ROOT / "README.md").read_text(encoding="utf-8")


#: Blocks of Python that are pieces of a larger program, by document: a module's outline; a Dask frame's and a Spark frame's call.
PIECES = {"CONTRIBUTING.md": 1, "docs/SCALE.md": 2}


@pytest.mark.parametrize("document", DOCUMENTS, ids=names(DOCUMENTS))
def test_every_block_of_code_is_marked_to_run(document):
    blocks = re.findall(r"(<!-- (?:runs|file: \S+) -->\n)?^```(?:python|console)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    assert blocks.count("") == PIECES.get(str(document.relative_to(ROOT)), 0)


if __name__ == "__main__":
    REFERENCE.write_text(reference(), encoding="utf-8")
    readme = ROOT / "README.md"
    for name, make in ANSWERS.items():
        before, _, rest = readme.read_text(encoding="utf-8").partition(f"<!-- {name} -->")
        after = rest.partition(f"<!-- /{name} -->")[2]
        readme.write_text(f"{before}<!-- {name} -->{make()}<!-- /{name} -->{after}", encoding="utf-8")
    pages.write(ROOT)
    picture.draw(ROOT / "datasets" / "examples", PICTURE)
