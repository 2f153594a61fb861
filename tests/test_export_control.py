"""Export-control lines: TPP and density as published, what measured rates prove, and the dated data behind both.

``python tests/test_export_control.py`` writes the table of docs/EXPORT_CONTROL.md anew.
"""

import csv
import math
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from fingerprint import chips, cli
from fingerprint import export_control as export
from fingerprint.errors import InputError
from fingerprint.measurements import from_columns
from fingerprint.report import terminal
from fingerprint.resources import path

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "EXPORT_CONTROL.md"
STATES = {"not controlled", "licence", "controlled", "case by case", "notification", "use restricted", "differs", "unknown"}


def data(name: str) -> list[dict[str, str]]:
    with path(f"datasets/{name}.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def limb(answer: list[dict[str, object]], name: str) -> dict[str, object]:
    return next(line for line in answer if line["limb"] == name)


# Total processing performance and density ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chip", "expected", "density"),
    [
        ("H20-96GB", 2368, 2.91),
        ("H100-SXM", 15831, 19.4),
        ("H200-SXM", 15831, 19.4),
        ("H100-PCIe", 12104, 14.87),
        ("H100-NVL", 13368, 16.42),
        ("A100-SXM4-80GB", 4992, 6.04),
        ("RTX4090", 5285, 8.69),
        ("RTX4090D", 4707, 7.74),
        ("L4", 1940, 6.6),
        ("A30", 2640, 3.196),
        ("A40", 2395, 3.81),
        ("MI250X", 6128, 4.23),
        ("MI325X", 20919, math.nan),
        ("B200-HGX", 36000, math.nan),
        ("GB300", 60000, math.nan),
    ],
)
def test_tpp_and_density_are_the_published_ones(chip, expected, density):
    """Dense rate times bits at the best precision, over the area of the die where it is known."""
    assert export.tpp(chip) == pytest.approx(expected, abs=1)
    assert export.performance_density(chip) == pytest.approx(density, rel=5e-3, nan_ok=True)


@pytest.fixture(scope="module")
def reference(raw_dir):
    name = raw_dir.parent / "reference" / "chips.csv"
    if not name.exists():
        pytest.skip("needs the folder shared/reference beside the checkout")
    with name.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_every_chip_agrees_with_the_reference(reference):
    """TPP to the unit and density to the second digit, and neither where the reference has none."""
    assert len(reference) > 50
    for row in reference:
        assert export.tpp(row["chip_id"]) == pytest.approx(float(row["tpp"]), abs=0.6), row["chip_id"]
        density = float(row["performance_density"] or "nan")
        assert export.performance_density(row["chip_id"]) == pytest.approx(density, abs=0.0051, nan_ok=True), row["chip_id"]


def test_every_chip_is_screened_as_in_the_reference(reference):
    """Paragraph, notification, the April 2025 figures and the January 2026 lane."""
    for row in reference:
        found, said = export.screen(row["chip_id"]), row["est_ccl_paragraph"]
        if "density unknown" in said:
            assert found.paragraph == "unknown", row["chip_id"]
        else:
            assert found.paragraph == (said.split()[0] if said.startswith("3A090") else "none"), row["chip_id"]
        assert found.notification == ("NAC" in said), row["chip_id"]
        assert found.letters == (row["est_apr2025_bandwidth_screen"] == "yes"), row["chip_id"]
        assert found.lane == {"yes": True, "no": False, "n/a": None}[row["est_jan2026_case_by_case_lane"]], row["chip_id"]


def test_what_runs_tf32_runs_sixteen_bits_as_fast():
    """So a TF32 rate counted at 16 bits is a lower bound of TPP, however many bits the rule means."""
    for chip in chips.table().values():
        if "tf32" in chip.peaks:
            assert chip.peaks["tf32"] <= max(chip.peaks["fp16"], chip.peaks["bf16"]), chip.id


