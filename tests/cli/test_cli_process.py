"""The command line through the real entry point: standard streams, signals, and the Prospero Challenge."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import absint
from absint.cli import commands
from absint.cli.main import main
from tests.support.challenge import draw
from tests.support.command import DISC, ROOT, entry_point, interruptible, one_line

PROSPERO_AT_1024 = "961054c84fd919ad"  # SHA-256 of the packed bits begins so


@pytest.fixture
def disc(tmp_path: Path) -> str:
    path = tmp_path / "disc.vm"
    path.write_text(DISC)
    return str(path)


# Streams and signals


def test_the_installed_script_is_the_same_command() -> None:
    script = shutil.which("absint", path=str(Path(sys.executable).parent))
    if script is None:
        pytest.skip("absint is not installed beside this Python")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"absint {absint.__version__}\n", "")


def test_help_and_version_import_nothing_heavy() -> None:
    code = "import sys; from absint.cli.main import main; main(['--help']); main(['--version'])"
    code += "; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0
    assert not {"numpy", "numba", "rich", "networkx"} & set(done.stdout.split())


def test_standard_input_is_a_model(disc: str) -> None:
    from_file = entry_point("optimize", disc)
    piped = entry_point("optimize", "-", input=DISC.encode())
    assert piped.returncode == 0
    assert piped.stdout == from_file.stdout
    broken = entry_point("optimize", "-", input=b"_0 var-x\n\n_1 sinh _0\n")
    assert broken.returncode == 2
    assert broken.stderr == b"<stdin>:3:4: unknown opcode 'sinh' (did you mean 'sin'?)\n"


def test_render_to_standard_output(disc: str) -> None:
    done = entry_point("render", disc, "-o", "-", "-n", "3")
    assert done.returncode == 0
    assert done.stdout == b"P5\n3 3\n255\n" + bytes([0, 0, 0, 0, 255, 0, 0, 0, 0])
    assert done.stderr.startswith(b"standard output: 3x3 pixels, 11.11% white, ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize(
    "words", [["list"], ["--help"], ["optimize", "gear"], ["render", "gear", "-n", "4", "-o", "-"]]
)
def test_a_full_device_is_one_line(words: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "absint", *words]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, cwd=ROOT, text=True, timeout=60)
    assert done.returncode == 2
    assert one_line(done.stderr) == "absint: standard output: cannot be written: No space left on device"


@pytest.mark.parametrize(
    "words", [["list"], ["--help"], ["optimize", "gear"], ["optimize", "gear", "--report"]]
)
def test_a_reader_that_leaves_is_no_error(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "absint", *words]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, cwd=ROOT, timeout=60)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_reader_of_standard_error_that_leaves_does_not_stop_the_work(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    words = ["optimize", "gear", "--print-after", "all", "-o", str(tmp_path / "x.vm")]
    command = [sys.executable, "-m", "absint", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=writing, cwd=ROOT, timeout=60)
    os.close(writing)
    assert (done.returncode, done.stdout) == (0, b"")
    assert (tmp_path / "x.vm").read_text().startswith("# precision")


def test_closed_streams_are_no_bug(disc: str, tmp_path: Path) -> None:
    def shell(words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", f'"$0" -m absint {words}', sys.executable, disc],
            capture_output=True, text=True, cwd=ROOT, timeout=60,
        )  # fmt: skip

    done = shell("optimize - <&-")
    assert (done.returncode, one_line(done.stderr)) == (2, "absint: <stdin>: cannot be read: it is closed")
    done = shell("list >&-")
    assert (done.returncode, one_line(done.stderr)) == (2, "absint: standard output is closed")
    done = shell(f'render "$1" -n 4 -o {tmp_path}/x.pgm 2>&-')
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "x.pgm").stat().st_size == len("P5\n4 4\n255\n") + 16


def test_an_interrupt_is_one_line_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    target = tmp_path / "x.pgm"
    target.write_bytes(b"old")
    command = [sys.executable, "-m", "absint", "render", "-", "-n", "1000", "-o", str(target)]
    pipe = subprocess.PIPE
    with interruptible():
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT)
    assert process.stdin is not None
    # more than a pipe holds: once it is written, the command is at work, which will take it minutes, for the
    # sine of a large multiple may be anything, so that no bounds decide a pixel
    lines = ["x var-x", "y var-y", "k const 77", "s0 mul x y"]
    for i in range(10_000):
        lines += [f"m{i} mul s{i} k", f"s{i + 1} sin m{i}"]
    process.stdin.write("\n".join(lines).encode())
    process.stdin.close()
    process.stdin = None
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"interrupted\n")
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x.pgm"]


# Too little memory


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        ImportError("some.so: failed to map segment from shared object"),
        RuntimeError("can't start new thread"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("command", ["bench", "fuzz", "list", "optimize", "render", "view"])
def test_too_little_memory_says_what_takes_less(
    command: str, error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> int:
        raise error

    monkeypatch.setitem(commands.BY_NAME, command, fail)
    words = {"bench": ["gear"], "optimize": ["gear"], "render": ["gear", "-o", "-"], "view": ["gear"]}
    assert main([command, *words.get(command, [])]) == 2
    said = one_line(capsys.readouterr().err)
    assert said.startswith("absint: out of memory")
    assert ("less" in said) == (command != "list")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="others do not limit the address space")
@pytest.mark.parametrize("kilobytes", [60_000, 120_000, 200_000, 300_000, 500_000, 1_000_000])
def test_little_address_space_is_a_picture_or_one_line(kilobytes: int, tmp_path: Path) -> None:
    target = tmp_path / "x.pgm"
    shell = f'ulimit -v {kilobytes}; exec "$0" -m absint render gear -o "$1"'
    command = ["sh", "-c", shell, sys.executable, str(target)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=200)
    if done.returncode == 1 and done.stderr.startswith("OpenBLAS error: Memory allocation still failed"):
        return  # it ends the process itself
    assert done.returncode in (0, 2)
    assert target.exists() == (done.returncode == 0)
    one_line(done.stderr)
    assert kilobytes < 500_000 or done.returncode == 0


# Kernels that cannot be kept


def test_an_unusable_cache_is_one_line() -> None:
    code = "from absint.cli import commands, main; from absint.native import units; "
    code += "commands.BY_NAME['list'] = lambda _: [units._warn('no folder'), units._warn('again'), 0][-1]; "
    code += "raise SystemExit(main.main(['list']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0
    assert one_line(done.stderr).startswith("absint: warning: kernels are compiled anew by each process, ")


WORK = """
import time
from absint.native import terminal
terminal.PROGRESS_AFTER = {after}
with terminal.Progress("first") as progress:
    time.sleep(1.5)
    progress.update("second [bold]")
    time.sleep(0.5)
