"""Lowered programs for tests: from text, and at random around a point at which the answer is known.

Random points seldom come near the ends of a band. So a *witness* is chosen first, and constants and bands are
made of the values that a program has there or of their neighbours among the floats; then all is tried at the
witness and around it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.frontend.vm import parse_vm
from absint.ir.box import Box
from absint.ir.graph import Graph, GraphBuilder, Logic
from absint.ir.interpreter import interpret_concrete
from absint.ir.program import Program, Promise
from absint.ops.precision import Precision
from absint.ops.table import BAND, BY_NAME, CONST, OPS, PREDICATES, SPICY, Op
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import parse_pipeline
from absint.rewriting.promise import band_ends, sample_points

LOWERING = ("flatten", "bands", "contract")
"""The passes behind `predicates`."""

NAMES = ("x", "y", "z", "t")
NUMBERS = [value for value in SPICY if value == value]
Points = dict[str, NDArray[Any]]


def lowered(text: str) -> Graph:
    """The graph of a text as `dump_vm` writes it; `;` may part lines, of which the last is the root."""
    codes = {kind.name: kind.code for kind in PREDICATES}
    lines = [line.split() for line in text.replace(";", "\n").splitlines() if line.strip() and line[0] != "#"]
    lines.sort(key=lambda words: words[1] in codes)  # real nodes first
    texts = [" ".join(words) + "\n" for words in lines if words[1] not in codes]
    real = parse_vm("".join(texts) or "unused const 0\n")
    number = {words[0]: node for node, words in enumerate(lines)}
    n, total = len(texts), len(lines)
    op, args = np.zeros(total, np.uint8), np.full((total, 2), -1, np.int32)
    constants, bands = np.zeros(total), np.zeros((total, 2))
    op[:n], args[:n], constants[:n] = real.op[:n], real.args[:n], real.constants[:n]
    items: list[list[int]] = [[] for _ in lines]
    for node, (_, kind, *operands) in enumerate(lines[n:], n):
        op[node] = codes[kind]
        if kind == BAND.name:
            args[node, 0] = number[operands[0]]
            bands[node] = [float(end) for end in operands[1:]]
        else:
            items[node] = [number[operand] for operand in operands]
    starts = np.cumsum([0, *map(len, items)]).astype(np.int32)
    logic = Logic(starts, np.array([item for each in items for item in each], np.int32), bands)
    names = tuple(words[0] for words in lines)
    graph = Graph(op, args, constants, dict(real.variables), names, np.zeros(total, np.int32), logic)
    graph.verify()
    return graph


def lowered_program(text: str, box: Box | None = None, precision: Precision = Precision.F32) -> Program:
    """A lowered program from text, on the usual box if none is given."""
    return Program(lowered(text), precision, Box.default() if box is None else box, Promise.SIGN)


def applied(pass_text: str, program: Program, analyses: Analyses | None = None) -> Program:
    """What a pass makes of a program, with the checks that hold for every pass of the lowering."""
    analyses = Analyses() if analyses is None else analyses
    after, rewrites = parse_pipeline(pass_text)[0].run(program, analyses)
    after.graph.verify()
    assert bool(rewrites) == (after.graph is not program.graph), f"{pass_text} counts {rewrites}"
    if after.graph.lowered:
        assert after.promise is Promise.SIGN
        assert (after.box, after.precision, after.origin) == (program.box, program.precision, program.origin)
    return after


def settled(pass_text: str, program: Program) -> bool:
    """Whether a pass has nothing more to do.

    `contract` stops after some rounds; what shrinks without end, as x does in x/x < 0.5, needs more.
    """
    for _ in range(12 if pass_text == "contract" else 1):
        again, rewrites = parse_pipeline(pass_text)[0].run(program, Analyses())
        if again is program and not rewrites:
            return True
        program = again
    return False


def answers(program: Program, points: Points) -> NDArray[np.bool_]:
    """bool[m]: what the program says to `f < 0` at the points."""
    shape = next(iter(points.values())).shape
    root = np.broadcast_to(interpret_concrete(program.graph, program.precision, points)[-1], shape)
    return root if program.graph.lowered else root < 0


def points_around(rng: np.random.Generator, program: Program, *graphs: Graph, count: int = 400) -> Points:
    """Points of the program's box, many of them quarters or at the ends of bands of variables in `graphs`."""
    points = sample_points(
        NAMES, program.box, program.precision, count, int(rng.integers(2**31)), special=band_ends(*graphs)
    )
    for name, values in points.items():
        quarters = rng.integers(-16, 17, count) / rng.choice([1, 2, 4, 16], count)
        values = np.where(rng.random(count) < 0.4, quarters.astype(values.dtype), values)
        points[name] = _either_zero(rng, _clipped(program, name, values))
    return points


