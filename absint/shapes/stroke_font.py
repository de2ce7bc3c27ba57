"""The stroke font of `text`: every printable ASCII character as lines, rounded rings and dots.

A glyph consists of strokes: the areas that a pen of constant thickness draws along *skeletons*, the strokes'
centre lines. A capital's skeleton is 100 units high; x runs to the right from the glyph's left edge, y up
from the baseline. A stroke extends half a pen to either side of its skeleton, so the outer edges of a capital
are 100 units plus one pen apart. Straight strokes end half a pen beyond the skeleton, with a horizontal or
vertical cut; curved strokes end where the glyph says.

Curves are parts of *rings*: rounded rectangles, of which a letter uses some sides. An `n` is a stem and a
ring without its lower side, so that its arch and right leg are one stroke. Glyphs do not depend on the pen; a
cut that has to follow an outline is given an offset in half pens. The design is absint's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Point = tuple[float, float]

CAPITAL = 100.0
"""Height of capitals, digits and ascenders."""
SMALL = 68.0
"""Height of a lowercase x."""
DESCENDER = -30.0
DOT = 1.25

# Cuts: the part of a stroke that is kept.


@dataclass(frozen=True, slots=True)
class Side:
    """The half-plane (p - point)·normal < `grow` half pens. `normal` has length 1."""

    point: Point
    normal: Point
    grow: float


@dataclass(frozen=True, slots=True)
class Keep:
    """The part of the plane that a cut keeps: the union of half-planes."""

    sides: tuple[Side, ...]

    def __or__(self, other: Keep) -> Keep:
        return Keep(self.sides + other.sides)


def left(x: float, grow: float = 0) -> Keep:
    """To the left of x plus `grow` half pens."""
    return Keep((Side((x, 0.0), (1.0, 0.0), grow),))


def right(x: float, grow: float = 0) -> Keep:
    """To the right of x minus `grow` half pens."""
    return Keep((Side((x, 0.0), (-1.0, 0.0), grow),))


def below(y: float, grow: float = 0) -> Keep:
    """Below y plus `grow` half pens."""
    return Keep((Side((0.0, y), (0.0, 1.0), grow),))


def above(y: float, grow: float = 0) -> Keep:
    """Above y minus `grow` half pens."""
    return Keep((Side((0.0, y), (0.0, -1.0), grow),))


def behind(point: Point, ahead: Point, grow: float = 0) -> Keep:
    """The side of `point` that the vector `ahead` points away from, extended by `grow` half pens."""
    length = math.sqrt(ahead[0] * ahead[0] + ahead[1] * ahead[1])
    return Keep((Side(point, (ahead[0] / length, ahead[1] / length), grow),))


# Strokes.


@dataclass(frozen=True, slots=True)
class Line:
    """The line through both points, after moving the end by `grow` half pens and the start the other way."""

    start: Point
    end: Point
    grow: Point = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Ring:
    """The curve at distance `radius` from the rectangle from `lower` to `upper`, which may be a segment or a
    point, and may be infinite.
    """

    lower: Point
    upper: Point
    radius: float


@dataclass(frozen=True, slots=True)
class Dot:
    """A disc `DOT` times as wide as the pen."""

    center: Point


@dataclass(frozen=True, slots=True)
class Stroke:
    """The stroke of a pen along a path, intersected with all of `keep`."""

    path: Line | Ring | Dot
    keep: tuple[Keep, ...] = ()


def stem(x: float, bottom: float, top: float) -> Stroke:
    """A vertical stroke."""
    return Stroke(Line((x, bottom), (x, top)), (above(bottom, 1), below(top, 1)))


def bar(x0: float, x1: float, y: float) -> Stroke:
    """A horizontal stroke."""
    return Stroke(Line((x0, y), (x1, y)), (right(x0, 1), left(x1, 1)))


def slant(x0: float, y0: float, x1: float, y1: float, *keep: Keep, bottom: float | None = None) -> Stroke:
    """A slanted stroke from left to right, with horizontal cuts if it is steep and vertical cuts if it is
    flat.

    Its centre line meets the cuts half a pen beyond the points, so that two slants from one point form a
    clean apex. `bottom`: height of a steep stroke's lower cut, instead of its lower end.
    """
    if abs(y1 - y0) < x1 - x0:
        return Stroke(Line((x0, y0), (x1, y1), (1.0, 0.0)), (right(x0, 1), left(x1, 1), *keep))
    low = min(y0, y1) if bottom is None else bottom
    grow = 0.0, math.copysign(1.0, y1 - y0)
    return Stroke(Line((x0, y0), (x1, y1), grow), (above(low, 1), below(max(y0, y1), 1), *keep))


def ring(
    x0: float, y0: float, x1: float, y1: float, *keep: Keep, radius: float | None = None, without: str = ""
) -> Stroke:
    """A stroke along a rounded rectangle, with the largest possible radius unless one is given.

    `without`: sides that are missing, of "left", "right", "top" and "bottom"; there the ring is infinite.
    """
    r = min(x1 - x0, y1 - y0) / 2 if radius is None else radius
    lower = -math.inf if "left" in without else x0 + r, -math.inf if "bottom" in without else y0 + r
    upper = math.inf if "right" in without else x1 - r, math.inf if "top" in without else y1 - r
    return Stroke(Ring(lower, upper, r), keep)


def arch(x0: float, x1: float, *keep: Keep, bottom: float = 0, top: float = SMALL) -> Stroke:
    """A ring without its lower side, with the largest possible radius, down to `bottom`."""
    return ring(x0, bottom, x1, top, above(bottom, 1), *keep, radius=(x1 - x0) / 2, without="bottom")


def trough(x0: float, x1: float, *keep: Keep, bottom: float = 0, top: float = SMALL) -> Stroke:
    """A ring without its upper side, with the largest possible radius, up to `top`."""
    return ring(x0, bottom, x1, top, below(top, 1), *keep, radius=(x1 - x0) / 2, without="top")


def bowl(y0: float, y1: float, x1: float, *, radius: float | None = None) -> Stroke:
    """A ring without its left side, from a stem at 0 to x1."""
    r = (y1 - y0) / 2 if radius is None else radius
    return ring(0, y0, x1, y1, right(0, 1), radius=r, without="left")


def dot(x: float, y: float) -> Stroke:
    """A full stop."""
    return Stroke(Dot((x, y)))


# Glyphs.

ROOM = {"|": 11.0, "(": 7.0, ")": 7.0, "/": 3.0, ".": 10.0}
"""Space beside a glyph's outline, by the outline's kind: straight; round; slanted or open; dot."""


@dataclass(frozen=True, slots=True)
class Glyph:
    """The strokes of a character. `width`: the skeleton's width. `before`, `after`: space beside the outline.
    All three are integers.
    """

    width: float
    before: float
    after: float
    strokes: tuple[Stroke, ...]

    @property
    def advance(self) -> float:
        """The distance to the next glyph's left edge, without the pen."""
        return self.before + self.width + self.after


