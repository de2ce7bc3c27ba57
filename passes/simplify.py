"""Algebraic simplification that is exact for floats, everywhere or under conditions on bounds.

Rules of mode *zero* may change the sign of a zero, so they apply only where that sign is not observable: `a +
0 -> a` does not apply in `1 / (a + 0)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from absint.ir.program import Form, Program, Promise
from absint.ops.table import OPS
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassResult
from absint.rewriting.rules import Mode, Rule, RuleSet

from .rewriting import rewrite_until_stable

BITS, ZERO = Mode.BITS, Mode.ZERO

_EVEN = tuple(op.name for op in OPS if op.even)
_ROUNDINGS = ("floor", "ceil", "round")

RULES = RuleSet(
    (
        Rule("neg-neg", "neg(neg(a))", "a", BITS),
        Rule("neg-sub", "neg(sub(a, b))", "sub(b, a)", ZERO, why="differ at a = b only: -0 and +0"),
        Rule("add-minus-zero", "add(a, -0.0)", "a", BITS),
        Rule("add-zero-to-nonzero", "add(a, 0.0)", "a", BITS, when="nonzero(a)"),
        Rule("add-zero", "add(a, 0.0)", "a", ZERO, why="-0 + 0 is +0"),
        Rule("sub-zero", "sub(a, 0.0)", "a", BITS),
        Rule("sub-minus-zero", "sub(a, -0.0)", "a", ZERO, why="-0 - -0 is +0"),
        Rule("minus-zero-sub", "sub(-0.0, a)", "neg(a)", BITS),
        Rule("zero-sub", "sub(0.0, a)", "neg(a)", ZERO, why="0 - 0 is +0"),
        Rule("sub-self", "sub(a, a)", "0.0", BITS, when="number(a) and finite(a)", why="inf - inf is NaN"),
        Rule("add-neg", "add(a, neg(b))", "sub(a, b)", BITS, why="IEEE defines a - b as a + (-b)"),
        Rule("sub-neg", "sub(a, neg(b))", "add(a, b)", BITS, why="IEEE defines a - b as a + (-b)"),
        Rule("mul-one", "mul(a, 1.0)", "a", BITS),
        Rule("mul-minus-one", "mul(a, -1.0)", "neg(a)", BITS),
        Rule("mul-zero", "mul(a, 0.0)", "0.0", ZERO, when="number(a) and finite(a)", why="inf * 0 is NaN"),
        Rule("mul-minus-zero", "mul(a, -0.0)", "0.0", ZERO, when="number(a) and finite(a)"),
        Rule("mul-self", "mul(a, a)", "square(a)", BITS, why="the definition of square"),
        Rule("mul-neg-neg", "mul(neg(a), neg(b))", "mul(a, b)", BITS, why="signs multiply exactly"),
        Rule("mul-neg-constant", "mul(neg(a), C)", "mul(a, neg(C))", BITS, why="signs multiply exactly"),
        Rule("div-one", "div(a, 1.0)", "a", BITS),
        Rule("div-minus-one", "div(a, -1.0)", "neg(a)", BITS),
        Rule("one-div", "div(1.0, a)", "recip(a)", BITS, why="the definition of recip"),
        Rule("div-self", "div(a, a)", "1.0", BITS, when="number(a) and finite(a) and nonzero(a)"),
        Rule("div-neg-neg", "div(neg(a), neg(b))", "div(a, b)", BITS, why="signs divide exactly"),
        Rule("div-neg-constant", "div(neg(a), C)", "div(a, neg(C))", BITS, why="signs divide exactly"),
        Rule("div-power-of-two", "div(a, C)", "mul(a, div(1.0, C))", BITS, when="power_of_two(C)",
             why="both are a scaled by 2^k and rounded once; false for 3"),
        Rule("abs-positive", "abs(a)", "a", BITS, when="a > 0"),
        Rule("abs-not-negative", "abs(a)", "a", ZERO, when="a >= 0", why="-0 compares as 0"),
        Rule("abs-negative", "abs(a)", "neg(a)", BITS, when="a < 0"),
        Rule("abs-not-positive", "abs(a)", "neg(a)", ZERO, when="a <= 0"),
        Rule("abs-square", "abs(square(a))", "square(a)", BITS, why="a square is +0 or more, or NaN"),
        Rule("max-neg-right", "max(a, neg(a))", "abs(a)", ZERO, why="a tie of zeros gives the second"),
        Rule("max-neg-left", "max(neg(a), a)", "abs(a)", ZERO, why="a tie of zeros gives the second"),
        *(
            Rule(f"{even}-{inner}", f"{even}({inner}(a))", f"{even}(a)", BITS, why="even")
            for even in _EVEN
            for inner in ("neg", "abs")
        ),
        *(
            Rule(f"{outer}-{inner}", f"{outer}({inner}(a))", f"{inner}(a)", BITS, why="already whole")
            for outer in _ROUNDINGS
            for inner in _ROUNDINGS
        ),
        Rule("mod-in-range", "mod(a, b)", "a", BITS, when="a >= 0 and a < b and number(b)"),
        Rule("not-not-not", "not_(not_(not_(a)))", "not_(a)", BITS),
        Rule("and-self", "and_(a, a)", "a", BITS),
        Rule("and-zero", "and_(0.0, a)", "0.0", BITS),
        Rule("and-minus-zero", "and_(-0.0, a)", "-0.0", BITS),
        Rule("and-true", "and_(a, b)", "b", BITS, when="nonzero(a)", why="a NaN in a counts as true"),
        Rule("or-self", "or_(a, a)", "a", BITS),
        Rule("or-zero", "or_(0.0, a)", "a", BITS),
        Rule("or-minus-zero", "or_(-0.0, a)", "a", BITS),
        Rule("or-true", "or_(a, b)", "a", BITS, when="nonzero(a)", why="a NaN in a counts as true"),
    )
)  # fmt: skip


@dataclass(frozen=True)
class Simplify:
    """Applies the rules, in sweeps until none applies, at most `rounds`."""

    name: ClassVar[str] = "simplify"
    promise: ClassVar[Promise] = Promise.BITS
    takes: ClassVar[Form] = Form.REAL
    makes: ClassVar[Form] = Form.REAL
    rounds: int = 8

    def run(self, program: Program, analyses: Analyses) -> PassResult:
        """Apply the rules."""
        return rewrite_until_stable(program, analyses, RULES, self.rounds)
