"""What the sections of the report's page are made of: tables, keys, and numbers as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from absint.report.markup import Markup, element, joined

TEXT_LENGTH = 120
"""Longer instructions are cut: names may have any length."""


def table(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]], name: str | None = None
) -> Markup:
    """A table whose rows begin with their heading; it scrolls by itself where the screen is too narrow.

    `name`: its class; `cards`: rows become blocks there.
    """
    rows = list(rows)
    kinds = [None, *(_kind(cells) for cells in list(zip(*rows, strict=True))[1:])]
    head = [
        element("th", column, scope="col", role="columnheader", class_=kind)
        if column
        else element("td", role="cell")
        for column, kind in zip(columns, kinds, strict=True)
    ]
    body = [
        [
            element("th", row[0], scope="row", role="rowheader"),
            *(
                element("td", cell, role="cell", class_=kind, data_label=column or None)
                for column, kind, cell in zip(columns[1:], kinds[1:], row[1:], strict=True)
            ),
        ]
        for row in rows
    ]
    # roles: a row that a narrow screen shows as a block stays a row for who listens
    made = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *head, role="row"), role="rowgroup"),
        element("tbody", *(element("tr", *cells, role="row") for cells in body), role="rowgroup"),
        role="table",
        class_=name,
    )
    return element("div", made, class_="scroll", tabindex=0, role="group", aria_label=caption)


_NUMBER = re.compile(r"-?[0-9][0-9,.]*( MiB|%)?$")


def _kind(cells: Sequence[str]) -> str | None:
    """The class of a column: drawings, numbers, or neither."""
    if any(cell.startswith("<svg") for cell in cells):
        return "drawing"
    return "number" if all(_NUMBER.match(cell) for cell in cells) else None


def legend(*names: str) -> Markup:
    """What the colours mean, which are classes of these names."""
    keys = (element("span", element("span", class_=f"swatch {name}"), name, class_="key") for name in names)
    return element("div", *keys, class_="legend")


def missing(text: str) -> Markup:
    """Why something is not shown."""
    return element("p", text, class_="missing")


def entry(name: str, value: str) -> Markup:
    """An entry of a list of facts."""
    return element("div", element("dt", name), element("dd", value))


def before_after(before: int, after: int) -> Markup:
    """Two counts and the change."""
    change = f" {after / before - 1:+.1%}".replace("-", "−") if before not in (0, after) else ""
    arrow, less = element("span", " → ", class_="arrow"), element("span", change, class_="change")
    return joined([f"{before:,}", arrow, element("strong", f"{after:,}"), less])


def code(text: str) -> Markup:
    """A name or an instruction, cut if it is too long to be read."""
    return element("code", text if len(text) <= TEXT_LENGTH else text[:TEXT_LENGTH] + "…")


def box_text(box: dict[str, Sequence[float | str]]) -> str:
    """The bounds of a box, as the report holds them."""
    return ", ".join(f"{name} {range_text(ends)}" for name, ends in box.items()) or "everywhere"


def line_text(row: dict[str, Any]) -> str:
    """Where something comes from in the source."""
    return f"line\u00a0{row['line']}" if row["line"] else "made"


def range_text(ends: Sequence[float | str]) -> str:
    """Two ends, in short."""
    return f"{_short(ends[0])} to {_short(ends[1])}"


def _short(value: float | str) -> str:
    """An end in four digits. What is nearly 0, as the first float above it, is written as 0."""
    return "0" if abs(float(value)) < 1e-30 else f"{float(value):.4g}"


def is_finite(ends: Sequence[float | str]) -> bool:
    """Whether a range has a length."""
    return abs(float(ends[1]) - float(ends[0])) < float("inf")


def tiles_text(tiles: Sequence[int]) -> str:
    """How many tiles there are along each axis that is cut."""
    return " × ".join(str(count) for count in tiles if count > 1)
