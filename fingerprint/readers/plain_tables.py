"""Tables that people write: Markdown, or CSV with headers such as ``Model, Batch, Throughput (tok/s)`` or ``M,N,K,ms``.

Headers are matched whole against a small dictionary once unit and statistic are taken off; whatever is not in it is
left out, so that no ratio, price or data-sheet value becomes a measurement. A column of GPU names is reported and
splits the profiles; it is never used.
"""

from __future__ import annotations

import csv
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TextIO

import numpy as np

from fingerprint import workloads
from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Ignored, Measurements, from_columns
from fingerprint.units import canonical_precision, convert

NAME = "plain-table"
TITLE = "Markdown or CSV table with recognisable headers: Model, Batch, Throughput (tok/s), TFLOPS, M, N, K, time (ms) …"
YIELDS = "whatever columns are recognised: throughput, latency, TTFT, TPOT, TFLOP/s, memory bandwidth, step time, power"

#: What the headers of settings may be.
_SETTINGS: dict[str, tuple[str, ...]] = {
    "workload": ("model", "model name", "workload", "benchmark", "network", "kernel", "op", "operation", "operator", "collective"),
    "hardware": ("gpu", "gpu name", "gpu model", "gpu type", "device", "device name", "accelerator", "accelerator name", "hardware", "chip",
                 "card"),
    "accelerators": ("gpus", "# gpus", "#gpus", "num gpus", "n gpus", "gpu count", "number of gpus", "# of gpus", "ngpus", "world size",
                     "accelerators", "# accelerators", "num devices"),
    "precision": ("precision", "dtype", "data type", "datatype", "quantization", "quantisation", "type"),
    "batch": ("batch", "batch size", "batchsize", "bs", "b", "global batch size", "gbs"),
    "concurrency": ("concurrency", "max concurrency", "concurrent requests", "clients", "conc"),
    "input_tokens": ("input", "input len", "input length", "input tokens", "isl", "prompt", "prompt len", "prompt length", "prompt tokens",
                     "seq len", "seqlen", "sequence length", "seq length", "context length"),
    "output_tokens": ("output", "output len", "output length", "output tokens", "osl", "gen len", "generated tokens"),
    "m": ("m",), "n": ("n",), "k": ("k",),
    "message_bytes": ("message size", "msg size"),
    "phase": ("phase", "scenario", "stage"),
}  # fmt: skip

#: What the headers of figures may be -> quantity. Those of None say it by their unit alone.
_FIGURES: dict[str, tuple[str, ...]] = {
    "throughput": ("throughput", "speed", "token throughput", "tokens throughput", "request throughput", "training throughput", "performance"),
    "output_throughput": ("output throughput", "generation throughput", "decode throughput", "output token throughput", "output speed",
                          "generation speed", "decode speed", "generation", "decode"),
    "input_throughput": ("input throughput", "prefill throughput", "prompt throughput", "prefill speed", "prompt processing", "prefill"),
    "total_throughput": ("total throughput", "total token throughput", "total tokens throughput"),
    "latency": ("latency", "time", "runtime", "duration", "kernel time", "gpu time", "elapsed", "elapsed time", "execution time"),
    "ttft": ("ttft", "time to first token", "first token latency"),
    "tpot": ("tpot", "time per output token", "time per token"),
    "itl": ("itl", "inter token latency", "inter-token latency"),
    "e2e_latency": ("e2e latency", "end to end latency", "end-to-end latency", "e2el", "request latency"),
    "step_time": ("step time", "iteration time", "time per step", "time per iteration", "train step time"),
    "bandwidth": ("memory bandwidth", "hbm bandwidth", "dram bandwidth", "mem bandwidth", "mem bw", "bandwidth"),
    "bus_bandwidth": ("busbw", "bus bandwidth", "bus bw"),
    "algorithm_bandwidth": ("algbw", "algorithm bandwidth", "alg bw"),
    "compute_rate": ("compute", "achieved", "measured", "compute throughput", "model flops"),
    "power": ("power", "power draw", "average power", "gpu power"),
}  # fmt: skip

