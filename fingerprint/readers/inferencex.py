"""InferenceX (InferenceMAX): benchmark rows or aggregates as JSON, or AIConfigurator's sample of them as CSV."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from fingerprint import workloads
from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Measurements, from_columns
from fingerprint.readers.json_text import documents
from fingerprint.units import canonical_precision

NAME = "inferencex"
TITLE = (
    "InferenceX row or aggregate: JSON object, array or lines (hw, conc, tput_per_gpu …), or the silicon sample as CSV"
)
YIELDS = "tokens a second per accelerator, time to first token, time per output token, end-to-end latency, power"

#: Prompts and answers of a run are drawn evenly between 0.8 and 1 of the stated length; so answers, reckoned as
#: (end-to-end - first token) / time per token, are 0.900 of it in every one of 584 published rows with means.
MEAN_LENGTH = 0.9

#: Most rows of one file; the whole sample has 5,221.
MOST_ROWS = 50_000

#: Short names of models that appear instead of a checkpoint's.
MODELS = {
    "dsr1": "deepseek-r1",
    "dsv4": "deepseek-v4-pro",
    "gptoss": "gpt-oss-120b",
    "gptoss120b": "gpt-oss-120b",
    "llama70b": "llama-3.3-70b",
    "glm5": "glm-5",
    "kimik2.5": "kimi-k2.5",
    "minimaxm2.5": "minimax-m2.5",
    "qwen3.5": "qwen3.5-397b-a17b",
}

_RATES = {
    "tput_per_gpu": "total_throughput", "output_tput_per_gpu": "output_throughput",
    "input_tput_per_gpu": "input_throughput", "total_tput_tps": "total_throughput",
    "output_tput_tps": "output_throughput", "input_tput_tps": "input_throughput",
}  # fmt: skip
_LATENCIES = {"ttft": "ttft", "tpot": "tpot", "itl": "itl", "e2el": "e2e_latency", "ttlt": "e2e_latency"}
_FLAT = re.compile(rf"(mean|median|p\d{{1,2}}(?:\.\d+)?)_({'|'.join(_LATENCIES)})(_ms)?")
_STATISTIC = re.compile(r"mean|median|p\d{1,2}(\.\d+)?")
_TELLING = ("hw", "hardware", "infmax_model_prefix", "tput_per_gpu", "output_tput_per_gpu", "conc", "isl", "osl",
            "dp_attention", "is_multinode", "spec_decoding", "spec_method", "request_metrics", "num_decode_gpu")  # fmt: skip
_COLUMNS = (
    "profile", "tool", "workload", "phase", "precision", "weight_precision", "statistic", "scope", "quantity", "unit",
    "accelerators", "batch", "concurrency", "input_tokens", "output_tokens", "value",
)  # fmt: skip


def sniff(head: str) -> float:
    """Return how sure this is InferenceX: how many of its keys the first object shows, or the sample's columns."""
    text = head.lstrip("\ufeff \t\r\n")
    if text.startswith(("{", "[")):
        if not any(f'"{key}"' in text for key in ("tput_per_gpu", "total_tput_tps", "infmax_model_prefix")):
            return 0.0
        return min(1.0, sum(f'"{key}"' in text for key in _TELLING) / 4.0)
    first = text.partition("\n")[0]
    return 1.0 if "silicon_tpot_ms" in first and "silicon_ttft_ms" in first else 0.0


def read(text: TextIO, name: str) -> Measurements:
    """Return the rows' figures; rows that name different hardware are different profiles.

    Rates are per accelerator. In disaggregated serving the output rate and a token's time concern one decode worker:
    its accelerators and its share of the requests. Lengths are the means that runs have (:data:`MEAN_LENGTH`).
    Replayed agent sessions find most of their prompt cached: their prompt and total rates and first tokens are left
    out, with a note.

    Raises
    ------
    FormatError
        For text that is neither JSON of such rows nor the sample's CSV.
    InputError
        For a file cut short, a figure that is no number or negative, or no figure at all.
    """
    body = text.read().lstrip("\ufeff \t\r\n")
    rows = list(_objects(body, name) if body.startswith(("{", "[")) else _sample(body, name))
    hardware = [_hardware(row) for row in rows]
    distinct = list(dict.fromkeys(hardware))
    columns: dict[str, list[Any]] = {column: [] for column in _COLUMNS}
    notes: list[str] = []
    for number, (row, label) in enumerate(zip(rows, hardware, strict=True), start=1):
        where = name if len(rows) == 1 else f"{name}, row {number}"
        profile = name if len(distinct) == 1 else f"{name}:{distinct.index(label) + 1}"
        for figure in _figures(row, where, notes):
            for column, cells in columns.items():
                cells.append(profile if column == "profile" else figure.get(column))
    if not columns["value"]:
        raise InputError("holds no figure above zero; give rows of finished runs", name)
    identity = {
        (name if len(distinct) == 1 else f"{name}:{i + 1}"): (label,) for i, label in enumerate(distinct) if label
    }
    return from_columns(columns, where=name, identity=identity, notes=dict.fromkeys(notes))


