"""The SSA graph: what a program is while it is being optimised.

A graph is a handful of typed arrays, one entry per node, in topological order with the root last. It is
immutable; `GraphBuilder` makes new ones. `verify` states the invariants.

| field       | type           | meaning                                                            |
|-------------|----------------|--------------------------------------------------------------------|
| `op`        | uint8[n]       | index into the op table                                            |
| `args`      | int32[n, 2]    | operands, each an earlier node; -1 for none                        |
| `constants` | float64[n]     | the value of a `const` node, before rounding; 0 elsewhere          |
| `variables` | {node: name}   | the variable of each `var` node                                    |
| `names`     | (str or None)… | the name in the source, None for a node that a pass made           |
| `lines`     | int32[n]       | the line in the source that a node comes from, 0 for none          |
| `logic`     | Logic or None  | operand lists and bands of predicate nodes; None: all nodes are real |

Real nodes compute numbers and predicate nodes truth values. A program is *lowered* when its root is a
predicate, which then stands for `f < 0`. The one atom is the closed band `lo <= v <= hi` of a real node `v`:
NaN is outside, and both zeros count as one number.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from absint.errors import GraphError
from absint.ops.table import ALL, ANY, BAND, CONST, OPS, RECORDS, VAR, Op, Predicate
from absint.ops.table import FIRST_PREDICATE as FIRST_PREDICATE

if TYPE_CHECKING:
    import networkx

AXES = ("x", "y", "z")
"""The variables that an image has positions for."""

BYTE_ORDER_MARK = "\ufeff"
NO_NAME_BEGINS_WITH = "#" + BYTE_ORDER_MARK
"""In `.vm` text the one begins a comment, the other is dropped from the beginning of a file."""


@dataclass(frozen=True, eq=False)
class Logic:
    """What predicate nodes have beside `args`; a `band` has its real operand there.

    `starts`: int32[n+1] and `items`: int32[m], the operands of node i, `items[starts[i]:starts[i+1]]`, empty
    unless it is `all` or `any`. `bands`: float64[n, 2], lower and upper end of a `band`, else 0; an end that
    is infinite excludes NaN only.
    """

    starts: NDArray[np.int32]
    items: NDArray[np.int32]
    bands: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Graph:
    """An immutable SSA graph with one root, its last node. Compared by identity."""

    op: NDArray[np.uint8]
    args: NDArray[np.int32]
    constants: NDArray[np.float64]
    variables: Mapping[int, str]
    names: tuple[str | None, ...]
    lines: NDArray[np.int32]
    logic: Logic | None = None

    def __len__(self) -> int:
        return len(self.op)

    @property
    def lowered(self) -> bool:
        """Whether the root is a predicate."""
        return int(self.op[-1]) >= FIRST_PREDICATE

    @property
    def root(self) -> int:
        """The node whose value is the program's."""
        return len(self.op) - 1

    @cached_property
    def rows(self) -> list[tuple[int, int, int]]:
        """(op code, first operand, second operand) per node, as Python numbers for loops over nodes."""
        return list(zip(self.op.tolist(), self.args[:, 0].tolist(), self.args[:, 1].tolist(), strict=True))

    @cached_property
    def values(self) -> list[float]:
        """`constants` as Python numbers."""
        return self.constants.tolist()  # type: ignore[no-any-return]  # NumPy types tolist() as Any

    @cached_property
    def line_list(self) -> list[int]:
        """`lines` as Python numbers."""
        return self.lines.tolist()  # type: ignore[no-any-return]  # NumPy types tolist() as Any

    @cached_property
    def use_counts(self) -> NDArray[np.int64]:
        """int64[n]: how many operands refer to each node."""
        used = self.args[self.args >= 0]
        if self.logic is not None:
            used = np.concatenate([used, self.logic.items])
        return np.bincount(used, minlength=len(self))

    @cached_property
    def operation_count(self) -> int:
        """How many nodes compute a number: all but constants, variables and predicates."""
        real = self.op < FIRST_PREDICATE
        return int(np.count_nonzero(real & (self.op != CONST.code) & (self.op != VAR.code)))

    @cached_property
    def live(self) -> NDArray[np.bool_]:
        """bool[n]: whether the root depends on each node. Read-only."""
        live = [False] * len(self)
        live[self.root] = True
        rows, lowered = self.rows, self.logic is not None
        for node in range(self.root, -1, -1):
            if live[node]:
                code, a, b = rows[node]
                if a >= 0:
                    live[a] = True
                if b >= 0:
                    live[b] = True
                if lowered and code >= FIRST_PREDICATE:
                    for operand in self.operands(node):
                        live[operand] = True
        found = np.array(live)
        found.flags.writeable = False
        return found

    def operands(self, node: int) -> tuple[int, ...]:
        """The operands of a node."""
        code, a, b = self.rows[node]
        if code in (ALL.code, ANY.code):
            assert self.logic is not None
            return tuple(self.logic.items[self.logic.starts[node] : self.logic.starts[node + 1]].tolist())
        return tuple(operand for operand in (a, b) if operand >= 0)

    def record(self, node: int) -> Op | Predicate:
        """The op table's record of a node."""
        return RECORDS[self.rows[node][0]]

    def label(self, node: int) -> str:
        """How messages call a node: its source line if it has one, else its number."""
        line = int(self.lines[node])
        return f"line {line}" if line else f"node {node}"

    def verify(self) -> None:
        """Check every invariant. Raises `GraphError` naming the first node that breaks one."""
        n = len(self.op)
        if n == 0:
            raise GraphError("a graph needs at least one node")
        for field, shape, dtype in (
            ("op", (n,), np.uint8),
            ("args", (n, 2), np.int32),
            ("constants", (n,), np.float64),
            ("lines", (n,), np.int32),
        ):
            array = getattr(self, field)
            if array.shape != shape or array.dtype != dtype:
                raise GraphError(f"{field} is {array.dtype}{array.shape}, not {np.dtype(dtype)}{shape}")
        if len(self.names) != n:
            raise GraphError(f"{len(self.names)} names for {n} nodes")
        self._verify_names()
        if self.logic is not None:
            self._verify_logic(self.logic)
        for node, (code, a, b) in enumerate(self.rows):
            if code not in RECORDS or (self.logic is None and code >= FIRST_PREDICATE):
                raise GraphError(f"node {node}: no operation has the code {code}")
            if code >= FIRST_PREDICATE:
                continue
            op = OPS[code]
            for position, operand in enumerate((a, b)):
                expected = position < op.arity
                if expected and not 0 <= operand < node:
                    raise GraphError(f"node {node} ({op.name}): operand {operand} is not an earlier node")
                if expected and self.rows[operand][0] >= FIRST_PREDICATE:
                    raise GraphError(f"node {node} ({op.name}): operand {operand} is not a real node")
                if not expected and operand != -1:
                    raise GraphError(f"node {node} ({op.name}): has an operand {operand} too many")
            if (op is VAR) != (node in self.variables):
                raise GraphError(f"node {node} ({op.name}): a variable and its name must go together")
            if op is not CONST and self.values[node] != 0:
                raise GraphError(f"node {node} ({op.name}): has a value, but only a constant has one")

    def _verify_logic(self, logic: Logic) -> None:
        """The invariants of predicate nodes."""
        n = len(self)
        if logic.starts.shape != (n + 1,) or logic.bands.shape != (n, 2):
            raise GraphError("the lists or bands of the predicates are not one per node")
        if logic.starts[0] != 0 or logic.starts[-1] != len(logic.items) or (np.diff(logic.starts) < 0).any():
            raise GraphError("the operand lists of the predicates do not follow each other")
        for node, (code, a, b) in enumerate(self.rows):
            kind = RECORDS.get(code)
            items = logic.items[logic.starts[node] : logic.starts[node + 1]].tolist()
            lower, upper = logic.bands[node].tolist()
            if kind in (ALL, ANY):
                if len(items) < 2 or len(set(items)) < len(items):
                    raise GraphError(f"node {node} ({kind.name}): needs two or more operands, all different")
                if not all(0 <= item < node and self.rows[item][0] >= FIRST_PREDICATE for item in items):
                    raise GraphError(
                        f"node {node} ({kind.name}): has an operand that is no earlier predicate"
                    )
            elif items:
                raise GraphError(f"node {node}: has an operand list, but only all and any have one")
            if kind is BAND:
                if not 0 <= a < node or b != -1 or self.rows[a][0] >= FIRST_PREDICATE:
                    raise GraphError(f"node {node} (band): operand {a} is not an earlier real node")
                if not lower <= upper:
                    raise GraphError(f"node {node} (band): from {lower!r} to {upper!r} holds nothing")
            elif code >= FIRST_PREDICATE and (a, b) != (-1, -1):
                raise GraphError(f"node {node}: has an operand that its kind does not take")
            elif (lower, upper) != (0.0, 0.0):
                raise GraphError(f"node {node}: has the ends of a band, but is none")

    def _verify_names(self) -> None:
        """Names and variables are tokens of the text format, so that a graph that is sound can be written."""
        given = [name for name in self.names if name is not None]
        if len(set(given)) != len(given):
            raise GraphError("two nodes have the same name")
        for name in given:
            if not _is_token(name) or name[0] in NO_NAME_BEGINS_WITH:
                raise GraphError(f"{name!r} cannot name a node: it is not a word, or begins a comment")
        for node, variable in self.variables.items():
            if not 0 <= node < len(self):
                raise GraphError(f"variable {variable!r} belongs to node {node}, which does not exist")
            if not _is_token(variable):
                raise GraphError(f"{variable!r} cannot name a variable: it is not a word")

    def depth(self) -> int:
        """Operations on the longest path from a leaf to the root."""
        depths: list[int] = []
        for node, (code, a, b) in enumerate(self.rows):
            if b >= 0:
                depths.append(1 + max(depths[a], depths[b]))
            elif a >= 0:
                depths.append(1 + depths[a])
            else:
                operands = self.operands(node) if code >= FIRST_PREDICATE else ()
                depths.append(1 + max(depths[operand] for operand in operands) if operands else 0)
        return depths[-1]

    def to_networkx(self) -> networkx.DiGraph[int]:
        """A directed graph from operands to users, for drawing and study; hot code never walks it.

        Nodes carry `op`, `name`, `line`, and `value` or `variable`; edges carry their operand `positions`.
        """
        import networkx

        drawing: networkx.DiGraph[int] = networkx.DiGraph()
        for node, (code, _, _) in enumerate(self.rows):
            drawing.add_node(node, op=RECORDS[code].name, name=self.names[node], line=int(self.lines[node]))
            if code == CONST.code:
                drawing.nodes[node]["value"] = self.values[node]
            if code == VAR.code:
                drawing.nodes[node]["variable"] = self.variables[node]
            if code == BAND.code:
                assert self.logic is not None
                drawing.nodes[node]["band"] = tuple(self.logic.bands[node].tolist())
            for position, operand in enumerate(self.operands(node)):
                if drawing.has_edge(operand, node):
                    drawing.edges[operand, node]["positions"] += (position,)
                else:
                    drawing.add_edge(operand, node, positions=(position,))
        return drawing


