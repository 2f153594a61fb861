"""Verdicts as one self-contained HTML page: no scripts, no network, pictures inside; the same bytes every time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fingerprint import __version__, chips
from fingerprint.claims import amount
from fingerprint.errors import InputError
from fingerprint.report import words
from fingerprint.report.words import clean

if TYPE_CHECKING:
    from jinja2 import Environment

    from fingerprint.verdict import Verdict

#: Profiles of a page that get pictures, and those that get a report of their own; the table of contents has all.
PICTURED, REPORTED = 12, 400

TEMPLATES = Path(__file__).with_name("templates")

#: What the page says to those who lack its libraries.
NEEDS = "needs jinja2 and matplotlib; install them with: pip install 'compute-fingerprint[report]'"


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Return the templates' environment: everything is escaped, and a missing name is a fault.

    Raises
    ------
    InputError
        Where jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError:
        raise InputError(NEEDS, "HTML") from None
    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)


def render(verdicts: Sequence[Verdict]) -> str:
    """Return the page of one or more verdicts.

    Raises
    ------
    InputError
        Where jinja2 is not installed.
    """
    template = environment().get_template("page.html")
    reported = verdicts[:REPORTED]
    ids = [f"p{i + 1}" for i in range(len(reported))]
    overview = [_row(v, ids[i] if i < len(ids) else "") for i, v in enumerate(verdicts)]
    limits = []
    if len(verdicts) > PICTURED:
        limits.append(f"The first {PICTURED} have pictures.")
    if len(verdicts) > REPORTED:
        limits.append(f"The first {REPORTED} have a report of their own; the table has all.")
    title = f"{clean(verdicts[0].profile)}: compute fingerprint" if len(verdicts) == 1 else f"{len(verdicts)} profiles: compute fingerprint"
    return template.render(
        title=title,
        version=__version__,
        count=f"{len(verdicts):,}",
        limits=" ".join(limits),
        more=len(verdicts) > len(reported) or not verdicts,
        overview=overview,
        claims=any(v.claim for v in verdicts),
        verdicts=[contents(v, ids[i], pictured=i < PICTURED) for i, v in enumerate(reported)],
        model=dict(verdicts[0].model) if verdicts and verdicts[0].model else None,
    )


def check(out: str, files: Iterable[str]) -> None:
    """Raise InputError where a page can't be made or would overwrite one of the files it is made from.

    Parameters
    ----------
    out : str
        Where it shall go; ``-`` is standard output.
    files : iterable of str
        The input.
    """
    environment()
    if out == "-":
        return
    place = Path(out)
    if not place.absolute().parent.is_dir():
        raise InputError("can't be written: its folder does not exist", f"--html {clean(out)}")
    if place.exists() and any(Path(f).exists() and place.samefile(f) for f in files if f != "-"):
        raise InputError("is one of the files to classify; give the page another name", f"--html {clean(out)}")


def write(verdicts: Sequence[Verdict], out: Path) -> None:
    """Write the page; a file that is there already is replaced only by a complete one.

    Raises
    ------
    InputError
        When the place can't be written, or jinja2 is not installed.
    """
    page = render(verdicts).encode("utf-8")
    try:
        # A device such as /dev/stdout is written to; a file is replaced.
        if out.exists() and not out.is_file():
            out.write_bytes(page)
            return
        handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name[:40]}-")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(page)
            # mkstemp's own mode is for the owner alone; a page is for reading.
            Path(name).chmod(out.stat().st_mode & 0o777 if out.exists() else 0o666 & ~_umask())
            Path(name).replace(out)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise InputError(f"can't be written: {error.strerror or error}", clean(out.name)) from None


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _row(verdict: Verdict, name: str) -> dict[str, Any]:
    p = verdict.probabilities.get(verdict.architecture or "")
    return {
        "id": name,
        "profile": clean(verdict.profile),
        "answer": verdict.answer,
        "architecture": words.name_of(verdict.architecture) if verdict.architecture else "–",
        "probability": "–" if p is None else f"{p:.0%}",
        "set": words.set_in_words(verdict),
        "excluded": len(verdict.excluded),
        "claim": verdict.claim.result if verdict.claim else "",
    }


def contents(verdict: Verdict, name: str, *, pictured: bool = True) -> dict[str, Any]:
    """Return what the template shows of a verdict: every text cleaned, every figure beside its words.

    Parameters
    ----------
    name : str
        Begins every id: unique in the page.
    pictured : bool
        Whether to draw its pictures.
    """
    p = verdict.probabilities.get(verdict.architecture or "")
    ranked = sorted(verdict.probabilities.items(), key=lambda kv: -kv[1])
    return {
        "id": name,
        "profile": clean(verdict.profile),
        "answer": verdict.answer,
        "headline": words.headline(verdict),
        "architecture": words.name_of(verdict.architecture) if verdict.architecture else "",
        "probability": "" if p is None else f"{p:.0%}",
        "coverage": f"{verdict.coverage:.0%}",
        "set": [words.name_of(c) for c in verdict.prediction_set],
        "chips": len(chips.table()),
        "excluded": [_excluded(e.to_dict()) for e in verdict.excluded],
        "barriers": [
            {"row": b.row, "figure": b.figure, "chips": b.chips, "limit": b.limit if len(b.chips) > 1 else b.nearest_ceiling, "named": words.listed(b.chips, 6)}
            for b in words.barriers(verdict)
        ],
        "possible": len(verdict.possible),
        "possible_by_class": words.possible_by_class(verdict),
        "classes_out": ", ".join(words.classes_out(verdict)),
        "classes": [
            {"name": words.name_of(c), "p": round(q, 6), "words": words.percent(q), "inside": c in verdict.prediction_set}
            for c, q in ranked
        ],
        "likely_chips": [(c, f"{q:.0%}") for c, q in words.likely_chips(verdict)],
        "twins": words.twins(verdict),
        "claim": {"chip": clean(verdict.claim.chip), "result": verdict.claim.result, "why": words.claim_why(verdict)}
        if verdict.claim
        else None,
        "decides": words.decides(verdict),
        "evidence": [
            {"row": e.row, "weight": round(e.weight, 3), "words": f"{e.weight:+.2f}".replace("-", "−"), "says": clean(e.says, 300)}
            for e in verdict.evidence
        ],
        "next": [words.next_sentence(entry) for entry in words.next_measurements(verdict)],
        "used": words.figures_used(verdict),
        "rows_used": verdict.rows_used,
        "rows_ignored": len(verdict.rows_ignored),
        "ignored": words.ignored(verdict),
        "caveats": [clean(doubt) for doubt in verdict.caveats],
        "identity": words.identity(verdict),
        "export": words.export_status(verdict),
        "standing": words.standing(verdict),
        "export_lines": _export_lines(verdict) if verdict.export_control.get("tpp_at_least") else [],
        "rules_as_of": verdict.export_control.get("rules_as_of", ""),
        "pictures": _pictures(verdict, name) if pictured else [],
    }


def _pictures(verdict: Verdict, name: str) -> list[Any]:
    """Return the verdict's pictures; none where matplotlib is not installed: the tables say the same."""
    from fingerprint.report.pictures import pictures
    from fingerprint.report.svg import available

    return pictures(verdict, name) if available() else []


def _excluded(found: dict[str, Any]) -> dict[str, Any]:
    said = {f"{key}_words": amount(found[key], found["quantity"]) for key in ("achieved", "ceiling")}
    return {**found, **said}


_LINE_UNITS = (("tpp", "TPP of {:,.0f}"), ("density", "performance density of {:g}"), ("memory_bandwidth", "memory of {} GB/s"),
               ("io_bandwidth", "links of {} GB/s"), ("memory_plus_io", "memory and links of {} GB/s"))  # fmt: skip


def _export_lines(verdict: Verdict) -> Iterable[dict[str, Any]]:
    for line in verdict.export_control["lines"]:
        at = [form.format(line[key] if "GB/s" not in form else f"{line[key] / 1e9:,.0f}") for key, form in _LINE_UNITS if key in line]
        margin = line.get("margin")
        yield {"rule": line["rule"], "at": ", ".join(at), "margin": "–" if margin is None else f"{margin:.2f}",
               "proved": line["proved"], "needs": ", ".join(line.get("needs") or ()) or "–"}  # fmt: skip
