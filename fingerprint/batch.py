"""Very many profiles: a table of measurements to a table of verdicts, one line a profile, by one pure function.

:func:`verdict_frame` needs nothing but its argument and the installed package, so it runs wherever pandas DataFrames do: in a
loop, in joblib's workers, over the partitions of a Dask DataFrame, under Spark's ``mapInPandas`` (:func:`verdict_frames`). What
it needs is that a profile is not cut in two: :func:`whole_profiles` sees to that for a stream whose profiles stand together.
:mod:`fingerprint.batch_files` runs it over Parquet files of any size.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fingerprint import chips
from fingerprint.answers import answers
from fingerprint.errors import InputError
from fingerprint.export_control import demonstrated_tpp
from fingerprint.measurements import COLUMNS as KNOWN
from fingerprint.measurements import Mask, Measurements, number_word
from fingerprint.roofline import demonstrated
from fingerprint.scorer import CLASSES, Model, shipped
from fingerprint.verdict import candidates, check_options

if TYPE_CHECKING:
    import pandas as pd

#: Precisions that have a column for the rate they were shown to reach; "" where none was stated.
PRECISIONS: tuple[str, ...] = ("fp64", "fp32", "tf32", "bf16", "fp16", "int8", "fp8", "fp4", "int4", "")

#: Columns that a table of measurements has to have, that of profiles first.
NEEDED = ("profile", "quantity", "unit", "value")

#: Rows answered at a time, about: whole profiles until there are so many.
PART_ROWS = 2_000

#: Rows of one profile at most; a larger one is answered "unusable".
LARGEST_PROFILE = 500_000

_RATES = {("compute", p): f"compute_{p or 'unstated'}" for p in PRECISIONS}
_RATES |= {("bandwidth", ""): "bandwidth", ("link", ""): "link_bandwidth"}

#: Columns of a table of verdicts and what they hold, in order.
COLUMNS: dict[str, str] = {
    "profile": "the profile's name",
    "answer": "likely, undecided, insufficient, or unusable where its rows can't be read",
    "architecture": "the likeliest class; missing where insufficient or unusable, or where unknown is likelier",
    **{f"p_{c}": f"probability of {c}; 0 where excluded or not thought possible" for c in CLASSES},
    "prediction_set": "classes of the prediction set, the likeliest first, joined by blanks",
    "rows": "rows of the profile",
    "rows_used": "rows that say something",
    "chips_excluded": "chips that the figures exclude",
    "chips_possible": "chips that could have produced them",
    **{name: f"what the hardware was shown to reach, {'FLOP/s' if kind == 'compute' else 'B/s'}; missing where nothing was"
       for (kind, _), name in _RATES.items()},
    "tpp_at_least": "total processing performance that these rates prove, 0 where none",
    "why": "what is wrong with an unusable profile; else missing",
}  # fmt: skip

_COUNTS = ("rows", "rows_used", "chips_excluded", "chips_possible")
_WORDS = ("profile", "answer", "architecture", "prediction_set", "why")


def spark_schema() -> str:
    """Return the columns as the schema string that Spark's ``mapInPandas`` asks for."""
    return ", ".join(f"{name} {'string' if name in _WORDS else 'long' if name in _COUNTS else 'double'}" for name in COLUMNS)


def verdict_frame(frame: pd.DataFrame | Measurements, among: str = "all", coverage: float = 0.9, model: Model | None = None) -> pd.DataFrame:
    """Return one line a profile, columns as in :data:`COLUMNS`, in order of first appearance.

    Parameters
    ----------
    frame : DataFrame or Measurements
        Rows of whole profiles: ``profile``, ``quantity``, ``unit``, ``value`` and what else is known
        (:data:`fingerprint.measurements.COLUMNS`); other columns are ignored, names of hardware among them.
    among, coverage, model
        As for :func:`fingerprint.verdict.classify`.

    Notes
    -----
    The probabilities, sets and counts are those of :func:`fingerprint.verdict.classify`. A profile with a row that can't be
    read (a unit that nobody knows, a negative figure) is answered ``unusable`` and says why; the others are not touched by it.

    Raises
    ------
    InputError
        For a table without the columns named above, or an option out of range.
    """
    check_options(among, coverage)
    model = model or shipped()
    allowed = np.array([c in candidates(among, model.classes) for c in model.classes])
    if isinstance(frame, Measurements):
        return _typed(_lines(frame, model, allowed, coverage))
    lacking = [name for name in NEEDED if name not in frame.columns]
    if lacking:
        raise InputError(f"the table lacks the column{'s' if len(lacking) > 1 else ''} {', '.join(map(repr, lacking))}")
    frame = frame.loc[:, frame.columns.isin(list(KNOWN))]
    if not frame.columns.is_unique:
        raise InputError(f"the table has two columns {frame.columns[frame.columns.duplicated()][0]!r}; keep one")
    return _joined(list(_careful(frame.assign(profile=_names(frame)), model, allowed, coverage)))


def verdict_frames(frames: Iterable[pd.DataFrame], among: str = "all", coverage: float = 0.9, model: Model | None = None) -> Iterator[pd.DataFrame]:
    """Yield tables of verdicts for a stream of frames in which each profile's rows stand together.

    A profile may begin in one frame and end in a later one. This is what Spark's ``mapInPandas`` calls; the partition must be
    sorted by profile.
    """
    for part in whole_profiles(frames):
        yield verdict_frame(part, among, coverage, model)


