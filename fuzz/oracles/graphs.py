"""An oracle of graph verification: a valid graph whose arrays were changed is refused, or computes what it
says.

Validity is decided here a second time, node by node in plain Python. No graph runs that either check refuses,
so a hole in `Graph.verify` is found without a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from absint.base.errors import GraphError
from absint.evaluation.backend import Backend
from absint.ir.graph import Graph, GraphBuilder, Logic
from absint.ir.program import Program
from absint.ops.table import ALL, ANY, BAND, CONST, NEG, OPS, PREDICATES, VAR

from ..cases import Case
from ..comparison import find_difference, reference, to_host
from ..findings import Finding

_TRIES = 8
"""Changed graphs of one case."""
_POINTS = 8
_ARITY = {op.code: op.arity for op in OPS}
_PREDICATES = {kind.code for kind in PREDICATES}
_DTYPES = {
    "op": np.uint8, "args": np.int32, "constants": np.float64, "lines": np.int32,
    "starts": np.int32, "items": np.int32, "bands": np.float64,
}  # fmt: skip

T = TypeVar("T")
Rng = np.random.Generator
Fields = dict[str, Any]
"""The fields of a graph and of its logic; arrays are writeable."""


class HandMade:
    """Changed graphs are refused exactly if they are invalid. An accepted graph does not share memory with
    the caller's arrays, and has the same values as the same nodes put into a builder.
    """

    name = "hand-made"

    def __init__(self, backends: Sequence[Backend]) -> None:
        self._backends = (reference(), *backends)

    def check(self, case: Case) -> Finding | None:
        """Make a few changes, determined by the case's seed."""
        rng = case.rng(9)
        for _ in range(_TRIES):
            change = _pick(rng, _CHANGES)
            given = _fields(case.graph if rng.random() < 0.6 else _as_predicates(case.graph, rng))
            change(given, rng)
            if found := self._check(case, given, change.__name__.strip("_").replace("_", " "), rng):
                return found
        return None

    def _check(self, case: Case, given: Fields, changed: str, rng: Rng) -> Finding | None:
        wrong = why_invalid(given)
        graph = _make_graph(given)
        refused = _refuses(graph.verify)
        if bool(wrong) != refused:
            verdict = "refuses a valid graph" if refused else f"takes a graph: {wrong}"
            return Finding(self.name, f"{changed}: verify {verdict}")
        program, backend = Program(graph, case.precision), _pick(rng, self._backends)
        if refused:
            taken = not _refuses(lambda: backend.prepare(program))
            return Finding(self.name, f"{changed}: {backend.name} takes a graph: {wrong}") if taken else None
        rebuilt = _build_graph(given) if given["starts"] is None else None
        before = {name: array.tobytes() for name, array in _arrays(given)}
        for _, array in _arrays(given):
            if array.flags.writeable:
                array[...] = 0
        if {name: array.tobytes() for name, array in _arrays(_fields(graph))} != before:
            return Finding(self.name, f"{changed}: the graph changed with the arrays that it was made of")
        if rebuilt is None:
            return None
        points = {name: column[:_POINTS] for name, column in case.sample.items()}
        expected = reference().prepare(Program(rebuilt, case.precision)).values(**points)
        got = to_host(backend.prepare(program).values(**points))
        return find_difference(self.name, f"{changed}: values of {backend.name}", case, points, expected, got)


def _refuses(action: Callable[[], object]) -> bool:
    try:
        action()
    except GraphError:
        return True
    return False


def _fields(graph: Graph) -> Fields:
    """The fields of a graph, with copied arrays."""
    given = {name: getattr(graph, name) for name in ("op", "args", "constants", "lines", "names")}
    logic = graph.logic
    given |= {name: None if logic is None else getattr(logic, name) for name in ("starts", "items", "bands")}
    copied = {name: array.copy() for name, array in _arrays(given)}
    return given | copied | {"variables": dict(graph.variables)}


def _arrays(given: Fields) -> list[tuple[str, NDArray[Any]]]:
    return [(name, value) for name, value in given.items() if isinstance(value, np.ndarray)]


def _make_graph(given: Fields) -> Graph:
    """The graph with these fields."""
    fields = dict(given)
    starts, items, bands = (fields.pop(name) for name in ("starts", "items", "bands"))
    return Graph(**fields, logic=None if starts is None else Logic(starts, items, bands))


