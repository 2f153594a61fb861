"""What a figure implies, against arithmetic done by hand."""

import numpy as np
import pytest

from fingerprint import workloads
from fingerprint.bounds import bounds
from fingerprint.costs import BUS_FACTOR, points
from fingerprint.measurements import from_columns


def implied(**row):
    """The points of one row."""
    return points(from_columns({name: [cell] for name, cell in row.items()}))


def near(value):
    return pytest.approx([value], rel=1e-12)


def test_a_gemm_does_2mnk_operations_and_moves_its_three_matrices():
    found = implied(tool="kernel", workload="gemm", precision="fp8", m=4096, n=8192, k=1024, quantity="latency", unit="us", value=100)
    flops = 2 * 4096 * 8192 * 1024
    assert found.flop_rate == near(flops / 100e-6)
    # One byte an element in, two out.
    moved = 4096 * 1024 + 1024 * 8192 + 2 * 4096 * 8192
    assert found.byte_rate == near(moved / 100e-6)
    assert found.intensity == near(flops / moved)
    assert found.size == near(flops)


def test_a_gemm_with_narrow_weights_reads_fewer_bytes():
    found = implied(tool="kernel", workload="gemm", precision="bf16", weight_precision="int4", m=16, n=4096, k=4096,
                    quantity="latency", unit="us", value=10)  # fmt: skip
    assert found.byte_rate == near((2 * 16 * 4096 + 0.5 * 4096 * 4096 + 2 * 16 * 4096) / 10e-6)


def test_a_published_rate_of_a_gemm_gives_its_traffic():
    found = implied(tool="kernel", workload="gemm", precision="bf16", m=1024, n=1024, k=1024, quantity="compute_rate",
                    unit="TFLOPS", value=500)  # fmt: skip
    # Three square matrices of two bytes for 2 x 1024^3 operations: 1024 / 3 operations a byte.
    assert found.flop_rate == near(500e12)
    assert found.byte_rate == near(500e12 / (1024 / 3))


def test_a_grouped_gemm_counts_every_group():
    found = implied(tool="kernel", workload="grouped-gemm", precision="bf16", groups=8, m=64, n=128, k=256, quantity="latency",
                    unit="ms", value=1)  # fmt: skip
    assert found.flop_rate == near(8 * 2 * 64 * 128 * 256 / 1e-3)
    assert found.byte_rate == near(8 * 2 * (64 * 256 + 256 * 128 + 64 * 128) / 1e-3)


def test_causal_attention_does_half_the_square():
    found = implied(tool="kernel", workload="attention-prefill", precision="bf16", batch=2, heads=32, kv_heads=8, head_dim=128,
                    input_tokens=4096, quantity="latency", unit="ms", value=2)  # fmt: skip
    # Two products of 2 x head_dim operations for each of the S^2 / 2 pairs.
    assert found.flop_rate == near(2 * 32 * 4 * 128 * 4096**2 / 2 / 2e-3)
    # Queries and outputs of 32 heads, keys and values of 8, two bytes each.
    assert found.byte_rate == near(2 * 2 * 4096 * 128 * (2 * 32 + 2 * 8) / 2e-3)


def test_attention_to_a_cached_prefix_sees_all_of_it():
    found = implied(tool="kernel", workload="attention-prefill", precision="bf16", batch=1, heads=1, head_dim=64, input_tokens=100,
                    context_tokens=300, quantity="latency", unit="ms", value=1)  # fmt: skip
    assert found.flop_rate == near(4 * 64 * 100 * (100 / 2 + 200) / 1e-3)


def test_decode_attention_reads_keys_and_values_once():
    found = implied(tool="kernel", workload="attention-decode", kv_precision="fp8", batch=64, heads=32, kv_heads=8, head_dim=128,
                    context_tokens=8192, input_tokens=1, quantity="latency", unit="us", value=500)  # fmt: skip
    assert found.flop_rate == near(4 * 64 * 32 * 128 * 8192 / 500e-6)
    assert found.byte_rate == near(2 * 64 * 8 * 128 * 8192 / 500e-6)


def test_an_expert_layer_has_three_matrices_an_expert():
    found = implied(tool="kernel", workload="moe", precision="fp8", m=1024, n=2048, k=7168, groups=32, experts_per_token=8,
                    quantity="latency", unit="ms", value=3)  # fmt: skip
    assert found.flop_rate == near(1024 * 8 * 6 * 2048 * 7168 / 3e-3)
    assert found.byte_rate == near((32 * 3 * 2048 * 7168 + 2 * 1024 * 8 * 7168 * 2) / 3e-3)