def decoding(requests: Any, answer: Any, first_token: Any, step: Any) -> Any:
    """Return how many of the requests in flight are decoding at a time; numbers or arrays alike.

    A client's request waits for its first token, in a queue once the cache is full, and then takes a step for each
    token of its answer. Taking all requests for the batch would make a full server look many times faster than its
    memory.
    """
    spent = answer * step
    return requests * spent / (first_token + spent)


def workload(model: str, prefix: str = "") -> tuple[str, bool]:
    """Return the model's id and whether it is known; an unknown one keeps a slug."""
    for text in (model, prefix):
        if known := MODELS.get(text.lower()) or (workloads.resolve(text) if text else None):
            return known, True
    return re.sub(r"[^a-z0-9.]+", "-", (model or prefix).lower().rsplit("/", 1)[-1]).strip("-"), False


def precisions(stated: str) -> dict[str, str]:
    """Return what a row's precision says: four bits are those of the weights, which may be widened to multiply."""
    known = canonical_precision(stated)
    four = known in ("fp4", "int4")
    return {"precision": "" if four else known, "weight_precision": known if four else ""}


def _objects(body: str, name: str) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a JSON document, of arrays, or of several documents one after another."""
    found = 0
    documented, cut = documents(body, name, "an InferenceX row or aggregate")
    if cut:
        raise InputError("is JSON cut short; save or copy the whole file again", f"{name}, line {cut}")
    for _, value in documented:
        for row in value if isinstance(value, list) else [value]:
            found += 1
            if found > MOST_ROWS:
                raise InputError(f"holds more than {MOST_ROWS:,} rows; split it", name)
            if not isinstance(row, dict):
                raise FormatError(
                    "holds something other than a JSON object where a row must be", f"{name}, row {found}"
                )
            if not any(True for _ in _raw_figures(row)):
                raise FormatError(
                    "holds none of InferenceX's figures (tput_per_gpu, median_tpot …); give its rows or aggregates",
                    f"{name}, row {found}",
                )
            yield row
    if not found:
        raise FormatError("holds no row; give an InferenceX row or aggregate", name)


def _sample(body: str, name: str) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of AIConfigurator's sample."""
    reader = csv.DictReader(io.StringIO(body))
    try:
        columns = set(reader.fieldnames or ())
    except csv.Error as error:
        raise FormatError(f"is no CSV that can be read ({error})", name) from error
    if not {"silicon_ttft_ms", "silicon_tpot_ms"} <= columns:
        raise FormatError("is neither JSON nor a CSV with the columns silicon_ttft_ms and silicon_tpot_ms", name)
    found = False
    try:
        for line, row in enumerate(reader, start=2):
            if line > MOST_ROWS + 1:
                raise InputError(f"holds more than {MOST_ROWS:,} rows; split it", name)
            if None in row.values() or None in row:
                where = f"{name}, line {line}"
                raise InputError(
                    f"has other than the {len(columns)} columns of its header: is the file cut short?", where
                )
            found = True
            yield row
    except csv.Error as error:
        raise FormatError(f"is no CSV that can be read ({error})", name) from error
    if not found:
        raise InputError("holds a header and no row", name)


def _hardware(row: Mapping[str, Any]) -> str:
    return next(
        (str(row[key]).strip() for key in ("hw", "hardware", "system", "gpu") if isinstance(row.get(key), str)), ""
    )


def _number(value: object, key: str, where: str) -> float | None:
    """Return a cell's number; None for an empty one, null and NaN."""
    if value is None or value == "" or isinstance(value, bool):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"'{key}' must be a number, found {str(value)[:40]!r}", where) from None
    return number if math.isfinite(number) else None


