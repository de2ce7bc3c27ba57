"""Programs that a renderer made for one file would not be ready for: a model changed in ways that keep it
equally hard, and models of another kind.

    python -m tests.backends.variants MODEL.vm FOLDER     writes them all, for `absint bench FOLDER/*.vm`
"""

from __future__ import annotations

import heapq
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from absint.frontend.expr import (
    Expr,
    X,
    Y,
    exp,
    from_graph,
    ln,
    maximum,
    minimum,
    sqrt,
    square,
    substitute,
    to_graph,
)
from absint.frontend.vm import read_vm, write_vm
from absint.ir.graph import Graph, GraphBuilder
from absint.ops.table import CONST, MIN


def renamed(graph: Graph) -> Graph:
    """Other names, in no order."""
    order = np.random.default_rng(1).permutation(len(graph))
    builder = GraphBuilder()
    for node, (code, a, b) in enumerate(graph.rows):
        name = f"n{order[node]}"
        if node in graph.variables:
            builder.append_variable(graph.variables[node], name)
        else:
            builder.append(code, a, b, graph.values[node], name)
    return builder.build()


def reordered(graph: Graph) -> Graph:
    """The instructions in a random order that keeps operands before users."""
    rng = np.random.default_rng(2)
    users: list[list[int]] = [[] for _ in range(len(graph))]
    waiting = [0] * len(graph)
    for node in range(len(graph)):
        operands = set(graph.operands(node))
        waiting[node] = len(operands)
        for operand in operands:
            users[operand].append(node)
    ready = [(rng.random(), node) for node in range(len(graph)) if not waiting[node]]
    heapq.heapify(ready)
    builder, new = GraphBuilder(), {-1: -1}
    while ready:
        _, node = heapq.heappop(ready)
        _, a, b = graph.rows[node]
        if node != graph.root:
            new[node] = builder.copy(graph, node, new[a], new[b])
        for user in users[node]:
            waiting[user] -= 1
            if not waiting[user]:
                heapq.heappush(ready, (rng.random(), user))
    _, a, b = graph.rows[graph.root]
    builder.copy(graph, graph.root, new[a], new[b])
    return builder.build()


def reassociated(graph: Graph) -> Graph:
    """The root's tree of min put together at random."""
    rng = np.random.default_rng(3)
    inner, leaves, stack = set(), [], [graph.root]
    while stack:
        node = stack.pop()
        code, a, b = graph.rows[node]
        if code == MIN.code and (node == graph.root or graph.use_counts[node] == 1):
            inner.add(node)
            stack += (a, b)
        else:
            leaves.append(node)
    builder, new = GraphBuilder(), {-1: -1}
    for node, (_, a, b) in enumerate(graph.rows):
        if node not in inner:
            new[node] = builder.copy(graph, node, new[a], new[b])
    parts = [new[leaf] for leaf in leaves]
    while len(parts) > 1:
        a, b = (parts.pop(int(rng.integers(len(parts)))) for _ in range(2))
        parts.append(builder.append(MIN.code, a, b))
    return builder.build()


def jittered(graph: Graph) -> Graph:
    """Every constant moved by up to 0.001."""
    rng = np.random.default_rng(4)
    builder = GraphBuilder()
    for node, (code, a, b) in enumerate(graph.rows):
        if code == CONST.code:
            value = graph.values[node] + rng.uniform(-1e-3, 1e-3)
            builder.append(CONST.code, value=value, name=graph.names[node])
        else:
            builder.copy(graph, node, a, b)
    return builder.build()


def moved(graph: Graph, x: Expr, y: Expr) -> Graph:
    """x and y replaced."""
    return to_graph(substitute(from_graph(graph), x=x, y=y))


def translated(graph: Graph) -> Graph:
    """Moved by 0.1234 both ways."""
    return moved(graph, X - 0.1234, Y - 0.1234)


def rotated(graph: Graph) -> Graph:
    """Turned by 0.3 rad: no part is parallel to an axis any more."""
    c, s = math.cos(0.3), math.sin(0.3)
    return moved(graph, X * c - Y * s, X * s + Y * c)


VARIANTS: dict[str, Callable[[Graph], Graph]] = {
    each.__name__: each for each in (renamed, reordered, reassociated, jittered, translated, rotated)
}


def _tree(join: Callable[[Expr, Expr], Expr], parts: list[Expr]) -> Expr:
    while len(parts) > 1:
        rest = parts[len(parts) & ~1 :]
        parts = [join(a, b) for a, b in zip(parts[::2], parts[1::2], strict=False)] + rest
    return parts[0]


def capsules(count: int = 1500) -> Graph:
    """A union of short round lines in all directions; 24 operations each."""
    rng = np.random.default_rng(5)
    parts = []
    for _ in range(count):
        x, y = rng.uniform(-0.97, 0.97, 2).tolist()
        angle, length = rng.uniform(0, 2 * math.pi), rng.uniform(0.01, 0.05)
        radius = rng.uniform(0.002, 0.006)
        c, s = math.cos(angle), math.sin(angle)
        along, across = (X - x) * c + (Y - y) * s, (Y - y) * c - (X - x) * s
        nearest = minimum(maximum(along * (1 / length), 0.0), 1.0) * length
        parts.append(sqrt(square(along - nearest) + square(across)) - radius)
    return to_graph(_tree(minimum, parts))


def blend(count: int = 50, sharpness: float = 32.0) -> Graph:
    """Discs joined smoothly: -ln(sum of exp(-k d)) / k, which no comparison can be pushed into."""
    rng = np.random.default_rng(6)
    parts = []
    for _ in range(count):
        (x, y), radius = rng.uniform(-0.9, 0.9, 2).tolist(), rng.uniform(0.03, 0.12)
        parts.append(exp((sqrt(square(X - x) + square(Y - y)) - radius) * -sharpness))
    return to_graph(ln(_tree(lambda a, b: a + b, parts)) * (-1 / sharpness))


def main(model: str, folder: str) -> None:
    """Write every program."""
    graph = read_vm(model)
    made = {name: make(graph) for name, make in VARIANTS.items()} | {"capsules": capsules(), "blend": blend()}
    for name, variant in made.items():
        (Path(folder) / f"{name}.vm").write_text(write_vm(variant), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
