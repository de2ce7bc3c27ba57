"""Classes without a file are found once they are registered, in this process only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import pytest

from absint import optimize, render
from absint.base import registry
from absint.base.errors import AbsintError, BackendError, PipelineError, UsageError
from absint.domains.interval import IntervalDomain
from absint.evaluation.profile import Availability
from absint.frontend.expr import X
from absint.frontend.vm import write_vm
from absint.fuzz.generate import near
from absint.fuzz.generate.generator import random_case, random_graph
from absint.fuzz.oracles.selection import check_safely, select
from absint.ir.program import Form, Program, Promise
from absint.ops.precision import Precision
from absint.passes.rewriting import rewrite_until_stable
from absint.rewriting.analysis import Analyses, make_domain
from absint.rewriting.manager import PassResult, parse_pipeline, rule_sets
from absint.rewriting.rules import Mode, Rule, RuleSet

RULES = RuleSet((Rule("add-self", "add(a, a)", "mul(a, 2.0)", Mode.BITS),))


@dataclass(frozen=True)
class Twofold:
    """A whole pass without preconditions."""

    name: ClassVar[str] = "twofold"
    promise: ClassVar[Promise] = Promise.BITS
    takes: ClassVar[Form] = Form.REAL
    makes: ClassVar[Form] = Form.REAL
    rounds: int = 8

    def run(self, program: Program, analyses: Analyses) -> PassResult:
        return rewrite_until_stable(program, analyses, RULES, self.rounds)


class Narrow(IntervalDomain):
    name = "narrow"


@pytest.fixture
def registered() -> Iterator[None]:
    registry.register("passes", Twofold)
    registry.register("domains", Narrow)
    yield
    registry.unregister("passes", "twofold")
    registry.unregister("domains", "narrow")


@pytest.mark.usefixtures("registered")
def test_a_registered_pass_runs() -> None:
    assert "twofold" in registry.names("passes")
    assert parse_pipeline("twofold{rounds=2}") == [Twofold(rounds=2)]
    assert "mul" in write_vm(optimize(X + X, passes="twofold").graph)


@pytest.mark.usefixtures("registered")
def test_a_registered_domain_is_used() -> None:
    assert isinstance(make_domain(("narrow",), Precision.F32), Narrow)
    assert optimize(abs(X * X) + 1.0, passes="simplify", domains=("narrow",)).graph.operation_count == 2


def test_it_is_gone_afterwards(registered: None) -> None:
    names = {kind: registry.names(kind) for kind in ("passes", "domains")}
    registry.unregister("passes", "twofold")
    assert set(names["passes"]) - set(registry.names("passes")) == {"twofold"}
    with pytest.raises(PipelineError, match="unknown pass 'twofold'"):
        parse_pipeline("twofold")
    with pytest.raises(PipelineError, match="'twofold' was not registered"):
        registry.unregister("passes", "twofold")
    registry.register("passes", Twofold)


@pytest.mark.usefixtures("registered")
def test_the_last_of_a_name_counts() -> None:
    class Other(Twofold):
        pass

    assert registry.register("passes", Other) is Other
    assert registry.find("passes", "twofold") is Other


@pytest.mark.parametrize(
    ("kind", "taken", "error"),
    [
        ("passes", "cse", PipelineError),
        ("passes", "rewriting", PipelineError),
        ("domains", "affine", UsageError),
    ],
)
def test_names_of_files_are_taken(kind: str, taken: str, error: type[AbsintError]) -> None:
    before = registry.names(kind)
    made = type("Made", (), {"name": taken})
    with pytest.raises(error, match=f"Made cannot be called '{taken}': there is a file {kind}/{taken}.py"):
        registry.register(kind, made)
    assert registry.names(kind) == before


def test_a_class_needs_a_name() -> None:
    with pytest.raises(PipelineError, match="Nameless has no name"):
        registry.register("passes", type("Nameless", (), {}))


@pytest.mark.usefixtures("registered")
def test_the_fuzzer_knows_a_registered_pass() -> None:
    """Its rules are among those that near misses are made of, though none of them has a precondition."""
    assert ("twofold", RULES) in list(rule_sets())
    assert RULES.rules in near._rule_sets()
    for seed in range(200):
        random_graph(seed, 40, "near").verify()
    chosen = select([], ["twofold"], ["narrow"])
    names = {oracle.name for oracle in chosen.every}
    assert {"pass:twofold", "domain:narrow"} <= names
    for seed in range(30):
        for oracle in chosen.for_case(random_case(seed)):
            assert check_safely(oracle, random_case(seed)) is None


def test_a_backend_that_takes_another_ones_place_draws_from_then_on() -> None:
    """What was kept of the one before is not shown for it."""
    from absint.backends.reference import Reference

    class White(Reference):
        name = "white"

    class Other(Reference):
        name = "white"

        def probe(self) -> Availability:
            return Availability(False, "it never is")

    registry.register("backends", White)
    try:
        assert render(X, 8, backend="white").any()
        registry.register("backends", Other)
        with pytest.raises(BackendError, match="it never is"):
            render(X, 8, backend="white")
    finally:
        registry.unregister("backends", "white")
    with pytest.raises(BackendError, match="white"):
        render(X, 8, backend="white")


def test_there_are_three_kinds() -> None:
    with pytest.raises(UsageError, match="'pass': expected one of passes, "):
        registry.register("pass", Twofold)
