"""The measurement table: one row is one figure that somebody published or a tool printed.

Every other module speaks this table. Columns are NumPy arrays: numbers as ``float64`` (missing is NaN), words as
dictionary-encoded :class:`Words` (missing is ``""``), so that one vectorised code path serves one profile or ten million
and the command starts without pandas. Units are converted once, on the way in, to SI: second, byte, FLOP/s, B/s, W, J.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from fingerprint.errors import InputError
from fingerprint.units import QUANTITIES, canonical_precision, canonical_quantity, convert, implied_unit

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

#: Columns of words and what they hold.
WORD_COLUMNS: dict[str, str] = {
    "profile": "rows sharing it came from the same hardware",
    "tool": "what measured: mlperf-inference, mlperf-training, serving, engine, kernel, collective, stream, training, "
    "training-run, telemetry, microbenchmark",
    "workload": "canonical model or kernel of workloads.py, e.g. llama-2-70b, gemm, all-reduce",
    "phase": "prefill, decode, serve, offline, latency, train, kernel, idle, load",
    "precision": "the arithmetic: fp64 fp32 tf32 bf16 fp16 int8 fp8 fp4; empty when not stated",
    "weight_precision": "of the stored weights where it differs from the arithmetic",
    "kv_precision": "of the key-value cache where it differs",
    "statistic": "which number of a distribution: mean, median, p90, p99, min, max; empty for a plain figure",
    "scope": "'accelerator' when the figure is already per accelerator, else 'system': the sum over `accelerators`",
    "quantity": "what was measured, see units.QUANTITIES",
    "unit": "the canonical unit of `value`",
}

#: Columns of numbers and what they hold. All but ``value`` may be missing (NaN).
NUMBER_COLUMNS: dict[str, str] = {
    "accelerators": "how many accelerators shared the work",
    "batch": "requests, images or sequences worked on at once (training: the global batch, in sequences or samples)",
    "concurrency": "requests in flight in a serving test",
    "input_tokens": "prompt tokens a request (training: sequence length)",
    "output_tokens": "generated tokens a request",
    "context_tokens": "key-value tokens attended to (attention kernels, decode steps)",
    "m": "GEMM rows (tokens)",
    "n": "GEMM columns of the weight",
    "k": "GEMM inner dimension",
    "groups": "GEMMs in a batched or grouped GEMM; experts held in a mixture-of-experts kernel",
    "experts_per_token": "experts that each token visits (mixture of experts)",
    "heads": "query heads on this accelerator",
    "kv_heads": "key-value heads on this accelerator",
    "head_dim": "size of a head",
    "message_bytes": "bytes of a collective or copy, per accelerator, as nccl-tests counts them",
    "working_set_bytes": "bytes a memory kernel touches in a pass",
    "active_parameters": "parameters used a token, where the workload is not one of workloads.py",
    "total_parameters": "parameters held, likewise",
    "tokens": "tokens of a whole training run",
    "value": "the figure, in the canonical unit",
}

#: Quantities that add up over accelerators.
SUMS: tuple[str, ...] = ("throughput", "input_throughput", "output_throughput", "total_throughput", "compute_rate", "bandwidth",
                         "power", "energy", "compute")  # fmt: skip

COLUMNS: tuple[str, ...] = (*WORD_COLUMNS, *NUMBER_COLUMNS)

#: A value beyond these is no measurement of any machine, whatever its unit (2e27 FLOP is the largest training run known).
LARGEST_VALUE = 1e30


@dataclass(frozen=True, eq=False, repr=False)
class Words:
    """A column of words as codes into a list: ``words[codes[i]]`` is the word of row ``i``."""

    codes: Codes
    words: tuple[str, ...]

    @classmethod
    def of(cls, values: Iterable[str]) -> Words:
        """Return the encoded column of plain strings."""
        values = list(values)
        # No Python code a row: ten million rows have a hundred million words.
        index = {word: code for code, word in enumerate(dict.fromkeys(values))}
        return cls(np.fromiter(map(index.__getitem__, values), dtype=np.int32, count=len(values)), tuple(index))

    @classmethod
    def constant(cls, word: str, length: int) -> Words:
        """Return a column that repeats one word."""
        return cls(np.zeros(length, dtype=np.int32), (word,))

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, row: int) -> str:
        return self.words[int(self.codes[row])]

    def __iter__(self) -> Iterator[str]:
        return (self.words[c] for c in self.codes)

    def take(self, rows: npt.NDArray[Any]) -> Words:
        """Return the column at the given row numbers or boolean mask."""
        return Words(self.codes[rows], self.words)

    def equals(self, *wanted: str) -> npt.NDArray[np.bool_]:
        """Return, for each row, whether its word is one of those wanted."""
        known = np.fromiter((w in wanted for w in self.words), dtype=bool, count=len(self.words))
        return cast("npt.NDArray[np.bool_]", known[self.codes])

    def map(self, table: Mapping[str, float], missing: float = np.nan) -> Floats:
        """Return, for each row, the number that the table gives for its word."""
        values = np.fromiter((table.get(w, missing) for w in self.words), dtype=np.float64, count=len(self.words))
        return values[self.codes]

    def rename(self, new: Callable[[str], str]) -> Words:
        """Return the column with every word renamed, words that become equal merged."""
        index: dict[str, int] = {}
        lookup = np.fromiter((index.setdefault(new(w), len(index)) for w in self.words), dtype=np.int32)
        return Words(lookup[self.codes], tuple(index)) if self.words else self


@dataclass(frozen=True)
class Ignored:
    """A row that was left out, and why."""

    profile: str
    row: int
    why: str


@dataclass(frozen=True, eq=False)
class Measurements:
    """Figures of one or more profiles.

    Parameters
    ----------
    words, numbers : mapping
        Columns of :data:`WORD_COLUMNS` and :data:`NUMBER_COLUMNS`, all of one length; absent columns read as missing.
    row : ndarray of int
        Each figure's number in the file or table it came from, counted from 1.
    identity : mapping of profile to names
        What the file says its hardware is. Reported, never used: no feature can see it.
    ignored : tuple of Ignored
        Rows of the input that hold no usable figure.
    notes : tuple of str
        Words for the user, such as unknown columns.
    """

    words: dict[str, Words]
    numbers: dict[str, Floats]
    row: npt.NDArray[np.int64]
    identity: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ignored: tuple[Ignored, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.row)

    def word(self, column: str) -> Words:
        """Return a column of words; all empty when the table lacks it."""
        return self.words.get(column) or Words.constant("", len(self))

    def number(self, column: str) -> Floats:
        """Return a column of numbers; all NaN when the table lacks it."""
        found = self.numbers.get(column)
        return np.full(len(self), np.nan) if found is None else found

    @property
    def profiles(self) -> tuple[str, ...]:
        """The profiles' names, in order of first appearance."""
        return self._grouped()[0]

    def profile_numbers(self) -> Codes:
        """Return, for each row, the number of its profile in :attr:`profiles`."""
        return self._grouped()[1]

    def _grouped(self) -> tuple[tuple[str, ...], Codes]:
        column = self.word("profile")
        present, first, inverse = np.unique(column.codes, return_index=True, return_inverse=True)
        order = np.argsort(first, kind="stable")
        rank = np.empty(len(order), dtype=np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        return tuple(column.words[present[i]] for i in order), rank[inverse.reshape(-1)]

    def take(self, rows: npt.NDArray[Any]) -> Measurements:
        """Return the table at the given row numbers or boolean mask; identity and notes stay."""
        return Measurements(
            {name: column.take(rows) for name, column in self.words.items()},
            {name: column[rows] for name, column in self.numbers.items()},
            self.row[rows],
            self.identity,
            self.ignored,
            self.notes,
        )

    def accelerator_count(self) -> Floats:
        """Return how many accelerators shared the work; one where a kernel or memory test does not say, else NaN."""
        single = self.word("tool").equals("kernel", "stream", "microbenchmark") | self.word("phase").equals("kernel")
        count = self.number("accelerators")
        return np.where(np.isnan(count) & single, 1.0, count)

    def per_accelerator(self) -> Floats:
        """Return ``value`` divided by the count where it is a sum over accelerators.

        NaN where it is such a sum and the count is not known: evidence per accelerator is void there. Times and energy per
        token are no sums and stay as they are.
        """
        value = self.number("value")
        shared = ~self.word("scope").equals("accelerator") & self.word("quantity").equals(*SUMS)
        return np.where(shared, value / self.accelerator_count(), value)

    def record(self, index: int) -> dict[str, Any]:
        """Return one row as a plain dictionary of what is present."""
        found: dict[str, Any] = {name: column[index] for name, column in self.words.items() if column[index]}
        found |= {n: float(c[index]) for n, c in self.numbers.items() if not np.isnan(c[index])}
        return found

    def _repr_html_(self) -> str | None:
        from fingerprint.report import notebook

        return notebook.of_measurements(self)

    def to_frame(self) -> pd.DataFrame:
        """Return the table as a pandas DataFrame with the columns of this module, in its order."""
        import pandas as pd

        columns: dict[str, Any] = {}
        for name in COLUMNS:
            if name in self.words:
                column = self.words[name]
                columns[name] = np.asarray(column.words, dtype=object)[column.codes]
            elif name in self.numbers:
                columns[name] = self.numbers[name]
        return pd.DataFrame(columns)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, where: str = "table") -> Measurements:
        """Return measurements from a DataFrame; see :func:`from_columns` for what is accepted."""
        import pandas as pd

        columns: dict[str, Sequence[Any] | npt.NDArray[Any]] = {}
        for name in frame.columns:
            series = frame[name]
            if isinstance(series.dtype, pd.CategoricalDtype) or series.dtype.kind not in "fiu":
                codes, values = pd.factorize(series, use_na_sentinel=False)
                words = tuple("" if pd.isna(v) else str(v) for v in values)
                columns[str(name)] = cast("Any", Words(codes.astype(np.int32), words))
            else:
                columns[str(name)] = series.to_numpy(dtype=np.float64, na_value=np.nan)
        return from_columns(columns, where=where)


