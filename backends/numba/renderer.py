"""Drawing a plan: frames of a view, and the memory that threads draw in."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.base.memo import Pool
from absint.evaluation.view import View
from absint.lowering.plan import Plan
from absint.lowering.plan_format import DEEPEST_TERM, STEP
from absint.lowering.region_plan import RegionProgram
from absint.native.arrays import address_of
from absint.ops.precision import Precision
from absint.ops.units import LANES, record_dtype

from . import crew as crews
from .kernels.layout import (
    FRAME,
    PLANE,
    REGION_LANES,
    REGION_LEAF,
    REGION_THREAD,
    REGIONS,
    THREAD,
    TILE_COLUMNS,
    TILE_ROWS,
    Y_PITCH,
)
from .layout import Layout, block_test_savings, lay_out, step_kernels
from .memory import LINE, Block, aligned, room
from .units import drawing_units, load

WINDOW = np.repeat(np.array([0, 255, 0], np.uint8), TILE_ROWS)

STREAMED = 1 << 23
"""Bytes of an image that is written past the caches: it would not stay in them."""

SLICE = 0.05
"""Seconds that kernels run before Python may look for Ctrl-C."""

WORTH_WAKING = 60e-6
"""Seconds that a frame must last to be worth a helper."""

MOST_IDLE = 4
"""Canvases of a plan that are kept between pictures."""

SLACK = 1.2
"""Helpers have done harm if a frame takes this many times what one thread would need."""


def thread_block(plan: Plan, layout: Layout, precision: Precision) -> Block:
    """The memory of a thread that draws the plan."""
    real = precision.dtype
    scratch = aligned(layout.scratch_bytes + 4 * LINE, np.uint8)
    scratch[:] = 0
    row = LANES * real.itemsize
    rows = scratch[: layout.scratch_bytes // row * row].view(real).reshape(-1, LANES)
    rows[layout.registers[plan.constant_registers] // row] = plan.constant_values[:, None]
    planes = DEEPEST_TERM + 1
    regions = None if plan.regions is None else region_thread_block(plan.regions, precision)
    block = Block(
        THREAD,
        scratch=scratch,
        planes=room(planes * PLANE, np.uint8),
        factors=room(planes * PLANE, np.uint8),
        filled=room(PLANE, np.uint8),
        strip=room(2 * TILE_ROWS, np.uint16),
        sums=room(2 * Y_PITCH, real),
        stack=room(5 * planes, np.int64),
        words=room(TILE_COLUMNS, np.int64),
        window=WINDOW,
        column=-1,
    )
    block.words[THREAD.x_tables] = address_of(scratch) + layout.x_tables
    block.words[THREAD.y_tables] = address_of(scratch) + layout.y_tables
    if regions is not None:
        block.set(regions=regions.words)
        block.parts = [regions]
    return block


def region_block(program: RegionProgram, layout: Layout, precision: Precision) -> Block:
    """The regions' program, for all threads."""
    intervals, rows = step_kernels(program, precision)
    return Block(
        REGIONS,
        steps=program.steps, count=len(program), items=program.items, item_count=len(program.items),
        kind=program.kind, interval_kernels=intervals, row_kernels=np.ascontiguousarray(rows),
        ends=program.ends.astype(precision.dtype), fixed=len(program.specials) - 2,
        special_places=layout.registers[program.specials], special_classes=layout.classes[program.specials],
        gains=block_test_savings(program), record_bytes=record_dtype(precision).itemsize,
        row_bytes=REGION_LANES * precision.dtype.itemsize,
    )  # fmt: skip


def region_thread_block(program: RegionProgram, precision: Precision) -> Block:
    """The memory of a thread for regions. Most of it is touched only where a region is still large."""
    n, m, record = len(program), len(program.items), record_dtype(precision).itemsize
    specials = len(program.specials)
    row = REGION_LANES * precision.dtype.itemsize
    return Block(
        REGION_THREAD,
        records=room(n * record, np.uint8),
        specials=room(specials * record, np.uint8),
        truth=room(n, np.int64), falsity=room(n, np.int64), live=room(n, np.int64),
        index=room(n * REGION_LANES, np.int32),
        steps=room(2 * REGION_LANES * n * STEP, np.int32),
        items=room(2 * REGION_LANES * m + 1, np.int32),
        counts=room(2 * REGION_LANES * 2, np.int64),
        samples=room(2 * REGION_LANES * row, np.uint8), targets=room(2 * REGION_LANES, np.int64),
        sources=room(2 * specials, np.int64), source_classes=room(2 * specials, np.uint8),
        places=room(n, np.int64), classes=room(n, np.uint8), last=room(n, np.int32),
        free_rows=room(n, np.int64), free_blocks=room(n, np.int64),
        slots=room(n * (REGION_LEAF + 1) * row, np.uint8), masks=room(n * REGION_LEAF, np.uint16),
        leaf_code=room(8 * n, np.int64),
    )  # fmt: skip


