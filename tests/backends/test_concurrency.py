"""Any number of threads, forks and signal handlers may draw at a time. ABSINT_TEST_SCALE=32: two minutes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backends.drawing import run_python

SCALE = float(os.environ.get("ABSINT_TEST_SCALE", "1"))
posix = pytest.mark.skipif(os.name != "posix", reason="forks and signals as POSIX has them")


@posix
@pytest.mark.parametrize("seed", range(2))
def test_threads_forks_and_signals_at_once(seed: int) -> None:
    rounds = str(int(100 * SCALE))
    done = subprocess.run(
        [sys.executable, "-m", "tests.backends.stress", str(seed), rounds],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@posix
def test_a_child_forked_while_a_property_is_computed_can_compute_it() -> None:
    """With the lock of `functools.cached_property` in Python 3.11 the child waits for ever."""
    output, errors = run_python(
        """
        import os, signal, threading, absint
        from absint.backends.numba import Numba, renderer
        make, began, forked = renderer.Renderer.__init__, threading.Event(), threading.Event()
        view = absint.View(64, 64)
        want = absint.render("gear", view).tobytes()

        def slow(self, *arguments):
            if threading.current_thread() is not threading.main_thread():
                began.set()
                forked.wait()
            make(self, *arguments)

        renderer.Renderer.__init__ = slow
        drawer = Numba().prepare(absint.load("gear"), 1)
        thread = threading.Thread(target=drawer.image, args=(view,))
        thread.start()
        began.wait()
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            os._exit(drawer.image(view).tobytes() != want)
        forked.set()
        thread.join()
        print(os.waitpid(child, 0)[1])
        """
    )
    assert (output, errors) == ("0\n", "")


@posix
def test_a_fork_waits_until_kernels_are_compiled() -> None:
    """In the child, locks of Numba and LLVM would else be held by a thread that it does not have."""
    output, errors = run_python(
        """
        import os, signal, threading, time
        from absint.native import build as native_build, cache, units
        build, began, done = native_build.build, threading.Event(), []

        def slow(*arguments):
            began.set()
            time.sleep(0.5)
            done.append(arguments)
            return build(*arguments)

        native_build.build = slow
        cache.read = lambda key: None
        cache.write = lambda key, payload: True
        thread = threading.Thread(target=units.load, args=("tests.native.native_sample", "2"))
        thread.start()
        began.wait()
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            units.load("tests.native.native_sample", "3")
            os._exit(len(done) != 2)
        thread.join()
        print(os.waitpid(child, 0)[1])
        """
    )
    assert (output, errors) == ("0\n", "")


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="signals as POSIX has them")
def test_a_signal_handler_that_interrupts_a_compilation_is_refused() -> None:
    output, errors = run_python(
        """
        import signal
        from absint.native import build as native_build, cache, units
        from absint.base.errors import BackendError
        build = native_build.build

        def interrupted(*arguments):
            signal.raise_signal(signal.SIGALRM)
            return build(*arguments)

        def handler(*_):
            try:
                units.load("tests.native.native_sample", "3")
            except BackendError as error:
                print(error)

        signal.signal(signal.SIGALRM, handler)
        native_build.build = interrupted
        cache.read = lambda key: None
        cache.write = lambda key, payload: True
        print(len(units.load("tests.native.native_sample", "2").names) > 0)
        """
    )
    assert errors == ""
    assert output.splitlines()[1:] == ["True"]
    assert "while it was compiling kernels: let it finish first" in output


@posix
def test_a_child_forked_while_a_pass_runs_collects_garbage() -> None:
    output, errors = run_python(
        """
        import gc, os, threading
        import absint
        from absint.base.registry import find
        inside, forked = threading.Event(), threading.Event()
        run = find("passes", "dce").run

        def slow(self, *arguments):
            inside.set()
            forked.wait()
            return run(self, *arguments)

        find("passes", "dce").run = slow
        thread = threading.Thread(target=lambda: absint.optimize("gear", passes="dce"))
        thread.start()
        inside.wait()
        child = os.fork()
        if child == 0:
            os._exit(not gc.isenabled())
        forked.set()
        thread.join()
        print(os.waitpid(child, 0)[1], gc.isenabled())
        """
    )
    assert (output, errors) == ("0 True\n", "")
