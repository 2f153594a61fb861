"""What people do to files on the way: every reader gives the same figures, and nothing that is private or names hardware."""

import gzip
import io
import re
from pathlib import Path

import pytest

from fingerprint import readers
from fingerprint.readers import figures as figures_module

SEEDS = {place.stem: place.read_text(encoding="utf-8") for place in sorted(Path(__file__).parent.glob("seeds/*.txt"))}

#: A table begins with its header: log lines above it make it none. Markdown tables may stand below prose.
HEADED = ("table", "table.2", "inferencex.2", "plain-table.2")


def figures(content: bytes) -> list[dict]:
    table = readers.read(io.BytesIO(content), name="file")
    return [{k: v for k, v in table.record(i).items() if k != "profile"} for i in range(len(table))]


def coloured(text: str) -> str:
    return "".join(f"\x1b[1;32m{line}\x1b[0m\n" for line in text.splitlines())


CHANGES = {
    "lines end as on Windows": lambda text: text.replace("\n", "\r\n").encode(),
    "a byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "gzip": lambda text: gzip.compress(text.encode()),
    "gzip in two members": lambda text: gzip.compress(text[: len(text) // 2].encode()) + gzip.compress(text[len(text) // 2 :].encode()),
    "a terminal's colours": lambda text: coloured(text).encode(),
    "a terminal's title": lambda text: b"\x1b]0;user@host: ~\x07" + text.encode(),
    "blank lines around": lambda text: f"\n \n{text}\n\n".encode(),
}
NOISE = {
    "log lines around": lambda text: f"INFO 01-01 starting engine {{not json}} [1]\n{text.rstrip()}\nINFO done {{x}}\n".encode(),
    "a progress bar before": lambda text: f"  5%|#   | 1/20\r 10%|##  | 2/20\r\n{text}".encode(),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_figures_whatever_the_copy_went_through(seed, change):
    assert figures(CHANGES[change](SEEDS[seed])) == figures(SEEDS[seed].encode())


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("seed", [seed for seed in SEEDS if seed not in HEADED])
def test_the_same_figures_between_the_lines_of_a_log(seed, noise):
    assert figures(NOISE[noise](SEEDS[seed])) == figures(SEEDS[seed].encode())


def test_codes_of_a_terminal_may_fall_on_the_edge_of_a_block():
    """Text is decoded a mebibyte at a time."""
    long = "# " + "x" * ((1 << 20) - 6) + "\n"
    for shift in range(8):
        text = long[shift:] + "\x1b[32mquantity,unit,value,workload\x1b[0m\nbandwidth,GB/s,3000,copy\n"
        content = io.BytesIO(text.encode())
        lines = list(readers.opened(content, "x")[0])
        assert lines[1:] == ["quantity,unit,value,workload\n", "bandwidth,GB/s,3000,copy\n"]


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_private_is_kept_and_names_of_hardware_stay_apart(seed):
    """The seeds hold host names, paths, addresses, serial numbers and answers, marked by these words."""
    table = readers.read_text(SEEDS[seed], "file")
    kept = str([table.record(i) for i in range(len(table))])
    told = kept + str(table.identity) + str(table.notes) + str(table.ignored)
    assert re.findall(r"secret|someone|10\.0\.0\.\d|host-[ab]|localhost|GPU-\w|/home|/scratch|/opt/", told) == []
    assert [name for names in table.identity.values() for name in names if name in kept] == []


def test_the_seeds_do_hold_private_words():
    held = " ".join(SEEDS.values())
    assert all(word in held for word in ("secret", "someone", "10.0.0.", "host-a", "localhost", "GPU-", "/home", "/scratch", "/opt/"))


class Lines:
    """A log of any size: it is given line by line, and never as a whole."""

    def __init__(self, text: str) -> None:
        self.lines = iter(text.splitlines(keepends=True))
        self.head = text[:65_536]

    def peek_text(self, characters: int) -> str:
        return self.head[:characters]

    def readline(self) -> str:
        return next(self.lines, "")

    def __iter__(self):
        return self.lines

    def __next__(self) -> str:
        return next(self.lines)


LOGS = ("babelstream", "bandwidth-test", "dcgm", "deepseek-kernels", "genai-perf.2", "genai-perf.4", "gpu-benches", "gpu-fryer", "llama-bench.2",
        "mamf-finder", "mixbench", "mlperf-training", "nvidia-smi", "plain-table", "serving-console", "table", "training-log", "trtllm-bench")  # fmt: skip


@pytest.mark.parametrize("seed", [seed for seed in SEEDS if seed in LOGS or (seed.split(".")[0] in LOGS and seed != "trtllm-bench.2")])
def test_what_is_printed_is_read_line_by_line(seed):
    assert len(readers.named(seed.split(".")[0]).read(Lines(SEEDS[seed]), "file")) == len(figures(SEEDS[seed].encode()))


def test_more_figures_than_any_run_has_are_counted_but_not_taken(monkeypatch):
    monkeypatch.setattr(figures_module, "MOST_FIGURES", 3)
    table = readers.read_text(SEEDS["babelstream"] * 4, "file")
    assert len(table) == 3
    assert any("beyond the first 3" in note for note in table.notes)