def number_word(value: float) -> str:
    """Return a number as a word, every digit kept: ``"1234567"``, ``"0.5"``; empty for NaN."""
    return "" if np.isnan(value) else str(int(value)) if float(value).is_integer() else repr(float(value))


def _words(values: Any) -> Words:
    if isinstance(values, Words):
        # Encoded elsewhere: equal words may stand there twice, or with blanks around them.
        return values.rename(str.strip)
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiu":
        present, codes = np.unique(values.astype(np.float64), return_inverse=True)
        return Words(codes.reshape(-1).astype(np.int32), tuple(map(number_word, present.tolist())))
    if set(map(type, values)) <= {str}:
        return Words.of(values).rename(str.strip)
    return Words.of("" if v is None else str(v).strip() for v in values)


#: Thousands set apart by commas. Only before a point: "1,234" alone may be a decimal comma.
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+\.\d*")


def _numbers(values: Any, name: str, where: str, first_row: int) -> Floats:
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiu":
        return values.astype(np.float64)
    column = values if isinstance(values, Words) else _words(values)
    parsed = np.full(len(column.words), np.nan)
    bad: dict[int, str] = {}
    for i, word in enumerate(column.words):
        if word.strip() == "":
            continue
        try:
            parsed[i] = float(word.replace(",", "") if _GROUPED.fullmatch(word) else word)
        except ValueError:
            bad[i] = word
    if bad:
        wrong = int(np.argmax(np.isin(column.codes, list(bad))))
        raise InputError(
            f"column '{name}' must hold a number, found {column[wrong][:40]!r}", f"{where}, row {first_row + wrong}"
        )
    return cast("Floats", parsed[column.codes])


