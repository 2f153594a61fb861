"""What sends parts to workers: no more are out than agreed, however slow the one that takes the answers, and a death is a sentence."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import pandas as pd
import pytest

from fingerprint import FingerprintError, engines

WORKERS = 3


def parts(sizes: list[int], read: list[int] | None = None) -> Iterator[tuple[int, pd.DataFrame]]:
    """Frames of so many rows, numbered; ``read`` is told which were asked for."""
    for number, rows in enumerate(sizes):
        if read is not None:
            read.append(number)
        yield number, pd.DataFrame({"n": [number] * rows})


@contextlib.contextmanager
def pool() -> Iterator[engines.Workers]:
    """Threads for workers."""
    with ThreadPoolExecutor(WORKERS) as executor:
        yield executor, lambda: WORKERS


def test_a_slow_taker_holds_the_reader_back() -> None:
    """The workers are done at once, the disk is slow: what was read and not yet taken stays within the agreed number."""
    read: list[int] = []
    taken = 0
    for number, answer in engines._sent(parts([2] * 60, read), len, pool()):  # type: ignore[arg-type]
        taken += 1
        assert answer == 2
        assert number in read
        assert len(read) - taken <= engines.AHEAD * WORKERS + 1
        time.sleep(0.001)
    assert taken == 60


def test_parts_of_very_many_rows_are_answered_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is that of one of them; the small ones after them go out together again."""
    monkeypatch.setattr(engines, "HEAVY", 10)
    lock, now = threading.Lock(), [0, 0]

    def answer(part: pd.DataFrame) -> int:
        with lock:
            now[0] += len(part)
            now[1] = max(now)
        time.sleep(0.005)
        with lock:
            now[0] -= len(part)
        return len(part)

    sizes = [1, 500, 500, 1, 1, 500, 1]
    found = dict(engines._sent(parts(sizes), answer, pool()))  # type: ignore[arg-type]
    assert [found[k] for k in range(len(sizes))] == sizes
    assert now[1] == 500


def died(_: Any) -> None:
    """What a worker looks like when memory has run out."""
    os._exit(9)


def threads(_: Any) -> str:
    """What numerical libraries of a worker are told."""
    return os.environ["OMP_NUM_THREADS"]


def test_a_worker_that_dies_is_one_sentence() -> None:
    """It says what to do; nothing hangs."""
    with pytest.raises(FingerprintError, match=r"a worker died; run again"):
        list(engines.answered(parts([1] * 5), died, 2, "joblib"))  # type: ignore[arg-type]


def test_a_worker_computes_on_one_thread_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [a for _, a in engines.answered(parts([1]), threads, 2, "joblib")] == ["1"]  # type: ignore[arg-type]
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert [a for _, a in engines.answered(parts([1]), threads, 2, "joblib")] == ["2"]  # type: ignore[arg-type]


def test_a_caller_who_stops_early_waits_for_nobody() -> None:
    """Closing the stream ends the workers, whatever they are at."""
    stream = engines.answered(parts([1] * 50), len, 2, "joblib")  # type: ignore[arg-type]
    next(stream)
    stream.close()
    assert list(stream) == []


def test_a_cluster_that_goes_away_is_one_sentence() -> None:
    """Dask cancels what it can't bring back."""

    class Gone(Executor):
        def submit(self, *_: Any, **__: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.cancel()
            future.set_running_or_notify_cancel()
            return future

    with pytest.raises(FingerprintError, match="the Dask cluster went away; run again"):
        list(engines._sent(parts([1]), len, contextlib.nullcontext((Gone(), lambda: 1))))  # type: ignore[arg-type]