#: A header that is nothing but a unit, and its quantity. "t/s" is left to the tools that define it.
_BARE = {
    "compute_rate": ("tflops", "tflop/s", "gflops", "gflop/s", "pflops", "pflop/s", "tflops/gpu", "tflop/s/gpu", "tops"),
    "throughput": ("tok/s", "tokens/s", "tokens/sec", "tokens/second", "toks/s", "tok/sec", "tokens per second", "images/s", "images/sec",
                   "img/s", "img/sec", "samples/s", "samples/sec", "samples per second", "requests/s", "req/s", "req/sec", "rps", "qps",
                   "queries/s", "tok/s/gpu", "tokens/s/gpu", "tokens/sec/gpu", "samples/s/gpu", "tokens per second per gpu"),
    "latency": ("ms", "us", "µs", "μs", "milliseconds", "microseconds"),
}  # fmt: skip

#: How the header of a rate begins -> the phase that alone was timed.
_PHASE_WORDS = {"prefill": "prefill", "prompt processing": "prefill", "decode": "decode", "generation speed": "decode"}

#: Words that make a header a data sheet's, a ratio or a price, not a measurement.
_NO_MEASUREMENT = re.compile(
    r"\b(peak|theoretical|spec|specs|advertised|expected|rated|mfu|hfu|speed-?up|ratio|price|cost|target|limit|std|stddev|stdev|improvement|"
    r"relative|normali[sz]ed|vs)\b|[%$€]"
)
_STATISTIC = re.compile(r"^(mean|average|avg\.?|median|p\d{2}(?:\.\d+)?|min|max|minimum|maximum)\b[ _.]*|[ _]+(mean|average|avg|median|p\d{2}(?:\.\d+)?|min|max)$")
_STATISTICS = {"average": "mean", "avg": "mean", "avg.": "mean", "p50": "median", "minimum": "min", "maximum": "max"}
_UNIT = re.compile(r"[(\[]\s*([^()\[\]]{1,30}?)\s*[)\]]\s*$")
_RULE = re.compile(r"^\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?\s*$")
_VALUE = re.compile(r"[~≈]?\s*([+-]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d*)?(?:[eE][+-]?\d{1,3})?)\s*(?:(?:±|\+/-)\s*[\d.,]+\s*)?(.{0,24})")
_COUNT = re.compile(r"\s*(\d{1,5})\s*[x×]\s+?(?=\D)|\s*(\d{1,5})[x×](?=[A-Za-z])")

_WANTED = (
    "give columns such as Model (or M, N, K), Batch, Input, Output, GPUs, Precision and at least one figure with its unit: "
    "Throughput (tok/s), TTFT (ms), Latency (ms), TFLOPS, Bandwidth (GB/s) of a named kernel, Step time (s), Power (W)"
)
#: Longest header line worth a look, and most rows of tables that people wrote.
_LONGEST_LINE, _MOST_ROWS = 20_000, 50_000


@dataclass(frozen=True)
class _Column:
    """What a header says."""

    setting: str = ""
    quantity: str = ""
    unit: str = ""
    statistic: str = ""
    phase: str = ""


@dataclass
class _Table:
    """One table: its headers, and its rows with their line numbers."""

    header: list[str]
    rows: list[tuple[int, list[str]]] = field(default_factory=list)


def sniff(head: str) -> float:
    """Return how sure this is a table of this kind: never much, so that any tool's own reader goes first."""
    # Enough lines for a Markdown table below some prose; the last may be cut.
    lines = head.lstrip("\ufeff").splitlines()[:2000]
    tables = list(itertools.islice(_tables(lines), 8))
    if any(_column(cell).quantity for table in tables for cell in table.header):
        return 0.45
    return 0.31 if any(table.rows and len(table.header) > 1 for table in tables) else 0.0


def read(text: TextIO, name: str) -> Measurements:
    """Return the tables' figures; rows that name different GPUs are different profiles.

    Raises
    ------
    FormatError
        If no table is there, or none of its headers is a figure that is recognised; the message lists what is.
    InputError
        If no row holds a figure that can be read.
    """
    builder = _Builder(name)
    first: list[str] | None = None
    known, left = False, _MOST_ROWS
    for table in _tables(text, name):
        first = table.header if first is None else first
        if any(_column(cell).quantity for cell in table.header):
            known = True
            if len(table.rows) >= left:
                builder.notes.setdefault(f"{name}: of its rows the first {_MOST_ROWS:,} are taken")
            builder.add(_Table(table.header, table.rows[:left]))
        # A table costs even where it has no row.
        left -= max(1, len(table.rows))
        if left <= 0:
            break
    if first is None:
        raise FormatError(f"holds no table; {_WANTED}", name)
    if not known:
        seen = ", ".join(repr(cell[:30]) for cell in first[:12])
        raise FormatError(f"has no column that is recognised as a figure (it has {seen}); {_WANTED}", name)
    return builder.measurements()


