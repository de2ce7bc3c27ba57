"""Tapes: a real program as straight-line code over a small register file.

A graph enters, a tape of typed arrays leaves; backends run it. Registers are numbered in three blocks:

| registers                       | hold                                                              |
|---------------------------------|-------------------------------------------------------------------|
| 0 … k-1                         | `constants`, in the program's precision (k of them)               |
| k … k+v-1                       | the variables, in the order of `variables` (v of them)            |
| k+v … k+v+s-1                   | slots of computed values (s = `slot_count`), each used many times |

A slot is allocated when a value is computed and freed at the value's last use; a result may take the slot of
an operand whose last use it is. All values have one size, so this uses the fewest slots possible for the
order.

The product of a register with itself becomes a `square`, which has the same bits and tighter interval bounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from absint.base.errors import GraphError
from absint.ir.graph import Graph, check_graph, reachable
from absint.ops.table import CONST, DIAGONALS, OPS, VAR


@dataclass(frozen=True, eq=False)
class Tape:
    """Instructions `registers[out] = op(registers[a], registers[b])`, run in order.

    `op`: uint8[m]; `out`, `a`, `b`: int32[m]; `b` is -1 for unary operations. `constants`: float64[k], before
    rounding. `root`: the register that holds the result at the end. The module's docstring describes
    registers.
    """

    op: NDArray[np.uint8]
    out: NDArray[np.int32]
    a: NDArray[np.int32]
    b: NDArray[np.int32]
    constants: NDArray[np.float64]
    variables: tuple[str, ...]
    slot_count: int
    root: int

    def __len__(self) -> int:
        return len(self.op)

    @property
    def register_count(self) -> int:
        """Size of the register file."""
        return len(self.constants) + len(self.variables) + self.slot_count

    def dump(self) -> str:
        """The tape in the line format of `.vm` files, with registers for names."""
        first = len(self.constants)
        lines = [f"r{i} const {value!r}" for i, value in enumerate(self.constants.tolist())]
        lines += [f"r{first + i} var-{name}" for i, name in enumerate(self.variables)]
        for code, out, a, b in zip(self.op, self.out, self.a, self.b, strict=True):
            operands = f"r{a}" if b < 0 else f"r{a} r{b}"
            lines.append(f"r{out} {OPS[code].name} {operands}")
        return "\n".join([*lines, f"# result in r{self.root}", ""])


def last_uses(graph: Graph) -> NDArray[np.int64]:
    """int64[n]: the last node that reads each node; n for the root, -1 for nodes that are not needed."""
    live = reachable(graph)
    last = np.full(len(graph), -1, np.int64)
    users = np.flatnonzero(live)
    # an absent operand, -1, indexes the root, whose entry is set below
    np.maximum.at(last, graph.args[users].ravel(), np.repeat(users, 2))
    last[graph.root] = len(graph)
    return last


def slots_needed(graph: Graph, order: NDArray[np.integer] | None = None) -> int:
    """The `slot_count` of the graph's tape, computed without making the tape.

    `order`: the nodes that the root depends on, operands before users and the root last; default: the graph's
    own order. A value holds its slot from its own step until just before its last reader's step, since the
    reader's result may take the slot. All values have one size, so the number of slots needed is the largest
    number held at once.
    """
    nodes = np.flatnonzero(reachable(graph)) if order is None else order
    steps = np.arange(len(nodes))
    step_of = np.zeros(len(graph), np.int64)
    step_of[nodes] = steps
    args = graph.args[nodes]
    last = np.zeros(len(nodes), np.int64)
    # an absent operand counts as a read of the step's own result, which changes nothing
    np.maximum.at(last, np.where(args < 0, steps[:, None], step_of[args]).ravel(), np.repeat(steps, 2))
    last[-1] = len(nodes)
    computed = np.flatnonzero(args[:, 0] >= 0)
    changes = -np.bincount(last[computed], minlength=len(nodes) + 1)
    changes[computed] += 1
    return int(np.cumsum(changes).max(initial=0))


def make_tape(graph: Graph) -> Tape:
    """The tape of a graph, in the graph's order, without the nodes that the root does not depend on.

    Raises `GraphError` if the graph is not valid or is lowered.
    """
    check_graph(graph)
    if graph.lowered:
        raise GraphError("a lowered program has no tape: its predicates are no operations")
    last = last_uses(graph).tolist()
    needed = [node for node in range(len(graph)) if last[node] >= 0]
    constants = [node for node in needed if graph.rows[node][0] == CONST.code]
    variables = sorted({graph.variables[node] for node in needed if node in graph.variables})
    first_slot = len(constants) + len(variables)
    variable_register = {name: len(constants) + i for i, name in enumerate(variables)}
    register = {node: i for i, node in enumerate(constants)}
    free: list[int] = []
    slot_count = 0
    instructions: list[tuple[int, int, int, int]] = []
    for node in needed:
        code, a, b = graph.rows[node]
        if code == VAR.code:
            register[node] = variable_register[graph.variables[node]]
        if a < 0:
            continue
        first, second = register[a], register[b] if b >= 0 else -1
        # operands whose last use is here are freed first, so that the result can take their slot
        dead = [operand for operand in {a, b} - {-1} if last[operand] == node]
        free += [register[operand] for operand in dead if register[operand] >= first_slot]
        if not free:
            free.append(first_slot + slot_count)
            slot_count += 1
        register[node] = free.pop()
        if first == second and code in DIAGONALS:
            code, second = DIAGONALS[code].code, -1
        instructions.append((code, register[node], first, second))
    table = np.array(instructions, np.int32).reshape(-1, 4)
    return Tape(
        op=table[:, 0].astype(np.uint8),
        out=table[:, 1].copy(),
        a=table[:, 2].copy(),
        b=table[:, 3].copy(),
        constants=graph.constants[constants],
        variables=tuple(variables),
        slot_count=slot_count,
        root=register[graph.root],
    )
