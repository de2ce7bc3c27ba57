"""What the printers of the Python and C dialects share: the walk over the expressions of a typed tree."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod

from absint.ops.precision import Precision
from absint.ops.printers.typed_tree import (
    Assign,
    Binary,
    Call,
    Const,
    Element,
    Expr,
    Function,
    Local,
    Loop,
    Negative,
    Not,
    Primitive,
    Select,
)


class Printer(ABC):
    """Prints one function for one precision; every nested operation is in parentheses."""

    def __init__(self, function: Function, precision: Precision) -> None:
        self.function = function
        self.precision = precision
        self.lines: list[str] = []

    @abstractmethod
    def text(self) -> str:
        """The whole function."""

    @abstractmethod
    def local(self, name: str) -> str:
        """A local's name, changed where the dialect has taken it."""

    @abstractmethod
    def const(self, node: Const) -> str:
        """A literal of its type."""

    @abstractmethod
    def infix(self, node: Binary) -> str:
        """Arithmetic, a comparison or a logical connective."""

    @abstractmethod
    def negation(self, operand: str) -> str:
        """Logical negation of an operand already printed."""

    @abstractmethod
    def select(self, node: Select) -> str:
        """A conditional."""

    @abstractmethod
    def primitive(self, node: Primitive) -> str:
        """A call of a primitive."""

    def call(self, node: Call) -> str:
        """A call of another printed function."""
        return f"{node.target.name}({', '.join(map(self.value, node.operands))})"

    def element(self, node: Element) -> str:
        """An element of a table."""
        return f"{node.table}[{self.expression(node.index)}]"

    def expression(self, node: Expr) -> str:
        """One expression, without parentheses around it."""
        match node:
            case Const():
                return self.const(node)
            case Local(name=name):
                return self.local(name)
            case Negative(operand=operand):
                return f"-{self.nested(operand)}"
            case Not(operand=operand):
                return self.negation(self.nested(operand))
            case Binary():
                return self.infix(node)
            case Select():
                return self.select(node)
            case Primitive():
                return self.primitive(node)
            case Call():
                return self.call(node)
            case Element():
                return self.element(node)

    def value(self, node: Expr) -> str:
        """An expression whose value is given a name: assigned, or passed on."""
        return self.expression(node)

    def nested(self, node: Expr) -> str:
        """One operand of an operator."""
        text = self.expression(node)
        bare = isinstance(node, (Primitive, Call, Element)) and text[0].isalpha()
        return text if bare or re.fullmatch(r"[\w.]+", text) else f"({text})"

    @abstractmethod
    def statements(self, body: tuple[Assign | Loop, ...], indent: str) -> None:
        """Print the statements to `lines`."""
