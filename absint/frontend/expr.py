"""Python expressions: `sqrt(X**2 + Y**2) - 0.5` enters, a `Graph` leaves, and back.

An `Expr` is an immutable operation on other expressions. Building one computes and simplifies nothing: passes
see what is written, except that `to_graph` makes one node of equal sub-expressions. Each record of the op
table has one function or operator (`FUNCTIONS`). All traversals are iterative, since an expression may be a
million operations deep.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar, NoReturn

import numpy as np

from absint.base.errors import ExpressionError, GraphError, shown
from absint.ir.graph import FIRST_PREDICATE, Graph, GraphBuilder, check_graph
from absint.ir.invariants import is_token
from absint.ops import table
from absint.ops.precision import Precision
from absint.ops.table import CONST, OPS, VAR, Op


@dataclass(frozen=True, slots=True, eq=False, repr=False, weakref_slot=True)
class Expr:
    """An operation on expressions, or a leaf: `X`, `Y`, `Z`, `var(name)`, `const(value)`.

    Operators: `+ - * / %`, unary `-`, `abs()`, and `**` with a positive integer or 0.5. The other operand may
    be a Python or NumPy number. `==` compares identity and `<` raises; `minimum`, `maximum` and `compare` are
    the operations that compare values.
    """

    op: Op
    operands: tuple[Expr, ...] = ()
    value: float = 0.0
    """A constant's value."""
    name: str = ""
    """A variable's name."""

    # makes NumPy scalars leave `np.float32(2) * X` to `Expr.__rmul__`, and NumPy arrays refuse
    __array_ufunc__: ClassVar[None] = None

    def graph(self) -> Graph:
        """The graph of the expression; see `to_graph`."""
        return to_graph(self)

    def __add__(self, other: Operand) -> Expr:
        return _infix(table.ADD, self, other)

    def __radd__(self, other: Operand) -> Expr:
        return _infix(table.ADD, other, self)

    def __sub__(self, other: Operand) -> Expr:
        return _infix(table.SUB, self, other)

    def __rsub__(self, other: Operand) -> Expr:
        return _infix(table.SUB, other, self)

    def __mul__(self, other: Operand) -> Expr:
        return _infix(table.MUL, self, other)

    def __rmul__(self, other: Operand) -> Expr:
        return _infix(table.MUL, other, self)

    def __truediv__(self, other: Operand) -> Expr:
        return _infix(table.DIV, self, other)

    def __rtruediv__(self, other: Operand) -> Expr:
        return _infix(table.DIV, other, self)

    def __mod__(self, other: Operand) -> Expr:
        return _infix(table.MOD, self, other)

    def __rmod__(self, other: Operand) -> Expr:
        return _infix(table.MOD, other, self)

    def __neg__(self) -> Expr:
        return Expr(table.NEG, (self,))

    def __pos__(self) -> Expr:
        return self

    def __abs__(self) -> Expr:
        return Expr(table.ABS, (self,))

    def __pow__(self, exponent: float) -> Expr:
        return _power(self, exponent)

    def __rpow__(self, base: object) -> NoReturn:
        raise ExpressionError(
            "**: for an exponent that is not a constant and a base c > 0 write exp(math.log(c) * p)"
        )

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "an expression is neither true nor false before it is evaluated: "
            "use logical_and, logical_or, logical_not, minimum or maximum"
        )

    def _order(self, other: object) -> NoReturn:
        raise TypeError(
            "expressions have no order before they are evaluated: a shape is where an expression is below 0, "
            "so write a - b for a < b; compare(a, b) is -1, 0 or 1"
        )

    __lt__ = __le__ = __gt__ = __ge__ = _order

    def __copy__(self) -> Expr:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Expr:
        return self  # immutable

    def __reduce__(self) -> tuple[Callable[[Graph], Expr], tuple[Graph]]:
        return from_graph, (to_graph(self),)  # pickling operands would recurse too deeply

    def __repr__(self) -> str:
        return _text(self)


