"""A whole board against its labels: what is tested and how surely, what is called out besides, and in which words."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from fingerprint import cli
from fingerprint.audit import ERROR, LEVEL, adjusted, audit, p_values, understood
from fingerprint.copies import copies, digits
from fingerprint.errors import InputError
from fingerprint.leaderboard import read_board
from fingerprint.measurements import from_columns
from fingerprint.readers import read_text
from fingerprint.report import audit as report
from fingerprint.scorer import CLASSES, Calibration, Scores
from fingerprint.slips import slips

#: What a large 16-bit GEMM runs at on a chip of each class, TFLOP/s.
USUAL = {"A100-SXM4-80GB": 200.0, "H100-SXM": 650.0, "H20-96GB": 125.0, "B200": 1500.0}
CLASS = {"A100-SXM4-80GB": "ampere", "H100-SXM": "hopper", "H20-96GB": "h20", "B200": "blackwell"}


def calibration():
    """True profiles have 0.5 to 1 of their class, evenly."""
    strange = np.append(np.linspace(0.0, 0.5, 100), 1.0)
    return Calibration(np.zeros((3, 3)), np.zeros((2, len(CLASSES))), np.zeros(1), np.full(len(CLASSES), 1 / len(CLASSES)), *np.tile(strange, (2, len(CLASSES), 1)))


def of_first(probability):
    """Posteriors that give the first class so much, and the second the rest."""
    return np.pad(np.stack([probability, 1.0 - np.asarray(probability)], axis=1), ((0, 0), (0, len(CLASSES) - 2)))


class Oracle:
    """A model that knows the usual rates and nothing else."""

    classes, version, data = CLASSES, "test", "sha256:test"
    claim_limits = dict.fromkeys([*CLASS.values(), "ada"], 0.1)

    def __init__(self):
        self.calibration = calibration()

    def look(self, _table):
        return None

    def scores(self, table, _seen=None, **_known):
        n, number = len(table.profiles), table.profile_numbers()
        rate = np.bincount(number, np.log10(table.number("value"))) / np.bincount(number)
        z = np.full((n, len(CLASSES)), -20.0)
        for chip, usual in USUAL.items():
            z[:, CLASSES.index(CLASS[chip])] = -400.0 * (rate - np.log10(usual * 1e12)) ** 2
        ones = np.ones(n)
        return Scores(direct=z, weighing=np.zeros_like(z), matching=np.zeros_like(z), figures=ones, known=ones, fixed=0.0 * ones, possible=np.ones(z.shape, dtype=bool), chips=np.zeros((n, 1)))


def gemms(labels, rates, **more):
    """One large GEMM a profile, TFLOP/s."""
    n = len(labels)
    columns = {"profile": [f"p{i}" for i in range(n)], "tool": ["kernel"] * n, "phase": ["kernel"] * n, "workload": ["gemm"] * n,
               "precision": ["bf16"] * n, "m": [8192.0] * n, "n": [8192.0] * n, "k": [8192.0] * n, "quantity": ["compute_rate"] * n,
               "unit": ["TFLOP/s"] * n, "value": rates, **more}  # fmt: skip
    return from_columns(columns, identity={f"p{i}": (label,) for i, label in enumerate(labels) if label})


def board(swapped=()):
    """Forty rightly labelled profiles, some labelled anew."""
    chip = [list(USUAL)[i % 4] for i in range(40)]
    rates = [USUAL[c] * (1.0 + 0.0011 * (i // 4)) for i, c in enumerate(chip)]
    labels = [dict(swapped).get(i, c) for i, c in enumerate(chip)]
    return gemms(labels, rates)


def test_rightly_labelled_profiles_are_left_alone():
    found = audit(board(), model=Oracle())
    assert found.tested == 40
    assert not found.flagged
    assert {x.result for x in found.lines} == {"consistent"}
    assert not found.copies
    assert not found.slips


def test_a_figure_beyond_the_labelled_chip_is_physics_and_a_strange_posterior_is_statistics():
    """650 TFLOP/s are beyond an H20; 200 TFLOP/s are no more than unusual on an H100."""
    found = audit(board({1: "H20", 4: "NVIDIA H100 80GB HBM3"}.items()), model=Oracle())
    assert [x.profile for x in found.flagged] == ["p1", "p4"]
    physics, statistics = found.flagged
    assert (physics.claimed, physics.architecture, physics.ground, physics.p_value) == ("H20", "hopper", "physics", 0.0)
    assert (statistics.claimed, statistics.architecture, statistics.ground) == ("H100-SXM", "ampere", "posterior")
    assert 0.0 < statistics.p_value < 0.01
    assert statistics.q_value <= 0.05
    assert "times the ceiling of H20" in physics.why


def test_an_architecture_may_mean_a_chip_that_is_not_in_the_table():
    """So no exclusion of those that are refutes it; the posterior may."""
    found = audit(gemms(["pascal", "ampere"], [650.0, 650.0]), model=Oracle())
    assert [x.ground for x in found.lines] == ["physics", "posterior"]
    assert found.lines[0].p_value == 1.0
    assert found.lines[1].p_value < 0.01


def test_the_label_plays_no_part_in_the_verdict():
    right, wrong = audit(board(), model=Oracle()), audit(board({1: "H20"}.items()), model=Oracle())
    assert [(x.architecture, x.probability) for x in right.lines] == [(x.architecture, x.probability) for x in wrong.lines]
    assert [x.architecture for x in right.lines] == [CLASS[list(USUAL)[i % 4]] for i in range(40)]


def test_innocent_explanations_are_those_that_would_make_the_figure_fit():
    """280 TFLOP/s on an H20 fit as FP8, and as the sum over two."""
    found = audit(gemms(["H20", *["H100-SXM"] * 5], [280.0, *[650.0] * 5]), model=Oracle())
    line = found.flagged[0]
    assert any("FP8 row 1 is within reach of H20" in said for said in line.innocent)
    assert any("sum over 2 accelerators" in said for said in line.innocent)
    counted = gemms(["H20"], [560.0], accelerators=[2.0])
    assert any("4 accelerators rather than 2" in said for said in audit(counted, model=Oracle()).flagged[0].innocent)


@pytest.mark.parametrize(("profile", "changes"), [("open/A/S", True), ("v4.1/A/S/open", True), ("closed/A/open-rack", False)])
def test_an_open_division_explains_other_work(profile, changes):
    table = from_columns({"profile": [profile], "tool": ["kernel"], "phase": ["kernel"], "workload": ["gemm"], "precision": ["bf16"], "m": [8192.0],
                          "n": [8192.0], "k": [8192.0], "quantity": ["compute_rate"], "unit": ["TFLOP/s"], "value": [650.0]},
                         identity={profile: ("H20",)})  # fmt: skip
    (line,) = audit(table, model=Oracle()).flagged
    assert any("open division" in said for said in line.innocent) == changes


def test_samples_that_are_tokens_are_recognised():
    """1,430 tokens a second are within reach of the card, as many answers of 294 tokens are not."""
    table = from_columns({"profile": ["s"], "tool": ["mlperf-inference"], "workload": ["llama-2-7b"], "phase": ["offline"], "precision": ["fp8"],
                          "accelerators": [1.0], "input_tokens": [294.0], "output_tokens": [294.0], "quantity": ["throughput"],
                          "unit": ["samples/s"], "value": [1430.0]}, identity={"s": ("RTX 4090",)})  # fmt: skip
    (line,) = audit(table, model=Oracle()).flagged
    assert any("as tokens a second" in said for said in line.innocent)


def test_what_can_not_be_tested_says_why_and_counts_for_nothing():
    table = gemms(["H100-SXM", "", "Voodoo 3", "H100-SXM"], [650.0] * 4, workload=["gemm", "gemm", "gemm", "mystery"], phase=["kernel"] * 3 + [""],
                  tool=["kernel"] * 3 + ["serving"], quantity=["compute_rate"] * 3 + ["throughput"], unit=["TFLOP/s"] * 3 + ["token/s"])  # fmt: skip
    found = audit(table, model=Oracle())
    assert found.tested == 1
    assert [x.ground for x in found.lines] == ["posterior", "", "", ""]
    assert "no label" in found.lines[1].why
    assert "Voodoo 3" in found.lines[2].why
    assert "hardly say anything" in found.lines[3].why
    assert found.lines[3].result == ""
    assert found.lines[2].to_dict()["p_value"] is None


def test_a_class_without_a_limit_is_tested_by_physics_alone():
    model = Oracle()
    model.claim_limits = {}
    found = audit(board({1: "H20", 4: "H100-SXM"}.items()), model=model)
    assert [x.profile for x in found.flagged] == ["p1"]
    assert {x.ground for x in found.lines} == {"physics"}


@pytest.mark.parametrize(("label", "claimed", "why"), [
    (("NVIDIA H100 80GB HBM3", "Dell XE9680 with H100-SXM-80GBx8"), "H100-SXM", ""), (("", " "), "", "no label"), (("H1OO",), "", "typing error"),
    (("H100-SXM", "A100"), "", "several labels"), (("hopper",), "hopper", ""), (("H200-SXM", "H100-SXM"), "H200-SXM", "")])  # fmt: skip
def test_labels_as_boards_write_them(label, claimed, why):
    name, said = understood(label)
    assert name == claimed
    assert why in said


def test_a_board_without_a_label_and_an_odd_level_are_refused():
    with pytest.raises(InputError, match="--claimed-column"):
        audit(gemms(["", "what"], [1.0, 2.0]), model=Oracle())
    with pytest.raises(InputError, match="between 0 and 1"):
        audit(board(), level=1.5, model=Oracle())


@given(p=st.lists(st.floats(0.0, 1.0) | st.floats(0.0, 0.02) | st.just(np.nan), min_size=1, max_size=40), level=st.sampled_from([0.005, 0.01, 0.1, LEVEL]))
def test_adjusted_values_are_those_of_benjamini_and_hochberg_times_the_share_of_true_labels(p, level):
    """The step-up rule written out: the largest k with p(k) <= level k / (share m), none above the level or the error."""
    p = np.array(p)
    tested = np.sort(p[~np.isnan(p)])
    q = adjusted(p, level)
    assert np.isnan(q[np.isnan(p)]).all()
    share = min(1.0, ((tested > level).sum() + 1) / (1 - level) / max(len(tested), 1))
    fits = [k for k, value in enumerate(tested, 1) if value <= min(level, ERROR) and share * value * len(tested) / k <= level]
    assert (q <= level).sum() == (np.searchsorted(tested, tested[max(fits) - 1], side="right") if fits else 0)
    if share == 1.0 and (tested <= min(level, ERROR)).all() and len(tested):
        np.testing.assert_allclose(np.sort(q[~np.isnan(q)]), np.sort(false_discovery_control(tested)), atol=1e-12)


def test_the_share_of_false_findings_keeps_to_the_level_where_some_labels_are_wrong():
    """A hundred labels of which thirty are wrong, over and over: at most one finding in ten is false, hardly a clear one is missed, and at a strict level more are found than without."""
    rng = np.random.default_rng(0)
    wrong = np.arange(100) < 30
    false, clear, found, plainly = [], [], [], []
    for _ in range(400):
        p = np.where(wrong, 10.0 ** rng.uniform(-4.0, -1.0, 100), rng.random(100))
        called = adjusted(p, 0.1) <= 0.1
        false.append((called & ~wrong).sum() / max(called.sum(), 1))
        clear.append(called[wrong & (p <= ERROR)].mean())
        found.append((adjusted(p, 0.02) <= 0.02)[wrong].mean())
        plainly.append((false_discovery_control(p) <= 0.02)[wrong].mean())
    assert np.mean(false) <= 0.1
    assert np.mean(clear) > 0.95
    assert np.mean(found) > np.mean(plainly)


@pytest.mark.parametrize("rows", [2, 20, 200])
def test_a_board_whose_figures_all_err_alike_is_called_out_no_oftener_than_one_label(rows):
    """One tester, one stack: all p-values are the same. A label that fits is never called out for its neighbours' sake either."""
    values = np.linspace(0.0005, 0.9995, 1000)
    assert np.mean([(adjusted(np.full(rows, v), LEVEL) <= LEVEL).any() for v in values]) <= ERROR + 1e-9
    assert adjusted(np.append(np.full(rows, 0.001), 0.6), 0.1)[-1] > 0.1


