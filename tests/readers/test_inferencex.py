"""The reader of InferenceX, against real files and small ones written here."""

import io
import json

import numpy as np
import pytest

from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Measurements
from fingerprint.readers import inferencex, vllm_serving

#: A row as the benchmark writes it, figures chosen for easy sums.
ROW = {
    "hw": "h200-sxm", "model": "deepseek-ai/DeepSeek-R1-0528", "framework": "sglang", "precision": "fp8", "tp": 8,
    "ep": 1, "conc": 16, "isl": 1000, "osl": 1000, "tput_per_gpu": 200.0, "output_tput_per_gpu": 100.0,
    "mean_ttft": 2.0, "p99_ttft": 9.0, "mean_tpot": 0.02, "std_tpot": 0.001, "mean_intvty": 50.0,
}  # fmt: skip

#: A row as the dashboard's interface gives it: five decode workers of 8 GPUs behind one prefill worker of 4.
APART = {
    "hardware": "b200", "model": "dsr1", "precision": "fp4", "spec_method": "mtp", "disagg": True, "conc": 20,
    "isl": 8192, "osl": 1024, "prefill_num_workers": 1, "decode_num_workers": 5, "num_prefill_gpu": 4,
    "num_decode_gpu": 40, "decode_tp": 8,
    "metrics": {"tput_per_gpu": 50.0, "output_tput_per_gpu": 30.0, "input_tput_per_gpu": 250.0, "median_tpot": 0.005},
}  # fmt: skip

COLUMNS = "id,silicon_data_source,model_path,system,precision,mode,isl,osl,tp_size,moe_tp_size,moe_ep_size,"
COLUMNS += "silicon_ttft_ms,silicon_tpot_ms"


def read(*rows: object) -> Measurements:
    text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    return inferencex.read(io.StringIO(text), "rows.json")


def figure(table: Measurements, quantity: str, statistic: str = "") -> dict:
    chosen = table.word("quantity").equals(quantity) & table.word("statistic").equals(statistic)
    (found,) = np.flatnonzero(chosen)
    return table.record(int(found))


def test_real_aggregate(examples_dir):
    """A real aggregate of replayed sessions gives its decode figures; its mostly cached prompts are left out."""
    text = (examples_dir / "inferencex_agg" / "h100_agentic_agg.json").read_text()
    table = inferencex.read(io.StringIO(text), "agg.json")
    assert inferencex.sniff(text) == 1.0
    assert vllm_serving.sniff(text) < 0.3
    assert figure(table, "output_throughput")["value"] == 3.2627
    assert figure(table, "tpot", "median")["value"] == 0.00883
    assert figure(table, "power", "mean")["value"] == 295.666
    assert figure(table, "power", "mean")["accelerators"] == 8
    assert not table.word("quantity").equals("ttft", "total_throughput").any()
    assert table.identity == {"agg.json": ("cluster:h100-dgxc",)}
    assert any("speculative" in note for note in table.notes)


def test_real_sample(examples_dir):
    """The sample's first row comes out in seconds, its six systems as six profiles."""
    text = (examples_dir / "inferencex_agg" / "silicon_sample_60_per_gpu.csv").read_text()
    table = inferencex.read(io.StringIO(text), "sample.csv")
    assert inferencex.sniff(text[:65536]) == 1.0
    assert len(table) == 720
    assert len(table.profiles) == 6
    assert set(table.identity.values()) >= {("b300_sxm",), ("h100_sxm",)}
    first, second = table.record(0), table.record(1)
    assert first["value"] == pytest.approx(0.9723109823355117)
    assert second["value"] == pytest.approx(0.033442908754168066)
    assert second["workload"] == "minimax-m2.5"
    assert second["accelerators"] == 4
    assert second["concurrency"] == 128
    # 921.6 steps of 33.44 ms after a first token at 972 ms: 30.82 of 31.79 seconds decode.
    assert second["batch"] == pytest.approx(124.085, rel=1e-4)


def test_flat_row():
    """Rates are per accelerator, lengths the means of the draw, and what waits does not count as decoding."""
    table = read(ROW)
    rate = figure(table, "total_throughput")
    assert (rate["value"], rate["scope"], rate["accelerators"]) == (200.0, "accelerator", 8)
    assert (rate["input_tokens"], rate["output_tokens"], rate["concurrency"]) == (900, 900, 16)
    step = figure(table, "tpot", "mean")
    assert (step["value"], step["batch"]) == (0.02, pytest.approx(16 * 18 / 20))
    assert figure(table, "ttft", "p99")["value"] == 9.0
    assert table.word("workload")[0] == "deepseek-r1"
    assert len(table) == 5


