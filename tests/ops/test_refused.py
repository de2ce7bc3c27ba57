"""What the printer of bodies refuses: whatever is not in the subset, with its line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from absint.ops.libm.double_double import two_sum
from absint.ops.precision import Precision
from absint.ops.primitives import Bool, Int, Real, Wide, copysign
from absint.ops.printers import translate
from absint.ops.printers.typed_tree import TranslateError

TABLE = (0.1, 0.2)


def bad_mix(a: Real, b: Wide) -> Wide:
    return a + b


def bad_return(a: Real) -> Wide:
    return a


def bad_name(a: Real) -> Real:
    return a + UNKNOWN  # type: ignore[name-defined]  # noqa: F821


def bad_if(a: Real) -> Real:
    if a < 0.0:
        return -a
    return a


def bad_annotation(a: float) -> Real:
    return a


def bad_chain(a: Real) -> Bool:
    return 0.0 < a < 1.0


def bad_call(a: Real) -> Real:
    return max(a, 0.0)


def bad_arity(a: Real) -> Real:
    return copysign(a)  # type: ignore[call-arg]


def bad_tuple(a: Wide) -> Wide:
    return two_sum(a, a)  # type: ignore[return-value]


def bad_retype(a: Real) -> Real:
    t = a < 0.0
    t = a
    return t


def bad_index(a: Wide) -> Wide:
    return TABLE[a]  # type: ignore[call-overload]


def bad_power(a: Real) -> Real:
    return a**2


def bad_literal(i: Int) -> Int:
    return i + 0.5


BAD = [f for name, f in sorted(globals().items()) if name.startswith("bad_")]


@pytest.mark.parametrize("function", BAD, ids=lambda f: f.__name__)
def test_refuses(function: Callable[..., Any]) -> None:
    with pytest.raises(TranslateError, match=rf"{function.__name__}, line \d+: "):
        translate.print_array(function, Precision.F32)
