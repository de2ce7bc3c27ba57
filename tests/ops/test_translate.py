"""Every printed form of every body computes the same bits.

Two results agree when their bits are equal or both are NaN.
"""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from absint.native import units
from absint.ops import basic
from absint.ops.libm.double_double import two_sum
from absint.ops.precision import Precision
from absint.ops.primitives import (
    Bool,
    Real,
    Wide,
    bits,
    copysign,
    floor,
    from_bits,
    inf,
    narrow,
    next_down,
    next_up,
    scale2,
    to_int,
    to_wide,
    trunc,
    wide,
)
from absint.ops.printers import translate
from absint.ops.printers.typed_tree import TranslateError
from absint.ops.table import OPS, SPICY, Op
from absint.ops.units import operation_unit
from tests.ops.numba_forms import FLAG, REAL, Shape, body_shape, interval_shape

SCALE = float(os.environ.get("ABSINT_TEST_SCALE", "1"))
CC = shutil.which(os.environ.get("CC", "cc"))
CXX = shutil.which(os.environ.get("CXX", "c++"))
needs_cc = pytest.mark.skipif(CC is None, reason="no C compiler here (cc)")

PRECISIONS = pytest.mark.parametrize("precision", list(Precision), ids=lambda p: p.value)
REAL_OPS = [op for op in OPS if not op.is_leaf]
EVERY_OP = pytest.mark.parametrize("op", REAL_OPS, ids=lambda op: op.name)
LIMIT = 2.0**40
STEPS = 5
TABLE = (0.1, 0.2, -0.7, 1e300)

Columns = tuple[np.ndarray, ...]


# Functions that use each part of the subset; the op table adds its own.


def sample_literals(a: Real, b: Real) -> Real:
    """An inexact literal takes the program's type, alone in a conditional too.

    Called directly, c is a Python number until it meets a NumPy one, and is rounded there.
    """
    c = 0.1 if a < b else 0.2
    return c * a + (b - 0.3) * 3.0 + LIMIT


def sample_steps(a: Real, b: Real) -> Real:
    """Neighbouring floats."""
    return next_up(a) - next_down(b) if a != b else -next_up(-a)


def sample_wide(a: Real, b: Real) -> Wide:
    """A loop, a table, integers and binary64 inside."""
    x = wide(a) * 0.1
    limited = -1000.0 if x < -1000.0 else 1000.0 if x > 1000.0 else x if x == x else 0.0
    i = to_int(trunc(limited))
    total, error = two_sum(x, wide(b)) if i > 3 else two_sum(wide(b), -x)
    for j in range(STEPS):
        total = total * 0.5 + TABLE[(i + j) & 3] + to_wide((i << 3) - (j | 1) * -i >> 1)
    return total + error + scale2(1.25, -i) + TABLE[1]


def sample_encoding(a: Real, b: Real) -> Wide:
    """The sign and exponent of one with the digits of the other."""
    x = bits(wide(a))
    y = bits(wide(b))
    # a NaN's encoding is unspecified
    return from_bits((x >> 52 << 52) | (y & 0xFFFFFFFFFFFFF)) if a == a and b == b else copysign(1.0, wide(a))


def sample_logic(a: Real, b: Real) -> Real:
    """Truth values, `not`, mixed `and` and `or`; a parameter named like a C keyword is `auto` below."""
    p = not a < b
    q = (p and a > 0.0) or (not p and b > 0.0)
    r: Bool = q if a != 0.0 else True
    return keyword(a, floor(b)) if r else -1.0


def keyword(auto: Real, inf_: Real) -> Real:
    """Callees keep their own names."""
    return auto if auto < inf_ else inf


def sample_narrow(x: Wide) -> Real:
    """Round once."""
    return narrow(x)


def sample_wide32(a: Real, b: Real) -> Real:
    """`sample_wide` in a binary32 program."""
    return sample_narrow(sample_wide(a, b))


