"""Replacement of a few operations of a graph; all other nodes are copied at once, as arrays.

Replacements are made in the order of the graph. New nodes are interned: an equal node is reused if it stays
and stands before the replaced operation, or was made for this or an earlier replacement.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from absint.ir.graph import Graph, constant_key, constant_keys
from absint.ops.table import CONST, Op

_Key = tuple[int, int, int]


class Patch:
    """A set of replacements for operations of a graph.

    Nodes of the graph keep their *numbers*; new nodes are numbered from `len(graph)`. For each replacement
    call `begin` with the operation, `constant` and `apply` to make its substitute, and `replace` with the
    substitute.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._count = len(graph)
        self._replaced: dict[int, int] = {}
        self._made: list[tuple[int, int, int, float, int, int]] = []
        """For each new node: opcode, two operands, constant, line, and the operation that it was made for."""
        self._node = 0
        self._constants: dict[bytes, int] | None = None
        self._applied: dict[_Key, int] = {}
        self._unindexed: dict[int, list[int]] = {}
        """By opcode: the graph's nodes that are not in `_applied` yet, in reverse order."""

    def begin(self, node: int) -> None:
        """Start the replacement of an operation, which follows those replaced before."""
        self._node = node

    def replace(self, number: int) -> None:
        """Substitute a node for the operation that `begin` named."""
        self._replaced[self._node] = number

    def number(self, node: int) -> int:
        """The substitute of a node of the graph; the node itself if it is not replaced."""
        return self._replaced.get(node, node)

    def constant(self, value: float, line: int = 0) -> int:
        """The number of a constant's node."""
        if self._constants is None:
            nodes = np.flatnonzero(self._graph.op == CONST.code)[::-1]  # of equal ones the first stays
            self._constants = dict(
                zip(constant_keys(self._graph.constants[nodes]), nodes.tolist(), strict=True)
            )
        key = constant_key(value)
        found = self._constants.get(key)
        if found is None or self._node < found < self._count:
            found = self._constants[key] = self._make(CONST.code, -1, -1, float(value), line)
        return found

    def apply(self, op: Op, *operands: int, line: int = 0) -> int:
        """The number of the node of an operation. `operands`: numbers of nodes."""
        a, b = (*operands, -1, -1)[:2]
        key = (op.code, a, b)
        self._index(op.code)
        found = self._applied.get(key)
        if found is None:
            found = self._applied[key] = self._make(op.code, a, b, 0.0, line)
        return found

    def _index(self, code: int) -> None:
        """Enter into `_applied` the nodes of an opcode that stay and stand before the replaced operation."""
        if code not in self._unindexed:
            self._unindexed[code] = np.flatnonzero(self._graph.op == code)[::-1].tolist()
        unindexed, rows, replaced = self._unindexed[code], self._graph.rows, self._replaced
        while unindexed and unindexed[-1] < self._node:
            node = unindexed.pop()
            if node not in replaced:
                _, a, b = rows[node]
                self._applied.setdefault((code, replaced.get(a, a), replaced.get(b, b)), node)

    def _make(self, code: int, a: int, b: int, value: float, line: int) -> int:
        self._made.append((code, a, b, value, line, self._node))
        return self._count + len(self._made) - 1

    def build(self) -> tuple[Graph, NDArray[np.intp]]:
        """The patched graph up to the root's substitute, and for each node the one that it copies, or -1."""
        graph, n, m = self._graph, len(self._graph), len(self._made)
        substitute = np.arange(n + m + 1)  # the last entry is for the operand -1
        substitute[list(self._replaced)] = list(self._replaced.values())
        kept = np.ones(n, bool)
        kept[list(self._replaced)] = False
        numbers = np.concatenate([np.flatnonzero(kept), np.arange(n, n + m)])
        made = list(zip(*self._made, strict=True)) or [()] * 6
        code, a, b, value, line = map(np.array, made[:5])
        positions = np.concatenate([np.flatnonzero(kept), np.array(made[5], np.int64)])
        order = numbers[np.argsort(positions, kind="stable")]
        new = np.full(n + m + 1, -1, np.int32)
        new[order] = np.arange(len(order), dtype=np.int32)
        order = order[: new[substitute[n - 1]] + 1]
        args = np.concatenate([graph.args, np.stack([a, b], axis=1).astype(np.int32)])[order]
        names = (*graph.names, *([None] * m))
        patched = Graph(
            op=np.concatenate([graph.op, code.astype(np.uint8)])[order],
            args=new[substitute[args]],
            constants=np.concatenate([graph.constants, value])[order],
            variables={
                int(new[node]): name for node, name in graph.variables.items() if new[node] < len(order)
            },
            names=tuple(map(names.__getitem__, order.tolist())),
            lines=np.concatenate([graph.lines, line.astype(np.int32)])[order],
        )
        for array in (patched.op, patched.args, patched.constants, patched.lines):
            array.flags.writeable = False
        return patched, np.where(order < n, order, -1)
