"""Models and kernels: published facts agree with one another and with measured tables; names resolve, sizes never mix."""

import csv
import dataclasses
import gzip
import math
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from fingerprint import workloads
from fingerprint.errors import FingerprintError
from fingerprint.workloads import KERNELS, KINDS, resolve, table

MODELS = list(table().values())

#: Feed-forward width and whether embeddings are tied, from the models' published configurations.
GATED_FEED_FORWARD = {
    "llama-7b": (11008, False), "llama-2-13b": (13824, False), "llama-2-70b": (28672, False),
    "llama-3-8b": (14336, False), "llama-3.1-70b": (28672, False), "llama-3.1-405b": (53248, False),
    "llama-3.2-1b": (8192, True), "llama-3.2-3b": (8192, True), "mistral-7b": (14336, False),
    "qwen2.5-7b": (18944, False), "qwen2.5-72b": (29568, False), "qwen3-0.6b": (3072, True),
    "qwen3-8b": (12288, False), "qwen3-14b": (17408, False), "qwen3-32b": (25600, False),
    "mistral-large-2": (28672, False), "codellama-34b": (22016, False),
}

#: Width of an expert, layers with experts, shared experts of the same width, width of the dense layers.
EXPERT_FEED_FORWARD = {
    "mixtral-8x7b": (14336, 32, 0, 0), "mixtral-8x22b": (16384, 56, 0, 0), "qwen3-30b-a3b": (768, 48, 0, 0),
    "qwen3-235b-a22b": (1536, 94, 0, 0), "gpt-oss-120b": (2880, 36, 0, 0), "gpt-oss-20b": (2880, 24, 0, 0),
    "minimax-m2": (1536, 62, 0, 0), "glm-4.5": (1536, 89, 1, 12288), "qwen3-coder-480b-a35b": (2560, 62, 0, 0),
}


def _attention_parameters(model: workloads.Workload) -> float:
    projections = 2 * model.heads * model.head_dim + 2 * model.kv_heads * model.head_dim
    return model.layers * model.hidden * projections


def _rows(path: Path) -> list[dict[str, str]]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", newline="", encoding="utf-8", errors="replace") as stream:
            return list(csv.DictReader(stream))
    with path.open(newline="", encoding="utf-8", errors="replace") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("name", GATED_FEED_FORWARD)
def test_dense_parameters_follow_from_the_shape(name: str) -> None:
    """Attention, gated feed-forward and embeddings add up to the published count."""
    model = table()[name]
    width, tied = GATED_FEED_FORWARD[name]
    embeddings = model.vocabulary * model.hidden * (1 if tied else 2)
    counted = _attention_parameters(model) + model.layers * 3 * model.hidden * width + embeddings
    assert counted == pytest.approx(model.total_parameters, rel=0.01)
    assert model.embeddings == (1 if tied else 2)
    assert model.active_parameters == model.total_parameters


@pytest.mark.parametrize("name", EXPERT_FEED_FORWARD)
def test_expert_parameters_follow_from_the_shape(name: str) -> None:
    """Total and active counts, which makers round, agree with experts, routing and shape."""
    model = table()[name]
    width, layers, shared, dense = EXPERT_FEED_FORWARD[name]
    vocabulary = 0.0 if math.isnan(model.vocabulary) else model.vocabulary
    rest = _attention_parameters(model) + 2 * vocabulary * model.hidden
    rest += 3 * model.hidden * (layers * shared * width + (model.layers - layers) * dense)
    expert = layers * 3 * model.hidden * width
    assert rest + model.experts * expert == pytest.approx(model.total_parameters, rel=0.03)
    left_out = (2 - model.embeddings) * vocabulary * model.hidden if vocabulary else 0.0
    assert rest - left_out + model.experts_per_token * expert == pytest.approx(model.active_parameters, rel=0.06)


def test_mpt_parameters_follow_from_the_shape() -> None:
    """MPT's counts are 12 layers x hidden^2 and one embedding, and near the names."""
    for name, nominal in {"mpt-125m": 125e6, "mpt-1b": 1.3e9, "mpt-7b": 6.7e9, "mpt-30b": 30e9}.items():
        model = table()[name]
        assert model.total_parameters == 12 * model.layers * model.hidden**2 + model.vocabulary * model.hidden
        assert model.total_parameters == pytest.approx(nominal, rel=0.02)


