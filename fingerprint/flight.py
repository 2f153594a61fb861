"""Requests in flight where nobody states them: Little's law over the figures of one run.

A server that gives ``rate`` tokens a second, each ``tpot`` seconds after the one before it, works on ``rate x tpot``
sequences at once (Little 1961, doi:10.1287/opre.9.3.383). Requests a second times their latency gives the same with those
that wait.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fingerprint.measurements import Floats, Measurements

#: Columns that the figures of one run share.
_WORDS = ("profile", "tool", "workload", "phase", "precision", "weight_precision")
_NUMBERS = ("accelerators", "input_tokens", "output_tokens", "active_parameters", "total_parameters")

#: Which statistic of a latency stands for a run, best first: the law speaks of means.
_STATISTICS = ("mean", "", "median", "p90", "p95", "p99")

#: Pairs of a rate's quantity and unit with the latency that makes it a number in flight, best first.
_LAWS = (
    ("output_throughput", "token/s", ("tpot", "itl")),
    ("throughput", "token/s", ("tpot", "itl")),
    ("throughput", "request/s", ("e2e_latency", "latency")),
)


def in_flight(table: Measurements) -> Floats:
    """Return requests in flight a row by Little's law, shape (n_rows,).

    NaN where the table states a batch or a concurrency, and where a run doesn't show exactly one rate and a latency that
    belongs to it: two runs that differ in a load that nobody states can't be told apart.
    """
    out = np.full(len(table), np.nan)
    stated = ~np.isnan(table.number("batch")) | ~np.isnan(table.number("concurrency"))
    quantity, unit = table.word("quantity"), table.word("unit")
    latency = quantity.equals("tpot", "itl", "e2e_latency", "latency")
    asked = np.flatnonzero(~stated & (latency | unit.equals("token/s", "request/s") | quantity.equals("ttft")))
    if not len(asked) or not latency[asked].any():
        return out
    part = table.take(asked)
    run = _runs(part)
    count = np.where(part.word("scope").equals("accelerator"), part.accelerator_count(), 1.0)
    found = np.full(run.max() + 1, np.nan)
    for what, of, waits in _LAWS:
        rate = _only(part, run, part.word("quantity").equals(what) & part.word("unit").equals(of), part.number("value") * count)
        for wait in waits:
            time = _mean_of(part, run, part.word("quantity").equals(wait))
            found = np.where(np.isnan(found), rate * time, found)
    out[asked] = np.maximum(found[run], 1.0)
    return out


def _runs(part: Measurements) -> npt.NDArray[np.int64]:
    columns: list[npt.NDArray[np.int64]] = [part.word(w).codes.astype(np.int64) for w in _WORDS]
    columns += [np.unique(part.number(n), return_inverse=True)[1].reshape(-1).astype(np.int64) for n in _NUMBERS]
    return np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _only(part: Measurements, run: npt.NDArray[np.int64], which: npt.NDArray[np.bool_], value: Floats) -> Floats:
    """Return each run's one value; NaN where it has none or several."""
    which = which & part.word("statistic").equals("", "mean", "median")
    n = np.bincount(run[which], minlength=run.max() + 1)
    total = np.bincount(run[which], value[which], minlength=run.max() + 1)
    return np.where(n == 1, total, np.nan)


def _mean_of(part: Measurements, run: npt.NDArray[np.int64], which: npt.NDArray[np.bool_]) -> Floats:
    """Return each run's latency by the best statistic that it has once; NaN where it has none."""
    out = np.full(run.max() + 1, np.nan)
    for statistic in _STATISTICS:
        mine = which & part.word("statistic").equals(statistic)
        n = np.bincount(run[mine], minlength=len(out))
        total = np.bincount(run[mine], part.number("value")[mine], minlength=len(out))
        out = np.where(np.isnan(out) & (n == 1), total, out)
    return out
