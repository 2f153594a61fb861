"""NVIDIA AIConfigurator's measured operators: one Parquet table an operator, one row a shape.

Latencies are milliseconds of one GPU, of the whole group for collectives. What the columns mean, and which rows say
nothing sound, was read from the collectors and checked by physics on 6.7 million published rows (see
``fingerprint.lab.ingest.aiconfigurator``): ``message_size`` counts elements; ``step`` of decode attention is the cache
before the step; prefill over a cache of another precision does not have the arithmetic it states. The column ``device``
is what the file says its hardware is: reported, never used, not even to tell the traps that depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TextIO, cast

import numpy as np
import numpy.typing as npt

from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Ignored, Measurements, from_columns

NAME = "aiconfigurator"
TITLE = "AIConfigurator operator table: Parquet (gemm, context and generation attention, moe, mla_bmm, nccl, custom_allreduce …)"
YIELDS = "latency of GEMM, attention, mixture of experts and collectives; power where measured; bandwidth of casts"

#: Data type of a table -> arithmetic, weights.
FORMATS = {
    "bfloat16": ("bf16", ""), "float16": ("fp16", ""), "half": ("fp16", ""), "fp8": ("fp8", ""), "fp8_block": ("fp8", ""),
    "nvfp4": ("fp4", ""), "sq": ("int8", ""), "int8": ("int8", ""), "int8_wo": ("bf16", "int8"), "int4_wo": ("bf16", "int4"),
    "w4a16_mxfp4": ("bf16", "fp4"), "w4a8_mxfp4_mxfp8": ("fp8", "fp4"),
}  # fmt: skip

_COLLECTIVES = {"all_reduce": "all-reduce", "all_gather": "all-gather", "reduce_scatter": "reduce-scatter",
                "alltoall": "all-to-all"}  # fmt: skip
_ELEMENT_BYTES = {"half": 2.0, "float16": 2.0, "bfloat16": 2.0, "int8": 1.0, "fp8": 1.0, "float": 4.0, "float32": 4.0}

#: Hidden and intermediate sizes of mixtures that are not gated (Nemotron 3), and of one whose gate is not known.
_NOT_GATED = ((2688, 1856), (1024, 2688), (4096, 2688), (2048, 5120), (8192, 5120), (3584, 3072))

#: Heads that many engines share; those of 192 hold values narrower than keys.
_HEADS = (64.0, 128.0, 256.0)

#: vLLM's block-scaled FP8 takes 50 us or more whatever the shape: rows this many times the fastest are the kernel's own.
_ABOVE_FLOOR = 4.0

#: Bytes beyond every last-level cache of these systems (the largest holds 126 MB).
_BEYOND_CACHE = 5e8

_WORDS = ("framework", "device", "op_name", "kernel_source", "gemm_dtype", "attn_dtype", "kv_cache_dtype", "moe_dtype", "distribution",
          "bmm_dtype", "nccl_dtype", "allreduce_dtype", "quant_dtype")  # fmt: skip
_NUMBERS = ("m", "n", "k", "batch_size", "isl", "num_heads", "num_key_value_heads", "head_dim", "window_size", "step", "num_tokens",
            "hidden_size", "inter_size", "topk", "num_experts", "moe_tp_size", "moe_ep_size", "num_gpus", "message_size", "power",
            "latency")  # fmt: skip

Array = npt.NDArray[Any]


def sniff(head: str) -> float:
    """Return 0: these tables are Parquet, told by their columns."""
    del head
    return 0.0


def read(text: TextIO, name: str) -> Measurements:
    """Refuse text: these tables are Parquet.

    Raises
    ------
    FormatError
        Always.
    """
    del text
    raise FormatError("is text; AIConfigurator's operator tables are Parquet", name)


def sniff_columns(names: Sequence[str]) -> float:
    """Return how sure this is an operator table: its latency, its provenance, and the shape of an operator."""
    known = set(names)
    if not {"latency", "kernel_source"} <= known:
        return 0.0
    return 1.0 if any(needed <= known for needed, _ in _OPERATORS) else 0.4


def read_parquet(stream: Any, name: str) -> Measurements:
    """Return the table's figures, the fastest of repeats of a shape; several devices are several profiles.

    Raises
    ------
    FormatError
        For a table of another operator.
    InputError
        For a damaged file, a column that holds no numbers, or no usable row.
    """
    rows = _loaded(stream, name)
    known = set(rows.columns)
    operator = next((read for needed, read in _OPERATORS if needed | {"latency"} <= known), None)
    if operator is None:
        raise FormatError(
            "is an AIConfigurator table of an operator that is not read; gemm, context_attention, generation_attention, moe, "
            "mla_bmm, scale_matrix, nccl, oneccl and custom_allreduce are",
            name,
        )
    latency = rows["latency"]
    rows = rows.where(np.isfinite(latency) & (latency > 0), "no latency above zero")
    figures = operator(rows)
    if not len(figures):
        reasons = "; ".join(dict.fromkeys(figures.ignored.values()))
        raise InputError(f"holds no usable row{': ' + reasons if reasons else ''}", name)
    return _measurements(figures, name)


@dataclass
class _Rows:
    """Columns of equal length, the file's row numbers, and why others were left out (first row -> reason)."""

    columns: dict[str, Array]
    row: npt.NDArray[np.int64]
    ignored: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, name: str) -> Array:
        return self.columns[name]

    def get(self, name: str, missing: float) -> Array:
        """Return a column, or a constant where the table lacks it."""
        return self.columns.get(name, np.full(len(self), missing))

    def where(self, mask: Array, why: str) -> _Rows:
        """Return the rows of a mask; the others are noted once."""
        ignored = dict(self.ignored)
        if not mask.all():
            first = int(self.row[int(np.argmin(mask))])
            ignored[first] = "; ".join(filter(None, (ignored.get(first), f"{int((~mask).sum())} rows: {why}")))
        return _Rows({n: c[mask] for n, c in self.columns.items()}, self.row[mask], ignored)

    def with_columns(self, **columns: Array | str | float) -> _Rows:
        """Return the rows with columns added or replaced; a word or number is repeated."""
        full = {n: c if isinstance(c, np.ndarray) else np.full(len(self), c, dtype=object if isinstance(c, str) else float)
                for n, c in columns.items()}  # fmt: skip
        return _Rows(self.columns | full, self.row, self.ignored)

    def fastest(self, *shape: str) -> _Rows:
        """Return one row a shape, the fastest."""
        keys = [np.unique(self[name].astype(str) if self[name].dtype == object else self[name], return_inverse=True)[1]
                for name in ("device", *shape) if name in self.columns]  # fmt: skip
        order = np.lexsort((self["latency"], *keys))
        change = np.zeros(len(order), dtype=bool)
        for key in keys:
            change[1:] |= key[order][1:] != key[order][:-1]
        change[:1] = True
        kept = np.sort(order[change])
        return _Rows({n: c[kept] for n, c in self.columns.items()}, self.row[kept], self.ignored)