def _raw_figures(row: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str, Any]]:
    """Yield key, quantity, unit, statistic and the cell of each figure in any of the three layouts."""
    flat = row["metrics"] if isinstance(row.get("metrics"), dict) else row
    for key, value in flat.items():
        if key in _RATES and not key.endswith("_tps"):
            yield key, _RATES[key], "token/s", "", value
        elif match := _FLAT.fullmatch(key):
            yield key, _LATENCIES[match[2]], "ms" if match[3] else "s", match[1].replace("p50", "median"), value
        elif key == "avg_power_w":
            yield key, "power", "W", "mean", value
        elif key == "joules_per_output_token":
            yield key, "energy_per_token", "J/token", "", value
        elif key in ("silicon_ttft_ms", "silicon_tpot_ms"):
            yield key, key.split("_")[1], "ms", "mean", value
    nested = row.get("request_metrics")
    if not isinstance(nested, dict):
        return
    for key, block in _blocks(nested, "latency"):
        for statistic, value in block.items() if key in _LATENCIES and isinstance(block, dict) else ():
            if _STATISTIC.fullmatch(statistic):
                yield f"{key}.{statistic}", _LATENCIES[key], "s", statistic.replace("p50", "median"), value
    for key, block in _blocks(nested, "throughput"):
        for rate, value in block.items() if key == "per_gpu" and isinstance(block, dict) else ():
            if rate in _RATES:
                yield rate, _RATES[rate], "token/s", "", value


