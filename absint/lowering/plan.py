"""Plans: a lowered program as typed arrays, for a renderer that is generic over programs.

The operands of the root's `any` become *terms*, drawn where their boxes say (see
`absint.backends.numba.kernels.tiles`): a box, bands of sums `u(x) + v(y)`, of which one side may be
missing, bands of other values, and alternatives made of terms. What does not come to small terms is left to
the regions (see `absint.backends.numba.kernels.regions`).

A plan holds floats, never pixels: it is good for every view inside the program's box.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from absint.base.memo import cached_property
from absint.ir.program import Program, Promise, check_program
from absint.lowering.kernels.limits import MOST_ENTRIES
from absint.lowering.plan_format import (
    ALL_ROWS,
    AT_MOST,
    BETWEEN,
    CODE,
    DEEPEST_TERM,
    PACKED_ROWS,
    SUM,
    TERM,
    TILE_COLUMNS,
    Y_PITCH,
)
from absint.lowering.predicates import Predicates, assembled
from absint.lowering.region_plan import RegionProgram, region_program
from absint.lowering.tape_code import (
    BLOCK,
    COLUMN,
    FIXED,
    ROW,
    Memory,
    Place,
    TapeCode,
    instruction_array,
    linked,
)
from absint.lowering.units import lowering_kernels
from absint.native.arrays import call
from absint.ops.precision import Precision
from absint.ops.table import ANY, BAND, FALSE

MOST_TABLES = 64
"""Tables per axis; a sum whose base has none is run as a tape."""

LOOSE = 1 / 32
"""A term with other values than sums is left to the regions if its box is a larger part of the program's."""

HEAVY, ALTERNATIVE = 4.0, 1 / 16
"""A term is left to the regions as well if it costs more than `HEAVY` sums do in all of the program's box;
and what a list of alternatives costs, in sums. At most pixels the regions look at few parts of a long list.
"""


@dataclass(frozen=True, eq=False)
class Plan:
    """A program's terms as arrays; see `absint.lowering.plan_format` for what they hold.

    `thresholds_x`, `thresholds_y`: the distinct ends of boxes in the precision, each such that a box contains
    the samples from one threshold up to, and without, another. `boxes` int32[·, 4]: the thresholds of each
    box. `z`: where z lies in a thread's scratch memory. `scratch_bytes`: how much scratch memory a thread
    needs. `constants`: offsets in it and the values there. `unlinked`: the instructions of all tapes, with
    the numbers of kernels. `regions`: what is no term.
    """

    code: NDArray[np.int32]
    starts: NDArray[np.int32]
    top_boxes: NDArray[np.int32]
    boxes: NDArray[np.int32]
    thresholds_x: NDArray[np.float64]
    thresholds_y: NDArray[np.float64]
    sums: NDArray[np.int32]
    sum_numbers: NDArray[np.float64]
    precision: Precision
    unlinked: NDArray[np.int64]
    prologue: tuple[int, int]
    x_tape: tuple[int, int]
    y_tape: tuple[int, int]
    x_tables: int
    y_tables: int
    z: int
    tapes: NDArray[np.int64]
    tape_bands: NDArray[np.int64]
    tape_ends: NDArray[np.float64]
    scratch_bytes: int
    constants: tuple[NDArray[np.int64], NDArray[np.float64]]
    regions: RegionProgram | None

    @cached_property
    def instructions(self) -> NDArray[np.int64]:
        """int64[m, INSTRUCTION]: the instructions of all tapes, good in this process."""
        return linked(self.unlinked, self.precision)


class _Terms(NamedTuple):
    """Predicates written as terms, see `absint.lowering.kernels.terms`."""

    code: NDArray[np.int32]
    boxes: NDArray[np.float64]
    sum_value: NDArray[np.int32]
    sum_ends: NDArray[np.float64]
    tapes: list[list[int]]
    tape_ends: NDArray[np.float64]
    first: NDArray[np.int32]
    box: NDArray[np.int32]
    sums: NDArray[np.int32]
    bands: NDArray[np.int32]
    alternatives: NDArray[np.int32]
    others: NDArray[np.int32]


class _Forms(NamedTuple):
    """Values that are sums `u(x) + v(y)`, see `absint.lowering.kernels.simple_terms`."""

    is_sum: NDArray[np.uint8]
    places: NDArray[np.int32]
    numbers: NDArray[np.float64]


