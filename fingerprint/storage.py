"""A model on disk: a magic word, a JSON header and plain arrays. Loading runs no code and imports nothing.

Layout: the 8 bytes ``FPMODEL1``, the header's length as a little-endian 64-bit integer, the header (UTF-8 JSON), the
arrays' bytes one after the other. The header names each array with dtype, shape and offset, and holds the SHA-256 of all
array bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
import stat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprint.errors import ModelError

MAGIC = b"FPMODEL1"
LARGEST_HEADER = 4_000_000
LARGEST_FILE = 200_000_000
MOST_ARRAYS = 256
DTYPES = {"<f8", "<f4", "<i4", "<i2", "|u1"}

Arrays = dict[str, npt.NDArray[Any]]


def save(path: Path, header: dict[str, Any], arrays: Arrays) -> None:
    """Write a header and arrays (of the dtypes in :data:`DTYPES`)."""
    payload, entries = b"", {}
    for name, array in arrays.items():
        if array.dtype.str not in DTYPES:
            raise ModelError(f"array {name!r} has the dtype {array.dtype.str}, not one of {sorted(DTYPES)}")
        entries[name] = {"dtype": array.dtype.str, "shape": list(array.shape), "offset": len(payload)}
        payload += np.ascontiguousarray(array).tobytes()
    full = {**header, "arrays": entries, "sha256": hashlib.sha256(payload).hexdigest()}
    text = json.dumps(full, sort_keys=True, ensure_ascii=False).encode()
    path.write_bytes(MAGIC + len(text).to_bytes(8, "little") + text + payload)


def load(path: Path) -> tuple[dict[str, Any], Arrays]:
    """Return header and arrays, checked.

    Raises
    ------
    ModelError
        If the file is missing, too large, no model, cut short, or its checksum, dtypes, shapes or values are off.
    """
    raw = _content(path)
    if raw[:8] != MAGIC:
        raise ModelError(f"{path.name} is no model of this program (it begins with {raw[:8]!r})")
    length = int.from_bytes(raw[8:16], "little")
    if length > min(LARGEST_HEADER, len(raw) - 16):
        raise ModelError(f"{path.name} is cut short or damaged: its header can't be {length:,} bytes")
    try:
        header = json.loads(raw[16 : 16 + length])
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path.name} is damaged: its header is no JSON") from error
    payload = memoryview(raw)[16 + length :]
    if not isinstance(header, dict) or header.get("sha256") != hashlib.sha256(payload).hexdigest():
        raise ModelError(f"{path.name} is damaged: its checksum does not match")
    arrays: Arrays = {}
    expected = 0
    try:
        if len(header["arrays"]) > MOST_ARRAYS:
            raise ModelError(f"{path.name} names more arrays than any model of ours ({MOST_ARRAYS})")
        for name, entry in header["arrays"].items():
            if entry["dtype"] not in DTYPES:
                raise ModelError(f"{path.name}: array {name!r} has the dtype {entry['dtype']!r}")
            dtype, shape, offset = np.dtype(entry["dtype"]), tuple(map(int, entry["shape"])), int(entry["offset"])
            count = math.prod(shape)
            if offset < 0 or min(shape, default=0) < 0 or offset + count * dtype.itemsize > len(payload):
                raise ModelError(f"{path.name}: array {name!r} reaches beyond the file")
            expected += count * dtype.itemsize
            arrays[name] = np.frombuffer(payload, dtype, count, offset).reshape(shape)
            if dtype.kind == "f" and np.isnan(arrays[name]).any():
                raise ModelError(f"{path.name}: array {name!r} holds values that are no numbers")
    except ModelError:
        raise
    except (KeyError, TypeError, AttributeError, OverflowError, ValueError) as error:
        raise ModelError(f"{path.name} is damaged: its header does not describe its arrays ({error})") from error
    # Arrays that share bytes, or bytes that no array has, are not of our making.
    if expected != len(payload):
        raise ModelError(f"{path.name} is damaged: its arrays take {expected:,} bytes of {len(payload):,}")
    return header, arrays


def _content(path: Path) -> bytes:
    """Return the bytes of a plain file of at most :data:`LARGEST_FILE`; a pipe or a device could give bytes for ever."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ModelError(f"{path.name} is no file")
        if status.st_size > LARGEST_FILE:
            raise ModelError(f"{path.name} is larger than any model of ours ({LARGEST_FILE:,} bytes)")
        with path.open("rb") as stream:
            return stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ModelError(f"{path.name} can't be read: {error.strerror or error}") from error
