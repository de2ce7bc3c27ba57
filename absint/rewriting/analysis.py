"""Analyses: facts about a program, computed on demand and cached for the program's lifetime.

An analysis is a frozen dataclass whose fields are its options. The cache's key is the program's identity and
the analysis with its options: a new program object starts without facts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar, cast
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from absint.base.memo import cached_property
from absint.base.registry import find
from absint.domains.lattice import Domain
from absint.domains.product import ProductDomain
from absint.ir.graph import Graph
from absint.ir.program import Program
from absint.ops.demand import Bounds, operand_kinds
from absint.ops.precision import Precision

F = TypeVar("F", covariant=True)
T = TypeVar("T")

DEFAULT_DOMAINS = ("interval",)


class Analysis(Protocol[F]):
    """A computation of facts of type `F` about a program. Hashable, for it is part of the cache's key."""

    @property
    def name(self) -> str:
        """The analysis's name in reports."""

    def run(self, program: Program, analyses: Analyses) -> F:
        """Compute the facts. `analyses`: where to get the facts of other analyses."""


class Inheritance(NamedTuple):
    """The graph and facts of the program from which another was made.

    `origins`: int32[n], for each node of the new program the node of `graph` that it copies, or -1.
    """

    graph: Graph
    facts: dict[Analysis[object], object]
    origins: NDArray[np.int32]


@dataclass
class RewriteBudget:
    """A limit on the number of rewrites in a run, for bisecting to the first one that breaks a program.

    Each application of a rule counts as one rewrite, and so does a pass without rules as a whole. `left`:
    rewrites that may still be made; `made`: rewrites made; `last`: a description of the last one. After
    LLVM's -opt-bisect-limit.
    """

    left: int
    last: str = ""
    made: int = 0

    def take(self, what: str) -> bool:
        """Count one rewrite, described by `what`. Returns False, and counts nothing, if none is left."""
        if self.left == 0:
            return False
        self.left -= 1
        self.made += 1
        self.last = what
        return True


class Analyses:
    """The cache of facts about programs, with the options of a run.

    `domains`: names of the abstract domains in which bounds are computed. `budget`: the limit on rewrites;
    None for no limit.
    """

    def __init__(self, domains: Sequence[str] = DEFAULT_DOMAINS, budget: RewriteBudget | None = None) -> None:
        self.domains = tuple(domains)
        self.budget = budget
        self._facts: WeakKeyDictionary[Program, dict[Analysis[object], object]] = WeakKeyDictionary()
        self._inherited: WeakKeyDictionary[Program, Inheritance] = WeakKeyDictionary()

    def get(self, analysis: Analysis[T], program: Program) -> T:
        """The facts of an analysis about a program, computed at the first call."""
        facts = self._facts.setdefault(program, {})
        if analysis not in facts:
            facts[analysis] = analysis.run(program, self)
        return cast(T, facts[analysis])

    def inherit(self, made: Program, program: Program, origins: Sequence[int] | NDArray[np.integer]) -> None:
        """Record that `made` was made from `program`, so that analyses can reuse facts about copied nodes.

        `origins`: for each node of `made`, the node of `program` that it copies, or -1; there may be more
        than `made` has nodes.
        """
        first = np.asarray(origins, np.int32)[: len(made.graph)]
        self._inherited[made] = Inheritance(program.graph, self._facts.setdefault(program, {}), first)

    def inherited(self, program: Program) -> Inheritance | None:
        """The graph and facts of the program from which this one was made; None if that was not recorded."""
        return self._inherited.get(program)

    def cached(self, program: Program) -> tuple[Analysis[object], ...]:
        """The analyses whose facts about a program are cached."""
        return tuple(self._facts.get(program, {}))


def make_domain(names: Sequence[str], precision: Precision, batched: bool = False) -> Domain[Any]:
    """The domain of one name, or the reduced product of several. Raises `UsageError` for an unknown name."""
    domains = [find("domains", name)(precision, batched) for name in names]
    return domains[0] if len(domains) == 1 else ProductDomain(domains)


class Columns(NamedTuple):
    """Bounds of n nodes as arrays: `lower`, `upper` float64[n], `may_nan` bool[n]."""

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    may_nan: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class BoundFacts:
    """Facts of the abstract domains about every node of a program on its box.

    `columns`: the bounds of each node. `elements`: the domain's element of each node; none in the interval
    domain alone, whose elements are the bounds.
    """

    domain: Domain[Any]
    columns: Columns
    elements: Sequence[Any] = ()

    @cached_property
    def bounds(self) -> list[Bounds]:
        """The bounds as Python numbers, for code that visits single nodes."""
        return list(map(Bounds, *(column.tolist() for column in self.columns)))

    @cached_property
    def operand_kinds(self) -> NDArray[np.uint8]:
        """uint8[n]: what demand rules can tell apart of each node as an operand."""
        return operand_kinds(*self.columns)

    def less(self, a: NDArray[np.integer], b: NDArray[np.integer]) -> NDArray[np.bool_]:
        """For pairs of nodes, whether a < b is certain wherever both are numbers."""
        known = self.columns.upper[a] < self.columns.lower[b]
        return self._ask_domain(self.domain.less, known, a, b)

    def less_equal(self, a: NDArray[np.integer], b: NDArray[np.integer]) -> NDArray[np.bool_]:
        """For pairs of nodes, whether a <= b is certain wherever both are numbers."""
        known = self.columns.upper[a] <= self.columns.lower[b]
        return self._ask_domain(self.domain.less_equal, known, a, b)

    def _ask_domain(
        self, relation: Callable[[Any, Any], Any], known: NDArray[np.bool_], a: NDArray[np.integer],
        b: NDArray[np.integer],
    ) -> NDArray[np.bool_]:  # fmt: skip
        """Add to the pairs that bounds decide those that a relational domain decides."""
        if self.domain.relational:
            for pair in np.flatnonzero(~known).tolist():
                known[pair] = bool(relation(self.elements[a[pair]], self.elements[b[pair]]))
        return known
