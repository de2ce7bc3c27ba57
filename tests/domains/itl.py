"""The interval tests of ITF1788, in the one-page format that they are exchanged in.

In: the text of an `.itl` file. Out: its bare statements about our operations, `op [l, u] … = [l, u];`, as
`Statement`s with exact binary64 ends. Statements with decorations, NaI or signals are about another type and
are left out, as are operations that we do not have. After Kiesner, Nehmeier and Wolff von Gudenberg, ITF1788
(2015).
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

OPERATIONS = {
    "neg": "neg", "add": "add", "sub": "sub", "mul": "mul", "div": "div", "recip": "recip", "sqr": "square",
    "sqrt": "sqrt", "abs": "abs", "min": "min", "max": "max", "floor": "floor", "ceil": "ceil",
    "roundTiesToAway": "round", "sin": "sin", "cos": "cos", "tan": "tan", "asin": "asin", "acos": "acos",
    "atan": "atan", "atan2": "atan2", "exp": "exp", "log": "ln",
}  # fmt: skip
"""What ITF1788 calls our operations."""

Ends = tuple[float, float]
"""Lower and upper end; no number at all is (+inf, -inf)."""

EMPTY: Ends = (math.inf, -math.inf)

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_CASE = re.compile(r"testcase\s+([\w.-]+)\s*\{(.*?)\n\}", re.DOTALL)
_INTERVAL = r"\[[^\[\]]*\]"
_BARE = re.compile(rf"(\w+)((?:\s+{_INTERVAL})+)\s*=\s*({_INTERVAL})")


class Statement(NamedTuple):
    """`op operands = result`, with our name of the operation. `text`: as it stands, on one line."""

    text: str
    op: str
    operands: tuple[Ends, ...]
    result: Ends


def parse_itl(text: str) -> list[Statement]:
    """The bare statements about our operations, in order. Raises `ValueError` for a wrong interval."""
    statements = []
    for case in _CASE.finditer(_COMMENT.sub("", text)):
        for written in case[2].split(";"):
            line = " ".join(written.split())
            bare = _BARE.fullmatch(line)
            if bare is not None and bare[1] in OPERATIONS and "nai" not in line:
                operands = tuple(map(_interval, re.findall(_INTERVAL, bare[2])))
                statements.append(Statement(line, OPERATIONS[bare[1]], operands, _interval(bare[3])))
    return statements


def _interval(text: str) -> Ends:
    inner = text.strip("[] ").lower()
    if inner == "empty":
        return EMPTY
    if inner == "entire":
        return -math.inf, math.inf
    lower, upper = map(_number, inner.split(","))
    if not lower <= upper:
        raise ValueError(f"{text}: the lower end is above the upper one")
    return lower, upper


def _number(text: str) -> float:
    return float.fromhex(text) if "0x" in text else float(text)
