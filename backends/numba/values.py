"""Values at points and bounds on boxes: tapes over blocks of points, in cells with shorter tapes where that pays."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from enum import IntEnum
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from absint import native
from absint.backend import Ranges, check_box, check_gradual_underflow, check_values_promised, hull
from absint.domains.lattice import Interval
from absint.errors import DomainError
from absint.graph import AXES, Graph, reachable
from absint.kernels.point_layout import (
    ALWAYS,
    BOTH_ROWS,
    BY_COST,
    CELL,
    CHILDREN,
    COPY,
    COPY_SHARED,
    DEEPEST_CELL,
    ENDS,
    INSTRUCTION,
    MACHINE,
    NEVER,
    OF_AND,
    OF_MAX,
    OF_MIN,
    OF_OR,
    SHARED_FIRST,
    SHARED_SECOND,
    WORDS,
    WORDS_PER_OP,
)
from absint.ops.table import AND, CONST, MAX, MIN, MUL, OPS, OR, SQUARE, VAR
from absint.precision import Precision
from absint.program import Program
from absint.sweep import KERNEL_SOURCES, LANES, operation_kernels, record_dtype

from .memory import Block, aligned

RULES = {MIN.code: OF_MIN, MAX.code: OF_MAX, AND.code: OF_AND, OR.code: OF_OR}
CHUNK = 1 << 21
"""Points that are moved into cells together: 60 MB of memory in binary32."""
BLOCK_BYTES = 48 << 10
BUDGET = 50_000_000
"""Instructions on rows between two looks at what the user wants: about 50 ms."""
TAPE_ROOM = 40
"""Memory for tapes, in the length of the first."""


class Splitting(IntEnum):
    """Whether points are gathered in cells."""

    BY_COST = BY_COST
    NEVER = NEVER
    ALWAYS = ALWAYS


class Code(NamedTuple):
    """A graph for some varying variables, each instruction with a register of its own; see `point_layout`.

    `once`, `body`: int32[m, INSTRUCTION], what is the same at every point and what is not. `constants`: float64,
    the first shared registers; then come `scalars`, variables that do not vary, and what `once` computes.
    """

    once: NDArray[np.int32]
    body: NDArray[np.int32]
    root: int
    constants: NDArray[np.float64]
    scalars: tuple[str, ...]
    varying: tuple[str, ...]

    @property
    def shared(self) -> int:
        """Number of shared registers."""
        return len(self.constants) + len(self.scalars) + len(self.once)


def make_code(graph: Graph, varying: Iterable[str], compute_once: bool = True) -> Code:
    """The code of what the root depends on. Without `compute_once` everything is computed in the body."""
    live = reachable(graph)
    rows, names = graph.rows, graph.variables
    needed = np.flatnonzero(live).tolist()
    varying = sorted({names[node] for node in needed if node in names} & set(varying))
    scalars = sorted({names[node] for node in needed if node in names} - set(varying))
    constants, once, body = [], [], []
    varies = [False] * len(graph)
    for node in needed:
        op, a, b = rows[node]
        if op == CONST.code:
            constants.append(node)
        elif op == VAR.code:
            varies[node] = names[node] in varying
        else:
            varies[node] = not compute_once or varies[a] or (b >= 0 and varies[b])
            (body if varies[node] else once).append(node)
    register = np.full(len(graph) + 1, -1, np.int32)
    register[constants] = np.arange(len(constants))
    count = len(constants)
    variables = {name: count + i for i, name in enumerate(scalars)}
    count += len(scalars)
    register[once] = np.arange(count, count + len(once))
    shared = count + len(once)
    variables |= {name: shared + i for i, name in enumerate(varying)}
    for node in needed:
        if node in names:
            register[node] = variables[names[node]]
    register[body] = np.arange(shared + len(varying), shared + len(varying) + len(body))

    def instructions(nodes: list[int]) -> NDArray[np.int32]:
        op, operands = graph.op[nodes].astype(np.int32), graph.args[nodes]
        a, b = register[operands[:, 0]], register[operands[:, 1]]
        squares = (op == MUL.code) & (a == b)
        op[squares], b[squares] = SQUARE.code, -1
        first, second = a < shared, (b < shared) & (b >= 0)
        shape = np.where(first == second, BOTH_ROWS, np.where(first, SHARED_FIRST, SHARED_SECOND))
        shape[b < 0] = BOTH_ROWS
        return np.stack([op * WORDS_PER_OP + shape, register[nodes], a, b], axis=1).astype(np.int32)

    return Code(
        instructions(once),
        instructions(body),
        int(register[graph.root]),
        graph.constants[constants],
        tuple(scalars),
        tuple(varying),
    )


class Tables(NamedTuple):
    """int64[WORDS] each: addresses of the kernels on rows and on intervals, and how results are decided."""

    values: NDArray[np.int64]
    intervals: NDArray[np.int64]
    rules: NDArray[np.int64]


def make_tables(codes: Iterable[int], precision: Precision, kernels: native.Unit) -> Tables:
    """The tables for some operations."""
    tables = Tables(*(np.zeros(WORDS, np.int64) for _ in range(3)))
    for code in codes:
        unit, words = operation_kernels(OPS[code].name, precision), code * WORDS_PER_OP
        shapes = {BOTH_ROWS: "v"} if OPS[code].arity == 1 else {BOTH_ROWS: "vv", SHARED_SECOND: "vs", SHARED_FIRST: "sv"}
        for shape, name in shapes.items():
            tables.values[words + shape] = unit.address(name)
            tables.intervals[words + shape] = unit.address("interval")
            tables.rules[words + shape] = RULES.get(code, 0)
    tables.values[COPY], tables.values[COPY_SHARED] = kernels.address("copy"), kernels.address("copy_shared")
    tables.intervals[[COPY, COPY_SHARED]] = kernels.address("copy_interval")
    return tables


class Machine:
    """Code with the memory of a thread that runs it."""

    def __init__(self, code: Code, precision: Precision, tables: Tables, kernels: native.Unit) -> None:
        self.code = code
        self.kernels = kernels
        self.real = real = precision.dtype
        shared, varying, length = code.shared, len(code.varying), len(code.body)
        leaves = shared + varying
        decisions = bool(tables.rules[code.body[:, 0]].any())
        places = (TAPE_ROOM if decisions else 1) * length + CHILDREN
        self.numbers = aligned((shared, LANES), real)
        address = np.zeros(leaves + length + 1, np.int64)
        address[:shared] = self.numbers.ctypes.data + np.arange(shared) * LANES * real.itemsize
        self.cells = np.zeros((DEEPEST_CELL * (CHILDREN + 1) + 2, len(CELL)), np.int64)
        self.block = Block(
            MACHINE,
            values=tables.values, intervals=tables.intervals, rules=tables.rules, shared=shared, varying=varying,
            address=address, tapes=aligned(places * INSTRUCTION, np.int32), choices=aligned(length + 1, np.int32),
            wanted=aligned(leaves + length + 1, np.int32), free=aligned(length + 1, np.int32), cells=self.cells,
            splitting=BY_COST if decisions else NEVER,
            counts=aligned(CHILDREN, np.int64), parts=aligned(varying + 1, np.int64),
            steps=aligned(varying + 1, np.int64), widths=aligned(varying + 1, np.float64),
            ends=aligned((varying + 1, ENDS), real), row=aligned((2, LANES), real),
        )  # fmt: skip
        kernels["begin"](self.block.address, code.body.ctypes.data, length, code.root, places)
        self.start = self.cells[0].copy()
        slots = int(self.start[CELL.slots])
        size = max(BLOCK_BYTES, (varying + slots) * 4 * LANES * real.itemsize)
        self.records = aligned(leaves + slots, record_dtype(precision))
        self.block.set(block=aligned(size, np.uint8), block_bytes=size, records=self.records)

    def share(self, scalars: Mapping[str, Any]) -> None:
        """Fill the shared registers, and their records."""
        code, numbers = self.code, self.numbers
        with np.errstate(over="ignore"):
            numbers[: len(code.constants)] = code.constants[:, None]
        for i, name in enumerate(code.scalars):
            numbers[len(code.constants) + i] = scalars[name]
        self.kernels["once"](self.block.address, code.once.ctypes.data, len(code.once))
        number, records = numbers[:, :1], self.records[: len(numbers)]
        nan = np.isnan(number)
        records["lower"], records["upper"] = np.where(nan, math.inf, number), np.where(nan, -math.inf, number)
        records["may_nan"] = np.where(nan[:, 0], 0xFFFF, 0)

    def run(self, columns: list[NDArray[Any]], results: NDArray[Any], count: int, first: int) -> None:
        arrays = np.array([c.ctypes.data for c in columns], np.int64) + first * self.real.itemsize
        cell = self.start.copy()
        cell[CELL.count] = count
        cell[CELL.first] = 0
        self.cells[0] = cell
        scratch = aligned((2, len(columns), count + 16), self.real)
        pl = aligned((2, count + 16), np.int32)
        nb = aligned(count + 16, np.int32)
        f = np.array([a.ctypes.data for a in scratch[0]], np.int64)
        g = np.array([a.ctypes.data for a in scratch[1]], np.int64)
        self.block.set(given=arrays, first=f, second=g, places_first=pl[0], places_second=pl[1], numbers=nb)
        self.block.words[MACHINE.results] = results.ctypes.data + first * self.real.itemsize
        self.block.words[MACHINE.waiting] = 1
        while self.kernels["values"](self.block.address, BUDGET):
            pass
