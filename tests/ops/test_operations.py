"""Every kernel of every op computes the array form's bits, on blocks of values and on intervals."""

from __future__ import annotations

import functools
import platform
import re
from typing import Any

import numba
import numpy as np
import pytest

from absint.ops.kernels import kernels, record_size, row_size
from absint.ops.precision import Precision
from absint.ops.printers.translate import array_form
from absint.ops.table import BY_NAME, Op
from absint.ops.units import operation_kernels, operation_unit
from tests.ops.assembly import assembly
from tests.support.operands import OPERATIONS, Column, random_bits, random_moderate, same, scaled, spicy

LANES = 16
PRECISIONS = pytest.mark.parametrize("precision", list(Precision), ids=lambda p: p.value)
EVERY_OP = pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.name)
SENTINEL = 0xA5

Columns = list[Column]


def address(array: Column) -> int:
    return int(array.ctypes.data)


def whole_rows(columns: Columns) -> Columns:
    """Drop what does not fill a row of sixteen."""
    count = len(columns[0]) // LANES * LANES
    return [column[:count] for column in columns]


def values(rng: np.random.Generator, op: Op, precision: Precision, count: int) -> Column:
    """Special values, any bits and everyday numbers, a third each."""
    kinds = [
        rng.choice(spicy(op, precision), count),
        random_bits(rng, precision, count),
        random_moderate(rng, precision, count),
    ]
    return np.choose(rng.integers(0, 3, count), kinds)


@functools.cache
def operands(op: Op, precision: Precision) -> Columns:
    """All special values, all pairs of them where there are two operands, then others."""
    rng = np.random.default_rng([op.code, precision is Precision.F64])
    special = [axis.ravel() for axis in np.meshgrid(*[spicy(op, precision)] * op.arity)]
    others = [values(rng, op, precision, scaled(40_000)) for _ in range(op.arity)]
    return whole_rows([np.concatenate(pair) for pair in zip(special, others, strict=True)])


def expected(op: Op, precision: Precision, columns: Columns) -> Column:
    with np.errstate(all="ignore"):
        found = array_form(op.body(precision), precision)(*columns)
    return np.broadcast_to(found, np.broadcast_shapes(*(column.shape for column in columns)))


def run_block(op: Op, precision: Precision, shape: str, columns: Columns) -> Column:
    """Full rows for each `v`, one number a row for each `s`."""
    rows = max(column.shape[0] for column in columns)
    out = np.empty((rows, LANES), precision.dtype)
    steps = [row_size(precision) if kind == "v" else precision.dtype.itemsize for kind in shape]
    arguments = [x for column, step in zip(columns, steps, strict=True) for x in (address(column), step)]
    operation_kernels(op.name, precision)[shape](address(out), *arguments, rows)
    return out


def assert_same(found: Column, want: Column, columns: Columns, precision: Precision) -> None:
    good = same(found, want, precision).ravel()
    if not good.all():
        i = int(np.argmin(good))
        at = tuple(np.broadcast_to(column, found.shape).ravel()[i] for column in columns)
        pytest.fail(
            f"{np.count_nonzero(~good)} differ, as at {at}: {found.ravel()[i]!r}, not {want.ravel()[i]!r}"
        )


@PRECISIONS
@EVERY_OP
def test_full_rows(op: Op, precision: Precision) -> None:
    columns = [column.reshape(-1, LANES) for column in operands(op, precision)]
    found = run_block(op, precision, "v" * op.arity, columns)
    assert_same(found, expected(op, precision, columns), columns, precision)


@PRECISIONS
@pytest.mark.parametrize("op", [op for op in OPERATIONS if op.arity == 2], ids=lambda op: op.name)
@pytest.mark.parametrize("shape", ["vs", "sv"])
def test_one_number_a_row(op: Op, precision: Precision, shape: str) -> None:
    rng = np.random.default_rng(op.code)
    columns = [
        values(rng, op, precision, 2000 * LANES).reshape(2000, LANES)
        if kind == "v"
        else values(rng, op, precision, 2000)[:, None]
        for kind in shape
    ]
    found = run_block(op, precision, shape, columns)
    assert_same(found, expected(op, precision, columns), columns, precision)


@PRECISIONS
class TestSteps:
    def test_a_row_that_all_share(self, precision: Precision) -> None:
        rng = np.random.default_rng(1)
        a = random_moderate(rng, precision, 5 * LANES).reshape(5, LANES)
        b = random_moderate(rng, precision, LANES)
        out = np.empty_like(a)
        row = row_size(precision)
        operation_kernels("sub", precision)["vv"](address(out), address(a), row, address(b), 0, 5)
        assert_same(out, a - b, [a, b], precision)
        operation_kernels("sub", precision)["sv"](address(out), address(b), 0, address(a), row, 5)
        assert_same(out, b[0] - a, [a, b], precision)

    def test_rows_apart(self, precision: Precision) -> None:
        rng = np.random.default_rng(2)
        a = random_moderate(rng, precision, 7 * 24).reshape(7, 24)
        out = np.empty((7, LANES), precision.dtype)
        operation_kernels("neg", precision)["v"](address(out), address(a), 24 * precision.dtype.itemsize, 7)
        assert_same(out, -a[:, :LANES], [a[:, :LANES]], precision)

    def test_in_place_and_nothing_else(self, precision: Precision) -> None:
        rng = np.random.default_rng(3)
        for rows in range(7):
            memory = random_moderate(rng, precision, 9 * LANES).reshape(9, LANES)
            before = memory.copy()
            size = row_size(precision)
            operation_kernels("square", precision)["v"](address(memory[1:]), address(memory[1:]), size, rows)
            before[1 : 1 + rows] **= 2
            assert_same(memory, before, [before], precision)


