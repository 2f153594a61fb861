"""llama.cpp's ``llama-bench``: its Markdown tables with what was printed around them, JSON, JSON Lines and CSV.

Definitions (llama.cpp, ``tools/llama-bench``): ``pp512`` is a prompt of 512 tokens, ``tg128`` 128 tokens generated one by one, ``pp512+tg128``
one after the other, ``@ d1024`` after 1,024 tokens of context; each is one sequence (``n_batch`` is how wide a prompt is cut), and
t/s counts the test's tokens. On several devices the layers are split, so that they share the rate.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TextIO

from fingerprint import workloads
from fingerprint.errors import FormatError
from fingerprint.measurements import Measurements
from fingerprint.readers import uncounted
from fingerprint.readers.figures import Figures, device_names, plain
from fingerprint.readers.json_text import documents
from fingerprint.readers.printed import states

NAME = "llama-bench"
TITLE = "llama.cpp llama-bench: Markdown tables (with the log around them), JSON, JSON Lines or CSV"
YIELDS = "prompt and generated tokens a second of one sequence"

_WANTED = "what llama-bench printed, in any of its formats but SQL"

#: llama.cpp's name of an architecture and size says little: "llama 8B" is any model of these. First those that share it, then
#: the nearest count of parameters decides.
_FAMILIES: dict[str, tuple[str, ...]] = {
    "llama": ("llama-2-7b", "llama-2-13b", "llama-2-70b", "llama-3-8b", "llama-3-70b", "llama-3.2-1b", "llama-3.2-3b",
              "llama-3.1-405b", "llama-65b", "codellama-34b", "mistral-7b", "mistral-nemo-12b", "mistral-large-2",
              "mixtral-8x7b", "mixtral-8x22b"),
    "qwen2": ("qwen2-0.5b", "qwen2-1.5b", "qwen2.5-3b", "qwen2-7b", "qwen2.5-14b", "qwen2.5-32b", "qwen2-72b"),
    "qwen3": ("qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b", "qwen3-14b", "qwen3-32b"),
    "qwen3moe": ("qwen3-30b-a3b", "qwen3-235b-a22b", "qwen3-coder-480b-a35b"),
    "gpt-oss": ("gpt-oss-20b", "gpt-oss-120b"),
    "gemma2": ("gemma-2-2b", "gemma-2-9b", "gemma-2-27b"),
    "gemma3": ("gemma-3-12b", "gemma-3-27b"),
    "deepseek2": ("deepseek-v3", "deepseek-v2", "kimi-k2"),
    "glm4moe": ("glm-4.5", "glm-4.5-air"),
}  # fmt: skip
#: How far a count may be from the table's: embeddings tied or not, vision towers left out.
_SAME_SIZE = 0.03

#: Formats of weights by their name, for tables without a size.
_WEIGHTS = ((r"mxfp4", "fp4"), (r"i?q4_|q4_k|iq4", "int4"), (r"q8_", "int8"), (r"bf16", "bf16"), (r"\bf16", "fp16"), (r"f32", "fp32"))  # fmt: skip
_FLOATS = ("bf16", "fp16", "fp32")
#: Bytes a weight, and how far a file's may be from it: 4.9 bits of Q4_K count as int4, 6.6 of Q6_K as int8, 5.7 of Q5_K as neither.
_BYTES = {"int4": 0.5, "int8": 1.0}
_NEAR = 0.25

_TEST = re.compile(r"(?:pp ?(\d{1,9}))?(?: ?\+ ?)?(?:tg ?(\d{1,9}))?(?: ?@ ?d ?(\d{1,9}))?")
_RATE = re.compile(r"([\d.eE+]{1,30})(?: *(?:±|\+/-|Â±) *\S{1,30})?")
_SIZE = {"KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40}
_COUNT = {"M": 1e6, "B": 1e9, "T": 1e12, "K": 1e3}

_FOUND = re.compile(r"found (\d{1,4}) (?:CUDA|ROCm|HIP|MUSA|SYCL|Vulkan) devices?")
_DEVICE = re.compile(r"^\s*Device (\d{1,3}): (.{1,120}?), (?:compute capability|gfx|VMM)")
_VULKAN = re.compile(r"ggml_vulkan: (\d{1,3}) = (.{1,120}?) (?:\([^()]*\) )?\|")
_MODEL = re.compile(r"(?:\s-m|--model)[ =](\S{1,400})")
_LONGEST_LINE = 20_000
_HEADER = ("model", "test", "t/s")

_KEYS = ("build_commit", "model_type", "n_prompt", "n_gen", "avg_ts")


def sniff(head: str) -> float:
    """Return how sure this is llama-bench: its columns, as JSON keys, CSV header or Markdown; less for its log alone."""
    if sum(f'"{key}"' in head for key in _KEYS) >= 4:
        return 1.0
    if sum(re.search(rf"(?:^|,)\"?{key}\"?(?:,|$)", head.split("\n", 1)[0]) is not None for key in _KEYS) >= 4:
        return 1.0
    if re.search(r"^\|? *model +\| +size +\| +params +\|.*\| +t/s +\|", head, re.MULTILINE):
        return 1.0
    return 0.4 if re.search(r"\bllama-bench\b", head) and "ggml_" in head and "MLPerf" not in head else 0.0


def read(text: TextIO, name: str) -> Measurements:
    """Return the rate of each test; runs on different devices are different profiles.

    The accelerators are those that were found or named for the run. Tests on the CPU, with layers left there, or of weights in a
    format that the table can't hold are ignored with a word: prompts are kept, whose arithmetic is the same.

    Raises
    ------
    FormatError
        For text without llama-bench's rows.
    InputError
        For JSON cut short, a rate that is no number or negative, or no usable row at all.
    """
    figures = Figures(name, strict=True)
    head = (text.peek_text(65_536) if hasattr(text, "peek_text") else "") or ""
    seen = False
    if not head:  # a plain stream: small
        content = text.read()
        head, lines = content, iter(content.splitlines())
    else:
        content, lines = "", iter(text)
    if '"avg_ts"' in head or ('"n_prompt"' in head and '"n_gen"' in head):
        found, cut = documents(content or text.read(), name, _WANTED)
        for line, value in found:
            records = value if isinstance(value, list) else [value]
            for number, record in enumerate(records, 1):
                if isinstance(record, dict) and "n_prompt" in record and "n_gen" in record:
                    seen = True
                    _record(record, number if isinstance(value, list) else line, figures)
        if cut:
            figures.ignore(cut, "is cut short")
    elif "n_prompt" in head.split("\n", 1)[0] and "," in head:
        for number, row in _csv(lines, name):
            seen = True
            _record(row, number, figures)
    else:
        seen = _markdown(lines, figures)
    if not seen:
        raise FormatError(f"holds no row of llama-bench; give {_WANTED}", name)
    return figures.table("holds no usable row of llama-bench")


def _csv(lines: Iterable[str], name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(line.replace("\0", "") for line in lines)
    try:
        for row in reader:
            if row.get("n_prompt") == "n_prompt":
                continue  # several runs, one file
            yield reader.line_num, {str(k).lstrip("\ufeff"): v for k, v in row.items() if isinstance(v, str)}
    except csv.Error as error:
        raise FormatError(f"is no CSV that can be read ({error})", name) from error


def _record(record: Mapping[str, Any], row: int, figures: Figures) -> None:
    """Take one row of JSON or CSV."""
    devices = _devices(record.get("gpu_info"))
    chosen = record.get("devices")
    if isinstance(chosen, str) and chosen not in ("", "auto", "none"):
        count = float(len(re.findall(r"[^/,;]+", chosen)))
    else:
        count = float(len(devices))
    file = record.get("model_filename")
    _row(
        row, figures,
        kind=str(record.get("model_type") or ""), file=file if isinstance(file, str) else "",
        size=plain(record.get("model_size")), parameters=plain(record.get("model_n_params")),
        backend=str(record.get("backends") or record.get("backend") or ""), layers=record.get("n_gpu_layers"),
        prompt=plain(record.get("n_prompt")), generated=plain(record.get("n_gen")), depth=plain(record.get("n_depth")),
        cache=record.get("type_k"), rate=record.get("avg_ts"),
        count=1.0 if record.get("split_mode") == "none" else count, hardware=device_names(*devices),
    )  # fmt: skip


def _devices(named: object) -> list[str]:
    """Return a name for each device: "NVIDIA H100 PCIe, NVIDIA H100 PCIe" is two, "Radeon RX 7900 XT/7900 XTX" one."""
    if not isinstance(named, str) or not named.strip():
        return []
    names = [d.strip() for d in named.split(",") if d.strip()]
    slashed = [d.strip() for d in named.split("/")]
    return slashed if len(names) == 1 and len(slashed) > 1 and len(set(slashed)) == 1 else names


def _markdown(lines: Iterable[str], figures: Figures) -> bool:
    """Take the tables of a log, line by line; return whether there was a row."""
    header: list[str] | None = None
    devices: dict[int, str] = {}
    found, model, seen, fresh = 0, "", False, False
    for number, line in enumerate(lines, 1):
        if "|" not in line and "evice" not in line and "llama-bench" not in line:
            continue
        for shown in states(line, _LONGEST_LINE):
            if match := _FOUND.search(shown):
                found, devices, fresh = int(match[1]), {}, False
            elif match := _DEVICE.search(shown) or _VULKAN.search(shown):
                if fresh:
                    found, devices, fresh = 0, {}, False
                devices[int(match[1])] = match[2]
            elif "llama-bench" in shown and len(models := _MODEL.findall(shown)) <= 1:
                model = models[0] if models else ""
            if shown.count("|") < 4:
                continue
            cells = [cell.strip() for cell in shown.strip().strip("|").split("|")]
            if set(_HEADER) <= set(cells):
                header, fresh = cells, True
            elif header and len(cells) == len(header) and not set(shown) <= set("|-: \t"):
                seen = True
                row = dict(zip(header, cells, strict=True))
                _table_row(row, number, figures, model, float(found or len(devices)), device_names(*devices.values()))
    return seen


def _table_row(
    row: Mapping[str, str], number: int, figures: Figures, model: str, count: float, hardware: tuple[str, ...]
) -> None:
    test, rate = _TEST.fullmatch(row["test"].strip()), _RATE.fullmatch(row["t/s"].strip())
    if test is None or not (test[1] or test[2]) or rate is None:
        figures.ignore(number, f"has the test {row['test'][:40]!r} and the rate {row['t/s'][:40]!r}, which can't be read", hardware)  # fmt: skip
        return
    if row.get("sm") == "none":
        count = 1.0
    elif row.get("dev"):
        count = float(len(re.findall(r"[^/,;]+", row["dev"])))
    _row(
        number, figures, kind=row["model"], file=model, size=_scaled(row.get("size", ""), _SIZE),
        parameters=_scaled(row.get("params", ""), _COUNT), backend=row.get("backend", ""), layers=row.get("ngl"),
        prompt=plain(test[1]), generated=plain(test[2]), depth=plain(test[3]), cache=row.get("type_k"), rate=rate[1],
        count=count, hardware=hardware,
    )  # fmt: skip


def _scaled(text: str, units: Mapping[str, float]) -> float | None:
    number, _, unit = text.partition(" ")
    known = plain(number)
    return known * units[unit] if known and unit in units else None


def _row(
    row: int, figures: Figures, *, kind: str, file: str, size: float | None, parameters: float | None, backend: str, layers: object,
    prompt: float | None, generated: float | None, depth: float | None, cache: object, rate: object, count: float,
    hardware: tuple[str, ...],
) -> None:  # fmt: skip
    workload = _workload(kind, file, parameters)
    known = workloads.table().get(workload)
    if why := _on_the_host(backend, layers, known):
        figures.ignore(row, why, hardware)
        return
    weights = _weights(kind, size, parameters)
    if weights is None and generated:
        figures.ignore(row, "generates with weights of a format that the table can't hold, so its traffic is not known", hardware)  # fmt: skip
        return
    if known is None:
        figures.note(f"the model {kind[:60]!r} is not known, so what its tokens cost is not either")
    if not count:
        figures.note(uncounted.note("ran it", "keep the lines of ggml_…_init"))
    # F32 is multiplied in TF32 and BF16 in whatever the device has: only F16 tells the arithmetic.
    half = weights == "fp16"
    setting: dict[str, Any] = {
        "tool": "engine",
        "scope": "system",
        "batch": 1.0,
        "workload": workload,
        "accelerators": count or None,
        # ggml multiplies quantised weights in integers or in 16 bits, as the device and the batch suit: not stated.
        "precision": "fp16" if half else "",
        "weight_precision": "" if half else weights or "",
        "kv_precision": _kept(cache),
        "hardware": hardware,
    }
    if known is None and parameters and not re.search(r"x\d|\.A\d|moe", kind, re.IGNORECASE):
        setting |= {"active_parameters": parameters, "total_parameters": parameters}
    key = "t/s"
    if prompt and generated:
        figures.add(row, "total_throughput", rate, "token/s", key=key, phase="offline",
                    input_tokens=prompt + (depth or 0.0), output_tokens=generated, **setting)  # fmt: skip
    elif generated:
        figures.add(row, "output_throughput", rate, "token/s", key=key, phase="decode", input_tokens=depth,
                    output_tokens=generated, **setting)  # fmt: skip
    elif prompt:
        figures.add(row, "input_throughput", rate, "token/s", key=key, phase="prefill", input_tokens=prompt,
                    context_tokens=prompt + depth if depth else None, **setting)  # fmt: skip


def _on_the_host(backend: str, layers: object, known: workloads.Workload | None) -> str:
    """Return why a test ran on the CPU, in whole or in part; ``""`` for one that did not."""
    if re.fullmatch(r"(?i)\s*(cpu|blas|accelerate|openblas|mkl|none)?(,\s*(cpu|blas|rpc))*\s*", backend) and backend.strip():
        return f"ran on {backend[:20]}, no accelerator"
    given = str(layers).strip() if isinstance(layers, (int, str)) and not isinstance(layers, bool) else ""
    if not re.fullmatch(r"\d{1,6}", given):
        return ""
    if int(given) == 0:
        return "ran with no layer on the accelerator"
    if known is not None and int(given) < known.layers:
        return f"ran with {given} of {known.layers:g} layers on the accelerator"
    return ""


def _workload(kind: str, file: str, parameters: float | None) -> str:
    """Return the model's id, by its file's name, its family and size, or the printed name; a slug for an unknown one."""
    stem = re.sub(r"-0000\d-of-\d{5}|\.gguf$", "", file.replace("\\", "/").rsplit("/", 1)[-1])[:200]
    table = workloads.table()
    named = workloads.resolve(stem) if stem else None
    if named in table and _alike(table[named].total_parameters, parameters):
        return named
    words = kind.split()
    family = _FAMILIES.get(words[0].lower(), ()) if words else ()
    if parameters:
        near = min(family, key=lambda w: abs(table[w].total_parameters - parameters), default=None)
        if near and _alike(table[near].total_parameters, parameters):
            return near
    named = workloads.resolve(" ".join(words[:2])[:100]) if words else None
    if named in table and parameters and _alike(table[named].total_parameters, parameters):
        return named
    return re.sub(r"[^a-z0-9.]+", "-", " ".join(words[:2]).lower())[:60].strip("-")


def _alike(known: float, parameters: float | None) -> bool:
    return parameters is None or abs(known - parameters) <= _SAME_SIZE * parameters


def _weights(kind: str, size: float | None, parameters: float | None) -> str | None:
    """Return the weights' format by name, else by the file's bytes a weight; None where no format of the table is near."""
    by_name = next((name for pattern, name in _WEIGHTS if re.search(pattern, kind.lower())), None)
    if by_name in _FLOATS or by_name == "fp4" or not size or not parameters:
        return by_name
    each = size / parameters
    return next((name for name, width in _BYTES.items() if abs(each - width) <= _NEAR * width), None)


def _kept(cache: object) -> str:
    """Return the format of the key-value cache."""
    text = cache.lower() if isinstance(cache, str) else ""
    return {"f16": "fp16", "bf16": "bf16", "f32": "fp32", "q8_0": "int8", "q4_0": "int4"}.get(text, "")
