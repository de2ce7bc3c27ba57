"""What the record of an operation claims beside its intervals: monotonicity, inverse, backward rule, facts.

Each claim is tried on special operands, on runs of neighbouring floats and on random bits. A claim that is
never made where it could be is no claim: every test counts what it compared.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from absint.ops.precision import Precision
from absint.ops.printers.translate import array_form
from absint.ops.record import Extremum
from absint.ops.table import BY_NAME, DIAGONALS, OPS, Op, with_diagonals
from tests.support.operands import OPERATIONS, Column, random_bits, random_moderate, same, scaled, spicy

PRECISIONS = pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
MONOTONE = [(op, place) for op in OPERATIONS for place, rule in enumerate(op.monotone) if rule is not None]
INVERSES = [(op, place) for op in OPERATIONS for place, rule in enumerate(op.inverse) if rule is not None]
BACKWARD = [op for op in OPERATIONS if op.backward is not None]


def name_of(given: Any) -> str:
    return f"{given[0].name}-{given[1]}" if isinstance(given, tuple) else given.name


def floats(op: Op, precision: Precision, seed: int) -> Column:
    """Numbers in their order: special ones, their neighbours, everyday ones and random bits."""
    rng = np.random.default_rng(seed)
    values = [spicy(op, precision), random_bits(rng, precision, 40), random_moderate(rng, precision, 40)]
    column = np.concatenate(values)
    column = np.unique(column[column == column])
    near = column.copy()
    for _ in range(3):
        near = np.nextafter(near, precision.real(np.inf))
        column = np.concatenate([column, near])
    return np.unique(column)


def applied(op: Op, place: int, values: Column, other: Any, precision: Precision) -> Any:
    """The operation on each value as operand number `place`."""
    body = array_form(op.body(precision), precision)
    if op.arity == 1:
        return body(values)
    others = np.full_like(values, other)
    return body(values, others) if place == 0 else body(others, values)


@PRECISIONS
@pytest.mark.parametrize("given", MONOTONE, ids=name_of)
@np.errstate(all="ignore")
def test_monotone_is_what_the_rule_says(given: tuple[Op, int], precision: Precision) -> None:
    op, place = given
    rule = op.monotone[place]
    assert rule is not None
    values = floats(op, precision, 1)
    rng = np.random.default_rng(2)
    others = [precision.real(0.0)] if op.arity == 1 else [*spicy(op, precision), *rng.choice(values, 10)]
    claims = {1: 0, -1: 0}
    infinity = precision.real(np.inf)
    for other in others:
        if other != other:
            continue
        for _ in range(scaled(12)):
            lower, upper = np.sort(rng.choice(values, 2))
            kind = rng.integers(5)
            if kind == 1:
                lower, upper = np.sort(np.abs([lower, upper]))
            elif kind == 2:
                lower, upper = np.sort(-np.abs([lower, upper]))
            elif kind > 2:
                lower, upper = (-infinity, upper) if kind == 3 else (lower, infinity)
            direction, first, last = rule(*[lower, upper, other][: op.arity + 1])
            if direction == 0:
                continue
            claims[direction] += 1
            inside = values[(values >= lower) & (values <= upper)]
            inside = np.unique(np.concatenate([inside, np.array([lower, upper])]))
            for signed in {0.0: (0.0, -0.0)}.get(float(other), (other,)):
                results = applied(op, place, inside, precision.real(signed), precision)
                there = (inside >= first) & (inside <= last)
                assert np.array_equal(there, results == results), (lower, upper, other)
                earlier, later = results[there][:-1], results[there][1:]
                rises = earlier <= later if direction > 0 else earlier >= later
                assert rises.all(), (lower, upper, other)
                nan = applied(op, place, np.full(1, np.nan, precision.dtype), signed, precision)
                assert np.isnan(nan).all()
    assert sum(claims.values()) >= scaled(4)


@PRECISIONS
@pytest.mark.parametrize("given", INVERSES, ids=name_of)
@np.errstate(all="ignore")
def test_an_inverse_is_near_the_operand(given: tuple[Op, int], precision: Precision) -> None:
    """Near in everyday numbers, so that the search takes few steps; elsewhere it may be anything."""
    op, place = given
    rule, monotone = op.inverse[place], op.monotone[place]
    assert rule is not None and monotone is not None
    rng = np.random.default_rng(3)
    compared = 0
    for value, other in rng.uniform(0.25, 4.0, (scaled(50), 2)).astype(precision.dtype):
        if monotone(*[value, value, other][: op.arity + 1])[0] == 0:
            continue
        result = applied(op, place, np.full(1, value, precision.dtype), other, precision)[0]
        found = rule(*[np.float64(result), np.float64(other)][: op.arity])
        assert abs(found - value) <= 1e-5 * max(1.0, abs(value), abs(other))
        compared += 1
    assert compared >= scaled(10)


@PRECISIONS
@pytest.mark.parametrize("op", BACKWARD, ids=name_of)
@np.errstate(all="ignore")
def test_a_backward_rule_loses_no_operand(op: Op, precision: Precision) -> None:
    rng = np.random.default_rng(4)
    values = floats(op, precision, 5)
    count = scaled(1500)
    some = np.where(
        rng.random((op.arity, count)) < 0.5,
        rng.choice(values, (op.arity, count)),
        random_moderate(rng, precision, op.arity * count).reshape(op.arity, count),
    )
    results = array_form(op.body(precision), precision)(*some)
    rule = op.backward
    assert rule is not None
    bounded = compared = 0
    for operands, result in zip(some.T, results, strict=True):
        if result != result:
            continue
        given = [end for value in (result, *operands) for end in around(rng, value, values)]
        ends = rule(*given)
        for place, operand in enumerate(operands):
            first, last = ends[2 * place : 2 * place + 2]
            assert first <= operand <= last, (given, operands, result)
            bounded += first > -math.inf or last < math.inf
        compared += 1
    assert compared > count // 10 and bounded > compared // 20


def around(rng: np.random.Generator, value: Any, values: Column) -> tuple[Any, Any]:
    """Ends of an interval that holds a value: the value, a neighbour, any of `values` beyond, or none."""
    infinity = values.dtype.type(np.inf)
    place = int(np.searchsorted(values, value))
    below = values[rng.integers(0, place)] if place > 0 else value
    above = values[rng.integers(place, len(values))] if place < len(values) else value
    lower = (value, np.nextafter(value, -infinity), below, -infinity)[rng.integers(4)]
    upper = (value, np.nextafter(value, infinity), above, infinity)[rng.integers(4)]
    return lower, upper


@PRECISIONS
@pytest.mark.parametrize("op", OPERATIONS, ids=name_of)
@np.errstate(all="ignore")
def test_which_operations_keep_nan(op: Op, precision: Precision) -> None:
    values, nan = spicy(op, precision), precision.real(np.nan)
    body = op.body(precision)
    tuples = itertools.product(values, repeat=op.arity)
    results = [body(*operands) for operands in tuples if any(operand != operand for operand in operands)]
    assert results
    assert all(result != result for result in results) == op.keeps_nan, nan


@PRECISIONS
@np.errstate(all="ignore")
def test_extrema_are_one_of_their_operands(precision: Precision) -> None:
    extrema = [op for op in OPERATIONS if op.extremum is not Extremum.NEITHER]
    assert {op.name for op in extrema} >= {"min", "max"}
    for op in extrema:
        choose = min if op.extremum is Extremum.LEAST else max
        values = spicy(op, precision)
        for a, b in itertools.product(values, repeat=2):
            result = op.body(precision)(a, b)
            assert result == choose(a, b) if a == a and b == b else result != result


@PRECISIONS
@np.errstate(all="ignore")
def test_a_diagonal_has_the_same_bits(precision: Precision) -> None:
    assert DIAGONALS[BY_NAME["mul"].code] is BY_NAME["square"]
    for code, diagonal in DIAGONALS.items():
        op = OPS[code]
        values = floats(op, precision, 6)
        body = array_form(op.body(precision), precision)
        assert diagonal.arity == 1
        assert same(
            body(values, values), array_form(diagonal.body(precision), precision)(values), precision
        ).all()


def test_diagonals_replace_operations_on_one_operand() -> None:
    mul, square, add = BY_NAME["mul"].code, BY_NAME["square"].code, BY_NAME["add"].code
    op = np.array([mul, mul, add, square], np.uint8)
    a, b = np.array([3, 3, 3, 3], np.int32), np.array([3, 4, 3, -1], np.int32)
    codes, seconds = with_diagonals(op, a, b)
    assert codes.tolist() == [square, mul, add, square]
    assert seconds.tolist() == [-1, 4, 3, -1]
    assert op.tolist() == [mul, mul, add, square] and b.tolist() == [3, 4, 3, -1]
