"""The op table's rules as Numba functions that choose one by an operation's code.

Kernels that go by the rules of operations, of which they know none by name, call these: an operation that is
added to the table with its rules is lowered and contracted as the format's are. Each function is printed from
the records as one chain of comparisons of the code, which LLVM turns into a jump table. Imported only where
Numba is.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from absint.ops.precision import Precision
from absint.ops.printers.translate import numba_form
from absint.ops.record import Body, Op
from absint.ops.table import OPS


class _Case(NamedTuple):
    """What to do for a code: a statement, and the rules by the names that it calls them by."""

    code: int
    statement: str
    rules: dict[str, Body]


def make_step(precision: Precision) -> Any:
    """`step(code, second, v, other)`: the operation on `v` and, if it has two operands, `other`.

    `second`: whether `v` is the second operand. Operations without a `monotone` rule are left out.
    """
    cases = []
    for op in OPS:
        if any(op.monotone):
            rule = f"rule_{op.code}"
            call = f"{rule}(v)"
            if op.arity == 2:
                call = f"{rule}(other, v) if second else {rule}(v, other)"
            cases.append(_Case(op.code, f"return {call}", {rule: op.body(precision)}))
    return _printed("step", "code, second, v, other", cases, "return v", precision)


def make_direction(precision: Precision) -> Any:
    """`direction(code, second, lower, upper, other)`: the `monotone` rule of the operation's first or second
    operand; (0, lower, upper) where there is none.
    """
    cases = _per_operand(lambda op: op.monotone, "lower, upper")
    return _printed(
        "direction", "code, second, lower, upper, other", cases, "return 0, lower, upper", precision
    )


def make_inverse(precision: Precision) -> Any:
    """`inverse(code, second, value, other)`: the `inverse` rule of the operation's first or second operand,
    in binary64; the value itself where there is none.
    """
    cases = _per_operand(lambda op: op.inverse, "value")
    return _printed("inverse", "code, second, value, other", cases, "return value", precision)


def make_forward(precision: Precision, arity: int) -> Any:
    """`forward(code, a_lower, a_upper, …)`: the bounds of a result from those of its operands, none of which
    is NaN. No bounds for an operation without a `backward` rule.
    """
    ends = _ENDS[:arity]
    given = ", ".join(f"{pair}, False" for pair in ends)
    cases = []
    for op in OPS:
        if op.arity == arity and op.backward is not None:
            rule = f"rule_{op.code}"
            statement = f"lower, upper, _ = {rule}({given}); return lower, upper"
            cases.append(_Case(op.code, statement, {rule: op.interval(precision)}))
    return _printed("forward", ", ".join(("code", *ends)), cases, "return -inf, inf", precision)


def make_backward(precision: Precision, arity: int) -> Any:
    """`backward(code, lower, upper, a_lower, a_upper, …)`: the operation's `backward` rule; no bounds where
    there is none.
    """
    given = ", ".join(("lower, upper", *_ENDS[:arity]))
    cases = []
    for op in OPS:
        if op.arity == arity and op.backward is not None:
            rule = f"rule_{op.code}"
            cases.append(_Case(op.code, f"return {rule}({given})", {rule: op.backward}))
    everywhere = f"return {', '.join(['-inf, inf'] * arity)}"
    return _printed("backward", f"code, {given}", cases, everywhere, precision)


_ENDS = ("a_lower, a_upper", "b_lower, b_upper")
"""How the ends of operands are called."""


def _per_operand(rules: Callable[[Op], Sequence[Body | None]], given: str) -> list[_Case]:
    """The cases of a rule of which each operand has its own; one that lacks it is left to the default."""
    cases = []
    for op in OPS:
        given_too = f"{given}, other" if op.arity == 2 else given
        for second, rule in enumerate(rules(op)):
            if rule is not None:
                name = f"rule_{op.code}_{second}"
                statement = f"return {name}({given_too})"
                if op.arity == 2:
                    statement = f"if {'second' if second else 'not second'}: {statement}"
                cases.append(_Case(op.code, statement, {name: rule}))
    return cases


def _printed(name: str, parameters: str, cases: Iterable[_Case], otherwise: str, precision: Precision) -> Any:
    """The function that does what is said for a code, and `otherwise` for all other codes."""
    statements: dict[int, list[str]] = {}
    namespace: dict[str, Any] = {"inf": precision.real(np.inf)}
    for case in cases:
        statements.setdefault(case.code, []).append(case.statement)
        namespace |= {rule: numba_form(body, precision) for rule, body in case.rules.items()}
    lines = [f"def {name}({parameters}):"]
    for code, those in statements.items():
        lines += [f"    if code == {code}:", *(f"        {statement}" for statement in those)]
    text = "\n".join([*lines, f"    {otherwise}"]) + "\n"
    path = f"<absint: {name} of any operation, {precision.value}>"
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
    exec(compile(text, path, "exec"), namespace)
    return njit(error_model="numpy")(namespace[name])
