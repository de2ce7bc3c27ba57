"""What the whole lowering owes: it keeps `f < 0`, in any order of its passes, alone and twice.

On random programs, around witnesses, and on the models.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from absint import models
from absint.analysis import Analyses
from absint.backend import find_backend
from absint.errors import PipelineError
from absint.manager import LEVELS, PassManager, parse_pipeline
from absint.precision import Precision
from absint.program import Box, Program, Promise
from absint.view import View
from absint.vm import dump_vm, parse_vm, read_vm
from tests.lowered import (
    LOWERING,
    answers,
    applied,
    lowered_program,
    points_around,
    points_near,
    random_lowered,
    random_program,
    random_threshold,
    random_witness,
    settled,
)
from tests.operands import scaled

PIPELINE = "cse,predicates,flatten,bands,contract"
"""What a picture is drawn by."""

DOMAINS = [("interval",), ("interval",), ("interval", "affine", "sign"), ("sign",)]


def tail(rng: np.random.Generator) -> list[str]:
    """Some of the passes behind `predicates`, in some order, perhaps one of them again."""
    chosen = [str(name) for name in rng.permutation(LOWERING)[: rng.integers(1, 4)]]
    return chosen + [str(rng.choice(LOWERING))] * int(rng.random() < 0.3)


def check_steps(rng: np.random.Generator, start: Program, passes: list[str], witness: dict, seed: int) -> None:
    """Each pass keeps the answers around the witness and all over the box, and has done all it can."""
    analyses = Analyses(DOMAINS[rng.integers(len(DOMAINS))])
    steps = [start]
    for name in passes:
        steps.append(applied(name, steps[-1], analyses))
        assert steps[-1].graph.lowered
        assert settled(name, steps[-1]), (seed, name)
    graphs = [step.graph for step in steps]
    for points in (points_near(rng, start, witness), points_around(rng, start, *graphs)):
        for name, before, after in zip(passes, steps, steps[1:], strict=False):
            wrong = np.flatnonzero(answers(before, points) != answers(after, points))
            where = {axis: values[wrong[:1]] for axis, values in points.items()}
            assert not len(wrong), f"seed {seed}: {name} at {where} of {start.box}\n{dump_vm(before.graph)}"


@pytest.mark.parametrize("seeds", range(8))
def test_random_programs_keep_their_sign(seeds: int) -> None:
    for seed in range(scaled(100)):
        rng = np.random.default_rng((seeds, seed))
        start = random_program(rng)
        check_steps(rng, start, ["predicates", *tail(rng)], random_witness(rng, start), seed)


@pytest.mark.parametrize("seeds", range(8))
def test_thresholds_are_exact_around_a_witness(seeds: int) -> None:
    for seed in range(scaled(100)):
        rng = np.random.default_rng((1, seeds, seed))
        start, witness = random_threshold(rng)
        check_steps(rng, start, ["predicates", *tail(rng)], witness, seed)


@pytest.mark.parametrize("seeds", range(8))
def test_lowered_programs_stay_true_at_a_witness(seeds: int) -> None:
    for seed in range(scaled(100)):
        rng = np.random.default_rng((2, seeds, seed))
        start, witness = random_lowered(rng)
        assert answers(start, witness).all()
        check_steps(rng, start, tail(rng), witness, seed)