def sample_encoding32(a: Real, b: Real) -> Real:
    """`sample_encoding` in a binary32 program."""
    return sample_narrow(sample_encoding(a, b))


BOTH = [sample_literals, sample_steps, sample_logic]
SAMPLES: dict[Precision, list[Callable[..., Any]]] = {
    Precision.F32: [*BOTH, sample_wide32, sample_encoding32],
    Precision.F64: [*BOTH, sample_wide, sample_encoding],
}


def special_values(op: Op, precision: Precision) -> np.ndarray:
    """What is special for every op and for this one, with neighbours."""
    with np.errstate(all="ignore"):
        values = np.array([*SPICY, *op.spicy], dtype=precision.dtype)
        values = np.concatenate([values, np.nextafter(values, precision.real(np.inf)), -values])
    return np.unique(values.view(precision.bits_dtype)).view(precision.dtype)


@functools.cache
def operands(op: Op | None, arity: int, precision: Precision, count: int) -> Columns:
    """Special values, all pairs of them where there are two operands, then random bit patterns."""
    special = special_values(op or OPS[-1], precision)
    grid = [axis.ravel() for axis in np.meshgrid(*[special] * arity)]
    random = np.random.default_rng([arity, precision is Precision.F64])
    patterns = random.integers(0, 1 << 64, (arity, count), np.uint64).astype(precision.bits_dtype)
    # random exponents are mostly huge or tiny: half of the values get ordinary ones
    patterns = patterns.view(precision.dtype)
    ordinary = random.normal(size=(arity, count)) * 2.0 ** random.integers(-8, 12, (arity, count))
    patterns[:, ::2] = ordinary[:, ::2]
    return tuple(np.concatenate(pair) for pair in zip(grid, patterns, strict=True))


@functools.cache
def triples(op: Op, precision: Precision, count: int) -> Columns:
    """(lower, upper, may_nan) per operand: ordered and not, empty, and of special values."""
    ends = operands(op, 2, precision, count)
    random = np.random.default_rng(7)
    columns: list[np.ndarray] = []
    for _ in range(op.arity):
        order = random.permutation(len(ends[0]))
        a, b = ends[0][order], ends[1][order]
        ordered = random.random(len(a)) < 0.9
        columns += [
            np.where(ordered & (a > b), b, a),
            np.where(ordered & (a > b), a, b),
            random.random(len(a)) < 0.3,
        ]
    return tuple(columns)


def assert_agree(found: Any, expected: Any, columns: Columns) -> None:
    """Bits equal or both NaN, per result; truth values equal."""
    found, expected = (r if isinstance(r, tuple) else (r,) for r in (found, expected))
    assert len(found) == len(expected)
    for got, want in zip(found, expected, strict=True):
        want = np.broadcast_to(want, got.shape)
        assert got.dtype == want.dtype
        same = got == want
        if got.dtype != bool:
            encoding = np.dtype(f"u{got.itemsize}")
            same = (got.view(encoding) == np.ascontiguousarray(want).view(encoding)) | (
                np.isnan(got) & np.isnan(want)
            )
        if not same.all():
            i = int(np.argmin(same))
            at = tuple(column[i] for column in columns)
            pytest.fail(f"{np.count_nonzero(~same)} differ, as at {at}: {got[i]!r}, not {want[i]!r}")


def array_results(function: Callable[..., Any], precision: Precision, columns: Columns) -> Any:
    """The array form, in pieces that fit the cache; that is also how the reference backend runs it."""
    form = translate.array_form(function, precision)
    pieces = []
    with np.errstate(all="ignore"):
        for start in range(0, len(columns[0]), 1 << 14):
            piece = tuple(column[start : start + (1 << 14)] for column in columns)
            result = form(*piece)
            result = result if isinstance(result, tuple) else (result,)
            pieces.append([np.broadcast_to(r, piece[0].shape) for r in result])
    return tuple(np.concatenate(parts) for parts in zip(*pieces, strict=True))


