"""PyTorch profiler (Kineto) traces: how long GPU kernels of known work took.

A kernel's name says nothing here: it names the architecture. What it did is told by the operator that started it, which a
trace recorded with ``record_shapes=True`` describes by ``Input Dims`` and ``Input type``; both carry one ``External id``
(older traces leave it off the kernel; the runtime call with the same ``correlation`` has it). Only operators that start
kernels themselves are looked at: ``aten::linear`` or ``aten::matmul`` pass the work on to ``aten::addmm``, ``aten::mm`` or
``aten::bmm``. Kernels that one call started count together, so a bias that is copied first makes a call slower, never
faster. Calls of the same shape become one row, their median; collectives the fastest, because a kernel of a collective
also waits for the other ranks.

Keys as pytorch/kineto writes them (libkineto/src/output_json.cpp, and ``ParamCommsUtils`` of PyTorch for collectives);
arguments' places as in native_functions.yaml of PyTorch. ``ts`` and ``dur`` are microseconds.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TextIO

import numpy as np
import numpy.typing as npt

from fingerprint.errors import InputError
from fingerprint.measurements import Floats, Ignored, Measurements, from_columns
from fingerprint.readers.json_stream import Members

NAME = "kineto-trace"
TITLE = "PyTorch profiler (Kineto) trace, JSON or gzip, recorded with record_shapes=True"
YIELDS = "time of matrix products, attention and collectives by shape; bandwidth of copies"

#: Operators that start a GEMM's kernel -> places of its two factors: (..., m, k) and (..., k, n).
GEMMS: dict[str, tuple[int, int]] = {
    "aten::mm": (0, 1), "aten::addmm": (1, 2), "aten::_addmm_activation": (1, 2), "aten::bmm": (0, 1), "aten::baddbmm": (1, 2),
    "aten::_scaled_mm": (0, 1), "aten::_int_mm": (0, 1), "_C::cutlass_scaled_mm": (1, 2), "sgl_kernel::fp8_scaled_mm": (0, 1),
}  # fmt: skip


class _Attention(NamedTuple):
    """Places of an attention operator's arguments; -1 where it has none."""

    heads: int
    tokens: int
    causal: int
    ragged: int
    windows: tuple[int, ...] = ()


#: Operators that start an attention kernel: query, key and value come first, (batch, tokens, heads, size) or with the
#: middle two swapped. ``ragged`` is the argument that is only given for sequences of different lengths.
ATTENTION: dict[str, _Attention] = {
    "aten::_flash_attention_forward": _Attention(2, 1, 8, 3, (11, 12)),
    "aten::_efficient_attention_forward": _Attention(2, 1, 9, 4),
    "aten::_cudnn_attention_forward": _Attention(1, 2, 10, 4),
    "flash_attn::_flash_attn_forward": _Attention(2, 1, 5, -1, (6, 7)),
}

#: Types of tensors -> precision, elements packed into one along the inner dimension.
TYPES: dict[str, tuple[str, int]] = {
    "double": ("fp64", 1), "float": ("fp32", 1), "c10::Half": ("fp16", 1), "c10::BFloat16": ("bf16", 1),
    "signed char": ("int8", 1), "c10::Float8_e4m3fn": ("fp8", 1), "c10::Float8_e5m2": ("fp8", 1),
    "c10::Float8_e4m3fnuz": ("fp8", 1), "c10::Float8_e5m2fnuz": ("fp8", 1), "c10::Float4_e2m1fn_x2": ("fp4", 2),
}  # fmt: skip

#: Collectives as ProcessGroupNCCL names them, without underscores, by how the name begins.
COLLECTIVES = (("allreduce", "all-reduce"), ("allgather", "all-gather"), ("reducescatter", "reduce-scatter"),
               ("alltoall", "all-to-all"), ("broadcast", "broadcast"), ("reduce", "reduce"))  # fmt: skip

#: Bytes an element of a collective's ``dtype``.
_DTYPE_BYTES = {"double": 8, "long": 8, "float": 4, "int": 4, "half": 2, "bfloat16": 2, "short": 2, "byte": 1, "char": 1, "bool": 1,
                "float8_e4m3fn": 1, "float8_e5m2": 1, "float8_e4m3fnuz": 1, "float8_e5m2fnuz": 1}  # fmt: skip

#: Work below both says nothing of a chip: it takes a large one less than the 2 to 3 microseconds a kernel takes anyway.
LEAST_FLOPS, LEAST_BYTES = 1e9, 8e6
#: Messages below are bound by latency, not by links.
LEAST_MESSAGE = 1e6

