"""The session: the last valid text of a model, the error in its file, and the pages that wait for changes.

A new text replaces the current one after it was parsed and drawn once. If that fails, the current text stays.
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

from .drawing import Drawer, PagePicture
from .source import ModelSource, Trouble, trouble_of

LOOK_EVERY = 0.2
"""Seconds between looks at the file."""

MOST_CLIENTS = 64
"""Largest number of pages whose newest requests are remembered."""


class Superseded(Exception):  # noqa: N818  # no error: the client no longer waits for the answer
    """A newer request of the same page and kind has arrived."""


@dataclass(frozen=True)
class Shown:
    """A text that is shown, with its program. `generation`: the text's number, from 1."""

    generation: int
    text: str
    program: Program
    drawer: Drawer

    @property
    def has_z(self) -> bool:
        """Whether pictures depend on z."""
        return "z" in self.program.graph.variables.values()


class Session:
    """A model, its pipeline and backend, and all that pages are told of it. Thread-safe.

    Raises the errors of reading, parsing and drawing the model.
    """

    def __init__(
        self, source: ModelSource, *, pipeline: str, precision: str | None = None, start: View | None = None,
        backend: str = "numba",
    ) -> None:  # fmt: skip
        self.source = source
        self._name = secrets.token_hex(8)
        self.passes = tuple(format_pass(pass_) for pass_ in parse_pipeline(pipeline))
        self._precision = precision
        self.backend = backend
        self._change = threading.Condition()
        self._stopping = threading.Event()
        self._trouble: Trouble | None = None
        self._version = 0
        self._newest: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._newest_lock = threading.Lock()
        self._start = start
        self.shown = self._prepare(source.text, 1)
        self._watcher = threading.Thread(target=self._watch, name="absint-view-watcher", daemon=True)

    # State

    def start_watching(self) -> None:
        """Start to watch the model's file."""
        if self.source.is_watched:
            self._watcher.start()

    def stop(self) -> None:
        """Stop watching, and wake all that wait for changes."""
        self._stopping.set()
        with self._change:
            self._change.notify_all()
        if self._watcher.is_alive():
            self._watcher.join(2.0)

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    def start_view(self, shown: Shown) -> View:
        """The first view: from the command line, else all of the box on which the program is valid."""
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
        except ViewError:  # the box is a point, or too large
            return View(8, 8, z=z)

    def state(self) -> dict[str, Any]:
        """The state for a page. `version` counts changes; `session` is different in each run."""
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
            "backend": self.backend,
            "passes": self.passes,
            "operations": shown.program.graph.operation_count,
            "lines": shown.text.count("\n") + 1,
            "hasZ": shown.has_z,
            "box": str(shown.program.box),
            "start": {"x": view.center[0], "y": view.center[1], "scale": view.scale, "z": view.z},
            "trouble": trouble and trouble._asdict(),
        }

    def wait_for_news(self, version: int, seconds: float) -> bool:
        """Wait, at most `seconds`, for a change after a version. Returns whether there is one."""
        with self._change:
            return self._change.wait_for(lambda: self._version > version or self.is_stopping, seconds)

    # Pictures

    def pipeline(self, switches: str) -> str:
        """The text of the pipeline of the passes that are on.

        `switches`: "1" or "0" for each pass; empty for all passes. Raises `UsageError` for other text.
        """
        switches = switches or "1" * len(self.passes)
        if len(switches) != len(self.passes) or set(switches) - {"0", "1"}:
            raise UsageError(f"passes {switches[:80]!r}: expected {len(self.passes)} times 0 or 1")
        return ",".join(name for name, on in zip(self.passes, switches, strict=True) if on == "1")

    def picture(self, view: View, switches: str, client: str, number: int) -> tuple[Shown, PagePicture]:
        """A picture, and the text that it shows. `number`: the number of a client's request.

        Raises `Superseded` if a later request has arrived meanwhile, and the errors of `Drawer.picture`.
        """
        self.ask(client, "picture", number)
        shown = self.shown
        pipeline = self.pipeline(switches)

        def check() -> None:
            self.check_newest(client, "picture", number)

        return shown, shown.drawer.picture(view, pipeline, check)

    def ask(self, client: str, what: str, number: int) -> None:
        """Record a client's newest request of a kind. Requests without a client name are never superseded."""
        if not client:
            return
        with self._newest_lock:
            key = client, what
            self._newest[key] = max(number, self._newest.pop(key, 0))
            while len(self._newest) > MOST_CLIENTS:
                self._newest.popitem(last=False)

    def check_newest(self, client: str, what: str, number: int) -> None:
        """Raises `Superseded` if a request is not its client's newest of its kind."""
        with self._newest_lock:
            if client and self._newest.get((client, what), 0) > number:
                raise Superseded

    # Changes

    def _prepare(self, text: str, generation: int) -> Shown:
        """Parse a text and draw it once after the whole pipeline, so that errors in it are found."""
        program = self.source.program(text)
        precision = program.precision if self._precision is None else as_precision(self._precision)
        shown = Shown(generation, text, program, Drawer(program, precision, self.backend))
        shown.drawer.picture(self.start_view(shown), self.pipeline(""))
        return shown

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_EVERY):
            self.look()

    def look(self) -> None:
        """Look at the file once. If it has changed, update the state and wake all that wait for changes."""
        text: str | None = None
        try:
            text = self.source.changed_text()
            if text is None:
                return
            shown, trouble = self._prepare(text, self.shown.generation + 1), None
        except AbsintError as error:
            shown, trouble = self.shown, trouble_of(error, text)
        except Exception:  # a bug: reported here, since nothing sees a thread's exception
            note(traceback.format_exc().rstrip())
            shown, trouble = self.shown, Trouble("internal error: the terminal of absint view says more")
        with self._change:
            self.shown, self._trouble = shown, trouble
            self._version += 1
            self._change.notify_all()


def _middle(lower: float, upper: float) -> float:
    return lower / 2 + upper / 2
