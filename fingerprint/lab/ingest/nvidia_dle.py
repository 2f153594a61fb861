"""NVIDIA DeepLearningExamples: throughput tables of classical models on V100, A100, T4, A30 and A10.

A row was one cell of a README's table, parsed generically, so that a heading or a column may be lost. Only throughputs
count whose unit, precision and number of GPUs are stated or follow from the table's own words; cells that the parse has
made ambiguous (one setting, several figures) are left out. A profile is one system in one README.

- Figures are the sum over the row's GPUs. Batches of training tables are per GPU and multiplied here; where steps are
  accumulated or two batches stand in one cell the batch is left empty.
- "FP32" on Ampere is TF32 where a framework chose; "mixed precision" and AMP are FP16.
- BERT's sequences have a stated length, in names of their own. SQuAD fine-tuning computes every position, so those rows carry
  the layers' parameters (12 x hidden^2 a layer); pre-training skips padding in some versions (at full length the V100
  would exceed its peak), so its cost is left unknown.
- DGX-1 holds the V100 SXM2, DGX A100 the A100 SXM4. DGX-2 (V100 SXM3) and DGX-2H (raised power) have parts of their own: the
  family counts.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from fingerprint.lab.ingest.labelled import Source, finish, numbers, slug

SOURCE = Source(
    name="nvidia-dle",
    folders=("llm/nvidia_dle",),
    profile_rule="one system in one README",
    origin="nvidia/deeplearningexamples",
    licence="Apache-2.0, BSD or MIT by example (figures only)",
    thinning="of the served benchmarks with 1 to 256 requests in flight, the powers of two from 8 on",
    left_out="latencies (all follow from throughput and batch or queue), percentiles of throughput, multi-node and sparsity "
    "tables, throughputs without a stated unit or precision, settings with several figures",
)

#: Served benchmarks: requests in flight that are kept.
_CONCURRENCIES = (8, 16, 32, 64, 128, 256)

#: Folder -> workload. Names that the workload table knows are used only where the work is the same.
_NAMES = {
    "Classification/ConvNets/resnet50v1.5": "resnet50",
    "Classification/RN50v1.5": "resnet50",
    "Classification/ConvNets/triton/resnet50": "resnet50",
    "Classification/ConvNets/triton": "resnet50",
    "Classification/ConvNets/resnext101-32x4d": "resnext101-32x4d",
    "Classification/ConvNets/se-resnext101-32x4d": "se-resnext101-32x4d",
    "Detection/SSD": "ssd",
    "Segmentation/MaskRCNN": "maskrcnn",
    "Segmentation/UNet_Medical": "dle-unet-2d-medical",
    "Segmentation/UNet_Industrial": "dle-unet-2d-industrial",
    "Segmentation/UNet_3D_Medical": "dle-unet-3d-brats",
    "Translation/GNMT": "gnmt",
    "Recommendation/WideAndDeep": "wide-and-deep",
    "Recommendation/WideAndDeep/triton": "wide-and-deep",
    "LanguageModeling/BERT/triton/large": "dle-bert-large-triton",
}

#: Folders whose throughput columns name no unit: their READMEs count images.
_IMAGES = ("Classification/", "Segmentation/MaskRCNN", "Detection/SSD")

_UNITS = (
    (r"\[img/s\]|\(img/s(?:ec)?\)|imgs?/s", "img/s"),
    (r"tok/s|tokens/s", "token/s"),
    (r"sequences/sec|seq/sec|sent/sec", "sequence/s"),
    (r"samples/s|item/s", "sample/s"),
    (r"inferences/second", "sample/s"),
)

#: Layers' parameters of BERT, by size.
_BERT = {"base": 12 * 12 * 768**2, "large": 24 * 12 * 1024**2}

#: More than this, per GPU, over the single GPU of the same table is no measurement of the same thing.
_LARGEST_GAIN = 1.15

_PERCENTILE = r"^\d\d% "

#: Tables over several nodes (which the GPU column does not count), of sparsity (which skips arithmetic), of other servers.
_LEFT_OUT = r"[Nn]odes?\b|[Mm]ulti-node|ASP|Automatic SParsity"
_OTHER_SERVERS = r"/tensorrt$|/trtis_cpp$"


def ingest(raw: Path) -> pd.DataFrame:
    """Return the labelled rows."""
    table = pd.read_csv(raw / SOURCE.folders[0] / "facts.csv.gz", dtype=str, keep_default_na=False)
    table = table[table["metric"].eq("throughput") & ~table["unit"].str.contains(_PERCENTILE)]
    table = table[~table["notes"].str.contains(_LEFT_OUT) & ~table["model"].str.contains(_OTHER_SERVERS)].reset_index(
        drop=True
    )
    heading, unit, notes = table["gpu_label_verbatim"], table["unit"], table["notes"]
    frame = pd.DataFrame({"label": _labels(table), "precision": _precisions(table)})
    frame["unit"] = ""
    for pattern, name in _UNITS:
        found = unit.str.lower().str.contains(pattern) & (frame["unit"] == "")
        frame["unit"] = frame["unit"].mask(found, name)
    images = table["model"].str.startswith(_IMAGES) & (frame["unit"] == "")
    frame["unit"] = frame["unit"].mask(images, "img/s")
    served, alone = heading.str.startswith("Online:"), heading.str.startswith("Offline:")
    told = (
        heading.str.contains(r"inference|evaluation", case=False)
        | notes.str.contains("Inference Latency")
        | served
        | alone
    )
    trained = (heading.str.contains(r"training|fine-tuning", case=False) | table["phase"].eq("train")) & ~told
    frame["phase"] = np.select([served, told, trained], ["serve", "offline", "train"], "")
    frame["tool"] = frame["phase"].map({"serve": "serving", "offline": "engine", "train": "training", "": ""})
    stated = numbers(notes.str.extract(r"(?:GPUs|Number of GPUs)=(\d+)")[0])
    listed = numbers(table["n_gpus"])
    # Inference headings without a count ("NVIDIA T4") and single-GPU systems ran on one.
    single = told & ~heading.str.contains(r"\((?:[2-9]|1\d) ?x")
    frame["accelerators"] = stated.fillna(listed.where(trained)).fillna(single.map({True: 1.0, False: np.nan}))
    frame["batch"], frame["concurrency"] = _batches(table, frame)
    frame["input_tokens"] = numbers(table["input_len"]).where(table["model"].str.startswith("LanguageModeling"))
    frame["workload"], frame["active_parameters"] = _workloads(table, frame)
    frame["value"], frame["quantity"], frame["scope"] = numbers(table["value"]), "throughput", "system"
    frame["url"] = table["source_url"]
    frame["profile"] = (table["framework"] + "/" + table["model"]).map(slug) + "/" + frame["label"].map(slug)
    usable = (frame[["label", "precision", "unit", "phase", "workload"]] != "").all(axis=1)
    usable &= frame["accelerators"].notna() & (frame["value"] > 0)
    usable &= ~served | frame["concurrency"].isin(_CONCURRENCIES)
    usable &= ~alone | frame["batch"].notna()
    frame = frame[usable]
    frame = frame[~_ambiguous(frame, notes.loc[frame.index])].copy()
    frame["quarantine"] = _too_good(frame).map({True: "more than the single GPU's figure times the count", False: ""})
    return finish(frame, SOURCE)


def _labels(table: pd.DataFrame) -> pd.Series:
    """Return the chip that a heading names, with form factor and memory where the system or the heading tells them."""
    heading = table["gpu_label_verbatim"]
    memory = (
        heading.str.extract(r"[AV]100 ?(\d\d) ?GB?\b")[0]
        .fillna(table["notes"].str.extract(r"; (\d\d)GB;")[0])
        .fillna("")
    )
    dgx1 = heading.str.contains(r"DGX-1\b|DGX V100")
    dgxa = heading.str.contains(r"DGX ?A100")
    named = table["gpu"]
    volta = ("V100-SXM2-" + memory + "GB").where(dgx1 & memory.isin(["16", "32"]), "V100")
    ampere = ("A100-SXM4-" + memory + "GB").where(dgxa & memory.isin(["40", "80"]), "A100")
    return named.mask(named == "V100", volta).mask(named == "A100", ampere)


def _precisions(table: pd.DataFrame) -> pd.Series:
    """Return the stated precision; "" where the parse has lost it.

    The cell of a Precision column comes first: the parsed column says AMP wherever a heading speaks of mixed precision.
    """
    pattern = r"(mixed[ -]precision|AMP|FP16|FP32|TF32)"
    cell = table["notes"].str.extract(r"Precision=(FP16|FP32|TF32)\b", flags=2)[0]
    section = table["notes"].str.extract(rf"^{pattern} Inference", flags=2)[0]
    backend = table["gpu_label_verbatim"].str.extract(r"with (FP16|FP32)\b")[0]
    column = table["unit"].str.extract(pattern, flags=2)[0]
    word = cell.fillna(section).fillna(backend).fillna(column).fillna("").str.lower()
    out = word.replace({"mixed precision": "fp16", "mixed-precision": "fp16", "amp": "fp16"})
    return out.mask((out == "fp32") & table["gpu"].isin(["A100", "A30", "A10"]), "tf32")


def _batches(table: pd.DataFrame, frame: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return the batch of all GPUs and the requests in flight; NaN where not stated as one number."""
    plain = (
        table["batch_or_concurrency"]
        .str.replace(",", "")
        .where(table["batch_or_concurrency"].str.fullmatch(r"[\d,]+"), "")
    )
    batch = numbers(plain)
    each = table["notes"].str.contains(r"/ ?GPU|per GPU", case=False)
    batch = batch.where(~each, batch * frame["accelerators"])
    batch = batch.where(~table["notes"].str.contains("ccumul"))
    flight = numbers(table["notes"].str.extract(r"Concurren(?:cy|t client requests)=(\d+)")[0])
    return batch, flight.where(frame["phase"] == "serve")


