"""docs/architecture.svg: the folders and modules of absint, floor by floor, drawn from their own imports.

`python -m tests.architecture` writes it. A package is a box; so are the modules of a floor that lie in
`absint/` itself. An arrow says that one box imports another; arrows that follow from others are left out. In
a floor arrows lead right, between floors down, past what lies between on a lane of their own.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from xml.sax.saxutils import escape

import networkx as nx

from absint.imageio import write_whole
from absint.listing import first_sentence
from tests.test_floors import FACE, FLOORS, ROOT, Module, floor_of, imports, read_modules

TARGET = ROOT / "docs" / "architecture.svg"

CORE = {
    "floor 6": ("Face", "the command line and its reports"),
    "under 6": ("Library", "what Python users call: load, optimise, draw, study"),
    "floor 4": ("Middle end", "passes are run in order, share facts and keep promises"),
    "floor 3": ("Programs", "expressions and text in, graphs restricted to a box, tapes and plans out"),
    "floor 2": ("Graph", "what all rewrite; where files and compiled kernels come from"),
    "floor 1": ("Ground", "what needs nothing"),
}
"""Title and description of the boxes of modules that lie in absint/ itself. Packages say it themselves."""
OPEN = ("absint.ops", "absint.domains", "absint.passes", "absint.backends")
"""Packages in which a new file is found by being there."""

LEGEND = (
    "An arrow: imports. Arrows that follow from others are left out; passes and backends are found by name.",
    "A box without a slash: modules in absint/ itself. + file: what is put there is found by being there.",
)

WIDTH, MARGIN, PAD, GAP, LANE = 1120, 16, 12, 30, 26
BETWEEN = 34
"""Height between floors, where arrows turn."""
LINE, CHIP, TITLE = 15, 19, 19
SMALL, CHARACTER = 11, 6.05
"""Size of small text and how wide its characters are at most, on average."""


@dataclass
class Box:
    """A package, or the core's modules of a floor. `x`, `y`, `width`, `height`: in pixels."""

    name: str
    title: str
    text: str
    floor: int
    modules: list[str] = field(default_factory=list)
    x: float = 0
    y: float = 0
    width: float = 0
    height: float = 0

    @property
    def bulk(self) -> float:
        """How much there is to show."""
        return 600 + sum(chip_width(module) for module in self.modules)

    @property
    def middle(self) -> float:
        """Halfway along x."""
        return self.x + self.width / 2

    @cached_property
    def lines(self) -> list[str]:
        """The description, wrapped."""
        return wrapped(self.text, self.width - 2 * PAD)

    @cached_property
    def rows(self) -> list[list[str]]:
        """The modules, row by row."""
        rows: list[list[str]] = [[]]
        room = self.width - 2 * PAD
        for module in self.modules:
            if rows[-1] and sum(map(chip_width, rows[-1])) + chip_width(module) > room + 4:
                rows.append([])
            rows[-1].append(module)
        return rows

    @property
    def needed(self) -> float:
        """The height that it takes."""
        return PAD + TITLE + LINE * len(self.lines) + 6 + CHIP * len(self.rows) + PAD - 6


def chip_width(module: str) -> float:
    """Of a module's name in its frame, the gap behind it included."""
    return CHARACTER * len(module) + 10 + 4


