"""Results kept in memory, for any number of threads, after a fork, and in signal handlers.

One discipline holds for every cache of the project but that of compiled kernels, which has a lock. Nothing is
locked while a result is computed or looked up: entries live in dictionaries, whose single operations are
atomic. Two threads may compute the same result at the same time, and one of the two is dropped.
So a forked child never waits for a thread that it does not have, and a signal handler never waits for the
code that it interrupted, as with the lock of `functools.cached_property` in Python 3.11.

What only one caller may use at a time, such as the memory of a picture, is checked out of a list of idle ones
(`Pool`) or used in a `Turn`.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Hashable
from types import TracebackType
from typing import Any, Generic, TypeVar, overload

from absint.base.errors import BackendError

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
V = TypeVar("V")


class cached_property(Generic[T]):  # noqa: N801  # named as the one in functools
    """A property that is kept in an object's `__dict__`: the first result that is stored is everybody's."""

    def __init__(self, function: Callable[[Any], T]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> cached_property[T]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> T: ...
    def __get__(self, instance: object | None, owner: type | None = None) -> Any:
        if instance is None:
            return self
        return instance.__dict__.setdefault(self._name, self._function(instance))


class _Entry(Generic[V]):
    """A value, and when it was last used, as a count of uses."""

    __slots__ = ("used", "value")

    def __init__(self, value: V, used: int) -> None:
        self.value = value
        self.used = used


class Recent(Generic[K, V]):
    """The values that were used last, by key: at most `most` of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: dict[K, _Entry[V]] = {}
        self._uses = itertools.count()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """The value under a key, which is now the last used; None if there is none."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        entry.used = next(self._uses)
        return entry.value

    def put(self, key: K, value: V) -> None:
        """Keep a value under a key in place of any other, and drop those that were not used for longest."""
        self._entries[key] = _Entry(value, next(self._uses))
        while len(self._entries) > self._most:
            entries = self._entries.copy()  # other threads may drop some, or all
            oldest = min(entries, key=lambda key: entries[key].used, default=None)
            if oldest is not None:
                self._entries.pop(oldest, None)

    def clear(self) -> None:
        """Drop all values."""
        self._entries.clear()


class Pool(Generic[T]):
    """Things that one caller at a time may use: an idle one is lent, or a new one is made.

    At most `most` idle ones are kept.
    """

    def __init__(self, make: Callable[[], T], most: int) -> None:
        self._make = make
        self._most = most
        self._idle: list[T] = []

    def take(self) -> T:
        """One of the things, the caller's own until it gives it back; the last given back, if one is idle."""
        try:
            return self._idle.pop()
        except IndexError:
            return self._make()

    def give_back(self, thing: T) -> None:
        """Let others have a thing that was taken."""
        if len(self._idle) < self._most:
            self._idle.append(thing)


class Turn:
    """A lock around what only one caller at a time can do. Other threads wait; a signal handler that
    interrupted the holder cannot, and gets a `BackendError`.

    `what`: what is being done, for the message. A forked child gets a fresh lock.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._renew()

    def _renew(self) -> None:
        self._lock = threading.RLock()
        self._busy = False
        self._process = os.getpid()  # last: who sees it uses the lock

    def __enter__(self) -> None:
        if self._process != os.getpid():
            self._renew()
        self._lock.acquire()
        if self._busy:  # by this very thread, for it holds the lock
            self._lock.release()
            raise BackendError(
                f"a signal handler interrupted this thread while it was {self._what}: let it finish first"
            )
        self._busy = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._busy = False
        self._lock.release()
