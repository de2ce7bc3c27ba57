"""Tapes compute what the graph says, in as few slots as its order allows; liveness and schedule agree."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from absint.frontend.vm import parse_vm
from absint.ir.graph import Graph, GraphBuilder, reachable
from absint.ir.interpreter import interpret_concrete
from absint.ir.program import Program
from absint.ir.tape import Tape, last_uses, make_tape, slots_needed
from absint.ops.precision import Precision
from absint.ops.printers.translate import array_form
from absint.ops.table import ADD, MUL, NEG, OPS, SPICY, SQUARE
from absint.passes.analyses.liveness import liveness_of
from absint.passes.schedule import Schedule
from absint.rewriting.analysis import Analyses
from tests.support.graphs import BASIC, graphs

POINTS = {name: np.array(np.roll(SPICY, shift)) for shift, name in enumerate("xyz")}


def run(tape: Tape, precision: Precision) -> Any:
    """The machine that the tape's documentation describes; what was never written is never read."""
    registers: list[Any] = [precision.real(value) for value in tape.constants]
    registers += [POINTS[name].astype(precision.dtype) for name in tape.variables]
    registers += [None] * tape.slot_count
    assert len(registers) == tape.register_count
    with np.errstate(all="ignore"):
        for code, out, a, b in zip(tape.op, tape.out, tape.a, tape.b, strict=True):
            assert out >= len(tape.constants) + len(tape.variables)
            form = array_form(OPS[code].body(precision), precision)
            operands = [registers[a]] if b < 0 else [registers[a], registers[b]]
            assert not any(operand is None for operand in operands)
            registers[out] = form(*operands)
    return registers[tape.root]


def assert_same_bits(got: Any, expected: Any, precision: Precision) -> None:
    got, expected = (np.broadcast_to(a, (len(SPICY),)).astype(precision.dtype) for a in (got, expected))
    same = got.view(precision.bits_dtype) == expected.view(precision.bits_dtype)
    assert (same | (np.isnan(got) & np.isnan(expected))).all()


def value(graph: Graph, precision: Precision) -> Any:
    with np.errstate(all="ignore"):
        points = {name: values.astype(precision.dtype) for name, values in POINTS.items()}
    return interpret_concrete(graph, precision, points)[-1]


def held(graph: Graph) -> list[set[int]]:
    """For each computed node, the values that must be kept once it is computed, itself among them.

    By definition, without any liveness analysis: those whose users are not all computed.
    """
    live = reachable(graph)
    computed = [node for node in range(len(graph)) if live[node] and graph.operands(node)]
    after = []
    for node in computed:
        later = {operand for user in computed if user > node for operand in graph.operands(user)} | {
            graph.root
        }
        after.append({v for v in computed if v <= node and v in later})
    return after


def operation(graph: Graph, node: int) -> int:
    """The code of a node, which is that of a square where a value is multiplied with itself."""
    code, a, b = graph.rows[node]
    same = a == b or (a in graph.variables and graph.variables[a] == graph.variables.get(b))
    return SQUARE.code if code == MUL.code and same else code


@given(graphs(max_size=30), st.sampled_from(Precision))
def test_tape_computes_the_root(graph: Graph, precision: Precision) -> None:
    with np.errstate(over="ignore"):
        assert_same_bits(run(make_tape(graph), precision), value(graph, precision), precision)


@given(graphs(max_size=30))
def test_tape_holds_what_is_needed_and_no_more(graph: Graph) -> None:
    tape = make_tape(graph)
    live = np.flatnonzero(reachable(graph)).tolist()
    operations = Counter(operation(graph, node) for node in live if graph.operands(node))
    assert Counter(tape.op.tolist()) == operations
    assert (tape.b[[OPS[code].arity == 1 for code in tape.op]] == -1).all()
    assert tape.variables == tuple(
        sorted({graph.variables[node] for node in live if node in graph.variables})
    )
    assert len(tape.constants) == sum(graph.record(node).name == "const" for node in live)
    assert (len(tape.out), len(tape.a), len(tape.b)) == (len(tape),) * 3


@given(graphs(max_size=30))
def test_slots_are_the_least_for_the_order(graph: Graph) -> None:
    """No fewer are possible: all that is held after a step needs a slot of its own."""
    tape = make_tape(graph)
    assert tape.slot_count == max(map(len, held(graph)), default=0)
    assert tape.slot_count == slots_needed(graph)
    used = set(tape.out.tolist())
    first = len(tape.constants) + len(tape.variables)
    assert used == set(range(first, first + tape.slot_count))


@given(graphs(max_size=30))
def test_liveness_by_definition(graph: Graph) -> None:
    facts = liveness_of(Program(graph), Analyses())
    live = reachable(graph)
    for node in range(len(graph)):
        readers = [user for user in range(len(graph)) if live[user] and node in graph.operands(user)]
        expected = len(graph) if node == graph.root else max(readers, default=-1)
        assert facts.last_use[node] == expected
    assert facts.last_use.tolist() == last_uses(graph).tolist()
    # while a node is computed, its operands are held too
    computed = [node for node in range(len(graph)) if live[node] and graph.operands(node)]
    operands = [{o for o in graph.operands(node) if graph.operands(o)} for node in computed]
    expected_live = [len(after | mine) for after, mine in zip(held(graph), operands, strict=True)]
    assert facts.live.tolist() == expected_live
    assert facts.peak == max(expected_live, default=0)
    assert facts.slots == slots_needed(graph)
    assert facts.slots <= facts.peak <= facts.slots + 1