def test_the_clock_decides_on_which_side_of_a_line_an_h20_lies():
    """At its top clock an H20 would pass the 2,400 that its published rate stays below."""
    assert export.tpp("H20-96GB") < 2400 < export.tpp("H20-96GB", top_clock=True)
    assert export.close_lines("H20-96GB") == (("ccl_b1", "tpp", pytest.approx(2368 / 2400)),)


def test_a_line_is_near_only_if_the_part_could_pass_it():
    """A10 lacks half a percent of density; a gaming card cares for its exemption's limit alone; MI325X for the lane."""
    assert [near[:2] for near in export.close_lines("A10")] == [("ccl_b2", "density")]
    assert [near[:2] for near in export.close_lines("RTX4090D")] == [("ccl_a1", "tpp")]
    assert export.close_lines("RTX4000Ada") == ()
    assert [near[:2] for near in export.close_lines("MI325X")] == [("lane_2026", "tpp")]


def test_a_chip_without_published_tensor_rates_has_no_answer():
    """A missing rate is no low rate."""
    assert math.isnan(export.tpp("RTX6000D"))
    assert export.screen("RTX6000D").paragraph == export.screen("CMP170HX").paragraph == "unknown"
    assert export.screen("MI308X").paragraph == "unknown"  # its density would decide


def test_an_unknown_chip_is_the_users_mistake():
    with pytest.raises(InputError, match="H300"):
        export.tpp("H300")
    with pytest.raises(InputError, match="no chip"):
        export.status("a toaster")


# What a measurement proves ---------------------------------------------------------------------------------------------


def test_the_best_product_of_rate_and_bits_is_demonstrated():
    assert export.demonstrated_tpp({"fp32": 40e12, "bf16": 142e12, "fp8": 277e12}) == (2272.0, "bf16")
    assert export.demonstrated_tpp({"fp8": 1.4e15, "bf16": 650e12}) == (11200.0, "fp8")
    assert export.demonstrated_tpp({}) == (0.0, None)


@pytest.mark.parametrize("best", [{"fp7": 1e12}, {"bf16": -1.0}, {"bf16": math.inf}, {"bf16": math.nan}])
def test_a_rate_that_is_none_is_refused(best):
    with pytest.raises(InputError):
        export.demonstrated_tpp(best)


def test_an_h100_proves_the_first_paragraph_but_not_the_lane():
    answer = export.lines(11200, 3.0e12, 360e9)
    assert limb(answer, "ccl_a1")["proved"]
    assert limb(answer, "ccl_a1")["tpp"] == 4800
    assert limb(answer, "ccl_a1")["margin"] == pytest.approx(11200 / 4800)
    assert limb(answer, "letter_2025_memory")["proved"]
    assert not limb(answer, "lane_2026")["proved"]


def test_a_b200_proves_that_it_lies_outside_the_lane():
    """By either figure alone: both would have to lie below."""
    assert limb(export.lines(25000), "lane_2026")["proved"]
    by_memory = limb(export.lines(1000, 7.0e12), "lane_2026")
    assert (by_memory["proves"], by_memory["proved"], by_memory["needs"]) == ("outside", True, [])


def test_the_best_h20_figures_prove_the_bandwidth_letter_and_no_paragraph():
    answer = export.lines(2276, 3.6e12, 380e9, chip="H20-96GB")
    assert [line["limb"] for line in answer if line["proved"]] == ["letter_2025_memory", "letter_2025_sum"]
    assert limb(answer, "ccl_b2")["margin"] == pytest.approx(2276 / 814 / 3.2)


def test_a_density_is_proved_for_a_named_data_centre_part_only():
    """An L40 passes the second paragraph by density; without its name, or for a gaming card, nothing is proved."""
    named, nameless, gaming = (limb(export.lines(2500, chip=chip), "ccl_b1") for chip in ("L40", None, "RTX4090"))
    assert (named["proved"], named["needs"]) == (True, [])
    assert not nameless["proved"]
    assert nameless["needs"] == ["performance density", "marketing for data centres"]
    assert (gaming["proved"], gaming["needs"]) == (False, ["marketing for data centres"])


