"""Instruments around the manager: they catch a pass that breaks its promise, and print what is asked."""

from __future__ import annotations

import io
import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from absint.base.errors import PipelineError, VerificationError
from absint.frontend.vm import parse_vm, write_vm
from absint.ir.box import Box
from absint.ir.graph import Graph
from absint.ir.program import Form, Program, Promise, describe
from absint.ops.demand import Demand
from absint.ops.precision import Precision
from absint.passes.rewriting import rewrite_until_stable
from absint.rewriting.analysis import Analyses
from absint.rewriting.instruments import PrintAfter, VerifyEach
from absint.rewriting.manager import LEVELS, Pass, PassManager, PassResult, parse_pipeline
from absint.rewriting.promise import band_ends, check_promise, sample_points
from absint.rewriting.rules import Mode, Rewrite, Rule, RuleSet
from tests.support.lowered import lowered, lowered_program


def run(pass_: Pass, text: str, promise: Promise = Promise.BITS, box: Box | None = None) -> Program:
    start = Program(parse_vm(text), box=Box() if box is None else box, promise=promise)
    return PassManager([pass_], instruments=[VerifyEach()]).run(start)[0]


# Verifying


@dataclass(frozen=True)
class Replacing:
    """A pass that replaces the whole program by another one."""

    graph: Graph
    name: ClassVar[str] = "replacing"
    promise: ClassVar[Promise] = Promise.BITS
    takes: ClassVar[Form] = Form.REAL
    makes: ClassVar[Form] = Form.REAL

    def run(self, program: Program, analyses: Analyses) -> PassResult:
        return PassResult(program.with_graph(self.graph), Counter({Rewrite("all", Mode.BITS): 1}))


@pytest.mark.parametrize(
    ("before", "after", "promise"),
    [
        ("x var-x\na abs x\n", "x var-x\n", Promise.BITS),
        ("x var-x\nz const 0\na add x z\n", "x var-x\n", Promise.BITS),  # differs at -0 alone
        ("x var-x\na sub x x\n", "a const 0\n", Promise.BITS),  # at infinities and NaN
        ("x var-x\nt const 3\na div x t\n", "x var-x\nt const 0.3333333333333333\na mul x t\n", Promise.BITS),
        ("x var-x\n", "x var-x\nt const 0.1\na mul x t\n", Promise.SIGN),  # underflow
        ("x var-x\nr sqrt x\no const 1\na sub r o\n", "x var-x\no const 1\na sub x o\n", Promise.SIGN),
    ],
)
def test_a_pass_that_breaks_its_promise_is_caught(before: str, after: str, promise: Promise) -> None:
    with pytest.raises(
        VerificationError, match=rf"(?s)pass replacing.* broke its promise: {promise.value} differ at x="
    ):
        run(Replacing(parse_vm(after)), before, promise)


def test_the_same_change_may_keep_the_sign() -> None:
    text = "x var-x\nz const 0\na add x z\n"
    after = run(Replacing(parse_vm("x var-x\n")), text, Promise.SIGN)
    assert after.graph.operation_count == 0


def test_a_change_outside_the_box_is_no_breach() -> None:
    run(Replacing(parse_vm("x var-x\n")), "x var-x\na abs x\n", box=Box.of((1, 2), (0, 0)))
    with pytest.raises(VerificationError):
        run(Replacing(parse_vm("x var-x\n")), "x var-x\na abs x\n", box=Box.of((-1e-30, 2), (0, 0)))


def test_a_broken_graph_is_caught() -> None:
    good = parse_vm("x var-x\na abs x\n")
    bad = replace(good, args=good.args[::-1].copy())
    with pytest.raises(VerificationError, match=r"(?s)pass replacing.* broke the graph: node 0"):
        run(Replacing(bad), "x var-x\n")


@dataclass(frozen=True)
class Believing:
    """A pass with one rule, which may be a false one."""

    rule: Rule
    name: ClassVar[str] = "believing"
    promise: ClassVar[Promise] = Promise.SIGN
    takes: ClassVar[Form] = Form.REAL
    makes: ClassVar[Form] = Form.REAL

    def run(self, program: Program, analyses: Analyses) -> PassResult:
        return rewrite_until_stable(program, analyses, RuleSet([self.rule]), 4)