def _blocks(nested: Mapping[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    found = nested.get(name)
    yield from found.items() if isinstance(found, dict) else ()


def _figures(row: Mapping[str, Any], where: str, notes: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the table's rows of one InferenceX row, zeros and missing cells left out."""
    setting = _setting(row, where, notes)
    replayed = "agentic" in str(row.get("scenario_type", ""))
    if replayed:
        notes.append(
            f"{where}: agent sessions replayed, most of each prompt is cached; prompt and total rates, first tokens "
            "and energy a token are left out"
        )
    apart = _pools(row, where)
    found: list[dict[str, Any]] = []
    for key, quantity, unit, statistic, cell in _raw_figures(row):
        value = _number(cell, key, where)
        if value is not None and value < 0:
            raise InputError(f"'{key}' is negative ({value:g}); a measured figure can't be", where)
        if not value or (quantity == "power" and row.get("power_valid") in (0, False)):
            continue
        if replayed and quantity not in ("output_throughput", "tpot", "itl", "power"):
            continue
        per_accelerator = quantity.endswith("_throughput") or quantity in ("power", "energy_per_token")
        scope = "accelerator" if per_accelerator else "system"
        figure = {"quantity": quantity, "unit": unit, "statistic": statistic, "value": value, "scope": scope}
        found.append({**setting, **figure, **apart.get(quantity, {})})
    first, step = (_typical(found, quantity) for quantity in ("ttft", "tpot"))
    for figure in found:
        known = (figure["concurrency"], figure["output_tokens"], first, step)
        if figure["quantity"] in ("tpot", "itl") and None not in known:
            figure["batch"] = decoding(*known)
        yield figure


def _typical(figures: list[dict[str, Any]], quantity: str) -> float | None:
    """Return a latency's mean in seconds, its median where there is no mean."""
    seconds = {"s": 1.0, "ms": 1e-3}
    values = {f["statistic"]: f["value"] * seconds[f["unit"]] for f in figures if f["quantity"] == quantity}
    return values.get("mean", values.get("median"))


def _setting(row: Mapping[str, Any], where: str, notes: list[str]) -> dict[str, Any]:
    """Return what all figures of a row share."""
    model, prefix = str(row.get("model") or row.get("model_path") or ""), str(row.get("infmax_model_prefix") or "")
    name, known = workload(model, prefix)
    if not known and name:
        notes.append(
            f"{where}: the model {(model or prefix)[:80]!r} is not known, so what its tokens cost is not either"
        )
    drafted = str(row.get("spec_decoding") or row.get("spec_method") or "none").lower()
    if drafted not in ("none", "false"):
        notes.append(f"{where}: speculative decoding ({drafted[:20]}); times per token are shorter than a step")
    # The sample also holds runs of NVIDIA's own, whose prompts have the stated length.
    own = "silicon_tpot_ms" in row and not drawn_lengths(str(row.get("silicon_data_source", "")))
    lengths = {}
    for column, key in (("input_tokens", "isl"), ("output_tokens", "osl")):
        stated_length = _number(row.get(key), key, where)
        lengths[column] = stated_length * (1.0 if own else MEAN_LENGTH) if stated_length else None
    return {
        "tool": "serving", "phase": "serve", "workload": name, **precisions(str(row.get("precision") or "")),
        "concurrency": _requests(row, where), "accelerators": _accelerators(row, where), **lengths,
    }  # fmt: skip


def _requests(row: Mapping[str, Any], where: str) -> float | None:
    stated = row.get("conc", row.get("users"))
    if stated is None:
        told = re.search(r"silicon_concurrency=(\d+)", str(row.get("silicon_data_source", "")))
        stated = told[1] if told else row.get("batch_size")
    return _number(stated, "conc", where)


def _accelerators(row: Mapping[str, Any], where: str) -> float | None:
    """Return how many accelerators served when one group did all the work."""
    if "silicon_tpot_ms" in row:
        return sample_accelerators(row)
    stated = _number(row.get("num_gpus"), "num_gpus", where)
    tensor = _number(row.get("tp", row.get("decode_tp")), "tp", where)
    if stated or not tensor:
        return stated or None
    return tensor * (_number(row.get("pp"), "pp", where) or 1.0)


def _pools(row: Mapping[str, Any], where: str) -> dict[str, dict[str, Any]]:
    """Return what quantities concern in disaggregated serving: a pool, or one worker of it; empty where nothing is.

    ``num_prefill_gpu`` and ``num_decode_gpu`` of other rows may hold tensor times expert parallelism: they are not
    used there.
    """
    if str(row.get("disagg", row.get("mode", ""))).lower() not in ("true", "1", "disagg"):
        return {}

    def cell(key: str) -> float | None:
        return _number(row.get(key), key, where) or None

    def part(whole: float | None, of: float | None) -> float | None:
        return whole / of if whole and of else None

    prefill, decode = cell("num_prefill_gpu"), cell("num_decode_gpu")
    prefillers, decoders = cell("prefill_num_workers"), cell("decode_num_workers")
    requests = cell("conc")
    worker = part(decode, decoders)
    if "silicon_tpot_ms" in row:
        requests = _requests(row, where)
        worker = sample_accelerators(row, "decode_") if decoders else None
    both: dict[str, Any] = {"accelerators": prefill + decode if prefill and decode else None}
    step = {"accelerators": worker, "concurrency": part(requests, decoders), "phase": "decode"}
    return {
        "total_throughput": both, "e2e_latency": both, "power": both, "energy_per_token": both,
        "input_throughput": {"accelerators": prefill, "phase": "prefill"},
        "output_throughput": step, "tpot": step, "itl": step,
        "ttft": {"accelerators": part(prefill, prefillers)},
    }  # fmt: skip


def drawn_lengths(origin: str) -> bool:
    """Return whether a row of AIConfigurator's sample came from InferenceX, by its column ``silicon_data_source``."""
    return re.match(r"db-dump/|source_file=(\d{4}-|[\w.]+-gap-analysis)", origin) is not None


def sample_accelerators(row: Mapping[str, Any], stage: str = "") -> float | None:
    """Return the accelerators of one group in a row of AIConfigurator's sample; None where its columns do not tell.

    The sample multiplies the tensor size by the expert size where a run states both (a run of 8 GPUs with ``tp8_ep8``
    in its id stands as ``tp_size`` 64), so sizes are read from the id, or from columns of a pattern that the ids of
    other rows confirm.
    """
    named = re.search(r"_tp(\d+)(?:_\d+)?_ep", str(row.get("id", "")))
    if named and not stage:
        return float(named[1])

    def size(key: str) -> float:
        try:
            return float(row.get(stage + key) or 1.0) or 1.0
        except (TypeError, ValueError, OverflowError):
            return 1.0

    tensor, data = size("tp_size"), size("attention_dp_size")
    expert_tensor, experts = size("moe_tp_size"), size("moe_ep_size")
    if not row.get(f"{stage}tp_size"):
        return None
    if expert_tensor == experts > 1.0 and tensor * data == experts**2:
        return experts
    if tensor == data == experts**0.5 > 1.0:
        return tensor
    if 1.0 in (expert_tensor, experts) and 1.0 in (tensor, data):
        return tensor * data
    return None
