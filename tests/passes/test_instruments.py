"""Instruments around the manager: they catch a pass that breaks its promise, and print what is asked."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from absint.analysis import Analyses
from absint.errors import PipelineError, VerificationError
from absint.graph import Graph
from absint.instruments import PrintAfter, VerifyEach
from absint.manager import LEVELS, Pass, PassManager, PassResult, parse_pipeline
from absint.ops.demand import Demand
from absint.passes.rewriting import rewrite_until_stable
from absint.program import Box, Program, Promise
from absint.rules import Mode, Rewrite, Rule, RuleSet
from absint.vm import parse_vm, write_vm


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
        PipelineError, match="--print-after 'foldd': expected all, changed or one of cse, dce"
    ):
        PrintAfter("foldd", io.StringIO())


def test_verifying_a_program_without_variables() -> None:
    start = Program(parse_vm("z const 0\nn neg z\n"))
    after, _ = PassManager(parse_pipeline("fold"), instruments=[VerifyEach()]).run(start)
    assert write_vm(after.graph).endswith("const -0.0\n")
