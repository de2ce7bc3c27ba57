"""Parts of a graph as straight-line code over registers, in the form that a plan keeps."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from absint.ir.graph import Graph
from absint.lowering.plan_format import OF_X, OF_Y, OF_Z, X, Y, Z
from absint.lowering.units import lowering_kernels
from absint.native.arrays import call
from absint.ops.precision import Precision
from absint.ops.table import CONST, DIAGONALS, VAR

Instruction = tuple[int, int, int, int]
"""Operation, register of the result, and registers of the operands, -1 for a second one that is missing."""


def variation(graph: Graph) -> NDArray[np.int64]:
    """int64[n]: what each real node varies with, a union of `OF_X`, `OF_Y` and `OF_Z`."""
    n = len(graph)
    varies = np.zeros(n, np.int64)
    for node, name in graph.variables.items():
        varies[node] = {"x": OF_X, "y": OF_Y}.get(name, OF_Z)
    call(lowering_kernels()["join_variables"], n, graph.args, varies, np.empty(n, np.uint8))
    return varies


class RegisterCode:
    """Tapes over registers. A real node has the same register in all tapes.

    `fixed_instructions` compute what varies with neither x nor y; an engine runs them once for a picture,
    before all tapes.
    """

    def __init__(self, graph: Graph, precision: Precision) -> None:
        self.graph = graph
        self.precision = precision
        self.node_varies = variation(graph)
        """int64[n]: what each real node varies with."""
        self._node_varies: list[int] = self.node_varies.tolist()
        self.varies = [OF_X, OF_Y, OF_Z]
        """What each register varies with."""
        self.constants: dict[bytes, int] = {}
        """The registers of constants, by their bits in binary64."""
        self.instructions: list[Instruction] = []
        self.fixed_instructions: list[Instruction] = []
        self._register: dict[int, int] = {}
        self._op = graph.op.tolist()
        self._first, self._second = graph.args[:, 0].tolist(), graph.args[:, 1].tolist()

    def append(self, values: Iterable[int]) -> tuple[int, int, list[int]]:
        """Append a tape that computes some real nodes. Returns its range of instructions, first and behind
        the last, and the registers of the nodes.
        """
        values = list(values)
        first = len(self.instructions)
        for node in self.cone(values):
            register = self.register(node)
            if not self.is_fixed(node) and self._first[node] >= 0:
                self.instructions.append(self._instruction(node, register))
        return first, len(self.instructions), [self._register[value] for value in values]

    def cone(self, values: Iterable[int]) -> list[int]:
        """The nodes that `values` depend on, `values` included, operands first."""
        seen: set[int] = set()
        stack = list(values)
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                stack += self._operands(node)
        return sorted(seen)

    def is_fixed(self, node: int) -> bool:
        """Whether a real node varies with neither x nor y."""
        return not self._node_varies[node] & (OF_X | OF_Y)

    def register(self, node: int) -> int:
        """The register of a real node. For a fixed node, the operands must have registers already."""
        register = self._register.get(node)
        if register is None:
            register = self._register[node] = self._new_register(node)
        return register

    def _new_register(self, node: int) -> int:
        code = self._op[node]
        if code == VAR.code:
            return {"x": X, "y": Y}.get(self.graph.variables[node], Z)
        if code == CONST.code:
            bits = struct.pack("=d", self.precision.round(self.graph.values[node]))  # +0 and -0 differ
            if bits not in self.constants:
                self.constants[bits] = self._take(0)
            return self.constants[bits]
        register = self._take(self._node_varies[node])
        if self.is_fixed(node):
            self.fixed_instructions.append(self._instruction(node, register))
        return register

    def _take(self, varies: int) -> int:
        self.varies.append(varies)
        return len(self.varies) - 1

    def _operands(self, node: int) -> tuple[int, ...]:
        a, b = self._first[node], self._second[node]
        return (a, b) if b >= 0 else (a,) if a >= 0 else ()

    def _instruction(self, node: int, register: int) -> Instruction:
        a, b = self._first[node], self._second[node]
        if a == b and self._op[node] in DIAGONALS:
            return DIAGONALS[self._op[node]].code, register, self._register[a], -1
        return self._op[node], register, self._register[a], self._register[b] if b >= 0 else -1
