"""Compiling kernels with g++ and running them through the shim."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from absint.base.errors import BackendError
from absint.base.memo import Turn
from absint.native import cache
from absint.native.temporary import temporary_folder

from ..cuda.driver import address

FLAGS = ("-std=c++17", "-O2", "-ffp-contract=off", "-fno-fast-math", "-fPIC", "-shared", "-w")
"""Options that hold g++ to IEEE arithmetic and make a shared library."""

_turn = Turn("running kernels through the shim")  # a library has one set of fibers


def compiler() -> str | None:
    """The path of the C++ compiler, `$CXX` or g++; None if there is none."""
    return shutil.which(os.environ.get("CXX", "g++"))


def shim_text() -> str:
    """The C++ text of the shim."""
    return resources.files(__package__).joinpath("shim.h").read_text(encoding="utf-8")


class ShimDriver:
    """Driver of a CPU in place of a device. `order`: the order of threads, by default `ABSINT_SHIM_ORDER`."""

    backend: ClassVar[str] = "cuda_shim"
    xp: Any = np
    warps = 8

    def __init__(self, order: int | None = None) -> None:
        self._order = int(os.environ.get("ABSINT_SHIM_ORDER", "0")) if order is None else order

    def compile(self, source: str) -> ShimModule:
        """Compile kernels to a shared library, which is cached on disk."""
        return ShimModule(_library(source), self._order)

    def download(self, array: NDArray[Any]) -> NDArray[Any]:
        """A copy, as from a device."""
        return array.copy()

    def seconds(self, work: Callable[[], None]) -> float:
        """Seconds by the clock."""
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    def record(self, work: Callable[[], None]) -> None:
        """None: the work itself has no overhead to save."""

    def memory(self) -> int:
        """256 MiB."""
        return 1 << 28


class ShimModule:
    """Compiled kernels in a shared library."""

    def __init__(self, library: ctypes.CDLL, order: int) -> None:
        self._library = library
        self._order = order

    def launch(self, name: str, blocks: int, threads: int, *arguments: Any, shared: int = 0) -> None:
        """See `Module.launch`. Raises `BackendError` for a kernel that no GPU would finish."""
        given = np.array([a if isinstance(a, int) else address(a) for a in arguments], np.int64)
        kernel = ctypes.cast(getattr(self._library, name), ctypes.c_void_p)
        with _turn:
            wrong = self._library.shim_launch(
                kernel, blocks, threads, shared, given.ctypes.data, len(given), self._order
            )
        if wrong:
            raise BackendError(f"kernel {name}: {wrong.decode()}")


@functools.cache
def _library(source: str, flags: tuple[str, ...] = FLAGS) -> ctypes.CDLL:
    text = f"{shim_text()}\n{source}"
    cxx = compiler()
    assert cxx is not None, "the backend was not probed"
    key = "\n".join(["cuda shim", cxx, platform.machine(), *flags, text])
    payload = cache.read(key)
    with temporary_folder() as folder:
        path = folder / "kernels.so"
        if payload is None:
            build(text, path, flags)
            cache.write(key, path.read_bytes())
        else:
            path.write_bytes(payload)
        library = ctypes.CDLL(str(path))  # stays in memory when the file is gone
    library.shim_launch.restype = ctypes.c_char_p
    integer = ctypes.c_longlong
    library.shim_launch.argtypes = [
        ctypes.c_void_p,
        integer,
        integer,
        integer,
        ctypes.c_void_p,
        integer,
        ctypes.c_uint64,
    ]
    return library


def build(text: str, path: Path, flags: tuple[str, ...] = FLAGS) -> None:
    """Compile source text to a shared library. Raises `BackendError` with the compiler's messages."""
    cxx = compiler()
    assert cxx is not None, "the backend was not probed"
    source = path.with_suffix(".cpp")
    source.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [cxx, *flags, "-o", str(path), str(source)], capture_output=True, text=True, check=False,
        env=os.environ | {"TMPDIR": str(path.parent)},
    )  # fmt: skip
    with contextlib.suppress(OSError):
        source.unlink()
    if done.returncode:
        raise BackendError(f"{cxx} does not compile the kernels: {done.stderr[-2000:]}")
