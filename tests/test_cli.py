"""The command as its users meet it: what it prints where, what it refuses, and with which status it ends."""

import csv
import gzip
import io
import json
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import fingerprint
from fingerprint import cli

ROOT = Path(__file__).resolve().parent.parent

HEADER = "profile,gpu,workload,phase,precision,m,n,k,accelerators,quantity,unit,value\n"
ROWS = (
    "{0},{1},gemm,kernel,bf16,8192,8192,8192,1,compute_rate,TFLOP/s,141\n"
    "{0},{1},gemm,kernel,fp32,8192,8192,8192,1,compute_rate,TFLOP/s,32\n"
    "{0},{1},copy,kernel,,,,,1,bandwidth,GB/s,3410\n"
)
NEEDED = "quantity,unit,value\n"
BAD = {
    "empty": b"",
    "no known format": b"Dear reader, here are no figures.\n",
    "binary": b"\x7fELF\0\0\1\2",
    "unknown unit": f"{NEEDED}latency,parsec,1\n".encode(),
    "unknown quantity": f"{NEEDED}beauty,W,1\n".encode(),
    "nan": f"{NEEDED}power,W,NaN\n".encode(),
    "infinite": f"{NEEDED}power,W,inf\n".encode(),
    "negative": f"{NEEDED}power,W,-3\n".encode(),
    "missing column": b"quantity,value\npower,1\n",
    "truncated gzip": gzip.compress((NEEDED + "power,W,1\n" * 5000).encode())[:-30],
    "cut json": b'{"quantity": "power", "unit": "W", "value": 1}\n{"quant',
}
FIELDS = {"profile", "answer", "architecture", "probabilities", "prediction_set", "coverage", "evidence", "identity_seen",
          "rows_used", "rows_ignored", "model"}  # fmt: skip


def classify(*arguments, **options):
    return CliRunner().invoke(cli.classify_profile, list(map(str, arguments)), **options)


def in_a_process(*arguments, **options):
    code = "from fingerprint.cli import classify_profile as c; c(prog_name='classify-profile')"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, capture_output=True, check=False, timeout=120, **options
    )


@pytest.fixture
def table(tmp_path):
    """Two profiles of three figures."""
    file = tmp_path / "good.csv"
    file.write_text(HEADER + ROWS.format("first", "NVIDIA H20") + ROWS.format("second", "NVIDIA H100"))
    return file


def commands(command=cli.fingerprint, path=("fingerprint",)):
    yield path, command
    for name, sub in getattr(command, "commands", {}).items():
        yield from commands(sub, (*path, name))


ALL = [(("classify-profile",), cli.classify_profile), *commands()]


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) for path, _ in ALL])
def test_every_command_and_option_has_help(path, command):
    top = cli.classify_profile if path[0] == "classify-profile" else cli.fingerprint
    result = CliRunner().invoke(top, [*path[1:], "--help"])
    assert result.exit_code == 0
    assert command.help
    shown = " ".join(result.stdout.split())
    assert command.help.split(".")[0].split("\n")[0] in shown
    for option in command.get_params(click.Context(command)):
        if isinstance(option, click.Option):
            assert option.help, f"{option.opts} has no help"
            assert all(name in shown for name in option.opts)


@pytest.mark.parametrize("top", [cli.classify_profile, cli.fingerprint])
def test_version(top):
    result = CliRunner().invoke(top, ["--version"])
    assert result.exit_code == 0
    assert fingerprint.__version__ in result.stdout


def test_the_report_names_the_profile_its_figures_and_what_the_file_says_of_its_hardware(table):
    result = classify(table)
    assert result.exit_code == 0
    for words in ("first", "second", "3 figures used", "“NVIDIA H20”", "“NVIDIA H100”", "reported, not used"):
        assert words in result.stdout
    assert result.stderr == ""


def test_json_is_one_object_a_profile_and_a_line_as_the_library_gives_it(table):
    result = classify("--json", table)
    verdicts = fingerprint.classify(fingerprint.read(table))
    assert [json.loads(line) for line in result.stdout.splitlines()] == [v.to_dict() for v in verdicts]
    assert all(set(v.to_dict()) >= FIELDS for v in verdicts)


