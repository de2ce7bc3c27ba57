"""Analyses: facts about a program, computed when asked for and kept as long as the program.

An analysis is a frozen dataclass; its fields are its options. Facts are cached by (program identity,
analysis with its options), so the same program object keeps its facts and a new one starts with none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar, cast
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from absint.base.memo import cached_property
from absint.base.registry import find
from absint.domains.lattice import Domain
from absint.domains.product import ProductDomain
from absint.ir.graph import Graph, GraphBuilder
from absint.ir.program import Program
from absint.ops.demand import Bounds
from absint.ops.precision import Precision

F = TypeVar("F", covariant=True)
T = TypeVar("T")

DEFAULT_DOMAINS = ("interval",)


class Analysis(Protocol[F]):
    """Computes facts of type `F` about a program. Hashable: its options are part of the cache's key."""

    @property
    def name(self) -> str:
        """What reports call it."""

    def run(self, program: Program, analyses: Analyses) -> F:
        """The facts; other analyses are asked for through `analyses`."""


class Inheritance(NamedTuple):
    """What is known of the program that another was made from.

    `origins`: for each node of the new program, the node of `graph` that it is a copy of, or -1.
    """

    graph: Graph
    facts: dict[Analysis[object], object]
    origins: Sequence[int]


@dataclass
class RewriteBudget:
    """How many rewrites a run may still make, to find the first one that breaks a program.

    Rules take one for each use; a pass without rules, which is all or nothing, takes one. `made`: how many
    were made; `last`: the last of them. After LLVM's -opt-bisect-limit.
    """

    left: int
    last: str = ""
    made: int = 0

    def take(self, what: str) -> bool:
        """Whether one more rewrite may be made, which is then counted."""
        if self.left == 0:
            return False
        self.left -= 1
        self.made += 1
        self.last = what
        return True


class Analyses:
    """The facts of programs. `domains`: names of the abstract domains that bounds are computed in; `budget`:
    how many rewrites may be made, as many as there are if None.
    """

    def __init__(self, domains: Sequence[str] = DEFAULT_DOMAINS, budget: RewriteBudget | None = None) -> None:
        self.domains = tuple(domains)
        self.budget = budget
        self._facts: WeakKeyDictionary[Program, dict[Analysis[object], object]] = WeakKeyDictionary()
        self._inherited: WeakKeyDictionary[Program, Inheritance] = WeakKeyDictionary()

    def get(self, analysis: Analysis[T], program: Program) -> T:
        """The facts of an analysis about a program, computed at most once."""
        facts = self._facts.setdefault(program, {})
        if analysis not in facts:
            facts[analysis] = analysis.run(program, self)
        return cast(T, facts[analysis])

    def rebuilt(self, program: Program, builder: GraphBuilder, root: int | None = None) -> Program:
        """The program with the builder's graph, whose copied nodes were copied from the program's."""
        made = program.with_graph(builder.build(root))
        self.succeed(made, program, builder.origins)
        return made

    def succeed(self, made: Program, program: Program, origins: Sequence[int]) -> None:
        """Note what a program was made from, so that an analysis need not look at all of it again."""
        self._inherited[made] = Inheritance(program.graph, self._facts.setdefault(program, {}), origins)

    def inherited(self, program: Program) -> Inheritance | None:
        """What is known of the program that this one was made from."""
        return self._inherited.get(program)

    def cached(self, program: Program) -> tuple[Analysis[object], ...]:
        """Which analyses have been run on a program."""
        return tuple(self._facts.get(program, {}))


def make_domain(names: Sequence[str], precision: Precision, batched: bool = False) -> Domain[Any]:
    """The domain of this name, or the reduced product of several. Raises `UsageError` for an unknown one."""
    domains = [find("domains", name)(precision, batched) for name in names]
    return domains[0] if len(domains) == 1 else ProductDomain(domains)


class Columns(NamedTuple):
    """Bounds of n nodes as arrays: `lower`, `upper` float64[n], `may_nan` bool[n]."""

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    may_nan: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class BoundFacts:
    """What the abstract domains know of every node of a program on its box; `bounds` as Python numbers.

    `given`: the bounds as arrays, where they were that first.
    """

    domain: Domain[Any]
    elements: list[Any]
    bounds: list[Bounds]
    given: Columns | None = None

    @cached_property
    def columns(self) -> Columns:
        """The bounds as arrays."""
        if self.given is not None:
            return self.given
        lower, upper, may_nan = np.array(self.bounds, np.float64).T
        return Columns(lower, upper, may_nan != 0)

    def less(self, a: int, b: int) -> bool:
        """Wherever both nodes are numbers, a < b."""
        if self.bounds[a].upper < self.bounds[b].lower:
            return True
        return self.domain.relational and bool(self.domain.less(self.elements[a], self.elements[b]))

    def less_equal(self, a: int, b: int) -> bool:
        """Wherever both nodes are numbers, a <= b."""
        if self.bounds[a].upper <= self.bounds[b].lower:
            return True
        return self.domain.relational and bool(self.domain.less_equal(self.elements[a], self.elements[b]))