def wrapped(text: str, room: float) -> list[str]:
    """Lines of small text."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and 0.93 * CHARACTER * len(longer) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


# What there is


Pairs = Sequence[tuple[str, str]]


def imported(modules: Mapping[str, Module]) -> Pairs:
    """Which module imports which. That somebody asks `absint` itself for its version does not count."""
    found = ((name, one.target) for name in sorted(modules) for one in imports(name, modules))
    return [pair for pair in found if pair[1] != FACE]


def homes_of(modules: Mapping[str, Module], pairs: Pairs) -> dict[str, str]:
    """Each module's box: the package right below `absint`, or `floor N` for the core's own modules.

    Where a package and the core of its floor need each other, what the package needs of the core is a box of
    its own, `under N`.
    """
    homes = {}
    for name in modules:
        package = ".".join(name.split(".")[:2])
        core = package == FACE or not modules[package].package
        homes[name] = f"floor {floor_of(name)}" if core else package
    needs = nx.DiGraph(pairs)
    for knot in nx.strongly_connected_components(needs_of(homes, pairs)):
        for name in [name for name in needs if homes[name] in knot and not homes[name].startswith("floor")]:
            for other in nx.descendants(needs, name):
                if homes[other] in knot and homes[other].startswith("floor"):
                    homes[other] = homes[other].replace("floor", "under")
    return homes


def needs_of(homes: Mapping[str, str], pairs: Pairs) -> nx.DiGraph:
    """Which box needs which."""
    edges = {(homes[name], homes[target]) for name, target in pairs}
    return nx.DiGraph((a, b) for a, b in sorted(edges) if a != b)


def read_boxes(modules: Mapping[str, Module]) -> tuple[dict[str, Box], nx.DiGraph]:
    """The boxes, and which of them needs which: edges that follow from others are left out."""
    boxes: dict[str, Box] = {}
    pairs = imported(modules)
    homes = homes_of(modules, pairs)
    for name in sorted(modules):
        home, floor = homes[name], floor_of(name)
        assert floor is not None, f"{name} has no floor"
        if home not in boxes:
            title, text = (
                CORE[home] if home in CORE else (home.removeprefix(f"{FACE}."), of_package(modules[home]))
            )
            boxes[home] = Box(home, title, text, floor)
        boxes[home].modules += short_name(name, home, modules)
    return boxes, nx.transitive_reduction(needs_of(homes, pairs))


def of_package(module: Module) -> str:
    """What a package says of itself."""
    text = module.source.split('"""')[1]
    return re.split("[;:] `|; |, each", first_sentence(text))[0].replace("`", "")


def short_name(name: str, home: str, modules: Mapping[str, Module]) -> list[str]:
    """A module as its box shows it: packages inside a package as one, helpers of Python's not at all."""
    inner = name.removeprefix(f"{home}.").split(".")
    if name == home or name.endswith("__main__"):
        return []
    if home in CORE:
        return ["absint" if name == FACE else name.removeprefix(f"{FACE}.")]
    return [f"{inner[0]}/"] if len(inner) == 1 and modules[name].package else inner[:1] * (len(inner) == 1)


# Where it goes


def placed(boxes: Mapping[str, Box], needs: nx.DiGraph) -> tuple[dict[tuple[str, str], float], float]:
    """Place all boxes. Returns where along x the lane of each long edge is, and the height of all."""
    lanes: dict[tuple[str, str], float] = {}
    rank: dict[str, float] = {}
    y: float = MARGIN
    for floor in sorted(FLOORS, reverse=True):
        row = [boxes[name] for name in sorted(boxes) if boxes[name].floor == floor]
        inside = needs.subgraph(box.name for box in row)
        order = list(nx.lexicographical_topological_sort(inside, key=lambda n: (-far(n, boxes, needs), n)))
        rank |= {name: i for i, name in enumerate(order)}
        passing = [(a, b) for a, b in sorted(needs.edges) if boxes[a].floor > floor > boxes[b].floor]
        left = [edge for edge in passing if leads_left(edge, boxes, needs)]
        right = [edge for edge in passing if edge not in left]
        x = float(MARGIN + PAD)
        for edge in left:
            lanes[edge] = x + LANE / 2 - 6
            x += LANE
        room = WIDTH - MARGIN - PAD - x - LANE * len(right) - GAP * (len(order) - 1)
        bulk = sum(boxes[name].bulk for name in order)
        for name in order:
            box = boxes[name]
            box.x, box.y, box.width = x, y + PAD, room * box.bulk / bulk
            x += box.width + GAP
        for box in row:
            box.height = max(other.needed for other in row)
        for edge in right:
            lanes[edge] = x - GAP + LANE / 2 + 6
            x += LANE
        y += row[0].height + 2 * PAD + BETWEEN
    return lanes, y - BETWEEN + MARGIN


def far(name: str, boxes: Mapping[str, Box], needs: nx.DiGraph) -> int:
    """How many floors the longest arrow of a box skips; such boxes go first, to the left."""
    return max((boxes[name].floor - boxes[other].floor for other in needs.successors(name)), default=0)


def leads_left(edge: tuple[str, str], boxes: Mapping[str, Box], needs: nx.DiGraph) -> bool:
    """Whether a long edge passes on the left: it does if it comes from the first box of its floor."""
    source = boxes[edge[0]]
    return all(source.x <= box.x for box in boxes.values() if box.floor == source.floor)


# How it is written

