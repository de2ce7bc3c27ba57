"""The kernels that oracles run, compiled before the clock of a campaign starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from absint import native
from absint.ops.table import OPS
from absint.precision import Precision
from absint.sweep import KERNEL_SOURCES, lowering_units, operation_unit
from absint.terminal import Progress, is_terminal, note

_AT_ONCE = 8
"""Units that are compiled at once, on as many cores; each takes some 250 MB."""


def kernel_units() -> list[native.Named]:
    """All units that any oracle loads, the ones that take longest to compile first."""
    shared = [native.Named("absint.kernels.crew", (), KERNEL_SOURCES)]
    operations = []
    for precision in Precision:
        shared += [
            native.Named(f"absint.kernels.{name}", (precision.value,), KERNEL_SOURCES)
            for name in ("frame", "points")
        ]
        shared += [unit for unit in lowering_units(precision) if unit not in shared]
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
    units = kernel_units()
    at_once = max(2, min(_AT_ONCE, os.cpu_count() or 1))
    native.observers.append(say)
    try:
        for first in range(0, len(units), at_once):
            native.compile_missing(units[first : first + at_once])
        for unit in units:
            native.load(unit.module, *unit.arguments, depends=unit.depends)
    finally:
        native.observers.remove(say)
