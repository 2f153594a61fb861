"""The labelled table: a measurement table with the chip that made each figure, and how a source becomes one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd

from fingerprint import chips, workloads
from fingerprint.measurements import LARGEST_VALUE, NUMBER_COLUMNS, WORD_COLUMNS
from fingerprint.units import canonical_precision, canonical_quantity, convert, implied_unit

#: Columns that labelled data adds to the measurement table.
LABEL_COLUMNS: dict[str, str] = {
    "chip": "id of chips.csv, or a family (H20, H100 …) where the variant is not published; empty when only the architecture is",
    "architecture": "the class: one of chips.ARCHITECTURES",
    "source": "the ingest module's name",
    "origin": "who measured: the unit of 'held out by source'; rows of one origin in several sources share it",
    "run": "rows of one run, retry or copied figure share it; empty means the row stands alone in its profile",
    "url": "where the figure was published",
    "date": "ISO date, month or year, or the benchmark's round",
    "submitter": "who submitted, where the source has submitters",
    "licence": "of the source",
    "estimate": "1 when the figure is an estimate or a projection: kept, never trained or tested on",
    "quarantine": "why the row can't be trusted; empty for the rows that count",
}


@dataclass(frozen=True)
class Source:
    """A public source and how its rows are grouped.

    Parameters
    ----------
    name : str
        The source's name in the dataset, lower case with dashes.
    folders : tuple of str
        Folders or files under the raw directory that it reads.
    own : tuple of str
        Folders of the repository that it reads.
    profile_rule : str
        What a profile is here, one sentence.
    origin : str
        Default of the column ``origin``; the name when empty.
    licence : str
        As stated by the source.
    thinning : str
        The rule by which rows were left out, if any.
    left_out : str
        What of the folders is not used, and why.
    """

    name: str
    folders: tuple[str, ...]
    profile_rule: str
    origin: str = ""
    licence: str = ""
    thinning: str = ""
    left_out: str = ""
    own: tuple[str, ...] = ()


_SCALE = {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}


def number(text: object) -> float:
    """Return the number in a published cell: ``56.2k``, ``1,234.5``, ``>75 %``, ``~3.1``; NaN when there is none.

    A percent sign does not scale. Ranges and prose give NaN.
    """
    if isinstance(text, (int, float)):
        return float(text)
    match = re.fullmatch(r"[<>~≈=\s]*([-+]?[\d,]*\.?\d+(?:[eE][-+]?\d+)?)\s*([kKmMbBgGtT]?)\s*%?\+?", str(text).strip())
    if match is None:
        return float("nan")
    return float(match[1].replace(",", "")) * _SCALE.get(match[2].lower(), 1.0)


def numbers(column: Iterable[object]) -> pd.Series:
    """Return :func:`number` of each cell."""
    values = list(column)
    known = {v: number(v) for v in set(map(str, values))}
    return pd.Series([known[str(v)] for v in values], dtype="float64")


def slug(text: str) -> str:
    """Return a name as lower-case words joined by dashes."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")


def thin(frame: pd.DataFrame, shape: Sequence[str], keep: float, always: pd.Series | None = None) -> pd.DataFrame:
    """Return the rows whose shape hashes below ``keep`` (0 to 1), so that all devices keep the same shapes.

    ``always`` marks rows that stay in any case, such as the largest shapes.
    """
    distinct = frame[list(shape)].drop_duplicates()
    text = distinct.astype(str).agg("|".join, axis=1)
    share = [int.from_bytes(hashlib.blake2b(t.encode(), digest_size=8).digest()) / 2.0**64 for t in text]
    chosen = distinct.assign(_kept=np.asarray(share) < keep)
    kept = frame[list(shape)].merge(chosen, on=list(shape), how="left")["_kept"].to_numpy(dtype=bool, copy=True)
    if always is not None:
        kept |= always.to_numpy(dtype=bool)
    return frame[kept].reset_index(drop=True)