# ------------------------------------------------------------------------------------------------------- the tables


def _tables(lines: Iterable[str], name: str = "") -> Iterator[_Table]:
    """Yield the Markdown tables of a text, or, where its first line of any content is a CSV header, that one table."""
    before = ""
    table: _Table | None = None
    started = False
    numbered = enumerate(lines, start=1)
    for number, line in numbered:
        line = line.lstrip("\ufeff").rstrip("\r\n")
        if table is not None:
            if "|" in line and line.strip():
                if len(table.rows) < _MOST_ROWS:
                    table.rows.append((number, _cells(line)))
                continue
            yield table
            table = None
        if "|" in before and "|" in line and _RULE.match(line[:_LONGEST_LINE]):
            table = _Table(_cells(before))
        elif not started and line.strip() and not line.lstrip().startswith("#"):
            started = True
            if len(line) <= _LONGEST_LINE and "|" not in line and (delimiter := _delimiter(line)):
                yield _csv(line, delimiter, numbered, name)
                return
        before = line[:_LONGEST_LINE]
    if table is not None:
        yield table


def _delimiter(line: str) -> str:
    """Return the delimiter of a header line; "" for prose, JSON or code."""
    found = max(",;\t", key=line.count)
    cells = [c.strip() for c in line.split(found)]
    plain = line.count(found) and all(cells[:-1]) and not re.search(r'[{}<>=]|": ', line) and all(len(c) <= 60 for c in cells)
    # A header has no cell that is a number, and is no sentence.
    return found if plain and not any(re.fullmatch(r"[-+]?[\d.]+", c) for c in cells) and not line.rstrip().endswith((".", ":")) else ""


def _csv(first: str, delimiter: str, numbered: Iterator[tuple[int, str]], name: str) -> _Table:
    try:
        table = _Table([c.strip() for c in next(csv.reader([first], delimiter=delimiter))])
        for number, line in numbered:
            if line.strip() and not line.startswith("#") and len(table.rows) < _MOST_ROWS:
                table.rows.append((number, [c.strip() for c in next(csv.reader([line], delimiter=delimiter), [])]))
    except csv.Error as error:
        raise FormatError(f"is no CSV that can be read ({error})", name) from error
    return table


def _cells(line: str) -> list[str]:
    """Return a Markdown row's cells without their marks of emphasis, code and links."""
    body = line.strip().removeprefix("|")
    body = body.removesuffix("|") if not body.endswith("\\|") else body
    return [_plain(cell) for cell in re.split(r"(?<!\\)\|", body)]


def _plain(cell: str) -> str:
    cell = re.sub(r"\[([^\]]{0,200})\]\([^)]{0,400}\)", r"\1", cell)
    return re.sub(r"<[^>]{0,40}>|\*{1,3}|`|^_+|_+$", " ", cell).strip()


