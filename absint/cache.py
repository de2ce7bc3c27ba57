"""Results worth keeping between runs: bytes under text keys, in files of the user's cache folder.

`write(key, payload)`, then `read(key)` in any later process. A cache may forget and never lies: an entry that
is damaged, of another format or another user's counts as absent, and what cannot be written is not kept;
neither is an error. The key names everything that the payload depends on, versions included.

An entry is a file `<sha256 of the key>.absint`:

    bytes 0..15   the format, b"absint cache 1" padded with newlines
    bytes 16..47  sha256 of the key's own sha256 and the payload
    bytes 48..    the payload

The digest guards against damage, not against an attacker who writes files in the user's name.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
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
    name = hashlib.sha256(key.encode()).digest()
    try:
        path = folder() / f"{name.hex()}{_SUFFIX}"
        with path.open("rb") as stream:
            if not _is_ours(os.fstat(stream.fileno())):
                return None
            data = stream.read()
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
        return (folder() / f"{hashlib.sha256(key.encode()).hexdigest()}{_SUFFIX}").exists()
    except (OSError, RuntimeError):
        return False


def is_writable() -> bool:
    """Whether entries can be written."""
    try:
        home = folder()
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return False
    return os.access(home, os.W_OK | os.X_OK)


def write(key: str, payload: bytes) -> None:
    """Keep the payload under the key, whole or not at all; whoever writes last wins."""
    name = hashlib.sha256(key.encode()).digest()
    with contextlib.suppress(OSError, RuntimeError):
        home = folder()
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=home, prefix="draft-", suffix=_SUFFIX)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(_FORMAT + hashlib.sha256(name + payload).digest() + payload)
            os.replace(draft, home / f"{name.hex()}{_SUFFIX}")
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(draft)
            raise
        if random.SystemRandom().random() * _SWEEP < len(payload):  # the user's own numbers are left alone
            _sweep(home)


def _is_ours(status: os.stat_result) -> bool:
    """Whether the current user wrote the file: what another user wrote is not run as code."""
    return sys.platform == "win32" or status.st_uid == os.geteuid()


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
