"""Real arithmetic on affine forms, done in binary64 with every rounding error accounted for.

A form `(c, g, e)` states that a real number v equals `c + sum(g[i] * eps[i]) + d` at each point of a box, for
some |d| <= e. The position of variable i, eps[i] in [-1, 1], is the same for every form at that point. Each
method returns a form of the *real*, unrounded result and its *size*: a bound on |v|, by which the caller
scales the program's own rounding error. An operation that is not affine becomes a line near the best one
(Chebyshev's) and a bound on the distance from it. After Stolfi and de Figueiredo, Self-Validated Numerical
Methods (1997).

The rounding errors of all methods are bounded by one argument. Let u = 2^-53 and n the number of symbols. A
method computes c, g and e by rounded operations, at most `steps` on the path to any of them, from partial
results whose absolute values sum to at most `size`. Rounding to nearest moves a partial result p by at most
u|p|; a product that underflows moves by a further 2^-1074, and sums do not underflow. So the computed form
differs from the exact one by at most steps * u * size, plus UNDERFLOW where the method multiplies; both are
added to e. That also covers the sums taken later: `c ± (sum |g| + e)`, rounded at each step, still encloses
v, since it needs n + 3 more roundings of results <= size. Relative errors of u in `size` or in the rounding
term are of second order; each method's step count is rounded up generously to cover them. An overflow or NaN
anywhere reaches `size` and so e; such a form bounds nothing, and `Affine` then keeps only its interval.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from absint.ops.precision import Precision
from absint.ops.printers.translate import array_form
from absint.ops.table import EXP, LN

Terms = dict[str, Any]
"""Coefficients by variable."""

UNIT = 2.0**-53
"""Unit roundoff of binary64."""
UNDERFLOW = 2.0**-1060
"""Bound on what products lose by underflow: 2^14 of the smallest subnormals, enough for a thousand symbols.
"""
SYMBOLS = 4
"""Least number of symbols assumed when counting steps, so that zero terms do not change a result's error."""
NARROW = 2.0**-16
"""Width (for ln: relative) below which rounding spoils a chord's slope; the mean of the end slopes is used.
"""


class AffineForm(NamedTuple):
    """`centre + sum(terms[i] * eps[i]) ± error`, all binary64; bounds nothing where `error` is infinite."""

    centre: Any
    terms: Terms
    error: Any


Sized = tuple[AffineForm, Any]
"""A form and its size, a bound on the absolute value of the real result."""


def spread(form: AffineForm) -> Any:
    """Sum of the terms' absolute values, rounded to nearest at each step, in the order of the names."""
    terms = form.terms
    return reduce(operator.add, [abs(terms[name]) for name in sorted(terms)]) if terms else 0.0


def reach(form: AffineForm) -> Any:
    """Bound on the absolute value of a form, rounded to nearest."""
    return abs(form.centre) + (spread(form) + form.error)


def negate(form: AffineForm) -> AffineForm:
    """-v, exactly."""
    return AffineForm(-form.centre, {name: -term for name, term in form.terms.items()}, form.error)


