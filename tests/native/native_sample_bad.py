"""Kernels that `absint.native.units` must refuse, each for one reason."""

from __future__ import annotations

import math
from typing import Any

from numba import float64, int32, int64, njit, void


def raises(a: Any) -> Any:
    if a < 0:
        raise ValueError
    return a


def prints(a: Any) -> None:
    print(a)  # noqa: T201  # the very thing to refuse


def sine(a: Any) -> Any:
    return math.sin(a)


def power(a: Any, b: Any) -> Any:
    return a**b


@njit(fastmath=True)
def fused(a: Any, b: Any, c: Any) -> Any:
    return a * b + c


def loose(a: Any, b: Any, c: Any) -> Any:
    return fused(a, b, c)


def half(a: Any) -> Any:
    return a


def wrong(a: Any) -> Any:
    return a * 0.5


def kernels(name: str) -> dict[str, tuple[Any, Any]]:
    every = {
        "raises": (raises, int64(int64)),
        "prints": (prints, void(int64)),
        "sine": (sine, float64(float64)),
        "power": (power, float64(float64, float64)),
        "loose": (loose, float64(float64, float64, float64)),
        "half": (half, int32(int32)),
        "wrong": (wrong, int64(int64)),
    }
    return {name: every[name]}
