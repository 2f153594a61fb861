"""A sentence about a training run, and what follows from it.

``python tests/test_training_run.py`` writes the table of docs/TRAINING_RUNS.md anew.
"""

import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import fingerprint
from fingerprint import cli
from fingerprint.errors import InputError
from fingerprint.lab.training_runs import markdown, training_runs
from fingerprint.training_run import assess, from_csv

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "TRAINING_RUNS.md"


def test_deepseek_v3_excludes_the_h20_and_fits_the_h800():
    """37 B parameters, 14.8 T tokens, 2.788 M hours: 327 TFLOP/s, above even the FP8 peak of an H20."""
    run = assess(37e9, 14.8e12, 2.788e6, "FP8")
    assert run.rate == pytest.approx(327.4e12, rel=1e-3)
    gone = {e.chip: e for e in run.excluded}
    assert {"H20-96GB", "H20-141GB"} <= set(gone)
    assert {"H800-SXM", "H800-PCIe", "H100-SXM"} <= set(run.possible)
    assert gone["H20-96GB"].achieved == pytest.approx(run.rate)


def test_the_same_run_in_bf16_excludes_more():
    assert set(assess(37e9, 14.8e12, 2.788e6, "fp8").possible) > set(assess(37e9, 14.8e12, 2.788e6, "bf16").possible)


def test_twice_the_hours_is_half_the_rate():
    once, twice = assess(1e9, 1e12, 1e4), assess(1e9, 1e12, 2e4)
    assert once.rate == pytest.approx(2.0 * twice.rate)
    assert set(once.possible) <= set(twice.possible)
    assert once.precision == ""


def test_every_chip_is_either_excluded_or_possible():
    run = assess(37e9, 14.8e12, 2.788e6, "fp8").to_dict()
    assert not {e["chip"] for e in run["excluded"]} & set(run["possible"])
    assert all(e["margin"] > 1.0 for e in run["excluded"])


@pytest.mark.parametrize(
    "numbers", [(0.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, float("inf")), (float("nan"), 1.0, 1.0)]
)
def test_numbers_that_make_no_run_are_refused(numbers):
    with pytest.raises(InputError, match="positive"):
        assess(*numbers)


def test_a_claimed_chip_is_told_possible_or_excluded():
    said = {chip: assess(37e9, 14.8e12, 2.788e6, "fp8", claimed=chip).claim_possible for chip in ("H800", "NVIDIA H20", "H20-3e")}
    assert said == {"H800": True, "NVIDIA H20": False, "H20-3e": False}
    assert assess(37e9, 14.8e12, 2.788e6).claim_possible is None


def test_a_precision_or_chip_nobody_knows_is_refused():
    with pytest.raises(InputError, match="precision: is 'fp7'"):
        assess(37e9, 14.8e12, 2.788e6, "fp7")
    with pytest.raises(InputError, match="Voodoo"):
        assess(37e9, 14.8e12, 2.788e6, claimed="Voodoo 3")


# A table of runs --------------------------------------------------------------------------------------------------------

TABLE = "name,Tokens,active_parameters,hours,precision,claimed,remark\nv3,14.8e12,37e9,2.788e6,FP8,H800,x\n\nother,1e12,1e9,1e5,,,\n"


def test_a_row_of_a_table_says_what_the_sentence_says():
    """Columns in any order and case; others are ignored, empty lines don't count."""
    first, second = from_csv(io.StringIO(TABLE), "runs.csv")
    assert first == assess(37e9, 14.8e12, 2.788e6, "fp8", name="v3", claimed="H800")
    assert second == assess(1e9, 1e12, 1e5, name="other")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "lacks the columns 'active_parameters', 'tokens', 'hours'"),
        ("tokens,hours\n1,1\n", "lacks the column 'active_parameters'"),
        ("active_parameters,tokens,hours\n", "holds 0 runs"),
        ("active_parameters,tokens,hours\n1e9,1e12,1\n1e9,many,1\n", "runs.csv, row 2: column 'tokens' must hold a number, found 'many'"),
        ("active_parameters,tokens,hours\n1e9,1e12\n", "row 1: column 'hours' must hold a number, found ''"),
        ("active_parameters,tokens,hours\n1e9,-1,1\n", "column 'tokens' must hold a positive number"),
        ("active_parameters,tokens,hours\n1e9,nan,1\n", "column 'tokens' must hold a positive number"),
        ("active_parameters,tokens,hours,claimed\n1,1,1,Voodoo\n", "row 1: claimed: 'Voodoo' is no chip"),
        ('active_parameters,tokens,hours\n"' + "9" * 200_000 + "\n", "is no CSV"),
    ],
)
def test_a_table_that_holds_no_runs_is_refused_with_row_and_column(text, says):
    with pytest.raises(InputError) as refused:
        from_csv(io.StringIO(text), "runs.csv")
    assert says in str(refused.value)