def test_probabilities_sum_to_one_and_the_set_holds_the_likeliest_class(table):
    for line in classify("--json", table).stdout.splitlines():
        verdict = json.loads(line)
        assert sum(verdict["probabilities"].values()) == pytest.approx(1.0, abs=1e-4)
        assert verdict["prediction_set"][0] == max(verdict["probabilities"], key=verdict["probabilities"].get)


def test_the_name_of_the_hardware_changes_no_answer(tmp_path):
    answers = []
    for said in ("NVIDIA H20", "AMD Instinct MI300X", ""):
        (tmp_path / "f.csv").write_text(HEADER + ROWS.format("p", said))
        verdict = json.loads(classify("--json", tmp_path / "f.csv").stdout)
        assert verdict.pop("identity_seen") == ([said] if said else [])
        answers.append(verdict)
    assert answers[0] == answers[1] == answers[2]


def test_csv_has_one_header_over_all_files_and_says_what_json_says(table):
    told = list(csv.DictReader(io.StringIO(classify("--csv", table, table).stdout)))
    known = [json.loads(line) for line in classify("--json", table, table).stdout.splitlines()]
    assert len(told) == len(known) == 4
    for line, verdict in zip(told, known, strict=True):
        assert (line["profile"], line["answer"]) == (verdict["profile"], verdict["answer"])
        assert line["prediction_set"].split() == verdict["prediction_set"]
        assert line["architecture"] == (verdict["architecture"] or "")
        assert int(line["rows_used"]) == 3


def test_json_and_csv_together_are_refused(table):
    result = classify("--json", "--csv", table)
    assert result.exit_code == 2
    assert "not both" in result.stderr
    assert result.stdout == ""


def test_a_dash_reads_standard_input(table):
    result = classify("--json", "-", input=table.read_bytes())
    assert result.exit_code == 0
    assert result.stdout == classify("--json", table).stdout
    assert classify("-", input=b"").stderr == "classify-profile: standard input: is empty; there is nothing to classify\n"


def test_a_gzipped_table_is_read_from_a_pipe(table):
    done = in_a_process("--json", "-", input=gzip.compress(table.read_bytes()))
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == classify("--json", table).stdout


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_one_line_on_stderr_and_status_2(tmp_path, kind):
    (tmp_path / "bad").write_bytes(BAD[kind])
    for style in ((), ("--json",), ("--csv",)):
        result = classify(*style, tmp_path / "bad")
        assert (result.exit_code, result.stdout) == (2, "")
        assert re.fullmatch(r"classify-profile: bad[,:] [^\n]+\n", result.stderr)


def test_a_missing_file_is_one_line_on_stderr_and_status_2(tmp_path):
    result = classify(tmp_path / "nowhere.csv")
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.fullmatch(r"classify-profile: nowhere\.csv: can't be opened: [^\n]+\n", result.stderr)


def test_a_folder_without_results_is_one_line_on_stderr_and_status_2(tmp_path):
    result = classify(tmp_path)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)


def test_bad_files_do_not_keep_others_from_being_answered(tmp_path, table):
    for kind, content in BAD.items():
        (tmp_path / kind).write_bytes(content)
    done = in_a_process("--json", *(tmp_path / kind for kind in BAD), table, tmp_path / "nowhere")
    assert done.returncode == 2
    assert [json.loads(line)["profile"] for line in done.stdout.splitlines()] == ["first", "second"]
    assert len(done.stderr.splitlines()) == len(BAD) + 1
    assert b"Traceback" not in done.stderr


def test_jobs_change_nothing(tmp_path, table):
    (tmp_path / "bad").write_bytes(BAD["nan"])
    files = [table, tmp_path / "bad", table]
    alone, beside = classify("--json", *files), classify("--json", "--jobs", 2, *files)
    assert (beside.exit_code, beside.stdout, beside.stderr) == (alone.exit_code, alone.stdout, alone.stderr)


def test_unknown_columns_are_a_word_on_stderr_unless_quiet(tmp_path):
    (tmp_path / "f.csv").write_text("weather," + NEEDED + "fine,power,W,500\n")
    loud, quiet = classify(tmp_path / "f.csv"), classify("--quiet", tmp_path / "f.csv")
    assert loud.stderr == "classify-profile: f.csv: ignored columns weather\n"
    assert quiet.stderr == ""
    assert loud.stdout == quiet.stdout


