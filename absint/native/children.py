"""Child processes: Python processes that import only from folders that this process trusts.

With `-c`, which `multiprocessing` uses too, Python puts the working directory first into `sys.path`, and it
resolves empty and relative entries of PYTHONPATH against the working directory. So a `json.py` that somebody
left there would run. Every Python process that absint starts therefore gets its command and environment from
here:

    subprocess.Popen(children.command(code, *arguments), env=children.environment())
    with children.starting():
        process.start()  # of multiprocessing

A terminal sends Ctrl-C to children too; they ignore it, and the parent ends them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import sysconfig
from collections.abc import Iterator

from absint.native import loaded

_OURS = ("absint", "llvmlite", "networkx", "numba", "numpy", "rich")
"""Packages that children import besides Python's own modules."""

_END_WITH_PARENT = (
    "import os, sys, threading; "
    "threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start(); "
)
"""Code that ends a child when its standard input ends, which happens however its parent ends."""


def can_start() -> bool:
    """Whether Python processes can be started: a frozen or embedded program has no interpreter to start."""
    return bool(sys.executable) and not getattr(sys, "frozen", False)


def python(*words: str) -> list[str]:
    """The command that starts Python with these arguments; run it in `environment()`."""
    return [sys.executable, "-P", *(["-s"] if sys.flags.no_user_site else []), *words]


def command(code: str, *arguments: str, end_with_parent: bool = False) -> list[str]:
    """The command that runs `code` with `arguments` in `sys.argv[1:]`; run it in `environment()`.

    `end_with_parent`: the child ends when its standard input ends, which must be a pipe that the parent
    holds.
    """
    return python("-c", (_END_WITH_PARENT if end_with_parent else "") + code, *arguments)


def environment(**settings: str) -> dict[str, str]:
    """The environment of a child: this process's, with `settings`, and with `import_path()` for imports."""
    paths = {"PYTHONPATH": os.pathsep.join(import_path()), "PYTHONSAFEPATH": "1"}
    return {**os.environ, **paths, **settings}


def import_path() -> list[str]:
    """The entries of `sys.path` that a child may use, in order.

    Empty and relative entries are left out, and so is the working directory, even as an absolute path. It
    stays if absint, a package that absint needs, or Python itself was imported from it, or if PYTHONPATH
    names it by an absolute path.
    """
    trusted = {_real(folder) for folder in _homes()}
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    trusted |= {_real(entry) for entry in named if os.path.isabs(entry)}
    foreign = {_real(folder) for folder in (loaded.FOLDER, _working_directory()) if folder}
    # Python makes relative entries of PYTHONPATH absolute when it starts
    foreign |= {
        _real(os.path.join(folder, entry))
        for folder in tuple(foreign)
        for entry in named
        if not os.path.isabs(entry)
    }
    path = [entry for entry in sys.path if os.path.isabs(entry) and _real(entry) not in foreign - trusted]
    return path if any(_real(entry) == _real(_home("absint")) for entry in path) else [*path, _home("absint")]


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """A context in which processes of `multiprocessing` start with `import_path()` and with SIGINT blocked.

    For the start method "spawn". Enter it only while starting a process, since it changes this process's
    environment and `sys.path`. Not complete for a process started with `python -E` but not `-P`:
    multiprocessing passes these options on, and its children search the working directory.
    """
    from multiprocessing import resource_tracker

    path, before = list(sys.path), {name: os.environ.get(name) for name in ("PYTHONPATH", "PYTHONSAFEPATH")}
    os.environ.update(environment())
    sys.path[:] = import_path()
    try:
        if os.name == "posix":
            resource_tracker.ensure_running()  # before blocking, since it unblocks SIGINT
        with block_interrupts():
            yield
    finally:
        sys.path[:] = path
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def block_interrupts() -> Iterator[None]:
    """A context in which SIGINT is blocked, also for processes started in it, if there are signal masks."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def accept_interrupts() -> None:
    """Unblock SIGINT in a child, which then also gets a SIGINT sent while it started."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def _homes() -> Iterator[str]:
    """Folders from which Python itself, absint and the packages that absint needs were imported."""
    yield from {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    yield os.path.join(sysconfig.get_path("platstdlib"), "lib-dynload")
    yield from (_home(name) for name in _OURS if getattr(sys.modules.get(name), "__file__", None))


def _home(name: str) -> str:
    """The folder that contains an imported package."""
    file = sys.modules[name].__file__
    assert file is not None
    return os.path.dirname(os.path.dirname(os.path.abspath(file)))


def _working_directory() -> str:
    """The working directory; empty if it no longer exists."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def _real(path: str) -> str:
    """The canonical path of a folder."""
    return os.path.normcase(os.path.realpath(path))
