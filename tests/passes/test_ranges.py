"""The analysis `ranges`: on how many variables a node depends, whatever the domains."""

from __future__ import annotations

from itertools import accumulate

import pytest

from absint.ir.box import Box
from absint.ir.graph import FIRST_PREDICATE, Graph, GraphBuilder
from absint.ir.program import Program, Promise
from absint.ops.precision import Precision
from absint.ops.table import ABS, ADD
from absint.passes.analyses.ranges import MOST_SINGLE, ranges_of
from absint.rewriting.analysis import DEFAULT_DOMAINS, Analyses
from absint.rewriting.manager import PassManager, parse_pipeline
from tests.support.lowered import lowered_program, shape

DOMAINS = (DEFAULT_DOMAINS, ("interval", "sign", "affine"))
COUNTS = (2, MOST_SINGLE, MOST_SINGLE + 1, 64, 65, 200)


def sum_of(count: int) -> tuple[Graph, list[int], list[int]]:
    """The sum of the sizes of x and other variables; those sizes, and the sums from left to right."""
    builder = GraphBuilder()
    names = ["x", *(f"v{i:03d}" for i in range(count - 1))]
    sizes = [builder.apply(ABS, builder.append_variable(name)) for name in names]
    sums = list(accumulate(sizes, lambda a, b: builder.apply(ADD, a, b)))
    return builder.build(), sizes, sums[1:]


@pytest.mark.parametrize("domains", DOMAINS, ids=":".join)
@pytest.mark.parametrize("count", COUNTS)
def test_variables_are_counted_however_many_there_are(count: int, domains: tuple[str, ...]) -> None:
    """Behind the last one that has a bit of its own, they are taken for more than one."""
    graph, sizes, sums = sum_of(count)
    program = Program(graph, Precision.F32, Box(), Promise.SIGN)
    variables = ranges_of(program, Analyses(domains=domains)).variables
    single = variables[sizes] == 1
    assert single.sum() == min(count, MOST_SINGLE)
    assert (variables[sizes][~single] == 2).all()
    assert (variables[sums] == 2).all()


@pytest.mark.parametrize("count", COUNTS)
def test_a_program_lowers_alike_whatever_the_domains(count: int) -> None:
    graph, _, _ = sum_of(count)
    program = Program(graph, Precision.F32, Box(), Promise.SIGN)
    shapes = []
    for domains in DOMAINS:
        manager = PassManager(parse_pipeline("predicates,flatten,bands,contract"), Analyses(domains=domains))
        shapes.append(shape(manager.run(program)[0]))
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("domains", DOMAINS, ids=":".join)
def test_variables_other_than_the_axes_are_told_apart(domains: tuple[str, ...]) -> None:
    """And predicates have no ranges."""
    text = "t var-t; w var-w; s add t w; a abs t; b band s 0 1; c band a 0 1; r all b c"
    program = lowered_program(text)
    ranges = ranges_of(program, Analyses(domains=domains))
    assert ranges.variables.tolist() == [1, 1, 2, 1, 0, 0, 0]
    predicates = program.graph.op >= FIRST_PREDICATE
    assert not any(fact[predicates].any() for fact in ranges)