def _loaded(stream: Any, name: str) -> _Rows:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    columns: dict[str, Array] = {}
    try:
        file = pq.ParquetFile(stream)
        present = [c for c in file.schema_arrow.names if c in _WORDS or c in _NUMBERS]
        table = file.read(columns=present)
        for key in present:
            column = table.column(key)
            if key in _NUMBERS:
                columns[key] = pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False)
            else:
                words = pc.cast(column, pa.string()).to_pylist()
                columns[key] = np.array([w or "" for w in words], dtype=object)
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        raise InputError(f"is a damaged Parquet file: {(str(error).splitlines() or [''])[0][:100]}", name) from error
    return _Rows(columns, np.arange(1, len(table) + 1, dtype=np.int64))


def _typed(rows: _Rows, column: str) -> _Rows:
    """Return the rows of known data types with their arithmetic and weights."""
    rows = rows.where(np.isin(rows[column].astype(str), list(FORMATS)), "a data type that is not known")
    pairs = [FORMATS[word] for word in rows[column].tolist()]
    return rows.with_columns(
        precision=np.array([p[0] for p in pairs], dtype=object), weight_precision=np.array([p[1] for p in pairs], dtype=object)
    )


def _framework(rows: _Rows, name: str) -> Array:
    words = rows.columns.get("framework", np.full(len(rows), "", dtype=object))
    return cast("Array", np.char.lower(words.astype(str)) == name)


def _gemm(rows: _Rows) -> _Rows:
    rows = _typed(rows, "gemm_dtype")
    kind = rows["gemm_dtype"]
    # It exceeds the 16-bit peak on one system: INT8 arithmetic there, weights only elsewhere.
    rows = rows.where(~(_framework(rows, "sglang") & (kind == "int8_wo")), "int8_wo of SGLang, whose arithmetic is not settled")
    block = _framework(rows, "vllm") & (rows["gemm_dtype"] == "fp8_block")
    if block.any():
        own = rows["latency"] >= _ABOVE_FLOOR * rows["latency"][block].min()
        rows = rows.where(~block | own, "block-scaled FP8 of vLLM bound by the host's launches")
    return rows.fastest("gemm_dtype", "m", "n", "k").with_columns(workload="gemm")


def _heads(rows: _Rows) -> _Rows:
    plain = (rows.get("window_size", 0.0) == 0) & np.isin(rows["head_dim"], _HEADS)
    rows = rows.where(plain, "windowed attention, or heads that few engines share")
    return rows.with_columns(batch=rows["batch_size"], heads=rows["num_heads"], kv_heads=rows["num_key_value_heads"])


