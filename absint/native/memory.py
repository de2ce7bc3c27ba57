"""Typed pointers for kernels, which are given arrays as addresses, and the order of the floats.

A pointer `p` is read and written as `p[i]`, without bounds checks or wrap-around. Imported only where Numba
is.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

INLINE = {"forceinline": True, "error_model": "numpy"}
"""Options of helpers that are part of the kernel that calls them."""


def _pointer_to(element: Any) -> Any:
    @intrinsic
    def pointer(typingctx: Any, address: Any) -> Any:
        kind = types.CPointer(element)

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(kind))

        return kind(types.int64), codegen

    return pointer


u8s, u16s, i32s, i64s, u64s, f32s, f64s = map(
    _pointer_to,
    (types.uint8, types.uint16, types.int32, types.int64, types.uint64, types.float32, types.float64),
)

REALS = {"f32": f32s, "f64": f64s}
"""Pointers to the numbers of a precision."""


@intrinsic
def encoding(typingctx: Any, number: Any) -> Any:
    """The bits of a float32 or float64 as an int64, with the sign bit extended."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = ir.IntType(32 if signature.args[0] == types.float32 else 64)
        return builder.sext(builder.bitcast(arguments[0], bits), ir.IntType(64))

    return types.int64(number), codegen


@intrinsic
def decoded(typingctx: Any, bits: Any, like: Any) -> Any:
    """The float of the type of `like` with these bits."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        single = signature.args[1] == types.float32
        narrow = builder.trunc(arguments[0], ir.IntType(32)) if single else arguments[0]
        return builder.bitcast(narrow, arguments[1].type)

    return like(types.int64, like), codegen


@njit(**INLINE)
def key(number):
    """The place of a number among the ordered floats; both zeros have the place 0."""
    bits = encoding(number)
    magnitude = bits & (0x7FFFFFFF if type_is_single(number) else 0x7FFFFFFFFFFFFFFF)
    return -magnitude if bits < 0 else magnitude


@intrinsic
def type_is_single(typingctx: Any, number: Any) -> Any:
    """Whether the number is a float32; known when compiling."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(ir.IntType(1), signature.args[0] == types.float32)

    return types.boolean(number), codegen


@njit(**INLINE)
def at_key(place, like):
    """The number at a place, of the type of `like`."""
    magnitude = decoded(place if place >= 0 else -place, like)
    return magnitude if place >= 0 else -magnitude


@intrinsic
def address_of(typingctx: Any, pointer: Any) -> Any:
    """The address that a typed pointer was made of."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ptrtoint(arguments[0], ir.IntType(64))

    return types.int64(pointer), codegen


def _caller(arity: int, answers: bool = False) -> Any:
    """Calls a kernel that is given as an address and takes `arity` int64 arguments; returns what it answers,
    an int64, or nothing.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given = ir.IntType(64) if answers else ir.VoidType()
        kernel = ir.FunctionType(given, [ir.IntType(64)] * arity)
        answer = builder.call(builder.inttoptr(arguments[0], kernel.as_pointer()), arguments[1:])
        return answer if answers else context.get_dummy_value()

    names = [f"x{i}" for i in range(arity)]
    namespace: dict[str, Any] = {"types": types, "codegen": codegen}
    text = f"def call(typingctx, kernel, {', '.join(names)}):\n"
    text += f"    return types.{'int64' if answers else 'void'}(*[types.int64] * {arity + 1}), codegen\n"
    exec(text, namespace)
    return intrinsic(namespace["call"])


call2, call3, call4, call6 = map(_caller, (2, 3, 4, 6))
"""`call3(kernel, a, b, c)` calls the kernel at an address."""

ask3 = _caller(3, answers=True)
"""The same of a kernel that returns an int64."""
