"""SGLang's cookbook, first repository: whole result blocks of its serving benchmark, by model and GPU.

A row was one figure of one block; a profile is one page, GPU and engine version. Rates are of the server's whole group.
The benchmark draws prompt and answer lengths evenly from 1 up to the nominal ones, so the lengths kept are the means of what
was sent and generated.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint.lab.ingest.labelled import Source, finish

SOURCE = Source(
    name="sgl-cookbook",
    folders=("llm/sgl_cookbook",),
    profile_rule="one page, GPU and engine version",
    origin="sglang-cookbook",
    licence="Apache-2.0",
    left_out="image and video generation (resolution and steps are not stated); request rates, printed to two digits; peak "
    "rates; the long table of the same blocks",
)

#: Column of the block -> quantity, unit, statistic.
FIGURES = {
    "Output token throughput (tok/s)": ("output_throughput", "token/s", ""),
    "Total token throughput (tok/s)": ("total_throughput", "token/s", ""),
    **{
        f"{statistic} {name} (ms)": (quantity, "ms", statistic.lower())
        for name, quantity in (("TTFT", "ttft"), ("TPOT", "tpot"), ("ITL", "itl"), ("E2E Latency", "e2e_latency"))
        for statistic in ("Mean", "Median", "P99")
    },
}

#: What the checkpoints named in the blocks hold: arithmetic, weights. The rest are 16-bit checkpoints, which a server may
#: still quantise: not stated. GLM-5 fits eight H200 only in 8 bits.
CHECKPOINTS = (
    (r"DeepSeek-(?:V3|R1|Math-V2)|Kimi-K2-|MiniMax-M2|Ministral-3-14B-Instruct|-FP8$", ("fp8", "fp8")),
    (r"gpt-oss", ("", "fp4")),
    (r"Kimi-K2\.5", ("", "int4")),
    (r"GLM-5$", ("", "fp8")),
)


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    blocks = pd.read_csv(raw / SOURCE.folders[0] / "serving_blocks.csv", dtype={"num_prompts": str, "sglang": str})
    blocks = blocks[blocks["Total generated tokens"].notna()].reset_index(drop=True)
    requests = pd.to_numeric(blocks["Successful requests"])
    shared = pd.DataFrame(
        {
            "label": blocks["gpu"].where(blocks["gpu"] != "H100", blocks["gpu_label"]),
            "workload": blocks["model"],
            "concurrency": blocks["max_concurrency"],
            "input_tokens": blocks["Total input tokens"] / requests,
            "output_tokens": blocks["Total generated tokens"] / requests,
            # A label of two GB300 but a group of four: dies or modules, the count is not known.
            "accelerators": blocks["n_gpus"].mask(blocks["n_gpus"] < blocks["tp"].fillna(1)),
            "url": "https://github.com/sgl-project/sgl-cookbook/blob/main/" + blocks["file"],
            "profile": blocks["file"].str.extract(r"([^/]+)\.md$", expand=False)
            + "/" + blocks["gpu"] + "/" + blocks["sglang"].fillna(""),
            "run": blocks["file"] + ":" + blocks["line"].astype(str),
            "precision": "",
            "weight_precision": "",
            "quarantine": "",
        }
    )  # fmt: skip
    for pattern, (arithmetic, weights) in CHECKPOINTS:
        held = blocks["model"].str.contains(pattern)
        shared.loc[held, ["precision", "weight_precision"]] = [arithmetic, weights]
    shared.loc[blocks["dataset"] == "image", "quarantine"] = "images in the prompt, their cost is not in the columns"
    shared.loc[blocks["model"].str.contains("LLaDA"), "quarantine"] = "diffusion language model: several tokens a step"
    speculative = blocks["Accept length"].notna()
    parts = []
    for column, (quantity, unit, statistic) in FIGURES.items():
        part = shared.assign(value=blocks[column], quantity=quantity, unit=unit, statistic=statistic)
        if quantity != "ttft":
            part.loc[speculative & (part["quarantine"] == ""), "quarantine"] = (
                "speculative decoding: several tokens a step"
            )
        parts.append(part.assign(block=blocks.index))
    frame = pd.concat(parts, ignore_index=True).dropna(subset="value").sort_values(["block", "quantity", "statistic"])
    frame["tool"], frame["phase"], frame["scope"] = "serving", "serve", "system"
    return finish(frame.drop(columns="block"), SOURCE)
