"""Text as a shape: `text("absint", 0.5)` is below zero inside the letters.

A string enters, an expression of x and y leaves: the union of all strokes of its glyphs
(`absint.shapes.stroke_font`), as a balanced tree in reading order for each line, and another over the lines.
A stroke is the intersection of its two edges and its cuts, about ten operations. Values of y alone are the
same for all glyphs of a line, so they are one node of the graph. The result has thousands of cheap, local
parts, as in the Prospero Challenge (Keeter, 2025).

Constants are computed with basic operations, so that the same arguments give the same program on every
machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from absint.base.arguments import elements
from absint.base.errors import ExpressionError, shown
from absint.frontend.expr import Expr, X, Y, as_number, maximum, sqrt, square
from absint.shapes.solids import Vector, circle, half_plane, intersection, union
from absint.shapes.stroke_font import CAPITAL, DOT, GLYPHS, Dot, Keep, Line, Point, Ring, Side, Stroke

PEN = 0.115
"""The pen's default thickness, relative to the size."""
HEAVIEST = 1 / 6
"""The thickest pen that leaves gaps and counters open, relative to the size."""
LINE_HEIGHT = 1.6
"""The default distance between baselines, relative to the size."""
ALIGNMENTS = {"left": 0.0, "center": 0.5, "right": 1.0}


def text(
    string: str,
    size: float,
    at: Vector = (0.0, 0.0),
    pen: float | None = None,
    align: str = "left",
    line_height: float | None = None,
) -> Expr:
    """Lines of printable ASCII, separated by newlines, in strokes of one thickness. A bound.

    `size`: height of a capital, in model units. `at`: the start, middle or end of the first baseline, as
    `align` is "left", "center" or "right". `pen`: thickness of strokes, at most a sixth of `size`; default:
    0.115 · size. `line_height`: distance between baselines; default: 1.6 · size. Ink extends at most 1.16 ·
    size above a baseline and 0.3 · size below. Raises `ExpressionError`, with line and column, for a
    character without a glyph, and for a string without ink.
    """
    scale = _scale("text", string, size, pen)
    x, y = _point(at)
    if not isinstance(align, str) or align not in ALIGNMENTS:
        raise ExpressionError(f"text: align: expected 'left', 'center' or 'right', not {shown(align)}")
    feed = scale.size * LINE_HEIGHT if line_height is None else _positive(line_height, "text: line_height")
    drawn = []
    for i, line in enumerate(string.split("\n")):
        width = scale.width(line)
        start = x - ALIGNMENTS[align] * width, y - i * feed
        if not all(map(math.isfinite, (*start, start[0] + width))):
            raise ExpressionError("text: size: so large a text reaches to infinity")
        if strokes := list(_strokes(line, start, scale)):
            drawn.append(union(*strokes))
    if not drawn:
        raise ExpressionError(f"text: string: {shown(string)} has no ink")
    return union(*drawn)


def text_width(string: str, size: float, pen: float | None = None) -> float:
    """The width of the longest line in model units, including the space beside its first and last letter.

    Arguments and errors are those of `text`, but a string without ink has a width too.
    """
    scale = _scale("text_width", string, size, pen)
    return max(scale.width(line) for line in string.split("\n"))


# Layout.


@dataclass(frozen=True, slots=True)
class _Scale:
    """The height of a capital and the pen's thickness, in model units."""

    size: float
    pen: float

    @property
    def unit(self) -> float:
        """Model units per unit of a glyph's skeleton."""
        return (self.size - self.pen) / CAPITAL

    def width(self, line: str) -> float:
        """The sum of the advances of a line's glyphs, in model units."""
        units = 0.0
        for char in line:  # exact, since advances are integers
            units += GLYPHS[char].advance
        return units * self.unit + len(line) * self.pen


def _scale(function: str, string: str, size: float, pen: float | None) -> _Scale:
    """The scale of a text. Raises `ExpressionError`, which names `function`, for a bad argument."""
    if not isinstance(string, str):
        raise ExpressionError(f"{function}: string: expected a str, not {shown(string)}")
    for i, line in enumerate(string.split("\n")):
        for j, char in enumerate(line):
            if char not in GLYPHS:
                raise ExpressionError(
                    f"{function}: string: no glyph for {char!r} (U+{ord(char):04X}) at line {i + 1}, "
                    f"column {j + 1}; there are those of printable ASCII"
                )
    height = _positive(size, f"{function}: size")
    thickness = height * PEN if pen is None else _positive(pen, f"{function}: pen")
    if thickness > height * HEAVIEST:
        raise ExpressionError(
            f"{function}: pen: {thickness!r} is more than a sixth of the size {height!r}: letters would close"
        )
    return _Scale(height, thickness)


