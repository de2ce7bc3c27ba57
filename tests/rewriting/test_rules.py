"""Every rewrite rule holds in its mode wherever its precondition does, needs that precondition, and fires.

Rules are data, so both sides are evaluated with the op table's bodies, on the full cross product of special
and random values of their letters. Preconditions are read point by point, as `absint.rewriting.rules` says:
comparisons hold where a side is NaN. Rules that one might believe in, and that are false, stand at the end
with their counterexamples; most are from the project's first notes on verification.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from absint.frontend.vm import parse_vm, write_vm
from absint.ir.box import Box
from absint.ir.graph import Graph, GraphBuilder
from absint.ir.program import Program, Promise
from absint.ops.demand import Demand
from absint.ops.precision import Precision
from absint.ops.printers.translate import array_form
from absint.ops.table import BY_NAME, SPICY
from absint.passes.analyses.bounds import bounds_of
from absint.passes.analyses.demand import demand_of
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import LEVELS, PassManager, parse_pipeline, passes_of_levels, rule_sets
from absint.rewriting.promise import check_promise, sample_points
from absint.rewriting.rewriter import ROOT, Rewriter
from absint.rewriting.rules import Mode, Pattern, Rule, parse_pattern
from tests.rewriting.matching import Matcher
from tests.support.operands import Column, distinct, random_bits, random_moderate, same, scaled
from tests.support.programs import DOMAINS
from tests.support.programs import programs as any_programs

Values = dict[str, Column]
BITS, ZERO, SIGN = Mode.BITS, Mode.ZERO, Mode.SIGN


class PassRule(NamedTuple):
    """A rule and the pass that it belongs to."""

    pass_name: str
    rule: Rule

    def __str__(self) -> str:
        return f"{self.pass_name}.{self.rule.name}"


RULES = [PassRule(name, rule) for name, rules in rule_sets() for rule in rules.rules]


def conjuncts(when: str) -> list[str]:
    """The parts of a precondition."""
    if not when:
        return []
    tree = ast.parse(when, mode="eval").body
    return [ast.unparse(part) for part in (tree.values if isinstance(tree, ast.BoolOp) else [tree])]


CONJUNCTS = [
    pytest.param(entry.rule, part, id=f"{entry}-{part}")
    for entry in RULES
    for part in conjuncts(entry.rule.when)
]
EVERY_RULE = pytest.mark.parametrize("entry", RULES, ids=str)
BOTH_PRECISIONS = pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)

_POWERS = tuple(
    sign * 2.0**k for k in (-150, -149, -127, -126, -125, -2, 2, 3, 125, 126, 127) for sign in (1, -1)
)


# Evaluating patterns and preconditions at points


@cache
def letter_values(precision: Precision) -> Column:
    """What each letter stands for in turn."""
    rng = np.random.default_rng(6)
    return np.concatenate(
        [
            distinct((*SPICY, *_POWERS, 2.5, -2.5, 1 / 3), precision),
            random_bits(rng, precision, scaled(40)),
            random_moderate(rng, precision, scaled(40)),
        ]
    )


@cache
def points_of(letters: tuple[str, ...], precision: Precision) -> Values:
    """All combinations of values of the letters."""
    grids = np.meshgrid(*[letter_values(precision)] * len(letters), indexing="ij")
    return {letter: grid.ravel() for letter, grid in zip(letters, grids, strict=True)}


def evaluate(pattern: Pattern, values: Values, precision: Precision) -> Any:
    """The value of a pattern at points."""
    if pattern.number is not None:
        return precision.real(pattern.number)
    if pattern.op is None:
        return values[pattern.letter]
    form = array_form(pattern.op.body(precision), precision)
    with np.errstate(all="ignore"):
        return form(*(evaluate(operand, values, precision) for operand in pattern.operands))


def holds(part: str, values: Values) -> NDArray[np.bool_]:
    """One part of a precondition, point by point."""
    tree = ast.parse(part, mode="eval").body
    if isinstance(tree, ast.Call):
        assert isinstance(tree.func, ast.Name)
        v = values[ast.unparse(tree.args[0])]
        fraction, _ = np.frexp(v)
        answers: dict[str, Any] = {
            "number": v == v,
            "finite": ~np.isinf(v),
            "nonzero": v != 0,
            "power_of_two": (np.abs(fraction) == 0.5) & (np.abs(v) >= 2.0**-126) & (np.abs(v) <= 2.0**126),
        }
        return np.asarray(answers[tree.func.id])
    assert isinstance(tree, ast.Compare)
    right = tree.comparators[0]
    a = values[ast.unparse(tree.left)]
    b = values[right.id] if isinstance(right, ast.Name) else float(ast.literal_eval(right))
    contrary: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
        ast.Lt: np.greater_equal,
        ast.LtE: np.greater,
        ast.Gt: np.less_equal,
        ast.GtE: np.less,
    }
    return ~np.asarray(contrary[type(tree.ops[0])](a, b))


def agree(mode: Mode, sees: Demand, left: Any, right: Any, precision: Precision) -> Any:
    """Whether the two sides agree as the mode says, under every demand that it allows."""
    if mode is BITS:
        return same(left, right, precision)
    if mode is ZERO:
        return (left == right) | (np.isnan(left) & np.isnan(right))
    agreed = ~np.isnan(right) | np.isnan(left)  # a number wherever there was a number
    if sees & Demand.NEGATIVE:
        agreed &= (left < 0) == (right < 0)
    if sees & Demand.POSITIVE:
        agreed &= (left > 0) == (right > 0)
    return agreed


def breaks(rule: Rule, parts: list[str], precision: Precision) -> tuple[Values, NDArray[np.bool_], int]:
    """The points, where the rule fails under some parts of its precondition, and how often those hold."""
    values = points_of(tuple(sorted(rule.left.letters())), precision)
    shape = next(iter(values.values())).shape
    left, right = (
        np.broadcast_to(evaluate(side, values, precision), shape) for side in (rule.left, rule.right)
    )
    held = np.logical_and.reduce([np.ones(shape, bool), *(holds(part, values) for part in parts)])
    return values, held & ~agree(rule.mode, rule.sees, left, right, precision), int(held.sum())


# Rules that hold


@BOTH_PRECISIONS
@EVERY_RULE
def test_rule_holds(entry: PassRule, precision: Precision) -> None:
    values, broken, held = breaks(entry.rule, conjuncts(entry.rule.when), precision)
    assert held > 0, "the precondition never holds"
    where = np.flatnonzero(broken)
    assert not len(where), {letter: float(column[where[0]]) for letter, column in values.items()}


@BOTH_PRECISIONS
@pytest.mark.parametrize(("rule", "part"), CONJUNCTS)
def test_rule_needs_each_part_of_its_precondition(rule: Rule, part: str, precision: Precision) -> None:
    parts = conjuncts(rule.when)
    parts.remove(part)
    assert breaks(rule, parts, precision)[1].any(), f"{rule.name}: {part} is superfluous"


@EVERY_RULE
def test_sign_rules_say_what_they_see(entry: PassRule) -> None:
    sees = {Demand.NEGATIVE, Demand.POSITIVE, Demand.SIGN}
    assert (entry.rule.sees in sees) == (entry.rule.mode is SIGN)
    if entry.pass_name in passes_of_levels():
        assert (entry.pass_name == "signdemand") == (entry.rule.mode is SIGN)


# Rules that fire

RANGES: tuple[tuple[float, float] | None, ...] = (
    None, (1.0, 2.0), (3.0, 4.0), (-2.0, -1.0), (-4.0, -3.0), (0.0, 1.0), (-1.0, 0.0), (-1.0, 1.0),
)  # fmt: skip
CONSTANTS = (2.0, -2.0, 0.5, -0.5, 3.0, 0.75, -0.75)
CONTEXTS = {
    "bits": Demand.BITS,
    "value": Demand.VALUE,
    "< 0": Demand.NEGATIVE,
    "> 0": Demand.POSITIVE,
}
"""What is seen of a pattern, by the name of the context that `build` puts around it."""


def build(pattern: Pattern, constants: dict[str, float], context: str = "bits") -> Graph:
    """A program with variables for lower-case letters, seen through a context that demands so much of it."""
    builder = GraphBuilder()

    def node(part: Pattern) -> int:
        if part.number is not None:
            return builder.constant(part.number)
        if part.op is None:
            letter = part.letter
            return builder.constant(constants[letter]) if letter in constants else builder.variable(letter)
        return builder.apply(part.op, *map(node, part.operands))

    root = node(pattern)
    if pattern.op is None:  # a bare letter stands for an operation
        root = builder.apply(BY_NAME["floor"], root)
    if context == "value":
        root = builder.apply(BY_NAME["compare"], root, builder.variable("other"))
    if context == "> 0":
        root = builder.apply(BY_NAME["neg"], root)
    return builder.build(root)


def programs(rule: Rule, context: str) -> Iterator[Program]:
    """Small programs that a rule may apply to, seen through a context."""
    letters = sorted(rule.left.letters())
    choices: list[tuple[Any, ...]] = [CONSTANTS if letter.isupper() else RANGES for letter in letters]
    for chosen in itertools.product(*choices):
        given = dict(zip(letters, chosen, strict=True))
        graph = build(rule.left, {k: v for k, v in given.items() if k.isupper()}, context)
        box = Box({k: v for k, v in given.items() if k.islower() and v is not None})
        yield Program(graph, Precision.F32, box, Promise.SIGN if "0" in context else Promise.BITS)


def strongest_contexts(rule: Rule) -> list[str]:
    """The contexts that see most among those in which the rule says that its sides cannot be told apart."""
    seen = [context for context, demand in CONTEXTS.items() if rule.agrees_under(demand)]
    return [
        one for one in seen
        if not any(CONTEXTS[one] | CONTEXTS[more] == CONTEXTS[more] != CONTEXTS[one] for more in seen)
    ]  # fmt: skip


@EVERY_RULE
def test_rule_fires_where_most_is_seen(entry: PassRule) -> None:
    """In its whole level, with all other rules around it, and the program keeps its promise then. A pass that
    no level runs goes before that.

    The operands, too, must be demanded as much as the replacement needs. Fold is left out: what is always
    zero is a constant after it, and no rule about a product with zero has anything left to do.
    """
    level = LEVELS[2 if entry.rule.mode is SIGN else 1].removeprefix("fold,")
    own = "" if entry.pass_name in passes_of_levels() else f"{entry.pass_name},"
    passes = parse_pipeline(own + level)
    for context in strongest_contexts(entry.rule):
        for program in programs(entry.rule, context):
            after, steps = PassManager(passes).run(program)
            if any(entry.rule.rewrite in step.rewrites for step in steps):
                points = sample_points(program.graph.variables.values(), program.box, program.precision, 500)
                assert check_promise(program, after, points, after.promise) is None
                return
    pytest.fail("no program found that the rule applies to: is it shadowed by an earlier one?")


def test_a_value_that_is_never_zero_is_kept_in_bits() -> None:
    """`abs` and `or` ask for a value only, and the replacement for bits; near zero that is not the same."""
    for text, region, fires in (
        ("x var-x; a abs x", "1:2,0:1", True),
        ("x var-x; a abs x; b recip a", "-2:-1,0:1", True),
        ("x var-x; a abs x", "0:1,0:1", False),
        ("x var-x; y var-y; a or x y", "1:2,0:1", True),
        ("x var-x; y var-y; n neg y; s add x n; c compare s y", "-1:1,1:2", True),
        # the bounds of y tell that no one sees the zeros of x in x - y
        ("x var-x; y var-y; n neg y; s add x n", "-1:1,1:2", True),
        ("x var-x; y var-y; n neg y; s add x n", "-1:1,-1:1", True),
    ):
        before = Program(parse_vm(text.replace("; ", "\n")), box=Box.parse(region))
        after, rewrites = parse_pipeline("simplify")[0].run(before, Analyses())
        points = sample_points(before.graph.variables.values(), before.box, before.precision, 500)
        assert check_promise(before, after, points, after.promise) is None
        assert bool(rewrites) == fires, (text, region)


# Rules that one might believe in


class FalseRule(NamedTuple):
    """A rewrite that is wrong on a box (default: everywhere), although it looks right."""

    pattern: str
    replacement: str
    mode: Mode
    box: dict[str, tuple[float, float]] = {}  # noqa: RUF012  # never changed; a NamedTuple has no default_factory


FALSE_RULES = [
    FalseRule("min(a, b)", "a", BITS, {"a": (-1, 0), "b": (0, 1)}),  # a <= b, but min(-0, +0) = +0
    FalseRule("max(a, b)", "a", BITS, {"a": (0, 1), "b": (-1, 0)}),
    FalseRule("min(a, sqrt(b))", "a", ZERO, {"a": (-2, -1), "b": (-1, 1)}),  # a < sqrt(b), or sqrt(b) is NaN
    FalseRule("max(a, sqrt(b))", "a", ZERO, {"a": (2, 3), "b": (-1, 1)}),
    FalseRule("min(a, sqrt(b))", "a", SIGN, {"a": (-1, 1), "b": (-1, 1)}),  # min < 0 with a NaN in one arm
    FalseRule("add(a, 0.0)", "a", BITS),  # -0 + 0 = +0
    FalseRule("sub(a, -0.0)", "a", BITS),
    FalseRule("sub(0.0, a)", "neg(a)", BITS),
    FalseRule("sqrt(square(a))", "abs(a)", ZERO),  # underflow and overflow
    FalseRule("square(sqrt(a))", "a", ZERO, {"a": (0, 10)}),
    FalseRule("sub(sqrt(a), 0.1)", "sub(a, square(0.1))", SIGN),  # and NaN below zero
    FalseRule("sub(sqrt(a), b)", "sub(a, square(b))", SIGN, {"a": (0, 1), "b": (0, 1)}),  # b * b underflows
    FalseRule("neg(sub(a, b))", "sub(b, a)", BITS),  # -0 at a = b
    FalseRule("mul(a, 0.1)", "a", SIGN),  # underflow
    FalseRule("div(a, 10.0)", "a", SIGN),
    FalseRule("mul(a, b)", "a", SIGN, {"b": (1e-3, 1)}),
    FalseRule("div(a, 3.0)", "mul(a, 0.3333333333333333)", ZERO),
    FalseRule("sub(a, a)", "0.0", ZERO),  # inf - inf
    FalseRule("min(a, max(a, b))", "a", ZERO),  # NaN in b
    FalseRule("min(a, max(a, b))", "a", BITS, {"a": (-1, 1), "b": (-1, 1)}),  # max(-0, +0) = +0
    FalseRule("max(a, neg(a))", "abs(a)", BITS),  # max(+0, -0) = -0
    FalseRule("mul(a, 0.0)", "0.0", ZERO),  # inf * 0
    FalseRule("mul(a, 0.0)", "0.0", BITS, {"a": (-1, 1)}),
    FalseRule("div(a, a)", "1.0", ZERO, {"a": (-1, 1)}),
    FalseRule("recip(recip(a))", "a", ZERO),
    FalseRule("div(a, b)", "mul(a, recip(b))", ZERO),
    FalseRule("add(sub(a, b), b)", "a", ZERO),
    FalseRule("add(add(a, 0.1), 0.3)", "add(a, 0.4)", ZERO),
    FalseRule("mul(mul(a, 0.1), 3.0)", "mul(a, 0.3)", ZERO),
    FalseRule("add(mul(a, b), a)", "mul(a, add(b, 1.0))", ZERO),
    FalseRule("sqrt(mul(a, a))", "a", ZERO, {"a": (0, 1e30)}),
    FalseRule("mod(a, b)", "a", ZERO, {"a": (-1, 1), "b": (2, 3)}),
    FalseRule("not_(not_(a))", "a", ZERO),
    FalseRule("exp(ln(a))", "a", ZERO, {"a": (1, 100)}),
    FalseRule("floor(neg(a))", "neg(floor(a))", ZERO),
]

SEEN = {BITS: "bits", ZERO: "value", SIGN: "< 0"}
"""The context in which a false rule's mode would let it apply."""


