"""Questions about programs, such as values or an image. Each kind is a file in `absint/evaluation/questions`.

The conformance tests and the fuzzer put every registered question to every backend that answers it, so a new
question is tested as soon as its file exists.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from absint.base.errors import UsageError, shown
from absint.base.registry import find, names
from absint.evaluation.view import View
from absint.ir.box import Box
from absint.ir.graph import AXES
from absint.ir.program import Promise
from absint.ops.precision import Precision

A = TypeVar("A")
"""An answer: an array, or a tuple of arrays."""

EXACT = "cse,dce"
"""The pipeline of questions that see every bit. Longer pipelines pay off only for many points."""


class ArrayType(NamedTuple):
    """Shape and type of one array of an answer."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Sample(NamedTuple):
    """Where engines are compared on a program: `points` of a box, a column for each variable, and a view.
    `seed` seeds the random choices that a question makes about the sample.
    """

    box: Box
    points: Mapping[str, NDArray[Any]]
    view: View
    precision: Precision
    seed: int

    @property
    def is_drawable(self) -> bool:
        """Whether the program's variables are all x, y and z, so that it has pictures."""
        return set(self.points) <= set(AXES)


class Question(ABC, Generic[A]):
    """A question about a program; the answer is an array, or a tuple of arrays of one shape.

    `promise`: what the program must keep for an answer. `pipeline`: text of the pipeline that prepares the
    program; None: the backend's render pipeline. A subclass is a frozen dataclass whose `name` is the name of
    its file.
    """

    __slots__ = ()

    name: ClassVar[str]
    promise: ClassVar[Promise]
    pipeline: ClassVar[str | None]

    @abstractmethod
    def box(self, precision: Precision) -> Box:
        """The hull of the question's points, boxes or samples, on which the program must hold."""

    @abstractmethod
    def result(self, precision: Precision) -> tuple[ArrayType, ...]:
        """Shape and type of each array of the answer."""

    @abstractmethod
    def split(self, parts: int) -> list[Self]:
        """At most `parts` questions whose answers, joined, are the answer to this one."""

    @staticmethod
    def join(answers: Sequence[Any]) -> Any:
        """The answer to a question, from the answers to its parts in order."""
        if len(answers) == 1:  # a single point is not split, and its answer has no axis
            return answers[0]
        if not isinstance(answers[0], tuple):
            return np.concatenate(answers)
        return type(answers[0])(*(np.concatenate(column) for column in zip(*answers, strict=True)))

    @classmethod
    @abstractmethod
    def about(cls, sample: Sample) -> Self | None:
        """A question of this kind about a sample; None if the kind does not suit the program's variables."""

    @abstractmethod
    def place(self, index: tuple[int, ...], precision: Precision) -> dict[str, float]:
        """The place that an element of the answer belongs to, such as a point: numbers by name."""

    @staticmethod
    def agree(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.bool_]:
        """Where two arrays of answers agree: equal bits, or both NaN."""
        if first.dtype.kind != "f":
            return np.asarray(first == second)
        bits = f"u{first.dtype.itemsize}"
        same = np.ascontiguousarray(first).view(bits) == np.ascontiguousarray(second).view(bits)
        return np.asarray(same.reshape(first.shape) | (np.isnan(first) & np.isnan(second)))


def check_question(question: object) -> None:
    """Raises `UsageError` unless the argument is a question."""
    if not isinstance(question, Question):
        raise UsageError(f"question {shown(question)}: expected one, as Image(View(640, 480))")


def question_kinds() -> tuple[type[Question[Any]], ...]:
    """The classes of all registered questions."""
    return tuple(find("questions", name) for name in names("questions"))


def cut(length: int, parts: int) -> Iterator[slice]:
    """At most `parts` consecutive slices of nearly equal length that cover `length` elements."""
    count = max(1, min(parts, length))
    ends = [length * i // count for i in range(count + 1)]
    return (slice(first, last) for first, last in itertools.pairwise(ends))
