"""Random programs, boxes and points, and the question whether a domain's elements contain the values there.

Containment is checked at every node: a domain may be wrong inside and right at the root by luck.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

import numpy as np

from absint.domains.affine import AffineDomain, contains_at, position
from absint.domains.lattice import Domain, Interval
from absint.ir.graph import Graph, GraphBuilder
from absint.ir.interpreter import interpret_abstract, interpret_concrete
from absint.ops.precision import Precision
from absint.ops.table import OPS, SPICY, Op

OPERATIONS = tuple(op for op in OPS if not op.is_leaf)
VARIABLES = ("x", "y", "z")
EXTENTS = ("unit", "tiny", "point", "huge", "subnormal", "scaled", "spicy", "unbounded", "nan")


class Violation(NamedTuple):
    """A value that its node's element does not contain."""

    node: int
    op: str
    value: float
    element: Any


def random_constant(random: Random, op: Op) -> float:
    """Mostly ordinary numbers, sometimes those that operations stumble over."""
    kind = random.randrange(10)
    if kind == 0:
        return random.choice(SPICY)
    if kind == 1 and op.spicy:
        return random.choice(op.spicy)
    if kind == 2:
        return float(random.randint(-3, 3))
    return random.uniform(-2, 2) * 2.0 ** random.choice((0, 0, 0, 0, -3, 3, 10, -10, 40, -40))


def random_graph(random: Random, size: int, operations: Sequence[Op] = OPERATIONS) -> Graph:
    """A program of at most `size` operations, on recent nodes more often than on old ones."""
    builder = GraphBuilder()
    nodes = [builder.variable(name) for name in VARIABLES]
    for _ in range(size):
        op = random.choice(operations)
        operands = []
        for _ in range(op.arity):
            kind = random.randrange(8)
            if kind == 0:
                operands.append(builder.constant(random_constant(random, op)))
            elif kind <= 2:
                operands.append(random.choice(nodes[: len(VARIABLES)]))
            elif kind <= 5:
                operands.append(random.choice(nodes[-4:]))
            else:
                operands.append(random.choice(nodes))
        nodes.append(builder.apply(op, *operands))
    return builder.build()


def random_bounds(random: Random, precision: Precision, extents: Sequence[str] = EXTENTS) -> Interval:
    """Bounds of some character, one of `EXTENTS`."""
    real = precision.real
    extent = random.choice(extents)
    scale = 1.0
    if extent == "huge":
        scale = float(np.finfo(real).max) * random.choice((1.0, 0.5, 1e-3, 1e-10))
    elif extent == "subnormal":
        scale = precision.tiny * random.choice((3, 100, 1e6))
    elif extent == "scaled":
        scale = 2.0 ** random.randint(-60, 60)
    ends = [real(precision.round(random.uniform(-1, 1) * scale)) for _ in range(2)]
    if extent in ("spicy", "nan"):
        ends[0] = real(precision.round(random.choice([value for value in SPICY if value == value])))
    elif extent == "point":
        ends[1] = ends[0]
    elif extent == "tiny":
        ends[1] = ends[0]
        for _ in range(random.randint(1, 4)):
            ends[1] = np.nextafter(ends[1], real(math.inf))
    elif extent == "unbounded":
        ends = [random.choice(ends), real(random.choice((math.inf, -math.inf)))]
        if random.randrange(2) == 0:
            ends[0] = -ends[1]
    may_nan = extent == "nan" or (extent == "spicy" and random.randrange(4) == 0)
    return Interval(min(ends), max(ends), may_nan)


def random_box(random: Random, precision: Precision, extents: Sequence[str] = EXTENTS) -> dict[str, Interval]:
    """Bounds for each variable."""
    return {name: random_bounds(random, precision, extents) for name in VARIABLES}


def random_points(
    random: Random, precision: Precision, box: Mapping[str, Interval], count: int
) -> dict[str, Any]:
    """`count` points of a box, the corners first, as an array for each variable."""
    points: dict[str, list[Any]] = {name: [] for name in box}
    for i in range(count):
        for axis, name in enumerate(box):
            kind = (i >> axis) & 1 if i < 2 ** len(box) else random.randrange(6)
            points[name].append(_random_value(random, precision, box[name], kind))
    return {name: np.array(values, precision.real) for name, values in points.items()}


def _random_value(random: Random, precision: Precision, bounds: Interval, kind: int) -> Any:
    lower, upper, may_nan = bounds
    real = precision.real
    if may_nan and random.randrange(4) == 0:
        return real(math.nan)
    width = random.choice((1.0, 1e3, 1e30)) if math.isinf(lower) or math.isinf(upper) else math.inf
    with np.errstate(all="ignore"):
        t = random.random()
        low, high = (min(max(float(end), -width), width) for end in (lower, upper))
        inside = real((1 - t) * low + t * high)
        value = (lower, upper, np.nextafter(lower, upper), np.nextafter(upper, lower), inside, inside)[kind]
    return value if lower <= value <= upper else lower


def violations(
    domain: Domain[Any],
    graph: Graph,
    box: Mapping[str, Interval],
    points: Mapping[str, Any],
    contains: Callable[[Any, int, float], bool],
) -> list[Violation]:
    """Every value of a node that its element does not contain, at any of the points.

    `contains(element, i, value)`: the value at the i-th point is one of the element's.
    """
    elements = interpret_abstract(graph, domain, box)
    shape = next(iter(points.values())).shape
    found = []
    for node, values in enumerate(interpret_concrete(graph, domain.precision, points)):
        for i, value in enumerate(np.broadcast_to(values, shape).tolist()):
            if not contains(elements[node], i, value):
                found.append(Violation(node, graph.record(node).name, value, elements[node]))
    return found


def broken_containment(
    domain: AffineDomain,
    random: Random,
    size: int,
    operations: Sequence[Op] = OPERATIONS,
    extents: Sequence[str] = EXTENTS,
) -> list[Violation]:
    """Run a random program on a box: the values outside their intervals or, exactly, off their forms."""
    graph = random_graph(random, size, operations)
    box = random_box(random, domain.precision, extents)
    points = random_points(random, domain.precision, box, 16)
    variables = {name: domain.variable(name, bounds) for name, bounds in box.items()}
    eps = [{name: position(variables[name], values[i]) for name, values in points.items()} for i in range(16)]
    return violations(
        domain, graph, box, points, lambda element, i, value: contains_at(element, eps[i], value)
    )