Operand = Expr | float
"""An operand of operators and functions: an expression, or a number, which becomes a constant."""
_OPERANDS = (Expr, float, int, Real)  # float and int for speed: checks against `Real`, an ABC, are slow


def var(name: str) -> Expr:
    """A variable. Images define x, y and z; values of other variables are passed by name.

    Raises `ExpressionError` unless `name` is a word without blanks.
    """
    plain = str.__str__(name) if isinstance(name, str) else name  # a plain str, also from a subclass
    if not is_token(plain):
        raise ExpressionError(f"var: a name is a word without blanks, not {shown(name)}")
    return Expr(VAR, name=plain)


def const(value: float) -> Expr:
    """A constant: any Python or NumPy real number, including infinities and NaN, rounded to binary64.

    Raises `ExpressionError` for other values and for integers too large for binary64.
    """
    number = as_number(value)
    if number is None:
        raise ExpressionError(f"const: expected a number, not {_kind(value)}")
    return Expr(CONST, value=number)


def as_expr(value: Operand, what: str) -> Expr:
    """An expression as it is, a number as a constant. Raises `ExpressionError`, which begins with `what`, for
    other values.
    """
    if isinstance(value, Expr):
        return value
    number = as_number(value)
    if number is None:
        raise ExpressionError(f"{what}: expected an expression or a number, not {_kind(value)}")
    return Expr(CONST, value=number)


def _kind(value: object) -> str:
    return f"{type(value).__name__} {shown(value)}"


def as_number(value: object) -> float | None:
    """The binary64 value of a Python or NumPy real number; None for other values.

    Raises `ExpressionError` for an integer that is too large.
    """
    if not isinstance(value, _OPERANDS[1:]):
        return None
    try:
        return float(value)
    except OverflowError:
        raise ExpressionError("a number is too large for binary64") from None


class OperandError(ExpressionError, TypeError):
    """An operator got text or a sequence. Also a `TypeError`, which Python's own operators raise."""


_NO_OPERANDS = {str, bytes, bytearray, list, tuple, range, memoryview}
"""Exact types that are refused here, because their own operators would raise a misleading error."""


def _infix(op: Op, a: Operand, b: Operand) -> Expr:
    """The result of an infix operator; `NotImplemented` for types that may have an operator of their own."""
    if not (isinstance(a, _OPERANDS) and isinstance(b, _OPERANDS)):
        other = b if isinstance(a, Expr) else a
        if type(other) in _NO_OPERANDS or isinstance(other, np.ndarray):
            raise OperandError(f"{op.name}: expected an expression or a number, not {_kind(other)}")
        return NotImplemented
    return Expr(op, (as_expr(a, op.name), as_expr(b, op.name)))


def _power(base: Expr, exponent: object) -> Expr:
    """A power as multiplications or a square root. Raises `ExpressionError` for other exponents: the op table
    has no general power.
    """
    power = as_number(exponent)
    if power is None:
        raise ExpressionError("**: for an exponent that is not a constant write exp(ln(a) * p)")
    if power == 0.5:
        return Expr(table.SQRT, (base,))
    if not (power.is_integer() and power > 0):
        raise ExpressionError(
            f"** {shown(exponent)}: the exponent is a positive integer or 0.5; recip(a ** n) is a negative "
            "one, and exp(ln(a) * p) any power of a positive a"
        )
    result = base
    for bit in f"{int(power):b}"[1:]:  # from the highest bit: a**13 = ((a²·a)²)²·a
        result = Expr(table.SQUARE, (result,))
        if bit == "1":
            result = Expr(table.MUL, (result, base))
    return result


X = var("x")
Y = var("y")
Z = var("z")


# Functions, one per operation, with the name of its record and the documentation of its body.

FUNCTIONS: dict[str, Callable[..., Expr]] = {
    "neg": operator.neg,
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
}
"""The function or operator that makes each operation, by opcode."""


_OF_ANGLES = ("sin", "cos", "tan", "asin", "acos", "atan", "atan2")
_ANGLES_ARE = "Angles are in radians. "
_OPERANDS_ARE = "Operands are expressions or real numbers. Raises `ExpressionError` for anything else."


