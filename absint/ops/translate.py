"""Printers of op bodies: one function of the subset in, its NumPy, Numba or C form out.

The subset is described in `subset`, which checks and types a function. A form computes the same bits as
every other, NaN payloads aside, because each prints the same IEEE operations in the same order:

- array form: NumPy or CuPy arrays and scalars of the program's dtype (`Int` as int64, `Bool` as bool), by
  broadcasting. A conditional becomes `where`. A result that does not depend on the arguments is a scalar.
- Numba form: `njit` scalar functions, never `fastmath`, division by zero as IEEE says.
- C form: plain C99 that is also C++ and CUDA C++. Compile it with contraction off (`-ffp-contract=off`,
  `--fmad=false`) and never with -ffast-math. Several values come in a struct with fields `v0, v1, ...`.

Typed literals: in the Python forms of a binary32 program each `Real` literal is a hoisted float32, so that
nothing promotes to binary64, not even `where(c, 1.0, 0.0)`.
"""

from __future__ import annotations

import functools
import keyword
import linecache
import math
import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from absint.ops.subset import (
    PRIMITIVES,
    Assign,
    Binary,
    Call,
    Const,
    Element,
    Expr,
    Function,
    Local,
    Loop,
    Negative,
    Not,
    Primitive,
    Select,
    Type,
    analyse,
    tuple_types,
    with_callees,
)
from absint.precision import Precision

Body = Callable[..., Any]

_ARRAY_FUNCTIONS = ("where", "trunc", "floor", "sqrt", "fmod", "copysign", "abs", "nextafter", "logical_not")
"""What the array form takes from NumPy or CuPy."""


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


def c_name(function: Body, prefix: str = "") -> str:
    """The name of a function in `c_source`: its module keeps `basic.add` and `intervals.add` apart."""
    return f"{prefix}{analyse(function, Precision.F64 if _only_f64(function) else Precision.F32).name}"


def _only_f64(function: Body) -> bool:
    """Whether the function is written for binary64 only; its name is the same in both."""
    try:
        analyse(function, Precision.F32)
    except TypeError:
        return True
    return False


class _Printer:
    """What the dialects share: the walk over expressions, with every nested operation in parentheses."""

    def __init__(self, function: Function, precision: Precision) -> None:
        self.function = function
        self.precision = precision
        self.lines: list[str] = []

    def text(self) -> str:
        raise NotImplementedError

    def local(self, name: str) -> str:
        raise NotImplementedError

    def const(self, node: Const) -> str:
        raise NotImplementedError

    def infix(self, node: Binary) -> str:
        raise NotImplementedError

    def negation(self, operand: str) -> str:
        raise NotImplementedError

    def select(self, node: Select) -> str:
        raise NotImplementedError

    def primitive(self, node: Primitive) -> str:
        raise NotImplementedError

    def call(self, node: Call) -> str:
        return f"{node.target.name}({', '.join(map(self.value, node.operands))})"

    def element(self, node: Element) -> str:
        return f"{node.table}[{self.expression(node.index)}]"

    def expression(self, node: Expr) -> str:
        """One expression, without parentheses around it."""
        match node:
            case Const():
                return self.const(node)
            case Local(name=name):
                return self.local(name)
            case Negative(operand=operand):
                return f"-{self.nested(operand)}"
            case Not(operand=operand):
                return self.negation(self.nested(operand))
            case Binary():
                return self.infix(node)
            case Select():
                return self.select(node)
            case Primitive():
                return self.primitive(node)
            case Call():
                return self.call(node)
            case Element():
                return self.element(node)

    def value(self, node: Expr) -> str:
        """An expression whose value is given a name: assigned, or passed on."""
        return self.expression(node)

    def nested(self, node: Expr) -> str:
        """One operand of an operator."""
        text = self.expression(node)
        bare = isinstance(node, (Primitive, Call, Element)) and text[0].isalpha()
        return text if bare or re.fullmatch(r"[\w.]+", text) else f"({text})"

    def statements(self, body: tuple[Assign | Loop, ...], indent: str) -> None:
        raise NotImplementedError


