"""Benchmarks: backends timed against NumPy in alternating runs, with every picture checked.

The baseline is the Prospero Challenge's own script plus liveness: the unoptimised program, one NumPy call per
operation on arrays of the whole image, each array dropped after its last use. Each chosen backend runs on the
unoptimised program (`-O0`) and on the program that `render` draws.

The right picture is that of the reference at `-O0`, not the baseline's: `numpy.minimum` and `numpy.maximum`
keep NaN as the contract does, but on a tie of +0 with -0 they return either one. `f < 0` itself cannot tell
(-0 < 0 and +0 < 0 are both false), but an operation in between can: 1/-0 is -inf and 1/+0 is +inf, so after
`recip`, `div` or `atan2` a pixel of the baseline may differ, and the baseline is wrong. Pixels of the
baseline that differ are shown; only those of a backend count as wrong.
"""

from __future__ import annotations

import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from absint.api import run_pipeline
from absint.base.errors import ViewError
from absint.base.version import __version__
from absint.evaluation.backend import profile_of
from absint.evaluation.checks import check_view
from absint.evaluation.engine import Engine
from absint.evaluation.preparation import Preparation
from absint.evaluation.questions.image import Image
from absint.evaluation.view import View
from absint.ir.program import Program
from absint.ir.tape import last_uses, make_tape
from absint.native.terminal import plain_table
from absint.ops.precision import Precision
from absint.ops.printers.translate import array_form
from absint.ops.table import CONST, OPS, VAR
from absint.rewriting.manager import LEVELS, parse_pipeline

if TYPE_CHECKING:
    from rich.table import Table

Picture = NDArray[np.uint8]
Draw = Callable[[], Picture]

BASELINE = "numpy"

_ORACLE = ("reference", True)

TURN = 0.02
"""Seconds of a turn; a longer frame is a turn by itself."""

_CALLS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "square": lambda a: a * a,
    "min": np.minimum,
    "max": np.maximum,
    "neg": np.negative,
    "sqrt": np.sqrt,
    "abs": np.absolute,
    "div": np.divide,
    "recip": np.reciprocal,
    "floor": np.floor,
    "ceil": np.ceil,
    "exp": np.exp,
    "ln": np.log,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "atan2": np.arctan2,
}
"""The functions that the challenge's script calls: NumPy's own, whose last bits differ between builds of
NumPy. Other opcodes use the op table's array form.
"""


class Baseline:
    """A program run by NumPy, one operation at a time on whole arrays, each dropped after its last use.

    The only departure from the script: constants have the program's precision; the script's are Python
    floats, which NumPy rounds to the same values.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        graph, precision = program.graph, program.precision
        last = last_uses(graph).tolist()
        self._last_reads: list[list[int]] = [[] for _ in range(len(graph) + 1)]  # nodes by their last user
        for node, user in enumerate(last):
            if user >= 0:
                self._last_reads[user].append(node)
        self._needed = [node for node in range(len(graph)) if last[node] >= 0]
        used = {graph.rows[node][0] for node in self._needed}
        self._calls = {
            op.code: _CALLS.get(op.name) or array_form(op.body(precision), precision)
            for op in OPS
            if op.code in used and not op.is_leaf
        }

    def image(self, view: View) -> Picture:
        """uint8[height, width]: 255 where the program is < 0, else 0."""
        check_view(self.program, view)
        precision = self.program.precision
        x, y = np.meshgrid(view.xs(precision), view.ys(precision))
        inside = self.values({"x": x, "y": y, "z": view.height_z(precision)[0]}) < 0
        return np.broadcast_to(inside, (view.height, view.width)).astype(np.uint8) * np.uint8(255)

    def describe(self) -> str:
        """Empty: there is a single way to draw."""
        return ""

    def values(self, axes: Mapping[str, Any]) -> Any:
        """The program's value for arrays of its precision; a single number if the value does not vary."""
        graph, precision = self.program.graph, self.program.precision
        values: dict[int, Any] = {}
        with np.errstate(all="ignore"):
            for node in self._needed:
                code, a, b = graph.rows[node]
                if code == CONST.code:
                    values[node] = precision.real(graph.values[node])
                elif code == VAR.code:
                    values[node] = axes[graph.variables[node]]
                elif b < 0:
                    values[node] = self._calls[code](values[a])
                else:
                    values[node] = self._calls[code](values[a], values[b])
                for dead in self._last_reads[node]:
                    del values[dead]
        return values[graph.root]


