"""Sign demand: only `f < 0` is demanded of the root, and operations that cannot affect the answer are
removed.

The demand is pushed from the root through min, max and neg as far as it is exact (see `demand`). At nodes of
which only the sign is demanded, arms that cannot affect it are dropped, nodes of known sign become ±1, and
operations that preserve the sign are removed. After Bolz-Tereick (2025).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from absint.ir.program import Form, Program, Promise
from absint.ops.demand import Demand
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassResult
from absint.rewriting.rules import Mode, Rule, RuleSet

from .rewriting import rewrite_until_stable

SIGN = Mode.SIGN
NEGATIVE, POSITIVE, BOTH = Demand.NEGATIVE, Demand.POSITIVE, Demand.SIGN

RULES = RuleSet(
    (
        # nodes of known sign; NaN is neither negative nor positive
        Rule("never-negative", "a", "1.0", SIGN, when="a >= 0", sees=NEGATIVE),
        Rule("always-negative", "a", "-1.0", SIGN, when="a < 0 and number(a)", sees=BOTH),
        Rule("never-positive", "a", "-1.0", SIGN, when="a <= 0", sees=POSITIVE),
        Rule("always-positive", "a", "1.0", SIGN, when="a > 0 and number(a)", sees=BOTH),
        # arms that cannot change the sign
        Rule("min-not-negative-right", "min(a, b)", "a", SIGN, when="b >= 0 and number(b)", sees=NEGATIVE),
        Rule("min-not-negative-left", "min(a, b)", "b", SIGN, when="a >= 0 and number(a)", sees=NEGATIVE),
        Rule("max-negative-right", "max(a, b)", "a", SIGN, when="b < 0 and number(b)", sees=BOTH),
        Rule("max-negative-left", "max(a, b)", "b", SIGN, when="a < 0 and number(a)", sees=BOTH),
        Rule("max-not-positive-right", "max(a, b)", "a", SIGN, when="b <= 0 and number(b)", sees=POSITIVE),
        Rule("max-not-positive-left", "max(a, b)", "b", SIGN, when="a <= 0 and number(a)", sees=POSITIVE),
        Rule("min-positive-right", "min(a, b)", "a", SIGN, when="b > 0 and number(b)", sees=BOTH),
        Rule("min-positive-left", "min(a, b)", "b", SIGN, when="a > 0 and number(a)", sees=BOTH),
        # operations that preserve the sign; a factor below 1 may underflow to zero. NaN satisfies every
        # comparison in `when`, hence `number`.
        Rule("mul-grows", "mul(a, C)", "a", SIGN, when="C >= 1 and number(C)", sees=BOTH),
        Rule("mul-grows-negative", "mul(a, C)", "neg(a)", SIGN, when="C <= -1 and number(C)", sees=BOTH),
        Rule("div-grows", "div(a, C)", "a", SIGN, when="C > 0 and C <= 1 and number(C)", sees=BOTH),
        Rule("div-grows-negative", "div(a, C)", "neg(a)", SIGN, when="C < 0 and C >= -1 and number(C)",
             sees=BOTH),
        Rule("sqrt-positive", "sqrt(a)", "a", SIGN, sees=POSITIVE),
    )
)  # fmt: skip


@dataclass(frozen=True)
class SignDemand:
    """Preserves only the sign of the program; at most `rounds` sweeps."""

    name: ClassVar[str] = "signdemand"
    promise: ClassVar[Promise] = Promise.SIGN
    takes: ClassVar[Form] = Form.REAL
    makes: ClassVar[Form] = Form.REAL
    rounds: int = 8

    def run(self, program: Program, analyses: Analyses) -> PassResult:
        """Apply the rules to the program under the promise *sign*."""
        asked = program.with_promise(Promise.SIGN)
        if asked is not program:
            analyses.inherit(asked, program, range(len(program.graph)))
        return rewrite_until_stable(asked, analyses, RULES, self.rounds)
