"""The bundled models are what the generator writes, and fit the picture."""

from __future__ import annotations

import numpy as np
import pytest

from absint import models
from absint.base.errors import UsageError
from absint.evaluation.view import View
from absint.frontend.vm import parse_vm
from absint.ir.graph import Graph
from absint.ir.interpreter import interpret_concrete
from absint.models import generate
from absint.ops.precision import Precision

NAMES = [model.__name__ for model in generate.MODELS]


def graph_of(name: str) -> Graph:
    return parse_vm(models.text(name), name)


def test_every_model_has_its_file_and_no_file_is_without_a_model() -> None:
    assert models.names() == sorted(NAMES)


@pytest.mark.parametrize("model", generate.MODELS, ids=NAMES)
def test_the_file_is_what_the_generator_writes(model: generate.Model) -> None:
    expected = generate.generate(model)
    assert models.text(model.__name__) == expected, "run `python -m absint.models.generate`"


@pytest.mark.parametrize("name", NAMES)
def test_a_file_begins_with_a_description(name: str) -> None:
    description = models.describe(name)
    assert models.text(name).startswith(f"# {description}\n#\n")
    assert description.endswith(".")


def test_an_unknown_model_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"nosuch: no bundled model of that name \(.*gear.*\)"):
        models.text("nosuch")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("precision", Precision)
def test_a_model_makes_a_picture_inside_its_frame(name: str, precision: Precision) -> None:
    view = View.square(101)
    variables = {
        "x": view.xs(precision)[None, :],
        "y": view.ys(precision)[:, None],
        "z": view.height_z(precision)[:, None],
    }
    values = interpret_concrete(graph_of(name), precision, variables)[-1]
    assert values.shape == (101, 101)
    assert np.isfinite(values).all()
    inside = values < 0
    assert 0.09 < inside.mean() < 0.6
    assert not (inside[0].any() or inside[-1].any() or inside[:, 0].any() or inside[:, -1].any())


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_sound_and_small(name: str) -> None:
    graph = graph_of(name)
    graph.verify()
    assert len(graph) < (1000 if name != "tempest" else 12_000)


@pytest.mark.parametrize("name", ["blend", "bracket", "gyroid", "gear"])
def test_a_part_ends_within_the_cube(name: str) -> None:
    side = np.linspace(-1, 1, 41)
    plane = {"x": side[None, :], "y": side[:, None]}
    for z in (-1.0, 1.0):
        values = interpret_concrete(graph_of(name), Precision.F64, {**plane, "z": np.float64(z)})[-1]
        assert (values >= 0).all()


def test_the_gear_has_an_edge_per_half_plane() -> None:
    outline = generate.involute_gear(14, pitch=0.83, addendum=0.1, steps=2)
    assert len(outline) == 84
    radii = np.hypot(*np.transpose(outline))
    assert radii.max() == pytest.approx(0.93)
