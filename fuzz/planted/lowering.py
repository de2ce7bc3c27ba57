"""Bugs in the lowering, in plans and in the renderer. Their kernels are compiled, so bugs are planted in the
kernels' arguments and results.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.evaluation.view import View
from absint.ir.program import Program
from absint.lowering import plan as plans
from absint.lowering.plan_format import ALL_OF, ANY_OF, AT_MOST, GREATEST, LEAST
from absint.lowering.predicates import Predicates
from absint.ops.precision import Precision
from absint.ops.table import ALL, ANY, BAND

from .tools import Bug, Plant, edited, module_of, planted

bands, contract, flatten, predicates = (
    module_of("passes", name) for name in ("bands", "contract", "flatten", "predicates")
)
numba, renderer = (module_of("backends", "numba", part) for part in ("", "renderer"))

Edit = Callable[[Program, Predicates], Predicates]


def _made(module: ModuleType, edit: Edit) -> Plant:
    """Edit the predicates that a pass makes."""

    def make(old: Any) -> Any:
        return lambda program, made, analyses: old(program, edit(program, made), analyses)

    return planted(module, "with_predicates", make)


def _beside(ends: NDArray[np.float64], precision: Precision, direction: float) -> NDArray[np.float64]:
    """The next floats in a direction, in a precision; infinities stay."""
    real = precision.real
    next_ones = np.nextafter(ends.astype(real), real(direction)).astype(np.float64)
    return np.where(np.isfinite(ends), next_ones, ends)


def _moved(end: int, direction: float, only: Callable[[Program, Predicates], Any] | None = None) -> Edit:
    """Move one end of bands by one float, unless that empties the band."""

    def edit(program: Program, made: Predicates) -> Predicates:
        ends = made.bands.copy()
        ends[:, end] = _beside(ends[:, end], program.precision, direction)
        moves = (made.code == BAND.code) & (ends[:, 0] <= ends[:, 1])
        # the root's own band, f < 0, stays
        moves &= np.abs(made.bands[:, end]) > program.precision.tiny
        if only is not None:
            moves &= only(program, made)
        return replace(made, bands=np.where(moves[:, None], ends, made.bands))

    return edit


def _of_variables(program: Program, made: Predicates) -> Any:
    return np.isin(made.value, list(program.graph.variables))


def _not_strict(program: Program, made: Predicates) -> Predicates:
    ends = made.bands.copy()
    ends[ends[:, 1] == -program.precision.tiny, 1] = 0.0
    return replace(made, bands=ends)


def _lists(made: Predicates) -> list[list[int]]:
    items = made.items.tolist()
    return [items[first:last] for first, last in itertools.pairwise(made.starts.tolist())]


def _with_lists(made: Predicates, lists: list[list[int]]) -> Predicates:
    starts = np.concatenate([[0], np.cumsum([len(items) for items in lists])]).astype(np.int32)
    return replace(made, starts=starts, items=np.array([i for items in lists for i in items], np.int32))


def _item_lost(program: Program, made: Predicates) -> Predicates:
    return _with_lists(made, [items[:-1] if len(items) > 2 else items for items in _lists(made)])


def _confused(program: Program, made: Predicates) -> Predicates:
    """Exchange `all` and `any`, except at the root."""
    code = made.code.copy()
    inner = slice(0, len(code) - 1)
    code[inner] = np.select(
        [made.code[inner] == ALL.code, made.code[inner] == ANY.code], [ANY.code, ALL.code], made.code[inner]
    )
    return replace(made, code=code)


def _united(old: Any) -> Any:
    """Bands of one value in an `all` become the one around both, before they are intersected."""

    def sweep(made: Predicates, program: Program) -> Any:
        ends = made.bands.copy()
        for code, items in zip(made.code.tolist(), _lists(made), strict=True):
            values = [item for item in items if code == ALL.code and made.code[item] == BAND.code]
            for a, b in itertools.combinations(values, 2):
                if made.value[a] == made.value[b]:
                    hull = min(ends[a, 0], ends[b, 0]), max(ends[a, 1], ends[b, 1])
                    ends[a] = ends[b] = hull
        return old(replace(made, bands=ends), program)

    return sweep


LOWERING = (
    Bug("threshold:upper-above", "the search for an upper threshold ends one float too high",
        _made(predicates, _moved(1, np.inf))),
    Bug("threshold:upper-below", "the search for an upper threshold ends one float too low",
        _made(predicates, _moved(1, -np.inf))),
    Bug("threshold:lower-above", "the search for a lower threshold ends one float too high",
        _made(predicates, _moved(0, np.inf))),
    Bug("threshold:lower-below", "the search for a lower threshold ends one float too low",
        _made(predicates, _moved(0, -np.inf))),
    Bug("predicates:strict", "f < 0 is lowered as f <= 0", _made(predicates, _not_strict)),
    Bug("predicates:lists", "all and any are confused below the root", _made(predicates, _confused)),
    Bug("flatten:item", "a flattened list loses its last item", _made(flatten, _item_lost)),
    Bug("bands:union", "bands of one value in an all are united", planted(bands, "_sweep", _united)),
    Bug("contract:lower", "a contracted box is open below",
        _made(contract, _moved(0, np.inf, _of_variables))),
    Bug("contract:upper", "a contracted box is open above",
        _made(contract, _moved(1, -np.inf, _of_variables))),
)  # fmt: skip


def _plan(edit: Callable[[plans.Plan], dict[str, Any]]) -> Plant:
    """Change some fields of every plan."""
    return edited(numba, "make_plan", lambda plan: replace(plan, **edit(plan)))


def _column(array: NDArray[Any], column: int, value: Any) -> NDArray[Any]:
    changed = array.copy()
    changed[:, column] = value
    return changed


def _open_boxes(old: Any) -> Any:
    """Exclude from boxes the sample at their upper end."""

    def thresholds(self: Any, ends: NDArray[np.float64]) -> Any:
        below = ends.copy()
        below[:, 1] = _beside(ends[:, 1], self._program.precision, -np.inf)
        return old(self, below)

    return thresholds


def _single(plan: plans.Plan) -> dict[str, Any]:
    with np.errstate(over="ignore"):
        return {"constant_values": plan.constant_values.astype(np.float32).astype(np.float64)}


def _regions(edit: Callable[[Any], dict[str, Any]]) -> Plant:
    return _plan(
        lambda plan: {} if plan.regions is None else {"regions": replace(plan.regions, **edit(plan.regions))}
    )


def _exchanged(kind: NDArray[np.uint8], a: int, b: int) -> NDArray[np.uint8]:
    return np.select([kind == a, kind == b], [b, a], kind).astype(np.uint8)


PLANS = (
    Bug("plan:sum-sign", "u(x) - v(y) is drawn as u(x) + v(y)",
        _plan(lambda plan: {"sum_numbers": _column(plan.sum_numbers, 3, np.abs(plan.sum_numbers[:, 3]))})),
    Bug("plan:sum-lower", "the lower end of a sum's band is forgotten",
        _plan(lambda plan: {"sums": _column(plan.sums, 4, AT_MOST)})),
    Bug("plan:sum-upper", "the upper end of a sum's band is one float too low",
        _plan(lambda plan: {"sum_numbers": _column(
            plan.sum_numbers, 5, _beside(plan.sum_numbers[:, 5], plan.precision, -np.inf))})),
    Bug("plan:box-end", "boxes are open above", planted(plans._PlanBuilder, "_find_thresholds", _open_boxes)),
    Bug("plan:last-term", "the last term is not drawn",
        _plan(lambda plan: {"starts": plan.starts[:-1], "top_boxes": plan.top_boxes[:-1]})),
    Bug("plan:tape-end", "the upper end of a tape's band is one float too low",
        _plan(lambda plan: {"band_ends": _column(
            plan.band_ends, 1, _beside(plan.band_ends[:, 1], plan.precision, -np.inf))})),
    Bug("plan:constants", "a plan's constants are of binary32", _plan(_single)),
    Bug("regions:min", "regions take a min for a max",
        _regions(lambda program: {"kind": _exchanged(program.kind, LEAST, GREATEST)})),
    Bug("regions:lists", "regions take an all for an any",
        _regions(lambda program: {"kind": _exchanged(program.kind, ALL_OF, ANY_OF)})),
)  # fmt: skip


def _frame(change: Callable[[Any], dict[str, Any]]) -> Plant:
    """Change some fields of every frame."""

    def edit(frame: Any) -> Any:
        for name, value in change(frame).items():
            setattr(frame, name, value)
        return frame

    return edited(renderer, "make_frame", edit)


def _later(samples: NDArray[Any]) -> NDArray[Any]:
    """The samples, each moved to the place of the one before it."""
    return np.append(samples[1:], samples[-1:])


def _drawn(change: Callable[[NDArray[np.uint8], View, int], None]) -> Plant:
    """Change every picture after it is drawn."""

    def make(old: Any) -> Any:
        def image(self: Any, view: View, threads: int, out: Any = None) -> NDArray[np.uint8]:
            picture: NDArray[np.uint8] = old(self, view, threads, out)
            change(picture, view, threads)
            return picture

        return image

    return planted(renderer.Renderer, "image", make)


def _next_row(picture: NDArray[np.uint8], view: View, threads: int) -> None:
    picture[1:] = picture[:-1].copy()


def _no_second_tile(picture: NDArray[np.uint8], view: View, threads: int) -> None:
    if threads > 1:
        picture[renderer.TILE_ROWS :] = 0


def _no_partial_strip(picture: NDArray[np.uint8], view: View, threads: int) -> None:
    picture[:, view.width - view.width % 8 :] = 0


RENDERER = (
    Bug("frame:z", "pictures are drawn at z = 0", _frame(lambda frame: {"height_z": 0.0})),
    Bug("frame:columns", "columns are off by one", _frame(lambda frame: {"xs": _later(frame.target("xs"))})),
    Bug("frame:rows", "rows are off by one", _frame(lambda frame: {"ys": _later(frame.target("ys"))})),
    Bug("frame:box-rows", "boxes are placed among the rows of another picture",
        _frame(lambda frame: {"ys_rising": _later(frame.target("ys_rising"))})),
    Bug("image:rows", "rows are written one further down", _drawn(_next_row)),
    Bug("image:tiles", "the second of two threads' tiles is missing", _drawn(_no_second_tile)),
    Bug("image:strip", "a last strip of columns that is not full is missing", _drawn(_no_partial_strip)),
)  # fmt: skip

BUGS = (*LOWERING, *PLANS, *RENDERER)
