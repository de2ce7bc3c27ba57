"""The small typed tree that `subset` makes of a function and the printers walk.

Nothing here knows Python's syntax or any output dialect. Every expression carries its type; in a binary64
program `Real` has become `Wide`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class TranslateError(TypeError):
    """A function is not in the subset, or mixes types."""


class Type(Enum):
    """The type of an expression; `NUMBER` is a literal whose context has not yet given it one."""

    REAL = "Real"
    WIDE = "Wide"
    INT = "Int"
    BOOL = "Bool"
    NUMBER = "number"


FLOATS = (Type.REAL, Type.WIDE)


@dataclass(frozen=True, slots=True)
class Const:
    """A literal; a `float`, `int` or `bool` as its type says."""

    type: Type
    value: float


@dataclass(frozen=True, slots=True)
class Local:
    """A parameter, local or loop variable."""

    type: Type
    name: str


@dataclass(frozen=True, slots=True)
class Negative:
    """Unary minus: flips the sign bit."""

    type: Type
    operand: Expr


@dataclass(frozen=True, slots=True)
class Not:
    """Logical negation."""

    type: Type
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic, a comparison (of type BOOL), `and` or `or`; `symbol` is Python's."""

    type: Type
    symbol: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Select:
    """`body if test else orelse`."""

    type: Type
    test: Expr
    body: Expr
    orelse: Expr


@dataclass(frozen=True, slots=True)
class Primitive:
    """A call of a primitive by its name; a float primitive has the type of its operands."""

    type: Type
    name: str
    operands: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A call of another function of the subset. `type` is meaningless when it returns several values."""

    type: Type
    target: Function
    operands: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Element:
    """`TABLE[index]`; a constant index is folded away."""

    type: Type
    table: str
    index: Expr


Expr = Const | Local | Negative | Not | Binary | Select | Primitive | Call | Element


@dataclass(frozen=True, slots=True)
class Assign:
    """`names = value`; several names unpack a call, or a conditional between two calls."""

    names: tuple[str, ...]
    value: Expr


@dataclass(frozen=True, slots=True)
class Loop:
    """`for name in range(count)`."""

    name: str
    count: int
    body: tuple[Assign | Loop, ...]


@dataclass(frozen=True, eq=False)
class Function:
    """One function of the subset, checked. `locals` holds the types of all names but the parameters."""

    name: str
    summary: str
    parameters: dict[str, Type]
    returns: tuple[Type, ...]
    locals: dict[str, Type] = field(default_factory=dict)
    body: tuple[Assign | Loop, ...] = ()
    results: tuple[Expr, ...] = ()
    """What it returns: one expression per value, or one (`tuple_types`) that gives them all."""
    callees: tuple[Function, ...] = ()
    tables: dict[str, tuple[float, ...]] = field(default_factory=dict)


def with_callees(functions: list[Function]) -> list[Function]:
    """The functions and all that they call, each once, callees first."""
    order: dict[Function, None] = {}

    def visit(function: Function) -> None:
        for callee in function.callees:
            visit(callee)
        order.setdefault(function)

    for function in functions:
        visit(function)
    return list(order)


def tuple_types(value: Expr) -> tuple[Type, ...]:
    """The types of what is unpacked or returned whole: a call, or a conditional between two."""
    while isinstance(value, Select):
        value = value.body
    return value.target.returns if isinstance(value, Call) else (value.type,)
