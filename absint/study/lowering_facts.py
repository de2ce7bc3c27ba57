"""Facts about lowered programs: atoms by kind, terms with their boxes, and the area that the boxes cover."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.ir.graph import AXES, FIRST_PREDICATE, Graph
from absint.ir.program import Program
from absint.ops.table import ADD, ALL, ANY, BAND, FALSE, SUB
from absint.passes.analyses.variability import variability_of
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import Step

KINDS = (*(f"of {axis} alone" for axis in AXES), "of the form u + v", "of another form")
"""The kinds of bands, by the real node that they bound."""


def lowering_facts(program: Program, steps: Sequence[Step], analyses: Analyses) -> dict[str, Any]:
    """The report's section on a lowered program.

    `atoms`: number of bands, and by kind; a band of the form u + v bounds a sum or difference of two values
    that depend on one variable each. `thresholds`: number of distinct pairs of a value and a finite end.
    `values`: number of real nodes that bands bound. `boxes` and `empty`: how often `contract` wrote a box,
    and proved an operand empty. `covered`: the share of the program's box, by area in x and y, that lies in a
    box of some term; `boxes_over_a_point`: the average number of boxes over a point.
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
    """Number of distinct pairs of a value and a finite end."""
    finite = np.isfinite(ends)
    values, ends = values[finite], ends[finite]
    order = np.lexsort((ends, values))
    values, ends = values[order], ends[order]
    return int(np.count_nonzero((np.diff(values) != 0) | (np.diff(ends) != 0))) + bool(len(values))


