"""The effect of Ctrl-C on a command.

While a command works, Ctrl-C raises KeyboardInterrupt, and the command cleans up. Before and after its work
there is nothing to clean up, and the process exits at once: an exception during an import or Python's
shutdown would print a traceback. The process also exits at once if the exception would be lost, and on a
second Ctrl-C later than `_TWICE` after the first, since cleaning up may take too long.
"""

from __future__ import annotations

import atexit
import signal
import sys
import time

TYPE_CHECKING = False  # in place of typing's: to import typing takes longer than all else here
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

_TWICE = 1.0
"""Seconds within which a second Ctrl-C counts as a repetition of the first."""


class Interrupts:
    """Context manager that handles SIGINT from `with` until Python exits, unless SIGINT is ignored or has
    another handler.

    `leave`: reports the interruption and ends the process.
    """

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave = leave
        self._at_work = False
        self._since: float | None = None

    def start_work(self) -> None:
        """Raise KeyboardInterrupt from now on."""
        self._at_work = True

    def __enter__(self) -> None:
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return
        try:
            signal.signal(signal.SIGINT, self._handle)
        except ValueError:  # not in the main thread, which alone handles signals
            return
        # registered first, so it runs last: after it, only Python's shutdown is left, where handlers fail
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
        sys.unraisablehook = self._take_unraisable

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._at_work = False
        if error is not None and self._since is not None:
            self._leave()  # KeyboardInterrupt, or an exception that a library raised in its place

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._at_work:
            self._at_work = False
            self._since = time.monotonic()
            raise KeyboardInterrupt
        if self._since is None or time.monotonic() - self._since > _TWICE:
            self._since = time.monotonic()  # a Ctrl-C while the process exits is not reported again
            self._leave()

    def _take_unraisable(self, what: sys.UnraisableHookArgs) -> None:
        """End the process on a KeyboardInterrupt that cannot be raised, as in a destructor, and would be
        lost.
        """
        if issubclass(what.exc_type, KeyboardInterrupt):
            self._leave()
        sys.__unraisablehook__(what)
