"""Output of the command line: data to standard output, everything else to standard error.

Data is bytes; text is UTF-8 in every locale. Tables are drawn by rich, without styles and wrapping unless
they go to a terminal. rich is imported on demand, since that takes longer than many commands.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from absint.base.errors import UsageError, printable
from absint.native import units

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

DONE, FOUND, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses: success; something wrong was found; wrong usage or input; Ctrl-C."""

PROGRESS_AFTER = 0.8
"""Seconds of work after which progress is shown."""

PIPED_WIDTH = 120
"""Columns of a report that does not go to a terminal."""

_UNLIMITED = 10_000  # columns: one line per row, so that lists can be searched line by line


def write_out(data: bytes | str) -> None:
    """Write to standard output and flush. Raises `BrokenPipeError` if the reader is gone, `UsageError` for
    other failures.
    """
    if sys.stdout is None:
        raise UsageError("standard output is closed")
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data.encode(errors="backslashreplace") if isinstance(data, str) else data)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_output(sys.stdout)
        raise UsageError(f"standard output: cannot be written: {error.strerror or error}") from error


def note(text: str) -> None:
    """Write lines to standard error, if it is open, with unprintable characters escaped."""
    note_as_is(printable(text, keep="\n\t") + "\n")


def note_as_is(text: str) -> None:
    """Write the result of `render_text` to standard error, if it is open."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        discard_output(sys.stderr)


class NoteStream(io.StringIO):
    """A stream that writes whole lines by `note`."""

    def write(self, text: str) -> int:
        """Write lines."""
        note(text.removesuffix("\n"))
        return len(text)


def discard_output(stream: TextIO | None) -> None:
    """Redirect a stream to the null device, so that Python does not complain at exit about its buffer."""
    if stream is None:
        return
    with contextlib.suppress(OSError, ValueError):  # ValueError: the stream has no file descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream is an open terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def render_text(
    draw: Callable[[Console], None], stream: TextIO | None, piped_width: int = PIPED_WIDTH
) -> str:
    """The text that `draw` prints to a console, in a form for a stream: with styles for a terminal, plain for
    other streams and None.
    """
    from rich.console import Console

    class Escaping(Console):
        """A console that escapes unprintable characters, and so escape sequences, in names from models."""

        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(printable(text, keep="\n"), **options)

    shown = is_terminal(stream)
    width = None if shown else piped_width
    text = io.StringIO()
    console = Escaping(
        file=text, force_terminal=shown, width=width, markup=False, emoji=False, highlight=False
    )
    draw(console)
    if shown:
        return text.getvalue()
    return "".join(line.rstrip() + "\n" for line in text.getvalue().splitlines())


def table_text(table: Table, stream: TextIO | None) -> str:
    """A table as text for a stream; one line per row unless the stream is a terminal."""
    return render_text(lambda console: console.print(table), stream, _UNLIMITED)


def plain_table(title: str, *columns: str, right: tuple[str, ...] = ()) -> Table:
    """An empty table without rules. `right`: the columns that are right-aligned."""
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(title, "bold"), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    for column in columns:
        table.add_column(Text(column, "dim"), justify="right" if column in right else "left")
    return table


class Progress:
    """A status line on standard error, shown once work has taken a moment, and only on a terminal.

    While kernels are compiled, which happens once per machine, the line says so instead. `hidden`: never show
    the line, for work that writes to standard error itself.
    """

    def __init__(self, text: str, hidden: bool = False) -> None:
        self._text = text
        self._hidden = hidden or not is_terminal(sys.stderr)
        self._status: Any = None
        self._over = False
        self._lock = threading.Lock()
        self._timer = threading.Timer(PROGRESS_AFTER, self._show)
        self._timer.daemon = True

    def __enter__(self) -> Progress:
        if not self._hidden:
            self._timer.start()
            units.observers.append(self._compiling)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._compiling in units.observers:
            units.observers.remove(self._compiling)
        with self._lock:
            self._over = True
            if self._status is not None:
                self._status.stop()

    def update(self, text: str) -> None:
        """Change the line's text."""
        with self._lock:
            self._text = text
            if self._status is not None:
                self._status.update(self._line())

    def _compiling(self, kernels: str) -> None:
        self.update(f"compiling for this machine, once: {kernels}")

    def _show(self) -> None:
        from rich.console import Console

        with self._lock:
            if not self._over:
                self._status = Console(stderr=True).status(self._line())
                self._status.start()

    def _line(self) -> Any:
        from rich.text import Text

        return Text(self._text)  # rich would interpret a str as markup