@dataclass
class Timing:
    """One contender's times, in seconds. `plain`: whether it draws the unoptimised program. `threads`: number
    of threads, None if the backend has no choice.

    `description`: the engine's description of how it draws. `setup`: time to optimise and prepare. `first`:
    time of the first frame, with all work that is deferred to it. `samples`: times of the frames after it.
    `differing`: number of pixels that differ from the reference's at `-O0`.
    """

    contender: str
    plain: bool
    threads: int | None
    draw: Draw
    description: str
    setup: float
    first: float
    samples: list[float] = field(default_factory=list)
    differing: int = 0

    @property
    def label(self) -> str:
        """The contender's name in the table."""
        words = [self.contender]
        if self.plain and self.contender != BASELINE:
            words.append("-O0")
        if self.threads is not None:
            words.append(f"{self.threads} thread{'s' * (self.threads > 1)}")
        return " ".join(words)

    @property
    def wrong(self) -> bool:
        """Whether a backend has drawn a wrong picture."""
        return self.contender != BASELINE and self.differing > 0


@dataclass(frozen=True)
class Result:
    """The timings of one model at one size; the first is the baseline's."""

    model: str
    size: int
    timings: list[Timing]

    def speedup(self, timing: Timing) -> float:
        """How many times faster than the baseline, each at its fastest."""
        return min(self.timings[0].samples) / min(timing.samples)


def measure(
    model: str,
    source: Program,
    size: int,
    *,
    backends: Sequence[str],
    precision: Precision,
    runs: int,
    progress: Callable[[str], None],
    threads: Sequence[int] = (),
) -> Result:
    """Time all contenders on `size` by `size` pixels; those that use threads, on each number of `threads`.

    Contenders take turns, so that disturbances affect all of them alike. A turn is one frame, or as many as
    fit into `TURN`. The first and the last frame of each contender are compared with the reference's.
    """
    view = View.square(size)
    _check_memory(source, size, precision)
    parse_pipeline(LEVELS[max(LEVELS)])  # imports the passes, which must not count as a contender's set-up
    timings, pictures = [], []
    for contender in _contenders(backends, threads):
        progress(f"{model} at {size}: {contender[0]}, first frame")
        timing, picture = _start(source, view, precision, *contender)
        timings.append(timing)
        pictures.append(picture)
    names = [(timing.contender, timing.plain) for timing in timings]
    if _ORACLE in names:
        right = pictures[names.index(_ORACLE)]
    else:
        _, right = _start(source, view, precision, *_ORACLE, None)
    for timing, picture in zip(timings, pictures, strict=True):
        timing.differing = int(np.count_nonzero(picture != right))
    for run in range(runs):
        for timing in timings:
            progress(f"{model} at {size}: {timing.label}, run {run + 1} of {runs}")
            picture = _take_turn(timing)
            if run == runs - 1:
                timing.differing = max(timing.differing, int(np.count_nonzero(picture != right)))
    return Result(model, size, timings)


def _contenders(backends: Sequence[str], threads: Sequence[int]) -> list[tuple[str, bool, int | None]]:
    """All contenders: name, whether it draws the unoptimised program, and threads."""
    contenders: list[tuple[str, bool, int | None]] = [(BASELINE, True, None)]
    for name in backends:
        is_threaded = profile_of(name.partition(":")[0]).threaded
        counts: Sequence[int | None] = (threads if is_threaded else ()) or (None,)
        contenders += [(name, plain, count) for plain in (True, False) for count in counts]
    return contenders


def _take_turn(timing: Timing) -> Picture:
    """Time the frames of one turn; returns the last picture."""
    begin = time.perf_counter()
    while True:
        start = time.perf_counter()
        picture = timing.draw()
        end = time.perf_counter()
        timing.samples.append(end - start)
        if end - begin > TURN:
            return picture


