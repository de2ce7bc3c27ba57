"""The command `absint`: Ctrl-C at any moment is one line on standard error and the exit status 130.

Nothing is imported here that Python has not loaded yet, so that Ctrl-C is looked after while all else is.
"""

from __future__ import annotations

import os
import sys

INTERRUPTED = 130


def main() -> int:
    """Run the command that `sys.argv` names and return its exit status."""
    # NumPy's BLAS, hardly used here, starts a thread for each core, and raises SIGINT where it cannot
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from absint.cli.interrupts import Interrupts

        interrupts = Interrupts(leave)
        with interrupts:
            from absint.cli.main import main as run

            return run(ready=interrupts.start_work)
    except KeyboardInterrupt:
        leave()


def leave() -> NoReturn:
    """End the process, interrupted."""
    try:
        if sys.stderr is not None:
            os.write(2, b"interrupted\n")
    except OSError:  # the reader has closed the stream
        pass
    os._exit(INTERRUPTED)


TYPE_CHECKING = False  # as typing's, which takes longer to import than all else here
if TYPE_CHECKING:
    from typing import NoReturn

if __name__ == "__main__":
    sys.exit(main())
