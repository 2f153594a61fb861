"""Real files of real tools, each with what the readers and the model make of it: the tables of docs/READERS.md."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fingerprint import chips, readers
from fingerprint.errors import InputError
from fingerprint.readers import uncounted
from fingerprint.scorer import UNKNOWN
from fingerprint.verdict import Verdict, classify

#: Files that describe a system and measure nothing: no reader shall take them.
DESCRIPTIONS = ("_system.json", "_system.yaml")


@dataclass(frozen=True)
class RealFile:
    """One file of the folder's index.

    Attributes
    ----------
    origin : str
        Where it is from, as Markdown.
    format : str
        Name of the format that it was found to be; empty where none.
    truth : frozenset of str
        The architectures of its hardware, by the index.
    rows, used : int
        Figures read, and those of them that the model uses.
    refused : str
        Why it can't be used; empty where it can.
    verdicts, truths : tuple
        Verdict and true architectures of each profile, by the index or, where that names a column, by the file's own labels; no
        architecture where nobody says.
    counted, given : tuple of Verdict, int
        The verdicts where the number of accelerators is given that the file lacks, and that number; empty and 0 where it isn't
        lacking or nobody knows it.
    """

    name: str
    origin: str
    format: str
    truth: frozenset[str]
    rows: int = 0
    used: int = 0
    refused: str = ""
    verdicts: tuple[Verdict, ...] = ()
    truths: tuple[frozenset[str], ...] = ()
    counted: tuple[Verdict, ...] = ()
    given: int = 0

    def judged(self) -> list[tuple[Verdict, frozenset[str]]]:
        """Return each verdict whose truth is known, with and without a count given."""
        told = [*zip(self.verdicts, self.truths, strict=True), *zip(self.counted, self.truths if self.counted else (), strict=True)]
        return [(verdict, truth) for verdict, truth in told if truth]

    def wrong(self) -> list[str]:
        """Return the profiles that are wrong with confidence: a set of one class that is not the true one."""
        return [v.profile for v, truth in self.judged() if len(v.prediction_set) == 1 and not truth & set(v.prediction_set)]

    def falsely_excluded(self) -> list[str]:
        """Return the profiles of which every chip of the true architectures is excluded."""
        return [v.profile for v, truth in self.judged() if not truth & {chips.architecture(c) for c in v.possible}]


def real_files(folder: Path) -> list[RealFile]:
    """Return every file of a folder's ``index.csv`` (columns format, file, gpu, repo, commit, path) as it is read and judged."""
    with (folder / "index.csv").open(newline="", encoding="utf-8") as stream:
        return [_judged(folder, row) for row in csv.DictReader(stream)]


def _judged(folder: Path, row: dict[str, str]) -> RealFile:
    place = folder / row["format"] / row["file"]
    known = re.fullmatch(r"[\w.-]+/[\w.-]+", row["repo"]) and re.fullmatch(r"[0-9a-f]{40}", row["commit"])
    origin = f"[{row['repo']}](https://github.com/{row['repo']}/blob/{row['commit']}/{row['path'].replace(' ', '%20')})" if known else "a public note"
    try:
        kind = readers.detected(place).NAME
    except InputError:
        kind = ""
    try:
        table = readers.read(place)
    except InputError as error:
        why = str(error).removeprefix(row["file"]).lstrip(":, ")
        return RealFile(row["file"], origin, kind, _truth(row["gpu"], ()), refused=why)
    verdicts = tuple(classify(table, figures=False))
    truths = tuple(_truth(row["gpu"], table.identity.get(v.profile, ())) for v in verdicts)
    used = sum(v.rows_used for v in verdicts)
    count = _count(row["gpu"], row["file"])
    filled, needed = uncounted.fill(table, count) if count else (table, frozenset[str]())
    again = tuple(classify(filled, figures=False)) if needed else ()
    if sum(v.rows_used for v in again) <= used:  # worth giving only where figures tell that told nothing
        again = ()
    return RealFile(row["file"], origin, kind, frozenset().union(*truths), len(table), used, "", verdicts, truths, again, count if again else 0)


def _truth(label: str, named: Sequence[str]) -> frozenset[str]:
    """Return the architectures that a label of the index means; of "column …" those that the file's own labels mean."""
    labels = named if label.startswith("column ") else (re.sub(r"\(.*", "", label), label)
    found = [a for text in labels if (a := chips.architecture_of_label(text))]
    return frozenset(found if label.startswith("column ") else found[:1])


