"""Where the samples are: equal to the challenge's script, monotone, and inside the box that is claimed."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from absint.base.errors import ViewError
from absint.evaluation.view import MAX_PIXELS, MAX_SIDE, Grid, View
from absint.ops.precision import Precision

PRECISIONS = list(Precision)
F32, F64 = PRECISIONS


def assert_same_bits(got: NDArray[Any], expected: NDArray[Any]) -> None:
    assert got.dtype == expected.dtype
    assert got.tobytes() == expected.tobytes()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("n", [2, 3, 7, 64, 255, 512, 1024, 2048])
def test_square_is_the_challenge_script(n: int, precision: Precision) -> None:
    """The script: `space = linspace(-1, 1, n)`, x along it, y against it; here -0 is written as +0."""
    view = View.square(n)
    space = np.linspace(-1.0, 1.0, n)
    assert_same_bits(view.xs(precision), space.astype(precision.dtype) + precision.real(0.0))
    assert_same_bits(view.ys(precision), (-space).astype(precision.dtype) + precision.real(0.0))
    assert view.duplicate_samples(precision) == 0


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("grid", list(Grid))
@pytest.mark.parametrize("size", [(1, 1), (3, 3), (5, 2), (2, 5), (7, 1), (1, 7)])
def test_no_negative_zero(size: tuple[int, int], grid: Grid, precision: Precision) -> None:
    """Where a sample is 0, it is +0: 1/x tells the two apart."""
    for scale in (1.0, 5e-324):  # the smaller one rounds to zero in binary32, and halves of it in binary64
        view = View(*size, scale=scale, z=-0.0, grid=grid)
        for positions in (view.xs(precision), view.ys(precision), view.height_z(precision)):
            zeros = positions[positions == 0]
            assert not np.signbit(zeros).any()


def test_center_that_is_negative_zero() -> None:
    view = View.square(1, center=(-0.0, -0.0))
    assert not np.signbit([view.xs(F64), view.ys(F64)]).any()


@pytest.mark.parametrize(
    ("view", "xs", "ys"),
    [
        (View(1, 1), [0], [0]),
        (View(2, 2), [-1, 1], [1, -1]),
        (View(3, 2), [-2, 0, 2], [1, -1]),  # one step for both axes: 2/(2-1)
        (View(2, 3), [-1, 1], [2, 0, -2]),
        (View(5, 3), [-2, -1, 0, 1, 2], [1, 0, -1]),
        (View(4, 1), [-3, -1, 1, 3], [0]),  # one row: step 2
        (View(1, 4), [0], [3, 1, -1, -3]),
        (View(3, 3, center=(10, 20), scale=0.5), [9.5, 10, 10.5], [20.5, 20, 19.5]),
        (View(1, 1, grid=Grid.PIXEL), [0], [0]),
        (View(2, 2, grid=Grid.PIXEL), [-0.5, 0.5], [0.5, -0.5]),
        (View(4, 2, grid=Grid.PIXEL), [-1.5, -0.5, 0.5, 1.5], [0.5, -0.5]),
        (View(4, 1, grid=Grid.PIXEL), [-3, -1, 1, 3], [0]),
        (
            View(4, 4, grid=Grid.PIXEL, center=(1, -1), scale=2),
            [-0.5, 0.5, 1.5, 2.5],
            [0.5, -0.5, -1.5, -2.5],
        ),
    ],
)
def test_positions(view: View, xs: list[float], ys: list[float]) -> None:
    for precision in PRECISIONS:
        assert view.xs(precision).tolist() == xs
        assert view.ys(precision).tolist() == ys


def test_longer_axis_by_its_formula() -> None:
    view = View(1000, 300, center=(0.1, 0.7), scale=0.3)
    xs = [0.1 + 0.3 * ((i - 999 / 2) * (2 / 299)) for i in range(1000)]
    ys = [0.7 - 0.3 * v for v in np.linspace(-1, 1, 300).tolist()]
    assert_same_bits(view.xs(F64), np.array(xs))
    assert_same_bits(view.ys(F64), np.array(ys))
    assert_same_bits(view.xs(F32), np.array(xs, np.float32))  # binary64, then rounded once


finite = st.floats(-1e6, 1e6)
views = st.builds(
    View,
    st.integers(1, 70),
    st.integers(1, 70),
    center=st.tuples(finite, finite),
    scale=st.floats(1e-12, 1e6, exclude_min=True),
    z=finite,
    grid=st.sampled_from(Grid),
)


@given(views, st.sampled_from(PRECISIONS))
def test_box_is_the_hull_of_the_samples(view: View, precision: Precision) -> None:
    xs, ys, z = view.xs(precision), view.ys(precision), view.height_z(precision)
    assert (len(xs), len(ys), z.tolist()) == (view.width, view.height, [float(precision.real(view.z))])
    assert (np.diff(xs) >= 0).all()
    assert (np.diff(ys) <= 0).all()
    box = view.box(precision)
    assert box.bounds == {name: (a.min(), a.max()) for name, a in {"x": xs, "y": ys, "z": z}.items()}
    assert box.rounded(precision) == box
    repeated = len(xs) - len(set(xs.tolist())) + len(ys) - len(set(ys.tolist()))
    assert view.duplicate_samples(precision) == repeated


def test_deep_zoom_counts_repeated_samples() -> None:
    deep = View.square(64, center=(1.0, 1.0), scale=1e-9)
    assert deep.duplicate_samples(F32) == 2 * 63  # one position for all
    assert deep.duplicate_samples(F64) == 0
    assert View.square(64, center=(1.0, 1.0), scale=1e-30).duplicate_samples(F64) == 2 * 63


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"width": 0}, "size 0x3: an image needs at least one pixel each way"),
        ({"height": -1}, "size 4x-1: an image needs"),
        ({"width": MAX_SIDE, "height": 5}, f"too large, above {MAX_PIXELS} pixels"),
        ({"width": MAX_SIDE + 1, "height": 1}, f"too large, a side is above {MAX_SIDE} pixels"),
        ({"width": 1, "height": MAX_SIDE + 1}, "too large, a side is above"),
        ({"scale": 0.0}, "scale 0.0: must be finite and above 0"),
        ({"scale": -1.0}, "scale -1.0: must be"),
        ({"scale": math.nan}, "scale nan: must be"),
        ({"scale": math.inf}, "scale inf: must be"),
        ({"center": (math.nan, 0.0)}, "positions must be finite"),
        ({"center": (0.0, math.inf)}, "positions must be finite"),
        ({"z": -math.inf}, "positions must be finite"),
    ],
)
def test_no_such_view(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ViewError, match=message):
        View(**({"width": 4, "height": 3} | fields))


@pytest.mark.parametrize(
    ("view", "allowed"),
    [
        (View(2, 2, center=(1e39, 0.0)), {F64}),
        (View(2, 2, scale=1e39), {F64}),
        (View(2, 2, z=-1e39), {F64}),
        (View(2, 2, center=(1.7e308, 0.0), scale=1.7e308), set()),
        (View(9, 2, scale=1.7e308), set()),
        (View(9, 2, center=(-1.7e308, 0.0), scale=1.7e308), set()),
    ],
)
def test_positions_that_overflow(view: View, allowed: set[Precision]) -> None:
    """An error, and no warning from NumPy beside it."""
    for precision in PRECISIONS:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            if precision in allowed:
                view.box(precision)
                continue
            with pytest.raises(ViewError, match=f"positions overflow {precision.value}"):
                view.box(precision)
