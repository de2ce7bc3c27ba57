"""Bugs in facts about values: interval, sign and affine domains, demand, and inherited facts.

The interval domain is patched, not the op table: kernels were compiled from the op table's rules, and a
difference between rules and kernels would be found too easily.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from absint.domains import affine, affine_forms, interval, sign
from absint.domains.lattice import Interval
from absint.ir.interpreter import Previous
from absint.ir.program import Program, Promise
from absint.ops.demand import Demand, DemandRule, Operand
from absint.ops.precision import Precision
from absint.ops.table import ATAN2, DIV, MAX, MIN, NEG, RECIP, SUB, Op
from absint.rewriting import analysis

from .tools import Bug, Plant, always, edited, module_of, planted

bounds, predicates, ranges, variability = (
    module_of("passes" if name == "predicates" else "analyses", name)
    for name in ("bounds", "predicates", "ranges", "variability")
)

Damage = Callable[[Interval, Sequence[Interval]], Interval]


def _transfer(names: str, damage: Damage) -> Plant:
    """Damage the interval domain's results of some operations. `names`: separated by spaces."""

    def make(old: Any) -> Any:
        def transfer(self: Any, op: Op, operands: Sequence[Interval]) -> Interval:
            found: Interval = old(self, op, operands)
            return damage(found, operands) if op.name in names.split() else found

        return transfer

    return planted(interval.IntervalDomain, "transfer", make)


def _no_new_nan(found: Interval, operands: Sequence[Interval]) -> Interval:
    return found._replace(may_nan=any(operand.may_nan for operand in operands))


def _three_corners(found: Interval, operands: Sequence[Interval]) -> Interval:
    a, b = operands
    corners = [a.lower * b.upper, a.upper * b.lower, a.upper * b.upper]
    sound = found.lower > found.upper or any(corner != corner for corner in corners)
    return found if sound else Interval(min(corners), max(corners), found.may_nan)


def _touching_pole(found: Interval, operands: Sequence[Interval]) -> Interval:
    a, b = operands
    if (b.lower != 0 and b.upper != 0) or a.lower > a.upper:
        return found
    corners = [p / q for p in (a.lower, a.upper) for q in (b.lower, b.upper)]
    sound = any(corner != corner for corner in corners)
    return found if sound else Interval(min(corners), max(corners), found.may_nan)


def _ends_of_square(found: Interval, operands: Sequence[Interval]) -> Interval:
    (a,) = operands
    return found if a.lower > a.upper else found._replace(lower=min(a.lower * a.lower, a.upper * a.upper))


def _ends_of_sine(found: Interval, operands: Sequence[Interval]) -> Interval:
    (a,) = operands
    if a.lower > a.upper or math.isinf(a.lower) or math.isinf(a.upper):
        return found
    real, ends = type(found.lower), (math.sin(a.lower), math.sin(a.upper))
    slack = 1e-6
    return Interval(real(min(ends) - slack), real(max(ends) + slack), found.may_nan)


def _never_equal(found: Interval, operands: Sequence[Interval]) -> Interval:
    a, b = operands
    return found._replace(upper=found.lower) if a.upper == b.lower and a.lower < b.lower else found


def _second_only(found: Interval, operands: Sequence[Interval]) -> Interval:
    a, b = operands
    return b._replace(may_nan=found.may_nan) if a.lower < a.upper else found


