"""Printers of op bodies: one function of the subset in, its NumPy, Numba or C form out.

The subset is described in `subset`, which checks and types a function. A form computes the same bits as
every other, NaN payloads aside, because each prints the same IEEE operations in the same order:

- array form: NumPy or CuPy arrays and scalars of the program's dtype (`Int` as int64, `Bool` as bool), by
  broadcasting. A conditional becomes `where`, and the one that takes the lesser or greater of two numbers,
  NaN winning, `least` or `greatest`. A result that does not depend on the arguments is a scalar.
- Numba form: `njit` scalar functions, never `fastmath`, division by zero as IEEE says.
- C form (`translate_c`): plain C99 that is also C++ and CUDA C++.
- Vector form (`translate_vector`): sixteen lanes at a time for jitted code, the only form without a text.

Typed literals: in the Python forms of a binary32 program each `Real` literal is a hoisted float32, so that
nothing promotes to binary64, not even `where(c, 1.0, 0.0)`.
"""

from __future__ import annotations

import functools
import linecache
import math
import operator
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from absint.ops.precision import Precision
from absint.ops.printers.printer import Printer
from absint.ops.printers.subset import PRIMITIVES, Body, analyse
from absint.ops.printers.translate_c import c_name, c_prelude, c_source
from absint.ops.printers.typed_tree import (
    Assign,
    Binary,
    Const,
    Expr,
    Function,
    Local,
    Loop,
    Primitive,
    Select,
    Type,
    tuple_types,
    with_callees,
)

__all__ = ["array_form", "c_name", "c_prelude", "c_source", "numba_form", "print_array", "print_numba"]

_ARRAY_FUNCTIONS = ("where", "trunc", "floor", "sqrt", "fmod", "copysign", "abs", "nextafter", "logical_not")
"""What the array form takes from NumPy or CuPy."""


_NAMES = ("where_each", "least", "greatest", "float32", "float64", "int64", "inf", "nan", "range")
"""What else printed text refers to."""


@functools.cache
def array_form(function: Body, precision: Precision, xp: ModuleType = np) -> Body:
    """The function on arrays of `xp`, which is NumPy or CuPy. Cached."""
    return _array_callable(analyse(function, precision), precision, xp)


def numba_form(function: Body, precision: Precision) -> Body:
    """The function as a Numba dispatcher on scalars, to be called from jitted code. Cached."""
    return _numba_callable(analyse(function, precision), precision)


def print_array(function: Body, precision: Precision) -> str:
    """The text of the array form, callees first."""
    return _print_python(function, precision, _ArrayPrinter)


def print_numba(function: Body, precision: Precision) -> str:
    """The text of the Numba form, callees first."""
    return _print_python(function, precision, _NumbaPrinter)


class _PythonPrinter(Printer):
    """The array and the Numba dialect: a Python function, and the names that it needs."""

    reserved = frozenset((*_ARRAY_FUNCTIONS, *PRIMITIVES, *_NAMES))

    def __init__(self, function: Function, precision: Precision) -> None:
        super().__init__(function, precision)
        self.constants: dict[str, np.float32] = {}

    def text(self) -> str:
        """The function; `self.constants` then holds its typed literals."""
        parameters = ", ".join(map(self.local, self.function.parameters))
        self.lines = [f"def {self.function.name}({parameters}):"]
        if self.function.summary:
            self.lines.append(f"    {self.function.summary!r}")
        self.statements(self.function.body, "    ")
        self.lines.append(f"    return {', '.join(map(self.result, self.function.results))}")
        return "\n".join(self.lines) + "\n"

    def statements(self, body: tuple[Assign | Loop, ...], indent: str) -> None:
        for statement in body:
            if isinstance(statement, Assign):
                names = ", ".join(map(self.local, statement.names))
                self.lines.append(f"{indent}{names} = {self.value(statement.value)}")
            else:
                self.lines.append(f"{indent}for {self.local(statement.name)} in range({statement.count}):")
                self.statements(statement.body, indent + "    ")

    def result(self, node: Expr) -> str:
        return self.expression(node)

    def local(self, name: str) -> str:
        taken = name in self.reserved or name in self.function.tables or name.startswith("f32_")
        return f"{name}_" if taken else name

    def const(self, node: Const) -> str:
        if node.type is not Type.REAL:
            return repr(node.value)  # inf and nan are names in the namespace
        value = np.float32(node.value)
        digits = "nan" if math.isnan(value) else str(value).replace("-", "minus_")
        name = "f32_" + digits.replace(".", "_").replace("+", "")
        self.constants[name] = value
        return name

    def infix(self, node: Binary) -> str:
        symbol = {"and": "&", "or": "|"}.get(node.symbol, node.symbol)
        return f"{self.nested(node.left)} {symbol} {self.nested(node.right)}"


