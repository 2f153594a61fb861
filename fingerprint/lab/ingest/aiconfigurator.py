"""NVIDIA AIConfigurator's measured operators on ten systems: GEMM, attention, mixture of experts, collectives.

A row was one shape of one operator on one system, run by one engine and version; latency in ms of one GPU, of the
whole group for collectives. A profile is a system under one engine and version. The same wheel is gathered twice; a
table found in both folders is read once.

What the columns mean was read from the collectors and checked by physics on all 6.7 million rows:

- ``message_size`` of collectives counts elements. Custom all-reduce is BF16.
- ``step`` of decode attention is the cache before the step: the step attends to ``step + 1`` tokens.
- Prefill attention "bfloat16" over an FP8 cache runs at FP8 rates on some engines (2,857 TFLOP/s on a GB300): its
  arithmetic isn't stated after all. Left out. Decode over an FP8 cache keeps no stated arithmetic.
- Heads of 192 hold values narrower than keys (their traffic would beat the memory of H100 and L40S by 7 %), sliding
  windows do less work than their length says: left out, as is every other head size that few engines share.
- A mixture of experts is a gated one of three matrices, but not in Nemotron's shapes. Under expert parallelism or
  skewed routing the work of this GPU isn't determined: only whole, balanced layers are kept; nor DeepSeek-V3's, whose
  grouped routing visits fewer experts than its tokens could (weights would stream at 1.7 times the memory's
  bandwidth).
- "int8_wo" of SGLang on the H100 reaches 1,176 TFLOP/s, above the BF16 peak: it is INT8 arithmetic. "fp8" on the Arc
  B60 stays at its BF16 peak: weights only. "sq" (SmoothQuant) is INT8.
- Block-scaled FP8 in vLLM takes at least 50 to 280 us whatever the shape, the host's time: only rows well above that
  floor say anything of the chip.
- Loops repeat one shape on the same operands: what fits the last-level cache streams faster than the memory does (L40S
  and RTX PRO 6000 at m = 1, short decode caches).
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fingerprint.lab.ingest.kernel_facts import checked
from fingerprint.lab.ingest.labelled import Source, finish

SOURCE = Source(
    name="aiconfigurator",
    folders=("llm/aiconfigurator", "micro/aiconfigurator_ops"),
    profile_rule="one system under one engine (or NCCL) and version",
    origin="aiconfigurator",
    licence="Apache-2.0",
    thinning="shapes by hash, the same on all systems, engines and precisions: GEMM 0.8 %, prefill attention 1.7 %, "
    "decode attention 1.1 %, mixture of experts 10 %, MLA products 20 %; collectives every second size; the largest "
    "shapes always; of repeats the fastest",
    left_out="windowed attention, heads other than 64, 128, 256, prefill over a cache of another precision, expert "
    "parallelism, skewed routing, experts that aren't gated or are chosen in groups, FP8 MLA products, the quantiser "
    "of SGLang (bound by instructions), differences of measurements (computescale), launches without a graph where "
    "one with a graph exists, DeepEP and other expert dispatch, the derived wide tables, system files",
)

_COMMIT = "095f58a51c4ca8e61b66ec108d86f223f8d559ce"
_URL = f"https://github.com/ai-dynamo/aiconfigurator/tree/{_COMMIT}/aic-core/src/aiconfigurator_core/systems/data/"

#: What a system's folder holds, as the column ``device`` of its tables names it (H200's form factor is the folder's).
SYSTEMS = {
    "a100_sxm": "NVIDIA A100-SXM4-80GB",
    "b200_sxm": "NVIDIA B200",
    "b300_sxm": "NVIDIA B300 SXM6 AC",
    "b60": "Intel(R) Arc(TM) Pro B60 Graphics",
    "gb200": "NVIDIA GB200",
    "gb300": "NVIDIA GB300",
    "h100_sxm": "NVIDIA H100 80GB HBM3",
    "h200_sxm": "NVIDIA H200 SXM",
    "l40s": "NVIDIA L40S",
    "rtx_pro_6000_server": "NVIDIA RTX PRO 6000 Blackwell Server Edition",
}

#: Column of precision -> arithmetic, weights.
_FORMATS = {
    "bfloat16": ("bf16", ""), "fp8": ("fp8", ""), "fp8_block": ("fp8", ""), "nvfp4": ("fp4", ""), "sq": ("int8", ""),
    "int8_wo": ("bf16", "int8"), "int4_wo": ("bf16", "int4"), "w4a16_mxfp4": ("bf16", "fp4"),
    "w4a8_mxfp4_mxfp8": ("fp8", "fp4"),
}  # fmt: skip

#: Hidden and intermediate sizes of mixtures that are not gated (Nemotron 3), and of one whose gate is not known.
_NOT_GATED = frozenset({(2688, 1856), (1024, 2688), (4096, 2688), (2048, 5120), (8192, 5120), (3584, 3072)})

#: A latency this many times the fastest of its table is the kernel's own, not the launching host's.
_ABOVE_FLOOR = 4.0

#: Bytes beyond every last-level cache of the ten systems (the largest holds 126 MB).
_BEYOND_CACHE = 5e8

Mask = npt.NDArray[np.bool_]
Columns = dict[str, npt.NDArray[np.int64]]


@dataclass(frozen=True)
class _Table:
    """A stored table: where it is and what it belongs to."""

    path: Path
    system: str
    stack: str
    operator: str

    @property
    def profile(self) -> str:
        return f"{self.system}/{self.stack}"


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    frames = [_OPERATORS[table.operator](table) for table in _tables(raw)]
    frame = pd.concat([f for f in frames if len(f)], ignore_index=True)
    frame["label"] = frame["profile"].str.split("/").str[0].map(SYSTEMS)
    frame["url"] = _URL + frame["profile"].str.split("/").str[0]
    frame["accelerators"] = frame["accelerators"].fillna(1)
    return checked(finish(frame, SOURCE))


def _tables(raw: Path) -> Iterator[_Table]:
    first, second = (raw / folder for folder in SOURCE.folders)
    for path in sorted([*first.glob("*/*/*_perf.parquet*"), *second.glob("data/*/*/*/*/*_perf.parquet")]):
        parts = path.relative_to(first if path.is_relative_to(first) else second).parts
        system, stack = (parts[0], parts[1]) if len(parts) == 3 else (parts[1], f"{parts[3]}-{parts[4]}")
        operator = parts[-1].split("_perf.")[0]
        # The all-reduce filed under SGLang 0.5.6 equals TensorRT-LLM 1.2.0rc5's to the last digit.
        if operator in _OPERATORS and (operator, stack) != ("custom_allreduce", "sglang-0.5.6.post2"):
            yield _Table(path, system, stack, operator)


def _read(table: _Table, *columns: str) -> pa.Table:
    content = table.path.read_bytes()
    if table.path.suffix == ".gz":
        content = gzip.decompress(content)
    file = pq.ParquetFile(io.BytesIO(content))
    present = [name for name in (*columns, "latency", "power") if name in file.schema_arrow.names]
    return file.read(columns=present)


def _integers(table: pa.Table, *columns: str) -> Columns:
    """Return columns as integers; an absent window is none."""
    return {
        c: table.column(c).to_numpy() if c in table.column_names else np.zeros(table.num_rows, dtype=np.int64)
        for c in columns
    }


def share(*shape: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return a number in [0, 1) for each shape, the same wherever the shape occurs (splitmix64 over the dimensions)."""
    mixed = np.zeros(len(shape[0]), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for dimension in shape:
            mixed += dimension.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            mixed ^= mixed >> np.uint64(31)
    return mixed.astype(np.float64) / 2.0**64


def _rows(table: _Table, kept: pd.DataFrame, shape: list[str], **constant: str | int) -> pd.DataFrame:
    """Return one latency row a shape, the fastest of repeats, and a power row where the table measured power."""
    kept = kept[kept["latency"] > 0]
    kept = kept.sort_values([*shape, "latency"], kind="stable").drop_duplicates(shape, ignore_index=True)
    out = kept.drop(columns=["power"], errors="ignore").rename(columns={"latency": "value"})
    usual: dict[str, Any] = {
        "tool": "kernel",
        "phase": "kernel",
        "quantity": "latency",
        "unit": "ms",
        "statistic": "mean",
    }
    out = out.assign(profile=table.profile, **usual | constant)
    if "power" in kept:
        drawn = out.assign(quantity="power", unit="W", scope="accelerator", value=kept["power"])
        out = pd.concat([out, drawn[drawn["value"] > 0]], ignore_index=True)
    return out if "accelerators" in out else out.assign(accelerators=np.nan)


def _formats(names: pd.Series) -> pd.DataFrame:
    return pd.DataFrame(
        {"precision": names.map(lambda n: _FORMATS[n][0]), "weight_precision": names.map(lambda n: _FORMATS[n][1])}
    )


def _gemm(table: _Table) -> pd.DataFrame:
    rows = _read(table, "gemm_dtype", "m", "n", "k")
    size = _integers(rows, "m", "n", "k")
    m, n, k = size["m"], size["n"], size["k"]
    # Large squares show the arithmetic, one row against large weights the memory.
    largest = np.isin(m, (1, 8192, 16384)) & np.isin(n, (8192, 16384)) & np.isin(k, (8192, 16384))
    kept = rows.filter(pa.array(largest | (share(m, n, k) < 0.008))).to_pandas()
    block = kept["gemm_dtype"] == "fp8_block"
    broken = table.profile == "rtx_pro_6000_server/vllm-0.24.0"
    if table.stack.startswith("vllm") and not broken and block.any():
        whole = rows.filter(pc.equal(rows.column("gemm_dtype"), "fp8_block"))
        floor = float(pc.min(whole.column("latency")).as_py())
        kept = kept[~block | (kept["latency"] >= _ABOVE_FLOOR * floor)].reset_index(drop=True)
    kept[["precision", "weight_precision"]] = _formats(kept["gemm_dtype"])
    if table.system == "h100_sxm":
        kept.loc[kept["gemm_dtype"] == "int8_wo", ["precision", "weight_precision"]] = ["int8", ""]
    if table.system == "b60":
        kept.loc[kept["gemm_dtype"] == "fp8", ["precision", "weight_precision"]] = ["bf16", "fp8"]
    out = _rows(table, kept, ["gemm_dtype", "m", "n", "k"], workload="gemm")
    if broken:
        out["quarantine"] = np.where(out["gemm_dtype"] == "fp8_block", "broken upstream: at most 3 TFLOP/s", "")
    return out.drop(columns="gemm_dtype")


_ATTENTION = ["batch_size", "num_heads", "num_key_value_heads", "head_dim", "window_size"]
_ATTENTION_NAMES = {
    "batch_size": "batch", "num_heads": "heads", "num_key_value_heads": "kv_heads",
}  # fmt: skip


def _full_attention(size: Columns) -> Mask:
    return cast("Mask", (size["window_size"] == 0) & np.isin(size["head_dim"], (64, 128, 256)))


def _common_heads(size: Columns) -> Mask:
    """Return where the heads are those of the most usual models: 32 sharing 8, of 128."""
    usual = (size["num_heads"] == 32) & (size["num_key_value_heads"] == 8) & (size["head_dim"] == 128)
    return cast("Mask", usual)


def _prefill(table: _Table) -> pd.DataFrame:
    rows = _read(table, *_ATTENTION, "isl", "attn_dtype", "kv_cache_dtype")
    size = _integers(rows, *_ATTENTION, "isl")
    chosen = share(*(size[c] for c in (*_ATTENTION[:4], "isl"))) < 0.017
    chosen |= _common_heads(size) & (size["isl"] >= 8192)
    # A single query token is a decode step by another name.
    chosen &= _full_attention(size) & (size["isl"] > 1)
    kept = rows.filter(pa.array(chosen)).to_pandas()
    kept = kept[kept["attn_dtype"] == kept["kv_cache_dtype"]].drop(
        columns=["window_size", "kv_cache_dtype"], errors="ignore"
    )
    kept = kept.rename(columns={**_ATTENTION_NAMES, "isl": "input_tokens", "attn_dtype": "precision"})
    shape = ["precision", "batch", "heads", "kv_heads", "head_dim", "input_tokens"]
    kept["precision"] = kept["precision"].map({"bfloat16": "bf16", "fp8": "fp8"})
    return _rows(table, kept, shape, workload="attention-prefill")


def _decode(table: _Table) -> pd.DataFrame:
    rows = _read(table, *_ATTENTION, "step", "kv_cache_dtype")
    size = _integers(rows, *_ATTENTION, "step")
    chosen = share(*(size[c] for c in (*_ATTENTION[:4], "step"))) < 0.011
    chosen |= _common_heads(size) & (size["step"] >= 4095) & (size["batch_size"] >= 64)
    kept = (
        rows.filter(pa.array(chosen & _full_attention(size))).to_pandas().drop(columns="window_size", errors="ignore")
    )
    kept = kept.rename(columns={**_ATTENTION_NAMES, "kv_cache_dtype": "kv_precision"})
    kept["context_tokens"] = kept.pop("step") + 1
    wide = kept["kv_precision"] == "bfloat16"
    kept["precision"] = np.where(wide, "bf16", "")
    kept["kv_precision"] = np.where(wide, "bf16", "fp8")
    shape = ["kv_precision", "batch", "heads", "kv_heads", "head_dim", "context_tokens"]
    out = _rows(table, kept, shape, workload="attention-decode", input_tokens=1)
    if table.profile == "a100_sxm/trtllm-1.0.0":
        # Half of the large caches stream at up to 1.7 times the memory's bandwidth.
        out["quarantine"] = "reads the stated cache faster than the memory can: its precision or head count is wrong"
    return out


def _experts(table: _Table) -> pd.DataFrame:
    dimensions = ("num_tokens", "hidden_size", "inter_size", "topk", "num_experts", "moe_tp_size", "moe_ep_size")
    rows = _read(table, *dimensions, "moe_dtype", "distribution")
    size = _integers(rows, *dimensions)
    chosen = (share(*(size[c] for c in dimensions)) < 0.1) | (
        (size["num_tokens"] == 16384) & (size["moe_tp_size"] == 1)
    )
    chosen &= (size["moe_ep_size"] == 1) & (size["inter_size"] % size["moe_tp_size"] == 0)
    kept = rows.filter(pa.array(chosen)).to_pandas()
    gated = [pair not in _NOT_GATED for pair in zip(kept["hidden_size"], kept["inter_size"], strict=True)]
    # DeepSeek-V3 chooses groups of experts first: even balanced, few tokens visit half of the experts at most.
    grouped = (kept["hidden_size"] == 7168) & (kept["num_experts"] == 256)
    kept = kept[(kept["distribution"] == "balanced") & np.array(gated, dtype=bool) & ~grouped].reset_index(drop=True)
    kept[["precision", "weight_precision"]] = _formats(kept["moe_dtype"])
    kept["n"] = kept["inter_size"] // kept["moe_tp_size"]
    kept = kept.rename(
        columns={"num_tokens": "m", "hidden_size": "k", "num_experts": "groups", "topk": "experts_per_token"}
    ).drop(columns=["inter_size", "moe_tp_size", "moe_ep_size", "distribution"])
    out = _rows(table, kept, ["moe_dtype", "m", "n", "k", "groups", "experts_per_token"], workload="moe")
    return out.drop(columns="moe_dtype")


def _latent_products(table: _Table) -> pd.DataFrame:
    """Multi-head latent attention's products by head: 128 -> 512 before the kernel, 512 -> 128 after it."""
    rows = _read(table, "op_name", "bmm_dtype", "num_tokens", "num_heads")
    size = _integers(rows, "num_tokens", "num_heads")
    chosen = (share(size["num_tokens"], size["num_heads"]) < 0.2) | (
        (size["num_tokens"] >= 8192) & (size["num_heads"] == 128)
    )
    kept = rows.filter(pa.array(chosen)).to_pandas()
    # FP8 products are timed with the quantising of their operand, which takes most of the time, or multiply in BF16.
    kept = kept[kept["bmm_dtype"] == "bfloat16"].drop(columns="bmm_dtype")
    before = kept.pop("op_name") == "mla_gen_pre"
    kept = kept.rename(columns={"num_tokens": "m", "num_heads": "groups"})
    kept["n"], kept["k"] = np.where(before, 512, 128), np.where(before, 128, 512)
    return _rows(table, kept, ["m", "n", "k", "groups"], workload="batched-gemm", precision="bf16")


def _quantiser(table: _Table) -> pd.DataFrame:
    """Scaling a BF16 matrix to FP8 by a known factor reads two bytes an element and writes one: it streams."""
    rows = _read(table, "m", "k").to_pandas()
    moved = 3.0 * rows["m"] * rows["k"]
    rows = rows.assign(n=rows.pop("k"), working_set_bytes=moved, latency=moved / (rows["latency"] * 1e-3))
    rows = rows[(moved >= _BEYOND_CACHE) & (not table.stack.startswith("sglang"))]
    return _rows(table, rows, ["m", "n"], workload="elementwise", quantity="bandwidth", unit="B/s")


_COLLECTIVES = {
    "all_reduce": "all-reduce", "all_gather": "all-gather", "reduce_scatter": "reduce-scatter", "alltoall": "all-to-all",
}  # fmt: skip


def _collective(table: _Table) -> pd.DataFrame:
    kept = _read(
        table, "op_name", "nccl_dtype", "allreduce_dtype", "kernel_source", "num_gpus", "message_size"
    ).to_pandas()
    eager = kept["kernel_source"].str.endswith("_eager")
    kept = kept[~eager | (not (~eager).any())]
    element = kept["nccl_dtype"] if "nccl_dtype" in kept else kept["allreduce_dtype"]
    kept["message_bytes"] = kept.pop("message_size") * element.map({"half": 2, "bfloat16": 2, "int8": 1})
    kept["precision"] = element.map({"half": "fp16", "bfloat16": "bf16", "int8": "int8"})
    kept["workload"] = kept["op_name"].map(_COLLECTIVES)
    kept = kept.rename(columns={"num_gpus": "accelerators"})
    power = np.log2(kept["message_bytes"])
    kept = kept[(power % 2 == 0) | (power >= 28)]
    kept = kept[["workload", "precision", "accelerators", "message_bytes", "latency"]]
    # Moving bytes costs the same in any type: of FP16 and INT8 the faster stands for the size.
    return _rows(table, kept, ["workload", "accelerators", "message_bytes"], tool="collective")


_OPERATORS: dict[str, Callable[[_Table], pd.DataFrame]] = {
    "gemm": _gemm,
    "context_attention": _prefill,
    "generation_attention": _decode,
    "moe": _experts,
    "mla_bmm": _latent_products,
    "scale_matrix": _quantiser,
    "nccl": _collective,
    "oneccl": _collective,
    "custom_allreduce": _collective,
}
