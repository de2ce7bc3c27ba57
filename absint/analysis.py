"""Analyses: facts about a program, computed when asked for and kept as long as the program.

An analysis is a frozen dataclass; its fields are its options. Facts are cached by (program identity,
analysis with its options), so the same program object keeps its facts and a new one starts with none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeVar, cast
from weakref import WeakKeyDictionary

from absint.domains.lattice import Domain
from absint.domains.product import ProductDomain
from absint.ops.demand import Bounds
from absint.precision import Precision
from absint.program import Program
from absint.registry import find

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


class Analyses:
    """The facts of programs. `domains`: names of the abstract domains that bounds are computed in."""

    def __init__(self, domains: Sequence[str] = DEFAULT_DOMAINS) -> None:
        self.domains = tuple(domains)
        self._facts: WeakKeyDictionary[Program, dict[Analysis[object], object]] = WeakKeyDictionary()

    def get(self, analysis: Analysis[T], program: Program) -> T:
        """The facts of an analysis about a program, computed at most once."""
        facts = self._facts.setdefault(program, {})
        if analysis not in facts:
            facts[analysis] = analysis.run(program, self)
        return cast(T, facts[analysis])

    def cached(self, program: Program) -> tuple[Analysis[object], ...]:
        """Which analyses have been run on a program."""
        return tuple(self._facts.get(program, {}))


def make_domain(names: Sequence[str], precision: Precision, batched: bool = False) -> Domain[Any]:
    """The domain of this name, or the reduced product of several. Raises `UsageError` for an unknown one."""
    domains = [find("domains", name)(precision, batched) for name in names]
    return domains[0] if len(domains) == 1 else ProductDomain(domains)


@dataclass(frozen=True, eq=False)
class BoundFacts:
    """What the abstract domains know of every node of a program on its box."""

    domain: Domain[Any]
    elements: list[Any]

    @cached_property
    def bounds(self) -> list[Bounds]:
        """Every node's bounds as Python numbers."""
        to_interval = self.domain.to_interval
        return [
            Bounds(float(lower), float(upper), bool(may_nan))
            for lower, upper, may_nan in map(to_interval, self.elements)
        ]

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
