"""Comparison of two evaluators' results for a case."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.evaluation.backend import Backend, find_backend
from absint.evaluation.engine import Engine
from absint.evaluation.question import Question
from absint.ir.box import Box
from absint.ir.program import Program

from .cases import Case
from .findings import Finding

REFERENCE = "reference"
"""The name of the backend with which all others are compared."""


@functools.cache
def reference() -> Backend:
    """The reference backend."""
    return find_backend(REFERENCE)


def engine_of(case: Case, backend: Backend, threads: int = 1) -> Engine:
    """The engine for a case's program, prepared at the first call and shared by all oracles."""
    key = backend, threads
    if key not in case.engines:
        # the reference does not use bounds, so one engine serves all boxes
        box = Box() if backend.name == REFERENCE else case.box
        case.engines[key] = backend.prepare(Program(case.graph).restricted(box, case.precision), threads)
    return case.engines[key]


def to_host(array: Any) -> NDArray[Any]:
    """A NumPy array of an array that may be on a device."""
    return np.asarray(array.get() if hasattr(array, "get") else array)


def find_difference(
    oracle: str, what: str, case: Case, points: Any, expected: NDArray[Any], got: NDArray[Any]
) -> Finding | None:
    """The first point at which values differ in bits; all NaNs are equal. `what`: names the values."""
    if got.dtype != expected.dtype or got.shape != expected.shape:
        return Finding(oracle, f"{what}: {got.dtype}{got.shape}, not {expected.dtype}{expected.shape}")
    bits = case.precision.bits_dtype
    wrong = np.ascontiguousarray(expected).view(bits) != np.ascontiguousarray(got).view(bits)
    wrong &= ~(np.isnan(expected) & np.isnan(got))
    if not wrong.any():
        return None
    i = int(np.flatnonzero(wrong)[0])
    point = {name: float(np.broadcast_to(column, got.shape)[i]) for name, column in points.items()}
    return Finding(
        oracle, f"{what} differ at {int(wrong.sum())} of {got.size} points", point,
        expected[i].item(), got[i].item(),
    )  # fmt: skip


def find_wrong_pixel(oracle: str, case: Case, expected: NDArray[Any], got: NDArray[Any]) -> Finding | None:
    """The first pixel at which two pictures of the case's view differ."""
    if got.shape != expected.shape:
        return Finding(oracle, f"the picture is {got.shape}, not {expected.shape}")
    wrong = np.argwhere(got != expected)
    if not len(wrong):
        return None
    row, column = wrong[0].tolist()
    view, precision = case.view, case.precision
    point = {
        "x": float(view.xs(precision)[column]),
        "y": float(view.ys(precision)[row]),
        "z": float(view.height_z(precision)[0]),
    }
    what = f"{len(wrong)} of {got.size} pixels differ, the first at row {row}, column {column}"
    return Finding(oracle, what, point, int(expected[row, column]), int(got[row, column]))


def find_wrong_answer(
    oracle: str, question: Question[Any], case: Case, expected: Any, got: Any
) -> Finding | None:
    """The first element at which two answers to a question disagree."""
    names = getattr(expected, "_fields", (question.name,))
    for name, right, mine in zip(names, _arrays(expected), _arrays(got), strict=True):
        if mine.dtype != right.dtype or mine.shape != right.shape:
            return Finding(oracle, f"{name}: {mine.dtype}{mine.shape}, not {right.dtype}{right.shape}")
        wrong = np.argwhere(~question.agree(right, mine))
        if len(wrong):
            index = tuple(wrong[0].tolist())
            place = question.place(index, case.precision)
            where = f", the first at {list(index)}" if len(index) > 1 else ""
            what = f"{name}: {len(wrong)} of {mine.size} differ{where}"
            return Finding(oracle, what, place, right[index].item(), mine[index].item())
    return None


def _arrays(answer: Any) -> tuple[NDArray[Any], ...]:
    """The arrays of an answer, in the memory of this process."""
    return tuple(map(to_host, answer if isinstance(answer, tuple) else (answer,)))