def from_columns(
    columns: Mapping[str, Any],
    *,
    where: str = "table",
    first_row: int = 1,
    identity: Mapping[str, tuple[str, ...]] | None = None,
    notes: Iterable[str] = (),
) -> Measurements:
    """Return checked measurements, converted to canonical units.

    Parameters
    ----------
    columns : mapping of name to sequence
        Any of :data:`COLUMNS`; ``quantity``, ``unit`` and ``value`` must be there, the rest may be absent. Other columns
        are ignored with a note. ``unit`` may be any spelling that :mod:`fingerprint.units` knows.
    where : str
        Name of the file or table, for messages.
    first_row : int
        Number of the first row, for messages and :attr:`Measurements.row`.
    identity, notes
        Passed on.

    Raises
    ------
    InputError
        For a missing column, a number that is none, a value that is NaN, infinite, negative or absurd, or a quantity
        or unit nobody knows; the message names the row and the column.
    """
    needed = [name for name in ("quantity", "unit", "value") if name not in columns]
    if needed:
        raise InputError(
            f"the table lacks the column{'s' if len(needed) > 1 else ''} {', '.join(map(repr, needed))}; "
            "it needs at least 'quantity', 'unit' and 'value', one figure a row",
            where,
        )
    unknown = sorted(str(name) for name in columns if name not in COLUMNS)
    if unknown:
        notes = (*notes, f"{where}: ignored columns {', '.join(unknown[:12])}{' …' if len(unknown) > 12 else ''}")
    words = {name: _words(columns[name]) for name in WORD_COLUMNS if name in columns}
    numbers = {name: _numbers(columns[name], name, where, first_row) for name in NUMBER_COLUMNS if name in columns}
    length = len(numbers["value"])
    lengths = {name: len(column) for name, column in words.items()} | {name: len(column) for name, column in numbers.items()}
    uneven = [name for name, found in lengths.items() if found != length]
    if uneven:
        raise InputError(f"column '{uneven[0]}' is not as long as 'value' ({length} rows)", where)
    rows = np.arange(first_row, first_row + length, dtype=np.int64)
    if "profile" not in words:
        words["profile"] = Words.constant(where, length)
    value = numbers["value"]

    def fail(mask: npt.NDArray[np.bool_], column: str, why: str) -> None:
        if mask.any():
            at = int(np.argmax(mask))
            raise InputError(f"column '{column}' {why}", f"{where}, row {rows[at]}")

    fail(np.isnan(value), "value", "is empty or not a number; leave out rows without a figure")
    fail(np.isinf(value), "value", "is infinite")
    fail(value < 0, "value", "is negative; a measured figure can't be")
    for name in NUMBER_COLUMNS:
        if name in numbers and name != "value":
            fail(np.isinf(numbers[name]), name, "is infinite")
            fail(numbers[name] < 0, name, "is negative")
    if "accelerators" in numbers:
        fail(numbers["accelerators"] == 0, "accelerators", "is 0; leave it empty when not known")
    words, numbers = _to_canonical(words, numbers, where, rows)
    fail(numbers["value"] > LARGEST_VALUE, "value", f"is absurd (over {LARGEST_VALUE:g} in SI units)")
    for name in ("precision", "weight_precision", "kv_precision"):
        if name in words:
            words[name] = words[name].rename(canonical_precision)
    for name in ("tool", "phase", "statistic", "scope"):
        if name in words:
            words[name] = words[name].rename(str.lower)
    if "scope" in words:
        wrong = ~words["scope"].equals("", "accelerator", "system")
        fail(wrong, "scope", "must be 'accelerator', 'system' or empty")
    return Measurements(words, numbers, rows, dict(identity or {}), (), tuple(notes))


