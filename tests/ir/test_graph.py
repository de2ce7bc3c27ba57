"""The graph: its invariants, each with an example that breaks it, its builder and its views."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from absint.base.errors import GraphError
from absint.frontend.vm import parse_vm
from absint.ir.graph import Graph, GraphBuilder, reachable
from absint.ops.table import ADD, BY_NAME, CONST, MIN, NEG, OPS, SUB, VAR
from tests.support.graphs import graphs

SMALL = parse_vm("a var-x\nb const 2\nc sub a b\nd neg c\n")


def with_row(node: int, op: int | None = None, a: int | None = None, b: int | None = None) -> Graph:
    """`SMALL` with another operation or operand."""
    ops, args = SMALL.op.copy(), SMALL.args.copy()
    ops[node] = ops[node] if op is None else op
    args[node] = [old if new is None else new for old, new in zip(args[node], (a, b), strict=True)]
    return replace(SMALL, op=ops, args=args)


BROKEN: dict[str, tuple[Callable[[], Graph], str]] = {
    "no node": (lambda: GraphBuilder().build(), "a graph needs at least one node"),
    "too few operands in all": (lambda: replace(SMALL, args=SMALL.args[:3]), r"args is int32\(3, 2\), not"),
    "a list of operands": (lambda: replace(SMALL, args=SMALL.args[:, 0]), r"args is int32\(4,\), not"),
    "wide operands": (lambda: replace(SMALL, args=SMALL.args.astype(np.int64)), "args is int64"),
    "narrow constants": (
        lambda: replace(SMALL, constants=SMALL.constants.astype(np.float32)),
        r"constants is float32\(4,\), not float64\(4,\)",
    ),
    "signed operations": (lambda: replace(SMALL, op=SMALL.op.astype(np.int8)), "op is int8"),
    "too few lines": (lambda: replace(SMALL, lines=SMALL.lines[:-1]), r"lines is int32\(3,\), not"),
    "too few names": (lambda: replace(SMALL, names=SMALL.names[1:]), "3 names for 4 nodes"),
    "one name twice": (lambda: replace(SMALL, names=("a", None, "c", "a")), "two nodes have the same name"),
    "a name with a blank": (lambda: replace(SMALL, names=("a b", *"bcd")), "'a b' cannot name a node"),
    "a name that is a comment": (lambda: replace(SMALL, names=("#", *"bcd")), "'#' cannot name a node"),
    "no such operation": (lambda: with_row(3, op=len(OPS)), f"node 3: no operation has the code {len(OPS)}"),
    "an operand that is the node": (lambda: with_row(2, b=2), r"\(sub\): operand 2 is not an earlier node"),
    "an operand below": (lambda: with_row(2, a=3), r"node 2 \(sub\): operand 3 is not an earlier node"),
    "an operand missing": (lambda: with_row(2, b=-1), r"node 2 \(sub\): operand -1 is not an earlier node"),
    "an operand that counts from the end": (lambda: with_row(3, a=-2), "operand -2 is not an earlier node"),
    "an operand too many": (lambda: with_row(3, b=0), r"node 3 \(neg\): has an operand 0 too many"),
    "a constant with an operand": (lambda: with_row(1, a=0), r"node 1 \(const\): has an operand 0 too many"),
    "a variable without a name": (lambda: replace(SMALL, variables={}), "a variable and its name must go"),
    "a variable that is none": (
        lambda: replace(SMALL, variables={0: "x", 1: "y"}),
        r"node 1 \(const\): a variable and its name must go together",
    ),
    "a variable of no node": (
        lambda: replace(SMALL, variables={0: "x", 4: "y"}),
        "variable 'y' belongs to node 4, which does not exist",
    ),
    "a variable with a blank": (lambda: replace(SMALL, variables={0: "x y"}), "'x y' cannot name a variable"),
    "a variable that is empty": (lambda: replace(SMALL, variables={0: ""}), "'' cannot name a variable"),
    "an operation with a value": (
        lambda: replace(SMALL, constants=np.array([0.0, 2.0, 0.0, math.nan])),
        r"node 3 \(neg\): has a value, but only a constant has one",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_verify_refuses(case: str) -> None:
    make, message = BROKEN[case]
    SMALL.verify()
    with pytest.raises(GraphError, match=message):
        make().verify()


@given(graphs())
def test_verify_accepts_what_a_builder_makes(graph: Graph) -> None:
    graph.verify()


@pytest.mark.parametrize("field", ["op", "args", "constants", "lines"])
def test_graphs_cannot_be_changed(field: str) -> None:
    with pytest.raises(ValueError, match="read-only"):
        getattr(SMALL, field)[0] = 1


def test_compared_by_identity() -> None:
    text = "a var-x"
    assert parse_vm(text) != parse_vm(text)


# The builder


def test_equal_constants_are_one_node() -> None:
    builder = GraphBuilder()
    nan = np.uint64(0x7FF8_0000_0000_0123).view(np.float64)
    values = [0.0, -0.0, 1.0, math.nan, -math.nan, float(nan), 0.0, 1, 5e-324]
    assert [builder.constant(value) for value in values] == [0, 1, 2, 3, 3, 3, 0, 2, 4]


def test_equal_operations_are_one_node() -> None:
    builder = GraphBuilder()
    x, y = builder.variable("x"), builder.variable("y")
    assert builder.variable("x") == x != y
    total = builder.apply(ADD, x, y)
    assert builder.apply(ADD, x, y) == total
    others = [
        builder.apply(ADD, y, x),
        builder.apply(SUB, x, y),
        builder.apply(ADD, x, x),
        builder.apply(NEG, x),
    ]
    assert len({total, *others}) == 5  # add commutes in bits, but that is for cse to use
    assert len(builder) == 7


def test_appended_nodes_are_not_shared() -> None:
    builder = GraphBuilder()
    assert builder.append(CONST.code, value=1.0) != builder.append(CONST.code, value=1.0)
    assert builder.append_variable("x") != builder.append_variable("x")
    assert builder.copy(SMALL, 1) != builder.copy(SMALL, 1)


def test_what_was_copied_is_shared_and_keeps_its_origin() -> None:
    """The first of equal copies is found; a node that was there before them stays the one that is."""
    builder = GraphBuilder()
    seven = builder.constant(7.0)
    graph = parse_vm("a var-x\nb const 2\nc sub a b\nd sub a b\ne const 7\n")
    new = {-1: -1}
    for node, (_, a, b) in enumerate(graph.rows):
        new[node] = builder.copy(graph, node, new[a], new[b])
    assert len(builder) == 6
    assert builder.variable("x") == new[0]
    assert builder.constant(2.0) == new[1]
    assert builder.apply(SUB, new[0], new[1]) == new[2] != new[3]
    assert builder.constant(7.0) == seven != new[4]
    assert builder.apply(SUB, new[1], new[0]) == len(builder) - 1 == 6
    assert builder.origins == [-1, 0, 1, 2, 3, 4, -1]
    builder.build().verify()


def test_copy_keeps_what_a_node_says() -> None:
    builder = GraphBuilder()
    builder.constant(7.0)
    new = {-1: -1}
    for node, (_, a, b) in enumerate(SMALL.rows):
        new[node] = builder.copy(SMALL, node, new[a], new[b])
    copied = builder.build()
    copied.verify()
    assert copied.names == (None, *SMALL.names)
    assert copied.lines.tolist() == [0, 1, 2, 3, 4]
    assert dict(copied.variables) == {1: "x"}
    assert copied.values == [7.0, *SMALL.values]
    assert copied.operands(3) == (1, 2)


def test_build_up_to_a_root() -> None:
    builder = GraphBuilder()
    x = builder.variable("x")
    root = builder.apply(NEG, x)
    builder.variable("y")
    builder.apply(NEG, root)
    graph = builder.build(root)
    graph.verify()
    assert (len(graph), graph.root, dict(graph.variables)) == (2, 1, {0: "x"})
    assert len(builder.build()) == 4


def test_wrong_number_of_operands() -> None:
    builder = GraphBuilder()
    with pytest.raises(GraphError, match="add takes 2 operands, got 1"):
        builder.apply(ADD, builder.variable("x"))


# Views of a graph


def test_properties() -> None:
    graph = parse_vm("a var-x\nb const 2\nu neg a\nc mul a a\nd add c b\nr min d d\n")
    assert graph.use_counts.tolist() == [3, 1, 0, 1, 2, 0]
    assert graph.operation_count == 4
    assert graph.depth() == 3
    assert graph.operands(0) == ()
    assert graph.operands(2) == (0,)
    assert graph.operands(5) == (4, 4)
    assert graph.record(5) is MIN
    assert graph.label(4) == "line 5"
    assert replace(graph, lines=np.zeros(6, np.int32)).label(4) == "node 4"
    assert reachable(graph).tolist() == [True, True, False, True, True, True]


def test_depth_of_leaves() -> None:
    assert parse_vm("a var-x").depth() == 0
    assert parse_vm("a var-x\nb neg a\nc const 1").depth() == 0  # of the root, whatever stands beside it


@given(graphs())
def test_properties_by_definition(graph: Graph) -> None:
    def depth(node: int) -> int:
        return max((1 + depth(operand) for operand in graph.operands(node)), default=0)

    def below(node: int) -> set[int]:
        return {node}.union(*(below(operand) for operand in graph.operands(node)))

    everything = [operand for node in range(len(graph)) for operand in graph.operands(node)]
    assert graph.use_counts.tolist() == [everything.count(node) for node in range(len(graph))]
    assert graph.operation_count == sum(graph.record(node) not in (CONST, VAR) for node in range(len(graph)))
    assert graph.depth() == depth(graph.root)
    assert set(np.flatnonzero(reachable(graph)).tolist()) == below(graph.root)


@given(graphs())
def test_networkx_tells_the_whole_graph(graph: Graph) -> None:
    drawing: Any = graph.to_networkx()
    assert list(drawing.nodes) == list(range(len(graph)))
    for node, fields in drawing.nodes(data=True):
        op = BY_NAME[fields["op"]]
        assert op is graph.record(node)
        assert (fields["name"], fields["line"]) == (graph.names[node], graph.lines[node])
        assert fields.get("variable") == graph.variables.get(node)
        assert ("value" in fields) == (op is CONST)
        operands: dict[int, int] = {}
        for operand, _, positions in drawing.in_edges(node, data="positions"):
            operands |= dict.fromkeys(positions, operand)
        assert tuple(operands[i] for i in range(op.arity)) == graph.operands(node)
        assert len(operands) == op.arity
