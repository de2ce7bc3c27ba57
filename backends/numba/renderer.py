"""Drawing a plan: frames of a view, and the memory that threads draw in."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.base.memo import Pool
from absint.evaluation.view import View
from absint.lowering.plan import Plan
from absint.lowering.plan_format import DEEPEST_TERM, Entry
from absint.lowering.region_plan import RegionProgram
from absint.native.arrays import address_of
from absint.ops.precision import Precision
from absint.ops.units import LANES

from . import thread_pool
from .kernels.frame_records import (
    PLANE,
    REGION_LANES,
    REGION_LEAF,
    TILE_COLUMNS,
    TILE_ROWS,
    Y_PITCH,
    Ends,
    Frame,
    PixelBox,
    Regions,
    RegionThread,
    Span,
    Step,
    Thread,
    ThresholdBox,
    Tiles,
)
from .layout import Layout, block_test_savings, lay_out, step_kernels
from .memory import LINE, Room, aligned, allocate
from .units import drawing_units, load

WINDOW = np.repeat(np.array([0, 255, 0], np.uint8), TILE_ROWS)

STREAMED = 1 << 23
"""Size in bytes from which an image is written past the caches, which could not hold it."""

SLICE = 0.05
"""Seconds that kernels run before Python may look for Ctrl-C."""

WORTH_WAKING = 60e-6
"""Seconds that a frame must last to be worth a helper."""

MOST_IDLE = 4
"""Canvases of a plan that are kept between pictures."""

SLACK = 1.2
"""Helpers have done harm if a frame takes more than this many times what a single thread would."""


def make_thread(plan: Plan, layout: Layout) -> Thread:
    """The memory of a thread that draws the plan."""
    precision, real = plan.precision, plan.precision.dtype
    row = LANES * real.itemsize
    scratch = aligned((-(-layout.scratch_bytes // row) + 4, LANES), real)
    scratch[:] = 0
    scratch[layout.registers[plan.constant_registers] // row] = plan.constant_values[:, None]
    planes = DEEPEST_TERM + 1
    thread: Thread = allocate(
        Thread.of(precision.value),
        scratch=scratch,
        x_tables=address_of(scratch) + layout.x_tables,
        y_tables=address_of(scratch) + layout.y_tables,
        column=-1,
        planes=Room(planes * PLANE),
        factors=Room(planes * PLANE),
        filled=Room(PLANE),
        levels=Room(planes),
        sums=Room(2 * Y_PITCH),
        row_bits=Room(TILE_ROWS),
        found=Room(TILE_ROWS),
        found_again=Room(TILE_ROWS),
        words=Room(TILE_COLUMNS),
        window=WINDOW,
    )
    if plan.regions is not None:
        thread.regions = make_region_thread(plan.regions, precision)
    return thread


def make_regions(program: RegionProgram, layout: Layout, precision: Precision) -> Regions:
    """The regions' program, for all threads."""
    intervals, rows = step_kernels(program, precision)
    ends = Ends.of(precision.value).array(len(program))
    ends["lower"], ends["upper"] = program.ends.T
    regions: Regions = Regions.of(precision.value)(
        steps=Step.view(program.steps), count=len(program),
        items=program.items, item_count=len(program.items),
        kinds=program.kind, interval_kernels=intervals, row_kernels=rows, ends=ends,
        savings=block_test_savings(program), special_count=len(program.specials),
        special_places=layout.registers[program.specials] // precision.dtype.itemsize,
        special_classes=layout.classes[program.specials],
    )  # fmt: skip
    return regions


def make_region_thread(program: RegionProgram, precision: Precision) -> RegionThread:
    """The memory of a thread for regions. Most of it is touched only where a region is still large."""
    n, m, specials = len(program), len(program.items), len(program.specials)
    regions, samples = 2 * REGION_LANES, REGION_LANES * LANES
    thread: RegionThread = allocate(
        RegionThread.of(precision.value),
        bounds=Room(n), special_bounds=Room(specials), truth=Room(n), falsity=Room(n), live=Room(n),
        numbers=Room(n * REGION_LANES), steps=Room(regions * n), items=Room(regions * m + 1),
        sizes=Room(regions), block_xs=Room(samples), block_ys=Room(samples), targets=Room(REGION_LANES),
        leaf_code=Room(n), slots=Room(n * (REGION_LEAF + 1) * LANES), masks=Room(n * REGION_LEAF),
        specials=Room(2 * specials), values=Room(n), last_uses=Room(n), free_rows=Room(n),
        free_blocks=Room(n),
    )  # fmt: skip
    return thread


