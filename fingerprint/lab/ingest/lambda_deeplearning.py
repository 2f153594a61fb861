"""Lambda's deep-learning benchmark: PyTorch training throughput of classical models on 1 to 8 GPUs, 15 GPU types.

A row was one cell of a table: items a second of all N GPUs of one system, for one model and precision; 0 means not run. Two
tables count: the first (with the batch sizes beside it) and the second (many H100 hosts, H200, GH200, B200; batch sizes not
stated). A profile is one system of one table: up to 10 models in two precisions.

- "fp32" is TF32 from Ampere on, true FP32 on Volta and Turing. "fp16" is mixed precision.
- Items are images (ResNet-50, SSD), sequences of 384 tokens padded to full length (BERT fine-tuning on SQuAD), tokens
  (GNMT, Transformer-XL), and spectrogram frames or audio samples, counted as samples.
- BERT here computes all 384 positions, so it has a workload of its own, with the parameters of the layers that every
  position goes through: 12 x hidden^2 a layer.
- Some figures of several GPUs exceed the single GPU's by more than their number: BERT base in fp16 on 8 GPUs (up to 21-fold
  on B200) and NCF on the newer H100 systems. Such runs end before the clock is fair; they are quarantined.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from fingerprint.lab.ingest.labelled import Source, finish, slug

SOURCE = Source(
    name="lambda-deeplearning",
    folders=("llm/lambda_deeplearning", "micro/lambda_dl_benchmark"),
    profile_rule="one system (GPU type, GPU count, host) of one table",
    origin="lambda",
    licence="none stated (figures only)",
    left_out="the merged table csv_v1_v2 and facts.csv of the second folder, which repeat the two tables; watts (sums of "
    "data-sheet power, not measured) and prices",
)

_COMMIT = "aa5addb6a53675a649a80036dad548f1c27cbcc4"

#: Column -> workload, unit, tokens a sample, parameters of the layers.
_MODELS: dict[str, tuple[str, str, float, float]] = {
    "ssd": ("ssd", "img/s", np.nan, np.nan),
    "bert_base_squad": ("bert-base-squad-384", "sequence/s", 384, 12 * 12 * 768**2),
    "bert_large_squad": ("bert-large-squad-384", "sequence/s", 384, 24 * 12 * 1024**2),
    "gnmt": ("gnmt", "token/s", np.nan, np.nan),
    "ncf": ("ncf", "sample/s", np.nan, np.nan),
    "resnet50": ("resnet50", "img/s", np.nan, np.nan),
    "tacotron2": ("tacotron2", "sample/s", np.nan, np.nan),
    "transformerxlbase": ("transformer-xl-base", "token/s", np.nan, np.nan),
    "transformerxllarge": ("transformer-xl-large", "token/s", np.nan, np.nan),
    "waveglow": ("waveglow", "sample/s", np.nan, np.nan),
}

#: Chips without TF32.
_TRUE_FP32 = r"V100|Quadro RTX"

#: More than this, per GPU, over the single GPU of the same table is no measurement.
_LARGEST_GAIN = 1.15

#: The GPU within a system's name; hosts and vendors are cut off.
_SECOND = r"(?P<count>\d+)x(?P<chip>A100|H100|H200|GH200|B200)_(?P<memory>\d+)GB(?:_(?P<form>SXM5?|PCIe))?"
_FIRST = r"^(?P<host>1CC|LambdaCloud|DellTexas|Dell|SMC|RAIDZ1)? ?(?:\d+x ?)?(?P<label>.*)$"


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    tables, extra = (raw / folder for folder in SOURCE.folders)
    parts = []
    for precision in ("fp16", "fp32"):
        first = pd.read_csv(tables / f"pytorch-train-throughput-{precision}.csv").rename(columns={"name_gpu": "system"})
        batches = pd.read_csv(extra / f"upstream/pytorch/pytorch-train-bs-{precision}.csv").set_index("name_gpu")
        parts.append(_cells(first, precision, f"pytorch-train-throughput-{precision}.csv", "v1", batches))
        second = pd.read_csv(tables / f"pytorch-train-throughput-v2-{precision}.csv")
        second = second.rename(columns={second.columns[0]: "system"})
        parts.append(_cells(second, precision, f"pytorch-train-throughput-v2-{precision}.csv", "v2", None))
    frame = pd.concat(parts, ignore_index=True)
    frame = frame[frame["value"] > 0].reset_index(drop=True)
    names = pd.concat([_first_names(frame), _second_names(frame)]).sort_index()
    frame["label"], frame["accelerators"] = names["label"], names["accelerators"]
    frame["precision"] = frame["precision"].mask(
        (frame["precision"] == "fp32") & ~frame["label"].str.contains(_TRUE_FP32), "tf32"
    )
    # Hosts are numbered, not named: their names hold addresses.
    kind = frame["table"] + "/" + frame["label"].map(slug) + "/" + frame["accelerators"].astype(int).astype(str) + "x"
    number = frame.groupby(kind)["system"].transform(lambda s: pd.factorize(s, sort=True)[0])
    frame["profile"] = kind + "/" + number.astype(str)
    frame["quarantine"] = _too_good(frame).map({True: "more than the single GPU's figure times the count", False: ""})
    return finish(frame.drop(columns=["system", "table"]), SOURCE)


def _cells(table: pd.DataFrame, precision: str, file: str, name: str, batches: pd.DataFrame | None) -> pd.DataFrame:
    models = [m for m in _MODELS if m in table]
    out = table.melt(id_vars=["system"], value_vars=models, var_name="model", value_name="value")
    out["table"], out["precision"] = name, precision
    out["url"] = f"https://github.com/lambdal/deeplearning-benchmark/blob/{_COMMIT}/pytorch/{file}"
    for position, column in enumerate(("workload", "unit", "input_tokens", "active_parameters")):
        out[column] = out["model"].map({m: facts[position] for m, facts in _MODELS.items()})
    out["quantity"], out["scope"], out["tool"], out["phase"] = "throughput", "system", "training", "train"
    out["batch"] = np.nan
    if batches is not None:
        out["batch"] = [batches[m].get(s, np.nan) for s, m in zip(out["system"], out["model"], strict=True)]
    return out.drop(columns="model")


def _first_names(frame: pd.DataFrame) -> pd.DataFrame:
    """Return label and count of the first table's systems, such as ``LambdaCloud 4xV100 16GB``."""
    system = frame.loc[frame["table"] == "v1", "system"]
    label = system.str.extract(_FIRST)["label"].str.strip()
    # Lambda's cloud and workstation V100s of 16 GB are not said to be SXM2 or PCIe.
    count = system.str.extract(r"(?:^| )(\d+)x")[0].astype(float).fillna(1.0)
    return pd.DataFrame({"label": label, "accelerators": count})


def _second_names(frame: pd.DataFrame) -> pd.DataFrame:
    """Return label and count of the second table's systems, such as ``..._8xH200_140GB_SXM_...``."""
    system = frame.loc[frame["table"] == "v2", "system"]
    # Where a name holds two counts, the host's and the run's, the run's is the one that stands at the chip.
    found = system.str.extract(_SECOND)
    memory = found["memory"] + "GB"
    # No GH200 of 80 GB exists; that host's system file gives 97,871 MiB.
    memory = memory.mask((found["chip"] == "GH200") & (found["memory"] == "80"), "96GB")
    label = (found["chip"] + " " + memory + " " + found["form"].fillna("")).str.replace("SXM5", "SXM").str.strip()
    return pd.DataFrame({"label": label, "accelerators": found["count"].astype(float)})


def _too_good(frame: pd.DataFrame) -> pd.Series:
    per_gpu = frame["value"] / frame["accelerators"]
    key = [frame["table"], frame["label"], frame["workload"], frame["precision"]]
    single = per_gpu.where(frame["accelerators"] == 1).groupby(key).transform("max")
    return per_gpu > _LARGEST_GAIN * single
