"""The CUDA kernels on a CPU, through a shim: tests the GPU backend's logic without a GPU.

Slow by design. `ABSINT_SHIM_ORDER` chooses the order in which threads run: 0 upwards, 1 downwards, others at
random.
"""

from __future__ import annotations

from typing import ClassVar

from absint.evaluation.backend import Backend
from absint.evaluation.checks import as_program, thread_count
from absint.evaluation.profile import Availability
from absint.ir.box import EVERYWHERE, Box
from absint.ir.program import Program
from absint.lowering.plan import Plan

from ..cuda.engine import METHODS, PROFILE, CudaEngine
from .driver import ShimDriver, compiler


class CudaShim(Backend):
    """The work of `cupy`, on fibers in place of a GPU's threads. `method`: one of the profile's methods."""

    name: ClassVar[str] = "cuda_shim"
    profile = PROFILE._replace(test_only=True)

    def __init__(self, method: str = METHODS[0]) -> None:
        self._method = method

    def probe(self) -> Availability:
        """Whether there is a C++ compiler, which compiles the kernels."""
        if compiler() is None:
            return Availability(False, "no C++ compiler (g++) is found; it compiles the kernels for this CPU")
        return Availability(True)

    def prepare(self, form: Program | Plan, threads: int | None = None, box: Box = EVERYWHERE) -> CudaEngine:
        """See `absint.backends.cuda.engine`."""
        thread_count(threads, 1)
        return CudaEngine(as_program(form), ShimDriver(), self._method)