def test_few_tokens_touch_few_experts():
    found = implied(tool="kernel", workload="moe", precision="fp8", m=1, n=2048, k=7168, groups=256, experts_per_token=8,
                    quantity="latency", unit="ms", value=1)  # fmt: skip
    assert found.byte_rate == near((8 * 3 * 2048 * 7168 + 2 * 8 * 7168 * 2) / 1e-3)


@pytest.mark.parametrize(
    "collective, ranks, factor",
    [
        ("all-reduce", 8, 2 * 7 / 8),
        ("all-gather", 8, 7 / 8),
        ("reduce-scatter", 16, 15 / 16),
        ("all-to-all", 4, 3 / 4),
        ("broadcast", 8, 1.0),
        ("send-recv", 2, 1.0),
    ],
)
def test_collectives_load_the_links_as_nccl_tests_counts(collective, ranks, factor):
    row = {"tool": "collective", "workload": collective, "accelerators": ranks, "message_bytes": 2**30}
    timed = implied(**row, quantity="latency", unit="ms", value=5)
    assert timed.link_rate == near(2**30 / 5e-3 * factor)
    assert implied(**row, quantity="algorithm_bandwidth", unit="GB/s", value=200).link_rate == near(200e9 * factor)
    assert implied(**row, quantity="bus_bandwidth", unit="GB/s", value=200).link_rate == near(200e9)
    assert timed.size == near(2**30)
    assert np.isnan(timed.byte_rate).all()


def test_every_bus_factor_is_at_most_two_and_none_for_one_rank():
    for factor in BUS_FACTOR.values():
        counts = np.array([2.0, 8.0, 1024.0])
        assert (factor(counts) > 0).all()
        assert (factor(counts) <= 2.0).all()


@pytest.mark.parametrize(("scope", "rate"), [("", 40e9), ("accelerator", 40e9), ("system", 40e9 / 16)])
def test_what_a_link_carries_is_told_a_rank(scope, rate):
    """DeepEP's bandwidth of a dispatch over 16 ranks is one rank's; only a sum over the system is shared out."""
    row = {"tool": "collective", "workload": "dispatch", "quantity": "bandwidth", "unit": "B/s", "accelerators": 16, "value": 40e9}
    assert implied(**row, scope=scope).link_rate == near(rate)


def test_a_memory_test_is_a_byte_rate_and_a_host_copy_is_not():
    assert implied(tool="stream", workload="stream-triad", quantity="bandwidth", unit="GB/s", value=3000).byte_rate == near(3e12)
    for workload in ("host-copy", "cache-read", "peer-copy"):
        assert np.isnan(implied(tool="stream", workload=workload, quantity="bandwidth", unit="GB/s", value=50).byte_rate).all()


MODEL = {"workload": "a-model", "active_parameters": 10e9, "total_parameters": 40e9}


def test_a_decode_step_reads_the_weights_that_its_batch_touches():
    row = {**MODEL, "tool": "engine", "phase": "decode", "precision": "fp8", "accelerators": 2, "quantity": "tpot", "unit": "ms"}
    alone = implied(**row, batch=1, value=10)
    assert alone.byte_rate == near(10e9 / 10e-3 / 2)
    assert alone.flop_rate == near(2 * 10e9 / 10e-3 / 2)
    assert alone.weight_bytes == near(40e9 / 2)
    # Two tokens that choose a quarter each at random leave 9/16 untouched; a thousand leave nothing.
    assert implied(**row, batch=2, value=10).byte_rate == near(40e9 * 7 / 16 / 10e-3 / 2)
    many = implied(**row, batch=1000, value=10)
    assert many.byte_rate == near(40e9 / 10e-3 / 2)
    assert many.flop_rate == near(1000 * 2 * 10e9 / 10e-3 / 2)


HELD = {"tool": "engine", "phase": "offline", "accelerators": 2, "batch": 8, "input_tokens": 30_000, "output_tokens": 2_000,
        "quantity": "total_throughput", "unit": "token/s", "value": 100}  # fmt: skip


