"""How much work `contract` does: counted, not timed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from absint.frontend.vm import parse_vm
from absint.ir.box import Box
from absint.ir.graph import GraphBuilder
from absint.ir.program import Program, Promise
from absint.lowering.kernels.pass_records import DEEPEST_BOX, ConesTask, ContractTask
from absint.lowering.units import lowering_kernels
from absint.ops.precision import Precision
from absint.ops.table import ADD, MAX, MIN, MUL, NEG, SUB, TRAITS
from absint.passes import contract
from absint.passes.analyses.ranges import ranges_of
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassManager, parse_pipeline
from tests.support.lowered import answers, applied, lowered_program, points_around

LARGEST = 256
"""The kernel's constant of that name."""


def nested(levels: int, degree: int) -> Program:
    """Each level has two users of the one below it and asks about a large value."""
    rng = np.random.default_rng(1)
    builder = GraphBuilder()
    x, y = builder.append_variable("x"), builder.append_variable("y")
    values = []
    for _ in range(8):
        value = x
        for i in range(degree):
            product = builder.apply(MUL, value, x if i % 2 else y)
            value = builder.apply(ADD, product, builder.constant(rng.normal()))
        values.append(value)
    root = builder.apply(ADD, x, y)
    for i in range(levels):
        part = builder.apply(SUB, values[i % 8], builder.constant(rng.normal()))
        root = builder.apply(MAX, builder.apply(MIN, root, part), builder.apply(NEG, root))
    program = Program(builder.build(root), Precision.F32, Box.default(), Promise.SIGN)
    return PassManager(parse_pipeline("predicates,flatten,bands")).run(program)[0]


def visits(program: Program, allowed: int) -> int:
    """The visits of one sweep when so many are allowed."""
    left = np.array([allowed], np.int64)
    contract._Sweep(program, left).result(ranges_of(program, Analyses()))
    return allowed - int(left[0])


def test_a_run_keeps_to_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """This program would take far more; the rest of it stays as it is, and the answers too."""
    start = nested(levels=150, degree=40)
    allowed = contract.budget(start)
    assert visits(start, 1 << 60) > 4 * allowed
    given = []

    class Sweep(contract._Sweep):
        def __init__(self, program: Program, left: np.ndarray) -> None:
            given.append(left)
            super().__init__(program, left)

    monkeypatch.setattr(contract, "_Sweep", Sweep)
    after = applied("contract", start)
    assert all(left is given[0] for left in given), "one budget for all sweeps"
    assert 0 <= given[0][0] < allowed
    points = points_around(np.random.default_rng(3), start, start.graph, after.graph, count=1000)
    assert (answers(start, points) == answers(after, points)).all()


def test_a_budget_grows_with_the_program() -> None:
    small, large = (contract.budget(nested(levels, degree=4)) for levels in (50, 500))
    assert large < 12 * small


@pytest.mark.parametrize("allowed", [0, 1, 10, 30, 100, 300, 1000, 3000, 10_000, 100_000])
def test_no_budget_is_overdrawn_or_makes_a_box_too_small(
    allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bands of variables are replaced by boxes, which must lie inside of them wherever the visits end."""
    monkeypatch.setattr(contract, "budget", lambda program: allowed)
    discs = "; ".join(
        f"cx{i} const {i / 9 - 0.5}; dx{i} sub x cx{i}; xx{i} square dx{i}; q{i} add xx{i} yy; "
        f"a{i} band q{i} -inf 0.25; b{i} band x {-i / 10} 0.5; d{i} band y -0.25 inf; "
        f"e{i} any b{i} d{i}; f{i} all a{i} b{i} e{i}"
        for i in range(8)
    )
    names = " ".join(f"f{i}" for i in range(8))
    for start in (
        lowered_program(f"x var-x; y var-y; yy square y; {discs}; r any {names}"),
        nested(levels=20, degree=5),
    ):
        assert 0 <= visits(start, allowed) <= allowed
        after = applied("contract", start)
        points = points_around(np.random.default_rng(4), start, start.graph, after.graph, count=2000)
        assert (answers(start, points) == answers(after, points)).all()


def test_a_call_stops_between_jobs_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is heard between calls; each returns with its slice of the visits, or little more."""
    start = nested(levels=150, degree=60)
    done: list[int] = []
    made: list[int] = []

    def counted(precision: Precision | None = None) -> Any:
        kernels = lowering_kernels(precision)
        if precision is None:
            return kernels

        def contract_some(address: int) -> int:
            done.append(kernels["contract"](address))
            made.append(ContractTask.of(precision.value).from_address(address).left)
            return done[-1]

        return {"contract": contract_some, "add_boxes": kernels["add_boxes"]}

    monkeypatch.setattr(contract, "lowering_kernels", counted)
    most = 1 << 60
    visits(start, most)
    assert len(done) > 2 and done == sorted(set(done))
    used = -np.diff([most, *made])
    assert used.max() <= 8_000_000, "the slice, and the job that goes beyond it"


@pytest.mark.parametrize(("length", "kept"), [(LARGEST - 2, True), (LARGEST - 1, False), (20_000, False)])
def test_a_deep_value_is_not_walked_to_its_leaves(length: int, kept: bool) -> None:
    """x, y, so many operations, and the last: LARGEST nodes are looked into, of more no more than that."""
    lines = ["x var-x", "v0 sin x", *(f"v{i} sin v{i - 1}" for i in range(1, length))]
    graph = parse_vm("\n".join([*lines, f"last add v{length - 1} x"]) + "\n")
    n = len(graph)
    a, b = (np.ascontiguousarray(graph.args[:, column]) for column in (0, 1))
    wanted, seen = np.zeros(n, np.uint8), np.full(n, -1, np.int32)
    wanted[-1] = 1
    stack, starts, cones = (np.zeros(2 * n + 2, np.int32) for _ in range(3))
    task = ConesTask(
        count=n, traits=TRAITS, op=graph.op.copy(), a=a, b=b, is_wanted=wanted, seen=seen, stack=stack,
        starts=starts, cones=cones, most=len(cones),
    )  # fmt: skip
    count = lowering_kernels()["find_cones"](task.address)
    assert count == starts[n] == (n if kept else 0)
    assert n == length + 2 and (n <= LARGEST) == kept
    assert (seen >= 0).sum() <= LARGEST + 1
    if kept:
        assert cones[:count].tolist() == list(range(n))


def test_scratch_has_room_for_the_deepest_list() -> None:
    lines = ["x var-x; y var-y; v add x y; p0 band v -1 1"]
    for level in range(1, 3 * DEEPEST_BOX):
        lines += [f"s{level} band v {-level} {level / 50}; q{level} all p{level - 1} s{level}"]
        lines += [f"t{level} band x {level / 200} 1; p{level} any q{level} t{level}"]
    start = lowered_program("; ".join(lines))
    after = applied("contract", start)
    points = points_around(np.random.default_rng(5), start, start.graph, after.graph, count=1000)
    assert (answers(start, points) == answers(after, points)).all()
