"""The measured parts of the documents: complete, true to what was measured, plain about what was not."""

import csv
import json
import re

import pytest

from fingerprint.lab import evasion, pages
from fingerprint.lab.evaluation import SLICES
from fingerprint.lab.masking import MASKINGS
from fingerprint.lab.protocols import FAMILIES
from fingerprint.resources import path

MAIN = SLICES["tool"]


def figure(protocol, metric, value, *, slice_=MAIN, class_=None, model="shipped", n=100):
    return {"protocol": protocol, "slice": slice_, "metric": metric, "class": class_, "model": model, "value": value,
            "low": value - 0.01, "high": value + 0.01, "n": n}  # fmt: skip


def everything():
    """Figures as a whole evaluation writes them."""
    out = [figure(p, m, 0.8) for p in pages.HELD_OUT for m in ("macro_f1_four", "macro_f1_six", "coverage")]
    out += [figure("by-source", m, 0.5, class_=c) for c in pages.SHOWN for m in ("recall", "precision", "coverage")]
    out.append(figure("by-source", "macro_f1_six", 0.321, slice_=SLICES["figure"], n=4321))
    out.append(figure("physics", "false_exclusions", 0.0, slice_="all profiles", n=3000))
    out.append(figure("physics", "false_exclusions", 2.0, slice_="tolerance of other sources", n=3000))
    out.append(figure("physics", "claim_false_alarm", 0.012, slice_="true claims", n=9000))
    out.append(figure("physics", "claim_detected", 0.75, slice_="an H20 sold as H100", n=200))
    for i, name in enumerate(("masked-none", *MASKINGS)):
        out += [figure(name, "macro_f1_four", 0.9 - 0.01 * i), figure(name, "coverage", 0.91), figure(name, "recall", 0.7, class_="h20", n=30)]
        out.append(figure(name, "macro_f1_four_lost", 0.01 * i))
    out += [figure(name, "changed_outputs", 0.0) for name in ("masked-scrubbed", "masked-lies")]
    out += [figure("open-set", "auroc_unknown", 0.6 + 0.05 * i, slice_=f"{family}, {MAIN}") for i, family in enumerate(FAMILIES)]
    out.append(figure("audit", "swap_detected", 0.966, slice_="swapped labels, where the evidence allows", n=500))
    out.append(figure("audit", "false_flags", 0.004, slice_="true labels, beside swapped ones", n=800))
    out.append(figure("audit", "labels_called_out", 2.0, slice_="round v4.1", n=78))
    return out


def test_every_masking_is_explained():
    assert set(evasion.MEANING) == set(MASKINGS)


def test_slowing_down_hides_and_never_forges():
    """On the examples: fewer chips are excluded the slower it gets, and no example excludes its own chip."""
    known = evasion.examples(path("datasets/examples"))
    assert len(known) >= 16
    plain = evasion.proof(None, known)
    assert plain.wrong == 0
    assert plain.h20 >= 8
    slow = [evasion.proof(f"masked-slow-{f}", known) for f in (0.9, 0.7, 0.5, 0.3)]
    assert [p.excluded for p in slow] == sorted((p.excluded for p in slow), reverse=True)
    assert [p.h20 for p in slow] == sorted((p.h20 for p in slow), reverse=True)
    for name in ("masked-scrubbed", "masked-lies"):
        assert evasion.proof(name, known) == plain
    hiding = [n for n, (_, keeps) in evasion.MEANING.items() if "Nothing false" in keeps]
    assert {n: evasion.proof(n, known).wrong for n in hiding} == dict.fromkeys(hiding, 0)


def test_the_evasion_table_shows_every_masking_that_was_measured():
    told = evasion.told(everything())
    rows = [line.split(" | ")[0].strip("| ") for line in told.splitlines() if line.startswith("| ")][1:]
    assert rows == ["none", *(name.removeprefix("masked-") for name in MASKINGS)]
    assert "Scrubbed: 0 of 100 profiles with any output changed." in told
    assert "Not measured" not in told


def test_what_was_not_measured_is_said_to_be_missing():
    some = [f for f in everything() if not f["protocol"].startswith("masked-slow")]
    assert "Not measured yet: slow-0.3, slow-0.5, slow-0.7, slow-0.9, slow-memory-0.5, slow-compute-0.5." in evasion.told(some)
    assert "fingerprint evaluate" in evasion.told([])
    few = [f for f in everything() if f["protocol"] in ("by-source", "physics")]
    missing = pages.readme(few).splitlines()[-1]
    assert missing.startswith("- Not measured yet for the model that ships: MLPerf Inference, by submitter; ")
    assert missing.endswith("masked; a family never seen; the audit.")
    assert "not measured yet" in pages.swapped(few, "audit")
    assert "not measured yet" in pages.called_out(few, None)


