"""Interpretation of a graph, node by node from the leaves to the root, on concrete or abstract values.

Returns the value of every node, for callers that compare or inspect nodes. Backends evaluate pictures from
tapes instead, and keep only the root's values.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from absint.domains.lattice import Domain, Interval
from absint.ir.graph import FIRST_PREDICATE, Graph
from absint.ir.program import Program
from absint.ops.precision import Precision
from absint.ops.printers.translate import array_form
from absint.ops.table import ALL, BAND, CONST, DIAGONALS, FALSE, OPS, TRUE, VAR


def interpret_concrete(graph: Graph, precision: Precision, variables: Mapping[str, Any]) -> list[Any]:
    """The value of every node, in the order of the graph; a predicate's value is its truth.

    `variables`: a float or an array of the precision for each variable of the graph; arrays broadcast.
    """
    values: list[Any] = []
    with np.errstate(all="ignore"):
        for _, so_far in walk_concrete(graph, precision, variables):
            values = so_far
    return values


def walk_concrete(
    graph: Graph, precision: Precision, variables: Mapping[str, Any], xp: Any = np
) -> Iterator[tuple[int, list[Any]]]:
    """Evaluate node by node: yields each node together with the list of all values so far.

    The caller silences NumPy's warnings, and may replace values in the list that no later node reads (see
    `last_reads`). `xp`: the array module, such as NumPy.
    """
    values: list[Any] = []
    for node, (code, a, b) in enumerate(graph.rows):
        if code == CONST.code:
            values.append(precision.real(graph.values[node]))
        elif code == VAR.code:
            values.append(variables[graph.variables[node]])
        elif code >= FIRST_PREDICATE:
            values.append(_truth(graph, precision, values, node, xp))
        else:
            form = array_form(OPS[code].body(precision), precision, xp)
            values.append(form(values[a]) if b < 0 else form(values[a], values[b]))
        yield node, values


def _truth(graph: Graph, precision: Precision, values: Sequence[Any], node: int, xp: Any) -> Any:
    """The truth value of a predicate node."""
    code, a, _ = graph.rows[node]
    if code in (TRUE.code, FALSE.code):
        return np.bool_(code == TRUE.code)
    if code == BAND.code:
        assert graph.logic is not None
        lower, upper = map(precision.real, graph.logic.bands[node])
        return (values[a] >= lower) & (values[a] <= upper)
    join = xp.logical_and if code == ALL.code else xp.logical_or
    return functools.reduce(join, [values[operand] for operand in graph.operands(node)])


def last_reads(graph: Graph) -> list[list[int]]:
    """For each node, its operands that no later node reads. Dead nodes count as readers, too."""
    reader = {operand: node for node in range(len(graph)) for operand in graph.operands(node)}
    operands: list[list[int]] = [[] for _ in range(len(graph))]
    for operand, node in reader.items():
        operands[node].append(operand)
    return operands


class Previous(NamedTuple):
    """The elements of the graph from which a new graph was made, in the same domain and box.

    `origins`: for each node of the new graph, the node of `graph` that it copies, or -1.
    """

    graph: Graph
    elements: Sequence[Any]
    origins: Sequence[int]

    def element(self, node: int, a: Any, b: Any, same: bool) -> Any:
        """The previous element of the new graph's `node`, if it is still valid; else None.

        It is valid if the node is a copy and its operands have the elements that they had before. `a` and
        `b`: the operands' elements now; `same`: whether the operands are one node.
        """
        origin = self.origins[node]
        if origin < 0:
            return None
        _, old_a, old_b = self.graph.rows[origin]
        unchanged = (
            (old_a < 0 or a is self.elements[old_a] or a == self.elements[old_a])
            and (old_b < 0 or b is self.elements[old_b] or b == self.elements[old_b])
            and same == (old_a == old_b)
        )
        return self.elements[origin] if unchanged else None


def interpret_abstract(
    graph: Graph, domain: Domain[Any], variables: Mapping[str, Interval], previous: Previous | None = None
) -> list[Any]:
    """The abstract element of every node, in the order of the graph; `top` for predicates.

    `variables`: bounds by name; a variable without bounds may be anything, NaN included. `x * x` is
    interpreted as a square, which has the same bits. `previous`: elements to reuse where they are still
    valid.
    """
    elements: list[Any] = []
    with np.errstate(all="ignore"):
        for node, (_, a, b) in enumerate(graph.rows):
            reused = None
            if previous is not None:
                reused = previous.element(
                    node, elements[a] if a >= 0 else None, elements[b] if b >= 0 else None, a == b
                )
            elements.append(_transfer(graph, domain, variables, elements, node) if reused is None else reused)
    return elements


def walk_abstract(
    graph: Graph, domain: Domain[Any], variables: Mapping[str, Interval]
) -> Iterator[tuple[int, list[Any]]]:
    """Interpret abstractly node by node: yields each node together with the list of all elements so far.

    The caller silences NumPy's warnings, and may replace elements in the list that no later node reads (see
    `last_reads`).
    """
    elements: list[Any] = []
    for node in range(len(graph)):
        elements.append(_transfer(graph, domain, variables, elements, node))
        yield node, elements


def _transfer(
    graph: Graph, domain: Domain[Any], variables: Mapping[str, Interval], elements: list[Any], node: int
) -> Any:
    """The element of a node, from the elements of its operands."""
    code, a, b = graph.rows[node]
    if code >= FIRST_PREDICATE:
        return domain.top()  # a truth value has no bounds, and no real node reads it
    if code == CONST.code:
        return domain.constant(graph.values[node])
    if code == VAR.code:
        name = graph.variables[node]
        return domain.variable(
            name, variables[name] if name in variables else domain.to_interval(domain.top())
        )
    if b < 0:
        return domain.transfer(OPS[code], (elements[a],))
    if code in DIAGONALS and (a == b or _same_variable(graph, a, b)):
        return domain.transfer(DIAGONALS[code], (elements[a],))
    return domain.transfer(OPS[code], (elements[a], elements[b]))


def _same_variable(graph: Graph, a: int, b: int) -> bool:
    """Whether two nodes are the same variable, and so have the same value."""
    return a in graph.variables and graph.variables[a] == graph.variables.get(b)


def box_intervals(program: Program) -> dict[str, Interval]:
    """The bounds of the program's box by variable, as scalar intervals in the program's precision."""
    real = program.precision.real
    return {
        name: Interval(real(lower), real(upper), False) for name, (lower, upper) in program.box.bounds.items()
    }