#: No accelerator comes near these rates: a clock or a shape is wrong.
_MOST_FLOPS, _MOST_BYTES = 1e17, 1e15
#: Longest kernel believed, seconds.
_LONGEST = 600.0
#: Different shapes kept; a model has hundreds.
_MOST_SHAPES = 50_000
_MOST_IGNORED = 200

_COLUMNS = (
    "tool", "workload", "phase", "precision", "statistic", "scope", "quantity", "unit", "accelerators", "batch", "input_tokens",
    "context_tokens", "m", "n", "k", "groups", "heads", "kv_heads", "head_dim", "message_bytes", "working_set_bytes", "value",
)  # fmt: skip

_KEYS = ('"deviceProperties"', '"schemaVersion"', '"External id"', '"Ev Idx"', '"record_shapes"', '"baseTimeNanoseconds"')


def sniff(head: str) -> float:
    """Return how sure this is a Kineto trace: the keys that only PyTorch's profiler writes beside ``traceEvents``."""
    text = head.lstrip("\ufeff \t\r\n")
    if not text.startswith("{"):
        return 0.0
    own = sum(key in text for key in _KEYS)
    events = '"traceEvents"' in text or re.search(r'"cat"\s*:\s*"(cpu_op|kernel|python_function|cuda_runtime)"', text)
    if events:
        return (0.0, 0.9)[own > 0] if own < 2 else 1.0
    return 0.8 if '"deviceProperties"' in text and '"numSms"' in text else 0.0


class _Work(NamedTuple):
    """What all calls of one shape share: the row's columns, as pairs, and what it costs at the least."""

    says: str
    row: tuple[tuple[str, Any], ...]
    flops: float = 0.0
    moved: float = 0.0
    #: Why calls of this shape are no figures; empty where they are.
    useless: str = ""


@dataclass
class _Trace:
    """What is kept of the events: a few numbers each."""

    works: dict[_Work, int] = field(default_factory=dict)
    first: list[int] = field(default_factory=list)
    #: Operators: their id and their work's number.
    op: array[int] = field(default_factory=lambda: array("q"))
    op_work: array[int] = field(default_factory=lambda: array("q"))
    #: Kernels with an id, and their seconds; kernels whose id the runtime call knows.
    kernel: array[int] = field(default_factory=lambda: array("q"))
    kernel_s: array[float] = field(default_factory=lambda: array("d"))
    loose: array[int] = field(default_factory=lambda: array("q"))
    loose_s: array[float] = field(default_factory=lambda: array("d"))
    #: Runtime calls: correlation and id.
    called: array[int] = field(default_factory=lambda: array("q"))
    called_id: array[int] = field(default_factory=lambda: array("q"))
    #: Collectives and copies say themselves what they did: work's number and seconds.
    own: array[int] = field(default_factory=lambda: array("q"))
    own_s: array[float] = field(default_factory=lambda: array("d"))
    shapes_given: bool = False
    kernels: int = 0
    impossible: int = 0
    left: int = 0

    def number(self, work: _Work, event: int) -> int:
        """Return the number of a work, -1 when there are too many to keep."""
        found = self.works.get(work)
        if found is None:
            if len(self.works) >= _MOST_SHAPES:
                self.left += 1
                return -1
            found = self.works[work] = len(self.works)
            self.first.append(event)
        return found


def read(text: TextIO, name: str) -> Measurements:
    """Return a row for each shape of a matrix product, attention or collective, and each size of copy.

    ``row`` is the number of the shape's first event in ``traceEvents``. A trace cut short gives what it holds.

    Raises
    ------
    FormatError
        For text that is no JSON object of a trace.
    InputError
        For a trace without a kernel whose work is known and large enough to tell chips apart.
    """
    trace, devices, events = _Trace(), list[str](), 0
    members = Members(text, "traceEvents", name)
    for key, value in members:
        if key == "traceEvents":
            events += 1
            if isinstance(value, dict):
                _event(trace, value, events)
        elif key == "deviceProperties":
            devices = _devices(value)
    notes = [f"{name}: the trace is cut short after event {events:,}; what it holds is used"] if members.cut_short else []
    return _measurements(trace, name, tuple(devices), notes)


def _devices(value: Any) -> list[str]:
    """Return the distinct devices: their names, or what describes one that has none."""
    found = []
    for device in value if isinstance(value, list) else ():
        if isinstance(device, dict):
            name = device.get("name")
            processors, memory = _positive(device.get("numSms")), _positive(device.get("totalGlobalMem"))
            unnamed = f"a device without a name: {processors:.0f} multiprocessors, {memory / 1e9:.0f} GB"
            found.append(name.strip()[:80] if isinstance(name, str) and name.strip() else unnamed)
    return list(dict.fromkeys(found))[:4]


