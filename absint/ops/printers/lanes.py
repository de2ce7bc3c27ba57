"""Operations on sixteen lanes as LLVM has them: each function writes one where a builder stands.

`vectors` makes Numba's types and operators of them, `translate_vector` whole op bodies. Vectors are LLVM's
`<16 x float>`, `<16 x double>`, `<16 x i64>` and, as masks, `<16 x i1>`; LLVM splits them into as many
registers as the machine needs. No operation is fused, reassociated or approximate.

Builders and values are llvmlite's, which have no static types. Imported only where Numba is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

LANES = 16

_I1, _I8, _I16, _I32, _I64 = map(ir.IntType, (1, 8, 16, 32, 64))
_FLOAT, _DOUBLE = ir.FloatType(), ir.DoubleType()
_WORDS = ir.VectorType(_I32, LANES)

F32 = ir.VectorType(_FLOAT, LANES)
F64 = ir.VectorType(_DOUBLE, LANES)
I64 = ir.VectorType(_I64, LANES)
MASK = ir.VectorType(_I1, LANES)

FLOAT_ARITHMETIC = {"+": "fadd", "-": "fsub", "*": "fmul", "/": "fdiv"}
INTEGER_ARITHMETIC = {
    "+": "add", "-": "sub", "*": "mul", "&": "and_", "|": "or_", "^": "xor", "<<": "shl", ">>": "ashr",
}  # fmt: skip
COMPARISONS = ("<", ">", "<=", ">=", "==", "!=")
"""Python's operators, the first two to the builder's method."""

_INTRINSICS = {
    "trunc": "trunc", "floor": "floor", "sqrt": "sqrt", "abs": "fabs", "copysign": "copysign",
}  # fmt: skip
"""Primitives that LLVM has on vectors."""


def constant(kind: Any, value: float) -> Any:
    """A number in every lane of a vector type."""
    return ir.Constant(kind, [ir.Constant(kind.element, value)] * LANES)


def splat(builder: Any, scalar: Any) -> Any:
    """A scalar in every lane."""
    undefined = ir.Constant(ir.VectorType(scalar.type, LANES), ir.Undefined)
    first = builder.insert_element(undefined, scalar, _I32(0))
    return builder.shuffle_vector(first, undefined, constant(_WORDS, 0))


def binary(builder: Any, symbol: str, a: Any, b: Any) -> Any:
    """`a symbol b` for an operator of Python. Comparisons are false for NaN, except `!=`."""
    integers = isinstance(a.type.element, ir.IntType)
    if symbol in COMPARISONS:
        if integers:
            return builder.icmp_signed(symbol, a, b)
        return (builder.fcmp_unordered if symbol == "!=" else builder.fcmp_ordered)(symbol, a, b)
    return getattr(builder, (INTEGER_ARITHMETIC if integers else FLOAT_ARITHMETIC)[symbol])(a, b)


def negative(builder: Any, a: Any) -> Any:
    """`-a`; of floats the sign bit alone changes."""
    if isinstance(a.type.element, ir.IntType):
        return builder.sub(constant(a.type, 0), a)
    return builder.fneg(a)


def inverse(builder: Any, a: Any) -> Any:
    """`~a`: every bit, or every truth value."""
    return builder.not_(a)


def select(builder: Any, mask: Any, a: Any, b: Any) -> Any:
    """`a` in the lanes where the mask is true, elsewhere `b`."""
    return builder.select(mask, a, b)


def extremum(builder: Any, symbol: str, a: Any, b: Any) -> Any:
    """`a if a symbol b or a != a else b`, NaN payloads aside; `symbol`: `<` or `>`.

    x86 has `a if a < b else b` as one instruction. Where `a` is NaN any NaN will do, such as all ones: what a
    true comparison is in a register.
    """
    chosen = builder.select(builder.fcmp_ordered(symbol, a, b), a, b)
    kind = _encoding(a)
    ones = builder.sext(builder.fcmp_unordered("uno", a, a), kind)
    return builder.bitcast(builder.or_(ones, builder.bitcast(chosen, kind)), a.type)


def primitive(builder: Any, name: str, operands: tuple[Any, ...]) -> Any:
    """A primitive of op bodies."""
    a = operands[0]
    match name:
        case "fmod":
            return builder.frem(*operands)  # a call of the C library for each lane
        case "next_up":
            return _next_up(builder, a)
        case "next_down":
            return builder.fneg(_next_up(builder, builder.fneg(a)))
        case "wide":
            return builder.fpext(a, F64)
        case "narrow":
            return builder.fptrunc(a, F32)
        case "bits":
            return builder.bitcast(a, I64)
        case "from_bits":
            return builder.bitcast(a, F64)
        case "to_int":
            return builder.fptosi(a, I64)
        case "to_wide":
            return builder.sitofp(a, F64)
    # llvmlite spells the names of LLVM's functions on scalars only
    spelled = f"llvm.{_INTRINSICS[name]}.v{LANES}{a.type.element.intrinsic_name}"
    function = builder.module.globals.get(spelled)
    if function is None:
        kind = ir.FunctionType(a.type, [a.type] * len(operands))
        function = ir.Function(builder.module, kind, spelled)
    return builder.call(function, operands)


def _next_up(builder: Any, a: Any) -> Any:
    """One more in the order of the encodings, which is magnitude below the sign bit."""
    kind = _encoding(a)
    one, zero = constant(kind, 1), constant(kind, 0)
    encoding = builder.bitcast(a, kind)
    negative = builder.icmp_signed("<", encoding, zero)
    step = builder.add(encoding, builder.select(negative, constant(kind, -1), one))
    step = builder.select(builder.fcmp_ordered("==", a, constant(a.type, 0.0)), one, step)
    stays = builder.fcmp_unordered(">=", a, constant(a.type, float("inf")))  # +inf and NaN
    return builder.bitcast(builder.select(stays, encoding, step), a.type)


def _encoding(a: Any) -> Any:
    """The type of the encodings of a vector of floats."""
    return _WORDS if a.type == F32 else I64


def rarely(
    builder: Any, needed: Any, common: tuple[Any, ...], rare: Callable[[], tuple[Any, ...]]
) -> tuple[Any, ...]:
    """`common`, but in the lanes `needed` what `rare()` writes, which is skipped when no lane needs it."""
    start = builder.block
    with builder.if_then(any_lane(builder, needed), likely=False):
        mixed = [builder.select(needed, a, b) for a, b in zip(rare(), common, strict=True)]
        end = builder.block
    results = []
    for a, b in zip(mixed, common, strict=True):
        result = builder.phi(a.type)
        result.add_incoming(a, end)
        result.add_incoming(b, start)
        results.append(result)
    return tuple(results)


def any_lane(builder: Any, mask: Any) -> Any:
    """Whether a lane is true, an i1."""
    return builder.icmp_unsigned("!=", builder.bitcast(mask, _I16), _I16(0))


def all_lanes(builder: Any, mask: Any) -> Any:
    """Whether every lane is true, an i1."""
    return builder.icmp_unsigned("==", builder.bitcast(mask, _I16), _I16(0xFFFF))


def mask_bits(builder: Any, mask: Any) -> Any:
    """The lanes of a mask as the low sixteen bits of an i64, lane 0 lowest."""
    return builder.zext(builder.bitcast(mask, _I16), _I64)


def mask_of(builder: Any, number: Any) -> Any:
    """The mask whose `mask_bits` are the low sixteen bits of an i64.

    A bit cast would do, but LLVM takes the bits out one by one where there are no mask registers.
    """
    halves = builder.bitcast(builder.trunc(number, _I16), ir.VectorType(_I8, 2))
    half_of_lane = ir.Constant(_WORDS, [_I32(lane // 8) for lane in range(LANES)])
    spread = builder.shuffle_vector(halves, ir.Constant(halves.type, ir.Undefined), half_of_lane)
    bit_of_lane = ir.Constant(spread.type, [_I8(1 << lane % 8) for lane in range(LANES)])
    return builder.icmp_unsigned("==", builder.and_(spread, bit_of_lane), bit_of_lane)


def _pointer(builder: Any, address: Any, pointee: Any) -> Any:
    return builder.inttoptr(address, pointee.as_pointer())


def load(builder: Any, address: Any, kind: Any) -> Any:
    """Sixteen lanes, side by side from an i64 address that is aligned as one lane is."""
    loaded = builder.load(_pointer(builder, address, kind))
    loaded.align = _lane_size(kind)
    return loaded


def load_scalar(builder: Any, address: Any, kind: Any) -> Any:
    """What is at an address as LLVM type `kind`."""
    return builder.load(_pointer(builder, address, kind))


def store(builder: Any, address: Any, value: Any) -> None:
    """Write sixteen lanes side by side."""
    builder.store(value, _pointer(builder, address, value.type)).align = _lane_size(value.type)


def store_scalar(builder: Any, address: Any, value: Any) -> None:
    """Write one number."""
    builder.store(value, _pointer(builder, address, value.type))


def _lane_size(kind: Any) -> int:
    return 4 if kind == F32 else 8


def gather(builder: Any, table: Any, index: Any) -> Any:
    """`table[i]` for each lane of an I64; `table`: a pointer to its first element. One load for each lane."""
    result = None
    for lane in map(_I32, range(LANES)):
        element = builder.load(builder.gep(table, [builder.extract_element(index, lane)]))
        if result is None:
            result = ir.Constant(ir.VectorType(element.type, LANES), ir.Undefined)
        result = builder.insert_element(result, element, lane)
    return result


def table_at(builder: Any, address: Any, kind: Any) -> Any:
    """What `gather` takes: a pointer to elements of the vector type `kind` at an address."""
    return _pointer(builder, address, kind.element)


def constant_table(module: Any, name: str, table: tuple[float, ...]) -> Any:
    """What `gather` takes: a pointer to binary64 numbers that are part of the module."""
    spelled = f"{name}_{hash(table) & 0xFFFF_FFFF:08x}"
    known = module.globals.get(spelled)
    if known is None:
        kind = ir.ArrayType(_DOUBLE, len(table))
        known = ir.GlobalVariable(module, kind, spelled)
        known.linkage = "internal"
        known.global_constant = True
        known.initializer = ir.Constant(kind, list(table))
    return known.bitcast(_DOUBLE.as_pointer())
