"""The report on lowered programs: its section on the lowering, and the others, of the real rest."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from absint.api import run_pipeline
from absint.base.errors import UsageError
from absint.frontend.vm import parse_vm, read_vm
from absint.ir.box import Box
from absint.ir.program import Program
from absint.ops.demand import Demand
from absint.passes.analyses.bounds import bounds_of
from absint.passes.analyses.demand import demand_of
from absint.passes.analyses.liveness import liveness_of
from absint.passes.analyses.variability import class_label, variability_of
from absint.report.data import json_bytes, make_report
from absint.report.tables import print_report
from absint.rewriting.analysis import Analyses
from absint.study.lowering_facts import STRIP, _shares, lowering_facts
from absint.study.specialisation import measure_regions
from tests.support.lowered import lowered_program

LEAVES = "x var-x; y var-y; z var-z; t var-t"


def facts(text: str, box: Box | None = None) -> dict[str, Any]:
    return lowering_facts(lowered_program(f"{LEAVES}; {text}", box), [], Analyses())


def test_atoms_by_kind_thresholds_and_lists() -> None:
    found = facts(
        "u square x; v abs y; s add u v; d sub x z; m mul x y; n add s z; k const 2; c add k x; "
        "a0 band x 0 1; a1 band u -inf 1; a2 band y 0 inf; a3 band z 0 0.5; a4 band s 0 1; a5 band s 0 2; "
        "a6 band d -inf 0; a7 band m 0 1; a8 band n 0 1; a9 band t 0 1; b0 band c 0 1; "
        "p all a0 a1 a2; q any a3 a4 p; r all a5 a6 a7; w any q r a8 a9 b0"
    )
    assert found["atoms"] == 11
    assert found["atoms_by_kind"] == {
        "of x alone": 3, "of y alone": 1, "of z alone": 1, "of the form u + v": 3, "of another form": 3
    }  # fmt: skip
    assert found["values"] == 10
    assert found["thresholds"] == 2 + 1 + 1 + 2 + 3 + 1 + 2 + 2 + 2 + 2
    assert (found["all"], found["any"], found["root"], found["operands"]) == (2, 2, "any", 5)
    assert (found["boxes"], found["empty"]) == (0, 0)


@pytest.mark.parametrize(
    ("text", "covered", "over"),
    [
        ("a band x -1 0; b band y -1 0; p all a b", 0.25, 0.25),
        ("a band x -1 0; b band y -1 0; p any a b", 0.75, 1.0),
        ("a band x -5 0; b band x 0.5 5; p any a b", 0.75, 0.75),
        ("a band x 2 5; b band y 0 1; p any a b", 0.5, 0.5),
        ("a band x -1 0; b band y -1 0; c band x -0.5 0.5; p all a b; q all b c; r any p q", 0.375, 0.5),
        ("s add x y; a band s 0 1", 1.0, 1.0),
        ("a band z 0 1", 1.0, 1.0),
        ("p false", 0.0, 0.0),
        ("p true", 1.0, 1.0),
    ],
)
def test_the_share_of_the_area_in_boxes(text: str, covered: float, over: float) -> None:
    found = facts(text)
    assert found["covered"] == pytest.approx(covered) and found["boxes_over_a_point"] == pytest.approx(over)


@pytest.mark.parametrize("grid", [None, 8], ids=["anywhere", "on a grid"])
@pytest.mark.parametrize("longest", [0.02, 0.5, 3.0])
def test_the_shares_of_many_boxes(grid: int | None, longest: float) -> None:
    """Against the depth on the grid of all ends, which takes quadratic memory."""
    rng = np.random.default_rng(1)
    corner, size = rng.uniform(-1, 1, (2, 300, 2)) * [[[1.0]], [[longest]]]
    ends = np.clip(np.sort([corner, corner + size], axis=0), -1, 1)
    if grid is not None:
        ends = np.round(ends * grid) / grid
    graph_box = [[[-1.0, 1.0], [-1.0, 1.0]]]
    covered, over = _shares(np.concatenate([graph_box, ends.transpose(1, 2, 0)]))
    xs, ys = (np.unique(ends[:, :, axis]) for axis in range(2))
    middles = [side[:-1] + np.diff(side) / 2 for side in (xs, ys)]
    inside = [(middle > ends[0, :, axis, None]) & (middle < ends[1, :, axis, None])
              for axis, middle in enumerate(middles)]  # fmt: skip
    depth = np.einsum("bx,by->xy", *(side.astype(np.int64) for side in inside))
    areas = np.diff(xs)[:, None] * np.diff(ys) / 4
    assert covered == pytest.approx(areas[depth > 0].sum(), rel=1e-12)
    assert over == pytest.approx((areas * depth).sum(), rel=1e-12)
    assert 0 < covered <= 1 and (grid is not None or len(ys) > STRIP), "several strips"


@pytest.mark.parametrize("region", ["all", "-inf:inf,-1:1", "0:0,-1:1", "x=-1:1"])
def test_a_box_without_an_area_has_no_shares(region: str) -> None:
    found = facts("a band x 0 1", Box.parse(region))
    assert found["covered"] is None and found["boxes_over_a_point"] is None


TEXT = """x var-x
y var-y
z var-z
xx square x
yy square y
sum add xx yy
half const 0.5
disc sub sum half
wave sin x
high sub wave y
m min high z
n sub m yy
out max disc n
"""


def report_of(text: str, box: Box | None = None, level: int = 3) -> dict[str, Any]:
    source = Program(parse_vm(text))
    result, steps = run_pipeline(source, level=level, region=box)
    return make_report(source, steps, result, ["interval"])


def test_the_other_sections_speak_of_the_real_rest() -> None:
    report = report_of(TEXT)
    result = report["result"]
    assert report["promise"] == "sign"
    assert result["operations"] == sum(result["histogram"].values()) == sum(result["variability"].values())
    assert result["histogram"]["min"] == 1 and "band" not in result["histogram"]
    assert result["nodes"] == result["operations"] + result["constants"] + len(result["variables"])
    (missed,) = report["missed"]
    assert (missed["op"], missed["demand"], missed["line"]) == ("min", "value", 11)
    assert report["memory"]["result"]["values"] == result["operations"]
    assert [row["pass"] for row in report["passes"]][-4:] == ["predicates", "flatten", "bands", "contract"]
    assert len(report["regions"]) == 2
    assert json.loads(json_bytes(report), parse_constant=pytest.fail).keys() == report.keys()


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_real_result_has_no_section_on_the_lowering(level: int) -> None:
    report = report_of(TEXT, level=level)
    assert report["lowering"] is None
    assert "Lowering" not in drawn(report)


def drawn(report: dict[str, Any]) -> str:
    stream = io.StringIO()
    print_report(report, Console(file=stream, width=110))
    return stream.getvalue()


def test_tables() -> None:
    text = drawn(report_of(TEXT))
    for line in (
        "Lowering",
        "of x alone",
        "operands of the root",
        "of the area in a box",
        "boxes over a point",
    ):
        assert line in text
    everywhere = drawn(report_of(TEXT, Box()))
    assert "Lowering" in everywhere and "of the area in a box" not in everywhere
    assert "operands of the root, false" in drawn(report_of("x var-x\na abs x\n"))


def test_prospero(models_dir: Path) -> None:
    """Counts that the project's notes give, and that most of the picture is in no box."""
    source = Program(read_vm(models_dir / "prospero.vm"))
    result, steps = run_pipeline(source, passes="cse,predicates,flatten,bands,contract", region=Box.default())
    found = lowering_facts(result, steps, Analyses())
    assert found["root"] == "any" and found["operands"] == 579
    assert found["empty"] >= 86
    assert sum(found["atoms_by_kind"].values()) == found["atoms"]
    assert found["atoms_by_kind"]["of another form"] < 20
    assert 0.1 < found["covered"] < 0.3


