"""Families of large programs, each of any size, for tests of what time and memory grow with.

`python -m tests.api.large_programs FAMILY COUNT > model.vm` writes one.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Sequence

from absint.frontend.expr import to_graph
from absint.frontend.vm import dump_vm
from absint.shapes.lettering import text
from absint.shapes.solids import polygon

_VARIABLES = ("x var-x", "y var-y")


def _joined(names: list[str], ops: Sequence[str], lines: list[str]) -> None:
    """Join values in pairs, and those again, to one."""
    made = 0
    while len(names) > 1:
        pairs = list(zip(names[::2], names[1::2], strict=False))
        rest = names[2 * len(pairs) :]
        names = []
        for a, b in pairs:
            names.append(f"join{made}")
            lines.append(f"join{made} {ops[made % len(ops)]} {a} {b}")
            made += 1
        names += rest


def circles(count: int, line: bool = False) -> str:
    """A union of small circles all over the square, or with their centres on one line."""
    choose, lines, names = random.Random(2), list(_VARIABLES), []
    for i in range(count):
        y = 0.25 if line else choose.uniform(-1, 1)
        lines += [
            f"a{i} const {choose.uniform(-1, 1):.7f}", f"b{i} const {y:.7f}",
            f"r{i} const {choose.uniform(0.001, 0.01):.7f}", f"u{i} sub x a{i}", f"v{i} sub y b{i}",
            f"p{i} square u{i}", f"q{i} square v{i}", f"s{i} add p{i} q{i}", f"t{i} sqrt s{i}",
            f"c{i} sub t{i} r{i}",
        ]  # fmt: skip
        names.append(f"c{i}")
    _joined(names, ["min"], lines)
    return "\n".join(lines) + "\n"


def boxes(count: int) -> str:
    """A union of small boxes, each the max of four half-planes."""
    choose, lines, names = random.Random(3), list(_VARIABLES), []
    for i in range(count):
        x, y, half = choose.uniform(-1, 1), choose.uniform(-1, 1), choose.uniform(0.0005, 0.003)
        lines += [
            f"a{i} const {x - half:.7f}", f"b{i} const {x + half:.7f}", f"c{i} const {y - half:.7f}",
            f"d{i} const {y + half:.7f}", f"e{i} sub a{i} x", f"f{i} sub x b{i}", f"g{i} sub c{i} y",
            f"h{i} sub y d{i}", f"i{i} max e{i} f{i}", f"j{i} max g{i} h{i}", f"k{i} max i{i} j{i}",
        ]  # fmt: skip
        names.append(f"k{i}")
    _joined(names, ["min"], lines)
    return "\n".join(lines) + "\n"


def chain(count: int) -> str:
    """Each operation on the result of the one before."""
    lines, ops = list(_VARIABLES), ("add", "mul", "sub", "max", "min")
    lines += (f"n{i} {ops[i % 5]} {f'n{i - 1}' if i else 'x'} {'xy'[i % 2]}" for i in range(count))
    return "\n".join(lines) + "\n"


def tree(count: int) -> str:
    """A balanced tree over products of a variable and a constant, all different."""
    choose, lines, names = random.Random(4), list(_VARIABLES), []
    for i in range(count // 2):
        lines += [f"c{i} const {choose.uniform(-1, 1):.9f}", f"d{i} mul {'xy'[i % 2]} c{i}"]
        names.append(f"d{i}")
    _joined(names, ["add", "mul", "sub", "max", "min"], lines)
    return "\n".join(lines) + "\n"


def nest(count: int) -> str:
    """A min of a max of a min …, each with a half-plane."""
    choose, lines = random.Random(5), list(_VARIABLES)
    for i in range(count // 2):
        lines += [
            f"c{i} const {choose.uniform(-1, 1):.7f}", f"d{i} sub {'xy'[i % 2]} c{i}",
            f"n{i} {('min', 'max')[i % 2]} {f'n{i - 1}' if i else 'x'} d{i}",
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def any_of_alls(count: int) -> str:
    """A union of intersections of eight half-planes each."""
    choose, lines, names = random.Random(6), list(_VARIABLES), []
    for i in range(count):
        for j in range(8):
            k = f"{i}_{j}"
            lines += [
                f"a{k} const {choose.uniform(-1, 1):.6f}", f"b{k} const {choose.uniform(-1, 1):.6f}",
                f"c{k} mul x a{k}", f"d{k} add c{k} y", f"e{k} sub d{k} b{k}",
            ]  # fmt: skip
            lines += [f"m{k} max {f'm{i}_{j - 1}' if j > 1 else f'e{i}_0'} e{k}"] * (j > 0)
        names.append(f"m{i}_7")
    _joined(names, ["min"], lines)
    return "\n".join(lines) + "\n"


def prefixes(count: int) -> str:
    """A union of the half-spaces of a chain's values: each term holds all of the chain before it."""
    choose, lines, names = random.Random(7), list(_VARIABLES), []
    for i in range(count):
        lines += [
            f"c{i} const {choose.uniform(0.1, 1):.7f}", f"d{i} mul {'xy'[i % 2]} c{i}",
            f"p{i} add {f'p{i - 1}' if i else 'x'} d{i}", f"q{i} sin p{i}",
        ]  # fmt: skip
        names.append(f"q{i}")
    _joined(names, ["min"], lines)
    return "\n".join(lines) + "\n"


def own_variables(count: int) -> str:
    """A union of slabs, each across a variable of its own and x."""
    lines, names = ["x var-x"], []
    for i in range(count):
        lines += [f"v{i} var-v{i}", f"a{i} sub v{i} x", f"b{i} neg v{i}", f"c{i} max a{i} b{i}"]
        names.append(f"c{i}")
    _joined(names, ["min"], lines)
    return "\n".join(lines) + "\n"


def outline(count: int) -> str:
    """A polygon of so many corners."""
    angles = [2 * math.pi * i / count for i in range(count)]
    radii = [0.8 + 0.1 * math.sin(37 * angle) for angle in angles]
    corners = [(r * math.cos(angle), r * math.sin(angle)) for r, angle in zip(radii, angles, strict=True)]
    return dump_vm(to_graph(polygon(corners)))


def letters(count: int) -> str:
    """Text in lines of a hundred letters."""
    choose = random.Random(8)
    word = "".join(choose.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(count))
    page = "\n".join(word[at : at + 100] for at in range(0, count, 100))
    return dump_vm(to_graph(text(page, 0.015, (-0.99, 0.9))))


FAMILIES: dict[str, tuple[Callable[[int], str], int]] = {
    "circles": (circles, 20_000),
    "circles-on-a-line": (lambda count: circles(count, line=True), 20_000),
    "boxes": (boxes, 100_000),
    "chain": (chain, 1_000_000),
    "tree": (tree, 1_000_000),
    "nest": (nest, 1_000_000),
    "any-of-alls": (any_of_alls, 20_000),
    "prefixes": (prefixes, 100_000),
    "own-variables": (own_variables, 10_000),
    "outline": (outline, 100_000),
    "letters": (letters, 5_000),
}
"""By name: what makes a program of some size, and the size that is large."""


if __name__ == "__main__":
    make, _ = FAMILIES[sys.argv[1]]
    sys.stdout.write(make(int(sys.argv[2])))
