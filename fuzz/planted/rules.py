"""Bugs in rewrite rules: a precondition that lacks a condition, too strong a mode, a wrong replacement."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

from absint.ops.demand import Demand
from absint.rewriting.rules import Mode, RuleSet

from .tools import Bug, module_of, planted

minmax, signdemand, simplify = (module_of("passes", name) for name in ("minmax", "signdemand", "simplify"))


def _rule(module: ModuleType, rule: str, breaks: str, label: str, **changes: Any) -> Bug:
    """A rule of a pass with some fields changed. `label`: distinguishes the bugs of one rule."""

    def broken(rules: RuleSet) -> RuleSet:
        assert any(one.name == rule for one in rules.rules), f"there is no rule {rule}"
        return RuleSet([replace(one, **changes) if one.name == rule else one for one in rules.rules])

    return Bug(f"{rule}{label}", breaks, planted(module, "RULES", broken))


PRECONDITIONS = (
    _rule(simplify, "sub-self", "inf - inf counts as 0", ":finite", when="number(a)"),
    _rule(simplify, "sub-self", "NaN - NaN counts as 0", ":number", when="finite(a)"),
    _rule(simplify, "mul-zero", "inf * 0 counts as 0", ":finite", when="number(a)"),
    _rule(simplify, "mul-zero", "-1 * 0 counts as +0", ":mode", mode=Mode.BITS),
    _rule(simplify, "div-self", "0 / 0 counts as 1", ":nonzero", when="number(a) and finite(a)"),
    _rule(simplify, "div-power-of-two", "a division by 3 becomes a multiplication", ":power", when=""),
    _rule(simplify, "mod-in-range", "mod(a, NaN) counts as a", ":number", when="a >= 0 and a < b"),
    _rule(simplify, "mod-in-range", "mod(-1, 2) counts as -1", ":sign", when="a < b and number(b)"),
    _rule(simplify, "add-zero-to-nonzero", "-0 + 0 counts as -0", ":nonzero", when=""),
    _rule(simplify, "and-true", "and(0, b) counts as b", ":nonzero", when="number(a)"),
    _rule(simplify, "or-true", "or(0, b) counts as 0", ":nonzero", when="number(a)"),
    _rule(minmax, "min-left", "min(0, NaN) counts as 0", ":number", when="a < b"),
    _rule(minmax, "min-right", "min(NaN, 0) counts as 0", ":number", when="b <= a"),
    _rule(minmax, "max-left", "max turns rules of min, but not their order", ":order",
          when="a < b and number(b)"),
    _rule(minmax, "min-left-touching", "min(-0, +0) counts as -0", ":nonzero",
          when="a <= b and number(b)"),
    _rule(minmax, "min-absorb-1", "min(a, max(a, NaN)) counts as a", ":number", when=""),
    _rule(minmax, "max-again-left", "max(max(-0, +0), -0) counts as +0", ":mode", mode=Mode.BITS),
    _rule(signdemand, "always-negative", "NaN counts as inside", ":number", when="a < 0"),
    _rule(signdemand, "min-not-negative-right", "min(-1, NaN) counts as -1", ":number", when="b >= 0"),
    _rule(signdemand, "max-negative-right", "max(-1, 0) counts as -1", ":strict",
          when="b <= 0 and number(b)"),
    _rule(signdemand, "mul-grows", "a product counts as negative that underflows to zero", ":underflow",
          when="C > 0 and number(C)"),
    _rule(signdemand, "never-negative", "0 counts as positive", ":sees", sees=Demand.SIGN),
)  # fmt: skip

SIDES = (
    _rule(simplify, "neg-sub", "-(a - b) becomes a - b", ":side", replacement="sub(a, b)"),
    _rule(simplify, "mul-neg-constant", "-a * C becomes a * C", ":side", replacement="mul(a, C)"),
    _rule(simplify, "ceil-floor", "ceil(floor(a)) becomes ceil(a)", ":side", replacement="ceil(a)"),
    _rule(simplify, "or-zero", "or(0, a) becomes 0", ":side", replacement="0.0"),
    _rule(simplify, "minus-zero-sub", "-0 - a becomes a", ":side", replacement="a"),
    _rule(minmax, "min-again-inner-right", "min(b, min(a, b)) becomes a", ":side", replacement="a"),
    _rule(signdemand, "div-grows-negative", "the sign of a / -0.5 becomes that of a", ":side",
          replacement="a"),
)  # fmt: skip

BUGS = (*PRECONDITIONS, *SIDES)
