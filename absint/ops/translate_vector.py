"""The vector form of op bodies and interval rules: sixteen lanes at a time, for jitted code.

One function of the subset in; out an intrinsic on the types of `vectors`: `Real` is `F32x16` or `F64x16` by
precision, `Wide` `F64x16`, `Int` `I64x16`, `Bool` `Mask16`, several results a tuple. It computes the same bits
as every other form, NaN payloads aside.

Where the other forms are printed, this one writes LLVM's operations itself: a unit of the larger functions
takes Numba seconds to type, LLVM alone a fraction of that. A conditional evaluates both arms and selects, but
between two calls the dear arm is left out when no lane needs it: the reduction of huge arguments is two thirds
of a sine. Loops are unrolled. Imported only where Numba is.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped] # llvmlite ships no types
from numba import types
from numba.extending import intrinsic

from absint.ops import vectors
from absint.ops.subset import Body, analyse
from absint.ops.translate import extremum
from absint.ops.typed_tree import (
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
    tuple_types,
)
from absint.precision import Precision

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
    return _intrinsic(analyse(function, precision))


@functools.cache
def _intrinsic(function: Function) -> Body:
    operand_types = tuple(_VECTOR[t] for t in function.parameters.values())
    result_types = tuple(_VECTOR[t] for t in function.returns)
    result_type = result_types[0] if len(result_types) == 1 else types.Tuple(result_types)

    def codegen(context: Any, builder: Any, signature: Any, arguments: _Values) -> Any:
        results = _emit(builder, function, arguments)
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


def _emit(builder: Any, function: Function, operands: _Values) -> _Values:
    """Write the function's operations where the builder stands."""
    scope = _Scope(builder, dict(zip(function.parameters, operands, strict=True)), function.tables)
    scope.statements(function.body)
    if len(function.returns) > len(function.results):
        return scope.several(function.results[0])
    return tuple(map(scope.expression, function.results))


def _outlined(module: Any, function: Function, cold: bool) -> Any:
    """The function as one of the module's own; `cold`: rarely called, so kept out of its callers."""
    name = f"{function.name}_{'wide' if Type.REAL not in function.parameters.values() else 'real'}_x16"
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
    results = _emit(builder, function, outlined.args)
    value = ir.Constant(result, ir.Undefined)
    for i, one in enumerate(results):
        value = builder.insert_value(value, one, i)
    builder.ret(value)
    return outlined


def _table(module: Any, name: str, table: tuple[float, ...]) -> Any:
    """A pointer to the first element of a constant table in the module."""
    spelled = f"{name}_{hash(table) & 0xFFFF_FFFF:08x}"
    known = module.globals.get(spelled)
    if known is None:
        kind = ir.ArrayType(ir.DoubleType(), len(table))
        known = ir.GlobalVariable(module, kind, spelled)
        known.linkage = "internal"
        known.global_constant = True
        known.initializer = ir.Constant(kind, list(table))
    return known.bitcast(ir.DoubleType().as_pointer())


class _Scope:
    """The locals of one function, and its statements and expressions as LLVM operations."""

    def __init__(self, builder: Any, values: dict[str, Any], tables: dict[str, tuple[float, ...]]) -> None:
        self.builder = builder
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
                    self.values[statement.name] = vectors.emit_constant(vectors.I64x16.llvm, i)
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
                return vectors.emit_negative(builder, self.expression(operand))
            case Not(operand=operand):
                return builder.not_(self.expression(operand))
            case Binary(symbol=symbol, left=left, right=right):
                symbol = {"and": "&", "or": "|"}.get(symbol, symbol)
                return vectors.emit_binary(builder, symbol, self.expression(left), self.expression(right))
            case Select():
                return self.select(node)
            case Primitive(name=name, operands=operands):
                return vectors.emit_primitive(builder, name, tuple(map(self.expression, operands)))
            case Call():
                return self.call(node)[0]
            case Element(table=name, index=index):
                table = _table(builder.module, name, self.tables[name])
                return vectors.emit_gather(builder, table, self.expression(index))

    def several(self, node: Expr) -> _Values:
        """The values of a call, or of a conditional between two."""
        if isinstance(node, Select):
            return self.choose(node)
        assert isinstance(node, Call)
        return self.call(node)

    def call(self, node: Call, cold: bool = False) -> _Values:
        operands = tuple(map(self.expression, node.operands))
        if not cold and _weight(node.target) < LARGE:
            return _emit(self.builder, node.target, operands)
        value = self.builder.call(_outlined(self.builder.module, node.target, cold), operands)
        return tuple(self.builder.extract_value(value, i) for i in range(len(node.target.returns)))

    def select(self, node: Select) -> Any:
        chosen = extremum(node)
        if chosen is None:
            test, body, orelse = map(self.expression, (node.test, node.body, node.orelse))
            return self.builder.select(test, body, orelse)
        # x86 has `a if a < b else b` as one instruction; where a is NaN, any NaN will do
        a, b = self.expression(node.body), self.expression(node.orelse)
        beyond = self.builder.fcmp_ordered("<" if chosen == "least" else ">", a, b)
        nan = self.builder.fcmp_unordered("uno", a, a)
        return vectors.emit_nan_where(self.builder, nan, self.builder.select(beyond, a, b))

    def choose(self, node: Select) -> _Values:
        """A conditional between two calls."""
        builder = self.builder
        test = self.expression(node.test)
        excess = _weight(node.body) - _weight(node.orelse)
        if abs(excess) < DEAR:
            pairs = zip(self.several(node.body), self.several(node.orelse), strict=True)
            return tuple(builder.select(test, a, b) for a, b in pairs)
        if excess > 0:
            dear, cheap, needed = node.body, node.orelse, test
        else:
            dear, cheap, needed = node.orelse, node.body, builder.not_(test)
        common = self.several(cheap)
        start = builder.block
        with builder.if_then(vectors.emit_any(builder, needed), likely=False):
            rare = self.call(dear, cold=True) if isinstance(dear, Call) else self.several(dear)
            mixed = [builder.select(needed, a, b) for a, b in zip(rare, common, strict=True)]
            end = builder.block
        results = []
        for a, b in zip(mixed, common, strict=True):
            result = builder.phi(a.type)
            result.add_incoming(a, end)
            result.add_incoming(b, start)
            results.append(result)
        return tuple(results)


def _constant(node: Const) -> Any:
    value = float(np.float32(node.value)) if node.type is Type.REAL else node.value
    return vectors.emit_constant(_VECTOR[node.type].llvm, value)


def _parts(node: Any) -> Iterator[Any]:
    """What a node of the tree is made of, without a call's target."""
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
