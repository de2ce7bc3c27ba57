"""The SSA graph: what a program is while it is being optimised.

A graph is a handful of typed arrays, one entry per node, in topological order with the root last. It is
immutable: it copies what it is made of, into memory that cannot be written. `GraphBuilder` makes new ones.
`verify` states the invariants; whoever takes graphs from outside calls it, and a graph remembers that it is
sound. Its other methods suppose that it is.

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
from absint.ir.invariants import check, freeze
from absint.ops.table import ALL, ANY, BAND, CONST, RECORDS, VAR, Op, Predicate
from absint.ops.table import FIRST_PREDICATE as FIRST_PREDICATE

if TYPE_CHECKING:
    import networkx

AXES = ("x", "y", "z")
"""The variables that an image has positions for."""


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

    def __post_init__(self) -> None:
        freeze(self, starts=np.int32, items=np.int32, bands=np.float64)

    def __reduce__(self) -> tuple[Any, ...]:
        return Logic, (self.starts, self.items, self.bands)  # freezes again


@dataclass(frozen=True, eq=False)
class Graph:
    """An immutable SSA graph with one root, its last node. Compared by identity.

    Arrays, `variables` and `names` are copied, so that nothing that the caller still has changes the graph.
    """

    op: NDArray[np.uint8]
    args: NDArray[np.int32]
    constants: NDArray[np.float64]
    variables: Mapping[int, str]
    names: tuple[str | None, ...]
    lines: NDArray[np.int32]
    logic: Logic | None = None

    def __post_init__(self) -> None:
        freeze(self, op=np.uint8, args=np.int32, constants=np.float64, lines=np.int32)
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
        """Check every invariant, once. Raises `GraphError` naming the first node that breaks one."""
        if _SOUND not in vars(self):
            if not isinstance(self.logic, Logic | None):
                raise GraphError(f"logic is a {type(self.logic).__name__}, not None or a Logic")
            check(self)
            vouch_for(self)

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


_SOUND = "_sound"
"""The attribute of a graph that is known to be sound; what is made from it does not inherit it."""


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
        """Add `graph`'s node with new operands, keeping its constant, variable, name and line.

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
        self._shared.setdefault(key, new)
        self.origins[new] = node
        return new

    def constant(self, value: float, line: int = 0) -> int:
        """The node of a constant. Raises `GraphError` for what is no real number."""
        value = number(value, "constant", GraphError)
        return self._share((CONST.code, constant_key(value)), CONST.code, -1, -1, value, line)

    def variable(self, name: str) -> int:
        """The node of a variable."""
        node = self._share((VAR.code, name), VAR.code, -1, -1, 0.0, 0)
        self._variables[node] = name
        return node

    def apply(self, op: Op, *operands: int, line: int = 0) -> int:
        """The node of an operation on earlier nodes. Raises `GraphError` for another number of operands."""
        if not isinstance(op, Op) or len(operands) != op.arity:
            takes = f"{op.name} takes {op.arity} operands" if isinstance(op, Op) else f"{shown(op)} is none"
            raise GraphError(f"apply: {takes}, got {len(operands)}")
        a, b = (*operands, -1, -1)[:2]
        return self._share((op.code, a, b), op.code, a, b, 0.0, line)

    def _share(self, key: object, code: int, a: int, b: int, value: float, line: int) -> int:
        node = self._shared.get(key)
        if node is None:
            node = self._shared[key] = self.append(code, a, b, value, None, line)
        return node

    def build(self, root: int | None = None) -> Graph:
        """The graph of everything up to `root` (default: the last node), which becomes its last node.

        Raises `GraphError` for a root that there is not, and for nodes that hold what is no number. Operands
        are not looked at: see `Graph.verify`.
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
    """Numbers as an array of `array.array`'s type `code`, which takes no number that it would change."""
    try:
        return np.asarray(typed_array(code, values))
    except (TypeError, ValueError, OverflowError) as error:
        raise GraphError(f"{what}: {error}") from None


def check_graph(graph: object) -> None:
    """Raises `GraphError` for what is no graph, and for one that is not sound."""
    if not isinstance(graph, Graph):
        has_one = getattr(graph, "graph", None)
        hint = "" if has_one is None else f": give its graph{'()' if callable(has_one) else ''}"
        raise GraphError(f"expected a graph, not a {type(graph).__name__}{hint}")
    graph.verify()


def vouch_for(graph: Graph) -> Graph:
    """The graph, of which its maker knows that it is sound: `verify` will not look at it."""
    vars(graph)[_SOUND] = True
    return graph


def reachable(graph: Graph) -> NDArray[np.bool_]:
    """bool[n]: whether the root depends on each node. Read-only."""
    return graph.live