def _column(header: str) -> _Column:
    """Return what a header says; nothing where it is not in the dictionary whole."""
    text = re.sub(r"\s+", " ", header.replace("_", " ")).strip().lower()
    if not text or len(text) > 60 or _NO_MEASUREMENT.search(text):
        return _Column()
    for quantity, spellings in _BARE.items():
        if text in spellings:
            return _Column(quantity=quantity, unit=text.replace("per second per gpu", "/s/gpu").replace(" per second", "/s"))
    unit = ""
    if found := _UNIT.search(text):
        unit, text = found[1], text[: found.start()].strip()
    elif found := re.fullmatch(r"(.+?)[ ,]+(?:in )?(ms|us|µs|s|tflops|tflop/s|gb/s|tb/s|tok/s|tokens/s|w)", text):
        unit, text = found[2], found[1]
    statistic = ""
    if found := _STATISTIC.search(text):
        statistic = found[1] or found[2]
        statistic = _STATISTICS.get(statistic, statistic)
        text = (text[: found.start()] + text[found.end() :]).strip(" _.")
    shared = re.search(r"(?:/| per )(?:gpu|device|accelerator)$", text)
    text = text[: shared.start()] if shared else text
    unit = f"{unit}/gpu" if shared and unit and "gpu" not in unit else unit
    if not statistic:
        for setting, spellings in _SETTINGS.items():
            if text in spellings and (not unit or setting in ("message_bytes", "input_tokens", "output_tokens")):
                return _Column(setting=setting, unit=unit)
    if unit in itertools.chain.from_iterable(_BARE.values()) and text in ("", "fp32", "tf32", "bf16", "fp16", "fp8", "int8", "fp4"):
        return _Column()  # several precisions side by side: which row's arithmetic it is, the column would have to say
    for quantity, spellings in _FIGURES.items():
        if text in spellings and unit and convert(quantity, unit) is not None:
            phase = next((p for word, p in _PHASE_WORDS.items() if text.startswith(word)), "")
            return _Column(quantity=quantity, unit=unit, statistic=statistic, phase=phase)
    return _Column()


# -------------------------------------------------------------------------------------------------------- the figures


