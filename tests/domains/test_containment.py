"""Every domain, and the product of all, contains every value of every node of random programs.

All operations, in both precisions, on boxes of each character in `EXTENTS`: points and the widest, subnormal
and huge, unbounded, and where variables may be NaN. A form of the affine domain is held, exactly, against the
value at each point; the other domains' elements against the values alone.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from absint.base.registry import names
from absint.domains.affine import AffineDomain
from absint.domains.interval import IntervalDomain
from absint.domains.lattice import Domain, Interval
from absint.ops.precision import Precision
from absint.ops.table import ABS, ADD, SUB, Op
from absint.rewriting.analysis import make_domain
from tests.domains.containment import (
    EXTENTS,
    OPERATIONS,
    broken_containment,
    random_bounds,
    random_box,
    random_graph,
    random_points,
    violations,
)
from tests.support.operands import scaled

PRECISIONS = pytest.mark.parametrize("precision", Precision, ids=lambda precision: precision.value)
EVERY_EXTENT = pytest.mark.parametrize("extent", EXTENTS)
DOMAINS = [*((name,) for name in names("domains")), names("domains")]


@PRECISIONS
@EVERY_EXTENT
def test_affine_forms_of_all_operations(precision: Precision, extent: str) -> None:
    domain = AffineDomain(precision)
    for seed in range(scaled(40)):
        assert not broken_containment(domain, Random(seed), 10, extents=(extent,)), seed


@PRECISIONS
@pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.name)
def test_affine_forms_of_one_operation_after_sums(precision: Precision, op: Op) -> None:
    domain = AffineDomain(precision)
    for seed in range(scaled(25)):
        operations = (op, ADD, SUB) if op.arity == 2 else (op, op, ADD, SUB)
        assert not broken_containment(domain, Random(seed), 8, operations), seed


def membership(domain: Domain[Any]) -> Callable[[Any, int, float], bool]:
    """For `violations`: whether a value is an element's."""
    real = domain.precision.real
    return lambda element, _, value: bool(domain.contains(element, real(value)))


@PRECISIONS
@EVERY_EXTENT
@pytest.mark.parametrize("domains", DOMAINS, ids=",".join)
def test_values_of_all_operations(domains: tuple[str, ...], precision: Precision, extent: str) -> None:
    domain = make_domain(domains, precision)
    for seed in range(scaled(15)):
        random = Random(seed)
        graph = random_graph(random, 12)
        box = random_box(random, precision, (extent,))
        points = random_points(random, precision, box, 16)
        found = violations(domain, graph, box, points, membership(domain))
        assert not found, seed


@PRECISIONS
@EVERY_EXTENT
def test_points_are_in_boxes_of_the_character(precision: Precision, extent: str) -> None:
    """So that the tests above try what they say."""
    seen = [random_bounds(Random(seed), precision, (extent,)) for seed in range(50)]
    for seed, bounds in enumerate(seen):
        domain = IntervalDomain(precision)
        points = random_points(Random(seed), precision, {"x": bounds}, 40)["x"]
        assert domain.contains(bounds, points).all()
        if extent in ("unit", "unbounded"):
            assert len(set(points.tolist())) > 5
    assert any(is_of(extent, bounds, precision) for bounds in seen)


def is_of(extent: str, bounds: Interval, precision: Precision) -> bool:
    """Whether bounds are what only this character, or few others, makes."""
    lower, upper, may_nan = bounds
    size = max(abs(float(lower)), abs(float(upper)))
    match extent:
        case "point":
            return bool(lower == upper)
        case "tiny":
            return bool(lower < upper) and float(upper) - float(lower) < 1e-6 * size
        case "huge":
            return 1e27 < size < float("inf")
        case "subnormal":
            return 0 < size <= 1e6 * precision.tiny
        case "unbounded":
            return size == float("inf")
        case "nan":
            return bool(may_nan)
    return bool(lower < upper)


def test_a_domain_that_forgets_one_bound_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the rule of `abs` for all operations of one operand, at every node."""
    domain = IntervalDomain(Precision.F32)
    transfer = IntervalDomain.transfer
    monkeypatch.setattr(
        IntervalDomain,
        "transfer",
        lambda self, op, operands: transfer(self, ABS if op.arity == 1 else op, operands),
    )
    random = Random(1)
    graph, box = random_graph(random, 12), random_box(random, Precision.F32, ("unit",))
    points = random_points(random, Precision.F32, box, 16)
    assert violations(domain, graph, box, points, membership(domain))
