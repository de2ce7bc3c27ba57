"""Kernels for `test_translate.py`: the Numba forms of an operation's body and interval rule, each in a loop.

A unit of `absint.native.units`, which compiles it once per machine. `kernels(name, precision)` returns plain
functions of the number of rows and the addresses of the columns, first those read, then those written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types

from absint.native.memory import REALS, u8s
from absint.ops.precision import Precision
from absint.ops.printers.translate import numba_form
from absint.ops.table import BY_NAME

REAL, FLAG = "real", "flag"
"""Kinds of column: numbers of the program's type, or truth values."""

Shape = tuple[tuple[str, ...], tuple[str, ...]]
"""The kinds of the columns that a form reads, and of those that it writes."""


def body_shape(arity: int) -> Shape:
    """Columns of a body."""
    return (REAL,) * arity, (REAL,)


def interval_shape(arity: int) -> Shape:
    """Columns of an interval rule."""
    return (REAL, REAL, FLAG) * arity, (REAL, REAL, FLAG)


def kernels(name: str, precision: str) -> dict[str, tuple[Callable[..., None], Any]]:
    """The loops, each with the Numba signature to compile it for."""
    op = BY_NAME[name]
    forms = {
        "body": (op.body, body_shape(op.arity)),
        "interval": (op.interval, interval_shape(op.arity)),
    }
    found = {}
    for kind, (function, shape) in forms.items():
        loop = _loop(numba_form(function(Precision(precision)), Precision(precision)), shape, precision)
        found[kind] = loop, types.void(*[types.int64] * loop.__code__.co_argcount)
    return found


def _loop(form: Any, shape: Shape, precision: str) -> Callable[..., None]:
    ins, outs = shape
    reads = [f"reals(a{k})[i]" if kind == REAL else f"flags(a{k})[i] != 0" for k, kind in enumerate(ins)]
    writes = [f"reals(out{k})[i]" if kind == REAL else f"flags(out{k})[i]" for k, kind in enumerate(outs)]
    columns = [*(f"a{k}" for k in range(len(ins))), *(f"out{k}" for k in range(len(outs)))]
    text = f"def loop(count, {', '.join(columns)}):\n"
    text += f"    for i in range(count):\n        {', '.join(writes)} = form({', '.join(reads)})\n"
    namespace: dict[str, Any] = {"form": form, "reals": REALS[precision], "flags": u8s}
    exec(text, namespace)
    loop: Callable[..., None] = namespace["loop"]
    return loop
