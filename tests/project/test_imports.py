"""The rooms of the layout: a room imports from its own layer or below, and imports between rooms form no
cycle.

A room is a folder of `absint/`, or `passes/analyses/`; the files at the root are rooms of their own. Adding
a module changes nothing here until its folder is full. `passes/`, `backends/` and `fuzz/` import the core
as `absint.…`, their siblings as `.x`, and reach each other only through `absint.base.registry`, which finds
them by their files.

Every import statement counts, those inside functions and under `if TYPE_CHECKING:` too: they are
dependencies for the reader as well. That importing `absint.x.y` also runs `absint/__init__.py` does not
count.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parents[2]

LAYERS: tuple[tuple[str, ...], ...] = (
    ("base",),
    ("native",),
    ("ops",),
    ("domains",),
    ("ir",),
    ("frontend",),
    ("shapes", "text"),
    ("rewriting",),
    ("lowering",),
    ("passes.analyses",),
    ("passes",),
    ("evaluation",),
    ("backends", "models"),
    ("api",),
    ("engine",),
    ("study",),
    ("report", "viewer"),
    ("fuzz",),
    ("cli",),
    ("__main__",),
)
"""The lowest layer first. `text` is a public name of `shapes`."""

MOST_AT_THE_ROOT = 12
MOST_IN_A_FOLDER = 16
"""Source files."""
OPEN = ("absint.backends", "absint.domains", "absint.ops.extensions", "absint.passes")
"""Folders that grow: a file is found by being there."""

FACE = "absint"  # absint/__init__.py, above all rooms
WINGS = {"absint.passes": "passes", "absint.backends": "backends", "absint.fuzz": "fuzz"}


@dataclass(frozen=True, slots=True)
class Module:
    """A module's text; `package`: it is an `__init__.py`."""

    source: str
    package: bool = False


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name: the module it leads to, and whether the statement spells it with dots."""

    target: str
    line: int
    relative: bool


def read_modules(root: Path) -> dict[str, Module]:
    """All modules of absint by dotted name."""
    modules = {}
    for name, folder in {FACE: "absint", **WINGS}.items():
        for path in (root / folder).rglob("*.py"):  # rglob does not follow the links to the wings
            parts = path.relative_to(root / folder).with_suffix("").parts
            package = parts[-1] == "__init__"
            dotted = ".".join([name, *(parts[:-1] if package else parts)])
            modules[dotted] = Module(path.read_text(encoding="utf-8"), package)
    return modules


@cache
def import_statements(source: str) -> tuple[ast.Import | ast.ImportFrom, ...]:
    """Every import statement of a module's text."""
    nodes = ast.walk(ast.parse(source))
    return tuple(node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom))


def imports(name: str, modules: dict[str, Module]) -> Iterator[Import]:
    """What a module imports of absint; `from absint import x` leads to `absint.x` if that is a module."""
    for node in import_statements(modules[name].source):
        if isinstance(node, ast.Import):
            found = [Import(alias.name, node.lineno, relative=False) for alias in node.names]
        else:
            base = node.module or ""
            if node.level:
                parts = name.split(".")
                up = node.level - modules[name].package
                base = ".".join([*parts[: len(parts) - up], *([base] if base else [])])
            inner = [f"{base}.{alias.name}" for alias in node.names]
            targets = [target if target in modules else base for target in inner]
            found = [
                Import(target, node.lineno, relative=node.level > 0) for target in dict.fromkeys(targets)
            ]
        yield from (one for one in found if one.target.split(".")[0] in {FACE, *WINGS.values()})


def room_of(name: str) -> str:
    """The room of a module."""
    parts = name.split(".")[1:]
    return ".".join(parts[:2]) if parts[:2] == ["passes", "analyses"] else parts[0] if parts else ""


def layer_of(name: str) -> int | None:
    """The layer of a module's room, or None where `LAYERS` has no such room."""
    if name == FACE:
        return len(LAYERS)
    room = room_of(name)
    return next((layer for layer, rooms in enumerate(LAYERS) if room in rooms), None)


def wing_of(name: str) -> str | None:
    """The wing a module stands in, or None for the core."""
    return next((wing for wing in WINGS if f"{name}.".startswith(f"{wing}.")), None)


def broken_rule(name: str, one: Import) -> str | None:
    """Which rule an import breaks, or None."""
    if one.target.split(".")[0] in WINGS.values():
        return f"imports {one.target}: say absint.{one.target}"
    here, there = layer_of(name), layer_of(one.target)
    if here is None or there is None:
        return f"imports {one.target}: LAYERS has no room for {name if here is None else one.target}"
    if there > here:
        return f"imports {one.target}, whose room is above {room_of(name)}"
    wing, other = wing_of(name), wing_of(one.target)
    if wing is None:
        return None
    if other is not None and other != wing:
        return f"imports {one.target}: {wing} reaches {other} only through absint.base.registry"
    if other == wing and not one.relative:
        return f"imports {one.target}: a sibling is imported as .{one.target.removeprefix(wing + '.')}"
    if other is None and one.relative:
        return f"imports {one.target} with dots: the core is imported as absint.…"
    return None


