"""Oracles of passes: each keeps its promise, alone and in any pipeline, and facts that are kept stay true."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from absint.base.errors import AbsintError
from absint.base.registry import find
from absint.ir.box import Box
from absint.ir.program import Form, Program, Promise
from absint.rewriting.analysis import Analyses, BoundFacts
from absint.rewriting.manager import LEVELS, Pass, PassManager, Step, parse_pipeline
from absint.rewriting.promise import band_ends, check_promise, sample_points

from ..cases import Case
from ..findings import Finding

DOMAINS = (*(("interval",),) * 18, ("interval", "affine"), ("interval", "sign", "affine"))
"""What passes prove with: the default more often, for it takes a quarter of the others' time."""

_EACH_DOMAINS = tuple(dict.fromkeys(DOMAINS))
PROMISES = (Promise.BITS, Promise.BITS, Promise.BITS, Promise.SIGN)
"""What passes are to keep: the bits more often, for more shows in them."""

STEP_POINTS = 400
"""Points at which a pass is checked: what it may get wrong shows at few."""


class Plan(NamedTuple):
    """A pipeline and what it is run on."""

    case: Case
    program: Program
    passes: Sequence[Pass]
    domains: Sequence[str]

    def broken(self, oracle: str, first: int = 0) -> Finding | None:
        """Run it: what the first pass, of those from `first` on, did not keep that it promised."""
        _, steps = PassManager(self.passes, Analyses(self.domains)).run(self.program)
        for step in steps[first:]:
            found = broken_step(self.case, step)
            if found is not None:
                return replace(found, oracle=oracle)
        return None


def planned(case: Case, passes: Sequence[Pass], promise: Promise, domains: Sequence[str]) -> Plan:
    """A pipeline on a case's program under a promise that the passes can keep."""
    sign = any(one.promise is Promise.SIGN for one in passes)
    return Plan(case, case.program(Promise.SIGN if sign else promise), passes, domains)


def _at_random(rng: np.random.Generator) -> tuple[Promise, Sequence[str]]:
    """A promise to keep and domains to prove with."""
    return PROMISES[rng.integers(len(PROMISES))], DOMAINS[rng.integers(len(DOMAINS))]


class KeepsPromise:
    """A pass alone, in front of it only what it needs."""

    def __init__(self, name: str) -> None:
        self.name = f"pass:{name}"
        self._pass = name

    def check(self, case: Case) -> Finding | None:
        """Run the pass on the program and compare; those in front of it have oracles of their own."""
        return self.plan(case).broken(self.name, first=-1)

    def plan(self, case: Case) -> Plan:
        """What is run."""
        before = "predicates,flatten,bands" if find("passes", self._pass).makes is Form.LOWERED else ""
        stages = before.split(self._pass)[0].strip(",")
        pipeline = ",".join(filter(None, (stages, self._pass)))
        return planned(case, parse_pipeline(pipeline), *_at_random(case.rng(3)))


class Pipelines:
    """Random passes in a random order."""

    name = "pipeline"

    def check(self, case: Case) -> Finding | None:
        """Run them and compare after each."""
        return self.plan(case).broken(self.name)

    def plan(self, case: Case) -> Plan:
        """Some passes on real programs, then perhaps those of the lowering."""
        rng = case.rng(1)
        passes = parse_pipeline(LEVELS[3])
        real = [one for one in passes if one.makes is Form.REAL]
        after = [one for one in passes if one.takes is Form.LOWERED]
        chosen: list[Pass] = [real[i] for i in rng.integers(0, len(real), rng.integers(1, 7))]
        if rng.random() < 0.5:
            chosen += [one for one in passes if one.takes is not one.makes]
            chosen += [after[i] for i in rng.integers(0, len(after), rng.integers(0, 5))]
        return planned(case, chosen, *_at_random(rng))


class Specialised:
    """What is optimised for a part of the box is the whole program there."""

    name = "specialise"

    def check(self, case: Case) -> Finding | None:
        """Run a level and compare."""
        return self.plan(case).broken(self.name)

    def plan(self, case: Case) -> Plan:
        """A level on a random part of the box."""
        points = case.points(count=2)
        part = Box(
            {
                name: (float(min(points[name])), float(max(points[name])))
                for name in case.box.bounds
                if not np.isnan(points[name]).any()
            }
        )
        smaller = replace(case, box=part)
        level = 1 + case.seed % 3
        promise = Promise.BITS if level == 1 else Promise.SIGN
        return planned(smaller, parse_pipeline(LEVELS[level]), promise, ("interval",))


class Facts:
    """Facts that were kept from pass to pass are those that are computed afresh."""

    name = "facts"

    def check(self, case: Case) -> Finding | None:
        """Every cached fact after one of the passes of a level; of a kept find, after each, in all domains.

        The domains are equally often drawn: only facts of the default are not taken over node by node.
        """
        rng, passes = case.rng(3), parse_pipeline(LEVELS[2 + case.seed % 2])
        if not case.mode:
            every = itertools.product(_EACH_DOMAINS, range(1, len(passes) + 1))
            found = (self._kept(case, passes[:count], domains) for domains, count in every)
            return next(filter(None, found), None)
        domains = _EACH_DOMAINS[rng.integers(len(_EACH_DOMAINS))]
        return self._kept(case, passes[: 1 + int(rng.integers(len(passes)))], domains)

    def _kept(self, case: Case, passes: Sequence[Pass], domains: Sequence[str]) -> Finding | None:
        """What was kept through some passes and is not what is found now."""
        shared = Analyses(domains)
        program = case.program(Promise.SIGN)
        for one in passes:
            program = one.run(program, shared).program
        fresh = Analyses(domains)
        for analysis in shared.cached(program):
            if _plain(shared.get(analysis, program)) != _plain(fresh.get(analysis, program)):
                what = f"analysis {analysis.name} after {passes[-1].name}: kept, not fresh"
                return Finding(self.name, what)
        return None


def _plain(facts: Any) -> Any:
    """Facts as what can be compared: arrays as bytes, of bounds the triples, of records the fields.

    Bounds do not tell the zeros apart.
    """
    if isinstance(facts, np.ndarray):
        return (facts + 0).tobytes()
    if isinstance(facts, BoundFacts):
        return facts.bounds
    if isinstance(facts, tuple):
        return [_plain(part) for part in facts]
    if is_dataclass(facts):
        return [_plain(getattr(facts, part.name)) for part in fields(facts)]
    return facts


def broken_step(case: Case, step: Step) -> Finding | None:
    """What one pass broke."""
    before, after = step.before, step.after
    if after.graph is before.graph:
        return None
    try:
        after.graph.verify()
    except AbsintError as error:
        return Finding("", f"pass {step.pass_.name} broke the graph: {error}")
    ends = band_ends(before.graph, after.graph)
    names = {*before.graph.variables.values(), *after.graph.variables.values()}
    points = sample_points(names, before.box, before.precision, STEP_POINTS, case.seed, ends)
    wrong = check_promise(before, after, points, after.promise)
    if wrong is None:
        return None
    what = f"pass {step.pass_.name} does not keep the {wrong.promise.value}"
    return Finding("", what, wrong.point, wrong.expected, wrong.got)


def planned_by(oracle: str, case: Case) -> Plan:
    """The pipeline that an oracle of that name runs on a case."""
    family, _, member = oracle.partition(":")
    kinds: dict[str, KeepsPromise | Pipelines | Specialised] = {
        "pass": KeepsPromise(member), "pipeline": Pipelines(), "specialise": Specialised(),
    }  # fmt: skip
    return kinds[family].plan(case)