@functools.cache
def body_case(op: Op, precision: Precision) -> tuple[Columns, Any]:
    """Operands, and what the array form of the body makes of them."""
    columns = operands(op, op.arity, precision, int(1_000_000 * SCALE))
    return columns, array_results(op.body(precision), precision, columns)


@functools.cache
def interval_case(op: Op, precision: Precision) -> tuple[Columns, Any]:
    """Operands, and what the array form of the interval rule makes of them."""
    columns = triples(op, precision, int(100_000 * SCALE))
    return columns, array_results(op.interval(precision), precision, columns)


# Loops over the scalar forms.


def numba_results(
    function: Callable[..., Any], precision: Precision, shape: Shape, columns: Columns
) -> Columns:
    """The Numba form in a jitted loop of its own."""
    import numba

    ins, outs = shape
    arguments = ", ".join(f"a{k}[i]" for k in range(len(ins)))
    results = ", ".join(f"out{k}[i]" for k in range(len(outs)))
    parameters = ", ".join([*(f"a{k}" for k in range(len(ins))), *(f"out{k}" for k in range(len(outs)))])
    text = f"def loop({parameters}):\n    for i in range(len(a0)):\n        {results} = form({arguments})\n"
    namespace = {"form": translate.numba_form(function, precision)}
    exec(text, namespace)
    found = tuple(np.empty(len(columns[0]), precision.dtype if kind == REAL else bool) for kind in outs)
    numba.njit(error_model="numpy")(namespace["loop"])(*columns, *found)
    return found


def form_results(kernel: Any, precision: Precision, shape: Shape, columns: Columns) -> Columns:
    """What a kernel of `numba_forms` makes of the columns."""
    read = [np.ascontiguousarray(column) for column in columns]
    assert [column.dtype for column in read] == [dtype_of(kind, precision) for kind in shape[0]]
    found = tuple(np.empty(len(columns[0]), dtype_of(kind, precision)) for kind in shape[1])
    kernel(len(columns[0]), *(int(column.ctypes.data) for column in (*read, *found)))
    return found


def dtype_of(kind: str, precision: Precision) -> Any:
    """The dtype of a column."""
    return precision.dtype if kind == REAL else np.dtype(bool)


def c_loop(function: Callable[..., Any], name: str, shape: Shape, precision: Precision) -> str:
    """A C loop over the columns, `name`."""
    ctype = {REAL: "float" if precision is Precision.F32 else "double", FLAG: "unsigned char"}
    ins, outs = shape
    parameters = [f"const {ctype[k]} *a{i}" for i, k in enumerate(ins)]
    parameters += [f"{ctype[k]} *out{i}" for i, k in enumerate(outs)]
    call = f"{translate.c_name(function)}({', '.join(f'a{i}[n]' for i in range(len(ins)))})"
    store = f"out0[n] = {call};"
    if len(outs) > 1:
        struct = "tuple_" + "_".join("real" if k == REAL else "bool" for k in outs)
        if precision is Precision.F64:
            struct = struct.replace("real", "wide")
        store = f"{struct} t = {call}; " + " ".join(f"out{i}[n] = t.v{i};" for i in range(len(outs)))
    head = f"void {name}(long count, {', '.join(parameters)})"
    return f"{head}\n{{ for (long n = 0; n < count; n++) {{ {store} }} }}\n"


def c_text(precision: Precision) -> str:
    """One C file with a loop per body and per interval rule."""
    bodies = {f"body_{op.name}": (op.body(precision), body_shape(op.arity)) for op in REAL_OPS}
    rules = {f"interval_{op.name}": (op.interval(precision), interval_shape(op.arity)) for op in REAL_OPS}
    extra = {f"body_{f.__name__}": (f, ((REAL, REAL), (REAL,))) for f in SAMPLES[precision]}
    loops = bodies | rules | extra
    functions = [function for function, _ in loops.values()]
    source = translate.c_source(functions, precision)
    texts = [c_loop(function, name, shape, precision) for name, (function, shape) in loops.items()]
    return "\n".join([translate.c_prelude(), source, *texts])