@given(probability=st.lists(st.floats(0.0, 1.0), min_size=2, max_size=30))
def test_p_values_lie_within_bounds_and_rise_with_the_probability(probability):
    probability = np.sort(probability)
    p = p_values(calibration(), of_first(probability), np.zeros(len(probability), dtype=np.int64))
    assert ((p >= 0.0) & (p <= 1.0)).all()
    assert (np.diff(p) >= -1e-12).all()


def test_what_looks_like_nothing_known_may_be_any_chips_odd_run():
    """The probability of unknown is shared out by the prior among what is not excluded; a label of unknown keeps its own."""
    ada, hopper, h20, unknown = (CLASSES.index(c) for c in ("ada", "hopper", "h20", "unknown"))
    prior = np.zeros(len(CLASSES))
    prior[[ada, hopper, h20, unknown]] = 0.1, 0.3, 0.4, 0.2
    p = np.zeros((4, len(CLASSES)))
    p[:, [ada, hopper, unknown]] = 0.01, 0.19, 0.8
    p[3, h20], p[3, hopper] = 0.19, 0.0
    found = replace(calibration(), prior=prior).label_probability(p, np.array([ada, h20, unknown, hopper]))
    np.testing.assert_allclose(found, [0.01 + 0.8 * 0.1 / 0.4, 0.0, 0.8, 0.0])


