"""Operands that agree under the demand a rule asks for give results that agree under the demand given.

This is the whole soundness of demand: every rewrite may change a node as far as its demand cannot see, and
so the rules must carry each such change harmlessly to the root. Tried for every pair of special operands and
every pair of replacements. Facts are about the original operands only: the replaced ones may lie outside.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from absint.ops.demand import Bounds, Demand, DemandRule, Operand, passed_on
from absint.ops.precision import Precision
from absint.ops.printers.translate import array_form
from absint.ops.table import BY_NAME, Op
from tests.support.operands import OPERATIONS, Column, distinct, same, spicy

FEW = (math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 5e-324, -1.4e-45, 1e30)
"""For operations that pass a sign demand on: there the pairs of replacements are many."""

SUBSETS: dict[str, Callable[[Column], Any]] = {
    "anything": lambda v: np.ones(v.shape, bool),
    "number": lambda v: v == v,
    "positive": lambda v: v > 0,
    "negative or NaN": lambda v: ~(v >= 0),
    "at least 0": lambda v: v >= 0,
    "zero": lambda v: v == 0,
}
"""Operands as bounds may know them."""


def agrees(old: Any, new: Any, demand: int, precision: Precision) -> Any:
    """Whether no user with this demand can tell a new value from the old one."""
    if demand == Demand.BITS:
        return same(old, new, precision)
    if demand == Demand.VALUE:
        return (old == new) | ((old != old) & (new != new))
    if demand == Demand.NONE:
        return np.ones(np.broadcast(old, new).shape, bool)
    answers = (new == new) | (old != old)
    if demand & Demand.NEGATIVE:
        answers &= (old < 0) == (new < 0)
    if demand & Demand.POSITIVE:
        answers &= (old > 0) == (new > 0)
    return answers


def bounds_of(values: Column) -> Bounds:
    """The best bounds of a set of values."""
    numbers = values[values == values]
    return Bounds(
        float(numbers.min(initial=np.inf)), float(numbers.max(initial=-np.inf)), len(numbers) < len(values)
    )


def replacements(old: Column, values: Column, demand: int, precision: Precision) -> tuple[Column, Column]:
    """All pairs of an old value and a value that may stand for it."""
    first, second = np.nonzero(agrees(old[:, None], values[None, :], demand, precision))
    return old[first], values[second]


def first_break(op: Op, rule: DemandRule, precision: Precision) -> str | None:
    """Operands and replacements that a rule allows and whose results can be told apart."""
    signs_pass = any(
        asked in (Demand.NEGATIVE, Demand.POSITIVE, Demand.SIGN)
        for asked in rule(Demand.NEGATIVE, (Bounds(1, 2, False),) * op.arity)
    )
    values = distinct(FEW, precision) if op.arity == 2 and signs_pass else spicy(op, precision)
    form = array_form(op.body(precision), precision)
    for kinds in itertools.product(SUBSETS, repeat=op.arity):
        old = [values[SUBSETS[kind](values)] for kind in kinds]
        bounds = tuple(map(bounds_of, old))
        for demand in (d for d in Demand if d):  # without demand, all results agree
            asked = rule(demand, bounds)
            pairs = [replacements(v, values, d, precision) for v, d in zip(old, asked, strict=True)]
            choice = [index.ravel() for index in np.indices([len(p[0]) for p in pairs])]
            befores = [pair[0][index] for pair, index in zip(pairs, choice, strict=True)]
            afters = [pair[1][index] for pair, index in zip(pairs, choice, strict=True)]
            with np.errstate(all="ignore"):
                before, after = (np.broadcast_to(form(*v), choice[0].shape) for v in (befores, afters))
            wrong = np.flatnonzero(~agrees(before, after, demand, precision))
            if len(wrong):
                i = wrong[0]
                return (
                    f"{op.name} {precision.value} under {demand.name}, operands {kinds}: asked "
                    f"{[Demand(d).name for d in asked]}, {[float(v[i]) for v in befores]} -> "
                    f"{[float(v[i]) for v in afters]} gives {before[i]!r} -> {after[i]!r}"
                )
    return None


@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
@pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.name)
def test_agreeing_operands_give_agreeing_results(op: Op, precision: Precision) -> None:
    assert first_break(op, op.demand, precision) is None


def _through(demand: int, operands: tuple[Operand, ...]) -> tuple[int, ...]:
    return (demand,) * len(operands)


def _value(demand: int, operands: tuple[Operand, ...]) -> tuple[int, ...]:
    return (Demand.VALUE if demand else Demand.NONE,) * len(operands)


def _careless_sum(demand: int, operands: tuple[Operand, ...]) -> tuple[int, ...]:
    return (passed_on(demand) & Demand.VALUE,) * 2


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("neg", _through),  # the two signs swap
        ("min", _through),  # min(a, b) < 0 with a NaN in one arm
        ("max", _through),
        ("square", _through),
        ("add", _value),
        ("add", _careless_sum),  # -0 + -0
        ("recip", _value),
        ("div", _value),
        ("atan2", _value),
        ("sqrt", _value),
        ("and", _through),  # the first operand is tested against zero
        ("or", _through),
        ("mul", _through),  # underflow, and 0 * inf
    ],
)
def test_a_wrong_rule_is_caught(name: str, rule: DemandRule) -> None:
    assert first_break(BY_NAME[name], rule, Precision.F32) is not None


@pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.name)
def test_more_demand_asks_for_more(op: Op) -> None:
    """Demands on a node are joined before its rule is applied, so the rule must be monotone."""
    some = [Bounds(*ends, nan) for ends in ((-1, 1), (1, 2), (-2, -1), (0, 0)) for nan in (False, True)]
    for bounds in itertools.product(some, repeat=op.arity):
        assert op.demand(Demand.NONE, bounds) == (Demand.NONE,) * op.arity
        for less, more in itertools.product(Demand, repeat=2):
            if less | more == more:
                asked = zip(op.demand(less, bounds), op.demand(more, bounds), strict=True)
                assert all(a | b == b for a, b in asked), (less, more, bounds)


def test_demands_form_a_lattice_under_or() -> None:
    for a, b in itertools.product(Demand, repeat=2):
        assert a | b in set(Demand)


def test_a_demand_sees_no_more_than_a_larger_one() -> None:
    """What agrees under a demand agrees under every smaller one; so joining the demands of uses is enough."""
    values = spicy(None, Precision.F64)
    table: dict[Demand, NDArray[np.bool_]] = {
        d: agrees(values[:, None], values[None, :], d, Precision.F64) for d in Demand
    }
    for less, more in itertools.product(Demand, repeat=2):
        if less | more == more:
            assert (table[less] | ~table[more]).all(), (less, more)
    for a, b in itertools.product(Demand, repeat=2):
        assert (table[Demand(a | b)] == (table[a] & table[b])).all()
