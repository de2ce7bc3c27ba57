"""Preconditions of rewrite rules: text enters, functions of a program's facts leave.

A precondition is text such as `a < b and number(b)`. It is a statement about each single point: `a < b` holds
if a is below b wherever both are numbers, and `number(a)` if a is never NaN.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Condition = Callable[..., bool]
"""A precondition as a function of the bounds of all nodes, `less`, `less_equal`, and the letters' nodes."""

ArrayCondition = Callable[..., NDArray[np.bool_]]
"""A precondition as a function of the lower ends, upper ends and `may_nan` of all nodes, whether the domain
is relational, and by keyword the letters' nodes, as arrays.
"""


def condition_on_nodes(text: str, letters: Sequence[str]) -> Condition:
    """Compile a precondition to a function of one node for each of `letters`, in that order."""
    body = _source(ast.parse(text, mode="eval").body, _NUMBERS)
    names = {"inf": math.inf, "power_of_two": power_of_two}
    made: Condition = eval(f"lambda bounds, less, less_equal, {', '.join(letters)}: {body}", names)
    return made


def condition_on_arrays(text: str, letters: Sequence[str]) -> ArrayCondition:
    """Compile a precondition to a function of an array of nodes for each letter.

    The function may return true wrongly: in a relational domain, every comparison of two nodes counts as
    true, since only the domain can decide it.
    """
    body = _source(ast.parse(text, mode="eval").body, _ARRAYS)
    names = {"inf": math.inf, "powers_of_two": powers_of_two}
    made: ArrayCondition = eval(
        f"lambda lower, upper, may_nan, relational, {', '.join(letters)}: {body}", names
    )
    return made


def power_of_two(lower: float, upper: float) -> bool:
    """Whether bounds are those of a constant ±2^k that is normal in binary32, and so is its reciprocal."""
    return lower == upper and 2.0**-126 <= abs(lower) <= 2.0**126 and math.frexp(lower)[0] in (0.5, -0.5)


def powers_of_two(lower: NDArray[np.float64], upper: NDArray[np.float64]) -> NDArray[np.bool_]:
    """`power_of_two`, for arrays of bounds."""
    size = np.abs(lower)
    normal = (size >= 2.0**-126) & (size <= 2.0**126)
    return np.asarray((lower == upper) & normal & (np.frexp(size)[0] == 0.5), np.bool_)


class _Forms(NamedTuple):
    """The Python text of the parts of preconditions: predicates on a node, comparisons of a node with a
    number and with a node, and the conjunction. Only `number` excludes NaN.
    """

    predicates: dict[str, str]
    with_number: dict[type[ast.cmpop], str]
    with_node: dict[type[ast.cmpop], str]
    join: str


_NUMBERS = _Forms(
    {
        "number": "not bounds[{0}].may_nan",
        "finite": "bounds[{0}].lower > -inf and bounds[{0}].upper < inf",
        "nonzero": "bounds[{0}].excludes_zero",
        "power_of_two": "power_of_two(bounds[{0}].lower, bounds[{0}].upper)",
    },
    {
        ast.Lt: "bounds[{0}].upper < {1}",
        ast.LtE: "bounds[{0}].upper <= {1}",
        ast.Gt: "bounds[{0}].lower > {1}",
        ast.GtE: "bounds[{0}].lower >= {1}",
    },
    {
        ast.Lt: "less({0}, {1})",
        ast.LtE: "less_equal({0}, {1})",
        ast.Gt: "less({1}, {0})",
        ast.GtE: "less_equal({1}, {0})",
    },
    " and ",
)
"""Text on the bounds of single nodes."""

_ARRAYS = _Forms(
    {
        "number": "~may_nan[{0}]",
        "finite": "(lower[{0}] > -inf) & (upper[{0}] < inf)",
        "nonzero": "((lower[{0}] > 0) | (upper[{0}] < 0))",
        "power_of_two": "powers_of_two(lower[{0}], upper[{0}])",
    },
    {
        ast.Lt: "(upper[{0}] < {1})",
        ast.LtE: "(upper[{0}] <= {1})",
        ast.Gt: "(lower[{0}] > {1})",
        ast.GtE: "(lower[{0}] >= {1})",
    },
    {
        ast.Lt: "((upper[{0}] < lower[{1}]) | relational)",
        ast.LtE: "((upper[{0}] <= lower[{1}]) | relational)",
        ast.Gt: "((upper[{1}] < lower[{0}]) | relational)",
        ast.GtE: "((upper[{1}] <= lower[{0}]) | relational)",
    },
    " & ",
)
"""Text on arrays of bounds."""


def _source(tree: ast.expr, forms: _Forms) -> str:
    """The Python text of a precondition."""
    if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And):
        return forms.join.join(_source(part, forms) for part in tree.values)
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        return forms.predicates[tree.func.id].format(*map(ast.unparse, tree.args))
    if isinstance(tree, ast.Compare) and len(tree.ops) == 1:
        left, right = tree.left, tree.comparators[0]
        compared = forms.with_node if isinstance(right, ast.Name) else forms.with_number
        return compared[type(tree.ops[0])].format(ast.unparse(left), ast.unparse(right))
    raise ValueError(f"not a precondition: {ast.unparse(tree)!r}")
