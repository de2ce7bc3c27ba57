"""Near misses of rewrite rules: patterns whose operands barely satisfy a rule's precondition, or barely fail
it.

A rule with too weak a precondition gives a wrong result only where its pattern occurs, the operands violate
the missing condition, and no later operation hides the difference. These programs arrange all three.
"""

from __future__ import annotations

import functools
import math
import re

import numpy as np

from absint.base.registry import cached
from absint.ir.box import Box
from absint.ir.graph import GraphBuilder
from absint.ops.precision import Precision
from absint.ops.printers.translate import array_form
from absint.ops.table import (
    ABS,
    ADD,
    BY_NAME,
    DIV,
    EXP,
    LN,
    MAX,
    MIN,
    MUL,
    NEG,
    OPS,
    SPICY,
    SQRT,
    SQUARE,
    SUB,
    Op,
)  # fmt: skip
from absint.rewriting.manager import rule_sets
from absint.rewriting.rules import Mode, Pattern, Rule

from .choices import Choices, chance, pick

_NUMBERS = tuple(value for value in SPICY if value == value)


class NearMisses:
    """Adds near misses to a builder. `axes`: the builder's nodes of x, y, …. `home`: the number of the rule
    set whose rules are drawn most often.
    """

    def __init__(
        self,
        choices: Choices,
        size: int,
        precision: Precision,
        box: Box,
        builder: GraphBuilder,
        axes: dict[str, int],
        home: int,
    ) -> None:
        self._home = home % len(_rule_sets())
        self._choices = choices
        self._size = size
        self._precision = precision
        self._box = box
        self._builder = builder
        self._axes = axes

    def _const(self, value: float) -> int:
        return self._builder.constant(value)

    def _apply(self, op: Op, *operands: int) -> int:
        return self._builder.apply(op, *operands)

    def _axis(self) -> int:
        return pick(self._choices, tuple(self._axes.values()))

    def node(self) -> int:
        """A root over several patterns. Either a few, whose signs affect the root's sign, or more, each of
        whose bits appear in the root somewhere in the box.
        """
        choices = self._choices
        rules = _rule_sets()[self._home]
        signs = chance(choices, 90 if any(rule.mode is Mode.SIGN for rule in rules) else 25)
        most = max(1, self._size // (10 if signs else 6))
        nodes = [self._observable(signs) for _ in range(1 + choices.below(most))]
        while len(nodes) > 1:
            a, b = nodes[:2]
            if chance(choices, 20):
                joined = self._apply(pick(choices, (MIN, MAX) if signs else (MIN, MAX, ADD, SUB)), a, b)
            else:
                joined = self._side_by_side(a, b, signs)
            nodes = [*nodes[2:], joined]
        return nodes[0]

    def _observable(self, signs: bool) -> int:
        """A pattern, perhaps below an operation that exposes its sign or bits; or two touching ranges."""
        choices = self._choices
        if chance(choices, 15):
            return self._touching_ranges(self._meeting_point())
        home = self._home if chance(choices, 70) else -1
        rule = pick(choices, _rules(chance(choices, 50), home))
        node = self._near_rule(rule)
        if signs:
            if chance(choices, 10):
                op = pick(choices, (SUB, MIN, MAX, MUL, DIV))
                node = self._apply(op, node, self._near_constant(self._meeting_point()))
            return self._apply(NEG, node) if chance(choices, 20) else node
        hides_zero = rule.mode is Mode.ZERO and chance(choices, 50)  # else the rule does not apply
        if hides_zero or chance(choices, 40):
            sensitive, blind = _sensitivity_to_zeros()
            op, position = pick(
                choices, blind if hides_zero else sensitive if chance(choices, 60) else _POSITIONS
            )
            operands = [self._near_range(self._meeting_point()) for _ in range(op.arity)]
            operands[position] = node
            node = self._apply(op, *operands)
        return node

    def _touching_ranges(self, place: float) -> int:
        """An operation on a value with `place` as its upper end and one with it as its lower end, in one
        order or both. If `place` is zero, the two zeros may differ in sign.
        """
        choices = self._choices
        other = -place if place == 0 and chance(choices, 50) else place
        below = self._apply(MIN, self._axis(), self._const(place))
        above = self._apply(MAX, self._axis(), self._const(other))
        op = pick(choices, _BINARY)
        ways = [(below, above), (above, below)]
        first, *more = [self._apply(op, *way) for way in pick(choices, (ways[:1], ways[1:], ways))]
        return self._side_by_side(first, more[0], signs=False) if more else first

    def _side_by_side(self, a: int, b: int, signs: bool) -> int:
        """A value that is `a` in every other stripe of an axis and `b` between them.

        With `signs` it has only their signs, else all their bits, since -0 + a has the bits of a. The stripes
        are thin and of random width along a random axis, so nested stripes leave a part of each other.
        """
        choices = self._choices
        ends = {name: self._box.bounds.get(name, (-4.0, 4.0)) for name in self._axes}
        wide = tuple(name for name, (lower, upper) in ends.items() if lower < upper)
        name = pick(choices, wide or tuple(self._axes))
        low, high = (min(max(end, -4.0), 4.0) for end in ends[name])
        stripes = (high - low or 1.0) / choices.real(3.0, 30.0)
        place = self._apply(BY_NAME["mod"], self._axes[name], self._const(stripes))
        place = self._apply(SUB, place, self._const(stripes / 2))
        sides = place, self._apply(NEG, place)
        if signs:
            return self._apply(MIN, *(self._apply(MAX, *both) for both in zip(sides, (a, b), strict=True)))
        halves = []
        for value, side in zip((a, b), sides, strict=True):
            beyond = self._apply(MIN, side, self._const(-0.0))
            halves.append(self._apply(BY_NAME["and"], beyond, value))
        return self._apply(ADD, *halves)

    def _meeting_point(self) -> float:
        """A number at which ranges end: mostly zero or one."""
        return pick(self._choices, (*(0.0, -0.0, 1.0, 0.0, -0.0, -1.0) * 8, math.inf, -math.inf, *_NUMBERS))

    def _near_rule(self, rule: Rule) -> int:
        """One side of a rule, with operands that satisfy the precondition, barely fail it, or are random."""
        left = chance(self._choices, 90)
        pattern = rule.left if left or rule.right.op is None else rule.right
        meeting = self._meeting_point()
        letters: dict[str, int] = {}
        if chance(self._choices, 80):
            self._ask(rule.when, meeting, letters)
        if rule.mode is Mode.ZERO and chance(self._choices, 50):  # such a rule may be wrong at zeros
            for letter in sorted(_letters(pattern) - set(letters)):
                letters[letter] = self._zero() if letter.isupper() else self._within_zero()
        return self._instance(pattern, letters, meeting)

    def _ask(self, when: str, meeting: float, letters: dict[str, int]) -> None:
        """Add to `letters` nodes for which all parts of a precondition hold, or all but one."""
        choices = self._choices
        parts = when.split(" and ") if when else []
        broken = pick(choices, (*parts, *parts, ""))
        lower: dict[str, float] = {}
        upper: dict[str, float] = {}
        sources: dict[str, tuple[Op, ...]] = {}
        for part in parts:
            exact = part == broken
            if match := _COMPARED.fullmatch(part):
                if exact and chance(choices, 40):
                    continue
                first, symbol, second = match.groups()
                least, most = (first, second) if "<" in symbol else (second, first)
                place = (1.0 if "0" in when else meeting) if second.isalpha() else float(second)
                if exact:
                    place *= pick(choices, (1.0, 1.0, 0.5, 2.0))
                apart = 0.25 if symbol in "<>" and second.isalpha() and not exact else 0.0
                upper[least], lower[most] = self._beside(place - apart), self._beside(place + apart)
            elif match := _ASKED.fullmatch(part):
                ask, letter = match.groups()
                if ask == "nonzero":
                    edge = 0.0 if exact else 0.25
                    lower.setdefault(letter, edge) if chance(choices, 50) else upper.setdefault(letter, -edge)
                elif exact:
                    sources[letter] = _SOURCES[ask]
                elif ask == "finite":
                    lower.setdefault(letter, -2.0)
                    upper.setdefault(letter, 2.0)
        for letter in sorted({*lower, *upper, *sources}):
            if letter.isupper():
                letters[letter] = self._near_constant(lower.get(letter, upper.get(letter, meeting)))
            elif letter.isalpha():
                letters[letter] = self._within(sources.get(letter, ()), lower.get(letter), upper.get(letter))

    def _within(self, sources: tuple[Op, ...], lower: float | None, upper: float | None) -> int:
        """An axis, or one of `sources` on it, clamped to the ends that are not None."""
        choices = self._choices
        name = pick(choices, tuple(self._axes))
        node = self._axes[name]
        low, high = self._box.bounds.get(name, (-1.0, 1.0))
        middle = self._precision.round(low / 2 + high / 2)
        if middle and abs(middle) < math.inf:
            node = self._apply(SUB, node, self._const(middle))
        if sources:
            node = self._apply(pick(choices, sources), self._apply(MUL, node, self._const(1e3)))
        for op, end in ((MAX, lower), (MIN, upper)):
            if end is not None:
                edge = self._const(end)
                # for a tie of zeros, min and max return the second operand: try both orders
                node = self._apply(op, *((edge, node) if chance(choices, 50) else (node, edge)))
        return node

    def _zero(self) -> int:
        return self._const(pick(self._choices, (0.0, -0.0)))

    def _within_zero(self) -> int:
        """An axis clamped at a zero of either sign, from one side."""
        operands = self._axis(), self._zero()
        return self._apply(
            pick(self._choices, (MIN, MAX)), *(operands if chance(self._choices, 50) else operands[::-1])
        )

    def _instance(self, pattern: Pattern, letters: dict[str, int], meeting: float) -> int:
        """An instance of a pattern. Letters without a node get one that ends near `meeting`; a constant of
        the pattern is sometimes replaced by a number near `meeting`.
        """
        if pattern.number is not None:
            return self._const(pattern.number) if chance(self._choices, 80) else self._near_constant(meeting)
        if pattern.op is None:
            if pattern.letter not in letters:
                kind = self._near_constant if pattern.letter.isupper() else self._near_range
                letters[pattern.letter] = kind(meeting)
            return letters[pattern.letter]
        operands = [self._instance(operand, letters, meeting) for operand in pattern.operands]
        return self._apply(pattern.op, *operands)

    def _near_constant(self, meeting: float) -> int:
        """A constant at `meeting` or a float beside it, sometimes a multiple or a special value."""
        kind = self._choices.below(10)
        if kind < 6:
            return self._const(self._beside(meeting))
        if kind < 8:
            return self._const(meeting * pick(self._choices, (0.5, 2.0, 3.0)))
        return self._const(pick(self._choices, SPICY))

    def _beside(self, value: float) -> float:
        real = self._precision.real
        if value == 0 and chance(self._choices, 70):  # either zero, rather than the smallest subnormals
            return pick(self._choices, (0.0, -0.0))
        with np.errstate(all="ignore"):
            towards = pick(self._choices, (value, value, math.inf, -math.inf))
            return float(np.nextafter(real(value), real(towards)))

    def _near_range(self, meeting: float) -> int:
        """A node with `meeting` or a float beside it as its lower or upper end; or an axis, or an axis scaled
        to the smallest numbers, whose products underflow.
        """
        choices = self._choices
        axis = self._axis()
        kind = choices.below(7)
        if kind == 0:
            return axis
        if kind == 6:
            return self._apply(MUL, axis, self._const(4 * self._precision.tiny))
        edge = self._const(self._beside(meeting))
        if kind == 1:
            return self._apply(MIN, axis, edge)
        if kind == 2:
            return self._apply(MAX, axis, edge)
        if kind == 3:  # [0, ...] moved to the point
            return self._apply(ADD, self._apply(pick(choices, (ABS, SQUARE)), axis), edge)
        if kind == 4:  # may be NaN
            op = pick(choices, (SQRT, DIV, LN))
            return self._apply(MIN, self._apply(op, *(axis, self._axes["x"])[: op.arity]), edge)
        return self._apply(SUB, self._apply(ADD, axis, edge), edge)


def _letters(pattern: Pattern) -> set[str]:
    """The letters in a pattern."""
    below = set[str]().union(*(_letters(operand) for operand in pattern.operands))
    return below | {pattern.letter} if pattern.op is None and pattern.number is None else below


@cached
def _rule_sets() -> tuple[tuple[Rule, ...], ...]:
    """For each pass with rules, those rules whose left side is an operation."""
    sets = (tuple(rule for rule in rules.rules if rule.left.op is not None) for _, rules in rule_sets())
    return tuple(filter(None, sets))


@cached
def _rules(conditional: bool, home: int) -> tuple[Rule, ...]:
    """The rules of set `home`, or of all sets for -1. `conditional`: those with a precondition, if any."""
    sets = _rule_sets() if home < 0 else (_rule_sets()[home],)
    rules = tuple(rule for rules in sets for rule in rules)
    return tuple(rule for rule in rules if rule.when) or rules if conditional else rules


_BINARY = tuple(op for op in OPS if op.arity == 2)
_POSITIONS = tuple((op, position) for op in OPS for position in range(op.arity))
"""All pairs of an operation and an operand position."""


@functools.cache
def _sensitivity_to_zeros() -> tuple[tuple[tuple[Op, int], ...], tuple[tuple[Op, int], ...]]:
    """The operand positions whose results differ between -0 and +0, for some other operand, and those whose
    results never do.
    """
    zeros, others = np.repeat([0.0, -0.0], len(SPICY)), np.tile(SPICY, 2)
    sensitive, blind = [], []
    for op, position in _POSITIONS:
        operands = [others] * op.arity
        operands[position] = zeros
        with np.errstate(all="ignore"):
            values = array_form(op.body(Precision.F64), Precision.F64)(*operands)
        plus, minus = np.split(values, 2)
        number = (plus == plus) & (minus == minus)
        if np.any(number & (plus != minus)):
            sensitive.append((op, position))
        elif np.all(~number | (np.signbit(plus) == np.signbit(minus))):
            blind.append((op, position))
    return tuple(sensitive), tuple(blind)


_COMPARED = re.compile(r"(\w) ([<>]=?) (\w|-?\d+)")
_ASKED = re.compile(r"(\w+)\((\w)\)")
_SOURCES = {
    "number": (SQRT, LN, BY_NAME["asin"]),
    "finite": (EXP, BY_NAME["recip"]),
    "power_of_two": (NEG,),
}
"""By condition of a precondition: operations whose results do not always satisfy it."""
