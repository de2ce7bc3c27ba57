"""Preconditions of rewrite rules: text, compiled to functions of a program's facts.

A precondition is text such as `a < b and number(b)`. It must hold at every single point: `a < b` holds if a
is below b wherever both are numbers, and `number(a)` if a is never NaN.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Nodes = NDArray[np.integer]
"""int[m]: nodes of a graph."""

Condition = Callable[..., NDArray[np.bool_]]
"""Takes the `BoundFacts` of a program, the three columns of its bounds, and by name the nodes bound to the
letters, int[m] each; other names are ignored. Returns bool[m].
"""


def compile_precondition(text: str, letters: Sequence[str]) -> tuple[Condition, ...]:
    """The parts of a precondition joined by `and`, compiled. Parts that compare two nodes come last, since
    relational domains take long to compare nodes.
    """
    tree = ast.parse(text, mode="eval").body
    parts = tree.values if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And) else [tree]
    sources = sorted(map(_source, parts), key=lambda source: source.startswith("facts."))
    names = {"inf": math.inf, "powers_of_two": powers_of_two}
    head = f"lambda facts, lower, upper, may_nan, {', '.join(letters)}, **_"
    return tuple(eval(f"{head}: {source}", names) for source in sources)


def powers_of_two(lower: NDArray[np.float64], upper: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Constants ±2^k whose reciprocals are exact in every precision (both are normal in binary32)."""
    size = np.abs(lower)
    normal = (size >= 2.0**-126) & (size <= 2.0**126)
    return np.asarray((lower == upper) & normal & (np.frexp(size)[0] == 0.5), np.bool_)


_PREDICATES = {
    "number": "~may_nan[{0}]",
    "finite": "(lower[{0}] > -inf) & (upper[{0}] < inf)",
    "nonzero": "(lower[{0}] > 0) | (upper[{0}] < 0)",
    "power_of_two": "powers_of_two(lower[{0}], upper[{0}])",
}
_WITH_NUMBER: dict[type[ast.cmpop], str] = {
    ast.Lt: "upper[{0}] < {1}",
    ast.LtE: "upper[{0}] <= {1}",
    ast.Gt: "lower[{0}] > {1}",
    ast.GtE: "lower[{0}] >= {1}",
}
_WITH_NODE: dict[type[ast.cmpop], str] = {
    ast.Lt: "facts.less({0}, {1})",
    ast.LtE: "facts.less_equal({0}, {1})",
    ast.Gt: "facts.less({1}, {0})",
    ast.GtE: "facts.less_equal({1}, {0})",
}
"""Python text for the parts of preconditions, over the bounds of many nodes at once: predicates, comparisons
of a node with a number, and comparisons of two nodes. Only `number` excludes NaN.
"""


def _source(tree: ast.expr) -> str:
    """The Python text of a part of a precondition."""
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        return _PREDICATES[tree.func.id].format(*map(ast.unparse, tree.args))
    if isinstance(tree, ast.Compare) and len(tree.ops) == 1:
        left, right = tree.left, tree.comparators[0]
        compared = _WITH_NODE if isinstance(right, ast.Name) else _WITH_NUMBER
        return compared[type(tree.ops[0])].format(ast.unparse(left), ast.unparse(right))
    raise ValueError(f"not a precondition: {ast.unparse(tree)!r}")