def _padded(samples: NDArray[Any], count: int) -> NDArray[Any]:
    """Samples, the last one repeated."""
    result = aligned(count, samples.dtype)
    result[: len(samples)] = samples
    result[len(samples) :] = samples[-1]
    return result


class Frame:
    """A plan seen in a view: where its boxes lie among the pixels, and which tiles are made."""

    def __init__(
        self, plan: Plan, layout: Layout, regions: Block | None, view: View, precision: Precision
    ) -> None:
        xs, ys = view.xs(precision), view.ys(precision)
        width, height = view.width, view.height
        tile_rows, tile_columns = -(-height // TILE_ROWS), -(-width // TILE_COLUMNS)
        tops = len(plan.starts)
        room = -(-tops // 8) * 8
        real = precision.dtype
        self.tiles = tile_rows * tile_columns
        self.helpers = 0
        self.states = np.zeros(self.tiles, np.int64)
        self.counter = aligned(8, np.int64)
        self.block = Block(
            FRAME,
            code=plan.code, starts=plan.starts, top_boxes=plan.top_boxes, terms=tops,
            sums=plan.sums, sum_numbers=plan.sum_numbers.astype(real),
            instructions=layout.instructions, tapes=layout.tapes, tape_bands=layout.bands,
            tape_ends=plan.band_ends.astype(real),
            prologue_first=plan.fixed_tape[0], prologue_last=plan.fixed_tape[1],
            x_tape_first=plan.x_tape[0], x_tape_last=plan.x_tape[1],
            y_tape_first=plan.y_tape[0], y_tape_last=plan.y_tape[1], z=layout.z,
            boxes=plan.boxes, box_count=len(plan.boxes),
            thresholds_x=plan.thresholds_x, count_x=len(plan.thresholds_x),
            thresholds_y=plan.thresholds_y, count_y=len(plan.thresholds_y),
            xs=_padded(xs, tile_columns * TILE_COLUMNS), ys=_padded(ys, tile_rows * TILE_ROWS + Y_PITCH),
            ys_rising=np.ascontiguousarray(ys[::-1]), width=width, height=height,
            height_z=view.height_z(precision), row_stride=width, tile_rows=tile_rows, tiles=self.tiles,
            pixels_x=np.empty(len(plan.thresholds_x) + 1, np.int32),
            pixels_y=np.empty(len(plan.thresholds_y) + 1, np.int32),
            box_pixels=np.empty(4 * len(plan.boxes) + 4, np.int32),
            top_left=_none(room), top_right=_none(room), top_top=_none(room), top_bottom=_none(room),
            counter=self.counter, states=self.states, regions=0 if regions is None else regions.words,
        )  # fmt: skip


def _none(count: int) -> NDArray[np.float64]:
    """NaN: behind the last term there are some that no tile meets."""
    return np.full(count, np.nan)


class Canvas:
    """What one picture at a time is drawn with: a frame of the last view, and the memory of the threads.

    The first thread is the one that asked for the picture, the others are helpers.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self.threads = [thread_block(renderer.plan, renderer.layout, renderer.precision)]
        self._frame: tuple[View, Frame] | None = None

    def frame_of(self, view: View) -> Frame:
        """The frame of a view, ready to be drawn. That of the last view is used again, unless a helper is
        still in it.
        """
        known, renderer = self._frame, self._renderer
        if (
            known is None
            or (known[0] is not view and known[0] != view)
            or (known[1].helpers and crews.crew.is_in(known[1].block.address, renderer.crew_kernels))
        ):
            frame = Frame(renderer.plan, renderer.layout, renderer.regions, view, renderer.precision)
            known = self._frame = view, frame
        frame = known[1]
        frame.states.fill(0)
        frame.counter[0] = 0
        renderer.kernels["prepare"](frame.block.address)
        return frame

    def admit(self, frame: Frame, helpers: int) -> bool:
        """Tell a frame with what memory helpers may join it; false if there is none to be had."""
        if frame.helpers != helpers:
            renderer = self._renderer
            try:
                while len(self.threads) <= helpers:
                    self.threads.append(thread_block(renderer.plan, renderer.layout, renderer.precision))
            except MemoryError:
                return False
            addresses = np.array([thread.address for thread in self.threads[1 : helpers + 1]], np.int64)
            frame.block.set(helper_threads=addresses, helpers=helpers, draw=renderer.draw_address)
            frame.helpers = helpers
        return True


class Renderer:
    """Draws frames of one plan. Any number of pictures at a time, each on a canvas of its own."""

    def __init__(self, plan: Plan, precision: Precision) -> None:
        self.plan = plan
        self.layout = lay_out(plan)
        self.precision = precision
        # every precision has its own kernels, and helpers run those of the frame that they join
        self.kernels, self.crew_kernels = (load(unit) for unit in drawing_units(precision))
        self.regions = None if plan.regions is None else region_block(plan.regions, self.layout, precision)
        self.draw_address = self.kernels.address("draw")
        self._canvases = Pool(lambda: Canvas(self), MOST_IDLE)
        self._seconds_per_tile = 0.0
        """Of one thread that nothing disturbs: the least that was seen lately; 0 at first."""

    def image(self, view: View, threads: int, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """uint8[height, width], drawn by up to `threads` threads."""
        image = aligned((view.height, view.width), np.uint8) if out is None else out
        canvas = self._canvases.take()
        try:
            frame = canvas.frame_of(view)
            frame.block.words[FRAME.image] = address_of(image)
            frame.block.words[FRAME.row_stride] = image.strides[0]
            apart = image.nbytes >= STREAMED and not (address_of(image) | image.strides[0]) % LINE
            frame.block.words[FRAME.streaming] = apart
            self._draw(canvas, frame, image, threads)
        finally:
            self._canvases.give_back(canvas)
        return image

    def _draw(self, canvas: Canvas, frame: Frame, image: NDArray[np.uint8], threads: int) -> None:
        tiles, address, crew = frame.tiles, frame.block.address, crews.crew
        helpers = min(threads, tiles, crews.MOST + 1) - 1
        alone = self._seconds_per_tile * tiles
        start = time.perf_counter()
        together = (
            helpers > 0
            and alone > WORTH_WAKING
            and canvas.admit(frame, helpers)
            and crew.wake(helpers, self.crew_kernels, start)
        )
        ticket = crew.keep(address, (self, canvas, frame, image)) if together else None
        try:
            begun = time.perf_counter()
            made = self._take(frame, canvas.threads[0].address, crew if together else None)
            end = time.perf_counter()
            if made:
                self._note_pace((end - begun) / made)
        except BaseException:  # Ctrl-C: the caller may change the image as soon as this is left
            self.crew_kernels["abandon"](address)
            raise
        finally:
            if ticket is not None:
                crew.over(ticket, self.crew_kernels)
        if together:
            crew.rest(end, end - start - SLACK * alone)

    def _note_pace(self, seconds: float) -> None:
        """Believe a faster pace at once and a slower one in time: most slow frames were disturbed ones."""
        known = self._seconds_per_tile
        self._seconds_per_tile = min(seconds, 1.05 * known) if known else seconds

    def _take(self, frame: Frame, thread: int, crew: crews.Crew | None) -> int:
        """Make tiles with a thread's memory until none is left, with a crew if there is one; how many this
        thread made.
        """
        address = frame.block.address
        together, alone = self.crew_kernels["draw_together"], self.kernels["draw"]
        known = self._seconds_per_tile
        most = max(1, int(SLICE / known)) if known else 4
        made = 0
        while True:
            start = time.perf_counter()
            if crew is not None:
                taken = int(together(crew.address, address, thread, most))
            else:
                taken = int(alone(address, thread, most))
            made += taken
            if taken < most:
                return made
            rate = most / max(time.perf_counter() - start, 1e-6)
            most = max(1, min(8 * most, int(SLICE * rate)))
