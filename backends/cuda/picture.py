"""Drawing a plan on a device.

| kernel           | work                            | one …                                    |
|------------------|---------------------------------|------------------------------------------|
| `begin`          | what is fixed for the picture   | thread                                   |
| `tabulate`       | tables over columns, over rows  | thread to a column or a row              |
| `place_boxes`    | boxes of terms in pixels        | thread to a box                          |
| `draw_terms`     | all terms                       | block to a tile, lane to a column        |
| `divide_picture` | large regions, specialised      | lane to a region of 128 by 128           |
| `divide_regions` | small regions, specialised      | warp to a large region, lane to a small  |
| `draw_regions`   | pixels                          | warp to a small region                   |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.evaluation.view import View
from absint.lowering.plan import Plan
from absint.lowering.region_plan import RegionProgram

from .device_code import make_device_code
from .driver import Driver, Module, grid
from .source import LARGE, SMALL_HEIGHT, SMALL_WIDTH

THREADS = 128
_WARP = 32
_COUNTERS = 5
_NO_ROOM = 4
_REGION_INTS = 5
_STEP_BYTES = 16
_FIRST_ROOM = 1 << 22
"""Room at first for the steps of all specialised programs together, 64 MB; it grows when it was too small."""
_MOST_ROOM = 1 << 30
"""Most room for steps, which kernels count in int32."""


class Picture:
    """Draws pictures of one plan."""

    def __init__(self, plan: Plan, driver: Driver, module: Module) -> None:
        self._plan = plan
        self._driver = driver
        self._module = module
        self._real = real = plan.precision.dtype
        upload = self._upload
        code = make_device_code(plan)
        self._code = upload(code.instructions)
        self._fixed = upload(code.fixed)
        self._table_counts = code.tables
        self._slots = max(1, code.slots)
        self._terms = (
            upload(plan.code), upload(plan.starts), upload(plan.top_boxes), len(plan.starts),
        )  # fmt: skip
        self._sums = upload(plan.sums), upload(plan.sum_numbers.astype(real))
        self._tapes = upload(plan.tapes), upload(code.bands), upload(plan.band_ends.astype(real))
        self._boxes = upload(plan.boxes)
        self._thresholds = upload(plan.thresholds_x), upload(plan.thresholds_y)
        self._regions = None if plan.regions is None else _Regions(self, plan.regions, code.special)
        self._frame: tuple[View, _Frame] | None = None
        self._room = _FIRST_ROOM

    def _upload(self, array: NDArray[Any]) -> Any:
        """A copy in the device's memory; an empty array is replaced by zeros, so that its pointer is
        valid.
        """
        whole = np.ascontiguousarray(array)
        return self._driver.xp.asarray(whole if whole.size else np.zeros(32, whole.dtype))

    def describe(self) -> str:
        """What is drawn as terms in tiles, and what in regions."""
        terms, regions = len(self._plan.starts), self._regions
        parts = [f"{terms} small terms in tiles"] * bool(terms)
        if regions is not None:
            left = "what is not made of small terms, " if terms else ""
            parts.append(f"{left}{regions.count} operations, in specialised regions")
        return "; ".join(parts) or "nothing"

    def draw(self, view: View, rows: slice | None = None) -> Any:
        """uint8[rows, width] in the device's memory, valid until the next call; all rows by default."""
        known = self._frame
        if known is not None and rows is None and (known[0] is view or known[0] == view):
            return known[1].draw()
        self._frame = None  # frees its memory for the next frame
        while True:
            frame = _Frame(self, view, rows or slice(None))
            image = frame.draw()
            more = 4 * self._room
            if frame.had_room or more * _STEP_BYTES > self._driver.memory() or more > _MOST_ROOM:
                break
            self._room = more
            del frame, image  # frees their memory
        if rows is None:
            self._frame = view, frame
        return image


class _Regions:
    """The regions' program in the device's memory."""

    def __init__(self, picture: Picture, program: RegionProgram, special: NDArray[np.int32]) -> None:
        upload = picture._upload
        steps = program.steps.copy()
        special = special[program.specials]
        for column in (1, 2):
            operand = steps[:, column]
            steps[:, column] = np.where(operand < 0, special[np.where(operand < 0, ~operand, 0)], operand)
        steps[:, 3] = program.op.astype(np.int32) + 256 * program.kind.astype(np.int32)
        self.count, self.item_count = len(steps), len(program.items)
        self._source = steps, program.items
        self.ends = upload(program.ends.astype(picture._real))

    def arenas(self, driver: Driver, regions: int, most: int) -> tuple[Any, int, Any, int]:
        """Room for the specialised programs of `regions` regions, behind the whole program: steps and items,
        at most `most` of each.
        """
        rooms = [len(array) + min(most, len(array) * regions) for array in self._source]
        xp = driver.xp
        made = xp.empty((rooms[0], 4), np.int32), xp.empty(rooms[1], np.int32)
        for arena, array in zip(made, self._source, strict=True):
            arena[: len(array)] = xp.asarray(array)
        return made[0], rooms[0], made[1], rooms[1]


