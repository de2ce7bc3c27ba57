"""The unit of the kernels that walk over a graph."""

from __future__ import annotations

from absint.ir.records import RECORD_SOURCES
from absint.native import units

WALKS = units.Named("absint.ir.walk_kernels", (), ("absint.native.memory", *RECORD_SOURCES))


def walk_kernels() -> units.Unit:
    """The kernels of `absint.ir.walk_kernels`."""
    return units.load(WALKS.module, depends=WALKS.depends)
