"""Explicit SIMD for Numba: sixteen lanes as one value, with Python's operators.

Numba's own vectorising of loops is not to be relied on; `a + b` of two `F32x16` is always packed. The same
source serves every width of registers.

| type     | lanes          | operators                                                     |
|----------|----------------|---------------------------------------------------------------|
| `F32x16` | binary32       | `+ - * /`, unary `-`, comparisons                             |
| `F64x16` | binary64       | `+ - * /`, unary `-`, comparisons                             |
| `I64x16` | 64-bit integer | `+ - * & | ^ << >>`, unary `- ~`, comparisons; wraps around   |
| `Mask16` | truth value    | `& | ^ == !=`, unary `~`                                      |

Either operand may be a scalar of the lane's type, which is repeated: `np.float32(2) * v`, `i & 3`.
Comparisons give a `Mask16` and are false for NaN, except `!=`. Every operation is IEEE's, never fused or
reassociated.

Besides, for jitted code: the primitives of op bodies, `splat`, `where`, what masks, memory and tables need;
see below. Addresses are int64 and aligned as one lane is. Imported only where Numba is.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

from absint.ops.printers import lanes
from absint.ops.printers.lanes import LANES

__all__ = [
    "LANES", "F32x16", "F64x16", "I64x16", "Mask16", "Vector",
    "abs", "all_lanes", "any_lane", "bits", "copysign", "floor", "fmod", "from_bits", "gather_f32",
    "gather_f64", "load_f32", "load_f64", "load_i64", "load_mask", "mask_bits", "mask_of", "narrow",
    "next_down", "next_up", "splat", "splat_f32", "splat_f64", "sqrt", "store", "store_mask", "to_int",
    "to_wide", "trunc", "where", "wide",
]  # fmt: skip


class Vector(types.Type):  # type: ignore[misc]  # Numba's types are unknown here
    """Sixteen lanes. `lane`: Numba's type of one; `llvm`: the whole vector in LLVM."""

    def __init__(self, name: str, lane: Any, llvm: Any) -> None:
        super().__init__(name)
        self.lane = lane
        self.llvm = llvm


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]  # Numba's types are unknown here
    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, vector.llvm)


F32x16 = Vector("F32x16", types.float32, lanes.F32)
F64x16 = Vector("F64x16", types.float64, lanes.F64)
I64x16 = Vector("I64x16", types.int64, lanes.I64)
Mask16 = Vector("Mask16", types.boolean, lanes.MASK)

_NUMBERS = (F32x16, F64x16, I64x16)
_FLOATS = (F32x16, F64x16)

_unliteral: Any = types.unliteral
_type: Any = type_callable
_lower: Any = lower_builtin

_Emit = Callable[..., Any]
"""Called with a builder and the operands' LLVM values."""


