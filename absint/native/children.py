"""Starting Python processes that import only what this one trusts.

Python puts the working directory first into the path of what it starts by `-c`, which is how
`multiprocessing` starts processes too, and takes empty and relative entries of PYTHONPATH for folders in it.
A `json.py` that somebody left in the working directory would run. So every Python process that absint starts
gets its command and environment, or its `starting()`, from here:

    subprocess.Popen(children.command(code, *arguments), env=children.environment())
    with children.starting():
        process.start()  # of multiprocessing

Ctrl-C, which a terminal sends to children as well, is left to the parent: it ends them.
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
"""What children import besides Python's own modules."""

_END_WITH_PARENT = (
    "import os, sys, threading; "
    "threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start(); "
)
"""Waits for the end of standard input: the parent holds it open, however it ends."""


def can_start() -> bool:
    """Whether there is an interpreter to start: a frozen or embedded program has none."""
    return bool(sys.executable) and not getattr(sys, "frozen", False)


def python(*words: str) -> list[str]:
    """The command that starts Python with these words; it needs `environment()`."""
    return [sys.executable, "-P", *(["-s"] if sys.flags.no_user_site else []), *words]


def command(code: str, *arguments: str, end_with_parent: bool = False) -> list[str]:
    """The command that runs `code` with `arguments` in `sys.argv[1:]`; it needs `environment()`.

    `end_with_parent`: the child ends when its standard input does, which is a pipe that the parent holds.
    """
    return python("-c", (_END_WITH_PARENT if end_with_parent else "") + code, *arguments)


def environment(**settings: str) -> dict[str, str]:
    """This process's environment for a child, with `settings`; imports are found by `import_path()`."""
    paths = {"PYTHONPATH": os.pathsep.join(import_path()), "PYTHONSAFEPATH": "1"}
    return {**os.environ, **paths, **settings}


def import_path() -> list[str]:
    """The entries of `sys.path` that a child may have, in their order.

    Left out are empty and relative entries, and the working directory, also where Python has spelled it out.
    It stays where absint, what it needs or Python itself was imported from it, and where PYTHONPATH names it
    by an absolute path.
    """
    trusted = {_real(folder) for folder in _homes()}
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    trusted |= {_real(entry) for entry in named if os.path.isabs(entry)}
    foreign = {_real(folder) for folder in (loaded.FOLDER, _working_directory()) if folder}
    # Python spells relative entries of PYTHONPATH out when it starts
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
    """Inside, processes of `multiprocessing` start with `import_path()`, and with SIGINT blocked.

    For the method "spawn", and for the moment of starting alone: the environment and `sys.path` are this
    process's. A process started with `python -E` but not `-P` hands these on, and its children look into the
    working directory.
    """
    from multiprocessing import resource_tracker

    path, kept = list(sys.path), {name: os.environ.get(name) for name in ("PYTHONPATH", "PYTHONSAFEPATH")}
    os.environ.update(environment())
    sys.path[:] = import_path()
    try:
        if os.name == "posix":
            resource_tracker.ensure_running()  # first: starting it unblocks SIGINT
        with interrupts_blocked():
            yield
    finally:
        sys.path[:] = path
        for name, value in kept.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def interrupts_blocked() -> Iterator[None]:
    """SIGINT waits, and processes started inside never get it. Nothing where there are no masks."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def accept_interrupts() -> None:
    """In a child: get SIGINT after all, also one that came while it started."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def _homes() -> Iterator[str]:
    """Folders from which Python itself, absint and what it needs were imported."""
    yield from {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    yield os.path.join(sysconfig.get_path("platstdlib"), "lib-dynload")
    yield from (_home(name) for name in _OURS if getattr(sys.modules.get(name), "__file__", None))


def _home(name: str) -> str:
    """The folder in which an imported package lies."""
    file = sys.modules[name].__file__
    assert file is not None
    return os.path.dirname(os.path.dirname(os.path.abspath(file)))


def _working_directory() -> str:
    """Empty if it is gone."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def _real(path: str) -> str:
    """One spelling for one folder."""
    return os.path.normcase(os.path.realpath(path))
