"""The page in headless Chromium, on a telephone's and a desk's width: no error, nothing cut off, every picture drawn, the JSON's figures.

Skips where there is no Chromium.
"""

import html
import json
import re
import shutil
import subprocess
import tempfile

import pytest

from fingerprint.report import page, words

from .conftest import CASES

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")
Image = pytest.importorskip("PIL.Image")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = pytest.mark.slow

WIDTHS = (360, 1280)

# The pages themselves run no script (their policy forbids it): they stand in frames, and the page around them measures.
PROBE = """
const out = {};
for (const frame of document.querySelectorAll("iframe")) {
  const doc = frame.contentDocument, root = doc.documentElement, rect = e => e.getBoundingClientRect();
  const inside = e => e.closest(".wide, details:not([open]), .skip");
  out[frame.id] = {
    overflow: root.scrollWidth - root.clientWidth,
    width: root.clientWidth,
    text: doc.body.innerText,
    figures: Object.fromEntries([...doc.querySelectorAll("table[class]")].map(t => [t.classList[0],
      [...t.tBodies[0].rows].map(r => [...r.cells].map(c => c.querySelector("data") ? Number(c.querySelector("data").value) : c.textContent))])),
    possible: [...doc.querySelectorAll(".possible .chip, .possible ~ details .chip")].map(c => c.textContent),
    beyond: [...doc.body.querySelectorAll("*")].filter(e => !inside(e) && rect(e).right > root.clientWidth + 1).map(e => e.tagName),
    pictures: [...doc.querySelectorAll("svg")].map(s => ({
      name: s.querySelector("title").textContent, width: rect(s).width, height: rect(s).height,
      shapes: s.querySelectorAll("path, rect, use").length,
      letters: Math.min(...[...s.querySelectorAll("text")].map(t => rect(t).height)),
      cut: [...s.querySelectorAll("text")].filter(t => {
        const a = rect(t), b = rect(s);
        return a.left < b.left - 1 || a.right > b.right + 1 || a.top < b.top - 1 || a.bottom > b.bottom + 1;
      }).map(t => t.textContent),
    })),
    scripts: doc.scripts.length,
    ink: frame.contentWindow.getComputedStyle(doc.body).color,
  };
}
document.body.textContent = "";
const told = document.createElement("pre");
told.id = "told";
told.textContent = JSON.stringify(out);
document.body.append(told);
"""


def chromium(folder, *arguments):
    """Run it once, with a new profile and without its own errands on the network."""
    quiet = ("quic", "background-networking", "component-update", "sync")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", *(f"--disable-{part}" for part in quiet),
               "--hide-scrollbars", "--enable-logging=stderr", "--v=0", f"--user-data-dir={tempfile.mkdtemp(dir=folder)}", *arguments]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)


