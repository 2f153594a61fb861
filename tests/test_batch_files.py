"""``fingerprint batch``: the same bytes whatever runs it and however often it was stopped; nothing lost, nothing twice."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from fingerprint import InputError, batch_files, load_dataset
from fingerprint.batch import verdict_frame
from fingerprint.batch_files import Options, run
from fingerprint.cli import fingerprint

SMALL_PARTS = 40


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cuts small tables into many parts."""
    monkeypatch.setattr(batch_files, "PART_ROWS", SMALL_PARTS)
    monkeypatch.setattr(batch_files, "READ_ROWS", 64)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """About 400 figures of 90 profiles, profiles together."""
    rows = load_dataset()
    names = rows.groupby("source")["profile"].unique().map(lambda p: list(p[:3])).explode()
    return rows[rows["profile"].isin(set(names))].sort_values("profile", kind="stable").groupby("profile").head(5).reset_index(drop=True)


@pytest.fixture
def source(frame: pd.DataFrame, tmp_path: Path) -> Path:
    """The same as a file of small row groups, which cut profiles in two."""
    frame.to_parquet(tmp_path / "in.parquet", row_group_size=33, index=False)
    return tmp_path / "in.parquet"


def test_profiles_cut_by_row_groups_are_one_line_each_in_the_order_of_the_file(source: Path, frame: pd.DataFrame) -> None:
    """The file holds what the function gives for all rows at once."""
    outcome = run(source, source.with_name("out.parquet"))
    found = pd.read_parquet(source.with_name("out.parquet"))
    expected = verdict_frame(frame)
    assert (outcome.profiles, outcome.rows, outcome.resumed) == (len(expected), len(frame), 0)
    assert outcome.parts > 5
    assert found["profile"].tolist() == list(dict.fromkeys(frame["profile"]))
    pd.testing.assert_frame_equal(found, expected.astype(found.dtypes.to_dict()), rtol=0, atol=1e-12)
    assert not source.with_name("out.parquet.parts").exists()


def test_the_number_of_workers_changes_no_byte(source: Path) -> None:
    """One process, two workers, and a second run write the same file."""
    for name, jobs in (("a", 1), ("b", 2), ("c", 1)):
        run(source, source.with_name(name), jobs=jobs)
    assert source.with_name("a").read_bytes() == source.with_name("b").read_bytes() == source.with_name("c").read_bytes()