def test_among_limits_the_classes(table):
    everything = json.loads(classify("--json", table).stdout.splitlines()[0])["probabilities"]
    for among, wanted in (("nvidia", "h20"), ("datacenter", "cdna3"), ("H20-96GB,h100,MI300X", "cdna3")):
        verdict = json.loads(classify("--json", "--among", among, table).stdout.splitlines()[0])
        assert wanted in verdict["probabilities"]
        assert set(verdict["probabilities"]) < set(everything)
        assert set(verdict["prediction_set"]) <= set(verdict["probabilities"])
        assert sum(verdict["probabilities"].values()) == pytest.approx(1.0, abs=1e-4)
    assert set(verdict["probabilities"]) == {"h20", "hopper", "cdna3"}


@pytest.mark.parametrize("among", ["potato", "", "h20,potato"])
def test_among_nothing_known_is_refused(table, among):
    result = classify("--among", among, table)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--among" in result.stderr


@pytest.mark.parametrize("coverage", ["0.3", "0.999", "1", "nan", "-1", "90"])
def test_coverage_out_of_range_is_refused(table, coverage):
    result = classify("--coverage", coverage, table)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "between 0.5 and 0.99" in result.stderr


def test_coverage_must_be_a_number(table):
    result = classify("--coverage", "high", table)
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_higher_coverage_never_shrinks_the_set(table):
    before: set[str] = set()
    for coverage in (0.5, 0.8, 0.9, 0.99):
        verdict = json.loads(classify("--json", "--coverage", coverage, table).stdout.splitlines()[0])
        assert verdict["coverage"] == coverage
        assert before <= set(verdict["prediction_set"])
        before = set(verdict["prediction_set"])


def test_profile_by_groups_rows_by_a_column(table):
    result = classify("--json", "--profile-by", "workload", table)
    assert [json.loads(line)["profile"] for line in result.stdout.splitlines()] == ["gemm", "copy"]
    lacking = classify("--profile-by", "rack", table)
    assert (lacking.exit_code, lacking.stdout) == (2, "")
    assert "has no column 'rack'" in lacking.stderr


def test_format_reads_as_named(table):
    assert classify("--json", "--format", "table", table).stdout == classify("--json", table).stdout
    result = classify("--format", "xls", table)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "knows no format 'xls'" in result.stderr


HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202egpj.exe\u200b\x9b31m"


def unseemly(text):
    """Return the control, escape and direction characters in a text, line ends apart."""
    return {c for c in text if unicodedata.category(c)[0] == "C" and c != "\n"}


def test_hostile_names_reach_neither_the_terminal_nor_the_spreadsheet_as_commands(tmp_path, monkeypatch):
    rows = ROWS.format(f"p{HOSTILE}", f"g{HOSTILE}").replace("copy", f"w{HOSTILE}").replace("gemm,kernel,fp32", f"v{HOSTILE},kernel,fp32")
    (tmp_path / "f.csv").write_text(HEADER + rows)
    for style in ((), ("--csv",)):
        # color=True: click itself takes no escape away.
        result = classify(*style, tmp_path / "f.csv", color=True)
        assert result.exit_code == 0
        assert "gpj.exe" in result.stdout
        assert not unseemly(result.stdout)
    monkeypatch.setattr("fingerprint.report.terminal.wants_colour", lambda _: True)
    painted = classify(tmp_path / "f.csv", color=True).stdout
    assert "\x1b[" in painted
    assert not unseemly(re.sub(r"\x1b\[(0|1|2|36|1;36)m", "", painted))


def test_hostile_columns_and_cells_reach_stderr_as_harmless_words(tmp_path):
    (tmp_path / "f.csv").write_text(f"x{HOSTILE}," + NEEDED + "1,power,W,500\n")
    (tmp_path / "g.csv").write_text(NEEDED + f"power,W{HOSTILE},500\n")
    (tmp_path / f"h{HOSTILE}.csv").write_text("")
    result = classify(tmp_path / "f.csv", tmp_path / "g.csv", tmp_path / f"h{HOSTILE}.csv", color=True)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 3
    assert not unseemly(result.stderr)


