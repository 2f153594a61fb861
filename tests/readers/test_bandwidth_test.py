from fingerprint import readers

# Written from the tool's format definition (bandwidthTest.cu), not copied.
OUTPUT = """[CUDA Bandwidth Test] - Starting...
 Device 0: NVIDIA A100-SXM4-40GB
 Host to Device Bandwidth, 1 Device(s)
   Transfer Size (Bytes)\tBandwidth(GB/s)
   32000000\t\t\t24.5
 Device to Device Bandwidth, 1 Device(s)
   Transfer Size (Bytes)\tBandwidth(GB/s)
   32000000\t\t\t1150.4
"""


def test_copies_are_found_and_the_name_stays_apart():
    table = readers.read_text(OUTPUT, "out")
    assert list(table.word("workload")) == ["host-copy", "copy"]
    assert table.number("value").tolist() == [24.5e9, 1150.4e9]
    assert table.identity == {"out": ("NVIDIA A100-SXM4-40GB",)}
    scrubbed = readers.read_text(OUTPUT.replace("NVIDIA A100-SXM4-40GB", "X"), "out")
    assert scrubbed.record(1) == table.record(1)
