"""The commands ``classify-profile`` and ``fingerprint``: thin wrappers over the library.

Nothing but click is imported before it is needed, so that ``--help`` is instant.
"""

from __future__ import annotations

import atexit
import functools
import gc
import math
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fingerprint import __version__

if TYPE_CHECKING:
    from fingerprint.verdict import Verdict

ANSWERED, INCONSISTENT, UNUSABLE, FAULT = 0, 1, 2, 3

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@functools.cache
def _quick() -> None:
    """Let the garbage collector rest: a start makes a hundred thousand objects that all stay, and an end frees all at once."""
    gc.set_threshold(100_000, 20, 20)
    atexit.register(gc.freeze)


class Faults(click.Command):
    """A command whose own faults end in one sentence and status 3; --debug shows the traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        _quick()
        from fingerprint.errors import FingerprintError, InputError

        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except FingerprintError as error:
            click.echo(f"{ctx.info_name}: {error}", err=True)
            ctx.exit(UNUSABLE if isinstance(error, InputError) else FAULT)
        except BrokenPipeError:
            # The reader of our output went away (as `head` does): no fault.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(ANSWERED)
        except Exception as error:
            if ctx.params.get("debug"):
                traceback.print_exc()
            click.echo(f"{ctx.info_name}: a fault of this program ({type(error).__name__}: {error}); please report it", err=True)  # fmt: skip
            ctx.exit(FAULT)


def _verdicts(file: str, options: dict[str, Any]) -> tuple[list[Verdict], tuple[str, ...]]:
    from dataclasses import replace

    from fingerprint.readers import read, uncounted
    from fingerprint.verdict import classify

    source: Any = sys.stdin.buffer if file == "-" else file
    measurements = read(source, format=options["format"], profile_by=options["profile_by"])
    count, needed = options["accelerators"], frozenset[str]()
    if count:
        measurements, needed = uncounted.fill(measurements, count)
    wanted = {name: options[name] for name in ("claimed", "among", "coverage", "figures")}
    verdicts = [replace(v, caveats=(*v.caveats, uncounted.sentence(count))) if v.profile in needed else v
                for v in classify(measurements, **wanted)]  # fmt: skip
    return verdicts, measurements.notes


def _attempt(file: str, options: dict[str, Any]) -> tuple[list[Verdict] | None, tuple[str, ...]]:
    """Return a file's verdicts and notes, or None and what is wrong with it."""
    from fingerprint.errors import InputError

    try:
        return _verdicts(file, options)
    except InputError as error:
        return None, (str(error),)


def _answers(files: tuple[str, ...], jobs: int, options: dict[str, Any]) -> Iterator[tuple[list[Verdict] | None, tuple[str, ...]]]:
    if jobs == 1 or len(files) < 2:
        yield from (_attempt(f, options) for f in files)
        return
    from joblib import Parallel, delayed

    yield from Parallel(n_jobs=jobs, return_as="generator")(delayed(_attempt)(f, options) for f in files)


@click.command(cls=Faults, context_settings=_CONTEXT)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a profile, one a line.")
@click.option("--csv", "as_csv", is_flag=True, help="One CSV line a profile.")
@click.option("--html", default=None, metavar="OUT", type=click.Path(dir_okay=False, allow_dash=True),
              help="Write one page with pictures of all profiles besides; - for it alone on standard output.")  # fmt: skip
@click.option("--claimed", default=None, metavar="CHIP", help="What somebody says it is: consistent, inconsistent or inconclusive?")
@click.option("--among", default="all", show_default=True, metavar="WHICH",
              help="What is possible beforehand: all, nvidia, datacenter, or chips and architectures joined by commas.")  # fmt: skip
