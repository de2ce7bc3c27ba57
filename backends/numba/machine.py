"""Code of a program for the kernels in `absint.backends.numba.kernels.points`, and machines: the code with
the memory of a thread that runs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from absint.ir.graph import Graph, reachable
from absint.native.arrays import address_of
from absint.ops.precision import Precision
from absint.ops.table import AND, CONST, MAX, MIN, OPS, OR, VAR, with_diagonals
from absint.ops.units import LANES, operation_kernels

from .kernels.point_records import (
    BOTH_ROWS,
    COPY,
    COPY_SHARED,
    DEEPEST_CELL,
    GIVEN,
    NEVER,
    OF_AND,
    OF_MAX,
    OF_MIN,
    OF_OR,
    PARTS,
    SETTLED,
    SHARED_FIRST,
    SHARED_SECOND,
    UNDECIDED,
    WORDS,
    WORDS_PER_OP,
    Axis,
    Boxes,
    Cell,
    Instruction,
    Intervals,
    MachineMemory,
    Operation,
)
from .memory import Room, aligned, allocate
from .units import load, point_unit

_RULES = {MIN.code: OF_MIN, MAX.code: OF_MAX, AND.code: OF_AND, OR.code: OF_OR}
_BUDGET = 50_000_000
"""Work between two checks for Ctrl-C, in instructions on rows, of about a nanosecond each."""
_BOUNDING = 12
"""Cost of bounding an instruction on sixteen boxes, in the same unit."""
_BLOCK_BYTES = 384 << 10
"""Most memory for the slots of a block of points. Recently written slots are in the first-level cache all the
same.
"""
_TAPE_ROOM = 40
"""Memory for tapes, in multiples of the first tape's length."""

_GATHERED = (1, 2)
"""Numbers of the copies of the points that are gathered in cells."""

Columns = Sequence[NDArray[Any]]
"""For each varying variable, a contiguous array of its values at all points."""


class Cells(NamedTuple):
    """Facts about points that may be gathered in cells: half of the widths of their box, and the expected
    length of the cells' tapes.
    """

    widths: NDArray[np.float64]
    expected: int


class Code(NamedTuple):
    """A graph for some varying variables, each instruction with a register of its own; see `point_records`.

    `once`, `body`: records `Instruction`, for values that are the same at every point, and for the others.
    Shared registers hold, in this order, `constants`, float64[k]; `scalars`, the variables that do not vary;
    and the results of `once`.
    """

    once: NDArray[np.void]
    body: NDArray[np.void]
    root: int
    constants: NDArray[np.float64]
    scalars: tuple[str, ...]
    varying: tuple[str, ...]

    @property
    def shared(self) -> int:
        """Number of shared registers."""
        return len(self.constants) + len(self.scalars) + len(self.once)


def variables_of(graph: Graph) -> set[str]:
    """The variables that the root depends on."""
    live = reachable(graph)
    return {name for node, name in graph.variables.items() if live[node]}


def make_code(graph: Graph, varying: Iterable[str], compute_once: bool = True) -> Code:
    """The code of the nodes that the root depends on. Unless `compute_once`, all instructions are in the
    body.
    """
    names, live, used = graph.variables, np.flatnonzero(reachable(graph)).tolist(), variables_of(graph)
    varying = sorted(used & set(varying))
    scalars = sorted(used - set(varying))
    constants: list[int] = []
    once: list[int] = []
    body: list[int] = []
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
    register = np.full(len(graph) + 1, -1, np.int32)  # the last one stands for operand -1
    register[constants] = np.arange(len(constants))
    register[once] = np.arange(first_once, shared)
    register[body] = np.arange(len(body)) + shared + len(varying)
    place = {name: len(constants) + i for i, name in enumerate(scalars)}
    place |= {name: shared + i for i, name in enumerate(varying)}
    for node in live:
        if node in names:
            register[node] = place[names[node]]
    instructions = _instructions(graph, once + body, register, shared)
    return Code(
        once=instructions[: len(once)],
        body=instructions[len(once) :],
        root=int(register[graph.root]),
        constants=graph.constants[constants],
        scalars=tuple(scalars),
        varying=tuple(varying),
    )


def _instructions(
    graph: Graph, nodes: list[int], register: NDArray[np.int32], shared: int
) -> NDArray[np.void]:
    """The instructions that compute some nodes; the first `shared` registers are shared."""
    a, b = register[graph.args[nodes].T]
    ops, b = with_diagonals(graph.op[nodes].astype(np.int32), a, b)
    shape = np.full(len(nodes), BOTH_ROWS, np.int32)
    shape[(a < shared) & (b >= shared)] = SHARED_FIRST
    shape[(a >= shared) & (b >= 0) & (b < shared)] = SHARED_SECOND
    code = Instruction.array(len(nodes))
    code["word"], code["result"] = ops * WORDS_PER_OP + shape, register[nodes]
    code["a"], code["b"] = a, b
    return code


