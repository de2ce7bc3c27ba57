"""Walking a graph once, from the leaves to the root: with concrete values or with abstract ones.

Both walks keep every node's value, for those who compare node by node. Evaluating a picture is a backend's
work, on a tape.
"""

from __future__ import annotations

from collections.abc import Mapping
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


def interpret_abstract(graph: Graph, domain: Domain[Any], variables: Mapping[str, Interval]) -> list[Any]:
    """The abstract value of every node. A variable without bounds may be anything.

    `x * x` is taken as the square that it is in bits.
    """
    anything = domain.to_interval(domain.top())
    elements: list[Any] = []
    add = elements.append
    with np.errstate(all="ignore"):
        for node, (code, a, b) in enumerate(graph.rows):
            if code == CONST.code:
                add(domain.constant(graph.values[node]))
            elif code == VAR.code:
                name = graph.variables[node]
                add(domain.variable(name, variables.get(name, anything)))
            elif b < 0:
                add(domain.transfer(OPS[code], (elements[a],)))
            elif a == b and code == MUL.code:
                add(domain.transfer(SQUARE, (elements[a],)))
            else:
                add(domain.transfer(OPS[code], (elements[a], elements[b])))
    return elements


def box_intervals(program: Program) -> dict[str, Interval]:
    """The program's box as scalar intervals of its precision, by variable."""
    real = program.precision.real
    return {
        name: Interval(real(lower), real(upper), False) for name, (lower, upper) in program.box.bounds.items()
    }
