"""Programs as code for the kernels of `absint.backends.numba.kernels.points`, and the memory of a thread
that runs it.
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
from absint.ops.units import LANES, operation_kernels, record_dtype

from .kernels.point_layout import (
    BOTH_ROWS,
    CELL,
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
    PARTS,
    SETTLED,
    SHARED_FIRST,
    SHARED_SECOND,
    WORDS,
    WORDS_PER_OP,
)
from .memory import Block, aligned, room
from .units import load, point_unit

_RULES = {MIN.code: OF_MIN, MAX.code: OF_MAX, AND.code: OF_AND, OR.code: OF_OR}
_BUDGET = 50_000_000
"""Instructions on rows, of about a nanosecond each, between two moments at which Ctrl-C is heard."""
_BOUNDING = 12
"""What an instruction costs on sixteen boxes, in that measure."""
_BLOCK_BYTES = 384 << 10
"""Slots of a block of points; what was written last is in the first-level cache all the same."""
_TAPE_ROOM = 40
"""Memory for tapes, in the length of the first."""

Columns = Sequence[NDArray[Any]]
"""For each varying variable its values at all points, one after the other."""


class Cells(NamedTuple):
    """What is known of points that may be gathered in cells: half of the widths of their box, and how long
    the tapes of the cells are expected to be.
    """

    widths: NDArray[np.float64]
    expected: int


class Code(NamedTuple):
    """A graph for some varying variables, each instruction with a register of its own; see `point_layout`.

    `once`, `body`: int32[m, INSTRUCTION], what is the same at every point, and what is not. The first shared
    registers are `constants`, float64[k]; then come `scalars`, variables that do not vary, then what `once`
    computes.
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


def variables_of(graph: Graph) -> set[str]:
    """The variables that the root depends on."""
    live = reachable(graph)
    return {name for node, name in graph.variables.items() if live[node]}


def make_code(graph: Graph, varying: Iterable[str], compute_once: bool = True) -> Code:
    """The code for what the root depends on. Unless `compute_once`, all instructions are in the body."""
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
    register = np.full(len(graph) + 1, -1, np.int32)  # the last is that of operand -1
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
) -> NDArray[np.int32]:
    """int32[m, INSTRUCTION]; the first `shared` registers are shared."""
    a, b = register[graph.args[nodes].T]
    word, b = with_diagonals(graph.op[nodes].astype(np.int32), a, b)
    shape = np.full(len(nodes), BOTH_ROWS, np.int32)
    shape[(a < shared) & (b >= shared)] = SHARED_FIRST
    shape[(a >= shared) & (b >= 0) & (b < shared)] = SHARED_SECOND
    return np.ascontiguousarray(np.array([word * WORDS_PER_OP + shape, register[nodes], a, b], np.int32).T)


_tables_of: dict[Precision, NDArray[np.int64]] = {}


def _tables(precision: Precision) -> NDArray[np.int64]:
    """int64[3, WORDS]: kernels on rows, kernels on intervals, rules of decision; filled by `_add_kernels`.

    Always the same array, whichever thread asks first.
    """
    if precision not in _tables_of:
        _tables_of.setdefault(precision, _first_tables(precision))
    return _tables_of[precision]


def _first_tables(precision: Precision) -> NDArray[np.int64]:
    """The tables without operations."""
    tables = np.zeros((3, WORDS), np.int64)
    kernels = load(point_unit(precision))
    tables[:2, COPY] = kernels.address("copy"), kernels.address("copy_record")
    tables[:2, COPY_SHARED] = kernels.address("copy_shared"), kernels.address("copy_record")
    return tables


def _add_kernels(op: int, precision: Precision) -> None:
    """Fill in an operation, for all machines."""
    unit, tables = operation_kernels(OPS[op].name, precision), _tables(precision)
    shapes = {BOTH_ROWS: "vv", SHARED_SECOND: "vs", SHARED_FIRST: "sv"}
    for shape, name in shapes.items() if OPS[op].arity == 2 else [(BOTH_ROWS, "v")]:
        word = op * WORDS_PER_OP + shape
        tables[:, word] = unit.address(name), unit.address("interval"), _RULES.get(op, 0)


