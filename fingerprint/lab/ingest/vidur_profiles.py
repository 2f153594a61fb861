"""Vidur's operator profiles: times of one transformer layer's operators by tokens and tensor-parallel degree.

A row was one (tokens, degree) setting with the times (ms) of ten operators on one GPU that computes its share of a layer;
here each operator is a row of its own. The matrix sizes follow from the model's configuration in the same row: hidden
size h, q and kv heads of size h / heads, expanded size e, degree t:

- attn_pre_proj: n = (heads + 2 kv_heads) size / t, k = h;   attn_post_proj: n = h, k = h / t
- mlp_up_proj: n = 2 e / t when gated (gate and up in one product: its time and the down projection's agree on the same
  rate only so), else e / t; k = h;   mlp_down_proj: n = h, k = e / t

The collectives give `size` in bytes of 16-bit elements (the simulator divides it by 2 x hidden size to get tokens).
The 80 GB parts are meant (the simulator's device table has 80 GB for A100 and H100); the form factor is published for the
DGX nodes' collectives only, so operator rows carry the family.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from fingerprint.lab.ingest.kernel_facts import checked, thinned
from fingerprint.lab.ingest.labelled import Source, finish

SOURCE = Source(
    name="vidur-profiles",
    folders=("llm/vidur_profiles",),
    profile_rule="one GPU type and one model's operators; one node type and one collective",
    origin="microsoft/vidur",
    licence="MIT",
    thinning="operators: 11 % of (model, tokens, degree), the same on all GPUs, and all of 1, 8, 64, 512, 2048, 4096, 16384 and "
    "32768 tokens; "
    "collectives: 15 % of the sizes and all of 56-64 MiB and above 512 MiB",
    left_out="embedding, rotary embedding and element-wise addition (their traffic depends on the implementation); "
    "collectives between nodes (a network's figures); the attention tables, which the snapshot lacks",
)

_OPERATORS = ("attn_pre_proj", "attn_post_proj", "mlp_up_proj", "mlp_down_proj", "input_layernorm")
#: Token counts that stay in any case: decode steps of few sequences and full prefill chunks.
_ALWAYS = (1, 8, 64, 512, 2048, 4096, 16384, 32768)
_LABELS = {"a100": "A100", "h100": "H100", "a40": "A40"}
_NODES = {"a100_dgx": "A100-SXM4-80GB", "h100_dgx": "H100-SXM", "a100_pairwise_nvlink": "A100",
          "h100_pairwise_nvlink": "H100", "a40_pairwise_nvlink": "A40"}  # fmt: skip
#: send_recv of the H100 pairwise node is the A100 node's file, digit by digit.
_COPIED = {("h100_pairwise_nvlink", "send_recv"): "copy of the A100 pairwise node's table"}
_URL = "https://github.com/microsoft/vidur/tree/7d47513363ec447a741ac5e47241580b47724fbf/data/profiling"


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows of both tables."""
    root = raw / SOURCE.folders[0]
    frame = pd.concat([_operators(root / "compute"), _collectives(root / "network")], ignore_index=True)
    frame["licence"] = SOURCE.licence
    return checked(finish(frame, SOURCE))


def _operators(folder: Path) -> pd.DataFrame:
    parts = []
    for path in sorted(folder.glob("*/*/mlp.csv.gz")):
        table = pd.read_csv(path)
        table.columns = table.columns.str.replace("time_stats.", "", regex=False)
        parts.append(table.assign(device=path.parts[-3], model=path.parts[-2]))
    table = pd.concat(parts, ignore_index=True)
    large = table["num_tokens"].isin(_ALWAYS)
    table = thinned(table, ["model", "num_tokens", "num_tensor_parallel_workers"], 0.11, large)
    # A few settings were timed up to four times; the same file repeats them.
    table = table.drop_duplicates(["device", "model", "num_tokens", "num_tensor_parallel_workers"], ignore_index=True)
    return pd.concat([_operator(table, name) for name in _OPERATORS], ignore_index=True)


def _operator(table: pd.DataFrame, name: str) -> pd.DataFrame:
    share = table["num_tensor_parallel_workers"]
    hidden, expanded = table["n_embd"], table["n_expanded_embd"]
    heads = (table["n_head"] + 2 * table["n_kv_head"]) * hidden / table["n_head"]
    up = np.where(table["use_gated_mlp"], 2, 1) * expanded
    n, k = {
        "attn_pre_proj": (heads / share, hidden),
        "attn_post_proj": (hidden, hidden / share),
        "mlp_up_proj": (up / share, hidden),
        "mlp_down_proj": (hidden, expanded / share),
        "input_layernorm": (hidden, pd.Series(np.nan, index=table.index)),
    }[name]
    return pd.DataFrame(
        {
            "profile": table["device"] + "|" + table["model"],
            "label": table["device"].map(_LABELS),
            "tool": "kernel",
            "phase": "kernel",
            "workload": "layernorm" if name == "input_layernorm" else "gemm",
            "precision": "fp16",
            "accelerators": 1,
            "m": table["num_tokens"],
            "n": n,
            "k": k,
            "quantity": "latency",
            "statistic": "median",
            "value": table[f"{name}.median"],
            "unit": "ms",
            "url": _URL,
        }
    )


def _collectives(folder: Path) -> pd.DataFrame:
    parts = []
    for path in sorted(folder.glob("*/*.csv.gz")):
        table = pd.read_csv(path)
        name = path.name.partition(".")[0]
        inside = table["num_workers"] == table["devices_per_node"]
        table = table[inside].reset_index(drop=True)
        table = thinned(table, ["size"], 0.15, table["size"].between(56 * 2**20, 2**26) | (table["size"] > 2**29))
        parts.append(
            pd.DataFrame(
                {
                    "profile": path.parent.name + "|" + name,
                    "label": _NODES[path.parent.name],
                    "tool": "collective",
                    "phase": "kernel",
                    "workload": {"all_reduce": "all-reduce", "send_recv": "send-recv"}[name],
                    "accelerators": table["num_workers"],
                    "message_bytes": table["size"],
                    "quantity": "latency",
                    "statistic": "median",
                    "value": table[f"time_stats.{name}.median"],
                    "unit": "ms",
                    "url": _URL,
                    "quarantine": _COPIED.get((path.parent.name, name), ""),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
