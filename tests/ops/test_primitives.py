"""The primitives that bodies are made of, beyond what the printed forms show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from absint.ops import primitives
from absint.ops.primitives import inf, scale2


def test_primitives_take_other_numbers() -> None:
    class Toy:
        def trunc(self) -> str:
            return "trunc"

        def copysign(self, other: Toy) -> str:
            return "copysign"

        def next_up(self) -> str:
            return "next_up"

    assert primitives.trunc(Toy()) == "trunc"
    assert primitives.next_up(Toy()) == "next_up"
    assert primitives.copysign(Toy(), Toy()) == "copysign"


@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_neighbours(real: Any) -> None:
    info = np.finfo(real)
    tiny, largest = info.smallest_subnormal, info.max
    for a, above in [
        (0.0, tiny),
        (-0.0, tiny),
        (-inf, -largest),
        (largest, inf),
        (inf, inf),
        (1.0, 1 + info.eps),
    ]:
        with np.errstate(over="ignore"):
            assert primitives.next_up(real(a)) == above
            assert primitives.next_down(real(-a)) == -above
    assert np.isnan(primitives.next_up(real("nan")))


@pytest.mark.parametrize("x", [1.0, -1.2345678901234567, 2.0**20, 2.0**-20 * 1.1])
def test_scale2_rounds_once(x: float) -> None:
    for k in [*range(-2200, 2201, 7), -1022, -1074, -1073, 1023, 1024, -(10**6), 10**6]:
        with np.errstate(all="ignore"):
            assert scale2(x, k) == np.ldexp(x, k)
