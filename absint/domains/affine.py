"""Affine forms reduced with intervals: values as linear functions of the variables, plus an error.

An element describes every value that is a number at a point of the box in two ways: it lies in the interval,
and it equals the form at that point, exactly as a real number (see `affine_forms`). The form is bounded only
where the interval is finite; a value that may be infinite is described by the interval alone, and so is NaN.
The sharp rules below are of operations whose result is a number only if the operands are, so a form stays
true when NaN becomes possible: it speaks of the points where there is a number.

Stolfi and de Figueiredo, Self-Validated Numerical Methods (1997). Symbols stand for variables only; all other
deviations go into one error per node, so that an element costs the same everywhere in a program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from absint.domains.affine_forms import UNIT, Form, FormArithmetic, negated, reach, spread
from absint.domains.interval import IntervalDomain
from absint.domains.lattice import Interval
from absint.ops.precision import Precision
from absint.ops.table import Op

UP = 1.0 + 4.0 * UNIT
"""Makes up for two roundings: (1 - u) * (1 - u) * UP > 1. Where the product underflows the sum was exact."""

_errstate = np.errstate(all="ignore")


class Affine(NamedTuple):
    """A form and the interval that it is reduced with: every number among the values is in both.

    Two nodes with equal elements may still differ, within the error: `a - a` is not zero here, and `a * a` is
    no square. Who knows that both operands are one node says so by the operation, as `interpret` does.
    """

    form: Form
    interval: Interval


class AffineDomain:
    """Affine forms with one symbol per variable, intersected with intervals.

    The symbol of a variable means the same position in all elements that were made with the same bounds for
    it; elements of different boxes must not be mixed.
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
        self._narrow: Callable[[Any], Any] = _same if precision is Precision.F64 else np.float32
        self._sharp: dict[str, Callable[[Op, Sequence[Affine]], Affine]] = {
            "neg": self._neg, "abs": self._abs, "min": self._choice, "max": self._choice,
            "add": self._sum, "sub": self._sum, "mul": self._mul, "div": self._div,
            "square": self._curve, "sqrt": self._curve, "recip": self._curve,
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
        """Just this value, rounded to the precision."""
        return self.from_interval(self._intervals.constant(value))

    @_errstate
    def variable(self, name: str, bounds: Interval) -> Affine:
        """A variable with the symbol of its name. Not tight where the bounds are infinite or admit NaN."""
        centre, radius = self._midpoint(bounds)
        known = (radius < np.inf) & np.logical_not(bounds.may_nan)
        # exact: at position p, eps = (p - centre) / radius is in [-1, 1] because radius >= |p - centre|
        form = Form(centre, {name: self._where(known, radius, 0.0)}, self._where(known, 0.0, np.inf))
        return Affine(form, bounds)

    @_errstate
    def from_interval(self, bounds: Interval) -> Affine:
        """No symbols: the interval, and the form that says the same."""
        centre, radius = self._midpoint(bounds)
        return Affine(Form(centre, {}, radius), bounds)

    def _midpoint(self, bounds: Interval) -> tuple[Any, Any]:
        """A centre, and how far at most the numbers are from it; (0, inf) for no or infinite numbers."""
        lower, upper = self._wide(bounds.lower), self._wide(bounds.upper)
        half = 0.5 * (upper - lower)
        finite = (half >= 0.0) & (half < np.inf)
        centre = self._where(finite, lower + half, 0.0)
        return centre, self._where(finite, self._radius(lower, upper, centre), np.inf)

    def _radius(self, lower: Any, upper: Any, centre: Any) -> Any:
        """At least how far the ends are from the centre; 0 if they are the centre."""
        # sound: each difference has a relative error u at most, and none below the normal numbers
        return self._forms.greater(upper - centre, centre - lower) * UP

    def to_interval(self, element: Affine) -> Interval:
        """The interval that the form is reduced with."""
        return element.interval

    @_errstate
    def refine(self, element: Affine, bounds: Interval) -> Affine:
        """The same form with a smaller interval, or the interval's own form where that is better."""
        return self._settled(element.form, self._intervals.refine(element.interval, bounds))

    @_errstate
    def join(self, a: Affine, b: Affine) -> Affine:
        """The hull of the intervals, and the mean of the forms with an error that reaches both."""
        names = {**a.form.terms, **b.form.terms}
        p, q = ({name: form.terms.get(name, 0.0) for name in names} for form in (a.form, b.form))
        terms = {name: 0.5 * p[name] + 0.5 * q[name] for name in names}
        centre = 0.5 * a.form.centre + 0.5 * b.form.centre
        mean = Form(centre, terms, 0.0)
        # sound: v_a = mean + (form_a - mean), and the difference is bounded without knowing eps
        error = self._forms.greater(self._distance(a.form, mean), self._distance(b.form, mean))
        return self._settled(Form(centre, terms, error), self._intervals.join(a.interval, b.interval))

    def _distance(self, a: Form, b: Form) -> Any:
        """At least how far a value of the form `a` may lie from the line of `b` at the same point."""
        difference, _ = self._forms.sub(Form(a.centre, a.terms, 0.0), Form(b.centre, b.terms, 0.0))
        gap = reach(difference)
        return self._where(gap > 0.0, (gap + a.error) * UP, a.error)

    @_errstate
    def leq(self, a: Affine, b: Affine) -> Any:
        """At each point every value of `a` is surely a value of `b`. May say False when it is so."""
        near = self._distance(a.form, b.form) <= b.form.error
        # a form without terms contains whole intervals
        constant = spread(b.form) == 0.0
        near = near | (constant & (self._radius(*self._ends(a), b.form.centre) <= b.form.error))
        empty = a.interval.lower > a.interval.upper
        return self._intervals.leq(a.interval, b.interval) & (near | empty)

    def contains(self, element: Affine, value: Any) -> Any:
        """The value is in the interval, whatever the point; for one point see `contains_at`."""
        return self._intervals.contains(element.interval, value)

    @_errstate
    def less(self, a: Affine, b: Affine) -> Any:
        """The intervals or the difference of the forms say so."""
        difference, _ = self._forms.sub(a.form, b.form)
        return self._intervals.less(a.interval, b.interval) | (self._forms.bounds(difference)[1] < 0.0)

    @_errstate
    def less_equal(self, a: Affine, b: Affine) -> Any:
        """The intervals or the difference of the forms say so."""
        difference, _ = self._forms.sub(a.form, b.form)
        return self._intervals.less_equal(a.interval, b.interval) | (self._forms.bounds(difference)[1] <= 0.0)

    # Transfer functions

    @_errstate
    def transfer(self, op: Op, operands: Sequence[Affine]) -> Affine:
        """A sharp rule if there is one, else by intervals."""
        sharp = self._sharp.get(op.name)
        return self.from_interval(self._rule(op, operands)) if sharp is None else sharp(op, operands)

    def _rule(self, op: Op, operands: Sequence[Affine]) -> Interval:
        return self._intervals.transfer(op, [operand.interval for operand in operands])

    def _ends(self, element: Affine) -> tuple[Any, Any]:
        return self._wide(element.interval.lower), self._wide(element.interval.upper)

    def program_error(self, size: Any) -> Any:
        """How far at most rounding to nearest moves a result of this size: half an ulp."""
        return self.precision.epsilon * size + self.precision.tiny

    def _rounded(self, form: Form, size: Any, rule: Interval) -> Affine:
        """The correctly rounded results of an operation whose real results are `form`."""
        return self._reduced(form, self.program_error(size), rule)

    def _reduced(self, form: Form, program_error: Any, rule: Interval) -> Affine:
        """Results that are those of `form` rounded, which moves them by `program_error` at most."""
        # sound: rounding is monotone, so what is real in [p, q] rounds into [fl(p), fl(q)], overflow included
        lower, upper = self._forms.bounds(form)
        interval = self._intersected(rule, self._narrow(lower), self._narrow(upper))
        return self._settled(Form(form.centre, form.terms, form.error + program_error), interval)

    def _intersected(self, rule: Interval, lower: Any, upper: Any) -> Interval:
        """`rule` without what lies outside [lower, upper]; an end that is NaN says nothing."""
        low = self._where(lower > rule.lower, lower, rule.lower)
        high = self._where(upper < rule.upper, upper, rule.upper)
        if not self._all(low <= high):
            real = self.precision.real
            empty = low > high
            low, high = self._where(empty, real(np.inf), low), self._where(empty, real(-np.inf), high)
        return Interval(low, high, rule.may_nan)

    def _settled(self, form: Form, interval: Interval) -> Affine:
        """The element; where its form is unusable, or no better than the interval's own, that replaces it."""
        lower, upper = self._wide(interval.lower), self._wide(interval.upper)
        half = 0.5 * (upper - lower)
        keep = (form.error <= half) & (half < np.inf)
        if self._all(keep):
            return Affine(form, interval)
        # no loss: the interval's form has no terms and an error not above the old one
        centre, radius = self._midpoint(interval)
        terms = {name: self._where(keep, term, 0.0) for name, term in form.terms.items()}
        return Affine(
            Form(self._where(keep, form.centre, centre), terms, self._where(keep, form.error, radius)),
            interval,
        )

    def _neg(self, op: Op, operands: Sequence[Affine]) -> Affine:
        return Affine(negated(operands[0].form), self._rule(op, operands))

    def _sum(self, op: Op, operands: Sequence[Affine]) -> Affine:
        combine = self._forms.add if op.name == "add" else self._forms.sub
        return self._rounded(*combine(operands[0].form, operands[1].form), self._rule(op, operands))

    def _mul(self, op: Op, operands: Sequence[Affine]) -> Affine:
        return self._rounded(*self._forms.mul(operands[0].form, operands[1].form), self._rule(op, operands))

    def _div(self, op: Op, operands: Sequence[Affine]) -> Affine:
        a, b = operands
        return self._rounded(*self._forms.div(a.form, b.form, *self._ends(b)), self._rule(op, operands))

    def _curve(self, op: Op, operands: Sequence[Affine]) -> Affine:
        (a,) = operands
        form, size = getattr(self._forms, op.name)(a.form, *self._ends(a))
        return self._rounded(form, size, self._rule(op, operands))

    def _libm(self, op: Op, operands: Sequence[Affine]) -> Affine:
        (a,) = operands
        form, _ = getattr(self._forms, op.name)(a.form, *self._ends(a))
        rule = self._rule(op, operands)
        # The contract is an error of one ulp, at most 2 epsilon * |result|; taken twice, against the edges of
        # binades. It is no rounding of the real result, so it belongs into the form before the interval.
        size = self._forms.greater(abs(self._wide(rule.lower)), abs(self._wide(rule.upper)))
        form = Form(form.centre, form.terms, form.error + 4.0 * self.program_error(size))
        return self._reduced(form, 0.0, rule)

    def _abs(self, op: Op, operands: Sequence[Affine]) -> Affine:
        (a,) = operands
        lower, upper, may_nan = a.interval
        mirrored = Affine(negated(a.form), Interval(-upper, -lower, may_nan))
        return self._chosen(a, mirrored, self._rule(op, operands), largest=True)

    def _choice(self, op: Op, operands: Sequence[Affine]) -> Affine:
        a, b = operands
        return self._chosen(a, b, self._rule(op, operands), largest=op.name == "max")

    def _chosen(self, a: Affine, b: Affine, rule: Interval, largest: bool) -> Affine:
        """The larger or smaller of two; `rule` is the interval of the result."""
        low, high = self._forms.bounds(self._forms.sub(a.form, b.form)[0])
        a_lower, a_upper = self._ends(a)
        b_lower, b_upper = self._ends(b)
        # sound: a - b is in [low, high] but for a relative error u in each, which leaves their signs right;
        # where the result is a number, so are both operands
        low = self._forms.greater(a_lower - b_upper, low)
        high = self._forms.lesser(a_upper - b_lower, high)
        first, second = (low >= 0.0, high <= 0.0) if largest else (high <= 0.0, low >= 0.0)
        if self._all(first):
            return self._arm(a, rule)
        if self._all(second) and not self._any(first):  # a tie is `a`'s in every batch
            return self._arm(b, rule)
        blended = self._blended(a, b, low, high, rule, largest)
        if not self._any(first | second):
            return blended
        names = tuple({**a.form.terms, **b.form.terms})
        fields = [_fields(element, names) for element in (a, b, blended)]
        chosen = [np.where(first, v, np.where(second, w, x)) for v, w, x in zip(*fields, strict=True)]
        return self._arm(_element(chosen, names), rule)

    def _arm(self, element: Affine, rule: Interval) -> Affine:
        """The result where it is known to be this operand."""
        interval = self._intersected(rule, element.interval.lower, element.interval.upper)
        return Affine(element.form, interval)

    def _blended(self, a: Affine, b: Affine, low: Any, high: Any, rule: Interval, largest: bool) -> Affine:
        """The result where it may be either, low < a - b < high."""
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
        return self._reduced(form, 0.0, rule)


def _fields(element: Affine, names: Sequence[str]) -> list[Any]:
    """Everything but `may_nan`, in one list, with a coefficient for each of the names."""
    (centre, terms, error), (lower, upper, _) = element
    return [centre, error, lower, upper, *(terms.get(name, 0.0) for name in names)]


def _element(fields: Sequence[Any], names: Sequence[str]) -> Affine:
    """The element of these fields, never NaN."""
    centre, error, lower, upper, *terms = fields
    return Affine(Form(centre, dict(zip(names, terms, strict=True)), error), Interval(lower, upper, False))


def position(variable: Affine, value: float) -> Fraction:
    """The eps of a variable's symbol where the variable has this value; `variable` is its scalar element.

    Any eps does, and the answer is 0, where the value is no finite number or the symbol stands for nothing.
    """
    centre = Fraction(float(variable.form.centre))
    (radius,) = variable.form.terms.values()
    if not radius or not abs(value) < np.inf:
        return Fraction(0)
    return (Fraction(float(value)) - centre) / Fraction(float(radius))


def contains_at(element: Affine, eps: Mapping[str, Fraction], value: float) -> bool:
    """A value is one of a scalar element's at a given point; decided exactly, in rational numbers."""
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


def _same(value: Any) -> Any:
    return value


UNBOUNDED = Form(0.0, {}, np.inf)
"""The form that says nothing."""