def _workloads(table: pd.DataFrame, frame: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return workload names and, for BERT on SQuAD, the layers' parameters."""
    folder = table["model"]
    last = (
        folder.str.replace("/triton", "")
        .str.split("/")
        .str[-2:]
        .str.join("-")
        .str.replace(r"^[A-Z]\w+-(?=[A-Z]|nnUNet)", "", regex=True)
    )
    model = folder.map(_NAMES).fillna(
        "dle-" + last.map(slug) + folder.str.contains("/triton").map({True: "-triton", False: ""})
    )
    # TensorFlow's SSD takes 320 x 320 images, PyTorch's 300 x 300.
    model = model.mask((model == "ssd") & (table["framework"] == "TensorFlow"), "dle-ssd320")
    variant = table["notes"].str.extract(r"Model=([\w.-]+)")[0].fillna("")
    data = table["gpu_label_verbatim"].str.extract(r"Dataset: (\w+)")[0].fillna("")
    dimension = table["notes"].str.extract(r"Dimension=(\d)")[0].fillna("")
    # Folders of several models, whose tables name them; where the parse lost the name the row goes.
    for extra, where in ((variant, r"efficientnet|GPUNet$"), (data, r"TFT/triton"), (dimension, r"nnUNet")):
        model = model.mask(folder.str.contains(where), ("dle-" + extra.map(slug)).where(extra != "", ""))
    model = model.mask(folder.str.contains("TFT/triton") & (data != ""), "dle-tft-" + data)
    model = model.mask(folder.str.contains("nnUNet") & (dimension != ""), "dle-nnunet-" + dimension + "d")
    size = table["notes"].str.extract(r"^(Base|Large) model")[0].str.lower().fillna("")
    model = model.mask(folder.str.endswith("Transformer-XL"), ("transformer-xl-" + size).where(size != "", ""))
    bert = folder == "LanguageModeling/BERT"
    # These READMEs are of BERT large unless a Model column says base.
    kind = variant.where(variant.isin(list(_BERT)), "large")
    squad = table["gpu_label_verbatim"].str.contains("Fine-tuning") | (frame["phase"] != "train")
    task = squad.map({True: "-squad-", False: "-pretraining-"})
    length = frame["input_tokens"].map(lambda v: "" if np.isnan(v) else str(int(v)))
    model = model.mask(bert, ("bert-" + kind + task + length).where(length != "", ""))
    return model, kind.map(_BERT).where(bert & squad)


def _too_good(frame: pd.DataFrame) -> pd.Series:
    """Return training rows that per GPU beat the single GPU of their table beyond doubt."""
    per_gpu = frame["value"] / frame["accelerators"]
    key = ["profile", "workload", "precision", "unit", "phase", "input_tokens"]
    single = frame.assign(single=per_gpu.where(frame["accelerators"] == 1)).groupby(key, dropna=False)["single"]
    return (frame["phase"] == "train") & (per_gpu > _LARGEST_GAIN * single.transform("max"))


def _ambiguous(frame: pd.DataFrame, words: pd.Series) -> pd.Series:
    """Return rows of which another has the same words and settings but another figure: the parse lost what differed."""
    key = ["profile", "workload", "phase", "precision", "unit", "accelerators", "batch", "concurrency", "input_tokens"]
    grouped = frame.assign(words=words).groupby([*key, "words", "url"], dropna=False)["value"]
    return grouped.transform("nunique") > 1
