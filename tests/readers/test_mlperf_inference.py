"""The reader of MLPerf Inference summaries and submission folders."""

import io
import json
from pathlib import Path

import pytest

from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Measurements
from fingerprint.readers import mlperf_inference as reader

RULE = "================================================"


def summary(
    scenario: str, *headline: str, stats: tuple[str, ...] = (), settings: tuple[str, ...] = (), **over: str
) -> str:
    """Return a summary in LoadGen's layout."""
    return "\n".join(
        [RULE, "MLPerf Results Summary", RULE, f"SUT name : {over.get('sut', 'PySUT')}", f"Scenario : {scenario}",
         f"Mode     : {over.get('mode', 'PerformanceOnly')}", *headline, f"Result is : {over.get('verdict', 'VALID')}",
         "  Min duration satisfied : Yes", "", RULE, "Additional Stats", RULE, *stats, "", RULE,
         "Test Parameters Used", RULE, "samples_per_query : 1", *settings, "",
         "No warnings encountered during test.", "", "No errors encountered during test.", ""]
    )  # fmt: skip


OFFLINE = summary("Offline", "Samples per second: 10", "Tokens per second: 3000")
SERVER = summary(
    "Server",
    "Completed samples per second    : 8.00",
    "Completed tokens per second: 2400.00",
    stats=(
        "Mean latency (ns)               : 45000000000",
        "Mean First Token latency (ns)               : 250000000",
        "Mean Time per Output Token (ns)                : 120000000",
    ),
    settings=("ttft_latency (ns): 2000000000", "tpot_latency (ns): 200000000"),
)


def _read(text: str, name: str = "summary.txt") -> Measurements:
    return reader.read(io.StringIO(text), name)


def _rows(table: Measurements) -> dict[tuple[str, str, str], float]:
    return {(r["workload"], r["phase"], r["quantity"]): r["value"] for r in map(table.record, range(len(table)))}


def _file(root: Path, place: str, text: str) -> None:
    path = root / place / "mlperf_log_summary.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def submission(tmp_path: Path) -> Path:
    """A small submission: two systems, copies, an accuracy and a compliance run."""
    acme = tmp_path / "tree" / "closed" / "Acme"
    one = acme / "results" / "H100-SXM-80GBx8_TRT"
    _file(one, "llama2-70b-99/Offline/performance/run_1", OFFLINE)
    _file(one, "llama2-70b-99/Offline/performance/run_2", OFFLINE.replace("3000", "2999"))
    _file(one, "llama2-70b-99/Offline/accuracy", summary("Offline", mode="AccuracyOnly"))
    _file(one, "llama2-70b-99/Offline/TEST06/performance/run_1", OFFLINE)
    _file(one, "llama2-70b-99.9/Offline/performance/run_1", OFFLINE)
    _file(one, "llama2-70b-99/Server/performance/run_1", SERVER)
    _file(one, "llama2-70b-99/Interactive/performance/run_1", SERVER)
    (one / "llama2-70b-99" / "Offline" / "measurements.json").write_text(json.dumps({"weight_data_types": "fp8"}))
    (acme / "systems").mkdir()
    (acme / "systems" / "H100-SXM-80GBx8_TRT.json").write_text(
        json.dumps(
            {
                "accelerator_model_name": "NVIDIA H100-SXM-80GB",
                "accelerators_per_node": "8",
                "number_of_nodes": 2,
                "system_name": "Acme One",
            }
        )
    )
    two = acme / "results" / "edge"
    percentiles = ("90.00 percentile latency (ns)   : 500000", "99.00 percentile latency (ns)   : 700000")
    single = summary("SingleStream", "90.0th percentile latency (ns) : 499999", stats=percentiles)
    _file(two, "resnet50/SingleStream/performance/run_1", single)
    _file(two, "resnet50/Offline/performance/run_1", single)
    many = summary("MultiStream", stats=percentiles).replace("samples_per_query : 1", "samples_per_query : 8")
    _file(two, "resnet50/MultiStream/performance/run_1", many)
    return tmp_path / "tree"


@pytest.mark.parametrize(
    "file, figures",
    [
        ("b200_llama2-70b-99_Offline", {("offline", "output_throughput"): 11264.4}),
        (
            "b200_llama2-70b-99_Server",
            {("serve", "output_throughput"): 10755.59, ("serve", "ttft"): 0.208804128, ("serve", "tpot"): 0.131536562},
        ),
        ("h100_llama2-70b-99_Offline", {("offline", "output_throughput"): 24524.9}),
        (
            "h100_llama2-70b-99_Server",
            {("serve", "output_throughput"): 21605.79, ("serve", "ttft"): 0.27592644, ("serve", "tpot"): 0.154960329},
        ),
    ],
)
def test_real_summaries(examples_dir: Path, file: str, figures: dict[tuple[str, str], float]) -> None:
    """Figures typed from the files come out in seconds and tokens a second, with the model of the SUT's name."""
    text = (examples_dir / "mlperf_inference" / f"{file}_mlperf_log_summary.txt").read_text()
    assert reader.sniff(text) == 1.0
    table = _read(text)
    expected = {("llama-2-70b", *key): pytest.approx(value) for key, value in figures.items()}
    assert _rows(table) == expected
    assert set(table.number("accelerators").astype(str)) == {"nan"}