class _ArrayPrinter(_PythonPrinter):
    """Array at a time: anonymous temporaries inside an expression, which NumPy reuses when it can."""

    def result(self, node: Expr) -> str:
        text = self.expression(node)
        if isinstance(node, Local):
            chosen = any(
                s.names == (node.name,) and _is_where(s.value) for s in _assignments(self.function.body)
            )
        else:
            chosen = _is_where(node)
        # `where` of scalars makes an array without dimensions; [()] makes a scalar of it, and costs no copy
        return f"{text}[()]" if chosen else text

    def value(self, node: Expr) -> str:
        text = self.expression(node)
        if isinstance(node, Const) and node.type in (Type.WIDE, Type.INT):
            # next to an operator a Python number will do, but it has neither `astype` nor `view`
            return f"{'float64' if node.type is Type.WIDE else 'int64'}({text})"
        return text

    def negation(self, operand: str) -> str:
        return f"logical_not({operand})"

    def select(self, node: Select) -> str:
        test, body, orelse = map(self.expression, (node.test, node.body, node.orelse))
        if (chosen := extremum(node)) is not None:
            return f"{chosen}({body}, {orelse})"
        if _is_where(node):
            return f"where({test}, {body}, {orelse})"
        return f"where_each({test}, lambda: {body}, lambda: {orelse})"

    def primitive(self, node: Primitive) -> str:
        operands = list(map(self.value, node.operands))
        first = operands[0] if isinstance(node.operands[0], Const) else self.nested(node.operands[0])
        match node.name:
            case "next_up" | "next_down":
                limit = Const(node.type, math.inf if node.name == "next_up" else -math.inf)
                return f"nextafter({operands[0]}, {self.expression(limit)})"
            case "wide" | "to_wide":
                return f"{first}.astype(float64)"
            case "narrow":
                return f"{first}.astype(float32)"
            case "to_int":
                return f"{first}.astype(int64)"
            case "bits":
                return f"{first}.view(int64)"
            case "from_bits":
                return f"{first}.view(float64)"
        return f"{node.name}({', '.join(operands)})"


def _is_where(node: Expr) -> bool:
    """Whether the array form of the expression is a `where`."""
    return isinstance(node, Select) and len(tuple_types(node)) == 1 and extremum(node) is None


def extremum(node: Select) -> str | None:
    """`least` for `a if a < b or a != a else b`, `greatest` for the same with `>`, None for all else."""
    a, b = node.body, node.orelse
    for symbol, name in (("<", "least"), (">", "greatest")):
        first = Binary(Type.BOOL, symbol, a, b)
        if node.test == Binary(Type.BOOL, "or", first, Binary(Type.BOOL, "!=", a, a)):
            return name
    return None


def _assignments(body: tuple[Assign | Loop, ...]) -> Iterator[Assign]:
    """All assignments, those in loops too."""
    for statement in body:
        if isinstance(statement, Assign):
            yield statement
        else:
            yield from _assignments(statement.body)


class _NumbaPrinter(_PythonPrinter):
    """Scalars; a conditional evaluates one arm, `and` and `or` both sides."""

    def negation(self, operand: str) -> str:
        return f"not {operand}"

    def select(self, node: Select) -> str:
        return " ".join(
            (self.nested(node.body), "if", self.nested(node.test), "else", self.nested(node.orelse))
        )

    def primitive(self, node: Primitive) -> str:
        return f"{node.name}({', '.join(map(self.expression, node.operands))})"


