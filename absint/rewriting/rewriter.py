"""The rewriter: one sweep of a rule set over a program.

The invariant that makes rewrites compose: every node v of the new graph agrees with the old v under the
demand on v. A rule may be applied if the demand on its node does not distinguish the rule's two sides, and if
each node that the replacement uses was demanded at least as much before as the replacement demands it;
otherwise an earlier rewrite below might have changed that node too much. A node that is never zero and whose
value is demanded counts as demanded in bits.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from absint.ir.box import ANYTHING
from absint.ir.patch import Patch
from absint.ir.program import Program
from absint.ops.demand import Bounds, Demand
from absint.ops.table import CONST
from absint.rewriting.analysis import BoundFacts, RewriteBudget
from absint.rewriting.rules import Pattern, Rewrite, Rule, RuleSet

Binding = dict[str, int]
"""The node of each letter of a pattern."""


class Rewriter:
    """One sweep of a rule set over a program. `facts` and `demand`: those of the program before the sweep."""

    def __init__(
        self,
        program: Program,
        facts: BoundFacts,
        demand: Sequence[int],
        budget: RewriteBudget | None = None,
    ) -> None:
        self.graph = program.graph
        self.budget = budget
        self.precision = program.precision
        self.facts = facts
        self.demand = demand
        self.patch = Patch(program.graph)
        self.rewrites: Counter[Rewrite] = Counter()

    def run(self, rules: RuleSet) -> bool:
        """Rewrite into `patch`, and count uses of rules in `rewrites`. Returns whether any rule applied."""
        chosen = self._choose(rules)
        lines, patch = self.graph.line_list, self.patch
        for node, (rule, binding) in chosen.items():
            self.rewrites[rule.rewrite] += 1
            patch.begin(node)
            patch.replace(self._instantiate(rule.right, binding, lines[node]))
        return bool(chosen)

    def _choose(self, rules: RuleSet) -> dict[int, tuple[Rule, Binding]]:
        """For each node to which a rule applies, in order: the first such rule, and its binding."""
        chosen = {}
        for node, candidates in rules.candidates_in(self.graph, self.precision, self.facts, self.demand):
            found = self._first_match(node, candidates)
            if found is None:
                continue
            if self.budget is not None and not self.budget.take(
                f"{found[0].name} at {self.graph.label(node)}"
            ):
                break
            chosen[node] = found
        return chosen

    def _first_match(self, node: int, rules: Sequence[Rule]) -> tuple[Rule, Binding] | None:
        """The first rule that applies to a node, and its binding. `rules`: those that agree under the node's
        demand.
        """
        _, a, b = self.graph.rows[node]
        facts = self.facts
        for rule in rules:
            if rule.plain_operands:
                condition = rule.condition
                if condition is not None and not condition(
                    facts.bounds, facts.less, facts.less_equal, *(a, b)[: len(rule.plain_operands)]
                ):
                    continue
                bindings = [dict(zip(rule.plain_operands, (a, b), strict=False))]
            else:
                bindings = [found for found in self._matches(rule.left, node, {}) if self._holds(rule, found)]
            for binding in bindings:
                if self._demands_suffice(rule.right, binding, self.demand[node]):
                    return rule, binding
        return None

    def _matches(self, pattern: Pattern, node: int, binding: Binding) -> list[Binding]:
        """All bindings with which a pattern matches a node: few, since only commutative
        operations give two.
        """
        if pattern.op is None:
            return self._match_leaf(pattern, node, binding)
        code, a, b = self.graph.rows[node]
        if code != pattern.op.code:
            return []
        found = self._match_operands(pattern, a, b, binding)
        if pattern.op.commutative and a != b:
            found += self._match_operands(pattern, b, a, binding)
        return found

    def _match_operands(self, pattern: Pattern, a: int, b: int, binding: Binding) -> list[Binding]:
        found = self._matches(pattern.operands[0], a, binding)
        if b < 0 or not found:
            return found
        return [full for part in found for full in self._matches(pattern.operands[1], b, part)]

    def _match_leaf(self, pattern: Pattern, node: int, binding: Binding) -> list[Binding]:
        constant = self.graph.rows[node][0] == CONST.code
        if pattern.number is not None:
            if not constant:
                return []
            value = self.precision.round(self.graph.values[node])
            same = value == pattern.number and math.copysign(1, value) == math.copysign(1, pattern.number)
            return [binding] if same else []
        if pattern.letter in binding:
            return [binding] if binding[pattern.letter] == node else []
        if pattern.letter.isupper() and not constant:
            return []
        return [{**binding, pattern.letter: node}]

    def _holds(self, rule: Rule, binding: Binding) -> bool:
        condition, facts = rule.condition, self.facts
        return condition is None or condition(facts.bounds, facts.less, facts.less_equal, **binding)

    def _demands_suffice(self, pattern: Pattern, binding: Binding, demand: int) -> bool:
        """Whether every node in a replacement was demanded at least as much as the replacement demands it.

        `demand`: the demand on the replacement.
        """
        if pattern.op is None:
            return not pattern.letter or demand & ~self._agreement(binding[pattern.letter]) == 0
        # sound: old bounds are right, since a demand rule compares results on the old operands and on new
        # ones
        operands = tuple(self._bounds_of(operand, binding) for operand in pattern.operands)
        return all(
            self._demands_suffice(operand, binding, needed)
            for operand, needed in zip(pattern.operands, pattern.op.demand(demand, operands), strict=True)
        )

    def _agreement(self, node: int) -> int:
        """The largest demand under which a new node certainly agrees with the old one."""
        demand = self.demand[node]
        # sound: where the old value is a number it is not zero, so a new value that compares equal has the
        # same bits, since only zeros compare equal to different bits. Where it is NaN so is the new one,
        # which is all that the demand for bits requires. With empty bounds the second case applies
        # everywhere.
        if demand == Demand.VALUE and self.facts.bounds[node].excludes_zero:
            return Demand.BITS
        return demand

    def _bounds_of(self, pattern: Pattern, binding: Binding) -> Bounds:
        """The bounds of an operand in a replacement, from the old bounds of its letters."""
        if pattern.letter:
            return self.facts.bounds[binding[pattern.letter]]
        if pattern.number is not None:
            value = self.precision.round(pattern.number)
            return Bounds(value, value, may_nan=False)
        return ANYTHING

    def _instantiate(self, pattern: Pattern, binding: Binding, line: int) -> int:
        """Make a replacement's nodes. Returns the number of its root in the patch."""
        if pattern.op is None and pattern.letter:
            return self.patch.number(binding[pattern.letter])
        value = self._constant(pattern, binding)
        if value is not None:
            return self.patch.constant(value, line)
        assert pattern.op is not None
        operands = [self._instantiate(operand, binding, line) for operand in pattern.operands]
        return self.patch.apply(pattern.op, *operands, line=line)

    def _constant(self, pattern: Pattern, binding: Binding) -> float | None:
        """The value of a replacement of constants alone, such as `neg(C)`; None for others."""
        if pattern.op is None:
            if pattern.letter.isupper():
                return self.graph.values[binding[pattern.letter]]
            return pattern.number
        operands = [self._constant(operand, binding) for operand in pattern.operands]
        reals = [self.precision.real(operand) for operand in operands if operand is not None]
        if len(reals) < len(operands):
            return None
        with np.errstate(all="ignore"):
            return float(pattern.op.body(self.precision)(*reals))
