"""What a board must hold and draw: weights that had to lie in its memory, and power that follows from energy and speed.

**Memory.** A pass through a language model reads every weight that its token uses, and an accelerator that does not hold a
weight must fetch it over its host's link in each pass. So weights that exceed the memory prove something only together with
the time of a pass: ``weights / accelerators <= capacity + link x time``. That is left room where it can be:

- a pass may yield :data:`DRAFTED` tokens, guessed by a draft and kept;
- only what a token uses counts: of a mixture of experts, chosen experts may lie in memory and the rest elsewhere;
- weights whose precision is not stated are :data:`SMALLEST_BYTES` wide, the embedding is looked up on the host;
- one sequence's key-value cache, where a pass surely holds one of the stated length: prompts may be shared, requests may wait.

Arithmetic is taken to be done by the accelerators, as everywhere in :mod:`fingerprint.bounds`. What a training step holds is
not counted: optimisers keep their state on hosts and disks, and steps are long enough to fetch it.

**Power.** A token's energy times the tokens a second is the mean power of the run that both were measured in. A table has no
column for runs: rows belong together where all circumstances agree, the energy to the speed that stands before it in the file
(or, if none does, next after it).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fingerprint import workloads
from fingerprint.costs import element_bytes
from fingerprint.measurements import NUMBER_COLUMNS, Floats, Mask, Measurements

#: Tokens that a pass may yield to one sequence: about twice what the best published drafts have accepted a pass (Li et al.
#: 2025, EAGLE-3, arXiv:2503.01840).
DRAFTED = 16.0

#: Bytes of a weight or a cached element of which nothing is stated: 2 bits, the smallest that public files of models use.
SMALLEST_BYTES = 0.25

#: Which speed an energy belongs to: the energy's quantity, and the speed's quantity and unit.
_PAIRS = (("energy_per_token", "output_throughput", "token/s"),
          ("energy_per_sample", "throughput", "sample/s"), ("energy_per_sample", "throughput", "request/s"))  # fmt: skip

#: Columns in which rows of one run agree.
_CIRCUMSTANCES = ("profile", "tool", "workload", "phase", "precision", "weight_precision", "kv_precision")

Rows = npt.NDArray[np.int64]


@lru_cache(maxsize=1)
def _facts() -> dict[str, dict[str, float]]:
    """Columns of the workload table as word -> number."""
    models = workloads.table()
    names = ("kv_elements_per_token", "attention_top_k", "embedding")
    facts = {name: {w: float(getattr(model, name)) for w, model in models.items()} for name in names}
    # Of a speech model a pass reads the decoder only.
    facts["active_parameters"] = {w: model.active_parameters for w, model in models.items() if model.kind == "llm"}
    return facts


def footprint(table: Measurements) -> tuple[Mask, Floats, Floats]:
    """Return which rows tell what a pass reads and how long it may take, the bytes per accelerator, and the seconds.

    Weights and one sequence's cache over all accelerators that shared the work. NaN where model, count or time is not known.
    """
    quantity, tool, phase, workload = (table.word(c) for c in ("quantity", "tool", "phase", "workload"))
    facts, value, count = _facts(), table.number("value"), table.accelerator_count()
    active, known = table.number("active_parameters"), workload.map(facts["active_parameters"])
    active = np.where(np.isnan(active), known, active)
    used = np.maximum(active - np.nan_to_num(workload.map(facts["embedding"])), 0.0)
    weights = used * element_bytes(table.word("weight_precision"), SMALLEST_BYTES)

    batch, in_flight = table.number("batch"), table.number("concurrency")
    alone = tool.equals("engine") & ~np.isnan(batch) | (in_flight == 1.0)
    kept = np.fmin(table.number("input_tokens"), workload.map(facts["attention_top_k"]))
    cache = workload.map(facts["kv_elements_per_token"]) * kept
    cache = np.where(alone, np.nan_to_num(cache), 0.0) * element_bytes(table.word("kv_precision"), SMALLEST_BYTES)

    served = tool.equals("serving", "engine", "mlperf-inference") & ~phase.equals("train", "kernel", "prefill")
    single = quantity.equals("tpot") & table.word("statistic").equals("", "mean", "median", "p90", "p95", "p99", "max")
    flow = quantity.equals("output_throughput") & table.word("unit").equals("token/s")
    # A pass serves at most all that is in flight.
    together = np.fmax(batch, in_flight)
    total = np.where(table.word("scope").equals("accelerator"), value * count, value)
    with np.errstate(all="ignore"):
        seconds = np.where(single, DRAFTED * value, DRAFTED * together / total)
        held = (weights + cache) / count
        # Rounded up to steps of 2.3 %, so that a large table has few distinct times to hold against the chips.
        seconds = 10.0 ** (np.ceil(100.0 * np.log10(seconds) - 1e-6) / 100.0)
    told = served & (single | flow) & np.isfinite(seconds) & (seconds > 0) & np.isfinite(held) & (held > 0)
    return told, held, seconds


def paired_power(table: Measurements) -> Floats:
    """Return the mean power per accelerator that each row's energy proves with a speed of its run, W; NaN where none does."""
    quantity, unit = table.word("quantity"), table.word("unit")
    plain = table.word("statistic").equals("", "mean")
    speed, power = table.per_accelerator(), np.full(len(table), np.nan)
    keys: Rows | None = None
    for energy, rate, per in _PAIRS:
        spent = plain & quantity.equals(energy)
        fast = plain & quantity.equals(rate) & unit.equals(per) & np.isfinite(speed)
        if not (spent.any() and fast.any()):
            continue
        keys = _circumstances(table) if keys is None else keys
        at, partner = _partners(keys, table.row, np.flatnonzero(spent), np.flatnonzero(fast))
        power[at] = table.number("value")[at] * speed[partner]
    return power


def _circumstances(table: Measurements) -> Rows:
    """Return a number a row, equal where all circumstances are; missing ones equal one another."""
    keys = np.zeros(len(table), dtype=np.int64)
    columns = [table.word(name).rename(str).codes for name in _CIRCUMSTANCES]
    columns += [np.nan_to_num(table.number(name), nan=-1.0) for name in NUMBER_COLUMNS if name != "value" and name in table.numbers]
    for column in columns:
        _, codes = np.unique(column, return_inverse=True)
        # Numbered anew after each column, so that products stay small.
        _, keys = np.unique(keys * (int(codes.max(initial=0)) + 1) + codes.reshape(-1), return_inverse=True)
        keys = keys.reshape(-1).astype(np.int64)
    return keys


def _partners(keys: Rows, row: Rows, spent: Rows, fast: Rows) -> tuple[Rows, Rows]:
    """Return the energies that have a partner and, for each, the speed of equal key: the last before it, or else the first after."""
    order = np.lexsort((row[fast], keys[fast]))
    fast = fast[order]
    # Key and row as one number that sorts alike.
    span = int(row.max(initial=0)) + 1
    place = keys[fast] * span + row[fast]
    before = np.searchsorted(place, keys[spent] * span + row[spent], side="right") - 1
    after = np.minimum(before + 1, len(fast) - 1)
    first = fast[np.maximum(before, 0)]
    partner = np.where((before >= 0) & (keys[first] == keys[spent]), first, fast[after])
    paired = keys[partner] == keys[spent]
    return spent[paired], partner[paired]
