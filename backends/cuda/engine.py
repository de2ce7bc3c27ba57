"""A program on a device: values by a tape interpreter, pictures from a plan."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.base.errors import BackendError
from absint.base.memo import Turn, cached_property
from absint.domains.lattice import Interval
from absint.evaluation.checks import (
    boxes_given,
    check_gradual_underflow,
    check_values_promised,
    check_view,
    is_on_device,
    is_same_view,
    points_given,
)
from absint.evaluation.engine import BackendEngine
from absint.evaluation.profile import Profile
from absint.evaluation.questions.bounds import Bounds
from absint.evaluation.questions.image import Image
from absint.evaluation.questions.values import Values
from absint.evaluation.view import View
from absint.ir.program import Program, check_program
from absint.ir.tape import Tape, make_tape
from absint.lowering.plan import make_plan
from absint.ops.precision import Precision

from .driver import Driver, Module, grid, pointers
from .generated import GeneratedPicture
from .picture import Picture
from .source import kernel_source

THREADS = 128
"""Threads of a block, in all kernels."""

_SHARED = 48 << 10
"""Bytes of shared memory that every device has for a block."""


METHODS = ("terms", "regions", "generated")
"""Ways of drawing: small terms in tiles, and regions for the rest; regions for everything; straight-line code
compiled for the program.
"""

PROFILE = Profile(
    questions=("values", "bounds", "image"),
    render_pipeline="cse,predicates,flatten,bands,contract",  # the lowering alone, as in the CPU engine
    methods=METHODS,
)
"""Profile of the backends with this engine."""


class CudaEngine(BackendEngine):
    """Engine of a program that runs through a driver. `method`: one of `METHODS`."""

    def __init__(self, program: Program, driver: Driver, method: str = METHODS[0]) -> None:
        check_program(program)
        check_gradual_underflow()
        self.backend = driver.backend
        self.on_device = driver.xp is not np
        self.program = program
        self.precision = program.precision
        self.method = method
        self.driver = driver
        self._checked: View | None = None
        self._turn = Turn("drawing this program")  # pictures share the memory of a frame

    @cached_property
    def _module(self) -> Module:
        module = self.driver.compile(kernel_source(self.program.precision))
        _check_subnormals(module, self.driver, self.program.precision)
        return module

    @cached_property
    def _picture(self) -> Picture | GeneratedPicture:
        if self.method == "generated":
            return GeneratedPicture(self.program, self.driver)
        return Picture(make_plan(self.program, self.method == "terms"), self.driver, self._module)

    @cached_property
    def _tape(self) -> _DeviceTape:
        return _DeviceTape(self.program, self.driver)

    def answer_values(self, question: Values, out: Any = None) -> Any:
        """See `Values`. The answer is on the device if `out` or one of the arrays of points is.

        Raises `BackendError` if the device has too little memory.
        """
        check_values_promised(self.program)
        xp = self.driver.xp
        on_device = self.on_device and any(map(is_on_device, (out, *question.points.values())))
        with _memory_for("these points"):
            points, shape = points_given(self.program, self._tape.tape.variables, question.points, xp)
            results = xp.empty(shape, self.program.precision.dtype)
            if results.size:
                self._compute_values(points, results)
        return results if on_device else self.driver.download(results)

    def _compute_values(self, points: dict[str, Any], results: Any) -> None:
        driver, xp, tape = self.driver, self.driver.xp, self._tape
        columns = [_column(points[name], results.shape, xp) for name in tape.tape.variables]
        steps = xp.asarray(np.array([int(column.size > 1) for column in columns] or [0], np.int64))
        room = tape.registers * results.dtype.itemsize
        blocks = self._blocks(results.size, room)
        shared = room * THREADS if room * THREADS <= _SHARED else 0
        scratch = xp.empty(1 if shared else blocks * tape.registers * THREADS, results.dtype)
        self._module.launch(
            "values", blocks, THREADS, *tape.arguments, pointers(driver, columns), steps, len(columns),
            results.size, tape.tape.root, scratch, int(shared > 0), results, shared=shared,
        )  # fmt: skip

    def answer_bounds(self, question: Bounds, out: Interval | None = None) -> Interval:
        """See `Bounds`. Raises `BackendError` if the device has too little memory."""
        check_values_promised(self.program)
        xp, dtype = self.driver.xp, self.program.precision.dtype
        with _memory_for("these boxes"):
            ends, shape = boxes_given(self.program, question.boxes, xp)
            found = xp.empty(shape, dtype), xp.empty(shape, dtype), xp.empty(shape, np.uint8)
            if found[0].size:
                self._compute_bounds(ends, *found)
        lower, upper, nan = found if _all_on_device(out) else map(self.driver.download, found)
        return Interval(lower, upper, nan.astype(bool))

    def _compute_bounds(self, ends: dict[str, tuple[Any, Any]], lower: Any, upper: Any, nan: Any) -> None:
        driver, xp, tape = self.driver, self.driver.xp, self._tape
        sides: list[list[Any]] = [[], []]
        for name in tape.tape.variables:
            for side, end in zip(sides, ends.get(name, (None, None)), strict=True):
                side.append(None if end is None else _whole(end, lower.shape, xp))
        blocks = self._blocks(lower.size, 3 * tape.registers * lower.dtype.itemsize)
        scratch = xp.empty(3 * blocks * tape.registers * THREADS, lower.dtype)
        self._module.launch(
            "bounds", blocks, THREADS, *tape.arguments, pointers(driver, sides[0]),
            pointers(driver, sides[1]), len(tape.tape.variables), lower.size, tape.tape.root, scratch,
            tape.registers, lower, upper, nan,
        )  # fmt: skip

    def _blocks(self, count: int, bytes_each: int) -> int:
        """Number of blocks to launch for `count` items, as far as scratch memory of `bytes_each` allows."""
        return max(1, min(grid(self.driver, count, THREADS), self.driver.memory() // (bytes_each * THREADS)))

    def answer_image(self, question: Image, out: Any = None) -> Any:
        """See `Image`. The picture stays on the device if `out` is on the device.

        A picture too large for the device's memory is drawn in strips. Raises `BackendError` if even a strip
        is too large, or if such a picture is to stay on the device.
        """
        view = question.seen
        if not is_same_view(view, self._checked):
            check_view(self.program, view)
            self._checked = view
        with self._turn:
            if is_on_device(out):
                out[...] = self._draw(view)
                return out
            rows = max(1, self.driver.memory() // view.width)
            if rows >= view.height:
                return self.driver.download(self._draw(view))
            image = np.empty((view.height, view.width), np.uint8)
            for first in range(0, view.height, rows):
                part = slice(first, min(first + rows, view.height))
                image[part] = self.driver.download(self._draw(view, part))
            return image

    def describe(self) -> str:
        """See `Engine.describe`."""
        return f"{self.method}: {self._picture.describe()}"

    def frame_seconds(self, view: View) -> float:
        """Seconds that the device takes to draw a picture again."""
        return self.driver.seconds(lambda: self._draw(view))

    def _draw(self, view: View, rows: slice | None = None) -> Any:
        """The picture, or some rows of it, in the device's memory."""
        with _memory_for(f"{view.width}x{view.height} pixels"):
            return self._picture.draw(view, rows)


