"""What the tests of DeepSeek's kernel libraries print: DeepGEMM, DeepEP and FlashMLA, in one file or several.

DeepGEMM: ``> Performance (m=, n=, k=): us | throughput: TFLOPS, GB/s`` and, since its second version, ``> Perf (...): us | TFLOPS | GB/s``;
with groups, ``m`` is all rows together and ``expected_m_per_group`` a group's own, as the table counts it. Rates are kept, not
times: a time of 4 us has one digit. Below 20 TFLOPS the bandwidth has more digits and is kept instead. DeepEP: the best of a
tuning within a node, and each rank's low-latency bandwidth; whatever crosses a network is left out. FlashMLA: its shape's line, then time, rate and
bandwidth; the size of a head is left out because keys serve as values there.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping
from typing import Any, TextIO

from fingerprint.errors import FormatError
from fingerprint.measurements import Measurements
from fingerprint.readers import uncounted
from fingerprint.readers.figures import Figures
from fingerprint.readers.printed import clean, lines, number

NAME = "deepseek-kernels"
TITLE = "DeepGEMM, DeepEP and FlashMLA: what their tests print"
YIELDS = "rates of matrix products and latent attention by shape, bandwidth of expert-parallel exchange"

#: A rate printed without decimals has two digits from here on.
FEW_DIGITS = 20.0
#: Processes that DeepEP's test within a node starts, and the most that its kernels allow.
INTRANODE_RANKS = 8

_GEMM = re.compile(r"^\s*>? ?Perf(?:ormance)? ?\((?P<shape>[^)]*)\):\s*(?P<us>[\d.]+) us(?: \(max:[^)]*\))?(?P<rest>.*)$")
_RATE = re.compile(r"([\d.]+) T(?:FLOPS|FLOP/s)\b")
_WIDTH = re.compile(r"([\d.]+) GB/s")
_VALUE = re.compile(r"(\w+) ?= *([\w.]+)")
_CONFIG = re.compile(r"\[config\] num_tokens=(\d+), hidden=(\d+), num_topk=(\d+)")
_BEST = re.compile(r"\[tuning\] Best (dispatch|combine)(?: \((FP8|BF16)\))?: *SMs \d+,.*?([\d.]+) GB/s")
_RANK = re.compile(r"\[rank (\d+)\] Dispatch bandwidth: ([\d.]+) GB/s.*?\| *Combine bandwidth: ([\d.]+) GB/s")
_MLA = re.compile(r"\bb=(\d+), s_q=(\d+), mean_(?:sk|seqlens)=([\d.]+), h_q=(\d+), h_kv=(\d+)\b(.*)$")
_TIMED = re.compile(r"^\s*(?:perf (\w+): |(run_\w+|flash_mla\w*): )?([\d.]+) ms, (\d+) TFLOPS, *(\d+) GB/s")
_SPARSE = re.compile(r"^\s*(TFlops|GB/s): ([\d.]+)\s*$")
_RUNNING = re.compile(r"Running on \w*TestParam\w*\((.*)\)")


def sniff(head: str) -> float:
    """Return how sure this is one of the libraries' prints."""
    text = clean(head)
    if re.search(r"^ ?> ?Perf(?:ormance)? ?\([^)\n]{0,400}\bn ?= *\d+, k ?= *\d+", text, re.MULTILINE):
        return 1.0
    if re.search(r"^\[tuning\] (?:Best |SMs \d+, NVL chunk )|^\[rank \d+\] Dispatch bandwidth: ", text, re.MULTILINE):
        return 1.0
    if re.search(r"^[ \t]{0,40}(?:[\w ]{1,80}: )?b=\d+, s_q=\d+, mean_(?:sk|seqlens)=[\d.]+, h_q=\d+", text, re.MULTILINE):
        return 1.0
    if re.search(r"^ ?> .*\(?num_groups ?=.*TFLOPS", text, re.MULTILINE) or (_RUNNING.search(text) and "TFlops:" in text):
        return 0.9
    return 0.0


def read(text: TextIO, name: str) -> Measurements:
    """Return a row for each shape's rate and each exchange's bandwidth.

    Raises
    ------
    FormatError
        For a file without a line of these tests.
    InputError
        For one whose lines hold no figure.
    """
    found = Figures(name)
    state: dict[str, Any] = {"config": {}, "mla": {}, "sparse": None, "ranks": {}}
    known = False
    for row, line in lines(text):
        known = _line(found, row, line, state) or known
    _ranks(found, state["ranks"], state["config"])
    if not known:
        raise FormatError("holds no line of DeepGEMM's, DeepEP's or FlashMLA's tests", name)
    return found.table("is a kernel library's print without a figure")


