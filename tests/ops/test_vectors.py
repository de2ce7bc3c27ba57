"""Vectors compute in each lane what NumPy computes, and the vector form of a function what its others do."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest
from numba.core.errors import TypingError

from absint.ops import basic, primitives
from absint.ops.libm import binary32 as libm32
from absint.ops.libm.double_double import two_product
from absint.ops.precision import Precision
from absint.ops.printers import vectors
from absint.ops.printers.translate_vector import vector_form
from absint.ops.printers.vectors import LANES
from tests.ops.test_translate import SAMPLES, array_results, operands
from tests.support.operands import random_bits, random_moderate, same, spicy

ROWS = 64
FLOATS = pytest.mark.parametrize("precision", list(Precision), ids=lambda p: p.value)

Rows = np.ndarray
"""[rows, 16] of binary32, binary64, int64, or bool, which masks are made of."""


class Memory:
    """Rows as kernels see them: truth values as one int64 per row."""

    def __init__(self, rows: Rows) -> None:
        self.truth = rows.dtype == bool
        self.load = {"f4": "load_f32", "f8": "load_f64", "i8": "load_i64", "b1": "load_mask"}[
            rows.dtype.str[1:]
        ]
        self.store = "store_mask" if self.truth else "store"
        if self.truth:
            rows = (rows.astype(np.int64) << np.arange(LANES)).sum(axis=1, keepdims=True)
        self.array = np.ascontiguousarray(rows)
        self.address = int(self.array.ctypes.data)

    def at_row(self, name: str) -> str:
        return f"{name} + r * {self.array.strides[0]}"

    def rows(self) -> Rows:
        return (self.array >> np.arange(LANES)) & 1 == 1 if self.truth else self.array


def jitted(text: str, arity: int, **names: Any) -> Callable[..., None]:
    """A kernel of int64 arguments from its text, which may use everything in `vectors`."""
    namespace = vars(vectors) | {"np": np} | names
    exec(text, namespace)
    options: Any = {"error_model": "numpy", "_nrt": False}
    kernel: Callable[..., None] = numba.njit(numba.void(*[numba.int64] * arity), **options)(
        namespace["kernel"]
    )
    return kernel


def run(expression: str, dtype: Any, *columns: Rows, **names: Any) -> Rows:
    """The expression, of `a`, `b` and `c`, on each row."""
    memory = [Memory(rows) for rows in columns]
    out = Memory(np.zeros((ROWS, LANES), dtype))
    loads = "".join(
        f"        {name} = {one.load}({one.at_row(name + '_')})\n"
        for name, one in zip("abc", memory, strict=False)
    )
    parameters = ", ".join(["out", *(f"{name}_" for name in "abc"[: len(memory)])])
    text = (
        f"def kernel({parameters}):\n    for r in range({ROWS}):\n{loads}"
        f"        {out.store}({out.at_row('out')}, {expression})\n"
    )
    jitted(text, 1 + len(memory), **names)(out.address, *(one.address for one in memory))
    return out.rows()


def floats(precision: Precision, seed: int) -> Rows:
    """Special values, any bits, everyday numbers."""
    rng = np.random.default_rng(seed)
    special = rng.choice(spicy(None, precision), ROWS * LANES)
    parts = [
        special,
        random_bits(rng, precision, len(special)),
        random_moderate(rng, precision, len(special)),
    ]
    return np.choose(rng.integers(0, 3, len(special)), parts).reshape(ROWS, LANES)


def integers(seed: int) -> Rows:
    rng = np.random.default_rng(seed)
    values = rng.integers(-(1 << 63), (1 << 63) - 1, (ROWS, LANES), endpoint=True)
    return np.where(rng.random(values.shape) < 0.3, rng.integers(-3, 3, values.shape), values)


def masks(seed: int) -> Rows:
    rows = np.random.default_rng(seed).random((ROWS, LANES)) < 0.5
    rows[0], rows[1] = False, True
    return rows


def agree(found: Rows, want: Rows) -> bool:
    """Equal bits or both NaN."""
    assert found.dtype == want.dtype
    if found.dtype.kind == "f":
        return bool(same(found, want, Precision.F32 if found.itemsize == 4 else Precision.F64).all())
    return bool((found == want).all())


PYTHON = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
    "&": operator.and_, "|": operator.or_, "^": operator.xor, "<<": operator.lshift, ">>": operator.rshift,
    "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
COMPARISONS = ["<", ">", "<=", ">=", "==", "!="]


class TestOperators:
    @pytest.mark.parametrize("symbol", ["+", "-", "*", "/", *COMPARISONS])
    @FLOATS
    def test_floats(self, symbol: str, precision: Precision) -> None:
        a, b = floats(precision, 1), floats(precision, 2)
        b[::4] = a[::4]
        with np.errstate(all="ignore"):
            want = PYTHON[symbol](a, b)
        assert agree(run(f"a {symbol} b", want.dtype, a, b), want)

    @pytest.mark.parametrize("symbol", ["+", "-", "*", "&", "|", "^", *COMPARISONS])
    def test_integers(self, symbol: str) -> None:
        a, b = integers(1), integers(2)
        b[::4] = a[::4]
        want = PYTHON[symbol](a, b)
        assert agree(run(f"a {symbol} b", want.dtype, a, b), want)

    @pytest.mark.parametrize("symbol", ["<<", ">>"])
    def test_shifts(self, symbol: str) -> None:
        a, b = integers(1), integers(2) & 63
        assert agree(run(f"a {symbol} b", np.int64, a, b), PYTHON[symbol](a, b))

    @pytest.mark.parametrize("symbol", ["&", "|", "^", "==", "!="])
    def test_masks(self, symbol: str) -> None:
        a, b = masks(1), masks(2)
        assert agree(run(f"a {symbol} b", bool, a, b), PYTHON[symbol](a, b))

    @FLOATS
    def test_products_are_rounded_before_they_are_added(self, precision: Precision) -> None:
        a, b, c = (floats(precision, k) for k in range(3))
        with np.errstate(all="ignore"):
            c[::2] = -(a * b)[::2]  # fused, the sum would be the product's rounding error
            want = a * b + c
        assert agree(run("a * b + c", precision.dtype, a, b, c), want)

    @FLOATS
    def test_minus_flips_the_sign_bit(self, precision: Precision) -> None:
        a = floats(precision, 1)
        found = run("-a", precision.dtype, a)
        assert (np.signbit(found) == ~np.signbit(a)).all()
        assert agree(found, -a)

    def test_unary(self) -> None:
        a, m = integers(1), masks(1)
        assert agree(run("-a", np.int64, a), -a)
        assert agree(run("~a", np.int64, a), ~a)
        assert agree(run("~a", bool, m), ~m)

    def test_scalars_are_repeated(self) -> None:
        a, b, i = floats(Precision.F32, 1), floats(Precision.F64, 2), integers(3)
        with np.errstate(all="ignore"):
            assert agree(run("np.float32(3) * a", np.float32, a), np.float32(3) * a)
            assert agree(run("a - np.float32(0.1)", np.float32, a), a - np.float32(0.1))
            assert agree(run("a > np.float32(0.5)", bool, a), a > np.float32(0.5))
            assert agree(run("0.1 / a", np.float64, b), 0.1 / b)
        assert agree(run("a >> 3", np.int64, i), i >> 3)
        assert agree(run("5 & a", np.int64, i), 5 & i)
        assert agree(run("a == r", bool, i % 8), i % 8 == np.arange(ROWS)[:, None])

    @pytest.mark.parametrize("expression", ["a + 1.0", "a + 1", "a % b", "a & b", "a < 0.5", "a + wide(b)"])
    def test_nothing_is_promoted(self, expression: str) -> None:
        a = floats(Precision.F32, 1)
        with pytest.raises(TypingError):
            run(expression, np.float32, a, a)


class TestPrimitives:
    @pytest.mark.parametrize("name", ["trunc", "floor", "sqrt", "abs", "next_up", "next_down"])
    @FLOATS
    def test_unary(self, name: str, precision: Precision) -> None:
        a = floats(precision, 1)
        scalar = {"next_up": lambda v: np.nextafter(v, precision.real(np.inf))}
        scalar["next_down"] = lambda v: np.nextafter(v, precision.real(-np.inf))
        with np.errstate(all="ignore"):
            want = scalar[name](a) if name in scalar else getattr(np, name)(a)
        assert agree(run(f"{name}(a)", precision.dtype, a), want)

    @pytest.mark.parametrize("name", ["copysign", "fmod"])
    @FLOATS
    def test_binary(self, name: str, precision: Precision) -> None:
        a, b = floats(precision, 1), floats(precision, 2)
        with np.errstate(all="ignore"):
            want = getattr(np, name)(a, b)
        assert agree(run(f"{name}(a, b)", precision.dtype, a, b), want)

    def test_conversions(self) -> None:
        a, b, i = floats(Precision.F32, 1), floats(Precision.F64, 2), integers(3)
        with np.errstate(all="ignore"):
            assert agree(run("wide(a)", np.float64, a), a.astype(np.float64))
            assert agree(run("narrow(a)", np.float32, b), b.astype(np.float32))
        assert agree(run("bits(a)", np.int64, b), b.view(np.int64))
        assert agree(run("from_bits(a)", np.float64, i), i.view(np.float64))
        assert agree(run("to_wide(a)", np.float64, i), i.astype(np.float64))
        in_range = np.where(np.abs(b) < 2.0**63, b, 0.5)
        assert agree(run("to_int(a)", np.int64, in_range), in_range.astype(np.int64))

    def test_none_is_missing(self) -> None:
        names = [
            n for n, v in vars(primitives).items() if callable(v) and v.__module__ == primitives.__name__
        ]
        scale2 = {"scale2", "_apply"}  # the one is of the subset itself, the other no primitive
        assert {n for n in names if n not in scale2} <= set(vectors.__all__)


class TestLanes:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, bool])
    def test_where(self, dtype: Any) -> None:
        a, b = (np.random.default_rng(k).integers(0, 2, (ROWS, LANES)).astype(dtype) for k in range(2))
        mask = masks(3)
        assert agree(run("where(a, b, c)", dtype, mask, a, b), np.where(mask, a, b))

    @pytest.mark.parametrize(
        ("scalar", "dtype"),
        [("np.float32(r)", np.float32), ("r * 0.5", np.float64), ("r", np.int64), ("r > 5", bool)],
    )
    def test_splat(self, scalar: str, dtype: Any) -> None:
        want = np.array([eval(scalar, {"np": np, "r": r}) for r in range(ROWS)], dtype)
        assert agree(run(f"splat({scalar})", dtype), np.repeat(want, LANES).reshape(ROWS, LANES))

    def test_masks_and_bits(self) -> None:
        a = masks(1)
        words = (a * (1 << np.arange(LANES))).sum(axis=1)
        assert (run("splat(mask_bits(a))", np.int64, a) == words[:, None]).all()
        assert agree(run("mask_of(mask_bits(a) | (r << 16))", bool, a), a)
        assert (run("splat(any_lane(a))", bool, a) == np.any(a, axis=1, keepdims=True)).all()
        assert (run("splat(all_lanes(a))", bool, a) == np.all(a, axis=1, keepdims=True)).all()

    def test_a_branch(self) -> None:
        text = (
            "def kernel(out, a):\n    v = load_f32(a)\n    m = v < np.float32(0)\n"
            "    if any_lane(m):\n        v = where(m, -v, v)\n    store(out, v)\n"
        )
        kernel = jitted(text, 2)
        for a in (np.arange(LANES, dtype=np.float32), np.linspace(-1, 1, LANES, dtype=np.float32)):
            out = np.zeros_like(a)
            kernel(out.ctypes.data, a.ctypes.data)
            assert agree(out, np.abs(a))

    @FLOATS
    def test_gather_and_splat_from_memory(self, precision: Precision) -> None:
        name, table = precision.value, floats(precision, 1).ravel()
        index = integers(2) & 255
        found = run("gather(table, a)", precision.dtype, index, gather=getattr(vectors, f"gather_{name}"),
                    table=int(table.ctypes.data))  # fmt: skip
        assert agree(found, table[index])
        found = run(f"splat_{name}(table + r * {table.itemsize})", precision.dtype, table=table.ctypes.data)
        assert agree(found, np.repeat(table[:ROWS], LANES).reshape(ROWS, LANES))

    @pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
    def test_memory_is_aligned_as_one_lane_is(self, dtype: Any) -> None:
        memory = np.arange(5 * LANES).astype(dtype)
        kernel = jitted(f"def kernel(out, a):\n    store(out, {Memory(memory).load}(a))\n", 2)
        for shift in range(1, LANES, 3):
            out = np.full(3 * LANES, -1, dtype)
            kernel(out[shift:].ctypes.data, memory[2 * shift :].ctypes.data)
            assert (out[shift : shift + LANES] == memory[2 * shift : 2 * shift + LANES]).all()
            assert (np.delete(out, np.s_[shift : shift + LANES]) == -1).all()


class TestVectorForm:
    @pytest.mark.parametrize(
        ("sample", "precision"),
        [pytest.param(f, p, id=f"{f.__name__}-{p.value}") for p in Precision for f in SAMPLES[p]],
    )
    def test_parts_of_the_subset(self, sample: Callable[..., Any], precision: Precision) -> None:
        columns = tuple(
            column[: len(column) // LANES * LANES] for column in operands(None, 2, precision, 9000)
        )
        (want,) = array_results(sample, precision, columns)
        rows = [np.ascontiguousarray(column) for column in columns]
        out = np.empty_like(rows[0])
        load = f"load_{precision.value}"
        text = (
            "def kernel(out, a, b, count):\n    for i in range(count):\n"
            f"        k = i * {LANES * out.itemsize}\n"
            f"        store(out + k, form({load}(a + k), {load}(b + k)))\n"
        )
        kernel = jitted(text, 4, form=vector_form(sample, precision))
        kernel(out.ctypes.data, rows[0].ctypes.data, rows[1].ctypes.data, len(out) // LANES)
        assert agree(out, want)

    def test_several_results(self) -> None:
        a, b = (floats(Precision.F64, k) for k in range(2))
        with np.errstate(all="ignore"):
            _, want = array_results(two_product, Precision.F64, (a.ravel(), b.ravel()))
        found = run("form(a, b)[1]", np.float64, a, b, form=vector_form(two_product, Precision.F64))
        assert agree(found, want.reshape(a.shape))

    @pytest.mark.parametrize("huge", [[], [3], [0, 15], list(range(LANES))])
    def test_the_dear_arm_in_some_lanes(self, huge: list[int]) -> None:
        a = np.random.default_rng(1).uniform(-9, 9, (ROWS, LANES)).astype(np.float32)
        a[:, huge] *= np.float32(1e30)
        (want,) = array_results(libm32.sin32, Precision.F32, (a.ravel(),))
        found = run("form(a)", np.float32, a, form=vector_form(libm32.sin32, Precision.F32))
        assert agree(found, want.reshape(a.shape))

    def test_is_cached(self) -> None:
        assert vector_form(basic.add, Precision.F32) is vector_form(basic.add, Precision.F32)
        assert vector_form(basic.add, Precision.F32) is not vector_form(basic.add, Precision.F64)

    def test_takes_vectors_of_its_precision(self) -> None:
        a = floats(Precision.F64, 1)
        with pytest.raises(TypingError):
            run("form(a)", np.float64, a, form=vector_form(basic.neg, Precision.F32))