def glyph(sides: str, width: float, *strokes: Stroke) -> Glyph:
    """A glyph with two kinds of side."""
    return Glyph(width, ROOM[sides[0]], ROOM[sides[1]], strokes)


O, N = 46.0, 44.0  # width of an o, of an n

GLYPHS = {
    " ": glyph("//", 18),
    "a": glyph(
        "/|", 42,
        arch(0, 42, above(53) | right(21)),
        ring(0, 0, 42, 37, left(42), without="right"),
    ),
    "b": glyph("|)", O, stem(0, 0, CAPITAL), ring(0, 0, O, SMALL)),
    "c": glyph("(/", 42, ring(0, 0, 42, SMALL, above(50) | below(18) | left(21))),
    "d": glyph("(|", O, stem(O, 0, CAPITAL), ring(0, 0, O, SMALL)),
    "e": glyph("()", O, ring(0, 0, O, SMALL, above(34, 1) | below(16) | left(23)), bar(0, O, 34)),
    "f": glyph("//", 32, arch(10, 46, left(34), top=CAPITAL), bar(0, 30, SMALL)),
    "g": glyph("(|", O, ring(0, 0, O, SMALL), trough(0, O, right(11), bottom=DESCENDER)),
    "h": glyph("||", N, stem(0, 0, CAPITAL), arch(0, N)),
    "i": glyph("||", 0, stem(0, 0, SMALL), dot(0, 94)),
    "j": glyph("/|", 18, trough(-14, 18, right(0), bottom=DESCENDER), dot(18, 94)),
    "k": glyph(
        "|/", 42, stem(0, 0, CAPITAL),
        slant(-4, 14, 40, SMALL, right(0)), slant(5, 46, 42, 0, behind((18, 41), (-54, 44))),
    ),
    "l": glyph("|/", 18, trough(0, 30, left(18), top=CAPITAL)),
    "m": glyph("||", 80, stem(0, 0, SMALL), arch(0, 40), arch(40, 80)),
    "n": glyph("||", N, stem(0, 0, SMALL), arch(0, N)),
    "o": glyph("()", O, ring(0, 0, O, SMALL)),
    "p": glyph("|)", O, stem(0, DESCENDER, SMALL), ring(0, 0, O, SMALL)),
    "q": glyph("(|", O, stem(O, DESCENDER, SMALL), ring(0, 0, O, SMALL)),
    "r": glyph("|/", 26, stem(0, 0, SMALL), arch(0, 40, left(26))),
    "s": glyph(
        "//", 42,
        ring(0, 34, 42, SMALL, above(53) | left(25)),
        ring(0, 0, 42, 34, below(15) | right(17)),
    ),
    "t": glyph("//", 32, trough(10, 42, left(32), top=88), bar(0, 30, SMALL)),
    "u": glyph("||", N, stem(N, 0, SMALL), trough(0, N)),
    "v": glyph("//", 46, slant(0, SMALL, 23, 0), slant(23, 0, 46, SMALL)),
    "w": glyph(
        "//", 72,
        slant(0, SMALL, 18, 0), slant(18, 0, 36, SMALL), slant(36, SMALL, 54, 0), slant(54, 0, 72, SMALL),
    ),
    "x": glyph("//", 44, slant(0, 0, 44, SMALL), slant(0, SMALL, 44, 0)),
    "y": glyph("//", 46, slant(0, SMALL, 23, 0), slant(23, 0, 46, SMALL, bottom=DESCENDER)),
    "z": glyph("//", 40, bar(0, 40, SMALL), bar(0, 40, 0), slant(0, 0, 40, SMALL, right(0, 1), left(40, 1))),
    "A": glyph("//", 68, slant(0, 0, 34, CAPITAL), slant(34, CAPITAL, 68, 0), bar(14, 54, 30)),
    "B": glyph("|)", 52, stem(0, 0, CAPITAL), bowl(50, 100, 48), bowl(0, 50, 52)),
    "C": glyph("(/", 60, ring(0, 0, 60, CAPITAL, above(73) | below(27) | left(30))),
    "D": glyph("|)", 60, stem(0, 0, CAPITAL), bowl(0, CAPITAL, 60, radius=32)),
    "E": glyph("|/", 46, stem(0, 0, CAPITAL), bar(0, 46, CAPITAL), bar(0, 42, 52), bar(0, 46, 0)),
    "F": glyph("|/", 45, stem(0, 0, CAPITAL), bar(0, 45, CAPITAL), bar(0, 41, 50)),
    "G": glyph("(|", 62, ring(0, 0, 62, CAPITAL, above(73) | below(46, 1) | left(31)), bar(36, 62, 46)),
    "H": glyph("||", 58, stem(0, 0, CAPITAL), stem(58, 0, CAPITAL), bar(0, 58, 52)),
    "I": glyph("||", 0, stem(0, 0, CAPITAL)),
    "J": glyph("/|", 36, trough(0, 36, below(24) | right(18), top=CAPITAL)),
    "K": glyph(
        "|/", 56, stem(0, 0, CAPITAL),
        slant(-4, 28, 52, CAPITAL, right(0)), slant(2, 70, 56, 0, behind((24, 64), (-72, 56))),
    ),
    "L": glyph("|/", 44, stem(0, 0, CAPITAL), bar(0, 44, 0)),
    "M": glyph(
        "||", 70, stem(0, 0, CAPITAL), stem(70, 0, CAPITAL),
        slant(0, CAPITAL, 35, 26, right(0, 1)), slant(35, 26, 70, CAPITAL, left(70, 1)),
    ),
    "N": glyph(
        "||", 60, stem(0, 0, CAPITAL), stem(60, 0, CAPITAL),
        slant(0, CAPITAL, 60, 0, right(0, 1), left(60, 1)),
    ),
    "O": glyph("()", 64, ring(0, 0, 64, CAPITAL)),
    "P": glyph("|)", 52, stem(0, 0, CAPITAL), bowl(44, CAPITAL, 52)),
    "Q": glyph("()", 64, ring(0, 0, 64, CAPITAL), slant(42, 24, 66, -6)),
    "R": glyph("|/", 54, stem(0, 0, CAPITAL), bowl(46, CAPITAL, 52), slant(26, 46, 54, 0)),
    "S": glyph(
        "//", 56,
        ring(0, 50, 56, CAPITAL, above(78) | left(31)),
        ring(0, 0, 56, 50, below(22) | right(25)),
    ),
    "T": glyph("//", 58, bar(0, 58, CAPITAL), stem(29, 0, CAPITAL)),
    "U": glyph("||", 58, trough(0, 58, top=CAPITAL)),
    "V": glyph("//", 64, slant(0, CAPITAL, 32, 0), slant(32, 0, 64, CAPITAL)),
    "W": glyph(
        "//", 96, slant(0, CAPITAL, 24, 0), slant(24, 0, 48, CAPITAL),
        slant(48, CAPITAL, 72, 0), slant(72, 0, 96, CAPITAL),
    ),
    "X": glyph("//", 60, slant(0, 0, 60, CAPITAL), slant(0, CAPITAL, 60, 0)),
    "Y": glyph("//", 60, slant(0, CAPITAL, 30, 46), slant(30, 46, 60, CAPITAL), stem(30, 0, 46)),
    "Z": glyph(
        "//", 54, bar(0, 54, CAPITAL), bar(0, 54, 0),
        slant(0, 0, 54, CAPITAL, right(0, 1), left(54, 1)),
    ),
    "0": glyph("()", 50, ring(0, 0, 50, CAPITAL)),
    "1": glyph("//", 40, stem(30, 0, CAPITAL), slant(6, 76, 30, CAPITAL, left(30, 1))),
    "2": glyph(
        "//", 50,
        ring(0, 50, 50, CAPITAL, above(74) | behind((25, 75), (-3, -4))),
        Stroke(Line((0, 0), (45, 60)), (right(0, 1), above(0, 1), behind((45, 60), (3, 4), 0.2))),
        bar(0, 50, 0),
    ),
    "3": glyph(
        "/)", 50,
        ring(0, 52, 48, CAPITAL, above(80) | right(24)),
        ring(0, 0, 50, 52, below(22) | right(24)),
        bar(16, 24, 52),
    ),
    "4": glyph(
        "//", 52, stem(40, 0, CAPITAL), bar(0, 52, 24),
        slant(0, 24, 40, CAPITAL, right(0, 1), left(40, 1)),
    ),
    "5": glyph(
        "/)", 50,
        bar(4, 46, CAPITAL), stem(4, 50, CAPITAL),
        ring(0, 0, 50, 62, above(46) | below(22) | right(25), below(30) | right(4, 1)),
    ),
    "6": glyph("()", 50, ring(0, 0, 50, 58), ring(0, 0, 50, CAPITAL, above(76) | left(25))),
    "7": glyph("//", 48, bar(0, 48, CAPITAL), slant(12, 0, 48, CAPITAL, left(48, 1))),
    "8": glyph("()", 50, ring(0, 0, 50, 52), ring(3, 52, 47, CAPITAL)),
    "9": glyph("()", 50, ring(0, 42, 50, CAPITAL), ring(0, 0, 50, CAPITAL, below(24) | right(25))),
    ".": glyph("..", 0, dot(0, 0)),
    ",": glyph("..", 6, slant(0, -14, 6, 2)),
    ":": glyph("..", 0, dot(0, 0), dot(0, 54)),
    ";": glyph("..", 6, slant(0, -14, 6, 2), dot(4, 54)),
    "!": glyph("..", 0, stem(0, 30, CAPITAL), dot(0, 0)),
    "?": glyph("/)", 44, ring(0, 50, 44, CAPITAL, above(74) | right(22, 1)), stem(22, 28, 50), dot(22, 0)),
    "'": glyph("..", 0, stem(0, 74, CAPITAL)),
    '"': glyph("..", 25, stem(0, 74, CAPITAL), stem(25, 74, CAPITAL)),
    "`": glyph("//", 12, slant(0, 100, 12, 82)),
    "-": glyph("//", 26, bar(0, 26, 34)),
    "_": glyph("//", 50, bar(0, 50, -14)),
    "+": glyph("()", 48, bar(0, 48, 42), stem(24, 18, 66)),
    "=": glyph("()", 48, bar(0, 48, 55), bar(0, 48, 29)),
    "<": glyph("()", 46, slant(0, 42, 46, 64), slant(0, 42, 46, 20)),
    ">": glyph("()", 46, slant(0, 64, 46, 42), slant(0, 20, 46, 42)),
    "*": glyph("//", 36, stem(18, 56, CAPITAL), slant(0, 67, 36, 89), slant(0, 89, 36, 67)),
    "/": glyph("//", 44, slant(0, -8, 44, 108)),
    "\\": glyph("//", 44, slant(0, 108, 44, -8)),
    "|": glyph("..", 0, stem(0, -22, 112)),
    "(": glyph("(/", 18, ring(0, -40, 180, 140, left(18))),
    ")": glyph("/)", 18, ring(-162, -40, 18, 140, right(0))),
    "[": glyph("|/", 18, stem(0, -14, 112), bar(0, 18, 112), bar(0, 18, -14)),
    "]": glyph("/|", 18, stem(18, -14, 112), bar(0, 18, 112), bar(0, 18, -14)),
    "{": glyph(
        "//", 28,
        ring(14, 0, 60, 112, left(28), above(60), radius=14, without="right bottom"),
        ring(-60, 49, 14, 112, right(0, 1), below(80), radius=14, without="left top"),
        ring(-60, -14, 14, 49, right(0, 1), above(20), radius=14, without="left bottom"),
        ring(14, -14, 60, 112, left(28), below(40), radius=14, without="right top"),
    ),
    "}": glyph(
        "//", 28,
        ring(-60, 0, 14, 112, right(0), above(60), radius=14, without="left bottom"),
        ring(14, 49, 60, 112, left(28, 1), below(80), radius=14, without="right top"),
        ring(14, -14, 60, 49, left(28, 1), above(20), radius=14, without="right bottom"),
        ring(-60, -14, 14, 60, right(0), below(40), radius=14, without="left top"),
    ),
    "^": glyph("//", 44, slant(0, 62, 22, CAPITAL), slant(22, CAPITAL, 44, 62)),
    "~": glyph(
        "//", 56,
        ring(-8, 12, 32, 52, right(0), above(36), behind((28, 44), (3, -4), 0.1)),
        ring(24, 36, 64, 76, left(56), below(52), behind((28, 44), (-3, 4), 0.1)),
    ),
    "#": glyph(
        "//", 60, bar(0, 60, 68), bar(0, 60, 32), slant(10, 0, 22, CAPITAL), slant(38, 0, 50, CAPITAL)
    ),
    "$": glyph(
        "//", 54,
        ring(0, 50, 54, CAPITAL, above(78) | left(30)),
        ring(0, 0, 54, 50, below(22) | right(24)),
        stem(27, -16, 0), stem(27, CAPITAL, 116),
    ),
    "%": glyph(
        "()", 94, ring(0, 52, 30, CAPITAL), ring(64, 0, 94, 48), slant(23, 0, 71, CAPITAL),
    ),
    "&": glyph(
        "(/", 67,
        ring(9, 54, 43, CAPITAL),
        ring(0, 0, 54, 54, left(28)), trough(0, 54, right(26), top=34),
        Stroke(Line((12.4, 60.8), (58, 0)), (above(0, 1), behind((12.4, 60.8), (-3, 4), 0.2))),
    ),
    "@": glyph(
        "()", 92,
        ring(0, -22, 92, 92, above(30) | left(46)), trough(66, 92, bottom=12, top=40),
        ring(26, 12, 66, 56), stem(66, 24, 52),
    ),
}  # fmt: skip
