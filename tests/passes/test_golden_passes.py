"""What each pass makes of small programs: `tests/golden/passes/NAME/CASE.vm` becomes `CASE.out.vm`.

The first line of a case names the region, in the words of `--region`, and behind `after` the passes that run
before the one that is tried. The output begins with what it holds for and the rewrites that were counted. A
pass of the lowering is given what those before it made of the case, and its output is a dump. `pytest
--update-golden` writes the outputs: read what it wrote.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from absint.frontend.vm import dump_vm, parse_vm
from absint.ir.box import Box
from absint.ir.program import Form, Program, describe
from absint.ops.precision import Precision
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import (
    LEVELS,
    PassManager,
    parse_pipeline,
    pass_names,
    passes_of_levels,
)
from absint.rewriting.promise import check_promise, sample_points

FOLDER = Path(__file__).parents[1] / "golden" / "passes"
LOWERING = [pass_.name for pass_ in parse_pipeline(LEVELS[3]) if pass_.makes is Form.LOWERED]
CASES = sorted(path for path in FOLDER.glob("*/*.vm") if not path.name.endswith(".out.vm"))


def read_case(path: Path) -> Program:
    """The program of a case, on its region, lowered as far as its pass wants it."""
    text = path.read_text(encoding="utf-8")
    region, _, before = text.partition("\n")[0].removeprefix("# region ").partition(" after ")
    program = Program(parse_vm(text, path.name), Precision.F32, Box.parse(region))
    if path.parent.name in LOWERING:
        before = ",".join(LOWERING[: LOWERING.index(path.parent.name)])
    return PassManager(parse_pipeline(before)).run(program)[0]


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_output_is_as_recorded(path: Path, golden: Callable[[str | Path, str], None]) -> None:
    before = read_case(path)
    after, rewrites = parse_pipeline(path.parent.name)[0].run(before, Analyses())
    counts = [f"{rule.rule} ({rule.mode.value}): {count}" for rule, count in sorted(rewrites.items())]
    golden(
        path.relative_to(FOLDER.parent).with_suffix(".out.vm"),
        dump_vm(after.graph, [describe(after), *counts]),
    )


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_output_keeps_the_promise(path: Path) -> None:
    before = read_case(path)
    after, _ = parse_pipeline(path.parent.name)[0].run(before, Analyses())
    points = sample_points(before.graph.variables.values(), before.box, before.precision, 4000)
    assert check_promise(before, after, points, after.promise) is None


def test_every_pass_has_cases_and_every_output_its_case() -> None:
    """A pass that no level runs may do without."""
    assert passes_of_levels() <= {path.parent.name for path in CASES} <= set(pass_names())
    outputs = {path.name for path in FOLDER.glob("*/*.out.vm")}
    assert outputs == {path.with_suffix(".out.vm").name for path in CASES}
