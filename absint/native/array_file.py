"""Named arrays as bytes, in a format of a few lines: a line of JSON, then the arrays as they lie in memory.

The first line is a list of `[name, dtype, shape]`; each array begins at a multiple of 64 bytes. What is read
is not copied.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ALIGNMENT = 64
_KINDS = "iuf"  # no objects, no text: only numbers


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The bytes of some arrays of numbers."""
    header = [[name, array.dtype.str, array.shape] for name, array in arrays.items()]
    assert all(array.dtype.kind in _KINDS for array in arrays.values()), (
        "an array of something else than numbers"
    )
    parts = [_padded(json.dumps(header).encode() + b"\n")]
    parts += [_padded(np.ascontiguousarray(array).tobytes()) for array in arrays.values()]
    return b"".join(parts)


def unpack(data: bytes) -> dict[str, NDArray[Any]]:
    """The arrays, read-only. Raises `ValueError` for bytes that `pack` did not make."""
    line, newline, _ = data.partition(b"\n")
    place = len(_padded(line + newline))
    arrays = {}
    try:
        for name, kind, shape in json.loads(line):
            dtype = np.dtype(kind)
            if dtype.kind not in _KINDS:
                raise ValueError(f"{kind} is no kind of number")
            arrays[name] = np.frombuffer(data, dtype, math.prod(shape), place).reshape(shape)
            place += -(-arrays[name].nbytes // _ALIGNMENT) * _ALIGNMENT
    except (OverflowError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"not arrays: {error}") from error
    return arrays


def _padded(part: bytes) -> bytes:
    return part + bytes(-len(part) % _ALIGNMENT)
