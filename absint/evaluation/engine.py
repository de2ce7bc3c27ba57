"""Engines: a program or a plan, ready to answer questions again and again, from any number of threads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from absint.base.errors import BackendError
from absint.base.registry import find, names
from absint.domains.lattice import Interval
from absint.evaluation.checks import Ranges, check_out, is_on_device
from absint.evaluation.question import Question, check_question
from absint.evaluation.questions.bounds import Bounds
from absint.evaluation.questions.image import Image
from absint.evaluation.questions.values import Values
from absint.evaluation.view import View
from absint.ops.precision import Precision

A = TypeVar("A")


class Engine(ABC):
    """Answers questions.

    `precision`: the precision of the numbers that the engine takes and returns.
    """

    precision: Precision

    @abstractmethod
    def answer(self, question: Question[A], out: A | None = None) -> A:
        """The answer to a question.

        `out`: arrays to write the answer into, which are then returned: of the shapes and types of
        `question.result`, writeable, with contiguous rows that do not overlap, in the memory of this process
        or, for a backend on a device, of that device. Raises `UsageError` for other arrays, `BackendError`
        for a question that the backend does not answer, `PromiseError` for a program that does not keep what
        the question sees, and `DomainError` for a question outside the box on which the program holds.
        """

    def values(
        self, x: Any, y: Any, z: Any = 0.0, *, out: NDArray[Any] | None = None, **variables: Any
    ) -> NDArray[Any]:
        """The value at points; arrays broadcast and are rounded to the precision. See `answer` for `out`.

        Returns an array of the broadcast shape, of the precision. Raises `DomainError` for points outside the
        region and for variables that are missing or unknown, `PromiseError` for a program that keeps only `f
        < 0`, `UsageError` for anything but arrays of real numbers, for masked arrays, and for shapes that do
        not broadcast.
        """
        return self.answer(Values({"x": x, "y": y, "z": z, **variables}), out)

    def bounds(self, boxes: Ranges, *, out: Interval | None = None) -> Interval:
        """Bounds on many boxes: for each variable a pair of arrays, the lower and the upper ends. Variables
        that are not named are unbounded. See `answer` for `out`.

        Returns arrays `lower`, `upper` and `may_nan` of the broadcast shape. Raises as `values` does, and
        `DomainError` for empty boxes.
        """
        return self.answer(Bounds(boxes), out)

    def image(self, view: View, *, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """uint8[height, width]: the picture in a view, 255 where `f < 0`. See `answer` for `out`.

        Raises `DomainError` for a view outside the region, or a program of other variables than x, y and z.
        """
        return self.answer(Image(view), out)

    def describe(self) -> str:
        """The way pictures are drawn, and the reason; empty for an engine with a single way."""
        return ""


class BackendEngine(Engine):
    """Base class of the engines that backends prepare. A subclass has a method `answer_NAME(question, out)`
    for each question that it answers. The caller checks `out` before the call and copies the answer into
    `out` after it, so the method may ignore `out`.

    `backend`: the name of the backend.
    """

    backend: str
    on_device = False
    """Whether the engine can write answers to a device's memory."""

    def answer(self, question: Question[A], out: A | None = None) -> A:
        """See `Engine.answer`."""
        check_question(question)
        method = getattr(self, f"answer_{question.name}", None)
        if method is None:
            raise unanswered(question.name, self.backend)
        if out is not None:
            check_out(out, question.result(self.precision), self.on_device)
        found: A = method(question, out)
        return found if out is None or found is out else _copy(found, out)


def _copy(answer: A, out: A) -> A:
    """Copy the arrays of an answer, which may be on a device, into those of `out`."""
    arrays: Any = answer if isinstance(answer, tuple) else (answer,)
    targets: Any = out if isinstance(out, tuple) else (out,)
    for array, target in zip(arrays, targets, strict=True):
        target[...] = array.get() if is_on_device(array) and not is_on_device(target) else array
    return out


def unanswered(question: str, backend: str) -> BackendError:
    """The error for a question that a backend does not answer; it names the backends that do."""
    others = [name for name in names("backends") if question in find("backends", name)().profile.questions]
    who = f"it is answered by {', '.join(others)}" if others else "no backend answers it"
    return BackendError(f"backend {backend!r} does not answer {question!r}; {who}")
