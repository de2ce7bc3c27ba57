"""Reduction of finds: delta debugging on the graph, its constants, the box and the view.

A case and its oracle enter, a simpler case with a finding of the same oracle leaves. Every step proposes
simpler cases and keeps the first that the oracle still finds wrong. After Zeller and Hildebrandt (2002); the
steps know graphs, as C-Reduce's know C (Regehr et al., 2012).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from absint.evaluation.view import View
from absint.ir.box import Box
from absint.ir.graph import Graph, GraphBuilder, reachable
from absint.ops.table import CONST, VAR

from .cases import Case
from .findings import Finding

Check = Callable[[Case], Finding | None]
"""Returns what is wrong with a case, or None."""

Leaf = float | str
"""A constant or a variable's name."""

_LEAVES: tuple[Leaf, ...] = ("x", 1.0, 0.0)
_PLAIN = (0.0, 1.0, -1.0, 2.0, 0.5)


def reduce_case(case: Case, check: Check, seconds: float = 60.0) -> tuple[Case, Finding]:
    """The simplest case reached that the check still finds wrong, and its finding.

    `seconds`: time after which no further steps are tried. Raises ValueError if nothing is wrong with the
    case.
    """
    finding = check(case)
    if finding is None:
        raise ValueError("nothing is wrong with the case")
    end = time.monotonic() + seconds
    progress = True
    while progress:
        progress = False
        for proposals in (_roots, _leaves, _bypasses, _constants, _boxes, _views):
            again = True
            while again and time.monotonic() < end:
                again = False
                for candidate in proposals(case):
                    still = check(candidate)
                    if still is not None and still.oracle == finding.oracle:
                        case, finding = candidate, still
                        again = progress = True
                        break
                    if time.monotonic() >= end:
                        break
    return case, finding


def _roots(case: Case) -> Iterator[Case]:
    """Cases whose root is an earlier node, and the case without dead nodes."""
    graph = case.graph
    if not reachable(graph).all():
        yield case.with_graph(rebuild(graph, {}, graph.root))
    for root in range(len(graph) - 1):
        yield case.with_graph(rebuild(graph, {}, root))


def _leaves(case: Case) -> Iterator[Case]:
    """Cases with one node replaced by a leaf."""
    graph = case.graph
    for node in range(len(graph) - 1, -1, -1):
        if graph.rows[node][0] not in (CONST.code, VAR.code):
            for leaf in _LEAVES:
                yield case.with_graph(rebuild(graph, {node: leaf}, graph.root))


def _bypasses(case: Case) -> Iterator[Case]:
    """Cases with one node replaced by one of its operands."""
    graph = case.graph
    for node in range(len(graph) - 1, -1, -1):
        for operand in dict.fromkeys(graph.operands(node)):
            yield case.with_graph(rebuild(graph, {node: operand}, graph.root))


def _constants(case: Case) -> Iterator[Case]:
    """Cases with one variable replaced by x, or one constant by a shorter one."""
    graph = case.graph
    for node, (code, _, _) in enumerate(graph.rows):
        if code == VAR.code and graph.variables[node] != "x":
            yield case.with_graph(rebuild(graph, {node: "x"}, graph.root))
        if code == CONST.code:
            value = graph.values[node]
            if value in _PLAIN:
                continue
            for plain in (*_PLAIN, _shorter(value, 1), _shorter(value, 3)):
                if len(repr(plain)) < len(repr(value)):
                    yield case.with_graph(rebuild(graph, {node: plain}, graph.root))


def _shorter(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")


def _boxes(case: Case) -> Iterator[Case]:
    """Cases with a simpler box: for one variable a shorter range, a point, or no range."""
    bounds = dict(case.box.bounds)
    for name, (lower, upper) in bounds.items():
        others = {other: ends for other, ends in bounds.items() if other != name}
        if name not in case.graph.variables.values():
            yield replace(case, box=Box(others))
            continue
        round_number = case.precision.round
        for low, high in (
            (-1.0, 1.0), (0.0, 1.0), (lower, lower), (upper, upper), (lower, 0.0), (0.0, upper),
            (round_number(_shorter(lower, 2)), round_number(_shorter(upper, 2))),
        ):  # fmt: skip
            plainer = len(repr((low, high))) < len(repr((lower, upper))) or (low == high and lower < upper)
            if low <= high and plainer:
                yield replace(case, box=Box({**bounds, name: (low, high)}))


def _views(case: Case) -> Iterator[Case]:
    """Cases with a simpler view."""
    view = case.view
    for plain in (
        View(16, 16), View(view.width, view.height), replace(view, z=0.0), replace(view, center=(0.0, 0.0)),
        replace(view, scale=1.0), replace(view, width=16), replace(view, height=16),
    ):  # fmt: skip
        if _complexity(plain) < _complexity(view):
            yield replace(case, view=plain)


def _complexity(view: View) -> tuple[int, int]:
    return len(repr(view)), view.width * view.height


def rebuild(graph: Graph, replacements: dict[int, Leaf | int], root: int) -> Graph:
    """The graph below `root`, with some nodes replaced by leaves (float or str) or by earlier nodes (int)."""

    def target(node: int) -> int:
        while isinstance(found := replacements.get(node), int):
            node = found
        return node

    root = target(root)
    needed = {root}
    order = []
    for node in range(root, -1, -1):
        if node in needed:
            order.append(node)
            if node not in replacements:
                needed.update(target(operand) for operand in graph.operands(node))
    builder = GraphBuilder()
    new: dict[int, int] = {}
    for node in reversed(order):
        leaf = replacements.get(node)
        if isinstance(leaf, str):
            new[node] = builder.variable(leaf)
        elif isinstance(leaf, float):
            new[node] = builder.constant(leaf)
        else:
            operands = [new[target(operand)] for operand in graph.operands(node)]
            new[node] = builder.copy(graph, node, *operands)
    if new[root] != len(builder) - 1:  # the root is a leaf that was interned before
        value = replacements[root]
        if isinstance(value, str):
            builder.append_variable(value)
        else:
            builder.append(CONST.code, value=float(value))
    return builder.build()
