"""What answers parts: this process, joblib's workers on this machine, or a Dask cluster of any size.

Parts go out a few at a time and none while as many answers wait to be taken, so that memory stays bounded however fast the
workers and however slow the disk. Answers come back in any order, each with its part's number.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from fingerprint.errors import FingerprintError, InputError

if TYPE_CHECKING:
    import pandas as pd

#: Parts that are out at a time, a worker: one that it answers, one that waits for it.
AHEAD = 2

#: Rows beyond which a part counts as several, so that profiles of very many rows go out one by one.
HEAVY = 10_000

#: How long a scheduler may take to answer.
PATIENCE = "30s"

ENGINES = ("joblib", "dask")

#: What to do where workers died: mostly they are killed because memory ran out.
GO_ON = "run again with fewer workers or more memory for each, and the run goes on where it was"

#: Variables that tell numerical libraries how many threads to use: a worker is one.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

Numbered = tuple[int, "pd.DataFrame"]
Answer = Callable[["pd.DataFrame"], "pd.DataFrame"]


def answered(parts: Iterable[Numbered], answer: Answer, jobs: int, engine: str, scheduler: str | None = None) -> Generator[Numbered]:
    """Yield each part's number and answer, in the order in which they are ready.

    Parameters
    ----------
    parts : iterable of (int, DataFrame)
        Read one after the other, a few ahead of the answers.
    answer : callable
        A pure function that can be pickled.
    jobs, engine, scheduler
        As for :func:`fingerprint.batch_files.run`.

    Raises
    ------
    InputError
        For an unknown engine, a scheduler without Dask, or Dask asked for where it is not installed.
    """
    if engine not in ENGINES:
        raise InputError(f"must be {' or '.join(ENGINES)}, not {engine!r}", "--engine")
    if scheduler is not None and engine != "dask":
        raise InputError("is the address of a Dask scheduler: it needs --engine dask", "--scheduler")
    if engine == "joblib" and jobs == 1:
        return ((number, answer(part)) for number, part in parts)
    return _sent(parts, answer, _dask(jobs, scheduler) if engine == "dask" else _joblib(jobs))


#: An executor, and how many workers it has at the moment: those of a cluster come and go.
Workers = tuple[Executor, Callable[[], int]]


def _sent(parts: Iterable[Numbered], answer: Answer, workers: contextlib.AbstractContextManager[Workers]) -> Generator[Numbered]:
    """Send parts to workers, never more than :data:`AHEAD` a worker at a time, and yield what comes back."""
    out: dict[Future[pd.DataFrame], tuple[int, int]] = {}
    with workers as (executor, count):
        for number, part in parts:
            weight = 1 + len(part) // HEAVY
            # A part that is heavier than all may be goes out alone.
            while out and weight + sum(w for _, w in out.values()) > AHEAD * max(count(), 1):
                yield from _back(out)
            # The part travels with its task: when a worker of a cluster dies, another gets it.
            out[executor.submit(answer, part)] = number, weight
        while out:
            yield from _back(out)


def _back(out: dict[Future[pd.DataFrame], tuple[int, int]]) -> Iterator[Numbered]:
    """Wait until answers are ready, take them out and yield them."""
    for future in wait(out, return_when=FIRST_COMPLETED).done:
        number, _ = out.pop(future)
        try:
            yield number, future.result()
        except BrokenProcessPool as error:
            raise FingerprintError(f"a worker died; {GO_ON}") from error
        except CancelledError as error:
            raise FingerprintError("the Dask cluster went away; run again, and the run goes on where it was") from error


@contextlib.contextmanager
def _joblib(jobs: int) -> Iterator[Workers]:
    from joblib import effective_n_jobs
    from joblib.externals.loky import ProcessPoolExecutor

    workers = max(effective_n_jobs(jobs), 1)
    executor = ProcessPoolExecutor(workers, env={name: os.environ.get(name, "1") for name in _THREADS})
    try:
        yield executor, lambda: workers
    except BaseException:
        # Nobody wants what is still being answered.
        executor.shutdown(wait=True, kill_workers=True)
        raise
    executor.shutdown(wait=True)


@contextlib.contextmanager
def _dask(jobs: int, scheduler: str | None) -> Iterator[Workers]:
    try:
        from distributed import Client, LocalCluster
        from distributed.scheduler import KilledWorker
    except ImportError as error:
        raise InputError("needs Dask: pip install 'compute-fingerprint[scale]'", "--engine dask") from error

    with contextlib.ExitStack() as stack:
        if scheduler is None:
            from joblib import effective_n_jobs

            cluster = LocalCluster(n_workers=max(effective_n_jobs(jobs), 1), threads_per_worker=1, processes=True, dashboard_address=None,
                                   protocol="tcp://")  # fmt: skip
            client = stack.enter_context(Client(stack.enter_context(cluster)))
        else:
            try:
                client = stack.enter_context(Client(scheduler, timeout=PATIENCE))
            except (OSError, ValueError) as error:
                raise InputError(f"no scheduler answers at {scheduler!r}: {error}", "--scheduler") from error

        def count() -> int:
            threads: dict[str, int] = client.nthreads()
            return sum(threads.values())

        try:
            yield client.get_executor(pure=False), count
        except KilledWorker as error:
            raise FingerprintError(f"several Dask workers died on one part; {GO_ON}") from error