class _Tables(NamedTuple):
    """Tables of an axis: the number of each base's, -1 for none, and last that of the samples, 0; the tape
    that fills them, and where they lie.
    """

    number: NDArray[np.int32]
    tape: tuple[int, int]
    begin: int


class _Items(NamedTuple):
    """What is written: predicates, or in place of one some of the simple terms `products`, -1 for itself."""

    predicate: NDArray[np.int32]
    product: NDArray[np.int32]
    products: NDArray[np.float64]

    def some(self, places: NDArray[Any]) -> _Items:
        """Those at some places."""
        return _Items(self.predicate[places], self.product[places], self.products)


def make_plan(program: Program, terms: bool = True) -> Plan:
    """The plan of a program; of one that is not lowered, that of `f < 0`.

    `terms`: whether there are any; else all is left to the regions. Raises `GraphError` for a program whose
    graph is not sound.
    """
    check_program(program)
    program = as_predicate(program)
    predicates = Predicates.of(program.graph)
    writer = _Writer(program, predicates, terms)
    last = len(predicates) - 1
    if predicates.code[last] == ANY.code:
        return writer.plan(np.sort(predicates.items[predicates.starts[last] :]))
    return writer.plan(np.full(int(predicates.code[last] != FALSE.code), last, np.int32))


def as_predicate(program: Program) -> Program:
    """The program as the predicate `f < 0`, if it is not one yet: that its root is in one band."""
    graph = program.graph
    if graph.lowered:
        return program
    ends = (-np.inf, -program.precision.tiny)
    question = Predicates(
        code=np.array([BAND.code], np.uint8),
        value=np.array([graph.root], np.int32),
        bands=np.array([ends]),
        starts=np.zeros(2, np.int32),
        items=np.zeros(0, np.int32),
        lines=graph.lines[-1:],
    )
    return replace(program, graph=assembled(graph, question), promise=Promise.SIGN, source=program.origin)


