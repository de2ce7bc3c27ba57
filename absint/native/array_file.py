"""A file format for named arrays: a line of JSON, then the arrays' memory. Reading copies nothing.

The first line is a list of `[name, dtype, shape]`; each array begins at a multiple of 64 bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ALIGNMENT = 64
_KINDS = "iuf"  # only numbers: no objects, no text


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The bytes of named arrays of numbers."""
    header = [[name, array.dtype.str, array.shape] for name, array in arrays.items()]
    assert all(array.dtype.kind in _KINDS for array in arrays.values()), (
        "an array of something else than numbers"
    )
    parts = [_pad(json.dumps(header).encode() + b"\n")]
    parts += [_pad(np.ascontiguousarray(array).tobytes()) for array in arrays.values()]
    return b"".join(parts)


def unpack(data: bytes) -> dict[str, NDArray[Any]]:
    """The arrays in bytes that `pack` made, read-only. Raises `ValueError` for other bytes."""
    line, newline, _ = data.partition(b"\n")
    place = len(_pad(line + newline))
    arrays = {}
    try:
        for name, kind, shape in json.loads(line):
            dtype = np.dtype(kind)
            if dtype.kind not in _KINDS:
                raise ValueError(f"{kind} is not a type of numbers")
            arrays[name] = np.frombuffer(data, dtype, math.prod(shape), place).reshape(shape)
            place += -(-arrays[name].nbytes // _ALIGNMENT) * _ALIGNMENT
    except (OverflowError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"not arrays: {error}") from error
    return arrays


def _pad(part: bytes) -> bytes:
    return part + bytes(-len(part) % _ALIGNMENT)
