"""The units of the lowering's kernels: those that serve both precisions, and those for one."""

from __future__ import annotations

from absint.ir.records import RECORD_SOURCES
from absint.native import units
from absint.ops.precision import Precision
from absint.ops.units import OP_SOURCES, rule_sources

KERNELS = "absint.lowering.kernels"
PLAN_FORMAT = "absint.lowering.plan_format"
_SOURCES = (KERNELS, PLAN_FORMAT, *RECORD_SOURCES)


def lowering_kernels(precision: Precision | None = None) -> units.Unit:
    """The kernels that lower programs: those for a precision, or those that serve both."""
    module, arguments, depends = _unit(precision)
    return units.load(module, *arguments, depends=depends)


def lowering_units(precision: Precision) -> list[units.Named]:
    """The units that `lowering_kernels` loads for programs of a precision."""
    return [_unit(None), _unit(precision)]


def _unit(precision: Precision | None) -> units.Named:
    """The unit for a precision, whose kernels call the rules of operations, or the unit that serves both."""
    arguments, rules = ((), OP_SOURCES) if precision is None else ((precision.value,), rule_sources())
    return units.Named(f"{KERNELS}.lowering", arguments, (*_SOURCES, *rules))
