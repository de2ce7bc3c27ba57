"""The GPU evaluator where there is no GPU: what it says, and that its code keeps to what CuPy can do.

`FakeCupy` computes with NumPy but is as strict as CuPy: only functions that CuPy has, and never an array of
NumPy's among the operands, not even to index one.
"""

from __future__ import annotations

import builtins
import sys
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.lib.mixins import NDArrayOperatorsMixin

from absint.backends import cupy
from absint.backends.arrays import ArrayEngine
from absint.backends.cuda import engine
from absint.backends.cuda.engine import CudaEngine
from absint.backends.cuda.source import OPTIONS, kernel_source
from absint.backends.cuda_shim.driver import ShimDriver, compiler
from absint.backends.cupy import CupyDriver
from absint.base.errors import BackendError
from absint.evaluation.backend import find_backend
from absint.evaluation.view import View
from absint.frontend.vm import parse_vm
from absint.ir.box import Box
from absint.ir.program import Program
from absint.ops.precision import Precision
from absint.ops.table import OPS, SPICY
from tests.domains.containment import random_graph
from tests.support.lowered import lowered_program

_NAMES = (
    "abs arange array asarray ascontiguousarray asnumpy broadcast_to ceil concatenate copysign empty"
    " empty_like float32 float64 floor fmod full int32 int64 isfinite isinf isnan ldexp logical_and"
    " logical_not logical_or maximum minimum nextafter ones signbit sqrt square stack take trunc uint32"
    " uint64 where zeros zeros_like"
)
FUNCTIONS = frozenset(_NAMES.split())
"""Of those in CuPy's reference that an evaluator may want."""


def to_host(value: Any) -> Any:
    """The NumPy array inside a device array; what CuPy would refuse is refused."""
    if isinstance(value, np.ndarray):
        raise TypeError(f"CuPy refuses an array of NumPy's: {value!r}")
    if isinstance(value, tuple | list):
        return type(value)(to_host(part) for part in value)
    return value._host if isinstance(value, DeviceArray) else value


