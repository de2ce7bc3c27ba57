"""What Ctrl-C does to a command.

While it works, Ctrl-C raises KeyboardInterrupt, and the command puts in order what it has begun. Before and
after there is nothing to put in order, and the process ends at once: an exception in the midst of an import
or of Python's own end would be a traceback. So it does where the exception would be lost, and for a second
Ctrl-C that does not follow the first at once: order may take too long.
"""

from __future__ import annotations

import atexit
import signal
import sys
import time

TYPE_CHECKING = False  # as typing's, which takes longer to import than all else here
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

_TWICE = 1.0
"""Seconds in which a second Ctrl-C says the same as the first."""


class Interrupts:
    """Looks after SIGINT from `with` on until Python ends, unless it is ignored or somebody else handles it.

    `leave`: says so and ends the process.
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
        except ValueError:  # not in the main thread, which alone gets signals
            return
        # the first one registered runs last: then only Python's own end is left, where none can be handled
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
        sys.unraisablehook = self._take_unraisable

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._at_work = False
        if error is not None and self._since is not None:
            self._leave()  # KeyboardInterrupt, or what some library has made of it

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._at_work:
            self._at_work = False
            self._since = time.monotonic()
            raise KeyboardInterrupt
        if self._since is None or time.monotonic() - self._since > _TWICE:
            self._since = time.monotonic()  # a Ctrl-C while the process leaves says nothing again
            self._leave()

    def _take_unraisable(self, what: sys.UnraisableHookArgs) -> None:
        """KeyboardInterrupt that cannot be raised, as while an object is deleted, would be lost."""
        if issubclass(what.exc_type, KeyboardInterrupt):
            self._leave()
        sys.__unraisablehook__(what)
