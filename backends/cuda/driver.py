"""The seam between the engine and what runs its kernels: a GPU through CuPy, or the shim on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

_WARP = 32


class Module(Protocol):
    """Compiled kernels."""

    def launch(self, name: str, blocks: int, threads: int, *arguments: Any, shared: int = 0) -> None:
        """Run a kernel on a grid. `arguments`: whole numbers, and arrays of `Driver.xp` for pointers.

        `shared`: bytes of shared memory. Returns before the kernel is done, if the driver likes.
        """


class Driver(Protocol):
    """Memory and kernels of one device. `backend`: the name of the backend that it is for."""

    backend: ClassVar[str]
    xp: Any
    """NumPy, or CuPy: the module of arrays in the device's memory."""
    warps: int
    """How many warps there may be at once: more of them wait."""

    def compile(self, source: str) -> Module:
        """The kernels of a text, cached."""

    def download(self, array: Any) -> NDArray[Any]:
        """An array in this process's memory, when all kernels before are done."""

    def seconds(self, work: Callable[[], None]) -> float:
        """How long the device takes for what `work` launches."""

    def recorded(self, work: Callable[[], None]) -> Callable[[], None] | None:
        """What launches the same kernels with the same arguments again, with less ado, or None."""

    def memory(self) -> int:
        """Bytes that may be used for scratch memory."""


def grid(driver: Driver, items: int, threads: int) -> int:
    """How many blocks of so many threads to use for a number of items, one to a thread."""
    return max(1, min(-(-items // threads), 2 * driver.warps * _WARP // threads))


def address(array: Any) -> int:
    """Where an array of the device begins."""
    return int(array.data.ptr if hasattr(array.data, "ptr") else array.__array_interface__["data"][0])


def pointers(driver: Driver, arrays: list[Any]) -> Any:
    """The addresses of some arrays, in the device's memory; None is 0."""
    found = [0 if array is None else address(array) for array in arrays]
    return driver.xp.asarray(np.array(found or [0], np.int64))