def _pad(samples: NDArray[Any], count: int) -> NDArray[Any]:
    """Samples padded to `count` by repeating the last one."""
    result = aligned(count, samples.dtype)
    result[: len(samples)] = samples
    result[len(samples) :] = samples[-1]
    return result


def make_plan_frame(plan: Plan, layout: Layout) -> Frame:
    """A frame without a view: the fields that all frames of a plan share."""
    frame: Frame = Frame.of(plan.precision.value)(
        code=Entry.view(plan.code), starts=plan.starts, top_boxes=plan.top_boxes, terms=len(plan.starts),
        sums=layout.sums, instructions=layout.instructions, tapes=layout.tapes, tape_bands=layout.bands,
        fixed_tape=_span(plan.fixed_tape), x_tape=_span(plan.x_tape), y_tape=_span(plan.y_tape),
        z=layout.z // plan.precision.dtype.itemsize,
        boxes=ThresholdBox.view(plan.boxes), box_count=len(plan.boxes),
        thresholds_x=plan.thresholds_x, count_x=len(plan.thresholds_x),
        thresholds_y=plan.thresholds_y, count_y=len(plan.thresholds_y),
    )  # fmt: skip
    if plan.regions is not None:
        frame.regions = make_regions(plan.regions, layout, plan.precision)
    return frame


