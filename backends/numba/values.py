"""Values at points and bounds on boxes, bit for bit those of the reference.

A program becomes code for those variables that vary from point to point, and a machine runs it: a tape over
blocks of points, for many points in cells with shorter tapes (`absint.kernels.cells`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
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
    SETTLED,
    SHARED_FIRST,
    SHARED_SECOND,
    WORDS,
    WORDS_PER_OP,
)
from absint.ops.table import AND, CONST, MAX, MIN, MUL, OPS, OR, SQUARE, VAR
from absint.precision import Precision
from absint.program import Box, Program
from absint.sweep import KERNEL_SOURCES, LANES, operation_kernels, record_dtype

from .memory import Block, aligned

_RULES = {MIN.code: OF_MIN, MAX.code: OF_MAX, AND.code: OF_AND, OR.code: OF_OR}
_CHUNK = 1 << 20
"""Points that are gathered in cells together. That takes 30 MB in binary32, if two variables vary."""
_FEWEST = 1024
"""Points that are worth a thought about cells."""
_BUDGET = 50_000_000
"""Instructions on rows, of about a nanosecond each, between two moments at which Ctrl-C is heard."""
_BOUNDS_COST = 12
"""Of an instruction on sixteen boxes, in the same measure."""
_TAPE_ROOM = 40
"""Memory for tapes, in the length of the first."""
_BLOCK_BYTES = 384 << 10
"""Slots of a block of points; what was written last is in the first-level cache all the same."""
_BLIND = 0.03
"""By how much cells are expected to shorten a tape where nothing is known: so much may be risked."""


class Code(NamedTuple):
    """A graph for some varying variables, each instruction with a register of its own; see `point_layout`.

    `once`, `body`: int32[m, INSTRUCTION], what is the same at every point, and what is not. `constants` float64[k]
    are the first shared registers; then come `scalars`, variables that do not vary, and the results of `once`.
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
    """The code for what the root depends on. Unless `compute_once`, all instructions are in the body."""
    names, live = graph.variables, np.flatnonzero(reachable(graph)).tolist()
    used = {names[node] for node in live if node in names}
    varying = sorted(used & set(varying))
    scalars = sorted(used - set(varying))
    constants, once, body = [], [], []
    varies = [names.get(node) in varying for node in range(len(graph))]
    for node in live:
        code, a, b = graph.rows[node]
        if code == CONST.code:
            constants.append(node)
        elif code != VAR.code:
            varies[node] = not compute_once or varies[a] or (b >= 0 and varies[b])
            (body if varies[node] else once).append(node)
    first_once = len(constants) + len(scalars)
    shared = first_once + len(once)
    register = np.full(len(graph) + 1, -1, np.int32)  # the last for operand -1
    register[constants] = np.arange(len(constants))
    register[once] = np.arange(first_once, shared)
    register[body] = np.arange(len(body)) + shared + len(varying)
    place = {name: len(constants) + i for i, name in enumerate(scalars)}
    place |= {name: shared + i for i, name in enumerate(varying)}
    for node in live:
        if node in names:
            register[node] = place[names[node]]

    def instructions(nodes: list[int]) -> NDArray[np.int32]:
        word, (a, b) = graph.op[nodes].astype(np.int32), register[graph.args[nodes].T]
        squares = (word == MUL.code) & (a == b)
        word[squares], b[squares] = SQUARE.code, -1
        first, second = (a < shared) & (b >= shared), (a >= shared) & (b >= 0) & (b < shared)
        shape = np.select([first, second], [SHARED_FIRST, SHARED_SECOND], BOTH_ROWS)
        return np.stack([word * WORDS_PER_OP + shape, register[nodes], a, b], axis=1).astype(np.int32)

    return Code(
        once=instructions(once),
        body=instructions(body),
        root=int(register[graph.root]),
        constants=graph.constants[constants],
        scalars=tuple(scalars),
        varying=tuple(varying),
    )


class Machine:
    """Code with the memory of a thread that runs it. `splitting`: `BY_COST`, `NEVER`, or `ALWAYS` where possible."""

    def __init__(self, code: Code, precision: Precision, splitting: int) -> None:
        self._kernels = native.load("absint.kernels.points", precision.value, depends=KERNEL_SOURCES)
        self.code = code
        self._real = real = precision.dtype
        values, intervals, rules = _tables(code, precision, self._kernels)
        if not rules[code.body[:, 0]].any():
            splitting = NEVER
        shared, varying, length = code.shared, len(code.varying), len(code.body)
        room = (1 if splitting == NEVER else _TAPE_ROOM) * length + 1
        self._numbers = aligned((shared, LANES), real)
        address = np.zeros(shared + varying + length + 1, np.int64)
        address[:shared] = self._numbers.ctypes.data + np.arange(shared) * self._numbers.strides[0]
        self._cells = np.zeros((DEEPEST_CELL * CHILDREN + CHILDREN, len(CELL)), np.int64)
        self._block = Block(
            MACHINE,
            values=values, intervals=intervals, rules=rules, shared=shared, varying=varying, address=address,
            tapes=aligned(room * INSTRUCTION, np.int32), choices=aligned(length + 1, np.int32),
            wanted=aligned(len(address), np.int32), free=aligned(length + 1, np.int32), cells=self._cells,
            splitting=splitting, counts=aligned(CHILDREN, np.int64), parts=aligned(varying + 1, np.int64),
            steps=aligned(varying + 1, np.int64), widths=aligned(varying + 1, np.float64),
            ends=aligned((varying + 1, ENDS), real), rows=aligned((2, LANES), real),
        )  # fmt: skip
        self._kernels["begin"](self._block.address, code.body.ctypes.data, length, code.root, room)
        self._first = self._cells[0].copy()
        slots = int(self._first[CELL.slots])
        block = aligned(max(_BLOCK_BYTES, slots * LANES * real.itemsize), np.uint8)
        self._records = aligned(shared + varying + slots, record_dtype(precision))
        self._block.set(block=block, block_bytes=len(block), records=self._records)
        self._expected: int | None = None

    @property
    def splits(self) -> bool:
        """Whether it may gather points in cells."""
        return bool(self._block.words[MACHINE.splitting] != NEVER)

    def share(self, scalars: Mapping[str, Any]) -> None:
        """Fill the shared registers, and their records."""
        code, numbers = self.code, self._numbers
        with np.errstate(over="ignore"):
            numbers[: len(code.constants)] = code.constants[:, None]
        for i, name in enumerate(code.scalars, len(code.constants)):
            numbers[i] = scalars[name]
        self._kernels["once"](self._block.address, code.once.ctypes.data, len(code.once))
        records = self._records[: len(numbers)]
        nan = np.isnan(numbers)
        records["lower"], records["upper"] = np.where(nan, math.inf, numbers), np.where(nan, -math.inf, numbers)
        records["may_nan"] = np.where(nan[:, 0], 0xFFFF, 0)

    @property
    def result(self) -> Any:
        """The root's value, if nothing varies."""
        return self._numbers[self.code.root, 0]
