"""The primitives as Numba intrinsics: each is the LLVM operation of that name, on float32 or float64.

Numba's own `np.trunc`, `np.copysign` and the like are calls that do not vectorise, and `math.floor` returns
an integer. Imported only where Numba is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_Emit = Callable[[Any, tuple[Any, ...]], Any]


def _primitive(name: str, result: Any, emit: _Emit, arity: int = 1) -> Any:
    """An intrinsic that returns `result`, or the operands' type where that is None."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: tuple[Any, ...]) -> Any:
        return emit(builder, arguments)

    def unary(typingctx: Any, a: Any) -> Any:
        return (result or a)(a), codegen

    def binary(typingctx: Any, a: Any, b: Any) -> Any:
        return (result or a)(a, b), codegen

    typing = unary if arity == 1 else binary
    typing.__name__ = typing.__qualname__ = name
    return intrinsic(typing)


def _llvm(name: str) -> _Emit:
    """Call an LLVM intrinsic that is overloaded on its operands' type."""

    def emit(builder: Any, arguments: tuple[Any, ...]) -> Any:
        kind = arguments[0].type
        signature = ir.FunctionType(kind, [kind] * len(arguments))
        function = builder.module.declare_intrinsic(f"llvm.{name}", [kind], signature)
        return builder.call(function, arguments)

    return emit


def _next_up(builder: Any, arguments: tuple[Any, ...]) -> Any:
    """One more in the order of the encodings, which is magnitude below the sign bit."""
    (a,) = arguments
    integer = ir.IntType(32 if isinstance(a.type, ir.FloatType) else 64)
    encoding = builder.bitcast(a, integer)
    negative = builder.icmp_signed("<", encoding, integer(0))
    step = builder.add(encoding, builder.select(negative, integer(-1), integer(1)))
    step = builder.select(builder.fcmp_ordered("==", a, a.type(0.0)), integer(1), step)
    stays = builder.fcmp_unordered(">=", a, a.type(float("inf")))  # +inf and NaN
    return builder.bitcast(builder.select(stays, encoding, step), a.type)


def _next_down(builder: Any, arguments: tuple[Any, ...]) -> Any:
    return builder.fneg(_next_up(builder, (builder.fneg(arguments[0]),)))


_double = ir.DoubleType()
_integer = ir.IntType(64)

trunc = _primitive("trunc", None, _llvm("trunc"))
floor = _primitive("floor", None, _llvm("floor"))
sqrt = _primitive("sqrt", None, _llvm("sqrt"))
abs = _primitive("abs", None, _llvm("fabs"))
copysign = _primitive("copysign", None, _llvm("copysign"), 2)
fmod = _primitive("fmod", None, lambda builder, arguments: builder.frem(*arguments), 2)
next_up = _primitive("next_up", None, _next_up)
next_down = _primitive("next_down", None, _next_down)
wide = _primitive("wide", types.float64, lambda builder, a: builder.fpext(a[0], _double))
narrow = _primitive("narrow", types.float32, lambda builder, a: builder.fptrunc(a[0], ir.FloatType()))
bits = _primitive("bits", types.int64, lambda builder, a: builder.bitcast(a[0], _integer))
from_bits = _primitive("from_bits", types.float64, lambda builder, a: builder.bitcast(a[0], _double))
to_int = _primitive("to_int", types.int64, lambda builder, a: builder.fptosi(a[0], _integer))
to_wide = _primitive("to_wide", types.float64, lambda builder, a: builder.sitofp(a[0], _double))
