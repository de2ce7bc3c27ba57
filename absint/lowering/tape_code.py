"""Straight-line code for blocks of pixels: parts of a graph as tapes over a thread's scratch memory.

A value is computed as often as it varies. By what it depends on a node is `FIXED` (constants and z), a row of
sixteen columns (`ROW`: x), a number for each row (`COLUMN`: y), or a row for each row (`BLOCK`). Instructions
say where operands lie and how far apart their rows are, so that one kernel serves all of these.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from absint.ir.graph import Graph
from absint.lowering.plan_format import ALL_ROWS, INSTRUCTION, ONE_ROW, PACKED_ROWS, TILE_ROWS, Y_PITCH
from absint.lowering.units import lowering_kernels
from absint.native.arrays import call
from absint.ops.precision import Precision
from absint.ops.table import CONST, MUL, OPS, SQUARE, VAR
from absint.ops.units import LANES, operation_kernels

FIXED, ROW, COLUMN, BLOCK = range(4)
"""The classes of nodes; the union of two is their bitwise or."""

SHAPES = ("v", "vv", "vs", "sv")
"""How operations read their operands, see `absint.ops.kernels`."""

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
        self.constants: dict[bytes, Place] = {}
        """By their bits in binary64."""
        self._bytes = (self.row, self.row, Y_PITCH * self.size, TILE_ROWS * self.row)

    def take(self, kind: int) -> Place:
        """Room for a value of a class, never given back."""
        place = Place(self.end, kind)
        self.end += self._bytes[kind]
        return place

    def constant(self, value: float) -> Place:
        """A constant, in all lanes of a row."""
        bits = struct.pack("=d", value)  # the zeros differ
        if bits not in self.constants:
            self.constants[bits] = self.take(FIXED)
        return self.constants[bits]


def classes_of(graph: Graph) -> list[int]:
    """The class of each real node."""
    n = len(graph)
    classes = np.zeros(n, np.int64)
    for node, name in graph.variables.items():
        classes[node] = {"x": ROW, "y": COLUMN}.get(name, FIXED)
    a, b = (np.ascontiguousarray(graph.args[:, column]) for column in (0, 1))
    call(lowering_kernels()["classes"], n, a, b, classes, np.empty(n, np.uint8))
    return classes.tolist()


def operand_step(operand: Place, kind: int, memory: Memory, every: int = 0) -> tuple[str, int]:
    """How an operation of class `kind` reads an operand: `v` for rows or `s` for one number a row, and the
    step from row to row in bytes. `every`: the step of rows that follow each other, for tables.
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
        self._op = graph.op.tolist()
        self._first, self._second = graph.args[:, 0].tolist(), graph.args[:, 1].tolist()
        self.instructions: list[tuple[int, ...]] = []
        self.prologue: list[tuple[int, ...]] = []
        self._fixed: dict[int, Place] = {}
        self._pools: dict[int, list[Place]] = {ROW: [], COLUMN: [], BLOCK: []}

    def append(self, values: Iterable[int]) -> tuple[int, int, list[Place]]:
        """A tape for some real nodes: its first instruction, the one behind its last, and where the values
        are.

        Tapes share their room: a value is lost when another tape runs.
        """
        values = list(values)
        cone = self.cone(values)
        operands_of = {node: self.operands(node) for node in cone}
        last = {operand: i for i, node in enumerate(cone) for operand in operands_of[node]}
        last.update(dict.fromkeys(values, len(cone)))
        free = {kind: list(pool) for kind, pool in self._pools.items()}
        places: dict[int, Place] = {}
        first = len(self.instructions)
        for i, node in enumerate(cone):
            kind = self.classes[node]
            operands = operands_of[node]
            if kind == FIXED:
                places[node] = self.fixed_place(node)
                continue
            if not operands:
                places[node] = self.memory.x if kind == ROW else self.memory.y
                continue
            sources = [places[operand] for operand in operands]
            for operand in set(operands):
                if last[operand] == i and operands_of[operand] and self.classes[operand] == kind:
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
                stack += self.operands(node)
        return sorted(seen)

    def operands(self, node: int) -> tuple[int, ...]:
        """The operands of a real node."""
        a, b = self._first[node], self._second[node]
        return (a, b) if b >= 0 else (a,) if a >= 0 else ()

    def fixed_place(self, node: int) -> Place:
        """Where a node that is fixed for a frame lies; operands come first."""
        place = self._fixed.get(node)
        if place is None:
            code = self._op[node]
            if code == CONST.code:
                place = self.memory.constant(self.memory.precision.round(self.graph.values[node]))
            elif code == VAR.code:
                place = self.memory.z
            else:
                place = self.memory.take(FIXED)
                sources = [self.fixed_place(operand) for operand in self.operands(node)]
                self.prologue.append(self.instruction(node, place, sources))
            self._fixed[node] = place
        return place

    def instruction(
        self, node: int, place: Place, sources: list[Place], rows: int | None = None, every: int = 0
    ) -> tuple[int, ...]:
        """The instruction of one node; `rows` and `every` for tables, see `operand_step`."""
        code = self._op[node]
        if code == MUL.code and self._first[node] == self._second[node]:
            code, sources = SQUARE.code, sources[:1]
        kind = self.classes[node]
        reads = [operand_step(source, kind, self.memory, every) for source in sources]
        shape = "".join(how for how, _ in reads)
        (offset, _), *more = sources
        second = (more[0].offset, reads[1][1]) if more else (0, -1)
        rows = ROWS_OF_CLASS[kind] if rows is None else rows
        return kernel_number(code, shape), place.offset, offset, reads[0][1], *second, rows, 0


def instruction_array(instructions: list[tuple[int, ...]]) -> NDArray[np.int64]:
    """int64[m, INSTRUCTION]; kernels are called by their numbers."""
    return np.array(instructions, np.int64).reshape(-1, INSTRUCTION)


def kernel_number(code: int, shape: str) -> int:
    """What instructions that are not linked call the kernel of an operation for operands of a shape."""
    return code * len(SHAPES) + SHAPES.index(shape)


def linked(instructions: NDArray[np.int64], precision: Precision) -> NDArray[np.int64]:
    """Instructions with the addresses of their kernels, which are good in this process only."""
    addresses = np.zeros(len(OPS) * len(SHAPES), np.int64)
    for number in np.unique(instructions[:, 0]).tolist():
        code, shape = divmod(number, len(SHAPES))
        addresses[number] = operation_kernels(OPS[code].name, precision).address(SHAPES[shape])
    made = instructions.copy()
    made[:, 0] = addresses[instructions[:, 0]]
    return made
