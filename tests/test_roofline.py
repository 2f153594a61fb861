"""What figures prove: hand-made cases with known answers, and properties that no figure may break."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint import chips, roofline
from fingerprint.bounds import KINDS, bounds
from fingerprint.measurements import concatenate, from_columns
from fingerprint.roofline import caveats, demonstrated, exclusions, possible

SIZE = 8192.0


def figures(*rows):
    """Rows as dictionaries; what a row lacks is missing."""
    names = sorted({name for row in rows for name in row})
    words = {
        "profile",
        "tool",
        "workload",
        "phase",
        "precision",
        "kv_precision",
        "weight_precision",
        "quantity",
        "unit",
        "scope",
        "statistic",
    }
    return from_columns({n: [row.get(n, "" if n in words else np.nan) for row in rows] for n in names} | (
        {} if "profile" in names else {"profile": ["p"] * len(rows)}))  # fmt: skip


def gemm(rate, precision="bf16", m=SIZE, n=SIZE, k=SIZE):
    """A matrix product that took as long as the rate (FLOP/s) says."""
    return {"tool": "kernel", "phase": "kernel", "workload": "gemm", "precision": precision, "m": m, "n": n, "k": k,
            "quantity": "latency", "unit": "s", "value": 2.0 * m * n * k / rate}  # fmt: skip


def bandwidth(rate, size=4e9, workload="copy"):
    return {
        "tool": "stream",
        "workload": workload,
        "quantity": "bandwidth",
        "unit": "B/s",
        "value": rate,
        "working_set_bytes": size,
    }


def served(rate, **more):
    return {"tool": "serving", "phase": "serve", "workload": "llama-2-70b", "quantity": "output_throughput", "unit": "token/s",
            "value": rate} | more  # fmt: skip


def busy(rate, ranks=8.0, workload="all-reduce"):
    return {"tool": "collective", "phase": "kernel", "workload": workload, "quantity": "bus_bandwidth", "unit": "B/s",
            "value": rate, "accelerators": ranks, "message_bytes": 1e9}  # fmt: skip


def out(*rows):
    """Return the excluded chips."""
    return {e.chip for e in exclusions(figures(*rows))}


H20 = {"H20-96GB", "H20-141GB"}


def test_the_best_bf16_gemm_of_an_h20_excludes_small_chips_only():
    gone = out(gemm(142e12))
    assert {"T4", "L4", "V100-SXM2-32GB", "P100-SXM2-16GB"} <= gone
    assert not gone & (H20 | {"H100-SXM", "A100-SXM4-80GB", "MI308X"})


def test_a_bf16_gemm_beyond_an_h20_excludes_it():
    gone = out(gemm(400e12))
    assert H20 <= gone
    assert not gone & {"H100-SXM", "H800-SXM", "H100-PCIe", "B200-HGX", "MI300X"}


def test_an_fp8_gemm_of_an_h800_excludes_h20_and_a100():
    gone = out(gemm(1300e12, "fp8"))
    assert H20 | {"A100-SXM4-80GB", "L40S"} <= gone
    assert not gone & {"H800-SXM", "H800-PCIe", "H100-SXM"}


def test_a_large_copy_excludes_chips_with_slower_memory():
    gone = out(bandwidth(3.4e12))
    assert {"A100-SXM4-80GB", "H100-PCIe"} <= gone
    # The sheet says 3.35 TB/s: 1.5 % more lies within the tolerance.
    assert not gone & (H20 | {"H100-SXM", "H200-SXM"})


def test_the_exclusion_names_row_ceiling_and_margin():
    found = next(e for e in exclusions(figures(gemm(1e12), bandwidth(3.4e12))) if e.chip == "A100-SXM4-80GB")
    assert (found.row, found.quantity, found.kind, found.achieved) == (2, "bandwidth", "memory test", 3.4e12)
    assert found.ceiling == pytest.approx(2.039e12, rel=0.03)
    assert found.margin == pytest.approx(found.achieved / found.ceiling)


def weights(rate, side):
    """A product with one token that reads a square 16-bit matrix at so many bytes a second."""
    return gemm(2.0 * side**2 / (side**2 * 2.0 / rate), m=1.0, n=side, k=side)


@pytest.mark.parametrize("row", [bandwidth(7e12, 1e6), weights(6e12, 512.0)])
def test_a_working_set_within_every_cache_excludes_nobody(row):
    assert not out(row)


@pytest.mark.parametrize("row", [bandwidth(6e12, 33e6), weights(6e12, 4096.0)])
def test_a_working_set_excludes_only_chips_whose_cache_is_much_smaller(row):
    """33 MB at 6 TB/s: the 6 MB of a V100 don't hold them, the 40 MB of an A100 do."""
    gone = out(row)
    assert {"V100-SXM2-32GB", "A10"} <= gone
    assert all(4.0 * chips.table()[c].l2_bytes < 34e6 for c in gone)


