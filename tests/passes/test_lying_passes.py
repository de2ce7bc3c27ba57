"""`VerifyEach` against passes that change what a program is true of, not only its values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from absint.base.errors import VerificationError
from absint.ir.box import EVERYWHERE, Box
from absint.ir.graph import Graph, GraphBuilder
from absint.ir.program import Form, Program, Promise
from absint.ops.precision import Precision
from absint.ops.table import ABS, MUL
from absint.rewriting.analysis import Analyses
from absint.rewriting.instruments import VerifyEach
from absint.rewriting.manager import PassManager, PassResult


def graph_of(make: Callable[[GraphBuilder, int], int]) -> Graph:
    builder = GraphBuilder()
    return builder.build(make(builder, builder.variable("x")))


SOURCE = graph_of(lambda builder, x: builder.apply(ABS, x))
JUST_X = graph_of(lambda builder, x: x)
DOUBLED = graph_of(lambda builder, x: builder.apply(MUL, builder.apply(ABS, x), builder.constant(2.0)))
START = Program(SOURCE).restricted(Box({"x": (1.0, 2.0)}), Precision.F32)


@pytest.mark.parametrize(
    ("lie", "message"),
    [
        (lambda p: Program(JUST_X), "precision, box or origin"),
        (lambda p: replace(p.with_graph(JUST_X), box=EVERYWHERE), "precision, box or origin"),
        (lambda p: replace(p, box=EVERYWHERE), "precision, box or origin"),
        (lambda p: replace(p, precision=Precision.F64), "precision, box or origin"),
        (lambda p: replace(p.with_graph(DOUBLED), promise=Promise.SIGN), "promises bits, not sign"),
        (lambda p: p.with_graph(DOUBLED), "bits differ"),
    ],
)
def test_a_lying_pass_is_caught(lie: Callable[[Program], Program], message: str) -> None:
    @dataclass(frozen=True)
    class Lying:
        name: ClassVar[str] = "lying"
        promise: ClassVar[Promise] = Promise.BITS
        takes: ClassVar[Form] = Form.REAL
        makes: ClassVar[Form] = Form.REAL

        def run(self, program: Program, analyses: Analyses) -> PassResult:
            return PassResult(lie(program), Counter())

    with pytest.raises(VerificationError, match=message):
        PassManager([Lying()], instruments=[VerifyEach()]).run(START)


def test_an_honest_pass_is_not() -> None:
    @dataclass(frozen=True)
    class Honest:
        name: ClassVar[str] = "honest"
        promise: ClassVar[Promise] = Promise.BITS
        takes: ClassVar[Form] = Form.REAL
        makes: ClassVar[Form] = Form.REAL

        def run(self, program: Program, analyses: Analyses) -> PassResult:
            return PassResult(program.with_graph(JUST_X), Counter())  # |x| is x from 1 to 2

    result, _ = PassManager([Honest()], instruments=[VerifyEach()]).run(START)
    assert result.graph is JUST_X
