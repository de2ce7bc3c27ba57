"""One exception tree: everything a user can cause derives from `AbsintError`.

The command line prints such an error as one line and exits with status 2; any other exception is a bug.
"""

from __future__ import annotations

from pathlib import PurePath

_LONGEST = 60
"""Characters of a value in a message."""


def shown(value: object) -> str:
    """A value in a message: its `repr` on one line, cut to 60 characters, control characters escaped."""
    try:
        text = repr(value)
    except Exception:  # a value that cannot say what it is must not hide what is wrong with it
        text = f"<{type(value).__name__}>"
    cut = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in cut)


def shown_name(name: object) -> str:
    """A name or path in a message: as it is, unless it is long or would not print."""
    text = str(name) if isinstance(name, str | PurePath) else shown(name)
    return text if len(text) <= 4 * _LONGEST and text.isprintable() else shown(text)


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
