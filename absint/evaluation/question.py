"""A question: what is asked of a program. Each is a file in `absint/evaluation/questions`.

Whoever goes through backends (conformance tests, the fuzzer) goes through the registry's questions as well,
so a question is tested on every backend that answers it as soon as its file is there.
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
    """Shape and type of an array of an answer."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Sample(NamedTuple):
    """Where a program is looked at to compare engines: `points` of a box, a column for each variable, and a
    view. `seed` decides what is left open.
    """

    box: Box
    points: Mapping[str, NDArray[Any]]
    view: View
    precision: Precision
    seed: int

    @property
    def is_drawable(self) -> bool:
        """Whether pictures have positions for all its variables."""
        return set(self.points) <= set(AXES)


class Question(ABC, Generic[A]):
    """What is asked of a program; its answer is an array, or a tuple of arrays of one shape.

    `promise`: what a program must keep to answer it. `pipeline`: text of the passes that a program goes
    through before; None: the backend's render pipeline. A subclass is a frozen dataclass whose `name` is the
    name of its file.
    """

    __slots__ = ()

    name: ClassVar[str]
    promise: ClassVar[Promise]
    pipeline: ClassVar[str | None]

    @abstractmethod
    def box(self, precision: Precision) -> Box:
        """The hull of everything that is looked at: where the program must hold."""

    @abstractmethod
    def result(self, precision: Precision) -> tuple[ArrayType, ...]:
        """The arrays of the answer."""

    @abstractmethod
    def split(self, parts: int) -> list[Self]:
        """At most so many questions whose answers, joined, are the answer to this one."""

    @staticmethod
    def join(answers: Sequence[Any]) -> Any:
        """The answer to a question from those to its parts, in order."""
        if not isinstance(answers[0], tuple):
            return np.concatenate(answers)
        return type(answers[0])(*(np.concatenate(column) for column in zip(*answers, strict=True)))

    @classmethod
    @abstractmethod
    def about(cls, sample: Sample) -> Self | None:
        """Such a question about a sample; None if there is none for its variables."""

    @abstractmethod
    def place(self, index: tuple[int, ...], precision: Precision) -> dict[str, float]:
        """What an element of the answer is about: numbers by name."""

    @staticmethod
    def agree(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.bool_]:
        """Where two arrays of answers say the same: equal bits, or NaN both."""
        if first.dtype.kind != "f":
            return np.asarray(first == second)
        bits = f"u{first.dtype.itemsize}"
        same = np.ascontiguousarray(first).view(bits) == np.ascontiguousarray(second).view(bits)
        return np.asarray(same.reshape(first.shape) | (np.isnan(first) & np.isnan(second)))


def check_question(question: object) -> None:
    """Raises `UsageError` for what is no question."""
    if not isinstance(question, Question):
        raise UsageError(f"question {shown(question)}: expected one, as Image(View(640, 480))")


def question_kinds() -> tuple[type[Question[Any]], ...]:
    """All questions that there are."""
    return tuple(find("questions", name) for name in names("questions"))


def cut(length: int, parts: int) -> Iterator[slice]:
    """At most so many slices, of nearly equal length, that follow each other and make up `length`."""
    count = max(1, min(parts, length))
    ends = [length * i // count for i in range(count + 1)]
    return (slice(first, last) for first, last in itertools.pairwise(ends))