def false_rule_points(rule: FalseRule, precision: Precision) -> Values:
    """Special points of the rule's box."""
    letters = tuple(sorted(parse_pattern(rule.pattern).letters()))
    values = points_of(letters, precision)
    inside = np.logical_and.reduce(
        [
            (values[letter] >= precision.real(low)) & (values[letter] <= precision.real(high))
            for letter, (low, high) in rule.box.items()
        ]
        or [np.ones(next(iter(values.values())).shape, bool)]
    )
    return {letter: column[inside] for letter, column in values.items()}


@BOTH_PRECISIONS
@pytest.mark.parametrize(
    "rule", FALSE_RULES, ids=lambda rule: f"{rule.pattern}={rule.replacement}-{rule.mode.value}"
)
def test_false_rule_has_a_counterexample(rule: FalseRule, precision: Precision) -> None:
    values = false_rule_points(rule, precision)
    left = evaluate(parse_pattern(rule.pattern), values, precision)
    right = evaluate(parse_pattern(rule.replacement), values, precision)
    assert not np.all(agree(rule.mode, Demand.NEGATIVE, left, right, precision))


@BOTH_PRECISIONS
@pytest.mark.parametrize(
    "rule", FALSE_RULES, ids=lambda rule: f"{rule.pattern}={rule.replacement}-{rule.mode.value}"
)
def test_passes_do_not_believe_in_it(rule: FalseRule, precision: Precision) -> None:
    """The program stays as it is under the strongest demand that the false rule's mode cannot keep."""
    graph = build(parse_pattern(rule.pattern), {}, SEEN[rule.mode])
    box = Box(dict(rule.box)).rounded(precision)
    start = Program(graph, precision, box, Promise.SIGN if rule.mode is SIGN else Promise.BITS)
    level = 2 if rule.mode is SIGN else 1
    after, _ = PassManager(parse_pipeline(LEVELS[level])).run(start)
    values = dict(false_rule_points(rule, precision))
    count = next(iter(values.values())).size
    values["other"] = np.resize(letter_values(precision), count)
    assert check_promise(start, after, values, after.promise) is None
    replaced = build(parse_pattern(rule.replacement), {}, SEEN[rule.mode])
    assert write_vm(after.graph) != write_vm(replaced)


@settings(max_examples=scaled(150))
@given(any_programs(), DOMAINS)
def test_arrays_match_what_a_walk_from_node_to_node_matches(
    program: Program, domains: tuple[str, ...]
) -> None:
    analyses = Analyses(domains)
    facts, demand = bounds_of(program, analyses), demand_of(program, analyses)
    for _, rules in rule_sets():
        chosen = {}
        for uses in Rewriter(program, facts, demand).choose(rules):
            columns = {letter: nodes.tolist() for letter, nodes in uses.binding.items()}
            for row, node in enumerate(columns.pop(ROOT)):
                chosen[node] = uses.rule, {letter: column[row] for letter, column in columns.items()}
        matcher = Matcher(program, facts, demand.tolist())
        expected = {node: matcher.first_match(node, rules.rules) for node in range(len(program.graph))}
        assert chosen == {node: match for node, match in expected.items() if match is not None}