def _prefill(rows: _Rows) -> _Rows:
    rows = _heads(_typed(rows, "attn_dtype"))
    rows = rows.where(rows["attn_dtype"] == rows["kv_cache_dtype"], "a cache of another precision, whose arithmetic is not settled")
    rows = rows.where(rows["isl"] > 1, "a single query token")
    rows = rows.with_columns(input_tokens=rows["isl"], workload="attention-prefill", weight_precision="")
    return rows.fastest("precision", "batch", "heads", "kv_heads", "head_dim", "input_tokens")


def _decode(rows: _Rows) -> _Rows:
    rows = _heads(rows)
    wide = rows["kv_cache_dtype"] == "bfloat16"
    rows = rows.where(wide | (rows["kv_cache_dtype"] == "fp8"), "a cache whose type is not known")
    wide = rows["kv_cache_dtype"] == "bfloat16"
    # The arithmetic over an FP8 cache is not stated.
    rows = rows.with_columns(
        context_tokens=rows["step"] + 1.0, input_tokens=1.0, workload="attention-decode",
        precision=np.where(wide, "bf16", "").astype(object), kv_precision=np.where(wide, "bf16", "fp8").astype(object),
    )  # fmt: skip
    return rows.fastest("kv_precision", "batch", "heads", "kv_heads", "head_dim", "context_tokens")


def _experts(rows: _Rows) -> _Rows:
    rows = _typed(rows, "moe_dtype")
    whole = (rows["moe_ep_size"] == 1) & (rows["moe_tp_size"] >= 1)
    rows = rows.where(whole & (rows["distribution"] == "balanced"), "expert parallelism or skewed routing")
    gated = np.ones(len(rows), dtype=bool)
    for hidden, inner in _NOT_GATED:
        gated &= ~((rows["hidden_size"] == hidden) & (rows["inter_size"] == inner))
    # DeepSeek-V3 chooses groups of experts first: even balanced, few tokens visit half of the experts at most.
    grouped = (rows["hidden_size"] == 7168) & (rows["num_experts"] == 256)
    rows = rows.where(gated & ~grouped, "experts that are not gated or chosen in groups")
    rows = rows.with_columns(
        m=rows["num_tokens"], k=rows["hidden_size"], n=rows["inter_size"] // rows["moe_tp_size"], groups=rows["num_experts"],
        experts_per_token=rows["topk"], workload="moe",
    )  # fmt: skip
    return rows.fastest("moe_dtype", "m", "n", "k", "groups", "experts_per_token")


def _latent_products(rows: _Rows) -> _Rows:
    """Multi-head latent attention's products by head: 128 -> 512 before the kernel, 512 -> 128 after it."""
    plain = (rows["bmm_dtype"] == "bfloat16") & np.isin(rows["op_name"].astype(str), ("mla_gen_pre", "mla_gen_post"))
    rows = rows.where(plain, "FP8 products, timed with the quantising of their operand")
    before = rows["op_name"] == "mla_gen_pre"
    rows = rows.with_columns(
        m=rows["num_tokens"], groups=rows["num_heads"], n=np.where(before, 512.0, 128.0), k=np.where(before, 128.0, 512.0),
        workload="batched-gemm", precision="bf16",
    )  # fmt: skip
    return rows.fastest("m", "n", "k", "groups")


def _quantiser(rows: _Rows) -> _Rows:
    """Scaling a BF16 matrix to FP8 by a known factor reads two bytes an element and writes one: it streams."""
    moved = 3.0 * rows["m"] * rows["k"]
    large = (moved >= _BEYOND_CACHE) & ~_framework(rows, "sglang") & (rows["op_name"] == "scale_matrix")
    rows = rows.where(large, "matrices that fit a cache, or casts bound by instructions")
    moved = 3.0 * rows["m"] * rows["k"]
    rows = rows.with_columns(n=rows["k"], working_set_bytes=moved, workload="elementwise").fastest("m", "n")
    return rows.with_columns(bandwidth=rows["working_set_bytes"] / (rows["latency"] * 1e-3), k=np.nan)


