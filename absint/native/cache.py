"""Results worth keeping between runs: bytes under text keys, in files of the user's cache folder.

`write(key, payload)`, then `read(key)` in any later process. A cache may forget and never lies: an entry that
is damaged, of another format or not safe counts as absent, and what cannot be written is not kept; neither is
an error, and `obstacle()` says why. The key names everything that the payload depends on, versions included.

An entry is a file `<sha256 of the key>.absint`:

    bytes 0..15   the format, b"absint cache 1" padded with newlines
    bytes 16..47  sha256 of the key's own sha256 and the payload
    bytes 48..    the payload

The digest guards against damage, not against an attacker, who can compute it; and payloads are run as code.
So an entry is safe only if it is a regular file of the current user's that nobody else may write, in a folder
that nobody else may write either. That the folder is sticky does not help: it keeps others from removing
files, not from linking some file of the user's in.
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
_LIMIT = 256 << 20  # bytes in the folder, above which the entries unused for longest go
_SWEEP = 4 << 20  # the folder is measured once for so many bytes written, on average


def folder() -> Path:
    """Where entries lie: `ABSINT_CACHE_DIR`, else the platform's cache folder of the user.

    The folder need not exist. Raises `RuntimeError` when the user has no home.
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
    """The payload last written under the key, or None."""
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
        os.utime(path)  # used just now
    return payload


def holds(key: str) -> bool:
    """Whether there is an entry under the key; `read` may still find that it is damaged."""
    try:
        _open_entry(_path(_name(key))).close()
    except (OSError, RuntimeError):
        return False
    return True


def obstacle() -> str | None:
    """Why no entries can be kept, None if they can."""
    try:
        home = folder()
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_safe(home, os.stat(home))
        if not os.access(home, os.W_OK | os.X_OK):
            return f"{home} cannot be written"
    except FileExistsError:
        return f"{home} is no folder"
    except OSError as error:
        return str(error) if error.strerror is None else f"{error.filename}: {error.strerror}"
    except RuntimeError as error:
        return str(error)
    return None


def open_regular(path: str | Path, flags: int = 0) -> io.BufferedReader:
    """A file to read. Raises OSError for what is no regular file; a FIFO is not waited for.

    `flags`: more flags of `os.open`.
    """
    for flag in ("O_BINARY", "O_CLOEXEC", "O_NOCTTY", "O_NONBLOCK"):  # of some systems
        flags |= getattr(os, flag, 0)
    handle = os.open(path, os.O_RDONLY | flags)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(f"{path} is no regular file")
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def _name(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _path(name: bytes) -> Path:
    return folder() / f"{name.hex()}{_SUFFIX}"


def _open_entry(path: Path) -> io.BufferedReader:
    """An entry, to read. Raises OSError if there is none, or none that is safe."""
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
    """Raises OSError for a file or folder that another user than root owns or may write."""
    if sys.platform != "win32" and status.st_uid not in (0, os.geteuid()):
        raise OSError(f"{path} is another user's")
    if sys.platform != "win32" and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise OSError(f"{path} may be written by other users: chmod go-w {path}")


def write(key: str, payload: bytes) -> bool:
    """Keep the payload under the key, whole or not at all; whoever writes last wins.

    Returns whether it is kept.
    """
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
    if random.SystemRandom().random() * _SWEEP < len(payload):  # the user's own numbers are left alone
        _sweep(path.parent)
    return True


def _sweep(home: Path) -> None:
    """Drop the entries unused for longest until the folder is within three quarters of its limit."""
    entries = []
    for path in home.glob(f"*{_SUFFIX}"):  # abandoned drafts among them
        with contextlib.suppress(OSError):  # another process may have dropped it
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
