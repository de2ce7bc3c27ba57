"""Terms: the operands of a lowered program's root as boxes and what must hold in them.

Most values that bands ask about are sums `u(x) + v(y)` of two simple forms; those cost a pixel one addition.
What is inside of a term is either written out as simple terms, if there are few, or kept as alternatives
inside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from absint.kernels.layout import DEEPEST_TERM
from absint.lowering import Row
from absint.ops.table import ADD, ALL, ANY, BAND, CONST, FALSE, MUL, NEG, SQUARE, SUB
from absint.tape_code import COLUMN, ROW, TapeCode

MOST_ENTRIES = 4096
"""Entries of a term's code; larger terms are left to the regions."""

MOST_PRODUCTS = 16
"""Simple terms that a term with alternatives may be written out as."""

SIMPLE_SUMS = 2
"""Sums of a term that is drawn in one go."""


@dataclass(frozen=True)
class Form:
    """A value of one variable: ±(t + c) or ±(t + c)², t being a node's value."""

    base: int
    offset: float
    sign: float
    squared: bool


@dataclass(frozen=True)
class Sum:
    """A band of a node that is the sum of a form of x and one of y."""

    node: int
    x: Form
    y: Form
    lower: float
    upper: float


@dataclass
class Term:
    """A box and what must hold in it beside. `box`: ends of x and of y."""

    box: tuple[float, float, float, float]
    sums: list[Sum] = field(default_factory=list)
    bands: list[tuple[int, float, float]] = field(default_factory=list)
    either: list[list[Term]] = field(default_factory=list)

    def walk(self) -> Iterator[Term]:
        """The term and all inside of it."""
        yield self
        for terms in self.either:
            for term in terms:
                yield from term.walk()


class TooLargeError(Exception):
    """A term would take too much code."""


def products(term: Term) -> list[Term]:
    """Simple terms, one of which holds just where the term does; the term itself if they are too many or not
    simple.
    """
    if not term.either:
        return [term]
    made = [Term(term.box, term.sums, term.bands)]
    for terms in term.either:
        inner = [product for one in terms for product in products(one)]
        made = [both for a in made for b in inner if (both := _both(a, b)) is not None]
        if len(made) > MOST_PRODUCTS:
            return [term]
    simple = all(not (p.either or p.bands) and len(p.sums) <= SIMPLE_SUMS for p in made)
    return made if simple else [term]


def _both(a: Term, b: Term) -> Term | None:
    """The term that holds where two do; None if that is nowhere."""
    left, right = max(a.box[0], b.box[0]), min(a.box[1], b.box[1])
    bottom, top = max(a.box[2], b.box[2]), min(a.box[3], b.box[3])
    sums = {one.node: one for one in a.sums}
    for one in b.sums:
        ends = sums.get(one.node, one)
        sums[one.node] = replace(one, lower=max(one.lower, ends.lower), upper=min(one.upper, ends.upper))
    if left > right or bottom > top or any(one.lower > one.upper for one in sums.values()):
        return None
    return Term((left, right, bottom, top), list(sums.values()), a.bands + b.bands, a.either + b.either)


class TermBuilder:
    """Makes terms of predicates."""

    def __init__(self, code: TapeCode, rows: list[Row]) -> None:
        self._code = code
        self._graph = code.graph
        self._rows = rows
        self._forms: dict[int, Form] = {}
        self._entries = 0

    def root_term(self, predicate: int) -> Term:
        """The term of an operand of the root. Raises `TooLargeError`."""
        self._entries = 0
        return self._term(predicate, 0)

    def _term(self, predicate: int, depth: int) -> Term:
        self._entries += 3
        if depth == DEEPEST_TERM or self._entries > MOST_ENTRIES:
            raise TooLargeError
        left, right, bottom, top = -math.inf, math.inf, -math.inf, math.inf
        term = Term((left, right, bottom, top))
        parts = [predicate]
        for part in parts:
            row = self._rows[part]
            if row.code == ALL.code:
                parts += row.items
            elif row.code == ANY.code:
                self._entries += 2
                term.either.append([self._term(item, depth + 1) for item in row.items])
            elif row.code == FALSE.code:
                left, right = math.inf, -math.inf
            elif row.code == BAND.code:
                self._entries += 1
                variable = self._graph.variables.get(row.value)
                if variable == "x":
                    left, right = max(left, row.lower), min(right, row.upper)
                elif variable == "y":
                    bottom, top = max(bottom, row.lower), min(top, row.upper)
                elif (forms := self._sum(row.value)) is not None:
                    term.sums.append(Sum(row.value, *forms, row.lower, row.upper))
                else:
                    term.bands.append((row.value, row.lower, row.upper))
        term.box = left, right, bottom, top
        return term

    def _sum(self, node: int) -> tuple[Form, Form] | None:
        """The forms of x and of y that a node is the sum of."""
        code, a, b = self._graph.rows[node]
        if code not in (ADD.code, SUB.code):
            return None
        kinds = self._code.classes[a], self._code.classes[b]
        if kinds not in ((ROW, COLUMN), (COLUMN, ROW)):
            return None
        first, second = self._form(a), self._form(b)
        if code == SUB.code:  # a - b is a + (-b)
            second = Form(second.base, second.offset, -second.sign, second.squared)
        return (first, second) if kinds == (ROW, COLUMN) else (second, first)

    def _form(self, node: int) -> Form:
        """The form of a node. Its zeros may have another sign than the node's; a band does not see it."""
        if node not in self._forms:
            self._forms[node] = self._find_form(node)
        return self._forms[node]

    def _find_form(self, node: int) -> Form:
        rows = self._graph.rows
        sign, squared = 1.0, False
        while rows[node][0] == NEG.code:
            sign, node = -sign, rows[node][1]
        code, a, b = rows[node]
        if code == SQUARE.code or (code == MUL.code and a == b):
            squared, node = True, a
            while rows[node][0] == NEG.code:
                node = rows[node][1]
        code, a, b = rows[node]
        offset = -0.0  # adding it changes nothing
        if code in (ADD.code, SUB.code):
            constant = [self._constant(operand) for operand in (a, b)]
            if constant[1] is not None:
                offset, node = (constant[1] if code == ADD.code else -constant[1]), a
            elif constant[0] is not None and code == ADD.code:
                offset, node = constant[0], b
            elif constant[0] is not None:  # c - t is -(t - c)
                offset, node = -constant[0], b
                sign = sign if squared else -sign
        return Form(node, offset, sign, squared)

    def _constant(self, node: int) -> float | None:
        if self._graph.rows[node][0] != CONST.code:
            return None
        return self._code.memory.precision.round(self._graph.values[node])
