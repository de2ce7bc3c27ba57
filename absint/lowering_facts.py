"""What the lowering made of a program: its atoms by kind, and how much of the box its boxes leave out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
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
    values = graph.args[bands, 0].tolist()
    ends = graph.logic.bands[bands].tolist()
    classes = variability_of(program, analyses)
    kinds = Counter(_kind(graph, classes, value) for value in values)
    uses = Counter(rewrite.rule for step in steps for rewrite in step.rewrites.elements())
    rectangles = _rectangles(program)
    shares = None if rectangles is None else _shares(rectangles)
    return {
        "atoms": len(values),
        "atoms_by_kind": {kind: kinds[kind] for kind in KINDS if kinds[kind]},
        "thresholds": len(
            {(v, end) for v, pair in zip(values, ends, strict=True) for end in pair if math.isfinite(end)}
        ),
        "values": len(set(values)),
        "all": int((graph.op == ALL.code).sum()),
        "any": int((graph.op == ANY.code).sum()),
        "root": graph.record(graph.root).name,
        "operands": len(graph.operands(graph.root)),
        "boxes": uses["boxed"],
        "empty": uses["proved-empty"],
        "covered": shares and shares[0],
        "boxes_over_a_point": shares and shares[1],
    }


def _kind(graph: Graph, classes: Sequence[int], value: int) -> str:
    """The kind of a band of this real node."""
    axes = [1 << place for place in range(len(AXES))]
    if classes[value] in axes:
        return KINDS[axes.index(classes[value])]
    code, a, b = graph.rows[value]
    separable = code in (ADD.code, SUB.code) and classes[a] in axes and classes[b] in axes
    return KINDS[-2 if separable else -1]


def terms_of(graph: Graph) -> tuple[int, ...]:
    """The predicates whose union a lowered graph is: the operands of the root, or the root itself."""
    return graph.operands(graph.root) if graph.rows[graph.root][0] == ANY.code else (graph.root,)


def term_boxes(program: Program) -> NDArray[np.float64]:
    """float64[m, 2, 2]: the box of each term in the program's, by x and y, lower and upper end; empty boxes,
    of terms that are false, have equal ends.
    """
    graph = program.graph
    assert graph.logic is not None
    terms = terms_of(graph)
    boxes = np.array([[program.box.of_variable(axis)[:2] for axis in AXES[:2]]] * len(terms), np.float64)
    for box, term in zip(boxes, terms, strict=True):
        parts = graph.operands(term) if graph.rows[term][0] == ALL.code else (term,)
        for part in parts:
            code, value, _ = graph.rows[part]
            if code == BAND.code and graph.variables.get(value) in AXES[:2]:
                side = box[AXES.index(graph.variables[value])]
                side[:] = np.clip(graph.logic.bands[part], *side)
        if graph.rows[term][0] == FALSE.code:
            box[:, 1] = box[:, 0]
    return boxes


def _rectangles(program: Program) -> NDArray[np.float64] | None:
    """float64[m + 1, 2, 2]: the program's box, then those of the terms; None for a box without an area."""
    outer = [program.box.of_variable(axis) for axis in AXES[:2]]
    if any(bounds.may_nan or not 0 < bounds.upper - bounds.lower < math.inf for bounds in outer):
        return None
    return np.concatenate([[[bounds[:2] for bounds in outer]], term_boxes(program)])


def _shares(rectangles: NDArray[np.float64]) -> tuple[float, float]:
    """The share of the first rectangle's area that the others cover, and how often they do."""
    (xs, left), (ys, low) = (np.unique(rectangles[:, axis], return_inverse=True) for axis in range(2))
    left, low = left.reshape(-1, 2), low.reshape(-1, 2)
    depth = np.zeros((len(ys), len(xs)), np.int64)  # differences of the depth along both axes
    for (x0, x1), (y0, y1) in zip(left[1:], low[1:], strict=True):
        depth[y0, x0] += 1
        depth[y0, x1] -= 1
        depth[y1, x0] -= 1
        depth[y1, x1] += 1
    depth = depth.cumsum(axis=0).cumsum(axis=1)[:-1, :-1]
    areas = np.diff(ys)[:, None] * np.diff(xs)
    total = areas.sum()
    return float(areas[depth > 0].sum() / total), float((areas * depth).sum() / total)