def _all_on_device(out: Interval | None) -> bool:
    return out is not None and all(map(is_on_device, out))


@contextmanager
def _memory_for(what: str) -> Iterator[None]:
    """Turn an out-of-memory exception of the device into a `BackendError`. `what`: what needed the memory."""
    try:
        yield
    except Exception as error:
        if "OutOfMemory" not in type(error).__name__:  # CuPy's, which is not imported here
            raise
        raise BackendError(f"the device has too little memory for {what}: {error}") from error


class _DeviceTape:
    """A tape in the device's memory."""

    def __init__(self, program: Program, driver: Driver) -> None:
        self.tape: Tape = make_tape(program.graph)
        tape, xp = self.tape, driver.xp
        table = np.stack([tape.op.astype(np.int32), tape.out, tape.a, tape.b], axis=1).astype(np.int32)
        with np.errstate(over="ignore"):
            constants = tape.constants.astype(program.precision.dtype)
        self.registers = max(1, len(tape.variables) + tape.slot_count)
        self.arguments = (
            xp.asarray(_pad_empty(table)), len(tape), xp.asarray(_pad_empty(constants)), len(constants),
        )  # fmt: skip


def _check_subnormals(module: Module, driver: Driver, precision: Precision) -> None:
    """Raises `BackendError` if kernels flush subnormal numbers to zero; see `check_gradual_underflow`."""
    half = np.finfo(precision.dtype).smallest_normal / 2
    values = np.array([2.0, half, 0.0, -precision.tiny], precision.dtype)
    found = driver.xp.zeros(3, precision.dtype)
    module.launch("try_subnormals", 1, 32, driver.xp.asarray(values), found)
    if driver.download(found).tolist() != [2 * half, half / 2, 0.0]:
        raise BackendError("the kernels flush subnormal numbers to zero, so results would not be exact")


def _pad_empty(array: NDArray[Any]) -> NDArray[Any]:
    """The array, or zeros in place of an empty array, so that its pointer is valid."""
    return np.ascontiguousarray(array) if array.size else np.zeros((1, *array.shape[1:]), array.dtype)


def _column(array: Any, shape: tuple[int, ...], xp: Any) -> Any:
    """A single value, or one for each point."""
    return array.reshape(1) if array.size == 1 else _whole(array, shape, xp)


def _whole(array: Any, shape: tuple[int, ...], xp: Any) -> Any:
    """An array as one value for each point, flat and contiguous."""
    return xp.ascontiguousarray(xp.broadcast_to(array, shape)).reshape(-1)
