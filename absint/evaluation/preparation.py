"""Engines prepared from models, and the one cache of them: for `render`, `evaluate`, `compile`, the viewer
and the study functions.

A preparation holds everything that an engine is made from, which is also its key in the cache: equal
preparations share one engine.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

from absint.base.memo import Recent
from absint.base.registry import state
from absint.evaluation.backend import find_backend
from absint.evaluation.engine import BackendEngine, unanswered
from absint.evaluation.profile import Takes
from absint.evaluation.question import Question
from absint.frontend.source import Source, program_of
from absint.ir.box import Box
from absint.ir.program import Program, Promise
from absint.lowering.cache import lowered_plan
from absint.ops.precision import Precision
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassManager, parse_pipeline

MOST = 16
"""Most engines in the cache. Each holds its plan or tape, and its working memory."""


class Prepared(NamedTuple):
    """An engine, the box on which it holds, and its program; None for an engine made from a plan."""

    engine: BackendEngine
    box: Box
    program: Program | None


_cached: Recent[Hashable, Prepared] = Recent(MOST)
"""The engines used last, by `Preparation._key`."""


class Preparation(NamedTuple):
    """What an engine is prepared from: a source, optimised by a pipeline for a box in a precision, to answer
    one kind of question.

    `backend`: a name, or `name:method`. `pipeline`: the question's own if None. `threads`: the most threads
    that work, one for each core if None. `knows_program`: whether the engine is made from a program even
    where a plan would do, which may be in the cache of plans.
    """

    source: Source | Program
    kind: type[Question[Any]]
    backend: str
    precision: Precision
    box: Box
    pipeline: str | None = None
    threads: int | None = None
    knows_program: bool = False

    def find(self, any_box: bool = False) -> Prepared:
        """The engine in the cache, or else a new one, which enters the cache. `any_box`: accept an engine
        prepared for another box that contains this one. Raises as `make` does.
        """
        found = self.cached(any_box)
        if found is None:
            found = self.make()
            _cached.put(self._key(any_box), found)
        return found

    def cached(self, any_box: bool = False) -> Prepared | None:
        """The engine in the cache, or None; see `find`."""
        found = _cached.get(self._key(any_box))
        return found if found is not None and (not any_box or found.box.contains(self.box)) else None

    def make(self) -> Prepared:
        """A new engine, whether or not the cache holds one.

        Raises `BackendError` for a backend that cannot be used on this machine or does not answer such
        questions, `VmError` for malformed text, `PipelineError`, and `DomainError` for a program that does
        not hold in the box.
        """
        backend = find_backend(self.backend)
        if self.kind.name not in backend.profile.questions:
            raise unanswered(self.kind.name, backend.name)
        pipeline = self._pipeline
        if pipeline is None:
            pipeline = backend.profile.render_pipeline
        box = self.box.rounded(self.precision)  # as positions and the program's own box are
        if self.kind.promise is Promise.SIGN:
            backend.warm(self.precision)
            if backend.profile.takes is Takes.PLAN and not self.knows_program:
                plan = lowered_plan(self.source, self.precision, box, pipeline)
                return Prepared(backend.prepare(plan, self.threads, box), box, None)
        passes = parse_pipeline(pipeline)
        source = program_of(self.source)
        sees_bits = self.kind.promise is Promise.BITS
        promise = source.origin.promise if sees_bits else Promise.SIGN  # engines refuse questions beyond it
        start = source.restricted(box, self.precision, promise)
        program, _ = PassManager(passes, Analyses()).run(start)
        return Prepared(backend.prepare(program, self.threads), box, program)

    @property
    def _pipeline(self) -> str | None:
        """The pipeline; None for the backend's render pipeline."""
        return self.kind.pipeline if self.pipeline is None else self.pipeline

    def _key(self, any_box: bool) -> Hashable:
        """The engine's key in the cache: everything that distinguishes engines."""
        return (
            _identity(self.source), self.kind.promise, self.backend, state(), self.precision,
            self._pipeline, self.threads, self.knows_program, any_box or _ends(self.box),
        )  # fmt: skip


def _identity(source: Source | Program) -> Hashable:
    """A source's part of the key. For a program: the program and its origin, except for their names."""
    if isinstance(source, Source):
        return source
    own = source.graph, source.precision, source.promise, _ends(source.box), source.specialised
    return own if source.source is None else (own, _identity(source.origin))


def _ends(box: Box) -> Hashable:
    return frozenset(box.bounds.items()) if box.bounds else None
