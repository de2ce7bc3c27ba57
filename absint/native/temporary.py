"""Temporary folders that are removed after use, even those of a process that was killed.

Each folder is locked by the process that uses it. An unlocked folder belonged to a dead process; it is
removed when the next folder is made, or after a process was killed (`remove_abandoned`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_PREFIX = "absint-temporary-"
"""Prefix of the folders' names, which no other program uses."""


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new empty folder, accessible to this user only, removed at the end of the context. Raises OSError."""
    remove_abandoned()
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        lock = _lock(path)
        if path.exists():  # another process may have removed it before it was locked
            break
        _unlock(lock)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        _unlock(lock)


def remove_abandoned() -> None:
    """Remove the folders of this user's dead processes. No effect on Windows, which has no such locks."""
    if sys.platform == "win32":
        return
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # in use, or removed meanwhile
            if path.is_symlink() or not path.is_dir() or path.stat().st_uid != os.geteuid():
                continue
            lock = _lock(path)
            if lock is not None:
                shutil.rmtree(path, ignore_errors=True)
                _unlock(lock)


def _lock(path: Path) -> int | None:
    """A lock on a folder, which ends with the process; None if another process holds it."""
    if sys.platform == "win32":
        return None
    lock = None
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        _unlock(lock)
        return None
    return lock


def _unlock(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)