def _check_memory(source: Program, size: int, precision: Precision) -> None:
    """Raise `ViewError` if the baseline's arrays do not fit into memory; otherwise the system might kill the
    process.
    """
    if not hasattr(os, "sysconf"):  # Windows refuses an allocation and kills no process
        return
    needed = (make_tape(source.graph).slot_count + 2) * size * size * precision.dtype.itemsize  # 2: x and y
    held = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > held:
        raise ViewError(
            f"size {size}: the NumPy baseline takes {needed >> 20} MiB for this program at once, "
            f"and this machine has {held >> 20} MiB"
        )


def _start(
    source: Program, view: View, precision: Precision, contender: str, plain: bool, threads: int | None
) -> tuple[Timing, Picture]:
    """Set a contender up and let it draw its first frame."""
    start = time.perf_counter()
    engine = _prepare(source, view, precision, contender, plain, threads)
    ready = time.perf_counter()
    image = engine.image(view)
    first = time.perf_counter() - ready
    how = engine.describe()
    timing = Timing(contender, plain, threads, lambda: engine.image(view), how, ready - start, first)
    return timing, image


def _prepare(
    source: Program, view: View, precision: Precision, contender: str, plain: bool, threads: int | None
) -> Baseline | Engine:
    """A contender, ready to draw. It bypasses the cache of engines, since its making is timed."""
    box = view.box(precision)
    if contender == BASELINE:
        return Baseline(run_pipeline(source, passes="", region=box, precision=precision)[0])
    pipeline = "" if plain else None
    preparation = Preparation(source, Image, contender, precision, box, pipeline, threads, knows_program=True)
    return preparation.make().engine


def table(results: Sequence[Result], precision: Precision) -> Table:
    """All results, times in milliseconds; 80 columns are enough."""
    numbers = ("set-up", "first", "min", "median", "speed-up", "differing")
    made = plain_table(f"Frames in {precision.value}, times in ms", "evaluator", *numbers, right=numbers)
    for result in results:
        made.add_row(f"{result.model}, {result.size}x{result.size}")
        for timing in result.timings:
            times = (timing.setup, timing.first, min(timing.samples), statistics.median(timing.samples))
            made.add_row(
                f"  {timing.label}",
                *(_milliseconds(seconds) for seconds in times),
                f"{result.speedup(timing):,.2f}×",
                str(timing.differing),
                style="bold red" if timing.wrong else None,
            )
    made.caption = "speed-up: over numpy, minimum by minimum"
    made.caption += "\ndiffering: pixels unlike the reference's at -O0"
    descriptions = {
        f"{result.model}, {timing.label}: {timing.description}": None
        for result in results
        for timing in result.timings
        if timing.description and not timing.plain
    }
    made.caption += "".join(f"\n{line}" for line in descriptions)
    made.caption_justify = "left"
    return made


def _milliseconds(seconds: float) -> str:
    """Milliseconds with four digits or more, microseconds at most."""
    digits = max(0, 3 - max(0, math.floor(math.log10(max(1e3 * seconds, 1)))))
    return f"{1e3 * seconds:,.{digits}f}"


def as_json(results: Sequence[Result], precision: Precision, samples: bool = False) -> dict[str, Any]:
    """All results, times in milliseconds, and the machine that they were measured on.

    Frames' times are given by their number, minimum and quartiles; if `samples`, every time as well.
    """
    return {
        "absint": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": platform.platform(),
        "processors": os.cpu_count(),
        "precision": precision.value,
        "results": [
            {
                "model": result.model,
                "size": result.size,
                "evaluator": timing.contender,
                "level": 0 if timing.plain else None,
                "threads": timing.threads,
                "description": timing.description,
                "setup_ms": 1e3 * timing.setup,
                "first_ms": 1e3 * timing.first,
                **_summary([1e3 * seconds for seconds in timing.samples], samples),
                "speedup": result.speedup(timing),
                "differing_pixels": timing.differing,
            }
            for result in results
            for timing in result.timings
        ],
    }


def _summary(samples_ms: list[float], in_full: bool) -> dict[str, Any]:
    """Number, minimum and quartiles of some times in milliseconds; all times if `in_full`."""
    lower, median, upper = np.percentile(samples_ms, (25, 50, 75)).tolist()
    return {
        "samples": len(samples_ms),
        "min_ms": min(samples_ms),
        "lower_quartile_ms": lower,
        "median_ms": median,
        "upper_quartile_ms": upper,
    } | ({"samples_ms": samples_ms} if in_full else {})
