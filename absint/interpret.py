"""Walking a graph once, from the leaves to the root: with concrete values or with abstract ones.

Both walks keep every node's value, for those who compare node by node. Evaluating a picture is a backend's
work, on a tape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from absint.domains.lattice import Domain, Interval
from absint.graph import Graph
from absint.ops.table import CONST, MUL, OPS, SQUARE, VAR
from absint.ops.translate import array_form
from absint.precision import Precision
from absint.program import Program


def interpret_concrete(graph: Graph, precision: Precision, variables: Mapping[str, Any]) -> list[Any]:
    """The value of every node, in the order of the graph.

    `variables`: a float or an array of the precision for each variable of the graph; arrays broadcast.
    """
    values: list[Any] = []
    with np.errstate(all="ignore"):
        for node, (code, a, b) in enumerate(graph.rows):
            if code == CONST.code:
                values.append(precision.real(graph.values[node]))
            elif code == VAR.code:
                values.append(variables[graph.variables[node]])
            else:
                form = array_form(OPS[code].body(precision), precision)
                values.append(form(values[a]) if b < 0 else form(values[a], values[b]))
    return values


def walk_abstract(
    graph: Graph, domain: Domain[Any], variables: Mapping[str, Interval]
) -> Iterator[tuple[int, list[Any]]]:
    """After each node, the node and the abstract values so far, of which the last is the node's.

    A variable without bounds may be anything. `x * x` is taken as the square that it is in bits. The caller
    may drop elements of the list that no later node reads, and has silenced NumPy's warnings.
    """
    anything = domain.to_interval(domain.top())
    elements: list[Any] = []
    add = elements.append
    for node, (code, a, b) in enumerate(graph.rows):
        if code == CONST.code:
            add(domain.constant(graph.values[node]))
        elif code == VAR.code:
            name = graph.variables[node]
            add(domain.variable(name, variables.get(name, anything)))
        elif b < 0:
            add(domain.transfer(OPS[code], (elements[a],)))
        elif code == MUL.code and (a == b or _same_variable(graph, a, b)):
            add(domain.transfer(SQUARE, (elements[a],)))
        else:
            add(domain.transfer(OPS[code], (elements[a], elements[b])))
        yield node, elements


def _same_variable(graph: Graph, a: int, b: int) -> bool:
    """Two nodes of one variable have one value; a tape has one register for them."""
    return a in graph.variables and graph.variables[a] == graph.variables.get(b)


def interpret_abstract(graph: Graph, domain: Domain[Any], variables: Mapping[str, Interval]) -> list[Any]:
    """The abstract value of every node; see `walk_abstract`."""
    with np.errstate(all="ignore"):
        *_, (_, elements) = walk_abstract(graph, domain, variables)
    return elements


def box_intervals(program: Program) -> dict[str, Interval]:
    """The program's box as scalar intervals of its precision, by variable."""
    real = program.precision.real
    return {
        name: Interval(real(lower), real(upper), False) for name, (lower, upper) in program.box.bounds.items()
    }
