"""What answers parts: this process, joblib's workers on this machine, or a Dask cluster of any size.

Parts go out a few at a time, so that memory stays bounded, and answers come back in any order, each with its part's number.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from fingerprint.errors import FingerprintError, InputError

if TYPE_CHECKING:
    import pandas as pd

#: Parts that wait or are answered at a time, a worker.
AHEAD = 2

#: How long a scheduler may take to answer.
PATIENCE = "30s"

ENGINES = ("joblib", "dask")

#: What to do where workers died: mostly they are killed because memory ran out.
GO_ON = "run again with fewer workers or more memory for each, and the run goes on where it was"

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
    if engine == "dask":
        return _dask(parts, answer, jobs, scheduler)
    return ((number, answer(part)) for number, part in parts) if jobs == 1 else _joblib(parts, answer, jobs)


def _numbered(number: int, part: pd.DataFrame, answer: Answer) -> Numbered:
    return number, answer(part)


def _joblib(parts: Iterable[Numbered], answer: Answer, jobs: int) -> Generator[Numbered]:
    from concurrent.futures.process import BrokenProcessPool

    from joblib import Parallel, delayed

    failed: list[Exception] = []

    def guarded() -> Iterator[Any]:
        # joblib reads its input in a thread of its own, where an error of the reader would be lost.
        try:
            for number, part in parts:
                yield delayed(_numbered)(number, part, answer)
        except Exception as error:
            failed.append(error)

    parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", pre_dispatch=f"{AHEAD}*n_jobs", batch_size=1)
    ready = parallel(guarded())
    try:
        while (each := next(ready, None)) is not None:
            yield each
    except BrokenProcessPool as error:
        raise FingerprintError(f"a worker died; {GO_ON}") from error
    finally:
        with warnings.catch_warnings():
            # joblib's own, about the parts that are given up where the caller stops early.
            warnings.simplefilter("ignore")
            ready.close()
    if failed:
        raise failed[0]


def _dask(parts: Iterable[Numbered], answer: Answer, jobs: int, scheduler: str | None) -> Generator[Numbered]:
    try:
        from distributed import Client, LocalCluster, as_completed
        from distributed.scheduler import KilledWorker
    except ImportError as error:
        raise InputError("needs Dask: pip install 'compute-fingerprint[scale]'", "--engine dask") from error
    import contextlib
    import uuid

    with contextlib.ExitStack() as stack:
        if scheduler is None:
            from joblib import cpu_count

            workers = jobs if jobs > 0 else cpu_count()
            cluster = stack.enter_context(
                LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, protocol="tcp://")
            )
            client = stack.enter_context(Client(cluster))
        else:
            try:
                client = stack.enter_context(Client(scheduler, timeout=PATIENCE))
            except (OSError, ValueError) as error:
                raise InputError(f"no scheduler answers at {scheduler!r}: {error}", "--scheduler") from error
        run = uuid.uuid4().hex
        coming = iter(parts)

        def submitted(number: int, part: pd.DataFrame) -> Any:
            # The part travels with its task, so the scheduler can give it to another worker when one dies.
            return client.submit(_numbered, number, part, answer, key=f"fingerprint-{run}-{number}", pure=False)

        def ahead() -> int:
            threads: dict[str, int] = client.nthreads()
            return max(AHEAD * sum(threads.values()), AHEAD)

        ready = as_completed(with_results=False)
        out = 0
        for number, part in coming:
            ready.add(submitted(number, part))
            out += 1
            if out < ahead():
                continue
            yield _result(next(ready), KilledWorker)
            out -= 1
        while out:
            yield _result(next(ready), KilledWorker)
            out -= 1


def _result(future: Any, killed: type[Exception]) -> Numbered:
    try:
        found: Numbered = future.result()
    except killed as error:
        raise FingerprintError(f"several Dask workers died on one part; {GO_ON}") from error
    future.release()
    return found