def test_streaming_large_weights_excludes_slower_memory():
    """34 GB of weights in 34e9 / 4.2e12 s."""
    gone = out(weights(4.2e12, 131072.0))
    assert {"H100-SXM", "H20-96GB"} <= gone
    assert not gone & {"H200-SXM", "H20-141GB", "B200-HGX", "MI300X"}


def test_a_sum_over_an_unstated_number_of_accelerators_proves_nothing():
    assert not out(served(1e6, precision="fp8"))
    assert "unstated number of accelerators" in caveats(figures(served(1e6)))["p"][0]
    assert out(served(1e6, precision="fp8", accelerators=8.0))
    assert out(served(1e6, precision="fp8", scope="accelerator"))


@pytest.mark.parametrize("row", [{"quantity": "tpot", "unit": "s", "value": 0.01}, {"quantity": "e2e_latency", "unit": "s", "tool": "engine"},
                                 {"quantity": "energy_per_token", "unit": "J/token"}])  # fmt: skip
def test_a_time_of_an_unstated_number_of_accelerators_is_said_to_prove_nothing(row):
    """Not a sum, but the work behind it was shared just the same."""
    rows = [served(10.0, output_tokens=100.0), served(2.0, output_tokens=100.0) | row]
    assert caveats(figures(*rows))["p"] == ("2 figures over an unstated number of accelerators: nothing follows for one of them",)
    assert caveats(figures(*(r | {"accelerators": 8.0, "precision": "fp8"} for r in rows)))["p"] == ()


def test_a_missing_precision_means_the_fastest():
    assert "A100-SXM4-80GB" in out(gemm(500e12, "bf16"))
    assert "A100-SXM4-80GB" not in out(gemm(500e12, ""))
    assert "fastest" in caveats(figures(gemm(500e12, "")))["p"][0]


def test_fp32_may_be_tf32():
    assert "A100-SXM4-80GB" not in out(gemm(120e12, "fp32"))
    assert H20 <= out(gemm(120e12, "fp32"))


def test_a_chip_without_fp8_computes_it_in_a_wider_unit():
    assert "V100-SXM2-32GB" not in out(gemm(100e12, "fp8"))
    assert "V100-SXM2-32GB" in out(gemm(150e12, "fp8"))


def test_a_chip_without_published_rates_is_never_excluded_by_them():
    found = exclusions(figures(gemm(1e17, "bf16")))
    assert not {e.chip for e in found if e.kind == "gemm"} & {"RTX6000D", "CMP170HX"}


def test_prompts_answered_by_a_cache_exclude_nobody():
    assert not out(served(1e9, quantity="input_throughput", accelerators=1.0))
    assert not out(served(1e7, quantity="total_throughput", accelerators=1.0))


def test_fast_tokens_prove_arithmetic_but_no_bandwidth():
    """Speculation reads the weights once for several tokens."""
    table = figures(served(0.001, quantity="tpot", unit="s", accelerators=1.0))
    assert "generation" in set(bounds(table).kind)
    assert "bandwidth" not in set(bounds(table).quantity())


def test_generated_tokens_count_their_forward_pass():
    """5000 tokens a second of Llama 2 70B are 690 TFLOP/s."""
    gone = out(served(5000.0, accelerators=1.0, precision="fp8"))
    assert H20 <= gone
    assert "H100-SXM" not in gone