def test_the_readmes_figures_come_with_their_counts():
    told = pages.readme(everything())
    assert told.count("0.800 (0.79-0.81)") == 3 * len(pages.HELD_OUT)
    for words in ("0.321 (0.31-0.33) over six classes on 4,321", "0 of 3,000 labelled profiles", "2 would", "1.2% of 9,000 true ones", "75% of 200 profiles",
                  "AUROC of 0.60 to 0.80", "of 500 swaps of labels, where the figures allow, 96.6%", "0.4% of 800 true ones"):  # fmt: skip
        assert words in told, words
    assert "Not measured" not in told


def test_called_out_labels_come_with_an_innocent_explanation(tmp_path):
    file = tmp_path / "audit.csv"
    names = ["board", "submitter", "profile", "label", "answer", "probability", "label_probability", "ground", "p_value", "q_value"]
    rows = [["v4.1", "A", "mlperf-inference/v4.1/A/S1/open", "H200-SXM", "hopper", 0.9, 0.9, "physics", 0.0, 0.0],
            ["v4.1", "B", "mlperf-inference/v4.1/B/S2_MaxQ/closed", "H100-SXM", "ampere", 0.87, 0.004, "posterior", 0.0003, 0.02],
            ["v3.1", "C", "mlperf-inference/v3.1/C/S3/closed", "L4", "turing", 0.5, 0.01, "posterior", 0.0012, 0.04]]  # fmt: skip
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([names, *rows])
    told = pages.called_out(everything(), pages.audited(file)).splitlines()
    assert told[2] == "| v4.1 | 78 | 2 |"
    assert [line.split(" | ")[1:3] for line in told if line.startswith("| v") and "/" in line] == [["A/S1/open", "H200-SXM"], ["B/S2_MaxQ/closed", "H100-SXM"], ["C/S3/closed", "L4"]]  # fmt: skip
    assert "open division" in told[6]
    assert "count of accelerators" in told[6]
    assert "power limit" in told[7]
    assert "ampere (0.87), the label's class 0.004 | 0.0003" in told[7]
    assert "; chance" in told[8]
    assert pages.audited(tmp_path / "nowhere.csv") is None
    assert pages.called_out([], []).endswith("No label is called out.")


def test_long_lists_are_cut_and_counted():
    row = dict.fromkeys(("board", "submitter", "label", "answer"), "x") | {"profile": "a/b/c/d", "probability": "0.5", "label_probability": "0.1",
                                                                            "ground": "posterior", "p_value": "0.001"}  # fmt: skip
    told = pages.called_out([], [row] * (pages.MOST_LISTED + 3))
    assert told.count("| c/d |") == pages.MOST_LISTED
    assert told.endswith("And 3 more, less surprising ones: `models/audit.csv`.")


def test_a_document_without_its_markers_is_refused():
    assert pages.fill("a\n<!-- x -->\nold\n<!-- /x -->\nb", "x", "new\n") == "a\n<!-- x -->\nnew\n<!-- /x -->\nb"
    with pytest.raises(ValueError, match="lacks the markers of 'x'"):
        pages.fill("a <!-- x -->", "x", "new")


def test_writing_brings_the_documents_up_to_date(tmp_path, monkeypatch):
    """Only the parts between markers change, and a second time nothing does."""
    monkeypatch.setattr(pages, "usual", lambda: "usual")
    monkeypatch.setattr(pages, "across", lambda: "across")
    monkeypatch.setattr(evasion, "proved", lambda _: "proved")
    (tmp_path / "models").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / "models" / "figures.json").write_text(json.dumps(everything()))
    for name, parts in (("README.md", ("usual", "figures")), ("docs/EVASION.md", ("proved", "masked")), ("docs/AUDIT.md", ("across", "called-out", "swapped", "swapped-sources", "swapped-each"))):
        (tmp_path / name).write_text("".join(f"words of {p}\n<!-- {p} -->\n<!-- /{p} -->\n" for p in parts))
    assert {f.name for f in pages.write(tmp_path)} == {"README.md", "EVASION.md", "AUDIT.md"}
    assert pages.write(tmp_path) == []
    text = (tmp_path / "docs" / "EVASION.md").read_text()
    assert text.startswith("words of proved\n<!-- proved -->\nproved\n<!-- /proved -->\nwords of masked\n<!-- masked -->\n| masking")
    assert re.search(r"\| inflated \|", text)
