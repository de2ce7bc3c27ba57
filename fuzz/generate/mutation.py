"""Mutated pieces of real models: what a model's author might have written next."""

from __future__ import annotations

import functools
import math

import numpy as np

from absint import models
from absint.frontend.vm import parse_vm
from absint.ir.graph import AXES, Graph, GraphBuilder
from absint.ops.table import CONST, OPS, SPICY, VAR

from .choices import Choices, pick

_TRIES = 20


def mutate_model(choices: Choices, most: int) -> Graph:
    """A piece of a bundled model, of at most about `most` nodes, with one to four mutations."""
    graph = _piece(choices, pick(choices, _models()), most)
    for _ in range(1 + choices.below(4)):
        graph = _change_node(choices, graph)
    return graph


@functools.cache
def _models() -> tuple[Graph, ...]:
    return tuple(parse_vm(models.text(name), name) for name in models.names())


def _piece(choices: Choices, graph: Graph, most: int) -> Graph:
    """The graph below a random node. If no node tried has between 3 and `most` nodes below it, the last one's
    graph is cut off: operands beyond `most` nodes become variables.
    """
    cone: list[int] = []
    for _ in range(_TRIES):
        cone = _cone(graph, choices.below(len(graph)), most)
        if 3 <= len(cone) <= most:
            break
    builder = GraphBuilder()
    new: dict[int, int] = {}
    for node in sorted(cone):
        _, a, b = graph.rows[node]
        cut = any(operand >= 0 and operand not in new for operand in (a, b))
        if cut:
            new[node] = builder.append_variable(pick(choices, AXES))
        else:
            new[node] = builder.copy(graph, node, new.get(a, -1), new.get(b, -1))
    return builder.build()


def _cone(graph: Graph, root: int, most: int) -> list[int]:
    """The nodes that a node depends on, itself included; only the last `most` + 1 if there are more."""
    needed = {root}
    found: list[int] = []
    for node in range(root, -1, -1):
        if node in needed:
            found.append(node)
            if len(found) > most:
                break
            needed.update(operand for operand in graph.operands(node))
    return found


def _change_node(choices: Choices, graph: Graph) -> Graph:
    """The graph with another operation, constant, variable or operand in one node."""
    target = choices.below(len(graph))
    code, a, b = graph.rows[target]
    builder = GraphBuilder()
    for node in range(len(graph)):
        if node != target:
            builder.copy(graph, node, *graph.rows[node][1:])
        elif code == CONST.code:
            builder.append(code, value=_nudge(choices, graph.values[node]))
        elif code == VAR.code:
            builder.append_variable(pick(choices, AXES))
        elif choices.below(2) == 0:
            op = pick(choices, [op for op in OPS if op.arity == OPS[code].arity and not op.is_leaf])
            builder.append(op.code, a, b)
        elif b < 0 or choices.below(2) == 0:
            builder.append(code, choices.below(node), b)
        else:
            builder.append(code, a, choices.below(node))
    return builder.build()


def _nudge(choices: Choices, value: float) -> float:
    """A number near a constant, its negative, or a special value."""
    kind = choices.below(4)
    if kind == 0:
        with np.errstate(all="ignore"):
            return float(np.nextafter(np.float32(value), np.float32(math.inf)))
    if kind == 1:
        return -value
    if kind == 2:
        return value * (1.0 + choices.real(-0.01, 0.01))
    return pick(choices, SPICY)
