"""What the lowering made of a program: its atoms by kind, and how much of the box its boxes leave out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.analysis import Analyses
from absint.graph import AXES, Graph
from absint.manager import Step
from absint.ops.table import ADD, ALL, ANY, BAND, FALSE, SUB
from absint.passes.variability import variability_of
from absint.program import Program

KINDS = (*(f"of {axis} alone" for axis in AXES), "of the form u + v", "of another form")


def lowering_facts(program: Program, steps: Sequence[Step], analyses: Analyses) -> dict[str, Any]:
    """The section of the report on a lowered program.

    `atoms`: bands, by kind; one of the form u + v is of a sum or difference of values of one variable each.
    `thresholds`: distinct pairs of a value and an end. `values`: real nodes that bands are of. `boxes` and
    `empty`: how often `contract` wrote a box or proved an operand empty. `covered`: the share of the box's
    area, in x and y, in a box of some operand of the root; `boxes_over_a_point`: in how many, on average.
    """
    graph = program.graph
    assert graph.logic is not None
    bands = np.flatnonzero(graph.op == BAND.code)
    values = graph.args[bands, 0]
    ends = graph.logic.bands[bands]
    kinds = _kinds(graph, np.array(variability_of(program, analyses), np.int64))[values]
    atoms_of = dict(zip(KINDS, np.bincount(kinds, minlength=len(KINDS)).tolist(), strict=True))
    uses: Counter[str] = Counter()
    for step in steps:
        for rewrite, count in step.rewrites.items():
            uses[rewrite.rule] += count
    rectangles = _rectangles(program)
    shares = None if rectangles is None else _shares(rectangles)
    return {
        "atoms": len(values),
        "atoms_by_kind": {kind: count for kind, count in atoms_of.items() if count},
        "thresholds": _distinct_pairs(np.repeat(values, 2), ends.ravel()),
        "values": len(np.unique(values)),
        "all": int((graph.op == ALL.code).sum()),
        "any": int((graph.op == ANY.code).sum()),
        "root": graph.record(graph.root).name,
        "operands": len(graph.operands(graph.root)),
        "boxes": uses["boxed"],
        "empty": uses["proved-empty"],
        "covered": shares and shares[0],
        "boxes_over_a_point": shares and shares[1],
    }


def _distinct_pairs(values: NDArray[np.int32], ends: NDArray[np.float64]) -> int:
    """How many different pairs of a value and a finite end there are."""
    finite = np.isfinite(ends)
    values, ends = values[finite], ends[finite]
    order = np.lexsort((ends, values))
    values, ends = values[order], ends[order]
    return int(np.count_nonzero((np.diff(values) != 0) | (np.diff(ends) != 0))) + bool(len(values))


def _kinds(graph: Graph, classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64[n]: the place in `KINDS` of a band of each node, from the variables that nodes depend on."""
    axis = np.full(1 << (len(AXES) + 1), -1)
    axis[[1 << place for place in range(len(AXES))]] = range(len(AXES))
    alone = axis[classes]
    first, second = graph.args.T
    separable = np.isin(graph.op, (ADD.code, SUB.code)) & (alone[first] >= 0) & (alone[second] >= 0)
    return np.where(alone >= 0, alone, np.where(separable, len(AXES), len(AXES) + 1))


def terms_of(graph: Graph) -> tuple[int, ...]:
    """The predicates whose union a lowered graph is: the operands of the root, or the root itself."""
    return graph.operands(graph.root) if graph.rows[graph.root][0] == ANY.code else (graph.root,)


def term_boxes(program: Program) -> NDArray[np.float64]:
    """float64[m, 2, 2]: the box of each term in the program's, by x and y, lower and upper end; empty boxes,
    of terms that are false, have equal ends.
    """
    graph = program.graph
    assert graph.logic is not None
    terms = np.array(terms_of(graph), np.int64)
    outer = np.array([program.box.of_variable(axis)[:2] for axis in AXES[:2]], np.float64)
    owners, parts = _parts_of(graph, terms)
    axis_of = np.full(len(graph), -1)
    for node, name in graph.variables.items():
        axis_of[node] = AXES.index(name) if name in AXES[:2] else -1
    boxes = np.repeat(outer[None], len(terms), axis=0)
    axes = np.where(graph.op[parts] == BAND.code, axis_of[graph.args[parts, 0]], -1)
    for axis in range(2):
        these = axes == axis
        lower, upper = np.clip(graph.logic.bands[parts[these]], *outer[axis]).T
        np.maximum.at(boxes[:, axis, 0], owners[these], lower)
        np.minimum.at(boxes[:, axis, 1], owners[these], upper)
    boxes[:, :, 1] = np.maximum(boxes[:, :, 0], boxes[:, :, 1])  # bands that exclude each other
    false = graph.op[terms] == FALSE.code
    boxes[false, :, 1] = boxes[false, :, 0]
    return boxes


