"""The report's data: a program before and after a pipeline, the effect of each pass, missed optimisations,
and specialisation on tiles.

A run's programs and steps enter, plain data leaves. `json_bytes` writes the data as JSON,
`absint.report.tables` as tables for a terminal, `absint.report.html` as a page.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.ir.graph import FIRST_PREDICATE
from absint.ir.program import Program
from absint.ops.table import CONST, OPS, VAR
from absint.passes.analyses.liveness import liveness_of, memory_of
from absint.passes.analyses.variability import class_label, variability_of
from absint.report.missed import Missed, json_number
from absint.rewriting.analysis import DEFAULT_DOMAINS, Analyses, RewriteBudget
from absint.rewriting.manager import Step, format_pass
from absint.study.lowering_facts import lowering_facts
from absint.study.specialisation import Regions, measure_regions

TILES_PER_AXIS = (16, 64)
FINEST_TILES = 128
"""Tiles along an axis at a further, finest level, which only a page shows."""
MOST_WORK = 3 * 10**8
"""Largest number of nodes times tiles for the finest level, at 10 ns each in the interval domain."""
MOST_TILES = 16**3
"""Largest number of tiles that are also cut along z; with more, each tile holds all of z."""


def make_report(
    program: Program, steps: Sequence[Step], result: Program, domains: Sequence[str], *, model: str = "",
    tiles: Sequence[int] = TILES_PER_AXIS, budget: RewriteBudget | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The report of a run: `program` entered the pipeline, `result` left it, with one step per pass.

    `model`: the model's name. `tiles`: tiles along an axis, for each level of the map of operations left.
    `budget`: the limit on rewrites, if the run had one.
    """
    analyses = Analyses(domains)
    start = steps[0].before if steps else result
    return {
        "model": model,
        "bisected": None if budget is None else {"rewrites": budget.made, "last": budget.last or None},
        "precision": result.precision.value,
        "box": {name: [json_number(end) for end in bounds] for name, bounds in result.box.bounds.items()},
        "promise": result.promise.value,
        "domains": list(domains),
        "source": _summary(program, analyses),
        "result": _summary(result, analyses),
        "passes": [_pass(step, analyses) for step in steps],
        "missed": Missed(result, analyses),
        "memory": {"source": memory_of(start, analyses), "result": memory_of(result, analyses)},
        "regions": _regions(start, domains, tiles),
        "lowering": lowering_facts(result, steps, analyses) if result.graph.lowered else None,
    }


def page_tiles(program: Program, domains: Sequence[str]) -> tuple[int, ...]:
    """The levels of tiles for a page: those of every report, and the finest one if it is fast enough."""
    quick = tuple(domains) == DEFAULT_DOMAINS and len(program.graph) * FINEST_TILES**2 <= MOST_WORK
    return (*TILES_PER_AXIS, FINEST_TILES) if quick else TILES_PER_AXIS


def json_bytes(report: dict[str, Any]) -> bytes:
    """A report as JSON: one line of ASCII."""
    text = io.BytesIO()
    for name, value in report.items():
        text.write(f"{', ' if text.tell() else '{'}{json.dumps(name)}: ".encode())
        if isinstance(value, Missed):  # entry by entry: there may be a million
            pieces = ((", " if place else "[") + json.dumps(entry) for place, entry in enumerate(value))
            text.writelines(piece.encode() for piece in pieces)
            text.write(b"]" if value else b"[]")
        else:
            text.write(json.dumps(value).encode())
    text.write(b"}\n")
    return text.getvalue()


def _summary(program: Program, analyses: Analyses) -> dict[str, Any]:
    """Counts that describe a program: nodes, operations by opcode and by variables, depth."""
    graph = program.graph
    real = graph.op < FIRST_PREDICATE
    operations = real & (graph.args[:, 0] >= 0)
    histogram = {OPS[code].name: count for code, count in _counts(graph.op[real])}
    classes = np.array(variability_of(program, analyses), np.int64)[operations]
    return {
        "operations": graph.operation_count,
        "nodes": int(real.sum()),
        "constants": histogram.pop(CONST.name, 0),
        "variables": sorted(set(graph.variables.values())),
        "depth": graph.depth(),
        "shared": int(((graph.use_counts > 1) & operations).sum()),
        "histogram": {name: count for name, count in histogram.items() if name != VAR.name},
        "variability": {class_label(variables): count for variables, count in _counts(classes)},
    }


def _counts(values: NDArray[Any]) -> list[tuple[int, int]]:
    """Each distinct value with its number of occurrences, most frequent first, ties in order."""
    different, first, counts = np.unique(values, return_index=True, return_counts=True)
    order = np.lexsort((first, -counts))
    return list(zip(different[order].tolist(), counts[order].tolist(), strict=True))


def _pass(step: Step, analyses: Analyses) -> dict[str, Any]:
    """The report's entry of one pass."""
    before, after = (liveness_of(program, analyses) for program in (step.before, step.after))
    return {
        "pass": format_pass(step.pass_),
        "promise": step.after.promise.value,
        "before": step.before.graph.operation_count,
        "after": step.after.graph.operation_count,
        "nodes_before": len(step.before.graph),
        "nodes_after": len(step.after.graph),
        "peak_live_before": before.peak,
        "peak_live_after": after.peak,
        "slots_before": before.slots,
        "slots_after": after.slots,
        "rewrites": [
            {"rule": rewrite.rule, "mode": rewrite.mode.value, "count": count}
            for rewrite, count in step.rewrites.most_common()
        ],
        "ms": step.seconds * 1e3,
    }


GROWING = {
    "operations": ("before", "after"),
    "values alive": ("peak_live_before", "peak_live_after"),
    "slots": ("slots_before", "slots_after"),
}
"""Quantities that a pass should not increase, with the keys of their values before and after."""


def growth(row: dict[str, Any]) -> str:
    """The quantities that a pass increased, such as `▲ more values alive: 4 to 6`; empty if there are none.

    `row`: one of the report's `passes`.
    """
    counts = {name: (row[before], row[after]) for name, (before, after) in GROWING.items()}
    worse = [
        f"more {name}: {before:,} to {after:,}" for name, (before, after) in counts.items() if after > before
    ]
    return f"▲ {'; '.join(worse)}" if worse else ""


def _regions(program: Program, domains: Sequence[str], levels: Sequence[int]) -> list[dict[str, Any]]:
    """Operations left on tiles of the box, one entry per level. `levels`: numbers of tiles along an axis.

    Empty if x or y has no bounds, or the program is lowered.
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
    """Operations left on each tile if only the sign is needed, the largest number along z; -1 on decided
    tiles. The first row is the top one.
    """
    left = np.where(regions.undecided, regions.operations_for_sign, -1).max(axis=0)[::-1]
    rows: list[list[int]] = left.tolist()
    return rows
