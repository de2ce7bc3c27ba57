"""The open connections: their number is limited, and so is the time for which a connection may wait for a
request.

Every connection has a thread. At the limit, a new connection replaces one that waits for a request:
preferably one that was never answered, and of those the one that has waited longest. So connections that send
nothing cannot keep others out.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass

MOST = 64
"""Largest number of connections; a page has about eight."""

ASK_WITHIN = 10.0
"""Seconds from the opening of a connection to the end of its first request's header."""

IDLE = 120.0
"""Seconds for which an answered connection may wait for its next request, or an answer may be stuck."""

_ROOM_WITHIN = 2.0
"""Seconds for which a new connection waits for another one to be closed."""


@dataclass(eq=False)
class _Connection:
    """An open connection.

    `until`: time at which it is closed if its request has not arrived; None while it is answered. `since`:
    time since which it has been waiting. `is_known`: whether it has been answered before.
    """

    thread: threading.Thread
    until: float | None
    since: float
    is_known: bool = False

    @property
    def claim(self) -> tuple[bool, float]:
        """The connection's priority: the smallest is closed first."""
        return self.is_known, self.since


class Connections:
    """The open connections of a server. Thread-safe."""

    def __init__(self) -> None:
        self._open: dict[socket.socket, _Connection] = {}
        self._change = threading.Condition()

    def add(self, connection: socket.socket, thread: threading.Thread) -> bool:
        """Add a connection, which waits for its first request. Returns False if there is no room for it,
        because all others are being answered.
        """
        with self._change:
            if len(self._open) >= MOST:
                self._close_one()
                if not self._change.wait_for(lambda: len(self._open) < MOST, _ROOM_WITHIN):
                    return False
            now = time.monotonic()
            self._open[connection] = _Connection(thread, now + ASK_WITHIN, now)
            return True

    def remove(self, connection: socket.socket) -> None:
        """Remove a connection that is being closed."""
        with self._change:
            self._open.pop(connection, None)
            self._change.notify_all()

    def answer(self, connection: socket.socket) -> None:
        """Note that a connection's request has arrived: until it is answered, it is not closed."""
        with self._change:
            self._open[connection].until = None

    def wait(self, connection: socket.socket) -> None:
        """Note that a connection has been answered and waits for its next request."""
        with self._change:
            one = self._open[connection]
            one.is_known, one.since = True, time.monotonic()
            one.until = one.since + IDLE

    def make_room(self) -> None:
        """Close one of the waiting connections, if there is any."""
        with self._change:
            self._close_one()

    def close_late(self) -> None:
        """Close connections whose request did not arrive in time."""
        now = time.monotonic()
        with self._change:
            for connection, one in self._open.items():
                if one.until is not None and now > one.until:
                    _close(connection)

    def close_all(self) -> list[threading.Thread]:
        """Close all connections. Returns their threads."""
        with self._change:
            for connection in self._open:
                _close(connection)
            return [one.thread for one in self._open.values()]

    def _close_one(self) -> None:
        waiting = [(one.claim, connection) for connection, one in self._open.items() if one.until is not None]
        if waiting:
            _, connection = min(waiting, key=lambda pair: pair[0])
            self._open[connection].until = None  # not chosen again
            _close(connection)


def _close(connection: socket.socket) -> None:
    """Shut a connection down: its thread then reads the end of the stream and closes it."""
    with contextlib.suppress(OSError):  # closed already
        connection.shutdown(socket.SHUT_RDWR)