@click.option("--coverage", default=0.9, show_default=True, type=float, help="Coverage of the prediction set, 0.5 to 0.99.")
@click.option("--format", "format", default=None, metavar="NAME", help="Read as this format; see 'fingerprint formats'.")
@click.option("--profile-by", default=None, metavar="COLUMN", help="Group rows into profiles by this column.")
@click.option("--accelerators", default=None, metavar="N", type=click.IntRange(min=1),
              help="How many shared the work, where a file does not say (vLLM, genai-perf, a lone MLPerf summary).")  # fmt: skip
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(min=-1), help="Files read side by side; -1: one a core.")
@click.option("--quiet", is_flag=True, help="No words on stderr but errors.")
@click.option("--debug", is_flag=True, help="Show a traceback for a fault of this program.")
@click.version_option(__version__, prog_name="classify-profile")
@click.pass_context
def classify_profile(ctx: click.Context, /, files: tuple[str, ...], as_json: bool, as_csv: bool, html: str | None, quiet: bool,
                     jobs: int, debug: bool, **options: Any) -> None:  # fmt: skip
    """Tell which GPU architecture produced the figures in each FILE.

    A FILE is what a benchmark wrote (see 'fingerprint formats'), the project's own CSV, JSON Lines or Parquet with one
    figure a row, a folder (an MLPerf submission), or - for standard input. The name that a file gives its GPU is
    reported, never used.

    \b
    Exit status: 0 answered; 1 a claim is inconsistent; 2 an input can't be used (others are still answered);
    3 a fault of this program.
    """
    if as_json and as_csv:
        raise click.UsageError("give --json or --csv, not both")
    if html == "-" and (as_json or as_csv):
        raise click.UsageError("give --json, --csv or --html -, one of them")
    from fingerprint.verdict import check_options

    check_options(options["among"], options["coverage"], options["claimed"])
    page = _Page(html, files) if html else None
    show = _shower(as_json, as_csv) if html != "-" else lambda _: None
    status = ANSWERED
    # The report in words shows shares of ceilings, the page draws them; both need the figures.
    shown = page is not None or not (as_json or as_csv)
    for verdicts, words in _answers(files, jobs or 1, {**options, "figures": shown}):
        if verdicts is None:
            status = UNUSABLE
            _complain(words[0])
            continue
        if not quiet:
            for word in words:
                _complain(word)
        for verdict in verdicts:
            show(verdict)
            if page:
                page.add(verdict)
            if status == ANSWERED and verdict.claim and verdict.claim.result == "inconsistent":
                status = INCONSISTENT
    if page:
        page.write()
    ctx.exit(status)


class _Page:
    """Gathers verdicts for --html; raises InputError before any work where the page can't be written."""

    def __init__(self, out: str, files: tuple[str, ...]) -> None:
        from fingerprint.report import page

        self.out, self.verdicts = out, list[Any]()
        page.check(out, files)

    def add(self, verdict: Verdict) -> None:
        from dataclasses import replace

        from fingerprint.report import page

        # Figures are kept for the pictures alone, and only the first profiles have some.
        self.verdicts.append(verdict if len(self.verdicts) < page.PICTURED else replace(verdict, figures=None))

    def write(self) -> None:
        from fingerprint.report import page

        if not self.verdicts:
            return
        if self.out == "-":
            click.echo(page.render(self.verdicts), nl=False)
        else:
            page.write(self.verdicts, Path(self.out))


def _complain(words: str, command: str = "classify-profile") -> None:
    """Say one line on stderr; names of files and columns are their authors', so what steers a terminal is taken out."""
    from fingerprint.report.terminal import clean

    click.echo(f"{command}: {clean(words, 600)}", err=True)


def _shower(as_json: bool, as_csv: bool) -> Callable[[Verdict], None]:
    """Return what prints a verdict."""
    if as_json:
        import json

        return lambda v: click.echo(json.dumps(v.to_dict()))
    if as_csv:
        from fingerprint.report import table

        first = iter([True])
        return lambda v: table.write([v], sys.stdout, header=next(first, False))
    from fingerprint.report import terminal

    colour = terminal.wants_colour(dict(os.environ))
    return lambda v: click.echo(terminal.render(v, colour) + "\n", color=colour)