def test_a_run_unlike_anything_known_refutes_no_label():
    """What leaves a label nothing refutes it where another class takes all, and not where unknown does."""
    p = np.full((2, len(CLASSES)), 1e-6)
    p[0, 1], p[1, CLASSES.index("unknown")] = 1.0, 1.0
    flat = calibration()
    flat.label_quantiles[:] = np.append(np.linspace(0.0, 1.0, 101)[:-1], 1.0)
    surprising, strange = p_values(flat, p, np.zeros(2, dtype=np.int64))
    assert surprising < 0.001
    assert strange > 0.05


def test_a_tail_of_few_values_is_not_believed_to_be_steep():
    """One profile that fills ten quantiles is one profile: beyond it a probability ten times smaller is a p-value ten times smaller."""
    few = calibration()
    few.label_quantiles[:] = np.concatenate([np.linspace(0.0, 0.5, 90), np.full(10, 0.9), [1.0]])
    near, far = p_values(few, of_first([0.0999, 0.01]), np.zeros(2, dtype=np.int64))
    assert far == pytest.approx(near / 9.99, rel=1e-6)


def test_the_commands_level_is_the_librarys():
    from fingerprint.cli import audit as command

    assert {p.name: p.default for p in command.params}["level"] == LEVEL


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_p_values_of_true_labels_are_never_too_small(power):
    """Where true probabilities follow t**a, no more than a share of them has a p-value below it, in the tail too."""
    rng = np.random.default_rng(0)
    known, fresh = (rng.random(200_000) ** (1.0 / power) for _ in range(2))
    fitted = calibration()
    fitted.label_quantiles[:] = np.append(np.quantile(1.0 - known, np.linspace(0, 1, 101))[:-1], 1.0)
    p = p_values(fitted, of_first(fresh), np.zeros(len(fresh), dtype=np.int64))
    for level in (0.2, 0.05, 0.01, 0.003, 0.001):
        assert (p <= level).mean() <= 1.1 * level
    assert (p <= 0.001).any()