@pytest.mark.parametrize("name, elements", [
    ("llama-2-70b", 2 * 80 * 8 * 128),
    ("llama-2-7b", 2 * 32 * 32 * 128),
    ("llama-3.1-405b", 2 * 126 * 8 * 128),
    ("qwen3-235b-a22b", 2 * 94 * 4 * 128),
    ("deepseek-v3", 61 * (512 + 64)),
    ("deepseek-r1", 61 * (512 + 64)),
    ("glm-5", 78 * (512 + 64)),
    ("gpt-oss-120b", 2 * 18 * 8 * 64),
    ("qwen3.5-397b-a17b", 2 * 15 * 2 * 256),
    ("deepseek-v4-pro", 512 * (30 / 4 + 31 / 128)),
])
def test_cache_elements(name: str, elements: float) -> None:
    """The cache's size a token is that of the layers that keep the whole context."""
    assert table()[name].kv_elements_per_token == elements


def test_cache_elements_agree_with_the_shape_everywhere() -> None:
    """For ordinary heads the stored element count is 2 x layers x heads x size, never a typing error."""
    checked = 0
    for model in MODELS:
        if math.isnan(model.kv_elements_per_token) or model.attention == "mla" or model.id.startswith("deepseek-v4"):
            continue
        assert model.kv_elements_per_token == 2 * model.attention_layers * model.kv_heads * model.head_dim, model.id
        checked += 1
    assert checked > 100


def test_facts_are_possible() -> None:
    """Parts never exceed wholes, head counts divide, kinds are known, every row has a source."""
    for model in MODELS:
        assert model.kind in KINDS
        assert model.source.startswith("https://"), model.id
        # A comparison with NaN is false, so unknown cells pass.
        assert not model.active_parameters > model.total_parameters, model.id
        assert not model.attention_layers > model.layers, model.id
        assert not model.experts_per_token > model.experts, model.id
        assert not model.kv_heads > model.heads, model.id
        assert not model.total_parameters < 1e6, model.id
        if model.heads > 0 and model.kv_heads > 0:
            assert model.heads % model.kv_heads == 0, model.id
        assert model.id == model.id.lower()
        assert " " not in model.id


def test_enough_models_with_shapes() -> None:
    """The table covers what public figures name: over 200 models, over 100 language models with a cache size."""
    assert len(MODELS) >= 200
    assert sum(m.kind == "llm" and not math.isnan(m.kv_elements_per_token) for m in MODELS) >= 100


def test_twins_inherit_shape_but_not_benchmark() -> None:
    """A row with same_as takes the shape of the other, not its MLPerf lengths, names or source."""
    r1, v3 = table()["deepseek-r1"], table()["deepseek-v3"]
    assert r1.same_as == "deepseek-v3"
    assert (r1.layers, r1.experts, r1.total_parameters) == (v3.layers, v3.experts, v3.total_parameters)
    assert r1.mlperf_output_tokens > 3000
    assert math.isnan(v3.mlperf_output_tokens)
    assert not set(r1.aliases) & set(v3.aliases)
    # through a chain of two
    assert table()["deepseek-math-v2"].layers == 61
    assert table()["deepseek-math-v2"].attention_top_k == 2048


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.id)
def test_every_spelling_resolves_to_its_row(model: workloads.Workload) -> None:
    """The id, every alias, and the id in upper case or with underscores give the id."""
    for spelling in (model.id, *model.aliases, model.id.upper(), model.id.replace("-", "_")):
        assert resolve(spelling) == model.id


@pytest.mark.parametrize("name, expected", [
    ("meta-llama/Llama-3.1-70B-Instruct", "llama-3.1-70b"),
    ("Llama3.1-70B-FP8", "llama-3.1-70b"),
    ("llama2-70b-99.9", "llama-2-70b"),
    ("nvidia/DeepSeek-R1-FP4", "deepseek-r1"),
    ("DSR1", "deepseek-r1"),
    ("Qwen/Qwen3-235B-A22B-Instruct-2507-FP8", "qwen3-235b-a22b"),
    ("gpqa:openai/gpt-oss-20b", "gpt-oss-20b"),
    ("models--meta-llama--Llama-3.1-8B", "llama-3.1-8b"),
    ("/data/gpt-oss-120b/", "gpt-oss-120b"),
    ("llama-2-7b-chat.Q4_K_M.gguf", "llama-2-7b"),
    ("llama3.1:70b-instruct-q4_K_M", "llama-3.1-70b"),
    ("amd/Llama-3.1-405B-Instruct-FP8-KV", "llama-3.1-405b"),
    ("RedHatAI/Llama-3.3-70B-Instruct-quantized.w8a8", "llama-3.3-70b"),
    ("DeepSeek-R1-0528 sglang", "deepseek-r1"),
    ("llama3_1-405b", "llama-3.1-405b"),
    ("llama31_8b", "llama-3.1-8b"),
    ("llama2_70b_lora", "llama-2-70b-lora"),
    ("gnn", "rgat"),
    ("dlrm_dcnv2", "dlrm-v2"),
    ("3d-unet-99.9", "3d-unet"),
])
def test_usual_spellings(name: str, expected: str) -> None:
    """Publisher, case, separators, dates, formats, tasks and tiers don't matter."""
    assert resolve(name) == expected