# Intervals


def interval_columns(rng: np.random.Generator, op: Op, precision: Precision, count: int) -> Columns:
    """Lower ends, upper ends and flags: ordered mostly, points, empty ones, infinite ends."""
    a, b = (values(rng, op, precision, count) for _ in range(2))
    kind = rng.random(count)
    lower, upper = np.where((kind < 0.9) & (a > b), b, a), np.where((kind < 0.9) & (a > b), a, b)
    upper = np.where(kind < 0.1, lower, upper)
    near = (kind > 0.1) & (kind < 0.3)  # narrow ones, which hold few extrema and poles
    with np.errstate(all="ignore"):
        upper = np.where(near, lower + np.abs(lower) * precision.real(2.0**-10), upper)
    empty = kind > 0.97
    lower = np.where(empty, precision.real(np.inf), lower)
    upper = np.where(empty, precision.real(-np.inf), upper)
    return [lower.astype(precision.dtype), upper.astype(precision.dtype), rng.random(count) < 0.3]


def to_records(columns: Columns, precision: Precision) -> Column:
    """Bytes [records, record_size]."""
    row = row_size(precision)
    lower, upper, flags = (column.reshape(-1, LANES) for column in columns)
    records = np.full((len(lower), record_size(precision)), SENTINEL, np.uint8)
    records[:, :row] = np.ascontiguousarray(lower).view(np.uint8)
    records[:, row : 2 * row] = np.ascontiguousarray(upper).view(np.uint8)
    words = (flags.astype(np.int64) << np.arange(LANES)).sum(axis=1)
    records[:, 2 * row : 2 * row + 8] = words[:, None].view(np.uint8)
    return records


def from_records(records: Column, precision: Precision) -> Columns:
    row = row_size(precision)
    lower, upper = (
        np.ascontiguousarray(records[:, i * row : (i + 1) * row]).view(precision.dtype) for i in range(2)
    )
    words = np.ascontiguousarray(records[:, 2 * row : 2 * row + 8]).view(np.int64)
    assert (words >> LANES == 0).all()
    return [lower.ravel(), upper.ravel(), ((words >> np.arange(LANES)) & 1).astype(bool).ravel()]


@PRECISIONS
@EVERY_OP
def test_intervals(op: Op, precision: Precision) -> None:
    rng = np.random.default_rng([7, op.code])
    count = scaled(3000) * LANES
    columns = [c for _ in range(op.arity) for c in interval_columns(rng, op, precision, count)]
    with np.errstate(all="ignore"):
        want = array_form(op.interval(precision), precision)(*columns)
    records = [to_records(columns[i : i + 3], precision) for i in range(0, len(columns), 3)]
    out = np.full_like(records[0], SENTINEL)
    kernel = operation_kernels(op.name, precision)["interval"]
    size = record_size(precision)
    for at in range(0, out.size, size):
        kernel(address(out) + at, *(address(operand) + at for operand in records))
    found = from_records(out, precision)
    for got, one in zip(found[:2], want[:2], strict=True):
        assert_same(got, np.broadcast_to(one, got.shape), columns, precision)
    assert_same(found[2] * 1.0, np.broadcast_to(want[2], found[2].shape) * 1.0, columns, precision)
    assert (out[:, 2 * row_size(precision) + 8 :] == SENTINEL).all()


def test_records_are_whole_cache_lines() -> None:
    assert [record_size(p) for p in (Precision.F32, Precision.F64)] == [192, 320]


# Machine code


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="x86 instructions")
class TestAssembly:
    @pytest.mark.parametrize(
        ("name", "instructions"),
        [
            ("add", ["addp."]),
            ("mul", ["mulp."]),
            ("sqrt", ["sqrtp."]),
            ("min", ["minp.", "cmpunordp."]),
            ("exp", ["mulp.", "addp."]),
        ],
    )
    @PRECISIONS
    def test_packed(self, name: str, instructions: list[str], precision: Precision) -> None:
        text = assembly_on_rows(name, precision)
        for pattern in instructions:
            assert re.search(rf"\bv?({pattern})", text), pattern
        assert not re.search(r"\bv?(add|mul|sqrt|min|max)s[sd]\b", text), "one lane at a time"

    @PRECISIONS
    @EVERY_OP
    def test_nothing_is_fused(self, op: Op, precision: Precision) -> None:
        assert not re.search(r"\bvfn?m(add|sub)", assembly(operation_unit(op.name, precision)))


def assembly_on_rows(name: str, precision: Precision) -> str:
    """The machine code of the kernel whose operands are full rows, alone."""
    function, signature = kernels(name, precision.value)["v" * BY_NAME[name].arity]
    options: Any = {"error_model": "numpy", "nogil": True, "_nrt": False}
    return "\n".join(numba.njit(signature, **options)(function).inspect_asm().values())
