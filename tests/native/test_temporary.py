"""Temporary folders: those of dead processes go, those in use stay, and nothing else is touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from absint.native.temporary import remove_abandoned, temporary_folder

KILLED = """
import os, signal
from absint.native.temporary import temporary_folder
with temporary_folder() as folder:
    (folder / "deep").mkdir()
    (folder / "deep" / "file").write_text("x")
    print(folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for temporary files."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_a_folder_is_there_and_then_gone(home: Path) -> None:
    with temporary_folder() as one, temporary_folder() as two:
        assert one != two and one.parent == two.parent == home
        assert one.is_dir() and list(one.iterdir()) == []
        assert os.name != "posix" or one.stat().st_mode & 0o077 == 0
        (one / "file").touch()
    with pytest.raises(ZeroDivisionError), temporary_folder():
        raise ZeroDivisionError
    assert list(home.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="there are no such locks")
def test_what_a_killed_process_left_is_removed_and_nothing_else(home: Path) -> None:
    def kill_one() -> Path:
        done = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, check=False)
        assert done.returncode == -signal.SIGKILL
        left = Path(done.stdout.strip())
        assert (left / "deep" / "file").exists() and left.parent == home
        return left

    others = [home / name for name in ("absint", "absint-cache", "temporary")]
    for other in others:
        other.mkdir()
    target = home / "elsewhere"
    target.mkdir()
    link = home / "absint-temporary-link"
    link.symlink_to(target)
    file = home / "absint-temporary-file"
    file.touch()
    with temporary_folder() as held:
        left = kill_one()
        remove_abandoned()
        assert not left.exists() and held.exists()
        left = kill_one()
        with temporary_folder():
            assert not left.exists() and held.exists()
    assert {*home.iterdir()} == {*others, target, link, file}
