"""Single figures gathered by hand from issues, pull requests, posts and papers: what the five fact tables share.

The tables ``serving``, ``gemm``, ``interconnect``, ``memory`` and ``training_runs`` have one layout: a cell each for the
page, the chip as the page names it (``gpu_label_verbatim``) and as the gatherer read it (``gpu``), the count, the tool, the
workload, its shape in prose, the metric, the value and the unit as published. This module reads that layout; the modules
``facts_*`` say what each metric means.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from fingerprint.lab.ingest.labelled import number, numbers, slug

PROFILE_RULE = "one page (issue, pull request, post, file or paper) and one chip as that page names it"

#: Documents of these origins are read in full from a folder of their own. A row here whose value that folder holds is its copy.
COPIED_FROM: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (r"sgl-project/sgl-cookbook", ("llm/sgl_cookbook",), "sgl-cookbook"),
    (r"TensorRT-LLM/blob/.*perf-overview", ("llm/trtllm_perf_overview",), "trtllm-perf-overview"),
    (r"Qwen3/blob/.*speed_benchmark", ("llm/qwen_speed",), "qwen-speed"),
    (r"SemiAnalysisAI/InferenceX", ("llm/inferencex_power_issues", "llm/inferencex_runs"), "inferencex"),
    (r"sglang/pull/(?:31363|32959|33109)$", ("llm/sglang_cookbook_benchmarks",), "sglang-cookbook-benchmarks"),
    (r"zzc0721/torch-performance-test-data", ("micro/torch_matmul_crowd",), "torch-matmul-crowd"),
    (r"deepseek-ai/(?:DeepGEMM|DeepEP)/blob", ("micro/deepseek_kernels",), "deepseek-kernels"),
    (r"deepseek-ai/open-infra-index", ("llm/deepseek_open_infra",), "deepseek-open-infra"),
    (r"Megatron-Bridge/blob/.*/docs/performance-summary", ("llm/megatron_bridge",), "megatron-bridge"),
)

#: The tables of such a folder.
_HELD = ("facts.csv", "serving_blocks.csv")

#: One publisher, several addresses.
_ORIGINS: tuple[tuple[str, str], ...] = (
    (r"inferencex", "inferencex"),
    (r"sgl-project/sgl-cookbook|sglang/pull/(31363|32959|33109)$", "sglang-cookbook"),
    (r"github\.com/nvidia-nemo/", "nvidia-nemo"),
    # DeepSeek's papers of its own hardware stand with its repositories.
    (r"github\.com/deepseek-ai/|arxiv\.org/abs/(2405\.04434|2412\.19437|2505\.09343)", "deepseek-ai"),
    (r"lmsys\.org/blog|github\.com/lm-sys/", "lm-sys/lm-sys.github.io"),
    (r"epoch-ai-dataset|infsci1520", "epoch"),
)


def origin(url: str) -> str:
    """Return who measured: the repository as ``owner/name``, or the host and the first part of the path.

    A paper counts by its number, for one archive holds many authors. Text whose page is not known counts by itself.
    """
    lower = url.lower()
    for pattern, name in _ORIGINS:
        if re.search(pattern, lower):
            return name
    found = re.match(r"https?://github\.com/([^/\s]+/[^/\s]+)", lower) or re.match(
        r"https?://(?:www\.)?((?:arxiv\.org/abs|openai\.com/index|huggingface\.co/[^/]+)/[^/\s]+|[^/\s]+/[^/\s]+)",
        lower,
    )
    if found:
        return found[1]
    repository = re.match(r"([\w.-]+/[\w.-]+)(?:\s|$)", lower)
    return repository[1] if repository else _unlocated(lower)


def _unlocated(url: str) -> str:
    """Return a name for a text whose page is not known, from the words that describe it."""
    described = re.search(r"\((.*)\)", url)
    return "unlocated/" + "-".join(slug(described[1] if described else url).split("-")[:5])


def address(url: str) -> str:
    """Return the page to cite: the repository where the page itself is not known, empty where nothing is."""
    if url.startswith("http"):
        plain = url.split(" ", maxsplit=1)[0]
        return plain.removesuffix("/tree/main/blog")
    repository = re.match(r"([\w.-]+/[\w.-]+)(?:\s|$)", url)
    return f"https://github.com/{repository[1]}" if repository else ""


def label(gpu: str, verbatim: str) -> str:
    """Return the chip's name: as the gatherer read it, with the form factor where only the page's own words give it."""
    words = verbatim.upper()
    if gpu == "H100" and re.search(r"SXM|80GB HBM3", words):
        return "H100 SXM"  # 80 GB of HBM3: the PCIe card has HBM2e, the NVL 94 GB
    if gpu in ("A100", "A800", "A800-80GB", "H200", "H800", "B200", "B300") and "SXM" in words:
        return f"{gpu.split('-', maxsplit=1)[0]} SXM" + (" 80GB" if "80" in gpu + words else "")
    if gpu == "B200" and "DGX" in words:
        return "DGX B200"
    if gpu == "RTX PRO 6000 Blackwell" and "SERVER" in words:
        return "RTX PRO 6000 Blackwell Server Edition"
    if gpu == "RTX PRO 6000 Blackwell" and "WORKSTATION" in words:
        return "RTX PRO 6000 Blackwell Workstation Edition"
    # "GPU assumed" in the notes: the page says only "Blackwell".
    return "Blackwell" if words.startswith("BLACKWELL") else gpu


def read(raw: Path, table: str) -> pd.DataFrame:
    """Return a fact table as text, with the label columns, lengths and counts that every table has worked out.

    Columns added: ``label``, ``profile``, ``origin``, ``url``, ``accelerators``, ``number`` (the value), ``input``,
    ``output``, ``at_once`` (tokens and requests, NaN where the cell is prose), ``quarantine``, ``estimate``.
    """
    facts = pd.read_csv(raw / "facts" / f"{table}.csv", dtype=str, keep_default_na=False)
    facts["label"] = [label(g, v) for g, v in zip(facts["gpu"], facts["gpu_label_verbatim"], strict=True)]
    page = facts["source_url"].str.split("#").str[0]
    facts["origin"] = page.map({u: origin(u) for u in page.unique()})
    facts["url"] = facts["source_url"].map({u: address(u) for u in facts["source_url"].unique()})
    tail = page.str.replace(r"https?://(www\.)?(github\.com/)?", "", regex=True)
    tail = tail.str.replace(r"(blob|tree)/([0-9a-f]{8})[0-9a-f]{32}", r"\2", regex=True)
    tail = tail.str.replace(r"\s*\(.*", "", regex=True)
    tail = tail.mask(~facts["url"].astype(bool), facts["origin"])
    facts["profile"] = tail.map({t: slug(t) for t in tail.unique()}) + "/" + facts["label"].map(slug)
    count = numbers(facts["n_gpus"])
    # "NVIDIA H200 x 8" was read as 200 accelerators.
    facts["accelerators"] = count.mask(facts["gpu_label_verbatim"] == "NVIDIA H200 x 8", 8.0)
    facts["accelerators"] = facts["accelerators"].mask(facts["notes"].str.contains("TP not stated"), np.nan)
    facts["number"] = numbers(facts["value"])
    facts["input"] = tokens(facts["input_len"])
    facts["output"] = tokens(facts["output_len"])
    facts["at_once"] = numbers(facts["batch_or_concurrency"])
    facts["quarantine"] = ""
    facts["estimate"] = facts["notes"].str.contains(r"^estimate|interpolated by source").astype("int8")
    _mark_copies(facts, raw)
    return facts


def tokens(column: pd.Series) -> pd.Series:
    """Return lengths in tokens: ``128K`` is 131,072, ``33K`` 33,000, an upper limit or prose NaN.

    Round binary sizes are binary: the posts' own totals (input rate times time to first token) give 4,096 for "4K".
    """
    found = {}
    for text in column.unique():
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kKM]?)(?:\s*\(.*\))?", text.strip())
        if match is None:
            found[text] = np.nan
            continue
        size = float(match[1])
        binary = size >= 1 and float(np.log2(size)).is_integer()
        scale = {"": 1.0, "k": 1024.0 if binary else 1e3, "m": 1024.0**2 if binary else 1e6}[match[2].lower()]
        found[text] = size * scale
    return column.map(found).astype("float64")


def _holds_figures(column: str) -> bool:
    """Whether a column of another folder's tables holds published figures: the value, or a figure with its unit in the name."""
    return column == "value" or column.endswith((" (ms)", " (tok/s)", " (req/s)"))


