"""What the tests of the command line share."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DISC = "x var-x\ny var-y\nxx square x\nyy square y\nrr add xx yy\nr sqrt rr\nk const 0.5\nf sub r k\n"


def entry_point(*words: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """`python -m absint` in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | options.pop("env", {})
    command = [sys.executable, "-m", "absint", *words]
    return subprocess.run(command, capture_output=True, env=environment, timeout=120, **options)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Processes started inside get SIGINT even where this one ignores it, as one in the background does.

    What a process ignores its children ignore, what it handles they do not.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def one_line(err: str) -> str:
    """An error is one line, and no traceback."""
    assert err.endswith("\n")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err[:-1]
