"""What a figure says about the hardware: arithmetic, memory traffic and link traffic a second, per accelerator.

Each row of a measurement table becomes at most one :class:`Points` entry: the rates that the figure implies once the work
behind it (a GEMM's ``2 m n k``, a token's ``2 x`` the parameters it passes through, a step's ``6 x parameters x tokens``) is known. The
rates are *usual* ones: what the work commonly costs, the ground for likelihood. A row whose cost is not known has NaN.

Sources of the formulas: GEMM and attention counts as in Kaplan et al. 2020 (arXiv:2001.08361, section 2.1) and Dao 2023
(arXiv:2307.08691, section 3.1); bus bandwidth factors as in NVIDIA/nccl-tests doc/PERFORMANCE.md; training at 6 N a token
(Kaplan et al.); three passes a training sample (one forward, two backward).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fingerprint import workloads
from fingerprint.flight import in_flight
from fingerprint.measurements import Floats, Measurements, Words
from fingerprint.units import BYTES

#: Bytes an element where no precision is stated: 16-bit, what models are published in.
DEFAULT_BYTES = 2.0

#: Bytes of a weight and of a cached element in memory where no width is stated: the narrowest that engines commonly make them.
HELD_WEIGHT_BYTES, HELD_CACHE_BYTES = 0.5, 1.0

#: Bytes an element of an accumulated output: kernels write 16-bit results whatever they multiply.
OUTPUT_BYTES = 2.0

#: Collectives: bytes on the busiest link, as a multiple of message bytes, for n ranks (nccl-tests doc/PERFORMANCE.md).
BUS_FACTOR: dict[str, Callable[[Floats], Floats]] = {
    "all-reduce": lambda n: 2.0 * (n - 1.0) / n,
    "all-gather": lambda n: (n - 1.0) / n,
    "reduce-scatter": lambda n: (n - 1.0) / n,
    "all-to-all": lambda n: (n - 1.0) / n,
    "broadcast": np.ones_like,
    "reduce": np.ones_like,
    "send-recv": np.ones_like,
}

#: Memory kernels whose bandwidth is a link's or a cache's, not the DRAM's.
LINK_WORKLOADS = (*BUS_FACTOR, "dispatch", "combine", "peer-copy")
HOST_WORKLOADS = ("host-copy",)
CACHE_WORKLOADS = ("cache-read", "pointer-chase", "shared-memory")


@dataclass(frozen=True, eq=False, repr=False)
class Points:
    """Rates per accelerator implied by each row; NaN where the row says nothing of that kind.

    Attributes
    ----------
    flop_rate : ndarray of shape (n_rows,)
        FLOP/s (integer operations alike).
    prompt_rate : ndarray of shape (n_rows,)
        The part of it that goes into prompts, where a figure covers prompts and the tokens that follow them: the two take turns.
    byte_rate : ndarray of shape (n_rows,)
        Bytes of device memory a second.
    link_rate : ndarray of shape (n_rows,)
        Bytes a second on the links between accelerators (bus bandwidth, one direction).
    weight_bytes : ndarray of shape (n_rows,)
        Bytes of weights held per accelerator, for model workloads.
    held_bytes : ndarray of shape (n_rows,)
        Bytes of weights and of the cache of one whole sequence that an accelerator had to hold, for model workloads: in the narrowest
        form that what is stated leaves open.
    size : ndarray of shape (n_rows,)
        The size of the work in one launch: FLOPs of a kernel, message bytes of a collective, tokens in flight of a model.
    flight : ndarray of shape (n_rows,)
        Sequences in flight of a model: stated, or by Little's law over the figures of a run.
    """

    flop_rate: Floats
    prompt_rate: Floats
    byte_rate: Floats
    link_rate: Floats
    weight_bytes: Floats
    held_bytes: Floats
    size: Floats
    flight: Floats

    @property
    def intensity(self) -> Floats:
        """Arithmetic intensity, FLOP a byte."""
        return self.flop_rate / self.byte_rate


@lru_cache(maxsize=1)
def _facts() -> dict[str, dict[str, float]]:
    """Columns of the workload table as word -> number."""
    names = ("active_parameters", "total_parameters", "kv_elements_per_token", "windowed_kv_elements_per_token",
             "attention_window", "attention_top_k", "attention_layers", "heads", "head_dim", "flops_per_sample",
             "training_flops_per_sample", "mlperf_input_tokens", "mlperf_output_tokens", "looked_up", "output_matrix", "published_bits")  # fmt: skip
    return {name: {w: float(getattr(model, name)) for w, model in workloads.table().items()} for name in names}


def element_bytes(precision: Words, fallback: Floats | float = DEFAULT_BYTES) -> Floats:
    """Return bytes an element, the fallback where the precision is not stated."""
    known = precision.map(BYTES)
    return np.where(np.isnan(known), fallback, known)


def _first(*candidates: Floats) -> Floats:
    """Return the first candidate that is known, row by row."""
    out = candidates[0].copy()
    for other in candidates[1:]:
        out = np.where(np.isnan(out), other, out)
    return out


class _Rows:
    """The columns of a table that costs need, looked up once."""

    def __init__(self, table: Measurements) -> None:
        self.table = table
        self.n = len(table)
        self.workload, self.phase, self.tool = table.word("workload"), table.word("phase"), table.word("tool")
        self.quantity, self.unit = table.word("quantity"), table.word("unit")
        self.count = table.accelerator_count()
        self.value = table.number("value")
        self.rate = table.per_accelerator()
        self.activation_bytes = element_bytes(table.word("precision"))
        self.weight_element_bytes = element_bytes(table.word("weight_precision"), self.activation_bytes)
        self.kv_element_bytes = element_bytes(table.word("kv_precision"), DEFAULT_BYTES)
        facts = _facts()
        self.active = _first(table.number("active_parameters"), self.workload.map(facts["active_parameters"]))
        self.total = _first(
            table.number("total_parameters"), self.workload.map(facts["total_parameters"]), self.active
        )
        looked_up, output_matrix = (np.nan_to_num(self.workload.map(facts[f])) for f in ("looked_up", "output_matrix"))
        # What a token passes through, what one of the prompt does whose successor nobody asks for, and what a step may read.
        self.passed = np.maximum(self.active - looked_up, 0.0)
        self.prompt_passed = np.maximum(self.passed - output_matrix, 0.0)
        self.readable = np.maximum(self.total - looked_up, 0.0)
        self.published_bytes = self.workload.map(facts["published_bits"]) / 8.0
        self.kv_elements = self.workload.map(facts["kv_elements_per_token"])
        # A model without windowed layers leaves the cell empty: they add nothing.
        self.windowed_elements = np.nan_to_num(self.workload.map(facts["windowed_kv_elements_per_token"]))
        self.window = self.workload.map(facts["attention_window"])
        self.top_k = self.workload.map(facts["attention_top_k"])
        # FLOPs of one token's attention to one other, scores and values, over the layers that attend to the whole context; those with
        # a window and models of unknown shape add nothing.
        self.pair = np.nan_to_num(4.0 * np.prod([self.workload.map(facts[f]) for f in ("attention_layers", "heads", "head_dim")], axis=0))
        self.sample_flops = self.workload.map(facts["flops_per_sample"])
        self.training_flops = _first(self.workload.map(facts["training_flops_per_sample"]), 3.0 * self.sample_flops)
        self.input = _first(table.number("input_tokens"), self.workload.map(facts["mlperf_input_tokens"]))
        self.output = _first(table.number("output_tokens"), self.workload.map(facts["mlperf_output_tokens"]))
        self.flight = _first(table.number("batch"), table.number("concurrency"), in_flight(table))

    def number(self, name: str, missing: float = np.nan) -> Floats:
        column = self.table.number(name)
        return np.where(np.isnan(column), missing, column)

    def attended(self, tokens: Floats) -> Floats:
        """Return FLOPs of attention a token of a prompt of ``tokens``: to half of it, and to no more than a model picks; 0 where unknown."""
        return np.where(np.isnan(tokens), 0.0, self.pair * np.fmin(tokens / 2.0, self.top_k))

    def cached(self, prompt: Floats, answer: Floats, picked: Floats | float = np.inf) -> Floats:
        """Return elements of keys and values of a sequence, of those that grow with it at most the ``picked`` ones; 0 where unknown."""
        tokens = np.nan_to_num(prompt) + np.nan_to_num(answer)
        return np.nan_to_num(self.kv_elements * np.fmin(tokens, picked) + self.windowed_elements * np.fmin(tokens, self.window))

    def held(self) -> Floats:
        """Return bytes of weights and of one whole sequence's cache, over all accelerators, in the narrowest form left open."""
        # A stated precision is the arithmetic's: weights that their maker publishes narrower may have stayed so.
        narrowest = np.fmin(element_bytes(self.table.word("precision"), HELD_WEIGHT_BYTES), self.published_bytes)
        weights = self.total * element_bytes(self.table.word("weight_precision"), narrowest)
        return weights + self.cached(self.input, self.output) * element_bytes(self.table.word("kv_precision"), HELD_CACHE_BYTES)

    def measures(self, *quantities: str) -> npt.NDArray[np.bool_]:
        return self.quantity.equals(*quantities)


