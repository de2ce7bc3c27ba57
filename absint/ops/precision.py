"""The two precisions a program can be run in: IEEE-754 binary32 and binary64."""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np

from absint.base.errors import UsageError, shown


class Precision(Enum):
    """A floating-point format; everything proved about a program is true of one precision only."""

    F32 = "f32"
    F64 = "f64"

    def __init__(self, text: str) -> None:
        self.real: type[np.float32] | type[np.float64] = np.float32 if text == "f32" else np.float64
        self.bits_type: type[np.uint32] | type[np.uint64] = np.uint32 if text == "f32" else np.uint64
        self.dtype: np.dtype[Any] = np.dtype(self.real)
        self.bits_dtype: np.dtype[Any] = np.dtype(self.bits_type)
        info = np.finfo(self.real)
        self.epsilon = float(info.eps) / 2
        """Unit roundoff: half the distance from 1 to the next float."""
        self.tiny = float(info.smallest_subnormal)
        """The smallest positive float, a subnormal."""

    __hash__ = object.__hash__  # members are compared by identity; that of enumerations hashes their names

    def round(self, value: float) -> float:
        """Round a binary64 value to this precision; the result is again held in binary64."""
        if self is Precision.F64:
            return float(value)
        if -3e38 < value < 3e38:  # the common case, without the cost of silencing an overflow
            return float(np.float32(value))
        with np.errstate(over="ignore"):
            return float(np.float32(value))


def as_precision(precision: Precision | str) -> Precision:
    """A precision from its name, `"f32"` or `"f64"`. Raises `UsageError` for another name."""
    if isinstance(precision, Precision):
        return precision
    for known in Precision:
        if isinstance(precision, str) and precision == known.value:
            return known
    raise UsageError(f"precision {shown(precision)}: expected f32 or f64")
