"""What a workload is: models with their published shapes, kernels with their meaning, and the many names of both.

The facts are in ``datasets/workloads.csv``, one row a model; a cell left empty there is unknown and NaN here. A row
with ``same_as`` has the architecture of another row and takes every cell from it that it leaves empty itself. The costs
in FLOP and bytes that follow from these facts are computed elsewhere.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING

from fingerprint import resources
from fingerprint.errors import FingerprintError

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("llm", "encoder", "vision", "speech", "diffusion", "recommender", "graph")

#: Kernel workloads and what each measures.
KERNELS: dict[str, str] = {
    "gemm": "one dense matrix product",
    "batched-gemm": "many matrix products of one shape",
    "grouped-gemm": "matrix products of different heights in one launch, as in a mixture of experts",
    "gemv": "a matrix times one or a few vectors: streams the weights",
    "moe": "a whole mixture-of-experts layer: routing, both grouped products, combination",
    "attention": "attention over whole sequences, forward or backward, as in training",
    "attention-prefill": "attention of a prompt's tokens to themselves (and to a cached prefix)",
    "attention-decode": "attention of one new token a sequence to its cached keys and values",
    "linear-attention": "a scan with a state of fixed size: Mamba, gated DeltaNet",
    "all-reduce": "sum over ranks, result on all",
    "all-gather": "every rank's part to all ranks",
    "reduce-scatter": "sum over ranks, each rank keeps its part",
    "all-to-all": "every rank a different part to every other",
    "broadcast": "one rank's data to all",
    "send-recv": "one rank to one other",
    "dispatch": "tokens to the ranks of their experts",
    "combine": "expert outputs back to their tokens' ranks",
    "gemm-collective": "a matrix product overlapped with a collective",
    "copy": "device memory to the same device's memory",
    "peer-copy": "device memory to another device's memory",
    "host-copy": "between host and device memory",
    "read": "reads of device memory",
    "write": "writes of device memory",
    "stream-copy": "STREAM: c = a",
    "stream-scale": "STREAM: b = s c",
    "stream-add": "STREAM: c = a + b",
    "stream-triad": "STREAM: a = b + s c",
    "stream-dot": "STREAM: sum of a b",
    "stencil": "each element from its neighbours, bound by memory: 3- and 5-point stencils, lattice Boltzmann",
    "cache-read": "reads of a working set that fits a cache",
    "shared-memory": "reads and writes of the on-chip shared memory",
    "pointer-chase": "dependent loads: latency of a level of the memory hierarchy",
    "elementwise": "one pass over tensors without reuse: casts, rotary embedding, additions",
    "quantise": "conversion to a narrower type with its scales",
    "softmax": "softmax over rows",
    "layernorm": "layer or RMS normalisation over rows",
    "activation": "activation function, gated or plain",
    "vector": "arithmetic of the ordinary (not tensor) units",
    "tensor-instruction": "tensor-core instructions without memory traffic",
    "integer-instruction": "integer and dynamic-programming instructions without memory traffic",
    "atomic": "atomic operations",
    "synchronisation": "barriers and fences",
    "launch": "start of a kernel or of a graph of kernels",
}

# Matched in order against the normalised name ("fp8_gemm" reads "fp8-gemm"), only when no model fits.
_KERNEL_PATTERNS: tuple[tuple[str, str], ...] = (
    (r"^atomic", "atomic"),
    (r"ag-gemm|gemm-rs|moe-layer-?[01]", "gemm-collective"),
    (r"all-?reduce|allreduce", "all-reduce"),
    (r"all-?gather|allgather", "all-gather"),
    (r"reduce-?scatter", "reduce-scatter"),
    (r"all-?to-?all|alltoall|all-2-all", "all-to-all"),
    (r"broadcast$", "broadcast"),
    (r"send-?recv|^sendrecv", "send-recv"),
    # A round trip names both halves: it is neither.
    (r"dispatch-combine", "all-to-all"),
    (r"dispatch", "dispatch"),
    (r"combine", "combine"),
    (r"mega-moe|fused-moe|(^|-)fmoe|^moe$|moe-layer-fwd", "moe"),
    (r"grouped.*gemm", "grouped-gemm"),
    (r"batched-gemm|(^|-)bmm(-|$)", "batched-gemm"),
    (r"(^|-)gemv(-|$)", "gemv"),
    (r"(attention|mla|attn|fmha|sdpa).*decode|decode-attention|generation-attention|attention-generation",
     "attention-decode"),
    (r"(attention|attn|fmha|mla).*(prefill|extend)|prefill-.*attention|context-attention|attention-context|fmha",
     "attention-prefill"),
    (r"chunk-scan|gated-delta|(^|-)gdn", "linear-attention"),
    (r"^(attention|attn|flash|sdpa)(-|$)|^fa-?[234]-|-(mha|gqa)-.*causal|causal-(fwd|bwd)$", "attention"),
    (r"(^|-)d-?2-?d(-|$)", "copy"),
    (r"host-to-device|device-to-host|(^|-)(h-?2-?d|d-?2-?h)(-|$)|^pcie", "host-copy"),
    (r"p-?2-?p|peer|nvlink", "peer-copy"),
    (r"(^|-)(quantize|quantise|cast|amax)(-|$)", "quantise"),
    (r"(^|-)(gemms?|matmul)(-|$)|^linear$|^mm$|^tensor-(cublas|cutlass|cutedsl)", "gemm"),
    (r"(babelstream|stream)-(copy|scale|add|triad|dot)", r"stream-\2"),
    (r"stream-read|coalesced-read|hbm-read(?!-write)|memory-read", "read"),
    (r"stream-(init|write)|coalesced-write|hbm-write|memory-write", "write"),
    (r"stream-[35]-?pt|^lbm|stencil", "stencil"),
    (r"local-copy|on-device-copy|^memcpy", "copy"),
    (r"cache-read|l-?2-cache|^cache-", "cache-read"),
    (r"^d?s(h)?mem", "shared-memory"),
    (r"pointer-chase", "pointer-chase"),
    (r"^tensor-(mma|hmma|tcgen|tmem)|^(fp-?\d+-)?[dhw]g?mma(-|$)", "tensor-instruction"),
    (r"roofline-fma|^fp-?(32|64)-", "vector"),
    (r"^vi(add|b)?(max|min)", "integer-instruction"),
    (r"^sync-", "synchronisation"),
    (r"^launch", "launch"),
    (r"rotary|(^|-)rope(-|$)|elementwise|hadamard", "elementwise"),
    (r"(^|-)softmax(-|$)", "softmax"),
    (r"(layer|rms|add-rms)-?norm", "layernorm"),
    (r"^(swiglu|gelu|silu|relu)$", "activation"),
)

# Spellings of kernels that no pattern should have to know.
_KERNEL_ALIASES = {
    "mul": "stream-scale", "add": "stream-add", "triad": "stream-triad", "dot": "stream-dot", "copy": "stream-copy",
    "vec": "elementwise", "ln": "layernorm", "hbm-bandwidth": "read", "hbm-bandwidth-sustained": "read", "weight-streaming": "read",
}

# Words that name a release, a number format, a tool or a scenario, not an architecture. Cut from the end of a name.
_DECORATION = frozenset({
    "instruct", "chat", "it", "hf", "base", "pt", "latest", "official", "preview", "thinking", "dynamic", "dyn",
    "kv", "qat", "diffusers", "quantized", "quantised", "fp32", "tf32", "fp16", "bf16", "fp8", "fp4", "mxfp8",
    "mxfp6", "mxfp4", "nvfp4", "int8", "int4", "awq", "gptq", "gguf", "exl3", "w4a16", "w8a8", "w8a16", "w4a8",
    "w4afp8", "kv8", "vllm", "sglang", "trtllm", "quark", "pre", "mtp", "tokendrop", "sharegpt", "99", "99.9",
    "interactive", "edge", "offline", "server", "gpus", "single", "mp",
})
# Publishers that people write in front of a name without a slash.
_PUBLISHERS = frozenset({"nvidia", "meta", "neuralmagic", "redhatai", "amd", "unsloth", "google", "openai"})
_ACCURACY_TIERS = frozenset({"99", "99.9"})
_QUANTISED_FILE = re.compile(r"[-_. ]i?q[2-8](_[0-9a-z]+)*(\.gguf)?$")

# A point is part of a number only between digits.
_WORD = re.compile(r"[a-z0-9]+(?:(?<=\d)\.(?=\d)[a-z0-9]+)*")
_NAME_AND_NUMBER = re.compile(r"([a-z]{2,}?)v?(\d.*)")
_DIGITS = frozenset("0123456789")
# Four to eight digits are a date (2507, 0528); 0.x is a release of weights.
_DATE_OR_RELEASE = re.compile(r"\d{4}|\d{6}|\d{8}|0\.\d")


@dataclass(frozen=True, slots=True)
class Workload:
    """One model and its published facts.

    Counts are plain numbers (parameters in units of 1, not billions); NaN means unknown or without meaning here.

    Attributes
    ----------
    id : str
        Canonical name: lower case, words joined by dashes.
    kind : str
        One of :data:`KINDS`.
    same_as : str
        Id of the row whose architecture this one has, or ``""``.
    total_parameters, active_parameters : float
        All stored weights, and those that one token passes through. Embedding tables are in both unless the note
        says otherwise.
    layers, attention_layers : float
        All layers, and those whose keys and values grow with the whole context.
    hidden, heads, kv_heads, head_dim : float
        Width of the residual stream, query heads, key-value heads, size of a head (of the values, where those of the
        keys differ).
    attention : str
        ``mha``, ``gqa``, ``mla``, ``hybrid`` (layers of several kinds) or ``""`` when unknown.
    attention_window : float
        Tokens that a layer outside ``attention_layers`` attends to, where it has a window.
    attention_top_k : float
        Tokens that sparse attention reads a step; NaN where all are read.
    kv_elements_per_token : float
        Elements of the key-value cache that one token adds for good, over ``attention_layers``:
        2 x layers x kv_heads x head_dim, or layers x (latent + rotary) for latent attention (mla).
    windowed_kv_elements_per_token : float
        The same over the layers with a window; they hold at most ``attention_window`` tokens.
    experts, experts_per_token : float
        Routed experts in a layer and how many a token visits; shared experts not counted.
    vocabulary : float
        Rows of the embedding.
    embeddings : float
        How many matrices of ``vocabulary x hidden`` are among ``active_parameters``: 2 where the one that is looked up and the
        one that makes the output both are, 1 where they are one and the same or the look-up is not counted, 0 where the
        stated count is that of the layers.
    published_bits : float
        Bits of a weight in the narrowest form that its maker publishes under this name; NaN is 16.
    context : float
        The longest declared context in tokens.
    flops_per_sample : float
        FLOP (two a multiply-add) of one forward pass of one sample, for models that don't count tokens.
    flops_per_step : float
        FLOP of one pass of a diffusion model's network for one image, at the size that the note gives.
    training_flops_per_sample : float
        FLOP of forward and backward pass, where it isn't three times ``flops_per_sample``.
    mlperf_input_tokens, mlperf_output_tokens : float
        Mean tokens a sample in MLPerf Inference's data set.
    aliases : tuple of str
        Spellings met in public figures.
    source, note : str
        Where the facts come from, and what to beware of.
    """

    id: str
    kind: str
    same_as: str
    total_parameters: float
    active_parameters: float
    layers: float
    attention_layers: float
    hidden: float
    heads: float
    kv_heads: float
    head_dim: float
    attention: str
    attention_window: float
    attention_top_k: float
    kv_elements_per_token: float
    windowed_kv_elements_per_token: float
    experts: float
    experts_per_token: float
    vocabulary: float
    embeddings: float
    published_bits: float
    context: float
    flops_per_sample: float
    flops_per_step: float
    training_flops_per_sample: float
    mlperf_input_tokens: float
    mlperf_output_tokens: float
    aliases: tuple[str, ...]
    source: str
    note: str

    @property
    def embedding(self) -> float:
        """Parameters of one matrix of ``vocabulary x hidden``."""
        return self.vocabulary * self.hidden

    @property
    def looked_up(self) -> float:
        """Active parameters that a token looks up: no arithmetic, and no reading of the whole."""
        return self.embedding if self.embeddings == 2 else 0.0

    @property
    def output_matrix(self) -> float:
        """Active parameters that only a token whose successor is asked for passes through."""
        return self.embedding if self.embeddings >= 1 else 0.0


_TEXT_FIELDS = ("id", "kind", "same_as", "attention", "source", "note")
_NUMBER_FIELDS = tuple(field.name for field in fields(Workload) if field.name not in (*_TEXT_FIELDS, "aliases"))
_UNKNOWN = float("nan")
# Facts of one row alone: a model of the same architecture has another benchmark, other names, another source.
_OWN_COLUMNS = frozenset({"workload", "kind", "same_as", "aliases", "source", "note", "flops_per_sample",
                          "training_flops_per_sample", "mlperf_input_tokens", "mlperf_output_tokens"})


@lru_cache(maxsize=1)
def table() -> dict[str, Workload]:
    """Return all models by id, in the order of the file.

    Raises
    ------
    FingerprintError
        If the file repeats an id, names an unknown kind or a ``same_as`` that leads nowhere, or holds a number that
        isn't one.
    """
    with resources.path("datasets/workloads.csv").open(newline="", encoding="utf-8") as stream:
        cells: dict[str, dict[str, str]] = {}
        for row in csv.DictReader(stream):
            if row["workload"] in cells:
                raise FingerprintError(f"workloads.csv: {row['workload']} stands there twice")
            cells[row["workload"]] = row
    return {name: _workload(_completed(name, cells)) for name in cells}


def _completed(name: str, cells: dict[str, dict[str, str]]) -> dict[str, str]:
    """Return a row's cells, the empty ones of its architecture filled from the rows it is the same as."""
    row = dict(cells[name])
    seen = {name}
    other = row["same_as"]
    while other:
        if other in seen or other not in cells:
            raise FingerprintError(f"workloads.csv: {name} is the same as {other}, which leads nowhere")
        seen.add(other)
        for column, value in cells[other].items():
            if column not in _OWN_COLUMNS and not row[column]:
                row[column] = value
        other = cells[other]["same_as"]
    return row


