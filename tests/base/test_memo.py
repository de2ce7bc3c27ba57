"""Results kept in memory: threads, forks and signal handlers get them and wait for nobody in vain."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from glob import glob
from pathlib import Path
from typing import Any

import pytest

from absint.base.errors import BackendError
from absint.base.memo import Pool, Recent, Turn, cached_property

ROOT = Path(__file__).parents[2]


class Counted:
    """Counts how often its property is computed."""

    def __init__(self) -> None:
        self.computed = 0

    @cached_property
    def thing(self) -> object:
        """A new object."""
        self.computed += 1
        return object()


@pytest.fixture
def alarm() -> Iterator[None]:
    """The handler of SIGALRM is the test's own."""
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.signal(signal.SIGALRM, before)


def test_a_cached_property_is_computed_once_for_each_object() -> None:
    one, other = Counted(), Counted()
    assert one.thing is one.thing
    assert one.thing is not other.thing
    assert (one.computed, other.computed) == (1, 1)
    assert Counted.thing.__doc__ == "A new object."


def test_all_threads_get_the_cached_property_that_was_stored_first() -> None:
    """The first to begin is the last to end."""
    began, ended = threading.Event(), threading.Event()

    class Slow:
        @cached_property
        def thing(self) -> str:
            name = threading.current_thread().name
            if name == "slow":
                began.set()
                assert ended.wait(60)
            return name

    shared, got = Slow(), list[str]()
    slow = threading.Thread(target=lambda: got.append(shared.thing), name="slow")
    slow.start()
    assert began.wait(60)
    got.append(shared.thing)  # waits for nobody
    ended.set()
    slow.join()
    assert got == [threading.current_thread().name] * 2


def test_the_recent_are_kept() -> None:
    recent = Recent[str, int](2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    recent.put("c", 3)
    assert (recent.get("a"), recent.get("b"), recent.get("c"), len(recent)) == (1, None, 3, 2)
    recent.put("a", 4)
    assert (recent.get("a"), recent.get("c")) == (4, 3)


def test_the_recent_may_be_cleared_meanwhile() -> None:
    recent = Recent[str, int](0)
    recent._entries = Vanishing()
    recent.put("a", 1)


class Vanishing(dict[str, Any]):
    """Entries that another thread drops when they have been counted."""

    def copy(self) -> dict[str, Any]:
        self.clear()
        return {}


def test_the_recent_under_threads() -> None:
    recent, wrong = Recent[int, int](4), list[object]()

    def work(first: int) -> None:
        try:
            for i in range(3000):
                key = (first + i) % 9
                recent.put(key, -key)
                wrong.extend(value for value in [recent.get(key)] if value not in (None, -key))
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(recent) <= 4


def test_a_pool_lends_a_thing_to_one_at_a_time() -> None:
    pool = Pool[object](object, 1)
    a = pool.take()
    b = pool.take()
    assert a is not b
    pool.give_back(a)
    pool.give_back(b)  # one too many
    assert pool.take() is a
    assert pool.take() is not b


def test_a_turn_is_waited_for_by_other_threads() -> None:
    turn, order = Turn("counting"), list[str]()

    def other() -> None:
        with turn:
            order.append("other")

    thread = threading.Thread(target=other)
    with turn:
        thread.start()
        thread.join(0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "other"]


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="signals as POSIX has them")
def test_a_turn_is_refused_to_a_signal_handler_of_its_holder(alarm: None) -> None:
    turn, answers = Turn("counting"), list[str]()

    def handler(*_: object) -> None:
        try:
            with turn:
                answers.append("taken")
        except BackendError as error:
            answers.append(str(error))

    signal.signal(signal.SIGALRM, handler)
    with turn:
        signal.raise_signal(signal.SIGALRM)
    signal.raise_signal(signal.SIGALRM)
    assert "while it was counting" in answers[0]
    assert answers[1:] == ["taken"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_forked_child_has_a_turn_of_its_own() -> None:
    turn, forked = Turn("counting"), threading.Event()
    held = threading.Event()

    def hold() -> None:
        with turn:
            held.set()
            assert forked.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(60)
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        with turn:
            os._exit(0)
    forked.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0


def test_nobody_uses_the_cached_property_with_a_lock() -> None:
    """`passes/`, `backends/` and `fuzz/` are reached through the links in `absint/`."""
    sources = [Path(path) for path in glob(f"{ROOT}/absint/**/*.py", recursive=True)]
    assert len(sources) > 100
    assert not [path for path in sources if "from functools import cached_property" in path.read_text()]
