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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from absint.arguments import number, whole
from absint.errors import GraphError, shown
from absint.ops.table import ALL, ANY, BAND, CONST, OPS, PREDICATES, RECORDS, VAR, Op, Predicate
from absint.ops.table import FIRST_PREDICATE as FIRST_PREDICATE

if TYPE_CHECKING:
    import networkx

AXES = ("x", "y", "z")
"""The variables that an image has positions for."""

BYTE_ORDER_MARK = "\ufeff"
NO_NAME_BEGINS_WITH = "#" + BYTE_ORDER_MARK
"""In `.vm` text the one begins a comment, the other is dropped from the beginning of a file."""


_Array = TypeVar("_Array", bound=NDArray[Any])


def frozen(array: _Array) -> _Array:
    """The same numbers, one after the other, in memory that nobody can make writeable; itself if it is so."""
    base: object = array.base
    if type(base) is bytes and array.flags.c_contiguous and array.flags.aligned:
        return array
    return np.ndarray(array.shape, array.dtype, array.tobytes())  # type: ignore[return-value]  # the same type


def _freeze(record: Any, **dtypes: type[np.generic]) -> None:
    """Freeze the arrays of a record that have the right type; the others are left to `verify`."""
    for name, dtype in dtypes.items():
        array = getattr(record, name)
        if type(array) is np.ndarray and array.dtype == dtype:
            object.__setattr__(record, name, frozen(array))


def _check_array(field: str, array: object, shape: tuple[int, ...], dtype: type[np.generic]) -> None:
    """Raises `GraphError` unless it is an array of this shape and type, which `_freeze` has frozen."""
    if type(array) is not np.ndarray:
        raise GraphError(f"{field} is a {type(array).__name__}, not an array of NumPy's own type")
    if array.shape != shape or array.dtype != dtype:
        raise GraphError(f"{field} is {array.dtype}{array.shape}, not {np.dtype(dtype)}{shape}")


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
        _freeze(self, starts=np.int32, items=np.int32, bands=np.float64)

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
        _freeze(self, op=np.uint8, args=np.int32, constants=np.float64, lines=np.int32)
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
            _check(self)
            vouch_for(self)

    def depth(self) -> int:
        """Operations on the longest path from a leaf to the root."""
        depths = [0] * len(self)
        for node in range(len(self)):
            if operands := self.operands(node):
                depths[node] = 1 + max(depths[operand] for operand in operands)
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


# The invariants.


class _Fault(NamedTuple):
    """`nodes`: bool[n], which break an invariant. `what`: says of such a node how."""

    nodes: NDArray[np.bool_]
    what: Callable[[int], str]


_REAL, _PREDICATE = 1, 2
_KIND = np.zeros(256, np.uint8)
_KIND[[op.code for op in OPS]] = _REAL
_KIND[[kind.code for kind in PREDICATES]] = _PREDICATE
"""By code, what a node is; 0 where no operation has the code."""

_ARITY = np.zeros(256, np.uint8)
_ARITY[[op.code for op in OPS]] = [op.arity for op in OPS]
_ARITY[BAND.code] = 1
"""By code, how many operands `args` holds."""


_SOUND = "_sound"
"""The attribute of a graph that is known to be sound; what is made from it does not inherit it."""


def _check(graph: Graph) -> None:
    """Raises `GraphError` for a graph that breaks an invariant."""
    _check_fields(graph)
    _check_names(graph)
    broken = [fault for fault in _faults(graph) if fault.nodes.any()]
    if broken:
        first = min(broken, key=lambda fault: int(np.argmax(fault.nodes)))  # of one node the first fault
        node = int(np.argmax(first.nodes))
        record = RECORDS.get(int(graph.op[node]))
        place = f"node {node}" + (f" ({record.name})" if record is not None else "")
        raise GraphError(f"{place}: {first.what(node)}")


def _check_fields(graph: Graph) -> None:
    """Raises `GraphError` for fields of wrong types or lengths."""
    n = len(graph.op) if type(graph.op) is np.ndarray and graph.op.ndim else 0
    _check_array("op", graph.op, (n,), np.uint8)
    if n == 0:
        raise GraphError("a graph needs at least one node")
    _check_array("args", graph.args, (n, 2), np.int32)
    _check_array("constants", graph.constants, (n,), np.float64)
    _check_array("lines", graph.lines, (n,), np.int32)
    if not isinstance(graph.names, tuple) or not isinstance(graph.variables, Mapping):
        raise GraphError("names is no tuple, or variables no mapping")
    if len(graph.names) != n:
        raise GraphError(f"{len(graph.names)} names for {n} nodes")
    if graph.logic is None:
        return
    logic = graph.logic
    if not isinstance(logic, Logic):
        raise GraphError(f"logic is a {type(logic).__name__}, not None or a Logic")
    m = len(logic.items) if type(logic.items) is np.ndarray and logic.items.ndim else 0
    _check_array("logic.starts", logic.starts, (n + 1,), np.int32)
    _check_array("logic.items", logic.items, (m,), np.int32)
    _check_array("logic.bands", logic.bands, (n, 2), np.float64)
    if logic.starts[0] != 0 or logic.starts[-1] != m or (np.diff(logic.starts.astype(np.int64)) < 0).any():
        raise GraphError("the operand lists of the predicates do not follow each other")


