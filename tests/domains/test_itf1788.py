"""ITF1788, the test vectors of IEEE 1788, against our interval rules in binary64.

Their intervals are sets of real numbers, rounded outward; ours hold floats, infinities among them, rounded to
nearest. So a correctly rounded operation lies inside the vector's interval, each end at most one float away;
sin … ln contain the vector's interval moved in by one float, and are at most 4 floats wider. What 1788 leaves
out of an operation's domain is our NaN flag, for which `makes_nan` spells IEEE 754 out. The rest is in
`EXEMPT`: statements named one by one, with the reason and with what ours is instead.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from absint.domains.interval import IntervalDomain
from absint.domains.lattice import Interval
from absint.ops.precision import Precision
from absint.ops.table import BY_NAME
from tests.domains.itl import EMPTY, OPERATIONS, Ends, Statement, parse_itl

FILES = {"libieeep1788_elem.itl": 1053, "atan2.itl": 38}
"""How many bare statements about our operations each file holds."""

APPROXIMATED = ("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "exp", "ln")
WIDER = 4
"""Floats by which an end of these may be beyond the vector's."""

inf = math.inf
PI = math.pi  # rounded to nearest, as our rules clamp to
LOWEST = -float(np.finfo(np.float64).max)

WHOLE = (-inf, inf)
POLE = "an interval that contains 0 contains both zeros, and 1/±0 = ±inf are values"
CUT = "an interval that contains 0 contains both zeros, and atan2(±0, x) = ±pi for x <= 0, -0 included"


class Exemption(NamedTuple):
    """Statements that do not hold of our rules: all ways to write `op first second`, or `op first`.

    `operands`: the last operand of each, before it the first operand and a colon if there are two. `ours`:
    what our rule says instead, exactly.
    """

    op: str
    operands: str
    ours: Ends
    reason: str


EXEMPT = (
    Exemption("div", "-inf inf: 0 0", WHOLE, POLE),
    Exemption("div", "-30 -15: 0 0, -3 0, 0 3, -inf 0, 0 inf", WHOLE, POLE),
    Exemption("div", "-30 15: 0 0", WHOLE, POLE),
    Exemption("div", "15 30: 0 0, -3 0, 0 3, -inf 0, 0 inf", WHOLE, POLE),
    Exemption("div", "0 0: 0 0, -3 0, -3 3, 0 3, -inf 0, -inf 3, -3 inf, 0 inf, -inf inf", WHOLE, POLE),
    Exemption("div", "-inf -15: 0 0, -3 0, 0 3, -inf 0, 0 inf", WHOLE, POLE),
    Exemption("div", "-inf 15: 0 0", WHOLE, POLE),
    Exemption("div", "-15 inf: 0 0", WHOLE, POLE),
    Exemption("div", "15 inf: 0 0, -3 0, 0 3, -inf 0, 0 inf", WHOLE, POLE),
    Exemption("div", "-30 0: 0 0, -3 0, 0 3, -inf 0, 0 inf", WHOLE, POLE),
    Exemption("div", "0 30: 0 0, -3 0, 0 3, -inf 0, 0 inf", WHOLE, POLE),
    Exemption("div", "-inf 0: 0 0, -3 0, 0 3, -inf 0, 0 inf", WHOLE, POLE),
    Exemption("div", "0 inf: 0 0, -3 0, 0 3, -inf 0, 0 inf", WHOLE, POLE),
    Exemption("div", "-2 -1: 0 10", WHOLE, POLE),
    Exemption("recip", "0 0, -10 0, 0 10, -inf 0, 0 inf", WHOLE, POLE),
    Exemption(
        "ln",
        "-inf 0",
        (-inf, math.nextafter(LOWEST, 0.0)),
        "ln(±0) = -inf is a value, moved out by two floats",
    ),
    Exemption(
        "tan",
        "0 inf, -inf 0, -inf inf, 1.5707963267948966 1.5707963267948968, 0 1.5707963267948968, "
        "0 3.141592653589793, 0 3.1415926535897936, "
        "4.440892098500626e-16 3.141592653589793, 4.440892098500626e-16 3.1415926535897936, "
        "2.220446049250313e-16 3.141592653589793, 2.220446049250313e-16 3.1415926535897936, "
        "-1.5707963267948966 1.5707963267948968, -1.5707963267948968 1.5707963267948966, "
        "-1.5707963267948968 1.5707963267948968, 5345.555 5446.01",
        (-(2.0**62), 2.0**62),
        "no binary64 number lies on a pole, so that tan is finite at all of them",
    ),
    Exemption(
        "tan",
        "1.5707963267948966 1.5707963267948966, 1.5707963267948968 1.5707963267948968, "
        "0 1.5707963267948966, -1.5707963267948966 1.5707963267948966",
        (-(2.0**62), 2.0**62),
        "not tight: an end so near to a pole may be beyond it for all that the rule knows",
    ),
    Exemption("atan2", "-inf inf: 0 0, 0 1", (-PI, PI), CUT),
    Exemption("atan2", "0 0: -inf inf, 0 0, -2 -0.1, -2 0, -2 1, 0 1, -inf 0, 0 inf", (-PI, PI), CUT),
    Exemption("atan2", "-2 0: 0 0, 0 1", (-PI, PI), CUT),
    Exemption("atan2", "-2 1: 0 0, 0 1", (-PI, PI), CUT),
    Exemption("atan2", "0 1: -inf inf, 0 0, -2 -0.1, -2 0, -2 1, 0 1", (-PI, PI), CUT),
    Exemption("atan2", "0 inf: 0 0", (-PI, PI), CUT),
    Exemption("atan2", "-inf 0: 0 0", (-PI, PI), CUT),
    Exemption("atan2", "0 2: -3 -1", (-PI, PI), CUT),
    Exemption("atan2", "0 5: -5 0, 0 5", (-PI, PI), CUT),
    Exemption("atan2", "-5 0: 0 5", (-PI, PI), CUT),
)

