"""Writes the bundled models: `python -m absint.models.generate`, with the same result on every machine.

A model is a function that returns a shape. Its docstring becomes the comment at the head of the file.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import reduce
from pathlib import Path

import numpy as np

from absint.evaluation.image_files import write_whole
from absint.frontend.expr import Expr, X, Y, Z, atan2, cos, ln, maximum, sin, sqrt, square, to_graph
from absint.frontend.vm import write_vm
from absint.ops.precision import Precision
from absint.ops.table import ATAN
from absint.shapes.lettering import text, text_width
from absint.shapes.solids import (
    box,
    capsule,
    circle,
    complement,
    difference,
    direction,
    exponential_union,
    extrude,
    intersection,
    mirror,
    move,
    offset,
    polygon,
    rotate,
    rounded_box,
    shell,
    smooth_union,
    sphere,
    union,
)

Model = Callable[[], Expr]
Point = tuple[float, float]
TURN = 2 * math.pi


def polar(radius: float, angle: float) -> Point:
    """The point at a distance from the origin, in a direction given in radians."""
    x, y = direction(angle)
    return radius * x, radius * y


def around(shape: Expr, count: int) -> list[Expr]:
    """`count` copies of a shape, rotated by equal angles about the z axis."""
    return [rotate(shape, i * TURN / count) for i in range(count)]


def involute_gear(teeth: int, pitch: float, addendum: float, steps: int) -> list[Point]:
    """The outline of a gear with a pressure angle of 25° whose gaps end at the base circle.

    `pitch`: radius at which teeth are as wide as gaps. `addendum`: height of a tooth above that radius.
    `steps`: chords per flank.
    """
    base, tip = pitch * direction(math.radians(25))[0], pitch + addendum

    def involute_angle(radius: float) -> float:
        """The polar angle of the base circle's involute at a radius."""
        t = np.float64(math.sqrt(max(radius * radius / (base * base) - 1, 0.0)))
        return float(t - ATAN.body(Precision.F64)(t))

    half_width = math.pi / 2 / teeth + involute_angle(pitch)
    radii = [base + (tip - base) * i / steps for i in range(steps + 1)]
    flank = [(radius, half_width - involute_angle(radius)) for radius in radii]
    outline = []
    for tooth in range(teeth):
        middle = tooth * TURN / teeth
        outline += [polar(radius, middle - half) for radius, half in flank]
        outline += [polar(radius, middle + half) for radius, half in reversed(flank)]
    return outline


def gear() -> Expr:
    """Gear with fourteen involute teeth, five spokes and a keyway.

    The outline is one polygon of 84 edges, each a half-plane that occurs once; the rest are circles and
    boxes. It reaches from z = -0.2 to 0.2.
    """
    wheel = polygon(involute_gear(14, pitch=0.83, addendum=0.1, steps=2))
    spokes = around(box((-0.055, 0.0), (0.055, 0.65)), 5)
    windows = difference(circle(0.6), circle(0.33), *spokes)
    bore = union(circle(0.17), box((-0.05, 0.0), (0.05, 0.23)))
    return extrude(difference(wheel, windows, bore), -0.2, 0.2)


def blend() -> Expr:
    """Molecule: spheres and rods in one smooth blend.

    Polynomial smooth unions of radius 0.12, in a chain; none of its operations lowers to comparisons alone.
    """
    atoms = [(*polar(0.65, TURN * (i + 0.25) / 5), 0.04 - 0.08 * (i % 2)) for i in range(5)]
    atoms += [(0.0, 0.0, 0.6), (0.0, 0.0, -0.6)]
    parts = [sphere(0.28)]
    for atom, size in zip(atoms, (0.25, 0.17, 0.21, 0.15, 0.19, 0.2, 0.2), strict=True):
        parts += [capsule((0.0, 0.0, 0.0), atom, 0.07), sphere(size, atom)]
    return reduce(lambda a, b: smooth_union(a, b, 0.12), parts)