class _PrinterClass(Protocol):
    def __call__(self, function: Function, precision: Precision) -> _PythonPrinter: ...


def _print_python(function: Body, precision: Precision, printer_class: _PrinterClass) -> str:
    constants: dict[str, np.float32] = {}
    tables: dict[str, tuple[float, ...]] = {}
    texts = []
    for each in with_callees([analyse(function, precision)]):
        printer = printer_class(each, precision)
        texts.append(printer.text())
        constants |= printer.constants
        tables |= each.tables
    head = [f"{name} = float32({str(value)!r})" for name, value in constants.items()]
    head += [f"{name} = ...  # {len(table)} numbers" for name, table in tables.items()]
    return "\n\n".join(["\n".join(head) + "\n"] * bool(head) + texts)


def _define(printer: _PythonPrinter, form: str, namespace: dict[str, Any]) -> Body:
    """Run the printed text; tracebacks and Numba's messages can quote it."""
    text = printer.text()
    path = f"<absint {form} form of {printer.function.name}, {printer.precision.value}>"
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
    namespace |= printer.constants | {"inf": math.inf, "nan": math.nan}
    exec(compile(text, path, "exec"), namespace)
    defined: Body = namespace[printer.function.name]
    return defined


_Values = tuple[Any, ...]


def _where_each(
    xp: ModuleType, test: Any, body: Callable[[], _Values], orelse: Callable[[], _Values]
) -> _Values:
    """A conditional between two calls that return tuples.

    The rare arm can be dear: the reduction of huge arguments is two thirds of a sine. NumPy leaves an arm out
    that no element needs; CuPy cannot tell without waiting for the device.
    """
    if xp is np:
        count = np.count_nonzero(test)
        if count == 0:
            return orelse()
        if count == np.size(test):
            return body()
    return tuple(xp.where(test, a, b)[()] for a, b in zip(body(), orelse(), strict=True))


def _extremum_function(xp: ModuleType, name: str) -> Callable[[Any, Any], Any]:
    """`least` or `greatest`: the first operand if it is NaN or strictly beyond the second, else the second.

    On NumPy `where` is ten times dearer than `minimum`, which differs in ties of zeros alone: it may give
    either, so the second operand is copied over every tie. Both let a NaN win.
    """
    if xp is not np:
        beyond = operator.lt if name == "least" else operator.gt
        return lambda a, b: xp.where(beyond(a, b) | (a != a), a, b)[()]
    extremum = np.minimum if name == "least" else np.maximum

    def choose(a: Any, b: Any) -> Any:
        chosen = extremum(a, b)
        ties = np.equal(a, b)
        if not isinstance(chosen, np.ndarray):
            return b if ties else chosen
        np.copyto(chosen, b, where=ties)
        return chosen

    return choose


@functools.cache
def _array_callable(function: Function, precision: Precision, xp: ModuleType) -> Body:
    namespace: dict[str, Any] = {name: getattr(xp, name) for name in _ARRAY_FUNCTIONS}
    namespace |= {"float32": np.float32, "float64": np.float64, "int64": np.int64}
    namespace["where_each"] = functools.partial(_where_each, xp)
    namespace |= {name: _extremum_function(xp, name) for name in ("least", "greatest")}
    namespace |= {name: xp.asarray(table, np.float64) for name, table in function.tables.items()}
    namespace |= {callee.name: _array_callable(callee, precision, xp) for callee in function.callees}
    return _define(_ArrayPrinter(function, precision), "array", namespace)


@functools.cache
def _numba_callable(function: Function, precision: Precision) -> Body:
    import numba  # 0.2 s that only compiling backends should pay

    from absint.ops import numba_primitives

    namespace: dict[str, Any] = dict(vars(numba_primitives))
    namespace |= {name: np.asarray(table, np.float64) for name, table in function.tables.items()}
    namespace |= {callee.name: _numba_callable(callee, precision) for callee in function.callees}
    scalar = _define(_NumbaPrinter(function, precision), "numba", namespace)
    jitted: Body = numba.njit(error_model="numpy")(scalar)
    return jitted
