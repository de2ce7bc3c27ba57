"""Box contraction: each operand of an `any` gets a box outside of which it is false, as bands of variables.

An operand's box is found by forward-backward propagation (see `absint.lowering.kernels.contraction`),
starting from the enclosing box: the program's, or that of the operand of which this one is a part. An operand
that is false on all of its box is dropped. The root is treated like an operand. Existing bands of variables
are replaced by those of the box, which lies within them.

The number of visits in a run (see the kernel) is limited by `budget`, in proportion to the program. Outer
operands come first; operands that the budget does not reach keep their enclosing box, cut by their bands of
variables. A sweep also reads each operand's list once. A box has sides along at most `MOST_SIDES` variables,
x, y and z first, so that an operand's cost does not grow with the program.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from absint.ir.graph import AXES
from absint.ir.program import Form, Program, Promise
from absint.lowering.kernels.pass_records import (
    DEEPEST_BOX,
    BoxesTask,
    ConesTask,
    ContractTask,
    JobsTask,
    LookedInto,
)
from absint.lowering.predicates import Builder, Predicates
from absint.lowering.units import lowering_kernels
from absint.ops.table import ANY, BAND, CONST, TRAITS, with_diagonals
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassResult
from absint.rewriting.rules import Mode, Rewrite

from .analyses.ranges import Ranges, ranges_of
from .lowered import with_predicates

RULES = (Rewrite("boxed", Mode.BITS), Rewrite("proved-empty", Mode.BITS))
"""Rewrites."""

VISITS = 256
"""Visits that a run may make per node of the program and operand of a list; pictures need at most 90."""

MOST_SIDES = 8
"""Largest number of a box's sides; other variables range over the program's box."""

SMALL = 1000
"""Nodes added to every program's size in the budget, since small programs cost little anyway."""


@dataclass(frozen=True)
class Contract:
    """Contracts boxes around the operands of every `any`, in at most `rounds` sweeps."""

    name: ClassVar[str] = "contract"
    promise: ClassVar[Promise] = Promise.BITS
    takes: ClassVar[Form] = Form.LOWERED
    makes: ClassVar[Form] = Form.LOWERED
    rounds: int = 4

    def run(self, program: Program, analyses: Analyses) -> PassResult:
        """Contract the boxes of a lowered program; a real program is returned unchanged."""
        rewrites: Counter[Rewrite] = Counter()
        if not program.graph.lowered:
            return PassResult(program, rewrites)
        left = np.array([budget(program)], np.int64)
        for _ in range(self.rounds):
            if not program.graph.variables or left[0] <= 0:
                break
            predicates, found = _Sweep(program, left).result(ranges_of(program, analyses))
            if not found:
                break
            program = with_predicates(program, predicates, analyses)
            rewrites += found
        return PassResult(program, rewrites)


def budget(program: Program) -> int:
    """The number of visits that a run over a lowered program may make."""
    graph = program.graph
    assert graph.logic is not None
    return VISITS * (len(graph) + len(graph.logic.items) + SMALL)


class _Jobs(NamedTuple):
    """Operands for which a box is computed.

    `item`: the operand, a predicate. `outer`: the number of the enclosing box: 0 for the program's, else a
    job plus one. `first`: for each `any`, the job of its first operand.
    """

    item: NDArray[np.int32]
    outer: NDArray[np.int32]
    first: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.item)


