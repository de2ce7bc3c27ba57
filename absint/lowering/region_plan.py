"""The program that the regions run: what a plan could not draw as small terms, as steps.

See `absint.lowering.plan_format` for what the arrays hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from absint.lowering.plan_format import ALL_OF, ANY_OF, BINARY, GREATEST, IN_BAND, LEAST, UNARY
from absint.lowering.predicates import Row
from absint.lowering.tape_code import FIXED, Place, TapeCode
from absint.native import units
from absint.ops.precision import Precision
from absint.ops.table import ALL, ANY, BAND, FALSE, MAX, MIN, MUL, OPS, SQUARE, TRUE
from absint.ops.units import operation_kernels


@dataclass(frozen=True, eq=False)
class RegionProgram:
    """Steps, the last of which is the root, a predicate.

    `steps` int32[n, 4], `items` int32[m], `kind` uint8[n], `ends` float64[n, 2] as in the layout. `op`
    uint8[n]: the operation of each real step, 0 for predicates. `special_places` int64[2 + k] and
    `special_classes` uint8[2 + k]: where x, y and the k fixed values lie in scratch memory.
    """

    steps: NDArray[np.int32]
    items: NDArray[np.int32]
    kind: NDArray[np.uint8]
    op: NDArray[np.uint8]
    ends: NDArray[np.float64]
    special_places: NDArray[np.int64]
    special_classes: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.steps)

    def kernels(self, precision: Precision) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Addresses of each step's interval kernel, int64[n], and of its row kernels, int64[n, 3]."""
        intervals, rows = np.zeros(256, np.int64), np.zeros((256, 3), np.int64)
        real = self.kind < IN_BAND
        for code in np.unique(self.op[real]).tolist():
            unit: units.Unit = operation_kernels(OPS[code].name, precision)
            intervals[code] = unit.address("interval")
            shapes = ("v",) if OPS[code].arity == 1 else ("vv", "vs", "sv")
            rows[code, : len(shapes)] = [unit.address(shape) for shape in shapes]
        return np.where(real, intervals[self.op], 0), rows[self.op]

    def gains(self) -> NDArray[np.int32]:
        """What it gains to bound a step on the sixteen blocks of a leaf, int32[n], roughly in nanoseconds.

        Most often a quarter of the blocks is left then, and work that depends on x or y alone is no longer
        shared: that a step is run on a quarter saves about 0.6 of its cost; its bounds cost 10 and a sixth
        of it.
        """
        gains = np.array([0.4 * op.cost - 11 for op in OPS])
        return np.where(self.kind < IN_BAND, gains[self.op], 0).astype(np.int32)


def region_program(code: TapeCode, rows: Sequence[Row], roots: Sequence[int]) -> RegionProgram | None:
    """The program of some predicates, joined by `any`; None for none. Fixed values are added to `code`."""
    if not roots:
        return None
    return _Writer(code, rows).program(roots)


class _Writer:
    def __init__(self, code: TapeCode, rows: Sequence[Row]) -> None:
        self._code = code
        self._graph = code.graph
        self._rows = rows
        self._specials: list[Place] = [code.memory.x, code.memory.y]
        self._steps: list[tuple[int, int, int, int]] = []
        self._items: list[int] = []
        self._kind: list[int] = []
        self._op: list[int] = []
        self._ends: list[tuple[float, float]] = []
        self._operand: dict[int, int] = {}
        self._predicate: dict[int, int] = {}

    def program(self, roots: Sequence[int]) -> RegionProgram:
        """The whole program."""
        needed = self._needed(roots)
        bands = (self._rows[predicate] for predicate in needed)
        for node in self._code.cone(band.value for band in bands if band.code == BAND.code):
            self._operand[node] = self._real(node)
        for predicate in needed:
            self._predicate[predicate] = self._truth(self._rows[predicate])
        if len(roots) > 1 or self._predicate[roots[0]] != len(self._steps) - 1:
            self._list(ANY_OF, [self._predicate[root] for root in roots])
        return RegionProgram(
            steps=np.array(self._steps, np.int32).reshape(-1, 4),
            items=np.array(self._items, np.int32),
            kind=np.array(self._kind, np.uint8),
            op=np.array(self._op, np.uint8),
            ends=np.array(self._ends, np.float64).reshape(-1, 2),
            special_places=np.array([place.offset for place in self._specials], np.int64),
            special_classes=np.array([place.kind for place in self._specials], np.uint8),
        )

    def _needed(self, roots: Sequence[int]) -> list[int]:
        """The predicates below some, themselves included, operands first."""
        seen: set[int] = set()
        stack = list(roots)
        while stack:
            predicate = stack.pop()
            if predicate not in seen:
                seen.add(predicate)
                stack += self._rows[predicate].items
        return sorted(seen)

    def _add(self, kind: int, op: int, a: int, b: int, ends: tuple[float, float] = (0.0, 0.0)) -> int:
        self._steps.append((len(self._steps), a, b, 0))
        self._kind.append(kind)
        self._op.append(op)
        self._ends.append(ends)
        return len(self._steps) - 1

    def _real(self, node: int) -> int:
        """The step of a real node, or the complement of a special operand's number."""
        op, a, b = self._graph.rows[node]
        if self._code.classes[node] == FIXED:
            self._specials.append(self._code.fixed_place(node))
            return ~(len(self._specials) - 1)
        if a < 0:
            return ~("x", "y").index(self._graph.variables[node])
        first = self._operand[a]
        if b < 0:
            return self._add(UNARY, op, first, 0)
        second = self._operand[b]
        if op == MUL.code and first == second:
            return self._add(UNARY, SQUARE.code, first, 0)
        kind = LEAST if op == MIN.code else GREATEST if op == MAX.code else BINARY
        return self._add(kind, op, first, second)

    def _truth(self, row: Row) -> int:
        """The step of a predicate."""
        if row.code == BAND.code:
            return self._add(IN_BAND, 0, self._operand[row.value], 0, (row.lower, row.upper))
        if row.code in (ALL.code, ANY.code):
            kind = ALL_OF if row.code == ALL.code else ANY_OF
            return self._list(kind, [self._predicate[item] for item in row.items])
        assert row.code in (TRUE.code, FALSE.code)
        # A list of no items, though leaves read the first one unasked: `bound` always decides such a list, so
        # what holds it counts as shorter and is specialised without it. It never reaches a leaf.
        return self._list(ALL_OF if row.code == TRUE.code else ANY_OF, [])

    def _list(self, kind: int, items: list[int]) -> int:
        first = len(self._items)
        self._items += items
        return self._add(kind, 0, first, len(items))