BROKEN_RULES = [
    (
        Rule("r", "min(a, b)", "a", Mode.BITS, when="a < b"),
        "x var-x\no const -1\na min x o\nn sqrt x\nb min a n\n",
    ),
    (Rule("r", "min(a, b)", "a", Mode.BITS, when="a <= b and number(b)"), "x var-x\nz const 0\na min z x\n"),
    (Rule("r", "add(a, 0.0)", "a", Mode.BITS), "x var-x\nz const 0\na add x z\n"),
    (Rule("r", "sub(a, a)", "0.0", Mode.ZERO), "x var-x\ny var-y\na sub x x\nb compare a y\n"),
    (
        Rule("r", "mul(a, C)", "a", Mode.SIGN, when="C > 0", sees=Demand.SIGN),
        "x var-x\nt const 0.1\na mul x t\n",
    ),
    (
        Rule(
            "r", "mul(a, C)", "a", Mode.SIGN, when="C >= 1", sees=Demand.SIGN
        ),  # true of NaN, as every comparison
        "x var-x\nt const nan\na mul x t\n",
    ),
    (
        Rule("r", "min(a, b)", "a", Mode.SIGN, when="b >= 0", sees=Demand.NEGATIVE),
        "x var-x\ny var-y\nr sqrt y\na min x r\n",
    ),
]
TRUE_RULES = [
    (Rule("r", "add(a, 0.0)", "a", Mode.ZERO), "x var-x\nz const 0\na add x z\nb abs a\n"),
    (
        Rule("r", "mul(a, C)", "a", Mode.SIGN, when="C >= 1 and number(C)", sees=Demand.SIGN),
        "x var-x\nt const 2\na mul x t\n",
    ),
]
TIES = Box.of((-1.0, 0.0), (-1.0, 1.0))


@pytest.mark.parametrize(("rule", "text"), BROKEN_RULES)
def test_a_broken_rule_is_caught(rule: Rule, text: str) -> None:
    promise = Promise.SIGN if rule.mode is Mode.SIGN else Promise.BITS
    boxes = [Box(), TIES, Box.of((0.0, 1.0), (-1.0, 1.0))]
    caught = 0
    for box in boxes:
        try:
            run(Believing(rule), text, promise, box)
        except VerificationError:
            caught += 1
    assert caught > 0


@pytest.mark.parametrize(("rule", "text"), TRUE_RULES)
def test_a_true_rule_passes(rule: Rule, text: str) -> None:
    promise = Promise.SIGN if rule.mode is Mode.SIGN else Promise.BITS
    before = parse_vm(text)
    assert run(Believing(rule), text, promise).graph.operation_count < before.operation_count


def test_the_pipelines_pass() -> None:
    text = "x var-x\ny var-y\na min x y\nb max a x\nc recip b\nd sub c y\n"
    for level in LEVELS.values():
        start = Program(parse_vm(text), box=Box.default(), promise=Promise.SIGN)
        _, steps = PassManager(parse_pipeline(level), instruments=[VerifyEach()]).run(start)
        assert len(steps) == len(level.split(",")) * bool(level)


# Printing

TEXT = "x var-x\na neg x\nb neg a\nc sqrt b\nd sqrt b\ne min c d\n"


def printed(which: str, pipeline: str = "fold,simplify,cse,minmax{rounds=3},dce") -> str:
    stream = io.StringIO()
    start = Program(parse_vm(TEXT), box=Box.default())
    PassManager(parse_pipeline(pipeline), instruments=[PrintAfter(which, stream)]).run(start)
    return stream.getvalue()


def headings(text: str) -> list[str]:
    return [line.removeprefix("# after ") for line in text.splitlines() if line.startswith("# after")]


def test_print_after_all_changed_and_by_name() -> None:
    assert headings(printed("all")) == ["fold", "simplify", "cse", "minmax{rounds=3}", "dce"]
    assert headings(printed("changed")) == ["simplify", "cse", "minmax{rounds=3}", "dce"]
    assert headings(printed("minmax")) == ["minmax{rounds=3}"]
    assert headings(printed("schedule")) == []


def test_what_is_printed_parses_back() -> None:
    final, _ = PassManager(parse_pipeline("fold,simplify,cse,minmax{rounds=3},dce")).run(
        Program(parse_vm(TEXT), box=Box.default())
    )
    text = printed("dce")
    assert text.startswith(
        "# after dce\n# precision f32, box x=-1.0:1.0,y=-1.0:1.0,z=-1.0:1.0, promise bits\n"
    )
    assert write_vm(parse_vm(text)) == write_vm(final.graph)


def test_print_after_an_unknown_pass() -> None:
    with pytest.raises(
        PipelineError, match="--print-after 'foldd': expected all, changed or one of bands, contract, cse"
    ):
        PrintAfter("foldd", io.StringIO())


def test_verifying_a_program_without_variables() -> None:
    start = Program(parse_vm("z const 0\nn neg z\n"))
    after, _ = PassManager(parse_pipeline("fold"), instruments=[VerifyEach()]).run(start)
    assert write_vm(after.graph).endswith("const -0.0\n")


# Lowered programs

BAND_OF_X = "x var-x; b band x -inf -0.25"