def _register(op: Op, function: Callable[..., Expr]) -> None:
    """Name and document the function of an operation, and enter it into `FUNCTIONS`."""
    body = op.body(Precision.F64)
    parameters = ", ".join(inspect.signature(body).parameters)
    summary = (inspect.getdoc(body) or "").split("\n\n")[0]  # further paragraphs describe the algorithm
    function.__name__ = function.__qualname__ = op.function
    units = _ANGLES_ARE if op.name in _OF_ANGLES else ""
    function.__doc__ = f"{op.function}({parameters}) -> Expr\n\n{summary}\n\n{units}{_OPERANDS_ARE}"
    FUNCTIONS[op.name] = function


def _unary(op: Op) -> Callable[[Operand], Expr]:
    def function(a: Operand) -> Expr:
        return Expr(op, (as_expr(a, op.function),))

    _register(op, function)
    return function


def _binary(op: Op) -> Callable[[Operand, Operand], Expr]:
    def function(a: Operand, b: Operand) -> Expr:
        return Expr(op, (as_expr(a, op.function), as_expr(b, op.function)))

    _register(op, function)
    return function


absolute = _unary(table.ABS)
recip = _unary(table.RECIP)
sqrt = _unary(table.SQRT)
square = _unary(table.SQUARE)
floor = _unary(table.FLOOR)
ceil = _unary(table.CEIL)
round_ = _unary(table.ROUND)
sin = _unary(table.SIN)
cos = _unary(table.COS)
tan = _unary(table.TAN)
asin = _unary(table.ASIN)
acos = _unary(table.ACOS)
atan = _unary(table.ATAN)
exp = _unary(table.EXP)
ln = _unary(table.LN)
logical_not = _unary(table.NOT)
atan2 = _binary(table.ATAN2)
compare = _binary(table.COMPARE)
mod = _binary(table.MOD)
logical_and = _binary(table.AND)
logical_or = _binary(table.OR)


def minimum(a: Operand, b: Operand, *more: Operand) -> Expr:
    """The least operand; NaN if one is NaN; the last of equal ones (such as +0 and -0).

    Three or more operands form a balanced tree in their order. The grouping does not affect the result's
    bits: NaN wins, else the last of the least operands. Raises `ExpressionError` for operands that are
    neither expressions nor numbers.
    """
    return _balanced(table.MIN, (a, b, *more))


def maximum(a: Operand, b: Operand, *more: Operand) -> Expr:
    """The greatest operand; NaN if one is NaN; the last of equal ones. Grouped like `minimum`.

    Raises `ExpressionError` for operands that are neither expressions nor numbers.
    """
    return _balanced(table.MAX, (a, b, *more))


FUNCTIONS["min"] = minimum
FUNCTIONS["max"] = maximum


def _balanced(op: Op, operands: tuple[Operand, ...]) -> Expr:
    row = [as_expr(operand, op.function) for operand in operands]
    while len(row) > 1:
        pairs = [Expr(op, (row[i], row[i + 1])) for i in range(0, len(row) - 1, 2)]
        row = pairs + row[2 * len(pairs) :]
    return row[0]


# The assignments above are for type checkers. Any other operation gets its function here.
for _op in OPS:
    if not _op.is_leaf and _op.name not in FUNCTIONS:
        assert _op.function not in globals(), f"{_op.name}: {_op.function} is another thing here"
        globals()[_op.function] = _unary(_op) if _op.arity == 1 else _binary(_op)


# Traversals.


def _operands_first(root: Expr) -> Iterator[Expr]:
    """Each distinct sub-expression once, after its operands, left operands first.

    Raises `ExpressionError` for an operand that is not an expression.
    """
    done: set[Expr] = set()
    stack = [root]
    while stack:
        expr = stack[-1]
        if not isinstance(expr, Expr) or not isinstance(expr.operands, tuple):
            raise ExpressionError(f"expected an expression, not {_kind(expr)}")
        waiting = () if expr in done else [o for o in reversed(expr.operands) if o not in done]
        if waiting:
            stack.extend(waiting)
            continue
        stack.pop()
        if expr not in done:
            done.add(expr)
            yield expr