class _PythonPrinter(_Printer):
    """The array and the Numba dialect: a Python function, and the names that it needs."""

    reserved = frozenset(
        (*_ARRAY_FUNCTIONS, *PRIMITIVES, "where_each", "float32", "float64", "int64", "inf", "nan", "range")
    )

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
        name = "where" if _is_where(node) else "where_each"
        return f"{name}({', '.join(map(self.expression, (node.test, node.body, node.orelse)))})"

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
    return isinstance(node, Select) and len(tuple_types(node)) == 1


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


@functools.cache
def _array_callable(function: Function, precision: Precision, xp: ModuleType) -> Body:
    namespace: dict[str, Any] = {name: getattr(xp, name) for name in _ARRAY_FUNCTIONS}
    namespace |= {"float32": np.float32, "float64": np.float64, "int64": np.int64}
    namespace["where_each"] = lambda test, body, orelse: tuple(
        xp.where(test, a, b)[()] for a, b in zip(body, orelse, strict=True)
    )
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


_C_KEYWORDS = frozenset(
    """
    auto bool break case catch char class const continue default delete do double else enum extern false float
    for friend goto if inline int long mutable namespace new operator private protected public register
    restrict return short signed sizeof static struct switch template this throw true try typedef typename
    union unsigned using virtual void volatile while
    """.split()  # noqa: SIM905 # one word per line would hide them
)

_C_PRELUDE = """\
#ifndef ABSINT_PRELUDE
#define ABSINT_PRELUDE
#ifndef __CUDACC__
#include <math.h>
#include <string.h>
#endif
{q} long long absint_bits(double a) {{ long long i; memcpy(&i, &a, 8); return i; }}
{q} double absint_from_bits(long long i) {{ double a; memcpy(&a, &i, 8); return a; }}
{q} double absint_next_up(double a)
{{
    long long i = absint_bits(a);
    if (!(a < absint_from_bits(0x7ff0000000000000LL))) return a;  /* +inf and NaN stay */
    return absint_from_bits(a == 0.0 ? 1 : i < 0 ? i - 1 : i + 1);
}}
{q} float absint_next_upf(float a)
{{
    int i;
    memcpy(&i, &a, 4);
    if (!(a < (float)absint_from_bits(0x7ff0000000000000LL))) return a;
    i = a == 0.0f ? 1 : i < 0 ? i - 1 : i + 1;
    memcpy(&a, &i, 4);
    return a;
}}
{q} double absint_next_down(double a) {{ return -absint_next_up(-a); }}
{q} float absint_next_downf(float a) {{ return -absint_next_upf(-a); }}
#endif
"""


def c_prelude(qualifier: str = "static inline") -> str:
    """What `c_source` needs before it, once per file. CUDA: `__device__ static inline`."""
    return _C_PRELUDE.format(q=qualifier)


def c_source(
    functions: list[Body],
    precision: Precision,
    prefix: str = "",
    qualifier: str = "static inline",
    table_qualifier: str = "static const",
) -> str:
    """C text of the functions, named by `c_name`, and of all that they call; `c_prelude` goes before it.

    Sources of both precisions fit in one file under different prefixes. CUDA: the qualifiers
    `__device__ static inline` and `__device__ static const`.
    """
    order = with_callees([analyse(function, precision) for function in functions])
    printers = [_CPrinter(function, precision, prefix, qualifier) for function in order]
    texts = [printer.text() for printer in printers]
    structs: dict[str, str] = {}
    tables: dict[str, tuple[float, ...]] = {}
    for printer in printers:
        structs |= printer.structs
        tables |= {f"{prefix}{name}": table for name, table in printer.function.tables.items()}
    heads = [
        f"{table_qualifier} double {name}[{len(table)}] = {{ {', '.join(map(repr, table))} }};\n"
        for name, table in tables.items()
    ]
    return "\n".join([*structs.values(), *heads, *texts])


