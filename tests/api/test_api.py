"""The public functions: what they accept, keep and refuse."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import absint
from absint import Box, Promise, View, X, Y, sqrt
from absint.api import run_pipeline
from absint.base.errors import AbsintError, DomainError, PromiseError, UsageError, VmError
from absint.evaluation.backend import find_backend
from absint.frontend.vm import parse_vm, write_vm
from absint.ir.program import Program

DISC = sqrt(X * X + Y * Y) - 0.5


def compiled(text: str, **options: Any) -> Any:
    return find_backend("reference").prepare(absint.optimize(parse_vm(text), **options))


def test_a_view_outside_the_box_is_refused_though_no_variable_is_left() -> None:
    """`x - 2` is negative on the default box and becomes a constant there, which is wrong at x = 5."""
    program = compiled("x var-x\nc const 2\nf sub x c\n", level=2)
    assert len(program.program.graph) == 1
    assert program.image(View(4, 4)).all()
    with pytest.raises(DomainError, match="x from -1"):
        program.image(View(4, 4, scale=10.0))
    assert absint.render(X - 2.0, View(4, 4, scale=10.0))[0].tolist() == [255, 255, 0, 0]


def test_points_and_boxes_outside_the_box_are_refused_though_no_variable_is_left() -> None:
    program = compiled("x var-x\nc const 2\nf compare x c\n", level=1)
    assert program.values(0.5, 0.0) == -1
    with pytest.raises(DomainError, match="x from -1"):
        program.values(5.0, 0.0)
    with pytest.raises(DomainError, match="is unbounded"):
        program.values(float("nan"), 0.0)
    with pytest.raises(DomainError, match="x from -1"):
        program.bounds({"x": (4.0, 5.0)})


def test_a_variable_that_is_one_point_may_still_be_given() -> None:
    graph = parse_vm("t var-t\nb const 2\nc mul t b\n")
    assert absint.evaluate(graph, [0.0, 0.5], 0.0, t=3.0).tolist() == [6.0, 6.0]
    with pytest.raises(DomainError, match="'u'"):
        absint.evaluate(graph, 0.0, 0.0, t=3.0, u=1.0)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_written_program_is_held_to_its_first_line(tmp_path: Path, mark: str) -> None:
    program = absint.optimize(DISC, region=Box.of((-0.5, 0.5), (-0.5, 0.5)))
    path = tmp_path / "small.vm"
    text = mark + write_vm(program.graph, ["precision f32, box x=-0.5:0.5,y=-0.5:0.5, promise sign"])
    path.write_text(text, encoding="utf-8")
    loaded = absint.load(path)
    assert loaded.specialised and loaded.promise is Promise.SIGN
    assert absint.render(path, View(8, 8, scale=0.5)).shape == (8, 8)
    with pytest.raises(DomainError, match="optimise its source"):
        absint.render(path, View(8, 8))
    with pytest.raises(PromiseError):
        absint.evaluate(path, 0.25, 0.25)


def test_a_written_program_keeps_its_precision(tmp_path: Path) -> None:
    path = tmp_path / "wide.vm"
    program = absint.optimize(DISC, level=1, precision="f64")
    path.write_text(write_vm(program.graph, ["precision f64, box all, promise bits"]), encoding="utf-8")
    assert absint.evaluate(path, 0.1, 0.2).dtype == np.float64
    assert absint.evaluate(program, 0.1, 0.2).dtype == np.float64
    with pytest.raises(DomainError, match="f32"):
        absint.evaluate(path, 0.1, 0.2, precision="f32")


@pytest.mark.parametrize("box", ["x=a:b", "x=2:1", "x=0:1,x=0:1", "=0:1", "0:1", "x=1_0:20"])
def test_a_first_line_that_cannot_be_read_is_an_error_with_a_place(tmp_path: Path, box: str) -> None:
    path = tmp_path / "odd.vm"
    path.write_text(f"# precision f32, box {box}, promise bits\nx var-x\n", encoding="utf-8")
    with pytest.raises(VmError) as raised:
        absint.load(path)
    assert (raised.value.line, raised.value.column) == (1, 1)


def test_what_render_keeps_never_outranks_what_a_program_holds_for() -> None:
    graph = absint.load(DISC).graph
    absint.render(graph, 4)
    narrow = Program(graph, box=Box.of((0.0, 1.0), (0.0, 1.0)), specialised=True)
    with pytest.raises(DomainError):
        absint.render(narrow, 4)


def test_render_keeps_the_last_programs_only() -> None:
    first = sqrt(X * X + Y * Y) - 0.25
    graph = weakref.ref(absint.load(first).graph)
    for i in range(20):
        absint.render(first + float(i), 2)
    del first
    gc.collect()
    assert graph() is None


def test_the_same_expression_is_optimised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = DISC + 0.125
    absint.render(shape, View(9, 7))
    monkeypatch.setattr("absint.api.run_pipeline", lambda *_, **__: pytest.fail("optimised again"))
    absint.render(shape, View(5, 5, scale=0.5))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: absint.optimize(DISC, level=7), "level 7"),
        (lambda: absint.optimize(DISC, domains="interval"), "sequence of names"),
        (lambda: absint.optimize(DISC, domains=()), "sequence of names"),
        (lambda: absint.optimize(DISC, region=((0, 1), (0, 1))), "expected a Box"),
        (lambda: absint.optimize(DISC, precision="f16"), "f32 or f64"),
        (lambda: absint.render(DISC, 2.5), "whole number"),  # type: ignore[arg-type]  # the point
        (lambda: absint.load(3), "not a model"),  # type: ignore[arg-type]  # the point
        (lambda: absint.evaluate(DISC, 1j, 0.0), "real numbers"),
        (lambda: absint.render(DISC, 4, backend="numpi"), "unknown backend"),
    ],
)
def test_wrong_arguments_are_named(call: Any, message: str) -> None:
    with pytest.raises(AbsintError, match=message):
        call()


def test_sizes_and_points_may_be_numpys() -> None:
    assert absint.render(DISC, np.int64(3)).shape == (3, 3)
    assert absint.evaluate(DISC, np.array([1, 0]), np.float64(0)).tolist() == [0.5, -0.5]


def test_the_face_names_what_it_holds() -> None:
    for name in absint.__all__:
        assert getattr(absint, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        absint.nothing  # noqa: B018  # the access is the test


def test_levels_start_again_from_the_source_where_they_must() -> None:
    sign = absint.optimize(DISC)
    assert sign.promise is Promise.SIGN
    values, _ = run_pipeline(sign, level=1)
    assert values.promise is Promise.BITS
    with pytest.raises(UsageError, match="level"):
        run_pipeline(sign, level=-1)