def test_a_class_that_was_never_calibrated_is_never_surprising():
    fitted = calibration()
    fitted.label_quantiles[:] = 1.0
    assert p_values(fitted, of_first([0.0, 0.5]), np.array([0, 1])).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("value", "n"), [(0.0, 0), (1230.0, 3), (0.0025, 2), (1e12, 1), (123456.7, 7), (0.1 * 3, 1)])
def test_significant_digits(value, n):
    assert digits(value) == n


def test_equal_figures_count_where_labels_differ_and_chance_is_no_explanation():
    table = gemms(["A100", "H100-SXM", "H100-SXM", "A100", "H100-SXM"], [212.345, 212.345, 212.345, 300.0, 300.0])
    label = {p: table.identity[p][0] for p in table.profiles}
    (found,) = copies(table, label)
    assert (found.profiles, found.rows, found.figures) == (("p0", "p1", "p2"), (1, 2, 3), 1)
    assert not copies(table, dict.fromkeys(label, "A100"))
    assert not copies(table, {"p0": "A100"})


def test_equal_values_of_different_work_are_no_copies():
    table = gemms(["A100", "H100-SXM"], [212.345, 212.345], m=[8192.0, 4096.0])
    assert not copies(table, {"p0": "A100", "p1": "H100-SXM"})