def bracket() -> Expr:
    """Bearing bracket: a plate with an eye on a flange with slots, ribs and fillets.

    A part in three dimensions; at z = 0 the cut goes through the plate, the bore and the counterbored slots.
    """
    eye = (0.0, 0.46)
    outline = polygon([(-0.54, -0.7), (0.54, -0.7), (0.3, 0.46), (-0.3, 0.46)])
    plate = extrude(smooth_union(outline, circle(0.38, eye), 0.12), -0.12, 0.12)
    window = offset(polygon([(0.09, -0.38), (0.37, -0.38), (0.27, 0.0), (0.09, 0.0)]), 0.04)
    boss = extrude(circle(0.32, eye), -0.3, 0.3)
    side = polygon([(-0.6, -0.7), (0.6, -0.7), (0.17, 0.16), (-0.17, 0.16)])  # z to the left, seen along x
    rib = rotate(extrude(side, -0.05, 0.05), math.pi / 2, "y")
    upright = difference(smooth_union(plate, boss, 0.06), mirror(window, "x"))
    flange = rounded_box((-0.96, -0.88, -0.7), (0.96, -0.62, 0.7), 0.06)
    body = smooth_union(union(upright, rib), flange, 0.12)
    slot = rotate(capsule((0.8, -0.35), (0.8, 0.35), 0.055), math.pi / 2, "x")
    head = rotate(capsule((0.8, -0.35), (0.8, 0.35), 0.1), math.pi / 2, "x")
    bolts = mirror(union(slot, intersection(head, -0.72 - Y)), "x")
    bore = union(circle(0.17, eye), move(extrude(circle(0.22, eye), -0.1, 0.1), dz=0.25))
    return difference(body, bolts, bore)


def gyroid() -> Expr:
    """Gyroid: a periodic minimal surface as a wall within a ball, with sines and cosines.

    sin u cos v + sin v cos w + sin w cos u with u, v, w = 9x, 9y, 9z, turned such that z is a diagonal.
    """
    u, v, w = 9.0 * X, 9.0 * Y, 9.0 * Z
    waves = sin(u) * cos(v) + sin(v) * cos(w) + sin(w) * cos(u)
    wall = rotate(rotate(shell(waves, 0.8) / 16.0, TURN / 8, "x"), math.atan(math.sqrt(0.5)), "y")
    return union(intersection(wall, sphere(0.9)), shell(sphere(0.9), 0.06))


def spiral() -> Expr:
    """Spiral: six logarithmic arms around a disc, with atan2, ln, sin and exp.

    The arms are sin(6·angle - 9·ln(radius)), joined with the disc by an exponential union.
    """
    radius = sqrt(square(X) + square(Y))
    arms = sin(6.0 * atan2(Y, X) - 9.0 * ln(maximum(radius, 0.01))) * maximum(radius, 0.01) * (1 / 11)
    ring = intersection(circle(0.9), complement(circle(0.2)))
    return exponential_union(intersection(arms, ring), circle(0.2), 0.02)


SPEECH = """\
Our revels now are ended. These our actors,
As I foretold you, were all spirits, and
Are melted into air, into thin air:
And like the baseless fabric of this vision,
The cloud-capp'd towers, the gorgeous palaces,
The solemn temples, the great globe itself,
Yea, all which it inherit, shall dissolve,
And, like this insubstantial pageant faded,
Leave not a rack behind. We are such stuff
As dreams are made on; and our little life
Is rounded with a sleep."""


def tempest() -> Expr:
    """Text: Prospero's speech from The Tempest, in some 800 strokes.

    The least of lines, rounded rings and dots, each clipped to its place: thousands of cheap operations of
    which any region needs few. Two-dimensional, and after the Prospero Challenge.
    """
    edge = 0.94
    size = 2 * edge / text_width(SPEECH, 1.0)
    return union(
        text("The Tempest", 0.13, (-edge, 0.79)),
        text(SPEECH, size, (-edge, 0.56), line_height=0.131),
        text("William Shakespeare, Act IV, Scene 1", 0.05, (edge, -0.91), align="right"),
    )


MODELS: tuple[Model, ...] = (gear, blend, bracket, gyroid, spiral, tempest)


def generate(model: Model) -> str:
    """The text of a model's file."""
    comments = [*(inspect.getdoc(model) or "").split("\n"), "", "Written by absint.models.generate."]
    return write_vm(to_graph(model()), comments)


def main() -> None:
    """Write the files of all bundled models."""
    for model in MODELS:
        path = Path(__file__).with_name(f"{model.__name__}.vm")
        write_whole(path, generate(model).encode())


if __name__ == "__main__":
    main()
