"""LLMServingSim's operator profiles and the vLLM runs that validate them.

A row was one operator's time by tokens. Version 0 (H100, RTX A6000, RTX 3090) is in nanoseconds, version 1 (RTX PRO 6000,
RTX 4090) in microseconds, profiled through vLLM. Matrix sizes come from the published model configurations and the
tensor-parallel degree t; three things that the tables don't say were settled by magnitude:

- version 0 splits q, k, v, o, gate, up, down and the output projection by t, but the experts of Mixtral not (their times
  are the same at every degree), so their n (or k) is the whole 14336;
- version 1 profiles one GPU's share of a higher degree on a single GPU, so every row is one accelerator;
- version 1's ``kv_prefill`` counts the tokens before the chunk.

The reference runs (300 ShareGPT requests at 10 a second) give one row a statistic; ``concurrency`` is the mean number of
running requests in the run's own time series, because the request rate outran the small cards.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from fingerprint.lab.ingest.kernel_facts import checked, thinned
from fingerprint.lab.ingest.labelled import Source, finish

SOURCE = Source(
    name="llmservingsim-profiles",
    folders=("llm/llmservingsim_profiles",),
    profile_rule="one GPU, model and profiler version; one reference run",
    origin="casys-kaist/llmservingsim",
    licence="MIT",
    thinning="version 0: 6 % of the token counts and 1, 8, 64, 256, 1024, 2048; version 1 whole",
    left_out="version 0's attention tables (kv_cache_size appears to be summed over the batch, which is not documented); "
    "norms, rotary embedding, embedding, activation and sampler (several small launches or cache-resident); version 1's "
    "mixed prefill-decode batches; simulated figures beside the measured ones; time to first token and request times "
    "of the reference runs (they are mostly queueing)",
)

#: hidden, query heads, key-value heads, head size, intermediate, vocabulary: the models' published configurations.
_MODELS = {
    "Llama-3.1-8B": (4096, 32, 8, 128, 14336, 128256),
    "Llama-3.1-70B": (8192, 64, 8, 128, 28672, 128256),
    "Mixtral-8x7B-v0.1": (4096, 32, 8, 128, 14336, 32000),
    "Qwen3-32B": (5120, 64, 8, 128, 25600, 151936),
    "Qwen3-30B-A3B-Instruct-2507": (2048, 32, 4, 128, 6144, 151936),
}
#: Intermediate size of an expert and experts a token (Qwen3-30B-A3B).
_EXPERT_SIZE, _EXPERTS_PER_TOKEN = 768, 8
_LABELS = {"A6000": "RTX A6000", "H100": "H100", "RTX3090": "RTX 3090", "RTX4090": "RTX 4090",
           "RTXPRO6000": "RTX PRO 6000 Blackwell Server Edition"}  # fmt: skip
_ALWAYS = (1, 8, 64, 256, 1024, 2048)
_URL = "https://github.com/casys-kaist/LLMServingSim/tree/5daddb21a545658d5150b535712d0494584b5278"


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows of both versions and the reference runs."""
    root = raw / SOURCE.folders[0]
    parts = [_old(path) for path in sorted(root.glob("v0/*/*/*/layers.csv.gz"))]
    parts += [part for folder in sorted(root.glob("v1/*/*/*/tp*")) for part in _new(folder)]
    parts.append(pd.DataFrame(row for folder in sorted(root.glob("bench/*/*")) for row in _run(folder)))
    frame = pd.concat(parts, ignore_index=True)
    frame["url"] = _URL
    return checked(finish(frame, SOURCE))


def _sizes(model: str, share: int) -> dict[str, tuple[float, float]]:
    """Return n and k of each operator on one of ``share`` accelerators."""
    hidden, heads, kv_heads, size, expanded, vocabulary = _MODELS[model]
    return {
        "q_proj": (heads * size / share, hidden),
        "k_proj": (kv_heads * size / share, hidden),
        "v_proj": (kv_heads * size / share, hidden),
        "qkv_proj": ((heads + 2 * kv_heads) * size / share, hidden),
        "o_proj": (hidden, heads * size / share),
        "gate_proj": (expanded / share, hidden),
        "up_proj": (expanded / share, hidden),
        "gate_up_proj": (2 * expanded / share, hidden),
        "down_proj": (hidden, expanded / share),
        "lm_head": (vocabulary / share, hidden),
        "expert.w1": (expanded, hidden),
        "expert.w3": (expanded, hidden),
        "expert.w2": (hidden, expanded),
    }


def _frame(device: str, model: str, version: str, **columns: Any) -> pd.DataFrame:
    frame = pd.DataFrame(columns)
    constant: dict[str, Any] = {
        "profile": f"{version}|{device}|{model}", "label": _LABELS[device], "tool": "kernel", "phase": "kernel",
        "precision": "bf16", "accelerators": 1, "quantity": "latency",
    }  # fmt: skip
    return frame.assign(**{name: value for name, value in constant.items() if name not in frame})


