"""The text of a model, and what becomes of its file: every change is read once, also one that is wrong."""

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
"""A file whose size and time stayed the same is read at every so many looks: clocks of files are coarse."""

_SHOWN = 200  # characters of a line that is shown with an error


class Trouble(NamedTuple):
    """What is wrong with a model: a message, and, if it has a place in the text, that line."""

    message: str
    line: int | None = None
    column: int | None = None
    text: str | None = None


def trouble_of(error: AbsintError, text: str | None) -> Trouble:
    """What to show of an error in a text; None: the text could not be read."""
    if not isinstance(error, VmError) or text is None:
        return Trouble(str(error))
    lines = text.split("\n")
    line = lines[error.line - 1].rstrip() if error.line <= len(lines) else ""
    return Trouble(str(error), error.line, error.column, line[:_SHOWN])


class ModelSource:
    """A model by its name: a path, `-` for standard input, or the name of a bundled one.

    Raises `UsageError` for one that cannot be read, and `VmError` for bytes that are no text.
    """

    def __init__(self, model: str) -> None:
        self.name = "standard input" if model == "-" else Path(model).name
        self.argument = model
        self._path = Path(model) if model != "-" and os.path.isfile(model) else None
        self._seen = self._signs()
        source = api.source_of(model)
        assert isinstance(source, Source)  # a name is never a program
        self.text = source.text
        self._shown = source.path
        self._digest = _digest(source.text)
        self._looks = 0

    @property
    def is_watched(self) -> bool:
        """Whether it is a file that can change."""
        return self._path is not None

    def program(self, text: str) -> Program:
        """What a text of this model describes. Raises `VmError`."""
        return Source(text, self._shown).program()

    def changed_text(self) -> str | None:
        """The file's text if it is another than when it was last looked at; None where it is the same.

        Raises `UsageError` or `VmError`, once for each change, for one that cannot be read.
        """
        if self._path is None:
            return None
        signs = self._signs()
        self._looks += 1
        if signs == self._seen and (signs is None or self._looks % LOOKS_PER_READING):
            return None
        self._seen = signs  # from before it is read: what is written meanwhile is seen next time
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

    def _signs(self) -> tuple[int, ...] | None:
        """What tells that a file was written; None if there is none."""
        try:
            status = os.stat(self._path) if self._path is not None else None
        except OSError:
            return None
        return status and (status.st_mtime_ns, status.st_size, status.st_ino)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