class _Sweep:
    """One sweep over all operands. `left` int64[1]: the visits that may still be made."""

    def __init__(self, program: Program, left: NDArray[np.int64]) -> None:
        graph = program.graph
        self._program = program
        self._left = left
        self._dtype = program.precision.dtype
        self._kernels = lowering_kernels(program.precision)
        self._predicates = Predicates.of(graph)
        nodes = {name: node for node, name in reversed(list(graph.variables.items()))}
        sides = sorted(nodes, key=lambda name: name not in AXES)[:MOST_SIDES]
        self._names = [name for name in nodes if name in sides]
        """The variables along which boxes have sides."""
        place = {name: i for i, name in enumerate(self._names)}
        self._variable = np.full(len(graph), -1, np.int32)
        self._a = np.ascontiguousarray(graph.args[:, 0])
        self._op, self._b = with_diagonals(graph.op, self._a, graph.args[:, 1])
        """Opcodes for the kernel, in which a variable without a side is a constant of known range."""
        for node, name in graph.variables.items():
            if name in place:
                self._variable[node] = place[name]
            else:
                self._op[node] = CONST.code
        self._node = np.array([nodes[name] for name in self._names], np.int32)

    def result(self, ranges: Ranges) -> tuple[Predicates, Counter[Rewrite]]:
        """The predicates with boxes, and the rewrites made; without rewrites the predicates are unchanged."""
        jobs = self._jobs()
        ends, held = self._boxes(jobs, ranges)
        old, dimensions = self._predicates, len(self._names)
        p, m = len(old), len(old.items)
        operands = int(np.maximum(np.diff(old.starts)[jobs.item], 1).sum()) + len(jobs) * dimensions
        builder = Builder(p + len(jobs) * (1 + dimensions), m + operands)
        bounded = np.array([name in self._program.box.bounds for name in self._names], np.uint8)
        task = BoxesTask.of(self._program.precision.value)(
            old=old.record, builder=builder.record, first=jobs.first, outer=jobs.outer,
            root_is_job=int(old.code[-1] != ANY.code and len(jobs) > 0), boxes=ends, is_held=held,
            dimensions=dimensions, node=self._node, is_bounded=bounded,
            met=np.full(dimensions, -1, np.int32), variable=self._variable, made=np.empty(p, np.int32),
            chosen=np.empty(m, np.int32),
        )  # fmt: skip
        made = self._kernels["add_boxes"](task.address)
        assert made > 0, "the builder has room for every operand and every side of a box"
        return builder.result(made), +Counter(
            dict(zip(RULES, (task.boxed_count, task.empty_count), strict=True))
        )

    def _jobs(self) -> _Jobs:
        """The operands of every `any`, outer ones first."""
        p, most = len(self._predicates), len(self._predicates.items) + 1
        item, outer, first = np.empty(most, np.int32), np.empty(most, np.int32), np.empty(p, np.int32)
        users, parent, box = np.empty((3, p), np.int32)
        task = JobsTask(
            old=self._predicates.record, users=users, parent=parent, box=box, first=first, item=item,
            outer=outer,
        )  # fmt: skip
        count = lowering_kernels()["find_jobs"](task.address)
        return _Jobs(item[:count], outer[:count], first)

    def _boxes(self, jobs: _Jobs, ranges: Ranges) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
        """The boxes, real[jobs + 1, sides, 2], first the program's and then the jobs'; and uint8[jobs + 1],
        which of them are not empty.
        """
        dtype, dimensions = self._dtype, len(self._names)
        cone_starts, cones = self._cones()
        boxes = np.empty((len(jobs) + 1, dimensions, 2), dtype)
        for place, name in enumerate(self._names):
            boxes[0, place] = self._program.box.bounds.get(name, (-math.inf, math.inf))
        held = np.ones(len(jobs) + 1, np.uint8)
        lower, upper = np.empty((2, len(self._op)), dtype)
        box, before = np.empty((2, dimensions, 2), dtype)
        task = ContractTask.of(self._program.precision.value)(
            jobs=len(jobs), item=jobs.item, outer=jobs.outer, is_held=held, boxes=boxes,
            dimensions=dimensions, left=int(self._left[0]),
            op=self._op, a=self._a, b=self._b, variable=self._variable,
            known_lower=ranges.lower.astype(dtype), known_upper=ranges.upper.astype(dtype),
            lower=lower, upper=upper, cone_starts=cone_starts, cones=cones,
            predicates=self._predicates.record,
            frames=LookedInto.array(DEEPEST_BOX),
            saved=np.empty((DEEPEST_BOX, 2, dimensions, 2), dtype), box=box, before=before,
        )  # fmt: skip
        while task.first < len(jobs):  # in slices, so that Ctrl-C can interrupt
            task.first = self._kernels["contract"](task.address)
        self._left[0] = task.left
        return boxes, held

    def _cones(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The operations below each value of a band: starts and concatenated lists; see the kernel."""
        n = len(self._op)
        wanted = np.zeros(n, np.uint8)
        wanted[self._predicates.value[self._predicates.code == BAND.code]] = 1
        starts = np.empty(n + 1, np.int32)
        task = ConesTask(
            count=n, traits=TRAITS, op=self._op, a=self._a, b=self._b, is_wanted=wanted,
            stack=np.empty(2 * n + 2, np.int32), starts=starts, most=16 * n + 1024,
        )  # fmt: skip
        while True:
            task.seen, cones = np.full(n, -1, np.int32), np.empty(task.most, np.int32)
            task.cones = cones
            if lowering_kernels()["find_cones"](task.address) >= 0:
                return starts, cones
            task.most *= 2
