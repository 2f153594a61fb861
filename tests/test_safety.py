"""What is promised in SECURITY.md: no network, no code from files, hostile names disarmed, in a fresh interpreter each."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pytest

from fingerprint import load_dataset
from fingerprint.resources import path

EXAMPLE = path("datasets/examples/h20-gemm-pytorch.csv")

#: Ends the process at the first sign of what must not happen; installed before anything of ours is imported.
_GUARD = """
import os, sys
def guard(event, args):
    if event.startswith({forbidden!r}):
        os.write(2, f"FORBIDDEN {{event}} {{args}}".encode())
        os._exit(77)
sys.addaudithook(guard)
"""

#: Every way into the network that CPython reports, and name resolution.
NETWORK = ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostby", "urllib.", "http.",
           "ftplib.", "smtplib.")  # fmt: skip


def guarded(forbidden: tuple[str, ...], code: str, *args: object) -> subprocess.CompletedProcess[str]:
    """Run code under a hook that ends it at any of the forbidden audit events."""
    program = _GUARD.format(forbidden=forbidden) + code
    return subprocess.run([sys.executable, "-c", program, *map(str, args)], capture_output=True, text=True, check=False)


COMMAND = "from fingerprint.cli import {0} as run\nrun(sys.argv[1:])"


def test_the_guard_sees_a_connection() -> None:
    """The test's own net has no hole."""
    done = guarded(NETWORK, "import socket\nsocket.create_connection(('127.0.0.1', 9))")
    assert done.returncode == 77
    assert "FORBIDDEN" in done.stderr


def test_the_guard_sees_a_pickle(tmp_path: Path) -> None:
    """Nor has this one."""
    file = _hostile(tmp_path)[0]
    done = guarded(("pickle.find_class",), "import pickle\npickle.load(open(sys.argv[1], 'rb'))", file)
    assert done.returncode == 77
    assert "ran" not in done.stdout


@pytest.mark.parametrize("style", [[], ["--json"], ["--csv"], ["--claimed", "H100-SXM"], ["--html", "-"]])
def test_classifying_never_touches_the_network(style: list[str]) -> None:
    """Every way of asking answers with the network forbidden."""
    done = guarded(NETWORK, COMMAND.format("classify_profile"), EXAMPLE, *style)
    assert done.returncode in (0, 1), done.stderr
    assert len(done.stdout) > 50


@pytest.mark.parametrize("jobs", [1, 2])
def test_batch_never_touches_the_network(tmp_path: Path, jobs: int) -> None:
    """Neither does a table of profiles, in one process or by workers of this machine."""
    rows = load_dataset()
    rows[rows["source"] == "facts-gemm"].head(50).sort_values("profile").to_parquet(tmp_path / "in.parquet", index=False)
    given = ("batch", tmp_path / "in.parquet", tmp_path / "out.parquet", "--jobs", jobs)
    done = guarded(NETWORK, COMMAND.format("fingerprint"), *given)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize("command", [("audit",), ("audit", "--csv"), ("formats",), ("chips",)])
def test_the_other_commands_never_touch_the_network(tmp_path: Path, command: tuple[str, ...]) -> None:
    """Auditing a board, and the lists."""
    rows = load_dataset()
    rows[rows["source"] == "facts-gemm"].head(40).to_csv(tmp_path / "board.csv", index=False)
    board = [tmp_path / "board.csv", "--claimed-column", "chip"] if command[0] == "audit" else []
    done = guarded(NETWORK, COMMAND.format("fingerprint"), *command, *board)
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("the file's code ran",)


def _hostile(folder: Path) -> list[Path]:
    """Files that run code where somebody unpickles them."""
    pickle_file, joblib_file, array, archive = (folder / n for n in ("a.pkl", "b.joblib", "c.npy", "d.npz"))
    pickle_file.write_bytes(pickle.dumps(_Bomb()))
    joblib.dump({"model": _Bomb()}, joblib_file)
    np.save(array, np.array([_Bomb()], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(archive, "w") as out:
        out.write(array, "c.npy")
    return [pickle_file, joblib_file, array, archive]


def test_no_file_of_a_user_is_ever_unpickled(tmp_path: Path) -> None:
    """Whatever its name: pickles, joblib files and object arrays are refused as unknown formats."""
    for file in _hostile(tmp_path):
        for name in (file, file.rename(file.with_suffix(".json"))):
            for extra in ([], ["--format", "table"]):
                done = guarded(("pickle.find_class",), COMMAND.format("classify_profile"), tmp_path / name.name, *extra)
                assert done.returncode == 2, (file, done)
                assert "ran" not in done.stdout
                assert "Traceback" not in done.stderr


def test_a_hostile_model_is_an_error_not_a_crash(tmp_path: Path) -> None:
    """A model whose bytes are shuffled, cut or of another program ends in one sentence."""
    raw = path("models/architecture.fpm").read_bytes()
    rng = np.random.default_rng(0)
    load = "from pathlib import Path\nfrom fingerprint.errors import ModelError\nfrom fingerprint.scorer import Model\n"
    load += "for name in sys.argv[1:]:\n    try:\n        Model.load(Path(name))\n    except ModelError as error:\n        print(str(error)[:60])\n"
    files = []
    for k in range(24):
        changed = bytearray(raw)
        at = rng.integers(0, min(len(raw), 20_000), 1 + k % 5)
        for i in at.tolist():
            changed[i] ^= int(rng.integers(1, 256))
        files.append(tmp_path / f"{k}.fpm")
        files[-1].write_bytes(bytes(changed[: len(raw) // (1 + k % 3)]))
    done = guarded(("pickle.find_class", *NETWORK), load, *files)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= len(files) // 2


def test_hostile_names_come_out_disarmed(tmp_path: Path) -> None:
    """Script, escapes, marks that turn the writing, and formulas: in no output as they came."""
    evil = "=cmd|' /C calc'!A1<script>alert(1)</script>\x1b[31m\u202eten.live"
    file = tmp_path / "profile.jsonl"
    rows = [{"profile": evil, "tool": "kernel", "workload": "gemm", "phase": "kernel", "precision": "bf16", "gpu": evil, "m": 8192, "n": 8192,
             "k": 8192, "quantity": "compute_rate", "unit": "TFLOP/s", "value": value} for value in (120.0, 130.0)]  # fmt: skip
    file.write_text("\n".join(map(json.dumps, rows)))
    shown = {style: guarded((), COMMAND.format("classify_profile"), file, *style.split()).stdout for style in ("", "--csv", "--html -", "--json")}
    for style in ("", "--csv", "--html -"):
        assert "\x1b" not in shown[style]
        assert "\u202e" not in shown[style]
    assert "<script>alert" not in shown["--html -"]
    assert not any(line.startswith(("=", '"=')) for line in shown["--csv"].splitlines())
    assert json.loads(shown["--json"].splitlines()[0])["profile"] == evil
    assert "\x1b" not in shown["--json"]
