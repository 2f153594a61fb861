"""Verdicts and tables in a notebook, pictures as axes, and what the plain path does not load."""

import json
import subprocess
import sys

import pytest

import fingerprint
from fingerprint.errors import InputError

from .conftest import EXAMPLES

matplotlib = pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")


@pytest.fixture(autouse=True)
def _without_a_screen():
    matplotlib.use("Agg")
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def test_a_verdict_shows_itself_as_a_part_of_a_page(verdicts):
    shown = verdicts["h20"]._repr_html_()
    assert "<article" in shown
    assert "<svg" in shown
    assert verdicts["h20"].profile in shown
    assert "<html" not in shown
    assert "<body" not in shown


def test_cells_of_one_notebook_share_no_ids(verdicts):
    ids = [set(v._repr_html_().split(' id="')[1:]) for v in (verdicts["h20"], verdicts["h100"])]
    assert not {i.split('"')[0] for i in ids[0]} & {i.split('"')[0] for i in ids[1]}


def test_a_table_shows_its_first_figures_in_words(hostile):
    table = fingerprint.read(EXAMPLES / "h20-gemm-pytorch.csv")
    shown = table._repr_html_()
    assert "19 figures of 1 profile" in shown
    assert "compute rate 22.8 TFLOP/s" in shown
    assert "7 more." in shown
    assert "<script" not in hostile.figures._repr_html_()


def test_figures_are_kept_for_pictures_and_nothing_else(verdicts):
    kept = verdicts["h20"].figures
    assert len(kept) == verdicts["h20"].rows_used
    assert (kept.identity, kept.ignored, kept.notes) == ({}, (), ())
    assert "figures" not in verdicts["h20"].to_dict()
    [bare] = fingerprint.classify(fingerprint.read(EXAMPLES / "h20-gemm-pytorch.csv"), claimed="H100-SXM", figures=False)
    assert bare.figures is None
    assert bare == verdicts["h20"]


def test_plot_roofline_returns_axes_with_every_point_and_every_ceiling(verdicts):
    axes = verdicts["h20"].plot_roofline(precision="bf16")
    assert isinstance(axes, matplotlib.axes.Axes)
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    drawn = [len(line.get_xdata()) for line in axes.lines if line.get_marker() == "o"]
    assert drawn == [int(verdicts["h20"].figures.word("precision").equals("bf16").sum())]
    assert {"H20-141GB", "H100-SXM"} <= {t.get_text() for t in axes.texts}
    assert "BF16" in axes.get_title()


def test_plot_roofline_draws_where_it_is_told(verdicts):
    import matplotlib.pyplot as plt

    _, mine = plt.subplots()
    assert verdicts["b200"].plot_roofline(mine) is mine
    mine.figure.canvas.draw()


def test_plot_roofline_says_what_it_lacks(verdicts, hostile):
    with pytest.raises(InputError, match="known: fp32, tf32, fp16, bf16"):
        verdicts["h20"].plot_roofline(precision="fp4")
    with pytest.raises(InputError, match="holds no figures"):
        fingerprint.classify(fingerprint.read(EXAMPLES / "h20-attention.csv"), figures=False)[0].plot_roofline()
    hostile.plot_roofline().figure.canvas.draw()


def test_an_answer_in_plain_text_loads_no_part_of_the_pages():
    code = (
        "import sys, json\nfrom click.testing import CliRunner\nfrom fingerprint.cli import classify_profile as c\n"
        f"assert CliRunner().invoke(c, [{str(EXAMPLES / 'h20-gemm-pytorch.csv')!r}]).exit_code == 0\n"
        "print(json.dumps([n for n in ('matplotlib', 'jinja2', 'rich', 'pandas', 'sklearn') if n in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