def _count(label: str, file: str) -> int:
    """Return how many accelerators a label ("8x NVIDIA H20", "…-SXM-80GBx8_TRT") or a file's name ("mi355x8_…") states; 0 for none."""
    found = re.match(r"(\d{1,4})x ", label) or re.search(r"x(\d{1,4})_TRT$", label) or re.search(r"\d[a-z]*x(\d{1,4})_", file)
    return int(found[1]) if found else 0


def _why(verdict: Verdict) -> str:
    """Return why a verdict is insufficient: what most of its rows lack, or that the few used say little."""
    reasons = Counter(left.why for left in verdict.rows_ignored)
    if verdict.rows_used or not reasons:
        return f"the {verdict.rows_used} used hardly tell classes apart"
    return reasons.most_common(1)[0][0]


def _named(prediction_set: Sequence[str], truth: frozenset[str]) -> str:
    """Return a set in words, the true class in bold."""
    return ", ".join(f"**{c}**" if c in truth else c for c in sorted(prediction_set))


def _one(found: RealFile, verdict: Verdict, truth: frozenset[str], given: int = 0) -> str:
    why = _why(verdict) if verdict.answer == "insufficient" else f"with `--accelerators {given}`" if given else ""
    shown = "" if verdict.answer == "insufficient" else _named(verdict.prediction_set, truth)
    rows = f"{verdict.rows_used} of {found.rows}"
    said = " or ".join(sorted(truth)) or "not stated"
    return f"| {found.format} | {found.origin}: `{found.name}` | {rows} | {verdict.answer} | {shown} | {said} | {_cell(why)} |"


def _many(found: RealFile) -> str:
    """Return the line of a file that holds many systems, counted together."""
    answers = Counter(v.answer for v in found.verdicts)
    judged = [(v, t) for v, t in zip(found.verdicts, found.truths, strict=True) if t and v.answer != "insufficient"]
    held = sum(bool(t & set(v.prediction_set)) for v, t in judged)
    # A class outside the model's is rightly called unknown.
    held += sum(not t & set(v.probabilities) and UNKNOWN in v.prediction_set for v, t in judged)
    words = ", ".join(f"{n} {answer}" for answer, n in sorted(answers.items(), key=lambda item: (-item[1], item[0])))
    wrong = f"; {len(found.wrong())} wrong alone" if found.wrong() else "; none wrong alone"
    return (f"| {found.format} | {found.origin}: `{found.name}` | {found.used} of {found.rows} | {len(found.verdicts)} systems: {words} | "
            f"{held} of {len(judged)} sets hold the truth{wrong} | by its labels | |")  # fmt: skip


def lines_of(found: RealFile) -> Iterator[str]:
    """Yield a file's lines of the table."""
    if found.refused:
        truth = " or ".join(sorted(found.truth)) or "not stated"
        yield f"| {found.format or 'none'} | {found.origin}: `{found.name}` | 0 | refused | | {truth} | {_cell(found.refused)} |"
    elif len(found.verdicts) > 1:
        yield _many(found)
    else:
        yield _one(found, found.verdicts[0], found.truths[0])
        if found.counted:
            yield _one(found, found.counted[0], found.truths[0], found.given)


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("*", "\\*")


def markdown(found: Sequence[RealFile]) -> str:
    """Return the files as a table, without those that describe a system and measure nothing."""
    head = [
        "| format | file | figures used | verdict | 90% set, the true class in bold | truth | why, or what was given |",
        "|---|---|--:|---|---|---|---|",
    ]
    return "\n".join([*head, *(line for file in found if not file.name.endswith(DESCRIPTIONS) for line in lines_of(file))])


def formats_markdown(found: Sequence[RealFile], seeds: Path) -> str:
    """Return every format with how many real files it was tried on, and how many small ones written from its definition."""
    real = Counter(file.format for file in found)
    lines = ["| format | what it is | yields | real files here | written from its definition |", "|---|---|---|--:|--:|"]
    for module in readers.formats():
        written = len(list(seeds.glob(f"{module.NAME}.txt"))) + len(list(seeds.glob(f"{module.NAME}.[0-9].txt")))
        lines.append(f"| `{module.NAME}` | {_cell(module.TITLE)} | {_cell(module.YIELDS)} | {real[module.NAME] or '-'} | {written or '-'} |")
    return "\n".join(lines)
