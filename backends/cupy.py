"""The GPU backend: CUDA kernels, or arrays, through CuPy.

CuPy is imported on first use; without CuPy or a device, all other backends work.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from absint.base.errors import BackendError
from absint.evaluation.backend import Backend
from absint.evaluation.checks import as_program, thread_count
from absint.evaluation.engine import BackendEngine
from absint.evaluation.profile import Availability
from absint.ir.box import EVERYWHERE, Box
from absint.ir.program import Program
from absint.lowering.plan import Plan
from absint.native import cache
from absint.ops.precision import Precision
from absint.rewriting.manager import LEVELS

from .arrays import ArrayEngine
from .cuda.engine import METHODS, PROFILE, CudaEngine
from .cuda.source import OPTIONS

_HOW = "pip install 'absint[cuda12]' (or 'absint[cuda13]', after the driver's CUDA version)"


_ARRAYS = "arrays"
"""The method that runs the reference's engine on CuPy's arrays, one operation at a time; the other methods
are compared with it.
"""

_CHUNK = 1 << 24
"""Points at a time for the method `arrays`."""

_WARPS = 24
"""Approximate number of warps that a multiprocessor holds of kernels with as many registers as absint's."""


class Cupy(Backend):
    """CuPy's current device. `method`: one of the profile's methods."""

    name: ClassVar[str] = "cupy"

    def __init__(self, method: str = METHODS[0]) -> None:
        self._method = method
        self.profile = PROFILE._replace(methods=(*METHODS, _ARRAYS), on_device=True)
        if method == _ARRAYS:
            self.profile = self.profile._replace(render_pipeline=LEVELS[2], precisions=(Precision.F64,))

    def probe(self) -> Availability:
        """Whether CuPy is installed and finds a device."""
        try:
            import cupy
        except ImportError:
            return Availability(False, f"CuPy is not installed; {_HOW}")
        try:
            count = cupy.cuda.runtime.getDeviceCount()
        except cupy.cuda.runtime.CUDARuntimeError as error:
            return Availability(False, f"CuPy finds no CUDA device: {error}")
        return Availability(count > 0, "" if count else "CuPy finds no CUDA device")

    def prepare(
        self, form: Program | Plan, threads: int | None = None, box: Box = EVERYWHERE
    ) -> BackendEngine:
        """See `absint.backends.cuda.engine`. Raises `BackendError` for a precision that the method does not
        support.
        """
        thread_count(threads, 1)
        program = as_program(form)
        if self._method == _ARRAYS:
            import cupy

            if program.precision not in self.profile.precisions:
                raise BackendError(
                    "method 'arrays' is for f64: CuPy's own kernels flush subnormal numbers of f32 to zero, "
                    "so that results would not be exact"
                )
            return ArrayEngine(program, cupy, _CHUNK, self.name)
        return CudaEngine(program, CupyDriver(), self._method)


class CupyDriver:
    """Driver of CuPy's current device."""

    backend: ClassVar[str] = Cupy.name

    def __init__(self) -> None:
        import cupy

        self.xp: Any = cupy
        self.warps = _WARPS * int(cupy.cuda.Device().attributes["MultiProcessorCount"])

    def compile(self, source: str) -> CupyModule:
        """Compile kernels from source text; their machine code is cached on disk."""
        return _module(source, int(self.xp.cuda.Device().id))

    def download(self, array: Any) -> NDArray[Any]:
        """A copy of a device's array in this process's memory."""
        copied: NDArray[Any] = self.xp.asnumpy(array)
        return copied

    def seconds(self, work: Callable[[], None]) -> float:
        """Seconds between two events around the work."""
        start, end = self.xp.cuda.Event(), self.xp.cuda.Event()
        start.record()
        work()
        end.record()
        end.synchronize()
        return float(self.xp.cuda.get_elapsed_time(start, end)) / 1000

    def record(self, work: Callable[[], None]) -> Callable[[], None] | None:
        """A function that launches a CUDA graph of the work; None if the work cannot be captured."""
        cuda = self.xp.cuda
        try:
            stream = cuda.Stream(non_blocking=True)
            with stream:
                stream.begin_capture()
                try:
                    work()
                finally:
                    graph = stream.end_capture()
            graph.upload(stream)
            stream.synchronize()
        except (cuda.runtime.CUDARuntimeError, cuda.driver.CUDADriverError, NotImplementedError):
            return None
        return lambda: graph.launch(cuda.get_current_stream())

    def memory(self) -> int:
        """A quarter of the free memory, CuPy's memory pool included, in bytes."""
        free, _ = self.xp.cuda.runtime.memGetInfo()
        return int(free + self.xp.get_default_memory_pool().free_bytes()) // 4


class CupyModule:
    """Compiled kernels on a device."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._functions: dict[str, Any] = {}

    def launch(self, name: str, blocks: int, threads: int, *arguments: Any, shared: int = 0) -> None:
        """See `Module.launch`."""
        function = self._functions.get(name)
        if function is None:
            function = self._functions[name] = self._module.get_function(name)
        given = tuple(np.int64(a) if isinstance(a, int) else a for a in arguments)
        function((blocks, 1, 1), (threads, 1, 1), given, shared_mem=shared)


@functools.lru_cache(maxsize=32)
def _module(source: str, device: int) -> CupyModule:
    """Kernels compiled from source text, loaded on a device.

    CuPy's `RawModule` is not used because it adds -ftz=true behind all other options, which flushes subnormal
    numbers to zero (https://github.com/cupy/cupy/issues/9576).
    """
    import cupy

    module = cupy.cuda.function.Module()
    module.load(_cubin(source, cupy.cuda.Device(device).compute_capability))
    return CupyModule(module)


def _cubin(source: str, capability: str) -> bytes:
    """Machine code for source text. Raises `BackendError` with NVRTC's log if NVRTC rejects the text."""
    import cupy

    nvrtc = cupy.cuda.nvrtc
    options = (*OPTIONS, f"--gpu-architecture=sm_{capability}")
    key = "\n".join(["cubin", str(nvrtc.getVersion()), *options, source])
    code = cache.read(key)
    if code is None:
        program = nvrtc.createProgram(source, "absint.cu", (), ())
        try:
            nvrtc.compileProgram(program, options)
            code = bytes(nvrtc.getCUBIN(program))
        except nvrtc.NVRTCError as error:
            raise BackendError(f"NVRTC rejects the kernels: {nvrtc.getProgramLog(program)}") from error
        finally:
            nvrtc.destroyProgram(program)
        cache.write(key, code)
    return code
