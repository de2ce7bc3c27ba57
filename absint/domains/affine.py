"""Affine forms reduced with intervals: values as linear functions of the variables, plus an error.

An element describes a node's value at each point of a box where the value is a number. The value lies in the
interval and, as a real number, equals the affine form at that point (see `affine_forms`). The form is bounded
only where the interval is finite; infinities and NaN are described by the interval alone.

The form stays valid where NaN is possible, since it describes numbers only: an operation has a sharp rule
only if its result is a number exactly where its operands are.

Symbols stand for variables only. Every other deviation goes into one error term per node, so elements do not
grow along a program. After Stolfi and de Figueiredo, Self-Validated Numerical Methods (1997).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from absint.domains.affine_forms import UNIT, AffineForm, FormArithmetic, negate, reach, spread
from absint.domains.interval import IntervalDomain
from absint.domains.lattice import Interval
from absint.ops.precision import Precision
from absint.ops.record import Extremum
from absint.ops.table import Op

UP = 1.0 + 4.0 * UNIT
"""Factor that compensates two roundings: (1 - u) * (1 - u) * UP > 1. Where the product with it underflows,
the rounded sum was exact.
"""

_errstate = np.errstate(all="ignore")


class Affine(NamedTuple):
    """A form and an interval; every numeric value of the node satisfies both.

    Two nodes with equal elements may still differ within the error, so `transfer` does not take `a - a` as
    zero or `a * a` as a square. A caller who knows that both operands are one node passes `square` instead of
    `mul`, as `interpret_abstract` does.
    """

    form: AffineForm
    interval: Interval


class AffineDomain:
    """Affine forms with one symbol per variable, intersected with intervals.

    Elements are comparable only within one box: a symbol is the variable's position between the bounds that
    it was made with.
    """

    name = "affine"
    relational = True

    def __init__(self, precision: Precision, batched: bool = False) -> None:
        self.precision = precision
        self.batched = batched
        self._intervals = IntervalDomain(precision, batched)
        self._forms = FormArithmetic(batched)
        self._where = self._forms.where
        self._all: Callable[[Any], Any] = _all if batched else bool
        self._any: Callable[[Any], Any] = _any if batched else bool
        self._wide: Callable[[Any], Any] = _wide_array if batched else np.float64
        self._narrow: Callable[[Any], Any] = _identity if precision is Precision.F64 else np.float32
        self._sharp: dict[str, Callable[[Op, Sequence[Affine]], Affine]] = {
            "neg": self._neg, "abs": self._abs, "min": self._choice, "max": self._choice,
            "add": self._sum, "sub": self._sum, "mul": self._mul, "div": self._div,
            "square": self._univariate, "sqrt": self._univariate, "recip": self._univariate,
            "exp": self._libm, "ln": self._libm,
        }  # fmt: skip

    # Elements

    def top(self) -> Affine:
        """Any value, NaN included."""
        return Affine(UNBOUNDED, self._intervals.top())

    def bottom(self) -> Affine:
        """No value."""
        return Affine(UNBOUNDED, self._intervals.bottom())

    def constant(self, value: float) -> Affine:
        """This value alone, rounded to the precision."""
        return self.from_interval(self._intervals.constant(value))

    @_errstate
    def variable(self, name: str, bounds: Interval) -> Affine:
        """A variable, with a symbol of its own. Not tight where the bounds are infinite or admit NaN."""
        centre, radius = self._midpoint(bounds)
        known = (radius < np.inf) & np.logical_not(bounds.may_nan)
        # exact: at position p, eps = (p - centre) / radius is in [-1, 1] because radius >= |p - centre|
        form = AffineForm(centre, {name: self._where(known, radius, 0.0)}, self._where(known, 0.0, np.inf))
        return Affine(form, bounds)

    @_errstate
    def from_interval(self, bounds: Interval) -> Affine:
        """An element without symbols: the interval, and the form that describes the same values."""
        centre, radius = self._midpoint(bounds)
        return Affine(AffineForm(centre, {}, radius), bounds)

    def _midpoint(self, bounds: Interval) -> tuple[Any, Any]:
        """Centre and radius of an interval, rounded outwards; (0, inf) if it is empty or unbounded."""
        lower, upper = self._wide(bounds.lower), self._wide(bounds.upper)
        half = 0.5 * (upper - lower)
        finite = (half >= 0.0) & (half < np.inf)
        centre = self._where(finite, lower + half, 0.0)
        return centre, self._where(finite, self._radius(lower, upper, centre), np.inf)

    def _radius(self, lower: Any, upper: Any, centre: Any) -> Any:
        """Upper bound on the distance of either end from the centre; 0 if both ends are the centre."""
        # sound: each difference has a relative error u at most, and none below the normal numbers
        return self._forms.greater(upper - centre, centre - lower) * UP

    def to_interval(self, element: Affine) -> Interval:
        """The element's interval."""
        return element.interval

    @_errstate
    def refine(self, element: Affine, bounds: Interval) -> Affine:
        """The element with its interval narrowed to `bounds`."""
        return self._with_tighter_form(element.form, self._intervals.refine(element.interval, bounds))

    @_errstate
    def join(self, a: Affine, b: Affine) -> Affine:
        """The hull of the intervals, and the mean of the forms with an error that covers both."""
        names = {**a.form.terms, **b.form.terms}
        p, q = ({name: form.terms.get(name, 0.0) for name in names} for form in (a.form, b.form))
        terms = {name: 0.5 * p[name] + 0.5 * q[name] for name in names}
        centre = 0.5 * a.form.centre + 0.5 * b.form.centre
        mean = AffineForm(centre, terms, 0.0)
        # sound: v_a = mean + (form_a - mean), and the difference is bounded without knowing eps
        error = self._forms.greater(self._distance(a.form, mean), self._distance(b.form, mean))
        return self._with_tighter_form(
            AffineForm(centre, terms, error), self._intervals.join(a.interval, b.interval)
        )

    def _distance(self, a: AffineForm, b: AffineForm) -> Any:
        """Upper bound on the distance, at a point, from a value of `a` to the line of `b` without error."""
        difference, _ = self._forms.sub(
            AffineForm(a.centre, a.terms, 0.0), AffineForm(b.centre, b.terms, 0.0)
        )
        gap = reach(difference)
        return self._where(gap > 0.0, (gap + a.error) * UP, a.error)

    @_errstate
    def leq(self, a: Affine, b: Affine) -> Any:
        """Whether every value of `a` is certainly a value of `b`, at each point. May answer False wrongly."""
        near = self._distance(a.form, b.form) <= b.form.error
        # a form without terms contains whole intervals
        constant = spread(b.form) == 0.0
        near = near | (constant & (self._radius(*self._ends(a), b.form.centre) <= b.form.error))
        empty = a.interval.lower > a.interval.upper
        return self._intervals.leq(a.interval, b.interval) & (near | empty)

    def contains(self, element: Affine, value: Any) -> Any:
        """Whether the interval holds the value. `contains_at` decides it for one point, with the form."""
        return self._intervals.contains(element.interval, value)

    @_errstate
    def less(self, a: Affine, b: Affine) -> Any:
        """Whether the intervals or the difference of the forms prove a < b."""
        difference, _ = self._forms.sub(a.form, b.form)
        return self._intervals.less(a.interval, b.interval) | (self._forms.bounds(difference)[1] < 0.0)

    @_errstate
    def less_equal(self, a: Affine, b: Affine) -> Any:
        """Whether the intervals or the difference of the forms prove a <= b."""
        difference, _ = self._forms.sub(a.form, b.form)
        return self._intervals.less_equal(a.interval, b.interval) | (self._forms.bounds(difference)[1] <= 0.0)

    # Transfer functions

    @_errstate
    def transfer(self, op: Op, operands: Sequence[Affine]) -> Affine:
        """The result of an operation: by its affine rule if it has one, else by its interval rule."""
        sharp = self._sharp.get(op.name)
        return self.from_interval(self._rule(op, operands)) if sharp is None else sharp(op, operands)

    def _rule(self, op: Op, operands: Sequence[Affine]) -> Interval:
        return self._intervals.transfer(op, [operand.interval for operand in operands])

    def _ends(self, element: Affine) -> tuple[Any, Any]:
        return self._wide(element.interval.lower), self._wide(element.interval.upper)

    def program_error(self, size: Any) -> Any:
        """Bound on the program's own rounding of a result of this size: half an ulp in its precision."""
        return self.precision.epsilon * size + self.precision.tiny

    def _round(self, form: AffineForm, size: Any, rule: Interval) -> Affine:
        """The element of a correctly rounded operation, whose real result has this form and size."""
        return self._reduce(form, self.program_error(size), rule)

    def _reduce(self, form: AffineForm, program_error: Any, rule: Interval) -> Affine:
        """The element of `form`'s values rounded to the precision, which moves each by at most
        `program_error`.

        `rule`: the operation's interval rule, which the form's bounds may narrow.
        """
        # sound: rounding is monotone, so what is real in [p, q] rounds into [fl(p), fl(q)], overflow included
        lower, upper = self._forms.bounds(form)
        interval = self._intersect(rule, self._narrow(lower), self._narrow(upper))
        return self._with_tighter_form(
            AffineForm(form.centre, form.terms, form.error + program_error), interval
        )

    def _intersect(self, rule: Interval, lower: Any, upper: Any) -> Interval:
        """The intersection of `rule` and [lower, upper]; a NaN end does not bound."""
        low = self._where(lower > rule.lower, lower, rule.lower)
        high = self._where(upper < rule.upper, upper, rule.upper)
        if not self._all(low <= high):
            real = self.precision.real
            empty = low > high
            low, high = self._where(empty, real(np.inf), low), self._where(empty, real(-np.inf), high)
        return Interval(low, high, rule.may_nan)

    def _with_tighter_form(self, form: AffineForm, interval: Interval) -> Affine:
        """The element of a form and an interval. Where the form is unusable or no tighter than the interval's
        own form, the latter replaces it.
        """
        lower, upper = self._wide(interval.lower), self._wide(interval.upper)
        half = 0.5 * (upper - lower)
        keep = (form.error <= half) & (half < np.inf)
        if self._all(keep):
            return Affine(form, interval)
        # no loss: the interval's form has no terms and an error not above the old one
        centre, radius = self._midpoint(interval)
        terms = {name: self._where(keep, term, 0.0) for name, term in form.terms.items()}
        return Affine(
            AffineForm(self._where(keep, form.centre, centre), terms, self._where(keep, form.error, radius)),
            interval,
        )

    def _neg(self, op: Op, operands: Sequence[Affine]) -> Affine:
        return Affine(negate(operands[0].form), self._rule(op, operands))

    def _sum(self, op: Op, operands: Sequence[Affine]) -> Affine:
        combine = self._forms.add if op.name == "add" else self._forms.sub
        return self._round(*combine(operands[0].form, operands[1].form), self._rule(op, operands))

    def _mul(self, op: Op, operands: Sequence[Affine]) -> Affine:
        return self._round(*self._forms.mul(operands[0].form, operands[1].form), self._rule(op, operands))

    def _div(self, op: Op, operands: Sequence[Affine]) -> Affine:
        a, b = operands
        return self._round(*self._forms.div(a.form, b.form, *self._ends(b)), self._rule(op, operands))

    def _univariate(self, op: Op, operands: Sequence[Affine]) -> Affine:
        (a,) = operands
        form, size = getattr(self._forms, op.name)(a.form, *self._ends(a))
        return self._round(form, size, self._rule(op, operands))

    def _libm(self, op: Op, operands: Sequence[Affine]) -> Affine:
        (a,) = operands
        form, _ = getattr(self._forms, op.name)(a.form, *self._ends(a))
        rule = self._rule(op, operands)
        # libm errs by at most one ulp, which is at most 2 epsilon * |result|; doubled, to be safe at the
        # edges of binades. The error is no rounding of the real result: it goes into the form before the
        # interval is derived from it.
        size = self._forms.greater(abs(self._wide(rule.lower)), abs(self._wide(rule.upper)))
        form = AffineForm(form.centre, form.terms, form.error + 4.0 * self.program_error(size))
        return self._reduce(form, 0.0, rule)

    def _abs(self, op: Op, operands: Sequence[Affine]) -> Affine:
        (a,) = operands
        lower, upper, may_nan = a.interval
        mirrored = Affine(negate(a.form), Interval(-upper, -lower, may_nan))
        return self._select(a, mirrored, self._rule(op, operands), largest=True)

    def _choice(self, op: Op, operands: Sequence[Affine]) -> Affine:
        a, b = operands
        return self._select(a, b, self._rule(op, operands), largest=op.extremum is Extremum.GREATEST)

    def _select(self, a: Affine, b: Affine, rule: Interval, largest: bool) -> Affine:
        """The larger or the smaller of two operands; `rule` is the interval of the result."""
        low, high = self._forms.bounds(self._forms.sub(a.form, b.form)[0])
        a_lower, a_upper = self._ends(a)
        b_lower, b_upper = self._ends(b)
        # sound: a - b is in [low, high] but for a relative error u in each, which leaves their signs right;
        # where the result is a number, so are both operands
        low = self._forms.greater(a_lower - b_upper, low)
        high = self._forms.lesser(a_upper - b_lower, high)
        first, second = (low >= 0.0, high <= 0.0) if largest else (high <= 0.0, low >= 0.0)
        if self._all(first):
            return self._selected_operand(a, rule)
        if self._all(second) and not self._any(first):  # a tie is `a`'s in every batch
            return self._selected_operand(b, rule)
        blended = self._blend(a, b, low, high, rule, largest)
        if not self._any(first | second):
            return blended
        names = tuple({**a.form.terms, **b.form.terms})
        fields = [_fields(element, names) for element in (a, b, blended)]
        chosen = [np.where(first, v, np.where(second, w, x)) for v, w, x in zip(*fields, strict=True)]
        return self._selected_operand(_element(chosen, names), rule)

    def _selected_operand(self, element: Affine, rule: Interval) -> Affine:
        """The result where it is certainly this operand."""
        interval = self._intersect(rule, element.interval.lower, element.interval.upper)
        return Affine(element.form, interval)

    def _blend(self, a: Affine, b: Affine, low: Any, high: Any, rule: Interval, largest: bool) -> Affine:
        """The result where it may be either operand, for low < a - b < high."""
        # Let d = a - b, so that max(a, b) = b + max(d, 0) = w*a + (1-w)*b + [max(d, 0) - w*d]. For a w in
        # [0, 1] the bracket is convex in d and least at d = 0, where it is 0; so it is at most its value at
        # an end, and w = high / (high - low) makes both ends equal. min is the mirror image: the bracket
        # min(d, 0) - w*d is concave. A relative error u in the ends is one of the steps in `blend`.
        greater = self._forms.greater
        if largest:
            weight = high / (high - low)
            lowest, highest = 0.0, greater(high * (1.0 - weight), -low * weight)
        else:
            weight = -low / (high - low)
            lowest, highest = -greater(high * weight, -low * (1.0 - weight)), 0.0
        form, _ = self._forms.blend(a.form, b.form, weight, lowest, highest)
        return self._reduce(form, 0.0, rule)


