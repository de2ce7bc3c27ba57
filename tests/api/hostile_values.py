"""Values of hostile types, shapes and layouts, and what each means in plain Python if it means anything.

Numbers of every type of Python and NumPy, arrays that are masked, swapped, misaligned, ragged or full of
text, and what is no argument at all. Nothing here takes much memory, whatever is done with it.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from absint.ir.graph import Graph

JUNK: Any = object()
"""What a value means that means nothing."""


class Given(NamedTuple):
    """An argument, and the plain value that means the same; `JUNK` if there is none."""

    value: Any
    plain: Any


Draw = Callable[[Random], Given]


def same(value: Any) -> Given:
    """A value that is plain already."""
    return Given(value, value)


class MyInt(int):
    """A subclass that lies when it is printed or compared."""

    def __repr__(self) -> str:
        return "\x1b[31m" + "9" * 10_000


class MyFloat(float):
    """A subclass of a number."""


class MyStr(str):
    """A subclass that splits as it likes."""

    def split(self, *_: Any) -> Any:
        return [self, self]


class Index:
    """Not a number, but of use as an index."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __index__(self) -> Any:
        return self.value


class Nameless:
    """Cannot be printed."""

    def __repr__(self) -> str:
        raise RuntimeError("no name")


INTS = (int, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, MyInt, Index)
FLOATS = (float, np.float16, np.float32, np.float64, np.longdouble, MyFloat, Fraction)
LARGE = (2**31, 2**32 + 7, 2**63 - 1, 2**64, 2**70, 10**400, 10**5000, -(2**63), -(10**400))

_JUNK: tuple[Callable[[], Any], ...] = (
    lambda: None, object, Nameless, lambda: "x", lambda: "", lambda: "1", lambda: "\ud800", lambda: b"x",
    lambda: "\x1b[2J" * 1000, lambda: MyStr("x"), lambda: np.str_("x"), lambda: 1j, lambda: np.complex64(1),
    lambda: Decimal("0.5"), lambda: [], lambda: {}, set, lambda: (1.0,), lambda: [1.0, 2.0, 3.0],
    lambda: {"x": 1}, lambda: {1.0, 2.0}, lambda: np.zeros(3), lambda: np.array(0.5), lambda: np.array("a"),
    lambda: np.array([None, 1], object), lambda: np.datetime64("2020-01-01"), lambda: np.timedelta64(3, "s"),
    lambda: memoryview(b"abcd"), lambda: bytearray(b"abcd"), lambda: array("d", [1.0]), lambda: range(3),
    lambda: iter([1.0, 2.0]), lambda: itertools.repeat(1.0), lambda: (lambda: 0), lambda: int, lambda: True,
    lambda: np.True_, lambda: float("nan"), lambda: float("inf"), lambda: -1, lambda: 0, lambda: -0.5,
    lambda: Index("a"), lambda: Index(1.5), lambda: np.ma.masked, lambda: NotImplemented, lambda: ...,
    lambda: np.zeros((2, 2), "f4,i4"), lambda: np.void(b"12"), lambda: [[1.0], [1.0, 2.0]], lambda: [[[]]],
    lambda: 2.0**1023, lambda: 5e-324, lambda: np.float32("nan"), lambda: np.longdouble(1) / 3,
)  # fmt: skip


def junk(random: Random) -> Given:
    """Something that is wrong nearly everywhere."""
    value = random.choice(_JUNK)() if random.random() < 0.9 else random.choice(LARGE)
    return Given(value, JUNK)


def number(*usual: float) -> Draw:
    """A number of any type."""

    def draw(random: Random) -> Given:
        value = random.choice(usual)
        kind = random.choice(FLOATS if value != int(value) else FLOATS + INTS[:-2])
        if kind in INTS and not (0 <= value < 100):
            kind = np.int64
        made = kind(value)
        return Given(made, float(made))

    return draw


def whole(*usual: int) -> Draw:
    """A whole number of any type."""

    def draw(random: Random) -> Given:
        value = random.choice(usual)
        kinds = INTS if 0 <= value < 100 else (int, MyInt, Index)
        return Given(random.choice(kinds)(value), value)

    return draw


def pair(draw: Draw) -> Draw:
    """Two numbers, as a tuple, list or array."""

    def draw_pair(random: Random) -> Given:
        first, second = draw(random), draw(random)
        kind = random.choice((tuple, list, lambda two: np.array([float(one) for one in two]), iter))
        two = (first.value, second.value)
        plain = (first.plain, second.plain)
        return Given(kind(two), plain if JUNK not in plain else JUNK)

    return draw_pair


def one_of(*values: Any) -> Draw:
    """One of some plain values."""
    return lambda random: same(random.choice(values))


def text(*usual: str) -> Draw:
    """A text, or an object of a subclass that is it."""
    return lambda random: Given(
        (word := random.choice(usual)) if random.random() < 0.7 else np.str_(word := random.choice(usual)),
        str(word),
    )


# Arrays

_DTYPES = ("?", "b", "B", "h", "H", "i", "I", "q", "Q", "e", "f", "d", "g", ">f4", ">f8", ">i2", ">u8")
_WRONG = ("F", "D", "U3", "S3", "O", "M8[s]", "m8[s]", "V4")
_SHAPES: tuple[tuple[int, ...], ...] = (
    (), (1,), (2,), (3,), (17,), (0,), (3, 1), (1, 3), (2, 3), (0, 3), (1, 1, 1, 1), (40, 40),
)  # fmt: skip
_ALIKE = ((), (3,))