INTERVALS = (
    Bug("interval:sqrt-nan", "the root of -1 counts as a number", _transfer("sqrt", _no_new_nan)),
    Bug("interval:div-nan", "0 / 0 and inf / inf count as numbers", _transfer("div", _no_new_nan)),
    Bug("interval:mul-nan", "0 * inf counts as a number", _transfer("mul", _no_new_nan)),
    Bug("interval:sum-nan", "inf - inf counts as a number", _transfer("add sub", _no_new_nan)),
    Bug("interval:ln-nan", "the logarithm of -1 counts as a number", _transfer("ln", _no_new_nan)),
    Bug("interval:mod-nan", "mod(a, 0) counts as a number", _transfer("mod", _no_new_nan)),
    Bug("interval:mul-corner", "a product's lowest corner is missed", _transfer("mul", _three_corners)),
    Bug("interval:square-over-zero", "the least square is taken to be at an end",
        _transfer("square", _ends_of_square)),
    Bug("interval:div-pole", "a divisor that ends at zero counts as +0", _transfer("div", _touching_pole)),
    Bug("interval:sine-peak", "a sine is taken to be largest at an end", _transfer("sin", _ends_of_sine)),
    Bug("interval:compare-tie", "operands that touch never compare as equal",
        _transfer("compare", _never_equal)),
    Bug("interval:and-zero", "and(a, b) is b, whatever a is", _transfer("and", _second_only)),
    Bug("interval:constant-nan", "a constant NaN has no value at all",
        edited(interval.IntervalDomain, "constant",
               lambda found: found._replace(may_nan=False))),
)  # fmt: skip


def _unbounded_is_unit(old: Any) -> Any:
    def box_intervals(program: Program) -> dict[str, Interval]:
        real = program.precision.real
        free = dict.fromkeys(program.graph.variables.values(), Interval(real(-1), real(1), False))
        return {**free, **old(program)}

    return box_intervals


def _in_binary64(old: Any) -> Any:
    def make_domain(names: Sequence[str], precision: Precision, batched: bool = False) -> Any:
        return old(names, Precision.F64, batched)

    return make_domain


def _without(name: str, classes: int) -> Callable[[Any], Any]:
    """Remove some classes from an operation's sign table, for operands that are nonzero finite numbers."""

    def make(old: Any) -> Any:
        def transfer_table(op: Op, precision: Precision) -> Any:
            table = old(op, precision)
            if op.name != name:
                return table
            table = table.copy()
            for a in (sign.NEGATIVE, sign.POSITIVE):
                for b in (sign.NEGATIVE, sign.POSITIVE):
                    table[a, b] &= ~classes & 127
            return table

        return transfer_table

    return make


def _no_cross_error(old: Any) -> Any:
    def mul(self: Any, a: Any, b: Any) -> Any:
        form, size = old(self, a, b)
        lost = affine_forms.spread(a) * affine_forms.spread(b)
        return form._replace(error=max(0.0, form.error - lost)), size

    return mul


def _first_only(old: Any) -> Any:
    def run(self: Any, program: Program, analyses: Any) -> list[int]:
        classes = old(self, program, analyses)
        for node, (_, a, b) in enumerate(program.graph.rows):
            if b >= 0:
                classes[node] = classes[a]
        return classes  # type: ignore[no-any-return]  # what `old` returns is not known here

    return run


DOMAINS = (
    Bug("box:unbounded", "a variable without bounds counts as one from -1 to 1",
        planted(bounds, "box_intervals", _unbounded_is_unit)),
    Bug("bounds:precision", "bounds are computed in binary64 for programs in binary32",
        planted(bounds, "make_domain", _in_binary64)),
    Bug("sign:underflow", "a product of positive numbers is never zero",
        planted(sign, "transfer_table", _without("mul", sign.ZEROS))),
    Bug("sign:difference", "a difference of positive numbers is never negative",
        planted(sign, "transfer_table", _without("sub", sign.NEGATIVE))),
    Bug("affine:rounding", "an affine form forgets that the program rounds",
        planted(affine.AffineDomain, "program_error", always(0.0))),
    Bug("affine:own-rounding", "an affine form forgets that itself rounds",
        planted(affine_forms.FormArithmetic, "rounding_error", always(0.0))),
    Bug("affine:less", "affine forms that touch are apart",
        planted(affine.AffineDomain, "less", lambda old: vars(affine.AffineDomain)["less_equal"])),
    Bug("affine:join", "a join of affine forms has the first one's slope",
        planted(affine.AffineDomain, "_distance", lambda old: lambda self, a, b: a.error)),
    Bug("interval:join", "a join forgets that the second may be NaN",
        planted(interval.IntervalDomain, "join",
                lambda old: lambda self, a, b: old(self, a, b._replace(may_nan=False)))),
    Bug("interval:leq", "an interval is part of one that begins where it ends",
        planted(interval.IntervalDomain, "leq",
                lambda old: lambda self, a, b: old(self, a, b._replace(lower=b.lower - 1)))),
    Bug("variability:second", "an operation varies with its first operand only",
        planted(variability.VariabilityAnalysis, "run", _first_only)),
    Bug("affine:product", "an affine product forgets what is not affine",
        planted(affine_forms.FormArithmetic, "mul", _no_cross_error)),
)  # fmt: skip


