"""The pass manager: runs a pipeline pass by pass under instruments, and parses and prints pipelines as text.

A pass is a frozen dataclass whose fields are its options, found by name in `absint.passes`. A pipeline's text
has the form `fold,cse,minmax{rounds=2},dce`; printing and parsing are inverse. A pass declares which form of
program it takes and which it makes. Passes from real to real come before the pass that lowers, `predicates`;
passes from lowered to lowered come after it, in any order.
"""

from __future__ import annotations

import gc
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, NamedTuple, Protocol

from absint.base.arguments import word
from absint.base.errors import PipelineError, shown
from absint.base.registry import find, names
from absint.ir.program import Form, Program, Promise, check_program
from absint.rewriting.analysis import Analyses
from absint.rewriting.rules import Rewrite, RuleSet

LEVELS = {
    0: "",
    1: "fold,simplify,cse,minmax,dce,schedule,rematerialise",
    2: "fold,simplify,cse,signdemand,minmax,dce,schedule,rematerialise",
    3: "fold,simplify,cse,signdemand,minmax,dce,schedule,rematerialise,predicates,flatten,bands,contract",
}
"""Pipelines by optimisation level. Level 0 does nothing, 1 preserves every bit, 2 preserves the picture
(the sign of `f`), and 3 also lowers the program.
"""


class PassResult(NamedTuple):
    """The result of a pass: the program (the same object if unchanged) and the uses of each rule."""

    program: Program
    rewrites: Counter[Rewrite]


class Pass(Protocol):
    """A rewrite of programs. `promise`: the sense in which the result agrees with the pass's input.

    `takes`: the form of program that the pass rewrites; `makes`: the form of the result. A pass that makes
    lowered programs returns a program of any other form than `takes` unchanged. A pass from real to real
    never gets a lowered program.
    """

    name: ClassVar[str]
    promise: ClassVar[Promise]
    takes: ClassVar[Form]
    makes: ClassVar[Form]

    def run(self, program: Program, analyses: Analyses) -> PassResult:
        """Rewrite a program on its box."""


class Step(NamedTuple):
    """One pass of a run: the programs before and after, its rewrites, and its time, analyses included."""

    pass_: Pass
    before: Program
    after: Program
    rewrites: Counter[Rewrite]
    seconds: float


class Instrument(Protocol):
    """An observer of a run. It changes nothing and may raise `VerificationError`."""

    def after_pass(self, step: Step) -> None:
        """Called after each pass."""


@dataclass
class PassManager:
    """Runs a pipeline. All passes share facts through `analyses`."""

    passes: Sequence[Pass]
    analyses: Analyses = field(default_factory=Analyses)
    instruments: Sequence[Instrument] = ()

    def run(self, program: Program) -> tuple[Program, list[Step]]:
        """Run all passes. Returns the optimised program and one step per pass.

        Raises, before anything runs, `GraphError` for a program whose graph is not valid, and `PipelineError`
        where a pass from real to real would be given a lowered program, or if an instrument has no method
        `after_pass`.
        """
        check_program(program)
        for instrument in self.instruments:
            if not callable(getattr(instrument, "after_pass", None)):
                raise PipelineError(f"{shown(instrument)} is not an instrument: it has no method after_pass")
        check_order(self.passes, program.form)
        steps = []
        for pass_ in self.passes:
            start = time.perf_counter()
            with _pause_collector():
                result = self._run(pass_, program)
            step = Step(pass_, program, result.program, result.rewrites, time.perf_counter() - start)
            steps.append(step)
            program = result.program
            for instrument in self.instruments:
                instrument.after_pass(step)
        return program, steps

    def _run(self, pass_: Pass, program: Program) -> PassResult:
        """Run a pass within the budget of rewrites. A pass that does not count its rewrites counts as one."""
        budget = self.analyses.budget
        if budget is None:
            return pass_.run(program, self.analyses)
        before = budget.left
        result = pass_.run(program, self.analyses) if before else PassResult(program, Counter())
        if result.program is not program and budget.left == before:
            budget.take("the pass as a whole")
        return result


@contextmanager
def _pause_collector() -> Iterator[None]:
    """Pause the cyclic garbage collector: passes make many small tuples but no cycles, and scanning the
    tuples took a third of the time.
    """
    enabled = gc.isenabled()
    if enabled:
        _pauses.append(None)
        gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
            with suppress(IndexError):  # forked meanwhile
                _pauses.pop()


_pauses: list[None] = []
"""One entry for each running pass that has paused the collector."""


def _resume_after_fork() -> None:
    """Resume the collector in a forked child, where the thread that paused it does not exist."""
    if _pauses:
        _pauses.clear()
        gc.enable()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_resume_after_fork)


_PASS = re.compile(r"\s*([a-z][a-z0-9]*)\s*(?:\{([^{}]*)\})?\s*")