def _function(name: str, summary: str, cases: dict[tuple[Any, ...], tuple[Any, _Emit]]) -> Any:
    """An intrinsic from its cases: operand types, to the result's type and what to emit."""

    def choose(*operands: Any) -> Any:
        case = cases.get(operands)
        if case is None:
            return None
        result, emit = case

        def codegen(context: Any, builder: Any, signature: Any, arguments: tuple[Any, ...]) -> Any:
            value = emit(builder, *arguments)
            return context.get_dummy_value() if result is types.void else value

        return result(*operands), codegen

    def one(typingctx: Any, a: Any) -> Any:
        return choose(_unliteral(a))

    def two(typingctx: Any, a: Any, b: Any) -> Any:
        return choose(_unliteral(a), _unliteral(b))

    def three(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
        return choose(_unliteral(a), _unliteral(b), _unliteral(c))

    typing = (one, two, three)[len(next(iter(cases))) - 1]
    typing.__name__ = typing.__qualname__ = name
    typing.__doc__ = summary
    return intrinsic(typing)


def _primitive(name: str, result: Vector | None = None, operand: Vector | None = None, arity: int = 1) -> Any:
    """A primitive; from floats of either kind to the same unless said otherwise."""

    def emit(builder: Any, *operands: Any) -> Any:
        return lanes.primitive(builder, name, operands)

    kinds = (operand,) if operand is not None else _FLOATS
    cases = {(kind,) * arity: (result or kind, emit) for kind in kinds}
    return _function(name, f"The primitive `{name}` in each lane.", cases)


trunc = _primitive("trunc")
floor = _primitive("floor")
sqrt = _primitive("sqrt")
abs = _primitive("abs")
copysign = _primitive("copysign", arity=2)
fmod = _primitive("fmod", arity=2)
next_up = _primitive("next_up")
next_down = _primitive("next_down")
wide = _primitive("wide", F64x16, F32x16)
narrow = _primitive("narrow", F32x16, F64x16)
bits = _primitive("bits", I64x16, F64x16)
from_bits = _primitive("from_bits", F64x16, I64x16)
to_int = _primitive("to_int", I64x16, F64x16)
to_wide = _primitive("to_wide", F64x16, I64x16)


splat = _function(
    "splat",
    "A scalar of a lane's type in every lane.",
    {(vector.lane,): (vector, lanes.splat) for vector in (*_NUMBERS, Mask16)},
)
where = _function(
    "where",
    "`where(mask, a, b)`: `a` in the lanes where the mask is true, elsewhere `b`.",
    {(Mask16, vector, vector): (vector, lanes.select) for vector in (*_NUMBERS, Mask16)},
)
any_lane = _function("any_lane", "Whether a lane is true.", {(Mask16,): (types.boolean, lanes.any_lane)})
all_lanes = _function(
    "all_lanes", "Whether every lane is true.", {(Mask16,): (types.boolean, lanes.all_lanes)}
)
mask_bits = _function(
    "mask_bits",
    "The lanes of a mask as the low sixteen bits of an int64, lane 0 lowest.",
    {(Mask16,): (types.int64, lanes.mask_bits)},
)
mask_of = _function(
    "mask_of",
    "The mask whose `mask_bits` are the low sixteen bits of a number.",
    {(types.int64,): (Mask16, lanes.mask_of)},
)


# Memory


def _load(vector: Vector) -> Any:
    emit = functools.partial(lanes.load, kind=vector.llvm)
    return _function("load", "The sixteen lanes at an address.", {(types.int64,): (vector, emit)})


def _splat_load(vector: Vector) -> Any:
    def emit(builder: Any, address: Any) -> Any:
        return lanes.splat(builder, lanes.load_scalar(builder, address, vector.llvm.element))

    return _function(
        "splat_load", "The number at an address in every lane.", {(types.int64,): (vector, emit)}
    )


def _gather(vector: Vector) -> Any:
    def emit(builder: Any, address: Any, index: Any) -> Any:
        return lanes.gather(builder, lanes.table_at(builder, address, vector.llvm), index)

    cases = {(types.int64, I64x16): (vector, emit)}
    return _function("gather", "The numbers at an address, each lane its own by index.", cases)


def _emit_load_mask(builder: Any, address: Any) -> Any:
    return lanes.mask_of(builder, lanes.load_scalar(builder, address, ir.IntType(64)))


def _emit_store_mask(builder: Any, address: Any, mask: Any) -> None:
    lanes.store_scalar(builder, address, lanes.mask_bits(builder, mask))


load_f32, load_f64, load_i64 = map(_load, _NUMBERS)
splat_f32, splat_f64 = map(_splat_load, _FLOATS)
gather_f32, gather_f64 = map(_gather, _FLOATS)
store = _function(
    "store",
    "`store(address, vector)` writes sixteen lanes, side by side.",
    {(types.int64, vector): (types.void, lanes.store) for vector in _NUMBERS},
)
load_mask = _function(
    "load_mask",
    "The mask whose `mask_bits` are the int64 at an address.",
    {(types.int64,): (Mask16, _emit_load_mask)},
)
store_mask = _function(
    "store_mask",
    "`store_mask(address, mask)` writes its `mask_bits`, eight bytes.",
    {(types.int64, Mask16): (types.void, _emit_store_mask)},
)


# Operators. Rules in Numba's own tables cost no compilation of their own, as overloads would.

_OPERATORS: dict[str, Any] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
    "&": operator.and_, "|": operator.or_, "^": operator.xor, "<<": operator.lshift, ">>": operator.rshift,
    "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_SYMBOLS: dict[Vector, tuple[str, ...]] = {
    F32x16: (*lanes.FLOAT_ARITHMETIC, *lanes.COMPARISONS),
    F64x16: (*lanes.FLOAT_ARITHMETIC, *lanes.COMPARISONS),
    I64x16: (*lanes.INTEGER_ARITHMETIC, *lanes.COMPARISONS),
    Mask16: ("&", "|", "^", "==", "!="),
}


def _define_binary(symbol: str) -> None:
    """Type and lower one operator for all vectors, and for scalars beside them."""

    def typer(a: Any, b: Any) -> Any:
        a, b = _unliteral(a), _unliteral(b)
        vector = a if isinstance(a, Vector) else b
        if not isinstance(vector, Vector) or symbol not in _SYMBOLS[vector]:
            return None
        if not {a, b} <= {vector, vector.lane}:
            return None
        return (Mask16 if symbol in lanes.COMPARISONS else vector)(a, b)

    def codegen(context: Any, builder: Any, signature: Any, arguments: tuple[Any, ...]) -> Any:
        pairs = zip(signature.args, arguments, strict=True)
        a, b = (value if isinstance(kind, Vector) else lanes.splat(builder, value) for kind, value in pairs)
        return lanes.binary(builder, symbol, a, b)

    _type(_OPERATORS[symbol])(lambda context: typer)
    for vector, symbols in _SYMBOLS.items():
        if symbol in symbols:
            for kinds in ((vector, vector), (vector, vector.lane), (vector.lane, vector)):
                _lower(_OPERATORS[symbol], *kinds)(codegen)


def _define_unary(python: Any, vectors: tuple[Vector, ...], emit: _Emit) -> None:
    def typer(a: Any) -> Any:
        return a(a) if a in vectors else None

    def codegen(context: Any, builder: Any, signature: Any, arguments: tuple[Any, ...]) -> Any:
        return emit(builder, *arguments)

    _type(python)(lambda context: typer)
    for vector in vectors:
        _lower(python, vector)(codegen)


for _symbol in _OPERATORS:
    _define_binary(_symbol)
_define_unary(operator.neg, _NUMBERS, lanes.negative)
_define_unary(operator.invert, (I64x16, Mask16), lanes.inverse)
