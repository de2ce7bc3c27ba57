"""The culprit of a find: the pass and rewrite, or the backend, that causes the wrong result."""

from __future__ import annotations

from collections.abc import Sequence

from absint.base.errors import AbsintError
from absint.evaluation.backend import find_backend
from absint.ir.program import Program, Promise
from absint.rewriting.analysis import Analyses, RewriteBudget
from absint.rewriting.manager import Pass, PassManager, parse_pipeline

from .cases import Case
from .findings import Finding
from .oracles.passes import broken_step, run_of


def blame_picture(case: Case, backend: str) -> str:
    """The culprit of a wrong picture: a pass of the backend's render pipeline, or the backend itself."""
    pipeline = find_backend(backend).profile.render_pipeline if case.seed % 5 else ""
    box = case.view.box(case.precision)
    program = Program(case.graph).restricted(box, case.precision, Promise.SIGN)
    return blame_pipeline(case, program, parse_pipeline(pipeline)) or f"backend {backend}"


def blame_pipeline(
    case: Case, program: Program, passes: Sequence[Pass], domains: Sequence[str] = ("interval",)
) -> str:
    """The first pass that breaks its promise, and the first of its rewrites that does; or nothing."""
    _, steps = PassManager(passes, Analyses(domains)).run(program)
    guilty = next((i for i, step in enumerate(steps) if broken_step(case, step) is not None), None)
    if guilty is None:
        return ""
    step = steps[guilty]
    most = sum(step.rewrites.values())
    for limit in range(1, most + 1):
        budget = RewriteBudget(limit)
        _, (alone,) = PassManager([step.pass_], Analyses(domains, budget)).run(step.before)
        if broken_step(case, alone) is not None:
            return f"pass {step.pass_.name}, rewrite {limit} of {most}: {budget.last}"
    return f"pass {step.pass_.name}"


def blame_of(case: Case, finding: Finding) -> str:
    """The culprit of a find; empty if the find's oracle runs no passes."""
    family, _, member = finding.oracle.partition(":")
    try:
        if family == "image":
            return blame_picture(case, member)
        if family in ("pass", "pipeline", "specialise"):
            run = run_of(finding.oracle, case)
            return blame_pipeline(run.case, run.program, run.passes, run.domains)
    except AbsintError as error:  # the case itself makes a pass or backend fail
        return f"not found out: {error}"
    return ""
