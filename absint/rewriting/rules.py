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
at least as much before as it is now; else an earlier rewrite below it might have changed too much. A node
that is never zero and was demanded for its value counts as demanded in bits.
"""

from __future__ import annotations

import ast
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from absint.base.memo import cached_property
from absint.ir.box import ANYTHING
from absint.ir.graph import Graph, constant_key
from absint.ir.patch import Patch
from absint.ir.program import Program
from absint.ops.demand import Bounds, Demand
from absint.ops.precision import Precision
from absint.ops.table import BY_NAME, CONST, Op
from absint.rewriting.analysis import BoundFacts, RewriteBudget


class Mode(Enum):
    """How far a rule's two sides agree."""

    BITS = "bits"
    """Bit for bit, or both NaN."""
    ZERO = "zero"
    """Except for the sign of a zero."""
    SIGN = "sign"
    """The same answer to the sign comparison that the rule names, and a number wherever there was one."""


class Rewrite(NamedTuple):
    """What is counted: mostly uses of a rule.

    A pass that applies no rules counts what it gains, under a name that says so: `dead` the nodes that dce
    drops, `slots-saved` the slots that schedule saves, `same-operation` the nodes that cse merges. One counts
    what it pays: `computed-again` the operations that rematerialise repeats.
    """

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
    def plain_operands(self) -> tuple[str, ...]:
        """The operands' letters where the pattern is one operation on any operands, which needs no search."""
        letters = tuple(operand.letter for operand in self.left.operands)
        plain = all(letters) and len(set(letters)) == len(letters) and all(map(str.islower, letters))
        # the two orders of a commutative operation are two matches
        return letters if plain and self.left.op is not None and not self.left.op.commutative else ()

    @cached_property
    def condition(self) -> Condition | None:
        """The precondition, compiled; None when there is none."""
        if not self.when:
            return None
        letters = ", ".join(self.plain_operands or sorted(self.left.letters()))
        body = _condition_source(ast.parse(self.when, mode="eval").body, _NUMBERS)
        names = {"inf": math.inf, "power_of_two": power_of_two}
        made: Condition = eval(f"lambda bounds, less, less_equal, {letters}: {body}", names)
        return made

    @cached_property
    def bound_letters(self) -> tuple[tuple[str, ...] | None, ...]:
        """The letters, or nothing, that the node's operands are bound to, in each order in which the pattern
        is tried; that of the node itself for a pattern of one letter. None where the pattern looks deeper.
        """
        if self.left.op is None:
            return ((self.left.letter,),)
        if any(operand.op is not None for operand in self.left.operands):
            return (None,)
        letters = tuple(operand.letter for operand in self.left.operands)
        return (letters, letters[::-1]) if self.left.op.commutative else (letters,)

    @cached_property
    def array_condition(self) -> Callable[..., NDArray[np.bool_]] | None:
        """The precondition on arrays of nodes, None when there is none. It holds, too, where only a
        relational domain can tell.
        """
        if not self.when:
            return None
        letters = ", ".join(sorted(self.left.letters()))
        body = _condition_source(ast.parse(self.when, mode="eval").body, _ARRAYS)
        names = {"inf": math.inf, "powers_of_two": powers_of_two}
        made: Callable[..., NDArray[np.bool_]] = eval(
            f"lambda lower, upper, may_nan, relational, {letters}: {body}", names
        )
        return made

    def agrees_under(self, demand: int) -> bool:
        """Whether users with this demand cannot tell the two sides apart."""
        if self.mode is Mode.BITS:
            return True
        seen = Demand.VALUE if self.mode is Mode.ZERO else self.sees
        return demand | seen == seen


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

    def numbers(self) -> list[float]:
        """All numbers in it."""
        below = [number for operand in self.operands for number in operand.numbers()]
        return below if self.number is None else [self.number]


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
    if (
        isinstance(tree, ast.UnaryOp)
        and isinstance(tree.op, ast.USub)
        and isinstance(tree.operand, ast.Constant)
    ):
        return Pattern(number=-float(tree.operand.value))  # type: ignore[arg-type]  # checked by float
    raise ValueError(f"not a pattern: {ast.unparse(tree)!r} in {text!r}")


def power_of_two(lower: float, upper: float) -> bool:
    """A constant ±2^k whose reciprocal is exact in every precision (both are normal in binary32)."""
    return lower == upper and 2.0**-126 <= abs(lower) <= 2.0**126 and math.frexp(lower)[0] in (0.5, -0.5)


