"""The CUDA kernels on a CPU, through a shim: to test the GPU backend's logic where there is no GPU.

Slow by design. `ABSINT_SHIM_ORDER` chooses the order in which threads run: 0 upwards, 1 downwards, others at
random.
"""

from __future__ import annotations

from typing import ClassVar

from absint.evaluation.backend import Availability, Executable
from absint.ir.program import Program

from ..cuda.executable import METHODS, RENDERING, CudaExecutable
from .driver import ShimDriver, compiler


class CudaShim:
    """What `cupy` does, on fibers in place of a GPU's threads. `method`: one of `methods`."""

    name: ClassVar[str] = "cuda_shim"
    rendering: ClassVar[str] = RENDERING
    threaded: ClassVar[bool] = False
    stands_in: ClassVar[bool] = True
    methods: ClassVar[tuple[str, ...]] = METHODS

    def __init__(self, method: str = METHODS[0]) -> None:
        self._method = method

    def with_method(self, method: str) -> CudaShim:
        """See `HasMethods`."""
        return CudaShim(method)

    def probe(self) -> Availability:
        """A C++ compiler makes the kernels."""
        if compiler() is None:
            return Availability(False, "no C++ compiler (g++) is found; it compiles the kernels for this CPU")
        return Availability(True)

    def compile(self, program: Program, threads: int | None = None) -> Executable:
        """See `absint.backends.cuda.executable`."""
        return CudaExecutable(program, ShimDriver(), self._method)