def test_disaggregated_row():
    """A token's time concerns one decode worker with its share of the requests."""
    table = read(APART)
    assert figure(table, "total_throughput")["accelerators"] == 44
    assert figure(table, "input_throughput")["accelerators"] == 4
    step = figure(table, "tpot", "median")
    assert (step["accelerators"], step["concurrency"], step["phase"]) == (8, 4, "decode")
    assert figure(table, "output_throughput")["phase"] == "decode"
    assert table.word("weight_precision")[0] == "fp4"
    assert table.word("precision")[0] == ""


@pytest.mark.parametrize("text", [json.dumps([ROW, APART]), json.dumps(ROW) + "\n" + json.dumps(APART)])
def test_profiles_by_hardware(text):
    """Rows of different hardware are different profiles, in an array as in lines."""
    table = read(text)
    assert table.identity == {"rows.json:1": ("h200-sxm",), "rows.json:2": ("b200",)}
    assert table.profiles == ("rows.json:1", "rows.json:2")


def test_scrubbed_hardware_is_one_profile():
    """Without names of hardware a file is one profile, and its figures are the same."""
    scrubbed = [{k: v for k, v in row.items() if k not in ("hw", "hardware")} for row in (ROW, APART)]
    table, named = read(json.dumps(scrubbed)), read(json.dumps([ROW, APART]))
    assert table.profiles == ("rows.json",)
    assert table.identity == {}
    assert np.array_equal(table.number("value"), named.number("value"))


@pytest.mark.parametrize(
    "cells, expected",
    [
        ("a_tp8_ep8_1,x,m,b200_sxm,fp8,agg,1024,1024,64,8,8,500,10", 8),
        ("a_cfg199,x,m,b200_sxm,fp8,agg,1024,1024,64,8,8,500,10", 8),
        ("a_cfg7,x,m,b200_sxm,fp8,agg,1024,1024,4,1,4,500,10", 4),
        ("a_cfg7,x,m,b200_sxm,fp8,agg,1024,1024,8,2,4,500,10", None),
    ],
)
def test_sample_sizes(cells, expected):
    """Tensor sizes that the sample multiplied by expert sizes are taken back; an unclear one stays unknown."""
    table = inferencex.read(io.StringIO(f"{COLUMNS}\n{cells}\n"), "sample.csv")
    assert table.record(1).get("accelerators") == expected


def test_invalid_power_and_zeros_are_left_out():
    """A power that its own row calls invalid, nulls and zeros are no figures."""
    table = read({**ROW, "avg_power_w": 400.0, "power_valid": 0, "mean_ttft": None, "output_tput_per_gpu": 0})
    assert not table.word("quantity").equals("power", "output_throughput").any()


@pytest.mark.parametrize(
    "text, kind, says",
    [
        (json.dumps(ROW)[:-20], InputError, "cut short"),
        ("[1, 2]", FormatError, "no JSON"),
        ("{}", FormatError, "none of InferenceX's figures"),
        ("[]", FormatError, "no JSON"),
        ("{nonsense}", FormatError, "no JSON"),
        ("[" * 200_000, FormatError, "nested too deeply"),
        ('{"tput_per_gpu": ' + "9" * 5000 + "}", FormatError, "too long a number"),
        (json.dumps({**ROW, "tput_per_gpu": "fast"}), InputError, "'tput_per_gpu' must be a number"),
        (json.dumps({**ROW, "mean_tpot": -1}), InputError, "negative"),
        (json.dumps({"hw": "h100", "tput_per_gpu": 0}), InputError, "no figure above zero"),
        ("a,b\n1,2\n", FormatError, "neither JSON nor a CSV"),
        (f"{COLUMNS}\n", InputError, "no row"),
        (f"{COLUMNS}\na,b,c\n", InputError, "line 2"),
    ],
)
def test_unusable_input_says_why(text, kind, says):
    """Cut, foreign or impossible input is one clear sentence."""
    with pytest.raises(kind, match=says):
        inferencex.read(io.StringIO(text), "broken")


@pytest.mark.parametrize("text", ["", "quantity,unit,value\n", '{"model_id": "x", "output_throughput": 3}', "# Rank 0"])
def test_sniff_leaves_other_formats_alone(text):
    assert inferencex.sniff(text) == 0.0