@pytest.fixture(scope="module")
def c_library(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Precision], ctypes.CDLL]:
    """The compiled C file of a precision."""
    folder = tmp_path_factory.mktemp("c")

    @functools.cache
    def build(precision: Precision) -> ctypes.CDLL:
        source, library = folder / f"{precision.value}.c", folder / f"{precision.value}.so"
        source.write_text(c_text(precision), encoding="utf-8")
        flags = [
            "-std=c99",
            "-O2",
            "-ffp-contract=off",
            "-shared",
            "-fPIC",
            "-Wall",
            "-Werror",
            "-Wno-unused",
        ]
        done = subprocess.run(
            [str(CC), *flags, str(source), "-o", str(library), "-lm"], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return ctypes.CDLL(str(library))

    return build


def c_results(
    library: ctypes.CDLL, name: str, precision: Precision, shape: Shape, columns: Columns
) -> Columns:
    """Run one loop of the library."""
    found = tuple(np.empty(len(columns[0]), precision.dtype if kind == REAL else bool) for kind in shape[1])
    arrays = [np.ascontiguousarray(column) for column in columns]
    getattr(library, name)(
        ctypes.c_long(len(columns[0])), *[a.ctypes.data_as(ctypes.c_void_p) for a in (*arrays, *found)]
    )
    return found


@PRECISIONS
@EVERY_OP
class TestForms:
    """All forms of all records of the op table."""

    def test_array_keeps_the_dtype(self, op: Op, precision: Precision) -> None:
        for count in (1, 3):
            arrays = tuple(np.full(count, 0.5, precision.dtype) for _ in range(op.arity))
            assert translate.array_form(op.body(precision), precision)(*arrays).dtype == precision.dtype
        scalar = translate.array_form(op.body(precision), precision)(*(a[0] for a in arrays))
        assert type(scalar) is precision.real

    def test_direct_call_is_the_array_form(self, op: Op, precision: Precision) -> None:
        columns = operands(op, op.arity, precision, 200)
        expected = array_results(op.body(precision), precision, columns)
        with np.errstate(all="ignore"):
            found = [op.body(precision)(*values) for values in zip(*columns, strict=True)]
        assert_agree(np.array(found, precision.dtype), expected, columns)

    def test_direct_interval_is_the_array_form(self, op: Op, precision: Precision) -> None:
        columns = tuple(column[:1500] for column in triples(op, precision, 1500))
        expected = array_results(op.interval(precision), precision, columns)
        with np.errstate(all="ignore"):
            rows = [op.interval(precision)(*values) for values in zip(*columns, strict=True)]
        found = [
            np.array(c, d)
            for c, d in zip(zip(*rows, strict=True), [precision.dtype] * 2 + [bool], strict=True)
        ]
        assert_agree(tuple(found), expected, columns)

    def test_numba(self, op: Op, precision: Precision) -> None:
        depends = operation_unit(op.name, precision).depends
        forms = units.load("tests.ops.numba_forms", op.name, precision.value, depends=depends)
        columns, expected = body_case(op, precision)
        found = form_results(forms["body"], precision, body_shape(op.arity), columns)
        assert_agree(found, expected, columns)
        columns, expected = interval_case(op, precision)
        found = form_results(forms["interval"], precision, interval_shape(op.arity), columns)
        assert_agree(found, expected, columns)

    @needs_cc
    def test_c(self, op: Op, precision: Precision, c_library: Callable[[Precision], ctypes.CDLL]) -> None:
        columns, expected = body_case(op, precision)
        library = c_library(precision)
        assert_agree(
            c_results(library, f"body_{op.name}", precision, body_shape(op.arity), columns), expected, columns
        )
        columns, expected = interval_case(op, precision)
        found = c_results(library, f"interval_{op.name}", precision, interval_shape(op.arity), columns)
        assert_agree(found, expected, columns)


def sample_of(sample: Callable[..., Any], precision: Precision) -> tuple[Shape, Columns, Any]:
    columns = operands(None, 2, precision, 10_000)
    return ((REAL, REAL), (REAL,)), columns, array_results(sample, precision, columns)


@pytest.mark.parametrize(
    ("sample", "precision"),
    [pytest.param(f, p, id=f"{f.__name__}-{p.value}") for p in Precision for f in SAMPLES[p]],
)
class TestSamples:
    """The parts of the subset that the op table may not use."""

    def test_direct(self, sample: Callable[..., Any], precision: Precision) -> None:
        _, columns, expected = sample_of(sample, precision)
        with np.errstate(all="ignore"):
            found = [sample(*values) for values in zip(*columns, strict=True)]
        assert_agree(np.array(found, precision.dtype), expected, columns)

    def test_numba(self, sample: Callable[..., Any], precision: Precision) -> None:
        shape, columns, expected = sample_of(sample, precision)
        assert_agree(numba_results(sample, precision, shape, columns), expected, columns)

    @needs_cc
    def test_c(
        self, sample: Callable[..., Any], precision: Precision, c_library: Callable[[Precision], ctypes.CDLL]
    ) -> None:
        shape, columns, expected = sample_of(sample, precision)
        found = c_results(c_library(precision), f"body_{sample.__name__}", precision, shape, columns)
        assert_agree(found, expected, columns)


@pytest.mark.skipif(CXX is None, reason="no C++ compiler here (c++)")
def test_c_is_also_cpp(tmp_path: Path) -> None:
    texts = [translate.c_prelude()]
    for precision in Precision:
        functions = [f for op in REAL_OPS for f in (op.body(precision), op.interval(precision))]
        texts.append(translate.c_source(functions, precision, prefix=f"{precision.value}_"))
    source = tmp_path / "both.cpp"
    source.write_text("\n".join(texts), encoding="utf-8")
    done = subprocess.run(
        [str(CXX), "-std=c++11", "-fsyntax-only", str(source)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_literals_are_rounded_to_the_program() -> None:
    a, b = np.float32([1.0, 2.0]), np.float32([2.0, 1.0])
    found = translate.array_form(sample_literals, Precision.F32)(a, b)
    assert found.dtype == np.float32
    first = np.float32(0.1) * a[0] + (b[0] - np.float32(0.3)) * np.float32(3) + np.float32(LIMIT)
    assert found[0] == first


def test_printed_text() -> None:
    assert translate.print_array(basic.round_, Precision.F32) == (
        "f32_0_5 = float32('0.5')\nf32_1_0 = float32('1.0')\n\n\n"
        "def basic_round_(a):\n"
        "    'Round half away from zero, free of the double rounding in floor(a + 0.5).'\n"
        "    t = trunc(a)\n"
        "    return where(abs(a - t) < f32_0_5, t, t + copysign(f32_1_0, a))[()]\n"
    )
    assert "return t if (abs(a - t) < 0.5) else (t + copysign(1.0, a))" in translate.print_numba(
        basic.round_, Precision.F64
    )


def test_forms_are_cached() -> None:
    for form in (translate.array_form, translate.numba_form):
        assert form(basic.add, Precision.F32) is form(basic.add, Precision.F32)
        assert form(basic.add, Precision.F32) is not form(basic.add, Precision.F64)


def test_binary64_has_nothing_to_narrow() -> None:
    with pytest.raises(TranslateError, match="narrow"):
        translate.print_array(sample_narrow, Precision.F64)
    assert translate.array_form(sample_narrow, Precision.F32)(np.float64(0.1)) == np.float32(0.1)
