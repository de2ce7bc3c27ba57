"""The text of the CUDA kernels for a precision: the op table printed as C, layout constants, and `*.cu`.

The text includes no header. NVRTC and nvcc compile it, and g++ with the shim in front of it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import resources

from absint.lowering import plan_format
from absint.ops.precision import Precision
from absint.ops.printers.translate import c_name, c_prelude, c_source
from absint.ops.table import OPS, Op

IEEE = ("--fmad=false", "--prec-div=true", "--prec-sqrt=true", "--ftz=false")
"""Options that hold a CUDA compiler to IEEE arithmetic, which every other evaluator uses too."""

OPTIONS = ("-std=c++17", *IEEE)
"""All options for the compiler."""

FILES = ("common.cu", "points.cu", "frame.cu", "terms.cu", "regions.cu")

_LAYOUT = (
    *("TERM", "SUM", "TAPE", "EITHER", "END_EITHER", "END", "DEEPEST_TERM"),
    *("CODE", "SUM_WORDS", "SUM_NUMBERS", "AT_MOST"),
    *("UNARY", "BINARY", "LEAST", "GREATEST", "IN_BAND", "ALL_OF", "ANY_OF"),
)
"""Constants of `absint.lowering.plan_format` that kernels use."""

NO_OPERAND = -1 << 30
"""The second operand of a unary instruction."""
LARGE, SMALL_WIDTH, SMALL_HEIGHT = 128, 32, 16
"""Sizes of regions in pixels: a large region holds a small one for each lane of a warp."""

_SHARED = {
    "NO_OPERAND": NO_OPERAND, "LARGE": LARGE, "SMALL_WIDTH": SMALL_WIDTH, "SMALL_HEIGHT": SMALL_HEIGHT,
}  # fmt: skip

_HEAD = """\
#ifndef ABSINT_SHIM
#define DEVICE __device__ static __forceinline__
#define CALLED __device__ static __forceinline__
#endif
"""

_EXACT = """\
/* CUDA's own for binary32 is exact, but made of fused operations; that for binary64 is integer arithmetic. */
#define fmodf(a, b) ((float)fmod((double)(a), (double)(b)))
"""

_INTERVALS = """\
#define INFINITE (real)absint_from_bits(0x7ff0000000000000LL)
DEVICE interval anything()
{
    interval found = {-INFINITE, INFINITE, 1};
    return found;
}
DEVICE interval point_interval(real value)
{
    interval point = {value, value, 0}, nothing = {INFINITE, -INFINITE, 1};
    return value == value ? point : nothing;
}
"""

_COSTLY = 25
"""Cost from which operations are switched on in a separate function. The shim's g++ calls that function,
which shortens compilation; CUDA's compilers inline it, since a call would spill registers.
"""


@functools.cache
def kernel_source(precision: Precision) -> str:
    """The text of all kernels for a precision, the same for all programs."""
    texts = [resources.files(__package__).joinpath(name).read_text(encoding="utf-8") for name in FILES]
    values = {name: getattr(plan_format, name) for name in _LAYOUT} | _SHARED
    numbers = "".join(f"#define {name} ({value})\n" for name, value in values.items())
    return "\n".join([operations_source(precision), numbers, *texts])


@functools.cache
def operations_source(precision: Precision) -> str:
    """The text of the operations: a function each, and `value_of` and `bound_of`, which select one by its
    opcode.
    """
    single = precision is Precision.F32
    ops = [op for op in OPS if not op.is_leaf]
    functions = [*(op.body(precision) for op in ops), *(op.interval(precision) for op in ops)]
    kind = "real" if single else "wide"
    return "\n".join(
        [
            _HEAD,
            c_prelude("DEVICE"),
            _EXACT,
            f"typedef {'float' if single else 'double'} real;",
            c_source(functions, precision, "", "DEVICE", "__device__ static const"),
            f"typedef tuple_{kind}_{kind}_bool interval;",
            _INTERVALS,
            _choice("real", "value_of", ops, lambda op: _value_call(op, precision)),
            _choice("interval", "bound_of", ops, lambda op: _bound_call(op, precision)),
        ]
    )


def _value_call(op: Op, precision: Precision) -> str:
    return f"{c_name(op.body(precision))}({', '.join('ab'[: op.arity])})"


def _bound_call(op: Op, precision: Precision) -> str:
    parts = [f"{operand}.v{i}" for operand in "ab"[: op.arity] for i in range(3)]
    return f"{c_name(op.interval(precision))}({', '.join(parts)})"


def _choice(kind: str, name: str, ops: list[Op], call: Callable[[Op], str]) -> str:
    """The text of a function that applies an operation by its opcode, and of a second one for costly
    operations.
    """
    cases: dict[bool, list[str]] = {False: [], True: []}
    for op in ops:
        cases[op.cost >= _COSTLY].append(f"    case {op.code}: return {call(op)};")
    parameters = f"(int op, {kind} a, {kind} b)"
    costly = [f"CALLED {kind} costly_{name}{parameters}", "{", "    switch (op) {", *cases[True], "    }"]
    cheap = [f"DEVICE {kind} {name}{parameters}", "{", "    switch (op) {", *cases[False], "    }"]
    return "\n".join([*costly, "    return a;", "}", *cheap, f"    return costly_{name}(op, a, b);", "}", ""])