@pytest.mark.parametrize("group", [1, 7, 1000])
def test_how_the_file_is_cut_into_row_groups_changes_no_byte(source: Path, frame: pd.DataFrame, group: int, tmp_path: Path) -> None:
    """Row groups are the writer's business."""
    frame.to_parquet(tmp_path / "other.parquet", row_group_size=group, index=False)
    run(source, tmp_path / "a")
    run(tmp_path / "other.parquet", tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("seed", range(2))
def test_profiles_that_do_not_stand_together_are_still_one_line_each(
    source: Path, frame: pd.DataFrame, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows scattered over the file give the lines they give in order; the order of lines depends on names alone."""
    monkeypatch.setattr(batch_files, "BUCKET_BYTES", 1)
    # Rows of a profile keep their order among themselves: energies belong to the speed before them.
    draw = np.random.default_rng(seed).random(len(frame))
    place = pd.Series(draw).groupby(frame["profile"]).transform(lambda v: np.sort(v.to_numpy()))
    scattered = frame.iloc[np.argsort(place.to_numpy())]
    scattered.to_parquet(tmp_path / "scattered.parquet", index=False)
    run(source, tmp_path / "together")
    said: list[str] = []
    run(tmp_path / "scattered.parquet", tmp_path / "out", say=said.append)
    assert any("in order on disk" in word for word in said)
    one, two = (pd.read_parquet(tmp_path / name).set_index("profile") for name in ("together", "out"))
    assert len(two) == len(one)
    numbers = one.select_dtypes("number").columns
    np.testing.assert_allclose(two.loc[one.index, numbers], one[numbers], rtol=1e-9, atol=1e-9)
    assert two.loc[one.index, "answer"].tolist() == one["answer"].tolist()
    monkeypatch.setattr(batch_files, "BUCKET_BYTES", 10**9)
    run(tmp_path / "scattered.parquet", tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "out").read_bytes()


_KILLED = """
import sys, time
from pathlib import Path
from fingerprint import batch_files
from fingerprint.batch_parts import Parts
batch_files.PART_ROWS, batch_files.READ_ROWS = 40, 64
write = Parts.write
def slow(self, number, verdicts):
    write(self, number, verdicts)
    print(number, flush=True)
    time.sleep(0.2)
Parts.write = slow
batch_files.run(Path(sys.argv[1]), Path(sys.argv[2]), jobs=int(sys.argv[3]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_run_goes_on_where_it_was(source: Path, jobs: int) -> None:
    """After SIGKILL some parts are there; the next run keeps them and ends with the bytes of a run that was left alone."""
    out = source.with_name("out.parquet")
    child = subprocess.Popen([sys.executable, "-c", _KILLED, source, out, str(jobs)], stdout=subprocess.PIPE, start_new_session=True)
    assert child.stdout
    for _ in range(3):
        assert child.stdout.readline()
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert not out.exists()
    there = len(list(source.with_name("out.parquet.parts").glob("part-*.parquet")))
    assert there >= 3
    outcome = run(source, out)
    assert there <= outcome.resumed < outcome.parts
    run(source, source.with_name("alone"))
    assert out.read_bytes() == source.with_name("alone").read_bytes()


def test_an_error_in_the_middle_loses_nothing(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts that were done stay; a half-written file is swept away and never read."""
    out, calls = source.with_name("out.parquet"), iter(range(10**6))

    def failing(self: Options, part: pd.DataFrame) -> pd.DataFrame:
        if next(calls) == 4:
            raise RuntimeError("power cut")
        return verdict_frame(part)

    monkeypatch.setattr(Options, "__call__", failing)
    with pytest.raises(RuntimeError, match="power cut"):
        run(source, out)
    monkeypatch.undo()
    monkeypatch.setattr(batch_files, "PART_ROWS", SMALL_PARTS)
    (out.with_name("out.parquet.parts") / "part-00000004.parquet.tmp").write_bytes(b"half")
    assert run(source, out).resumed == 4
    run(source, source.with_name("alone"))
    assert out.read_bytes() == source.with_name("alone").read_bytes()


@pytest.mark.parametrize("left", ["nothing", "half a manifest", "the manifest", "a few parts", "all parts"])
@pytest.mark.parametrize("placed", [True, False])
def test_whenever_a_run_is_killed_the_next_one_ends_with_the_same_bytes(
    source: Path, left: str, placed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its very beginning, in the middle, and while it clears up behind an output that has its name already."""
    out, folder = source.with_name("out.parquet"), source.with_name("out.parquet.parts")
    run(source, source.with_name("alone"))
    monkeypatch.setattr(batch_files.Parts, "join", lambda *_: 0)
    parts = run(source, out).parts
    monkeypatch.undo()
    monkeypatch.setattr(batch_files, "PART_ROWS", SMALL_PARTS)
    monkeypatch.setattr(batch_files, "READ_ROWS", 64)
    there = sorted(folder.glob("part-*"))
    assert len(there) == parts
    for part in {"a few parts": there[::3], "all parts": []}.get(left, there):
        part.unlink()
    if left == "half a manifest":
        (folder / "manifest.json").rename(folder / "manifest.json.tmp")
        os.truncate(folder / "manifest.json.tmp", 9)
    elif left == "nothing":
        (folder / "manifest.json").unlink()
    (folder / "output.tmp").write_bytes(b"half an output") if left.endswith("parts") else None
    if placed:
        out.write_bytes(source.with_name("alone").read_bytes())
    resumed = run(source, out).resumed
    assert resumed == {"a few parts": parts - len(there[::3]), "all parts": parts}.get(left, 0)
    assert out.read_bytes() == source.with_name("alone").read_bytes()
    assert not folder.exists()


def test_two_runs_of_one_output_do_not_meet(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second is refused while the first is at work, and what the first wrote stays."""
    out, refused = source.with_name("out.parquet"), []

    def meanwhile(self: Options, part: pd.DataFrame) -> pd.DataFrame:
        if not refused:
            with pytest.raises(InputError, match="another run is writing this output") as error:
                run(source, out, Options(coverage=0.9))
            refused.append(error)
        return verdict_frame(part)

    monkeypatch.setattr(Options, "__call__", meanwhile)
    outcome = run(source, out)
    assert refused
    assert outcome.parts > 5
    assert outcome.resumed == 0


def test_progress_tells_rows_speed_and_time_left(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows only ever rise, up to all of them."""
    monkeypatch.setattr(batch_files, "SAY_EVERY", 0.0)
    said: list[str] = []
    outcome = run(source, source.with_name("out.parquet"), say=said.append)
    told = [re.fullmatch(r"([\d,]+) of ([\d,]+) rows \(\d+%\), [\d,]+ rows/s, .+ left", line) for line in said[:-1]]
    done = [int(t[1].replace(",", "")) for t in told if t]
    assert len(done) == outcome.parts
    assert done == sorted(done)
    assert done[-1] == outcome.rows


def test_long_words_are_read_in_small_pieces_and_endless_ones_refused(frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word that stands in every row is one in the file and many in memory."""
    monkeypatch.setattr(batch_files, "READ_BYTES", 10_000)
    file = tmp_path / "in.parquet"
    frame.assign(workload="x" * batch_files.LONGEST_WORD).to_parquet(file, index=False)
    sizes = [len(batch) for batch in batch_files._Source(file, "profile").batches()]
    assert sum(sizes) == len(frame)
    assert max(sizes) < 10
    frame.assign(workload="x" * (batch_files.LONGEST_WORD + 1)).to_parquet(file, index=False)
    with pytest.raises(InputError, match=r"column 'workload' holds a word of 1,001 bytes"):
        run(file, tmp_path / "out")


def test_parts_of_another_run_are_not_mixed_in(source: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another input or other options: refused, with what to do."""
    out = source.with_name("out.parquet")
    monkeypatch.setattr(batch_files.Parts, "join", lambda *_: 0)
    run(source, out)
    monkeypatch.undo()
    with pytest.raises(InputError, match="parts of another run"):
        run(source, out, Options(coverage=0.8))
    frame.iloc[1:].to_parquet(source, index=False)
    with pytest.raises(InputError, match="parts of another run"):
        run(source, out)


def test_a_folder_of_somebody_else_is_left_alone(source: Path) -> None:
    """Nothing is removed from a folder that only has the name."""
    folder = source.with_name("out.parquet.parts")
    folder.mkdir()
    (folder / "thesis.tmp").write_text("mine")
    with pytest.raises(InputError, match="in the way"):
        run(source, source.with_name("out.parquet"))
    assert (folder / "thesis.tmp").read_text() == "mine"


def test_a_file_that_breaks_off_is_an_error_with_workers_too(source: Path) -> None:
    """A joblib run reads its input in a thread; an error there is not lost."""
    broken = source.with_name("broken.parquet")
    raw = bytearray(source.read_bytes())
    raw[len(raw) // 3 : len(raw) // 3 + 2000] = b"\xff" * 2000
    broken.write_bytes(raw)
    for jobs in (1, 2):
        with pytest.raises(InputError, match="broken"):
            run(broken, source.with_name("out.parquet"), jobs=jobs)
    assert not source.with_name("out.parquet").exists()


def invoke(*args: object) -> tuple[int, str]:
    result = CliRunner().invoke(fingerprint, ["batch", *map(str, args)])
    return result.exit_code, result.output


def test_the_command_says_what_it_did_on_stderr_and_nothing_when_quiet(source: Path) -> None:
    """Progress is words for people; the file is the answer."""
    out = source.with_name("out.parquet")
    status, said = invoke(source, out)
    assert status == 0
    assert "profiles of" in said
    assert out.exists()
    assert invoke(source, out, "--quiet") == (0, "")


@pytest.mark.parametrize(
    ("options", "says"),
    [(["--profile-by", "weather"], "lacks the column 'weather'"), (["--coverage", "3"], "coverage"), (["--among", "toaster"], "toaster"),
     (["--scheduler", "tcp://x:1"], "needs --engine dask")],
)  # fmt: skip
def test_options_that_cannot_be_are_one_sentence(source: Path, options: list[str], says: str) -> None:
    """Status 2 and the reason."""
    status, said = invoke(source, source.with_name("out.parquet"), *options)
    assert status == 2
    assert says in said
    assert "Traceback" not in said


def test_inputs_that_cannot_be_are_one_sentence(source: Path, tmp_path: Path) -> None:
    """No Parquet, the output in the input's place, a folder that is not there."""
    (tmp_path / "words.parquet").write_text("not parquet")
    for args, says in (((tmp_path / "words.parquet", tmp_path / "out"), "Parquet"), ((source, source), "overwrite"),
                       ((source, tmp_path / "no" / "folder" / "out"), "No such file")):  # fmt: skip
        status, said = invoke(*args)
        assert status == 2, said
        assert says in said
    assert source.stat().st_size > 1000


def test_names_of_profiles_may_be_numbers_or_missing(frame: pd.DataFrame, tmp_path: Path) -> None:
    """Whole numbers are written as such, missing names are one profile; --profile-by renames."""
    numbers = frame.iloc[:9].drop(columns="profile").assign(job=[1.0, 1.0, 2.0, 2.0, 3.0, 3.0, np.nan, np.nan, np.nan])
    numbers.to_parquet(tmp_path / "in.parquet", index=False)
    run(tmp_path / "in.parquet", tmp_path / "out", profile_by="job")
    assert pd.read_parquet(tmp_path / "out")["profile"].tolist() == ["1", "2", "3", ""]


def test_encoded_columns_are_read_as_words(frame: pd.DataFrame, source: Path, tmp_path: Path) -> None:
    """Dictionaries, as pandas categories are stored, say the same."""
    words = frame.select_dtypes("object").columns.union(frame.select_dtypes("string").columns)
    pq.write_table(pa.Table.from_pandas(frame.astype(dict.fromkeys(words, "category")), preserve_index=False), tmp_path / "in2.parquet")
    run(source, tmp_path / "a")
    run(tmp_path / "in2.parquet", tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_empty_table_gives_an_empty_table(frame: pd.DataFrame, tmp_path: Path) -> None:
    """No profile, no line, but all columns."""
    frame.iloc[:0].to_parquet(tmp_path / "in.parquet", index=False)
    outcome = run(tmp_path / "in.parquet", tmp_path / "out")
    found = pd.read_parquet(tmp_path / "out")
    assert (outcome.profiles, len(found), found.shape[1]) == (0, 0, len(verdict_frame(frame.iloc[:1]).columns))


def test_time_is_not_spent_on_parts_that_are_there(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose parts are all there answers nothing anew."""
    out = source.with_name("out.parquet")
    join = batch_files.Parts.join
    monkeypatch.setattr(batch_files.Parts, "join", lambda *_: 0)
    run(source, out)
    monkeypatch.setattr(batch_files.Parts, "join", join)
    monkeypatch.setattr(Options, "__call__", lambda *_: pytest.fail("answered anew"))
    assert run(source, out).resumed > 5