Key = tuple[str, tuple[Ends, ...]]
"""An operation and its operands; the zeros are equal."""


def keys(exemption: Exemption) -> list[Key]:
    *first, rest = exemption.operands.split(":")
    before = tuple(map(ends, first))
    return [(exemption.op, (*before, ends(last))) for last in rest.split(",")]


def ends(text: str) -> Ends:
    lower, upper = map(float, text.split())
    return lower, upper


EXEMPTED = {key: exemption for exemption in EXEMPT for key in keys(exemption)}
EVERY_OP = pytest.mark.parametrize("op", sorted(set(OPERATIONS.values())))
EVERY_FILE = pytest.mark.parametrize("file", FILES)


@cache
def statements_of(path: Path) -> tuple[Statement, ...]:
    return tuple(parse_itl(path.read_text(encoding="utf-8")))


def of_both(folder: Path) -> list[Statement]:
    return [statement for file in FILES for statement in statements_of(folder / file)]


def ours(statement: Statement) -> tuple[float, float, bool]:
    operands = [Interval(np.float64(low), np.float64(high), False) for low, high in statement.operands]
    with np.errstate(all="ignore"):
        lower, upper, may_nan = IntervalDomain(Precision.F64).transfer(BY_NAME[statement.op], operands)
    return float(lower), float(upper), bool(may_nan)


def moved(value: float, floats: int) -> float:
    """So many floats up, or down where negative."""
    for _ in range(abs(floats)):
        value = math.nextafter(value, math.copysign(inf, floats))
    return value


def agrees(statement: Statement, lower: float, upper: float) -> bool:
    """The statement holds of our ends."""
    least, greatest = statement.result
    if least > greatest:
        return lower > upper
    if statement.op in APPROXIMATED:
        contained = lower <= moved(least, 1) and moved(greatest, -1) <= upper
        return contained and moved(least, -WIDER) <= lower and upper <= moved(greatest, WIDER)
    return least <= lower <= moved(least, 1) and moved(greatest, -1) <= upper <= greatest