def test_a_load_that_was_chosen_is_no_copy():
    """Who takes over the configuration of a server test gets its rate."""
    n = 2
    served = gemms(["A100", "H100-SXM"], [12345.67] * n, tool=["mlperf-inference"] * n, phase=["serve"] * n, workload=["resnet50"] * n,
                   quantity=["throughput"] * n, unit=["requests/s"] * n)  # fmt: skip
    label = {"p0": "A100", "p1": "H100-SXM"}
    assert not copies(served, label)
    offline = gemms(["A100", "H100-SXM"], [12345.67] * n, tool=["mlperf-inference"] * n, phase=["offline"] * n, workload=["resnet50"] * n,
                    quantity=["throughput"] * n, unit=["samples/s"] * n)  # fmt: skip
    assert copies(offline, label)


@pytest.mark.parametrize(("factor", "word"), [(1000.0, "prefix"), (1 / 1000.0, "prefix"), (8.0, "bits for bytes"), (60.0, "minutes")])
def test_a_figure_a_round_factor_off_is_called_out_with_what_is_behind(factor, word):
    rates = [600.0 + 5.0 * i for i in range(8)]
    rates[3] *= factor
    table = gemms(["H100-SXM"] * 8, rates)
    (found,) = slips(table, dict.fromkeys(table.profiles, "H100-SXM"))
    assert (found.profile, found.rows, found.peers) == ("p3", (4,), 7)
    assert found.factor == pytest.approx(factor)
    assert word in found.says()


def test_slower_chips_are_no_slips_and_scattered_figures_prove_none():
    """An L4 is eight times slower than an H100 by nature; where like figures differ by much, a factor of 8 is nothing."""
    table = gemms([*["H100-SXM"] * 9, "L4"], [*[600.0 + i for i in range(9)], 75.0])
    assert not slips(table, {p: table.identity[p][0] for p in table.profiles})
    wide = gemms(["H100-SXM"] * 8, [50.0, 100.0, 200.0, 400.0, 600.0, 30.0, 60.0, 1000.0])
    assert not slips(wide, dict.fromkeys(wide.profiles, "H100-SXM"))
    few = gemms(["H100-SXM"] * 4, [600.0, 601.0, 602.0, 600_000.0])
    assert not slips(few, dict.fromkeys(few.profiles, "H100-SXM"))


def test_a_thousandfold_is_seen_across_labels_too():
    rates = [150.0, 200.0, 160.0, 210.0, 180.0, 190.0, 220.0, 170.0, 185.0, 185_000.0]
    table = gemms(["A100", "A40"] * 5, rates)
    assert [s.profile for s in slips(table, {p: f"{i}" for i, p in enumerate(table.profiles)})] == ["p9"]


def test_times_are_not_off_by_eight():
    ms = [2.0 + 0.01 * i for i in range(8)]
    ms[2] *= 8
    table = gemms(["H100-SXM"] * 8, ms, quantity=["latency"] * 8, unit=["ms"] * 8)
    assert not slips(table, dict.fromkeys(table.profiles, "H100-SXM"))


CSV = "system,accelerator,tool,phase,workload,precision,m,n,k,quantity,unit,value\n" + "".join(
    f"s{i},{label},kernel,kernel,gemm,bf16,8192,8192,8192,compute_rate,TFLOP/s,{rate + 0.37 * i}\n"
    for i, (label, rate) in enumerate([("H100-SXM", 640), ("H100-SXM", 650), ("H20", 660), ("A100-SXM4-80GB", 200), ("H20", 125), ("B200", 1500)])
)


def test_a_table_without_profiles_is_one_a_row_and_its_column_alone_is_the_label():
    table = read_text(CSV, "board.csv", claimed_column="accelerator")
    assert table.profiles == tuple(f"row {n}" for n in range(1, 7))
    assert table.identity["row 3"] == ("H20",)
    by_name = read_text(CSV, "board.csv", claimed_column="accelerator", profile_by="system")
    assert by_name.identity["s2"] == ("H20",)
    other = read_text(CSV.replace("system,accelerator", "gpu,label"), "board.csv", claimed_column="label")
    assert other.identity["row 1"] == ("H100-SXM",)
    with pytest.raises(InputError, match="no column 'chip' with claims"):
        read_text(CSV, "board.csv", claimed_column="chip")


