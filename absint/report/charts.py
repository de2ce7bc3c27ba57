"""The charts of the report's page: bars, curves, maps of tiles, boxes over a picture.

Data enters, markup leaves. Shapes are SVG that stretches to the available width; text is HTML beside the SVG,
so that it keeps its size on a narrow screen. Colours are classes of the style sheet, except in maps, which
are PNG images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from absint.evaluation.image_files import png
from absint.report.markup import Markup, data_uri, element, join

CURVE_POINTS = 480
"""Largest number of points of a curve; a longer series is drawn as the maxima of runs of values."""


def number(value: float) -> str:
    """A coordinate as text, with five digits."""
    return f"{value:.5g}"


def shapes(*children: str, width: float, height: float, name: str, label: str | None = None) -> Markup:
    """An SVG that stretches in both directions. Without a label, screen readers skip it as decoration."""
    return element(
        "svg", *children, class_=name, viewBox=f"0 0 {number(width)} {number(height)}",
        preserveAspectRatio="none", role="img" if label else None, aria_label=label,
        aria_hidden=None if label else "true",
    )  # fmt: skip


def rectangle(x: float, y: float, width: float, height: float, name: str, *children: str) -> Markup:
    """A rectangle with class `name`."""
    return element(
        "rect", *children, class_=name, x=number(x), y=number(y), width=number(width), height=number(height)
    )


def bar(whole: float, *pieces: tuple[float, float, str]) -> Markup:
    """A bar of length `whole`, with pieces (start, end, class)."""
    scale = 100 / whole if whole else 0.0
    return shapes(
        *(rectangle(start * scale, 0, (end - start) * scale, 1, name) for start, end, name in pieces),
        width=100, height=1, name="bar",
    )  # fmt: skip


def two_bars(whole: float, before: float, after: float) -> Markup:
    """Two bars of length `whole`, `before` above `after`."""
    return join([bar(whole, (0, before, "before")), bar(whole, (0, after, "after"))])


def ranges(left: tuple[float, float], right: tuple[float, float]) -> Markup:
    """Two intervals, one above the other, on one axis. Infinite ends reach the edge; empty: not drawn."""
    ends = [end for end in (*left, *right) if math.isfinite(end)]
    low, high = min(ends, default=0.0), max(ends, default=0.0)
    length = high - low if 0 < high - low < math.inf else 1.0
    if len(ends) < 4:
        low, length = low - 0.15 * length, 1.3 * length

    def place(end: float) -> float:
        return min(max((end - low) / length, 0.0), 1.0) * 100

    drawn = []
    for row, (name, (lower, upper)) in enumerate((("left", left), ("right", right))):
        if lower <= upper:
            drawn.append(rectangle(place(lower), 6 * row, max(place(upper) - place(lower), 1.0), 4, name))
    return shapes(*drawn, width=100, height=10, name="ranges")


def curves(series: Sequence[tuple[str, Sequence[int]]], label: str, across: str) -> Markup:
    """Curves of values over their index, drawn as steps.

    `series`: (class, values) of each curve. `label`: description for screen readers. `across`: what the index
    counts.
    """
    length = max(len(values) for _, values in series)
    top = max((max(values, default=0) for _, values in series), default=0)
    step = -(-length // CURVE_POINTS)
    lines = []
    for name, values in series:
        if not values:
            continue
        highest = [max(values[at : at + step]) for at in range(0, len(values), step)]
        corners = "".join(
            f"V{top - value}H{min((at + 1) * step, length)}" for at, value in enumerate(highest)
        )
        lines.append(element("path", class_=f"area {name}", d=f"M0 {top}{corners}V{top}Z"))
        lines.append(element("path", class_=f"line {name}", d=f"M0 {top - highest[0]}{corners}"))
    grid = "".join(f"M0 {number(top * share)}H{length}" for share in (0, 0.25, 0.5, 0.75, 1))
    svg = shapes(
        element("path", class_="grid", d=grid), *lines,
        width=length, height=top, name="curves", label=label,
    )  # fmt: skip
    return element(
        "div",
        element("div", *(_span(f"{round(top * share):,}") for share in (1, 0.5, 0)), class_="up"),
        svg,
        element("div", *(_span(text) for text in ("0", across, f"{length:,}")), class_="across"),
        class_="plot",
    )


def _span(text: str) -> Markup:
    return element("span", text)


_STOPS = ("4b3f9f", "3672ad", "239a90", "93c556", "fbee9a")
"""Colours of a map, from few operations to many, each lighter than the previous one."""


def _palette() -> NDArray[np.uint8]:
    """uint8[256, 4]: RGBA of transparent, then of the colours from few to many."""
    stops = np.array([[int(stop[at : at + 2], 16) for at in (0, 2, 4)] for stop in _STOPS], np.float64)
    where = np.linspace(0, len(stops) - 1, 255)
    colours = [np.interp(where, np.arange(len(stops)), channel).round() for channel in stops.T]
    palette = np.zeros((256, 4), np.uint8)
    palette[1:] = np.stack([*colours, np.full(255, 255.0)], axis=1)
    return palette


def tile_map(left: Sequence[Sequence[int]], most: int, label: str) -> Markup:
    """A map of counts, coloured on a scale from 0 to `most`; tiles of -1 are transparent.

    The colour is proportional to the square root of the count, since a few tiles may have many times the
    usual count.
    """
    counts = np.array(left, np.float64)
    roots = np.sqrt(np.maximum(counts, 0) / max(1, most))
    colours = np.where(counts < 0, 0, 1 + (254 * roots).round()).astype(np.uint8)
    height, width = counts.shape
    return element(
        "img", class_="tiles", src=data_uri(png(colours, _palette())), alt=label, width=width, height=height
    )


def scale(most: int) -> Markup:
    """The colour scale of tile maps."""
    strip = png(np.arange(1, 256, dtype=np.uint8)[None, :], _palette())
    return element(
        "div",
        element("span", element("span", class_="open"), "decided", class_="key"),
        element(
            "div",
            element("img", src=data_uri(strip), alt="Few operations left to many", width=255, height=1),
            element("div", *(_span(f"{count:,}") for count in _ticks(most)), class_="across"),
            class_="scale",
        ),
        class_="legend",
    )  # fmt: skip


def _ticks(most: int) -> tuple[int, ...]:
    """The counts at the ends and the middle of the colour scale; in the middle the square root is half."""
    return (0, round(most / 4), most) if most >= 8 else (0, most)


def picture(image: NDArray[np.uint8], label: str, *over: str) -> Markup:
    """A picture with overlays. `image`: uint8[height, width]."""
    height, width = image.shape
    shown = element("img", src=data_uri(png(image)), alt=label, width=width, height=height)
    return element("div", shown, *over, class_="picture")


def boxes(
    window: tuple[tuple[float, float], tuple[float, float]],
    drawn: Sequence[tuple[tuple[float, float, float, float], str]],
    label: str,
) -> Markup:
    """An overlay of boxes for a picture. `window`: the picture's ranges of x and y. `drawn`: each box (left,
    right, bottom, top) with its title.
    """
    (left, right), (bottom, top) = window
    across, up = 1000 / (right - left), 1000 / (top - bottom)
    outlines = []
    for (x0, x1, y0, y1), text in drawn:
        if x1 < left or x0 > right or y1 < bottom or y0 > top:
            continue  # outside the window, which may be a part of the region
        x0, x1 = ((min(max(x, left), right) - left) * across for x in (x0, x1))
        y0, y1 = ((top - min(max(y, bottom), top)) * up for y in (y1, y0))
        outlines.append(rectangle(x0, y0, x1 - x0, y1 - y0, "box", element("title", text)))
    return shapes(*outlines, width=1000, height=1000, name="boxes", label=label)
