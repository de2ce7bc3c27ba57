"""Kernels per op: blocks of values in, blocks of values out, sixteen lanes at a time, and interval rules.

A unit of `absint.native.units`: `kernels(name, precision)` returns plain functions of int64 arguments,
addresses and steps in bytes. Nothing here knows a program: an engine calls the kernel of each of its
operations.

| kernel           | arguments                            | computes                                        |
|------------------|--------------------------------------|-------------------------------------------------|
| `v`              | `out, a, a_step, rows`               | row r of `out` = f(row r of `a`)                |
| `vv` `vs` `sv`   | `out, a, a_step, b, b_step, rows`    | f(a, b); `s` is an operand of one number a row  |
| `interval`       | `out, a` or `out, a, b`              | the op's interval rule on sixteen intervals     |

A row of `out` is sixteen numbers, row after row. Row r of an operand is at its address plus r steps: sixteen
numbers, or one that is repeated in every lane. A step of 0 is a row or number that all rows share. `out` may
be an operand of the same steps, or must not overlap it.

A record of sixteen intervals, `record_size` bytes:

| offset         | bytes         | content                                                  |
|----------------|---------------|----------------------------------------------------------|
| 0              | 16 × itemsize | lower ends                                               |
| 16 × itemsize  | 16 × itemsize | upper ends                                               |
| 32 × itemsize  | 8             | int64, bit i: lane i may be NaN; the upper 48 bits are 0 |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types

from absint.ops.precision import Precision, as_precision
from absint.ops.printers import vectors
from absint.ops.printers.translate_vector import vector_form
from absint.ops.table import BY_NAME

LANES = vectors.LANES

Kernel = Callable[..., None]


def row_size(precision: Precision) -> int:
    """Bytes of sixteen numbers."""
    return LANES * precision.dtype.itemsize


def record_size(precision: Precision) -> int:
    """Bytes from one record of sixteen intervals to the next: whole cache lines."""
    return 3 * row_size(precision) if precision is Precision.F32 else 5 * row_size(precision) // 2


def kernels(name: str, precision: Precision | str) -> dict[str, tuple[Kernel, Any]]:
    """The kernels of an op, each with the Numba signature to compile it for."""
    op = BY_NAME[name]
    precision = as_precision(precision)
    body = vector_form(op.body(precision), precision)
    rule = vector_form(op.interval(precision), precision)
    found: dict[str, Kernel]
    if op.arity == 1:
        found = {"v": _unary_block(body, precision)}
        found["interval"] = _unary_interval(rule, precision)
    else:
        found = {shape: _binary_block(body, precision, shape) for shape in ("vv", "vs", "sv")}
        found["interval"] = _binary_interval(rule, precision)
    return {shape: (kernel, _signature(kernel)) for shape, kernel in found.items()}


def _signature(kernel: Kernel) -> Any:
    return types.void(*[types.int64] * kernel.__code__.co_argcount)


def _reader(precision: Precision, kind: str) -> Any:
    """What loads a row: sixteen numbers, `v`, or one, `s`."""
    if precision is Precision.F32:
        return vectors.load_f32 if kind == "v" else vectors.splat_f32
    return vectors.load_f64 if kind == "v" else vectors.splat_f64


def _unary_block(body: Any, precision: Precision) -> Kernel:
    load = _reader(precision, "v")
    store = vectors.store
    row = row_size(precision)

    def block(out: int, a: int, a_step: int, rows: int) -> None:
        for r in range(rows):
            store(out + r * row, body(load(a + r * a_step)))

    return block


def _binary_block(body: Any, precision: Precision, shape: str) -> Kernel:
    load_a, load_b = (_reader(precision, kind) for kind in shape)
    store = vectors.store
    row = row_size(precision)

    def block(out: int, a: int, a_step: int, b: int, b_step: int, rows: int) -> None:
        for r in range(rows):
            store(out + r * row, body(load_a(a + r * a_step), load_b(b + r * b_step)))

    return block


def _unary_interval(rule: Any, precision: Precision) -> Kernel:
    load = _reader(precision, "v")
    store, load_flags, store_flags = vectors.store, vectors.load_mask, vectors.store_mask
    upper = row_size(precision)
    flags = 2 * upper

    def interval(out: int, a: int) -> None:
        low, high, nan = rule(load(a), load(a + upper), load_flags(a + flags))
        store(out, low)
        store(out + upper, high)
        store_flags(out + flags, nan)

    return interval


def _binary_interval(rule: Any, precision: Precision) -> Kernel:
    load = _reader(precision, "v")
    store, load_flags, store_flags = vectors.store, vectors.load_mask, vectors.store_mask
    upper = row_size(precision)
    flags = 2 * upper

    def interval(out: int, a: int, b: int) -> None:
        low, high, nan = rule(
            load(a), load(a + upper), load_flags(a + flags), load(b), load(b + upper), load_flags(b + flags)
        )
        store(out, low)
        store(out + upper, high)
        store_flags(out + flags, nan)

    return interval
