"""The reference evaluator on a GPU: the same code with CuPy's arrays in place of NumPy's."""

from __future__ import annotations

from typing import ClassVar

from absint.backend import Availability, Executable
from absint.manager import LEVELS
from absint.program import Program

from .arrays import ArrayExecutable

CHUNK = 1 << 24
"""Points at a time: enough to fill a GPU, few enough for its memory."""

_HOW = "pip install 'absint[cuda12]' (or 'absint[cuda13]', after the driver's CUDA version)"


class Cupy:
    """CuPy, array at a time."""

    name: ClassVar[str] = "cupy"
    rendering: ClassVar[str] = LEVELS[2]
    threaded: ClassVar[bool] = False

    def probe(self) -> Availability:
        """CuPy must be installed and find a device."""
        try:
            import cupy
        except ImportError:
            return Availability(False, f"CuPy is not installed; {_HOW}")
        try:
            count = cupy.cuda.runtime.getDeviceCount()
        except cupy.cuda.runtime.CUDARuntimeError as error:
            return Availability(False, f"CuPy finds no CUDA device: {error}")
        return Availability(count > 0, "" if count else "CuPy finds no CUDA device")

    def compile(self, program: Program, threads: int | None = None) -> Executable:
        """Lower the program to a tape that runs on the current device."""
        import cupy

        return ArrayExecutable(program, cupy, CHUNK)
