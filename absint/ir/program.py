"""A program: a graph together with what it is true of.

A pass maps a Program to a Program. Constants, intervals and rewrites hold for one precision, one box and
one promise; most bugs of such a compiler are one of these three forgotten.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import Any

from absint.base.arguments import pair, word
from absint.base.errors import DomainError, GraphError, UsageError, ViewError, one_line, shown, shown_path
from absint.ir.graph import AXES, Graph
from absint.ops.demand import Bounds, Demand
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


ANYTHING = Bounds(-math.inf, math.inf, True)
"""What is known of a variable that a box does not bound."""

_DESCRIBED = 240
"""Characters of what a program holds for, in a message: a box may name many variables."""

_RANGE = re.compile(r"([^:_]+):([^:_]+)")  # Python's digit groups are no notation for users


def _range(text: str, part: str) -> tuple[float, float]:
    """One range of a region's text."""
    match = _RANGE.fullmatch(part)
    try:
        if match is None:
            raise ValueError
        lower, upper = float(match[1]), float(match[2])
    except ValueError:
        raise ViewError(f"region {shown(text)}: {shown(part)} is not a range such as -1:1") from None
    if not lower <= upper:
        raise ViewError(f"region {shown(text)}: {shown(part)} holds nothing")
    return lower, upper


@dataclass(frozen=True, slots=True)
class Box:
    """Closed bounds, in model units, of some variables. One without bounds may be anything, NaN included.

    `bounds` is copied. Raises `ViewError` for bounds that hold nothing, and what is no mapping of names to
    pairs of numbers.
    """

    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.bounds, Mapping):
            raise ViewError(f"box {shown(self.bounds)}: expected bounds by name, as {{'x': (-1.0, 1.0)}}")
        bounds = {}
        for given, ends in self.bounds.items():
            name = word(given, "box: name", ViewError)
            lower, upper = bounds[name] = pair(ends, f"box: {shown_path(name)}:", ViewError)
            if not lower <= upper:
                raise ViewError(
                    f"box: {shown_path(name)} runs from {lower!r} to {upper!r}, which holds nothing"
                )
        object.__setattr__(self, "bounds", MappingProxyType(bounds))

    def __reduce__(self) -> tuple[Any, ...]:
        return Box, (dict(self.bounds),)

    @staticmethod
    def of(x: tuple[float, float], y: tuple[float, float], z: tuple[float, float] | None = None) -> Box:
        """Bounds of x, y and, if given, z."""
        return Box({"x": x, "y": y} | ({"z": z} if z is not None else {}))

    @staticmethod
    def parse(text: str) -> Box:
        """Read `x0:x1,y0:y1[,z0:z1]` (z is -1:1 when left out), `all` for everywhere, or what `str` gives.

        That names the variables, as `x=-1:1,t=0:2`, and leaves the others without bounds. Raises `ViewError`
        when the text is none of these or an end point is not a number.
        """
        text = word(text, "region", ViewError)
        if text.strip() == "all":
            return Box()
        parts = text.split(",")
        if "=" in text:
            named = [part.rpartition("=") for part in parts]
            bounds = {name.strip(): _range(text, ends) for name, _, ends in named}
            if len(bounds) < len(parts) or "" in bounds:
                raise ViewError(f"region {shown(text)}: every range needs a name of its own")
            return Box(bounds)
        if len(parts) not in (2, 3):
            raise ViewError(f"region {shown(text)}: expected x0:x1,y0:y1[,z0:z1] or all")
        ranges = [_range(text, part) for part in parts]
        return Box(dict(zip(AXES, [*ranges, (-1.0, 1.0)], strict=False)))

    @staticmethod
    def default() -> Box:
        """-1 to 1 on each axis."""
        return Box(dict.fromkeys(AXES, (-1.0, 1.0)))

    def of_variable(self, name: str) -> Bounds:
        """What the box says of a variable. Raises `ViewError` for what is no name."""
        bounds = self.bounds.get(word(name, "variable", ViewError))
        return ANYTHING if bounds is None else Bounds(*bounds, may_nan=False)

    def contains(self, other: Box) -> bool:
        """Every point of `other` is a point of this box. Raises `UsageError` for what is no box."""
        _check_box(other)
        for name, (lower, upper) in self.bounds.items():
            inner = other.bounds.get(name)
            if inner is None or inner[0] < lower or inner[1] > upper:
                return False
        return True

    def rounded(self, precision: Precision) -> Box:
        """End points rounded to nearest, as sample positions are. Raises `ViewError` when one overflows."""
        precision = as_precision(precision)
        bounds = {}
        for name, ends in self.bounds.items():
            lower, upper = (precision.round(end) + 0.0 for end in ends)
            if math.isinf(lower) > math.isinf(ends[0]) or math.isinf(upper) > math.isinf(ends[1]):
                raise ViewError(
                    f"box: {shown_path(name)} from {ends[0]!r} to {ends[1]!r} overflows {precision.value}"
                )
            bounds[name] = (lower, upper)
        return Box(bounds)

    def __str__(self) -> str:
        if not self.bounds:
            return "all"
        names = [*AXES, *sorted(set(self.bounds) - set(AXES))]
        return ",".join(
            f"{name}={self.bounds[name][0]!r}:{self.bounds[name][1]!r}"
            for name in names
            if name in self.bounds
        )


def _check_box(box: object) -> None:
    """Raises `UsageError` for what is no box."""
    if not isinstance(box, Box):
        raise UsageError(f"{shown(box)}: expected a Box, as Box.parse('-1:1,-1:1')")


EVERYWHERE = Box()


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
        _check_box(self.box)
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
        _check_box(box)
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
