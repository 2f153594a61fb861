"""Whatever a file holds, every reader answers or ends in one InputError, in bounded time and memory.

Each format has a small seed, ``seeds/NAME.txt`` beside this file or, for Parquet, in :func:`parquet_seeds`. Seeds are
written from the tools' own format definitions, not copied. They are damaged in all ways that files get damaged, by chance and
on purpose. ``FINGERPRINT_FUZZ=5000 pytest tests/readers/test_hostile.py`` tries as many examples a format.
"""

import gzip
import io
import os
import re
import signal
import time
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fingerprint import readers
from fingerprint.errors import InputError
from fingerprint.measurements import Measurements
from fingerprint.readers.opening import HEAD, opened, parquet_columns

SEEDS = Path(__file__).parent / "seeds"
EXAMPLES = int(os.environ.get("FINGERPRINT_FUZZ", "60"))

#: What a file may cost: seconds of processor time, bytes beyond what is held already.
SECONDS, MEMORY = 10, 1 << 30

#: From here on a reader is sure. The reader of any plain table takes what nobody else wants with less.
SURE = 0.5

NAMES = [module.NAME for module in readers.formats()]
#: One test says that a seed is missing; the others go on without.
SEEDED = [name for name in NAMES if any(SEEDS.glob(f"{name}*.txt")) or name in ("table", "aiconfigurator")]


@lru_cache(maxsize=1)
def parquet_seeds() -> dict[str, bytes]:
    """Return Parquet files of the formats that have them, small."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "table": {"quantity": ["bandwidth", "latency"], "unit": ["GB/s", "ms"], "value": [3000.0, 1.5], "workload": ["copy", "gemm"]},
        "aiconfigurator": {
            "framework": ["TRTLLM"] * 2, "version": ["1.0"] * 2, "device": ["NVIDIA H100"] * 2, "op_name": ["gemm"] * 2,
            "kernel_source": ["torch"] * 2, "gemm_dtype": ["float16", "fp8"], "m": [4096, 8192], "n": [4096, 4096], "k": [4096, 4096],
            "latency": [0.25, 0.3],
        },
    }  # fmt: skip
    out = {}
    for name, columns_of in columns.items():
        stream = io.BytesIO()
        pq.write_table(pa.table(columns_of), stream)
        out[name] = stream.getvalue()
    return out


@lru_cache(maxsize=1)
def seeds() -> dict[str, list[bytes]]:
    """Return each format's seeds."""
    out: dict[str, list[bytes]] = {}
    for path in sorted(SEEDS.glob("*.txt")):
        out.setdefault(path.stem.split(".")[0], []).append(path.read_bytes())
    for name, content in parquet_seeds().items():
        out.setdefault(name, []).append(content)
    return out


def seeds_of(name: str) -> list[bytes]:
    found = seeds().get(name)
    assert found, f"the format {name!r} has no seed: write a small file of it to tests/readers/seeds/{name}.txt"
    return found


class Beyond(BaseException):  # no Exception: no reader shall catch it
    """A reader took longer than a file is allowed to."""


@contextmanager
def limits():
    """Hold what runs inside to the processor time and, where the system can, the memory of one file."""

    def late(*_: object) -> None:
        raise Beyond(f"takes more than {SECONDS} s of processor time")

    before, held = signal.signal(signal.SIGPROF, late), None
    try:
        import resource

        statistics = Path("/proc/self/statm")
        if statistics.exists():
            data = int(statistics.read_text().split()[5]) * resource.getpagesize()
            held = resource.getrlimit(resource.RLIMIT_DATA)
            resource.setrlimit(resource.RLIMIT_DATA, (data + MEMORY, held[1]))
    except ImportError:
        pass
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        if held is not None:
            resource.setrlimit(resource.RLIMIT_DATA, held)


def outcome(content: bytes, name: str | None = None) -> Measurements | str:
    """Return what reading gives: measurements, or the error's sentence; any other exception goes through."""
    with limits():
        try:
            table = readers.read(io.BytesIO(content), format=name, name="hostile")
        except InputError as error:
            sentence = str(error)
            assert sentence.startswith(("hostile", "--format")), sentence
            assert len(sentence) < 2000
            assert "\n" not in sentence
            return sentence
    # What is read is sound, too.
    assert len(table.row) == len(table.number("value")) > 0
    assert np.isfinite(table.number("value")).all()
    assert all(isinstance(left.why, str) and left.why for left in table.ignored)
    return table


