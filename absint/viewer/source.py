"""The text of a model, and the changes of its file, each reported once, even if the text is wrong."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from absint import api
from absint.base.errors import AbsintError, UsageError, VmError
from absint.frontend.source import Source
from absint.frontend.vm import read_text
from absint.ir.program import Program

LOOKS_PER_READING = 5
"""A file with unchanged size and time is read at every fifth look, since file times are coarse."""

_SHOWN = 200  # largest length of a line that is shown with an error


class Trouble(NamedTuple):
    """An error in a model: the message and, if the error has a place in the text, that line."""

    message: str
    line: int | None = None
    column: int | None = None
    text: str | None = None


def trouble_of(error: AbsintError, text: str | None) -> Trouble:
    """The description of an error for the page. `text`: the model's text; None if it could not be read."""
    if not isinstance(error, VmError) or text is None:
        return Trouble(str(error))
    lines = text.split("\n")
    line = lines[error.line - 1].rstrip() if error.line <= len(lines) else ""
    return Trouble(str(error), error.line, error.column, line[:_SHOWN])


class ModelSource:
    """A model's text and its file. `model`: a path, `-` for standard input, or the name of a bundled model.

    Raises `UsageError` if the model cannot be read, and `VmError` if it is not UTF-8 text.
    """

    def __init__(self, model: str) -> None:
        self.name = "standard input" if model == "-" else Path(model).name
        self.argument = model
        self._path = Path(model) if model != "-" and os.path.isfile(model) else None
        self._last_status = self._status()
        source = api.source_of(model)
        assert isinstance(source, Source)  # a name is never a program
        self.text = source.text
        self._shown = source.path
        self._digest = _digest(source.text)
        self._looks = 0

    @property
    def is_watched(self) -> bool:
        """Whether the model is a file, which can change."""
        return self._path is not None

    def program(self, text: str) -> Program:
        """The program of a text of this model. Raises `VmError` for malformed text."""
        return Source(text, self._shown).program()

    def changed_text(self) -> str | None:
        """The file's text if it has changed since the last call, else None.

        Raises `UsageError` or `VmError`, once for each change, if the file cannot be read.
        """
        if self._path is None:
            return None
        status = self._status()
        self._looks += 1
        if status == self._last_status and (status is None or self._looks % LOOKS_PER_READING):
            return None
        self._last_status = status  # from before reading, so that the next call notices a later write
        try:
            if self._path.exists() and not self._path.is_file():  # reading a pipe would wait
                raise UsageError(f"{self._path}: cannot be read: it is no longer a file")
            text = read_text(self._path)[0]
        except AbsintError as error:
            if self._digest == (digest := _digest(str(error))):
                return None
            self._digest = digest
            raise
        if self._digest == (digest := _digest(text)):
            return None
        self._digest = digest
        return text

    def _status(self) -> tuple[int, ...] | None:
        """The file's time, size and number, of which a write changes at least one; None without a file."""
        try:
            status = os.stat(self._path) if self._path is not None else None
        except OSError:
            return None
        return status and (status.st_mtime_ns, status.st_size, status.st_ino)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
