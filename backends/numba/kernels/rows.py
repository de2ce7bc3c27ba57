"""Rows of sixteen numbers in memory, through pointers whose type says the precision.

With these, functions on rows stand at the level of their module and serve both precisions: Numba compiles
them for the types of pointers that they are given.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from absint.ops.printers import vectors

LANES = vectors.LANES

CALLED = {"forceinline": False, "error_model": "numpy"}
"""Options of functions that are called. Without the first, Numba inlines what inlined functions call."""

_VECTORS = {types.float32: vectors.F32x16, types.float64: vectors.F64x16}


def _as_vector(builder: Any, pointer: Any, kind: Any) -> Any:
    return builder.bitcast(pointer, kind.as_pointer())


@intrinsic
def load_row(typingctx: Any, pointer: Any) -> Any:
    """The sixteen numbers that a pointer points to, as a vector."""
    vector = _VECTORS[pointer.dtype]

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_as_vector(builder, arguments[0], vector.llvm), align=vector.lane.bitwidth // 8)

    return vector(pointer), codegen


@intrinsic
def store_row(typingctx: Any, pointer: Any, row: Any) -> Any:
    """Write a vector of sixteen numbers to where a pointer points."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, row = arguments
        builder.store(row, _as_vector(builder, pointer, row.type), align=signature.args[1].lane.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(pointer, row), codegen


@intrinsic
def store_int32(typingctx: Any, pointer: Any, row: Any) -> Any:
    """Write a vector of sixteen whole numbers as int32."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        numbers = builder.fptosi(arguments[1], ir.VectorType(ir.IntType(32), LANES))
        builder.store(numbers, _as_vector(builder, arguments[0], numbers.type), align=4)
        return context.get_dummy_value()

    return types.void(pointer, row), codegen


@intrinsic
def size_of(typingctx: Any, pointer: Any) -> Any:
    """Bytes of a number that a pointer points to; known when compiling."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(ir.IntType(64), signature.args[0].dtype.bitwidth // 8)

    return types.int64(pointer), codegen


@intrinsic
def rounded(typingctx: Any, number: Any, pointer: Any) -> Any:
    """A number in the type of those that a pointer points to."""
    source = types.unliteral(number)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.cast(builder, arguments[0], source, signature.return_type)

    return pointer.dtype(source, pointer), codegen


@intrinsic
def numbers_at(typingctx: Any, address: Any, pointer: Any) -> Any:
    """A pointer to numbers at an address, of the type of another pointer."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], arguments[1].type)

    return pointer(types.int64, pointer), codegen
