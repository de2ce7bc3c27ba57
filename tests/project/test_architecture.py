"""The drawing of the rooms: well-formed, complete, and legible."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import combinations
from pathlib import Path

from tests.project.architecture import CHARACTER, PAD, WIDTH, main, rooms_of, svg
from tests.project.test_imports import FACE, LAYERS, ROOT, Module, read_modules

SVG = "{http://www.w3.org/2000/svg}"


def drawn(text: str) -> dict[str, tuple[list[float], list[str]]]:
    """The boxes by their rooms: x, y, width and height, and the lines of text."""
    root = ET.fromstring(text)
    found = {}
    for group in root.iter(f"{SVG}g"):
        box, lines = group[0], [line.text or "" for line in group[1:]]
        found[group.attrib["id"]] = [float(box.attrib[key]) for key in ("x", "y", "width", "height")], lines
    return found


def test_every_room_is_drawn_with_what_it_says_of_itself() -> None:
    boxes = drawn(svg(read_modules(ROOT)))
    assert set(boxes) == {room for layer in LAYERS for room in layer}
    assert all(lines[0] == name and len(lines) >= 3 for name, (_, lines) in boxes.items())


def test_boxes_are_apart_and_hold_their_text() -> None:
    boxes = drawn(svg(read_modules(ROOT)))
    for (x, _, width, _), lines in boxes.values():
        assert x >= 0 and x + width <= WIDTH
        assert all(len(line) * CHARACTER <= width - 2 * PAD + CHARACTER for line in lines)
    for (a, b, c, d), (x, y, width, height) in combinations([box for box, _ in boxes.values()], 2):
        assert a + c <= x or x + width <= a or b + d <= y or y + height <= b


def test_imports_that_follow_from_others_are_left_out() -> None:
    modules = {
        FACE: Module("", package=True),
        "absint.base": Module('"""Ground. More."""', package=True),
        "absint.ir": Module('"""Graphs."""\nimport absint.base', package=True),
        "absint.cli": Module('"""Commands."""\nimport absint.base, absint.ir', package=True),
    }
    rooms = rooms_of(modules)
    assert rooms["cli"].needs == ("ir",) and rooms["ir"].needs == ("base",)
    assert rooms["base"].text == "Ground"


def test_the_drawing_is_written(tmp_path: Path) -> None:
    assert main(tmp_path / "rooms.svg") == 0
    assert drawn((tmp_path / "rooms.svg").read_text(encoding="utf-8"))