def powers_of_two(lower: NDArray[np.float64], upper: NDArray[np.float64]) -> NDArray[np.bool_]:
    """`power_of_two` of arrays."""
    size = np.abs(lower)
    normal = (size >= 2.0**-126) & (size <= 2.0**126)
    return np.asarray((lower == upper) & normal & (np.frexp(size)[0] == 0.5), np.bool_)


class _Forms(NamedTuple):
    """How preconditions are spelled in Python: the predicates on a node, comparisons of a node with a number
    and with a node, and what joins two. NaN is excluded by `number` alone.
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
"""On the bounds of one node at a time."""

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
"""On the bounds of many nodes at once."""

Condition = Callable[..., bool]
"""Bounds per node, `less`, `less_equal`, and then the nodes bound to the letters."""


def _condition_source(tree: ast.expr, forms: _Forms) -> str:
    """A precondition in terms of a program's facts."""
    if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And):
        return forms.join.join(_condition_source(part, forms) for part in tree.values)
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        return forms.predicates[tree.func.id].format(*map(ast.unparse, tree.args))
    if isinstance(tree, ast.Compare) and len(tree.ops) == 1:
        left, right = tree.left, tree.comparators[0]
        compared = forms.with_node if isinstance(right, ast.Name) else forms.with_number
        return compared[type(tree.ops[0])].format(ast.unparse(left), ast.unparse(right))
    raise ValueError(f"not a precondition: {ast.unparse(tree)!r}")


class RuleSet:
    """Rules indexed by what a node and its operands are; earlier rules are tried first."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        assert len({rule.name for rule in rules}) == len(rules), "two rules have the same name"
        self.rules = tuple(rules)
        numbers = {constant_key(number): number for rule in rules for number in rule.left.numbers()}
        self._numbers = list(numbers.values())
        self._places = {key: place for place, key in enumerate(numbers)}
        self._candidates: dict[int, tuple[Rule, ...]] = {}

    def candidates_in(
        self, graph: Graph, precision: Precision, facts: BoundFacts, demand: Sequence[int]
    ) -> Iterator[tuple[int, tuple[Rule, ...]]]:
        """The nodes that some rule may apply to, in order, with the rules that agree under the demand on the
        node and may match it, as far as one can see from itself and its operands.
        """
        wanted = np.array(demand, np.int64)
        nodes = np.flatnonzero((graph.args[:, 0] >= 0) & (wanted != 0))
        kinds = self._kinds(graph, precision)
        (a, b), codes = graph.args[nodes].T, graph.op[nodes].astype(np.int64)
        second = np.where(b >= 0, kinds[b], _NO_KIND)
        keys = (((codes << 8 | kinds[a]) << 8 | second) << 1 | (a == b)) << 4 | wanted[nodes]
        different, which = np.unique(keys, return_inverse=True)
        rules = [self._of_key(key) for key in different.tolist()]
        may = np.zeros(len(nodes), bool)
        for i in (i for i, candidates in enumerate(rules) if candidates):
            here = np.flatnonzero(which == i)
            may[here] = _any_may_hold(rules[i], facts, nodes[here], a[here], b[here])
        for node, i in zip(nodes[may].tolist(), which[may].tolist(), strict=True):
            yield node, rules[i]

    def _kinds(self, graph: Graph, precision: Precision) -> NDArray[np.int64]:
        """int64[n]: what rules tell apart of an operand: its operation, and of a constant, from `_CONSTANTS`
        on, whether it is one of the numbers in the rules.
        """
        kinds = graph.op.astype(np.int64)
        constants = np.flatnonzero(graph.op == CONST.code)
        with np.errstate(over="ignore"):
            values = graph.constants[constants].astype(precision.dtype)
        kinds[constants] = _CONSTANTS + len(self._numbers)
        for place, number in enumerate(self._numbers):
            same = (values == number) & (np.signbit(values) == np.signbit(number))
            kinds[constants[same]] = _CONSTANTS + place
        return kinds

    def _of_key(self, key: int) -> tuple[Rule, ...]:
        """The rules for an operation, the kinds of its operands, whether they are one node, and a demand."""
        found = self._candidates.get(key)
        if found is None:
            code, a, b, same, demand = key >> 21, key >> 13 & 255, key >> 5 & 255, key >> 4 & 1, key & 15
            found = self._candidates[key] = tuple(
                rule
                for rule in self.rules
                if rule.agrees_under(demand) and self._may_match(rule.left, code, a, b, bool(same))
            )
        return found

    def _may_match(self, pattern: Pattern, code: int, a: int, b: int, same: bool) -> bool:
        """Whether a pattern fits as far as one can see from a node and its operands' kinds."""
        if pattern.op is None:
            return True
        if pattern.op.code != code:
            return False
        orders = [(a, b), (b, a)] if pattern.op.commutative else [(a, b)]
        letters = [operand.letter for operand in pattern.operands]
        repeated = letters[0] != "" and letters[0] == letters[-1] and len(letters) == 2
        return (same or not repeated) and any(
            all(self._fits(p, kind) for p, kind in zip(pattern.operands, order, strict=False))
            for order in orders
        )

    def _fits(self, pattern: Pattern, kind: int) -> bool:
        if pattern.op is not None:
            return pattern.op.code == kind
        if pattern.number is not None:
            return kind == _CONSTANTS + self._places[constant_key(pattern.number)]
        return kind >= _CONSTANTS or pattern.letter.islower()


