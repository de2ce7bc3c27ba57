"""Random graphs as hypothesis draws them: duplicates, dead nodes, names, lines, all that a file can hold."""

from __future__ import annotations

import math

from hypothesis import strategies as st

from absint.ir.graph import NO_NAME_BEGINS_WITH, Graph, GraphBuilder
from absint.ops.table import CONST, OPS, VAR

OPERATIONS = [op for op in OPS if not op.is_leaf]
BASIC = [
    op for op in OPERATIONS if op.name in ("neg", "abs", "sqrt", "square", "add", "sub", "mul", "min", "max")
]
CONSTANTS = st.floats() | st.sampled_from([0.0, -0.0, 1.0, math.inf, math.nan])
VARIABLES = st.sampled_from(["x", "y", "z"])

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5).filter(
    lambda word: word.split() == [word] and word[0] not in NO_NAME_BEGINS_WITH
)
"""Names that a file can hold; some of those that the writer would choose are among them."""
NAMES = st.none() | words | st.integers(0, 20).map("_{:x}".format)


@st.composite
def graphs(draw: st.DrawFn, max_size: int = 20, variables: st.SearchStrategy[str] = VARIABLES) -> Graph:
    """A graph of 1 to `max_size` nodes."""
    builder = GraphBuilder()
    for node in range(draw(st.integers(1, max_size))):
        name = draw(NAMES)
        if name in builder._names:
            name = None
        op = draw(st.sampled_from([CONST, VAR, *OPERATIONS] if node else [CONST, VAR]))
        if op is VAR:
            builder.append_variable(draw(variables), name, node)
        else:
            a, b = (draw(st.integers(0, node - 1)) if i < op.arity else -1 for i in range(2))
            builder.append(op.code, a, b, draw(CONSTANTS) if op is CONST else 0.0, name, node)
    return builder.build()


def chain(length: int, opcodes: tuple[str, ...] = ("neg", "abs", "sqrt")) -> str:
    """A program in which each instruction uses the one before it."""
    lines = ["v0 var-x"]
    lines += [f"v{i} {opcodes[i % len(opcodes)]} v{i - 1}" for i in range(1, length)]
    return "\n".join(lines) + "\n"
