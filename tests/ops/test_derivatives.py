"""Derivatives: near the true ones in binary64, and to the letter where the contract says what they are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf

from absint.ops.derivatives import FLAT, Selection, Terms
from absint.ops.precision import Precision
from absint.ops.printers.translate import array_form, c_source, print_numba
from absint.ops.table import BY_NAME, DIAGONALS, OPS, Op
from tests.support.operands import OPERATIONS, random_moderate, same, scaled, spicy

EVERY_OP = pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.name)
F64 = Precision.F64
NAN, INF = math.nan, math.inf

TRUE: dict[str, Callable[..., Any]] = {
    "neg": lambda a: -a,
    "abs": abs,
    "recip": lambda a: 1 / a,
    "sqrt": mp.sqrt,
    "square": lambda a: a * a,
    "sin": mp.sin,
    "cos": mp.cos,
    "tan": mp.tan,
    "asin": mp.asin,
    "acos": mp.acos,
    "atan": mp.atan,
    "exp": mp.exp,
    "ln": mp.log,
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "atan2": mp.atan2,
    "min": min,
    "max": max,
    "mod": lambda a, b: a - b * (mp.floor(a / b) if b > 0 else mp.ceil(a / b)),
}
"""The real functions whose derivatives are not 0 almost everywhere."""


def partials(op: Op, operands: Any, precision: Precision = F64) -> list[float]:
    """The tangents of a result where one operand at a time has the tangent 1; +0 for none."""
    real = precision.real
    with np.errstate(all="ignore"):
        given = [real(operand) for operand in operands]
        result = real(op.body(precision)(*given))
        found = []
        for place in range(op.arity):
            tangents = [real(1.0) if i == place else None for i in range(op.arity)]
            tangent = op.tangent(precision, given, result, tangents)
            found.append(0.0 if tangent is None else float(tangent))
    return found


@pytest.mark.parametrize("name", TRUE)
def test_partials_are_near_the_true_ones(name: str) -> None:
    """A handful of rounded operations, of which none cancels: 16 units in the last place are ample."""
    op = BY_NAME[name]
    rng = np.random.default_rng(1)
    compared = 0
    with mp.workdps(60):
        for drawn in rng.uniform(-1, 1, (scaled(60), op.arity)) * np.exp2(rng.integers(-8, 4)):
            operands = [mpf(float(value)) for value in drawn]
            with np.errstate(all="ignore"):
                if np.isnan(op.body(F64)(*drawn)):
                    continue  # no derivative outside of the function's domain
            found = partials(op, drawn)
            for place in range(op.arity):
                order = tuple(int(i == place) for i in range(op.arity))
                true = mp.diff(TRUE[name], tuple(operands) if op.arity > 1 else operands[0],
                               order if op.arity > 1 else 1, h=mpf(2) ** -80)  # fmt: skip
                assert abs(found[place] - true) <= 16 * F64.epsilon * abs(true), (drawn, place)
                compared += 1
    assert compared >= scaled(20)


@EVERY_OP
def test_partials_are_near_difference_quotients(op: Op) -> None:
    """Of every operation, those that are added later too: to five digits, of which truncation takes six."""
    rng = np.random.default_rng(2)
    step = 2.0**-20
    compared = 0
    body = op.body(F64)
    for drawn in rng.uniform(0.1, 0.9, (scaled(40), op.arity)) * rng.choice([-1, 1], (scaled(40), op.arity)):
        found = partials(op, drawn)
        for place in range(op.arity):
            beside = np.eye(op.arity)[place] * step
            with np.errstate(all="ignore"):
                above, below = (np.float64(body(*(drawn + sign * beside))) for sign in (1, -1))
            if np.isnan(above - below):
                continue  # no derivative outside of the function's domain
            quotient = (above - below) / (2 * step)
            assert abs(found[place] - quotient) <= 1e-5 * (1 + abs(quotient)), (drawn, place)
            compared += 1
    assert compared >= scaled(10)


@pytest.mark.parametrize(
    ("name", "operands", "expected"),
    [
        ("abs", (0.0,), (1.0,)),  # the sign is copied, that of a zero too
        ("abs", (-0.0,), (-1.0,)),
        ("abs", (NAN,), (NAN,)),
        ("min", (0.0, -0.0), (0.0, 1.0)),  # a tie gives the second operand
        ("min", (2.0, 2.0), (0.0, 1.0)),
        ("max", (2.0, 2.0), (0.0, 1.0)),
        ("min", (NAN, 1.0), (1.0, 0.0)),  # NaN wins
        ("max", (NAN, 1.0), (1.0, 0.0)),
        ("min", (1.0, NAN), (0.0, 1.0)),
        ("and", (-0.0, 3.0), (1.0, 0.0)),
        ("and", (NAN, 3.0), (0.0, 1.0)),
        ("or", (NAN, 3.0), (1.0, 0.0)),
        ("or", (0.0, 3.0), (0.0, 1.0)),
        ("floor", (2.0,), (0.0,)),  # steps are flat, also where they jump
        ("round", (0.5,), (0.0,)),
        ("compare", (1.0, 1.0), (0.0, 0.0)),
        ("not", (0.0,), (0.0,)),
        ("ceil", (NAN,), (0.0,)),
        ("sqrt", (0.0,), (INF,)),
        ("sqrt", (-1.0,), (NAN,)),
        ("recip", (0.0,), (-INF,)),
        ("div", (0.0, 0.0), (INF, NAN)),  # 1/0, and 0/0 times 1/0
        ("atan2", (0.0, 0.0), (NAN, NAN)),
        ("atan2", (1e300, 1e300), (5e-301, -5e-301)),  # squares do not overflow
        ("asin", (1.0,), (INF,)),
        ("acos", (1.0,), (-INF,)),
        ("mod", (-1.0, 3.0), (1.0, 1.0)),
        ("mod", (7.0, 2.0), (1.0, -3.0)),
        ("mul", (INF, 2.0), (2.0, INF)),
    ],
)
def test_kinks_and_ends(name: str, operands: tuple[float, ...], expected: tuple[float, ...]) -> None:
    for precision in Precision:
        if precision is Precision.F32 and name == "atan2" and operands[0] > 1:
            continue  # infinite in binary32
        found = partials(BY_NAME[name], operands, precision)
        assert same(found, expected, F64).all(), (precision, found)


@np.errstate(all="ignore")
def test_what_has_no_tangent_is_not_evaluated() -> None:
    x, c = np.float64(INF), np.float64(0.0)
    mul, add, sub = (BY_NAME[name] for name in ("mul", "add", "sub"))
    one, minus_zero = np.float64(1.0), np.float64(-0.0)
    assert mul.tangent(F64, (x, c), x * c, (one, None)) == 0.0  # not 0 + inf * 0
    assert math.isnan(mul.tangent(F64, (x, c), x * c, (one, np.float64(0.0))))
    for op in (add, sub):
        kept = op.tangent(F64, (x, c), x, (minus_zero, None))
        assert math.copysign(1.0, kept) == -1.0  # -0 + 0 would be +0
    for op in OPERATIONS:
        assert op.tangent(F64, (one,) * op.arity, one, (None,) * op.arity) is None
    flat = BY_NAME["floor"]
    assert flat.derivative is FLAT and flat.tangent(F64, (one,), one, (one,)) is None


@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
@np.errstate(all="ignore")
def test_a_diagonal_has_the_tangent_of_its_operation(precision: Precision) -> None:
    """To the bit, so that `mul(a, a)` may be computed as `square(a)` before gradients too."""
    rng = np.random.default_rng(3)
    values = np.concatenate([spicy(None, precision), random_moderate(rng, precision, scaled(100))])
    for code, diagonal in DIAGONALS.items():
        for a, tangent in itertools.product(values, values[:40]):
            result = OPS[code].body(precision)(a, a)
            both = OPS[code].tangent(precision, (a, a), result, (tangent, tangent))
            assert same(both, diagonal.tangent(precision, (a,), result, (tangent,)), precision), (a, tangent)


@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
@EVERY_OP
@np.errstate(all="ignore")
def test_bodies_have_the_same_bits_in_every_form(op: Op, precision: Precision) -> None:
    """The array form has the scalar's; the text for Numba and C can be printed."""
    derivative = op.derivative
    if isinstance(derivative, Terms):
        bodies = [pair[precision is F64] for pair in derivative.bodies]
        arity = op.arity + 2
    else:
        assert isinstance(derivative, Selection)
        bodies, arity = [derivative.takes_first], op.arity
    values = spicy(op, precision)
    rng = np.random.default_rng(4)
    columns = rng.choice(values, (arity, scaled(300)))
    for body in bodies:
        array = np.broadcast_to(array_form(body, precision)(*columns), columns.shape[1])
        scalar = np.array([body(*row) for row in columns.T])
        assert (array == scalar).all() if array.dtype == bool else same(array, scalar, precision).all()
        assert print_numba(body, precision) and c_source([body], precision)