def _demand(op: Op, rule: DemandRule) -> Plant:
    return planted(op, "demand", lambda old: rule)


def _passed(demand: int, operands: tuple[Operand, ...]) -> tuple[int, ...]:
    return (demand,) * len(operands)


def _value(demand: int, operands: tuple[Operand, ...]) -> tuple[int, ...]:
    return (Demand.VALUE if demand else Demand.NONE,) * len(operands)


DEMANDS = (
    Bug("demand:neg", "-a < 0 asks whether a < 0", _demand(NEG, _passed)),
    Bug("demand:min-nan", "min(a, b) < 0 asks for signs, though a may be NaN", _demand(MIN, _passed)),
    Bug("demand:max-value", "a maximum does not show the sign of a zero", _demand(MAX, _value)),
    Bug("demand:recip", "1 / a does not show the sign of a zero", _demand(RECIP, _value)),
    Bug("demand:div", "a / b does not show the sign of a zero", _demand(DIV, _value)),
    Bug("demand:atan2", "atan2(a, b) does not show the sign of a zero", _demand(ATAN2, _value)),
    Bug("demand:sub", "a - b < 0 asks whether a < 0", _demand(SUB, _passed)),
    Bug("promise:bits", "the promise of bits lets one see values only",
        planted(Promise, "demand", lambda old: property(
            lambda self: Demand.VALUE if self is Promise.BITS else Demand.NEGATIVE))),
)  # fmt: skip


def _whatever_operands(self: Previous, node: int, a: Any, b: Any, same: bool) -> Any:
    return self.elements[self.origins[node]] if self.origins[node] >= 0 else None


def _shifted(old: Any) -> Any:
    def inherit(self: Any, made: Program, program: Program, origins: Sequence[int]) -> None:
        last = len(program.graph) - 1
        old(self, made, program, [min(origin + 1, last) if origin >= 0 else -1 for origin in origins])

    return inherit


def _demand_kept(old: Any) -> Any:
    def inherit(self: Any, made: Program, program: Program, origins: Sequence[int]) -> None:
        old(self, made, program, origins)
        for known, facts in self._facts.get(program, {}).items():
            if known.name == "demand" and len(made.graph) == len(program.graph):
                self._facts.setdefault(made, {})[known] = facts

    return inherit


def _nan_forgotten(found: Any) -> Any:
    return found._replace(may_nan=np.zeros_like(found.may_nan))


STALE = (
    Bug("stale:bounds", "bounds are taken over though those of the operands have changed",
        planted(Previous, "element", lambda old: _whatever_operands)),
    Bug("stale:origins", "facts are taken over from the node behind the right one",
        planted(analysis.Analyses, "inherit", _shifted)),
    Bug("stale:demand", "demand is taken over where a rewritten program has as many nodes",
        planted(analysis.Analyses, "inherit", _demand_kept)),
    Bug("stale:ranges", "ranges are taken over as if nodes kept their numbers",
        planted(ranges, "_inherit_fact", lambda old: lambda fact, origins: np.resize(fact, len(origins)))),
    Bug("ranges:nan", "the lowering takes all values for numbers",
        edited(predicates, "ranges_of", _nan_forgotten)),
)  # fmt: skip

BUGS = (*INTERVALS, *DOMAINS, *DEMANDS, *STALE)
