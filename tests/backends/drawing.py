"""What tests of the fast engine's pictures share."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
from numpy.typing import NDArray

from absint.backends.numba import Numba, NumbaEngine
from absint.evaluation.backend import find_backend
from absint.evaluation.view import View
from absint.ir.graph import Graph
from absint.ir.program import Program, Promise
from absint.ops.precision import Precision
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassManager, parse_pipeline
from tests.support.command import ROOT, interruptible

F32, F64 = Precision
LOWERING = Numba.profile.render_pipeline


def executable(
    graph: Graph, view: View, precision: Precision = F32, pipeline: str = LOWERING, threads: int = 1
) -> NumbaEngine:
    start = Program(graph).restricted(view.box(precision), precision, Promise.SIGN)
    program, _ = PassManager(parse_pipeline(pipeline), Analyses()).run(start)
    return Numba().prepare(program, threads)


def expected(graph: Graph, view: View, precision: Precision = F32) -> NDArray[np.uint8]:
    return find_backend("reference").prepare(Program(graph, precision)).image(view)


def assert_drawn(
    graph: Graph, view: View, precision: Precision = F32, pipeline: str = LOWERING, threads: int = 1
) -> None:
    got = executable(graph, view, precision, pipeline, threads).image(view)
    wrong = np.argwhere(got != expected(graph, view, precision))
    assert not len(wrong), f"{len(wrong)} pixels differ, the first at row, column {wrong[0]}"


def run_python(text: str, timeout: float = 120) -> tuple[str, str]:
    """What a program writes to standard output and error."""
    process = start_python(text)
    return process.communicate(timeout=timeout)


FORKS = "ignore:This process:DeprecationWarning"
"""Python warns of forks beside threads from 3.12 on, which is what some tests are about."""


def start_python(text: str) -> subprocess.Popen[str]:
    """A process that runs a program in the project's folder."""
    with interruptible():
        return subprocess.Popen(
            [sys.executable, "-W", FORKS, "-c", textwrap.dedent(text)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
