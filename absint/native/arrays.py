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


def address_of_contiguous(array: NDArray[Any]) -> int:
    """The same of a contiguous array, as kernels take them, in less time."""
    if array.flags.writeable and array.size:
        try:
            return addressof(c_char.from_buffer(array))  # type: ignore[arg-type]  # as above
        except TypeError:
            pass  # it is not contiguous
    assert array.flags.c_contiguous, "a kernel takes contiguous arrays"
    return int(array.ctypes.data)


def call(kernel: Any, *arguments: Any) -> Any:
    """Call a kernel with integers and contiguous arrays; arrays are passed as addresses."""
    given = [
        address_of_contiguous(argument) if isinstance(argument, np.ndarray) else argument
        for argument in arguments
    ]
    return kernel(*given)  # `arguments` keeps the arrays alive