def makes_nan(op: str, operands: tuple[Ends, ...]) -> bool:
    """Whether IEEE 754's operation gives NaN for some values of the operands, infinities among them."""
    if EMPTY in operands:
        return False
    zero = [low <= 0 <= high for low, high in operands]
    infinite = [low == -inf or high == inf for low, high in operands]
    (low, high), (other_low, other_high) = operands[0], operands[-1]
    match op:
        case "add":
            return (low == -inf and other_high == inf) or (high == inf and other_low == -inf)
        case "sub":
            return (low == -inf and other_low == -inf) or (high == inf and other_high == inf)
        case "mul":
            return (zero[0] and infinite[1]) or (infinite[0] and zero[1])
        case "div":
            return all(zero) or all(infinite)
        case "sqrt" | "ln":
            return low < 0
        case "asin" | "acos":
            return low < -1 or high > 1
        case "sin" | "cos" | "tan":
            return infinite[0]
    return False


@EVERY_FILE
def test_all_bare_statements_are_found(file: str, itl_dir: Path) -> None:
    assert len(statements_of(itl_dir / file)) == FILES[file]


@EVERY_OP
def test_statements_hold(op: str, itl_dir: Path) -> None:
    """Those that are not exempt."""
    checked = [s for s in of_both(itl_dir) if s.op == op and (op, s.operands) not in EXEMPTED]
    assert len(checked) > 5
    wrong = [(s.text, ours(s)) for s in checked if not agrees(s, *ours(s)[:2])]
    assert not wrong


@EVERY_OP
def test_what_1788_leaves_out_is_nan(op: str, itl_dir: Path) -> None:
    """The flag is set where the operation can give NaN, and nowhere else."""
    wrong = [
        (s.text, ours(s)) for s in of_both(itl_dir) if s.op == op and ours(s)[2] != makes_nan(op, s.operands)
    ]
    assert not wrong


def test_every_exemption_is_needed(itl_dir: Path) -> None:
    """Each names statements, none of which would hold, and says what ours is there."""
    used = set()
    for statement in of_both(itl_dir):
        exemption = EXEMPTED.get((statement.op, statement.operands))
        if exemption is not None:
            lower, upper, _ = ours(statement)
            assert not agrees(statement, lower, upper), f"holds: {statement.text}"
            assert (lower, upper) == exemption.ours, (statement.text, exemption.reason)
            used.add((statement.op, statement.operands))
    assert used == set(EXEMPTED), "statements that no file makes"


def test_no_exemption_is_written_twice() -> None:
    assert sum(len(keys(exemption)) for exemption in EXEMPT) == len(EXEMPTED)


TEXT = """/* testcase out {
    sin [0, 1] = [0, 1];
} */
testcase bare {
    add [1.0, 2] [-0x1P-1, infinity] = [0.5, infinity]; // sub [1, 1] [1, 1] = [0, 0];
    log [empty] = [empty];
    sqr [entire]
        = [0, infinity];
}
testcase others {
    add [1, 2]_com [1, 2]_com = [2, 4]_com;
    pown [2, 2] 3 = [8, 8];
    sin [nai] = [nai];
    cosh [0, 0] = [1, 1];
    add [1, 2] [1, 2] = [2, 4] signal UndefinedOperation;
}
"""


def test_the_parser_takes_bare_statements_of_our_operations() -> None:
    assert [statement[1:] for statement in parse_itl(TEXT)] == [
        ("add", ((1.0, 2.0), (-0.5, inf)), (0.5, inf)),
        ("ln", (EMPTY,), EMPTY),
        ("square", (WHOLE,), (0.0, inf)),
    ]
    with pytest.raises(ValueError, match="above"):
        parse_itl("testcase t {\n neg [2, 1] = [-2, -1];\n}")


@pytest.mark.parametrize("op", ["add", "sin"])
def test_ends_that_are_off_do_not_agree(op: str) -> None:
    """By one float inward or outward for `add`; by two inward or five outward for `sin`."""
    statement = Statement("", op, (), (0.25, 0.5))
    inward, outward = (2, 5) if op == "sin" else (2, 1)
    assert agrees(statement, 0.25, 0.5)
    assert agrees(statement, moved(0.25, inward - 1), moved(0.5, 1 - inward))
    assert agrees(statement, moved(0.25, 1 - outward), moved(0.5, outward - 1))
    for lower, upper in (
        (moved(0.25, inward), 0.5),
        (0.25, moved(0.5, -inward)),
        (moved(0.25, -outward), 0.5),
        (0.25, moved(0.5, outward)),
    ):
        assert not agrees(statement, lower, upper)
