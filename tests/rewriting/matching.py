"""A second matcher of rewrite rules: node by node, where that of `absint.rewriting.rewriter` takes arrays."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from absint.ir.box import ANYTHING
from absint.ir.program import Program
from absint.ops.demand import Bounds, Demand
from absint.ops.table import CONST
from absint.rewriting.analysis import BoundFacts
from absint.rewriting.rules import Pattern, Rule

Binding = dict[str, int]


class Matcher(NamedTuple):
    """A program with what is known of its nodes."""

    program: Program
    facts: BoundFacts
    demand: Sequence[int]

    def first_match(self, node: int, rules: Sequence[Rule]) -> tuple[Rule, Binding] | None:
        """The first rule that applies to a node, and what its letters are bound to."""
        if self.program.graph.rows[node][1] < 0 or not self.demand[node]:
            return None
        for rule in rules:
            if not rule.agrees_under(self.demand[node]):
                continue
            for binding in self._matches(rule.left, node, {}):
                if self._holds(rule, binding) and self._demanded(rule.right, binding, self.demand[node]):
                    return rule, binding
        return None

    def _matches(self, pattern: Pattern, node: int, binding: Binding) -> Iterator[Binding]:
        graph, precision = self.program.graph, self.program.precision
        code, a, b = graph.rows[node]
        if pattern.op is not None:
            if code == pattern.op.code:
                yield from self._match_operands(pattern, (a, b)[: pattern.op.arity], binding)
                if pattern.op.commutative:
                    yield from self._match_operands(pattern, (b, a), binding)
        elif pattern.number is not None:
            if code == CONST.code:
                value = precision.round(graph.values[node])
                same_sign = math.copysign(1, value) == math.copysign(1, pattern.number)
                if value == pattern.number and same_sign:
                    yield binding
        elif binding.get(pattern.letter, node) == node and (pattern.letter.islower() or code == CONST.code):
            yield {**binding, pattern.letter: node}

    def _match_operands(self, pattern: Pattern, nodes: Sequence[int], binding: Binding) -> Iterator[Binding]:
        partial = [binding]
        for operand, node in zip(pattern.operands, nodes, strict=True):
            partial = [more for found in partial for more in self._matches(operand, node, found)]
        yield from partial

    def _holds(self, rule: Rule, binding: Binding) -> bool:
        tree = ast.parse(rule.when or "()", mode="eval").body
        parts = tree.values if isinstance(tree, ast.BoolOp) else [tree] if rule.when else []
        return all(self._part_holds(part, binding) for part in parts)

    def _part_holds(self, part: ast.expr, binding: Binding) -> bool:
        if isinstance(part, ast.Call):
            assert isinstance(part.func, ast.Name) and isinstance(part.args[0], ast.Name)
            bounds = self.facts.bounds[binding[part.args[0].id]]
            size = abs(bounds.lower)
            return {
                "number": not bounds.may_nan,
                "finite": bounds.lower > -math.inf and bounds.upper < math.inf,
                "nonzero": bounds.excludes_zero,
                "power_of_two": bounds.lower == bounds.upper
                and 2.0**-126 <= size <= 2.0**126
                and math.frexp(size)[0] == 0.5,
            }[part.func.id]
        assert isinstance(part, ast.Compare) and isinstance(part.left, ast.Name)
        left, right = binding[part.left.id], part.comparators[0]
        a = self.facts.bounds[left]
        if isinstance(right, ast.Name):
            return self._related(part.ops[0], left, binding[right.id])
        number = float(ast.literal_eval(right))
        match part.ops[0]:
            case ast.Lt():
                return a.upper < number
            case ast.LtE():
                return a.upper <= number
            case ast.Gt():
                return a.lower > number
            case _:
                return a.lower >= number

    def _related(self, comparison: ast.cmpop, a: int, b: int) -> bool:
        if isinstance(comparison, ast.Gt | ast.GtE):
            a, b = b, a
        domain, bounds = self.facts.domain, self.facts.bounds
        strict = isinstance(comparison, ast.Lt | ast.Gt)
        if bounds[a].upper < bounds[b].lower or (not strict and bounds[a].upper == bounds[b].lower):
            return True
        relation = domain.less if strict else domain.less_equal
        return domain.relational and bool(relation(self.facts.elements[a], self.facts.elements[b]))

    def _demanded(self, pattern: Pattern, binding: Binding, demand: int) -> bool:
        if pattern.op is None:
            return not pattern.letter or demand & ~self._kept(binding[pattern.letter]) == 0
        operands = tuple(self._bounds_of(operand, binding) for operand in pattern.operands)
        asked = pattern.op.demand(demand, operands)
        return all(
            self._demanded(operand, binding, needed)
            for operand, needed in zip(pattern.operands, asked, strict=True)
        )

    def _kept(self, node: int) -> int:
        if self.demand[node] == Demand.VALUE and self.facts.bounds[node].excludes_zero:
            return Demand.BITS
        return self.demand[node]

    def _bounds_of(self, pattern: Pattern, binding: Binding) -> Bounds:
        if pattern.letter:
            return self.facts.bounds[binding[pattern.letter]]
        if pattern.number is not None:
            value = self.program.precision.round(pattern.number)
            return Bounds(value, value, may_nan=False)
        return ANYTHING
