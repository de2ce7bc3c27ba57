"""Known outcomes: a min or max is removed if one arm always wins, or an inner min or max repeats an arm.

NaN wins, so an arm may be dropped only if it is never NaN. A tie gives the second operand, so the first may
replace a tie only where the sign of a zero is not observable. Counterexamples to rules without these
conditions: min(1, NaN) is NaN though 1 is below every number in b, and min(-0, +0) is +0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import ClassVar

from absint.ir.program import Form, Program, Promise
from absint.ops.demand import Demand, swap_signs
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassResult
from absint.rewriting.rules import Mode, Rule, RuleSet

from .rewriting import rewrite_until_stable

BITS, ZERO = Mode.BITS, Mode.ZERO

_MIN_RULES = (
    Rule("min-self", "min(a, a)", "a", BITS),
    Rule("min-left", "min(a, b)", "a", BITS, when="a < b and number(b)"),
    Rule("min-right", "min(a, b)", "b", BITS, when="b <= a and number(a)", why="a tie gives the second"),
    Rule("min-left-touching", "min(a, b)", "a", BITS, when="a <= b and number(b) and nonzero(a)",
         why="a tie of equal numbers that are no zeros"),
    Rule("min-left-zero", "min(a, b)", "a", ZERO, when="a <= b and number(b)"),
    Rule("min-again-right", "min(min(a, b), b)", "min(a, b)", BITS),
    Rule("min-again-left", "min(min(a, b), a)", "min(a, b)", ZERO),
    Rule("min-again-inner-left", "min(a, min(a, b))", "min(a, b)", BITS),
    Rule("min-again-inner-right", "min(b, min(a, b))", "min(a, b)", BITS),
    Rule("min-absorb-1", "min(a, max(a, b))", "a", ZERO, when="number(b)"),
    Rule("min-absorb-2", "min(a, max(b, a))", "a", BITS, when="number(b)"),
    Rule("min-absorb-3", "min(max(a, b), a)", "a", BITS, when="number(b)"),
    Rule("min-absorb-4", "min(max(b, a), a)", "a", BITS, when="number(b)"),
)  # fmt: skip


def _mirror(rule: Rule) -> Rule:
    """The corresponding rule for max, by reversing the order of the floats. The rule must not contain
    numbers, which would have to be negated.
    """
    assert not re.search("[0-9]", rule.pattern + rule.replacement + rule.when), f"{rule.name} holds a number"

    def swap(text: str) -> str:
        return text.replace("min", "?").replace("max", "min").replace("?", "max")

    return replace(
        rule,
        name=swap(rule.name),
        pattern=swap(rule.pattern),
        replacement=swap(rule.replacement),
        when=rule.when.translate(str.maketrans("<>", "><")),
        sees=Demand(swap_signs(rule.sees)),
    )


RULES = RuleSet((*_MIN_RULES, *map(_mirror, _MIN_RULES)))


@dataclass(frozen=True)
class MinMax:
    """Applies the rules of min and max, in sweeps until none applies, at most `rounds`."""

    name: ClassVar[str] = "minmax"
    promise: ClassVar[Promise] = Promise.BITS
    takes: ClassVar[Form] = Form.REAL
    makes: ClassVar[Form] = Form.REAL
    rounds: int = 8

    def run(self, program: Program, analyses: Analyses) -> PassResult:
        """Apply the rules."""
        return rewrite_until_stable(program, analyses, RULES, self.rounds)