def test_links_and_memory_add_up_in_the_third_letter():
    assert not limb(export.lines(0, 1.35e12), "letter_2025_sum")["proved"]
    assert limb(export.lines(0, 1.35e12, 360e9), "letter_2025_sum")["proved"]
    assert limb(export.lines(0), "letter_2025_sum")["margin"] is None


def test_a_tolerance_asks_for_more_than_the_line():
    assert limb(export.lines(4900), "ccl_a1")["proved"]
    assert not limb(export.lines(4900, tolerance=0.05), "ccl_a1")["proved"]


def test_no_list_paragraph_of_2023_counts_before_it():
    assert {line["rule"] for line in export.lines(9000, on=date(2023, 1, 1))} == {"3A090 of 2022"}
    assert export.lines(9000, on=date(2022, 1, 1)) == []


rates = st.floats(0, 1e5)
bandwidths = st.none() | st.floats(0, 2e13)


@given(rates, bandwidths, bandwidths, st.floats(0.01, 1), st.sampled_from([None, *chips.table()]))
def test_slowing_down_proves_nothing_more(compute, memory, link, factor, chip):
    """Whatever slower figures prove, faster ones prove too."""
    slower = [None if value is None else value * factor for value in (memory, link)]
    fast = {line["limb"]: line["proved"] for line in export.lines(compute, memory, link, chip=chip)}
    slow = {line["limb"]: line["proved"] for line in export.lines(compute * factor, *slower, chip=chip)}
    assert [name for name, proved in slow.items() if proved and not fast[name]] == []


@given(st.sampled_from(list(chips.table())), st.floats(0, 1))
def test_what_a_chip_can_do_proves_no_line_that_its_data_sheet_stays_below(chip, share):
    """Figures at or below the data sheet agree with the screen."""
    peaks = export.figures(chip)
    if math.isnan(peaks["tpp"]) or math.isnan(peaks["io_bandwidth"]):
        return
    answer = export.lines(peaks["tpp"] * share, peaks["memory_bandwidth"] * share, peaks["io_bandwidth"] * share, chip=chip)
    proved = {line["rule"] for line in answer if line["proved"]}
    found = export.screen(chip)
    if found.paragraph == "none":
        assert not proved & {"3A090.a", "3A090.b"}
    if found.paragraph == "3A090.b":
        assert "3A090.a" not in proved
    assert found.letters or "April 2025 letters" not in proved
    assert not found.lane or "January 2026 lane" not in proved


# The data --------------------------------------------------------------------------------------------------------------


def test_every_rule_has_a_source_a_mark_and_dates_in_order():
    found = export.rules()
    assert len({rule.rule for rule in found}) == len(found) >= 12
    for rule in found:
        assert rule.sources, rule.rule
        assert all(source.startswith(("http://", "https://")) for source in rule.sources)
        assert rule.confidence in ("R", "K")
        assert rule.kind in ("control", "exemption", "letter", "lane", "tariff")
        assert rule.conditions
        assert rule.note
        assert rule.issued <= rule.effective < (rule.ended or date.max)
        assert rule.effective <= rule.checked <= export.as_of()


def test_the_rules_of_a_day_are_those_in_force():
    assert {rule.rule for rule in export.rules(date(2023, 6, 1))} == {"ccl_2022"}
    assert "lane_2026" not in {rule.rule for rule in export.rules(date(2026, 1, 14))}
    assert "lane_2026" in {rule.rule for rule in export.rules(date(2026, 1, 15))}


@pytest.mark.parametrize(("chip", "rule"), [("H200-SXM", "tariff_2026_1"), ("MI325X", "tariff_2026_2"), ("B200-HGX", None)])
def test_the_duty_is_drawn_around_two_parts(chip, rule):
    known = export.figures(chip)
    assert [r.rule for r in export.rules() if r.kind == "tariff" and r.meets(known, datacenter=True)] == [rule] * bool(rule)