def test_real_folder(examples_dir: Path, tmp_path: Path) -> None:
    """The real files in a submission's layout give the count of the real system record and its names as identity."""
    files = examples_dir / "mlperf_inference"
    for scenario in ("Offline", "Server"):
        text = (files / f"h100_llama2-70b-99_{scenario}_mlperf_log_summary.txt").read_text()
        _file(tmp_path, f"closed/NVIDIA/results/sys/llama2-70b-99/{scenario}/performance/run_1", text)
    (tmp_path / "closed/NVIDIA/systems").mkdir()
    (tmp_path / "closed/NVIDIA/systems/sys.json").write_text((files / "h100_system.json").read_text())
    table = reader.read_folder(tmp_path)
    assert table is not None
    assert table.profiles == ("NVIDIA/sys",)
    assert set(table.number("accelerators")) == {8.0}
    assert "NVIDIA H100-SXM-80GB" in table.identity["NVIDIA/sys"]
    assert table.per_accelerator()[0] == pytest.approx(24524.9 / 8)
    assert table.number("output_tokens")[0] == pytest.approx(24524.9 / 84.4792)


def test_folder_keeps_one_run_of_each_scenario(submission: Path) -> None:
    """Second runs, repeated tiers, accuracy, compliance and refiled single streams are left out."""
    table = reader.read_folder(submission)
    assert table is not None
    assert table.profiles == ("Acme/H100-SXM-80GBx8_TRT", "Acme/edge")
    edge = [r for r in map(table.record, range(len(table))) if r["profile"] == "Acme/edge"]
    assert [(r["statistic"], r["batch"], r["value"]) for r in edge] == [("p99", 8.0, 7e-4), ("p90", 1.0, 5e-4)]
    big = table.take(table.word("profile").equals("Acme/H100-SXM-80GBx8_TRT"))
    assert [r["quantity"] for r in map(big.record, range(len(big)))].count("output_throughput") == 3
    expected = {
        ("llama-2-70b", "offline", "output_throughput"): 3000.0,
        **{
            ("llama-2-70b", phase, quantity): value
            for phase in ("serve", "interactive")
            for quantity, value in (("output_throughput", 2400.0), ("ttft", 0.25), ("tpot", 0.12))
        },
    }
    assert _rows(big) == pytest.approx(expected)
    assert set(big.number("accelerators")) == {16.0}
    assert table.identity["Acme/H100-SXM-80GBx8_TRT"] == ("NVIDIA H100-SXM-80GB", "Acme One", "H100-SXM-80GBx8_TRT")
    assert set(big.take(big.word("phase").equals("offline")).word("precision")) == {"fp8"}
    assert any("counts its accelerators" in note and "edge" in note for note in table.notes)


def test_folder_given_at_any_depth(submission: Path) -> None:
    """A system's folder, or one run's, reads like its part of the whole."""
    run = submission / "closed/Acme/results/H100-SXM-80GBx8_TRT/llama2-70b-99/Offline/performance/run_1"
    for folder in (run.parents[3], run.parents[1], run):
        table = reader.read_folder(folder)
        assert table is not None
        assert table.profiles == ("Acme/H100-SXM-80GBx8_TRT",)
        assert table.record(len(table) - 1)["accelerators"] == 16.0
        assert ("llama-2-70b", "offline", "output_throughput") in _rows(table)


def test_folder_without_summaries_is_not_ours(tmp_path: Path) -> None:
    """Another reader may take it."""
    (tmp_path / "notes.txt").write_text("nothing")
    assert reader.read_folder(tmp_path) is None


def test_folder_with_one_damaged_summary_reads_the_rest(submission: Path) -> None:
    """The damaged one is named in a note; alone it is an error."""
    place = submission / "closed/Acme/results/edge/resnet50/SingleStream/performance/run_1/mlperf_log_summary.txt"
    place.write_text(place.read_text()[:300])
    table = reader.read_folder(submission)
    assert table is not None
    assert any("cut short" in note and "SingleStream" in note for note in table.notes)
    with pytest.raises(InputError, match="cut short"):
        reader.read_folder(place.parent)