def test_an_adding_switch_may_double_an_all_reduce():
    gone = out(busy(470e9))
    assert {"H800-SXM", "A100-SXM4-80GB", "L40S"} <= gone
    assert not gone & (H20 | {"H100-SXM", "B200-HGX"})
    assert "H800-SXM" not in out(busy(230e9))
    assert "H800-SXM" in out(busy(230e9, workload="all-gather"))


def test_collectives_across_nodes_exclude_nobody():
    assert not out(busy(470e9, ranks=64.0))


def test_power_above_the_board_limit_excludes():
    power = {
        "tool": "telemetry",
        "phase": "load",
        "quantity": "power",
        "unit": "W",
        "scope": "accelerator",
        "value": 690.0,
    }
    assert H20 | {"L4", "H100-PCIe", "A100-SXM4-80GB"} <= out(power)
    assert "H100-SXM" not in out(power)
    assert not out(power | {"statistic": "max"})


def paced(seconds, **more):
    """A model that answers one request with so many seconds a token, its weights in 16 bits."""
    return served(seconds, quantity="tpot", unit="s", weight_precision="bf16", accelerators=1.0) | more


def test_weights_that_neither_fit_nor_can_be_fetched_in_a_pass_exclude():
    """137 GB in 5 ms, and 16 of them a pass: over PCIe 5 come 5 GB more, over PCIe 4 half as many."""
    gone = {e.chip: e for e in exclusions(figures(paced(0.005)))}
    assert {"H100-SXM", "A100-SXM4-80GB", "H20-96GB", "L40S"} <= set(gone)
    assert not set(gone) & {"H20-141GB", "H200-SXM", "B200-HGX", "MI300X"}
    found = gone["A100-SXM4-80GB"]
    assert (found.kind, found.quantity) == ("weights held", "memory")
    assert found.achieved == pytest.approx(2.0 * (69e9 - 0.26e9), rel=0.01)
    assert found.ceiling == pytest.approx(80e9 * 1.075 + 16 * 0.005 * 31.5e9, rel=0.001)


@pytest.mark.parametrize("slack", [
    {"value": 0.2},  # time enough to fetch the rest in each pass
    {"accelerators": 8.0},
    {"accelerators": np.nan},
    {"weight_precision": ""},  # perhaps 2 bits each
    {"workload": "a model nobody knows"},
    {"workload": "deepseek-v3", "weight_precision": "fp8"},  # 37 of 671 GB a token: experts may lie elsewhere
    {"statistic": "min"},
    {"quantity": "ttft"},
])  # fmt: skip
def test_weights_that_may_lie_elsewhere_exclude_nobody(slack):
    assert "weights held" not in {e.kind for e in exclusions(figures(paced(0.005) | slack)) if e.chip == "A100-SXM4-80GB"}


def test_a_coherent_host_may_hold_what_the_memory_lacks():
    """A Grace processor's memory is read nearly as fast."""
    assert "H100-SXM-96GB" in out(paced(0.005))
    assert not out(paced(0.005)) & {"GH200-96GB", "MI300A", "GB10"}


def test_a_sum_of_speeds_bounds_a_pass_only_where_the_requests_in_flight_are_known():
    """200 tokens a second at one request in flight are 5 ms a token; at 64 in flight nobody knows but 0.3 s."""
    row = served(200.0, weight_precision="bf16", accelerators=1.0)
    assert "A100-SXM4-80GB" not in out(row)
    assert "A100-SXM4-80GB" in out(row | {"concurrency": 1.0})
    assert "A100-SXM4-80GB" not in out(row | {"concurrency": 64.0})


def test_the_cache_of_a_lone_request_counts():
    """24 GB of weights and 40 of cache, 128 thousand tokens in 16 bits."""
    row = paced(0.005, workload="llama-2-13b", kv_precision="bf16", input_tokens=60e3)
    assert "A100-SXM4-40GB" not in out(row)
    assert "A100-SXM4-40GB" in out(row | {"concurrency": 1.0})


def spent(joules, **more):
    """Energy of a token in the run that :func:`served` tells the speed of."""
    return served(joules, quantity="energy_per_token", unit="J/token", accelerators=8.0) | more


