"""What is shown: the last good text of a model, what is wrong with its file, and who waits for news.

A text takes the place of the one before when it has been parsed and drawn once; until then, and for as long
as it cannot be, the one before stays.
"""

from __future__ import annotations

import secrets
import threading
import traceback
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from absint.base.errors import AbsintError, UsageError, ViewError
from absint.evaluation.view import View
from absint.ir.graph import AXES
from absint.ir.program import Program
from absint.native.terminal import note
from absint.ops.precision import as_precision
from absint.rewriting.manager import format_pass, parse_pipeline

from .drawing import Drawer, Picture
from .source import ModelSource, Trouble, trouble_of

LOOK_EVERY = 0.2
"""Seconds between looks at the file."""

MOST_CLIENTS = 64
"""Pages of which it is known what they asked for last."""


class Superseded(Exception):  # noqa: N818  # no error: nobody waits for the answer any more
    """A newer question of the same page has come in."""


@dataclass(frozen=True)
class Shown:
    """A text that is shown. `generation` counts them."""

    generation: int
    text: str
    program: Program
    drawer: Drawer

    @property
    def has_z(self) -> bool:
        """Whether a picture depends on its height."""
        return "z" in self.program.graph.variables.values()


class Session:
    """A model, its pipeline, and all that pages are told of it. For any number of threads.

    Raises what reading, parsing or drawing the model raises.
    """

    def __init__(
        self, source: ModelSource, *, pipeline: str, precision: str | None = None, start: View | None = None
    ) -> None:
        self.source = source
        self._name = secrets.token_hex(8)
        self.passes = tuple(format_pass(pass_) for pass_ in parse_pipeline(pipeline))
        self._precision = precision
        self._change = threading.Condition()
        self._stopping = threading.Event()
        self._trouble: Trouble | None = None
        self._version = 0
        self._newest: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._newest_lock = threading.Lock()
        self._start = start
        self.shown = self._prepared(source.text, 1)
        self._watcher = threading.Thread(target=self._watch, name="absint-view-watcher", daemon=True)

    # What is shown

    def start_watching(self) -> None:
        """Look for changes of the file from now on."""
        if self.source.is_watched:
            self._watcher.start()

    def stop(self) -> None:
        """Look no more, and let go of all who wait for news."""
        self._stopping.set()
        with self._change:
            self._change.notify_all()
        if self._watcher.is_alive():
            self._watcher.join(2.0)

    @property
    def is_stopping(self) -> bool:
        """Whether it is over."""
        return self._stopping.is_set()

    def start_view(self, shown: Shown) -> View:
        """A view to begin with: what was asked for, else all of the box on which the program holds."""
        if self._start is not None:
            return self._start
        bounds = shown.program.box.bounds
        ends = [bounds.get(axis, (-1.0, 1.0)) for axis in AXES[:2]]
        center = tuple(_middle(*pair) for pair in ends)
        extent = max((upper - lower) / 2 for lower, upper in ends)
        low, high = bounds.get("z", (0.0, 0.0))
        z = min(max(0.0, low), high)
        try:
            return View(8, 8, (center[0], center[1]), extent, z)
        except ViewError:  # a point, or all floats
            return View(8, 8, z=z)

    def state(self) -> dict[str, Any]:
        """What a page is told; `version` counts the news, `session` differs from one run to the next."""
        with self._change:
            shown, trouble, version = self.shown, self._trouble, self._version
        view = self.start_view(shown)
        return {
            "session": self._name,
            "version": version,
            "generation": shown.generation,
            "name": self.source.name,
            "model": self.source.argument,
            "watched": self.source.is_watched,
            "precision": shown.drawer.precision.value,
            "passes": self.passes,
            "operations": shown.program.graph.operation_count,
            "lines": shown.text.count("\n") + 1,
            "hasZ": shown.has_z,
            "box": str(shown.program.box),
            "start": {"x": view.center[0], "y": view.center[1], "scale": view.scale, "z": view.z},
            "trouble": trouble and trouble._asdict(),
        }

    def wait_for_news(self, version: int, seconds: float) -> bool:
        """Whether there is news since a version, now or within some seconds."""
        with self._change:
            return self._change.wait_for(lambda: self._version > version or self.is_stopping, seconds)

    # Pictures

    def pipeline(self, switches: str) -> str:
        """The text of the passes that are on. `switches`: 1 or 0 for each, nothing for all of them.

        Raises `UsageError` for another.
        """
        switches = switches or "1" * len(self.passes)
        if len(switches) != len(self.passes) or set(switches) - {"0", "1"}:
            raise UsageError(f"passes {switches[:80]!r}: expected {len(self.passes)} times 0 or 1")
        return ",".join(name for name, on in zip(self.passes, switches, strict=True) if on == "1")

    def picture(self, view: View, switches: str, client: str, number: int) -> tuple[Shown, Picture]:
        """A picture, and what it is of. `number`: counts what a client asks for.

        Raises `Superseded` where a later one has come in meanwhile, and what `Drawer.picture` raises.
        """
        self.ask(client, "picture", number)
        shown = self.shown
        pipeline = self.pipeline(switches)

        def check() -> None:
            self.check_newest(client, "picture", number)

        return shown, shown.drawer.picture(view, pipeline, check)

    def ask(self, client: str, what: str, number: int) -> None:
        """Note which is the newest question of its kind that a client has; nameless ones are all new."""
        if not client:
            return
        with self._newest_lock:
            key = client, what
            self._newest[key] = max(number, self._newest.pop(key, 0))
            while len(self._newest) > MOST_CLIENTS:
                self._newest.popitem(last=False)

    def check_newest(self, client: str, what: str, number: int) -> None:
        """Raises `Superseded` for a question that is not its client's newest."""
        with self._newest_lock:
            if client and self._newest.get((client, what), 0) > number:
                raise Superseded

    # Changes

    def _prepared(self, text: str, generation: int) -> Shown:
        """A text, parsed and drawn once by the whole pipeline, so that what is wrong with it is known."""
        program = self.source.program(text)
        precision = program.precision if self._precision is None else as_precision(self._precision)
        shown = Shown(generation, text, program, Drawer(program, precision))
        shown.drawer.picture(self.start_view(shown), self.pipeline(""))
        return shown

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_EVERY):
            self.look()

    def look(self) -> None:
        """Look at the file once, and tell all who wait if it is another now."""
        text: str | None = None
        try:
            text = self.source.changed_text()
            if text is None:
                return
            shown, trouble = self._prepared(text, self.shown.generation + 1), None
        except AbsintError as error:
            shown, trouble = self.shown, trouble_of(error, text)
        except Exception:  # a bug: said here, for nobody looks at a thread's end
            note(traceback.format_exc().rstrip())
            shown, trouble = self.shown, Trouble("internal error: the terminal of absint view says more")
        with self._change:
            self.shown, self._trouble = shown, trouble
            self._version += 1
            self._change.notify_all()


def _middle(lower: float, upper: float) -> float:
    return lower / 2 + upper / 2
