"""CSV exports: names of others come out as text, whatever spreadsheet opens them."""

import csv
import io

import pytest

from fingerprint.report.table import safe


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝", "＋", "－", "＠"])
@pytest.mark.parametrize("before", ["", " ", "\u00a0", "\t", "\r", "\n", "\x1b"])
def test_a_name_that_would_be_a_formula_becomes_text(before, sign):
    shown = safe(f"{before}{sign}HYPERLINK(1)")
    assert shown.lstrip().startswith(f"'{sign}")


@pytest.mark.parametrize("separator", [";", "|", "; ", "|\u00a0"])
def test_a_separator_of_another_locale_opens_no_cell_with_a_formula(separator):
    assert safe(f"H100{separator}=1+1") == f"H100{separator}'=1+1"


@pytest.mark.parametrize("name", ["NVIDIA H100 80GB HBM3", "a-b+c=d@e", "x; y", "", "8x H20", "profil élève", "中文"])
def test_ordinary_names_stay_as_they_are(name):
    assert safe(name) == name


def test_quotes_and_line_breaks_stay_inside_their_cell():
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow([safe('a","=1\n=2'), "b"])
    assert list(csv.reader(io.StringIO(stream.getvalue()))) == [['a","=1=2', "b"]]