def points(table: Measurements) -> Points:
    """Return what each row implies, see :class:`Points`.

    Missing accelerator counts void a figure that is a sum over accelerators. A missing precision counts as 16-bit where
    bytes depend on it.
    """
    rows = _Rows(table)
    out = Points(*(np.full(rows.n, np.nan) for _ in fields(Points)))
    with np.errstate(all="ignore"):
        _direct(rows, out)
        _kernels(rows, out)
        _collectives(rows, out)
        _language_models(rows, out)
        _samples(rows, out)
        _training(rows, out)
    for column in (out.flop_rate, out.prompt_rate, out.byte_rate, out.link_rate, out.size, out.weight_bytes, out.held_bytes):
        column[~np.isfinite(column) | (column <= 0)] = np.nan
    return out


def _put(target: Floats, where: npt.NDArray[np.bool_], values: Floats) -> None:
    chosen = where & ~np.isnan(values)
    target[chosen] = values[chosen]


def _direct(rows: _Rows, out: Points) -> None:
    """Figures that already are rates."""
    _put(out.flop_rate, rows.measures("compute_rate"), rows.rate)
    moved = rows.measures("bandwidth") & ~rows.workload.equals(*LINK_WORKLOADS, *HOST_WORKLOADS, *CACHE_WORKLOADS)
    moved &= ~rows.tool.equals("collective")
    _put(out.byte_rate, moved, rows.rate)
    link = rows.measures("bandwidth") & (rows.workload.equals(*LINK_WORKLOADS) | rows.tool.equals("collective"))
    # What a link carries is told a rank: NCCL, DeepEP and copies between peers alike. Only who says "system" has added up.
    carried = np.where(rows.table.word("scope").equals("system"), rows.rate, rows.value)
    _put(out.link_rate, link & ~rows.workload.equals(*HOST_WORKLOADS), carried)