def parse_pipeline(text: str) -> list[Pass]:
    """The passes of a pipeline's text. Raises `PipelineError` for a syntax error, an unknown pass or option,
    and a pass from real to real after one that lowers; the message names it.
    """
    text = word(text, "passes", PipelineError)
    passes: list[Pass] = []
    position = 0
    while position < len(text.rstrip()):
        match = _PASS.match(text, position)
        if match is None:
            raise PipelineError(f"pipeline {shown(text)}: expected a pass at column {position + 1}")
        passes.append(_make_pass(match[1], match[2] or ""))
        position = match.end()
        if position < len(text):
            if text[position] != "," or not text[position + 1 :].strip():
                raise PipelineError(
                    f"pipeline {shown(text)}: expected ',' and a pass at column {position + 1}"
                )
            position += 1
    check_order(passes)
    return passes


def form_after(passes: Iterable[Pass], form: Form = Form.REAL) -> Form:
    """The form of a pipeline's result. `form`: that of the program that enters the pipeline."""
    for pass_ in passes:
        if pass_.takes is form:
            form = pass_.makes
    return form


def check_order(passes: Sequence[Pass], form: Form = Form.REAL) -> None:
    """Raises `PipelineError` if a pass from real to real would get a lowered program, and for a pass that
    does not declare the forms that it takes and makes.

    `form`: the form of the program that enters the pipeline.
    """
    lowering = None
    for pass_ in passes:
        forms = getattr(pass_, "takes", None), getattr(pass_, "makes", None)
        if not all(isinstance(one, Form) for one in forms):
            raise PipelineError(
                f"pass {pass_.name!r} does not say which programs it rewrites: give it `takes` and `makes`, "
                "each a `Form`, as `takes: ClassVar[Form] = Form.REAL`"
            )
        if form is Form.LOWERED and pass_.makes is Form.REAL:
            if lowering is None:
                raise PipelineError(
                    f"pass {pass_.name!r} works on real programs, and this one is lowered already"
                )
            raise PipelineError(f"pass {pass_.name!r} works on real programs: put it before {lowering!r}")
        if form_after([pass_], form) is not form:
            form, lowering = pass_.makes, pass_.name


def _make_pass(name: str, options: str) -> Pass:
    """A pass from its name and the text of its options. Raises `PipelineError` if either is wrong."""
    if name in names("analyses"):
        raise PipelineError(
            f"{shown(name)} is an analysis; a pipeline names rewrites: {', '.join(pass_names())}"
        )
    kind = find("passes", name)
    known = {option.name: option for option in fields(kind)}
    given: dict[str, Any] = {}
    for assignment in filter(None, (part.strip() for part in options.split(","))):
        key, equals, value = (part.strip() for part in assignment.partition("="))
        if key not in known or not equals:
            allowed = ", ".join(known) or "none"
            raise PipelineError(f"pass {name!r} has no option {shown(assignment)}; its options: {allowed}")
        if key in given:
            raise PipelineError(f"pass {name!r}: option {key} is given twice")
        kind_of_value = known[key].type  # the type itself, or its name where annotations are kept as text
        given[key] = _parse_option(name, key, getattr(kind_of_value, "__name__", str(kind_of_value)), value)
    made: Pass = kind(**given)
    return made


def _parse_option(name: str, key: str, type_name: str, text: str) -> object:
    """The value of pass `name`'s option `key`. Raises `PipelineError` if the text is not of its type."""
    if type_name == "bool" and text in ("true", "false"):
        return text == "true"
    if type_name == "int" and re.fullmatch(r"[0-9]{1,9}", text):
        return int(text)
    raise PipelineError(f"pass {name!r}: option {key} takes {_OPTION_TYPES[type_name]}, not {shown(text)}")


_OPTION_TYPES = {"bool": "true or false", "int": "a whole number"}


def pass_names() -> tuple[str, ...]:
    """Names of all passes."""
    return names("passes")


def passes_of_levels() -> frozenset[str]:
    """Names of the passes that some level runs; the others run only when a pipeline names them."""
    return frozenset(pass_.name for text in LEVELS.values() for pass_ in parse_pipeline(text))


def rule_sets() -> Iterator[tuple[str, RuleSet]]:
    """The name and rules of each pass that has rules: a `RuleSet` named `RULES` in its module."""
    for name in pass_names():
        rules = getattr(sys.modules[find("passes", name).__module__], "RULES", None)
        if isinstance(rules, RuleSet):
            yield name, rules


def format_pipeline(passes: Iterable[Pass]) -> str:
    """The text of a pipeline. Options with their default value are left out."""
    return ",".join(format_pass(pass_) for pass_ in passes)


def format_pass(pass_: Pass) -> str:
    """The text of one pass."""
    given = []
    for option in fields(pass_):  # type: ignore[arg-type]  # every pass is a dataclass; a Protocol cannot say so
        value = getattr(pass_, option.name)
        if option.default is MISSING or value != option.default:
            given.append(f"{option.name}={str(value).lower() if isinstance(value, bool) else value}")
    return pass_.name + (f"{{{','.join(given)}}}" if given else "")