@click.group(context_settings=_CONTEXT)
@click.version_option(__version__, prog_name="fingerprint")
def fingerprint() -> None:
    """The rest: formats, chips, the dataset, training and evaluation. To classify a file, use classify-profile."""


@fingerprint.command(cls=Faults)
def formats() -> None:
    """List the file formats that can be read, and what each yields."""
    from fingerprint.readers import formats as known

    for module in known():
        click.echo(f"{module.NAME:<18} {module.TITLE}\n{'':<18}   yields: {module.YIELDS}")


@fingerprint.command(cls=Faults)
@click.option("--csv", "as_csv", is_flag=True, help="As CSV, every column.")
def chips(as_csv: bool) -> None:
    """List the accelerators that are known: peaks, export figures and status, parent and twins.

    TPP and density (TPP/mm2, where the dies' area is known) are those of the export rule 3A090, from published dense rates;
    the status is mostly that for China, on the rule file's date. No legal advice: see docs/EXPORT_CONTROL.md.
    """
    from fingerprint import chips as table
    from fingerprint import export_control as export

    if as_csv:
        frame = table.frame()
        said = [export.status(name).to_dict() for name in frame.index]
        frame["twins"] = [" ".join(t for t in table.twins(name) if t != name) for name in frame.index]
        frame["tpp"] = [export.tpp(name) for name in frame.index]
        frame["performance_density"] = [export.performance_density(name) for name in frame.index]
        for column in ("status", "since", "rule", "confidence", "computed"):
            frame[f"export_{column}"] = [status[column] for status in said]
        frame.to_csv(sys.stdout, lineterminator="\n")
        return

    def cell(value: float, width: int, digits: int = 0) -> str:
        return f"{'-':>{width}}" if math.isnan(value) else f"{value:{width}.{digits}f}"

    click.echo(f"{'chip':<19}{'class':<10}{'fp32':>6}{'16-bit':>7}{'8-bit':>6}{'4-bit':>6} TFLOP/s{'GB/s':>6}{'TPP':>7}{'density':>8}  "
               f"{'cut from':<18}{'twins':<24} export status, rules as of {export.as_of()}")  # fmt: skip
    for chip in table.table().values():
        rates = [chip.peaks.get(p, float("nan")) / 1e12 for p in ("fp32", "fp16", "fp8", "fp4")]
        rates[2] = chip.peaks.get("int8", float("nan")) / 1e12 if math.isnan(rates[2]) else rates[2]
        peaks = "".join(cell(rate, width) for rate, width in zip(rates, (6, 7, 6, 6), strict=True))
        twins = ", ".join(t for t in table.twins(chip.id) if t != chip.id)
        figures = f"{cell(export.tpp(chip), 7)}{cell(export.performance_density(chip), 8, 2)}"
        click.echo(f"{chip.id:<19}{chip.architecture:<10}{peaks}        {cell(chip.memory_bandwidth / 1e9, 6)}{figures}  "
                   f"{chip.cut_down_from or '-':<18}{twins or '-':<24} {export.status(chip.id)}")  # fmt: skip