@pytest.mark.parametrize(("widths", "weight", "element"), [
    ({"precision": "bf16", "kv_precision": "bf16"}, 2.0, 2.0),
    ({"precision": "bf16"}, 2.0, 1.0),
    ({"precision": "fp16", "weight_precision": "int4"}, 0.5, 1.0),
    ({}, 0.5, 1.0),
])  # fmt: skip
def test_an_accelerator_holds_its_share_of_the_weights_and_of_one_whole_sequence(widths, weight, element):
    facts = workloads.table()["qwen3-32b"]
    cache = 32_000 * facts.kv_elements_per_token * element
    found = implied(**HELD, **widths, workload="qwen3-32b")
    assert found.held_bytes == near((weight * facts.total_parameters + cache) / 2)


def test_sequences_may_wait_for_one_another_and_an_unknown_count_tells_nothing():
    row = {**HELD, "workload": "qwen3-32b", "precision": "bf16"}
    assert implied(**{**row, "batch": 64}).held_bytes == implied(**row).held_bytes
    assert np.isnan(implied(**{**row, "accelerators": ""}).held_bytes).all()


@pytest.mark.parametrize(("model", "precision", "weight"), [("deepseek-v3", "bf16", 1.0), ("deepseek-v3", "", 0.5),
                                                            ("gpt-oss-20b", "bf16", 0.5), ("kimi-k2.5", "fp8", 0.5)])  # fmt: skip
def test_weights_that_are_published_narrow_are_not_thought_wide(model, precision, weight):
    """BF16 of a model that its maker publishes in 8 or 4 bits is the arithmetic's width."""
    row = {**HELD, "input_tokens": "", "output_tokens": "", "workload": model, "precision": precision}
    assert implied(**row).held_bytes == near(weight * workloads.table()[model].total_parameters / 2)


def test_a_sparse_attention_keeps_all_keys_though_it_reads_few():
    facts = workloads.table()["deepseek-v3.2"]
    row = {**HELD, "workload": "deepseek-v3.2", "precision": "fp8"}
    assert facts.attention_top_k < 32_000
    assert implied(**row).held_bytes == near((facts.total_parameters + 32_000 * facts.kv_elements_per_token) / 2)


def test_a_training_step_tells_nothing_of_what_must_be_held():
    found = implied(tool="training", phase="train", workload="llama-3.1-8b", accelerators=8, quantity="total_throughput", unit="token/s", value=9e4)
    assert np.isnan(found.held_bytes).all()


def test_a_decode_step_also_reads_the_cache_of_a_known_model():
    model = workloads.table()["llama-3.1-8b"]
    found = implied(tool="engine", workload=model.id, phase="decode", precision="bf16", accelerators=1, batch=16,
                    input_tokens=1000, output_tokens=200, quantity="tpot", unit="ms", value=20)  # fmt: skip
    # Weights once, and for each sequence the prompt and on average half of the answer, two bytes an element.
    read = model.total_parameters - model.vocabulary * model.hidden  # the embedding is looked up
    moved = 2 * read + 16 * 2 * model.kv_elements_per_token * (1000 + 100)
    assert found.byte_rate == near(moved / 20e-3)


def test_generated_tokens_cost_their_prompts_too():
    found = implied(**MODEL, tool="serving", phase="serve", precision="fp8", accelerators=4, input_tokens=300, output_tokens=100,
                    concurrency=1, quantity="output_throughput", unit="tok/s", value=4000)  # fmt: skip
    assert found.flop_rate == near(1000 * 2 * 10e9 * 4)
    assert found.byte_rate == near(1000 * 10e9)


@pytest.mark.parametrize(("quantity", "unit", "value"), [
    ("output_throughput", "tok/s", 4000), ("input_throughput", "tok/s", 12000), ("total_throughput", "tok/s", 16000), ("throughput", "req/s", 40),
    ("e2e_latency", "s", 0.2)])  # fmt: skip
def test_however_a_served_load_is_told_its_prompts_and_tokens_cost_the_same(quantity, unit, value):
    """40 requests a second of 300 tokens in and 100 out, 8 in flight, on four accelerators."""
    model = {"workload": "a-model", "active_parameters": 10e9}
    found = implied(**model, tool="serving", phase="serve", precision="fp8", accelerators=4, input_tokens=300, output_tokens=100,
                    concurrency=8, quantity=quantity, unit=unit, value=value)  # fmt: skip
    assert found.prompt_rate == near(40 * 300 * 2 * 10e9 / 4)
    assert found.flop_rate == near(40 * 400 * 2 * 10e9 / 4)
    assert found.byte_rate == near(40 * 100 * 10e9 / 8 / 4)