def _positive(value: Any) -> float:
    """Return a number above zero; zero for whatever is none."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e18:
        return float(value)
    return 0.0


def _whole(value: Any) -> int:
    """Return an id, 0 where there is none."""
    return value if type(value) is int and 0 < value < 1 << 62 else 0


def _event(trace: _Trace, event: dict[str, Any], number: int) -> None:
    category, arguments, name = event.get("cat"), event.get("args"), event.get("name")
    if not isinstance(arguments, dict) or not isinstance(category, str) or not isinstance(name, str):
        return
    identifier = _whole(arguments.get("External id", arguments.get("external id")))
    if category.lower() in ("cpu_op", "operator"):
        trace.shapes_given |= "Input Dims" in arguments or "Input dims" in arguments
        work = _operator(name, arguments)
        if work is not None and identifier and (at := trace.number(work, number)) >= 0:
            trace.op.append(identifier)
            trace.op_work.append(at)
    elif category in ("cuda_runtime", "cuda_driver", "privateuse1_runtime"):
        if identifier and (correlation := _whole(arguments.get("correlation"))):
            trace.called.append(correlation)
            trace.called_id.append(identifier)
    elif category.lower() in ("kernel", "gpu_memcpy", "gpu_memset"):
        _device_event(trace, category.lower(), name, event, arguments, identifier, number)


def _device_event(trace: _Trace, category: str, name: str, event: dict[str, Any], arguments: dict[str, Any], identifier: int,
                  number: int) -> None:  # fmt: skip
    seconds = _positive(event.get("dur")) * 1e-6
    if not 0.0 < seconds < _LONGEST:
        trace.impossible += 1
        return
    trace.kernels += 1
    work = _collective(arguments) if category == "kernel" else _copy(category, name, arguments)
    if work is not None:
        if (at := trace.number(work, number)) >= 0:
            trace.own.append(at)
            trace.own_s.append(seconds)
    elif category == "kernel" and identifier:
        trace.kernel.append(identifier)
        trace.kernel_s.append(seconds)
    elif category == "kernel" and (correlation := _whole(arguments.get("correlation"))):
        trace.loose.append(correlation)
        trace.loose_s.append(seconds)


# ---------------------------------------------------------------------------------------------- what an event did


def _operator(name: str, arguments: Mapping[str, Any]) -> _Work | None:
    if name in GEMMS:
        first, second = GEMMS[name]
    elif name in ATTENTION:
        first, second = 0, 1
    elif name == "record_param_comms":
        return _collective(arguments)
    else:
        return None
    shapes, kinds = arguments.get("Input Dims", arguments.get("Input dims")), arguments.get("Input type")
    if not isinstance(shapes, list) or not isinstance(kinds, list) or not len(shapes) == len(kinds) > second:
        return None
    left, right = _dimensions(shapes[first]), _dimensions(shapes[second])
    kind = kinds[first]
    if not left or not right or not isinstance(kind, str):
        return None
    says = f"{name} {'x'.join(map(str, left))} by {'x'.join(map(str, right))}"
    if kind not in TYPES or kinds[second] != kind:
        return _Work(says, (), useless=f"nobody knows what {str(kinds[first])[:30]} and {str(kinds[second])[:30]} are multiplied in")
    if name in GEMMS:
        return _gemm(says, left, right, *TYPES[kind])
    return _attention(says, ATTENTION[name], left, right, arguments, TYPES[kind][0])


def _dimensions(shape: Any) -> tuple[int, ...]:
    """Return a tensor's dimensions, empty for what is no tensor of two to four."""
    if not isinstance(shape, list) or not 2 <= len(shape) <= 4:
        return ()
    return tuple(shape) if all(type(size) is int and 0 < size < 1 << 40 for size in shape) else ()


def _gemm(says: str, left: tuple[int, ...], right: tuple[int, ...], precision: str, packed: int) -> _Work | None:
    if len(left) != len(right) or len(left) > 3 or left[:-2] != right[:-2] or left[-1] != right[-2]:
        return None
    groups = math.prod(left[:-2])
    m, n, k = left[-2], right[-1], left[-1] * packed
    width = {"fp64": 8.0, "fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp4": 0.5}.get(precision, 1.0)
    row = {"tool": "kernel", "workload": "gemm", "quantity": "latency", "unit": "s", "precision": precision, "m": m, "n": n, "k": k}
    if len(left) == 3:
        row |= {"workload": "batched-gemm", "groups": groups}
    return _work(says, row, 2.0 * m * n * k * groups, groups * (m * k + k * n + m * n) * width)


