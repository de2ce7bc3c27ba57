"""Explicit SIMD for Numba: sixteen lanes as one value, with Python's operators.

Numba's own vectorising of loops is not to be relied on; `a + b` of two `F32x16` is always packed. The same
source serves every width: LLVM splits sixteen lanes into as many registers as the machine needs.

| type     | lanes          | operators                                                     |
|----------|----------------|---------------------------------------------------------------|
| `F32x16` | binary32       | `+ - * /`, unary `-`, comparisons                             |
| `F64x16` | binary64       | `+ - * /`, unary `-`, comparisons                             |
| `I64x16` | 64-bit integer | `+ - * & | ^ << >>`, unary `- ~`, comparisons; wraps around   |
| `Mask16` | truth value    | `& | ^ == !=`, unary `~`                                      |

Either operand may be a scalar of the lane's type, which is repeated: `np.float32(2) * v`, `i & 3`. Comparisons
give a `Mask16` and are false for NaN, except `!=`. Every operation is IEEE's, never fused or reassociated.

Functions for jitted code: those of `numba_primitives`, lane by lane, and `splat where mask_bits mask_of
any_lane all_lanes load_f32 load_f64 load_i64 splat_f32 splat_f64 store gather_f32 gather_f64`. Addresses are
int64 and aligned as one lane is.

The `emit_…` functions write the same operations with an LLVM builder; `translate_vector` calls them. Imported
only where Numba is.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped] # llvmlite ships no types
from numba import types
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

LANES = 16

_I1, _I8, _I16, _I32, _I64 = map(ir.IntType, (1, 8, 16, 32, 64))
_FLOAT, _DOUBLE = ir.FloatType(), ir.DoubleType()


class Vector(types.Type):  # type: ignore[misc] # Numba ships no types
    """Sixteen lanes. `lane`: Numba's type of one; `llvm`: the whole vector in LLVM."""

    def __init__(self, name: str, lane: Any, llvm_lane: Any) -> None:
        super().__init__(name)
        self.lane = lane
        self.llvm = ir.VectorType(llvm_lane, LANES)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, vector.llvm)


F32x16 = Vector("F32x16", types.float32, _FLOAT)
F64x16 = Vector("F64x16", types.float64, _DOUBLE)
I64x16 = Vector("I64x16", types.int64, _I64)
Mask16 = Vector("Mask16", types.boolean, _I1)

VECTORS = (F32x16, F64x16, I64x16, Mask16)
_VECTOR_OF = {vector.lane: vector for vector in VECTORS}


# What LLVM is told. Values are `ir.Value`s, which have no static types.

_FLOAT_ARITHMETIC = {"+": "fadd", "-": "fsub", "*": "fmul", "/": "fdiv"}
_INTEGER_ARITHMETIC = {
    "+": "add", "-": "sub", "*": "mul", "&": "and_", "|": "or_", "^": "xor", "<<": "shl", ">>": "ashr",
}  # fmt: skip
_COMPARISONS = ("<", ">", "<=", ">=", "==", "!=")
_SAME_KIND = {
    "trunc": "trunc", "floor": "floor", "sqrt": "sqrt", "abs": "fabs", "copysign": "copysign",
}  # fmt: skip
"""Primitives that are LLVM intrinsics from floats of one kind to the same."""


def emit_constant(kind: Any, value: float) -> Any:
    """A number in every lane of a vector of the LLVM type `kind`."""
    return ir.Constant(kind, [ir.Constant(kind.element, value)] * LANES)


def emit_splat(builder: Any, scalar: Any) -> Any:
    """A scalar in every lane."""
    undefined = ir.Constant(ir.VectorType(scalar.type, LANES), ir.Undefined)
    first = builder.insert_element(undefined, scalar, _I32(0))
    return builder.shuffle_vector(first, undefined, emit_constant(ir.VectorType(_I32, LANES), 0))