def points(random: Random) -> Given:
    """Points: an array of any type and layout, a list, or a number."""
    kind = random.randrange(20)
    if kind < 3:
        return number(0.0, 0.25, -0.5, 1.0, 3.0)(random)
    shape = random.choice(_SHAPES if random.random() < 0.3 else _ALIKE)
    seeds = np.array([random.choice((0.0, 1.0, 0.5, -0.25, 0.7, 2.0)) for _ in range(int(np.prod(shape)))])
    if kind < 5:
        return Given(seeds.reshape(shape).tolist(), np.asarray(seeds.reshape(shape).tolist()))
    if kind == 5:
        return Given(random.choice((np.ma.masked_array, np.ma.masked_less))(seeds, random.randrange(2)), JUNK)
    if kind == 6:
        with np.errstate(all="ignore"):
            return Given(seeds.reshape(shape).astype(random.choice(_WRONG)), JUNK)
    if kind == 7:
        return Given([seeds.tolist(), np.ma.masked_equal(seeds, 0.0)], JUNK)
    with np.errstate(all="ignore"):
        values = seeds.reshape(shape).astype(random.choice(_DTYPES))
    value = laid_out(random, values)
    return Given(value, np.array(np.asarray(value), order="C"))


def laid_out(random: Random, values: Any) -> Any:
    """The same numbers, or some of them, in another layout."""
    kind = random.randrange(8)
    if kind == 1:
        return np.asfortranarray(values)
    if kind == 2 and values.ndim:
        return values[::-1]
    if kind == 3 and values.ndim:
        return np.repeat(values, 2, axis=0)[::2]
    if kind == 4 and values.size:
        return as_strided(values, (3, *values.shape), (0, *values.strides), writeable=False)
    if kind == 5:
        raw = np.zeros(values.nbytes + 1, np.uint8)
        raw[1:] = np.frombuffer(values.tobytes(), np.uint8)
        return np.ndarray(values.shape, values.dtype, raw, 1)
    if kind == 6:
        values.flags.writeable = False
    if kind == 7:
        return values.view(np.recarray) if values.dtype.kind == "V" else values.view(_Sub)
    return values


class _Sub(np.ndarray[Any, Any]):
    """A subclass of arrays."""


def picture(height: int, width: int, random: Random) -> Any:
    """Something to draw into: seldom what is wanted."""
    room = np.zeros((2 * height + 2, 2 * width + 2), np.uint8)
    return random.choice(
        (
            room[:height, :width].copy(), room[:height, :width], room[:height, : 2 * width : 2],
            room[height - 1 :: -1, :width], room.T[:height, :width], room[:height, :width].view(_Sub),
            np.zeros((height, width)), np.zeros((height, width), np.int8),
            np.zeros((width, height), np.uint8),
            np.ma.zeros((height, width), np.uint8), np.broadcast_to(np.uint8(0), (height, width)),
            as_strided(room, (height, width), (1, 1)), as_strided(room, (height, width), (0, 1)),
            np.frombuffer(bytes(height * width), np.uint8).reshape(height, width), bytearray(height * width),
            None, None, None,
        )
    )  # fmt: skip


# Graphs


def graph(random: Random, sound: Sequence[Graph]) -> Given:
    """A sound graph, or one of which a field is something else."""
    base = random.choice(sound)
    if random.random() < 0.3:
        return same(base)
    name = random.choice(("op", "args", "constants", "lines", "variables", "names", "logic"))
    old = getattr(base, name)
    changed = _changed(random, old) if random.random() < 0.9 else random.choice(_JUNK)()
    return Given(replace(base, **{name: changed}), JUNK)


def _changed(random: Random, old: Any) -> Any:
    if isinstance(old, np.ndarray):
        return _changed_array(random, old.copy())
    if isinstance(old, Mapping):
        made: dict[Any, Any] = dict(old)
        made[random.choice((0, -1, 1, 10**9, True, "x", np.int64(0)))] = random.choice(
            ("x", "", "a b", 1, None)
        )
        return made
    if isinstance(old, tuple):
        names: list[Any] = list(old)
        names[random.randrange(len(names))] = random.choice(
            ("a", "a b", "#", 5, None, np.str_("q"), "\ud800")
        )
        return random.choice((tuple, list))(names[random.randrange(2) :])
    return random.choice(_JUNK)()


def _changed_array(random: Random, old: Any) -> Any:
    kind = random.randrange(4)
    if kind == 0:
        with np.errstate(all="ignore"):
            return old.astype(random.choice(_DTYPES))
    if kind == 1:
        return laid_out(random, old)
    if kind == 2:
        return random.choice(
            (old[:-1], old[:, None], old.tolist(), old.view(_Sub), np.concatenate([old, old]))
        )
    place = tuple(random.randrange(size) for size in old.shape)
    numbers = (0, 1, 2, 5, 100, 250) if old.dtype == np.uint8 else (0, -1, -2, 1, 3, 10**9, -(2**31))
    old[place] = random.choice(numbers)
    return old
