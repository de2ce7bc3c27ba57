"""The measurements for notebooks agree with what they measure."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from absint import Box, Program, View, optimize, parse_vm, render
from absint.base.errors import DomainError, UsageError
from absint.frontend.expr import X, Y, maximum, minimum, sqrt, var
from absint.ir.interpreter import interpret_concrete
from absint.ops.precision import Precision
from absint.study import measure as study

MODELS = ("gear", "bracket", "tempest")


@pytest.mark.parametrize("model", MODELS)
def test_stages_add_up(model: str) -> None:
    rows = study.stages(model, level=2)
    assert [row["pass"] for row in rows][1:] == optimize_passes(2)
    for before, after in itertools.pairwise(rows):
        assert before["operations"] - after["removed"] == after["operations"]
        assert after["seconds"] > 0
    assert rows[0]["operations"] == optimize(model, level=0).graph.operation_count
    assert rows[-1]["operations"] == optimize(model, level=2).graph.operation_count
    assert any(row["rewrites"] for row in rows)


def optimize_passes(level: int) -> list[str]:
    from absint.rewriting.manager import LEVELS

    return LEVELS[level].split(",")


def test_stages_of_no_pass() -> None:
    (row,) = study.stages("gear", passes="")
    assert row["pass"] == ""
    assert row["removed"] == 0


@pytest.mark.parametrize("model", MODELS)
def test_decided_tiles_are_of_one_colour(model: str) -> None:
    """Tiles of the default region, drawn with samples inside of them, the first row at the top."""
    count, each = 16, 8
    found = study.tiles(model, count)
    image = render(model, View.square(count * each, scale=1 - 1 / (count * each))) > 0
    parts = image.reshape(count, each, count, each)
    mixed = parts.any(axis=(1, 3)) & ~parts.all(axis=(1, 3))
    assert mixed.any()
    assert (found["undecided"] | ~mixed).all()
    assert not found["undecided"].all()
    for name in ("operations", "for_sign"):
        assert ((found[name] > 0) <= found["undecided"]).all()
        assert found[name].shape == (count, count)
    assert (found["for_sign"] <= found["operations"]).all()


def test_a_heat_map_is_brightest_where_most_is_left() -> None:
    left = study.tiles("gear", 32)["for_sign"]
    picture = study.heatmap("gear", 32)
    assert picture.dtype == np.uint8
    assert picture.max() == 255
    assert (np.argsort(picture.ravel(), kind="stable")[-1:] == np.flatnonzero(left == left.max())[-1:]).all()
    assert ((picture == 0) == (left * 510 < left.max())).all()


def test_nothing_left_is_black() -> None:
    assert not study.heatmap(X * 0.0 + 1.0, 8).any()


def test_passes_before_tiles() -> None:
    """What is gone on the whole region is not left anywhere."""
    plain = study.tiles("gear", 8)["for_sign"]
    after = study.tiles("gear", 8, passes="fold,simplify,cse,signdemand,minmax,dce")["for_sign"]
    assert after.sum() <= plain.sum()
    with pytest.raises(UsageError, match="real program"):
        study.tiles("gear", 8, passes="predicates")


def test_the_affine_domain_is_never_less_precise() -> None:
    rotated = (X + Y) * (X + Y) - (X - Y) * (X + Y)
    for model in (*MODELS, rotated):
        found = study.precision_of(model, region=Box.of(x=(0.2, 0.3), y=(0.1, 0.2), z=(0.0, 0.0)))
        interval, affine = found["interval"], found["interval,affine"]
        assert affine["width"] <= interval["width"]
        assert affine["mean_width"] <= interval["mean_width"]
        assert affine["bounded"] >= interval["bounded"]
    assert affine["width"] < interval["width"]


def test_a_pixel_explained() -> None:
    source = parse_vm(
        "x var-x\ny var-y\na square x\nb square y\nr add a b\nd sqrt r\nk const 0.5\n"
        "disc sub d k\nedge sub k x\nf min disc edge\n"
    )
    rows = study.explain(source, 0.25, 0.0)
    assert [row["name"] for row in rows] == ["x", "y", "a", "b", "r", "d", "k", "disc", "f"]
    assert (rows[-1]["winner"], rows[-1]["value"]) == (0, -0.25)
    rows = study.explain(source, 0.9, 0.0)
    assert [row["name"] for row in rows] == ["x", "k", "edge", "f"]
    assert rows[2] == {
        "name": "edge", "line": 9, "op": "sub", "operands": ["k", "x"],
        "value": float(np.float32(0.5) - np.float32(0.9)),
        "lower": -0.5, "upper": 1.5, "may_nan": False, "winner": None,
    }  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
def test_what_decides_a_pixel_is_enough(model: str) -> None:
    """With every other min and max answered otherwise the value is the same: only those rows are read."""
    rng = np.random.default_rng(3)
    for x, y in rng.uniform(-1, 1, (20, 2)):
        rows = study.explain(model, x, y)
        assert rows[-1]["value"] == float(value_at(optimize(model, level=0), x, y))
        for row in rows:
            assert row["may_nan"] or row["lower"] <= row["value"] <= row["upper"]
        by_name = {row["name"]: row for row in rows}
        for row in rows:
            operands = [by_name[name] for name in row["operands"] if name in by_name]
            if row["winner"] is not None:
                assert by_name[row["operands"][row["winner"]]]["value"] == row["value"]
            else:
                assert len(operands) == len(row["operands"])


def value_at(program: Program, x: float, y: float) -> Any:
    point = {name: np.float32(value) for name, value in zip("xyz", (x, y, 0.0), strict=True)}
    with np.errstate(all="ignore"):
        return interpret_concrete(program.graph, Precision.F32, point)[-1]


@pytest.mark.parametrize(
    ("first", "second", "winner"),
    [(X, Y, {(0.1, 0.2): (0, 1), (0.2, 0.1): (1, 0), (0.1, 0.1): (1, 1)}),
     (sqrt(X - 2.0), Y, {(0.1, 0.2): (0, 0)}),
     (Y, sqrt(X - 2.0), {(0.1, 0.2): (1, 1)})],
)  # fmt: skip
def test_winners_ties_and_nan(first: Any, second: Any, winner: dict[Any, tuple[int, int]]) -> None:
    for (x, y), (of_min, of_max) in winner.items():
        assert study.explain(minimum(first, second), x, y)[-1]["winner"] == of_min
        assert study.explain(maximum(first, second), x, y)[-1]["winner"] == of_max


def test_points_that_cannot_be_explained() -> None:
    with pytest.raises(DomainError, match=r"x = 2\.0 is outside of the region, -1\.0 to 1\.0"):
        study.explain("gear", 2.0, 0.0)
    with pytest.raises(DomainError, match="no position for the variable 'w'"):
        study.explain(X + var("w"), 0.0, 0.0)


@pytest.mark.parametrize("model", MODELS)
def test_terms_hold_inside_of_their_boxes_only(model: str) -> None:
    """Where f < 0 some term's box is, and boxes stay in the region."""
    view = View.square(64)
    image = render(model, view) > 0
    xs, ys = view.xs(Precision.F32), view.ys(Precision.F32)
    covered = np.zeros_like(image)
    found = study.terms(model)
    for term in found:
        left, right, bottom, top = term["box"]
        assert -1 <= left <= right <= 1
        assert -1 <= bottom <= top <= 1
        covered |= ((xs >= left) & (xs <= right)) & ((ys >= bottom) & (ys <= top))[:, None]
        assert term["lines"] == sorted(term["lines"])
    assert (covered | ~image).all()
    assert len(found) == 1 or not covered.all()
    assert sum(term["comparisons"] for term in found) > 0


