"""The reference evaluator: NumPy, operation by operation. The oracle that all others are compared with."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from absint.evaluation.backend import Availability, Executable, thread_count
from absint.ir.program import Program
from absint.rewriting.manager import LEVELS

from .arrays import ArrayExecutable

CHUNK = 1 << 16
"""Points at a time: a value of them fits the cache of a core, and a call's overhead is small beside it."""


class Reference:
    """Simple, never clever."""

    name: ClassVar[str] = "reference"
    rendering: ClassVar[str] = LEVELS[2]
    threaded: ClassVar[bool] = False
    stands_in: ClassVar[bool] = False

    def probe(self) -> Availability:
        """NumPy is always there."""
        return Availability(True)

    def compile(self, program: Program, threads: int | None = None) -> Executable:
        """Lower the program to a tape."""
        thread_count(threads, 1)
        return ArrayExecutable(program, np, CHUNK)
