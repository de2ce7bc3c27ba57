"""The cache may forget, and never lies."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from absint.native import cache

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "not" / "yet" / "there"
    monkeypatch.setenv("ABSINT_CACHE_DIR", str(folder))
    return folder


@pytest.mark.parametrize("payload", [b"", b"\0" * 3, b"x" * 100_000])
def test_what_is_written_is_read(payload: bytes) -> None:
    assert cache.read("key") is None
    cache.write("key", payload)
    assert cache.read("key") == payload
    assert cache.read("key ") is None


def test_the_random_numbers_of_the_user_are_left_alone() -> None:
    state = random.getstate()
    cache.write("key", b"the payload")
    assert random.getstate() == state


def test_the_last_write_counts(home: Path) -> None:
    cache.write("key", b"first")
    cache.write("key", b"second")
    assert cache.read("key") == b"second"
    assert len(list(home.iterdir())) == 1


@pytest.mark.parametrize("damage", ["empty", "short", "flipped", "longer", "older format", "another key's"])
def test_a_damaged_entry_counts_as_absent(home: Path, damage: str) -> None:
    cache.write("other", b"another payload")
    (other,) = home.iterdir()
    cache.write("key", b"the payload")
    (path,) = set(home.iterdir()) - {other}
    data = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "short": data[:-1],
            "flipped": data[:-1] + bytes([data[-1] ^ 1]),
            "longer": data + b"\0",
            "older format": data.replace(b"cache 1", b"cache 0"),
            "another key's": other.read_bytes(),
        }[damage]
    )
    assert cache.read("key") is None
    cache.write("key", b"the payload")
    assert cache.read("key") == b"the payload"


posix = pytest.mark.skipif(os.name != "posix", reason="files as POSIX has them")


@posix
def test_an_entry_of_another_user_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.write("key", b"the payload")
    assert cache.holds("key")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert not cache.holds("key")
    assert cache.read("key") is None


def put_a_socket(path: Path) -> None:
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as one:  # addresses are short
        one.bind(path.name)


def put_a_link(path: Path) -> None:
    """To an entry that would be good."""
    path.rename(path.with_suffix(".kept"))
    path.symlink_to(path.with_suffix(".kept"))


def put_much_of_nothing(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(10 << 30)


ODD: dict[str, Callable[[Path], None]] = {
    "FIFO": lambda path: (path.unlink(), os.mkfifo(path))[1],
    "socket": lambda path: (path.unlink(), put_a_socket(path))[1],
    "folder": lambda path: (path.unlink(), path.mkdir())[1],
    "link": put_a_link,
    "link to a terminal": lambda path: (path.unlink(), path.symlink_to("/dev/tty"))[1],
    "link to no end": lambda path: (path.unlink(), path.symlink_to("/dev/zero"))[1],
    "link to itself": lambda path: (path.unlink(), path.symlink_to(path))[1],
    "10 GB": put_much_of_nothing,
    "writable by the group": lambda path: path.chmod(0o620),
    "writable by all": lambda path: path.chmod(0o602),
}


@posix
@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_safe_file_counts_as_absent(home: Path, odd: str) -> None:
    """Nor is it waited for, or read to no end; a new entry takes its place unless it is a folder."""
    cache.write("key", b"the payload")
    (path,) = home.iterdir()
    ODD[odd](path)
    assert cache.holds("key") is (odd == "10 GB"), "its contents are not looked at"
    assert cache.read("key") is None
    assert cache.write("key", b"the payload") is (odd != "folder")
    assert (cache.read("key") == b"the payload") is (odd != "folder")
    assert not list(home.glob("draft-*"))


@posix
@pytest.mark.parametrize("mode", [0o720, 0o702, 0o1777])
def test_nothing_is_kept_or_found_where_others_may_write(home: Path, mode: int) -> None:
    cache.write("key", b"the payload")
    home.chmod(mode)
    assert cache.obstacle() == f"{home} may be written by other users: chmod go-w {home}"
    assert cache.read("key") is None
    assert not cache.holds("key")
    assert not cache.write("key", b"another payload")
    home.chmod(0o755)
    assert cache.obstacle() is None
    assert cache.read("key") == b"the payload"


def test_an_unusable_folder_is_no_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.parent.mkdir(parents=True)
    home.write_text("a file, not a folder")
    assert cache.obstacle() == f"{home} is not a folder"
    assert not cache.write("key", b"the payload")
    assert cache.read("key") is None
    monkeypatch.setenv("ABSINT_CACHE_DIR", str(home / "below"))
    assert cache.obstacle() == f"{home / 'below'}: Not a directory"


def test_a_failed_write_leaves_no_draft(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full)
    cache.write("key", b"the payload")
    assert list(home.iterdir()) == []


def test_entries_unused_for_longest_go_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_LIMIT", 4000)
    monkeypatch.setattr(cache, "_SWEEP", 0)
    stranger = home / "notes.txt"
    names = [f"key {i}" for i in range(5)]
    for i, name in enumerate(names):
        before = set(home.iterdir()) if i else set()
        cache.write(name, bytes(900))  # the fifth goes over the limit
        if i == 0:
            stranger.write_text("not ours" * 1000)
        if i < 4:
            (path,) = set(home.iterdir()) - before - {stranger}
            os.utime(path, (i, i))
        if i == 3:
            assert cache.read("key 0") is not None  # now the one used last
    assert [name for name in names if cache.read(name)] == ["key 0", "key 3", "key 4"]
    assert stranger.exists()


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="these have folders of their own")
def test_the_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ABSINT_CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == tmp_path / "absint"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, says the specification
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert cache.folder() == tmp_path / "me" / ".cache" / "absint"


def test_processes_that_write_at_once_leave_a_whole_entry() -> None:
    code = "from absint.native import cache\nfor i in range(200): cache.write('key', bytes([i]) * 10_000)"
    writers = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) for _ in range(2)]
    seen = 0
    while any(writer.poll() is None for writer in writers):
        payload = cache.read("key")
        if payload is not None:
            seen += 1
            assert payload == payload[:1] * 10_000
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen
