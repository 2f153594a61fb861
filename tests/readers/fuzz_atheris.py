"""Coverage-guided fuzzing of the readers, beside the damage by chance of test_hostile.py, whose demands it shares.

Needs `atheris` (``pip install atheris``), which is no dependency and is not run by pytest::

    python tests/readers/fuzz_atheris.py            # every format in turn, 15 s each
    python tests/readers/fuzz_atheris.py 60 kineto-trace dcgm

What is found lies in ``.hypothesis/fuzz/FORMAT/`` beside the words of the formats and the inputs that reached new code; run the same command
again to go on from there. A finding becomes a test, or a seed.
"""

import re
import subprocess
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["fingerprint"]):
    import test_hostile as hostile

    from fingerprint import readers

    readers.formats()

WORK = Path(".hypothesis/fuzz")


def words(content: bytes) -> list[bytes]:
    """Return the words of a seed, which bytes changed at random would hardly ever spell."""
    found = dict.fromkeys(re.findall(rb"\"[\w %/()-]{2,40}\"|[A-Za-z_][\w.:/-]{2,40}", content))
    return [word for word in found if b"/etc/" not in word][:400]


def dictionary(folder: Path, contents: list[bytes]) -> Path:
    """Write libFuzzer's dictionary of a format."""
    place = folder / "words.dict"
    told = [word for content in contents for word in words(content)] + hostile.ABSURD[:24] + [b"\x1b[31m", b"\r", b"\xef\xbb\xbf"]
    lines = {'"' + "".join(f"\\x{byte:02x}" for byte in word) + '"' for word in told if 0 < len(word) < 60}
    place.write_text("\n".join(sorted(lines)) + "\n")
    return place


def fuzz(name: str, seconds: int) -> None:
    """Fuzz one format; never returns."""
    folder = WORK / name
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for i, content in enumerate(hostile.seeds_of(name)):
        (corpus / f"seed{i}").write_bytes(content)
    options = [f"-max_total_time={seconds}", f"-dict={dictionary(folder, hostile.seeds_of(name))}", f"-artifact_prefix={folder}/", "-max_len=20000",
               "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=0", str(corpus)]  # fmt: skip
    # Half of the inputs as this format, half as whatever they look like.
    atheris.Setup([sys.argv[0], *options], lambda content: hostile.outcome(content, None if content[:1] in b" {" else name))
    atheris.Fuzz()


def main(seconds: int, names: list[str]) -> int:
    """Fuzz the formats, each in a process of its own, and return how many gave a finding."""
    failed = []
    for name in names:
        done = subprocess.run([sys.executable, __file__, "--one", str(seconds), name], check=False, capture_output=True, text=True)
        told = done.stdout + done.stderr
        runs = re.search(r"number_of_executed_units:\s*(\d+)", told)
        new = len(list((WORK / name / "corpus").glob("*")))
        print(f"{name:20} {runs[1] if runs else '?':>9} inputs, {new} kept, {'FOUND' if done.returncode else 'nothing'}", flush=True)  # noqa: T201
        if done.returncode:
            failed.append(name)
            (WORK / name / "finding.txt").write_text(told)
    return len(failed)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        fuzz(sys.argv[3], int(sys.argv[2]))
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 15, sys.argv[2:] or hostile.SEEDED))