# Analyses of lowered programs

VALUES = "s add x y; m min s z; q square m"
MIXED = f"{LEAVES}; {VALUES}; a band q 0 1; b band x 0 0.5; c band z 0 1; p all a b; r any p c"


def test_variability_goes_through_lists() -> None:
    program = lowered_program(MIXED)
    labels = [class_label(each) for each in variability_of(program, Analyses())]
    assert labels[4:] == ["x,y", *["x,y,z"] * 3, "x", "z", *["x,y,z"] * 2]


def test_liveness_counts_numbers_only() -> None:
    liveness = liveness_of(lowered_program(MIXED), Analyses())
    assert liveness.live.tolist() == [1, 2, 2] and liveness.peak == 2
    shared = lowered_program("x var-x; u abs x; v neg x; a band v 0 1; b band u 0 1; r all a b")
    assert liveness_of(shared, Analyses()).live.tolist() == [1, 2]


def test_demand_begins_at_the_bands() -> None:
    program = lowered_program(f"{LEAVES}; dead mul x x; {MIXED.removeprefix(LEAVES + '; ')}")
    demand = demand_of(program, Analyses())
    rows = {program.graph.names[node]: demand[node] for node in range(len(program.graph))}
    assert rows["dead"] == rows["t"] == Demand.NONE
    assert rows["q"] == rows["m"] == rows["s"] == Demand.VALUE
    assert rows["p"] == rows["r"] == Demand.NONE


def test_bounds_of_real_nodes_are_as_ever() -> None:
    program = lowered_program(MIXED)
    for domains in (("interval",), ("interval", "affine", "sign")):
        bounds = bounds_of(program, Analyses(domains)).bounds
        assert bounds[4][:2] == (-2.0, 2.0)
        assert np.isinf(bounds[-1].upper)


def test_regions_are_measured_of_real_programs() -> None:
    with pytest.raises(UsageError, match="regions are measured of a real program"):
        measure_regions(lowered_program(MIXED), (2, 2, 1))
