"""The unit of the kernels that walk over a graph."""

from __future__ import annotations

from absint.native import units

WALKS = units.Named("absint.ir.walk_kernels", (), ("absint.native.memory",))


def walk_kernels() -> units.Unit:
    """The kernels of `absint.ir.walk_kernels`."""
    return units.load(WALKS.module, depends=WALKS.depends)
