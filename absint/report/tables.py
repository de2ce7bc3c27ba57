"""The report as tables for a terminal: `absint optimize --report` prints them from `absint.report.data`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from absint.base.errors import one_line
from absint.report.data import growth

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def print_report(report: dict[str, Any], console: Console) -> None:
    """Print a report as tables."""
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
        *([_lowering_table(report["lowering"])] if report["lowering"] else []),
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
            f"operations of {one_line(name, 60)}" if name != "constant" else "constant operations",
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
    table = _table("Passes", "pass", "before", "after", "peak live", "ms", "rewrites")
    table.columns[-1].justify = "left"
    for row in report["passes"]:
        rules = ", ".join(f"{r['rule']} {r['count']} ({r['mode']})" for r in row["rewrites"]) or "none"
        told = "; ".join(filter(None, (growth(row), rules)))
        table.add_row(row["pass"], str(row["before"]), str(row["after"]), str(row["peak_live_after"]),
                      f"{row['ms']:.1f}", told)  # fmt: skip
    if report["passes"]:
        total = sum(row["ms"] for row in report["passes"])
        live = report["passes"][-1]["peak_live_after"]
        table.add_row("total", str(report["passes"][0]["before"]), str(report["result"]["operations"]),
                      str(live), f"{total:.1f}", "", style="bold")  # fmt: skip
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
"""Number of missed optimisations in the table."""


def _missed_table(report: dict[str, Any]) -> Table:
    missed = report["missed"]
    shown = f", the {MISSED_SHOWN} nearest to a decision" if len(missed) > MISSED_SHOWN else ""
    table = _table(f"Missed: {len(missed)} min and max kept{shown}", "at", "op", "demand", "why")
    table.columns[-1].justify = "left"
    for row in missed[:MISSED_SHOWN]:
        table.add_row(f"line {row['line']}" if row["line"] else "made", row["op"], row["demand"], row["why"])
    return table


def _lowering_table(facts: dict[str, Any]) -> Table:
    """Counts of a lowered result: its comparisons, the lists that join them, and its boxes."""
    table = _table("Lowering", "", "result")
    rows: list[tuple[str, Any]] = [("atoms", facts["atoms"])]
    rows += [(f"  {kind}", count) for kind, count in facts["atoms_by_kind"].items()]
    rows += [(name, facts[name]) for name in ("thresholds", "values", "all", "any")]
    rows += [(f"operands of the root, {facts['root']}", facts["operands"])]
    rows += [("boxes written", facts["boxes"]), ("operands proved empty", facts["empty"])]
    if facts["covered"] is not None:
        rows += [("of the area in a box", f"{facts['covered']:.1%}")]
        rows += [("boxes over a point", f"{facts['boxes_over_a_point']:.2f}")]
    for name, value in rows:
        table.add_row(name, str(value))
    return table
