"""Argument checks at the library's border: values of any type become plain Python numbers and strings, or
raise.

Inside the library an integer is exactly an `int`, a number a `float` and a name a `str`, so that kernels
never depend on a caller's types. In every function `what` names the argument in the message, and `error` is
the class raised.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Set
from itertools import islice
from numbers import Real

from absint.base.errors import AbsintError, UsageError, shown

Error = type[AbsintError]


def whole(value: object, what: str, error: Error = UsageError, least: int | None = None) -> int:
    """An integer, from any integer type. Raises `error` for other values and for integers below `least`."""
    if type(value) is not int:
        try:
            value = int.__index__(operator.index(value))  # type: ignore[arg-type]  # TypeError is caught
        except TypeError:
            raise error(f"{what} {shown(value)}: expected a whole number") from None
    if least is not None and value < least:
        raise error(f"{what} {shown(value)}: expected at least {least}")
    return value


def number(value: object, what: str, error: Error = UsageError) -> float:
    """A real number, from any real type but not from text, rounded to binary64; it may be infinite or NaN.

    Raises `error` for other values and for integers too large for binary64.
    """
    if type(value) is float:
        return value
    if not isinstance(value, float | int | Real):  # float and int for speed: checks against an ABC are slow
        raise error(f"{what} {shown(value)}: expected a real number")
    try:
        return float(value)
    except OverflowError:
        raise error(f"{what} {shown(value)}: too large for binary64") from None


def pair(value: object, what: str, error: Error = UsageError) -> tuple[float, float]:
    """Two real numbers, from an ordered iterable. Raises `error` for other values."""
    parts = elements(value, 2)
    if parts is None or len(parts) != 2:
        raise error(f"{what} {shown(value)}: expected two numbers")
    return number(parts[0], what, error), number(parts[1], what, error)


def elements(value: object, most: int) -> tuple[object, ...] | None:
    """The elements of an ordered iterable, at most `most` + 1 of them. None for text, and for values that are
    not iterable or have no order.
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
    """A string. Raises `error` for other values."""
    if type(value) is str:
        return value
    if not isinstance(value, str):
        raise error(f"{what} {shown(value)}: expected text")
    return str.__str__(value)


def words(value: object, what: str, error: Error = UsageError) -> tuple[str, ...]:
    """The strings in an iterable. Raises `error` for other values, and for a single string."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise error(f"{what} {shown(value)}: expected a sequence of names")
    return tuple(word(one, what, error) for one in value)