def _workload(row: dict[str, str]) -> Workload:
    if row["kind"] not in KINDS:
        raise FingerprintError(f"workloads.csv: {row['workload']} has the kind {row['kind']!r}, not one of {KINDS}")
    numbers: dict[str, float] = {}
    for name in _NUMBER_FIELDS:
        text = row[name]
        try:
            numbers[name] = float(text) if text else _UNKNOWN
        except ValueError:
            raise FingerprintError(f"workloads.csv: {row['workload']}, {name}: {text!r} is no number") from None
    words = {name: row["workload" if name == "id" else name] for name in _TEXT_FIELDS}
    return Workload(aliases=tuple(filter(None, row["aliases"].split(";"))), **words, **numbers)  # type: ignore[arg-type]  # mypy can't see that the two dicts split the fields by type


def _tokens(text: str) -> list[str]:
    """Return a name's words: ``"Llama2-70B"`` and ``"LLaMA v2 70b"`` both give ``["llama", "2", "70b"]``."""
    words: list[str] = []
    for piece in _WORD.findall(text.lower()):
        if piece in _DECORATION or piece.isalpha():
            words.append(piece)
            continue
        piece = piece[1:] if piece[0] == "v" and piece[1] in _DIGITS else piece
        split = _NAME_AND_NUMBER.fullmatch(piece)
        words.extend(split.groups() if split else [piece])
    joined: list[str] = []
    for word in filter(None, words):
        # "llama3_1" and "glm-5-2" write a version's point as a separator.
        if joined and word in _DIGITS and joined[-1] in _DIGITS:
            joined[-1] += "." + word
        else:
            joined.append(word)
    return joined


