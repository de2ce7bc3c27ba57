"""Text: every glyph keeps to its box and is legible in every pen; lines stand where they should."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from absint import models
from absint.base.errors import ExpressionError
from absint.frontend.expr import Expr
from absint.frontend.vm import parse_vm
from absint.ir.graph import Graph
from absint.ir.interpreter import interpret_concrete
from absint.models.generate import SPEECH
from absint.ops.precision import Precision
from absint.shapes.lettering import ALIGNMENTS, HEAVIEST, LINE_HEIGHT, PEN, text, text_width
from absint.shapes.stroke_font import CAPITAL, DOT, GLYPHS, Dot, Line, Ring, Stroke

Picture = NDArray[np.bool_]
Points = NDArray[np.float64]

PENS = (0.03, PEN, HEAVIEST)
INKED = "".join(sorted(GLYPHS)).strip()
STEP = 1 / 160
LEFT, BOTTOM, TOP = -0.1, -0.35, 1.25  # of the pictures of glyphs, in sizes


def values(shape: Expr, x: Points, y: Points, precision: Precision = Precision.F64) -> Points:
    variables = {"x": x.astype(precision.dtype), "y": y.astype(precision.dtype)}
    result: Points = interpret_concrete(shape.graph(), precision, variables)[-1].astype(np.float64)
    return result


def grid(width: float) -> tuple[Points, Points]:
    """Positions around a glyph of this width: columns and rows, at no round number."""
    x = np.arange(LEFT, width - LEFT, STEP) + STEP / math.pi
    y = np.arange(BOTTOM, TOP, STEP) + STEP / math.pi
    return x[None, :], y[:, None]


@cache
def picture(char: str, pen: float = PEN) -> Picture:
    """A glyph of size 1 at the origin, from the bottom to the top."""
    return values(text(char, 1.0, pen=pen), *grid(text_width(char, 1.0, pen))) < 0


def components(ink: Picture) -> int:
    """The number of parts; pixels are neighbours by their sides."""
    left = set(np.flatnonzero(np.pad(ink, 1)).tolist())
    width = ink.shape[1] + 2
    count = 0
    while left:
        count += 1
        reached = [left.pop()]
        while reached:
            pixel = reached.pop()
            for other in (pixel - 1, pixel + 1, pixel - width, pixel + width):
                if other in left:
                    left.remove(other)
                    reached.append(other)
    return count


def holes(ink: Picture) -> int:
    """The parts less the Euler number, which is counted from the corners (Gray, 1971)."""
    pad = np.pad(ink, 1).astype(int)
    quads = np.stack([pad[:-1, :-1], pad[:-1, 1:], pad[1:, :-1], pad[1:, 1:]])
    total = quads.sum(axis=0)
    diagonal = (total == 2) & (quads[0] == quads[3])
    euler = (int((total == 1).sum()) - int((total == 3).sum()) + 2 * int(diagonal.sum())) // 4
    return components(ink) - euler


# Glyphs.


def test_every_printable_character_has_a_glyph() -> None:
    assert set(GLYPHS) == {chr(code) for code in range(32, 127)}
    for glyph in GLYPHS.values():
        assert all(float(part).is_integer() for part in (glyph.width, glyph.before, glyph.after))


@pytest.mark.parametrize("pen", PENS)
def test_ink_stays_in_the_box(pen: float) -> None:
    for char in INKED:
        width = text_width(char, 1.0, pen)
        x, y = grid(width)
        ink = picture(char, pen)
        assert ink.any(), char
        columns, rows = x[0, ink.any(axis=0)], y[ink.any(axis=1), 0]
        assert 0 < columns.min() < columns.max() < width, char
        assert -0.3 < rows.min() < rows.max() < 1.16, char


@pytest.mark.parametrize("pen", PENS)
def test_a_capital_is_as_high_as_the_size(pen: float) -> None:
    for char in "ABCDEFGHIJKLMNOPRSTUVWXYZ0123456789bdfhkl":
        rows = grid(1.0)[1][picture(char, pen).any(axis=1), 0]
        assert rows.min() == pytest.approx(0, abs=STEP), char
        assert rows.max() == pytest.approx(1, abs=STEP), char


PARTS = dict.fromkeys('ij:;!?="', 2) | {"%": 3}
COUNTERS = dict.fromkeys("abdegopqADOPQR0469#@", 1) | dict.fromkeys("B8%&", 2)


@pytest.mark.parametrize("pen", PENS)
def test_no_pen_opens_a_joint_or_closes_a_counter(pen: float) -> None:
    found = {char: (components(picture(char, pen)), holes(picture(char, pen))) for char in INKED}
    assert found == {char: (PARTS.get(char, 1), COUNTERS.get(char, 0)) for char in INKED}


def test_no_two_glyphs_look_alike() -> None:
    for i, one in enumerate(INKED):
        for other in INKED[:i]:
            a, b = picture(one), picture(other)
            narrow = min(a.shape[1], b.shape[1])
            differing = np.count_nonzero(a[:, :narrow] != b[:, :narrow])
            differing += np.count_nonzero(a[:, narrow:]) + np.count_nonzero(b[:, narrow:])
            assert differing > 0.1 * min(np.count_nonzero(a), np.count_nonzero(b)), (one, other)


def inside(stroke: Stroke, x: Points, y: Points, unit: float, half: float) -> Picture:
    """What the font's docstrings say of a stroke, at positions in skeleton units times `unit`."""
    x, y, half = x / unit, y / unit, half / unit
    match stroke.path:
        case Dot(center):
            ink = np.hypot(x - center[0], y - center[1]) < DOT * half
        case Line(start, end, grow):
            a, b = np.subtract(start, np.multiply(half, grow)), np.add(end, np.multiply(half, grow))
            along = (b - a) / np.linalg.norm(b - a)
            ink = np.abs((x - a[0]) * along[1] - (y - a[1]) * along[0]) < half
        case Ring(lower, upper, radius):
            away = np.hypot(x - np.clip(x, lower[0], upper[0]), y - np.clip(y, lower[1], upper[1]))
            ink = np.abs(away - radius) < half
    for keep in stroke.keep:
        ink = ink & np.any(
            [
                (x - side.point[0]) * side.normal[0] + (y - side.point[1]) * side.normal[1] < side.grow * half
                for side in keep.sides
            ],
            axis=0,
        )
    return ink