def whole_profiles(frames: Iterable[pd.DataFrame], rows: int = PART_ROWS) -> Iterator[pd.DataFrame]:
    """Yield the same rows in frames of whole profiles, each of at least ``rows`` rows but the last.

    Where the cuts fall depends on the rows alone, not on how the stream was cut before. Of a profile with more than
    :data:`LARGEST_PROFILE` rows only so many and one are kept: enough to see that it is too large.
    """
    import pandas as pd

    waiting: list[pd.DataFrame] = []
    count = 0
    # The profile that the rows so far end with, and how many of them are its own.
    last, own = None, 0
    for frame in frames:
        names = _names(frame)
        if not len(names):
            continue
        starts = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1).tolist(), len(names)]
        begin = 0
        for start, end in itertools.pairwise(starts):
            if names[start] != last:
                if count >= rows:
                    yield pd.concat([*waiting, frame.iloc[begin:start]], ignore_index=True)
                    waiting, count, begin = [], 0, start
                last, own = names[start], 0
            kept = min(end - start, LARGEST_PROFILE + 1 - own)
            if kept < end - start:
                # Even an empty piece of a frame would keep all of it in memory.
                waiting += [frame.iloc[begin : start + kept]] if start + kept > begin else []
                begin = end
            count, own = count + kept, own + kept
        waiting += [frame.iloc[begin:]] if begin < len(frame) else []
    if count:
        yield pd.concat(waiting, ignore_index=True)


def _names(frame: pd.DataFrame) -> npt.NDArray[np.object_]:
    """Return the profiles' names as :meth:`Measurements.from_frame` has them, so that its profiles are the same."""
    import pandas as pd

    column = frame["profile"]
    codes, present = pd.factorize(column, use_na_sentinel=False)
    if column.dtype.kind in "fiu":
        words = [number_word(float("nan" if pd.isna(v) else v)) for v in present]
    else:
        words = ["" if pd.isna(v) else str(v).strip() for v in present]
    return np.array(words, dtype=object)[codes]


def _careful(frame: pd.DataFrame, model: Model, allowed: Mask, coverage: float) -> Iterator[dict[str, Any]]:
    """Yield lines; where a row can't be read, its profile is found by halves and answered as unusable."""
    names = frame["profile"].drop_duplicates()
    try:
        if len(frame) > LARGEST_PROFILE and frame["profile"].value_counts().max() > LARGEST_PROFILE:
            raise InputError(f"has more than {LARGEST_PROFILE:,} rows; give it to classify-profile, or a part of it")
        yield _lines(Measurements.from_frame(frame, where="the profile"), model, allowed, coverage)
    except InputError as error:
        if len(names) <= 1:
            yield _unusable(frame, str(error))
            return
        first = frame["profile"].isin(names.iloc[: len(names) // 2])
        yield from _careful(frame[first], model, allowed, coverage)
        yield from _careful(frame[~first], model, allowed, coverage)


def _lines(table: Measurements, model: Model, allowed: Mask, coverage: float) -> dict[str, Any]:
    """Return the columns of the verdicts of a table of whole profiles."""
    found = answers(table, model, allowed, coverage)
    p, numbers, n = found.probabilities, table.profile_numbers(), len(table.profiles)
    gone = found.gone.sum(axis=1)
    order = np.argsort(-p, axis=1, kind="stable")
    sets = np.take_along_axis(found.inside, order, axis=1)
    rates = {name: np.full(n, np.nan) for name in _RATES.values()}
    place = {name: i for i, name in enumerate(table.profiles)}
    for d in demonstrated(table):
        if (d.quantity, d.precision) in _RATES:
            rates[_RATES[d.quantity, d.precision]][place[d.profile]] = d.value
    return {
        "profile": list(table.profiles),
        "answer": found.words(),
        "architecture": [found.architecture(i) for i in range(n)],
        **{f"p_{c}": p[:, k] for k, c in enumerate(model.classes)},
        "prediction_set": [" ".join(model.classes[k] for k in ks[s]) for ks, s in zip(order, sets, strict=True)],
        "rows": np.bincount(numbers, minlength=n),
        "rows_used": np.bincount(numbers[found.used], minlength=n),
        "chips_excluded": gone,
        "chips_possible": len(chips.table()) - gone,
        **rates,
        "tpp_at_least": _tpp(rates, n),
        "why": [None] * n,
    }


def _tpp(rates: dict[str, Any], n: int) -> list[float]:
    stated = [p for p in PRECISIONS if p]
    known = np.stack([rates[f"compute_{p}"] for p in stated], axis=1)
    out = [0.0] * n
    for i in np.flatnonzero(~np.isnan(known).all(axis=1)).tolist():
        shown = {p: float(rate) for p, rate in zip(stated, known[i], strict=True) if not np.isnan(rate)}
        out[i] = round(demonstrated_tpp(shown)[0], 1)
    return out


def _unusable(frame: pd.DataFrame, why: str) -> dict[str, Any]:
    """Return the line of a profile whose rows can't be read."""
    nothing: dict[str, Any] = {name: [np.nan] for name in COLUMNS}
    return nothing | {"profile": [frame["profile"].iloc[0]], "answer": ["unusable"], "architecture": [None], "prediction_set": [""], "rows": [len(frame)],
                      "rows_used": [0], "chips_excluded": [0], "chips_possible": [len(chips.table())],
                      "tpp_at_least": [0.0], "why": [why]}  # fmt: skip


def _typed(lines: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    kinds = {name: object if name in _WORDS else np.int64 if name in _COUNTS else np.float64 for name in COLUMNS}
    return pd.DataFrame({name: pd.Series(np.asarray(lines[name], dtype=kinds[name]), dtype=kinds[name]) for name in COLUMNS})


def _joined(parts: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    frames = [_typed(part) for part in parts]
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