@fingerprint.command(cls=Faults)
@click.argument("board", type=click.Path(exists=True, path_type=Path))
@click.option("--claimed-column", default=None, metavar="COLUMN", help="The column that holds the label; tools' files name their hardware themselves.")  # fmt: skip
@click.option("--level", default=0.2, show_default=True, type=float, help="Share of false findings among those called out that is put up with.")  # fmt: skip
@click.option("--profile-by", default=None, metavar="COLUMN", help="Group rows into profiles by this column.")
@click.option("--format", "format", default=None, metavar="NAME", help="Read as this format; see 'fingerprint formats'.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for the whole board.")
@click.option("--csv", "as_csv", is_flag=True, help="One CSV line a profile.")
@click.option("--quiet", is_flag=True, help="No words on stderr but errors.")
@click.pass_context
def audit(ctx: click.Context, /, board: Path, level: float, as_json: bool, as_csv: bool, quiet: bool, **options: Any) -> None:
    """Hold a whole leaderboard against its labels: which figures do not fit, and what else may explain it.

    BOARD is a table with a column of labels (without a column 'profile' each row is one), an MLPerf round's folder, any
    folder of results, or one file of a format that names its hardware. Called out are profiles whose figures do not fit
    their label, equal figures under different labels, and figures a round factor off from like ones. This accuses nobody:
    units, counts, precisions and names are mistyped often. See docs/AUDIT.md.

    \b
    Exit status: 0 every tested label fits; 1 some do not; 2 the board can't be used; 3 a fault of this program.
    """
    import json

    from fingerprint.audit import audit as run
    from fingerprint.leaderboard import read_board
    from fingerprint.report import audit as report

    if as_json and as_csv:
        raise click.UsageError("give --json or --csv, not both")
    say: Callable[[str], None] = (lambda _: None) if quiet else lambda words: _complain(words, "fingerprint audit")
    table = read_board(board, say=say, **options)
    for note in table.notes:
        say(note)
    found = run(table, level=level, say=say)
    if as_csv:
        report.write_csv(found, sys.stdout)
    else:
        click.echo(json.dumps(found.to_dict()) if as_json else report.render(found))
    ctx.exit(INCONSISTENT if found.flagged else ANSWERED)


@fingerprint.command(name="run-claim", cls=Faults)
@click.option("--active-params", type=float, help="Parameters used a token, e.g. 37e9.")
@click.option("--tokens", type=float, help="Tokens trained on, e.g. 14.8e12.")
@click.option("--hours", type=float, help="Accelerator-hours of the whole run, e.g. 2.788e6.")
@click.option("--precision", default="", help="Of the arithmetic, e.g. fp8; each chip's fastest when not given.")
@click.option("--claimed", default=None, metavar="CHIP", help="What the run is said to have used: is it possible?")
@click.option("--csv", "file", default=None, metavar="FILE", help="A table of runs instead: columns name, active_parameters, tokens, hours, precision, claimed.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object a run, one a line.")
def run_claim(file: str | None, as_json: bool, **told: Any) -> None:
    """Tell what a sentence about a training run proves: parameters, tokens and accelerator-hours.

    With --csv, the same for each row of a table (- for standard input). Its columns: active_parameters, tokens and hours,
    numbers as for the options; and, if you like, name, precision and claimed. Others are ignored.
    """
    import json

    from fingerprint.training_run import assess, from_csv

    sentence = [f"--{name.replace('_', '-')}" for name in ("active_params", "tokens", "hours") if told[name] is None]
    if file is not None:
        if len(sentence) < 3 or told["precision"] or told["claimed"]:
            raise click.UsageError("give --csv, or the figures of one run, not both")
        with click.open_file(file, encoding="utf-8-sig", errors="replace") as stream:
            runs = from_csv(stream, "standard input" if file == "-" else file)
    elif sentence:
        raise click.UsageError(f"Missing option {', '.join(sentence)}; or give a table of runs with --csv")
    else:
        runs = [assess(**told)]
    click.echo("\n".join(json.dumps(run.to_dict()) for run in runs) if as_json else "\n\n".join(run.describe() for run in runs))


