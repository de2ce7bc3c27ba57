"""Values at points and bounds on boxes, bit for bit those of the reference.

A `Machine` runs a tape over blocks of points; if there are many, points are gathered in cells, each with a
shorter tape. Threads share the points in parts. Values that are the same at every point are computed once.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.base.memo import Pool, cached_property
from absint.domains.lattice import Interval
from absint.evaluation.checks import (
    Ranges,
    boxes_given,
    check_gradual_underflow,
    check_values_promised,
    points_given,
)
from absint.ir.program import Program
from absint.ops.units import LANES

from .kernels.point_records import ALWAYS, BY_COST, NEVER
from .machine import Cells, Columns, Machine, half_widths, make_code, variables_of, whole_rows

_PART = 1 << 20
"""Most points that are gathered in cells together, which takes 30 MB in binary32 if two variables vary."""
_LEAST_PART = 1 << 16
"""Least number of points that are worth a thread."""
_MOST_IDLE = 4
"""Machines of a program that are kept between calls; if there are more threads, as many as threads."""
_WORTH_CELLS = 1 << 10
_WORTH_RISK = 1 << 15
"""Least numbers of points for which cells are considered: if their gain can be estimated, and if it cannot
because the program's box is infinite.
"""

Scalars = Mapping[str, Any]
"""Values of the variables that do not vary."""


class Evaluator:
    """A program's values and bounds.

    `threads`: the most threads that compute values. `cells`: whether to gather points in cells; None: by
    cost.
    """

    def __init__(self, program: Program, threads: int = 1, cells: bool | None = None) -> None:
        check_gradual_underflow()
        self.program = program
        self.threads = threads
        self._splitting = BY_COST if cells is None else ALWAYS if cells else NEVER
        self._expected: dict[tuple[str, ...], int] = {}
        self._machines: dict[tuple[str, ...] | None, Pool[Machine]] = {}

    def values(self, points: Mapping[str, Any]) -> NDArray[Any]:
        """The value at points; see `absint.evaluation.questions.values`."""
        check_values_promised(self.program)
        dtype = self.program.precision.dtype
        given, shape = points_given(self.program, self._needed, points)
        if math.prod(shape) == 0:
            return np.empty(shape, dtype)
        varying = tuple(sorted(name for name in self._needed if given[name].size > 1))
        scalars = {name: given[name].reshape(())[()] for name in self._needed - set(varying)}
        if not varying:
            with self._machine(()) as machine:
                machine.share(scalars)
                return np.full(shape, machine.result, dtype)
        columns = [_column(given[name], shape) for name in varying]
        return self._evaluate(varying, scalars, columns).reshape(shape)

    def bounds(self, boxes: Ranges) -> Interval:
        """Bounds on boxes; see `absint.evaluation.questions.bounds`."""
        check_values_promised(self.program)
        ends, shape = boxes_given(self.program, boxes)
        count = math.prod(shape)
        rows = -(-count // LANES)
        used = self._needed & set(boxes)
        with self._machine(None) as machine:
            machine.share({})
            found = machine.bounds(
                {name: whole_rows(_column(ends[name][0], shape)) for name in used},
                {name: whole_rows(_column(ends[name][1], shape)) for name in used},
                rows,
            )
        nan = (found["may_nan"][:, None] >> np.arange(LANES)) & 1 != 0
        return Interval(
            *(part.ravel()[:count].reshape(shape) for part in (found["lower"], found["upper"], nan))
        )

    @cached_property
    def _needed(self) -> set[str]:
        """The variables that the value depends on."""
        return variables_of(self.program.graph)

    def _evaluate(self, varying: tuple[str, ...], scalars: Scalars, columns: Columns) -> NDArray[Any]:
        """The values at points, gathered in cells if that pays off."""
        count, bounds = len(columns[0]), self.program.box.bounds
        forced = self._splitting == ALWAYS
        pays: bool | None = False
        if count >= _WORTH_CELLS or forced:
            box = [bounds.get(name, (-np.inf, np.inf)) for name in varying]
            pays = self._pays(varying, scalars, count, box)
        if pays is False or (pays is None and count < _WORTH_RISK and not forced):
            return self._compute(varying, scalars, columns)
        ends = [(column.min(), column.max()) for column in columns]
        if not np.isfinite(ends).all():
            return self._evaluate_apart(varying, scalars, columns)
        if pays is None and not self._pays(varying, scalars, count, ends):
            return self._compute(varying, scalars, columns)
        return self._compute(varying, scalars, columns, Cells(half_widths(ends), self._expected[varying]))

    def _evaluate_apart(self, varying: tuple[str, ...], scalars: Scalars, columns: Columns) -> NDArray[Any]:
        """The values at points some of which are infinite or NaN; these points are never gathered in
        cells.
        """
        finite = np.logical_and.reduce([np.isfinite(column) for column in columns])
        results = np.empty(len(finite), self.program.precision.dtype)
        results[~finite] = self._compute(varying, scalars, [column[~finite] for column in columns])
        if finite.any():
            results[finite] = self._evaluate(varying, scalars, [column[finite] for column in columns])
        return results

    def _pays(self, varying: tuple[str, ...], scalars: Scalars, count: int, ends: Any) -> bool | None:
        """Whether gathering points in cells pays off; None if that is unknown because the box `ends` is
        infinite.
        """
        with self._machine(varying) as machine:
            if not machine.splits:
                return False
            if varying not in self._expected:
                if not np.isfinite(ends).all():
                    return None
                machine.share(scalars)
                self._expected[varying] = machine.expect(ends)
            return machine.pays(count, self._expected[varying])

    def _compute(
        self,
        varying: tuple[str, ...],
        scalars: Scalars,
        columns: Columns,
        cells: Cells | None = None,
    ) -> NDArray[Any]:
        """The values at points, by at most one thread for each part. `cells`: see `Machine.run`."""
        count = len(columns[0])
        results = np.empty(count + LANES, self.program.precision.dtype)
        share = count if self.threads == 1 else max(count // (4 * self.threads), _LEAST_PART)
        size = -(-min(share, _PART) // LANES) * LANES
        starts = list(range(0, count, size))[::-1]
        stop = threading.Event()

        def work() -> None:
            with self._machine(varying) as machine:
                machine.share(scalars)
                while (start := _take(starts)) is not None:
                    for _ in machine.run(columns, start, min(start + size, count), results, cells):
                        if stop.is_set():
                            return

        helpers = min(self.threads, len(starts)) - 1
        if helpers < 1:
            work()
        else:
            tasks: list[Future[None]] = []
            with ThreadPoolExecutor(helpers) as pool:
                try:
                    with suppress(RuntimeError):  # no more threads, as when the interpreter shuts down
                        tasks.extend(pool.submit(work) for _ in range(helpers))
                    work()
                    for task in tasks:
                        task.result()
                finally:
                    starts.clear()
                    stop.set()
        return results[:count]

    @contextmanager
    def _machine(self, varying: tuple[str, ...] | None) -> Iterator[Machine]:
        """A machine for some varying variables, or for bounds if None, reserved for the caller until the
        context ends.
        """
        pool = self._machines.get(varying)
        if pool is None:
            pool = self._machines.setdefault(varying, self._pool(varying))
        machine = pool.take()
        try:
            yield machine
        finally:
            machine.release()
            pool.give_back(machine)

    def _pool(self, varying: tuple[str, ...] | None) -> Pool[Machine]:
        """Machines that run the same code."""
        graph, precision = self.program.graph, self.program.precision
        if varying is None:
            code, splitting = make_code(graph, self._needed, compute_once=False), NEVER
        else:
            code, splitting = make_code(graph, varying), self._splitting
        return Pool(lambda: Machine(code, precision, splitting), max(self.threads, _MOST_IDLE))


def _take(items: list[Any]) -> Any:
    """Remove and return the last item, None if there is none; other threads may do the same."""
    try:
        return items.pop()
    except IndexError:
        return None


def _column(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """An array broadcast to a shape, flat and contiguous."""
    return np.require(np.broadcast_to(array, shape).reshape(-1), requirements=["C", "A"])
