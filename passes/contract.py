"""Contract: each operand of an `any` gets a box outside of which it is false, written as bands of variables.

The box of an operand is found by forward-backward propagation (see `absint.kernels.contraction`), beginning with
the box around it: the program's, or that of the operand that it is a part of. An operand that is false on all
of its box is dropped. The root is treated like an operand. Bands of variables that were there before are
replaced by those of the box, which is inside of them.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from absint import native
from absint.analysis import Analyses
from absint.graph import Graph
from absint.lowering import PredicateBuilder, Predicates, Row, assembled
from absint.manager import PassResult
from absint.ops.table import ALL, ANY, BAND
from absint.program import Program, Promise
from absint.rules import Mode, Rewrite

from .native_arrays import call
from .ranges import ranges_of

BOXED = Rewrite("boxed", Mode.BITS)
EMPTY = Rewrite("proved-empty", Mode.BITS)

DEEPEST = 32
"""The kernel's constant of that name."""

_Key = tuple[int, int]
"""An operand of an `any`: the two predicates. The root is the operand of -1."""


@dataclass(frozen=True)
class Contract:
    """Boxes around the operands of every `any`; at most `rounds` sweeps."""

    name: ClassVar[str] = "contract"
    promise: ClassVar[Promise] = Promise.BITS
    lowers: ClassVar[bool] = True
    rounds: int = 4

    def run(self, program: Program, analyses: Analyses) -> PassResult:
        """Contract a lowered program; a real one stays as it is."""
        rewrites: Counter[Rewrite] = Counter()
        if not program.graph.lowered:
            return PassResult(program, rewrites)
        for _ in range(self.rounds):
            found = _contracted(program, analyses)
            if found is None:
                break
            predicates, new = found
            program = program.with_graph(assembled(program.graph, predicates))
            rewrites += new
        return PassResult(program, rewrites)


def _contracted(program: Program, analyses: Analyses) -> tuple[Predicates, Counter[Rewrite]] | None:
    """The predicates after one sweep, or None if it changes none."""
    graph = program.graph
    variables = _variables(graph)
    if not variables:
        return None
    predicates = Predicates.of(graph)
    rows = list(predicates.rows())
    jobs, around = _jobs(rows)
    boxes, held = _boxes(program, analyses, predicates, list(variables), jobs, around)
    rewriter = _Rewriter(program, rows, variables)
    for number, job in enumerate(jobs):
        rewriter.put(job, boxes[number + 1] if held[number + 1] else None, boxes[around[number]])
    return rewriter.result()


def _variables(graph: Graph) -> dict[str, int]:
    """A node of each variable."""
    return {name: node for node, name in reversed(graph.variables.items())}


def _jobs(rows: list[Row]) -> tuple[list[_Key], list[int]]:
    """The operands of every `any`, outer ones first, and the number of the box around each: 0 for the program's,
    else that of a job plus one.
    """
    users = [0] * len(rows)
    for row in rows:
        for item in row.items:
            users[item] += 1
    jobs: list[_Key] = []
    around: list[int] = []
    box_of = [0] * len(rows)  # the box around each predicate that has one user

    def add(parent: int, item: int, box: int) -> None:
        jobs.append((parent, item))
        around.append(box)
        if users[item] <= 1:
            box_of[item] = len(jobs)

    root = len(rows) - 1
    if rows[root].code in (ALL.code, BAND.code):
        add(-1, root, 0)
    for predicate in range(root, -1, -1):
        row = rows[predicate]
        for item in row.items:
            if row.code == ANY.code:
                add(predicate, item, box_of[predicate])
            elif users[item] == 1:
                box_of[item] = box_of[predicate]
    return jobs, around