def _is_token(word: str) -> bool:
    """Not empty, without blanks or line breaks, and text that a file can hold."""
    return word.split() == [word] and (word.isascii() or not any("\ud800" <= c <= "\udfff" for c in word))


def constant_key(value: float) -> bytes | str:
    """What tells constants apart: their bits, except that there is one NaN."""
    return "nan" if value != value else struct.pack("<d", value)


class GraphBuilder:
    """Makes graphs. `constant`, `variable` and `apply` return a node that is there already, made by them or
    by `copy`; `copy` and `append` always make one.
    """

    def __init__(self) -> None:
        self._op: list[int] = []
        self._first: list[int] = []
        self._second: list[int] = []
        self._constants: list[float] = []
        self._variables: dict[int, str] = {}
        self._names: list[str | None] = []
        self._lines: list[int] = []
        self._shared: dict[object, int] = {}
        self.origins: list[int] = []
        """For each node that `copy` made, the node that it is a copy of; -1 for the others."""

    def __len__(self) -> int:
        return len(self._op)

    def append(
        self, code: int, a: int = -1, b: int = -1, value: float = 0.0, name: str | None = None, line: int = 0
    ) -> int:
        """Add a node of its own and return its number; for a variable see `append_variable`."""
        self._op.append(code)
        self._first.append(a)
        self._second.append(b)
        self._constants.append(value)
        self._names.append(name)
        self._lines.append(line)
        self.origins.append(-1)
        return len(self._op) - 1

    def append_variable(self, variable: str, name: str | None = None, line: int = 0) -> int:
        """Add a variable node of its own."""
        node = self.append(VAR.code, name=name, line=line)
        self._variables[node] = variable
        return node

    def copy(self, graph: Graph, node: int, a: int = -1, b: int = -1) -> int:
        """Add `graph`'s node with new operands, keeping its constant, variable, name and line."""
        code, value = graph.rows[node][0], graph.values[node]
        new = self.append(code, a, b, value, graph.names[node], graph.line_list[node])
        key: object = (code, a, b)
        if code == CONST.code:
            key = (code, constant_key(value))
        elif code == VAR.code:
            self._variables[new] = graph.variables[node]
            key = (code, graph.variables[node])
        self._shared.setdefault(key, new)
        self.origins[new] = node
        return new

    def constant(self, value: float, line: int = 0) -> int:
        """The node of a constant."""
        return self._share((CONST.code, constant_key(value)), CONST.code, -1, -1, float(value), line)

    def variable(self, name: str) -> int:
        """The node of a variable."""
        node = self._share((VAR.code, name), VAR.code, -1, -1, 0.0, 0)
        self._variables[node] = name
        return node

    def apply(self, op: Op, *operands: int, line: int = 0) -> int:
        """The node of an operation on earlier nodes."""
        assert len(operands) == op.arity, f"{op.name} takes {op.arity} operands, got {len(operands)}"
        a, b = (*operands, -1, -1)[:2]
        return self._share((op.code, a, b), op.code, a, b, 0.0, line)

    def _share(self, key: object, code: int, a: int, b: int, value: float, line: int) -> int:
        node = self._shared.get(key)
        if node is None:
            node = self._shared[key] = self.append(code, a, b, value, None, line)
        return node

    def build(self, root: int | None = None) -> Graph:
        """The graph of everything up to `root` (default: the last node), which becomes its last node."""
        n = len(self._op) if root is None else root + 1
        args = np.empty((n, 2), np.int32)
        args[:, 0] = self._first[:n]
        args[:, 1] = self._second[:n]
        graph = Graph(
            op=np.array(self._op[:n], np.uint8),
            args=args,
            constants=np.array(self._constants[:n], np.float64),
            variables={node: name for node, name in self._variables.items() if node < n},
            names=tuple(self._names[:n]),
            lines=np.array(self._lines[:n], np.int32),
        )
        for array in (graph.op, graph.args, graph.constants, graph.lines):
            array.flags.writeable = False
        return graph


def selected(graph: Graph, nodes: NDArray[np.int64]) -> Graph:
    """The real graph of some nodes, in this order, with the last as its root; operands are among them."""
    number = np.full(len(graph) + 1, -1, np.int32)  # the last entry stands for the operand -1
    number[nodes] = np.arange(len(nodes), dtype=np.int32)
    made = Graph(
        op=graph.op[nodes],
        args=number[graph.args[nodes]],
        constants=graph.constants[nodes],
        variables={int(number[node]): name for node, name in graph.variables.items() if number[node] >= 0},
        names=tuple([graph.names[node] for node in nodes.tolist()]),
        lines=graph.lines[nodes],
    )
    for array in (made.op, made.args, made.constants, made.lines):
        array.flags.writeable = False
    return made


def reachable(graph: Graph) -> NDArray[np.bool_]:
    """bool[n]: whether the root depends on each node. Read-only."""
    return graph.live
