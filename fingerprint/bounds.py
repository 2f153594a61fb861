"""What the hardware must have done at least: lower bounds of arithmetic, traffic and power, row by row.

:mod:`fingerprint.costs` says what a figure *usually* means; here stands what it *proves*. A rate counts only work that no
trick could have skipped, so that a chip whose ceiling lies below it is excluded for good:

- prompt tokens count in prefill benchmarks of one static batch only: elsewhere a cache of prefixes may have answered them;
- an output token costs ``2 x (active parameters - embedding table)`` FLOP, however it was guessed: speculation saves steps, not
  forward passes of the tokens it keeps. For the same reason a token's reading of the weights counts nowhere but in kernels;
- attention of generated tokens, recomputed activations and communication are not counted at all;
- 3x3 convolutions may be computed with 2.25 times fewer multiplications (Lavin & Gray 2015, arXiv:1509.09308, F(2x2, 3x3)), and
  padded positions of a sentence may be dropped;
- fine-tuning may freeze weights, which saves their gradient: 4 FLOP a parameter and token, not 6, except where a whole training
  run or a rule of the benchmark says that all weights are trained;
- elements of a cache whose precision is not stated are 8 bits wide, or 4 where no precision is stated at all;
- weights count against the memory only where a pass is too short to fetch them from elsewhere (:mod:`fingerprint.board`);
- zeros are not skipped: structured sparsity changes the result of a dense product, so dense peaks are the ceilings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fingerprint import workloads
from fingerprint.board import footprint, paired_power
from fingerprint.costs import BUS_FACTOR, CACHE_WORKLOADS, HOST_WORKLOADS, LINK_WORKLOADS, element_bytes
from fingerprint.measurements import Floats, Mask, Measurements, Words

#: Kinds of evidence and the quantity each bounds. Tolerances are measured kind by kind.
KINDS: dict[str, str] = {
    "gemm": "compute", "attention": "compute", "moe": "compute", "stated rate": "compute", "prefill": "compute",
    "generation": "compute", "sample": "compute", "training": "compute", "training rate": "compute", "training run": "compute",
    "memory test": "bandwidth", "weights": "bandwidth", "key-value cache": "bandwidth", "element-wise": "bandwidth",
    "collective": "link", "transfer": "link", "power": "power", "energy and speed": "power",
    "memory in use": "memory", "weights held": "memory",
}  # fmt: skip

#: Bytes of an element of which nothing is stated: 4 bits, the narrowest in use.
NARROWEST_BYTES = 0.5

#: By how much an algorithm may undercut the published cost of a forward pass, by kind of model. Encoders: the published cost
#: is that of the padded length (384 for MLPerf's BERT, 177 tokens a question on average).
SKIPPABLE: dict[str, float] = {"vision": 2.25, "speech": 2.25, "diffusion": 2.25, "encoder": 2.25, "recommender": 1.0}

#: Ranks that one node's links join; beyond, a network takes part.
MOST_RANKS = 8.0

#: Memory kernels that by their definition move device memory, so that a missing size means one beyond the caches.
MEMORY_WORKLOADS = ("copy", "read", "write", "stream-copy", "stream-scale", "stream-add", "stream-triad", "stream-dot", "stencil")  # fmt: skip

#: Shares of ``m x n`` elements that a kernel can't avoid moving: what it reads, and what it writes at half the width.
MOVED: dict[str, float] = {"elementwise": 1.0, "quantise": 1.0, "activation": 1.5, "softmax": 1.5, "layernorm": 1.5}

#: Statistics of a power series that a limit on the mean power bounds; peaks of milliseconds may exceed it.
_MEAN = ("", "mean", "median", "min", "p50")

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class Bounds:
    """Lower bounds, one entry a (row, kind of evidence); a row may give several, or none.

    Attributes
    ----------
    index : ndarray of int
        Position of the row in the table.
    kind : Words
        One of :data:`KINDS`.
    achieved : ndarray of float
        FLOP/s, B/s, W or B per accelerator, always positive.
    precision : Words
        The arithmetic as stated; ``""`` where it is not, and where no arithmetic is bounded.
    working_set : ndarray of float
        Bytes that one pass touches; NaN where the kind has none, infinite where the work is larger than any cache.
    ranks : ndarray of float
        Accelerators that a collective joins, NaN where not known.
    reduces : ndarray of bool
        An all-reduce: switches that add on the way may shorten it.
    seconds : ndarray of float
        How long a host had to bring what the memory lacks (``weights held``), NaN elsewhere.
    """

    index: Rows
    kind: Words
    achieved: Floats
    precision: Words
    working_set: Floats
    ranks: Floats
    reduces: Mask
    seconds: Floats

    def __len__(self) -> int:
        return len(self.index)

    def quantity(self) -> Words:
        """Return what each entry bounds: ``compute``, ``bandwidth``, ``link``, ``power`` or ``memory``."""
        return self.kind.rename(KINDS.__getitem__)

    def take(self, chosen: npt.NDArray[np.bool_] | Rows) -> Bounds:
        """Return the chosen entries."""
        return Bounds(self.index[chosen], self.kind.take(chosen), self.achieved[chosen], self.precision.take(chosen),
                      self.working_set[chosen], self.ranks[chosen], self.reduces[chosen], self.seconds[chosen])  # fmt: skip


@lru_cache(maxsize=1)
def _facts() -> dict[str, dict[str, float]]:
    """Columns of the workload table as word -> number."""
    models = workloads.table()
    names = ("active_parameters", "flops_per_sample", "training_flops_per_sample", "mlperf_output_tokens", "embedding")
    facts = {name: {w: float(getattr(model, name)) for w, model in models.items()} for name in names}
    facts["skippable"] = {w: SKIPPABLE.get(model.kind, 1.0) for w, model in models.items()}
    return facts


class _Gathered:
    """Entries as they are found."""

    def __init__(self, table: Measurements) -> None:
        self.table = table
        self.parts: list[tuple[Rows, str, Floats, Floats, Floats]] = []

    def add(self, kind: str, where: Mask, achieved: Floats, working_set: Floats | None = None, seconds: Floats | None = None) -> None:
        """Keep the rows of a mask whose bound is known and positive."""
        rows = np.flatnonzero(where & np.isfinite(achieved) & (achieved > 0))
        size, time = (np.full(len(rows), np.nan) if column is None else column[rows] for column in (working_set, seconds))
        self.parts.append((rows, kind, achieved[rows], size, time))

    def bounds(self) -> Bounds:
        kinds = tuple(KINDS)
        codes = [np.full(len(rows), kinds.index(kind), dtype=np.int32) for rows, kind, *_ in self.parts]
        index, kind = np.concatenate([p[0] for p in self.parts]), Words(np.concatenate(codes), kinds)
        order = np.argsort(index, kind="stable")
        index, kind = index[order], kind.take(order)
        arithmetic = kind.rename(KINDS.__getitem__).equals("compute")
        stated = self.table.word("precision").take(index)
        precision = Words(np.where(arithmetic, stated.codes, len(stated.words)).astype(np.int32), (*stated.words, ""))
        return Bounds(index, kind, np.concatenate([p[2] for p in self.parts])[order], precision.rename(str),
                      np.concatenate([p[3] for p in self.parts])[order], self.table.accelerator_count()[index],
                      self.table.word("workload").take(index).equals("all-reduce"),
                      np.concatenate([p[4] for p in self.parts])[order])  # fmt: skip


def bounds(table: Measurements) -> Bounds:
    """Return what each row proves that its hardware did, per accelerator.

    A sum over accelerators whose number is not stated proves nothing. Rows of :data:`costs.HOST_WORKLOADS` and
    :data:`costs.CACHE_WORKLOADS` bound no ceiling of the chip table.
    """
    found = _Gathered(table)
    with np.errstate(all="ignore"):
        _stated(table, found)
        _kernels(table, found)
        _links(table, found)
        _language_models(table, found)
        _samples(table, found)
        _training(table, found)
    return found.bounds()


def _or(column: Floats, missing: Floats | float) -> Floats:
    return np.where(np.isnan(column), missing, column)


def _stated(table: Measurements, found: _Gathered) -> None:
    """Figures that are rates, watts or bytes already."""
    quantity, workload, tool = table.word("quantity"), table.word("workload"), table.word("tool")
    value, count = table.per_accelerator(), table.accelerator_count()
    trained = table.word("phase").equals("train") | tool.equals("training", "mlperf-training", "training-run")
    rate = quantity.equals("compute_rate")
    attention = workload.equals("attention", "attention-prefill", "attention-decode", "linear-attention")
    found.add("training rate", rate & trained, value)
    found.add("attention", rate & ~trained & attention, value)
    found.add("moe", rate & ~trained & workload.equals("moe"), value)
    found.add("stated rate", rate & ~trained & ~attention & ~workload.equals("moe"), value)

    moved = quantity.equals("bandwidth") & workload.equals(*MEMORY_WORKLOADS) & ~tool.equals("collective")
    size = table.number("working_set_bytes")
    found.add("memory test", moved, value, _or(size, np.inf))
    # One element-wise pass whose size is stated counts too: whether it left the caches can be told.
    passed = quantity.equals("bandwidth") & workload.equals(*MOVED)
    size = _or(size, table.number("m") * table.number("n") * element_bytes(table.word("precision"), NARROWEST_BYTES))
    found.add("element-wise", passed & ~np.isnan(size), value, size)

    # A node's meter counts hosts and fans: of several accelerators together only tools that read the accelerators count.
    single = table.word("scope").equals("accelerator") | (count == 1)
    own = single | tool.equals("engine", "serving", "telemetry")
    drawn = quantity.equals("power") & table.word("statistic").equals(*_MEAN)
    found.add("power", drawn & own, value)
    found.add("energy and speed", own & quantity.equals("energy_per_token", "energy_per_sample"), paired_power(table))
    found.add("memory in use", quantity.equals("memory_used") & single, value)
    told, held, seconds = footprint(table)
    found.add("weights held", told, held, seconds=seconds)


def _kernels(table: Measurements, found: _Gathered) -> None:
    quantity, workload = table.word("quantity"), table.word("workload")
    m, n, k = table.number("m"), table.number("n"), table.number("k")
    groups = _or(table.number("groups"), 1.0)
    activation = element_bytes(table.word("precision"), NARROWEST_BYTES)
    weight = element_bytes(table.word("weight_precision"), activation)
    # Per accelerator and second: kernels without a count ran on one.
    seconds = np.where(quantity.equals("latency"), table.number("value"), np.nan)
    timed, streamed = quantity.equals("latency"), quantity.equals("bandwidth")

    gemm = workload.equals("gemm", "grouped-gemm", "batched-gemm", "gemv")
    flops = 2.0 * m * n * k * groups
    # A result may be written in 8 bits whatever was multiplied.
    moved = groups * (m * k * activation + k * n * weight + m * n * np.minimum(activation, 1.0))
    found.add("gemm", gemm & timed, flops / seconds)
    found.add("weights", gemm & timed, moved / seconds, moved)
    found.add("weights", gemm & streamed, table.per_accelerator(), moved)
    found.add("weights", gemm & quantity.equals("compute_rate"), table.per_accelerator() * moved / flops, moved)

    moe, chosen = workload.equals("moe"), _or(table.number("experts_per_token"), 1.0)
    # Two matrices an expert (gated ones have three), and no more experts than one token visits.
    found.add("moe", moe & timed, 4.0 * m * chosen * n * k / seconds)
    touched = 2.0 * chosen * n * k * weight
    found.add("weights", moe & timed, touched / seconds, touched)

    share = workload.map(MOVED)
    passed = share * m * n * element_bytes(table.word("precision"), np.nan)
    found.add("element-wise", timed, passed / seconds, passed)
    _attention(table, found, seconds)


def _attention(table: Measurements, found: _Gathered, seconds: Floats) -> None:
    workload = table.word("workload")
    batch, heads, dim = _or(table.number("batch"), 1.0), table.number("heads"), table.number("head_dim")
    query, context = table.number("input_tokens"), table.number("context_tokens")
    # Latent attention multiplies values of 512 with keys of 576, and of 128 with 192: the narrower counts.
    width = dim + np.where(dim == 576.0, 512.0, np.where(dim == 192.0, 128.0, dim))
    prompt = workload.equals("attention", "attention-prefill")
    before = _or(np.maximum(context - query, 0.0), 0.0)
    # Causal, unless nobody says so: a query attends to half of its own block.
    found.add("attention", prompt, 2.0 * batch * heads * width * query * (query / 2.0 + before) / seconds)
    decode = workload.equals("attention-decode")
    attended = _or(context, query)
    found.add("attention", decode, 2.0 * batch * heads * width * attended / seconds)
    # One key-value head where their number is not stated; keys that serve as values, too, where there is one.
    kv_heads = _or(table.number("kv_heads"), 1.0)
    arithmetic = element_bytes(table.word("precision"), np.nan)
    element = element_bytes(
        table.word("kv_precision"), np.where(np.isnan(arithmetic), NARROWEST_BYTES, np.fmin(arithmetic, 1.0))
    )
    cache = np.where(kv_heads > 1.0, 2.0, 1.0) * batch * kv_heads * dim * attended * element
    found.add("key-value cache", decode, cache / seconds, cache)
    found.add("key-value cache", decode & table.word("quantity").equals("bandwidth"), table.per_accelerator(), cache)


def _links(table: Measurements, found: _Gathered) -> None:
    quantity, workload, value = table.word("quantity"), table.word("workload"), table.number("value")
    ranks, message = table.accelerator_count(), table.number("message_bytes")
    # Between nodes a network sets the rate; fewer than two ranks send nothing.
    near = ~(ranks > MOST_RANKS) & ~(ranks < 2.0)
    seconds = np.where(quantity.equals("latency"), value, np.nan)
    for name, factor in BUS_FACTOR.items():
        scale = factor(ranks)
        kind = "transfer" if name == "send-recv" else "collective"
        found.add(kind, near & workload.equals(name), message / seconds * scale)
        found.add(kind, near & workload.equals(name) & quantity.equals("algorithm_bandwidth"), value * scale)
    found.add("collective", near & quantity.equals("bus_bandwidth") & ~workload.equals("send-recv"), value)
    found.add("transfer", near & quantity.equals("bus_bandwidth") & workload.equals("send-recv"), value)
    plain = quantity.equals("bandwidth") & workload.equals(*LINK_WORKLOADS)
    found.add("transfer", near & plain & ~workload.equals(*HOST_WORKLOADS, *CACHE_WORKLOADS), value)


def _language_models(table: Measurements, found: _Gathered) -> None:
    quantity, phase, tool, workload = (table.word(c) for c in ("quantity", "phase", "tool", "workload"))
    facts, rate, count = _facts(), table.per_accelerator(), table.accelerator_count()
    active = _or(table.number("active_parameters"), workload.map(facts["active_parameters"]))
    embedding = _or(workload.map(facts["embedding"]), 0.0)
    # Looking up an embedding is no arithmetic; a prompt's tokens but the last skip the output matrix, too.
    per_token = 2.0 * np.maximum(active - embedding, 0.0)
    per_prompt_token = 2.0 * np.maximum(active - 2.0 * embedding, 0.0)
    mlperf = tool.equals("mlperf-inference")
    served = tool.equals("serving", "engine", "mlperf-inference") & ~phase.equals("train", "kernel")
    into, out = table.number("input_tokens"), table.number("output_tokens")
    tokens, prefill = table.word("unit").equals("token/s"), phase.equals("prefill")

    generated = quantity.equals("output_throughput") | (quantity.equals("throughput") & mlperf)
    found.add("generation", served & tokens & generated & ~prefill, rate * per_token)
    # A plain "throughput" may count prompts.
    mixed = quantity.equals("total_throughput") | (quantity.equals("throughput") & ~mlperf)
    found.add("generation", served & tokens & mixed & ~prefill, rate * per_token * out / (into + out))
    answered = quantity.equals("throughput") & table.word("unit").equals("request/s", "sample/s")
    answer = np.where(mlperf, _or(out, workload.map(facts["mlperf_output_tokens"])), out)
    found.add("generation", served & answered, rate * per_token * answer)

    # A static batch runs as a whole; how many of a server's requests decode at a moment nobody knows, but one does.
    batch = table.number("batch")
    seconds = np.where(table.word("statistic").equals("", "mean", "max", "p90", "p99"), table.number("value"), np.nan)
    whole = quantity.equals("e2e_latency", "latency") & phase.equals("offline", "latency", "serve")
    whole &= tool.equals("engine")
    found.add("generation", served & whole, _or(batch, 1.0) * out * per_token / seconds / count)
    step = quantity.equals("tpot", "itl") | (quantity.equals("latency") & phase.equals("decode"))
    together = np.where(tool.equals("engine") & phase.equals("decode"), _or(batch, 1.0), 1.0)
    found.add("generation", served & step, together * per_token / seconds / count)

    bench = tool.equals("engine", "kernel") & prefill & ~np.isnan(batch)
    flow = quantity.equals("input_throughput", "throughput", "total_throughput") & tokens
    found.add("prefill", bench & flow, rate * per_prompt_token)
    found.add("prefill", bench & quantity.equals("ttft", "latency"), batch * into * per_prompt_token / seconds / count)


def _samples(table: Measurements, found: _Gathered) -> None:
    """Images, sentences, videos at their published forward cost. Steps of a diffusion may be skipped except in MLPerf."""
    quantity, workload, facts = table.word("quantity"), table.word("workload"), _facts()
    cost = workload.map(facts["flops_per_sample"]) / workload.map(facts["skippable"])
    known = np.isnan(workload.map(facts["active_parameters"])) | np.isnan(workload.map(facts["mlperf_output_tokens"]))
    inference = known & table.word("tool").equals("mlperf-inference") & ~table.word("phase").equals("train")
    flow = quantity.equals("throughput") & table.word("unit").equals("sample/s", "request/s")
    found.add("sample", inference & flow, table.per_accelerator() * cost)
    single = quantity.equals("latency") & ~table.word("statistic").equals("median", "min")
    alone = _or(table.number("batch"), 1.0)
    found.add("sample", inference & single, alone * cost / table.number("value") / table.accelerator_count())


def _training(table: Measurements, found: _Gathered) -> None:
    quantity, workload, tool, facts = table.word("quantity"), table.word("workload"), table.word("tool"), _facts()
    rate, count, seconds = table.per_accelerator(), table.accelerator_count(), table.number("value")
    active = _or(table.number("active_parameters"), workload.map(facts["active_parameters"]))
    here = table.word("phase").equals("train") | tool.equals("training", "mlperf-training")
    forward = workload.map(facts["flops_per_sample"]) / workload.map(facts["skippable"])
    length, batch = table.number("input_tokens"), table.number("batch")
    per_token = np.where(tool.equals("mlperf-training") & ~workload.equals("llama-2-70b-lora"), 6.0, 4.0) * active
    # Of three passes the one that finds the weights' gradients may be saved, except where a benchmark trains all of them.
    passes = np.where(tool.equals("mlperf-training"), 3.0, 2.0)
    stated = workload.map(facts["training_flops_per_sample"]) / workload.map(facts["skippable"]) * passes / 3.0
    sample = _or(stated, _or(passes * forward, per_token * length))
    flow = quantity.equals("throughput", "total_throughput", "input_throughput")
    found.add("training", here & flow & table.word("unit").equals("token/s"), rate * per_token)
    found.add("training", here & flow & table.word("unit").equals("sample/s"), rate * sample)
    step = here & quantity.equals("step_time") & ~table.word("statistic").equals("median", "min")
    found.add("training", step, sample * batch / seconds / count)
    # A whole run trains all weights. The embedding's look-ups stand for the attention that is left out: from a thousand
    # tokens of context on, attention is the larger of the two.
    run = quantity.equals("accelerator_hours")
    found.add("training run", run, 6.0 * active * table.number("tokens") / seconds)
