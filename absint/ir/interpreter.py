"""Walking a graph once, from the leaves to the root: with concrete values or with abstract ones.

Both walks keep every node's value, for those who compare node by node. Evaluating a picture is a backend's
work, on a tape.
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
from absint.ops.table import ALL, BAND, CONST, FALSE, MUL, OPS, SQUARE, TRUE, VAR


def interpret_concrete(graph: Graph, precision: Precision, variables: Mapping[str, Any]) -> list[Any]:
    """The value of every node, in the order of the graph; of a predicate its truth.

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
    """`interpret_concrete` step by step: after each node, the node and the values so far.

    The caller may drop values of the list that no later node reads, and has silenced NumPy's warnings. `xp`:
    the module of the arrays.
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
    """Whether a predicate holds."""
    code, a, _ = graph.rows[node]
    if code in (TRUE.code, FALSE.code):
        return np.bool_(code == TRUE.code)
    if code == BAND.code:
        assert graph.logic is not None
        lower, upper = map(precision.real, graph.logic.bands[node])
        return (values[a] >= lower) & (values[a] <= upper)
    join = xp.logical_and if code == ALL.code else xp.logical_or
    return functools.reduce(join, [values[operand] for operand in graph.operands(node)])


def last_read(graph: Graph) -> list[list[int]]:
    """For each node, the operands that no later node reads. Dead nodes count: a walk does not know that they
    are.
    """
    reader = {operand: node for node in range(len(graph)) for operand in graph.operands(node)}
    operands: list[list[int]] = [[] for _ in range(len(graph))]
    for operand, node in reader.items():
        operands[node].append(operand)
    return operands


class Known(NamedTuple):
    """Elements of a graph from which another was made, in the same domain and box.

    `origins`: for each node of the other graph, the node of this one that it is a copy of, or -1.
    """

    graph: Graph
    elements: Sequence[Any]
    origins: Sequence[int]

    def element(self, node: int, a: Any, b: Any, same: bool) -> Any:
        """The element of a copied node if its operands have the elements `a` and `b` as before; else None.

        `same`: its operands are one node.
        """
        origin = self.origins[node]
        if origin < 0:
            return None
        _, old_a, old_b = self.graph.rows[origin]
        held = (
            (old_a < 0 or a is self.elements[old_a] or a == self.elements[old_a])
            and (old_b < 0 or b is self.elements[old_b] or b == self.elements[old_b])
            and same == (old_a == old_b)
        )
        return self.elements[origin] if held else None


def interpret_abstract(
    graph: Graph, domain: Domain[Any], variables: Mapping[str, Interval], known: Known | None = None
) -> list[Any]:
    """The abstract value of every node; nothing is known of predicates. A variable without bounds may be
    anything.

    `x * x` is taken as the square that it is in bits. `known`: elements that may be taken over.
    """
    elements: list[Any] = []
    with np.errstate(all="ignore"):
        for node, (_, a, b) in enumerate(graph.rows):
            held = None
            if known is not None:
                held = known.element(
                    node, elements[a] if a >= 0 else None, elements[b] if b >= 0 else None, a == b
                )
            elements.append(_transfer(graph, domain, variables, elements, node) if held is None else held)
    return elements


def walk_abstract(
    graph: Graph, domain: Domain[Any], variables: Mapping[str, Interval]
) -> Iterator[tuple[int, list[Any]]]:
    """`interpret_abstract` step by step: after each node, the node and the elements so far.

    The caller may drop elements of the list that no later node reads, and has silenced NumPy's warnings.
    """
    elements: list[Any] = []
    for node in range(len(graph)):
        elements.append(_transfer(graph, domain, variables, elements, node))
        yield node, elements


def _transfer(
    graph: Graph, domain: Domain[Any], variables: Mapping[str, Interval], elements: list[Any], node: int
) -> Any:
    """The element of one node from those of its operands."""
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
    if code == MUL.code and (a == b or _same_variable(graph, a, b)):
        return domain.transfer(SQUARE, (elements[a],))
    return domain.transfer(OPS[code], (elements[a], elements[b]))


def _same_variable(graph: Graph, a: int, b: int) -> bool:
    """Two nodes of one variable have one value; a tape has one register for them."""
    return a in graph.variables and graph.variables[a] == graph.variables.get(b)


def box_intervals(program: Program) -> dict[str, Interval]:
    """The program's box as scalar intervals of its precision, by variable."""
    real = program.precision.real
    return {
        name: Interval(real(lower), real(upper), False) for name, (lower, upper) in program.box.bounds.items()
    }
