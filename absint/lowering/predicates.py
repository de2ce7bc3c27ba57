"""The predicate part of a graph as arrays of its own, which the lowering passes rewrite in native kernels.

Predicates are numbered from 0, operands before users, the root last; real nodes keep their numbers in the
graph until `assemble` drops those that no predicate needs any more.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from absint.base.memo import cached_property
from absint.ir.graph import FIRST_PREDICATE, Graph, Logic
from absint.ir.records import Operands
from absint.lowering.kernels.records import Ends, NeedTask, PredicateArrays, PredicateBuilder
from absint.lowering.units import lowering_kernels
from absint.ops.table import FALSE, TRUE


class Row(NamedTuple):
    """One predicate; `value` is -1 and the ends are 0 unless it is a band."""

    code: int
    value: int
    lower: float
    upper: float
    items: tuple[int, ...]
    line: int


@dataclass(frozen=True, eq=False)
class Predicates:
    """Predicates over the real nodes of a graph.

    For p predicates: `code` uint8[p], one of the op table's `PREDICATES`. `value` int32[p], the real node of
    a band, else -1. `bands` float64[p, 2], lower and upper end, else 0. `starts` int32[p+1] and `items`
    int32[m], the operands of each `all` and `any`. `lines` int32[p]: the source line of each.
    """

    code: NDArray[np.uint8]
    value: NDArray[np.int32]
    bands: NDArray[np.float64]
    starts: NDArray[np.int32]
    items: NDArray[np.int32]
    lines: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.code)

    @cached_property
    def record(self) -> PredicateArrays:
        """The arrays as a record for kernels."""
        return PredicateArrays(
            count=len(self), code=self.code, value=self.value, bands=Ends.view(self.bands),
            starts=self.starts, items=self.items, lines=self.lines,
        )  # fmt: skip

    @staticmethod
    def of(graph: Graph) -> Predicates:
        """The predicates of a lowered graph."""
        assert graph.logic is not None
        where = np.flatnonzero(graph.op >= FIRST_PREDICATE)
        number = np.cumsum(graph.op >= FIRST_PREDICATE, dtype=np.int32) - 1
        starts = graph.logic.starts[np.append(where, len(graph))]
        return Predicates(
            code=graph.op[where],
            value=graph.args[where, 0],
            bands=graph.logic.bands[where],
            starts=starts,
            items=number[graph.logic.items],
            lines=graph.lines[where],
        )

    @staticmethod
    def constant(truth: bool) -> Predicates:
        """One predicate that is always true or always false."""
        return Predicates(
            code=np.array([TRUE.code if truth else FALSE.code], np.uint8),
            value=np.array([-1], np.int32),
            bands=np.zeros((1, 2)),
            starts=np.zeros(2, np.int32),
            items=np.zeros(0, np.int32),
            lines=np.zeros(1, np.int32),
        )

    def rows(self) -> Iterator[Row]:
        """The predicates one by one, as Python values."""
        starts, items = self.starts.tolist(), self.items.tolist()
        lists = (tuple(items[start:end]) for start, end in itertools.pairwise(starts))
        lower, upper = self.bands.T.tolist()
        columns = (self.code.tolist(), self.value.tolist(), lower, upper, lists, self.lines.tolist())
        return map(Row._make, zip(*columns, strict=True))


class Builder:
    """Arrays that kernels write predicates into: room for `predicates` predicates with `items` operands in
    all.

    See `absint.lowering.kernels.predicates`.
    """

    def __init__(self, predicates: int, items: int) -> None:
        most = predicates + 2  # and the constants false and true
        slots = 1 << (2 * predicates + 3).bit_length()
        self._made = Predicates(
            code=np.empty(most, np.uint8),
            value=np.empty(most, np.int32),
            bands=np.empty((most, 2)),
            starts=np.empty(most + 1, np.int32),
            items=np.empty(items, np.int32),
            lines=np.empty(most, np.int32),
        )
        self.record = PredicateBuilder(
            made=self._made.record, most=most, most_items=items, slots=np.full(slots, -1, np.int32),
            mask=slots - 1,
        )  # fmt: skip
        """The arrays as a record for kernels."""
        self.record.made.count = 0

    def result(self, count: int) -> Predicates:
        """The first `count` predicates, after kernels have written them."""
        made = self._made
        starts = made.starts[: count + 1]
        return Predicates(
            made.code[:count],
            made.value[:count],
            made.bands[:count],
            starts,
            made.items[: starts[-1]],
            made.lines[:count],
        )


def assemble(graph: Graph, predicates: Predicates) -> Graph:
    """The graph of these predicates and of the real nodes of `graph` that they need."""
    return assemble_with_origins(graph, predicates)[0]


def assemble_with_origins(graph: Graph, predicates: Predicates) -> tuple[Graph, NDArray[np.int32]]:
    """The graph that `assemble` makes, and for each of its nodes the node of `graph` that it copies, -1 for
    predicates.
    """
    number = np.empty(len(graph) + 1, np.int32)
    task = NeedTask(
        node_count=len(graph), operands=Operands.view(graph.args), count=len(predicates),
        code=predicates.code, value=predicates.value, number=number,
    )  # fmt: skip
    n = lowering_kernels()["number_needed"](task.address)
    number[-1] = -1  # stands for the operand -1
    needed = number[:-1] >= 0
    keep = np.flatnonzero(needed)
    p = len(predicates)
    args = np.full((n + p, 2), -1, np.int32)
    args[:n] = number[graph.args[keep]]
    args[n:, 0] = number[predicates.value]
    bands = np.zeros((n + p, 2))
    bands[n:] = predicates.bands
    starts = np.zeros(n + p + 1, np.int32)
    starts[n:] = predicates.starts
    constants = np.zeros(n + p)
    constants[:n] = graph.constants[keep]
    logic = Logic(starts=starts, items=predicates.items + np.int32(n), bands=bands)
    made = Graph(
        op=np.concatenate([graph.op[keep], predicates.code]),
        args=args,
        constants=constants,
        variables={int(number[node]): name for node, name in graph.variables.items() if needed[node]},
        names=(*itertools.compress(graph.names, needed.tolist()), *([None] * p)),
        lines=np.concatenate([graph.lines[keep], predicates.lines]),
        logic=logic,
    )
    origins = np.full(n + p, -1, np.int32)
    origins[:n] = keep
    return made, origins
