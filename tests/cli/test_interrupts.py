"""Ctrl-C at any moment of a command is one line and the exit status 130."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from absint.cli import commands
from absint.cli.main import main
from absint.native import terminal
from tests.support.command import ROOT, interruptible

RENDER = ["render", "gear", "-n", "200", "-o"]
SCRIPT = "import re, sys; from absint.__main__ import main; sys.exit(main())"  # what pip writes, in short


def interrupted(command: list[str], target: Path, delays: list[float], cache: Path | None = None) -> int:
    """Start a command and send SIGINT after each of some delays: its exit status; no child may be left."""
    pipe = subprocess.PIPE
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | ({"ABSINT_CACHE_DIR": str(cache)} if cache else {})
    with interruptible():
        process = subprocess.Popen(
            [*command, *RENDER, str(target)],
            stdout=pipe, stderr=pipe, env=environment, text=True, start_new_session=True,
        )  # fmt: skip
    for delay in delays:
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert out == ""
    if has_begun(process.returncode, err):
        allowed = {0: rf"{re.escape(str(target))}: 200x200 pixels, .* ms\n", 130: r"(.* ms\n)?interrupted\n"}
        assert re.fullmatch(allowed.get(process.returncode, "no such status"), err), (process.returncode, err)
    for _ in range(100):  # a child whose parent has ended at once ends as soon as it runs
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return process.returncode
        time.sleep(0.1)
    pytest.fail("a child is left")


def has_begun(status: int, err: str) -> bool:
    """Whether the command was asked to stop after its first line ran.

    Before that Python itself starts, and a wrapper cannot mend what happens: until Python has set its own
    handler the signal ends the process, and then Python shows where in its own start, or on its way to the
    command, it was.
    """
    frames = set(re.findall(rf'"{re.escape(str(ROOT / "absint"))}/(.*?)"', err))
    early = status in (1, -signal.SIGINT) and frames <= {"__init__.py", "loaded.py"}
    assert not early or not err or err.rstrip().endswith("KeyboardInterrupt")
    return not early


needs_signals = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
MODULE = [sys.executable, "-m", "absint"]


@needs_signals
@pytest.mark.parametrize(("command", "times"), [(MODULE, 40), ([sys.executable, "-c", SCRIPT], 12)])
def test_control_c_at_any_moment(command: list[str], times: int, tmp_path: Path) -> None:
    target, chance = tmp_path / "x.pgm", random.Random(4)
    start = time.monotonic()
    assert interrupted(command, target, []) == 0
    whole, length = target.read_bytes(), time.monotonic() - start
    statuses = set()
    for _ in range(times):
        target.unlink(missing_ok=True)
        statuses.add(interrupted(command, target, [chance.uniform(0, 1.1 * length)]))
        assert not target.exists() or target.read_bytes() == whole
        assert set(os.listdir(tmp_path)) <= {target.name}
    assert statuses <= {0, 1, 130, -signal.SIGINT}
    assert 130 in statuses


@needs_signals
def test_control_c_while_kernels_are_compiled(tmp_path: Path) -> None:
    """By processes of their own: none is left, and nothing half-written."""
    target, chance = tmp_path / "x.pgm", random.Random(5)
    statuses = [
        interrupted(MODULE, target, [chance.uniform(0, 4)], tmp_path / f"cache {i}") for i in range(12)
    ]
    assert 130 in statuses
    assert not target.exists()


@needs_signals
@pytest.mark.parametrize("pause", [0.0, 0.002, 0.02])
def test_control_c_twice(pause: float, tmp_path: Path) -> None:
    target, chance = tmp_path / "x.pgm", random.Random(6)
    start = time.monotonic()
    assert interrupted(MODULE, target, []) == 0
    length = time.monotonic() - start
    statuses = [interrupted(MODULE, target, [chance.uniform(0.2, 0.9) * length, pause]) for _ in range(6)]
    assert 130 in statuses
    assert os.listdir(tmp_path) == ["x.pgm"]


# What `absint.cli.interrupts` does where a signal comes at one of these moments; `hit()` is Ctrl-C.
MOMENTS = {
    "before the work": "with interrupts: hit()",
    "at work": "with interrupts: interrupts.start_work(); hit()",
    "while an object is deleted": """
class Hit:
    def __del__(self): hit()
with interrupts:
    interrupts.start_work()
    Hit()
""",
    "turned into another error": """
with interrupts:
    interrupts.start_work()
    try: hit()
    except KeyboardInterrupt: raise ImportError("numpy could not be imported")
""",
    "twice, the second late": """
with interrupts:
    interrupts.start_work()
    try: hit()
    except KeyboardInterrupt: absint.cli.interrupts._TWICE = -1.0; hit(); time.sleep(60)
""",
    "twice, the second at once": """
with interrupts:
    interrupts.start_work()
    try: hit()
    except KeyboardInterrupt: hit(); raise
""",
    "while helpers are waited for": """
with interrupts: atexit.register(hit)
""",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_control_c_does_at(moment: str) -> None:
    code = (
        "import atexit, functools, signal, time, absint.cli.interrupts; from absint.__main__ import leave\n"
    )
    code += "hit = functools.partial(signal.raise_signal, signal.SIGINT)\n"
    code += "interrupts = absint.cli.interrupts.Interrupts(leave)\n" + MOMENTS[moment]
    with interruptible():
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, timeout=50)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"interrupted\n")


def test_a_command_that_reports_what_it_has_found_says_it_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(commands.BY_NAME, "fuzz", lambda _: terminal.INTERRUPTED)
    assert main(["fuzz"]) == 130
    assert capsys.readouterr() == ("", "interrupted\n")


@needs_signals
def test_what_ignores_control_c_still_does() -> None:
    """As a command in the background of a script does."""
    shell = 'trap "" INT; "$0" -m absint list models & sleep 0.2; kill -INT $!; wait $!'
    done = subprocess.run(["sh", "-c", shell, sys.executable], capture_output=True, cwd=ROOT, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"gear" in done.stdout
