"""The SSA graph: the form of a program that passes rewrite.

A graph is a handful of typed arrays with one entry per node, in topological order, the root last. It is
immutable: its arrays are copied into read-only memory. `GraphBuilder` makes new graphs. `verify` checks the
invariants and remembers that they hold; functions that take graphs from callers outside absint run it first,
and the other methods assume a valid graph.

| field       | type           | meaning                                                            |
|-------------|----------------|--------------------------------------------------------------------|
| `op`        | uint8[n]       | index into the op table                                            |
| `args`      | int32[n, 2]    | operands, each an earlier node; -1 for none                        |
| `constants` | float64[n]     | the value of a `const` node, before rounding; 0 elsewhere          |
| `variables` | {node: name}   | the variable of each `var` node                                    |
| `names`     | (str or None)… | the name in the source, None for a node that a pass made           |
| `lines`     | int32[n]       | the line in the source that a node comes from, 0 for none          |
| `logic`     | Logic or None  | operand lists and bands of predicate nodes; None: all nodes are real |

Real nodes compute numbers; predicate nodes compute truth values. A program is *lowered* if its root is a
predicate, which then means `f < 0`. The only atomic predicate is the closed band `lo <= v <= hi` of a real
node `v`: NaN lies outside every band, and -0 equals +0.
"""

from __future__ import annotations

import math
import struct
from array import array as typed_array
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from absint.base.arguments import number, whole
from absint.base.errors import GraphError, shown
from absint.base.memo import cached_property
from absint.ir.invariants import BYTE_ORDER_MARK as BYTE_ORDER_MARK
from absint.ir.invariants import NO_NAME_BEGINS_WITH as NO_NAME_BEGINS_WITH
from absint.ir.invariants import check, freeze_array, freeze_fields
from absint.ops.table import ALL, ANY, BAND, CONST, RECORDS, VAR, Op, Predicate
from absint.ops.table import FIRST_PREDICATE as FIRST_PREDICATE

if TYPE_CHECKING:
    import networkx

AXES = ("x", "y", "z")
"""The variables that an image samples, in order: its other variables need a value."""


@dataclass(frozen=True, eq=False)
class Logic:
    """The parts of predicate nodes that `args` does not hold; a band's real operand is in `args`.

    `starts`: int32[n+1] and `items`: int32[m]. Node i has the operands `items[starts[i]:starts[i+1]]`: none,
    unless the node is `all` or `any`. `bands`: float64[n, 2], a band's lower and upper end; 0 for other
    nodes. An infinite end bounds nothing, but every band excludes NaN.
    """

    starts: NDArray[np.int32]
    items: NDArray[np.int32]
    bands: NDArray[np.float64]

    def __post_init__(self) -> None:
        freeze_fields(self, starts=np.int32, items=np.int32, bands=np.float64)

    def __reduce__(self) -> tuple[Any, ...]:
        return Logic, (self.starts, self.items, self.bands)  # freezes again