def test_energy_times_speed_is_power():
    """4000 tokens a second at 1.38 J on eight accelerators are 690 W each."""
    fast = served(4000.0, accelerators=8.0)
    gone = {e.chip: e for e in exclusions(figures(fast, spent(1.38))) if e.kind == "energy and speed"}
    assert H20 | {"H100-PCIe", "A100-SXM4-80GB"} <= set(gone)
    assert "H100-SXM" not in gone
    assert (gone["H100-PCIe"].quantity, gone["H100-PCIe"].row) == ("power", 2)
    assert gone["H100-PCIe"].achieved == pytest.approx(690.0)
    assert {e.chip for e in exclusions(figures(spent(1.38), fast)) if e.kind == "energy and speed"} == set(gone)


@pytest.mark.parametrize("other", [{"concurrency": 64.0}, {"workload": "llama-3.1-8b"}, {"phase": "decode"}, {"precision": "fp8"},
                                   {"accelerators": 4.0}, {"profile": "q"}, {"quantity": "total_throughput"}])  # fmt: skip
def test_energy_and_speed_of_different_circumstances_are_no_power(other):
    rows = (served(4000.0, accelerators=8.0, profile="p") | other, spent(1.38, profile="p"))
    assert "energy and speed" not in {e.kind for e in exclusions(figures(*rows))}


def test_each_run_pairs_its_own_energy_and_speed():
    """A slow run spends more on a token: its energy must not meet the fast run's speed."""
    slow, fast = (served(100.0, accelerators=8.0), spent(40.0)), (served(4000.0, accelerators=8.0), spent(1.2))
    found = bounds(figures(*slow, *fast))
    assert found.achieved[found.kind.equals("energy and speed")] == pytest.approx([500.0, 600.0])


def test_a_training_run_counts_six_flops_a_parameter_and_token():
    run = {"tool": "training-run", "phase": "train", "precision": "fp8", "active_parameters": 37e9, "tokens": 14.8e12,
           "quantity": "accelerator_hours", "unit": "h", "value": 2.788e6}  # fmt: skip
    assert bounds(figures(run)).achieved == pytest.approx([327.4e12], rel=1e-3)
    assert H20 <= out(run)
    assert "H800-SXM" not in out(run)


def test_frozen_weights_save_a_third_of_a_training_step():
    row = {"tool": "training", "phase": "train", "workload": "llama-2-70b", "quantity": "total_throughput", "unit": "token/s",
           "value": 1000.0, "accelerators": 1.0}  # fmt: skip
    assert bounds(figures(row)).achieved == pytest.approx([4.0 * 69e9 * 1000.0], rel=0.02)
    assert bounds(figures(row | {"tool": "mlperf-training"})).achieved == pytest.approx([6.0 * 69e9 * 1000.0], rel=0.02)


def test_rates_of_several_profiles_stay_apart():
    table = figures(gemm(142e12) | {"profile": "a"}, gemm(400e12) | {"profile": "b"})
    left = possible(table)
    assert set(left) == {"a", "b"}
    assert H20 <= set(left["a"])
    assert not H20 & set(left["b"])
    assert set(left["b"]) <= set(left["a"])


def test_demonstrated_rates_are_the_best_lower_bounds():
    found = demonstrated(
        figures(gemm(300e12), gemm(400e12), gemm(700e12, "fp8"), bandwidth(3.4e12, np.nan), busy(470e9))
    )
    told = {(d.quantity, d.precision): (d.value, d.row) for d in found}
    assert told["compute", "bf16"] == (pytest.approx(400e12), 2)
    assert told["compute", "fp8"] == (pytest.approx(700e12), 3)
    assert told["bandwidth", ""] == (3.4e12, 4)
    # Whatever the link: switches may have added on the way.
    assert told["link", ""] == (pytest.approx(470e9 / 1.75), 5)


def test_an_empty_table_excludes_nobody():
    table = figures(gemm(1e15)).take(np.zeros(0, dtype=np.int64))
    assert exclusions(table) == []
    assert possible(table) == {}


