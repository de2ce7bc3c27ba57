"""Drivers run the CUDA engine's kernels: on a GPU through CuPy, or on a CPU through the shim."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

_WARP = 32


class Module(Protocol):
    """Compiled kernels."""

    def launch(self, name: str, blocks: int, threads: int, *arguments: Any, shared: int = 0) -> None:
        """Run a kernel on a grid. `arguments`: integers, and arrays of `Driver.xp` for pointers.

        `shared`: bytes of shared memory. May return before the kernel has finished.
        """


class Driver(Protocol):
    """Memory and kernels of one device. `backend`: the name of the driver's backend."""

    backend: ClassVar[str]
    xp: Any
    """NumPy, or CuPy: the module of arrays in the device's memory."""
    warps: int
    """Number of warps that run at once; further warps wait."""

    def compile(self, source: str) -> Module:
        """Compile kernels from source text, through a cache."""

    def download(self, array: Any) -> NDArray[Any]:
        """A copy of an array in this process's memory, after all kernels launched before have finished."""

    def seconds(self, work: Callable[[], None]) -> float:
        """Seconds that the device takes for the kernels that `work` launches."""

    def record(self, work: Callable[[], None]) -> Callable[[], None] | None:
        """A function that launches the kernels of `work` again, with the same arguments and less overhead;
        None if the driver has no such way.
        """

    def memory(self) -> int:
        """Bytes available for scratch memory."""


def grid(driver: Driver, items: int, threads: int) -> int:
    """Number of blocks of `threads` threads to launch for `items` items, one item to a thread."""
    return max(1, min(-(-items // threads), 2 * driver.warps * _WARP // threads))


def address(array: Any) -> int:
    """The address of an array on the device."""
    return int(array.data.ptr if hasattr(array.data, "ptr") else array.__array_interface__["data"][0])


def pointers(driver: Driver, arrays: list[Any]) -> Any:
    """The addresses of arrays, 0 for None, as an array in the device's memory."""
    found = [0 if array is None else address(array) for array in arrays]
    return driver.xp.asarray(np.array(found or [0], np.int64))