def drawn(char: str, x: Points, y: Points, pen: float) -> list[Picture]:
    """The strokes of a glyph of size 1 at the origin."""
    unit, half = (1 - pen) / CAPITAL, pen / 2
    x, y = np.broadcast_arrays(x - GLYPHS[char].before * unit - half, y - half)
    return [inside(stroke, x, y, unit, half) for stroke in GLYPHS[char].strokes]


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("pen", PENS)
def test_below_zero_is_inside(pen: float, precision: Precision) -> None:
    rng = np.random.default_rng(1)
    for char in INKED:
        shape, width = text(char, 1.0, pen=pen), text_width(char, 1.0, pen)
        x = rng.uniform(LEFT, width - LEFT, 3000).astype(np.float32).astype(np.float64)
        y = rng.uniform(BOTTOM, TOP, 3000).astype(np.float32).astype(np.float64)
        wrong = (values(shape, x, y, precision) < 0) != np.any(drawn(char, x, y, pen), axis=0)
        # some roundings at values up to 2
        assert not wrong[np.abs(values(shape, x, y)) > 20 * precision.epsilon].any(), char


def test_every_stroke_adds_ink() -> None:
    for char in INKED:
        strokes = drawn(char, *grid(text_width(char, 1.0)), PEN)
        for i in range(len(strokes)):
            others = [*strokes[:i], *strokes[i + 1 :], np.zeros_like(strokes[0])]
            assert (strokes[i] & ~np.any(others, axis=0)).sum() > 10, (char, i)


def test_text_is_a_bound() -> None:
    shape = text(INKED, 0.1, (-2.5, 0), pen=0.01)
    rng = np.random.default_rng(1)
    here = rng.uniform((-2.6, -0.05), (2.6, 0.15), (3000, 2))
    for there in (rng.permutation(here), here + rng.uniform(-1e-3, 1e-3, here.shape)):
        change = np.abs(values(shape, *here.T) - values(shape, *there.T))
        assert (change <= np.hypot(*(here - there).T) * (1 + 1e-9) + 1e-14).all()


# Layout.


def scattered(count: int = 20_000) -> tuple[Points, Points]:
    x, y = np.random.default_rng(1).uniform(-2, 2, (2, count))
    return x, y


def same_ink(one: Expr, *others: Expr) -> bool:
    """Whether a shape is the union of the others, up to rounding."""
    x, y = scattered()
    got, expected = values(one, x, y), np.min([values(other, x, y) for other in others], axis=0)
    assert (got < 0).any()
    return bool(np.abs(got - expected).max() < 1e-14)


@pytest.mark.parametrize("align", ALIGNMENTS)
def test_lines_stand_below_each_other(align: str) -> None:
    lines = ["Our", "revels now", "", "are ended."]
    whole = text("\n".join(lines), 0.4, (0.1, 1.2), 0.05, align, 0.7)
    parts = []
    for i, line in enumerate(lines):
        if line:
            x = 0.1 - {"left": 0, "center": 0.5, "right": 1}[align] * text_width(line, 0.4, 0.05)
            parts.append(text(line, 0.4, (x, 1.2 - i * 0.7), 0.05))
    assert same_ink(whole, *parts)


