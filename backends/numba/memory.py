"""Memory that kernels work on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

LINE = 64
"""Bytes of a cache line."""


def aligned(shape: int | tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Uninitialised memory that begins at a cache line."""
    size = math.prod(shape if isinstance(shape, tuple) else (shape,)) * np.dtype(dtype).itemsize
    room = np.empty(size + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    return room[start : start + size].view(dtype).reshape(shape)  # type: ignore[no-any-return]  # views are Any for NumPy


class Block:
    """An int64 array for the kernels, with the arrays whose addresses it holds."""

    def __init__(self, layout: Any, /, **fields: Any) -> None:
        self._layout = layout
        self.words = aligned(len(layout), np.int64)
        self.words[:] = 0
        self.arrays: dict[str, NDArray[Any]] = {}
        self.parts: list[Block] = []
        self.set(**fields)
        self.address = self.words.ctypes.data

    def set(self, **fields: Any) -> None:
        """Put numbers and the addresses of arrays in their places."""
        for name, value in fields.items():
            if isinstance(value, np.ndarray):
                assert value.flags.c_contiguous
                self.arrays[name] = value
                value = value.ctypes.data
            self.words[getattr(self._layout, name)] = value