def points_near(rng: np.random.Generator, program: Program, witness: Points, count: int = 200) -> Points:
    """The witness first, then points within a few floats of it, in all variables or in some."""
    points = points_around(rng, program, count=count)
    for name, (value,) in witness.items():
        neighbours = np.array([value, *(neighbour(rng, value) for _ in range(8))])
        values = np.where(rng.random(count) < 0.75, rng.choice(neighbours, count), points[name])
        points[name] = _either_zero(rng, _clipped(program, name, values))
        points[name][0] = value
    return points


def _clipped(program: Program, name: str, values: NDArray[Any]) -> NDArray[Any]:
    lower, upper, unbounded = program.box.of_variable(name)
    real = program.precision.real
    return values if unbounded else np.clip(values, real(lower), real(upper))


def _either_zero(rng: np.random.Generator, values: NDArray[Any]) -> NDArray[Any]:
    return np.where((values == 0) & (rng.random(len(values)) < 0.5), -values, values)


def neighbour(rng: np.random.Generator, value: Any, most: int = 3) -> Any:
    """A float at most so many places from this one."""
    real = type(value)
    with np.errstate(all="ignore"):
        for _ in range(int(rng.integers(0, most + 1))):
            value = np.nextafter(value, real(rng.choice([-math.inf, math.inf])))
    return value


def _operations(text: str) -> list[Op]:
    """`min:3 neg` is min three times and neg once."""
    words = [word.partition(":") for word in text.split()]
    return [BY_NAME[name] for name, _, times in words for _ in range(int(times or 1))]


MIXES = (
    _operations("min:4 max:4 neg:2 abs:2 add:3 sub:3 mul:3 square:2 sqrt:2 floor ceil round recip div:2"),
    _operations("add:3 sub:3 mul:3 square:3 sqrt:2 abs:2 neg div recip min max"),
    _operations("div:4 recip:2 mul:3 add sub min:2 max:2 sqrt neg abs floor round ceil"),
    _operations("min:3 max:3 add:2 sub:2 mul:2 and or not compare mod atan2 sin exp ln square sqrt abs tan"),
    [op for op in OPS if not op.is_leaf],
)
"""What random graphs are made of: everything that lowers, sums, quotients, what does not lower, anything."""


def random_builder(rng: np.random.Generator, size: int) -> GraphBuilder:
    """One to four variables, now and then one of them twice, constants, and up to `size` operations."""
    builder = GraphBuilder()
    names = list(NAMES[: rng.integers(1, 5 if rng.random() < 0.4 else 3)])
    for name in names + names[:1] * int(rng.random() < 0.2):
        builder.append_variable(name)
    mix = MIXES[rng.integers(len(MIXES))]
    near = 0.6 * (rng.random() < 0.5)

    def pick() -> int:
        last = len(builder) - 1
        return last - int(rng.integers(0, min(4, last + 1) if rng.random() < near else last + 1))

    for _ in range(int(rng.integers(1, size + 1))):
        op = mix[rng.integers(len(mix))]
        operands = [pick(), pick() if op.arity == 2 else -1]
        if op.arity == 2 and rng.random() < 0.3:
            operands[rng.integers(2)] = builder.append(CONST.code, value=_constant(rng))
        builder.append(op.code, operands[0], operands[1])
    if rng.random() < 0.6:
        items = [pick() for _ in range(rng.integers(2, 7))]
        while len(items) > 1:
            first, second = (items.pop(rng.integers(len(items))) for _ in range(2))
            items.append(builder.append(BY_NAME[str(rng.choice(["min", "max"]))].code, first, second))
    return builder


def _constant(rng: np.random.Generator) -> float:
    kind = rng.random()
    if kind < 0.45:
        return float(rng.integers(-8, 9)) / 4
    return float(rng.uniform(-2, 2) if kind < 0.75 else rng.choice(SPICY))


def random_box(rng: np.random.Generator, precision: Precision) -> Box:
    """Ordinary, tiny, point-like and huge bounds, bounds with special ends, and no bounds."""
    bounds = {}
    for name in NAMES:
        number, other = rng.uniform(-4, 4, 2).tolist()
        special, another = rng.choice(NUMBERS, 2).tolist()
        unit, above = (-1.0, 1.0), float(np.nextafter(np.float32(number), np.float32(4)))
        choices = [
            *[unit] * 6, *[(number, other)] * 3, (number, number), (special, special), (number, above),
            *[(special, another)] * 2, (0.0, abs(special)), (-math.inf, math.inf), None, None,
        ]  # fmt: skip
        ends = choices[rng.integers(len(choices))]
        if ends is not None:
            lower, upper = (precision.round(end) + 0.0 for end in ends)
            bounds[name] = (min(lower, upper), max(lower, upper))
    return Box(bounds)


def random_witness(rng: np.random.Generator, program: Program) -> Points:
    """One point of the program's box."""
    return {name: values[:1] for name, values in points_around(rng, program, count=3).items()}


def random_program(rng: np.random.Generator, size: int = 20) -> Program:
    """A real program on a random box."""
    precision = list(Precision)[rng.integers(2)]
    return Program(random_builder(rng, size).build(), precision, random_box(rng, precision))


