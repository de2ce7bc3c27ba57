"""The language of op bodies: a Python function in, its `typed_tree` out, which `translate` prints.

Op bodies and interval rules are module-level Python functions in this subset:

- Parameters and the result are annotated `Real` (the program's precision), `Wide` (always binary64), `Int`
  (64 bits), `Bool`; the result may be `tuple[...]` of these.
- Statements: a docstring; assignment to a local name, annotated or not; unpacking of a call's tuple, or of
  a conditional between two such calls; `for i in range(constant)`; one `return`, at the end.
- Expressions: locals; numbers; module-level constants; elements `TABLE[i]` of module-level tuples of floats,
  which are `Wide`; `+ - * /` (on `Int` also `<< >> & |`, not `/`); `-`, `not`; comparisons of two operands;
  `and`, `or`; conditional expressions; calls of primitives and of other functions of the subset.
- A number takes the type of its context: next to a `Real` of a binary32 program it is rounded to binary32,
  next to a `Wide` it is not. Arithmetic on numbers alone is done here, in binary64. A local that is assigned
  numbers only is a `Real` unless annotated.
- `Real` and `Wide` mix only through `wide()` and `narrow()`. In a binary64 program they are the same type.
- There are no side effects: the array form evaluates both arms of a conditional and both sides of `and`, so
  an arm that is not selected must be harmless (an index in range, an integer that does not overflow).

Called directly with NumPy scalars a function is the scalar definition. One difference: a number that has not
met a NumPy scalar is still a Python float there. It holds the same value wherever it is exact in the
program's precision, as 0, 1 and inf are; a result like π is therefore written `narrow(PI)` in binary32.

Everything else is a `TranslateError` that names the function and the line: a programmer's mistake, never
one that a model can cause.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import FunctionType
from typing import Any

from absint.ops import primitives
from absint.ops.precision import Precision
from absint.ops.printers.typed_tree import (
    FLOATS,
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
    TranslateError,
    Type,
    tuple_types,
)

Body = Callable[..., Any]

_SAME = {"trunc": 1, "floor": 1, "sqrt": 1, "abs": 1, "next_up": 1, "next_down": 1, "fmod": 2, "copysign": 2}
"""Primitives from floats of one type to the same type, with their number of operands."""

_CONVERSIONS = {
    "wide": (Type.REAL, Type.WIDE),
    "narrow": (Type.WIDE, Type.REAL),
    "bits": (Type.WIDE, Type.INT),
    "from_bits": (Type.INT, Type.WIDE),
    "to_int": (Type.WIDE, Type.INT),
    "to_wide": (Type.INT, Type.WIDE),
}

PRIMITIVES = (*_SAME, *_CONVERSIONS)
"""The names of all primitives."""

_BY_CALLABLE: dict[Any, str] = {getattr(primitives, n, abs): n for n in PRIMITIVES}

_ARITHMETIC = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_INTEGER = {ast.LShift: "<<", ast.RShift: ">>", ast.BitAnd: "&", ast.BitOr: "|"}
_COMPARISONS = {ast.Lt: "<", ast.Gt: ">", ast.LtE: "<=", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
_FOLD: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "<<": lambda a, b: a << b,
    ">>": lambda a, b: a >> b,
    "&": lambda a, b: a & b,
    "|": lambda a, b: a | b,
}


def printed_name(function: Body) -> str:
    """The function's name in every form: its module keeps `basic.add` and `intervals.add` apart."""
    return f"{function.__module__.rpartition('.')[2]}_{function.__name__}"


@functools.cache
def analyse(function: Body, precision: Precision) -> Function:
    """Check a function of the subset for one precision. Raises `TranslateError`."""
    return _Analysis(function, precision).run()


