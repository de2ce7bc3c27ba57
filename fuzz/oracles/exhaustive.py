"""Proofs of rules with one operand, by trying all operands: for bodies that leave the format, such as the
cosine.

Both sides run on the CPU engine, on all encodings of a format. For binary16 these are the 65,536 operands of
binary16, computed in binary32.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from absint.evaluation.backend import find_backend
from absint.evaluation.engine import Engine
from absint.ir.graph import GraphBuilder
from absint.ir.program import Program
from absint.ops.precision import Precision
from absint.rewriting.rules import Mode, Pattern

from ..prove.theorems import Answer, Format, Theorem, Verdict

PROVER = "all operands"
_LARGEST = 32  # bits of an encoding
_CHUNK = 1 << 20  # fits a cache, and a power of two


def _engine(pattern: Pattern) -> Engine:
    """An engine for one side of a rule, with its letter as the variable x."""
    builder = GraphBuilder()

    def node(part: Pattern) -> int:
        if part.number is not None:
            return builder.constant(part.number)
        if part.op is None:
            return builder.variable("x")
        return builder.apply(part.op, *map(node, part.operands))

    program = Program(builder.build(node(pattern)), Precision.F32)
    return find_backend("numba").prepare(program, threads=1)


def _first_difference(left: Any, right: Any) -> int | None:
    """The first index at which bits differ; all NaNs are equal. None if there is none."""
    differing = left.view(np.uint32) != right.view(np.uint32)
    if differing.any():  # NaNs with different bits, or a counterexample
        differing &= ~(np.isnan(left) & np.isnan(right))
    return int(differing.argmax()) if differing.any() else None


def decide(theorem: Theorem, format_: Format, seconds: float) -> Answer:
    """Prove or refute a theorem by trying all operands, for at most `seconds`. Undecided unless its rule has
    the mode `bits`, one letter and no precondition.
    """
    start = time.perf_counter()
    rule = theorem.rule
    simple = rule.mode is Mode.BITS and not theorem.parts and len(theorem.letters()) == 1
    if not simple or format_.width > _LARGEST:
        return Answer(Verdict.UNDECIDED, PROVER, 0.0)
    left, right = _engine(rule.left), _engine(rule.right)
    size = 1 << format_.width
    low: Any = np.arange(min(size, _CHUNK), dtype=format_.bits_type)
    for first in range(0, size, _CHUNK):
        operands = (low | format_.bits_type(first)).view(format_.real).astype(np.float32, copy=False)
        where = _first_difference(left.values(operands, 0.0), right.values(operands, 0.0))
        if where is not None:
            point = {theorem.letters()[0]: float(operands[where])}
            return Answer(Verdict.REFUTED, PROVER, time.perf_counter() - start, point)
        if time.perf_counter() - start > seconds:
            return Answer(Verdict.UNDECIDED, PROVER, time.perf_counter() - start)
    return Answer(Verdict.PROVED, PROVER, time.perf_counter() - start)
