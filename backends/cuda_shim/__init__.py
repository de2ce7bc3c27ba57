"""The CUDA kernels on a CPU, through a shim: to test the GPU backend's logic where there is no GPU.

Slow by design. `ABSINT_SHIM_ORDER` chooses the order in which threads run: 0 upwards, 1 downwards, others at
random.
"""

from __future__ import annotations

from typing import ClassVar

from absint.backend import Availability, Executable
from absint.program import Program

from ..cuda.executable import RENDERING, CudaExecutable
from .driver import ShimDriver, compiler


class CudaShim:
    """What `cupy` does, on fibers in place of a GPU's threads."""

    name: ClassVar[str] = "cuda_shim"
    rendering: ClassVar[str] = RENDERING
    threaded: ClassVar[bool] = False

    def probe(self) -> Availability:
        """A C++ compiler makes the kernels."""
        if compiler() is None:
            return Availability(False, "no C++ compiler (g++) is found; it compiles the kernels for this CPU")
        return Availability(True)

    def compile(self, program: Program, threads: int | None = None) -> Executable:
        """See `absint.backends.cuda.executable`."""
        return CudaExecutable(program, ShimDriver())