class _Analysis:
    """One walk over a function's syntax tree that builds and types the small tree."""

    def __init__(self, function: Body, precision: Precision) -> None:
        if not isinstance(function, FunctionType):
            raise TranslateError(f"{function!r} is not a Python function")
        self.function = function
        self.precision = precision
        self.real = Type.WIDE if precision is Precision.F64 else Type.REAL
        lines, self.first_line = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines))).body[0]
        assert isinstance(tree, ast.FunctionDef)
        self.tree = tree
        self.types: dict[str, Type] = {}
        self.callees: dict[Function, None] = {}
        self.tables: dict[str, tuple[float, ...]] = {}

    def fail(self, node: ast.AST, message: str) -> TranslateError:
        line = self.first_line + getattr(node, "lineno", 1) - 1
        name = f"{self.function.__module__}.{self.function.__qualname__}"
        return TranslateError(f"{name}, line {line}: {message}")

    def run(self) -> Function:
        """The whole function."""
        arguments = self.tree.args
        if arguments.posonlyargs or arguments.kwonlyargs or arguments.vararg or arguments.kwarg:
            raise self.fail(self.tree, "only plain parameters")
        parameters = {a.arg: self.annotation(a.annotation, a) for a in arguments.args}
        self.types.update(parameters)
        returns = self.return_types(self.tree.returns)
        statements = list(self.tree.body)
        if ast.get_docstring(self.tree) is not None:
            statements = statements[1:]
        if not statements or not isinstance(statements[-1], ast.Return):
            raise self.fail(self.tree, "the last statement must be a return")
        body = tuple(s for node in statements[:-1] for s in self.statement(node))
        results = self.results(statements[-1], returns)
        return Function(
            name=printed_name(self.function),
            summary=(self.function.__doc__ or "").strip().partition("\n")[0],
            parameters=parameters,
            returns=returns,
            locals={k: v for k, v in self.types.items() if k not in parameters},
            body=body,
            results=results,
            callees=tuple(self.callees),
            tables=self.tables,
        )

    def annotation(self, node: ast.expr | None, where: ast.AST) -> Type:
        if isinstance(node, ast.Name) and node.id in ("Real", "Wide", "Int", "Bool"):
            return self.real if node.id == "Real" else Type(node.id)
        raise self.fail(where, "needs an annotation: Real, Wide, Int or Bool")

    def return_types(self, node: ast.expr | None) -> tuple[Type, ...]:
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "tuple":
            items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            return tuple(self.annotation(item, self.tree) for item in items)
        return (self.annotation(node, self.tree),)

    def results(self, node: ast.Return, returns: tuple[Type, ...]) -> tuple[Expr, ...]:
        if node.value is None:
            raise self.fail(node, "returns nothing")
        if isinstance(node.value, ast.Tuple):
            if len(node.value.elts) != len(returns):
                raise self.fail(node, f"returns {len(node.value.elts)} values, annotated {len(returns)}")
            values = zip(node.value.elts, returns, strict=True)
            return tuple(self.coerce(self.expression(v), t, v) for v, t in values)
        if len(returns) > 1:
            value = self.several(node.value)
            if tuple_types(value) != returns:
                raise self.fail(node, "must return a tuple, or call a function that returns the same one")
            return (value,)
        return (self.coerce(self.expression(node.value), returns[0], node),)

    def statement(self, node: ast.stmt) -> Iterator[Assign | Loop]:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                expression = self.expression(value)
                if name in self.types or expression.type is Type.NUMBER:
                    expression = self.coerce(expression, self.types.get(name, self.real), node)
                yield self.assign((name,), expression, (expression.type,), node)
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=ast.expr() as value):
                type_ = self.annotation(annotation, node)
                yield self.assign((name,), self.coerce(self.expression(value), type_, node), (type_,), node)
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=value):
                values = self.several(value)
                names = tuple(t.id for t in targets if isinstance(t, ast.Name))
                if not len(names) == len(targets) == len(tuple_types(values)):
                    raise self.fail(node, f"{len(tuple_types(values))} values, unpacked into {len(targets)}")
                yield self.assign(names, values, tuple_types(values), node)
            case ast.For(target=ast.Name(id=name), iter=ast.Call(func=ast.Name(id="range"), args=[count])):
                limit = self.expression(count)
                if not (isinstance(limit, Const) and isinstance(limit.value, int) and limit.value > 0):
                    raise self.fail(node, "a loop runs over range(positive constant)")
                if self.types.setdefault(name, Type.INT) is not Type.INT or node.orelse:
                    raise self.fail(node, f"{name!r} is not a loop variable")
                yield Loop(name, limit.value, tuple(s for inner in node.body for s in self.statement(inner)))
            case _:
                raise self.fail(node, f"statement not in the subset: {ast.unparse(node)}")

    def assign(self, names: tuple[str, ...], value: Expr, types: tuple[Type, ...], node: ast.AST) -> Assign:
        for name, type_ in zip(names, types, strict=True):
            if self.types.setdefault(name, type_) is not type_:
                raise self.fail(node, f"{name!r} is {self.types[name].value}, not {type_.value}")
        return Assign(names, value)

    def expression(self, node: ast.expr) -> Expr:
        """Type one expression; literals without a context are of type NUMBER."""
        match node:
            case ast.Constant(value=bool() as truth):
                return Const(Type.BOOL, truth)
            case ast.Constant(value=int() | float() as number):
                return Const(Type.NUMBER, number)
            case ast.Name(id=name):
                return self.name(node, name)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return self.negative(self.expression(inner), node)
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                return Not(Type.BOOL, self.coerce(self.expression(inner), Type.BOOL, node))
            case ast.BinOp(left=left, op=op, right=right):
                return self.arithmetic(node, self.expression(left), op, self.expression(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
                a, b = self.unify(self.expression(left), self.expression(right), node)
                if a.type in (Type.BOOL, Type.NUMBER):
                    raise self.fail(node, f"cannot compare {a.type.value}s")
                return Binary(Type.BOOL, _COMPARISONS[type(op)], a, b)
            case ast.BoolOp(op=op, values=values):
                parts = [self.coerce(self.expression(v), Type.BOOL, v) for v in values]
                word = "and" if isinstance(op, ast.And) else "or"
                return functools.reduce(lambda a, b: Binary(Type.BOOL, word, a, b), parts)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                condition = self.coerce(self.expression(test), Type.BOOL, node)
                a, b = self.unify(self.expression(body), self.expression(orelse), node)
                return Select(a.type, condition, a, b)
            case ast.Subscript(value=ast.Name(id=name), slice=index):
                return self.element(node, name, self.expression(index))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self.call(node, name, [self.expression(a) for a in arguments])
        raise self.fail(node, f"expression not in the subset: {ast.unparse(node)}")

    def several(self, node: ast.expr) -> Call | Select:
        """A call that returns a tuple, or a conditional between two that return the same one."""
        match node:
            case ast.IfExp(test=test, body=body, orelse=orelse):
                a, b = self.several(body), self.several(orelse)
                if tuple_types(a) == tuple_types(b):
                    return Select(a.type, self.coerce(self.expression(test), Type.BOOL, test), a, b)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                call = self.call(node, name, [self.expression(a) for a in arguments], allow_tuple=True)
                if isinstance(call, Call):
                    return call
        raise self.fail(node, "not a call that returns a tuple, nor a conditional between two such calls")

    def name(self, node: ast.AST, name: str) -> Expr:
        if name in self.types:
            return Local(self.types[name], name)
        value = self.function.__globals__.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return Const(Type.NUMBER, value)
        raise self.fail(node, f"{name!r} is neither a local nor a number in the module")

    def negative(self, operand: Expr, node: ast.AST) -> Expr:
        if isinstance(operand, Const) and operand.type is Type.NUMBER:
            return Const(Type.NUMBER, -operand.value)
        if operand.type not in (*FLOATS, Type.INT):
            raise self.fail(node, f"minus of a {operand.type.value}")
        return Negative(operand.type, operand)

    def arithmetic(self, node: ast.AST, left: Expr, op: ast.operator, right: Expr) -> Expr:
        symbol = _ARITHMETIC.get(type(op)) or _INTEGER.get(type(op))
        if symbol is None:
            raise self.fail(node, "operator not in the subset")
        if isinstance(left, Const) and isinstance(right, Const) and left.type is right.type is Type.NUMBER:
            return Const(Type.NUMBER, _FOLD[symbol](left.value, right.value))
        left, right = self.unify(left, right, node)
        allowed = (Type.INT,) if type(op) in _INTEGER else FLOATS if symbol == "/" else (*FLOATS, Type.INT)
        if left.type not in allowed:
            raise self.fail(node, f"{symbol} of {left.type.value}s")
        return Binary(left.type, symbol, left, right)

    def element(self, node: ast.AST, name: str, index: Expr) -> Expr:
        table = self.function.__globals__.get(name)
        if not isinstance(table, tuple) or not all(isinstance(value, float) for value in table):
            raise self.fail(node, f"{name!r} is not a tuple of floats in the module")
        if isinstance(index, Const) and isinstance(index.value, int):
            return Const(Type.WIDE, table[index.value])
        self.tables[name] = table
        return Element(Type.WIDE, name, self.coerce(index, Type.INT, node))

    def call(self, node: ast.AST, name: str, operands: list[Expr], allow_tuple: bool = False) -> Expr:
        target = self.function.__globals__.get(name, abs if name == "abs" else None)
        if target in _BY_CALLABLE:
            return self.primitive(node, _BY_CALLABLE[target], operands)
        if not isinstance(target, FunctionType):
            raise self.fail(node, f"{name!r} is neither a primitive nor a function in the module")
        callee = analyse(target, self.precision)
        self.callees.setdefault(callee)
        if len(callee.returns) > 1 and not allow_tuple:
            raise self.fail(node, f"{name} returns a tuple: unpack it first")
        if len(operands) != len(callee.parameters):
            raise self.fail(node, f"{name} takes {len(callee.parameters)} arguments, not {len(operands)}")
        typed = zip(operands, callee.parameters.values(), strict=True)
        return Call(callee.returns[0], callee, tuple(self.coerce(o, t, node) for o, t in typed))

    def primitive(self, node: ast.AST, name: str, operands: list[Expr]) -> Expr:
        if len(operands) != _SAME.get(name, 1):
            raise self.fail(node, f"{name} takes {_SAME.get(name, 1)} arguments, not {len(operands)}")
        if name in _SAME:
            if len(operands) == 2:
                operands = list(self.unify(operands[0], operands[1], node))
            if operands[0].type not in FLOATS:
                raise self.fail(node, f"{name} of a {operands[0].type.value}")
            return Primitive(operands[0].type, name, tuple(operands))
        source, result = _CONVERSIONS[name]
        if self.precision is Precision.F64 and name == "narrow":
            raise self.fail(node, "narrow() in a binary64 body")
        if self.precision is Precision.F64 and name == "wide":
            return self.coerce(operands[0], Type.WIDE, node)  # the same type there
        operand = self.coerce(operands[0], source, node)
        if name == "narrow" and isinstance(operand, Const):
            return Const(result, operand.value)  # a constant is rounded where it is printed
        return Primitive(result, name, (operand,))

    def unify(self, a: Expr, b: Expr, node: ast.AST) -> tuple[Expr, Expr]:
        """Both operands in one type: a number takes the other's."""
        if a.type is Type.NUMBER:
            return (a, b) if b.type is Type.NUMBER else (self.coerce(a, b.type, node), b)
        return a, self.coerce(b, a.type, node)

    def coerce(self, expression: Expr, type_: Type, node: ast.AST) -> Expr:
        """Give numbers their type; anything else must have it already."""
        if expression.type is type_:
            return expression
        if expression.type is Type.NUMBER:
            match expression:
                case Const(value=value) if type_ in FLOATS:
                    return Const(type_, float(value))
                case Const(value=int()) if type_ is Type.INT:
                    return replace(expression, type=type_)
                case Select(body=body, orelse=orelse):
                    arms = self.coerce(body, type_, node), self.coerce(orelse, type_, node)
                    return Select(type_, expression.test, *arms)
        raise self.fail(node, f"{expression.type.value} where {type_.value} is needed")