def test_print_after_dumps_lowered_programs() -> None:
    stream = io.StringIO()
    start = Program(parse_vm("x var-x\ny var-y\nh const 0.5\na sub x h\nb max a y\n"), box=Box.default())
    PassManager(parse_pipeline("cse,predicates"), instruments=[PrintAfter("predicates", stream)]).run(start)
    heading, holds, *lines = stream.getvalue().splitlines()
    assert (heading, holds) == ("# after predicates", f"# {describe(start).replace('bits', 'sign')}")
    assert lines == [
        "x var-x",
        "y var-y",
        "_0 band x -inf 0.4999999701976776",
        "_1 band y -inf -1.401298464324817e-45",
        "_2 all _0 _1",
    ]


@dataclass(frozen=True)
class Lowering:
    """A pass that replaces the whole program by a lowered one."""

    graph: Graph
    promise: Promise = Promise.SIGN
    name: ClassVar[str] = "lowering"
    takes: ClassVar[Form] = Form.REAL
    makes: ClassVar[Form] = Form.LOWERED

    def run(self, program: Program, analyses: Analyses) -> PassResult:
        return PassResult(program.with_graph(self.graph).with_promise(self.promise), Counter())


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        # one float too far, either way; found at the ends of the bands
        ("x var-x\nh const 0.25\na add x h\n", "x var-x; b band x -inf -0.24999998509883880", "got True"),
        ("x var-x\nh const 0.25\na add x h\n", "x var-x; b band x -inf -0.25", "got True"),
        ("x var-x\nh const 0.25\na add x h\n", "x var-x; b band x -inf -0.2500000596046448", "got False"),
        # NaN is outside
        ("x var-x\ns sqrt x\nn neg s\no const -1\nm min n o\n", "t true", "expected nan, got True"),
    ],
)
def test_a_wrong_lowering_is_caught(before: str, after: str, found: str) -> None:
    with pytest.raises(
        VerificationError, match=rf"(?s)pass lowering.* broke its promise: sign differ at .*{found}"
    ):
        run(Lowering(lowered(after)), before)


def test_a_right_lowering_passes() -> None:
    below = "x var-x; b band x -inf -0.2500000298023224"
    after = run(Lowering(lowered(below)), "x var-x\nh const 0.25\na add x h\n")
    assert after.graph.lowered
    run(Lowering(lowered("t false")), "x var-x\na abs x\n")


def test_between_lowered_programs_truth_is_compared() -> None:
    start = lowered_program(BAND_OF_X)
    same = lowered("x var-x; a band x -inf 0; b band x -2 -0.25; c all a b")
    manager = PassManager([Lowering(same, Promise.BITS)], instruments=[VerifyEach()])
    with pytest.raises(VerificationError, match="made a lowered program that promises its bits"):
        manager.run(start)
    assert PassManager([Lowering(same)], instruments=[VerifyEach()]).run(start)[0].graph is same
    other = lowered("x var-x; b band x -inf -0.25000002980232239")
    with pytest.raises(VerificationError, match="expected True, got False"):
        PassManager([Lowering(other)], instruments=[VerifyEach()]).run(start)


def test_a_lowered_program_does_not_become_real_again() -> None:
    @dataclass(frozen=True)
    class Raising:
        name: ClassVar[str] = "raising"
        promise: ClassVar[Promise] = Promise.SIGN
        takes: ClassVar[Form] = Form.REAL
        makes: ClassVar[Form] = Form.LOWERED

        def run(self, program: Program, analyses: Analyses) -> PassResult:
            return PassResult(program.with_graph(parse_vm("x var-x\n")), Counter())

    with pytest.raises(VerificationError, match="made a real program of a lowered one"):
        PassManager([Raising()], instruments=[VerifyEach()]).run(lowered_program(BAND_OF_X))


def test_either_promise_compares_answers_where_a_program_is_lowered() -> None:
    real = Program(parse_vm("x var-x\nh const 0.25\na add x h\n"), box=Box.default())
    right = lowered_program("x var-x; b band x -inf -0.2500000298023224")
    points = sample_points(["x"], real.box, real.precision, 500, special=band_ends(right.graph))
    for promise in Promise:
        assert check_promise(real, right, points, promise) is None
        found = check_promise(right, lowered_program("t true"), points, promise)
        assert found is not None and (found.expected, found.got) == (False, True)


def test_sample_points_come_to_the_ends_of_bands() -> None:
    """And to the floats beside them, in the box."""
    graph = lowered(
        "x var-x; y var-y; s add x y; a band x 0.125 0.5; b band x -inf 3; c band s 0 1; d all a b c"
    )
    assert band_ends(graph) == {"x": [-math.inf, 0.125, 0.5, 3.0]}
    points = sample_points("xy", Box.default(), Precision.F32, 400, special=band_ends(graph))
    for end in (0.125, 0.5):
        beside = {np.nextafter(np.float32(end), np.float32(far)) for far in (-9, 9)}
        assert beside | {np.float32(end)} <= set(points["x"])
    assert points["x"].max() == 1 and set(points) == {"x", "y"}