@pytest.fixture(scope="module")
def measured(verdicts, hostile, tmp_path_factory):
    """What Chromium makes of every case at every width, and what it complains of."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    folder = tmp_path_factory.mktemp("chromium")
    texts = {**{name: v.to_html() for name, v in verdicts.items()}, "hostile": hostile.to_html(),
             "many": page.render([*verdicts.values(), hostile])}  # fmt: skip
    frames = "".join(
        f'<iframe id="{name}-{width}" style="width:{width}px;height:900px;border:0" srcdoc="{html.escape(text)}"></iframe>'
        for name, text in texts.items()
        for width in WIDTHS
    )
    (folder / "around.html").write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><body>{frames}<script>onload = () => {{ {PROBE} }}</script></body>', encoding="utf-8"
    )
    done = chromium(folder, "--virtual-time-budget=20000", "--dump-dom", f"file://{folder / 'around.html'}")
    found = re.search(r'<pre id="told">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    return json.loads(html.unescape(found[1])), re.findall(r".*CONSOLE.*", done.stderr)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("case", [*CASES, "hostile", "many"])
def test_nothing_is_cut_off_and_every_picture_is_drawn(measured, case, width):
    seen = measured[0][f"{case}-{width}"]
    assert seen["width"] == width
    assert (seen["overflow"], seen["beyond"]) == (0, [])
    assert seen["scripts"] == 0
    for picture in seen["pictures"]:
        assert picture["width"] > 0.5 * min(width, 500), picture
        assert picture["height"] > 20, picture
        assert picture["shapes"] > 3, picture
        assert picture["cut"] == [], picture
        assert picture["letters"] > 6, picture


@pytest.mark.parametrize("case", CASES)
def test_the_answer_stands_on_the_screen(measured, verdicts, case):
    for width in WIDTHS:
        text = " ".join(measured[0][f"{case}-{width}"]["text"].split())
        assert words.headline(verdicts[case]) in text
        assert f"Possible if slowed down: {len(verdicts[case].possible)} of" in text
        for c, p in verdicts[case].probabilities.items():
            if p >= 0.01:
                assert f"{words.name_of(c)} {p:.1%}" in text


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("case", CASES)
def test_the_figures_that_stand_in_the_browser_are_those_of_the_json(measured, verdicts, case, width):
    told, seen = verdicts[case].to_dict(), measured[0][f"{case}-{width}"]
    assert {name: p for name, p, _ in seen["figures"]["probabilities"]} == {words.name_of(c): p for c, p in told["probabilities"].items()}
    inside = {name for name, _, inside in seen["figures"]["probabilities"] if inside == "yes"}
    assert inside == set(map(words.name_of, told["prediction_set"]))
    keys = ("chip", "row", "quantity", "achieved", "ceiling", "margin", "tolerance")
    excluded = [[str(e[k]) if k == "row" else e[k] for k in keys] for e in told["excluded"]]
    assert seen["figures"].get("excluded", []) == excluded
    assert seen["figures"].get("evidence", []) == [[str(e["row"]), e["weight"], e["says"]] for e in told["evidence"]]
    assert sorted(seen["possible"]) == sorted(told["possible"])
    if told["claim"]:
        assert f"{told['claim']['chip']}: {told['claim']['result']}." in " ".join(seen["text"].split())


@pytest.mark.parametrize("case", CASES)
def test_a_page_opened_by_itself_has_no_complaint(measured, verdicts, tmp_path, case):
    """As a reader opens it: from a file, outside any frame."""
    (tmp_path / "page.html").write_text(verdicts[case].to_html(), encoding="utf-8")
    done = chromium(tmp_path, "--virtual-time-budget=5000", "--dump-dom", f"file://{tmp_path / 'page.html'}")
    assert html.escape(words.headline(verdicts[case]), quote=False) in done.stdout
    assert re.findall(r".*CONSOLE.*", done.stderr) == []


def test_pictures_are_the_same_at_both_widths(measured):
    for case in CASES:
        small, large = ([p["name"] for p in measured[0][f"{case}-{w}"]["pictures"]] for w in WIDTHS)
        assert small == large
        assert bool(small) == (case != "insufficient")


def test_the_console_stays_empty(measured):
    assert measured[1] == []


@pytest.mark.parametrize("dark", [False, True])
def test_a_screenshot_shows_ink_and_colour_on_light_and_dark_paper(measured, verdicts, tmp_path, dark):
    (tmp_path / "page.html").write_text(verdicts["h20"].to_html(), encoding="utf-8")
    scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    chromium(tmp_path, *scheme, "--window-size=1280,3000", f"--screenshot={tmp_path / 'shot.png'}", f"file://{tmp_path / 'page.html'}")
    with Image.open(tmp_path / "shot.png") as shot:
        assert shot.size == (1280, 3000)
        grey, saturation = shot.convert("L"), shot.convert("HSV").getchannel("S")
        levels, colour = grey.histogram(), saturation.histogram()
    total = 1280 * 3000
    paper = sum(levels[:60] if dark else levels[240:])
    ink = sum(levels[170:] if dark else levels[:120])
    assert paper > 0.6 * total
    assert 0.01 * total < ink < 0.3 * total
    assert sum(colour[110:]) > 0.003 * total


#: How notebooks style what a cell shows: cells to the right, striped, terms floating beside their definitions.
NOTEBOOK = """<style>
.jp-RenderedHTMLCommon table { table-layout: fixed; font-size: 12px; }
.jp-RenderedHTMLCommon td, .jp-RenderedHTMLCommon th, .jp-RenderedHTMLCommon tr { text-align: right; vertical-align: middle; line-height: 1; }
.jp-RenderedHTMLCommon tbody tr:nth-child(odd) { background: rgb(245, 245, 245); }
.jp-RenderedHTMLCommon dl dt { float: left; width: 20%; font-weight: bold; }
.jp-RenderedHTMLCommon dl dd { float: left; width: 80%; }
</style><div class="jp-RenderedHTMLCommon">"""
STYLES = """<script>onload = () => {
  const style = (e, k) => getComputedStyle(document.querySelector(e))[k];
  const told = document.createElement("pre");
  told.id = "told";
  told.textContent = JSON.stringify([style("tbody th", "textAlign"), style("td.n", "textAlign"), style("tbody tr", "backgroundColor"),
    style("table", "tableLayout"), style(".facts dt", "float"), style(".facts dd", "float")]);
  document.body.append(told);
}</script>"""


def test_a_notebooks_own_styles_leave_a_verdict_as_it_is(verdicts, tmp_path):
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    cell = tmp_path / "cell.html"
    cell.write_text(f'<!DOCTYPE html><meta charset="utf-8">{NOTEBOOK}{verdicts["h20"]._repr_html_()}</div>{STYLES}', encoding="utf-8")
    done = chromium(tmp_path, "--virtual-time-budget=5000", "--dump-dom", f"file://{cell}")
    found = re.search(r'<pre id="told">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    assert json.loads(found[1]) == ["left", "right", "rgba(0, 0, 0, 0)", "auto", "none", "none"]