def _kernels(rows: _Rows, out: Points) -> None:
    """GEMM, attention, mixture of experts and element-wise kernels: from shape and time, or shape and rate."""
    m, n, k = rows.number("m"), rows.number("n"), rows.number("k")
    groups = rows.number("groups", 1.0)
    flops, moved = np.full(rows.n, np.nan), np.full(rows.n, np.nan)
    gemm = rows.workload.equals("gemm", "grouped-gemm", "batched-gemm")
    # A grouped GEMM's m is a group's own rows.
    _put(flops, gemm, 2.0 * m * n * k * groups)
    read = m * k * rows.activation_bytes + k * n * rows.weight_element_bytes + m * n * OUTPUT_BYTES
    _put(moved, gemm, groups * read)

    batch, heads, dim = rows.number("batch", 1.0), rows.number("heads"), rows.number("head_dim")
    kv_heads = _first(rows.number("kv_heads"), heads)
    query, context = rows.number("input_tokens"), rows.number("context_tokens")
    decode = rows.workload.equals("attention-decode")
    attended = _first(context, query)
    _put(flops, decode, 4.0 * batch * heads * dim * attended)
    _put(moved, decode, 2.0 * batch * kv_heads * dim * attended * rows.kv_element_bytes)
    prefill = rows.workload.equals("attention-prefill", "attention")
    # Causal: a query attends to half of its own block and to all that came before it.
    before = np.where(np.isnan(context), 0.0, np.maximum(context - query, 0.0))
    _put(flops, prefill, 4.0 * batch * heads * dim * query * (query / 2.0 + before))
    _put(moved, prefill, 2.0 * batch * dim * OUTPUT_BYTES * (query * heads + (query + before) * kv_heads))

    moe = rows.workload.equals("moe")
    chosen = rows.number("experts_per_token", 1.0)
    # Gated experts: three matrices of hidden x intermediate.
    _put(flops, moe, 6.0 * m * chosen * n * k)
    # Experts that m tokens choosing at random touch.
    touched = groups * (1.0 - (1.0 - np.minimum(chosen / groups, 1.0)) ** m)
    _put(moved, moe, 3.0 * touched * n * k * rows.weight_element_bytes + 2.0 * m * chosen * k * OUTPUT_BYTES)

    plain = rows.workload.equals("elementwise", "softmax", "layernorm", "activation", "vector")
    _put(moved, plain, 2.0 * m * n * rows.activation_bytes)

    timed = rows.measures("latency")
    _put(out.flop_rate, timed, flops / rows.value)
    _put(out.byte_rate, timed, moved / rows.value)
    # A published FLOP rate of a known shape gives the traffic too, and a published bandwidth the arithmetic.
    _put(out.byte_rate, rows.measures("compute_rate"), rows.rate * moved / flops)
    _put(out.flop_rate, rows.measures("bandwidth") & (gemm | decode), rows.rate * flops / moved)
    _put(out.size, rows.phase.equals("kernel") | rows.tool.equals("kernel"), flops)
    _put(out.size, rows.measures("bandwidth"), rows.number("working_set_bytes"))


