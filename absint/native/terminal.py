"""What the command line writes: data to standard output, all else to standard error.

Data is bytes, text as UTF-8 whatever the locale. Tables are drawn by rich, plainly and without wrapping where
nobody looks at them. rich is imported when it is needed: it takes longer than many a command.
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
"""Exit statuses: all is well, something wrong was found, bad usage or input, Ctrl-C."""

PROGRESS_AFTER = 0.8
"""Seconds after which work that still goes on shows itself."""

PIPED_WIDTH = 120
"""Columns of a report that does not go to a terminal."""

_UNLIMITED = 10_000  # columns: one line a row, so that lists can be searched line by line


def write_out(data: bytes | str) -> None:
    """Write to standard output, now. Raises `UsageError` if that fails, `BrokenPipeError` if nobody reads."""
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
    """Write lines to standard error, if there is somebody to read them; what is not printable is escaped."""
    note_drawn(printable(text, keep="\n\t") + "\n")


def note_drawn(text: str) -> None:
    """Write to standard error what `drawn` gave for it, if there is somebody to read it."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        discard_output(sys.stderr)


class NoteStream(io.StringIO):
    """`note` for what wants a stream: whole lines, to standard error if there is somebody to read them."""

    def write(self, text: str) -> int:
        """Write lines."""
        note(text.removesuffix("\n"))
        return len(text)


def discard_output(stream: TextIO | None) -> None:
    """Let what a stream still holds go nowhere, else Python complains about it at exit."""
    if stream is None:
        return
    with contextlib.suppress(OSError, ValueError):  # ValueError: no file behind it
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at a stream."""
    return stream is not None and not stream.closed and stream.isatty()


def drawn(draw: Callable[[Console], None], stream: TextIO | None, piped_width: int = PIPED_WIDTH) -> str:
    """What `draw` prints to a console, as text fit for a stream (None: for a file)."""
    from rich.console import Console

    class Escaping(Console):
        """Names and messages come from models: no markup, no emoji, no escape sequences."""

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
    """A table as text fit for a stream: one line a row unless somebody looks at it."""
    return drawn(lambda console: console.print(table), stream, _UNLIMITED)


def plain_table(title: str, *columns: str, right: tuple[str, ...] = ()) -> Table:
    """An empty table without lines; `right` names the columns that are numbers."""
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(title, "bold"), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    for column in columns:
        table.add_column(Text(column, "dim"), justify="right" if column in right else "left")
    return table


class Progress:
    """Says on standard error what is being done, once it has taken a moment; only on a terminal. That kernels
    are being compiled, which happens once on a machine, it says instead.

    `hidden`: never, for work that writes there itself.
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
        """Say something else from now on."""
        with self._lock:
            self._text = text
            if self._status is not None:
                self._status.update(self._styled())

    def _compiling(self, kernels: str) -> None:
        self.update(f"compiling for this machine, once: {kernels}")

    def _show(self) -> None:
        from rich.console import Console

        with self._lock:
            if not self._over:
                self._status = Console(stderr=True).status(self._styled())
                self._status.start()

    def _styled(self) -> Any:
        from rich.text import Text

        return Text(self._text)  # a str would be read as markup