@pytest.mark.parametrize(
    "model, count",
    [("AMD Instinct MI355X 288GB HBM3e (x87)", 87.0), ("AMD Instinct MI300X (x8), MI325X (x8)", 88.0), ("AMD Instinct MI355X", 88.0)],
)  # fmt: skip
def test_a_system_whose_last_node_is_not_full(tmp_path: Path, model: str, count: float) -> None:
    """The count in the model's name wins over nodes times accelerators, unless several are named."""
    _file(tmp_path, "closed/Acme/results/sys/llama2-70b-99/Offline/performance/run_1", OFFLINE)
    (tmp_path / "closed/Acme/systems").mkdir()
    record = {"accelerator_model_name": model, "accelerators_per_node": 8, "number_of_nodes": 11}
    (tmp_path / "closed/Acme/systems/sys.json").write_text(json.dumps(record))
    table = reader.read_folder(tmp_path)
    assert table is not None
    assert table.number("accelerators")[0] == count


def test_tight_limits_make_a_lone_server_run_interactive() -> None:
    """LoadGen calls both Server; 40 ms a token is the interactive limit of llama2-70b."""
    tight = SERVER.replace("tpot_latency (ns): 200000000", "tpot_latency (ns): 40000000")
    assert set(_read(SERVER).word("phase")) == {"serve"}
    assert set(_read(tight).word("phase")) == {"interactive"}


def test_results_without_tokens_are_samples_and_requests() -> None:
    """Vision and the like: samples a second offline, requests a second served."""
    offline = _read(summary("Offline", "Samples per second: 84.4792"))
    server = _read(summary("Server", "Completed samples per second    : 74.42"))
    assert offline.record(0)["unit"] == "sample/s"
    assert offline.record(0)["value"] == 84.4792
    assert server.record(0)["unit"] == "request/s"
    assert server.record(0)["value"] == 74.42
    assert "output_tokens" not in offline.record(0)


def test_a_lone_summary_says_what_it_lacks() -> None:
    """No model, no count: both stay empty, with a note each."""
    table = _read(OFFLINE)
    assert table.record(0).keys().isdisjoint({"workload", "accelerators"})
    assert any("name its model" in n for n in table.notes)
    assert any("how many accelerators" in n for n in table.notes)


def test_an_invalid_run_is_read_with_a_note() -> None:
    """The figure was measured all the same."""
    table = _read(summary("Offline", "Samples per second: 5", verdict="INVALID"))
    assert table.record(0)["value"] == 5.0
    assert any("INVALID" in note for note in table.notes)


def test_a_chip_in_the_sut_name_is_identity_only() -> None:
    """It is reported and changes no figure."""
    plain = _read(OFFLINE, "a")
    named = _read(OFFLINE.replace("PySUT", "NVIDIA H100-SXM-80GB"), "a")
    assert named.identity == {"a": ("NVIDIA H100-SXM-80GB",)}
    assert plain.identity == {}
    assert named.record(0) == plain.record(0)


def test_several_summaries_in_one_file() -> None:
    """One below the other, as cat makes them."""
    assert len(_read(OFFLINE + SERVER)) == 4


@pytest.mark.parametrize(
    "text, error, message",
    [
        ("Tokens per second: 3\n", FormatError, "no LoadGen summary"),
        ("MLPerf Results Summary\nnothing more\n", FormatError, "no 'Scenario'"),
        (OFFLINE[: len(OFFLINE) // 2], InputError, "cut short"),
        (summary("Offline", mode="AccuracyOnly"), InputError, "accuracy run"),
        (summary("Offline"), InputError, "no result"),
        (summary("Sideways", "Samples per second: 3"), InputError, "'Scenario' must be"),
        (summary("Offline", "Samples per second: many"), InputError, "must be a number"),
        (summary("Offline", "Samples per second: nan"), InputError, "not a number"),
        (summary("Offline", "Samples per second: -4"), InputError, "negative"),
    ],
)
def test_what_is_no_result_says_so(text: str, error: type[InputError], message: str) -> None:
    """One sentence with the file's name, never a figure."""
    with pytest.raises(error, match=message) as caught:
        _read(text, "run.txt")
    assert "run.txt" in str(caught.value)


@pytest.mark.parametrize(
    "stated, precision",
    [
        ("fp8", ("fp8", "")), ("INT8", ("int8", "")), ("fp4", ("fp4", "")), ("mxfp4", ("", "fp4")), ("UINT4", ("", "int4")),
        ("fp16", ("", "")), ("fp32", ("", "")), ("", ("", "")), ("BF16/F32/F8_E4M3/U8", ("", "")),
        ("{'clip1': 'fp16', 'unet': 'fp8', 'vae': 'int8'}", ("fp8", "")), ("float8", ("fp8", "")),
    ],
)  # fmt: skip
def test_stated_types(stated: str, precision: tuple[str, str]) -> None:
    """Narrow types are the arithmetic, published 4-bit formats the weights, wide ones settle nothing."""
    assert reader.stated_precision(stated) == precision


@pytest.mark.parametrize("head", ["", "quantity,unit,value\n", '{"MLPerf": 1}', "# nThread 1 nGpus 8"])
def test_other_files_are_not_taken(head: str) -> None:
    """The title decides."""
    assert reader.sniff(head) == 0.0
