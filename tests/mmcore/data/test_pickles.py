"""Pickles are read, never run: what numpy writes arrives whole, and what would call anything is refused by name."""

from __future__ import annotations

import collections
import io
import os
import pickle
import pickletools
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmcore.data.sources.pickles import read_pickle
from mmcore.errors import CorpusError

RNG = np.random.default_rng(0)


def read(tmp_path: Path, data: bytes) -> Any:
    path = tmp_path / "data.pkl"
    path.write_bytes(data)
    return read_pickle(path)


def contents() -> dict[str, dict[str, object]]:
    ragged = np.empty(2, object)
    ragged[:] = [np.arange(3.0), "text"]
    return {
        "train": {
            "text": RNG.normal(size=(3, 5, 4)).astype(np.float32),
            "big_endian": np.arange(6, dtype=">i4").reshape(2, 3),
            "fortran": np.asfortranarray(RNG.normal(size=(3, 2))),
            "half": np.arange(4, dtype=np.float16),
            "flags": np.array([True, False]),
            "names": np.array(["a$_$1", "音声"]),
            "bytes": np.array([b"x[0]", b"yy"]),
            "nothing": np.zeros((0, 3)),
            "scalar": np.float32(1.5),
            "point": np.array(2.5),
            "id": ["v[0]", "v[1]"],
            "lengths": [np.int64(3), 2**70, -1, 300, 70_000],
            "tuple": (1, (2, (3, 4)), None, 0.1, True, b"\x00\xff" * 3),
            "long": "x" * 70_000,
            "set": {1, 2},
            "ordered": collections.OrderedDict(a=1),
            "ragged": ragged,
            "again": None,
        }
    }


def assert_same(mine: Any, other: Any) -> None:
    if isinstance(other, np.ndarray) and other.dtype != object:
        assert mine.dtype == other.dtype
        np.testing.assert_array_equal(mine, other)
    elif isinstance(other, dict):
        assert list(mine) == list(other)
        for key in other:
            assert_same(mine[key], other[key])
    elif isinstance(other, list | tuple | np.ndarray):
        assert type(mine) is type(other)
        assert len(mine) == len(other)
        for one, two in zip(mine, other, strict=True):
            assert_same(one, two)
    else:
        assert mine == other


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_numpy_writes_is_read_in_every_protocol(tmp_path: Path, protocol: int) -> None:
    data = contents()
    data["train"]["again"] = data["train"]["text"]
    read_back = read(tmp_path, pickle.dumps(data, protocol))
    assert_same(read_back, data)
    assert read_back["train"]["again"] is read_back["train"]["text"]


def test_python_2_pickles_are_read(tmp_path: Path) -> None:
    """cPickle of Python 2, protocol 2 and 0: byte strings for keys and for the bytes of arrays."""
    numbers = np.arange(3, dtype="<f4").tobytes()
    two = (
        b"\x80\x02}q\x00U\x05trainq\x01cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x03\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U" + bytes([len(numbers)]) + numbers + b"tbs."
    )
    read_back = read(tmp_path, two)
    assert_same(read_back, {"train": np.arange(3, dtype=np.float32)})
    zero = (
        b"(dp0\nS'train'\np1\ncnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I1\nt"
        b"cnumpy\ndtype\n(S'u1'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\nS'\\xff'\ntbs."
    )
    assert_same(read(tmp_path, zero), {"train": np.array([255], np.uint8)})


def test_large_arrays_are_views_into_the_file(tmp_path: Path) -> None:
    read_back = read(tmp_path, pickle.dumps({"x": np.zeros(100_000)}, 4))
    assert read_back["x"].base is not None
    assert not read_back["x"].flags.writeable


class Call:
    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call[0], self.call[1:]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_call_is_refused_by_name_and_does_not_happen(tmp_path: Path, protocol: int) -> None:
    marker = tmp_path / "marker"
    calls = {
        f"{os.system.__module__}.system": Call(os.system, f"touch {marker}"),
        "eval": Call(eval, f"open({str(marker)!r}, 'w')"),
        "touch": Call(Path.touch, marker),
        "getattr": Call(getattr, [], "pop"),
        "numpy.load": Call(np.load, str(marker)),
        "bytearray": Call(bytearray, 10**12),
    }
    for name, call in calls.items():
        for data in (call, {"train": [call]}, np.array([call], object), {"x": np.array([[1, call]], object)}):
            with pytest.raises(CorpusError, match="Do not trust this file") as told:
                read(tmp_path, pickle.dumps(data, protocol))
            assert "found a call of" in told.value.message
            assert "numpy.savez" in told.value.message
            if name in ("eval", "bytearray", "getattr"):
                assert name in str(told.value.found)
    assert not marker.exists()


def test_the_name_and_the_way_out_are_told(tmp_path: Path) -> None:
    import pandas as pd

    with pytest.raises(CorpusError) as told:
        read(tmp_path, pickle.dumps({"train": pd.DataFrame({"a": [1]})}))
    assert str(told.value.found).startswith("a call of pandas.")
    assert "mmstudy data import numpy data.npz --out DIR" in str(told.value.next_step)


