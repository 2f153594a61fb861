"""The report on a terminal: what it says in which order, how wide, and in which letters."""

import dataclasses
import io
import re
import sys
import unicodedata
from types import SimpleNamespace

import pytest

from fingerprint import chips
from fingerprint.measurements import Ignored
from fingerprint.report import terminal, words

ORDER = ("Excluded by a figure", "Possible if slowed down", "Likely", "Why", "The claim", "What decided it", "What to measure next",
         "The figures")  # fmt: skip


def with_more(verdict, **more):
    """The verdict with attributes that it may have besides."""
    return SimpleNamespace(**{**vars(verdict), **more})


def test_parts_stand_in_the_order_in_which_a_reader_asks(verdicts):
    told = terminal.render(
        with_more(verdicts["h20"], next_measurement=[{"workload": "gemm", "precision": "fp8", "would_separate": ["h20", "ada"], "bits": 0.8}]),
        colour=False,
    )
    at = [told.index(f"\n{part}") for part in ORDER]
    assert at == sorted(at)
    assert told.splitlines()[0] == verdicts["h20"].profile


def test_every_case_fits_a_screen(verdicts, monkeypatch):
    """About 40 lines on a window of 100 columns, a few more with a claim."""
    monkeypatch.setenv("COLUMNS", "100")
    for verdict in verdicts.values():
        assert len(terminal.render(verdict, colour=False).splitlines()) <= (50 if verdict.claim else 46)


