"""Derivatives of the operations, in forward mode: from tangents of the operands to the tangent of the result.

A *tangent* is the derivative of a value in one of the program's variables. A node that does not depend on the
variable has no tangent here, None; its tangent is +0, and no term with such a factor is evaluated: the
derivative of `x * c` in x is c, not NaN, for an infinite x. Bodies are written in basic operations in a fixed
order, so that tangents too are equal to the bit on every backend. What is not differentiable is not singled
out: where a formula divides zero by zero the tangent is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from absint.ops.basic import max_ as greater
from absint.ops.basic import round_
from absint.ops.libm.functions import cos32, cos64, sin32, sin64
from absint.ops.precision import Precision
from absint.ops.primitives import Bool, Real, copysign, sqrt

Body = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Terms:
    """The tangent is a sum: the term of each operand that has a tangent, the first operand's first.

    `bodies`: for each operand, and of that for each precision, the body of its term, which gets the operands,
    the result, and the operand's tangent. Without terms the tangent is +0 everywhere.
    """

    bodies: tuple[tuple[Body, Body], ...]

    def tangent(
        self, precision: Precision, operands: Sequence[Any], result: Any, tangents: Sequence[Any]
    ) -> Any:
        """See `Op.tangent`."""
        total = None
        for body, tangent in zip(self.bodies, tangents, strict=False):
            if tangent is not None:
                term = body[precision is Precision.F64](*operands, result, tangent)
                total = term if total is None else total + term
        return total


@dataclass(frozen=True, slots=True)
class Selection:
    """The result is one of two operands, and the tangent is the tangent of that operand.

    `takes_first`: a body of the operands that returns whether the result is the first one.
    """

    takes_first: Body

    def tangent(
        self, precision: Precision, operands: Sequence[Any], result: Any, tangents: Sequence[Any]
    ) -> Any:
        """See `Op.tangent`."""
        if tangents[0] is None and tangents[1] is None:
            return None
        taken = tangents[0] if self.takes_first(*operands) else tangents[1]
        return precision.real(0.0) if taken is None else taken


Derivative = Terms | Selection


def terms(*bodies: Body | tuple[Body, Body]) -> Terms:
    """A term for each operand; one body serves both precisions, a pair has one for each."""
    return Terms(tuple(body if isinstance(body, tuple) else (body, body) for body in bodies))


FLAT = terms()
"""The derivative of steps: +0, also where they jump."""


def of_neg(a: Real, result: Real, tangent: Real) -> Real:
    """(-a)' = -a'."""
    return -tangent


def of_abs(a: Real, result: Real, tangent: Real) -> Real:
    """The tangent with the sign of `a`, also of a zero; NaN for NaN, whose sign says nothing."""
    return copysign(1.0, a) * tangent if a == a else a


def of_recip(a: Real, result: Real, tangent: Real) -> Real:
    """(1/a)' = -(1/a) (a'/a); nothing overflows on the way."""
    return -(result * (tangent / a))


def of_sqrt(a: Real, result: Real, tangent: Real) -> Real:
    """a' / (2 sqrt(a))."""
    return tangent / (result + result)


def of_square(a: Real, result: Real, tangent: Real) -> Real:
    """a a' + a a', the same bits as the product of `a` with itself has."""
    half = tangent * a
    return half + half


def of_sin32(a: Real, result: Real, tangent: Real) -> Real:
    """cos(a) a'."""
    return cos32(a) * tangent


def of_sin64(a: Real, result: Real, tangent: Real) -> Real:
    """cos(a) a'."""
    return cos64(a) * tangent


def of_cos32(a: Real, result: Real, tangent: Real) -> Real:
    """-sin(a) a'."""
    return -(sin32(a) * tangent)


def of_cos64(a: Real, result: Real, tangent: Real) -> Real:
    """-sin(a) a'."""
    return -(sin64(a) * tangent)


def of_tan(a: Real, result: Real, tangent: Real) -> Real:
    """(1 + tan(a)^2) a'."""
    return (1.0 + result * result) * tangent


def of_asin(a: Real, result: Real, tangent: Real) -> Real:
    """a' / sqrt((1 - a) (1 + a)), which cancels nothing near the ends."""
    return tangent / sqrt((1.0 - a) * (1.0 + a))


def of_acos(a: Real, result: Real, tangent: Real) -> Real:
    """-a' / sqrt((1 - a) (1 + a))."""
    return -(tangent / sqrt((1.0 - a) * (1.0 + a)))


def of_atan(a: Real, result: Real, tangent: Real) -> Real:
    """a' / (1 + a^2)."""
    return tangent / (1.0 + a * a)


def of_exp(a: Real, result: Real, tangent: Real) -> Real:
    """e^a a'."""
    return result * tangent


def of_ln(a: Real, result: Real, tangent: Real) -> Real:
    """a' / a."""
    return tangent / a


def of_first(a: Real, b: Real, result: Real, tangent: Real) -> Real:
    """a', where the result is `a` plus what does not depend on `a`."""
    return tangent


def of_negated(a: Real, b: Real, result: Real, tangent: Real) -> Real:
    """-b', where the result is what does not depend on `b`, less `b`."""
    return -tangent


def of_product_first(a: Real, b: Real, result: Real, tangent: Real) -> Real:
    """a' b."""
    return tangent * b


def of_product_second(a: Real, b: Real, result: Real, tangent: Real) -> Real:
    """b' a."""
    return tangent * a


def of_dividend(a: Real, b: Real, result: Real, tangent: Real) -> Real:
    """a' / b."""
    return tangent / b


def of_divisor(a: Real, b: Real, result: Real, tangent: Real) -> Real:
    """-(a/b) (b'/b)."""
    return -(result * (tangent / b))


def of_atan2_first(a: Real, b: Real, result: Real, tangent: Real) -> Real:
    """b a' / (a^2 + b^2), scaled by the larger operand, so that no square overflows."""
    scale = greater(abs(a), abs(b))
    p = a / scale
    q = b / scale
    return q / (p * p + q * q) * (tangent / scale)


def of_atan2_second(a: Real, b: Real, result: Real, tangent: Real) -> Real:
    """-a b' / (a^2 + b^2), scaled likewise."""
    scale = greater(abs(a), abs(b))
    p = a / scale
    q = b / scale
    return -(p / (p * p + q * q) * (tangent / scale))


def of_modulus(a: Real, b: Real, result: Real, tangent: Real) -> Real:
    """-k b' for the whole number k of times that `b` was taken from `a`."""
    return -(round_((a - result) / b) * tangent)


def min_takes_first(a: Real, b: Real) -> Bool:
    """As `min` chooses."""
    return a < b or a != a


def max_takes_first(a: Real, b: Real) -> Bool:
    """As `max` chooses."""
    return a > b or a != a


def and_takes_first(a: Real, b: Real) -> Bool:
    """As `and` chooses."""
    return a == 0.0


def or_takes_first(a: Real, b: Real) -> Bool:
    """As `or` chooses."""
    return a != 0.0


OF_SIN = terms((of_sin32, of_sin64))
OF_COS = terms((of_cos32, of_cos64))
OF_SUM = terms(of_first, of_first)
OF_DIFFERENCE = terms(of_first, of_negated)
OF_PRODUCT = terms(of_product_first, of_product_second)
OF_QUOTIENT = terms(of_dividend, of_divisor)
OF_ATAN2 = terms(of_atan2_first, of_atan2_second)
OF_MOD = terms(of_first, of_modulus)
OF_MIN = Selection(min_takes_first)
OF_MAX = Selection(max_takes_first)
OF_AND = Selection(and_takes_first)
OF_OR = Selection(or_takes_first)
