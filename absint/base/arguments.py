"""What functions are given, made plain: sizes, numbers and words of any type become Python's, or are refused.

The border of the library: behind it a size is an `int`, a number a `float` and a name a `str`, exactly, so
that nothing that kernels are given depends on a caller's types. `error` is what a bad value raises.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Set
from itertools import islice
from numbers import Real

from absint.base.errors import AbsintError, UsageError, shown

Error = type[AbsintError]


def whole(value: object, what: str, error: Error = UsageError, least: int | None = None) -> int:
    """An integer of any type. Raises `error`, which begins with `what`, for others and those below
    `least`.
    """
    if type(value) is not int:
        try:
            value = int.__index__(operator.index(value))  # type: ignore[arg-type]  # what is none is caught
        except TypeError:
            raise error(f"{what} {shown(value)}: expected a whole number") from None
    if least is not None and value < least:
        raise error(f"{what} {shown(value)}: expected at least {least}")
    return value


def number(value: object, what: str, error: Error = UsageError) -> float:
    """A real number of any type, infinities and NaN too, rounded to binary64; text is none.

    Raises `error`, which begins with `what`, for other values and integers too large for binary64.
    """
    if type(value) is float:
        return value
    if not isinstance(value, float | int | Real):  # the former two for speed: `Real` is an abstract class
        raise error(f"{what} {shown(value)}: expected a real number")
    try:
        return float(value)
    except OverflowError:
        raise error(f"{what} {shown(value)}: too large for binary64") from None


def pair(value: object, what: str, error: Error = UsageError) -> tuple[float, float]:
    """Two real numbers, from a tuple, a list or whatever else has an order.

    Raises `error`, which begins with `what`, for what is not exactly two numbers.
    """
    parts = elements(value, 2)
    if parts is None or len(parts) != 2:
        raise error(f"{what} {shown(value)}: expected two numbers")
    return number(parts[0], what, error), number(parts[1], what, error)


def elements(value: object, most: int) -> tuple[object, ...] | None:
    """What an iterable holds, of one with more than `most` that many and one; None for text, for what is no
    iterable, or has no order.
    """
    if type(value) is tuple:
        return value
    if isinstance(value, str | bytes | Mapping | Set) or not isinstance(value, Iterable):
        return None
    try:
        return tuple(islice(value, most + 1))
    except TypeError:  # an array without dimensions
        return None


def word(value: object, what: str, error: Error = UsageError) -> str:
    """Text. Raises `error`, which begins with `what`, for other values."""
    if type(value) is str:
        return value
    if not isinstance(value, str):
        raise error(f"{what} {shown(value)}: expected text")
    return str.__str__(value)


def words(value: object, what: str, error: Error = UsageError) -> tuple[str, ...]:
    """Some texts, from a list or the like; a text alone is none. Raises `error`, which begins with `what`."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise error(f"{what} {shown(value)}: expected a sequence of names")
    return tuple(word(one, what, error) for one in value)