def test_every_statement_is_about_a_known_chip_with_source_and_mark():
    known = set(chips.table()) | set(chips.families())
    acts = {rule.paragraph for rule in export.rules()} | {"letter of August 2022", "General Prohibition 10", "3A090.a and .b"}
    for row in data("export_status"):
        assert row["subject"] in known
        assert row["status"] in STATES - {"differs", "unknown"}
        assert row["rule"] in acts
        assert row["confidence"] in ("R", "K")
        assert row["sources"]
        assert date.fromisoformat(row["date"]) <= export.as_of()


def test_statements_agree_with_the_figures():
    """A part said to be controlled meets a paragraph, one said to be free meets none, where the figures decide."""
    for name in chips.table():
        found, said = export.screen(name), export.status(name)
        if found.paragraph == "unknown":
            continue
        if said.status in ("controlled", "case by case", "notification"):
            assert found.paragraph != "none", name
            assert (said.status == "notification") == found.notification, name
        if said.status in ("not controlled", "licence"):
            assert found.paragraph == "none", name
        if said.status == "case by case":
            assert found.lane, name


@pytest.mark.parametrize(
    ("label", "on", "state", "since"),
    [
        ("H20", None, "licence", date(2025, 4, 9)),
        ("H20-96GB", date(2024, 6, 1), "not controlled", date(2023, 11, 17)),
        ("H200-SXM", None, "case by case", date(2026, 1, 15)),
        ("H200-SXM", date(2025, 6, 1), "controlled", date(2024, 11, 18)),
        ("NVIDIA H100 80GB HBM3", None, "controlled", date(2023, 10, 23)),
        ("A100", date(2022, 9, 1), "licence", date(2022, 8, 26)),
        ("A100", date(2021, 1, 1), "not controlled", None),
        ("A800", date(2023, 1, 1), "not controlled", date(2022, 11, 7)),
        ("H800-SXM", None, "controlled", date(2023, 10, 23)),
        ("B200-HGX", None, "controlled", date(2024, 11, 15)),
        ("RTX4090D", None, "not controlled", date(2023, 12, 28)),
        ("RTX-PRO-6000", None, "differs", None),
        ("T4", None, "not controlled", None),
        ("L4", None, "controlled", date(2023, 11, 17)),
    ],
)
def test_a_chip_has_its_status_of_the_day(label, on, state, since):
    found = export.status(label, on)
    assert (found.status, found.since) == (state, since)


def test_a_computed_status_says_so():
    """Only a chip that a source speaks of has a stated status."""
    assert not export.status("H20-96GB").computed
    computed = export.status("L4")
    assert computed.computed
    assert computed.confidence == "K"
    assert computed.to_dict()["since"] == "2023-11-17"


def test_chips_stand_by_status_the_commonest_first():
    """Every chip once, in the order given."""
    found = export.standing(chips.table())
    assert sorted(chip for names in found.values() for chip in names) == sorted(chips.table())
    assert all(export.status(names[0]).status == state for state, names in found.items())
    assert [len(names) for names in found.values()] == sorted((len(names) for names in found.values()), reverse=True)
    assert export.standing([]) == {}
    with pytest.raises(InputError, match="H300"):
        export.standing(["H300"])


def test_the_verdict_names_the_status_of_what_is_likely_and_possible():
    """By the chips that are left of the likeliest class, and by all that are left."""
    import fingerprint

    row = {"tool": ["kernel"], "workload": ["gemm"], "precision": ["bf16"], "m": [8192], "n": [8192], "k": [8192],
           "quantity": ["compute_rate"], "unit": ["TFLOP/s"], "value": [700]}  # fmt: skip
    (verdict,) = fingerprint.classify(from_columns(row))
    told = verdict.to_dict()["export_control"]["status"]
    assert told["possible"] == export.standing(verdict.possible)
    likely = [chip for names in told["likely"].values() for chip in names]
    assert likely
    assert set(likely) <= set(verdict.possible)
    assert {chips.architecture(chip) for chip in likely} == {verdict.architecture}
    assert "Export status on" in terminal.render(verdict, colour=False)