class _Builder:
    """Figures of the tables, one beside the other."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows: list[dict[str, Any]] = []
        self.at: list[int] = []
        self.hardware: list[str] = []
        self.ignored: list[Ignored] = []
        self.notes: dict[str, None] = {}

    def add(self, table: _Table) -> None:
        """Take a table's rows."""
        columns = [_column(cell) for cell in table.header]
        twice = {c.setting for c in columns if c.setting and sum(d.setting == c.setting for d in columns) > 1}
        # Where any number has a decimal point, commas set thousands apart.
        english = any(re.match(r"[~≈]?\s*\d[\d,]*\.\d", cell) for _, row in table.rows for cell in row)
        left = [cell for cell, column in zip(table.header, columns, strict=True) if column == _Column() and cell]
        if left:
            self.notes.setdefault(f"{self.name}: columns not recognised: {', '.join(c[:30] for c in left[:12])}")
        for number, row in table.rows:
            if len(row) < len(columns):
                self._ignore(number, f"has {len(row)} cells where the header names {len(columns)}")
                continue
            cells = list(zip(columns, row, strict=False))
            try:
                setting = self._setting([(c, v) for c, v in cells if c.setting and c.setting not in twice], english)
            except _Unusable as error:
                self._ignore(number, str(error))
                continue
            hardware = next((v for c, v in cells if c.setting == "hardware"), "")
            for column, cell in cells:
                if column.quantity and cell.strip():
                    self._figure(number, column, cell, setting, hardware, english)

    def _ignore(self, number: int, why: str) -> None:
        if len(self.ignored) < 1000:
            self.ignored.append(Ignored(self.name, number, why))

    def _setting(self, cells: Sequence[tuple[_Column, str]], english: bool) -> dict[str, Any]:
        setting: dict[str, Any] = {}
        for column, cell in cells:
            word = cell.strip()
            key = column.setting
            if not word or word in ("-", "–", "—", "n/a", "N/A"):
                continue
            if key == "workload":
                setting["workload"] = word
            elif key == "precision":
                setting["precision"] = canonical_precision(word)
            elif key == "phase":
                setting["phase"] = _PHASES.get(word.lower(), "")
            elif key == "hardware":
                if re.fullmatch(r"\d{1,5}", word):
                    setting["accelerators"] = float(word)
                elif (count := _COUNT.match(word)) is not None:
                    setting["accelerators"] = float(count[1] or count[2])
            else:
                number, rest = _parsed(word, english)
                if math.isnan(number) or (key == "accelerators" and number < 1):
                    raise _Unusable(f"column of {key}: {word[:30]!r} is no number")
                scale = 1.0
                unit = rest or column.unit
                if key == "message_bytes":
                    done = convert("memory_used", unit or "B")
                    if done is None:
                        raise _Unusable(f"column of {key}: {unit[:20]!r} is no unit of bytes")
                    scale = done.factor
                elif key in ("input_tokens", "output_tokens") and unit.lower() == "k":
                    scale = 1024.0
                elif rest:
                    raise _Unusable(f"column of {key}: {word[:30]!r} is no number")
                setting[key] = number * scale
        return setting

    def _figure(self, number: int, column: _Column, cell: str, setting: dict[str, Any], hardware: str, english: bool) -> None:
        value, unit = _parsed(cell, english)
        if math.isnan(value):
            if re.search(r"\d", cell):
                self._ignore(number, f"{cell.strip()[:30]!r} is no number (or its comma may be a decimal one)")
            return
        unit = unit or column.unit
        done = convert(column.quantity, unit)
        if done is None or value <= 0 or not value * done.factor < 1e30:
            self._ignore(number, f"{cell.strip()[:30]!r} is no {column.quantity} above zero in {column.unit}")
            return
        stated = setting.get("workload", "")
        shaped = {"m", "n", "k"} <= setting.keys()
        workload = workloads.resolve(stated) if stated else ("gemm" if shaped else "")
        if workload is None:
            self.notes.setdefault(f"{self.name}: {stated[:60]!r} is not known, so what its work costs is not either")
            workload = re.sub(r"[^a-z0-9.]+", "-", stated.lower()).strip("-")
        kernel = workload in workloads.KERNELS
        if column.quantity.endswith("bandwidth") and not kernel:
            self._ignore(number, f"{cell.strip()[:30]!r}: which memory or link this is the bandwidth of, no column says")
            return
        if column.quantity in ("compute_rate", "power") and not workload and setting.get("phase") != "train":
            # A data sheet has such columns, too.
            self._ignore(number, f"{cell.strip()[:30]!r}: what was running, no column says (model, kernel, or M, N and K)")
            return
        figure: dict[str, Any] = {"phase": "", **setting, "workload": workload, "statistic": column.statistic}
        figure |= {"quantity": column.quantity, "unit": unit, "value": value}
        figure["scope"] = "accelerator" if done.per_accelerator else ""
        figure["phase"] = figure["phase"] or column.phase
        if kernel:
            figure |= {"tool": "collective" if workload in _COLLECTIVES else "kernel", "phase": "kernel"}
        elif column.quantity == "step_time" or figure["phase"] == "train":
            figure |= {"tool": "training", "phase": "train"}
        elif workload:
            figure["tool"] = "serving"
        self.rows.append(figure)
        self.at.append(number)
        self.hardware.append(hardware.strip()[:80])

    def measurements(self) -> Measurements:
        """Return the figures, profiles told apart by the GPU that their rows name."""
        if not self.rows:
            why = f"; {self.ignored[0].why} (line {self.ignored[0].row})" if self.ignored else ""
            raise InputError(f"holds no row with a figure that can be read{why}", self.name)
        distinct = list(dict.fromkeys(self.hardware))
        titles = {h: self.name if len(distinct) == 1 else f"{self.name}:{i}" for i, h in enumerate(distinct, start=1)}
        keys = dict.fromkeys(key for row in self.rows for key in row)
        columns: dict[str, list[Any]] = {key: [row.get(key) for row in self.rows] for key in keys}
        columns["profile"] = [titles[h] for h in self.hardware]
        identity = {titles[h]: (h,) for h in distinct if h}
        table = from_columns(columns, where=self.name, identity=identity, notes=self.notes)
        return replace(table, row=np.array(self.at, dtype=np.int64), ignored=tuple(self.ignored))


class _Unusable(Exception):  # noqa: N818  # no error: the row is left out, and this says why
    """Why a row is left out."""


_COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "broadcast", "reduce", "send-recv")
_PHASES = {"prefill": "prefill", "prompt": "prefill", "decode": "decode", "generation": "decode", "offline": "offline", "server": "serve",
           "interactive": "interactive", "training": "train", "train": "train", "pretrain": "train"}  # fmt: skip


def _parsed(cell: str, english: bool) -> tuple[float, str]:
    """Return a cell's number and the unit behind it; NaN where it is none, or a comma may be a decimal one."""
    found = _VALUE.fullmatch(cell.strip())
    if found is None or not found[1] or not re.search(r"\d", found[1]):
        return math.nan, ""
    if "," in found[1] and not (english or "." in found[1] or found[1].count(",") > 1):
        return math.nan, ""
    try:
        number = float(found[1].replace(",", ""))
    except (ValueError, OverflowError):
        return math.nan, ""
    return (number if math.isfinite(number) and number >= 0 else math.nan), found[2].strip()
