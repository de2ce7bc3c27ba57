"""Images that other programs can read, and files that are written whole or not at all."""

from __future__ import annotations

import os
import stat
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from absint.base.errors import UsageError, shown_path
from absint.evaluation.image_files import ENCODERS, pgm, png, write_whole

IMAGES = {
    "one pixel": np.array([[255]], np.uint8),
    "wide": np.arange(7, dtype=np.uint8)[None, :],
    "tall": np.arange(7, dtype=np.uint8)[:, None],
    "noise": np.random.default_rng(0).integers(0, 256, (23, 41), dtype=np.uint8),
    "strided": np.arange(60, dtype=np.uint8).reshape(6, 10).T[::-1],
    "looks like text": np.full((3, 5), ord("\n"), np.uint8),
}


def read_pgm(data: bytes) -> NDArray[np.uint8]:
    kind, size, maximum, pixels = data.split(b"\n", 3)
    width, height = map(int, size.split())
    assert (kind, maximum, len(pixels)) == (b"P5", b"255", width * height)
    return np.frombuffer(pixels, np.uint8).reshape(height, width)


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    position = 8
    while position < len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        body = data[position + 8 : position + 8 + length]
        (crc,) = struct.unpack_from(">I", data, position + 8 + length)
        assert crc == zlib.crc32(kind + body)
        yield kind, body
        position += 12 + length


def read_png(data: bytes) -> NDArray[np.uint8]:
    """Just the kind that is written here: 8 bits of grey, rows unfiltered."""
    (first, header), (second, packed), (third, nothing) = chunks(data)
    assert (first, second, third, nothing) == (b"IHDR", b"IDAT", b"IEND", b"")
    width, height, *kind = struct.unpack(">IIBBBBB", header)
    assert kind == [8, 0, 0, 0, 0]
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, width + 1)
    assert not rows[:, 0].any()
    return rows[:, 1:]


@pytest.mark.parametrize("name", IMAGES)
def test_images_read_back(name: str) -> None:
    image = IMAGES[name]
    assert np.array_equal(read_pgm(pgm(image)), image)
    assert np.array_equal(read_png(png(image)), image)


def test_formats() -> None:
    assert {".pgm": pgm, ".png": png} == ENCODERS


# Files


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in which no file is left over that a test did not ask for."""
    yield tmp_path
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask() -> Iterator[None]:
    old = os.umask(0o027)
    yield
    os.umask(old)


def test_new_file(folder: Path, umask: None) -> None:
    file = folder / "out"
    write_whole(file, b"data")
    assert file.read_bytes() == b"data"
    assert mode(file) == 0o640
    assert os.umask(0o027) == 0o027  # left as it was


def test_existing_file_keeps_its_permissions(folder: Path, umask: None) -> None:
    file = folder / "out"
    file.write_bytes(b"older and longer")
    file.chmod(0o604)
    write_whole(str(file), b"data")
    assert file.read_bytes() == b"data"
    assert mode(file) == 0o604


def test_longest_name(folder: Path) -> None:
    file = folder / ("n" * 255)
    write_whole(file, b"data")
    assert file.read_bytes() == b"data"


def test_relative_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    write_whole("out", b"data")
    assert (folder / "out").read_bytes() == b"data"


@pytest.mark.parametrize("existing", [True, False])
def test_link_stays_a_link(folder: Path, existing: bool) -> None:
    target, link = folder / "sub" / "target", folder / "link"
    target.parent.mkdir()
    if existing:
        target.write_bytes(b"old")
    link.symlink_to(Path("sub") / "target")
    write_whole(link, b"data")
    assert link.is_symlink()
    assert target.read_bytes() == b"data"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing/out", "No such file or directory"),
        ("file/out", "Not a directory"),
        ("sub", "Is a directory"),
        ("circle", "Too many levels of symbolic links"),
        ("n" * 256, "File name too long"),
        ("nul\0", "embedded null"),  # Pythons go on differently
        ("dangling", "No such file or directory"),
    ],
)
def test_what_cannot_be_written(folder: Path, name: str, reason: str) -> None:
    (folder / "file").write_bytes(b"")
    (folder / "sub").mkdir()
    (folder / "circle").symlink_to("circle")
    (folder / "dangling").symlink_to("missing/out")
    before = sorted(os.listdir(folder))
    with pytest.raises(UsageError) as caught:
        write_whole(folder / name, b"data")
    place, _, said = str(caught.value).partition(": cannot be written: ")
    assert place == shown_path(folder / name)
    assert reason in said
    assert sorted(os.listdir(folder)) == before


def test_write_protected_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It could be replaced, for that is up to its folder; but its owner does not want that."""
    file = folder / "out"
    file.write_bytes(b"old")
    file.chmod(0o444)
    if os.geteuid() == 0:  # root may write all the same
        monkeypatch.setattr(os, "access", lambda path, wanted: Path(path) != file)
    with pytest.raises(UsageError, match="cannot be written: it is write-protected"):
        write_whole(file, b"data")
    assert file.read_bytes() == b"old"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_write_protected_folder(folder: Path) -> None:
    folder.chmod(0o555)
    with pytest.raises(UsageError, match="cannot be written: Permission denied"):
        write_whole(folder / "out", b"data")
    folder.chmod(0o755)


class FullDisk:
    """A stream that takes half of what it is given."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def __enter__(self) -> FullDisk:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)

    def write(self, data: bytes) -> None:
        os.write(self._handle, data[: len(data) // 2])
        raise OSError(28, "No space left on device")


def fail(*_: Any) -> None:
    raise OSError(28, "No space left on device")


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


FAILURES = {
    "while writing": ("fdopen", lambda handle, _: FullDisk(handle), UsageError),
    "while changing permissions": ("chmod", fail, UsageError),
    "while replacing": ("replace", fail, UsageError),
    "interrupted": ("replace", interrupt, KeyboardInterrupt),
}


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("failure", FAILURES)
def test_nothing_changes_when_writing_fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch, failure: str, existing: bool
) -> None:
    function, replacement, error = FAILURES[failure]
    file = folder / "out"
    if existing:
        file.write_bytes(b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, function, replacement)
        with pytest.raises(error):
            write_whole(file, b"data")
    assert os.listdir(folder) == (["out"] if existing else [])
    assert not existing or file.read_bytes() == b"old"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_devices_are_written_directly() -> None:
    write_whole("/dev/null", b"data")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    with pytest.raises(UsageError, match="/dev/full: cannot be written: No space left on device"):
        write_whole("/dev/full", b"data")


def test_pipes_are_written_directly(folder: Path) -> None:
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_whole(pipe, b"data")
    reader.join(timeout=10)
    assert received == [b"data"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