@dataclass(frozen=True, eq=False)
class Graph:
    """An immutable SSA graph with one root, its last node. Compared by identity.

    Arrays, `variables` and `names` are copied, so that the caller cannot change the graph through them.
    """

    op: NDArray[np.uint8]
    args: NDArray[np.int32]
    constants: NDArray[np.float64]
    variables: Mapping[int, str]
    names: tuple[str | None, ...]
    lines: NDArray[np.int32]
    logic: Logic | None = None

    def __post_init__(self) -> None:
        freeze_fields(self, op=np.uint8, args=np.int32, constants=np.float64, lines=np.int32)
        if isinstance(self.variables, Mapping):
            object.__setattr__(self, "variables", MappingProxyType(dict(self.variables)))
        if isinstance(self.names, list):
            object.__setattr__(self, "names", tuple(self.names))

    def __reduce__(self) -> tuple[Any, ...]:
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return Graph, tuple((given | {"variables": dict(self.variables)}).values())  # freezes again

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
        """Number of real operations: all nodes except constants, variables and predicates."""
        real = self.op < FIRST_PREDICATE
        return int(np.count_nonzero(real & (self.op != CONST.code) & (self.op != VAR.code)))

    @cached_property
    def live(self) -> NDArray[np.bool_]:
        """bool[n]: whether the root depends on each node. Read-only."""
        if self.use_counts[:-1].all():  # who follows users arrives at the root
            return freeze_array(np.ones(len(self), bool))
        live = [False] * len(self)
        live[self.root] = True
        code, (a, b), lowered = self.op.tolist(), self.args.T.tolist(), self.logic is not None
        for node in range(self.root, -1, -1):
            if live[node]:
                if a[node] >= 0:
                    live[a[node]] = True
                if b[node] >= 0:
                    live[b[node]] = True
                if lowered and code[node] >= FIRST_PREDICATE:
                    for operand in self.operands(node):
                        live[operand] = True
        return freeze_array(np.array(live))

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
        """A node's name in messages: its source line if it has one, else its number."""
        line = int(self.lines[node])
        return f"line {line}" if line else f"node {node}"

    def verify(self) -> None:
        """Check every invariant, once. Raises `GraphError`, which names the first node that breaks one."""
        if _VERIFIED not in vars(self):
            if not isinstance(self.logic, Logic | None):
                raise GraphError(f"logic is a {type(self.logic).__name__}, not None or a Logic")
            check(self)
            mark_verified(self)

    def depth(self) -> int:
        """Number of operations on the longest path from a leaf to the root."""
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
        """A directed graph with edges from operands to users, for drawing and study; too slow for inner
        loops.

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


_VERIFIED = "_verified"
"""The attribute that marks a graph as valid. Graphs made from it do not inherit the mark."""


def constant_key(value: float) -> bytes:
    """The identity of a constant: its bits; all NaNs are one constant."""
    return struct.pack("<d", math.nan if value != value else value)


def constant_keys(values: NDArray[np.float64]) -> list[bytes]:
    """`constant_key` of each value."""
    one_nan = np.where(np.isnan(values), math.nan, values)
    return one_nan.astype("<f8").view("V8").tolist()  # type: ignore[no-any-return]  # NumPy types tolist() as Any


class GraphBuilder:
    """Builds a graph node by node.

    `constant`, `variable` and `apply` intern: they return the equal node that one of them or `copy` made
    before, if there is one. `copy`, `append` and `append_variable` always make a new node.
    """

    def __init__(self) -> None:
        self._op: list[int] = []
        self._first: list[int] = []
        self._second: list[int] = []
        self._constants: list[float] = []
        self._variables: dict[int, str] = {}
        self._names: list[str | None] = []
        self._lines: list[int] = []
        self._interned: dict[object, int] = {}
        self.origins: list[int] = []
        """For each node that `copy` made, the node that it copies; -1 for all others."""

    def __len__(self) -> int:
        return len(self._op)

    def append(
        self, code: int, a: int = -1, b: int = -1, value: float = 0.0, name: str | None = None, line: int = 0
    ) -> int:
        """Add a new node, which is no variable, and return its number."""
        self._op.append(code)
        self._first.append(a)
        self._second.append(b)
        self._constants.append(value)
        self._names.append(name)
        self._lines.append(line)
        self.origins.append(-1)
        return len(self._op) - 1

    def append_variable(self, variable: str, name: str | None = None, line: int = 0) -> int:
        """Add a new variable node and return its number."""
        node = self.append(VAR.code, name=name, line=line)
        self._variables[node] = variable
        return node

    def copy(self, graph: Graph, node: int, a: int = -1, b: int = -1) -> int:
        """Add a copy of `graph`'s node with new operands; its constant, variable, name and line are kept.

        Raises `GraphError` for a node that the graph does not have.
        """
        try:
            code, value = graph.rows[node][0], graph.values[node]
            name, line = graph.names[node], graph.line_list[node]
            variable = graph.variables[node] if code == VAR.code else None
            key: object = (code, constant_key(value)) if code == CONST.code else (code, a, b)
        except (AttributeError, LookupError, TypeError, ValueError, struct.error):
            raise GraphError(f"copy: {shown(graph)} has no node {shown(node)}") from None
        new = self.append(code, a, b, value, name, line)
        if variable is not None:
            self._variables[new] = variable
            key = (code, variable)
        self._interned.setdefault(key, new)
        self.origins[new] = node
        return new

    def constant(self, value: float, line: int = 0) -> int:
        """The node of a constant. Raises `GraphError` if `value` is not a real number."""
        value = number(value, "constant", GraphError)
        return self._intern((CONST.code, constant_key(value)), CONST.code, -1, -1, value, line)

    def variable(self, name: str) -> int:
        """The node of a variable."""
        node = self._intern((VAR.code, name), VAR.code, -1, -1, 0.0, 0)
        self._variables[node] = name
        return node

    def apply(self, op: Op, *operands: int, line: int = 0) -> int:
        """The node of an operation on earlier nodes. Raises `GraphError` for a wrong number of operands."""
        if not isinstance(op, Op) or len(operands) != op.arity:
            takes = (
                f"{op.name} takes {op.arity} operands"
                if isinstance(op, Op)
                else f"{shown(op)} is not an operation"
            )
            raise GraphError(f"apply: {takes}, got {len(operands)}")
        a, b = (*operands, -1, -1)[:2]
        return self._intern((op.code, a, b), op.code, a, b, 0.0, line)

    def _intern(self, key: object, code: int, a: int, b: int, value: float, line: int) -> int:
        node = self._interned.get(key)
        if node is None:
            node = self._interned[key] = self.append(code, a, b, value, None, line)
        return node

    def build(self, root: int | None = None) -> Graph:
        """The graph of all nodes up to and including `root` (default: the last node).

        Raises `GraphError` if `root` does not exist or a node's field is not a number. Operands are not
        checked; `Graph.verify` does that.
        """
        count = len(self._op)
        n = count if root is None else whole(root, "root", GraphError, 0) + 1
        if n > count:
            raise GraphError(f"root {shown(root)}: there are {count} nodes")
        args = np.empty((n, 2), np.int32)
        args[:, 0] = _column("operands", "i", self._first[:n])
        args[:, 1] = _column("operands", "i", self._second[:n])
        return Graph(
            op=_column("codes", "B", self._op[:n]),
            args=args,
            constants=_column("constants", "d", self._constants[:n]),
            variables={node: name for node, name in self._variables.items() if node < n},
            names=tuple(self._names[:n]),
            lines=_column("lines", "i", self._lines[:n]),
        )


def _column(what: str, code: str, values: list[Any]) -> NDArray[Any]:
    """An array of `values`. `code`: its type, as `array.array` names it. Raises `GraphError` for a value that
    the type cannot hold unchanged; `what` names the values in the message.
    """
    try:
        return np.asarray(typed_array(code, values))
    except (TypeError, ValueError, OverflowError) as error:
        raise GraphError(f"{what}: {error}") from None


def check_graph(graph: object) -> None:
    """Raises `GraphError` unless `graph` is a valid graph."""
    if not isinstance(graph, Graph):
        has_one = getattr(graph, "graph", None)
        hint = "" if has_one is None else f": give its graph{'()' if callable(has_one) else ''}"
        raise GraphError(f"expected a graph, not a {type(graph).__name__}{hint}")
    graph.verify()


def mark_verified(graph: Graph) -> Graph:
    """Mark a graph as valid, so that `verify` does not check it. Returns the graph. For makers that guarantee
    every invariant.
    """
    vars(graph)[_VERIFIED] = True
    return graph


def reachable(graph: Graph) -> NDArray[np.bool_]:
    """bool[n]: whether the root depends on each node. Read-only."""
    return graph.live