def test_the_first_token_costs_the_prompt():
    found = implied(**MODEL, tool="serving", phase="serve", accelerators=2, input_tokens=2000, quantity="ttft", unit="ms", value=500)
    assert found.flop_rate == near(2 * 10e9 * 2000 / 0.5 / 2)
    assert np.isnan(found.prompt_rate).all()


def test_training_costs_six_operations_a_parameter_and_token():
    row = {**MODEL, "tool": "training", "phase": "train", "accelerators": 64}
    tokens = implied(**row, quantity="total_throughput", unit="tok/s", value=640_000)
    assert tokens.flop_rate == near(6 * 10e9 * 10_000)
    step = implied(**row, batch=512, input_tokens=4096, quantity="step_time", unit="s", value=8)
    assert step.flop_rate == near(6 * 10e9 * 512 * 4096 / 8 / 64)
    assert np.isnan(step.byte_rate).all()


def test_a_whole_training_run_is_judged_by_its_accelerator_hours():
    # 37 billion active parameters, 14.8 trillion tokens, 2.788 million hours.
    found = implied(tool="training-run", workload="a-model", active_parameters=37e9, tokens=14.8e12,
                    quantity="accelerator_hours", unit="h", value=2.788e6)  # fmt: skip
    assert found.flop_rate == near(6 * 37e9 * 14.8e12 / (2.788e6 * 3600))


def test_a_sample_costs_its_forward_pass_and_three_of_them_in_training():
    flops = workloads.table()["resnet50"].flops_per_sample
    served = implied(tool="mlperf-inference", phase="offline", workload="resnet50", precision="int8", accelerators=8,
                     quantity="throughput", unit="samples/s", value=320_000)  # fmt: skip
    assert served.flop_rate == near(40_000 * flops)
    trained = implied(tool="training", phase="train", workload="resnet50", accelerators=8, quantity="throughput",
                      unit="images/s", value=24_000)  # fmt: skip
    assert trained.flop_rate == near(3_000 * 3 * flops)


def test_an_mlperf_sample_of_a_language_model_is_as_long_as_its_data_set_says():
    model = workloads.table()["llama-2-70b"]
    found = implied(tool="mlperf-inference", phase="offline", workload=model.id, precision="fp8", accelerators=8,
                    input_tokens=100, quantity="throughput", unit="samples/s", value=80)  # fmt: skip
    attention = 100 * 4 * model.layers * model.heads * model.head_dim * 100 / 2
    embedding = model.vocabulary * model.hidden
    prompt, answer = model.active_parameters - 2 * embedding, model.active_parameters - embedding
    assert found.flop_rate == near(10 * (2 * prompt * 100 + 2 * answer * model.mlperf_output_tokens + attention))


@pytest.mark.parametrize(("phase", "quantity", "unit", "tokens"), [
    ("latency", "ttft", "s", 1.0), ("prefill", "input_throughput", "tok/s", 32768.0), ("serve", "total_throughput", "tok/s", 32768.0)])  # fmt: skip
def test_a_long_prompt_pays_for_the_attention_of_its_tokens_to_each_other(phase, quantity, unit, tokens):
    """Half of the square, over all layers: as much as the weights at some 100,000 tokens of a 70B model."""
    model = workloads.table()["llama-3.1-70b"]
    found = implied(tool="serving", workload=model.id, phase=phase, precision="bf16", accelerators=1, batch=1, input_tokens=32768,
                    output_tokens=1, quantity=quantity, unit=unit, value=tokens)  # fmt: skip
    each = 2 * (model.active_parameters - 2 * model.vocabulary * model.hidden) + 4 * model.layers * model.heads * model.head_dim * 32768 / 2
    assert found.flop_rate == pytest.approx(each * 32768, rel=1e-3)


def test_an_output_rate_pays_for_its_prompts_attention_and_a_pure_decode_rate_for_none():
    """Each token put out stands for eight read, each of which attended to half of 8,192."""
    model = workloads.table()["llama-3.1-70b"]
    row = {"tool": "serving", "workload": model.id, "precision": "bf16", "accelerators": 1, "input_tokens": 8192, "output_tokens": 1024,
           "quantity": "output_throughput", "unit": "tok/s", "value": 100}  # fmt: skip
    attention = 4 * model.layers * model.heads * model.head_dim * 8192 / 2
    embedding = model.vocabulary * model.hidden
    answer, prompt = 2 * (model.active_parameters - embedding), 2 * (model.active_parameters - 2 * embedding) + attention
    assert implied(**row, phase="serve").flop_rate == near(100 * (answer + 8 * prompt))
    assert implied(**row, phase="decode").flop_rate == near(100 * answer)