def _line(found: Figures, row: int, line: str, state: dict[str, Any]) -> bool:
    if gemm := _GEMM.match(line):
        _gemm(found, row, gemm["shape"], gemm["rest"])
    elif config := _CONFIG.search(line):
        state["config"] = {"m": config[1], "k": config[2], "experts_per_token": config[3]}
    elif best := _BEST.search(line):
        if "RDMA" in line:
            found.ignore(row, "crosses nodes: the network sets the rate")
        else:
            found.note(f"taken as the {INTRANODE_RANKS} processes that DeepEP's test within a node starts")
            _exchange(found, row, best[1], best[3], (best[2] or "BF16").lower(), INTRANODE_RANKS, state["config"])
    elif rank := _RANK.search(line):
        state["ranks"][int(rank[1][:6])] = (row, number(rank[2]), number(rank[3]))
    elif shape := _MLA.search(line):
        state["mla"] = {"batch": shape[1], "input_tokens": shape[2], "context_tokens": shape[3], "heads": shape[4],
                        "kv_heads": shape[5], "kv_precision": "fp8" if "fp8" in shape[6].lower() else ""}  # fmt: skip
        # Some print shape and result in one line.
        if timed := re.search(r"([\d.]+) ms, (\d+) TFLOPS, *(\d+) GB/s", shape[6]):
            _attention(found, row, state["mla"], timed[2], timed[3])
    elif (timed := _TIMED.match(line)) and state["mla"]:
        if timed[1] and "flash_mla" not in timed[1]:
            found.ignore(row, f"{timed[1][:30]}: the baseline that FlashMLA is compared with")
        else:
            _attention(found, row, state["mla"], timed[4], timed[5])
    elif running := _RUNNING.search(line):
        state["sparse"] = "attention-prefill" if "decode=None" in running[1] else "attention-decode"
    elif (sparse := _SPARSE.match(line)) and state["sparse"]:
        quantity, unit = ("compute_rate", "TFLOP/s") if sparse[1] == "TFlops" else ("bandwidth", "GB/s")
        found.add(row, quantity, sparse[2], unit, tool="kernel", phase="kernel", workload=state["sparse"], precision="bf16",
                  kv_precision="fp8", accelerators=1, scope="accelerator")  # fmt: skip
    else:
        return False
    return True


def _gemm(found: Figures, row: int, shape: str, rest: str) -> None:
    size = {key.lower(): number(value) for key, value in _VALUE.findall(shape)}
    # DeepGEMM's first version multiplied in FP8 only; later ones name their scales (1D1D, 1D2D) for FP8 and none for BF16.
    precision = "fp8" if "throughput" in rest or re.search(r"1D[12]D", shape) else "bf16"
    groups = size.get("num_groups")
    columns: dict[str, Any] = {"m": size.get("m"), "n": size.get("n"), "k": size.get("k", size.get("avg_k"))}
    if groups is not None and groups > 0:
        whole = size.get("m", float("nan"))
        # Weight gradients are grouped over k: there m is each product's own.
        columns["m"] = size.get("expected_m_per_group", whole if "avg_k" in size else whole / groups)
        columns["groups"] = groups
    rate, width = _RATE.search(rest), _WIDTH.search(rest)
    setting: dict[str, Any] = {"tool": "kernel", "phase": "kernel", "precision": precision, "accelerators": 1, "scope": "accelerator",
               "workload": "gemm" if groups is None else "grouped-gemm", **columns}  # fmt: skip
    if rate and (number(rate[1]) >= FEW_DIGITS or width is None):
        found.add(row, "compute_rate", rate[1], "TFLOP/s", **setting)
    elif width:
        found.add(row, "bandwidth", width[1], "GB/s", **setting)
    else:
        found.ignore(row, "the line is cut off before its rate")


def _attention(found: Figures, row: int, shape: Mapping[str, Any], rate: str, width: str) -> None:
    setting: dict[str, Any] = {"tool": "kernel", "phase": "kernel", "workload": "attention-decode", "precision": "bf16", "accelerators": 1,
               "scope": "accelerator", **shape}  # fmt: skip
    found.add(row, "compute_rate", rate, "TFLOP/s", **setting)
    found.add(row, "bandwidth", width, "GB/s", **setting)


def _exchange(
    found: Figures, row: int, workload: str, value: object, precision: str, ranks: int, config: Mapping[str, Any]
) -> None:
    found.add(row, "bandwidth", value, "GB/s", tool="collective", phase="kernel", workload=workload, precision=precision,
              accelerators=ranks, scope="accelerator", **config)  # fmt: skip


def _ranks(found: Figures, ranks: Mapping[int, tuple[int, float, float]], config: Mapping[str, str]) -> None:
    """Add the median over ranks of the low-latency exchange: dispatch in FP8, combine in BF16, as the test has them."""
    if not ranks:
        return
    count, row = max(ranks) + 1, min(first for first, _, _ in ranks.values())
    if count > INTRANODE_RANKS:
        found.ignore(row, f"{count} ranks cross nodes: the network sets the rate")
        return
    if len(ranks) < 2:
        found.note(f"shows one rank; how many took part is not told: {uncounted.ADVICE}")
    for position, workload, precision in ((1, "dispatch", "fp8"), (2, "combine", "bf16")):
        value = statistics.median(values[position] for values in ranks.values())
        _exchange(found, row, workload, value, precision, count if len(ranks) > 1 else 0, config)
