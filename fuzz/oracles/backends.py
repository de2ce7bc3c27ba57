"""Oracles of backends: whatever an engine answers is what the reference's engine answers."""

from __future__ import annotations

from typing import Any

from absint.evaluation.backend import Backend
from absint.evaluation.engine import Engine
from absint.evaluation.question import Question
from absint.ir.program import Program, Promise
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassManager, parse_pipeline

from ..cases import Case
from ..comparison import engine_of, find_wrong_answer, reference
from ..findings import Finding


class Answers:
    """A backend's answers to one kind of question are the reference's.

    A question that sees every bit is asked of the unoptimised program; any other, of the program after the
    backend's render pipeline.
    """

    def __init__(self, backend: Backend, kind: type[Question[Any]]) -> None:
        self.name = f"{kind.name}:{backend.name}"
        self._backend = backend
        self._kind = kind
        self._eager = backend.eager()

    def check(self, case: Case) -> Finding | None:
        """Compare a backend's answer about the case's points and view with the reference's. One case in five
        takes short cuts that would not pay off at this size.
        """
        question = self._kind.about(case.looked_at)
        if question is None:
            return None
        expected = engine_of(case, reference()).answer(question)
        exact = self._kind.promise is Promise.BITS
        engine = self._exact(case) if exact else self._lowered(case, question)
        return find_wrong_answer(self.name, question, case, expected, engine.answer(question))

    def _exact(self, case: Case) -> Engine:
        """The engine of the unoptimised program."""
        return engine_of(case, self._backend if case.seed % 5 else self._eager, 1 + case.seed % 2)

    def _lowered(self, case: Case, question: Question[Any]) -> Engine:
        """The engine of the program after the render pipeline; in one case in five, of the unoptimised
        program.
        """
        program = Program(case.graph).restricted(question.box(case.precision), case.precision, Promise.SIGN)
        if case.seed % 5:
            passes = parse_pipeline(self._backend.profile.render_pipeline)
            program, _ = PassManager(passes, Analyses()).run(program)
        return self._backend.prepare(program, 1 + max(0, case.seed % 6 - 3))