def _kinds(graph: Graph, classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64[n]: the index in `KINDS` of a band of each node. `classes`: int64[n], the variability."""
    axis = np.full(1 << (len(AXES) + 1), -1)
    axis[[1 << place for place in range(len(AXES))]] = range(len(AXES))
    alone = axis[classes]
    first, second = graph.args.T
    separable = np.isin(graph.op, (ADD.code, SUB.code)) & (alone[first] >= 0) & (alone[second] >= 0)
    return np.where(alone >= 0, alone, np.where(separable, len(AXES), len(AXES) + 1))


def terms_of(graph: Graph) -> tuple[int, ...]:
    """The terms of a lowered graph, whose union it is: the operands of a root `any`, else the root itself."""
    return graph.operands(graph.root) if graph.rows[graph.root][0] == ANY.code else (graph.root,)


def term_boxes(program: Program) -> NDArray[np.float64]:
    """float64[m, 2, 2]: each term's box within the program's, by axis (x, y) and end (lower, upper). A term
    that is never true has a box with equal ends.
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
    boxes[:, :, 1] = np.maximum(boxes[:, :, 0], boxes[:, :, 1])  # disjoint bands: an empty box
    false = graph.op[terms] == FALSE.code
    boxes[false, :, 1] = boxes[false, :, 0]
    return boxes


def _parts_of(graph: Graph, terms: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The predicates that hold wherever a term holds: the operands of an `all`, or the term itself. Returns
    for each the index of its term, and its node.
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


def term_rows(program: Program) -> list[dict[str, Any]]:
    """One row for each term of a lowered program, in the order of `terms_of`.

    A row has the term's `box`, (left, right, bottom, top), outside of which it is false; its number of
    `operations` and `comparisons`; and the last `line` of the source that it was made from, or None.
    """
    graph = program.graph
    terms = terms_of(graph)
    last = graph.line_list[:]
    for node in range(len(graph)):
        last[node] = max([last[node], *(last[operand] for operand in graph.operands(node))])
    operations = (graph.op < FIRST_PREDICATE) & (graph.args[:, 0] >= 0)
    counted = [_counts_below(graph, terms, which) for which in (operations, graph.op == BAND.code)]
    return [
        {
            "box": (left, right, bottom, top),
            "operations": arithmetic,
            "comparisons": comparisons,
            "line": last[term] or None,
        }
        for term, (left, right, bottom, top), arithmetic, comparisons in zip(
            terms, term_boxes(program).reshape(-1, 4).tolist(), *counted, strict=True
        )
    ]


TERMS_AT_ONCE = 8192
"""Terms that are counted in one traversal of the graph."""


def _counts_below(graph: Graph, terms: Sequence[int], which: NDArray[np.bool_]) -> list[int]:
    """For each term, the number of nodes selected by `which` on which it depends, itself included.

    Counting term by term takes quadratic time if terms share many nodes. Instead, each node gets the set of
    terms that depend on it, as bits of an integer; bit t of `digits[i]` is bit i of the count of term t.
    """
    found: list[int] = []
    wanted = which.tolist()
    for first in range(0, len(terms), TERMS_AT_ONCE):
        part = terms[first : first + TERMS_AT_ONCE]
        users: dict[int, int] = {}
        for place, term in enumerate(part):
            users[term] = users.get(term, 0) | 1 << place
        digits: list[int] = []
        for node in range(max(part), -1, -1):
            carry = users.pop(node, 0)
            if not carry:
                continue
            for operand in graph.operands(node):
                users[operand] = users.get(operand, 0) | carry
            for i in range(len(digits) if wanted[node] else 0):
                digits[i], carry = digits[i] ^ carry, digits[i] & carry
                if not carry:
                    break
            if wanted[node] and carry:
                digits.append(carry)
        size = len(part) + 7 >> 3
        bits = [np.unpackbits(np.frombuffer(digit.to_bytes(size, "little"), np.uint8), bitorder="little")
                for digit in digits]  # fmt: skip
        counts = sum((row.astype(np.int64) << i for i, row in enumerate(bits)), np.zeros(8 * size, np.int64))
        found += counts[: len(part)].tolist()
    return found


def _rectangles(program: Program) -> NDArray[np.float64] | None:
    """float64[m + 1, 2, 2]: the boxes of program and terms; None if the program's has no finite area."""
    outer = [program.box.of_variable(axis) for axis in AXES[:2]]
    if any(bounds.may_nan or not 0 < bounds.upper - bounds.lower < math.inf for bounds in outer):
        return None
    return np.concatenate([[[bounds[:2] for bounds in outer]], term_boxes(program)])


STRIP = 64
"""Largest number of rectangles' ends inside a strip; with many rectangles the limit grows."""


def _shares(rectangles: NDArray[np.float64]) -> tuple[float, float]:
    """The share of the first rectangle's area that the others cover, and the sum of the others' areas as a
    share of it. All others lie within the first.

    The plane is cut into strips in which about sqrt(m) of the m rectangles end, so that the worst case takes
    time proportional to m^1.5, and memory proportional to m.
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
        met.sort(kind="stable")  # by left ends; mostly sorted already
        begun = next_
        covered.append(_covered_area(inside[:, met], ys))
    return math.fsum(covered) / (width * height), math.fsum(areas.tolist()) / (width * height)


def _strips(sides: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """The distinct ends in y of rectangles, cut into runs; consecutive runs share an end. Few rectangles end
    strictly inside a run, however many end at one y. `sides`: float64[2, m], lower and upper ends.
    """
    ys, counts = np.unique(sides, return_counts=True)
    most = max(STRIP, math.isqrt(sides.size // 16))
    first, ends = 0, 0
    for i, count in enumerate(counts.tolist()):
        ends += count
        if i > first and (ends > most or i == len(ys) - 1):
            yield ys[first : i + 1]
            first, ends = i, 0


def _covered_area(rectangles: NDArray[np.float64], ys: NDArray[np.float64]) -> float:
    """The area that rectangles cover in the strip between the first and the last of `ys`.

    `rectangles`: float64[4, m] (left, right, low, high), sorted by left ends; all intersect the strip. `ys`:
    all of their ends in y within the strip, and the strip's own.
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
    """The union of intervals, sorted by left ends: the starts and ends of its pieces."""
    if not len(left):
        return left, right
    reach = np.maximum.accumulate(right)
    first = np.append(True, left[1:] > reach[:-1])
    return left[first], reach[np.append(first[1:], True)]


def _length_left_of(
    xs: NDArray[np.float64], starts: NDArray[np.float64], ends: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The total length of the pieces from `starts` to `ends` to the left of each x."""
    if not len(starts):
        return np.zeros(len(xs))
    before = np.concatenate([[0.0], np.cumsum(ends - starts)])
    piece = np.searchsorted(starts, xs, side="right")  # number of pieces that start at or left of x
    last = np.maximum(piece - 1, 0)
    return np.where(piece > 0, before[last] + np.minimum(xs, ends[last]) - starts[last], 0.0)