STYLE = """
  svg { --page: #ffffff; --band: #f4f2ec; --box: #ffffff; --line: #d9d4c7; --ink: #23211c; --soft: #6d675b;
        --chip: #f4f2ec; --arrow: #8a8371; --open: #b4531f; color-scheme: light dark; }
  @media (prefers-color-scheme: dark) {
    svg { --page: #14161a; --band: #1b1e24; --box: #242830; --line: #3a404b; --ink: #eceae4; --soft: #a3a7b0;
          --chip: #303641; --arrow: #7f8796; --open: #f0a26b; } }
  text { font-family: system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: var(--ink); }
  .title { font-size: 14px; font-weight: 650; }
  .text { font-size: 11px; fill: var(--soft); }
  .chip { font: 10px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
  .floor { font-size: 10px; fill: var(--soft); letter-spacing: .06em; }
  .open { font-size: 10px; fill: var(--open); }
  .page { fill: var(--page); } .band { fill: var(--band); }
  .box { fill: var(--box); stroke: var(--line); } .name { fill: var(--chip); }
  .arrow { fill: none; stroke: var(--arrow); stroke-width: 1.6; } .head { fill: var(--arrow); }
"""
HEAD = (
    '<path class="head" d="M0 0L-3.6 -7.5L3.6 -7.5Z" transform="translate({x:.1f} {y:.1f}) rotate({turn})"/>'
)


def svg(modules: Mapping[str, Module]) -> str:
    """The whole drawing."""
    boxes, needs = read_boxes(modules)
    lanes, height = placed(boxes, needs)
    foot = height + LINE * len(LEGEND) / 2
    height += LINE * len(LEGEND) + 4
    parts = [f'<rect class="page" width="{WIDTH}" height="{height:.0f}" rx="8"/>']
    for floor in sorted(FLOORS, reverse=True):
        parts += band([box for box in boxes.values() if box.floor == floor])
    parts += arrows(boxes, needs, lanes)
    for box in boxes.values():
        parts += drawn(box)
    for i, line in enumerate(LEGEND):
        y = foot + LINE * (i - (len(LEGEND) - 1) / 2) + 2
        parts.append(f'<text class="text" x="{MARGIN + PAD}" y="{y:.1f}">{line}</text>')
    title = "The floors of absint: each imports from its own or from below"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
            f'width="{WIDTH}" height="{height:.0f}" role="img" aria-label="{title}">',
            f"<title>{title}</title>",
            "<!-- made by python -m tests.architecture from the imports; do not edit -->",
            f"<style>{STYLE}</style>",
            *parts,
            "</svg>\n",
        ]
    )


def band(row: Sequence[Box]) -> Iterable[str]:
    """The ground of a floor."""
    y, height = row[0].y - PAD, row[0].height + 2 * PAD
    yield (
        f'<rect class="band" x="{MARGIN}" y="{y:.1f}" width="{WIDTH - 2 * MARGIN}" '
        f'height="{height:.1f}" rx="8"/>'
    )


def drawn(box: Box) -> Iterable[str]:
    """A box with its title, its description and its modules."""
    x, y = box.x + PAD, box.y + PAD
    yield (
        f'<rect class="box" x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" '
        f'height="{box.height:.1f}" rx="6"/>'
    )
    slash = "" if box.name in CORE else "/"
    yield f'<text class="title" x="{x:.1f}" y="{y + 8:.1f}">{box.title}{slash}</text>'
    if box.name in OPEN:
        end = box.x + box.width - PAD
        yield f'<text class="open" x="{end:.1f}" y="{y + 7:.1f}" text-anchor="end">+ file</text>'
    y += TITLE
    for line in box.lines:
        yield f'<text class="text" x="{x:.1f}" y="{y + 8:.1f}">{escape(line)}</text>'
        y += LINE
    y += 2
    for row in box.rows:
        across = x
        for module in row:
            width = chip_width(module) - 4
            yield (
                f'<rect class="name" x="{across:.1f}" y="{y:.1f}" width="{width:.1f}" height="16" rx="4"/>'
                f'<text class="chip" x="{across + width / 2:.1f}" y="{y + 11.5:.1f}" '
                f'text-anchor="middle">{module}</text>'
            )
            across += chip_width(module)
        y += CHIP


