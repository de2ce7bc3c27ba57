"""The command `absint`: Ctrl-C at any moment is one line on standard error and the exit status 130.

Nothing large is imported here, so that Ctrl-C is taken care of before the rest is. While a command works,
Ctrl-C raises KeyboardInterrupt, and the command puts in order what it has begun. Before and after there is
nothing to put in order, and the process ends at once: an exception in the midst of an import or of Python's
own end would be a traceback.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import time
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
_TWICE = 1.0
"""Seconds in which a second Ctrl-C says the same as the first; a later one does not wait for order."""


class _Interrupts:
    """What Ctrl-C does. `at_work`: it raises KeyboardInterrupt."""

    def __init__(self) -> None:
        self.at_work = False
        self.since: float | None = None

    def start_work(self) -> None:
        """All is imported, and the command begins."""
        self.at_work = True

    def handle(self, number: int, frame: FrameType | None) -> None:
        """The handler of SIGINT."""
        if self.at_work:
            self.at_work = False
            self.since = time.monotonic()
            raise KeyboardInterrupt
        if self.since is None or time.monotonic() - self.since > _TWICE:
            _leave()

    def watch(self) -> None:
        """Handle SIGINT from now on, unless it is ignored or somebody else handles it."""
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return
        with contextlib.suppress(ValueError):  # not in the main thread, which alone gets signals
            signal.signal(signal.SIGINT, self.handle)
            # the first one registered runs last: then only Python's own end is left, which takes no exception
            atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
            sys.unraisablehook = _unraisable


def main() -> int:
    """Run the command that `sys.argv` names and return its exit status."""
    interrupts = _Interrupts()
    interrupts.watch()
    try:
        try:
            from absint import cli

            return cli.main(ready=interrupts.start_work)
        finally:
            interrupts.at_work = False
    except BaseException:
        if interrupts.since is None:
            raise
        _leave()  # KeyboardInterrupt, or what some library has made of it


def _unraisable(what: sys.UnraisableHookArgs) -> None:
    """KeyboardInterrupt where it cannot be raised, as while an object is deleted, would be lost."""
    if issubclass(what.exc_type, KeyboardInterrupt):
        _leave()
    sys.__unraisablehook__(what)


def _leave() -> NoReturn:
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