def to_graph(expr: Operand) -> Graph:
    """The graph of an expression, with one node for equal sub-expressions, and operands before users.

    Raises `ExpressionError` if `expr` is neither an expression nor a number.
    """
    root = as_expr(expr, "to_graph")
    builder = GraphBuilder()
    nodes: dict[Expr, int] = {}
    for part in _operands_first(root):
        if part.op is CONST:
            nodes[part] = builder.constant(part.value)
        elif part.op is VAR:
            nodes[part] = builder.variable(part.name)
        else:
            nodes[part] = builder.apply(part.op, *(nodes[operand] for operand in part.operands))
    return builder.build(nodes[root])


def from_graph(graph: Graph) -> Expr:
    """The expression of a graph's root, so that a loaded model can be used as a shape. Names are dropped.

    Raises `GraphError` unless `graph` is a valid graph without predicates.
    """
    check_graph(graph)
    if (graph.op >= FIRST_PREDICATE).any():
        raise GraphError("from_graph: a lowered program has no expression: its predicates are no operations")
    made: list[Expr] = []
    for node, (code, *_) in enumerate(graph.rows):
        op = OPS[code]
        if op is CONST:
            made.append(Expr(CONST, value=graph.values[node]))
        elif op is VAR:
            made.append(Expr(VAR, name=graph.variables[node]))
        else:
            made.append(Expr(op, tuple(made[operand] for operand in graph.operands(node))))
    return made[-1]


def substitute(expr: Expr, /, **replacements: Operand) -> Expr:
    """Replace variables simultaneously: `substitute(shape, x=X - 1)` is the shape moved by 1.

    Sub-expressions that do not depend on the variables stay the same objects, and shared ones stay shared.
    Raises `ExpressionError` for arguments that are neither expressions nor numbers.
    """
    by_name = {name: as_expr(value, f"substitute: {name}") for name, value in replacements.items()}
    new: dict[Expr, Expr] = {}
    root = as_expr(expr, "substitute")
    for part in _operands_first(root):
        if part.op is VAR:
            new[part] = by_name.get(part.name, part)
            continue
        operands = tuple(new[operand] for operand in part.operands)
        same = all(map(operator.is_, operands, part.operands))
        new[part] = part if same else Expr(part.op, operands)
    return new[root]


# Text.

_LONGEST = 100
_INFIX = {"add": (" + ", 1), "sub": (" - ", 1), "mul": (" * ", 2), "div": (" / ", 2)}
_NEG, _ATOM = 3, 4


def _text(expr: Expr) -> str:
    """The text of as many upper levels of an expression as fit on a line; `…` stands for the levels below."""
    best, depth = "", 0
    while True:
        text = _levels(expr, depth)[0]
        if text == best or (best and len(text) > _LONGEST):
            return best
        best, depth = text, depth + 1


def _levels(expr: Expr, depth: int) -> tuple[str, int]:
    """The text of an expression's upper levels, and the precedence of its outermost operator.

    The recursion is bounded by the text's length, since each level adds characters.
    """
    if expr.op is CONST:
        return repr(expr.value), _ATOM
    if expr.op is VAR:
        return expr.name, _ATOM
    if depth == 0:
        return "…", _ATOM
    parts = [_levels(operand, depth - 1) for operand in expr.operands]
    if expr.op is table.NEG:
        text, binding = parts[0]
        return (f"-{text}" if binding >= _NEG else f"-({text})"), _NEG
    if expr.op.name in _INFIX:
        sign, binding = _INFIX[expr.op.name]
        (a, left), (b, right) = parts
        # a right operand of equal precedence needs parentheses: (a + b) + c is not a + (b + c)
        return f"{a if left >= binding else f'({a})'}{sign}{b if right > binding else f'({b})'}", binding
    return f"{FUNCTIONS[expr.op.name].__name__}({', '.join(text for text, _ in parts)})", _ATOM
