"""What rows and candidate chips tell of each other."""

from __future__ import annotations

import numpy as np
import pytest

from fingerprint import chips, forward, readers, workloads
from fingerprint.candidates import CHIP_NAMES, ROW_NAMES, Rows, candidates, numbers, pairs
from fingerprint.forward import AMPLE_ROOM, WITHOUT_ROOM, match, match_names
from fingerprint.scorer import shipped, visible

HEAD = "tool,phase,workload,precision,weight_precision,accelerators,batch,input_tokens,quantity,unit,value\n"


def told(line: str) -> dict[str, float]:
    """Return the description of the one row of a table."""
    rows, _ = visible(readers.read_text(HEAD + line + "\n"))
    assert len(rows) == 1
    return dict(zip(ROW_NAMES, rows.describe[0].tolist(), strict=True))


@pytest.mark.parametrize(("precisions", "bits", "weights"), [("bf16,", 16, 16), ("fp16,int4", 16, 4), ("fp8,", 8, 8)])
def test_weights_are_as_wide_as_stated_else_as_the_arithmetic(precisions: str, bits: float, weights: float) -> None:
    row = told(f"engine,prefill,qwen2.5-14b,{precisions},1,8,1024,latency,s,1.5")
    assert (row["bits"], row["weight_bits"]) == (bits, weights)


def test_nothing_stated_is_nothing_known() -> None:
    row = told("engine,prefill,qwen2.5-14b,,,1,8,1024,latency,s,1.5")
    assert np.isnan(row["bits"])
    assert np.isnan(row["weight_bits"])


@pytest.mark.parametrize(("tool", "alone"), [("engine", 1.0), ("mlperf-inference", 1.0), ("serving", 0.0), ("kernel", np.nan)])
def test_an_engine_by_itself_is_told_from_one_behind_a_server(tool: str, alone: float) -> None:
    row = told(f"{tool},offline,llama-2-70b,fp8,,8,,100,throughput,samples/s,80")
    np.testing.assert_equal(row["alone"], alone)


@pytest.mark.parametrize("model", ["qwen2.5-14b", "qwen3-30b-a3b"])
def test_a_row_tells_how_sparse_its_model_is(model: str) -> None:
    facts = workloads.table()[model]
    row = told(f"engine,prefill,{model},bf16,,1,8,1024,latency,s,1.5")
    assert row["sparsity"] == pytest.approx(np.log10(facts.total_parameters / facts.active_parameters))


def matched(*lines: str, hidden: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """Return what a profile of these rows says of every candidate, column by column; ``hidden`` ones have no data sheet."""
    seen = shipped().look(readers.read_text(HEAD + "".join(line + "\n" for line in lines)))
    gone = np.isin(np.arange(len(candidates().ids)), [at(chip) for chip in hidden])
    found = match(seen.found.without(gone), seen.rows, np.arange(len(seen.rows)), np.zeros(len(seen.rows), dtype=np.int64), 1)
    return dict(zip(match_names(), found[0].T, strict=True))


def at(chip: str) -> int:
    """Return the candidate that stands for a chip."""
    return numbers(chip)[0]


SMALL = "engine,decode,qwen2.5-0.5b,bf16,,1,1,,tpot,s,0.02"
LARGE = "engine,decode,qwen2.5-32b,bf16,,1,1,,tpot,s,0.05"
HUGE = "engine,decode,llama-3.1-405b,fp8,,4,1,,tpot,s,0.06"


def test_room_is_memory_over_the_most_that_a_profile_holds() -> None:
    """64 GB of weights leave room on 80 GB; a smaller model beside them changes nothing."""
    held = 2.0 * workloads.table()["qwen2.5-32b"].total_parameters
    for lines in ((LARGE,), (SMALL, LARGE)):
        room = matched(*lines)["all.room"]
        memory = chips.CAPACITY * chips.table()["A100-SXM4-80GB"].memory_bytes
        assert room[at("A100-SXM4-80GB")] == pytest.approx(np.log10(memory / held), abs=1e-6)
        assert room[at("L40S")] < 0 < room[at("A100-SXM4-80GB")] < room[at("H20-96GB")]


def test_a_chip_that_cannot_hold_the_work_is_less_likely_and_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the best candidate, one without room falls by what that costs; one with room keeps its distance."""
    told = matched(LARGE)
    monkeypatch.setattr(forward, "WITHOUT_ROOM", 0.0)
    free = matched(LARGE)
    without = told["all.room"] < 0
    assert 0 < without.sum() < len(without)
    lost = free["all.likelihood"] - told["all.likelihood"]
    np.testing.assert_allclose(lost[without] - lost[~without].mean(), -WITHOUT_ROOM, atol=1e-4)
    np.testing.assert_allclose(lost[~without], lost[~without].mean(), atol=1e-4)


def test_a_chip_without_a_data_sheet_is_as_unknown_in_memory_as_in_speed() -> None:
    """A candidate that is forgotten must not be given away by what it can hold."""
    hidden = ("L40S", "H20-96GB")
    told = matched(LARGE, hidden=hidden)
    small, large = (at(chip) for chip in hidden)
    assert np.isnan(told["all.room"][[small, large]]).all()
    assert told["all.likelihood"][small] == told["all.likelihood"][large]


def test_that_a_small_model_ran_says_nothing_of_the_memory_beyond() -> None:
    """Both have room to spare: no matter how much."""
    room = matched(SMALL)["all.room"]
    assert room[at("L40S")] == room[at("B200-HGX")] == pytest.approx(AMPLE_ROOM)


def test_a_chip_too_small_for_its_share_of_a_model_is_told_from_one_that_holds_it() -> None:
    """405 billion weights in 8 bits over four: more than an A100 has and less than an H20."""
    room = matched(HUGE)["all.room"]
    assert room[at("A100-SXM4-80GB")] < 0 < room[at("H20-96GB")]


def test_figures_without_a_model_say_nothing_of_memory() -> None:
    """A GEMM holds little, and nobody states what."""
    assert np.isnan(matched("kernel,kernel,gemm,bf16,,1,,,compute_rate,TFLOP/s,100")["all.room"]).all()


def exchanges(rows: Rows) -> np.ndarray:
    """Return what the design says of the links of an H20 and an L40S, for one row."""
    assert len(rows) == 1
    design, _ = pairs(rows.take(np.zeros(2, dtype=np.int64)), np.array([at("H20-96GB"), at("L40S")]))
    return design[:, len(ROW_NAMES) + CHIP_NAMES.index("exchange")]


@pytest.mark.parametrize(("count", "told_of"), [("8", True), ("1", False), ("0.5", False)])
def test_links_matter_to_several_accelerators_only(count: str, told_of: bool) -> None:
    rows, _ = visible(readers.read_text(HEAD + f"engine,decode,qwen2.5-32b,bf16,,{count},1,,tpot,s,0.05\n"))
    exchange = exchanges(rows)
    if told_of:
        assert exchange[0] == pytest.approx(np.log10(450e9 / 4.0e12), abs=1e-6)
        assert exchange[0] > exchange[1]
    else:
        assert np.isnan(exchange).all()


def test_of_an_unknown_number_of_accelerators_no_link_is_assumed() -> None:
    head = HEAD.replace("quantity", "scope,quantity")
    rows, _ = visible(readers.read_text(head + "serving,serve,qwen2.5-32b,bf16,,,,,accelerator,output_throughput,token/s,90\n"))
    assert np.isnan(exchanges(rows)).all()