def test_terms_of_constants_and_of_unbounded_programs() -> None:
    assert study.terms(X * 0.0 + 1.0) == []
    (always,) = study.terms(X * 0.0 - 1.0)
    assert (always["operations"], always["comparisons"], always["box"]) == (0, 0, (-1.0, 1.0, -1.0, 1.0))
    (half,) = study.terms(X - 0.5, region=Box())
    left, right, bottom, top = half["box"]
    assert (left, bottom, top) == (-np.inf, -np.inf, np.inf)
    assert 0.49 < right < 0.5
    assert (half["operations"], half["comparisons"]) == (0, 1)


def test_terms_need_a_pipeline_that_lowers() -> None:
    with pytest.raises(UsageError, match="predicates"):
        study.terms("gear", passes="fold")


SIGN = "fold,simplify,cse,signdemand,minmax,dce"


@pytest.mark.parametrize("passes", ["fold,simplify,cse,minmax,dce", SIGN])
def test_a_quadtree_leaves_undecided_what_tiles_do(passes: str) -> None:
    """Its last level is the flat grid of tiles, and what is left there is no more."""
    levels = 4
    rows = study.quadtree("gear", levels, passes=passes)
    assert [row["tiles"] for row in rows] == [1, *(4 * row["undecided"] for row in rows[:-1])]
    found = study.tiles("gear", 2 ** (levels - 1))
    # what the passes made of a tile may be decided where its source was not, never the other way round
    assert 0 < rows[-1]["undecided"] <= found["undecided"].sum()
    left = found["for_sign" if passes == SIGN else "operations"].sum()
    assert 0 < rows[-1]["operations"] <= left
    assert any(rule.startswith("max") for row in rows for rule in row["rewrites"])