def _old(path: Path) -> pd.DataFrame:
    device, model, degree = path.parts[-4], path.parts[-3], int(path.parts[-2][2:])
    table = pd.read_csv(path)
    sizes = _sizes(model, degree)
    table = table[table["layer_name"].isin([*sizes, "attn"])]
    if degree > 1:  # the experts are not split: a repetition of degree 1
        table = table[~table["layer_name"].str.startswith("expert.")]
    table = table.reset_index(drop=True)
    table = thinned(table, ["input"], 0.06, table["input"].isin(_ALWAYS))
    _, heads, kv_heads, size, _, _ = _MODELS[model]
    attention = table["layer_name"] == "attn"
    product = table["layer_name"].map(lambda name: sizes.get(name, (float("nan"), float("nan"))))
    only = {"heads": heads / degree, "kv_heads": kv_heads / degree, "head_dim": size, "batch": 1}
    return _frame(
        device,
        model,
        "v0",
        workload=attention.map({True: "attention-prefill", False: "gemm"}),
        m=table["input"].where(~attention),
        n=product.str[0],
        k=product.str[1],
        input_tokens=table["input"].where(attention),
        **{name: attention.map({True: value, False: float("nan")}) for name, value in only.items()},
        value=table["latency(ns)"],
        unit="ns",
    )


def _new(folder: Path) -> Iterator[pd.DataFrame]:
    device, model, degree = folder.parts[-4], folder.parts[-3], int(folder.parts[-1][2:])
    _, heads, kv_heads, size, _, _ = _MODELS[model]
    sizes = _sizes(model, degree)
    dense = pd.read_csv(folder / "dense.csv").rename(columns={"layer": "name", "tokens": "m"})
    last = pd.read_csv(folder / "per_sequence.csv").rename(columns={"layer": "name", "sequences": "m"})
    table = pd.concat([dense, last], ignore_index=True)
    table = table[table["name"].isin(sizes)].reset_index(drop=True)
    yield _frame(
        device,
        model,
        "v1",
        workload="gemm",
        m=table["m"],
        n=table["name"].map(lambda name: sizes[name][0]),
        k=table["name"].map(lambda name: sizes[name][1]),
        value=table["time_us"],
        unit="us",
    )
    table = pd.read_csv(folder / "attention.csv.gz")
    shared = {"heads": heads / degree, "kv_heads": kv_heads / degree, "head_dim": size, "unit": "us"}
    decode = table[(table["prefill_chunk"] == 0) & (table["n_decode"] > 0)]
    yield _frame(
        device,
        model,
        "v1",
        workload="attention-decode",
        batch=decode["n_decode"],
        input_tokens=1,
        context_tokens=decode["kv_decode"],
        value=decode["time_us"],
        **shared,
    )
    prefill = table[(table["prefill_chunk"] > 0) & (table["n_decode"] == 0)]
    yield _frame(
        device,
        model,
        "v1",
        workload="attention-prefill",
        batch=1,
        input_tokens=prefill["prefill_chunk"],
        context_tokens=prefill["prefill_chunk"] + prefill["kv_prefill"],
        value=prefill["time_us"],
        **shared,
    )
    if (folder / "moe.csv").exists():
        table = pd.read_csv(folder / "moe.csv")
        yield _frame(
            device,
            model,
            "v1",
            workload="moe",
            m=table["tokens"],
            n=_EXPERT_SIZE / degree,
            k=_MODELS[model][0],
            # As many experts as the profiler made the router choose; the weights of the others are not read.
            groups=table["activated_experts"],
            experts_per_token=_EXPERTS_PER_TOKEN,
            value=table["time_us"],
            unit="us",
        )


def _run(folder: Path) -> Iterator[dict[str, Any]]:
    meta = json.loads((folder / "vllm" / "meta.json").read_text(encoding="utf-8"))
    requests = pd.read_json(folder / "vllm" / "requests.jsonl.gz", lines=True)
    series = pd.read_csv(folder / "vllm" / "timeseries.csv")
    seconds = pd.Timestamp(meta["finished_at"]) - pd.Timestamp(meta["started_at"])
    engine = meta["engine_kwargs"]
    common = {
        "profile": f"vllm|{folder.parts[-2]}|{folder.parts[-1]}",
        "label": _LABELS[folder.parts[-2]],
        "tool": "serving",
        "phase": "serve",
        "workload": meta["model"],
        "precision": "bf16",
        "accelerators": engine["tensor_parallel_size"] * engine["data_parallel_size"],
        "concurrency": series["running"].mean(),
        "input_tokens": requests["input_toks"].mean(),
        "output_tokens": requests["output_toks"].mean(),
        "date": meta["started_at"][:10],
    }
    total = seconds.total_seconds()
    yield {
        **common,
        "quantity": "output_throughput",
        "unit": "tokens/s",
        "value": requests["output_toks"].sum() / total,
    }
    yield {**common, "quantity": "input_throughput", "unit": "tokens/s", "value": requests["input_toks"].sum() / total}
    for line in (folder / "validation" / "summary.txt").read_text(encoding="utf-8").splitlines():
        words = line.split()
        if words[:1] == ["TPOT"]:  # columns: metric, statistic, vLLM (measured), simulator, difference
            yield {**common, "quantity": "tpot", "unit": "ms", "statistic": words[1].lower(), "value": float(words[2])}
