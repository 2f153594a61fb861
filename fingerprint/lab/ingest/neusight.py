"""NeuSight's operator times: batched and plain matrix products, element-wise kernels, softmax and layer norm, all FP32.

A row was one kernel's mean time (ms) for one shape on one device. TF32 was off, so every row is FP32 on the ordinary
units (AMD's BLAS uses its FP32 matrix units). ``linear`` is x (M x K) times a weight (K x N); ``bmm`` is B such products.
The device strings are PyTorch's: "NVIDIA H100 80GB HBM3" is the SXM part.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fingerprint.lab.ingest.kernel_facts import checked, thinned
from fingerprint.lab.ingest.labelled import Source, finish

SOURCE = Source(
    name="neusight",
    folders=("micro/neusight",),
    profile_rule="one device in one of the three parts (training set, test set, AMD)",
    origin="sitar-lab/neusight",
    licence="see the repository's LICENSE",
    thinning="by shape, the same on all devices: bmm 13 % of the test and 2.5 % of the training shapes, linear 30 % and "
    "5 %, element-wise 15 %, softmax and layer norm 50 %; the 40 largest test products stay",
    left_out="binary element-wise kernels (three passes where the table assumes two) and powers (bound by arithmetic); "
    "launch geometry, warps and kernel names (they name the chip)",
)

_KEEP = {("bmm", "test"): 0.13, ("bmm", "train"): 0.025, ("linear", "test"): 0.3, ("linear", "train"): 0.05}
_WORKLOADS = {"addu": "elementwise", "mulu": "elementwise", "divu": "elementwise", "relu": "activation",
              "gelu": "activation", "tanh": "activation", "softmax": "softmax", "ln": "layernorm"}  # fmt: skip
_URL = "https://github.com/sitar-lab/NeuSight/tree/6945927d9a/scripts/asplos/data"


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows of all parts."""
    root = raw / SOURCE.folders[0] / "upstream" / "scripts" / "asplos" / "data"
    products: list[pd.DataFrame] = []
    passes: list[pd.DataFrame] = []
    for path in sorted(root.glob("dataset*/**/*.csv*")):
        where = path.relative_to(root).parts
        columns = ["OPName", "Latency", "Device"]
        product = "bmm" in where or "linear" in where or path.name.split(".")[0] in ("bmm", "linear")
        table = pd.read_csv(path, usecols=[*columns, "B", *(("M", "N", "K") if product else ("H",))])
        part = "amd" if where[0] == "dataset_amd" else where[1]
        (products if product else passes).append(table.assign(part=part, kind=where[1]))
    frame = pd.concat([_products(pd.concat(products)), _passes(pd.concat(passes))], ignore_index=True)
    frame = frame.assign(tool="kernel", phase="kernel", precision="fp32", accelerators=1, quantity="latency", unit="ms")
    return checked(finish(frame.assign(url=_URL), SOURCE))


def _products(table: pd.DataFrame) -> pd.DataFrame:
    table = table.reset_index(drop=True)
    work = table["B"] * table["M"] * table["N"] * table["K"]
    keep = []
    for (name, kind), share in _KEEP.items():
        chosen = (table["OPName"] == name) & (table["kind"] == kind)
        part, size = table[chosen], work[chosen]
        largest = size.drop_duplicates().nlargest(20).min() if kind == "test" else float("inf")
        keep.append(thinned(part, ["B", "M", "N", "K"], share, size >= largest))
    table = pd.concat(keep, ignore_index=True)
    batched = table["OPName"] == "bmm"
    return pd.DataFrame(
        {
            "profile": table["Device"] + "|" + table["part"],
            "label": table["Device"],
            "workload": batched.map({True: "batched-gemm", False: "gemm"}),
            "m": table["M"],
            "n": table["N"],
            "k": table["K"],
            "groups": table["B"].where(batched),
            "value": table["Latency"],
        }
    )


def _passes(table: pd.DataFrame) -> pd.DataFrame:
    table = table[table["OPName"].isin(_WORKLOADS)].drop_duplicates(["OPName", "Device", "B", "H"], ignore_index=True)
    rare = table["OPName"].isin(("softmax", "ln"))
    none = pd.Series(False, index=table.index)
    table = pd.concat(
        [
            thinned(table[rare], ["B", "H"], 0.5, none[rare]),
            thinned(table[~rare], ["B", "H", "OPName"], 0.15, none[~rare]),
        ],
        ignore_index=True,
    )
    return pd.DataFrame(
        {
            "profile": table["Device"] + "|" + table["part"],
            "label": table["Device"],
            "workload": table["OPName"].map(_WORKLOADS),
            "m": table["B"],
            "n": table["H"],
            "value": table["Latency"],
        }
    )