@pytest.mark.parametrize("one, other", [
    ("Qwen3-30B-A3B", "Qwen3-32B"),
    ("Llama-3.1-8B", "Llama-3-8B"),
    ("DeepSeek-R1", "DeepSeek-R1-Distill-Llama-70B"),
    ("DeepSeek-R1", "DeepSeek-R1-Distill-Qwen-32B"),
    ("DeepSeek-V3", "DeepSeek-V3.2"),
    ("DeepSeek-V4-Flash", "DeepSeek-V4-Pro"),
    ("GLM-4.5", "GLM-4.5-Air"),
    ("GLM-4.7", "GLM-4.7-Flash"),
    ("Qwen3-8B", "Qwen3-VL-8B"),
    ("Qwen2-7B", "Qwen2.5-7B"),
    ("gpt-oss-20b", "gpt-oss-120b"),
    ("dlrm-99", "dlrm-v2-99"),
    ("3d-unet-99", "unet3d"),
    ("bert-base-uncased", "bert-99"),
    ("llama2-70b-99", "llama2_70b_lora"),
    ("Qwen3.5-27B", "Qwen3.6-27B"),
])
def test_near_names_stay_apart(one: str, other: str) -> None:
    """Sizes, versions, distillations and variants are different workloads."""
    assert resolve(one) is not None
    assert resolve(other) is not None
    assert resolve(one) != resolve(other)


@pytest.mark.parametrize("name", [
    "", "   ", "llama", "Qwen3", "Qwen3-31B", "Llama-3-18B", "Llama-33B", "Gemma4", "DeepSeek-R1-Distill-Qwen-7B",
    "gpt_oss", "bert-fp16", "LanguageModeling/BERT/triton/dist4l", "MoE model", "Falcon Mamba", "GPT-5", "99.9", "fp8",
])
def test_unknown_names_are_unknown(name: str) -> None:
    """A name without a size, or of a model that isn't in the table, is not guessed."""
    assert resolve(name) is None


@pytest.mark.parametrize("name, expected", [
    ("fp8_gemm", "gemm"), ("square matmul, best of sizes", "gemm"), ("grouped masked FP8 GEMM", "grouped-gemm"),
    ("MLA decode", "attention-decode"), ("Hy3 attention prefill", "attention-prefill"), ("flash2_bwd", "attention"),
    ("fused MoE, Qwen3-Next-80B-A3B, after tuning", "moe"), ("all_reduce", "all-reduce"), ("all-gather", "all-gather"),
    ("normal_dispatch_rdma", "dispatch"), ("EP combine", "combine"), ("low_latency_dispatch+combine", "all-to-all"),
    ("send_recv", "send-recv"), ("Triad", "stream-triad"), ("Mul", "stream-scale"), ("stream_read", "read"),
    ("stream_init", "write"), ("device_local_copy", "copy"), ("host to device memcpy (CE)", "host-copy"),
    ("unidirectional P2P", "peer-copy"), ("pointer_chase_latency", "pointer-chase"), ("l2_cache_read_bw", "cache-read"),
    ("roofline_fma", "vector"), ("RMSNorm", "layernorm"), ("SwiGLU", "activation"), ("mi355x_rotary", "elementwise"),
])
def test_kernel_names(name: str, expected: str) -> None:
    """Kernels of public tables map to their kind, even with a model's name beside them."""
    assert resolve(name) == expected


def test_kernels_resolve_to_themselves_and_are_no_models() -> None:
    """Kernel ids are stable names and never collide with a model's."""
    for kernel in KERNELS:
        assert resolve(kernel) == kernel
    assert not set(KERNELS) & set(table())


def test_frame_has_a_row_a_model() -> None:
    """The DataFrame holds every field of every model."""
    frame = workloads.frame()
    assert list(frame.columns) == [f.name for f in dataclasses.fields(workloads.Workload)]
    assert frame["id"].is_unique
    assert len(frame) == len(table())