def _key(text: str) -> str:
    return "-".join(_tokens(text))


def _is_decoration(word: str) -> bool:
    return word in _DECORATION or (not word.isalpha() and _DATE_OR_RELEASE.fullmatch(word) is not None)


def _candidates(name: str) -> Iterator[str]:
    """Yield the normalised spellings to look up, the most literal first."""
    whole = name.strip().rstrip("/\\").lower().replace("--", "/")
    whole = _QUANTISED_FILE.sub("", whole) if "q" in whole else whole
    parts = [whole]
    if ":" in whole:  # a task in front of the model, "gpqa:openai/gpt-oss-20b"
        parts.append(whole.rsplit(":", 1)[1])
    parts += [part.rsplit("/", 1)[1] for part in list(parts) if "/" in part]
    for part in parts:
        words = _tokens(part)
        yield "-".join(words)
        cut: list[str] = []
        while len(words) > 1 and _is_decoration(words[-1]):
            cut.append(words.pop())
        while len(words) > 1 and words[0] in _PUBLISHERS:
            words = words[1:]
        # "bert-fp16" may be any BERT: a lone family name counts only where no more than MLPerf's tier was cut.
        if len(words) > 1 or set(cut) <= _ACCURACY_TIERS:
            yield "-".join(words)


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    """Return the ids of models by normalised spelling."""
    names: dict[str, str] = {}
    for workload in table().values():
        for spelling in (workload.id, *workload.aliases):
            keys = list(_candidates(spelling))
            for key in {keys[0], keys[-1]}:
                if names.setdefault(key, workload.id) != workload.id:
                    raise FingerprintError(f"workloads.csv: {key} is both {names[key]} and {workload.id}")
    return names


