"""The predicate part of a graph as arrays of its own, which the lowering passes rewrite.

Predicates are numbered from 0 here, operands before users, the root last; real nodes keep their numbers in the
graph until `assembled` leaves out those that no predicate needs any more.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from absint.graph import FIRST_PREDICATE, Graph, Logic
from absint.ops.table import ALL, BAND, FALSE, TRUE


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
    band, else -1. `bands` float64[p, 2], lower and upper end, else 0. `starts` int32[p+1] and `items` int32[m],
    the operands of each `all` and `any`. `lines` int32[p]: the line in the source that each comes from.
    """

    code: NDArray[np.uint8]
    value: NDArray[np.int32]
    bands: NDArray[np.float64]
    starts: NDArray[np.int32]
    items: NDArray[np.int32]
    lines: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.code)

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
            items=number[graph.logic.items].astype(np.int32),
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


def assembled(graph: Graph, predicates: Predicates) -> Graph:
    """The graph of these predicates and of the real nodes of `graph` that they need."""
    real = _needed(graph, predicates.value[predicates.code == BAND.code])
    keep = np.flatnonzero(real)
    n, p = len(keep), len(predicates)
    number = np.full(len(graph) + 1, -1, np.int32)  # the last entry stands for the operand -1
    number[keep] = np.arange(n, dtype=np.int32)
    args = np.full((n + p, 2), -1, np.int32)
    args[:n] = number[graph.args[keep]]
    args[n:, 0] = number[predicates.value]
    bands = np.zeros((n + p, 2))
    bands[n:] = predicates.bands
    names = graph.names
    logic = Logic(
        starts=np.concatenate([np.zeros(n, np.int32), predicates.starts]),
        items=(predicates.items + n).astype(np.int32),
        bands=bands,
    )
    made = Graph(
        op=np.concatenate([graph.op[keep], predicates.code]),
        args=args,
        constants=np.concatenate([graph.constants[keep], np.zeros(p)]),
        variables={int(number[node]): name for node, name in graph.variables.items() if number[node] >= 0},
        names=(*(names[node] for node in keep.tolist()), *([None] * p)),
        lines=np.concatenate([graph.lines[keep], predicates.lines]),
        logic=logic,
    )
    for array in (made.op, made.args, made.constants, made.lines, logic.starts, logic.items, logic.bands):
        array.flags.writeable = False
    return made


def _needed(graph: Graph, values: NDArray[np.int32]) -> NDArray[np.bool_]:
    """bool[n]: which nodes some real nodes depend on, themselves included."""
    live = np.zeros(len(graph), bool)
    fresh = np.unique(values)
    while len(fresh):
        live[fresh] = True
        operands = graph.args[fresh].ravel()
        operands = np.unique(operands[operands >= 0])
        fresh = operands[~live[operands]]
    return live


class PredicateBuilder:
    """Makes predicates bottom up. Equal ones are one; constants, repetitions and lists of one fall away."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._shared: dict[object, int] = {}
        self.false = self._share(FALSE.code, -1, 0.0, 0.0, (), 0)
        self.true = self._share(TRUE.code, -1, 0.0, 0.0, (), 0)

    def _share(
        self, code: int, value: int, lower: float, upper: float, items: tuple[int, ...], line: int
    ) -> int:
        key = (code, value, lower, upper, items)
        found = self._shared.get(key)
        if found is None:
            found = self._shared[key] = len(self._rows)
            self._rows.append(Row(*key, line))
        return found

    def leaf(self, code: int, value: int, lower: float, upper: float, line: int) -> int:
        """A predicate without operands: true, false or a band."""
        if code == BAND.code:
            return self.band(value, lower, upper, line)
        return self.true if code == TRUE.code else self.false

    def band(self, value: int, lower: float, upper: float, line: int) -> int:
        """`lower <= value <= upper`; false if that holds nothing."""
        if not lower <= upper:
            return self.false
        return self._share(BAND.code, value, lower + 0.0, upper + 0.0, (), line)

    def join(self, code: int, items: Iterable[int], line: int) -> int:
        """`all` or `any` of some predicates."""
        absorbing, neutral = (self.false, self.true) if code == ALL.code else (self.true, self.false)
        kept = dict.fromkeys(items)
        if absorbing in kept:
            return absorbing
        kept.pop(neutral, None)
        if not kept:
            return neutral
        if len(kept) == 1:
            return next(iter(kept))
        return self._share(code, -1, 0.0, 0.0, tuple(sorted(kept)), line)

    def row(self, predicate: int) -> Row:
        """Code, real node, ends, operands and line of a predicate."""
        return self._rows[predicate]

    def build(self, root: int) -> Predicates:
        """The predicates that `root` needs, with it as the last."""
        live = [False] * (root + 1)
        live[root] = True
        for predicate in range(root, -1, -1):
            if live[predicate]:
                for item in self._rows[predicate].items:
                    live[item] = True
        keep = [predicate for predicate in range(root + 1) if live[predicate]]
        number = {predicate: i for i, predicate in enumerate(keep)}
        code, value, lower, upper, items, lines = zip(
            *(self._rows[predicate] for predicate in keep), strict=True
        )
        return Predicates(
            code=np.array(code, np.uint8),
            value=np.array(value, np.int32),
            bands=np.stack([np.array(lower, np.float64), np.array(upper, np.float64)], axis=1),
            starts=np.concatenate([[0], np.cumsum([len(each) for each in items])]).astype(np.int32),
            items=np.array([number[item] for each in items for item in each], np.int32),
            lines=np.array(lines, np.int32),
        )