_CONSTANTS, _NO_KIND = 128, 255
"""The kinds of operands from which on they are constants, and that of no operand."""


def _any_may_hold(
    rules: Sequence[Rule], facts: BoundFacts, nodes: NDArray[Any], a: NDArray[Any], b: NDArray[Any]
) -> NDArray[np.bool_]:
    """For each of some nodes with their operands, whether the precondition of some rule may hold there."""
    may = np.zeros(len(nodes), bool)
    for rule in rules:
        for letters in rule.bound_letters:
            if letters is None or rule.array_condition is None:
                return np.ones(len(nodes), bool)
            bound = dict(zip(letters, (nodes,) if rule.left.op is None else (a, b), strict=False))
            may |= rule.array_condition(
                *facts.columns, facts.domain.relational, **{name: bound[name] for name in bound if name}
            )
    return may


Binding = dict[str, int]


class Rewriter:
    """One sweep of a rule set over a program; facts and demand are those of the program before it."""

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
        """Rewrite into `patch`, and return whether some rule applied. Counts in `rewrites`."""
        chosen = self._choose(rules)
        lines, patch = self.graph.line_list, self.patch
        for node, (rule, binding) in chosen.items():
            self.rewrites[rule.rewrite] += 1
            patch.begin(node)
            patch.replace(self._instantiate(rule.right, binding, lines[node]))
        return bool(chosen)

    def _choose(self, rules: RuleSet) -> dict[int, tuple[Rule, Binding]]:
        """For each node that a rule applies to, in order, the first such rule and what its letters are."""
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
        """`rules`: those that agree under the demand on the node."""
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
                if self._demanded(rule.right, binding, self.demand[node]):
                    return rule, binding
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

    def _demanded(self, pattern: Pattern, binding: Binding, demand: int) -> bool:
        """Every node in the replacement was demanded at least as much as the replacement demands it."""
        if pattern.op is None:
            return not pattern.letter or demand & ~self._kept(binding[pattern.letter]) == 0
        # sound: old bounds are right, for a demand rule compares results on the old operands and on new ones
        operands = tuple(self._bounds_of(operand, binding) for operand in pattern.operands)
        return all(
            self._demanded(operand, binding, needed)
            for operand, needed in zip(pattern.operands, pattern.op.demand(demand, operands), strict=True)
        )

    def _kept(self, node: int) -> int:
        """The largest demand under which a new node surely agrees with the old one."""
        demand = self.demand[node]
        # sound: where the old value is a number it is no zero, so a new value that compares equal has its
        # bits, as only zeros compare equal to other bits; where it is NaN so is the new one, which is all
        # that bits ask. Bounds that hold no number at all are the second case everywhere.
        if demand == Demand.VALUE and self.facts.bounds[node].excludes_zero:
            return Demand.BITS
        return demand

    def _bounds_of(self, pattern: Pattern, binding: Binding) -> Bounds:
        """What is known of an operand in a replacement, on the old values of its letters."""
        if pattern.letter:
            return self.facts.bounds[binding[pattern.letter]]
        if pattern.number is not None:
            value = self.precision.round(pattern.number)
            return Bounds(value, value, may_nan=False)
        return ANYTHING

    def _instantiate(self, pattern: Pattern, binding: Binding, line: int) -> int:
        if pattern.op is None and pattern.letter:
            return self.patch.number(binding[pattern.letter])
        value = self._constant(pattern, binding)
        if value is not None:
            return self.patch.constant(value, line)
        assert pattern.op is not None
        operands = [self._instantiate(operand, binding, line) for operand in pattern.operands]
        return self.patch.apply(pattern.op, *operands, line=line)

    def _constant(self, pattern: Pattern, binding: Binding) -> float | None:
        """The value of a replacement in which only constants occur, as `neg(C)`; else None."""
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
