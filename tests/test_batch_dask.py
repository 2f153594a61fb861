"""``--engine dask`` on a real cluster over TCP: workers in processes of their own, one killed in the middle."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fingerprint import InputError, batch_files, load_dataset
from fingerprint.batch_files import run

distributed = pytest.importorskip("distributed")

pytestmark = [
    pytest.mark.slow,
    # Dask's and tornado's own: sockets that a killed worker leaves open, imports that they will drop.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """About 2,000 figures in some 50 parts."""
    monkeypatch.setattr(batch_files, "PART_ROWS", 40)
    rows = load_dataset()
    names = rows.groupby("source")["profile"].unique().map(lambda p: list(p[:12])).explode()
    few = rows[rows["profile"].isin(set(names))].sort_values("profile", kind="stable").groupby("profile").head(6)
    few.to_parquet(tmp_path / "in.parquet", index=False)
    return tmp_path / "in.parquet"


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A scheduler and two workers, each a process of its own, that talk over TCP."""
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, protocol="tcp://", dashboard_address=None) as found:
        yield found


def test_a_cluster_writes_the_bytes_that_one_process_writes(source: Path, cluster: Any) -> None:
    """The same function over the same parts: the same file."""
    assert cluster.scheduler_address.startswith("tcp://")
    run(source, source.with_name("here"))
    run(source, source.with_name("there"), engine="dask", scheduler=cluster.scheduler_address)
    assert source.with_name("here").read_bytes() == source.with_name("there").read_bytes()


def test_a_cluster_of_its_own_is_started_where_none_is_named(source: Path) -> None:
    """--engine dask alone works."""
    run(source, source.with_name("here"))
    run(source, source.with_name("there"), engine="dask", jobs=2)
    assert source.with_name("here").read_bytes() == source.with_name("there").read_bytes()


def test_a_worker_that_is_killed_loses_nothing(source: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGKILL in the middle: its parts are answered by others, nothing is missing, nothing is there twice."""
    run(source, source.with_name("here"))
    done: list[int] = []
    write = batch_files.Parts.write

    def counted(self: Any, number: int, verdicts: pd.DataFrame) -> None:
        write(self, number, verdicts)
        done.append(number)

    monkeypatch.setattr(batch_files.Parts, "write", counted)
    with distributed.Client(cluster) as client:
        pids = set(client.run(os.getpid).values())
    assert len(pids) == 2
    assert os.getpid() not in pids
    killed: list[int] = []

    def kill() -> None:
        while len(done) < 4:
            time.sleep(0.01)
        victim = min(pids)
        os.kill(victim, signal.SIGKILL)
        killed.append(victim)

    killer = threading.Thread(target=kill)
    killer.start()
    outcome = run(source, source.with_name("there"), engine="dask", scheduler=cluster.scheduler_address)
    killer.join()
    assert killed
    assert sorted(done) == list(range(outcome.parts))
    assert source.with_name("here").read_bytes() == source.with_name("there").read_bytes()


def test_the_function_runs_over_the_partitions_of_a_dask_frame(source: Path, cluster: Any) -> None:
    """As the docs show it: whole profiles a partition, map_partitions, and the lines of one table."""
    dask_frame = pytest.importorskip("dask.dataframe")
    from fingerprint import batch

    frame = pd.read_parquet(source)
    parts = list(batch.whole_profiles([frame], 500))
    with distributed.Client(cluster):
        meta = batch.verdict_frame(frame.iloc[:0])
        table = dask_frame.from_map(lambda k: parts[k], range(len(parts))).map_partitions(batch.verdict_frame, meta=meta).compute()
    expected = pd.concat(map(batch.verdict_frame, parts), ignore_index=True)
    assert table["profile"].tolist() == expected["profile"].tolist()
    assert (table["p_h20"].to_numpy() == expected["p_h20"].to_numpy()).all()


def test_a_scheduler_that_is_not_there_is_one_sentence(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is in the message."""
    from fingerprint import engines

    monkeypatch.setattr(engines, "PATIENCE", "1s")
    with pytest.raises(InputError, match=r"no scheduler answers at 'tcp://127.0.0.1:9'"):
        run(source, source.with_name("out"), engine="dask", scheduler="tcp://127.0.0.1:9")