def _build_graph(given: Fields) -> Graph:
    """The graph of the same nodes, made by a builder from Python numbers."""
    builder = GraphBuilder()
    columns = (given[name].tolist() for name in ("op", "args", "constants", "lines"))
    for node, (code, (a, b), value, line) in enumerate(zip(*columns, strict=True)):
        if code == VAR.code:
            builder.append_variable(given["variables"][node], given["names"][node], line)
        else:
            builder.append(code, a, b, value, given["names"][node], line)
    return builder.build()


def _as_predicates(graph: Graph, rng: Rng) -> Graph:
    """A lowered graph: two bands of a graph's nodes, the `all` of both, the `any` of that and a band."""
    n = len(graph)
    args = np.full((n + 4, 2), -1, np.int32)
    args[:n] = graph.args
    args[n : n + 2, 0] = rng.integers(0, n), n - 1
    starts = np.full(n + 5, 4, np.int32)
    starts[: n + 3], starts[n + 3] = 0, 2
    bands = np.zeros((n + 4, 2))
    bands[n : n + 2] = (-np.inf, -0.25), (0.0, 1.0)
    items = np.array([n, n + 1, n + 2, n], np.int32)
    return Graph(
        np.append(graph.op, np.array([BAND.code, BAND.code, ALL.code, ANY.code], np.uint8)), args,
        np.append(graph.constants, np.zeros(4)), graph.variables, (*graph.names, *[None] * 4),
        np.append(graph.lines, np.zeros(4, np.int32)), Logic(starts, items, bands),
    )  # fmt: skip


# The second check of validity


def why_invalid(given: Fields) -> str:
    """What is wrong with the fields of a graph; empty if they are valid."""
    n = len(given["op"])
    lengths = {"starts": n + 1, "items": None}
    for name, array in given.items():
        if name in _DTYPES and array is not None:
            if type(array) is not np.ndarray or array.dtype != _DTYPES[name]:
                return f"{name} has another type"
            if lengths.get(name, n) not in (None, len(array)):
                return f"{name} has another length"
    names = [name for name in given["names"] if name is not None]
    if len(given["names"]) != n or len(set(names)) < len(names):
        return "names are not one for each node, or the same for two"
    if any(name.split() != [name] or name[0] == "#" for name in names):
        return "a name is not a word"
    if any(variable.split() != [variable] for variable in given["variables"].values()):
        return "a variable is not a word"
    if not set(given["variables"]) <= set(range(n)):
        return "a variable belongs to no node"
    if given["starts"] is not None:
        starts = given["starts"].tolist()
        if starts[0] != 0 or starts[-1] != len(given["items"]) or starts != sorted(starts):
            return "the lists of operands do not follow each other"
    return next(filter(None, (_why_node(given, node) for node in range(n))), "")


def _why_node(given: Fields, node: int) -> str:
    """What is wrong with a node; empty if it is valid."""
    codes = given["op"].tolist()
    code, (a, b) = codes[node], given["args"][node].tolist()
    if code in _PREDICATES and given["starts"] is not None:
        return _why_predicate(given, node)
    if code not in _ARITY:
        return f"node {node} has no operation"
    operands = (a, b)[: _ARITY[code]]
    if any(not 0 <= operand < node or codes[operand] not in _ARITY for operand in operands):
        return f"an operand of node {node} is not an earlier number"
    if any(operand != -1 for operand in (a, b)[_ARITY[code] :]):
        return f"node {node} has too many operands"
    if (code == VAR.code) != (node in given["variables"]):
        return f"node {node} is a variable without a name, or none with one"
    if code != CONST.code and given["constants"][node] != 0:
        return f"node {node} has a value"
    return _why_lists(given, node, 0) if given["starts"] is not None else ""


def _why_predicate(given: Fields, node: int) -> str:
    codes = given["op"].tolist()
    code, (a, b) = codes[node], given["args"][node].tolist()
    lower, upper = given["bands"][node].tolist()
    if node in given["variables"]:
        return f"predicate {node} has a variable"
    if code in (ALL.code, ANY.code):
        items = given["items"][given["starts"][node] : given["starts"][node + 1]].tolist()
        if any(not 0 <= item < node or codes[item] not in _PREDICATES for item in items):
            return f"an operand of predicate {node} is not an earlier predicate"
        if len(items) < 2 or len(set(items)) < len(items):
            return f"predicate {node} needs two operands, all different"
    if code == BAND.code:
        if not 0 <= a < node or codes[a] not in _ARITY:
            return f"the operand of band {node} is not an earlier number"
        if b != -1 or not lower <= upper:
            return f"band {node} has an operand too many, or is empty"
        return _why_lists(given, node, 0, band=True)
    if (a, b) != (-1, -1):
        return f"predicate {node} has an operand that its kind does not take"
    return _why_lists(given, node, None if code in (ALL.code, ANY.code) else 0)