def arrows(
    boxes: Mapping[str, Box], needs: nx.DiGraph, lanes: Mapping[tuple[str, str], float]
) -> Iterable[str]:
    """All arrows: straight ones in a floor, bent ones between floors."""
    for a, b in sorted(needs.edges):
        if boxes[a].floor == boxes[b].floor:
            start, end, y = boxes[a].x + boxes[a].width, boxes[b].x, boxes[a].y + boxes[a].height / 2
            yield f'<path class="arrow" d="M{start:.1f} {y:.1f}H{end - 6:.1f}"/>'
            yield HEAD.format(x=end - 1, y=y, turn=-90)
    turns = turns_of(boxes, needs, lanes)
    height = heights(turns, boxes)
    for (a, b), crossings in turns.items():
        bottom = boxes[b].y
        points = [(crossings[0].start, boxes[a].y + boxes[a].height)]
        for one in crossings:
            if abs(one.start - one.end) > 1:
                points += [(one.start, height[one]), (one.end, height[one])]
        points.append((crossings[-1].end, bottom - 6))
        yield f'<path class="arrow" d="{rounded(points)}"/>'
        yield HEAD.format(x=crossings[-1].end, y=bottom - 1, turn=0)


@dataclass(frozen=True)
class Turn:
    """What an arrow does below a floor: it goes down at `start`, along, and down at `end`."""

    floor: int
    start: float
    end: float

    def meets(self, other: Turn) -> bool:
        """Whether both would lie on one another at the same height."""
        (a, b), (c, d) = sorted((self.start, self.end)), sorted((other.start, other.end))
        return self.floor == other.floor and a - 10 < d and c - 10 < b


def turns_of(
    boxes: Mapping[str, Box], needs: nx.DiGraph, lanes: Mapping[tuple[str, str], float]
) -> dict[tuple[str, str], list[Turn]]:
    """The turns of each arrow that leads down: one, or one at either end of its lane."""
    down = [(a, b) for a, b in sorted(needs.edges) if boxes[a].floor > boxes[b].floor]
    found = {}
    for a, b in down:
        below = {edge[1]: lanes.get(edge, boxes[edge[1]].middle) for edge in down if edge[0] == a}
        above = {edge[0]: lanes.get(edge, boxes[edge[0]].middle) for edge in down if edge[1] == b}
        start, end = port(boxes[a], below, b), port(boxes[b], above, a)
        if abs(start - end) < 14:
            start = end
        first, last = boxes[a].floor, boxes[b].floor + 1
        lane = lanes.get((a, b))
        if lane is None:
            found[a, b] = [Turn(first, start, end)]
        else:
            found[a, b] = [Turn(first, start, lane), Turn(last, lane, end)]
    return found


def heights(turns: Mapping[tuple[str, str], Sequence[Turn]], boxes: Mapping[str, Box]) -> dict[Turn, float]:
    """Where each turn runs, so that none lies on another."""
    tracks: dict[Turn, int] = {}
    shortest_first = sorted(chain(*turns.values()), key=lambda turn: abs(turn.end - turn.start))
    for one in shortest_first:
        taken = {track for other, track in tracks.items() if one.meets(other)}
        tracks[one] = min(set(range(len(taken) + 1)) - taken)
    found = {}
    for one, track in tracks.items():
        count = 1 + max(other for turn, other in tracks.items() if turn.floor == one.floor)
        above = next(box for box in boxes.values() if box.floor == one.floor)
        middle = above.y + above.height + PAD + BETWEEN / 2
        found[one] = middle + 12 * (track - (count - 1) / 2)
    return found


def port(box: Box, others: Mapping[str, float], other: str) -> float:
    """Where on its upper or lower side a box meets an arrow: side by side, in the order of the others along
    x, which are given by name.
    """
    order = sorted(others, key=lambda name: others[name])
    return box.x + box.width * (order.index(other) + 1) / (len(order) + 1)


def rounded(points: Sequence[tuple[float, float]], radius: float = 7) -> str:
    """A path along the points with round corners."""
    path = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for before, here, after in zip(points, points[1:], points[2:], strict=False):
        near = [towards(here, other, radius) for other in (before, after)]
        path.append(f"L{near[0][0]:.1f} {near[0][1]:.1f}")
        path.append(f"Q{here[0]:.1f} {here[1]:.1f} {near[1][0]:.1f} {near[1][1]:.1f}")
    return "".join([*path, f"L{points[-1][0]:.1f} {points[-1][1]:.1f}"])


def towards(here: tuple[float, float], there: tuple[float, float], most: float) -> tuple[float, float]:
    """A place on the way, at most so far and no farther than halfway."""
    dx, dy = there[0] - here[0], there[1] - here[1]
    share = min(0.5, most / max(1e-9, abs(dx) + abs(dy)))
    return here[0] + share * dx, here[1] + share * dy


def main() -> int:
    """Write the drawing."""
    write_whole(TARGET, svg(read_modules(ROOT)).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
