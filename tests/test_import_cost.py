"""The one-file path loads nothing heavy: what a start must not import, checked in a fresh interpreter."""

import json
import subprocess
import sys

import pytest

HEAVY = ("sklearn", "scipy", "pandas", "matplotlib", "pyarrow", "joblib", "dask", "jinja2")


def loaded(code, *names):
    """Which of the named packages a fresh interpreter holds after running the code."""
    program = f"{code}\nimport sys, json\nprint(json.dumps([n for n in {names!r} if n in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_importing_the_package_imports_nothing_but_itself():
    assert loaded("import fingerprint", *HEAVY, "numpy", "click", "rich", "fingerprint.verdict") == []


@pytest.mark.parametrize("module", ["fingerprint.verdict", "fingerprint.cli", "fingerprint.readers", "fingerprint.report"])
def test_what_answers_one_file_loads_nothing_heavy(module):
    assert loaded(f"import {module}", *HEAVY, "fingerprint.lab") == []


def test_help_does_not_even_load_numpy():
    code = "import click.testing, fingerprint.cli as c\nclick.testing.CliRunner().invoke(c.classify_profile, ['--help'])"
    assert loaded(code, *HEAVY, "numpy", "rich") == []


def test_reading_a_table_and_making_its_vector_loads_nothing_heavy():
    code = (
        "from fingerprint.readers import read_text\nfrom fingerprint.features import vectors\n"
        "vectors(read_text('quantity,unit,value,workload\\nbandwidth,GB/s,3000,copy\\n'))"
    )
    assert loaded(code, *HEAVY, "fingerprint.lab") == []


def test_every_public_name_is_there_and_the_table_of_chips_is_a_call_away():
    import fingerprint

    for name in fingerprint.__all__:
        assert getattr(fingerprint, name) is not None
        assert name in dir(fingerprint)
    assert "H20-96GB" in fingerprint.chips().index
    with pytest.raises(AttributeError, match="no attribute 'weather'"):
        _ = fingerprint.weather


def test_classifying_one_file_loads_nothing_heavy(tmp_path):
    """From the command line to the JSON: neither scikit-learn nor pandas nor pictures nor another engine.

    Masked arrays are a tenth of NumPy's own start, and np.unique without an index or a count brings them in.
    """
    file = tmp_path / "one.csv"
    file.write_text("quantity,unit,value,workload,precision,m,n,k\ncompute_rate,TFLOP/s,120,gemm,bf16,8192,8192,8192\n")
    code = f"import click.testing, fingerprint.cli as c\nr = click.testing.CliRunner().invoke(c.classify_profile, ['--json', {str(file)!r}])\nassert r.exit_code == 0, r.output"
    assert loaded(code, *HEAVY, "fingerprint.lab", "fingerprint.batch", "distributed", "numba", "numpy.ma") == []
