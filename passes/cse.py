"""Common subexpression elimination: nodes with equal operation and operands become one node.

Constants are equal if they round to the same bits in the program's precision. Operands of commutative
operations are compared in either order, which preserves bits.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from absint.ir.graph import Graph
from absint.ir.program import Form, Program, Promise
from absint.ops.precision import Precision
from absint.ops.table import CONST, OPS, VAR
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassResult
from absint.rewriting.rules import Mode, Rewrite

from .arranging import arrange, places

CONSTANT = Rewrite("same-constant", Mode.BITS)
VARIABLE = Rewrite("same-variable", Mode.BITS)
OPERATION = Rewrite("same-operation", Mode.BITS)


@dataclass(frozen=True)
class Cse:
    """Value numbering, in one sweep from the leaves."""

    name: ClassVar[str] = "cse"
    promise: ClassVar[Promise] = Promise.BITS
    takes: ClassVar[Form] = Form.REAL
    makes: ClassVar[Form] = Form.REAL

    def run(self, program: Program, analyses: Analyses) -> PassResult:
        """Merge equal nodes; the first of them stays, with its name."""
        graph = program.graph
        if not _has_equal_nodes(graph, program.precision):
            return PassResult(program, Counter())
        first = np.array(_number_values(graph, program.precision), np.int32)
        merged = graph.op[first != np.arange(len(graph))]
        constants, variables = int((merged == CONST.code).sum()), int((merged == VAR.code).sum())
        rewrites = Counter(
            {CONSTANT: constants, VARIABLE: variables, OPERATION: len(merged) - constants - variables}
        )
        keep = np.flatnonzero((first == np.arange(len(graph))) & (first <= first[-1]))
        place = places(graph, keep)
        made = arrange(program, keep, place[np.append(first, -1)[graph.args[keep]]], analyses)
        return PassResult(made, +rewrites)


def _has_equal_nodes(graph: Graph, precision: Precision) -> bool:
    """Whether some nodes are equal. If so, the first two of them are the same leaf, or the same operation on
    the very same nodes: operands that are equal but not the same would be an earlier pair.
    """
    bits = _bits(graph.constants[graph.op == CONST.code], precision)
    if len(set(bits)) < len(bits) or len(set(graph.variables.values())) < len(graph.variables):
        return True
    operations = graph.args[:, 0] >= 0
    code, (a, b) = graph.op[operations].astype(np.int64), graph.args[operations].T.astype(np.int64)
    swapped = (b >= 0) & (b < a) & np.array([op.commutative for op in OPS])[code]
    a, b = np.where(swapped, b, a), np.where(swapped, a, b)
    keys = np.sort((code << 28 | a) << 28 | b + 1)  # there is no memory for 2**28 nodes
    return bool((keys[1:] == keys[:-1]).any())


def _number_values(graph: Graph, precision: Precision) -> list[int]:
    """For each node, the first node that is equal to it."""
    leaves: dict[int, object] = dict(graph.variables)
    constants = np.flatnonzero(graph.op == CONST.code)
    leaves.update(zip(constants.tolist(), _bits(graph.constants[constants], precision), strict=True))
    commutative = [op.commutative for op in OPS]
    seen: dict[object, int] = {}
    first: list[int] = []
    columns = graph.op.tolist(), graph.args[:, 0].tolist(), graph.args[:, 1].tolist()
    for node, (code, a, b) in enumerate(zip(*columns, strict=True)):
        key: object
        if a < 0:
            key = leaves[node]
        elif b < 0:
            key = code, first[a]
        else:
            a, b = first[a], first[b]
            key = (code, b, a) if b < a and commutative[code] else (code, a, b)
        first.append(seen.setdefault(key, node))
    return first


def _bits(values: NDArray[np.float64], precision: Precision) -> list[int]:
    """The bits, in binary64, of numbers rounded to a precision; all NaNs have the same bits."""
    with np.errstate(over="ignore"):
        rounded = values.astype(precision.dtype).astype(np.float64)
    rounded[np.isnan(rounded)] = np.nan
    return rounded.view(np.int64).tolist()  # type: ignore[no-any-return]  # NumPy types tolist() as Any
