"""The vector form of op bodies and interval rules: sixteen lanes at a time, for jitted code.

One function of the subset in; out an intrinsic on the types of `vectors`: `Real` is `F32x16` or `F64x16` by
precision, `Wide` `F64x16`, `Int` `I64x16`, `Bool` `Mask16`, several results a tuple. It computes the same
bits as every other form, NaN payloads aside.

Where the other forms are printed, this one writes LLVM's operations itself, for Numba takes longer to type a
printed function than LLVM to compile it. A conditional evaluates both arms and selects, but between two calls
the dear arm is left out when no lane needs it: the reduction of huge arguments is two thirds of a sine. Loops
are unrolled. Imported only where Numba is.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from absint.ops.libm.remainder import remainder32, remainder64
from absint.ops.precision import Precision
from absint.ops.printers import lanes, vectors
from absint.ops.printers.subset import Body, analyse
from absint.ops.printers.translate import extremum
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
    Type,
)

LARGE = 150
"""Operations from which on a callee is a function of its own in LLVM, which may still inline it."""

DEAR = 12
"""Operations by which one arm of a conditional between calls must exceed the other to be left out."""

_VECTOR = {
    Type.REAL: vectors.F32x16,  # in a binary64 program every Real has become Wide
    Type.WIDE: vectors.F64x16,
    Type.INT: vectors.I64x16,
    Type.BOOL: vectors.Mask16,
}

_Values = tuple[Any, ...]
"""LLVM values, which have no static types."""


def vector_form(function: Body, precision: Precision) -> Body:
    """The function as a Numba intrinsic on vectors, to be called from jitted code. Cached."""
    return _intrinsic(analyse(function, precision), precision)


@functools.cache
def _intrinsic(function: Function, precision: Precision) -> Body:
    operand_types = tuple(_VECTOR[t] for t in function.parameters.values())
    result_types = tuple(_VECTOR[t] for t in function.returns)
    result_type: Any = result_types[0]
    if len(result_types) > 1:
        result_type = types.Tuple(result_types)

    def codegen(context: Any, builder: Any, signature: Any, arguments: _Values) -> Any:
        results = _emit(builder, function, precision, arguments)
        return results[0] if len(results) == 1 else context.make_tuple(builder, result_type, results)

    def typing(typingctx: Any, *operands: Any) -> Any:
        return (result_type(*operands), codegen) if operands == operand_types else None

    names = ("typingctx", *function.parameters)
    typing.__name__ = typing.__qualname__ = function.name
    typing.__doc__ = function.summary
    typing.__signature__ = inspect.Signature(  # type: ignore[attr-defined] # what Numba reads names from
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    )
    form: Body = intrinsic(typing)
    return form


def _emit(builder: Any, function: Function, precision: Precision, operands: _Values) -> _Values:
    """Write the function's operations where the builder stands."""
    values = dict(zip(function.parameters, operands, strict=True))
    scope = _Scope(builder, precision, values, function.tables)
    scope.statements(function.body)
    if len(function.returns) > len(function.results):
        return scope.several(function.results[0])
    return tuple(map(scope.expression, function.results))


def _outlined(module: Any, function: Function, precision: Precision, cold: bool) -> Any:
    """The function as one of the module's own; `cold`: rarely called, so kept out of its callers."""
    name = f"{function.name}_{precision.value}_x16"
    if name in module.globals:
        return module.globals[name]
    kinds = [_VECTOR[t].llvm for t in function.parameters.values()]
    result = ir.LiteralStructType([_VECTOR[t].llvm for t in function.returns])
    outlined = ir.Function(module, ir.FunctionType(result, kinds), name)
    outlined.linkage = "internal"
    if cold:
        outlined.attributes.add("cold")
        outlined.attributes.add("noinline")
    builder = ir.IRBuilder(outlined.append_basic_block())
    results = _emit(builder, function, precision, outlined.args)
    value = ir.Constant(result, ir.Undefined)
    for i, one in enumerate(results):
        value = builder.insert_value(value, one, i)
    builder.ret(value)
    return outlined


