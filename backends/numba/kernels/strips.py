"""Strips: eight columns of a tile, 64 rows high, as 64 bytes; and the vectors that fill them.

Bit c of byte r of a strip says whether the pixel in column c, row r is inside. A comparison of eight sums is
one byte, one instruction (`vmovmskps`) away from the vector. Whole strips are combined as vectors of 64
bytes.

The vectors here have eight lanes, in binary32 one AVX register: boxes of terms are narrow, and with sixteen
lanes a third more columns would be computed in vain. Imported only where Numba is.
"""

from __future__ import annotations

import operator
import os
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

LANES = 8
ROWS = 64

_INT64S = types.CPointer(types.int64)
_I1, _I8, _I32, _I64 = map(ir.IntType, (1, 8, 32, 64))


class _Packed(types.Type):  # type: ignore[misc]  # Numba's types are unknown here
    """Several numbers as one value. `lane`: Numba's type of one; `llvm`: all of them in LLVM."""

    def __init__(self, name: str, lane: Any, llvm: Any) -> None:
        super().__init__(name)
        self.lane = lane
        self.llvm = llvm


@register_model(_Packed)
class _PackedModel(models.PrimitiveModel):  # type: ignore[misc]  # Numba's types are unknown here
    def __init__(self, manager: Any, packed: _Packed) -> None:
        super().__init__(manager, packed, packed.llvm)


F32x8 = _Packed("F32x8", types.float32, ir.VectorType(ir.FloatType(), LANES))
F64x8 = _Packed("F64x8", types.float64, ir.VectorType(ir.DoubleType(), LANES))
Mask8 = _Packed("Mask8", types.boolean, ir.VectorType(_I1, LANES))
_EIGHT = {types.float32: F32x8, types.float64: F64x8}
Strip = _Packed("Strip", types.uint8, ir.VectorType(_I8, ROWS))


def _as_vector(builder: Any, pointer: Any, kind: Any) -> Any:
    return builder.bitcast(pointer, kind.as_pointer())


@intrinsic
def load8(typingctx: Any, pointer: Any) -> Any:
    """Eight numbers of the precision that the pointer says."""
    packed = _EIGHT[pointer.dtype]

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_as_vector(builder, arguments[0], packed.llvm), align=packed.lane.bitwidth // 8)

    return packed(pointer), codegen


@intrinsic
def load_strip(typingctx: Any, pointer: Any) -> Any:
    """The strip whose first row a pointer points to."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_as_vector(builder, arguments[0], Strip.llvm), align=1)

    return Strip(pointer), codegen


@intrinsic
def store_packed(typingctx: Any, pointer: Any, value: Any) -> Any:
    """Write eight numbers or a strip to where a pointer points."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, value = arguments
        align = 1 if signature.args[1] is Strip else signature.args[1].lane.bitwidth // 8
        builder.store(value, _as_vector(builder, pointer, value.type), align=align)
        return context.get_dummy_value()

    return types.void(pointer, value), codegen


def _repeated(builder: Any, scalar: Any, count: int) -> Any:
    undefined = ir.Constant(ir.VectorType(scalar.type, count), ir.Undefined)
    first = builder.insert_element(undefined, scalar, _I32(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_I32, count), [0] * count))


@intrinsic
def repeat8(typingctx: Any, number: Any) -> Any:
    """A float32 or float64 in eight lanes."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _repeated(builder, arguments[0], LANES)

    return (F32x8 if number == types.float32 else F64x8)(number), codegen


@intrinsic
def repeat_rows(typingctx: Any, bits: Any) -> Any:
    """A strip whose rows all are the low eight bits of a number."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _repeated(builder, builder.trunc(arguments[0], _I8), ROWS)

    return Strip(types.int64), codegen


def _operator(symbol: Any, packed: _Packed, method: str) -> None:
    @type_callable(symbol)
    def typer(context: Any) -> Any:
        return lambda a, b: packed if a is packed and b is packed else None

    @lower_builtin(symbol, packed, packed)
    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return getattr(builder, method)(*arguments)


for _packed in (F32x8, F64x8):
    for _symbol, _method in ((operator.add, "fadd"), (operator.mul, "fmul")):
        _operator(_symbol, _packed, _method)
for _packed in (Mask8, Strip):
    for _symbol, _method in ((operator.and_, "and_"), (operator.or_, "or_")):
        _operator(_symbol, _packed, _method)


@intrinsic
def between(typingctx: Any, value: Any, low: Any, high: Any) -> Any:
    """Where `low <= value <= high`; false on NaN."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value, low, high = arguments
        return builder.and_(builder.fcmp_ordered(">=", value, low), builder.fcmp_ordered("<=", value, high))

    return Mask8(value, low, high), codegen


@intrinsic
def at_most(typingctx: Any, value: Any, high: Any) -> Any:
    """Where `value <= high`; false on NaN."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fcmp_ordered("<=", *arguments)

    return Mask8(value, high), codegen