def make_frame(plan: Plan, plan_frame: Frame, view: View) -> Frame:
    """The frame of a plan in a view; the kernel `prepare` adds the pixels of its boxes.

    The frame begins as a copy of `plan_frame` and is valid for as long as `plan_frame` is kept alive.
    """
    xs, ys = view.xs(plan.precision), view.ys(plan.precision)
    tile_rows, tile_columns = -(-view.height // TILE_ROWS), -(-view.width // TILE_COLUMNS)
    tiles = tile_rows * tile_columns
    frame: Frame = type(plan_frame).from_buffer_copy(plan_frame)
    frame.tiles = Tiles(count=tiles, next=aligned(8, np.int64), states=np.zeros(tiles, np.int64))
    frame.xs, frame.height_z = (
        _pad(xs, tile_columns * TILE_COLUMNS),
        float(view.height_z(plan.precision)[0]),
    )
    frame.ys = _pad(ys, tile_rows * TILE_ROWS + Y_PITCH)
    frame.ys_rising = np.ascontiguousarray(ys[::-1])
    frame.width, frame.height, frame.tile_rows = view.width, view.height, tile_rows
    frame.pixels_x = np.empty(len(plan.thresholds_x) + 1, np.int32)
    frame.pixels_y = np.empty(len(plan.thresholds_y) + 1, np.int32)
    frame.pixel_boxes = PixelBox.array(len(plan.boxes) + 1)
    sides = np.full((4, -(-len(plan.starts) // 8) * 8), np.nan)  # NaN: no tile meets the padding
    frame.top_left, frame.top_right, frame.top_top, frame.top_bottom = sides
    return frame


def _span(tape: tuple[int, int]) -> Span:
    """A tape without bands."""
    return Span(first=tape[0], end=tape[1])


class Canvas:
    """Memory for drawing one picture at a time: the frame of the last view, and the threads' memory.

    The first thread is the one that asked for the picture, the others are helpers.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self.threads = [make_thread(renderer.plan, renderer.layout)]
        self._frame: tuple[View, Frame] | None = None

    def frame_of(self, view: View) -> Frame:
        """The frame of a view, ready to be drawn. That of the last view is used again, unless a helper is
        still in it.
        """
        known, renderer = self._frame, self._renderer
        if (
            known is None
            or (known[0] is not view and known[0] != view)
            or (known[1].tiles.helpers and thread_pool.pool.is_in(known[1].address, renderer.pool_kernels))
        ):
            frame = make_frame(renderer.plan, renderer.plan_frame, view)
            known = self._frame = view, frame
        renderer.kernels["prepare"](known[1].address)
        return known[1]

    def admit(self, frame: Frame, helpers: int) -> bool:
        """Give a frame the memory with which helpers may join; false if memory is exhausted."""
        if frame.tiles.helpers != helpers:
            renderer = self._renderer
            try:
                while len(self.threads) <= helpers:
                    self.threads.append(make_thread(renderer.plan, renderer.layout))
            except MemoryError:
                return False
            addresses = [thread.address for thread in self.threads[1 : helpers + 1]]
            frame.tiles.helper_threads = np.array(addresses, np.int64)
            frame.tiles.helpers, frame.tiles.draw = helpers, renderer.draw_address
        return True


class Renderer:
    """Draws frames of one plan: any number of pictures at a time, each on a canvas of its own."""

    def __init__(self, plan: Plan, precision: Precision) -> None:
        self.plan = plan
        self.layout = lay_out(plan)
        self.precision = precision
        # every precision has its own kernels, and helpers run those of the frame that they join
        self.kernels, self.pool_kernels = (load(unit) for unit in drawing_units(precision))
        self.plan_frame = make_plan_frame(plan, self.layout)
        self.draw_address = self.kernels.address("draw")
        self._canvases = Pool(lambda: Canvas(self), MOST_IDLE)
        self._seconds_per_tile = 0.0
        """Seconds that one undisturbed thread needs for a tile: the least seen lately, 0 at first."""

    def image(self, view: View, threads: int, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """uint8[height, width], drawn by up to `threads` threads."""
        image = aligned((view.height, view.width), np.uint8) if out is None else out
        canvas = self._canvases.take()
        try:
            frame = canvas.frame_of(view)
            frame.image, frame.row_stride = address_of(image), image.strides[0]
            frame.is_streamed = image.nbytes >= STREAMED and not (frame.image | frame.row_stride) % LINE
            self._draw(canvas, frame, image, threads)
        finally:
            self._canvases.give_back(canvas)
        return image

    def _draw(self, canvas: Canvas, frame: Frame, image: NDArray[np.uint8], threads: int) -> None:
        tiles, address, pool = frame.tiles.count, frame.address, thread_pool.pool
        helpers = min(threads, tiles, thread_pool.MOST + 1) - 1
        alone = self._seconds_per_tile * tiles
        start = time.perf_counter()
        together = (
            helpers > 0
            and alone > WORTH_WAKING
            and canvas.admit(frame, helpers)
            and pool.wake(helpers, self.pool_kernels, start)
        )
        ticket = pool.keep(address, (self, canvas, frame, image)) if together else None
        try:
            begun = time.perf_counter()
            made = self._take(frame, canvas.threads[0].address, pool if together else None)
            end = time.perf_counter()
            if made:
                self._note_pace((end - begun) / made)
        except BaseException:  # Ctrl-C: on return the caller may change the image
            self.pool_kernels["abandon"](address)
            raise
        finally:
            if ticket is not None:
                pool.release(ticket, self.pool_kernels)
        if together:
            pool.rest(end, end - start - SLACK * alone)

    def _note_pace(self, seconds: float) -> None:
        """Update the pace: at once if it is faster, slowly if slower, since most slow frames were
        disturbed.
        """
        known = self._seconds_per_tile
        self._seconds_per_tile = min(seconds, 1.05 * known) if known else seconds

    def _take(self, frame: Frame, thread: int, pool: thread_pool.ThreadPool | None) -> int:
        """Make tiles with a thread's memory until none is left, with helpers if there is a pool; returns how
        many this thread made.
        """
        address = frame.address
        together, alone = self.pool_kernels["draw_together"], self.kernels["draw"]
        known = self._seconds_per_tile
        most = max(1, int(SLICE / known)) if known else 4
        made = 0
        while True:
            start = time.perf_counter()
            if pool is not None:
                taken = int(together(pool.address, address, thread, most))
            else:
                taken = int(alone(address, thread, most))
            made += taken
            if taken < most:
                return made
            rate = most / max(time.perf_counter() - start, 1e-6)
            most = max(1, min(8 * most, int(SLICE * rate)))
