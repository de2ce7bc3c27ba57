"""One exception tree: everything a user can cause derives from `AbsintError`.

The command line prints such an error as one line and exits with status 2; any other exception is a bug.
"""

from __future__ import annotations

import errno

_NO_MEMORY = ("failed to map segment", "annot allocate memory", "bad_alloc", "can't start new thread")


class AbsintError(Exception):
    """Base of all errors that a caller's input can cause."""


class VmError(AbsintError):
    """A `.vm` text is malformed.

    `path`: the file's name as shown to the user. `line` and `column` count from 1.
    """

    def __init__(self, path: str, line: int, column: int, message: str) -> None:
        super().__init__(f"{path}:{line}:{column}: {message}")
        self.path = path
        self.line = line
        self.column = column
        self.message = message


class GraphError(AbsintError):
    """A graph breaks one of its invariants (`Graph.verify`)."""


class ExpressionError(AbsintError):
    """A Python expression or shape was given something that is not an expression or a finite number."""


class ViewError(AbsintError):
    """A view or box is not finite, not positive where it must be, or too large."""


class DomainError(AbsintError):
    """A point or view lies outside the box on which a program holds, or has not the program's variables."""


class PromiseError(AbsintError):
    """A program promises less than was asked of it, as the values of a sign program."""


class PipelineError(AbsintError):
    """A pipeline's text names no such pass, option or value."""


class VerificationError(AbsintError):
    """A pass broke the graph's invariants or its own promise (`--verify-each`)."""


class BackendError(AbsintError):
    """A backend is unknown or not available here; the message says how to get it."""


class UsageError(AbsintError):
    """A command or function was asked for something that there is not: an option, a file, a name, a type."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that there is too little memory, in one of the ways that this is said."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    return isinstance(error, ImportError | OSError | RuntimeError) and any(
        words in str(error) for words in _NO_MEMORY
    )
