"""The guard of a written program: a comment that states the precision, box and promise of its validity.

    # precision f32, box x=-1.0:0.0,y=-1.0:1.0, promise sign

A guard stands above the first instruction, among other comments and blank lines, in a comment of its own:
`f32` or `f64`, a box that `Box.parse` reads, and `bits` or `sign`. A program without a guard is a source,
which is valid everywhere. A guard that is overlooked would therefore let a program be drawn where it is
wrong, so a comment that only resembles a guard is refused. A comment resembles a guard if, outside double
quotes and regardless of case, blanks and punctuation, it

- begins with one of the three parts: `precision` and a width such as f32, 64 or float16; `box` and `all` or
  numbers separated by a colon; `promise` and `bits` or `sign`;
- or contains one of the parts and the keyword of another;
- or contains two of: a width such as f32, a named range such as `x=-1:0`, a promise;
- or contains all three keywords, whatever follows them.

So "precision matters here" and "a box, 3 by 4" are ordinary comments.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from absint.base.errors import ViewError, VmError, shown
from absint.frontend.vm import Comment, comments
from absint.ir.box import Box
from absint.ir.program import Promise
from absint.ops.precision import Precision

FORM = "precision f32|f64, box all|x=-1:1,…, promise bits|sign"
"""The form of a guard, for messages."""

_GUARD = re.compile(r"precision (f32|f64), box (.+), promise (bits|sign)")
_QUOTED = re.compile(r'"[^"]*"')
_TYPE = r"(?:f|fp|float|binary)[\W_]?"
_NUMBERS = r"[+-]?(?:[0-9.]+|inf)[0-9.e+-]*\s*:"
_RANGE = r"(?<!\w)[^\W\d]\w*\s*=\s*[^\s,:=]*\s*:"
_PARTS = tuple(
    re.compile(part)
    for part in (
        rf"precision[\W_]*(?:{_TYPE}[0-9]|(?:8|16|32|64|80|128)\b)",
        rf"box[\W_]*(?:all\s*(?:[^\w\s]|promise|$)|{_NUMBERS}|{_RANGE})",
        r"promise[\W_]*(?:bits|sign)\b",
    )
)
_ANYWHERE = (
    re.compile(rf"{_PARTS[0].pattern}|\b{_TYPE}(?:16|32|64|128)\b"),
    re.compile(rf"{_PARTS[1].pattern}|{_RANGE}"),
    _PARTS[2],
)
_BEGINNING = re.compile(r"[\W_]*(?:" + "|".join(part.pattern for part in _PARTS) + ")")
_WORDS = tuple(re.compile(rf"\b{word}\b") for word in ("precision", "box", "promise"))


class Guard(NamedTuple):
    """The precision, box and promise for which a written program is valid."""

    precision: Precision
    box: Box
    promise: Promise


def read_guard(text: str, path: str = "<text>") -> Guard | None:
    """The guard of a program's text; None for a source.

    Raises `VmError` for a comment that resembles a guard but is none, and for a guard with a malformed box,
    below an instruction, or different from the guard above it. `path`: the file's name in messages.
    """
    guard: Guard | None = None
    for comment in comments(text):
        if (match := _GUARD.fullmatch(comment.text)) is None:
            if resembles_guard(comment.text):
                raise _unreadable(path, comment, f"does not read as {FORM}")
            continue
        if not comment.heads:
            raise _unreadable(path, comment, "stands below an instruction; it belongs above the first")
        try:
            found = Guard(Precision(match[1]), Box.parse(match[2]), Promise(match[3]))
        except ViewError as error:
            raise _unreadable(path, comment, f"cannot be read: {error}") from error
        if guard is not None and found != guard:
            raise _unreadable(path, comment, "contradicts the guard above it")
        guard = found
    return guard


def resembles_guard(comment: str) -> bool:
    """Whether a comment, given without its `#`, resembles a guard, as the module's docstring defines it."""
    said = unicodedata.normalize("NFKC", _QUOTED.sub(" ", comment)).casefold()
    words = sum(word.search(said) is not None for word in _WORDS)
    return (
        _BEGINNING.match(said) is not None
        or (words >= 2 and any(part.search(said) for part in _PARTS))
        or sum(part.search(said) is not None for part in _ANYWHERE) >= 2
        or words == len(_WORDS)
    )


def _unreadable(path: str, comment: Comment, what: str) -> VmError:
    said = f"the comment {shown(comment.text)} seems to say where the program holds, and {what}"
    return VmError(path, comment.line, comment.column, f"{said}; mend it, or put it in double quotes")
