"""The report: what a program is, what each pass did to it, what was missed and why, and how far it
specialises.

`make_report` collects plain data, the same that `--format json` prints; `absint.report_tables` draws it as
tables for a terminal, `absint.report_html` as a page.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from absint.analysis import DEFAULT_DOMAINS, Analyses, BoundFacts, RewriteBudget
from absint.graph import FIRST_PREDICATE
from absint.lowering_facts import lowering_facts
from absint.manager import Step, format_pass
from absint.ops.demand import LABELS, Bounds
from absint.ops.table import CONST, MAX, MIN, OPS, VAR
from absint.passes.bounds import bounds_of
from absint.passes.demand import demand_of
from absint.passes.liveness import liveness_of
from absint.passes.variability import class_label, variability_of
from absint.program import Program
from absint.regions import Regions, measure_regions
from absint.vm import dump_vm

REPORT_PIXELS = 1024 * 1024
"""The image that memory is stated for."""

TILES_PER_AXIS = (16, 64)
FINEST_TILES = 128
"""One more level, for a page, which draws them."""
MOST_WORK = 3 * 10**8
"""Nodes times tiles, above which that takes too long; intervals take 10 ns each, other domains far more."""
MOST_TILES = 16**3
"""A program of x, y and z is cut along z too, unless that makes more tiles than this."""


def make_report(
    program: Program, steps: Sequence[Step], result: Program, domains: Sequence[str], *, model: str = "",
    tiles: Sequence[int] = TILES_PER_AXIS, budget: RewriteBudget | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Everything there is to tell about a run: `program` went in, `steps` were made, `result` came out.

    `model`: what to call it. `tiles`: into how many tiles an axis is cut, at each level of the map of
    operations left. `budget`: how many rewrites could be made, if not all.
    """
    analyses = Analyses(domains)
    start = steps[0].before if steps else result
    return {
        "model": model,
        "bisected": None if budget is None else {"rewrites": budget.made, "last": budget.last or None},
        "precision": result.precision.value,
        "box": {name: [_json(end) for end in bounds] for name, bounds in result.box.bounds.items()},
        "promise": result.promise.value,
        "domains": list(domains),
        "source": _summary(program, analyses),
        "result": _summary(result, analyses),
        "passes": [_pass(step) for step in steps],
        "missed": _missed(result, analyses),
        "memory": {"source": memory_of(start, analyses), "result": memory_of(result, analyses)},
        "regions": _regions(start, domains, tiles),
        "lowering": lowering_facts(result, steps, analyses) if result.graph.lowered else None,
    }


def page_tiles(program: Program, domains: Sequence[str]) -> tuple[int, ...]:
    """The levels of tiles for a page: those of every report, and a finer one unless that takes long."""
    quick = tuple(domains) == DEFAULT_DOMAINS and len(program.graph) * FINEST_TILES**2 <= MOST_WORK
    return (*TILES_PER_AXIS, FINEST_TILES) if quick else TILES_PER_AXIS


def _summary(program: Program, analyses: Analyses) -> dict[str, Any]:
    graph = program.graph
    real = [row for row in graph.rows if row[0] < FIRST_PREDICATE]
    histogram = Counter(OPS[code].name for code, _, _ in real)
    classes = Counter(
        class_label(variables)
        for (code, a, _), variables in zip(graph.rows, variability_of(program, analyses), strict=True)
        if a >= 0 and code < FIRST_PREDICATE
    )
    operations = (graph.op < FIRST_PREDICATE) & (graph.args[:, 0] >= 0)
    return {
        "operations": graph.operation_count,
        "nodes": len(real),
        "constants": histogram.pop(CONST.name, 0),
        "variables": sorted(set(graph.variables.values())),
        "depth": graph.depth(),
        "shared": int(((graph.use_counts > 1) & operations).sum()),
        "histogram": {name: count for name, count in histogram.most_common() if name != VAR.name},
        "variability": dict(classes.most_common()),
    }


def _pass(step: Step) -> dict[str, Any]:
    return {
        "pass": format_pass(step.pass_),
        "promise": step.after.promise.value,
        "before": step.before.graph.operation_count,
        "after": step.after.graph.operation_count,
        "nodes_before": len(step.before.graph),
        "nodes_after": len(step.after.graph),
        "rewrites": [
            {"rule": rewrite.rule, "mode": rewrite.mode.value, "count": count}
            for rewrite, count in step.rewrites.most_common()
        ],
        "ms": step.seconds * 1e3,
    }