class _Writer:
    """Writes a plan."""

    def __init__(self, program: Program, predicates: Predicates, some_terms: bool) -> None:
        self._program = program
        self._some_terms = some_terms
        self._graph = program.graph
        self._predicates = predicates
        self._kernels = lowering_kernels()
        self._memory = Memory(program.precision)
        self._code = TapeCode(program.graph, self._memory)
        self._forms = self._find_forms()
        self._axis = np.full(len(program.graph), 2, np.uint8)
        for node, name in program.graph.variables.items():
            self._axis[node] = {"x": 0, "y": 1}.get(name, 2)

    def plan(self, operands: NDArray[np.int32]) -> Plan:
        """Everything; the program holds where one of the operands does."""
        code, memory, forms = self._code, self._memory, self._forms
        terms, rest = self._drawn(operands, forms.is_sum)
        x, y = (self._tables(axis, forms.places[terms.sum_value, 2 * axis]) for axis in (0, 1))
        tabulated = forms.is_sum & (x.number[forms.places[:, 0]] >= 0) & (y.number[forms.places[:, 2]] >= 0)
        if not tabulated[terms.sum_value].all():
            terms, rest = self._drawn(operands, tabulated)
        tapes, bands = self._tapes(terms)
        regions = region_program(code, list(self._predicates.rows()), rest.tolist()) if len(rest) else None
        thresholds_x, left_right = self._thresholds(terms.boxes[:, :2])
        thresholds_y, bottom_top = self._thresholds(terms.boxes[:, 2:])
        sums, sum_numbers = self._sums(terms, x, y)
        offsets = [place.offset for place in memory.constants.values()]
        return Plan(
            code=terms.code,
            starts=terms.first,
            top_boxes=terms.box,
            boxes=np.concatenate([left_right, bottom_top], axis=1),
            thresholds_x=thresholds_x,
            thresholds_y=thresholds_y,
            sums=sums,
            sum_numbers=sum_numbers,
            precision=memory.precision,
            unlinked=instruction_array(code.instructions + code.prologue),
            prologue=(len(code.instructions), len(code.instructions) + len(code.prologue)),
            x_tape=x.tape,
            y_tape=y.tape,
            x_tables=x.begin,
            y_tables=y.begin,
            z=memory.z.offset,
            tapes=tapes,
            tape_bands=bands,
            tape_ends=terms.tape_ends,
            scratch_bytes=memory.end,
            constants=(np.array(offsets, np.int64), np.frombuffer(b"".join(memory.constants), np.float64)),
            regions=regions,
        )

    def _drawn(
        self, operands: NDArray[np.int32], is_sum: NDArray[np.uint8]
    ) -> tuple[_Terms, NDArray[np.int32]]:
        """Some predicates as terms, bands of some values as those of sums; and those left to the regions."""
        items = self._items(operands, is_sum)
        terms = self._terms(items, is_sum)
        written = np.flatnonzero(terms.first >= 0)  # the others are too large
        drawn = written[~self._loose(terms, written) & self._some_terms]
        rest = np.delete(items.predicate, drawn)
        tops = terms.boxes[terms.box[drawn], 3]
        keys = -tops, terms.sums[drawn], terms.bands[drawn], terms.alternatives[drawn] > 0
        order = drawn[np.lexsort(keys)]  # alike follow each other; from above
        return self._terms(items.some(order), is_sum), rest

    def _items(self, operands: NDArray[np.int32], is_sum: NDArray[np.uint8]) -> _Items:
        """Some predicates, multiplied out where that makes few terms."""
        count = len(self._predicates)
        room = 4 * count + 1024
        products, first, length = np.empty((room, 10)), np.empty(count, np.int32), np.empty(count, np.int32)
        call(
            self._kernels["multiply"], count, self._predicates.table, self._axis, is_sum,
            room, products, first, length,
        )  # fmt: skip
        times = np.where(length[operands] < 0, 1, length[operands])
        behind = np.cumsum(times)
        place = np.arange(behind[-1] if len(behind) else 0) - np.repeat(behind - times, times)
        predicate = np.repeat(operands, times)
        product = np.where(length[predicate] < 0, -1, first[predicate] + place).astype(np.int32)
        return _Items(predicate, product, products)

    def _find_forms(self) -> _Forms:
        n, real = len(self._graph), self._memory.precision.dtype
        forms = _Forms(np.empty(n, np.uint8), np.zeros((n, 4), np.int32), np.empty((n, 4)))
        with np.errstate(over="ignore"):
            constants = self._graph.constants.astype(real).astype(np.float64)
        a, b = (np.ascontiguousarray(self._graph.args[:, column]) for column in (0, 1))
        classes = np.array(self._code.classes, np.uint8)
        call(self._kernels["forms"], n, self._graph.op, a, b, classes, constants, *forms)
        return forms

    def _terms(self, items: _Items, is_sum: NDArray[np.uint8]) -> _Terms:
        """What some items are written as."""
        count, predicates = len(items.predicate), self._predicates
        room = 2 * (len(predicates) + len(predicates.items)) + 2 * MOST_ENTRIES
        while True:
            code, boxes = np.empty((room, CODE), np.int32), np.empty((room, 4))
            sum_value, sum_ends = np.empty(room, np.int32), np.empty((room, 2))
            tape_starts, tape_value = np.empty(room + 1, np.int32), np.empty(room, np.int32)
            tape_ends = np.empty((room, 2))
            size, of_terms = np.zeros(6, np.int64), np.zeros((6, count), np.int32)
            done = call(
                self._kernels["write"], count, *items, predicates.table, self._axis, is_sum,
                np.empty(MOST_ENTRIES + 8, np.int32), np.empty((DEEPEST_TERM, 8), np.int64), room,
                code, boxes, sum_value, sum_ends, tape_starts, tape_value, tape_ends, size, *of_terms,
            )  # fmt: skip
            if done >= 0:
                break
            room *= 2
        entries, box_count, sums, tapes, tape_bands, _ = size.tolist()
        values, starts = tape_value[:tape_bands].tolist(), tape_starts[: tapes + 1].tolist()
        return _Terms(
            code[:entries].copy(), boxes[:box_count], sum_value[:sums], sum_ends[:sums],
            [values[first:last] for first, last in itertools.pairwise(starts)],
            tape_ends[:tape_bands].copy(), *of_terms,
        )  # fmt: skip

    def _loose(self, terms: _Terms, some: NDArray[np.int64]) -> NDArray[np.bool_]:
        """bool[some]: whether each of some terms is better left to the regions."""
        share = np.ones(len(terms.boxes))
        for axis, name in enumerate("xy"):
            low, high = self._program.box.bounds.get(name, (-math.inf, math.inf))
            if 0 < high - low < math.inf:
                lower, upper = terms.boxes[:, 2 * axis : 2 * axis + 2].T
                share *= np.maximum(np.minimum(upper, high) - np.maximum(lower, low), 0) / (high - low)
        outer, first = share[terms.box[some]], terms.first[some]
        kind, number = terms.code[:, :2].T
        own = np.maximum.accumulate(np.where(kind == TERM, np.arange(len(kind)), 0))  # its sums come first
        within = np.repeat(outer, np.diff(first, append=len(kind)))
        sums = np.where(kind == SUM, np.minimum(share[number[own]], within), 0.0)
        cost = np.add.reduceat(sums, first) + ALTERNATIVE * terms.alternatives[some] * outer
        return ((terms.others[some] > 0) & (outer > LOOSE)) | (cost > HEAVY)

    def _tables(self, axis: int, used: NDArray[np.int32]) -> _Tables:
        """The tables of the bases that sums use, the most frequent first. Table 0 holds the samples."""
        graph, memory = self._graph, self._memory
        samples = [node for node, name in graph.variables.items() if name == "xy"[axis]]
        bases, times = np.unique(used, return_counts=True)
        ordered = bases[np.argsort(-times, kind="stable")].tolist()
        wanted = [base for base in ordered if base >= 0 and base not in samples][: MOST_TABLES - 1]
        kind, length = ((ROW, TILE_COLUMNS), (COLUMN, Y_PITCH))[axis]
        begin, size = memory.end, length * memory.size
        memory.end += (1 + len(wanted)) * size
        number = np.full(len(graph) + 1, -1, np.int32)
        number[wanted] = np.arange(1, len(wanted) + 1)
        number[[*samples, -1]] = 0
        places = {node: Place(begin + int(number[node]) * size, kind) for node in (*samples, *wanted)}
        return _Tables(number, self._table_tape(wanted, places, size), begin)

    def _table_tape(self, wanted: list[int], places: dict[int, Place], size: int) -> tuple[int, int]:
        """A tape that fills the tables of some bases, which have their places as the samples do.

        What bases are made of gets tables behind them, each taken again once nothing reads it any more.
        """
        code, memory = self._code, self._memory
        cone = code.cone(wanted)
        last = {operand: i for i, node in enumerate(cone) for operand in code.operands(node)}
        kept, free = set(places), list[Place]()
        first = len(code.instructions)
        for i, node in enumerate(cone):
            operands, kind = code.operands(node), code.classes[node]
            if kind == FIXED:
                places[node] = code.fixed_place(node)
            elif operands:
                for operand in set(operands) - kept:
                    if last[operand] == i and code.classes[operand] == kind:
                        free.append(places[operand])
                if node not in kept:
                    if not free:
                        free.append(Place(memory.end, kind))
                        memory.end += size
                    places[node] = free.pop()
                sources = [places[operand] for operand in operands]
                rows = ALL_ROWS if kind == ROW else PACKED_ROWS
                code.instructions.append(code.instruction(node, places[node], sources, rows, every=1))
        return first, len(code.instructions)

    def _sums(self, terms: _Terms, x: _Tables, y: _Tables) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """The sums as the layout has them."""
        x_base, x_squared, y_base, y_squared = self._forms.places[terms.sum_value].T
        kind = np.where(terms.sum_ends[:, 0] == -math.inf, AT_MOST, BETWEEN)
        none = np.zeros_like(kind)
        sums = np.stack([x.number[x_base], x_squared, y.number[y_base], y_squared, kind, none], axis=1)
        numbers = np.zeros((len(sums), 8))
        numbers[:, :4] = self._forms.numbers[terms.sum_value]
        numbers[:, 4:6] = terms.sum_ends
        return sums.astype(np.int32), numbers

    def _tapes(self, terms: _Terms) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The tapes and their bands as the layout has them."""
        steps = {FIXED: 0, ROW: 0, COLUMN: self._memory.size, BLOCK: self._memory.row}
        tapes: list[tuple[int, ...]] = []
        bands: list[tuple[int, ...]] = []
        for values in terms.tapes:
            first, last, places = self._code.append(values)
            tapes.append((first, last, len(bands), len(bands) + len(values)))
            for place in places:
                bands.append((place.offset, steps[place.kind], len(bands), 0))
        return np.array(tapes, np.int64).reshape(-1, 4), np.array(bands, np.int64).reshape(-1, 4)

    def _thresholds(self, ends: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
        """The distinct thresholds of sides, and the two of each side."""
        real = self._memory.precision.real
        behind = np.nextafter(ends[:, 1].astype(real), real(math.inf)).astype(np.float64)
        sides = np.stack([ends[:, 0], behind], axis=1) + 0.0  # one zero
        thresholds, places = np.unique(sides.ravel(), return_inverse=True)
        return thresholds, places.reshape(-1, 2).astype(np.int32)