@lru_cache(maxsize=4096)
def resolve(name: str) -> str | None:
    """Return the canonical id of a model or kernel written in any usual way, or None when it isn't known.

    Publisher, case, separators, dates, number formats, tools and MLPerf tiers don't matter; sizes, versions and words
    such as ``distill`` do. Models are tried before kernels.

    Examples
    --------
    >>> resolve("meta-llama/Llama-3.1-70B-Instruct")
    'llama-3.1-70b'
    >>> resolve("fp8_gemm")
    'gemm'
    >>> resolve("Qwen3-31B") is None
    True
    """
    if name in KERNELS or name in table():  # canonical already; the list of all spellings takes long to make
        return name
    names = _names()
    for key in _candidates(name):
        if key in names:
            return names[key]
    return _kernel(name)


def _kernel(name: str) -> str | None:
    if name in KERNELS:
        return name
    key = _key(name)
    if key in KERNELS or key in _KERNEL_ALIASES:
        return _KERNEL_ALIASES.get(key, key)
    for pattern, kernel in _KERNEL_PATTERNS:
        if found := re.search(pattern, key):
            return found.expand(kernel)
    return None


def frame() -> pd.DataFrame:
    """Return the models as a DataFrame: the columns of :class:`Workload`, one row a model, index 0, 1, ..."""
    import pandas as pd

    return pd.DataFrame([{f.name: getattr(w, f.name) for f in fields(Workload)} for w in table().values()])