def _collectives(rows: _Rows, out: Points) -> None:
    message = rows.number("message_bytes")
    for name, factor in BUS_FACTOR.items():
        here = rows.workload.equals(name)
        scale = factor(rows.count)
        _put(out.link_rate, here & rows.measures("latency"), message / rows.value * scale)
        _put(out.link_rate, here & rows.measures("algorithm_bandwidth"), rows.value * scale)
    _put(out.link_rate, rows.measures("bus_bandwidth"), rows.value)
    _put(out.size, rows.tool.equals("collective") | rows.workload.equals(*BUS_FACTOR), message)


def _language_models(rows: _Rows, out: Points) -> None:
    """Serving and engine benchmarks: prompt tokens cost arithmetic, each decode step reads the weights and the cache."""
    per_token, attended = 2.0 * rows.passed, rows.attended(rows.input)
    # A token of the prompt, its attention to those before it included.
    per_prompt_token = 2.0 * rows.prompt_passed + attended
    weights = rows.total * rows.weight_element_bytes
    model = ~np.isnan(rows.active) & ~rows.phase.equals("train") & ~rows.tool.equals("training", "training-run")
    _put(out.weight_bytes, model, weights / rows.count)
    _put(out.held_bytes, model, rows.held() / rows.count)
    # Tokens that choose experts at random leave a weight untouched with the chance (1 - active/total)^tokens.
    flight = np.where(np.isnan(rows.flight), 1.0, np.maximum(rows.flight, 1.0))
    sparse = np.minimum(rows.active / rows.total, 1.0)
    touched = rows.readable * (1.0 - (1.0 - sparse) ** flight) * rows.weight_element_bytes
    # Half of the answer is there on the mean.
    cache = rows.cached(rows.input, rows.output / 2.0, rows.top_k) * rows.kv_element_bytes

    # A step's time: one token for each sequence in flight.
    step = rows.measures("tpot", "itl") | (rows.measures("latency") & rows.phase.equals("decode"))
    step &= model & ~rows.phase.equals("kernel")
    _put(out.byte_rate, step, (touched + flight * cache) / rows.value / rows.count)
    _put(out.flop_rate, step, per_token * flight / rows.value / rows.count)

    token = rows.unit.equals("token/s")
    output = model & token & (
        rows.measures("output_throughput") | (rows.measures("throughput") & ~rows.phase.equals("prefill"))
    )
    only_decode = rows.phase.equals("decode")
    with_prompt = np.where(
        only_decode | np.isnan(rows.input) | np.isnan(rows.output), 1.0, 1.0 + rows.input / np.maximum(rows.output, 1.0)
    )
    prompts = per_prompt_token * (with_prompt - 1.0)
    _put(out.flop_rate, output, rows.rate * (per_token + prompts))
    _put(out.prompt_rate, output, rows.rate * prompts)
    # `rate` tokens a second per accelerator in steps of `flight` tokens: each step reads the weights once. Where nobody says
    # how many were in flight, nothing is known of the traffic.
    stated = ~np.isnan(rows.flight)
    _put(out.byte_rate, output & stated, rows.rate * (touched / flight + cache))
    prompt = model & token & (rows.measures("input_throughput") | (rows.measures("throughput") & rows.phase.equals("prefill")))
    with_answer = np.where(
        rows.phase.equals("prefill") | np.isnan(rows.input) | np.isnan(rows.output),
        1.0,
        1.0 + rows.output / np.maximum(rows.input, 1.0),
    )
    _put(out.flop_rate, prompt, rows.rate * (per_prompt_token + per_token * (with_answer - 1.0)))
    answered = prompt & stated & (with_answer > 1.0)
    _put(out.prompt_rate, answered, rows.rate * per_prompt_token)
    _put(out.byte_rate, answered, rows.rate * (with_answer - 1.0) * (touched / flight + cache))
    both = model & rows.measures("total_throughput")
    share = rows.output / (rows.input + rows.output)
    _put(out.flop_rate, both, rows.rate * np.where(np.isnan(share), per_token, share * per_token + (1.0 - share) * per_prompt_token))
    _put(out.prompt_rate, both, rows.rate * (1.0 - share) * per_prompt_token)
    _put(out.byte_rate, both & stated, rows.rate * share * (touched / flight + cache))

    prefill = model & (rows.measures("ttft") | (rows.measures("latency") & rows.phase.equals("prefill")))
    # Only an unloaded server's first token is the prefill's own time; under load it is mostly waiting.
    together = np.where(np.isnan(rows.number("batch")), 1.0, rows.number("batch"))
    _put(out.flop_rate, prefill, per_prompt_token * rows.input * together / rows.value / rows.count)
    request = model & rows.unit.equals("request/s", "sample/s") & rows.measures("throughput")
    # A prompt of unknown length counts as none.
    prompted = np.nan_to_num(rows.input)
    _put(out.flop_rate, request, rows.rate * (per_token * rows.output + per_prompt_token * prompted))
    _put(out.prompt_rate, request, rows.rate * prompted * per_prompt_token)
    _put(out.byte_rate, request & stated, rows.rate * rows.output * (touched / flight + cache))
    whole = model & rows.measures("e2e_latency", "latency") & rows.phase.equals("serve", "offline", "latency", "interactive", "")
    prompts, answers = per_prompt_token * rows.input, per_token * rows.output
    _put(out.flop_rate, whole, (prompts + answers) * flight / rows.value / rows.count)
    _put(out.prompt_rate, whole, prompts * flight / rows.value / rows.count)
    _put(out.byte_rate, whole, rows.output * (touched + flight * cache) / rows.value / rows.count)
    _put(out.flight, model, rows.flight)
    _put(out.size, model, rows.flight / rows.count)
    # A prompt keeps as many rows of the weights' GEMMs busy as it has tokens.
    _put(out.size, prefill | (model & rows.phase.equals("prefill")), together * rows.input / rows.count)


