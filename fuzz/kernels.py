"""The kernels that oracles run, compiled before a campaign's time starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from absint.frontend.vm_scan import SCANNER
from absint.ir.units import WALKS
from absint.lowering.units import lowering_units
from absint.native import units
from absint.native.terminal import Progress, is_terminal, note
from absint.ops.precision import Precision
from absint.ops.table import OPS
from absint.ops.units import operation_unit

from .planted.tools import module_of

_AT_ONCE = 8
"""Units that are compiled at once, one a core; each compilation takes about 250 MB."""


def kernel_units() -> list[units.Named]:
    """All units that any oracle loads, those that take longest to compile first."""
    shared: list[units.Named] = [SCANNER, WALKS]
    operations = []
    engine = module_of("backends", "numba", "units")
    for precision in Precision:
        used = [*engine.drawing_units(precision), engine.point_unit(precision), *lowering_units(precision)]
        shared += [unit for unit in used if unit not in shared]
        operations += [operation_unit(op.name, precision) for op in OPS if not op.is_leaf]
    return [*shared, *operations]


class CompilationNotice:
    """Tells the user that kernels are being compiled: as `Progress` on a terminal, else in one line."""

    def __init__(self) -> None:
        self._progress = Progress("loading kernels")
        self._is_shown = is_terminal(sys.stderr)

    def __enter__(self) -> CompilationNotice:
        self._progress.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._progress.__exit__(*error)

    def show(self, label: str) -> None:
        """Write the line, once."""
        if not self._is_shown:
            self._is_shown = True
            note("notice kernels for this machine, once")


def load_kernels(observe: Callable[[str], None] = lambda label: None) -> None:
    """Load all units into this process; those that the cache does not hold are compiled first.

    `observe`: called with the label of each unit before it is compiled.
    """
    wanted = kernel_units()
    at_once = max(2, min(_AT_ONCE, os.cpu_count() or 1))
    units.observers.append(observe)
    try:
        for first in range(0, len(wanted), at_once):
            units.compile_missing(wanted[first : first + at_once])
        for unit in wanted:
            units.load(unit.module, *unit.arguments, depends=unit.depends)
    finally:
        units.observers.remove(observe)