class _Frame:
    """A plan in a view: the memory that its kernels use, and the picture."""

    def __init__(self, picture: Picture, view: View, rows: slice) -> None:
        self._picture = picture
        xp, real = picture._driver.xp, picture._real
        precision = picture._plan.precision
        samples = view.xs(precision), view.ys(precision)[rows], view.height_z(precision)
        self._xs, self._ys, self._z = map(xp.asarray, samples)
        self._shape = len(self._ys), len(self._xs)
        self._tables = [
            xp.empty((count, len(column)), real)
            for count, column in zip(picture._table_counts, samples[:2], strict=True)
        ]
        self._box_pixels = xp.empty((max(1, len(picture._plan.boxes)), 4), np.int32)
        self._image = xp.empty(self._shape, np.uint8)
        self._begin()
        self._set_up_terms()
        self._set_up_regions()
        self._drawn = 0
        self._again: Callable[[], None] | None = None

    def _begin(self) -> None:
        """Compute what all pictures of this view share."""
        picture, plan, launch = self._picture, self._picture._plan, self._picture._module.launch
        launch("begin", 1, _WARP, picture._code, *plan.fixed_tape, picture._fixed, self._z)
        tapes = plan.x_tape, plan.y_tape
        for tape, samples, tables in zip(tapes, (self._xs, self._ys), self._tables, strict=True):
            launch(
                "tabulate", grid(picture._driver, len(samples), THREADS), THREADS, picture._code, *tape,
                samples, len(samples), tables, picture._fixed,
            )  # fmt: skip
        if len(plan.boxes):
            launch(
                "place_boxes", grid(picture._driver, len(plan.boxes), THREADS), THREADS, picture._boxes,
                len(plan.boxes), *picture._thresholds, self._xs, len(self._xs), self._ys, len(self._ys),
                self._box_pixels,
            )  # fmt: skip

    def _set_up_terms(self) -> None:
        """Allocate memory for terms."""
        picture, (height, width) = self._picture, self._shape
        driver = picture._driver
        tiles = -(-width // _WARP) * -(-height // _WARP)
        room = picture._slots * THREADS * picture._real.itemsize
        self._term_blocks = max(1, min(grid(driver, tiles * THREADS, THREADS), driver.memory() // room))
        self._term_scratch = driver.xp.empty(self._term_blocks * picture._slots * THREADS, picture._real)

    def _set_up_regions(self) -> None:
        """Allocate memory for regions."""
        picture, (height, width) = self._picture, self._shape
        regions = picture._regions
        if regions is None:
            return
        driver, xp = picture._driver, picture._driver.xp
        large = -(-width // LARGE) * -(-height // LARGE)
        small = -(-width // SMALL_WIDTH) * -(-height // SMALL_HEIGHT)
        warp_bytes = regions.count * _WARP * (2 * picture._real.itemsize + 5)
        warps = max(4, min(small, driver.warps, driver.memory() // warp_bytes) // 4 * 4)
        self._region_blocks = warps // 4
        steps, step_room, items, item_room = regions.arenas(driver, large + small, picture._room)
        self._counters = xp.zeros(_COUNTERS, np.int64)
        self._first_counters = xp.asarray(np.array([regions.count, regions.item_count, 0, 0, 0], np.int64))
        self._region_arguments = (
            self._xs, width, self._ys, height, regions.ends, picture._fixed, steps, step_room, items,
            item_room, regions.count, self._counters, xp.empty(warps * warp_bytes, np.uint8),
            xp.empty((large, _REGION_INTS), np.int32), xp.empty((small, _REGION_INTS), np.int32),
        )  # fmt: skip

    def draw(self) -> Any:
        """Draw the picture; returns it in the device's memory."""
        self._drawn += 1
        if self._drawn == 2:  # the first call has made everything that is made on first use
            self._again = self._picture._driver.record(self._launch)
        (self._again or self._launch)()
        return self._image

    @property
    def had_room(self) -> bool:
        """Whether there was room for the shorter program of every region that has one."""
        if self._picture._regions is None:
            return True
        return not int(self._picture._driver.download(self._counters)[_NO_ROOM])

    def _launch(self) -> None:
        """Launch all kernels of a frame."""
        picture, (height, width), image = self._picture, self._shape, self._image
        launch = picture._module.launch
        if picture._terms[-1]:
            tapes, bands, ends = picture._tapes
            launch(
                "draw_terms", self._term_blocks, THREADS, *picture._terms, self._box_pixels, *picture._sums,
                picture._code, tapes, bands, ends, *self._tables, self._xs, width, self._ys, height,
                picture._fixed, self._term_scratch, picture._slots, image,
            )  # fmt: skip
        else:
            image.fill(0)
        if picture._regions is not None:
            self._counters[...] = self._first_counters
            for name in ("divide_picture", "divide_regions", "draw_regions"):
                launch(name, self._region_blocks, THREADS, *self._region_arguments, image)