def _attention(says: str, places: _Attention, query: tuple[int, ...], key: tuple[int, ...], arguments: Mapping[str, Any],
               precision: str) -> _Work | None:  # fmt: skip
    shapes, given = arguments.get("Input Dims", ()), arguments.get("Concrete Inputs")
    if len(query) != 4 or len(key) != 4 or query[0] != key[0] or query[3] != key[3] or not isinstance(given, list):
        return None
    if len(given) <= places.causal or any(len(given) > w and given[w] not in ("", "-1", "None") for w in places.windows):
        return _Work(says, (), useless="which keys its mask lets through is not recorded")
    if 0 <= places.ragged < len(shapes) and shapes[places.ragged]:
        return _Work(says, (), useless="the lengths of its sequences are not recorded")
    batch, dim = query[0], query[3]
    heads, kv_heads, tokens, keys = query[places.heads], key[places.heads], query[places.tokens], key[places.tokens]
    causal = str(given[places.causal]).lower() in ("true", "1", "2") and tokens > 1
    if causal and tokens != keys:
        return _Work(says, (), useless="how its causal mask lies over longer keys is not recorded")
    row = {"tool": "kernel", "precision": precision, "batch": batch, "head_dim": dim}
    flops = 4.0 * batch * heads * dim * tokens * keys / (2.0 if causal else 1.0)
    moved = 2.0 * batch * dim * (tokens * heads + keys * kv_heads) * 2.0
    if tokens == 1:
        row |= {"workload": "attention-decode", "context_tokens": keys, "input_tokens": 1}
    else:
        row |= {"workload": "attention-prefill", "input_tokens": tokens}
    if causal or tokens == 1:
        row |= {"heads": heads, "kv_heads": kv_heads, "quantity": "latency", "unit": "s"}
    else:
        # The table's attention is causal. Without a mask all pairs count: the rate says so, and the heads, from which
        # half of them would be computed, stay away.
        row |= {"quantity": "compute_rate", "unit": "FLOP/s"}
    return _work(says, row, flops, moved)


def _collective(arguments: Mapping[str, Any]) -> _Work | None:
    name, kind = arguments.get("Collective name"), arguments.get("dtype")
    ranks = _positive(arguments.get("Group size"))
    if not isinstance(name, str) or not isinstance(kind, str) or not ranks:
        return None
    plain = name.lower().replace("_", "").strip()
    workload = next((found for begins, found in COLLECTIVES if plain.startswith(begins)), "")
    elements = max(_positive(arguments.get("In msg nelems")), _positive(arguments.get("Out msg nelems")))
    # Like nccl-tests: the larger of what a rank gives and gets.
    message = elements * _DTYPE_BYTES.get(kind.lower().removeprefix("c10::"), 0)
    says = f"{workload or 'a collective'} of {message:.4g} bytes on {ranks:.0f} ranks"
    if not workload or not message:
        return _Work(says, (), useless="it is none of the collectives whose bytes are known")
    if ranks < 2 or ranks > 1e6 or not ranks.is_integer():
        return _Work(says, (), useless="one rank alone sends nothing")
    row = {"tool": "collective", "workload": workload, "accelerators": ranks, "message_bytes": message, "quantity": "latency",
           "unit": "s", "statistic": "min"}  # fmt: skip
    return _work(says, row, 0.0, message, "" if message >= LEAST_MESSAGE else "so small a message is bound by latency, not by links")


def _copy(category: str, name: str, arguments: Mapping[str, Any]) -> _Work | None:
    size = _positive(arguments.get("bytes"))
    if not size:
        return None
    says = f"a {'fill' if category == 'gpu_memset' else 'copy'} of {size:.4g} bytes"
    row: dict[str, Any] = {"tool": "kernel", "quantity": "bandwidth", "unit": "B/s"}
    if category == "gpu_memset":
        row |= {"workload": "write", "working_set_bytes": size}
    elif "DtoD" in name:
        # A copy reads and writes; the trace's own "memory bandwidth" counts one of the two.
        row |= {"workload": "copy", "working_set_bytes": 2.0 * size}
    elif "PtoP" in name:
        row |= {"workload": "peer-copy", "message_bytes": size, "accelerators": 2}
    elif "Pinned" in name:
        row |= {"workload": "host-copy", "message_bytes": size}
    else:
        return _Work(says, (), useless="a copy from or to pageable host memory tells of the host")
    return _work(says, row, 0.0, row.get("working_set_bytes", size), "" if size >= LEAST_BYTES else _SMALL)


