"""Rewrite rules as data, and the engine that applies them.

A rule is a pattern, a replacement, a precondition and a mode, written as text so that a report can print it
and a solver can be asked to prove it:

    Rule("min-left", "min(a, b)", "a", Mode.BITS, when="a < b and number(b)")

Patterns name operations by their opcodes (a trailing `_` keeps Python's keywords readable: `not_(a)`). A
lower-case letter stands for any node, an upper-case letter for a constant, a number for the constant with
just those bits. The second operand order of a commutative operation is tried too. Preconditions speak of
each single point: `a < b` means that it is so wherever both are numbers, `number(a)` that a is never NaN.

How rewrites compose: every node v of the new graph agrees with the old one under the demand on v. A rule may
be used where its mode is not seen by that demand, and where each node that the replacement uses was demanded
at least as much before as it is now; else an earlier rewrite below it might have changed too much.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache, cached_property
from types import CodeType
from typing import NamedTuple

from absint.analysis import BoundFacts
from absint.graph import ARITY, Graph, GraphBuilder, constant_key
from absint.ops.demand import Bounds, Demand
from absint.ops.table import BY_NAME, CONST, OPS, VAR, Op
from absint.program import ANYTHING, Program


class Mode(Enum):
    """How far a rule's two sides agree."""

    BITS = "bits"
    """Bit for bit, or both NaN."""
    ZERO = "zero"
    """Except for the sign of a zero."""
    SIGN = "sign"
    """The same answer to the sign comparison that the rule names, and a number wherever there was one."""


class Rewrite(NamedTuple):
    """What is counted when a rule is used."""

    rule: str
    mode: Mode


@dataclass(frozen=True)
class Rule:
    """One rewrite. `sees`: for mode sign, the largest demand under which the two sides agree."""

    name: str
    pattern: str
    replacement: str
    mode: Mode
    when: str = ""
    why: str = ""
    sees: Demand = field(default=Demand.NONE)

    @cached_property
    def rewrite(self) -> Rewrite:
        """The key under which uses are counted."""
        return Rewrite(self.name, self.mode)

    @cached_property
    def left(self) -> Pattern:
        """The pattern, parsed."""
        return parse_pattern(self.pattern)

    @cached_property
    def right(self) -> Pattern:
        """The replacement, parsed."""
        return parse_pattern(self.replacement)

    @cached_property
    def condition(self) -> CodeType | None:
        """The precondition, compiled; None when there is none."""
        return compile(self.when, f"<rule {self.name}>", "eval") if self.when else None

    def agrees_under(self, demand: Demand) -> bool:
        """Whether users with this demand cannot tell the two sides apart."""
        if self.mode is Mode.BITS:
            return True
        if self.mode is Mode.ZERO:
            return demand | Demand.VALUE == Demand.VALUE
        return demand | self.sees == self.sees


@dataclass(frozen=True)
class Pattern:
    """A tree of operations over letters and numbers. Exactly one of `op`, `letter`, `number` is set."""

    op: Op | None = None
    operands: tuple[Pattern, ...] = ()
    letter: str = ""
    number: float | None = None

    def letters(self) -> set[str]:
        """All letters in it."""
        return {self.letter} - {""} if self.op is None else set().union(*(p.letters() for p in self.operands))


@cache
def parse_pattern(text: str) -> Pattern:
    """Read a pattern such as `max(a, neg(b))`. Raises ValueError for anything else."""
    return _parse(ast.parse(text, mode="eval").body, text)


def _parse(tree: ast.expr, text: str) -> Pattern:
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        op = BY_NAME.get(tree.func.id.rstrip("_"))
        if op is not None and op.arity == len(tree.args):
            return Pattern(op=op, operands=tuple(_parse(operand, text) for operand in tree.args))
    if isinstance(tree, ast.Name) and len(tree.id) == 1:
        return Pattern(letter=tree.id)
    if isinstance(tree, ast.Constant) and isinstance(tree.value, int | float):
        return Pattern(number=float(tree.value))
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub) and isinstance(tree.operand, ast.Constant):
        return Pattern(number=-float(tree.operand.value))  # type: ignore[arg-type]  # checked by float
    raise ValueError(f"not a pattern: {ast.unparse(tree)!r} in {text!r}")


class Known:
    """What is known of a node, with the comparisons that preconditions are written in."""

    __slots__ = ("bounds", "facts", "node")

    def __init__(self, facts: BoundFacts, node: int) -> None:
        self.facts = facts
        self.node = node
        self.bounds = facts.bounds[node]

    def __lt__(self, other: Known | float) -> bool:
        return self.facts.less(self.node, other.node) if isinstance(other, Known) else self.bounds.upper < other

    def __le__(self, other: Known | float) -> bool:
        if isinstance(other, Known):
            return self.facts.less_equal(self.node, other.node)
        return self.bounds.upper <= other

    def __gt__(self, other: Known | float) -> bool:
        return other < self if isinstance(other, Known) else self.bounds.lower > other

    def __ge__(self, other: Known | float) -> bool:
        return other <= self if isinstance(other, Known) else self.bounds.lower >= other