def random_threshold(rng: np.random.Generator) -> tuple[Program, Points]:
    """A real program that compares some of its values with what they are at a witness, or nearly."""
    precision = list(Precision)[rng.integers(2)]
    builder, box = random_builder(rng, 10), random_box(rng, precision)
    size = len(builder)
    graph = builder.build()
    witness = random_witness(rng, Program(graph, precision, box))
    values = interpret_concrete(graph, precision, witness)
    items = []
    for _ in range(int(rng.integers(1, 4))):
        node = int(rng.integers(max(0, size - 6), size))
        (value,) = np.broadcast_to(values[node], 1)
        constant = builder.append(CONST.code, value=float(neighbour(rng, value, 2)))
        pair = (node, constant) if rng.random() < 0.5 else (constant, node)
        items.append(builder.append(BY_NAME[str(rng.choice(["sub", "sub", "compare"]))].code, *pair))
    while len(items) > 1:
        joined = BY_NAME[str(rng.choice(["min", "max"]))].code
        items.append(builder.append(joined, items.pop(), items.pop()))
    return Program(builder.build(), precision, box), witness


def random_lowered(rng: np.random.Generator) -> tuple[Program, Points]:
    """A lowered program, no predicate in it twice, and a witness at which it is true."""
    precision = list(Precision)[rng.integers(2)]
    graph, box = random_builder(rng, 10).build(), random_box(rng, precision)
    witness = random_witness(rng, Program(graph, precision, box))
    values = [float(np.broadcast_to(v, 1)[0]) for v in interpret_concrete(graph, precision, witness)]
    numbers = [node for node, value in enumerate(values) if value == value][-8:]
    lines = dump_lines(graph)

    def add(words: str) -> str:
        """The predicate of these words, one for equal ones; a list of one is that one."""
        if len(words.split()) == 2:
            return words.split()[1]
        for line in lines:
            if line.endswith(f" {words}"):
                return line.split()[0]
        lines.append(f"p{len(lines)} {words}")
        return f"p{len(lines) - 1}"

    def band(holds: bool) -> str:
        node = int(rng.choice(numbers) if holds else rng.integers(len(graph)))
        lower, upper = sorted(precision.round(end) for end in rng.choice(NUMBERS, 2).tolist())
        if holds:
            value = precision.real(values[node])
            lower = -math.inf if rng.random() < 0.3 else float(min(value, neighbour(rng, value)))
            upper = math.inf if rng.random() < 0.3 else float(max(value, neighbour(rng, value)))
        return add(f"band n{node} {lower!r} {upper!r}")

    def tree(depth: int, holds: bool) -> str:
        kind = rng.random()
        if depth == 0 or kind < 0.3:
            return band(holds)
        every = kind < 0.65
        parts = [tree(depth - 1, holds and (every or i == 0)) for i in range(int(rng.integers(2, 4)))]
        return add(" ".join(["all" if every else "any", *sorted(set(parts))]))

    root = tree(int(rng.integers(1, 5)), True)
    last = next(i for i, line in enumerate(lines) if line.split()[0] == root)
    return Program(lowered("\n".join(lines[: last + 1])), precision, box, Promise.SIGN), witness


def dump_lines(graph: Graph) -> list[str]:
    """The lines of a real graph without names, in which node i is called n{i}."""
    lines = []
    for node, (code, a, b) in enumerate(graph.rows):
        if node in graph.variables:
            words = f"var-{graph.variables[node]}"
        elif code == CONST.code:
            words = f"const {graph.values[node]!r}"
        else:
            words = " ".join([OPS[code].name, *(f"n{operand}" for operand in (a, b) if operand >= 0)])
        lines.append(f"n{node} {words}")
    return lines


def shape(program: Program) -> str:
    """A lowered program's predicates, as `any(all(add 0.0 1.0, y 2.0 3.0), x -inf <0.5)`, in the order of the
    letters: a band by the variable or the operation that it is of, the float below 0.5 as `<0.5`.
    """
    graph = program.graph
    assert graph.logic is not None

    def shown(node: int) -> str:
        if graph.record(node) is not BAND:
            parts = ", ".join(sorted(map(shown, graph.operands(node))))
            return graph.record(node).name + (f"({parts})" if parts else "")
        value = graph.rows[node][1]
        assert graph.logic is not None
        lower, upper = (_number(end, program.precision) for end in graph.logic.bands[node].tolist())
        return f"{graph.variables.get(value) or graph.record(value).name} {lower} {upper}"

    return shown(graph.root)


def _number(value: float, precision: Precision) -> str:
    """A number, shorter by the one below or above it."""
    beside = {"": value}
    with np.errstate(all="ignore"):
        for sign, direction in ("<", math.inf), (">", -math.inf):
            beside[sign] = float(np.nextafter(precision.real(value), precision.real(direction))) + 0.0
    sign = min(beside, key=lambda sign: len(f"{beside[sign]!r}") + 2 * len(sign))
    return f"{sign}{beside[sign]!r}"