def test_import_is_light() -> None:
    """Looking up a name loads neither pandas nor numpy."""
    code = ("import sys; from fingerprint import workloads; workloads.resolve('gptj-99'); "
            "print([m for m in ('pandas', 'numpy', 'sklearn') if m in sys.modules])")
    root = Path(__file__).resolve().parent.parent
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("lines, says", [
    ("a,llm,b\n", "leads nowhere"),
    ("a,llm,b\nb,llm,a\n", "leads nowhere"),
    ("a,llm,\na,llm,\n", "twice"),
    ("a,poem,\n", "kind"),
])
def test_a_damaged_table_is_refused(
    lines: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Circular or dangling twins, repeated ids and unknown kinds are named errors."""
    columns = ["workload" if f.name == "id" else f.name for f in dataclasses.fields(workloads.Workload)]
    file = tmp_path / "workloads.csv"
    file.write_text(",".join(columns) + "\n" + "".join(
        line + "," * (len(columns) - 3) + "\n" for line in lines.splitlines()), encoding="utf-8")
    monkeypatch.setattr("fingerprint.resources.path", lambda name: file)
    with pytest.raises(FingerprintError, match=says):
        workloads.table.__wrapped__()


#: Tables of language models, their column of names, and the least share of rows whose name must resolve.
TABLES = [
    ("facts/serving.csv", "workload", 0.92),
    ("llm/aiconfigurator/silicon_sample.csv.gz", "model_path", 1.0),
    ("llm/dgxc_benchmarking/facts.csv", "model", 1.0),
    ("llm/inferencex_blog/facts.csv", "model", 1.0),
    ("llm/inferencex_dashboard/flat_dedup.csv.gz", "model", 1.0),
    ("llm/inferencex_power_issues/facts.csv", "model", 0.90),
    ("llm/inferencex_runs/facts.csv", "model", 1.0),
    ("llm/llm_foundry/facts.csv", "model", 1.0),
    ("llm/llm_inference_bench/All_results.csv", "Model", 1.0),
    ("llm/megatron_bridge/facts.csv", "model", 1.0),
    ("llm/nemo_launcher/facts.csv", "model", 0.98),
    ("llm/nemo_perf/facts.csv", "model", 1.0),
    ("llm/pavlokhmel_llamacpp/facts.csv", "model", 1.0),
    ("llm/qwen_speed/facts.csv", "model", 1.0),
    ("llm/rocm_vllm/facts.csv", "model", 1.0),
    ("llm/sgl_cookbook/facts.csv", "model", 0.99),
    ("llm/sglang_cookbook_benchmarks/facts.csv", "model", 0.96),
    ("llm/trtllm_perf_overview/facts.csv", "model", 1.0),
    ("llm/xiongjie_llamacpp/facts.csv", "model", 1.0),
    ("micro/ml_energy_v3/facts.csv.gz", "kernel_or_test", 1.0),
    ("micro/ml_energy_v2/facts.csv.gz", "kernel_or_test", 0.95),
    ("mlperf/inference_v1.0-v6.0_derived.csv.gz", "benchmark", 0.91),
    ("mlperf/training_v1.0-v5.1_derived.csv.gz", "benchmark", 1.0),
    ("micro/gpu_benches/facts.csv.gz", "kernel_or_test", 1.0),
    ("micro/nccl_logs_docs/facts.csv", "kernel_or_test", 1.0),
    ("facts/gemm.csv", "workload", 0.98),
    ("facts/interconnect.csv", "workload", 0.97),
]


@pytest.mark.parametrize("path, column, least", TABLES, ids=[path for path, _, _ in TABLES])
def test_public_tables_resolve(raw_dir: Path, path: str, column: str, least: float) -> None:
    """The share of rows whose model or kernel is known doesn't fall."""
    names = [row[column] or "" for row in _rows(raw_dir / path)]
    assert sum(resolve(name) is not None for name in names) / len(names) >= least


def test_megatron_bridge_counts_the_same_flops(raw_dir: Path) -> None:
    """FLOP a token that Megatron-Bridge reports are six a parameter that this table calls active, and attention."""
    runs: dict[tuple[str | None, ...], dict[str, float]] = defaultdict(dict)
    for row in _rows(raw_dir / "llm/megatron_bridge/facts.csv"):
        run = (row["model"], *(row[c] for c in ("source_url", "commit_or_date", "gpu", "n_gpus", "precision", "phase",
                                                  "input_len", "batch_or_concurrency", "notes")))
        runs[run]["flops" if "flop" in row["metric"] else "tokens"] = float(row["value"])
    implied: dict[str, list[float]] = defaultdict(list)
    for (model, *_), figures in runs.items():
        if len(figures) == 2 and (name := resolve(model or "")):
            implied[name].append(figures["flops"] * 1e12 / figures["tokens"] / 6)
    assert len(implied) >= 11
    for name, counts in implied.items():
        assert 0.85 < statistics.median(counts) / table()[name].active_parameters < 1.4, name


def test_llm_foundry_counts_the_same_flops(raw_dir: Path) -> None:
    """LLM Foundry's FLOP a token are 6 parameters + 12 layers x hidden x length, so MPT's shapes are right."""
    runs: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
    for row in _rows(raw_dir / "llm/llm_foundry/facts.csv"):
        run = tuple(row[c] for c in ("model", "gpu", "n_gpus", "input_len", "batch_or_concurrency", "notes"))
        runs[run][row["metric"]] = float(row["value"])
    ratios = []
    for (model, _, _, length, *_), figures in runs.items():
        shape = table()[str(resolve(model))]
        cost = 6 * shape.total_parameters + 12 * shape.layers * shape.hidden * float(length)
        ratios.append(figures["model_tflops_per_gpu"] * 1e12 / figures["tokens_per_sec_per_gpu"] / cost)
    assert len(ratios) > 150
    assert statistics.median(ratios) == pytest.approx(1, abs=0.02)
    assert sum(abs(ratio - 1) < 0.1 for ratio in ratios) > 0.95 * len(ratios)


def test_mlperf_lengths_match_the_logs(raw_dir: Path) -> None:
    """Mean output tokens are those of the logs: tokens/s over samples/s of closed runs."""
    means: dict[str, list[float]] = defaultdict(list)
    for row in _rows(raw_dir / "mlperf/inference_v1.0-v6.0_derived.csv.gz"):
        name = resolve(row["benchmark"])
        if name and row["category"] == "closed" and row["log_samples_per_s"] and row["log_tokens_per_s"]:
            samples, tokens = float(row["log_samples_per_s"]), float(row["log_tokens_per_s"])
            if samples > 0 and tokens > 0:
                means[name].append(tokens / samples)
    assert len(means) >= 8
    for name, lengths in means.items():
        assert table()[name].mlperf_output_tokens == pytest.approx(statistics.median(lengths), rel=0.02), name


def test_costs_are_lower_bounds_on_known_chips(raw_dir: Path) -> None:
    """No MLPerf Offline result exceeds its chip's dense 8-bit peak at the cost a sample that this table gives."""
    peaks = {"A100-SXM-80GB": 624e12, "A100-PCIe-80GB": 624e12, "H100-SXM": 1979e12, "H200-SXM": 1979e12, "A30": 330e12,
             "T4": 130e12}
    best: dict[str, float] = defaultdict(float)
    for row in _rows(raw_dir / "mlperf/inference_v1.0-v6.0_derived.csv.gz"):
        peak = peaks.get(row["accelerator_family"])
        name = resolve(row["benchmark"])
        if not (peak and name and row["value_per_accelerator"] and row["category"] == "closed"):
            continue
        cost = table()[name].flops_per_sample
        if row["scenario"] == "Offline" and row["unit_corrected"] == "Samples/s" and cost > 0:
            best[name] = max(best[name], float(row["value_per_accelerator"]) * cost / peak)
    assert set(best) >= {"resnet50", "bert-large", "ssd-resnet34", "dlrm", "dlrm-v2", "stable-diffusion-xl"}
    assert max(best.values()) < 1
    # and not so low that they say nothing
    assert best["resnet50"] > 0.4
    assert best["ssd-resnet34"] > 0.5


@pytest.mark.parametrize(("model", "bits"), [("deepseek-r1", 8), ("deepseek-v3.2", 8), ("gpt-oss-120b", 4), ("kimi-k2.5", 4), ("minimax-m2.5", 8)])
def test_models_that_are_published_narrow_say_so(model: str, bits: float) -> None:
    """A release of the same architecture is published alike."""
    assert workloads.table()[model].published_bits == bits


def test_what_is_published_narrow_has_8_or_4_bits() -> None:
    assert {m.published_bits for m in workloads.table().values() if m.published_bits > 0} <= {4.0, 8.0}