def _collective(rows: _Rows) -> _Rows:
    element = rows.columns["nccl_dtype" if "nccl_dtype" in rows.columns else "allreduce_dtype"]
    known = np.isin(element.astype(str), list(_ELEMENT_BYTES)) & np.isin(rows["op_name"].astype(str), list(_COLLECTIVES))
    rows = rows.where(known & (rows["num_gpus"] > 1), "a collective or data type that is not known")
    eager = np.char.endswith(rows["kernel_source"].astype(str), "_eager")
    if (~eager).any():
        rows = rows.where(~eager, "launches without a graph")
    element = rows.columns["nccl_dtype" if "nccl_dtype" in rows.columns else "allreduce_dtype"]
    size = np.array([_ELEMENT_BYTES[e] for e in element.tolist()], dtype=np.float64)
    rows = rows.with_columns(
        message_bytes=rows["message_size"] * size, accelerators=rows["num_gpus"], tool="collective",
        precision=np.array([FORMATS.get(e, ("", ""))[0] for e in element.tolist()], dtype=object),
        workload=np.array([_COLLECTIVES[o] for o in rows["op_name"].tolist()], dtype=object),
    )  # fmt: skip
    # Moving bytes costs the same in any type: of FP16 and INT8 the faster stands for the size.
    return rows.fastest("workload", "accelerators", "message_bytes")


def _attention(rows: _Rows) -> _Rows:
    """Prefill and decode have the same columns; the operator's name, or a query of one token, tells them apart."""
    names = rows.columns.get("op_name", np.full(len(rows), "", dtype=object)).astype(str)
    decode = np.char.startswith(names, "generation")
    both = np.char.startswith(names, "context").any() and decode.any()
    if both:
        rows = rows.where(decode, "prefill beside decode in one table; split it")
    return _decode(rows) if decode.any() else _prefill(rows)


_OPERATORS: tuple[tuple[frozenset[str], Callable[[_Rows], _Rows]], ...] = (
    (frozenset({"gemm_dtype", "m", "n", "k"}), _gemm),
    (frozenset({"moe_dtype", "num_tokens", "hidden_size", "inter_size", "topk", "num_experts", "moe_tp_size", "moe_ep_size",
                "distribution"}), _experts),
    (frozenset({"bmm_dtype", "op_name", "num_tokens", "num_heads"}), _latent_products),
    (frozenset({"quant_dtype", "op_name", "m", "k"}), _quantiser),
    (frozenset({"nccl_dtype", "op_name", "num_gpus", "message_size"}), _collective),
    (frozenset({"allreduce_dtype", "op_name", "num_gpus", "message_size"}), _collective),
    (frozenset({"attn_dtype", "kv_cache_dtype", "batch_size", "isl", "num_heads", "num_key_value_heads", "head_dim", "step"}),
     _attention),
)  # fmt: skip


# -------------------------------------------------------------------------------------------------- measurements

_SHAPE = ("workload", "precision", "weight_precision", "kv_precision", "accelerators", "batch", "input_tokens", "context_tokens", "m", "n",
          "k", "groups", "experts_per_token", "heads", "kv_heads", "head_dim", "message_bytes", "working_set_bytes")  # fmt: skip


def _measurements(rows: _Rows, name: str) -> Measurements:
    device = rows.columns.get("device", np.full(len(rows), "", dtype=object))
    distinct = list(dict.fromkeys(device.tolist()))
    titles = {d: name if len(distinct) == 1 else f"{name}:{i}" for i, d in enumerate(distinct, start=1)}
    streamed = "bandwidth" in rows.columns
    value, unit, quantity = (rows["bandwidth"], "B/s", "bandwidth") if streamed else (rows["latency"], "ms", "latency")
    collective = "tool" in rows.columns
    base: dict[str, Any] = {c: rows[c] for c in _SHAPE if c in rows.columns}
    base |= {"profile": np.array([titles[d] for d in device.tolist()], dtype=object)}
    drawn = rows.get("power", np.nan)
    powered = np.isfinite(drawn) & (drawn > 0)
    at = np.concatenate([np.arange(len(rows)), np.flatnonzero(powered)])
    many, few = len(rows), int(powered.sum())
    columns: dict[str, Any] = {n: list(c[at]) if c.dtype == object else c[at].astype(np.float64) for n, c in base.items()}
    columns |= {
        "tool": ["collective" if collective else "kernel"] * (many + few),
        "phase": ["kernel"] * (many + few),
        "statistic": ["mean"] * (many + few),
        "scope": [""] * many + ["accelerator"] * few,
        "quantity": [quantity] * many + ["power"] * few,
        "unit": [unit] * many + ["W"] * few,
        "value": np.concatenate([value, drawn[powered]]).astype(np.float64),
    }
    for key, column in columns.items():
        if isinstance(column, np.ndarray) and (np.isinf(column) | (column < 0)).any():
            raise InputError(f"column '{key}' holds a negative or infinite number", name)
    identity = {titles[d]: (str(d)[:120],) for d in distinct if d}
    table = from_columns(columns, where=name, identity=identity)
    ignored = tuple(Ignored(name, row, why) for row, why in sorted(rows.ignored.items()))
    return replace(table, row=rows.row[at], ignored=ignored)
