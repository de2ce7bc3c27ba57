"""Bugs in reading the guard of a written program: it is overlooked, or misread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from absint.frontend import guard, source
from absint.frontend.vm import Comment
from absint.ir.box import EVERYWHERE

from .tools import Bug, Plant, always, edited, planted


def _only(keep: Callable[[Comment], bool]) -> Plant:
    """Read guards from some comments only."""

    def make(old: Callable[[str], Iterator[Comment]]) -> Callable[[str], Iterator[Comment]]:
        return lambda text: filter(keep, old(text))

    return planted(guard, "comments", make)


def _resembling(keep: Callable[[str], Any]) -> Plant:
    """Refuse only some of the comments that resemble a guard."""
    return planted(guard, "resembles_guard", lambda old: lambda comment: keep(comment) and old(comment))


BUGS = (
    Bug("guard:first-line", "a guard is looked for in the first line only",
        _only(lambda comment: comment.line == 1)),
    Bug("guard:first-column", "a guard is looked for in the first column only",
        _only(lambda comment: comment.column == 1)),
    Bug("guard:below", "a guard below an instruction is dropped", _only(lambda comment: comment.heads)),
    Bug("guard:unreadable", "a guard that cannot be read is dropped",
        planted(guard, "resembles_guard", always(False))),
    Bug("guard:case", "a guard in capital letters is dropped",
        _resembling(lambda comment: not any(letter.isupper() for letter in comment))),
    Bug("guard:beginning", "a guard behind another word is dropped",
        _resembling(lambda comment: comment.startswith(("precision", "box", "promise")))),
    Bug("guard:box", "the box of a guard is forgotten",
        edited(source, "read_guard", lambda found: found and found._replace(box=EVERYWHERE))),
)  # fmt: skip
