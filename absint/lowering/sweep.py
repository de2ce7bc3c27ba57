"""Interval bounds of all nodes of a graph on sixteen boxes at once, native.

The same bits as the interval domain gives node by node: every operation is the op table's interval rule,
which `absint.ops.kernels` compiles over sixteen lanes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from absint.domains.lattice import Interval
from absint.ir.graph import FIRST_PREDICATE, Graph
from absint.lowering.units import lowering_kernels
from absint.native.arrays import address_of
from absint.ops.precision import Precision
from absint.ops.table import CONST, OPS, VAR, with_diagonals
from absint.ops.units import LANES, operation_kernels, record_dtype

_LANE_BITS = 1 << np.arange(LANES)
_ALL_LANES = int(_LANE_BITS.sum())
ANYTHING = Interval(-math.inf, math.inf, True)


class LaneBounds(NamedTuple):
    """Of n nodes: `lower` and `upper` real[n, 16], `may_nan` int64[n], bit i for lane i. Predicates have
    none.
    """

    lower: NDArray[Any]
    upper: NDArray[Any]
    may_nan: NDArray[np.int64]


def write_interval(records: NDArray[Any], at: int, interval: Interval) -> None:
    """Write sixteen intervals, or one for all lanes, into a record."""
    records["lower"][at], records["upper"][at] = interval.lower, interval.upper
    records["may_nan"][at] = (np.asarray(interval.may_nan) * _LANE_BITS).sum()


class IntervalSweep:
    """A graph, ready to be bounded on many boxes."""

    def __init__(self, graph: Graph, precision: Precision) -> None:
        self.graph = graph
        self._a, self._b = (np.ascontiguousarray(graph.args[:, column]) for column in (0, 1))
        self._kernel = interval_kernels(graph, precision)
        self._sweep = lowering_kernels()["sweep"]
        self._leaves = np.zeros(len(graph), record_dtype(precision))
        constants = graph.op == CONST.code
        with np.errstate(over="ignore"):
            values = graph.constants[constants].astype(precision.dtype)[:, None]
        nan = np.isnan(values)
        self._leaves["lower"][constants] = np.where(nan, math.inf, values)
        self._leaves["upper"][constants] = np.where(nan, -math.inf, values)
        self._leaves["may_nan"][constants] = nan[:, 0] * _ALL_LANES

    def run(self, variables: Mapping[str, Interval]) -> LaneBounds:
        """Bounds of every node. `variables`: sixteen intervals each, or one for all lanes; others may be
        anything.
        """
        records = self._leaves.copy()
        bounds = LaneBounds(records["lower"], records["upper"], records["may_nan"])
        for node, name in self.graph.variables.items():
            write_interval(records, node, variables.get(name, ANYTHING))
        self._sweep(
            0, len(records), *(address_of(x) for x in (self._kernel, self._a, self._b, records)),
            records.itemsize,
        )  # fmt: skip
        return bounds


def interval_kernels(graph: Graph, precision: Precision) -> NDArray[np.int64]:
    """int64[n]: the address of each node's interval kernel, 0 for leaves and predicates."""
    a, b = graph.args.T
    if len(graph.variables) > len(set(graph.variables.values())):  # two nodes of one variable are one value
        first_of = {name: node for node, name in reversed(list(graph.variables.items()))}
        value = np.arange(-1, len(graph), dtype=np.int32)
        value[1:][list(graph.variables)] = [first_of[name] for name in graph.variables.values()]
        a, b = value[a + 1], value[b + 1]
    op, _ = with_diagonals(graph.op, a, b)
    kernels = np.zeros(256, np.int64)
    for code in set(op.tolist()):
        if code < FIRST_PREDICATE and code not in (CONST.code, VAR.code):
            kernels[code] = operation_kernels(OPS[code].name, precision).address("interval")
    return kernels[op]
