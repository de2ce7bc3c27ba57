"""Bugs in passes (apart from rules), tapes, text, the reference, and the CPU engine's values and drawings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from absint.base.memo import Pool
from absint.frontend import vm
from absint.ir import graph as graphs
from absint.ir import patch as patches
from absint.ir import tape
from absint.ir.box import Box
from absint.ir.graph import Graph
from absint.ir.program import Program
from absint.ops.precision import Precision
from absint.ops.primitives import Real, floor, fmod
from absint.ops.table import COMPARE, MAX, MIN, MOD, ROUND, SUB, Op
from absint.ops.units import LANES
from absint.rewriting.analysis import Analyses
from absint.rewriting.rewriter import Rewriter
from absint.rewriting.rules import _CONSTANTS as FIRST_CONSTANT
from absint.rewriting.rules import Pattern, Rule, RuleSet

from .tools import Bug, Plant, always, edited, module_of, planted, replaced, together

cse, dce, fold, schedule = (module_of("passes", name) for name in ("cse", "dce", "fold", "schedule"))
points = module_of("backends", "numba", "kernels.point_records")
machine, values = (module_of("backends", "numba", part) for part in ("machine", "values"))


def _commutative(*ops: Op) -> Plant:
    """Make `cse` take some more operations for commutative."""
    return planted(
        cse, "OPS", lambda old: [replace(op, commutative=op.commutative or op in ops) for op in old]
    )


class _NarrowOp:
    """An operation whose body computes in binary32 in every precision."""

    def __init__(self, op: Op) -> None:
        self._op = op

    def body(self, precision: Precision) -> Callable[..., Any]:
        """See `Op.body`."""
        body = self._op.body(Precision.F32)
        return lambda *operands: body(*map(np.float32, operands))


def _zeros_alike(old: Any) -> Any:
    def is_number(self: Rewriter, number: float, nodes: NDArray[np.integer]) -> Any:
        return old(self, number, nodes) | (number == 0 and old(self, -number, nodes))

    return is_number


def _zeros_fit(old: Any) -> Any:
    """Either zero may fit a rule for one, so that `_is_number` is asked."""

    def fits(self: RuleSet, pattern: Pattern, kind: int) -> bool:
        return old(self, pattern, kind) or (pattern.number == 0 and kind >= FIRST_CONSTANT)

    return fits


def _without_minus(old: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: old(value + 0.0)


def _without_zero_sign(old: Any) -> Any:
    def only_value(bounds: Any, demand: int) -> Any:
        point = bounds.lower == bounds.upper == 0 and not bounds.may_nan
        return (0.0, fold.ZERO) if point else old(bounds, demand)

    return only_value


def _without_nan(old: Any) -> Any:
    def only_value(bounds: Any, demand: int) -> Any:
        return old(bounds._replace(may_nan=bounds.may_nan and bounds.lower > bounds.upper), demand)

    return only_value


def _in_order(old: Any) -> Any:
    def reorder(program: Program, nodes: NDArray[np.int64], analyses: Analyses) -> Program:
        made: Program = old(program, nodes, analyses)
        args = made.graph.args
        swapped = np.where(args[:, 1:] < 0, args, np.sort(args, axis=1))
        return made.with_graph(replace(made.graph, args=swapped))

    return reorder


def _used(old: Any) -> Any:
    def reachable(graph: Graph) -> NDArray[np.bool_]:
        live: NDArray[np.bool_] = old(graph).copy()
        live[-1] &= not (graph.rows[-1][2] < 0 and graph.rows[-1][1] >= 0)
        return live if live.any() else ~live

    return reachable


PASSES = (
    Bug("rules:modes", "rules are used that change a zero's sign where it shows",
        planted(Rule, "agrees_under", always(True))),
    Bug("rules:zeros", "a rule for one zero is used for the other",
        together(planted(Rewriter, "_is_number", _zeros_alike), planted(RuleSet, "_fits", _zeros_fit))),
    Bug("cse:zeros", "+0 and -0 are one constant",
        planted(cse, "_bits", lambda old: lambda numbers, precision: old(numbers + 0.0, precision))),
    Bug("cse:min", "min(a, b) and min(b, a) are one operation", _commutative(MIN, MAX)),
    Bug("cse:sub", "a - b and b - a are one operation", _commutative(SUB)),
    Bug("cse:precision", "constants of binary64 are one if they are in binary32",
        planted(cse, "_bits", lambda old: lambda numbers, precision: old(numbers, Precision.F32))),
    Bug("fold:precision", "constants are folded in binary32 in programs in binary64",
        planted(fold, "OPS", lambda old: [_NarrowOp(op) for op in old])),
    Bug("fold:zero", "what is a zero folds to +0 where its sign shows",
        planted(fold, "_only_value", _without_zero_sign)),
    Bug("fold:nan", "what is one number or NaN folds to the number",
        planted(fold, "_only_value", _without_nan)),
    Bug("dce:root", "a root with one operand counts as dead, for nothing uses it",
        planted(dce, "reachable", _used)),
    Bug("schedule:order", "operands change places with the order in which they are computed",
        planted(schedule, "reorder", _in_order)),
    Bug("graph:zeros", "+0 and -0 are shared while a graph is built or patched",
        together(*(planted(module, "constant_key", _without_minus) for module in (graphs, patches)),
                 planted(patches, "constant_keys", _without_minus))),
)  # fmt: skip


def _one_less(found: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where(found > 0, found - 1, found)


def _first_operands(old: Any) -> Any:
    def last_uses(graph: Graph) -> NDArray[np.int64]:
        last = old(graph)
        for node, (_, a, b) in enumerate(graph.rows):
            if b >= 0 and a != b and last[b] == node:
                others = [user for user in range(node) if b in graph.operands(user) and last[user] >= 0]
                last[b] = others[-1] if others else node
        return last  # type: ignore[no-any-return]  # what `old` returns is not known here

    return last_uses


@contextmanager
def _shown(show: Callable[[float], str]) -> Iterator[None]:
    """Write numbers in text by `show`."""
    with patch.object(vm, "repr", show, create=True):
        yield


def _text(show: Callable[[float], str]) -> Callable[[], AbstractContextManager[None]]:
    return lambda: _shown(show)


TAPES_AND_TEXT = (
    Bug("liveness:one-less", "a value's slot is free one step before its last use",
        edited(tape, "last_uses", _one_less)),
    Bug("liveness:second-operands", "a last use as second operand is overlooked",
        planted(tape, "last_uses", _first_operands)),
    Bug("text:digits", "numbers are written with 15 digits",
        _text(lambda value: f"{value:.15g}" if isinstance(value, float) else repr(value))),
    Bug("text:minus-zero", "-0 is written as 0",
        _text(lambda value: repr(value + 0.0) if isinstance(value, float) else repr(value))),
    Bug("text:nan", "NaN is written as inf",
        _text(lambda value: "inf" if value != value else repr(value))),
    Bug("text:comment", "a comment behind an instruction is part of it",
        planted(vm, "_COMMENT", lambda old: re.compile(r"\A\s*#.*", re.DOTALL))),
)  # fmt: skip


def first_of_tie(a: Real, b: Real) -> Real:
    """Min, where a tie gives the first operand."""
    return a if a <= b or a != a else b


def half_added(a: Real) -> Real:
    """Round, by adding a half, which rounds itself."""
    return floor(a + 0.5)


def never_unordered(a: Real, b: Real) -> Real:
    """Compare, where NaN is equal to everything."""
    return -1.0 if a < b else 1.0 if a > b else 0.0


def signed_divisor(a: Real, b: Real) -> Real:
    """Mod, where the divisor keeps its sign."""
    r = fmod(a, b)
    return r + b if r < 0.0 else r


def _body(op: Op, body: Callable[..., Any]) -> Plant:
    """Give an operation another body in the reference alone: kernels were compiled before."""
    return planted(op, "bodies", lambda old: (body, body))


REFERENCE = (
    Bug("reference:min-tie", "the reference's min gives the first operand of a tie",
        _body(MIN, first_of_tie)),
    Bug("reference:round", "the reference rounds by adding a half", _body(ROUND, half_added)),
    Bug("reference:compare", "the reference compares NaN as equal", _body(COMPARE, never_unordered)),
    Bug("reference:mod", "the reference's mod takes the divisor's sign", _body(MOD, signed_divisor)),
)  # fmt: skip


def _swapped(code: Any) -> Any:
    body = code.body.copy()
    ours = np.isin(body["word"], [op.code * points.WORDS_PER_OP + points.BOTH_ROWS for op in (MIN, MAX)])
    body["a"][ours], body["b"][ours] = code.body["b"][ours], code.body["a"][ours]
    return code._replace(body=body)


def _last_block(results: NDArray[Any]) -> NDArray[Any]:
    rest = len(results) % LANES
    if 0 < rest < len(results):
        results[-rest:] = results[-rest - 1]
    return results


def _finite(old: Any) -> Any:
    def bounds(self: Any, lower: Mapping[str, Any], upper: Mapping[str, Any], rows: int) -> Any:
        missing = set(self.code.varying) - set(lower)
        nothing = dict.fromkeys(missing, np.zeros(rows * LANES, self._real))
        return old(self, {**lower, **nothing}, {**upper, **nothing}, rows)

    return bounds


def _last_row(found: Any) -> Any:
    if len(found) > 1:
        found["upper"][-1] = found["upper"][-2]
    return found


@contextmanager
def _min_for_max() -> Iterator[None]:
    """Exchange the decision rules of min and max, and discard tables made from them."""
    machine._tables.clear()
    try:
        with replaced(machine, "_RULES",
                      lambda old: {**old, MIN.code: old[MAX.code], MAX.code: old[MIN.code]}):  # fmt: skip
            yield
    finally:
        machine._tables.clear()


VALUES = (
    Bug("values:min-tie", "numba's min gives the first operand of a tie",
        edited(values, "make_code", _swapped)),
    Bug("values:minus-zero", "numba's constants have no -0",
        edited(values, "make_code", lambda code: code._replace(constants=code.constants + 0.0))),
    Bug("values:last-block", "the last block of points, when it is not full, is not computed",
        edited(values.Evaluator, "_compute", _last_block)),
    Bug("values:cells", "where bounds decide a min it is taken for a max",
        _min_for_max),
    Bug("bounds:partial", "a variable that a box leaves open counts as zero",
        planted(machine.Machine, "bounds", _finite)),
    Bug("bounds:last-row", "the last row of boxes has the upper ends of the row before",
        edited(machine.Machine, "bounds", _last_row)),
)  # fmt: skip


DRAWINGS = (
    Bug("drawings:canvas", "two threads draw on one canvas",
        planted(Pool, "take", lambda old: lambda self: self._idle[-1] if self._idle else self._make())),
    Bug("drawings:box", "a drawing that was made for a part of a view draws all of it",
        planted(Box, "contains", always(True))),
)  # fmt: skip

BUGS = (*PASSES, *TAPES_AND_TEXT, *REFERENCE, *VALUES, *DRAWINGS)
