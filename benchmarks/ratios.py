"""Prints every ratio that the project promises about speed beside its bound: ``python benchmarks/ratios.py``.

Times are those of fresh processes where a start is part of what is promised: wall clock on a machine that does nothing else. Where
others are at work on it, both sides of a ratio are CPU time, user and system, of all processes together, which their company
changes little; the wall clock stands beside it. ``--million`` measures up to a million profiles (half an hour on two cores), else
up to a hundred thousand. The exit status is 1 if a bound is broken.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

#: One thread of each library, so that engines and not their threads are compared.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
# Where compiled modules are not kept, every start compiles everything anew.
ENVIRONMENT.pop("PYTHONDONTWRITEBYTECODE", None)

_COMMAND = "import sys\nfrom fingerprint.cli import {0}\n{0}(sys.argv[1:])"
_BATCH = """
import json, os, sys, time
from pathlib import Path
from fingerprint.batch_files import run
if __name__ == "__main__":
    began, before = time.perf_counter(), os.times()
    run(Path(sys.argv[1]), Path(sys.argv[2]), jobs=int(sys.argv[3]), engine=sys.argv[4])
    # Workers have ended by now, so their time is in that of the children.
    print(json.dumps({"seconds": time.perf_counter() - began, "cpu": sum(os.times()[:4]) - sum(before[:4])}))
"""

#: Whether others are at work here, so that CPU time is compared: seen from the load.
CROWDED = os.getloadavg()[0] > 0.3 * (os.cpu_count() or 1)

broken: list[str] = []


def say(what: str, value: float, bound: float, *, least: bool = False, unit: str = "", why: str = "") -> None:
    """Print a line and remember it where its bound is broken."""
    good = value >= bound if least else value <= bound
    print(f"{what:<58}{value:>9.3g}{unit:<4} {'at least' if least else 'at most':>8} {bound:<5g}{'' if good else '  BROKEN'}  {why}", flush=True)
    if not good:
        broken.append(what)


def seconds(command: list[str]) -> float:
    """Return how long a command takes in a process of its own."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], env=ENVIRONMENT, capture_output=True, check=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime if CROWDED else wall


def spent(run: dict[str, float]) -> float:
    """Return the seconds of a batch that are compared."""
    return run["cpu" if CROWDED else "seconds"]


def start(file: Path, rounds: int) -> None:
    """Measure starts side by side, so that both see the same machine."""
    commands = {"numpy": ["-c", "import numpy"], "one": ["-c", _COMMAND.format("classify_profile"), str(file), "--json"],
                "help": ["-c", _COMMAND.format("classify_profile"), "--help"]}  # fmt: skip
    for command in commands.values():
        seconds(command)
    told: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            told[name].append(seconds(command))
    middle = {name: statistics.median(values) for name, values in told.items()}
    why = f"{middle['one'] * 1e3:.0f} ms / {middle['numpy'] * 1e3:.0f} ms, median of {rounds}"
    say("classify-profile one.json --json / import numpy", middle["one"] / middle["numpy"], 3.0, why=why)
    say("classify-profile --help", middle["help"], 0.15, unit=" s", why=f"median of {rounds}")


def best(function: Callable[[], Any], times: int = 3) -> float:
    """Return the CPU time of the shortest of a few runs."""
    took = []
    for _ in range(times):
        # One thread: what others do meanwhile does not count.
        began = time.process_time()
        function()
        took.append(time.process_time() - began)
    return min(took)


def scoring(profiles: int) -> None:
    """Compare features and scoring with scikit-learn's predictions of the same trees on inputs that are ready."""
    import made_up
    import numpy as np
    from compiled import estimator

    from fingerprint.candidates import candidates, pairs
    from fingerprint.features import vectors
    from fingerprint.forward import match
    from fingerprint.scorer import class_fits, shipped
    from fingerprint.trees import rounded

    model, table = shipped(), made_up.table(profiles)
    seen = model.look(table)
    use = np.flatnonzero(seen.place >= 0)
    profile = table.profile_numbers().astype(np.int64)[use]
    figures = np.bincount(profile, minlength=profiles).astype(float)
    found = match(seen.found, seen.rows, seen.place[use], profile, profiles)
    chips = len(candidates().ids)
    each = np.repeat(np.arange(len(seen.rows)), chips)
    inputs = {"direct": vectors(table), "weighing": class_fits(found, figures), "matching": found.reshape(-1, found.shape[2]).astype(float),
              "forward": pairs(seen.rows.take(each), np.tile(np.arange(chips), len(seen.rows)))[0], "spread": seen.rows.describe}  # fmt: skip
    theirs = 0.0
    for name, raw_inputs in inputs.items():
        x = rounded(raw_inputs)
        forest, regression = getattr(model, name), name in ("forward", "spread")
        fitted = estimator(forest, x.shape[1], regression=regression)
        raw = fitted.predict(x[:500]) if regression else fitted.decision_function(x[:500])
        np.testing.assert_allclose(np.reshape(raw, (len(x[:500]), -1)), forest.scores(x[:500]), rtol=0, atol=1e-9)
        took = best(lambda: fitted.predict(x) if regression else fitted.predict_proba(x))  # noqa: B023
        theirs += took
    ours = best(lambda: model.predict_proba(table))
    say("features and scoring / scikit-learn's predict_proba", ours / theirs, 3.0,
        why=f"{ours / profiles * 1e6:.0f} us / {theirs / profiles * 1e6:.0f} us a profile, {len(table) / profiles:.1f} figures each, one thread")  # fmt: skip


