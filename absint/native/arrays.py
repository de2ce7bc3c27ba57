"""Calls of native kernels with arrays, which kernels take as addresses."""

from __future__ import annotations

from ctypes import addressof, c_char
from typing import Any

import numpy as np
from numpy.typing import NDArray


def address_of(array: NDArray[Any]) -> int:
    """The address of an array's first element: `array.ctypes.data`, in a fifth of the time."""
    if array.flags.writeable and array.flags.c_contiguous and array.size:
        return addressof(c_char.from_buffer(array))  # type: ignore[arg-type]  # an array has a buffer
    return int(array.ctypes.data)


def call(kernel: Any, *arguments: Any) -> Any:
    """Call a kernel with integers and contiguous arrays; arrays are passed as addresses."""
    given = []
    for argument in arguments:
        if isinstance(argument, np.ndarray):
            assert argument.flags.c_contiguous, "a kernel takes contiguous arrays"
            given.append(address_of(argument))
        else:
            given.append(argument)
    return kernel(*given)  # `arguments` keeps the arrays alive


def addresses(*arrays: NDArray[Any]) -> NDArray[np.int64]:
    """int64[n]: the addresses of contiguous arrays, for a kernel. The caller keeps the arrays alive."""
    assert all(array.flags.c_contiguous for array in arrays), "a kernel takes contiguous arrays"
    return np.array([address_of(array) for array in arrays], np.int64)
