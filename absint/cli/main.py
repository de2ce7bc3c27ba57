"""Run one command from its words to its exit status; every error is one line.

Exit status: 0 done, 1 something wrong was found, 2 bad usage or input, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence

from absint.base.errors import AbsintError, VerificationError, VmError, is_out_of_memory, one_line
from absint.cli.arguments import parse
from absint.native.terminal import BAD_INPUT, DONE, FOUND, INTERRUPTED, discard_output, note
from absint.native.units import CacheWarning

_TAKES_LESS = {
    "optimize": "a lower level takes less, and so does no report",
    "render": "a smaller size takes less",
    "bench": "smaller --sizes and fewer --backends take less",
    "fuzz": "fewer --jobs and a smaller --size take less",
    "view": "a smaller window and a lower level take less",
}
"""Advice for a command that runs out of memory."""


def main(argv: Sequence[str] | None = None, ready: Callable[[], None] = lambda: None) -> int:
    """Run one command and return its exit status.

    `ready`: called after all imports, when the work begins.
    """
    command = ""
    try:
        arguments = parse(sys.argv[1:] if argv is None else argv)
        command = arguments.command
        from absint.cli import commands

        ready()
        status = _run(commands.BY_NAME[command], arguments)
        if status == INTERRUPTED:  # the command has printed its findings so far
            note("interrupted")
        return status
    except SystemExit as stop:  # --help and --version
        return int(stop.code or 0)
    except KeyboardInterrupt:
        note("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # `absint optimize … | head`: the reader has seen enough
        discard_output(sys.stdout)
        return DONE
    except VmError as error:
        _complain(str(error))  # begins with file, line and column, as a compiler's
        return BAD_INPUT
    except AbsintError as error:
        _complain(f"absint: {error}")
        return FOUND if isinstance(error, VerificationError) else BAD_INPUT
    except (MemoryError, ImportError, OSError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        hint = f"; {_TAKES_LESS[command]}" if command in _TAKES_LESS else ""
        _complain(f"absint: out of memory{hint}")
        return BAD_INPUT


def _run(command: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """Run a command; each warning is printed as one line, as errors are."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", CacheWarning)
        warnings.showwarning = lambda message, *_: _complain(f"absint: warning: {message}")
        return command(arguments)


def _complain(message: str) -> None:
    note(one_line(message))
