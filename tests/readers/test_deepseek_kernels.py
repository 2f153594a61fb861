"""The reader of DeepGEMM's, DeepEP's and FlashMLA's prints, on lines written here."""

import io

import pytest

from fingerprint.errors import FormatError, InputError
from fingerprint.measurements import Measurements
from fingerprint.readers import deepseek_kernels

# Written from the tool's format definition, not copied
FIRST = (
    "Testing GEMM:\n"
    " > Performance (m=   64, n= 2112, k= 7168):   10 us | throughput:  206 TFLOPS, 1688 GB/s\n"
    " > Performance (num_groups=4, expected_m_per_group= 256, n=4096, k=7168):  101 us | throughput:  823 TFLOPS, 1300 GB/s\n"
)
SECOND = (
    " > Perf (m=   128, n=  2112, k=  7168, 1D2D, layout=NT, BF16, acc=0):   10.1 us |  384 TFLOPS | 1716 GB/s | 1.05x cuBLAS speedup\n"
    " > Perf (m=     1, n=  2112, k=  7168, layout=NT, BF16, acc=0):    9.9 us |    3 TFLOPS | 1600 GB/s | 1.00x cuBLAS\n"
    " > Perf (num_groups=4, m= 8192, n=  4096, k= 7168, 1D2D, layout=NT, psum=False):  400 us | 1203 TFLOPS |  600 GB/s\n"
)
EXCHANGE = (
    "[config] num_tokens=4096, hidden=7168, num_topk=8\n"
    "[tuning] SMs 24, NVL chunk 30: 352.43 GB/s (NVL), 453.49 us\n"
    "[tuning] Best dispatch (FP8): SMs 24, NVL chunk 30, 352.43 GB/s (NVL), t: 453.49 us\n"
    "[tuning] Best combine: SMs 24, NVL chunk 6: 330.10 GB/s (NVL)\n"
    "[tuning] Best dispatch (FP8): SMs 24, NVL chunk 20, RDMA chunk 8: 43.36 GB/s (RDMA), 141.61 GB/s (NVL)\n"
)
RANKS = "".join(
    f"[rank {r}] Dispatch bandwidth: {98 + r}.00 GB/s, avg_t=77.10 us | Combine bandwidth: 120.00 GB/s, avg_t=114.20 us\n"
    for r in range(3)
)
LATENT = (
    "b=128, s_q=1, mean_sk=4096, h_q=16, h_kv=1, d=576, dv=512, causal=True, varlen=False\n"
    "0.215 ms, 85 TFLOPS, 2826 GB/s\n"
)


def read(text: str) -> Measurements:
    return deepseek_kernels.read(io.StringIO(text), "run.txt")


def rows(text: str) -> list[dict[str, object]]:
    table = read(text)
    return [table.record(i) for i in range(len(table))]


def test_first_version():
    """The first DeepGEMM multiplies in FP8; a grouped product keeps a group's own rows."""
    plain, grouped = rows(FIRST)
    assert (plain["value"], plain["m"], plain["n"], plain["k"], plain["precision"]) == (206e12, 64, 2112, 7168, "fp8")
    assert (grouped["workload"], grouped["m"], grouped["groups"], grouped["value"]) == ("grouped-gemm", 256, 4, 823e12)


def test_second_version():
    """Scales tell FP8 from BF16; a rate of one digit gives way to its bandwidth; rows of all groups are shared out."""
    scaled, small, grouped = rows("\ufeff" + SECOND.replace("\n", "\r\n"))
    assert (scaled["precision"], scaled["value"]) == ("fp8", 384e12)
    assert (small["precision"], small["quantity"], small["value"]) == ("bf16", "bandwidth", 1600e9)
    assert (grouped["m"], grouped["groups"]) == (2048, 4)


def test_exchange():
    """The best of a tuning within a node counts for its GPU; what crosses nodes is left out."""
    dispatch, combine = rows(EXCHANGE)
    assert (dispatch["workload"], dispatch["value"], dispatch["precision"]) == ("dispatch", 352.43e9, "fp8")
    assert (combine["workload"], combine["value"], combine["precision"]) == ("combine", 330.1e9, "bf16")
    assert (dispatch["m"], dispatch["k"], dispatch["experts_per_token"], dispatch["accelerators"]) == (4096, 7168, 8, 8)
    assert "network" in read(EXCHANGE).ignored[0].why


def test_low_latency_ranks():
    """The low-latency exchange is the median over ranks, their number the count."""
    dispatch, combine = rows(RANKS)
    assert (dispatch["value"], combine["value"], dispatch["accelerators"]) == (99e9, 120e9, 3)


def test_latent_attention():
    """FlashMLA's shape and result make a rate and a bandwidth; a baseline is left out."""
    rate, width = rows(LATENT + "perf torch: 9.000 ms, 2 TFLOPS, 60 GB/s\n")
    assert (rate["value"], rate["batch"], rate["heads"], rate["context_tokens"]) == (85e12, 128, 16, 4096)
    assert width["value"] == 2826e9
    assert "head_dim" not in rate


@pytest.mark.parametrize("text", [FIRST, SECOND, EXCHANGE, RANKS, LATENT])
def test_found_by_content(text):
    """Each library's print is found by its content."""
    assert deepseek_kernels.sniff(text) >= 0.9


@pytest.mark.parametrize(
    ("text", "error"),
    [("", FormatError), ("Perf: 3 TFLOPS\n", FormatError), (FIRST.split("206", maxsplit=1)[0], InputError),
     (SECOND.replace("384", "9" * 30).replace("1716", "0").split(" > Perf (m=     1")[0], InputError)],
)  # fmt: skip
def test_unusable(text, error):
    """Lines cut before their rate and absurd rates hold no figure."""
    with pytest.raises(error):
        read(text)