def to_device(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(to_device(part) for part in value)
    # CuPy has no scalars of its own: what is 0-dimensional stays an array on the device
    return DeviceArray(np.asarray(value)) if isinstance(value, np.ndarray | np.generic) else value


class DeviceArray(NDArrayOperatorsMixin):
    """An array that NumPy cannot see into."""

    def __init__(self, host: np.ndarray[Any, Any]) -> None:
        self._host = host

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        assert method == "__call__"
        return to_device(ufunc(*map(to_host, inputs), **options))

    def __array_function__(self, function: Any, _: Any, arguments: Any, options: Any) -> Any:
        assert function.__name__ in FUNCTIONS, f"CuPy has no {function.__name__}"
        return to_device(function(*map(to_host, arguments), **options))

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")  # CuPy's words

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._host, name)
        if not callable(value):
            return value
        return lambda *arguments, **options: to_device(value(*map(to_host, arguments), **options))

    def __getitem__(self, key: Any) -> Any:
        return to_device(self._host[to_host(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        self._host[to_host(key)] = to_host(value)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return dict(self._host.__array_interface__)

    def get(self) -> np.ndarray[Any, Any]:
        """A copy in this process's memory."""
        return self._host.copy()

    def __len__(self) -> int:
        return len(self._host)

    def __bool__(self) -> bool:
        return bool(self._host)

    def __float__(self) -> float:
        return float(self._host)


class FakeCupy:
    """The module. Made once, for array forms are cached by module."""

    ndarray = DeviceArray

    def __getattr__(self, name: str) -> Any:
        assert name in FUNCTIONS, f"CuPy has no {name}"
        function = getattr(np, name)
        if isinstance(function, type):
            return function
        return lambda *arguments, **options: to_device(function(*map(to_host, arguments), **options))

    def asarray(self, value: Any, dtype: Any = None) -> DeviceArray:
        """The one way onto the device."""
        return DeviceArray(np.array(value._host if isinstance(value, DeviceArray) else value, dtype))

    def asnumpy(self, array: DeviceArray) -> Any:
        """The one way back."""
        return array._host


FAKE: Any = FakeCupy()


def assert_same(got: Any, expected: Any) -> None:
    got, expected = np.asarray(got), np.asarray(expected)
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
    bits = f"u{got.dtype.itemsize}"
    same = np.ascontiguousarray(got).view(bits) == np.ascontiguousarray(expected).view(bits)
    assert (same | ((got != got) & (expected != expected))).all()


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("op", [op.name for op in OPS if not op.is_leaf])
def test_every_operation_with_the_functions_that_cupy_has(op: str, precision: Precision) -> None:
    operands = {1: "a", 2: "a b"}
    arity = next(o.arity for o in OPS if o.name == op)
    program = Program(parse_vm(f"a var-x\nb var-y\nr {op} {operands[arity]}\n"), precision)
    device, host = ArrayEngine(program, FAKE, 1 << 20), ArrayEngine(program, np, 1 << 20)
    x, y = np.array(SPICY), np.array(SPICY)[:, None]
    values = device.values(x, y)
    assert isinstance(values, DeviceArray)
    assert_same(FAKE.asnumpy(values), host.values(x, y))
    assert_same(device.image(View(9, 5, scale=3.0)), host.image(View(9, 5, scale=3.0)))
    numbers = np.array(sorted(precision.round(value) for value in SPICY if value == value))
    boxes = {"x": (numbers[:-2], numbers[2:]), "y": (numbers[:-1, None], numbers[1:, None])}
    for got, expected in zip(device.bounds(boxes), host.bounds(boxes), strict=True):
        assert isinstance(got, DeviceArray)
        assert_same(FAKE.asnumpy(got), expected)


@pytest.mark.parametrize("seed", range(10))
def test_programs(seed: int) -> None:
    program = Program(random_graph(Random(seed), 40))
    view = View(17, 11)
    assert_same(ArrayEngine(program, FAKE, 50).image(view), ArrayEngine(program, np, 50).image(view))


@pytest.mark.parametrize(
    "text", ["p true", "x var-x; y var-y; s add x y; a band s 0 1; b band x 0 1; p all a b"]
)
def test_lowered_programs(text: str) -> None:
    program, view = lowered_program(text, Box()), View(17, 11)
    assert_same(ArrayEngine(program, FAKE, 50).image(view), ArrayEngine(program, np, 50).image(view))


# The kernels, on the CPU


class StrictDriver(ShimDriver):
    """The shim with arrays that NumPy cannot see into."""

    xp = FAKE

    def download(self, array: Any) -> Any:
        """The one way back."""
        return FAKE.asnumpy(array)


needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C++ compiler (g++) here")


@needs_compiler
@pytest.mark.parametrize("precision", list(Precision))
def test_the_engine_with_the_functions_that_cupy_has(precision: Precision) -> None:
    view = View(45, 70)
    for seed in range(12):
        source = Program(random_graph(Random(seed), 40), precision)
        device, host = CudaEngine(source, StrictDriver()), ArrayEngine(source, np, 1 << 20)
        assert_same(device.image(view), host.image(view))
        x, y = np.linspace(-1, 1, 7), np.linspace(-2, 1, 5)[:, None]
        assert_same(device.values(x, y), host.values(x, y))
        there = device.values(FAKE.asarray(x), y)
        assert isinstance(there, DeviceArray)
        assert_same(FAKE.asnumpy(there), host.values(x, y))
        boxes = {"x": (x[:-1], x[1:]), "y": (y[:-1], y[1:])}
        for got, expected in zip(device.bounds(boxes), host.bounds(boxes), strict=True):
            assert_same(got, expected)


class CupyWithKernels:
    """CuPy as its driver sees it; kernels run through the shim."""

    class CUDADriverError(RuntimeError):
        """What launches raise."""

    class NVRTCError(RuntimeError):
        """What the compiler raises."""

    def __init__(self) -> None:
        self.cuda = self.driver = self.nvrtc = self.function = self
        self.runtime = NoDevice(1)
        self.compiled = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(FAKE, name)

    def Device(self, _: int = 0) -> Any:  # CuPy's name
        return SimpleNamespace(id=0, attributes={"MultiProcessorCount": 1}, compute_capability="90")

    def get_current_stream(self) -> None:
        return None

    def Stream(self, non_blocking: bool) -> Any:  # likewise
        raise self.runtime.CUDARuntimeError("this device captures nothing")

    def getVersion(self) -> tuple[int, int]:  # likewise
        return 13, 0

    def createProgram(self, source: str, name: str, headers: Any, names: Any) -> str:  # likewise
        assert (name, headers, names) == ("absint.cu", (), ())
        return source

    def compileProgram(self, source: str, options: tuple[str, ...]) -> None:  # likewise
        assert set(options) == {*OPTIONS, "--gpu-architecture=sm_90"}
        self.compiled += 1
        if "no such type" in source:
            raise self.NVRTCError("NVRTC_ERROR_COMPILATION (6)")

    def getCUBIN(self, source: str) -> bytes:  # likewise
        return source.encode()

    def getProgramLog(self, source: str) -> str:  # likewise
        return "absint.cu(1): error: identifier is undefined"

    def destroyProgram(self, source: str) -> None:  # likewise
        pass

    def Module(self) -> Any:  # likewise
        return LoadedModule()


class LoadedModule:
    """CuPy's `cuda.function.Module`."""

    def load(self, code: bytes) -> None:
        """What NVRTC made."""
        self.module = ShimDriver().compile(code.decode())

    def get_function(self, name: str) -> Any:
        """A kernel."""

        def launch(
            grid: tuple[int, ...], block: tuple[int, ...], arguments: tuple[Any, ...], shared_mem: int
        ) -> None:
            for argument in arguments:
                assert isinstance(argument, DeviceArray | np.int64), argument
            given = [int(a) if isinstance(a, np.int64) else to_host(a) for a in arguments]
            self.module.launch(name, grid[0], block[0], *given, shared=shared_mem)

        return launch


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CupyWithKernels:
    """Its stand-in, with an empty cache."""
    made = CupyWithKernels()
    monkeypatch.setitem(sys.modules, "cupy", made)
    monkeypatch.setattr(CupyDriver, "memory", lambda _: 1 << 26)
    monkeypatch.setenv("ABSINT_CACHE_DIR", str(tmp_path))
    cupy._module.cache_clear()
    return made


@needs_compiler
def test_the_driver(device: CupyWithKernels) -> None:
    """Without a device only what it does with CuPy's functions can be seen."""
    backend = find_backend("cupy")
    view = View(45, 70)
    for seed in range(4):
        program = Program(random_graph(Random(seed), 40))
        run, expected = backend.prepare(program), ArrayEngine(program, np, 1 << 20).image(view)
        for _ in range(3):  # the second time a graph would be made
            assert_same(run.image(view), expected)
        assert_same(run.values(0.5, 0.25), ArrayEngine(program, np, 9).values(0.5, 0.25))
    assert device.compiled == 1
    cupy._module.cache_clear()
    assert_same(backend.prepare(program).image(view), expected)
    assert device.compiled == 1  # the cache had it


def test_a_text_that_does_not_compile(device: CupyWithKernels) -> None:
    with pytest.raises(BackendError, match=r"NVRTC rejects the kernels: .* identifier is undefined"):
        CupyDriver().compile("no such type")


@needs_compiler
def test_points_are_rounded_where_subnormals_survive(device: CupyWithKernels) -> None:
    """On the host: CuPy's own conversions flush them."""
    program = Program(parse_vm("x var-x"), Precision.F32)
    tiny = np.array([1e-40, 1e-45, -1e-42])
    given = FAKE.asarray(tiny)
    assert isinstance(given, DeviceArray)
    found = find_backend("cupy").prepare(program).values(given, 0.0)
    assert FAKE.asnumpy(found).tolist() == tiny.astype(np.float32).tolist()


@needs_compiler
def test_kernels_that_flush_subnormals_are_refused(
    device: CupyWithKernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = kernel_source(Precision.F32).replace("values[0] * values[1];", "(real)0;")
    monkeypatch.setattr(engine, "kernel_source", lambda _: text)
    with pytest.raises(BackendError, match="flush subnormal numbers"):
        find_backend("cupy").prepare(Program(parse_vm("x var-x"))).image(View.square(4))


def test_arrays_are_for_binary64(device: CupyWithKernels) -> None:
    backend = find_backend("cupy:arrays")
    with pytest.raises(BackendError, match="method 'arrays' is for f64"):
        backend.prepare(Program(parse_vm("x var-x"), Precision.F32))
    view = View.square(8)
    program = Program(parse_vm("x var-x"), Precision.F64)
    assert_same(backend.prepare(program).image(view), ArrayEngine(program, np, 9).image(view))


# Where it cannot be used


def test_without_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)  # importing it fails now
    with pytest.raises(BackendError) as caught:
        find_backend("cupy")
    assert str(caught.value) == (
        "backend 'cupy' is not available: CuPy is not installed; "
        "pip install 'absint[cuda12]' (or 'absint[cuda13]', after the driver's CUDA version)"
    )


class NoDevice:
    """As much of CuPy as is there without a driver."""

    class CUDARuntimeError(RuntimeError):
        """What the runtime raises."""

    def __init__(self, count: int | None) -> None:
        self.cuda, self.runtime, self.count = self, self, count

    def getDeviceCount(self) -> int:  # CuPy's name
        if self.count is None:
            raise self.CUDARuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")
        return self.count


@pytest.mark.parametrize(
    ("count", "reason"),
    [
        (0, "CuPy finds no CUDA device"),
        (None, "CuPy finds no CUDA device: cudaErrorInsufficientDriver: CUDA driver version is insufficient"),
    ],
)
def test_without_a_device(monkeypatch: pytest.MonkeyPatch, count: int | None, reason: str) -> None:
    monkeypatch.setitem(sys.modules, "cupy", NoDevice(count))
    with pytest.raises(BackendError) as caught:
        find_backend("cupy")
    assert str(caught.value) == f"backend 'cupy' is not available: {reason}"


def test_listing_backends_does_not_import_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    from absint.base.registry import names

    real_import = builtins.__import__

    def watch(name: str, *rest: Any) -> Any:
        assert name.partition(".")[0] != "cupy"
        return real_import(name, *rest)

    monkeypatch.setattr(builtins, "__import__", watch)
    names.cache_clear()
    assert "cupy" in names("backends")
