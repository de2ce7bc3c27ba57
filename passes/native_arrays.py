"""How passes hand arrays to native kernels."""

from __future__ import annotations

from typing import Any

import numpy as np


def call(kernel: Any, *arguments: Any) -> Any:
    """Call a kernel with whole numbers and contiguous arrays, which it is given as addresses."""
    given = []
    for argument in arguments:
        if isinstance(argument, np.ndarray):
            assert argument.flags.c_contiguous, "a kernel takes contiguous arrays"
            given.append(argument.ctypes.data)
        else:
            given.append(argument)
    return kernel(*given)  # `arguments` keeps the arrays alive
