"""The fast engine and threads: helpers, interrupts, forks, and renderers that nobody needs any more."""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pytest

from absint import models
from absint.backends.numba import Numba, thread_pool
from absint.evaluation.view import View
from absint.frontend.vm import parse_vm
from absint.ir.program import Program
from tests.backends.drawing import executable, expected, run_python, start_python


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_any_number_of_threads(threads: int) -> None:
    graph = parse_vm(models.text("tempest"))
    view = View(300, 700)
    drawer, want = executable(graph, view, threads=threads), expected(graph, view)
    for _ in range(30):
        assert np.array_equal(drawer.image(view), want)


def test_pictures_asked_for_by_many_threads() -> None:
    """Each has its own plan or shares one; one picture at a time has helpers, and all are right."""
    graph = parse_vm(models.text("gear"))
    views = [View.square(n) for n in (90, 200, 333)]
    wants = [expected(graph, view) for view in views]
    shared = Numba().prepare(Program(graph), 2)
    wrong: list[int] = []

    def draw(number: int) -> None:
        mine = shared if number % 2 else Numba().prepare(Program(graph), 2)
        for i in range(12):
            which = (number + i) % len(views)
            if not np.array_equal(mine.image(views[which]), wants[which]):
                wrong.append(number)

    threads = [threading.Thread(target=draw, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_control_c_stops_a_picture_and_the_engine_goes_on() -> None:
    process = start_python(
        """
        import absint, numpy as np
        from absint.backends.numba import Numba
        from absint.frontend.expr import X, Y, sin
        from absint.evaluation.view import View
        wave = X
        for i in range(60):
            wave = sin(wave * 3.0 + Y * i)
        drawer = Numba().prepare(absint.load(wave), 2)
        small = drawer.image(View.square(50))
        print("ready", flush=True)
        try:
            drawer.image(View.square(16384))
            print("done")
        except KeyboardInterrupt:
            print("stopped", np.array_equal(drawer.image(View.square(50)), small))
        """
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    threading.Event().wait(0.5)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=20)
    assert (output, errors, process.returncode) == ("stopped True\n", "", 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_forked_child_draws_too() -> None:
    output, errors = run_python(
        """
        import os, absint, numpy as np
        from absint.backends.numba import Numba
        from absint.evaluation.view import View
        drawer = Numba().prepare(absint.load("gear"), 2)
        view = View.square(400)
        want = drawer.image(view)
        same = np.array_equal(drawer.image(view), want)
        child = os.fork()
        for _ in range(5):
            same = same and np.array_equal(drawer.image(view), want)
        if child == 0:
            os._exit(0 if same else 1)
        print(same, os.waitpid(child, 0)[1])
        """
    )
    assert (output, errors) == ("True 0\n", "")


def test_more_threads_than_a_pool_has() -> None:
    graph = parse_vm(models.text("gear"))
    view = View(1100, 70 * (thread_pool.MOST + 20))
    drawer = executable(graph, view, threads=1000)
    want = executable(graph, view).image(view)
    for _ in range(3):
        assert np.array_equal(drawer.image(view), want)


def test_a_helper_that_the_system_refuses_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, view = parse_vm(models.text("gyroid")), View.square(500)
    want = expected(graph, view)

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(thread_pool, "pool", thread_pool.ThreadPool())
    monkeypatch.setattr(threading.Thread, "start", refuse)
    drawer = executable(graph, view, threads=3)
    for _ in range(3):
        assert np.array_equal(drawer.image(view), want)


def test_renderers_come_and_go_while_helpers_are_about() -> None:
    """A helper may be in a frame when its renderer is no longer needed: memory must stay until it leaves."""
    output, errors = run_python(
        """
        import os, absint, numpy as np
        from absint.backends.numba import Numba
        from absint.backends.numba.thread_pool import pool
        from absint.evaluation.view import View
        if hasattr(os, "sched_setaffinity"):
            # one processor, so that helpers are put aside in the middle of a frame
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        source, view = absint.load("gyroid"), View.square(700)
        want = Numba().prepare(source, 1).image(view)
        wrong = 0
        for _ in range(60):
            drawer = Numba().prepare(source, 3)
            drawer.image(view)
            pool._resting_until = 0.0
            wrong += not np.array_equal(drawer.image(view), want)
            del drawer
        print(wrong)
        """
    )
    assert (output, errors) == ("0\n", "")


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_interrupts_at_any_moment_leave_the_pool_in_order() -> None:
    output, errors = run_python(
        """
        import random, signal, time, absint, numpy as np
        from absint.backends.numba import Numba
        from absint.backends.numba.thread_pool import pool
        from absint.evaluation.view import View

        def interrupt(*_):
            raise KeyboardInterrupt

        source, view = absint.load("gear"), View.square(700)
        drawer = Numba().prepare(source, 2)
        want = drawer.image(view)
        start = time.perf_counter()
        drawer.image(view)
        frame = time.perf_counter() - start
        signal.signal(signal.SIGALRM, interrupt)
        wrong = interrupted = 0
        while interrupted < 1500:
            pool._resting_until = 0.0
            try:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 1.2 * frame))
                drawer.image(view)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                interrupted += 1
            wrong += int(pool._memory.offered != 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(wrong, np.array_equal(drawer.image(view), want))
        """
    )
    assert (output, errors) == ("0 True\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_fork_in_the_middle_of_a_picture() -> None:
    output, errors = run_python(
        """
        import os, signal, threading, time, absint, numpy as np
        from absint.backends.numba import Numba
        from absint.evaluation.view import View
        drawer, view = Numba().prepare(absint.load("gyroid"), 2), View.square(1000)
        want = drawer.image(view)
        over = threading.Event()

        def draw():
            while not over.is_set():
                drawer.image(view)

        other = threading.Thread(target=draw)
        other.start()
        states = []
        for _ in range(6):
            time.sleep(0.01)
            child = os.fork()
            if child == 0:
                signal.alarm(20)
                os._exit(0 if np.array_equal(drawer.image(view), want) else 1)
            states.append(os.waitpid(child, 0)[1])
        over.set()
        other.join()
        print(set(states))
        """
    )
    assert (output, errors) == ("{0}\n", "")
