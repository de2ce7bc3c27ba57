"""A program: a graph together with the precision, box and promise for which it is valid.

A pass maps a Program to a Program. Constants, intervals and rewrites are valid for one precision, one box and
one promise; most bugs of such a compiler come from forgetting one of the three.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from absint.base.errors import DomainError, GraphError, UsageError, one_line, shown
from absint.ir.box import EVERYWHERE, Box, check_is_box
from absint.ir.graph import Graph
from absint.ops.demand import Demand
from absint.ops.precision import Precision, as_precision


class Promise(Enum):
    """The sense in which an optimised program agrees with its source on its box."""

    BITS = "bits"
    """Equal bit for bit, or both NaN."""
    SIGN = "sign"
    """Only the answer to `f < 0` is the same; it is false on NaN."""

    @property
    def demand(self) -> Demand:
        """What users may observe of the root's value under the promise."""
        return Demand.BITS if self is Promise.BITS else Demand.NEGATIVE


class Form(Enum):
    """The form of a program: whether its root is a number (real), or the answer to `f < 0` (lowered)."""

    REAL = "real"
    LOWERED = "lowered"


def as_promise(promise: Promise | str) -> Promise:
    """A promise from its name, `"bits"` or `"sign"`. Raises `UsageError` for another name."""
    if isinstance(promise, Promise):
        return promise
    for known in Promise:
        if isinstance(promise, str) and promise == known.value:
            return known
    raise UsageError(f"promise {shown(promise)}: expected bits or sign")


_DESCRIPTION_LENGTH = 240
"""Characters of a program's description in a message: a box may name many variables."""


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Program:
    """A graph, and the precision, box and promise under which it replaces its `source`.

    Precision and promise may be given by name. Raises `GraphError` if `graph` is not a graph, and
    `UsageError` if another field has the wrong type; `verify` checks the graph itself.

    `source`: the program from which this one was made, None if it was parsed or built. `specialised`: whether
    the program was read from a file that absint wrote for one box, so that its source is not known. Compared
    by identity, which is also the key of cached analyses.
    """

    graph: Graph
    precision: Precision = Precision.F32
    box: Box = EVERYWHERE
    promise: Promise = Promise.BITS
    source: Program | None = None
    specialised: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.graph, Graph):
            raise GraphError(f"program: expected a graph, not {shown(self.graph)}")
        object.__setattr__(self, "precision", as_precision(self.precision))
        object.__setattr__(self, "promise", as_promise(self.promise))
        check_is_box(self.box)
        if not isinstance(self.source, Program | None):
            raise UsageError(f"program: expected a program or None as source, not {shown(self.source)}")

    @property
    def form(self) -> Form:
        """Real, or lowered."""
        return Form.LOWERED if self.graph.lowered else Form.REAL

    def verify(self) -> None:
        """Raises `GraphError` unless the graph and the origin's graph are valid. Each is checked once."""
        self.graph.verify()
        self.origin.graph.verify()

    def with_graph(self, graph: Graph) -> Program:
        """This program with another graph, which must keep its promise; itself if the graph is its own."""
        return self if graph is self.graph else replace(self, graph=graph, source=self.source or self)

    def with_promise(self, promise: Promise) -> Program:
        """This program's graph under another promise; itself if the promise is the same."""
        if as_promise(promise) is self.promise:
            return self
        return replace(self, promise=promise, source=self.source or self)

    @property
    def origin(self) -> Program:
        """The first program in the chain of sources: the one that was parsed or built."""
        program = self
        while program.source is not None:
            program = program.source
        return program

    @property
    def variables(self) -> frozenset[str]:
        """Every variable that the program may depend on, including those that passes removed."""
        origin = self.origin
        used = frozenset(origin.graph.variables.values())
        return used | frozenset(origin.box.bounds) if origin.specialised else used

    def holds(self, box: Box, precision: Precision, promise: Promise) -> bool:
        """Whether this program is valid on the box, in the precision and under the promise. A program that
        was parsed or built is valid in both precisions.

        Raises `UsageError` unless the arguments are a box, a precision and a promise.
        """
        precision, promise = as_precision(precision), as_promise(promise)
        is_source = self.source is None and not self.specialised
        return (
            (is_source or self.precision is precision)
            and self.box.contains(box)
            and (self.promise is Promise.BITS or promise is Promise.SIGN)
        )

    def restricted(self, box: Box, precision: Precision, promise: Promise = Promise.BITS) -> Program:
        """The program that enters a pipeline: to be specialised for a box and precision, under a promise.

        Its graph is this program's if this program is valid for all three, else the origin's. Raises
        `DomainError` if neither is, and `UsageError` unless the arguments are a box, a precision and a
        promise.
        """
        check_is_box(box)
        precision, promise = as_precision(precision), as_promise(promise)
        box = box.rounded(precision)
        base = self.basis(box, precision, promise)
        return Program(base.graph, precision, box, base.promise, source=base)

    def basis(self, box: Box, precision: Precision, promise: Promise) -> Program:
        """This program if it is valid for a rounded box, a precision and a promise, else its origin. Raises
        `DomainError` if neither is.
        """
        for base in (self, self.origin):
            if base.holds(box, precision, promise):
                return base
        holds, asked = (
            one_line(text, _DESCRIPTION_LENGTH)
            for text in (
                describe(self.origin),
                f"precision {precision.value}, box {box}, promise {promise.value}",
            )
        )
        raise DomainError(f"the program holds for {holds}, not for {asked}: optimise its source for that")


def check_program(program: object) -> None:
    """Raises `UsageError` if `program` is not a program, `GraphError` if its graph is not valid."""
    if not isinstance(program, Program):
        raise UsageError(f"expected a program, such as absint.load returns, not {shown(program)}")
    program.verify()


def describe(program: Program) -> str:
    """The precision, box and promise of a program, as text: the guard at the head of a written `.vm` file has
    the same form (see `absint.frontend.guard`).
    """
    return f"precision {program.precision.value}, box {program.box}, promise {program.promise.value}"
