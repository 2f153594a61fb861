"""Verdicts of examples that every part of the report is tried on."""

from pathlib import Path

import pytest

import fingerprint

EXAMPLES = Path(__file__).resolve().parents[2] / "datasets" / "examples"

#: An H20, an H100, a B200, a chip with a twin (A100 and A800 of 80 GB), and one figure that says nothing.
CASES = {"h20": ("h20-gemm-pytorch", "H100-SXM"), "h100": ("mlperf-inference-h100", "H20"), "b200": ("b200-serving-power", None),
         "twins": ("a100-sxm-80gb-memory", "A100"), "insufficient": (None, None)}  # fmt: skip

HOSTILE = "\x1b[2J\u202egpj.exe\u200b\x07<script>alert(1)</script>&amp;\"'$x^2$"


@pytest.fixture(scope="session")
def verdicts(tmp_path_factory):
    """One verdict a case, by its name."""
    silent = tmp_path_factory.mktemp("cases") / "silent.csv"
    silent.write_text("quantity,unit,value,workload,phase\npower,W,100,,idle\n")
    out = {}
    for name, (file, claimed) in CASES.items():
        [out[name]] = fingerprint.classify(fingerprint.read(EXAMPLES / f"{file}.csv" if file else silent), claimed=claimed)
    return out


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    """A verdict whose file names everything so as to do harm."""
    file = tmp_path_factory.mktemp("hostile") / "f.csv"
    name = '"' + HOSTILE.replace('"', '""') + '"'
    file.write_text(
        "profile,gpu,workload,phase,precision,m,n,k,accelerators,quantity,unit,value\n"
        f"{name},{name},gemm,kernel,bf16,8192,8192,8192,1,compute_rate,TFLOP/s,141\n"
        f"{name},{name},{name},kernel,{name},,,,1,compute_rate,TFLOP/s,20\n"
        f"{name},{name},{name},kernel,,,,,1,latency,s,2\n"
    )
    [verdict] = fingerprint.classify(fingerprint.read(file), claimed="H20")
    return verdict