def batch(source: Path, out: Path, jobs: int = 1, engine: str = "joblib") -> dict[str, float]:
    """Run a batch in a process of its own and return its seconds and the peak memory of it and its workers together, bytes."""
    script = source.with_name("batch_run.py")
    script.write_text(_BATCH, encoding="utf-8")
    command = [sys.executable, str(script), str(source), str(out), str(jobs), engine]
    peak = 0.0
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as child:
        while child.poll() is None:
            peak = max(peak, together(child.pid))
            time.sleep(0.25)
        said = child.stdout.read() if child.stdout else ""
    if child.returncode:
        sys.exit(f"the batch ended with {child.returncode}")
    return {**json.loads(said.splitlines()[-1]), "peak": peak}


def together(pid: int) -> float:
    """Return the memory of a process and all it started, bytes; what they share counts once. 0 where there is no /proc."""
    try:
        told = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        own = next(1024.0 * float(line.split()[1]) for line in told.splitlines() if line.startswith("Pss:"))
        # Any thread may have started some.
        children = [c for thread in Path(f"/proc/{pid}/task").glob("*/children") for c in thread.read_text(encoding="ascii").split()]
    except (OSError, StopIteration):
        return 0.0
    return own + sum(together(int(child)) for child in children)


def many(folder: Path, sizes: list[int]) -> None:
    """Measure how a batch grows, what a second worker brings, and what runs elsewhere says."""
    import made_up
    import numpy as np

    rows = {n: made_up.write(folder / f"{n}.parquet", n) for n in sizes}

    def run(n: int, jobs: int, engine: str = "joblib") -> dict[str, float]:
        got = batch(folder / f"{n}.parquet", folder / f"{n}.{engine}.{jobs}", jobs, engine)
        workers = f"{jobs} Dask workers" if engine == "dask" else "two workers" if jobs == 2 else "one worker"
        print(f"  {n:>9,} profiles, {rows[n]:,} figures, {workers}: {got['seconds']:.1f} s, CPU {got['cpu']:.1f} s, "
              f"{got['peak'] / 2**20:.0f} MiB", flush=True)  # fmt: skip
        return got

    two = {n: run(n, 2) for n in sizes}
    exponent = float(np.polyfit(np.log([*sizes]), np.log([spent(two[n]) for n in sizes]), 1)[0])
    say(f"exponent of time, {sizes[0]:,} to {sizes[-1]:,} profiles", exponent, 1.05)
    say(f"peak memory, {sizes[-1]:,} profiles, two workers together", two[sizes[-1]]["peak"] / 2**30, 1.0, unit=" GiB")
    middle = sizes[1]
    alone = run(middle, 1)
    # Two that share their work evenly take half of their CPU time, each on a core of its own.
    faster = spent(alone) / (two[middle]["cpu"] / 2 if CROWDED else two[middle]["seconds"])
    say(f"one worker / two, {middle:,} profiles", faster, 1.7, least=True)
    run(sizes[0], 2, "dask")
    for n, other, what in ((sizes[0], "dask.2", "two workers, a Dask cluster over TCP"), (middle, "joblib.1", "two workers, one process")):
        hashes = {hashlib.sha256((folder / f"{n}.{name}").read_bytes()).hexdigest() for name in ("joblib.2", other)}
        say(f"different bytes: {what}", len(hashes) - 1, 0)


def large() -> None:
    """Measure one very large profile."""
    import made_up

    from fingerprint import classify

    small, big = made_up.gemms(1_000), made_up.gemms(60_000)
    classify(small)
    took = [best(lambda t=t: classify(t)) for t in (small, big)]  # type: ignore[misc]
    print(f"  one profile of 1,000 figures: {took[0]:.2f} s; of 60,000: {took[1]:.2f} s", flush=True)


def main() -> None:
    """Print all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--million", action="store_true", help="measure up to a million profiles")
    parser.add_argument("--file", type=Path, default=None, help="the one file of the start; one run's JSON by default")
    parser.add_argument("--rounds", type=int, default=15, help="starts of each kind")
    given = parser.parse_args()
    os.environ.update(ENVIRONMENT)
    import numpy as np
    import sklearn

    print(f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}, "
          f"scikit-learn {sklearn.__version__}, load {os.getloadavg()[0]:.1f}: {'CPU time' if CROWDED else 'wall clock'}")  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = given.file or folder / "one.json"
        if not given.file:
            file.write_text(json.dumps(ONE), encoding="utf-8")
        start(file, given.rounds)
        scoring(2_000)
        large()
        many(folder, [10_000, 100_000, *([1_000_000] if given.million else [])])
    sys.exit(1 if broken else 0)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


#: What vLLM's serving benchmark writes, one run.
ONE = {"backend": "vllm", "model_id": "meta-llama/Llama-3.1-8B-Instruct", "num_prompts": 1000, "max_concurrency": 64, "duration": 60.0,
       "completed": 1000, "total_input_tokens": 512_000, "total_output_tokens": 128_000, "request_throughput": 16.7,
       "output_throughput": 2133.0, "total_token_throughput": 10_666.0, "mean_ttft_ms": 120.0, "median_ttft_ms": 110.0, "p99_ttft_ms": 300.0,
       "mean_tpot_ms": 24.0, "median_tpot_ms": 23.5, "p99_tpot_ms": 31.0, "mean_itl_ms": 24.0, "median_itl_ms": 23.0, "p99_itl_ms": 60.0,
       "tensor_parallel_size": 1}  # fmt: skip

if __name__ == "__main__":
    main()
