"""The rewriter: one sweep of a rule set over a program.

The invariant that makes rewrites compose: every node v of the new graph agrees with the old v under the
demand on v. A rule may be applied if the demand on its node does not distinguish the rule's two sides, and if
each node that the replacement uses was demanded at least as much before as the replacement demands it;
otherwise an earlier rewrite below might have changed that node too much. A node that is never zero and whose
value is demanded counts as demanded in bits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from absint.base.memo import cached_property
from absint.ir.patch import Patch
from absint.ir.program import Program
from absint.ops.demand import OPERAND_KINDS, Demand
from absint.ops.table import CONST, op_demand_tables
from absint.rewriting.analysis import BoundFacts, RewriteBudget
from absint.rewriting.preconditions import Nodes
from absint.rewriting.rules import Pattern, Rewrite, Rule, RuleSet

ROOT = "root"
"""The key of a binding under which the matched nodes themselves stand."""

Binding = dict[str, Nodes]
"""Matches of a pattern, one a row: int[m] for each letter, the nodes that it is bound to, and for `ROOT`."""


class Uses(NamedTuple):
    """The matches at which a rule is applied; no two have the same root."""

    rule: Rule
    binding: Binding


class Rewriter:
    """One sweep of a rule set over a program. `facts` and `demand`: those of the program before the sweep."""

    def __init__(
        self,
        program: Program,
        facts: BoundFacts,
        demand: NDArray[np.uint8],
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
        """Apply rules: replacements go into `patch`, counts into `rewrites`. Returns whether any applied."""
        chosen = list(self.choose(rules))
        if not chosen:
            return False
        roots = [uses.binding[ROOT] for uses in chosen]
        nodes = np.concatenate(roots)
        places = np.repeat(np.arange(len(roots)), list(map(len, roots)))
        rows = np.concatenate([np.arange(len(matched)) for matched in roots])
        ordered = np.stack([nodes, places, rows])[:, np.argsort(nodes)]
        makers = [self._compile(uses.rule.right, uses.binding) for uses in chosen]
        used: list[int] = []
        begin, replace = self.patch.begin, self.patch.replace
        for node, place, row in zip(*ordered.tolist(), strict=True):
            if self.budget is not None and not self._may_use(chosen[place].rule, node, self.budget):
                break
            begin(node)
            replace(makers[place](row))
            used.append(place)
        for place, count in Counter(used).items():  # in the order in which they were first used
            self.rewrites[chosen[place].rule.rewrite] += count
        return bool(used)

    def _may_use(self, rule: Rule, node: int, budget: RewriteBudget) -> bool:
        """Whether the budget allows one more use of a rule."""
        return budget.take(f"{rule.name} at {self.graph.label(node)}")

    def choose(self, rules: RuleSet) -> Iterator[Uses]:
        """Find, for each node to which some rule applies, the first such rule and its first match."""
        is_open = np.ones(len(self.graph), bool)
        for rule, nodes in rules.candidates_in(self.graph, self.precision, self.demand):
            nodes = nodes[is_open[nodes]]
            for binding in self._match([(rule.left, nodes)], {ROOT: nodes}):
                usable = self._select_usable(rule, _select(binding, is_open[binding[ROOT]]))
                if len(usable[ROOT]):
                    is_open[usable[ROOT]] = False
                    yield Uses(rule, usable)

    def _match(self, goals: Sequence[tuple[Pattern, Nodes]], binding: Binding) -> Iterator[Binding]:
        """Yield the matches of all patterns of `goals` at their nodes, in each operand order of commutative
        operations. Row i of a pattern's nodes goes with row i of `binding`, the letters bound so far; rows
        without a match are left out.
        """
        while goals:
            (pattern, nodes), *goals = goals
            fits = self._fits(pattern, nodes, binding)
            if fits is not None and not fits.all():
                if not fits.any():
                    return
                nodes, binding = nodes[fits], _select(binding, fits)
                goals = [(later, at[fits]) for later, at in goals]
            if pattern.op is not None:
                a, b = self.graph.args[nodes].T
                for operands in ((a, b), (b, a)) if pattern.op.commutative else ((a, b),):
                    yield from self._match([*zip(pattern.operands, operands, strict=False), *goals], binding)
                return
            if pattern.letter:
                binding = {**binding, pattern.letter: nodes}
        yield binding

    def _fits(self, pattern: Pattern, nodes: Nodes, binding: Binding) -> NDArray[np.bool_] | None:
        """bool[m]: whether each node fits a pattern, its operands aside; None if the pattern fits every
        node.
        """
        if pattern.op is not None:
            return np.equal(self.graph.op[nodes], pattern.op.code)
        if pattern.letter in binding:
            return np.equal(binding[pattern.letter], nodes)
        if pattern.letter.islower():
            return None
        is_constant = self.graph.op[nodes] == CONST.code
        if pattern.number is None:
            return np.asarray(is_constant)
        return np.asarray(is_constant & self._is_number(pattern.number, nodes))

    def _is_number(self, number: float, nodes: Nodes) -> NDArray[np.bool_]:
        """Whether each constant's value, rounded to the precision, has the bits of a number."""
        with np.errstate(over="ignore"):
            values = self.graph.constants[nodes].astype(self.precision.dtype)
        return np.asarray((values == number) & (np.signbit(values) == np.signbit(number)))

    def _select_usable(self, rule: Rule, binding: Binding) -> Binding:
        """The matches at which a rule's precondition holds and the nodes of its replacement were demanded
        enough.
        """
        for condition in rule.conditions:
            if len(binding[ROOT]):
                binding = _select(binding, condition(self.facts, *self.facts.columns, **binding))
        if len(binding[ROOT]):
            binding = _select(binding, self._is_demanded(rule.right, binding, self.demand[binding[ROOT]]))
        return binding

    def _is_demanded(
        self, pattern: Pattern, binding: Binding, demand: NDArray[np.uint8]
    ) -> NDArray[np.bool_]:
        """Whether every node in a replacement was demanded at least as much as the replacement demands it, if
        `demand` is the demand on the replacement.
        """
        if pattern.op is None:
            if not pattern.letter:
                return np.ones(len(demand), bool)
            return np.asarray(demand & ~self._kept[binding[pattern.letter]] == 0)
        # sound: old bounds suffice, since a demand rule compares results on the old operands and on new ones
        kinds = (*(self._kinds_of(operand, binding) for operand in pattern.operands), 0)[:2]
        asked = op_demand_tables()[pattern.op.code][demand, kinds[0], kinds[1]]
        enough = np.ones(len(demand), bool)
        for place, operand in enumerate(pattern.operands):
            enough &= self._is_demanded(operand, binding, asked[:, place])
        return enough

    @cached_property
    def _kept(self) -> NDArray[np.uint8]:
        """uint8[n]: the largest demand under which each new node surely agrees with the old one."""
        # sound: where the old value is a number, it is not zero, so a new value that compares equal has the
        # same bits, since only zeros compare equal to other bits; where the old value is NaN, so is the new
        # one, which is all that bits ask. Bounds without any number are the second case everywhere.
        lower, upper, _ = self.facts.columns
        is_exact = (self.demand == Demand.VALUE) & ((lower > 0) | (upper < 0))
        return np.where(is_exact, np.uint8(Demand.BITS), self.demand)

    def _kinds_of(self, pattern: Pattern, binding: Binding) -> Any:
        """The indices in `OPERAND_KINDS` of an operand of a replacement, from the old values of its letters:
        one for each match, or a single one for all.
        """
        if pattern.letter:
            return self.facts.operand_kinds[binding[pattern.letter]]
        value = 0.0 if pattern.number is None else self.precision.round(pattern.number)
        return OPERAND_KINDS.index((value > 0 or value < 0, pattern.number is None))

    def _compile(self, pattern: Pattern, binding: Binding) -> Callable[[int], int]:
        """A function that makes a replacement in `patch`: it takes the row of a match and returns the number
        of the new node.
        """
        patch, lines = self.patch, self.graph.lines[binding[ROOT]].tolist()
        letters = {letter: nodes.tolist() for letter, nodes in binding.items()}
        if pattern.op is None and pattern.letter:
            operands = letters[pattern.letter]
            return lambda row: patch.number(operands[row])
        if not pattern.letters():
            # matches are in the order of the graph, so the constant of the first one precedes all others
            constant = cache(lambda: patch.constant(self._evaluate(pattern, letters, 0), lines[0]))
            return lambda row: constant()
        if all(map(str.isupper, pattern.letters())):
            return lambda row: patch.constant(self._evaluate(pattern, letters, row), lines[row])
        assert pattern.op is not None
        op, makers = pattern.op, [self._compile(operand, binding) for operand in pattern.operands]
        return lambda row: patch.apply(op, *(make(row) for make in makers), line=lines[row])

    def _evaluate(self, pattern: Pattern, binding: Mapping[str, Sequence[int]], row: int) -> float:
        """The value of a replacement without lower-case letters, such as `neg(C)`."""
        if pattern.number is not None:
            return pattern.number
        if pattern.op is None:
            return self.graph.values[binding[pattern.letter][row]]
        operands = (self._evaluate(operand, binding, row) for operand in pattern.operands)
        with np.errstate(all="ignore"):
            return float(pattern.op.body(self.precision)(*map(self.precision.real, operands)))


def _select(binding: Binding, rows: NDArray[np.bool_]) -> Binding:
    """The matches of some rows. `rows`: bool[m]."""
    return {letter: nodes[rows] for letter, nodes in binding.items()}