def _boxes(
    program: Program,
    analyses: Analyses,
    predicates: Predicates,
    variables: list[str],
    jobs: list[_Key],
    around: list[int],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """float64[jobs + 1, variables, 2], the boxes of the jobs behind the program's own; and which hold a point."""
    graph, dtype = program.graph, program.precision.dtype
    kernels = native.load(
        "absint.kernels.contraction", program.precision.value, depends=("absint.kernels", "absint.ops")
    )
    n = len(graph)
    a, b = (np.ascontiguousarray(graph.args[:, column]) for column in (0, 1))
    variable = np.full(n, -1, np.int32)
    for node, name in graph.variables.items():
        variable[node] = variables.index(name)
    ranges = ranges_of(program, analyses)
    wanted = np.zeros(n, np.uint8)
    wanted[predicates.value[predicates.code == BAND.code]] = 1
    seen, stack, cone_starts = (
        np.full(n, -1, np.int32),
        np.empty(2 * n + 2, np.int32),
        np.empty(n + 1, np.int32),
    )
    capacity = 16 * n + 1024
    while True:
        cones = np.empty(capacity, np.int32)
        if call(kernels["cones"], n, graph.op, a, b, wanted, seen, stack, cone_starts, cones, capacity) >= 0:
            break
        capacity *= 2
        seen[:] = -1
    boxes = np.empty((len(jobs) + 1, len(variables), 2), dtype)
    for place, name in enumerate(variables):
        boxes[0, place] = program.box.bounds.get(name, (-math.inf, math.inf))
    held = np.ones(len(jobs) + 1, np.uint8)
    job_predicates = np.array([item for _, item in jobs], np.int32)
    known_low, known_high = ranges.lower.astype(dtype), ranges.upper.astype(dtype)
    frames = np.empty((DEEPEST, 2), np.int32)
    scratch = np.empty((DEEPEST + 1, 2, len(variables), 2), dtype)
    call(
        kernels["contract"], len(jobs), job_predicates, np.array(around, np.int32), held, boxes, len(variables),
        graph.op, a, b, variable, known_low, known_high, np.empty(n, dtype), np.empty(n, dtype),
        cone_starts, cones, predicates.code, predicates.value, predicates.bands, predicates.starts,
        predicates.items, frames, scratch,
    )  # fmt: skip
    return boxes.astype(np.float64), held.astype(bool)


class _Rewriter:
    """Writes boxes into predicates."""

    def __init__(self, program: Program, rows: list[Row], variables: dict[str, int]) -> None:
        self._rows = rows
        self._variables = variables
        self._bounded = {  # whose bands say nothing about NaN, so that a box can stand for them
            node for node, name in program.graph.variables.items() if name in program.box.bounds
        }
        self._boxes: dict[_Key, list[tuple[int, float, float]] | None] = {}

    def put(self, job: _Key, box: NDArray[np.float64] | None, around: NDArray[np.float64]) -> None:
        """The box of an operand, None for an empty one, and the box around it."""
        if box is None:
            self._boxes[job] = None
            return
        self._boxes[job] = [
            (node, lower if lower > outer_lower else -math.inf, upper if upper < outer_upper else math.inf)
            for node, (lower, upper), (outer_lower, outer_upper) in zip(
                self._variables.values(), box.tolist(), around.tolist(), strict=True
            )
            if lower > outer_lower or upper < outer_upper
        ]

    def result(self) -> tuple[Predicates, Counter[Rewrite]] | None:
        """The rewritten predicates, or None if they are as before."""
        builder = PredicateBuilder()
        rewrites: Counter[Rewrite] = Counter()
        made: list[int] = []
        for predicate, row in enumerate(self._rows):
            if row.code == ANY.code:
                items = [self._operand(builder, rewrites, (predicate, item), made) for item in row.items]
                made.append(builder.join(ANY.code, items, row.line))
            elif row.items:
                made.append(builder.join(ALL.code, (made[item] for item in row.items), row.line))
            else:
                made.append(builder.leaf(*row[:4], row.line))
        root = len(self._rows) - 1
        last = self._operand(builder, rewrites, (-1, root), made) if (-1, root) in self._boxes else made[-1]
        return (builder.build(last), rewrites) if rewrites else None

    def _operand(
        self, builder: PredicateBuilder, rewrites: Counter[Rewrite], job: _Key, made: list[int]
    ) -> int:
        """An operand with its box."""
        item = job[1]
        row, box = self._rows[item], self._boxes[job]
        if box is None:
            rewrites[EMPTY] += 1
            return builder.false
        parts = row.items if row.code == ALL.code else (item,)
        replaced = {
            (part.value, part.lower, part.upper)
            for part in map(self._rows.__getitem__, parts)
            if part.code == BAND.code and part.value in self._bounded
        }
        if replaced == set(box):
            return made[item]
        rewrites[BOXED] += 1
        kept = [
            made[part]
            for part in parts
            if self._rows[part].code != BAND.code or self._rows[part].value not in self._bounded
        ]
        kept += (builder.band(*ends, row.line) for ends in box)
        return builder.join(ALL.code, kept, row.line)
