"""The program that regions of a picture specialise: the predicates that a plan does not write as small terms,
as steps.

`absint.lowering.plan_format` has the codes of steps and their kinds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from absint.lowering.plan_format import (
    ALL_OF,
    ANY_OF,
    BINARY,
    GREATEST,
    IN_BAND,
    LEAST,
    STEP,
    UNARY,
    X,
    Y,
)  # fmt: skip
from absint.lowering.predicates import Row
from absint.lowering.register_code import RegisterCode
from absint.ops.record import Extremum
from absint.ops.table import ALL, ANY, BAND, DIAGONALS, FALSE, OPS, TRUE

_KINDS = {Extremum.LEAST: LEAST, Extremum.GREATEST: GREATEST, Extremum.NEITHER: BINARY}
"""The kind of step of an operation with two operands."""


@dataclass(frozen=True, eq=False)
class RegionProgram:
    """Steps of a program; the last step is the root, a predicate.

    `steps` int32[n, STEP]. `items` int32[m]: the items of lists, as numbers of steps. `kind` uint8[n]: the
    kind of each step. `op` uint8[n]: the operation of a real step, 0 for a predicate. `ends` float64[n, 2]:
    the ends of a band. `specials` int32[2 + k]: the registers of the special operands: x, y and k fixed
    values.
    """

    steps: NDArray[np.int32]
    items: NDArray[np.int32]
    kind: NDArray[np.uint8]
    op: NDArray[np.uint8]
    ends: NDArray[np.float64]
    specials: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.steps)


def make_region_program(
    code: RegisterCode, rows: Sequence[Row], roots: Sequence[int]
) -> RegionProgram | None:
    """The program of the union of some predicates; None without predicates. Adds fixed values to `code`."""
    if not roots:
        return None
    return _RegionProgramBuilder(code, rows).build(roots)


class _RegionProgramBuilder:
    """Makes one regions' program."""

    def __init__(self, code: RegisterCode, rows: Sequence[Row]) -> None:
        self._code = code
        self._graph = code.graph
        self._rows = rows
        self._specials = [X, Y]
        self._steps: list[tuple[int, int, int, int]] = []
        self._items: list[int] = []
        self._kind: list[int] = []
        self._op: list[int] = []
        self._ends: list[tuple[float, float]] = []
        self._operand: dict[int, int] = {}
        self._predicate: dict[int, int] = {}

    def build(self, roots: Sequence[int]) -> RegionProgram:
        """The program of the union of `roots`."""
        needed = self._find_needed(roots)
        bands = (self._rows[predicate] for predicate in needed)
        for node in self._code.cone(band.value for band in bands if band.code == BAND.code):
            self._operand[node] = self._add_real(node)
        for predicate in needed:
            self._predicate[predicate] = self._add_predicate(self._rows[predicate])
        if len(roots) > 1 or self._predicate[roots[0]] != len(self._steps) - 1:
            self._add_list(ANY_OF, [self._predicate[root] for root in roots])
        return RegionProgram(
            steps=np.array(self._steps, np.int32).reshape(-1, STEP),
            items=np.array(self._items, np.int32),
            kind=np.array(self._kind, np.uint8),
            op=np.array(self._op, np.uint8),
            ends=np.array(self._ends, np.float64).reshape(-1, 2),
            specials=np.array(self._specials, np.int32),
        )

    def _find_needed(self, roots: Sequence[int]) -> list[int]:
        """The predicates that `roots` depend on, roots included, operands first."""
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

    def _add_real(self, node: int) -> int:
        """Add the step of a real node; returns its number, or `~k` for the k-th special operand."""
        op, a, b = self._graph.rows[node]
        if self._code.is_fixed(node):
            self._specials.append(self._code.register(node))
            return ~(len(self._specials) - 1)
        if a < 0:
            return ~("x", "y").index(self._graph.variables[node])
        first = self._operand[a]
        if b < 0:
            return self._add(UNARY, op, first, 0)
        second = self._operand[b]
        if first == second and op in DIAGONALS:
            return self._add(UNARY, DIAGONALS[op].code, first, 0)
        return self._add(_KINDS[OPS[op].extremum], op, first, second)

    def _add_predicate(self, row: Row) -> int:
        """Add the step of a predicate; returns its number."""
        if row.code == BAND.code:
            return self._add(IN_BAND, 0, self._operand[row.value], 0, (row.lower, row.upper))
        if row.code in (ALL.code, ANY.code):
            kind = ALL_OF if row.code == ALL.code else ANY_OF
            return self._add_list(kind, [self._predicate[item] for item in row.items])
        assert row.code in (TRUE.code, FALSE.code)
        # A list of no items, though leaves read the first one unasked: `bound` always decides such a list, so
        # what holds it counts as shorter and is specialised without it. It never reaches a leaf.
        return self._add_list(ALL_OF if row.code == TRUE.code else ANY_OF, [])

    def _add_list(self, kind: int, items: list[int]) -> int:
        first = len(self._items)
        self._items += items
        return self._add(kind, 0, first, len(items))