_SMALL = "so little work takes as long on any large chip"


def _work(says: str, row: dict[str, Any], flops: float, moved: float, useless: str | None = None) -> _Work:
    if useless is None:
        useless = "" if flops >= LEAST_FLOPS or moved >= LEAST_BYTES else _SMALL
    return _Work(says, tuple(row.items()), flops, moved, useless)


# -------------------------------------------------------------------------------------------------- measurements


def _integers(values: array[int]) -> npt.NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def _timed(trace: _Trace) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return, for each call whose kernels were seen, its work's number and its seconds."""
    identifiers, seconds = _integers(trace.kernel), np.array(trace.kernel_s, dtype=np.float64)
    if len(trace.loose) and len(trace.called):
        correlation, first = np.unique(_integers(trace.called), return_index=True)
        loose = _integers(trace.loose)
        at = np.minimum(np.searchsorted(correlation, loose), len(correlation) - 1)
        known = correlation[at] == loose
        identifiers = np.concatenate([identifiers, _integers(trace.called_id)[first[at[known]]]])
        seconds = np.concatenate([seconds, np.array(trace.loose_s, dtype=np.float64)[known]])
    works, times = _integers(trace.own), np.array(trace.own_s, dtype=np.float64)
    if len(identifiers) and len(trace.op):
        present, inverse = np.unique(identifiers, return_inverse=True)
        total = np.bincount(inverse.reshape(-1), weights=seconds, minlength=len(present))
        # An id that two operators share (traces of several ranks in one) belongs to neither for certain.
        op, first, times_seen = np.unique(_integers(trace.op), return_index=True, return_counts=True)
        op, op_work = op[times_seen == 1], _integers(trace.op_work)[first[times_seen == 1]]
        at = np.minimum(np.searchsorted(present, op), len(present) - 1)
        known = present[at] == op
        works, times = np.concatenate([works, op_work[known]]), np.concatenate([times, total[at[known]]])
    return works, times


def _measurements(trace: _Trace, name: str, devices: tuple[str, ...], notes: list[str]) -> Measurements:
    numbers, seconds = _timed(trace)
    order = np.argsort(numbers, kind="stable")
    present, starts = np.unique(numbers[order], return_index=True)
    works = list(trace.works)
    columns: dict[str, list[Any]] = {column: [] for column in _COLUMNS}
    rows, ignored = [], []
    for at, times in zip(present.tolist(), np.split(seconds[order], starts[1:]), strict=False):
        work, event = works[at], trace.first[at]
        row = dict(work.row)
        slowest = row.get("statistic") != "min"
        time = float(np.median(times) if slowest else times.min())
        why = work.useless
        if not why and (work.flops > _MOST_FLOPS * time or work.moved > _MOST_BYTES * time):
            why = f"{time:.3g} s for it are impossible"
        if why:
            ignored.append(Ignored(name, event, f"{work.says}: {why}"))
            continue
        row |= {"phase": "kernel", "scope": "accelerator"}
        row["statistic"] = "" if len(times) == 1 else row.get("statistic", "median")
        amount = {"compute_rate": work.flops, "bandwidth": work.moved}.get(row["quantity"])
        row["value"] = time if amount is None else amount / time
        for column, cells in columns.items():
            cells.append(row.get(column, ""))
        rows.append(event)
    if trace.impossible:
        notes.append(f"{name}: {trace.impossible:,} events of the GPU last no time, or an impossible one")
    if trace.left:
        notes.append(f"{name}: more than {_MOST_SHAPES:,} different shapes; the rest is left out")
    if not rows:
        _refuse(trace, len(ignored), name)
    # In the order of the trace: numbers of works are in the order of their first event.
    table = from_columns(columns, where=name, identity={name: devices} if devices else {}, notes=notes)
    return replace(table, row=np.array(rows, dtype=np.int64), ignored=tuple(ignored[:_MOST_IGNORED]))


def _refuse(trace: _Trace, ignored: int, name: str) -> None:
    again = "record a longer run of a real model with torch.profiler.profile(record_shapes=True)"
    if not trace.kernels:
        raise InputError(f"is a trace without a GPU kernel; {again} and ProfilerActivity.CUDA", name)
    if ignored:
        raise InputError(
            f"holds {ignored:,} kinds of kernels whose work is known, all too small to tell chips apart or not fully described; {again}",
            name,
        )
    if not trace.shapes_given:
        raise InputError(f"is a trace without the shapes of its operators, so what its kernels did is not known; {again}", name)
    raise InputError(f"holds no kernel of a matrix product, attention, collective or copy whose work is known; {again}", name)
