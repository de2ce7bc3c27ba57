"""The open connections: at most so many, and none that keeps a thread waiting for a request for long.

Every connection has a thread. Where there are as many as there may be, a new one takes the place of one that
waits for a request: a stranger's rather than one that has been answered before, and of those the one that has
waited longest. So connections that never ask keep nobody out.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass

MOST = 64
"""Connections; a page has about eight."""

ASK_WITHIN = 10.0
"""Seconds that a connection has for its first request, from its opening to the end of the header."""

IDLE = 120.0
"""Seconds that one which has been answered may wait for its next request, and that an answer may be stuck."""

_ROOM_WITHIN = 2.0
"""Seconds that a new connection waits for one to go."""


@dataclass(eq=False)
class _Connection:
    """`until`: when it is closed if its request is not there by then; None while it is answered."""

    thread: threading.Thread
    until: float | None
    since: float
    is_known: bool = False

    @property
    def claim(self) -> tuple[bool, float]:
        """The smaller, the sooner it has to go."""
        return self.is_known, self.since


class Connections:
    """What is open. For any number of threads."""

    def __init__(self) -> None:
        self._open: dict[socket.socket, _Connection] = {}
        self._change = threading.Condition()

    def add(self, connection: socket.socket, thread: threading.Thread) -> bool:
        """One more, which waits for its first request. False: all others are being answered."""
        with self._change:
            if len(self._open) >= MOST:
                self._close_one()
                if not self._change.wait_for(lambda: len(self._open) < MOST, _ROOM_WITHIN):
                    return False
            now = time.monotonic()
            self._open[connection] = _Connection(thread, now + ASK_WITHIN, now)
            return True

    def remove(self, connection: socket.socket) -> None:
        """It is being closed."""
        with self._change:
            self._open.pop(connection, None)
            self._change.notify_all()

    def answer(self, connection: socket.socket) -> None:
        """Its request is there: it is neither late nor closed to make room."""
        with self._change:
            self._open[connection].until = None

    def wait(self, connection: socket.socket) -> None:
        """It has been answered, and waits for its next request."""
        with self._change:
            one = self._open[connection]
            one.is_known, one.since = True, time.monotonic()
            one.until = one.since + IDLE

    def make_room(self) -> None:
        """Close one that waits, if there is one."""
        with self._change:
            self._close_one()

    def close_late(self) -> None:
        """Close those that have not asked in time."""
        now = time.monotonic()
        with self._change:
            for connection, one in self._open.items():
                if one.until is not None and now > one.until:
                    _close(connection)

    def close_all(self) -> list[threading.Thread]:
        """Close all; returns their threads."""
        with self._change:
            for connection in self._open:
                _close(connection)
            return [one.thread for one in self._open.values()]

    def _close_one(self) -> None:
        waiting = [(one.claim, connection) for connection, one in self._open.items() if one.until is not None]
        if waiting:
            _, connection = min(waiting, key=lambda pair: pair[0])
            self._open[connection].until = None  # it has been chosen
            _close(connection)


def _close(connection: socket.socket) -> None:
    """Its thread reads the end of it, and lets go of it."""
    with contextlib.suppress(OSError):  # closed already
        connection.shutdown(socket.SHUT_RDWR)