"""


@pytest.mark.parametrize(
    ("after", "on_terminal", "shown"), [(0.1, True, True), (9, True, False), (0.1, False, False)]
)
def test_progress_shows_on_a_terminal_after_a_while(after: float, on_terminal: bool, shown: bool) -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty() if on_terminal else os.pipe()
    command = [sys.executable, "-c", WORK.format(after=after)]
    subprocess.run(
        command, stderr=theirs, cwd=ROOT, env=os.environ | {"TERM": "xterm"}, check=True, timeout=60
    )
    os.set_blocking(ours, False)
    try:
        seen = os.read(ours, 1 << 16)
    except BlockingIOError:
        seen = b""
    os.close(ours)
    os.close(theirs)
    assert (b"first" in seen, b"second [bold]" in seen) == (shown, shown)
    assert shown or not seen


# The Prospero Challenge


def is_prospero(file: bytes) -> bool:
    """Whether a PGM file is the picture at 1024 by 1024 pixels, in black and white."""
    header, pixels = file[:17], np.frombuffer(file[17:], np.uint8)
    assert set(np.unique(pixels).tolist()) == {0, 255}
    bits = np.packbits(pixels.reshape(1024, 1024) > 0, axis=1).tobytes()
    return header == b"P5\n1024 1024\n255\n" and hashlib.sha256(bits).hexdigest().startswith(PROSPERO_AT_1024)


@pytest.mark.parametrize("precision", ["f32", "f64"])
def test_the_picture_of_prospero(models_dir: Path, tmp_path: Path, precision: str) -> None:
    target = tmp_path / "out.pgm"
    done = entry_point(
        "render", str(models_dir / "prospero.vm"), "--backend", "reference", "-n", "1024", "-o", str(target),
        "--precision", precision,
    )  # fmt: skip
    assert done.returncode == 0
    assert b"12.59% white" in done.stderr
    assert is_prospero(target.read_bytes())


@pytest.mark.parametrize("precision", ["f32", "f64"])
def test_we_draw_what_the_challenges_script_draws(models_dir: Path, tmp_path: Path, precision: str) -> None:
    source, target = models_dir / "prospero.vm", tmp_path / "out.pgm"
    done = entry_point("render", str(source), "-n", "200", "-o", str(target), "--precision", precision)
    assert done.returncode == 0
    real = np.float32 if precision == "f32" else np.float64
    assert target.read_bytes() == draw(source.read_text(), 200, real)


def test_the_challenges_script_draws_what_we_write(models_dir: Path, tmp_path: Path) -> None:
    source = models_dir / "prospero.vm"
    expected = draw(source.read_text(), 128)
    for level in ("-O0", "-O1", "-O2"):
        target = tmp_path / f"out{level}.vm"
        done = entry_point("optimize", str(source), level, "--precision", "f64", "-o", str(target))
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        assert draw(target.read_text(), 128) == expected
    assert is_prospero(draw((tmp_path / "out-O1.vm").read_text(), 1024))
