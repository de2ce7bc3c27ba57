"""docs/architecture.svg: the rooms of absint, layer by layer, drawn from the folders and their imports.

`python -m tests.project.architecture` writes it. A box is a room, with the first sentence of its own
description and the rooms that it imports, but for those that follow from others. What imports nothing stands
at the bottom.
"""

from __future__ import annotations

import ast
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

import networkx as nx

from absint.cli.listing import first_sentence
from absint.evaluation.image_files import write_whole
from tests.project.test_imports import FACE, LAYERS, ROOT, Module, imports, read_modules, room_of

TARGET = ROOT / "docs" / "architecture.svg"

WIDTH, MARGIN, GAP, PAD = 860, 16, 12, 12
LINE = 16
"""Height of a line of text."""
CHARACTER = 6.3
"""Width of a character of small text, at most, on average."""


class Room(NamedTuple):
    """A box: the room's name, what it says of itself, and the rooms that it imports."""

    name: str
    text: str
    needs: tuple[str, ...]

    def lines(self, width: float) -> list[str]:
        """The text below the name, wrapped to a width in pixels."""
        room = int((width - 2 * PAD) / CHARACTER)
        needs = f"imports {', '.join(self.needs)}" if self.needs else "imports nothing"
        return [*textwrap.wrap(self.text, room), *textwrap.wrap(needs, room)]


def rooms_of(modules: Mapping[str, Module]) -> dict[str, Room]:
    """All rooms by name; of imports those that do not follow from others."""
    needs = nx.DiGraph()
    needs.add_nodes_from(room_of(name) for name in modules if name != FACE)
    for name in modules:
        for one in imports(name, dict(modules)):
            here, there = room_of(name), room_of(one.target)
            if name != FACE and here != there:
                needs.add_edge(here, there)
    needs = nx.transitive_reduction(needs)
    return {name: Room(name, _said(name, modules), tuple(sorted(needs[name]))) for name in needs}


def _said(room: str, modules: Mapping[str, Module]) -> str:
    """The first sentence of what a room says of itself."""
    text = ast.get_docstring(ast.parse(modules[f"{FACE}.{room}"].source))
    return first_sentence(text).replace("`", "")


def svg(modules: Mapping[str, Module]) -> str:
    """The drawing, the face at the top."""
    rooms, parts, y = rooms_of(modules), list[str](), float(MARGIN)
    for layer in reversed(LAYERS):
        row = [rooms[name] for name in layer if name in rooms]
        width = (WIDTH - 2 * MARGIN - GAP * (len(row) - 1)) / max(len(row), 1)
        height = max((PAD * 2 + LINE * (1 + len(room.lines(width))) for room in row), default=0)
        for place, room in enumerate(row):
            parts += _box(room, MARGIN + place * (width + GAP), y, width, height)
        y += height + GAP if row else 0
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + MARGIN - GAP:g}" role="img">\n'
        f"<title>The rooms of absint</title>\n<style>{_STYLE}</style>\n{body}\n</svg>\n"
    )


_STYLE = """
  svg { background: #fbfaf7; color-scheme: light dark; } rect { fill: #fff; stroke: #8a8371; }
  text { font: 12px system-ui, sans-serif; fill: #33302a; } .name { font-weight: 600; }
  @media (prefers-color-scheme: dark) {
    svg { background: #1d2126; } rect { fill: #262b31; stroke: #7f8796; } text { fill: #dfe3e8; }
  }
"""


def _box(room: Room, x: float, y: float, width: float, height: float) -> list[str]:
    lines = [f'<text class="name" x="{x + PAD:g}" y="{y + PAD + 11:g}">{escape(room.name)}</text>']
    lines += (
        f'<text x="{x + PAD:g}" y="{y + PAD + 11 + LINE * number:g}">{escape(line)}</text>'
        for number, line in enumerate(room.lines(width), 1)
    )
    box = f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"/>'
    return [f'<g id="{escape(room.name)}">', box, *lines, "</g>"]


def main(target: Path = TARGET) -> int:
    """Write the drawing."""
    write_whole(str(target), svg(read_modules(ROOT)).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
