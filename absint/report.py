"""The report: what a program is, what each pass did to it, what was missed and why, and how far it
specialises.

`make_report` collects plain data, the same that `--format json` prints; `print_report` draws it as tables.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from absint.analysis import Analyses, BoundFacts
from absint.manager import Step, format_pass
from absint.ops.demand import LABELS, Bounds
from absint.ops.table import CONST, MAX, MIN, OPS, VAR
from absint.passes.bounds import bounds_of
from absint.passes.demand import demand_of
from absint.passes.liveness import liveness_of
from absint.passes.variability import class_label, variability_of
from absint.program import Program
from absint.regions import measure_regions

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

REPORT_PIXELS = 1024 * 1024
"""The image that memory is stated for."""

TILES_PER_AXIS = (16, 64)
MOST_TILES = 16**3
"""A program of x, y and z is cut along z too, unless that makes more tiles than this."""


def make_report(
    program: Program, steps: Sequence[Step], result: Program, domains: Sequence[str]
) -> dict[str, Any]:
    """Everything there is to tell about a run: `program` went in, `steps` were made, `result` came out."""
    analyses = Analyses(domains)
    start = steps[0].before if steps else result
    return {
        "precision": result.precision.value,
        "box": {name: [_json(end) for end in bounds] for name, bounds in result.box.bounds.items()},
        "promise": result.promise.value,
        "domains": list(domains),
        "source": _summary(program, analyses),
        "result": _summary(result, analyses),
        "passes": [_pass(step) for step in steps],
        "missed": _missed(result, analyses),
        "memory": {"source": _memory(start, analyses), "result": _memory(result, analyses)},
        "regions": _regions(start, domains),
    }


def _summary(program: Program, analyses: Analyses) -> dict[str, Any]:
    graph = program.graph
    histogram = Counter(OPS[code].name for code, _, _ in graph.rows)
    classes = Counter(
        class_label(variables)
        for (_, a, _), variables in zip(graph.rows, variability_of(program, analyses), strict=True)
        if a >= 0
    )
    return {
        "operations": graph.operation_count,
        "nodes": len(graph),
        "constants": histogram.pop(CONST.name, 0),
        "variables": sorted(set(graph.variables.values())),
        "depth": graph.depth(),
        "shared": int(((graph.use_counts > 1) & (graph.args[:, 0] >= 0)).sum()),
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
    missed = []
    for node, (code, a, b) in enumerate(graph.rows):
        if code in (MIN.code, MAX.code) and demand[node]:
            arms = [_arm(program, facts, operand) for operand in (a, b)]
            missed.append(
                {
                    "op": OPS[code].name,
                    "line": graph.line_list[node] or None,
                    "name": graph.names[node],
                    "demand": LABELS[demand[node]],
                    "left": arms[0],
                    "right": arms[1],
                    "overlap": _overlap(facts, a, b),
                    "why": _why(facts.bounds[a], facts.bounds[b]),
                }
            )
    return sorted(missed, key=lambda entry: (entry["overlap"], entry["line"] or 0))


def _json(value: float) -> float | str:
    """A float as JSON can hold it: what is not finite is spelled out."""
    return value if math.isfinite(value) else str(value)


def _arm(program: Program, facts: BoundFacts, node: int) -> dict[str, Any]:
    bounds, line = facts.bounds[node], program.graph.line_list[node]
    return {
        "line": line or None,
        "lower": _json(bounds.lower),
        "upper": _json(bounds.upper),
        "may_nan": bounds.may_nan,
    }


def _overlap(facts: BoundFacts, a: int, b: int) -> float:
    """The overlap of the arms' bounds as a share of their hull: 0 is touching, 1 is equal or unbounded."""
    p, q = facts.bounds[a], facts.bounds[b]
    hull = max(p.upper, q.upper) - min(p.lower, q.lower)
    shared = min(p.upper, q.upper) - max(p.lower, q.lower)
    return shared / hull if 0 < hull < float("inf") and shared >= 0 else 1.0


def _why(left: Bounds, right: Bounds) -> str:
    apart = left.upper < right.lower or right.upper < left.lower
    ranges = [f"[{bounds.lower:.4g}, {bounds.upper:.4g}]" for bounds in (left, right)]
    reasons = [f"{ranges[0]} and {ranges[1]} are apart" if apart else f"{ranges[0]} overlaps {ranges[1]}"]
    reasons += ["the left arm may be NaN"] * left.may_nan + ["the right arm may be NaN"] * right.may_nan
    return ", ".join(reasons)


def _memory(program: Program, analyses: Analyses) -> dict[str, Any]:
    liveness = liveness_of(program, analyses)
    size = program.precision.dtype.itemsize
    computed = len(liveness.live)
    return {
        "pixels": REPORT_PIXELS,
        "values": computed,
        "naive_bytes": computed * size * REPORT_PIXELS,
        "peak_live": liveness.peak,
        "live_bytes": liveness.peak * size * REPORT_PIXELS,
        "slots": liveness.slots,
    }


