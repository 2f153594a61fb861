"""``fingerprint dataset build``: every public source -> datasets/, the same bytes every time."""

from __future__ import annotations

import hashlib
import importlib
import json
import pkgutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fingerprint import resources
from fingerprint.lab import ingest as ingest_package
from fingerprint.lab.ingest.labelled import LABEL_COLUMNS, Source
from fingerprint.measurements import COLUMNS, NUMBER_COLUMNS

#: Two figures are the same published figure when these agree, and the value to six digits.
SAME_FIGURE = ("architecture", "workload", "quantity", "statistic", "phase", "precision", "m", "n", "k", "batch", "concurrency",
               "input_tokens", "output_tokens", "context_tokens", "message_bytes", "accelerators")  # fmt: skip

#: Fewer digits than these say nothing: 400 GB/s is published by many who never copied it.
TELLING_DIGITS = 4


@dataclass(frozen=True)
class Module:
    """An ingest module: its source and its function."""

    source: Source
    ingest: Callable[[Path], pd.DataFrame]


def modules() -> list[Module]:
    """Return the ingest modules, by source name."""
    found = []
    for info in pkgutil.iter_modules(ingest_package.__path__):
        module = importlib.import_module(f"{ingest_package.__name__}.{info.name}")
        if hasattr(module, "SOURCE"):
            found.append(Module(module.SOURCE, module.ingest))
    return sorted(found, key=lambda m: m.source.name)


def _run(name: str, raw: Path) -> tuple[str, pd.DataFrame, float]:
    started = time.perf_counter()
    module = next(m for m in modules() if m.source.name == name)
    return name, module.ingest(raw), time.perf_counter() - started


def ingest_all(raw: Path, jobs: int = 2, say: Callable[[str], None] = lambda _: None) -> dict[str, pd.DataFrame]:
    """Return every source's finished table, by source name."""
    # Sources that read the most go first, so that two workers end together.
    sizes = {m.source.name: sum(_bytes(raw / f) for f in m.source.folders) for m in modules()}
    names = sorted(sizes, key=lambda n: -sizes[n])
    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
    tables = {}
    for name, frame, seconds in parallel(joblib.delayed(_run)(n, raw) for n in names):
        say(f"{name}: {len(frame):,} rows in {seconds:.1f} s")
        tables[name] = frame
    return dict(sorted(tables.items()))


def _files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
    yield from (f for f in sorted(place.rglob("*")) if f.is_file())


def _bytes(place: Path) -> int:
    return sum(f.stat().st_size for f in _files(place))


def _digits(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return how many significant digits each published value has, at most six."""
    texts = [f"{v:.6g}".split("e")[0].replace(".", "").strip("0") for v in values]
    return np.fromiter((len(t) for t in texts), dtype=np.int64, count=len(texts))


def mark_copies(tables: dict[str, pd.DataFrame]) -> None:
    """Quarantine, in place, a figure that another source or profile already holds; the first by name keeps it.

    Copies otherwise put the same figure on both sides of a split by source.
    """
    parts = []
    for name, frame in tables.items():
        good = frame[(frame["quarantine"] == "") & frame["workload"].ne("")]
        good = good[_digits(good["value"].to_numpy()) >= TELLING_DIGITS]
        parts.append(good[[*SAME_FIGURE, "origin", "profile"]].assign(rounded=[f"{v:.6g}" for v in good["value"]],
                                                                      table=name, at=good.index))  # fmt: skip
    rows = pd.concat(parts, ignore_index=True)
    key = pd.util.hash_pandas_object(rows[[*SAME_FIGURE, "rounded"]].fillna(-1).astype(str), index=False)
    first = rows.groupby(key, sort=False)[["table", "origin", "profile"]].transform("first")
    elsewhere = (first["table"] != rows["table"]) | (first["origin"] != rows["origin"])
    for table, copies in rows[elsewhere].groupby("table"):
        frame = tables[str(table)]
        frame.loc[copies["at"], "quarantine"] = "copy of a figure of " + first.loc[copies.index, "table"].to_numpy()
        frame.loc[copies["at"], "run"] = key[copies.index].map(lambda h: f"{h:016x}").to_numpy()


def write(tables: dict[str, pd.DataFrame], folder: Path) -> None:
    """Write one Parquet file a source, and nothing that depends on the clock."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.parquet"):
        if old.stem not in tables:
            old.unlink()
    for name, frame in tables.items():
        empty = [c for c in NUMBER_COLUMNS if frame[c].isna().all()]
        table = pa.Table.from_pandas(frame.drop(columns=empty), preserve_index=False).replace_schema_metadata(None)
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd", compression_level=19, version="2.6")


