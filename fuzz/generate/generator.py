"""Random programs over all operations of the op table.

Each mode aims at another kind of bug: `dag`, any operation on any earlier nodes; `shapes`, trees of min and
max over primitives, as in real models; `near`, patterns of rewrite rules whose operands touch the
preconditions; `spicy`, graphs full of NaN, infinities, zeros and subnormals; `mutated`, pieces of real models
with an operation swapped, a constant nudged or an operand moved.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from absint.evaluation.view import View
from absint.ir.box import Box
from absint.ir.graph import AXES, Graph, GraphBuilder
from absint.ops.precision import Precision
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

from ..cases import Case
from .choices import Choices, SeededChoices, chance, pick
from .mutation import mutate_model
from .near import NearMisses

OPERATIONS = tuple(op for op in OPS if not op.is_leaf)
_NAMES = "min max neg abs add sub mul div square sqrt floor recip and or not mod"
_REWRITTEN = tuple(BY_NAME[name] for name in _NAMES.split())
"""Operations that occur in rewrite rules. Among all operations they would seldom be neighbours, so some
graphs use these alone.
"""

MODES = ("dag", "shapes", "near", "spicy", "mutated")
_DRAWN = (*MODES, "near", "near", "shapes")

SIZE = 54
"""The default `size`: programs have about 40 operations on average."""


def random_case(seed: int, size: int = SIZE) -> Case:
    """The case of a seed. `size`: programs have 3/4 as many operations on average."""
    return draw_case(SeededChoices(seed), seed, size)


def draw_case(choices: Choices, seed: int, size: int = SIZE, mode: str = "") -> Case:
    """A case made from choices. `seed`: determines the random choices of the case's checks."""
    mode = mode or pick(choices, _DRAWN)
    precision = pick(choices, tuple(Precision))
    box = Box({name: ends for name in AXES if (ends := draw_range(choices, precision)) is not None})
    graph = Generator(choices, size, precision, box, seed).graph(mode)
    return Case(graph, precision, box, draw_view(choices, precision), seed, mode)


def random_graph(seed: int, size: int = SIZE, mode: str = "") -> Graph:
    """The program of a seed's case."""
    return draw_case(SeededChoices(seed), seed, size, mode).graph


def draw_range(choices: Choices, precision: Precision) -> tuple[float, float] | None:
    """Random bounds of a variable: ordinary, tiny, a point, huge, with special ends, or none."""
    kind = pick(choices, ("unit", "unit", "ordinary", "special", "point", "tiny", "huge", "none"))
    if kind == "unit":
        return -1.0, 1.0
    if kind == "none":
        return None
    if kind == "special":
        ends = [pick(choices, _NUMBERS), pick(choices, _NUMBERS)]
    elif kind == "huge":
        ends = [choices.real(-1e38, 1e38), choices.real(-1e38, 1e38)]
    else:
        ends = [choices.real(-4.0, 4.0), choices.real(-4.0, 4.0)]
    lower, upper = sorted(precision.round(end) + 0.0 for end in ends)
    if kind == "point":
        return lower, lower
    if kind == "tiny":
        return lower, float(np.nextafter(precision.real(lower), precision.real(np.inf)))
    return lower, upper


def draw_view(choices: Choices, precision: Precision) -> View:
    """A view of a small picture, often of an odd size, sometimes zoomed or moved."""
    # with 17, 33 or 65 pixels, samples from -1 to 1 are exact multiples of 1/8, 1/16 or 1/32
    width, height = (pick(choices, (17, 33, 65, 33, 17, 64, 70, 16, 1, 7)) for _ in range(2))
    center = (0.0, 0.0)
    scale, z = 1.0, 0.0
    if chance(choices, 20):
        center = (choices.real(-1.0, 1.0), choices.real(-1.0, 1.0))
        scale = 10.0 ** choices.real(-4.0, 4.0)
    if chance(choices, 30):
        z = pick(choices, (0.3, -1.0, 1e-40, 1e30))
    view = View(width, height, center, scale, z)
    deep = view.duplicate_samples(precision) > 0
    return View(width, height, center, 1.0, z) if deep else view


_NUMBERS = tuple(value for value in SPICY if value == value)


