"""Interval bounds of all nodes of a graph on a box, by native kernels.

Bounds have the same bits as those of the interval domain: every operation runs the op table's interval rule,
compiled by `absint.ops.kernels` over sixteen lanes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from absint.domains.lattice import Interval
from absint.ir.graph import FIRST_PREDICATE, Graph
from absint.ir.records import Operands
from absint.lowering.kernels.records import SweepTask
from absint.lowering.units import lowering_kernels
from absint.ops.precision import Precision
from absint.ops.table import CONST, OPS, VAR, with_diagonals
from absint.ops.units import LANES, operation_kernels

_LANE_BITS = 1 << np.arange(LANES)
ANYTHING = Interval(-math.inf, math.inf, True)


def write_interval(records: NDArray[Any], at: int, interval: Interval) -> None:
    """Write sixteen intervals, or one for all lanes, into a record."""
    records["lower"][at], records["upper"][at] = interval.lower, interval.upper
    records["may_nan"][at] = (np.asarray(interval.may_nan) * _LANE_BITS).sum()


class Sweep(NamedTuple):
    """Bounds of n nodes: `lower` and `upper` real[n], `may_nan` bool[n]. Those of predicates have no
    meaning.
    """

    lower: NDArray[Any]
    upper: NDArray[Any]
    may_nan: NDArray[np.bool_]


def sweep(graph: Graph, precision: Precision, variables: Mapping[str, Interval]) -> Sweep:
    """Bounds of every node on a box. `variables`: the interval of each variable; others are unbounded."""
    n, constants = len(graph), graph.op == CONST.code
    lower, upper, may_nan = np.zeros(n, precision.dtype), np.zeros(n, precision.dtype), np.zeros(n, bool)
    with np.errstate(over="ignore"):
        values = graph.constants[constants].astype(precision.dtype)
    nan = np.isnan(values)
    lower[constants], upper[constants] = np.where(nan, math.inf, values), np.where(nan, -math.inf, values)
    may_nan[constants] = nan
    for node, name in graph.variables.items():
        lower[node], upper[node], may_nan[node] = variables.get(name, ANYTHING)
    task = SweepTask.of(precision.value)(
        count=n, kernel=interval_kernels(graph, precision), operands=Operands.view(graph.args), lower=lower,
        upper=upper, may_nan=may_nan.view(np.uint8),
    )  # fmt: skip
    lowering_kernels(precision)["sweep"](task.address)
    return Sweep(lower, upper, may_nan)


def interval_kernels(graph: Graph, precision: Precision) -> NDArray[np.int64]:
    """int64[n]: the address of each node's interval kernel, 0 for leaves and predicates."""
    a, b = graph.args.T
    if len(graph.variables) > len(set(graph.variables.values())):  # two nodes of one variable are equal
        first_of = {name: node for node, name in reversed(list(graph.variables.items()))}
        value = np.arange(-1, len(graph), dtype=np.int32)
        value[1:][list(graph.variables)] = [first_of[name] for name in graph.variables.values()]
        a, b = value[a + 1], value[b + 1]
    op, _ = with_diagonals(graph.op, a, b)
    kernels = np.zeros(256, np.int64)
    for code in np.flatnonzero(np.bincount(op)).tolist():
        if code < FIRST_PREDICATE and code not in (CONST.code, VAR.code):
            kernels[code] = operation_kernels(OPS[code].name, precision).address("interval")
    return kernels[op]
