"""Plans: a lowered program as typed arrays, for a renderer that is generic over programs.

The operands of the root's `any` become *terms*, drawn where their boxes say (see `absint.kernels.tiles`): a
box, bands of sums `u(x) + v(y)`, bands of other values, and alternatives made of terms. What does not come to
small terms is left to the regions (see `absint.kernels.regions`).

A plan holds floats, never pixels: it is good for every view inside the program's box.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from absint.kernels.layout import (
    ALL_ROWS,
    AT_MOST,
    BETWEEN,
    EITHER,
    END,
    END_EITHER,
    PACKED_ROWS,
    SUM,
    TAPE,
    TERM,
    TILE_COLUMNS,
    Y_PITCH,
)  # fmt: skip
from absint.lowering import Predicates
from absint.ops.table import ANY, FALSE
from absint.program import Program
from absint.region_plan import RegionProgram, region_program
from absint.tape_code import BLOCK, COLUMN, FIXED, ROW, Memory, Place, TapeCode, instruction_array
from absint.terms import SIMPLE_SUMS, Sum, Term, TermBuilder, TooLargeError, products

MOST_TABLES = 64
"""Tables per axis; a sum whose base has none is run as a tape."""

LOOSE = 1 / 32
"""A term with other values than sums is left to the regions if its box is a larger part of the program's."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A program's terms as arrays; see `absint.kernels.layout` for what they hold.

    `thresholds_x`, `thresholds_y`: the distinct ends of boxes in the precision, each such that a box contains
    the samples from one threshold up to, and without, another. `boxes` int32[·, 4]: the thresholds of each
    box. `z`: where z lies in a thread's scratch memory. `scratch_bytes`: how much scratch memory a thread
    needs. `constants`: offsets in it and the values there.
    """

    code: NDArray[np.int32]
    starts: NDArray[np.int32]
    top_boxes: NDArray[np.int32]
    boxes: NDArray[np.int32]
    thresholds_x: NDArray[np.float64]
    thresholds_y: NDArray[np.float64]
    sums: NDArray[np.int32]
    sum_numbers: NDArray[np.float64]
    instructions: NDArray[np.int64]
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


def make_plan(program: Program) -> Plan:
    """The plan of a lowered program."""
    graph = program.graph
    rows = list(Predicates.of(graph).rows())
    root = rows[-1]
    operands = root.items if root.code == ANY.code else () if root.code == FALSE.code else (len(rows) - 1,)
    memory = Memory(program.precision)
    code = TapeCode(graph, memory)
    builder = TermBuilder(code, rows)
    terms, rest = [], []
    for operand in operands:
        try:
            term = builder.root_term(operand)
        except TooLargeError:
            rest.append(operand)
            continue
        if _loose(term, program):
            rest.append(operand)
        else:
            terms += products(term)
    return _Writer(code, terms, region_program(code, rows, rest)).plan()


def _loose(term: Term, program: Program) -> bool:
    """Whether a term is better left to the regions."""
    if not any(inner.bands for inner in term.walk()):
        return False
    share = 1.0
    for (lower, upper), name in zip((term.box[:2], term.box[2:]), ("x", "y"), strict=True):
        low, high = program.box.bounds.get(name, (-math.inf, math.inf))
        width, whole = min(upper, high) - max(lower, low), high - low
        share *= 0.0 if width <= 0 else width / whole if 0 < whole < math.inf else 1.0
    return share > LOOSE


class _Writer:
    """Writes terms as arrays."""

    def __init__(self, code: TapeCode, terms: list[Term], regions: RegionProgram | None) -> None:
        self._code = code
        self._memory = code.memory
        self._real = code.memory.precision.real
        self._terms = sorted(terms, key=lambda t: (bool(t.either), len(t.bands), len(t.sums), -t.box[3]))
        self._regions = regions
        self._entries: list[tuple[int, int, int, int]] = []
        self._boxes: list[tuple[int, int, int, int]] = []
        self._thresholds: tuple[dict[float, int], dict[float, int]] = ({}, {})
        self._sums: list[tuple[int, ...]] = []
        self._sum_numbers: list[tuple[float, ...]] = []
        self._tapes: list[tuple[int, int, int, int]] = []
        self._bands: list[tuple[int, int, int, int]] = []
        self._ends: list[tuple[float, float]] = []

    def plan(self) -> Plan:
        """Everything."""
        x_index, x_tape, x_tables = self._tables(0)
        y_index, y_tape, y_tables = self._tables(1)
        self._index = x_index, y_index
        starts, top_boxes = [], []
        for term in self._terms:
            starts.append(len(self._entries))
            top_boxes.append(len(self._boxes))
            self._write(term)
        code = self._code
        prologue = len(code.instructions), len(code.instructions) + len(code.prologue)
        constants = self._memory.constants
        return Plan(
            code=np.array(self._entries, np.int32).reshape(-1, 4),
            starts=np.array(starts, np.int32),
            top_boxes=np.array(top_boxes, np.int32),
            boxes=np.array(self._boxes, np.int32).reshape(-1, 4),
            thresholds_x=np.array(list(self._thresholds[0]), np.float64),
            thresholds_y=np.array(list(self._thresholds[1]), np.float64),
            sums=np.array(self._sums, np.int32).reshape(-1, 6),
            sum_numbers=np.array(self._sum_numbers, np.float64).reshape(-1, 8),
            instructions=instruction_array(code.instructions + code.prologue),
            prologue=prologue,
            x_tape=x_tape,
            y_tape=y_tape,
            x_tables=x_tables,
            y_tables=y_tables,
            z=self._memory.z.offset,
            tapes=np.array(self._tapes, np.int64).reshape(-1, 4),
            tape_bands=np.array(self._bands, np.int64).reshape(-1, 4),
            tape_ends=np.array(self._ends, np.float64).reshape(-1, 2),
            scratch_bytes=self._memory.end,
            constants=(
                np.array([place.offset for place in constants.values()], np.int64),
                np.array([np.frombuffer(k, np.float64)[0] if isinstance(k, bytes) else k for k in constants]),
            ),
            regions=self._regions,
        )

    def _tables(self, axis: int) -> tuple[dict[int, int], tuple[int, int], int]:
        """The table of each base of an axis, the tape that fills them, and where they lie. Table 0 holds the
        samples.
        """
        graph, memory, code = self._code.graph, self._memory, self._code
        used = Counter(
            (one.x, one.y)[axis].base
            for term in self._terms
            for inner in term.walk()
            for one in inner.sums
        )
        name = "xy"[axis]
        wanted = [base for base, _ in used.most_common() if graph.variables.get(base) != name]
        bases = wanted[: MOST_TABLES - 1]
        kind, length = ((ROW, TILE_COLUMNS), (COLUMN, Y_PITCH))[axis]
        begin = memory.end
        memory.end += (1 + len(bases)) * length * memory.size
        places = {base: Place(begin + i * length * memory.size, kind) for i, base in enumerate(bases, 1)}
        index = {base: i for i, base in enumerate(bases, 1)}
        index.update({node: 0 for node, variable in graph.variables.items() if variable == name})
        first = len(code.instructions)
        for node in code.cone(bases):
            if code.classes[node] == FIXED:
                places[node] = code.fixed_place(node)
            elif graph.variables.get(node) == name:
                places[node] = Place(begin, kind)
            else:
                if node not in places:
                    places[node] = Place(memory.end, kind)
                    memory.end += length * memory.size
                sources = [places[operand] for operand in graph.operands(node)]
                rows = ALL_ROWS if kind == ROW else PACKED_ROWS
                code.instructions.append(code.instruction(node, places[node], sources, rows, every=1))
        return index, (first, len(code.instructions)), begin

    def _write(self, term: Term) -> None:
        """The code of a term."""
        here = len(self._entries)
        box = len(self._boxes)
        self._boxes.append(self._box(term.box))
        sums, bands = [], list(term.bands)
        for one in term.sums:
            if one.x.base in self._index[0] and one.y.base in self._index[1]:
                sums.append(one)
            else:
                bands.append((one.node, one.lower, one.upper))
        factors = len(sums) + bool(bands) + len(term.either)
        simple = factors == len(sums) <= SIMPLE_SUMS
        self._entries.append((TERM, box, factors if simple else -1, 0))
        position = 0

        def flags() -> int:
            nonlocal position
            position += 1
            return (position == 1) | (position == factors) << 1

        for one in sums:
            self._entries.append((SUM, self._sum(one), flags(), 0))
        if bands:
            self._entries.append((TAPE, self._tape(bands), flags(), 0))
        for terms in term.either:
            self._entries.append((EITHER, 0, 0, 0))
            for inner in terms:
                self._write(inner)
            self._entries.append((END_EITHER, 0, flags(), 0))
        self._entries.append((END, 0, 0, 0))
        self._entries[here] = (*self._entries[here][:3], len(self._entries))

    def _box(self, box: tuple[float, float, float, float]) -> tuple[int, int, int, int]:
        """The thresholds of a box: samples from the first up to the second of each axis."""
        left, right, bottom, top = box
        ends = (left, self._above(right), bottom, self._above(top))
        x, y = self._thresholds
        a, b = (x.setdefault(end + 0.0, len(x)) for end in ends[:2])
        c, d = (y.setdefault(end + 0.0, len(y)) for end in ends[2:])
        return a, b, c, d

    def _above(self, value: float) -> float:
        return float(np.nextafter(self._real(value), self._real(math.inf)))

    def _sum(self, one: Sum) -> int:
        x, y = one.x, one.y
        kind = AT_MOST if one.lower == -math.inf else BETWEEN
        index = self._index[0][x.base], self._index[1][y.base]
        self._sums.append((index[0], int(x.squared), index[1], int(y.squared), kind, 0))
        self._sum_numbers.append((x.offset, x.sign, y.offset, y.sign, one.lower, one.upper, 0.0, 0.0))
        return len(self._sums) - 1

    def _tape(self, bands: list[tuple[int, float, float]]) -> int:
        first, last, places = self._code.append(value for value, _, _ in bands)
        first_band = len(self._bands)
        steps = {FIXED: 0, ROW: 0, COLUMN: self._memory.size, BLOCK: self._memory.row}
        for place, (_, lower, upper) in zip(places, bands, strict=True):
            self._bands.append((place.offset, steps[place.kind], len(self._ends), 0))
            self._ends.append((lower, upper))
        self._tapes.append((first, last, first_band, len(self._bands)))
        return len(self._tapes) - 1
