"""Random programs for pictures, from a seed: shapes joined by min and max, and graphs of anything.

Hypothesis finds small programs that break a rule; these are larger, and most of them show something.
"""

from __future__ import annotations

import numpy as np

from absint.graph import Graph, GraphBuilder
from absint.ops.table import (
    ABS,
    ADD,
    BY_NAME,
    DIV,
    EXP,
    LN,
    MAX,
    MIN,
    MUL,
    NEG,
    OPS,
    SPICY,
    SQRT,
    SQUARE,
    SUB,
    Op,
)  # fmt: skip

OPERATIONS = tuple(op for op in OPS if not op.is_leaf)


class RandomModel:
    """One program. `size`: about how many shapes or operations."""

    def __init__(self, seed: int, size: int = 12) -> None:
        self._rng = np.random.default_rng(seed)
        self._builder = GraphBuilder()
        self._axes = [self._builder.variable(name) for name in "xyz"]
        self.graph = (self._anything if self._rng.random() < 0.4 else self._shapes)(size)

    def _anything(self, size: int) -> Graph:
        """A graph whose operations take any earlier nodes, mostly late ones."""
        nodes = list(self._axes)
        for _ in range(int(self._rng.integers(2, 4 * size))):
            if self._rng.random() < 0.25:
                nodes.append(self._constant())
                continue
            op = OPERATIONS[self._rng.integers(len(OPERATIONS))]
            chosen = [nodes[-1 - min(int(self._rng.exponential(4)), len(nodes) - 1)] for _ in range(op.arity)]
            nodes.append(self._apply(op, *chosen))
        return self._builder.build(self._fresh_root(nodes[-1]))

    def _shapes(self, size: int) -> Graph:
        """A tree of min and max over shapes, now and then blended, warped or cut."""
        shapes = [self._shape() for _ in range(int(self._rng.integers(1, size + 1)))]
        while len(shapes) > 1:
            i = int(self._rng.integers(len(shapes) - 1))
            shapes[i : i + 2] = [self._joined(*shapes[i : i + 2])]
        return self._builder.build(self._fresh_root(shapes[0]))

    def _fresh_root(self, node: int) -> int:
        """The root as the last node: a graph ends with it."""
        return self._builder.append(NEG.code, self._builder.append(NEG.code, node))

    def _joined(self, a: int, b: int) -> int:
        kind = self._rng.random()
        if kind < 0.55:
            return self._apply(MIN, a, b)
        if kind < 0.75:
            return self._apply(MAX, a, b)
        if kind < 0.85:
            return self._apply(MAX, a, self._apply(NEG, b))
        if kind < 0.95:  # smooth: -ln(exp(-k a) + exp(-k b)) / k
            k = self._builder.constant(float(self._rng.choice([4.0, -8.0, 32.0])))
            powers = [self._apply(EXP, self._apply(MUL, side, k)) for side in (a, b)]
            return self._apply(DIV, self._apply(LN, self._apply(ADD, *powers)), k)
        op = OPERATIONS[self._rng.integers(len(OPERATIONS))]
        return self._apply(op, *(a, b)[: op.arity])

    def _shape(self) -> int:
        """A disc, ring, box, half plane, band of something periodic, or something odd."""
        x, y = (self._moved(axis) for axis in self._axes[:2])
        if self._rng.random() < 0.2:
            x, y = self._apply(ADD, x, y), self._apply(SUB, x, y)
        if self._rng.random() < 0.1:
            x = self._apply(ADD, x, self._axes[2])
        kind = self._rng.integers(7)
        size = self._builder.constant(float(self._rng.uniform(0.02, 0.6)))
        if kind == 0:
            return self._apply(SUB, self._length(x, y), size)
        if kind == 1:
            ring = self._apply(ABS, self._apply(SUB, self._length(x, y), size))
            return self._apply(SUB, ring, self._builder.constant(0.03))
        if kind == 2:
            sides = [self._apply(SUB, self._apply(ABS, side), size) for side in (x, y)]
            return self._apply(MAX, *sides)
        if kind == 3:
            return self._apply(ADD, self._apply(MUL, x, self._constant()), y)
        if kind == 4:
            wave = BY_NAME[str(self._rng.choice(["sin", "cos", "tan", "floor", "round"]))]
            return self._apply(SUB, self._apply(wave, self._apply(MUL, x, self._constant(10.0))), y)
        if kind == 5:
            return self._apply(SUB, self._apply(ADD, *(self._apply(SQUARE, side) for side in (x, y))), size)
        op = OPERATIONS[self._rng.integers(len(OPERATIONS))]
        return self._apply(SUB, self._apply(op, *(x, y)[: op.arity]), self._constant())

    def _length(self, x: int, y: int) -> int:
        return self._apply(SQRT, self._apply(ADD, self._apply(SQUARE, x), self._apply(SQUARE, y)))

    def _moved(self, axis: int) -> int:
        """An axis, moved and scaled."""
        moved = self._apply(SUB, axis, self._builder.constant(float(self._rng.uniform(-0.9, 0.9))))
        return self._apply(MUL, moved, self._constant()) if self._rng.random() < 0.3 else moved

    def _constant(self, scale: float = 2.0) -> int:
        """An ordinary constant, rarely a special one."""
        if self._rng.random() < 0.1:
            return self._builder.constant(float(self._rng.choice(SPICY)))
        value = self._rng.normal() * scale
        return self._builder.constant(float(np.round(value, 1) if self._rng.random() < 0.4 else value))

    def _apply(self, op: Op, *operands: int) -> int:
        return self._builder.apply(op, *operands)


def random_model(seed: int, size: int = 12) -> Graph:
    """The random program of a seed."""
    return RandomModel(seed, size).graph
