"""A model file gives back what was stored, and damage of any kind is noticed before anything is used."""

import hashlib
import json
import os
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint import storage
from fingerprint.errors import ModelError

ARRAYS = {
    "f8": np.array([[1.0, -2.5], [np.inf, 1e-300]]),
    "f4": np.array([1.5], dtype="<f4"),
    "i4": np.arange(5, dtype="<i4"),
    "i2": np.zeros((0, 3), dtype="<i2"),
    "u1": np.array([[[7]]], dtype="|u1"),
    "number": np.array(3.0),
}


@pytest.fixture
def stored(tmp_path):
    """A stored model."""
    file = tmp_path / "model.fpm"
    storage.save(file, {"version": "1", "classes": ["hopper", "é"]}, ARRAYS)
    return file


def test_header_and_arrays_come_back(stored):
    header, arrays = storage.load(stored)
    assert (header["version"], header["classes"]) == ("1", ["hopper", "é"])
    assert list(arrays) == sorted(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_the_same_model_is_the_same_bytes(stored, tmp_path):
    storage.save(tmp_path / "again.fpm", {"classes": ["hopper", "é"], "version": "1"}, ARRAYS)
    assert (tmp_path / "again.fpm").read_bytes() == stored.read_bytes()


@pytest.mark.parametrize("array", [np.array(["word"]), np.array([object()]), np.zeros(1, dtype=">f8"), np.zeros(1, dtype="<i8")])
def test_only_plain_dtypes_are_stored(tmp_path, array):
    with pytest.raises(ModelError, match="dtype"):
        storage.save(tmp_path / "model.fpm", {}, {"a": array})


@given(st.data())
def test_any_changed_byte_is_noticed(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("damaged") / "model.fpm"
    storage.save(file, {"version": "1"}, ARRAYS)
    raw = bytearray(file.read_bytes())
    header_end = 16 + int.from_bytes(raw[8:16], "little")
    # The header's own words are not under the checksum; everything that decides how arrays are read is checked.
    at = data.draw(st.one_of(st.integers(0, 15), st.integers(header_end, len(raw) - 1)))
    raw[at] ^= data.draw(st.integers(1, 255))
    file.write_bytes(raw)
    with pytest.raises(ModelError):
        storage.load(file)


@given(st.data())
def test_a_damaged_header_is_an_error_of_ours_or_harmless(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("damaged") / "model.fpm"
    storage.save(file, {"version": "1"}, ARRAYS)
    raw = bytearray(file.read_bytes())
    header_end = 16 + int.from_bytes(raw[8:16], "little")
    raw[data.draw(st.integers(16, header_end - 1))] ^= data.draw(st.integers(1, 255))
    file.write_bytes(raw)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            _, arrays = storage.load(file)
        except ModelError:
            return
    assert all(array.dtype.str in storage.DTYPES for array in arrays.values())


@pytest.mark.parametrize("length", [0, 4, 8, 15, 16, 40, -1])
def test_a_file_cut_short_is_noticed(stored, length):
    stored.write_bytes(stored.read_bytes()[:length])
    with pytest.raises(ModelError):
        storage.load(stored)


def test_something_else_is_no_model(stored):
    stored.write_bytes(b"PK\3\4 an archive")
    with pytest.raises(ModelError, match="is no model of this program"):
        storage.load(stored)


def test_many_descriptions_of_the_same_bytes_are_refused_at_once(tmp_path):
    """A small file can't ask for hours of checking."""
    payload = b"\0" * 16
    entry = {"dtype": "<f8", "shape": [2], "offset": 0}
    for number in (2, storage.MOST_ARRAYS + 1):
        header = {"arrays": {f"a{i}": entry for i in range(number)}, "sha256": hashlib.sha256(payload).hexdigest()}
        text = json.dumps(header).encode()
        (tmp_path / "model.fpm").write_bytes(storage.MAGIC + len(text).to_bytes(8, "little") + text + payload)
        with pytest.raises(ModelError, match=r"damaged|more arrays"):
            storage.load(tmp_path / "model.fpm")


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(ModelError, match="is no file"):
        storage.load(tmp_path)
    with pytest.raises(ModelError, match="can't be read"):
        storage.load(tmp_path / "absent.fpm")


def test_a_pipe_that_never_ends_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelError, match="is no file"):
        storage.load(tmp_path / "pipe")


@pytest.mark.parametrize("header", [b"[" * 100_000, b'{"a":' * 50_000, b'{"sha256":' + b"9" * 100_000 + b"}"])
def test_a_header_made_to_exhaust_the_reader_is_refused(tmp_path, header):
    (tmp_path / "model.fpm").write_bytes(storage.MAGIC + len(header).to_bytes(8, "little") + header)
    with pytest.raises(ModelError):
        storage.load(tmp_path / "model.fpm")


def test_a_pickle_is_never_opened(tmp_path):
    """What joblib or pickle wrote is refused by its first bytes: no code of the file runs."""
    (tmp_path / "model.fpm").write_bytes(pickle.dumps(_Bomb()))
    with pytest.raises(ModelError, match="no model of this program"):
        storage.load(tmp_path / "model.fpm")


class _Bomb:
    def __reduce__(self):
        return os._exit, (7,)


def test_a_file_larger_than_any_model_is_not_read(stored, monkeypatch):
    monkeypatch.setattr(storage, "LARGEST_FILE", 10)
    with pytest.raises(ModelError, match="larger than any model"):
        storage.load(stored)


def forged(file, entry, payload=b"\0" * 16):
    """Write a file whose checksum is right and whose one array is described by ``entry``."""
    header = {"arrays": {"a": entry} if entry is not None else None, "sha256": hashlib.sha256(payload).hexdigest()}
    text = json.dumps(header).encode()
    file.write_bytes(storage.MAGIC + len(text).to_bytes(8, "little") + text + payload)


FORGED = {
    "object dtype": {"dtype": "|O", "shape": [1], "offset": 0},
    "no dtype": {"shape": [1], "offset": 0},
    "a list as dtype": {"dtype": ["<f8"], "shape": [1], "offset": 0},
    "too long": {"dtype": "<f8", "shape": [3], "offset": 0},
    "too far": {"dtype": "<f8", "shape": [1], "offset": 16},
    "before the start": {"dtype": "<f8", "shape": [1], "offset": -8},
    "negative shape": {"dtype": "<f8", "shape": [-1], "offset": 0},
    "two negatives": {"dtype": "<f8", "shape": [-1, -1], "offset": 0},
    "a shape that overflows": {"dtype": "<f8", "shape": [2**33, 2**33], "offset": 0},
    "a huge shape without elements": {"dtype": "<f8", "shape": [0, 2**70], "offset": 0},
    "words as shape": {"dtype": "<f8", "shape": ["many"], "offset": 0},
    "no shape": {"dtype": "<f8", "offset": 0},
    "a word as offset": {"dtype": "<f8", "shape": [1], "offset": "here"},
    "a number for an entry": 5,
    "no arrays": None,
    "bytes that no array has": {"dtype": "<f8", "shape": [1], "offset": 0},
    "an infinite shape": {"dtype": "<f8", "shape": [float("inf")], "offset": 0},
    "a shape that is a fraction of a word": {"dtype": "<f8", "shape": ["0x2"], "offset": 0},
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_description_is_refused(tmp_path, kind):
    forged(tmp_path / "model.fpm", FORGED[kind])
    with pytest.raises(ModelError):
        storage.load(tmp_path / "model.fpm")


def test_values_that_are_no_numbers_are_refused(tmp_path):
    forged(tmp_path / "model.fpm", {"dtype": "<f8", "shape": [2], "offset": 0}, np.array([1.0, np.nan]).tobytes())
    with pytest.raises(ModelError, match="no numbers"):
        storage.load(tmp_path / "model.fpm")


@pytest.mark.parametrize("header", [b"[]", b"5", b"null", b"{", b"\xff\xfe", b'{"arrays": {}}'])
def test_a_header_that_is_none_is_refused(tmp_path, header):
    (tmp_path / "model.fpm").write_bytes(storage.MAGIC + len(header).to_bytes(8, "little") + header)
    with pytest.raises(ModelError):
        storage.load(tmp_path / "model.fpm")