_tables: dict[Precision, NDArray[np.void]] = {}


def _operations(precision: Precision) -> NDArray[np.void]:
    """The table of `Operation` records, filled by `_add_kernels`; every thread gets the same array."""
    if precision not in _tables:
        _tables.setdefault(precision, _copies(precision))
    return _tables[precision]


def _copies(precision: Precision) -> NDArray[np.void]:
    """A new table, with the copying operations only."""
    table, kernels = Operation.array(WORDS), load(point_unit(precision))
    for word, name in (COPY, "copy"), (COPY_SHARED, "copy_shared"):
        table[word] = kernels.address(name), kernels.address("copy_record"), UNDECIDED
    return table


def _add_kernels(op: int, precision: Precision) -> None:
    """Add an operation to the table, for all machines."""
    unit, table = operation_kernels(OPS[op].name, precision), _operations(precision)
    shapes = {BOTH_ROWS: "vv", SHARED_SECOND: "vs", SHARED_FIRST: "sv"}
    for shape, name in shapes.items() if OPS[op].arity == 2 else [(BOTH_ROWS, "v")]:
        rule = _RULES.get(op, UNDECIDED)
        table[op * WORDS_PER_OP + shape] = unit.address(name), unit.address("interval"), rule


class Machine:
    """Code with the memory of a thread that runs it. `splitting`: `BY_COST`, `NEVER` or `ALWAYS`."""

    def __init__(self, code: Code, precision: Precision, splitting: int) -> None:
        self._kernels = load(point_unit(precision))
        self.code = code
        self._precision = precision.value
        self._real = real = precision.dtype
        operations = _operations(precision)
        words = np.concatenate([code.once["word"], code.body["word"]])
        for op in set((words[operations["rows"][words] == 0] // WORDS_PER_OP).tolist()):
            _add_kernels(op, precision)
        if not operations["rule"][code.body["word"]].any():
            splitting = NEVER
        shared, varying, length = code.shared, len(code.varying), len(code.body)
        most = (1 if splitting == NEVER else _TAPE_ROOM) * length + PARTS
        self._numbers = aligned((shared, LANES), real)
        registers = np.zeros(shared + varying + length + 1, np.int64)
        registers[:shared] = address_of(self._numbers) + np.arange(shared) * self._numbers.strides[0]
        self._cells = Cell.array((DEEPEST_CELL + 2) * (PARTS + 1))
        self._axes = Axis.of(self._precision).array(varying + 1)
        self._memory = allocate(
            MachineMemory.of(self._precision),
            operations=operations, shared=shared, varying=varying, registers=registers,
            tapes=Room(most), choices=Room(length + 1), wanted=Room(len(registers)), free=Room(length + 1),
            cells=self._cells, splitting=splitting, axes=self._axes,
        )  # fmt: skip
        self._columns: dict[int, Columns] = {}
        self._reserved = 0
        self._kernels["begin"](self._memory.address, address_of(code.body), length, code.root, most)
        self._first = self._cells[0].copy()
        slots = int(self._first["slots"])
        rows = max(_BLOCK_BYTES // self._numbers.strides[0], slots)
        self._intervals = aligned(shared + varying + slots, Intervals.of(self._precision).dtype)
        self._memory.block, self._memory.block_rows = aligned((rows, LANES), real), rows
        self._memory.intervals = self._intervals

    @property
    def splits(self) -> bool:
        """Whether the machine gathers points in cells, if there are enough."""
        return bool(self._memory.splitting != NEVER)

    def share(self, scalars: Mapping[str, Any]) -> None:
        """Fill the shared registers."""
        code, numbers = self.code, self._numbers
        with np.errstate(over="ignore"):
            numbers[: len(code.constants)] = code.constants[:, None]
        for i, name in enumerate(code.scalars, len(code.constants)):
            numbers[i] = scalars[name]
        self._kernels["once"](self._memory.address, address_of(code.once), len(code.once))

    def _bound_shared(self) -> None:
        """Fill the bounds of the shared registers."""
        numbers = self._numbers[:, :1]
        bounds, nan = self._intervals[: len(numbers)], np.isnan(numbers)
        bounds["lower"], bounds["upper"] = np.where(nan, np.inf, numbers), np.where(nan, -np.inf, numbers)
        bounds["may_nan"] = np.where(nan[:, 0], 0xFFFF, 0)

    @property
    def result(self) -> Any:
        """The root's value, if it is shared."""
        return self._numbers[self.code.root, 0]

    def run(
        self, columns: Columns, start: int, stop: int, results: NDArray[Any], cells: Cells | None
    ) -> Iterator[None]:
        """Compute the points from `start` up to `stop`; yields between pieces of work, so that callers can
        stop.

        `results` has room for a whole last row. `cells`: given if points may be gathered in cells; then all
        points are finite.
        """
        self._cells[0] = self._first
        self._cells["count"][0] = stop - start
        self._cells["expected"][0] = cells.expected if cells else SETTLED
        if cells:
            self._axes["half_width"][: len(columns)] = cells.widths
            self._reserve(stop - start + LANES)
            self._bound_shared()
        self._place(GIVEN, [whole_rows(column[start:stop]) for column in columns])
        self._memory.results = address_of(results[start:])
        self._memory.waiting = 1
        while self._kernels["values"](self._memory.address, _BUDGET):
            yield

    def expect(self, ends: Any) -> int:
        """The mean length of the tapes of the cells that a box is split into. `ends`: real[v, 2], finite."""
        with np.errstate(over="ignore"):
            corners = np.array(ends, self._real)
        self._cells[0] = self._first
        self._cells["count"][0] = corners.shape[1]
        self._axes["half_width"][: len(corners)] = half_widths(corners)
        self._place(GIVEN, list(corners))
        self._bound_shared()
        return int(self._kernels["expected"](self._memory.address))

    def pays(self, count: int, expected: int) -> bool:
        """Whether gathering points in cells pays off, for an expected length of the cells' tapes."""
        self._cells[0] = self._first
        self._cells["count"][0], self._cells["expected"][0] = count, expected
        return bool(self._kernels["pays"](self._memory.address))

    def _place(self, copy: int, columns: Sequence[NDArray[Any]]) -> None:
        """Write the addresses of columns as those of a copy of the points."""
        self._columns[copy] = columns
        self._memory.copies[copy].columns = np.array([address_of(column) for column in columns], np.int64)

    def _reserve(self, count: int) -> None:
        """Ensure room for two copies of `count` points."""
        if count > self._reserved:
            self._reserved = count
            for copy in _GATHERED:
                self._place(copy, [aligned(count, self._real) for _ in self.code.varying])
                self._memory.copies[copy].places = aligned(count, np.int32)
            self._memory.numbers = aligned(count, np.int32)

    def release(self) -> None:
        """Free the memory of points."""
        if self._columns.get(GIVEN):
            self._place(GIVEN, [])
        if self._reserved:
            self._reserved = 0
            nothing = np.zeros(0, np.int32)
            for copy in _GATHERED:
                self._place(copy, [])
                self._memory.copies[copy].places = nothing
            self._memory.numbers = nothing

    def bounds(
        self, lower: Mapping[str, NDArray[Any]], upper: Mapping[str, NDArray[Any]], rows: int
    ) -> NDArray[Any]:
        """Bounds of the root on boxes: `rows` records of sixteen.

        `lower`, `upper`: ends of the varying variables, in whole rows; a variable that is left out is
        unbounded.
        """
        self._bound_shared()
        varying, bounds = self.code.varying, self._intervals[self.code.shared :]
        bounds["lower"][: len(varying)], bounds["upper"][: len(varying)] = -np.inf, np.inf
        bounds["may_nan"][: len(varying)] = [0 if name in lower else 0xFFFF for name in varying]
        results = np.zeros(rows, bounds.dtype)
        boxes = Boxes.of(self._precision)(
            lower=_addresses(lower, varying), upper=_addresses(upper, varying), results=results
        )
        step = max(1, _BUDGET // (_BOUNDING * int(self._first["length"])))
        self._cells[0] = self._first
        for first in range(0, rows, step):
            boxes.first, boxes.end = first, min(first + step, rows)
            self._kernels["bounds"](self._memory.address, boxes.address)
        return results


def _addresses(columns: Mapping[str, NDArray[Any]], names: Sequence[str]) -> NDArray[np.int64]:
    """int64[v]: where the columns of some variables lie, 0 where there is none."""
    return np.array([address_of(columns[name]) if name in columns else 0 for name in names], np.int64)


def half_widths(ends: Any) -> NDArray[np.float64]:
    """float64[v]: half of the widths, which cannot overflow. `ends`: real[v, 2], lower and upper."""
    half = np.asarray(ends, np.float64) @ (-0.5, 0.5)
    return np.where(half > 0, half, np.inf)  # a variable that does not vary is never split


def whole_rows(column: NDArray[Any]) -> NDArray[Any]:
    """A column up to the end of its last row: itself, or a copy that repeats the last number."""
    missing = -len(column) % LANES
    return column if not missing else np.concatenate([column, np.repeat(column[-1:], missing)])