def _parts_of(graph: Graph, terms: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The predicates that hold wherever a term does, operands of an `all` or the term itself: for each of
    them, the place of its term, and its node.
    """
    assert graph.logic is not None
    joint = graph.op[terms] == ALL.code
    starts = graph.logic.starts[terms]
    counts = np.where(joint, graph.logic.starts[terms + 1] - starts, 1)
    owners = np.repeat(np.arange(len(terms)), counts)
    place = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    parts = terms[owners]
    within = joint[owners]
    parts[within] = graph.logic.items[starts[owners[within]] + place[within]]
    return owners, parts


def _rectangles(program: Program) -> NDArray[np.float64] | None:
    """float64[m + 1, 2, 2]: the program's box, then those of the terms; None for a box without an area."""
    outer = [program.box.of_variable(axis) for axis in AXES[:2]]
    if any(bounds.may_nan or not 0 < bounds.upper - bounds.lower < math.inf for bounds in outer):
        return None
    return np.concatenate([[[bounds[:2] for bounds in outer]], term_boxes(program)])


STRIP = 64
"""Ends of rectangles inside of a strip, at most; more where there are many rectangles."""


def _shares(rectangles: NDArray[np.float64]) -> tuple[float, float]:
    """The share of the first rectangle's area that the others cover, and how often they do. All lie in it.

    The plane is cut into strips inside of which about sqrt(m) of the m rectangles end, so that time is in
    proportion to m^1.5 at the worst, and memory to m.
    """
    (left, right), (low, high) = rectangles[1:].transpose(1, 2, 0)
    width, height = (rectangles[0, :, 1] - rectangles[0, :, 0]).tolist()
    areas = (right - left) * (high - low)
    order = np.argsort(left, kind="stable")
    order = order[areas[order] > 0]
    inside = np.array([left, right, low, high])[:, order]
    upwards = np.argsort(inside[2], kind="stable")
    begun, met, covered = 0, np.zeros(0, np.int64), []
    for ys in _strips(inside[2:]):
        next_ = int(np.searchsorted(inside[2], ys[-1], sorter=upwards))
        met = np.concatenate([met[inside[3, met] > ys[0]], upwards[begun:next_]])
        met.sort(kind="stable")  # by the left ends; most of them are
        begun = next_
        covered.append(_covered(inside[:, met], ys))
    return math.fsum(covered) / (width * height), math.fsum(areas.tolist()) / (width * height)


def _strips(sides: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """The ends in y of the rectangles, float64[2, m], in runs that share their first and last one: few
    rectangles end between those two, however many end at one y.
    """
    ys, counts = np.unique(sides, return_counts=True)
    most = max(STRIP, math.isqrt(sides.size // 16))
    first, ends = 0, 0
    for i, count in enumerate(counts.tolist()):
        ends += count
        if i > first and (ends > most or i == len(ys) - 1):
            yield ys[first : i + 1]
            first, ends = i, 0


def _covered(rectangles: NDArray[np.float64], ys: NDArray[np.float64]) -> float:
    """The area that rectangles, float64[4, m] and sorted by their left ends, cover between the first and the
    last of `ys`, among which are all their ends in y that lie there. All of them reach into it.
    """
    left, right, low, high = rectangles
    across = (low <= ys[0]) & (high >= ys[-1])
    starts, ends = _union(left[across], right[across])
    area = float((ends - starts).sum() * (ys[-1] - ys[0]))
    left, right, low, high = (side[~across] for side in (left, right, low, high))
    if not len(left):
        return area
    xs = np.unique(np.concatenate([left, right]))
    rows = np.searchsorted(ys, np.clip([low, high], ys[0], ys[-1]))
    columns = np.searchsorted(xs, [left, right])
    depth = np.zeros((len(ys), len(xs)), np.int32)  # differences of the depth along both axes
    for row, sign in zip(rows, (1, -1), strict=True):
        np.add.at(depth, (row, columns[0]), sign)
        np.add.at(depth, (row, columns[1]), -sign)
    depth.cumsum(axis=0, out=depth).cumsum(axis=1, out=depth)
    free = np.diff(xs) - np.diff(_length_left_of(xs, starts, ends))
    return area + float(np.diff(ys) @ ((depth[:-1, :-1] > 0) @ free))


def _union(left: NDArray[np.float64], right: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """The starts and ends of the pieces that intervals, sorted by their left ends, cover together."""
    if not len(left):
        return left, right
    reach = np.maximum.accumulate(right)
    first = np.append(True, left[1:] > reach[:-1])
    return left[first], reach[np.append(first[1:], True)]


def _length_left_of(
    xs: NDArray[np.float64], starts: NDArray[np.float64], ends: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How much of the pieces from `starts` to `ends` lies left of each x."""
    if not len(starts):
        return np.zeros(len(xs))
    before = np.concatenate([[0.0], np.cumsum(ends - starts)])
    piece = np.searchsorted(starts, xs, side="right")  # how many begin left of x or at it
    last = np.maximum(piece - 1, 0)
    return np.where(piece > 0, before[last] + np.minimum(xs, ends[last]) - starts[last], 0.0)