def _check_names(graph: Graph) -> None:
    """Names and variables are tokens of the text format, so that a graph that is sound can be written."""
    given = [name for name in graph.names if name is not None]
    if not _are_names(given):
        wrong = next(name for name in given if not _are_names([name]))
        raise GraphError(f"{shown(wrong)} cannot name a node: it is not a word, or begins a comment")
    if len(set(given)) != len(given):
        raise GraphError("two nodes have the same name")
    for node, variable in graph.variables.items():
        if type(node) is not int or not 0 <= node < len(graph):
            raise GraphError(
                f"variable {shown(variable)} belongs to node {shown(node)}, which does not exist"
            )
        if not is_token(variable):
            raise GraphError(f"{shown(variable)} cannot name a variable: it is not a word")


def _faults(graph: Graph) -> Iterator[_Fault]:
    """Every invariant of nodes, with the nodes that break it."""
    op, args, nodes = graph.op, graph.args, np.arange(len(graph), dtype=np.int32)
    kind = _KIND[op]
    if graph.logic is None:
        kind = np.where(kind == _PREDICATE, 0, kind)
    yield _Fault(kind == 0, lambda node: f"no operation has the code {op[node]}")
    is_variable = np.zeros(len(graph), bool)
    is_variable[list(graph.variables)] = True
    for position in (0, 1):
        yield from _operand_faults(kind, _ARITY[op] > position, args[:, position], nodes)
    yield _Fault(
        (is_variable != (op == VAR.code)) & (kind != 0),
        lambda node: "a variable and its name must go together",
    )
    has_value = (graph.constants != 0) & (op != CONST.code) & (kind == _REAL)
    yield _Fault(has_value, lambda node: "has a value, but only a constant has one")
    if graph.logic is not None:
        yield from _logic_faults(graph, graph.logic, kind)


def _operand_faults(
    kind: NDArray[np.uint8], expected: NDArray[np.bool_], operand: NDArray[np.int32], nodes: NDArray[np.int32]
) -> Iterator[_Fault]:
    """The invariants of an operand: whether it is `expected`, and an earlier real node."""
    earlier = (operand >= 0) & (operand < nodes)
    is_real = kind[np.where(earlier, operand, 0)] == _REAL
    wanted = {_REAL: "node", _PREDICATE: "real node"}
    yield _Fault(
        expected & ~(earlier & (is_real | (kind == _REAL))),
        lambda node: f"operand {operand[node]} is not an earlier {wanted[int(kind[node])]}",
    )
    yield _Fault(expected & earlier & ~is_real, lambda node: f"operand {operand[node]} is not a real node")
    yield _Fault(
        ~expected & (operand != -1) & (kind == _REAL), lambda node: f"has an operand {operand[node]} too many"
    )
    yield _Fault(
        ~expected & (operand != -1) & (kind == _PREDICATE),
        lambda node: "has an operand that its kind does not take",
    )


def _logic_faults(graph: Graph, logic: Logic, kind: NDArray[np.uint8]) -> Iterator[_Fault]:
    """The invariants of predicates beside their operand in `args`."""
    op, (lower, upper) = graph.op, logic.bands.T
    joins, is_band = (op == ALL.code) | (op == ANY.code), op == BAND.code
    sizes = np.diff(logic.starts)
    owner = np.repeat(np.arange(len(graph), dtype=np.int32), sizes)
    bad = (logic.items < 0) | (logic.items >= owner)
    bad |= kind[np.where(bad, 0, logic.items)] != _PREDICATE
    order = np.lexsort((logic.items, owner))
    twice = np.zeros(len(bad), bool)
    twice[1:] = (np.diff(owner[order]) == 0) & (np.diff(logic.items[order].astype(np.int64)) == 0)
    yield _Fault(~joins & (sizes > 0), lambda node: "has an operand list, but only all and any have one")
    yield _Fault(
        joins & ((sizes < 2) | _some(owner[order][twice], len(graph))),
        lambda node: "needs two or more operands, all different",
    )
    yield _Fault(
        joins & _some(owner[bad], len(graph)), lambda node: "has an operand that is no earlier predicate"
    )
    yield _Fault(
        is_band & ~(lower <= upper),
        lambda node: f"from {float(lower[node])!r} to {float(upper[node])!r} holds nothing",
    )
    yield _Fault(
        ~is_band & ~((lower == 0) & (upper == 0)), lambda node: "has the ends of a band, but is none"
    )


def _some(nodes: NDArray[np.int32], count: int) -> NDArray[np.bool_]:
    """bool[count]: whether a node is among some."""
    among = np.zeros(count, bool)
    among[nodes] = True
    return among


def is_token(word: object) -> bool:
    """Whether it is a text, not empty, without blanks or line breaks, that a file can hold."""
    return _are_tokens([word])


def _are_names(words: list[Any]) -> bool:
    """Whether all are tokens that begin no comment."""
    if not _are_tokens(words):
        return False
    line = " ".join(("", *words))
    return not any(f" {char}" in line for char in NO_NAME_BEGINS_WITH)


def _are_tokens(words: list[Any]) -> bool:
    """Whether all are tokens, without a loop in Python: most programs name each of thousands of nodes."""
    if not set(map(type, words)) <= {str}:
        return False
    line = " ".join(words)
    if line.split() != words:
        return False
    return line.isascii() or not any("\ud800" <= char <= "\udfff" for char in line)


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