@pytest.mark.parametrize("name", NAMES)
def test_every_format_has_a_seed_that_is_found_by_content(name):
    """Each seed is read as its format without being told, alone in a gzip file too."""
    for content in seeds_of(name):
        table = outcome(content)
        assert isinstance(table, Measurements), table
        again = outcome(gzip.compress(content))
        assert isinstance(again, Measurements)
        assert again.number("value").tolist() == table.number("value").tolist()
        if not content.startswith(b"PAR1"):
            head = content.decode("utf-8-sig")
            sure = {module.NAME: module.sniff(head) for module in readers.formats()}
            assert sure[name] == max(sure.values()) >= readers.SURE_ENOUGH, sure
            assert {n for n in sure if sure[n] >= SURE} <= {name}, sure


# ------------------------------------------------------------------------------------------------- damage by chance

NUMBER = re.compile(rb"(?<![\w.])-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
ABSURD = [b"10000000000", b"1e400", b"-1", b"0", b"NaN", b"Infinity", b"nan", b'"/etc/passwd"', b"/etc/passwd", b"", b"9" * 400, b"9" * 5000,
          b"1e308", b"1e-320", b"null", b"true", b"[]", b"{}", b"[1,2]", b'{"a":1}', b'"\\ud800"', b"1,234", b"1.5.2", b"0x10", b"\xd9\xa3",
          b"18446744073709551616", "²".encode(), b"[" * 10_000, b'{"a":' * 10_000, b"[" * 500 + b"]" * 500]  # fmt: skip
#: Most bytes of a damaged file.
LARGEST = 200_000
JUNK = [b"\0", b"\r", b"\n", b"\r\n", b"\x1b[31m", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"{", b"}", b'"', b",", b"|", b"#", b"\\", b"\t"]


def spots(content: bytes, pattern: re.Pattern[bytes]) -> list[tuple[int, int]]:
    return [found.span() for found in pattern.finditer(content)] or [(0, 0)]


@st.composite
def damaged(draw: st.DrawFn, name: str) -> bytes:
    """Draw one of a format's seeds with one to four kinds of damage."""
    content = draw(st.sampled_from(seeds_of(name)))
    packed = content.startswith(b"PAR1")
    kinds = ["cut", "flip", "junk", "repeat"] if packed else [
        "cut", "flip", "junk", "repeat", "number", "number", "number", "every number", "value", "value", "shuffle", "twice", "drop", "recode", "mix"
    ]  # fmt: skip
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=4)):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        if kind == "cut":
            content = content[:at]
        elif kind == "flip" and content:
            content = content[:at] + bytes([content[at] ^ (1 << draw(st.integers(0, 7)))]) + content[at + 1 :]
        elif kind == "junk":
            content = content[:at] + draw(st.sampled_from(JUNK) | st.binary(max_size=20)) + content[at:]
        elif kind == "repeat":
            content = content[:at] + content[at : at + 50] * draw(st.integers(2, 40)) + content[at + 50 :]
        elif kind in ("number", "value"):
            pattern = NUMBER if kind == "number" else re.compile(rb'(?<=[:\[,])\s*("[^"\n]*"|[\w.+-]+|\[[^\[\]]*\]|\{[^{}]*\})')
            start, end = draw(st.sampled_from(spots(content, pattern)))
            content = content[:start] + draw(st.sampled_from(ABSURD)) + content[end:]
        elif kind == "every number":
            content = NUMBER.sub(draw(st.sampled_from(ABSURD[:20])).replace(b"\\", rb"\\"), content)
        elif kind == "recode":
            text, coding = content.decode("utf-8", "replace"), draw(st.sampled_from(["utf-16", "utf-16-le", "utf-32", "latin-1", "cp037", "utf-7"]))
            content = text.encode(coding, "replace")
        elif kind == "mix":
            content += draw(st.sampled_from(seeds_of(draw(st.sampled_from(SEEDED)))))
        else:
            lines = content.splitlines(keepends=True) or [b""]
            if kind == "shuffle":
                content = b"".join(draw(st.permutations(lines[:60]))) + b"".join(lines[60:])
            elif kind == "twice":
                line = draw(st.integers(0, len(lines) - 1))
                content = b"".join([*lines[:line], lines[line] * draw(st.sampled_from([2, 3, 500])), *lines[line + 1 :]])
            else:
                content = b"".join(line for line in lines if draw(st.booleans()))
        # Damage that multiplies damage would fill the memory before any reader saw it.
        content = content[:LARGEST]
    return content


@pytest.mark.parametrize("name", SEEDED)
def test_damaged_files_end_in_figures_or_one_sentence(name):
    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(damaged(name))
    def check(content):
        outcome(content, name)
        outcome(content)

    check()


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=3000), st.sampled_from([None, *NAMES]))
def test_random_bytes(content, name):
    outcome(content, name)


# ----------------------------------------------------------------------------------------------- damage on purpose