class FormArithmetic:
    """Arithmetic on forms of one box or, if batched, of many boxes at once, with arrays as fields."""

    def __init__(self, batched: bool) -> None:
        self.where: Callable[[Any, Any, Any], Any] = np.where if batched else _where_scalar
        # exp and ln err by at most one ulp: a relative error of 2 UNIT
        exp, ln = EXP.body(Precision.F64), LN.body(Precision.F64)
        self._exp64 = array_form(exp, Precision.F64) if batched else exp
        self._ln64 = array_form(ln, Precision.F64) if batched else ln

    def rounding_error(self, size: Any, steps: int) -> Any:
        """Bound on what `steps` roundings in binary64 moved a form by; the module's docstring proves it."""
        return (steps * UNIT) * size

    def _with_rounding_error(self, centre: Any, terms: Terms, error: Any, size: Any) -> Sized:
        steps = 6 * max(len(terms), SYMBOLS) + 24
        return AffineForm(centre, terms, error + self.rounding_error(size, steps) + UNDERFLOW), size

    def add(self, a: AffineForm, b: AffineForm) -> Sized:
        """a + b."""
        terms = dict(a.terms)
        for name, term in b.terms.items():
            terms[name] = terms[name] + term if name in terms else term
        return self._sum(a.centre + b.centre, terms, a.error + b.error)

    def sub(self, a: AffineForm, b: AffineForm) -> Sized:
        """a - b."""
        terms = dict(a.terms)
        for name, term in b.terms.items():
            terms[name] = terms[name] - term if name in terms else -term
        return self._sum(a.centre - b.centre, terms, a.error + b.error)

    def _sum(self, centre: Any, terms: Terms, error: Any) -> Sized:
        # One rounding for each part: u * (|c| + sum |g| + e); n + 3 for the range; and one in reserve. No
        # underflow: a sum below 2^-1021 is exact, and so is everything after it. Above, steps * u * size is
        # at least 8 subnormals, so rounding it costs at most 1/16 of a step, less than the reserve.
        size = reach(AffineForm(centre, terms, error))
        return AffineForm(
            centre, terms, error + self.rounding_error(size, max(len(terms), SYMBOLS) + 8)
        ), size

    def mul(self, a: AffineForm, b: AffineForm) -> Sized:
        """a * b: the product of the centres, the cross terms, and the remaining products as error."""
        a_radius = spread(a) + a.error
        b_radius = spread(b) + b.error
        size_a, size_b = abs(a.centre), abs(b.centre)
        centre = a.centre * b.centre
        # (ca + p)(cb + q) - ca*cb - ca*gb*eps - cb*ga*eps, where |p| <= a_radius, |q| <= b_radius
        error = size_a * b.error + size_b * a.error + a_radius * b_radius
        terms = {name: term * b.centre for name, term in a.terms.items()}
        for name in sorted(b.terms):
            term = b.terms[name]
            cross = a.centre * term
            if name in terms:
                # of p*q, the part ga*gb*eps^2 lies in ga*gb*[0, 1]: half of it belongs to the centre
                half = 0.5 * (a.terms[name] * term)
                centre = centre + half
                error = error - abs(half)
                cross = terms[name] + cross
            terms[name] = cross
        return self._with_rounding_error(centre, terms, error, (size_a + a_radius) * (size_b + b_radius))

    def _line(self, a: AffineForm, slope: Any, lowest: Any, highest: Any, extra: Any) -> Sized:
        """The form of a result that differs from slope * a by a number in [lowest, highest].

        `extra`: bound on the partial results from which `lowest` and `highest` were computed.
        """
        size = abs(slope)
        return self._with_rounding_error(
            slope * a.centre + 0.5 * (highest + lowest),
            {name: slope * term for name, term in a.terms.items()},
            size * a.error + 0.5 * (highest - lowest),
            size * reach(a) + extra,
        )

    def square(self, a: AffineForm, lower: Any, upper: Any) -> Sized:
        """a * a for a in [lower, upper]."""
        # x^2 = 2mx - m^2 + (x-m)^2 for any m, and (x-m)^2 in [0, r^2] for r >= |x-m|
        middle = 0.5 * lower + 0.5 * upper
        radius = self.greater(upper - middle, middle - lower)
        offset, rest = middle * middle, radius * radius
        return self._line(a, 2.0 * middle, -offset, rest - offset, offset + rest)

    def sqrt(self, a: AffineForm, lower: Any, upper: Any) -> Sized:
        """The square root of a in [lower, upper]; negative a have none and are left out."""
        # For any k > 0, sqrt(x) - kx is concave: least at an end, at most 1/(4k), its value at x = 1/(4k^2).
        lower = self.greater(lower, 0.0)
        low, high = np.sqrt(lower), np.sqrt(upper)
        slope = 1.0 / (low + high)
        lowest = self.lesser(low - slope * lower, high - slope * upper)
        highest = 0.25 / slope
        return self._line(a, slope, lowest, highest, 2.0 * high + highest)

    def recip(self, a: AffineForm, lower: Any, upper: Any) -> Sized:
        """1 / a for a in [lower, upper]; bounds nothing if the interval holds 0."""
        # For x > 0 and any k >= 0, 1/x + kx is convex: greatest at an end, at least 2 sqrt(k), since
        # (1/sqrt(x) - sqrt(kx))^2 >= 0. For x < 0, 1/x + kx = -(1/-x + k(-x)).
        negative = upper < 0.0
        near, far = self.where(negative, -upper, lower), self.where(negative, -lower, upper)
        near = self.where(near > 0.0, near, np.nan)
        slope = 1.0 / (near * far)
        highest = self.greater(1.0 / near + slope * near, 1.0 / far + slope * far)
        lowest = 2.0 * np.sqrt(slope)
        first = self.where(negative, -highest, lowest)
        last = self.where(negative, -lowest, highest)
        return self._line(a, -slope, first, last, highest + lowest)

    def div(self, a: AffineForm, b: AffineForm, lower: Any, upper: Any) -> Sized:
        """a * (1 / b) for b in [lower, upper]; bounds nothing if the interval holds 0."""
        return self.mul(a, self.recip(b, lower, upper)[0])

    def exp(self, a: AffineForm, lower: Any, upper: Any) -> Sized:
        """e^a for a in [lower, upper]."""
        # For any k > 0, e^x - kx is convex: greatest at an end, at least k - k ln(k), its value at ln(k).
        low, high = self._exp64(lower), self._exp64(upper)
        width = upper - lower
        slope = self.where(width > NARROW, (high - low) / width, 0.5 * low + 0.5 * high)
        log = self._ln64(slope)
        highest = self.greater(low - slope * lower, high - slope * upper)
        lowest = slope - slope * log
        ends = abs(lower) + abs(upper) + abs(log) + 1.0
        return self._line(a, slope, lowest, highest, slope * ends + low + high)

    def ln(self, a: AffineForm, lower: Any, upper: Any) -> Sized:
        """The logarithm of a in [lower, upper]; bounds nothing unless lower > 0."""
        # For any k > 0, ln(x) - kx is concave: least at an end, at most -ln(k) - 1, its value at 1/k.
        low, high = self._ln64(lower), self._ln64(upper)
        width = upper - lower
        slope = self.where(width > NARROW * upper, (high - low) / width, 2.0 / (lower + upper))
        log = self._ln64(slope)
        lowest = self.lesser(low - slope * lower, high - slope * upper)
        highest = -log - 1.0
        ends = slope * (abs(lower) + abs(upper))
        return self._line(a, slope, lowest, highest, ends + abs(low) + abs(high) + abs(log) + 1.0)

    def blend(self, a: AffineForm, b: AffineForm, weight: Any, lowest: Any, highest: Any) -> Sized:
        """weight * a + (1 - weight) * b + [lowest, highest], for 0 <= weight <= 1."""
        rest = 1.0 - weight  # relative error u at most: it is exact for weight >= 1/2
        terms = {name: weight * term for name, term in a.terms.items()}
        for name, term in b.terms.items():
            terms[name] = terms[name] + rest * term if name in terms else rest * term
        return self._with_rounding_error(
            weight * a.centre + rest * b.centre + 0.5 * (highest + lowest),
            terms,
            weight * a.error + rest * b.error + 0.5 * (highest - lowest),
            weight * reach(a) + rest * reach(b) + (abs(lowest) + abs(highest)),
        )

    def bounds(self, form: AffineForm) -> tuple[Any, Any]:
        """Binary64 bounds of a form's values. Sound for a form that a method of this class returned,
        unchanged: its error pays for the roundings here.
        """
        radius = spread(form) + form.error
        return form.centre - radius, form.centre + radius

    def lesser(self, a: Any, b: Any) -> Any:
        """The smaller of two numbers; `b` if either is NaN."""
        return self.where(a < b, a, b)

    def greater(self, a: Any, b: Any) -> Any:
        """The larger of two numbers; `b` if either is NaN."""
        return self.where(a > b, a, b)


def _where_scalar(condition: Any, a: Any, b: Any) -> Any:
    return a if condition else b