def _regions(program: Program, domains: Sequence[str]) -> list[dict[str, Any]]:
    """Tiles of 1/16 and 1/64 of the box; empty where x and y have no bounds."""
    used = set(program.graph.variables.values())
    if not {"x", "y"} <= set(program.box.bounds):
        return []
    rows = []
    for count in TILES_PER_AXIS:
        deep = count if "z" in used and "z" in program.box.bounds and count**3 <= MOST_TILES else 1
        tiles = (count, count, deep)
        regions = measure_regions(program, tiles, domains)
        rows.append(
            {
                "tiles": list(tiles),
                "undecided": regions.undecided_share,
                "operations_left": regions.mean_left(regions.operations),
                "operations_left_for_sign": regions.mean_left(regions.operations_for_sign),
            }
        )
    return rows


def print_report(report: dict[str, Any], console: Console) -> None:
    """Draw a report as tables."""
    box = ", ".join(f"{name} {ends[0]:g}:{ends[1]:g}" for name, ends in report["box"].items()) or "everywhere"
    console.print(
        f"precision {report['precision']}, box {box}, promise {report['promise']}, "
        f"domains {', '.join(report['domains'])}"
    )
    for table in (
        _program_table(report),
        _histogram_table(report),
        _pass_table(report),
        _memory_table(report),
        _region_table(report),
        _missed_table(report),
    ):
        console.print()
        console.print(table)


def _table(title: str, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right")
    return table


def _program_table(report: dict[str, Any]) -> Table:
    table = _table("Program", "", "source", "result")
    source, result = report["source"], report["result"]
    for key in ("operations", "nodes", "constants", "depth", "shared"):
        table.add_row(key, str(source[key]), str(result[key]))
    for name in sorted({*source["variability"], *result["variability"]}, key=lambda n: (n.count(","), n)):
        table.add_row(
            f"operations of {name}" if name != "constant" else "constant operations",
            str(source["variability"].get(name, 0)),
            str(result["variability"].get(name, 0)),
        )
    return table


def _histogram_table(report: dict[str, Any]) -> Table:
    table = _table("Operations", "op", "source", "result")
    source, result = report["source"]["histogram"], report["result"]["histogram"]
    for name in {**source, **result}:
        table.add_row(name, str(source.get(name, 0)), str(result.get(name, 0)))
    return table


def _pass_table(report: dict[str, Any]) -> Table:
    table = _table("Passes", "pass", "before", "after", "ms", "rewrites")
    table.columns[-1].justify = "left"
    for row in report["passes"]:
        rules = ", ".join(f"{r['rule']} {r['count']} ({r['mode']})" for r in row["rewrites"]) or "none"
        table.add_row(row["pass"], str(row["before"]), str(row["after"]), f"{row['ms']:.1f}", rules)
    if report["passes"]:
        total = sum(row["ms"] for row in report["passes"])
        table.add_row("total", str(report["passes"][0]["before"]), str(report["result"]["operations"]),
                      f"{total:.1f}", "", style="bold")  # fmt: skip
    return table


def _memory_table(report: dict[str, Any]) -> Table:
    pixels = report["memory"]["source"]["pixels"]
    table = _table(f"Memory for {pixels:,} points at once", "", "source", "result")
    rows = [report["memory"][key] for key in ("source", "result")]
    table.add_row("every value kept", *(f"{row['naive_bytes'] / 2**20:,.0f} MiB" for row in rows))
    table.add_row("freed at last use", *(f"{row['live_bytes'] / 2**20:,.0f} MiB" for row in rows))
    table.add_row("peak live values", *(str(row["peak_live"]) for row in rows))
    table.add_row("slots", *(str(row["slots"]) for row in rows))
    return table


def _region_table(report: dict[str, Any]) -> Table:
    table = _table(
        "Specialisation of the source", "tiles", "undecided", "operations left", "with sign demand"
    )
    for row in report["regions"]:
        tiles = "x".join(str(count) for count in row["tiles"] if count > 1)
        table.add_row(
            tiles,
            f"{100 * row['undecided']:.1f} %",
            f"{row['operations_left']:.1f}",
            f"{row['operations_left_for_sign']:.1f}",
        )
    return table


MISSED_SHOWN = 10


def _missed_table(report: dict[str, Any]) -> Table:
    missed = report["missed"]
    shown = f", the {MISSED_SHOWN} nearest to a decision" if len(missed) > MISSED_SHOWN else ""
    table = _table(f"Missed: {len(missed)} min and max kept{shown}", "at", "op", "demand", "why")
    table.columns[-1].justify = "left"
    for row in missed[:MISSED_SHOWN]:
        table.add_row(f"line {row['line']}" if row["line"] else "made", row["op"], row["demand"], row["why"])
    return table
