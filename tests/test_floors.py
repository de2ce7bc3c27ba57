"""The floors of the layout: a module imports from its own floor or below, never in a cycle.

`passes/`, `backends/` and `fuzz/` import the core as `absint.…`, their siblings as `.x`, and reach each other
only through `absint.registry`, which finds them by their files.

Every import statement counts, those inside functions and under `if TYPE_CHECKING:` too: they are
dependencies for the reader as well. That importing `absint.x.y` also runs `absint/__init__.py` does not
count.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parents[1]

# A package's entry holds for all its modules; a new module takes its place here.
FLOORS: dict[int, tuple[str, ...]] = {
    1: (
        "absint.argument_types",
        "absint.arguments",
        "absint.array_file",
        "absint.children",
        "absint.errors",
        "absint.imageio",
        "absint.interrupts",
        "absint.loaded",
        "absint.markup",
        "absint.memo",
        "absint.ops",
        "absint.precision",
        "absint.temporary",
    ),
    2: (
        "absint.cache",
        "absint.domains",
        "absint.graph",
        "absint.invariants",
        "absint.native",
        "absint.native_arrays",
        "absint.native_build",
        "absint.registry",
    ),
    3: (
        "absint.expr",
        "absint.guard",
        "absint.kernels",
        "absint.lowering",
        "absint.models",
        "absint.patch",
        "absint.plan",
        "absint.polygon",
        "absint.program",
        "absint.shapes",
        "absint.region_plan",
        "absint.stroke_font",
        "absint.sweep",
        "absint.tape",
        "absint.tape_code",
        "absint.terminal",
        "absint.text",
        "absint.view",
        "absint.vm",
        "absint.vm_scan",
    ),
    4: (
        "absint.analysis",
        "absint.backend",
        "absint.instruments",
        "absint.interpret",
        "absint.lowering_cache",
        "absint.manager",
        "absint.promise",
        "absint.regions",
        "absint.rules",
    ),
    5: ("absint.backends", "absint.passes"),
    6: (
        "absint.__main__",
        "absint.api",
        "absint.bench",
        "absint.cli",
        "absint.commands",
        "absint.fuzz",
        "absint.listing",
        "absint.lowering_facts",
        "absint.notebook",
        "absint.report",
        "absint.report_charts",
        "absint.report_html",
        "absint.report_missed",
        "absint.report_parts",
        "absint.report_pictures",
        "absint.report_sections",
        "absint.report_tables",
        "absint.study",
        "absint.viewer",
    ),
}
FACE = "absint"  # absint/__init__.py stands on the top floor
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


def imports(name: str, modules: dict[str, Module]) -> Iterator[Import]:
    """What a module imports of absint; `from absint import x` leads to `absint.x` if that is a module."""
    for node in ast.walk(ast.parse(modules[name].source)):
        if isinstance(node, ast.Import):
            found = [Import(alias.name, node.lineno, relative=False) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
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
        else:
            continue
        yield from (one for one in found if one.target.split(".")[0] in {FACE, *WINGS.values()})


def floor_of(name: str) -> int | None:
    """A module's floor, or None where the map above does not place it."""
    if name == FACE:
        return max(FLOORS)
    for floor, entries in FLOORS.items():
        if any(f"{name}.".startswith(f"{entry}.") for entry in entries):
            return floor
    return None


def wing_of(name: str) -> str | None:
    """The wing a module stands in, or None for the core."""
    return next((wing for wing in WINGS if f"{name}.".startswith(f"{wing}.")), None)


def broken_rule(name: str, one: Import) -> str | None:
    """Which rule an import breaks, or None."""
    if one.target.split(".")[0] in WINGS.values():
        return f"imports {one.target}: say absint.{one.target}"
    here, there = floor_of(name), floor_of(one.target)
    if here is None or there is None:
        return f"imports {one.target}: no floor is known for {name if here is None else one.target}"
    if there > here:
        return f"floor {here} imports {one.target} of floor {there}"
    wing, other = wing_of(name), wing_of(one.target)
    if wing is None:
        return None
    if other is not None and other != wing:
        return f"imports {one.target}: {wing} reaches {other} only through absint.registry"
    if other == wing and not one.relative:
        return f"imports {one.target}: a sibling is imported as .{one.target.removeprefix(wing + '.')}"
    if other is None and one.relative:
        return f"imports {one.target} with dots: the core is imported as absint.…"
    return None


def violations(modules: dict[str, Module]) -> list[str]:
    """Every import that breaks a rule, and every cycle, as lines to read."""
    found = []
    graph = nx.DiGraph()
    for name in sorted(modules):
        for one in imports(name, modules):
            graph.add_edge(name, one.target)
            if rule := broken_rule(name, one):
                found.append(f"{name}:{one.line}: {rule}")
    knots = [set(knot) for knot in nx.strongly_connected_components(graph) if len(knot) > 1]
    knots += [{name} for name in nx.nodes_with_selfloops(graph)]
    return found + [f"cycle: {', '.join(sorted(knot))}" for knot in knots]


def test_every_module_has_a_floor() -> None:
    missing = sorted(name for name in read_modules(ROOT) if floor_of(name) is None)
    assert not missing, f"place them in FLOORS: {missing}"


def test_imports_keep_to_the_floors() -> None:
    found = violations(read_modules(ROOT))
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("name", "source", "rule"),
    [
        ("absint.graph", "from absint.tape import Tape", "floor 2 imports absint.tape of floor 3"),
        ("absint.graph", "from absint import tape", "floor 2 imports absint.tape of floor 3"),
        ("absint.graph", "def late():\n    import absint.vm", "floor 2 imports absint.vm of floor 3"),
        ("absint.graph", "if TYPE_CHECKING:\n    from .vm import x", "floor 2 imports absint.vm of floor 3"),
        ("absint.cli", "from passes import cse", "say absint.passes"),
        ("absint.cli", "import absint.newcomer", "no floor is known for absint.newcomer"),
        ("absint.passes.cse", "from absint.backends.numba import x", "only through absint.registry"),
        ("absint.fuzz.shrink", "from absint.passes import cse", "only through absint.registry"),
        ("absint.passes.cse", "from absint.passes.dce import Dce", "a sibling is imported as .dce"),
        ("absint.passes.cse", "from ..graph import Graph", "the core is imported as absint.…"),
        ("absint.errors", "from absint import load", "floor 1 imports absint of floor 6"),
        ("absint.tape", "from absint.tape import Tape", "cycle: absint.tape"),
        (
            "absint.vm",
            "from absint.graph import y; from absint.tape import x",
            "cycle: absint.tape, absint.vm",
        ),
    ],
)
def test_a_broken_rule_is_found(name: str, source: str, rule: str) -> None:
    modules = {FACE: Module("", package=True), "absint.passes": Module("", package=True)}
    for other in ("graph", "vm", "cli", "passes.cse", "passes.dce", "backends.numba"):
        modules[f"absint.{other}"] = Module("")
    modules["absint.tape"] = Module("from absint import vm")
    modules[name] = Module(source)
    found = violations(modules)
    assert len(found) == 1
    assert rule in found[0]


def test_good_imports_pass() -> None:
    modules = {
        "absint.passes": Module("from .cse import Cse", package=True),
        "absint.passes.cse": Module("import numpy\nfrom . import patterns\nfrom absint.graph import Graph"),
        "absint.passes.patterns": Module("from absint import registry"),
        "absint.graph": Module("from absint.errors import GraphError"),
        "absint.errors": Module(""),
        "absint.registry": Module("import absint.errors"),
    }
    assert violations(modules) == []