def texts(name: str) -> list[bytes]:
    return [content for content in seeds_of(name) if not content.startswith(b"PAR1")]


@pytest.mark.parametrize("name", SEEDED)
def test_each_number_replaced_by_a_count_of_ten_billion(name):
    """No header's count is believed before the rows are there."""
    for content in texts(name):
        for start, end in spots(content, NUMBER)[:80]:
            outcome(content[:start] + b"10000000000" + content[end:], name)


@pytest.mark.parametrize("name", SEEDED)
def test_nesting_ten_thousand_deep(name):
    for content in texts(name):
        for start, end in spots(content, NUMBER)[:: max(1, len(spots(content, NUMBER)) // 8)]:
            for deep in (b"[" * 10_000, b'{"a":' * 10_000, b"[" * 10_000 + b"]" * 10_000, b'{"a":' * 10_000 + b"1" + b"}" * 10_000):
                outcome(content[:start] + deep + content[end:], name)


FILLS = (b" ", b"1", b"a", b"{", b"[", b'"', b"|", b"#", b"=", b"-", b".", b"\r", b"\x1b[", b"\x1b]", b"1 ", b"a: ", b"1,", b'"a":1,', b"x=1 ", b"(1.5 x ", b"\n", b"| 1 ")


@pytest.mark.parametrize("name", SEEDED)
def test_long_lines_and_many_lines_take_no_longer_than_they_should(name):
    """A hundred thousand characters and more of one kind inside or behind a file: no pattern runs back and forth over them."""
    for content in texts(name):
        middle = content.find(b"\n", len(content) // 2) + 1
        for fill in FILLS:
            long = fill * (120_000 // len(fill))
            for text in (content[:middle] + long + b"\n" + content[middle:], content.rstrip() + long):
                began = time.process_time()
                outcome(text, name)
                assert time.process_time() - began < 2.0, (fill, text[:80])


@pytest.mark.parametrize("name", NAMES)
def test_recognising_takes_no_longer_than_it_should(name):
    """Every reader looks at every file's head: none may go back and forth over it."""
    module = readers.named(name)
    heads = [content.decode("utf-8", "replace") for content in texts(name)] if name in SEEDED else []
    for fill in map(bytes.decode, FILLS):
        for head in ("", *(h[:at] for h in heads for at in (len(h.partition("\n")[0]), 700))):
            text = (head + fill * HEAD)[:HEAD]
            began = time.process_time()
            with limits():
                module.sniff(text)
            assert time.process_time() - began < 1.0, (fill, head[:80])


@pytest.mark.parametrize("name", SEEDED)
def test_a_gzip_bomb_ends_in_one_clear_error(name):
    """Some 5 MB that unpack to 5 GB, behind a good beginning."""
    content = texts(name)[0] if texts(name) else seeds_of(name)[0]
    bomb = gzip.compress(content) + gzip.compress(b"0,  " * (5 << 20)) * 250
    assert 4e6 < len(bomb) < 8e6
    found = outcome(bomb, name)
    # A reader that stops at its document's end never sees the rest.
    assert isinstance(found, Measurements) or "grows more than" in found
    with pytest.raises(InputError, match="grows more than"):
        opened(io.BytesIO(bomb), "bomb")[0].read()


def test_parquet_that_promises_a_billion_rows():
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream = io.BytesIO()
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(4_000_000, dtype=np.int32)), pa.array(["GB/s"]))
    with pq.ParquetWriter(stream, pa.schema([("unit", column.type)]), compression="zstd") as writer:
        for _ in range(20):
            writer.write_table(pa.table({"unit": column}), row_group_size=len(column))
    assert stream.tell() < 300_000
    assert "which can't be" in str(outcome(stream.getvalue()))


@pytest.mark.parametrize("filling", [b"{},", b'{"a":{}},'])
@pytest.mark.parametrize("name", [name for name in SEEDED if any(content.lstrip()[:1] in (b"{", b"[") for content in seeds_of(name))])
def test_json_of_millions_of_empty_objects_does_not_fill_the_memory(name, filling):
    """Fifteen megabytes, or a fifth of one packed, would become gigabytes."""
    content = next(content for content in seeds_of(name) if content.lstrip()[:1] in (b"{", b"["))
    at = content.find(b"{") + 1
    found = outcome(content[:at] + b'"filling": [' + filling * (15_000_000 // len(filling)) + b"1], " + content[at:], name)
    # Whoever reads it must have dropped it on the way.
    assert isinstance(found, Measurements) or re.search("too many|more than|no ", found), found


def test_a_long_name_of_a_column_is_not_repeated_whole():
    name = "9" * 5000
    assert "twice" in str(outcome(f"{name},{name},quantity,unit,value\n1,1,power,W,1\n".encode()))
    with pytest.raises(InputError) as caught:
        readers.read_text(f"{name},quantity,unit,value\n1,power,W,1\n", profile_by="rack")
    assert len(str(caught.value)) < 300


def test_parquet_whose_text_is_none():
    """Its text need not be UTF-8, nor its numbers fit a float."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream = io.BytesIO()
    pq.write_table(pa.table({"quantity": ["bandwidth"], "unit": ["GB/s"], "value": [3.0], "hash": pa.array([2**63 + 1], pa.uint64())}), stream)
    assert isinstance(outcome(stream.getvalue()), Measurements)
    assert "is a damaged Parquet file" in str(outcome(stream.getvalue().replace(b"bandwidth", b"\xecandwidth")))


# --------------------------------------------------------------------------------------------------- real files


def test_every_example_is_found_as_one_format(examples_dir):
    """No reader but the right one is sure of a real file."""
    wanted = {
        "gpu_benches": "gpu-benches", "inferencex_agg": "inferencex", "kineto_trace": "kineto-trace", "llama_bench": "llama-bench",
        "mlperf_inference": "mlperf-inference", "mlperf_training": "mlperf-training", "nccl_tests": "nccl-tests",
        "vllm_bench_serve": "vllm-serving", "dcgm_exporter": "dcgm", "optimum_benchmark": "optimum-benchmark",
        "sglang_bench_serving": "serving-console", "babelstream": "babelstream", "nvbandwidth": "nvbandwidth",
        "mlperf_dashboard_csv": "mlperf-results", "megatron_golden": "training-record", "nemo_log": "training-log",
        "aiconfigurator_parquet": "aiconfigurator",
    }  # fmt: skip
    rows, wrong = [], []
    for path in sorted(p for p in examples_dir.glob("*/*") if p.is_file()):
        # A description of a system measures nothing: no reader shall take it.
        none = path.name.endswith(("_system.json", "_system.yaml"))
        with path.open("rb") as stream:
            text, parquet = opened(stream, path.name)
            if parquet is not None:
                names = parquet_columns(parquet, path.name)
                sure = {module.NAME: module.sniff_columns(names) for module in readers.formats() if hasattr(module, "sniff_columns")}
            else:
                head = text.peek_text(HEAD)
                sure = {module.NAME: module.sniff(head) for module in readers.formats()}
        known = [n for n in sure if sure[n] >= SURE]
        rows.append(f"{path.parent.name}/{path.name}: " + (", ".join(f"{n} {s:.2f}" for n, s in sure.items() if s) or "none"))
        if known != ([] if none else [wanted[path.parent.name]]):
            wrong.append(rows[-1])
    assert not wrong, "not one sure format:\n" + "\n".join(wrong) + "\n\nall files:\n" + "\n".join(rows)


def test_contributing_shows_a_whole_format_as_it_is():
    """The guide's reader and test are the package's own."""
    root = Path(__file__).resolve().parents[2]
    guide = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown = ["fingerprint/readers/bandwidth_test.py", "tests/readers/test_bandwidth_test.py"]
    code = [(root / path).read_text(encoding="utf-8") for path in shown]
    assert all(f"```python\n{text}```" in guide for text in code)
    assert sum(bool(line.strip()) for text in code for line in text.splitlines()) < 60


FOLDERS = {
    "mlperf-inference": ("closed/X/results/SYS/llama2-70b-99/Offline/performance/run_1/mlperf_log_summary.txt", "closed/X/systems/SYS.json"),
    "mlperf-training": ("X/results/SYS/llama2_70b_lora/result_0.txt", "X/systems/SYS.json"),
}
SYSTEM = b'{"accelerator_model_name": "NVIDIA H100 (x8)", "accelerators_per_node": 8, "number_of_nodes": "1", "system_name": "SYS"}'


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(st.data(), st.sampled_from(sorted(FOLDERS)))
def test_damaged_submissions(tmp_path_factory, data, name):
    """A folder's descriptions of systems are as little trusted as its results."""
    start, end = data.draw(st.sampled_from(spots(SYSTEM, re.compile(rb"\d+|\"[^\"]*\"|\{"))))
    damage = [seeds_of(name)[0], SYSTEM[:start] + data.draw(st.sampled_from(ABSURD)) + SYSTEM[end:]]
    if data.draw(st.booleans()):
        damage[0] = data.draw(damaged(name))
    folder = tmp_path_factory.mktemp("submission")
    for place, content in zip(FOLDERS[name], damage, strict=True):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(content)
    with limits(), suppress(InputError):
        assert len(readers.read(folder)) > 0