def test_dump() -> None:
    graph = parse_vm(
        "a var-y\nb const 0.5\nc var-x\nd mul a b\ne neg c\nf add d e\nunused sin a\ng sub f a\n"
    )
    assert make_tape(graph).dump() == (
        "r0 const 0.5\nr1 var-x\nr2 var-y\n"
        "r3 mul r2 r0\nr4 neg r1\nr4 add r3 r4\nr4 sub r4 r2\n# result in r4\n"
    )


def test_one_variable_in_many_nodes() -> None:
    tape = make_tape(parse_vm("a var-x\nb var-x\nc sub a b\n"))
    assert (tape.variables, tape.a.tolist(), tape.b.tolist()) == (("x",), [0], [0])


def test_product_of_a_register_with_itself_is_a_square() -> None:
    text = "a var-x\nb var-x\nc const 2\nd const 2\ne mul a b\nf mul c d\ng mul e e\nh add f g\ni add h h\n"
    assert make_tape(parse_vm(text)).dump() == (
        "r0 const 2.0\nr1 const 2.0\nr2 var-x\n"
        "r3 square r2\nr4 mul r0 r1\nr3 square r3\nr3 add r4 r3\nr3 add r3 r3\n# result in r3\n"
    )


@pytest.mark.parametrize("text", ["a const 2", "a var-x", "a var-x\nb neg a\nc const 3"])
def test_program_that_computes_nothing(text: str) -> None:
    tape = make_tape(parse_vm(text))
    assert (len(tape), tape.slot_count, tape.root) == (0, 0, 0)
    assert_same_bits(run(tape, Precision.F64), value(parse_vm(text), Precision.F64), Precision.F64)


# Schedule


def scheduled(graph: Graph) -> Graph:
    return Schedule().run(Program(graph), Analyses()).program.graph


def fewest_slots(graph: Graph) -> int:
    """The fewest slots of any order of the operations that the root needs."""
    live = reachable(graph)
    leaves = [node for node in range(len(graph)) if not graph.operands(node)]
    inner = [node for node in range(len(graph)) if live[node] and graph.operands(node)]
    best = len(inner)
    for order in itertools.permutations(inner):
        if all(
            order.index(o) < i for i, node in enumerate(order) for o in graph.operands(node) if o in inner
        ):
            builder, new = GraphBuilder(), {-1: -1}
            for node in [*leaves, *order]:
                _, a, b = graph.rows[node]
                new[node] = builder.copy(graph, node, new[a], new[b])
            best = min(best, slots_needed(builder.build(new[graph.root])))
    return best


@given(graphs(max_size=30), st.sampled_from(Precision))
def test_schedule_keeps_bits_and_needs_no_more_slots(graph: Graph, precision: Precision) -> None:
    result = Schedule().run(Program(graph), Analyses())
    after = result.program.graph
    after.verify()
    with np.errstate(over="ignore"):
        assert_same_bits(value(after, precision), value(graph, precision), precision)
    saved = slots_needed(graph) - slots_needed(after)
    assert sum(result.rewrites.values()) == saved
    assert (saved == 0) == (after is graph)
    assert scheduled(after) is after


@given(graphs(max_size=30), st.randoms(use_true_random=False))
def test_slots_of_an_order_are_those_of_the_graph_in_that_order(graph: Graph, choose: random.Random) -> None:
    order: list[int] = []
    left = np.flatnonzero(reachable(graph)).tolist()
    while left:
        ready = [node for node in left if not set(graph.operands(node)) & set(left)]
        order.append(choose.choice(ready))
        left.remove(order[-1])
    builder, new = GraphBuilder(), {-1: -1}
    for node in order:
        _, a, b = graph.rows[node]
        new[node] = builder.copy(graph, node, new[a], new[b])
    assert (
        slots_needed(graph, order) == slots_needed(builder.build()) == make_tape(builder.build()).slot_count
    )


@st.composite
def trees(draw: st.DrawFn) -> Graph:
    """An expression in which no operation is used twice, its operations in random order."""
    builder = GraphBuilder()
    x = builder.variable("x")
    open_values: list[int] = []
    for _ in range(draw(st.integers(1, 6))):
        op = draw(st.sampled_from(BASIC))
        operands = [-1, -1]
        for position in range(op.arity):
            used = draw(st.integers(0, len(open_values)))
            operands[position] = open_values.pop(used) if used < len(open_values) else x
        open_values.append(builder.append(op.code, operands[0], operands[1]))
    while len(open_values) > 1:
        open_values.append(builder.append(ADD.code, open_values.pop(0), open_values.pop(0)))
    return builder.build()


@given(trees())
def test_schedule_is_the_best_for_trees(graph: Graph) -> None:
    assume(graph.operation_count <= 7)  # as many orders as one can try
    assert slots_needed(scheduled(graph)) == fewest_slots(graph)


def test_schedule_reorders_what_is_computed_too_early() -> None:
    """Ten sums of x, all computed before the first is used: ten slots become two."""
    builder = GraphBuilder()
    x = builder.variable("x")
    values = [builder.append(NEG.code, x) for _ in range(10)]
    total = values[0]
    for one in values[1:]:
        total = builder.append(ADD.code, total, one)
    graph = builder.build()
    assert (slots_needed(graph), slots_needed(scheduled(graph))) == (10, 2)