def _samples(rows: _Rows, out: Points) -> None:
    """Images, sentences, videos: a published forward cost a sample."""
    here = ~np.isnan(rows.sample_flops) & ~rows.phase.equals("train")
    _put(out.flop_rate, here & rows.measures("throughput") & np.isnan(rows.active), rows.rate * rows.sample_flops)
    vision = here & rows.measures("throughput") & rows.unit.equals("sample/s", "request/s")
    _put(out.flop_rate, vision & np.isnan(out.flop_rate), rows.rate * rows.sample_flops)
    batch = rows.number("batch", 1.0)
    single = here & rows.measures("latency") & np.isnan(out.flop_rate)
    _put(out.flop_rate, single, rows.sample_flops * batch / rows.value / rows.count)
    _put(out.size, here & np.isnan(out.size), batch)


def _training(rows: _Rows, out: Points) -> None:
    here = rows.phase.equals("train") | rows.tool.equals("training", "training-run", "mlperf-training")
    token = rows.unit.equals("token/s")
    rate = rows.measures("throughput", "total_throughput", "input_throughput")
    length = rows.number("input_tokens")
    trained = 6.0 * rows.active + 3.0 * rows.attended(length)
    _put(out.flop_rate, here & token & rate, trained * rows.rate)
    sample = _first(rows.training_flops, trained * length)
    _put(out.flop_rate, here & rows.unit.equals("sample/s") & rate, sample * rows.rate)
    batch = rows.number("batch")
    step = here & rows.measures("step_time")
    _put(out.flop_rate, step, sample * batch / rows.value / rows.count)
    # A whole run: 6 N a token over all accelerator time; the time column already sums over accelerators.
    tokens = rows.number("tokens")
    run = rows.measures("accelerator_hours")
    _put(out.flop_rate, run, 6.0 * rows.active * tokens / rows.value)
    for column in (out.byte_rate, out.weight_bytes, out.held_bytes):
        column[here] = np.nan
    _put(out.size, here, batch / rows.count)
