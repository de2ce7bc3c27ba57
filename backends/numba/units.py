"""The units of the CPU engine's kernels."""

from __future__ import annotations

from absint.lowering.units import PLAN_FORMAT
from absint.native import units
from absint.ops.precision import Precision
from absint.ops.units import OP_SOURCES

_KERNELS = "absint.backends.numba.kernels"
_RECORDS = ("absint.native.records", "absint.native.record_pointers")
_SOURCES = (_KERNELS, PLAN_FORMAT, *_RECORDS, *OP_SOURCES)


def drawing_units(precision: Precision) -> list[units.Named]:
    """The units that a renderer of a precision loads: the kernels of frames, and those of thread pools."""
    return [
        units.Named(f"{_KERNELS}.frame", (precision.value,), _SOURCES),
        units.Named(f"{_KERNELS}.thread_pool", (), _SOURCES),
    ]


def point_unit(precision: Precision) -> units.Named:
    """The unit of the kernels that compute values and bounds."""
    return units.Named(f"{_KERNELS}.points", (precision.value,), _SOURCES)


def load(unit: units.Named) -> units.Unit:
    """The kernels of a unit."""
    return units.load(unit.module, *unit.arguments, depends=unit.depends)