def test_every_kind_of_evidence_has_a_tolerance_of_at_least_one():
    assert set(roofline.tolerances()) == set(KINDS)
    assert min(roofline.tolerances().values()) > 1.0


@pytest.mark.parametrize("quantity", ["compute bf16", "compute", "bandwidth", "link", "power", "memory"])
def test_sheet_ceilings_cover_the_chip_table(quantity):
    limits = roofline.sheet_ceilings(quantity)
    assert list(limits) == list(chips.table())
    assert all(v > 0 for v in limits.values())


# Properties -------------------------------------------------------------------------------------------------------------

_RATE = st.floats(1e9, 1e16)


def trained(seconds, precision):
    """A run of a billion parameters and a thousand billion tokens in so many accelerator-seconds."""
    return {"tool": "training-run", "phase": "train", "precision": precision, "active_parameters": 1e9, "tokens": 1e12,
            "quantity": "accelerator_hours", "unit": "s", "value": seconds}  # fmt: skip


_ROW = st.one_of(
    st.builds(gemm, _RATE, st.sampled_from(["bf16", "fp8", "fp32", "fp4", ""]), st.sampled_from([1.0, 64.0, 8192.0])),
    st.builds(bandwidth, st.floats(1e9, 2e13), st.sampled_from([1e6, 1e8, 1e9, 1e11, np.nan])),
    st.builds(served, st.floats(1.0, 1e6), accelerators=st.sampled_from([1.0, 8.0, np.nan])),
    st.builds(busy, st.floats(1e9, 2e12), st.sampled_from([2.0, 8.0, 16.0])),
    st.builds(paced, st.floats(1e-4, 1.0), accelerators=st.sampled_from([1.0, 4.0, np.nan]), concurrency=st.sampled_from([1.0, np.nan]),
              input_tokens=st.sampled_from([1000.0, 100e3]), weight_precision=st.sampled_from(["bf16", "fp8", ""])),
    st.builds(spent, st.floats(1e-3, 1e3), accelerators=st.sampled_from([1.0, 8.0, np.nan])),
    st.builds(trained, st.floats(1e5, 1e11), st.sampled_from(["bf16", "fp8", ""])),
)
_ROWS = st.lists(_ROW, min_size=1, max_size=6)


@given(_ROWS, st.floats(1.0, 100.0), st.floats(-1.0, 0.99))
def test_slowing_down_never_adds_an_exclusion(rows, factor, idling):
    """A throttled machine shows less, so it can only come closer to more chips; a token may cost less energy or, idling, more."""
    change = {"s": factor, "J/token": factor**idling}
    slow = [row | {"value": row["value"] * change.get(row["unit"], 1.0 / factor)} for row in rows]
    before, after = figures(*rows), figures(*slow)
    gone = {e.chip for e in exclusions(after)}
    assert gone <= {e.chip for e in exclusions(before)}
    assert set(possible(after)["p"]) >= set(possible(before)["p"])
    assert gone.isdisjoint(possible(after)["p"])
    assert gone | set(possible(after)["p"]) == set(chips.table())


@given(_ROWS, _ROWS)
def test_a_further_figure_never_removes_an_exclusion(rows, more):
    assert out(*rows) <= out(*rows, *more)


@given(_ROWS, st.randoms())
def test_row_order_does_not_matter(rows, random):
    table = figures(*rows)
    order = list(range(len(rows)))
    random.shuffle(order)
    assert exclusions(table.take(np.array(order))) == exclusions(table)


@given(_ROWS)
def test_the_spelling_of_units_does_not_matter(rows):
    other = {"s": ("ms", 1e3), "B/s": ("GB/s", 1e-9), "token/s": ("tok/s", 1.0), "J/token": ("mJ/token", 1e3)}
    respelt = [row | {"unit": other[row["unit"]][0], "value": row["value"] * other[row["unit"]][1]} for row in rows]
    assert out(*respelt) == out(*rows)


@given(_ROWS, _ROWS)
def test_profiles_do_not_touch_one_another(rows, others):
    together = concatenate([figures(*rows), figures(*(row | {"profile": "q"} for row in others))])
    assert {e.chip for e in exclusions(together) if e.profile == "p"} == out(*rows)