def test_pickles_within_bytes_or_objects_stay_bytes(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    inner = pickle.dumps(Call(os.system, f"touch {marker}"))
    read_back = read(tmp_path, pickle.dumps({"x": np.array([inner, b"a"], object), "y": inner}))
    assert read_back["x"][0] == inner
    assert not marker.exists()


ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
F4 = b"cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R"


def dtype(code: bytes, state: bytes = b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb") -> bytes:
    return b"cnumpy\ndtype\nU" + bytes([len(code)]) + code + b"K\x00K\x01\x87R" + state


def array(shape: bytes, of: bytes, data: bytes) -> bytes:
    return b"\x80\x02" + ARRAY + b"K\x00\x85U\x01b\x87R(K\x01" + shape + of + b"\x89" + data + b"tb."


HUGE = b"\x8a\x06" + (10**12).to_bytes(6, "little")
NO_FLAGS = b"(K\x03U\x01|NNNK\x08K\x08K\x00tb"
FORGED = {
    "an array that is allocated at once": b"\x80\x02" + ARRAY + HUGE + b"\x85U\x01b\x87R.",
    "a class in place of ndarray": b""
    b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\ndtype\nK\x00\x85U\x01b\x87R.",
    "a shape without bytes": array(HUGE + b"\x85", dtype(b"f4"), b"U\x00"),
    "a shape of nothings": array(HUGE + b"\x85", dtype(b"S0"), b"U\x00"),
    "addresses for objects": array(b"K\x01\x85", dtype(b"O8", NO_FLAGS), b"U\x08AAAAAAAA"),
    "more objects than there are": array(HUGE + b"\x85", dtype(b"O8"), b"]K\x01a"),
    "a negative shape": array(b"J\xff\xff\xff\xff\x85", dtype(b"f4"), b"U\x00"),
    "fields": array(b"K\x01\x85", dtype(b"V8"), b"U\x08AAAAAAAA"),
    "a type that numpy would parse": array(b"K\x01\x85", dtype(b"f4,O"), b"U\x0cAAAAAAAAAAAA"),
    "a state for a list": b"\x80\x02]}b.",
    "a state for a name": b"\x80\x02cnumpy\nndarray\n}b.",
    "text that claims more": b"\x80\x04\x8d" + struct.pack("<Q", 2**60) + b"abc.",
    "bytes that claim more": b"\x80\x04\x8e" + struct.pack("<Q", 2**63 - 1) + b"abc.",
    "a number of 2 GB": b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"\x01.",
    "a number of negative length": b"\x80\x02\x8b" + struct.pack("<i", -5) + b"\x01.",
    "a memo of 2**32 places": b"\x80\x02Nr" + struct.pack("<I", 2**32 - 1) + b"h\x00.",
    "a deep key": b"\x80\x02})" + b"\x85" * 200_000 + b"Ns.",
    "a line without end": b"I" + b"1" * 100,
    "digits without end": b"I" + b"1" * 100_000 + b"\n.",
    "no instruction": b"\x80\x04\xff.",
    "nothing on the stack": b".",
    "nothing at all": b"",
    "half a dictionary": pickle.dumps({"a": np.arange(100.0)})[:-40],
    "a mark for an object": b"(.",
    "an object of a class": b"\x80\x04N}\x92.",
    "an object from outside": b"Pmodel\n.",
    "an instance": b"(ios\nsystem\n.",
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_pickles_are_told_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(CorpusError) as told:
        read(tmp_path, FORGED[name])
    assert len(told.value.message) < 900
    assert told.value.next_step


def test_a_deep_tuple_neither_overflows_nor_hangs(tmp_path: Path) -> None:
    value = read(tmp_path, b"\x80\x02)" + b"\x85" * 100_000 + b".")
    assert isinstance(value, tuple)


def test_bent_bytes_end_in_a_value_or_an_error_of_ours(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    wholes = [pickle.dumps(contents(), protocol) for protocol in (0, 2, 4, 5)]
    told = 0
    for at in range(1200):
        data = bytearray(wholes[at % len(wholes)])
        instructions = [place for _, _, place in pickletools.genops(io.BytesIO(bytes(data))) if place is not None]
        for _ in range(int(rng.integers(1, 4))):
            data[min(int(rng.choice(instructions)) + int(rng.integers(0, 2)), len(data) - 1)] = int(
                rng.integers(0, 256)
            )
        try:
            read(tmp_path, bytes(data))
        except CorpusError:
            told += 1
    assert told > 300


@pytest.mark.parametrize(("data", "kind"), [(b"PK\x03\x04", "a zip archive"), (b"\x1f\x8b\x08", "a gzip file")])
def test_files_of_another_kind_are_told(tmp_path: Path, data: bytes, kind: str) -> None:
    with pytest.raises(CorpusError, match=f"not a complete pickle.*{kind}"):
        read(tmp_path, data + bytes(100))


def test_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="cannot be read"):
        read_pickle(tmp_path / "nowhere.pkl")
