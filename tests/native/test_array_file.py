"""Arrays come back as they were, and bytes that hold none are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from absint.native.array_file import pack, unpack

KINDS = st.sampled_from(["u1", "<i4", "<i8", "<f4", "<f8", ">f8"]).map(np.dtype)
ARRAYS = arrays.arrays(KINDS, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0))


@given(st.dictionaries(st.text(), ARRAYS, max_size=5))
def test_arrays_come_back(given: dict[str, np.ndarray]) -> None:
    data = pack(given)
    found = unpack(data)
    assert list(found) == list(given)
    for name, array in given.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()
        assert not found[name].flags.writeable
        assert found[name].flags.c_contiguous


def test_arrays_in_another_order_are_made_contiguous() -> None:
    square = np.arange(12, dtype=np.int32).reshape(3, 4)
    assert (unpack(pack({"t": square.T}))["t"] == square.T).all()


def test_arrays_begin_at_whole_cache_lines() -> None:
    data = pack({"a": np.ones(3, np.uint8), "b": np.full(2, 7.0)})
    assert data.index(np.full(2, 7.0).tobytes()) % 64 == 0


def test_objects_are_not_written() -> None:
    with pytest.raises(AssertionError):
        pack({"a": np.array(["text"])})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"junk",
        b"[1]\n",
        b'[["a"]]\n',
        b'[["a", "O", [1]]]\n' + bytes(100),
        b'[["a", "no dtype", [1]]]\n' + bytes(100),
        b'[["a", "<f8", [-1]]]\n' + bytes(100),
        b'[["a", "<f8", "x"]]\n' + bytes(100),
        b'[["a", "<f8", [%d]]]\n' % (10**30),
        b"[" * 100_000,
        pack({"a": np.zeros(100)})[:-64],
        pack({"a": np.zeros(100)})[64:],
    ],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack(data)
