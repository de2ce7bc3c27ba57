"""docs/architecture.svg is what the imports are now, and shows all of them."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET

import networkx as nx
import pytest

from tests import architecture
from tests.architecture import (
    OPEN,
    PAD,
    TARGET,
    WIDTH,
    Box,
    chip_width,
    homes_of,
    imported,
    placed,
    read_boxes,
    svg,
)
from tests.test_floors import ROOT, Module, imports, read_modules

MODULES = read_modules(ROOT)
BOXES, NEEDS = read_boxes(MODULES)
SVG = "{http://www.w3.org/2000/svg}"


def settled(modules: dict[str, Module]) -> dict[str, Module]:
    """The modules without passes, domains and backends that are not drawn yet: a file that is found by being
    there asks for no other file to be changed. The next drawing shows it.
    """
    chips = {text.text for text in ET.parse(TARGET).iter(f"{SVG}text") if text.get("class") == "chip"}
    needed = {one.target for name in modules for one in imports(name, modules)}
    return {
        name: module
        for name, module in modules.items()
        if name.rpartition(".")[0] not in OPEN or name.rpartition(".")[2] in chips or name in needed
        or module.package
    }  # fmt: skip


def test_the_drawing_is_up_to_date() -> None:
    assert TARGET.read_text(encoding="utf-8") == svg(settled(MODULES)), "run make figures"


def test_a_new_module_and_a_new_import_change_it() -> None:
    old = TARGET.read_text(encoding="utf-8")
    assert svg(MODULES | {"absint.kernels.newcomer": Module("")}) != old
    more = MODULES | {"absint.passes.newcomer": Module("from absint.domains import sign")}
    assert svg(more) != old == svg(settled(more))
    helped = more | {"absint.passes.cse": Module("from . import newcomer")}
    assert svg(settled(helped)) != old
    without = Module(MODULES["absint.domains"].source, package=True)
    cut = MODULES | {name: without for name in MODULES if name.startswith("absint.domains")}
    assert not nx.utils.graphs_equal(read_boxes(cut)[1], NEEDS)


def test_it_does_not_depend_on_the_order_of_sets() -> None:
    code = "import sys; from tests.architecture import *; sys.stdout.write(svg(read_modules(ROOT)))"
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        made = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, stdout=subprocess.PIPE)
        assert made.stdout.decode() == svg(MODULES)


def test_every_import_between_boxes_follows_arrows() -> None:
    pairs = imported(MODULES)
    homes = homes_of(MODULES, pairs)
    shown = [(homes[a], homes[b]) for a, b in pairs if homes[a] != homes[b]]
    assert len(shown) > 300
    assert all(nx.has_path(NEEDS, a, b) for a, b in set(shown))
    assert all(BOXES[a].floor >= BOXES[b].floor for a, b in NEEDS.edges)


def test_every_module_is_in_one_box() -> None:
    inner = {name for name in MODULES if not name.endswith("__main__") and name not in BOXES}
    packages = {name for name in inner if MODULES[name].package}
    shown = inner - {name for name in inner if name.rpartition(".")[0] in packages and name.count(".") > 2}
    assert sum(len(box.modules) for box in BOXES.values()) == len(shown)


def overlaps(a: Box, b: Box) -> bool:
    return (
        a.x < b.x + b.width and b.x < a.x + a.width and a.y < b.y + b.height and b.y < a.y + a.height
    )  # fmt: skip


def test_nothing_lies_on_anything_else() -> None:
    lanes, height = placed(BOXES, NEEDS)
    boxes = list(BOXES.values())
    for i, box in enumerate(boxes):
        assert box.x > 0 and box.x + box.width < WIDTH and box.y + box.height < height
        assert not any(overlaps(box, other) for other in boxes[:i])
        assert not any(
            box.x - 4 < x < box.x + box.width + 4
            for (a, b), x in lanes.items()
            if BOXES[a].floor > box.floor > BOXES[b].floor
        )
        assert all(sum(map(chip_width, row)) <= box.width - 2 * PAD + 4 for row in box.rows)
    turns = architecture.turns_of(BOXES, NEEDS, lanes)
    height_of = architecture.heights(turns, BOXES)
    flat = list(height_of)
    for i, one in enumerate(flat):
        assert not any(one.meets(other) and height_of[one] == height_of[other] for other in flat[:i])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_well_formed_and_knows_both_schemes(scheme: str) -> None:
    root = ET.fromstring(TARGET.read_text(encoding="utf-8"))
    style = root.find(f"{SVG}style")
    assert style is not None and style.text is not None
    assert ("prefers-color-scheme: dark" in style.text) and scheme in style.text
    assert {text.text for text in root.iter(f"{SVG}text")} >= {"kernels/", "passes/", "Graph", "expr"}
