"""Caches in memory that work in threads, after a fork, and in signal handlers.

Every cache of the project follows one rule, except the cache of compiled kernels, which has a lock: nothing
is locked while a result is computed or looked up. Entries live in dictionaries, whose single operations are
atomic. Two threads may compute the same result at once; one of the results is dropped. So a forked child
never waits for a thread that does not exist in it, and a signal handler never waits for the code that it
interrupted, which may happen with the lock of `functools.cached_property` in Python 3.11.

A resource that only one caller may use at a time, such as the memory of a picture, is taken from a `Pool`, or
used under the lock of a `Turn`.
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
    """A property cached in the object's `__dict__`. Of several results at once, the first stored stays."""

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
    """A value, and the time of its last use, as a count of uses."""

    __slots__ = ("used", "value")

    def __init__(self, value: V, used: int) -> None:
        self.value = value
        self.used = used


class Recent(Generic[K, V]):
    """A cache of at most `most` values by key, which drops the least recently used."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: dict[K, _Entry[V]] = {}
        self._uses = itertools.count()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """The value of a key, or None. Counts as a use."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        entry.used = next(self._uses)
        return entry.value

    def put(self, key: K, value: V) -> None:
        """Set the value of a key, and drop the least recently used values beyond the limit."""
        self._entries[key] = _Entry(value, next(self._uses))
        while len(self._entries) > self._most:
            entries = self._entries.copy()  # a copy, since other threads may drop entries
            oldest = min(entries, key=lambda key: entries[key].used, default=None)
            if oldest is not None:
                self._entries.pop(oldest, None)

    def clear(self) -> None:
        """Drop all values."""
        self._entries.clear()


class Pool(Generic[T]):
    """A pool of objects that one caller at a time may use: it lends an idle object or makes a new one.

    At most `most` idle objects are kept.
    """

    def __init__(self, make: Callable[[], T], most: int) -> None:
        self._make = make
        self._most = most
        self._idle: list[T] = []

    def take(self) -> T:
        """An object for the caller's exclusive use until it is given back: an idle one, or a new one."""
        try:
            return self._idle.pop()
        except IndexError:
            return self._make()

    def give_back(self, thing: T) -> None:
        """Return an object to the pool."""
        if len(self._idle) < self._most:
            self._idle.append(thing)


class Turn:
    """A lock that other threads wait for, but that raises `BackendError` in a signal handler that interrupted
    its holder, since waiting would be a deadlock.

    `what`: the locked activity, for the message. A forked child gets a new lock.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._renew()

    def _renew(self) -> None:
        self._lock = threading.RLock()
        self._busy = False
        self._process = os.getpid()  # set last: a thread that sees it may use the lock

    def __enter__(self) -> None:
        if self._process != os.getpid():
            self._renew()
        self._lock.acquire()
        if self._busy:  # held by this thread itself, since it got the lock
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