class _Scope:
    """The locals of one function, and its statements and expressions as LLVM operations."""

    def __init__(
        self,
        builder: Any,
        precision: Precision,
        values: dict[str, Any],
        tables: dict[str, tuple[float, ...]],
    ) -> None:
        self.builder = builder
        self.precision = precision
        self.values = values
        self.tables = tables

    def statements(self, body: tuple[Assign | Loop, ...]) -> None:
        for statement in body:
            if isinstance(statement, Assign):
                names = statement.names
                value = statement.value
                values = self.several(value) if len(names) > 1 else (self.expression(value),)
                self.values.update(zip(names, values, strict=True))
            else:
                for i in range(statement.count):
                    self.values[statement.name] = lanes.constant(lanes.I64, i)
                    self.statements(statement.body)

    def expression(self, node: Expr) -> Any:
        """One value."""
        builder = self.builder
        match node:
            case Const():
                return _constant(node)
            case Local(name=name):
                return self.values[name]
            case Negative(operand=operand):
                return lanes.negative(builder, self.expression(operand))
            case Not(operand=operand):
                return lanes.inverse(builder, self.expression(operand))
            case Binary(symbol=symbol, left=left, right=right):
                symbol = {"and": "&", "or": "|"}.get(symbol, symbol)
                return lanes.binary(builder, symbol, self.expression(left), self.expression(right))
            case Select():
                return self.select(node)
            case Primitive(name="fmod"):
                return self.remainder(node)
            case Primitive(name=name, operands=operands):
                return lanes.primitive(builder, name, tuple(map(self.expression, operands)))
            case Call():
                return self.call(node)[0]
            case Element(table=name, index=index):
                table = lanes.constant_table(builder.module, name, self.tables[name])
                return lanes.gather(builder, table, self.expression(index))

    def several(self, node: Expr, cold: bool = False) -> _Values:
        """The values of a call, or of a conditional between two."""
        if isinstance(node, Select):
            return self.choose(node)
        assert isinstance(node, Call)
        return self.call(node, cold)

    def call(self, node: Call, cold: bool = False) -> _Values:
        operands = tuple(map(self.expression, node.operands))
        if not cold and _weight(node.target) < LARGE:
            return _emit(self.builder, node.target, self.precision, operands)
        function = _outlined(self.builder.module, node.target, self.precision, cold)
        value = self.builder.call(function, operands)
        return tuple(self.builder.extract_value(value, i) for i in range(len(node.target.returns)))

    def select(self, node: Select) -> Any:
        chosen = extremum(node)
        if chosen is not None:
            a, b = self.expression(node.body), self.expression(node.orelse)
            return lanes.extremum(self.builder, "<" if chosen == "least" else ">", a, b)
        test, body, orelse = map(self.expression, (node.test, node.body, node.orelse))
        return lanes.select(self.builder, test, body, orelse)

    def remainder(self, node: Primitive) -> Any:
        """`fmod`, quick where the quotient is not too large."""
        builder = self.builder
        operands = tuple(map(self.expression, node.operands))
        quick = remainder32 if node.type is Type.REAL else remainder64
        precision = Precision.F32 if node.type is Type.REAL else Precision.F64
        value, good = _emit(builder, analyse(quick, precision), precision, operands)
        needed = lanes.inverse(builder, good)
        (result,) = lanes.rarely(
            builder, needed, (value,), lambda: (lanes.primitive(builder, "fmod", operands),)
        )
        return result

    def choose(self, node: Select) -> _Values:
        """A conditional between two calls."""
        builder = self.builder
        test = self.expression(node.test)
        excess = _weight(node.body) - _weight(node.orelse)
        if abs(excess) < DEAR:
            pairs = zip(self.several(node.body), self.several(node.orelse), strict=True)
            return tuple(lanes.select(builder, test, a, b) for a, b in pairs)
        if excess > 0:
            dear, cheap, needed = node.body, node.orelse, test
        else:
            dear, cheap, needed = node.orelse, node.body, lanes.inverse(builder, test)
        return lanes.rarely(builder, needed, self.several(cheap), lambda: self.several(dear, cold=True))


def _constant(node: Const) -> Any:
    value = float(np.float32(node.value)) if node.type is Type.REAL else node.value
    return lanes.constant(_VECTOR[node.type].llvm, value)


def _parts(node: Any) -> Iterator[Any]:
    """The fields of a node of the tree, those in tuples one by one."""
    for field in fields(node):
        value = getattr(node, field.name)
        yield from value if isinstance(value, tuple) else (value,)


@functools.cache
def _function_weight(function: Function) -> int:
    return sum(map(_weight, (*function.body, *function.results)))


def _weight(node: Any) -> int:
    """How many operations a function, statement or expression stands for."""
    if isinstance(node, Function):
        return _function_weight(node)
    if not is_dataclass(node) or isinstance(node, (Const, Local)):
        return 0
    inner = sum(_weight(part) for part in _parts(node))
    if isinstance(node, Loop):
        return inner * node.count
    return inner + (not isinstance(node, (Assign, Call)))