@pytest.mark.parametrize("formula", ['=cmd|"/C calc"!A0', "+1+1", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1+1", "\u200b=1+1"])
def test_formulas_in_names_are_words_in_csv(tmp_path, formula):
    quoted = '"' + formula.replace('"', '""') + '"'
    (tmp_path / "f.csv").write_text(HEADER + ROWS.format(quoted, quoted), newline="")
    line = next(csv.DictReader(io.StringIO(classify("--csv", tmp_path / "f.csv").stdout)))
    assert line["profile"][0] not in "=+-@\t\r"
    assert line["identity_seen"][0] not in "=+-@\t\r"


def test_a_fault_of_the_program_is_one_sentence_and_status_3(table, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("a wheel came off")

    monkeypatch.setattr("fingerprint.verdict.classify", broken)
    result = classify("--json", table)
    assert (result.exit_code, result.stdout) == (3, "")
    assert re.fullmatch(r"classify-profile: a fault of this program \(RuntimeError: a wheel came off\)[^\n]*\n", result.stderr)
    told = classify("--debug", table)
    assert told.exit_code == 3
    assert "Traceback (most recent call last)" in told.stderr


def test_an_installation_without_its_model_is_status_3(table, monkeypatch):
    def lacking():
        raise fingerprint.FingerprintError("the installation lacks models/architecture.fpm; install the package again")

    monkeypatch.setattr("fingerprint.verdict.shipped", lacking)
    result = classify(table)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "classify-profile: the installation lacks models/architecture.fpm; install the package again\n"


def test_no_file_is_a_usage_error():
    result = classify()
    assert (result.exit_code, result.stdout) == (2, "")
    assert "FILE" in result.stderr


def test_a_reader_that_goes_away_is_no_fault(table):
    code = "from fingerprint.cli import classify_profile as c; c(prog_name='classify-profile')"
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(table)], cwd=ROOT, stdout=write, stderr=subprocess.PIPE, check=False, timeout=120
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def on_a_terminal(*arguments, **environment):
    """Return what the command writes when its output is a terminal."""
    pty = pytest.importorskip("pty")
    code = "from fingerprint.cli import classify_profile as c; c(prog_name='classify-profile')"
    ours, theirs = pty.openpty()
    surroundings = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm"} | environment
    try:
        with subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, stdout=theirs, env=surroundings) as running:
            os.close(theirs)
            theirs = -1
            written = b""
            while block := _read_block(ours):
                written += block
            assert running.wait(120) == 0
    finally:
        os.close(ours)
        if theirs >= 0:
            os.close(theirs)
    return written.decode()


def _read_block(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux: the other end is closed.
        return b""


def test_colours_are_for_people_and_no_color_takes_them_away(table):
    painted, plain = on_a_terminal(table), on_a_terminal(table, NO_COLOR="1")
    assert "\x1b[" in painted
    assert "\x1b[" not in plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", painted).split() == plain.split()
    assert "\x1b[" not in on_a_terminal(table, TERM="dumb")
    assert "\x1b[" not in classify(table, color=True).stdout


def test_formats_lists_every_reader():
    from fingerprint.readers import formats

    result = CliRunner().invoke(cli.fingerprint, ["formats"])
    assert result.exit_code == 0
    assert all(module.NAME in result.stdout and module.YIELDS in result.stdout for module in formats())


def test_chips_lists_every_accelerator():
    from fingerprint import chips

    text, table = (CliRunner().invoke(cli.fingerprint, ["chips", *style]) for style in ((), ("--csv",)))
    assert (text.exit_code, table.exit_code) == (0, 0)
    assert [line.split()[0] for line in text.stdout.splitlines()[1:]] == list(chips.table())
    assert len(list(csv.DictReader(io.StringIO(table.stdout)))) == len(chips.table())


@pytest.mark.parametrize("arguments", [["dataset", "build", "--raw", "nowhere"], ["train", "--dataset", "nowhere"],
                                       ["evaluate", "--dataset", "nowhere"], ["evaluate", "--only", "by-magic"],
                                       ["potato"]])  # fmt: skip
def test_the_laboratory_refuses_what_is_not_there(arguments):
    result = CliRunner().invoke(cli.fingerprint, arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr
    assert "Traceback" not in result.stderr
