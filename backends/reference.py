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
"""Points at a time: few enough that an array of values fits a core's cache, and enough to outweigh the
overhead of a call.
"""


class Reference(Backend):
    """Backend of the oracle: simple rather than fast. It takes programs only, so it shares no code with the
    makers of plans.
    """

    name: ClassVar[str] = "reference"
    profile = Profile(questions=("values", "bounds", "image"), render_pipeline=LEVELS[2])

    def probe(self) -> Availability:
        """Always available: NumPy is a dependency of absint."""
        return Availability(True)

    def prepare(self, form: Program | Plan, threads: int | None = None, box: Box = EVERYWHERE) -> ArrayEngine:
        """An engine, which makes the program's tape on the first question."""
        thread_count(threads, 1)
        return ArrayEngine(as_program(form), np, CHUNK, self.name)
