"""The units of the operations' kernels: on rows and on intervals of sixteen lanes, one unit an operation."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from absint.native import units
from absint.ops import extensions
from absint.ops.precision import Precision
from absint.ops.table import BY_NAME

LANES = 16

OP_SOURCES = ("absint.native.memory", "absint.ops", "absint.ops.libm", "absint.ops.printers")
"""What the kernels of operations are made of; those of extensions are made of `EXTENSIONS` too."""

EXTENSIONS = "absint.ops.extensions"


@functools.cache
def rule_sources() -> tuple[str, ...]:
    """What kernels are made of that go by the rules of all operations, see `absint.ops.dispatch`."""
    added = [BY_NAME[name] for name in extensions.names()]
    have_rules = any(any(op.monotone) or op.backward is not None for op in added)
    return (*OP_SOURCES, EXTENSIONS) if have_rules else OP_SOURCES


@functools.cache
def operation_kernels(name: str, precision: Precision) -> units.Unit:
    """The kernels of an operation on rows and intervals of sixteen lanes."""
    unit = operation_unit(name, precision)
    return units.load(unit.module, *unit.arguments, depends=unit.depends)


def operation_unit(name: str, precision: Precision) -> units.Named:
    """What `operation_kernels` loads."""
    sources = (*OP_SOURCES, EXTENSIONS) if name in extensions.names() else OP_SOURCES
    return units.Named("absint.ops.kernels", (name, precision.value), sources)


@functools.cache
def record_dtype(precision: Precision) -> np.dtype[Any]:
    """A record of sixteen intervals, as kernels lay it out."""
    real, lanes = precision.dtype, LANES
    size = {4: 192, 8: 320}[real.itemsize]
    return np.dtype(
        {
            "names": ["lower", "upper", "may_nan"],
            "formats": [(real, lanes), (real, lanes), np.int64],
            "offsets": [0, lanes * real.itemsize, 2 * lanes * real.itemsize],
            "itemsize": size,
        }
    )