def _positive(value: object, what: str) -> float:
    number = as_number(value)
    if number is None or not 0 < number < math.inf:
        raise ExpressionError(f"{what}: expected a finite number above 0, not {shown(value)}")
    return number


def _point(value: Vector) -> Point:
    parts = [as_number(part) for part in elements(value, 2) or ()]
    match parts:
        case [float(x), float(y)] if math.isfinite(x) and math.isfinite(y):
            return x, y
    raise ExpressionError(f"text: at: expected two finite coordinates, not {shown(value)}")


def _strokes(line: str, start: Point, scale: _Scale) -> Iterator[Expr]:
    """The strokes of a line whose baseline starts at `start`, in reading order."""
    unit, half = scale.unit, scale.pen / 2
    units = 0.0
    for i, char in enumerate(line):
        glyph = GLYPHS[char]
        x = start[0] + (units + glyph.before) * unit + i * scale.pen
        place = _Place(x + half, start[1] + half, unit, half)
        for stroke in glyph.strokes:
            yield place.draw(stroke)
        units += glyph.advance


# Drawing.


@dataclass(frozen=True, slots=True)
class _Place:
    """The position of a skeleton's origin, its unit, and half the pen; all in model units."""

    x: float
    y: float
    unit: float
    half: float

    def draw(self, stroke: Stroke) -> Expr:
        """The shape of a stroke; a bound."""
        match stroke.path:
            case Dot() as path:
                return circle(DOT * self.half, self.point(path.center))
            case Line() as path:
                ink = self.line(path)
            case Ring() as path:
                ink = self.ring(path)
        cuts = [self.keep(keep) for keep in stroke.keep]
        return intersection(ink, intersection(*cuts)) if cuts else ink

    def point(self, skeleton: Point) -> Point:
        return self.x + skeleton[0] * self.unit, self.y + skeleton[1] * self.unit

    def line(self, path: Line) -> Expr:
        """Both edges of a straight stroke."""
        (x0, y0), (x1, y1) = self.point(path.start), self.point(path.end)
        if x0 == x1:
            return _between(x0 - self.half, X, x0 + self.half)
        if y0 == y1:
            return _between(y0 - self.half, Y, y0 + self.half)
        dx, dy = path.grow[0] * self.half, path.grow[1] * self.half
        across = half_plane((x0 - dx, y0 - dy), (y1 - y0 + 2 * dy, x0 - x1 - 2 * dx))
        return _between(-self.half, across, self.half)

    def ring(self, path: Ring) -> Expr:
        """Both edges of a curved stroke."""
        (x0, y0), (x1, y1) = self.point(path.lower), self.point(path.upper)
        distance = sqrt(square(_beyond(x0, X, x1)) + square(_beyond(y0, Y, y1)))
        radius = path.radius * self.unit
        return _between(radius - self.half, distance, radius + self.half)

    def keep(self, keep: Keep) -> Expr:
        return union(*map(self.side, keep.sides))

    def side(self, side: Side) -> Expr:
        nx, ny = side.normal
        x, y = self.point(side.point)
        x, y = x + nx * side.grow * self.half, y + ny * side.grow * self.half
        if ny == 0:
            return X - x if nx > 0 else x - X
        if nx == 0:
            return Y - y if ny > 0 else y - Y
        return half_plane((x, y), (nx, ny))


def _between(lower: float, value: Expr, upper: float) -> Expr:
    return maximum(lower - value, value - upper)


def _beyond(lower: float, axis: Expr, upper: float) -> Expr:
    """The distance of a coordinate from a range, which may be unbounded; signed if the range is a point."""
    if lower == upper:
        return axis - lower
    ends = [lower - axis] * math.isfinite(lower) + [axis - upper] * math.isfinite(upper)
    return maximum(*ends, 0.0)