def test_a_quadtree_of_a_disc() -> None:
    """Counted by hand: all four quarters of the square meet the disc, and 12 of the 16 next ones."""
    disc = sqrt(X * X + Y * Y) - 0.95
    rows = study.quadtree(disc, 3, passes="", region=Box.of(x=(-1.0, 1.0), y=(-1.0, 1.0)))
    assert [(row["tiles"], row["undecided"]) for row in rows] == [(1, 1), (4, 4), (16, 12)]
    assert [row["operations"] for row in rows] == [5, 20, 60]


def test_what_has_no_quarters() -> None:
    with pytest.raises(UsageError, match="expected bounds of x and y to quarter"):
        study.quadtree("gear", 2, region=Box({"x": (0.0, 1.0)}))
    with pytest.raises(UsageError, match="does not lower"):
        study.quadtree("gear", 2, passes="predicates")


def test_memory_counts_arrays() -> None:
    found = study.memory(sqrt(X * X + Y * Y) - 0.5, 1000, precision="f64")
    assert (found["values"], found["naive_bytes"]) == (5, 5 * 8000)
    assert found["slots"] <= found["peak_live"] < found["values"]
    assert found["live_bytes"] == found["peak_live"] * 8000


@pytest.mark.parametrize("backend", ["reference", "numba"])
@pytest.mark.parametrize("passes", [None, "", SIGN])
def test_an_executable_draws_the_picture(backend: str, passes: str | None) -> None:
    view = View(48, 40, center=(0.1, 0.2), scale=0.7)
    drawn = study.executable("gear", view, backend, passes=passes)
    assert np.array_equal(drawn.image(view), render("gear", view))


def test_times_are_medians_of_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls = [0.0], list[str]()
    monkeypatch.setattr(study.time, "perf_counter", lambda: clock[0])
    lasts = {"slow": [9.0, 2.0, 8.0, 3.0], "quick": itertools.repeat(study.TURN / 2.5)}
    left = {name: iter(seconds) for name, seconds in lasts.items()}

    def call(name: str) -> None:
        calls.append(name)
        clock[0] += next(left[name])

    found = study.times({"slow": lambda: call("slow"), "quick": lambda: call("quick")}, 3)
    assert calls == ["slow", "quick", *["slow", "quick", "quick", "quick"] * 3]  # a first call, then turns
    assert found == {"slow": pytest.approx(3.0), "quick": pytest.approx(study.TURN / 2.5)}