def test_sparse_attention_is_no_wider_than_what_it_picks_and_an_unknown_shape_adds_nothing():
    """DeepSeek V3.2 attends to 2,048 tokens of whatever came before; of a model that nobody knows only the parameters count."""
    model = workloads.table()["deepseek-v3.2"]
    row = {"tool": "serving", "phase": "latency", "precision": "fp8", "accelerators": 1, "batch": 1, "input_tokens": 100_000,
           "quantity": "ttft", "unit": "s", "value": 1}  # fmt: skip
    each = 2 * (model.active_parameters - 2 * model.vocabulary * model.hidden) + 4 * model.attention_layers * model.heads * model.head_dim * model.attention_top_k
    assert implied(**row, workload=model.id).flop_rate == near(each * 100_000)
    assert implied(**row, workload="no-such-model", active_parameters=7e9).flop_rate == near(2 * 7e9 * 100_000)


@pytest.mark.parametrize(("model", "skipped", "looked_up"), [
    ("qwen2.5-14b", 2, 1), ("qwen3-4b", 1, 0), ("gpt-oss-120b", 1, 0), ("glm-4.5-air", 0, 0)])  # fmt: skip
def test_a_prompt_does_not_pay_for_the_embedding_and_the_output_matrix(model, skipped, looked_up):
    """Two matrices in Qwen2.5 14B, one and the same in Qwen3 4B; gpt-oss counts the output's only, GLM-4.5-Air's twelve billion neither."""
    facts = workloads.table()[model]
    embedding = facts.vocabulary * facts.hidden
    row = {"tool": "engine", "workload": model, "precision": "bf16", "accelerators": 1, "batch": 4, "input_tokens": 1, "quantity": "latency",
           "unit": "s", "value": 1}  # fmt: skip
    attention = np.nan_to_num(4 * facts.attention_layers * facts.heads * facts.head_dim / 2)
    assert implied(**row, phase="prefill").flop_rate == near(4 * (2 * (facts.active_parameters - skipped * embedding) + attention))
    assert implied(**row, phase="decode").flop_rate == near(4 * 2 * (facts.active_parameters - looked_up * embedding))


@pytest.mark.parametrize(("quantity", "unit", "value"), [
    ("output_throughput", "tok/s", 4000), ("input_throughput", "tok/s", 12000), ("total_throughput", "tok/s", 16000), ("throughput", "req/s", 40),
    ("e2e_latency", "s", 0.2)])  # fmt: skip
def test_however_a_known_models_load_is_told_its_embedding_is_left_out_alike(quantity, unit, value):
    """As :func:`test_however_a_served_load_is_told_its_prompts_and_tokens_cost_the_same`, of a model whose embedding is known."""
    model = workloads.table()["llama-3.1-8b"]
    found = implied(tool="serving", workload=model.id, phase="serve", precision="fp8", accelerators=4, input_tokens=300, output_tokens=100,
                    concurrency=8, quantity=quantity, unit=unit, value=value)  # fmt: skip
    embedding = model.vocabulary * model.hidden
    prompts = 40 * 300 * (2 * (model.active_parameters - 2 * embedding) + 2 * model.layers * model.heads * model.head_dim * 300)
    assert found.prompt_rate == near(prompts / 4)
    assert found.flop_rate == near((prompts + 40 * 100 * 2 * (model.active_parameters - embedding)) / 4)


def test_training_on_long_sequences_pays_for_attention_three_times():
    """Forward once, backward twice, as for the weights."""
    model = workloads.table()["llama-3.1-70b"]
    found = implied(tool="training", workload=model.id, phase="train", precision="bf16", accelerators=1, input_tokens=8192,
                    quantity="throughput", unit="tok/s", value=100)  # fmt: skip
    assert found.flop_rate == near(100 * (6 * model.active_parameters + 3 * 4 * model.layers * model.heads * model.head_dim * 8192 / 2))


def test_a_sum_over_an_unknown_number_of_accelerators_implies_nothing():
    found = implied(**MODEL, tool="serving", phase="serve", quantity="output_throughput", unit="tok/s", value=4000)
    assert np.isnan(found.flop_rate).all()
    assert np.isnan(found.byte_rate).all()


