"""Building blocks of the report page's sections: tables, legends, and numbers as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from absint.report.markup import Markup, element, join

TEXT_LENGTH = 120
"""Largest length of an instruction's text; names may have any length, so longer texts are cut."""


def table(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]], name: str | None = None
) -> Markup:
    """A table whose rows begin with a heading; on a screen that is too narrow, the table scrolls.

    `name`: the table's class; with class `cards`, each row becomes a block on a narrow screen.
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
    # roles: for a screen reader, rows that a narrow screen shows as blocks stay rows
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
    """The class of a column: `drawing`, `number`, or None for text."""
    if any(cell.startswith("<svg") for cell in cells):
        return "drawing"
    return "number" if all(_NUMBER.match(cell) for cell in cells) else None


def legend(*names: str) -> Markup:
    """A legend of colours. `names`: their labels, which are also their classes in the style sheet."""
    keys = (element("span", element("span", class_=f"swatch {name}"), name, class_="key") for name in names)
    return element("div", *keys, class_="legend")


def missing(text: str) -> Markup:
    """A paragraph that says why something is not shown."""
    return element("p", text, class_="missing")


def entry(name: str, value: str) -> Markup:
    """A name and a value, as an entry of a description list."""
    return element("div", element("dt", name), element("dd", value))


def before_after(before: int, after: int) -> Markup:
    """Two counts and the change in per cent."""
    change = f" {after / before - 1:+.1%}".replace("-", "−") if before not in (0, after) else ""
    arrow, less = element("span", " → ", class_="arrow"), element("span", change, class_="change")
    return join([f"{before:,}", arrow, element("strong", f"{after:,}"), less])


def code(text: str) -> Markup:
    """A name or an instruction, cut to `TEXT_LENGTH`."""
    return element("code", text if len(text) <= TEXT_LENGTH else text[:TEXT_LENGTH] + "…")


def box_text(box: dict[str, Sequence[float | str]]) -> str:
    """The text of a box's bounds, given as the report holds them."""
    return ", ".join(f"{name} {range_text(ends)}" for name, ends in box.items()) or "everywhere"


def line_text(row: dict[str, Any]) -> str:
    """The source line of a row, or that a pass made it."""
    return f"line\u00a0{row['line']}" if row["line"] else "made"


def range_text(ends: Sequence[float | str]) -> str:
    """The text of a range, with four digits for each end."""
    return f"{_short(ends[0])} to {_short(ends[1])}"


def _short(value: float | str) -> str:
    """A number with four digits; tiny numbers, such as the smallest subnormal, become 0."""
    return "0" if abs(float(value)) < 1e-30 else f"{float(value):.4g}"


def is_finite(ends: Sequence[float | str]) -> bool:
    """Whether a range has a finite length."""
    return abs(float(ends[1]) - float(ends[0])) < float("inf")


def tiles_text(tiles: Sequence[int]) -> str:
    """The number of tiles along each axis that is cut, such as `16 × 16`."""
    return " × ".join(str(count) for count in tiles if count > 1)
