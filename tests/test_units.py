"""Every spelling of a unit means one thing, and what could mean two is refused."""

import pytest

from fingerprint.units import (
    BYTES,
    PRECISIONS,
    QUANTITIES,
    canonical_precision,
    canonical_quantity,
    convert,
    implied_unit,
)


@pytest.mark.parametrize(
    "quantity, unit, canonical, factor",
    [
        ("throughput", "tokens/s", "token/s", 1.0),
        ("throughput", "tok/sec", "token/s", 1.0),
        ("throughput", "ktok/s", "token/s", 1e3),
        ("throughput", "Tokens per second", "token/s", 1.0),
        ("throughput", "samples/s", "sample/s", 1.0),
        ("throughput", "FPS", "sample/s", 1.0),
        ("throughput", "Queries/s", "request/s", 1.0),
        ("throughput", "req/s", "request/s", 1.0),
        ("output_throughput", "tokens/second", "token/s", 1.0),
        ("output_throughput", "", "token/s", 1.0),
        ("latency", "ms", "s", 1e-3),
        ("latency", "µs", "s", 1e-6),
        ("latency", "us", "s", 1e-6),
        ("ttft", "seconds", "s", 1.0),
        ("time_to_train", "minutes", "s", 60.0),
        ("accelerator_hours", "GPU hours", "s", 3600.0),
        ("accelerator_hours", "GPU-h", "s", 3600.0),
        ("compute_rate", "TFLOP/s", "FLOP/s", 1e12),
        ("compute_rate", "TFLOPS", "FLOP/s", 1e12),
        ("compute_rate", "PFLOPs/sec", "FLOP/s", 1e15),
        ("compute_rate", "TOPS", "FLOP/s", 1e12),
        ("compute", "EFLOP", "FLOP", 1e18),
        ("compute", "ZFLOP", "FLOP", 1e21),
        ("bandwidth", "GB/s", "B/s", 1e9),
        ("bandwidth", "GiB/s", "B/s", 2.0**30),
        ("bandwidth", "GBps", "B/s", 1e9),
        ("bandwidth", "Gb/s", "B/s", 1e9 / 8),
        ("bandwidth", "Gbps", "B/s", 1e9 / 8),
        ("bandwidth", "Gbit/s", "B/s", 1e9 / 8),
        ("memory_used", "MiB", "B", 2.0**20),
        ("power", "kW", "W", 1e3),
        ("power", "mW", "W", 1e-3),
        ("power", "MW", "W", 1e6),
        ("energy", "MJ", "J", 1e6),
        ("energy", "mJ", "J", 1e-3),
        ("energy", "kWh", "J", 3.6e6),
        ("energy_per_token", "J/token", "J/token", 1.0),
        ("utilization", "%", "1", 0.01),
    ],
)
def test_a_unit_converts_to_the_canonical_one(quantity, unit, canonical, factor):
    found = convert(quantity, unit)
    assert found is not None
    assert (found.unit, found.per_accelerator) == (canonical, False)
    assert found.factor == pytest.approx(factor, rel=1e-15)


@pytest.mark.parametrize("unit", ["tok/s/GPU", "tokens/s per GPU", "TPS/GPU", "tokens/sec/chip"])
def test_a_unit_that_names_the_accelerator_says_that_the_figure_is_its_own(unit):
    found = convert("throughput", unit)
    assert found is not None
    assert (found.unit, found.factor, found.per_accelerator) == ("token/s", 1.0, True)


@pytest.mark.parametrize(
    "quantity, unit",
    [
        ("throughput", ""),  # which work?
        ("accelerator_hours", ""),  # hours or seconds?
        ("time_to_train", ""),
        ("throughput", "bananas/s"),
        ("throughput", "steps"),
        ("output_throughput", "samples/s"),
        ("latency", "GB/s"),
        ("bandwidth", "GB"),
        ("memory_used", "GB/s"),
        ("compute", "TFLOP/s"),
        ("power", "furlongs"),
    ],
)
def test_a_unit_that_nobody_knows_or_that_does_not_fit_is_refused(quantity, unit):
    assert convert(quantity, unit) is None


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_the_canonical_unit_of_a_quantity_is_known_and_leaves_the_value_alone(quantity):
    for unit in QUANTITIES[quantity].unit.split(" | "):
        found = convert(quantity, unit)
        assert found is not None
        assert (found.unit, found.factor) == (unit, 1.0)


@pytest.mark.parametrize(
    "spelling, name",
    [
        ("Time to first token", "ttft"),
        ("output-token-throughput", "output_throughput"),
        ("busbw", "bus_bandwidth"),
        ("TFLOPS", "compute_rate"),
        ("GPU hours", "accelerator_hours"),
        ("Throughput", "throughput"),
        ("happiness", None),
        ("", None),
    ],
)
def test_a_quantity_is_known_by_its_usual_names(spelling, name):
    assert canonical_quantity(spelling) == name


def test_a_name_that_holds_its_unit_implies_it():
    assert (implied_unit("GPU hours"), implied_unit("tflops"), implied_unit("latency")) == ("h", "TFLOP/s", "")


@pytest.mark.parametrize(
    "text, precision",
    [
        ("NVFP4", "fp4"),
        ("FP8 (E4M3)", "fp8"),
        ("float16", "fp16"),
        ("torch.bfloat16", "bf16"),
        ("TF32", "tf32"),
        ("w4a16", "int4"),
        ("W8A8", "int8"),
        ("double", "fp64"),
        ("float32", "fp32"),
        ("", ""),
        ("who knows", ""),
    ],
)
def test_a_precision_is_known_by_its_usual_names(text, precision):
    assert canonical_precision(text) == precision


@pytest.mark.parametrize("name", PRECISIONS)
def test_every_precision_is_its_own_spelling_and_has_a_size(name):
    assert canonical_precision(name) == name
    assert BYTES[name] > 0
