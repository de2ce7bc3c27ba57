"""sin, cos, tan, asin, acos, atan, atan2, exp and ln, defined once and for all backends.

Platform libraries differ in the last bits, between NumPy builds, Numba and CUDA, so they cannot be what a
program means. Here each function is an algorithm in basic operations: `libm32` for binary32, computed in
binary64 and rounded once; `libm64` for binary64, with an error below one ulp.
"""

from __future__ import annotations

from absint.ops.libm.binary32 import acos32, asin32, atan2_32, atan32, cos32, exp32, ln32, sin32, tan32
from absint.ops.libm.binary64 import acos64, asin64, atan2_64, atan64, cos64, exp64, ln64, sin64, tan64

__all__ = [
    "acos32",
    "acos64",
    "asin32",
    "asin64",
    "atan2_32",
    "atan2_64",
    "atan32",
    "atan64",
    "cos32",
    "cos64",
    "exp32",
    "exp64",
    "ln32",
    "ln64",
    "sin32",
    "sin64",
    "tan32",
    "tan64",
]
