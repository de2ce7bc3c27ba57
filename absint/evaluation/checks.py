"""Argument checks shared by all engines: programs, points, boxes, views, threads, and arrays to write
into.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from absint.base.arguments import whole
from absint.base.errors import BackendError, DomainError, PromiseError, UsageError, shown, shown_path
from absint.evaluation.view import View
from absint.ir.box import Box
from absint.ir.graph import AXES
from absint.ir.program import Program, Promise, check_program
from absint.ops.precision import Precision

Ranges = Mapping[str, tuple[Any, Any]]
"""For each variable, arrays of lower and upper ends: many boxes at once. Arrays broadcast."""


def as_program(program: object) -> Program:
    """The argument, if it is a sound program. Raises `UsageError` for anything else, such as a plan, and
    `GraphError` for a program whose graph is not sound.
    """
    check_program(program)
    assert isinstance(program, Program)
    return program


def thread_count(threads: object, all_of_them: int) -> int:
    """The number of threads to use: `threads`, or `all_of_them` for None. Raises `UsageError` for less than
    one.
    """
    return all_of_them if threads is None else whole(threads, "threads", UsageError, 1)


def check_gradual_underflow() -> None:
    """Raises `BackendError` when the processor flushes subnormals to zero.

    A third-party extension built with -ffast-math can switch flushing on for the whole process; then results
    are not exact.
    """
    smallest = np.finfo(np.float32).smallest_subnormal
    if np.float32(smallest * np.float32(4.0)) / np.float32(2.0) == 0 or np.float64(5e-324) * 1.0 == 0:
        raise BackendError(
            "this process flushes subnormal floats to zero, so results would not be exact; "
            "some extension was built with -ffast-math: import it after absint, or not at all"
        )


def check_values_promised(program: Program) -> None:
    """Raises `PromiseError` unless the program keeps its values; a lowered program has none."""
    if program.promise is not Promise.BITS or program.graph.lowered:
        raise PromiseError("the program promises only its sign, not its values: optimise it with -O1")


def check_box(program: Program, box: Box) -> None:
    """Raises `DomainError` unless the program holds on all of `box`.

    The check covers every variable of the original program: a pass may have removed a variable because of its
    bounds.
    """
    for name in sorted(program.variables & set(program.box.bounds)):
        lower, upper = program.box.bounds[name]
        inner = box.bounds.get(name)
        if inner is None:
            raise DomainError(
                f"the program holds for {shown_path(name)} from {lower!r} to {upper!r}; here it is unbounded"
            )
        if inner[0] < lower or inner[1] > upper:
            raise DomainError(
                f"the program holds for {shown_path(name)} from {lower!r} to {upper!r}; "
                f"here it is from {inner[0]!r} to {inner[1]!r}"
            )


def check_view(program: Program, view: View) -> None:
    """Raises `DomainError` unless the program has an image in this view, and `UsageError` for what is no
    view.
    """
    if not isinstance(view, View):
        raise UsageError(f"view {shown(view)}: expected a View, as View(640, 480)")
    free = sorted(set(program.graph.variables.values()) - set(AXES))
    if free:
        raise DomainError(f"an image has no position for the variable {shown(free[0])}, only for x, y and z")
    if program.box.bounds:
        check_box(program, view.box(program.precision))


def is_same_view(view: object, checked: View | None) -> bool:
    """Whether a view equals the one that was checked last."""
    return checked is not None and (view is checked or (isinstance(view, View) and view == checked))


def points_given(
    program: Program, needed: Iterable[str], given: Mapping[str, Any], xp: Any = np
) -> tuple[dict[str, Any], tuple[int, ...]]:
    """Points as arrays of the program's precision, and the shape that they broadcast to.

    `needed`: the variables that must be given. `xp`: NumPy, or a module like it. Raises `DomainError` for a
    variable that is missing or unknown, and for points outside the program's box; `UsageError` as
    `real_array` does, and for shapes that do not broadcast.
    """
    if missing := sorted(set(needed) - set(given)):
        raise DomainError(f"no value given for the variable {shown(missing[0])}")
    known = _check_known(program, given)
    points = {name: real_array(name, value, program.precision, xp) for name, value in known.items()}
    shape = broadcast_shape(points)
    if program.box.bounds and 0 not in shape:
        check_box(program, hull(points))
    return points, shape


def check_boxes(boxes: Ranges) -> None:
    """Raises `UsageError` for anything but a mapping from names to pairs of ends."""
    if not isinstance(boxes, Mapping):
        raise UsageError(f"boxes {shown(boxes)}: expected ends by name, as {{'x': (-1.0, 1.0)}}")
    for name, pair in boxes.items():
        if not hasattr(pair, "__len__") or isinstance(pair, str | Mapping) or len(pair) != 2:
            raise UsageError(f"{name}: expected a lower and an upper end, not {shown(pair)}")


def boxes_given(
    program: Program, boxes: Ranges, xp: Any = np
) -> tuple[dict[str, tuple[Any, Any]], tuple[int, ...]]:
    """The ends of boxes as arrays of the program's precision, and the shape that they broadcast to.

    `xp`: NumPy, or a module like it. Raises `DomainError` for an unknown variable, for empty boxes and for
    boxes outside the program's box; `UsageError` as `real_array` does, for shapes that do not broadcast, and
    for anything but a mapping from names to pairs of ends.
    """
    check_boxes(boxes)
    flat: dict[str, Any] = {}
    for name, pair in _check_known(program, boxes).items():
        for end, value in zip(_ENDS, pair, strict=True):
            flat[name + end] = real_array(name + end, value, program.precision, xp)
    shape = broadcast_shape(flat)
    ends = {name: (flat[name + _ENDS[0]], flat[name + _ENDS[1]]) for name in boxes}
    for name, (lower, upper) in ends.items():
        if bool((~(lower <= upper)).any()):
            raise DomainError(
                f"a box is empty along {shown_path(name)}: the lower end is above the upper end, or NaN"
            )
    if program.box.bounds and 0 not in shape:
        both = {name: xp.concatenate([end.ravel() for end in pair]) for name, pair in ends.items()}
        check_box(program, hull(both))
    return ends, shape


_ENDS = ("'s lower end", "'s upper end")

_Value = TypeVar("_Value")


def _check_known(program: Program, given: Mapping[str, _Value]) -> Mapping[str, _Value]:
    """The mapping as given. Raises `DomainError` for a variable that the program does not have."""
    known = program.variables | set(AXES)
    for name in given:
        if name not in known:
            raise DomainError(f"the program has no variable {shown(name)}")
    return given


def real_array(name: str, value: Any, precision: Precision, xp: Any = np) -> Any:
    """Numbers as an array of the module `xp`, rounded to the precision.

    NumPy rounds, even for a device, which would flush subnormal numbers to zero. Raises `UsageError`, with a
    message that begins with `name`, for anything but an array of real numbers, and for masked arrays, since a
    masked element has no value.
    """
    if _is_masked(value):
        raise UsageError(f"{name}: masked arrays are not accepted: pass x.compressed(), which has no mask")
    if xp is not np and is_on_device(value):
        if value.dtype == precision.dtype:
            return value
        value = value.get()
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError):  # ragged, or nested deeper than an array can be
        raise UsageError(f"{name}: {shown(value)} is not an array of numbers") from None
    if array.dtype.kind not in "biuf":
        raise UsageError(f"{name}: expected real numbers, not {array.dtype} {shown(value)}")
    with np.errstate(all="ignore"):  # numbers too large for the precision round to infinity
        array = array.astype(precision.dtype, copy=False)
    return array if xp is np else xp.asarray(array)


def _is_masked(value: object) -> bool:
    """Whether a value is a masked array, or a list that contains one at any depth."""
    if isinstance(value, list | tuple):
        return any(map(_is_masked, value))
    return type(value) is not np.ndarray and isinstance(value, np.ndarray) and np.ma.isMaskedArray(value)


def is_on_device(value: object) -> bool:
    """Whether a value is an array, with a NumPy dtype, in the memory of a GPU."""
    return hasattr(value, "__cuda_array_interface__") and isinstance(getattr(value, "dtype", 0), np.dtype)


def broadcast_shape(arrays: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape that arrays broadcast to. Raises `UsageError`, which lists their shapes, if they do not
    broadcast.
    """
    try:
        return np.broadcast_shapes(*(array.shape for array in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items())
        raise UsageError(f"shapes that do not broadcast: {shapes}") from None


def hull(arrays: Mapping[str, NDArray[Any]]) -> Box:
    """The smallest box that holds all points; a variable that is NaN somewhere stays unbounded."""
    bounds = {name: (float(array.min()), float(array.max())) for name, array in arrays.items() if array.size}
    return Box({name: ends for name, ends in bounds.items() if ends[0] == ends[0]})


def check_out(
    out: object, expected: Sequence[tuple[tuple[int, ...], np.dtype[Any]]], on_device: bool
) -> None:
    """Raises `UsageError` unless an answer can be written into `out`.

    `expected`: shape and type of each of the answer's arrays. For one array `out` is an array, for several a
    tuple. Each array must be writeable, with contiguous rows and no two elements at one address. `on_device`:
    whether arrays in a device's memory are accepted, too.
    """
    arrays: Sequence[Any] = [out] if len(expected) == 1 else out if isinstance(out, tuple) else []
    if len(arrays) != len(expected):
        raise UsageError(f"out: expected a tuple of {len(expected)} arrays, found {_kind(out)}")
    for array, (shape, dtype) in zip(arrays, expected, strict=True):
        if found := _why_not_writeable(array, shape, dtype, on_device):
            wanted = f"a writeable {dtype}{list(shape)} with contiguous rows"
            raise UsageError(f"out: expected {wanted}, found {found}")
    for first, second in itertools.combinations(arrays, 2):
        if first is second or (not is_on_device(first) and np.may_share_memory(first, second)):
            raise UsageError("out: expected separate arrays, found arrays that share memory")


def _why_not_writeable(array: Any, shape: tuple[int, ...], dtype: np.dtype[Any], on_device: bool) -> str:
    """Why an answer of this shape and type cannot be written into an array: what was found instead; empty if
    it can.
    """
    if is_on_device(array):
        if not on_device:
            return "an array on a device, which this backend does not write to"
    elif not isinstance(array, np.ndarray) or np.ma.isMaskedArray(array):
        return _kind(array)
    if array.dtype != dtype or array.shape != shape:
        return f"{array.dtype}{list(array.shape)}"
    if isinstance(array, np.ndarray) and not array.flags.writeable:
        return "a read-only array"
    if 0 in shape:
        return ""
    inner = array.itemsize  # bytes that one element of the current axis spans, its inner axes included
    for axis in reversed(range(len(shape))):
        count, stride = shape[axis], array.strides[axis]
        if count == 1:
            continue
        if axis == len(shape) - 1 and stride != array.itemsize:
            return "rows that are not contiguous"
        if abs(stride) < inner:
            return "rows that overlap"
        inner += (count - 1) * abs(stride)
    return ""


def _kind(value: object) -> str:
    return f"a {type(value).__name__}"
