"""Straight-line code for blocks of pixels: parts of a graph as tapes over a thread's scratch memory.

A value is computed as often as it varies. By what it depends on a node is `FIXED` (constants and z), a row of
sixteen columns (`ROW`: x), a number for each row (`COLUMN`: y), or a row for each row (`BLOCK`). Instructions
say where operands lie and how far apart their rows are, so that one kernel serves all of these.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from absint.graph import FIRST_PREDICATE, Graph
from absint.kernels.layout import ALL_ROWS, INSTRUCTION, ONE_ROW, PACKED_ROWS, TILE_ROWS, Y_PITCH
from absint.ops.table import CONST, MUL, OPS, SQUARE, VAR
from absint.precision import Precision
from absint.sweep import LANES, operation_kernels

FIXED, ROW, COLUMN, BLOCK = range(4)
"""The classes of nodes; the union of two is their bitwise or."""

ROWS_OF_CLASS = (ONE_ROW, ONE_ROW, PACKED_ROWS, ALL_ROWS)


class Place(NamedTuple):
    """Where a value lies in scratch memory: offset in bytes, and its class."""

    offset: int
    kind: int


class Memory:
    """Scratch memory as it is laid out: the samples first, constants, then values."""

    def __init__(self, precision: Precision) -> None:
        self.precision = precision
        self.size = precision.dtype.itemsize
        self.row = LANES * self.size
        self.x = Place(0, ROW)
        self.y = Place(self.row, COLUMN)
        self.z = Place(self.row + Y_PITCH * self.size, FIXED)
        self.end = self.z.offset + self.row
        self.constants: dict[float, Place] = {}
        self._bytes = (self.row, self.row, Y_PITCH * self.size, TILE_ROWS * self.row)

    def take(self, kind: int) -> Place:
        """Room for a value of a class, never given back."""
        place = Place(self.end, kind)
        self.end += self._bytes[kind]
        return place

    def constant(self, value: float) -> Place:
        """A constant, in all lanes of a row."""
        key = value if value == value and value != 0 else np.float64(value).tobytes()  # one for each zero
        if key not in self.constants:
            self.constants[key] = self.take(FIXED)  # type: ignore[index]
        return self.constants[key]  # type: ignore[index]


def classes_of(graph: Graph) -> list[int]:
    """The class of each real node."""
    kinds = []
    variables = graph.variables
    for node, (code, a, b) in enumerate(graph.rows):
        if code >= FIRST_PREDICATE:
            kinds.append(FIXED)
        elif a >= 0:
            kinds.append(kinds[a] | kinds[b] if b >= 0 else kinds[a])
        else:
            kinds.append({"x": ROW, "y": COLUMN}.get(variables.get(node, ""), FIXED))
    return kinds


def operand_step(operand: Place, kind: int, memory: Memory, every: int = 0) -> tuple[str, int]:
    """How an operation of class `kind` reads an operand: `v` for rows or `s` for one number a row, and the step
    from row to row in bytes. `every`: the step of rows that follow each other, for tables.
    """
    if kind == FIXED:
        return "v", 0
    if operand.kind == FIXED:
        return "s", 0
    if operand.kind == kind:
        return "v", memory.row if kind != ROW or every else 0
    return ("v", 0) if operand.kind == ROW else ("s", memory.size)


class TapeCode:
    """Tapes over one scratch memory, as instructions for the kernels (see `layout`).

    `prologue` computes what is fixed for a frame; it runs once, before all others.
    """

    def __init__(self, graph: Graph, memory: Memory) -> None:
        self.graph = graph
        self.memory = memory
        self.classes = classes_of(graph)
        self.instructions: list[tuple[int, ...]] = []
        self.prologue: list[tuple[int, ...]] = []
        self._fixed: dict[int, Place] = {}
        self._pools: dict[int, list[Place]] = {ROW: [], COLUMN: [], BLOCK: []}
        self._kernels: dict[tuple[int, str], int] = {}

    def append(self, values: Iterable[int]) -> tuple[int, int, list[Place]]:
        """A tape for some real nodes: its first instruction, the one behind its last, and where the values are.

        Tapes share their room: a value is lost when another tape runs.
        """
        values = list(values)
        cone = self.cone(values)
        last = {operand: i for i, node in enumerate(cone) for operand in self.graph.operands(node)}
        last.update(dict.fromkeys(values, len(cone)))
        free = {kind: list(pool) for kind, pool in self._pools.items()}
        places: dict[int, Place] = {}
        first = len(self.instructions)
        for i, node in enumerate(cone):
            kind = self.classes[node]
            operands = self.graph.operands(node)
            if kind == FIXED:
                places[node] = self.fixed_place(node)
                continue
            if not operands:
                places[node] = self.memory.x if kind == ROW else self.memory.y
                continue
            sources = [places[operand] for operand in operands]
            for operand in set(operands):
                if last[operand] == i and self.graph.operands(operand) and self.classes[operand] == kind:
                    free[kind].append(places[operand])
            if not free[kind]:
                free[kind].append(self.memory.take(kind))
                self._pools[kind].append(free[kind][-1])
            places[node] = free[kind].pop()
            self.instructions.append(self.instruction(node, places[node], sources))
        return first, len(self.instructions), [places[value] for value in values]

    def cone(self, values: Iterable[int]) -> list[int]:
        """The nodes that some nodes depend on, themselves included, in order."""
        seen: set[int] = set()
        stack = list(values)
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                stack += self.graph.operands(node)
        return sorted(seen)

    def fixed_place(self, node: int) -> Place:
        """Where a node that is fixed for a frame lies; operands come first."""
        place = self._fixed.get(node)
        if place is None:
            code, _, _ = self.graph.rows[node]
            if code == CONST.code:
                place = self.memory.constant(self.memory.precision.round(self.graph.values[node]))
            elif code == VAR.code:
                place = self.memory.z
            else:
                place = self.memory.take(FIXED)
                sources = [self.fixed_place(operand) for operand in self.graph.operands(node)]
                self.prologue.append(self.instruction(node, place, sources))
            self._fixed[node] = place
        return place

    def instruction(
        self, node: int, place: Place, sources: list[Place], rows: int | None = None, every: int = 0
    ) -> tuple[int, ...]:
        """The instruction of one node; `rows` and `every` for tables, see `operand_step`."""
        code, a, b = self.graph.rows[node]
        if code == MUL.code and a == b:
            code, sources = SQUARE.code, sources[:1]
        kind = self.classes[node]
        reads = [operand_step(source, kind, self.memory, every) for source in sources]
        shape = "".join(how for how, _ in reads)
        if (code, shape) not in self._kernels:
            unit = operation_kernels(OPS[code].name, self.memory.precision)
            self._kernels[code, shape] = unit.address(shape)
        (offset, _), *more = sources
        second = (more[0].offset, reads[1][1]) if more else (0, -1)
        rows = ROWS_OF_CLASS[kind] if rows is None else rows
        return self._kernels[code, shape], place.offset, offset, reads[0][1], *second, rows, 0


def instruction_array(instructions: list[tuple[int, ...]]) -> NDArray[np.int64]:
    """int64[m, INSTRUCTION]."""
    return np.array(instructions, np.int64).reshape(-1, INSTRUCTION)