def test_the_label_never_reaches_the_figures():
    """The same board under other labels gives the same table."""
    one, two = (read_text(CSV.replace("H20", name), "b.csv", claimed_column="accelerator") for name in ("H20", "B200"))
    assert one.number("value").tolist() == two.number("value").tolist()
    assert {n: list(c) for n, c in one.words.items()} == {n: list(c) for n, c in two.words.items()}


@pytest.fixture
def oracle(monkeypatch):
    monkeypatch.setattr("fingerprint.audit.shipped", Oracle)


def run(*arguments):
    return CliRunner().invoke(cli.fingerprint, ["audit", *map(str, arguments)])


def test_the_command_names_what_does_not_fit_and_says_so_in_its_status(tmp_path, oracle):
    file = tmp_path / "board.csv"
    file.write_text(CSV, encoding="utf-8")
    text = run(file, "--claimed-column", "accelerator", "--quiet")
    assert text.exit_code == 1
    assert text.stderr == ""
    assert "row 3: labelled H20; the figures say hopper" in text.stdout
    assert "1 do not fit their label" in text.stdout
    lines = list(csv.DictReader(io.StringIO(run(file, "--claimed-column", "accelerator", "--csv", "--quiet").stdout)))
    assert [x["fits"] for x in lines] == ["yes", "yes", "no", "yes", "yes", "yes"]
    plain = json.loads(run(file, "--claimed-column", "accelerator", "--json", "--quiet").stdout)
    assert (plain["profiles"], plain["tested"], plain["flagged"]) == (6, 6, 1)
    assert plain["lines"][2]["label"] == ["H20"]


def test_a_board_that_fits_ends_in_status_0_and_a_missing_column_in_2(tmp_path, oracle):
    file = tmp_path / "board.csv"
    file.write_text(CSV.replace(",H20,", ",,"), encoding="utf-8")
    assert run(file, "--claimed-column", "accelerator").exit_code == 0
    missing = run(file, "--claimed-column", "nothing")
    assert missing.exit_code == 2
    assert "no column 'nothing'" in missing.stderr
    assert missing.stdout == ""


def test_words_accuse_nobody(oracle):
    text = report.render(audit(board({1: "H20", 4: "H100-SXM"}.items())))
    assert "accuses nobody" in text
    for word in ("fraud", "cheat", "fake", "forge", "lie ", "liar", "false label", "dishonest", "suspicious", "suspect"):
        assert word not in text.lower()


def test_names_of_others_can_not_steer_a_terminal_nor_a_spreadsheet():
    table = gemms(["=H20\x1b[31m", "H20"], [650.0, 650.0])
    found = audit(table, model=Oracle())
    assert "\x1b" not in report.render(found)
    stream = io.StringIO()
    report.write_csv(found, stream)
    assert "\x1b" not in stream.getvalue()
    assert "'=H20" in stream.getvalue()


def test_a_folder_is_read_file_by_file_and_what_is_no_result_is_left_out(tmp_path, oracle):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.csv").write_text(CSV, encoding="utf-8")
    (tmp_path / "sub" / "a.csv").write_text(CSV, encoding="utf-8")
    (tmp_path / "notes.txt").write_text("hello\n", encoding="utf-8")
    (tmp_path / ".hidden.csv").write_text(CSV, encoding="utf-8")
    table = read_board(tmp_path, claimed_column="accelerator")
    assert len(table.profiles) == 12
    assert table.identity["sub/a.csv: row 3"] == ("H20",)
    assert [n for n in table.notes if "left out" in n and "notes.txt" in n]
    found = audit(table)
    assert {x.profile for x in found.flagged} == {"a.csv: row 3", "sub/a.csv: row 3"}


def test_an_empty_folder_and_a_folder_of_nothing_are_refused(tmp_path):
    with pytest.raises(InputError, match="empty folder"):
        read_board(tmp_path)
    (tmp_path / "notes.txt").write_text("hello\n", encoding="utf-8")
    with pytest.raises(InputError, match="no format"):
        read_board(tmp_path)


def test_a_round_of_mlperf_carries_its_labels(raw_dir):
    """Systems of the published list are labelled by the list itself, and no two of different chips share a figure."""
    table = read_board(raw_dir / "mlperf" / "inference_v5.1_summary_results.json.gz")
    label = {p: understood(table.identity.get(p, ()))[0] for p in table.profiles}
    assert sum(map(bool, label.values())) >= 0.9 * len(label)
    assert not copies(table, label)
    assert not slips(table, label)