class _CPrinter(_Printer):
    """C99 and C++: locals are declared at the top of a function."""

    def __init__(self, function: Function, precision: Precision, prefix: str, qualifier: str) -> None:
        super().__init__(function, precision)
        self.prefix = prefix
        self.qualifier = qualifier
        self.structs: dict[str, str] = {}
        real = "float" if precision is Precision.F32 else "double"
        self.names = {Type.REAL: real, Type.WIDE: "double", Type.INT: "long long", Type.BOOL: "int"}

    def text(self) -> str:
        """The function; `self.structs` then holds the structs that it mentions."""
        function = self.function
        parameters = ", ".join(f"{self.names[t]} {self.local(n)}" for n, t in function.parameters.items())
        returns = function.returns
        result = self.struct(returns) if len(returns) > 1 else self.names[returns[0]]
        self.lines = [f"/* {function.summary} */"] if function.summary else []
        self.lines += [f"{self.qualifier} {result} {self.prefix}{function.name}({parameters})", "{"]
        self.lines += [f"    {self.names[t]} {self.local(n)};" for n, t in function.locals.items()]
        self.statements(function.body, "    ")
        if len(function.returns) == len(function.results) > 1:
            self.lines.append(f"    {result} result_;")
            for i, node in enumerate(function.results):
                self.lines.append(f"    result_.v{i} = {self.expression(node)};")
            self.lines.append("    return result_;")
        else:
            self.lines.append(f"    return {self.expression(function.results[0])};")
        return "\n".join([*self.lines, "}"]) + "\n"

    def struct(self, types: tuple[Type, ...]) -> str:
        name = self.prefix + "tuple_" + "_".join(t.value.lower() for t in types)
        fields = " ".join(f"{self.names[t]} v{i};" for i, t in enumerate(types))
        self.structs[name] = f"typedef struct {{ {fields} }} {name};"
        return name

    def statements(self, body: tuple[Assign | Loop, ...], indent: str) -> None:
        for statement in body:
            if isinstance(statement, Loop):
                i = self.local(statement.name)
                self.lines.append(f"{indent}for ({i} = 0; {i} < {statement.count}; {i}++) {{")
                self.statements(statement.body, indent + "    ")
                self.lines.append(f"{indent}}}")
            elif len(statement.names) == 1:
                value = self.expression(statement.value)
                self.lines.append(f"{indent}{self.local(statement.names[0])} = {value};")
            else:
                struct = self.struct(tuple_types(statement.value))
                parts = [f"{self.local(name)} = tuple_.v{i};" for i, name in enumerate(statement.names)]
                call = self.expression(statement.value)
                self.lines.append(f"{indent}{{ {struct} tuple_ = {call}; {' '.join(parts)} }}")

    def local(self, name: str) -> str:
        return f"{name}_" if name in _C_KEYWORDS or keyword.iskeyword(name) else name

    def const(self, node: Const) -> str:
        if node.type in (Type.INT, Type.BOOL):
            return f"{int(node.value)}LL" if node.type is Type.INT else str(int(node.value))
        suffix = "f" if self.names[node.type] == "float" else ""
        value = float(np.float32(node.value)) if suffix else float(node.value)
        if math.isfinite(value):
            return f"{str(np.float32(value)) if suffix else repr(value)}{suffix}"
        encoding = "0x7ff8000000000000LL" if math.isnan(value) else "0x7ff0000000000000LL"
        sign = "-" if value < 0.0 else ""
        return f"{sign}{'(float)' if suffix else ''}absint_from_bits({encoding})"

    def infix(self, node: Binary) -> str:
        left, right = self.nested(node.left), self.nested(node.right)
        if node.symbol == "<<":  # of a negative number: undefined unless unsigned
            return f"(long long)((unsigned long long){left} << {right})"
        symbol = {"and": "&&", "or": "||"}.get(node.symbol, node.symbol)
        return f"{left} {symbol} {right}"

    def negation(self, operand: str) -> str:
        return f"!{operand}"

    def select(self, node: Select) -> str:
        return f"{self.nested(node.test)} ? {self.nested(node.body)} : {self.nested(node.orelse)}"

    def call(self, node: Call) -> str:
        return self.prefix + super().call(node)

    def element(self, node: Element) -> str:
        return self.prefix + super().element(node)

    def primitive(self, node: Primitive) -> str:
        operands = ", ".join(map(self.expression, node.operands))
        single = self.names[node.type] == "float"
        match node.name:
            case "wide" | "to_wide":
                return f"(double){self.nested(node.operands[0])}"
            case "narrow":
                return f"(float){self.nested(node.operands[0])}"
            case "to_int":
                return f"(long long){self.nested(node.operands[0])}"
            case "bits" | "from_bits":
                return f"absint_{node.name}({operands})"
            case "next_up" | "next_down":
                return f"absint_{node.name}{'f' if single else ''}({operands})"
        name = "fabs" if node.name == "abs" else node.name
        return f"{name}{'f' if single else ''}({operands})"
