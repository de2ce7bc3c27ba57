"""Kernels for `test_native.py`: sums of every type, and one that takes long."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float32, float64, int64, njit, void


@njit
def twice(a: Any) -> Any:
    return a + a


def add32(a: Any, b: Any) -> Any:
    return twice(a) + b


def add64(a: Any, b: Any) -> Any:
    return twice(a) + b


@njit(error_model="numpy")
def mix(a: Any, b: Any, c: Any) -> Any:
    return np.float64(a) + np.float64(b) * c + 0.1


def ints(a: Any, b: Any) -> Any:
    return (a << 3) - b


def remainder(a: Any, b: Any) -> Any:
    return np.fmod(a, b)


def divide(a: Any, b: Any) -> Any:
    return a / b


def nothing(a: Any) -> None:
    pass


def squares(n: Any) -> Any:
    total = 0
    for i in range(n):
        total ^= i * i
    return total


def choose(n: Any) -> Any:
    total = 0.0
    for i in range(n):
        if i == 0:
            total += 3.5
        elif i == 1:
            total *= 2
        elif i == 2:
            total -= 1
        elif i == 3:
            total = np.floor(total)
        elif i == 4:
            total /= 3
        elif i == 5:
            total = -total
    return total


def spin(n: Any) -> Any:
    a = np.float64(1)
    for _ in range(n):
        a = a * 0.999 + 0.5
    return a


def kernels(kind: str) -> dict[str, tuple[Any, Any]]:
    return {
        "add32": (add32, float32(float32, float32)),
        "add64": (add64, float64(float64, float64)),
        "mix": (mix, float64(int64, float32, float64)),
        "ints": (ints, int64(int64, int64)),
        "rem": (remainder, float32(float32, float32)),
        "divide": (divide, float64(float64, float64)),
        "nothing": (nothing, void(int64)),
        "squares": (squares, int64(int64)),
        "choose": (choose, float64(int64)),
        "spin": (spin, float64(int64)),
    }
