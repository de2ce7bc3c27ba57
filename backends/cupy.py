"""The GPU: CUDA kernels through CuPy, and its arrays.

CuPy is imported when it is needed; without it, or without a device, everything else works.
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
"""The method that is the reference with CuPy's arrays, one operation at a time: what the others are compared
with.
"""

_CHUNK = 1 << 24
"""Points at a time for that."""

_WARPS = 24
"""That a multiprocessor holds of kernels that use as many registers as ours do, roughly."""


class Cupy(Backend):
    """CuPy's current device. `method`: one of its profile's."""

    name: ClassVar[str] = "cupy"

    def __init__(self, method: str = METHODS[0]) -> None:
        self._method = method
        self.profile = PROFILE._replace(methods=(*METHODS, _ARRAYS), on_device=True)
        if method == _ARRAYS:
            self.profile = self.profile._replace(render_pipeline=LEVELS[2], precisions=(Precision.F64,))

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

    def prepare(
        self, form: Program | Plan, threads: int | None = None, box: Box = EVERYWHERE
    ) -> BackendEngine:
        """See `absint.backends.cuda.engine`. Raises `BackendError` for a precision that the method does
        not compute in.
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
    """The current device."""

    backend: ClassVar[str] = Cupy.name

    def __init__(self) -> None:
        import cupy

        self.xp: Any = cupy
        self.warps = _WARPS * int(cupy.cuda.Device().attributes["MultiProcessorCount"])

    def compile(self, source: str) -> CupyModule:
        """The kernels of a text, kept in the user's cache folder."""
        return _module(source, int(self.xp.cuda.Device().id))

    def download(self, array: Any) -> NDArray[Any]:
        """A copy in this process's memory."""
        copied: NDArray[Any] = self.xp.asnumpy(array)
        return copied

    def seconds(self, work: Callable[[], None]) -> float:
        """Between two events around the work."""
        start, end = self.xp.cuda.Event(), self.xp.cuda.Event()
        start.record()
        work()
        end.record()
        end.synchronize()
        return float(self.xp.cuda.get_elapsed_time(start, end)) / 1000

    def recorded(self, work: Callable[[], None]) -> Callable[[], None] | None:
        """A CUDA graph of the work, if it can be captured."""
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
        """A quarter of what is free, CuPy's own reserve included."""
        free, _ = self.xp.cuda.runtime.memGetInfo()
        return int(free + self.xp.get_default_memory_pool().free_bytes()) // 4


class CupyModule:
    """Kernels on a device."""

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
    """The kernels of a text on a device.

    Not by `RawModule`, which adds -ftz=true behind all other options, so that subnormal numbers are flushed
    to zero whatever they say (https://github.com/cupy/cupy/issues/9576).
    """
    import cupy

    module = cupy.cuda.function.Module()
    module.load(_cubin(source, cupy.cuda.Device(device).compute_capability))
    return CupyModule(module)


def _cubin(source: str, capability: str) -> bytes:
    """Machine code. Raises `BackendError` with what NVRTC says of a text that it does not take."""
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
            raise BackendError(f"NVRTC does not take the kernels: {nvrtc.getProgramLog(program)}") from error
        finally:
            nvrtc.destroyProgram(program)
        cache.write(key, code)
    return code
