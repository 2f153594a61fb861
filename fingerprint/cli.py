"""The commands ``classify-profile`` and ``fingerprint``: thin wrappers over the library.

Nothing but click is imported before it is needed, so that ``--help`` is instant.
"""

from __future__ import annotations

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


class Faults(click.Command):
    """A command whose own faults end in one sentence and status 3; --debug shows the traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
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
    from fingerprint.readers import read
    from fingerprint.verdict import classify

    source: Any = sys.stdin.buffer if file == "-" else file
    measurements = read(source, format=options["format"], profile_by=options["profile_by"])
    wanted = {name: options[name] for name in ("claimed", "among", "coverage")}
    return classify(measurements, **wanted), measurements.notes


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
@click.option("--claimed", default=None, metavar="CHIP", help="What somebody says it is: consistent, inconsistent or inconclusive?")
@click.option("--among", default="all", show_default=True, metavar="WHICH",
              help="What is possible beforehand: all, nvidia, datacenter, or chips and architectures joined by commas.")  # fmt: skip
@click.option("--coverage", default=0.9, show_default=True, type=float, help="Coverage of the prediction set, 0.5 to 0.99.")
@click.option("--format", "format", default=None, metavar="NAME", help="Read as this format; see 'fingerprint formats'.")
@click.option("--profile-by", default=None, metavar="COLUMN", help="Group rows into profiles by this column.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(min=-1), help="Files read side by side; -1: one a core.")
@click.option("--quiet", is_flag=True, help="No words on stderr but errors.")
@click.option("--debug", is_flag=True, help="Show a traceback for a fault of this program.")
@click.version_option(__version__, prog_name="classify-profile")
@click.pass_context
def classify_profile(ctx: click.Context, /, files: tuple[str, ...], as_json: bool, as_csv: bool, quiet: bool, jobs: int,
                     debug: bool, **options: Any) -> None:  # fmt: skip
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
    from fingerprint.verdict import check_options

    check_options(options["among"], options["coverage"], options["claimed"])
    show = _shower(as_json, as_csv)
    status = ANSWERED
    for verdicts, words in _answers(files, jobs or 1, options):
        if verdicts is None:
            status = UNUSABLE
            _complain(words[0])
            continue
        if not quiet:
            for word in words:
                _complain(word)
        for verdict in verdicts:
            show(verdict)
            if status == ANSWERED and verdict.claim and verdict.claim.result == "inconsistent":
                status = INCONSISTENT
    ctx.exit(status)


def _complain(words: str) -> None:
    """Say one line on stderr; names of files and columns are their authors', so what steers a terminal is taken out."""
    from fingerprint.report.terminal import clean

    click.echo(f"classify-profile: {clean(words, 600)}", err=True)


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
    """List the accelerators that are known, with their data-sheet peaks."""
    from fingerprint import chips as table

    if as_csv:
        table.frame().to_csv(sys.stdout, lineterminator="\n")
        return
    click.echo(f"{'chip':<22}{'class':<11}{'fp32':>8}{'16-bit':>8}{'8-bit':>8}{'4-bit':>8} TFLOP/s{'memory':>10} GB/s  twins")
    for chip in table.table().values():
        rates = [chip.peaks.get(p, float("nan")) / 1e12 for p in ("fp32", "fp16", "fp8", "fp4")]
        rates[2] = chip.peaks.get("int8", float("nan")) / 1e12 if math.isnan(rates[2]) else rates[2]
        cells = "".join(f"{'-':>8}" if math.isnan(r) else f"{r:8.0f}" for r in rates)
        twins = ", ".join(t for t in table.twins(chip.id) if t != chip.id)
        click.echo(f"{chip.id:<22}{chip.architecture:<11}{cells}        {chip.memory_bandwidth / 1e9:10.0f}       {twins}")


@fingerprint.command(name="run-claim", cls=Faults)
@click.option("--active-params", required=True, type=float, help="Parameters used a token, e.g. 37e9.")
@click.option("--tokens", required=True, type=float, help="Tokens trained on, e.g. 14.8e12.")
@click.option("--hours", required=True, type=float, help="Accelerator-hours of the whole run, e.g. 2.788e6.")
@click.option("--precision", default="", help="Of the arithmetic, e.g. fp8; each chip's fastest when not given.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
def run_claim(active_params: float, tokens: float, hours: float, precision: str, as_json: bool) -> None:
    """Tell what a sentence about a training run proves: parameters, tokens and accelerator-hours."""
    import json

    from fingerprint.training_run import assess

    run = assess(active_params, tokens, hours, precision)
    click.echo(json.dumps(run.to_dict()) if as_json else run.describe())


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
def train(out: Path, folder: Path) -> None:
    """Train and calibrate the model that ships."""
    from fingerprint.dataset import load_dataset
    from fingerprint.lab import training
    from fingerprint.lab.build import checksum

    data = checksum(folder / "measurements")
    kept_out = training.example_profiles(folder / "examples" / "index.csv")
    model = training.train(load_dataset(), data, kept_out, _SAY)
    out.parent.mkdir(parents=True, exist_ok=True)
    model.save(out)
    click.echo(f"wrote {out} ({out.stat().st_size:,} bytes), trained on {data}")


@fingerprint.command(cls=Faults)
@click.option("--only", default=None, metavar="PROTOCOL", help="Run one protocol, by-source, by-submitter or physics, and write nothing.")
@click.option("--dataset", "folder", default="datasets", show_default=True, type=click.Path(exists=True, file_okay=False, path_type=Path), help="The dataset's folder.")  # fmt: skip
@click.option("--out", default="models", show_default=True, type=click.Path(file_okay=False, path_type=Path), help="Where figures.json and the card go.")  # fmt: skip
def evaluate(only: str | None, folder: Path, out: Path) -> None:
    """Measure the model on sources, submitters and examples it never saw, beside the baselines."""
    from fingerprint.lab.study import evaluate as run

    click.echo(run(folder, out, only, _SAY))
