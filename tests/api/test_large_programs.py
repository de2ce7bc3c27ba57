"""Memory grows with the size of a program and no faster, also for the report in all its forms."""

from __future__ import annotations

import io
import tracemalloc

import pytest
from rich.console import Console

from absint.api import run_pipeline
from absint.frontend.vm import parse_vm
from absint.ir.box import Box
from absint.ir.program import Program
from absint.report.data import json_bytes, make_report
from absint.report.html import report_page
from absint.report.pictures import make_pictures
from absint.report.tables import print_report
from tests.api.large_programs import FAMILIES

SIZES = {
    "circles": 1000, "circles-on-a-line": 1000, "boxes": 1000, "chain": 10_000, "tree": 10_000,
    "nest": 10_000, "any-of-alls": 250, "prefixes": 2500, "own-variables": 1500, "outline": 1000,
    "letters": 100,
}  # fmt: skip
"""Programs of about ten thousand nodes: what is quadratic takes more than `FIXED` by then."""

FIXED, PER_NODE = 16_000_000, 3000
"""Bytes that a run may take; the pictures and tiles are of a fixed size."""


def run(program: Program, level: int) -> None:
    """Optimise a program and report on it in all forms."""
    box = Box(dict.fromkeys({"x", "y", *program.graph.variables.values()}, (-1.0, 1.0)))
    result, steps = run_pipeline(program, level=level, region=box)
    report = make_report(program, steps, result, ["interval"])
    print_report(report, Console(file=io.StringIO(), width=110))
    assert json_bytes(report)
    assert report_page(report, make_pictures(program, result, ["interval"]))


def test_all_families_are_here() -> None:
    assert SIZES.keys() == FAMILIES.keys()


@pytest.mark.parametrize("level", [0, 3])
@pytest.mark.parametrize("family", SIZES)
def test_memory_is_in_proportion_to_the_program(family: str, level: int) -> None:
    make, _ = FAMILIES[family]
    run(Program(parse_vm(make(10))), level)  # what is imported, compiled and kept for all programs
    tracemalloc.start()
    try:
        program = Program(parse_vm(make(SIZES[family])))
        run(program, level)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < FIXED + PER_NODE * len(program.graph), (peak, len(program.graph))