def violations(modules: dict[str, Module]) -> list[str]:
    """Every import that breaks a rule, and every cycle of modules or of rooms, as lines to read."""
    found = []
    needs, rooms = nx.DiGraph(), nx.DiGraph()
    for name in sorted(modules):
        for one in imports(name, modules):
            needs.add_edge(name, one.target)
            if room_of(name) != room_of(one.target) and name != FACE:
                rooms.add_edge(room_of(name), room_of(one.target))
            if rule := broken_rule(name, one):
                found.append(f"{name}:{one.line}: {rule}")
    knots = [set(knot) for knot in nx.strongly_connected_components(needs) if len(knot) > 1]
    knots += [{name} for name in nx.nodes_with_selfloops(needs)]
    knots += [set(knot) for knot in nx.strongly_connected_components(rooms) if len(knot) > 1]
    return found + [f"cycle: {', '.join(sorted(knot))}" for knot in knots]


def test_every_room_has_a_layer() -> None:
    missing = sorted({room_of(name) for name in read_modules(ROOT) if layer_of(name) is None})
    assert not missing, f"place them in LAYERS: {missing}"


def test_imports_never_lead_up() -> None:
    found = violations(read_modules(ROOT))
    assert not found, "\n".join(found)


def test_no_folder_is_crowded() -> None:
    """A folder over the limit has two subjects: split it."""
    folders = Counter(
        ".".join(name.split(".")[: len(name.split(".")) - (not module.package)])
        for name, module in read_modules(ROOT).items()
    )
    assert folders.pop(FACE) <= MOST_AT_THE_ROOT
    crowded = {folder for folder, count in folders.items() if count > MOST_IN_A_FOLDER}
    assert crowded <= set(OPEN)


@pytest.mark.parametrize(
    ("name", "source", "rule"),
    [
        ("absint.ir.graph", "from absint.lowering.plan import Plan", "whose room is above ir"),
        ("absint.ir.graph", "from absint.lowering import plan", "whose room is above ir"),
        ("absint.ir.graph", "def late():\n    import absint.frontend.vm", "whose room is above ir"),
        ("absint.ir.graph", "if TYPE_CHECKING:\n    from ..frontend.vm import x", "whose room is above ir"),
        ("absint.cli.parser", "from passes import cse", "say absint.passes"),
        ("absint.cli.parser", "import absint.newcomer.x", "LAYERS has no room for absint.newcomer"),
        ("absint.passes.cse", "from absint.backends.numba import x", "whose room is above passes"),
        ("absint.backends.numba", "from absint.passes import cse", "only through absint.base.registry"),
        ("absint.passes.cse", "from absint.passes.dce import Dce", "a sibling is imported as .dce"),
        ("absint.passes.cse", "from ..ir.graph import Graph", "the core is imported as absint.…"),
        ("absint.base.errors", "from absint import load", "imports absint, whose room is above base"),
        ("absint.ir.tape", "from absint.ir.tape import Tape", "cycle: absint.ir.tape"),
        ("absint.frontend.vm", "from absint.frontend.expr import x", "cycle: absint.frontend.expr, absint.f"),
        ("absint.viewer.page", "import absint.report.data", "cycle: report, viewer"),
    ],
)
def test_a_broken_rule_is_found(name: str, source: str, rule: str) -> None:
    modules = {FACE: Module("", package=True)}
    for room in (
        "base",
        "passes",
        "passes.analyses",
        "frontend",
        "ir",
        "lowering",
        "cli",
        "report",
        "viewer",
    ):
        modules[f"absint.{room}"] = Module("", package=True)
    for other in ("ir.graph", "frontend.vm", "cli.parser", "passes.cse", "passes.dce", "backends.numba"):
        modules[f"absint.{other}"] = Module("")
    modules["absint.lowering.plan"] = Module("")
    modules["absint.frontend.expr"] = Module("from absint.frontend import vm")
    modules["absint.report.data"] = Module("from absint.viewer import other")
    modules["absint.viewer.page"] = modules["absint.viewer.other"] = Module("")
    modules[name] = Module(source)
    found = violations(modules)
    assert len(found) == 1
    assert rule in found[0]


def test_good_imports_pass() -> None:
    modules = {
        "absint.passes": Module("from .cse import Cse", package=True),
        "absint.passes.cse": Module(
            "import numpy\nfrom . import patterns\nfrom absint.ir.graph import Graph"
        ),
        "absint.passes.patterns": Module("from absint.base import registry\nfrom .analyses.bounds import x"),
        "absint.passes.analyses": Module("", package=True),
        "absint.passes.analyses.bounds": Module("from absint.ir.graph import Graph"),
        "absint.ir": Module("", package=True),
        "absint.ir.graph": Module("from absint.base.errors import GraphError"),
        "absint.base": Module("", package=True),
        "absint.base.errors": Module(""),
        "absint.base.registry": Module("import absint.base.errors"),
    }
    assert violations(modules) == []
