"""The predicate part of a graph as arrays of its own, which the lowering passes rewrite in native kernels.

Predicates are numbered from 0 here, operands before users, the root last; real nodes keep their numbers in
the graph until `assembled` leaves out those that no predicate needs any more.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from absint.base.memo import cached_property
from absint.ir.graph import FIRST_PREDICATE, Graph, Logic
from absint.lowering.units import lowering_kernels
from absint.native.arrays import addresses, call
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

    Of p predicates: `code` uint8[p], one of the op table's `PREDICATES`. `value` int32[p], the real node of a
    band, else -1. `bands` float64[p, 2], lower and upper end, else 0. `starts` int32[p+1] and `items`
    int32[m], the operands of each `all` and `any`. `lines` int32[p]: the line in the source that each comes
    from.
    """

    code: NDArray[np.uint8]
    value: NDArray[np.int32]
    bands: NDArray[np.float64]
    starts: NDArray[np.int32]
    items: NDArray[np.int32]
    lines: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.code)

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """In the order in which kernels are told of them."""
        return self.code, self.value, self.bands, self.starts, self.items, self.lines

    @cached_property
    def table(self) -> NDArray[np.int64]:
        """The addresses of the arrays, for kernels."""
        return addresses(*self.arrays)

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


class Draft:
    """Room for kernels to make predicates in: at most `predicates` of them, with `items` operands in all.

    See `absint.lowering.kernels.predicates`.
    """

    def __init__(self, predicates: int, items: int) -> None:
        slots = 1 << (2 * predicates + 3).bit_length()
        self._predicates = Predicates(
            code=np.empty(predicates + 2, np.uint8),  # false and true beside
            value=np.empty(predicates + 2, np.int32),
            bands=np.empty((predicates + 2, 2)),
            starts=np.empty(predicates + 3, np.int32),
            items=np.empty(items, np.int32),
            lines=np.empty(predicates + 2, np.int32),
        )
        self._slots = np.full(slots, -1, np.int32)
        self._size = np.array([0, predicates + 2, items, slots - 1, 0], np.int64)
        self.table = addresses(*self._predicates.arrays, self._slots, self._size)

    def result(self, count: int) -> Predicates:
        """The first `count` predicates, when they are made."""
        made = self._predicates
        starts = made.starts[: count + 1]
        return Predicates(
            made.code[:count],
            made.value[:count],
            made.bands[:count],
            starts,
            made.items[: starts[-1]],
            made.lines[:count],
        )


def assembled(graph: Graph, predicates: Predicates) -> Graph:
    """The graph of these predicates and of the real nodes of `graph` that they need."""
    return assembled_with_origins(graph, predicates)[0]


def assembled_with_origins(graph: Graph, predicates: Predicates) -> tuple[Graph, NDArray[np.int32]]:
    """The same, and the node of `graph` that each is a copy of, -1 for predicates."""
    number = np.empty(len(graph) + 1, np.int32)
    kernel = lowering_kernels()["number_needed"]
    n = call(kernel, len(graph), graph.args, len(predicates), predicates.code, predicates.value, number)
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