def test_chips_are_listed_with_their_export_figures():
    """Status, TPP, density, parent and twins beside the peaks, as text and as CSV."""
    text, table = (CliRunner().invoke(cli.fingerprint, ["chips", *style]).stdout for style in ((), ("--csv",)))
    (h20,) = [line for line in text.splitlines() if line.startswith("H20-96GB ")]
    assert {"2368", "2.91", "H100-SXM", "148", "296", "licence"} <= set(h20.split())
    (b200,) = [line for line in text.splitlines() if line.startswith("B200-HGX ")]
    assert {"36000", "B200-DGX", "controlled"} <= set(b200.split())
    rows = {row["chip"]: row for row in csv.DictReader(table.splitlines())}
    for name, row in rows.items():
        said = export.status(name)
        assert (row["export_status"], row["export_since"], row["export_confidence"]) == (
            said.status, said.since.isoformat() if said.since else "", said.confidence)  # fmt: skip
    assert float(rows["H20-96GB"]["tpp"]) == pytest.approx(2368)
    assert rows["H20-96GB"]["cut_down_from"] == "H100-SXM"
    assert rows["B200-HGX"]["performance_density"] == ""
    assert rows["H100-SXM"]["twins"].split() == ["H800-SXM", "H100-SXM-96GB"]


def test_the_module_starts_without_pandas_and_numpy():
    code = "import sys, fingerprint.export_control as e; e.status('H20'); print([n for n in ('numpy', 'pandas') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# The document ----------------------------------------------------------------------------------------------------------


def cell(value: float, digits: int = 0) -> str:
    return "" if math.isnan(value) else f"{value:,.{digits}f}"


def yes(value: bool | None, unknown: str = "?") -> str:
    return unknown if value is None else "yes" if value else "no"


def document_table() -> str:
    """Return the table of chips that docs/EXPORT_CONTROL.md holds."""
    found = [
        "| chip | TPP | density | memory GB/s | link GB/s | paragraph by figures | April 2025 figures | January 2026 lane | near a line | status | mark |",
        "|---|--:|--:|--:|--:|---|---|---|---|---|---|",
    ]
    for chip in chips.table().values():
        seen, said = export.screen(chip), export.status(chip.id)
        near = ", ".join(f"{name} {quantity} {ratio:.3f}" for name, quantity, ratio in export.close_lines(chip))
        paragraph = seen.paragraph + (" (exempt)" if seen.exempt else " (notification)" if seen.notification else "")
        found.append(
            f"| {chip.id} | {cell(export.tpp(chip))} | {cell(export.performance_density(chip), 2)} | {cell(chip.memory_bandwidth / 1e9)}"
            f" | {cell(chip.link_bandwidth / 1e9)} | {paragraph} | {yes(seen.letters)} | {yes(seen.lane, '')} | {near} | {said}"
            f" | {said.confidence}{' computed' if said.computed else ''} |"
        )
    return "\n".join(found)


def test_the_document_holds_the_table_and_the_date():
    text = DOCUMENT.read_text(encoding="utf-8")
    hint = "write it anew with: python tests/test_export_control.py"
    assert text.split("<!-- table -->\n")[1].split("\n<!-- /table -->")[0] == document_table(), hint
    assert export.as_of().isoformat() in text


def test_the_document_lists_every_rule_with_its_mark():
    text = DOCUMENT.read_text(encoding="utf-8")
    for rule in export.rules():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{rule.rule}` |"))
        assert row.rstrip(" |").endswith(rule.confidence), rule.rule


if __name__ == "__main__":
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition("<!-- table -->\n")
    after = rest.partition("\n<!-- /table -->")[2]
    DOCUMENT.write_text(f"{before}<!-- table -->\n{document_table()}\n<!-- /table -->{after}", encoding="utf-8")