def _to_canonical(
    words: dict[str, Words], numbers: dict[str, Floats], where: str, rows: npt.NDArray[np.int64]
) -> tuple[dict[str, Words], dict[str, Floats]]:
    """Convert every (quantity, unit) pair once; name the first row whose pair nobody knows."""
    quantity, unit = words["quantity"], words["unit"]
    pair = quantity.codes.astype(np.int64) * len(unit.words) + unit.codes
    present, inverse = np.unique(pair, return_inverse=True)
    inverse = inverse.reshape(-1)
    factor, quantities, units, per_accelerator = [], [], [], []
    for code in present:
        q, u = quantity.words[code // len(unit.words)], unit.words[code % len(unit.words)]
        name = canonical_quantity(q)
        done = convert(name, u.strip() or implied_unit(q)) if name else None
        row = "" if done else f"{where}, row {rows[int(np.argmax(pair == code))]}"
        if name is None:
            raise InputError(
                f"column 'quantity' holds {q[:40]!r}, which nobody knows; one of {', '.join(sorted(QUANTITIES))}", row
            )
        if done is None:
            raise InputError(f"column 'unit' holds {u[:40]!r}, no unit of {name} ({QUANTITIES[name].unit})", row)
        quantities.append(done.quantity)
        factor.append(done.factor)
        units.append(done.unit)
        per_accelerator.append(done.per_accelerator)
    words, numbers = dict(words), dict(numbers)
    with np.errstate(over="ignore"):  # what becomes infinite is refused as absurd
        numbers["value"] = numbers["value"] * np.asarray(factor, dtype=np.float64)[inverse] if len(rows) else numbers["value"]
    order = Words.of(quantities)
    words["quantity"] = Words(order.codes[inverse] if len(rows) else order.codes, order.words)
    order = Words.of(units)
    words["unit"] = Words(order.codes[inverse] if len(rows) else order.codes, order.words)
    if any(per_accelerator):
        already = np.asarray(per_accelerator, dtype=bool)[inverse]
        scope = words.get("scope") or Words.constant("", len(rows))
        words["scope"] = Words.of("accelerator" if a else s for a, s in zip(already, scope, strict=True))
    return words, numbers


def concatenate(tables: Sequence[Measurements]) -> Measurements:
    """Return the tables one below the other; row numbers are kept as they were."""
    length = [len(t) for t in tables]
    words: dict[str, Words] = {}
    for name in WORD_COLUMNS:
        if any(name in t.words for t in tables):
            index: dict[str, int] = {}
            parts = []
            for t in tables:
                column = t.word(name)
                lookup = np.fromiter(
                    (index.setdefault(w, len(index)) for w in column.words), dtype=np.int32, count=len(column.words)
                )
                parts.append(lookup[column.codes])
            words[name] = Words(np.concatenate(parts), tuple(index))
    numbers = {
        name: np.concatenate([t.number(name) for t in tables])
        for name in NUMBER_COLUMNS
        if any(name in t.numbers for t in tables)
    }
    identity: dict[str, tuple[str, ...]] = {}
    for t in tables:
        for profile, names in t.identity.items():
            identity[profile] = tuple(dict.fromkeys((*identity.get(profile, ()), *names)))
    return Measurements(
        words,
        numbers,
        np.concatenate([t.row for t in tables]) if length else np.zeros(0, dtype=np.int64),
        identity,
        tuple(i for t in tables for i in t.ignored),
        tuple(n for t in tables for n in t.notes),
    )
