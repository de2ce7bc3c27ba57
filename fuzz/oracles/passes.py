"""Oracles of passes: each keeps its promise, alone and in any pipeline, and cached facts stay correct."""

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
"""Domains to draw from: the default is more frequent, since it takes a quarter of the others' time."""

_EACH_DOMAINS = tuple(dict.fromkeys(DOMAINS))
PROMISES = (Promise.BITS, Promise.BITS, Promise.BITS, Promise.SIGN)
"""Promises to draw from: bits are more frequent, since they reveal more errors."""

STEP_POINTS = 400
"""Points at which a pass is checked: many, since an error may show at few of them."""


class PipelineRun(NamedTuple):
    """A pipeline, and the program and domains with which it runs."""

    case: Case
    program: Program
    passes: Sequence[Pass]
    domains: Sequence[str]

    def check(self, oracle: str, first: int = 0) -> Finding | None:
        """Run the pipeline. Returns what the first pass from `first` on that breaks its promise did wrong."""
        _, steps = PassManager(self.passes, Analyses(self.domains)).run(self.program)
        for step in steps[first:]:
            found = broken_step(self.case, step)
            if found is not None:
                return replace(found, oracle=oracle)
        return None


def pipeline_run(case: Case, passes: Sequence[Pass], promise: Promise, domains: Sequence[str]) -> PipelineRun:
    """A pipeline on a case's program, under `promise`, or that of the sign if a pass keeps no more."""
    sign = any(one.promise is Promise.SIGN for one in passes)
    return PipelineRun(case, case.program(Promise.SIGN if sign else promise), passes, domains)


def _draw_options(rng: np.random.Generator) -> tuple[Promise, Sequence[str]]:
    """A random promise and random domains."""
    return PROMISES[rng.integers(len(PROMISES))], DOMAINS[rng.integers(len(DOMAINS))]


class KeepsPromise:
    """A pass keeps its promise. It runs alone, after only those passes that it needs."""

    def __init__(self, name: str) -> None:
        self.name = f"pass:{name}"
        self._pass = name

    def check(self, case: Case) -> Finding | None:
        """Run the pass and compare before and after; the passes before it have oracles of their own."""
        return self.run_for(case).check(self.name, first=-1)

    def run_for(self, case: Case) -> PipelineRun:
        """The pass, after the passes that it needs, on the case's program."""
        before = "predicates,flatten,bands" if find("passes", self._pass).makes is Form.LOWERED else ""
        stages = before.split(self._pass)[0].strip(",")
        pipeline = ",".join(filter(None, (stages, self._pass)))
        return pipeline_run(case, parse_pipeline(pipeline), *_draw_options(case.rng(3)))


class Pipelines:
    """Passes keep their promises in random order."""

    name = "pipeline"

    def check(self, case: Case) -> Finding | None:
        """Run random passes and compare after each."""
        return self.run_for(case).check(self.name)

    def run_for(self, case: Case) -> PipelineRun:
        """Some passes on real programs, then perhaps the lowering and passes on lowered programs."""
        rng = case.rng(1)
        passes = parse_pipeline(LEVELS[3])
        real = [one for one in passes if one.makes is Form.REAL]
        after = [one for one in passes if one.takes is Form.LOWERED]
        chosen: list[Pass] = [real[i] for i in rng.integers(0, len(real), rng.integers(1, 7))]
        if rng.random() < 0.5:
            chosen += [one for one in passes if one.takes is not one.makes]
            chosen += [after[i] for i in rng.integers(0, len(after), rng.integers(0, 5))]
        return pipeline_run(case, chosen, *_draw_options(rng))


class Specialises:
    """A program optimised for a part of its box agrees with the program there."""

    name = "specialise"

    def check(self, case: Case) -> Finding | None:
        """Run an optimisation level and compare after each pass."""
        return self.run_for(case).check(self.name)

    def run_for(self, case: Case) -> PipelineRun:
        """An optimisation level on a random part of the box."""
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
        return pipeline_run(smaller, parse_pipeline(LEVELS[level]), promise, ("interval",))


class FactsAgree:
    """Facts cached and inherited from pass to pass equal newly computed ones."""

    name = "facts"

    def check(self, case: Case) -> Finding | None:
        """Check every cached fact after a random pass of a level; for a recorded find, after each pass and in
        all domains.

        All domains are equally frequent here: only the other domains' facts are inherited node by node.
        """
        rng, passes = case.rng(3), parse_pipeline(LEVELS[2 + case.seed % 2])
        if not case.mode:
            every = itertools.product(_EACH_DOMAINS, range(1, len(passes) + 1))
            found = (self._check_facts(case, passes[:count], domains) for domains, count in every)
            return next(filter(None, found), None)
        domains = _EACH_DOMAINS[rng.integers(len(_EACH_DOMAINS))]
        return self._check_facts(case, passes[: 1 + int(rng.integers(len(passes)))], domains)

    def _check_facts(self, case: Case, passes: Sequence[Pass], domains: Sequence[str]) -> Finding | None:
        """Run some passes. Returns the finding for a cached fact that differs from a newly computed one."""
        shared = Analyses(domains)
        program = case.program(Promise.SIGN)
        for one in passes:
            program = one.run(program, shared).program
        fresh = Analyses(domains)
        for analysis in shared.cached(program):
            if _plain(shared.get(analysis, program)) != _plain(fresh.get(analysis, program)):
                what = f"analysis {analysis.name} after {passes[-1].name}: cached facts differ from new ones"
                return Finding(self.name, what)
        return None


def _plain(facts: Any) -> Any:
    """Facts in a form that `==` compares: arrays as bytes, bounds as triples, records as lists of their
    fields.

    -0 equals +0, as in bounds.
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
    """The finding for a pass that broke the graph or its promise; None if it did not."""
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


def run_of(oracle: str, case: Case) -> PipelineRun:
    """The pipeline run of an oracle for a case. `oracle`: its name."""
    family, _, member = oracle.partition(":")
    kinds: dict[str, KeepsPromise | Pipelines | Specialises] = {
        "pass": KeepsPromise(member), "pipeline": Pipelines(), "specialise": Specialises(),
    }  # fmt: skip
    return kinds[family].run_for(case)
