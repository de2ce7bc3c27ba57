"""Rewrite rules as data, and their index by operation and demand.

A rule is a pattern, a replacement, a precondition and a mode, written as text, so that reports can print it
and a solver can prove it:

    Rule("min-left", "min(a, b)", "a", Mode.BITS, when="a < b and number(b)")

Patterns name operations by their opcodes (a trailing `_` keeps Python's keywords readable: `not_(a)`). A
lower-case letter stands for any node, an upper-case letter for any constant, a number for the constant with
exactly these bits. Both operand orders of a commutative operation are tried. `absint.rewriting.preconditions`
describes preconditions.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from absint.base.memo import cached_property
from absint.ir.graph import Graph, constant_key
from absint.ops.demand import Demand
from absint.ops.precision import Precision
from absint.ops.table import BY_NAME, CONST, Op
from absint.rewriting.preconditions import Condition, Nodes, compile_precondition


class Mode(Enum):
    """The sense in which a rule's two sides agree."""

    BITS = "bits"
    """Bit for bit, or both NaN."""
    ZERO = "zero"
    """In all bits, except for the sign of a zero."""
    SIGN = "sign"
    """In the answer to the comparisons with 0 that the rule names; and the right side is a number where the
    left side is one.
    """


class Rewrite(NamedTuple):
    """The key under which rewrites are counted: a rule's name and mode.

    A pass without rules counts its gain under a name of its own: `dead`, nodes that dce drops; `slots-saved`,
    slots that schedule saves; `same-operation`, nodes that cse merges. Rematerialise counts its cost:
    `computed-again`, operations that it repeats.
    """

    rule: str
    mode: Mode


@dataclass(frozen=True)
class Rule:
    """A rewrite rule.

    `when`: precondition. `why`: explanation for lists. `sees`: in mode *sign*, the largest demand under which
    the two sides agree.
    """

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
    def conditions(self) -> tuple[Condition, ...]:
        """The precondition's parts, compiled; all must hold."""
        return compile_precondition(self.when, sorted(self.left.letters())) if self.when else ()

    def agrees_under(self, demand: int) -> bool:
        """Whether the two sides agree for users with this demand."""
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
        """All letters in the pattern."""
        return {self.letter} - {""} if self.op is None else set().union(*(p.letters() for p in self.operands))

    def numbers(self) -> list[float]:
        """All numbers in the pattern."""
        below = [number for operand in self.operands for number in operand.numbers()]
        return below if self.number is None else [self.number]


@cache
def parse_pattern(text: str) -> Pattern:
    """Parse a pattern such as `max(a, neg(b))`. Raises ValueError for other text."""
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


_CONSTANTS, _NO_KIND = 128, 255
"""The first kind of operands that are constants, and the kind of an absent operand."""


class RuleSet:
    """Rules indexed by the kinds of a node and its operands. Earlier rules are tried first."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        assert len({rule.name for rule in rules}) == len(rules), "two rules have the same name"
        self.rules = tuple(rules)
        numbers = {constant_key(number): number for rule in rules for number in rule.left.numbers()}
        self._numbers = list(numbers.values())
        self._places = {key: place for place, key in enumerate(numbers)}
        self._candidates: dict[int, NDArray[np.bool_]] = {}

    def candidates_in(
        self, graph: Graph, precision: Precision, demand: NDArray[np.uint8]
    ) -> Iterator[tuple[Rule, Nodes]]:
        """The rules that may apply to some nodes, in order, with those nodes: the rule agrees under the
        demand on them, and may match as far as the opcodes of a node and its operands tell.
        """
        nodes = np.flatnonzero(self._has_rules[graph.op, demand] & (graph.args[:, 0] >= 0))
        if not len(nodes):
            return
        kinds = self._kinds(graph, precision)
        (a, b), codes = graph.args[nodes].T, graph.op[nodes].astype(np.int64)
        second = np.where(b >= 0, kinds[b], _NO_KIND)
        keys = (((codes << 8 | kinds[a]) << 8 | second) << 1 | (a == b)) << 4 | demand[nodes]
        different, which = np.unique(keys, return_inverse=True)
        may = np.array([self._of_key(key) for key in different.tolist()])
        for place in np.flatnonzero(may.any(axis=0)).tolist():
            yield self.rules[place], nodes[may[which, place]]

    @cached_property
    def _has_rules(self) -> NDArray[np.bool_]:
        """bool[256, 16]: whether there is a rule for an operation, by its code, under a demand."""
        found = np.zeros((256, Demand.BITS + 1), bool)
        for rule in self.rules:
            agrees = [
                demand != Demand.NONE and rule.agrees_under(demand) for demand in range(Demand.BITS + 1)
            ]
            found[slice(None) if rule.left.op is None else rule.left.op.code, agrees] = True
        return found

    def _kinds(self, graph: Graph, precision: Precision) -> NDArray[np.int64]:
        """int64[n]: the kind of each node as an operand: its opcode; for a constant `_CONSTANTS` plus the
        index of its value among the numbers in the rules.
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

    def _of_key(self, key: int) -> NDArray[np.bool_]:
        """bool[rules]: which rules may apply to the operation, operand kinds, sameness of operands and demand
        that a key holds.
        """
        found = self._candidates.get(key)
        if found is None:
            code, a, b, same, demand = key >> 21, key >> 13 & 255, key >> 5 & 255, key >> 4 & 1, key & 15
            found = self._candidates[key] = np.array(
                [
                    rule.agrees_under(demand) and self._may_match(rule.left, code, a, b, bool(same))
                    for rule in self.rules
                ]
            )
        return found

    def _may_match(self, pattern: Pattern, code: int, a: int, b: int, same: bool) -> bool:
        """Whether a pattern fits a node's opcode and its operands' kinds. `same`: the operands
        are one node.
        """
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
        """Whether a pattern of an operand fits an operand's kind."""
        if pattern.op is not None:
            return pattern.op.code == kind
        if pattern.number is not None:
            return kind == _CONSTANTS + self._places[constant_key(pattern.number)]
        return kind >= _CONSTANTS or pattern.letter.islower()