class Generator:
    """Makes the graph of one case from choices. `size`: see `random_case`; `home`: see `NearMisses`."""

    def __init__(self, choices: Choices, size: int, precision: Precision, box: Box, home: int) -> None:
        self._choices = choices
        self._size = size
        self._precision = precision
        self._box = box
        self._builder = GraphBuilder()
        self._home = home

    def graph(self, mode: str) -> Graph:
        """A program in a mode."""
        if mode == "mutated":
            return mutate_model(self._choices, 2 * self._size)
        names = [*AXES[: pick(self._choices, (2, 1, 2, 3))], *(["t"] if chance(self._choices, 3) else [])]
        self._axes = [self._builder.variable(name) for name in names]
        if mode == "shapes":
            return self._build(self._shapes())
        if mode == "near":
            axes = dict(zip(names, self._axes, strict=True))
            near = NearMisses(
                self._choices, self._size, self._precision, self._box, self._builder, axes, self._home
            )
            return self._build(near.node())
        return self._build(self._random_dag(spicy=mode == "spicy"))

    def _build(self, node: int) -> Graph:
        """The graph whose root is a node, or -(-node) if the node is not the builder's last one."""
        if node == len(self._builder) - 1:
            return self._builder.build()
        return self._builder.build(self._builder.append(NEG.code, self._builder.append(NEG.code, node)))

    # any graph

    def _random_dag(self, spicy: bool) -> int:
        """Random operations on earlier nodes. `spicy`: draw more constants, mostly special ones."""
        choices = self._choices
        nodes = list(self._axes)
        made: list[tuple[Op, list[int]]] = []
        operations = pick(choices, (_REWRITTEN, OPERATIONS, OPERATIONS))
        for _ in range(1 + choices.below(2 * self._size)):
            if chance(choices, 40 if spicy else 20):
                nodes.append(self._random_constant(spicy))
                continue
            if made and chance(choices, 5):  # a copy of an earlier operation, perhaps with exchanged operands
                op, operands = pick(choices, made)
                operands = operands[::-1] if chance(choices, 50) else operands
                nodes.append(self._builder.append(op.code, operands[0], (*operands, -1)[1]))
                continue
            op = pick(choices, operations)
            operands = [self._recent(nodes) for _ in range(op.arity)]
            if op.spicy and chance(choices, 15):
                operands[-1] = self._const(pick(choices, op.spicy))
            if chance(choices, 20):
                operands = self._touching_pair(*operands) if op.arity == 2 else [self._clamp(operands[0])]
            nodes.append(self._apply(op, *operands))
            made.append((op, operands))
        return nodes[-1]

    def _touching_pair(self, a: int, b: int) -> list[int]:
        """Two nodes whose bounds touch, or `a` and a node whose bounds end at zero or one."""
        if chance(self._choices, 30):
            return [a, self._clamp(b)]
        edge = self._const(pick(self._choices, (0.0, -0.0, 1.0, -1.0)))
        pair = [self._apply(MIN, a, edge), self._apply(MAX, b, edge)]
        return pair if chance(self._choices, 50) else pair[::-1]

    def _clamp(self, node: int) -> int:
        """A node whose bounds end at zero or one, the corner cases of interval rules."""
        kind = self._choices.below(4)
        if kind < 2:
            edge = self._const(pick(self._choices, (0.0, -0.0, 1.0, -1.0)))
            return self._apply((MIN, MAX)[kind], node, edge)
        return self._apply(NEG, self._apply((ABS, SQUARE)[kind - 2], node))

    def _recent(self, nodes: Sequence[int]) -> int:
        """An earlier node; recent ones are more likely."""
        count = len(nodes)
        reach = min(count, pick(self._choices, (2, 4, 8, count)))
        return nodes[count - 1 - self._choices.below(reach)]

    def _random_constant(self, spicy: bool = False) -> int:
        """A constant; with `spicy`, usually a special value."""
        choices = self._choices
        if chance(choices, 70 if spicy else 10):
            value = pick(choices, SPICY)
            if value == value and abs(value) != math.inf and chance(choices, 30):
                value = float(np.nextafter(value, 0.0))
            return self._const(value)
        kind = choices.below(4)
        if kind == 0:
            return self._const(float(choices.below(7) - 3))
        value = choices.real(-2.0, 2.0)
        return self._const(value * pick(choices, (1.0, 10.0, 2.0**-10, 1e10)) if kind == 3 else value)

    def _const(self, value: float) -> int:
        return self._builder.constant(value)

    def _apply(self, op: Op, *operands: int) -> int:
        return self._builder.apply(op, *operands)

    # shapes

    def _shapes(self) -> int:
        """A tree of min and max over shapes. Half of the trees also have smooth blends and arbitrary
        operations, below which the lowering finds no separate terms.
        """
        choices = self._choices
        self._mixed = chance(choices, 50)
        shapes = [self._shape() for _ in range(1 + choices.below(max(1, self._size // 5)))]
        if chance(choices, 2):
            shapes[0] = self._fold(shapes[0])
        while len(shapes) > 1:
            i = choices.below(len(shapes) - 1)
            shapes[i : i + 2] = [self._combine(*shapes[i : i + 2])]
        return shapes[0]

    def _combine(self, a: int, b: int) -> int:
        """The union, intersection or difference of two shapes; in mixed trees also any other operation."""
        kind = self._choices.below(20 if self._mixed else 17)
        if kind < 11:
            return self._apply(MIN, a, b)
        if kind < 15:
            return self._apply(MAX, a, b)
        if kind < 17:
            return self._apply(MAX, a, self._apply(NEG, b))
        if kind < 19:  # smooth: -ln(exp(-k a) + exp(-k b)) / k
            k = self._const(pick(self._choices, (4.0, -8.0, 32.0)))
            powers = [self._apply(EXP, self._apply(MUL, side, k)) for side in (a, b)]
            return self._apply(DIV, self._apply(LN, self._apply(ADD, *powers)), k)
        op = pick(self._choices, OPERATIONS)
        return self._apply(op, *(a, b)[: op.arity])

    def _shape(self) -> int:
        """A disc, ring, box, half plane, diamond, cut box or stripes; in mixed trees also a wave or any
        operation.

        Most shapes lie on the grid of the samples: some samples are on the edge, or one float beside it.
        """
        choices = self._choices
        on_grid = chance(choices, 60)
        axes = [pick(choices, self._axes) for _ in range(2)] if chance(choices, 30) else self._axes[:2]
        x, y = (self._move(axis, on_grid) for axis in (axes[0], axes[-1]))
        if chance(choices, 30):
            x, y = self._apply(ADD, x, y), self._apply(SUB, x, y)
        size = self._edge(abs(self._place(0.6, on_grid)) * pick(choices, (1.0, 0.25, 0.5)), on_grid)
        if chance(choices, 2):  # stripes
            return self._apply(MAX, self._fold(x), self._apply(SUB, self._apply(ABS, y), size))
        kind = choices.below(9 if self._mixed else 7)
        if kind == 0:
            return self._apply(SUB, self._length(x, y), size)
        if kind == 1:
            ring = self._apply(ABS, self._apply(SUB, self._length(x, y), size))
            return self._apply(SUB, ring, self._const(0.03))
        if kind == 2:
            return self._apply(MAX, *(self._apply(SUB, self._apply(ABS, side), size) for side in (x, y)))
        if kind == 3:
            return self._apply(ADD, self._apply(MUL, x, self._random_constant()), y)
        if kind < 6:
            norm = (SQUARE, ABS)[kind - 4]
            return self._apply(SUB, self._apply(ADD, *(self._apply(norm, side) for side in (x, y))), size)
        if kind == 6:  # a small box without the part between two hyperbolas
            size = self._edge(abs(self._place(0.6, on_grid)) / 4, on_grid)
            cut = self._edge(self._place(0.15, on_grid) * self._place(0.15, on_grid), on_grid)
            sides = self._apply(MAX, *(self._apply(ABS, side) for side in (x, y)))
            return self._apply(
                MAX, self._apply(SUB, sides, size), self._apply(SUB, self._apply(MUL, x, y), cut)
            )
        if kind == 7:
            wave = BY_NAME[pick(choices, ("sin", "cos", "tan", "floor", "round"))]
            return self._apply(SUB, self._apply(wave, self._apply(MUL, x, self._const(10.0))), y)
        op = pick(choices, OPERATIONS)
        return self._apply(SUB, self._apply(op, *(x, y)[: op.arity]), self._random_constant())

    def _fold(self, value: int) -> int:
        """A value after a chain of folds; each fold's threshold has two preimages below it."""
        choices = self._choices
        kind = choices.below(4)
        a, b, slope = (self._const(choices.real(*ends)) for ends in ((0.0, 0.6), (0.0, 0.6), (1.0, 2.0)))
        for _ in range(2 + choices.below(8)):
            if kind == 0:
                fold = self._apply(SUB, self._apply(ABS, value), a)
            elif kind == 1:
                fold = self._apply(SUB, self._apply(SQUARE, value), a)
            else:
                fold = self._apply(MIN, self._apply(ADD, value, a), self._apply(SUB, b, value))
            if kind == 3:
                fold = self._apply(MAX, fold, self._apply(SUB, self._apply(NEG, value), b))
            value = self._apply(MUL, fold, slope)
        return value

    def _length(self, x: int, y: int) -> int:
        return self._apply(SQRT, self._apply(ADD, self._apply(SQUARE, x), self._apply(SQUARE, y)))

    def _place(self, most: float, on_grid: bool) -> float:
        """A position from -most to most; with `on_grid`, one that is exactly a sample's."""
        if not on_grid:
            return self._choices.real(-most, most)
        steps = int(16 * most)
        return (self._choices.below(2 * steps + 1) - steps) / 16

    def _edge(self, value: float, on_grid: bool) -> int:
        """A constant for a shape's edge; with `on_grid`, perhaps a float beside the value."""
        if on_grid:
            real, towards = self._precision.real, pick(self._choices, (math.inf, value, math.inf, -math.inf))
            value = float(np.nextafter(real(value), real(towards)))
        return self._const(value)

    def _move(self, axis: int, on_grid: bool) -> int:
        """An axis, translated and sometimes scaled."""
        moved = self._apply(SUB, axis, self._const(self._place(0.9, on_grid)))
        if chance(self._choices, 70):
            return moved
        factor = self._const(pick(self._choices, (2.0, -1.0, 0.5))) if on_grid else self._random_constant()
        return self._apply(MUL, moved, factor)
