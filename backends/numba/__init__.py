"""The fast CPU engine: kernels written in Numba, compiled once per machine, that run any program.

Pictures are drawn from a plan (`absint.lowering.plan`), values by a tape over blocks of points.
"""

from __future__ import annotations

import importlib.util
import os
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from absint.base.errors import DomainError, UsageError
from absint.base.memo import cached_property
from absint.domains.lattice import Interval
from absint.evaluation.backend import (
    Availability,
    Ranges,
    check_gradual_underflow,
    check_program,
    check_view,
    is_same_view,
    thread_count,
)
from absint.evaluation.view import View
from absint.ir.box import Box
from absint.ir.program import Program
from absint.lowering.plan import Plan, make_plan
from absint.lowering.units import lowering_units
from absint.native.units import compile_missing
from absint.ops.precision import Precision


class Numba:
    """Explicit vectors, regions and threads. `cells`: whether points are gathered in cells; None: by cost."""

    name: ClassVar[str] = "numba"
    rendering: ClassVar[str] = "cse,predicates,flatten,bands,contract"
    """The lowering alone: what the passes before it find in the source, it finds in the thresholds."""
    threaded: ClassVar[bool] = True
    stands_in: ClassVar[bool] = False

    def __init__(self, cells: bool | None = None) -> None:
        self._cells = cells

    def eager(self) -> Numba:
        """A backend that gathers points in cells, few as they are."""
        return Numba(cells=True)

    def probe(self) -> Availability:
        """Numba compiles the kernels, llvmlite loads them."""
        for package in ("llvmlite", "numba"):
            if importlib.util.find_spec(package) is None:
                return Availability(False, f"{package} is not installed: pip install numba")
        return Availability(True)

    def prepare(self, precision: Precision) -> None:
        """Compile the large units that a picture needs, as far as this machine does not have them yet."""
        from .units import drawing_units

        compile_missing([*lowering_units(precision), *drawing_units(precision)])

    def compile(self, program: Program, threads: int | None = None) -> NumbaExecutable:
        """Nothing is compiled yet: plans and tapes are made when they are needed."""
        check_program(program)
        check_gradual_underflow()
        return NumbaExecutable(program, threads, self._cells)

    def compile_plan(self, plan: Plan, box: Box, threads: int | None = None) -> PlanDrawing:
        """Memory to draw in, and no more."""
        check_gradual_underflow()
        return PlanDrawing(plan, box, threads)


class PlanDrawing:
    """A plan, ready to be drawn in a box."""

    def __init__(self, plan: Plan, box: Box, threads: int | None = None) -> None:
        from .renderer import Renderer

        self.box = box
        self._threads = thread_count(threads, _cores())
        self._precision = plan.precision
        self._renderer = Renderer(plan, plan.precision)
        self._checked: View | None = None

    def image(self, view: View) -> NDArray[np.uint8]:
        """See `Executable.image`."""
        if not is_same_view(view, self._checked):
            inside = view.box(self._precision)
            if not self.box.contains(inside):
                raise DomainError(f"the plan holds for {self.box}, not for {inside}")
            self._checked = view
        return self._renderer.image(view, self._threads)


class NumbaExecutable:
    """A program on the CPU."""

    def __init__(self, program: Program, threads: int | None = None, cells: bool | None = None) -> None:
        self.program = program
        self.threads = thread_count(threads, _cores())
        self._cells = cells
        self._checked: View | None = None

    @cached_property
    def _renderer(self) -> Any:
        from .renderer import Renderer

        return Renderer(make_plan(self.program), self.program.precision)

    @cached_property
    def _values(self) -> Any:
        from .values import Values

        return Values(self.program, self.threads, self._cells)

    def values(self, x: Any, y: Any, z: Any = 0.0, **variables: Any) -> NDArray[Any]:
        """See `Executable.values`."""
        return self._values.values(x, y, z, **variables)  # type: ignore[no-any-return]  # imported when used

    def bounds(self, boxes: Ranges) -> Interval:
        """See `Executable.bounds`."""
        return self._values.bounds(boxes)  # type: ignore[no-any-return]  # imported when used

    def image(self, view: View, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """See `Executable.image`.

        `out`: uint8[height, width] to draw into; its rows are contiguous and do not overlap. Raises
        `UsageError` for another.
        """
        if not is_same_view(view, self._checked):
            check_view(self.program, view)
            self._checked = view
        if out is not None:
            _check_out(out, view)
        return self._renderer.image(view, self.threads, out)  # type: ignore[no-any-return]  # as above


def _cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_out(out: object, view: View) -> None:
    """Raises `UsageError` unless a picture of the view can be drawn into `out`."""
    shape = view.height, view.width
    if not isinstance(out, np.ndarray) or np.ma.isMaskedArray(out):
        found = f"a {type(out).__name__}"
    elif out.dtype != np.uint8 or out.shape != shape:
        found = f"{out.dtype}{list(out.shape)}"
    elif not out.flags.writeable:
        found = "a read-only array"
    elif out.strides[1] != 1 and view.width > 1:
        found = "rows that are not contiguous"
    elif abs(out.strides[0]) < view.width and view.height > 1:
        found = "rows that overlap"
    else:
        return
    raise UsageError(f"out: expected a writeable uint8{list(shape)} with contiguous rows, found {found}")
