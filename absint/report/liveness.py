"""The report's section on liveness: its chart and its table of memory.

The numbers are those of `absint.passes.analyses.liveness`, gathered in `absint.report.data`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from absint.report import charts
from absint.report.markup import Markup, element
from absint.report.parts import legend, missing, table
from absint.report.pictures import Pictures


def section(report: dict[str, Any], _: Pictures) -> Iterator[Markup]:
    """The chart of values alive at each instruction, and the table of memory, before and after."""
    source, result = report["memory"]["source"], report["memory"]["result"]
    if not source["live"] and not result["live"]:
        yield missing("Nothing is computed, so no value needs to be kept.")
    else:
        label = (
            f"Curves of the values alive at each instruction: at most {source['peak_live']:,} of "
            f"{source['values']:,} before, {result['peak_live']:,} of {result['values']:,} after."
        )
        series = [("before", source["live"]), ("after", result["live"])]
        yield element(
            "figure",
            legend("before", "after"),
            charts.curves(series, label, "instruction"),
            element(
                "figcaption", "Values alive at each instruction. Constants and variables are always at hand."
            ),
        )
    mebibyte = 2**20
    yield table(
        f"Memory for {source['pixels']:,} points at once",
        ["", "before", "after"],
        [
            ["values computed", f"{source['values']:,}", f"{result['values']:,}"],
            ["values alive at most", f"{source['peak_live']:,}", f"{result['peak_live']:,}"],
            ["register slots", f"{source['slots']:,}", f"{result['slots']:,}"],
            *(
                [name, *(f"{side[key] / mebibyte:,.0f} MiB" for side in (source, result))]
                for name, key in (("every value kept", "naive_bytes"), ("freed at last use", "live_bytes"))
            ),
        ],
    )
