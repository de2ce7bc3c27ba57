"""A plan's form is that of no engine: it can be drawn by what it says alone, and all engines lay it out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from absint import models
from absint.backends.cuda.device_code import make_device_code
from absint.backends.cuda.source import NO_OPERAND
from absint.backends.numba.layout import lay_out
from absint.evaluation.backend import find_backend
from absint.evaluation.view import View
from absint.frontend.source import Source
from absint.ir.program import Program, Promise
from absint.lowering.lifetimes import FOREVER, assign_slots, find_lifetimes
from absint.lowering.plan import Plan, make_plan
from absint.lowering.plan_format import END, SUM, TAPE, TERM, X, Y
from absint.lowering.region_plan import RegionProgram
from absint.ops.precision import Precision
from absint.ops.table import OPS
from absint.rewriting.manager import PassManager, parse_pipeline
from tests.lowering.plan_reader import PlanReader
from tests.support.operands import scaled

VIEW = View(83, 61, (0.03, -0.04), 0.97)

FIXED_PARTS = """x var-x; y var-y; z var-z; c const 0.3; e exp z; s sin e; a mul x s; b add a c; d sin b
    f mul y e; g sub f d; h square g; p mul x y; q add p e; r sin q; i add h r; k const 0.4; l sub i k"""
"""Values that are fixed, of x, of y, and of both."""

DISC_OF_WAVES = """x var-x; y var-y; z var-z; e exp z; p mul x y; q mul p e; s sin q; t exp s; c const 1.05
    w sub c t; h const 0.3; i sub x h; j sub y h; k square i; l square j; m add k l; n const 0.01; o sub m n
    f max w o"""
"""A tape in a small box."""

SUMS = """x var-x; y var-y; z var-z; e exp z; a mul x e; b sin a; c add b e; d sin c; f exp y; g mul f y
    s add d g; t const 0.9; u sub s t"""
"""Bases that other values are computed for."""

FOLDER = Path(os.environ.get("ABSINT_MODELS", "no such folder"))
TEXTS = {
    **{name: models.text(name) for name in models.names()},
    **{path.stem: path.read_text() for path in sorted(FOLDER.glob("*.vm"))},
    "fixed parts": FIXED_PARTS.replace(";", "\n"),
    "disc of waves": DISC_OF_WAVES.replace(";", "\n"),
    "sums": SUMS.replace(";", "\n"),
}


def plans_of(name: str, precision: Precision) -> tuple[list[Plan], Program]:
    """The plan of a program, its plan without terms, and the program."""
    source = Source(TEXTS[name]).program().restricted(VIEW.box(precision), precision, Promise.SIGN)
    lowered, _ = PassManager(parse_pipeline("cse,predicates,flatten,bands,contract")).run(source)
    return [make_plan(lowered), make_plan(lowered, terms=False)], source


@pytest.fixture(scope="module", params=[f"{name} {p.value}" for name in TEXTS for p in Precision])
def planned(request: pytest.FixtureRequest) -> tuple[list[Plan], Program]:
    name, _, precision = request.param.rpartition(" ")
    return plans_of(name, Precision(precision))


def test_plans_of_these_programs_have_all_parts() -> None:
    plans = [plan for name in TEXTS for plan in plans_of(name, Precision.F32)[0]]
    for field in fields(Plan):
        if field.name.endswith("_tape"):
            assert any(first < last for first, last in (getattr(plan, field.name) for plan in plans))
        elif field.name not in ("precision", "regions"):
            assert any(len(getattr(plan, field.name)) for plan in plans), field.name
    assert any(plan.regions is not None and len(plan.regions.specials) > 2 for plan in plans)


def test_a_plan_says_all_that_there_is_to_draw(planned: tuple[list[Plan], Program]) -> None:
    plans, source = planned
    picture = find_backend("reference").prepare(source).image(VIEW)
    for plan in plans:
        assert (PlanReader(plan, VIEW).image() == picture).all()


def test_every_number_of_a_plan_is_an_index_or_a_code(planned: tuple[list[Plan], Program]) -> None:
    """So none is an address, an offset in bytes or a count of lanes."""
    for plan in planned[0]:
        registers, instructions = len(plan.varies), len(plan.instructions)
        below(8, plan.varies)
        below(len(OPS), plan.instructions[:, 0])
        below(registers, plan.instructions[:, 1:3], plan.constant_registers, plan.band_registers)
        below(registers, plan.x_bases, plan.y_bases, plan.instructions[:, 3] + 1)
        for tape in plan.fixed_tape, plan.x_tape, plan.y_tape:
            below(instructions + 1, np.array(tape))
        below(instructions + 1, plan.tapes[:, :2])
        below(len(plan.band_registers) + 1, plan.tapes[:, 2:])
        below(len(plan.x_bases), plan.sums[:, 0])
        below(len(plan.y_bases), plan.sums[:, 2])
        below(2, plan.sums[:, [1, 3, 4, 5]])
        below(END + 1, plan.code[:, 0])
        for kind, count in (TERM, len(plan.boxes)), (SUM, len(plan.sums)), (TAPE, len(plan.tapes)):
            below(count, plan.code[plan.code[:, 0] == kind, 1])
        below(len(plan.code) + 1, plan.starts, plan.code[plan.code[:, 0] == TERM, 3])
        below(len(plan.boxes), plan.top_boxes)
        below(len(plan.thresholds_x), plan.boxes[:, :2])
        below(len(plan.thresholds_y), plan.boxes[:, 2:])
        if plan.regions is not None:
            below(registers, plan.regions.specials)
            below(len(plan.regions), plan.regions.items, plan.regions.steps[:, 0])
    known = {"precision", "varies", "constant_registers", "constant_values", "instructions", "fixed_tape"}
    known |= {"x_tape", "y_tape", "x_bases", "y_bases", "sums", "sum_numbers", "tapes", "band_registers"}
    known |= {"band_ends", "code", "starts", "top_boxes", "thresholds_x", "thresholds_y", "boxes", "regions"}
    assert known == {field.name for field in fields(Plan)}, "say above what the numbers of a new field are"
    parts = {field.name for field in fields(RegionProgram)}
    assert parts == {"steps", "items", "kind", "op", "ends", "specials"}


def below(end: int, *arrays: NDArray[Any]) -> None:
    for array in arrays:
        assert ((array >= 0) & (array < end)).all()


def test_the_cpu_engine_finds_operands_where_it_put_them(planned: tuple[list[Plan], Program]) -> None:
    for plan in planned[0]:
        layout = lay_out(plan)
        instructions = layout.instructions
        for place in ("out", "a"):
            assert (instructions[place] < layout.scratch_bytes).all()
        given = {place: register for register, place in enumerate(layout.registers.tolist()) if place >= 0}
        assert len(given) == np.count_nonzero(layout.registers >= 0), "two registers share a place"
        steps = np.stack([instructions[place] for place in ("out", "a", "b")], axis=1)
        steps[instructions["b_step"] < 0, 2] = NO_OPERAND
        tables = {X: layout.x_tables, Y: layout.y_tables}
        size = plan.precision.dtype.itemsize
        check_code(plan, steps, given, tables, size * layout.bands["value"])


def test_devices_find_operands_where_they_put_them(planned: tuple[list[Plan], Program]) -> None:
    for plan in planned[0]:
        code = make_device_code(plan)
        given = {place: register for register, place in enumerate(code.special.tolist()) if place < 0}
        assert len(given) == 2 + len(code.fixed)
        check_code(plan, code.instructions[:, 1:], given, {X: 0, Y: 0}, code.bands[:, 0])
        own = find_lifetimes(plan).tape > 2
        assert not own.any() or code.instructions[own, 1].max() == code.slots - 1


def check_code(
    plan: Plan,
    steps: NDArray[Any],
    given: dict[int, int],
    tables: dict[int, int],
    bands: NDArray[Any],
) -> None:
    """Run code that says where results and operands are: in each place is the register that is read there.

    `given`: the registers of places that are filled before. `tables`: the tables of the coordinates.
    """

    def run(first: int, last: int, memory: dict[int, int]) -> dict[int, int]:
        for k in range(first, last):
            result, *operands = plan.instructions[k, 1:].tolist()
            place, *places = steps[k].tolist()
            for operand, where in zip(operands, places, strict=True):
                if operand < 0:
                    assert where == NO_OPERAND
                else:
                    assert memory[where] == operand
            memory[place] = result
        return memory

    fixed = run(*plan.fixed_tape, dict(given))
    assert fixed == given, "a fixed value is not in its register's place"
    for tape, coordinate, bases in ((plan.x_tape, X, plan.x_bases), (plan.y_tape, Y, plan.y_bases)):
        memory = run(*tape, given | {tables[coordinate]: coordinate})
        found = {register for place, register in memory.items() if place not in given}
        assert found >= set(bases.tolist())
    for first, last, first_band, last_band in plan.tapes.tolist():
        memory = run(first, last, dict(given))
        for band in range(first_band, last_band):
            assert memory[int(bands[band])] == plan.band_registers[band]


@st.composite
def lifetimes(draw: st.DrawFn) -> list[tuple[int, int, int]]:
    """Groups, births and deaths of values, one born at a time."""
    lengths = st.integers(1, 9) | st.just(FOREVER)
    values = draw(st.lists(st.tuples(st.integers(0, 2), lengths), max_size=40))
    return [(group, birth, min(birth + length, FOREVER)) for birth, (group, length) in enumerate(values)]


@settings(max_examples=scaled(300))
@given(lifetimes())
def test_slots_are_few_and_never_shared_by_values_alive_together(values: list[tuple[int, int, int]]) -> None:
    group, birth, death = np.array(values, np.int64).reshape(-1, 3).T
    slots, counts = assign_slots(group, birth, death, 3)
    for time in range(len(values)):
        alive = (birth <= time) & (death > time)
        pairs = list(zip(group[alive].tolist(), slots[alive].tolist(), strict=True))
        assert len(set(pairs)) == len(pairs)
    for number in range(3):
        own = group == number
        most = max(alive_at(birth[own], death[own], range(len(values))), default=0)
        assert counts[number] == most
        assert set(slots[own].tolist()) == set(range(most))


def alive_at(birth: NDArray[Any], death: NDArray[Any], times: Iterable[int]) -> Iterator[int]:
    for time in times:
        yield int(((birth <= time) & (death > time)).sum())
