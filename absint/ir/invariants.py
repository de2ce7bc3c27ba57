"""The invariants of a graph: the checks behind `Graph.verify`, and the read-only memory of its arrays.

All checks work on whole arrays: a graph of ten thousand nodes takes a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from absint.base.errors import GraphError, shown
from absint.ops.table import ALL, ANY, BAND, CONST, OPS, PREDICATES, RECORDS, VAR

BYTE_ORDER_MARK = "\ufeff"
NO_NAME_BEGINS_WITH = "#" + BYTE_ORDER_MARK
"""Characters that `.vm` text cannot keep at the start of a name: "#" begins a comment, and a reader drops a
byte order mark from the beginning of a file.
"""

_Array = TypeVar("_Array", bound=NDArray[Any])


def freeze_array(array: _Array) -> _Array:
    """A contiguous copy of an array in memory that stays read-only; an array in such memory is returned."""
    base: object = array.base
    if type(base) is bytes and array.flags.c_contiguous and array.flags.aligned:
        return array
    return np.ndarray(array.shape, array.dtype, array.tobytes())  # type: ignore[return-value]  # the same type


def freeze_fields(record: Any, **dtypes: type[np.generic]) -> None:
    """Freeze a record's fields that are arrays of the given types; `verify` rejects the others."""
    for name, dtype in dtypes.items():
        array = getattr(record, name)
        if type(array) is np.ndarray and array.dtype == dtype:
            object.__setattr__(record, name, freeze_array(array))


def _check_array(field: str, array: object, shape: tuple[int, ...], dtype: type[np.generic]) -> None:
    """Raises `GraphError` unless `array` has this shape and type; `freeze_fields` has frozen such arrays."""
    if type(array) is not np.ndarray:
        raise GraphError(f"{field} is a {type(array).__name__}, not an array of NumPy's own type")
    if array.shape != shape or array.dtype != dtype:
        raise GraphError(f"{field} is {array.dtype}{array.shape}, not {np.dtype(dtype)}{shape}")


class _Fault(NamedTuple):
    """A broken invariant. `nodes`: bool[n], the nodes that break it. `what`: the message for such a node."""

    nodes: NDArray[np.bool_]
    what: Callable[[int], str]


_REAL, _PREDICATE = 1, 2
_KIND = np.zeros(256, np.uint8)
_KIND[[op.code for op in OPS]] = _REAL
_KIND[[kind.code for kind in PREDICATES]] = _PREDICATE
"""By opcode: whether a node is real or a predicate; 0 for codes of no operation."""

_ARITY = np.zeros(256, np.uint8)
_ARITY[[op.code for op in OPS]] = [op.arity for op in OPS]
_ARITY[BAND.code] = 1
"""By opcode: number of operands in `args`."""


def check(graph: Any) -> None:
    """Raises `GraphError` if the graph breaks an invariant; the message names the first node that does."""
    _check_fields(graph)
    _check_names(graph)
    broken = [fault for fault in _faults(graph) if fault.nodes.any()]
    if broken:
        first = min(broken, key=lambda fault: int(np.argmax(fault.nodes)))  # a node's faults: the first one
        node = int(np.argmax(first.nodes))
        record = RECORDS.get(int(graph.op[node]))
        place = f"node {node}" + (f" ({record.name})" if record is not None else "")
        raise GraphError(f"{place}: {first.what(node)}")


def _check_fields(graph: Any) -> None:
    """Raises `GraphError` if a field has the wrong type or length."""
    n = len(graph.op) if type(graph.op) is np.ndarray and graph.op.ndim else 0
    _check_array("op", graph.op, (n,), np.uint8)
    if n == 0:
        raise GraphError("a graph needs at least one node")
    _check_array("args", graph.args, (n, 2), np.int32)
    _check_array("constants", graph.constants, (n,), np.float64)
    _check_array("lines", graph.lines, (n,), np.int32)
    if not isinstance(graph.names, tuple) or not isinstance(graph.variables, Mapping):
        raise GraphError("names must be a tuple, and variables a mapping")
    if len(graph.names) != n:
        raise GraphError(f"{len(graph.names)} names for {n} nodes")
    if graph.logic is None:
        return
    logic = graph.logic
    m = len(logic.items) if type(logic.items) is np.ndarray and logic.items.ndim else 0
    _check_array("logic.starts", logic.starts, (n + 1,), np.int32)
    _check_array("logic.items", logic.items, (m,), np.int32)
    _check_array("logic.bands", logic.bands, (n, 2), np.float64)
    if logic.starts[0] != 0 or logic.starts[-1] != m or (np.diff(logic.starts.astype(np.int64)) < 0).any():
        raise GraphError("the operand lists of the predicates do not follow each other")


def _check_names(graph: Any) -> None:
    """Raises `GraphError` unless names and variables are tokens of the text format, so that the graph can be
    written as text.
    """
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


def _faults(graph: Any) -> Iterator[_Fault]:
    """Every invariant of nodes, each with the nodes that break it."""
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
    """The invariants of one operand position: a node where one is `expected`, earlier and real; else -1."""
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


def _logic_faults(graph: Any, logic: Any, kind: NDArray[np.uint8]) -> Iterator[_Fault]:
    """The invariants of predicates' operand lists and bands."""
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
        joins & ((sizes < 2) | _mask(owner[order][twice], len(graph))),
        lambda node: "needs two or more operands, all different",
    )
    yield _Fault(
        joins & _mask(owner[bad], len(graph)), lambda node: "has an operand that is not an earlier predicate"
    )
    yield _Fault(
        is_band & ~(lower <= upper),
        lambda node: f"from {float(lower[node])!r} to {float(upper[node])!r} is empty",
    )
    yield _Fault(
        ~is_band & ~((lower == 0) & (upper == 0)), lambda node: "has the ends of a band, but is not a band"
    )


def _mask(nodes: NDArray[np.int32], count: int) -> NDArray[np.bool_]:
    """bool[count]: true for `nodes`."""
    mask = np.zeros(count, bool)
    mask[nodes] = True
    return mask


def is_token(word: object) -> bool:
    """Whether `word` is a nonempty string without white space that can be written to a file."""
    return _are_tokens([word])


def _are_names(words: list[Any]) -> bool:
    """Whether all words are tokens that can name a node."""
    if not _are_tokens(words):
        return False
    line = " ".join(("", *words))
    return not any(f" {char}" in line for char in NO_NAME_BEGINS_WITH)


def _are_tokens(words: list[Any]) -> bool:
    """Whether all words are tokens. No Python loop: most programs name each of thousands of nodes."""
    if not set(map(type, words)) <= {str}:
        return False
    line = " ".join(words)
    if line.split() != words:
        return False
    return line.isascii() or not any("\ud800" <= char <= "\udfff" for char in line)