def test_a_figure_of_zero_implies_nothing_and_nothing_is_infinite():
    for quantity, unit in (("latency", "s"), ("compute_rate", "FLOP/s")):
        found = implied(tool="kernel", workload="gemm", m=64, n=64, k=64, quantity=quantity, unit=unit, value=0)
        assert np.isnan(found.flop_rate).all()
        assert np.isnan(found.byte_rate).all()


def test_a_workload_nobody_knows_implies_no_arithmetic():
    found = implied(tool="serving", phase="serve", workload="a model nobody knows", accelerators=1, quantity="output_throughput",
                    unit="tok/s", value=100)  # fmt: skip
    assert np.isnan(found.flop_rate).all()


# Against independent counts -----------------------------------------------------------------------------------------------

#: FLOP of one forward pass of 128 tokens, counted by PyTorch's torch.utils.flop_counter (2.14.1,
#: https://docs.pytorch.org/docs/stable/utils.html) over the model code of Hugging Face Transformers 5.23.0
#: (https://github.com/huggingface/transformers), built at each model's published shape (workloads.csv has the sources).
COUNTED_TOKENS = 128
COUNTED = {
    "llama-2-7b": 1_700_001_742_848, "llama-2-13b": 3_303_433_830_400, "llama-2-70b": 17_633_525_104_640,
    "llama-3.1-8b": 1_929_782_493_184, "llama-3.1-70b": 17_835_388_567_552, "llama-3.1-405b": 103_494_753_189_888,
    "mistral-7b": 1_828_850_761_728, "qwen2.5-72b": 18_336_289_128_448, "gpt-j-6b": 1_503_473_434_624,
    "gpt-neox-20b": 5_199_460_564_992, "opt-13b": 3_300_539_760_640,
}  # fmt: skip

#: FLOP of one image at 224 x 224, by the same counter over torchvision 0.29.1 (https://github.com/pytorch/vision).
COUNTED_IMAGES = {"resnet50": 8_178_368_512, "resnet152": 23_027_253_248, "convnext-large": 68_722_867_200}

#: Published FLOP of whole training runs, and tokens: GPT-3 (arXiv:2005.14165, table D.1), Falcon 180B (arXiv:2311.16867,
#: table 1: 43,500 PFLOP/s-days), Llama 3.1 405B (arXiv:2407.21783, section 3.2).
PUBLISHED = {"gpt3-175b": (3.14e23, 300e9), "falcon-180b": (43_500 * 86_400e15, 3.5e12), "llama-3.1-405b": (3.8e25, 15.6e12)}


def proved(**row):
    """The one bound of one row."""
    (achieved,) = bounds(from_columns({name: [cell] for name, cell in row.items()})).achieved
    return achieved


@pytest.mark.parametrize("model", COUNTED)
def test_a_token_costs_what_a_library_counts(model):
    """Within 3 %, and not more than it counts: the pass of one token is a lower bound."""
    charged = proved(tool="serving", phase="serve", workload=model, accelerators=1, quantity="output_throughput", unit="token/s", value=1)
    counted = COUNTED[model] / COUNTED_TOKENS
    assert charged == pytest.approx(counted, rel=0.03)
    assert charged <= counted


@pytest.mark.parametrize("model", COUNTED_IMAGES)
def test_an_image_costs_what_a_library_counts(model):
    found = implied(tool="mlperf-inference", phase="offline", workload=model, accelerators=1, quantity="throughput", unit="samples/s", value=1)
    assert found.flop_rate == pytest.approx([COUNTED_IMAGES[model]], rel=0.03)


def test_a_sentence_costs_what_a_library_counts_without_its_padding():
    """BERT-large's layers come to 603,996,160 FLOP a token by the same counter; SQuAD's questions are 177 long on average."""
    found = implied(tool="mlperf-inference", phase="offline", workload="bert-large", accelerators=1, quantity="throughput",
                    unit="samples/s", value=1)  # fmt: skip
    assert found.flop_rate == pytest.approx([177 * 603_996_160], rel=0.03)


@pytest.mark.parametrize("model", PUBLISHED)
def test_a_training_run_costs_what_its_publisher_says(model):
    """An hour of one accelerator makes the rate the whole run's arithmetic."""
    compute, tokens = PUBLISHED[model]
    rate = proved(tool="training-run", workload=model, tokens=tokens, quantity="accelerator_hours", unit="h", value=1)
    assert rate * 3600 == pytest.approx(compute, rel=0.03)
