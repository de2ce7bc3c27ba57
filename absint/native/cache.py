"""The cache on disk: payloads (bytes) under keys (text), in files of the user's cache folder.

After `write(key, payload)`, `read(key)` returns the payload in any later process. The cache may lose entries
but never returns a wrong one: an entry that is damaged, of another format or unsafe counts as absent. Failure
to read or write is no error; `obstacle()` gives the reason. A key names everything on which its payload
depends, versions included.

An entry is a file `<sha256 of the key>.absint`:

    bytes 0..15   the format, b"absint cache 1" padded with newlines
    bytes 16..47  sha256 of the key's own sha256 and the payload
    bytes 48..    the payload

The digest protects against damage, not against an attacker, who can compute it; and payloads are run as code.
So an entry is safe only if it is a regular file of the current user that nobody else may write, in a folder
that nobody else may write. A sticky bit on the folder is not enough: it prevents others from removing files,
but not from creating hard links to files of the user.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import random
import stat
import sys
import tempfile
from pathlib import Path

_FORMAT = b"absint cache 1".ljust(16, b"\n")
_SUFFIX = ".absint"
_LIMIT = 256 << 20  # bytes in the folder above which the least recently used entries are removed
_SWEEP = 4 << 20  # average number of bytes written between two measurements of the folder


def folder() -> Path:
    """The folder of the entries: `ABSINT_CACHE_DIR`, else the user's cache folder on this platform.

    The folder need not exist. Raises `RuntimeError` if the user has no home folder.
    """
    if chosen := os.environ.get("ABSINT_CACHE_DIR"):
        return Path(chosen)
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "absint" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "absint"
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(chosen) if os.path.isabs(chosen) else Path.home() / ".cache") / "absint"


def read(key: str) -> bytes | None:
    """The payload last written under the key; None if there is none, or none that is safe."""
    name = _name(key)
    try:
        path = _path(name)
        with _open_entry(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            data = stream.read(size) if size <= _LIMIT else b""
    except (OSError, RuntimeError):
        return None
    payload = data[48:]
    if data[:16] != _FORMAT or data[16:48] != hashlib.sha256(name + payload).digest():
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # marks the entry as used now
    return payload


def holds(key: str) -> bool:
    """Whether there is an entry under the key. Its contents are not checked: `read` may still return None."""
    try:
        _open_entry(_path(_name(key))).close()
    except (OSError, RuntimeError):
        return False
    return True


def obstacle() -> str | None:
    """The reason why no entries can be written; None if they can."""
    try:
        home = folder()
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_safe(home, os.stat(home))
        if not os.access(home, os.W_OK | os.X_OK):
            return f"{home} cannot be written"
    except FileExistsError:
        return f"{home} is not a folder"
    except OSError as error:
        return str(error) if error.strerror is None else f"{error.filename}: {error.strerror}"
    except RuntimeError as error:
        return str(error)
    return None


def open_regular(path: str | Path, flags: int = 0) -> io.BufferedReader:
    """Open a file to read. Raises OSError unless it is a regular file, without waiting for a FIFO's writer.

    `flags`: further flags of `os.open`.
    """
    for flag in ("O_BINARY", "O_CLOEXEC", "O_NOCTTY", "O_NONBLOCK"):  # not all systems have all of them
        flags |= getattr(os, flag, 0)
    handle = os.open(path, os.O_RDONLY | flags)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(f"{path} is not a regular file")
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def _name(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _path(name: bytes) -> Path:
    return folder() / f"{name.hex()}{_SUFFIX}"


def _open_entry(path: Path) -> io.BufferedReader:
    """Open an entry to read. Raises OSError if there is none, or it is not safe."""
    _check_safe(path.parent, os.stat(path.parent))
    stream = open_regular(path, getattr(os, "O_NOFOLLOW", 0))
    try:
        status = os.fstat(stream.fileno())
        if sys.platform != "win32" and status.st_uid != os.geteuid():
            raise OSError(f"{path} is another user's")
        _check_safe(path, status)
    except BaseException:
        stream.close()
        raise
    return stream


def _check_safe(path: Path, status: os.stat_result) -> None:
    """Raises OSError if another user, except root, owns a file or folder, or others may write it."""
    if sys.platform != "win32" and status.st_uid not in (0, os.geteuid()):
        raise OSError(f"{path} is another user's")
    if sys.platform != "win32" and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise OSError(f"{path} may be written by other users: chmod go-w {path}")


def write(key: str, payload: bytes) -> bool:
    """Write a payload under a key, atomically; the last writer wins. Returns whether it was written."""
    if obstacle() is not None:
        return False
    name = _name(key)
    path = _path(name)
    try:
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix="draft-", suffix=_SUFFIX)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(_FORMAT + hashlib.sha256(name + payload).digest() + payload)
            os.replace(draft, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(draft)
            raise
    except OSError:
        return False
    if random.SystemRandom().random() * _SWEEP < len(payload):  # does not disturb the user's random numbers
        _sweep(path.parent)
    return True


def _sweep(home: Path) -> None:
    """Remove the least recently used entries until the folder is within three quarters of its limit."""
    entries = []
    for path in home.glob(f"*{_SUFFIX}"):  # includes abandoned drafts
        with contextlib.suppress(OSError):  # another process may have removed it
            status = path.stat()
            entries.append((status.st_mtime_ns, status.st_size, path))
    total = sum(size for _, size, _ in entries)
    if total <= _LIMIT:
        return
    for _, size, path in sorted(entries):
        with contextlib.suppress(OSError):
            path.unlink()
        total -= size
        if total <= _LIMIT * 3 // 4:
            return
