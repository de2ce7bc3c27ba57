"""The public interface with hostile arguments, in a child process: no crash, no odd error, no wrong result.

`ABSINT_TEST_SCALE=10` makes it 10⁵ calls. What fails is named with the command that makes that call again.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from glob import glob
from pathlib import Path

import pytest

import absint
from tests.api.hostile import OTHERS, SUBJECTS, draw_call

ROOT = Path(__file__).parents[2]
SCALE = float(os.environ.get("ABSINT_TEST_SCALE", "1"))
CALLS = int(10_000 * SCALE)
SEEDS = (1, 2)

CHECKED_MEMORY = {
    name: value
    for library in [*glob("/usr/lib*/libc_malloc_debug.so.0"), *glob("/usr/lib/*/libc_malloc_debug.so.0")][:1]
    for name, value in {"LD_PRELOAD": library, "MALLOC_CHECK_": "3"}.items()
}
"""With the GNU C library: an allocator that ends the process where something was written beside a block."""


@pytest.mark.parametrize("seed", SEEDS)
def test_hostile_arguments(tmp_path: Path, seed: int) -> None:
    journal = tmp_path / "journal"
    journal.write_bytes(bytes(8))
    count = str(CALLS // len(SEEDS))
    command = [sys.executable, "-m", "tests.api.hostile", str(seed), "0", count, str(journal)]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path} | CHECKED_MEMORY,
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    (last,) = struct.unpack("<q", journal.read_bytes())
    assert done.returncode == 0, (
        f"status {done.returncode} at python -m tests.api.hostile {seed} {last} 1\n"
        f"{done.stdout}\n{done.stderr}"
    )


UNCALLED = ("AbsintError", "Engine", "Grid", "Precision", "Promise")
"""Names that are no functions; an engine is made by `compile`."""


def test_everything_public_is_called() -> None:
    """Each name of `absint.__all__` that can be called, and each of the shapes and measurements."""
    called = {subject.name for subject in SUBJECTS}
    names = {name for name in absint.__all__ if name not in UNCALLED}
    assert {name for name in names if callable(getattr(absint, name))} <= called | {"X", "Y", "Z"}
    assert {function.__name__ for function in OTHERS} <= called
    assert {"circle", "polygon", "stages", "terms", "View.box", "Box.parse", "GraphBuilder.build"} <= called
    drawn = {draw_call(1, number).subject.name for number in range(CALLS // len(SEEDS))}
    assert called - drawn <= {"times"}  # which is rare


def test_a_call_is_the_same_whenever_it_is_drawn() -> None:
    for number in range(200):
        assert draw_call(3, number).subject.name == draw_call(3, number).subject.name