@fingerprint.command(cls=Faults)
@click.argument("source", metavar="IN.parquet", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("out", metavar="OUT.parquet", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(min=-1), help="Workers on this machine; -1: one a core.")
@click.option("--engine", default="joblib", show_default=True, type=click.Choice(["joblib", "dask"]), help="What the workers are.")
@click.option("--scheduler", default=None, metavar="ADDRESS", help="A Dask scheduler to use, e.g. tcp://10.0.0.1:8786; needs --engine dask.")
@click.option("--among", default="all", show_default=True, metavar="WHICH", help="What is possible beforehand, as for classify-profile.")
@click.option("--coverage", default=0.9, show_default=True, type=float, help="Coverage of the prediction set, 0.5 to 0.99.")
@click.option("--profile-by", default="profile", show_default=True, metavar="COLUMN", help="The column that tells profiles apart.")
@click.option("--quiet", is_flag=True, help="No words on stderr but errors.")
@click.option("--debug", is_flag=True, help="Show a traceback for a fault of this program.")
def batch(source: Path, out: Path, jobs: int, engine: str, scheduler: str | None, among: str, coverage: float, profile_by: str,
          quiet: bool, debug: bool) -> None:  # fmt: skip
    """Classify the very many profiles of a table: one figure a row in, one verdict a row out.

    Memory stays bounded whatever the table's length, quickest where the rows of a profile stand together. A run that was
    stopped goes on where it was when it is called again. The output's bytes do not depend on --jobs or --engine.
    """
    from fingerprint.batch_files import Options, run

    run(source, out, Options(among, coverage), jobs=jobs or 1, engine=engine, scheduler=scheduler, profile_by=profile_by,
        say=None if quiet else lambda line: _SAY(f"batch: {line}"))  # fmt: skip


@fingerprint.group()
def dataset() -> None:
    """The labelled measurements."""


_SAY: Callable[[str], None] = lambda line: click.echo(line, err=True)  # noqa: E731


@dataset.command(cls=Faults)
@click.option("--raw", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of gathered figures.")
@click.option("--out", default="datasets", show_default=True, type=click.Path(file_okay=False, path_type=Path), help="Where to write.")
@click.option("--jobs", default=2, show_default=True, help="Sources read side by side.")
def build(raw: Path, out: Path, jobs: int) -> None:
    """Build the labelled dataset from the gathered figures: the same bytes every time."""
    from fingerprint.lab.build import build as run

    made = run(raw, out, jobs, _SAY)
    click.echo(f"{made['rows_out']:,} rows kept, {made['rows_quarantined']:,} quarantined of {made['rows_in']:,}; {made['checksum']}")


@fingerprint.command(cls=Faults)
@click.option("--out", default="models/architecture.fpm", show_default=True, type=click.Path(dir_okay=False, path_type=Path), help="Where to write.")  # fmt: skip
@click.option("--dataset", "folder", default="datasets", show_default=True, type=click.Path(exists=True, file_okay=False, path_type=Path), help="The dataset's folder.")  # fmt: skip
@click.option("--jobs", default=-1, show_default=True, help="Fits side by side; -1 for one a core.")
def train(out: Path, folder: Path, jobs: int) -> None:
    """Train and calibrate the model that ships."""
    import joblib

    from fingerprint.dataset import load_dataset
    from fingerprint.lab import training
    from fingerprint.lab.build import checksum

    data = checksum(folder / "measurements")
    kept_out = training.example_profiles(folder / "examples" / "index.csv")
    with joblib.parallel_config(n_jobs=jobs):
        model = training.train(load_dataset(), data, kept_out, _SAY)
    out.parent.mkdir(parents=True, exist_ok=True)
    model.save(out)
    click.echo(f"wrote {out} ({out.stat().st_size:,} bytes), trained on {data}")


@fingerprint.command(cls=Faults)
@click.option("--only", default=None, metavar="PROTOCOL", help="Run one protocol and write no card: by-source, by-submitter, by-time, by-workload, open-set or physics.")  # fmt: skip
@click.option("--quick", is_flag=True, help="A few profiles of a few sources, fewer folds: to see that all runs; writes nothing.")
@click.option("--jobs", default=-1, show_default=True, help="Fits side by side; -1 for one a core.")
@click.option("--dataset", "folder", default="datasets", show_default=True, type=click.Path(exists=True, file_okay=False, path_type=Path), help="The dataset's folder.")  # fmt: skip
@click.option("--out", default="models", show_default=True, type=click.Path(file_okay=False, path_type=Path), help="Where figures.json and the card go.")  # fmt: skip
def evaluate(only: str | None, quick: bool, jobs: int, folder: Path, out: Path) -> None:
    """Measure the model on sources, submitters, times, workloads and families it never saw, masked and not, beside the baselines.

    A run that was stopped goes on where it was.
    """
    from fingerprint.lab.study import evaluate as run

    click.echo(run(folder, out, only, _SAY, quick=quick, jobs=jobs))
