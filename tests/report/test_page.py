"""The page: complete, self-contained, harmless and the same bytes every time."""

import dataclasses
import itertools
import json
import re
import sys
import unicodedata
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner

import fingerprint
from fingerprint import cli
from fingerprint.errors import InputError
from fingerprint.report import page, words

from .conftest import CASES, EXAMPLES

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

VOID = {"meta", "link", "br"}


class Reader(HTMLParser):
    """Reads elements, cells of classed tables, and whether tags are balanced."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.tables, self.words = [], [], {}, []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if tag == "table":
            self.rows = self.tables.setdefault(attributes.get("class", ""), [])
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "data":
            self.rows[-1][-1] = float(attributes["value"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data

    def table(self, name):
        return self.tables[name][1:]


@pytest.fixture(scope="module")
def pages(verdicts):
    return {name: v.to_html() for name, v in verdicts.items()}


@pytest.mark.parametrize("case", CASES)
def test_the_figures_are_those_of_the_json(verdicts, pages, case):
    told, read = verdicts[case].to_dict(), Reader(pages[case])
    ranked = sorted(told["probabilities"].items(), key=lambda kv: -verdicts[case].probabilities[kv[0]])
    assert read.table("probabilities") == [
        [words.name_of(c), p, "yes" if c in told["prediction_set"] else "no"] for c, p in ranked
    ]
    if told["excluded"]:
        keys = ("chip", "row", "quantity", "achieved", "ceiling", "margin", "tolerance")
        assert read.table("excluded broad") == [[str(e[k]) if k == "row" else e[k] for k in keys] for e in told["excluded"]]
    else:
        assert "excluded broad" not in read.tables
    if told["evidence"]:
        assert read.table("evidence") == [[str(e["row"]), e["weight"], e["says"]] for e in told["evidence"]]
    text = " ".join("".join(read.words).split())
    assert words.headline(verdicts[case]) in text
    assert f"{told['rows_used']} figure" in text
    assert all(chip in text for chip in told["possible"])
    if told["claim"]:
        assert words.claim_why(verdicts[case]) in text


@pytest.mark.parametrize("case", CASES)
def test_the_page_needs_nothing_but_itself(pages, case):
    read = Reader(pages[case])
    tags = {tag for tag, _ in read.elements}
    assert not tags & {"script", "iframe", "object", "embed", "img", "form", "base"}
    links = [a[k] for _, a in read.elements for k in ("href", "src", "xlink:href", "action") if k in a]
    assert links
    assert all(link.startswith(("#", "data:,")) for link in links)
    assert not re.search(r"@import|url\((?!#)", pages[case])
    assert not any(key.startswith("on") for _, a in read.elements for key in a)


@pytest.mark.parametrize("case", CASES)
def test_a_screen_reader_finds_its_way(pages, case):
    read = Reader(pages[case])
    ids = [a["id"] for _, a in read.elements if "id" in a]
    assert len(ids) == len(set(ids))
    for _, a in read.elements:
        assert set(a.get("aria-labelledby", "").split()) <= set(ids)
        if a.get("href", "").startswith("#"):
            assert a["href"][1:] in ids
    tags = [tag for tag, _ in read.elements]
    assert [tags.count(t) for t in ("main", "header", "footer", "h1")] == [1, 1, 1, 1]
    assert tags.count("table") == tags.count("caption")
    levels = [int(t[1]) for t in tags if re.fullmatch("h[1-6]", t)]
    assert all(deeper <= level + 1 for level, deeper in itertools.pairwise(levels))
    for tag, a in read.elements:
        if tag == "svg":
            assert a["role"] == "img"
            assert len(a["aria-labelledby"].split()) == 2
    assert tags.count("svg") == tags.count("title") - 1 == tags.count("desc")


def test_pictures_are_there_where_there_is_something_to_show(pages):
    shown = {name: Reader(text).words for name, text in pages.items()}
    assert {f"Rooflines, {p}" for p in ("FP32", "TF32", "FP16", "BF16")} < set(shown["h20"])
    for name in ("h20", "h100", "b200", "twins"):
        assert "Probability of each class" in shown[name]
        assert "Share of each ceiling that the figures prove" in shown[name]
    assert pages["insufficient"].count("<svg") == 0
    assert "Not enough evidence" in pages["insufficient"]


def test_colours_are_the_pages_own(pages):
    styles = re.findall(r'style="([^"]*)"', pages["h20"])
    assert any("var(--fp-c0" in s for s in styles)
    for found in styles:
        assert not re.search(r"(?:fill|stroke): #", found)
    defined = set(re.findall(r"(--fp-[a-z0-9]+):", pages["h20"]))
    assert set(re.findall(r"var\((--fp-[a-z0-9]+)", pages["h20"])) <= defined


def test_the_same_verdicts_make_the_same_bytes(verdicts, pages):
    assert verdicts["h20"].to_html() == pages["h20"]
    assert not re.search(r"<dc:|Matplotlib|\d\d:\d\d:\d\d", pages["h20"])


def test_hostile_names_stand_in_the_page_as_harmless_words(hostile):
    text = hostile.to_html()
    read = Reader(text)
    assert "script" not in {tag for tag, _ in read.elements}
    assert "gpj.exe<script>alert(1)</script>&amp;\"'$x^2$" in "".join(read.words)
    assert not {c for c in text if unicodedata.category(c)[0] == "C" and c != "\n"}


def test_several_profiles_have_contents_and_only_the_first_have_pictures(verdicts, monkeypatch):
    monkeypatch.setattr(page, "PICTURED", 1)
    monkeypatch.setattr(page, "REPORTED", 4)
    text = page.render(list(verdicts.values()))
    read = Reader(text)
    assert "The first 1 have pictures." in text
    assert "The first 4 have a report of their own; the table has all." in text
    known = [(v.profile, v.answer, words.set_in_words(v), str(len(v.excluded))) for v in verdicts.values()]
    assert [(row[1], row[4], row[5]) for row in read.table("contents broad")] == [row[1:] for row in known]
    assert all(profile in "".join(read.words) for profile, *_ in known)
    assert [a["href"] for tag, a in read.elements if tag == "a"] == ["#answers", "#p1", "#p2", "#p3", "#p4"]
    assert [a["id"] for tag, a in read.elements if tag == "article"] == ["p1", "p2", "p3", "p4"]
    svgs = [a["aria-labelledby"] for tag, a in read.elements if tag == "svg"]
    assert svgs
    assert all(s.startswith("p1-") for s in svgs)


def test_sections_for_chips_twins_and_the_next_measurement(verdicts):
    more = type("More", (), {**vars(verdicts["h20"]), "chips": {"H20-96GB": 0.6}, "twins": [["A100-SXM4-80GB", "A800-SXM4-80GB"]],
                             "next_measurement": [{"workload": "gemm", "precision": "fp8", "tool": "kernel",
                                                   "would_separate": ["h20", "hopper"], "bits": 0.8}]})()  # fmt: skip
    text = "".join(Reader(page.render([more])).words)
    for said in ("H20-96GB 60%", "A100-SXM4-80GB and A800-SXM4-80GB", "What to measure next",
                 "gemm, fp8 (kernel) would separate H20 from Hopper, 0.8 bits expected."):  # fmt: skip
        assert said in text


def test_a_verdict_without_figures_has_a_page_without_their_pictures(verdicts):
    bare = dataclasses.replace(verdicts["h20"], figures=None)
    assert bare == verdicts["h20"]
    text = bare.to_html()
    assert "Rooflines" not in text
    assert "Probability of each class" in text


def test_without_matplotlib_the_page_has_its_tables(verdicts, monkeypatch):
    monkeypatch.setattr("fingerprint.report.svg.available", lambda: False)
    text = verdicts["h20"].to_html()
    assert "<svg" not in text
    assert len(Reader(text).table("excluded broad")) == len(verdicts["h20"].excluded)


def test_without_jinja2_one_sentence_says_what_to_install(verdicts, monkeypatch):
    page.environment.cache_clear()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(InputError, match=r"pip install 'compute-fingerprint\[report\]'"):
        verdicts["h20"].to_html()
    assert verdicts["h20"]._repr_html_() is None
    assert fingerprint.read(EXAMPLES / "h20-gemm-pytorch.csv")._repr_html_() is None


def run(*arguments, **options):
    return CliRunner().invoke(cli.classify_profile, list(map(str, arguments)), **options)


FILES = [EXAMPLES / "h20-gemm-pytorch.csv", EXAMPLES / "h20-attention.csv"]


def test_html_is_written_besides_the_answers(tmp_path):
    out = tmp_path / "out.html"
    result = run("--json", "--html", out, *FILES)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == run("--json", *FILES).stdout
    text = out.read_text(encoding="utf-8")
    assert [json.loads(line)["profile"] in text for line in result.stdout.splitlines()] == [True, True]
    assert [f.name for f in tmp_path.iterdir()] == ["out.html"]
    beside = run("--json", "--html", tmp_path / "again.html", "--jobs", 2, *FILES)
    assert beside.exit_code == 0
    assert (tmp_path / "again.html").read_bytes() == out.read_bytes()


def test_html_to_standard_output_stands_there_alone(tmp_path):
    result = run("--html", "-", FILES[0])
    assert result.exit_code == 0
    assert result.stdout.startswith("<!DOCTYPE html>")
    assert result.stdout.endswith("</html>\n")
    assert run("--html", "-", "--json", FILES[0]).exit_code == 2


def test_a_page_that_cannot_be_written_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr("fingerprint.verdict.classify", lambda *_, **__: pytest.fail("worked before it looked"))
    missing = run("--html", tmp_path / "no" / "out.html", FILES[0])
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert "its folder does not exist" in missing.stderr
    mine = tmp_path / "mine.csv"
    mine.write_bytes(FILES[0].read_bytes())
    same = run("--html", mine, mine)
    assert (same.exit_code, same.stdout) == (2, "")
    assert "one of the files to classify" in same.stderr
    assert mine.read_bytes() == FILES[0].read_bytes()
    assert run("--html", tmp_path, FILES[0]).exit_code == 2


def test_no_page_is_written_of_nothing(tmp_path):
    result = run("--html", tmp_path / "out.html", tmp_path / "nowhere.csv")
    assert result.exit_code == 2
    assert not (tmp_path / "out.html").exists()