@intrinsic
def at_least(typingctx: Any, value: Any, low: Any) -> Any:
    """Where `value >= low`; false on NaN."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fcmp_ordered(">=", *arguments)

    return Mask8(value, low), codegen


@intrinsic
def bits_of(typingctx: Any, mask: Any) -> Any:
    """The eight truth values as an int64, lane 0 lowest."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.zext(builder.bitcast(arguments[0], _I8), _I64)

    return types.int64(Mask8), codegen


@intrinsic
def only(typingctx: Any, bits: Any, value: Any) -> Any:
    """`value` in the lanes whose bit is set, NaN elsewhere, which is in no band."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits, value = arguments
        mask = builder.bitcast(builder.trunc(bits, _I8), Mask8.llvm)
        nan = ir.Constant(value.type, [ir.Constant(value.type.element, float("nan"))] * LANES)
        return builder.select(mask, value, nan)

    return value(types.int64, value), codegen


@intrinsic
def trailing_zeros(typingctx: Any, bits: Any) -> Any:
    """The place of the lowest bit that is set; one must be."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], _I1(1))

    return types.int64(types.int64), codegen


@intrinsic
def rows_of_strips(typingctx: Any, words: Any, strips: Any) -> Any:
    """Write 64 words from eight strips, one a row, the first strip in the lowest byte."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        words, strips = arguments
        rows = _transposed(builder, strips)
        builder.store(rows, _as_vector(builder, words, rows.type), align=8)
        return context.get_dummy_value()

    return types.void(words, strips), codegen


def _spreader(streaming: bool) -> Any:
    @intrinsic
    def spread(typingctx: Any, pixels: Any, word: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer, word = arguments
            pixels = builder.sext(builder.bitcast(word, ir.VectorType(_I1, 64)), ir.VectorType(_I8, 64))
            store = builder.store(
                pixels, _as_vector(builder, pointer, pixels.type), align=64 if streaming else 1
            )
            if streaming:
                store.set_metadata("nontemporal", builder.module.add_metadata([_I32(1)]))
            return context.get_dummy_value()

        return types.void(pixels, types.int64), codegen

    return spread


spread_bits, stream_bits = map(_spreader, (False, True))
"""`spread_bits(pixels, word)` writes 64 bits as bytes 0 or 255. `stream_bits` writes past the caches, to an
address that is a multiple of 64.
"""


def _transposed(builder: Any, strips: Any) -> Any:
    """Eight strips as 64 words, one a row, the first strip in the lowest byte."""
    columns = []
    for i in range(8):
        strip = builder.gep(strips, [_I64(i * ROWS)])
        columns.append(builder.load(_as_vector(builder, strip, Strip.llvm), align=1))
    while len(columns) > 1:
        columns = [_interleaved(builder, a, b) for a, b in zip(columns[::2], columns[1::2], strict=True)]
    return columns[0]


def _interleaved(builder: Any, a: Any, b: Any) -> Any:
    """The elements of two vectors of 64 side by side, as elements twice as wide, `a` in the low halves."""
    pairs = [i for r in range(ROWS) for i in (r, ROWS + r)]
    joined = builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_I32, 2 * ROWS), pairs))
    return builder.bitcast(joined, ir.VectorType(ir.IntType(2 * a.type.element.width), ROWS))


@intrinsic
def atomic_add(typingctx: Any, pointer: Any, amount: Any) -> Any:
    """Add to an int64 in memory; returns what it was before."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.atomic_rmw("add", *arguments, "seq_cst")

    return types.int64(_INT64S, types.int64), codegen


@intrinsic
def atomic_swap_if(typingctx: Any, pointer: Any, expected: Any, new: Any) -> Any:
    """Put `new` in place of `expected` in an int64 in memory; whether it was that."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        result = builder.cmpxchg(*arguments, "seq_cst", "seq_cst")
        return builder.extract_value(result, 1)

    return types.boolean(_INT64S, types.int64, types.int64), codegen


@intrinsic
def atomic_load(typingctx: Any, pointer: Any) -> Any:
    """An int64 in memory that others write."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(arguments[0], "seq_cst", 8)

    return types.int64(_INT64S), codegen


@intrinsic
def atomic_store(typingctx: Any, pointer: Any, value: Any) -> Any:
    """Write an int64 that others read."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store_atomic(arguments[1], arguments[0], "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(_INT64S, types.int64), codegen


@intrinsic
def relax(typingctx: Any) -> Any:
    """Tell the processor that a loop waits for another thread."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if "x86" in str(builder.module.triple):
            builder.call(_external(builder, "llvm.x86.sse2.pause", ir.VoidType()), [])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def give_way(typingctx: Any) -> Any:
    """Let other threads have the processor, if any wants it."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if os.name == "posix":
            builder.call(_external(builder, "sched_yield", _I32), [])
        return context.get_dummy_value()

    return types.void(), codegen


def _external(builder: Any, name: str, result: Any) -> Any:
    known = builder.module.globals.get(name)
    return known or ir.Function(builder.module, ir.FunctionType(result, []), name)