def finish(frame: pd.DataFrame, source: Source) -> pd.DataFrame:
    """Return a source's rows as a checked labelled table.

    Parameters
    ----------
    frame : DataFrame
        Columns of the measurement table in any known unit and spelling, the columns of :data:`LABEL_COLUMNS` that the
        source has, and ``label``: what the source calls the chip (or an explicit ``chip``). ``workload`` may be any
        spelling: known models and kernels are renamed, others keep a slug. ``profile`` need be unique in the source only.

    Returns
    -------
    DataFrame
        All columns, canonical units. Rows that can't be used carry the reason in ``quarantine``; none is dropped.
    """
    out = frame.reset_index(drop=True).copy()
    reasons = out["quarantine"].fillna("").astype(str) if "quarantine" in out else pd.Series("", index=out.index)

    def blame(mask: pd.Series, why: str) -> None:
        nonlocal reasons
        reasons = reasons.mask(mask & (reasons == ""), why)

    _resolve_chips(out, blame)
    for name in WORD_COLUMNS:
        out[name] = out[name].fillna("").astype(str) if name in out else ""
    out["workload"] = _mapped(out["workload"], lambda w: workloads.resolve(w) or slug(w))
    for name in ("precision", "weight_precision", "kv_precision"):
        out[name] = _mapped(out[name], canonical_precision)
    for name in NUMBER_COLUMNS:
        out[name] = pd.to_numeric(out[name], errors="coerce").astype("float64") if name in out else np.nan
    _convert(out, blame)
    blame(out["value"].isna() | ~np.isfinite(out["value"]), "no number in the published cell")
    blame(out["value"] <= 0, "not above zero")
    blame(out["value"] > LARGEST_VALUE, "absurdly large")
    out["accelerators"] = out["accelerators"].where(out["accelerators"] > 0)
    out["source"] = source.name
    out["origin"] = (out["origin"] if "origin" in out else pd.Series("", index=out.index)).fillna("").astype(str)
    out["origin"] = out["origin"].mask(out["origin"] == "", source.origin or source.name)
    out["profile"] = source.name + "/" + out["profile"]
    out["licence"] = (out["licence"] if "licence" in out else pd.Series("", index=out.index)).fillna("").astype(str)
    out["licence"] = out["licence"].mask(out["licence"] == "", source.licence)
    for name in ("run", "url", "date", "submitter"):
        out[name] = out[name].fillna("").astype(str) if name in out else ""
    out["estimate"] = (out["estimate"].fillna(0) if "estimate" in out else pd.Series(0, index=out.index)).astype("int8")
    out["quarantine"] = reasons
    return out[[*WORD_COLUMNS, *NUMBER_COLUMNS, *LABEL_COLUMNS]]


def _mapped(column: pd.Series, rename: Any) -> pd.Series:
    return column.map({word: rename(word) if word else "" for word in column.unique()})


def _resolve_chips(out: pd.DataFrame, blame: Any) -> None:
    if "chip" not in out:
        out["chip"] = _mapped(out["label"].fillna("").astype(str), lambda w: chips.resolve(w) or "")
    out["chip"] = out["chip"].fillna("").astype(str)
    unknown = sorted(c for c in out["chip"].unique() if c and not chips.members(c))
    if unknown:
        raise ValueError(f"labels that are no chip or family of chips.csv: {unknown}")
    known = _mapped(out["chip"], lambda w: chips.architecture(w) or "")
    if "architecture" in out:
        known = known.mask(known == "", out["architecture"].fillna("").astype(str))
    if "label" in out:
        wider = _mapped(out["label"].fillna("").astype(str), lambda w: chips.architecture_of_label(w) or "")
        known = known.mask(known == "", wider)
    out["architecture"] = known
    blame(known == "", "the label names no accelerator, several, or a slice of one")


def _convert(out: pd.DataFrame, blame: Any) -> None:
    """Convert units, pair by pair; mark pairs that nobody knows."""
    for name in ("quantity", "unit"):
        if name not in out:
            raise ValueError(f"the frame lacks {name!r}")
    known = pd.Series(True, index=out.index)
    factor = pd.Series(1.0, index=out.index)
    for pair, rows in out.groupby(["quantity", "unit"], sort=False).groups.items():
        quantity, unit = map(str, cast("tuple[str, str]", pair))
        canonical = canonical_quantity(quantity)
        done = convert(canonical, unit.strip() or implied_unit(quantity)) if canonical else None
        if done is None:
            known[rows] = False
            continue
        out.loc[rows, "quantity"], out.loc[rows, "unit"] = done.quantity, done.unit
        factor[rows] = done.factor
        if done.per_accelerator:
            out.loc[rows, "scope"] = "accelerator"
    out["value"] = out["value"] * factor
    blame(~known, "a quantity or unit nobody knows")
    blame(~out["scope"].isin(["", "system", "accelerator"]), "a scope nobody knows")