def number(known: Known) -> bool:
    """Never NaN."""
    return not known.bounds.may_nan


def finite(known: Known) -> bool:
    """Never infinite; NaN is not excluded."""
    return known.bounds.lower > float("-inf") and known.bounds.upper < float("inf")


def nonzero(known: Known) -> bool:
    """Never a zero of either sign."""
    return known.bounds.excludes_zero


def power_of_two(known: Known) -> bool:
    """A constant ±2^k whose reciprocal is exact in every precision (both are normal in binary32)."""
    import math

    value = known.bounds.lower
    return 2.0**-126 <= abs(value) <= 2.0**126 and math.frexp(value)[0] in (0.5, -0.5)


PREDICATES: Mapping[str, Callable[[Known], bool]] = {
    "number": number,
    "finite": finite,
    "nonzero": nonzero,
    "power_of_two": power_of_two,
}


class RuleSet:
    """Rules indexed by the operation at the root of their patterns; earlier rules are tried first."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        assert len({rule.name for rule in rules}) == len(rules), "two rules have the same name"
        self.rules = tuple(rules)
        self.by_code: list[list[Rule]] = [
            []
            if op.is_leaf
            else [rule for rule in rules if rule.left.op is op or rule.left.op is None]
            for op in OPS
        ]


Binding = dict[str, int]


class Rewriter:
    """One sweep of a rule set over a program; facts and demand are those of the program before it."""

    def __init__(self, program: Program, facts: BoundFacts, demand: Sequence[Demand]) -> None:
        self.graph = program.graph
        self.precision = program.precision
        self.facts = facts
        self.demand = demand
        self.builder = GraphBuilder()
        self.new: list[int] = []
        self.rewrites: Counter[Rewrite] = Counter()

    def run(self, rules: RuleSet) -> Graph:
        """The rewritten graph; the same object when no rule applied. Counts in `rewrites`."""
        graph, builder, new = self.graph, self.builder, self.new
        for node, (code, a, b) in enumerate(graph.rows):
            candidates = rules.by_code[code]
            replaced = self._rewrite(node, candidates) if candidates and self.demand[node] else None
            if replaced is None:
                replaced = builder.copy(graph, node, new[a] if a >= 0 else -1, new[b] if b >= 0 else -1)
            new.append(replaced)
        return builder.build(new[-1]) if self.rewrites else graph

    def _rewrite(self, node: int, rules: Sequence[Rule]) -> int | None:
        demand = self.demand[node]
        for rule in rules:
            if not rule.agrees_under(demand):
                continue
            for binding in self._matches(rule.left, node, {}):
                if self._holds(rule, binding) and self._demanded(rule.right, binding, demand):
                    self.rewrites[rule.rewrite] += 1
                    return self._instantiate(rule.right, binding, self.graph.line_list[node])
        return None

    def _matches(self, pattern: Pattern, node: int, binding: Binding) -> list[Binding]:
        """All ways to match; few, as only commutative operations have two."""
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
            value = self.precision.round(self.graph.values[node])
            same = constant and constant_key(value) == constant_key(pattern.number)
            return [binding] if same else []
        if pattern.letter in binding:
            return [binding] if binding[pattern.letter] == node else []
        if pattern.letter.isupper() and not constant:
            return []
        return [{**binding, pattern.letter: node}]

    def _holds(self, rule: Rule, binding: Binding) -> bool:
        if rule.condition is None:
            return True
        known = {letter: Known(self.facts, node) for letter, node in binding.items()}
        return bool(eval(rule.condition, {"__builtins__": {}, **PREDICATES}, known))

    def _demanded(self, pattern: Pattern, binding: Binding, demand: Demand) -> bool:
        """Every node in the replacement was demanded at least as much as the replacement demands it."""
        if pattern.op is None:
            return not pattern.letter or demand | self.demand[binding[pattern.letter]] == (
                self.demand[binding[pattern.letter]]
            )
        operands: tuple[Bounds, ...] = (ANYTHING,) * pattern.op.arity
        return all(
            self._demanded(operand, binding, needed)
            for operand, needed in zip(pattern.operands, pattern.op.demand(demand, operands), strict=True)
        )

    def _instantiate(self, pattern: Pattern, binding: Binding, line: int) -> int:
        if pattern.number is not None:
            return self.builder.constant(pattern.number, line)
        if pattern.op is None:
            return self.new[binding[pattern.letter]]
        operands = [self._instantiate(operand, binding, line) for operand in pattern.operands]
        return self.builder.apply(pattern.op, *operands, line=line)


def is_operation(graph: Graph, node: int) -> bool:
    """Neither a constant nor a variable."""
    return ARITY[graph.rows[node][0]] > 0 and graph.rows[node][0] not in (CONST.code, VAR.code)