class Machine:
    """Code with the memory of a thread that runs it. `splitting`: `BY_COST`, `NEVER` or `ALWAYS`."""

    def __init__(self, code: Code, precision: Precision, splitting: int) -> None:
        self._kernels = load(point_unit(precision))
        self.code = code
        self._real = real = precision.dtype
        values, intervals, rules = _tables(precision)
        words = np.concatenate([code.once, code.body])[:, 0]
        for op in set((words[values[words] == 0] // WORDS_PER_OP).tolist()):
            _add_kernels(op, precision)
        if not rules[code.body[:, 0]].any():
            splitting = NEVER
        shared, varying, length = code.shared, len(code.varying), len(code.body)
        most = (1 if splitting == NEVER else _TAPE_ROOM) * length + PARTS
        self._numbers = aligned((shared, LANES), real)
        address = np.zeros(shared + varying + length + 1, np.int64)
        address[:shared] = address_of(self._numbers) + np.arange(shared) * self._numbers.strides[0]
        self._cells = np.zeros(((DEEPEST_CELL + 2) * (PARTS + 1), len(CELL)), np.int64)
        self._widths = aligned(varying + 1, np.float64)
        self._block = Block(
            MACHINE,
            values=values, intervals=intervals, rules=rules, shared=shared, varying=varying, address=address,
            tapes=room(most * INSTRUCTION, np.int32), choices=room(length + 1, np.int32),
            wanted=room(len(address), np.int32), free=room(length + 1, np.int32), cells=self._cells,
            splitting=splitting, counts=room(PARTS, np.int64), parts=room(varying + 1, np.int64),
            steps=room(varying + 1, np.int64), widths=self._widths, rows=room(2 * LANES, real),
            ends=room((varying + 1) * ENDS, real),
        )  # fmt: skip
        self._columns: dict[str, Columns] = {}
        self._kernels["begin"](self._block.address, address_of(code.body), length, code.root, most)
        self._first = self._cells[0].copy()
        slots = int(self._first[CELL.slots])
        block = aligned(max(_BLOCK_BYTES, slots * LANES * real.itemsize), np.uint8)
        self._records = aligned(shared + varying + slots, record_dtype(precision))
        self._block.set(block=block, block_bytes=len(block), records=self._records)

    @property
    def splits(self) -> bool:
        """Whether it gathers points in cells, if there are enough."""
        return bool(self._block.words[MACHINE.splitting] != NEVER)

    def share(self, scalars: Mapping[str, Any]) -> None:
        """Fill the shared registers."""
        code, numbers = self.code, self._numbers
        with np.errstate(over="ignore"):
            numbers[: len(code.constants)] = code.constants[:, None]
        for i, name in enumerate(code.scalars, len(code.constants)):
            numbers[i] = scalars[name]
        self._kernels["once"](self._block.address, address_of(code.once), len(code.once))

    def _share_records(self) -> None:
        """The records of the shared registers."""
        numbers = self._numbers[:, :1]
        records, nan = self._records[: len(numbers)], np.isnan(numbers)
        records["lower"], records["upper"] = np.where(nan, np.inf, numbers), np.where(nan, -np.inf, numbers)
        records["may_nan"] = np.where(nan[:, 0], 0xFFFF, 0)

    @property
    def result(self) -> Any:
        """The root's value, if it is shared."""
        return self._numbers[self.code.root, 0]

    def run(
        self, columns: Columns, start: int, stop: int, results: NDArray[Any], cells: Cells | None
    ) -> Iterator[None]:
        """Compute the points from `start` up to `stop`; yields now and then.

        `results` has room for a whole last row. `cells`: if points may be gathered in cells; all are finite.
        """
        cell = self._first.copy()
        cell[CELL.count], cell[CELL.expected] = stop - start, cells.expected if cells else SETTLED
        self._cells[0] = cell
        if cells:
            self._widths[: len(columns)] = cells.widths
            self._reserve(stop - start + LANES)
            self._share_records()
        self._point("given", [whole_rows(column[start:stop]) for column in columns])
        self._block.words[MACHINE.results] = address_of(results[start:])
        self._block.words[MACHINE.waiting] = 1
        while self._kernels["values"](self._block.address, _BUDGET):
            yield

    def expect(self, ends: Any) -> int:
        """The mean length of the tapes of the cells that a box is split into. `ends`: real[v, 2], finite."""
        with np.errstate(over="ignore"):
            corners = np.array(ends, self._real)
        self._cells[0] = self._first
        self._cells[0, CELL.count] = corners.shape[1]
        self._widths[: len(corners)] = half_widths(corners)
        self._point("given", list(corners))
        self._share_records()
        return int(self._kernels["expected"](self._block.address))

    def pays(self, count: int, expected: int) -> bool:
        """Whether to gather points in cells, if tapes of this length are to be expected there."""
        self._cells[0] = self._first
        self._cells[0, [CELL.count, CELL.expected]] = count, expected
        return bool(self._kernels["pays"](self._block.address))

    def _point(self, field: str, columns: Sequence[NDArray[Any]]) -> None:
        """Put the addresses of columns in memory, and theirs in a field."""
        self._columns[field] = columns
        self._block.set(**{field: np.array([address_of(column) for column in columns], np.int64)})

    def _reserve(self, count: int) -> None:
        """Make room for two copies of as many points, unless there is."""
        if count > len(self._block.arrays.get("numbers", "")):
            self._point("copy_1", [aligned(count, self._real) for _ in self.code.varying])
            self._point("copy_2", [aligned(count, self._real) for _ in self.code.varying])
            places = [aligned(count, np.int32) for _ in range(3)]
            self._block.set(places_1=places[0], places_2=places[1], numbers=places[2])

    def release(self) -> None:
        """Give the memory of points back."""
        self._point("given", [])
        if "numbers" not in self._block.arrays:
            return
        nothing = np.zeros(0, np.int32)
        self._point("copy_1", [])
        self._point("copy_2", [])
        self._block.set(places_1=nothing, places_2=nothing, numbers=nothing)

    def bounds(
        self, lower: Mapping[str, NDArray[Any]], upper: Mapping[str, NDArray[Any]], rows: int
    ) -> NDArray[Any]:
        """Bounds of the root on boxes: `rows` records of sixteen.

        `lower`, `upper`: ends of the varying variables, whole rows; one that is left out may be anything.
        """
        self._share_records()
        varying, records = self.code.varying, self._records[self.code.shared :]
        records["lower"][: len(varying)], records["upper"][: len(varying)] = -np.inf, np.inf
        records["may_nan"][: len(varying)] = [0 if name in lower else 0xFFFF for name in varying]
        addresses = np.array(
            [[address_of(ends[name]) if name in ends else 0 for name in varying] for ends in (lower, upper)],
            np.int64,
        )
        results = np.zeros(rows, records.dtype)
        step = max(1, _BUDGET // (_BOUNDING * int(self._first[CELL.length])))
        self._cells[0] = self._first
        for first in range(0, rows, step):
            self._kernels["bounds"](
                self._block.address, *(address_of(row) for row in addresses),
                first, min(first + step, rows), address_of(results)
            )  # fmt: skip
        return results


def half_widths(ends: Any) -> NDArray[np.float64]:
    """float64[v] from lower and upper ends[v, 2]: half of the widths, which cannot overflow."""
    half = np.asarray(ends, np.float64) @ (-0.5, 0.5)
    return np.where(half > 0, half, np.inf)  # what does not vary is never cut


def whole_rows(column: NDArray[Any]) -> NDArray[Any]:
    """A column up to the end of its last row: itself, or a copy that repeats the last number."""
    missing = -len(column) % LANES
    return column if not missing else np.concatenate([column, np.repeat(column[-1:], missing)])
