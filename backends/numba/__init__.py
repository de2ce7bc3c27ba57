"""The fast CPU engine: kernels written in Numba, compiled once per machine, that run any program.

Pictures are drawn from a plan (`absint.lowering.plan`), values by a tape over blocks of points.
"""

from __future__ import annotations

import importlib.util
import os
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from absint.base.errors import DomainError
from absint.base.memo import cached_property
from absint.domains.lattice import Interval
from absint.evaluation.backend import Backend
from absint.evaluation.checks import (
    check_gradual_underflow,
    check_view,
    is_same_view,
    thread_count,
)
from absint.evaluation.engine import BackendEngine
from absint.evaluation.profile import Availability, Profile, Takes
from absint.evaluation.questions.bounds import Bounds
from absint.evaluation.questions.image import Image
from absint.evaluation.questions.values import Values
from absint.evaluation.view import View
from absint.ir.box import EVERYWHERE, Box
from absint.ir.program import Program, check_program
from absint.lowering.plan import Plan, make_plan
from absint.lowering.units import lowering_units
from absint.native.units import compile_missing
from absint.ops.precision import Precision


class Numba(Backend):
    """The fast CPU backend. `cells`: whether to gather points in cells; None: by cost."""

    name: ClassVar[str] = "numba"
    profile = Profile(
        questions=("values", "bounds", "image"),
        # the lowering alone: its thresholds show what earlier passes would find in the source
        render_pipeline="cse,predicates,flatten,bands,contract",
        takes=Takes.PLAN,
        threaded=True,
    )

    def __init__(self, cells: bool | None = None) -> None:
        self._cells = cells

    def eager(self) -> Numba:
        """A backend that gathers points in cells however few they are."""
        return Numba(cells=True)

    def probe(self) -> Availability:
        """Whether Numba, which compiles the kernels, and llvmlite, which loads them, are installed."""
        for package in ("llvmlite", "numba"):
            if importlib.util.find_spec(package) is None:
                return Availability(False, f"{package} is not installed: pip install numba")
        return Availability(True)

    def warm(self, precision: Precision) -> None:
        """Compile the large units that a picture needs, unless they are in the cache."""
        from .units import drawing_units

        compile_missing([*lowering_units(precision), *drawing_units(precision)])

    def prepare(
        self, form: Program | Plan, threads: int | None = None, box: Box = EVERYWHERE
    ) -> NumbaEngine | PlanEngine:
        """An engine, which makes its plan or tape and loads kernels on the first question."""
        check_gradual_underflow()
        if isinstance(form, Plan):
            return PlanEngine(form, box, threads)
        check_program(form)
        return NumbaEngine(form, threads, self._cells)


class PlanEngine(BackendEngine):
    """Engine of a plan, which answers images inside a box."""

    backend = Numba.name

    def __init__(self, plan: Plan, box: Box, threads: int | None = None) -> None:
        from .renderer import Renderer

        self.box = box
        self.precision = plan.precision
        self._threads = thread_count(threads, _cores())
        self._renderer = Renderer(plan, plan.precision)
        self._checked: View | None = None

    def answer_image(self, question: Image, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """See `Image`."""
        view = question.seen
        if not is_same_view(view, self._checked):
            inside = view.box(self.precision)
            if not self.box.contains(inside):
                raise DomainError(f"the plan holds for {self.box}, not for {inside}")
            self._checked = view
        return self._renderer.image(view, self._threads, out)


class NumbaEngine(BackendEngine):
    """Engine of a program on the CPU."""

    backend = Numba.name

    def __init__(self, program: Program, threads: int | None = None, cells: bool | None = None) -> None:
        self.program = program
        self.precision = program.precision
        self.threads = thread_count(threads, _cores())
        self._cells = cells
        self._checked: View | None = None

    @cached_property
    def _renderer(self) -> Any:
        from .renderer import Renderer

        return Renderer(make_plan(self.program), self.precision)

    @cached_property
    def _evaluator(self) -> Any:
        from .values import Evaluator

        return Evaluator(self.program, self.threads, self._cells)

    def answer_values(self, question: Values, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """See `Values`."""
        return self._evaluator.values(question.points)  # type: ignore[no-any-return]  # imported when used

    def answer_bounds(self, question: Bounds, out: Interval | None = None) -> Interval:
        """See `Bounds`."""
        return self._evaluator.bounds(question.boxes)  # type: ignore[no-any-return]  # imported when used

    def answer_image(self, question: Image, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """See `Image`. The picture is drawn into `out` itself."""
        view = question.seen
        if not is_same_view(view, self._checked):
            check_view(self.program, view)
            self._checked = view
        return self._renderer.image(view, self.threads, out)  # type: ignore[no-any-return]  # as above


def _cores() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
