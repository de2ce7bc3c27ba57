"""An engine that runs a tape on whole arrays, with NumPy or a module like it.

Every instruction is one call of the op table's array form. By broadcasting, a value that depends on x alone
is one row, and a value that depends on y alone one column. The tape reuses registers, so a value is freed at
the latest when the next one takes its register. Images are drawn in bands of rows, so memory does not grow
with the image.

A lowered program has no tape: its predicates are evaluated one by one in the order of the graph, at every
point, even outside their boxes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.base.memo import cached_property
from absint.domains.interval import IntervalDomain
from absint.domains.lattice import Interval
from absint.evaluation.checks import (
    boxes_given,
    check_gradual_underflow,
    check_values_promised,
    check_view,
    is_on_device,
    points_given,
)
from absint.evaluation.engine import BackendEngine
from absint.evaluation.questions.bounds import Bounds
from absint.evaluation.questions.image import Image
from absint.evaluation.questions.values import Values
from absint.ir.interpreter import last_reads, walk_concrete
from absint.ir.program import Program, check_program
from absint.ir.tape import Tape, make_tape
from absint.ops.precision import Precision
from absint.ops.printers.translate import array_form
from absint.ops.table import OPS, Op

Instruction = tuple[Callable[..., Any], int, int, int]
"""The function to call, and the registers of its result and operands, -1 for none."""


class ArrayEngine(BackendEngine):
    """A program on arrays of the module `xp`, at most `chunk` points at a time. `backend`: the backend's
    name.
    """

    def __init__(self, program: Program, xp: Any, chunk: int, backend: str = "reference") -> None:
        check_program(program)
        check_gradual_underflow()
        self.backend = backend
        self.program = program
        self.precision = program.precision
        self.on_device = xp is not np
        self._xp = xp
        self._chunk = chunk

    @cached_property
    def tape(self) -> Tape:
        """The program as a tape over registers."""
        return make_tape(self.program.graph)

    @cached_property
    def _code(self) -> list[Instruction]:
        """The tape with the operations' bodies."""
        return self._instructions(Op.body)

    @cached_property
    def _interval_code(self) -> list[Instruction]:
        """The tape with the operations' interval rules."""
        return self._instructions(Op.interval)

    def _instructions(self, function: Callable[[Op, Precision], Any]) -> list[Instruction]:
        """The tape's instructions with the array form of a function of each operation."""
        tape, precision = self.tape, self.program.precision
        forms = {
            code: array_form(function(OPS[code], precision), precision, self._xp)
            for code in set(tape.op.tolist())
        }
        columns = (column.tolist() for column in (tape.op, tape.out, tape.a, tape.b))
        return [(forms[code], out, a, b) for code, out, a, b in zip(*columns, strict=True)]

    def answer_values(self, question: Values, out: Any = None) -> NDArray[Any]:
        """See `Values`."""
        check_values_promised(self.program)
        xp = self._xp
        points, shape = points_given(self.program, self.tape.variables, question.points, xp)
        result = xp.empty(shape, self.precision.dtype)
        for part in _parts(shape, self._chunk):
            inputs = {name: xp.broadcast_to(array, shape)[part] for name, array in points.items()}
            result[part] = self._run(inputs)
        return result  # type: ignore[no-any-return]  # `xp` is any array module

    def answer_bounds(self, question: Bounds, out: Interval | None = None) -> Interval:
        """See `Bounds`."""
        check_values_promised(self.program)
        xp = self._xp
        ends, shape = boxes_given(self.program, question.boxes, xp)
        domain = IntervalDomain(self.program.precision)
        registers: list[Any] = [domain.constant(value) for value in self.tape.constants.tolist()]
        no = xp.zeros((), bool)
        registers += [
            Interval(*ends[name], no) if name in ends else domain.top() for name in self.tape.variables
        ]
        registers += [None] * self.tape.slot_count
        with np.errstate(all="ignore"):
            for rule, target, a, b in self._interval_code:
                registers[target] = rule(*registers[a]) if b < 0 else rule(*registers[a], *registers[b])
        root = registers[self.tape.root]
        return Interval(*(xp.array(xp.broadcast_to(xp.asarray(part), shape)) for part in root))

    def answer_image(self, question: Image, out: Any = None) -> NDArray[np.uint8]:
        """See `Image`."""
        view = question.seen
        check_view(self.program, view)
        xp, precision = self._xp, self.program.precision
        xs = xp.asarray(view.xs(precision))[None, :]
        ys = xp.asarray(view.ys(precision))[:, None]
        z = xp.asarray(view.height_z(precision))[:, None]
        picture = xp.empty((view.height, view.width), np.uint8)
        for rows, columns in _parts((view.height, view.width), self._chunk):
            inside = self._inside({"x": xs[:, columns], "y": ys[rows], "z": z})
            picture[rows, columns] = xp.asarray(inside).astype(np.uint8) * np.uint8(255)
        stays = xp is np or is_on_device(out)
        return picture if stays else xp.asnumpy(picture)  # type: ignore[no-any-return]  # as above

    def _inside(self, inputs: Mapping[str, Any]) -> Any:
        """Whether the program is < 0, for arrays that broadcast."""
        graph = self.program.graph
        if not graph.lowered:
            return self._run(inputs) < 0
        values: list[Any] = []
        with np.errstate(all="ignore"):
            for node, so_far in walk_concrete(graph, self.program.precision, inputs, self._xp):
                values = so_far
                for operand in self._unread[node]:
                    values[operand] = None
        return values[graph.root]

    @cached_property
    def _unread(self) -> list[list[int]]:
        """For each node, the operands that can be freed after it."""
        return last_reads(self.program.graph)

    def _run(self, inputs: Mapping[str, Any]) -> Any:
        """The root's value for arrays that broadcast."""
        real = self.program.precision.real
        with np.errstate(all="ignore"):
            registers: list[Any] = [real(value) for value in self.tape.constants.tolist()]
            registers += [inputs[name] for name in self.tape.variables]
            registers += [None] * self.tape.slot_count
            for form, out, a, b in self._code:
                registers[out] = form(registers[a]) if b < 0 else form(registers[a], registers[b])
        return registers[self.tape.root]


def _parts(shape: tuple[int, ...], chunk: int) -> Iterator[tuple[slice, ...]]:
    """Slices that cover an array of this shape, of at most about `chunk` elements each: whole rows if they
    fit, else pieces of rows.
    """
    if int(np.prod(shape)) <= chunk:
        yield tuple(slice(None) for _ in shape)
        return
    row = int(np.prod(shape[1:]))
    if row > chunk:
        for first in range(shape[0]):
            for rest in _parts(shape[1:], chunk):
                yield (slice(first, first + 1), *rest)
        return
    step = max(1, chunk // row)
    for first in range(0, shape[0], step):
        yield (slice(first, first + step), *(slice(None) for _ in shape[1:]))