def _mark_copies(facts: pd.DataFrame, raw: Path) -> None:
    """Quarantine, in place, the rows that a folder with its own module holds too, value by value."""
    for pattern, folders, source in COPIED_FROM:
        here = facts["source_url"].str.contains(pattern)
        files = [raw / f / name for f in folders for name in _HELD if (raw / f / name).exists()]
        if not here.any() or not files:
            continue
        held = [pd.read_csv(f, dtype=str, keep_default_na=False, usecols=_holds_figures) for f in files]
        known = {f"{v:.4g}" for v in numbers(sorted({str(c) for table in held for c in table.to_numpy().ravel()}))}
        same = facts["number"].map(lambda v, known=known: f"{v:.4g}" in known)
        facts.loc[here & same, "quarantine"] = f"copy of a figure of {source}"
    facts.loc[facts["source_url"].str.contains("zksainx/pipeweave"), "quarantine"] = "copy of a figure of pipeweave"
    facts.loc[facts["origin"] == "epoch", "quarantine"] = "copy of a figure of epoch"


def mark_repeats(frame: pd.DataFrame) -> None:
    """Quarantine, in place, a figure that an earlier row of the same origin and chip already gives, shape and all."""
    shape = [c for c in ("origin", "label", "workload", "precision", "quantity", "unit", "statistic", "accelerators",
                         "batch", "concurrency", "input_tokens", "output_tokens", "context_tokens", "m", "n", "k", "groups",
                         "message_bytes", "value") if c in frame]  # fmt: skip
    # "H800" and "H800 SXM" in two versions of one file are one machine.
    text = frame[shape].assign(label=frame["label"].str.split(r"[ -]").str[0]).astype(str)
    good = frame["quarantine"] == ""
    repeated = text[good].duplicated(keep="first")
    frame.loc[repeated[repeated].index, "quarantine"] = "copy of an earlier row of the same origin"