def _missed(program: Program, analyses: Analyses) -> list[dict[str, Any]]:
    """Every min and max that stayed, with what is known of its arms; those nearest to a decision first."""
    graph, facts = program.graph, bounds_of(program, analyses)
    demand = demand_of(program, analyses)
    source_lines = _source_lines(program)
    missed = []
    for node, (code, a, b) in enumerate(graph.rows):
        if code in (MIN.code, MAX.code) and demand[node]:
            arms = [_arm(program, facts, operand, source_lines) for operand in (a, b)]
            line = graph.line_list[node]
            missed.append(
                {
                    "op": OPS[code].name,
                    "line": line or None,
                    "text": source_lines.get(line),
                    "name": graph.names[node],
                    "demand": LABELS[demand[node]],
                    "left": arms[0],
                    "right": arms[1],
                    "overlap": _overlap(facts, a, b),
                    "why": _why(facts.bounds[a], facts.bounds[b]),
                }
            )
    return sorted(missed, key=lambda entry: (entry["overlap"], entry["line"] or 0))


def _source_lines(program: Program) -> dict[int, str]:
    """The instructions of the source by line, as `.vm` text without superfluous blanks."""
    graph = program.origin.graph
    return {
        line: text for line, text in zip(graph.line_list, dump_vm(graph).splitlines(), strict=True) if line
    }


def _json(value: float) -> float | str:
    """A float as JSON can hold it: what is not finite is spelled out."""
    return value if math.isfinite(value) else str(value)


def _arm(program: Program, facts: BoundFacts, node: int, source_lines: dict[int, str]) -> dict[str, Any]:
    bounds, line = facts.bounds[node], program.graph.line_list[node]
    return {
        "line": line or None,
        "text": source_lines.get(line),
        "lower": _json(bounds.lower),
        "upper": _json(bounds.upper),
        "may_nan": bounds.may_nan,
    }


def _overlap(facts: BoundFacts, a: int, b: int) -> float:
    """The overlap of the arms' bounds as a share of their hull: 0 touching or apart, 1 equal or unbounded."""
    p, q = facts.bounds[a], facts.bounds[b]
    hull = max(p.upper, q.upper) - min(p.lower, q.lower)
    shared = min(p.upper, q.upper) - max(p.lower, q.lower)
    if shared < 0:
        return 0.0  # apart, and kept because one of them may be NaN
    return shared / hull if 0 < hull < float("inf") else 1.0


def _why(left: Bounds, right: Bounds) -> str:
    apart = left.upper < right.lower or right.upper < left.lower
    ranges = [f"[{bounds.lower:.4g}, {bounds.upper:.4g}]" for bounds in (left, right)]
    reasons = [f"{ranges[0]} and {ranges[1]} are apart" if apart else f"{ranges[0]} overlaps {ranges[1]}"]
    reasons += ["the left arm may be NaN"] * left.may_nan + ["the right arm may be NaN"] * right.may_nan
    return ", ".join(reasons)


def memory_of(program: Program, analyses: Analyses, pixels: int = REPORT_PIXELS) -> dict[str, Any]:
    """What whole arrays of an image take: with every value kept, and with each freed at its last use."""
    liveness = liveness_of(program, analyses)
    size = program.precision.dtype.itemsize
    computed = len(liveness.live)
    return {
        "pixels": pixels,
        "values": computed,
        "naive_bytes": computed * size * pixels,
        "live": liveness.live.tolist(),
        "peak_live": liveness.peak,
        "live_bytes": liveness.peak * size * pixels,
        "slots": liveness.slots,
    }


def _regions(program: Program, domains: Sequence[str], levels: Sequence[int]) -> list[dict[str, Any]]:
    """What is left on tiles of the box, `levels` of them along an axis; nothing where x and y have no bounds,
    or the program is lowered.
    """
    used = set(program.graph.variables.values())
    if program.graph.lowered or not {"x", "y"} <= set(program.box.bounds):
        return []
    rows = []
    for count in levels:
        deep = count if "z" in used and "z" in program.box.bounds and count**3 <= MOST_TILES else 1
        tiles = (count, count, deep)
        regions = measure_regions(program, tiles, domains)
        rows.append(
            {
                "tiles": list(tiles),
                "undecided": regions.undecided_share,
                "operations_left": regions.mean_left(regions.operations),
                "operations_left_for_sign": regions.mean_left(regions.operations_for_sign),
                "map": _map(regions),
            }
        )
    return rows


def _map(regions: Regions) -> list[list[int]]:
    """Operations left for the sign on each tile, -1 where it is decided: the most along z. The first row is
    at the top.
    """
    left = np.where(regions.undecided, regions.operations_for_sign, -1).max(axis=0)[::-1]
    rows: list[list[int]] = left.tolist()
    return rows