def emit_binary(builder: Any, symbol: str, a: Any, b: Any) -> Any:
    """`a symbol b` for an operator of Python on two vectors of one kind."""
    integers = isinstance(a.type.element, ir.IntType)
    if symbol in _COMPARISONS:
        if integers:
            return builder.icmp_signed(symbol, a, b)
        return (builder.fcmp_unordered if symbol == "!=" else builder.fcmp_ordered)(symbol, a, b)
    return getattr(builder, (_INTEGER_ARITHMETIC if integers else _FLOAT_ARITHMETIC)[symbol])(a, b)


def emit_negative(builder: Any, a: Any) -> Any:
    """`-a`; of floats the sign bit alone changes."""
    if isinstance(a.type.element, ir.IntType):
        return builder.sub(emit_constant(a.type, 0), a)
    return builder.fneg(a)


def emit_primitive(builder: Any, name: str, operands: tuple[Any, ...]) -> Any:
    """A primitive of op bodies on vectors."""
    a = operands[0]
    match name:
        case "fmod":
            return builder.frem(*operands)  # LLVM calls the C library for each lane
        case "next_up":
            return _emit_next_up(builder, a)
        case "next_down":
            return builder.fneg(_emit_next_up(builder, builder.fneg(a)))
        case "wide":
            return builder.fpext(a, F64x16.llvm)
        case "narrow":
            return builder.fptrunc(a, F32x16.llvm)
        case "bits":
            return builder.bitcast(a, I64x16.llvm)
        case "from_bits":
            return builder.bitcast(a, F64x16.llvm)
        case "to_int":
            return builder.fptosi(a, I64x16.llvm)
        case "to_wide":
            return builder.sitofp(a, F64x16.llvm)
    return builder.call(_intrinsic_of(builder, _SAME_KIND[name], a.type, len(operands)), operands)


def _intrinsic_of(builder: Any, name: str, kind: Any, arity: int) -> Any:
    """The LLVM function on vectors; llvmlite spells the names of those on scalars only."""
    spelled = f"llvm.{name}.v{LANES}{kind.element.intrinsic_name}"
    known = builder.module.globals.get(spelled)
    return known or ir.Function(builder.module, ir.FunctionType(kind, [kind] * arity), spelled)


def _encoding(a: Any) -> Any:
    """The LLVM type of the encodings of a vector of floats."""
    return ir.VectorType(_I32 if a.type.element == _FLOAT else _I64, LANES)


def _emit_next_up(builder: Any, a: Any) -> Any:
    """One more in the order of the encodings, which is magnitude below the sign bit."""
    kind = _encoding(a)
    one, zero = emit_constant(kind, 1), emit_constant(kind, 0)
    encoding = builder.bitcast(a, kind)
    negative = builder.icmp_signed("<", encoding, zero)
    step = builder.add(encoding, builder.select(negative, emit_constant(kind, -1), one))
    step = builder.select(builder.fcmp_ordered("==", a, emit_constant(a.type, 0.0)), one, step)
    stays = builder.fcmp_unordered(">=", a, emit_constant(a.type, float("inf")))  # +inf and NaN
    return builder.bitcast(builder.select(stays, encoding, step), a.type)


def emit_nan_where(builder: Any, mask: Any, a: Any) -> Any:
    """`a`, or in the lanes of the mask a NaN of all ones, which is what a mask is in most registers."""
    kind = _encoding(a)
    ones = builder.sext(mask, kind)
    return builder.bitcast(builder.or_(ones, builder.bitcast(a, kind)), a.type)


def emit_mask_bits(builder: Any, mask: Any) -> Any:
    """The lanes of a mask as the low sixteen bits of an int64, lane 0 lowest."""
    return builder.zext(builder.bitcast(mask, _I16), _I64)


def emit_any(builder: Any, mask: Any) -> Any:
    """Whether a lane of the mask is true, an i1."""
    return builder.icmp_unsigned("!=", builder.bitcast(mask, _I16), _I16(0))