def _fields(element: Affine, names: Sequence[str]) -> list[Any]:
    """All numbers of an element except `may_nan` in one list, with a coefficient for each of `names`."""
    (centre, terms, error), (lower, upper, _) = element
    return [centre, error, lower, upper, *(terms.get(name, 0.0) for name in names)]


def _element(fields: Sequence[Any], names: Sequence[str]) -> Affine:
    """The inverse of `_fields`, for an element that is never NaN."""
    centre, error, lower, upper, *terms = fields
    return Affine(
        AffineForm(centre, dict(zip(names, terms, strict=True)), error), Interval(lower, upper, False)
    )


def position(variable: Affine, value: float) -> Fraction:
    """The position eps of a variable's symbol at which the variable has this value.

    `variable`: the variable's scalar element. Returns 0 where any eps would do: for a value that is not
    finite, and for a symbol whose coefficient is 0.
    """
    centre = Fraction(float(variable.form.centre))
    (radius,) = variable.form.terms.values()
    if not radius or not abs(value) < np.inf:
        return Fraction(0)
    return (Fraction(float(value)) - centre) / Fraction(float(radius))


def contains_at(element: Affine, eps: Mapping[str, Fraction], value: float) -> bool:
    """Whether a scalar element contains a value at the point `eps`; decided exactly, in rational numbers."""
    lower, upper, may_nan = element.interval
    if value != value:
        return bool(may_nan)
    if not lower <= value <= upper:
        return False
    centre, terms, error = element.form
    if not error < np.inf:
        return True
    if not abs(value) < np.inf:
        return False
    line = sum((Fraction(float(term)) * eps[name] for name, term in terms.items()), Fraction(float(centre)))
    return abs(Fraction(float(value)) - line) <= Fraction(float(error))


def _all(condition: Any) -> Any:
    return np.logical_and.reduce(condition, axis=None)


def _any(condition: Any) -> Any:
    return np.logical_or.reduce(condition, axis=None)


def _wide_array(value: Any) -> Any:
    return np.asarray(value, np.float64)


def _identity(value: Any) -> Any:
    return value


UNBOUNDED = AffineForm(0.0, {}, np.inf)
"""The form that bounds nothing."""
