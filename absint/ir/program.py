"""A program: a graph together with what it is true of.

A pass maps a Program to a Program. Constants, intervals and rewrites hold for one precision, one box and
one promise; most bugs of such a compiler are one of these three forgotten.
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
    """How an optimised program agrees with its source on its box."""

    BITS = "bits"
    """Equal bit for bit, or both NaN."""
    SIGN = "sign"
    """Only the answer to `f < 0` is the same; it is false on NaN."""

    @property
    def demand(self) -> Demand:
        """What of the root's value the promise lets one see."""
        return Demand.BITS if self is Promise.BITS else Demand.NEGATIVE


class Form(Enum):
    """What the root of a program is: a number, or the answer to `f < 0`."""

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


_DESCRIBED = 240
"""Characters of what a program holds for, in a message: a box may name many variables."""


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Program:
    """A graph, and the precision, box and promise under which it stands for its `source`.

    Precision and promise may be given by name. Raises `GraphError` for what is no graph, and `UsageError` for
    other fields of wrong types; `verify` looks at the graph.

    `source` is the program that it was made from, None for one that was parsed or built. `specialised` says
    of one without a source that absint wrote it, for a source that is not at hand. Compared by identity,
    which is also the key under which analyses are cached.
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
        """Raises `GraphError` unless the graph, and that of the program's origin, is sound. Costs little when
        both are known to be.
        """
        self.graph.verify()
        self.origin.graph.verify()

    def with_graph(self, graph: Graph) -> Program:
        """The same program with a graph that keeps its promise; itself if the graph is the same object."""
        return self if graph is self.graph else replace(self, graph=graph, source=self.source or self)

    def with_promise(self, promise: Promise) -> Program:
        """The same graph under another promise; itself if it is the same promise."""
        if as_promise(promise) is self.promise:
            return self
        return replace(self, promise=promise, source=self.source or self)

    @property
    def origin(self) -> Program:
        """The program that was parsed or built, from which this one was made."""
        program = self
        while program.source is not None:
            program = program.source
        return program

    @property
    def variables(self) -> frozenset[str]:
        """Every variable that the program may depend on, also those of which passes left no trace."""
        origin = self.origin
        used = frozenset(origin.graph.variables.values())
        return used | frozenset(origin.box.bounds) if origin.specialised else used

    def holds(self, box: Box, precision: Precision, promise: Promise) -> bool:
        """Whether this program is true of all that; a source is so in either precision.

        Raises `UsageError` for what is no box, precision or promise.
        """
        precision, promise = as_precision(precision), as_promise(promise)
        is_source = self.source is None and not self.specialised
        return (
            (is_source or self.precision is precision)
            and self.box.contains(box)
            and (self.promise is Promise.BITS or promise is Promise.SIGN)
        )

    def restricted(self, box: Box, precision: Precision, promise: Promise = Promise.BITS) -> Program:
        """The start of a pipeline: a program to be specialised for a box and precision, to keep a promise.

        That is this program's graph where it holds for all of that, else its origin's. Raises `DomainError`
        when neither does, `UsageError` for what is no box, precision or promise.
        """
        check_is_box(box)
        precision, promise = as_precision(precision), as_promise(promise)
        box = box.rounded(precision)
        base = self.basis(box, precision, promise)
        return Program(base.graph, precision, box, base.promise, source=base)

    def basis(self, box: Box, precision: Precision, promise: Promise) -> Program:
        """What a program for a rounded box, a precision and a promise is made from: this program where it
        holds for all of that, else its origin. Raises `DomainError` when neither does.
        """
        for base in (self, self.origin):
            if base.holds(box, precision, promise):
                return base
        holds, asked = (
            one_line(text, _DESCRIBED)
            for text in (
                describe(self.origin),
                f"precision {precision.value}, box {box}, promise {promise.value}",
            )
        )
        raise DomainError(f"the program holds for {holds}, not for {asked}: optimise its source for that")


def check_program(program: object) -> None:
    """Raises `UsageError` for what is no program, `GraphError` for one whose graph is not sound."""
    if not isinstance(program, Program):
        raise UsageError(f"expected a program, as of absint.load or absint.optimize, not {shown(program)}")
    program.verify()


def describe(program: Program) -> str:
    """What a program holds for, as the guard says that heads a written `.vm` file (see
    `absint.frontend.guard`).
    """
    return f"precision {program.precision.value}, box {program.box}, promise {program.promise.value}"