def precisions(column: pd.Series, chip: pd.Series) -> pd.DataFrame:
    """Return arithmetic, weight and cache precision of the published words.

    Weights of 4 bits on a chip without 4-bit arithmetic are unpacked to 16 bits before they are multiplied.
    """
    out = pd.DataFrame("", index=column.index, columns=["precision", "weight_precision", "kv_precision"])
    words = column.str.lower()
    unpacked = words.str.contains(r"awq|gptq|w4a16|w8a16|emulated") & ~words.str.contains("w4a8")
    out["precision"] = column.mask(unpacked, "bf16")
    out.loc[
        words.isin(["as model name", "as released", "bf16 or as released", "not stated", "q2_0", ""]), "precision"
    ] = ""
    out.loc[words.str.contains(r"fp4 weights|fp4 weights / fp8|w4a8|fp8 weights"), "precision"] = "fp8"
    out.loc[words.str.contains("emulated"), "precision"] = "bf16"
    out.loc[words.str.contains("int4|awq|w4a8") | (words == "awq"), "weight_precision"] = "int4"
    out.loc[words.str.contains("int8|w8a16"), "weight_precision"] = "int8"
    out.loc[words.str.contains(r"fp4 weights|w4a16"), "weight_precision"] = "fp4"
    without = chip.str.contains(r"^(?:H100|H200|H800|H20|A100|A800|MI300X|GH200)")
    stored = words.isin(["fp4", "nvfp4", "mxfp4"]) & without
    out.loc[stored, "precision"] = "bf16"
    out.loc[stored, "weight_precision"] = "fp4"
    return out


def shape(column: pd.Series, **patterns: str) -> pd.DataFrame:
    """Return the numbers that patterns with one group find in prose such as ``M=64, N=2112, K=7168``; NaN where none."""
    found = {}
    for name, pattern in patterns.items():
        found[name] = (
            column.str.extract(pattern, flags=re.IGNORECASE)[0].map(number, na_action="ignore").astype("float64")
        )
    return pd.DataFrame(found)
