"""The reference evaluator: NumPy, operation by operation. The oracle that all others are compared with."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from absint.evaluation.backend import Backend
from absint.evaluation.checks import as_program, thread_count
from absint.evaluation.profile import Availability, Profile
from absint.ir.box import EVERYWHERE, Box
from absint.ir.program import Program
from absint.lowering.plan import Plan
from absint.rewriting.manager import LEVELS

from .arrays import ArrayEngine

CHUNK = 1 << 16
"""Points at a time: a value of them fits the cache of a core, and a call's overhead is small beside it."""


class Reference(Backend):
    """Simple, never clever. It takes programs only: an oracle shares nothing with what makes plans."""

    name: ClassVar[str] = "reference"
    profile = Profile(questions=("values", "bounds", "image"), render_pipeline=LEVELS[2])

    def probe(self) -> Availability:
        """NumPy is always there."""
        return Availability(True)

    def prepare(self, form: Program | Plan, threads: int | None = None, box: Box = EVERYWHERE) -> ArrayEngine:
        """An engine that makes the program's tape when it is first asked."""
        thread_count(threads, 1)
        return ArrayEngine(as_program(form), np, CHUNK, self.name)
