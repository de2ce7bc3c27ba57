"""The kernels that oracles run, compiled before the clock of a campaign starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from absint.frontend.vm_scan import SCANNER
from absint.lowering.units import lowering_units
from absint.native import units
from absint.native.terminal import Progress, is_terminal, note
from absint.ops.precision import Precision
from absint.ops.table import OPS
from absint.ops.units import operation_unit

from .planted.tools import module_of

_AT_ONCE = 8
"""Units that are compiled at once, on as many cores; each takes some 250 MB."""


def kernel_units() -> list[units.Named]:
    """All units that any oracle loads, the ones that take longest to compile first."""
    shared: list[units.Named] = [SCANNER]
    operations = []
    engine = module_of("backends", "numba", "units")
    for precision in Precision:
        used = [*engine.drawing_units(precision), engine.point_unit(precision), *lowering_units(precision)]
        shared += [unit for unit in used if unit not in shared]
        operations += [operation_unit(op.name, precision) for op in OPS if not op.is_leaf]
    return [*shared, *operations]


class Compiling:
    """Says that kernels are compiled: as `Progress` on a terminal, in one line elsewhere."""

    def __init__(self) -> None:
        self._progress = Progress("loading kernels")
        self._is_said = is_terminal(sys.stderr)

    def __enter__(self) -> Compiling:
        self._progress.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._progress.__exit__(*error)

    def say(self, label: str) -> None:
        """Some are compiled now."""
        if not self._is_said:
            self._is_said = True
            note("compiling kernels for this machine, once")


def load_kernels(say: Callable[[str], None] = lambda label: None) -> None:
    """Load all units into this process, compiled now where the cache does not have them.

    `say`: told the labels of those that are compiled, before they are.
    """
    wanted = kernel_units()
    at_once = max(2, min(_AT_ONCE, os.cpu_count() or 1))
    units.observers.append(say)
    try:
        for first in range(0, len(wanted), at_once):
            units.compile_missing(wanted[first : first + at_once])
        for unit in wanted:
            units.load(unit.module, *unit.arguments, depends=unit.depends)
    finally:
        units.observers.remove(say)