@pytest.mark.parametrize("columns", [40, 58, 80, 120])
def test_lines_keep_to_the_width_of_the_terminal(verdicts, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    for verdict in verdicts.values():
        for painted in (False, True):
            told = re.sub(r"\x1b\[[0-9;]*m", "", terminal.render(verdict, painted))
            assert max(map(len, told.splitlines())) <= columns


def test_colours_change_no_word(verdicts):
    pytest.importorskip("rich")
    for verdict in verdicts.values():
        painted, plain = terminal.render(verdict, colour=True), terminal.render(verdict, colour=False)
        assert "\x1b[" in painted
        assert re.sub(r"\x1b\[[0-9;]*m", "", painted).split() == plain.split()


def test_without_rich_a_terminal_gets_plain_text(verdicts, monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert terminal.render(verdicts["h20"], colour=True) == terminal.render(verdicts["h20"], colour=False)


def test_a_terminal_without_block_characters_gets_others(verdicts, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    told = terminal.render(verdicts["h20"], colour=False)
    assert told.isascii()
    assert "####" in told


def test_the_likeliest_classes_and_all_of_the_set_have_bars(verdicts):
    verdict = verdicts["h20"]
    told = terminal.render(verdict, colour=False)
    for c in verdict.prediction_set:
        assert re.search(rf"● {re.escape(words.name_of(c))} .*{verdict.probabilities[c]:.1%}", told)


def test_a_class_of_the_set_that_is_hardly_probable_is_named_without_a_bar(verdicts):
    verdict = with_more(verdicts["h20"], probabilities={"h20": 0.9, "ampere": 0.05, "ada": 0.04, "tpu": 0.0001}, prediction_set=("h20", "tpu"))
    told = terminal.render(verdict, colour=False)
    assert "● Google TPU <0.1%\n" in told


#: Either form of the H20: twins in arithmetic, of which a report names the likelier.
H20 = r"H20-(?:96|141)GB"


def test_the_shares_of_ceilings_show_why(verdicts, monkeypatch):
    """An H20's tensor rate fills its own ceiling and a small part of the H100's; a figure above a ceiling is marked."""
    monkeypatch.setenv("COLUMNS", "100")
    told = terminal.render(verdicts["h20"], colour=False)
    share = {name: int(re.search(rf"^  {name} .*?(\d+)%", told, re.MULTILINE)[1]) for name in (H20, "H100-SXM")}
    assert share[H20] > 80
    assert share["H100-SXM"] < 20
    assert re.search(r"^  H100-SXM .* claimed$", told, re.MULTILINE)
    assert re.search(rf"^  {H20} +× 1\d\d%", terminal.render(verdicts["h100"], colour=False), re.MULTILINE)
    assert "\nWhy" not in terminal.render(verdicts["insufficient"], colour=False)
    assert "\nWhy" not in terminal.render(dataclasses.replace(verdicts["h20"], figures=None), colour=False)


def test_long_lists_begin_with_parts_for_data_centres_and_count_the_rest(verdicts):
    table = chips.table()
    for verdict in verdicts.values():
        named, _, rest = words.listed(verdict.possible).partition(" and ")
        centre = sum(table[c].datacenter for c in verdict.possible)
        assert sum(table[c].datacenter for c in named.split(", ")) == min(centre, words.MOST_NAMED)
        assert len(named.split(", ")) + int(rest.split()[0] if rest else 0) == len(verdict.possible)
        by_class = words.possible_by_class(verdict)
        assert sorted(c for p in by_class for c in (*p.named, *p.others)) == sorted(verdict.possible)
        assert all(len(p.named) <= words.MOST_NAMED + 1 for p in by_class)
        assert not [c for p in by_class for c in p.others if table[c].datacenter and len(p.named) < words.MOST_NAMED]


def test_a_class_is_out_once_every_chip_of_it_is(verdicts):
    table = chips.table()
    for verdict in verdicts.values():
        out = words.classes_out(verdict)
        assert all(words.name_of(table[c].architecture) not in out for c in verdict.possible)
        assert all(words.name_of(table[e.chip].architecture) in out or
                   any(table[c].architecture == table[e.chip].architecture for c in verdict.possible) for e in verdict.excluded)  # fmt: skip


def test_chips_twins_and_the_next_measurement_appear_once_the_verdict_has_them(verdicts):
    plain = verdicts["h20"]
    more = with_more(plain, chips={"H20-96GB": 0.61, "H20-141GB": 0.34, "L4": 0.001}, twins=[["H20-96GB", "H20-141GB"]],
                     next_measurement=[SimpleNamespace(to_dict=lambda: {"tool": "nccl-tests", "workload": "all-gather", "bits": 0.25})])  # fmt: skip
    told = terminal.render(more, colour=False)
    assert "Chips: H20-96GB 61%, H20-141GB 34%\n" in told
    assert "Twins, which these figures can't tell apart: H20-96GB and H20-141GB" in told
    assert "all-gather (nccl-tests): 0.25 bits expected." in told
    empty = with_more(plain, chips={}, twins=[], next_measurement=[])
    assert "Twins" not in terminal.render(empty, colour=False)
    assert "next" not in terminal.render(empty, colour=False)


def test_a_class_nobody_knows_is_called_unknown(verdicts):
    unknown = with_more(verdicts["h20"], answer="unknown", architecture=None, prediction_set=("unknown",))
    assert words.headline(unknown) == "Unknown: the figures fit no known class well; the 90% set holds none of the known classes."


def test_left_out_rows_are_told_reason_by_reason(verdicts):
    rows = [*(Ignored("p", r, "no unit") for r in (9, 3, 4, 5)), Ignored("p", 1, "no\x1b[31m cost")]
    assert words.ignored(with_more(verdicts["h20"], rows_ignored=rows)) == [("rows 3–5 and 9", 4, "no unit"), ("row 1", 1, "no[31m cost")]


@pytest.mark.parametrize(("rows", "said"), [([4], "row 4"), ([1, 2], "rows 1–2"), ([5, 1, 3], "rows 1, 3 and 5"),
                                            (list(range(1, 30, 2)), "rows 1, 3, 5, 7, 9, 11 and 9 more")])  # fmt: skip
def test_row_numbers_are_joined(rows, said):
    assert words.rows_in_words(rows) == said


def test_every_exclusion_is_told_under_the_figure_that_proves_it(verdicts):
    for verdict in verdicts.values():
        found = words.barriers(verdict)
        assert sorted(c for b in found for c in b.chips) == sorted(e.chip for e in verdict.excluded)
        assert all(b.nearest.margin == min(e.margin for e in verdict.excluded if (e.row, e.quantity) == (b.row, b.quantity)) for b in found)


def test_hostile_names_steer_no_terminal(hostile):
    told = terminal.render(hostile, colour=False)
    assert "gpj.exe" in told
    assert not {c for c in told if unicodedata.category(c)[0] == "C" and c != "\n"}