def _why_lists(given: Fields, node: int, items: int | None, band: bool = False) -> str:
    """What is wrong with a node's operand list, which must have `items` entries unless None, or its band."""
    if items is not None and given["starts"][node + 1] - given["starts"][node] != items:
        return f"node {node} has a list of operands"
    if not band and given["bands"][node].tolist() != [0.0, 0.0]:
        return f"node {node} has the ends of a band"
    return ""


# Changes: each makes at most one mistake.


def _nothing(given: Fields, rng: Rng) -> None:
    pass


def _type(given: Fields, rng: Rng) -> None:
    name, array = _some_array(given, rng)
    with np.errstate(all="ignore"):
        given[name] = array.astype(_pick(rng, ["i1", "u1", "i2", "u4", "i4", "i8", "f4", "f8", ">i4", ">f8"]))


def _layout(given: Fields, rng: Rng) -> None:
    name, array = _some_array(given, rng)
    twice = np.repeat(array, 2, axis=0)
    given[name] = (twice[::2], np.asfortranarray(array), array[::-1].copy()[::-1])[rng.integers(3)]


def _length(given: Fields, rng: Rng) -> None:
    name, array = _some_array(given, rng)
    given[name] = array[:-1] if rng.random() < 0.5 else np.concatenate([array, array[-1:]])


def _operand(given: Fields, rng: Rng) -> None:
    """An operand becomes missing, the node itself, a later node, out of range, or another earlier node."""
    args = given["args"]
    node, position = rng.integers(len(args)), rng.integers(2)
    args[node, position] = _pick(rng, [-1, node, node, len(args), 2**31 - 1, -2, rng.integers(len(args))])


def _operation(given: Fields, rng: Rng) -> None:
    """A node gets another opcode, or an unknown one; often the last node, which no other node reads."""
    n = len(given["op"])
    codes = (*_ARITY, *_PREDICATES, 200, 239, 255)
    given["op"][_pick(rng, [n - 1, int(rng.integers(n))])] = _pick(rng, codes)


def _value(given: Fields, rng: Rng) -> None:
    given["constants"][rng.integers(len(given["constants"]))] = _pick(rng, [1.0, np.nan, -0.0, np.inf])


def _variable(given: Fields, rng: Rng) -> None:
    node = _pick(rng, [-1, int(rng.integers(len(given["op"]))), len(given["op"])])
    if given["variables"].pop(node, None) is None:
        given["variables"][node] = str(_pick(rng, ["x", "a b", ""]))


def _name(given: Fields, rng: Rng) -> None:
    names = [*given["names"]]
    names[rng.integers(len(names))] = str(_pick(rng, ["q", "a b", "#", "", "same"]))
    names[rng.integers(len(names))] = "same"
    given["names"] = tuple(names)


def _predicate(given: Fields, rng: Rng) -> None:
    """A predicate's operands, list or band."""
    if given["starts"] is None:
        return
    n = len(given["op"])
    kind = rng.integers(4)
    if kind == 0:
        given["bands"][rng.integers(n - 4, n)] = [(1.0, 0.0), (np.nan, 1.0), (0.0, 0.0)][rng.integers(3)]
    elif kind == 1 and len(given["items"]):
        given["items"][rng.integers(len(given["items"]))] = _pick(rng, [-1, 0, n - 4, n - 3, n - 1, n])
    elif kind == 2:
        given["starts"][rng.integers(n - 1, n + 1)] += _pick(rng, [-1, 1, 5])
    else:
        given["args"][rng.integers(n - 4, n), rng.integers(2)] = _pick(rng, [-1, 0, n - 4, n])


def _mixed(given: Fields, rng: Rng) -> None:
    """The last predicate becomes an operation on another one, or on a number."""
    if given["starts"] is None:
        return
    n = len(given["op"])
    given["op"][-1] = NEG.code
    given["args"][-1, 0] = _pick(rng, [n - 2, n - 3, n - 5])
    given["items"] = given["items"][: given["starts"][-2]]
    given["starts"][-1] = given["starts"][-2]


def _pick(rng: Rng, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]


def _some_array(given: Fields, rng: Rng) -> tuple[str, NDArray[Any]]:
    return _pick(rng, _arrays(given))


_CHANGES = (
    _nothing, _type, _type, _layout, _length, _operand, _operand, _operand, _operation, _operation, _value,
    _variable, _name, _predicate, _predicate, _mixed,
)  # fmt: skip