def emit_gather(builder: Any, table: Any, index: Any) -> Any:
    """`table[i]` for each lane; `table`: a pointer to its first element. Lane by lane: it is rare."""
    result = None
    for lane in range(LANES):
        at = builder.gep(table, [builder.extract_element(index, _I32(lane))])
        element = builder.load(at)
        if result is None:
            result = ir.Constant(ir.VectorType(element.type, LANES), ir.Undefined)
        result = builder.insert_element(result, element, _I32(lane))
    return result


# What jitted code calls.

Emit = Callable[..., Any]
"""`emit(builder, *operands)`."""


def _function(name: str, summary: str, cases: dict[tuple[Any, ...], tuple[Any, Emit]]) -> Any:
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
        return choose(types.unliteral(a))

    def two(typingctx: Any, a: Any, b: Any) -> Any:
        return choose(types.unliteral(a), types.unliteral(b))

    def three(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
        return choose(types.unliteral(a), types.unliteral(b), types.unliteral(c))

    typing = (one, two, three)[len(next(iter(cases))) - 1]
    typing.__name__ = typing.__qualname__ = name
    typing.__doc__ = summary
    return intrinsic(typing)


def _primitive(name: str, result: Vector | None = None, operand: Vector | None = None, arity: int = 1) -> Any:
    """A primitive; from floats of either kind to the same unless said otherwise."""
    kinds = (operand,) if operand is not None else (F32x16, F64x16)

    def emit(builder: Any, *operands: Any) -> Any:
        return emit_primitive(builder, name, operands)

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


def _pointer(builder: Any, address: Any, pointee: Any) -> Any:
    return builder.inttoptr(address, pointee.as_pointer())


def _load(vector: Vector) -> Any:
    def emit(builder: Any, address: Any) -> Any:
        loaded = builder.load(_pointer(builder, address, vector.llvm))
        loaded.align = _bytes(vector)
        return loaded

    return _function("load", "The sixteen lanes at an address.", {(types.int64,): (vector, emit)})


def _splat_load(vector: Vector) -> Any:
    def emit(builder: Any, address: Any) -> Any:
        return emit_splat(builder, builder.load(_pointer(builder, address, vector.llvm.element)))

    return _function("splat_load", "The number at an address in every lane.", {(types.int64,): (vector, emit)})


def _gather(vector: Vector) -> Any:
    def emit(builder: Any, address: Any, index: Any) -> Any:
        return emit_gather(builder, _pointer(builder, address, vector.llvm.element), index)

    cases = {(types.int64, I64x16): (vector, emit)}
    return _function("gather", "The numbers at an address, indexed by lane.", cases)


def _bytes(vector: Vector) -> int:
    """The size of one lane in memory."""
    return int(vector.lane.bitwidth) // 8


def _emit_store(builder: Any, address: Any, value: Any) -> None:
    width = 4 if value.type.element == _FLOAT else 8
    builder.store(value, _pointer(builder, address, value.type)).align = width


def _emit_load_mask(builder: Any, address: Any) -> Any:
    return _emit_mask_of(builder, builder.load(_pointer(builder, address, _I64)))


def _emit_store_mask(builder: Any, address: Any, mask: Any) -> None:
    builder.store(emit_mask_bits(builder, mask), _pointer(builder, address, _I64))


def _emit_mask_of(builder: Any, number: Any) -> Any:
    # LLVM would take the bits one by one where there are no mask registers
    halves = builder.bitcast(builder.trunc(number, _I16), ir.VectorType(_I8, 2))
    undefined = ir.Constant(halves.type, ir.Undefined)
    half_of_lane = ir.Constant(ir.VectorType(_I32, LANES), [_I32(lane // 8) for lane in range(LANES)])
    spread = builder.shuffle_vector(halves, undefined, half_of_lane)
    bit_of_lane = ir.Constant(spread.type, [_I8(1 << lane % 8) for lane in range(LANES)])
    return builder.icmp_unsigned("==", builder.and_(spread, bit_of_lane), bit_of_lane)


def _emit_all(builder: Any, mask: Any) -> Any:
    return builder.icmp_unsigned("==", builder.bitcast(mask, _I16), _I16(0xFFFF))


def _emit_where(builder: Any, mask: Any, a: Any, b: Any) -> Any:
    return builder.select(mask, a, b)


load_f32, load_f64, load_i64 = map(_load, (F32x16, F64x16, I64x16))
splat_f32, splat_f64 = map(_splat_load, (F32x16, F64x16))
gather_f32, gather_f64 = map(_gather, (F32x16, F64x16))
store = _function(
    "store",
    "`store(address, vector)` writes sixteen lanes, side by side.",
    {(types.int64, vector): (types.void, _emit_store) for vector in (F32x16, F64x16, I64x16)},
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
splat = _function(
    "splat",
    "A scalar of a lane's type in every lane.",
    {(vector.lane,): (vector, emit_splat) for vector in VECTORS},
)
where = _function(
    "where",
    "`where(mask, a, b)`: `a` in the lanes where the mask is true, elsewhere `b`.",
    {(Mask16, vector, vector): (vector, _emit_where) for vector in VECTORS},
)
mask_bits = _function(
    "mask_bits",
    "The lanes of a mask as the low sixteen bits of an int64, lane 0 lowest.",
    {(Mask16,): (types.int64, emit_mask_bits)},
)
mask_of = _function(
    "mask_of",
    "The mask whose `mask_bits` are the low sixteen bits of a number.",
    {(types.int64,): (Mask16, _emit_mask_of)},
)
any_lane = _function("any_lane", "Whether a lane is true.", {(Mask16,): (types.boolean, emit_any)})
all_lanes = _function("all_lanes", "Whether every lane is true.", {(Mask16,): (types.boolean, _emit_all)})


# Operators. A rule in Numba's own tables costs no compilation of its own, as an overload would.

_OPERATORS: dict[str, Any] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
    "&": operator.and_, "|": operator.or_, "^": operator.xor, "<<": operator.lshift, ">>": operator.rshift,
    "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_SYMBOLS: dict[Vector, tuple[str, ...]] = {
    F32x16: (*_FLOAT_ARITHMETIC, *_COMPARISONS),
    F64x16: (*_FLOAT_ARITHMETIC, *_COMPARISONS),
    I64x16: (*_INTEGER_ARITHMETIC, *_COMPARISONS),
    Mask16: ("&", "|", "^", "==", "!="),
}


def _define_binary(symbol: str) -> None:
    """Type and lower one operator for all vectors, and for scalars beside them."""

    def typer(a: Any, b: Any) -> Any:
        a, b = types.unliteral(a), types.unliteral(b)
        vector = a if isinstance(a, Vector) else b
        if not isinstance(vector, Vector) or symbol not in _SYMBOLS[vector]:
            return None
        if not {a, b} <= {vector, vector.lane}:
            return None
        return (Mask16 if symbol in _COMPARISONS else vector)(a, b)

    def codegen(context: Any, builder: Any, signature: Any, arguments: tuple[Any, ...]) -> Any:
        pairs = zip(signature.args, arguments, strict=True)
        a, b = (value if isinstance(kind, Vector) else emit_splat(builder, value) for kind, value in pairs)
        return emit_binary(builder, symbol, a, b)

    type_callable(_OPERATORS[symbol])(lambda context: typer)
    for vector, symbols in _SYMBOLS.items():
        if symbol in symbols:
            for kinds in ((vector, vector), (vector, vector.lane), (vector.lane, vector)):
                lower_builtin(_OPERATORS[symbol], *kinds)(codegen)


def _define_unary(python: Any, vectors: tuple[Vector, ...], emit: Emit) -> None:
    def typer(a: Any) -> Any:
        return a(a) if a in vectors else None

    def codegen(context: Any, builder: Any, signature: Any, arguments: tuple[Any, ...]) -> Any:
        return emit(builder, *arguments)

    type_callable(python)(lambda context: typer)
    for vector in vectors:
        lower_builtin(python, vector)(codegen)


for _symbol in _OPERATORS:
    _define_binary(_symbol)
_define_unary(operator.neg, (F32x16, F64x16, I64x16), emit_negative)
_define_unary(operator.invert, (I64x16, Mask16), lambda builder, a: builder.not_(a))