def checksum(folder: Path) -> str:
    """Return ``sha256:…`` over the dataset's files, by name and content."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.parquet")):
        digest.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return f"sha256:{digest.hexdigest()}"


def _origins(raw: Path, source: Source) -> list[dict[str, Any]]:
    """Return repository, commit and licence as each folder's own manifest states them."""
    found = []
    for folder in source.folders:
        place = raw / folder
        entry: dict[str, Any] = {"path": folder, "files": sum(1 for _ in _files(place)), "bytes": _bytes(place)}
        manifest = (place if place.is_dir() else place.parent) / "MANIFEST.json"
        if manifest.exists():
            stated = json.loads(manifest.read_text())
            for key in ("repo", "url", "commit", "licence", "retrieved"):
                if isinstance(stated, dict) and isinstance(stated.get(key), str):
                    entry[key] = stated[key]
        found.append(entry)
    for folder in source.own:
        place = resources.path(folder)
        found.append({"path": folder, "files": sum(1 for _ in _files(place)), "bytes": _bytes(place), "licence": "each row's own"})
    return found


def manifest(raw: Path, tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Return where every row came from, and what became of it."""
    sources: list[dict[str, Any]] = []
    by_name = {m.source.name: m.source for m in modules()}
    for name, frame in tables.items():
        source = by_name[name]
        good = frame[frame["quarantine"] == ""]
        reasons = frame.loc[frame["quarantine"] != "", "quarantine"].value_counts().sort_index()
        chips = good["chip"].where(good["chip"] != "", "(" + good["architecture"] + ")")
        sources.append(
            {
                "source": name,
                "from": _origins(raw, source),
                "profile": source.profile_rule,
                "thinning": source.thinning,
                "left_out": source.left_out,
                "rows_in": len(frame),
                "rows_out": len(good),
                "rows_quarantined": int(reasons.sum()),
                "estimates": int(good["estimate"].sum()),
                "profiles": int(good["profile"].nunique()),
                "origins": int(good["origin"].nunique()),
                "quarantine": {str(k): int(v) for k, v in reasons.items()},
                "rows_per_chip": {str(k): int(v) for k, v in chips.value_counts().sort_index().items()},
            }
        )
    kept = sum(s["rows_out"] for s in sources)
    return {"rows_in": sum(s["rows_in"] for s in sources), "rows_out": kept,
            "rows_quarantined": sum(s["rows_quarantined"] for s in sources), "sources": sources}  # fmt: skip


def build(raw: Path, out: Path, jobs: int = 2, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Build the dataset under ``out`` from the raw figures and return its manifest.

    Writes ``measurements/<source>.parquet``, ``manifest.json`` and ``CARD.md``.
    """
    from fingerprint.lab.card import dataset_card

    tables = ingest_all(raw, jobs, say)
    for frame in tables.values():
        if list(frame.columns) != [*COLUMNS, *LABEL_COLUMNS]:
            raise ValueError("an ingest module returned other columns than finish() makes")
    mark_copies(tables)
    write(tables, out / "measurements")
    made = manifest(raw, tables)
    made["checksum"] = checksum(out / "measurements")
    (out / "manifest.json").write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (out / "CARD.md").write_text(dataset_card(made, tables), encoding="utf-8")
    return made
