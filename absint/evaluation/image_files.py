"""Writing files whole or not at all, and grey images as PGM or PNG."""

from __future__ import annotations

import errno
import os
import stat
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.base.errors import UsageError, shown, shown_path


def write_whole(path: str | Path, data: bytes) -> None:
    """Write `data` to `path` atomically: no reader sees a part of it.

    A pipe, a device or another special file is written directly. Raises `UsageError`, which names the path,
    if the file cannot be written, and for arguments that are no path or no bytes.
    """
    if not isinstance(path, str | Path):
        raise UsageError(f"{shown(path)}: expected the path of a file")
    if not isinstance(data, bytes):
        raise UsageError(f"{shown_path(path)}: expected bytes to write, not {type(data).__name__}")
    try:
        mode = _mode(path)
        if mode is not None and not stat.S_ISREG(mode):
            Path(path).write_bytes(data)
            return
        if mode is not None and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, "it is write-protected")
        target = Path(os.path.realpath(path))  # a link stays a link: its target is replaced
        mode = 0o666 & ~_umask() if mode is None else mode & 0o777
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".absint-")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            os.chmod(name, mode)
            os.replace(name, target)
        except BaseException:
            os.unlink(name)
            raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{shown_path(path)}: cannot be written: {reason}") from error


def _mode(path: str | Path) -> int | None:
    """Type and permission bits of the file at a path; None if there is none yet."""
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def pgm(image: NDArray[np.uint8]) -> bytes:
    """uint8[height, width] as a binary PGM (P5). Raises `UsageError` for another array."""
    _check("image", image)
    height, width = image.shape
    return b"P5\n%d %d\n255\n" % (width, height) + image.tobytes()


def png(image: NDArray[np.uint8], palette: NDArray[np.uint8] | None = None) -> bytes:
    """uint8[height, width] as an unfiltered PNG of 8 bits a pixel: grey, or indices into a palette.

    `palette`: uint8[n, 4], red, green, blue and opacity of the colours. Raises `UsageError` for other arrays.
    """
    _check("image", image)
    height, width = image.shape
    rows = np.zeros((height, width + 1), np.uint8)
    rows[:, 1:] = image

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    colours = b""
    if palette is not None:
        _check("palette", palette, 4)
        colours = chunk(b"PLTE", palette[:, :3].tobytes()) + chunk(b"tRNS", palette[:, 3].tobytes())
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if palette is None else 3, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + colours
        + chunk(b"IDAT", zlib.compress(rows.tobytes(), 6))
        + chunk(b"IEND", b"")
    )


def _check(what: str, array: Any, columns: int | None = None) -> None:
    """Raises `UsageError` unless `array` is uint8[rows, columns], with `columns` columns if given."""
    is_array = isinstance(array, np.ndarray) and not np.ma.isMaskedArray(array)
    if not is_array or array.dtype != np.uint8 or array.ndim != 2 or 0 in array.shape:
        raise UsageError(f"{what}: expected a uint8 array of rows and columns, not {shown(array)}")
    if columns not in (None, array.shape[1]):
        raise UsageError(f"{what}: expected {columns} columns, not {array.shape[1]}")


ENCODERS = {".pgm": pgm, ".png": png}
"""Image formats by file suffix."""
