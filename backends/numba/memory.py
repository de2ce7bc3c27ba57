"""Memory that kernels work on."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from absint.native.arrays import address_of
from absint.native.records import Record

LINE = 64
"""Bytes of a cache line."""


def aligned(shape: int | tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Uninitialised memory that begins at a cache line."""
    size = math.prod(shape if isinstance(shape, tuple) else (shape,)) * np.dtype(dtype).itemsize
    room = np.empty(size + LINE, np.uint8)
    start = -address_of(room) % LINE
    return room[start : start + size].view(dtype).reshape(shape)  # type: ignore[no-any-return]  # views are Any for NumPy


class Room(NamedTuple):
    """Uninitialised memory that only kernels look into."""

    elements: int


R = TypeVar("R", bound=Record)


def allocate(kind: type[R], /, **fields: Any) -> R:
    """A record and the rooms that its fields point to: `Room(n)` is memory for n elements of the field.

    All lies in one array, each part at a cache line: to make many takes longer than small programs run.
    """
    rooms = {name: value for name, value in fields.items() if isinstance(value, Room)}
    sizes_of = {name: kind.fields[name].dtype.itemsize for name in rooms}
    sizes = [kind.dtype.itemsize, *(sizes_of[name] * room.elements for name, room in rooms.items())]
    ends = list(accumulate(-(-size // LINE) * LINE for size in sizes))
    memory = aligned(ends[-1], np.uint8)
    memory[: sizes[0]] = 0
    record: R = kind.from_buffer(memory)
    for name, end in zip(rooms, ends, strict=False):
        setattr(record, name, record.address + end)
    for name in fields.keys() - rooms.keys():
        setattr(record, name, fields[name])
    return record
