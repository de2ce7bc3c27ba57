"""The exception tree: every error that a user can cause derives from `AbsintError`.

The command line prints such an error as one line and exits with status 2; any other exception is a bug.

Messages quote users' values with `shown`, and file names with `shown_path`. So no escape sequence reaches the
terminal, a message stays on one line, and a name of megabytes becomes a few words.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from pathlib import PurePath

_NO_MEMORY = ("failed to map segment", "annot allocate memory", "bad_alloc", "can't start new thread")

_SHOWN = 60
"""Largest length of a quoted value."""

_PATH_SHOWN = 240
"""Largest length of a file's name; of a longer name the end is shown, which is more informative."""

_LINE = 1000
"""Largest length of a line."""


def shown(value: object) -> str:
    """A value for a message: its `repr` in printable characters, cut to about sixty with `…`."""
    if isinstance(value, str):
        quoted = repr(_cut(value))
        return quoted if len(quoted) <= 2 * _SHOWN else f"{quoted[:_SHOWN]}…{quoted[-1]}"
    try:
        text = repr(value)
    except Exception:  # a failing __repr__ must not hide the actual error
        text = f"<{type(value).__name__}>"
    return _cut(printable(text))


def shown_path(path: object) -> str:
    """A file's name for a message: at most 240 printable characters, without quotes unless empty."""
    text = str(path) if isinstance(path, str | PurePath) else shown(path)
    text = printable(text[-2 * _PATH_SHOWN :]) or "''"
    return text if len(text) <= _PATH_SHOWN else f"…{text[1 - _PATH_SHOWN :]}"


def printable(text: str, keep: str = "") -> str:
    """The text with unprintable characters, except those in `keep`, escaped as in `repr`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else repr(c)[1:-1] for c in text)


def one_line(text: str, most: int = _LINE) -> str:
    """The text on one line of printable characters, cut to `most`."""
    return _cut(printable(" ".join(text[: 2 * most].splitlines())), most)


def _cut(text: str, most: int = _SHOWN) -> str:
    return text if len(text) <= most else text[:most] + "…"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The hint ` (did you mean 'x'?)` with the most similar known name; empty if none is similar."""
    import difflib  # here, since only error messages need it

    near = difflib.get_close_matches(name[:_SHOWN].lower(), known, 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


class AbsintError(Exception):
    """Base of all errors that a caller's input can cause."""


class VmError(AbsintError):
    """A `.vm` text is malformed.

    `path`: the file's name. `line` and `column` count from 1.
    """

    def __init__(self, path: str, line: int, column: int, message: str) -> None:
        super().__init__(f"{shown_path(path)}:{line}:{column}: {message}")
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
    """A point or view lies outside a program's box, or lacks one of its variables."""


class PromiseError(AbsintError):
    """A program's promise is too weak for a request, such as values of a program that keeps only the sign."""


class PipelineError(AbsintError):
    """A pipeline's text names an unknown pass, option or value."""


class VerificationError(AbsintError):
    """A pass broke the graph's invariants or its promise (`--verify-each`)."""


class BackendError(AbsintError):
    """A backend is unknown or not available on this machine; the message says how to get it."""


class UsageError(AbsintError):
    """A command or function got an argument that it cannot use: an option, file, name or type."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception reports a lack of memory, in any form that Python and its libraries use."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    return isinstance(error, ImportError | OSError | RuntimeError) and any(
        words in str(error) for words in _NO_MEMORY
    )