def command(*arguments, **options):
    return CliRunner().invoke(cli.fingerprint, ["run-claim", *arguments], **options)


def test_the_command_reads_a_table_or_a_sentence_but_not_both(tmp_path):
    (tmp_path / "runs.csv").write_text(TABLE, encoding="utf-8-sig")
    told = [json.loads(line) for line in command("--csv", str(tmp_path / "runs.csv"), "--json").stdout.splitlines()]
    assert told == [run.to_dict() for run in from_csv(io.StringIO(TABLE), "runs.csv")]
    assert command("--csv", "-", "--json", input=TABLE).stdout.splitlines() == [json.dumps(run) for run in told]
    assert "Said to have used H800: possible." in command("--csv", str(tmp_path / "runs.csv")).stdout
    for wrong in (("--tokens", "1"), (), ("--csv", "-", "--tokens", "1"), ("--csv", "-", "--precision", "fp8")):
        assert command(*wrong, input=TABLE).exit_code == 2, wrong
    bad = command("--csv", "-", input="active_parameters,tokens,hours\nx,1,1\n")
    assert (bad.exit_code, bad.stdout, len(bad.stderr.splitlines())) == (2, "", 1)


def test_a_row_of_measurements_excludes_what_the_sentence_excludes(tmp_path):
    """The same figures as a row with the quantity accelerator_hours, through the verdict."""
    file = tmp_path / "run.csv"
    file.write_text("tool,phase,precision,active_parameters,tokens,quantity,unit,value\n"
                    "training-run,train,fp8,37e9,14.8e12,accelerator_hours,h,2.788e6\n")  # fmt: skip
    verdict = fingerprint.classify(fingerprint.read(file), claimed="H20")[0]
    run = assess(37e9, 14.8e12, 2.788e6, "fp8")
    assert {e.chip for e in verdict.excluded} == {e.chip for e in run.excluded} >= {"H20-96GB", "H20-141GB"}
    assert verdict.claim.result == "inconsistent"
    assert verdict.possible == run.possible


# The labelled runs ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def labelled():
    return training_runs(fingerprint.load_dataset())


def test_every_labelled_run_leaves_its_published_chip_possible(labelled):
    """Estimates too, though nothing is measured on them."""
    assert labelled["possible"].all()
    assert len(labelled) >= 20
    assert (~labelled["estimate"]).sum() >= 9


def test_deepseeks_runs_exclude_the_h20_and_the_a100_class_runs_do_not(labelled):
    by_name = labelled.groupby("workload")["excludes_h20"].all()
    assert by_name["deepseek-v3"]
    assert not by_name["bloom-176b"]


def document_table():
    return markdown(training_runs(fingerprint.load_dataset()))


def test_the_document_holds_the_table():
    text = DOCUMENT.read_text(encoding="utf-8")
    hint = "write it anew with: python tests/test_training_run.py"
    assert text.split("<!-- table -->\n")[1].split("\n<!-- /table -->")[0] == document_table(), hint


if __name__ == "__main__":
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition("<!-- table -->\n")
    after = rest.partition("<!-- /table -->")[2]
    DOCUMENT.write_text(f"{before}<!-- table -->\n{document_table()}\n<!-- /table -->{after}", encoding="utf-8")
