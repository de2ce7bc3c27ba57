"""The units of the lowering's kernels: those that serve both precisions, and those for one."""

from __future__ import annotations

from absint.ir.records import RECORD_SOURCES
from absint.native import units
from absint.ops.precision import Precision
from absint.ops.units import OP_SOURCES

KERNELS = "absint.lowering.kernels"
PLAN_FORMAT = "absint.lowering.plan_format"
_SOURCES = (KERNELS, PLAN_FORMAT, *RECORD_SOURCES, *OP_SOURCES)


def lowering_kernels(precision: Precision | None = None) -> units.Unit:
    """The kernels of what lowers programs: those for a precision, or those that serve both."""
    arguments = () if precision is None else (precision.value,)
    return units.load(f"{KERNELS}.lowering", *arguments, depends=_SOURCES)


def lowering_units(precision: Precision) -> list[units.Named]:
    """What `lowering_kernels` loads for programs of a precision."""
    return [units.Named(f"{KERNELS}.lowering", arguments, _SOURCES) for arguments in ((), (precision.value,))]
