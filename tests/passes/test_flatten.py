"""The pass `flatten`: lists of trees."""

from __future__ import annotations

import numpy as np
import pytest

from absint.ir.graph import Graph
from absint.ops.table import ALL, ANY
from absint.passes.flatten import Flatten
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import parse_pipeline
from tests.support.lowered import (
    answers,
    applied,
    lowered_program,
    points_around,
    random_lowered,
    settled,
    shape,
)
from tests.support.operands import scaled

X = "x var-x; y var-y; a band x 0 1; b band y 0 1; c band x 2 3; d band y 2 3; e band x 4 5; f band y 4 5"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p all a b; q all p c", "all(x 0.0 1.0, x 2.0 3.0, y 0.0 1.0)"),
        ("p any a b; q any p c", "any(x 0.0 1.0, x 2.0 3.0, y 0.0 1.0)"),
        ("p any a b; q all p c", "all(any(x 0.0 1.0, y 0.0 1.0), x 2.0 3.0)"),
        ("p all a b; q all c d; r all p q", "all(x 0.0 1.0, x 2.0 3.0, y 0.0 1.0, y 2.0 3.0)"),
        ("p all a b; q all p c; r all q d", "all(x 0.0 1.0, x 2.0 3.0, y 0.0 1.0, y 2.0 3.0)"),
        # an operand twice
        ("p all a b; q all p a", "all(x 0.0 1.0, y 0.0 1.0)"),
        # short ones are copied into several users
        ("p all a b; q all p c; r all p d; s any q r",
         "any(all(x 0.0 1.0, x 2.0 3.0, y 0.0 1.0), all(x 0.0 1.0, y 0.0 1.0, y 2.0 3.0))"),
    ],
)  # fmt: skip
def test_lists_of_trees(text: str, expected: str) -> None:
    assert shape(applied("flatten", lowered_program(f"{X}; {text}"))) == expected


def test_long_shared_lists_stay_shared() -> None:
    """They are nodes of their own; the option says what is long."""
    text = f"{X}; p all a b c d e; q all p f; g band x 6 7; r all p g; s any q r"
    kept, copied = (applied(pass_, lowered_program(text)) for pass_ in ("flatten", "flatten{copies=5}"))
    assert kept.graph is lowered_program(text).graph or count(kept.graph, "all") == 3
    assert count(copied.graph, "all") == 2
    assert parse_pipeline("flatten{copies=5}") == [Flatten(copies=5)]


def count(graph: Graph, kind: str) -> int:
    return sum(graph.record(node).name == kind for node in range(len(graph)))


def test_a_constant_or_one_band_stays() -> None:
    for text in ("x var-x; b band x 0 1", "p true", "p false"):
        start = lowered_program(text)
        assert applied("flatten", start) is start


def test_deep_chains_take_no_recursion() -> None:
    """10,000 levels of `all`, and as many that alternate."""
    bands = [f"b{i} band x {i} 1e9" for i in range(10_000)]
    for kinds in (("all",), ("all", "any")):
        lists = [f"p1 {kinds[-1]} b0 b1"] + [
            f"p{i} {kinds[i % len(kinds)]} p{i - 1} b{i}" for i in range(2, 10_000)
        ]
        start = lowered_program("; ".join(["x var-x", *bands, *lists]))
        after = applied("flatten", start)
        assert len(after.graph) == (10_002 if len(kinds) == 1 else len(start.graph))
        assert settled("flatten", after)


def test_nothing_is_left_to_dissolve() -> None:
    """Below a list no list of its kind that is short or has one user; the answers are the same."""
    for seed in range(scaled(150)):
        rng = np.random.default_rng(seed)
        start, _ = random_lowered(rng)
        after = applied("flatten", start)
        points = points_around(rng, start, start.graph)
        assert (answers(start, points) == answers(after, points)).all(), seed
        graph = after.graph
        for node in range(len(graph)):
            for operand in graph.operands(node):
                if graph.record(node) in (ALL, ANY) and graph.record(operand) is graph.record(node):
                    assert graph.use_counts[operand] > 1 and len(graph.operands(operand)) > Flatten.copies
        assert settled("flatten", after), seed


def test_uses_are_counted() -> None:
    start = lowered_program(f"{X}; p all a b; q all p c; r any q d; s any r e")
    _, rewrites = parse_pipeline("flatten")[0].run(start, Analyses())
    assert {rewrite.rule: uses for rewrite, uses in rewrites.items()} == {"all-of-all": 1, "any-of-any": 1}