def test_glyphs_stand_beside_each_other() -> None:
    whole = text("Te  !", 0.5, (-1, 0))
    starts = [text_width("Te  !"[:i], 0.5) - 1 for i in range(5)]
    parts = [text(char, 0.5, (starts[i], 0)) for i, char in ((0, "T"), (1, "e"), (4, "!"))]
    assert same_ink(whole, *parts)
    assert starts[3] - starts[2] > 0.1


def test_usual_sizes() -> None:
    assert same_ink(text("ab\nc", 0.5), text("ab\nc", 0.5, (0, 0), PEN * 0.5, "left", LINE_HEIGHT * 0.5))


def test_text_width() -> None:
    assert text_width("", 1) == 0
    assert text_width("a\nabc\nab", 0.5) == text_width("abc", 0.5)
    assert text_width("abc", 0.5) == pytest.approx(sum(text_width(char, 0.5) for char in "abc"))
    assert text_width("abc", 2.0, 0.1) == pytest.approx(4 * text_width("abc", 0.5, 0.025))
    assert text_width("abc", 1, 0.15) > text_width("abc", 1, 0.05)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: text("caf\u00e9", 1), r"text: string: no glyph for 'é' (U+00E9) at line 1, column 4"),
        (lambda: text("a\n\tb", 1), r"no glyph for '\t' (U+0009) at line 2, column 1"),
        (
            lambda: text_width("a\r\nb", 1),
            r"text_width: string: no glyph for '\r' (U+000D) at line 1, column 2",
        ),
        (lambda: text(b"a", 1), "text: string: expected a str, not b'a'"),
        (lambda: text("", 1), "text: string: '' has no ink"),
        (lambda: text(" \n ", 1), r"text: string: ' \n ' has no ink"),
        (lambda: text("a", 0), "text: size: expected a finite number above 0, not 0"),
        (lambda: text("a", math.inf), "text: size: expected a finite number above 0, not inf"),
        (lambda: text_width("a", math.nan), "text_width: size: expected a finite number above 0, not nan"),
        (lambda: text("a" * 100, 1e307, align="right"), "text: size: so large a text reaches to infinity"),
        (lambda: text("abc", 1e308), "text: size: so large a text reaches to infinity"),
        (lambda: text("ab", 1e308, (1.7e308, 0)), "text: size: so large a text reaches to infinity"),
        (lambda: text("a", 1, pen=-0.1), "text: pen: expected a finite number above 0"),
        (lambda: text("a", 1, pen=0.17), "text: pen: 0.17 is more than a sixth of the size 1.0"),
        (lambda: text("a", 1, (0, 0, 0)), "text: at: expected two finite coordinates, not (0, 0, 0)"),
        (lambda: text("a", 1, (0, math.inf)), "text: at: expected two finite coordinates"),
        (lambda: text("a", 1, 3), "text: at: expected two finite coordinates, not 3"),
        (
            lambda: text("a", 1, align="middle"),
            "text: align: expected 'left', 'center' or 'right', not 'middle'",
        ),
        (lambda: text("a", 1, line_height=0), "text: line_height: expected a finite number above 0, not 0"),
    ],
)
def test_errors_name_the_argument(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        make()
    assert message in str(caught.value)


# Programs.


def depth(graph: Graph) -> int:
    """The operations on the longest way from a leaf to the root."""
    depths: list[int] = []
    for node in range(len(graph)):
        depths.append(1 + max((depths[operand] for operand in graph.operands(node)), default=-1))
    return depths[-1]


def test_a_program_is_small_and_flat() -> None:
    graph = text(SPEECH, 0.1).graph()
    strokes = sum(len(GLYPHS[char].strokes) for line in SPEECH.split("\n") for char in line)
    assert graph.operation_count < 9 * strokes
    assert depth(graph) < 2 + 9 + math.ceil(math.log2(11)) + math.ceil(math.log2(strokes / 8))


def test_a_line_shares_what_depends_on_y() -> None:
    counts = [text("e" * n, 0.1).graph().operation_count for n in range(1, 6)]
    for fewer, more in itertools.pairwise(counts):
        assert more - fewer < 0.75 * counts[0]


def test_tempest_is_a_large_program() -> None:
    graph = parse_vm(models.text("tempest"), "tempest")
    assert 4000 < len(graph) < 12_000
    assert set(graph.variables.values()) == {"x", "y"}
