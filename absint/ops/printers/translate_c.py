"""The C form of op bodies: C99 that is also C++ and CUDA C++.

Compile it with contraction off (`-ffp-contract=off`, `--fmad=false`, with `--prec-div=true --prec-sqrt=true
--ftz=false`), never with -ffast-math: then it gives the bits of every other form. Several values come in a
struct with fields `v0, v1, ...`, named after their types as in `tuple_real_real_bool` (`wide` for `real` in
a binary64 program); truth values are `int`, `Int` is `long long`.
"""

from __future__ import annotations

import keyword
import math

import numpy as np

from absint.ops.precision import Precision
from absint.ops.printers.printer import Printer
from absint.ops.printers.subset import Body, analyse, printed_name
from absint.ops.printers.typed_tree import (
    Assign,
    Binary,
    Call,
    Const,
    Element,
    Function,
    Loop,
    Primitive,
    Select,
    TranslateError,
    Type,
    tuple_types,
    with_callees,
)

_MAY_OVERFLOW = ("<<", "+", "-", "*")
"""What C leaves undefined for whole numbers, unless they are unsigned."""


def c_name(function: Body, prefix: str = "") -> str:
    """The name of a function in `c_source`."""
    return prefix + printed_name(function)


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
        for name, table in printer.function.tables.items():
            if tables.setdefault(f"{prefix}{name}", table) != table:
                raise TranslateError(f"two tables are called {name}")
    heads = [
        f"{table_qualifier} double {name}[{len(table)}] = {{ {', '.join(map(repr, table))} }};\n"
        for name, table in tables.items()
    ]
    return "\n".join([*structs.values(), *heads, *texts])


class _CPrinter(Printer):
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
        if node.type is Type.INT and node.symbol in _MAY_OVERFLOW:
            return f"(long long)((unsigned long long){left} {node.symbol} (unsigned long long){right})"
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
